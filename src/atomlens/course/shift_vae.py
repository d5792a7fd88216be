"""Exercises to lesson 06: frames, crops, crystals, expected answers, and tests of what students hand in."""

from __future__ import annotations

import warnings
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.ndimage import map_coordinates

from atomlens import simulate
from atomlens._types import Any
from atomlens.course import check
from atomlens.course.answers import numbers, why_not_place
from atomlens.course.diagnose import Praise, kind, why_not_close, why_not_labels
from atomlens.course.lesson import Lesson
from atomlens.course.texts.shift_vae import HINTS, QUESTIONS
from atomlens.shiftvae import SeparationWarning, ShiftVAE
from atomlens.windows import sliding_windows

__all__ = ["Exercise"]

_FRAME, _CROP, _REACH = 40, 24, 6  # pixels; shifts are shorter than the last
_LATENTS = ("z1", "z2", "z3")
_IMAGE = 130  # pixels
_EPOCHS = 12
_ARI, _CORRELATION = 0.95, 0.8  # at least
_STUDIES = ("modulated", "ends", "lattice")


class Exercise(Lesson):
    """One student's samples, and the checks of their answers.

    Parameters
    ----------
    student : str
        A name; it seeds the samples, on every computer alike.

    Attributes
    ----------
    frame : ndarray of shape (40, 40)
        Some columns, free of noise.
    shift : ndarray of shape (2,)
        How far a crop is to be shifted, in pixels, x and y.
    means, sds : DataFrame
        Means and standard deviations of the posterior of three latents (z1, z2, z3), in units of the prior;
        400 rows, one a signal.
    widths : ndarray of shape (400,)
        What was planted in these signals.
    crops : DataArray
        500 crops of a square lattice around a column that is as the others, missing, or brighter.
    largest_shift : float
        Pixels; no crop is shifted by more, along x or along y.
    period : float
        Of the crystals that follow, along x and along y, in pixels.
    crystal : ndarray of shape (130, 130)
        A square lattice with a weak column in the middle of each cell, whose brightness varies smoothly.
    window, stride : int
        Size of the windows of a crystal and the step between them, in pixels.

    Examples
    --------
    >>> exercise = Exercise("Ada Lovelace")
    >>> kl = (exercise.means**2 + exercise.sds**2 - 1) / 2 - np.log(exercise.sds)
    >>> result = exercise.check_divergence(kl.mean())
    ✓ divergences: correct
    """

    window, stride = 16, 3

    name, hints, questions = "06_shift_vae", HINTS, QUESTIONS

    def __init__(self, student: str) -> None:
        super().__init__(student)
        rngs = np.random.default_rng(self.seed).spawn(5)
        self.frame, self.shift = _frame(rngs[0])
        self.means, self.sds, self.widths, self._collapsed = _posterior(rngs[1])
        self.crops, self.largest_shift, self._kinds = _crops(rngs[2])
        self.period = round(float(rngs[3].uniform(8.6, 10.4)), 2)
        field = _checks(rngs[3], wavelength=rngs[3].uniform(45, 60))
        self.crystal = _crystal(rngs[3], self.period, field)
        centre = np.arange(0, _IMAGE - self.window + 1, self.stride) + (self.window - 1) / 2
        self._field = field(centre, centre[:, None])
        order = rngs[4].permutation(len(_STUDIES))
        self._order, self._rng = [_STUDIES[n] for n in order], rngs[4]

    @cached_property
    def suspects(self) -> list[Any]:
        """Three pairs of a trained model and its crystal, an array; the first call trains them.

        One of the crystals is modulated, the others are perfect.
        """
        return [self._suspect(how) for how in self._order]

    def _suspect(self, how):
        field = _stripes(self._rng, wavelength=self._rng.uniform(28, 34)) if how == "modulated" else _nothing
        crystal = _crystal(self._rng, self.period, field)
        room = {"shift_scale": self.period / np.sqrt(12) / ((self.window - 1) / 2)}
        cell = {"lattice": np.diag([self.period, self.period])}
        model = ShiftVAE(1, **(room if how == "ends" else cell), max_epochs=_EPOCHS, progress=False)
        with warnings.catch_warnings():  # which would say what is to be found out
            warnings.simplefilter("ignore", SeparationWarning)
            model.fit(sliding_windows(crystal, self.window, step=self.stride))
        return model, crystal

    def check_crop(self, answer: Any) -> check.Result:
        """Judge a crop of 24 x 24 pixels from the middle of `frame`, shifted by `shift`."""
        return check.judge(answer, lambda: self._why_not_crop(answer), "shifted crop", of=self)

    def _why_not_crop(self, answer):
        crop = numbers(answer, (_CROP, _CROP))
        if crop is None:
            return f"expected numbers of shape {_CROP, _CROP}, got {_described(answer)}"

        def is_(shift, margin=(_FRAME - _CROP) // 2):
            inside = slice(_REACH - margin if margin < _REACH else 0, None)
            ways = (_cut(self.frame, shift, margin, order) for order in (1, 3))
            return any(np.allclose(crop[inside, inside], way[inside, inside], atol=0.01) for way in ways)

        x, y = self.shift
        slips = {
            "it moves the wrong way: what the crop shows must lie further right for a positive x": (-x, -y),
            "x and y are exchanged: the first axis of an array is y": (y, x),
            "x and y are exchanged, and the sign is wrong": (-y, -x),
            "it is moved by whole pixels: interpolate between them": np.round(self.shift),
            "it is not shifted at all": (0, 0),
        }
        if is_(self.shift):
            return None
        if is_(self.shift, 0):
            return "it is shifted, but cut from the corner of the frame and not from its middle"
        return next((slip for slip, shift in slips.items() if is_(shift)), "other values are expected")

    def check_divergence(self, answer: Any) -> check.Result:
        """Judge the mean divergence of each of the three latents, in nats."""
        return check.judge(answer, lambda: self._why_not_divergence(answer), "divergences", of=self)

    def _why_not_divergence(self, answer):
        expected = _divergence(self.means, self.sds).mean().to_numpy()
        got = numbers(answer, expected.shape)
        slips = {
            "this is the sum over the signals, not their mean": len(self.means) * expected,
            "these are bits: take the natural logarithm": expected / np.log(2),
            "this is the divergence of the averages, not the average of the divergences": _divergence(
                self.means.mean(), self.sds.mean()
            ),
            "the standard deviation enters squared": _divergence(self.means, np.sqrt(self.sds)).mean(),
        }
        for slip, values in slips.items():
            if got is not None and np.allclose(got, values, rtol=1e-3):
                return slip
        return why_not_close(answer, expected, 2e-3, 0, unit="nats")

    def check_collapsed(self, answer: Any) -> check.Result:
        """Judge the name of the latent that has collapsed."""
        return check.judge(answer, lambda: self._why_not_collapsed(answer), "collapsed latent", of=self)

    def _why_not_collapsed(self, answer):
        if not isinstance(answer, str) or answer not in _LATENTS:
            return f"expected one of {', '.join(map(repr, _LATENTS))}, got {kind(answer)}"
        if answer == self._collapsed:
            return None
        if answer == self.means.corrwith(pd.Series(self.widths)).abs().idxmin():
            return (
                "it does not correlate with the width, and yet says much about it: draw one against the other"
            )
        return "it is another one"

    def check_scale(self, answer: Any) -> check.Result:
        """Judge the `shift_scale` that fits `crops`."""
        return check.judge(answer, lambda: self._why_not_scale(answer), "shift_scale", of=self)

    def _why_not_scale(self, answer):
        got = numbers(answer, (), kinds="iuf")
        if got is None or not np.isfinite(got):
            return f"expected a finite number, got {kind(answer) if got is None else got}"
        half = (self.crops.sizes["x"] - 1) / 2
        expected = self.largest_shift / np.sqrt(3) / half
        if 0.85 * expected <= got <= 1.2 * expected:
            return None
        slips = {
            "this is in pixels, `shift_scale` is in half-widths of the window": half,
            "this is the largest shift, not its standard deviation": np.sqrt(3),
            "this is in widths of the window, not half-widths": 0.5,
        }
        for slip, factor in slips.items():
            if np.isclose(got, factor * expected, rtol=0.06):
                return slip
        if not got > 0:
            return "a standard deviation is positive"
        return "too large" if got > expected else "too small"

    def check_kinds(self, answer: Any) -> check.Result:
        """Judge a label for each of `crops`."""
        return check.judge(answer, lambda: why_not_labels(answer, self._kinds, _ARI), "three kinds", of=self)

    def check_map(self, answer: Any) -> check.Result:
        """Judge a map of the content of the windows of `crystal`."""
        return check.judge(answer, lambda: self._why_not_map(answer), "content map", of=self)

    def _why_not_map(self, answer):
        got = numbers(answer, self._field.shape)
        if got is None:
            return f"expected one map of shape {self._field.shape}, got {_described(answer)}"
        if not np.isfinite(got).all():
            return "it contains NaN or infinity"
        if np.ptp(got) == 0:
            return "it is the same everywhere"
        straight, crossed = (abs(np.corrcoef(m.ravel(), self._field.ravel())[0, 1]) for m in (got, got.T))
        if straight >= _CORRELATION:
            return Praise(f"correct (|correlation| with what was planted {straight:.2f})")
        if crossed >= _CORRELATION:
            return "x and y are exchanged: the first axis of a map is y"
        return f"|correlation| with what was planted {straight:.2f}, at least {_CORRELATION} is needed"

    def check_real(self, answer: Any) -> check.Result:
        """Judge which of the suspects shows something that is in the crystal: 0, 1 or 2."""
        place, count = self._order.index("modulated"), len(_STUDIES)
        return check.judge(answer, lambda: why_not_place(answer, place, count), "real map", of=self)


def _described(answer):
    """Shape of an array, or the kind of anything else."""
    array = numbers(answer)
    return kind(answer) if array is None else f"shape {array.shape}"


def _frame(rng):
    """Frame of smooth columns, and a shift that no rounding, sign or order of axes leaves as it is."""
    y, x = np.mgrid[:_FRAME, :_FRAME]
    frame = np.zeros(x.shape)
    for px, py, height in zip(*rng.uniform(4, _FRAME - 4, (2, 12)), rng.uniform(0.4, 1, 12), strict=True):
        frame += height * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 2.5**2))
    whole = np.array([rng.integers(3, 5), rng.integers(1, 3)]) * rng.choice([-1, 1], 2)
    shift = whole + rng.uniform(0.35, 0.65, 2)
    return frame, shift.round(2)


