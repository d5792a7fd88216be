"""The course pack: syllabus, notebooks in pairs, assignments, slides, and data for rooms without network.

What it holds is made from the lessons and their exercises, so that nothing is written twice. `grade.py`, in an
environment of its own, makes the release of each assignment and grades what comes back.

    python notebooks/teaching/pack.py OUT
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from pathlib import Path

import nbformat

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import build

from atomlens.datasets import _fetch, _registry

POINTS = {"check": 2, "question": 1}  # an answer that was worked out; one that was chosen
HAND_IN = """\
**An assignment.** Write your name into the cell that asks for it: it makes your sample. Write each answer in place of the
dots, run that cell, *and the check below it*, which says ✓ or gives a hint. Only your own cells can be changed. Hand in this
file, under this name, with all cells."""
NAME = re.compile(r'Exercise\("([^"]*)"\)')
CHECK = re.compile(r'exercise\.(check|question)(?:_(\w+))?\((?:"([^"]*)")?')
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"  # nbgrader's


def write(out):
    """Write the pack into a folder that is new, or holds an earlier one.

    Parameters
    ----------
    out : path-like

    Returns
    -------
    list of str
        What was left out, in sentences.

    Raises
    ------
    FileExistsError
        If the folder holds something else.
    """
    out = Path(out)
    mark = out / "nbgrader_config.py"
    if out.exists() and any(out.iterdir()) and not mark.exists():
        raise FileExistsError(f"{out} holds something else: name a new folder, or one of an earlier pack")
    out.mkdir(parents=True, exist_ok=True)
    for name in ("nbgrader_config.py", "README.md", "rubric.md", "roster.csv"):
        if name != "roster.csv" or not (out / name).exists():  # the lecturer's, once it is there
            shutil.copy(HERE / "course" / name, out / name)
    lessons = [source for source in build.lessons() if build.stored(source) is not None]
    _pairs(out, [*lessons, *build.solutions()])
    (out / "syllabus.md").write_text(syllabus(lessons), encoding="utf-8")
    for solution in build.solutions():
        name = build.student_of(solution).stem
        path = out / "source" / name / f"{name}.ipynb"
        if path.exists() and any((out / "submitted").glob(f"*/{name}*")):
            continue  # what students have is what their work is judged by
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(assignment(build.read(solution)), path)
    return _data(out / "data", lessons)


# ---------------------------------------------------------------- notebooks in pairs


def _pairs(out, sources):
    """Each notebook without outputs (or answers), to work through, and completed; links hold within a folder."""
    for kind in ("unfilled", "completed"):
        (out / kind / "exercises").mkdir(parents=True, exist_ok=True)
        for name in ("glossary.md", "before_you_start.md", "LICENSE.md"):
            shutil.copy(HERE.parent / name, out / kind / name)
    for source in sources:
        blank = build.stored(build.student_of(source)) if build.is_solution(source) else build.read(source)
        place = (build.student_of(source) if build.is_solution(source) else source).relative_to(HERE.parent)
        nbformat.write(blank, out / "unfilled" / place.with_suffix(".ipynb"))
        nbformat.write(build.stored(source), out / "completed" / place.with_suffix(".ipynb"))


# ---------------------------------------------------------------- assignments


def assignment(notebook):
    """A solution as nbgrader's source: what is to be written, what is checked, and what stays as it is.

    Parameters
    ----------
    notebook : NotebookNode
        As `build.read` gives a solution.

    Returns
    -------
    NotebookNode
    """
    cells = [_marked(nbformat.v4.new_markdown_cell(HAND_IN), "hand-in")]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(
                r"\[([^\]]+)\]\(\.\.[^)]*\)", r"\1", cell.source
            )  # a student may have but this file
        if "solution" in cell.metadata.get("tags", ()):
            continue
        if cell.cell_type == "code" and NAME.search(cell.source):
            cells += _named(cell)
        elif cell.cell_type == "code" and build.CUT in cell.source:
            cells += _divided(cell)
        elif cell.cell_type == "code" and CHECK.search(cell.source):
            cells += _graded(cell.source)
        else:
            cells.append(_marked(cell, f"stays-{cell.id}"))
    last = nbformat.v4.new_code_cell('print("sample", exercise.seed)')
    notebook.cells = [*cells, _marked(last, "whose-sample")]
    names = [cell.metadata.nbgrader.grade_id for cell in cells if "nbgrader" in cell.metadata]
    if len(names) != len(set(names)):
        raise ValueError(f"two cells have one name: {sorted(n for n in set(names) if names.count(n) > 1)}")
    return notebook


def _named(cell):
    """The student's name in a cell of its own, which they fill in; the rest is locked."""
    own = nbformat.v4.new_code_cell('student = ""  # write your name here, as your lecturer knows it')
    cell.source = NAME.sub("Exercise(student)", cell.source)
    return [own, _marked(cell, "sample")]


