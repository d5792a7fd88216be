"""Files that rosettasciio reads: every dictionary it returns becomes a Signal."""

import json
import logging
import re
import traceback
import warnings
from functools import partial
from importlib import import_module
from importlib.metadata import version
from unittest.mock import patch

import numpy as np

from atomlens._extras import missing
from atomlens.io import _metadata
from atomlens.io._axes import Axis, uniform
from atomlens.io._damage import CHECKS
from atomlens.io._errors import FormatError
from atomlens.io._notes import NOT_BELIEVED, parsed
from atomlens.io._signal import Signal

# Extension -> readers, the first that takes the file reads it
MODULES = {
    ".dm3": ("digitalmicrograph",),
    ".dm4": ("digitalmicrograph",),
    ".emd": ("emd",),
    ".de5": ("emd",),
    ".hspy": ("hspy",),
    ".zspy": ("zspy",),
    ".mrc": ("mrc",),
    ".ser": ("tia",),
    ".emi": ("tia",),
    ".nxs": ("nexus",),
    ".bcf": ("bruker",),
    ".spx": ("bruker",),
    ".rpl": ("ripple",),
    ".msa": ("msa",),
    ".emsa": ("msa",),
    ".blo": ("blockfile",),
    ".mib": ("quantumdetector",),
    ".wdf": ("renishaw",),
    ".sur": ("digitalsurf",),
    ".pro": ("digitalsurf",),
    ".tvips": ("tvips",),
    ".prz": ("pantarhei",),
    ".app5": ("topspin",),
    ".unf": ("semper",),
    ".elid": ("phenom",),
    ".tvf": ("trivista",),
    ".asw": ("jeol",),
    ".pts": ("jeol",),
    ".map": ("jeol",),
    ".eds": ("jeol",),
    ".img": ("hamamatsu", "jeol"),
    ".xml": ("empad", "jobinyvon"),
    ".spd": ("edax",),
    ".spc": ("edax",),
    ".sac": ("quadstar",),
    ".sbc": ("quadstar",),
}
MARK = "atomlens"  # the metadata node in which `write` leaves what the format itself cannot hold


def open_file(path, modules, *, lazy):
    """Return the signals of a file; what the reader says to itself ends up in the attrs."""
    refuse_pickles(path)
    first = None
    for module in modules:
        try:
            found, said = _heard(partial(_read, path, module, lazy))
        except Exception as error:
            first = first or error
            continue
        attrs = {"reader": f"rosettasciio {version('rosettasciio')} ({module})"}
        attrs |= {"note_reader": said} if said else {}
        if module == "zspy":
            _check_chunks(path, found)
        if module == "mrc":
            found = [_without_invented_scale(entry) for entry in found]
        return [from_dictionary(entry, path.stem, attrs) for entry in found]
    raise first


def _read(path, module, lazy):
    if module in CHECKS:
        CHECKS[module](path)
    reader = import_module(f"rsciio.{module}").file_reader
    if lazy:
        try:
            return _told(reader, path, module, True)
        except Exception as error:  # some read only at once, some only colours or ragged arrays
            traceback.clear_frames(error.__traceback__)
    return _told(reader, path, module, False)


def _told(reader, path, module, lazy):
    """Call a reader, with what it must be told."""
    if module == "bruker":
        # Its compiled parser takes the process along on a damaged file; the plain one is fast enough.
        api = import_module("rsciio.bruker._api")
        with patch.object(api, "fast_unbcf", False):
            return reader(str(path), lazy=lazy)
    if module == "nexus":
        # A NeXus file holds its axes as arrays too: they are no signals unless there is nothing else.
        return reader(str(path), lazy=lazy, nxdata_only=True) or reader(str(path), lazy=lazy)
    try:
        return reader(str(path), lazy=lazy)
    except ImportError as error:
        if module != "emd":
            raise
        # The spectra of a Velox file need it; its images do not.
        warnings.warn(
            f"only the images were read; {missing(error.name, 'reading the spectra')}", stacklevel=1
        )
        return reader(str(path), lazy=lazy, select_type="images")


