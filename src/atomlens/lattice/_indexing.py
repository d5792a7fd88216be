"""Which unit cell every column belongs to: grown from column to column, so that distortions may add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from atomlens.lattice.model import NotPeriodicError
from atomlens.lattice.table import search_tree

# How far a step may miss, of the shortest lattice vector and of the distance between columns of a sublattice.
_REACH, _REACH_OF_NEIGHBOURS = 0.3, 0.4
_LEAST = 9  # columns of a connected piece that may define a site of the cell
_ROUNDS = 8
_VOTES = 6
_SAMPLE = 2000  # columns that tell a typical distance


@dataclass
class Indexed:
    """Cells and sites of N columns; those without have site -1.

    Attributes
    ----------
    cell : ndarray of int, shape (N, 2)
    site : ndarray of int, shape (N,)
    basis : ndarray of shape (2, 2)
        Mean basis, by least squares over all columns.
    origins : ndarray of shape (sites, 2)
    label : ndarray of int, shape (sites,)
        Sublattice of each site.
    """

    cell: np.ndarray
    site: np.ndarray
    basis: np.ndarray
    origins: np.ndarray
    label: np.ndarray


def index_points(xy, sublattice, basis):
    """Give every column its cell and site.

    Columns that are a lattice vector apart are linked; the tree of the links that miss least carries the
    indices, so only local differences count. The pieces that this leaves are placed relative to their
    neighbours in other pieces: on a site that is known, or, where they fill the gaps, on a new one.
    """
    rows = [np.flatnonzero(sublattice == label) for label in range(sublattice.max() + 1)]
    trees = [search_tree(xy[mine]) for mine in rows]
    nearest = min((nearest_distance(tree) for tree in trees if tree.n > 1), default=np.inf)
    reach = min(_REACH * np.linalg.norm(basis, axis=1).min(), _REACH_OF_NEIGHBOURS * nearest)
    links = _links(rows, trees, basis, reach)
    piece, cell = _along_tree(xy, np.linalg.inv(basis), *links)
    sites = _Sites(xy, sublattice, basis, reach)
    sizes = np.bincount(piece)
    least = max(_LEAST, len(xy) // 2000)
    if sizes.max() < least / 3:
        raise NotPeriodicError(
            "the columns do not repeat by this lattice: estimate it from the same table, and mind the pixel "
            "size and the rotation"
        )
    for number in np.argsort(-sizes, kind="stable"):
        if sizes[number] < least and sites.label:
            break
        sites.place(np.flatnonzero(piece == number), cell)
    sites.vote_on_the_rest()
    return _fitted(xy, sites)


def nearest_distance(tree):
    """Typical distance to the nearest column."""
    return np.median(tree.query(tree.data[:: max(1, tree.n // _SAMPLE)], k=2)[0][:, 1])


def _links(rows, trees, basis, reach):
    """Pairs of columns of a sublattice that are a or b apart, and by how much each pair misses."""
    found = []
    for mine, tree in zip(rows, trees, strict=True):
        for step in basis:
            distance, near = tree.query(tree.data + step, distance_upper_bound=reach, workers=-1)
            ok = distance < np.inf
            found.append((mine[ok], mine[near[ok]], distance[ok] / reach))
    first, second, miss = (np.concatenate(part) for part in zip(*found, strict=True))
    # Between columns that have three of their four links: in another grain a few hold by chance.
    count = sum(map(len, rows))
    regular = np.bincount(first, minlength=count) + np.bincount(second, minlength=count) >= 3
    keep = regular[first] & regular[second]
    return first[keep], second[keep], miss[keep]


def _along_tree(xy, inverse, first, second, miss):
    """Connected piece of each column, and its cell relative to the root of the piece."""
    count = len(xy)
    links = coo_array((miss + 1e-6, (first, second)), shape=(count, count)).tocsr()
    tree = minimum_spanning_tree(links)
    pieces, piece = connected_components(tree, directed=False)
    # A root for every piece, all hung on one extra node: then a single walk visits everything.
    roots = np.unique(piece, return_index=True)[1]
    tree = tree.tocoo()
    ends = (np.concatenate([tree.row, np.full(pieces, count)]), np.concatenate([tree.col, roots]))
    hung = coo_array((np.ones(len(ends[0])), ends), shape=(count + 1,) * 2).tocsr()
    parent = breadth_first_order(hung, count, directed=False)[1][:count]
    parent[roots] = roots
    cell = np.rint((xy - xy[parent]) @ inverse).astype(np.int64)
    # Sum up the steps to the root, doubling the stride every time.
    while (parent != parent[parent]).any():
        cell = cell + cell[parent]
        parent = parent[parent]
    return piece, cell


class _Sites:
    """Sites of the unit cell, as they become known, and the columns placed on them so far."""

    def __init__(self, xy, sublattice, basis, reach):
        self.xy, self.sublattice, self.basis, self.reach = xy, sublattice, basis, reach
        self.inverse = np.linalg.inv(basis)
        self.cell = np.zeros((len(xy), 2), dtype=np.int64)
        self.site = np.full(len(xy), -1)
        self.label, self.offset = [], []  # sublattice and fractional coordinates of each site

    def place(self, members, cell):
        """Place one connected piece, whose cells are known relative to each other."""
        label = self.sublattice[members[0]]
        if not self.label:
            self._put(members, cell[members], self._new_site(label, np.zeros(2)))
            return
        placed = np.flatnonzero(self.site >= 0)
        some = members[:: max(1, len(members) // 2000)]
        distance, near = search_tree(self.xy[placed]).query(self.xy[some])
        close = distance <= 2 * np.median(distance)
        some, near = some[close], placed[near[close]]
        shifts = self._coordinates(some, near) - cell[some]
        # All members share one shift. Its fractional part tells the site; a circular mean first, then the
        # median about it, as a few columns may stand out.
        centre = np.angle(np.exp(2j * np.pi * shifts).mean(axis=0)) / (2 * np.pi)
        whole = np.median(np.rint(shifts - centre), axis=0)
        shift = whole + centre + np.median((shifts - centre + 0.5) % 1 - 0.5, axis=0)
        scatter = np.median(self._miss(shifts - shift))
        if scatter > 0.5 * self.reach:
            return  # another grain
        site, miss = self._nearest_site(label, shift)
        if site is None or (miss > 0.5 * self.reach and self._fills_gaps(members, label)):
            site = self._new_site(label, shift % 1)
        self._put(members, cell[members] + np.rint(shift - self.offset[site]).astype(int), site)

    def _coordinates(self, rows, near):
        """Fractional coordinates of columns, from those of a neighbour each that is placed already."""
        known = self.cell[near] + np.array(self.offset)[self.site[near]]
        return known + (self.xy[rows] - self.xy[near]) @ self.inverse

    def _nearest_site(self, label, shift):
        same = [s for s, other in enumerate(self.label) if other == label]
        if not same:
            return None, np.inf
        miss = self._miss(shift - np.array(self.offset)[same])
        return same[np.argmin(miss)], miss.min()

    def _miss(self, apart):
        """Distance in pixels to the nearest whole number of cells."""
        return np.linalg.norm(((apart + 0.5) % 1 - 0.5) @ self.basis, axis=-1)

    def _fills_gaps(self, members, label):
        """Whether columns of the same sublattice stand among the members: then these are another site."""
        rivals = np.flatnonzero((self.site >= 0) & (self.sublattice == label))
        tree = search_tree(self.xy[rivals])
        spacing = np.sqrt(abs(np.linalg.det(self.basis)))
        surrounded = tree.query(self.xy[members], k=2)[0][:, 1] < 1.2 * spacing if len(rivals) > 1 else False
        return np.mean(surrounded) > 0.5

    def _new_site(self, label, offset):
        self.label.append(label)
        self.offset.append(np.asarray(offset, dtype=float))
        return len(self.label) - 1

    def _put(self, rows, cell, site):
        self.cell[rows], self.site[rows] = cell, site

    def vote_on_the_rest(self):
        """Place what is left where its neighbours agree that it belongs, if that place is free."""
        self._one_a_place(np.flatnonzero(self.site >= 0))
        label, offset = np.array(self.label), np.array(self.offset)
        everyone = search_tree(self.xy) if (self.site < 0).any() else None
        for _ in range(_ROUNDS):
            left, placed = np.flatnonzero(self.site < 0), np.flatnonzero(self.site >= 0)
            if not left.size:
                return
            votes = min(_VOTES, placed.size)
            near = placed[
                search_tree(self.xy[placed]).query(self.xy[left], k=votes)[1].reshape(len(left), votes)
            ]
            ballots = np.array([self._coordinates(left, near[:, v]) for v in range(votes)])
            at = np.median(ballots, axis=0)
            agreed = np.median(np.linalg.norm((ballots - at) @ self.basis, axis=2), axis=0) < 0.5 * self.reach
            away = self._miss(at[:, None] - offset)
            away[self.sublattice[left][:, None] != label] = np.inf
            site = away.argmin(axis=1)
            fits = agreed & (away.min(axis=1) <= 0.7 * self.reach)
            # In another grain some fit by chance: not if most columns around do not.
            known = self.site >= 0
            known[left] = fits
            around = everyone.query(self.xy[left[fits]], k=votes + 1)[1][:, 1:]
            fits[fits] = known[around].mean(axis=1) >= 0.5
            if not fits.any() and self._found_new_sites(left[agreed], at[agreed]):
                label, offset = np.array(self.label), np.array(self.offset)
                continue
            left, site, at = left[fits], site[fits], at[fits]
            self._put(left, np.rint(at - offset[site]).astype(int), site)
            if not np.setdiff1d(left, self._one_a_place(np.concatenate([placed, left]))).size:
                return

    def _found_new_sites(self, rows, at):
        """Whether columns crowd at new places of the cell; at each a site is made.

        Where there are few cells, vacancies leave a site in pieces that are too small to be placed.
        """
        before = len(self.label)
        cells = np.bincount(self.site[self.site >= 0]).max()
        chance = np.pi * (0.5 * self.reach) ** 2 / abs(np.linalg.det(self.basis)) * len(rows)
        least = max(_LEAST, cells / 3, 3 * chance)
        for label in np.unique(self.sublattice[rows]):
            mine = at[self.sublattice[rows] == label]
            while len(mine) >= least:
                near = np.array([self._miss(mine - place) < 0.5 * self.reach for place in mine[:_SAMPLE]])
                around = near[near.sum(axis=1).argmax()]
                if around.sum() < least:
                    break
                turn = np.exp(2j * np.pi * mine[around]).mean(axis=0)
                self._new_site(label, np.angle(turn) / (2 * np.pi) % 1)
                mine = mine[~around]
        return len(self.label) > before

    def _one_a_place(self, rows):
        """Of several columns at one place, set all but the first free; return the rows of those."""
        where = np.column_stack([self.site[rows], self.cell[rows] - self.cell[rows].min(axis=0)])
        key = np.ravel_multi_index(where.T, where.max(axis=0) + 1)
        again = np.delete(rows, np.unique(key, return_index=True)[1])
        self.site[again] = -1
        return again


def _fitted(xy, sites):
    """Mean basis and origins by least squares; cells counted from 0."""
    placed = sites.site >= 0
    cell = sites.cell.copy()
    cell[placed] -= cell[placed].min(axis=0)
    n_sites = len(sites.label)
    design = np.zeros((placed.sum(), 2 + n_sites))
    design[:, :2] = cell[placed]
    design[np.arange(len(design)), 2 + sites.site[placed]] = 1
    # The normal equations are small and well behaved, and do not copy a long table.
    solution = np.linalg.solve(design.T @ design, design.T @ xy[placed])
    cell[~placed] = 0
    return Indexed(cell, sites.site, solution[:2], solution[2:], np.array(sites.label))
