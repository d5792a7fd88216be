"""Release assignments, and grade what comes back, with nbgrader; it runs in an environment of its own.

    python grade.py release COURSE             the students' versions, in COURSE/release
    python grade.py grade COURSE LESSON        COURSE/submitted/ID/LESSON/LESSON.ipynb -> COURSE/grades_LESSON.csv

Every notebook runs in a fresh kernel, with the checks as they were handed out. That is a students' code on your
machine: run it in an account, or a container, that holds nothing else.
"""

from __future__ import annotations

import ast
import csv
import os
import re
import sys
import time
import unicodedata
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
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


def interface(course):
    """nbgrader's interface to a course pack.

    Parameters
    ----------
    course : Path

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
    return NbGraderAPI(CourseDirectory(config=config), config=config)


def release(course):
    """Write what students get of every assignment."""
    api = interface(course)
    for folder in sorted((course / "source").iterdir()):
        done = api.generate_assignment(folder.name)
        if not done["success"]:
            raise RuntimeError(f"{folder.name} could not be released:\n{done['log']}\n{done['error']}")
        print(f"release/{folder.name}")


def grade(course, lesson):
    """Grade one assignment of all students; returns the rows of the table that is written.

    A row has ``id``, ``name`` of the roster, ``score``, ``of``, one column a check, and ``note``: what a lecturer should
    look at, such as a name that is not the student's.
    """
    api, names = interface(course), roster(course)
    if not (course / "release" / lesson).is_dir():
        known = ", ".join(sorted(path.name for path in (course / "release").glob("*"))) or "none yet"
        raise FileNotFoundError(f"{lesson!r} was not released; there are: {known}")
    handed_in = {path.name for path in (course / "submitted").glob("*") if path.is_dir()}
    rows = {
        student: {"id": student, "name": names.get(student, ""), "score": 0.0, "of": None, "note": ""}
        for student in sorted({*names, *handed_in})
    }
    paths = {student: course / "submitted" / student / lesson / f"{lesson}.ipynb" for student in rows}
    for student, row in rows.items():
        if not paths[student].is_file():
            row["note"] = "nothing handed in"
    at_work = [student for student in rows if paths[student].is_file()]
    # Each runs for a while and writes for a moment, so the few processes do not wait for the database.
    with ProcessPoolExecutor(
        max_workers=min(4, os.cpu_count() or 1), mp_context=get_context("spawn")
    ) as pool:
        jobs = {pool.submit(_run, course, lesson, student): student for student in at_work}
        for job in as_completed(jobs):
            student, (problem, seconds) = jobs[job], job.result()
            row = rows[student]
            if problem:
                row["note"] = f"could not be graded: {problem}"
            else:
                row |= _scores(api, lesson, student)
                row["note"] = _name_note(paths[student], row["name"])
            print(f"{student}: {row['score']:g} in {seconds:.0f} s {row['note']}", flush=True)
    rows = list(rows.values())
    _note_same_names(course, lesson, rows)
    most = max((row["of"] or 0 for row in rows), default=0)
    for row in rows:
        row["of"] = most
    _write(course / f"grades_{lesson}.csv", rows)
    return rows


def _run(course, lesson, student):
    """Grade one notebook; what went wrong, or None, and the seconds it took."""
    start = time.perf_counter()
    done = interface(course).autograde(lesson, student)
    reasons = re.findall(r"(?m)^ +([\w.]+: .*)$", done["log"] or "") or ["see nbgrader's log"]
    return None if done["success"] else reasons[-1], time.perf_counter() - start


def roster(course):
    """Names by id, of roster.csv."""
    path = course / "roster.csv"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if rows and not {"id", "name"} <= set(rows[0]):
        raise ValueError(f"{path} needs the columns id and name, it has {', '.join(rows[0])}")
    return {row["id"].strip(): row["name"].strip() for row in rows}


def _scores(api, lesson, student):
    with api.gradebook as book:
        [notebook] = book.find_submission(lesson, student).notebooks
        points = {item.name: item.score for item in notebook.grades}
        return {"score": notebook.score, "of": notebook.max_score, **points}


def _student_of(path):
    """The name that a notebook was worked out for, or None."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and "student" in cell.source:
            try:
                body = ast.parse(cell.source).body
            except SyntaxError:
                continue
            for node in body:
                if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "student":
                    value = node.value
                    return str(value.value) if isinstance(value, ast.Constant) else None
    return None


def _plain(name):
    """A name as the seed of a sample sees it."""
    return " ".join(unicodedata.normalize("NFKC", name or "").casefold().split())


def _name_note(path, name):
    written = _student_of(path)
    if written is None:
        return "the name was taken out of the notebook"
    if name and _plain(written) != _plain(name):
        return f"worked out for {written!r}, the roster says {name!r}"
    return ""


def _note_same_names(course, lesson, rows):
    """Two notebooks for one name have one sample: somebody should look at them."""
    by_name = {}
    for row in rows:
        path = course / "submitted" / row["id"] / lesson / f"{lesson}.ipynb"
        if path.is_file() and (name := _plain(_student_of(path))):
            by_name.setdefault(name, []).append(row)
    for same in by_name.values():
        for row in same if len(same) > 1 else ():
            others = ", ".join(other["id"] for other in same if other is not row)
            row["note"] = "; ".join(filter(None, [row["note"], f"the same sample as {others}"]))


def _write(path, rows):
    first = ["id", "name", "score", "of"]
    checks = dict.fromkeys(key for row in rows for key in row if key not in (*first, "note"))
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [*first, *checks, "note"])
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
