"""Exercises to lesson 01: samples, expected answers, and tests of what students hand in."""

from __future__ import annotations

from functools import cached_property

import pandas as pd

from atomlens import simulate, spectra
from atomlens._types import Any, Sample
from atomlens.course import check
from atomlens.metrics import adjusted_rand_index

__all__ = ["Exercise"]

_SHAPE = (48, 48)
_RANGE = range(1, 9)
_DOSES = (200, 500, 1000, 2000, 5000)
_LABELS = "`spectra.cluster` returns an object; its attribute `labels` is the map"


class Exercise:
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

    def __init__(self, student: str) -> None:
        self.seed = check.seed(student)
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
        expected = float(self.sample.data.sum("energy").mean())
        hint = "`.sum('energy')` gives a map of counts; take the mean of that"
        return check.close(answer, expected, rtol=1e-3, name="mean counts", hint=hint)

    def check_number(self, answer: Any) -> check.Result:
        """Judge the number of phases."""
        hint = "`choose_k` returns an object with an attribute `recommended`"
        return check.equal(answer, self.n_planted, name="number of phases", hint=hint)

    def check_bic(self, answer: Any) -> check.Result:
        """Judge the k that BIC prefers."""
        hint = "`choice.reasons.k['bic']`"
        return check.equal(answer, int(self._choice.reasons.k["bic"]), name="BIC's k", hint=hint)

    def check_labels(self, answer: Any) -> check.Result:
        """Judge the label map of the sample."""
        return check.labels(answer, self.sample.truth.labels, min_ari=0.95, name="label map", hint=_LABELS)

    def check_strongest(self, answer: Any) -> check.Result:
        """Judge the energy at which the smallest cluster exceeds the mean of all most, in eV."""
        found = self._result.spectra
        expected = float((found[-1] - found.mean("cluster")).idxmax("energy"))
        hint = (
            "subtract the mean over all clusters first; `.idxmax('energy')` gives the energy of the maximum"
        )
        return check.close(answer, expected, rtol=0, atol=4.0, name="strongest energy (eV)", hint=hint)

    def check_repaired(self, answer: Any) -> check.Result:
        """Judge the label map of the wedge."""
        hint = f"which step of the pipeline divides out the thickness? {_LABELS}"
        return check.labels(answer, self.wedge.truth.labels, min_ari=0.95, name="repaired map", hint=hint)

    def check_silhouette(self, answer: Any) -> check.Result:
        """Judge the k that the silhouette prefers for a single phase."""
        expected = int(spectra.choose_k(self.single.data, range(1, 7)).reasons.k["silhouette"])
        hint = "`.reasons.k['silhouette']` of `choose_k(..., range(1, 7))`"
        return check.equal(answer, expected, name="silhouette's k", hint=hint)

    def check_single(self, answer: Any) -> check.Result:
        """Judge the recommended number of clusters for a single phase."""
        return check.equal(answer, 1, name="recommended k", hint="the attribute `recommended`")

    @cached_property
    def _scores(self):
        found = (spectra.cluster(self.at_dose(dose).data, self.n_planted).labels for dose in _DOSES)
        return [adjusted_rand_index(labels, self.sample.truth.labels) for labels in found]

    def check_doses(self, answer: Any) -> check.Result:
        """Judge scores against dose: a dictionary of counts to adjusted Rand index."""
        name, hint = (
            "score against dose",
            f"a dictionary with the doses {', '.join(map(str, _DOSES))} as keys",
        )
        if isinstance(answer, pd.Series):
            answer = answer.to_dict()
        if isinstance(answer, dict) and set(answer) == set(_DOSES):
            hint = "compare with the truth of the sample, with the planted number of clusters at every dose"
            return check.close(
                [answer[dose] for dose in _DOSES], self._scores, rtol=0, atol=0.02, name=name, hint=hint
            )
        wanted = answer if answer is None or answer is ... else "something else"
        return check.equal(wanted, "a dictionary of five scores", name=name, hint=hint)
