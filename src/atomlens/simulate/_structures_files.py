"""Structures that come from elsewhere: ASE's atoms, structure files, molecular-dynamics trajectories."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from ase.io import read as ase_read
from ase.io.formats import UnknownFileTypeError, filetype

from atomlens._types import Any, Atoms, Sequence, Structure
from atomlens.simulate._structure import Motif, assemble, patch, reach

# Image x, image y and beam for each beam direction: cyclic, so that the hand of the structure stays.
_AXES = {"x": [1, 2, 0], "y": [2, 0, 1], "z": [0, 1, 2]}
# Text formats, and those binary ones that hold plain numbers: nothing that is unpickled or runs code.
_FORMATS = (
    *("aims", "castep-cell", "castep-md", "cfg", "cif", "cube", "dlp4", "dlp-history", "espresso-in"),
    *("espresso-out", "extxyz", "gen", "gromacs", "lammps-data", "lammps-dump-text", "mol", "mustem"),
    *("prismatic", "proteindatabank", "res", "sdf", "struct", "traj", "vasp", "vasp-out", "vasp-xdatcar"),
    *("xsf", "xyz"),
)


def from_atoms(
    atoms: Atoms,
    *,
    axis: str = "z",
    size: tuple[float, ...] | None = None,
    sublattice: str | Sequence[Any] | None = None,
    visible: Sequence[bool] | None = None,
    repeat: tuple[int, ...] | None = None,
    rotation: float = 0.0,
    name: str | None = None,
) -> Structure:
    """Structure from any ASE atoms.

    Atoms that are periodic in the image plane are repeated to fill the field of view and its margin; others
    (a particle, a molecule) are put into its middle as they are.

    Parameters
    ----------
    atoms : ase.Atoms
    axis : {"z", "x", "y"}
        Beam direction. Image x and y are then the axes x and y, y and z, or z and x of the atoms.
    size : tuple of float, optional
        Field of view in nm. Default: what the cell covers or, without periodicity, what the atoms cover and
        0.5 nm on every side.
    sublattice : str or sequence, optional
        One int or str an atom, or the name of an array of the atoms. Default: columns are told apart by
        the elements that share them (``("Sr", "TiO", "O")``), heaviest first.
    visible : sequence of bool, optional
        One entry a sublattice, in the order of `Structure.sublattices`. Default: those whose mean column
        weight is at least a tenth of the heaviest's.
    repeat : tuple of int, optional
        Repeats along the three cell vectors, made before anything else (for a thicker crystal, or a wider
        default size).
    rotation : float
        Degrees, anticlockwise where y points upwards.
    name : str, optional
        Default: the chemical formula.

    Returns
    -------
    Structure
        With a period when the atoms are periodic along the beam.

    Raises
    ------
    ValueError
        If there are no atoms, positions are not finite, the axis or the sublattices make no sense, or the
        beam is not along a cell vector that stands upright on the others (only for periodic atoms: set
        ``atoms.pbc = False`` to take them as they are).

    Examples
    --------
    >>> from ase.build import bulk
    >>> gold = from_atoms(bulk("Au", cubic=True), size=(2.0, 2.0))
    >>> gold.period, gold.sublattices
    (4.08, ('Au',))
    """
    if axis not in _AXES:
        raise ValueError(f"axis must be x, y or z, got {axis!r}")
    if not len(atoms):
        raise ValueError("there are no atoms: an empty structure has no image")
    if not np.isfinite(atoms.positions).all():
        raise ValueError("some positions are NaN or infinite: remove those atoms")
    if isinstance(sublattice, str):
        if sublattice not in atoms.arrays:
            raise ValueError(f"the atoms have no array {sublattice!r}, only {', '.join(atoms.arrays)}")
        sublattice = atoms.arrays[sublattice]
    by_content = sublattice is None
    sites = np.zeros(len(atoms), dtype=int) if by_content else np.asarray(sublattice)
    if sites.shape != (len(atoms),):
        raise ValueError(f"sublattice must hold one entry an atom: {len(atoms)}, not {sites.shape}")
    if repeat is not None:
        sites = np.tile(sites, int(np.prod(repeat)))
        atoms = atoms.repeat(repeat)
    names, first, of = np.unique(sites, return_index=True, return_inverse=True)
    order = np.argsort(first)
    names, of = names[order], np.argsort(order)[of]

    plane = _AXES[axis]
    positions, cell, periodic = atoms.positions[:, plane], atoms.cell.array[plane][:, plane], atoms.pbc[plane]
    numbers = atoms.numbers
    period = None
    if periodic[:2].all():
        vectors, period = _upright(cell, periodic[2], axis)
        size = np.abs(vectors).sum(axis=0) / 10 if size is None else size
        motif = Motif(vectors, positions - [*vectors.sum(axis=0) / 2, 0], numbers, of, (), (), period)
        positions, site, _ = patch(motif, reach(size))
        numbers, of = numbers[site], of[site]
    else:
        low, high = positions.min(axis=0)[:2], positions.max(axis=0)[:2]
        size = (high - low) / 10 + 1.0 if size is None else size
        positions = positions - [*(low + high) / 2, 0]
    structure = assemble(
        name or atoms.get_chemical_formula(empirical=True),
        positions,
        numbers,
        of,
        size=size,
        names=[str(name) for name in names],
        period=period,
        rotation=rotation,
    )
    if by_content:
        structure = _told_apart(structure)
    return replace(structure, visible=_heavy(structure) if visible is None else tuple(visible))


def read(
    path: str | Path,
    *,
    index: int | str = -1,
    format: str | None = None,
    axis: str = "z",
    size: tuple[float, ...] | None = None,
    sublattice: str | Sequence[Any] | None = None,
    visible: Sequence[bool] | None = None,
    repeat: tuple[int, ...] | None = None,
    rotation: float = 0.0,
) -> Structure | list[Structure]:
    """Structure from a structure or molecular-dynamics file that ASE reads.

    Parameters
    ----------
    path : str or path-like
    index : int or str
        Frame of a trajectory, the last one by default; ``":"`` or another slice gives a list.
    format : str, optional
        ASE's name of the file format (``"vasp"``, ``"lammps-dump-text"``...); default: what ASE makes of name
        and content. Formats that could run code when read are refused.
    axis, size, sublattice, visible, repeat, rotation
        As for `from_atoms`.

    Returns
    -------
    Structure or list of Structure

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the format is unknown or refused, the file cannot be read as such, it has no such frame, or a frame
        makes no structure (see `from_atoms`).

    Examples
    --------
    >>> from ase.build import bulk
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "gold.cif"
    ...     bulk("Au", cubic=True).write(path)
    ...     structure = read(path, size=(2.0, 2.0))
    >>> structure.sublattices
    ('Au',)
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if format is None:
        try:
            format = filetype(str(path))
        except UnknownFileTypeError:
            format = None
    if format not in _FORMATS:
        raise ValueError(
            f"{path.name}: the format ({format or 'unknown'}) is none of those read here: "
            f"{', '.join(_FORMATS)}; name it with format=, or convert the file"
        )
    try:
        frames = ase_read(path, index=index, format=format, do_not_split_by_at_sign=True)
    except Exception as error:  # every reader of ASE fails in its own way
        raise ValueError(f"{path.name} cannot be read as {format}, frame {index}: {error}") from error
    several = isinstance(frames, list)
    structures = [
        from_atoms(
            atoms,
            axis=axis,
            size=size,
            sublattice=sublattice,
            visible=visible,
            repeat=repeat,
            rotation=rotation,
            name=path.stem,
        )
        for atoms in (frames if several else [frames])
    ]
    return structures if several else structures[0]


