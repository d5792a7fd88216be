"""Descriptors on single axes: a window, its Fourier transform and Patterson function, frames, lines."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from atomlens.plotting._draw import colour_of, draw_map, styled
from atomlens.plotting._images import _as_map, draw_image
from atomlens.windows import taper_window

_NARROW = 0.7  # width over height of a panel
_SIGNED = "RdBu_r"
FRAMES = ("#E69F00", "#56B4E9", "#CC79A7", "#009E73", "#F0E442", "#D55E00")  # seen on grey pictures
_REACH = 0.17  # cycles a pixel: beyond, columns a few pixels wide have nothing


def pixel_of(image):
    """Size of a pixel in the unit that the image is drawn in, and this unit."""
    image = _as_map(image)
    if "x" in image.coords and image.sizes["x"] > 1:
        return float(image.x[1] - image.x[0]), image.x.attrs.get("units", "px")
    return 1.0, "px"


def _centred(values, step, unit, name):
    """Values over coordinates with 0 in the middle pixel; for odd and even sizes."""
    coords = {
        dim: (
            dim,
            (np.arange(n) - n // 2) * s,
            {"units": unit, "long_name": f"${name}_{dim}$" if name else dim},
        )
        for dim, n, s in zip(("y", "x"), values.shape, np.broadcast_to(step, 2), strict=True)
    }
    return xr.DataArray(values, coords, ("y", "x"))


@styled
def draw_windows(ax, image, table, size, *, colours=FRAMES, numbers=False):
    """Frame windows in an image that is drawn already.

    Parameters
    ----------
    ax : Axes
    image : array_like or DataArray of shape (H, W)
        Its calibration decides whether the frames are drawn in nm or in pixels.
    table : DataFrame
        ``x``, ``y`` of the centres, in pixels.
    size : tuple of int
        (height, width) in pixels.
    colours : sequence of str
        One after the other, and again from the beginning.
    numbers : bool
        Number the frames from 0.

    Returns
    -------
    list of Rectangle

    Examples
    --------
    >>> import pandas as pd
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> frames = draw_windows(ax, np.eye(40), pd.DataFrame({"x": [20.0], "y": [9.5]}), (10, 20))
    >>> frames[0].get_xy(), frames[0].get_width()
    ((np.float64(10.0), np.float64(4.5)), 20.0)
    """
    image = _as_map(image)
    step, _ = pixel_of(image)
    start = [float(image[d][0]) if d in image.coords else 0.0 for d in ("x", "y")]
    height, width = size
    frames = []
    for n, (x, y) in enumerate(table[["x", "y"]].to_numpy()):
        corner = start[0] + step * (x - width / 2), start[1] + step * (y - height / 2)
        colour = colours[n % len(colours)]
        frames.append(
            Rectangle(corner, step * width, step * height, fill=False, edgecolor=colour, linewidth=2)
        )
        ax.add_patch(frames[-1])
        if numbers:
            place = corner[0] + 0.1 * step * width, corner[1] + 0.1 * step * height
            ax.text(*place, str(n), color="black", va="top", fontsize=11, weight="bold",
                    bbox={"facecolor": colour, "pad": 1.5, "edgecolor": "none"})  # fmt: skip
    return frames


@styled
def draw_patch(ax, patch, *, step=1.0, unit="px", title=None):
    """Draw the pixels of a window.

    Parameters
    ----------
    ax : Axes
    patch : array_like of shape (h, w)
    step, unit : float, str
        Size of a pixel.
    title : str, optional

    Returns
    -------
    AxesImage

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> draw_patch(ax, np.eye(8), step=0.02, unit="nm").get_array().shape
    (8, 8)
    """
    drawn = draw_image(ax, _centred(np.asarray(patch), step, unit, ""), title=title)
    _few_ticks(ax)
    return drawn


@styled
def draw_fourier(ax, patch, *, taper="hann", step=1.0, unit="px", title=None):
    """Draw the modulus of the Fourier transform of a window, as its logarithm, to a sixth of a cycle a pixel.

    Parameters
    ----------
    ax : Axes
    patch : array_like of shape (h, w)
    taper : {"hann", None}
    step, unit : float, str
        Size of a pixel.
    title : str, optional

    Returns
    -------
    AxesImage

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> draw_fourier(ax, np.eye(24)).get_array().shape
    (9, 9)
    """
    patch = np.asarray(patch, dtype=float)
    tapered = (patch - patch.mean()) * taper_window(patch.shape, taper)
    modulus = np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(tapered))) / max(tapered.std(), 1e-12))
    shown = _low_frequencies(modulus, step, unit)
    # Half of the values are noise: let them be dark.
    drawn = draw_map(ax, shown, title=title, cmap="magma", colourbar=False, vmin=float(shown.median()))
    _few_ticks(ax)
    return drawn


@styled
def draw_patterson(ax, function, *, step=1.0, unit="px", title=None):
    """Draw a Patterson function or a part of one: red where it is positive, blue where negative.

    Parameters
    ----------
    ax : Axes
    function : array_like of shape (h, w)
        Whole, the origin at [h // 2, w // 2].
    step, unit : float, str
        Size of a pixel.
    title : str, optional

    Returns
    -------
    AxesImage

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> draw_patterson(ax, np.eye(8) - 0.5).get_clim()
    (-0.5, 0.5)
    """
    function = np.asarray(function)
    # The peak at the origin, where it is not blanked, would take all colours.
    height, width = function.shape
    away = np.hypot(*np.ogrid[-(height // 2) : height - height // 2, -(width // 2) : width - width // 2])
    limit = (
        np.abs(function[away > min(height, width) / 8]).max(initial=0) or float(np.abs(function).max()) or 1.0
    )
    return _draw_signed(ax, _centred(function, step, unit, "r"), limit, title)


@styled
def draw_modulus(ax, modulus, *, step=1.0, unit="px", title=None):
    """Draw Fourier moduli as features, or a component of such, to a sixth of a cycle a pixel.

    Parameters
    ----------
    ax : Axes
    modulus : array_like of shape (h, w)
        k = 0 at [h // 2, w // 2].
    step, unit : float, str
        Size of a pixel.
    title : str, optional

    Returns
    -------
    AxesImage

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> draw_modulus(ax, np.eye(24)).get_array().shape
    (9, 9)
    """
    shown = _low_frequencies(np.asarray(modulus), step, unit)
    return _draw_signed(ax, shown, float(np.abs(shown).max()) or 1.0, title)


def _draw_signed(ax, shown, limit, title):
    """Red where it is positive, blue where negative."""
    drawn = draw_map(ax, shown, title=title, cmap=_SIGNED, colourbar=False, vmin=-limit, vmax=limit)
    _few_ticks(ax)
    return drawn


def _few_ticks(ax):
    """Two or three short numbers an axis; across a panel that is higher than wide, even these would touch."""
    ax.locator_params(nbins=2)
    (left, right), (below, above) = ax.get_xlim(), ax.get_ylim()
    if abs(right - left) < _NARROW * abs(above - below):
        ax.xaxis.set_major_locator(MaxNLocator(1, min_n_ticks=1))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter("{x:g}")


def _low_frequencies(transform, step, unit):
    """The middle of a transform over its frequencies."""
    shown = _centred(transform, 1 / (np.array(transform.shape) * step), f"1/{unit}", "k")
    rows, columns = (np.abs(np.arange(n) - n // 2) <= max(_REACH * n, 1) for n in transform.shape)
    return shown[rows, columns]


@styled
def draw_lines(ax, table, *, xlabel, ylabel, expected=None, mark=None, log=False, title=None):
    """Draw one line a column against the index.

    Parameters
    ----------
    ax : Axes
    table : DataFrame
        Numbers over a numerical index.
    xlabel, ylabel : str
        With their units.
    expected : Series, optional
        What theory wants: dashed and black.
    mark : (float, str), optional
        A place on the horizontal axis, and its name.
    log : bool
        Logarithmic horizontal axis.
    title : str, optional

    Returns
    -------
    list of Line2D

    Examples
    --------
    >>> import pandas as pd
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> table = pd.DataFrame({"windows": [0.1, 1.0]}, index=[8, 64])
    >>> len(draw_lines(ax, table, xlabel="window (px)", ylabel="ARI"))
    1
    """
    lines = [
        ax.plot(table.index, table[name], color=colour_of(n), marker="o", markersize=4.5, label=name)[0]
        for n, name in enumerate(table)
    ]
    if expected is not None:
        ax.plot(expected.index, expected, color="black", linewidth=1.2, linestyle="--", label=expected.name)
    if mark is not None:
        ax.axvline(mark[0], color="#7F7F7F", linewidth=1.2, linestyle=":", label=mark[1], zorder=0)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if log:
        ax.set_xscale("log")
        ax.set_xticks(table.index, [f"{n:g}" for n in table.index])
        ax.minorticks_off()
    ax.legend(fontsize=8.5)
    return lines
