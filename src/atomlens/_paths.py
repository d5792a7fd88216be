"""Names of files as users give them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_LONGEST = 255  # bytes of one name, on every file system in use


def user_path(path):
    """A path with the home folder in place of ``~``, checked for names that no file system takes.

    Examples
    --------
    >>> user_path("a/b.tif").name
    'b.tif'
    """
    path = Path(path)
    with contextlib.suppress(RuntimeError):  # ~nobody: there is no such user, so it is the name of a folder
        path = path.expanduser()
    for part in path.parts:
        if len(os.fsencode(part)) > _LONGEST:
            raise ValueError(f"the name {part[:20]}... has more than {_LONGEST} bytes: shorten it")
    return path
