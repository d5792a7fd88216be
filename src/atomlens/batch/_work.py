"""What is done with a part, and how it is known that it is still the same work: what runs on a worker."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import inspect
import os
import pickle
import platform
import re
import socket
import time
import unicodedata
import warnings
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np

from atomlens import __version__
from atomlens.batch import _store

# Columns of `Batch.table` and of what is read together: results cannot be called so.
RESERVED = ("file", "frame", "status", "error", "seconds", "warnings")
NUMBERS = "numbers"  # the table of the numbers of frames
_STORES = (".zarr", ".zspy")  # folders that are one file to us
_LONGEST = 400  # characters of an error
_PACKAGES = ("numpy", "scipy", "pandas", "xarray", "scikit-learn", "scikit-image", "zarr", "distributed")


class BadWork(TypeError):
    """Work that cannot be sent to another process."""


def check(work):
    """Refuse what another process could not import or unpickle."""
    if not callable(work):
        raise BadWork(
            f"work must be a function that is called with one part, got a {type(work).__name__}: pass, for "
            "example, my_module.measure, or a method of a fitted model such as model.latent_map"
        )
    inner = _inmost(work)
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    home = getattr(inner, "__module__", None)
    remedy = (
        "define it at the top of a file of its own (say my_work.py) and import it from there; values go in "
        "with functools.partial(my_work.measure, threshold=0.5)"
    )
    if "<lambda>" in name or "<locals>" in name:
        raise BadWork(f"work is {name}, which other processes cannot import: {remedy}")
    if home == "__main__":
        raise BadWork(
            f"work is {name}, defined in a notebook or in the script that runs, which other processes cannot "
            f"import: {remedy}"
        )
    try:
        pickle.dumps(work)
    except Exception as error:
        raise BadWork(f"work cannot be sent to other processes ({plainly(error)}): {remedy}") from error


def _inmost(work):
    """The function or class of a partial, a bound method, an instance."""
    while isinstance(work, partial):
        work = work.func
    return getattr(work, "__func__", work) if hasattr(work, "__qualname__") else type(work)


def name_of(work, module=False):
    """How a piece of work is called in messages and files; or the name of its module alone."""
    inner = _inmost(work)
    return inner.__module__ if module else f"{inner.__module__}.{inner.__qualname__}"


def fingerprint(work, *more):
    """Changes with the code of the work's own module, its parameters, and the version of this package.

    Comments and layout change nothing. Modules that the work's module imports are not looked at.
    """
    from joblib.hashing import NumpyHasher

    class Hasher(NumpyHasher):
        """Takes tensors of torch by their numbers: their pickles hold addresses."""

        def save(self, thing):
            if type(thing).__module__.startswith("torch") and hasattr(thing, "detach"):
                thing = ("tensor", thing.detach().cpu().numpy())
            super().save(thing)

    module = inspect.getmodule(_inmost(work))
    try:
        code = ast.dump(ast.parse(inspect.getsource(module)))
    except (OSError, TypeError, SyntaxError):
        code = ""  # compiled, or typed into an interpreter
    return Hasher("sha256").hash([work, code, __version__, more])[:32]


def slug(text):
    """A file name of plain letters: what is left of a text, at most 40 of them."""
    text = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")[:40] or "file"


@dataclass(frozen=True)
class File:
    """One file as a part."""

    path: str

    @property
    def label(self):
        return self.path

    @property
    def part(self):
        """Name of the result: the file's name, and a hash of where it is."""
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        return f"{slug(Path(self.path).stem)}-{digest}{_store.SUFFIX}"

    def seal(self):
        """What tells whether the file has changed."""
        from atomlens import io

        path = Path(self.path)
        if not path.exists():
            raise FileNotFoundError("there is no such file: check its name")
        if path.is_dir() and path.suffix.lower() not in _STORES:
            raise IsADirectoryError("this is a folder, not a file: list the files in it")
        return {"sha256": io.sha256(path), "bytes": _size(path)}

    def look(self):
        """What changes when somebody writes to the file: quickly, before and after the work."""
        path = Path(self.path)
        return (_size(path), path.stat().st_mtime_ns) if path.exists() else None

    def apply(self, work):
        return results_of(work(Path(self.path)), "the work"), []


@dataclass(frozen=True)
class Frames:
    """Some frames of a movie as a part: read where the work is done, or sent along."""

    movie: Any  # the path of a file, or a DataArray of these frames
    name: str
    start: int
    stop: int
    options: dict = field(default_factory=dict, hash=False)

    @property
    def label(self):
        return f"{self.name}[{self.start}:{self.stop}]"

    @property
    def part(self):
        return f"frames-{self.start:07d}{_store.SUFFIX}"

    def frames(self):
        """The frames in memory, and no others."""
        if not isinstance(self.movie, str):
            return self.movie
        movie = opened(self.movie, self.look(), tuple(sorted(self.options.items())))
        return movie[self.start : self.stop].compute(scheduler="synchronous")

    def seal(self):
        frames = self.frames()
        return {"sha256": digest(frames), "bytes": int(frames.nbytes)}

    def look(self):
        return File(self.movie).look() if isinstance(self.movie, str) else None

    def apply(self, work):
        """Results of all frames together, and what was wrong with single ones."""
        done, wrong = [], []
        for number, frame in enumerate(self.frames(), start=self.start):
            try:
                done.append((number, results_of(work(frame), f"the work on frame {number}")))
            except Exception as error:
                wrong.append([f"{self.name}[{number}]", plainly(error)])
        return together(done), wrong


@lru_cache(maxsize=2)
def opened(path, _seen, options):
    """A movie that is read frame by frame; opened again when it has changed."""
    from atomlens import io

    movie = io.read(path, kind="movie", lazy=True, **dict(options))
    movie.attrs = {}
    return movie


