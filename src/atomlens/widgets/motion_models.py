"""What the explorer of tracks knows and does, without anything on a screen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import traitlets
from scipy.ndimage import map_coordinates

from atomlens import dynamics
from atomlens._doubts import quietly
from atomlens._types import Any, ArrayLike, DataFrame, ndarray
from atomlens.widgets._model import Model

__all__ = ["TrackModel"]

_SHOWN = 8  # sub-images of a path
_SIDE = 33  # pixels of a sub-image


class TrackModel(Model):
    """A movie, the tracks in it, one of them on show, and the transitions of all.

    Parameters
    ----------
    movie : array_like of shape (T, H, W), or DataArray
    tracks : DataFrame
        ``frame``, ``particle``, ``x``, ``y`` in pixels, and the column `by`.
    by : str
        Column of the states.
    name : str
        What the tracks are called in the code that is shown.
    **traits
        Initial values of the traits.

    Raises
    ------
    ValueError
        If the movie has other than three axes, a column is missing, or there is no track.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.movies.hopping(4, n_frames=6, shape=(64, 64), hop=0.3)
    >>> model = TrackModel(sample.data, sample.truth)
    >>> len(model.path) <= 6, model.sub_images.shape[1:]
    (True, (33, 33))
    """

    frame = traitlets.Int(0, min=0, help="The frame on show.")
    particle = traitlets.Any(None, allow_none=True, help="The track that was chosen.")
    entry = traitlets.Tuple(
        default_value=(0, 0), help="Entry of the matrix: numbers of the states before, after."
    )

    def __init__(
        self, movie: ArrayLike, tracks: DataFrame, *, by: str = "label", name: str = "tracks", **traits: Any
    ) -> None:
        if np.ndim(movie) != 3:
            raise ValueError(f"a movie has three axes (time, y, x), got {np.ndim(movie)}")
        missing = [column for column in ("frame", "particle", "x", "y", by) if column not in tracks]
        if missing:
            raise ValueError(
                f"tracks lack {', '.join(missing)}: link detections first, dynamics.link(detections)"
            )
        if tracks.empty:
            raise ValueError("there is no track to show")
        self.movie, self.by, self.name = movie, by, name
        self.tracks = tracks.sort_values(["particle", "frame"], ignore_index=True)
        with quietly():  # the view shows its doubts
            self.transitions = dynamics.transitions(self.tracks, state=by)
        super().__init__(**traits)
        if self.particle is None:
            self.particle = _plain(self.tracks["particle"].value_counts().index[0])

    @property
    def picture(self) -> ndarray:
        """The frame on show."""
        return self.movie[self.frame]

    @property
    def path(self) -> DataFrame:
        """The chosen track, by frames."""
        return self.tracks[self.tracks["particle"] == self.particle]

    @property
    def shown(self) -> DataFrame:
        """Rows of the path whose sub-images are shown, the last at or before the frame on show."""
        path = self.path
        last = max(int((path["frame"] <= self.frame).sum()), min(_SHOWN, len(path)))
        return path.iloc[max(0, last - _SHOWN) : last]

    @property
    def sub_images(self) -> ndarray:
        """Squares of 33 pixels around the chosen particle, shape (N, 33, 33)."""
        steps = np.arange(_SIDE) - _SIDE // 2
        values = []
        for row in self.shown.itertuples():
            at = np.meshgrid(row.y + steps, row.x + steps, indexing="ij")
            values.append(
                map_coordinates(np.asarray(self.movie[int(row.frame)], float), at, order=1, mode="nearest")
            )
        return np.array(values).reshape(-1, _SIDE, _SIDE)

    @property
    def events(self) -> DataFrame:
        """Where the chosen transition happened: ``particle``, ``frame`` before it, ``x``, ``y``."""
        before, after = (self.transitions.states[n] for n in self.entry)
        now = self.tracks
        then = now.groupby("particle").shift(-1)
        here = (now[self.by] == before) & (then[self.by] == after) & (then["frame"] == now["frame"] + 1)
        return now.loc[here, ["particle", "frame", "x", "y"]].reset_index(drop=True)

    @property
    def code(self) -> str:
        """Calls that repeat what is seen."""
        before, after = (self.transitions.states[n] for n in self.entry)
        return (
            f"{self.name}[{self.name}.particle == {self.particle!r}]\n"
            f'chain = dynamics.transitions({self.name}, state="{self.by}")\n'
            f"table = chain.table().set_index(['before', 'after'])\n"
            f"table.loc[({before!r}, {after!r})]"
        )

    def select(self, x: float, y: float) -> None:
        """Choose the track that is nearest to a place (x, y) in pixels, in this frame or else in any."""
        here = self.tracks[self.tracks["frame"] == self.frame]
        rows = here if len(here) else self.tracks
        away = np.hypot(rows["x"] - x, rows["y"] - y)
        self.particle = _plain(rows.loc[away.idxmin(), "particle"])

    def next_event(self) -> None:
        """Go to the next of the chosen transitions after this frame, or to the first one."""
        events = self.events.sort_values("frame", kind="stable")
        if events.empty:
            self.error = "this transition was never seen"
            return
        self.error = ""
        later = events[events["frame"] > self.frame]
        event = (later if len(later) else events).iloc[0]
        with self.hold_trait_notifications():
            self.frame, self.particle = int(event["frame"]), _plain(event["particle"])

    @property
    def counts(self) -> DataFrame:
        """Transitions as seen, by names of states."""
        states = self.transitions.states
        return pd.DataFrame(self.transitions.counts, index=states, columns=states)


def _plain(value):
    """A number as Python prints it."""
    return value.item() if isinstance(value, np.generic) else value