def _upright(cell, deep, axis):
    """In-plane lattice vectors and the period along the beam (None for a sheet) of a periodic cell."""
    # The order of the cell vectors is turned with the axes, so the last one should be the beam's.
    flat = np.abs(cell[:2, 2]).max() < 1e-4
    if not (flat and abs(np.linalg.det(cell[:2, :2])) > 1e-3):
        raise ValueError(
            f"two cell vectors must lie in the plane across {axis}: choose another axis, or set "
            "atoms.pbc = False to take the atoms as they are"
        )
    if not deep:
        return cell[:2, :2], None
    if np.abs(cell[2, :2]).max() > 1e-4:
        raise ValueError(
            f"the cell vector along {axis} leans: repeats would not lie above one another. Build an upright "
            "cell (ase.build.make_supercell), or set atoms.pbc = False to take the atoms as they are"
        )
    return cell[:2, :2], abs(float(cell[2, 2]))


def _told_apart(structure):
    """Structure whose sublattices are the kinds of column, by the elements that share them."""
    table = structure.columns
    content = table.species.str.replace(r"\d+", "", regex=True)
    names = table.weight.groupby(content).mean().sort_values(ascending=False).index.tolist()
    label = content.map({name: index for index, name in enumerate(names)}).to_numpy(dtype=int)
    atoms = structure.atoms.copy()
    atoms.set_array("sublattice", label[structure.column_of_atom])
    return replace(structure, atoms=atoms, sublattices=tuple(names), visible=(True,) * len(names))


def _heavy(structure):
    """Which sublattices have columns that annular dark field shows beside the heaviest ones."""
    table = structure.columns
    weight = table.groupby("label").weight.mean().reindex(range(len(structure.sublattices)), fill_value=0)
    return tuple((weight >= 0.1 * weight.max()).tolist())
