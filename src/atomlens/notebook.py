"""What every lesson needs besides the science: its budget and its figures."""

from __future__ import annotations

import base64
import io
import itertools
import os
import sys
from os import PathLike

from atomlens._paths import user_path
from atomlens._shell import shell
from atomlens._types import Any, DataFrame, Figure

__all__ = ["as_png", "budget", "findings", "keep_figures", "show", "show_film", "stored_table"]

_CSS_DPI, _DENSITY = 96, 2
_LEAN = 270_000  # bytes; a third more once they are text
_keep = {"folder": None}  # where `show` also saves figures


def budget(*, full: Any, fast: Any) -> Any:
    """Choose between the value for a full run and the one for a quick test.

    The environment variable ``ATOMLENS_BUDGET`` decides: ``full`` (also when it is not set) or
    ``fast``. Only full numbers are ever quoted.

    Parameters
    ----------
    full, fast : object
        The two values, such as numbers of repetitions.

    Returns
    -------
    object
        One of the two.

    Raises
    ------
    ValueError
        If ``ATOMLENS_BUDGET`` is set to something else.

    Examples
    --------
    >>> budget(full=40, fast=40)
    40
    """
    choice = os.environ.get("ATOMLENS_BUDGET", "full")
    if choice not in ("full", "fast"):
        raise ValueError(f"ATOMLENS_BUDGET is {choice!r}: set it to 'full' or 'fast', or unset it")
    return full if choice == "full" else fast


def show(figure: Figure, *, alt: str) -> None:
    """Display a figure, sharp on any screen, with its description, and close it.

    An inch is displayed as 96 CSS pixels, so that text of 9 points is 12 pixels high, and stored with twice
    the density, as a PNG, with a palette where that makes no visible difference. Outside a notebook the
    description is printed instead.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Any figure, under any backend.
    alt : str
        What the figure shows, in a sentence, for those who cannot see it.

    Raises
    ------
    ValueError
        If the description is empty.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> show(Figure(), alt="An empty figure")
    [figure] An empty figure
    """
    alt = " ".join(str(alt).split())
    if not alt:
        raise ValueError("a figure needs a description: show(figure, alt='Label map with three phases ...')")
    if shell() is None:
        print(f"[figure] {alt}")  # noqa: T201 - all that a plain terminal can show
    else:
        from IPython.display import display

        picture, width = _encoded(figure)
        data = {"image/png": base64.b64encode(picture).decode(), "text/plain": f"[figure] {alt}"}
        look = {"alt": alt, "width": width, "smallest_text": _smallest_text(figure)}
        display(data, raw=True, metadata={"image/png": look})
    if _keep["folder"] is not None:
        _saved(figure, _keep["folder"])
    _close(figure)


def keep_figures(folder: str | PathLike | None) -> None:
    """Save every figure that is shown from now on, as SVG and as PNG, for slides and papers.

    Figures are numbered in the order in which they are shown, ``figure-001.svg`` and so on; what is in the
    folder stays.

    Parameters
    ----------
    folder : path-like or None
        Is made if it does not exist. None: stop.

    Raises
    ------
    OSError
        If the folder cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from matplotlib.figure import Figure
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keep_figures(folder)
    ...     show(Figure(), alt="An empty figure")
    ...     keep_figures(None)
    ...     sorted(path.name for path in Path(folder).iterdir())
    [figure] An empty figure
    ['figure-001.png', 'figure-001.svg']
    """
    if folder is not None:
        folder = user_path(folder)
        folder.mkdir(parents=True, exist_ok=True)
    _keep["folder"] = folder


def findings(text: str) -> Any:
    """What a lesson found, as a box: for texts with computed numbers, at its end.

    Parameters
    ----------
    text : str
        Markdown.

    Returns
    -------
    IPython.display.Markdown

    Examples
    --------
    >>> findings("* Both agree.").data.splitlines()[2]
    '* Both agree.'
    """
    from IPython.display import Markdown

    return Markdown(f'<div class="alert alert-block alert-success">\n\n{text.strip()}\n\n</div>')


def _saved(figure, folder):
    taken = [int(path.stem[7:]) for path in folder.glob("figure-*.svg") if path.stem[7:].isdigit()]
    name = folder / f"figure-{max(taken, default=0) + 1:03d}"
    layout = {"bbox_inches": "tight", "pad_inches": 0.04, "facecolor": "white"}
    figure.savefig(name.with_suffix(".svg"), metadata={"Date": None}, **layout)
    figure.savefig(name.with_suffix(".png"), dpi=2 * _DENSITY * _CSS_DPI, **layout)