class _Ear(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.said = []

    def emit(self, record):
        self.said.append(record.getMessage())


def _heard(call):
    """Result of a call, and in one text what was said meanwhile by warnings and by the reader's log."""
    import rsciio  # noqa: F401  gives its log a voice when it is first imported

    logger, ear = logging.getLogger("rsciio"), _Ear()
    handlers, propagate = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [ear], False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found = call()
            except Exception as error:
                traceback.clear_frames(error.__traceback__)  # closes the file that a failed reader left open
                raise
    finally:
        logger.handlers, logger.propagate = handlers, propagate
    # What a library says about itself (its future, its handles) says nothing about the file.
    own = (FutureWarning, DeprecationWarning, ResourceWarning)
    said = [str(w.message) for w in caught if not issubclass(w.category, own)] + ear.said
    lines = (
        text.split("\n")[0] for text in said if not re.search("Cannot find package|numba|unbcf_fast", text)
    )
    return found, "; ".join(dict.fromkeys(lines))


def _check_chunks(path, found):
    """Refuse a store of ours of which a part is missing: it would read as zeros."""
    import zarr

    if not path.is_dir() or not any(entry.get("metadata", {}).get(MARK) for entry in found):
        return
    group = zarr.open_group(str(path), mode="r")["Experiments"]
    for name, signal in group.groups():
        # Chunks lie in folders of folders, which zarr itself does not count.
        files = (path / "Experiments" / name / "data").rglob("*")
        there = sum(1 for file in files if file.is_file() and not file.name.startswith("."))
        if there < signal["data"].nchunks:
            raise FormatError(
                f"{path.name} holds {there} of the {signal['data'].nchunks} chunks of {name!r}: the store "
                "is incomplete; write or copy it again"
            )


def _without_invented_scale(entry):
    """Undo the 1 nm a pixel that an mrc without a cell gets, or one with a negative: both mean none."""
    header = entry["original_metadata"].get("std_header", {})
    if all(header.get(name, 1) > 0 for name in ("MX", "MY", "Xlen", "Ylen")):
        return entry
    axes = [axis | {"units": None, "scale": 1.0, "offset": 0.0} for axis in entry["axes"]]
    return entry | {"axes": axes, "note_scale": "the header has no cell, so that there is no pixel size"}


def from_dictionary(entry, stem, attrs):
    """Turn one dictionary of rosettasciio, or of a HyperSpy signal, into a Signal."""
    data, metadata = entry["data"], entry.get("metadata", {})
    title = metadata.get("General", {}).get("title") or stem
    axes = tuple(_axis(axis, size) for axis, size in zip(entry["axes"], data.shape, strict=True))
    for axis in axes:
        if axis.values is not None and len(axis.values) != axis.size:
            raise FormatError(
                f"{title!r} is damaged: an axis has {len(axis.values)} places for {axis.size} values; copy "
                "or export the file again"
            )
    flat = _metadata.flat(metadata, entry.get("original_metadata"), entry.get("mapping"))
    ours = metadata.get(MARK, {})
    saved, wrong = parsed(ours.get("saved") if isinstance(ours, dict) else None)
    if wrong:
        flat["note_saved"] = NOT_BELIEVED.format(wrong)
    if saved and not _still_holds(saved, axes):  # HyperSpy summed, transposed or recalibrated it since
        flat = {
            k: v for k, v in saved["attrs"].items() if k not in ("kind", "reader", "file", "sha256")
        } | flat
        saved = None
    flat |= {key: entry[key] for key in ("note_scale",) if key in entry}
    return Signal(
        title=title,
        shape=data.shape,
        dtype=data.dtype,
        axes=axes,
        load=partial(_load, data, title),
        attrs={**attrs, "title": title, **flat},
        saved=saved,
    )


def _load(data, title):
    if data.dtype == object:
        raise FormatError(
            f"{title!r} is ragged: it holds a list or a text at every place, not numbers; save what is "
            "wanted of it as a plain array"
        )
    return np.array(data) if isinstance(data, np.memmap) else data


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
