"""Pages that are made when the site is built: the API, the lessons, and what stands elsewhere."""

from __future__ import annotations

import copy
import inspect
import re
import shutil
from pathlib import Path

import nbformat
import pandas as pd

import atomlens
from atomlens._project import REPOSITORY

HERE = Path(__file__).parent
ROOT = HERE.parent
LESSONS = HERE / "lessons"


def write_all():
    """Make them, and touch no file that is as it should be, so that a second build is quick."""
    _write_api()
    _write_lessons()
    _copy_pages()
    _write_withstands()


def _keep(path, text):
    """Write a page if it differs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


# ---------------------------------------------------------------- the reference


def _rooms():
    """Every room with a public name, and the modules that rooms such as `simulate` open."""
    for name in sorted(atomlens.__all__):
        room = getattr(atomlens, name)
        if not inspect.ismodule(room):
            continue
        yield name, room
        for inner in getattr(room, "__all__", ()):
            if inspect.ismodule(getattr(room, inner)):
                yield f"{name}.{inner}", getattr(room, inner)


def _at_home(thing, room):
    """Whether a public name is documented with this room: not a module, nor what another room offers too."""
    home = getattr(thing, "__module__", f"atomlens.{room}").split(".")[1:2]
    elsewhere = home and not home[0].startswith("_") and home[0] != room.partition(".")[0]
    return not inspect.ismodule(thing) and not elsewhere


def _write_api():
    """One page a room: what its docstring says, and a table of its public names; and a table of the rooms."""
    rooms = ["| room | what is there |", "| --- | --- |"]
    for name, room in _rooms():
        full = f"atomlens.{name}"
        names = [n for n in getattr(room, "__all__", ()) if _at_home(getattr(room, n), name)]
        lines = [full, "=" * len(full), "", f".. automodule:: {full}", "   :no-members:", ""]
        if names:
            lines += [f".. currentmodule:: {full}", "", ".. autosummary::", "   :toctree: objects", ""]
            lines += [f"   {n}" for n in names]
        _keep(HERE / "api" / f"{name}.rst", "\n".join([*lines, ""]))
        told = " ".join(inspect.getdoc(room).partition("\n\n")[0].split())
        rooms.append(f"| [`{name}`](api/{name}.rst) | {told} |")
    _keep(HERE / "api" / "rooms.inc", "\n".join(rooms) + "\n")


# ---------------------------------------------------------------- the lessons


def _stored_notebooks():
    """Lessons and students' exercises, by their place below notebooks/; solutions are not shown."""
    folder = ROOT / "notebooks"
    for path in sorted([*folder.glob("*.ipynb"), *folder.glob("exercises/*.ipynb")]):
        if not path.stem.endswith("_solution"):
            yield path.relative_to(folder), path


_WHERE = (
    "*To run it: `make lab`, then `notebooks/{place}`. "
    "{{download}}`Download this notebook </lessons/blank/{place}>`. [How to install](/howto/install.md).*"
)


def _write_lessons():
    """Copy the stored notebooks; their figures keep the alt text and the width that the lesson gave them."""
    names = []
    for place, path in _stored_notebooks():
        notebook = nbformat.read(path, as_version=4)
        blank = copy.deepcopy(notebook)
        for cell in blank.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        _keep(LESSONS / "blank" / place, nbformat.writes(blank) + "\n")  # to download: a fiftieth of the size
        for cell in notebook.cells:
            if cell.cell_type == "code":
                _describe(cell)
        title = next(cell for cell in notebook.cells if cell.source.startswith("# "))
        heading, _, rest = title.source.partition("\n")
        title.source = f"{heading}\n\n{_WHERE.format(place=place.as_posix())}\n\n{rest}"
        _keep(LESSONS / place, nbformat.writes(notebook) + "\n")
        names.append(place.with_suffix("").as_posix())
    for name in ("glossary.md", "before_you_start.md"):
        _keep(LESSONS / name, (ROOT / "notebooks" / name).read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(r"(?ms)^## Lessons\n(.*?)^## ", readme)[1].replace("](notebooks/", "](")
    order = re.findall(r"(?m)^\| \[[^\]]*\]\((.*?)\.ipynb\)", section)
    missing = sorted(set(names) - set(order))
    if missing:
        raise ValueError(f"the table of lessons in README.md lacks {', '.join(missing)}")
    toctree = "\n".join(["```{toctree}", ":hidden:", "", "before_you_start", *order, "glossary", "```"])
    _keep(LESSONS / "index.md", f"# Lessons\n{section}\n{toctree}\n")


def _describe(cell):
    """What MyST-NB needs to know of the figure of a cell; what only shows it is folded."""
    if cell.source.startswith("show(") and "hide-input" not in cell.metadata.get("tags", []):
        cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]
    looks = [
        output.metadata[kind]
        for output in cell.outputs
        for kind in output.get("data", {})
        if kind.startswith("image/") and kind in output.metadata
    ]
    if looks:
        cell.metadata["mystnb"] = {
            "image": {"alt": looks[0].get("alt", ""), "width": f"{looks[0].get('width', 800)}px"}
        }


