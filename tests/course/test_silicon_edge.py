"""Right answers pass, wrong ones get a hint, open ones stay open; students differ."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from atomlens import dynamics
from atomlens._doubts import quietly
from atomlens._turns import turned
from atomlens.course.silicon_edge import Exercise

STATES = ("loose", "bridge", "edge")


@pytest.fixture(scope="module")
def exercise():
    return Exercise("Ada Lovelace")


@pytest.fixture(autouse=True)
def verdicts_do_not_raise(monkeypatch):
    monkeypatch.delenv("ATOMLENS_CHECK", raising=False)


def all_copies(picture):
    """The twelve of graphene, and what they are at least to differ by, in the noise of two pictures."""
    both = [turned(picture[None], np.pi / 3 * n, mirrored=m)[0] for m in (False, True) for n in range(6)]
    y, x = np.indices(picture.shape) - len(picture) // 2
    return [copy[np.hypot(x, y) < 14] for copy in both]


def copies(exercise):
    """By making all twelve, and counting those that none before is like."""
    different = []
    for copy in all_copies(exercise.picture):
        if all(np.abs(copy - other).max() > 0.5 for other in different):
            different.append(copy)
    return len(different)


def states(exercise):
    """By the same copies: two classes are one state if a copy of one is like the other."""
    found = np.full(len(exercise.classes), -1)
    for n, picture in enumerate(exercise.classes):
        alike = [
            found[k]
            for k in range(n)
            if any(np.abs(c - all_copies(exercise.classes[k])[0]).max() < 0.5 for c in all_copies(picture))
        ]
        found[n] = alike[0] if alike else found.max() + 1
    return found


def counts(exercise):
    """Step by step."""
    table = np.zeros((3, 3))
    for _, path in exercise.sightings.groupby("particle"):
        codes = path.sort_values("frame").label.map(STATES.index).tolist()
        for before, after in pairwise(codes):
            table[before, after] += 1
    return table


def stay(exercise):
    table = counts(exercise)
    return np.diag(table) / table.sum(axis=1)


def test_students_have_their_own_samples_and_everyone_the_same_one_again(exercise):
    again, other = Exercise(" ada lovelace"), Exercise("Marie Curie")
    pd.testing.assert_frame_equal(exercise.sightings, again.sightings)
    np.testing.assert_array_equal(exercise.classes, again.classes)
    assert not exercise.sightings.equals(other.sightings)
    assert not np.array_equal(exercise.picture, other.picture)


def test_the_plans_behind_the_samples_differ_from_student_to_student():
    plans = [Exercise(f"student {n}") for n in range(25)]
    assert {e._remembers for e in plans} == {0, 1, 2}
    assert {len(e._symmetry) for e in plans} == {1, 2, 3, 4, 6}


def test_particles_are_seen_in_successive_frames_so_that_rows_may_be_shifted(exercise):
    steps = exercise.sightings.groupby("particle").frame.diff().dropna()
    assert (steps == 1).all()


@pytest.mark.parametrize("student", ["Ada Lovelace", "Marie Curie", "Emmy Noether", "Lise Meitner"])
def test_right_answers_pass(student):
    exercise = Exercise(student)
    assert exercise.check_copies(copies(exercise))
    assert exercise.check_states(states(exercise))
    assert exercise.check_stay(stay(exercise))
    with quietly():
        p = [dynamics.first_order(tracks, state="label").p_value for tracks in exercise.suspects]
    assert exercise.check_memory(int(np.argmin(p)))


@pytest.mark.parametrize(
    ("check", "wrong", "hint"),
    [
        ("copies", "many", "one number"),
        ("copies", 7, "another number"),
        ("states", [1, 2], "shape"),
        ("stay", 0.5, "three numbers"),
        ("stay", [0.5, 0.5, 5.0], "a fraction of something"),
        ("memory", 5, "run from 0 to 2"),
    ],
)
def test_wrong_answers_get_a_hint(exercise, check, wrong, hint, capsys):
    assert not getattr(exercise, f"check_{check}")(wrong)
    assert hint in capsys.readouterr().out


def test_slips_are_named(exercise, capsys):
    def said(check, answer, of=exercise):
        assert not getattr(of, f"check_{check}")(answer)
        return capsys.readouterr().out

    mirror = next(e for e in (Exercise(f"{n}") for n in range(50)) if len(e._symmetry) == 6)
    assert "leave it alone" in said("copies", 6, mirror)
    turns = next(e for e in (Exercise(f"{n}") for n in range(50)) if len(e._symmetry) == 1)
    assert "twelve operations" in said("copies", 6, turns)
    assert "clusters" in said("states", np.arange(len(exercise.classes)))
    options = {"state": "label", "states": list(STATES)}
    sequence = dynamics.one_sequence_matrix(exercise.sightings, **options)
    assert "one sequence" in said("stay", np.diag(sequence))
    assert "pool" in said("stay", np.diag(dynamics.row_mean_matrix(exercise.sightings, **options)))
    table = counts(exercise)
    assert "what atoms became" in said("stay", np.diag(table) / table.sum(axis=0))
    shares = exercise.sightings.label.value_counts(normalize=True)
    assert "shares of the states" in said("stay", shares[list(STATES)].to_numpy())


def test_open_answers_stay_open(exercise, capsys):
    for check in ("copies", "states", "stay", "memory"):
        assert not getattr(exercise, f"check_{check}")(...)
        assert "✗" not in capsys.readouterr().out
