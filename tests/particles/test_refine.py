"""Fits of the mean particle to frames of another hand: no further off than they say, whoever lies beside."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from atomlens import particles
from atomlens.particles._frames import pixels_of
from atomlens.particles._refine import Fit, template_of
from atomlens.particles.score import angle_between

SYMMETRY = {"rod": 2, "boomerang": 1, "propeller": 3}
SEEDS = (411, 412)


def fitted(drawn, kind, *, noise, smear, **frame):
    """Errors of fits, and what the fits say of them; from places and angles a little off."""
    n = SYMMETRY[kind]
    errors = []
    for seed in (410, *SEEDS):
        rng = np.random.default_rng(seed)
        heights, truth = drawn(kind, noise=0, seed=seed, **frame)
        grain = gaussian_filter(rng.normal(0, 1, heights.shape), (0, smear))  # along the scan
        pixels = pixels_of(particles.level(heights + noise * grain / grain.std()))
        places = truth[["x", "y", "theta"]].to_numpy()
        if seed == 410:
            fit = Fit(template_of(pixels, places[:, :2], places[:, 2], n), n)
            continue
        found, _ = fit(pixels, places + rng.normal(0, (0.4, 0.4, 2), places.shape))
        whole = np.all((places[:, :2] > 12) & (places[:, :2] < 243), axis=1)
        assert np.isfinite(found[whole]).all()
        errors.append([angle_between(found[whole, 2], places[whole, 2], n), found[whole, 3]])
    return np.concatenate(errors, axis=1)


@pytest.mark.parametrize("kind", SYMMETRY)
@pytest.mark.parametrize("smear", [0, 1.5])
@pytest.mark.parametrize(
    "frame", [{"coverage": 0.2}, {"coverage": 0.35, "apart": 0.0}], ids=["apart", "touching"]
)
def test_errors_are_as_large_as_they_say_whatever_the_scan_smears(drawn, kind, smear, frame):
    error, said = fitted(drawn, kind, noise=0.5, smear=smear, **frame)
    z = error / said
    assert 0.85 < z[np.abs(z) < 5].std() < 1.2
    assert (np.abs(z) >= 5).mean() < 0.01


def test_rods_that_know_of_their_neighbours_are_fitted_better(drawn):
    errors = []
    for seed in (410, 414, 415, 416):
        apart = {} if seed == 410 else {"coverage": 0.35, "apart": 0.0}
        heights, truth = drawn("rod", **{"coverage": 0.2, "noise": 0.2, "seed": seed} | apart)
        pixels, places = pixels_of(particles.level(heights)), truth[["x", "y", "theta"]].to_numpy()
        if seed == 410:
            fit = Fit(template_of(pixels, places[:, :2], places[:, 2], 2), 2)
            continue
        both = fit(pixels, places)[0], np.vstack([fit(pixels, place[None])[0] for place in places])
        errors.append([np.abs(angle_between(found[:, 2], places[:, 2], 2)) for found in both])
    together, alone = np.nanmedian(np.concatenate(errors, axis=1), axis=1)
    assert together < 0.8 * alone


def test_nothing_is_fitted_where_nothing_is_asked(drawn):
    heights, truth = drawn("rod", coverage=0.1, noise=0.2, seed=410, shape=(96, 96))
    pixels = pixels_of(particles.level(heights))
    fit = Fit(template_of(pixels, truth[["x", "y"]].to_numpy(), truth["theta"].to_numpy(), 2), 2)
    assert fit(pixels, np.zeros((0, 3)))[0].shape == (0, 4)
    assert np.isnan(fit(pixels, np.array([[300.0, 300, 0]]))[0]).all()
