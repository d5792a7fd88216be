"""Tables of columns that other programs found: `read_columns`."""

from __future__ import annotations

import csv
import re
from numbers import Real
from pathlib import Path

import numpy as np

from atomlens._paths import user_path
from atomlens._types import DataFrame
from atomlens._units import quantity, tidy
from atomlens.io._errors import FormatError, explained
from atomlens.io._matlab import read_mat

_SUFFIXES = (".csv", ".txt", ".tsv", ".dat", ".mat")
_SAME = 0.01  # of a length: what differs by more contradicts
_BYTES = 2**29  # of a text; a table of columns is a hundred times smaller
_WIDEST = 64  # columns without names; more are an image
_MOST_COLUMNS = 2000
_TITLES = 10  # lines above the names, at most
# Words that names of positions are made of, besides the axis itself and a unit
_AXIS = re.compile(
    r"(?:pos(?:ition)?s?|coord(?:inate)?s?|cent(?:er|re|roid)|atom|peak)?_?"
    r"(?P<axis>xm|ym|x|y|col|column|row|(?<=centroid_)[01])_?"
    r"(?:pos(?:ition)?|coord(?:inate)?|cent(?:er|re|roid))?_?"
    r"(?P<unit>px|pix|pixels?|nm|pm|a|å|ang|angstroms?|um|µm|μm|m)?"
)
# Name of an axis -> which it is, and by which of several ways to call both
_OF = {
    "x": ("x", "xy"), "y": ("y", "xy"), "xm": ("x", "mass"), "ym": ("y", "mass"), "col": ("x", "row"),
    "column": ("x", "row"), "row": ("y", "row"), "1": ("x", "centroid"), "0": ("y", "centroid"),
}  # fmt: skip
_WAYS = ("xy", "mass", "centroid", "row")
_MISSING = {"", "nan", "na", "n/a", "#n/a", "#nv", "null", "none", "-", "--", "#div/0!", "inf", "-inf"}
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")  # 1,024.5
_GROUPED_BY_POINTS = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d*)?")  # 1.024,5
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?")


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
        If it holds no positions, or lengths without a size of pixels; if an entry is no number, or
        positions in pixels and in nm contradict each other.
    TypeError, ValueError
        If an option makes no sense, or contradicts what the file says.

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
    path = user_path(path)
    _check(path, pixel_size, units, origin)
    notes = []
    own = None
    if path.suffix.lower() == ".mat":
        table, size, first = _of_matlab(path, name)
        if size and units is not None:
            raise ValueError(f"{path.name} says the unit of its positions: leave units= out")
        if size and pixel_size is not None and abs(pixel_size / size - 1) > _SAME:
            raise ValueError(
                f"{path.name} has pixels of {size:g} nm, not {pixel_size:g}: leave pixel_size= out"
            )
        pixel_size = pixel_size or size
        found = ["x", "y"]
    else:
        table, first = _of_text(path, notes), 0.0
        found, own = _found(table, path.name, notes)
    if own and units is not None and quantity(own)[1:] != quantity(units)[1:]:
        raise ValueError(
            f"{path.name} has positions in {own}, as {found[0]!r} says, not {units}: leave units= out"
        )
    unit = tidy(units) or own or "px"
    first = first if origin is None else float(origin)
    xy = np.column_stack([_numbers(table[column], path.name) for column in found])
    rest = table.drop(columns=found)
    known = np.isfinite(xy).all(axis=1)
    if not known.all():
        notes.append(f"{np.count_nonzero(~known)} rows without a position were left out")
        xy, rest = xy[known], rest[known].reset_index(drop=True)
    if not len(xy):
        raise FormatError(f"{path.name} holds no positions: its rows have no two numbers")
    xy = _in_pixels(xy, unit, pixel_size, path.name) - first
    names = {"x": xy[:, 0], "y": xy[:, 1]}
    if pixel_size is not None:
        names |= {f"{axis}_nm": values * pixel_size for axis, values in names.items()}
    for place, (column, values) in enumerate(names.items()):
        if column in rest:  # of another pair of positions
            _check_agrees(rest.pop(column), values, column, path.name)
        rest.insert(place, column, values)
    rest.attrs = {"file": path.name} | ({"note_columns": "; ".join(notes)} if notes else {})
    return rest


