"""The house style, grids of panels, scale bars; and on single axes: a map, an image, labels, spectra."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from matplotlib_scalebar.scalebar import ScaleBar

from atomlens._types import Any, ArrayLike, Axes, DataArray, Sequence

#: Okabe and Ito's palette, reordered so that neighbours differ in brightness too; black closes it.
CLUSTER_COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442",
    "#7F7F7F", "#332288", "#882255",
)  # fmt: skip
GREY, SIGNED = "#B9B9B9", "RdBu_r"
GREYS = mpl.colormaps["gray"].resampled(48)  # as many as an eye can tell: more would be room for noise
_LEFT_OUT = "#EDEDED"

PAGE = 10.4  # inches: `atomlens.notebook.show` makes 1000 CSS pixels of it, and 12 of text of 9 points
_HIGHEST = 5.2
_STYLE = {
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.handletextpad": 0.5,
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "image.cmap": "cividis",
    "image.interpolation": "nearest",
}
# Used as a decorator on every function that makes or fills axes: the caller's own settings stay as they are.
styled = mpl.rc_context(_STYLE)

# Where a legend hides nothing.
BESIDE = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0}
BELOW = {
    "loc": "upper left",
    "bbox_to_anchor": (0, -0.01),
    "borderaxespad": 0.2,
    "ncols": 3,
    "columnspacing": 1,
}

_BARS = dict.fromkeys(("pm", "nm", "µm", "um", "mm"), "si-length")
_BARS |= {"px": "pixel-length", "1/nm": "si-length-reciprocal"}
_PERCENTILES = (0.5, 99.7)


@styled
def new_figure(
    rows: int | Sequence[Sequence[Any]] = 1,
    columns: int = 1,
    *,
    size: tuple[float, float] | None = None,
    **layout: Any,
) -> Any:
    """A figure in the house style, laid out so that nothing overlaps.

    Parameters
    ----------
    rows, columns : int
        Grid of axes. Or `rows` alone a mosaic of names, as for ``Figure.subplot_mosaic``.
    size : (float, float), optional
        Inches, of which a page is 10.4 wide; 3.4 by 3 a panel without it.
    **layout
        Passed to ``Figure.subplots`` (``width_ratios``, ``sharey`` ...).

    Returns
    -------
    (Figure, ndarray of Axes)
        The axes as an array of shape (rows, columns), squeezed; of a mosaic, a dict by name.

    Examples
    --------
    >>> figure, axes = new_figure(1, 2)
    >>> axes.shape
    (2,)
    """
    if isinstance(rows, list):
        figure = Figure(figsize=size, layout="constrained")
        return figure, figure.subplot_mosaic(rows, **layout)
    figure = Figure(figsize=size or (min(3.4 * columns, PAGE), 3.0 * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, **layout)


def panels(count, *, per_row=4, width=3.4, height=1.0, extra=0.3, **layout):
    """A figure with so many axes, in rows that fit a page.

    Parameters
    ----------
    count, per_row : int
    width : float
        Inches of a panel, at most.
    height : float
        Of a panel over its width.
    extra : float
        Inches that a row needs besides, for its titles.
    **layout
        As for `new_figure`.

    Returns
    -------
    (Figure, ndarray of Axes)
    """
    per_row = min(per_row, count)
    rows = -(-count // per_row)
    width = min(width, PAGE / per_row)
    size = (width * per_row, (height * width + extra) * rows)
    figure, axes = new_figure(rows, per_row, size=size, squeeze=False, **layout)
    for ax in axes.flat[count:]:
        ax.remove()
    return figure, axes.flat[:count]


def beside(image, rows, columns, *, aspect=1.0, extra=0.0):
    """Axes for an image and rows of smaller ones beside it, all as large as a page allows.

    Parameters
    ----------
    image : array_like of shape (H, W)
    rows, columns : int
    aspect : float
        Height of a smaller one over its width.
    extra : float
        Inches that a row needs besides, for its titles.

    Returns
    -------
    (Figure, Axes, list of Axes)
    """
    ratio = np.shape(image)[1] / np.shape(image)[0]
    small = (PAGE - 0.6 - rows * extra * ratio) / (columns + rows * aspect * ratio)
    small = min(small, _HIGHEST / rows / aspect)
    height = rows * (aspect * small + extra)
    size = (height * ratio + columns * small + 0.6, height + 0.3)
    mosaic = [["image", *range(row * columns, (row + 1) * columns)] for row in range(rows)]
    figure, axes = new_figure(mosaic, size=size, width_ratios=[height * ratio, *[small] * columns])
    return figure, axes.pop("image"), [axes[n] for n in range(rows * columns)]


def colour_of(label):
    """Colour of a cluster; light grey for what is left out (-1)."""
    return _LEFT_OUT if label < 0 else CLUSTER_COLOURS[label % len(CLUSTER_COLOURS)]


def as_map(image):
    """The image as a DataArray (y, x)."""
    if isinstance(image, xr.DataArray):
        return image
    return xr.DataArray(np.asarray(image), dims=("y", "x"), name="image")


def place_columns(table, image=None):
    """Columns of the table to draw along: in nm where it and the image below have them."""
    in_nm = image is None or {"x", "y"} <= set(as_map(image).coords)
    return ["x_nm", "y_nm"] if in_nm and {"x_nm", "y_nm"} <= set(table) else ["x", "y"]


def axis_label(coordinate):
    """What a coordinate is, with its unit."""
    name = coordinate.attrs.get("long_name", str(coordinate.name).replace("_", " "))
    return f"{name} ({coordinate.attrs.get('units', 'px') or '1'})"


def along(array, dim):
    """Coordinate of a dimension, or the numbers of its points."""
    if dim in array.coords and np.issubdtype(array[dim].dtype, np.number):
        return array[dim]
    return xr.DataArray(np.arange(array.sizes[dim]), dims=dim, name=dim)


def value_label(array):
    """What the values are, with their unit; a pure number has the unit "1"."""
    name, unit = array.attrs.get("long_name", array.name or "value"), array.attrs.get("units", "")
    return name if unit == "1" else f"{name} ({unit or 'arb. units'})"


def extent_of(image):
    """Edges of an image in the units of its coordinates."""
    edges = []
    for dim in image.dims[::-1]:
        values = along(image, dim).values.astype(float)
        half = 0.5 * (values[-1] - values[0]) / max(values.size - 1, 1) or 0.5
        edges += [values[0] - half, values[-1] + half]
    return (*edges[:2], *edges[:1:-1])


def grey_limits(pictures):
    """One scale for several pictures, which a hot pixel does not darken."""
    low, high = np.percentile(np.asarray(pictures, dtype=float), _PERCENTILES)
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def scale_bar(ax, unit):
    """Put a scale bar into axes, instead of their ticks."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    flat = min(1, 2 * abs(np.ptp(ax.get_ylim()) / np.ptp(ax.get_xlim())))  # of a strip, a shorter bar will do
    bar = ScaleBar(
        1, unit, _BARS[unit], length_fraction=0.25 * flat, width_fraction=0.015 / flat,
        location="lower right", scale_loc="top", scale_formatter=_length, font_properties={"size": 9.5},
        pad=0.25, border_pad=0.4, sep=2, box_alpha=0.8,
    )  # fmt: skip
    bar.set_in_layout(False)
    ax.add_artist(bar)
    ax.autoscale(False)


