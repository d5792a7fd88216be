"""The test for a valley in the density between two clusters."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import diptest
import numpy as np

_FEWEST = 8  # no arrangement of fewer points is surprising


@dataclass(frozen=True)
class Fold:
    """Clusters learned from some points, and other points with the labels that these clusters give them.

    Attributes
    ----------
    train, test : ndarray of shape (N, n)
    train_labels, test_labels : ndarray of int, shape (N,)
    centres : ndarray of shape (k, n)
        Of the clusters in `train`.
    """

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    centres: np.ndarray

    @classmethod
    def of(cls, model, train, test):
        """Of a fitted k-means and the points that it has seen, and has not."""
        return cls(train, model.labels_, test, model.predict(test), model.cluster_centers_)


def split_halves(points, learn, n_splits, rng, *, turns=1, judge=None):
    """p-values of `gap_p_values` from random halves: clusters learned on one, tested on the other.

    Parameters
    ----------
    points : ndarray of shape (N, n)
    learn : callable
        From points to a fitted k-means; its clusters are numbered alike every time, or only all of them
        together are looked at.
    n_splits : int
    rng : numpy.random.Generator
    turns : {1, 2}
        2: then the halves change places, and both folds are judged together.
    judge : callable, optional
        From a list of folds to p-values of shape (k, k); `gap_p_values` without it.

    Returns
    -------
    ndarray of shape (n_splits, k, k)
    """
    judge = gap_p_values if judge is None else judge
    rounds = []
    for _ in range(n_splits):
        order = rng.permutation(len(points))
        halves = points[order[: len(points) // 2]], points[order[len(points) // 2 :]]
        folds = [Fold.of(learn(train), train, test) for train, test in (halves, halves[::-1])[:turns]]
        rounds.append(judge(folds))
    return np.array(rounds)


def over_splits(p_values):
    """Combine the p-values of several splits of the same points: twice their median keeps the level.

    Meinshausen, Meier and Buehlmann, J. Am. Stat. Assoc. 104, 1671 (2009).
    """
    return np.minimum(2 * np.median(p_values, axis=0), 1.0)


def gap_p_values(folds, *, fisher=True):
    """Hartigan's dip between every two clusters, along the direction that tells them best.

    Direction and cut are learned from the training points of a fold, the dip is taken over the test points
    of all folds. A small p-value speaks against "these two are one unimodal cloud that was cut".

    Parameters
    ----------
    folds : sequence of Fold
        With the same numbering of the clusters.
    fisher : bool
        Take the shape of the clusters into account for the direction.

    Returns
    -------
    ndarray of shape (k, k)
        Symmetric, 1 on the diagonal.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(200, 1)) + 9 * (np.arange(200) % 2)[:, None]
    >>> labels = np.arange(200) % 2
    >>> bool(gap_p_values([Fold(points, labels, points, labels, np.array([[0.0], [9.0]]))])[0, 1] < 1e-3)
    True
    """
    k = len(folds[0].centres)
    p = np.ones((k, k))
    within = [_within(fold) if fisher else np.eye(fold.train.shape[1]) for fold in folds]
    for one, two in combinations(range(k), 2):
        shown = [_projected(fold, one, two, w) for fold, w in zip(folds, within, strict=True)]
        projected = np.concatenate(shown)
        if projected.size >= _FEWEST:
            p[one, two] = p[two, one] = diptest.diptest(projected)[1]
    return p


def _within(fold):
    inside = fold.train - fold.centres[fold.train_labels]
    within = inside.T @ inside / len(fold.train)
    return within + 1e-9 * max(np.trace(within), np.finfo(float).tiny) * np.eye(len(within))


def _projected(fold, one, two, within):
    """Test points of two clusters along the direction that tells them best, 0 and 1 at the centres."""
    sizes = np.bincount(fold.train_labels, minlength=len(fold.centres))
    large, small = (one, two) if sizes[one] >= sizes[two] else (two, one)
    apart = fold.centres[small] - fold.centres[large]
    direction = np.linalg.solve(within, apart)
    if not sizes[small] or not direction @ apart > 0:
        return np.empty(0)
    # A small cluster drowns in the dip of a large one, so as many of the large one's points take part as
    # the small one has, the nearest. Cutting off one end leaves a unimodal distribution unimodal.
    nearest = np.sort(fold.train[fold.train_labels == large] @ direction)[-sizes[small]]
    projected = fold.test[(fold.test_labels == large) | (fold.test_labels == small)] @ direction
    projected = (projected[projected >= nearest] - fold.centres[large] @ direction) / (direction @ apart)
    return projected if large == one else 1 - projected
