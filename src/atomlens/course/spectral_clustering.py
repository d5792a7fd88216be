"""Exercises to lesson 01: samples, expected answers, and tests of what students hand in."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd

from atomlens import simulate, spectra
from atomlens._types import Any, Sample
from atomlens.course import check
from atomlens.course.diagnose import kind, why_not_close
from atomlens.course.lesson import Lesson
from atomlens.course.texts.spectral_clustering import HINTS, QUESTIONS
from atomlens.metrics import adjusted_rand_index

__all__ = ["Exercise"]

_SHAPE = (48, 48)
_RANGE = range(1, 9)
_DOSES = (200, 500, 1000, 2000, 5000)


class Exercise(Lesson):
    """One student's samples, and the checks of their answers.

    Parameters
    ----------
    student : str
        A name; it seeds the samples, on every computer alike.

    Attributes
    ----------
    sample, wedge, single : Sample
        Several phases; two phases under a steep thickness gradient; one phase.

    Examples
    --------
    >>> exercise = Exercise("Ada Lovelace")
    >>> result = exercise.check_mean_counts(float(exercise.sample.data.sum("energy").mean()))
    ✓ mean counts: correct
    """

    name, hints, questions = "01_spectral_clustering", HINTS, QUESTIONS

    def __init__(self, student: str) -> None:
        super().__init__(student)
        self.n_planted = 3 + self.seed % 3
        self.sample = self.at_dose(5000.0)
        self.wedge = simulate.spectra.eels(
            2, smallest=0.4, thickness_ratio=6.0, counts=2e4, random_state=self.seed
        )
        self.single = simulate.spectra.eels(1, shape=_SHAPE, counts=5e4, random_state=self.seed)

    def at_dose(self, counts: float) -> Sample:
        """The student's sample, measured with another dose.

        Parameters
        ----------
        counts : float
            Mean counts a spectrum.

        Returns
        -------
        Sample
        """
        return simulate.spectra.eels(self.n_planted, shape=_SHAPE, counts=counts, random_state=self.seed)

    @cached_property
    def _choice(self):
        return spectra.choose_k(self.sample.data, _RANGE)

    @cached_property
    def _result(self):
        return spectra.cluster(self.sample.data, self.n_planted)

    def check_mean_counts(self, answer: Any) -> check.Result:
        """Judge the mean number of counts in a spectrum."""
        data = self.sample.data
        slips = {
            "this is the sum over all spectra: the mean of one is asked for": float(data.sum()),
            "this is the mean of a channel: the counts of a spectrum are a sum over channels": float(
                data.mean()
            ),
            "this is the strongest spectrum: a mean is asked for": float(data.sum("energy").max()),
            "this is the number of channels: add up what is in them": data.sizes["energy"],
        }
        expected = float(data.sum("energy").mean())
        return check.close(
            answer, expected, rtol=1e-3, unit="counts", slips=slips, name="mean counts", of=self
        )

    def check_number(self, answer: Any) -> check.Result:
        """Judge the number of phases."""
        return check.equal(answer, self.n_planted, name="number of phases", of=self)

    def check_bic(self, answer: Any) -> check.Result:
        """Judge the k that BIC prefers."""
        expected, advice = int(self._choice.reasons.k["bic"]), self._choice.recommended
        slips = {"this is the advice of all criteria together: what does BIC say alone?": advice}
        return check.equal(answer, expected, slips=slips, name="BIC's k", of=self)

    def check_labels(self, answer: Any) -> check.Result:
        """Judge the label map of the sample."""
        return check.labels(answer, self.sample.truth.labels, min_ari=0.95, name="label map", of=self)

    def check_strongest(self, answer: Any) -> check.Result:
        """Judge the energy at which the smallest cluster exceeds the mean of all most, in eV."""
        found = self._result.spectra
        excess = found - found.mean("cluster")
        strongest = excess.idxmax("energy").values
        slips = {
            "this is the number of the channel: which energy does it have?": int(excess[-1].argmax("energy")),
            "this is where its spectrum itself is strongest: what do all of them have there?": float(
                found[-1].idxmax("energy")
            ),
            "this is where it falls short of the mean most: exceeds is asked for": float(
                excess[-1].idxmin("energy")
            ),
            "this is the largest cluster: clusters are numbered by size, the largest first": strongest[0],
        }
        return check.close(
            answer,
            strongest[-1],
            rtol=0,
            atol=4.0,
            unit="eV",
            slips=slips,
            name="strongest energy (eV)",
            of=self,
        )

    def check_repaired(self, answer: Any) -> check.Result:
        """Judge the label map of the wedge."""
        return check.labels(answer, self.wedge.truth.labels, min_ari=0.95, name="repaired map", of=self)

    def check_silhouette(self, answer: Any) -> check.Result:
        """Judge the k that the silhouette prefers for a single phase."""
        slips = {"the silhouette cannot say 1: it compares with the next cluster": 1}
        return check.equal(answer, self._silhouette, slips=slips, name="silhouette's k", of=self)

    @cached_property
    def _silhouette(self):
        return int(spectra.choose_k(self.single.data, range(1, 7)).reasons.k["silhouette"])

    def check_single(self, answer: Any) -> check.Result:
        """Judge the recommended number of clusters for a single phase."""
        slips = {"this is what the silhouette prefers: what is the advice of all together?": self._silhouette}
        return check.equal(answer, 1, slips=slips, name="recommended k", of=self)

    @cached_property
    def _scores(self):
        found = (spectra.cluster(self.at_dose(dose).data, self.n_planted).labels for dose in _DOSES)
        return [adjusted_rand_index(labels, self.sample.truth.labels) for labels in found]

    def check_doses(self, answer: Any) -> check.Result:
        """Judge scores against dose: a dictionary of counts to adjusted Rand index."""
        return check.judge(answer, lambda: self._why_not_doses(answer), "score against dose", of=self)

    def _why_not_doses(self, answer):
        if isinstance(answer, pd.Series):
            answer = answer.to_dict()
        if not isinstance(answer, dict):
            return f"expected a dictionary of dose to score, got {kind(answer)}"
        if set(answer) != set(_DOSES):
            missing = [dose for dose in _DOSES if dose not in answer]
            return (
                f"there is no score for {', '.join(map(str, missing))}"
                if missing
                else "there are more keys than doses"
            )
        given = [answer[dose] for dose in _DOSES]
        if any(np.ndim(score) for score in given):
            return "each value should be one number, the score, and not a map"
        return why_not_close(given, self._scores, 0, 0.02, unit="ratio")
