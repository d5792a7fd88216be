"""Cosmic-ray spikes: found by what no other spectrum shares, and replaced."""

from __future__ import annotations

import numpy as np
from sklearn.base import OneToOneFeatureMixin

from atomlens._types import ArrayLike, ndarray
from atomlens.spectra._step import SpectralStep

__all__ = ["Despike"]

_LEARNING_SPECTRA = 4000  # spectra from which the limits are learned: 40 of them make the last per cent
_CACHED_VALUES = 50_000


def _median_of_five(X):
    """Running median over five channels; the first and last two take the median of the edge window."""
    a, b, c, d, e = (X[:, i : X.shape[1] - 4 + i] for i in range(5))
    # A selection network: minima and maxima are vectorised, a sort along the axis is not.
    f, g = np.maximum(np.minimum(a, b), np.minimum(c, d)), np.minimum(np.maximum(a, b), np.maximum(c, d))
    middle = np.maximum(np.minimum(f, g), np.minimum(np.maximum(f, g), e))
    return np.pad(middle, ((0, 0), (2, 2)), mode="edge")


class Despike(OneToOneFeatureMixin, SpectralStep):
    """Replace cosmic-ray spikes by the median of their neighbours.

    A channel is a spike when it leaves the running median of five channels by more than `threshold`
    times the noise, *and* by far more than other spectra do in that channel. The second condition is
    what keeps white lines: a sharp peak that one spectrum in a hundred shares is not a cosmic ray.

    Parameters
    ----------
    threshold : float
        In standard deviations of the noise.
    noise : {"poisson", "gaussian"}
        Poisson: the deviation is at least the square root of the median (data in counts).
        Gaussian: it is estimated a channel at a time from the data.

    Attributes
    ----------
    limit_ : ndarray of shape (L,)
        Largest deviation that is accepted in each channel, learned from all spectra.

    Raises
    ------
    ValueError
        If the threshold is not positive or the noise model is unknown.

    Examples
    --------
    >>> spectra = np.random.default_rng(0).poisson(100, (200, 50)).astype(float)
    >>> spectra[3, 20] = 5000
    >>> bool(Despike().fit_transform(spectra)[3, 20] < 200)
    True
    """

    def __init__(self, *, threshold: float = 6.0, noise: str = "poisson") -> None:
        self.threshold = threshold
        self.noise = noise

    def _fit(self, X):
        if not self.threshold > 0:
            raise ValueError(f"threshold must be positive, got {self.threshold}")
        if self.noise not in ("poisson", "gaussian"):
            raise ValueError(f'noise must be "poisson" or "gaussian", got {self.noise!r}')
        if X.shape[1] < 5:
            self.limit_ = np.full(X.shape[1], np.inf)
            return
        some = X[:: -(-len(X) // _LEARNING_SPECTRA)]
        deviation = np.abs(some - _median_of_five(some))
        # The 99th percentile of a Gaussian's modulus lies at 2.58 sigma. "lower" leaves out the largest
        # value even of a handful of spectra, so that a lone spike does not raise its own limit.
        tail = np.quantile(deviation, 0.99, axis=0, method="lower") / 2.58
        self.limit_ = self.threshold * np.maximum(tail, np.finfo(X.dtype).tiny)
        if self.noise == "gaussian":
            self.limit_ = np.maximum(self.limit_, self.threshold * np.median(deviation) / 0.6745)

    def transform(self, X: ArrayLike) -> ndarray:
        """Replace the spikes.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
        cleaned = self._validate(X).copy()
        if cleaned.shape[1] < 5:
            return cleaned
        # Block by block: what fits the cache is done three times as fast.
        rows = max(_CACHED_VALUES // cleaned.shape[1], 1)
        for start in range(0, len(cleaned), rows):
            block = cleaned[start : start + rows]
            median = _median_of_five(block)
            deviation = np.abs(block - median)
            spikes = deviation > self.limit_
            if self.noise == "poisson":
                spikes &= deviation > self.threshold * np.sqrt(np.maximum(median, 1))
            block[spikes] = median[spikes]
        return cleaned
