"""Crystals on given axes: phases, neighbourhoods, clouds, displacements, quantities, spectra of waves."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import hsv_to_rgb

from atomlens._types import Any, ArrayLike, Axes, DataArray, DataFrame, Sequence, ndarray
from atomlens.plotting.drawing import (
    GREY,
    colour_bar,
    colour_of,
    draw_image,
    draw_map,
    place_columns,
    scale_bar,
    styled,
)


def _below(ax, table, image, title, fill):
    """Draw what lies below the atoms: where they are, and the area of dots that fill so much of the panel."""
    places = table[place_columns(table, image)].to_numpy()
    if image is not None:
        draw_image(ax, image, title=title)
    else:
        low, high = places.min(axis=0), places.max(axis=0)
        pad = 0.03 * max(*(high - low), 1e-9)
        # y points down, as in the image
        ax.set(xlim=(low[0] - pad, high[0] + pad), ylim=(high[1] + pad, low[1] - pad), aspect="equal")
        ax.set_title(title)
        scale_bar(ax, "nm" if place_columns(table)[0] == "x_nm" else "px")
    return places, float(np.clip((0.62 * 72 * fill / np.sqrt(len(table) + 1)) ** 2, 4, 160))


@styled
def draw_phases(
    ax: Axes,
    table: DataFrame,
    labels: ArrayLike,
    *,
    image: DataArray | ArrayLike | None = None,
    title: str | None = None,
    size: float | None = None,
) -> Any:
    """Draw atoms coloured by label, over the image if there is one.

    Parameters
    ----------
    table : DataFrame of N rows
        Positions: ``x``, ``y``, in nm where there are ``x_nm``, ``y_nm``.
    labels : array_like of int, shape (N,)
        -1 is grey.
    image : optional
    size : float, optional
        Area of the dots in points squared; nearly touching without it.

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
    places, area = _below(ax, table, image, title, 3.2)
    return ax.scatter(*places.T, c=[colour_of(k) for k in np.asarray(labels)], s=size or area, linewidths=0)


