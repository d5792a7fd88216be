"""Ordered vectors from columns to their neighbours: entry j is the same neighbour everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from atomlens._types import ArrayLike, DataFrame, ndarray
from atomlens.lattice.estimation import _indexed
from atomlens.lattice.model import Lattice

__all__ = ["Neighbourhoods", "neighbour_vectors"]

_SHELL = 0.11  # relative: neighbours whose distances differ by less are in one coordination sphere
_FURTHEST = 64  # cells that are looked at for coordination spheres


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """Neighbours of N columns, in one order.

    Attributes
    ----------
    vectors : ndarray of shape (N, k, 2)
        From each centre to its neighbours, in pixels; NaN where a neighbour is missing.
    neighbours : ndarray of int, shape (N, k)
        Rows of the neighbours in the table; -1 where one is missing.
    centres : ndarray of int, shape (N,)
        Rows of the centres in the table.
    ideal : ndarray of shape (sites, k, 2)
        Vectors that the lattice wants, for every site of the centres.
    kind : ndarray of int, shape (N,)
        Which row of `ideal` belongs to each centre; -1 for centres that are on no site.
    cell : ndarray of int, shape (N, 2)
        Unit cell of each centre.
    lattice : Lattice

    Examples
    --------
    >>> y, x = np.mgrid[:6, :6]
    >>> hoods = neighbour_vectors(np.column_stack([x.ravel() * 20.0, y.ravel() * 20.0]), n_neighbors=4)
    >>> hoods.vectors[7].tolist()
    [[20.0, 0.0], [0.0, 20.0], [-20.0, 0.0], [0.0, -20.0]]
    """

    vectors: np.ndarray
    neighbours: np.ndarray = field(repr=False)
    centres: np.ndarray = field(repr=False)
    ideal: np.ndarray = field(repr=False)
    kind: np.ndarray = field(repr=False)
    cell: np.ndarray = field(repr=False)
    lattice: Lattice = field(repr=False)

    def __repr__(self):
        n, k, _ = self.vectors.shape
        complete = np.count_nonzero(self.complete)
        return f"<Neighbourhoods: {n} centres with {k} neighbours each, {complete} complete>"

    @property
    def doubts(self) -> list:
        """What speaks against the lattice and the columns."""
        return self.lattice.doubts

    @property
    def complete(self) -> ndarray:
        """Whether each centre has all its neighbours: ndarray of bool, shape (N,)."""
        return (self.neighbours >= 0).all(axis=1)


def neighbour_vectors(
    columns: DataFrame | ArrayLike,
    lattice: Lattice | None = None,
    *,
    n_neighbors: int | str = 4,
    center: str | int | None = None,
    neighbors: str | int | None = None,
    random_state: int = 0,
) -> Neighbourhoods:
    """Vectors from every column of a sublattice to its neighbours, ordered by lattice vector.

    Sorting neighbours by angle jumps where an angle passes 180 degrees. Here a neighbour is known by the
    lattice vector that leads to it, so that entry j means the same neighbour at every centre.

    Parameters
    ----------
    columns : DataFrame with ``x`` and ``y`` in pixels, or array_like of shape (N, 2)
        A column ``sublattice`` or ``label`` names the sublattices.
    lattice : Lattice, optional
        Estimated without it.
    n_neighbors : int or "auto"
        Number of neighbours, nearest first; by angle from lattice vector a within a coordination sphere.
        "auto" takes all up to the widest gap between the distances of the first nine, as a ratio: a sphere,
        also where its centre is displaced.
    center, neighbors : optional
        Sublattice of the centres and of their neighbours (several: a list). All of them without it.
    random_state : int

    Returns
    -------
    Neighbourhoods

    Raises
    ------
    ValueError
        If a sublattice is not in the table, if there are fewer columns than neighbours, or as for
        `atomlens.lattice.estimate`.
    NotPeriodicError
        If there is no lattice.

    References
    ----------
    Belianinov et al., Nat. Commun. 6, 7801 (2015).

    Examples
    --------
    >>> from atomlens import datasets
    >>> columns = datasets.load("bfo_phantom").data
    >>> neighbour_vectors(columns, center="Fe", neighbors="Bi").vectors.shape[1:]
    (4, 2)
    """
    whole = isinstance(n_neighbors, int | np.integer) and n_neighbors >= 1
    if not (whole or (isinstance(n_neighbors, str) and n_neighbors == "auto")):
        raise ValueError(f'n_neighbors must be a whole number of at least 1, or "auto", got {n_neighbors!r}')
    if whole and len(columns) <= n_neighbors:
        raise ValueError(
            f"{len(columns)} columns have no {n_neighbors} neighbours each: ask for fewer, or add columns"
        )
    lattice, cell, site = _indexed(columns, lattice, random_state)
    lattice.required()
    labels = lattice.sites["label"].tolist()
    centres = _sites_of(labels, center, "center")
    partners = _sites_of(labels, neighbors, "neighbors")
    if not whole:
        n_neighbors = max(_up_to_a_gap(lattice, s, partners) for s in centres)
    stars = [neighbour_steps(lattice, s, partners, n_neighbors) for s in centres]
    row_of = row_finder(cell, site, len(labels))
    own = _rows_of(columns, lattice, center)
    kind = np.full(len(own), -1)
    near = np.full((len(own), n_neighbors), -1)
    for number, (s, star) in enumerate(zip(centres, stars, strict=True)):
        mine = site[own] == s
        kind[mine] = number
        for slot, (di, dj, partner) in enumerate(star):
            near[mine, slot] = row_of(cell[own[mine]] + [di, dj], partner)
    xy = np.asarray(columns[["x", "y"]] if isinstance(columns, pd.DataFrame) else columns, dtype=float)
    vectors = xy[near] - xy[own][:, None]
    vectors[near < 0] = np.nan
    ideal = np.array([_ideal(lattice, s, star) for s, star in zip(centres, stars, strict=True)])
    return Neighbourhoods(vectors, near, own, ideal, kind, cell[own], lattice)


def _sites_of(labels, wanted, name):
    """Sites whose sublattice is wanted."""
    if wanted is None:
        return list(range(len(labels)))
    several = list(wanted) if isinstance(wanted, list | tuple | set) else [wanted]
    if not several:
        raise ValueError(f"{name} is empty: name at least one sublattice, or leave it out for all of them")
    unknown = [w for w in several if w not in labels]
    if unknown:
        there = ", ".join(repr(label) for label in dict.fromkeys(labels))
        hint = (
            ""
            if len(set(labels)) > 1
            else (
                "; the table has one sublattice only: name them in a column `sublattice`, or see "
                "`atomlens.lattice.assign_sublattices`"
            )
        )
        raise ValueError(f"{name}={unknown[0]!r} is no sublattice of this table, which has {there}{hint}")
    return [s for s, label in enumerate(labels) if label in several]


def _rows_of(columns, lattice, center):
    """Rows of the table that belong to the sublattice of the centres, indexed or not."""
    from atomlens.lattice.table import sublattice_column

    name = sublattice_column(columns) if isinstance(columns, pd.DataFrame) else None
    if center is None or name is None:
        return np.arange(len(columns))
    several = list(center) if isinstance(center, list | tuple | set) else [center]
    return np.flatnonzero(columns[name].isin(several))


def _up_to_a_gap(lattice, site, partners):
    """How many neighbours come before the widest gap between their distances; a single one is no sphere."""
    length = np.sort(
        np.linalg.norm(_ideal(lattice, site, neighbour_steps(lattice, site, partners, 9)), axis=1)
    )
    ratio = length[2:] / length[1:-1]
    return 2 + int(np.flatnonzero(ratio > ratio.max() * (1 - _SHELL / 2))[0])


def neighbour_steps(lattice, site, partners, n_neighbors=0, shells=None):
    """Steps (di, dj, site) to so many neighbours of a site, or all of some shells, in order."""
    reach = 2
    while True:
        i, j = np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="ij")
        steps = np.array([(a, b, p) for p in partners for a, b in zip(i.flat, j.flat, strict=True)])
        steps = steps[~((steps[:, 0] == 0) & (steps[:, 1] == 0) & (steps[:, 2] == site))]
        vectors = _ideal(lattice, site, steps)
        length = np.linalg.norm(vectors, axis=1)
        order = np.argsort(length, kind="stable")
        steps, vectors, length = steps[order], vectors[order], length[order]
        shell = _shells(length)
        # Only within this distance is the list of steps complete.
        complete = length < (reach - 1) * np.abs(np.linalg.det(lattice.basis)) / lattice.lengths.max()
        count = (shell < shells).sum() if shells is not None else n_neighbors
        needed = np.flatnonzero(shell <= shell[min(count, len(shell)) - 1])
        if reach > _FURTHEST:
            raise ValueError(f"the first {shells} coordination spheres cannot be told apart: take fewer")
        if count <= len(steps) and needed[-1] + 1 < len(steps) and complete[needed[-1] + 1]:
            break
        reach *= 2
    angle = np.arctan2(vectors[:, 1], vectors[:, 0]) - np.arctan2(*lattice.basis[0][::-1])
    # A hair below zero is zero: a neighbour along a comes first.
    angle = np.mod(angle + 0.1, 2 * np.pi)
    order = np.lexsort((angle, shell))[:count]
    return steps[order]


def _shells(length):
    """Number the coordination spheres: each begins with its nearest member and is so many per cent deep."""
    shell, first, number = np.zeros(len(length), dtype=int), length[0], 0
    for n, distance in enumerate(length):
        if distance > (1 + _SHELL) * first:
            first, number = distance, number + 1
        shell[n] = number
    return shell


def _ideal(lattice, site, steps):
    steps = np.asarray(steps)
    return steps[:, :2] @ lattice.basis + lattice.origins[steps[:, 2]] - lattice.origins[site]


def row_finder(cell, site, n_sites):
    """A function from cells and a site to rows of the table, -1 where there is no column."""
    on = np.flatnonzero(site >= 0)
    size = cell[on].max(axis=0) + 1
    grid = np.full((*size, n_sites), -1, dtype=np.int64)
    grid[cell[on, 0], cell[on, 1], site[on]] = on

    def row_of(cells, partner):
        there = ((cells >= 0) & (cells < size)).all(axis=1)
        rows = np.full(len(cells), -1)
        rows[there] = grid[cells[there, 0], cells[there, 1], partner]
        return rows

    return row_of
