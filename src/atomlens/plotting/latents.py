"""Latents on given axes: crops, points in the plane of two latents, decoded pictures, latent maps."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import LineCollection

from atomlens._types import Any, ArrayLike, Axes, DataArray, Sequence
from atomlens.plotting.drawing import (
    BESIDE,
    GREYS,
    SIGNED,
    colour_bar,
    colour_of,
    draw_map,
    grey_limits,
    smooth,
    styled,
)

_OUTLIERS = 99.5  # percentile at which the colours of a latent map end
_UNITS = {"shift_x": "px", "shift_y": "px", "rotation": "degrees"}
_TICKS = 5
_LEAST = 1.5  # prior sd: a plane reaches so far at least, so that a collapsed latent looks like one


def spoken(name):
    """Name of a latent for a label: ``shift_x`` becomes "shift x"."""
    return str(name).replace("_", " ")


def with_unit(name):
    """Name of a latent and its unit as `ShiftVAE.latent_map` gives it."""
    return f"{spoken(name)} ({_UNITS.get(str(name), 'prior sd')})"


@styled
def draw_crop(ax: Axes, crop: ArrayLike, *, limits: Any = None, title: str | None = None) -> Any:
    """Draw a crop in grey or a signal as a line, without axes.

    Parameters
    ----------
    crop : array_like of shape (H, W) or (length,)
    limits : (float, float), optional
        Values of black and white, or of the lower and upper end.

    Returns
    -------
    AxesImage or Line2D

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, (left, right) = new_figure(1, 2)
    >>> draw_crop(left, np.eye(8)).get_array().shape, len(draw_crop(right, np.arange(8.0)).get_xdata())
    ((8, 8), 8)
    """
    crop = np.asarray(crop)
    low, high = grey_limits(crop) if limits is None else limits
    if crop.ndim == 2:
        drawn = ax.imshow(crop, cmap=GREYS, vmin=low, vmax=high)
        smooth(drawn)
        ax.spines[:].set_visible(False)
    else:
        (drawn,) = ax.plot(crop, color=colour_of(0))
        margin = 0.06 * (high - low)
        ax.set(xlim=(0, len(crop) - 1), ylim=(low - margin, high + margin))
    ax.set(xticks=[], yticks=[], title=title)
    return drawn


def faint(count, *, least, most):
    """Look of so many dots: the more there are, the smaller and the fainter."""
    root = np.sqrt(max(count, 1))
    size, alpha = (float(np.clip(n / root, *ends)) for n, ends in ((800, (least, most)), (30, (0.1, 0.85))))
    return {"s": size, "alpha": alpha, "linewidths": 0, "rasterized": True}


@styled
def draw_latents(
    ax: Axes,
    points: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    names: Sequence[str] = ("z1", "z2"),
    label: str | None = None,
    title: str | None = None,
    shuffle: bool = True,
    legend: bool = True,
    **limits: Any,
) -> Any:
    """Draw crops as points in the plane of two latents.

    Parameters
    ----------
    points : array_like of shape (N, 2)
    labels : array_like of shape (N,), optional
        Kinds (words, whole numbers, bool), each with its colour, or a quantity (float) for a colour scale.
    names : sequence of str
        Of the two latents; of a single one, the points being spread out across it.
    label : str, optional
        What the labels are, with the unit: heads the legend, or stands at the colour bar.
    shuffle : bool
        Draw the points in random order, so that no kind hides the others.
    legend : bool
        Explain the colours.
    **limits
        ``vmin``, ``vmax`` and ``cmap`` of the colour scale.

    Returns
    -------
    PathCollection

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> dots = draw_latents(ax, np.zeros((3, 2)), ["vacancy", "perfect", "perfect"])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['perfect', 'vacancy']
    """
    points = np.asarray(points, dtype=float)
    order = np.random.default_rng(0).permutation(len(points)) if shuffle else np.arange(len(points))
    look = faint(len(points), least=2, most=26)
    labels = np.zeros(len(points), int) if labels is None else np.asarray(labels)[order]
    if labels.dtype.kind == "f":
        dots = ax.scatter(*points[order].T, c=labels, **{"cmap": "viridis", **limits}, **look)
        if legend:
            colour_bar(dots, label).solids.set_alpha(1)
    else:
        kinds, codes = np.unique(labels, return_inverse=True)
        # A cluster has the colour that it has in `draw_labels`.
        colours = {kind: colour_of(kind if labels.dtype.kind in "iu" else n) for n, kind in enumerate(kinds)}
        dots = ax.scatter(*points[order].T, c=[colours[kinds[code]] for code in codes], **look)
        if legend and len(kinds) > 1:
            for kind, colour in colours.items():
                ax.scatter([], [], color=colour, s=50, linewidths=0, label=str(kind))
            ax.legend(title=label, **BESIDE)
    ax.set(xlabel=with_unit(names[0]), title=title, xlim=_reach(points[:, 0]))
    ax.locator_params(nbins=_TICKS)
    if len(names) > 1:
        ax.set(ylabel=with_unit(names[1]), ylim=_reach(points[:, 1]))
    else:
        ax.set(ylabel="spread out, no meaning", yticks=[])
    return dots


def _reach(values):
    """Limits of an axis of the plane."""
    low, high = values.min(initial=-_LEAST), values.max(initial=_LEAST)
    return low - 0.04 * (high - low), high + 0.04 * (high - low)


@styled
def draw_manifold(ax: Axes, decoded: DataArray, *, names: Sequence[str] = ("z1", "z2")) -> Any:
    """Draw decoded pictures side by side, each where its latents are; larger values to the right and up.

    Parameters
    ----------
    decoded : DataArray
        From `atomlens.shiftvae.ShiftVAE.manifold`: dims (z_down, z_across, y, x), without y for signals and
        without z_down for a single latent.
    names : sequence of str
        Of the latents across and down.

    Returns
    -------
    AxesImage or LineCollection

    Raises
    ------
    ValueError
        If these are not pictures over latents.

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> import xarray as xr
    >>> along = {"z_across": [-1.0, 0.0, 1.0]}
    >>> mosaic = draw_manifold(ax, xr.DataArray(np.zeros((3, 4, 5)), along, ("z_across", "y", "x")))
    >>> mosaic.get_array().shape
    (4, 15)
    """
    single = "z_down" not in decoded.dims
    decoded = as_manifold(decoded)
    values = decoded.values
    across, down = decoded.z_across.values, decoded.z_down.values
    (left, right), (bottom, top) = _edges(across), _edges(down)
    low, high = grey_limits(values)
    if values.ndim == 4:
        rows, columns, height, width = values.shape
        mosaic = values[::-1].transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
        drawn = ax.imshow(mosaic, extent=(left, right, bottom, top), cmap=GREYS, vmin=low, vmax=high)
        # The pixels stay square whatever the steps of the latents are.
        ax.set_aspect(height / width * ((right - left) / columns) / ((top - bottom) / rows))
        line = "white"
    else:
        step = (right - left) / len(across), (top - bottom) / len(down)
        x = across[:, None] + 0.92 * step[0] * np.linspace(-0.5, 0.5, values.shape[-1])
        y = down[:, None, None] + 0.84 * step[1] * ((values - low) / (high - low) - 0.5)
        lines = np.stack(np.broadcast_arrays(x, y), axis=-1).reshape(-1, values.shape[-1], 2)
        drawn = ax.add_collection(LineCollection(lines, colors=colour_of(0), linewidths=1.8))
        ax.set(xlim=(left, right), ylim=(bottom, top))
        line = "#CCCCCC"
    ax.hlines(np.linspace(bottom, top, len(down) + 1)[1:-1], left, right, color=line, linewidth=0.8)
    ax.vlines(np.linspace(left, right, len(across) + 1)[1:-1], bottom, top, color=line, linewidth=0.8)
    ax.set(xlabel=with_unit(names[0]), xticks=_some(across), yticks=[] if single else _some(down))
    ax.set_ylabel(None if single else with_unit(names[1]))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return drawn


def as_manifold(decoded):
    """Give pictures over a single latent the second one, too."""
    if "z_across" not in decoded.dims:
        raise ValueError(f"pass what ShiftVAE.manifold returns: these pictures have the dims {decoded.dims}")
    return decoded if "z_down" in decoded.dims else decoded.expand_dims(z_down=[0.0])


def _edges(centres):
    """Outer edges of tiles around these places."""
    half = (centres[-1] - centres[0]) / max(len(centres) - 1, 1) / 2 or 0.5
    return centres[0] - half, centres[-1] + half


def _some(values):
    """Few enough of the values to be read: both ends, and the middle if there is one."""
    whole = len(values) - 1
    half = whole // 2 if whole % 2 == 0 else whole
    step = next((n for n in range(1, half + 1) if half % n == 0 and whole / n < _TICKS), 1)
    return values[::step]


@styled
def draw_latent_map(ax: Axes, latent: DataArray, *, title: str | None = None) -> Any:
    """Draw the map of one latent.

    Content and rotation: red and blue about zero. A shift jumps from one end of the lattice vector to the
    other where the next cell begins: its colours are the same at both ends.

    Parameters
    ----------
    latent : DataArray of shape (y, x)
        One of the maps of `atomlens.shiftvae.ShiftVAE.latent_map`, with its name as coordinate ``latent``.
    title : str, optional
        The name of the latent and its unit without it.

    Returns
    -------
    AxesImage

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> import xarray as xr
    >>> values = [[[1.0, -2.0]], [[3.0, 5.0]]]
    >>> maps = xr.DataArray(values, {"latent": ["z1", "shift_x"]}, ("latent", "y", "x"))
    >>> draw_latent_map(ax, maps.sel(latent="z1")).get_cmap().name
    'RdBu_r'
    """
    name = with_unit(latent.latent.item())
    drawn = draw_map(ax, latent, title=title or name, **latent_colours(latent))
    drawn.colorbar.set_label(name if title else None)  # else the title has the unit
    return drawn


def latent_colours(latent):
    """Colours of the map of a latent, and where they end: ``cmap``, ``vmin``, ``vmax``."""
    name = str(latent.latent.item())
    if name.startswith("shift"):
        low, high = np.percentile(latent, (100 - _OUTLIERS, _OUTLIERS))
        return {"cmap": "twilight_shifted", "vmin": float(low), "vmax": float(high)}
    limit = float(np.percentile(np.abs(latent), _OUTLIERS)) or 1.0
    return {"cmap": "PuOr_r" if name == "rotation" else SIGNED, "vmin": -limit, "vmax": limit}


def plane(content, axes=(0, 1)):
    """Points of crops in the plane of two content latents; a single latent is spread out across it.

    Parameters
    ----------
    content : array_like of shape (N, latent_dim)
    axes : tuple of int

    Returns
    -------
    ndarray of shape (N, 2)
    """
    content = np.asarray(content, dtype=float)
    if content.shape[1] == 1:
        return np.column_stack([content[:, 0], np.random.default_rng(0).uniform(-0.4, 0.4, len(content))])
    return content[:, list(axes)]