def digest(array):
    """SHA-256 of numbers, their type and shape, dims and coordinates."""
    made = hashlib.sha256(repr((array.dims, array.shape, str(array.dtype))).encode())
    made.update(np.ascontiguousarray(array.values).tobytes())
    for name in sorted(map(str, array.coords)):
        coord = array.coords[name]
        made.update(repr((name, coord.dims, coord.attrs.get("units"))).encode())
        made.update(np.ascontiguousarray(coord.values).tobytes() if coord.dtype != object else b"")
    return made.hexdigest()


def _size(path):
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def results_of(returned, whose):
    """What a piece of work returned, as numbers and as tables or arrays, each by name."""
    import pandas as pd
    import xarray as xr

    if isinstance(returned, pd.DataFrame):
        returned = {"table": returned}
    elif isinstance(returned, xr.DataArray | xr.Dataset):
        returned = {"data": returned}
    elif _is_number(returned):
        returned = {"value": returned}
    if not isinstance(returned, dict) or not returned:
        what = "an empty dict" if returned == {} else f"a {type(returned).__name__}"
        raise TypeError(
            f"{whose} returned {what}, not a dict of tables (DataFrame), arrays (DataArray), numbers"
        )
    numbers, stored = {}, {}
    for name, value in returned.items():
        if not isinstance(name, str) or not name or "/" in name or name.startswith("."):
            raise TypeError(f"{whose} returned a result called {name!r}: call it by a word")
        if name in (*RESERVED, NUMBERS):
            raise ValueError(
                f"{whose} returned a result called {name!r}, a name that is taken: choose another"
            )
        if isinstance(value, pd.DataFrame):
            if {"file", "frame"} & set(value.columns):
                raise ValueError(
                    f"table {name!r} has a column 'file' or 'frame', which are added here: rename it"
                )
            stored[name] = value
        elif isinstance(value, xr.DataArray | xr.Dataset):
            stored[name] = value
        elif _is_number(value) or isinstance(value, str):
            numbers[name] = value.item() if isinstance(value, np.generic) else value
        else:
            raise TypeError(
                f"{whose} returned {name!r} as a {type(value).__name__}: give a DataFrame, a DataArray, a "
                "Dataset, a number or a text"
            )
    return numbers, stored


def _is_number(value):
    return isinstance(value, Number | np.number | np.bool_) and not isinstance(value, complex)


def together(done):
    """Results of frames as one: tables get a column `frame`, arrays an axis, numbers become a table."""
    import pandas as pd
    import xarray as xr

    made, names = {}, dict.fromkeys(name for _, (_, stored) in done for name in stored)
    for name in names:
        some = [(number, stored[name]) for number, (_, stored) in done if name in stored]
        numbers = [number for number, _ in some]
        if isinstance(some[0][1], pd.DataFrame):
            tables = [table.reset_index(drop=True) for _, table in some]
            counts = [len(table) for table in tables]
            attrs = {"doubts": list(dict.fromkeys(d for t in tables for d in t.attrs.get("doubts", [])))}
            for table in tables:
                table.attrs = {}
            made[name] = pd.concat(tables, ignore_index=True)
            made[name].insert(0, "frame", np.repeat(numbers, counts))
            made[name].attrs = attrs
        else:
            if len({str(dict(array.sizes)) for _, array in some}) > 1:
                raise ValueError(f"{name!r} has not the same shape in all frames, so they cannot be stacked")
            made[name] = xr.concat(
                [array.drop_vars("time", errors="ignore") for _, array in some],
                pd.Index(numbers, name="frame"), join="exact", combine_attrs="drop_conflicts",
            )  # fmt: skip
    if any(numbers for _, (numbers, _) in done):
        made[NUMBERS] = pd.DataFrame([{"frame": number, **numbers} for number, (numbers, _) in done])
    return {}, made


def plainly(error):
    """An error in one line."""
    text = " ".join(str(error).split())
    kind = type(error).__name__
    text = f"{kind}: {text}" if text else kind
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


@cache
def versions():
    """Of what a result depends on."""
    found = {"atomlens": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def kept(target, seal, token):
    """The header of a result that is there, whole, of this source and this work; else None."""
    if not target.exists():
        return None
    try:
        head = _store.header(target)
    except _store.Damaged:
        return None
    same = head["work"] == token and head["source"]["sha256"] == seal["sha256"] and not head["failed"]
    return head if same and _store.is_whole(target) else None


def do(work, source, target, token, force=False):
    """Work on one part unless its result is there; say in a few words how that went. Never raises."""
    began = time.perf_counter()
    said = {"label": source.label, "status": "failed", "failed": [], "pid": os.getpid()}
    target = Path(target)
    try:
        before = source.look()
        seal = source.seal()
        if not force and kept(target, seal, token):
            return said | {"status": "kept"}
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("default")
            (numbers, stored), failed = source.apply(work)
        if source.look() != before:
            raise OSError("the file changed while it was worked on: run the batch again when it is complete")
        if failed and not stored:
            return said | {"failed": failed}
        header = {
            "source": {"label": source.label, **seal},
            "work": token,
            "numbers": numbers,
            "failed": failed,
            "warnings": list(dict.fromkeys(plainly(w.message) for w in heard))[:20],
            "results": sorted(stored),
            "seconds": time.perf_counter() - began,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "versions": versions(),
            "worker": {"host": socket.gethostname(), "pid": os.getpid(), "memory_MB": _memory()},
        }
        _store.write(target, header, stored)
    except (Exception, SystemExit) as error:
        return said | {"failed": [[source.label, plainly(error)]]}
    return said | {"status": "partly" if failed else "done", "failed": failed}


def _memory():
    import psutil

    return round(psutil.Process().memory_info().rss / 2**20, 1)
