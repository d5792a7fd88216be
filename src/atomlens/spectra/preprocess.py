"""Steps before clustering, each a scikit-learn transformer of spectra (N, L).

They take matrices, so that they chain in a `Pipeline`; where a step needs the energy axis it is a
parameter (`axis`, one value a channel), and without it channel numbers are used.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.decomposition import NMF
from sklearn.utils.validation import check_is_fitted

from atomlens.spectra._step import SpectralStep
from atomlens.spectra.components import NoiseRankPCA

__all__ = ["Crop", "Denoise", "Normalise", "PoissonWeight"]


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

    def __init__(self, *, low=None, high=None, axis=None):
        self.low = low
        self.high = high
        self.axis = axis

    def _fit(self, X):
        self.support_ = self._inside(self.low, self.high, "the crop from")

    def transform(self, X):
        """Select the channels.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, M)
        """
        check_is_fitted(self)
        return self._validate(X)[:, self.support_]

    def get_feature_names_out(self, input_features=None):
        """Names of the kept channels.

        Parameters
        ----------
        input_features : array_like of str, optional

        Returns
        -------
        ndarray of str
        """
        names = [f"x{i}" for i in range(self.n_features_in_)] if input_features is None else input_features
        return np.asarray(names, dtype=object)[self.support_]


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

    def __init__(self, *, method="area"):
        self.method = method

    def _fit(self, X):
        if self.method not in ("area", "max", "l2", "snv", "none"):
            raise ValueError(f'method must be "area", "max", "l2", "snv" or "none", got {self.method!r}')

    def transform(self, X):
        """Normalise the spectra.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
        check_is_fitted(self)
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

    def transform(self, X):
        """Weight the channels.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
        check_is_fitted(self)
        return self._validate(X) * self.weight_

    def inverse_transform(self, X):
        """Undo the weighting.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
        check_is_fitted(self)
        return np.asarray(X) / self.weight_


class Denoise(OneToOneFeatureMixin, SpectralStep):
    """Keep what a few components explain, in the units of the data.

    Parameters
    ----------
    n_components : int or "auto"
        ``"auto"`` counts the components above the noise (see `NoiseRankPCA`).
    method : {"pca", "nmf"}
        NMF keeps spectra positive; it needs input that is.
    random_state : int

    Raises
    ------
    ValueError
        If the method is unknown, or NMF meets negative values.

    Examples
    --------
    >>> noisy = np.outer(np.arange(1, 101), [1.0, 2.0, 3.0])
    >>> noisy += np.random.default_rng(0).normal(0, 0.1, (100, 3))
    >>> clean = Denoise(n_components=1).fit_transform(noisy)
    >>> bool(abs(clean[50, 2] / clean[50, 0] - 3) < 0.05)
    True
    """

    def __init__(self, *, n_components="auto", method="pca", random_state=0):
        self.n_components = n_components
        self.method = method
        self.random_state = random_state

    def _fit(self, X):
        pca = NoiseRankPCA(n_components=self.n_components).fit(X)
        if self.method == "pca":
            self.model_ = pca
        elif self.method == "nmf":
            if X.min() < 0:
                raise ValueError(
                    "NMF needs spectra without negative values: clip them at zero, or use method='pca'"
                )
            # PCA spends no component on the mean, NMF does.
            rank = (
                min(pca.components_.shape[0] + 1, *X.shape)
                if self.n_components == "auto"
                else self.n_components
            )
            self.model_ = NMF(
                rank, init="nndsvda", max_iter=400, tol=1e-3, random_state=self.random_state
            ).fit(X)
        else:
            raise ValueError(f'method must be "pca" or "nmf", got {self.method!r}')

    def transform(self, X):
        """Project on the components and back.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
        check_is_fitted(self)
        return self.model_.inverse_transform(self.model_.transform(self._validate(X)))
