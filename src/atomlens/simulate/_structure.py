"""The currency of the image simulators: atoms over a field of view, and the columns that they form."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from atomlens._types import DataFrame, ndarray

MARGIN = 10.0  # Å of structure around the field of view: probe tails and mild strain reach in from there
TOLERANCE = 0.3  # Å in projection: atoms of one sublattice closer than this share a column
EXPONENT = 1.7  # of the atomic number, for the annular dark-field weight of a column
KIND = "U24"  # room for the name of a defect, the same in every structure

_DEFECTS = {
    "kind": "str",
    "x_nm": float,
    "y_nm": float,
    "size_nm": float,
    "species": "str",
    "sublattice": int,
}


def defect_table(**columns):
    """Table of planted defects with its fixed columns and types; without arguments an empty one."""
    table = pd.DataFrame({name: columns.get(name, []) for name in _DEFECTS})
    return table.astype(_DEFECTS)


@dataclass(frozen=True, eq=False)
class Structure:
    """Atoms over a rectangular field of view, seen along z, with the truth about their columns.

    Image x is atom x, image y is atom y, and the beam runs along z. The atoms cover the field
    [0, width] x [0, height] and a margin of 1 nm around it, over one repeat along the beam.

    Parameters
    ----------
    atoms : ase.Atoms
        Positions in Å. The arrays ``sublattice`` (int), ``domain`` (int), ``ideal`` ((n, 2), Å, position
        without planted displacement) and ``defect`` (str, empty where nothing is planted) are filled in
        when they are missing.
    size : tuple of float
        Width and height of the field of view, in nm.
    sublattices : tuple of str
        Names of the sublattices; a column's ``label`` counts into them.
    visible : tuple of bool
        Does annular dark field show the columns of this sublattice? One entry a sublattice.
    period : float, optional
        One repeat along the beam, in Å; None for sheets.
    defects : DataFrame
        One row a planted defect: ``kind``, ``x_nm``, ``y_nm``, ``size_nm``, ``species``, ``sublattice``
        (-1 for those of no sublattice in particular).
    name : str

    Raises
    ------
    ValueError
        If `size` is not two positive lengths, or names, visibility and atoms do not go together.

    Examples
    --------
    >>> from ase import Atoms
    >>> pair = Atoms("S2", [[5, 5, 0], [5, 5, 3.1]])
    >>> structure = Structure(pair, (1.0, 1.0), ("S2",), (True,))
    >>> structure.columns[["x_nm", "y_nm", "species", "n_atoms"]]
       x_nm  y_nm species  n_atoms
    0   0.5   0.5      S2        2
    """

    atoms: Atoms
    size: tuple[float, float]
    sublattices: tuple[str, ...]
    visible: tuple[bool, ...]
    period: float | None = None
    defects: pd.DataFrame = field(default_factory=defect_table)
    name: str = "structure"

    def __post_init__(self):
        object.__setattr__(self, "size", checked_size(self.size))
        object.__setattr__(self, "atoms", self.atoms.copy())  # what the caller does to theirs is not ours
        if len(self.sublattices) != len(self.visible):
            raise ValueError(
                f"{len(self.sublattices)} sublattices but {len(self.visible)} entries in visible: "
                "give one True or False a sublattice"
            )
        arrays, count = self.atoms.arrays, len(self.atoms)
        for name, default in (
            ("sublattice", np.zeros(count, dtype=int)),
            ("domain", np.zeros(count, dtype=int)),
            ("ideal", self.atoms.positions[:, :2].copy()),
            ("defect", np.zeros(count, dtype=KIND)),
        ):
            arrays.setdefault(name, default)
        arrays["defect"] = arrays["defect"].astype(KIND)
        labels = arrays["sublattice"]
        if count and not (labels.min() >= 0 and labels.max() < len(self.sublattices)):
            raise ValueError(
                f"atoms carry sublattices {labels.min()} to {labels.max()}, but only "
                f"{len(self.sublattices)} are named: name every sublattice"
            )

    def __repr__(self):
        width, height = self.size
        return (
            f"<Structure {self.name!r}: {width:g} x {height:g} nm, {len(self.atoms)} atoms in "
            f"{len(self._columns)} columns ({', '.join(self.sublattices)}), {len(self.defects)} defects>"
        )

    @cached_property
    def column_of_atom(self) -> ndarray:
        """Row of `columns` that each atom belongs to, an array of int."""
        # A third coordinate keeps the sublattices apart, so that one tree serves all of them.
        apart = 10 * TOLERANCE * self.atoms.arrays["sublattice"]
        tree = cKDTree(np.column_stack([self.atoms.positions[:, :2], apart]))
        i, j = tree.query_pairs(TOLERANCE, output_type="ndarray").T
        count = len(self.atoms)
        links = coo_array((np.ones(len(i), dtype=bool), (i, j)), shape=(count, count))
        return connected_components(links, directed=False)[1] if count else np.zeros(0, dtype=int)

    @cached_property
    def _columns(self):
        return self.column_table()

    @property
    def columns(self) -> DataFrame:
        """The columns that the atoms form in projection, margin included; see `column_table`."""
        return self._columns.copy(deep=False)

    def column_table(self, *, exponent: float = EXPONENT) -> DataFrame:
        """Columns in projection: atoms of one sublattice that agree in x and y within 0.03 nm.

        Parameters
        ----------
        exponent : float
            Power of the atomic number in the column's weight: 2 for pure Rutherford scattering, about 1.7
            for an annular dark-field detector.

        Returns
        -------
        DataFrame
            One row a column: ``x_nm``, ``y_nm`` (weighted mean of its atoms), ``label`` (sublattice),
            ``species`` ("S2", "Mo"), ``n_atoms`` and ``weight`` (sum of Z**exponent) over one repeat,
            ``visible``, ``domain``, ``dx_nm``, ``dy_nm`` (planted displacement) and ``defect`` (kind, or
            empty). Columns in the margin around the field are listed too.

        References
        ----------
        Treacy, Microsc. Microanal. 17, 847 (2011), for the exponent.
        """
        arrays, column = self.atoms.arrays, self.column_of_atom
        count = column.max(initial=-1) + 1
        scattering = self.atoms.numbers.astype(float) ** exponent
        weight = np.bincount(column, scattering, count)
        position = self.atoms.positions[:, :2]
        x, y, dx, dy = (
            np.bincount(column, scattering * values, count) / weight / 10
            for values in (*position.T, *(position - arrays["ideal"]).T)
        )
        first = np.unique(column, return_index=True)[1]
        labels = arrays["sublattice"][first]
        defect = np.zeros(count, dtype=arrays["defect"].dtype)
        marked = arrays["defect"] != ""
        defect[column[marked]] = arrays["defect"][marked]
        return pd.DataFrame(
            {
                "x_nm": x,
                "y_nm": y,
                "label": labels,
                "species": _species(column, self.atoms.numbers, count),
                "n_atoms": np.bincount(column, minlength=count),
                "weight": weight,
                "visible": np.array(self.visible, dtype=bool)[labels],
                "domain": arrays["domain"][first],
                "dx_nm": dx,
                "dy_nm": dy,
                "defect": pd.Series(defect, dtype="str"),
            }
        )


def _species(column, numbers, count):
    """Composition of every column as a formula, heaviest element first."""
    elements = np.unique(numbers)[::-1]
    counts = np.zeros((count, len(elements)), dtype=int)
    np.add.at(counts, (column, np.searchsorted(-elements, -numbers)), 1)
    kinds, of = np.unique(counts, axis=0, return_inverse=True)
    names = [
        "".join(
            chemical_symbols[z] + (str(n) if n > 1 else "") for z, n in zip(elements, row, strict=True) if n
        )
        for row in kinds
    ]
    return pd.Series(np.array(names, dtype=object)[of], dtype="str")


def checked_size(size):
    """The field of view as two positive floats, in nm."""
    try:
        width, height = (float(length) for length in size)
    except (TypeError, ValueError):
        raise ValueError(f"size must be (width, height) in nm, got {size!r}") from None
    if not (np.isfinite([width, height]).all() and width > 0 and height > 0):
        raise ValueError(f"size must be two positive lengths in nm, got {size!r}")
    return width, height


@dataclass(frozen=True)
class Motif:
    """Unit cell in projection: what `patch` repeats in the plane.

    Parameters
    ----------
    vectors : ndarray, shape (2, 2)
        Lattice vectors in the plane, in Å, as rows.
    positions : ndarray, shape (n, 3)
        Atoms in Å.
    numbers, sublattice : ndarray of int, shape (n,)
    names : tuple of str
    visible : tuple of bool
    period : float, optional
        Repeat along the beam, in Å.
    """

    vectors: np.ndarray
    positions: np.ndarray
    numbers: np.ndarray
    sublattice: np.ndarray
    names: tuple[str, ...]
    visible: tuple[bool, ...]
    period: float | None = None


def reach(size):
    """Radius in Å of the disc that covers a field of view and its margin at any rotation."""
    width, height = checked_size(size)
    # A little more than the diagonal: displaced atoms may come in from outside.
    return np.hypot(10 * width / 2 + MARGIN, 10 * height / 2 + MARGIN) + 2.0


def patch(motif, radius):
    """Repeat a motif over the disc of this radius around the origin.

    Returns
    -------
    positions : ndarray, shape (m, 3)
        Å, an origin of the lattice at (0, 0).
    site : ndarray of int, shape (m,)
        Which atom of the motif each one is.
    cell : ndarray of int, shape (m, 2)
        Which unit cell it belongs to.
    """
    # The lattice lines of each kind that meet the disc, and those of the neighbour cells.
    limits = radius * np.linalg.norm(np.linalg.inv(motif.vectors), axis=0)
    limits = np.ceil(limits + np.abs(motif.positions[:, :2] @ np.linalg.inv(motif.vectors)).max(axis=0))
    i, j = (np.arange(-n, n + 1) for n in limits.astype(int))
    cells = np.stack(np.meshgrid(i, j, indexing="ij"), axis=-1).reshape(-1, 2)
    xy = (cells @ motif.vectors)[:, None] + motif.positions[:, :2]
    cell, site = np.nonzero(np.einsum("ijk,ijk->ij", xy, xy) <= radius**2)
    return np.column_stack([xy[cell, site], motif.positions[site, 2]]), site, cells[cell]


def turned(vectors, degrees):
    """Vectors in the plane (their first two components), turned anticlockwise."""
    if not np.isfinite(degrees):
        raise ValueError(f"rotation must be an angle in degrees, got {degrees!r}")
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    result = np.array(vectors, dtype=float)
    result[..., :2] = result[..., :2] @ np.array([[cosine, sine], [-sine, cosine]])
    return result


def assemble(
    name,
    positions,
    numbers,
    sublattice,
    *,
    size,
    names,
    visible=None,
    period=None,
    rotation=0.0,
    ideal=None,
    domain=0,
    defect="",
    defects=None,
):
    """Turn atoms about the origin, put it into the centre of the field, and crop to field and margin.

    Parameters
    ----------
    name : str
    positions : ndarray, shape (n, 3)
        Å, relative to the centre of the field.
    numbers, sublattice : array_like of int
    size : tuple of float
        Field of view in nm.
    names : tuple of str
        Sublattices.
    visible : tuple of bool, optional
        Default: all of them.
    period : float, optional
        Å.
    rotation : float
        Degrees, anticlockwise where y points upwards.
    ideal : ndarray, shape (n, 2), optional
        Positions without planted displacement; default: the positions.
    domain : array_like of int
    defect : array_like of str
    defects : DataFrame, optional
        With places relative to the centre as well, in nm.

    Returns
    -------
    Structure
    """
    size = checked_size(size)
    extent = 10 * np.array(size)
    positions = turned(positions, rotation)
    ideal = positions[:, :2] if ideal is None else turned(ideal, rotation)
    lowest, highest = (positions[:, 2].min(), positions[:, 2].max()) if len(positions) else (0.0, 0.0)
    gap = 0.0 if period else 2.0  # a little vacuum below and above a sheet
    positions[:, 2] += gap - lowest
    keep = np.all(np.abs(positions[:, :2]) <= extent / 2 + MARGIN, axis=1)
    atoms = Atoms(
        numbers=np.broadcast_to(numbers, len(positions))[keep],
        positions=positions[keep] + [*extent / 2, 0],
        cell=[*extent, period or highest - lowest + 2 * gap],
        pbc=(False, False, period is not None),
    )
    for key, values, dtype in (
        ("sublattice", sublattice, int),
        ("domain", domain, int),
        ("defect", defect, KIND),
    ):
        atoms.set_array(key, np.broadcast_to(values, len(positions))[keep].astype(dtype))
    atoms.set_array("ideal", ideal[keep] + extent / 2)
    if defects is not None:
        place = turned(defects[["x_nm", "y_nm"]].to_numpy(), rotation) + np.array(size) / 2
        inside = np.all((place >= 0) & (place <= size), axis=1)
        defects = defects.assign(x_nm=place[:, 0], y_nm=place[:, 1])[inside].reset_index(drop=True)
    return Structure(
        atoms,
        size,
        tuple(names),
        (True,) * len(names) if visible is None else tuple(visible),
        period,
        defect_table() if defects is None else defects,
        name,
    )


def filled(name, motif, positions, site, *, numbers=None, **more):
    """`assemble` what `patch` made of a motif, perhaps with other elements; `more` as for `assemble`."""
    return assemble(
        name,
        positions,
        motif.numbers[site] if numbers is None else numbers,
        motif.sublattice[site],
        names=motif.names,
        visible=motif.visible,
        period=motif.period,
        **more,
    )


def number_of(element):
    """Atomic number of an element."""
    number = atomic_numbers.get(element, 0)
    if not number:
        raise ValueError(f"{element!r} is no chemical element")
    return number
