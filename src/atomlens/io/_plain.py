"""Files atomlens reads by itself: png and jpg, npy and npz."""

import zipfile
from functools import partial

import numpy as np

from atomlens.io import _rosetta
from atomlens.io._axes import Axis
from atomlens.io._claims import check_length, check_memory, nbytes_of
from atomlens.io._errors import FormatError
from atomlens.io._signal import Signal, bare_axes


def open_image(path, *, lazy):
    """Read png or jpg; colour becomes a record of channels, as in rosettasciio."""
    from PIL import Image

    _check_depth(path)
    with Image.open(path) as picture:
        if picture.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV", "PA"):
            picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
        data = np.asarray(picture)
    attrs = {"reader": "atomlens (Pillow)"}
    if data.ndim == 3 and data.shape[-1] in (3, 4):
        channels = "RGBA"[: data.shape[-1]]
        if "A" in channels and (data[..., 3] == data[..., 3].max()).all():
            channels = "RGB"  # an alpha channel that is opaque everywhere says nothing
        data = np.ascontiguousarray(data[..., : len(channels)])
        data = data.view([(name, data.dtype) for name in channels])[..., 0]
    elif data.ndim == 3:
        attrs["colour"] = "alpha channel dropped"
        data = np.ascontiguousarray(data[..., 0])
    axes = (Axis(data.shape[0], "y"), Axis(data.shape[1], "x"))
    if path.suffix.lower() in (".jpg", ".jpeg"):
        axes = _of_renishaw(path, axes)
    return [Signal(path.stem, data.shape, data.dtype, axes, lambda: data, attrs)]


def _check_depth(path):
    """Refuse a png with colours of 16 bits, which would come out in 8."""
    with path.open("rb") as file:
        head = file.read(26)
    if head[1:4] == b"PNG" and len(head) == 26 and head[24] == 16 and head[25] in (2, 4, 6):
        raise FormatError(
            f"{path.name} has 16 bits a colour, of which half would be lost: save it as a grey png, or as tif"
        )


def _of_renishaw(path, bare):
    """Axes of a picture from a Raman microscope, which leaves its scale where cameras leave theirs."""
    try:
        (found,) = _rosetta.open_file(path, ("image",), lazy=False)
    except Exception:  # the picture itself was read: there is no scale in it
        return bare
    sizes = [axis.size for axis in found.axes] == [axis.size for axis in bare]
    return found.axes if sizes and all(axis.units for axis in found.axes) else bare


def open_npy(path, *, lazy):
    """Read one plain array; memory-mapped when lazy."""
    _check_npy(path, lazy)
    data = _refusing_objects(path, lambda: np.load(path, mmap_mode="r" if lazy else None, allow_pickle=False))
    attrs = {"reader": "atomlens (npy)"}
    return [Signal(path.stem, data.shape, data.dtype, bare_axes(data.shape), lambda: data, attrs)]


def _check_npy(path, lazy):
    with path.open("rb") as file:
        try:
            shape, dtype = _npy_header(file)
        except ValueError:
            return  # NumPy says what it is instead
        if dtype.kind != "O":
            check_length(nbytes_of(shape, dtype), path.stat().st_size - file.tell(), path.name)
    if not lazy:
        check_memory(nbytes_of(shape, dtype), path.name)


def open_npz(path, *, lazy):
    """List the arrays of an archive from their headers; each is read when it is chosen."""
    signals = []
    with zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            title = entry.removesuffix(".npy")
            with archive.open(entry) as member:
                shape, dtype = _npy_header(member)
            if dtype.kind != "O":
                there = archive.getinfo(entry).file_size
                check_length(nbytes_of(shape, dtype), there, f"{title!r} of {path.name}")
            attrs = {"reader": "atomlens (npz)", "title": title}
            signals.append(
                Signal(title, shape, dtype, bare_axes(shape), partial(_load_npz, path, entry), attrs)
            )
    if not signals:
        raise FormatError(f"{path.name} holds no array")
    return signals


def _load_npz(path, entry):
    with zipfile.ZipFile(path) as archive:
        check_memory(archive.getinfo(entry).file_size, f"{entry!r} of {path.name}")
    with np.load(path, allow_pickle=False) as archive:
        return _refusing_objects(path, lambda: archive[entry])


def _npy_header(member):
    major = np.lib.format.read_magic(member)[0]
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(member)
    return shape, dtype


def _refusing_objects(path, load):
    try:
        return load()
    except ValueError as error:
        if "allow_pickle" in str(error) or "Python objects" in str(error):
            raise FormatError(
                f"{path.name} holds Python objects (pickled), which are never loaded from a file: "
                "open it where it was made and save a plain numeric array"
            ) from error
        raise
