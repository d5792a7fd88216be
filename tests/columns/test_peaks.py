"""The classical baseline finds what it should, and its oracle is one."""

import itertools

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from atomlens import metrics
from atomlens.columns.peaks import best_peaks, find_peaks
from atomlens.columns.scale import estimate_scale


def scene(expected_counts, at, shape, *, intensity=500, sigma=2.0, background=1.0, random_state=0):
    planted = np.column_stack([at, np.full(len(at), intensity), np.full(len(at), sigma)])
    return np.random.default_rng(random_state).poisson(expected_counts(shape, planted, background))


@pytest.fixture
def scattered(expected_counts):
    rng = np.random.default_rng(0)
    i, j = np.meshgrid(np.arange(8), np.arange(10))
    at = np.column_stack([i.ravel(), j.ravel()]) * 16.0 + 12 + rng.uniform(-3, 3, (80, 2))
    return scene(expected_counts, at, (170, 140)), at


@pytest.mark.parametrize("hexagonal", [False, True])
def test_a_lattice_is_found_without_any_setting(hexagonal, expected_counts, lattice):
    at, shape = lattice(14, 9.0, np.random.default_rng(1), hexagonal=hexagonal)
    found = find_peaks(scene(expected_counts, at, shape, intensity=200))
    assert metrics.match(found, at, tolerance=4, border=8, shape=shape).f1 > 0.99


def test_scattered_columns_are_found_with_positions_and_counts(scattered):
    image, at = scattered
    found = find_peaks(image)
    result = metrics.match(found, at, tolerance=4)
    assert result.f1 > 0.99
    assert result.rmse < 0.4
    assert found["intensity"].median() == pytest.approx(500, rel=0.1)
    assert (found["label"] == 0).all()
    assert found[["sigma", "x_err", "y_err"]].isna().all(axis=None)
    assert found.attrs["sigma"] == pytest.approx(2, rel=0.15)


def test_score_orders_by_height_and_the_threshold_is_in_its_unit(scattered):
    image, at = scattered
    found = find_peaks(image, sigma=2, threshold=0)
    result = metrics.match(found, at, tolerance=3)
    spurious = np.delete(found["score"], result.pairs[0])
    assert found["score"].to_numpy()[result.pairs[0]].min() > spurious.max()
    half = found["score"].median()
    assert len(find_peaks(image, sigma=2, threshold=half)) == (found["score"] >= half).sum()


def test_no_two_peaks_within_the_distance(scattered):
    image, _ = scattered
    at = find_peaks(image, sigma=1, threshold=0, min_distance=7)[["x", "y"]].to_numpy()
    apart = np.hypot(*(at[:, None] - at).transpose(2, 0, 1)) + np.diag(np.full(len(at), np.inf))
    assert apart.min() > 7 - 1.5  # sub-pixel shifts of both


def test_calibrated_images_give_nanometres(scattered):
    image, _ = scattered
    coords = {d: (d, 0.02 * np.arange(n), {"units": "nm"}) for d, n in zip("yx", image.shape, strict=True)}
    found = find_peaks(xr.DataArray(image, coords, ("y", "x")))
    np.testing.assert_allclose(found[["x_nm", "y_nm"]], 0.02 * found[["x", "y"]])


