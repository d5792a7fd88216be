"""Release assignments, and grade what comes back, with nbgrader; it runs in an environment of its own.

    python grade.py release COURSE             the students' versions, in COURSE/release
    python grade.py grade COURSE LESSON        COURSE/submitted/ID/LESSON/LESSON.ipynb -> COURSE/grades_LESSON.csv

Every notebook runs in a fresh kernel, with the checks as they were handed out. That is a students' code on your
machine: run it in an account, or a container, that holds nothing else.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
import unicodedata
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from nbgrader.api import MissingEntry
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

KERNEL = "atomlens"
warnings.filterwarnings("ignore", message="Object of type")  # nbgrader's way with its own tables

# For every kernel: wrong answers fail the check, nothing is written, and one thread a kernel.
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ["PATH"]]
)  # nbgrader calls alembic
os.environ |= {"ATOMLENS_CHECK": "strict", "ATOMLENS_ANSWERS": "off", "OMP_NUM_THREADS": "1"}


def interface(course, sockets=None):
    """nbgrader's interface to a course pack.

    Parameters
    ----------
    course : Path
    sockets : path-like, optional
        A folder for the files through which a kernel is spoken to, instead of ports: two that start at once
        may pick the same port.

    Returns
    -------
    NbGraderAPI
    """
    settings = course / "nbgrader_config.py"
    if not settings.is_file():
        raise FileNotFoundError(f"{course} is no course pack: make course OUT={course}")
    if KERNEL not in KernelSpecManager().find_kernel_specs():
        raise FileNotFoundError(
            f"Jupyter knows no kernel {KERNEL!r}, in which atomlens is installed: use make grade"
        )
    config = Config(PyFileConfigLoader(settings.name, path=str(course)).load_config())
    config.CourseDirectory.root = str(course.resolve())
    if sockets and os.name != "nt":
        config.KernelManager |= {"transport": "ipc", "connection_file": str(Path(sockets) / "kernel.json")}
    return NbGraderAPI(CourseDirectory(config=config), config=config)


def release(course):
    """Write what students get of every assignment."""
    api = interface(course)
    for folder in sorted((course / "source").iterdir()):
        if (course / "release" / folder.name).is_dir() and any(
            (course / "submitted").glob(f"*/{folder.name}*")
        ):
            print(f"release/{folder.name} stays: work on it was handed in")
            continue
        done = api.generate_assignment(folder.name)
        if not done["success"]:
            raise RuntimeError(f"{folder.name} could not be released:\n{done['log']}\n{done['error']}")
        print(f"release/{folder.name}")


def grade(course, lesson):
    """Grade one assignment of all students; returns the rows of the table that is written.

    A row has ``id``, ``name`` of the roster, ``score``, ``of``, one column a check, and ``note``: what a lecturer should
    look at, such as a sample that is not the student's. A check earns its points if its verdict is there, not if nothing
    went wrong.
    """
    source = course / "source" / lesson / f"{lesson}.ipynb"
    if not (course / "release" / lesson).is_dir():
        known = ", ".join(sorted(path.name for path in (course / "release").glob("*"))) or "none yet"
        raise FileNotFoundError(f"{lesson!r} was not released; there are: {known}")
    interface(course)
    names = roster(course)
    folders = {path.name for path in (course / "submitted").glob("*") if path.is_dir()}
    students = sorted({*names, *(name for name in folders if not name.startswith((".", "_")))})
    checks = {name: cell.metadata.nbgrader.points for name, cell in _cells(_read(source), "grade")}
    rows = {
        student: {"id": student, "name": names.get(student, ""), "score": 0, "of": sum(checks.values())}
        | dict.fromkeys(checks, 0)
        | {"note": ""}
        for student in students
    }
    notes = {student: _roster_notes(student, names) for student in students}
    at_work = []
    for student in students:
        path, said = _handed_in(course, student, lesson)
        notes[student] += said
        if path is not None:
            at_work.append(student)
    # Each runs for a while and writes for a moment, so the few processes do not wait for the database.
    with ProcessPoolExecutor(
        max_workers=min(4, os.cpu_count() or 1), mp_context=get_context("spawn")
    ) as pool:
        jobs = {pool.submit(_run, course, lesson, student): student for student in at_work}
        for job in as_completed(jobs):
            student, (problem, seconds) = jobs[job], job.result()
            if problem:
                notes[student].append(f"could not be graded: {problem}")
            else:
                points, said = _judged(course, lesson, student, checks)
                notes[student] += said
                rows[student] |= points | {"score": sum(points.values())}
            print(
                f"{student}: {rows[student]['score']:g} in {seconds:.0f} s {'; '.join(notes[student])}",
                flush=True,
            )
    _compare_samples(course, lesson, at_work, names, notes)
    for student, row in rows.items():
        row["note"] = "; ".join(notes[student])
    _write(course / f"grades_{lesson}.csv", list(rows.values()))
    return list(rows.values())


def _run(course, lesson, student):
    """Run and restore one notebook; what went wrong, or None, and the seconds it took."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="atomlens-") as sockets:
        api = interface(course, sockets)
        with api.gradebook as book, contextlib.suppress(MissingEntry):
            book.remove_submission(
                lesson, student
            )  # of an earlier run: points of cells that are gone now would stay
        done = api.autograde(lesson, student)
    reasons = re.findall(r"(?m)^ +([\w.]+: .*)$", done["log"] or "") or ["see nbgrader's log"]
    return None if done["success"] else reasons[-1], time.perf_counter() - start


