"""Build, check and run the notebooks.

The percent script is the source and the only file to edit; the .ipynb beside it is written by
``build`` and by nothing else. An exercise is written once, as its solution: the student's copy is
generated. Everything that can be said about a stored notebook is one function in `CHECKS`, which
the tests call too.

    python notebooks/build.py build [--force] [NAME ...]    write what is stale
    python notebooks/build.py check [NAME ...]              list what is wrong
    python notebooks/build.py execute [--budget fast] [NAME ...]    run, store nothing
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from freshness import fingerprint

from atomlens._project import badges, colab_cell

KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
# The second one makes the two files equal to the last blank line: JupyterLab would refuse an .ipynb that is
# newer than a script that differs.
METADATA = ("tags", "lines_to_next_cell")
# Tags that say how a cell is presented; the metadata that Jupyter knows is written from them.
SLIDES = ("slide", "subslide", "fragment", "skip", "notes")
HIDDEN = "hide-input"
MAX_OUTPUT_BYTES = 3_000_000
MAX_PICTURE_BYTES = {
    "image/png": 400_000,
    "image/jpeg": 400_000,
    "image/svg+xml": 400_000,
    "image/gif": 1_000_000,
}
MAX_WIDTH, MIN_TEXT = 1010, 11  # CSS pixels: of a page, and what can be read on a projector
MAX_CELL_LINES, MAX_MEDIAN_LINES = 15, 8  # of cells that are read; folded ones may be longer
MAX_WORDS, MAX_CELLS, MAX_SENTENCE = 1800, 35, 17  # of a core lesson: 45 minutes with questions
CUT, END = "# --- solution", "# --- end"  # the student's copy lacks what stands between
WIDGET = "application/vnd.jupyter.widget-view+json"
REMEDY = "run `make notebooks`"


# ---------------------------------------------------------------- which notebooks there are


def lessons(folder=HERE):
    """The lessons: ``NN_name.py``, and what a lecturer would skip in ``NNb_name.py``."""
    return sorted(path for path in folder.glob("*.py") if re.match(r"\d\d[a-z]?_", path.name))


def solutions(folder=HERE):
    """The exercises as they are written."""
    return sorted(folder.glob("exercises/*_solution.py"))


def student_of(solution):
    """The path of the student's script that belongs to a solution."""
    return solution.with_name(solution.name.replace("_solution.py", ".py"))


def is_solution(source):
    return source.stem.endswith("_solution")


def is_student(source):
    """A file in exercises/ that was generated: stored without outputs, checked in fewer ways."""
    return source.parent.name == "exercises" and not is_solution(source)


def notebooks(folder=HERE):
    """Every script that has a notebook beside it."""
    written = solutions(folder)
    return [*lessons(folder), *written, *map(student_of, written)]


# ---------------------------------------------------------------- from script to notebook


def read(source):
    """A script as a notebook without outputs; a cell's id changes only with its contents."""
    notebook = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    _publish(notebook, source)
    seen = set()
    for cell in notebook.cells:
        repeat = 0
        while (identity := _hash(f"{cell.cell_type}\n{cell.source}\n{repeat}")) in seen:
            repeat += 1
        seen.add(identity)
        cell.id = identity
        cell.metadata = nbformat.from_dict(_metadata(cell.metadata))
    return notebook


def _publish(notebook, source):
    """Badges under the title, and a first cell for Colab, once the project has an address."""
    if not colab_cell():
        return
    titled = next(i for i, cell in enumerate(notebook.cells) if cell.source.startswith("# "))
    title, _, rest = notebook.cells[titled].source.partition("\n")
    notebook.cells[titled].source = f"{title}\n\n{badges(_place(source))}\n{rest}"
    setup = nbformat.v4.new_code_cell(colab_cell(), metadata={"tags": [HIDDEN]})
    notebook.cells.insert(titled + 1, setup)


def _metadata(written):
    """The metadata of a cell: what its script says, and what its tags mean to Jupyter."""
    kept = {key: value for key, value in written.items() if key in METADATA}
    for tag in kept.get("tags", ()):
        if tag in SLIDES:
            kept["slideshow"] = {"slide_type": tag}
        elif tag == HIDDEN:
            kept["jupyter"] = {"source_hidden": True}
    return kept


