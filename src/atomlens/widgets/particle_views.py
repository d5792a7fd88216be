"""Views on particles: a labeller for one frame, and a movie whose particles show how they are turned."""

from __future__ import annotations

from atomlens import plotting
from atomlens._types import Any, ArrayLike, DataFrame
from atomlens.plotting.particles import on_image
from atomlens.widgets._linked import LinkedView, pixels_under, slider, widgets
from atomlens.widgets.particle_models import LabelModel, ParticleModel

__all__ = ["particle_explorer", "particle_labeller"]


class ParticleLabeller(LinkedView):
    """A frame on which particles are marked with two clicks each."""

    def __init__(self, model):
        figure, ax = plotting.new_figure(size=(6.0, 5.0))
        self._frame = ax
        self.undo = widgets.Button(description="undo", icon="undo", layout={"width": "90px"})
        hint = "Click the middle of a particle, then along its axis. A click on a marked one takes it away."
        super().__init__(model, figure, {}, others=[self.undo], hint=hint, verdict=True)
        self.undo.on_click(lambda _: model.undo())
        model.observe(self._on_change, ["marked", "started"])
        self.canvas.mpl_connect("button_press_event", self._on_click)
        self._on_change()
        self._settle()

    def _on_change(self, _=None):
        model, ax = self.model, self._frame
        ax.clear()
        plotting.draw_particles(ax, model.frame, model.labels, symmetry=model.symmetry)
        if model.started is not None:
            ax.plot(*model.started, "o", mfc="none", mec="#D55E00", ms=10, mew=2)
        waiting = "; now click along its axis" if model.started is not None else ""
        self._say(f"<b>{len(model.marked)}</b> particles marked{waiting}.")
        self._redraw()

    def _on_click(self, event):
        if event.inaxes is self._frame:
            self.model.click(event.xdata, event.ydata)


class ParticleExplorer(LinkedView):
    """Movie with glyphs; the turn of the chosen particle in time; angles of all in the frame."""

    def __init__(self, model):
        figure, axes = plotting.new_figure(
            [["movie", "turn"], ["movie", "angles"]], size=(9.2, 4.4), width_ratios=[1.1, 1]
        )
        self._movie, self._turn, self._angles = axes["movie"], axes["turn"], axes["angles"]
        controls = {"frame": slider("frame", 0, len(model.movie) - 1, model.frame)}
        hint = "Move through the movie; click a particle to see how it turns."
        super().__init__(model, figure, controls, hint=hint, verdict=True)
        model.observe(self._on_change, ["frame", "particle"])
        self.canvas.mpl_connect("button_press_event", self._on_click)
        self._on_change()
        self._settle()

    def _on_change(self, _=None):
        model = self.model
        for ax in (self._movie, self._turn, self._angles):
            ax.clear()
        here = model.here
        plotting.draw_particles(
            self._movie, model.picture, here, symmetry=model.symmetry, title=f"frame {model.frame}"
        )
        one = here[here["particle"] == model.particle]
        self._movie.plot(
            *on_image(model.picture, one[["x", "y"]]).T, "o", mfc="none", mec="white", ms=18, mew=2
        )
        path = model.path
        self._turn.plot(path["frame"], path["turn"], "o-", color="#0072B2", ms=3, lw=1)
        self._turn.axvline(model.frame, color="#222222", lw=1)
        self._turn.set(
            xlim=(-0.5, len(model.movie) - 0.5), xlabel="frame", ylabel="turned by (degrees)",
            title=f"particle {model.particle}",
        )  # fmt: skip
        plotting.draw_angles(self._angles, here, symmetry=model.symmetry, title="angles in this frame")
        farthest = path["turn"].diff().abs().max()
        self._say(
            f"<b>{len(here)}</b> particles in this frame. "
            f"Particle <b>{model.particle}</b>: {len(path)} frames"
            + (f", largest step {farthest:.0f}°." if len(path) > 1 else ".")
        )
        self._redraw()

    def _on_click(self, event):
        if event.inaxes is self._movie:
            self.model.select(*pixels_under(event, self.model.picture))


def particle_labeller(frame: ArrayLike, *, symmetry: int, **settings: Any) -> Any:
    """Mark the particles of one frame by hand, two clicks each: where it is, and along its axis.

    Parameters
    ----------
    frame : array_like of shape (H, W)
        Heights; places are pixels.
    symmetry : int
        How often a particle repeats in a full turn.
    **settings
        Initial `marked`.

    Returns
    -------
    ipywidgets.Widget
        Its ``model.labels`` is what `particles.train` takes.

    Raises
    ------
    ValueError
        If the frame has other than two axes, or the symmetry is none.

    Examples
    --------
    >>> import numpy as np
    >>> labeller = particle_labeller(np.zeros((32, 32)), symmetry=2, marked=((9.0, 9.0, 30.0),))
    >>> labeller.model.labels.theta.tolist()
    [30.0]
    """
    pixels = getattr(frame, "values", frame)
    return ParticleLabeller(LabelModel(pixels, symmetry=symmetry, **settings))


def particle_explorer(
    movie: ArrayLike, tracks: DataFrame, *, symmetry: int, name: str = "tracks", **settings: Any
) -> Any:
    """Explore particles that turn: a movie with a glyph on each, and the turn of the one that was clicked.

    Parameters
    ----------
    movie : array_like of shape (T, H, W), or DataArray
    tracks : DataFrame
        As `particles.link` gives them.
    symmetry : int
    name : str
        What the tracks are called in the notebook, for the code that is shown.
    **settings
        Initial `frame` and `particle`.

    Returns
    -------
    ipywidgets.Widget

    Raises
    ------
    ValueError
        If movie or tracks are none, see `ParticleModel`.

    Examples
    --------
    >>> from atomlens import particles, simulate
    >>> sample = simulate.particles.assembly(n_frames=3, shape=(96, 96))
    >>> tracks = particles.link(sample.truth.drop(columns="particle"), symmetry=2)
    >>> particle_explorer(sample.data, tracks, symmetry=2, frame=2).model.frame
    2
    """
    return ParticleExplorer(ParticleModel(movie, tracks, symmetry=symmetry, name=name, **settings))
