"""One result: tables, arrays and numbers in one file, a zarr group (format 2) in a zip.

A zip is one file, which a rename makes appear whole, and has a checksum of everything in it. The header
is the group's attributes; it is read without zarr, since thousands of them are.
"""

from __future__ import annotations

import json
import zipfile
from contextlib import contextmanager

import numpy as np

from atomlens._replace import replacing

SUFFIX = ".zarr.zip"
_STORABLE = "biufcMmU"  # kinds of numpy arrays that zarr keeps as they are
_BROKEN = (OSError, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile)


class Damaged(ValueError):
    """A result that cannot be read."""


def write(path, header, results):
    """Write tables, arrays (by name) and a header so that the file is there whole, or as it was before."""
    import zarr

    entries = {}
    group = zarr.open_group(zarr.storage.KVStore(entries), mode="w")
    for name, value in results.items():
        put = _put_table if hasattr(value, "columns") else _put_arrays
        put(group.create_group(name), value)
    group.attrs.put({"atomlens_batch": header})
    size = sum(len(value) for value in entries.values())
    with (
        replacing([path], overwrite=True, nbytes=size) as [temporary],
        zipfile.ZipFile(temporary, "w") as file,
    ):
        for key, value in entries.items():
            file.writestr(key, bytes(value))  # zarr has compressed it


def header(path):
    """What a result is said to be; `Damaged` if that cannot be read."""
    try:
        with zipfile.ZipFile(path) as file:
            return json.loads(file.read(".zattrs"))["atomlens_batch"]
    except _BROKEN as error:
        raise Damaged(f"{path} is damaged ({_short(error)}): run the batch again, which redoes it") from error


