"""Right answers pass, wrong ones get a hint, open ones stay open; students differ."""

import numpy as np
import pytest

from atomlens import library
from atomlens.course.defect_library import Exercise


@pytest.fixture(scope="module")
def exercise():
    return Exercise("Ada Lovelace")


@pytest.fixture(autouse=True)
def verdicts_do_not_raise(monkeypatch):
    monkeypatch.delenv("ATOMLENS_CHECK", raising=False)


def test_students_have_their_own_samples_and_everyone_the_same_one_again(exercise):
    again, other = Exercise(" ada lovelace"), Exercise("Marie Curie")
    for name in ("image", "silicon", "carbon", "lonely"):
        np.testing.assert_array_equal(getattr(exercise, name), getattr(again, name))
        assert not np.array_equal(getattr(exercise, name), getattr(other, name))


def test_the_plans_behind_the_samples_differ_from_student_to_student():
    students = [Exercise(f"student {n}") for n in range(16)]
    assert len({s._formula for s in students}) >= 3
    assert {s._neighbours for s in students} == {3, 4}
    assert {s._new for s in students} == {0, 1, 2}


@pytest.mark.parametrize("student", ["Ada Lovelace", "Marie Curie", "Emmy Noether"])
def test_right_answers_pass(student):
    exercise = Exercise(student)
    assert exercise.check_formula(library.extract(exercise.image)[0].formula)
    away = np.linalg.norm(exercise.carbon - exercise.silicon, axis=1)
    gap = np.diff(np.sort(away))[2:5].argmax() + 3  # the largest gap after the third or fourth
    assert exercise.check_neighbours(int(gap))
    rank = np.searchsorted(np.sort(np.append(exercise.lonely, exercise.newcomer)), exercise.newcomer)
    assert exercise.check_p_value((61 - rank) / 61)
    p = [exercise.shelf.seen(library.extract(image, name="x")[0]).p_value for image in exercise.candidates]
    assert exercise.check_new(int(np.argmin(p)))


@pytest.mark.parametrize(
    ("check", "wrong", "hint"),
    [
        ("formula", ["Si1C3"], "a list"),
        ("formula", 3, "a text"),
        ("formula", "Si9C3", "count the silicon atoms"),
        ("neighbours", "many", "number"),
        ("p_value", 2.0, ""),
        ("new", 7, "run from 0 to 2"),
    ],
)
def test_wrong_answers_get_a_hint(exercise, check, wrong, hint, capsys):
    assert not getattr(exercise, f"check_{check}")(wrong)
    assert hint in capsys.readouterr().out


def test_slips_are_named(exercise, capsys):
    more, n = (exercise.lonely >= exercise.newcomer).sum(), 60
    for slip in (more / n, (more + 1) / n, more / (n + 1), (n - more) / n):
        assert not exercise.check_p_value(float(slip))
        out = capsys.readouterr().out
        assert "count" in out or "share of members" in out
    away = np.linalg.norm(exercise.carbon - exercise.silicon, axis=1)
    assert not exercise.check_neighbours(int((away < 0.3).sum()))
    assert "second shell" in capsys.readouterr().out
    other = {"Si1": "Si1C9", "Si2": "Si2C9", "Si3": "Si3C9"}[exercise._formula[:3]]
    assert not exercise.check_formula(other)
    assert "neighbours are not" in capsys.readouterr().out


def test_open_answers_stay_open(exercise):
    for check in ("formula", "neighbours", "p_value", "new"):
        assert not getattr(exercise, f"check_{check}")(...)