def _check_agrees(there, values, column, name):
    """Refuse a table whose own positions say something else than is made of the others."""
    there = np.asarray(there, dtype=float) if there.dtype.kind in "iuf" else np.full(len(values), np.nan)
    if not np.allclose(there, values, rtol=_SAME, atol=_SAME * max(np.ptp(values), 1e-12), equal_nan=True):
        raise FormatError(
            f"{name} has a column {column!r} that differs from what its other positions and these options "
            "make: drop one of them, or correct pixel_size="
        )


def _check(path, pixel_size, units, origin):
    for option, value in (("pixel_size", pixel_size), ("origin", origin)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, Real)):
            raise TypeError(f"{option} must be a number, got a {type(value).__name__}")
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

    text = _decoded(path.read_bytes())
    lines = [line for line in text.replace("\0", "").splitlines() if line.strip(" \t,;")]
    lines = lines[1:] if lines and re.fullmatch(r"sep=.", lines[0].strip()) else lines
    above = next((n for n, line in enumerate(lines) if not _is_comment(line)), len(lines))
    said, lines = lines[:above], [line for line in lines[above:] if not re.match(r"\s*(#|%|//)\s", line)]
    if not lines:
        raise FormatError(f"{path.name} holds no line of numbers")
    separator = _separator(lines)
    rows = [[cell.strip().strip('"') for cell in _cells(line, separator)] for line in lines]
    if max(map(len, rows)) > _MOST_COLUMNS:
        raise FormatError(f"{path.name} has more than {_MOST_COLUMNS} columns: this is no table of positions")
    names, rows = _names(said, rows, separator, notes)
    if names is None:
        width = len(rows[0])
        if width > _WIDEST:
            raise FormatError(f"{path.name} has {width} columns without names: this looks like an image")
        names = ["x", "y", *(f"column_{i}" for i in range(2, width))]
        notes.append("the first two columns were taken as x and y, since there are no names")
    width = len(names)
    if width < 2 or not rows:
        raise FormatError(f"{path.name} is no table of positions: it needs two columns of numbers")
    # Some end every line with a separator.
    rows = [row[:width] if len(row) > width and not any(row[width:]) else row for row in rows]
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
        # A text that looks like a number or like none (Na, 1e5) stays with the other texts.
        if any(n is not None for n in numbers) and all(
            n is not None or cell.lower() in _MISSING for n, cell in zip(numbers, table[column], strict=True)
        ):
            values = pd.Series([np.nan if n is None else n for n in numbers], dtype=float)
            whole = np.isfinite(values).all() and (values == values.round()).all()
            table[column] = values.astype(int) if whole and abs(values).max() < 2**53 else values
    first = table.columns[0]
    # ImageJ and pandas number their rows in a first column without a name.
    if (
        first == "column_0"
        and len(table.columns) > 2
        and list(table[first])
        in (
            [*range(len(table))],
            [*range(1, len(table) + 1)],
        )
    ):
        table = table.drop(columns=first)
    return table


