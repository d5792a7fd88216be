"""`write`: a DataArray or a table to a file, all or nothing."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from functools import partial
from pathlib import Path

import numpy as np

from atomlens._paths import user_path
from atomlens._replace import replacing
from atomlens._types import Any, ArrayLike, DataArray, Mapping
from atomlens.io import _metadata, _rosetta, _stores, _tiff
from atomlens.io._atoms import write_xyz
from atomlens.io._axes import SPACE, kind_of

_ARRAYS = {
    ".zarr": _stores.write_zarr,
    ".nc": _stores.write_netcdf,
    ".hspy": partial(_rosetta.write, "hspy"),
    ".zspy": partial(_rosetta.write, "zspy"),
    ".tif": _tiff.write_tiff,
    ".tiff": _tiff.write_tiff,
}
_BYTES_A_NUMBER = 20  # in text
_KEEP_EVERY_COORDINATE = (".zarr", ".nc")


def write(data: DataArray | ArrayLike, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write data so that :func:`read` returns it with its dims, coordinates, units and attrs.

    The file appears under its name when it is complete; after a failure nothing is left.

    Parameters
    ----------
    data : xarray.DataArray, 1-D or 2-D ndarray, pandas.DataFrame, or ase.Atoms
        A Dask array is written block by block. An ndarray is taken as a spectrum or an image without
        calibration.
    path : str or path-like
        Ends in ``.zarr``, ``.nc``, ``.hspy``, ``.zspy``, ``.tif`` (images), ``.csv`` (tables), or ``.xyz``
        (atoms, and calibrated tables of columns whose elements are known, see :func:`to_atoms`).
    overwrite : bool
        Replace a file that exists.

    Returns
    -------
    pathlib.Path
        Where it was written.

    Raises
    ------
    FileExistsError
        If `path` exists and `overwrite` is False.
    FileNotFoundError, NotADirectoryError, PermissionError
        If the folder does not exist, is none, or cannot be written to.
    OSError
        If there is no room for the file.
    TypeError, ValueError
        If the format cannot hold the data.

    Notes
    -----
    hspy and tif store coordinates as scale and offset, so they come back to within rounding; zarr and NetCDF
    keep them bit by bit. tif has calibration tags that Fiji and other programs read.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile, xarray as xr
    >>> from atomlens import io
    >>> image = xr.DataArray(np.eye(3), {"x": ("x", [0.0, 0.1, 0.2], {"units": "nm"})}, ("y", "x"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = io.read(io.write(image, pathlib.Path(folder, "image.nc")))
    >>> bool((again == image).all()), again.x.attrs["units"]
    (True, 'nm')
    """
    return write_all({path: data}, overwrite=overwrite)[0]


def write_all(files: Mapping[str | Path, Any], *, overwrite: bool = False) -> list[Path]:
    """Write several files, all of them or none.

    Parameters
    ----------
    files : mapping of path to data
        As for :func:`write`.
    overwrite : bool
        Replace files that exist.

    Returns
    -------
    list of Path
        Where they were written.

    Raises
    ------
    FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError, OSError, TypeError, ValueError
        As of :func:`write`, for any of them; all files are then as they were.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> from atomlens import io
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     folder = pathlib.Path(folder)
    ...     written = io.write_all({folder / "a.tif": np.eye(3), folder / "b.tif": np.ones((2, 2))})
    ...     [path.name for path in written]
    ['a.tif', 'b.tif']
    """
    if not isinstance(files, MappingABC):
        raise TypeError(f"write_all takes {{path: data}}, not a {type(files).__name__}")
    prepared = [_prepared(data, Path(path)) for path, data in files.items()]
    with replacing(list(files), overwrite=overwrite, nbytes=sum(n for _, n in prepared)) as temporaries:
        for (write_to, _), temporary in zip(prepared, temporaries, strict=True):
            write_to(temporary)
    return [user_path(path) for path in files]


