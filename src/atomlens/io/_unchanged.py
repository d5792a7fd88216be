"""Lazy arrays that notice when their file is replaced before they are read."""

from functools import partial

import numpy as np

from atomlens.io._errors import FormatError

# What is rewritten with a store of zarr; its chunks are too many to look at for every part.
_OF_A_STORE = (".zarray", ".zmetadata", "zarr.json")
_NUMBERS_IN = {".rpl": ".raw"}  # a file that only describes -> where its numbers are


def state(path):
    """What changes when a file is replaced: size and time of it, or of the metadata of a store."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.name in _OF_A_STORE)
    else:
        files = [path.with_suffix(_NUMBERS_IN.get(path.suffix.lower(), path.suffix))]
    return {file.absolute(): _seen(file) for file in files}


def _seen(file):
    try:
        about = file.stat()
    except OSError:
        return None  # it is gone
    return about.st_size, about.st_mtime_ns


def watched(array, name, before):
    """The same Dask array, which refuses every part that is read after its file has changed.

    Parameters
    ----------
    array : dask.array.Array
    name : str
        Of the file.
    before : dict
        Its `state` when it was opened.
    """
    import dask.array as da
    from dask.graph_manipulation import clone
    from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

    check = partial(_check, name, before)
    # Names of their own, or dask would take what was read before and after for the same.
    own = clone(array, seed=str(before))
    layers = dict(own.dask.layers)
    sources = [layer for layer in layers if layer.startswith("original-")]
    if not sources:  # every part is read whole by a function
        return array.map_blocks(_passed, check, dtype=array.dtype, meta=array._meta)
    for layer in sources:  # a slice is passed on to these, so that only what is asked for is read
        layers[layer] = MaterializedLayer({key: _Watched(x, check) for key, x in layers[layer].items()})
    graph = HighLevelGraph(layers, own.dask.dependencies)
    return da.Array(graph, own.name, own.chunks, meta=own._meta)


class _Watched:
    """What dask takes an array from, with a look at the file after each part: also if reading it failed."""

    def __init__(self, array, check):
        self.array, self.check = array, check
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, len(array.shape)

    def __getitem__(self, index):
        try:
            part = self.array[index]
            # xarray reads no sooner than here; what is sparse stays so.
            return part if hasattr(part, "todense") else np.asarray(part)
        finally:
            self.check()


def _passed(part, check):
    check()
    return part


def _check(name, before):
    if any(_seen(file) != seen for file, seen in before.items()):
        raise FormatError(f"{name} has changed since it was opened: read it again")