@pytest.mark.parametrize("intensity", [25, 60])
def test_the_oracle_is_never_beaten(intensity, expected_counts, lattice):
    at, shape = lattice(10, 9.0, np.random.default_rng(2))
    truth = pd.DataFrame(at, columns=["x", "y"]).assign(scored=np.arange(100) % 7 > 0)
    image = scene(expected_counts, at, shape, intensity=intensity)
    scoring = {"tolerance": 3.5, "border": 9}
    sigmas, ratios = (1.2, 1.8, 2.5), (0.5, 1.0, 1.5, 2.0, 3.0)
    best = best_peaks(image, truth, sigmas=sigmas, **scoring)
    f1 = metrics.match(best, truth, shape=shape, **scoring).f1
    assert best.attrs["f1"] == f1
    tried = []
    for sigma, ratio in itertools.product(sigmas, ratios):
        everything = find_peaks(image, sigma=sigma, threshold=0, min_distance=ratio * sigma)
        tried += [
            metrics.match(everything[everything["score"] >= t], truth, shape=shape, **scoring).f1
            for t in np.quantile(everything["score"], np.linspace(0, 1, 25))
        ]
    assert f1 >= max(tried) - 0.006  # ties between ignored positions may fall either way
    assert f1 >= metrics.match(find_peaks(image), truth, shape=shape, **scoring).f1


def test_oracle_of_an_empty_truth_finds_nothing():
    image = np.random.default_rng(0).poisson(5, (64, 64))
    assert len(best_peaks(image, np.empty((0, 2)), tolerance=3)) == 0


@pytest.mark.parametrize("mean", [0.3, 3.0])
@pytest.mark.parametrize(("sigma", "spacing"), [(2.0, 12.0), (3.0, 15.0), (2.0, 9.0)])
def test_scale_of_a_lattice(mean, sigma, spacing, expected_counts, lattice):
    at, shape = lattice(20, spacing, np.random.default_rng(3), hexagonal=True)
    slow = 0.3 * mean * (1 + 0.8 * np.sin(np.arange(shape[1]) / shape[1] * 4))
    electrons = 0.7 * mean * shape[0] * shape[1] / len(at)
    image = scene(expected_counts, at, shape, intensity=electrons, sigma=sigma, background=0)
    image = image + np.random.default_rng(4).poisson(np.broadcast_to(slow, shape))
    found = estimate_scale(image)
    assert found[0] == pytest.approx(sigma, rel=0.2)
    assert found[1] == pytest.approx(spacing, rel=0.07)


def test_scattered_columns_have_a_width_and_no_spacing(expected_counts):
    at = np.random.default_rng(5).uniform(5, 250, (150, 2))
    sigma, spacing = estimate_scale(scene(expected_counts, at, (256, 256), sigma=3.0))
    assert sigma == pytest.approx(3, rel=0.1)
    assert np.isnan(spacing)


def test_large_images_are_sampled(expected_counts):
    i, j = np.meshgrid(np.arange(20), np.arange(20))
    planted = np.column_stack(
        [12.0 * i.ravel() + 6, 12.0 * j.ravel() + 6, np.full(400, 500), np.full(400, 2)]
    )
    image = np.random.default_rng(6).poisson(np.tile(expected_counts((240, 240), planted, 1.0), (3, 4)))
    sigma, spacing = estimate_scale(image)
    assert (sigma, spacing) == (pytest.approx(2, rel=0.1), pytest.approx(12, rel=0.05))


NOISE = np.random.default_rng(0).poisson(5.0, (32, 32))


@pytest.mark.parametrize("call", [find_peaks, estimate_scale])
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (NOISE[0], r"two axes \(y, x\)"),
        (np.ones((32, 32)), "constant"),
        (NOISE[:8], "too small"),
    ],
)
def test_bad_images_are_explained(call, image, message):
    with pytest.raises(ValueError, match=message):
        call(image)


def test_only_the_baseline_refuses_missing_pixels(scattered):
    image, _ = scattered
    holed = image.astype(float)
    holed[40:60, 30:60] = np.nan
    with pytest.raises(ValueError, match="600 pixels are NaN or infinite"):
        find_peaks(holed)
    assert estimate_scale(holed)[0] == pytest.approx(estimate_scale(image)[0], rel=0.1)


@pytest.mark.parametrize("option", ["sigma", "min_distance"])
def test_lengths_must_be_positive(option):
    with pytest.raises(ValueError, match=f"{option} must be a positive number of pixels"):
        find_peaks(NOISE, **{option: 0})
