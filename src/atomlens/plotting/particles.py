"""Particles on a surface: glyphs that show how each is turned, their angles, turns in time, and domains."""

from __future__ import annotations

from functools import cache

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.patheffects import withStroke

from atomlens._types import Any, ArrayLike, Axes, DataArray, DataFrame, Figure
from atomlens.plotting.drawing import (
    GREY,
    along,
    as_map,
    colour_of,
    draw_image,
    new_figure,
    styled,
)

__all__ = ["domain_growth", "draw_angles", "draw_particles", "turns"]

_LIGHTNESS, _CHROMA = 72, 46  # of CIELAB: colours of angles differ in hue only, so that none stands out
_BINS = 24


@cache
def angle_colours():
    """A circle of hues that are equally light."""
    from skimage.color import lab2rgb

    hue = 2 * np.pi * np.arange(256) / 256
    lab = np.column_stack([np.full(256, _LIGHTNESS), _CHROMA * np.cos(hue), _CHROMA * np.sin(hue)])
    return ListedColormap(np.clip(lab2rgb(lab[None])[0], 0, 1), "angles")


@styled
def draw_particles(
    ax: Axes,
    frame: DataArray | ArrayLike,
    table: DataFrame,
    *,
    symmetry: int,
    length: float = 9.0,
    title: str | None = None,
) -> Any:
    """Draw a frame, and over it each particle as a glyph with as many arms as it has equal directions.

    Parameters
    ----------
    frame : array_like of shape (H, W), or DataArray
    table : DataFrame
        ``x``, ``y`` (pixels), ``theta`` (degrees from x towards y).
    symmetry : int
        How often a particle repeats in a full turn.
    length : float
        Of an arm, pixels.

    Returns
    -------
    LineCollection
        One line an arm, coloured by the angle.

    Raises
    ------
    ValueError
        If a column is missing.

    Examples
    --------
    >>> from atomlens import simulate
    >>> from atomlens.plotting import new_figure
    >>> sample = simulate.particles.scattered("rod", coverage=0.1, shape=(64, 64))
    >>> figure, ax = new_figure()
    >>> len(draw_particles(ax, sample.data, sample.truth, symmetry=2).get_segments()) == 2 * len(sample.truth)
    True
    """
    if missing := [name for name in ("x", "y", "theta") if name not in table]:
        raise ValueError(f"the table lacks {', '.join(missing)}")
    draw_image(ax, frame, title=title)
    turned = table["theta"].to_numpy(float)[:, None] + 360 / symmetry * np.arange(symmetry)
    middle = np.broadcast_to(table[["x", "y"]].to_numpy(float)[:, None], (*turned.shape, 2))
    arm = length * np.stack([np.cos(np.radians(turned)), np.sin(np.radians(turned))], axis=-1)
    segments = on_image(frame, np.stack([middle, middle + arm], axis=2).reshape(-1, 2, 2))
    hue = np.repeat(np.mod(table["theta"].to_numpy(float), 360 / symmetry), symmetry) * symmetry / 360
    lines = LineCollection(segments, array=hue, cmap=angle_colours(), clim=(0, 1), linewidths=1.8)
    lines.set_path_effects([withStroke(linewidth=3.2, foreground="black")])  # on bright particles, too
    ax.add_collection(lines, autolim=False)
    return lines


def on_image(image, places):
    """Places in pixels (N, 2) in the unit in which an image is drawn."""
    image = as_map(image)
    axes = [along(image, dim).values.astype(float) for dim in ("x", "y")]
    first = np.array([axis[0] for axis in axes])
    step = np.array([(axis[-1] - axis[0]) / max(len(axis) - 1, 1) for axis in axes])
    return first + step * np.asarray(places, float)


