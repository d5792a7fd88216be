"""Crystals: phases, neighbourhoods, clouds, displacements, strain; replicas and numbers of labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import hsv_to_rgb

from atomlens.plotting.drawing import (
    BESIDE,
    GREY,
    colour_bar,
    colour_of,
    draw_image,
    draw_map,
    new_figure,
    panels,
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
def draw_phases(ax, table, labels, *, image=None, title=None, size=None):
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
def draw_constellation(ax, ideal, vectors, *, colour="#0072B2", exaggerate=1.0, title=None):
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
def draw_displacements(ax, table, *, title=None, image=None):
    """Draw displacements as arrows, coloured by their direction; the longer ones span a spacing.

    Parameters
    ----------
    ax : Axes
    table : DataFrame
        Positions, and the components ``dx`` and ``dy`` in pixels.
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
def draw_values(ax, table, column, *, label=None, title=None, centre=None):
    """Draw atoms coloured by a quantity.

    Parameters
    ----------
    ax : Axes
    table : DataFrame
    column : str
    label : str, optional
        What the colour bar says, with the unit.
    title : str, optional
    centre : float, optional
        Value of the middle of the colours.

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
    places, area = _below(ax, table, None, title, 3)
    dots = ax.scatter(*places.T, c=values, cmap="RdBu_r", vmin=low, vmax=high, s=area, linewidths=0)
    colour_bar(dots, label or column)
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


_REACH = 2.2  # lattice spacings from an atom to the edge of the picture of its neighbours
_EXAGGERATE = 4


@styled
def first_neighbourhood(table, hoods, row):
    """One atom and its ordered neighbours: the idea of local crystallography in one picture.

    Parameters
    ----------
    table : DataFrame
        Columns, with ``sublattice`` or ``label``.
    hoods : Neighbourhoods
        From `atomlens.lattice.neighbour_vectors`.
    row : int
        Row of `hoods` that is shown.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from atomlens import datasets, lattice
    >>> columns = datasets.load("bfo_twin").data
    >>> hoods = lattice.neighbour_vectors(columns, center="Fe", neighbors="Bi")
    >>> len(first_neighbourhood(columns, hoods, 500).axes)
    2
    """
    figure, (left, right) = new_figure(1, 2, size=(10.4, 4), width_ratios=[1, 1.5])
    centre = table[["x", "y"]].to_numpy()[hoods.centres[row]]
    half = _REACH * hoods.lattice.spacing
    name = next((n for n in ("sublattice", "label") if n in table), None)
    kinds = table[name] if name else pd.Series("columns", index=table.index)
    for kind, part in table.groupby(kinds):
        dark = kind == kinds.iloc[hoods.centres[row]]
        look = {"s": 60, "color": "#444444"} if dark else {"s": 110, "color": GREY}
        left.scatter(part["x"], part["y"], label=str(kind), **look)
    vectors = hoods.vectors[row]
    for n in np.flatnonzero(np.isfinite(vectors).all(axis=1)):
        arrow = {"arrowstyle": "-|>", "color": colour_of(n), "lw": 2.4, "mutation_scale": 16}
        left.annotate("", centre + vectors[n], centre, arrowprops=arrow)
        left.annotate(
            rf"$\mathbf{{r}}_{n + 1}$", centre + 1.34 * vectors[n], ha="center", va="center",
            color=colour_of(n), fontsize=15,
        )  # fmt: skip
    left.set(
        xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] + half, centre[1] - half), aspect="equal",
        xlabel="x (px)", ylabel="y (px)", title="One atom and its neighbours",
    )  # fmt: skip
    left.legend(**BESIDE)
    slots = [f"$r_{{{n + 1}{axis}}}$" for n in range(len(vectors)) for axis in "xy"]
    colours = [colour_of(n) for n in range(len(vectors)) for _ in "xy"]
    right.bar(np.arange(vectors.size), vectors.ravel(), color=colours)
    right.axhline(0, color="black", linewidth=0.8)
    right.set_xticks(np.arange(vectors.size), slots, fontsize=13)
    right.set(ylabel="component (px)", title=f"The same as a point in {vectors.size} dimensions")
    return figure


@styled
def phases(table, truth, labels):
    """Planted and found labels on the same atoms, side by side.

    Parameters
    ----------
    table : DataFrame of N rows
    truth, labels : array_like of int, shape (N,)

    Returns
    -------
    Figure

    Examples
    --------
    >>> table = pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 3.0]})
    >>> len(phases(table, [0, 1], [1, 0]).axes)
    2
    """
    figure, axes = panels(2, width=4.2)
    for ax, some, title in zip(axes, (truth, labels), ("Planted", "Found"), strict=True):
        draw_phases(ax, table, some, title=title)
    return figure


@styled
def constellations(model):
    """Mean neighbourhood of every label, displacements enlarged; and the cloud of displacements behind them.

    Parameters
    ----------
    model : LocalCrystallography
        Fitted.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from atomlens import crystallography, datasets
    >>> model = crystallography.LocalCrystallography(n_clusters=2, center="Fe", neighbors="Bi")
    >>> len(constellations(model.fit(datasets.load("bfo_twin").data)).axes)
    3
    """
    k = len(model.centroids_)
    per_row = min(-(-k // 2), 4)
    rows = -(-k // per_row)
    places = np.where(np.arange(rows * per_row) < k, np.arange(rows * per_row), -1).reshape(rows, per_row)
    mosaic = [[*("." if n < 0 else int(n) for n in line), "cloud"] for line in places]
    width = 1.9 * per_row + 4.2
    figure, axes = new_figure(
        mosaic, size=(min(width, 10.4), max(2.05 * rows, 3.8)), width_ratios=[*[1] * per_row, 2.2]
    )
    # Symmetric places: the rings must not move with the mean displacement of the field.
    ideal = model.ideal_ - model.ideal_.mean(axis=0)
    counts = np.bincount(model.labels_[model.labels_ >= 0], minlength=k)
    for n, mean in enumerate(model.centroids_):
        look = {"colour": colour_of(n), "exaggerate": _EXAGGERATE, "title": f"{n}: {counts[n]} atoms"}
        draw_constellation(axes[n], ideal, mean, **look)
    unit, scale = length_unit(model)
    draw_cloud(
        axes["cloud"], -model.vectors_.mean(axis=1) * scale, model.labels_, unit=unit,
        centroids=-model.centroids_.mean(axis=1) * scale, title="Centre against its neighbours",
        names=("displacement x", "displacement y"),
    )  # fmt: skip
    return figure


def length_unit(model):
    """Unit of displacements and its size in pixels: pm where the columns are calibrated."""
    pixel = model.lattice_.pixel_size_nm
    return ("pm", 1000 * pixel) if pixel else ("px", 1.0)


@styled
def contingencies(model):
    """What every operation but the identity makes of the labels.

    Parameters
    ----------
    model : LocalCrystallography
        Fitted.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from atomlens import crystallography, datasets
    >>> model = crystallography.LocalCrystallography(n_clusters=2, center="Fe", neighbors="Bi")
    >>> model = model.fit(datasets.load("bfo_twin").data)
    >>> len(contingencies(model).axes) == len(model.contingency_) - 1
    True
    """
    shown = [name for name in model.contingency_ if name != "1"]
    figure, axes = panels(len(shown), per_row=5, width=2.08)
    for ax, name in zip(axes, shown, strict=True):
        counts = model.contingency_[name].to_numpy()
        k = len(counts)
        ax.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
        ax.axvline(k - 0.5, color=GREY, linewidth=0.8)
        ax.set_xticks(range(k + 1), [*map(str, range(k)), "–"])
        ax.set_yticks(range(k), map(str, range(k)))
        ax.set(title=_operation_name(name), xlabel="its image", ylabel="label", aspect="auto")
        ax.tick_params(length=0)
        ax.label_outer()
    return figure


def _operation_name(name):
    if name.startswith("+"):
        return f"translation {name[1:]}"
    return f"mirror {name[2:]}" if name.startswith("m ") else f"rotation {name}"


@styled
def cluster_numbers(choice):
    """Criteria for the number of labels, side by side.

    Parameters
    ----------
    choice : ClusterChoice
        From `atomlens.crystallography.choose_n_clusters`.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from atomlens import crystallography, datasets
    >>> settings = crystallography.LocalCrystallography(center="Fe", neighbors="Bi")
    >>> columns = datasets.load("bfo_twin").data
    >>> choice = crystallography.choose_n_clusters(columns, range(1, 4), estimator=settings)
    >>> len(cluster_numbers(choice).axes)
    5
    """
    shown = {
        "inertia": "inertia (px²)",
        "silhouette": "silhouette",
        "bic": "BIC",
        "closure": "closure of replicas",
        "gap_p": "largest p of a gap",
    }
    figure, axes = panels(len(shown), per_row=5, height=1.2)
    for ax, (name, label) in zip(axes, shown.items(), strict=True):
        ax.plot(choice.table.index, choice.table[name], color=colour_of(0), marker="o")
        ax.axvline(choice.recommended, color=colour_of(1), zorder=0)
        ax.set(xlabel="number of labels", title=label)
    axes[4].set_ylim(-0.05, 1.05)
    return figure


@styled
def phase_limits(table):
    """Agreement of the labels with the truth against the displacement, one colour a noise.

    Parameters
    ----------
    table : DataFrame
        ``noise`` and ``shift`` in pm, and the adjusted Rand indices ``k-means`` and ``clairvoyant``.

    Returns
    -------
    Figure

    Examples
    --------
    >>> table = pd.DataFrame({"noise": [3, 3], "shift": [5, 20], "k-means": [0.1, 1.0]})
    >>> table["clairvoyant"] = [0.2, 1.0]
    >>> len(phase_limits(table).axes)
    1
    """
    figure, ax = new_figure(size=(7.4, 4))
    for n, (noise, part) in enumerate(table.groupby("noise")):
        ax.plot(part["shift"], part["k-means"], "o-", color=colour_of(n), label=f"{noise:g} pm")
        ax.plot(part["shift"], part["clairvoyant"], "--", color=colour_of(n), linewidth=1.5)
    ax.plot([], [], "--", color="black", linewidth=1.5, label="clairvoyant")
    ax.set(xlabel="displacement (pm)", ylabel="ARI", ylim=(-0.03, 1.03))
    ax.legend(title="error of a column", **BESIDE)
    return figure
