"""Files that appear whole or not at all, also several together: for whatever this package writes."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import tempfile
import time
import uuid
import zlib
from contextlib import contextmanager
from pathlib import Path

from atomlens._paths import user_path

_SLACK = 1.05, 2**20  # a factor, and bytes: what a format adds to the numbers
_RESERVED = 2**31  # up to so many bytes room is tried by taking it, not only looked up
_ABANDONED = 7 * 24 * 3600.0  # seconds after which a temporary file is nobody's
_OURS = re.compile(r"\.(.+)\.atomlens-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}(\..*)?")
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@contextmanager
def replacing(paths, *, overwrite=False, nbytes=0):
    """Give temporary names beside `paths`; what is written there takes their places when all went well.

    After a failure, or if one of the files is there already, all is as it was.

    Parameters
    ----------
    paths : list of path-like
        In folders that exist.
    overwrite : bool
        Whether files that are there may be replaced.
    nbytes : int
        About how much will be written, to see beforehand whether there is room.

    Yields
    ------
    list of Path
        Of the same extensions.

    Raises
    ------
    FileExistsError
        If a file is there and `overwrite` is False, also if it came meanwhile; if a link leads nowhere; or if
        a folder to be replaced holds something else than a store.
    FileNotFoundError, NotADirectoryError, PermissionError
        If a folder does not exist, is none, or cannot be written to.
    OSError
        If there is no room.
    """
    targets = [_target(path, overwrite) for path in paths]
    places = [t.parent.resolve() / t.name for t in targets]
    if len({*places}) < len(places):
        twice = next(p for p in places if places.count(p) > 1)
        raise ValueError(f"{twice} is named twice: one file cannot hold both")
    mark = f"atomlens-{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    temporaries = [t.with_name(f".{t.stem}.{mark}{t.suffix}") for t in targets]
    for folder in {t.parent for t in targets}:
        sweep(folder)
        _check_room(folder, nbytes)
    try:
        yield temporaries
        _swap(temporaries, targets, mark, overwrite)
    finally:
        for temporary in temporaries:
            remove(temporary)


def _target(path, overwrite):
    path = user_path(path)
    if not path.parent.exists():
        raise FileNotFoundError(f"the folder {path.parent} does not exist: create it first")
    if not path.parent.is_dir():
        raise NotADirectoryError(
            f"{path.parent} is a file, not a folder: choose another place for {path.name}"
        )
    if path.is_symlink():
        if not path.exists():
            raise FileExistsError(f"{path} is a link to a file that is not there: remove it first")
        # What the link leads to is replaced, as any program does that writes.
        name, path = path, path.resolve()
        if path.suffix != name.suffix:
            raise FileExistsError(
                f"{name} is a link to {path.name}, a file of another type: choose another name"
            )
    if path.exists():
        if not overwrite:
            raise FileExistsError(
                f"{path} exists already: pass overwrite=True to replace it, or choose another name"
            )
        if path.is_dir():
            _check_store(path)
        elif path.suffix.lower() in (".zarr", ".zspy"):
            raise FileExistsError(f"{path} is a file, where a folder would be written: choose another name")
    return path


# What lies in a zarr store, of either format
_OF_ZARR = re.compile(r"\.(zarray|zgroup|zattrs|zmetadata)|zarr\.json|\d+([./]\d+)*|c")


def _check_store(path):
    """Refuse to replace a folder that is no zarr store, or in which somebody keeps something else."""
    if not any((path / mark).exists() for mark in (".zgroup", ".zattrs", "zarr.json")):
        raise FileExistsError(
            f"{path} is a folder, but no zarr store, so it is not replaced: choose another name"
        )
    for folder, _, names in os.walk(path):
        foreign = [name for name in names if not _OF_ZARR.fullmatch(name)]
        if foreign:
            raise FileExistsError(
                f"{Path(folder, foreign[0])} does not belong to the zarr store {path.name}, which is not "
                "replaced with it: move it elsewhere"
            )


def _check_room(folder, nbytes):
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            need = int(nbytes * _SLACK[0]) + _SLACK[1] if nbytes else 0
            if need > shutil.disk_usage(folder).free:
                raise OSError(errno.ENOSPC, "")
            if 0 < need <= _RESERVED and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, need)  # quotas and limits are felt so, too
    except OSError as error:
        if error.errno in _FULL:
            raise OSError(
                error.errno,
                f"up to {need / 2**20:.0f} MB are to be written in {folder}, and there is no room for them: "
                "free some, or choose another folder",
            ) from error
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
            return  # the file system cannot reserve
        raise PermissionError(
            f"nothing can be written in {folder} ({error.strerror or error}): choose another folder"
        ) from error


def _swap(temporaries, targets, mark, overwrite):
    """Put the new in the places of the old; undo all if one cannot be."""
    done = []  # what was replaced, and the old of it
    try:
        for temporary, target in zip(temporaries, targets, strict=True):
            if overwrite and target.exists():
                kept = target.with_name(f".{target.name}.{mark}.old")
                _keep(target, kept)
                done.append((target, kept))
                if target.is_file():
                    shutil.copymode(target, temporary)  # who may read it stays as it was
                temporary.replace(target)
            else:
                _place(temporary, target, overwrite)
                done.append((target, None))
    except BaseException:
        for target, kept in reversed(done):
            if kept is None or target.is_dir():
                remove(target)
            if kept is not None:
                kept.replace(target)
        raise
    for _, kept in done:
        if kept is not None:
            remove(kept)


def _keep(target, kept):
    """A second name for a file; a folder, which can have but one, is moved away."""
    if target.is_dir():
        target.replace(kept)
        return
    try:
        os.link(target, kept)
    except OSError:  # a file system without links
        try:
            shutil.copy2(target, kept)
        except BaseException:
            remove(kept)
            raise


def _place(temporary, target, overwrite):
    """Move to a name that must be free: of several writers at once one wins, and the others are told."""
    if overwrite:
        temporary.replace(target)
        return
    message = f"{target} exists already: pass overwrite=True to replace it, or choose another name"
    if target.exists():
        raise FileExistsError(message)
    if temporary.is_dir():
        try:
            temporary.rename(target)
        except OSError as error:
            raise FileExistsError(message) if target.exists() else error from None
        return
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise FileExistsError(message) from None
    except OSError:  # a file system without links
        temporary.rename(target)
    else:
        temporary.unlink()


def sweep(folder):
    """Remove what a writer that was killed has left, and give back what it had put aside."""
    for path in folder.glob(".*.atomlens-*"):
        found = _OURS.fullmatch(path.name)
        if not found or not _is_abandoned(path, found[2], int(found[3])):
            continue
        target = path.with_name(found[1])
        if found[4] == ".old" and not target.exists():
            path.replace(target)
        else:
            remove(path)


def _is_abandoned(path, host, number):
    try:
        if time.time() - path.stat().st_mtime > _ABANDONED:
            return True
    except OSError:
        return False
    return os.name == "posix" and host == _host() and not _runs(number)


def _runs(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _host():
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def remove(path):
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
