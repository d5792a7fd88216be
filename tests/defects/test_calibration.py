"""Thresholds and p-values of cells, against distributions that are known."""

import numpy as np
import pytest
from scipy import stats

from atomlens.defects import Calibration

KNOWN = {
    "exponential": stats.expon(),
    "half-normal": stats.halfnorm(),
    "chi-squared": stats.chi2(3),
    "highest of many": stats.gumbel_r(),
}


def sample(name, n=20000, seed=0):
    return KNOWN[name].rvs(n, random_state=np.random.default_rng(seed))


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("probability", [0.5, 0.2, 0.03, 0.01])
def test_thresholds_are_exceeded_as_often_as_asked(name, probability):
    calibration = Calibration.fit(sample(name))
    exceeded = KNOWN[name].sf(calibration.threshold(probability))
    # 20,000 scores know a frequency to the root of the count
    assert exceeded == pytest.approx(probability, rel=0.03 + 4 / np.sqrt(20000 * probability))


@pytest.mark.parametrize("name", ["exponential", "half-normal", "chi-squared"])
def test_the_tail_reaches_beyond_the_sample(name):
    exceeded = [
        KNOWN[name].sf(Calibration.fit(sample(name, 5000, seed)).threshold(1e-4)) for seed in range(6)
    ]
    assert 0.4e-4 < np.exp(np.mean(np.log(exceeded))) < 2.5e-4


@pytest.mark.parametrize("name", KNOWN)
def test_p_values_are_uniform(name):
    calibration = Calibration.fit(sample(name))
    p = calibration.p_value(sample(name, 5000, seed=1))
    assert stats.kstest(p, "uniform").statistic < 0.03
    assert (p > 0).all()
    assert (p <= 1).all()


@pytest.mark.parametrize("name", KNOWN)
def test_p_values_fall_with_the_score(name):
    calibration = Calibration.fit(sample(name, 2000))
    scores = np.linspace(-1, 20, 5000)
    assert (np.diff(calibration.p_value(scores)) <= 1e-12).all()


@pytest.mark.parametrize("observed", [False, True])
@pytest.mark.parametrize("probability", [0.3, 0.05, 1e-2, 1e-4, 1e-6])
def test_threshold_and_p_value_are_inverse(probability, observed):
    null = sample("chi-squared")
    calibration = Calibration.fit(null, 1.3 * sample("chi-squared", 3000, seed=1) if observed else None)
    assert calibration.p_value(calibration.threshold(probability)) == pytest.approx(probability, rel=1e-3)


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.4])
def test_the_bulk_of_the_image_sets_scale_and_offset(factor):
    null = sample("chi-squared")
    observed = (sample("chi-squared", 20000, seed=1) - 0.5) / factor
    calibration = Calibration.fit(null, observed)
    assert calibration.scale == pytest.approx(factor, rel=0.04)
    assert calibration.offset == pytest.approx(0.5, abs=0.1)
    exceeded = KNOWN["chi-squared"].sf(factor * calibration.threshold(0.01) + 0.5)
    assert exceeded == pytest.approx(0.01, rel=0.25)


def test_outliers_hardly_move_the_scale():
    null, observed = sample("chi-squared"), sample("chi-squared", 20000, seed=1)
    clean = Calibration.fit(null, observed)
    observed[::10] += 100
    planted = Calibration.fit(null, observed)
    # A percentile among all is a higher one among those without a defect: the threshold rises, if anything.
    assert 0.85 < planted.scale / clean.scale < 1
    assert 1 < planted.threshold(1e-3) / clean.threshold(1e-3) < 1.15
    assert (planted.p_value(observed[::10]) < 1e-6).all()


def test_few_cells_say_little_about_the_scale():
    null = sample("chi-squared")
    scales = [Calibration.fit(null, 2 * sample("chi-squared", n, seed=2)).scale for n in (20, 200, 20000)]
    assert scales[0] > scales[1] > scales[2]
    assert scales[2] == pytest.approx(0.5, rel=0.05)


def test_scores_that_are_all_alike_have_no_tail():
    calibration = Calibration.fit(np.ones(500), np.ones(100))
    assert calibration.width == 0
    assert calibration.threshold(1e-4) > 1
    assert calibration.threshold(1e-4) == pytest.approx(1, abs=1e-5)
    assert calibration.p_value([0.5, 1.0]).tolist() == [1, 1]
    assert calibration.p_value(2.0) == pytest.approx(1 / 501)


def test_scores_of_a_few_values_claim_no_more_than_they_know():
    null = np.repeat([0.0, 1.0, 2.0], [900, 95, 5])
    calibration = Calibration.fit(null)
    assert calibration.threshold(0.05) == 1
    assert calibration.threshold(1e-5) > 2
    assert calibration.p_value(50.0) == pytest.approx(1 / 1001)


def test_too_few_cells():
    with pytest.raises(ValueError, match="199 defect-free cells are too few to calibrate with, 200"):
        Calibration.fit(np.arange(199.0))
