"""Figures of atomic images: columns on the picture, what the network sees, precision against dose."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.colors import to_rgba

from atomlens.plotting._draw import CLUSTER_COLOURS, colour_of, draw_map, new_figure, styled


def _as_map(image):
    if isinstance(image, xr.DataArray):
        return image
    return xr.DataArray(np.asarray(image), dims=("y", "x"), name="image")


def _positions(image, table):
    """Columns of the table in the units that the image is drawn in."""
    if all(d in image.coords for d in ("x", "y")) and {"x_nm", "y_nm"} <= set(table):
        return table["x_nm"], table["y_nm"]
    return table["x"], table["y"]


@styled
def draw_image(ax, image, *, title=None, limits=(0.5, 99.7), colourbar=False):
    """Draw an image in grey, between two percentiles, so that a hot pixel does not darken it.

    Parameters
    ----------
    ax : Axes
    image : array_like or DataArray of shape (H, W)
    title : str, optional
    limits : (float, float)
        Percentiles of black and white.
    colourbar : bool

    Returns
    -------
    AxesImage

    Examples
    --------
    >>> figure, ax = new_figure()
    >>> draw_image(ax, np.eye(4)).get_array().shape
    (4, 4)
    """
    image = _as_map(image)
    low, high = np.percentile(image, limits)
    if low == high:
        low, high = float(image.min()), float(image.max())
    return draw_map(ax, image, title=title, cmap="gray", colourbar=colourbar, vmin=low, vmax=high)


@styled
def draw_columns(ax, image, table, *, names=None, size=None, colour=None):
    """Draw found columns over an image that is drawn already.

    Parameters
    ----------
    ax : Axes
    image : array_like or DataArray of shape (H, W)
        The image below: its calibration decides whether positions are drawn in nm or in pixels.
    table : DataFrame
        ``x``, ``y`` (and ``x_nm``, ``y_nm``); with ``label``, each class has its colour, and with
        ``score``, doubtful columns are fainter.
    names : sequence of str, optional
        Names of the classes, for a legend.
    size : float, optional
        Diameter of the dots in points; chosen from their number by default.
    colour : str, optional
        One colour for all.

    Returns
    -------
    list of PathCollection
        One a class.

    Examples
    --------
    >>> import pandas as pd
    >>> figure, ax = new_figure()
    >>> table = pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 1.0], "label": [0, 1]})
    >>> len(draw_columns(ax, np.eye(4), table))
    2
    """
    image = _as_map(image)
    size = float(np.clip(90 / np.sqrt(len(table) + 1), 1.6, 7)) if size is None else size
    labels = table["label"].to_numpy() if "label" in table else np.zeros(len(table), dtype=int)
    x, y = (np.asarray(v) for v in _positions(image, table))
    drawn = []
    for label in np.unique(labels):
        some = labels == label
        colours = np.tile(to_rgba(colour or _overlay_colour(label)), (some.sum(), 1))
        if "score" in table:
            colours[:, 3] = np.clip(table["score"].to_numpy()[some], 0.25, 1)
        name = names[label] if names is not None and 0 <= label < len(names) else None
        drawn.append(ax.scatter(x[some], y[some], s=size**2, c=colours, linewidths=0, label=name))
    if names is not None and len(drawn) > 1:
        ax.legend(
            loc="upper right", fontsize=8, markerscale=2, facecolor="white", frameon=True, framealpha=0.85
        )
    return drawn


def _overlay_colour(label):
    # Orange and sky blue stand out from grey pictures more than the palette's first, dark blue.
    return CLUSTER_COLOURS[(1, 4, 2, 3, 6, 5, 0)[label % 7]] if label >= 0 else colour_of(label)


@styled
def columns_found(image, found, *, truth=None, match=None, title=None, names=None, zoom=None):
    """An image beside the columns found in it; with a truth, what was missed and what is spurious.

    Parameters
    ----------
    image : array_like or DataArray of shape (H, W)
    found : DataFrame
        From `atomlens.columns.find`.
    truth : DataFrame, optional
    match : Match, optional
        Of found and truth, from `atomlens.metrics.match`; marks misses and false alarms.
    title : str, optional
        Heads the left panel.
    names : sequence of str, optional
        Names of the classes.
    zoom : float, optional
        Show only the middle of the image: this fraction of its sides.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> len(columns_found(np.eye(20), pd.DataFrame({"x": [3.0], "y": [3.0]})).axes)
    2
    """
    image = _as_map(image)
    figure, (left, right) = new_figure(1, 2, size=(9.4, 4.5), sharex=True, sharey=True)
    draw_image(left, image, title=title or "Image")
    draw_image(right, image)
    draw_columns(right, image, found, names=names, size=4.0 if zoom else None)
    heading = f"{len(found)} columns"
    if match is not None:
        heading += f", F1 = {match.f1:.3f}"
        mark_errors(right, image, found, truth, match)
    right.set(title=heading, ylabel=None)
    if zoom:
        _show_middle(right, zoom)  # and left, which shares its axes
    return figure


@styled
def mark_errors(ax, image, found, truth, match):
    """Draw rings around what was missed (blue) and crosses on what is spurious (red).

    Parameters
    ----------
    ax : Axes
    image : array_like or DataArray of shape (H, W)
        The image below, as for `draw_columns`.
    found, truth : DataFrame
    match : Match
        Of the two, from `atomlens.metrics.match`.

    Examples
    --------
    >>> import pandas as pd
    >>> from atomlens import metrics
    >>> found, truth = pd.DataFrame({"x": [1.0], "y": [1.0]}), pd.DataFrame({"x": [3.0], "y": [3.0]})
    >>> figure, ax = new_figure()
    >>> mark_errors(ax, np.eye(4), found, truth, metrics.match(found, truth, tolerance=1))
    """
    image = _as_map(image)
    missed, spurious = truth.iloc[match.missed], found.iloc[match.spurious]
    marked = {f"missed: {len(missed)}": (missed, _RING), f"spurious: {len(spurious)}": (spurious, _CROSS)}
    _mark(ax, image, marked)


_RING = {"facecolors": "none", "edgecolors": CLUSTER_COLOURS[4], "s": 50, "linewidths": 1.3}
_CROSS = {"color": CLUSTER_COLOURS[5], "marker": "x", "s": 36, "linewidths": 1.5}


def _mark(ax, image, marked):
    """Draw tables of columns in their styles, with a legend of those that are not empty."""
    for name, (table, style) in marked.items():
        if len(table):
            ax.scatter(*_positions(image, table), label=name, **style)
    if any(len(table) for table, _ in marked.values()):
        ax.legend(loc="upper right", fontsize=8, facecolor="white", frameon=True, framealpha=0.85)


@styled
def overlays(pictures, *, columns=3, zoom=None):
    """A grid of images with the columns found in each.

    Parameters
    ----------
    pictures : mapping of str to (image, table)
        Title, and what `draw_image` and `draw_columns` take; no columns for None.
    columns : int
        Panels in a row.
    zoom : float, optional
        Show only the middle of each image: this fraction of its sides.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"x": [3.0], "y": [3.0]})
    >>> figure = overlays({"one": (np.eye(20), table), "two": (np.eye(30), table)}, columns=2)
    """
    rows = -(-len(pictures) // columns)
    figure, axes = new_figure(rows, columns, size=(3.3 * columns, 3.2 * rows), squeeze=False)
    for ax in axes.flat[len(pictures) :]:
        ax.remove()
    for ax, (title, (image, table)) in zip(axes.flat, pictures.items(), strict=False):
        image = _as_map(image)
        draw_image(ax, image, title=title)
        if zoom:
            _show_middle(ax, zoom)
        if table is not None:
            draw_columns(ax, image, table, size=4.0 if zoom else None)
    return figure


def _show_middle(ax, part):
    """Narrow the view to this fraction of both sides."""
    for get, narrow in ((ax.get_xlim, ax.set_xlim), (ax.get_ylim, ax.set_ylim)):
        low, high = get()
        narrow((low + high) / 2 + part * (low - high) / 2, (low + high) / 2 - part * (low - high) / 2)


@styled
def scene_grid(images, targets, *, weights=None):
    """Training images over the answers that the network shall give.

    Parameters
    ----------
    images : ndarray of shape (n, 1, H, W)
    targets : ndarray of shape (n, C, H, W)
        The classes are added up.
    weights : ndarray of shape (n, 1, H, W), optional
        Where it is 0, the answer is left open (drawn grey).

    Returns
    -------
    Figure

    Examples
    --------
    >>> figure = scene_grid(np.zeros((3, 1, 8, 8)), np.zeros((3, 1, 8, 8)))
    >>> len(figure.axes)
    6
    """
    figure, axes = new_figure(2, len(images), size=(1.55 * len(images), 3.3))
    for i, (above, below) in enumerate(axes.T):
        low, high = np.percentile(images[i], (0.5, 99.5))
        above.imshow(images[i, 0], cmap="gray", vmin=low, vmax=high)
        below.imshow(targets[i].sum(axis=0), cmap="cividis", vmin=0, vmax=1)
        if weights is not None:
            grey = np.zeros((*weights[i, 0].shape, 4))
            grey[weights[i, 0] == 0] = to_rgba("#BBBBBB")
            below.imshow(grey)
        for ax in (above, below):
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    axes[0, 0].set_ylabel("image")
    axes[1, 0].set_ylabel("answer")
    return figure


@styled
def lines_against_dose(table, *, ylabel, limit=None, title=None, log=False, ax=None):
    """One line a method against detected electrons; the physical limit, if given, in black.

    Parameters
    ----------
    table : DataFrame
        Index: electrons in the weakest scored column; one column a method.
    ylabel : str
        What is plotted, with its unit.
    limit : Series, optional
        The bound, over the same index.
    title : str, optional
    log : bool
        Logarithmic vertical axis.
    ax : Axes, optional

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"fit": [0.4, 0.1]}, index=[100, 1000])
    >>> figure = lines_against_dose(table, ylabel="error (px)", limit=table["fit"] / 1.1)
    """
    figure, ax = new_figure(size=(6.2, 3.6)) if ax is None else (ax.figure, ax)
    for i, name in enumerate(table):
        ax.plot(table.index, table[name], color=CLUSTER_COLOURS[i], marker="o", markersize=4, label=name)
    if limit is not None:
        ax.plot(limit.index, limit, color="black", linewidth=1.2, linestyle="--", label="Cramér-Rao bound")
    ax.set(xscale="log", xlabel="detected electrons in the weakest scored column", ylabel=ylabel, title=title)
    ax.set_xticks(table.index, [f"{n:g}" for n in table.index])
    ax.minorticks_off()
    if log:
        ax.set_yscale("log")
    ax.legend(fontsize=8.5)
    return figure


@styled
def doubtful_columns(image, found, uncertainty, *, doubtful=0.1, zoom=None):
    """An image with the columns that an ensemble found, beside the map of its disagreement.

    Parameters
    ----------
    image : array_like or DataArray of shape (H, W)
    found : DataFrame
        From `atomlens.columns.find` with an `Ensemble`: has ``score_sd``.
    uncertainty : ndarray of shape (H, W)
        One class of `atomlens.columns.uncertainty_map`.
    doubtful : float
        Columns whose ``score_sd`` is above are ringed.
    zoom : float, optional
        Show only the middle of the image: this fraction of its sides.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> found = pd.DataFrame({"x": [3.0], "y": [3.0], "score_sd": [0.3]})
    >>> len(doubtful_columns(np.eye(20), found, np.eye(20) / 4).axes)
    3
    """
    image = _as_map(image)
    figure, (left, right) = new_figure(1, 2, size=(9.8, 4.5), sharex=True, sharey=True)
    draw_image(left, image, title=f"{len(found)} columns")
    unsure = found[found["score_sd"] > doubtful]
    draw_columns(left, image, found, size=4.0 if zoom else None)
    _mark(left, image, {f"doubtful: {len(unsure)}": (unsure, _RING)})
    about = {"long_name": "standard deviation of the probability", "units": "1"}
    spread = image.copy(data=uncertainty).assign_attrs(about)
    draw_map(right, spread, title="Disagreement", cmap="magma", vmin=0)
    right.set_ylabel(None)
    if zoom:
        _show_middle(right, zoom)
    return figure


@styled
def training_curves(histories):
    """Loss and F1 of one or several trainings, against the step.

    Parameters
    ----------
    histories : dict of str to DataFrame
        Name -> ``step``, ``loss``, ``f1``, as in ``ColumnModel.history``. As losses may have different
        units, each is shown relative to its first value.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> history = pd.DataFrame({"step": [1, 2], "loss": [0.5, 0.2], "f1": [0.1, 0.9]})
    >>> len(training_curves({"mine": history}).axes)
    2
    """
    figure, axes = new_figure(1, 2, size=(9.4, 2.8))
    for (name, history), colour in zip(histories.items(), CLUSTER_COLOURS, strict=False):
        shown = {
            "loss / first loss": history["loss"] / history["loss"].iloc[0],
            "F1, held-out scenes": history["f1"],
        }
        for ax, (label, values) in zip(axes, shown.items(), strict=True):
            ax.plot(history["step"], values, color=colour, marker="o", markersize=3, label=name)
            ax.set(xlabel="training step", ylabel=label)
    axes[0].set_yscale("log")
    axes[1].set_ylim(-0.02, 1.02)
    if len(histories) > 1:
        axes[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure
