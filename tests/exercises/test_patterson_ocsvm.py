"""Right answers pass, wrong ones get a hint, open ones stay open; students differ."""

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import minimize_scalar

from atomlens import defects
from atomlens.exercises.patterson_ocsvm import Exercise
from atomlens.patterson import translation_spread


@pytest.fixture(scope="module")
def exercise():
    return Exercise("Ada Lovelace")


@pytest.fixture(autouse=True)
def verdicts_do_not_raise(monkeypatch):
    monkeypatch.delenv("ATOMLENS_CHECK", raising=False)


def test_students_have_their_own_samples_and_everyone_the_same_one_again(exercise):
    again, other = Exercise(" ada lovelace"), Exercise("Marie Curie")
    for name in ("film", "twin"):
        xr.testing.assert_identical(getattr(exercise, name), getattr(again, name))
        assert not getattr(exercise, name).equals(getattr(other, name))
    assert exercise.sizes == again.sizes
    assert exercise.sizes != other.sizes
    np.testing.assert_array_equal(exercise.features, again.features)
    assert not np.array_equal(exercise.features, other.features)


@pytest.mark.parametrize("student", ["Ada Lovelace", "Max von Laue"])
def test_right_answers_pass(student):
    exercise = Exercise(student)
    spread = [translation_spread(exercise.crystal, size) for size in exercise.sizes]
    order = np.argsort(spread)
    assert spread[order[0]] < 0.3 * spread[order[1]]  # there is one right answer
    assert exercise.check_size(exercise.sizes[order[0]])

    distance = np.linalg.norm(exercise.features[:, None] - exercise.features[None], axis=2)
    distance = distance[np.triu_indices(40, 1)]
    near, far = distance.min() ** 2, distance.max() ** 2
    best = minimize_scalar(
        lambda g: np.exp(-g * far) - np.exp(-g * near), bounds=(0, 5 / near), method="bounded"
    )
    assert exercise.check_gamma(best.x)

    assert exercise.check_count(len(defects.detect(exercise.film).defects))
    hits = [len(defects.detect(image).defects) for image in exercise.suspects]
    assert exercise.check_perfect(hits.index(0))
    assert exercise.check_share(float((defects.segment_domains(exercise.twin) > 0).mean()))


def test_wrong_and_open_answers_are_told_apart(exercise, capsys):
    wrong = {
        "check_size": (3, 3), "check_gamma": 17.0, "check_count": 99, "check_perfect": 7, "check_share": 0.9,
    }  # fmt: skip
    for name, answer in wrong.items():
        judge = getattr(exercise, name)
        assert not judge(answer)
        assert judge(...).state == "open"
    assert "✗" in capsys.readouterr().out
