"""Smooth displacements of a whole structure: strain and strain gradients.

Every function returns a new structure. What was planted stays on record: `Structure.columns` lists the
displacement of each column as ``dx_nm`` and ``dy_nm``, and planted defects move along with their columns.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from atomlens._types import Any, Callable, Structure
from atomlens.simulate._structure import MARGIN

__all__ = ["apply", "gradient", "homogeneous"]

_RIM = 3.0  # Å: the outermost atoms of the margin, which must stay outside the field of view


def apply(structure: Structure, field: Callable[..., Any]) -> Structure:
    """Displace all atoms by a field.

    Parameters
    ----------
    structure : Structure
    field : callable
        Function of x and y (arrays of positions, in nm) that returns the displacements ``(ux, uy)`` there, in
        nm.

    Returns
    -------
    Structure

    Raises
    ------
    ValueError
        If the field returns anything but two finite displacements a position, or if it pulls the rim of the
        structure into the field of view: build it larger and crop the image, or strain less.

    Examples
    --------
    >>> from atomlens.simulate import structures
    >>> bent = apply(structures.graphene((3.0, 3.0)), lambda x, y: (0 * x, 0.01 * (x - 1.5) ** 2))
    >>> bool((bent.columns.dy_nm >= 0).all())
    True
    """
    atoms = structure.atoms.copy()
    extent = 10 * np.array(structure.size)
    outside = np.abs(atoms.arrays["ideal"] - extent / 2) - extent / 2
    rim = outside.max(axis=1) > MARGIN - _RIM
    atoms.positions[:, :2] += 10 * _displacement(field, *atoms.positions[:, :2].T / 10)
    inside = np.all((atoms.positions[rim, :2] > 0) & (atoms.positions[rim, :2] < extent), axis=1)
    if inside.any():
        raise ValueError(
            f"the displacements pull the rim of the structure into the field of view ({inside.sum()} atoms): "
            f"its margin is {MARGIN / 10:g} nm; build a larger field and crop the image, or strain less"
        )
    defects = structure.defects.copy()
    if len(defects):
        places = defects[["x_nm", "y_nm"]].to_numpy()
        defects[["x_nm", "y_nm"]] = places + _displacement(field, *places.T)
    return replace(structure, atoms=atoms, defects=defects)


def _displacement(field, x, y):
    try:
        shift = np.stack([np.broadcast_to(np.asarray(u, dtype=float), x.shape) for u in field(x, y)], axis=-1)
    except (TypeError, ValueError) as error:
        raise ValueError("field must return (ux, uy), in nm, one value a position") from error
    if shift.shape != (*x.shape, 2) or not np.isfinite(shift).all():
        raise ValueError("field must return (ux, uy), in nm, one finite value a position")
    return shift


def homogeneous(
    structure: Structure, *, exx: float = 0.0, eyy: float = 0.0, exy: float = 0.0, rotation: float = 0.0
) -> Structure:
    """The same strain everywhere, about the centre of the field.

    Parameters
    ----------
    structure : Structure
    exx, eyy, exy : float
        Components of the strain tensor; `exy` is half of the engineering shear.
    rotation : float
        Degrees, anticlockwise where y points upwards; it follows the strain.

    Returns
    -------
    Structure

    Raises
    ------
    ValueError
        As for `apply`.

    Examples
    --------
    >>> from atomlens.simulate import structures
    >>> stretched = homogeneous(structures.graphene((3.0, 3.0)), exx=0.02)
    >>> abs(float(stretched.columns.dx_nm.max())) < 0.051
    True
    """
    angle = np.radians(rotation)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    change = turn @ (np.eye(2) + np.array([[exx, exy], [exy, eyy]])) - np.eye(2)
    centre = np.array(structure.size) / 2

    def field(x, y):
        return change @ np.stack([x - centre[0], y - centre[1]])

    return apply(structure, field)


def gradient(structure: Structure, *, start: float = -0.01, stop: float = 0.01) -> Structure:
    """Strain along x that changes linearly across the field.

    Parameters
    ----------
    structure : Structure
    start, stop : float
        Strain at the left and at the right edge of the field.

    Returns
    -------
    Structure
        Displacements vanish in the middle of the field.

    Raises
    ------
    ValueError
        As for `apply`.

    Examples
    --------
    >>> from atomlens.simulate import structures
    >>> graded = gradient(structures.graphene((3.0, 3.0)), start=0.0, stop=0.02)
    >>> bool(abs(graded.columns.dy_nm).max() < 1e-12)
    True
    """
    width, _ = structure.size

    def field(x, y):
        along = x - width / 2
        return (start + stop) / 2 * along + (stop - start) * along**2 / (2 * width), 0 * y

    return apply(structure, field)