def _cut(frame, shift, margin, order):
    """crop[y, x] = frame[y - shift_y, x - shift_x], both counted from `margin`."""
    y, x = np.mgrid[:_CROP, :_CROP] + margin
    return map_coordinates(frame, [y - shift[1], x - shift[0]], order=order, mode="nearest")


def _posterior(rng, n=400):
    """Posteriors of three latents, the planted widths, and the name of the latent that has collapsed."""
    width = rng.uniform(0.5, 5, n)
    u = (width - width.mean()) / width.std()
    noise = rng.normal(size=(3, n))
    kinds = {
        "bent": (1.1 * (u**2 - 1) + 0.1 * noise[0], rng.uniform(0.2, 0.4, n)),
        "collapsed": (0.08 * u + 0.02 * noise[1], rng.uniform(0.96, 1.0, n)),
        "rough": (0.6 * u + 0.6 * noise[2], rng.uniform(0.4, 0.6, n)),
    }
    order = [list(kinds)[k] for k in rng.permutation(3)]
    means, sds = (
        pd.DataFrame({z: kinds[k][i] for z, k in zip(_LATENTS, order, strict=True)}) for i in (0, 1)
    )
    return means, sds, width, _LATENTS[order.index("collapsed")]


def _divergence(mean, sd):
    """Of Gaussians from the standard one, in nats."""
    return (mean**2 + sd**2 - 1) / 2 - np.log(sd)


