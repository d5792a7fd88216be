"""Before memory is taken: what a header claims, against the file and against the memory there is."""

import numpy as np

from atomlens.io._errors import FormatError

_SHARE = 0.8  # of the free memory that an array may take


def check_memory(nbytes, what):
    """Refuse to unpack more than memory holds.

    Raises
    ------
    FormatError
        With the remedy: read lazily.
    """
    free = _SHARE * free_memory()
    if nbytes > free:
        raise FormatError(
            f"{what} holds, or claims to hold, {nbytes / 2**30:.1f} GB, and {free / 2**30:.1f} GB of memory "
            "are free: read it with lazy=True, or on a larger machine"
        )


def check_length(nbytes, there, what):
    """Refuse a header that claims more than the file holds uncompressed."""
    if nbytes > there:
        raise FormatError(
            f"{what} is truncated or damaged: its header claims {nbytes} bytes, there are {there}; copy or "
            "export it again"
        )


def nbytes_of(shape, dtype):
    """Bytes of an array, as a Python number that does not overflow."""
    size = np.dtype(dtype).itemsize
    for n in shape:
        size *= int(n)
    return size


def free_memory():
    """Bytes that may still be taken: free in the machine, and allowed to this process."""
    import psutil

    free = [psutil.virtual_memory().available]
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            free.append(limit - psutil.Process().memory_info().vms)
    except ImportError:  # no such limits on Windows
        pass
    return max(0, min(free))
