"""Exercises to lesson 05: images, expected answers, and tests of what students hand in."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.spatial.distance import pdist

from atomlens import simulate
from atomlens._types import Any
from atomlens.course import check
from atomlens.course.answers import numbers, whole, why_not_place
from atomlens.course.diagnose import kind, why_not_close
from atomlens.course.lesson import Lesson
from atomlens.course.texts.patterson_ocsvm import HINTS, QUESTIONS
from atomlens.defects import detect
from atomlens.patterson import translation_spread

__all__ = ["Exercise"]

_CELLS = np.array([(1, 1), (1, 2), (2, 1), (2, 2), (1, 3)])  # of a window that fits, down and across
_DRAWS = 20  # the chance that so many are all unlucky is nil
_KINDS = ("perfect", "vacancies", "dopants")
_PIXEL = 0.02  # nm
_ELECTRONS = 250
_TOLERANCE = 0.03  # of the share of a twin


class Exercise(Lesson):
    """One student's samples, and the checks of their answers.

    Parameters
    ----------
    student : str
        A name; it seeds the samples, on every computer alike.

    Attributes
    ----------
    crystal : ndarray of shape (H, W)
        A perfect crystal with a rectangular cell, free of noise.
    sizes : list of (int, int)
        (height, width) of windows, in pixels, one of which holds whole cells.
    features : ndarray of shape (40, 6)
        Rows of numbers that describe 40 windows.
    film : DataArray
        Strontium titanate with some columns missing.
    suspects : list of DataArray
        Three images of a crystal, of which one has no defect.
    twin : DataArray
        Zirconia with a twin boundary.

    Examples
    --------
    >>> exercise = Exercise("Ada Lovelace")
    >>> result = exercise.check_count(len(detect(exercise.film).defects))
    ✓ number of vacancies: correct
    """

    name, hints, questions = "05_patterson_ocsvm", HINTS, QUESTIONS

    def __init__(self, student: str) -> None:
        super().__init__(student)
        rngs = np.random.default_rng(self.seed).spawn(5)
        self.crystal, self.sizes, self._fits = _crystal(rngs[0])
        self.features = rngs[1].normal(size=(40, 6)).round(2)
        self._rngs = rngs[2:]  # each sample has its own: it is made when it is asked for, in any order

    @cached_property
    def _counted(self):
        return _film(self._rngs[0])

    @cached_property
    def _lineup(self):
        return _suspects(self._rngs[1])

    @cached_property
    def _twinned(self):
        return _twin(self._rngs[2])

    @property
    def film(self) -> Any:
        """Strontium titanate with some columns missing."""
        return self._counted[0]

    @property
    def suspects(self) -> Any:
        """Three images of a crystal, of which one has no defect."""
        return self._lineup[0]

    @property
    def twin(self) -> Any:
        """Zirconia with a twin boundary."""
        return self._twinned[0]

    def check_size(self, answer: Any) -> check.Result:
        """Judge (height, width) of the window that needs no taper."""
        return check.judge(answer, lambda: self._why_not_size(answer), "window that fits", of=self)

    def _why_not_size(self, answer):
        size = whole(answer)
        if size is None or size.shape != (2,):
            return f"expected (height, width), two whole numbers of pixels, got {kind(answer)}"
        if tuple(size) == self.sizes[self._fits]:
            return None
        if tuple(size[::-1]) == self.sizes[self._fits]:
            return "height and width are exchanged"
        return "it is another one" if tuple(size) in self.sizes else "it is none of `exercise.sizes`"

    def check_gamma(self, answer: Any) -> check.Result:
        """Judge the width of the kernel for the closest and the farthest two rows of `features`."""
        near, far = np.sort(pdist(self.features))[[0, -1]]
        expected = 2 * np.log(far / near) / (far**2 - near**2)
        slips = {
            "this is for a kernel of the distance: here it is squared": np.log(far / near) / (far - near),
            "a factor of 2 is missing: the logarithm is one of a ratio of squared distances": expected / 2,
            "this is twice too much: the logarithm of the ratio of squares is twice that of the ratio": 2
            * expected,
            "the squares are not those of the distances: they were squared twice": 4
            * np.log(far / near)
            / (far**4 - near**4),
            "this has the wrong sign: which distance is the larger one?": -expected,
        }
        return check.close(answer, expected, rtol=0.01, unit="number", slips=slips, name="gamma", of=self)

    def check_count(self, answer: Any) -> check.Result:
        """Judge the number of missing columns in `film`."""
        return check.equal(answer, self._counted[1], unit="count", name="number of vacancies", of=self)

    def check_perfect(self, answer: Any) -> check.Result:
        """Judge which of the suspects has no defect: 0, 1 or 2."""
        count = len(self.suspects)
        return check.judge(
            answer, lambda: why_not_place(answer, self._lineup[1], count), "perfect crystal", of=self
        )

    def check_share(self, answer: Any) -> check.Result:
        """Judge the fraction of `twin` that the smaller domain covers, between 0 and 0.5."""
        return check.judge(answer, lambda: self._why_not_share(answer), "smaller twin", of=self)

    def _why_not_share(self, answer):
        share, smaller = numbers(answer, ()), self._twinned[1]
        larger = 1 - smaller
        if share is not None and abs(share - larger) < _TOLERANCE < abs(larger - smaller):
            return "this is the larger twin"
        return why_not_close(answer, smaller, 0, _TOLERANCE, unit="fraction")


def _crystal(rng):
    """Noise-free crystal with two unequal columns in a rectangular cell; windows; which of them fits."""
    cell = np.array([rng.integers(13, 19), rng.integers(20, 29)])  # pixels, down and across
    y, x = np.mgrid[:200, :200].astype(float)
    picture = np.zeros_like(x)
    for (v, u), height in (((0.2, 0.3), 1.0), ((0.55 + rng.uniform(0, 0.2), 0.7), 0.6)):
        away = [
            (a - o * n + n / 2) % n - n / 2 for a, o, n in ((y, v, cell[0]), (x, u, cell[1]))
        ]  # to the nearest of these columns
        picture += height * np.exp(-(away[0] ** 2 + away[1] ** 2) / (2 * 2.2**2))
    fits = cell * _CELLS[rng.integers(len(_CELLS))]
    others = [fits + np.array(d) * rng.integers(4, 7) for d in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    at = int(rng.integers(5))
    sizes = [tuple(int(n) for n in size) for size in (*others[:at], fits, *others[at:])]
    best = int(np.argmin([translation_spread(picture, size, n_offsets=40) for size in sizes]))
    return picture, sizes, best


def _film(rng):
    """Image with missing columns, and how many: as many as can be seen."""
    for _ in range(_DRAWS):
        count = int(rng.integers(3, 8))
        sheet = simulate.structures.perovskite((6, 6), rotation=rng.uniform(0, 45))
        sheet = simulate.defects.vacancies(
            sheet, kind="column", sublattice="Ti", n=count, min_separation=1, border=0.5, random_state=rng
        )
        image = simulate.image(sheet, electrons=_ELECTRONS, pixel_size=_PIXEL, random_state=rng).data
        if len(detect(image).defects) == count:
            return image, count
    raise RuntimeError(f"no sample of {_DRAWS} was fit for the exercise: use another name")


def _suspects(rng):
    """Three images, and which of them has no defect."""
    order = [_KINDS[n] for n in rng.permutation(3)]
    return [_suspect(rng, kind) for kind in order], order.index("perfect")


def _suspect(rng, kind):
    for _ in range(_DRAWS):
        turn = rng.uniform(0, 60)
        sheet = simulate.structures.transition_metal_dichalcogenide("MoS2", (5, 5), rotation=turn)
        where = {"sublattice": "S2", "n": 2, "min_separation": 1.5, "border": 0.8, "random_state": rng}
        if kind == "vacancies":
            sheet = simulate.defects.vacancies(sheet, kind="column", **where)
        elif kind == "dopants":
            sheet = simulate.defects.substitutions(sheet, species="Se", atoms="column", **where)
        image = simulate.image(sheet, electrons=_ELECTRONS, pixel_size=_PIXEL, random_state=rng).data
        if len(detect(image).defects) == (0 if kind == "perfect" else 2):
            return image
    raise RuntimeError(f"no sample of {_DRAWS} was fit for the exercise: use another name")


def _twin(rng):
    """Image cut out of a twinned crystal, and the share of the smaller twin."""
    twinned = simulate.image(
        simulate.structures.zirconia((7, 14), twin=True), electrons=100, pixel_size=_PIXEL, random_state=rng
    ).data
    rows = twinned.sizes["x"]
    share = float(rng.uniform(0.3, 0.45))
    above = round(share * rows)
    middle = twinned.sizes["y"] // 2
    return twinned[middle - above : middle - above + rows].copy(), above / rows