def _place(source):
    """The notebook's path in the repository."""
    return f"notebooks/{source.relative_to(HERE).with_suffix('.ipynb').as_posix()}"


def stored(source):
    """The notebook as it lies beside its script, or None."""
    path = source.with_suffix(".ipynb")
    return nbformat.read(path, as_version=4) if path.is_file() else None


def student_text(solution_text):
    """Cut the marked regions out of a solution.

    Between ``# --- solution`` and ``# --- end`` stays what the student needs to begin: every name
    that the solution assigns, set to ``...``. A cell tagged "solution" is left out as a whole.
    """
    lines, region = [], None
    for line in _without_solution_cells(solution_text).splitlines():
        if line.strip() == CUT:
            region, indent = [], line[: len(line) - len(line.lstrip())]
        elif line.strip() == END:
            if region is None:
                raise ValueError(f"{END!r} without {CUT!r}")
            lines += [f"{indent}# Your code here", *(indent + item for item in _placeholders(region))]
            region = None
        elif region is not None:
            region.append(line)
        else:
            lines.append(line)
    if region is not None:
        raise ValueError(f"{CUT!r} without {END!r}")
    return _laid_out("\n".join(lines))


def _laid_out(text):
    """The text as `make format` would leave it: what is cut out takes its blank lines with it."""
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--stdin-filename", str(HERE / "a.py"), "-"]
    return subprocess.run(
        command, input=text, capture_output=True, text=True, check=True, encoding="utf-8"
    ).stdout


def _without_solution_cells(text):
    cells = re.split(r"(?m)^(?=# %%)", text)
    return "".join(cell for cell in cells if '"solution"' not in cell.partition("\n")[0])


