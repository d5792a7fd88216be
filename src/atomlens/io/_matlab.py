"""Tables in MATLAB files, also of 7.3: plain variables, structs, and the objects that StatSTEM saves."""

import io
import struct
import warnings

import numpy as np

from atomlens.io import _hdf5
from atomlens.io._errors import FormatError

_COORDINATES = "coordinates"
_WIDEST = 16  # columns of a table; more are an image
_NONE = "none (sparse matrices and foreign objects are not read: save the positions as .csv)"
_FIRST_CELL = 2  # the values of properties stand after two cells of bookkeeping
_NAMES_BEGIN = 40  # bytes
# What a matrix of version 7.3 may hold; texts and lists look like numbers there, too.
_NUMERIC = {b"double", b"single", *(f"{sign}int{n}".encode() for sign in ("", "u") for n in (8, 16, 32, 64))}


def read_mat(path, name):
    """Columns of a MATLAB file: (array (n, k), names of its columns, nm a pixel or None, first pixel).

    Raises
    ------
    FormatError
        If there is no table of two or more columns, or there are several.
    """
    from scipy.io import loadmat

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nameless variables, which are the objects that are taken apart here
        try:
            found = loadmat(path, squeeze_me=False, struct_as_record=True)
        except NotImplementedError:  # of version 7.3
            found, objects = _of_hdf5(path)
        else:
            objects = _objects(found.get("__function_workspace__"))
    found = {k: _upright(v) for k, v in found.items() if isinstance(v, np.ndarray) and not k.startswith("__")}
    objects += [_fields(value) for value in found.values() if value.dtype.names]
    of_statstem = [o for o in objects if _is_table(o.get(_COORDINATES))]
    if of_statstem and name is None:
        # The fitted ones know the width of columns, the others are where the fit began.
        return _of_statstem(max(of_statstem, key=lambda o: _is_column(o.get("rho"), o)))
    tables = {k: v for k, v in found.items() if _is_table(v)}
    if name is not None:
        tables = {k: v for k, v in tables.items() if k == name}
    if len(tables) != 1:
        listed = ", ".join(f"{k!r} {v.shape}" for k, v in found.items() if _is_table(v)) or _NONE
        raise FormatError(
            f"{path.name} must hold one table of positions, or the one named with name=; there are: {listed}"
        )
    (table,) = tables.values()
    return np.asarray(table, dtype=float), None, None, 1.0


def _of_hdf5(path):
    """Matrices of a file of version 7.3, and the fields of its structs: HDF5, with rows for columns."""
    import h5py

    _hdf5.check(path, lazy=False)

    def dense(group):
        return {
            name: node[()].T
            for name, node in group.items()
            if isinstance(node, h5py.Dataset) and node.attrs.get("MATLAB_class") in _NUMERIC
        }

    with h5py.File(path) as file:
        structs = [dense(node) for node in file.values() if isinstance(node, h5py.Group)]
        return dense(file), structs


def _upright(value):
    """A table of positions that lies on its side, two rows of many columns, put upright."""
    lies = value.ndim == 2 and value.shape[0] == 2 and value.shape[1] > _WIDEST
    return value.T if lies else value


def _is_table(value):
    return (
        isinstance(value, np.ndarray)
        and value.dtype.kind in "iuf"
        and value.ndim == 2
        and 2 <= value.shape[1] <= _WIDEST
        and value.shape[0] > 1
    )


def _is_column(value, about):
    return isinstance(value, np.ndarray) and value.size == len(about[_COORDINATES])


def _of_statstem(about):
    """Positions in Angstrom, of which the first pixel is the first, not the zeroth: one pixel from 0."""
    coordinates = np.asarray(about[_COORDINATES], dtype=float)
    step = about.get("dx")
    step = float(step.ravel()[0]) if isinstance(step, np.ndarray) and step.size == 1 else 1.0
    columns, names = [coordinates[:, 0] / step, coordinates[:, 1] / step], ["x", "y"]
    if coordinates.shape[1] > 2:
        columns, names = [*columns, coordinates[:, 2]], [*names, "label"]
    if _is_column(about.get("rho"), about) and _is_column(about.get("eta"), about):
        width, height = about["rho"].ravel() / step, about["eta"].ravel()
        columns += [2 * np.pi * width**2 * height, width]
        names += ["intensity", "sigma"]
    return np.column_stack(columns), names, step / 10, 1.0


def _fields(value):
    first = value.ravel()[0] if value.size else None
    return {n: first[n] for n in value.dtype.names} if first is not None else {}


def _objects(workspace):
    """Properties of the objects in a file: MATLAB keeps them apart, in a file within the file.

    That holds one list of values, and a table of numbers that says which object has which of them, and
    by what name.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import varmats_from_mat

    if not isinstance(workspace, np.ndarray) or workspace.dtype != np.uint8:
        return []
    raw = workspace.tobytes()
    try:
        inner = varmats_from_mat(io.BytesIO(b" " * 124 + raw[:4] + raw[8:]))
        wrapped = loadmat(inner[0][1])["__function_workspace__"]
        cells = wrapped.ravel()[0]["MCOS"].ravel()[0]["arr"].ravel()
        table = cells[0].astype(np.uint8).tobytes()
        words = struct.unpack(f"<{len(table) // 4}I", table[: len(table) // 4 * 4])
        names = table[_NAMES_BEGIN : words[2]].split(b"\0")[: words[1]]
        return [
            {names[n - 1].decode(): cells[at + _FIRST_CELL] for n, kind, at in properties if kind == 1}
            for begin, end in ((words[3], words[4]), (words[5], words[6]))
            for properties in _properties(words, begin // 4, end // 4)
        ]
    except (ValueError, IndexError, KeyError, TypeError, struct.error, AttributeError):
        return []  # saved by a version of MATLAB that keeps them in another way


def _properties(words, begin, end):
    """Blocks of (name, kind of value, place of value), each preceded by its length, two words at a time."""
    at = begin + 2
    while at < end:
        count = words[at]
        if count > end - at:
            raise ValueError("not a table of properties")
        yield [words[at + 1 + 3 * i : at + 4 + 3 * i] for i in range(count)]
        at += 1 + 3 * count
        at += (at - begin) % 2
