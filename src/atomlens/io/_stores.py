"""zarr and NetCDF: the formats in which a DataArray survives whole.

The zarr store follows xarray's convention (format 2, ``_ARRAY_DIMENSIONS``), but is read and written with
zarr itself: recent xarray insists on zarr 3, rosettasciio's zspy on zarr 2.
"""

import json

import numpy as np

from atomlens.io._axes import Axis
from atomlens.io._errors import FormatError
from atomlens.io._signal import Signal

MARK = "atomlens_attrs"  # a JSON text, so that booleans and lists come back as they went
DATA = "data"


def open_zarr(path, *, lazy):
    """List the arrays of a zarr group that are not coordinates."""
    import zarr

    from atomlens.io._rosetta import refuse_pickles

    refuse_pickles(path)
    try:
        group = zarr.open_group(str(path), mode="r")
    except zarr.errors.GroupNotFoundError as error:
        raise FormatError(f"{path.name} is not a zarr group: it seems truncated or damaged") from error
    arrays = dict(group.arrays())
    return [
        _from_zarr(name, array, arrays, path, lazy)
        for name, array in arrays.items()
        if name not in array.attrs.get("_ARRAY_DIMENSIONS", [name]) and not array.attrs.get("atomlens_coordinate")
    ]


def _from_zarr(name, array, arrays, path, lazy):
    attrs = array.attrs.asdict()
    dims = attrs.get("_ARRAY_DIMENSIONS")
    coords = {dim: arrays[dim] for dim in dims if dim in arrays}
    axes = tuple(_axis(dim, n, coords.get(dim)) for dim, n in zip(dims, array.shape, strict=True))
    saved = json.loads(attrs[MARK]) if MARK in attrs else None

    def load():
        if saved and array.nchunks_initialized < array.nchunks:
            raise FormatError(
                f"{path.name} lacks {array.nchunks - array.nchunks_initialized} of its {array.nchunks} chunks: "
                "the store is incomplete; write or copy it again"
            )
        if lazy:
            import dask.array as da

            return da.from_zarr(array)
        return array[...]

    return Signal(name, array.shape, array.dtype, axes, load, {"reader": "atomlens (zarr)", "title": name}, saved)


def _axis(dim, size, values):
    if values is None:
        return Axis(size, name=dim)
    return Axis(size, name=dim, units=values.attrs.get("units"), values=np.asarray(values[...]))


def open_netcdf(path, *, lazy):
    """List the variables of a NetCDF file."""
    import xarray as xr

    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        return [_from_netcdf(name, dataset, path, lazy) for name in dataset.data_vars]


def _from_netcdf(name, dataset, path, lazy):
    variable = dataset[name]
    saved = json.loads(variable.attrs[MARK]) if MARK in variable.attrs else None
    axes = tuple(
        _axis(dim, n, dataset.get(dim)) for dim, n in zip(variable.dims, variable.shape, strict=True)
    )

    def load():
        import xarray as xr

        if lazy:
            return xr.open_dataset(path, engine="h5netcdf", chunks="auto")[name].data
        with xr.open_dataset(path, engine="h5netcdf") as again:
            return again[name].values

    attrs = {"reader": "atomlens (NetCDF)", "title": name}
    return Signal(name, variable.shape, variable.dtype, axes, load, attrs, saved)


def write_zarr(array, path, saved):
    """Write a zarr store chunk by chunk; a Dask array is never held whole."""
    import dask.array as da
    import zarr

    data = array.data if array.chunks else da.from_array(array.values, chunks=_chunks(array))
    data = data.rechunk(tuple(max(c) for c in data.chunks))  # zarr wants one chunk size an axis
    group = zarr.open_group(str(path), mode="w")
    target = group.create_dataset(DATA, shape=data.shape, dtype=data.dtype, chunks=data.chunksize, fill_value=None)
    target.attrs.update({"_ARRAY_DIMENSIONS": list(array.dims), **array.attrs, MARK: json.dumps(saved)})
    da.store(data, target, lock=False)
    for dim in array.dims:
        coord = group.create_dataset(dim, data=array[dim].values)
        coord.attrs.update({"_ARRAY_DIMENSIONS": [dim], **array[dim].attrs})
    zarr.consolidate_metadata(group.store)


def _chunks(array):
    """Keep spectra whole, cut space: that is how they are read."""
    if array.dims[-1] not in ("x", "kx"):
        return ("auto",) * (array.ndim - 1) + (-1,)
    return "auto"


def write_netcdf(array, path, saved):
    """Write NetCDF; a Dask array is written block by block."""
    plain = array.copy(deep=False)
    plain.attrs = {k: v for k, v in array.attrs.items() if isinstance(v, (str, int, float)) and not isinstance(v, bool)}
    plain.attrs[MARK] = json.dumps(saved)
    plain.to_dataset(name=DATA).to_netcdf(path, engine="h5netcdf")
