"""Point groups of the plane, as they act on a lattice and on ordered neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from atomlens._types import Any, ArrayLike, Sequence, ndarray

__all__ = ["POINT_GROUPS", "PointGroup", "point_group"]

_ORDERS = {"1": 1, "2": 2, "m": 1, "2mm": 2, "3": 3, "3m": 3, "4": 4, "4mm": 4, "6": 6, "6mm": 6}
_ALIASES = {"mm2": "2mm", "mm": "2mm", "3m1": "3m", "31m": "3m"}
_MIRRORS = ((1, 0), (0, 1), (1, 1), (1, -1), (1, 2), (2, 1))
_INTEGER = 0.2  # how far the matrix of an operation in the lattice basis may be from whole numbers
_TILT = 9.0  # degrees between two lattice vectors that a distorted scan may add or take
# Strain between the two axes of a lattice, or twice its shear, that a scan may make and a crystal need not
# have: stages drift and scans are calibrated to some percent, tetragonal PbTiO3 is 6.5 % off the square.
_SCAN = 0.04
_FERROIC = 0.1  # and up to this one the crystal may be a ferroic distortion of a higher symmetry
_FITS = 0.3  # of the distance between neighbours: how far an image of one may miss its partner

#: Hermann-Mauguin symbols of the point groups of the plane.
POINT_GROUPS = tuple(_ORDERS)


@dataclass(frozen=True, eq=False)
class PointGroup:
    """Operations of a point group, in the frame of a lattice.

    A scan with drift shears a square lattice, and then no rotation maps it onto itself. `frame` is the
    linear map that takes the lattice to the nearest one that has the symmetry; the operations act there.

    Attributes
    ----------
    symbol : str
    names : tuple of str
        One an operation, the identity first: "90°" is a rotation, "m 45°" a mirror line at 45 degrees to
        lattice vector a, both measured from a towards b.
    matrices : ndarray of shape (G, 2, 2)
        Orthogonal; they act on column vectors in the symmetric frame.
    frame : ndarray of shape (2, 2)
        ``vector @ frame`` is a vector in the symmetric frame.

    Examples
    --------
    >>> point_group("2mm").names
    ('1', '180°', 'm 0°', 'm 90°')
    """

    symbol: str
    names: tuple[str, ...]
    matrices: np.ndarray
    frame: np.ndarray

    def __len__(self):
        return len(self.matrices)

    def permutations(self, ideal: ndarray) -> tuple[ndarray, ndarray]:
        """How the operations permute ordered neighbours.

        Parameters
        ----------
        ideal : ndarray of shape (sites, k, 2)
            Ideal vectors to the neighbours of each site, as in `Neighbourhoods`.

        Returns
        -------
        site : ndarray of int, shape (G, sites)
            Which site's surroundings the operation makes of these.
        slot : ndarray of int, shape (G, sites, k)
            Entry that entry j becomes.

        Raises
        ------
        ValueError
            If the neighbours are not mapped onto neighbours.
        """
        stars = ideal @ self.frame
        tolerance = _FITS * min(np.linalg.norm(stars, axis=-1).min(), _closest(stars))
        n_sites, k = stars.shape[:2]
        stars = np.array([about_middle(star) for star in stars])
        site = np.zeros((len(self), n_sites), dtype=int)
        slot = np.zeros((len(self), n_sites, k), dtype=int)
        for g, matrix in enumerate(self.matrices):
            for s, star in enumerate(stars):
                site[g, s], slot[g, s] = self._image(star @ matrix.T, stars, s, tolerance, g)
        return site, slot

    def _image(self, moved, stars, first, tolerance, g):
        order = [first, *(s for s in range(len(stars)) if s != first)]
        for s in order:
            distance, slot = cKDTree(stars[s]).query(moved)
            if distance.max() < tolerance and len(set(slot.tolist())) == len(slot):
                return s, slot
        raise ValueError(
            f"operation {self.names[g]} of point group {self.symbol} does not map the {len(moved)} "
            "neighbours onto one another: take whole coordination spheres, a point group "
            "of the structure without its displacements, or another mirror direction"
        )

    def replicas(self, vectors: ndarray, kind: Any, ideal: ndarray) -> ndarray:
        """Apply every operation to ordered neighbour vectors, and put the neighbours back into their order.

        Parameters
        ----------
        vectors : ndarray of shape (N, k, 2)
            In the symmetric frame.
        kind : ndarray of int, shape (N,)
            Site of each centre.
        ideal : ndarray of shape (sites, k, 2)
            In the frame of the image.

        Returns
        -------
        ndarray of shape (G, N, k, 2)
        """
        _, slots = self.permutations(ideal)
        out = np.empty((len(self), *vectors.shape), dtype=vectors.dtype)
        rows = np.arange(len(vectors))[:, None]
        for g, matrix in enumerate(self.matrices):
            out[g, rows, slots[g, kind]] = vectors @ matrix.T.astype(vectors.dtype)
        return out


def point_group(
    symbol: str, basis: ArrayLike | None = None, *, mirror: Sequence[float] = (1, 0)
) -> PointGroup:
    """Point group of the plane, adapted to a lattice.

    Parameters
    ----------
    symbol : str
        Hermann-Mauguin: one of 1, 2, m, 2mm (or mm2), 3, 3m, 4, 4mm, 6, 6mm.
    basis : array_like of shape (2, 2), optional
        Lattice vectors a and b as rows; a square lattice without it.
    mirror : (int, int)
        A lattice direction u a + v b that lies in a mirror line, for groups that have one.

    Returns
    -------
    PointGroup

    Raises
    ------
    ValueError
        If the symbol is none of these, the mirror is no lattice direction, or the lattice has no such
        symmetry.

    References
    ----------
    International Tables for Crystallography A, chapter 3.2 (2016).

    Examples
    --------
    >>> len(point_group("4mm")), len(point_group("mm2"))
    (8, 4)
    """
    known = _ALIASES.get(symbol, symbol) if isinstance(symbol, str) else None
    if known not in _ORDERS:
        raise ValueError(f"{symbol!r} is no point group of the plane: use one of {', '.join(POINT_GROUPS)}")
    basis = np.eye(2) if basis is None else np.asarray(basis, dtype=float)
    # In the frame of a square or hexagonal lattice first: there the angles between the operations are known.
    order = _ORDERS[known]
    standard = np.array([[1.0, 0.0], [-0.5, np.sqrt(0.75)]]) if order in (3, 6) else None
    turns = [2 * np.pi * n / order for n in range(order)]
    names = ["1", *(f"{np.degrees(t):.0f}°" for t in turns[1:])]
    lines = [np.pi * n / order for n in range(order)] if "m" in known else []
    direction = _direction(mirror) if lines else None
    for metric in _metrics(basis, standard, order, mirror if lines else None):
        matrices = [_rotation(t) for t in turns]
        a = np.arctan2(metric[0, 1], metric[0, 0])
        if lines:
            along = direction @ metric
            at = np.arctan2(along[1], along[0])
            matrices += [_reflection(at + line) for line in lines]
        integer = np.array([metric @ m.T @ np.linalg.inv(metric) for m in matrices])
        if np.abs(integer - np.rint(integer)).max() < _INTEGER:
            break
    else:
        lengths = np.linalg.norm(basis, axis=1)
        angle = np.degrees(np.arccos(basis[0] @ basis[1] / lengths.prod()))
        raise ValueError(
            f"a lattice with b/a = {lengths[1] / lengths[0]:.3f} and {angle:.1f}° has no symmetry {symbol}"
            + (f" with a mirror along {tuple(mirror)}" if lines else "")
            + ": choose a point group that its lattice has"
        )
    integer = np.rint(integer)
    if lines:
        names += [f"m {round(np.degrees(at + line - a)) % 180}°" for line in lines]
    return PointGroup(known, tuple(names), *_symmetrised(basis, integer))


def _direction(mirror):
    """The mirror as an array, (u, v)."""
    try:
        direction = np.array(mirror, dtype=float)
    except (TypeError, ValueError):
        direction = np.empty(0)
    if direction.shape != (2,) or not direction.any() or not (direction == np.rint(direction)).all():
        raise ValueError(
            f"mirror must be a lattice direction (u, v), whole numbers other than (0, 0), got {mirror!r}"
        )
    return direction


def fitting(basis, ideal):
    """Point groups, with a mirror direction, that map a lattice and ordered neighbours onto themselves.

    Parameters
    ----------
    basis : ndarray of shape (2, 2)
    ideal : ndarray of shape (sites, k, 2)

    Returns
    -------
    list of (str, (int, int) or None)
        The largest groups first; no mirror where there is a choice of none.
    """
    found = []
    for symbol in sorted(POINT_GROUPS, key=lambda s: -_ORDERS[s] * (1 + ("m" in s))):
        for mirror in _MIRRORS if "m" in symbol else (None,):
            try:
                point_group(symbol, basis, mirror=mirror or (1, 0)).permutations(ideal)
            except ValueError:
                continue
            found.append((symbol, mirror))
            break
    return found


def suggest(basis, ideal):
    """The largest point group that a lattice and ordered neighbours have as they are, and what is near it.

    Parameters
    ----------
    basis : ndarray of shape (2, 2)
    ideal : ndarray of shape (sites, k, 2)

    Returns
    -------
    symbol : str
    mirror : (int, int) or None
    doubts : list of str
        Says so where a larger group is one distortion away that a scan or a ferroic crystal could have.

    Examples
    --------
    >>> square = np.array([[20.0, 0.3], [0.0, 20.2]])
    >>> suggest(square, np.array([[square[0], square[1], -square[0], -square[1]]]))[:2]
    ('4mm', (1, 0))
    """
    strained = {}
    for symbol, mirror in fitting(basis, ideal):
        strain = np.linalg.cond(point_group(symbol, basis, mirror=mirror or (1, 0)).frame) - 1
        if strain <= _SCAN:
            break
        if strain < _FERROIC:
            strained[symbol] = strain
    if not strained and strain < _SCAN / 2:
        return symbol, mirror, []
    if strained:
        larger = next(iter(strained))
        said = (
            f"point group {symbol} was taken; the lattice is {strained[larger]:.1%} off one with {larger}: "
            "if "
            f'the undistorted structure has that, say so with point_group="{larger}"'
        )
    else:
        said = (
            f"point group {symbol} was taken, though the lattice is {strain:.1%} off its symmetry: that "
            "may be the scan; if it is the crystal, name a smaller group with `point_group=`"
        )
    return symbol, mirror, [said]


def _metrics(basis, standard, order, mirror):
    """Bases in whose frame the operations are tried: the lattice, and what it may be a distortion of."""
    if standard is not None or order == 4:
        ideal = standard if standard is not None else np.eye(2)
        if standard is not None and basis[0] @ basis[1] > 0:
            ideal = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
        lengths = np.linalg.norm(basis, axis=1)
        angle = np.degrees(np.arccos(basis[0] @ basis[1] / lengths.prod()))
        wanted = 90 if order == 4 else (60 if basis[0] @ basis[1] > 0 else 120)
        if abs(lengths[1] / lengths[0] - 1) < 0.15 and abs(angle - wanted) < _TILT:
            yield ideal * np.sqrt(abs(np.linalg.det(basis) / np.linalg.det(ideal)))
        return
    yield basis
    if mirror is not None:  # a distorted rectangular or rhombic lattice
        lengths = np.linalg.norm(basis, axis=1)
        if abs(np.degrees(np.arcsin(basis[0] @ basis[1] / lengths.prod()))) < _TILT:
            yield np.diag(lengths)
        if abs(lengths[1] / lengths[0] - 1) < 0.1:
            mean = lengths.mean()
            half = np.arccos(np.clip(basis[0] @ basis[1] / lengths.prod(), -1, 1)) / 2
            yield mean * np.array([[np.cos(half), -np.sin(half)], [np.cos(half), np.sin(half)]])


def _rotation(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def _reflection(line):
    c, s = np.cos(2 * line), np.sin(2 * line)
    return np.array([[c, s], [s, -c]])


def _symmetrised(basis, integer):
    """Orthogonal matrices of the operations, and the map to the nearest lattice that has them.

    The metric tensor, averaged over the group, belongs to a lattice with its symmetry.
    """
    metric = basis @ basis.T
    mean = np.mean([w @ metric @ w.T for w in integer], axis=0)
    lower = np.linalg.cholesky(mean)
    u, _, v = np.linalg.svd(lower.T @ basis)
    ideal = lower @ u @ v
    inverse = np.linalg.inv(ideal)
    return np.array([(inverse @ w @ ideal).T for w in integer]), np.linalg.inv(basis) @ ideal


def about_middle(star):
    """Neighbours about their middle: there whole spheres are symmetric, wherever a polar centre lies.

    A middle that is too far away says that spheres are not whole; then the star is left alone.
    """
    middle = star.mean(axis=0)
    off = np.linalg.norm(middle) > _FITS * np.linalg.norm(star, axis=1).min()
    return star if off else star - middle


def _closest(stars):
    """Smallest distance between two neighbours of one centre."""
    if stars.shape[1] < 2:
        return np.inf
    return min(cKDTree(star).query(star, k=2)[0][:, 1].min() for star in stars)
