"""`run`: one piece of work on many files."""

from __future__ import annotations

import os
import warnings
from numbers import Integral
from pathlib import Path

from atomlens._paths import user_path
from atomlens._types import Any, Callable, Iterable
from atomlens.batch import _folder, _work
from atomlens.batch._engine import Engine
from atomlens.batch._results import Batch


def run(
    work: Callable[[Path], Any],
    files: Iterable[str | Path],
    out: str | Path,
    *,
    scheduler: Any = None,
    workers: int = 2,
    memory: int | str | None = None,
    force: bool = False,
    progress: bool = True,
) -> Batch:
    """Do one piece of work on many files; called again, it goes on where it stopped.

    Every file gives one result in `out`, written whole or not at all. Results that are there, whole, and made
    by the same work from the same content are kept. What cannot be done (a file that is damaged, or that
    needs more memory than a worker has) is listed in `failures`, stops nothing, and is tried again next time.

    Parameters
    ----------
    work : callable
        Called as ``work(path)`` with a `pathlib.Path`; returns a dict of tables (DataFrame), arrays
        (DataArray, Dataset), numbers and texts, or one of these alone. It must be importable: a function at
        the top of a file of its own, a method, or `functools.partial` of these.
    files : iterable of path-like
        Each is worked on once, also when it is named twice.
    out : path-like
        A folder, made if need be. One that holds something else is refused.
    scheduler : str or cluster, optional
        Address of a Dask scheduler (``"tcp://node:8786"``), or a cluster such as dask-jobqueue's
        ``SLURMCluster``. Its workers must see the same folders. By default processes are started here.
    workers : int
        How many processes, of one thread each, without `scheduler`. 0 works here, one file after the other,
        where a debugger can look.
    memory : int or str, optional
        What each process may take, in bytes or as ``"2 GB"``; by default its share of 80 % of all there is.
    force : bool
        Do everything again; results of other work in `out` are removed.
    progress : bool
        Show a bar.

    Returns
    -------
    Batch
        With `table`, `failures` and `read`.

    Raises
    ------
    TypeError
        If `work` cannot be sent to other processes, or `files` is no list of paths.
    ValueError
        If there are no files, or a parameter is out of its range.
    FileExistsError
        If `out` holds something else, or results of other work, other parameters or another version of
        atomlens, and `force` is False; or while another batch works there.
    PermissionError, NotADirectoryError
        If `out` cannot be written to.
    ConnectionError
        If the scheduler does not answer, or goes away.
    RuntimeError
        If processes cannot be started: a script has to call this under ``if __name__ == "__main__":``.

    Warns
    -----
    UserWarning
        If a file is named twice.

    Notes
    -----
    The work counts as the same while its parameters (those of a model included), the code of its module and
    the version of atomlens are. Modules that it imports are not looked at: after a change there, pass
    ``force=True``.

    Examples
    --------
    >>> import tempfile
    >>> from atomlens import batch, datasets, io
    >>> files = [datasets.sample_path("image.tif"), "missing.tif"]
    >>> with tempfile.TemporaryDirectory() as out:
    ...     done = batch.run(io.read, files, out, workers=0, progress=False)
    ...     print(done.table["status"].tolist(), done.failures["error"].tolist())
    ['done', 'failed'] ['FileNotFoundError: there is no such file: check its name']
    """
    _work.check(work)
    check_workers(workers)
    sources = _sources(files)
    token = _work.fingerprint(work)
    listed = {source.part: source.label for source in sources}
    about = {"kind": "files", "token": token, "name": _work.name_of(work), "sources": listed}
    with _folder.opened(out, **about, force=force) as out:
        engine = Engine(
            work, sources, out, token, total=len(sources), force=force, progress=progress, unit="file"
        )
        engine.run(scheduler, workers, memory)
    return Batch(out)


def check_workers(workers):
    """Refuse what is no number of processes."""
    if not isinstance(workers, Integral) or isinstance(workers, bool) or workers < 0:
        raise ValueError(f"workers must be a whole number of processes, at least 0, got {workers!r}")


def _sources(files):
    if isinstance(files, str | os.PathLike):
        raise TypeError(
            f"files must be a list of paths, got {str(files)!r}: of a folder, pass "
            "sorted(Path(folder).glob('*.dm4'))"
        )
    paths = []
    for file in files:
        if not isinstance(file, str | os.PathLike):
            raise TypeError(f"files must be a list of paths, but one of them is a {type(file).__name__}")
        paths.append(absolute(file))
    if not paths:
        raise ValueError("there are no files: check the folder and the pattern")
    once = list(dict.fromkeys(paths))
    if len(once) < len(paths):
        twice = next(path for path in once if paths.count(path) > 1)
        warnings.warn(
            f"{len(paths) - len(once)} files are named twice ({twice}), and are worked on once", stacklevel=3
        )
    return [_work.File(path) for path in once]


def absolute(path):
    """One name for a file, however it was given; links are followed."""
    return str(user_path(path).resolve())
