"""Figures of libraries and of motion: what is drawn is what was given."""

import io

import numpy as np
import pytest
from PIL import Image

from atomlens import datasets, dynamics, library, plotting, simulate
from atomlens.notebook import show_film


@pytest.fixture(scope="module")
def shelf():
    return library.Library(library.extract(datasets.load("graphene_si_phantom").data))


@pytest.fixture(scope="module")
def sample():
    return simulate.movies.hopping(4, n_frames=8, shape=(64, 64), hop=0.2, random_state=1)


def test_guests_and_neighbours_are_where_they_were_seen(shelf):
    defect = next(iter(shelf))
    _, ax = plotting.new_figure()
    plotting.draw_defect(ax, defect)
    guests, neighbours, _ = (np.array(line.get_xydata()) for line in ax.lines)
    assert np.allclose(guests, defect.guests - defect.guests.mean(axis=0))
    assert len(neighbours) == defect.bonded["present"].sum()
    assert abs(np.linalg.norm(neighbours - guests, axis=1).min() - defect.bonds[0]) < 1e-9


def test_members_and_means(shelf):
    groups = shelf.group()
    titles = [ax.get_title(loc="left") for ax in plotting.group_means(shelf, groups).axes]
    assert "Si1C3, 1" in titles
    assert "Si1C4, 1" in titles
    with pytest.raises(ValueError, match="no group 7"):
        plotting.members(shelf, groups, 7)
    figure = plotting.bond_lengths(shelf, groups, expected={"a": 0.18})
    drawn = np.concatenate([line.get_ydata() for line in figure.axes[0].lines if line.get_marker() == "."])
    assert np.allclose(np.sort(drawn), np.sort(np.concatenate([d.bonds for d in shelf])))


def test_paths_are_the_tracks(sample):
    _, ax = plotting.new_figure()
    lines = plotting.draw_tracks(ax, sample.data[0], sample.truth, by="label")
    for line in lines:
        path = sample.truth[sample.truth["particle"] == int(line.get_gid())]
        assert np.allclose(line.get_xydata(), path[["x_nm", "y_nm"]])
    _, ax = plotting.new_figure()
    lines = plotting.draw_tracks(ax, sample.data[0].values, sample.truth, until=3)
    assert max(len(line.get_xdata()) for line in lines) <= 4


def test_lines_of_diffusion_begin_at_the_noise(sample):
    curve = dynamics.msd(sample.truth, dt=2.25)
    ax = plotting.displacements(curve, {"planted": 1e-3}, noise=0.02).axes[0]
    line = next(line for line in ax.lines if line.get_label() == "planted")
    (_, start), (end, last) = line.get_xydata()
    assert start == pytest.approx(4 * 0.02**2)
    assert last - start == pytest.approx(4e-3 * end)


def test_matrices_show_values_and_intervals(sample):
    chain = dynamics.transitions(simulate.movies.tracks(20, n_frames=60).truth, state="state")
    figure = plotting.matrices({"found": chain, "other": np.full((len(chain.states),) * 2, np.nan)})
    left, right = ([text.get_text() for text in ax.texts] for ax in figure.axes)
    assert left[0].startswith(f"{chain.matrix[0, 0]:.2f}\n{chain.low[0, 0]:.2f}")
    assert set(right) == {"?"}


def test_sequences_leave_gaps_white(sample):
    tracks = sample.truth[sample.truth["frame"] != 3]
    ax = plotting.state_sequences(tracks).axes[0]
    drawn = {round(bar.get_x() + 0.5) for bar in ax.patches if bar.get_height() == pytest.approx(0.8)}
    assert 3 not in drawn
    assert {0, 1, 2, 4} <= drawn


def test_a_film_has_all_frames_and_a_description(sample, capsys):
    film = plotting.animation(sample.data, sample.truth, by="label")
    assert Image.open(io.BytesIO(film)).n_frames == 8
    show_film(film, alt="Four  defects")
    assert capsys.readouterr().out == "[film] Four defects\n"
    with pytest.raises(ValueError, match="description"):
        show_film(film, alt=" ")
    with pytest.raises(ValueError, match="GIF"):
        show_film(b"PNG", alt="x")
    with pytest.raises(ValueError, match="frames"):
        plotting.animation(sample.data[0])


def test_means_of_classes_have_names():
    figure = plotting.class_means(np.random.default_rng(0).normal(size=(3, 9, 9)), ["a", "b", "c"])
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["a", "b", "c"]
