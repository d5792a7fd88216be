"""The dip finds the valley between two clusters, and none where one cloud was cut."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from atomlens._gap import Fold, gap_p_values, over_splits, split_halves


def folds(points, k, seed=0):
    """Two halves, each judged by the clusters of the other."""
    order = np.random.default_rng(seed).permutation(len(points))
    halves = points[order[::2]], points[order[1::2]]
    start = KMeans(k, n_init=3, random_state=0).fit(points).cluster_centers_
    out = []
    for train, test in (halves, halves[::-1]):
        model = KMeans(k, init=start, n_init=1).fit(train)
        out.append(Fold(train, model.labels_, test, model.predict(test), model.cluster_centers_))
    return out


def clouds(sizes, distance, seed=0, dimensions=4):
    """Normal clouds in a row."""
    rng = np.random.default_rng(seed)
    centres = distance * np.arange(len(sizes))[:, None] * np.eye(dimensions)[0]
    return np.concatenate([c + rng.normal(size=(n, dimensions)) for c, n in zip(centres, sizes, strict=True)])


@pytest.mark.parametrize("fisher", [True, False])
def test_two_clouds_are_parted_and_one_is_not(fisher):
    apart = gap_p_values(folds(clouds((200, 200), 7), 2), fisher=fisher)
    assert apart.shape == (2, 2)
    assert apart[0, 1] == apart[1, 0] < 1e-3
    assert np.diag(apart).tolist() == [1, 1]
    assert gap_p_values(folds(clouds((400,), 0), 2), fisher=fisher)[0, 1] > 0.1


@pytest.mark.parametrize("shape", ["normal", "uniform", "exponential", "two halves"])
def test_cuts_of_one_cloud_are_rarely_called_gaps(shape):
    """Whatever the unimodal cloud, its pieces stay linked; those that are no neighbours may have a gap."""
    n, p = 100, []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        points = {
            "normal": lambda rng: rng.normal(size=(160, 3)),
            "uniform": lambda rng: rng.uniform(size=(160, 3)),
            "exponential": lambda rng: rng.exponential(size=(160, 3)),
            "two halves": lambda rng: rng.normal(size=(160, 3)) * [4, 1, 1],
        }[shape](rng)
        found = gap_p_values(folds(points, 2 + seed % 2, seed))
        pairs = np.sort(found[np.triu_indices(len(found), 1)])[::-1]
        p.append(pairs[len(found) - 2])  # so many links are needed
    for alpha in (0.01, 0.05):
        assert np.mean(np.array(p) <= alpha) <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / n)


def test_pairs_are_judged_one_by_one():
    """Three clouds, the middle one cut in two."""
    points = clouds((300, 300, 300), 9)
    fold = folds(points, 4)
    p = gap_p_values(fold)
    place = fold[0].centres[:, 0].argsort()
    ordered = p[np.ix_(place, place)]
    gaps = np.diff(fold[0].centres[place, 0])
    halves = int(gaps.argmin())
    for n in range(3):
        assert (ordered[n, n + 1] > 0.05) == (n == halves)
    np.testing.assert_array_equal(p, p.T)


def test_a_small_cluster_does_not_drown():
    p = gap_p_values(folds(clouds((2000, 60), 8), 2))
    assert p[0, 1] < 0.01


def test_the_shape_of_the_clusters_is_taken_into_account():
    """Long in one direction, parted in another: only Fisher's direction sees the gap."""
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 2
    points = rng.normal(size=(600, 2)) @ np.array([[6.0, 6.0], [0.5, -0.5]]) + labels[:, None] * [0.0, 8.0]
    centres = np.array([points[labels == n].mean(axis=0) for n in range(2)])
    fold = Fold(points, labels, points, labels, centres)
    assert gap_p_values([fold])[0, 1] < 1e-3
    assert gap_p_values([fold], fisher=False)[0, 1] > 0.05


def test_too_few_points_and_empty_clusters_say_nothing():
    points = clouds((3, 3), 50)
    labels = np.repeat([0, 1], 3)
    centres = np.array([points[:3].mean(axis=0), points[3:].mean(axis=0)])
    assert gap_p_values([Fold(points, labels, points, labels, centres)])[0, 1] == 1
    points = clouds((40, 40), 50)
    labels = np.repeat([0, 1], 40)
    centres = np.array([[0.0] * 4, [50.0, 0, 0, 0], [99.0] * 4])
    p = gap_p_values([Fold(points, labels, points, labels, centres)])
    assert p[0, 1] < 1e-3
    assert p[0, 2] == p[1, 2] == 1


def test_identical_points():
    points = np.zeros((40, 2))
    labels = np.arange(40) % 2
    assert gap_p_values([Fold(points, labels, points, labels, np.zeros((2, 2)))])[0, 1] == 1


@pytest.mark.parametrize("turns", [1, 2])
def test_random_halves_agree_on_a_gap_and_on_none(turns):
    for distance, parted in ((7, True), (0, False)):
        points = clouds((200, 200), distance)
        learn = KMeans(2, init=points[[0, -1]], n_init=1).fit
        rounds = split_halves(points, learn, 3, np.random.default_rng(0), turns=turns)
        assert rounds.shape == (3, 2, 2)
        assert (over_splits(rounds)[0, 1] < 0.01) == parted


def test_twice_the_median_over_splits_is_a_probability():
    assert over_splits([0.01, 0.02, 0.9]) == pytest.approx(0.04)
    assert over_splits([0.6, 0.7, 0.1]) == 1
    np.testing.assert_allclose(over_splits([[[1, 0.1]], [[1, 0.3]], [[1, 0.2]]]), [[1, 0.4]])
