"""Exercises to lesson 08b: pictures and chains, expected answers, and tests of what students hand in."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomlens import dynamics
from atomlens._types import Any
from atomlens.course import check
from atomlens.course.answers import numbers, why_not_place
from atomlens.course.diagnose import kind, why_not_close, why_not_labels
from atomlens.course.lesson import Lesson
from atomlens.course.texts.silicon_edge import HINTS, QUESTIONS

__all__ = ["Exercise"]

_PIXELS, _WIDTH, _NOISE = 31, 1.6, 0.03
_STATES = ("loose", "bridge", "edge")
_GRAPHENE = [(turn, mirrored) for mirrored in (False, True) for turn in range(6)]  # turns by 60 degrees
# Operations that leave a picture alone: subgroups of those of graphene.
_SYMMETRIES = (
    [(0, False)],
    [(0, False), (0, True)],
    [(0, False), (3, False)],
    [(0, False), (2, False), (4, False)],
    [(turn, mirrored) for turn in (0, 3) for mirrored in (False, True)],
    [(turn, mirrored) for turn in (0, 2, 4) for mirrored in (False, True)],
)


class Exercise(Lesson):
    """One student's samples, and the checks of their answers.

    Parameters
    ----------
    student : str
        A name; it seeds the samples, on every computer alike.

    Attributes
    ----------
    picture : ndarray of shape (31, 31)
        Mean picture of a defect, which some operations of graphene leave alone.
    classes : ndarray of shape (K, 31, 31)
        Mean pictures of classes: three states, each in several orientations.
    sightings : DataFrame
        ``frame``, ``particle`` and ``label`` of silicon atoms, in the order of a table of detections.
    suspects : list of DataFrame
        Three sets of tracks with the same frequencies of steps; in one of them atoms remember.

    Examples
    --------
    >>> exercise = Exercise("Ada Lovelace")
    >>> exercise.picture.shape, sorted(exercise.sightings.label.unique()), len(exercise.suspects)
    ((31, 31), ['bridge', 'edge', 'loose'], 3)
    """

    name, hints, questions = "08b_silicon_edge", HINTS, QUESTIONS

    def __init__(self, student: str) -> None:
        super().__init__(student)
        rngs = np.random.default_rng(self.seed).spawn(4)
        self._symmetry = _SYMMETRIES[rngs[0].integers(len(_SYMMETRIES))]
        self.picture = _drawn(_spots(rngs[0], (6, 10), self._symmetry), rngs[0])
        self.classes, self._states = _classes(rngs[1])
        self.sightings = _sightings(rngs[2])
        self._remembers = int(rngs[3].integers(3))
        self.suspects = [_wandering(rngs[3], memory=n == self._remembers) for n in range(3)]

    def check_copies(self, answer: Any) -> check.Result:
        """Judge how many different pictures `picture` makes under the twelve operations of graphene."""
        return check.judge(answer, lambda: self._why_not_copies(answer), "different pictures", of=self)

    def _why_not_copies(self, answer):
        got = numbers(answer, ())
        if got is None:
            return f"expected one number, got {kind(answer)}"
        leave = len(self._symmetry)
        if got == len(_GRAPHENE) / leave:
            return None
        if got == leave:
            return "so many operations leave it alone; the others share the rest among them"
        if got == 6 / sum(not mirrored for _, mirrored in self._symmetry):
            return "so many there are without mirrors: graphene has twelve operations"
        return "another number is expected"

    def check_states(self, answer: Any) -> check.Result:
        """Judge which state each of the `classes` is, whatever the states are called."""
        return check.judge(answer, lambda: why_not_labels(answer, self._states, 0.99), "states", of=self)

    def check_stay(self, answer: Any) -> check.Result:
        """Judge the probabilities that a loose, a bridge and an edge atom stay what they are."""
        return check.judge(answer, lambda: self._why_not_stay(answer), "probabilities to stay", of=self)

    def _why_not_stay(self, answer):
        got = numbers(answer, (3,))
        if got is None:
            return f"expected three numbers, got {kind(answer)}"
        options = {"state": "label", "states": list(_STATES)}
        before = self.sightings.groupby("particle")["label"].shift()
        counts = pd.crosstab(before, self.sightings["label"]).loc[list(_STATES), list(_STATES)].to_numpy()
        right = np.diag(counts) / counts.sum(axis=1)
        slips = {
            "this reads the table as one sequence: successive rows are different atoms": np.diag(
                dynamics.one_sequence_matrix(self.sightings, **options)
            ),
            "short tracks count like long ones here: pool the counts, then divide": np.diag(
                dynamics.row_mean_matrix(self.sightings, **options)
            ),
            "these are shares of what atoms became: divide by the row of what they were": np.diag(counts)
            / counts.sum(axis=0),
            "these are the shares of the states": self.sightings["label"]
            .value_counts(normalize=True)
            .reindex(_STATES)
            .to_numpy(),
        }
        if np.allclose(got, right, atol=2e-3):
            return None
        for slip, values in slips.items():
            if np.allclose(got, values, atol=2e-3):
                return slip
        return why_not_close(got, right, 0, 2e-3, unit="fraction")

    def check_memory(self, answer: Any) -> check.Result:
        """Judge in which of the `suspects`, counted from 0, atoms remember where they came from."""
        return check.judge(answer, lambda: why_not_place(answer, self._remembers, 3), "memory", of=self)


def _spots(rng, radii, symmetry, n=2):
    """Places (x, y) of atoms at distances in this range, and their images under the operations."""
    # Between the mirrors, which are 30 degrees apart, and away from them
    angles = np.radians(15 + rng.uniform(-4, 4, n)) + np.radians([0, 60])[:n]
    places = np.linspace(*radii, n) * np.exp(1j * angles)
    return np.concatenate([_moved(places, *operation) for operation in symmetry])


def _moved(places, turn, mirrored):
    return (places.conj() if mirrored else places) * np.exp(1j * np.pi / 3 * turn)


def _drawn(places, rng):
    """A picture of atoms around a bright one in the middle, with a little noise."""
    y, x = np.mgrid[:_PIXELS, :_PIXELS] - _PIXELS // 2
    picture = 3 * np.exp(-(x**2 + y**2) / (2 * _WIDTH**2))
    for place in places:
        picture += np.exp(-((x - place.real) ** 2 + (y - place.imag) ** 2) / (2 * _WIDTH**2))
    return picture + rng.normal(0, _NOISE, picture.shape)


def _classes(rng):
    """Mean pictures of three states, of each three or four different copies, and which state each is."""
    found = []
    for state, (radii, n) in enumerate([((6, 6), 1), ((11, 11), 1), ((6, 11), 2)]):
        places = _spots(rng, radii, _SYMMETRIES[0], n)
        some = rng.permutation(_GRAPHENE)[: rng.integers(3, 5)]
        found += [(_drawn(_moved(places, *operation), rng), state) for operation in some]
    order = rng.permutation(len(found))
    return np.stack([found[n][0] for n in order]), np.array([found[n][1] for n in order])


def _sightings(rng):
    """Six atoms a frame for eighty frames, seen for some three to thirty frames at a time."""
    leave = rng.uniform(0.08, 0.3, 3)
    rows, particle = [], 0
    for _ in range(6):
        frame, state = 0, rng.integers(3)
        while frame < 80:
            for _ in range(int(rng.choice([3, 4, 30]))):
                rows.append({"frame": frame, "particle": particle, "label": _STATES[state]})
                frame += 1
                if rng.random() < leave[state]:
                    state = (state + rng.integers(1, 3)) % 3
            particle += 1
    return pd.DataFrame(rows).sort_values(["frame", "particle"], ignore_index=True)


def _wandering(rng, *, memory):
    """Thirty atoms for sixty frames; with a memory, who passes the middle state goes on instead of back."""
    rows = []
    for particle in range(30):
        before, state = rng.integers(2) * 2, 1
        for frame in range(60):
            rows.append({"frame": frame, "particle": particle, "label": _STATES[state]})
            after = state
            if rng.random() < 0.4:
                onwards = (2 - before) if memory and rng.random() < 0.85 else rng.integers(2) * 2
                after = onwards if state == 1 else 1
            before, state = (state, after) if after != state else (before, state)
    return pd.DataFrame(rows)
