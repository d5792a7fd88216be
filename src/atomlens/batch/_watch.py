"""`watch`: files that come into a folder, one after the other."""

from __future__ import annotations

import time
from numbers import Integral
from pathlib import Path

from atomlens._paths import user_path
from atomlens._types import Any, Callable
from atomlens.batch import _folder, _work
from atomlens.batch._engine import Engine
from atomlens.batch._results import Batch
from atomlens.batch._run import absolute, check_workers


def watch(
    work: Callable[[Path], Any],
    folder: str | Path,
    out: str | Path,
    *,
    pattern: str = "*",
    settle_s: float = 2.0,
    stop: Callable[[], bool] | int | None = None,
    scheduler: Any = None,
    workers: int = 2,
    memory: int | str | None = None,
    force: bool = False,
    progress: bool = True,
) -> Batch:
    """Do one piece of work on each file of a folder, also on those that come later.

    A file is taken when its size and time have not changed for `settle_s` and it is not empty; one that
    changes afterwards is taken again. Files that vanish do no harm.

    Parameters
    ----------
    work, out, scheduler, workers, memory, force, progress
        As in `run`.
    folder : path-like
        Looked at again and again, since network drives do not tell what changes on them.
    pattern : str
        Which files, such as ``"*.dm4"``; ``"**/*.dm4"`` also looks into folders. Names that begin with a dot
        are left out.
    settle_s : float
        Seconds.
    stop : callable, int or None
        A function that says whether to stop (such as ``event.is_set``), or after how many files. What is
        settled is finished first. By default Ctrl-C ends it.

    Returns
    -------
    Batch

    Raises
    ------
    NotADirectoryError
        If `folder` is none.
    ValueError, TypeError, FileExistsError, PermissionError, ConnectionError, RuntimeError
        As in `run`; also if `out` is inside `folder`, where results would be taken for files.

    Examples
    --------
    >>> import pathlib, shutil, tempfile
    >>> from atomlens import batch, datasets, io
    >>> with tempfile.TemporaryDirectory() as home:
    ...     folder = pathlib.Path(home, "microscope")
    ...     folder.mkdir()
    ...     _ = shutil.copy(datasets.sample_path("image.tif"), folder)
    ...     done = batch.watch(
    ...         io.read, folder, pathlib.Path(home, "out"), settle_s=0.1, stop=1, workers=0, progress=False
    ...     )
    ...     done.table["status"].tolist()
    ['done']
    """
    _work.check(work)
    check_workers(workers)
    folder = user_path(folder).resolve()
    if not folder.is_dir():
        raise NotADirectoryError(f"there is no folder {folder} to watch: check its name")
    if user_path(out).resolve().is_relative_to(folder):
        raise ValueError(
            f"the results cannot lie in the folder that is watched: choose an `out` beside {folder}"
        )
    if isinstance(settle_s, bool) or not settle_s > 0:
        raise ValueError(f"settle_s must be a number of seconds above 0, got {settle_s!r}")
    if not (stop is None or callable(stop)) and (
        isinstance(stop, bool) or not isinstance(stop, Integral) or stop < 1
    ):
        raise ValueError(f"stop must be a function, or a number of files of at least 1, got {stop!r}")
    token = _work.fingerprint(work)
    about = {"kind": "files", "token": token, "name": _work.name_of(work)}

    def sources():
        for path in _settled(folder, pattern, settle_s, stop):
            if path is None:
                yield None
                continue
            source = _work.File(absolute(path))
            _folder.prepare(out, **about, sources={source.part: source.label})
            yield source

    with _folder.opened(out, **about, sources={}, force=force) as out:
        engine = Engine(work, sources(), out, token, total=None, force=force, progress=progress, unit="file")
        try:
            engine.run(scheduler, workers, memory)
        except KeyboardInterrupt:
            if stop is not None:
                raise
    return Batch(out)


def _settled(folder, pattern, settle_s, stop):
    """Files that have stopped to grow, each once for every state; None when there is none at the moment."""
    seen, given = {}, {}  # path: (state, since when); path: state when it was given
    while True:
        last = callable(stop) and stop()  # one more look after the end, for what has settled until then
        now, any_given = time.monotonic(), False
        states = _states(folder, pattern)
        seen = {
            path: (state, seen[path][1] if path in seen and seen[path][0] == state else now)
            for path, state in states.items()
        }
        for path, (state, since) in seen.items():
            if state[0] and now - since >= settle_s and given.get(path) != state:
                given[path], any_given = state, True
                yield path
                if not callable(stop) and len(given) == stop:
                    return
        if last:
            return
        if not any_given:
            yield None


def _states(folder, pattern):
    """Size and time of every file there is now."""
    found = {}
    for path in sorted(folder.glob(pattern)):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        try:
            about = path.stat()
            if path.is_file():
                found[path] = (about.st_size, about.st_mtime_ns)
        except OSError:
            continue  # it has vanished, or is being moved
    return found
