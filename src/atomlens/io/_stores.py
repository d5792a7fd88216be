"""zarr and NetCDF: the formats in which a DataArray survives whole.

The zarr store follows xarray's convention (format 2, ``_ARRAY_DIMENSIONS``), but is read and written with
zarr itself: recent xarray insists on zarr 3, rosettasciio's zspy on zarr 2.
"""

import json

from atomlens.io._axes import Axis, chunking
from atomlens.io._claims import check_memory, nbytes_of
from atomlens.io._errors import FormatError
from atomlens.io._metadata import plain
from atomlens.io._notes import NOT_BELIEVED, parsed
from atomlens.io._signal import Signal

MARK = "atomlens_attrs"  # a JSON text, so that booleans and lists come back as they went
DATA = "data"
# What a NetCDF reader does to numbers by their attributes, and how it is told not to
_INSTRUCTIONS = ("scale_factor", "add_offset", "_FillValue", "missing_value", "units", "dtype", "coordinates")
_AS_IT_IS = {"mask_and_scale": False, "decode_times": False, "decode_timedelta": False}


def largest(path):
    """Bytes of the largest array of a folder of zarr, unpacked; 0 where that cannot be told."""
    sizes = [0]
    for file in path.rglob(".zarray"):
        try:
            about = json.loads(file.read_text())
            sizes.append(nbytes_of(about["shape"], about["dtype"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # what is wrong with it is said when it is opened
    return max(sizes)


def open_zarr(path, *, lazy):
    """List the arrays of a zarr group that are not coordinates."""
    import zarr

    from atomlens.io._rosetta import refuse_pickles

    refuse_pickles(path)
    try:
        group = zarr.open_group(str(path), mode="r")
    except zarr.errors.GroupNotFoundError as error:
        raise FormatError(
            f"{path.name} is not a zarr group: it seems truncated, damaged or of zarr format 3"
        ) from error
    return list(_of_group(group, path, lazy))


def _of_group(group, path, lazy):
    """The arrays of a group that are not coordinates, and those of the groups in it."""
    arrays = dict(group.arrays())
    listed = set(str(group.attrs.get("coordinates", "")).split())
    for name, array in arrays.items():
        if name not in listed and array.attrs.get("_ARRAY_DIMENSIONS") != [name]:
            yield _from_zarr(name, arrays, listed, path, lazy)
    for _, inner in group.groups():
        yield from _of_group(inner, path, lazy)


def _from_zarr(name, arrays, listed, path, lazy):
    array = arrays[name]
    title = array.path or name  # with the groups that it lies in
    attrs = array.attrs.asdict()
    dims = attrs.get("_ARRAY_DIMENSIONS", [""] * array.ndim)
    saved, wrong = _believed(attrs.get(MARK), dims, array.shape, set(arrays))

    def load():
        if not lazy:
            check_memory(nbytes_of(array.shape, array.dtype), f"{title!r} of {path.name}")
        # Without a fill value, what is missing would be whatever memory holds.
        if (saved or array.fill_value is None) and array.nchunks_initialized < array.nchunks:
            raise FormatError(
                f"{path.name} holds {array.nchunks_initialized} of its {array.nchunks} chunks: "
                "the store is incomplete; write or copy it again"
            )
        if lazy:
            import dask.array as da

            return _unpacked(da.from_zarr(array), {} if saved else attrs)
        return _unpacked(array[...], {} if saved else attrs)

    coords = {
        c: (arrays[c].attrs["_ARRAY_DIMENSIONS"], arrays[c][...], _plain_attrs(arrays[c].attrs.asdict()))
        for c in {*dims, *listed} & set(arrays)
    }
    return Signal(
        title=title,
        shape=array.shape,
        dtype=array.dtype,
        axes=_axes(dims, array.shape, coords),
        load=load,
        attrs={"reader": "atomlens (zarr)", "title": title} | wrong,
        saved=saved,
        coords=coords if saved else None,
    )


def _unpacked(values, attrs):
    """Numbers that were packed into integers, as the convention of NetCDF has it."""
    scale, offset = attrs.get("scale_factor"), attrs.get("add_offset")
    missing = [attrs[key] for key in ("_FillValue", "missing_value") if key in attrs]
    if scale is None and offset is None and not missing:
        return values
    found = values.astype(float)
    for value in missing:
        found[values == value] = float("nan")
    return found * (1.0 if scale is None else scale) + (0.0 if offset is None else offset)


def _believed(text, dims, shape, coords):
    """The notes of `write`, if they fit the array; and what is to be said if they do not."""
    saved, wrong = parsed(text)
    if saved and (saved["dims"] != list(dims) or len(dims) != len(shape) or not {*dims} <= coords):
        saved, wrong = None, "the dimensions have been changed since"
    return saved, {"note_saved": NOT_BELIEVED.format(wrong)} if wrong else {}


def _plain_attrs(attrs):
    return {key: value for key, value in attrs.items() if key != "_ARRAY_DIMENSIONS"}


def _axes(dims, shape, coords):
    """Describe the dims of a store by the coordinates of the same name."""
    axes = []
    for dim, size in zip(dims, shape, strict=True):
        _, values, attrs = coords.get(dim, (None, None, {}))
        if values is None or values.dtype.kind not in "buif":
            axes.append(Axis(size, name=dim))
        else:
            axes.append(Axis(size, name=dim, units=attrs.get("units"), values=values))
    return tuple(axes)


def open_netcdf(path, *, lazy):
    """List the variables of a NetCDF file."""
    import xarray as xr

    with xr.open_dataset(path, engine="h5netcdf", **_AS_IT_IS) as dataset:
        ours = any(MARK in variable.attrs for variable in dataset.data_vars.values())
    options = _AS_IT_IS if ours else {}
    with xr.open_dataset(path, engine="h5netcdf", **options) as dataset:
        dataset.coords.to_dataset().load()
        return [_from_netcdf(name, dataset, path, lazy, options) for name in dataset.data_vars]


def _from_netcdf(name, dataset, path, lazy, options):
    variable = dataset[name]
    known = set(variable.coords)
    saved, wrong = _believed(variable.attrs.get(MARK), variable.dims, variable.shape, known)
    coords = {c: (v.dims, v.values, dict(v.attrs)) for c, v in variable.coords.items()}

    def load():
        import xarray as xr

        if lazy:  # the file stays open as long as the Dask array lives
            chunks = chunking(variable.dims)
            return xr.open_dataset(path, engine="h5netcdf", chunks=chunks, **options)[name].data
        with xr.open_dataset(path, engine="h5netcdf", **options) as again:
            return again[name].values

    return Signal(
        title=name,
        shape=variable.shape,
        dtype=variable.dtype,
        axes=_axes(variable.dims, variable.shape, coords),
        load=load,
        attrs={"reader": "atomlens (NetCDF)", "title": name} | wrong,
        saved=saved,
        coords=coords if saved else None,
    )


def write_zarr(array, path, saved):
    """Write a zarr store chunk by chunk; a Dask array is never held whole."""
    import dask.array as da
    import zarr

    data = array.data
    if not array.chunks:
        data = da.from_array(data, chunks=tuple(chunking(array.dims).values()))
    data = data.rechunk(tuple(max(c) for c in data.chunks))  # zarr wants one chunk size an axis
    group = zarr.open_group(str(path), mode="w")
    target = group.create_dataset(
        DATA, shape=data.shape, dtype=data.dtype, chunks=data.chunksize, fill_value=None
    )
    target.attrs.update({"_ARRAY_DIMENSIONS": list(array.dims), **array.attrs, MARK: json.dumps(saved)})
    da.store(data, target, lock=False)
    for name, coord in array.coords.items():
        values = coord.values.astype(str) if coord.dtype.kind not in "buif" else coord.values
        stored = group.create_dataset(name, data=values)
        stored.attrs.update({"_ARRAY_DIMENSIONS": list(coord.dims), **_json_attrs(coord)})
    group.attrs["coordinates"] = " ".join(map(str, array.coords))  # here xarray looks for them
    zarr.consolidate_metadata(group.store)


def _json_attrs(coord):
    return {key: value for key, value in coord.attrs.items() if plain(value) is not None}


def write_netcdf(array, path, saved):
    """Write NetCDF; a Dask array is written block by block."""
    simple = array.copy(deep=False)
    # What NetCDF can hold stays readable for other programs; all of it is in the JSON text.
    # (But not what would change the numbers: `scale_factor` and the like are instructions there.)
    simple.attrs = {
        k: v for k, v in array.attrs.items() if type(v) in (str, int, float) and k not in _INSTRUCTIONS
    }
    simple.attrs[MARK] = json.dumps(saved)
    simple.to_dataset(name=DATA).to_netcdf(path, engine="h5netcdf")