def _decoded(content):
    """Text of a file: UTF-8, or what Windows and Excel write."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _is_comment(line):
    return line.lstrip().startswith(("#", "%", "//")) and not line.lstrip().startswith(
        ("#N/A", "#DIV", "#NV")
    )


def _names(said, rows, separator, notes):
    """Names of the columns and the rows below them; None for names where there are none.

    They stand in a line that names both axes, perhaps below a title, or as the last comment.
    """
    for n, row in enumerate(rows[:_TITLES]):
        if {*_axes_of(row)} >= {"x", "y"}:
            return row, rows[n + 1 :]
    if said:
        bare = said[-1].lstrip().lstrip("#%/")
        for cells in (bare.split(), [cell.strip() for cell in _cells(bare, separator)]):
            if len(cells) == len(rows[0]) and {*_axes_of(cells)} >= {"x", "y"}:
                return cells, rows
    numbers = [_number(cell, separator) for cell in rows[0]]
    if len(rows) > 1 and [n or 0 for n in numbers] == [*range(len(numbers))] and rows[0][0] in ("", "0"):
        # pandas numbers columns that have no names
        notes.append(
            f"the first line, {' '.join(rows[0])}, was taken as numbers of columns, not as a position"
        )
        return None, rows[1:]
    if sum(number is not None for number in numbers) < 2:
        return rows[0], rows[1:]
    return None, rows


def _axes_of(cells):
    return [_OF[match["axis"]][0] for match in map(_match, cells) if match]


def _match(name):
    slug = re.sub(r"[\s\[\]().\-/]+", "_", str(name).strip().lower()).strip("_")
    return _AXIS.fullmatch(slug)


def _separator(lines):
    """What stands between entries: of the usual signs the one that cuts most lines alike."""
    sample = lines[:50]

    def alike(sign):
        counts = [n for n in (len(_cells(line, sign)) for line in sample) if n > 1]
        return max(map(counts.count, counts), default=0)

    best = max(("\t", ";", ","), key=alike)
    return best if alike(best) else None


def _cells(line, separator):
    if separator is None:
        return re.sub(r"\s#.*$", "", line).split()  # without a remark at the end
    try:
        return next(csv.reader([line], delimiter=separator))
    except csv.Error:
        return line.split(separator)


def _number(text, separator):
    """A number as the world writes it, or None."""
    text = re.sub(r"\s+#.*$", "", text.strip()).replace("\u2212", "-")  # without a remark at the end
    if _GROUPED.fullmatch(text) and not (separator != "," and re.fullmatch(r"[+-]?\d+,\d+", text)):
        text = text.replace(",", "")
    elif separator != "," and "," in text and (_GROUPED_BY_POINTS.fullmatch(text) or text.count(",") == 1):
        text = (text.replace(".", "") if _GROUPED_BY_POINTS.fullmatch(text) else text).replace(",", ".")
    return float(re.sub("[dD]", "e", text)) if _PLAIN.fullmatch(text) else None


def _numbers(column, name):
    """Numbers of a column of positions; NaN where there is no entry."""
    if column.dtype.kind in "iuf":
        return column.to_numpy(dtype=float)
    values = []
    for row, cell in enumerate(column):
        number = _number(str(cell), None)
        if number is None and str(cell).lower() not in _MISSING:
            raise FormatError(f"{name} has {cell!r} where a position should be (row {row + 1}): correct it")
        values.append(np.nan if number is None else number)
    return np.array(values)


def _found(table, name, notes):
    """Names of the columns with positions, and the unit that they tell."""
    candidates = {}
    for column in table:
        match = _match(column)
        if match:
            axis, way = _OF[match["axis"]]
            exact = str(column).strip().lower() == axis
            unit = tidy(match["unit"]) if match["unit"] else None
            candidates.setdefault((not exact, _WAYS.index(way), unit), {}).setdefault(axis, column)
    whole = {key: axes for key, axes in candidates.items() if {*axes} == {"x", "y"}}
    if not whole:
        raise FormatError(
            f"{name} names no columns x and y, but {', '.join(map(str, table.columns[:12]))}: "
            "rename two of them"
        )
    # Pixels before lengths, since these need no further number; then plain x and y before others
    key = min(whole, key=lambda k: (k[2] not in (None, "px"), k[0], k[1], str(k[2])))
    chosen = whole[key]
    if len(whole) > 1:
        notes.append(f"of several pairs of positions, {chosen['x']} and {chosen['y']} were taken")
    return [chosen["x"], chosen["y"]], key[2]


def _in_pixels(xy, unit, pixel_size, name):
    if unit == "px":
        return xy
    if pixel_size is None:
        raise FormatError(
            f"{name} has positions in {unit}: pass pixel_size=, the nanometres a pixel of the image they "
            "belong to"
        )
    return xy * quantity(unit)[1] / pixel_size
