"""Where defects go, and how they are put on record: what all of `atomlens.simulate.defects` shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomlens.simulate._structure import defect_table, number_of

_REACH = 0.2  # nm within which a column must lie to be the one that `at` means


def sublattice_index(structure, sublattice):
    """Index of a sublattice given by name or index."""
    names = structure.sublattices
    if isinstance(sublattice, str):
        if names.count(sublattice) != 1:
            raise ValueError(
                f"{'no' if sublattice not in names else 'more than one'} sublattice is named "
                f"{sublattice!r}: there are {', '.join(names)}; an index works too"
            )
        return names.index(sublattice)
    if not 0 <= sublattice < len(names):
        raise ValueError(f"sublattice must be a name or an index below {len(names)}, got {sublattice!r}")
    return sublattice


def candidates(structure, element):
    """Mask of the atoms that may be changed: all, or those of an element."""
    if element is None:
        return np.ones(len(structure.atoms), dtype=bool)
    return structure.atoms.numbers == number_of(element)


def eligible(structure, sublattice):
    """Mask of the columns that hold no defect: of this sublattice, or of all visible ones."""
    table = structure.columns
    if sublattice is None:
        mask = table.visible.to_numpy()
    else:
        mask = table.label.to_numpy() == sublattice_index(structure, sublattice)
    return mask & (table.defect == "").to_numpy()


def _holding(structure, atoms):
    """Which columns hold at least one of these atoms (a mask)."""
    holding = np.zeros(len(structure.columns), dtype=bool)
    holding[structure.column_of_atom[atoms]] = True
    return holding


def spread(points, order, count, separation, what):
    """The first `count` points in this order that keep their distance from one another."""
    if separation > 0:
        blocked = np.zeros(len(points), dtype=bool)
        near = cKDTree(points).query_ball_point(points[order], separation)
        taken = []
        for index, neighbours in zip(order, near, strict=True):
            if len(taken) == count:
                break
            if not blocked[index]:
                taken.append(index)
                blocked[neighbours] = True
        order = np.array(taken, dtype=int)
    if len(order) < count:
        raise ValueError(
            f"{count} {what} do not fit: there is room for {len(order)}; ask for fewer, "
            "a smaller min_separation or a larger field of view"
        )
    return order[:count]


def chosen(structure, atoms, rng, sublattice, n, min_separation, border, fraction=None, at=None):
    """Rows of `structure.columns` to change: columns without a defect yet that hold one of `atoms`."""
    if sum(value is not None for value in (n, fraction, at)) > 1:
        raise ValueError("give only one of n, fraction and at")
    table = structure.columns
    points, extent = table[["x_nm", "y_nm"]].to_numpy(), np.array(structure.size)
    fit = eligible(structure, sublattice) & _holding(structure, atoms)
    if at is not None:
        places = np.atleast_2d(np.asarray(at, dtype=float))
        if places.shape[1:] != (2,) or not np.isfinite(places).all():
            raise ValueError(f"at must be a list of (x_nm, y_nm), got {at!r}")
        rows = np.flatnonzero(fit & np.all((points >= 0) & (points <= extent), axis=1))
        distance, nearest = cKDTree(points[rows]).query(places) if len(rows) else ([np.inf], None)
        if np.max(distance) > _REACH:
            lost = tuple(places[np.argmax(distance)].tolist())
            raise ValueError(f"no column that could take the defect lies within {_REACH} nm of {lost}")
        if len(np.unique(nearest)) < len(places):
            raise ValueError("two places of at mean the same column: give each column once")
        return rows[nearest]
    fit &= np.all((points >= border) & (points <= extent - border), axis=1)
    rows = np.flatnonzero(fit)
    if fraction is not None and not 0 <= fraction <= 1:
        raise ValueError(f"fraction must lie between 0 and 1, got {fraction!r}")
    count = (1 if n is None else n) if fraction is None else round(fraction * len(rows))
    if count < 0 or count != int(count):
        raise ValueError(f"n must be a number of defects, 0 or more, got {n!r}")
    if min_separation > 0 and len(structure.defects):
        known = cKDTree(structure.defects[["x_nm", "y_nm"]].to_numpy())
        rows = rows[known.query(points[rows])[0] >= min_separation]
    return rows[spread(points[rows], rng.permutation(len(rows)), int(count), min_separation, "defects")]


def one_each(structure, atoms, rows, rng):
    """For each of these columns one of these atoms, at random."""
    shuffled = rng.permutation(np.flatnonzero(atoms))
    columns, first = np.unique(structure.column_of_atom[shuffled], return_index=True)
    return shuffled[first[np.searchsorted(columns, rows)]]


def planted(structure, atoms, rows, kind, species, size=0.0):
    """The structure with other atoms, and one row more for each of these columns."""
    table = structure.columns.iloc[rows]
    new = defect_table(
        kind=np.full(len(rows), kind),
        x_nm=table.x_nm.to_numpy(),
        y_nm=table.y_nm.to_numpy(),
        size_nm=size,
        species=species,
        sublattice=table.label.to_numpy(),
    )
    return recorded(structure, atoms, new)


def recorded(structure, atoms, new):
    return replace(structure, atoms=atoms, defects=pd.concat([structure.defects, new], ignore_index=True))


def emptied(structure, rows):
    """The structure without these columns."""
    atoms = structure.atoms[~np.isin(structure.column_of_atom, rows)]
    return planted(structure, atoms, rows, "column_vacancy", structure.columns.species.iloc[rows].to_numpy())


def first_of(value, allowed, name):
    if value not in allowed:
        raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}, got {value!r}")
    return value == allowed[0]
