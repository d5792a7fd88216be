"""Figures of descriptors: windows and their transforms, what is not seen, components, look-alikes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomlens.patterson import patterson
from atomlens.plotting._descriptors import (
    FRAMES,
    draw_fourier,
    draw_modulus,
    draw_patch,
    draw_patterson,
    draw_windows,
    pixel_of,
)
from atomlens.plotting._draw import draw_map, new_figure, styled
from atomlens.plotting._images import draw_image
from atomlens.windows import column_windows


@styled
def window_transforms(image, table, size, *, taper="hann", blank_center=0.0):
    """Windows framed in an image; beside it each one, its Fourier transform and its Patterson function.

    Parameters
    ----------
    image : array_like or DataArray of shape (H, W)
    table : DataFrame
        ``x``, ``y`` of the centres of the windows, in pixels.
    size : tuple of int
        (height, width) in pixels.
    taper, blank_center
        As for `atomlens.patterson.patterson`.

    Returns
    -------
    Figure

    Examples
    --------
    >>> image = np.random.default_rng(0).random((60, 60))
    >>> len(window_transforms(image, pd.DataFrame({"x": [20.0, 30], "y": [15.0, 40]}), (16, 20)).axes)
    7
    """
    rows = len(table)
    figure = new_figure(size=(8.4, 1.45 * rows + 0.4))[0]
    figure.clear()
    grid = figure.add_gridspec(rows, 4, width_ratios=[2.2, 1, 1, 1])
    whole = figure.add_subplot(grid[:, 0])
    _draw_smoothly(draw_image, whole, image, title="Image")
    draw_windows(whole, image, table, size, numbers=True)
    step, unit = pixel_of(image)
    for n, patch in enumerate(column_windows(image, table, size)):
        axes = [figure.add_subplot(grid[n, k + 1]) for k in range(3)]
        top = n == 0
        _draw_smoothly(draw_patch, axes[0], patch, step=step, unit=unit, title="Window" if top else None)
        draw_fourier(axes[1], patch, taper=taper, step=step, unit=unit, title="Fourier" if top else None)
        found = patterson(patch, taper=taper, blank_center=blank_center, half=False)
        draw_patterson(axes[2], found, step=step, unit=unit, title="Patterson" if top else None)
        for ax in axes:
            ax.set_ylabel(None)
            if n < rows - 1:
                ax.set_xlabel(None)
        axes[0].set_ylabel(str(n), rotation=0, va="center", labelpad=8, fontsize=12, weight="bold")
        for spine in axes[0].spines.values():
            spine.set(visible=True, color=FRAMES[n % len(FRAMES)], linewidth=2.5)
    return figure


@styled
def blindness(tables):
    """What descriptors see of changes: one panel a specimen, grey where they are blind.

    In every cell the visibility of the change, and below it the ratio of the distances.

    Parameters
    ----------
    tables : dict of str to dict of str to DataFrame
        Title of the panel -> name of the descriptor -> table of `atomlens.descriptors.blindness`.

    Returns
    -------
    Figure

    Examples
    --------
    >>> seen = {"visibility": [0.5, 1.0], "ratio": [1.0, 7.0], "blind": [True, False]}
    >>> figure = blindness({"crystal": {"windows": pd.DataFrame(seen, index=["shift", "turn"])}})
    >>> [text.get_text().split() for text in figure.axes[0].texts]
    [['0.50', '×', '1.0'], ['1.00', '×', '7.0']]
    """
    most = max(len(panel) for panel in tables.values())
    figure, axes = new_figure(
        1, len(tables), size=(5.2 * len(tables) + 0.4, 0.62 * most + 1.1), squeeze=False
    )
    for ax, (title, panel) in zip(axes[0], tables.items(), strict=True):
        found = pd.concat(panel, names=["descriptor"])
        changes = list(dict.fromkeys(found.index.get_level_values(1)))
        seen = pd.DataFrame({name: one.visibility.where(~one.blind) for name, one in panel.items()}).T[
            changes
        ]
        ax.set_facecolor("#E4E4E4")
        ax.imshow(seen, cmap="YlOrBr", vmin=0.6, vmax=1.15, aspect="auto")
        for (name, change), row in found.iterrows():
            ratio = f"{row.ratio:.{1 if row.ratio < 10 else 0}f}"
            ax.text(
                changes.index(change), list(panel).index(name), f"{row.visibility:.2f}\n× {ratio}",
                ha="center", va="center", fontsize=9, color="#777777" if row.blind else "black",
                weight="normal" if row.blind else "bold",
            )  # fmt: skip
        ax.set_xticks(range(len(changes)), [name.replace(" ", "\n") for name in changes], fontsize=9)
        ax.set_yticks(range(len(panel)), list(panel), fontsize=9)
        ax.set_xticks(np.arange(1, len(changes)) - 0.5, minor=True)
        ax.set_yticks(np.arange(1, len(panel)) - 0.5, minor=True)
        ax.grid(which="minor", color="white", linewidth=2)
        ax.tick_params(which="both", length=0)
        ax.set_title(title)
        for spine in ax.spines.values():
            spine.set_visible(False)
    return figure


@styled
def component_maps(describe, features, model, *, image=None, title="Image"):
    """Maps of components over an image, and below each what the component looks like as a feature.

    Parameters
    ----------
    describe : WindowDescriptor
        Fitted; `features` are of the image that it saw last.
    features : array_like of shape (N, d)
    model : PCA, NMF or the like
        Fitted, with ``transform`` and ``components_``.
    image : DataArray or array_like of shape (H, W), optional
        Drawn to the left.
    title : str
        Heads the image.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from atomlens.descriptors import WindowDescriptor
    >>> from sklearn.decomposition import PCA
    >>> describe = WindowDescriptor(20, step=10)
    >>> features = describe.fit_transform(np.random.default_rng(0).random((60, 60)))
    >>> len(component_maps(describe, features, PCA(2).fit(features)).axes)
    4
    """
    maps = describe.map(model.transform(features))
    patterns = describe.inverse_image(model.components_)
    shares = getattr(model, "explained_variance_ratio_", None)
    count, extra = len(maps), image is not None
    figure = new_figure(size=(1.95 * count + 3.5 * extra, 3.7))[0]
    figure.clear()
    grid = figure.add_gridspec(2, count + extra, width_ratios=[1.9] * extra + [1] * count)
    table = describe.positions_
    unit = "nm" if "x_nm" in table else "px"
    step = float(np.ptp(table.x_nm) / np.ptp(table.x)) if unit == "nm" else 1.0
    if extra:
        _draw_smoothly(draw_image, figure.add_subplot(grid[:, 0]), image, title=title)
    draw_pattern = draw_patterson if describe.kind == "patterson" else draw_modulus
    for n in range(count):
        above, below = (figure.add_subplot(grid[k, n + extra]) for k in range(2))
        name = f"Component {n + 1}" if shares is None else f"{n + 1}: {shares[n]:.1%} of variance"
        draw_map(above, maps[n], title=name, colourbar=False)
        draw_pattern(below, patterns[n], step=step, unit=unit)
        if n or extra:
            above.set_ylabel(None)
            below.set_ylabel(None)
    return figure


@styled
def look_alikes(image, describe, row, found, distances, *, title="Image"):
    """A window and those that are most like it, framed in the image, and side by side.

    Parameters
    ----------
    image : array_like or DataArray of shape (H, W)
    describe : transformer with ``positions_`` and ``size_``
        Fitted to this image.
    row : int
        The window that was compared with.
    found, distances : array_like
        From `atomlens.descriptors.look_alikes`.
    title : str

    Returns
    -------
    Figure

    Examples
    --------
    >>> from atomlens import descriptors
    >>> image = np.random.default_rng(0).random((60, 60))
    >>> describe = descriptors.WindowDescriptor(20, step=10)
    >>> features = describe.fit_transform(image)
    >>> found = descriptors.look_alikes(features, 3, 2)
    >>> len(look_alikes(image, describe, 3, *found).axes)
    4
    """
    rows = [row, *found]
    table = describe.positions_.iloc[rows]
    columns = max(2, -(-len(rows) // 2))
    figure = new_figure(size=(3.6 + 1.35 * columns, 3.5))[0]
    figure.clear()
    grid = figure.add_gridspec(2, columns + 1, width_ratios=[2.3, *[1] * columns])
    whole = figure.add_subplot(grid[:, 0])
    _draw_smoothly(draw_image, whole, image, title=title)
    draw_windows(whole, image, table, describe.size_, numbers=True)
    headings = ["0: chosen", *(f"{n}: {d:.2f}" for n, d in enumerate(distances, 1))]
    for n, patch in enumerate(column_windows(image, table, describe.size_)):
        ax = figure.add_subplot(grid[n // columns, 1 + n % columns])
        _draw_smoothly(draw_patch, ax, patch, title=headings[n])
        ax.set(xticks=[], yticks=[], xlabel=None, ylabel=None)
        for spine in ax.spines.values():
            spine.set(visible=True, color=FRAMES[n % len(FRAMES)], linewidth=2.5)
    return figure


@styled
def pictures(rows, *, columns=None):
    """Rows of small pictures on one grey scale: mean sub-images, stacks of frames.

    Parameters
    ----------
    rows : dict of str to array_like of shape (n, h, w)
        Name of the row -> its pictures.
    columns : sequence of str, optional
        Headings.

    Returns
    -------
    Figure

    Examples
    --------
    >>> len(pictures({"one": np.random.default_rng(0).random((3, 5, 5))}).axes)
    3
    """
    count = max(len(some) for some in rows.values())
    figure, axes = new_figure(
        len(rows), count, size=(1.25 * count + 1.2, 1.3 * len(rows) + 0.3), squeeze=False
    )
    everything = np.concatenate([np.ravel(some) for some in rows.values()])
    low, high = np.percentile(everything, (0.5, 99.5))
    for line, (name, some) in zip(axes, rows.items(), strict=True):
        for ax, picture in zip(line, some, strict=False):
            ax.imshow(picture, cmap="gray", vmin=low, vmax=high)
            ax.set(xticks=[], yticks=[])
        for ax in line[len(some) :]:
            ax.remove()
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)
    for ax, heading in zip(axes[0], columns or (), strict=False):
        ax.set_title(heading)
    return figure


def _draw_smoothly(draw, *arguments, **options):
    """Draw with the pixels averaged: a lattice of which pixels are left out gets patterns of its own."""
    draw(*arguments, **options).set_interpolation("antialiased")
