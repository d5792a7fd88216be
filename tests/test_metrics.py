"""Scores, against hand-made cases."""

import numpy as np
import pandas as pd
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


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: metrics.adjusted_rand_index([0, 1], [0, 1, 1]), ValueError, "same scan points"),
        (lambda: metrics.adjusted_rand_index([0.5, 1.0], [0, 1]), TypeError, "cluster numbers"),
        (lambda: metrics.adjusted_rand_index([0, 1], [-1, -1]), ValueError, "no scored element"),
    ],
)
def test_bad_input_says_what_to_do(call, error, message):
    with pytest.raises(error, match=message):
        call()


def _best_by_force(found, truth, tolerance):
    """Every one-to-one pairing tried: (number of pairs, least sum of squared distances)."""
    cost = ((found[:, None] - truth) ** 2).sum(axis=-1)
    best = (0, 0.0)

    def extend(row, used, pairs, total):
        nonlocal best
        if row == len(found):
            if (-pairs, total) < (-best[0], best[1]):
                best = (pairs, total)
            return
        extend(row + 1, used, pairs, total)
        for column in set(range(len(truth))) - used:
            if cost[row, column] <= tolerance**2:
                extend(row + 1, used | {column}, pairs + 1, total + cost[row, column])

    extend(0, frozenset(), 0, 0.0)
    return best


@pytest.mark.parametrize("seed", range(25))
def test_pairs_are_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    found, truth = rng.uniform(0, 4, (rng.integers(1, 7), 2)), rng.uniform(0, 4, (rng.integers(1, 7), 2))
    result = metrics.match(found, truth, tolerance=1.5)
    i, j = result.pairs
    assert len(set(i.tolist())) == len(set(j.tolist())) == i.size == result.n_matched
    squared = ((found[i] - truth[j]) ** 2).sum(axis=1)
    assert squared.max(initial=0) <= 1.5**2
    assert (i.size, squared.sum()) == pytest.approx(_best_by_force(found, truth, 1.5))


def test_pairs_are_the_best_of_all_where_components_fill_many_batches():
    # 900 clusters of four and four: more rows than one batch holds.
    rng = np.random.default_rng(0)
    corners = np.stack(np.meshgrid(np.arange(30), np.arange(30)), axis=-1).reshape(-1, 1, 2) * 20.0
    found, truth = (corners + rng.uniform(0, 4, (900, 4, 2)) for _ in range(2))
    result = metrics.match(found.reshape(-1, 2), truth.reshape(-1, 2), tolerance=2.0)
    expected = np.array([_best_by_force(f, t, 2.0) for f, t in zip(found, truth, strict=True)]).sum(axis=0)
    squared = ((found.reshape(-1, 2)[result.pairs[0]] - truth.reshape(-1, 2)[result.pairs[1]]) ** 2).sum()
    assert (result.n_matched, squared) == pytest.approx(tuple(expected))


def test_match_scores_by_hand():
    truth = pd.DataFrame({"x": [10.0, 20, 30, 40], "y": [5.0, 5, 5, 5]})
    found = pd.DataFrame({"x": [10.5, 20.5, 20.0, 90], "y": [5.0, 5, 6, 5]})
    result = metrics.match(found, truth, tolerance=2)
    assert (result.n_matched, result.n_found, result.n_truth) == (2, 4, 4)
    assert (result.precision, result.recall, result.f1) == (0.5, 0.5, 0.5)
    assert result.rmse == pytest.approx(0.5)
    assert result.bias == pytest.approx((0.5, 0.0))
    np.testing.assert_array_equal(result.pairs, [[0, 1], [0, 1]])
    assert "F1 0.5000" in repr(result)
    assert "2 spurious" in repr(result)


