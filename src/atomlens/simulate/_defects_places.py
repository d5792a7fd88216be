"""Defects that put atoms where no site is, or along a line: interstitials, displaced atoms, line defects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from ase import Atoms
from scipy.spatial import Delaunay, cKDTree

from atomlens._types import Generator, Sequence, Structure
from atomlens.simulate import strain
from atomlens.simulate._defects_sites import (
    chosen,
    eligible,
    emptied,
    first_of,
    planted,
    recorded,
    spread,
)
from atomlens.simulate._structure import KIND, defect_table, number_of


def interstitials(
    structure: Structure,
    *,
    species: str,
    n: int | None = None,
    at: Sequence[tuple[float, float]] | None = None,
    min_separation: float = 0.2,
    border: float = 0.2,
    random_state: int | Generator = 0,
) -> Structure:
    """Add single atoms in the largest voids between the columns.

    Parameters
    ----------
    structure : Structure
    species : str
        Element of the new atoms.
    n : int, optional
        How many, at random among the voids whose radius is within 10 % of the largest; default: one. Voids
        that planted defects have left are passed over.
    at : list of tuple, optional
        Places in nm instead; the atoms are put exactly there.
    min_separation, border, random_state
        As for `vacancies`.

    Returns
    -------
    Structure
        Rows of kind "interstitial". The new columns form a sublattice of their own, ``interstitial``.

    Raises
    ------
    ValueError
        If the element is unknown, places lie outside the field of view, or there are not so many voids.

    Examples
    --------
    >>> from atomlens.simulate import structures
    >>> interstitials(structures.graphene((3.0, 3.0)), species="Li").sublattices
    ('C', 'interstitial')
    """
    number = number_of(species)
    if n is not None and at is not None:
        raise ValueError("give only one of n and at")
    extent = np.array(structure.size)
    if at is not None:
        places = np.atleast_2d(np.asarray(at, dtype=float))
        if places.shape[1:] != (2,) or not np.all((places >= 0) & (places <= extent)):
            raise ValueError(f"at must be a list of (x_nm, y_nm) inside the field of view, got {at!r}")
    else:
        voids = _voids(structure, border)
        order = np.random.default_rng(random_state).permutation(len(voids))
        places = voids[spread(voids, order, 1 if n is None else n, min_separation, "interstitials")]
    names, visible = structure.sublattices, structure.visible
    if "interstitial" not in names:
        names, visible = (*names, "interstitial"), (*visible, True)
    label = names.index("interstitial")
    height = structure.atoms.positions[:, 2].mean()
    guests = Atoms(numbers=np.full(len(places), number), positions=np.insert(10 * places, 2, height, axis=1))
    guests.set_array("sublattice", np.full(len(places), label))
    guests.set_array("domain", np.zeros(len(places), dtype=int))
    guests.set_array("ideal", 10 * places)
    guests.set_array("defect", np.full(len(places), "interstitial", dtype=KIND))
    new = defect_table(
        kind=["interstitial"] * len(places),
        x_nm=places[:, 0],
        y_nm=places[:, 1],
        size_nm=0.0,
        species=species,
        sublattice=label,
    )
    return recorded(replace(structure, sublattices=names, visible=visible), structure.atoms + guests, new)


def _voids(structure, border):
    """Centres in nm of the widest empty circles between columns, away from planted defects."""
    # Invisible columns count as well: their sites are no voids.
    points = structure.columns[["x_nm", "y_nm"]].to_numpy()
    if len(points) < 4:
        raise ValueError("there are no voids between so few columns: say where with at=")
    a, b, c = points[Delaunay(points).simplices].transpose(1, 0, 2)
    # Circumcentre relative to the first corner.
    b, c = b - a, c - a
    twice = 2 * (b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0])
    bb, cc = (b**2).sum(axis=1), (c**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.column_stack([c[:, 1] * bb - b[:, 1] * cc, b[:, 0] * cc - c[:, 0] * bb]) / twice[:, None]
    radius, centre = np.hypot(*centre.T), centre + a
    fit = np.all((centre >= border) & (centre <= np.array(structure.size) - border), axis=1)
    if len(structure.defects):
        known = cKDTree(structure.defects[["x_nm", "y_nm"]].to_numpy())
        fit[fit] = known.query(centre[fit])[0] > 0.99 * radius[fit]
    centre, radius = centre[fit], radius[fit]
    centre = centre[radius >= 0.9 * radius.max(initial=0)]
    # The triangles of one polygon share their circle: keep it once.
    doubles = cKDTree(centre).query_pairs(0.02, output_type="ndarray")[:, 1] if len(centre) else []
    return np.delete(centre, doubles, axis=0)


def displaced(
    structure: Structure,
    *,
    distance: float = 0.03,
    n: int = 1,
    sublattice: str | int | None = None,
    min_separation: float = 0.0,
    border: float = 0.2,
    random_state: int | Generator = 0,
) -> Structure:
    """Move columns off their sites, each in a direction of its own.

    Parameters
    ----------
    structure : Structure
    distance : float
        How far, in nm.
    n, sublattice, min_separation, border, random_state
        As for `vacancies`.

    Returns
    -------
    Structure
        Rows of kind "displaced": the new place, and the distance as ``size_nm``.

    Raises
    ------
    ValueError
        If the distance is not positive, or as for `vacancies`.

    Examples
    --------
    >>> from atomlens.simulate import structures
    >>> moved = displaced(structures.graphene((3.0, 3.0)), distance=0.02, n=3)
    >>> float(moved.columns.eval("(dx_nm**2 + dy_nm**2)**0.5").nlargest(3).mean().round(4))
    0.02
    """
    if not (np.isfinite(distance) and distance > 0):
        raise ValueError(f"distance must be a positive length in nm, got {distance!r}")
    rng = np.random.default_rng(random_state)
    everything = np.ones(len(structure.atoms), dtype=bool)
    rows = chosen(structure, everything, rng, sublattice, n, min_separation, border)
    angle = rng.uniform(0, 2 * np.pi, len(rows))
    shift = np.zeros((len(structure.columns), 2))
    shift[rows, 0], shift[rows, 1] = distance * np.cos(angle), distance * np.sin(angle)
    atoms, column = structure.atoms.copy(), structure.column_of_atom
    atoms.positions[:, :2] += 10 * shift[column]
    atoms.arrays["defect"][np.isin(column, rows)] = "displaced"
    species = structure.columns.species.iloc[rows].to_numpy()
    moved = planted(structure, atoms, rows, "displaced", species, size=distance)
    moved.defects.loc[len(structure.defects) :, ["x_nm", "y_nm"]] += shift[rows]
    return moved


def line_defect(
    structure: Structure,
    *,
    kind: str = "vacancy_line",
    at: tuple[float, ...] | None = None,
    angle: float = 0.0,
    length: float | None = None,
    sublattice: str | int | None = None,
    shift: float = 0.1,
) -> Structure:
    """A row of vacancies, or a line along which one half of the crystal is shifted.

    Parameters
    ----------
    structure : Structure
    kind : {"vacancy_line", "shift"}
    at : tuple of float, optional
        Middle of the line in nm, default the centre of the field.
    angle : float
        Direction of the line in degrees from x. A row of vacancies runs towards that first or second
        neighbour of the same sublattice which lies nearest to this direction.
    length : float, optional
        Of a row of vacancies, in nm; default: across the field.
    sublattice : str or int, optional
        Of the vacancies; default: that of the column nearest to the middle.
    shift : float
        How far all that lies to the left of the line moves along it, in nm.

    Returns
    -------
    Structure
        A row of kind "vacancy_line" (size: its length from first to last column) and one for every vacancy
        in it; or a row of kind "shift" (size: the shift), the columns within 0.2 nm of the line marked.

    Raises
    ------
    ValueError
        If `kind` is unknown, the middle lies outside the field, or fewer than two columns are on
        the line.

    Examples
    --------
    >>> from atomlens.simulate import structures
    >>> sheet = structures.transition_metal_dichalcogenide("MoS2", (4.0, 4.0))
    >>> line_defect(sheet, sublattice="S2", length=1.3).defects.kind.value_counts().to_dict()
    {'column_vacancy': 5, 'vacancy_line': 1}
    """
    row_of_vacancies = first_of(kind, ("vacancy_line", "shift"), "kind")
    extent = np.array(structure.size)
    middle = extent / 2 if at is None else np.asarray(at, dtype=float)
    if middle.shape != (2,) or not np.all((middle >= 0) & (middle <= extent)):
        raise ValueError(f"at must be a place (x_nm, y_nm) inside the field of view, got {at!r}")
    along = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    if not row_of_vacancies:
        return _shifted(structure, middle, along, shift)

    table = structure.columns
    points = table[["x_nm", "y_nm"]].to_numpy()
    inside = np.all((points >= 0) & (points <= extent), axis=1)
    rows = np.flatnonzero(inside & eligible(structure, sublattice))
    if len(rows) < 3:
        raise ValueError("fewer than three columns could be on the line: look at sublattice and size")
    start = rows[np.argmin(np.hypot(*(points[rows] - middle).T))]
    rows = rows[table.label.to_numpy()[rows] == table.label.iloc[start]]
    offset = points[rows] - points[start]
    distance = np.hypot(*offset.T)
    # Up to the second neighbours, but not only the other half of a dumbbell.
    around = offset[(distance > 0) & (distance < 1.8 * np.sort(distance)[min(3, len(rows) - 1)])]
    around /= np.hypot(*around.T)[:, None]
    along = around[np.argmax(np.abs(around @ along))]
    position, aside = offset @ along, np.abs(offset @ [-along[1], along[0]])
    reach = np.inf if length is None else length / 2 + 1e-6
    on = (aside < 0.25 * np.sort(distance)[1]) & (np.abs(position) <= reach)
    if on.sum() < 2:
        raise ValueError(f"a line of {length} nm holds only one column: make it longer")
    result = emptied(structure, rows[on])
    centre = points[rows[on]].mean(axis=0)
    line = defect_table(
        kind=["vacancy_line"],
        x_nm=[centre[0]],
        y_nm=[centre[1]],
        size_nm=[np.ptp(position[on])],
        species=table.species.iloc[start],
        sublattice=table.label.iloc[start],
    )
    return recorded(result, result.atoms, line)


def _shifted(structure, middle, along, shift):
    def aside(x, y):
        return (y - middle[1]) * along[0] - (x - middle[0]) * along[1]

    def field(x, y):
        left = aside(x, y) > 0
        return shift * along[0] * left, shift * along[1] * left

    moved = strain.apply(structure, field)
    near = np.abs(aside(*structure.atoms.positions[:, :2].T / 10)) < 0.2
    moved.atoms.arrays["defect"][near & (moved.atoms.arrays["defect"] == "")] = "shift"
    row = defect_table(
        kind=["shift"],
        x_nm=[middle[0]],
        y_nm=[middle[1]],
        size_nm=[abs(shift)],
        species="",
        sublattice=-1,
    )
    return recorded(moved, moved.atoms, row)
