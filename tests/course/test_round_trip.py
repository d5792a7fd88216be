"""From an assignment to a table of grades, with nbgrader, as a lecturer does it: `make course-check`."""

import csv
import re
import subprocess

import nbformat
import pytest

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
    names = {"right": "Ada", "slip": "Grace", "rewrites": "Eve", "copies": "Emmy", "absent": "Lise"}
    handed_in = {key: _solved(course, name) for key, name in names.items() if key != "absent"}
    _writing(handed_in["slip"])[0].source = "1 / 0"
    handed_in["rewrites"] = nbformat.read(course / "release" / LESSON / f"{LESSON}.ipynb", as_version=4)
    for cell in handed_in["rewrites"].cells:
        if _kind(cell, "grade"):
            cell.source = "assert True"
    handed_in["copies"] = _solved(course, "Ada")
    (course / "roster.csv").write_text(
        "id,name\n" + "".join(f"{key},{name}\n" for key, name in names.items()), encoding="utf-8"
    )
    for key, notebook in handed_in.items():
        path = course / "submitted" / key / LESSON / f"{LESSON}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
    command = ["make", "grade", f"COURSE={course}", f"LESSON={LESSON}"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with (course / f"grades_{LESSON}.csv").open(encoding="utf-8") as file:
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


def test_what_a_lecturer_should_look_at_is_noted(grades):
    assert "'Ada', the roster says 'Emmy'" in grades["copies"]["note"]
    assert "the same sample as right" in grades["copies"]["note"]
    assert grades["absent"]["note"] == "nothing handed in"
    assert grades["slip"]["note"] == ""
