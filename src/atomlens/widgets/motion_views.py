"""View on tracks: a movie, the path that was clicked with its sub-images, and the matrix with its events."""

from __future__ import annotations

import numpy as np

from atomlens import plotting
from atomlens._types import Any, ArrayLike, DataFrame
from atomlens.plotting.drawing import GREYS, as_map, colour_of, grey_limits, place_columns
from atomlens.widgets._linked import LinkedView, pixels_under, slider, widgets
from atomlens.widgets.motion_models import _SHOWN, TrackModel

__all__ = ["track_explorer"]


class TrackExplorer(LinkedView):
    """Movie with tracks; sub-images and states of the chosen one; the transition matrix."""

    def __init__(self, model):
        half = _SHOWN // 2
        mosaic = [["movie"] * half + ["matrix"] * half] * 3 + [["states"] * _SHOWN] + [list(range(_SHOWN))]
        figure, axes = plotting.new_figure(mosaic, size=(9.2, 4.6), height_ratios=[1, 1, 1, 0.3, 0.9])
        self._movie, self._matrix, self._states = axes["movie"], axes["matrix"], axes["states"]
        self._small = [axes[n] for n in range(_SHOWN)]
        controls = {"frame": slider("frame", 0, len(model.movie) - 1, model.frame)}
        self.next = widgets.Button(description="next event", icon="forward", layout={"width": "120px"})
        hint = "Click a defect to follow it; click a cell of the matrix, then go from event to event."
        super().__init__(model, figure, controls, others=[self.next], hint=hint, verdict=True)
        self.next.on_click(lambda _: model.next_event())
        model.observe(self._on_place, ["frame", "particle"])
        model.observe(self._on_entry, "entry")
        self.canvas.mpl_connect("button_press_event", self._on_click)
        self._on_place()
        self._on_entry()
        self._settle()

    def _on_place(self, _=None):
        self._show_movie()
        self._show_path()
        self._tell()

    def _on_entry(self, _=None):
        self._show_matrix()
        self._tell()

    def _tell(self):
        model = self.model
        before, after = (model.transitions.states[n] for n in model.entry)
        self._say(
            f"Track <b>{model.particle}</b>: {len(model.path)} frames. "
            f"<b>{before}</b> to <b>{after}</b>: {len(model.events)} events. "
            + "; ".join(model.transitions.doubts)
        )
        self._redraw()

    def _show_movie(self):
        model, ax = self.model, self._movie
        ax.clear()
        title = f"frame {model.frame}"
        plotting.draw_tracks(ax, model.picture, model.tracks, by=model.by, until=model.frame, title=title)
        x, y = place_columns(model.tracks, as_map(model.picture))
        here = model.path[model.path["frame"] == model.frame]
        ax.plot(here[x], here[y], "o", mfc="none", mec="white", ms=14, mew=2)

    def _show_matrix(self):
        model, ax = self.model, self._matrix
        ax.clear()
        values, states = model.transitions.matrix, model.transitions.states
        ax.imshow(np.nan_to_num(values), cmap="Blues", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(values):
            count = model.counts.iloc[row, column]
            text = f"{value:.2f}\n{count:.0f}" if np.isfinite(value) else "?"
            ax.text(column, row, text, ha="center", va="center", color="white" if value > 0.6 else "#222222")
        ax.plot(model.entry[1], model.entry[0], "s", mfc="none", mec="#D55E00", ms=30, mew=2)
        ticks = range(len(states))
        ax.set(xticks=ticks, yticks=ticks, xticklabels=states, yticklabels=states)
        ax.set(
            title="this frame (rows) to the next",
            xlim=(-0.5, len(states) - 0.5),
            ylim=(len(states) - 0.5, -0.5),
        )

    def _show_path(self):
        model, ax = self.model, self._states
        names = sorted(model.tracks[model.by].dropna().unique())
        ax.clear()
        path = model.path.dropna(subset=[model.by])
        ax.bar(
            path["frame"],
            1.0,
            width=1.0,
            color=[colour_of(names.index(v)) for v in path[model.by]],
            linewidth=0,
        )
        ax.axvline(model.frame, color="#222222", lw=1)
        ax.set(xlim=(-0.5, len(model.movie) - 0.5), yticks=[], xlabel="frame")
        pictures, rows = model.sub_images, model.shown
        limits = grey_limits(pictures) if len(pictures) else (0, 1)
        for n, small in enumerate(self._small):
            small.clear()
            small.set_axis_off()
            if n < len(pictures):
                small.imshow(pictures[n], cmap=GREYS, vmin=limits[0], vmax=limits[1])
                small.set_title(f"{rows['frame'].iloc[n]:.0f}", fontsize=8.5)

    def _on_click(self, event):
        if event.inaxes is self._movie:
            self.model.select(*pixels_under(event, self.model.picture))
        elif event.inaxes is self._matrix:
            size = len(self.model.transitions.states) - 1
            row, column = (int(np.clip(round(v), 0, size)) for v in (event.ydata, event.xdata))
            self.model.entry = (row, column)


def track_explorer(
    movie: ArrayLike, tracks: DataFrame, *, by: str = "label", name: str = "tracks", **settings: Any
) -> Any:
    """Explore tracks by hand: who went where, as what, and when it changed.

    Parameters
    ----------
    movie : array_like of shape (T, H, W), or DataArray
    tracks : DataFrame
        As `dynamics.link` gives them, with a column of states.
    by : str
        That column.
    name : str
        What the tracks are called in the notebook, for the code that is shown.
    **settings
        Initial `frame`, `particle` and `entry`.

    Returns
    -------
    ipywidgets.Widget

    Raises
    ------
    ValueError
        If movie or tracks are none, see `TrackModel`.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.movies.hopping(4, n_frames=6, shape=(64, 64), hop=0.3)
    >>> track_explorer(sample.data, sample.truth, frame=2).model.frame
    2
    """
    return TrackExplorer(TrackModel(movie, tracks, by=by, name=name, **settings))
