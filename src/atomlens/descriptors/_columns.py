"""Descriptors of atomic columns: the vectors to their neighbours, and the picture around them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from sklearn.utils.validation import check_is_fitted

from atomlens._image import prepare
from atomlens._match import positions
from atomlens._tiles import as_pair
from atomlens._types import Any, ArrayLike, Lattice, Self, ndarray
from atomlens.columns import find_peaks
from atomlens.descriptors._base import Descriptor
from atomlens.lattice import neighbour_vectors
from atomlens.windows import column_windows


class NeighbourDescriptor(Descriptor):
    """Vectors from every atomic column to its neighbours, in an order that is the same everywhere.

    Prior: the specimen is made of atoms at definite places, and what matters of an atom is where its
    neighbours are.

    Blind to translation and to contrast; and to species as far as they do not displace anything. Not to
    rotation or inversion.

    Parameters
    ----------
    n_neighbors, center, neighbors
        As for `atomlens.lattice.neighbour_vectors`.
    lattice : Lattice, optional
        Estimated from each table without it.

    Attributes
    ----------
    ideal_ : ndarray of shape (k, 2)
        Mean vectors to the neighbours, in pixels, of the table that was fitted.
    stars_ : ndarray of shape (sites, k, 2)
        The same for every site of its cell. They set the order of the neighbours in other tables, too, whose
        lattice vectors may be others: a and b of equal length are named by chance.
    positions_ : DataFrame
        The rows of the table that have all their neighbours, with their columns and their index.

    Raises
    ------
    ValueError
        As for `neighbour_vectors`; or if no column has all its neighbours.
    NotPeriodicError
        If there is no lattice.

    Examples
    --------
    >>> y, x = np.mgrid[:6, :6].reshape(2, -1)
    >>> describe = NeighbourDescriptor()
    >>> features = describe.fit_transform(pd.DataFrame({"x": 20.0 * x, "y": 20.0 * y}))
    >>> features.shape
    (16, 8)
    >>> features[0].tolist()
    [20.0, 0.0, 0.0, 20.0, -20.0, 0.0, 0.0, -20.0]
    """

    prior = "atoms at definite places: what matters of an atom is where its neighbours are"
    blind_to = ("translation", "species", "contrast")

    def __init__(
        self,
        *,
        n_neighbors: Any = 4,
        center: str | int | None = None,
        neighbors: str | int | None = None,
        lattice: Lattice | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.center = center
        self.neighbors = neighbors
        self.lattice = lattice

    def _hoods(self, columns):
        who = {"n_neighbors": self.n_neighbors, "center": self.center, "neighbors": self.neighbors}
        hoods = neighbour_vectors(columns, self.lattice, **who)
        if not hoods.complete.any():
            raise ValueError(
                f"none of {len(hoods.centres)} columns has all its {hoods.vectors.shape[1]} neighbours: "
                "ask for fewer"
            )
        return hoods

    def fit_transform(self, X: ArrayLike, y: Any = None) -> ndarray:
        """Describe a table of columns: ndarray of float32, shape (N, 2 * k), in pixels."""
        hoods = self._hoods(X)
        self.ideal_ = hoods.vectors[hoods.complete].mean(axis=0)
        self.stars_ = hoods.ideal
        return self._seen(X, hoods)

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn the mean neighbourhood of a table of columns."""
        self.fit_transform(X)
        return self

    def transform(self, X: ArrayLike) -> ndarray:
        """Describe a table of columns: ndarray of float32, shape (N, 2 * k), in pixels."""
        check_is_fitted(self)
        hoods = self._hoods(X)
        if hoods.vectors.shape[1:] != self.ideal_.shape:
            raise ValueError(f"{hoods.vectors.shape[1]} neighbours, but fitted to {len(self.ideal_)}")
        return self._seen(X, hoods)

    def _seen(self, columns, hoods):
        table = columns if isinstance(columns, pd.DataFrame) else pd.DataFrame(columns, columns=["x", "y"])
        self.positions_ = table.iloc[hoods.centres[hoods.complete]]
        order = np.array([self._order(star) for star in hoods.ideal])[hoods.kind[hoods.complete]]
        vectors = np.take_along_axis(hoods.vectors[hoods.complete], order[..., None], axis=1)
        return vectors.reshape(len(self.positions_), -1).astype(np.float32)

    def _order(self, star):
        """Order the neighbours of a site as they are at the site that was fitted and is most like it."""
        costs = [cdist(known, star, "sqeuclidean") for known in self.stars_]
        found = [linear_sum_assignment(cost) for cost in costs]
        return min(zip(costs, found, strict=True), key=lambda pair: pair[0][pair[1]].sum())[1][1]


