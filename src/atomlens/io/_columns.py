"""Tables of columns that other programs found: `read_columns`."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np

from atomlens._types import DataFrame
from atomlens._units import quantity, tidy
from atomlens.io._errors import FormatError, explained
from atomlens.io._matlab import read_mat

_SUFFIXES = (".csv", ".txt", ".tsv", ".dat", ".mat")
_BYTES = 2**29  # of a text; a table of columns is a hundred times smaller
# Words that names of positions are made of, besides the axis itself and a unit
_AXIS = re.compile(
    r"(?:pos(?:ition)?s?|coord(?:inate)?s?|cent(?:er|re|roid)|atom|peak|column)?_?"
    r"(?P<axis>x|y|col|column|row)_?"
    r"(?:pos(?:ition)?|coord(?:inate)?|cent(?:er|re|roid)|m)?_?(?P<unit>px|pix|pixels?|nm|pm|a|å|ang|angstroms?|um|µm|m)?"
)
_OF = {"x": "x", "col": "x", "column": "x", "y": "y", "row": "y"}


def read_columns(
    path: str | Path,
    *,
    pixel_size: float | None = None,
    units: str | None = None,
    origin: float | None = None,
    name: str | None = None,
) -> DataFrame:
    r"""Read positions of columns that another program found: a table as all functions here take it.

    Parameters
    ----------
    path : path-like
        ``.csv``, ``.txt``, ``.tsv``, ``.dat`` (any separator, with names of columns or without), or ``.mat``
        (of StatSTEM, or a matrix).
    pixel_size : float, optional
        Nanometres a pixel of the image the positions belong to. Needed where the table has lengths.
    units : str, optional
        Of the positions, where their names do not say it: ``"px"`` (default), ``"nm"``, ``"Å"``.
    origin : float, optional
        What the table calls the centre of the first pixel, in pixels: 0 by default, 1 in a matrix of MATLAB,
        .5 in what ImageJ measures (not in its points).
    name : str, optional
        Of the variable, where a ``.mat`` holds several.

    Returns
    -------
    pandas.DataFrame
        ``x`` and ``y`` in pixels, ``x_nm`` and ``y_nm`` if the size of a pixel is known, and the other
        columns as they are. ``attrs``: ``file`` and, where something was decided, ``note_columns``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it holds no positions, or lengths without a size of pixels.
    ValueError
        If an option makes no sense.

    Notes
    -----
    Names such as ``X``, ``x_nm``, ``x [nm]``, ``x_position``, ``col`` and ``row`` are understood. Without
    names the first two columns are x and y. Rows without a position are left out, and counted in
    ``note_columns``.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "peaks.csv")
    ...     _ = file.write_text("X (nm);Y (nm);Area\n0.50;0.25;7\n0.75;0.25;9\n")
    ...     read_columns(file, pixel_size=0.025)
          x     y  x_nm  y_nm  Area
    0  20.0  10.0  0.50  0.25     7
    1  30.0  10.0  0.75  0.25     9
    """
    path = Path(path).expanduser()
    _check(path, pixel_size, units, origin)
    notes = []
    if path.suffix.lower() == ".mat":
        table, size, first = _of_matlab(path, name)
        pixel_size = pixel_size or size
    else:
        table, first = _of_text(path, notes), 0.0
    found, own = _found(table, path.name, notes)
    unit = tidy(units) or own or "px"
    first = first if origin is None else float(origin)
    xy = table[found].to_numpy(dtype=float)
    rest = table.drop(columns=found)
    known = np.isfinite(xy).all(axis=1)
    if not known.all():
        notes.append(f"{np.count_nonzero(~known)} rows without a position were left out")
        xy, rest = xy[known], rest[known].reset_index(drop=True)
    if not len(xy):
        raise FormatError(f"{path.name} holds no positions: its rows have no two numbers")
    xy = _in_pixels(xy, unit, pixel_size, path.name) - first
    rest = rest.drop(columns=[c for c in ("x", "y", "x_nm", "y_nm") if c in rest])
    rest.insert(0, "x", xy[:, 0])
    rest.insert(1, "y", xy[:, 1])
    if pixel_size is not None:
        rest.insert(2, "x_nm", xy[:, 0] * pixel_size)
        rest.insert(3, "y_nm", xy[:, 1] * pixel_size)
    rest.attrs = {"file": path.name} | ({"note_columns": "; ".join(notes)} if notes else {})
    return rest


def _check(path, pixel_size, units, origin):
    if pixel_size is not None and not (np.isfinite(pixel_size) and pixel_size > 0):
        raise ValueError(f"pixel_size must be a length in nm, above 0, got {pixel_size!r}")
    if units is not None and tidy(units) != "px" and quantity(units)[0] != "length":
        raise ValueError(f"units={units!r} is no unit of positions: use px, nm, pm or Å")
    if origin is not None and not np.isfinite(origin):
        raise ValueError(f"origin must be a number of pixels, got {origin!r}")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}: check the name and the folder")
    if path.suffix.lower() not in _SUFFIXES:
        raise FormatError(
            f"{path.name}: a table of columns is one of {', '.join(_SUFFIXES)}; images are for io.read"
        )
    if not 0 < path.stat().st_size < _BYTES:
        raise FormatError(f"{path.name} is empty, or too large for a table of columns")


def _of_matlab(path, name):
    import pandas as pd

    try:
        values, names, size, first = read_mat(path, name)
    except FormatError:
        raise
    except Exception as error:  # a damaged file makes the reader fail in many ways
        raise FormatError(explained(error, path.name, "mat")) from error
    names = names or ["x", "y", *(f"column_{i}" for i in range(2, values.shape[1]))]
    table = pd.DataFrame(values, columns=names)
    if "label" in table and (table["label"] == table["label"].round()).all():
        table["label"] = table["label"].astype(int)
    return table, size, first


def _of_text(path, notes):
    """The table, with names as they stand; without names the first two columns are x and y."""
    import pandas as pd

    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise FormatError(explained(error, path.name, "table")) from error
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "%"))]
    if not lines:
        raise FormatError(f"{path.name} holds no line of numbers")
    separator = _separator(lines)
    rows = [[cell.strip().strip('"') for cell in _cells(line, separator)] for line in lines]
    named = sum(_number(cell, separator) is not None for cell in rows[0]) < 2
    names = rows[0] if named else ["x", "y", *(f"column_{i}" for i in range(2, len(rows[0])))]
    rows = rows[1:] if named else rows
    if not named:
        notes.append("the first two columns were taken as x and y, since there are no names")
    width = len(names)
    if width < 2 or not rows:
        raise FormatError(f"{path.name} is no table of positions: it needs two columns of numbers")
    ragged = [len(row) for row in rows if len(row) != width]
    if len(ragged) > len(rows) / 2:
        raise FormatError(f"{path.name} is no table: its lines have different numbers of entries")
    rows = [row for row in rows if len(row) == width]
    if ragged:
        notes.append(f"{len(ragged)} lines of another length were left out")
    names = [name or f"column_{i}" for i, name in enumerate(names)]
    names = [name if names.index(name) == i else f"{name}_{i}" for i, name in enumerate(names)]
    table = pd.DataFrame(rows, columns=names)
    for column in table:
        numbers = [_number(cell, separator) for cell in table[column]]
        if any(number is not None for number in numbers):
            values = pd.Series([np.nan if n is None else n for n in numbers], dtype=float)
            whole = np.isfinite(values).all() and (values == values.round()).all()
            table[column] = values.astype(int) if whole and abs(values).max() < 2**53 else values
    first = table.columns[0]
    # ImageJ and pandas number their rows in a first column without a name.
    if first == "column_0" and len(table.columns) > 2 and named:
        table = table.drop(columns=first)
    return table


def _separator(lines):
    """What stands between entries: of the usual signs the one that cuts most lines as it cuts the first."""
    sample = lines[:50]

    def alike(sign):
        counts = [len(_cells(line, sign)) for line in sample]
        return (counts[0] > 1) * counts.count(counts[0])

    best = max(("\t", ";", ","), key=alike)
    return best if alike(best) else None


def _cells(line, separator):
    return line.split() if separator is None else next(csv.reader([line], delimiter=separator))


def _number(text, separator):
    """A number, also with a decimal comma where commas do not separate."""
    if separator != ",":
        text = text.replace(",", ".")
    try:
        return float(text)
    except ValueError:
        return None


def _found(table, name, notes):
    """Names of the columns with positions, and the unit that they tell."""
    candidates = {}
    for column in table:
        slug = re.sub(r"[\s\[\]().\-]+", "_", str(column).strip().lower()).strip("_")
        match = _AXIS.fullmatch(slug)
        if match and table[column].dtype.kind in "iuf":
            unit = tidy(match["unit"]) if match["unit"] else None
            candidates.setdefault(unit, {}).setdefault(_OF[match["axis"]], column)
    whole = {unit: axes for unit, axes in candidates.items() if {*axes} == {"x", "y"}}
    if not whole:
        raise FormatError(
            f"{name} names no columns x and y, but {', '.join(map(str, table.columns[:12]))}: "
            "rename two of them"
        )
    # Pixels before lengths, since these need no further number
    unit = min(whole, key=lambda u: (u not in (None, "px"), str(u)))
    if len(whole) > 1:
        notes.append(f"of several pairs of positions, {whole[unit]['x']} and {whole[unit]['y']} were taken")
    return [whole[unit]["x"], whole[unit]["y"]], unit


def _in_pixels(xy, unit, pixel_size, name):
    if unit == "px":
        return xy
    if pixel_size is None:
        raise FormatError(
            f"{name} has positions in {unit}: pass pixel_size=, the nanometres a pixel of the image they "
            "belong to"
        )
    return xy * quantity(unit)[1] / pixel_size
