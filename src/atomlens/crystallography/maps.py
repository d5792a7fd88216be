"""Physical maps from tables of columns: displacement, polarisation, strain, lattice parameters, modes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from atomlens._types import Any, ArrayLike, DataFrame, Lattice
from atomlens.lattice import index, neighbour_vectors
from atomlens.lattice.neighbours import neighbour_steps, row_finder
from atomlens.lattice.table import pixel_size, sublattice_column

__all__ = ["Components", "components", "displacements", "polarisation", "strain_map"]

_KEPT = ("x", "y", "x_nm", "y_nm", "sublattice", "label")
_ONE_SIDED = 0.15  # of the distance to the neighbours: their mean is farther off than any polar displacement
_ANOTHER = 0.5  # of the shortest lattice vector: by so much only a wrong neighbour misses
_LIKE_REFERENCE = 0.3  # strain and rotation beyond which two bases are not those of one crystal
_FLAT = 1e-3  # determinant of the scatter of points on a line, in units of the squared trace
_UC_PER_CM2 = 1.602176634e-2  # e pm / nm³ in µC/cm²


def displacements(
    columns: DataFrame | ArrayLike,
    lattice: Lattice | None = None,
    *,
    n_neighbors: int | str = 4,
    center: str | int | None = None,
    neighbors: str | int | None = None,
    random_state: int = 0,
) -> pd.DataFrame:
    """Displacement of every column from the middle of its neighbours.

    Parameters
    ----------
    columns : DataFrame with ``x`` and ``y`` in pixels, or array_like of shape (N, 2)
        A column ``sublattice`` or ``label`` names the sublattices.
    lattice : Lattice, optional
        Estimated without it.
    n_neighbors : int or "auto"
        Neighbours of each column; they must surround it (whole coordination spheres).
    center, neighbors : optional
        Sublattice of the columns that are displaced, and of their neighbours (several: a list). All of them
        without it.
    random_state : int

    Returns
    -------
    DataFrame
        One row a column of `center`, in the order and with the index of the table: its ``x``, ``y``,
        ``x_nm``, ``y_nm``, ``sublattice`` and ``label`` (those that the table has), its cell ``i``, ``j``,
        and ``dx``, ``dy`` (position minus the mean of its neighbours), ``magnitude`` in pixels and
        ``angle`` in radians from +x towards +y. NaN where a neighbour is missing. In a calibrated table
        ``dx_pm``, ``dy_pm`` and ``magnitude_pm`` too. ``attrs`` holds the ``lattice`` and the ``doubts``.

    Raises
    ------
    ValueError
        If the neighbours do not surround the column, or as for `atomlens.lattice.neighbour_vectors`.
    NotPeriodicError
        If there is no lattice.

    Notes
    -----
    Doubts of the columns and of their lattice are inherited. How large a displacement the disturbances of an
    image feign is measured by `benchmarks/wild_truth.py`, see `data/results/wild_truth.csv`.

    References
    ----------
    Jia et al., Nat. Mater. 7, 57 (2008).

    Examples
    --------
    >>> from atomlens import datasets
    >>> table = displacements(datasets.load("bfo_phantom").data, center="Fe", neighbors="Bi")
    >>> bool(abs(table.magnitude.median() * 20 - 25) < 3)  # 25 pm are planted, 20 pm a pixel
    True
    """
    hoods = neighbour_vectors(
        columns,
        lattice,
        n_neighbors=n_neighbors,
        center=center,
        neighbors=neighbors,
        random_state=random_state,
    )
    off = np.linalg.norm(hoods.ideal.mean(axis=1), axis=1) / np.linalg.norm(hoods.ideal, axis=2).mean(axis=1)
    if off.max() > _ONE_SIDED:
        raise ValueError(
            f"{n_neighbors} neighbours do not surround the column, so their middle is no reference: take "
            "whole coordination spheres (4 in a square lattice, 6 in a hexagonal one, 3 in a honeycomb)"
        )
    if not isinstance(columns, pd.DataFrame):
        columns = pd.DataFrame(np.asarray(columns, dtype=float), columns=["x", "y"])
    table = columns.iloc[hoods.centres][[name for name in _KEPT if name in columns]].copy()
    for name, values in zip("ij", hoods.cell.T, strict=True):
        table[name] = pd.arrays.IntegerArray(values.astype(np.int64), hoods.kind < 0)
    dx, dy = -hoods.vectors.mean(axis=1).T
    table = table.assign(dx=dx, dy=dy, magnitude=np.hypot(dx, dy), angle=np.arctan2(dy, dx))
    size = hoods.lattice.pixel_size_nm
    if size:
        for name in ("dx", "dy", "magnitude"):
            table[f"{name}_pm"] = 1000 * size * table[name]
    table.attrs |= {"lattice": hoods.lattice, "doubts": hoods.doubts}
    return table


def polarisation(displacements: DataFrame, *, charge: float, cell_volume: float) -> pd.DataFrame:
    """Polarisation that displacements make: P = e Z* u / V.

    Parameters
    ----------
    displacements : DataFrame
        With ``dx_pm`` and ``dy_pm``, as `displacements` returns it for calibrated columns.
    charge : float
        Born effective charge Z* of the displaced column, in elementary charges.
    cell_volume : float
        Volume of the unit cell that holds one such ion, in nm³.

    Returns
    -------
    DataFrame
        The table with ``px``, ``py`` and ``p``, in µC/cm².

    Raises
    ------
    ValueError
        If the displacements are not calibrated, or `charge` or `cell_volume` makes no sense.

    Notes
    -----
    This is the part of one ion relative to its neighbours, in projection. The other ions of the cell, oxygen
    above all, add to it; where they are not seen, people use a charge that stands for all of them.

    References
    ----------
    Meyer and Vanderbilt, Phys. Rev. B 65, 104111 (2002); for images of columns Jia et al., Nat. Mater. 7, 57
    (2008).

    Examples
    --------
    >>> shifted = pd.DataFrame({"dx_pm": [10.0], "dy_pm": [0.0]})
    >>> polarisation(shifted, charge=7.0, cell_volume=0.063).round(1)
       dx_pm  dy_pm    px   py     p
    0   10.0    0.0  17.8  0.0  17.8
    """
    if not {"dx_pm", "dy_pm"} <= set(displacements):
        raise ValueError(
            "polarisation needs displacements in pm (dx_pm, dy_pm): calibrate the columns (x_nm, y_nm), or "
            "pass `displacements` a lattice that is, lattice.calibrated(a)"
        )
    if not (np.isfinite(charge) and charge != 0):
        raise ValueError(f"charge must be a number of elementary charges other than 0, got {charge!r}")
    if not (np.isfinite(cell_volume) and cell_volume > 0):
        raise ValueError(f"cell_volume must be a volume in nm³, above 0, got {cell_volume!r}")
    px, py = (_UC_PER_CM2 * charge / cell_volume * displacements[name] for name in ("dx_pm", "dy_pm"))
    return displacements.assign(px=px, py=py, p=np.hypot(px, py))


def strain_map(
    columns: DataFrame | ArrayLike,
    lattice: Lattice | None = None,
    *,
    sublattice: Any = None,
    shells: int = 1,
    reference: Lattice | None = None,
    random_state: int = 0,
) -> pd.DataFrame:
    """Strain, rotation and lattice parameters around every column.

    The affine map that carries the ideal places of a column and its neighbours to those measured, by least
    squares. The neighbours are lattice vectors away, on the same site of the cell: shifts of one sublattice
    against another do not count as strain.

    Parameters
    ----------
    columns : DataFrame with ``x`` and ``y`` in pixels, or array_like of shape (N, 2)
        A column ``sublattice`` or ``label`` names the sublattices.
    lattice : Lattice, optional
        Estimated without it.
    sublattice : optional
        Only the columns of this one (several: a list).
    shells : int
        Coordination spheres of lattice vectors, and as many more as it takes to have two directions. More of
        them average over a larger place.
    reference : Lattice, optional
        The lattice without strain, such as that of a substrate; with pixels of another size where both are
        calibrated. By default the mean lattice of these columns, so that strain averages to about zero.
    random_state : int

    Returns
    -------
    DataFrame
        One row a column, in the order and with the index of the table: its ``x``, ``y``, ``x_nm``, ``y_nm``,
        ``sublattice`` and ``label`` (those that the table has), its cell ``i``, ``j``; ``exx``, ``eyy``,
        ``exy`` (half of the engineering shear), ``rotation_deg`` (from +x towards +y); lengths ``a``, ``b``
        in pixels (and ``a_nm``, ``b_nm``) and angle ``gamma_deg`` of the lattice vectors. NaN where fewer
        than three neighbours are there. ``attrs`` holds the mean ``lattice`` and the ``doubts``.

    Raises
    ------
    ValueError
        If `sublattice` is not in the table, `shells` is no whole number, the reference is not a lattice of
        this crystal, or as for `atomlens.lattice.index`.
    NotPeriodicError
        If there is no lattice.

    Notes
    -----
    The map is F = Q U with a rotation Q and the symmetric right stretch tensor U; the strain is U - 1 (Biot),
    in the axes of the image as they were before the rotation. For small strains it is the usual tensor.

    References
    ----------
    Falk and Langer, Phys. Rev. E 57, 7192 (1998), for the local fit.

    Examples
    --------
    >>> from atomlens.lattice import Lattice
    >>> y, x = np.mgrid[:6, :6].reshape(2, -1) * 20.0
    >>> square = Lattice(np.eye(2) * 20, periodic=True)
    >>> table = strain_map(np.column_stack([1.02 * x, y]), reference=square)
    >>> table.loc[7, ["exx", "eyy", "a", "b"]].astype(float).round(3).tolist()
    [0.02, 0.0, 20.4, 20.0]
    """
    if not (isinstance(shells, int | np.integer) and shells >= 1):
        raise ValueError(f"shells must be a whole number of at least 1, got {shells!r}")
    if sublattice is not None:
        columns = _of_sublattice(columns, sublattice)
    if reference is not None:
        reference = _scaled(reference.required(), pixel_size(columns))
    indexed = index(columns, reference if lattice is None else lattice, random_state=random_state)
    found = indexed.attrs["lattice"]
    basis = found.basis if reference is None else reference.basis
    if np.abs(found.basis @ np.linalg.inv(basis) - np.eye(2)).max() > _LIKE_REFERENCE:
        raise ValueError(
            f"{found} is not a strained {reference}: the basis vectors of the reference must be those of the "
            "crystal. Estimate both in the same way, and look at pixel sizes"
        )
    steps = _steps(found, shells)
    measured = _same_site_vectors(indexed, steps, found)
    gradient = _affine(measured, steps @ basis)
    angle = np.arctan2(gradient[:, 1, 0] - gradient[:, 0, 1], np.trace(gradient, axis1=1, axis2=2))
    cosine, sine = np.cos(angle), np.sin(angle)
    back = np.array([[cosine, sine], [-sine, cosine]]).transpose(2, 0, 1)
    strain = back @ gradient - np.eye(2)
    a, b = (gradient @ vector for vector in basis)
    table = indexed[[name for name in (*_KEPT, "i", "j") if name in indexed]].assign(
        exx=strain[:, 0, 0],
        eyy=strain[:, 1, 1],
        exy=strain[:, 0, 1],
        rotation_deg=np.degrees(angle),
        a=np.linalg.norm(a, axis=1),
        b=np.linalg.norm(b, axis=1),
        gamma_deg=np.degrees(np.arctan2(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], (a * b).sum(axis=1))),
    )
    if found.pixel_size_nm:
        table = table.assign(a_nm=found.pixel_size_nm * table["a"], b_nm=found.pixel_size_nm * table["b"])
    table.attrs["doubts"] = found.doubts
    return table


def _of_sublattice(columns, sublattice):
    """Rows of the table that belong to one or several sublattices."""
    name = sublattice_column(columns) if isinstance(columns, pd.DataFrame) else None
    wanted = list(sublattice) if isinstance(sublattice, list | tuple | set) else [sublattice]
    there = [] if name is None else columns[name].unique().tolist()
    unknown = [label for label in wanted if label not in there]
    if unknown or not wanted:
        what = f"which has {', '.join(map(repr, there))}" if there else "which names none"
        raise ValueError(f"sublattice={sublattice!r} is no sublattice of this table, {what}")
    return columns[columns[name].isin(wanted)]


def _scaled(reference, size):
    """The reference in pixels of this size."""
    if not (size and reference.pixel_size_nm):
        return reference
    return replace(
        reference, basis=reference.basis * (reference.pixel_size_nm / size), pixel_size_nm=float(size)
    )


def _steps(lattice, shells):
    """Lattice vectors (k, 2) in units of the basis, of so many shells, and not all in one direction."""
    while True:
        steps = neighbour_steps(lattice, 0, [0], shells=shells)[:, :2]
        if np.linalg.matrix_rank(steps) == 2:
            return steps
        shells += 1


def _same_site_vectors(indexed, steps, lattice):
    """Vectors (N, k, 2) from each column to those whole cells away; NaN where there is none."""
    cell = indexed[["i", "j"]].to_numpy(dtype=np.int64, na_value=0)
    site = indexed["site"].to_numpy(dtype=np.int64, na_value=-1)
    row_of = row_finder(cell, site, len(lattice.sites))
    near = np.full((len(site), len(steps)), -1)
    for s in range(len(lattice.sites)):
        mine = np.flatnonzero(site == s)
        for slot, step in enumerate(steps):
            near[mine, slot] = row_of(cell[mine] + step, s)
    xy = indexed[["x", "y"]].to_numpy(dtype=float)
    vectors = xy[near] - xy[:, None]
    # Where a dislocation is encircled, indices jump by its Burgers vector on some line.
    wrong = np.linalg.norm(vectors - steps @ lattice.basis, axis=2) > _ANOTHER * lattice.spacing
    vectors[(near < 0) | wrong] = np.nan
    return vectors


def _affine(measured, ideal):
    """Linear part F of the map ideal -> measured around each centre, by least squares: (N, 2, 2)."""
    there = np.isfinite(measured).all(axis=2)
    measured = np.where(there[..., None], measured, 0.0)
    # The centre is a point like the others, at the origin: moments about the common mean.
    count = there.sum(axis=1) + 1
    mean, mean_ideal = measured.sum(axis=1) / count[:, None], there @ ideal / count[:, None]
    cross = measured.transpose(0, 2, 1) @ ideal
    cross -= count[:, None, None] * mean[:, :, None] * mean_ideal[:, None]
    scatter = np.tensordot(there, ideal[:, :, None] * ideal[:, None], axes=1)
    scatter -= count[:, None, None] * mean_ideal[:, :, None] * mean_ideal[:, None]
    flat = np.linalg.det(scatter) <= _FLAT * np.trace(scatter, axis1=1, axis2=2) ** 2
    scatter[flat] = np.eye(2)
    gradient = cross @ np.linalg.inv(scatter)
    gradient[flat | (there.sum(axis=1) < 3)] = np.nan
    return gradient


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of neighbour vectors.

    Attributes
    ----------
    scores : ndarray of shape (N, n)
        Amplitude of each mode at every centre, in pixels; NaN where a neighbour is missing.
    modes : ndarray of shape (n, k, 2)
        Directions in which the neighbours move together, of unit length.
    mean : ndarray of shape (k, 2)
        Mean neighbourhood, in pixels.
    explained : ndarray of shape (n,)
        Share of the variance, the largest first; NaN where there is none.
    """

    scores: np.ndarray
    modes: np.ndarray
    mean: np.ndarray
    explained: np.ndarray


