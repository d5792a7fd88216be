"""Atomic images: columns on the picture, precision against dose, training, doubt."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgba

from atomlens._types import (
    Any,
    ArrayLike,
    Axes,
    DataArray,
    DataFrame,
    Figure,
    Match,
    Sequence,
    Series,
    ndarray,
)
from atomlens.plotting.drawing import (
    BELOW,
    BESIDE,
    CLUSTER_COLOURS,
    PAGE,
    as_map,
    colour_of,
    draw_image,
    draw_map,
    log_axis,
    new_figure,
    panels,
    place_columns,
    show_middle,
    styled,
)
from atomlens.plotting.latents import draw_crop

_DOUBTFUL = 0.1  # standard deviation of the score
MARK, PLANTED = CLUSTER_COLOURS[5], CLUSTER_COLOURS[4]


@styled
def draw_columns(
    ax: Axes,
    image: ArrayLike | DataArray,
    table: DataFrame,
    *,
    names: Sequence[str] | None = None,
    size: float | None = None,
    colour: str | None = None,
) -> list[Any]:
    """Draw found columns over an image that is drawn already.

    Parameters
    ----------
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
    size = float(np.clip(90 / np.sqrt(len(table) + 1), 2, 7)) if size is None else size
    labels = table["label"].to_numpy() if "label" in table else np.zeros(len(table), dtype=int)
    places = table[place_columns(table, image)].to_numpy()
    drawn = []
    for label in np.unique(labels):
        some = labels == label
        colours = np.tile(to_rgba(colour or _overlay_colour(label)), (some.sum(), 1))
        if "score" in table:
            colours[:, 3] = np.clip(table["score"].to_numpy()[some], 0.25, 1)
        name = names[label] if names is not None and 0 <= label < len(names) else None
        drawn.append(ax.scatter(*places[some].T, s=size**2, c=colours, linewidths=0, label=name))
    if names is not None and len(drawn) > 1:
        ax.legend(markerscale=2, **BELOW)
    return drawn


def _overlay_colour(label):
    # Orange and sky blue stand out from grey pictures more than the palette's first, dark blue.
    return CLUSTER_COLOURS[(1, 4, 2, 3, 6, 5, 0)[label % 7]] if label >= 0 else colour_of(label)


@styled
def draw_hits(
    ax: Axes,
    image: DataArray | ArrayLike,
    table: DataFrame,
    *,
    colour: str = MARK,
    size: float | None = None,
    marker: str = "o",
    label: str | None = None,
) -> Any:
    """Draw rings around places in an image that is drawn already.

    Parameters
    ----------
    ax, image, table
        As for `draw_columns`.
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
    size = float(np.clip(60 / np.sqrt(len(table) + 1), 6, 12)) if size is None else size
    places = table[place_columns(table, image)].to_numpy().T
    return ax.plot(*places, marker, mfc="none", mec=colour, ms=size, mew=1.8, ls="none", label=label)[0]


@styled
def mark_errors(
    ax: Axes, image: DataArray | ArrayLike, found: DataFrame, truth: DataFrame, match: Match
) -> None:
    """Draw rings around what was missed (blue) and crosses on what is spurious (red).

    Parameters
    ----------
    ax, image
        As for `draw_columns`.
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
    missed, spurious = truth.iloc[match.missed], found.iloc[match.spurious]
    if len(missed):
        draw_hits(ax, image, missed, colour=PLANTED, size=9, label=f"missed: {len(missed)}")
    if len(spurious):
        draw_hits(ax, image, spurious, size=7, marker="x", label=f"spurious: {len(spurious)}")
    if len(missed) or len(spurious):
        ax.legend(**BELOW)


