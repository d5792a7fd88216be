"""What the app shows: the data with one layer, and beside it what is at the chosen place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.widgets import LassoSelector

from atomlens import plotting
from atomlens._types import Any
from atomlens.plotting.drawing import along, axis_label
from atomlens.widgets.sample_models import SampleModel

__all__ = ["ADDED", "OUT", "REMOVED", "SampleFigure"]

ADDED, REMOVED, OUT = "#009E73", "#D55E00", "#E69F00"
_PLACE = "#CC0000"
_MOST_PIXELS = 1500  # of a side, that are drawn
_MOST_CORNERS = 100  # of a loop: a mouse gives one a pixel
_AROUND = 3  # spacings about the chosen place, in the close-up
_FEW = 40  # pixels about it, where no spacing is known


class SampleFigure:
    """Two axes that follow a model.

    Parameters
    ----------
    model : SampleModel
    on_loop : callable
        Called with the corners of a loop in pixels.
    """

    def __init__(self, model: SampleModel, on_loop: Callable[[Any], None]) -> None:
        self.model, self._on_loop = model, on_loop
        self.figure, (self.left, self.right) = plotting.new_figure(
            1, 2, size=(10.2, 4.7), width_ratios=[1.25, 1]
        )
        self.corners: list[tuple[float, float]] = []
        self._lasso, self._ring, self._total, self._looping = None, None, (None, None), False

    @property
    def looping(self) -> bool:
        """Whether the mouse draws loops."""
        return self._looping

    @looping.setter
    def looping(self, active):
        self._looping = active
        if self._lasso is not None:
            self._lasso.set_active(active)

    @property
    def picture(self) -> Any:
        """What is drawn on the left: a map, or a profile of one dimension."""
        data = self.model.data
        kind = data.attrs.get("kind")
        if kind == "movie":
            return data[min(self.model.frame, len(data) - 1)]
        if kind in ("spectrum_image", "line_scan"):
            if self._total[0] is not data:
                self._total = (data, data.sum(data.dims[-1], keep_attrs=True).compute())
            return self._total[1]
        return data.astype("uint8") if data.dtype == bool else data  # a mask has no percentiles

    def place_of(self, event: Any) -> tuple[float, float]:
        """Where the mouse is, in pixels."""
        picture = self.picture
        if picture.ndim == 1:
            return float(np.abs(along(picture, picture.dims[0]).values - event.xdata).argmin()), 0.0
        start, step = _origin(picture)
        return tuple(map(float, (np.array([event.xdata, event.ydata]) - start) / step))

    def draw(self) -> None:
        """Draw both sides again."""
        for ax in (self.left, self.right):
            _empty(ax)
        self._lasso = self._ring = None
        data = self.model.data
        if data is None:
            return
        kind = data.attrs.get("kind")
        if kind in ("image", "movie", "spectrum_image"):
            self.left.set_axis_on()
            self._draw_layer(self.left, self.picture)
            self._draw_by_hand()
            line = {"color": OUT, "linewidth": 1.5}
            self._lasso = LassoSelector(self.left, self._on_lasso, props=line)
            self._lasso.set_active(self._looping)
        elif kind in ("spectrum", "line_scan"):
            self.left.set_axis_on()
            self._draw_profile(self.left, self.picture)
        self.draw_place()

    def draw_place(self) -> None:
        """Draw the ring about the chosen place, and the right side again."""
        model, ax = self.model, self.right
        _empty(ax)
        if model.data is None or model.place is None:
            return
        ax.set_axis_on()
        self._draw_ring()
        if model.data.attrs["kind"] in ("spectrum_image", "line_scan"):
            self._draw_spectra(ax)
        else:
            self._draw_close_up(ax)

    def _draw_layer(self, ax, picture, near=None):
        """A picture with the chosen layer; a part of it, with the rows of tables that are `near`."""
        layer, known = self.model.layer, {} if self.model.found is None else self.model.found.known
        if layer == "clusters":
            plotting.draw_labels(ax, known["clusters"].labels)
        elif layer.startswith("mixture"):
            shares = known["unmixed"].abundances
            share = shares.isel({shares.dims[-1]: int(layer.split()[1]) - 1})
            plotting.draw_map(ax, share, colourbar=False, cmap="viridis")
        else:
            plotting.draw_image(ax, _coarse(picture))
        whole, part = self.picture, near or (lambda table: table)
        if layer == "domains":
            plotting.draw_labels(ax, known["domains"]).set_alpha(0.45)
        elif layer == "phases":
            own = part(known["sites"].iloc[known["phases"].centers_].assign(k=known["phases"].phase_labels_))
            plotting.draw_phases(ax, own, own["k"], image=whole)
        elif layer == "displacements":
            plotting.draw_displacements(ax, known["moved"], image=whole)
        elif layer in ("columns", "defects"):
            plotting.draw_columns(ax, whole, part(known["columns"]))
        elif layer == "frames" and "columns" in known:
            columns = known["columns"]
            plotting.draw_columns(ax, whole, part(columns[columns["frame"] == self.model.frame]))
        if "defects" in known and (layer == "defects" or (near and layer != "image")):
            plotting.draw_hits(ax, whole, part(known["defects"].defects))
        ax.set_title(_title(layer, known, self.model.frame))

    def _draw_by_hand(self):
        """What was marked by hand."""
        chosen, picture = self.model.settings, self.picture
        start, step = _origin(picture)
        for polygon in (*chosen.left_out, self.corners):
            if len(polygon):
                corners = start + step * np.array([*polygon, polygon[0]])
                self.left.plot(*corners.T, "o-" if polygon is self.corners else "-", color=OUT, lw=1.6, ms=4)
                self.left.fill(*corners.T, color=OUT, alpha=0.25)
        for places, marker, colour in ((chosen.added, "+", ADDED), (chosen.removed, "x", REMOVED)):
            if places:
                self.left.plot(*(start + step * np.array(places)).T, marker, color=colour, ms=9, mew=2.2)

    def _draw_profile(self, ax, profile):
        axis = along(profile, profile.dims[0])
        ax.plot(axis, profile)
        scan = self.model.data.ndim == 2
        ax.set(xlabel=axis_label(axis), ylabel="total signal" if scan else "intensity")
        ax.set_title("Line scan" if scan else "Spectrum")
        ax.margins(x=0)

    def _draw_close_up(self, ax):
        picture, found = self.picture, self.model.found
        lattice = None if found is None else found.sample.lattice
        spaced = lattice is not None and lattice.periodic
        half = _AROUND * float(np.max(lattice.lengths)) if spaced else _FEW
        half = int(np.clip(half, 6, max(6, min(picture.shape) / 2)))
        row, column = self.model.pixel
        window = [slice(max(0, n - half), n + half + 1) for n in (row, column)]
        part = picture[tuple(window)]
        rows, columns = (np.arange(n)[w] for n, w in zip(picture.shape, window, strict=True))
        if not {"x", "y"} <= set(part.coords):
            part = part.assign_coords(y=rows, x=columns)

        def near(table):
            inside = table["x"].between(columns[0] - 1, columns[-1] + 1)
            return table[inside & table["y"].between(rows[0] - 1, rows[-1] + 1)]

        self._draw_layer(ax, part, near)
        ax.set_title(f"Close-up at ({column}, {row}) px")
        (left, right), (top, bottom) = ((float(part[d][0]), float(part[d][-1])) for d in ("x", "y"))
        ax.set(xlim=(left, right), ylim=(bottom, top))

    def _draw_spectra(self, ax):
        model, data = self.model, self.model.data
        row, column = model.pixel
        one = (data[row, column] if data.ndim == 3 else data[column]).compute()
        if model.found is not None and "clusters" in model.found.known:
            plotting.draw_spectra(ax, model.found.known["clusters"].spectra)
        axis = along(one, one.dims[-1])
        ax.plot(axis, one, color="black", lw=0.9, label="here")
        ax.set(xlabel=axis_label(axis), ylabel="intensity")
        ax.set_title(f"Spectrum at ({column}, {row}) px" if data.ndim == 3 else f"Spectrum at {column} px")
        ax.margins(x=0)
        ax.legend()

    def _draw_ring(self):
        if self._ring is not None:
            self._ring.remove()
        picture = self.picture
        if picture.ndim == 1:
            at = float(along(picture, picture.dims[0])[self.model.pixel[1]])
            self._ring = self.left.axvline(at, color=_PLACE, lw=1)
            return
        start, step = _origin(picture)
        (self._ring,) = self.left.plot(
            *(start + step * np.array(self.model.place)), "o", mfc="none", mec=_PLACE, ms=13, mew=1.8
        )

    def _on_lasso(self, outline):
        if len(outline) > 2:
            start, step = _origin(self.picture)
            corners = (np.array(outline) - start) / step
            self._on_loop(corners[:: -(-len(corners) // _MOST_CORNERS)])


def _empty(ax):
    ax.clear()
    ax.set_aspect("auto")  # an image has left its own
    ax.set_axis_off()


def _origin(picture):
    """Where pixel (0, 0) is drawn, and how far the next one is, along x and y: scans need not be square."""
    axes = [along(picture, dim).values for dim in ("x", "y")]
    return tuple(
        np.array(values)
        for values in zip(*((a[0], a[1] - a[0] if len(a) > 1 else 1.0) for a in axes), strict=True)
    )


def _coarse(picture):
    """An image with no more pixels than a screen has."""
    factor = -(-max(picture.shape) // _MOST_PIXELS)
    if factor == 1:
        return picture
    return picture.coarsen(dict.fromkeys(picture.dims, factor), boundary="trim").mean()


def _title(layer, known, frame):
    if layer == "columns":
        return f"{len(known['columns'])} columns"
    if layer == "defects":
        found = known["defects"]
        return (
            f"{len(found.defects)} defects, {found.false_alarm_rate * found.n_cells:.2g} expected by chance"
        )
    if layer == "domains":
        return f"Domains: {known['domains'].attrs['n_domains']}"
    if layer == "phases":
        return "Phases: " + ", ".join(known["phases"].verdict_["kind"])
    if layer.startswith("mixture"):
        return f"Share of end member {layer.split()[1]}"
    more = {
        "displacements": "Displacements, exaggerated",
        "total": "Total signal",
        "frames": f"Frame {frame}",
    }
    return more.get(layer, layer.capitalize())
