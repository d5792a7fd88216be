"""Every step before clustering, against planted truth."""

import numpy as np
import pytest
from scipy.ndimage import median_filter
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from atomlens import simulate
from atomlens.spectra import (
    AlignZeroLoss,
    Crop,
    Despike,
    NoiseRankPCA,
    Normalise,
    PoissonWeight,
    RemoveBackground,
)
from atomlens.spectra.despike import _median_of_five


@pytest.fixture(scope="module")
def hard_phantom():
    return simulate.spectra.eels(4, random_state=0)


def rows(data):
    return data.values.reshape(-1, data.shape[-1])


# scikit-learn's checks feed random numbers of both signs; these steps refuse them on purpose, and say why.
_NEEDS_COUNTS = "the check feeds data that are no spectra: negative, or zero where a peak is looked for"
_PHYSICAL = dict.fromkeys(
    (
        "check_estimators_dtypes",
        "check_pipeline_consistency",
        "check_estimators_pickle",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_transformer_preserve_dtypes",
        "check_n_features_in_after_fitting",
        "check_positive_only_tag_during_fit",
    ),
    _NEEDS_COUNTS,
)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Despike(), {}),
        (Despike(noise="gaussian"), {}),
        (Crop(), {}),
        (AlignZeroLoss(window=(None, None)), _PHYSICAL),
        (RemoveBackground(), _PHYSICAL),
        (
            Normalise(method="max"),
            {"check_estimators_dtypes": "integer input with an empty row cannot be normalised"},
        ),
        (Normalise(method="none"), {}),
        (PoissonWeight(), _PHYSICAL),
        (NoiseRankPCA(), {}),
    ],
    ids=lambda value: repr(value) if not isinstance(value, dict) else "",
)
def test_steps_pass_scikit_learns_own_checks(step, expected):
    results = check_estimator(step, expected_failed_checks=expected, on_fail=None, on_skip=None)
    failed = [(r["check_name"], str(r["exception"])) for r in results if r["status"] == "failed"]
    assert not failed
    assert sum(r["status"] == "passed" for r in results) > 25


def test_running_median_agrees_with_scipy_inside():
    spectra = np.random.default_rng(0).normal(size=(20, 40))
    expected = median_filter(spectra, (1, 5))
    np.testing.assert_array_equal(_median_of_five(spectra)[:, 2:-2], expected[:, 2:-2])


def test_despike_finds_the_planted_spikes_and_little_else(hard_phantom):
    found = (Despike().fit_transform(rows(hard_phantom.data)) != rows(hard_phantom.data)).any(axis=1)
    planted = hard_phantom.truth.spikes.values.ravel() > 0
    assert found[planted].mean() > 0.97
    assert found[~planted].mean() < 0.002


def test_despike_keeps_a_sharp_line_of_a_small_phase():
    sample = simulate.spectra.eels(3, counts=1e6, spike_fraction=0.0, random_state=1)
    spikes = Despike().fit_transform(rows(sample.data)) != rows(sample.data)
    assert spikes.mean() < 1e-5


def test_despike_works_at_the_ends_of_the_axis_and_below_zero():
    rng = np.random.default_rng(0)
    curves = rng.normal(0, 0.1, (300, 30))
    curves[5, :2], curves[9, 29], curves[20, 10] = 8.0, 9.0, -7.0
    cleaned = Despike(noise="gaussian").fit_transform(curves)
    assert np.abs(cleaned[[5, 9, 20]]).max() < 1


def test_crop_keeps_both_ends_in_units_of_the_axis():
    axis = np.arange(100.0, 200.0, 10.0)
    crop = Crop(low=120, high=150, axis=axis).fit(np.ones((2, 10)))
    np.testing.assert_array_equal(axis[crop.support_], [120, 130, 140, 150])


def test_alignment_recovers_the_planted_jitter():
    sample = simulate.spectra.low_loss(shape=(24, 24), random_state=0)
    energy = sample.data.energy.values
    aligner = AlignZeroLoss(window=(-4, 4), axis=energy).fit(rows(sample.data))
    shifts = aligner.shifts(rows(sample.data)) / 0.25
    planted = sample.truth["shift"].values.ravel()
    assert np.sqrt(np.mean((shifts - planted) ** 2)) < 0.15  # channels; the planted jitter is ten times that
    again = AlignZeroLoss(window=(-4, 4), axis=energy).fit(rows(sample.data))
    left = again.shifts(aligner.transform(rows(sample.data))) / 0.25
    assert left.std() < 0.15


