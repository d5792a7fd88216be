"""Detectors of unusual rows: scikit-learn's own checks, brute force, and the exact machine."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist, pdist
from scipy.stats import spearmanr
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import parametrize_with_checks

from atomlens.defects import NearestNeighbourDetector, OneClassDetector, label_free_parameters


def cloud(n=500, outliers=10, features=5, seed=0):
    """Rows of one normal cloud, and a few far away at the end."""
    rng = np.random.default_rng(seed)
    return np.vstack([rng.normal(0, 1, (n, features)), rng.normal(12, 1, (outliers, features))])


@parametrize_with_checks([OneClassDetector(), NearestNeighbourDetector()])
def test_they_are_estimators_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gamma_maximises_the_contrast_of_the_kernel(seed):
    X = cloud(seed=seed)
    _, gamma, suspects = label_free_parameters(X)
    pairs = pdist(X[~suspects])
    near, far = pairs.min(), pairs.max()
    best = minimize_scalar(
        lambda log: np.exp(-np.exp(log) * far**2) - np.exp(-np.exp(log) * near**2),
        bounds=(np.log(0.01 / far**2), np.log(10 / near**2)),
        method="bounded",
        options={"xatol": 1e-8},
    )
    assert gamma == pytest.approx(np.exp(best.x), rel=1e-3)


def test_suspects_are_the_outliers():
    X = cloud(outliers=25)
    nu, _, suspects = label_free_parameters(X)
    assert suspects[500:].all()
    assert suspects[:500].mean() < 0.1
    assert nu == pytest.approx(suspects.mean())


def test_few_of_many_rows_are_enough_for_the_parameters():
    X = cloud(n=6000, outliers=60)
    nu, gamma, suspects = label_free_parameters(X)
    assert suspects[6000:].all()
    assert suspects[:6000].mean() < 0.15
    assert nu == pytest.approx(suspects.mean())
    few = label_free_parameters(X[:2000])
    assert 0.5 < gamma / few[1] < 2


def test_without_outliers_few_are_suspected():
    nu, _, _ = label_free_parameters(cloud(outliers=0))
    assert nu < 0.25


@pytest.mark.parametrize(
    ("X", "words"),
    [
        (np.zeros((4, 3)), "too few rows"),
        (np.zeros(40), "shape \\(40,\\)"),
        (np.ones((40, 3)), "all windows are equal"),
    ],
)
def test_rows_that_tell_nothing(X, words):
    with pytest.raises(ValueError, match=words):
        label_free_parameters(X)


def test_two_distances_only():
    X = np.repeat(np.eye(2), 20, axis=0)
    assert label_free_parameters(X)[1] == pytest.approx(0.5)  # one over the squared distance


def test_the_approximate_machine_agrees_with_the_exact_one(monkeypatch):
    X = cloud(n=1500, outliers=30)
    exact = OneClassDetector().fit(X)
    monkeypatch.setattr("atomlens.defects.detectors._EXACT", 1000)
    fast = OneClassDetector().fit(X)
    assert isinstance(exact.estimator_, OneClassSVM)
    assert not isinstance(fast.estimator_, OneClassSVM)
    assert (exact.nu_, exact.gamma_) == (fast.nu_, fast.gamma_)
    normal = slice(None, 1500)
    assert spearmanr(exact.score_samples(X[normal]), fast.score_samples(X[normal])).statistic > 0.9
    for machine in (exact, fast):
        assert (machine.predict(X)[1500:] == -1).all()
        assert (machine.predict(X)[:1500] == -1).mean() < 0.15
        assert machine.score_samples(X)[1500:].max() < machine.score_samples(X)[:1500].min()


def test_many_rows_take_the_approximate_machine():
    X = np.random.default_rng(0).normal(size=(4001, 3))
    assert OneClassDetector(nu=0.05, gamma=0.5).fit(X).estimator_[-1].get_params()["nu"] == 0.05
    assert isinstance(OneClassDetector(nu=0.05, gamma=0.5).fit(X[:4000]).estimator_, OneClassSVM)


def test_scores_are_the_logarithm_of_the_sum_of_kernels():
    X = cloud(n=200)
    machine = OneClassDetector().fit(X)
    svm = machine.estimator_
    kernel = np.exp(-machine.gamma_ * cdist(X, svm.support_vectors_, "sqeuclidean"))
    np.testing.assert_allclose(machine.score_samples(X), np.log(kernel @ svm.dual_coef_[0]), rtol=1e-6)
    np.testing.assert_array_equal(machine.predict(X), svm.predict(X))
    near = slice(None, 200)  # scikit-learn loses small sums in the rounding of the offset
    np.testing.assert_allclose(np.exp(machine.score_samples(X))[near], svm.score_samples(X)[near], rtol=1e-6)
    np.testing.assert_allclose(machine.decision_function(X), machine.score_samples(X) - machine.offset_)


def test_far_out_scores_still_fall():
    machine = OneClassDetector().fit(cloud(n=200))
    far = machine.score_samples(np.outer([6, 8, 10, 12], np.ones(5)))
    assert (np.diff(far) < 0).all()


def test_parameters_that_are_given_are_taken():
    X = cloud()
    machine = OneClassDetector(nu=0.2, gamma=0.05).fit(X)
    assert (machine.nu_, machine.gamma_) == (0.2, 0.05)
    assert not machine.suspects_.any()
    assert (machine.predict(X) == -1).mean() == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"nu": 0.0}, "nu"),
        ({"nu": 1.5}, "nu"),
        ({"nu": "many"}, "nu"),
        ({"gamma": 0.0}, "gamma"),
        ({"gamma": "scale"}, "gamma"),
    ],
)
def test_machine_parameters_out_of_range(options, words):
    with pytest.raises(ValueError, match=words):
        OneClassDetector(**options).fit(cloud())


def test_neighbours_against_brute_force():
    X = cloud(n=80, outliers=5)
    detector = NearestNeighbourDetector(n_neighbors=7, contamination=0.1).fit(X)
    distance = np.sort(cdist(X, X), axis=1)
    expected = -distance[:, 1:8].mean(axis=1)  # without the row itself
    np.testing.assert_allclose(detector.score_samples(X), expected)
    fresh = np.random.default_rng(9).normal(0, 2, (30, 5))
    expected = -np.sort(cdist(fresh, X), axis=1)[:, :7].mean(axis=1)
    np.testing.assert_allclose(detector.score_samples(fresh), expected)
    assert (detector.predict(X) == -1).mean() == pytest.approx(0.1, abs=0.02)
    assert (detector.predict(X)[80:] == -1).all()


def test_neighbours_by_default_and_of_a_part():
    X = cloud(n=1000, outliers=10)
    assert NearestNeighbourDetector().fit(X).n_neighbors_ == 30
    part = NearestNeighbourDetector(n_reference=300).fit(X)
    assert part.n_neighbors_ == 10
    assert part.search_.n_samples_fit_ == 300
    whole = NearestNeighbourDetector().fit(X).score_samples(X)[:1000]
    assert spearmanr(part.score_samples(X)[:1000], whole).statistic > 0.9


@pytest.mark.parametrize("contamination", [0.0, 0.6, -1])
def test_contamination_out_of_range(contamination):
    with pytest.raises(ValueError, match="contamination must lie between"):
        NearestNeighbourDetector(contamination=contamination).fit(cloud())
