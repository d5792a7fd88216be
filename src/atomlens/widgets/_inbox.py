"""A folder for uploads: bytes come part by part, names stay inside, and all of it goes with the session."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import weakref
from pathlib import Path

__all__ = ["Inbox"]

_PREFIX = "atomlens-upload"
_LONGEST = 120  # bytes of a name: file systems take 255, and reports add to it


class Inbox:
    """Where an uploaded file is put together.

    Parameters
    ----------
    limit : int
        Bytes that a file may have.

    Raises
    ------
    ValueError
        By its methods: if a name or a size is refused, or the bytes are not those that were announced.

    Examples
    --------
    >>> inbox = Inbox()
    >>> inbox.begin("../my image.tif", 3)
    >>> inbox.add(b"II*").name
    'my image.tif'
    """

    def __init__(self, limit: int = 4 * 2**30) -> None:
        self.limit = limit
        self._folder = None
        self._file, self._left, self._path = None, 0, None

    @property
    def received(self) -> int:
        """Bytes of the present file that are here."""
        return self._file.tell() if self._file else 0

    def begin(self, name: str, size: int) -> None:
        """Announce a file; one that was begun and not finished is forgotten."""
        self._forget()
        name, size = _safe(name), int(size)
        if not size:
            raise ValueError(f"{name} is empty (0 bytes): copy or download it again")
        if size > self.limit:
            raise ValueError(
                f"{name} has {size / 2**20:,.0f} MB, and {self.limit / 2**20:,.0f} MB can be uploaded: "
                "copy it to this machine and choose it there"
            )
        if self._folder is None:
            sweep()
            self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{os.getpid()}-")).resolve()
            self._gone = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        if size > shutil.disk_usage(self._folder).free - 2**28:
            raise ValueError(f"there is no room for {name} ({size / 2**20:,.0f} MB): free some disk space")
        # Each in a folder of its own: two files of the same name are two files.
        self._path = Path(tempfile.mkdtemp(dir=self._folder)) / name
        self._file, self._left = self._path.open("wb"), size

    def add(self, part: bytes) -> Path | None:
        """Add bytes; with the last of them comes the path."""
        if self._file is None:
            raise ValueError("no upload has begun: choose a file")
        if not part or len(part) > self._left:
            self._forget()
            raise ValueError("the upload does not have the size that was announced: choose the file again")
        self._file.write(part)
        self._left -= len(part)
        if self._left:
            return None
        self._file.close()
        self._file = None
        return self._path

    def holds(self, path: Path) -> bool:
        """Whether a file was uploaded."""
        return self._folder is not None and self._folder in Path(path).resolve().parents

    def clear(self) -> None:
        """Remove everything that was uploaded."""
        self._forget()
        if self._folder is not None:
            self._gone()
            self._folder = None

    def _forget(self):
        if self._file is not None:
            self._file.close()
            shutil.rmtree(self._path.parent, ignore_errors=True)
            self._file = None


def sweep() -> None:
    """Remove what sessions have left that were killed."""
    import psutil

    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}-*"):
        owner = re.match(rf"{_PREFIX}-(\d+)-", folder.name)
        if owner and not psutil.pid_exists(int(owner[1])):
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)


def _safe(name):
    """The last part of a name, without what a file system or a page could stumble over."""
    last = re.split(r"[/\\]", str(name))[-1]
    last = "".join(c for c in last if c.isprintable()).strip().lstrip(".")
    stem, suffix = Path(last).stem, Path(last).suffix
    while len((stem + suffix).encode()) > _LONGEST and stem:
        stem = stem[:-1]
    if not stem:
        raise ValueError(f"{name!r} is no name of a file: rename it")
    return stem + suffix
