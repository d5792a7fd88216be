"""Crystals on single axes: phases, neighbourhoods, clouds, displacements, strain."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import hsv_to_rgb

from atomlens.plotting._draw import colour_of, draw_map, styled
from atomlens.plotting._images import _as_map, draw_image

_GREY = "#B9B9B9"


def place_columns(table, image=None):
    """Columns of the table to draw along: in nm where it and the image below have them."""
    in_nm = image is None or {"x", "y"} <= set(_as_map(image).coords)
    return ("x_nm", "y_nm") if in_nm and {"x_nm", "y_nm"} <= set(table) else ("x", "y")


def _dot_size(count, width=3.6):
    """Area of dots, in points squared, that nearly touch when so many fill a square panel."""
    return float(np.clip((0.62 * 72 * width / np.sqrt(count + 1)) ** 2, 2, 160))


def _frame(ax, table, title):
    x, y = place_columns(table)
    unit = "nm" if x == "x_nm" else "px"
    ax.set(xlabel=f"x ({unit})", ylabel=f"y ({unit})", title=title, aspect="equal")
    pad = 0.02 * max(np.ptp(table[x]), np.ptp(table[y]), 1e-9)
    ax.set_xlim(table[x].min() - pad, table[x].max() + pad)
    ax.set_ylim(table[y].max() + pad, table[y].min() - pad)  # y points down, as in the image


@styled
def draw_phases(ax, table, labels, *, image=None, title=None, size=None, names=None):
    """Draw atoms coloured by label, over the image if there is one.

    Parameters
    ----------
    ax : Axes
    table : DataFrame of N rows
        Positions: ``x``, ``y``, in nm where there are ``x_nm``, ``y_nm``.
    labels : array_like of int, shape (N,)
        -1 is grey.
    image : DataArray or array_like of shape (H, W), optional
    title : str, optional
    size : float, optional
        Area of the dots in points squared.
    names : sequence of str, optional
        Names of the labels, for a legend.

    Returns
    -------
    PathCollection

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> import pandas as pd
    >>> dots = draw_phases(ax, pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 3.0]}), [0, 1])
    >>> len(dots.get_offsets())
    2
    """
    labels = np.asarray(labels)
    x, y = place_columns(table, image)
    if image is not None:
        draw_image(ax, image, title=title)
    else:
        _frame(ax, table, title)
    dots = ax.scatter(
        table[x], table[y], c=[colour_of(k) for k in labels], s=size or _dot_size(len(table)), linewidths=0
    )
    if names is not None:
        for k, name in enumerate(names):
            ax.scatter([], [], color=colour_of(k), s=40, label=name)
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8.5, handletextpad=0.2)
    return dots


@styled
def draw_constellation(ax, ideal, vectors, *, colour="#0072B2", exaggerate=1.0, title=None, unit="px"):
    """Draw a neighbourhood: the ideal neighbours as rings, and where they are as dots.

    Parameters
    ----------
    ax : Axes
    ideal, vectors : array_like of shape (k, 2)
        From the centre to its neighbours; NaN where one is missing.
    colour : str
    exaggerate : float
        Factor on the displacements from the ideal places.
    title : str, optional
    unit : str
        Of the vectors.

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> draw_constellation(ax, np.eye(2), 1.1 * np.eye(2), exaggerate=3)
    """
    ideal, vectors = np.asarray(ideal, dtype=float), np.asarray(vectors, dtype=float)
    shown = ideal + exaggerate * (vectors - ideal)
    reach = 1.45 * np.linalg.norm(ideal, axis=1).max()
    for place, ring in zip(shown, ideal, strict=True):
        ax.plot(*np.transpose([ring, place]), color=colour, linewidth=1.2, zorder=1)
        ax.plot([0, ring[0]], [0, ring[1]], color="#DDDDDD", linewidth=0.8, zorder=0)
    ax.scatter(*ideal.T, s=70, facecolors="white", edgecolors=_GREY, linewidths=1.1, zorder=2)
    ax.scatter(*shown.T, s=38, color=colour, linewidths=0, zorder=3)
    ax.scatter([0], [0], s=46, color="black", marker="P", linewidths=0, zorder=3)
    ax.set(xlim=(-reach, reach), ylim=(reach, -reach), aspect="equal", xticks=[], yticks=[], title=title)
    ax.spines[:].set_visible(False)
    if exaggerate != 1:
        ax.set_xlabel(f"displacements x {exaggerate:g} ({unit})", fontsize=8)


@styled
def draw_cloud(ax, points, labels, *, centroids=None, title=None, names=("x", "y"), unit="px", shuffle=True):
    """Draw neighbourhoods as a cloud of points, coloured by label.

    Parameters
    ----------
    ax : Axes
    points : ndarray of shape (N, 2)
        Two components, such as the displacement of the centre.
    labels : array_like of int, shape (N,)
    centroids : ndarray of shape (K, 2), optional
    title : str, optional
    names : (str, str)
        Of the two components.
    unit : str
    shuffle : bool
        Draw the points in random order, so that no label hides the others.

    Returns
    -------
    PathCollection

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> cloud = draw_cloud(ax, np.zeros((3, 2)), [0, 1, 1])
    """
    order = np.random.default_rng(0).permutation(len(points)) if shuffle else np.arange(len(points))
    colours = np.array([colour_of(k) for k in labels], dtype=object)
    cloud = ax.scatter(*points[order].T, s=7, c=colours[order].tolist(), linewidths=0, alpha=0.75)
    if centroids is not None:
        for k, place in enumerate(centroids):
            ax.scatter(*place, s=70, color=colour_of(k), edgecolors="black", linewidths=1.2)
            ax.annotate(str(k), place, (5, 5), textcoords="offset points", fontsize=9, weight="bold")
    ax.set(xlabel=f"{names[0]} ({unit})", ylabel=f"{names[1]} ({unit})", title=title, aspect="equal")
    if not ax.yaxis_inverted():
        ax.invert_yaxis()
    return cloud


@styled
def draw_displacements(ax, table, *, x="dx", y="dy", exaggerate=None, title=None, image=None):
    """Draw displacements as arrows, coloured by their direction.

    Parameters
    ----------
    ax : Axes
    table : DataFrame
        Positions, and the two components in the unit of the positions.
    x, y : str
        Names of the components.
    exaggerate : float, optional
        Length of an arrow over its displacement; chosen from the spacing by default.
    title : str, optional
    image : DataArray or array_like of shape (H, W), optional

    Returns
    -------
    Quiver

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> import pandas as pd
    >>> table = pd.DataFrame({"x": [1.0, 9.0], "y": [1.0, 3.0], "dx": [0.1, 0.0], "dy": [0.0, 0.1]})
    >>> quiver = draw_displacements(ax, table)
    """
    names = place_columns(table, image)
    to_unit = 1.0
    if names[0] == "x_nm":
        px, nm = table["x"] - table["x"].mean(), table["x_nm"] - table["x_nm"].mean()
        to_unit = float(np.sqrt((nm**2).sum() / (px**2).sum()))
    if image is not None:
        draw_image(ax, image, title=title)
    else:
        _frame(ax, table, title)
    table = table[np.isfinite(table[[x, y]]).all(axis=1)]
    u, v = table[x] * to_unit, table[y] * to_unit
    if exaggerate is None and table.empty:
        exaggerate = 1.0
    elif exaggerate is None:
        area = np.ptp(table[names[0]]) * np.ptp(table[names[1]])
        exaggerate = 0.8 * np.sqrt(area / len(table)) / max(np.quantile(np.hypot(u, v), 0.9), 1e-12)
    return ax.quiver(
        table[names[0]], table[names[1]], u * exaggerate, v * exaggerate, color=direction_colours(u, v),
        angles="xy", scale_units="xy", scale=1, pivot="mid",
        width=0.005, headwidth=3.6, headlength=4, headaxislength=3.6,
    )  # fmt: skip


def direction_colours(x, y):
    """Colour of each direction: ndarray of shape (N, 3)."""
    hue = (np.arctan2(np.asarray(y), np.asarray(x)) / (2 * np.pi)) % 1
    return hsv_to_rgb(np.column_stack([hue, np.full(hue.shape, 0.85), np.full(hue.shape, 0.82)]))


@styled
def draw_values(ax, table, column, *, label=None, title=None, cmap="RdBu_r", centre=None, size=None):
    """Draw atoms coloured by a quantity.

    Parameters
    ----------
    ax : Axes
    table : DataFrame
    column : str
    label : str, optional
        What the colour bar says, with the unit.
    title : str, optional
    cmap : str
    centre : float, optional
        Value of the middle of the colours.
    size : float, optional
        Area of the dots in points squared.

    Returns
    -------
    PathCollection

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> import pandas as pd
    >>> table = pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 3.0], "exx": [0.0, 0.01]})
    >>> dots = draw_values(ax, table, "exx", label="strain", centre=0.0)
    """
    values = table[column].to_numpy(dtype=float)
    low, high = np.nanpercentile(values, (1, 99)) if np.isfinite(values).any() else (0.0, 1.0)
    if centre is not None:
        half = max(abs(low - centre), abs(high - centre), 1e-12)
        low, high = centre - half, centre + half
    x, y = place_columns(table)
    dots = ax.scatter(
        table[x],
        table[y],
        c=values,
        cmap=cmap,
        vmin=low,
        vmax=high,
        s=size or _dot_size(len(table), 2.6),
        linewidths=0,
    )
    _frame(ax, table, title)
    ax.figure.colorbar(dots, ax=ax, shrink=0.85, label=label or column)
    return dots


@styled
def draw_spectrum(ax, spectrum, *, title=None):
    """Draw the power of waves over their wave vectors, on a logarithmic scale.

    Parameters
    ----------
    ax : Axes
    spectrum : DataArray of shape (q_b, q_a)
        From `atomlens.crystallography.wave_spectrum`.
    title : str, optional

    Returns
    -------
    AxesImage

    Examples
    --------
    >>> from atomlens import crystallography, datasets, lattice
    >>> from atomlens.plotting import new_figure
    >>> hoods = lattice.neighbour_vectors(datasets.load("bfo_twin").data, center="Fe", neighbors="Bi")
    >>> figure, ax = new_figure()
    >>> image = draw_spectrum(ax, crystallography.wave_spectrum(hoods))
    """
    shown = np.log10(spectrum.clip(min=1)).assign_attrs(long_name="log10(power / median)", units="1")
    return draw_map(ax, shown, title=title, cmap="magma")
