"""The report: one HTML file that opens anywhere, and beside it what other programs read."""

from __future__ import annotations

import base64
import io as bytes_io
import json
import platform
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from uuid import uuid4

import numpy as np

from atomlens._paths import user_path
from atomlens._types import Any
from atomlens.report.examine import Findings

__all__ = ["check_place", "write"]

_DENSITY, _CSS_DPI = 2, 96  # pixels of a picture for one of the page; of the page, in an inch
_QUALITY = 90  # of WebP, in per cent: marks of one point keep their colours
_MOST_ROWS = 40  # of a table, that stand in the page
_LIBRARIES = ("numpy", "scipy", "pandas", "xarray", "scikit-learn", "scikit-image", "torch", "atomai")
_TEXT = {"encoding": "utf-8", "errors": "replace"}  # a name may hold bytes that are no text
_MARK = "settings.json"  # lies in every folder that a report is in


def write(findings: Findings, folder: str | Path, *, force: bool = False) -> Path:
    """Write a report: ``report.html``, and beside it figures, tables, maps and the code.

    Parameters
    ----------
    findings : Findings
        From `examine`.
    folder : str or Path
        Made if it is not there. It appears when all of it is written, or not at all.
    force : bool
        Replace a report that is there already.

    Returns
    -------
    Path
        Of ``report.html``. It needs no other file and no network. In the folder are also ``repeat.py``,
        ``settings.json``, ``tables/*.csv``, ``maps/*.hspy``, ``figures/*.png`` and ``*.svg``, and
        ``columns.xyz`` (extended xyz) where columns are calibrated.

    Raises
    ------
    FileExistsError
        If something is there and `force` is False, or if it is no report.
    FileNotFoundError, PermissionError
        If the folder above does not exist, or nothing can be written there.

    Examples
    --------
    >>> import tempfile
    >>> from atomlens import datasets, report
    >>> found = report.examine(datasets.sample_path("spectrum_image.hspy"), report.Settings(n_clusters=2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report.write(found, folder + "/first").name
    'report.html'
    """
    folder = user_path(folder)
    with _whole_folder(folder, force) as place:
        pictures = _figures(findings, place / "figures")
        _tables(findings, place)
        _maps(findings, place / "maps")
        (place / "repeat.py").write_text(findings.script, **_TEXT)
        (place / _MARK).write_text(json.dumps(findings.settings.to_dict(), indent=1) + "\n", encoding="utf-8")
        files = sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file())
        page = _page(findings, pictures, files)
        (place / "report.html").write_text(page, **_TEXT)
    return folder / "report.html"


def check_place(folder: str | Path, *, force: bool = False) -> None:
    """Refuse a folder that a report could not be written to: before minutes of work, not after.

    Parameters
    ----------
    folder, force
        As for `write`.

    Raises
    ------
    FileExistsError, FileNotFoundError
        As `write`.

    Examples
    --------
    >>> check_place("a_new_folder")
    """
    folder = user_path(folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        if not force:
            raise FileExistsError(
                f"{folder} is there already: choose another folder, or replace it (--force, or force=True)"
            )
        if not (folder / _MARK).is_file() or not (folder / "report.html").is_file():
            raise FileExistsError(f"{folder} holds no report, so it is not replaced: choose another folder")
    if not folder.resolve().parent.is_dir():
        raise FileNotFoundError(f"the folder {folder.parent} does not exist: make it first")


@contextmanager
def _whole_folder(folder, force):
    """A folder to write in, which takes its place when all went well; the old one stays until then."""
    check_place(folder, force=force)
    place = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}")
    try:
        place.mkdir()
    except OSError as error:
        raise PermissionError(f"nothing can be written in {folder.parent} ({error.strerror})") from None
    try:
        yield place
        if folder.exists():
            old = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.old")
            folder.rename(old)
            place.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            place.rename(folder)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _figures(findings, place):
    """Draw, save as PNG and SVG, and keep for the page as WebP: noise takes much less room there."""
    from PIL import Image

    def packed(png):
        image, page = Image.open(png).convert("RGB"), bytes_io.BytesIO()
        image.save(page, "WEBP", quality=_QUALITY)
        return image.width // _DENSITY, base64.b64encode(page.getvalue()).decode()

    place.mkdir()
    kept = []
    layout = {"bbox_inches": "tight", "pad_inches": 0.04, "facecolor": "white"}
    with ThreadPoolExecutor(1) as beside:  # packs while the next is drawn
        for picture in findings.pictures():
            png, svg = place / f"{picture.name}.png", place / f"{picture.name}.svg"
            # what is mostly noise packs hardly better with more effort
            picture.figure.savefig(png, dpi=_DENSITY * _CSS_DPI, pil_kwargs={"compress_level": 1}, **layout)
            kept.append((picture, beside.submit(packed, png)))
            picture.figure.savefig(svg, metadata={"Date": None}, **layout)
    return [(picture, *made.result()) for picture, made in kept]


