"""What a masked array masks is left out."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from atomlens import spectra


@pytest.fixture
def masked():
    """Two phases; upper half masked with nonsense below the mask."""
    data = np.random.default_rng(0).poisson(60, (12, 14, 40)).astype(np.float32)
    data[:, 7:, 10:20] *= 3
    data[:6] = -1e9
    data[:3, :, 20:] = np.nan
    out = np.ma.masked_array(data, mask=False)
    out.mask[:6, :, 5] = True  # one channel is enough
    return out


def test_masked_spectra_get_no_label(masked):
    labels = spectra.cluster(masked, 2).labels.values
    assert (labels[:6] == -1).all()
    np.testing.assert_array_equal(labels[6:], spectra.cluster(masked.data[6:], 2).labels)


@pytest.mark.parametrize(
    "wrap", [lambda m: da.from_array(m, chunks=(4, 14, 40)), lambda m: m], ids=["lazy", "in memory"]
)
def test_masks_are_joined(masked, wrap):
    mask = np.ones((12, 14), dtype=bool)
    mask[:, :2] = False
    labels = spectra.cluster(wrap(masked), 2, mask=mask, progress=False).labels.values
    assert (labels[:6] == -1).all()
    assert (labels[:, :2] == -1).all()
    assert (labels[6:, 2:] >= 0).all()
    assert len(np.unique(labels[6:, 7:])) == 1


def test_a_dataarray_which_holds_no_mask_is_refused_and_not_misread(masked):
    with pytest.raises(ValueError, match="mask="):
        spectra.cluster(xr.DataArray(masked, dims=("y", "x", "energy")), 2)


def test_the_number_of_clusters_and_endmembers_do_not_see_what_is_masked(masked):
    assert spectra.choose_k(masked, range(1, 4), n_resamples=1).recommended == 2
    parts = spectra.unmix(masked, 2)
    assert np.isnan(parts.abundances.values[:6]).all()
    assert np.isfinite(parts.abundances.values[6:]).all()


def test_what_is_masked_does_not_decide_on_the_noise(masked):
    assert "weight" in spectra.recommended_pipeline(masked).named_steps
    mask = np.ones((12, 14), dtype=bool)
    mask[:6] = False
    plain = np.nan_to_num(masked.data)
    assert "weight" in spectra.recommended_pipeline(plain, mask=mask).named_steps
    assert "weight" not in spectra.recommended_pipeline(plain).named_steps


def test_a_mask_that_masks_nothing_changes_nothing(masked):
    whole = np.ma.masked_array(masked.data[6:])
    np.testing.assert_array_equal(spectra.cluster(whole, 2).labels, spectra.cluster(whole.data, 2).labels)


def test_a_mask_that_leaves_nothing_is_told(masked):
    masked.mask[..., 3] = True
    with pytest.raises(ValueError, match="crop the masked channels"):
        spectra.cluster(masked, 2)