def _divided(cell):
    """The part to be written, then the check, which is locked and earns points."""
    before, _, rest = cell.source.partition(build.CUT)
    region, _, after = rest.partition(build.END)
    if build.CUT in after:
        raise ValueError(f"two solutions in one cell: divide it\n{cell.source}")
    blanks = "\n".join(build._placeholders(region.splitlines()))
    text = f"{before}{blanks}\n{BEGIN}\n{region.strip()}\n{END}"
    if not CHECK.search(after):  # what it makes is used further down
        return [
            _marked(nbformat.v4.new_code_cell(f"{text}\n{after}".strip()), f"write-{cell.id}", solution=True)
        ]
    tests = _graded(after)
    answer = f"{tests[0].metadata.nbgrader.grade_id}-answer"
    return [_marked(nbformat.v4.new_code_cell(text), answer, solution=True), *tests]


def _graded(source):
    """A cell for each check, named by what it asks; what stands between two goes with the second."""
    cells, lines = [], []
    for statement in ast.parse(source).body:
        lines.append(ast.get_source_segment(source, statement))
        if found := CHECK.match(lines[-1]):
            kind, *names = found.groups()
            name = re.sub(r"\W+", "-", next(filter(None, reversed(names)), "answer")).strip("-")
            test = nbformat.v4.new_code_cell("\n".join(lines))
            cells.append(_marked(test, f"{kind}-{name}", points=POINTS[kind]))
            lines = []
    if lines:
        raise ValueError(f"what stands behind the last check is lost: move it before\n{source}")
    return cells


def _marked(cell, name, *, solution=False, points=None):
    """What nbgrader has to know of a cell."""
    cell.metadata = nbformat.from_dict(
        {
            "nbgrader": {
                "schema_version": 3,
                "grade_id": name,
                "solution": solution,
                "grade": points is not None,
                "locked": not solution,
                "task": False,
                **({"points": points} if points is not None else {}),
            }
        }
    )
    return cell


# ---------------------------------------------------------------- syllabus, data


def syllabus(lessons):
    """Two timetables, and what a student can do after each lesson, as the lesson says it."""
    parts = [(HERE / "course" / "syllabus.md").read_text(encoding="utf-8").rstrip(), "\n## Learning goals\n"]
    for source in lessons:
        cells = [cell.source for cell in build.read(source).cells if cell.cell_type == "markdown"]
        title = next(line for line in cells[0].splitlines() if line.startswith("# "))[2:]
        goals = re.search(r"(?s)\*\*You will\*\*(.*?)\n\s*\n", "\n\n".join(cells[:2]))
        if goals and re.match(r"\d\d ", title):
            listed = [" ".join(goal.split()) for goal in goals[1].split(" · ")]
            listed = [f"- {goal[:1].upper()}{goal[1:]}" for goal in listed]
            parts += [f"**{title}.** After this lesson you can", "", *listed, ""]
    return "\n".join(parts) + "\n"


def _data(folder, lessons):
    """Measured sets that the lessons name and that are on this machine, with licence and citation."""
    text = "\n".join(source.read_text(encoding="utf-8") for source in [*lessons, *build.solutions()])
    rows, missing = ["# Data in this folder", "", f"Point `ATOMLENS_DATA_DIR` to it. {_OWN}", ""], []
    for name, entry in sorted(_registry.registry().items()):
        if not re.search(rf"\b{re.escape(name)}\b", text):
            continue
        found = {file: _fetch.local(file) for file in entry.files.values()}
        if None in found.values():
            missing.append(name)
            continue
        for file, path in found.items():
            target = folder / file.folder / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        rows.append(
            f"- **{name}**: {entry.description}. Licence: {entry.licence}. Please cite: {entry.citation}."
        )
    if missing:
        rows += [
            "",
            f"Not here: {', '.join(missing)}. Lessons then take phantoms, which come with the package.",
        ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text("\n".join(rows) + "\n", encoding="utf-8")
    if not missing:
        return []
    load = "load them once where there is a network, with al.datasets.load, and make the pack again"
    return [f"not on this machine, and not in the pack: {', '.join(missing)}; {load}"]


_OWN = "Phantoms and samples come with the package. Licences of measured data are those of their authors."


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1]:
        sys.exit("Where to? make course OUT=my_course")
    try:
        for sentence in write(sys.argv[1]):
            print(sentence)
    except FileExistsError as problem:
        sys.exit(str(problem))
