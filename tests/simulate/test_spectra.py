"""The simulators deliver the truth that they claim."""

import numpy as np
import pytest
import xarray as xr

from atomlens.simulate import spectra


def test_areas_are_exact_and_grains_are_not_noise():
    labels = spectra.phase_map((60, 60), [0.6, 0.35, 0.05], random_state=3)
    np.testing.assert_array_equal(np.bincount(labels.ravel()), [2160, 1260, 180])
    # In grains most neighbours agree; in a random map of these areas about half would.
    assert np.mean(labels[:, 1:] == labels[:, :-1]) > 0.9


@pytest.mark.parametrize("random_state", range(4))
def test_areas_are_exact_for_any_seed_and_on_a_line(random_state):
    labels = spectra.phase_map(
        (150,), [0.5, 0.3, 0.15, 0.05], correlation_length=4, random_state=random_state
    )
    assert np.abs(np.bincount(labels) - [75, 45, 22.5, 7.5]).max() <= 1


def test_expected_counts_without_noise_follow_the_model():
    ends = xr.DataArray([[1.0, 2.0, 3.0], [4.0, 0.0, 1.0]], dims=("phase", "energy"))
    mix = xr.DataArray([[0.25, 0.75], [1.0, 0.0]], dims=("x", "phase"))
    sample = spectra.forward(ends, mix, thickness=[2.0, 1.0])
    np.testing.assert_allclose(sample.data, [[6.5, 1.0, 3.0], [1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(sample.truth.labels, [1, 0])


def test_counting_noise_is_poisson_and_the_dose_is_right():
    sample = spectra.eels(1, counts=3000, thickness_ratio=1.0, spike_fraction=0, random_state=2)
    totals = sample.data.sum("energy")
    assert float(totals.mean()) == pytest.approx(3000, rel=0.005)
    # Variance of a Poisson total equals its mean; 4096 samples give it to about 2 %.
    assert float(totals.var()) == pytest.approx(3000, rel=0.1)


def test_thickness_changes_scale_and_shape():
    sample = spectra.eels(1, counts=1e6, spike_fraction=0, random_state=0)
    thickness = sample.truth.thickness.values.ravel()
    totals = sample.data.sum("energy").values.ravel()
    assert np.corrcoef(thickness, totals)[0, 1] > 0.99
    assert thickness.max() / thickness.min() == pytest.approx(3)
    shapes = sample.data.values.reshape(len(totals), -1) / totals[:, None]
    thin, thick = shapes[thickness < 1.3].mean(axis=0), shapes[thickness > 2.7].mean(axis=0)
    assert np.abs(thin - thick).max() / thin.max() > 0.01


def test_spikes_are_where_the_truth_says():
    sample = spectra.eels(2, shape=(30, 30), spike_fraction=0.05, random_state=1)
    hit = sample.truth.spikes.values > 0
    assert hit.sum() == 45
    highest = sample.data.max("energy").values
    assert highest[hit].min() > highest[~hit].max()


def test_planted_shift_is_the_shift_of_the_zero_loss_peak():
    sample = spectra.low_loss(shape=(6, 6), random_state=0)
    near = sample.data.sel(energy=slice(-3, 3))  # of the zero loss; the plasmons are farther away
    peak = (near * near.energy).sum("energy") / near.sum("energy")
    np.testing.assert_allclose(peak, 0.25 * sample.truth["shift"], atol=0.3)


def test_mixing_blurs_interfaces_only():
    sharp, blurred = (spectra.eels(3, mixing=m, random_state=5).truth for m in (0.0, 1.0))
    assert float(sharp.abundances.max("phase").min()) == 1
    assert float(blurred.abundances.max("phase").min()) < 0.7
    np.testing.assert_allclose(blurred.abundances.sum("phase"), 1)
    assert np.mean(sharp.labels.values == blurred.labels.values) > 0.95


def test_labels_are_the_largest_abundance():
    truth = spectra.eels(4, random_state=3).truth
    np.testing.assert_array_equal(truth.labels, truth.abundances.argmax("phase"))


@pytest.mark.parametrize(
    "recipe", [spectra.eels, spectra.low_loss, spectra.current_voltage, spectra.composition_spread]
)
def test_seeds_repeat_and_differ(recipe):
    first, again, other = (recipe(random_state=s).data for s in (4, 4, 5))
    xr.testing.assert_identical(first, again)
    assert not np.array_equal(first, other)
    assert recipe(random_state=np.random.default_rng(4)).data.shape == first.shape


@pytest.mark.parametrize(
    "recipe", [spectra.eels, spectra.low_loss, spectra.current_voltage, spectra.composition_spread]
)
def test_every_axis_carries_units(recipe):
    sample = recipe(random_state=0)
    assert sample.data.attrs["units"]
    assert sample.data[sample.data.dims[-1]].attrs["units"]
    assert sample.source["real"] is False
    assert sample.source["parameters"]


def test_line_scan_comes_from_the_same_recipe():
    sample = spectra.eels(2, shape=(80,), random_state=0)
    assert sample.data.dims == ("x", "energy")


def test_current_voltage_curves_pass_through_zero():
    sample = spectra.current_voltage()
    middle = sample.data.sel(bias=0, method="nearest").where(sample.truth.spikes == 0)
    assert float(middle.mean()) == pytest.approx(0, abs=0.003)
    assert float(middle.std()) == pytest.approx(0.03, rel=0.1)  # noise, and nothing else
    assert float(sample.data.min()) < -0.5


def test_composition_fractions_sum_to_one_and_follow_position():
    data = spectra.composition_spread().data
    np.testing.assert_allclose(data.a + data.b + data.c, 1)
    assert np.corrcoef(data.a, data.y_mm)[0, 1] > 0.8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectra.eels(7), "n_phases must be 1 to 6"),
        (lambda: spectra.eels(4, smallest=0.4), "smallest=0.4"),
        (lambda: spectra.phase_map((4, 4), [0.5, 0.0]), "positive area"),
        (lambda: spectra.phase_map((2,), [1, 1, 1]), "do not fit"),
        (lambda: _forward(counts=-1), "counts must be positive"),
        (lambda: _forward(mix=[[1.0, -0.5]]), "not be negative"),
        (lambda: _forward(mix=[[1.0, 0.5, 0.5]]), "abundances of"),
        (lambda: _forward(dims=("x", "y")), "need dims"),
    ],
)
def test_bad_parameters_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def _forward(*, counts=None, mix=((1.0, 0.0),), dims=("x", "phase")):
    ends = xr.DataArray(np.ones((2, 5)), dims=("phase", "energy"))
    return spectra.forward(ends, xr.DataArray(np.array(mix), dims=dims), counts=counts)
