"""Damage on which a reader of rosettasciio would never end, or take the whole process along."""

import bz2
import struct

_CHUNK = 2**20
_HEADER = struct.Struct("<4sIQ")  # of a block in a wdf: name, number, bytes with the header


def check_blocks(path):
    """A wdf is a chain of blocks; one without length would be met again and again.

    Raises
    ------
    EOFError
    """
    end, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at + _HEADER.size <= end:
            file.seek(at)
            length = _HEADER.unpack(file.read(_HEADER.size))[2]
            if length < _HEADER.size:
                raise EOFError(f"a block of {length} bytes at {at}")
            at += length


def check_compressed(path):
    """An elid is one compressed stream; its reader waits for the end for ever.

    Raises
    ------
    EOFError, OSError
    """
    with bz2.open(path) as stream:
        while stream.read(_CHUNK):
            pass


CHECKS = {"renishaw": check_blocks, "phenom": check_compressed}
