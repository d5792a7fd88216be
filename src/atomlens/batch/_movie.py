"""`movie`: one piece of work on the frames of a movie."""

from __future__ import annotations

import os
from numbers import Integral
from pathlib import Path

from atomlens import io
from atomlens._types import Any, Callable, DataArray
from atomlens.batch import _folder, _work
from atomlens.batch._engine import Engine
from atomlens.batch._results import Batch
from atomlens.batch._run import absolute, check_workers

# A chunk is small enough to be sent, and that few frames are done again after a fault.
_CHUNK_BYTES, _MOST_FRAMES = 8 * 2**20, 16


def movie(
    work: Callable[[DataArray], Any],
    movie: str | Path | DataArray,
    out: str | Path,
    *,
    frames: int | None = None,
    scheduler: Any = None,
    workers: int = 2,
    memory: int | str | None = None,
    force: bool = False,
    progress: bool = True,
    **options: Any,
) -> Batch:
    """Do one piece of work on every frame of a movie; called again, it goes on where it stopped.

    The work, with the model it may hold, is sent to every worker once. The movie is read some frames at a
    time.

    Parameters
    ----------
    work : callable
        Called with a frame, a DataArray of dims (y, x): `columns.find`, a method of a fitted model such as
        ``model.latent_map``, `functools.partial` of these, or a function of your own, importable. It returns
        a dict as for `run`, or a table, an array or a number alone.
    movie : path-like or DataArray of dims (time, y, x)
        Of a file, the workers themselves read their frames. A DataArray, in memory or lazy, is read here and
        sent to them in chunks.
    out : path-like
        As in `run`.
    frames : int, optional
        Frames a result holds: by default about 8 MB, at most 16.
    scheduler, workers, memory, force, progress
        As in `run`.
    **options
        For `io.read` of a file: ``signal``, ``pixel_size``, ``units``.

    Returns
    -------
    Batch
        Tables have a column ``frame``, arrays a dim ``frame``, counted from 0; numbers are in the table
        ``read("numbers")``, and those tables, arrays and numbers that have no name are "table", "data" and
        "value".

    Raises
    ------
    TypeError, ValueError
        If the movie is none, has no frames, or a parameter is out of its range.
    FormatError, FileNotFoundError
        If the file cannot be read.
    FileExistsError, PermissionError, ConnectionError, RuntimeError
        As in `run`.

    Notes
    -----
    A frame on which the work fails is listed in `failures`; the others of its chunk are kept, and the chunk
    is done again next time. Frames that were added to a movie are worked on, those that changed are redone.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from xarray import DataArray
    >>> from atomlens import batch
    >>> film = DataArray(np.arange(12.0).reshape(3, 2, 2), dims=("time", "y", "x"))
    >>> with tempfile.TemporaryDirectory() as out:
    ...     done = batch.movie(DataArray.max, film, out, workers=0, progress=False)
    ...     print(done.read("data").values.tolist())
    [3.0, 7.0, 11.0]
    """
    _work.check(work)
    check_workers(workers)
    if isinstance(movie, str | os.PathLike):
        path = absolute(movie)
        film = io.read(path, kind="movie", lazy=True, **options)
        given, identity = path, path
    else:
        if options:
            raise TypeError(f"{', '.join(options)} are for files; a DataArray is taken as it is")
        film, given, identity = _checked(movie), None, None
    _check_film(film)
    frames = _chunk(film) if frames is None else frames
    if not isinstance(frames, Integral) or isinstance(frames, bool) or frames < 1:
        raise ValueError(f"frames must be a whole number of at least 1, got {frames!r}")
    if identity is None:  # a movie without a file is known by its first frame
        identity = _work.digest(film[0].compute())
    name = given or str(film.name or film.attrs.get("title") or "movie")
    places = [(start, min(start + frames, len(film))) for start in range(0, len(film), frames)]

    def sources():
        for start, stop in places:
            part = given or film[start:stop].compute().drop_attrs()
            yield _work.Frames(part, name, start, stop, options)

    listed = {(s := _work.Frames(None, name, *place)).part: s.label for place in places}
    token = _work.fingerprint(work, int(frames), sorted(options.items()))
    about = {"kind": "movie", "token": token, "name": _work.name_of(work), "sources": listed}
    with _folder.opened(out, **about, movie=identity, force=force) as out:
        engine = Engine(
            work, sources(), out, token, total=len(places), force=force, progress=progress, unit="part"
        )
        engine.run(scheduler, workers, memory, heavy=given is None)
    return Batch(out)


def _checked(movie):
    import xarray as xr

    if not isinstance(movie, xr.DataArray):
        raise TypeError(
            f"movie must be the path of a file or a DataArray, got a {type(movie).__name__}: wrap an array "
            "as DataArray(array, dims=('time', 'y', 'x'))"
        )
    return movie


def _check_film(film):
    if film.ndim != 3 or film.dims[1:] != ("y", "x"):
        raise ValueError(f"a movie has dims (time, y, x), got {film.dims}: rename or transpose them")
    if not len(film):
        raise ValueError("the movie has no frames")


def _chunk(film):
    """Frames a part holds: the same at every restart, whatever the number of workers."""
    return int(min(max(_CHUNK_BYTES // max(film[0].nbytes, 1), 1), _MOST_FRAMES))
