"""Exercises to lesson 07: images of defects, expected answers, and tests of what students hand in."""

from __future__ import annotations

import re
from functools import cached_property

import numpy as np
from scipy.spatial.distance import cdist

from atomlens import library, simulate
from atomlens._types import Any
from atomlens.course import check
from atomlens.course.answers import numbers, why_not_place
from atomlens.course.diagnose import kind, why_not_close, why_not_equal
from atomlens.course.lesson import Lesson
from atomlens.course.texts.defect_library import HINTS, QUESTIONS

__all__ = ["Exercise"]

_KINDS = ("Si1C3", "Si1C4", "Si2C6", "Si3C6")
_MEMBERS, _ELECTRONS = 9, 300
_PIXELS, _PIXEL = 144, 1.7 / 144


class Exercise(Lesson):
    """One student's samples, and the checks of their answers.

    Parameters
    ----------
    student : str
        A name; it seeds the samples, on every computer alike.

    Attributes
    ----------
    image : DataArray
        A cluster of silicon atoms in graphene.
    silicon : ndarray of shape (2,)
        Where a silicon atom lies, (x, y) in nm.
    carbon : ndarray of shape (40, 2)
        Where carbon atoms lie around it, in nm.
    lonely : ndarray of shape (60,)
        Distances from members of a library to the member that is nearest to each.
    newcomer : float
        The distance from a newcomer to the nearest member.
    candidates : list of DataArray
        Three more images: two show what `shelf` holds, one does not.

    Examples
    --------
    >>> exercise = Exercise("Ada Lovelace")
    >>> exercise.image.dims, exercise.carbon.shape
    (('y', 'x'), (40, 2))
    """

    name, hints, questions = "07_defect_library", HINTS, QUESTIONS

    def __init__(self, student: str) -> None:
        super().__init__(student)
        rngs = np.random.default_rng(self.seed).spawn(5)
        self._formula = str(rngs[0].choice(_KINDS))
        self.image = _image(self._formula, rngs[0])
        self.silicon, self.carbon, self._neighbours = _atoms(rngs[1])
        self.lonely = np.round(rngs[2].gamma(9.0, 0.1, 60), 3)
        self.newcomer = float(np.round(np.sort(self.lonely)[-int(rngs[2].integers(2, 9))] + 5e-4, 4))
        self._rngs = rngs[3:]
        self._new = int(rngs[4].integers(3))

    @cached_property
    def shelf(self) -> library.Library:
        """A library of 18 defects of two kinds; the first call makes it."""
        rng, found = self._rngs[0], []
        for formula in _KINDS[:2]:
            for n in range(_MEMBERS):
                found += library.extract(_image(formula, rng), name=f"{formula} {n}")[:1]
        return library.Library(found)

    @cached_property
    def candidates(self) -> list[Any]:
        """Three more images."""
        rng = self._rngs[1]
        kinds = ["Si3C6" if n == self._new else _KINDS[n % 2] for n in range(3)]
        return [_image(formula, rng) for formula in kinds]

    def check_formula(self, answer: Any) -> check.Result:
        """Judge the formula of the defect in `image`."""
        return check.judge(answer, lambda: self._why_not_formula(answer), "formula", of=self)

    def _why_not_formula(self, answer):
        if isinstance(answer, list | tuple) and len(answer) == 1:
            return "this is a list: take its first member"
        if not isinstance(answer, str):
            return f"expected a text such as 'Si1C3', got {kind(answer)}"
        if answer == self._formula:
            return None
        if answer.strip().casefold() == self._formula.casefold():
            return "the right formula, but capital letters or spaces differ"
        if sorted(re.findall(r"[A-Z][a-z]?\d*", answer)) == sorted(
            re.findall(r"[A-Z][a-z]?\d*", self._formula)
        ):
            return "the right atoms, but silicon goes first"
        guests = self._formula.partition("C")[0]
        return (
            "the silicon atoms are right, their neighbours are not"
            if answer.startswith(guests)
            else ("count the silicon atoms again: they are the bright ones")
        )

    def check_neighbours(self, answer: Any) -> check.Result:
        """Judge how many carbon atoms are bonded to the silicon atom."""
        return check.judge(answer, lambda: self._why_not_neighbours(answer), "neighbours", of=self)

    def _why_not_neighbours(self, answer):
        away = cdist([self.silicon], self.carbon)[0]
        slips = {
            "these are all atoms up to the second shell: look at a histogram of the distances": (
                away < 0.3
            ).sum(),
            "these are too few: bonds of carbon are 0.142 nm long, those of silicon are longer": (
                away < 0.15
            ).sum(),
        }
        got = numbers(answer, (), kinds="iu")
        for slip, number in slips.items():
            if got is not None and got == number != self._neighbours:
                return slip
        return why_not_equal(answer, self._neighbours, unit="count")

    def check_p_value(self, answer: Any) -> check.Result:
        """Judge the conformal p-value of the newcomer."""
        return check.judge(answer, lambda: self._why_not_p_value(answer), "p-value", of=self)

    def _why_not_p_value(self, answer):
        more, n = int((self.lonely >= self.newcomer).sum()), self.lonely.size
        slips = {
            "the newcomer is one of those compared: count it above and below the line": more / n,
            "count it below the line, too": (more + 1) / n,
            "count it above the line, too": more / (n + 1),
            "this is the share of members that are less lonely": (n - more) / n,
            "this is how many are less lonely: turn the comparison round": (n - more + 1) / (n + 1),
        }
        got = numbers(answer, (), kinds="f")
        for slip, value in slips.items():
            if got is not None and np.isclose(got, value, rtol=1e-6):
                return slip
        return why_not_close(answer, (more + 1) / (n + 1), 1e-6, 0, unit="fraction")

    def check_new(self, answer: Any) -> check.Result:
        """Judge which candidate is new, counted from 0."""
        return check.judge(answer, lambda: why_not_place(answer, self._new, 3), "new defect", of=self)


def _image(formula, rng):
    """A cluster that is turned at random."""
    sheet = simulate.structures.silicon_in_graphene(formula, (1.7, 1.7), rotation=rng.uniform(0, 360))
    microscope = simulate.Instrument(probe=rng.uniform(0.08, 0.09), source=0.05, background=2.0, tails=0.1)
    return simulate.image(
        sheet, pixel_size=_PIXEL, shape=(_PIXELS, _PIXELS), electrons=_ELECTRONS, instrument=microscope,
        random_state=rng,
    ).data  # fmt: skip


def _atoms(rng):
    """A silicon atom, the 40 nearest carbon atoms, and how many of these are bonded to it."""
    formula = str(rng.choice(["Si1C3", "Si1C4"]))
    sheet = simulate.structures.silicon_in_graphene(formula, (3.0, 3.0), rotation=rng.uniform(0, 360))
    table = sheet.columns
    silicon = table[table["species"] == "Si"][["x_nm", "y_nm"]].to_numpy()[0]
    carbon = table[table["species"] == "C"][["x_nm", "y_nm"]].to_numpy()
    nearest = carbon[np.argsort(cdist([silicon], carbon)[0])[:40]]
    nearest = nearest + rng.normal(0, 0.004, nearest.shape)
    return silicon, rng.permutation(nearest), int(formula[-1])