def show_film(film: bytes, *, alt: str) -> None:
    """Display a film, as `plotting.animation` makes it, with its description.

    Parameters
    ----------
    film : bytes
        A GIF.
    alt : str
        What it shows, in a sentence.

    Raises
    ------
    ValueError
        If the description is empty, or it is no GIF.

    Examples
    --------
    >>> from PIL import Image
    >>> picture = io.BytesIO()
    >>> Image.new("L", (8, 8)).save(picture, format="GIF")
    >>> show_film(picture.getvalue(), alt="Nothing moves")
    [film] Nothing moves
    """
    from PIL import Image

    alt = " ".join(str(alt).split())
    if not alt:
        raise ValueError("a film needs a description: show_film(film, alt='Three defects hop ...')")
    if not bytes(film).startswith(b"GIF"):
        raise ValueError("a film is what plotting.animation returns, a GIF")
    if shell() is None:
        print(f"[film] {alt}")  # noqa: T201 - all that a plain terminal can show
        return
    from IPython.display import display

    width = Image.open(io.BytesIO(film)).width
    data = {"image/gif": base64.b64encode(film).decode(), "text/plain": f"[film] {alt}"}
    display(data, raw=True, metadata={"image/gif": {"alt": alt, "width": width, "smallest_text": 12.0}})


def stored_table(name: str) -> DataFrame:
    """Return a table that a benchmark stored, for what would take too long in a lesson.

    Parameters
    ----------
    name : str
        Of the table: that of its file in ``data/results``, without the ending.

    Returns
    -------
    DataFrame

    Raises
    ------
    ValueError
        If there is none of this name.

    Examples
    --------
    >>> stored_table("shiftvae_speed").index.name
    'program'
    """
    import pandas as pd

    from atomlens._resources import resource

    names = sorted(path.stem for path in resource("results").glob("*.csv"))
    if name not in names:
        raise ValueError(f"no benchmark stored a table {name!r}: there are {', '.join(names)}")
    return pd.read_csv(resource("results", f"{name}.csv"), index_col=0)


def as_png(figure: Figure) -> bytes:
    """Return a figure as `show` would store it: a PNG at twice the displayed resolution.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> as_png(Figure())[1:4]
    b'PNG'
    """
    return _encoded(figure)[0]


def _encoded(figure):
    """A figure as a PNG, with a palette if no eye can tell, and its displayed width."""
    import numpy as np
    from PIL import Image

    raw = io.BytesIO()
    dpi = _DENSITY * _CSS_DPI
    figure.savefig(raw, format="png", dpi=dpi, bbox_inches="tight", pad_inches=0.04, facecolor="white")
    picture = Image.open(raw).convert("RGB")
    best, true = _png(picture), np.asarray(picture, dtype=np.int16)
    # The palette is chosen by area: a thin line in a rare colour is what it would lose first. Noise, which
    # takes the most room, has to do with fewer colours.
    methods = (Image.Quantize.MAXCOVERAGE, Image.Quantize.FASTOCTREE)
    for colours, method in itertools.product((256, 128, 64), methods):
        lean = picture.quantize(colours, method=method, dither=Image.Dither.NONE)
        _whiten(lean)
        if np.abs(true - np.asarray(lean.convert("RGB"), dtype=np.int16)).max() <= 32:
            best = min(best, _png(lean), key=len)
            if len(best) <= _LEAN:
                break
    return best, round(picture.width / _DENSITY)


def _png(picture):
    out = io.BytesIO()
    picture.save(out, format="png", optimize=True)
    return out.getvalue()


def _smallest_text(figure):
    """Size of the smallest text, in CSS pixels."""
    from matplotlib.text import Text

    texts = (text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip())
    return round(min((text.get_fontsize() for text in texts), default=12) * _CSS_DPI / 72, 1)


def _whiten(picture):
    """Make the brightest colour of a palette white: the paper must not turn grey."""
    palette = picture.getpalette()
    brightest = max(range(0, len(palette), 3), key=lambda i: min(palette[i : i + 3]))
    palette[brightest : brightest + 3] = [255, 255, 255]
    picture.putpalette(palette)


def _close(figure):
    """Forget the figure, so that no backend shows it a second time at the end of the cell."""
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(figure)
