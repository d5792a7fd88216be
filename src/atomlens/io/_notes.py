"""What `write` noted beside the data, and whether it may be believed when the file comes back."""

import hashlib
import json

import numpy as np

from atomlens.io._axes import KINDS

_LONGEST = 16  # bytes of a number
NOT_BELIEVED = "what atomlens noted in the file was left aside: {}; its other tags were read"


def fingerprint(values):
    """A hash of numbers, their type and their shape."""
    digest = hashlib.blake2b(f"{values.dtype.str} {values.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def parsed(text):
    """The notes in a text, or why there are none: (notes or None, what is wrong or "").

    A file may have been changed by another program, or be damaged: nothing in the text is taken for granted.
    """
    if not text:
        return None, ""
    try:
        saved = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return None, "they are damaged"
    return (saved, "") if _well_formed(saved) else (None, "they are damaged")


def _well_formed(saved):
    try:
        dims, coords, attrs = saved["dims"], saved["coords"], saved["attrs"]
        return (
            all(isinstance(dim, str) for dim in dims)
            and len({*dims}) == len(dims) == len(coords)
            and {*dims} == {*coords}
            and all(isinstance(c["attrs"], dict) and _is_numeric(c["dtype"]) for c in coords.values())
            and all(np.isfinite(c.get(key, 0)) for c in coords.values() for key in ("scale", "offset"))
            and isinstance(attrs, dict)
            and attrs["kind"] in (*KINDS, "other")
            and (saved["name"] is None or isinstance(saved["name"], str))
            and _is_numeric(saved.get("dtype", "<f8"))
        )
    except (KeyError, TypeError, AttributeError):
        return False


def _is_numeric(text):
    try:
        dtype = np.dtype(text)
    except (TypeError, ValueError, SyntaxError):
        return False
    return (
        isinstance(text, str)
        and dtype.kind in "buifcUM"
        and (dtype.itemsize <= _LONGEST or (dtype.kind == "U" and dtype.itemsize <= 4 * 1024))
    )
