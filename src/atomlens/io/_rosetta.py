"""Files that rosettasciio reads: every dictionary it returns becomes a Signal."""

import json
import traceback
import warnings
from functools import partial
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
    reader = partial(import_module(f"rsciio.{module}").file_reader, str(path), lazy=lazy)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            # A NeXus file holds its axes as arrays too: they are no signals unless there is nothing else.
            found = reader(nxdata_only=True) or reader() if module == "nexus" else reader()
        except Exception as error:
            traceback.clear_frames(error.__traceback__)  # closes the file that a failed reader left open
            raise
    # What a library says about itself (its future, its handles) says nothing about the file.
    about_file = (
        w for w in caught if not issubclass(w.category, (FutureWarning, DeprecationWarning, ResourceWarning))
    )
    notes = "; ".join(dict.fromkeys(str(w.message).split("\n")[0] for w in about_file))
    attrs = {"reader": f"rosettasciio {version('rosettasciio')} ({module})"}
    attrs |= {"note_reader": notes} if notes else {}
    if module == "mrc":
        found = [_without_invented_scale(entry) for entry in found]
    return [from_dictionary(entry, path.stem, attrs) for entry in found]


def _without_invented_scale(entry):
    """Undo the 1 nm a pixel that rosettasciio gives an mrc whose header holds no cell."""
    header = entry["original_metadata"].get("std_header", {})
    if header.get("MX", 1) and header.get("Xlen", 1):
        return entry
    return entry | {"axes": [axis | {"units": None, "scale": 1.0, "offset": 0.0} for axis in entry["axes"]]}


def from_dictionary(entry, stem, attrs):
    """Turn one dictionary of rosettasciio, or of a HyperSpy signal, into a Signal."""
    data, metadata = entry["data"], entry.get("metadata", {})
    title = metadata.get("General", {}).get("title") or stem
    axes = tuple(_axis(axis, size) for axis, size in zip(entry["axes"], data.shape, strict=True))
    flat = _metadata.flat(metadata, entry.get("original_metadata"), entry.get("mapping"))
    text = metadata.get(MARK, {}).get("saved")
    saved = json.loads(text) if text else None
    if saved and not _still_holds(saved, axes):  # HyperSpy summed, transposed or recalibrated it since
        flat = {
            k: v for k, v in saved["attrs"].items() if k not in ("kind", "reader", "file", "sha256")
        } | flat
        saved = None
    return Signal(
        title=title,
        shape=data.shape,
        dtype=data.dtype,
        axes=axes,
        load=lambda: np.array(data) if isinstance(data, np.memmap) else data,
        attrs={**attrs, "title": title, **flat},
        saved=saved,
    )


def _still_holds(saved, axes):
    """Whether the axes are, in name and unit, those that `write` noted."""
    noted = [(dim, _hyperspy_unit(saved["coords"][dim]["attrs"].get("units"))) for dim in saved["dims"]]
    return noted == [(axis.name, axis.units) for axis in axes]


def _hyperspy_unit(unit):
    # HyperSpy would take px for the printer's unit.
    return None if unit in ("px", "channel", "frame") else unit


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
    axis = {
        "name": str(coord.name),
        "units": _hyperspy_unit(coord.attrs.get("units")),
        "size": coord.size,
        "navigate": navigate,
    }
    step = uniform(coord.values)
    if step is None:
        return axis | {"_type": "DataAxis", "axis": np.asarray(coord.values, dtype=float)}
    return axis | {"_type": "UniformDataAxis", "scale": step[0], "offset": step[1]}


def write(module, array, path, saved):
    """Write a format of HyperSpy: "hspy" (HDF5) or "zspy" (zarr)."""
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
