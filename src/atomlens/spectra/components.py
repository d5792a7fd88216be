"""Principal components, as many as stand above the noise."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.validation import check_is_fitted, validate_data

from atomlens._types import Any, ArrayLike, Iterable, Self, ndarray

__all__ = ["NoiseRankPCA"]

_MOST = 30  # components above the noise that are kept
_LARGEST_EXACT = 4096  # above this, an eigen-decomposition costs more than randomised passes over the data


def singular_value_threshold(beta):
    """Optimal cut of singular values in units of their median, noise level unknown.

    Parameters
    ----------
    beta : float
        Aspect ratio of the matrix, in (0, 1].

    Returns
    -------
    float

    References
    ----------
    Gavish and Donoho, IEEE Trans. Inf. Theory 60, 5040 (2014), the cubic approximation of its section on
    unknown noise.

    Examples
    --------
    >>> round(singular_value_threshold(1.0), 2)
    2.86
    """
    return 0.56 * beta**3 - 0.95 * beta**2 + 1.82 * beta + 1.43


class NoiseRankPCA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """PCA that counts its own components: those above the optimal singular-value threshold.

    Parameters
    ----------
    n_components : int or "auto"
        ``"auto"`` keeps the components above the noise, at least one and at most 30.
    random_state : int
        Used only above 4096 spectra and channels, where the decomposition is randomised.

    Attributes
    ----------
    components_ : ndarray of shape (n, L)
    mean_ : ndarray of shape (L,)
    explained_variance_ : ndarray of shape (n,)
    n_above_noise_ : int
        Components above the noise: 0 when the spectra differ by no more than noise.

    Raises
    ------
    ValueError
        If more components are asked for than spectra or channels, or fewer than two spectra are given.

    Notes
    -----
    From the covariance matrix when there are more spectra than channels, so that one pass over the data
    is enough and blocks can be added up (`fit_blocks`).

    References
    ----------
    Gavish and Donoho, IEEE Trans. Inf. Theory 60, 5040 (2014).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> spectra = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 40)) * 5 + rng.normal(size=(500, 40))
    >>> NoiseRankPCA().fit(spectra).n_above_noise_
    2
    """

    def __init__(self, n_components: int | str = "auto", *, random_state: int = 0) -> None:
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Find the components.

        Parameters
        ----------
        X : array_like of shape (N, L)
        y : ignored

        Returns
        -------
        self
        """
        X = validate_data(self, X, dtype=[np.float32, np.float64], ensure_min_samples=2)
        self._check_components(*X.shape)
        if X.shape[1] <= min(X.shape[0], _LARGEST_EXACT):
            return self._from_moments(*moments(X))
        mean = X.mean(axis=0, dtype=np.float64)
        centred = X - mean.astype(X.dtype)
        if X.shape[0] <= _LARGEST_EXACT:
            power, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
            singular = np.sqrt(np.maximum(power[::-1], 0))
            rank = self._rank(singular, X.shape)
            rows = vectors[:, ::-1][:, :rank].T.astype(X.dtype) @ centred
            components = rows / np.maximum(
                np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(X.dtype).tiny
            )
        else:
            wanted = min(2 * _MOST, *X.shape) if self.n_components == "auto" else self.n_components
            _, singular, components = randomized_svd(centred, wanted, random_state=self.random_state)
            # The median singular value is out of sight: get the noise from what the components leave.
            left = (centred.astype(np.float64) ** 2).sum() - (singular.astype(np.float64) ** 2).sum()
            typical = np.sqrt(max(left, 0) / (min(X.shape) - wanted)) if wanted < min(X.shape) else 0.0
            rank = self._rank(singular, X.shape, median=typical)
            components = components[:rank]
        return self._store(mean, components, singular[:rank] ** 2 / X.shape[0])

    def fit_blocks(self, blocks: Iterable[Any] | ndarray) -> Self:
        """Find the components of data that arrive in blocks.

        Parameters
        ----------
        blocks : iterable of (int, ndarray of shape (L,), ndarray of shape (L, L))
            What `moments` returns for every block.

        Returns
        -------
        self
        """
        total = None
        for block in blocks:
            total = block if total is None else add_moments(total, block)
        self._check_components(total[0], total[1].size)
        self.n_features_in_ = total[1].size
        return self._from_moments(*total)

    def _from_moments(self, n, mean, scatter):
        power, vectors = np.linalg.eigh(scatter)
        singular = np.sqrt(np.maximum(power[::-1], 0))
        rank = self._rank(singular, (n, mean.size))
        return self._store(mean, vectors[:, ::-1][:, :rank].T, singular[:rank] ** 2 / n)

    def _check_components(self, n, channels):
        if self.n_components == "auto":
            return
        if not 1 <= int(self.n_components) <= min(n, channels):
            raise ValueError(
                f"n_components={self.n_components} is not between 1 and {min(n, channels)}, the smaller of "
                f"{n} spectra and {channels} channels"
            )

    def _rank(self, singular, shape, median=None):
        """How many components to keep; remembers how many stand above the noise."""
        # Centring takes one degree of freedom: its zero must not drag the median down.
        informative = singular[: max(min(shape[0] - 1, shape[1]), 1)]
        noise = np.median(informative) if median is None else median
        cut = singular_value_threshold(min(shape) / max(shape)) * noise
        self.n_above_noise_ = int(np.count_nonzero(informative > max(cut, 1e-6 * informative[0])))
        if self.n_components != "auto":
            return int(self.n_components)
        return int(np.clip(self.n_above_noise_, 1, min(_MOST, singular.size)))

    def _store(self, mean, components, variance):
        # Signs are arbitrary: make the largest loading positive, so that maps keep their colours.
        signs = np.sign(components[np.arange(len(components)), np.abs(components).argmax(axis=1)])
        self.mean_ = np.asarray(mean, dtype=np.float32)
        self.components_ = np.ascontiguousarray(
            components * np.where(signs == 0, 1, signs)[:, None], dtype=np.float32
        )
        self.explained_variance_ = np.asarray(variance, dtype=np.float64)
        return self

    @property
    def _n_features_out(self):
        return len(self.components_)

    def transform(self, X: ArrayLike) -> ndarray:
        """Scores of the spectra.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, n)
        """
        check_is_fitted(self, "components_")
        X = validate_data(self, X, reset=False, dtype=[np.float32, np.float64])
        return X @ self.components_.T.astype(X.dtype) - (self.mean_ @ self.components_.T).astype(X.dtype)

    def inverse_transform(self, X: ArrayLike) -> ndarray:
        """Spectra from scores.

        Parameters
        ----------
        X : array_like of shape (N, n)

        Returns
        -------
        ndarray of shape (N, L)
        """
        check_is_fitted(self, "components_")
        return np.asarray(X) @ self.components_ + self.mean_