@styled
def draw_constellation(
    ax: Axes,
    ideal: ArrayLike,
    vectors: ArrayLike,
    *,
    colour: str = "#0072B2",
    exaggerate: float = 1.0,
    title: str | None = None,
) -> None:
    """Draw a neighbourhood: the ideal neighbours as rings, and where they are as dots.

    Parameters
    ----------
    ideal, vectors : array_like of shape (k, 2)
        From the centre to its neighbours; NaN where one is missing.
    colour : str
    exaggerate : float
        Factor on the displacements from the ideal places.

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
        ax.plot(*np.transpose([ring, place]), color=colour, zorder=1)
        ax.plot([0, ring[0]], [0, ring[1]], color="#DDDDDD", linewidth=1, zorder=0)
    ax.scatter(*ideal.T, s=80, facecolors="white", edgecolors=GREY, linewidths=1.4, zorder=2)
    ax.scatter(*shown.T, s=50, color=colour, linewidths=0, zorder=3)
    ax.scatter([0], [0], s=60, color="black", marker="P", linewidths=0, zorder=3)
    ax.set(xlim=(-reach, reach), ylim=(reach, -reach), aspect="equal", xticks=[], yticks=[], title=title)
    ax.spines[:].set_visible(False)


@styled
def draw_cloud(
    ax: Axes,
    points: ndarray,
    labels: ArrayLike,
    *,
    centroids: ndarray | None = None,
    title: str | None = None,
    names: Sequence[str] = ("x", "y"),
    unit: str = "px",
    shuffle: bool = True,
) -> Any:
    """Draw neighbourhoods as a cloud of points, coloured by label.

    Parameters
    ----------
    points : ndarray of shape (N, 2)
        Two components, such as the displacement of the centre.
    labels : array_like of int, shape (N,)
    centroids : ndarray of shape (K, 2), optional
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
    colours = [colour_of(labels[row]) for row in order]
    cloud = ax.scatter(*points[order].T, s=12, c=colours, linewidths=0, alpha=0.75)
    for k, place in enumerate([] if centroids is None else centroids):
        ax.scatter(*place, s=90, color=colour_of(k), edgecolors="black", linewidths=1.4)
        ax.annotate(
            str(k), place, (6, 6), textcoords="offset points", weight="bold",
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip
    ax.set(xlabel=f"{names[0]} ({unit})", ylabel=f"{names[1]} ({unit})", title=title, aspect="equal")
    ax.yaxis.set_inverted(True)
    return cloud


@styled
def draw_displacements(
    ax: Axes, table: DataFrame, *, title: str | None = None, image: DataArray | ArrayLike | None = None
) -> Any:
    """Draw displacements as arrows, coloured by their direction; the longer ones span a spacing.

    Parameters
    ----------
    table : DataFrame
        Positions, and the components ``dx`` and ``dy`` in pixels.
    image : optional

    Returns
    -------
    Quiver

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> import pandas as pd
    >>> figure, ax = new_figure()
    >>> table = pd.DataFrame({"x": [1.0, 9.0], "y": [1.0, 3.0], "dx": [0.1, 0.0], "dy": [0.0, 0.1]})
    >>> quiver = draw_displacements(ax, table)
    """
    places, _ = _below(ax, table, image, title, 1)
    shifts = table[["dx", "dy"]].to_numpy()
    there = np.isfinite(shifts).all(axis=1)
    places, shifts = places[there], shifts[there]
    spacing = length = 1.0
    if len(shifts):
        spacing = np.sqrt(np.prod(np.ptp(places, axis=0)) / len(places)) or 1.0
        length = 0.9 * spacing / max(np.quantile(np.hypot(*shifts.T), 0.9), 1e-12)
    return ax.quiver(
        *places.T, *length * shifts.T, color=direction_colours(*shifts.T),
        angles="xy", scale_units="xy", scale=1, pivot="mid", units="xy", width=0.13 * spacing,
        headwidth=3.4, headlength=3.4, headaxislength=3,
    )  # fmt: skip


def direction_colours(x, y):
    """Colour of each direction: ndarray of shape (N, 3)."""
    hue = (np.arctan2(np.asarray(y), np.asarray(x)) / (2 * np.pi)) % 1
    return hsv_to_rgb(np.column_stack([hue, np.full(hue.shape, 0.85), np.full(hue.shape, 0.82)]))


@styled
def draw_values(
    ax: Axes,
    table: DataFrame,
    column: str,
    *,
    label: str | None = None,
    title: str | None = None,
    centre: float | None = None,
) -> Any:
    """Draw atoms coloured by a quantity.

    Parameters
    ----------
    table : DataFrame
    column : str
    label : str, optional
        What the colour bar says, with the unit.
    centre : float, optional
        Value of the middle of the colours.

    Returns
    -------
    PathCollection

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> import pandas as pd
    >>> figure, ax = new_figure()
    >>> table = pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 3.0], "exx": [0.0, 0.01]})
    >>> dots = draw_values(ax, table, "exx", label="strain", centre=0.0)
    """
    values = table[column].to_numpy(dtype=float)
    low, high = np.nanpercentile(values, (1, 99)) if np.isfinite(values).any() else (0.0, 1.0)
    if centre is not None:
        half = max(abs(low - centre), abs(high - centre), 1e-12)
        low, high = centre - half, centre + half
    places, area = _below(ax, table, None, title, 3)
    dots = ax.scatter(*places.T, c=values, cmap="RdBu_r", vmin=low, vmax=high, s=area, linewidths=0)
    colour_bar(dots, label or column)
    return dots


@styled
def draw_spectrum(ax: Axes, spectrum: DataArray, *, title: str | None = None) -> Any:
    """Draw the power of waves over their wave vectors, on a logarithmic scale.

    Parameters
    ----------
    spectrum : DataArray of shape (q_b, q_a)
        From `atomlens.crystallography.wave_spectrum`.

    Returns
    -------
    AxesImage

    Examples
    --------
    >>> from atomlens import crystallography, datasets, lattice
    >>> hoods = lattice.neighbour_vectors(datasets.load("bfo_phantom").data, center="Fe", neighbors="Bi")
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> image = draw_spectrum(ax, crystallography.wave_spectrum(hoods))
    """
    shown = np.log10(spectrum.clip(min=1)).assign_attrs(long_name="log10(power / median)", units="1")
    return draw_map(ax, shown, title=title, cmap="magma")
