"""How many clusters: the test holds its level, and finds what was planted."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import calinski_harabasz_score, silhouette_score

from atomlens import simulate, spectra
from atomlens.spectra.selection import separation_p_value


@pytest.mark.parametrize("n_phases", [3, 5])
def test_planted_number_is_recommended(n_phases):
    sample = simulate.spectra.eels(n_phases, random_state=20 + n_phases)
    choice = spectra.choose_k(sample.data, range(1, 8), n_resamples=2)
    assert choice.recommended == n_phases


@pytest.mark.parametrize("random_state", range(3))
@pytest.mark.parametrize("counts", [5e3, 5e4])
def test_one_phase_with_a_thickness_gradient_has_no_clusters(random_state, counts):
    sample = simulate.spectra.eels(1, counts=counts, random_state=random_state)
    assert spectra.choose_k(sample.data, range(1, 5), n_resamples=2).recommended == 1


@pytest.mark.parametrize("cloud", ["gaussian", "uniform", "skewed"])
def test_unimodal_clouds_are_not_split_more_often_than_alpha(cloud):
    draw = {
        "gaussian": lambda rng: rng.normal(size=(400, 3)),
        "uniform": lambda rng: rng.uniform(size=(400, 1)),
        "skewed": lambda rng: rng.exponential(size=(400, 2)),
    }[cloud]
    p = np.array([separation_p_value(draw(np.random.default_rng(seed)), 2) for seed in range(60)])
    # At most alpha plus two standard errors of 60 trials.
    assert np.mean(p <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 60)


def test_three_clouds_are_three_and_a_fourth_is_refused():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(600, 2)) + 8 * np.eye(3)[rng.integers(0, 3, 600)][:, :2]
    p = {k: separation_p_value(points, k) for k in (2, 3, 4, 5)}
    assert p[3] < 0.01
    assert min(p[4], p[5]) > 0.05


def test_a_handful_of_spectra_can_still_be_told_apart():
    points = np.concatenate([np.linspace(0, 1, 6), np.linspace(20, 21, 6)])[:, None]
    assert separation_p_value(points, 2) < 0.05
    assert separation_p_value(points[:6], 2) > 0.05


@pytest.mark.parametrize(("n", "d"), [(10, 2), (20, 9), (40, 5)])
def test_level_holds_for_a_handful_of_spectra_too(n, d):
    clouds = (np.random.default_rng(seed).normal(size=(n, d)) for seed in range(25))
    p = np.array([separation_p_value(cloud, 2) for cloud in clouds])
    assert np.mean(p <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 25)


def test_end_of_the_range_and_unusable_ranges_are_told():
    sample = simulate.spectra.eels(4, random_state=0)
    assert (
        "end of k_range" in spectra.choose_k(sample.data, range(1, 4), n_resamples=2).reasons.reason["null_p"]
    )
    bright = simulate.spectra.eels(3, counts=5e6, random_state=1)
    only = spectra.choose_k(bright.data, [5], n_resamples=2)
    assert only.recommended == 1
    assert "try smaller k" in only.reasons.reason["null_p"]
    assert "no clusters recommended" in repr(only)


def test_default_range_stops_at_the_number_of_spectra():
    line = simulate.spectra.eels(2, shape=(5,), smallest=0.4).data
    assert list(spectra.choose_k(line, n_resamples=1).table.index) == [1, 2, 3, 4, 5]


def test_table_holds_every_criterion_and_agrees_with_scikit_learn():
    sample = simulate.spectra.eels(3, shape=(30, 30), random_state=0)
    choice = spectra.choose_k(sample.data, range(1, 6), n_resamples=3)
    assert list(choice.table.index) == [1, 2, 3, 4, 5]
    assert list(choice.table.columns) == [
        "inertia", "silhouette", "calinski_harabasz", "gap", "gap_error", "bic", "stability", "null_p",
    ]  # fmt: skip
    result = spectra.cluster(sample.data, 3)
    points = result.scores_map.values.reshape(900, -1)
    labels = result.labels.values.ravel()
    assert choice.table.silhouette[3] == pytest.approx(silhouette_score(points, labels), rel=1e-3)
    assert choice.table.calinski_harabasz[3] == pytest.approx(
        calinski_harabasz_score(points, labels), rel=1e-3
    )
    centres = np.array([points[labels == k].mean(axis=0) for k in range(3)])
    assert choice.table.inertia[3] == pytest.approx(((points - centres[labels]) ** 2).sum(), rel=1e-3)
    assert choice.table.inertia.is_monotonic_decreasing


def test_reasons_name_every_criterion_in_words():
    choice = spectra.choose_k(simulate.spectra.eels(3, shape=(24, 24)).data, range(1, 5), n_resamples=2)
    assert set(choice.reasons.index) == {
        "inertia", "silhouette", "calinski_harabasz", "gap", "bic", "stability", "null_p",
    }  # fmt: skip
    assert choice.reasons.reason.str.len().min() > 10
    assert choice.reasons.k["null_p"] == choice.recommended


@pytest.mark.parametrize("counts", [1e5, 5e6])
def test_mixtures_along_interfaces_are_no_phases_however_many_counts(counts):
    sample = simulate.spectra.eels(3, counts=counts, random_state=0)
    choice = spectra.choose_k(sample.data, range(1, 8), n_resamples=2)
    assert choice.recommended == 3
    assert "mixtures along interfaces" in choice.reasons.reason["null_p"]
    assert (choice.table.null_p > 0.05).sum() < 5  # more than three are separated, all the same


def test_solid_solution_with_an_interior_is_a_phase():
    """Three layers, the middle one an even mixture of the outer two, thick or as thin as an interface."""
    rng = np.random.default_rng(0)
    channels = np.zeros((2, 30))
    channels[0, 5:10] = channels[1, 20:25] = 100.0
    for thickness, expected in ((20, 3), (3, 2)):
        share = np.full(60, 0.5)
        share[: 30 - thickness // 2], share[30 + thickness // 2 + 1 :] = 0.0, 1.0
        ideal = 100 + np.stack([1 - share, share], axis=1) @ channels
        counts = rng.poisson(np.broadcast_to(ideal, (40, 60, 30)))
        assert spectra.choose_k(counts, range(1, 6), n_resamples=2).recommended == expected


def test_criteria_without_preference_say_so():
    choice = spectra.choose_k(simulate.spectra.eels(1, shape=(20, 20)).data, [2, 3], n_resamples=2)
    assert pd.isna(choice.reasons.k["inertia"])
    assert "no elbow" in choice.reasons.reason["inertia"]


def test_same_seed_same_answer():
    data = simulate.spectra.eels(3, shape=(20, 20)).data
    first, again = (spectra.choose_k(data, range(1, 5), n_resamples=2).table for _ in range(2))
    pd.testing.assert_frame_equal(first, again)


def test_mask_is_respected():
    sample = simulate.spectra.eels(3, random_state=1)
    one_phase = sample.truth.labels.values == int(sample.truth.labels.values[0, 0])
    one_phase &= sample.truth.abundances.max("phase").values > 0.99
    assert spectra.choose_k(sample.data, range(1, 4), mask=one_phase, n_resamples=2).recommended == 1
