"""HDF5: which convention a file follows, what it refers to, and arrays in files that follow none."""

import os
from contextlib import suppress
from functools import partial
from pathlib import Path

from atomlens._extras import missing
from atomlens.io._claims import check_memory, nbytes_of
from atomlens.io._errors import FormatError
from atomlens.io._signal import Signal, bare_axes

SUFFIXES = (".h5", ".hdf5", ".nxs", ".hspy", ".emd", ".de5", ".nc")


def largest(path):
    """Bytes of the largest array of a file, unpacked; 0 where that cannot be told."""
    import h5py

    sizes = [0]

    def visit(_, node):
        if isinstance(node, h5py.Dataset) and node.dtype.kind in "buifc":
            sizes.append(nbytes_of(node.shape or (), node.dtype))

    try:
        with h5py.File(path) as file:
            file.visititems(visit)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):
        pass  # what is wrong with it is said when it is opened
    return max(sizes)


def convention(path):
    """Return the rosettasciio module whose convention an .h5 file follows, or None."""
    import h5py
    import numpy as np

    with h5py.File(path) as file:
        if file.attrs.get("file_format") == "HyperSpy" or "Experiments" in file:
            return "hspy"
        if "version_major" in file.attrs:
            return "emd"
        if any(name.startswith("Acquisition") and "SVIData" in group for name, group in _groups(file)):
            return "delmic"
        if path.stem.endswith("_master") and "data" in file.get("entry", ()):
            return "arina"
        if "TofDAQ Version" in file.attrs or "FullSpectra" in file:
            return "tofwerk"
        if any(name.startswith("Measurement_") for name, _ in _groups(file)):
            return "usid"
        if any(b"NX" in np.bytes_(group.attrs.get("NX_class", b"")) for _, group in _groups(file)):
            return "nexus"
    return None


def _groups(file):
    import h5py

    for name in file:
        if isinstance(file.get(name, getlink=True), h5py.HardLink):
            yield name, file[name]


def check(path, *, lazy):
    """Refuse what would read other files of the user, what cannot be decoded, and what memory cannot hold.

    A virtual data set or a link may lead to a file beside this one, as detectors write them; if that is
    missing HDF5 would give zeros without a word.

    Raises
    ------
    FormatError
    ImportError
        If a codec is missing.
    """
    import h5py

    if not h5py.is_hdf5(path):
        return
    with h5py.File(path) as file:
        _check_links(file, path, lazy, set())


def _check_links(group, path, lazy, seen):
    import h5py

    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            _check_beside(link.filename, path, f"the link {name!r}")
        if not isinstance(link, h5py.HardLink):
            continue  # a soft link leads to something that is visited, or nowhere
        node = group[name]
        if isinstance(node, h5py.Group):
            if node.id.__hash__() not in seen:
                seen.add(node.id.__hash__())
                _check_links(node, path, lazy, seen)
        elif isinstance(node, h5py.Dataset):
            _check_dataset(node, path, lazy)


def _check_dataset(dataset, path, lazy):
    what = f"{dataset.name!r} of {path.name}"
    if dataset.external:
        raise FormatError(
            f"{what} refers to another file ({dataset.external[0][0]}), as raw bytes of which anything could "
            "be read: save it as one file"
        )
    if dataset.is_virtual:
        for source in dataset.virtual_sources():
            if source.file_name != ".":
                _check_beside(source.file_name, path, repr(dataset.name))
    codecs = dataset.id.get_create_plist()
    for i in range(codecs.get_nfilters()):
        _check_codec(codecs.get_filter(i), what)
    if not lazy and dataset.dtype.kind in "buifcV":
        check_memory(nbytes_of(dataset.shape or (), dataset.dtype), what)


def _check_beside(name, path, what):
    """Refuse a reference that leaves the folder of the file, or leads nowhere."""
    folder = path.resolve().parent
    place = Path(os.path.normpath(folder / os.fsdecode(name)))
    if folder not in place.parents or folder not in place.resolve().parents:
        raise FormatError(
            f"{what} of {path.name} refers to {name}, outside its folder, which is never read: save all in "
            "one file, or put the other beside it"
        )
    if not place.exists():
        raise FormatError(
            f"{what} of {path.name} lies in another file, {name}, which is not there: copy it to "
            f"{folder.name}"
        )


def _check_codec(codec, what):
    import h5py

    number, name = codec[0], codec[3].decode(errors="replace") or "no name"
    if not h5py.h5z.filter_avail(number):
        with suppress(ImportError):
            import hdf5plugin  # noqa: F401  registers its codecs when it is imported
    if not h5py.h5z.filter_avail(number):
        raise missing("hdf5plugin", f"{what}, compressed with a codec that HDF5 lacks ({number}, {name}),")


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
        load, attrs = partial(_load, path, name, lazy), {"reader": reader, "title": name}
        signals.append(Signal(name, shape, dtype, bare_axes(shape), load, attrs))
    return signals


def _load(path, name, lazy):
    import h5py

    if lazy:  # the file stays open as long as the Dask array lives
        import dask.array as da

        dataset = h5py.File(path)[name]
        return da.from_array(dataset, chunks=dataset.chunks or "auto")
    with h5py.File(path) as file:
        check_memory(nbytes_of(file[name].shape, file[name].dtype), f"{name!r} of {path.name}")
        return file[name][()]
