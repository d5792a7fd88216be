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
from atomlens.plotting._draw import PAGE, beside, draw_image, draw_map, grey_limits, panels, styled
from atomlens.plotting._latents import draw_crop
from atomlens.windows import column_windows


def _frame(ax, n):
    """Put the frame of a window around its picture."""
    ax.spines[:].set(visible=True, color=FRAMES[n % len(FRAMES)], linewidth=3)


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
    figure, whole, axes = beside(image, rows, 3, aspect=0.9)
    draw_image(whole, image, title="Image")
    draw_windows(whole, image, table, size, numbers=True)
    scale = dict(zip(("step", "unit"), pixel_of(image), strict=True))
    for n, patch in enumerate(column_windows(image, table, size)):
        window, fourier, function = axes[3 * n : 3 * n + 3]
        draw_patch(window, patch, **scale)
        draw_fourier(fourier, patch, taper=taper, **scale)
        found = patterson(patch, taper=taper, blank_center=blank_center, half=False)
        draw_patterson(function, found, **scale)
        window.set_ylabel(str(n), rotation=0, va="center", labelpad=10, fontsize=13, weight="bold")
        _frame(window, n)
    for ax, title in zip(axes[:3], ("Window", "Fourier", "Patterson"), strict=True):
        ax.set_title(title)
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
    width = min(5.2, PAGE / len(tables))
    figure, axes = panels(len(tables), width=width, height=(0.62 * most + 1.1) / width, extra=0)
    for ax, (title, panel) in zip(axes, tables.items(), strict=True):
        found = pd.concat(panel, names=["descriptor"])
        changes = list(dict.fromkeys(found.index.get_level_values(1)))
        seen = pd.DataFrame({name: one.visibility.where(~one.blind) for name, one in panel.items()})
        ax.set_facecolor("#E4E4E4")
        ax.imshow(seen.loc[changes].T, cmap="YlOrBr", vmin=0.6, vmax=1.15, aspect="auto")
        for (name, change), row in found.iterrows():
            look = {"color": "#666666"} if row.blind else {"color": "black", "weight": "bold"}
            ax.text(
                changes.index(change), list(panel).index(name),
                f"{row.visibility:.2f}\n× {row.ratio:.{1 if row.ratio < 10 else 0}f}",
                ha="center", va="center", fontsize=9, **look,
            )  # fmt: skip
        ax.set_xticks(range(len(changes)), [name.replace(" ", "\n") for name in changes], fontsize=9)
        ax.set_yticks(range(len(panel)), list(panel), fontsize=9)
        ax.set_xticks(np.arange(1, len(changes)) - 0.5, minor=True)
        ax.set_yticks(np.arange(1, len(panel)) - 0.5, minor=True)
        ax.grid(which="minor", color="white", linewidth=2)
        ax.tick_params(which="both", length=0)
        ax.set_title(title)
        ax.spines[:].set_visible(False)
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
    count = len(maps)
    if image is None:
        figure, axes = panels(2 * count, per_row=count, width=2.8)
    else:
        figure, whole, axes = beside(image, 2, count, extra=0.25)
        draw_image(whole, image, title=title)
    table = describe.positions_
    unit = "nm" if "x_nm" in table else "px"
    step = float(np.ptp(table.x_nm) / np.ptp(table.x)) if unit == "nm" else 1.0
    draw_pattern = draw_patterson if describe.kind == "patterson" else draw_modulus
    for n in range(count):
        name = f"Component {n + 1}" if shares is None else f"{n + 1}: {shares[n]:.1%} of variance"
        draw_map(axes[n], maps[n], title=name, colourbar=False)
        draw_pattern(axes[count + n], patterns[n], step=step, unit=unit)
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
    table = describe.positions_.iloc[[row, *found]]
    columns = max(2, -(-len(table) // 2))
    height, width = describe.size_
    figure, whole, axes = beside(image, 2, columns, aspect=height / width, extra=0.3)
    for ax in axes[len(table) :]:
        ax.remove()
    draw_image(whole, image, title=title)
    draw_windows(whole, image, table, describe.size_, numbers=True)
    headings = ["0: chosen", *(f"{n}: {d:.2f}" for n, d in enumerate(distances, 1))]
    for n, patch in enumerate(column_windows(image, table, describe.size_)):
        draw_crop(axes[n], patch, title=headings[n])
        _frame(axes[n], n)
    return figure


@styled
def pictures(rows, *, columns=None):
    """Rows of small pictures on one grey scale: mean sub-images, stacks of frames.

    Parameters
    ----------
    rows : dict of str to array_like of shape (n, h, w)
        Name of the row -> its pictures, as many in each.
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
    everything = np.array(list(rows.values()))
    limits = grey_limits(everything)
    count = everything.shape[1]
    figure, axes = panels(len(rows) * count, per_row=count, width=1.7, extra=0.1)
    for ax, picture in zip(axes, everything.reshape(-1, *everything.shape[2:]), strict=True):
        draw_crop(ax, picture, limits=limits)
    for ax, name in zip(axes[::count], rows, strict=True):
        ax.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)
    for ax, heading in zip(axes, columns or (), strict=False):
        ax.set_title(heading)
    return figure
