"""Windows of an image: sliding, around columns, or along the lattice; their sizes, and the background.

A window is small, so what fits into it decides what can be said about it. Three ways to cut them:

* `sliding_windows` steps over the pixels. Nothing needs to be known; views, no copies.
* `column_windows` are centred on columns that were found.
* `cell_windows` are sampled along the lattice vectors, so that they hold whole unit cells exactly, whatever
  the angle between the lattice and the pixels.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter, map_coordinates

from atomlens._image import check_axes, like, prepare
from atomlens._match import positions
from atomlens._tiles import as_pair
from atomlens._types import ArrayLike, DataArray, DataFrame, Lattice, ndarray
from atomlens.lattice.model import as_lattice

__all__ = [
    "cell_windows",
    "column_windows",
    "commensurate_size",
    "flatten",
    "sliding_windows",
    "taper_window",
]

_BATCH = 1 << 20  # pixels interpolated at a time
_TAPERS = {None: np.ones, "hann": lambda n: np.hanning(n + 2)[1:-1]}


def sliding_windows(
    image: ArrayLike, size: int | tuple[int, ...], *, step: int | tuple[int, ...] = 1
) -> ndarray:
    """Windows at regular steps over an image, as views: no pixel is copied.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
        A DataArray whose data is a Dask array stays lazy.
    size : int or tuple of int
        (height, width) of the windows in pixels; one number for squares.
    step : int or tuple of int
        From one window to the next, down and across.

    Returns
    -------
    ndarray of shape (rows, columns, height, width), or DataArray
        Read-only. A DataArray has the dims (y, x, window_y, window_x); its y and x are the centres of the
        windows, in the units of the image.

    Raises
    ------
    ValueError
        If the window is larger than the image, or size or step is below 1.

    Examples
    --------
    >>> windows = sliding_windows(np.arange(24.0).reshape(4, 6), (2, 3), step=(2, 3))
    >>> windows.shape
    (2, 2, 2, 3)
    >>> windows[1, 1]
    array([[15., 16., 17.],
           [21., 22., 23.]])
    """
    size, step = as_pair(size, "size"), as_pair(step, "step")
    values = image.data if isinstance(image, xr.DataArray) else np.asarray(image)
    check_axes(values)
    if size[0] > values.shape[0] or size[1] > values.shape[1]:
        raise ValueError(
            f"a window of {size[0]} x {size[1]} pixels does not fit into an image of "
            f"{values.shape[0]} x {values.shape[1]}: make it smaller"
        )
    if isinstance(values, np.ndarray):
        windows = sliding_window_view(values, size)[:: step[0], :: step[1]]
    else:
        from dask.array.lib.stride_tricks import sliding_window_view as lazy_view

        windows = lazy_view(values, size)[:: step[0], :: step[1]]
    if not isinstance(image, xr.DataArray):
        return windows
    coords = {}
    for dim, n, s, count in zip(image.dims, size, step, windows.shape, strict=False):
        if dim in image.coords:
            along = image.coords[dim].values
            centres = (along[: len(along) - n + 1] + along[n - 1 :]) / 2
            coords[dim] = (dim, centres[::s][:count], image.coords[dim].attrs)
    dims = (*image.dims, *(f"window_{dim}" for dim in image.dims))
    # Without a name, xarray would take that of the Dask array.
    return xr.DataArray(windows, coords, dims, attrs=image.attrs).rename(image.name)


def column_windows(image: ArrayLike, columns: DataFrame, size: int | tuple[int, ...]) -> ndarray:
    """Windows centred on columns, at sub-pixel precision.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
    columns : DataFrame
        ``x``, ``y`` in pixels; the centre of each window lies exactly there (linear interpolation).
    size : int or tuple of int
        (height, width) in pixels; one number for squares.

    Returns
    -------
    ndarray of shape (N, height, width)
        Rows of `columns` in their order; beyond the border the image is mirrored.

    Raises
    ------
    ValueError
        If the image is unusable (not two axes, NaN, constant, too small), positions are missing, or `size` is
        below 1 or larger than the image.

    Examples
    --------
    >>> y, x = np.mgrid[:20, :20]
    >>> column_windows(x + 100.0 * y, pd.DataFrame({"x": [5.5], "y": [7.0]}), 1)
    array([[[705.5]]])
    """
    values = prepare(image).pixels
    height, width = as_pair(size, "size")
    if height > values.shape[0] or width > values.shape[1]:
        raise ValueError(
            f"a window of {height} x {width} pixels does not fit into an image of "
            f"{values.shape[0]} x {values.shape[1]}: make it smaller"
        )
    x, y = positions(columns, "columns").T
    rows = y[:, None, None] + (np.arange(height) - (height - 1) / 2)[:, None]
    places = x[:, None, None] + (np.arange(width) - (width - 1) / 2)
    return map_coordinates(values, np.broadcast_arrays(rows, places), order=1, mode="mirror")


def cell_windows(image: ArrayLike, lattice: Lattice) -> tuple[ndarray, DataFrame]:
    """Windows that hold one unit cell each: sampled along the lattice vectors.

    The window is a parallelogram, stretched to a rectangle. As it holds a whole cell, its circular
    autocorrelation needs no taper and does not depend on where in the cell it starts.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
    lattice : Lattice
        Of this image, from `atomlens.lattice.estimate`.

    Returns
    -------
    windows : ndarray of float32, shape (N, samples along b, samples along a)
        Linear interpolation between the pixels, about one sample a pixel.
    table : DataFrame
        One row a window: cell ``i``, ``j`` and the pixel position of its centre, ``x`` and ``y``. Only
        windows that lie within the image.

    Raises
    ------
    NotPeriodicError
        If there is no lattice.
    ValueError
        If the image is unusable, or no cell fits into it.

    Examples
    --------
    >>> from atomlens.lattice import Lattice
    >>> y, x = np.mgrid[:60, :60]
    >>> waves = np.cos(2 * np.pi * (x + 0.5 * y) / 10)
    >>> oblique = Lattice(np.array([[10.0, 0.0], [-5.0, 10.0]]), periodic=True)
    >>> windows, table = cell_windows(waves, oblique)
    >>> windows.shape[1:], bool(np.ptp(windows, axis=0).max() < 1e-4)
    ((11, 10), True)
    """
    values = prepare(image).pixels
    basis = as_lattice(lattice).required().basis
    shape = tuple(np.maximum(np.rint(lattice.lengths[::-1]).astype(int), 2))
    origin = lattice.origins[0] if len(lattice.sites) else np.zeros(2)
    height, width = values.shape
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
    inverse = np.linalg.inv(basis)
    reach = (corners - origin) @ inverse
    i, j = np.meshgrid(
        *(
            np.arange(np.floor(low), np.ceil(high) + 1)
            for low, high in zip(reach.min(axis=0), reach.max(axis=0), strict=True)
        ),
        indexing="xy",
    )
    cell = np.stack([i.ravel(), j.ravel()], axis=1)
    centre = origin + (cell + 0.5) @ basis
    half = np.abs(basis).sum(axis=0) / 2
    inside = (centre >= half).all(axis=1) & (centre + half <= [width - 1, height - 1]).all(axis=1)
    if not inside.any():
        raise ValueError(f"no unit cell fits into {height} x {width} pixels: take a larger field of view")
    cell, centre = cell[inside].astype(int), centre[inside]
    v, u = ((np.arange(n) + 0.5) / n - 0.5 for n in shape)
    offset = u[None, :, None] * basis[0] + v[:, None, None] * basis[1]
    windows = np.empty((len(centre), *shape), np.float32)
    # The places take four times the memory of the pixels: a batch at a time.
    step = max(1, _BATCH // windows[0].size)
    for start in range(0, len(centre), step):
        some = slice(start, start + step)
        x, y = (centre[some, axis, None, None] + offset[..., axis] for axis in (0, 1))
        map_coordinates(values, [y, x], output=windows[some], order=1, mode="mirror")
    table = pd.DataFrame({"i": cell[:, 0], "j": cell[:, 1], "x": centre[:, 0], "y": centre[:, 1]})
    return windows, table


def commensurate_size(lattice: Lattice) -> tuple[tuple[int, ...], float]:
    """Size of a rectangular window, in whole pixels, that the lattice repeats as well as possible.

    A window without taper is continued periodically by the Fourier transform. The Patterson function of such
    a window depends on where it was cut unless both sides are lattice vectors.

    Parameters
    ----------
    lattice : Lattice

    Returns
    -------
    size : tuple of int
        (height, width) in pixels.
    misfit : float
        Distance of the two sides from the nearest lattice vectors, in units of the shortest lattice vector:
        below 0.05 the window may be used without a taper.

    Raises
    ------
    NotPeriodicError
        If there is no lattice.

    Examples
    --------
    >>> from atomlens.lattice import Lattice
    >>> commensurate_size(Lattice(np.array([[16.0, 0.0], [0.0, 28.0]]), periodic=True))
    ((28, 16), 0.0)
    >>> hexagonal = Lattice(np.array([[18.2, 0.0], [-9.1, 15.762]]), periodic=True)
    >>> size, misfit = commensurate_size(hexagonal)
    >>> size, round(misfit, 2)
    ((32, 18), 0.03)
    """
    basis = as_lattice(lattice).required().basis
    inverse = np.linalg.inv(basis)
    # Rows or columns of lattice points lie this far apart along an axis, at least.
    least = max(2, int(np.ceil(0.9 * lattice.spacing)))
    sides = np.arange(least, int(np.ceil(4 * lattice.lengths.max())) + 1)
    best = []
    for axis in (1, 0):
        vectors = np.zeros((len(sides), 2))
        vectors[:, axis] = sides
        order = vectors @ inverse
        misfit = np.linalg.norm((order - np.rint(order)) @ basis, axis=1) / lattice.spacing
        # A longer side has to be clearly better to be worth its pixels.
        choice = np.argmin(misfit + 0.02 * sides / lattice.spacing)
        best.append((int(sides[choice]), float(misfit[choice])))
    (height, one), (width, other) = best
    return (height, width), max(one, other)


def taper_window(shape: tuple[int, ...], kind: str | None = "hann") -> ndarray:
    """Weights that fade a window out towards its border.

    Parameters
    ----------
    shape : tuple of int
        (height, width) in pixels.
    kind : {"hann", None}
        None is no taper: ones.

    Returns
    -------
    ndarray of float32, of this shape

    Raises
    ------
    ValueError
        If the kind is unknown.

    Examples
    --------
    >>> taper_window((3, 1)).ravel()
    array([0.5, 1. , 0.5], dtype=float32)
    """
    if kind not in _TAPERS:
        raise ValueError(f'taper must be "hann" or None, got {kind!r}')
    height, width = as_pair(shape, "shape")
    return np.outer(_TAPERS[kind](height), _TAPERS[kind](width)).astype(np.float32)


def flatten(image: ArrayLike, *, length: float | None = None) -> ndarray | DataArray:
    """Remove a slowly varying background; the mean stays.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
    length : float, optional
        In pixels: structure smaller than this stays, slower variation goes (standard deviation of a
        Gaussian). An eighth of the shorter side if it is not given.

    Returns
    -------
    ndarray of float32 or DataArray, like `image`

    Raises
    ------
    ValueError
        If the image is unusable (not two axes, NaN, constant, too small), or the length not positive.

    Examples
    --------
    >>> y, x = np.mgrid[:64, :64]
    >>> flat = flatten(np.sin(x) + 0.5 * x)
    >>> bool(flat.std() < 2)
    True
    """
    values = prepare(image).pixels
    length = min(values.shape) / 8 if length is None else length
    if not length > 0:
        raise ValueError(f"length must be positive, got {length} pixels")
    # Divided by the blurred window, so that the border does not pull the background up or down.
    window = gaussian_filter(np.ones_like(values), length, mode="constant")
    background = gaussian_filter(values, length, mode="constant") / window
    return like(image, (values - background + background.mean()).astype(np.float32))
