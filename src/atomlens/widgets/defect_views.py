"""View on defect detection: hits, the window behind one of them, and the normal windows most like it."""

from __future__ import annotations

from atomlens import plotting
from atomlens._types import Any, ArrayLike
from atomlens.defects import DETECTORS
from atomlens.plotting.descriptors import pixel_of
from atomlens.widgets._linked import LinkedView, dropdown, pixels_under, slider
from atomlens.widgets.defect_models import DefectModel

__all__ = ["defect_explorer"]

_NORMAL = 2
_NU = 0.01, 0.05, 0.1, 0.2, 0.5
_GAMMA = 0.1, 1.0, 10.0, 100.0


class DefectExplorer(LinkedView):
    """Image with hits; for the one that was clicked, its window and Patterson function beside normal ones."""

    def __init__(self, model):
        mosaic = [["image", "image", *range(3 * row, 3 * row + 3)] for row in range(2)]
        figure, axes = plotting.new_figure(mosaic, size=(9.2, 4.4))
        self._image_ax, *small = axes.values()
        self._patches, self._functions = small[:3], small[3:]
        controls = {
            "detector": dropdown("method", DETECTORS["window"], model.detector),
            "nu": dropdown("ν of svm", _options(_NU, model.nu), model.nu, width=140),
            "gamma": dropdown("γ of svm", _options(_GAMMA, model.gamma), model.gamma, width=140),
            "exponent": slider("log10 of the rate", -6, -1, model.exponent),
        }
        hint = (
            "Click a hit, or any place, to see its window. "
            "The false-alarm rate is per unit cell of a perfect crystal."
        )
        super().__init__(model, figure, controls, hint=hint, verdict=True)
        plotting.draw_image(self._image_ax, model.image)
        self._rings = self._frame = None
        model.observe(self._on_found, "found")
        model.observe(self._on_place, "place")
        self.canvas.mpl_connect("button_release_event", self._on_click)
        self._on_found()
        self._settle()

    def _on_found(self, _=None):
        model = self.model
        if self._rings is not None:
            self._rings.remove()
        self._rings = plotting.draw_hits(self._image_ax, model.image, model.found.defects)
        cells, hits = model.found.n_cells, len(model.found.defects)
        chance = f"{model.rate * cells:.2g}"
        self._said = f"<b>{hits}</b> hits among {cells} unit cells; a perfect crystal would give {chance}"
        for control in (self.nu, self.gamma):
            control.disabled = model.machine is None
        if model.machine is not None:
            self._said += f" (ν = {model.machine.nu_:.3g}, γ = {model.machine.gamma_:.3g})"
        self._on_place()

    def _on_place(self, _=None):
        model = self.model
        self._say(f"{self._said}. The cell in the orange frame: p = <b>{model.p_value:.1g}</b>")
        describe, _ = model.windows
        normal = model.normal(_NORMAL)
        places = [model.place, *normal[["x", "y"]].itertuples(index=False, name=None)]
        for frame in self._frame or []:
            frame.remove()
        centres = describe.positions_.iloc[[model.row(p) for p in places]]
        self._frame = plotting.draw_windows(self._image_ax, model.image, centres, describe.size_)
        step, unit = pixel_of(model.image)
        titles = ["Here", *(f"Normal ({d:.2f})" for d in normal["distance"])]
        for n, ax in enumerate((*self._patches, *self._functions)):
            ax.clear()
            place = places[n % len(places)]
            if n < len(places):
                plotting.draw_patch(ax, model.patch(place), step=step, unit=unit, title=titles[n])
            else:
                plotting.draw_patterson(ax, model.patterson(place), step=step, unit=unit)
        self._redraw()

    def _on_click(self, event):
        if event.inaxes is self._image_ax:
            self.model.select(*pixels_under(event, self.model.image))


def _options(values, initial):
    """Choices of a parameter: "auto", and some values, the initial one among them."""
    known = sorted({*values, *([] if initial == "auto" else [initial])})
    return [("auto", "auto"), *((f"{value:g}", value) for value in known)]


def defect_explorer(image: ArrayLike, *, name: str = "image", random_state: int = 0, **settings: Any) -> Any:
    """Explore the defects of an image by hand.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
    name : str
        What the image is called in the notebook, for the code that is shown.
    random_state : int
    **settings
        Initial `detector` and `exponent` (decimal logarithm of the false-alarm rate), `nu` and `gamma` of
        the detector "svm" (numbers or "auto").

    Returns
    -------
    ipywidgets.Widget

    Raises
    ------
    NotPeriodicError, ValueError
        As `atomlens.defects.detect`.

    Examples
    --------
    >>> from atomlens import simulate
    >>> image = simulate.image(simulate.structures.perovskite((6, 6)), electrons=300).data
    >>> defect_explorer(image, detector="unit_cell").model.found.detector
    'unit_cell'
    """
    return DefectExplorer(DefectModel(image, name=name, random_state=random_state, **settings))
