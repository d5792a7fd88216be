"""Right answers pass, wrong ones get a hint, open ones stay open; students differ."""

import numpy as np
import pandas as pd
import pytest

from atomlens import spectra
from atomlens.course.spectral_clustering import Exercise
from atomlens.metrics import adjusted_rand_index


@pytest.fixture(scope="module")
def exercise():
    return Exercise("Ada Lovelace")


def test_students_have_their_own_samples_and_everyone_the_same_one_again(exercise):
    again, other = Exercise(" ada lovelace"), Exercise("Marie Curie")
    np.testing.assert_array_equal(exercise.sample.data, again.sample.data)
    assert not np.array_equal(exercise.sample.data, other.sample.data)


def test_right_answers_pass(exercise):
    assert exercise.check_number(exercise.n_planted)
    assert exercise.check_labels(exercise.sample.truth.labels)
    assert exercise.check_repaired(exercise.wedge.truth.labels)
    assert exercise.check_single(1)
    doses = (200, 500, 1000, 2000, 5000)
    scores = {}
    for dose in doses:
        labels = spectra.cluster(exercise.at_dose(dose).data, exercise.n_planted).labels
        scores[dose] = adjusted_rand_index(labels, exercise.sample.truth.labels)
    assert exercise.check_doses(scores)
    assert exercise.check_doses(pd.Series(scores))


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        ("check_mean_counts", 19.2),
        ("check_number", 2),
        ("check_bic", 1),
        ("check_labels", "the map"),
        ("check_labels", np.zeros((48, 48), dtype=int)),
        ("check_strongest", 130.0),
        ("check_repaired", np.zeros((64, 64), dtype=int)),
        ("check_silhouette", 1),
        ("check_single", 2),
        ("check_doses", {200: 0.01, 5000: 1.0}),
        ("check_doses", {5000: 1.0}),
        ("check_doses", {}),
        ("check_doses", {"a": 1.0}),
        ("check_doses", [0.5, 1.0]),
        ("check_doses", dict.fromkeys((200, 500, 1000, 2000, 5000), 0.0)),
    ],
)
def test_wrong_answers_get_a_hint_and_open_ones_stay_open(exercise, check, wrong, monkeypatch):
    monkeypatch.delenv("ATOMLENS_CHECK", raising=False)
    verdict = getattr(exercise, check)(wrong)
    assert verdict.state == "wrong"
    assert len(verdict.message) > 20
    assert getattr(exercise, check)(...).state == "open"


def test_every_student_can_solve_the_exercises():
    for student in ("Rosalind Franklin", "42"):
        exercise = Exercise(student)
        assert exercise.check_number(spectra.choose_k(exercise.sample.data, range(1, 9)).recommended)
        assert exercise.check_labels(spectra.cluster(exercise.sample.data, exercise.n_planted).labels)
        assert exercise.check_single(spectra.choose_k(exercise.single.data, range(1, 7)).recommended)
