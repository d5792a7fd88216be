"""Views on the shift-VAE: pictures decoded under the mouse, and latent maps linked with their cloud."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.ticker import MaxNLocator
from matplotlib.widgets import LassoSelector

from atomlens import plotting
from atomlens._types import Any, ArrayLike, DataArray, ShiftVAE
from atomlens.plotting.drawing import extent_of, grey_limits, styled
from atomlens.plotting.latents import latent_colours, spoken, with_unit
from atomlens.widgets._linked import LinkedView, dropdown, float_slider, slider
from atomlens.widgets.latent_models import LatentModel
from atomlens.widgets.manifold_models import ManifoldModel

__all__ = ["latent_explorer", "manifold_explorer"]

_TILES = 5
_FADED = 0.05
_MARK = "#E69F00"
_BEHIND = "#DADADA"  # points of the middle of the colours are nearly white


class _LatentView(LinkedView):
    """What both views share: which latents span the plane."""

    def __init__(self, model, figure, controls, *, hint):
        self.axes_chosen = []
        if model.vae.latent_dim > 2:
            numbers = [(name, n) for n, name in enumerate(model.names)]
            for trait in ("across", "up"):
                controls[trait] = dropdown(trait, numbers, getattr(model, trait), width=120)
                self.axes_chosen.append(controls[trait])
        super().__init__(model, figure, controls, hint=hint, verdict=True)
        model.observe(self._on_plane, ("across", "up"))

    def _plane_names(self):
        return [self.model.names[axis] for axis in self.model.axes]


class ManifoldExplorer(_LatentView):
    """The plane of two latents, and beside it what is decoded for the place under the mouse."""

    def __init__(self, model):
        figure, (self._plane_ax, self._picture_ax) = plotting.new_figure(
            1, 2, size=(8.6, 4.1), width_ratios=[1.25, 1]
        )
        self.movements = {}
        for trait, sd in model.movements.items():
            reach = max(2 * sd, abs(getattr(model, trait)) + sd)
            look = {"readout": ".1f", "live": True}
            value = getattr(model, trait)
            self.movements[trait] = float_slider(with_unit(trait), -reach, reach, 0.1, value, **look)
        hint = (
            "Move the mouse over the plane: its picture is decoded. A click holds the place, another lets go."
        )
        super().__init__(model, figure, dict(self.movements), hint=hint)
        self._picture = plotting.draw_crop(
            self._picture_ax, model.picture, limits=model.limits, title="Decoded"
        )
        if model.picture.ndim == 1:
            self._picture_ax.set_xlabel("point")
            for axis in (self._picture_ax.xaxis, self._picture_ax.yaxis):
                axis.set_major_locator(MaxNLocator(5))
        self.held = False
        model.observe(self._on_picture, "picture")
        self.canvas.mpl_connect("motion_notify_event", self._on_motion)
        self.canvas.mpl_connect("button_press_event", self._on_press)
        self._on_plane()
        self._settle()

    @styled
    def _on_plane(self, _=None):
        """Other latents: another cloud, or another mosaic where there are no crops."""
        model, ax, names = self.model, self._plane_ax, self._plane_names()
        ax.clear()
        if model.points is None:
            plotting.draw_manifold(ax, model.vae.manifold(_TILES, axes=model.axes), names=names)
        else:
            plotting.draw_latents(ax, model.points, names=names, title="Crops by their content")
            ax.grid(color="#DDDDDD", linewidth=0.8)
            ax.set_axisbelow(True)
        (self._cross,) = ax.plot([], [], "P", color=_MARK, ms=13, mec="black", mew=1.2, zorder=5)
        self._on_picture()

    def _on_picture(self, _=None):
        model = self.model
        if model.picture.ndim == 2:
            self._picture.set_data(model.picture)
        else:
            self._picture.set_ydata(model.picture)
        self._cross.set_data(*np.reshape(model.place, (2, 1)))
        self._say(", ".join(f"{n} = {v:.2f}" for n, v in zip(model.names, model.content, strict=True)))
        self._redraw()

    def _on_motion(self, event):
        if event.inaxes is self._plane_ax and not self.held:
            self.model.move(event.xdata, event.ydata)

    def _on_press(self, event):
        if event.inaxes is self._plane_ax:
            self.held = not self.held
            self.model.move(event.xdata, event.ydata)


class LatentExplorer(_LatentView):
    """Image, latent map and cloud: windows marked in one of them are marked in the others, and averaged.

    Below, what is decoded along the latent of the map.
    """

    def __init__(self, model):
        mosaic = [*(["image", "map", "cloud", n] for n in range(3)), [*["along"] * 3, "."]]
        figure, axes = plotting.new_figure(
            mosaic, size=(9.2, 4.8), width_ratios=[1.3, 1.5, 1.3, 0.62], height_ratios=[1, 1, 1, 1.25]
        )
        self._along_ax = axes.pop("along")
        self._image_ax, self._map_ax, self._cloud_ax, *self._small = axes.values()
        maps = [(spoken(name), name) for name in model.poses + model.names]
        controls = {
            "shown": dropdown("map", maps, model.shown),
            "stride": slider("stride (px)", 1, max(model.stride, *model.size), model.stride),
        }
        hint = "Draw a loop in the cloud, the map or the image, or click: its windows are marked everywhere."
        super().__init__(model, figure, controls, hint=hint)
        plotting.draw_image(self._image_ax, model.image, title="Image")
        self._map = plotting.draw_latent_map(self._map_ax, model.maps.sel(latent=model.shown))
        self._shades = []
        for ax in (self._image_ax, self._map_ax):
            ax.autoscale(False)
            self._shades.append(ax.imshow(np.zeros((1, 1, 4)), interpolation="nearest", zorder=2))
        self._lassos = [self._lasso(ax, "map") for ax in (self._image_ax, self._map_ax)]
        model.observe(self._on_maps, ("maps", "shown"))
        model.observe(self._on_chosen, "chosen")
        self._on_maps()

    def _lasso(self, ax, where):
        line = {"color": "black" if where == "cloud" else _MARK, "linewidth": 1.4}
        return LassoSelector(ax, lambda outline: self.model.brush(where, outline), props=line)

    def _on_maps(self, _=None):
        """Another latent, or other windows."""
        model = self.model
        latent = model.maps.sel(latent=model.shown)
        self._map.set_data(latent.values)
        extent = extent_of(latent)
        for drawn in (self._map, *self._shades):
            drawn.set_extent(extent)
        self._map_ax.set(xlim=extent[:2], ylim=extent[2:])
        colours = latent_colours(latent)
        self._map.set(cmap=colours["cmap"], clim=(colours["vmin"], colours["vmax"]))
        self._map_ax.set_title(with_unit(model.shown), loc="left", weight="bold", size=10.5)
        self._along_ax.clear()
        plotting.draw_manifold(self._along_ax, model.traversal, names=[model.shown])
        title = f"Decoded along {spoken(model.shown)}, the rest as usual"
        self._along_ax.set_title(title, loc="left", weight="bold", size=10.5)
        self._on_plane()

    @styled
    def _on_plane(self, _=None):
        model, ax = self.model, self._cloud_ax
        latent = model.maps.sel(latent=model.shown)
        ax.clear()
        self._dots = plotting.draw_latents(
            ax, model.points, latent.values.ravel(), names=self._plane_names(),
            title="By their content", shuffle=False, legend=False, **latent_colours(latent),
        )  # fmt: skip
        ax.set_facecolor(_BEHIND)
        ax.set_box_aspect(1)
        self._usual = np.full(len(model.points), self._dots.get_alpha())
        self._cloud_lasso = self._lasso(ax, "cloud")
        self._all = model.mean_crop()
        self._on_chosen()

    def _on_chosen(self, _=None):
        model, chosen = self.model, self.model.chosen
        shape = model.maps.shape[1:]
        inside = np.ones(shape, dtype=bool) if chosen is None else chosen.reshape(shape)
        image, latent = self._shades
        image.set_data(np.where(inside[..., None] & (chosen is not None), to_rgba(_MARK, 0.6), (0, 0, 0, 0)))
        latent.set_data(np.where(inside[..., None], (1, 1, 1, 0), (1, 1, 1, 0.75)))
        self._dots.set_alpha(self._usual if chosen is None else np.where(chosen, 1.0, _FADED))
        for ax in self._small:
            ax.clear()
        mean = self._all if chosen is None else model.mean_crop(chosen)
        limits = grey_limits(np.stack([mean, self._all]))
        plotting.draw_crop(self._small[0], self._all, limits=limits, title="All")
        if chosen is None:
            for ax in self._small[1:]:
                ax.set_axis_off()
        else:
            half = (limits[1] - limits[0]) / 2
            plotting.draw_crop(self._small[1], mean, limits=limits, title="Chosen")
            rest = plotting.draw_crop(
                self._small[2], mean - self._all, limits=(-half, half), title="Difference"
            )
            rest.set_cmap("RdBu_r")
        content = model.content[inside.ravel()]
        spread = ", ".join(
            f"{name} = {m:.2f} ± {sd:.2f}"
            for name, m, sd in zip(model.names, content.mean(0), content.std(0), strict=True)
        )
        self._say(f"<b>{int(inside.sum())}</b> of {inside.size} windows: {spread}")
        self._redraw()


def manifold_explorer(
    model: ShiftVAE, crops: ArrayLike | None = None, *, name: str = "model", **settings: Any
) -> Any:
    """Move through the space of latents with the mouse, and see what is decoded there.

    Parameters
    ----------
    model : ShiftVAE
        Fitted, to crops or to signals.
    crops : array_like, optional
        Crops whose content is shown as a cloud; without them, the plane is tiled with decoded pictures.
    name : str
        What the model is called in the code that is shown.
    **settings
        Initial ``content``, ``across``, ``up``, ``shift_x``, ``shift_y``, ``rotation`` (see `ManifoldModel`).

    Returns
    -------
    ManifoldExplorer
        An ipywidget; ``model.picture`` is what is decoded.

    Raises
    ------
    ImportError
        If ipywidgets or ipympl is not installed.
    NotFittedError, ValueError
        If the model is not fitted, or the crops or settings do not fit it.

    Examples
    --------
    >>> from atomlens import shiftvae, simulate
    >>> signals = simulate.shifted.peaks(200).data
    >>> vae = shiftvae.ShiftVAE(2, max_epochs=2, progress=False).fit(signals)
    >>> manifold_explorer(vae, signals, content=(1.0, 0.0)).model.picture.shape
    (100,)
    """
    return ManifoldExplorer(ManifoldModel(model, crops, name=name, **settings))


def latent_explorer(model: ShiftVAE, image: DataArray | ArrayLike, **settings: Any) -> Any:
    """Explore the latent maps of an image by hand: mark windows in the map or in the cloud.

    Parameters
    ----------
    model : ShiftVAE
        Fitted to crops, or to the windows of an image.
    image : DataArray or array_like of shape (H, W)
    **settings
        As for `LatentModel`: ``stride``, ``name``, ``model_name``; initial ``shown``, ``across``, ``up``.

    Returns
    -------
    LatentExplorer
        An ipywidget; ``model.chosen`` are the windows that are marked.

    Raises
    ------
    ImportError
        If ipywidgets or ipympl is not installed.
    NotFittedError, ValueError
        As `atomlens.shiftvae.ShiftVAE.latent_map`.

    Examples
    --------
    >>> from atomlens import shiftvae, simulate
    >>> from atomlens.windows import sliding_windows
    >>> image = simulate.image(simulate.structures.perovskite((4, 4), polar=40), electrons=3000).data
    >>> cell = [[19.5, 0], [0, 19.5]]
    >>> vae = shiftvae.ShiftVAE(2, lattice=cell, max_epochs=2, progress=False)
    >>> view = latent_explorer(vae.fit(sliding_windows(image, 24, step=6)), image, shown="shift_x")
    >>> view.model.maps.shape
    (4, 30, 30)
    """
    return LatentExplorer(LatentModel(model, image, **settings))
