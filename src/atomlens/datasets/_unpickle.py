"""Two registered files hold a pickled dictionary; this opens those and nothing else."""

import hashlib
import io
import pickle

import numpy as np

# All that a numpy array in a dictionary needs to be rebuilt; any other name is refused.
_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
}


def _latin1(text, encoding):
    """Stand in for _codecs.encode, which pickles of protocol 2 call for bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding!r} is not allowed")
    return text.encode("latin1")


class _Restricted(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a data file")
        return _ALLOWED[module, name]


def load_dictionary(path, sha256):
    """Return the dictionary of numeric arrays in a 0-D object .npy file whose hash is known.

    Parameters
    ----------
    path : pathlib.Path
    sha256 : str
        What the file's SHA-256 must be; it is checked on the very bytes that are unpickled.

    Returns
    -------
    dict of ndarray

    Raises
    ------
    ValueError
        If the hash differs.
    pickle.UnpicklingError
        If the file holds anything else than a dictionary of numeric arrays.
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path} is not the registered file, so it is not unpickled: fetch it again")
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise pickle.UnpicklingError(f"{path} is not the kind of .npy file expected")
    np.lib.format.read_array_header_1_0(stream)
    found = _Restricted(stream).load().item()
    if not isinstance(found, dict) or not all(
        isinstance(array, np.ndarray) and array.dtype.kind in "iuf" for array in found.values()
    ):
        raise pickle.UnpicklingError(f"{path} holds something else than a dictionary of numeric arrays")
    return found
