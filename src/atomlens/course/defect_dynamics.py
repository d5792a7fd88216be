"""Exercises to lesson 08: tracks, expected answers, and tests of what students hand in."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomlens import dynamics, simulate
from atomlens._doubts import quietly
from atomlens._types import Any
from atomlens.course import check
from atomlens.course.answers import numbers, why_not_place
from atomlens.course.diagnose import kind, why_not_close
from atomlens.course.lesson import Lesson
from atomlens.course.slips import recognise
from atomlens.course.texts.defect_dynamics import HINTS, QUESTIONS

__all__ = ["Exercise"]

_LETTERS = ("a", "b")
_CONFUSED = 0.1


class Exercise(Lesson):
    """One student's samples, and the checks of their answers.

    Parameters
    ----------
    student : str
        A name; it seeds the samples, on every computer alike.

    Attributes
    ----------
    dt : float
        Time from frame to frame in s.
    tracks : DataFrame
        Forty free particles: ``frame``, ``particle``, ``x_nm``, ``y_nm``; places are known with an error.
    curve : DataFrame
        A mean-square displacement: ``lag_s`` in s, ``msd`` in nm².
    sightings : DataFrame
        ``frame``, ``particle`` and ``label`` of a few tracks, which have gaps.
    seen : ndarray of shape (2, 2)
        A transition matrix as an eye sees it that errs: rows are the present state.
    erring : float
        Probability with which the eye takes one state for the other, either way.
    suspects : list of DataFrame
        Three sets of tracks; in one of them particles are bound to their places.

    Examples
    --------
    >>> exercise = Exercise("Ada Lovelace")
    >>> sorted(exercise.sightings.label.unique()), len(exercise.suspects)
    (['a', 'b'], 3)
    """

    erring = _CONFUSED

    name, hints, questions = "08_defect_dynamics", HINTS, QUESTIONS

    def __init__(self, student: str) -> None:
        super().__init__(student)
        rngs = np.random.default_rng(self.seed).spawn(5)
        self.dt = float(np.round(rngs[0].uniform(1.0, 3.0), 2))
        self._diffusion = float(rngs[0].uniform(1e-3, 4e-3))
        self.tracks = _moving(rngs[0], self.dt, diffusion=self._diffusion, localisation=0.04)
        self._slope, self._noise = float(rngs[1].uniform(2e-3, 8e-3)), float(rngs[1].uniform(0.02, 0.06))
        lag = self.dt * np.arange(1, 9)
        self.curve = pd.DataFrame({"lag_s": lag, "msd": 4 * self._slope * lag + 4 * self._noise**2})
        self.sightings = _sightings(rngs[2])
        self._chain, self.seen = _chain(rngs[3])
        self._bound = int(rngs[4].integers(3))
        traps = [0.06 if n == self._bound else None for n in range(3)]
        self.suspects = [_moving(rngs[4], self.dt, diffusion=2e-3, localisation=0.02, trap=t) for t in traps]

    def check_curve(self, answer: Any) -> check.Result:
        """Judge diffusion coefficient and localisation error, read off `curve`."""
        return check.judge(answer, lambda: self._why_not_curve(answer), "D and σ", of=self)

    def _why_not_curve(self, answer):
        got = numbers(answer, (2,))
        if got is None:
            return f"expected two numbers, D in nm²/s and σ in nm, got {kind(answer)}"
        right = np.array([self._slope, self._noise])
        slips = {
            "D and σ are exchanged": right[::-1],
            "the slope is 4 D in two dimensions, not 2 D": right * [2, 1],
            "this is the slope: divide it by 4": right * [4, 1],
            "time is in s here, not in frames": right * [self.dt, 1],
            "this is σ², or 4 σ²": [right[0], right[1] ** 2],
            "divide the intercept by 4 before the root": right * [1, 2],
        }
        for slip, values in slips.items():
            if np.allclose(got, values, rtol=0.01):
                return slip
        return why_not_close(answer, right, 0.01, 0, unit=("nm²/s", "nm"))

    def check_diffusion(self, answer: Any) -> check.Result:
        """Judge the diffusion coefficient of `tracks`, in nm²/s."""
        return check.judge(answer, lambda: self._why_not_diffusion(answer), "diffusion coefficient", of=self)

    def _why_not_diffusion(self, answer):
        got = numbers(answer, (), kinds="f")
        if got is None or not np.isfinite(got):
            return f"expected a number in nm²/s, got {kind(answer)}"
        with quietly():
            right = dynamics.diffusion(self.tracks, dt=self.dt)
        if right.interval[0] <= got <= right.interval[1]:
            return None
        if np.isclose(got, right.coefficient * self.dt, rtol=0.02):
            return "this is in nm² a frame: say how long a frame lasts, dt"
        for slip, factor in {"this is 4 D, the slope": 4, "this is 2 D, of a single axis": 2}.items():
            if np.isclose(got, factor * right.coefficient, rtol=0.02):
                return slip
        published = dynamics.published_estimator(self.tracks, dt=self.dt)
        if np.isclose(got, published, rtol=0.02):
            return "this is the published estimator, and far too low"
        told = recognise(got, np.array(right.coefficient), rtol=0.02, atol=0, unit="nm²/s")
        if told:
            return told
        return "too large: do steps hold noise?" if got > right.interval[1] else "too small"

    def check_counts(self, answer: Any) -> check.Result:
        """Judge the counts of transitions in `sightings`: rows from "a", "b", columns to "a", "b"."""
        return check.judge(answer, lambda: self._why_not_counts(answer), "counts", of=self)

    def _why_not_counts(self, answer):
        got = numbers(answer, (2, 2))
        if got is None:
            return f"expected a table of 2 x 2 numbers, got {kind(answer)}"
        right = _counted(self.sightings)
        slips = {
            "rows and columns are exchanged: rows are the state before": right.T,
            "transitions over a gap are counted, too": _counted(self.sightings, gaps=True),
            "the last sighting of one particle and the first of the next are no transition": _counted(
                self.sightings.assign(particle=0, frame=range(len(self.sightings)))
            ),
            "these are shares of the rows: the counts are asked for": right
            / right.sum(axis=1, keepdims=True),
        }
        if np.array_equal(got, right):
            return None
        for slip, values in slips.items():
            if np.allclose(got, values):
                return slip
        return "other counts are expected"

    def check_chain(self, answer: Any) -> check.Result:
        """Judge the true transition matrix behind `seen`, within 0.02."""
        return check.judge(answer, lambda: self._why_not_chain(answer), "true matrix", of=self)

    def _why_not_chain(self, answer):
        got = numbers(answer, (2, 2))
        if got is None:
            return f"expected a matrix of 2 x 2 numbers, got {kind(answer)}"
        if np.allclose(got, self._chain, atol=0.02):
            return None
        if np.allclose(got, self.seen, atol=0.005):
            return "this is what is seen: errors look like transitions, take them out"
        if np.allclose(got, self._chain.T, atol=0.02):
            return "rows and columns are exchanged"
        if not np.allclose(got.sum(axis=1), 1, atol=0.01):
            return "rows of a transition matrix sum to 1"
        return "other numbers are expected"

    def check_bound(self, answer: Any) -> check.Result:
        """Judge which of the `suspects`, counted from 0, are bound."""
        return check.judge(answer, lambda: why_not_place(answer, self._bound, 3), "bound particles", of=self)


def _moving(rng, dt, **options):
    """Forty particles for sixty frames."""
    sample = simulate.movies.tracks(40, n_frames=60, dt=dt, random_state=rng, **options)
    return sample.data.assign(particle=sample.extras["particle"])[
        ["frame", "particle", "x", "y", "x_nm", "y_nm"]
    ]


def _sightings(rng):
    """Three tracks of about ten frames with a gap each."""
    rows = []
    for particle in range(3):
        frames = np.delete(np.arange(10), int(rng.integers(2, 8)))
        state = rng.integers(2)
        for frame in frames:
            state = state if rng.random() < 0.65 else 1 - state
            rows.append({"frame": int(frame), "particle": particle, "label": _LETTERS[state]})
    return pd.DataFrame(rows)


def _counted(table, gaps=False):
    """Transitions between successive frames of one particle."""
    counts = np.zeros((2, 2))
    for _, path in table.sort_values(["particle", "frame"]).groupby("particle"):
        codes, frames = path["label"].map(_LETTERS.index).to_numpy(), path["frame"].to_numpy()
        for n in range(len(codes) - 1):
            if gaps or frames[n + 1] == frames[n] + 1:
                counts[codes[n], codes[n + 1]] += 1
    return counts


def _chain(rng):
    """A chain of two states, and the matrix that an eye sees which errs."""
    leave = rng.uniform(0.04, 0.2, 2)
    chain = np.array([[1 - leave[0], leave[0]], [leave[1], 1 - leave[1]]])
    share = leave[::-1] / leave.sum()
    eye = np.array([[1 - _CONFUSED, _CONFUSED], [_CONFUSED, 1 - _CONFUSED]])
    pairs = eye.T @ np.diag(share) @ chain @ eye
    return chain, pairs / pairs.sum(axis=1, keepdims=True)
