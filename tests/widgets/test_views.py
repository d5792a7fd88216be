"""The views: a control moved changes the model and the figure, and the other way round."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from atomlens import simulate, spectra, widgets

pytest.importorskip("ipywidgets")  # not ipympl: importing that changes how pyplot draws


@pytest.fixture(scope="module")
def phantom():
    sample = simulate.spectra.eels(3, shape=(24, 20), random_state=0)
    halved = {dim: sample.data[dim].copy(data=sample.data[dim] / 2) for dim in ("y", "x")}
    return replace(sample, data=sample.data.assign_coords(halved))


@pytest.fixture
def explorer(phantom):
    return widgets.cluster_explorer(phantom.data, name="phantom.data")


def mouse(explorer, x, y):
    return SimpleNamespace(inaxes=explorer._map_ax, xdata=x, ydata=y)


def test_controls_and_model_are_linked_both_ways(explorer):
    explorer.n_clusters.value = 2
    assert explorer.model.n_clusters == 2
    explorer.model.method = "gmm"
    assert explorer.method.value == "gmm"


def test_moving_a_control_changes_the_figure(explorer):
    before = len(explorer._ax.lines)
    explorer.n_clusters.value = 5
    assert len(explorer._ax.lines) == before + 2


def test_click_and_drag_select_in_physical_units(explorer, phantom):
    explorer._on_press(mouse(explorer, 2.1, 3.9))  # nm; pixels are half a nanometre wide
    explorer._on_release(mouse(explorer, 2.1, 3.9))
    assert explorer.model.region == (8, 9, 4, 5)
    np.testing.assert_allclose(explorer._line.get_ydata(), phantom.data[8, 4])
    explorer._on_press(mouse(explorer, 4.0, 6.0))
    explorer._on_release(mouse(explorer, 2.0, 5.0))
    assert explorer.model.region == (10, 13, 4, 9)
    assert "mean of 15 spectra" in explorer._ax.get_title(loc="left")


def test_drag_that_ends_outside_the_map_changes_nothing(explorer):
    before = explorer.model.region
    explorer._on_press(mouse(explorer, 2.0, 2.0))
    explorer._on_release(SimpleNamespace(inaxes=None, xdata=None, ydata=None))
    explorer._on_release(mouse(explorer, 4.0, 4.0))
    assert explorer.model.region == before


def test_code_is_shown_on_demand_and_kept_up_to_date(explorer):
    assert explorer.code.layout.display == "none"
    explorer.code_button.click()
    assert explorer.code.layout.display == ""
    explorer.n_clusters.value = 4
    assert "phantom.data, 4" in explorer.code.value
    explorer.code_button.click()
    assert explorer.code.layout.display == "none"


def test_errors_are_shown_and_go_away():
    tiny = simulate.spectra.eels(2, shape=(2, 3), smallest=0.3).data
    explorer = widgets.cluster_explorer(tiny, n_clusters=2)
    explorer.n_clusters.value = 9
    assert "ask for fewer" in explorer.message.value
    explorer.n_clusters.value = 2
    assert "ask for fewer" not in explorer.message.value


def test_line_scan_explorer_draws_a_strip():
    sample = simulate.spectra.eels(2, shape=(50,), smallest=0.3, random_state=0)
    explorer = widgets.cluster_explorer(sample.data, n_clusters=2)
    explorer._on_press(mouse(explorer, 10.0, 0.5))
    explorer._on_release(mouse(explorer, 20.0, 0.5))
    assert explorer.model.region == (10, 21)


def test_cockpit_slider_moves_marks_and_map(phantom):
    choice = spectra.choose_k(phantom.data, range(1, 5), n_resamples=2)
    cockpit = widgets.k_cockpit(phantom.data, choice)
    cockpit.k.value = 4
    assert cockpit.model.k == 4
    assert all(list(mark.get_xdata()) == [4, 4] for mark in cockpit._marks)
    assert cockpit._map_ax.get_title(loc="left").startswith("k = 4")


def test_stored_text_tells_readers_what_to_do(explorer):
    assert "run this notebook" in repr(explorer)


def test_what_goes_wrong_stands_in_place_of_the_hint_until_it_is_over(explorer):
    hint = explorer.message.value
    explorer.model.error = "too few spectra"
    assert "too few spectra" in explorer.message.value
    explorer.model.error = ""
    assert explorer.message.value == hint


def marked(ax):
    """Names of the edges that are marked on the axis of the spectra, with their places."""
    return {text.get_text().strip(): text.get_position()[0] for text in ax.texts}


def test_truth_and_edges_are_shown_and_kept_up_to_date(phantom):
    edges = {"O K": 532, "far away": 5000}
    view = widgets.cluster_explorer(phantom.data, phantom.truth.labels, edges)
    first = view.model.ari
    assert f"<b>{first:.3f}</b>" in view.verdict.value
    view.n_clusters.value = 2
    assert view.model.ari < first
    assert f"<b>{view.model.ari:.3f}</b>" in view.verdict.value
    assert marked(view._ax) == {"O K": 532}


def test_without_truth_there_is_no_verdict(explorer):
    assert explorer.verdict not in explorer.children
    assert marked(explorer._ax) == {}


def test_cockpit_shows_the_mean_spectra_of_the_map(phantom):
    choice = spectra.choose_k(phantom.data, range(1, 5), n_resamples=2)
    cockpit = widgets.k_cockpit(phantom.data, choice, {"O K": 532})
    for k in (4, 2):
        cockpit.k.value = k
        lines = [line.get_ydata() for line in cockpit._ax.lines if len(line.get_ydata()) > 2]
        np.testing.assert_array_equal(lines, cockpit.model.result.spectra)
        assert len(lines) == k
    assert marked(cockpit._ax) == {"O K": 532}
