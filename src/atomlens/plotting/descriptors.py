"""Descriptors: windows and their transforms, what is not seen, components, look-alikes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.patches import Rectangle

from atomlens._types import Any, ArrayLike, Axes, DataArray, DataFrame, Figure, Sequence, WindowDescriptor
from atomlens.patterson import patterson
from atomlens.plotting.drawing import (
    PAGE,
    SIGNED,
    along,
    as_map,
    beside,
    draw_image,
    draw_map,
    grey_limits,
    panels,
    styled,
)
from atomlens.plotting.latents import draw_crop
from atomlens.windows import column_windows, taper_window

FRAMES = ("#E69F00", "#56B4E9", "#CC79A7", "#009E73", "#F0E442", "#D55E00")  # seen on grey pictures
_REACH = 0.17  # cycles a pixel: beyond, columns a few pixels wide have nothing


def pixel_of(image):
    """Size of a pixel in the unit that the image is drawn in, and this unit."""
    image = as_map(image)
    if "x" in image.coords and image.sizes["x"] > 1:
        return float(image.x[1] - image.x[0]), image.x.attrs.get("units", "px")
    return 1.0, "px"


def _centred(values, step, unit, name="{}"):
    """Values over coordinates with 0 in the middle pixel; for odd and even sizes."""
    values = np.asarray(values)
    coords = {
        dim: (dim, (np.arange(n) - n // 2) * s, {"units": unit, "long_name": name.format(dim)})
        for dim, n, s in zip(("y", "x"), values.shape, np.broadcast_to(step, 2), strict=True)
    }
    return xr.DataArray(values, coords, ("y", "x"))


@styled
def draw_windows(
    ax: Axes,
    image: ArrayLike | DataArray,
    table: DataFrame,
    size: tuple[int, ...],
    *,
    colours: Sequence[str] = FRAMES,
    numbers: bool = False,
) -> list[Any]:
    """Frame windows in an image that is drawn already.

    Parameters
    ----------
    image : array_like or DataArray of shape (H, W)
        Its calibration decides whether the frames are drawn in nm or in pixels.
    table : DataFrame
        ``x``, ``y`` of the centres, in pixels.
    size : tuple of int
        (height, width) in pixels.
    colours : sequence of str
        One after the other, and again from the beginning.
    numbers : bool
        Number the frames from 0.

    Returns
    -------
    list of Rectangle

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> frames = draw_windows(ax, np.eye(40), pd.DataFrame({"x": [20.0], "y": [9.5]}), (10, 20))
    >>> frames[0].get_xy(), frames[0].get_width()
    ((np.float64(10.0), np.float64(4.5)), 20.0)
    """
    image = as_map(image)
    step, _ = pixel_of(image)
    start = [float(along(image, d)[0]) for d in ("x", "y")]
    height, width = (step * n for n in size)
    frames = []
    for n, (x, y) in enumerate(table[["x", "y"]].to_numpy()):
        corner = start[0] + step * x - width / 2, start[1] + step * y - height / 2
        colour = colours[n % len(colours)]
        frames.append(Rectangle(corner, width, height, fill=False, edgecolor=colour, linewidth=2.4))
        ax.add_patch(frames[-1])
        if numbers:
            place = corner[0] + 0.1 * width, corner[1] + 0.1 * height
            ax.text(*place, str(n), color="black", va="top", fontsize=12, weight="bold",
                    bbox={"facecolor": colour, "pad": 1.5, "edgecolor": "none"})  # fmt: skip
    return frames


@styled
def draw_patch(
    ax: Axes, patch: ArrayLike, *, step: float = 1.0, unit: str = "px", title: str | None = None
) -> Any:
    """Draw the pixels of a window.

    Parameters
    ----------
    patch : array_like of shape (h, w)
    step, unit : float, str
        Size of a pixel.

    Returns
    -------
    AxesImage

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> draw_patch(ax, np.eye(8), step=0.02, unit="nm").get_array().shape
    (8, 8)
    """
    return draw_image(ax, _centred(patch, step, unit), title=title)


@styled
def draw_fourier(
    ax: Axes,
    patch: ArrayLike,
    *,
    taper: str | None = "hann",
    step: float = 1.0,
    unit: str = "px",
    title: str | None = None,
) -> Any:
    """Draw the modulus of the Fourier transform of a window, as its logarithm, to a sixth of a cycle a pixel.

    Parameters
    ----------
    ax, patch, step, unit, title
        As for `draw_patch`.
    taper : {"hann", None}

    Returns
    -------
    AxesImage

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> draw_fourier(ax, np.eye(24)).get_array().shape
    (9, 9)
    """
    patch = np.asarray(patch, dtype=float)
    tapered = (patch - patch.mean()) * taper_window(patch.shape, taper)
    modulus = np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(tapered))) / max(tapered.std(), 1e-12))
    shown = _low_frequencies(modulus, step, unit)
    # Half of the values are noise: let them be dark.
    return draw_map(ax, shown, title=title, cmap="magma", colourbar=False, vmin=float(shown.median()))


@styled
def draw_patterson(
    ax: Axes, function: ArrayLike, *, step: float = 1.0, unit: str = "px", title: str | None = None
) -> Any:
    """Draw a Patterson function or a part of one: red where it is positive, blue where negative.

    Parameters
    ----------
    ax, step, unit, title
        As for `draw_patch`.
    function : array_like of shape (h, w)
        Whole, the origin at [h // 2, w // 2].

    Returns
    -------
    AxesImage

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> draw_patterson(ax, np.eye(8) - 0.5).get_clim()
    (-0.5, 0.5)
    """
    shown = _centred(function, step, unit, "$r_{}$")
    # The peak at the origin, where it is not blanked, would take all colours.
    height, width = shown.shape
    away = np.hypot(*np.ogrid[-(height // 2) : height - height // 2, -(width // 2) : width - width // 2])
    return _draw_signed(ax, shown, shown.values[away > min(height, width) / 8], title)


@styled
def draw_modulus(ax, modulus, *, step=1.0, unit="px", title=None):
    """Draw Fourier moduli as features, k = 0 at [h // 2, w // 2], to a sixth of a cycle a pixel."""
    shown = _low_frequencies(modulus, step, unit)
    return _draw_signed(ax, shown, shown.values, title)


def _draw_signed(ax, shown, values, title):
    """Red where it is positive, blue where negative; the largest of the values ends the colours."""
    limit = float(np.abs(values).max(initial=0) or np.abs(shown).max() or 1)
    return draw_map(ax, shown, title=title, cmap=SIGNED, colourbar=False, vmin=-limit, vmax=limit)


def _low_frequencies(transform, step, unit):
    """The middle of a transform over its frequencies."""
    transform = np.asarray(transform)
    shown = _centred(transform, 1 / (np.array(transform.shape) * step), f"1/{unit}", "$k_{}$")
    rows, columns = (np.abs(np.arange(n) - n // 2) <= max(_REACH * n, 1) for n in transform.shape)
    return shown[rows, columns]


def _frame(ax, n):
    """Put the frame of a window around its picture."""
    ax.spines[:].set(visible=True, color=FRAMES[n % len(FRAMES)], linewidth=3)


@styled
def window_transforms(
    image: DataArray | ArrayLike,
    table: DataFrame,
    size: tuple[int, ...],
    *,
    taper: str | None = "hann",
    blank_center: float = 0.0,
) -> Figure:
    """Windows framed in an image; beside it each one, its Fourier transform and its Patterson function.

    Parameters
    ----------
    table : DataFrame
        ``x``, ``y`` of the centres of the windows, in pixels.
    size : tuple of int
        (height, width) in pixels.
    taper, blank_center
        As for `atomlens.patterson.patterson`.

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
def blindness(tables: dict[str, Any]) -> Figure:
    """What descriptors see of changes: one panel a specimen, grey where they are blind.

    In every cell the visibility of the change, and below it the ratio of the distances.

    Parameters
    ----------
    tables : dict of str to dict of str to DataFrame
        Title of the panel -> name of the descriptor -> table of `atomlens.descriptors.blindness`.

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
def component_maps(
    describe: WindowDescriptor,
    features: ArrayLike,
    model: Any,
    *,
    image: DataArray | ArrayLike | None = None,
    title: str = "Image",
) -> Figure:
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
def look_alikes(
    image: DataArray | ArrayLike,
    describe: Any,
    row: int,
    found: ArrayLike,
    distances: ArrayLike,
    *,
    title: str = "Image",
) -> Figure:
    """A window and those that are most like it, framed in the image, and side by side.

    Parameters
    ----------
    describe : transformer with ``positions_`` and ``size_``
        Fitted to this image.
    row : int
        The window that was compared with.
    found, distances : array_like
        From `atomlens.descriptors.look_alikes`.
    title : str

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
def pictures(rows: dict[str, Any], *, columns: Sequence[str] | None = None) -> Figure:
    """Rows of small pictures on one grey scale: mean sub-images, stacks of frames.

    Parameters
    ----------
    rows : dict of str to array_like of shape (n, h, w)
        Name of the row -> its pictures, as many in each.
    columns : sequence of str, optional
        Headings.

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
