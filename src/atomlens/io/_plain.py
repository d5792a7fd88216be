"""Files atomlens reads by itself: png and jpg, npy and npz, and HDF5 that follows no known convention."""

import zipfile
from functools import partial

import numpy as np

from atomlens.io._axes import Axis
from atomlens.io._errors import FormatError
from atomlens.io._signal import Signal, bare_axes


def open_image(path, *, lazy):
    """Read png or jpg; colour becomes a record of channels, as in rosettasciio."""
    from PIL import Image

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
    return [Signal(path.stem, data.shape, data.dtype, axes, lambda: data, attrs)]


def open_npy(path, *, lazy):
    """Read one plain array; memory-mapped when lazy."""
    data = _refusing_objects(path, lambda: np.load(path, mmap_mode="r" if lazy else None, allow_pickle=False))
    attrs = {"reader": "atomlens (npy)"}
    return [Signal(path.stem, data.shape, data.dtype, bare_axes(data.shape), lambda: data, attrs)]


def open_npz(path, *, lazy):
    """List the arrays of an archive from their headers; each is read when it is chosen."""
    signals = []
    with zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            with archive.open(entry) as member:
                shape, dtype = _npy_header(member, path)
            title = entry.removesuffix(".npy")
            attrs = {"reader": "atomlens (npz)", "title": title}
            signals.append(
                Signal(title, shape, dtype, bare_axes(shape), partial(_load_npz, path, title), attrs)
            )
    if not signals:
        raise FormatError(f"{path.name} holds no array")
    return signals


def _load_npz(path, title):
    with np.load(path, allow_pickle=False) as archive:
        return _refusing_objects(path, lambda: archive[title])


def _npy_header(member, path):
    major = np.lib.format.read_magic(member)[0]
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(member)
    return shape, dtype


def _refusing_objects(path, load):
    try:
        return load()
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise FormatError(
                f"{path.name} holds Python objects (pickled), which are never loaded from a file: "
                "open it where it was made and save a plain numeric array"
            ) from error
        raise


def open_hdf5(path, *, lazy):
    """List the numeric arrays of any HDF5 file, by their path in it."""
    import h5py

    found = []
    with h5py.File(path) as file:

        def visit(name, node):
            if isinstance(node, h5py.Dataset) and node.ndim and node.size > 1 and node.dtype.kind in "buifc":
                found.append((name, node.shape, node.dtype))

        file.visititems(visit)
    if not found:
        raise FormatError(f"{path.name} is an HDF5 file, but there is no numeric array in it")
    reader = f"atomlens (h5py {h5py.__version__})"
    signals = []
    for name, shape, dtype in found:
        load, attrs = partial(_load_hdf5, path, name, lazy), {"reader": reader, "title": name}
        signals.append(Signal(name, shape, dtype, bare_axes(shape), load, attrs))
    return signals


def _load_hdf5(path, name, lazy):
    import h5py

    if lazy:  # the file stays open as long as the Dask array lives
        import dask.array as da

        dataset = h5py.File(path)[name]
        return da.from_array(dataset, chunks=dataset.chunks or "auto")
    with h5py.File(path) as file:
        return file[name][()]


def hdf5_convention(path):
    """Return the rosettasciio module whose convention an .h5 file follows, or None."""
    import h5py

    with h5py.File(path) as file:
        if file.attrs.get("file_format") == "HyperSpy" or "Experiments" in file:
            return "hspy"
        if "version_major" in file.attrs:
            return "emd"
        if any(b"NX" in np.bytes_(group.attrs.get("NX_class", b"")) for group in file.values()):
            return "nexus"
    return None
