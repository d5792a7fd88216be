"""The folder of a batch: what it says about itself, and the table of failures."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager
from pathlib import Path

from atomlens._paths import user_path
from atomlens._replace import replacing
from atomlens.batch import _store, _work

ABOUT, FAILURES, PARTS = "batch.json", "failures.csv", "parts"
_LOCK = ".atomlens-lock"
_FORMAT = 1


def about(out):
    """What the folder of a batch says about itself; None if it is not there or holds nothing."""
    out = Path(out)
    if not out.exists():
        return None
    if not out.is_dir():
        raise NotADirectoryError(f"{out} is a file: give a folder for the results")
    if not (out / ABOUT).exists():
        names = sorted(p.name for p in out.iterdir() if ".atomlens-" not in p.name)
        if names:
            raise FileExistsError(
                f"{out} holds something else than a batch ({', '.join(names[:3])}"
                f"{' ...' * (len(names) > 3)}): choose another folder for the results"
            )
        return None
    try:
        found = json.loads((out / ABOUT).read_text(encoding="utf-8"))
        if found["format"] != _FORMAT:
            raise ValueError(f"{out / ABOUT} is of format {found['format']}: a newer atomlens wrote it")
        {key: found[key] for key in ("kind", "work", "name", "sources")}
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{out / ABOUT} is damaged ({error}): choose another folder") from error
    return found


@contextmanager
def opened(out, **about_it):
    """Hold the folder for work, as `prepare` says, and nobody else's as long as it lasts.

    The lock is the system's: it ends with the process, however that ends.
    """
    out = user_path(out)
    about(out)
    _make(out)
    with _refusing(out):
        file = (out / _LOCK).open("a")
    with file:
        if not _locked(file):
            raise FileExistsError(
                f"another batch is at work in {out}: wait until it has ended, or choose another folder"
            )
        yield prepare(out, **about_it)


def _locked(file):
    """Whether nobody else has the lock; where a system knows no locks, nobody has."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _make(folder):
    with _refusing(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def _refusing(folder):
    try:
        yield
    except OSError as error:
        raise PermissionError(
            f"the folder {folder} cannot be made or written to ({error.strerror or error}): choose another"
        ) from error


def prepare(out, *, kind, token, name, sources, movie=None, force=False):
    """Write down that this is work on `sources` ({part: label}), or refuse the folder."""
    before = about(out)
    if before and (before["work"], before["kind"], before.get("movie")) != (token, kind, movie):
        if not force:
            what = "the same work with other parameters or other code"
            if before.get("movie") != movie:
                what = "the frames of another movie"
            elif before["name"] != name or before["kind"] != kind:
                what = f"results of {before['name']}"
            raise FileExistsError(
                f"{out} holds {what}: choose another folder, or pass force=True to remove these results"
            )
        before = None
    _make(out / PARTS)
    # Results of files that are not asked for today stay; those of a movie are all of it.
    listed = dict(before["sources"]) if before and kind == "files" else {}
    listed |= sources
    now = {
        "format": _FORMAT, "kind": kind, "work": token, "name": name, "movie": movie, "sources": listed,
        "versions": _work.versions(),
    }  # fmt: skip
    if before != now:
        _replace(out / ABOUT, json.dumps(now))
    for path in (out / PARTS).glob(f"*{_store.SUFFIX}"):
        # Of a work that was given up with force=True, or of frames that a movie no longer has
        if path.name not in listed or (before is None and force):
            path.unlink()
    return out


def failures(out):
    """Rows of failures.csv: {file: (error, time)}."""
    path = Path(out) / FAILURES
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return {row["file"]: (row["error"], row["time"]) for row in csv.DictReader(file)}


def write_failures(out, rows):
    """Write failures.csv; without failures it is a header alone."""
    import io

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["file", "error", "time"])
    writer.writerows([file, error, time] for file, (error, time) in rows.items())
    _replace(Path(out) / FAILURES, stream.getvalue())


def _replace(path, text):
    with replacing([path], overwrite=True) as [temporary]:
        temporary.write_bytes(text.encode("utf-8", "surrogateescape"))
