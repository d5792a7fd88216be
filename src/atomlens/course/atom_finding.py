"""Exercises to lesson 03: samples, expected answers, and tests of what students hand in."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd

from atomlens import metrics, simulate
from atomlens._types import Any
from atomlens.columns import precision_limit
from atomlens.course import check
from atomlens.course.answers import numbers
from atomlens.course.diagnose import kind, why_not_between

__all__ = ["Exercise"]

_SIZE = (5, 5)  # nm
_TABLE = "hand in the table that `columns.find` or `columns.refine` returns: it has columns x and y"


class Exercise:
    """One student's images, and the checks of their answers.

    Parameters
    ----------
    student : str
        A name; it seeds the samples, on every computer alike.

    Attributes
    ----------
    sample : Sample
        An image at low dose, with its truth.
    bright : Sample
        The same structure with plenty of electrons.
    secret : DataArray
        An image whose truth is not shown.
    noise : ndarray
        Nothing but noise.

    Examples
    --------
    >>> exercise = Exercise("Ada Lovelace")
    >>> result = exercise.check_number(int(exercise.sample.truth.scored.sum()))
    ✓ number of columns: correct
    """

    def __init__(self, student: str) -> None:
        self.seed = check.seed(student)
        builders = (
            lambda **o: simulate.structures.transition_metal_dichalcogenide("WS2", **o),
            lambda **o: simulate.structures.perovskite(formula="PbTiO3", **o),
            lambda **o: simulate.structures.dumbbells("CdTe", **o),
        )
        structure = builders[self.seed % 3](size=_SIZE, rotation=float(self.seed % 90))
        self.sample = simulate.image(structure, electrons=120, random_state=self.seed)
        self.bright = simulate.image(structure, electrons=5000, random_state=self.seed + 1)
        other = builders[(self.seed + 1) % 3](size=_SIZE, rotation=float(self.seed % 77))
        self._hidden = simulate.image(other, electrons=150, random_state=self.seed + 2)
        self.secret = self._hidden.data
        self.noise = np.random.default_rng(self.seed).poisson(6.0, (200, 200))

    def check_number(self, answer: Any) -> check.Result:
        """Judge the number of scored columns in the truth."""
        hint = "the truth is a table; its column `scored` is True for columns that are asked for"
        return check.equal(answer, int(self.sample.truth.scored.sum()), name="number of columns", hint=hint)

    def check_contrast(self, answer: Any) -> check.Result:
        """Judge the ratio of the strongest to the weakest scored column."""
        electrons = self.sample.truth.loc[self.sample.truth.scored, "electrons"]
        hint = "divide the largest by the smallest of the column `electrons`, over the scored rows"
        return check.close(answer, electrons.max() / electrons.min(), rtol=1e-3, name="contrast", hint=hint)

    def check_found(self, answer: Any) -> check.Result:
        """Judge a table of columns found in the secret image."""
        return self._judge_table(answer, self._hidden, self._f1, 0.95, 1.0, "F1 on the secret image")

    def check_f1(self, answer: Any) -> check.Result:
        """Judge F1 computed by hand from 90 right out of 96 reported, where 100 were planted."""
        hint = "precision is 90/96, recall 90/100; F1 is their harmonic mean"
        return check.close(answer, 2 * 90 / (96 + 100), rtol=2e-3, name="F1 by hand", hint=hint)

    def check_bound(self, answer: Any) -> check.Result:
        """Judge the Cramér-Rao bound of an isolated column with 400 electrons, 2 px wide."""
        return check.close(
            answer, 2 / np.sqrt(400), rtol=1e-3, name="Cramér-Rao bound", hint="equation (3.3), in pixels"
        )

    def check_refined(self, answer: Any) -> check.Result:
        """Judge refined positions in the bright image: their error must come down to the bound."""
        return self._judge_table(answer, self.bright, self._error, 0.5, 1.3, "error over the bound")

    def check_noise(self, answer: Any) -> check.Result:
        """Judge the number of columns found in pure noise."""
        return check.equal(answer, 0, name="columns in noise", hint="`columns.find` on `exercise.noise`")

    def _judge_table(self, answer, sample, measure, low, high, name):
        def why_not():
            if not isinstance(answer, pd.DataFrame) or not {"x", "y"} <= set(answer):
                return f"expected a table of columns, got {kind(answer)}. Hint: {_TABLE}"
            if numbers(answer[["x", "y"]]) is None:
                return "x and y of the table should be numbers, in pixels"
            return why_not_between(measure(answer, sample), low, high)

        return check.judge(answer, why_not, name, None)

    def _match(self, table, sample):
        table = table[np.isfinite(table[["x", "y"]]).all(axis=1)]
        return metrics.match(table, sample.truth, tolerance=3, border=8, shape=sample.data.shape)

    def _f1(self, table, sample):
        return self._match(table, sample).f1

    def _error(self, table, sample):
        """Root mean square of the errors, each divided by its own bound; infinite if nothing was found."""
        i, j = self._match(table, sample).pairs
        positions = table[np.isfinite(table[["x", "y"]]).all(axis=1)][["x", "y"]].to_numpy()[i]
        deviation = positions - sample.truth[["x", "y"]].to_numpy()[j]
        scaled = deviation / self._bound[["x_err", "y_err"]].to_numpy()[j]
        return float(np.sqrt((scaled**2).mean())) if i.size else np.inf

    @cached_property
    def _bound(self):
        return precision_limit(self.bright.truth.rename(columns={"electrons": "intensity"}))
