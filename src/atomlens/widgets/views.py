"""Views on the clusters of spectra."""

from __future__ import annotations

import numpy as np

from atomlens import plotting
from atomlens._types import Any, ArrayLike, DataArray, KChoice
from atomlens.plotting.drawing import along
from atomlens.spectra import METHODS
from atomlens.widgets._linked import LinkedView, dropdown, slider
from atomlens.widgets.models import NORMALISATIONS, ClusterModel, CockpitModel

__all__ = ["cluster_explorer", "k_cockpit"]


class ClusterExplorer(LinkedView):
    """Label map and spectra, linked: click or drag on the map to see the spectra behind it."""

    def __init__(self, model, edges=None):
        self._edges_known = edges
        is_map = len(model.scan_dims) == 2
        if is_map:
            figure, (self._map_ax, self._ax) = plotting.new_figure(
                1, 2, size=(9.2, 3.6), width_ratios=[2.6, 5]
            )
        else:
            figure, (self._map_ax, self._ax) = plotting.new_figure(
                2, 1, size=(9.0, 4.6), height_ratios=[0.5, 3]
            )
        controls = {
            "n_clusters": slider("clusters", 1, 10, model.n_clusters),
            "method": dropdown("method", METHODS, model.method),
            "normalise": dropdown("normalise", NORMALISATIONS, model.normalise),
        }
        hint = "Click or drag on the label map: its mean spectrum is drawn in black over the clusters."
        super().__init__(model, figure, controls, hint=hint, verdict=model.truth is not None)
        model.observe(self._on_result, "result")
        model.observe(self._on_selected, "selected")
        self._press = None
        self.canvas.mpl_connect("button_press_event", self._on_press)
        self.canvas.mpl_connect("button_release_event", self._on_release)
        self._on_result()

    def _on_result(self, _=None):
        result = self.model.result
        if result is None:
            return
        self._map_ax.clear()
        plotting.draw_labels(self._map_ax, result.labels, title="Clusters")
        self._ax.clear()
        plotting.draw_spectra(self._ax, result.spectra, result.spread, edges=self._edges_known)
        if self.model.ari is not None:
            self._say(f"Agreement with the truth (1 is perfect, 0 chance): ARI = <b>{self.model.ari:.3f}</b>")
        (self._box,) = self._map_ax.plot([], [], color="black", linewidth=1.8)
        dim = self.model.si.dims[-1]
        axis = along(self.model.si, dim)
        (self._line,) = self._ax.plot(axis, np.full(len(axis), np.nan), color="black", linewidth=1.1)
        self._on_selected()

    def _on_selected(self, _=None):
        if self.model.result is None:
            return
        self._line.set_ydata(self.model.selected.values)
        size = int(np.prod(np.diff(np.reshape(self.model.region, (-1, 2)))))
        cluster = self.model.selected_cluster
        where = f"mostly in cluster {cluster}" if cluster >= 0 else "left out of all clusters"
        what = "one spectrum" if size == 1 else f"mean of {size} spectra"
        self._ax.set_title(f"Black: {what}, {where}", loc="left", weight="bold", size=10.5)
        self._box.set_data(*self._outline())
        self._redraw()

    def _outline(self):
        """The region's border in the units of the map."""
        region = self.model.region
        spans = zip(self.model.scan_dims, region[::2], region[1::2], strict=True)
        edges = [self._edges(dim, first, last) for dim, first, last in spans]
        (left, right), (top, bottom) = edges[-1], (edges[0] if len(edges) == 2 else (0.02, 0.98))
        return [left, right, right, left, left], [top, top, bottom, bottom, top]

    def _scale(self, dim):
        """Origin and step of a scan dimension, in the units that the map is drawn in."""
        values = along(self.model.si, dim).values
        return float(values[0]), float(values[-1] - values[0]) / max(len(values) - 1, 1) or 1.0

    def _edges(self, dim, first, last):
        origin, step = self._scale(dim)
        return origin + (first - 0.5) * step, origin + (last - 0.5) * step

    def _index(self, event):
        """Scan indices under the mouse, in the order of the scan's dimensions."""
        places = {self.model.scan_dims[-1]: event.xdata}
        if len(self.model.scan_dims) == 2:
            places[self.model.scan_dims[0]] = event.ydata
        index = []
        for dim in self.model.scan_dims:
            origin, step = self._scale(dim)
            index.append(int(np.floor((places[dim] - origin) / step + 0.5)))
        return index

    def _on_press(self, event):
        self._press = self._index(event) if event.inaxes is self._map_ax else None

    def _on_release(self, event):
        press, self._press = self._press, None
        if press is None or event.inaxes is not self._map_ax:
            return
        region = []
        for start, end in zip(press, self._index(event), strict=True):
            region += [min(start, end), max(start, end) + 1]
        self.model.region = tuple(region)