def moments(X):
    """Count, mean and scatter matrix of spectra: what `NoiseRankPCA` needs of a block.

    Parameters
    ----------
    X : ndarray of shape (N, L)

    Returns
    -------
    (int, ndarray of shape (L,), ndarray of shape (L, L))
        In double precision.

    Examples
    --------
    >>> moments(np.array([[0.0, 2.0], [2.0, 4.0]]))[1]
    array([1., 3.])
    """
    mean = X.mean(axis=0, dtype=np.float64)
    centred = X - mean.astype(X.dtype)
    return len(X), mean, (centred.T @ centred).astype(np.float64)


def add_moments(a, b):
    """Moments of two blocks together.

    Parameters
    ----------
    a, b : tuples as `moments` returns

    Returns
    -------
    tuple

    References
    ----------
    Chan, Golub and LeVeque, Am. Stat. 37, 242 (1983), eq. 2.1.

    Examples
    --------
    >>> one, two = moments(np.array([[0.0]])), moments(np.array([[2.0]]))
    >>> add_moments(one, two)
    (2, array([1.]), array([[2.]]))
    """
    n = a[0] + b[0]
    delta = b[1] - a[1]
    mean = a[1] + delta * (b[0] / n)
    return n, mean, a[2] + b[2] + np.outer(delta, delta) * (a[0] * b[0] / n)
