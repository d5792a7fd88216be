"""Five clustering methods behind one scikit-learn estimator, with labels ordered by size."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans, MiniBatchKMeans, SpectralClustering
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.validation import check_is_fitted, validate_data

from atomlens._threads import threads_for
from atomlens._types import Any, ArrayLike, Self, ndarray

__all__ = ["METHODS", "SpectralClusterer"]

METHODS = ("kmeans", "gmm", "ward", "spectral", "hdbscan")

_MOST_COMPARED = 4000  # points that methods which compare all pairs learn from
_MINI_BATCH_ABOVE = 200_000  # spectra; below, full k-means takes seconds


class SpectralClusterer(ClusterMixin, BaseEstimator):
    """Cluster points by one of five methods; cluster 0 is the largest.

    Parameters
    ----------
    n_clusters : int or None
        Number of clusters. ``"hdbscan"`` finds its own and takes None.
    method : {"kmeans", "gmm", "ward", "spectral", "hdbscan"}
        k-means; Gaussian mixture with full covariances; agglomerative with Ward's criterion; spectral
        clustering on the graph Laplacian of ten nearest neighbours; density based. The last three compare all
        pairs: of more than 4000 points they learn from a random subset, and every other point takes the label
        of its nearest neighbour in it.
    random_state : int

    Attributes
    ----------
    labels_ : ndarray of shape (N,)
        0 for the largest cluster, and so on; -1 for HDBSCAN's noise.
    n_clusters_ : int
        Clusters found.

    Raises
    ------
    ValueError
        If the method is unknown, or there are more clusters than points.

    References
    ----------
    Ng, Jordan and Weiss, NIPS 14 (2001), for spectral clustering; Campello, Moulavi and Sander, PAKDD
    (2013), for HDBSCAN.

    Examples
    --------
    >>> points = [[0.0], [0.1], [0.2], [5.0], [5.1]]
    >>> SpectralClusterer(2).fit_predict(points).tolist()
    [0, 0, 0, 1, 1]
    """

    def __init__(
        self,
        n_clusters: int | None = 2,
        *,
        method: str = "kmeans",
        random_state: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.method = method
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Find the clusters.

        Parameters
        ----------
        X : array_like of shape (N, n)
        y : ignored

        Returns
        -------
        self
        """
        X = validate_data(self, X, dtype=[np.float32, np.float64], ensure_min_samples=2)
        self._check(len(X))
        self.model_dtype_ = X.dtype  # k-means predicts only in the precision it was fitted in
        # Only these three compare all pairs.
        few = self.method in ("ward", "spectral", "hdbscan") and len(X) > _MOST_COMPARED
        rng = np.random.default_rng(self.random_state)
        chosen = np.sort(rng.choice(len(X), _MOST_COMPARED, replace=False)) if few else slice(None)
        with threads_for(len(X)):
            raw = self._fit_model(X[chosen])
        if few:
            raw = KNeighborsClassifier(1).fit(X[chosen], raw).predict(X)
        sizes = np.bincount(raw[raw >= 0])
        self.order_ = np.empty(sizes.size, dtype=int)
        self.order_[np.argsort(-sizes, kind="stable")] = np.arange(sizes.size)
        self.labels_ = self._ordered(raw)
        self.n_clusters_ = int(np.count_nonzero(sizes))
        if self.method not in ("kmeans", "gmm"):
            self.model_ = KNeighborsClassifier(1).fit(X[chosen], self.labels_[chosen])
        return self

    def _check(self, n_points):
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}; got {self.method!r}")
        if self.method == "hdbscan":
            return
        if self.n_clusters is None:
            raise ValueError(f"method {self.method!r} needs n_clusters; `choose_k` recommends one")
        if not (isinstance(self.n_clusters, int | np.integer) and self.n_clusters >= 1):
            raise ValueError(f"n_clusters must be a whole number of at least 1, got {self.n_clusters!r}")
        if self.n_clusters > n_points:
            raise ValueError(
                f"n_clusters={self.n_clusters} is more than the {n_points} spectra there are: ask for fewer"
            )

    def _fit_model(self, X):
        k, seed = self.n_clusters, self.random_state
        if self.method == "hdbscan":
            # A cluster is worth naming from one per cent of the points on.
            smallest = min(max(5, len(X) // 100), len(X))
            return HDBSCAN(min_cluster_size=smallest, min_samples=min(5, len(X)), copy=True).fit_predict(X)
        if k == 1:
            self.model_ = KMeans(1, n_init=1, random_state=seed).fit(X)
            return np.zeros(len(X), dtype=int)
        if self.method == "kmeans":
            if len(X) > _MINI_BATCH_ABOVE:
                self.model_ = MiniBatchKMeans(k, n_init=10, batch_size=8192, random_state=seed).fit(X)
            else:
                self.model_ = KMeans(k, n_init=10, random_state=seed).fit(X)
            return self.model_.labels_.astype(int)
        if self.method == "gmm":
            self.model_, raw = _fit_mixture(X, k, seed)
            return raw
        if self.method == "ward":
            return AgglomerativeClustering(k, linkage="ward").fit_predict(X)
        neighbours = min(10, len(X) - 1)
        graph = SpectralClustering(
            k, affinity="nearest_neighbors", n_neighbors=neighbours, assign_labels="kmeans", random_state=seed
        )
        return _without_graph_warning(graph.fit_predict, X).astype(int)

    def _ordered(self, raw):
        ordered = np.full(raw.shape, -1)
        ordered[raw >= 0] = self.order_[raw[raw >= 0]]
        return ordered

    def predict(self, X: ArrayLike) -> ndarray:
        """Labels of new points.

        Parameters
        ----------
        X : array_like of shape (M, n)

        Returns
        -------
        ndarray of int, shape (M,)
            k-means and mixtures use their own rule, the other methods the nearest fitted point.
        """
        check_is_fitted(self, "labels_")
        X = validate_data(self, X, reset=False, dtype=[np.float32, np.float64])
        if isinstance(self.model_, GaussianMixture):
            return self._ordered(self.model_.predict(X.astype(np.float64)))
        raw = np.asarray(self.model_.predict(X.astype(self.model_dtype_, copy=False)))
        return raw if isinstance(self.model_, KNeighborsClassifier) else self._ordered(raw)


def _fit_mixture(X, k, seed):
    """Gaussian mixture in double precision, the best of several starts; returns the model and the labels."""
    X = X.astype(np.float64)
    # A millionth of the largest variance keeps covariances invertible without blurring any cluster.
    floor = 1e-6 * max(X.var(axis=0).max(), np.finfo(float).tiny)
    settings = {"reg_covar": floor, "max_iter": 300, "random_state": seed}
    # k-means cuts long clusters across; in coordinates of unit variance they are no longer long.
    spread = np.maximum(X.std(axis=0), np.sqrt(floor))
    models = []
    for scale in (1.0, spread):
        centres = KMeans(k, n_init=10, random_state=seed).fit(X / scale).cluster_centers_ * scale
        models.append(GaussianMixture(k, means_init=centres, **settings))
    with warnings.catch_warnings():
        # One start that is still creeping uphill does not matter: the best one is taken.
        warnings.simplefilter("ignore", ConvergenceWarning)
        best = max((model.fit(X) for model in models), key=lambda model: model.lower_bound_)
    return best, best.predict(X)


def _without_graph_warning(fit_predict, X):
    """A neighbour graph in several pieces is what well-separated clusters look like: no warning for that."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        return fit_predict(X)