class SubImageDescriptor(Descriptor):
    """The picture around every atomic column.

    Prior: the specimen is made of atoms, and what matters of an atom is what is seen around it, whatever
    that is: no lattice is needed.

    Blind to translation, and to brightness and contrast: the mean of each picture is subtracted, and what is
    left divided by its length. Not to rotation, inversion or species.

    Parameters
    ----------
    size : int or tuple of int, optional
        (height, width) in pixels; 2.5 times the typical distance to the nearest column, and odd, without it.

    Attributes
    ----------
    size_ : tuple of int
    positions_ : DataFrame
        The columns whose pictures lie within the image, with their index.

    Raises
    ------
    ValueError
        If the image or the table is unusable, or no picture lies within the image.

    Notes
    -----
    The data are a pair (image, columns), or an image alone, in which columns are found by
    `atomlens.columns.find_peaks`.

    Examples
    --------
    >>> y, x = np.mgrid[:60, :60]
    >>> image = np.exp(2 * np.cos(2 * np.pi * x / 12) + 2 * np.cos(2 * np.pi * y / 12))
    >>> describe = SubImageDescriptor(size=9)
    >>> features = describe.fit_transform((image, pd.DataFrame({"x": [12.0, 24.0], "y": [24.0, 36.0]})))
    >>> features.shape, bool(np.allclose(features[0], features[1], atol=1e-5))
    ((2, 81), True)
    """

    prior = "atoms: what matters of an atom is what is seen around it"
    blind_to = ("translation", "contrast")

    def __init__(self, size: int | tuple[int, ...] | None = None) -> None:
        self.size = size

    @staticmethod
    def _pair(data):
        """(image, columns), whichever way they come."""
        if isinstance(data, tuple):
            if len(data) != 2:
                raise ValueError(f"expected (image, columns), got {len(data)} things")
            return data
        return data, find_peaks(data)

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn the size of the pictures from (image, columns) or an image."""
        self._learn(self._pair(X))
        return self

    def transform(self, X: ArrayLike) -> ndarray:
        """Describe the columns of (image, columns) or an image: float32, shape (N, height * width)."""
        check_is_fitted(self)
        return self._describe(self._pair(X))

    def fit_transform(self, X: ArrayLike, y: Any = None) -> ndarray:
        """Do both, and find the columns only once."""
        pair = self._pair(X)
        self._learn(pair)
        return self._describe(pair)

    def _learn(self, pair):
        image, columns = pair
        if self.size is not None:
            self.size_ = as_pair(self.size, "size")
        else:
            xy = positions(columns, "columns")
            if len(xy) < 2:
                raise ValueError(f"{len(xy)} columns do not tell how large a picture should be: give `size`")
            nearest = np.median(cKDTree(xy).query(xy, k=2)[0][:, 1])
            self.size_ = (2 * round(1.25 * nearest) + 1,) * 2
        self.positions_ = self._within(image, columns)

    def _within(self, image, columns):
        prepared = prepare(image)
        xy = positions(columns, "columns")
        table = columns if isinstance(columns, pd.DataFrame) else pd.DataFrame(xy, columns=["x", "y"])
        reach = (np.array(self.size_[::-1]) - 1) / 2
        fits = ((xy >= reach) & (xy + reach <= np.array(prepared.pixels.shape[::-1]) - 1)).all(axis=1)
        if not fits.any():
            height, width = self.size_
            raise ValueError(
                f"none of {len(xy)} columns has its {height} x {width} pixels in the image: reduce `size`"
            )
        return prepared.with_nm(table[fits])

    def _describe(self, pair):
        image, columns = pair
        self.positions_ = self._within(image, columns)
        found = column_windows(image, self.positions_, self.size_).reshape(len(self.positions_), -1)
        found = found - found.mean(axis=1, keepdims=True)
        length = np.linalg.norm(found, axis=1, keepdims=True)
        found /= np.where(length > 0, length, 1)
        return found.astype(np.float32)

    def _shape(self):
        return self.size_

    def inverse_image(self, features: ArrayLike) -> ndarray:
        """Draw rows of features as pictures: ndarray of float32, shape (n, height, width)."""
        return self._pictures(features)
