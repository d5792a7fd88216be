"""`Batch`: what the folder of a batch holds, finished or not."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

from atomlens._paths import user_path
from atomlens._types import Any, DataArray, DataFrame, Iterator, Sequence
from atomlens.batch import _folder, _store

_COLUMNS = ["file", "status", "error", "seconds", "warnings"]


class Batch:
    """Results of many files, or of the frames of a movie, in a folder.

    It is read from the folder whenever it is asked, so that it also follows a batch that still runs. Made by
    `run`, `movie`, `watch` and `open`.

    Parameters
    ----------
    folder : str or path-like

    Attributes
    ----------
    folder : pathlib.Path
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = user_path(folder)
        if not self.folder.exists():
            raise FileNotFoundError(f"there is no folder {self.folder}: check the name")
        about = _folder.about(self.folder)
        if about is None:
            raise FileNotFoundError(f"{self.folder} holds no batch: check the name")
        self._about = about

    @property
    def work(self) -> str:
        """Name of the work that was done."""
        return self._about["name"]

    def _headers(self):
        """(label, header) of every part: None where it is open, a text where it is damaged."""
        self._about = _folder.about(self.folder) or self._about
        for part, label in self._about["sources"].items():
            path = self._path(part)
            try:
                yield label, _store.header(path) if path.exists() else None
            except _store.Damaged as error:
                yield label, str(error)

    def _path(self, part):
        return self.folder / _folder.PARTS / part

    @property
    def table(self) -> DataFrame:
        """One row a file (of a movie: one a chunk of frames).

        Columns ``file``, ``status`` ("done", "partly": frames failed, "failed", "damaged", "open": not yet
        worked on), ``error``, ``seconds``, ``warnings``, and every number that the work returned.
        """
        import pandas as pd

        failures, rows = _folder.failures(self.folder), []
        for label, head in self._headers():
            row = {"file": label, "status": "open", "error": "", "seconds": float("nan"), "warnings": ""}
            if isinstance(head, str):
                row |= {"status": "damaged", "error": head}
            elif head is not None:
                status = "partly" if head["failed"] else "done"
                error = "; ".join(text for _, text in head["failed"])
                row |= {"status": status, "error": error, "seconds": head["seconds"]}
                row |= {"warnings": " | ".join(head["warnings"]), **head["numbers"]}
            # A failure that is newer than the result: the file has changed, and is bad now.
            if label in failures:
                row = {name: row[name] for name in _COLUMNS}
                row |= {"status": "failed", "error": failures[label][0]}
            rows.append(row)
        return pd.DataFrame(rows, columns=None if rows else _COLUMNS)

    @property
    def failures(self) -> DataFrame:
        """One row a file (or frame) that could not be worked on: ``file``, ``error``, ``time``."""
        import pandas as pd

        rows = [(file, error, time) for file, (error, time) in _folder.failures(self.folder).items()]
        return pd.DataFrame(rows, columns=["file", "error", "time"])

    @property
    def names(self) -> list[str]:
        """Names of the tables and arrays that `read` knows."""
        found = {name for _, head in self._good() for name in head["results"]}
        return sorted(found)

    def header(self, file: str | Path) -> dict[str, Any]:
        """What is known about the result of a file: its source's SHA-256 and size, versions, time, worker.

        Parameters
        ----------
        file : str or path-like
            As in `table`.

        Returns
        -------
        dict

        Raises
        ------
        KeyError
            If there is no result of this file.
        """
        for label, head in self._headers():
            if label == str(file) and isinstance(head, dict):
                return head
        raise KeyError(f"there is no result of {file} in {self.folder}: .table lists the files")

    def _good(self):
        """(part, header) of the parts that can be read and did not fail later."""
        failed = _folder.failures(self.folder)
        for part, (label, head) in zip(self._about["sources"], self._headers(), strict=False):
            if isinstance(head, dict) and label not in failed:
                yield part, head

    def each(self, name: str, columns: Sequence[str] | None = None) -> Iterator[tuple[str, Any]]:
        """Results of one name, part by part: never more than one in memory.

        Parameters
        ----------
        name : str
        columns : sequence of str, optional
            Of tables: read no others.

        Yields
        ------
        (str, DataFrame, DataArray or Dataset)
            The file, and its result.
        """
        for part, head in self._good():
            if name in head["results"]:
                yield head["source"]["label"], _store.read(self._path(part), name, columns)

    def read(self, name: str, columns: Sequence[str] | None = None) -> DataFrame | DataArray:
        """All results of one name together.

        Parameters
        ----------
        name : str
            One of `names`.
        columns : sequence of str, optional
            Of tables: read no others.

        Returns
        -------
        DataFrame or DataArray
            Tables below one another, with a column ``file`` in front (of a movie: ``frame``). Arrays along a
            first dim ``file`` (of a movie: ``frame``), as a Dask array: a part is read when it is needed.
            What speaks against them is counted in ``attrs["doubts"]``.

        Raises
        ------
        KeyError
            If no part holds a result of this name.
        ValueError
            If a part is damaged, if arrays have not one shape, or for Datasets: take them from `each`.
        """
        parts = [(part, head) for part, head in self._good() if name in head["results"]]
        if not parts:
            known = ", ".join(self.names) or "none yet"
            raise KeyError(f"no part of {self.folder} holds {name!r}; there is: {known}")
        first = _store.read(self._path(parts[0][0]), name, columns)
        if hasattr(first, "columns"):
            return self._tables(name, columns)
        if hasattr(first, "data_vars"):
            raise ValueError(
                f"{name!r} are Datasets, which are not stacked: take them one by one from each({name!r})"
            )
        return self._arrays(name, parts, first)

    def _tables(self, name, columns):
        import pandas as pd

        is_movie = self._about["kind"] == "movie"
        columns = columns and list(dict.fromkeys([*(["frame"] if is_movie else []), *columns]))
        labels, tables, doubts = [], [], Counter()
        for label, table in self.each(name, columns):
            doubts.update(table.attrs.get("doubts") or [])
            table.attrs = {}
            labels.append(label)
            tables.append(table.reset_index() if table.index.names != [None] else table)
        # An empty table has columns of no type, which would spoil those of the others.
        some = [table for table in tables if len(table)] or tables[:1]
        together = pd.concat(some, ignore_index=True)
        if not is_movie:
            counts = [len(table) for table in tables]
            codes = [number for number, count in enumerate(counts) for _ in range(count)]
            together.insert(0, "file", pd.Categorical.from_codes(codes, labels))
        together.attrs["doubts"] = [f"{n} of {len(tables)} parts: {text}" for text, n in doubts.items()]
        return together

    def _arrays(self, name, parts, first):
        import dask.array as da
        import xarray as xr

        is_movie = self._about["kind"] == "movie"
        blocks, numbers = [], []
        for part, _ in parts:
            path = self._path(part)
            shape, dtype = _store.shape_of(path, name)
            inner = shape[1:] if is_movie else shape
            wanted = first.shape[1:] if is_movie else first.shape
            if inner != wanted:
                raise ValueError(
                    f"{name!r} has not one shape ({wanted} and {inner}): take them one by one from "
                    f"each({name!r})"
                )
            shape = shape if is_movie else (1, *shape)
            load = partial(_block, str(path), name, shape)
            blocks.append(
                da.map_blocks(load, chunks=tuple((n,) for n in shape), dtype=dtype, meta=_empty(shape, dtype))
            )
            if is_movie:
                numbers += _store.read(path, name)["frame"].values.tolist()
        dim = "frame" if is_movie else "file"
        dims = first.dims if is_movie else (dim, *first.dims)
        coords = {c: v for c, v in first.coords.items() if dim not in v.dims}
        coords[dim] = numbers if is_movie else [head["source"]["label"] for _, head in parts]
        attrs = {key: value for key, value in first.attrs.items() if key not in ("file", "sha256", "doubts")}
        said = Counter(d for p, _ in parts for d in _store.notes_of(self._path(p), name).get("doubts") or [])
        attrs["doubts"] = [f"{n} of {len(parts)} parts: {text}" for text, n in said.items()]
        return xr.DataArray(da.concatenate(blocks), coords, dims, name=name, attrs=attrs)

    def __repr__(self) -> str:
        """How many files are done, and how many failed."""
        counts = Counter(self.table["status"])
        words = ", ".join(f"{n} {status}" for status, n in counts.most_common())
        return f"<Batch of {self.work}: {words or 'nothing yet'}; in {self.folder}>"


def _block(path, name, shape, block_info=None):
    return _store.values_of(path, name).reshape(shape)


def _empty(shape, dtype):
    import numpy as np

    return np.empty((0,) * len(shape), dtype)


def open(out: str | Path) -> Batch:
    """Open the folder of a batch, finished or not.

    Parameters
    ----------
    out : str or path-like

    Returns
    -------
    Batch

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or nothing in it.
    FileExistsError
        If it holds something else than a batch.
    ValueError
        If what it says about itself is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from atomlens import batch, datasets, io
    >>> with tempfile.TemporaryDirectory() as out:
    ...     files = [datasets.sample_path("image.tif")]
    ...     _ = batch.run(io.read, files, out, workers=0, progress=False)
    ...     batch.open(out).table["status"].tolist()
    ['done']
    """
    return Batch(out)
