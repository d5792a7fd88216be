"""What all linked views share: controls, a live figure, messages, and the code that repeats what is seen."""

from __future__ import annotations

import warnings
from html import escape

import matplotlib
import numpy as np
from traitlets import link

from atomlens._extras import require
from atomlens.plotting.descriptors import pixel_of
from atomlens.plotting.drawing import along, as_map

_REASON = "the interactive views"
widgets = require("ipywidgets", reason=_REASON)


def _require_ipympl():
    """Import ipympl without its side effect: it makes itself the backend of pyplot."""
    backend = matplotlib.get_backend(auto_select=False)
    module = require("ipympl.backend_nbagg", reason=_REASON)
    if backend is not None:
        matplotlib.use(backend)
    return module


_ipympl = _require_ipympl()


class LinkedView(widgets.VBox):
    """A model with controls above a live figure, a line for messages, and a "show the code" button.

    Parameters
    ----------
    model : traitlets.HasTraits
        With ``code``, and ``error`` if something can go wrong: that is shown in place of the hint.
    figure : matplotlib.figure.Figure
    controls : dict of str to ipywidgets.Widget
        Each is linked to the trait of the model whose name it has, and becomes an attribute of the view.
    others : sequence of ipywidgets.Widget
        Controls that the view itself sees to.
    hint : str
    verdict : bool
        Whether there is a line for results between the message and the figure.
    """

    def __init__(self, model, figure, controls, *, others=(), hint, verdict=False):
        self.model = model
        self.figure = figure
        # ipympl's canvas is the widget; its manager wires it to the browser. pyplot is not involved, so
        # nothing depends on the notebook's backend and no figure outlives its view.
        self.canvas = _ipympl.Canvas(figure)
        with warnings.catch_warnings():
            # ipympl 0.10 passes its canvas to a traitlets constructor that will stop to accept it.
            warnings.filterwarnings("ignore", "Passing unrecognized arguments", DeprecationWarning)
            self._manager = _ipympl.FigureManager(self.canvas, 0)
        self.canvas.header_visible = self.canvas.footer_visible = self.canvas.toolbar_visible = False
        self.canvas.resizable = False
        self._hint = f"<span style='color:#555'>{hint}</span>"
        self.message = widgets.HTML(self._hint)
        self.verdict = widgets.HTML()
        self.code_button = widgets.Button(
            description="Show the code", icon="code", tooltip="Calls that repeat this view"
        )
        self.code = widgets.Textarea(
            layout={"display": "none", "width": "98%", "height": "11.5em"}, disabled=False
        )
        self.code.add_class("atomlens-code")
        self.code_button.on_click(self._toggle_code)
        layout = {"flex_flow": "row wrap", "align_items": "center"}
        row = widgets.HBox([*controls.values(), *others, self.code_button], layout=layout)
        super().__init__([row, self.message, *[self.verdict] * verdict, self.canvas, self.code])
        self.add_class("atomlens-view")
        for trait, control in controls.items():
            setattr(self, trait, control)
            link((model, trait), (control, "value"))
        model.observe(self._show_error, "error")
        self._show_error()

    def __repr__(self):
        return f"<{type(self).__name__}: run this notebook to use it; a static view follows>"

    def _show_error(self, _=None):
        error = escape(self.model.error)  # it may tell the name of a file
        self.message.value = f"<b style='color:#B00020'>{error}</b>" if error else self._hint

    def _say(self, text):
        self.verdict.value = (
            f"<div class='atomlens-verdict' style='font-size:12px;line-height:1.4'>{text}</div>"
        )

    def _toggle_code(self, _=None):
        hidden = self.code.layout.display == "none"
        self.code.layout.display = "" if hidden else "none"
        self.code_button.description = "Hide the code" if hidden else "Show the code"
        self._refresh_code()

    def _refresh_code(self):
        self.code.value = self.model.code

    def _settle(self):
        """Keep the axes where they are: to lay them out anew takes longer than to draw what is in them."""
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")

    def _redraw(self):
        self._refresh_code()
        self.canvas.draw_idle()


def _control(kind, description, value, width, **options):
    # Without continuous updates: one clustering a stop, not one a pixel of the drag.
    return kind(
        value=value, description=description, style={"description_width": "initial"},
        layout={"width": f"{width}px"}, **options,
    )  # fmt: skip


def slider(description, low, high, value):
    return _control(widgets.IntSlider, description, value, 260, min=low, max=high, continuous_update=False)


def dropdown(description, options, value, *, width=200):
    return _control(widgets.Dropdown, description, value, width, options=options)


def float_slider(description, low, high, step, value, *, log=False, readout=".2f", live=False):
    kind, base = (widgets.FloatLogSlider, {"base": 10}) if log else (widgets.FloatSlider, {})
    limits = {"min": low, "max": high, "step": step, "readout_format": readout, **base}
    return _control(kind, description, value, 290, continuous_update=live, **limits)


def pixels_under(event, image):
    """Place (x, y) under the mouse in pixels, in axes that have the unit of the image."""
    step, _ = pixel_of(image)
    start = [float(along(as_map(image), dim)[0]) for dim in ("x", "y")]
    return (np.array([event.xdata, event.ydata]) - start) / step
