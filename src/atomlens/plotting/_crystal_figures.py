"""Figures of local crystallography: the idea, constellations, replicas, numbers of labels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomlens.plotting._crystals import _dot_size, draw_cloud, draw_constellation, draw_phases
from atomlens.plotting._draw import colour_of, new_figure, styled

_GREY = "#B9B9B9"


@styled
def first_neighbourhood(table, hoods, row, *, reach=2.2):
    """One atom and its ordered neighbours: the idea of local crystallography in one picture.

    Parameters
    ----------
    table : DataFrame
        Columns, with ``sublattice`` or ``label``.
    hoods : Neighbourhoods
        From `atomlens.lattice.neighbour_vectors`.
    row : int
        Row of `hoods` that is shown.
    reach : float
        Half of the shown field, in lattice spacings.

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
    figure, (left, right) = new_figure(1, 2, size=(8.6, 3.6), width_ratios=[1, 1.25])
    xy = table[["x", "y"]].to_numpy()
    centre = xy[hoods.centres[row]]
    half = reach * hoods.lattice.spacing
    name = next((n for n in ("sublattice", "label") if n in table), None)
    kinds = table[name] if name else pd.Series("columns", index=table.index)
    for kind, part in table.groupby(kinds):
        dark = kind == kinds.iloc[hoods.centres[row]]
        left.scatter(
            part["x"],
            part["y"],
            s=60 if not dark else 34,
            color="#444444" if dark else _GREY,
            label=str(kind),
        )
    for number, vector in enumerate(hoods.vectors[row]):
        if not np.isfinite(vector).all():
            continue
        left.annotate(
            "", centre + vector, centre, arrowprops={"arrowstyle": "-|>", "color": colour_of(number), "lw": 2}
        )
        left.annotate(
            rf"$\mathbf{{r}}_{number + 1}$", centre + 0.62 * vector, (4, 4), textcoords="offset points",
            color=colour_of(number), fontsize=11,
        )  # fmt: skip
    left.set(
        xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] + half, centre[1] - half), aspect="equal",
        xlabel="x (px)", ylabel="y (px)", title="One atom and its neighbours",
    )  # fmt: skip
    left.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8.5, handletextpad=0.1)
    values = hoods.vectors[row].ravel()
    slots = [f"$r_{{{j + 1}{axis}}}$" for j in range(len(values) // 2) for axis in "xy"]
    colours = [colour_of(j) for j in range(len(values) // 2) for _ in "xy"]
    right.bar(np.arange(values.size), values, color=colours)
    right.axhline(0, color="black", linewidth=0.8)
    right.set_xticks(np.arange(values.size), slots)
    right.set(ylabel="component (px)", title=f"The same as a point in {values.size} dimensions")
    return figure


@styled
def phases(table, truth, labels, *, titles=("Planted", "Found"), columns=None):
    """Two or more sets of labels on the same atoms, side by side.

    Parameters
    ----------
    table : DataFrame of N rows
    truth, labels : array_like of int, shape (N,)
        Or `truth` alone a mapping of titles to labels, with ``labels=None``.
    titles : (str, str)
    columns : int, optional
        Panels in a row; all by default.

    Returns
    -------
    Figure

    Examples
    --------
    >>> table = pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 3.0]})
    >>> len(phases(table, {"a": [0, 1], "b": [1, 0], "c": [0, 0]}, None).axes)
    3
    """
    panels = dict(truth) if labels is None else dict(zip(titles, (truth, labels), strict=True))
    per_row = columns or len(panels)
    rows = -(-len(panels) // per_row)
    figure, axes = new_figure(rows, per_row, size=(3.5 * per_row, 3.4 * rows), squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    for ax, (title, some) in zip(axes.flat, panels.items(), strict=False):
        draw_phases(ax, table, some, title=title, size=_dot_size(len(table), 2.5))
        if ax is not axes.flat[0]:
            ax.set_ylabel(None)
    return figure


@styled
def constellations(model, *, exaggerate=4.0):
    """Mean neighbourhood of every label, and the cloud of the displacements behind them.

    Parameters
    ----------
    model : LocalCrystallography
        Fitted.
    exaggerate : float
        Factor on the displacements in the constellations.

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
    per_row = min(k, 4)
    rows = -(-k // per_row)
    figure = new_figure(size=(1.9 * per_row + 4.2, max(2.05 * rows, 3.4)))[0]
    figure.clear()
    grid = figure.add_gridspec(rows, per_row + 1, width_ratios=[*[1] * per_row, 2.1])
    unit, scale = length_unit(model)
    # Symmetric places: the rings must not move with the mean displacement of the field.
    ideal = model.ideal_ - model.ideal_.mean(axis=0)
    counts = np.bincount(model.labels_[model.labels_ >= 0], minlength=k)
    for n in range(k):
        ax = figure.add_subplot(grid[n // per_row, n % per_row])
        draw_constellation(
            ax,
            ideal,
            model.centroids_[n],
            colour=colour_of(n),
            exaggerate=exaggerate,
            title=f"{n}: {counts[n]} atoms",
        )
        ax.set_xlabel(None)
    ax = figure.add_subplot(grid[:, per_row])
    shift = -model.vectors_.mean(axis=1) * scale
    draw_cloud(
        ax, shift, model.labels_, centroids=-model.centroids_.mean(axis=1) * scale,
        title="Centre against its neighbours", names=("displacement x", "displacement y"), unit=unit,
    )  # fmt: skip
    return figure


def length_unit(model):
    """Unit of displacements and its size in pixels: pm where the columns are calibrated."""
    pixel = model.lattice_.pixel_size_nm
    return ("pm", 1000 * pixel) if pixel else ("px", 1.0)


@styled
def contingencies(model, *, operations=None):
    """What every operation makes of the labels.

    Parameters
    ----------
    model : LocalCrystallography
        Fitted.
    operations : sequence of str, optional
        Keys of ``model.contingency_``; all but the identity by default.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from atomlens import crystallography, datasets
    >>> model = crystallography.LocalCrystallography(n_clusters=2, center="Fe", neighbors="Bi")
    >>> model = model.fit(datasets.load("bfo_twin").data)
    >>> len(contingencies(model, operations=["90°", "m 0°"]).axes)
    2
    """
    shown = [n for n in model.contingency_ if n != "1"] if operations is None else list(operations)
    per_row = min(len(shown), 5)
    rows = -(-len(shown) // per_row)
    figure, axes = new_figure(
        rows, per_row, size=(2.0 * per_row, 2.05 * rows), squeeze=False, sharex=True, sharey=True
    )
    for ax in axes.flat[len(shown) :]:
        ax.remove()
    for ax, name in zip(axes.flat, shown, strict=False):
        counts = model.contingency_[name].to_numpy()
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        k = len(counts)
        ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        ax.axvline(k - 0.5, color=_GREY, linewidth=0.8)
        ax.set_xticks(range(k + 1), [*map(str, range(k)), "–"], fontsize=8)
        ax.set_yticks(range(k), map(str, range(k)), fontsize=8)
        ax.set_title(_operation_name(name))
        ax.tick_params(length=0)
    for ax in axes[:, 0]:
        ax.set_ylabel("label")
    for ax in axes[-1]:
        if ax.figure is not None:
            ax.set_xlabel("its image")
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
        "closure": "closure of the replicas",
        "gap_p": "largest p of a gap",
    }
    figure, axes = new_figure(1, len(shown), size=(2.25 * len(shown), 2.5))
    for ax, (name, label) in zip(axes, shown.items(), strict=True):
        ax.plot(choice.table.index, choice.table[name], color="#0072B2", marker="o", markersize=3.5)
        ax.axvline(choice.recommended, color="#E69F00", linewidth=1.4, zorder=0)
        ax.set(xlabel="number of labels", ylabel=label)
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
    figure, ax = new_figure(size=(6.4, 3.4))
    for n, (noise, part) in enumerate(table.groupby("noise")):
        ax.plot(part["shift"], part["k-means"], "o-", color=colour_of(n), markersize=4, label=f"{noise:g} pm")
        ax.plot(part["shift"], part["clairvoyant"], "--", color=colour_of(n), linewidth=1.1)
    ax.plot([], [], "--", color="black", linewidth=1.1, label="clairvoyant")
    ax.set(xlabel="displacement (pm)", ylabel="ARI", ylim=(-0.03, 1.03))
    ax.legend(title="error of a column", fontsize=8.5, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure
