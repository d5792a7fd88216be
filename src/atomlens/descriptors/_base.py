"""What all descriptors share, and the search for rows that are alike."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from atomlens._match import positions as places_of
from atomlens._types import Any, ArrayLike, DataFrame, Self, ndarray

_BATCH = 1 << 22  # features compared at a time


class Descriptor(TransformerMixin, BaseEstimator):
    """Data to rows of features, each at a place.

    Attributes
    ----------
    prior : str
        What is assumed of the specimen.
    blind_to : tuple of str
        Changes of the specimen that leave the features as they are.
    positions_ : DataFrame
        Where the rows of features come from, of the data that were seen last.
    """

    prior: str
    blind_to: tuple[str, ...]

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from data what is not given: sizes, the lattice."""
        self._learn(X)
        self.positions_ = self._places(X)
        return self

    def transform(self, X: Any) -> ndarray:
        """Describe data of the same kind; `positions_` then belongs to them."""
        check_is_fitted(self)
        self.positions_ = self._places(X)
        return self._describe(X)

    def _pictures(self, features):
        """One row of features or several, in the shape that they had."""
        check_is_fitted(self)
        features = np.atleast_2d(np.asarray(features, dtype=np.float32))
        shape = self._shape()
        if features.ndim != 2 or features.shape[1] != np.prod(shape):
            raise ValueError(f"expected rows of {np.prod(shape)} features, got shape {features.shape}")
        return features.reshape(-1, *shape)


def look_alikes(
    features: ArrayLike,
    index: int,
    n: int = 8,
    *,
    positions: DataFrame | ArrayLike | None = None,
    apart: float = 0.0,
) -> tuple[ndarray, ndarray]:
    """Find the rows of features that are most similar to one of them.

    Parameters
    ----------
    features : array_like of shape (N, d)
    index : int
        The row to compare with.
    n : int
        How many to return at most.
    positions : DataFrame with ``x`` and ``y``, or array_like of shape (N, 2), optional
        Places of the rows, in pixels; with `apart`.
    apart : float
        No two of them, nor one of them and the row itself, are closer than this in both x and y: with the
        size of the windows, none overlap.

    Returns
    -------
    indices : ndarray of int
        Most similar first; without `index` itself.
    distances : ndarray of float32
        Euclidean distances of the features.

    Raises
    ------
    ValueError
        If `index` is no row, `n` is below 1, `apart` comes without positions or is negative, or the
        positions are not as many as the rows.

    Examples
    --------
    >>> indices, distances = look_alikes([[0.0], [5.0], [1.0], [0.5]], 0, 2)
    >>> indices.tolist(), distances.tolist()
    ([3, 2], [0.5, 1.0])
    """
    features = np.asarray(features)
    if features.ndim != 2:
        raise ValueError(f"features must have two axes (rows, features), got shape {features.shape}")
    if not (isinstance(index, int | np.integer) and 0 <= index < len(features)):
        raise ValueError(f"index must be one of the {len(features)} rows, got {index!r}")
    if not (isinstance(n, int | np.integer) and n >= 1):
        raise ValueError(f"n must be a whole number of at least 1, got {n!r}")
    if not apart >= 0:
        raise ValueError(f"apart must be a distance in pixels of at least 0, got {apart!r}")
    if apart and positions is None:
        raise ValueError("apart needs the positions of the rows: pass `descriptor.positions_`")
    distance = distances_to(features, features[index])
    order = np.argsort(distance, kind="stable")
    order = order[order != index]
    if apart:
        xy = places_of(positions, "positions")
        if len(xy) != len(features):
            raise ValueError(f"{len(xy)} positions do not belong to {len(features)} rows of features")
        order = _spread_out(order, xy, index, n, apart)
    return order[:n], distance[order[:n]]


def _spread_out(order, xy, index, n, apart):
    """The first n of an order of places that keep a distance from each other and from the place `index`."""
    chosen = []
    free = np.abs(xy - xy[index]).max(axis=1) >= apart
    while len(chosen) < n and (left := order[free[order]]).size:
        chosen.append(left[0])
        free &= np.abs(xy - xy[left[0]]).max(axis=1) >= apart
    return np.array(chosen, dtype=int)


def distances_to(features, row):
    """Euclidean distance of each row of features from one, in batches."""
    step = max(1, _BATCH // max(1, features.shape[1]))
    parts = [
        np.linalg.norm(features[k : k + step] - row, axis=1).astype(np.float32)
        for k in range(0, len(features), step)
    ]
    return np.concatenate(parts)
