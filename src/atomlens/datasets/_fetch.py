"""A verified file on this machine: from the mirror, from the cache, or downloaded."""

import logging
import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from atomlens._paths import user_path
from atomlens.io import sha256


class DatasetUnavailableError(OSError):
    """A data set is neither in the mirror nor in the cache and cannot be downloaded."""


class ChecksumError(ValueError):
    """A file is not, byte for byte, the one that was registered."""


def mirror():
    """Return the folder named by ATOMLENS_DATA_DIR, or None."""
    folder = os.environ.get("ATOMLENS_DATA_DIR")
    if not folder:
        return None
    path = user_path(folder)
    if not path.is_dir():
        raise FileNotFoundError(
            f"ATOMLENS_DATA_DIR names {path}, which is no folder: correct the variable or unset it"
        )
    return path


def cache_folder():
    """Return the folder of downloads: ATOMLENS_CACHE_DIR, or the user's cache."""
    import pooch

    chosen = os.environ.get("ATOMLENS_CACHE_DIR")
    return user_path(chosen) if chosen else Path(pooch.os_cache("atomlens"))


def local(file):
    """Return the path of a file that is already on this machine, unverified, or None."""
    for root in (mirror(), cache_folder()):
        if root and (path := root / file.folder / file.name).is_file():
            return path
    return None


def fetch(entry, name):
    """Return the path of one file of a set, its SHA-256 checked.

    The mirror comes first and is never written to; then the cache; then the network.
    """
    file = entry.files[name]
    root = mirror()
    if root and (path := root / file.folder / file.name).is_file():
        found = sha256(path)
        if found != file.sha256:
            raise ChecksumError(
                f"{path} is not the registered file of {entry.name}: "
                f"expected SHA-256 {file.sha256}, found {found}. "
                "Replace it in the mirror by a fresh copy, or unset ATOMLENS_DATA_DIR to download it"
            )
        return path
    path = cache_folder() / file.folder / file.name
    if path.is_file() and sha256(path) == file.sha256:
        return path
    if file.url is None:
        raise DatasetUnavailableError(
            f"{entry.name} has no public URL: {entry.obtain}; put it at "
            f"{file.folder}/{file.name} in a folder of your choice and set ATOMLENS_DATA_DIR to that folder"
        )
    return _download(entry, file, path)


def _download(entry, file, path):
    import pooch

    _make_writable(path.parent)
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)  # a lesson's output is no place for progress notes on small files
    try:
        return Path(pooch.retrieve(file.url, f"sha256:{file.sha256}", fname=path.name, path=path.parent))
    except ValueError as error:
        raise ChecksumError(
            f"{urlsplit(file.url).netloc} delivered something else than the registered {file.name} of "
            f"{entry.name}: {str(error).splitlines()[0]}. "
            f"Nothing was kept; try again, or {_instead(entry, file)}"
        ) from error
    except (OSError, RuntimeError) as error:
        raise DatasetUnavailableError(
            f"{entry.name} is not on this machine and {file.name} could not be downloaded from "
            f"{urlsplit(file.url).netloc} ({_reason(error)}); {_instead(entry, file)}"
        ) from error
    finally:
        logger.setLevel(level)


def _make_writable(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PermissionError(
            f"downloads cannot be kept in {folder} ({error.strerror or error}): "
            "set ATOMLENS_CACHE_DIR to a folder you may write to"
        ) from error


def _reason(error):
    """The innermost cause in a few words; the chain of a network error runs to a page."""
    text = str(error)
    for sign, words in (
        ("NameResolution", "the name cannot be resolved; no network?"),
        ("Temporary failure", "the name cannot be resolved; no network?"),
        ("refused", "connection refused"),
        ("timed out", "no answer in time"),
        ("ProxyError", "the proxy lets nothing through"),
        ("404", "not found there (404)"),
        ("403", "not allowed (403)"),
        ("IncompleteRead", "the download broke off"),
    ):
        if sign in text:
            return words
    return f"{type(error).__name__}: {text.splitlines()[0][:120]}" if text else type(error).__name__


def _instead(entry, file):
    if entry.phantom:
        return f"the phantom load({entry.phantom!r}) works offline"
    return (
        f"there is no phantom yet: on a machine with network, copy the file to "
        f"{file.folder}/{file.name} in a folder and set ATOMLENS_DATA_DIR to that folder"
    )