def components(vectors: ArrayLike, n_components: int = 4) -> Components:
    """Principal components of neighbour vectors: the ways in which neighbourhoods differ.

    Parameters
    ----------
    vectors : array_like of shape (N, k, 2)
        Ordered vectors to neighbours in pixels, NaN where one is missing.
    n_components : int
        At most 2k, and less than there are complete neighbourhoods.

    Returns
    -------
    Components
        ``mean + np.tensordot(scores, modes, axes=1)`` is the best approximation of the vectors.

    Raises
    ------
    ValueError
        If the shape is not (N, k, 2), or there are fewer complete neighbourhoods or coordinates than
        components.

    References
    ----------
    Belianinov et al., Nat. Commun. 6, 7801 (2015).

    Examples
    --------
    >>> from atomlens import datasets, lattice
    >>> columns = datasets.load("bfo_phantom").data
    >>> found = components(lattice.neighbour_vectors(columns, center="Fe", neighbors="Bi").vectors)
    >>> found.modes.shape, bool(found.explained[0] > 0.2)
    ((4, 4, 2), True)
    """
    vectors = np.asarray(vectors, dtype=float)
    if vectors.ndim != 3 or vectors.shape[2] != 2:
        raise ValueError(f"expected neighbour vectors of shape (N, k, 2), got {vectors.shape}")
    if not (isinstance(n_components, int | np.integer) and n_components >= 1):
        raise ValueError(f"n_components must be a whole number of at least 1, got {n_components!r}")
    points = vectors.reshape(len(vectors), -1)
    whole = np.isfinite(points).all(axis=1)
    most = min(points.shape[1], np.count_nonzero(whole) - 1)
    if n_components > most:
        raise ValueError(
            f"{np.count_nonzero(whole)} complete neighbourhoods of {vectors.shape[1]} neighbours have at "
            f"most {max(most, 0)} components, not {n_components}: ask for fewer"
        )
    with np.errstate(invalid="ignore"):  # a perfect lattice has no variance to share
        model = PCA(n_components, svd_solver="full").fit(points[whole])
    scores = np.full((len(points), n_components), np.nan)
    scores[whole] = model.transform(points[whole])
    shape = vectors.shape[1:]
    return Components(
        scores,
        model.components_.reshape(n_components, *shape),
        model.mean_.reshape(shape),
        model.explained_variance_ratio_,
    )
