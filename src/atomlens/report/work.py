"""A report as a piece of work that a batch does on every file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atomlens.report.examine import examine, flat
from atomlens.report.page import write
from atomlens.report.settings import Settings

__all__ = ["results"]


def results(
    path: str | Path, settings: Settings | None = None, *, pages: str | Path | None = None
) -> dict[str, Any]:
    """Numbers, tables and maps of one file: what `atomlens.batch.run` and `atomlens.batch.watch` work with.

    Parameters
    ----------
    path : str or Path
    settings : Settings, optional
        For all files alike; give it with `functools.partial`.
    pages : str or Path, optional
        A folder in which every file gets its report, too. One that is there from an earlier run is replaced.

    Returns
    -------
    dict
        The numbers by name, with their units; ``doubts``, one to a line; the tables (``columns``,
        ``defects`` ...) and maps of `Findings`.

    Raises
    ------
    ValueError, FileNotFoundError, FormatError
        As `examine`.

    Examples
    --------
    >>> from functools import partial
    >>> from atomlens import datasets
    >>> work = partial(results, settings=Settings(n_clusters=2))
    >>> work(datasets.sample_path("spectrum_image.hspy"))["number of clusters"]
    2
    """
    found = examine(path, settings)
    if pages is not None:
        # Files of the same name in several folders, or of several types, are not taken for one another.
        write(found, Path(pages) / f"{found.path.name}.{found.sha256[:8]}", force=True)
    numbers = flat(found.numbers)
    clash = set(numbers) & (set(found.tables) | set(found.maps))  # "columns" is a count and a table
    numbers = {f"number of {name}" if name in clash else name: value for name, value in numbers.items()}
    maps = {f"{name}_map" if name in found.tables else name: value for name, value in found.maps.items()}
    return {"kind": found.sample.kind, "doubts": "\n".join(found.doubts)} | numbers | found.tables | maps
