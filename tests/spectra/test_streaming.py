"""Spectra larger than memory go through the same call."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from atomlens import metrics, simulate, spectra
from atomlens.spectra import _streaming


@pytest.fixture(scope="module")
def phantom():
    return simulate.spectra.eels(4, random_state=0)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    # A fixed few rows a block, so that the test data span many blocks.
    monkeypatch.setattr(_streaming, "_BLOCK_BYTES", 4 * 260 * 500)


def lazy(data, chunks=(16, 64, 100)):
    return data.copy(data=da.from_array(data.values, chunks=chunks))


def test_same_result_as_in_memory(phantom):
    eager, streamed = spectra.cluster(phantom.data, 4), spectra.cluster(lazy(phantom.data), 4, progress=False)
    assert metrics.adjusted_rand_index(streamed.labels, eager.labels) > 0.999
    np.testing.assert_allclose(streamed.spectra, eager.spectra, rtol=0.01)
    np.testing.assert_allclose(streamed.spread, eager.spread, rtol=0.03)
    assert isinstance(streamed.labels.data, np.ndarray)


def test_mask_and_integers_are_streamed_too(phantom):
    mask = np.ones(phantom.data.shape[:2], dtype=bool)
    mask[:, :20] = False
    result = spectra.cluster(lazy(phantom.data.astype("uint16")), 4, mask=mask, progress=False)
    assert (result.labels[:, :20] == -1).all()
    assert metrics.adjusted_rand_index(result.labels[:, 20:], phantom.truth.labels[:, 20:]) > 0.98


def test_learning_from_a_sample_is_enough(phantom, monkeypatch):
    monkeypatch.setattr(_streaming, "_LEARNING_SPECTRA", 1000)
    result = spectra.cluster(lazy(phantom.data), 4, progress=False)
    assert metrics.adjusted_rand_index(result.labels, phantom.truth.labels) > 0.98


def test_number_of_clusters_can_be_chosen_lazily(phantom):
    assert spectra.choose_k(lazy(phantom.data), range(1, 6), n_resamples=2).recommended == 4


def test_nothing_larger_than_a_block_is_computed_at_once(phantom, monkeypatch):
    seen = []
    monkeypatch.setattr(_streaming, "_LEARNING_SPECTRA", 500)
    original = _streaming._on_kept

    def spy(function, block, *rest):
        seen.append(len(block))
        return original(function, block, *rest)

    monkeypatch.setattr(_streaming, "_on_kept", spy)
    spectra.cluster(lazy(phantom.data), 4, progress=False)
    assert max(seen) <= 500
    assert sum(seen) == 3 * phantom.data.shape[0] * phantom.data.shape[1]  # three passes


def test_progress_is_shown_when_asked_for(phantom, capsys):
    spectra.cluster(lazy(phantom.data), 4)
    assert "Completed" in capsys.readouterr().out
    spectra.cluster(lazy(phantom.data), 4, progress=False)
    assert capsys.readouterr().out == ""


def test_runs_on_a_given_distributed_client(phantom):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as local,
        distributed.Client(local),
    ):
        result = spectra.cluster(lazy(phantom.data), 4, progress=False)
    assert metrics.adjusted_rand_index(result.labels, phantom.truth.labels) > 0.98


def test_nan_in_a_block_is_reported(phantom):
    broken = phantom.data.copy()
    broken[40, 3, 7] = np.nan
    with pytest.raises(ValueError, match="NaN or inf"):
        spectra.cluster(lazy(broken), 4, progress=False)


def test_other_pipelines_are_refused_with_the_remedy(phantom):
    with pytest.raises(ValueError, match="NoiseRankPCA"):
        spectra.cluster(lazy(phantom.data), 4, preprocess=None, progress=False)


def test_lazy_plain_arrays_are_accepted(phantom):
    result = spectra.cluster(
        xr.DataArray(lazy(phantom.data).data, dims=("y", "x", "energy")), 4, progress=False
    )
    assert metrics.adjusted_rand_index(result.labels, phantom.truth.labels) > 0.98
