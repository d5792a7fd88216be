"""Periodic sheets of atoms: what can be calculated at all, points in reciprocal space, who is beside whom."""

from __future__ import annotations

import numpy as np

_ON_TOP = 0.8  # Å: closer than any bond but those of hydrogen (H2: 0.74)
_AS_NEAR = 0.05  # Å


def checked(atoms, reason):
    """The atoms, if they are a sheet that repeats in the plane of x and y, none on top of another.

    Parameters
    ----------
    atoms : ase.Atoms
    reason : str
        What wants them, as the subject of a sentence.

    Returns
    -------
    ase.Atoms
        A copy without a calculator.

    Raises
    ------
    TypeError, ValueError
    """
    if not (hasattr(atoms, "pbc") and hasattr(atoms, "cell") and hasattr(atoms, "numbers")):
        how = "pass its .atoms" if hasattr(atoms, "atoms") else "a defect gives them with .structure(5)"
        raise TypeError(f"{reason} needs ase.Atoms, got a {type(atoms).__name__}: {how}")
    if not len(atoms):
        raise ValueError(f"{reason} needs atoms: there are none")
    cell = np.asarray(atoms.cell)
    if list(atoms.pbc) != [True, True, False]:
        raise ValueError(
            f"{reason} needs a sheet that repeats along its first two vectors and not along the third: "
            f"pbc is {[bool(p) for p in atoms.pbc]}; set atoms.pbc = (True, True, False)"
        )
    if np.abs(cell[:2, 2]).max() > 1e-6 or abs(np.linalg.det(cell[:2, :2])) < 1e-6:
        raise ValueError(
            f"{reason} needs a periodic cell: its first two vectors must span the plane of x and y"
        )
    if not np.isfinite(atoms.positions).all():
        raise ValueError("some positions are NaN or infinite: remove those atoms")
    from ase.neighborlist import neighbor_list

    i, j, far = neighbor_list("ijd", atoms, _ON_TOP)
    if len(i):
        raise ValueError(
            f"atoms {i[0]} and {j[0]} are {far[0]:.2f} Å apart, on top of each other: remove one, or check "
            "whether the cell is in ångström"
        )
    plain = atoms.copy()
    plain.calc = None
    return plain


def guests(atoms):
    """Which atoms are not of the commonest element: boolean of shape (N,)."""
    kinds, count = np.unique(atoms.numbers, return_counts=True)
    return atoms.numbers != kinds[np.argmax(count)]


def reciprocal(atoms):
    """Two reciprocal lattice vectors as rows, in 1/Å, 2 pi included; shape (2, 3)."""
    flat = np.zeros((2, 3))
    flat[:, :2] = 2 * np.pi * np.linalg.inv(np.asarray(atoms.cell)[:2, :2]).T
    return flat


def grid(atoms, kpoints, length):
    """Points of Monkhorst and Pack, one of every pair k and -k.

    Parameters
    ----------
    atoms : ase.Atoms
    kpoints : int, tuple of two int, or None
        Points along each vector; None takes as many as make the cell `length` long.
    length : float
        In Å.

    Returns
    -------
    k : ndarray of shape (K, 3)
        In 1/Å.
    weight : ndarray of shape (K,)
        Sums to 1.
    """
    if kpoints is None:
        sides = np.linalg.norm(np.asarray(atoms.cell)[:2], axis=1)
        kpoints = tuple(max(1, int(np.ceil(length / side))) for side in sides)
    counts = (kpoints, kpoints) if np.ndim(kpoints) == 0 else tuple(kpoints)
    if len(counts) != 2 or not all(isinstance(n, int | np.integer) and n >= 1 for n in counts):
        raise ValueError(f"kpoints must be one or two whole numbers of at least 1, got {kpoints!r}")
    along = [(2 * np.arange(1, n + 1) - n - 1) / (2 * n) for n in counts]
    fractions = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, 2)
    # the list is its own mirror: the last is minus the first, and so on
    half = (len(fractions) + 1) // 2
    weight = np.full(half, 2.0)
    if len(fractions) % 2:
        weight[-1] = 1.0
    return fractions[:half] @ reciprocal(atoms), weight / len(fractions)


class Images:
    """The nearest image of every atom from every other, and the phases between them.

    Parameters
    ----------
    atoms : ase.Atoms
    """

    def __init__(self, atoms):
        cell = np.asarray(atoms.cell)[:2]
        n = np.arange(-2, 3)
        shifts = np.stack(np.meshgrid(n, n, indexing="ij"), axis=-1).reshape(-1, 2) @ cell
        positions = atoms.get_positions(wrap=True)
        between = (positions[None] - positions[:, None])[..., None, :] + shifts
        far = np.linalg.norm(between, axis=-1)
        # several may be as near; in a relaxed sheet never quite
        near = far < far.min(axis=-1, keepdims=True) + _AS_NEAR
        self.shape = far.shape[:2]
        self.first, self.second, _ = np.nonzero(near)
        self.away = between[near]
        self.part = 1 / near.sum(axis=-1)[self.first, self.second]

    def phases(self, k):
        """Factors exp(i k d), the mean over images that are as near; shape (N, N)."""
        total = np.zeros(self.shape, dtype=complex)
        np.add.at(total, (self.first, self.second), self.part * np.exp(1j * (self.away @ k)))
        return total
