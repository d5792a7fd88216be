"""Defects in time: tracks over an image, displacements, transition matrices, classes of sub-images."""

from __future__ import annotations

import io

import numpy as np

from atomlens._types import Any, ArrayLike, Axes, DataArray, DataFrame, Figure, Sequence
from atomlens.plotting.drawing import (
    GREY,
    GREYS,
    as_map,
    colour_of,
    draw_image,
    grey_limits,
    new_figure,
    panels,
    place_columns,
    smooth,
    styled,
)

__all__ = ["animation", "class_means", "displacements", "draw_tracks", "matrices", "state_sequences"]

_GIF_MS, _GIF_SIDE, _GIF_GREYS = 150, 300, 24  # milliseconds a frame, pixels along the longer side, colours


@styled
def draw_tracks(
    ax: Axes,
    image: DataArray | ArrayLike,
    tracks: DataFrame,
    *,
    by: str | None = None,
    until: int | None = None,
    title: str | None = None,
) -> list[Any]:
    """Draw an image, and the paths of particles over it.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
    tracks : DataFrame
        ``frame``, ``particle``, ``x``, ``y`` in pixels.
    by : str, optional
        Column whose last value gives the colour of a path; every particle has its own without it.
    until : int, optional
        Last frame that is drawn; a dot marks who is there.

    Returns
    -------
    list of Line2D
        One a path.

    Examples
    --------
    >>> from atomlens import simulate
    >>> from atomlens.plotting import new_figure
    >>> sample = simulate.movies.hopping(3, n_frames=4, shape=(64, 64), hop=0.2)
    >>> figure, ax = new_figure()
    >>> len(draw_tracks(ax, sample.data[0], sample.truth)) == sample.truth.particle.nunique()
    True
    """
    draw_image(ax, image, title=title)
    shown = tracks if until is None else tracks[tracks["frame"] <= until]
    values = sorted(tracks[by].dropna().unique()) if by else []
    axes = place_columns(shown, as_map(image))
    lines = []
    for number, (particle, path) in enumerate(shown.sort_values("frame").groupby("particle")):
        colour = colour_of(values.index(path[by].iloc[-1]) if by else number)
        lines += ax.plot(*path[axes].to_numpy().T, color=colour, lw=1.3)
        lines[-1].set_gid(str(particle))
        if until is None or path["frame"].iloc[-1] == until:
            ax.plot(*path[axes].iloc[-1], "o", color=colour, ms=4.5)
    return lines


@styled
def displacements(curve: DataFrame, lines: dict[str, float] | None = None, *, noise: float = 0.0) -> Figure:
    """Mean-square displacement against time, and what diffusion coefficients would give.

    Parameters
    ----------
    curve : DataFrame
        As `dynamics.msd` gives it.
    lines : dict of str to float, optional
        Diffusion coefficients by name, in units of the curve.
    noise : float
        Standard deviation of places along an axis: all lines begin at four times its square.

    Examples
    --------
    >>> from atomlens import dynamics, simulate
    >>> sample = simulate.movies.tracks(20, n_frames=40, diffusion=2e-3)
    >>> displacements(dynamics.msd(sample.truth, dt=1.0), {"planted": 2e-3}).axes[0].get_xlabel()
    'time (s)'
    """
    figure, [ax] = panels(1, width=5.6, height=0.6)
    timed = "lag_s" in curve
    time = curve["lag_s" if timed else "lag"].to_numpy()
    ax.errorbar(
        time, curve["msd"], curve["msd_err"], fmt="o", color="#222222", capsize=2, lw=1, label="measured"
    )
    for n, (name, coefficient) in enumerate((lines or {}).items()):
        along = np.array([0, time.max()])
        ax.plot(along, 4 * noise**2 + 4 * coefficient * along, color=colour_of(n), label=name)
    unit = curve.attrs.get("unit", "nm²")
    ax.set(xlabel=f"time ({'s' if timed else 'frames'})", ylabel=f"mean-square displacement ({unit})")
    ax.set(xlim=(0, None), ylim=(0, None))
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure


@styled
def matrices(matrices: dict[str, Any], states: Sequence[Any] | None = None) -> Figure:
    """Transition matrices side by side, with intervals where they are known.

    Parameters
    ----------
    matrices : dict
        By title: an array of shape (K, K), or what `dynamics.transitions` returns.
    states : sequence, optional
        Names of the states; those of the first result by default.

    Examples
    --------
    >>> len(matrices({"planted": np.eye(3), "found": np.full((3, 3), 1 / 3)}).axes)
    2
    """
    if states is None:
        named = next((m for m in matrices.values() if hasattr(m, "states")), None)
        states = named.states if named is not None else range(len(next(iter(matrices.values()))))
    intervals = any(hasattr(result, "low") for result in matrices.values())
    per_row, width = (2, 5.2) if intervals and len(states) > 3 else (3, 3.3)  # room for them
    figure, axes = panels(len(matrices), per_row=per_row, width=width)
    for ax, (title, result) in zip(axes, matrices.items(), strict=True):
        values = np.asarray(getattr(result, "matrix", result), dtype=float)
        ax.imshow(values, cmap="Blues", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(values):
            text = "?" if np.isnan(value) else f"{value:.2f}"
            if hasattr(result, "low") and not np.isnan(value):
                text += f"\n{result.low[row, column]:.2f}–{result.high[row, column]:.2f}"
            ax.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                color="white" if value > 0.6 else "#222222",
                fontsize=8.5,
            )
        ticks = range(len(states))
        ax.set(
            xticks=ticks,
            yticks=ticks,
            xticklabels=states,
            yticklabels=states,
            title=title,
            xlabel="next frame",
        )
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    axes[0].set_ylabel("this frame")
    return figure


@styled
def class_means(means: DataArray | ArrayLike, names: Sequence[str] | None = None) -> Figure:
    """Mean sub-image of every class.

    Parameters
    ----------
    means : array_like of shape (K, h, w), or DataArray
    names : sequence of str, optional

    Examples
    --------
    >>> len(class_means(np.zeros((3, 9, 9)), ["a", "b", "c"]).axes)
    3
    """
    values = np.asarray(means, dtype=float)
    names = [f"class {n}" for n in range(len(values))] if names is None else list(names)
    figure, axes = panels(len(values), per_row=6, width=1.7)
    limits = grey_limits(values)
    for ax, picture, name in zip(axes, values, names, strict=True):
        if hasattr(means, "coords") and "x" in means.coords:
            drawn = draw_image(ax, means[names.index(name)])
            drawn.set_clim(*limits)
        else:
            smooth(ax.imshow(picture, cmap=GREYS, vmin=limits[0], vmax=limits[1]))
        ax.set(xticks=[], yticks=[], title=name)
        ax.set_axis_off()
    return figure


@styled
def state_sequences(tracks: DataFrame, *, by: str = "label", most: int = 30) -> Figure:
    """Classes of the longest tracks along time, a row each; gaps stay white.

    Parameters
    ----------
    tracks : DataFrame
        ``frame``, ``particle``, and the column `by`.
    by : str
    most : int
        Tracks that are drawn, the longest first.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.movies.tracks(5, n_frames=30)
    >>> state_sequences(sample.truth, by="state").axes[0].get_xlabel()
    'frame'
    """
    figure, [ax] = panels(1, width=7.5, height=0.45)
    names = sorted(tracks[by].dropna().unique())
    order = tracks.groupby("particle").size().sort_values(ascending=False, kind="stable").index[:most]
    for row, particle in enumerate(order):
        path = tracks[tracks["particle"] == particle]
        colours = [colour_of(names.index(v)) if v in names else GREY for v in path[by]]
        ax.bar(path["frame"], 0.8, width=1.0, bottom=row, color=colours, linewidth=0)
    for n, name in enumerate(names):
        ax.bar(0, 0, color=colour_of(n), label=str(name))
    ax.set(
        xlabel="frame",
        ylabel="track",
        yticks=[],
        xlim=(tracks["frame"].min() - 0.5, tracks["frame"].max() + 0.5),
    )
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure


@styled
def animation(
    movie: DataArray | ArrayLike, tracks: DataFrame | None = None, *, by: str | None = None, tail: int = 12
) -> bytes:
    """A short film of a movie and its tracks, which plays without a kernel.

    Parameters
    ----------
    movie : array_like of shape (T, H, W), or DataArray
    tracks : DataFrame, optional
        Paths of the last `tail` frames are drawn behind every particle.
    by : str, optional
        Column that gives the colour, as for `draw_tracks`.
    tail : int
        In frames.

    Returns
    -------
    bytes
        A GIF; ``notebook.show_film`` displays it.

    Raises
    ------
    ValueError
        If the movie has other than three axes, or no frame.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.movies.hopping(2, n_frames=3, shape=(64, 64))
    >>> animation(sample.data, sample.truth)[:3]
    b'GIF'
    """
    from PIL import Image

    values = np.asarray(movie, dtype=float)
    if values.ndim != 3 or not len(values):
        raise ValueError(f"a film takes frames (time, y, x), got shape {values.shape}")
    low, high = grey_limits(values)
    height, width = values.shape[1:]
    zoom = _GIF_SIDE / max(height, width) / 100
    figure, ax = new_figure(size=(width * zoom, height * zoom))
    figure.set_layout_engine("none")
    ax.set_position([0, 0, 1, 1])
    pictures = []
    names = sorted(tracks[by].dropna().unique()) if tracks is not None and by else []
    for t, frame in enumerate(values):
        ax.clear()
        ax.set_axis_off()
        ax.imshow(frame, cmap=GREYS, vmin=low, vmax=high, aspect="auto")
        if tracks is not None:
            recent = tracks[(tracks["frame"] <= t) & (tracks["frame"] > t - tail)].sort_values("frame")
            for number, path in recent.groupby("particle"):
                colour = colour_of(names.index(path[by].iloc[-1]) if names else int(number))
                ax.plot(path["x"], path["y"], color=colour, lw=1.5)
                if path["frame"].iloc[-1] == t:
                    ax.plot(
                        path["x"].iloc[-1], path["y"].iloc[-1], "o", mfc="none", mec=colour, ms=8, mew=1.5
                    )
        ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        raw = io.BytesIO()
        figure.savefig(raw, format="png", dpi=100)
        pictures.append(Image.open(raw).convert("RGB").quantize(_GIF_GREYS, dither=Image.Dither.NONE))
    out = io.BytesIO()
    pictures[0].save(
        out, format="GIF", save_all=True, append_images=pictures[1:], duration=_GIF_MS, loop=0, optimize=True
    )
    return out.getvalue()