def _prepared(data, path):
    """What writes the data to a path, checked so far as possible, and about how many bytes that will be."""
    import pandas as pd
    from ase import Atoms

    suffix = path.suffix.lower()
    if isinstance(data, pd.DataFrame | Atoms):
        table = isinstance(data, pd.DataFrame)
        if suffix not in ((".csv", ".xyz") if table else (".xyz",)):
            raise ValueError(
                f"{'a table is written as .csv or .xyz' if table else 'atoms are written as .xyz'}, not "
                f"{suffix or 'without an extension'}: rename the file"
            )
        nbytes = _BYTES_A_NUMBER * (data.size if table else 4 * len(data))
        if suffix == ".xyz":
            return partial(write_xyz, data), nbytes
        counted = data.index.name is None and data.index.equals(pd.RangeIndex(len(data)))
        return partial(data.to_csv, index=not counted), nbytes
    if suffix not in _ARRAYS:
        raise ValueError(
            f"{path.name}: an array cannot be written as {suffix or 'a file without extension'!r}, "
            f"choose one of {', '.join(_ARRAYS)}"
            + (" (csv is for tables: data.to_dataframe())" if suffix == ".csv" else "")
            + (" (xyz is for atoms: io.to_atoms(columns))" if suffix == ".xyz" else "")
        )
    array = complete(_as_array(data))
    if suffix not in _KEEP_EVERY_COORDINATE:
        array = without_extra_coordinates(array, suffix)
    return lambda temporary: _ARRAYS[suffix](array, temporary, what_to_save(array)), array.nbytes


def complete(array):
    """Check what files can hold, and give every axis a coordinate with a unit."""
    import xarray as xr

    if array.dtype.kind not in "buif":
        raise ValueError(f"an array of {array.dtype} cannot be written: convert it to real numbers first")
    if not array.ndim or not array.size:
        raise ValueError(f"an array of shape {array.shape} cannot be written: there is no data in it")
    for dim, size in array.sizes.items():
        if dim in array.indexes and array.indexes[dim].nlevels > 1:
            raise ValueError(f"the axis {dim!r} holds several coordinates in one: unstack or reset_index it")
        if dim not in array.coords:
            units = "px" if dim in SPACE else "frame" if dim == "time" else "channel"
            array = array.assign_coords({dim: xr.Variable(dim, np.arange(size), {"units": units})})
    attrs = {}
    for key, value in array.attrs.items():
        attrs[str(key)] = _metadata.plain(value)
        if value is not None and attrs[str(key)] is None:
            raise ValueError(
                f"attrs[{key!r}] is a {type(value).__name__}, which no file holds: "
                "remove it, or keep it as text or numbers"
            )
    # A sum over energy keeps the attrs of a spectrum image but is one no more.
    return array.assign_attrs(attrs | {"kind": kind_of(array.dims)})


def what_to_save(array):
    """What the formats themselves would lose, as plain values."""
    return {
        "dims": list(array.dims),
        "name": array.name if isinstance(array.name, str) else None,
        "attrs": array.attrs,
        "coords": {
            dim: {"dtype": coord.dtype.str, "attrs": {k: _metadata.plain(v) for k, v in coord.attrs.items()}}
            for dim, coord in ((dim, array[dim]) for dim in array.dims)
        },
    }


def _as_array(data):
    import xarray as xr

    if isinstance(data, xr.DataArray):
        return data
    if isinstance(data, np.ndarray) and data.ndim in (1, 2):
        return xr.DataArray(data, dims=("channel",) if data.ndim == 1 else ("y", "x"))
    what = f"a {data.ndim}-D array" if isinstance(data, np.ndarray) else f"a {type(data).__name__}"
    raise TypeError(f"{what} cannot be written: wrap it, xarray.DataArray(values, dims=('y', 'x', 'energy'))")


def without_extra_coordinates(array, suffix):
    """Keep scalar coordinates as attrs; refuse others, which the format would lose."""
    for name, coord in array.coords.items():
        if name in array.dims:
            if coord.dtype.kind not in "buif":
                raise ValueError(
                    f"the coordinate {name!r} is not numeric, {suffix} cannot hold it: write .zarr or .nc"
                )
        elif coord.ndim:
            raise ValueError(
                f"{suffix} cannot hold the extra coordinate {name!r}: write .zarr or .nc, or drop it with "
                f"data.drop_vars({name!r})"
            )
        else:
            array = array.drop_vars(name).assign_attrs({f"at_{name}": _metadata.plain(coord.values[()])})
    return array
