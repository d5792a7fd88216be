"""Scores, against hand-made cases."""

import numpy as np
import pytest
import xarray as xr

from atomlens import metrics


def test_numbering_of_clusters_does_not_matter():
    truth = np.random.default_rng(0).integers(0, 4, (20, 20))
    renamed = np.array([7, 3, 9, 1])[truth]
    assert metrics.adjusted_rand_index(renamed, truth) == 1
    np.testing.assert_array_equal(metrics.align_labels(renamed, truth), truth)


def test_chance_agreement_scores_zero():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 3, (2, 5000))
    assert abs(metrics.adjusted_rand_index(a, b)) < 0.01


def test_negative_truth_is_not_scored():
    truth = np.array([0, 0, 1, 1, -1, -1])
    assert metrics.adjusted_rand_index([5, 5, 6, 6, 5, 6], truth) == 1


def test_alignment_maximises_agreement_and_keeps_noise_and_dims():
    labels = xr.DataArray([[2, 2, 0], [0, 1, -1]], dims=("y", "x"))
    reference = xr.DataArray([[0, 0, 1], [1, 1, 1]], dims=("y", "x"))
    aligned = metrics.align_labels(labels, reference)
    assert aligned.dims == ("y", "x")
    # Cluster 1 has no partner left: it gets the next free number.
    np.testing.assert_array_equal(aligned, [[0, 0, 1], [1, 2, -1]])


def test_more_clusters_than_phases_keep_distinct_numbers():
    labels = np.array([0, 1, 2, 3, 4])
    aligned = metrics.align_labels(labels, np.array([3, 3, 5, 5, 5]))
    assert len(set(aligned.tolist())) == 5


def test_report_counts_by_hand():
    report = metrics.cluster_report([1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1])
    assert report.loc[0, "size"] == 4
    assert report.loc[0, "recall"] == pytest.approx(3 / 4)
    assert report.loc[1, "precision"] == pytest.approx(2 / 3)


def test_report_of_a_phase_that_was_not_found():
    report = metrics.cluster_report([0, 0, 0], [0, 0, 1])
    assert report.loc[1, "cluster"] == -1
    assert report.loc[1, "recall"] == 0


def test_spectral_angle_is_blind_to_scale():
    a = np.random.default_rng(0).random((5, 30))
    np.testing.assert_allclose(metrics.spectral_angle(a, 7 * a), 0, atol=1e-5)
    assert metrics.spectral_angle([1, 0, 0], [0, 2, 0]) == pytest.approx(90)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: metrics.adjusted_rand_index([0, 1], [0, 1, 1]), ValueError, "same scan points"),
        (lambda: metrics.adjusted_rand_index([0.5, 1.0], [0, 1]), TypeError, "cluster numbers"),
        (lambda: metrics.adjusted_rand_index([0, 1], [-1, -1]), ValueError, "no scored element"),
        (lambda: metrics.spectral_angle([0, 0], [1, 0]), ValueError, "zero everywhere"),
    ],
)
def test_bad_input_says_what_to_do(call, error, message):
    with pytest.raises(error, match=message):
        call()
