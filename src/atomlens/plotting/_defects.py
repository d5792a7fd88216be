"""Figures of defects and domains: hits on the image, rates, curves, boundaries."""

from __future__ import annotations

import numpy as np

from atomlens.plotting._draw import colour_of, draw_labels, draw_map, new_figure, styled
from atomlens.plotting._images import _as_map, _positions, draw_image

_HIT, _PLANTED = "#D55E00", "#56B4E9"
_SIGNED = "RdBu_r"


@styled
def draw_hits(ax, image, table, *, colour=_HIT, size=None, marker="o", label=None):
    """Draw rings around places in an image that is drawn already.

    Parameters
    ----------
    ax : Axes
    image : array_like or DataArray of shape (H, W)
        Its calibration decides whether places are drawn in nm or in pixels.
    table : DataFrame
        ``x``, ``y`` in pixels (and ``x_nm``, ``y_nm``).
    colour : str
    size : float, optional
        Diameter in points; chosen from their number without it.
    marker : str
        Of Matplotlib.
    label : str, optional
        For a legend.

    Returns
    -------
    Line2D

    Examples
    --------
    >>> import pandas as pd
    >>> figure, ax = new_figure()
    >>> len(draw_hits(ax, np.eye(9), pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0]})).get_xdata())
    2
    """
    size = float(np.clip(60 / np.sqrt(len(table) + 1), 5, 12)) if size is None else size
    x, y = _positions(_as_map(image), table)
    (drawn,) = ax.plot(
        np.asarray(x), np.asarray(y), marker, mfc="none", mec=colour, ms=size, mew=1.4, ls="none", label=label
    )
    return drawn


@styled
def draw_score(ax, found, *, title="Score", colourbar=True):
    """Draw the score map of `detect`; the threshold is in the middle of the scale.

    Parameters
    ----------
    ax : Axes
    found : DefectMap
    title : str, optional
    colourbar : bool

    Returns
    -------
    AxesImage

    Examples
    --------
    >>> from atomlens import defects, simulate
    >>> image = simulate.image(simulate.structures.perovskite((5, 5)), electrons=200).data
    >>> figure, ax = new_figure()
    >>> draw_score(ax, defects.detect(image)).get_array().shape
    (250, 250)
    """
    low = float(np.percentile(found.score, 1))
    high = found.threshold + max(found.threshold - low, 1e-12)
    return draw_map(ax, found.score, title=title, vmin=low, vmax=high, colourbar=colourbar)


@styled
def defects_found(image, found, *, truth=None, title=None):
    """An image with its hits, what is left without the perfect crystal, and the score.

    Parameters
    ----------
    image : array_like or DataArray of shape (H, W)
    found : DefectMap
        From `atomlens.defects.detect` of this image.
    truth : DataFrame, optional
        Planted defects, ``x`` and ``y`` in pixels.
    title : str, optional

    Returns
    -------
    Figure

    Examples
    --------
    >>> from atomlens import defects, simulate
    >>> image = simulate.image(simulate.structures.perovskite((5, 5)), electrons=200).data
    >>> len(defects_found(image, defects.detect(image)).axes)
    5
    """
    figure, (left, middle, right) = new_figure(1, 3, size=(11.2, 3.6))
    draw_image(left, image, title=title or f"{len(found.defects)} hits")
    if truth is not None:
        draw_hits(left, image, truth, colour=_PLANTED, marker="s", size=13, label="planted")
    draw_hits(left, image, found.defects, label="found")
    if truth is not None:
        left.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2, fontsize=8.5)
    draw_map(middle, found.residual, title="Without the perfect crystal", cmap=_SIGNED, vmin=-5, vmax=5)
    draw_score(right, found)
    for ax in (middle, right):
        ax.set_ylabel("")
    return figure


