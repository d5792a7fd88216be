"""Figures of local crystallography: neighbourhoods, phases, replicas, numbers of labels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomlens._types import ArrayLike, ClusterChoice, DataFrame, Figure, LocalCrystallography, Neighbourhoods
from atomlens.plotting.crystals import draw_cloud, draw_constellation, draw_phases
from atomlens.plotting.drawing import BESIDE, GREY, colour_of, new_figure, panels, styled

_REACH = 2.2  # lattice spacings from an atom to the edge of the picture of its neighbours


_EXAGGERATE = 4


@styled
def first_neighbourhood(table: DataFrame, hoods: Neighbourhoods, row: int) -> Figure:
    """One atom and its ordered neighbours: the idea of local crystallography in one picture.

    Parameters
    ----------
    table : DataFrame
        Columns, with ``sublattice`` or ``label``.
    hoods : Neighbourhoods
        From `atomlens.lattice.neighbour_vectors`.
    row : int
        Row of `hoods` that is shown.

    Examples
    --------
    >>> from atomlens import datasets, lattice
    >>> columns = datasets.load("bfo_phantom").data
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
def phases(table: DataFrame, truth: ArrayLike, labels: ArrayLike) -> Figure:
    """Planted and found labels on the same atoms, side by side.

    Parameters
    ----------
    table : DataFrame of N rows
    truth, labels : array_like of int, shape (N,)

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
def constellations(model: LocalCrystallography) -> Figure:
    """Mean neighbourhood of every label, displacements enlarged; and the cloud of displacements behind them.

    Parameters
    ----------
    model : LocalCrystallography
        Fitted.

    Examples
    --------
    >>> from atomlens import crystallography, datasets
    >>> model = crystallography.LocalCrystallography(n_clusters=2, center="Fe", neighbors="Bi")
    >>> len(constellations(model.fit(datasets.load("bfo_phantom").data)).axes)
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
def contingencies(model: LocalCrystallography) -> Figure:
    """What every operation but the identity makes of the labels.

    Parameters
    ----------
    model : LocalCrystallography
        Fitted.

    Examples
    --------
    >>> from atomlens import crystallography, datasets
    >>> model = crystallography.LocalCrystallography(n_clusters=2, center="Fe", neighbors="Bi")
    >>> model = model.fit(datasets.load("bfo_phantom").data)
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
def cluster_numbers(choice: ClusterChoice) -> Figure:
    """Criteria for the number of labels, side by side.

    Parameters
    ----------
    choice : ClusterChoice
        From `atomlens.crystallography.choose_n_clusters`.

    Examples
    --------
    >>> from atomlens import crystallography, datasets
    >>> settings = crystallography.LocalCrystallography(center="Fe", neighbors="Bi")
    >>> columns = datasets.load("bfo_phantom").data
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
def phase_limits(table: DataFrame) -> Figure:
    """Agreement of the labels with the truth against the displacement, one colour a noise.

    Parameters
    ----------
    table : DataFrame
        ``noise`` and ``shift`` in pm, and the adjusted Rand indices ``k-means``, ``neighbours`` (of labels
        that inform one another) and ``clairvoyant``.

    Examples
    --------
    >>> table = pd.DataFrame({"noise": [3, 3], "shift": [5, 20], "k-means": [0.1, 1.0]})
    >>> table = table.assign(neighbours=[0.3, 1.0], clairvoyant=[0.2, 1.0])
    >>> len(phase_limits(table).axes)
    2
    """
    figure, axes = new_figure(1, 2, size=(10.2, 4), sharey=True)
    panels = {"k-means": "Each atom by itself", "neighbours": "Neighbours inform one another"}
    for ax, (name, title) in zip(axes, panels.items(), strict=True):
        for n, (noise, part) in enumerate(table.groupby("noise")):
            ax.plot(part["shift"], part[name], "o-", color=colour_of(n), label=f"{noise:g} pm")
            ax.plot(part["shift"], part["clairvoyant"], "--", color=colour_of(n), linewidth=1.5)
        ax.set(xlabel="displacement (pm)", title=title, ylim=(-0.03, 1.03))
    axes[0].set_ylabel("ARI")
    axes[1].plot([], [], "--", color="black", linewidth=1.5, label="clairvoyant")
    axes[1].legend(title="error of a column", **BESIDE)
    return figure
