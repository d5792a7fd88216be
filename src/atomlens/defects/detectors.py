"""Detectors of the unusual: the one-class support vector machine, and what it must be compared with.

All have scikit-learn's interface of outlier detectors: `score_samples` and `decision_function` are low for
outliers, the latter negative; `predict` returns -1 for them.
"""

from __future__ import annotations

from numbers import Real

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import SGDOneClassSVM
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.svm import OneClassSVM
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from atomlens._types import Any, ArrayLike, Self, ndarray

__all__ = ["NearestNeighbourDetector", "OneClassDetector", "label_free_parameters"]

_SUBSET = 2000  # rows that are enough to estimate parameters from
_CACHE = 50  # megabytes
_EXACT = 4000  # rows up to which the exact machine is quick
_FEATURES = 300  # of Nystroem, for more rows
_LEAST = 5  # rows


def label_free_parameters(
    X: ArrayLike, *, n_neighbors: int | None = None, random_state: int = 0
) -> tuple[float, float, Any]:
    """Parameters of a one-class support vector machine with an RBF kernel, estimated without labels.

    Rows whose mean distance to their K nearest neighbours lies above the knee of the sorted distances are
    suspects. Among the rest, gamma makes the kernel differ most between the closest and the farthest pair.

    Parameters
    ----------
    X : array_like of shape (N, F)
    n_neighbors : int, optional
        K; 3 % of the rows, at least 10, without it.
    random_state : int
        Of more than 2,000 rows, so many are drawn at random.

    Returns
    -------
    nu : float
        Upper bound of the fraction of outliers: the fraction of suspects, between 0.001 and 0.5.
    gamma : float
        2 ln(d_max / d_min) / (d_max**2 - d_min**2), the maximum of exp(-g d_min**2) - exp(-g d_max**2).
    suspects : ndarray of bool, shape (N,)

    Raises
    ------
    ValueError
        If there are fewer than 5 rows, or all are equal.

    References
    ----------
    Ghafoori et al., IEEE Trans. Neural Netw. Learn. Syst. 29, 5057 (2018), for the idea; the formula for
    gamma follows from the criterion that they state.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.vstack([rng.normal(0, 1, (500, 5)), rng.normal(12, 1, (10, 5))])
    >>> nu, gamma, suspects = label_free_parameters(X)
    >>> bool(suspects[500:].all()), bool(suspects[:500].mean() < 0.1)
    (True, True)
    """
    X = np.asarray(X, dtype=float)
    if X.ndim != 2 or len(X) < _LEAST:
        raise ValueError(f"an array of shape {X.shape} has too few rows: {_LEAST} are needed, one a window")
    rng = check_random_state(random_state)
    reference = X if len(X) <= _SUBSET else X[rng.choice(len(X), _SUBSET, replace=False)]
    count = max(10, int(0.03 * len(reference))) if n_neighbors is None else n_neighbors
    search = NearestNeighbors(n_neighbors=min(count + 1, len(reference))).fit(reference)
    own = search.kneighbors(reference)[0][:, 1:].mean(axis=1)  # the nearest is the row itself
    limit = _knee(np.sort(own))
    if reference is X:
        distance = own
    else:
        distance = search.kneighbors(X, n_neighbors=min(count, len(reference)))[0].mean(axis=1)
    suspects = distance > limit
    kept = reference[own <= limit]
    pairs = pairwise_distances(kept)[np.triu_indices(len(kept), 1)]
    pairs = pairs[pairs > 0]
    if not len(pairs):
        raise ValueError("all windows are equal: there is nothing unusual to find")
    near, far = pairs.min(), pairs.max()
    gamma = 1 / far**2 if far <= near * (1 + 1e-9) else 2 * np.log(far / near) / (far**2 - near**2)
    return float(np.clip(suspects.mean(), 0.001, 0.5)), float(gamma), suspects


def _knee(rising):
    """Value at which a rising curve bends: farthest below the chord, in its upper half."""
    n = len(rising)
    x = np.linspace(0, 1, n)
    span = rising[-1] - rising[0]
    if span <= 0:
        return rising[-1]
    below = x - (rising - rising[0]) / span
    at = n // 2 + int(np.argmax(below[n // 2 :]))
    return rising[at]


class _Detector(OutlierMixin, BaseEstimator):
    def decision_function(self, X: ArrayLike) -> ndarray:
        """Return the scores less `offset_`: negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> ndarray:
        """Return 1 for usual rows and -1 for outliers."""
        return np.where(self.decision_function(X) < 0, -1, 1)


class OneClassDetector(_Detector):
    """One-class support vector machine with an RBF kernel whose parameters come from the data.

    Parameters
    ----------
    nu : "auto" or float
        Upper bound of the fraction of outliers among the rows, between 0 and 1. "auto": suspects are left
        out, and the machine is fitted to the others with a small nu.
    gamma : "auto" or float
        Width of the kernel exp(-gamma d**2); "auto": see `label_free_parameters`.
    random_state : int

    Attributes
    ----------
    nu_, gamma_ : float
    suspects_ : ndarray of bool, shape (N,)
        Rows left out of the fit.
    offset_ : float
        Score below which a row is an outlier.
    estimator_ : estimator
        The fitted machine of scikit-learn; from 4,000 rows on with Nystroem features and stochastic gradient
        descent.
    n_features_in_ : int

    Raises
    ------
    ValueError
        If a parameter is out of range or there are fewer than 5 rows.

    References
    ----------
    Schölkopf et al., Neural Comput. 13, 1443 (2001). Guo et al., npj Comput. Mater. 7, 180 (2021), for its
    use on Patterson functions; its parameters there are not known to us, those here are our reconstruction.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> normal, odd = rng.normal(0, 1, (600, 4)), rng.normal(9, 1, (6, 4))
    >>> detector = OneClassDetector().fit(np.vstack([normal, odd]))
    >>> detector.predict(odd).tolist()
    [-1, -1, -1, -1, -1, -1]
    """

    def __init__(
        self, *, nu: float | str = "auto", gamma: float | str = "auto", random_state: int = 0
    ) -> None:
        self.nu = nu
        self.gamma = gamma
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn what is usual from the rows of X, some of which may be outliers."""
        X = validate_data(self, X, ensure_min_samples=2)
        for name, most in (("nu", 1), ("gamma", np.inf)):
            value = getattr(self, name)
            if value != "auto" and not (isinstance(value, Real) and 0 < value <= most):
                raise ValueError(f'{name} must be "auto", or above 0 and at most {most}, got {value!r}')
        gamma, suspects = None, np.zeros(len(X), bool)
        if "auto" in (self.nu, self.gamma):
            _, gamma, suspects = label_free_parameters(X, random_state=self.random_state)
        if self.nu == "auto":
            # The suspects are out: what is left is nearly all normal, whatever fraction was.
            self.nu_ = _CLEAN
        else:
            self.nu_, suspects = float(self.nu), np.zeros(len(X), bool)
        self.gamma_ = float(gamma if self.gamma == "auto" else self.gamma)
        self.suspects_ = suspects
        kept = X[~suspects]
        exact = len(kept) <= _EXACT
        if exact:
            self.estimator_ = OneClassSVM(nu=self.nu_, gamma=self.gamma_, cache_size=_CACHE).fit(kept)
        else:
            self.estimator_ = make_pipeline(
                Nystroem(
                    gamma=self.gamma_,
                    n_components=min(_FEATURES, len(kept)),
                    random_state=self.random_state,
                ),
                SGDOneClassSVM(nu=self.nu_, random_state=self.random_state, tol=1e-5, average=True),
            ).fit(kept)
        limit = self.estimator_.offset_[0] if exact else self.estimator_[-1].offset_[0]
        self.offset_ = float(_log(limit))
        return self

    def score_samples(self, X: ArrayLike) -> ndarray:
        """Logarithm of the weighted sum of kernels: low for outliers.

        The sum itself tends to zero far out, where it no longer tells the odd from the odder.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        if not isinstance(self.estimator_, OneClassSVM):
            return _log(self.estimator_.score_samples(X))
        # scikit-learn takes the offset away and adds it again, which leaves nothing of a small sum.
        distance = euclidean_distances(X, self.estimator_.support_vectors_, squared=True)
        return logsumexp(np.log(self.estimator_.dual_coef_) - self.gamma_ * distance, axis=1)


def _log(total):
    return np.log(np.maximum(total, np.finfo(float).tiny))


_CLEAN = 0.05  # nu for rows from which the suspects have been taken out


class NearestNeighbourDetector(_Detector):
    """Mean distance to the nearest neighbours: the plainest measure of how unusual a row is.

    Parameters
    ----------
    n_neighbors : int, optional
        3 % of the rows, at least 10, without it.
    contamination : float
        Fraction of the rows that `predict` calls outliers, between 0 and 0.5.
    n_reference : int
        Of more rows, so many are drawn at random to be compared with.
    random_state : int

    Attributes
    ----------
    offset_ : float
        Score below which a row is an outlier.
    n_features_in_ : int

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    Ramaswamy, Rastogi and Shim, SIGMOD Record 29, 427 (2000).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.vstack([rng.normal(0, 1, (600, 4)), rng.normal(9, 1, (6, 4))])
    >>> NearestNeighbourDetector(contamination=0.01).fit_predict(X)[600:].tolist()
    [-1, -1, -1, -1, -1, -1]
    """

    def __init__(
        self,
        *,
        n_neighbors: int | None = None,
        contamination: float = 0.01,
        n_reference: int = 4000,
        random_state: int = 0,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.contamination = contamination
        self.n_reference = n_reference
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Keep the rows of X, or so many of them, as what is usual."""
        X = validate_data(self, X, ensure_min_samples=2)
        if not 0 < self.contamination <= 0.5:
            raise ValueError(f"contamination must lie between 0 and 0.5, got {self.contamination!r}")
        rng = check_random_state(self.random_state)
        few = len(X) <= self.n_reference
        reference = X if few else X[rng.choice(len(X), self.n_reference, replace=False)]
        count = max(10, int(0.03 * len(reference))) if self.n_neighbors is None else self.n_neighbors
        self.n_neighbors_ = min(count, len(reference) - 1)
        self.search_ = NearestNeighbors(n_neighbors=self.n_neighbors_).fit(reference)
        self.offset_ = float(np.quantile(self.score_samples(X), self.contamination))
        return self

    def score_samples(self, X: ArrayLike) -> ndarray:
        """Minus the mean distance to the nearest rows of the fit, a row itself not counted."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        count = min(self.n_neighbors_ + 1, self.search_.n_samples_fit_)
        distance = self.search_.kneighbors(X, n_neighbors=count)[0]
        # A row of the fit finds itself at distance zero; of others the farthest neighbour is left out.
        own = distance[:, 0] == 0
        total = distance.sum(axis=1) - np.where(own, 0.0, distance[:, -1])
        return -total / max(count - 1, 1)
