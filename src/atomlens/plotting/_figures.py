"""Whole figures: what the lessons show."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb

from atomlens.metrics import adjusted_rand_index, align_labels
from atomlens.plotting._draw import (
    CLUSTER_COLOURS,
    axis_label,
    colour_of,
    draw_labels,
    draw_map,
    draw_spectra,
    new_figure,
    styled,
    value_label,
)


@styled
def first_look(si, points=None, *, title=None):
    """A spectrum image before any analysis: total signal, and the spectra of a few points.

    Parameters
    ----------
    si : DataArray of shape (H, W, L) or (W, L)
    points : sequence of tuple of int, optional
        Scan indices of the spectra to draw; three points along a diagonal (or line) without it.
    title : str, optional
        Heads the map.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the scan is neither a map nor a line.

    Examples
    --------
    >>> from atomlens import simulate
    >>> len(first_look(simulate.spectra.eels(2, shape=(8, 8)).data).axes)
    3
    """
    if si.ndim not in (2, 3):
        raise ValueError(f"a first look needs a map or a line of spectra, got dims {si.dims}")
    scan = si.dims[:-1]
    if points is None:
        points = [tuple(int(n * part) for n in si.shape[:-1]) for part in (0.15, 0.5, 0.85)]
    total = si.sum(si.dims[-1], keep_attrs=True).assign_attrs(
        long_name="total " + si.attrs.get("long_name", "signal")
    )
    if len(scan) == 2:
        figure, (left, right) = new_figure(1, 2, size=(9.4, 3.4), width_ratios=[3.2, 5])
        draw_map(left, total, title=title or "Total signal", cmap="gray")
    else:
        figure, (left, right) = new_figure(1, 2, size=(9.4, 3.0), width_ratios=[3.2, 5])
        position = si[scan[0]].values if scan[0] in si.coords else np.arange(si.shape[0])
        left.plot(position, total, color="#444444", marker="o", markersize=3)
        name = axis_label(si[scan[0]]) if scan[0] in si.coords else f"{scan[0]} (px)"
        left.set(xlabel=name, ylabel=value_label(total), title=title or "Total signal")
    axis = si[si.dims[-1]] if si.dims[-1] in si.coords else np.arange(si.shape[-1])
    for colour, point in zip(CLUSTER_COLOURS, points, strict=False):
        place = dict(zip(scan, point, strict=True))
        where = [si[d].values[i] if d in si.coords else i for d, i in place.items()]
        height = where[0] if len(scan) == 2 else float(total[point])
        left.plot(where[-1], height, "o", color=colour, markeredgecolor="white", markersize=8)
        right.plot(axis, si.isel(place), color=colour, linewidth=1)
    right.set(
        xlabel=axis_label(si[si.dims[-1]]) if si.dims[-1] in si.coords else si.dims[-1],
        ylabel=value_label(si),
        title="Spectra of the marked points",
    )
    right.margins(x=0)
    return figure


@styled
def cluster_overview(result, *, truth=None, title=None, offset=0.0, normalise=False):
    """Label map beside cluster spectra, and the planted truth where there is one.

    Parameters
    ----------
    result : ClusterResult
        From `atomlens.spectra.cluster`.
    truth : DataArray of int, optional
        Planted labels; clusters are renumbered to match them.
    title : str, optional
        Heads the label map.
    offset, normalise
        As for `draw_spectra`.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from atomlens import simulate, spectra
    >>> figure = cluster_overview(spectra.cluster(simulate.spectra.eels(2, shape=(8, 8)).data, 2))
    >>> len(figure.axes)
    2
    """
    labels = result.labels
    is_line = labels.ndim == 1 and "x_mm" not in labels.coords
    panels = [(labels, title or "Clusters")]
    if truth is not None:
        # The truth takes the numbers of the clusters, so that the colours of map and spectra agree.
        panels.insert(0, (align_labels(truth, labels), "Planted truth"))
    count = result.spectra.sizes["cluster"]
    if is_line:
        figure, axes = new_figure(len(panels) + 1, 1, size=(8.2, 1.0 * len(panels) + 3.0),
                                  height_ratios=[*[0.35] * len(panels), 3])  # fmt: skip
    else:
        figure, axes = new_figure(1, len(panels) + 1, size=(3.1 * len(panels) + 5.0, 3.3),
                                  width_ratios=[*[3.0] * len(panels), 5.0])  # fmt: skip
    for ax, (map_, name) in zip(axes, panels, strict=False):
        draw_labels(ax, map_, title=name, n_clusters=count)
    draw_spectra(axes[-1], result.spectra, result.spread, offset=offset, normalise=normalise,
                 title="Mean spectra ± one standard deviation")  # fmt: skip
    return figure


@styled
def method_grid(results, *, truth=None):
    """Label maps of several methods side by side, in matching colours, scored when the truth is known.

    Parameters
    ----------
    results : dict of str to ClusterResult
    truth : DataArray of int, optional

    Returns
    -------
    Figure

    Examples
    --------
    >>> from atomlens import simulate, spectra
    >>> si = simulate.spectra.eels(2, shape=(8, 8)).data
    >>> figure = method_grid({m: spectra.cluster(si, 2, m) for m in ("kmeans", "gmm")})
    >>> len(figure.axes)
    2
    """
    reference = truth if truth is not None else next(iter(results.values())).labels
    maps = {} if truth is None else {"planted truth": (truth, "")}
    for name, result in results.items():
        score = "" if truth is None else f"\nARI {adjusted_rand_index(result.labels, truth):.3f}"
        maps[name] = (align_labels(result.labels, reference), score)
    figure, axes = new_figure(1, len(maps), size=(2.1 * len(maps) + 0.5, 2.9))
    most = max(int(map_.max()) for map_, _ in maps.values()) + 1
    for i, (ax, (name, (map_, score))) in enumerate(zip(np.atleast_1d(axes), maps.items(), strict=True)):
        draw_labels(ax, map_, title=name + score, n_clusters=most)
        if i:
            ax.set(ylabel="", yticklabels=[])
    return figure


_CRITERIA = {
    "inertia": ("Inertia", "look for the elbow"),
    "silhouette": ("Silhouette", "high is good"),
    "calinski_harabasz": ("Calinski-H.", "high is good"),
    "gap": ("Gap statistic", "first not beaten"),
    "bic": ("BIC", "low is good"),
    "stability": ("Stability (ARI)", "high is good"),
    "null_p": ("Surrogate null (p)", "small: separated"),
}


@styled
def criteria(choice, *, current=None):
    """The k cockpit: seven criteria, what each prefers, and what is recommended.

    Parameters
    ----------
    choice : KChoice
        From `atomlens.spectra.choose_k`.
    current : int, optional
        A k to mark in every panel.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from atomlens import simulate, spectra
    >>> figure = criteria(spectra.choose_k(simulate.spectra.eels(2, shape=(8, 8)).data, range(1, 4)))
    >>> len(figure.axes)
    8
    """
    figure, axes = new_figure(2, 4, size=(11.4, 4.7))
    draw_criteria(axes.flat, choice, current=current)
    return figure


@styled
def draw_criteria(axes, choice, *, current=None):
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
        ax.plot(table.index, values, color="#444444", marker="o", markersize=3.5, zorder=2)
        if column == "gap":
            ax.errorbar(table.index, values, table["gap_error"], color="#444444", capsize=2, linewidth=1)
        if pd.isna(prefers):
            ax.set_title(f"{name}: none")
        else:
            # A criterion that prefers one cluster may have no value there to put the dot on.
            height = values.loc[prefers] if np.isfinite(values.loc[prefers]) else values.max()
            ax.plot([prefers], [height], "o", color=CLUSTER_COLOURS[5], markersize=9, zorder=3)
            ax.set_title(f"{name}: {prefers}")
        if current is not None:
            marks.append(ax.axvline(current, color=CLUSTER_COLOURS[0], linewidth=6, alpha=0.2, zorder=1))
        ax.set(xlabel=f"k  ({hint})", xticks=table.index[:: max(1, len(table) // 8)])
        ax.xaxis.label.set_size(8.5)
    _verdict(axes[-1], choice)
    return marks


def _verdict(ax, choice):
    ax.set_axis_off()
    recommended = choice.recommended
    what = "no clusters" if recommended == 1 else f"{recommended} clusters"
    ax.text(0.5, 0.62, what, ha="center", fontsize=19, weight="bold", color=CLUSTER_COLOURS[5])
    ax.text(0.5, 0.42, "recommended: separated by\na gap in density" if recommended > 1 else
            "one cloud or a continuum:\nno gap in density", ha="center", va="top", fontsize=9.5)  # fmt: skip


@styled
def abundance_maps(abundances, *, endmembers=None, names=None):
    """One map an endmember, all on the scale from 0 to 1.

    Parameters
    ----------
    abundances : DataArray of shape (H, W, n)
    endmembers : DataArray of shape (n, L), optional
        Their spectra, drawn beside the maps.
    names : sequence of str, optional

    Returns
    -------
    Figure

    Examples
    --------
    >>> import xarray as xr
    >>> maps = xr.DataArray(np.zeros((4, 4, 2)), dims=("y", "x", "endmember"))
    >>> len(abundance_maps(maps).axes)
    3
    """
    count = abundances.sizes[abundances.dims[-1]]
    names = [f"{abundances.dims[-1]} {i}" for i in range(count)] if names is None else names
    panels = count + (endmembers is not None)
    widths = [2.7] * count + [4.4] * (endmembers is not None)
    figure, axes = new_figure(1, panels, size=(sum(widths) + 0.8, 3.1), width_ratios=widths)
    axes = np.atleast_1d(axes)
    for i, ax in enumerate(axes[:count]):
        artist = draw_map(ax, abundances[..., i], title=names[i], colourbar=False, vmin=0, vmax=1)
        if i:
            ax.set(ylabel="", yticklabels=[])
    figure.colorbar(artist, ax=axes[:count], shrink=0.85, label="fraction")
    if endmembers is not None:
        draw_spectra(axes[-1], endmembers, title="Endmembers", names=names)
    return figure


@styled
def library(labels, fractions, *, title=None):
    """Clusters of a combinatorial library: on the wafer, and in the composition triangle.

    Parameters
    ----------
    labels : DataArray of int over spots
        With coordinates ``x_mm`` and ``y_mm``.
    fractions : array_like of shape (N, 3)
        Composition of every spot; rows sum to 1.
    title : str, optional

    Returns
    -------
    Figure

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.spectra.composition_spread(n_spots=30)
    >>> parts = np.column_stack([sample.data[c] for c in "abc"])
    >>> len(library(sample.truth.labels, parts).axes)
    2
    """
    figure, (wafer, triangle) = new_figure(1, 2, size=(7.6, 3.5))
    draw_labels(wafer, labels, title=title or "On the wafer")
    corners = np.array([[0.5, np.sqrt(3) / 2], [0.0, 0.0], [1.0, 0.0]])
    at = np.asarray(fractions) @ corners
    triangle.fill(*corners.T, facecolor="none", edgecolor="#444444", linewidth=1)
    triangle.scatter(*at.T, c=[colour_of(v) for v in labels.values], s=22, linewidths=0)
    for name, (x, y), (dx, dy) in zip(
        "ABC", corners, ((0, 0.05), (-0.05, -0.05), (0.05, -0.05)), strict=True
    ):
        triangle.text(x + dx, y + dy, name, ha="center", va="center", weight="bold")
    triangle.set(aspect="equal", ylim=(-0.12, 1.0), title="In the composition triangle")
    triangle.set_axis_off()
    return figure


@styled
def scores(result, *, truth=None, components=(0, 1)):
    """Spectra as points in the space where they were clustered.

    Parameters
    ----------
    result : ClusterResult
    truth : DataArray of int, optional
        Colours by planted phase instead of cluster.
    components : (int, int)

    Returns
    -------
    Figure

    Examples
    --------
    >>> from atomlens import simulate, spectra
    >>> sample = simulate.spectra.eels(3, shape=(16, 16))
    >>> figure = scores(spectra.cluster(sample.data, 3))
    """
    points = result.scores_map.values.reshape(-1, result.scores_map.shape[-1])
    labels = (result.labels if truth is None else truth).values.ravel()
    first, second = (min(c, points.shape[1] - 1) for c in components)
    figure, ax = new_figure(size=(4.2, 3.6))
    # One random order for all, so that no cluster is drawn on top of the others.
    order = np.random.default_rng(0).permutation(len(points))
    colours = np.array([to_rgb(colour_of(v)) for v in labels])
    ax.scatter(points[order, first], points[order, second], s=4, c=colours[order], alpha=0.6, linewidths=0)
    ax.set(xlabel=f"score of component {first}", ylabel=f"score of component {second}", aspect="equal")
    return figure
