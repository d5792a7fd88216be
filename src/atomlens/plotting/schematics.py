"""Pictures of ideas, drawn by code in one style: what goes in, what happens to it, what comes out."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from atomlens._types import Any, ArrayLike, Axes, Figure
from atomlens.plotting.drawing import CLUSTER_COLOURS, PAGE, new_figure, styled

__all__ = [
    "descriptors_schematic",
    "draw_boundary",
    "kmeans_steps",
    "pipeline_schematic",
    "unet_schematic",
    "vae_schematic",
]

BLUE, ORANGE, GREEN, PINK = CLUSTER_COLOURS[:4]
_INK = "#333333"
_BEYOND = -1e-6  # points on the boundary are at zero, give or take what a solver leaves
_FINE = 200  # points a side, at which a decision function is drawn


# Parts ---------------------------------------------------------------------------------------------------


def _stage(height):
    """A blank page: an axes without axes, in inches."""
    figure, ax = new_figure(size=(PAGE, height))
    ax.set(xlim=(0, PAGE), ylim=(0, height), aspect="equal")
    ax.set_axis_off()
    return figure, ax


def _box(ax, x, y, width, height, text="", colour=BLUE, size=9.5):
    """A rounded box around a middle, filled lightly, with words in it."""
    left, low = x - width / 2, y - height / 2
    for fill, alpha in ((colour, 0.16), ("none", 1)):
        edge = colour if fill == "none" else "none"
        ax.add_patch(
            FancyBboxPatch(
                (left, low), width, height, boxstyle="round,pad=0,rounding_size=0.08",
                facecolor=fill, edgecolor=edge, alpha=alpha, linewidth=1.6,
            )
        )  # fmt: skip
    ax.text(x, y, text, ha="center", va="center", fontsize=size, color=_INK)


def _arrow(ax, start, end, text="", *, bend=0.0, colour=_INK, dashed=False):
    """An arrow, and words over its middle."""
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=12, color=colour, linewidth=1.5,
            linestyle=(0, (4, 2)) if dashed else "-", shrinkA=0, shrinkB=0,
            connectionstyle=f"arc3,rad={bend}",
        )
    )  # fmt: skip
    middle = np.mean([start, end], axis=0)
    ax.text(middle[0], middle[1] + 0.1, text, ha="center", va="bottom", fontsize=9, color=_INK)


def _picture(ax, values, x, y, side, text="", cmap="gray"):
    """A small picture around a middle, with words below."""
    extent = (x - side / 2, x + side / 2, y - side / 2, y + side / 2)
    ax.imshow(values, cmap=cmap, extent=extent, interpolation="nearest", zorder=2, aspect="auto")
    ax.add_patch(Rectangle((extent[0], extent[2]), side, side, fill=False, edgecolor=_INK, linewidth=0.8))
    ax.text(x, extent[2] - 0.1, text, ha="center", va="top", fontsize=9, color=_INK)


def _crystal(rows=5, columns=6):
    """Places of a small drawn crystal whose middle column is missing; neighbours are 1 apart."""
    x, y = np.meshgrid(np.arange(columns, dtype=float), np.arange(rows) * np.sqrt(3) / 2)
    x[1::2] += 0.5
    return np.column_stack([x.ravel(), y.ravel()])


# Networks ------------------------------------------------------------------------------------------------


@styled
def unet_schematic(image: ArrayLike, probability: ArrayLike) -> Figure:
    """A U-Net, and what it maps: an image to the probability that a pixel belongs to a column.

    Parameters
    ----------
    image : array-like of shape (H, W)
        What goes in; a small part of an image shows best.
    probability : array-like of shape (H, W)
        What comes out.

    Returns
    -------
    Figure

    Notes
    -----
    Ronneberger, Fischer and Brox, U-Net, MICCAI 2015; for atoms, Ziatdinov and others, ACS Nano 11, 12742
    (2017).

    Examples
    --------
    >>> import numpy as np
    >>> unused = unet_schematic(np.eye(8), np.eye(8))
    """
    figure, ax = _stage(3.55)
    middle, sides, heights = 2.0, (2.45, 3.25, 4.05), (1.7, 1.2, 0.75)
    _picture(ax, np.asarray(image), 0.85, middle, 1.4, "image")
    _picture(ax, np.asarray(probability), PAGE - 0.85, middle, 1.4, "probability", cmap="cividis")
    bottom = PAGE / 2
    for n, (x, height) in enumerate(zip(sides, heights, strict=True)):
        for at, colour in ((x, BLUE), (PAGE - x, ORANGE)):
            _box(ax, at, middle, 0.28 + 0.12 * n, height, colour=colour)
        top = middle + height / 2
        _arrow(
            ax, (x, top + 0.04), (PAGE - x, top + 0.04), bend=-0.09 + 0.02 * n, colour="#888888", dashed=True
        )
    _box(ax, bottom, middle, 0.8, 0.42, colour=GREEN)
    _arrow(ax, (1.62, middle), (2.26, middle))
    _arrow(ax, (PAGE - 2.26, middle), (PAGE - 1.62, middle))
    for left, right in zip((*sides, bottom), (*sides[1:], bottom), strict=False):
        if left < right:
            gap = 0.27, 0.33 if right < bottom else 0.45
            _arrow(ax, (left + gap[0], middle), (right - gap[1], middle))
            _arrow(ax, (PAGE - right + gap[1], middle), (PAGE - left - gap[0], middle))
    for x, words, colour in (
        (3.25, "halve the pixels,\nsee further", BLUE),
        (bottom, "what is\naround", GREEN),
        (PAGE - 3.25, "double the pixels,\nsay where", ORANGE),
    ):
        ax.text(x, 0.55, words, ha="center", va="center", fontsize=9.5, color=colour, fontweight="bold")
    ax.text(bottom, 3.42, "fine detail is handed across", ha="center", va="top", fontsize=9, color="#666666")
    return figure


@styled
def vae_schematic(window: ArrayLike, reconstruction: ArrayLike, *, n_latent: int = 2) -> Figure:
    """A variational autoencoder with a shift: the place goes one way, what varies another.

    Parameters
    ----------
    window : array-like of shape (H, W)
        What goes in.
    reconstruction : array-like of shape (H, W)
        What comes out.
    n_latent : int
        Latents that are drawn.

    Returns
    -------
    Figure

    Notes
    -----
    Bepler and others, NeurIPS 2019; Kingma and Welling, ICLR 2014.

    Examples
    --------
    >>> import numpy as np
    >>> unused = vae_schematic(np.eye(8), np.eye(8), n_latent=3)
    """
    figure, ax = _stage(3.2)
    middle = 1.75
    _picture(ax, np.asarray(window), 0.85, middle, 1.4, "window")
    _picture(ax, np.asarray(reconstruction), PAGE - 0.85, middle, 1.4, "reconstruction")
    _box(ax, 2.75, middle, 1.1, 1.5, "encoder", BLUE)
    _box(ax, 7.65, middle, 1.1, 1.5, "decoder", ORANGE)
    _arrow(ax, (1.6, middle), (2.15, middle))
    _arrow(ax, (8.25, middle), (PAGE - 1.6, middle))
    high, low = middle + 0.85, middle - 0.5
    _box(ax, 4.55, high, 1.3, 0.5, "shift  Δx, Δy", PINK)
    _box(ax, 6.1, high, 0.95, 0.5, "grid r − Δ", PINK)
    for n in range(n_latent):
        _box(
            ax, 4.55, low + 0.27 * (n_latent - 1) - 0.54 * n, 1.3, 0.44, f"latent  μ{n + 1}, σ{n + 1}", GREEN
        )
    _box(ax, 6.1, low, 0.95, 0.5, "z = μ + σ ε", GREEN)
    for at in (high, low):
        _arrow(ax, (3.35, middle + (0.4 if at > middle else -0.3)), (3.85, at))
        _arrow(ax, (5.25, at), (5.58, at))
        _arrow(ax, (6.62, at), (7.05, middle + (0.4 if at > middle else -0.3)))
    ax.text(5.3, 3.12, "where it is", ha="center", va="top", fontsize=9.5, color=PINK, fontweight="bold")
    ax.text(5.3, 0.08, "what it is: drawn anew each time, and asked to stay near 0", ha="center", va="bottom",
            fontsize=9.5, color=GREEN, fontweight="bold")  # fmt: skip
    return figure


# From pixels to rows of numbers --------------------------------------------------------------------------


@styled
def descriptors_schematic() -> Figure:
    """Four ways from a picture to rows of numbers: windows, neighbours, sub-images, stacks in time.

    Returns
    -------
    Figure

    Examples
    --------
    >>> len(descriptors_schematic().axes)
    4
    """
    figure, axes = new_figure(1, 4, size=(PAGE, 3.3))
    places = _crystal()
    middle = int(np.argmin(np.hypot(*(places - (2.5, 2 * np.sqrt(3) / 2)).T)))
    titles = ("window", "neighbours", "sub-image", "time-delayed stack")
    rows = ("one row a place on a grid", "one row a column", "one row a column", "one row a place and a time")
    for ax, title, words in zip(axes, titles, rows, strict=True):
        ax.set(aspect="equal", xlim=(-0.9, 6.4), ylim=(-2.1, 4.6), title=title)
        ax.set_axis_off()
        ax.text(2.75, -1.9, words, ha="center", fontsize=9.5, color=_INK)
        if ax is not axes[3]:
            ax.scatter(*places.T, s=46, color="#9A9A9A", linewidths=0)
    for x, y in ((0.3, 0.2), (1.3, 0.2), (2.3, 0.2), (1.8, 1.4)):
        axes[0].add_patch(Rectangle((x, y), 2.2, 2.0, fill=False, edgecolor=BLUE, linewidth=1.6))
    axes[0].text(5.2, -0.9, "anywhere", ha="right", fontsize=9, color=BLUE)
    x, y = places[middle]
    axes[1].scatter(x, y, s=60, color=ORANGE, zorder=3)
    near = places[np.argsort(np.hypot(*(places - (x, y)).T))[1:7]]
    for there in near:
        _arrow(axes[1], (x, y), tuple(there), colour=ORANGE)
    axes[2].scatter(x, y, s=60, color=GREEN, zorder=3)
    axes[2].add_patch(Rectangle((x - 1.2, y - 1.2), 2.4, 2.4, fill=False, edgecolor=GREEN, linewidth=1.6))
    axes[2].plot([x - 1.2, x + 1.2], [y, y], color=GREEN, linewidth=0.8)
    axes[2].plot([x, x], [y - 1.2, y + 1.2], color=GREEN, linewidth=0.8)
    for n, shift in enumerate((0.0, 0.55, 1.1)):
        corner = (0.1 + shift * 1.6, -0.3 + shift * 1.5)
        axes[3].add_patch(
            Rectangle(corner, 3.3, 2.5, facecolor="white", edgecolor="#9A9A9A", zorder=3 - n, linewidth=1)
        )
        axes[3].add_patch(
            Rectangle((corner[0] + 1, corner[1] + 0.7), 1.1, 1.0, facecolor="#F3DDEB", edgecolor=PINK,
                      zorder=3.5 - n, linewidth=1.6)
        )  # fmt: skip
        axes[3].text(
            corner[0] + 3.4, corner[1] + 0.1, ("t", "t − 1", "t − 2")[n], fontsize=9, color=PINK, zorder=4
        )
    return figure


@styled
def pipeline_schematic(image: ArrayLike, columns: ArrayLike, labels: ArrayLike) -> Figure:
    """From an image to a table of columns to phases, with what was measured.

    Parameters
    ----------
    image : array-like of shape (H, W)
    columns : array-like of shape (N, 2)
        x and y of the columns, in pixels.
    labels : array-like of int, shape (N,)
        Phase of every column.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If there are not as many labels as columns.

    Examples
    --------
    >>> import numpy as np
    >>> steps = pipeline_schematic(np.eye(8), [[1, 1], [5, 5]], [0, 1])
    >>> [ax.get_title("left") for ax in steps.axes]
    ['image', 'table', 'phases']
    """
    places, labels = np.asarray(columns, float), np.asarray(labels, int)
    if len(places) != len(labels):
        raise ValueError(f"{len(labels)} labels do not fit {len(places)} columns: give one for each")
    figure, (left, middle, right) = new_figure(1, 3, size=(PAGE, 3.4), width_ratios=[1, 0.85, 1])
    for ax, title in ((left, "image"), (middle, "table"), (right, "phases")):
        ax.set_title(title)
        ax.set_axis_off()
    left.imshow(image, cmap="gray")
    right.imshow(image, cmap="gray", alpha=0.35)
    colours = np.array(CLUSTER_COLOURS)[labels % len(CLUSTER_COLOURS)]
    right.scatter(*places.T, s=16, c=colours, linewidths=0)
    shown = [[f"{x:.1f}", f"{y:.1f}", str(n)] for (x, y), n in zip(places[:7], labels[:7], strict=True)]
    table = middle.table(
        [*shown, ["…", "…", "…"]], colLabels=["x (px)", "y (px)", "phase"], loc="center", cellLoc="center"
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.scale(0.86, 1.35)
    for cell in table.get_celld().values():
        cell.set(edgecolor="#CCCCCC", linewidth=0.8)
    for ax, words in ((left, "find"), (middle, "compare")):
        ax.annotate(
            "", (1.13, 0.5), (0.99, 0.5), "axes fraction",
            arrowprops={"arrowstyle": "-|>", "color": _INK, "linewidth": 1.6}, annotation_clip=False,
        )  # fmt: skip
        ax.text(1.06, 0.56, words, transform=ax.transAxes, ha="center", va="bottom", fontsize=9, color=_INK)
    return figure


# Clusters and boundaries ---------------------------------------------------------------------------------


@styled
def kmeans_steps(points: ArrayLike, centers: ArrayLike, *, steps: int = 3) -> Figure:
    """k-means step by step: every point goes to its nearest centre, every centre to the mean of its points.

    Parameters
    ----------
    points : array-like of shape (N, 2)
    centers : array-like of shape (k, 2)
        Where the centres begin.
    steps : int
        How often both are done; the panels show each half of a step.

    Returns
    -------
    Figure
        A panel with the beginning, and one after each step.

    Raises
    ------
    ValueError
        If points or centres are not in a plane.

    Notes
    -----
    Lloyd, IEEE Transactions on Information Theory 28, 129 (1982).

    Examples
    --------
    >>> drawn = kmeans_steps([[0, 0], [0, 1], [5, 0], [5, 1]], [[0, 0], [1, 0]], steps=2)
    >>> [ax.get_title("left") for ax in drawn.axes]
    ['start', 'step 1', 'step 2']
    """
    points, centers = np.asarray(points, float), np.array(centers, float)
    if points.ndim != 2 or points.shape[1] != 2 or centers.ndim != 2 or centers.shape[1] != 2:
        raise ValueError(f"points and centers must have two columns, got {points.shape} and {centers.shape}")
    colours = np.array(CLUSTER_COLOURS)
    figure, axes = new_figure(1, steps + 1, size=(PAGE, PAGE / (steps + 1) + 0.35), sharex=True, sharey=True)
    for n, ax in enumerate(axes):
        ax.set(title="start" if n == 0 else f"step {n}", xticks=[], yticks=[])
        if n == 0:
            ax.scatter(*points.T, s=12, color="#9A9A9A", linewidths=0)
        else:
            nearest = np.linalg.norm(points[:, None] - centers[None], axis=2).argmin(axis=1)
            ax.scatter(*points.T, s=12, c=colours[nearest % len(colours)], linewidths=0)
            before = centers.copy()
            for k in range(len(centers)):
                if (nearest == k).any():  # a centre without points stays where it is
                    centers[k] = points[nearest == k].mean(axis=0)
            for old, new in zip(before, centers, strict=True):
                if np.hypot(*(new - old)) > 0:
                    _arrow(ax, tuple(old), tuple(new))
        ax.scatter(*centers.T, s=130, marker="X", c=colours[np.arange(len(centers)) % len(colours)],
                   edgecolors="black", linewidths=1, zorder=4)  # fmt: skip
    return figure


@styled
def draw_boundary(ax: Axes, points: ArrayLike, detector: Any, *, title: str = "") -> None:
    """Draw what a one-class detector holds for usual: its decision function in a plane, zero at the boundary.

    Parameters
    ----------
    ax : Axes
    points : array-like of shape (N, 2)
        What the detector learnt from.
    detector : object
        Fitted in the plane, with a ``decision_function`` that is negative outside.
    title : str

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.svm import OneClassSVM
    >>> points = np.random.default_rng(0).normal(size=(60, 2))
    >>> _, ax = new_figure()
    >>> draw_boundary(ax, points, OneClassSVM(nu=0.1).fit(points), title="a crowd")
    >>> ax.get_title("left")
    'a crowd'
    """
    points = np.asarray(points, float)
    low, high = points.min(axis=0), points.max(axis=0)
    low, high = low - 0.15 * (high - low), high + 0.15 * (high - low)
    x, y = (np.linspace(a, b, _FINE) for a, b in zip(low, high, strict=True))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    value = detector.decision_function(grid).reshape(_FINE, _FINE)
    # Each side has its own scale: inside, the function rises far less than it falls outside.
    rise = np.where(value > 0, value / max(value.max(), 1e-12), -value / min(value.min(), -1e-12))
    ax.contourf(x, y, rise, levels=np.linspace(-1, 1, 13), cmap="PuOr", alpha=0.45)
    ax.contour(x, y, value, levels=[0], colors=[_INK], linewidths=2)
    outside = detector.decision_function(points) < _BEYOND
    ax.scatter(*points[~outside].T, s=16, color=BLUE, linewidths=0, label="usual")
    ax.scatter(*points[outside].T, s=30, color=CLUSTER_COLOURS[5], marker="x", label="outside")
    ax.set(title=title, xticks=[], yticks=[])
