"""What the labeller and the explorer of particles know and do, without anything on a screen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import traitlets

from atomlens._types import Any, ArrayLike, DataFrame, ndarray
from atomlens.widgets._model import Model

__all__ = ["LabelModel", "ParticleModel"]

_NEAR = 6.0  # pixels, within which a click means the particle that is there


class LabelModel(Model):
    """A frame, and the particles that were marked by hand: a click for the place, another for the direction.

    Parameters
    ----------
    frame : array_like of shape (H, W), or DataArray
    symmetry : int
        How often a particle repeats in a full turn.
    **traits
        Initial values of the traits.

    Raises
    ------
    ValueError
        If the frame has other than two axes, or the symmetry is none.

    Examples
    --------
    >>> model = LabelModel(np.zeros((32, 32)), symmetry=2)
    >>> model.click(10, 10)
    >>> model.click(15, 15)
    >>> model.labels.values.tolist()
    [[10.0, 10.0, 45.0]]
    """

    marked = traitlets.Tuple((), help="(x, y, theta) of each particle, pixels and degrees.")
    started = traitlets.Any(None, allow_none=True, help="(x, y) of the particle that lacks its direction.")

    def __init__(self, frame: ArrayLike, *, symmetry: int, **traits: Any) -> None:
        if np.ndim(frame) != 2:
            raise ValueError(f"a frame has two axes (y, x), got {np.ndim(frame)}")
        if not (isinstance(symmetry, int | np.integer) and symmetry >= 1):
            raise ValueError(f"symmetry is how often a particle repeats in a full turn, got {symmetry!r}")
        self.frame, self.symmetry = frame, int(symmetry)
        super().__init__(**traits)

    def click(self, x: float, y: float) -> None:
        """Mark a place, or give it its direction; on a marked particle: take that away."""
        height, width = np.shape(self.frame)
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            self.error = f"({x:.0f}, {y:.0f}) lies outside the frame of {width} x {height} pixels"
            return
        self.error = ""
        if self.started is not None:
            (x0, y0), self.started = self.started, None
            if np.hypot(x - x0, y - y0) < 1:
                self.error = "the second click gives the direction: click farther from the first"
                return
            theta = float(np.degrees(np.arctan2(y - y0, x - x0)) % (360 / self.symmetry))
            self.marked = (*self.marked, (float(x0), float(y0), theta))
            return
        near = [n for n, (a, b, _) in enumerate(self.marked) if np.hypot(a - x, b - y) < _NEAR]
        if near:
            self.marked = tuple(row for n, row in enumerate(self.marked) if n != near[0])
        else:
            self.started = (float(x), float(y))

    def undo(self) -> None:
        """Take back the place that was begun, or the last particle."""
        if self.started is not None:
            self.started = None
        else:
            self.marked = self.marked[:-1]

    @property
    def labels(self) -> DataFrame:
        """What was marked: ``x``, ``y`` (pixels), ``theta`` (degrees), as `particles.train` takes it."""
        return pd.DataFrame(list(self.marked), columns=["x", "y", "theta"], dtype=float)

    @property
    def code(self) -> str:
        """Calls that repeat what is seen."""
        rows = ", ".join(f"({x:.1f}, {y:.1f}, {theta:.1f})" for x, y, theta in self.marked)
        return (
            f'labels = pd.DataFrame([{rows}], columns=["x", "y", "theta"])\n'
            f"model = particles.train(particles.level(frame), labels, symmetry={self.symmetry})"
        )


class ParticleModel(Model):
    """A movie, the particles in it with their angles, and one of them on show.

    Parameters
    ----------
    movie : array_like of shape (T, H, W), or DataArray
    tracks : DataFrame
        As of `particles.link`: ``frame``, ``particle``, ``x``, ``y``, ``theta``, ``turn``.
    symmetry : int
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
    >>> from atomlens import particles, simulate
    >>> sample = simulate.particles.assembly(n_frames=3, shape=(96, 96))
    >>> tracks = particles.link(sample.truth.drop(columns="particle"), symmetry=2)
    >>> model = ParticleModel(sample.data, tracks, symmetry=2)
    >>> len(model.path)
    3
    """

    frame = traitlets.Int(0, min=0, help="The frame on show.")
    particle = traitlets.Any(None, allow_none=True, help="The track that was chosen.")

    def __init__(
        self, movie: ArrayLike, tracks: DataFrame, *, symmetry: int, name: str = "tracks", **traits: Any
    ) -> None:
        if np.ndim(movie) != 3:
            raise ValueError(f"a movie has three axes (time, y, x), got {np.ndim(movie)}")
        missing = [name for name in ("frame", "particle", "x", "y", "theta", "turn") if name not in tracks]
        if missing:
            raise ValueError(f"tracks lack {', '.join(missing)}: link particles first, particles.link(found)")
        if tracks.empty:
            raise ValueError("there is no track to show")
        self.movie, self.symmetry, self.name = movie, int(symmetry), name
        self.tracks = tracks.sort_values(["particle", "frame"], ignore_index=True)
        super().__init__(**traits)
        if self.particle is None:
            self.particle = int(self.tracks["particle"].value_counts().index[0])

    @property
    def picture(self) -> ndarray:
        """The frame on show."""
        return self.movie[self.frame]

    @property
    def here(self) -> DataFrame:
        """The particles of the frame on show."""
        return self.tracks[self.tracks["frame"] == self.frame]

    @property
    def path(self) -> DataFrame:
        """The chosen track, by frames."""
        return self.tracks[self.tracks["particle"] == self.particle]

    def select(self, x: float, y: float) -> None:
        """Choose the particle that is nearest to a place (x, y) in pixels, in this frame or else in any."""
        rows = self.here if len(self.here) else self.tracks
        away = np.hypot(rows["x"] - x, rows["y"] - y)
        self.particle = int(rows.loc[away.idxmin(), "particle"])

    @property
    def code(self) -> str:
        """Calls that repeat what is seen."""
        return (
            f"one = {self.name}[{self.name}.particle == {self.particle}]\n"
            'one.plot(x="frame", y="turn")\n'
            f"now = {self.name}[{self.name}.frame == {self.frame}]\n"
            f"particles.domains(now, symmetry={self.symmetry}, reach=25)"
        )
