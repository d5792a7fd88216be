"""`examine`: all that makes sense with a file, at one call, and the code that repeats it."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from atomlens._doubts import doubts as doubts_of
from atomlens._doubts import quietly
from atomlens._image import calibration_of, is_square
from atomlens._paths import user_path
from atomlens._types import DataArray, DataFrame, Survey
from atomlens.report.figures import Picture, draw
from atomlens.report.places import said_at
from atomlens.report.settings import Settings
from atomlens.report.steps import RECIPES, Step, reading
from atomlens.report.tables import as_table

__all__ = ["Findings", "compare", "examine"]

_DEAR = ("latent",)  # steps that are made only when asked for
# What a step leaves behind that may carry doubts.
_DOUBTFUL = ("image", "sample", "columns", "defects", "domains", "sites", "phases", "moved", "vae")


@dataclass(eq=False)
class Findings:
    """What `examine` found.

    Attributes
    ----------
    path : Path
    sha256 : str
    size : int
        Of the file, in bytes.
    settings : Settings
    sample : Survey
    steps : list of Step
        Those that were made.
    doubts : list of str
        What speaks against any of it, each with its remedy.
    script : str
        Python that repeats all of it, with the same numbers.
    numbers : DataFrame
        Index ``quantity``; ``value``, ``error`` (standard error, or NaN) and ``unit``.
    tables : dict of str to DataFrame
    maps : dict of str to DataArray
    known : dict
        Every name that the script made.
    seconds : dict of str to float
        How long each step took.
    """

    path: Path
    sha256: str
    size: int
    settings: Settings
    sample: Survey
    steps: list[Step]
    doubts: list[str]
    script: str
    numbers: DataFrame
    tables: dict[str, DataFrame]
    maps: dict[str, DataArray]
    known: dict[str, Any] = field(repr=False)
    seconds: dict[str, float] = field(repr=False)

    def __repr__(self):
        lines = [f"<Findings in {self.path.name}: {self.sample.kind}"]
        lines += [f"  {name}: {said}" for name, said in self.said.items()]
        return "\n".join([*lines, *(f"  doubt: {doubt}" for doubt in self.doubts)]) + ">"

    @property
    def said(self) -> dict[str, str]:
        """The numbers in words, with errors and units."""
        return {
            name: _in_words(*row) for name, row in zip(self.numbers.index, self.numbers.values, strict=True)
        }

    @property
    def data(self) -> DataArray:
        """What was looked at, with its scale."""
        return next(self.known[name] for name in ("image", "movie", "data") if name in self.known)

    def at(self, x: float, y: float) -> dict[str, str]:
        """What was found at a place in pixels, or nearest to it, in words with units."""
        return said_at(self.known, x, y)

    def pictures(self) -> Iterator[Picture]:
        """The figures, each with name, caption and alternative text; drawn as they are asked for."""
        for step in ("sample", *(step.name for step in self.steps)):
            yield from draw(step, self.known)

    @property
    def methods(self) -> str:
        """A paragraph for a paper."""
        from atomlens import __version__

        return " ".join(
            [f"Data were analysed with atomlens {__version__}.", *(step.methods for step in self.steps)]
        )


def examine(
    path: str | Path,
    settings: Settings | None = None,
    *,
    progress: Callable[[str], None] | None = None,
    memory: dict[str, Any] | None = None,
) -> Findings:
    """Read a file, say what kind of sample it is, and make the analyses that make sense.

    Parameters
    ----------
    path : str or Path
        Any file that `atomlens.io.read` knows.
    settings : Settings, optional
        The few that matter; none is needed.
    progress : callable, optional
        Called with the title of every step as it begins.
    memory : dict, optional
        Give the same one again after a change of the settings: lines that are as they were, and stand on
        lines that are as they were, are not run a second time.

    Returns
    -------
    Findings
        `atomlens.report.write` makes a report of it.

    Raises
    ------
    FileNotFoundError
    FormatError
        If the file cannot be read, is damaged, or holds several signals and none is chosen.
    ValueError
        If the data are of a kind that nothing here is for, or an analysis that was asked for cannot be made.

    Notes
    -----
    The analyses are lines of Python that are run as they are printed in ``script``. One that fails where
    nobody asked for it is left out, and a doubt says why.

    Examples
    --------
    >>> from atomlens import datasets
    >>> found = examine(datasets.sample_path("spectrum_image.hspy"), Settings(n_clusters=2))
    >>> found.sample.kind, found.said["clusters"]
    ('spectrum image', '2')
    """
    from atomlens import io

    settings = Settings() if settings is None else settings
    tell = progress or (lambda title: None)
    path = user_path(path).resolve()
    tell("Reading")
    known, seconds, lines, said = _names(), {}, [], []
    memory = {} if memory is None else memory
    kind, oblong = _first_look(path, settings)
    if oblong:
        said.append(
            "the pixels were not square: the image was averaged along its finer axis, on which details are "
            "lost; if its scale is wrong, give `pixel_size`"
        )
    with quietly():
        start = time.perf_counter()
        basis = code = reading(path, settings, kind, oblong)
        _run(code, known, memory, "reading", _state(path))
        lines.append(code)
        seconds["reading"] = time.perf_counter() - start
        sample = known["sample"]
        recipe = RECIPES.get(kind, RECIPES["spectra"])
        made = []
        for step in _wanted(recipe, settings, sample):
            tell(step.title)
            start = time.perf_counter()
            needed = [block for name, block in zip(made, lines[1:], strict=True) if name.name in step.needs]
            before = dict(known)
            try:
                if len(needed) < len(step.needs):
                    raise ValueError(f"that needs {' and '.join(step.needs)}, which could not be told")
                code = step.code(settings, known)
                _run(code, known, memory, step.name, (_state(path), basis, *needed))
            except Exception as error:
                by_hand = step.name == "columns" and (settings.added or settings.removed)
                if by_hand or step.name in (settings.analyses or ()):
                    raise
                known.clear()
                known.update(before)  # half of a step is none
                said.append(f"{step.title.lower()} could not be told: {_why(error)}")
                continue
            lines.append(f"# {step.title}\n{code}")
            made.append(step)
            seconds[step.name] = time.perf_counter() - start
    numbers, tables, maps = {}, {}, {}
    for step in made:
        said += step.doubts(known)
        numbers |= step.numbers(known)
        tables |= step.tables(known)
        maps |= step.maps(known)
    doubts = [doubt for name in _DOUBTFUL if name in known for doubt in _doubts_in(known[name])]
    hashed = known[_first(kind)].attrs.get("sha256") or io.sha256(path)
    size = sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")))
    every = list(dict.fromkeys([*doubts, *said]))
    return Findings(
        path, hashed, size, settings, sample, made, every, _script(path, hashed, lines),
        as_table(numbers), tables, maps, known, seconds,
    )  # fmt: skip


def compare(
    paths: Sequence[str | Path],
    settings: Settings | None = None,
    *,
    progress: Callable[[str], None] | None = None,
) -> tuple[DataFrame, dict[str, list[str]]]:
    """Examine several files the same way: one table.

    Parameters
    ----------
    paths : sequence of str or Path
    settings : Settings, optional
        For all of them alike.
    progress : callable, optional
        Called with the name of every file as it begins.

    Returns
    -------
    table : DataFrame
        One row a file (its name; its path, where names are the same), one column a number with its unit, and
        one with its standard error where there is one.
    doubts : dict of str to list of str
        Of each file.

    Raises
    ------
    ValueError
        If there are no files, one is named twice, or one cannot be examined.
    FileNotFoundError, FormatError
        If a file is missing or cannot be read.

    Examples
    --------
    >>> from atomlens import datasets
    >>> path = datasets.sample_path("spectrum_image.hspy")
    >>> compare([path], Settings(n_clusters=2))[0]["clusters"].tolist()
    [2]
    """
    import pandas as pd

    paths = [Path(path) for path in paths]
    if not paths:
        raise ValueError("there are no files to compare: name two at least")
    names = [path.name for path in paths]
    places = [path.resolve() for path in paths]
    if twice := [path.name for path, place in zip(paths, places, strict=True) if places.count(place) > 1]:
        raise ValueError(f"{twice[0]} is named twice: name every file once")
    rows, doubts = [], {}
    for path in paths:
        if progress:
            progress(path.name)
        found = examine(path, settings)
        name = path.name if names.count(path.name) == 1 else str(path)
        rows.append(pd.Series(flat(found.numbers), name=name, dtype=object))
        doubts[name] = found.doubts
    return pd.DataFrame(rows).infer_objects().rename_axis("file"), doubts


def flat(numbers: DataFrame) -> dict[str, Any]:
    """One entry a number, and one an error, with their units in the names."""
    entries = {}
    for name, row in numbers.iterrows():
        unit = row["unit"].replace("1/", "per ")
        label = f"{name} ({unit})" if unit else name
        entries[label] = row["value"]
        if row["error"] is not None:
            entries[f"{label} error"] = row["error"]
    return entries


def _first(kind):
    return kind if kind in ("image", "movie") else "data"


def _first_look(path, settings):
    """What the file holds, and whether it is an image of oblong pixels; loads as little as it can."""
    from atomlens import io

    chosen = {n: getattr(settings, n) for n in ("signal", "kind", "pixel_size")}
    data = io.read(path, lazy=True, **chosen)
    kind = data.attrs.get("kind", "other")
    return kind, kind == "image" and not is_square(calibration_of(data))


def _names():
    """What the script can count on: its imports."""
    import pandas as pd
    from skimage.draw import polygon2mask

    import atomlens as al

    return {"al": al, "np": np, "pd": pd, "polygon2mask": polygon2mask}


def _run(code, known, memory, name, basis):
    """Run lines that `steps` wrote; whatever of a user is in them is there as `repr` gives it.

    Memory holds the statements of each step that were run last, with the names that each of them set.
    """
    statements = [ast.get_source_segment(code, node) for node in ast.parse(code).body]
    before, done = memory.get(name, (None, []))
    kept = []
    for n, statement in enumerate(statements):
        if before == basis and len(kept) == n < len(done) and done[n][0] == statement:
            known.update(done[n][1])
            kept.append(done[n])
    memory[name] = (basis, kept)
    for statement in statements[len(kept) :]:
        old = dict(known)
        exec(compile(statement, "<report>", "exec"), known)
        kept.append((statement, {k: v for k, v in known.items() if k not in old or old[k] is not v}))


def _why(error):
    """An error in words; one that is none for users still stops nothing else."""
    if isinstance(error, ValueError):
        return str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory for it"
    return f"an error that nobody foresaw, {type(error).__name__} ({error}); please report it"


def _state(path):
    """What changes when a file does."""
    seen = path.stat()
    return str(path), seen.st_size, seen.st_mtime_ns


def _wanted(recipe, settings, sample):
    names = [step.name for step in recipe]
    asked = settings.analyses
    if asked is None:
        good = sample.analyses["sensible"]
        return [step for step in recipe if good.get(step.name, False) and step.name not in _DEAR]
    wrong = [name for name in asked if name not in names]
    if wrong:
        raise ValueError(
            f"{wrong[0]!r} is no analysis of a {sample.kind}: there {'is' if len(names) == 1 else 'are'} "
            f"{', '.join(names)}"
        )
    needed = {name for step in recipe if step.name in asked for name in step.needs}
    return [step for step in recipe if step.name in needed.union(asked)]


def _doubts_in(result):
    try:
        return doubts_of(result)
    except TypeError:
        return []


def _script(path, hashed, lines):
    from atomlens import __version__

    imports = [
        name
        for name, used in {
            "import numpy as np": "np.",
            "import pandas as pd": "pd.",
            "from skimage.draw import polygon2mask": "polygon2mask(",
        }.items()
        if any(used in block for block in lines)
    ]
    name = path.name.replace('"', "'")  # it stands in a docstring
    head = f'"""The analysis of {name}, with atomlens {__version__}.\n\nSHA-256 of the file: {hashed}\n"""'
    imports.append(("\n" if imports else "") + "import atomlens as al")
    return "\n\n".join([head.replace("\\", "\\\\"), "\n".join(imports), *lines]) + "\n"


def _in_words(value, error, unit):
    """A value with its unit; with as many digits as its error leaves."""
    if isinstance(value, str):
        return value
    if error is not None and np.isfinite(error) and error > 0:
        digits = max(0, 1 - int(np.floor(np.log10(error))))
        text = f"{value:.{digits}f} ± {error:.{digits}f}"
    else:
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{text} {unit}".strip().replace(" °", "°")
