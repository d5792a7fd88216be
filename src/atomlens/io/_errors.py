"""The one error of file reading, and what other errors mean to who wants to read a file."""

import errno
import struct
import zipfile
import zlib


class FormatError(ValueError):
    """A file cannot be read as asked: unknown, damaged, ambiguous or not numeric.

    The message names the file, what is wrong with it and what to do.

    Examples
    --------
    >>> issubclass(FormatError, ValueError)
    True
    """


# What readers raise where bytes are missing, or are not what they should be.
_DAMAGED = (EOFError, struct.error, zlib.error, zipfile.BadZipFile, UnicodeDecodeError, OSError)
_CUT = ("reshape", "buffer is smaller", "mmap length", "broadcast", "truncated", "seek", "not enough")


def explained(error, name, what):
    """A sentence for whatever a reader raised: the reason as far as it is known, and the remedy.

    Parameters
    ----------
    error : Exception
    name : str
        Of the file.
    what : str
        Its type.
    """
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    text = f"{name} could not be read as {what}: "
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return text + "it holds, or claims to hold, more than memory does; read it with lazy=True"
    if isinstance(error, NotImplementedError):
        return text + f"it is of a kind that no reader here knows; export it as .tif or .hspy ({said})"
    if isinstance(error, _DAMAGED) or any(word in str(error).lower() for word in _CUT):
        return text + (
            "it seems truncated or damaged, or is of another type than its name says; copy or export it "
            f"again ({said})"
        )
    return text + (
        "it is truncated or damaged, or of a variant that its reader does not know; copy or export it again, "
        f"for example as .tif or .hspy ({said})"
    )
