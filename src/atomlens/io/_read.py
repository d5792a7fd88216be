"""`read` and `signals`: from any supported file to a DataArray."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from atomlens._extras import missing
from atomlens._paths import user_path
from atomlens._types import DataArray, DataFrame
from atomlens.io import _asd, _hdf5, _plain, _rosetta, _stores, _tiff, _unchanged
from atomlens.io._axes import chunking
from atomlens.io._errors import FormatError, explained
from atomlens.io._signal import check_options, to_array

LAZY_BYTES = 256 * 2**20
_OWN = {
    ".png": _plain.open_image,
    ".jpg": _plain.open_image,
    ".jpeg": _plain.open_image,
    ".npy": _plain.open_npy,
    ".npz": _plain.open_npz,
    ".nc": _stores.open_netcdf,
    ".asd": _asd.open_asd,
    ".tif": _tiff.open_tiff,
    ".tiff": _tiff.open_tiff,
    ".zarr": _stores.open_zarr,
}
_HDF5 = (".h5", ".hdf5", ".nxs")
# What lies beside a file, and which file to give instead
_BESIDE = {".raw": ".rpl", ".hdr": ".mib"}
_FOLDERS = (".zarr", ".zspy")
#: Suffixes of files (and of folders that are one) that `read` knows.
READABLE = sorted({*_rosetta.MODULES, *_OWN, *_HDF5})


def read(
    path: str | Path,
    *,
    kind: str | None = None,
    signal: int | str | None = None,
    pixel_size: float | None = None,
    units: str | None = None,
    lazy: bool | None = None,
) -> DataArray:
    """Read a microscopy file as a DataArray with named dims, calibrated coordinates and provenance.

    Formats: dm3, dm4, emd, hspy, zspy, mrc, tif, ser, emi, bcf, nxs, h5, rpl, msa, blo, mib, wdf, sur, tvips,
    prz and others (through rosettasciio), png, jpg, npy, npz, asd (high-speed
    AFM), and the zarr and NetCDF that :func:`write`
    makes. Dimensions are recognised by units and names,
    whatever order the file has; lengths come out in nm, energies in eV, times in s, reciprocal lengths in
    1/nm.

    Parameters
    ----------
    path : str or path-like
        The file (for zarr and zspy: the folder).
    kind : {"image", "spectrum", "line_scan", "spectrum_image", "movie"}, optional
        What the data is. Only needed where the file does not tell, such as a 3-D ``.npy``; without units,
        ``"spectrum_image"`` takes the axes as (y, x, channel), ``"movie"`` as (time, y, x).
    signal : int or str, optional
        Which one, of a file with several signals: the index or title that :func:`signals` lists.
    pixel_size : float, optional
        Replaces the calibration of the spatial axes.
    units : str, optional
        Unit of `pixel_size` (default "nm"); alone, the unit of a scale that the file gives without one.
    lazy : bool, optional
        True for a Dask array, False for one in memory. By default what takes more than 256 MB is lazy.

    Returns
    -------
    xarray.DataArray
        Dims ``(y, x)``, ``(y, x, energy)``, ``(x, energy)``, ``(energy,)`` or ``(time, y, x)``; an axis
        that is none of these keeps the file's own name. ``coord.attrs["units"]`` holds the unit ("px",
        "channel" or "frame" where there is no calibration). Attrs: ``file``, ``sha256``, ``reader``,
        ``title``, ``kind``, the instrument's metadata (such as ``beam_energy_keV``), ``not_finite`` (a
        count, if there are any NaN or inf) and, where something was decided, ``note_*``, ``colour`` or
        ``scale_without_unit``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is of an unknown type, damaged, not numeric, holds several signals, or does not fit `kind`.
    ValueError
        If an option is not valid.

    Notes
    -----
    Nothing is ever unpickled. A tif whose scale lacks a unit stays in pixels, with
    ``scale_without_unit`` in the attrs. What is read lazily is not hashed: :func:`sha256` does it on demand.
    A lazy array whose file is replaced before it is computed raises a `FormatError` then; single chunks
    of a zarr store that are overwritten in place are not noticed.

    Examples
    --------
    >>> from atomlens import datasets, io
    >>> image = io.read(datasets.sample_path("image.tif"))
    >>> image.dims, image.x.attrs["units"]
    (('y', 'x'), 'nm')
    """
    check_options(kind, pixel_size, units)
    path = _existing(path)
    lazy = _unpacked(path) > LAZY_BYTES if lazy is None else lazy
    before = _unchanged.state(path)
    found = _open(path, lazy=lazy)
    chosen = _choose(found, signal, path.name)
    what = path.name if len(found) == 1 else f"signal {chosen.title!r} of {path.name}"
    guarded = replace(chosen, load=lambda: _guarded(path, chosen.load))
    array = to_array(guarded, what, kind=kind, pixel_size=pixel_size, units=units)
    from_file = bool(array.chunks) or isinstance(array.data, np.memmap)
    if lazy and not array.chunks:
        array = array.chunk(chunking(array.dims))
    if lazy and from_file:
        array = array.copy(data=_unchanged.watched(array.data, path.name, before))
    # A hash takes a pass over the file, which lazy data are spared.
    source = {"file": path.name} | ({} if lazy else {"sha256": sha256(path)})
    array.attrs = source | array.attrs | source
    array.attrs.setdefault("title", chosen.title)
    return array


def signals(path: str | Path) -> DataFrame:
    """List what a file holds, without loading it.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    pandas.DataFrame
        Columns ``title``, ``shape``, ``axes`` (name, unit) and ``dtype``; the index is what
        ``read(signal=...)`` takes.

    Raises
    ------
    FileNotFoundError, FormatError
        As in :func:`read`.

    Examples
    --------
    >>> from atomlens import datasets, io
    >>> io.signals(datasets.sample_path("curves.npz")).title.tolist()
    ['bias', 'current']
    """
    import pandas as pd

    path = _existing(path)
    rows = [
        {
            "title": s.title,
            "shape": " x ".join(map(str, s.shape)),
            "axes": ", ".join(f"{a.name or '?'} ({a.units or 'no unit'})" for a in s.axes),
            "dtype": str(s.dtype),
        }
        for s in _open(path, lazy=True)
    ]
    return pd.DataFrame(rows, columns=["title", "shape", "axes", "dtype"])


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file, read in chunks; of a folder, that of its files' names and contents.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "empty")
    ...     file.touch()
    ...     sha256(file)[:8]
    'e3b0c442'
    """
    path, digest = Path(path), hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        if path.is_dir():
            digest.update(file.relative_to(path).as_posix().encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def size_of(path):
    """Bytes of a file, or of all the files of a folder."""
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _unpacked(path):
    """Bytes that a file takes in memory, as far as that is known before it is read."""
    if path.suffix.lower() in _hdf5.SUFFIXES:
        return max(size_of(path), _hdf5.largest(path))
    return max(size_of(path), _stores.largest(path)) if path.is_dir() else size_of(path)


def _existing(path):
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be the name of a file, got a {type(path).__name__}")
    path = user_path(path)
    suffix = path.suffix.lower()
    if not path.exists():
        seen = sorted(p.name for p in path.parent.glob("*") if p.suffix.lower() in READABLE)[:8]
        hint = f"; readable there: {', '.join(seen)}" if seen else ""
        raise FileNotFoundError(f"there is no file {path}: check the name and the folder{hint}")
    if suffix in _BESIDE:
        raise FormatError(
            f"{path.name} belongs to another file: give {path.with_suffix(_BESIDE[suffix]).name}, which "
            "describes it"
        )
    if suffix in (".csv", ".txt", ".mat"):
        raise FormatError(
            f"{path.name} is no image or spectrum: a table of columns is read by io.read_columns, other "
            "tables by pandas.read_csv"
        )
    if suffix not in READABLE:
        what = "a folder" if path.is_dir() else f"of the type {suffix or '(no extension)'!r}"
        raise FormatError(f"{path.name} is {what}: give a file of one of the types {', '.join(READABLE)}")
    if path.is_dir() and suffix not in _FOLDERS:
        raise FormatError(f"{path.name} is a folder, not a file: give one file in it")
    if size_of(path) == 0:
        raise FormatError(f"{path.name} is empty (0 bytes): copy or download it again")
    return path


def _open(path, *, lazy):
    """Return the signals of a file, with every failure of a reader put in one sentence."""
    suffix = path.suffix.lower()

    def open_it():
        module = _hdf5.convention(path) if suffix in _HDF5 else None
        if suffix in _hdf5.SUFFIXES:
            # Without a convention, only what is chosen is loaded, and weighed then.
            _hdf5.check(path, lazy=lazy or (suffix in _HDF5 and not module))
        if suffix in _HDF5:
            return _of_convention(path, module, lazy) or _hdf5.open_hdf5(path, lazy=lazy)
        if suffix in _OWN:
            return _OWN[suffix](path, lazy=lazy)
        return _rosetta.open_file(path, _rosetta.MODULES[suffix], lazy=lazy)

    found = _guarded(path, open_it)
    if not found:
        raise FormatError(f"{path.name} holds no signal that can be read")
    return found


def _of_convention(path, module, lazy):
    """Signals of an HDF5 file as its convention has them; nothing if it only looks as if it had one."""
    if not module:
        return []
    try:
        return _rosetta.open_file(path, (module,), lazy=lazy)
    except Exception:
        with suppress(Exception):
            if _hdf5.open_hdf5(path, lazy=True) and module not in ("hspy", "emd"):
                return []
        raise


def _guarded(path, step):
    try:
        return step()
    except (FormatError, PermissionError):
        raise
    except ModuleNotFoundError as error:
        raise missing(error.name, f"reading {path.name}") from error
    except ImportError:
        raise
    except Exception as error:
        raise FormatError(explained(error, path.name, path.suffix.lower().lstrip("."))) from error


def _choose(found, signal, name):
    listing = "; ".join(f"{i}: {s.title!r} ({' x '.join(map(str, s.shape))})" for i, s in enumerate(found))
    if signal is None:
        if len(found) > 1:
            raise FormatError(f"{name} holds {len(found)} signals, choose one with signal=: {listing}")
        return found[0]
    if isinstance(signal, int) and not isinstance(signal, bool):
        if 0 <= signal < len(found):
            return found[signal]
    else:
        same = [s for s in found if s.title == signal]
        same = same or [s for s in found if s.title.lower() == str(signal).lower()]
        if len(same) == 1:
            return same[0]
        if same:
            raise FormatError(
                f"{name} holds {len(same)} signals titled {signal!r}, choose by index: {listing}"
            )
    raise FormatError(f"{name} holds no signal {signal!r}, choose one of {listing}")
