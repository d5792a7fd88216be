"""Right answers pass, wrong ones get a hint, open ones stay open; students differ."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from atomlens.course.descriptors import Exercise
from atomlens.descriptors import (
    SubImageDescriptor,
    TimeDelayDescriptor,
    WindowDescriptor,
    blindness,
    look_alikes,
)
from atomlens.patterson import translation_spread

ARRAYS = ("patch", "perfect", "twin", "original", "repeat", "doped", "movie")


@pytest.fixture(scope="module")
def exercise():
    return Exercise("Ada Lovelace")


@pytest.fixture(autouse=True)
def verdicts_do_not_raise(monkeypatch):
    monkeypatch.delenv("ATOMLENS_CHECK", raising=False)


def halves(exercise, **options):
    describe = WindowDescriptor(**options)
    scores = PCA(3, random_state=0).fit_transform(describe.fit_transform(exercise.twin))
    return describe.map(KMeans(2, n_init=3, random_state=0).fit_predict(scores))


def directions(exercise, delays):
    describe = TimeDelayDescriptor(delays, size=20)
    rows = PCA(4 * delays, random_state=0).fit_transform(describe.fit_transform(exercise.movie))
    block = cKDTree(exercise.blocks[["x", "y"]]).query(describe.positions_[["x", "y"]])[1]
    known = exercise.blocks.direction.to_numpy()[block]
    guess = KNeighborsClassifier(5).fit(rows[known != 0], known[known != 0]).predict(rows)
    votes = pd.Series(guess).groupby(block).mean()
    return np.where(votes[exercise.blocks.direction == 0] > 0, 1, -1)


def told_directions(exercise):
    return exercise._movie.truth.direction[exercise.blocks.direction == 0].to_numpy()


def right_size(exercise):
    return int(np.argmin([translation_spread(exercise.perfect, size) for size in exercise.sizes]))


def changes(exercise):
    seen = blindness(WindowDescriptor(), exercise.original, exercise.repeat, exercise.records).blind
    shots = blindness(SubImageDescriptor(), exercise.original, exercise.repeat, exercise.records).blind
    found = {}
    for name, record in exercise.records.items():
        if not seen[name]:
            found[name] = "turned"
        elif not shots[name]:
            found[name] = "inverted"
        else:
            same = abs(record.mean() / exercise.original.mean() - 1) < 0.1
            found[name] = "translated" if same else "contrast"
    return found


def dopants(exercise):
    look = SubImageDescriptor()
    shots = look.fit_transform((exercise.doped, exercise.columns))
    row = int(np.flatnonzero(look.positions_.index == exercise.dopant)[0])
    return look.positions_.index[look_alikes(shots, row, exercise.n_others)[0]]


def test_students_have_their_own_samples_and_everyone_the_same_one_again(exercise):
    again, other = Exercise(" ada lovelace"), Exercise("Marie Curie")
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(exercise, name), getattr(again, name))
        assert not np.array_equal(getattr(exercise, name), getattr(other, name))
    pd.testing.assert_frame_equal(exercise.columns, again.columns)
    pd.testing.assert_frame_equal(exercise.blocks, again.blocks)
    assert exercise.sizes == again.sizes != other.sizes


def test_the_plans_behind_the_samples_differ_from_student_to_student():
    students = [Exercise(f"student {n}") for n in range(5)]
    assert len({tuple(s._changes.values()) for s in students}) > 2
    assert len({s.n_others for s in students}) > 1
    assert len({tuple(s.sizes[0]) for s in students}) > 2
    for s in students:
        assert set(s.blocks.direction) == {-1, 0, 1}


@pytest.mark.parametrize("student", ["Ada Lovelace", "Marie Curie", "C. V. Raman"])
def test_every_student_can_solve_theirs(student):
    exercise = Exercise(student)
    power = np.abs(np.fft.fft2(exercise.patch - exercise.patch.mean())) ** 2
    assert exercise.check_patterson(np.fft.fftshift(np.fft.ifft2(power)).real)
    spread = [translation_spread(exercise.perfect, size) for size in exercise.sizes]
    assert exercise.check_size(int(np.argmin(spread)))
    assert sorted(spread)[0] < 0.02 < 0.05 < sorted(spread)[1]
    assert exercise.check_domains(halves(exercise))
    assert exercise.check_changes(changes(exercise))
    assert exercise.check_dopants(dopants(exercise))
    assert exercise.check_directions(directions(exercise, 5))


WRONG = {
    "check_patterson": (np.zeros((24, 31)), np.zeros((31, 24)), 1.0, "round"),
    "check_size": (7, [1, 2], "the first", True, 0.5, np.nan, -1, {"a": 1}),
    "check_domains": (
        np.zeros((60, 60)),
        2,
        "left",
        xr.DataArray(np.zeros(5)),
        [[0], [0, 1]],
        xr.Dataset(),
        xr.DataArray(np.zeros((9, 9)), {"y": list("abcdefghi"), "x": range(9)}, ("y", "x")),
    ),
    "check_changes": ({}, {"A": "turned"}, ["turned"] * 4, "all", 3, dict.fromkeys("ABCD")),
    "check_dopants": ([], [0, 1], 5, "none", {"a": 1}, [[0], [0, 1]], [np.inf], [True], [{1}]),
    "check_directions": ([1, -1], np.zeros(17), "left", [[0], [0, 1]], {"a": 1}, 1, ["1"]),
}


@pytest.mark.parametrize("check", WRONG)
def test_wrong_and_malformed_answers_get_a_hint_and_open_ones_stay_open(exercise, check):
    for wrong in WRONG[check]:
        verdict = getattr(exercise, check)(wrong)
        assert verdict.state == "wrong"
        assert verdict.message
    for nothing in (..., None):
        assert getattr(exercise, check)(nothing).state == "open"


def spoiled(answer, kind):
    """A right answer, made wrong in one way."""
    if isinstance(answer, xr.DataArray):
        return {
            "transposed": answer.T,
            "without coordinates": answer.drop_vars(["y", "x"]),
            "in pixels": answer.assign_coords(y=50 * answer.y, x=50 * answer.x),
            "coarse": answer[::20, ::20],
            "fractions": answer + 0.4,
        }[kind]
    if isinstance(answer, dict):
        swap = {"A": answer["B"], "B": answer["A"]}
        return {
            "lower case": {name.lower(): word for name, word in answer.items()},
            "swapped": {**answer, **swap},
            "open": {**answer, "B": ...},
            "list": list(answer.values()),
        }[kind]
    return {
        "fractions": np.asarray(answer) + 0.4,
        "texts": [str(n) for n in np.ravel(answer)],
        "one less": np.asarray(answer)[..., :-1] if np.ndim(answer) else (answer - 1) % 4,
        "column": np.reshape(answer, (-1, 1)),
        "zeros": 0 * np.asarray(answer),
        "outside": 4,
    }[kind]


@pytest.mark.parametrize(
    ("check", "answer", "kind", "message"),
    [
        ("check_size", right_size, "fractions", "expected one whole number"),
        ("check_size", right_size, "one less", "it is another one"),
        ("check_size", right_size, "outside", "from 0 to 3"),
        ("check_size", right_size, "column", "expected one whole number"),
        ("check_domains", halves, "transposed", "dims ('x', 'y'), expected ('y', 'x')"),
        ("check_domains", halves, "without coordinates", "no coordinates"),
        ("check_domains", halves, "in pixels", "should be in nm"),
        ("check_domains", halves, "coarse", "so few windows"),
        ("check_domains", halves, "fractions", "labels are whole numbers"),
        ("check_changes", changes, "lower case", "the keys should be 'A', 'B', 'C', 'D'"),
        ("check_changes", changes, "swapped", "2 of 4 are wrong, among them 'A'"),
        ("check_changes", changes, "open", "for 'B', is none of the four words"),
        ("check_changes", changes, "list", "expected a dict"),
        ("check_dopants", dopants, "fractions", "whole numbers"),
        ("check_dopants", dopants, "texts", "whole numbers"),
        ("check_dopants", dopants, "one less", "1 missing"),
        ("check_directions", told_directions, "one less", "values, got"),
        ("check_directions", told_directions, "column", "values, got"),
        ("check_directions", told_directions, "texts", "values, got"),
        ("check_directions", told_directions, "zeros", "1 or -1"),
    ],
)
def test_what_is_wrong_is_named(exercise, check, answer, kind, message):
    right = answer(exercise)
    assert getattr(exercise, check)(right)
    verdict = getattr(exercise, check)(spoiled(right, kind))
    assert verdict.state == "wrong"
    assert message in verdict.message


def test_the_form_of_a_right_answer_is_free(exercise):
    rows = dopants(exercise)
    for form in (set, list, np.array, pd.Series, lambda r: np.array(r, dtype=float)):
        assert exercise.check_dopants(form(rows))
    right = right_size(exercise)
    for form in (int, np.int64, np.array, float):
        assert exercise.check_size(form(right))
    assert exercise.check_directions(list(told_directions(exercise)))
    assert exercise.check_changes({name: f" {word.upper()}" for name, word in changes(exercise).items()})


def test_likely_slips_are_told_from_right_answers(exercise):
    raw = np.abs(np.fft.fft2(exercise.patch)) ** 2
    centred = np.abs(np.fft.fft2(exercise.patch - exercise.patch.mean())) ** 2
    assert not exercise.check_patterson(np.fft.fftshift(np.fft.ifft2(raw)).real)
    assert not exercise.check_patterson(np.fft.ifft2(centred).real)
    small = halves(exercise, size=12, step=8)
    assert exercise.check_domains(small).state == "wrong"
    swapped = changes(exercise)
    swapped["A"], swapped["B"] = swapped["B"], swapped["A"]
    assert not exercise.check_changes(swapped)
    right = dopants(exercise)
    assert not exercise.check_dopants([*right, exercise.dopant])
    assert not exercise.check_directions(directions(exercise, 1))
    assert not exercise.check_directions(-directions(exercise, 5))
