"""Files that rosettasciio reads: every dictionary it returns becomes a Signal."""

import json
import warnings
from importlib import import_module
from importlib.metadata import version

import numpy as np

from atomlens.io import _metadata
from atomlens.io._axes import Axis, uniform
from atomlens.io._errors import FormatError
from atomlens.io._signal import Signal

MODULES = {
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".emd": "emd",
    ".hspy": "hspy",
    ".zspy": "zspy",
    ".mrc": "mrc",
    ".ser": "tia",
    ".nxs": "nexus",
}
MARK = "atomlens"  # the metadata node in which `write` leaves what the format itself cannot hold


def open_file(path, module, *, lazy):
    """Return the signals of a file; warnings of the reader end up in the attrs."""
    refuse_pickles(path)
    reader = import_module(f"rsciio.{module}").file_reader
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = reader(str(path), lazy=lazy)
    # What a library says about itself (its future, its handles) says nothing about the file.
    about_file = (w for w in caught if not issubclass(w.category, (FutureWarning, DeprecationWarning, ResourceWarning)))
    notes = "; ".join(dict.fromkeys(str(w.message).split("\n")[0] for w in about_file))
    attrs = {"reader": f"rosettasciio {version('rosettasciio')} ({module})"}
    attrs |= {"note_reader": notes} if notes else {}
    return [from_dictionary(entry, path.stem, attrs) for entry in found]


def from_dictionary(entry, stem, attrs):
    """Turn one dictionary of rosettasciio, or of a HyperSpy signal, into a Signal."""
    data, metadata = entry["data"], entry.get("metadata", {})
    title = metadata.get("General", {}).get("title") or stem
    saved = metadata.get(MARK, {}).get("saved")
    flat = _metadata.flat(metadata, entry.get("original_metadata"), entry.get("mapping"))
    return Signal(
        title=title,
        shape=data.shape,
        dtype=data.dtype,
        axes=tuple(_axis(axis, size) for axis, size in zip(entry["axes"], data.shape, strict=True)),
        load=lambda: np.array(data) if isinstance(data, np.memmap) else data,
        attrs={**attrs, "title": title, **flat},
        saved=json.loads(saved) if saved else None,
    )


def to_dictionary(array, saved):
    """Turn a DataArray into the dictionary that rosettasciio writes and HyperSpy takes."""
    title = str(array.attrs.get("title") or array.name or "")
    signal_axes = 1 if array.attrs["kind"] not in ("image", "movie", "other") else 2
    return {
        "data": array.data,
        "axes": [
            _hyperspy_axis(array[dim], i < array.ndim - signal_axes) for i, dim in enumerate(array.dims)
        ],
        "metadata": {
            **_metadata.tree(array.attrs, title),
            # Named as HyperSpy's own node is, or HyperSpy would refuse the file.
            "_HyperSpy": {"Folding": {"unfolded": False, "signal_unfolded": False}},
            MARK: {"saved": json.dumps(saved)},
        },
        "original_metadata": {},
    }


def _hyperspy_axis(coord, navigate):
    units = coord.attrs.get("units")
    axis = {
        "name": str(coord.name),
        # HyperSpy would take px for the printer's unit.
        "units": None if units in ("px", "channel", "frame") else units,
        "size": coord.size,
        "navigate": navigate,
    }
    step = uniform(coord.values)
    if step is None:
        return axis | {"_type": "DataAxis", "axis": np.asarray(coord.values, dtype=float)}
    return axis | {"_type": "UniformDataAxis", "scale": step[0], "offset": step[1]}


def write_hspy(array, path, saved):
    """Write HyperSpy's HDF5 format."""
    _write("hspy", array, path, saved)


def write_zspy(array, path, saved):
    """Write HyperSpy's zarr format."""
    _write("zspy", array, path, saved)


def _write(module, array, path, saved):
    signal = to_dictionary(array, saved) | {
        "attributes": {"_lazy": array.chunks is not None, "ragged": False},
        "package_info": {"package": "", "package_version": ""},
        "learning_results": {},
        "models": {},
        "tmp_parameters": {},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # rosettasciio still uses zarr 2's nested store
        import_module(f"rsciio.{module}").file_writer(str(path), signal, show_progressbar=False)


def _axis(axis, size):
    values = axis.get("axis")
    units, name = axis.get("units"), axis.get("name")
    return Axis(
        size=size,
        # HyperSpy marks what is undefined with an object, not with a string.
        name=name if isinstance(name, str) else "",
        units=units if isinstance(units, str) else None,
        scale=float(axis.get("scale", 1.0)),
        offset=float(axis.get("offset", 0.0)),
        values=None if values is None else np.asarray(values, dtype=float),
        navigate=axis.get("navigate"),
    )


def refuse_pickles(path):
    """Refuse a zarr store that names the pickle codec: opening it would run its code."""
    import zipfile

    if path.is_dir():
        texts = (entry.read_text() for entry in path.rglob(".zarray"))
    elif path.suffix.lower() == ".zspy" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            texts = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".zarray")]
    else:
        return
    if any('"pickle"' in text for text in texts):
        raise FormatError(
            f"{path.name} holds pickled Python objects, which are never loaded: save plain arrays"
        )
