"""Figures of spectrum images: first look, clusters, methods, numbers of clusters, abundances."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomlens._types import Any, ArrayLike, Axes, ClusterResult, DataArray, Figure, Iterable, KChoice
from atomlens.metrics import adjusted_rand_index, align_labels
from atomlens.plotting.drawing import (
    CLUSTER_COLOURS,
    PAGE,
    along,
    axis_label,
    colour_bar,
    colour_of,
    draw_labels,
    draw_map,
    draw_spectra,
    new_figure,
    panels,
    styled,
    value_label,
)

_MAPS_A_ROW = 6


@styled
def first_look(si: DataArray) -> Figure:
    """A spectrum image before any analysis: total signal, and the spectra of three points across it.

    Parameters
    ----------
    si : DataArray of shape (H, W, L) or (W, L)

    Raises
    ------
    ValueError
        If the scan is neither a map nor a line.

    Examples
    --------
    >>> from atomlens import simulate
    >>> len(first_look(simulate.spectra.eels(2, shape=(8, 8)).data).axes)
    2
    """
    if si.ndim not in (2, 3):
        raise ValueError(f"a first look needs a map or a line of spectra, got dims {si.dims}")
    *scan, dim = si.dims
    name = "total " + si.attrs.get("long_name", "signal")
    total = si.sum(dim, keep_attrs=True).assign_attrs(long_name=name)
    figure, (left, right) = new_figure(1, 2, size=(PAGE, 3.8), width_ratios=[3.4, 5])
    if len(scan) == 2:
        draw_map(left, total, title="Total signal", cmap="gray")
    else:
        position = along(si, scan[0])
        left.plot(position, total, color="#444444", marker="o")
        left.set(xlabel=axis_label(position), ylabel=value_label(total), title="Total signal")
    axis = along(si, dim)
    for n, part in enumerate((0.15, 0.5, 0.85)):
        point = {d: int(part * si.sizes[d]) for d in scan}
        where = [float(along(si, d)[i]) for d, i in point.items()]
        height = where[0] if len(scan) == 2 else float(total.isel(point))
        left.plot(where[-1], height, "o", color=colour_of(n), markeredgecolor="white", markersize=11)
        right.plot(axis, si.isel(point), color=colour_of(n), linewidth=1.4)
    right.set(xlabel=axis_label(axis), ylabel=value_label(si), title="Spectra of the marked points")
    right.margins(x=0)
    return figure


@styled
def cluster_overview(
    result: ClusterResult,
    *,
    truth: DataArray | None = None,
    title: str = "Clusters",
    normalise: bool = False,
    edges: dict[str, float] | None = None,
) -> Figure:
    """Label map beside cluster spectra, and the planted truth where there is one.

    Parameters
    ----------
    result : ClusterResult
        From `atomlens.spectra.cluster`.
    truth : DataArray of int, optional
        Planted labels; clusters are renumbered to match them.
    title : str
        Heads the label map.
    normalise, edges
        As for `draw_spectra`.

    Examples
    --------
    >>> from atomlens import simulate, spectra
    >>> figure = cluster_overview(spectra.cluster(simulate.spectra.eels(2, shape=(8, 8)).data, 2))
    >>> len(figure.axes)
    2
    """
    labels = result.labels
    maps = [(labels, title)]
    if truth is not None:
        # The truth takes the numbers of the clusters, so that the colours of map and spectra agree.
        maps.insert(0, (align_labels(truth, labels), "Planted truth"))
    count = len(maps)
    if labels.ndim == 1 and "x_mm" not in labels.coords:
        figure, axes = new_figure(count + 1, 1, size=(9, count + 3.4), height_ratios=[*[0.35] * count, 3])
    else:
        figure, axes = new_figure(
            1, count + 1, size=(min(3 * count + 4.8, PAGE), 3.6), width_ratios=[*[3] * count, 4.8]
        )
    for ax, (map_, name) in zip(axes, maps, strict=False):
        draw_labels(ax, map_, title=name, n_clusters=result.spectra.sizes["cluster"])
    draw_spectra(
        axes[-1], result.spectra, result.spread, normalise=normalise, edges=edges, title="Mean spectra ± 1 sd"
    )
    return figure


@styled
def method_grid(results: dict[str, Any], truth: DataArray) -> Figure:
    """Label maps of several methods beside the planted one, in matching colours, with their scores.

    Parameters
    ----------
    results : dict of str to ClusterResult
    truth : DataArray of int

    Examples
    --------
    >>> from atomlens import simulate, spectra
    >>> sample = simulate.spectra.eels(2, shape=(8, 8))
    >>> found = {m: spectra.cluster(sample.data, 2, m) for m in ("kmeans", "gmm")}
    >>> len(method_grid(found, sample.truth.labels).axes)
    3
    """
    maps = {"planted truth\n": truth}
    for name, result in results.items():
        score = adjusted_rand_index(result.labels, truth)
        maps[f"{name}\nARI {score:.3f}"] = align_labels(result.labels, truth)
    rows = -(-len(maps) // _MAPS_A_ROW)
    # Rows as evenly filled as they can be
    figure, axes = panels(len(maps), per_row=-(-len(maps) // rows), width=2.6, extra=0.55)
    most = max(int(map_.max()) for map_ in maps.values()) + 1
    for ax, (title, map_) in zip(axes, maps.items(), strict=True):
        draw_labels(ax, map_, title=title, n_clusters=most)
    return figure


_CRITERIA = {
    "inertia": ("Inertia", "look for the elbow"),
    "silhouette": ("Silhouette", "high is good"),
    "calinski_harabasz": ("Calinski-H.", "high is good"),
    "gap": ("Gap statistic", "first not beaten"),
    "bic": ("BIC", "low is good"),
    "stability": ("Stability", "high is good"),
    "null_p": ("Null p", "small: separated"),
}


@styled
def criteria(choice: KChoice) -> Figure:
    """The k cockpit: seven criteria, what each prefers, and what is recommended.

    Parameters
    ----------
    choice : KChoice
        From `atomlens.spectra.choose_k`.

    Examples
    --------
    >>> from atomlens import simulate, spectra
    >>> figure = criteria(spectra.choose_k(simulate.spectra.eels(2, shape=(8, 8)).data, range(1, 4)))
    >>> len(figure.axes)
    8
    """
    figure, axes = panels(8, height=0.85)
    draw_criteria(axes, choice)
    return figure


@styled
def draw_criteria(axes: Iterable[Axes], choice: KChoice, *, current: int | None = None) -> list[Any]:
    """Draw the criteria on eight axes.

    Parameters
    ----------
    axes : iterable of 8 Axes
        Seven criteria and the verdict.
    choice : KChoice
    current : int, optional
        A k to mark.

    Returns
    -------
    list of Line2D
        The marks, one a criterion, to be moved by ``set_xdata``; empty without `current`.

    Examples
    --------
    >>> from atomlens import simulate, spectra
    >>> figure, axes = new_figure(2, 4)
    >>> choice = spectra.choose_k(simulate.spectra.eels(2, shape=(8, 8)).data, range(1, 4))
    >>> len(draw_criteria(axes.flat, choice, current=2))
    7
    """
    axes = list(axes)
    table, marks = choice.table, []
    for ax, (column, (name, hint)) in zip(axes, _CRITERIA.items(), strict=False):
        values, prefers = table[column], choice.reasons.loc[column, "k"]
        ax.plot(table.index, values, color="#444444", marker="o", zorder=2)
        if column == "gap":
            ax.errorbar(table.index, values, table["gap_error"], color="#444444", capsize=3, linewidth=1.4)
        if not pd.isna(prefers):
            # A criterion that prefers one cluster may have no value there to put the dot on.
            height = values.loc[prefers] if np.isfinite(values.loc[prefers]) else values.max()
            ax.plot([prefers], [height], "o", color=CLUSTER_COLOURS[5], markersize=11, zorder=3)
        if current is not None:
            marks.append(ax.axvline(current, color=CLUSTER_COLOURS[0], linewidth=7, alpha=0.2, zorder=1))
        ax.set_title(f"{name}: {'none' if pd.isna(prefers) else prefers}")
        ax.set(xlabel=f"k ({hint})", xticks=table.index[:: max(1, len(table) // 6)])
    recommended = choice.recommended
    what = "no clusters" if recommended == 1 else f"{recommended} clusters"
    why = "recommended: separated by\na gap in density" if recommended > 1 else "no gap in density"
    axes[-1].set_axis_off()
    axes[-1].text(0.5, 0.62, what, ha="center", fontsize=20, weight="bold", color=CLUSTER_COLOURS[5])
    axes[-1].text(0.5, 0.42, why, ha="center", va="top")
    return marks


@styled
def abundance_maps(
    abundances: DataArray, endmembers: DataArray, *, edges: dict[str, float] | None = None
) -> Figure:
    """One map an endmember, all on the scale from 0 to 1, and beside them their spectra.

    Parameters
    ----------
    abundances : DataArray of shape (H, W, n)
    endmembers : DataArray of shape (n, L)
    edges
        As for `draw_spectra`.

    Examples
    --------
    >>> import xarray as xr
    >>> maps = xr.DataArray(np.zeros((4, 4, 2)), dims=("y", "x", "endmember"))
    >>> len(abundance_maps(maps, xr.DataArray(np.ones((2, 9)), dims=("endmember", "energy"))).axes)
    3
    """
    count = len(endmembers)
    names = [f"endmember {n}" for n in range(count)]
    size = (min(2.6 * count + 5, PAGE), 3.6)
    figure, axes = new_figure(1, count + 1, size=size, width_ratios=[*[2.6] * count, 5])
    for n, ax in enumerate(axes[:count]):
        drawn = draw_map(ax, abundances[..., n], title=names[n], colourbar=False, vmin=0, vmax=1)
    colour_bar(drawn, "fraction")
    draw_spectra(axes[-1], endmembers, title="Endmembers", names=names, edges=edges)
    return figure


@styled
def library(labels: DataArray, fractions: ArrayLike) -> Figure:
    """Clusters of a combinatorial library: on the wafer, and in the composition triangle.

    Parameters
    ----------
    labels : DataArray of int over spots
        With coordinates ``x_mm`` and ``y_mm``.
    fractions : array_like of shape (N, 3)
        Composition of every spot; rows sum to 1.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.spectra.composition_spread(n_spots=30)
    >>> parts = np.column_stack([sample.data[c] for c in "abc"])
    >>> len(library(sample.truth.labels, parts).axes)
    2
    """
    figure, (wafer, triangle) = panels(2, width=4.2)
    draw_labels(wafer, labels, title="On the wafer")
    corners = np.array([[0.5, np.sqrt(3) / 2], [0.0, 0.0], [1.0, 0.0]])
    triangle.fill(*corners.T, facecolor="none", edgecolor="#444444", linewidth=1.2)
    places = np.asarray(fractions) @ corners
    triangle.scatter(*places.T, c=[colour_of(v) for v in labels.values], s=28, linewidths=0)
    for name, place, shift in zip("ABC", corners, ((0, 0.05), (-0.05, -0.05), (0.05, -0.05)), strict=True):
        triangle.text(*(place + shift), name, ha="center", va="center", weight="bold")
    triangle.set(aspect="equal", ylim=(-0.12, 1.0), title="In the composition triangle")
    triangle.set_axis_off()
    return figure
