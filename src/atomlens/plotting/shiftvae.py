"""Figures of the shift-VAE: training, what the latents say, planes and maps, found against planted values."""

from __future__ import annotations

import numpy as np

from atomlens._types import Any, ArrayLike, DataArray, DataFrame, Figure, Mapping, Sequence
from atomlens.plotting.drawing import SIGNED, colour_of, draw_map, grey_limits, new_figure, panels, styled
from atomlens.plotting.latents import (
    as_manifold,
    draw_crop,
    draw_latent_map,
    draw_latents,
    draw_manifold,
    faint,
    plane,
    spoken,
)

_DARK = "#666666"


_SETTLED = 0.15  # of the epochs, at the beginning: their losses would take the whole axis


@styled
def training_history(history: DataFrame) -> Figure:
    """The loss of a training and the term that dominates it; beside them, enlarged, what the latents cost.

    Parameters
    ----------
    history : DataFrame
        ``history_`` of a `atomlens.shiftvae.ShiftVAE`.

    Examples
    --------
    >>> import pandas as pd
    >>> columns = ["epoch", "loss", "reconstruction", "kl_pose", "kl_content", "penalty"]
    >>> history = pd.DataFrame([[1, 9.0, 7.0, 1, 1, 0], [2, 5.0, 3.0, 1, 1, 0]], columns=columns)
    >>> len(training_history(history).axes)
    2
    """
    figure, (left, right) = new_figure(1, 2, size=(10.4, 3.6))
    epoch = history["epoch"]
    left.plot(epoch, history["loss"], color="black", label="loss")
    left.plot(epoch, history["reconstruction"], color=colour_of(0), linestyle="--", label="reconstruction")
    later = history.loc[epoch > _SETTLED * epoch.max(), ["loss", "reconstruction"]].to_numpy()
    low, high = later.min(), later.max()
    left.set_ylim(low - 0.06 * (high - low) - 1e-9, high + 0.12 * (high - low) + 1e-9)
    parts = {"kl_pose": ("KL, pose", 1), "kl_content": ("KL, content", 2), "penalty": ("penalty", 3)}
    for part, (name, colour) in parts.items():
        if history[part].any():
            right.plot(epoch, history[part], color=colour_of(colour), label=name)
    right.set_ylim(bottom=0)
    for ax, title in ((left, "Loss"), (right, "What the latents cost")):
        ax.set(xlabel="epoch", ylabel="nats a crop", title=title)
        ax.xaxis.get_major_locator().set_params(integer=True, nbins=6)
        ax.legend()
    return figure


@styled
def latent_bars(summary: DataFrame) -> Figure:
    """How much every latent says: its divergence from the prior, and how sharply it is known.

    Latents that have collapsed are grey and hatched; their posterior is as wide as the prior (dashed line).

    Parameters
    ----------
    summary : DataFrame
        ``summary_`` of a `atomlens.shiftvae.ShiftVAE`.

    Examples
    --------
    >>> import pandas as pd
    >>> summary = {"kl": [3.0, 0.01], "posterior_sd": [0.05, 0.99], "active": [True, False]}
    >>> len(latent_bars(pd.DataFrame(summary, index=["z1", "z2"])).axes)
    2
    """
    figure, axes = new_figure(1, 2, size=(10.4, 0.5 * len(summary) + 1.2), sharey=True)
    place, idle = np.arange(len(summary)), ~summary["active"].to_numpy(dtype=bool)
    shown = {"kl": "divergence from the prior (nats)", "posterior_sd": "posterior sd (prior sd)"}
    for ax, (column, label) in zip(axes, shown.items(), strict=True):
        bars = ax.barh(
            place, summary[column], height=0.62, linewidth=0, edgecolor=_DARK,
            color=np.where(idle, "#D9D9D9", colour_of(0)), hatch=np.where(idle, "///", ""),
        )  # fmt: skip
        remarks = np.where(idle & (column == "kl"), "  collapsed", "")
        texts = [f"{value:.2f}{remark}" for value, remark in zip(summary[column], remarks, strict=True)]
        # On white: a collapsed latent's number lies over the dashed line.
        ax.bar_label(bars, texts, padding=13, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})
        ax.set(xlabel=label)
    axes[0].set_yticks(place, [spoken(name) for name in summary.index])
    axes[0].invert_yaxis()
    axes[0].margins(x=0.18)
    axes[1].axvline(1, color="black", linewidth=1.5, linestyle="--", zorder=0)
    axes[1].set_xlim(0, 1.25 * max(1, summary["posterior_sd"].max()))
    return figure


@styled
def manifold(decoded: DataArray) -> Figure:
    """Pictures that a model decodes over the plane of two latents.

    Parameters
    ----------
    decoded : DataArray
        From `atomlens.shiftvae.ShiftVAE.manifold`.

    Raises
    ------
    ValueError
        If these are not pictures over latents.

    Examples
    --------
    >>> import xarray as xr
    >>> along = {"z_down": [-1.0, 1.0], "z_across": [-1.0, 1.0]}
    >>> decoded = xr.DataArray(np.zeros((2, 2, 4, 5)), along, ("z_down", "z_across", "y", "x"))
    >>> manifold(decoded).axes[0].get_xlabel()
    'z1 (prior sd)'
    """
    sizes = as_manifold(decoded).sizes
    shape = sizes["y"] / sizes["x"] if "y" in sizes else 0.7
    width = min(6.8, 1.3 * sizes["z_across"] + 0.7)
    height = (width - 0.7) * sizes["z_down"] / sizes["z_across"] * shape + 0.8
    figure, ax = new_figure(size=(width, min(height, 7.5)))
    draw_manifold(ax, decoded)
    return figure


@styled
def latent_cloud(content: ArrayLike, labels: ArrayLike | None = None, *, title: str | None = None) -> Figure:
    """Crops as points in the plane of the first two content latents.

    Parameters
    ----------
    content : array_like of shape (N, latent_dim)
        From `atomlens.shiftvae.ShiftVAE.transform`. Of a single latent, the points are spread out.
    labels : array_like of shape (N,), optional
        Kinds (words, whole numbers, bool), each with its colour, or a quantity (float) for a colour scale.

    Raises
    ------
    ValueError
        If there are not as many labels as crops.

    Examples
    --------
    >>> content = np.random.default_rng(0).normal(size=(50, 2))
    >>> len(latent_cloud(content, content[:, 0] > 0).axes)
    1
    """
    points = plane(content)
    if labels is not None and len(labels) != len(points):
        raise ValueError(f"{len(labels)} labels for {len(points)} crops: there is one for each of them")
    figure, ax = new_figure(size=(6.8, 4.4))
    draw_latents(ax, points, labels, names=["z1", "z2"][: np.shape(content)[1]], title=title)
    return figure


@styled
def latent_maps(
    maps: DataArray, *, names: Sequence[str] | None = None, truth: Mapping[Any, Any] | None = None
) -> Figure:
    """Maps of latents over an image, and what was planted there.

    Parameters
    ----------
    maps : DataArray of shape (latent, y, x)
        From `atomlens.shiftvae.ShiftVAE.latent_map`.
    names : sequence of str, optional
        Latents to show; all of them without it.
    truth : mapping of str to DataArray of shape (y, x), optional
        Planted maps by their titles, drawn after the latents, whose sign and scale mean nothing.

    Raises
    ------
    ValueError
        If there is no latent of a name.

    Examples
    --------
    >>> import xarray as xr
    >>> maps = xr.DataArray(np.zeros((2, 3, 4)), {"latent": ["z1", "z2"]}, ("latent", "y", "x"))
    >>> len(latent_maps(maps, names=["z2"], truth={"Planted": maps[0]}).axes)
    2
    """
    known = list(maps.latent.values)
    names = known if names is None else list(names)
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no latent {unknown[0]!r}: these maps are of {', '.join(map(str, known))}")
    truth = truth or {}
    figure, axes = panels(len(names) + len(truth), per_row=3, height=0.78)
    for ax, name in zip(axes, names, strict=False):
        draw_latent_map(ax, maps.sel(latent=name))
    for ax, (title, planted) in zip(axes[len(names) :], truth.items(), strict=True):
        limit = float(np.nanpercentile(np.abs(planted), 99.5)) or 1.0
        signed = {"cmap": SIGNED, "vmin": -limit, "vmax": limit} if (planted < 0).any() else {}
        draw_map(ax, planted, title=title, **signed)
    return figure


@styled
def against_truth(pairs: Mapping[Any, Any]) -> Figure:
    """What was found against what was planted, one panel a quantity, with their correlation.

    In the same unit, the title has the coefficient of Pearson, and a line of slope 1 is drawn through the
    means, since the zero of a shift is arbitrary. A latent in other units can be any rising or falling
    function of what was planted: the coefficient is that of Spearman.

    Parameters
    ----------
    pairs : mapping of str to (array_like, array_like, str or (str, str))
        Title -> what was planted, what was found, and the unit of both or the unit of each.

    Raises
    ------
    ValueError
        If planted and found differ in number.

    Examples
    --------
    >>> figure = against_truth({"Shift": ([1.0, 2.0, 3.0], [0.1, 1.1, 2.1], "px")})
    >>> figure.axes[0].get_title(loc="left")
    'Shift: r = 1.000'
    """
    from scipy.stats import pearsonr, spearmanr

    figure, axes = panels(len(pairs), per_row=3)
    for ax, (title, (truth, found, units)) in zip(axes, pairs.items(), strict=True):
        truth, found = (np.ravel(np.asarray(values, dtype=float)) for values in (truth, found))
        if len(truth) != len(found):
            raise ValueError(
                f"{title}: {len(truth)} were planted, {len(found)} found; there is a pair for each"
            )
        same = isinstance(units, str)
        units = (units, units) if same else units
        ax.scatter(truth, found, color=colour_of(0), **faint(len(truth), least=2, most=20))
        if np.ptp(truth) and np.ptp(found):
            name, measure = ("r", pearsonr) if same else ("rank r", spearmanr)
            title += f": {name} = {measure(truth, found).statistic:.3f}"
        if same:
            ax.axline((truth.mean(), found.mean()), slope=1, color="black", linewidth=1.5, linestyle="--")
        ax.set(title=title, xlabel=f"planted ({units[0] or '1'})", ylabel=f"found ({units[1] or '1'})")
        ax.locator_params(nbins=5)
    return figure


@styled
def crops(crops: ArrayLike, *, titles: Sequence[str] | None = None, columns: int = 8) -> Figure:
    """A gallery of crops on one grey scale, or of signals on one axis.

    Parameters
    ----------
    crops : array_like of shape (N, H, W) or (N, length)
        As many as shall be shown.
    titles : sequence of str, optional
        One a crop.
    columns : int
        Crops in a row.

    Examples
    --------
    >>> len(crops(np.random.default_rng(0).random((5, 8, 8)), titles=list("abcde"), columns=3).axes)
    5
    """
    values = np.asarray(crops)
    limits = grey_limits(values)
    height = 0.8 if values.ndim == 2 else values.shape[1] / values.shape[2]
    extra = 0.05 if titles is None else 0.3
    figure, axes = panels(len(values), per_row=columns, width=2.2, height=height, extra=extra)
    for n, (ax, one) in enumerate(zip(axes, values, strict=True)):
        draw_crop(ax, one, limits=limits, title=None if titles is None else str(titles[n]))
    return figure
