"""From an assignment to a table of grades, with nbgrader, as a lecturer does it: `make course-check`."""

import csv
import hashlib
import re
import shutil
import subprocess
import unicodedata

import nbformat
import pytest

from atomlens.course import check

pytestmark = pytest.mark.course
LESSON = "02_descriptors"


@pytest.fixture(scope="module")
def course(root):
    folder = root / "build/course"
    if not (folder / "release" / LESSON).is_dir():
        pytest.fail("there is no course: run `make course-check`")
    return folder


def _kind(cell, kind):
    return cell.metadata.get("nbgrader", {}).get(kind)


def _solved(course, name):
    """What a good student hands in: the release, the answers written in, their name at its place."""
    source, notebook = (
        nbformat.read(course / part / LESSON / f"{LESSON}.ipynb", as_version=4)
        for part in ("source", "release")
    )
    answers = {_kind(c, "grade_id"): c.source for c in source.cells if _kind(c, "solution")}
    for cell in notebook.cells:
        if _kind(cell, "solution"):
            cell.source = re.sub(r"### (BEGIN|END) SOLUTION", "", answers[_kind(cell, "grade_id")])
        if cell.source.startswith("student ="):
            cell.source = f'student = "{name}"'
    return notebook


def _writing(notebook):
    return [cell for cell in notebook.cells if _kind(cell, "solution")]


@pytest.fixture(scope="module")
def grades(root, course):
    names = {"right": "Ada", "slip": "Grace", "rewrites": "Eve", "copies": "Emmy"}
    names |= {"absent": "Lise", "broken": "Max"}
    shutil.rmtree(course / "submitted", ignore_errors=True)
    handed_in = {key: _solved(course, name) for key, name in names.items() if key not in ("absent", "broken")}
    _writing(handed_in["slip"])[0].source = "1 / 0"
    for cell in handed_in[
        "rewrites"
    ].cells:  # wrong answers, checks that say nothing, and some that do not run
        if _kind(cell, "solution"):
            cell.source = "%env ATOMLENS_CHECK=\n" + re.sub(r"(?m)^(\w+) = .*$", r"\1 = 1", cell.source)
        if _kind(cell, "grade"):
            cell.source, cell.metadata["tags"] = "assert True", ["skip-execution"]
    handed_in["copies"] = _solved(course, "Ada")
    rows = "".join(f"{key};{name}\r\n" for key, name in names.items())
    (course / "roster.csv").write_bytes(f"id;name\r\n{rows}".encode("cp1252"))  # as Excel writes it
    for key, notebook in handed_in.items():
        path = course / "submitted" / key / LESSON / f"{LESSON}.ipynb"
        if key == "copies":  # as a browser names a second download
            path = course / "submitted" / key / f"{LESSON} (1).ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
    (course / "submitted/broken" / LESSON).mkdir(parents=True)
    (course / "submitted/broken" / LESSON / f"{LESSON}.ipynb").write_text("<html>", encoding="utf-8")
    command = ["make", "grade", f"COURSE={course}", f"LESSON={LESSON}"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with (course / f"grades_{LESSON}.csv").open(encoding="utf-8-sig") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def test_students_get_no_solutions(course):
    text = (course / "release" / LESSON / f"{LESSON}.ipynb").read_text(encoding="utf-8")
    assert "SOLUTION" not in text
    assert text.count("# Your code here") > 5


def test_right_answers_to_one_s_own_sample_earn_all(grades):
    assert float(grades["right"]["score"]) == float(grades["right"]["of"]) > 8
    assert float(grades["slip"]["score"]) == pytest.approx(float(grades["slip"]["of"]), abs=5)
    assert float(grades["slip"]["score"]) < float(grades["slip"]["of"])


def test_rewritten_checks_earn_nothing(grades):
    assert float(grades["rewrites"]["score"]) == 0
    assert "checks had been changed, and were restored" in grades["rewrites"]["note"]
    assert "touches the checks" in grades["rewrites"]["note"]


def test_what_a_lecturer_should_look_at_is_noted(grades):
    copies = grades["copies"]["note"]
    assert f"taken from {LESSON} (1).ipynb" in copies
    assert "worked out for 'Ada', the roster says 'Emmy'" in copies
    assert "the same sample as right" in copies
    assert grades["absent"]["note"] == "nothing handed in"
    assert grades["broken"]["note"] == "the file is no notebook"
    assert "the first with ZeroDivisionError: division by zero" in grades["slip"]["note"]
    assert grades["right"]["note"] == "the same sample as copies"


def test_the_grader_knows_the_seed_of_a_name(root):
    """nbgrader's environment has no atomlens: the line that makes a seed stands there once more."""
    text = (root / "notebooks/teaching/grade.py").read_text(encoding="utf-8")
    lines = re.search(r"(?ms)^def seed\(name\):.*?(?=^def _read)", text)[0]
    scope = {"hashlib": hashlib, "unicodedata": unicodedata}
    exec(lines, scope)
    for name in ("Ada Lovelace", "  Émilie  du Châtelet ", "ß"):
        assert scope["seed"](name) == check.seed(name)