# ---------------------------------------------------------------- who, and what was handed in


def roster(course):
    """Names by id, of roster.csv: commas or semicolons, as Excel writes them."""
    path = course / "roster.csv"
    if not path.is_file():
        return {}
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return {}
    separator = max(",;\t", key=lines[0].count)
    rows = list(csv.DictReader(lines, delimiter=separator))
    if not {"id", "name"} <= set(rows[0] if rows else lines[0].split(separator)):
        raise ValueError(f"{path}: the first line must be id,name, it is {lines[0]!r}")
    names = {}
    for number, row in enumerate(rows, start=2):
        student = (row["id"] or "").strip()
        if not student or not (row["name"] or "").strip() or None in row:
            raise ValueError(f"{path}, line {number}: one id and one name, names with a comma in quotes")
        if student in names:
            raise ValueError(f"{path}, line {number}: {student!r} stands there twice")
        names[student] = row["name"].strip()
    return names


def _roster_notes(student, names):
    if student in names:
        return []
    alike = [other for other in names if _plain(other).lstrip("0") == _plain(student).lstrip("0")]
    hint = f" (is it {alike[0]!r}?)" if alike else ""
    return [f"not in roster.csv{hint}: nobody checks whose sample it is"]


def _handed_in(course, student, lesson):
    """Where a notebook is, or None, and notes; one that lies elsewhere in the student's folder is copied there."""
    folder = course / "submitted" / student
    path = folder / lesson / f"{lesson}.ipynb"
    if not path.is_file():
        others = [p for p in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts]
        mine = [p for p in others if p.name.startswith(lesson)] or (others if len(others) == 1 else [])
        if len(mine) != 1:
            names = ", ".join(str(p.relative_to(folder)) for p in others)
            return None, [
                f"nothing handed in as {lesson}/{lesson}.ipynb, but {names}" if names else "nothing handed in"
            ]
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(mine[0], path)
        notes = [f"taken from {mine[0].relative_to(folder)}"]
    else:
        notes = []
    try:
        notebook = _read(path)
    except (ValueError, OSError, KeyError, AttributeError):
        return None, [*notes, "the file is no notebook"]
    if not dict(_cells(notebook, "grade")):
        return None, [*notes, f"not the notebook of release/{lesson}: it has no checks; ask for that one"]
    beside = sorted(p.name for p in path.parent.iterdir() if p != path and not p.name.startswith("."))
    return path, [
        *notes,
        *([f"other files beside it, which its code can see: {', '.join(beside)}"] if beside else []),
    ]


# ---------------------------------------------------------------- what it is worth


