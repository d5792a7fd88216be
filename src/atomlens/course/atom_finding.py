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
from atomlens.course.lesson import Lesson
from atomlens.course.texts.atom_finding import HINTS, QUESTIONS

__all__ = ["Exercise"]

_SIZE = (5, 5)  # nm
_TABLE = "hand in the table that `columns.find` or `columns.refine` returns: it has columns x and y"


class Exercise(Lesson):
    """One student's images, and the checks of their answers.

    Parameters
    ----------
    student : str
        A name; it seeds the samples, on every computer alike.

    Attributes
    ----------
    structure : Structure
        What is imaged.
    sample : Sample
        Its image at low dose, with its truth.
    bright : Sample
        Its image with plenty of electrons.
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

    name, hints, questions = "03_atom_finding", HINTS, QUESTIONS

    def __init__(self, student: str) -> None:
        super().__init__(student)
        builders = (
            lambda **o: simulate.structures.transition_metal_dichalcogenide("WS2", **o),
            lambda **o: simulate.structures.perovskite(formula="PbTiO3", **o),
            lambda **o: simulate.structures.dumbbells("CdTe", **o),
        )
        self.structure = builders[self.seed % 3](size=_SIZE, rotation=float(self.seed % 90))
        self.sample = simulate.image(self.structure, electrons=120, random_state=self.seed)
        self.bright = simulate.image(self.structure, electrons=5000, random_state=self.seed + 1)
        other = builders[(self.seed + 1) % 3](size=_SIZE, rotation=float(self.seed % 77))
        self._hidden = simulate.image(other, electrons=150, random_state=self.seed + 2)
        self.secret = self._hidden.data
        self.noise = np.random.default_rng(self.seed).poisson(6.0, (200, 200))

    def check_number(self, answer: Any) -> check.Result:
        """Judge the number of scored columns in the truth."""
        scored = self.sample.truth.scored
        slips = {
            "these are all rows: some columns are not asked for": len(scored),
            "these are the columns that are not asked for": int((~scored).sum()),
        }
        return check.equal(
            answer, int(scored.sum()), unit="count", slips=slips, name="number of columns", of=self
        )

    def check_contrast(self, answer: Any) -> check.Result:
        """Judge the ratio of the strongest to the weakest scored column."""
        truth = self.sample.truth
        electrons, every = truth.loc[truth.scored, "electrons"], truth.electrons
        slips = {
            "this is over all rows: only scored columns count": every.max() / every.min(),
            "this is a difference: how many times more?": electrons.max() - electrons.min(),
            "this compares with the mean: the weakest is asked for": electrons.max() / electrons.mean(),
            "this is the strongest alone: divide it by the weakest": electrons.max(),
        }
        expected = electrons.max() / electrons.min()
        return check.close(answer, expected, rtol=1e-3, unit="ratio", slips=slips, name="contrast", of=self)

    def check_found(self, answer: Any) -> check.Result:
        """Judge a table of columns found in the secret image."""
        return self._judge_table(answer, self._hidden, self._f1, 0.95, 1.0, "F1 on the secret image")

    def check_f1(self, answer: Any) -> check.Result:
        """Judge F1 computed by hand from 90 right out of 120 reported, where 100 were planted."""
        precision, recall = 90 / 120, 90 / 100
        slips = {
            "this is precision: what about the columns that are missing?": precision,
            "this is recall: what about the reports that are wrong?": recall,
            "this is the arithmetic mean of precision and recall": (precision + recall) / 2,
            "this is their geometric mean: the harmonic one is asked for": np.sqrt(precision * recall),
            "this is their product": precision * recall,
            "this is the share of all that were reported or planted: 90 counts twice in F1": 90
            / (120 + 100 - 90),
        }
        expected = 2 * 90 / (120 + 100)
        return check.close(
            answer, expected, rtol=2e-3, unit="fraction", slips=slips, name="F1 by hand", of=self
        )

    def check_bound(self, answer: Any) -> check.Result:
        """Judge the Cramér-Rao bound of an isolated column with 400 electrons, 2 px wide."""
        slips = {
            "this falls as the number of electrons: errors of a mean fall more slowly": 2 / 400,
            "this is the variance: the standard deviation is asked for": 4 / 400,
            "the width of the column is missing": 1 / np.sqrt(400),
            "this is the number of electrons to the root: what is it to be compared with?": np.sqrt(400),
        }
        return check.close(
            answer, 2 / np.sqrt(400), rtol=1e-3, unit="px", slips=slips, name="Cramér-Rao bound", of=self
        )

    def check_refined(self, answer: Any) -> check.Result:
        """Judge refined positions in the bright image: their error must come down to the bound."""
        return self._judge_table(answer, self.bright, self._error, 0.5, 1.3, "error over the bound")

    def check_noise(self, answer: Any) -> check.Result:
        """Judge the number of columns found in pure noise."""
        return check.equal(answer, 0, unit="count", name="columns in noise", of=self)

    def _judge_table(self, answer, sample, measure, low, high, name):
        def why_not():
            if not isinstance(answer, pd.DataFrame) or not {"x", "y"} <= set(answer):
                return f"expected a table of columns, got {kind(answer)}: {_TABLE}"
            if numbers(answer[["x", "y"]]) is None:
                return "x and y of the table should be numbers, in pixels"
            value = measure(answer, sample)
            if low <= value <= high:
                return None
            if not len(answer):
                return "the table is empty"
            pixel = float(sample.data.x[1] - sample.data.x[0])
            for slip, columns in {
                "x and y are exchanged": answer.rename(columns={"x": "y", "y": "x"}),
                "x and y are in nm, and pixels are asked for": answer[["x", "y"]] / pixel,
                "all is moved by half a pixel: (0, 0) is the centre of the first pixel": answer[["x", "y"]]
                - 0.5,
                "counting starts at 0: all is moved by a pixel": answer[["x", "y"]] - 1,
            }.items():
                if low <= measure(columns, sample) <= high:
                    return slip
            return why_not_between(value, low, high)

        return check.judge(answer, why_not, name, of=self)

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
