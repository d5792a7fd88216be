"""The explorer of tracks: model without a browser, and the view that shows it."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.backend_bases import MouseEvent

from atomlens import dynamics, simulate
from atomlens.widgets import TrackModel, track_explorer


@pytest.fixture(scope="module")
def sample():
    matrix = [[0.8, 0.15, 0.05], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7]]
    return simulate.movies.hopping(5, n_frames=20, shape=(96, 96), hop=0.1, matrix=matrix, random_state=3)


@pytest.fixture
def model(sample):
    return TrackModel(sample.data, sample.truth)


def test_it_starts_with_the_longest_track(model, sample):
    longest = sample.truth["particle"].value_counts()
    assert longest[model.particle] == longest.max()
    assert len(model.path) == longest.max()


def test_the_matrix_is_that_of_the_room(model, sample):
    expected = dynamics.transitions(sample.truth, state="label")
    assert np.allclose(model.counts.to_numpy(), expected.counts)
    assert model.transitions.states == expected.states


def test_events_are_the_transitions_that_were_counted(model):
    for row in range(3):
        for column in range(3):
            model.entry = (row, column)
            assert len(model.events) == model.counts.iloc[row, column]


def test_going_from_event_to_event(model):
    model.entry = (0, 1)
    frames = []
    for _ in range(len(model.events)):
        model.next_event()
        frames.append(model.frame)
        now = model.path.set_index("frame")[model.by]
        assert now[model.frame] == model.transitions.states[0]
        assert now[model.frame + 1] == model.transitions.states[1]
    assert frames[0] == min(frames) or len(set(frames)) < len(frames)


def test_sub_images_show_the_particle(model):
    pictures = model.sub_images
    assert pictures.shape == (len(model.shown), 33, 33)
    row = model.shown.iloc[0]
    x, y = round(row["x"]), round(row["y"])
    if 16 <= x < 79 and 16 <= y < 79:
        whole = np.asarray(model.movie[int(row["frame"])])
        assert (
            abs(np.corrcoef(pictures[0].ravel(), whole[y - 16 : y + 17, x - 16 : x + 17].ravel())[0, 1]) > 0.5
        )


def test_a_place_chooses_the_nearest_track(model):
    here = model.tracks[model.tracks["frame"] == model.frame].iloc[-1]
    model.select(here["x"] + 1, here["y"] - 1)
    assert model.particle == here["particle"]


def test_the_code_repeats_what_is_seen(model, sample):
    scope = {"tracks": sample.truth, "dynamics": dynamics}
    model.entry = (1, 0)
    exec(model.code, scope)
    assert scope["chain"].counts[1, 0] == len(model.events)


def test_bad_input_is_refused(sample):
    with pytest.raises(ValueError, match="three axes"):
        TrackModel(sample.data[0], sample.truth)
    with pytest.raises(ValueError, match="tracks lack particle"):
        TrackModel(sample.data, sample.truth.drop(columns="particle"))
    with pytest.raises(ValueError, match="no track"):
        TrackModel(sample.data, sample.truth.iloc[:0])


def test_an_event_that_never_happened_is_said():
    tracks = pd.DataFrame({"frame": range(4), "particle": 0, "x": 20.0, "y": 20.0, "label": list("aabb")})
    model = TrackModel(np.zeros((4, 40, 40)), tracks, entry=(1, 0))
    model.next_event()
    assert "never seen" in model.error


def test_clicks_and_controls_move_the_view(sample):
    view = track_explorer(sample.data, sample.truth)
    ax = view._matrix
    x, y = ax.transData.transform((1, 0))
    view.canvas.callbacks.process(
        "button_press_event", MouseEvent("button_press_event", view.canvas, x, y, 1)
    )
    assert view.model.entry == (0, 1)
    view.next.click()
    assert f"frame {view.model.frame}" in view._movie.get_title(loc="left")
    view.frame.value = 7
    assert view.model.frame == 7
    row = sample.truth[(sample.truth["frame"] == 7)].iloc[0]
    x, y = view._movie.transData.transform((row["x_nm"], row["y_nm"]))
    view.canvas.callbacks.process(
        "button_press_event", MouseEvent("button_press_event", view.canvas, x, y, 1)
    )
    assert view.model.particle == row["particle"]
    assert str(view.model.particle) in view.verdict.value
