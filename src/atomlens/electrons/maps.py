"""A local density of states as a picture beside the image, and beside the pristine sheet."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomlens._doubts import inherited
from atomlens._render import draw_columns
from atomlens._types import ArrayLike, Atoms, DataArray, DataFrame
from atomlens.electrons._cells import checked, guests
from atomlens.electrons.states import States

__all__ = ["compare", "ldos_map", "pristine", "surroundings"]

_GRAPHENE = 0.24595  # nm, its lattice constant (1.42 Å times the root of 3)
_STRETCHED = 0.05  # by which a cell may differ from so many cells of graphene
_REACH = 4.5  # standard deviations beyond the picture from which atoms still shine in


def surroundings(
    atoms: Atoms,
    weights: ArrayLike | DataFrame,
    *,
    pixel_size: float = 0.02,
    width: float = 1.2,
    height: float | None = None,
    centre: ArrayLike | None = None,
    margin: float = 0.8,
) -> DataFrame:
    """All atoms in and around a picture of the defect, images in neighbouring cells included.

    Parameters
    ----------
    atoms : ase.Atoms
    weights : array_like of shape (N,) or DataFrame
        One number an atom, or what `States.local` returns.
    pixel_size, width, height : float
        Of the picture, in nm; it is square by default. These are those of ``defect.crop``.
    centre : array_like of shape (2,), optional
        What lies in the middle, (x, y) in nm; by default the mean of the guests or, without guests,
        the middle of the cell.
    margin : float
        In nm, beyond the picture.

    Returns
    -------
    DataFrame
        One row an atom: ``x_nm``, ``y_nm`` from the centre of the picture's first pixel, ``z_nm`` above the
        median of the sheet, ``species``, ``label`` (index of the atom in the cell), ``ldos`` (the weight).
        `simulate.stm.image` takes it.

    Raises
    ------
    TypeError, ValueError
        If the atoms are no periodic sheet, weights do not fit them, or a size is not positive.

    Examples
    --------
    >>> import ase.build
    >>> from atomlens import electrons
    >>> sheet = ase.build.graphene(size=(4, 4, 1), vacuum=7.5)
    >>> sheet.pbc = (True, True, False)
    >>> states = electrons.tight_binding(sheet)
    >>> surroundings(sheet, states.local(), margin=0).shape[1]
    6
    """
    atoms = checked(atoms, "a map")
    values = _weights(weights, len(atoms))
    rows, columns = frame_of(pixel_size, width, height)
    if not margin >= 0:
        raise ValueError(f"margin must not be negative, in nm, got {margin!r}")
    cell = np.asarray(atoms.cell)[:2, :2] / 10
    middle = _centre(atoms, cell) if centre is None else np.asarray(centre, dtype=float)
    if middle.shape != (2,) or not np.isfinite(middle).all():
        raise ValueError(f"centre must be (x, y) in nm, got {centre!r}")
    half = np.array([columns - 1, rows - 1]) * pixel_size / 2
    # in fractions of the cell, a disc that holds picture and margin reaches this far
    reach = (np.hypot(*half) + margin) * np.linalg.norm(np.linalg.inv(cell), axis=0) + 1
    n = [np.arange(-int(np.ceil(r)), int(np.ceil(r)) + 1) for r in reach]
    shifts = np.stack(np.meshgrid(*n, indexing="ij"), axis=-1).reshape(-1, 1, 2) @ cell
    inside = atoms.positions[:, :2] / 10 - middle
    inside = inside - np.floor(inside @ np.linalg.inv(cell)) @ cell
    xy = (shifts + inside + half).reshape(-1, 2)
    label = np.tile(np.arange(len(atoms)), len(shifts))
    kept = ((xy >= -margin) & (xy <= 2 * half + margin)).all(axis=1)
    label = label[kept]
    z = atoms.positions[:, 2] / 10
    table = pd.DataFrame(xy[kept], columns=["x_nm", "y_nm"]).assign(
        z_nm=(z - np.median(z))[label],
        species=np.array(atoms.get_chemical_symbols())[label],
        label=label,
        ldos=values[label],
    )
    table.attrs = dict(getattr(weights, "attrs", None) or {})
    return table


def ldos_map(
    atoms: Atoms,
    weights: ArrayLike | DataFrame,
    *,
    pixel_size: float = 0.02,
    width: float = 1.2,
    height: float | None = None,
    spread: float = 0.06,
    centre: ArrayLike | None = None,
) -> DataArray:
    """Draw a local density of states as a map that lies over the picture of a defect.

    Parameters
    ----------
    atoms : ase.Atoms
    weights : array_like of shape (N,) or DataFrame
        States/eV of each atom, or what `States.local` returns.
    pixel_size, width, height : float
        Of the map, in nm; it is square by default. Those here make it as large as ``defect.crop``.
    spread : float
        Standard deviation in nm of the Gaussian that stands for an atom. A bond is 0.142 nm long.
    centre : array_like of shape (2,), optional
        What lies in the middle, (x, y) in nm; by default the mean of the guests.

    Returns
    -------
    DataArray of shape (H, W)
        Dims ``(y, x)``, in states/eV/nm²; coordinates in nm from the centre of the first pixel.

    Raises
    ------
    TypeError, ValueError
        As for `surroundings`, and if the spread is not positive.

    Notes
    -----
    Every atom shines by itself: how waves of neighbours add and cancel between atoms is not in it.

    Examples
    --------
    >>> import ase.build
    >>> from atomlens import electrons
    >>> sheet = ase.build.graphene(size=(4, 4, 1), vacuum=7.5)
    >>> sheet.pbc = (True, True, False)
    >>> ldos_map(sheet, electrons.tight_binding(sheet).local()).shape
    (60, 60)
    """
    import xarray as xr

    if not spread > 0:
        raise ValueError(f"spread must be positive, in nm, got {spread!r}")
    shape = frame_of(pixel_size, width, height)
    frame = {"pixel_size": pixel_size, "width": width, "height": height, "centre": centre}
    table = surroundings(atoms, weights, margin=_REACH * spread, **frame)
    variance = (spread / pixel_size) ** 2
    drawn = draw_columns(
        shape,
        table["x_nm"].to_numpy() / pixel_size,
        table["y_nm"].to_numpy() / pixel_size,
        table["ldos"].to_numpy() / pixel_size**2,
        np.tile([variance, 0.0, variance], (len(table), 1)),
    )
    coords = {
        dim: xr.DataArray(np.arange(n) * pixel_size, dims=dim, attrs={"units": "nm", "long_name": dim})
        for dim, n in zip(("y", "x"), shape, strict=True)
    }
    attrs = {
        "units": "states/eV/nm²",
        "long_name": "local density of states",
        "pixel_size_nm": float(pixel_size),
        "doubts": inherited(weights),
    }
    return xr.DataArray(drawn, dims=("y", "x"), coords=coords, name="ldos", attrs=attrs)


def pristine(atoms: Atoms) -> Atoms:
    """Graphene in the periodic cell of a defect.

    Parameters
    ----------
    atoms : ase.Atoms
        A defect in graphene, such as ``defect.structure(5)``.

    Returns
    -------
    ase.Atoms

    Raises
    ------
    TypeError, ValueError
        If the atoms are no periodic sheet, or their cell is not made of whole cells of graphene.

    Examples
    --------
    >>> import ase.build
    >>> sheet = ase.build.graphene(size=(4, 4, 1), vacuum=7.5)
    >>> sheet.pbc = (True, True, False)
    >>> del sheet[0]
    >>> len(pristine(sheet))
    32
    """
    from ase import Atoms

    atoms = checked(atoms, "a pristine sheet")
    cell = np.asarray(atoms.cell)
    sides = np.linalg.norm(cell[:2], axis=1) / 10 / _GRAPHENE
    counts = np.rint(sides).astype(int)
    cosine = cell[0] @ cell[1] / np.linalg.norm(cell[0]) / np.linalg.norm(cell[1])
    off = np.abs(sides / np.maximum(counts, 1) - 1).max()
    if off > _STRETCHED or abs(abs(cosine) - 0.5) > _STRETCHED:
        raise ValueError(
            "the cell is not made of whole hexagonal cells of graphene "
            f"({sides[0]:.2f} x {sides[1]:.2f} of them): build the pristine sheet with ase.build"
        )
    second = 1 / 3 if cosine > 0 else 2 / 3  # along the first vector: they enclose 60 degrees, or 120
    n = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), axis=-1).reshape(-1, 1, 2)
    scaled = ((n + [[0, 0], [second, 1 / 3]]) / counts).reshape(-1, 2)
    positions = scaled @ cell[:2]
    positions[:, 2] = np.median(atoms.positions[:, 2])
    return Atoms(["C"] * len(positions), positions, cell=cell, pbc=(True, True, False))


def compare(
    states: States,
    reference: States,
    window: tuple[float, float] = (-0.5, 0.5),
    *,
    radius: float = 0.5,
    broadening: float = 0.1,
) -> DataFrame:
    """What a defect changes near the Fermi level, atom by atom, against the pristine sheet.

    Parameters
    ----------
    states : States
        Of the defect.
    reference : States
        Of the pristine sheet, by the same method, of the same cell: `pristine` makes it.
    window : tuple of float
        In eV from the Fermi level of each.
    radius : float
        In nm, around the guests or, without guests, the atoms that lack a neighbour.
    broadening : float
        In eV.

    Returns
    -------
    DataFrame
        Atoms within the radius, nearest first: ``atom`` (index), ``element``, ``distance_nm``, ``ldos`` and
        ``pristine`` (states/eV), ``ratio``. ``attrs["doubts"]`` has the doubts of both.

    Raises
    ------
    ValueError
        If the methods or cells differ, or there is neither a guest nor an atom that lacks a neighbour.

    Notes
    -----
    The window hides that energies are off by tenths of an eV; what is left depends on the size of the cell:
    by GFN1-xTB, silicon with three neighbours has 11 times the density of a carbon atom in 5x5 cells,
    10 times in 7x7.

    Examples
    --------
    >>> import ase.build
    >>> from atomlens import electrons
    >>> sheet = ase.build.graphene(size=(6, 6, 1), vacuum=7.5)
    >>> sheet.pbc = (True, True, False)
    >>> whole = electrons.tight_binding(sheet)
    >>> del sheet[0]
    >>> found = compare(electrons.tight_binding(sheet), whole)
    >>> bool(found["ratio"][:3].min() > 5)  # beside a vacancy there is a state at the Fermi level
    True
    """
    if states.method != reference.method:
        raise ValueError(f"states of {states.method} cannot be compared with states of {reference.method}")
    if np.abs(np.asarray(states.atoms.cell)[:2] - np.asarray(reference.atoms.cell)[:2]).max() > 0.01:
        raise ValueError("the cells differ: make the reference with electrons.pristine(states.atoms)")
    if not radius > 0:
        raise ValueError(f"radius must be positive, in nm, got {radius!r}")
    here = states.local(window, broadening=broadening)
    usual = float(reference.local(window, broadening=broadening)["ldos"].mean())
    strange = np.flatnonzero(guests(states.atoms))
    strange = strange if len(strange) else _lonely(states.atoms)
    if not len(strange):
        raise ValueError("there is no defect: no other element, and every atom has its three neighbours")
    away = states.atoms.get_all_distances(mic=True)[strange].min(axis=0) / 10
    order = np.argsort(away, kind="stable")
    order = order[away[order] <= radius]
    table = pd.DataFrame(
        {
            "atom": order,
            "element": here["element"].to_numpy()[order],
            "distance_nm": away[order],
            "ldos": here["ldos"].to_numpy()[order],
            "pristine": usual,
        }
    )
    table["ratio"] = table["ldos"] / usual
    doubts = list(dict.fromkeys([*states.doubts, *reference.doubts]))
    table.attrs = {"units": "states/eV", "window_eV": here.attrs["window_eV"], "doubts": doubts}
    return table


def _lonely(atoms):
    """Atoms that lack one of three neighbours."""
    from ase.neighborlist import neighbor_list

    bonded = np.bincount(neighbor_list("i", atoms, 1.9), minlength=len(atoms))
    return np.flatnonzero(bonded < 3)


def _weights(weights, count):
    values = weights["ldos"] if isinstance(weights, pd.DataFrame) and "ldos" in weights else weights
    values = np.asarray(values, dtype=float)
    if values.shape != (count,) or not np.isfinite(values).all():
        raise ValueError(
            f"weights must be one finite number an atom, {count} of them, or a table of States.local: "
            f"got shape {values.shape}"
        )
    return values


def frame_of(pixel_size, width, height):
    """(H, W) of a picture whose sizes are in nm."""
    height = width if height is None else height
    for name, value in (("pixel_size", pixel_size), ("width", width), ("height", height)):
        if not value > 0:
            raise ValueError(f"{name} must be positive, in nm, got {value!r}")
    shape = round(height / pixel_size), round(width / pixel_size)
    if min(shape) < 1:
        raise ValueError(f"a map of shape {shape} has no pixels: enlarge the width or shrink pixel_size")
    return shape


def _centre(atoms, cell):
    """Mean place of the guests, also where they lie on both sides of the cell's border; in nm."""
    places = atoms.positions[guests(atoms), :2] / 10
    if not len(places):
        return cell.sum(axis=0) / 2
    steps = (places - places[0]) @ np.linalg.inv(cell)
    return places[0] + ((steps - np.rint(steps)) @ cell).mean(axis=0)
