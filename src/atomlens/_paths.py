"""Names of files as users give them."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

_LONGEST = 255  # bytes of one name, on every file system in use
_NEVER = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")  # the end of a text; halves of a character


def user_path(path):
    """A path with the home folder in place of ``~``, checked for names that no file system takes.

    Raises
    ------
    ValueError
        If there can be no such path.

    Examples
    --------
    >>> user_path("a/b.tif").name
    'b.tif'
    """
    path = Path(path)
    with contextlib.suppress(RuntimeError):  # ~nobody: there is no such user, so it is the name of a folder
        path = path.expanduser()
    if _NEVER.search(str(path)):
        raise ValueError(f"{str(path)!r} is no name of a file: it has a character that no name can have")
    for part in path.parts:
        if len(os.fsencode(part)) > _LONGEST:
            raise ValueError(f"the name {part[:20]}... has more than {_LONGEST} bytes: shorten it")
    return path