def _tables(findings, place):
    from ase import Atoms

    from atomlens import io

    (place / "tables").mkdir()
    findings.numbers.to_csv(place / "tables" / "numbers.csv")
    for name, table in findings.tables.items():
        table.to_csv(place / "tables" / f"{name}.csv", index=False)
    columns = findings.tables.get("columns")
    if columns is not None and {"x_nm", "y_nm"} <= set(columns) and len(columns) and "frame" not in columns:
        places = np.column_stack([10 * columns[["x_nm", "y_nm"]], np.zeros(len(columns))])
        atoms = Atoms("X" * len(columns), positions=places)  # X: what the atoms are, was not asked
        for name in ("label", "score", "intensity"):
            atoms.set_array(name, columns[name].to_numpy())
        io.write(atoms, place / "columns.xyz")


def _maps(findings, place):
    from atomlens import io

    if findings.maps:
        place.mkdir()
    for name, values in findings.maps.items():
        plain = values.astype("float32" if values.dtype.kind == "f" else "int16")
        plain.attrs = {k: v for k, v in values.attrs.items() if isinstance(v, str | int | float)}
        io.write(plain, place / f"{name}.hspy")


def _page(findings, pictures, files):
    from importlib import resources

    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = resources.files("atomlens.report").joinpath("page.html").read_text(encoding="utf-8")
    return environment.from_string(text).render(
        name=findings.path.name,
        kind=findings.sample.kind,
        facts=findings.sample.facts,
        numbers=findings.said,
        doubts=[_with_code(_sentence(doubt)) for doubt in findings.doubts],
        analyses=_analyses(findings),
        pictures=pictures,
        tables={name: _rows(table) for name, table in findings.tables.items()},
        methods=findings.methods,
        settings=findings.settings.changed,
        script=findings.script,
        sha256=findings.sha256,
        size=f"{findings.size:,}".replace(",", " "),
        versions=_versions(),
        made=time.strftime("%Y-%m-%d %H:%M"),
        seconds=findings.seconds,
        files=files,
    )


def _sentence(text):
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def _with_code(text):
    """Escaped, and what stands between backticks as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _analyses(findings):
    """What was made, what could be, and what makes no sense: (mark, name, why)."""
    made = {step.name for step in findings.steps}
    for name, row in findings.sample.analyses.iterrows():
        state = "made" if name in made else "possible" if row["sensible"] else "not sensible"
        yield state, name, row["why"]


def _rows(table):
    """Head and first rows of a table, as text."""
    shown = table.head(_MOST_ROWS)
    head = [re.sub(r"_(nm|px|pm)$", r" (\1)", str(name)) for name in shown.columns]
    return {
        "head": head,
        "rows": [[_cell(value) for value in row] for row in shown.itertuples(index=False)],
        "more": len(table) - len(shown),
    }


def _cell(value):
    if isinstance(value, float):
        return "–" if value != value else f"{value:.5g}"
    return str(value)


def _versions() -> dict[str, Any]:
    from atomlens import __version__

    found = {"atomlens": __version__, "Python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
