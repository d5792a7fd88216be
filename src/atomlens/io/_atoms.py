"""Columns as atoms: for ASE, and for all that reads structure files."""

from __future__ import annotations

import numpy as np

from atomlens._types import Any, Atoms, DataFrame, Mapping


def to_atoms(
    columns: DataFrame,
    *,
    species: str | Mapping[Any, Any] | None = None,
    pixel_size: float | None = None,
    thickness: float = 0.0,
) -> Atoms:
    """Atoms at the places of columns.

    Parameters
    ----------
    columns : pandas.DataFrame
        With ``x_nm`` and ``y_nm``, or with ``x`` and ``y`` in pixels.
    species : str or mapping, optional
        Element of all columns, or of each ``sublattice`` (or ``label``, if the table has no sublattices);
        a formula such as ``"TiO"`` or ``"S2"`` puts several atoms into a column. Default: the table's
        ``species``, or else the labels themselves, where these are elements.
    pixel_size : float, optional
        Size of a pixel in nm, for a table without ``x_nm`` and ``y_nm``.
    thickness : float
        In nm; the atoms of a column of several are spread evenly over it.

    Returns
    -------
    ase.Atoms
        Positions in Å, without a cell. The array ``column`` holds the row of the table that each atom
        belongs to.

    Raises
    ------
    ValueError
        If positions, calibration or elements are missing or make no sense, or a column of several atoms has
        no thickness.
    TypeError
        If `columns` is no table.

    Notes
    -----
    Atom x is image x, and atom y is image y: nothing is flipped, and
    :func:`atomlens.simulate.structures.from_atoms` gives the same columns back. Programs that draw y upwards
    show the image upside down.

    Examples
    --------
    >>> import pandas as pd
    >>> columns = pd.DataFrame({"x": [10.0, 30.0], "y": [10.0, 10.0], "label": [0, 1]})
    >>> atoms = to_atoms(columns, species={0: "Mo", 1: "S2"}, pixel_size=0.02, thickness=0.6)
    >>> atoms.get_chemical_symbols(), atoms.positions.round(2).tolist()
    (['Mo', 'S', 'S'], [[2.0, 2.0, 3.0], [6.0, 2.0, 1.5], [6.0, 2.0, 4.5]])
    """
    import pandas as pd
    from ase import Atoms

    if not isinstance(columns, pd.DataFrame):
        raise TypeError(f"columns must be a table (pandas.DataFrame), not a {type(columns).__name__}")
    xy = _positions(columns, pixel_size)
    if not (np.isfinite(thickness) and thickness >= 0):
        raise ValueError(f"thickness must be a length in nm, 0 or more, got {thickness!r}")
    formulas = _formulas(columns, species)
    contents = {formula: _elements(formula) for formula in formulas.unique()}
    several = [formula for formula, atoms in contents.items() if len(atoms) > 1]
    if several and not thickness:
        raise ValueError(
            f"a column {several[0]!r} holds several atoms, which would lie on one another: pass the "
            "thickness in nm, or species= with one element a column"
        )
    atoms_of = [contents[formula] for formula in formulas]
    count = np.array([len(atoms) for atoms in atoms_of])
    column = np.repeat(np.arange(len(columns)), count)
    # The n-th of so many, each in the middle of its share of the thickness.
    place = np.arange(len(column)) - np.repeat(np.cumsum(count) - count, count)
    z = 10 * thickness * (place + 0.5) / count[column]
    atoms = Atoms([atom for atoms in atoms_of for atom in atoms], np.column_stack([xy[column], z]))
    atoms.set_array("column", column)
    return atoms


def write_xyz(data, path):
    """Write atoms, or a calibrated table with species, as extended XYZ."""
    from ase import Atoms
    from ase.io import write

    write(path, data if isinstance(data, Atoms) else to_atoms(data), format="extxyz")


def _positions(columns, pixel_size):
    """Positions (N, 2) in Å."""
    calibrated = {"x_nm", "y_nm"} <= set(columns)
    if calibrated and pixel_size is not None:
        raise ValueError("the table is calibrated (x_nm, y_nm): leave out pixel_size, or drop those columns")
    if not calibrated and not {"x", "y"} <= set(columns):
        raise ValueError("the table needs positions: x_nm and y_nm, or x and y in pixels")
    if not calibrated and pixel_size is None:
        raise ValueError("the table is not calibrated: pass to_atoms the pixel_size in nm")
    if pixel_size is not None and not (np.isfinite(pixel_size) and pixel_size > 0):
        raise ValueError(f"pixel_size must be a length in nm, above 0, got {pixel_size!r}")
    if not len(columns):
        raise ValueError("the table is empty: there are no atoms in it")
    xy = columns[["x_nm", "y_nm"] if calibrated else ["x", "y"]].to_numpy(dtype=float)
    wrong = np.count_nonzero(~np.isfinite(xy).all(axis=1))
    if wrong:
        raise ValueError(f"{wrong} positions are NaN or infinite: drop those rows first")
    return 10 * xy if calibrated else 10 * pixel_size * xy


def _formulas(columns, species):
    """What every column is made of, as text."""
    import pandas as pd

    name = next((name for name in ("sublattice", "label") if name in columns), None)
    if isinstance(species, str):
        return pd.Series(species, columns.index)
    if species is None:
        name = "species" if "species" in columns else name
        if name is None:
            raise ValueError("the table does not say what its columns are: pass species, such as species='C'")
        return columns[name]
    if name is None:
        raise ValueError("the table has no sublattice or label for species to name: pass one element")
    unnamed = [label for label in columns[name].unique().tolist() if label not in species]
    if unnamed:
        raise ValueError(
            f"species names no element for {name} {', '.join(map(repr, unnamed))}: add it, or drop those rows"
        )
    return columns[name].map(dict(species))


def _elements(formula):
    """Symbols of the atoms of a column.

    >>> _elements("TiO2")
    ['Ti', 'O', 'O']
    """
    from ase.formula import Formula

    try:
        symbols = list(Formula(formula, strict=True)) if isinstance(formula, str) else []
    except ValueError:
        symbols = []
    if not symbols or "X" in symbols:  # ASE's placeholder
        raise ValueError(
            f"{formula!r} is no chemical element or formula: name them, as in "
            "to_atoms(columns, species={0: 'Pb', 1: 'Ti'}), and write these atoms"
        )
    return symbols
