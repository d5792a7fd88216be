"""The number of labels is that of the planted clouds."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import silhouette_score

from atomlens.crystallography import LocalCrystallography, choose_n_clusters
from atomlens.lattice import neighbour_vectors

FOUR = (0, 90, 180, 270)
TI = LocalCrystallography(center="Ti", neighbors="Sr")


@pytest.mark.parametrize(
    ("variants", "wanted"),
    [((None,), 1), ((0,), 1), ((0, 180), 2), (FOUR, 4), ((*FOUR, None), 5), (((45, "alternating"), None), 3)],
)
def test_recommended_number(planted, variants, wanted):
    choice = choose_n_clusters(planted(variants, seed=1)[0], range(1, 8), estimator=TI)
    assert choice.recommended == wanted
    assert f"{wanted} labels recommended" in repr(choice)


@pytest.mark.parametrize("method", ["kmeans", "gmm"])
def test_the_seed_is_the_estimators_own(planted, method):
    table = planted(FOUR, seed=1, size=6, noise=12.0)[0]
    found = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002 - what must not matter
        estimator = clone(TI).set_params(method=method)
        found.append(choose_n_clusters(table, range(1, 7), estimator=estimator).table)
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_table_of_criteria(planted):
    table = planted(FOUR, seed=1, size=9)[0]
    choice = choose_n_clusters(table, [5, 2, 4, 4, 1], estimator=TI)
    found = choice.table
    assert found.index.tolist() == [1, 2, 4, 5]
    assert found.index.name == "n_clusters"
    assert list(found) == ["inertia", "silhouette", "bic", "closure", "gap_p", "n_phases"]
    assert (np.diff(found["inertia"]) < 0).all()
    assert found["silhouette"].idxmax() == 4
    assert found["bic"].idxmin() == 4
    assert found["n_phases"].dtype == int
    assert np.isnan(found.loc[1, ["silhouette", "gap_p"]]).all()
    assert found.loc[1, "closure"] > 0.99  # a single label always closes
    assert found.loc[4, "gap_p"] <= 0.01 < found.loc[5, "gap_p"]

    model = LocalCrystallography(n_clusters=4, center="Ti", neighbors="Sr").fit(table)
    whole = np.isfinite(model.vectors_).all(axis=(1, 2))
    points, labels = model.vectors_[whole].reshape(-1, 8), model.labels_[whole]
    rest = points - model.centroids_.reshape(4, 8)[labels]
    assert found.loc[4, "inertia"] == pytest.approx((rest**2).sum())
    assert found.loc[4, "silhouette"] == pytest.approx(silhouette_score(points, labels))
    assert found.loc[4, "closure"] == pytest.approx(model.verdict_["closure"][0])


def test_neighbourhoods_and_settings(planted):
    table = planted((0, 180), seed=2, size=9)[0]
    hoods = neighbour_vectors(table, center="Ti", neighbors="Sr")
    assert choose_n_clusters(hoods, range(1, 4)).recommended == 2
    settings = LocalCrystallography(point_group="2", alpha=0.05)
    other = choose_n_clusters(hoods, (2,), estimator=settings)
    assert other.recommended == 2
    assert settings.n_clusters == 4  # left alone
    assert not hasattr(settings, "labels_")


@pytest.mark.parametrize("k_range", [[], (), 5, [0, 1], [-1], [1.5], ["a"], None, range(0)])
def test_bad_ranges(planted, k_range):
    with pytest.raises(ValueError, match="k_range must hold whole numbers from 1 on"):
        choose_n_clusters(planted((None,), size=6)[0], k_range, estimator=TI)


def test_more_labels_than_atoms(planted):
    with pytest.raises(ValueError, match="fewer than the 5000 clusters"):
        choose_n_clusters(planted((None,), size=6)[0], [1, 5000], estimator=TI)
