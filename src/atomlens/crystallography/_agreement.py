"""Do atoms far from one another agree in their displacement? Domains too weak for single atoms do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.spatial import cKDTree

_FAR = 3.2  # lattice spacings: pairs farther apart agree less, as domains end somewhere
_LINES = 1.5  # lattice spacings across the scan lines: pairs closer than that may share the error of a line
_SAME = 0.05  # lattice spacings: two ways that lead to the same neighbour
_FLIPS = 1999
_MOST_FLIPS = 100_000
_PER_ALPHA = 4.0  # flips per 1 / alpha: the smallest p-value, doubled, is half of alpha then
_DOMAIN = 10.0  # lattice spacings: width of the planted domains
_ENOUGH_ATOMS = 4000  # to tell what shared neighbours do to the scatter
_ROUNDING = 1e-6  # standard deviations: all signs turned are the same agreement, but for rounding
_FEWEST_BANDS = 6  # independent rows; fewer have no p-value that decides anything


@dataclass(frozen=True)
class Pairs:
    """Atoms two cells and more apart, which share neither neighbours nor scan lines.

    Attributes
    ----------
    first, second : ndarray of int
        Rows of the atoms of each pair.
    band : ndarray of int, shape (N,)
        Row of the lattice spacing across the scan lines that each atom lies in.
    place : ndarray of shape (N, 2)
        In lattice spacings.
    """

    first: np.ndarray
    second: np.ndarray
    band: np.ndarray
    place: np.ndarray

    def sums(self, u):
        """Products of displacements, summed for every two bands: ndarray of shape (bands, bands)."""
        n = self.band.max() + 1
        products = (u[self.first] * u[self.second]).sum(axis=1)
        cells = self.band[self.first] * n + self.band[self.second]
        return np.bincount(cells, products, n * n).reshape(n, n)


def pairs_of(cell, basis, star):
    """Pairs of atoms that only their displacements can make alike.

    Parameters
    ----------
    cell : ndarray of int, shape (N, 2)
    basis : ndarray of shape (2, 2)
        Lattice vectors in lattice spacings, one a row, as (x, y); scan lines run along x.
    star : ndarray of shape (k, 2)
        Neighbours of a centre, in lattice spacings.
    """
    place = cell @ basis
    band = np.unique(np.floor(place[:, 1] + 0.5).astype(int), return_inverse=True)[1].ravel()
    reach = np.ceil(_FAR / np.abs(np.linalg.det(basis)) * np.linalg.norm(basis, axis=1)[::-1]).astype(int)
    steps = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach)), axis=-1).reshape(-1, 2)
    way = steps @ basis
    half = (steps[:, 0] > 0) | ((steps[:, 0] == 0) & (steps[:, 1] > 0))
    allowed = half & (np.linalg.norm(way, axis=1) <= _FAR) & (np.abs(way[:, 1]) >= _LINES)
    shared = (star[:, None] - star).reshape(-1, 2)
    allowed &= (np.linalg.norm(way[:, None] - shared, axis=2) > _SAME).all(axis=1)
    first, second = [], []
    for step in steps[allowed]:
        there = follow(cell, step)
        rows = np.flatnonzero(there >= 0)
        first.append(rows)
        second.append(there[rows])
    empty = [np.zeros(0, dtype=int)]
    return Pairs(np.concatenate(first or empty), np.concatenate(second or empty), band, place)


def variance_ratio(pairs, cell, basis, star, shared):
    """By how much errors of shared neighbours widen the scatter of Moran's I beyond that of random signs.

    Rows beside one another share neighbours. So sums over one row and two such rows are correlated, which
    random signs undo. For errors with the covariance C, and weights W of 1 for each pair, I has the variance
    2 tr(W C W C); with random signs, C is without its entries between rows.

    Parameters
    ----------
    pairs : Pairs
    cell, basis, star
        As for `pairs_of`.
    shared : float
        Variance of the place of a neighbour, relative to that of a displacement.
    """
    n = min(len(cell), _ENOUGH_ATOMS)
    kept = np.argsort(pairs.band, kind="stable")[:n]
    row = np.full(len(cell), -1)
    row[kept] = np.arange(n)
    inside = (row[pairs.first] >= 0) & (row[pairs.second] >= 0)
    first, second = row[pairs.first[inside]], row[pairs.second[inside]]
    weights = csr_array((np.ones(len(first)), (first, second)), shape=(n, n))
    weights = weights + weights.T
    at = ((cell[kept] @ basis)[:, None] + star).reshape(-1, 2)
    group = cKDTree(at).query_ball_point(at, _SAME)  # a neighbour is the same wherever it is seen from
    name = np.unique([some[0] if len(some) == 1 else min(some) for some in group], return_inverse=True)[1]
    owner = np.repeat(np.arange(n), len(star))
    neighbours = csr_array((np.ones(len(name)), (owner, name.ravel())))
    common = coo_array(neighbours @ neighbours.T)
    value = np.where(common.row == common.col, 1.0, common.data * shared / len(star) ** 2)
    band = pairs.band[kept]
    same = band[common.row] == band[common.col]

    def scatter(value):
        moved = weights @ csr_array((value, (common.row, common.col)), shape=(n, n))
        return (moved * moved.T).sum()

    within = scatter(value * same)
    return max(scatter(value) / within, 1.0) if within > 0 else 1.0


def follow(cell, step):
    """Row of the atom that lies a number of cells away from each; -1 where there is none."""
    if not len(cell):
        return np.zeros(0, dtype=int)
    low, span = cell.min(axis=0), np.ptp(cell, axis=0) + 1
    at = np.full(span, -1)
    at[tuple((cell - low).T)] = np.arange(len(cell))
    moved = cell - low + step
    inside = ((moved >= 0) & (moved < span)).all(axis=1)
    out = np.full(len(cell), -1)
    out[inside] = at[tuple(moved[inside].T)]
    return out


class Agreement:
    """Test whether displacements agree over distances at which no errors are shared.

    Moran's I, the sum of u_i · u_j over pairs of atoms, here of those at least two lattice spacings apart
    which neither share neighbours nor lie on near scan lines. Its null distribution comes from random signs,
    one for all atoms of a row of the lattice: what a scan line shifts, and whatever correlates within a row,
    is kept, and only what rows have in common is destroyed. Where lines jump by much, domains are better seen
    in what is left without the mean of each row, but domains along the rows are not: both are looked at, and
    the larger one counts, for every choice of signs.

    Parameters
    ----------
    cell, basis, star
        As for `pairs_of`.
    shared : float
        As for `variance_ratio`.
    alpha : float
        Level of the verdict, at which it is one of two tests.
    random_state : int
    """

    def __init__(self, cell, basis, star, *, shared, alpha, random_state):
        self.pairs = pairs_of(cell, basis, star)
        self.alpha, self.random_state = alpha, random_state
        n_bands = self.pairs.band.max(initial=-1) + 1
        self.possible = n_bands >= _FEWEST_BANDS and len(self.pairs.first) > 0
        self._wider = np.sqrt(variance_ratio(self.pairs, cell, basis, star, shared)) if self.possible else 1.0
        flips = int(np.clip(_PER_ALPHA / alpha, _FLIPS, _MOST_FLIPS))
        rng = np.random.default_rng(random_state)
        self._signs = rng.choice(np.array([-1.0, 1.0]), (flips, n_bands)) if self.possible else None

    def p_value(self, u, tolerance=0.0):
        """Chance of so much agreement by accident; NaN where there are too few rows.

        Parameters
        ----------
        u : ndarray of shape (N, 2)
            Displacements in pixels.
        tolerance : float
            Common displacement in pixels that counts as none.
        """
        if not self.possible:
            return np.nan
        by_chance, found = zip(*(self._looked_at(some, tolerance) for some in self._views(u)), strict=True)
        return (1 + np.count_nonzero(np.max(by_chance, axis=0) >= max(found))) / (1 + len(self._signs))

    def common(self, u):
        """Mean of u_i · u_j over the pairs, the mean displacement taken off."""
        return self.pairs.sums(u - u.mean(axis=0)).sum() / len(self.pairs.first)

    def _views(self, u):
        """Displacements less their mean, and less that of their row."""
        band, count = self.pairs.band, np.bincount(self.pairs.band)
        rows = np.column_stack([np.bincount(band, part) / count for part in u.T])
        return u - u.mean(axis=0), u - rows[band]

    def _looked_at(self, u, tolerance):
        """Agreement with random signs, and without, in standard deviations."""
        sums = self.pairs.sums(u)
        by_chance = ((self._signs @ sums) * self._signs).sum(axis=1)
        found = sums.sum() - tolerance**2 * len(self.pairs.first)
        scale = by_chance.std() or 1.0
        return by_chance / scale, found / (scale * self._wider) - _ROUNDING


def planted_domains(place, size, images, rng):
    """Displacements of random domains: each a variant of one displacement, some ten cells wide.

    Parameters
    ----------
    place : ndarray of shape (N, 2)
        In lattice spacings.
    size : float
        Length of the displacement, in the unit of what is returned.
    images : ndarray of shape (G, 2, 2)
        Operations that make its variants.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (N, 2)
    """
    n_domains = max(1, round(len(place) / _DOMAIN**2))
    seeds = place[rng.choice(len(place), n_domains, replace=False)]
    angle = rng.uniform(0, 2 * np.pi)
    variants = images @ [np.cos(angle), np.sin(angle)]
    variants *= size / np.linalg.norm(variants[0])  # what of it lies in a mirror line does not count
    return variants[rng.integers(len(variants), size=n_domains)][cKDTree(seeds).query(place)[1]]