@styled
def columns_found(
    image: DataArray | ArrayLike,
    found: DataFrame,
    *,
    truth: DataFrame | None = None,
    match: Match | None = None,
    title: str = "Image",
    names: Sequence[str] | None = None,
    zoom: float | None = None,
) -> Figure:
    """An image beside the columns found in it; with a truth, what was missed and what is spurious.

    Parameters
    ----------
    found : DataFrame
        From `atomlens.columns.find`.
    truth : DataFrame, optional
    match : Match, optional
        Of found and truth, from `atomlens.metrics.match`; marks misses and false alarms.
    title : str
        Heads the left panel.
    names : sequence of str, optional
        Names of the classes.
    zoom : float, optional
        Show only the middle of the image: this fraction of its sides.

    Examples
    --------
    >>> import pandas as pd
    >>> len(columns_found(np.eye(20), pd.DataFrame({"x": [3.0], "y": [3.0]})).axes)
    2
    """
    heading = f"{len(found)} columns" + ("" if match is None else f", F1 = {match.f1:.3f}")
    figure, axes = panels(2, width=4.6, sharex=True, sharey=True)
    for ax, name in zip(axes, (title, heading), strict=True):
        draw_image(ax, image, title=name)
    draw_columns(axes[1], image, found, names=names, size=5.0 if zoom else None)
    if match is not None:
        mark_errors(axes[1], image, found, truth, match)
    if zoom:
        show_middle(axes[1], zoom)  # and the other, which shares its axes
    return figure


@styled
def overlays(pictures: dict[str, Any], *, columns: int = 3, zoom: float | None = None) -> Figure:
    """Several images with the columns found in them.

    Parameters
    ----------
    pictures : dict of str to (image, DataFrame or None)
        Title -> image and its columns, if they shall be drawn.
    columns : int
        Panels in a row.
    zoom : float, optional
        Show only the middle of each image: this fraction of its sides.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"x": [3.0], "y": [3.0]})
    >>> figure = overlays({"one": (np.eye(20), table), "two": (np.eye(30), table)}, columns=2)
    """
    tallest = max(np.shape(image)[0] / np.shape(image)[1] for image, _ in pictures.values())
    per_row = min(columns, len(pictures))
    width = min(PAGE / per_row, PAGE / 2 / tallest)
    figure, axes = panels(len(pictures), per_row=per_row, width=width, height=tallest)
    for ax, (title, (image, table)) in zip(axes, pictures.items(), strict=True):
        draw_image(ax, image, title=title)
        if zoom:
            show_middle(ax, zoom)
        if table is not None:
            draw_columns(ax, image, table, size=4.5 if zoom else None)
    return figure


@styled
def scene_grid(images: ndarray, targets: ndarray) -> Figure:
    """Training images over the answers that the network shall give.

    Parameters
    ----------
    images : ndarray of shape (n, 1, H, W)
    targets : ndarray of shape (n, C, H, W)
        The classes are added up.

    Examples
    --------
    >>> figure = scene_grid(np.zeros((3, 1, 8, 8)), np.zeros((3, 1, 8, 8)))
    >>> len(figure.axes)
    6
    """
    count = len(images)
    figure, axes = panels(2 * count, per_row=count, width=1.7, extra=0.05)
    for n, (image, target) in enumerate(zip(images, targets, strict=True)):
        draw_crop(axes[n], image[0])
        draw_crop(axes[count + n], target.sum(axis=0), limits=(0, 1)).set_cmap("cividis")
    axes[0].set_ylabel("image")
    axes[count].set_ylabel("answer")
    return figure


@styled
def draw_lines(
    ax: Axes,
    table: DataFrame,
    *,
    xlabel: str,
    ylabel: str,
    expected: Series | None = None,
    mark: Any = None,
    log: bool = False,
    title: str | None = None,
) -> list[Any]:
    """Draw one line a column against the index.

    Parameters
    ----------
    table : DataFrame
        Numbers over a numerical index.
    xlabel, ylabel : str
        With their units.
    expected : Series, optional
        What theory wants: dashed and black.
    mark : (float, str), optional
        A place on the horizontal axis, and its name.
    log : bool
        Logarithmic horizontal axis.

    Returns
    -------
    list of Line2D

    Examples
    --------
    >>> import pandas as pd
    >>> figure, ax = new_figure()
    >>> table = pd.DataFrame({"windows": [0.1, 1.0]}, index=[8, 64])
    >>> len(draw_lines(ax, table, xlabel="window (px)", ylabel="ARI"))
    1
    """
    lines = [
        ax.plot(table.index, table[name], color=colour_of(n), marker="o", label=name)[0]
        for n, name in enumerate(table)
    ]
    if expected is not None:
        ax.plot(expected.index, expected, color="black", linewidth=1.6, linestyle="--", label=expected.name)
    if mark is not None:
        ax.axvline(mark[0], color="#7F7F7F", linewidth=1.6, linestyle=":", label=mark[1], zorder=0)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if log:
        ax.set_xscale("log")
        ax.set_xticks(table.index, [f"{n:g}" for n in table.index])
        ax.minorticks_off()
    ax.legend()
    return lines


