"""The shift-VAE: crops, planes of latents, latent maps, training, found against planted values."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import LineCollection

from atomlens.plotting.drawing import (
    BESIDE,
    GREYS,
    SIGNED,
    colour_bar,
    colour_of,
    draw_map,
    grey_limits,
    new_figure,
    panels,
    smooth,
    styled,
)

_OUTLIERS = 99.5  # percentile at which the colours of a latent map end
_UNITS = {"shift_x": "px", "shift_y": "px", "rotation": "degrees"}
_TICKS = 5
_LEAST = 1.5  # prior sd: a plane reaches so far at least, so that a collapsed latent looks like one


def spoken(name):
    """Name of a latent for a label: ``shift_x`` becomes "shift x"."""
    return str(name).replace("_", " ")


def with_unit(name):
    """Name of a latent and its unit as `ShiftVAE.latent_map` gives it."""
    return f"{spoken(name)} ({_UNITS.get(str(name), 'prior sd')})"


@styled
def draw_crop(ax, crop, *, limits=None, title=None):
    """Draw a crop in grey or a signal as a line, without axes.

    Parameters
    ----------
    ax : Axes
    crop : array_like of shape (H, W) or (length,)
    limits : (float, float), optional
        Values of black and white, or of the lower and upper end.
    title : str, optional

    Returns
    -------
    AxesImage or Line2D

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, (left, right) = new_figure(1, 2)
    >>> draw_crop(left, np.eye(8)).get_array().shape, len(draw_crop(right, np.arange(8.0)).get_xdata())
    ((8, 8), 8)
    """
    crop = np.asarray(crop)
    low, high = grey_limits(crop) if limits is None else limits
    if crop.ndim == 2:
        drawn = ax.imshow(crop, cmap=GREYS, vmin=low, vmax=high)
        smooth(drawn)
        ax.spines[:].set_visible(False)
    else:
        (drawn,) = ax.plot(crop, color=colour_of(0))
        margin = 0.06 * (high - low)
        ax.set(xlim=(0, len(crop) - 1), ylim=(low - margin, high + margin))
    ax.set(xticks=[], yticks=[], title=title)
    return drawn


def faint(count, *, least, most):
    """Look of so many dots: the more there are, the smaller and the fainter."""
    root = np.sqrt(max(count, 1))
    size, alpha = (float(np.clip(n / root, *ends)) for n, ends in ((800, (least, most)), (30, (0.1, 0.85))))
    return {"s": size, "alpha": alpha, "linewidths": 0, "rasterized": True}


@styled
def draw_latents(
    ax,
    points,
    labels=None,
    *,
    names=("z1", "z2"),
    label=None,
    title=None,
    shuffle=True,
    legend=True,
    **limits,
):
    """Draw crops as points in the plane of two latents.

    Parameters
    ----------
    ax : Axes
    points : array_like of shape (N, 2)
    labels : array_like of shape (N,), optional
        Kinds (words, whole numbers, bool), each with its colour, or a quantity (float) for a colour scale.
    names : sequence of str
        Of the two latents; of a single one, the points being spread out across it.
    label : str, optional
        What the labels are, with the unit: heads the legend, or stands at the colour bar.
    title : str, optional
    shuffle : bool
        Draw the points in random order, so that no kind hides the others.
    legend : bool
        Explain the colours.
    **limits
        ``vmin``, ``vmax`` and ``cmap`` of the colour scale.

    Returns
    -------
    PathCollection

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> dots = draw_latents(ax, np.zeros((3, 2)), ["vacancy", "perfect", "perfect"])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['perfect', 'vacancy']
    """
    points = np.asarray(points, dtype=float)
    order = np.random.default_rng(0).permutation(len(points)) if shuffle else np.arange(len(points))
    look = faint(len(points), least=2, most=26)
    labels = np.zeros(len(points), int) if labels is None else np.asarray(labels)[order]
    if labels.dtype.kind == "f":
        dots = ax.scatter(*points[order].T, c=labels, **{"cmap": "viridis", **limits}, **look)
        if legend:
            colour_bar(dots, label).solids.set_alpha(1)
    else:
        kinds, codes = np.unique(labels, return_inverse=True)
        # A cluster has the colour that it has in `draw_labels`.
        colours = {kind: colour_of(kind if labels.dtype.kind in "iu" else n) for n, kind in enumerate(kinds)}
        dots = ax.scatter(*points[order].T, c=[colours[kinds[code]] for code in codes], **look)
        if legend and len(kinds) > 1:
            for kind, colour in colours.items():
                ax.scatter([], [], color=colour, s=50, linewidths=0, label=str(kind))
            ax.legend(title=label, **BESIDE)
    ax.set(xlabel=with_unit(names[0]), title=title, xlim=_reach(points[:, 0]))
    ax.locator_params(nbins=_TICKS)
    if len(names) > 1:
        ax.set(ylabel=with_unit(names[1]), ylim=_reach(points[:, 1]))
    else:
        ax.set(ylabel="spread out, no meaning", yticks=[])
    return dots


def _reach(values):
    """Limits of an axis of the plane."""
    low, high = values.min(initial=-_LEAST), values.max(initial=_LEAST)
    return low - 0.04 * (high - low), high + 0.04 * (high - low)


@styled
def draw_manifold(ax, decoded, *, names=("z1", "z2")):
    """Draw decoded pictures side by side, each where its latents are; larger values to the right and up.

    Parameters
    ----------
    ax : Axes
    decoded : DataArray
        From `atomlens.shiftvae.ShiftVAE.manifold`: dims (z_down, z_across, y, x), without y for signals and
        without z_down for a single latent.
    names : sequence of str
        Of the latents across and down.

    Returns
    -------
    AxesImage or LineCollection

    Raises
    ------
    ValueError
        If these are not pictures over latents.

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> import xarray as xr
    >>> along = {"z_across": [-1.0, 0.0, 1.0]}
    >>> mosaic = draw_manifold(ax, xr.DataArray(np.zeros((3, 4, 5)), along, ("z_across", "y", "x")))
    >>> mosaic.get_array().shape
    (4, 15)
    """
    single = "z_down" not in decoded.dims
    decoded = as_manifold(decoded)
    values = decoded.values
    across, down = decoded.z_across.values, decoded.z_down.values
    (left, right), (bottom, top) = _edges(across), _edges(down)
    low, high = grey_limits(values)
    if values.ndim == 4:
        rows, columns, height, width = values.shape
        mosaic = values[::-1].transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
        drawn = ax.imshow(mosaic, extent=(left, right, bottom, top), cmap=GREYS, vmin=low, vmax=high)
        # The pixels stay square whatever the steps of the latents are.
        ax.set_aspect(height / width * ((right - left) / columns) / ((top - bottom) / rows))
        line = "white"
    else:
        step = (right - left) / len(across), (top - bottom) / len(down)
        x = across[:, None] + 0.92 * step[0] * np.linspace(-0.5, 0.5, values.shape[-1])
        y = down[:, None, None] + 0.84 * step[1] * ((values - low) / (high - low) - 0.5)
        lines = np.stack(np.broadcast_arrays(x, y), axis=-1).reshape(-1, values.shape[-1], 2)
        drawn = ax.add_collection(LineCollection(lines, colors=colour_of(0), linewidths=1.8))
        ax.set(xlim=(left, right), ylim=(bottom, top))
        line = "#CCCCCC"
    ax.hlines(np.linspace(bottom, top, len(down) + 1)[1:-1], left, right, color=line, linewidth=0.8)
    ax.vlines(np.linspace(left, right, len(across) + 1)[1:-1], bottom, top, color=line, linewidth=0.8)
    ax.set(xlabel=with_unit(names[0]), xticks=_some(across), yticks=[] if single else _some(down))
    ax.set_ylabel(None if single else with_unit(names[1]))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return drawn


def as_manifold(decoded):
    """Give pictures over a single latent the second one, too."""
    if "z_across" not in decoded.dims:
        raise ValueError(f"pass what ShiftVAE.manifold returns: these pictures have the dims {decoded.dims}")
    return decoded if "z_down" in decoded.dims else decoded.expand_dims(z_down=[0.0])


def _edges(centres):
    """Outer edges of tiles around these places."""
    half = (centres[-1] - centres[0]) / max(len(centres) - 1, 1) / 2 or 0.5
    return centres[0] - half, centres[-1] + half


def _some(values):
    """Few enough of the values to be read: both ends, and the middle if there is one."""
    whole = len(values) - 1
    half = whole // 2 if whole % 2 == 0 else whole
    step = next((n for n in range(1, half + 1) if half % n == 0 and whole / n < _TICKS), 1)
    return values[::step]


@styled
def draw_latent_map(ax, latent, *, title=None):
    """Draw the map of one latent.

    Content and rotation: red and blue about zero. A shift jumps from one end of the lattice vector to the
    other where the next cell begins: its colours are the same at both ends.

    Parameters
    ----------
    ax : Axes
    latent : DataArray of shape (y, x)
        One of the maps of `atomlens.shiftvae.ShiftVAE.latent_map`, with its name as coordinate ``latent``.
    title : str, optional
        The name of the latent and its unit without it.

    Returns
    -------
    AxesImage

    Examples
    --------
    >>> from atomlens.plotting import new_figure
    >>> figure, ax = new_figure()
    >>> import xarray as xr
    >>> values = [[[1.0, -2.0]], [[3.0, 5.0]]]
    >>> maps = xr.DataArray(values, {"latent": ["z1", "shift_x"]}, ("latent", "y", "x"))
    >>> draw_latent_map(ax, maps.sel(latent="z1")).get_cmap().name
    'RdBu_r'
    """
    name = with_unit(latent.latent.item())
    drawn = draw_map(ax, latent, title=title or name, **latent_colours(latent))
    drawn.colorbar.set_label(name if title else None)  # else the title has the unit
    return drawn


def latent_colours(latent):
    """Colours of the map of a latent, and where they end: ``cmap``, ``vmin``, ``vmax``."""
    name = str(latent.latent.item())
    if name.startswith("shift"):
        low, high = np.percentile(latent, (100 - _OUTLIERS, _OUTLIERS))
        return {"cmap": "twilight_shifted", "vmin": float(low), "vmax": float(high)}
    limit = float(np.percentile(np.abs(latent), _OUTLIERS)) or 1.0
    return {"cmap": "PuOr_r" if name == "rotation" else SIGNED, "vmin": -limit, "vmax": limit}


def plane(content, axes=(0, 1)):
    """Points of crops in the plane of two content latents; a single latent is spread out across it.

    Parameters
    ----------
    content : array_like of shape (N, latent_dim)
    axes : tuple of int

    Returns
    -------
    ndarray of shape (N, 2)
    """
    content = np.asarray(content, dtype=float)
    if content.shape[1] == 1:
        return np.column_stack([content[:, 0], np.random.default_rng(0).uniform(-0.4, 0.4, len(content))])
    return content[:, list(axes)]


_DARK = "#666666"
_SETTLED = 0.15  # of the epochs, at the beginning: their losses would take the whole axis


@styled
def training_history(history):
    """The loss of a training and the term that dominates it; beside them, enlarged, what the latents cost.

    Parameters
    ----------
    history : DataFrame
        ``history_`` of a `atomlens.shiftvae.ShiftVAE`.

    Returns
    -------
    Figure

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
def latent_bars(summary):
    """How much every latent says: its divergence from the prior, and how sharply it is known.

    Latents that have collapsed are grey and hatched; their posterior is as wide as the prior (dashed line).

    Parameters
    ----------
    summary : DataFrame
        ``summary_`` of a `atomlens.shiftvae.ShiftVAE`.

    Returns
    -------
    Figure

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
def manifold(decoded):
    """Pictures that a model decodes over the plane of two latents.

    Parameters
    ----------
    decoded : DataArray
        From `atomlens.shiftvae.ShiftVAE.manifold`.

    Returns
    -------
    Figure

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
def latent_cloud(content, labels=None, *, title=None):
    """Crops as points in the plane of the first two content latents.

    Parameters
    ----------
    content : array_like of shape (N, latent_dim)
        From `atomlens.shiftvae.ShiftVAE.transform`. Of a single latent, the points are spread out.
    labels : array_like of shape (N,), optional
        Kinds (words, whole numbers, bool), each with its colour, or a quantity (float) for a colour scale.
    title : str, optional

    Returns
    -------
    Figure

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
def latent_maps(maps, *, names=None, truth=None):
    """Maps of latents over an image, and what was planted there.

    Parameters
    ----------
    maps : DataArray of shape (latent, y, x)
        From `atomlens.shiftvae.ShiftVAE.latent_map`.
    names : sequence of str, optional
        Latents to show; all of them without it.
    truth : mapping of str to DataArray of shape (y, x), optional
        Planted maps by their titles, drawn after the latents, whose sign and scale mean nothing.

    Returns
    -------
    Figure

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
def against_truth(pairs):
    """What was found against what was planted, one panel a quantity, with their correlation.

    In the same unit, the title has the coefficient of Pearson, and a line of slope 1 is drawn through the
    means, since the zero of a shift is arbitrary. A latent in other units can be any rising or falling
    function of what was planted: the coefficient is that of Spearman.

    Parameters
    ----------
    pairs : mapping of str to (array_like, array_like, str or (str, str))
        Title -> what was planted, what was found, and the unit of both or the unit of each.

    Returns
    -------
    Figure

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
def crops(crops, *, titles=None, columns=8):
    """A gallery of crops on one grey scale, or of signals on one axis.

    Parameters
    ----------
    crops : array_like of shape (N, H, W) or (N, length)
        As many as shall be shown.
    titles : sequence of str, optional
        One a crop.
    columns : int
        Crops in a row.

    Returns
    -------
    Figure

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
