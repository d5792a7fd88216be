"""Exercises to lesson 09: angles, turns and frames, expected answers, and tests of what students hand in."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomlens import particles, simulate
from atomlens._doubts import quietly
from atomlens._types import Any
from atomlens.course import check
from atomlens.course.answers import numbers, why_not_place
from atomlens.course.diagnose import kind, why_not_close
from atomlens.course.lesson import Lesson
from atomlens.course.slips import recognise
from atomlens.course.texts.protein_assembly import HINTS, QUESTIONS
from atomlens.particles.score import angle_between

__all__ = ["Exercise"]

_N_FRAMES = 8


class Exercise(Lesson):
    """One student's samples, and the checks of their answers.

    Parameters
    ----------
    student : str
        A name; it seeds the samples, on every computer alike.

    Attributes
    ----------
    angles : ndarray of shape (40,)
        Angles of rods of one domain, degrees from 0 to 180.
    theta : ndarray of shape (60,)
        Angle of one rod, frame by frame, degrees from 0 to 180; it turns by less than 90 between frames.
    dt : float
        Time from frame to frame in s.
    tracks : DataFrame
        ``frame``, ``particle`` and ``turn`` (degrees) of forty particles that turn freely, and rattle.
    movie : ndarray of shape (8, 128, 128)
        Heights in nm; from one frame on there is nothing but noise.

    Examples
    --------
    >>> exercise = Exercise("Ada Lovelace")
    >>> exercise.angles.shape, exercise.movie.shape
    ((40,), (8, 128, 128))
    """

    name, hints, questions = "09_protein_assembly", HINTS, QUESTIONS

    def __init__(self, student: str) -> None:
        super().__init__(student)
        rngs = np.random.default_rng(self.seed).spawn(4)
        middle = rngs[0].uniform(-8, 8)  # around which counting begins anew
        self.angles = np.mod(middle + rngs[0].normal(0, 15, 40), 180)
        self.theta = np.mod(rngs[1].uniform(0, 180) + np.cumsum(rngs[1].normal(12, 8, 60)), 180)
        self.dt = float(np.round(rngs[2].uniform(0.3, 0.8), 2))
        wander = np.sqrt(2 * rngs[2].uniform(6, 12) * self.dt)
        turn = rngs[2].normal(0, wander, (40, 60)).cumsum(axis=1) + rngs[2].normal(0, 4, (40, 60))
        particle, frame = np.indices(turn.shape)
        self.tracks = pd.DataFrame(
            {"frame": frame.ravel(), "particle": particle.ravel(), "turn": turn.ravel()}
        )
        self._poor = int(rngs[3].integers(4, 7))
        still = simulate.particles.scattered("rod", coverage=0.2, shape=(128, 128), random_state=rngs[3])
        noise = np.where(np.arange(_N_FRAMES) < self._poor, 0.3, 60.0)[:, None, None]
        self.movie = still.data.values + noise * rngs[3].normal(size=(_N_FRAMES, 128, 128))

    @property
    def _arrow(self):
        return np.exp(2j * np.radians(self.angles)).mean()

    def check_mean(self, answer: Any) -> check.Result:
        """Judge the circular mean of `angles`, in degrees from 0 to 180."""
        return check.judge(answer, lambda: self._why_not_mean(answer), "mean angle", of=self)

    def _why_not_mean(self, answer):
        got = numbers(answer, ())
        if got is None:
            return f"expected an angle in degrees, got {kind(answer)}"
        right = np.degrees(np.angle(self._arrow)) / 2

        def same(a, b, period):
            return abs((a - b + period / 2) % period - period / 2) < 0.05

        if same(got, right, 180):
            return None
        slips = {
            "this is the plain mean: it knows nothing of 179 and 1 being neighbours": self.angles.mean(),
            "this is twice the angle: go back": 2 * right,
            "with n = 1, rods at 1 and 179 degrees cancel": np.degrees(
                np.angle(np.exp(1j * np.radians(self.angles)).mean())
            ),
            "this is in radians": np.radians(right),
        }
        for slip, value in slips.items():
            if same(got, value, 360 if "twice" in slip else 180):
                return slip
        return "another angle is expected"

    def check_order(self, answer: Any) -> check.Result:
        """Judge the order of `angles`, from 0 to 1."""
        slips = {
            "with n = 1, rods at 1 and 179 degrees cancel": abs(np.exp(1j * np.radians(self.angles)).mean()),
            "this is the square of the length": abs(self._arrow) ** 2,
            "the sine and the cosine are in radians: convert the angles": abs(
                np.exp(2j * self.angles).mean()
            ),
        }
        return check.judge(
            answer,
            lambda: why_not_close(answer, abs(self._arrow), 0.005, 0, unit="fraction", slips=slips),
            "order",
            of=self,
        )

    def check_turn(self, answer: Any) -> check.Result:
        """Judge by how many degrees the rod of `theta` has turned in all."""
        step = angle_between(self.theta[1:], self.theta[:-1], 2)
        slips = {
            "this is the last angle less the first: turns beyond the period are lost": self.theta[-1]
            - self.theta[0],
            "steps are signed: a turn back is taken away": np.abs(step).sum(),
        }
        return check.judge(
            answer,
            lambda: why_not_close(
                answer, step.sum(), 0, 0.5, slips=slips
            ),  # without a unit: whole turns count
            "total turn",
            of=self,
        )

    def check_diffusion(self, answer: Any) -> check.Result:
        """Judge the rotational diffusion coefficient of `tracks`, in degrees squared a second."""
        return check.judge(answer, lambda: self._why_not_diffusion(answer), "rotational diffusion", of=self)

    def _why_not_diffusion(self, answer):
        got = numbers(answer, (), kinds="f")
        if got is None or not np.isfinite(got):
            return f"expected a number in degrees squared a second, got {kind(answer)}"
        with quietly():
            right = particles.rotational_diffusion(self.tracks, dt=self.dt)
        if right.interval[0] <= got <= right.interval[1]:
            return None
        slips = {
            "this takes rattling for turning: take the noise out": right.naive,
            "this is in degrees squared a frame: say how long a frame lasts, dt": right.coefficient * self.dt,
            "this is 2 D: halve it": 2 * right.coefficient,
            "this is in radians squared": np.radians(1) ** 2 * right.coefficient,
        }
        for slip, value in slips.items():
            if np.isclose(got, value, rtol=0.02):
                return slip
        told = recognise(got, np.array(right.coefficient), rtol=0.02, atol=0)
        return told or ("too large: is noise in it?" if got > right.interval[1] else "too small")

    def check_frame(self, answer: Any) -> check.Result:
        """Judge from which frame of `movie` on, counted from 0, there is nothing but noise."""
        return check.judge(
            answer, lambda: why_not_place(answer, self._poor, _N_FRAMES), "first poor frame", of=self
        )
