"""The labeller and the explorer of particles: models without a browser, and the views that show them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.backend_bases import MouseEvent

from atomlens import particles, simulate
from atomlens.widgets import LabelModel, ParticleModel, particle_explorer, particle_labeller


@pytest.fixture(scope="module")
def movie():
    return simulate.particles.assembly("rod", n_frames=5, n_domains=3, growth=5, random_state=2)


@pytest.fixture(scope="module")
def tracks(movie):
    table = movie.truth.drop(columns="particle")
    return particles.link(table, symmetry=2, search_range=4.0)


def press(view, ax, x, y):
    event = MouseEvent("button_press_event", view.canvas, *ax.transData.transform((x, y)), 1)
    view.canvas.callbacks.process("button_press_event", event)


def test_two_clicks_make_a_particle():
    model = LabelModel(np.zeros((60, 80)), symmetry=2)
    model.click(20, 30)
    assert model.labels.empty
    model.click(20, 20)
    assert model.labels.to_numpy().tolist() == [[20.0, 30.0, 90.0]]
    model.click(50, 30)
    model.click(40, 30)
    assert model.labels.theta.tolist() == [90.0, 0.0]


def test_a_click_on_a_particle_takes_it_away_and_undo_goes_back():
    model = LabelModel(np.zeros((60, 80)), symmetry=1, marked=((10.0, 10.0, 5.0), (40.0, 40.0, 5.0)))
    model.click(11, 9)
    assert model.labels.x.tolist() == [40.0]
    model.click(20, 20)
    model.undo()
    assert model.started is None
    assert len(model.marked) == 1
    model.undo()
    assert model.labels.empty


@pytest.mark.parametrize("place", [(-5, 10), (10, 70), (200, 10)])
def test_a_click_outside_is_no_label(place):
    model = LabelModel(np.zeros((60, 80)), symmetry=2)
    model.click(*place)
    assert "outside the frame of 80 x 60" in model.error
    assert model.started is None


def test_a_second_click_on_the_same_spot_is_no_direction():
    model = LabelModel(np.zeros((60, 80)), symmetry=2)
    model.click(20, 20)
    model.click(20.2, 20)
    assert "gives the direction" in model.error
    assert model.labels.empty


def test_labels_teach_a_network():
    frame = simulate.particles.scattered("rod", coverage=0.1, shape=(96, 96), random_state=1)
    model = LabelModel(frame.data, symmetry=2)
    for row in frame.truth[frame.truth[["x", "y"]].max(axis=1) < 95].itertuples():
        model.click(row.x, row.y)
        model.click(row.x + 6 * np.cos(np.radians(row.theta)), row.y + 6 * np.sin(np.radians(row.theta)))
        assert model.labels.theta.iloc[-1] == pytest.approx(row.theta % 180)
    scope = {"pd": pd, "particles": particles, "frame": frame.data}
    exec(model.code.replace("symmetry=2)", "symmetry=2, steps=1)"), scope)
    assert scope["model"].symmetry == 2


def test_the_labeller_is_clicked():
    frame = simulate.particles.scattered("rod", coverage=0.1, shape=(96, 96), random_state=1)
    view = particle_labeller(frame.data, symmetry=2)
    press(view, view._frame, 30, 40)
    assert "now click along its axis" in view.verdict.value
    press(view, view._frame, 40, 40)
    assert view.model.labels.round(3).to_numpy().tolist() == [[30.0, 40.0, 0.0]]
    view.undo.click()
    assert "<b>0</b> particles" in view.verdict.value


@pytest.mark.parametrize(
    ("frame", "symmetry", "said"), [(np.zeros((2, 9, 9)), 2, "two axes"), (np.zeros((9, 9)), 0, "symmetry")]
)
def test_frames_that_cannot_be_labelled_are_refused(frame, symmetry, said):
    with pytest.raises(ValueError, match=said):
        LabelModel(frame, symmetry=symmetry)


def test_the_explorer_begins_with_the_longest_track(movie, tracks):
    model = ParticleModel(movie.data, tracks, symmetry=2)
    longest = tracks.particle.value_counts()
    assert len(model.path) == longest.max()
    scope = {"tracks": tracks, "particles": particles}
    exec(model.code, scope)
    plt.close("all")  # it draws, as pandas does, with pyplot
    assert len(scope["one"]) == len(model.path)


def test_the_explorer_is_moved_and_clicked(movie, tracks):
    view = particle_explorer(movie.data, tracks, symmetry=2)
    view.frame.value = 3
    row = tracks[tracks.frame == 3].iloc[-1]
    press(view, view._movie, row.x_nm, row.y_nm)
    assert view.model.particle == row.particle
    assert f"Particle <b>{row.particle:.0f}</b>" in view.verdict.value
    assert "frame 3" in view._movie.get_title(loc="left")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m, t: (m[0], t), "three axes"),
        (lambda m, t: (m, t.drop(columns="turn")), "tracks lack turn"),
        (lambda m, t: (m, t.iloc[:0]), "no track"),
    ],
)
def test_what_cannot_be_explored_is_refused(movie, tracks, change, said):
    with pytest.raises(ValueError, match=said):
        ParticleModel(*change(movie.data, tracks), symmetry=2)
