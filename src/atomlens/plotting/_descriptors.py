"""Descriptors on single axes: a window, its Fourier transform and Patterson function, frames."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.patches import Rectangle

from atomlens.plotting._draw import SIGNED, along, as_map, draw_image, draw_map, styled
from atomlens.windows import taper_window

FRAMES = ("#E69F00", "#56B4E9", "#CC79A7", "#009E73", "#F0E442", "#D55E00")  # seen on grey pictures
_REACH = 0.17  # cycles a pixel: beyond, columns a few pixels wide have nothing


def pixel_of(image):
    """Size of a pixel in the unit that the image is drawn in, and this unit."""
    image = as_map(image)
    if "x" in image.coords and image.sizes["x"] > 1:
        return float(image.x[1] - image.x[0]), image.x.attrs.get("units", "px")
    return 1.0, "px"


def _centred(values, step, unit, name="{}"):
    """Values over coordinates with 0 in the middle pixel; for odd and even sizes."""
    values = np.asarray(values)
    coords = {
        dim: (dim, (np.arange(n) - n // 2) * s, {"units": unit, "long_name": name.format(dim)})
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
    image = as_map(image)
    step, _ = pixel_of(image)
    start = [float(along(image, d)[0]) for d in ("x", "y")]
    height, width = (step * n for n in size)
    frames = []
    for n, (x, y) in enumerate(table[["x", "y"]].to_numpy()):
        corner = start[0] + step * x - width / 2, start[1] + step * y - height / 2
        colour = colours[n % len(colours)]
        frames.append(Rectangle(corner, width, height, fill=False, edgecolor=colour, linewidth=2.4))
        ax.add_patch(frames[-1])
        if numbers:
            place = corner[0] + 0.1 * width, corner[1] + 0.1 * height
            ax.text(*place, str(n), color="black", va="top", fontsize=12, weight="bold",
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
    return draw_image(ax, _centred(patch, step, unit), title=title)


@styled
def draw_fourier(ax, patch, *, taper="hann", step=1.0, unit="px", title=None):
    """Draw the modulus of the Fourier transform of a window, as its logarithm, to a sixth of a cycle a pixel.

    Parameters
    ----------
    ax, patch, step, unit, title
        As for `draw_patch`.
    taper : {"hann", None}

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
    return draw_map(ax, shown, title=title, cmap="magma", colourbar=False, vmin=float(shown.median()))


@styled
def draw_patterson(ax, function, *, step=1.0, unit="px", title=None):
    """Draw a Patterson function or a part of one: red where it is positive, blue where negative.

    Parameters
    ----------
    ax, step, unit, title
        As for `draw_patch`.
    function : array_like of shape (h, w)
        Whole, the origin at [h // 2, w // 2].

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
    shown = _centred(function, step, unit, "$r_{}$")
    # The peak at the origin, where it is not blanked, would take all colours.
    height, width = shown.shape
    away = np.hypot(*np.ogrid[-(height // 2) : height - height // 2, -(width // 2) : width - width // 2])
    return _draw_signed(ax, shown, shown.values[away > min(height, width) / 8], title)


@styled
def draw_modulus(ax, modulus, *, step=1.0, unit="px", title=None):
    """Draw Fourier moduli as features, k = 0 at [h // 2, w // 2], to a sixth of a cycle a pixel."""
    shown = _low_frequencies(modulus, step, unit)
    return _draw_signed(ax, shown, shown.values, title)


def _draw_signed(ax, shown, values, title):
    """Red where it is positive, blue where negative; the largest of the values ends the colours."""
    limit = float(np.abs(values).max(initial=0) or np.abs(shown).max() or 1)
    return draw_map(ax, shown, title=title, cmap=SIGNED, colourbar=False, vmin=-limit, vmax=limit)


def _low_frequencies(transform, step, unit):
    """The middle of a transform over its frequencies."""
    transform = np.asarray(transform)
    shown = _centred(transform, 1 / (np.array(transform.shape) * step), f"1/{unit}", "$k_{}$")
    rows, columns = (np.abs(np.arange(n) - n // 2) <= max(_REACH * n, 1) for n in transform.shape)
    return shown[rows, columns]
