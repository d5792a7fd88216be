"""The widgets' models, without a browser."""

import numpy as np
import pytest
import traitlets
import xarray as xr

from atomlens import metrics, simulate, spectra
from atomlens.widgets import ClusterModel, CockpitModel


@pytest.fixture(scope="module")
def phantom():
    return simulate.spectra.eels(3, shape=(24, 20), random_state=0)


@pytest.fixture
def model(phantom):
    return ClusterModel(phantom.data, name="phantom.data")


@pytest.fixture(scope="module")
def choice(phantom):
    return spectra.choose_k(phantom.data, range(1, 5), n_resamples=2)


def test_every_setting_changes_the_result(model, phantom):
    assert metrics.adjusted_rand_index(model.result.labels, phantom.truth.labels) > 0.98
    for trait, value in (("n_clusters", 2), ("method", "ward"), ("normalise", "none")):
        before = model.result
        setattr(model, trait, value)
        assert model.result is not before
    assert int(model.result.labels.max()) == 1


def test_region_selects_the_mean_spectrum_and_its_cluster(model, phantom):
    model.region = (3, 6, 10, 12)
    np.testing.assert_allclose(model.selected, phantom.data[3:6, 10:12].mean(("y", "x")))
    inside = model.result.labels[3:6, 10:12].values.ravel()
    assert model.selected_cluster == np.bincount(inside).argmax()


@pytest.mark.parametrize(
    ("drawn", "clipped"),
    [
        ((6, 3, 12, 10), (3, 6, 10, 12)),
        ((-5, 2, 18, 99), (0, 2, 18, 20)),
        ((4, 4, 7, 7), (4, 5, 7, 8)),
        ((90, 99, 0, 1), (23, 24, 0, 1)),
    ],
)
def test_region_may_be_drawn_in_any_direction_and_over_the_edge(model, drawn, clipped):
    model.region = drawn
    assert model.region == clipped


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_shown_code_repeats_the_view(model, phantom, method):
    model.set_trait("method", method)
    model.normalise = "l2"
    model.region = (1, 4, 2, 9)
    namespace = {"phantom": phantom}
    exec(model.code, namespace)
    xr.testing.assert_identical(namespace["result"].labels, model.result.labels)
    xr.testing.assert_allclose(namespace["selected"], model.selected)


def test_what_goes_wrong_is_kept_for_the_view():
    data = simulate.spectra.eels(2, shape=(2, 3), smallest=0.3).data
    model = ClusterModel(data, n_clusters=2)
    good = model.result
    model.n_clusters = 9
    assert "ask for fewer" in model.error
    assert model.result is good
    model.n_clusters = 3
    assert model.error == ""


def test_line_scans_have_a_region_too():
    sample = simulate.spectra.eels(2, shape=(50,), smallest=0.3, random_state=0)
    model = ClusterModel(sample.data, n_clusters=2)
    model.region = (10, 5)
    assert model.region == (5, 10)
    assert model.selected.dims == ("energy",)


@pytest.mark.parametrize("data", [np.zeros((4, 4, 9)), xr.DataArray(np.zeros(9), dims="energy")])
def test_what_cannot_be_explored_is_refused(data):
    with pytest.raises(ValueError, match="maps"):
        ClusterModel(data)


def test_bad_settings_are_refused(model):
    for trait, value in (("method", "magic"), ("n_clusters", 0), ("region", (1, 2))):
        with pytest.raises(traitlets.TraitError):
            model.set_trait(trait, value)


def test_cockpit_starts_at_the_recommendation_and_follows_k(phantom, choice):
    model = CockpitModel(phantom.data, choice, name="phantom.data")
    assert model.k == choice.recommended
    model.k = 4
    assert int(model.result.labels.max()) == 3
    with pytest.raises(traitlets.TraitError, match="was not tried"):
        model.k = 9


def test_cockpit_code_repeats_the_view(phantom, choice):
    model = CockpitModel(phantom.data, choice, name="phantom.data")
    model.k = 2
    namespace = {"phantom": phantom}
    exec(model.code, namespace)
    xr.testing.assert_identical(namespace["result"].labels, model.result.labels)
    assert namespace["choice"].recommended == choice.recommended


def test_agreement_with_the_truth_follows_every_change(phantom):
    truth = phantom.truth.labels
    model = ClusterModel(
        phantom.data, truth, n_clusters=3, name="phantom.data", truth_name="phantom.truth.labels"
    )
    assert (first := model.ari) > 0.98
    model.n_clusters = 2
    assert model.ari == metrics.adjusted_rand_index(model.result.labels, truth) < first
    namespace = {"phantom": phantom}
    exec(model.code, namespace)
    assert namespace["ari"] == model.ari
    assert ClusterModel(phantom.data).ari is None


@pytest.mark.parametrize(
    ("truth", "error", "says"),
    [
        (np.zeros((20, 24), int), ValueError, "cannot be compared"),
        (np.zeros((24, 20)), TypeError, "must be integers"),
        (np.full((24, 20), -1), ValueError, "no scored element"),
    ],
)
def test_a_truth_that_does_not_fit_is_refused(phantom, truth, error, says):
    with pytest.raises(error, match=says):
        ClusterModel(phantom.data, truth)


def test_cockpit_computes_each_k_once(phantom, choice):
    model = CockpitModel(phantom.data, choice)
    first = model.result
    model.k = 2 if model.k != 2 else 3
    assert model.result is not first
    model.k = choice.recommended
    assert model.result is first
