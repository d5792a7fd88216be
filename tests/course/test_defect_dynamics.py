"""Right answers pass, wrong ones get a hint, open ones stay open; students differ."""

import numpy as np
import pandas as pd
import pytest

from atomlens import dynamics
from atomlens._doubts import quietly
from atomlens.course.defect_dynamics import Exercise


@pytest.fixture(scope="module")
def exercise():
    return Exercise("Ada Lovelace")


@pytest.fixture(autouse=True)
def verdicts_do_not_raise(monkeypatch):
    monkeypatch.delenv("ATOMLENS_CHECK", raising=False)


def line(exercise):
    """Through the first and the last point: the curve is exact."""
    (t, a), (u, b) = exercise.curve.to_numpy()[[0, -1]]
    slope = (b - a) / (u - t)
    return [slope / 4, np.sqrt((a - slope * t) / 4)]


def counts(exercise):
    """By crossing every frame with the next."""
    wide = exercise.sightings.pivot_table("label", "particle", "frame", aggfunc="first").reindex(
        columns=range(10)
    )
    before, after = wide.iloc[:, :-1].to_numpy().ravel(), wide.iloc[:, 1:].to_numpy().ravel()
    keep = pd.notna(before) & pd.notna(after)
    return np.array([[((before[keep] == a) & (after[keep] == b)).sum() for b in "ab"] for a in "ab"])


def chain(exercise):
    """By search: the chain whose sightings look like what is seen."""
    best, eye = None, np.array([[0.9, 0.1], [0.1, 0.9]])
    for p in np.linspace(0.01, 0.3, 117):
        for q in np.linspace(0.01, 0.3, 117):
            pairs = eye.T @ np.diag([q, p]) @ [[1 - p, p], [q, 1 - q]] @ eye
            miss = np.abs(pairs / pairs.sum(axis=1, keepdims=True) - exercise.seen).max()
            if best is None or miss < best[0]:
                best = miss, np.array([[1 - p, p], [q, 1 - q]])
    return best[1]


def test_students_have_their_own_samples_and_everyone_the_same_one_again(exercise):
    again, other = Exercise(" ada lovelace"), Exercise("Marie Curie")
    pd.testing.assert_frame_equal(exercise.tracks, again.tracks)
    pd.testing.assert_frame_equal(exercise.sightings, again.sightings)
    assert not exercise.tracks.equals(other.tracks)
    assert not np.array_equal(exercise.seen, other.seen)


def test_the_plans_behind_the_samples_differ_from_student_to_student():
    assert {Exercise(f"student {n}")._bound for n in range(12)} == {0, 1, 2}


@pytest.mark.parametrize("student", ["Ada Lovelace", "Marie Curie", "Emmy Noether"])
def test_right_answers_pass(student):
    exercise = Exercise(student)
    assert exercise.check_curve(line(exercise))
    result = dynamics.diffusion(exercise.tracks, dt=exercise.dt, method="covariance")
    assert exercise.check_diffusion(result.coefficient)
    assert abs(result.coefficient / exercise._diffusion - 1) < 0.25
    assert exercise.check_counts(counts(exercise))
    assert exercise.check_chain(chain(exercise))
    with quietly():
        p = [dynamics.motion(tracks, dt=exercise.dt).p_free for tracks in exercise.suspects]
    assert exercise.check_bound(int(np.argmin(p)))


@pytest.mark.parametrize(
    ("check", "wrong", "hint"),
    [
        ("curve", 3, "two numbers"),
        ("diffusion", "fast", "nm²/s"),
        ("diffusion", 1e3, "too large"),
        ("diffusion", 1e-9, "too small"),
        ("counts", [1, 2], "2 x 2"),
        ("counts", np.zeros((2, 2)), "other counts"),
        ("chain", np.eye(2), "other numbers"),
        ("chain", np.ones((2, 2)), "sum to 1"),
        ("bound", 5, "run from 0 to 2"),
    ],
)
def test_wrong_answers_get_a_hint(exercise, check, wrong, hint, capsys):
    assert not getattr(exercise, f"check_{check}")(wrong)
    assert hint in capsys.readouterr().out


def test_slips_are_named(exercise, capsys):
    def said(check, answer):
        assert not getattr(exercise, f"check_{check}")(answer)
        return capsys.readouterr().out

    slope, noise = line(exercise)
    assert "exchanged" in said("curve", [noise, slope])
    assert "divide it by 4" in said("curve", [4 * slope, noise])
    assert "before the root" in said("curve", [slope, 2 * noise])
    frame = dynamics.diffusion(exercise.tracks).coefficient
    assert "a frame" in said("diffusion", frame)
    assert "published" in said("diffusion", dynamics.published_estimator(exercise.tracks, dt=exercise.dt))
    right = counts(exercise)
    if not np.array_equal(right, right.T):
        assert "exchanged" in said("counts", right.T)
    assert "shares" in said("counts", right / right.sum(axis=1, keepdims=True))
    assert "what is seen" in said("chain", exercise.seen)


def test_open_answers_stay_open(exercise):
    for check in ("curve", "diffusion", "counts", "chain", "bound"):
        assert not getattr(exercise, f"check_{check}")(...)
