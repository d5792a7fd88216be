"""View on local crystallography: map, neighbourhood, its symmetric image and cloud, linked."""

from __future__ import annotations

import numpy as np
from matplotlib.widgets import LassoSelector

from atomlens import plotting
from atomlens._types import Any, DataFrame
from atomlens.crystallography import POINT_GROUPS
from atomlens.crystallography.estimator import METHODS
from atomlens.plotting.drawing import colour_of
from atomlens.widgets._linked import LinkedView, dropdown, float_slider, slider
from atomlens.widgets.crystal_models import MIRRORS, CrystalModel

__all__ = ["crystal_explorer"]

_FADED = 0.12
_EXAGGERATE = 4
_LARGEST = 0.1  # tolerance, in lattice spacings


class CrystalExplorer(LinkedView):
    """Atoms, one neighbourhood, what symmetry makes of it, and the cloud of all.

    Click an atom, choose an operation, draw a lasso round points.
    """

    def __init__(self, model):
        mosaic = [["map", "star", "cloud"], ["map", "replica", "cloud"]]
        figure, axes = plotting.new_figure(mosaic, size=(9.2, 3.9), width_ratios=[1.2, 0.75, 1.1])
        self._map_ax, self._star_ax, self._replica_ax, self._cloud_ax = (
            axes[name] for name in ("map", "star", "replica", "cloud")
        )
        largest = max(_LARGEST * model.result.lattice_.spacing, model.tolerance)
        controls = {
            "n_clusters": slider("labels", 1, 12, model.n_clusters),
            "method": dropdown("method", METHODS, model.method),
            "point_group": dropdown("point group", POINT_GROUPS, model.point_group, width=150),
            "mirror": dropdown("mirror along", MIRRORS, model.mirror, width=170),
            "tolerance": float_slider("tolerance (px)", 0, largest, 0.05, model.tolerance),
        }
        self.operation = dropdown("operation", model.result.operations_, model.operation, width=160)
        self.operation.observe(self._on_operation_chosen, "value")
        hint = (
            "Click an atom: its neighbours, and what an operation makes of them (X). "
            "Draw a loop in the cloud: its atoms."
        )
        super().__init__(model, figure, controls, others=[self.operation], hint=hint, verdict=True)
        self._dots = self._points = self._ring = self._cross = None
        model.observe(self._on_result, "result")
        model.observe(self._on_selected, ["selected", "operation"])
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
        (self._image,) = self._cloud_ax.plot([], [], "X", mfc="white", mec="black", ms=10, mew=1.5)
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
        self._on_operations()
        self._on_selected()

    def _on_operations(self):
        """Another point group has other operations."""
        model, wanted = self.model, self.model.operation
        self.mirror.disabled = "m" not in model.point_group
        if self.operation.options != model.result.operations_:
            self.operation.options = model.result.operations_  # ipywidgets then takes the first of them
            model.operation = wanted

    def _on_operation_chosen(self, change):
        if change["new"] is not None:
            self.model.operation = change["new"]

    def _on_selected(self, _=None):
        model, result, row = self.model, self.model.result, self.model.selected
        if self.operation.value != model.operation:
            self.operation.value = model.operation
        atom = model.atoms.iloc[row]
        x, y = model.axes
        self._ring.set_data([atom[x]], [atom[y]])
        self._cross.set_data(*model.cloud[row][:, None])
        self._image.set_data(*-model.replica.mean(axis=0)[:, None] * model.unit[1])
        self._draw_star(self._star_ax, result.vectors_[row], int(result.labels_[row]), f"Atom {row}")
        self._draw_star(self._replica_ax, model.replica, model.replica_label, f"Under {model.operation}")
        if model.operation.startswith("m"):
            self._draw_mirror()
        self._replica_ax.set_xlabel(f"x: mean of the label\n(displacements x {_EXAGGERATE})")
        self._redraw()

    def _draw_star(self, ax, vectors, label, title):
        """A neighbourhood, and the mean one of its label for comparison."""
        ax.clear()
        ideal = self.model.result.ideal_ - self.model.result.ideal_.mean(axis=0)
        colour = colour_of(label) if label >= 0 else "#999999"
        title += f", label {label}" if label >= 0 else ", no label"
        plotting.draw_constellation(ax, ideal, vectors, colour=colour, exaggerate=_EXAGGERATE, title=title)
        if label >= 0:
            shown = ideal + _EXAGGERATE * (self.model.result.centroids_[label] - ideal)
            ax.scatter(*shown.T, s=90, marker="x", color="black", linewidths=1.2, zorder=4)

    def _draw_mirror(self):
        """The line that a mirror leaves where it is."""
        # of a reflection, (1 + R) / 2 projects on the line
        along = np.linalg.svd(np.eye(2) + self.model.matrix)[0][:, 0]
        reach = self._replica_ax.get_xlim()[1]
        self._replica_ax.plot(*np.outer(along, [-reach, reach]), "--", color="#777777", linewidth=1, zorder=0)

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
        ``random_state``, and initial ``n_clusters``, ``method``, ``point_group``, ``mirror``, ``tolerance``
        or ``operation``.

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
    >>> view.n_clusters.value, view.operation.options[:3]
    (2, ('1', '90°', '180°'))
    """
    largest = CrystalModel.n_clusters.max
    if not 1 <= settings.get("n_clusters", 1) <= largest:
        raise ValueError(
            f"the explorer shows 1 to {largest} labels, got n_clusters={settings['n_clusters']!r}: "
            "LocalCrystallography takes more"
        )
    return CrystalExplorer(CrystalModel(columns, **settings))
