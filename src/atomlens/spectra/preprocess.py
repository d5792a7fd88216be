"""Steps before clustering, each a scikit-learn transformer of spectra (N, L).

They take matrices, so that they chain in a `Pipeline`; where a step needs the energy axis it is a
parameter (`axis`, one value a channel), and without it channel numbers are used.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import OneToOneFeatureMixin

from atomlens._types import ArrayLike, ndarray
from atomlens.spectra._step import SpectralStep

__all__ = ["Crop", "Normalise", "PoissonWeight"]


class Crop(SpectralStep):
    """Keep the channels between two values of the axis.

    Parameters
    ----------
    low, high : float, optional
        In units of `axis`; both ends are kept.
    axis : array_like of shape (L,), optional
        One value a channel; channel numbers without it.

    Raises
    ------
    ValueError
        If no channel lies inside, or the axis does not fit the spectra.

    Examples
    --------
    >>> Crop(low=2, high=3, axis=[1, 2, 3, 4]).fit_transform([[5.0, 6.0, 7.0, 8.0]])
    array([[6., 7.]], dtype=float32)
    """

    def __init__(
        self, *, low: float | None = None, high: float | None = None, axis: ArrayLike | None = None
    ) -> None:
        self.low = low
        self.high = high
        self.axis = axis

    def _fit(self, X):
        self.support_ = self._inside(self.low, self.high, "the crop from")

    def transform(self, X: ArrayLike) -> ndarray:
        """Select the channels.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, M)
        """
        return self._validate(X)[:, self.support_]


class Normalise(OneToOneFeatureMixin, SpectralStep):
    """Divide out the strength of every spectrum. The choice changes the answer.

    Parameters
    ----------
    method : {"area", "max", "l2", "snv", "none"}
        Sum, largest value, Euclidean length, or standard normal variate (mean 0, deviation 1).

    Raises
    ------
    ValueError
        If the method is unknown, or a spectrum has no strength to divide by (all zeros; constant for
        ``"snv"``).

    References
    ----------
    Barnes, Dhanoa and Lister, Appl. Spectrosc. 43, 772 (1989), for the standard normal variate.

    Examples
    --------
    >>> Normalise(method="area").fit_transform([[1.0, 3.0]])
    array([[0.25, 0.75]], dtype=float32)
    """

    def __init__(self, *, method: str = "area") -> None:
        self.method = method

    def _fit(self, X):
        if self.method not in ("area", "max", "l2", "snv", "none"):
            raise ValueError(f'method must be "area", "max", "l2", "snv" or "none", got {self.method!r}')

    def transform(self, X: ArrayLike) -> ndarray:
        """Normalise the spectra.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
        X = self._validate(X)
        if self.method == "none":
            return X
        if self.method == "snv":
            X = X - X.mean(axis=1, keepdims=True)
            strength = X.std(axis=1, keepdims=True)
        else:
            # The modulus, so that curves through zero (current-voltage) have a strength too.
            size = np.abs(X)
            strength = {
                "area": lambda: (
                    np.abs(X.sum(axis=1, keepdims=True)) if X.min() >= 0 else size.sum(axis=1, keepdims=True)
                ),
                "max": lambda: size.max(axis=1, keepdims=True),
                "l2": lambda: np.linalg.norm(X, axis=1, keepdims=True),
            }[self.method]()
        empty = strength[:, 0] <= 0
        if empty.any():
            raise ValueError(
                f"{int(empty.sum())} of {len(X)} spectra cannot be normalised by {self.method!r}: they are "
                f"{'constant' if self.method == 'snv' else 'zero everywhere'} (the first is number "
                f"{int(empty.argmax())}). Leave them out, as with mask=si.sum('energy') > 0, or use "
                "method='none'"
            )
        return X / strength


class PoissonWeight(OneToOneFeatureMixin, SpectralStep):
    """Weight channels so that counting noise is the same in all of them.

    Divides every channel by the square root of its mean. Put it after `Normalise`, which takes care
    of the differences between spectra: the two together are the published optimal scaling.

    Attributes
    ----------
    weight_ : ndarray of shape (L,)

    Raises
    ------
    ValueError
        If the mean of a channel is negative: such data are not counts.

    References
    ----------
    Keenan and Kotula, Surf. Interface Anal. 36, 203 (2004), eq. 7.

    Examples
    --------
    >>> PoissonWeight().fit_transform([[4.0, 9.0]])
    array([[2., 3.]], dtype=float32)
    """

    def _fit(self, X):
        mean = X.mean(axis=0, dtype=np.float64)
        # Channels empty but for read-out noise may dip below zero by chance; a real negative signal may not.
        if np.any(mean < -0.05 * max(mean.max(), 0)):
            raise ValueError(
                "the mean of a channel is negative, so the data are not counts: use noise='gaussian' (as for "
                "current-voltage curves), or weight before the background is removed"
            )
        floor = max(mean.max(), np.finfo(float).tiny) * 1e-3
        self.weight_ = (1 / np.sqrt(np.maximum(mean, floor))).astype(X.dtype)

    def transform(self, X: ArrayLike) -> ndarray:
        """Weight the channels.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
        return self._validate(X) * self.weight_