def is_whole(path):
    """Whether every byte of a result is as it was written."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is None
    except _BROKEN:
        return False


def names(path):
    """Names of the tables and arrays of a result."""
    with _group(path) as group:
        return sorted(group.group_keys())


def read(path, name, columns=None):
    """A table, DataArray or Dataset of a result; None if it holds none of this name."""
    with _group(path) as group:
        if name not in group:
            return None
        stored = group[name]
        if stored.attrs["kind"] == "table":
            return _get_table(stored, columns)
        return _get_arrays(stored)


@contextmanager
def _group(path):
    import zarr

    try:
        store = zarr.ZipStore(str(path), compression=zipfile.ZIP_STORED, mode="r")
    except _BROKEN as error:
        raise Damaged(f"{path} is damaged ({_short(error)}): run the batch again, which redoes it") from error
    try:
        yield zarr.open_group(store, mode="r")
    except (zipfile.BadZipFile, KeyError, zarr.errors.GroupNotFoundError) as error:
        raise Damaged(f"{path} is damaged ({_short(error)}): run the batch again, which redoes it") from error
    finally:
        store.close()


def _short(error):
    return " ".join(str(error).split())[:100] or type(error).__name__


def _put_table(group, table):
    """Column by column; a name in the index becomes a column, a plain numbering of rows is left out."""
    import pandas as pd

    index = [name for name in table.index.names if name is not None]
    if index:
        table = table.reset_index()
    elif not (isinstance(table.index, pd.RangeIndex) or table.index.nlevels > 1):
        table = table.rename_axis("index").reset_index()
        index = ["index"]
    said = {}
    for number, name in enumerate(table.columns):
        said[str(number)] = [name, _put_column(group, str(number), table.iloc[:, number], name)]
    group.attrs.put({
        "kind": "table", "columns": said, "rows": len(table), "index": index, "attrs": plain(table.attrs),
    })  # fmt: skip


def _put_column(group, key, column, name):
    """Store one column; returns its kind."""
    import pandas as pd
    from numcodecs import VLenUTF8

    if isinstance(column.dtype, pd.CategoricalDtype):
        group.create_dataset(key, data=column.cat.codes.to_numpy())
        return {"category": plain(column.cat.categories.tolist())}
    if _is_nullable(column.dtype):
        inner = column.dtype.numpy_dtype
        group.create_dataset(key, data=column.fillna(inner.type(0)).to_numpy(inner))
        group.create_dataset(f"{key}.missing", data=column.isna().to_numpy())
        return {"nullable": str(column.dtype)}
    values = column.to_numpy()
    if values.dtype.kind in _STORABLE:
        group.create_dataset(key, data=values)
        return "numbers"
    missing = column.isna().to_numpy()
    kind = "text" if all(isinstance(value, str) for value in values[~missing]) else "json"
    try:
        texts = [
            "" if lost else value if kind == "text" else json.dumps(value, default=_as_list)
            for value, lost in zip(values, missing, strict=True)
        ]
    except TypeError:
        kinds = sorted({type(value).__name__ for value in values[~missing]})
        raise TypeError(
            f"column {name!r} holds {' and '.join(kinds)}, which cannot be stored: give numbers, texts, "
            "times, or lists of these"
        ) from None
    clean = np.array([text.encode("utf-8", "replace").decode() for text in texts], dtype=object)
    group.create_dataset(key, data=clean, object_codec=VLenUTF8())
    group.create_dataset(f"{key}.missing", data=missing)
    return kind


def _is_nullable(dtype):
    """Whether it is a number of pandas that may be missing (Int64, boolean)."""
    return getattr(dtype, "kind", "O") in "biuf" and hasattr(dtype, "numpy_dtype")


def _as_list(value):
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError


def _get_table(group, columns):
    import pandas as pd

    attrs = group.attrs.asdict()
    found = {}
    # Zarr sorts the keys of its notes as texts, "10" before "2".
    for key, (name, kind) in sorted(attrs["columns"].items(), key=lambda item: int(item[0])):
        name = tuple(name) if isinstance(name, list) else name
        if columns is not None and name not in columns and name not in attrs["index"]:
            continue
        values = group[key][...]
        if kind in ("text", "json"):
            missing = group[f"{key}.missing"][...]
            values = [
                None if lost else json.loads(text) if kind == "json" else text
                for text, lost in zip(values, missing, strict=True)
            ]
            values = pd.Series(values, dtype="str" if kind == "text" else object)
        elif isinstance(kind, dict) and "category" in kind:
            values = pd.Categorical.from_codes(values, kind["category"])
        elif isinstance(kind, dict):
            values = pd.Series(values).astype(kind["nullable"]).mask(group[f"{key}.missing"][...])
        found[name] = values
    table = pd.DataFrame(found, index=pd.RangeIndex(attrs["rows"]))
    if attrs["index"]:
        table = table.set_index(attrs["index"])
    table.attrs = attrs["attrs"]
    return table


def _put_arrays(group, value):
    """A DataArray or a Dataset, with its coordinates, units and notes."""
    data = value if hasattr(value, "data_vars") else None
    variables = dict(value.data_vars) if data is not None else {"value": value}
    order = {}
    for role, some in (("variables", variables), ("coords", dict(value.coords))):
        order[role] = {}
        for number, (name, array) in enumerate(some.items()):
            values = np.asarray(array.values)
            if values.dtype == object and all(isinstance(v, str) for v in values.flat):
                values = values.astype(str)
            if values.dtype.kind == "T":
                values = values.astype(str)
            if values.dtype.kind not in _STORABLE:
                raise TypeError(
                    f"{name!r} is an array of {values.dtype}, which cannot be stored: give numbers, texts "
                    "or times"
                )
            key = f"{role[0]}{number}"
            group.create_dataset(key, data=values)
            order[role][key] = [name, list(array.dims), plain(array.attrs)]
    group.attrs.put({
        "kind": "arrays" if data is not None else "array", "name": getattr(value, "name", None),
        "attrs": plain(value.attrs), **order,
    })  # fmt: skip


def _get_arrays(group):
    import xarray as xr

    attrs = group.attrs.asdict()
    coords, variables = (
        {
            name: (dims, group[key][...], notes)
            for key, (name, dims, notes) in sorted(attrs[role].items(), key=lambda item: int(item[0][1:]))
        }
        for role in ("coords", "variables")
    )
    if attrs["kind"] == "arrays":
        return xr.Dataset(variables, coords, attrs["attrs"])
    dims, values, notes = variables["value"]
    return xr.DataArray(values, coords, dims, name=attrs["name"], attrs=notes)


def shape_of(path, name):
    """Shape and dtype of a stored DataArray, without reading it."""
    with _group(path) as group:
        stored = group[name]["v0"]
        return stored.shape, stored.dtype


def values_of(path, name):
    """The numbers of a stored DataArray."""
    with _group(path) as group:
        return group[name]["v0"][...]


def plain(value):
    """What JSON can hold of something: the rest is left out."""
    if isinstance(value, dict):
        made = {str(key): plain(v) for key, v in value.items()}
        return {key: v for key, v in made.items() if v is not None}
    if isinstance(value, list | tuple | set):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return None


def notes_of(path, name):
    """The attrs of a stored DataArray."""
    with _group(path) as group:
        return group[name].attrs["variables"]["v0"][2]
