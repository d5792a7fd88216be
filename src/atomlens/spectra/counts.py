"""Clusters of spectra of few counts: a mixture of multinomials, which needs no components and no weights."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.utils.validation import check_is_fitted, validate_data

from atomlens._gap import Fold, over_splits
from atomlens._threads import threads_for
from atomlens._types import Any, ArrayLike, Self, ndarray

__all__ = ["CountMixture", "dose"]

# Counts a spectrum below which they are few. On core-loss edges (260 channels, 3 and 5 phases) the mixture
# beat k-means on principal components from 25 to 600 counts (ARI 0.97 against 0.63 at 600); from 1200 on the
# two agree within 0.01. On three broad peaks (120 channels) it wins at 25 (0.60 against 0.31), and from 40 on
# the two are within 0.03 of each other, either one ahead. `benchmarks/spectra_verdicts.py`.
FEW_COUNTS = 1000.0

_STARTS = 8
_FIRST_ROUNDS = 30  # of expectation and maximisation in every start; then the best two go on
_MOST_ROUNDS = 1000
_GAIN = 1e-5  # log-likelihood a spectrum; ten times that stopped short of the maximum at 80 counts
_SEEDS = 20  # random spectra a cluster begins with
_LEARNED_FROM = 8000  # spectra in which the starts are tried
_SPARSE_BELOW = 0.3  # share of channels that hold a count
_SPLITS = 3
_FINER = 4  # clusters more than are tested, so that a bent continuum is seen to be bent


def dose(matrix: ArrayLike) -> float | None:
    """Mean counts a spectrum, if these are raw counts.

    Parameters
    ----------
    matrix : array_like of shape (N, L)

    Returns
    -------
    float or None
        None when there is a negative value or one that is no whole number: such data have been scaled, or
        are no counts.

    Examples
    --------
    >>> dose([[1, 0, 2], [0, 4, 1]]), dose([[0.5, 0.0, 1.0]])
    (4.0, None)
    """
    matrix = np.asarray(matrix)
    if not matrix.size or matrix.min() < 0 or not np.array_equal(matrix, np.rint(matrix)):
        return None
    return float(matrix.sum(dtype=np.float64) / len(matrix))


class CountMixture(ClusterMixin, BaseEstimator):
    """Mixture of multinomials: every cluster is a spectrum, from which the counts are drawn one by one.

    The strength of a spectrum (its thickness, its dwell time) plays no part, only the shares of the channels
    do. Where a spectrum holds few counts this uses all of them, while principal components drown.

    Parameters
    ----------
    n_clusters : int
    random_state : int

    Attributes
    ----------
    labels_ : ndarray of int, shape (N,)
        0 for the largest cluster; -1 for spectra without a count, which tell nothing.
    n_clusters_ : int
        Clusters found: fewer than asked for when one is left without a spectrum.
    shares_ : ndarray of shape (K, L)
        Spectrum of every cluster, of unit area.
    weights_ : ndarray of shape (K,)
        Their parts of all spectra.
    log_likelihood_ : float
        Without the terms that no cluster changes.

    Raises
    ------
    ValueError
        If a value is negative, all are zero, or there are more clusters than spectra.

    Notes
    -----
    Expectation and maximisation find a maximum near the start. So there are eight starts, half of them from
    k-means on principal components and half from a few random spectra a cluster; the best two go on until
    they stand still, and the more likely one is kept. A start is tried in at most 8000 spectra.

    References
    ----------
    Dempster, Laird and Rubin, J. R. Stat. Soc. B 39, 1 (1977), expectation and maximisation; Nigam,
    McCallum, Thrun and Mitchell, Mach. Learn. 39, 103 (2000), the mixture of multinomials.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> shares = np.array([[0.5, 0.3, 0.1, 0.1], [0.1, 0.1, 0.3, 0.5]])
    >>> truth = np.arange(300) % 3 // 2
    >>> model = CountMixture(2).fit(rng.poisson(30 * shares[truth]))
    >>> bool(np.mean(model.labels_ == truth) > 0.95)
    True
    """

    def __init__(self, n_clusters: int = 2, *, random_state: int = 0) -> None:
        self.n_clusters = n_clusters
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Find the clusters.

        Parameters
        ----------
        X : array_like of shape (N, L)
            Counts.
        y : ignored

        Returns
        -------
        self
        """
        X = self._checked(X, reset=True)
        if not X.any():
            raise ValueError("there is not a single count: nothing to cluster by")
        if not 1 <= self.n_clusters <= len(X):
            raise ValueError(
                f"n_clusters={self.n_clusters} must be from 1 to {len(X)}, the number of spectra"
            )
        rng = np.random.default_rng(self.random_state)
        mean = X.mean(axis=0)
        self.background_ = mean / mean.sum()
        lit = X[X.any(axis=1)]
        some = lit[np.sort(rng.permutation(len(lit))[:_LEARNED_FROM])]
        with threads_for(len(some)):
            starts = [self._rounds(_sparse(some), r, _FIRST_ROUNDS) for r in self._starts(some, rng)]
            starts.sort(key=lambda found: -found[0])
            everything = _sparse(lit)
            ends = []
            for _, shares, weights in starts[:2]:
                before = _posterior(everything, shares, weights)[0]
                ends.append(self._rounds(everything, before, _MOST_ROUNDS))
        self.log_likelihood_, shares, weights = max(ends, key=lambda found: found[0])
        self.shares_, self.weights_ = shares, weights
        sizes = np.bincount(self._assign(X)[X.any(axis=1)], minlength=len(weights))
        order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
        self.shares_, self.weights_ = shares[order], weights[order] / weights[order].sum()
        self.n_clusters_ = len(order)
        self.labels_ = self.predict(X)
        return self

    def _checked(self, X, *, reset):
        X = validate_data(self, X, reset=reset, dtype=[np.float32, np.float64])
        if X.min() < 0:
            raise ValueError("a mixture of multinomials needs counts, but there are negative values")
        return X.astype(np.float64)

    def _starts(self, X, rng):
        """Shares of every spectrum in the clusters: what the rounds begin with."""
        k, n = min(self.n_clusters, len(X)), len(X)
        # The components that Poisson weights show best, as many as tell k clusters apart.
        shapes = X / X.sum(axis=1, keepdims=True) / np.sqrt(np.maximum(self.background_, 1e-3 / X.shape[1]))
        power, axes = np.linalg.eigh(np.cov(shapes.T))
        scores = (shapes - shapes.mean(axis=0)) @ axes[:, np.argsort(-power)[: max(k - 1, 1)]]
        for start in range(_STARTS if k > 1 else 1):
            member = np.zeros((n, k))
            if start < _STARTS // 2:
                seed = self.random_state + start
                member[np.arange(n), KMeans(k, n_init=1, random_state=seed).fit(scores).labels_] = 1
            else:
                chosen = rng.permutation(n)[: _SEEDS * k]
                member[chosen, np.arange(len(chosen)) % k] = 1
            yield member

    def _rounds(self, X, member, most):
        """Expectation and maximisation; (log-likelihood, shares, weights)."""
        last = -np.inf
        for _ in range(most):
            # One count of the mean spectrum more: no channel is impossible in any cluster.
            shares = (X.T @ member).T + self.background_
            shares = np.maximum(shares / shares.sum(axis=1, keepdims=True), np.finfo(float).tiny)
            weights = (member.sum(axis=0) + 1) / (member.sum() + member.shape[1])
            member, likelihood = _posterior(X, shares, weights)
            if likelihood - last < _GAIN * X.shape[0]:
                break
            last = likelihood
        return likelihood, shares, weights

    def _assign(self, X):
        return (X @ np.log(self.shares_).T + np.log(self.weights_)).argmax(axis=1)

    def predict(self, X: ArrayLike) -> ndarray:
        """Most probable cluster of every spectrum; -1 without a count.

        Parameters
        ----------
        X : array_like of shape (M, L)

        Returns
        -------
        ndarray of int, shape (M,)
        """
        check_is_fitted(self, "n_clusters_")
        X = self._checked(X, reset=False)
        return np.where(X.any(axis=1), self._assign(X), -1)

    def predict_proba(self, X: ArrayLike) -> ndarray:
        """Probability of every cluster, given the counts of a spectrum.

        Parameters
        ----------
        X : array_like of shape (M, L)

        Returns
        -------
        ndarray of shape (M, K)
        """
        check_is_fitted(self, "n_clusters_")
        return _posterior(self._checked(X, reset=False), self.shares_, self.weights_)[0]


