"""Point defects that change what a column holds: vacancies and substitutions."""

from __future__ import annotations

import numpy as np

from atomlens._types import Generator, Sequence, Structure
from atomlens.simulate._defects_sites import (
    candidates,
    chosen,
    emptied,
    first_of,
    one_each,
    planted,
)
from atomlens.simulate._structure import number_of


def vacancies(
    structure: Structure,
    *,
    kind: str = "single",
    n: int | float | None = None,
    fraction: int | float | None = None,
    at: Sequence[tuple[float, float]] | None = None,
    sublattice: str | int | None = None,
    element: str | None = None,
    min_separation: float = 0.0,
    border: float = 0.2,
    random_state: int | Generator = 0,
) -> Structure:
    """Take one atom out of a column, or the whole column.

    Parameters
    ----------
    structure : Structure
    kind : {"single", "column"}
        One atom of each column chosen (an S2 column becomes S; a column of one atom disappears), or all.
    n, fraction : int or float, optional
        How many, or which fraction of the columns that qualify; default: one.
    at : list of tuple, optional
        Places in nm instead; the nearest column within 0.2 nm is taken.
    sublattice : str or int, optional
        Only columns of this sublattice; default: of any visible one.
    element : str, optional
        Only columns that hold this element; of single atoms, only those of this element.
    min_separation : float
        Shortest distance to other defects, in nm; for random places only.
    border : float
        Distance from the edge of the field of view, in nm; for random places only.
    random_state : int or numpy.random.Generator

    Returns
    -------
    Structure
        Rows of kind "vacancy" or "column_vacancy", with what was taken as ``species``. A column that has lost
        all its atoms is no longer in `Structure.columns`.

    Raises
    ------
    ValueError
        If sublattice, element or kind are unknown, no column lies where `at` says, or there is no room.

    Examples
    --------
    >>> from atomlens.simulate import structures
    >>> sheet = structures.transition_metal_dichalcogenide("MoS2", (4.0, 4.0))
    >>> vacancies(sheet, sublattice="S2", n=2).defects[["kind", "species"]]
          kind species
    0  vacancy       S
    1  vacancy       S
    """
    single = first_of(kind, ("single", "column"), "kind")
    rng = np.random.default_rng(random_state)
    may = candidates(structure, element)
    rows = chosen(structure, may, rng, sublattice, n, min_separation, border, fraction, at)
    if not single:
        return emptied(structure, rows)
    atoms, gone = structure.atoms.copy(), one_each(structure, may, rows, rng)
    atoms.arrays["defect"][np.isin(structure.column_of_atom, rows)] = "vacancy"
    species = np.array(atoms.get_chemical_symbols())[gone]
    del atoms[gone]
    return planted(structure, atoms, rows, "vacancy", species)


def substitutions(
    structure: Structure,
    *,
    species: str = "Si",
    atoms: str = "one",
    n: int | None = None,
    fraction: float | None = None,
    at: Sequence[tuple[float, float]] | None = None,
    sublattice: str | int | None = None,
    element: str | None = None,
    min_separation: float = 0.0,
    border: float = 0.2,
    random_state: int | Generator = 0,
) -> Structure:
    """Exchange one atom of a column, or all of them, for another element.

    Parameters
    ----------
    structure : Structure
    species : str
        The new element.
    atoms : {"one", "column"}
        One atom of each column chosen, or all.
    n, fraction, at, sublattice, element, min_separation, border, random_state
        As for `vacancies`.

    Returns
    -------
    Structure
        Rows of kind "substitution", with the new element as ``species``.

    Raises
    ------
    ValueError
        As for `vacancies`.

    Examples
    --------
    >>> from atomlens.simulate import structures
    >>> doped = substitutions(structures.graphene((3.0, 3.0)), species="Si", at=[(1.5, 1.5)])
    >>> doped.columns.species.value_counts()["Si"].item()
    1
    """
    single = first_of(atoms, ("one", "column"), "atoms")
    rng = np.random.default_rng(random_state)
    number = number_of(species)
    may = candidates(structure, element) & (structure.atoms.numbers != number)
    rows = chosen(structure, may, rng, sublattice, n, min_separation, border, fraction, at)
    changed, within = structure.atoms.copy(), np.isin(structure.column_of_atom, rows)
    changed.numbers[one_each(structure, may, rows, rng) if single else within & may] = number
    changed.arrays["defect"][within] = "substitution"
    return planted(structure, changed, rows, "substitution", species)