def _length(value, unit):
    value, unit = (value / 1000, "nm") if unit == "pm" else (value, unit)
    return f"{value:g} {unit.replace('$^{-1}$', '⁻¹')}"


def colour_bar(drawn, label):
    """Give a picture a colour bar of its height."""
    ax = drawn.axes
    return ax.figure.colorbar(drawn, cax=ax.inset_axes([1.03, 0, 0.05, 1]), label=label)


def log_axis(axis, subs=(1, 2, 5)):
    """Make an axis logarithmic, with plain numbers at these places of a decade."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def smooth(drawn):
    """Average where there are more pixels than can be shown: else a lattice gets patterns of its own."""
    height, width = drawn.get_array().shape
    box = drawn.axes.bbox
    if min(box.width / width, box.height / height) < 0.5:  # of the pixels of a screen, which are stored twice
        drawn.set(interpolation="antialiased", interpolation_stage="data")


def _measure(ax, image):
    """A scale bar where both axes are lengths, or ticks."""
    y, x = (along(image, dim) for dim in image.dims)
    unit = x.attrs.get("units", "px")
    if unit in _BARS and y.attrs.get("units", "px") == unit:
        scale_bar(ax, unit)
    else:
        ax.set(xlabel=axis_label(x), ylabel=axis_label(y))
        ax.locator_params(nbins=5)


@styled
def draw_map(
    ax: Axes,
    image: DataArray,
    *,
    title: str | None = None,
    colourbar: bool = True,
    cmap: str | None = None,
    **limits: Any,
) -> Any:
    """Draw one map, with a scale bar where both axes are lengths in the same unit.

    Parameters
    ----------
    image : DataArray of shape (H, W)
    colourbar : bool
    cmap : str, optional
    **limits
        ``vmin`` and ``vmax``.

    Returns
    -------
    AxesImage

    Raises
    ------
    ValueError
        If `image` is not two-dimensional.

    Examples
    --------
    >>> figure, ax = new_figure()
    >>> draw_map(ax, xr.DataArray(np.eye(3), dims=("y", "x"))).get_array().shape
    (3, 3)
    """
    if image.ndim != 2:
        raise ValueError(
            f"a map has two dimensions, this array has {image.dims}: select one value of the others"
        )
    drawn = ax.imshow(image.values, extent=extent_of(image), cmap=cmap, **limits)
    smooth(drawn)
    ax.set_title(title)
    _measure(ax, image)
    if colourbar:
        colour_bar(drawn, value_label(image))
    return drawn


@styled
def draw_image(ax: Axes, image: DataArray | ArrayLike, *, title: str | None = None) -> Any:
    """Draw an image in grey, between two percentiles, so that a hot pixel does not darken it.

    Returns
    -------
    AxesImage

    Examples
    --------
    >>> figure, ax = new_figure()
    >>> draw_image(ax, np.eye(4)).get_array().shape
    (4, 4)
    """
    low, high = grey_limits(image)
    return draw_map(ax, as_map(image), title=title, cmap=GREYS, colourbar=False, vmin=low, vmax=high)


def show_middle(ax, part):
    """Narrow the view to this fraction of both sides."""
    for get, narrow in ((ax.get_xlim, ax.set_xlim), (ax.get_ylim, ax.set_ylim)):
        low, high = get()
        narrow((low + high) / 2 + part * (low - high) / 2, (low + high) / 2 - part * (low - high) / 2)


@styled
def draw_labels(
    ax: Axes, labels: DataArray, *, title: str | None = None, n_clusters: int | None = None
) -> Any:
    """Draw cluster labels: an image for a map, a coloured strip for a line scan, dots for a library.

    Parameters
    ----------
    labels : DataArray of int
        Over (y, x), over one dimension, or over spots with coordinates ``x_mm`` and ``y_mm``.
    n_clusters : int, optional
        Length of the colour table; the largest label without it.

    Returns
    -------
    artist
        What was drawn.

    Examples
    --------
    >>> figure, ax = new_figure()
    >>> artist = draw_labels(ax, xr.DataArray([[0, 1], [1, 1]], dims=("y", "x")))
    """
    ax.set_title(title)
    if labels.ndim == 1 and "x_mm" in labels.coords:
        colours = [colour_of(v) for v in labels.values]
        drawn = ax.scatter(labels.x_mm, labels.y_mm, c=colours, s=28, linewidths=0)
        ax.set_aspect("equal")
        scale_bar(ax, "mm")
        return drawn
    count = n_clusters or int(labels.max().clip(min=0)) + 1
    colours = ListedColormap([_LEFT_OUT, *(colour_of(k) for k in range(count))])
    look = {"vmin": -1.5, "vmax": count - 0.5, "cmap": colours, "interpolation": "nearest"}
    if labels.ndim == 2:
        drawn = ax.imshow(labels.values, extent=extent_of(labels), **look)
        _measure(ax, labels)
        return drawn
    edges = extent_of(labels.expand_dims("strip"))[:2]
    ax.set(xlabel=axis_label(along(labels, labels.dims[0])), yticks=[])
    return ax.imshow(labels.values[None], extent=(*edges, 0, 1), aspect="auto", **look)


@styled
def draw_spectra(
    ax: Axes,
    spectra: DataArray,
    spread: DataArray | None = None,
    *,
    normalise: bool = False,
    title: str | None = None,
    names: Sequence[str] | None = None,
    edges: dict[str, float] | None = None,
) -> list[Any]:
    """Draw one line a cluster, with a band of one standard deviation.

    Parameters
    ----------
    spectra : DataArray of shape (k, L)
    spread : DataArray of shape (k, L), optional
    normalise : bool
        Divide each line (and its band) by its own maximum, to compare shapes.
    names : sequence of str, optional
        Legend entries; "cluster 0" and so on without it.
    edges : dict of str to float, optional
        What is known on the axis, such as ``{"O K": 532}``: marked by a dotted line with its name, where it
        lies within the spectra.

    Returns
    -------
    list of Line2D

    Examples
    --------
    >>> figure, ax = new_figure()
    >>> len(draw_spectra(ax, xr.DataArray(np.ones((2, 5)), dims=("cluster", "energy"))))
    2
    """
    axis = along(spectra, spectra.dims[-1])
    names = [f"cluster {k}" for k in range(len(spectra))] if names is None else names
    lines = []
    for k, row in enumerate(spectra.values):
        scale = np.abs(row).max() or 1 if normalise else 1
        if spread is not None:
            low, high = ((row + sign * spread.values[k]) / scale for sign in (-1, 1))
            ax.fill_between(axis, low, high, color=colour_of(k), alpha=0.22, linewidth=0)
        lines += ax.plot(axis, row / scale, color=colour_of(k), label=names[k])
    ylabel = "each divided by its maximum" if normalise else value_label(spectra)
    ax.set(xlabel=axis_label(axis), ylabel=ylabel, title=title)
    ax.margins(x=0)
    low, high = sorted((float(axis[0]), float(axis[-1])))
    for name, place in (edges or {}).items():
        if low <= place <= high:
            ax.axvline(place, color="#555555", linestyle=":", linewidth=1.2, zorder=1)
            ax.text(
                place, 1.0, f" {name}", rotation=90, ha="right", va="top", fontsize=9, color="#333333",
                transform=ax.get_xaxis_transform(),
            )  # fmt: skip
    if edges:
        bottom, top = ax.get_ylim()
        ax.set_ylim(bottom, top + 0.18 * (top - bottom))  # room for the names
    ax.legend()
    return lines
