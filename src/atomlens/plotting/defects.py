"""Defects: hits on the picture, domains, and how well they are told from the perfect crystal."""

from __future__ import annotations

import numpy as np

from atomlens._types import Any, ArrayLike, DataArray, DataFrame, DefectMap, Figure
from atomlens.plotting.drawing import (
    BELOW,
    BESIDE,
    SIGNED,
    along,
    as_map,
    colour_of,
    draw_image,
    draw_labels,
    draw_map,
    log_axis,
    new_figure,
    panels,
    styled,
)
from atomlens.plotting.images import MARK, PLANTED, draw_hits, draw_lines


@styled
def defects_found(
    image: DataArray | ArrayLike, found: DefectMap, *, truth: DataFrame | None = None
) -> Figure:
    """An image with its hits, what is left without the perfect crystal, and the score.

    The threshold is in the middle of the scale of the score.

    Parameters
    ----------
    found : DefectMap
        From `atomlens.defects.detect` of this image.
    truth : DataFrame, optional
        Planted defects, ``x`` and ``y`` in pixels.

    Examples
    --------
    >>> from atomlens import defects, simulate
    >>> image = simulate.image(simulate.structures.perovskite((5, 5)), electrons=200).data
    >>> len(defects_found(image, defects.detect(image)).axes)
    3
    """
    figure, (left, middle, right) = panels(3, height=0.9)
    draw_image(left, image, title=f"{len(found.defects)} hits")
    if truth is not None:
        draw_hits(left, image, truth, colour=PLANTED, marker="s", size=14, label="planted")
    draw_hits(left, image, found.defects, label="found")
    if truth is not None:
        left.legend(**BELOW)
    draw_map(middle, found.residual, title="Without the perfect crystal", cmap=SIGNED, vmin=-5, vmax=5)
    low = float(np.percentile(found.score, 1))
    high = found.threshold + max(found.threshold - low, 1e-12)
    draw_map(right, found.score, title="Score", vmin=low, vmax=high)
    return figure


@styled
def hit_gallery(results: dict[str, Any]) -> Figure:
    """Images with their hits, two in a row.

    Parameters
    ----------
    results : dict
        (image, DefectMap) by title.

    Examples
    --------
    >>> from atomlens import defects, simulate
    >>> image = simulate.image(simulate.structures.perovskite((5, 5)), electrons=200).data
    >>> len(hit_gallery({"perfect": (image, defects.detect(image))}).axes)
    1
    """
    figure, axes = panels(len(results), per_row=2, width=4.2)
    for ax, (title, (image, found)) in zip(axes, results.items(), strict=True):
        draw_image(ax, image, title=f"{title}: {len(found.defects)}")
        draw_hits(ax, image, found.defects)
    return figure


@styled
def window_spread(table: DataFrame) -> Figure:
    """How much the Patterson function depends on where a window is cut: one line a taper, against its size.

    Parameters
    ----------
    table : DataFrame
        Indexed by the side of the window in unit cells; one column a taper.

    Examples
    --------
    >>> import pandas as pd
    >>> len(window_spread(pd.DataFrame({"none": [0.1, 0.2]}, index=[1.0, 1.5])).axes)
    1
    """
    figure, ax = new_figure(size=(7.4, 4))
    draw_lines(ax, table, xlabel="side of the window (unit cells)", ylabel="spread over offsets (relative)")
    log_axis(ax.yaxis)
    ax.legend(title="taper", **BESIDE)
    return figure


@styled
def knee(distances: ArrayLike, suspects: ArrayLike, *, title: str = "Knee") -> Figure:
    """Sorted distances to the nearest neighbours, with the rows that were taken for suspects.

    Parameters
    ----------
    distances : array_like of shape (N,)
    suspects : array_like of bool, shape (N,)
    title : str

    Examples
    --------
    >>> len(knee([0.1, 0.2, 0.9], [False, False, True]).axes)
    1
    """
    order = np.argsort(distances)
    values, odd = np.asarray(distances)[order], np.asarray(suspects)[order]
    figure, ax = new_figure(size=(6.6, 4))
    rank = np.arange(1, len(values) + 1)
    for part, name, n in ((~odd, "kept", 0), (odd, "suspects", 5)):
        ax.plot(rank[part], values[part], ".", ms=8, color=colour_of(n), label=f"{name} ({part.sum()})")
    ax.set(xlabel="window, sorted", ylabel="mean distance to its neighbours", title=title)
    ax.legend()
    return figure