def _placeholders(region):
    """What to start from: ``name = ...`` for every assigned name, ``def f(x): ...`` for a function."""
    lines = []
    for statement in ast.parse(textwrap.dedent("\n".join(region))).body:
        if isinstance(statement, ast.FunctionDef):
            lines += [f"def {statement.name}({ast.unparse(statement.args)}):", "    ..."]
        elif isinstance(statement, ast.Assign):
            nodes = (node for target in statement.targets for node in ast.walk(target))
            names = (node for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
            lines += [f"{node.id} = ..." for node in names]
    return list(dict.fromkeys(lines)) or ["..."]


# ---------------------------------------------------------------- running


@dataclass
class Run:
    """A notebook with its outputs, and what it cost."""

    notebook: nbformat.NotebookNode
    seconds: float
    peak_mb: float


# VmHWM where there is one: ru_maxrss of a process starts at the size of the one that forked it.
_PEAK = """
import resource, re, pathlib, sys
_status = pathlib.Path("/proc/self/status")
if _status.exists():
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", _status.read_text())[1]) / 1e3)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3))
"""


def execute(source, *, budget="full", env=None):
    """Run a notebook in a fresh kernel, in a copy of its folder, and tidy its outputs.

    Parameters
    ----------
    source : Path
        The script.
    budget : {"full", "fast"}
        See `atomlens.notebook.budget`.
    env : dict, optional
        Environment variables to set, or with None to remove.

    Returns
    -------
    Run
    """
    notebook = read(source)
    notebook.cells.append(nbformat.v4.new_code_cell(_PEAK))
    # Without MPLBACKEND, matplotlib draws as it does in everyone's notebook.
    fixed = {"PYTHONHASHSEED": "0", "MPLBACKEND": None, "ATOMLENS_BUDGET": budget}
    variables = {**os.environ, **fixed, **(env or {})}
    variables.setdefault("ATOMLENS_CHECK", "strict" if is_solution(source) else None)
    variables = {name: value for name, value in variables.items() if value is not None}
    with workspace(source) as folder:
        client = NotebookClient(
            notebook,
            kernel_name=KERNEL["name"],
            timeout=600,
            record_timing=False,
            coalesce_streams=True,
            extra_arguments=["--HistoryManager.enabled=False", "--log-level=ERROR"],
            resources={"metadata": {"path": str(folder)}},
            config=_sockets(folder),
        )
        start = time.perf_counter()
        client.execute(env=variables)
        seconds = time.perf_counter() - start
        peak_mb = float(notebook.cells.pop().outputs[0].text)
        _tidy(notebook, folder)
    return Run(notebook, seconds, peak_mb)


def _sockets(folder):
    """Where a kernel is spoken to: in files of its own. Two that start at once may pick the same port."""
    if os.name == "nt":
        return Config()
    return Config(KernelManager={"transport": "ipc", "connection_file": str(folder.with_name("kernel.json"))})


@contextlib.contextmanager
def workspace(source):
    """A copy of the notebook's folder to run in, so that what a lesson writes litters nothing."""
    with tempfile.TemporaryDirectory(prefix="atomlens-") as folder:
        copy = Path(folder).resolve() / "notebooks"
        shutil.copytree(source.parent, copy, ignore=shutil.ignore_patterns("results", ".ipynb_checkpoints"))
        yield copy


def _tidy(notebook, folder):
    """Keep of the outputs what is worth storing, and nothing that differs from machine to machine."""
    places = {str(folder): ".", str(HERE.parent): "~/atomlens", str(Path.home()): "~"}
    if mirror := os.environ.get("ATOMLENS_DATA_DIR"):
        places = {mirror: "$ATOMLENS_DATA_DIR", **places}
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for cell in _code(notebook):
        identifiers = {}

        def clean(text, identifiers=identifiers, cell=cell):
            for place, name in places.items():
                text = re.sub(rf"(?<![\w.]){re.escape(place)}(?![\w-])", name, text)
            text = re.sub(r"\bat 0x[0-9a-f]{6,}", "at 0x…", text)
            # random identifiers (xarray's, say) become numbers, the same ones at every build
            return _UUID.sub(lambda m: identifiers.setdefault(m[0], f"{cell.id}-{len(identifiers)}"), text)

        cell.outputs = [_mapped(output, clean) for output in cell.outputs if _keep(output)]


_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def _keep(output):
    """Strip the widget from an output; False if nothing is left that makes sense without its kernel.

    A widget's picture stays, and a text in angle brackets that says what stood here; the usual
    text, a listing of parts, does not.
    """
    data = output.get("data", {})
    if data.pop(WIDGET, None) is None:
        return True
    return bool(set(data) - {"text/plain"}) or data.get("text/plain", "").startswith("<")


def _mapped(value, change):
    """Apply `change` to every text in an output, except to pictures."""
    if isinstance(value, dict):
        kept = {
            key: item if key.startswith("image/") else _mapped(item, change) for key, item in value.items()
        }
        return nbformat.from_dict(kept)
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


# ---------------------------------------------------------------- building


def build(source, *, force=False, env=None):
    """Bring one .ipynb up to date; return what was done."""
    notebook, old = read(source), stored(source)
    if is_student(source):
        done = "generated"
    elif not force and old is not None and not list(_fresh(source, notebook, old)):
        _take_outputs(notebook, old)
        done = "is fresh" if list(_paired(source, notebook, old)) == [] else "prose updated"
    else:
        run = execute(source, env=env)
        notebook = run.notebook
        notebook.metadata["atomlens"] = {"budget": "full", **fingerprint(notebook)}
        done = f"executed in {run.seconds:.0f} s, peak memory {run.peak_mb:.0f} MB"
    nbformat.validate(notebook)
    path, text = source.with_suffix(".ipynb"), nbformat.writes(notebook) + "\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return done


def build_all(sources, *, force=False):
    """Bring many up to date, two at a time; yield (source, what was done or the exception), as they end."""
    # Two kernels of two threads each would get in each other's way on two cores.
    job = partial(build, force=force, env={"OMP_NUM_THREADS": "1"} if len(sources) > 1 else None)
    with ProcessPoolExecutor(max_workers=2) as pool:
        jobs = {pool.submit(job, source): source for source in sources}
        for done in as_completed(jobs):
            yield jobs[done], done.exception() or done.result()


def _take_outputs(notebook, old):
    """Copy the outputs of an equal run: code cells correspond one to one."""
    notebook.metadata["atomlens"] = old.metadata["atomlens"]
    for new, known in zip(_code(notebook), _code(old), strict=True):
        new.outputs, new.execution_count = known.outputs, known.execution_count


def write_students(folder=HERE):
    """Generate the students' scripts from the solutions."""
    for solution in solutions(folder):
        text = student_text(solution.read_text(encoding="utf-8"))
        student_of(solution).write_text(text, encoding="utf-8")


# ---------------------------------------------------------------- checks: each yields complaints


def _generated(source, notebook, old):
    if is_student(source):
        solution = source.with_name(f"{source.stem}_solution.py")
        if source.read_text(encoding="utf-8") != student_text(solution.read_text(encoding="utf-8")):
            yield f"is not what {solution.name} generates: edit the solution and {REMEDY}"


def _paired(source, notebook, old):
    if len(notebook.cells) != len(old.cells):
        yield f"{len(notebook.cells)} cells in the .py, {len(old.cells)} in the .ipynb: {REMEDY}"
        return
    for i, (new, known) in enumerate(zip(notebook.cells, old.cells, strict=True)):
        if (new.cell_type, new.source, new.metadata, new.id) != (
            known.cell_type, known.source, known.metadata, known.id,
        ):  # fmt: skip
            yield f"cell {i} differs between .py and .ipynb: {REMEDY}"


def _kernel(source, notebook, old):
    if old.metadata.get("kernelspec") != KERNEL:
        yield "no kernel is named, so JupyterLab would ask for one"


def _fresh(source, notebook, old):
    if is_student(source):
        return
    record = old.metadata.get("atomlens")
    if not record:
        yield f"was never built: {REMEDY}"
        return
    if record["budget"] != "full":
        yield f"its outputs are of a {record['budget']} run: {REMEDY}"
    now = fingerprint(notebook)
    if record["code"] != now["code"]:
        yield f"its code has changed since its outputs were stored: {REMEDY}"
    then = {**record.get("modules", {}), **record.get("files", {})}
    now = {**now["modules"], **now["files"]}
    changed = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        verb = "has" if len(changed) == 1 else "have"
        yield f"{', '.join(changed[:3])}{more} {verb} changed since its outputs were stored: {REMEDY}"


def _outputs(source, notebook, old):
    size = len(json.dumps([cell.outputs for cell in _code(old)]).encode())
    if size > MAX_OUTPUT_BYTES:
        yield f"{size / 1e3:.0f} kB of outputs, at most {MAX_OUTPUT_BYTES / 1e3:.0f} are allowed"
    if "widgets" in old.metadata:
        yield "holds the state of widgets"
    for i, cell in enumerate(_code(old)):
        if is_student(source) and (cell.outputs or cell.execution_count):
            yield f"code cell {i}: a student's copy is stored without outputs"
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"code cell {i}: a stored error"
            elif output.get("name") == "stderr":
                yield f"code cell {i}: a stored warning: {output.text[:80]!r}"
            elif WIDGET in output.get("data", {}):
                yield f"code cell {i}: a stored widget"
    yield from _pictures(old)


def _pictures(notebook):
    """What is wrong with the figures of a notebook."""
    for i, cell in enumerate(_code(notebook)):
        for output in cell.outputs:
            for kind in sorted(set(MAX_PICTURE_BYTES) & set(output.get("data", {}))):
                look = output.metadata.get(kind, {})
                yield from (
                    f"code cell {i}: a figure {text}" for text in _picture(kind, output.data[kind], look)
                )


def _picture(kind, data, look):
    """What is wrong with a figure that is stored with this metadata."""
    if not look.get("alt", "").strip():
        yield "without alt text (al.notebook.show(figure, alt=...))"
    if len(data) > MAX_PICTURE_BYTES[kind]:
        yield f"of {len(data) / 1e3:.0f} kB, at most {MAX_PICTURE_BYTES[kind] / 1e3:.0f} are allowed"
    if not look.get("width"):
        yield "without a display width (al.notebook.show(figure, alt=...))"
    elif look["width"] > MAX_WIDTH:
        yield f"{look['width']} pixels wide, at most {MAX_WIDTH} are allowed"
    if look.get("smallest_text", MIN_TEXT) < MIN_TEXT:
        yield f"with text of {look['smallest_text']:g} pixels, at least {MIN_TEXT} can be read"


def _cells(source, notebook, old):
    if is_student(source):
        return
    lengths = []
    for i, cell in enumerate(_code(notebook)):
        if re.search(r"(?m)^[%!]", cell.source):
            yield f"code cell {i}: a magic or shell command"
        if HIDDEN in cell.metadata.get("tags", ()):
            continue
        lines = [line.strip() for line in cell.source.splitlines()]
        lengths.append(sum(bool(line) and line not in (CUT, END) for line in lines))
        if lengths[-1] > MAX_CELL_LINES:
            yield f"code cell {i}: {lengths[-1]} lines of code, at most {MAX_CELL_LINES} are allowed"
    if lengths and statistics.median(lengths) > MAX_MEDIAN_LINES:
        median = statistics.median(lengths)
        yield f"the median code cell has {median:g} lines, at most {MAX_MEDIAN_LINES} are allowed"


def is_core(source):
    """A lesson that is taught live: neither an exercise, nor what a lecturer would skip, nor the start."""
    return source.parent == HERE and re.match(r"0[1-9]_", source.name) is not None


def _length(source, notebook, old):
    if not is_core(source):
        return
    prose = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    # Neither code, formulas, addresses nor tags are read aloud; what is asked is not counted, nor its answer.
    prose = re.sub(r"(?s)<details>.*?</details>|```.*?```", "", prose)
    prose = re.sub(r"(?s)\$\$.*?\$\$|\$[^$]*\$|`[^`]*`", "x", re.sub(r"\]\([^)]*\)|<[^>]+>", " ", prose))
    words = len(re.findall(r"[^\W\d_][\w'’-]*", prose))
    if words > MAX_WORDS:
        yield f"{words} words, at most {MAX_WORDS} are allowed: move what a lecturer would skip into NNb_..."
    parts = re.split(r"[.!?:](?=\s)|\n\s*\n|\|", prose)
    lengths = [n for n in (len(re.findall(r"[^\W\d_][\w'’-]*", part)) for part in parts) if n > 2]
    mean = statistics.mean(lengths or [0])
    if mean > MAX_SENTENCE:
        yield f"sentences of {mean:.1f} words in the mean, at most {MAX_SENTENCE} are allowed"
    cells = sum("widgets." not in cell.source for cell in _code(notebook))
    if cells > MAX_CELLS:
        yield f"{cells} code cells, at most {MAX_CELLS} are allowed"


CHECKS = {
    "generated": _generated,
    "paired": _paired,
    "kernel": _kernel,
    "fresh": _fresh,
    "outputs": _outputs,
    "cells": _cells,
    "length": _length,
}


def problems(source, name):
    """What the check of that name complains about, as a list of sentences."""
    old = stored(source)
    if old is None:
        return [f"{source.with_suffix('.ipynb').name} does not exist: {REMEDY}"]
    return list(CHECKS[name](source, read(source), old))


# ---------------------------------------------------------------- small helpers, command line


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _hash(text):
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["build", "check", "execute"])
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of their paths; all if none is given")
    parser.add_argument("--force", action="store_true", help="build also what is fresh")
    parser.add_argument("--budget", choices=["full", "fast"], default="fast", help="of execute")
    options = parser.parse_intermixed_args(arguments)  # NAME may stand behind an option

    if options.command == "build":
        write_students()
    sources = {source.relative_to(HERE).as_posix(): source for source in notebooks()}
    wanted = {label for label in sources if not options.names or any(n in label for n in options.names)}
    if not wanted:
        parser.error(
            f"no notebook has {' or '.join(options.names)} in its name: there are {', '.join(sources)}"
        )
    chosen = {source: label for label, source in sources.items() if label in wanted}
    failed = 0
    if options.command == "build":
        for source, done in build_all(list(chosen), force=options.force):
            failed += isinstance(done, Exception)
            print(f"{chosen[source]}: {done}", flush=True)
        return 1 if failed else 0
    for source, label in chosen.items():
        if options.command == "execute":
            run = execute(source, budget=options.budget)
            print(f"{label}: {run.seconds:.1f} s, peak memory {run.peak_mb:.0f} MB", flush=True)
        else:
            for complaint in dict.fromkeys(text for name in CHECKS for text in problems(source, name)):
                failed += 1
                print(f"{label}: {complaint}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