# ---------------------------------------------------------------- pages of the repository


def _copy_pages():
    """The pages that stand elsewhere, their links as seen from here."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    start = re.search(r"(?ms)^## Start\n(.*?)^## ", readme)[1].strip()
    clone = (
        f"git clone {REPOSITORY}"
        if REPOSITORY
        else "git clone ADDRESS  # of the repository you have this page from"
    )
    _keep(HERE / "howto" / "install.md", f"# Install\n\n```sh\n{clone}\ncd atomlens\n```\n\n{start}\n")
    moved = {"](docs/": "](", "](CHANGELOG.md)": "](changelog.md)", "](notebooks/": "](lessons/"}
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for old, new in moved.items():
            text = text.replace(old, new)
        _keep(HERE / name.lower(), text)
    shutil.copy(ROOT / "CITATION.cff", HERE / "_static" / "CITATION.cff")


# ---------------------------------------------------------------- what each method withstands

_METHODS = {
    "find": "columns found",
    "refine": "refined places",
    "estimate(image)": "lattice of image",
    "estimate(columns)": "lattice of columns",
    "detect": "defects",
    "recall": "missing columns seen",
    "domains": "domains",
    "displacement": "displacements",
}


def _write_withstands():
    """The page of what methods do on images that they were not made for, from the stored benchmarks."""
    parts = [(HERE / "withstands.in.md").read_text(encoding="utf-8")]
    stored = ROOT / "data" / "results"
    for name, title in (("wild_truth", "Ordinary processing"), ("wild_strong", "Twice as strong")):
        table = _verdicts(pd.read_csv(stored / f"{name}.csv", index_col=0))
        sound = (table == _ALL).all(axis=1)
        parts += [
            f"## {title}",
            f"**Right on all four lattices, by every method:** {' · '.join(table.index[sound])}.",
        ]
        parts += ["For the others (— is right on all four, without a doubt):", _as_markdown(table[~sound])]
    alarms = pd.read_csv(stored / "defects_false_alarms.csv", index_col=0)
    told = (
        "Hits of `defects.detect` in perfect crystals, at its default rate of one in 10,000 cells: "
        "0.1 in 1000. *At 1 %* is the share of cells beyond a rate of one in a hundred. Where a row exceeds "
        "its rate, by chance or truly, do not trust a single hit: ask for a lower rate."
    )
    parts += ["## False alarms", told, _as_markdown(alarms)]
    told = (
        "Particles of simulated frames, 3 to 5 nm high, found by a network that learnt from one frame with "
        "0.3 nm of noise: F1, and the median error of the angle. In brackets the same for templates; errors "
        "are of the particles that both found."
    )
    parts += ["## Particles", told, _as_markdown(_particles(pd.read_csv(stored / "particles_truth.csv")))]
    _keep(HERE / "withstands.md", "\n\n".join(parts) + "\n")


def _particles(table):
    """One row a kind of particle and crowd, one column a noise."""
    table["cell"] = [
        f"{f1:.2f}, {error:.1f}°" for f1, error in zip(table["F1"], table["error (degrees)"], strict=True)
    ]
    table["particles"] = table["kind"] + ", " + table["particles are"]
    columns = ["way", "noise (nm)"]
    cells = table.pivot_table(index="particles", columns=columns, values="cell", aggfunc="first")
    shown = cells["network"] + " (" + cells["template"] + ")"
    return shown.rename(columns=lambda noise: f"noise {noise:g} nm").rename_axis("particles")


def _as_markdown(table):
    """A table of texts and numbers, the index first."""
    rows = [[table.index.name, *table.columns], ["---"] * (1 + table.shape[1])]
    rows += [
        [index, *values] for index, values in zip(table.index, table.to_numpy(dtype=object), strict=True)
    ]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


_ALL = "—"


def _verdicts(table):
    """One cell a method and disturbance: how many of the cases are right, doubted, or refused."""
    columns = {}
    for key, name in _METHODS.items():
        if f"{key}: right" not in table:
            continue
        states = zip(*(table[f"{key}: {state}"] for state in ("right", "doubt", "refused")), strict=True)
        columns[name] = [_verdict(*state) for state in states]
    shown = pd.DataFrame(columns, index=table.index)
    shown.index.name = "what was done to the image"
    return shown


def _verdict(right, doubt, refused):
    """In counts of the four lattices."""
    if right == 1 and not doubt and not refused:
        return _ALL
    parts = [f"{4 * right:.0f} right"]
    parts += [f"{4 * doubt:.0f} doubted"] if doubt else []
    return ", ".join([*parts, *([f"{refused:.0f} refused"] if refused else [])])