def test_ignored_positions_are_neither_required_nor_wrong():
    truth = pd.DataFrame({"x": [10.0, 20], "y": [5.0, 5], "scored": [True, False]})
    for table, ignore in ((truth, None), (truth[:1], truth[["x", "y"]][1:]), (truth[:1], [[20.0, 5.0]])):
        both = metrics.match([[10, 5], [20.5, 5]], table, tolerance=1, ignore=ignore)
        assert (both.n_found, both.n_truth, both.f1) == (1, 1, 1)
        # Found twice, the second detection is a false alarm all the same.
        twice = metrics.match([[10, 5], [20.5, 5], [19.5, 5]], table, tolerance=1, ignore=ignore)
        assert (twice.n_found, twice.n_matched) == (2, 1)
        neither = metrics.match([[10, 5]], table, tolerance=1, ignore=ignore)
        assert neither.f1 == 1


def test_a_detection_goes_to_the_required_position_before_the_ignored_one():
    result = metrics.match([[10.9, 5]], [[10, 5]], tolerance=1, ignore=[[11, 5]])
    assert result.f1 == 1


def test_border_is_not_scored_but_may_lend_a_partner():
    # Image 30 x 20 (columns x rows), its outer edges at -0.5 and 29.5; a margin of 3 ends at x = 2.5.
    truth = [[2.6, 10], [2.0, 5], [15, 10], [15, 18]]
    found = [[2.3, 10], [0.0, 1], [15, 10], [28, 3]]
    result = metrics.match(found, truth, tolerance=1, border=3, shape=(20, 30))
    assert (result.n_truth, result.n_found, result.f1) == (2, 2, 1)
    np.testing.assert_array_equal(result.pairs, [[0, 2], [0, 2]])
    inner = metrics.match([[2.6, 5]], truth, tolerance=1, border=3, shape=(20, 30))
    assert (inner.n_found, inner.n_matched) == (0, 0)
    # Without a margin each counts.
    assert metrics.match(found, truth, tolerance=1).n_truth == 4


@pytest.mark.parametrize("empty", [[], np.empty((0, 2)), pd.DataFrame({"x": [], "y": []})])
def test_match_of_empty_tables(empty):
    nothing, missed, junk = (
        metrics.match(f, t, tolerance=1) for f, t in ((empty, empty), (empty, [[1, 1]]), ([[1, 1]], empty))
    )
    assert np.isnan(nothing.f1)
    assert (missed.recall, missed.f1) == (0, 0)
    assert np.isnan(missed.precision)
    assert np.isnan(missed.rmse)
    assert (junk.precision, junk.f1) == (0, 0)


def test_scores_are_tabulated():
    matches = {d: metrics.match([[0, 0]], [[0, s]], tolerance=2) for d, s in ((10, 1.0), (100, 0.1))}
    table = metrics.match_table(matches)
    assert table.index.name == "dose"
    assert table.rmse.to_dict() == pytest.approx({10: 1, 100: 0.1})
    assert table.bias_y.to_dict() == pytest.approx({10: -1, 100: -0.1})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.match([[0, 0]], [[0, 0]], tolerance=0), "positive number of pixels"),
        (lambda: metrics.match([[0, 0]], [[0, 0]], tolerance=np.nan), "positive number of pixels"),
        (lambda: metrics.match([[0, 0]], [[0, 0]], tolerance=1, border=2), "needs the shape"),
        (lambda: metrics.match([[0, 0, 0]], [[0, 0]], tolerance=1), "found must be a table with x and y"),
        (lambda: metrics.match(pd.DataFrame({"x": [1.0]}), [[0, 0]], tolerance=1), "lacks the column y"),
        (lambda: metrics.match([[0, 0]], [[np.nan, 0]], tolerance=1), "truth holds positions that are not"),
    ],
)
def test_bad_positions_say_what_to_do(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_errors_are_named_by_row_and_only_where_they_are_scored():
    truth = pd.DataFrame({"x": [1.0, 20.0, 30.0, 40.0], "y": [20.0, 20.0, 20.0, 20.0]})
    found = pd.DataFrame({"x": [20.2, 35.0, 0.5], "y": [20.0, 5.0, 5.0]})
    result = metrics.match(found, truth, tolerance=1, border=3, shape=(40, 60))
    assert result.missed.tolist() == [2, 3]
    assert result.spurious.tolist() == [1]
