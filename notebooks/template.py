"""Begin a lesson: `make lesson NAME=07_defect_library` writes what every lesson has, ready to run.

What is written passes all tests as it stands, so a lesson is filled in from something that works. Nothing is
ever overwritten.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_NAME = re.compile(r"(?P<number>\d\d[a-z]?)_(?P<room>[a-z][a-z0-9_]*)")
# A row of the table of lessons, in the README and in lesson 00, with its number.
_TABLES = {
    "README.md": re.compile(r"(?m)^\| \[(?:Exercises to )?(\d\d[a-z]?)\b.*\n"),
    "notebooks/00_start_here.py": re.compile(r"(?m)^# \| \[(?:Exercises to )?(\d\d[a-z]?)\b.*\n"),
}

LESSON = """\
# %% [markdown]
# # {number} · {title}
#
# <div class="alert alert-block alert-info">
#
# **You will** find the columns of an image · score them against planted truth · see where this fails
#
# **Needs** [lesson 03](03_atom_finding.ipynb) ([what to know first](before_you_start.md), [glossary](glossary.md))
# · **Time** 45 min live
#
# </div>
#
# The idea in a paragraph: what is asked, what is measured, what one would like to know. And its equation:
#
# $$ F_1 = \\frac{{2\\,N_\\mathrm{{right}}}}{{N_\\mathrm{{found}} + N_\\mathrm{{planted}}}}. \\tag{{{number}.1}} $$

# %% tags=["hide-input"]
from atomlens import columns, datasets, metrics, plotting
from atomlens.notebook import budget, findings, show

# %% [markdown]
# ## 1 · Play before you read
#
# A *phantom* is simulated, and its answer is planted. A widget comes first. Say what the figure shows before it appears.

# %%
phantom = datasets.load("mos2_phantom", random_state=budget(full=1, fast=0))
found = columns.find(phantom.data)
score = metrics.match(found, phantom.truth[phantom.truth.scored], tolerance=3)
print(f"F1 = {{score.f1:.3f}}")

# %%
show(plotting.overlays({{"found": (phantom.data, found)}}), alt="The phantom, with a dot on each column found.")

# %% [markdown]
# **Figure {number}.1.** State the finding, with the number that the run printed above.
#
# ## 2 · Measured data
#
# ## 3 · Where it fails
#
# ## What stays

# %% tags=["hide-input"]
findings(f"* At most four bullets, with numbers from the run, such as F1 = {{score.f1:.3f}}.")

# %% [markdown]
# **Next** the [exercises](exercises/{name}.ipynb).
"""

SOLUTION = """\
# %% [markdown] tags=["solution"]
# *With solutions. This file is the source of the students' notebook: what stands between the markers is cut
# out there.*

# %% [markdown]
# # Exercises to lesson {number} · {title}
#
# **You will** find columns in an image that nobody else has
#
# **Needs** [lesson {number}](../{name}.ipynb) · **Time** 30 min
#
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint. Nothing
# breaks when an answer is wrong: each new try gets a hint that says more, and `check.hint()` asks for the next one.
# Questions are answered with a letter, such as `"a"`. What was right is kept in a folder `answers` beside this
# notebook, and `check.summary()` lists it, also after a restart.

# %%
from atomlens import columns
from atomlens.course import check
from atomlens.course.{room} import Exercise

# %% [markdown]
# Put your own name here. It seeds your samples: your numbers differ from your neighbour's.

# %%
exercise = Exercise("Ada Lovelace")

# %% [markdown]
# ## 1 · How many?
#
# Find the columns of `exercise.sample.data`. How many are there?

# %%
# --- solution
number = len(columns.find(exercise.sample.data))
# --- end
exercise.check_number(number)

# %% [markdown]
# **Question.** The dose is made four times as large. The smallest possible error of a place
#
# - a) falls to a quarter.
# - b) falls to a half.

# %%
# --- solution
option = "b"
# --- end
exercise.question("four times the dose", option)

