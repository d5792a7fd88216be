"""View on descriptors: an image with a window that can be dragged, what it becomes, and its look-alikes."""

from __future__ import annotations

from atomlens import plotting
from atomlens._types import Any, ArrayLike, DataArray
from atomlens.patterson import patterson
from atomlens.plotting.descriptors import pixel_of
from atomlens.widgets._linked import LinkedView, dropdown, pixels_under, slider
from atomlens.widgets.descriptor_models import KINDS, SMALLEST, TAPERS, DescriptorModel

__all__ = ["descriptor_explorer"]


class DescriptorExplorer(LinkedView):
    """Drag a window over an image: what it becomes, and where the like of it is seen again."""

    def __init__(self, model):
        mosaic = [["image", "map", n] for n in range(3)]
        figure, axes = plotting.new_figure(mosaic, size=(9.2, 4.3), width_ratios=[1.35, 1.35, 0.62])
        self._image_ax, self._map_ax, *self._small = axes.values()
        high, wide = model.largest
        controls = {
            "height": slider("height (px)", SMALLEST, high, model.height),
            "width": slider("width (px)", SMALLEST, wide, model.width),
            "kind": dropdown("features", KINDS, model.kind),
            "taper": dropdown("taper", TAPERS, model.taper),
            "n_alike": slider("look-alikes", 1, 12, model.n_alike),
        }
        hint = "Click or drag in either picture: the window follows. Dark in the map: much like it."
        super().__init__(model, figure, controls, hint=hint)
        plotting.draw_image(self._image_ax, model.image)
        self._frames, self._dragging = [], False
        model.observe(self._on_result, "result")
        model.observe(self._on_alike, "alike")
        self.canvas.mpl_connect("button_press_event", self._on_press)
        self.canvas.mpl_connect("motion_notify_event", self._on_motion)
        self.canvas.mpl_connect("button_release_event", self._on_release)
        self._on_result()
        self._on_alike()

    def _on_result(self, _=None):
        """New features: another map, with another extent."""
        self._map_ax.clear()
        self._likeness = plotting.draw_map(
            self._map_ax, self.model.likeness, title="Distance from the window", cmap="magma", colourbar=False
        )
        (self._here,) = self._map_ax.plot([], [], "+", color="white", ms=13, mew=2.2)
        (self._others,) = self._map_ax.plot([], [], "o", mfc="none", mec="white", ms=9, mew=1.6)

    def _on_alike(self, _=None):
        model = self.model
        describe = model.describe
        table = describe.positions_.iloc[[model.selected, *model.alike.index]]
        likeness = model.likeness.values
        self._likeness.set_data(likeness)
        self._likeness.set_clim(0, float(likeness.max()) or 1.0)
        names = ("x_nm", "y_nm") if model.likeness.x.attrs["units"] == "nm" else ("x", "y")
        places = table[list(names)].to_numpy()
        self._here.set_data(*places[:1].T)
        self._others.set_data(*places[1:].T)
        for frame in self._frames:
            frame.remove()
        colours = [plotting.CLUSTER_COLOURS[1], *[plotting.CLUSTER_COLOURS[4]] * len(model.alike)]
        self._frames = plotting.draw_windows(
            self._image_ax, model.image, table, describe.size_, colours=colours
        )
        nearest = ", ".join(f"{d:.2f}" for d in model.alike.distance[:4])
        self._image_ax.set_title(f"Blue: look-alikes, at {nearest}", loc="left", weight="bold", size=10.5)
        self._draw_window(model.patch, describe)
        self._redraw()

    def _draw_window(self, patch, describe):
        """The selected window, its transform and its Patterson function."""
        for ax in self._small:
            ax.clear()
        scale = dict(zip(("step", "unit"), pixel_of(self.model.image), strict=True))
        found = patterson(patch, taper=describe.taper_, blank_center=describe.blank_center_, half=False)
        plotting.draw_patch(self._small[0], patch, title="Window", **scale)
        plotting.draw_fourier(self._small[1], patch, taper=describe.taper_, title="Fourier", **scale)
        plotting.draw_patterson(self._small[2], found, title="Patterson", **scale)

    def _on_press(self, event):
        self._dragging = event.inaxes in (self._image_ax, self._map_ax)
        self._on_motion(event)

    def _on_motion(self, event):
        if self._dragging and event.inaxes in (self._image_ax, self._map_ax):
            self.model.select(*pixels_under(event, self.model.image))

    def _on_release(self, event):
        self._on_motion(event)
        self._dragging = False


def descriptor_explorer(image: DataArray | ArrayLike, *, name: str = "image", **settings: Any) -> Any:
    """Drag a window over an image, and see what becomes of it and where it is seen again.

    Parameters
    ----------
    image : DataArray or array_like of shape (H, W)
    name : str
        What the image is called in the code that is shown.
    **settings
        Initial ``height``, ``width``, ``kind``, ``taper``, ``n_alike`` or ``selected`` (see
        `DescriptorModel`).

    Returns
    -------
    DescriptorExplorer
        An ipywidget; ``model.describe`` is the fitted descriptor, ``model.alike`` the rows of look-alikes.

    Raises
    ------
    ImportError
        If ipywidgets or ipympl is not installed.
    ValueError
        If the image is unusable, or the windows are larger than half of it.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:120, :120]
    >>> view = descriptor_explorer(np.cos(2 * np.pi * x / 12) + np.cos(2 * np.pi * y / 12), n_alike=2)
    >>> view.height.value, view.n_alike.value
    (36, 2)
    """
    return DescriptorExplorer(DescriptorModel(image, name=name, **settings))