def _crops(rng):
    """Crops in windows wide enough to reach the next column by mistake; their largest shift and kinds."""
    size, period = int(rng.choice([36, 38, 40])), rng.uniform(8, 9)
    largest = round(0.31 * period, 2)
    sample = simulate.shifted.cells(500, size=size, period=period, shift=largest, random_state=rng)
    return sample.data, largest, pd.factorize(sample.truth.kind)[0]


def _checks(rng, *, wavelength):
    """Order parameter that varies along x and y; a function of pixels."""
    a, b = rng.uniform(0, 2 * np.pi, 2)
    return lambda x, y: np.sin(2 * np.pi * x / wavelength + a) * np.cos(2 * np.pi * y / wavelength + b)


def _stripes(rng, *, wavelength):
    """Order parameter that varies along x or along y."""
    a, across = rng.uniform(0, 2 * np.pi), rng.random() < 0.5
    return lambda x, y: np.sin(2 * np.pi * (x if across else y) / wavelength + a)


def _nothing(x, y):
    return 0.0 * x


def _crystal(rng, period, field):
    """Image of a square lattice, the brightness of the column in the middle of each cell as `field` says."""
    at = np.arange(-1, _IMAGE / period + 1) * period
    image = rng.normal(0, 0.1, (_IMAGE, _IMAGE))
    corner = rng.uniform(0, period, 2)
    for step, height in (
        (0, lambda x, y: 1 + 0 * x),
        (period / 2, lambda x, y: 0.35 * (1 + 0.6 * field(x, y))),
    ):
        x, y = (at + c + step for c in corner)
        along_x, along_y = (
            np.exp(-((np.arange(_IMAGE) - p[:, None]) ** 2) / (2 * (0.17 * period) ** 2)) for p in (x, y)
        )
        image += along_y.T @ height(*np.meshgrid(x, y)) @ along_x
    return image.astype(np.float32)
