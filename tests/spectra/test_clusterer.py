"""Five methods behind one estimator."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import check_estimator

from atomlens.spectra import METHODS, SpectralClusterer, clusterer


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    sizes = (300, 150, 50)
    centres = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    points = np.concatenate([rng.normal(c, 1.0, (n, 2)) for c, n in zip(centres, sizes, strict=True)])
    order = rng.permutation(len(points))
    return points[order], np.repeat([0, 1, 2], sizes)[order]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_separated_blobs_and_orders_them_by_size(blobs, method):
    points, truth = blobs
    model = SpectralClusterer(3, method=method).fit(points)
    inside = model.labels_ >= 0
    assert inside.mean() > 0.95
    # The truth is numbered by size too, so even the numbers agree.
    assert np.mean(model.labels_[inside] == truth[inside]) > 0.99
    assert model.n_clusters_ == 3


@pytest.mark.parametrize("method", METHODS)
def test_prediction_repeats_the_labels_and_extends_to_new_points(blobs, method):
    points, _ = blobs
    model = SpectralClusterer(3, method=method).fit(points)
    np.testing.assert_array_equal(model.predict(points), model.labels_)
    assert model.predict([[9.0, 0.1]])[0] == 1


@pytest.mark.parametrize("method", ["ward", "spectral", "hdbscan"])
def test_pairwise_methods_learn_from_a_subset_of_many_points(blobs, method, monkeypatch):
    points, truth = blobs
    monkeypatch.setattr(clusterer, "_MOST_COMPARED", 200)
    model = SpectralClusterer(3, method=method).fit(points)
    assert adjusted_rand_score(truth, model.labels_) > 0.9


def test_spectral_clustering_follows_shapes_that_kmeans_cannot():
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    rings = np.concatenate([r * np.column_stack([np.cos(angle), np.sin(angle)]) for r in (1.0, 4.0)])
    truth = np.repeat([0, 1], 200)
    assert adjusted_rand_score(truth, SpectralClusterer(2, method="spectral").fit_predict(rings)) == 1
    assert adjusted_rand_score(truth, SpectralClusterer(2).fit_predict(rings)) < 0.2


def test_mixture_separates_elongated_clusters_that_kmeans_cuts():
    rng = np.random.default_rng(0)
    long = rng.normal(size=(800, 2)) * [8.0, 0.4]
    points = np.concatenate([long, long[:400] + [0.0, 3.5]])
    truth = np.repeat([0, 1], [800, 400])
    assert adjusted_rand_score(truth, SpectralClusterer(2, method="gmm").fit_predict(points)) > 0.95
    assert adjusted_rand_score(truth, SpectralClusterer(2).fit_predict(points)) < 0.5


def test_density_method_leaves_noise_out(blobs):
    points, _ = blobs
    far = np.concatenate([points, [[40.0, 40.0], [-40.0, 10.0]]])
    assert (SpectralClusterer(None, method="hdbscan").fit(far).labels_[-2:] == -1).all()


def test_density_method_may_find_nothing():
    spread_out = np.random.default_rng(0).uniform(size=(40, 12))
    model = SpectralClusterer(None, method="hdbscan").fit(spread_out)
    assert model.n_clusters_ == len(set(model.labels_.tolist()) - {-1})
    assert SpectralClusterer(None, method="hdbscan").fit([[0.0], [9.0], [50.0]]).n_clusters_ == 0


def test_kmeans_is_as_good_as_scikit_learns(blobs):
    points, _ = blobs
    assert (
        adjusted_rand_score(
            SpectralClusterer(3).fit_predict(points), KMeans(3, random_state=0).fit_predict(points)
        )
        == 1
    )


def test_mini_batches_agree_with_full_kmeans(blobs, monkeypatch):
    points, _ = blobs
    full = SpectralClusterer(3).fit_predict(points)
    monkeypatch.setattr("atomlens.spectra.clusterer._MINI_BATCH_ABOVE", 100)
    assert adjusted_rand_score(full, SpectralClusterer(3).fit_predict(points)) > 0.99


@pytest.mark.parametrize("method", ["kmeans", "gmm", "ward"])
def test_scikit_learns_own_checks(method):
    results = check_estimator(
        SpectralClusterer(2, method=method),
        expected_failed_checks={
            "check_clustering": "HDBSCAN-style labels start at -1; sizes decide the order"
        },
        on_fail=None,
        on_skip=None,
    )
    assert not [(r["check_name"], str(r["exception"])) for r in results if r["status"] == "failed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "dbscan"}, "must be one of"),
        ({"n_clusters": None}, "choose_k"),
        ({"n_clusters": 0}, "at least 1"),
        ({"n_clusters": 2.5}, "whole number"),
        ({"n_clusters": 9}, "more than the 4 spectra"),
    ],
)
def test_bad_parameters_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        SpectralClusterer(**arguments).fit(np.arange(8.0).reshape(4, 2))
