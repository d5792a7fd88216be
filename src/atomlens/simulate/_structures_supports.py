"""What lies on, under and beside a crystal: amorphous films, scattered heavy atoms, patches of junk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from ase.data import atomic_masses
from scipy.constants import Avogadro
from scipy.spatial import cKDTree

from atomlens._types import Any, Callable, Generator, Structure
from atomlens.simulate._structure import MARGIN, assemble, checked_size, number_of


def _scattered(count, lower, upper, distance, rng):
    """Points at random in a box, no two closer than a distance (random sequential addition in rounds)."""
    points = np.empty((0, len(lower)))
    loose = {"balanced_tree": False, "compact_nodes": False}  # quicker to build, as good for even points
    for _ in range(100):
        missing = count - len(points)
        if missing <= 0:
            return points[:count]
        new = rng.uniform(lower, upper, (missing + 10, len(lower)))
        if len(points):
            new = new[np.isinf(cKDTree(points, **loose).query(new, distance_upper_bound=distance)[0])]
        pairs = cKDTree(new, **loose).query_pairs(distance, output_type="ndarray")
        points = np.concatenate([points, np.delete(new, pairs[:, 1], axis=0)])
    raise ValueError(
        f"{count} atoms do not fit with a distance of {distance / 10:g} nm between them "
        f"({len(points)} did): ask for fewer, or a smaller distance"
    )


def amorphous(
    element: str = "C",
    size: tuple[float, ...] = (6.0, 6.0),
    *,
    thickness: float = 1.0,
    density: float = 2.0,
    min_distance: float = 0.14,
    random_state: int | Generator = 0,
) -> Structure:
    """An amorphous film: atoms at random, none closer than a bond length.

    Parameters
    ----------
    element : str
    size : tuple of float
        Width and height of the field of view, in nm.
    thickness : float
        Along the beam, in nm.
    density : float
        In g/cm³; amorphous carbon has about 2.0.
    min_distance : float
        Shortest distance of two atoms, in nm.
    random_state : int or numpy.random.Generator

    Returns
    -------
    Structure
        One sublattice, named after the element. What happens to overlap in projection shares a column.

    Raises
    ------
    ValueError
        If the element is unknown, a length or the density is not positive, or the atoms do not fit: random
        addition ends at 38 % of the volume.

    References
    ----------
    Widom, J. Chem. Phys. 44, 3888 (1966), on random sequential addition.

    Examples
    --------
    >>> film = amorphous("C", (2.0, 2.0), thickness=0.5)
    >>> film.period is None, film.sublattices
    (True, ('C',))
    """
    number = number_of(element)
    for name, value in (("thickness", thickness), ("density", density), ("min_distance", min_distance)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive, got {value!r}")
    half = 5 * np.array(checked_size(size)) + MARGIN
    upper = np.array([*half, 10 * thickness])
    lower = np.array([*-half, 0.0])
    count = round(np.prod(upper - lower) * density * Avogadro / atomic_masses[number] * 1e-24)
    positions = _scattered(count, lower, upper, 10 * min_distance, np.random.default_rng(random_state))
    return assemble(f"amorphous {element}", positions, number, 0, size=size, names=(element,))


def single_atoms(
    element: str = "Pt",
    size: tuple[float, ...] = (6.0, 6.0),
    *,
    n: int = 20,
    min_distance: float = 0.3,
    random_state: int | Generator = 0,
) -> Structure:
    """Single atoms scattered over the field of view, none of them in its margin.

    Parameters
    ----------
    element : str
    size : tuple of float
        Width and height of the field of view, in nm.
    n : int
        Number of atoms.
    min_distance : float
        Shortest distance of two atoms, in nm.
    random_state : int or numpy.random.Generator

    Returns
    -------
    Structure
        One sublattice, named after the element.

    Raises
    ------
    ValueError
        If the element is unknown, or the atoms do not fit.

    Examples
    --------
    >>> len(single_atoms("Pt", (3.0, 3.0), n=5).columns)
    5
    """
    number = number_of(element)
    if n < 1 or n != int(n):
        raise ValueError(f"n must be a number of atoms, 1 or more, got {n!r}")
    if not (np.isfinite(min_distance) and min_distance >= 0):
        raise ValueError(f"min_distance must be 0 or a length in nm, got {min_distance!r}")
    half = 5 * np.array(checked_size(size))
    places = _scattered(int(n), -half, half, 10 * min_distance, np.random.default_rng(random_state))
    positions = np.column_stack([places, np.zeros(len(places))])
    return assemble(f"single {element} atoms", positions, number, 0, size=size, names=(element,))


def combine(
    base: Structure, overlay: Structure, *, where: tuple[Any, ...] | Callable[..., Any] | None = None
) -> Structure:
    """Lay one structure over another: a support under single atoms, a patch of junk over a crystal.

    Parameters
    ----------
    base, overlay : Structure
        Of the same field of view. A column of `base` weighs what one repeat of it weighs: choose the
        thickness of a film in proportion.
    where : tuple or callable, optional
        Part of the field in which `overlay` is kept: a disc ``(x_nm, y_nm, radius_nm)``, or a function of x
        and y (arrays in nm) that returns True there. Default: all of it.

    Returns
    -------
    Structure
        The overlay stands above the base. Sublattices are those of both, those of the overlay behind.

    Raises
    ------
    ValueError
        If the fields of view differ, or `where` is neither a disc nor such a function.

    Examples
    --------
    >>> from atomlens.simulate import structures
    >>> sheet = structures.graphene((4.0, 4.0))
    >>> dirty = combine(sheet, structures.amorphous("C", (4.0, 4.0)), where=(1.0, 1.0, 0.8))
    >>> dirty.sublattices, len(dirty.atoms) > len(sheet.atoms)
    (('C', 'C'), True)
    """
    if not np.allclose(base.size, overlay.size):
        raise ValueError(
            f"fields of view differ: {base.size} and {overlay.size} nm; build both with the same size"
        )
    keep = _mask(where, *overlay.atoms.positions[:, :2].T / 10)
    upper = overlay.atoms[keep]
    upper.positions[:, 2] += base.atoms.cell[2, 2]
    upper.arrays["sublattice"] += len(base.sublattices)
    atoms = base.atoms + upper
    atoms.cell[2, 2] += overlay.atoms.cell[2, 2]
    atoms.pbc = False
    planted = overlay.defects[_mask(where, overlay.defects.x_nm.to_numpy(), overlay.defects.y_nm.to_numpy())]
    offset = len(base.sublattices) * (planted.sublattice >= 0)
    return replace(
        base,
        atoms=atoms,
        sublattices=base.sublattices + overlay.sublattices,
        visible=base.visible + overlay.visible,
        period=None,
        defects=pd.concat(
            [base.defects, planted.assign(sublattice=planted.sublattice + offset)], ignore_index=True
        ),
        name=f"{base.name} + {overlay.name}",
    )


def _mask(where, x, y):
    if where is None:
        return np.ones(len(x), dtype=bool)
    if callable(where):
        mask = np.asarray(where(x, y))
        if mask.shape != x.shape or mask.dtype != bool:
            raise ValueError("where must return one True or False a position")
        return mask
    try:
        x0, y0, radius = (float(value) for value in where)
    except (TypeError, ValueError):
        raise ValueError(f"where must be (x_nm, y_nm, radius_nm) or a function, got {where!r}") from None
    return np.hypot(x - x0, y - y0) <= radius
