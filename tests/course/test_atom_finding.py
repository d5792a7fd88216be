"""Right answers pass, wrong ones get a hint, open ones stay open; students differ."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")

from atomlens import columns
from atomlens.course.atom_finding import Exercise


@pytest.fixture(scope="module")
def exercise():
    return Exercise("Ada Lovelace")


def test_students_have_their_own_samples_and_everyone_the_same_one_again(exercise):
    again, other = Exercise(" ada lovelace"), Exercise("Marie Curie")
    np.testing.assert_array_equal(exercise.sample.data, again.sample.data)
    assert not np.array_equal(exercise.sample.data, other.sample.data)


@pytest.mark.parametrize("student", ["Ada Lovelace", "Marie Curie", "Ernst Ruska", "C. V. Raman"])
def test_every_student_can_solve_theirs(student):
    exercise = Exercise(student)
    truth = exercise.sample.truth
    assert exercise.check_number(int(truth.scored.sum()))
    assert exercise.check_contrast(truth.electrons[truth.scored].max() / truth.electrons[truth.scored].min())
    assert exercise.check_found(columns.find(exercise.secret, refine=False))
    refined = columns.find(exercise.bright.data)
    assert exercise.check_refined(refined[refined.x_err.notna()])
    assert exercise.check_f1(0.818)
    assert exercise.check_bound(0.1)
    with pytest.warns(columns.OutsideTrainedDomain):
        assert exercise.check_noise(len(columns.find(exercise.noise)))


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        ("check_number", 3),
        ("check_contrast", 0.1),
        ("check_found", "all of them"),
        ("check_found", pd.DataFrame({"a": [1]})),
        ("check_found", pd.DataFrame({"x": [1.0], "y": [np.nan]})),
        ("check_found", pd.DataFrame({"x": ["left"], "y": ["top"]})),
        ("check_found", pd.DataFrame({"x": [], "y": []})),
        ("check_f1", 0.9),
        ("check_bound", 0.2),
        ("check_refined", pd.DataFrame({"x": [1.0], "y": [1.0]})),
        ("check_noise", 100),
    ],
)
def test_wrong_answers_get_a_hint_and_open_ones_stay_open(exercise, check, wrong, monkeypatch):
    monkeypatch.delenv("ATOMLENS_CHECK", raising=False)
    verdict = getattr(exercise, check)(wrong)
    assert verdict.state == "wrong"
    assert verdict.message
    assert getattr(exercise, check)(...).state == "open"
