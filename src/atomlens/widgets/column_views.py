"""Views on atomic images: simulate with sliders, and look at what was found in an image of one's own."""

from __future__ import annotations

from matplotlib.patches import Circle

from atomlens import plotting
from atomlens._types import Any, ArrayLike, Chain, ColumnModel, Ensemble, Structure
from atomlens.plotting.drawing import place_columns
from atomlens.widgets._linked import LinkedView, float_slider, pixels_under, widgets
from atomlens.widgets.column_models import FinderModel, ImagingModel

__all__ = ["column_finder", "imaging_explorer"]

_NONE = "Click a column to measure it."


class ImagingExplorer(LinkedView):
    """Dose, defocus and scan under the mouse, with the columns that are still found."""

    def __init__(self, model):
        figure, (self._left, self._right) = plotting.new_figure(
            1, 2, size=(9.2, 4.3), sharex=True, sharey=True
        )
        dose = {"log": True, "readout": ".0f"}
        controls = {
            "electrons": float_slider("electrons a column", 0.7, 4, 0.1, model.electrons, **dose),
            "defocus": float_slider("defocus (nm)", -12.0, 12.0, 0.5, model.defocus),
            "drift": float_slider("drift along x (nm)", -0.5, 0.5, 0.05, model.drift),
            "jitter": float_slider("line jitter (nm)", 0.0, 0.05, 0.005, model.jitter, readout=".3f"),
        }
        hint = (
            "Left: the circle is the probe. Right: columns found by the general network; "
            "rings are missed columns, crosses false ones."
        )
        super().__init__(model, figure, controls, hint=hint)
        model.observe(self._on_match, "match")
        self._on_match()

    def _on_match(self, _=None):
        sample, found = self.model.sample, self.model.found
        for ax in (self._left, self._right):
            ax.clear()
            plotting.draw_image(ax, sample.data, title="Image")
        self._draw_probe()
        plotting.draw_columns(self._right, sample.data, found)
        plotting.mark_errors(self._right, sample.data, found, sample.truth, self.model.match)
        self._right.set_title(f"F1 = {self.model.match.f1:.3f}", loc="left", weight="bold", size=10.5)
        self._right.set_ylabel("")
        self._redraw()

    def _draw_probe(self):
        """A circle as wide as a column at half its height, in a corner of the image."""
        (left, right), (bottom, top) = self._left.get_xlim(), self._left.get_ylim()
        size = self.model.probe
        centre = left + 0.04 * (right - left) + size / 2, top + 0.04 * (bottom - top) + size / 2
        self.ring = Circle(centre, size / 2, fill=False, color="#56B4E9", lw=2.2)
        self._left.add_patch(self.ring)
        self._left.set_title(f"Image, probe {1000 * size:.0f} pm", loc="left", weight="bold", size=10.5)


class ColumnFinder(LinkedView):
    """An image with the columns found in it: move the threshold, hide classes, zoom."""

    def __init__(self, model):
        figure, self._ax = plotting.new_figure(size=(6.6, 6.2))
        controls = {"threshold": float_slider("lowest score", 0.1, 0.99, 0.01, model.threshold)}
        self.classes = [
            widgets.Checkbox(value=True, description=name, indent=False, layout={"width": "auto"})
            for name in model.classes
        ]
        hint = "Zoom and pan with the buttons beside the image."
        others = self.classes if len(self.classes) > 1 else ()
        super().__init__(model, figure, controls, others=others, hint=hint, verdict=True)
        self.canvas.toolbar_visible = True
        for box in self.classes:
            box.observe(self._on_box, "value")
        plotting.draw_image(self._ax, model.image)
        self._dots = []
        (self._ring,) = self._ax.plot([], [], "o", ms=13, mfc="none", mec="#56B4E9", mew=2.2)
        model.observe(self._on_shown, "shown")
        model.observe(self._on_chosen, "chosen")
        self.canvas.mpl_connect("button_press_event", self._on_click)
        self._say(_NONE)
        self._on_shown()

    def _on_click(self, event):
        zooming = self.canvas.toolbar.mode
        if event.inaxes is self._ax and not zooming:
            self.model.select(*pixels_under(event, self.model.image))

    def _on_chosen(self, _=None):
        if self.model.chosen is None:
            self._ring.set_data([], [])
            self._say(_NONE)
        else:
            column = self.model.every.loc[[self.model.chosen]]
            self._ring.set_data(*column[place_columns(column, self.model.image)].to_numpy().T)
            self._say(_described(self.model.measured))
        self._redraw()

    def _on_box(self, _=None):
        self.model.hidden = {box.description for box in self.classes if not box.value}

    def _on_shown(self, _=None):
        for dots in self._dots:
            dots.remove()
        self._dots = plotting.draw_columns(self._ax, self.model.image, self.model.shown)
        self._ax.set_title(f"{len(self.model.shown)} columns", loc="left", weight="bold", size=10.5)
        self._redraw()


def _described(column):
    """A fitted column in words."""
    if not column["converged"]:
        return (
            f"Score {column['score']:.2f}. The fit of this column failed: neighbours or noise do not let it."
        )
    return (
        f"x = <b>{column['x']:.2f} ± {column['x_err']:.2f} px</b>, "
        f"y = <b>{column['y']:.2f} ± {column['y_err']:.2f} px</b>; intensity "
        f"{column['intensity']:.4g} ± {column['intensity_err']:.2g}; score {column['score']:.2f}"
    )


def imaging_explorer(structure: Structure, *, name: str = "structure", **settings: Any) -> Any:
    """Simulate an image with sliders for dose, defocus, drift and line jitter.

    Parameters
    ----------
    structure : Structure
    name : str
        What the structure is called in the code that is shown.
    **settings
        Initial ``electrons``, ``defocus``, ``drift`` or ``jitter`` (see `ImagingModel`).

    Returns
    -------
    ImagingExplorer
        An ipywidget; its ``model`` holds the current sample.

    Raises
    ------
    ImportError
        If ipywidgets, ipympl, torch or AtomAI is not installed.

    Examples
    --------
    >>> from atomlens import simulate
    >>> view = imaging_explorer(simulate.structures.graphene((3, 3)), electrons=200)
    >>> view.electrons.value
    200.0
    """
    return ImagingExplorer(ImagingModel(structure, name=name, **settings))


def column_finder(
    image: ArrayLike, *, model: str | ColumnModel | Ensemble | Chain = "general", name: str = "image"
) -> Any:
    """Look at the columns that a network finds in an image of one's own.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
    model : str, ColumnModel, Ensemble or Chain
        As for `atomlens.columns.find`.
    name : str
        What the image is called in the code that is shown.

    Returns
    -------
    ColumnFinder
        An ipywidget; ``model.shown`` is the table of the columns on the screen.

    Raises
    ------
    ImportError
        If ipywidgets, ipympl, torch or AtomAI is not installed.

    Examples
    --------
    >>> from atomlens import simulate
    >>> view = column_finder(simulate.image(simulate.structures.graphene((3, 3)), electrons=500).data)
    >>> view.threshold.value == view.model.threshold
    True
    """
    return ColumnFinder(FinderModel(image, model=model, name=name))