@styled
def hit_gallery(results, *, columns=3):
    """A grid of images with their hits.

    Parameters
    ----------
    results : dict
        (image, DefectMap) by title.
    columns : int

    Returns
    -------
    Figure

    Examples
    --------
    >>> from atomlens import defects, simulate
    >>> image = simulate.image(simulate.structures.perovskite((5, 5)), electrons=200).data
    >>> len(hit_gallery({"perfect": (image, defects.detect(image))}).axes)
    1
    """
    columns = min(columns, len(results))
    rows = -(-len(results) // columns)
    figure, axes = new_figure(rows, columns, size=(3.6 * columns, 3.5 * rows))
    axes = np.atleast_1d(axes).ravel()
    for ax, (title, (image, found)) in zip(axes, results.items(), strict=False):
        draw_image(ax, image, title=f"{title}: {len(found.defects)}")
        draw_hits(ax, image, found.defects)
    for ax in axes[len(results) :]:
        ax.remove()
    return figure


@styled
def window_spread(table):
    """How much the Patterson function depends on where a window is cut: one line a taper, against its size.

    Parameters
    ----------
    table : DataFrame
        Indexed by the side of the window in unit cells; one column a taper.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> len(window_spread(pd.DataFrame({"none": [0.1, 0.2]}, index=[1.0, 1.5])).axes)
    1
    """
    figure, ax = new_figure(size=(6.4, 3.2))
    for n, name in enumerate(table):
        ax.semilogy(table.index, table[name], "o-", ms=4, color=colour_of(n), label=name)
    ax.set(xlabel="side of the window (unit cells)", ylabel="spread over offsets (relative)")
    ax.legend(title="taper", loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@styled
def knee(distances, suspects, *, title="Knee"):
    """Sorted distances to the nearest neighbours, with the rows that were taken for suspects.

    Parameters
    ----------
    distances : array_like of shape (N,)
    suspects : array_like of bool, shape (N,)
    title : str

    Returns
    -------
    Figure

    Examples
    --------
    >>> len(knee([0.1, 0.2, 0.9], [False, False, True]).axes)
    1
    """
    order = np.argsort(distances)
    values, odd = np.asarray(distances)[order], np.asarray(suspects)[order]
    figure, ax = new_figure(size=(5.6, 3.2))
    rank = np.arange(1, len(values) + 1)
    for part, name, n in ((~odd, "kept", 0), (odd, "suspects", 5)):
        ax.plot(rank[part], values[part], ".", color=colour_of(n), label=f"{name} ({part.sum()})")
    ax.set(xlabel="window, sorted", ylabel="mean distance to its neighbours", title=title)
    ax.legend()
    return figure


@styled
def detection_curves(curves, *, marks=None):
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

    figure, (left, right) = new_figure(1, 2, size=(10.4, 3.7))
    lowest = 1.0
    for n, (name, (score, truth)) in enumerate(curves.items()):
        false, true, _ = roc_curve(truth, score)
        precision, recall, _ = precision_recall_curve(truth, score)
        style = {"color": colour_of(n), "lw": 2 if n == 0 else 1.4}
        lowest = min(lowest, 1 / max(np.count_nonzero(~np.asarray(truth)), 1))
        left.plot(np.maximum(false, lowest / 2), true, **style)
        area = average_precision_score(truth, score)
        right.plot(recall, precision, label=f"{name} ({area:.2f})", **style)
        if marks and name in marks:
            hit = np.asarray(score) > marks[name]
            found = np.sum(hit & truth)
            place = {"marker": "o", "color": style["color"]}
            left.plot(max(np.mean(hit[~np.asarray(truth)]), lowest / 2), found / np.sum(truth), **place)
            if hit.any():
                right.plot(found / np.sum(truth), found / hit.sum(), **place)
    left.set(xscale="log", xlabel="false-positive rate (of cells)", ylabel="recall", title="ROC")
    # A logarithmic axis has no zero: the lowest tick stands for it.
    ticks = [n for n in (1e-4, 1e-3, 1e-2, 1e-1, 1.0) if n > 1.5 * lowest]
    left.set_xticks([lowest / 2, *ticks], ["0", *(f"{n:g}" for n in ticks)])
    left.minorticks_off()
    right.set(xlabel="recall", ylabel="precision", title="Precision and recall", ylim=(-0.03, 1.03))
    right.legend(title="average precision", loc="upper left", bbox_to_anchor=(1, 1), fontsize=8.5)
    return figure


@styled
def alarm_rates(table):
    """The false-alarm rate that was set against the one that came out, with its 95 % interval.

    Parameters
    ----------
    table : DataFrame
        Indexed by the rate that was set; columns ``alarms`` and ``cells``.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> len(alarm_rates(pd.DataFrame({"alarms": [9, 100], "cells": [1000, 1000]}, index=[0.01, 0.1])).axes)
    1
    """
    from scipy.stats import beta

    figure, ax = new_figure(size=(4.8, 3.6))
    alarms, cells = table["alarms"].to_numpy(), table["cells"].to_numpy()
    low = np.where(alarms > 0, beta.ppf(0.025, np.maximum(alarms, 1), cells - alarms + 1), 0)
    high = beta.ppf(0.975, alarms + 1, np.maximum(cells - alarms, 1))
    measured = alarms / cells
    shown = np.maximum(measured, 0.3 / cells)  # none at all: at the lower end of the scale
    ax.errorbar(
        table.index, shown, [np.maximum(shown - np.maximum(low, 0.1 / cells), 0), high - shown],
        fmt="o", color=colour_of(0), capsize=3, label="measured, 95 % interval",
    )  # fmt: skip
    ends = [min(table.index), max(table.index)]
    ax.plot(ends, ends, color="black", lw=1, label="as set")
    ax.set(xscale="log", yscale="log", xlabel="rate set (per unit cell)", ylabel="rate measured")
    ax.legend(loc="upper left", fontsize=8.5)
    return figure


@styled
def domain_map(image, domains, *, truth=None, title=None):
    """An image with the boundaries of its domains, and the domains; beside them the planted ones, if known.

    Parameters
    ----------
    image : array_like or DataArray of shape (H, W)
    domains : DataArray of int, shape (H, W)
        From `atomlens.defects.segment_domains`.
    truth : DataArray of int, shape (H, W), optional
    title : str, optional

    Returns
    -------
    Figure

    Examples
    --------
    >>> import xarray as xr
    >>> halves = xr.DataArray(np.repeat([[0, 1]], 4, axis=0).repeat(3, axis=1), dims=("y", "x"))
    >>> len(domain_map(np.random.default_rng(0).random((4, 6)), halves).axes)
    2
    """
    panels = 2 if truth is None else 3
    figure, axes = new_figure(1, panels, size=(3.7 * panels, 3.6))
    image = _as_map(image)
    draw_image(axes[0], image, title=title)
    x, y = (image[d] if d in image.coords else np.arange(image.sizes[d]) for d in ("x", "y"))
    for label in range(int(domains.max())):
        axes[0].contour(x, y, np.asarray(domains) > label, [0.5], colors=_HIT, linewidths=1.8)
    count = int(domains.max()) + 1
    draw_labels(axes[1], domains, title=f"{count} domain{'s' * (count > 1)} found")
    if truth is not None:
        draw_labels(axes[2], truth, title="Planted")
    return figure