def _sparse(X):
    return csr_matrix(X) if np.count_nonzero(X) < _SPARSE_BELOW * X.size else X


def _posterior(X, shares, weights):
    """Probabilities of the clusters, and the log-likelihood of all spectra."""
    logs = X @ np.log(shares).T + np.log(weights)
    top = logs.max(axis=1, keepdims=True)
    odds = np.exp(logs - top)
    total = odds.sum(axis=1, keepdims=True)
    return odds / total, float((top + np.log(total)).sum())


class Halvings:
    """Test how many spectra the counts tell apart, before any gap can be seen between clusters.

    Every count goes to one of two halves at random, which makes the halves of a Poisson spectrum
    independent. Mixtures are learned from one half, and predict the other half of the same spectra.

    Parameters
    ----------
    counts : ndarray of shape (N, L)
        Whole numbers.
    random_state : int

    References
    ----------
    Neufeld, Dharamshi, Gao and Witten, J. Mach. Learn. Res. 25, 57 (2024), for halving the counts; Vuong,
    Econometrica 57, 307 (1989), for comparing models by their likelihoods point by point.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> shares = np.array([[0.5, 0.3, 0.1, 0.1], [0.1, 0.1, 0.3, 0.5]])
    >>> halvings = Halvings(rng.poisson(30 * shares[np.arange(300) % 2]))
    >>> halvings.p_value(2) < 0.01, halvings.p_value(3) > 0.05
    (True, True)
    """

    def __init__(self, counts: ndarray, *, random_state: int = 0) -> None:
        rng = np.random.default_rng(random_state)
        whole = np.rint(counts).astype(np.int64)
        learned = [rng.binomial(whole, 0.5) for _ in range(_SPLITS)]
        self._halves = [(half, whole - half) for half in learned]
        self._seed = random_state
        self._known: dict[int, list[ndarray]] = {}

    def p_value(self, k: int) -> float:
        """Of the null "one spectrum less than k predicts counts as well".

        Parameters
        ----------
        k : int
            At least 2.

        Returns
        -------
        float
            Small when there are at least k different spectra, be they phases or stages of a continuum.
        """
        p = []
        for more, less in zip(self._predicted(k), self._predicted(k - 1), strict=True):
            gain = more - less
            error = gain.std() / np.sqrt(gain.size)
            p.append(norm.sf(gain.mean() / error) if error > 0 else 1.0)
        return float(over_splits(np.array(p)))

    def _predicted(self, k):
        """Log-likelihood of the unseen half of every spectrum, given the seen one; a halving each."""
        if k not in self._known:
            self._known[k] = []
            for seen, unseen in self._halves:
                model = CountMixture(k, random_state=self._seed).fit(seen)
                before = np.log(np.maximum(model.predict_proba(seen), np.finfo(float).tiny))
                self._known[k].append(logsumexp(unseen @ np.log(model.shares_).T + before, axis=1))
        return self._known[k]