def _judged(course, lesson, student, checks):
    """Points by check, and what a lecturer should look at, from the notebook as it ran."""
    handed_in = _read(course / "submitted" / student / lesson / f"{lesson}.ipynb")
    ran = _read(course / "autograded" / student / lesson / f"{lesson}.ipynb")
    release = _read(course / "release" / lesson / f"{lesson}.ipynb")
    theirs, blank = dict(_cells(handed_in, "grade")), dict(_cells(release, "grade"))
    points, odd = {}, []
    for name, cell in dict(_cells(ran, "grade")).items():
        if name not in checks:  # a cell that a student has marked as a check
            continue
        verdict = _verdict(cell)
        points[name] = checks[name] if verdict == "right" else 0
        if verdict == "none":
            odd.append(name)
    changed = [name for name in blank if name in theirs and theirs[name].source != blank[name].source]
    gone = sorted(blank.keys() - theirs.keys())
    answers, empty = (dict(_cells(book, "solution")) for book in (handed_in, release))
    untouched = all(answers[name].source == empty[name].source for name in empty if name in answers)
    errors = [
        f"{output.ename}: {output.evalue[:60]}"
        for cell in ran.cells
        if cell.cell_type == "code" and not _told(cell).get("grade")
        for output in cell.outputs
        if output.output_type == "error"
    ]
    text = "\n".join(cell.source for cell in handed_in.cells if not _told(cell).get("locked"))
    notes = [
        "nothing answered" if untouched else "",
        f"{len(changed)} checks had been changed, and were restored" if changed else "",
        f"{len(gone)} checks were deleted" if gone else "",
        f"{len(odd)} checks gave no verdict: {', '.join(odd[:3])}" if odd and not untouched else "",
        f"{len(errors)} cells failed, the first with {errors[0]}" if errors and not untouched else "",
        "touches the checks or the answers: look at it" if _TOUCHES.search(text) else "",
    ]
    return dict.fromkeys(checks, 0) | points, [note for note in notes if note]


# Settings of the checks, private parts of an exercise, or its methods given another meaning.
_TOUCHES = re.compile(r"ATOMLENS_|exercise\._|\b[eE]xercise\.\w+ *=[^=]|%env|\.environ|setattr")


def _verdict(cell):
    """What stands below a check that ran: "right", "wrong", or "none" where there is no verdict."""
    texts = []
    for output in cell.outputs:
        texts += [
            output.get("text", ""),
            output.get("data", {}).get("text/plain", ""),
            output.get("evalue", ""),
        ]
    marks = {text.strip()[:1] for text in texts if text}
    if "✗" in marks or "○" in marks:
        return "wrong"
    return "right" if "✓" in marks and not any(o.output_type == "error" for o in cell.outputs) else "none"


def _compare_samples(course, lesson, students, names, notes):
    """Whose sample was it? The last cell of each notebook says the seed of the one that was worked on."""
    by_seed = {}
    for student in students:
        path = course / "autograded" / student / lesson / f"{lesson}.ipynb"
        said = "".join(
            output.get("text", "") for cell in _read(path).cells[-1:] for output in cell.get("outputs", [])
        ) if path.is_file() else ""  # fmt: skip
        found = re.fullmatch(r"sample (\d+)\s*", said)
        if found is None:
            notes[student].append("no sample: was a name written into the notebook?")
            continue
        by_seed.setdefault(int(found[1]), []).append(student)
        if student in names and int(found[1]) not in (seed(names[student]), seed(student)):
            owner = next((name for name in names.values() if seed(name) == int(found[1])), "another name")
            notes[student].append(f"worked out for {owner!r}, the roster says {names[student]!r}")
    for same in by_seed.values():
        for student in same if len(same) > 1 else ():
            others = ", ".join(other for other in same if other != student)
            notes[student].append(f"the same sample as {others}")


def seed(name):
    """Of a student's sample, as atomlens.course.check.seed has it, which is not installed here."""
    return int.from_bytes(hashlib.sha256(_plain(name).encode()).digest()[:4], "big") >> 1


def _plain(name):
    return " ".join(unicodedata.normalize("NFKC", name or "").casefold().split())


def _read(path):
    return nbformat.read(path, as_version=4)


def _told(cell):
    return cell.metadata.get("nbgrader", {})


def _cells(notebook, kind):
    """Names and cells of one kind, "grade" or "solution"."""
    return [(_told(cell).get("grade_id"), cell) for cell in notebook.cells if _told(cell).get(kind)]


def _write(path, rows):
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # so that Excel knows it, too
        table = csv.DictWriter(file, rows[0] if rows else ["id", "name", "score", "of", "note"])
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    try:
        match sys.argv[1:]:
            case ["release", folder]:
                release(Path(folder))
            case ["grade", folder, lesson] if lesson:
                grade(Path(folder), lesson)
            case _:
                sys.exit(
                    "make course OUT=my_course, then make grade COURSE=my_course LESSON=05_patterson_ocsvm"
                )
    except (OSError, ValueError, RuntimeError) as problem:
        sys.exit(str(problem))