# %%
check.summary()
"""

EXERCISE = '''\
"""Exercises to lesson {number}: samples, expected answers, and tests of what students hand in."""

from __future__ import annotations

from atomlens import columns, simulate
from atomlens._types import Any
from atomlens.course import check
from atomlens.course.lesson import Lesson, Question

__all__ = ["Exercise"]

# For each check a nudge, the idea, and a line worked with other numbers. Many of them go into course/texts.
HINTS = {{
    "number of columns": (
        "what is returned has a row for each column",
        "a table knows how many rows it has",
        "a table of rows 0, 1 and 2 has the length 3",
    ),
}}
# The text and the options stand in the notebook.
QUESTIONS = {{
    "four times the dose": Question(
        "b",
        {{
            "a": "its square, the variance, falls to a quarter",
            "b": "it goes with one over the root of the number of electrons",
        }},
    ),
}}


class Exercise(Lesson):
    """One student's samples, and the checks of their answers.

    Parameters
    ----------
    student : str
        A name; it seeds the samples, on every computer alike.

    Attributes
    ----------
    sample : Sample
        An image of gold columns, with its truth.

    Examples
    --------
    >>> Exercise("Ada Lovelace").sample.data.dims
    ('y', 'x')
    """

    name, hints, questions = "{name}", HINTS, QUESTIONS

    def __init__(self, student: str) -> None:
        super().__init__(student)
        structure = simulate.structures.metal("Au", (4, 4), rotation=float(self.seed % 60))
        self.sample = simulate.image(structure, electrons=2000, random_state=self.seed)

    def check_number(self, answer: Any) -> check.Result:
        """Judge the number of columns."""
        expected = len(columns.find(self.sample.data))
        return check.equal(answer, expected, unit="count", name="number of columns", of=self)
'''

TEST = '''\
"""Right answers pass, wrong ones get a hint, open ones stay open; students differ."""

import numpy as np
import pytest

from atomlens import columns
from atomlens.course.{room} import Exercise


@pytest.fixture(scope="module")
def exercise():
    return Exercise("Ada Lovelace")


def test_students_have_their_own_samples_and_everyone_the_same_one_again(exercise):
    again, other = Exercise(" ada lovelace"), Exercise("Marie Curie")
    np.testing.assert_array_equal(exercise.sample.data, again.sample.data)
    assert not np.array_equal(exercise.sample.data, other.sample.data)


def test_right_answers_pass(exercise):
    assert exercise.check_number(len(columns.find(exercise.sample.data)))


@pytest.mark.parametrize("wrong", [0, "many", None])
def test_wrong_answers_do_not(exercise, wrong):
    assert not exercise.check_number(wrong)
'''

ROWS = {
    "README.md": """\
| [{number} · {title}](notebooks/{name}.ipynb) | Which question does it answer? | 45 min |
| [Exercises to {number}](notebooks/exercises/{name}.ipynb) | Have I understood it? | 30 min |
""",
    "notebooks/00_start_here.py": """\
# | [{number} · {title}]({name}.ipynb) | Which question does it answer? | 45 min | lesson 03 |
# | [Exercises to {number}](exercises/{name}.ipynb) | Have I understood it? | 30 min | lesson {number} |
""",
}


def write(name, root=ROOT):
    """Write the files of a new lesson, and its rows in the tables of lessons.

    Parameters
    ----------
    name : str
        Such as "07_defect_library", or "03b_more_networks" for what a lecturer would skip.
    root : Path
        The checkout.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ValueError
        If the name is no name of a lesson, or its words name a room of the package.
    FileExistsError
        If one of the files is there already; then none is written.
    """
    found = _NAME.fullmatch(name)
    if not found:
        raise ValueError(f"{name!r} is no name of a lesson: two digits and words, such as 07_defect_library")
    words = {"name": name, **found.groupdict()}
    package = root / "src" / "atomlens"
    if (package / words["room"]).is_dir() or (package / f"{words['room']}.py").is_file():
        raise ValueError(f"{words['room']!r} is a room of the package: its exercises need another name")
    words["title"] = words["room"].replace("_", " ").capitalize()
    texts = {
        f"notebooks/{name}.py": LESSON,
        f"notebooks/exercises/{name}_solution.py": SOLUTION,
        f"src/atomlens/course/{words['room']}.py": EXERCISE,
        f"tests/course/test_{words['room']}.py": TEST,
    }
    files = {root / place: text.format(**words) for place, text in texts.items()}
    if there := [path for path in files if path.exists()]:
        raise FileExistsError(f"{', '.join(map(str, there))} exists already: choose another name")
    for place, row in _TABLES.items():
        text = (root / place).read_text(encoding="utf-8")
        earlier = [found for found in row.finditer(text) if found[1] < words["number"]]
        if not earlier:
            raise ValueError(f"{place} has no table of lessons to add this one to")
        end = earlier[-1].end()
        files[root / place] = text[:end] + ROWS[place].format(**words) + text[end:]
    for path, content in files.items():
        path.write_text(content, encoding="utf-8")
    return list(files)


if __name__ == "__main__":
    try:
        written = write(sys.argv[1] if len(sys.argv) > 1 else "")
    except (ValueError, FileExistsError) as problem:
        sys.exit(str(problem))
    print("Written:", *(path.relative_to(ROOT) for path in written), sep="\n  ")
    print("Next: fill in the lesson and its rows, then `make notebooks` and `make test`.")
