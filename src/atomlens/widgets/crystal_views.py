"""View on local crystallography: map, neighbourhood and cloud, linked."""

from __future__ import annotations

import numpy as np
from matplotlib.widgets import LassoSelector

from atomlens import plotting
from atomlens._types import Any, DataFrame
from atomlens.crystallography import POINT_GROUPS
from atomlens.crystallography.estimator import METHODS
from atomlens.plotting.drawing import colour_of
from atomlens.widgets._linked import LinkedView, dropdown, slider
from atomlens.widgets.crystal_models import CrystalModel

__all__ = ["crystal_explorer"]

_FADED = 0.12


class CrystalExplorer(LinkedView):
    """Atoms, one neighbourhood and the cloud of all: click an atom, draw a lasso round points."""

    def __init__(self, model):
        figure, (self._map_ax, self._star_ax, self._cloud_ax) = plotting.new_figure(
            1, 3, size=(9.4, 3.6), width_ratios=[1.2, 0.75, 1.1]
        )
        controls = {
            "n_clusters": slider("labels", 1, 12, model.n_clusters),
            "method": dropdown("method", METHODS, model.method),
            "point_group": dropdown("point group", POINT_GROUPS, model.point_group),
        }
        hint = "Click an atom to see its neighbours; draw a loop in the cloud to see where its atoms are."
        super().__init__(model, figure, controls, hint=hint, verdict=True)
        self._dots = self._points = self._ring = self._cross = None
        model.observe(self._on_result, "result")
        model.observe(self._on_selected, "selected")
        model.observe(self._on_brushed, "brushed")
        self.canvas.mpl_connect("button_release_event", self._on_click)
        self._on_result()

    def _on_result(self, _=None):
        model, result = self.model, self.model.result
        for ax in (self._map_ax, self._cloud_ax):
            ax.clear()
        self._dots = plotting.draw_phases(
            self._map_ax, model.atoms, result.labels_, image=model.image, title="Atoms"
        )
        unit, scale = model.unit
        self._points = plotting.draw_cloud(
            self._cloud_ax, model.cloud, result.labels_, centroids=-result.centroids_.mean(axis=1) * scale,
            title="Displacements", names=("x", "y"), unit=unit, shuffle=False,
        )  # fmt: skip
        (self._ring,) = self._map_ax.plot([], [], "o", mfc="none", mec="black", ms=12, mew=1.8)
        (self._cross,) = self._cloud_ax.plot([], [], "P", color="black", ms=9)
        self._lasso = LassoSelector(
            self._cloud_ax, self.model.brush, props={"color": "black", "linewidth": 1}
        )
        columns = [c for c in result.verdict_ if c not in ("ferroic", "asymmetry_px")]
        if "asymmetry_pm" not in columns:
            columns.insert(-2, "asymmetry_px")
        table = result.verdict_[columns].to_html(
            float_format="{:.3g}".format, border=0, justify="left", index_names=False
        )
        self._say(table)
        model.brushed = None
        self._on_brushed()
        self._on_selected()

    def _on_selected(self, _=None):
        model, result, row = self.model, self.model.result, self.model.selected
        atom, label = model.atoms.iloc[row], int(result.labels_[row])
        x, y = model.axes
        self._ring.set_data([atom[x]], [atom[y]])
        self._cross.set_data(*model.cloud[row][:, None])
        self._star_ax.clear()
        ideal = result.ideal_ - result.ideal_.mean(axis=0)
        colour = colour_of(label) if label >= 0 else "#999999"
        title = f"Atom {row}, " + (f"label {label}" if label >= 0 else "no label")
        plotting.draw_constellation(
            self._star_ax, ideal, result.vectors_[row], colour=colour, exaggerate=4, title=title
        )
        if label >= 0:  # the mean neighbourhood of its label, for comparison
            shown = ideal + 4 * (result.centroids_[label] - ideal)
            self._star_ax.scatter(*shown.T, s=90, marker="x", color="black", linewidths=1.2, zorder=4)
        self._star_ax.set_xlabel("x: mean of the label\n(displacements x 4)")
        self._redraw()

    def _on_brushed(self, _=None):
        rows = self.model.brushed
        alpha = np.full(len(self.model.atoms), 1.0 if rows is None else _FADED)
        if rows is not None:
            alpha[rows] = 1.0
        for dots in (self._dots, self._points):
            dots.set_alpha(alpha)
        if rows is None:
            self.message.value = self._hint
        else:
            self.message.value = f"<span style='color:#555'>{len(rows)} atoms inside the loop</span>"
        self._redraw()

    def _on_click(self, event):
        if event.inaxes is self._map_ax:
            self.model.select(event.xdata, event.ydata)


def crystal_explorer(columns: DataFrame, **settings: Any) -> Any:
    """Explore the neighbourhoods of atoms by hand.

    Parameters
    ----------
    columns : DataFrame
        As for `atomlens.crystallography.LocalCrystallography.fit`.
    **settings
        As for `CrystalModel`: ``image``, ``name``, ``n_neighbors``, ``center``, ``neighbors``,
        ``random_state``, and initial ``n_clusters``, ``method`` or ``point_group``.

    Returns
    -------
    CrystalExplorer
        An ipywidget; ``model.result`` is the fitted estimator, ``model.brushed`` the rows inside the loop.

    Raises
    ------
    ImportError
        If ipywidgets or ipympl is not installed.
    ValueError
        If the columns cannot be clustered at all, or not into so many labels.

    Examples
    --------
    >>> from atomlens import datasets
    >>> view = crystal_explorer(datasets.load("bfo_phantom").data, center="Fe", neighbors="Bi", n_clusters=2)
    >>> view.n_clusters.value
    2
    """
    largest = CrystalModel.n_clusters.max
    if not 1 <= settings.get("n_clusters", 1) <= largest:
        raise ValueError(
            f"the explorer shows 1 to {largest} labels, got n_clusters={settings['n_clusters']!r}: "
            "LocalCrystallography takes more"
        )
    return CrystalExplorer(CrystalModel(columns, **settings))
