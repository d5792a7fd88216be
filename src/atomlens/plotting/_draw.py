"""The house style, and what is drawn on single axes: a map, labels, spectra."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

#: Okabe and Ito's palette, reordered so that neighbours differ in brightness too; black closes it.
CLUSTER_COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442",
    "#7F7F7F", "#332288", "#882255",
)  # fmt: skip
_LEFT_OUT = "#EDEDED"

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
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "image.cmap": "cividis",
    "image.interpolation": "nearest",
}
# Used as a decorator on every function that makes or fills axes: the caller's own settings stay as they are.
styled = mpl.rc_context(_STYLE)


@styled
def new_figure(rows=1, columns=1, *, size=None, **layout):
    """A figure in the house style, with constrained layout.

    Parameters
    ----------
    rows, columns : int
        Grid of axes.
    size : (float, float), optional
        Inches; 3.4 by 3 a panel without it.
    **layout
        Passed to ``Figure.subplots`` (``width_ratios``, ``sharey`` ...).

    Returns
    -------
    (Figure, ndarray of Axes)
        The axes as an array of shape (rows, columns), squeezed.

    Examples
    --------
    >>> figure, axes = new_figure(1, 2)
    >>> axes.shape
    (2,)
    """
    figure = Figure(figsize=size or (3.4 * columns, 3.0 * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, **layout)


def colour_of(label):
    return _LEFT_OUT if label < 0 else CLUSTER_COLOURS[label % len(CLUSTER_COLOURS)]


def axis_label(coordinate):
    name = coordinate.attrs.get("long_name", str(coordinate.name).replace("_", " "))
    return f"{name} ({coordinate.attrs.get('units', 'px') or '1'})"


def value_label(array):
    """What the values are, with their unit; a pure number has the unit "1"."""
    name, unit = array.attrs.get("long_name", array.name or "value"), array.attrs.get("units", "")
    if unit == "1":
        return name
    return f"{name} ({unit or 'arb. units'})"


def _extent(image):
    """Edges of an image in the units of its coordinates, and its two axis labels."""
    edges, names = [], []
    for dim in (image.dims[1], image.dims[0]):
        if dim in image.coords and np.issubdtype(image[dim].dtype, np.number):
            values = image[dim].values.astype(float)
            names.append(axis_label(image[dim]))
        else:
            values = np.arange(image.sizes[dim], dtype=float)
            names.append(f"{dim} (px)")
        half = 0.5 * (values[-1] - values[0]) / max(values.size - 1, 1) or 0.5
        edges += [values[0] - half, values[-1] + half]
    left, right, top, bottom = edges
    return (left, right, bottom, top), names


@styled
def draw_map(ax, image, *, title=None, colourbar=True, cmap=None, **limits):
    """Draw one map with its units.

    Parameters
    ----------
    ax : Axes
    image : DataArray of shape (H, W)
    title : str, optional
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
    >>> import xarray as xr
    >>> figure, ax = new_figure()
    >>> draw_map(ax, xr.DataArray(np.eye(3), dims=("y", "x"))).get_array().shape
    (3, 3)
    """
    if image.ndim != 2:
        raise ValueError(
            f"a map has two dimensions, this array has {image.dims}: select one value of the others"
        )
    extent, (x_name, y_name) = _extent(image)
    artist = ax.imshow(
        image.values, extent=extent, cmap=cmap or _STYLE["image.cmap"], interpolation="nearest", **limits
    )
    ax.set(xlabel=x_name, ylabel=y_name, title=title)
    if colourbar:
        ax.figure.colorbar(artist, ax=ax, shrink=0.85, label=value_label(image))
    return artist


@styled
def draw_labels(ax, labels, *, title=None, n_clusters=None):
    """Draw cluster labels: an image for a map, a coloured strip for a line scan, dots for a library.

    Parameters
    ----------
    ax : Axes
    labels : DataArray of int
        Over (y, x), over one dimension, or over spots with coordinates ``x_mm`` and ``y_mm``.
    title : str, optional
    n_clusters : int, optional
        Length of the colour table; the largest label without it.

    Returns
    -------
    artist
        What was drawn.

    Examples
    --------
    >>> import xarray as xr
    >>> figure, ax = new_figure()
    >>> artist = draw_labels(ax, xr.DataArray([[0, 1], [1, 1]], dims=("y", "x")))
    """
    values = np.asarray(labels.values)
    if labels.ndim == 1 and "x_mm" in labels.coords:
        artist = ax.scatter(labels.x_mm, labels.y_mm, c=[colour_of(v) for v in values], s=22, linewidths=0)
        ax.set(xlabel="x (mm)", ylabel="y (mm)", title=title, aspect="equal")
        return artist
    colours = ListedColormap(
        [_LEFT_OUT, *(colour_of(k) for k in range(n_clusters or int(values.max(initial=0)) + 1))]
    )
    shown = values if labels.ndim == 2 else values[None, :]
    limits = {"vmin": -1.5, "vmax": colours.N - 1.5, "cmap": colours, "interpolation": "nearest"}
    if labels.ndim == 2:
        extent, (x_name, y_name) = _extent(labels)
        artist = ax.imshow(shown, extent=extent, **limits)
        ax.set(xlabel=x_name, ylabel=y_name, title=title)
    else:
        dim = labels.dims[0]
        position = labels[dim].values if dim in labels.coords else np.arange(values.size)
        step = (position[-1] - position[0]) / max(position.size - 1, 1) or 1
        extent = (position[0] - step / 2, position[-1] + step / 2, 0, 1)
        artist = ax.imshow(shown, extent=extent, aspect="auto", **limits)
        name = axis_label(labels[dim]) if dim in labels.coords else f"{dim} (px)"
        ax.set(xlabel=name, yticks=[], title=title)
    return artist


@styled
def draw_spectra(ax, spectra, spread=None, *, offset=0.0, normalise=False, title=None, names=None):
    """Draw one line a cluster, with a band of one standard deviation.

    Parameters
    ----------
    ax : Axes
    spectra : DataArray of shape (k, L)
    spread : DataArray of shape (k, L), optional
    offset : float
        Vertical distance between the lines, in units of the largest value.
    normalise : bool
        Divide each line (and its band) by its own maximum, to compare shapes.
    title : str, optional
    names : sequence of str, optional
        Legend entries; "cluster 0" and so on without it.

    Returns
    -------
    list of Line2D

    Examples
    --------
    >>> import xarray as xr
    >>> figure, ax = new_figure()
    >>> len(draw_spectra(ax, xr.DataArray(np.ones((2, 5)), dims=("cluster", "energy"))))
    2
    """
    dim = spectra.dims[-1]
    axis = spectra[dim].values if dim in spectra.coords else np.arange(spectra.shape[-1])
    scale = np.abs(spectra.values).max(axis=1) if normalise else np.ones(len(spectra))
    scale = np.where(scale > 0, scale, 1)[:, None]
    values = spectra.values / scale
    lift = offset * np.abs(values).max()
    lines = []
    for k, row in enumerate(values):
        base = row + lift * (len(values) - 1 - k)
        if spread is not None:
            half = spread.values[k] / scale[k]
            ax.fill_between(axis, base - half, base + half, color=colour_of(k), alpha=0.22, linewidth=0)
        lines += ax.plot(
            axis, base, color=colour_of(k), label=names[k] if names is not None else f"cluster {k}"
        )
    unit = "each divided by its maximum" if normalise else value_label(spectra)
    label = axis_label(spectra[dim]) if dim in spectra.coords else f"{dim}"
    ax.set(xlabel=label, ylabel=unit + (", shifted" if offset else ""), title=title)
    ax.margins(x=0)
    ax.legend(fontsize=8.5, handlelength=1.2)
    return lines
