"""Principal components above the noise, against planted ranks and against scikit-learn."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from atomlens.spectra import NoiseRankPCA
from atomlens.spectra import components as module


def low_rank(n, channels, rank, *, strength=4.0, seed=0):
    rng = np.random.default_rng(seed)
    return strength * rng.normal(size=(n, rank)) @ rng.normal(size=(rank, channels)) / np.sqrt(
        rank
    ) + rng.normal(size=(n, channels))


@pytest.mark.parametrize("shape", [(1500, 60), (60, 1500), (300, 300)])
@pytest.mark.parametrize("rank", [1, 3, 7])
def test_planted_rank_is_counted(shape, rank):
    assert NoiseRankPCA().fit(low_rank(*shape, rank)).n_above_noise_ == rank


@pytest.mark.parametrize("seed", range(5))
def test_pure_noise_has_no_component_above_it(seed):
    noise = np.random.default_rng(seed).normal(size=(2000, 100))
    pca = NoiseRankPCA().fit(noise)
    assert pca.n_above_noise_ == 0
    assert len(pca.components_) == 1  # something to plot, all the same


@pytest.mark.parametrize("shape", [(500, 40), (40, 500)])
def test_same_subspace_and_variance_as_scikit_learn(shape):
    data = low_rank(*shape, 3)
    ours, theirs = NoiseRankPCA(3).fit(data), PCA(3).fit(data)
    np.testing.assert_allclose(np.abs(ours.components_ @ theirs.components_.T), np.eye(3), atol=1e-3)
    np.testing.assert_allclose(
        ours.explained_variance_, theirs.explained_variance_ * (len(data) - 1) / len(data), rtol=1e-4
    )
    np.testing.assert_allclose(
        ours.inverse_transform(ours.transform(data)),
        theirs.inverse_transform(theirs.transform(data)),
        atol=2e-3,
    )


def test_randomised_path_counts_the_same(monkeypatch):
    data = low_rank(400, 300, 4)
    monkeypatch.setattr(module, "_LARGEST_EXACT", 100)
    assert NoiseRankPCA().fit(data).n_above_noise_ == 4


def test_blocks_add_up_to_the_whole():
    data = low_rank(900, 50, 3)
    whole = NoiseRankPCA().fit(data)
    parts = NoiseRankPCA().fit_blocks(module.moments(part) for part in np.array_split(data, 7))
    np.testing.assert_allclose(parts.components_, whole.components_, atol=1e-5)
    np.testing.assert_allclose(parts.mean_, whole.mean_, atol=1e-6)
    assert parts.n_above_noise_ == whole.n_above_noise_


def test_constant_data_do_not_break_it():
    pca = NoiseRankPCA().fit(np.ones((20, 8)))
    assert pca.n_above_noise_ == 0
    np.testing.assert_allclose(pca.transform(np.ones((20, 8))), 0, atol=1e-6)