@styled
def detection_curves(curves: dict[str, Any], *, marks: dict[str, Any] | None = None) -> Figure:
    """Receiver operating characteristic and precision-recall curve, one line a method.

    Parameters
    ----------
    curves : dict
        By method: (scores, truth), arrays of shape (N,), truth of bool.
    marks : dict, optional
        By method: threshold whose point is marked.

    Returns
    -------
    Figure
        The false-positive rate is on a logarithmic scale, with a place for zero.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.random(500) < 0.05
    >>> len(detection_curves({"method": (rng.normal(size=500) + 3 * truth, truth)}).axes)
    2
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

    figure, (left, right) = new_figure(1, 2, size=(10.4, 3.9))
    lowest = 1.0
    for n, (name, (score, truth)) in enumerate(curves.items()):
        score, truth = np.asarray(score), np.asarray(truth)
        false, true, _ = roc_curve(truth, score)
        precision, recall, _ = precision_recall_curve(truth, score)
        colour = colour_of(n)
        lowest = min(lowest, 1 / max(np.count_nonzero(~truth), 1))
        left.plot(np.maximum(false, lowest / 2), true, color=colour)
        area = average_precision_score(truth, score)
        right.plot(recall, precision, color=colour, label=f"{name} ({area:.2f})")
        if marks and name in marks:
            hit = score > marks[name]
            found = np.sum(hit & truth)
            left.plot(max(np.mean(hit[~truth]), lowest / 2), found / np.sum(truth), "o", color=colour, ms=8)
            if hit.any():
                right.plot(found / np.sum(truth), found / hit.sum(), "o", color=colour, ms=8)
    left.set(xscale="log", xlabel="false-positive rate (of cells)", ylabel="recall", title="ROC")
    # A logarithmic axis has no zero: the lowest tick stands for it.
    ticks = [n for n in (1e-4, 1e-3, 1e-2, 1e-1, 1.0) if n > 1.5 * lowest]
    left.set_xticks([lowest / 2, *ticks], ["0", *(f"{n:g}" for n in ticks)])
    left.minorticks_off()
    right.set(xlabel="recall", ylabel="precision", title="Precision and recall", ylim=(-0.03, 1.03))
    right.legend(title="average precision", **BESIDE)
    return figure


@styled
def alarm_rates(table: DataFrame) -> Figure:
    """The false-alarm rate that was set against the one that came out, with its 95 % interval.

    Parameters
    ----------
    table : DataFrame
        Indexed by the rate that was set; columns ``alarms`` and ``cells``.

    Examples
    --------
    >>> import pandas as pd
    >>> len(alarm_rates(pd.DataFrame({"alarms": [9, 100], "cells": [1000, 1000]}, index=[0.01, 0.1])).axes)
    1
    """
    from scipy.stats import beta

    figure, ax = new_figure(size=(6.2, 4.2))
    alarms, cells = table["alarms"].to_numpy(), table["cells"].to_numpy()
    low = np.where(alarms > 0, beta.ppf(0.025, np.maximum(alarms, 1), cells - alarms + 1), 0)
    high = beta.ppf(0.975, alarms + 1, np.maximum(cells - alarms, 1))
    shown = np.maximum(alarms, 0.3) / cells  # none at all: at the lower end of the scale
    ax.errorbar(
        table.index, shown, [np.maximum(shown - np.maximum(low, 0.1 / cells), 0), high - shown],
        fmt="o", ms=7, color=colour_of(0), capsize=4, label="measured, 95 % interval",
    )  # fmt: skip
    ends = [min(table.index), max(table.index)]
    ax.plot(ends, ends, color="black", lw=1.4, label="as set")
    ax.set(xlabel="rate set (per unit cell)", ylabel="rate measured")
    for axis in (ax.xaxis, ax.yaxis):
        log_axis(axis, subs=(1,))
    ax.legend(loc="upper left")
    return figure


@styled
def domain_map(image: DataArray | ArrayLike, domains: DataArray, *, title: str | None = None) -> Figure:
    """An image with the boundaries of its domains, beside the domains.

    Parameters
    ----------
    domains : DataArray of int, shape (H, W)
        From `atomlens.defects.segment_domains`.

    Examples
    --------
    >>> import xarray as xr
    >>> halves = xr.DataArray(np.repeat([[0, 1]], 4, axis=0).repeat(3, axis=1), dims=("y", "x"))
    >>> len(domain_map(np.random.default_rng(0).random((4, 6)), halves).axes)
    2
    """
    figure, (left, right) = panels(2, width=4)
    image, count = as_map(image), int(domains.max()) + 1
    draw_image(left, image, title=title or "Image")
    x, y = (along(image, dim) for dim in ("x", "y"))
    for label in range(count - 1):
        left.contour(x, y, np.asarray(domains) > label, [0.5], colors=MARK, linewidths=2.4)
    draw_labels(right, domains, title=f"{count} domain{'s' * (count > 1)} found")
    return figure