@styled
def draw_angles(ax: Axes, table: DataFrame, *, symmetry: int, title: str | None = None) -> Any:
    """Draw how many particles are turned by which angle.

    Parameters
    ----------
    table : DataFrame
        With ``theta``, degrees.
    symmetry : int

    Returns
    -------
    BarContainer

    Examples
    --------
    >>> import pandas as pd
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> len(draw_angles(ax, pd.DataFrame({"theta": [3.0, 177.0]}), symmetry=2))
    24
    """
    period = 360 / symmetry
    counts, edges = np.histogram(np.mod(table["theta"], period), _BINS, (0, period))
    middles = (edges[:-1] + edges[1:]) / 2
    bars = ax.bar(middles, counts, width=period / _BINS, color=angle_colours()(middles / period), linewidth=0)
    ax.set(xlim=(0, period), xlabel="angle (degrees)", ylabel="particles", title=title or "")
    ax.set_xticks(np.linspace(0, period, 4))
    return bars


@styled
def turns(tracks: DataFrame, *, most: int = 60) -> Figure:
    """Draw by how much particles have turned since they were first seen.

    Parameters
    ----------
    tracks : DataFrame
        As of `particles.link`: ``frame``, ``particle``, ``turn`` (degrees).
    most : int
        Of the longest tracks that are drawn.

    Returns
    -------
    Figure
        Left the turns in time, right the distribution of steps, with a logarithmic axis.

    Examples
    --------
    >>> from atomlens import particles, simulate
    >>> truth = simulate.particles.assembly(n_frames=4, shape=(96, 96)).truth
    >>> len(turns(particles.link(truth.drop(columns="particle"), symmetry=2)).axes)
    2
    """
    figure, (left, right) = new_figure(1, 2, size=(10.4, 3.4))
    longest = tracks["particle"].value_counts(sort=True).index[:most]
    for number, particle in enumerate(longest):
        path = tracks[tracks["particle"] == particle].sort_values("frame")
        left.plot(path["frame"], path["turn"], color=colour_of(number), lw=0.9, alpha=0.8)
    left.set(xlabel="frame", ylabel="turned by (degrees)", title=f"The {len(longest)} longest tracks")
    left.locator_params(axis="x", integer=True)
    steps = tracks.sort_values("frame").groupby("particle")["turn"].diff().dropna().to_numpy()
    right.hist(steps, 61, color=GREY, log=True)
    right.set(xlabel="turn from frame to frame (degrees)", ylabel="steps", title="All steps")
    return figure


@styled
def domain_growth(table: DataFrame, *, least: int = 3) -> Figure:
    """Draw how many particles lie in domains, and how large the largest is, frame by frame.

    Parameters
    ----------
    table : DataFrame
        As of `particles.domains`, with ``frame``.
    least : int
        Particles that make a domain.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from atomlens import particles, simulate
    >>> truth = simulate.particles.assembly(n_frames=4, shape=(96, 96)).truth
    >>> found = particles.domains(truth, symmetry=2, reach=25)
    >>> len(domain_growth(found).axes)  # with the bar of colours
    3
    """
    figure, (left, right) = new_figure(1, 2, size=(10.4, 3.2))
    by_frame = table.groupby("frame")
    left.plot(by_frame.size(), color=GREY, label="all")
    left.plot(
        table[table["domain_size"] >= least].groupby("frame").size(), color=colour_of(0), label="in domains"
    )
    left.plot(by_frame["domain_size"].max(), color=colour_of(1), label="in the largest")
    left.set(xlabel="frame", ylabel="particles", ylim=(0, None))
    left.legend(loc="upper left")
    whole = table[table["domain_size"] >= least].drop_duplicates(["frame", "domain"])
    drawn = right.scatter(
        whole["frame"],
        whole["domain_theta"],
        s=4 * whole["domain_size"],
        c=whole["order"],
        cmap="viridis",
        vmin=0.8,
        vmax=1,
    )
    figure.colorbar(drawn, ax=right, label="order: 1 if all are turned alike")
    right.set(xlabel="frame", ylabel="mean angle (degrees)", title="Domains; area: particles")
    for ax in (left, right):
        ax.locator_params(axis="x", integer=True)
    return figure