@styled
def lines_against_dose(
    table: DataFrame,
    *,
    ylabel: str,
    limit: Series | None = None,
    title: str | None = None,
    log: bool = False,
    ax: Axes | None = None,
) -> Figure:
    """One line a method against detected electrons; the physical limit, if given, in black.

    Parameters
    ----------
    table : DataFrame
        Index: electrons in the weakest scored column; one column a method.
    ylabel : str
        What is plotted, with its unit.
    limit : Series, optional
        The bound, over the same index.
    log : bool
        Logarithmic vertical axis.
    ax : Axes, optional

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"fit": [0.4, 0.1]}, index=[100, 1000])
    >>> figure = lines_against_dose(table, ylabel="error (px)", limit=table["fit"] / 1.1)
    """
    ax = new_figure(size=(6.6, 4))[1] if ax is None else ax
    limit = None if limit is None else limit.rename("Cramér-Rao bound")
    where = {"xlabel": "detected electrons in the weakest scored column", "ylabel": ylabel, "title": title}
    draw_lines(ax, table, expected=limit, log=True, **where)
    if log:
        log_axis(ax.yaxis)
    return ax.figure


@styled
def doubtful_columns(
    image: DataArray | ArrayLike, found: DataFrame, uncertainty: ndarray, *, zoom: float | None = None
) -> Figure:
    """An image with the columns that an ensemble found, the doubtful ones ringed, and its disagreement.

    Parameters
    ----------
    found : DataFrame
        From `atomlens.columns.find` with an `Ensemble`: has ``score_sd``, which above 0.1 is doubtful.
    uncertainty : ndarray of shape (H, W)
        One class of `atomlens.columns.uncertainty_map`.
    zoom : float, optional
        Show only the middle of the image: this fraction of its sides.

    Examples
    --------
    >>> import pandas as pd
    >>> found = pd.DataFrame({"x": [3.0], "y": [3.0], "score_sd": [0.3]})
    >>> len(doubtful_columns(np.eye(20), found, np.eye(20) / 4).axes)
    2
    """
    figure, (left, right) = panels(2, width=4.6, sharex=True, sharey=True)
    draw_image(left, image, title=f"{len(found)} columns")
    unsure = found[found["score_sd"] > _DOUBTFUL]
    draw_columns(left, image, found, size=5.0 if zoom else None)
    if len(unsure):
        draw_hits(left, image, unsure, colour=PLANTED, size=10, label=f"doubtful: {len(unsure)}")
        left.legend(**BELOW)
    about = {"long_name": "standard deviation of the probability", "units": "1"}
    spread = as_map(image).copy(data=uncertainty).assign_attrs(about)
    draw_map(right, spread, title="Disagreement", cmap="magma", vmin=0)
    if zoom:
        show_middle(right, zoom)
    return figure


@styled
def training_curves(histories: dict[str, Any]) -> Figure:
    """Loss and F1 of one or several trainings, against the step.

    Parameters
    ----------
    histories : dict of str to DataFrame
        Name -> ``step``, ``loss``, ``f1``, as in ``ColumnModel.history``. As losses may have different
        units, each is shown relative to its first value.

    Examples
    --------
    >>> import pandas as pd
    >>> history = pd.DataFrame({"step": [1, 2], "loss": [0.5, 0.2], "f1": [0.1, 0.9]})
    >>> len(training_curves({"mine": history}).axes)
    2
    """
    figure, (left, right) = new_figure(1, 2, size=(10.4, 3.4))
    for n, (name, history) in enumerate(histories.items()):
        look = {"color": colour_of(n), "marker": "o", "label": name}
        left.plot(history["step"], history["loss"] / history["loss"].iloc[0], **look)
        right.plot(history["step"], history["f1"], **look)
    left.set(xlabel="training step", ylabel="loss / first loss")
    log_axis(left.yaxis)
    right.set(xlabel="training step", ylabel="F1, held-out scenes", ylim=(-0.02, 1.02))
    if len(histories) > 1:
        right.legend(**BESIDE)
    return figure