def count_folds(counts, k, n_splits, *, random_state=0):
    """Halves of the spectra, in the space where a mixture learned on one half tells clusters best.

    The axes of that space are log-likelihoods a count of the clusters, and of more clusters than that, which
    follow a bent continuum where two would see but its ends. They are scaled so that the noise of the counts
    is alike in all directions.

    Parameters
    ----------
    counts : ndarray of shape (N, L)
    k, n_splits : int
    random_state : int

    Yields
    ------
    Fold or None
        None when fewer than k clusters were found.
    """
    rng = np.random.default_rng(random_state)
    counts = counts[counts.any(axis=1)]
    for _ in range(n_splits):
        order = rng.permutation(len(counts))
        halves = counts[order[: len(counts) // 2]], counts[order[len(counts) // 2 :]]
        model = CountMixture(k, random_state=random_state).fit(halves[0])
        if model.n_clusters_ < k:
            yield None
            continue
        finer = CountMixture(min(k + _FINER, len(halves[0])), random_state=random_state).fit(halves[0])
        axes = _axes(np.log(np.concatenate([model.shares_, finer.shares_])), model.background_)
        train, test = (_a_count(half, axes, rng) for half in halves)
        centres = np.array([train[model.labels_ == c].mean(axis=0) for c in range(k)])
        yield Fold(train, model.labels_, test, model.predict(halves[1]), centres)


def _axes(logs, background):
    """Directions (L, n) that span log-likelihoods (m, L), along each of which a count scatters by one."""
    logs = (logs - logs @ background[:, None]).T
    power, turn = np.linalg.eigh(logs.T @ (logs * background[:, None]))
    seen = power > 1e-6 * power[-1]
    return logs @ (turn[:, seen] / np.sqrt(power[seen]))


def _a_count(counts, axes, rng):
    # Counts are whole: with few of them in a peak the values stand on a ladder, whose rungs are no clusters.
    # A uniform number as wide as one count's largest step fills the gaps and keeps one mode one mode.
    step = np.ptp(axes, axis=0) * rng.uniform(-0.5, 0.5, (len(counts), axes.shape[1]))
    return (counts @ axes + step) / counts.sum(axis=1, keepdims=True)