def test_alignment_conserves_counts_away_from_the_ends():
    energy = np.arange(-20.0, 60.0, 0.5)
    spectra = np.exp(-0.5 * ((energy - 1.3) / 0.8) ** 2)[None] * 1000
    moved = AlignZeroLoss(axis=energy).fit_transform(spectra)
    assert moved.sum() == pytest.approx(spectra.sum(), rel=1e-3)
    assert moved.min() >= 0


def test_power_law_background_is_recovered():
    energy = np.arange(400.0, 900.0, 2.0)
    exponents = np.array([2.2, 3.0, 4.1])
    background = 1e4 * (energy / 400) ** -exponents[:, None]
    edge = np.where(energy > 600, 800.0, 0.0)
    step = RemoveBackground(window=(450, 580), axis=energy).fit(background)
    np.testing.assert_allclose(step.background(background + edge), background, rtol=2e-3)
    np.testing.assert_allclose(step.transform(background + edge)[:, energy > 600], 800, rtol=0.02)


def test_background_is_unbiased_at_low_counts():
    energy = np.arange(400.0, 900.0, 2.0)
    rng = np.random.default_rng(0)
    counts = rng.poisson(np.broadcast_to(40 * (energy / 400) ** -3.0, (3000, energy.size))).astype(float)
    left = RemoveBackground(window=(400, 560), axis=energy).fit_transform(counts)
    # Extrapolated to the far end the mean residual stays well below one count a channel.
    assert abs(left[:, -20:].mean()) < 0.1


@pytest.mark.parametrize(
    ("method", "strength"),
    [
        ("area", lambda x: x.sum(axis=1)),
        ("max", lambda x: x.max(axis=1)),
        ("l2", lambda x: np.linalg.norm(x, axis=1)),
        ("snv", lambda x: x.std(axis=1)),
    ],
)
def test_normalised_spectra_have_unit_strength(method, strength):
    spectra = np.random.default_rng(0).uniform(1, 9, (30, 50))
    out = Normalise(method=method).fit_transform(spectra)
    np.testing.assert_allclose(strength(out), 1)
    np.testing.assert_allclose(Normalise(method=method).fit_transform(7 * spectra), out)


def test_area_and_weight_make_noise_white():
    sample = simulate.spectra.eels(1, thickness_ratio=1.0, spike_fraction=0.0, counts=2e4, random_state=0)
    out = make_pipeline(Normalise(), PoissonWeight()).fit_transform(rows(sample.data))
    spread = out.std(axis=0)
    # The same variance in every channel, though counts differ by a factor of five along the axis.
    assert spread.std() / spread.mean() < 0.02
    assert rows(sample.data).std(axis=0).max() > 1.5 * rows(sample.data).std(axis=0).min()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Despike(threshold=0).fit(np.ones((3, 9))), "threshold must be positive"),
        (lambda: Despike(noise="pink").fit(np.ones((3, 9))), "poisson"),
        (lambda: Crop(low=50, high=60).fit(np.ones((3, 9))), "holds no channel"),
        (lambda: Crop(low=0, axis=[1, 2, 3]).fit(np.ones((3, 9))), "9 channels"),
        (lambda: Crop(low=0, axis=np.arange(9)[::-1]).fit(np.ones((3, 9))), "must increase"),
        (lambda: AlignZeroLoss(window=(90, 99)).fit(np.ones((3, 9))), "zero-loss window"),
        (lambda: AlignZeroLoss(window=(0, 5)).fit_transform(np.zeros((3, 9))), "leave the alignment out"),
        (
            lambda: RemoveBackground(window=(-3, 3), axis=np.arange(-4.0, 5.0)).fit(np.ones((3, 9))),
            "positive energies",
        ),
        (lambda: RemoveBackground(window=(2, 2.5)).fit(np.ones((3, 9))), "at least 2"),
        (lambda: RemoveBackground(window=(1, 4)).fit_transform(-np.ones((3, 9))), "no logarithm"),
        (lambda: Normalise(method="median").fit(np.ones((3, 9))), "must be"),
        (lambda: Normalise().fit_transform(np.zeros((3, 9))), "3 of 3 spectra"),
        (lambda: Normalise(method="snv").fit_transform(np.ones((3, 9))), "constant"),
        (lambda: PoissonWeight().fit(-np.ones((3, 9))), "not counts"),
        (lambda: NoiseRankPCA(12).fit(np.ones((3, 9))), "between 1 and 3"),
    ],
)
def test_bad_input_says_what_to_do(call, message):
    with pytest.raises(ValueError, match=message):
        call()
