"""Right answers pass, wrong ones get a hint, open ones stay open; students differ."""

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import minimize_scalar

from atomlens import defects
from atomlens.course import patterson_ocsvm
from atomlens.course.patterson_ocsvm import Exercise
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
    assert exercise.check_share(float((defects.segment_domains(exercise.twin, n_domains=2) > 0).mean()))


@pytest.mark.parametrize("seed", range(8))
def test_a_twin_can_be_measured_whoever_asks(seed):
    twin, share = patterson_ocsvm._twin(np.random.default_rng(seed))
    found = float((defects.segment_domains(twin, n_domains=2) > 0).mean())
    assert found == pytest.approx(share, abs=0.7 * patterson_ocsvm._TOLERANCE)


def fitting(exercise):
    return np.array(exercise.sizes[exercise._fits])


WRONG = [
    ("check_size", lambda e: (3, 3), "none of `exercise.sizes`"),
    ("check_size", lambda e: e.sizes[e._fits - 1], "another one"),
    ("check_size", lambda e: fitting(e)[::-1], "exchanged"),
    ("check_size", lambda e: fitting(e) + 0.9, "two whole numbers"),
    ("check_size", lambda e: fitting(e).astype(str), "two whole numbers"),
    ("check_size", lambda e: ("a", "b"), "two whole numbers"),
    ("check_size", lambda e: (np.nan, 3), "two whole numbers"),
    ("check_size", lambda e: (np.inf, 3), "two whole numbers"),
    ("check_size", lambda e: [[1], [2, 3]], "two whole numbers"),
    ("check_size", lambda e: e._fits, "got a number"),
    ("check_gamma", lambda e: 17.0, "too large"),
    ("check_gamma", lambda e: "wide", "text"),
    ("check_count", lambda e: 99, "too many"),
    ("check_count", lambda e: "many", "expected a number"),
    ("check_perfect", lambda e: 7, "from 0 to 2"),
    ("check_perfect", lambda e: (e._lineup[1] + 1) % 3, "another one"),
    ("check_perfect", lambda e: e._lineup[1] + 0.4, "one whole number"),
    ("check_perfect", lambda e: [e._lineup[1]], "one whole number"),
    ("check_perfect", lambda e: "first", "one whole number"),
    ("check_share", lambda e: 0.97, "too large"),
    ("check_share", lambda e: 1 - e._twinned[1], "the larger twin"),
    ("check_share", lambda e: 100 * e._twinned[1], "per cent"),
    ("check_share", lambda e: np.nan, "NaN"),
    ("check_share", lambda e: "third", "text"),
    ("check_share", lambda e: [0.3, 0.7], "a single number is expected"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "answer", "message"), WRONG)
def test_wrong_and_open_answers_are_told_apart(exercise, check, answer, message, capsys):
    verdict = getattr(exercise, check)(answer(exercise))
    assert verdict.state == "wrong"
    assert message in verdict.message
    assert getattr(exercise, check)(...).state == "open"
    assert "✗" in capsys.readouterr().out