class KCockpit(LinkedView):
    """Seven criteria, and label map and spectra of one k: move the slider and see what each k means."""

    def __init__(self, model, edges=None):
        self._edges_known = edges
        mosaic = [[*range(4), "map"], [*range(4, 8), "spectra"]]
        figure, axes = plotting.new_figure(mosaic, size=(9.2, 4.8), width_ratios=[1, 1, 1, 1, 2.6])
        self._map_ax, self._ax = axes.pop("map"), axes.pop("spectra")
        tried = model.choice.table.index
        k = slider("clusters k", int(tried.min()), int(tried.max()), model.k)
        hint = "Orange dots: what each criterion prefers. Blue bars: the k of map and spectra."
        super().__init__(model, figure, {"k": k}, hint=hint)
        self._marks = plotting.draw_criteria(axes.values(), model.choice, current=model.k)
        for ax in axes.values():  # eight of them share a little more than half of the width
            ax.tick_params(labelsize=8)
            ax.xaxis.label.set_size(8.5)
        model.observe(self._on_result, "result")
        self._on_result()
        self._settle()

    def _on_result(self, _=None):
        for mark in self._marks:
            mark.set_xdata([self.model.k, self.model.k])
        self._map_ax.clear()
        result = self.model.result
        title = f"k = {self.model.k}, silhouette {result.scores.silhouette:.2f}"
        plotting.draw_labels(self._map_ax, result.labels, title=title)
        self._ax.clear()
        title = "Their mean spectra"
        plotting.draw_spectra(self._ax, result.spectra, title=title, edges=self._edges_known)
        self._ax.get_legend().remove()  # of many clusters it would hide the lines
        self._redraw()


def cluster_explorer(
    si: DataArray,
    truth: ArrayLike | None = None,
    edges: dict[str, float] | None = None,
    *,
    name: str = "si",
    random_state: int = 0,
    **settings: Any,
) -> Any:
    """Explore the clusters of a spectrum image or line scan by hand.

    Parameters
    ----------
    si : DataArray of shape (H, W, L) or (W, L)
    truth : array_like of int, shape (H, W) or (W,), optional
        The planted labels, where they are known: the adjusted Rand index with them is shown.
    edges : dict of str to float, optional
        What is known on the axis of the spectra, such as ``{"O K": 532}``: marked there.
    name : str
        What the data are called in the code that is shown.
    random_state : int
    **settings
        Initial ``n_clusters``, ``method``, ``normalise`` or ``region``, and ``truth_name`` (see
        `ClusterModel`).

    Returns
    -------
    ClusterExplorer
        An ipywidget; its ``model`` holds the current result.

    Raises
    ------
    ImportError
        If ipywidgets or ipympl is not installed.
    ValueError, TypeError
        If the scan is neither a map nor a line, or the truth does not fit it.

    Examples
    --------
    >>> from atomlens import simulate
    >>> phantom = simulate.spectra.eels(2, shape=(8, 8))
    >>> view = cluster_explorer(phantom.data, phantom.truth.labels, {"O K": 532}, n_clusters=2)
    >>> view.model.ari
    1.0
    """
    model = ClusterModel(si, truth, name=name, random_state=random_state, **settings)
    return ClusterExplorer(model, edges)


def k_cockpit(
    si: DataArray,
    choice: KChoice | None = None,
    edges: dict[str, float] | None = None,
    *,
    name: str = "si",
    random_state: int = 0,
) -> Any:
    """Compare numbers of clusters by hand: criteria, label map and mean spectra of each k.

    Parameters
    ----------
    si : DataArray of shape (..., L)
    choice : KChoice, optional
        From `atomlens.spectra.choose_k`; computed when it is not given.
    edges : dict of str to float, optional
        What is known on the axis of the spectra, such as ``{"O K": 532}``: marked there.
    name : str
        What the data are called in the code that is shown.
    random_state : int

    Returns
    -------
    KCockpit
        An ipywidget; its ``model`` holds the current k and result.

    Raises
    ------
    ImportError
        If ipywidgets or ipympl is not installed.

    Examples
    --------
    >>> from atomlens import simulate, spectra
    >>> si = simulate.spectra.eels(2, shape=(8, 8)).data
    >>> view = k_cockpit(si, spectra.choose_k(si, range(1, 4)))
    >>> view.k.max
    3
    """
    return KCockpit(CockpitModel(si, choice, name=name, random_state=random_state), edges)
