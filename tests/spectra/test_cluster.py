"""`cluster`, scored against planted truth, on every kind of scan and axis."""

import numpy as np
import pandas as pd
import pytest
import tifffile
import xarray as xr

from atomlens import io, metrics, simulate, spectra


@pytest.fixture(scope="module")
def phantom():
    return simulate.spectra.eels(4, random_state=0)


@pytest.mark.parametrize("n_phases", [3, 4, 5, 6])
def test_recommended_pipeline_finds_the_planted_phases(n_phases):
    sample = simulate.spectra.eels(n_phases, random_state=10 + n_phases)
    result = spectra.cluster(sample.data, n_phases)
    assert metrics.adjusted_rand_index(result.labels, sample.truth.labels) > 0.98
    assert metrics.cluster_report(result.labels, sample.truth.labels).recall.min() > 0.95


@pytest.mark.parametrize("method", ["kmeans", "gmm", "ward", "spectral"])
def test_four_methods_agree_on_separated_phases(phantom, method):
    result = spectra.cluster(phantom.data, 4, method)
    assert metrics.adjusted_rand_index(result.labels, phantom.truth.labels) > 0.98


def test_density_method_needs_no_number(phantom):
    result = spectra.cluster(phantom.data, method="hdbscan")
    assert metrics.adjusted_rand_index(result.labels, phantom.truth.labels) > 0.95
    assert result.scores.n_clusters == 4


def test_result_is_on_the_scan_with_units(phantom):
    result = spectra.cluster(phantom.data, 4)
    assert result.labels.dims == ("y", "x")
    xr.testing.assert_equal(result.labels.x, phantom.data.x)
    assert result.spectra.dims == ("cluster", "energy")
    assert result.spectra.energy.attrs["units"] == "eV"
    assert result.spectra.attrs["units"] == "counts"


def rows(data):
    return data.values.reshape(-1, data.shape[-1])


def test_spectra_and_spread_are_those_of_the_members():
    sample = simulate.spectra.eels(3, spike_fraction=0.0, random_state=0)
    result = spectra.cluster(
        sample.data, 3, preprocess=spectra.recommended_pipeline(sample.data, despike=False)
    )
    for k in range(3):
        members = rows(sample.data)[result.labels.values.ravel() == k]
        np.testing.assert_allclose(result.spectra[k], members.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(result.spread[k], members.std(axis=0), rtol=1e-4)


def test_clusters_are_numbered_by_size(phantom):
    sizes = np.bincount(spectra.cluster(phantom.data, 4).labels.values.ravel())
    assert np.all(np.diff(sizes) <= 0)


def test_without_normalisation_thickness_becomes_a_cluster():
    sample = simulate.spectra.eels(2, smallest=0.4, thickness_ratio=6.0, counts=2e4, random_state=0)
    bare = spectra.cluster(
        sample.data, 2, preprocess=spectra.recommended_pipeline(sample.data, normalise="none")
    )
    right = spectra.cluster(sample.data, 2)
    thick = (sample.truth.thickness > sample.truth.thickness.median()).astype(int)
    assert metrics.adjusted_rand_index(bare.labels, thick) > metrics.adjusted_rand_index(
        bare.labels, sample.truth.labels
    )
    assert metrics.adjusted_rand_index(right.labels, sample.truth.labels) > 0.98


def test_alignment_rescues_a_jittering_zero_loss_peak():
    sample = simulate.spectra.low_loss(random_state=0)
    aligned = spectra.recommended_pipeline(sample.data, align=(-4, 4))
    right = spectra.cluster(sample.data, 3, preprocess=aligned)
    wrong = spectra.cluster(sample.data, 3)
    assert metrics.adjusted_rand_index(right.labels, sample.truth.labels) > 0.98
    assert metrics.adjusted_rand_index(wrong.labels, sample.truth.labels) < 0.6


def test_current_voltage_curves_go_through_the_same_call():
    sample = simulate.spectra.current_voltage(random_state=0)
    result = spectra.cluster(sample.data, 3)
    assert metrics.adjusted_rand_index(result.labels, sample.truth.labels) > 0.98
    assert "weight" not in result.pipeline.named_steps  # negative currents are no counts


def test_combinatorial_library_goes_through_the_same_call():
    sample = simulate.spectra.composition_spread(random_state=0)
    result = spectra.cluster(sample.data, 3)
    assert result.labels.dims == ("spot",)
    assert "x_mm" in result.labels.coords
    assert metrics.adjusted_rand_index(result.labels, sample.truth.labels) > 0.9


def test_line_scan_and_plain_array_go_through_the_same_call():
    sample = simulate.spectra.eels(2, shape=(120,), smallest=0.3, random_state=0)
    named, plain = spectra.cluster(sample.data, 2), spectra.cluster(sample.data.values, 2)
    np.testing.assert_array_equal(named.labels, plain.labels)
    assert plain.spectra.dims == ("cluster", "channel")


def test_spectral_axis_may_stand_anywhere(phantom):
    moved = spectra.cluster(phantom.data.transpose("energy", "y", "x"), 4)
    xr.testing.assert_equal(moved.labels, spectra.cluster(phantom.data, 4).labels)


def test_mask_leaves_points_out(phantom):
    data = phantom.data.copy()
    mask = np.ones(data.shape[:2], dtype=bool)
    mask[:4] = False
    data[:4] = np.nan  # what is masked may be anything
    result = spectra.cluster(data, 4, mask=mask)
    assert (result.labels[:4] == -1).all()
    assert metrics.adjusted_rand_index(result.labels[4:], phantom.truth.labels[4:]) > 0.98


def test_own_steps_are_cloned_not_changed(phantom):
    steps = spectra.recommended_pipeline(phantom.data, crop=(500, 900), n_components=5)
    result = spectra.cluster(phantom.data, 4, preprocess=steps)
    assert result.scores.n_components == 5
    assert not hasattr(steps.named_steps["pca"], "components_")


def test_pipeline_can_be_searched(phantom):
    from sklearn.model_selection import ParameterGrid

    scores = {}
    for setting in ParameterGrid({"pca__n_components": [1, 4]}):
        steps = spectra.recommended_pipeline(phantom.data).set_params(**setting)
        result = spectra.cluster(phantom.data, 4, preprocess=steps)
        scores[setting["pca__n_components"]] = metrics.adjusted_rand_index(
            result.labels, phantom.truth.labels
        )
    assert scores[4] > scores[1]


def test_export_writes_what_other_programs_read(phantom, tmp_path):
    result = spectra.cluster(phantom.data, 4)
    written = result.export(tmp_path / "out")
    assert [path.suffix for path in written] == [".csv", ".csv", ".tif", ".hspy"]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "labels.tif"), result.labels)
    table = pd.read_csv(tmp_path / "out" / "cluster_spectra.csv")
    np.testing.assert_allclose(table["mean_2"], result.spectra[2], rtol=1e-5)
    assert (
        pd.read_csv(tmp_path / "out" / "labels.csv")["label"].tolist()
        == result.labels.values.ravel().tolist()
    )
    back = io.read(tmp_path / "out" / "cluster_spectra.hspy")
    np.testing.assert_allclose(back.values, result.spectra)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        result.export(tmp_path / "out")
    result.export(tmp_path / "out", overwrite=True)


def _broken(phantom, where):
    data = phantom.data.copy()
    data[where] = np.nan
    return data


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: spectra.cluster(t.data[0, 0], 2), ValueError, "single spectrum"),
        (lambda t: spectra.cluster(t.data[..., 0], 2), ValueError, "no spectral axis"),
        (lambda t: spectra.cluster(t.data[..., :1], 2), ValueError, "1 channel"),
        (lambda t: spectra.cluster(t.data[:0], 2), ValueError, "empty"),
        (lambda t: spectra.cluster(np.ones((5, 5, 9)), 2), ValueError, "nothing to tell apart"),
        (lambda t: spectra.cluster(_broken(t, (3, 5, 7)), 2), ValueError, "y=3, x=5"),
        (lambda t: spectra.cluster(t.data.where(t.data < 50, np.inf), 2), ValueError, "NaN or inf"),
        (lambda t: spectra.cluster(t.data * (t.data.x > 5), 2), ValueError, "zero everywhere"),
        (lambda t: spectra.cluster(t.data[:2, :2], 9), ValueError, "more than the 4 spectra"),
        (lambda t: spectra.cluster(t.data), ValueError, "choose_k"),
        (lambda t: spectra.cluster(t.data[:1, :3], method="hdbscan"), ValueError, "no dense region"),
        (lambda t: spectra.cluster(t.data, 2, "k-means"), ValueError, "must be one of"),
        (
            lambda t: spectra.cluster(t.data, 2, mask=np.ones(3, dtype=bool)),
            ValueError,
            "mask must be boolean",
        ),
        (
            lambda t: spectra.cluster(t.data, 2, mask=np.zeros((64, 64), dtype=bool)),
            ValueError,
            "no spectrum",
        ),
        (lambda t: spectra.cluster(t.data + 1j, 2), TypeError, "real numbers"),
        (lambda t: spectra.cluster(t.data.astype(str), 2), TypeError, "real numbers"),
        (lambda t: spectra.cluster(t.data, 2, preprocess="best"), ValueError, "recommended"),
        (lambda t: spectra.cluster(t.data, 2, preprocess=spectra.Despike()), TypeError, "Pipeline"),
        (
            lambda t: spectra.recommended_pipeline(t.data.values, crop=(500, 600)),
            ValueError,
            "not calibrated",
        ),
        (
            lambda t: spectra.recommended_pipeline(t.data.drop_vars("energy"), align=(-5, 5)),
            ValueError,
            "not calibrated",
        ),
        (lambda t: spectra.recommended_pipeline(t.data, noise="pink"), ValueError, "poisson"),
        (lambda t: spectra.cluster(t.data - 500, 2, preprocess=_background(t)), ValueError, "no logarithm"),
        (lambda t: spectra.cluster(t, 2), TypeError, "`.data`"),
        (lambda t: spectra.cluster("a.hspy", 2), TypeError, "io.read"),
        (lambda t: spectra.cluster(t.truth, 2), TypeError, "pass one of them"),
        (lambda t: spectra.cluster(t.data, {"k": 2}), TypeError, "recommended"),
        (lambda t: spectra.recommended_pipeline(t.data, crop=500), TypeError, "two numbers"),
        (lambda t: spectra.recommended_pipeline(t.data, crop=(900, 500)), ValueError, "the smaller one"),
        (lambda t: spectra.choose_k(t.data, 5), TypeError, "several numbers"),
        (lambda t: spectra.choose_k(t.data, [1.5, 2]), TypeError, "whole numbers"),
        (lambda t: spectra.choose_k(t.data, n_resamples=0), ValueError, "at least 1"),
        (lambda t: spectra.choose_k(_broken(t, (3, 5, 7)), mask=_all_but_first(t)), ValueError, "y=3, x=5"),
        (lambda t: spectra.unmix(_broken(t, (3, 5, 7)), 3, mask=_all_but_first(t)), ValueError, "y=3, x=5"),
        (lambda t: spectra.unmix(t.data, 2.0), TypeError, "whole number"),
        (lambda t: spectra.unmix(t.data, 1), ValueError, "from 2"),
        (lambda t: spectra.unmix(t.data - 500, 3), ValueError, "needs counts"),
        (lambda t: spectra.choose_k(t.data, []), ValueError, "k_range"),
        (lambda t: spectra.choose_k(t.data[:2, :2], range(1, 9)), ValueError, "number of spectra"),
        (lambda t: spectra.choose_k(t.data, alpha=2), ValueError, "alpha"),
        (lambda t: spectra.selection.separation_p_value(np.ones((9, 2)), 1), ValueError, "at least 2"),
    ],
)
def test_bad_input_says_what_to_do(phantom, call, error, message):
    with pytest.raises(error, match=message):
        call(phantom)


def _all_but_first(phantom):
    mask = np.ones(phantom.data.shape[:2], dtype=bool)
    mask[0] = False
    return mask


def test_mask_of_another_order_is_brought_into_the_order_of_the_scan(phantom):
    mask = xr.DataArray(np.zeros((64, 64), dtype=bool), dims=("y", "x"))
    mask[:, :30] = True
    straight, turned = (
        spectra.cluster(phantom.data, 4, mask=m).labels for m in (mask, mask.transpose("x", "y"))
    )
    xr.testing.assert_identical(straight, turned)


def test_results_say_what_they_are_in_a_line(phantom):
    result = spectra.cluster(phantom.data, 4)
    assert repr(result).startswith("<ClusterResult: 4 clusters on 64 x 64 points")
    assert "2 endmembers" in repr(spectra.unmix(phantom.data, 2))


def _background(phantom):
    return spectra.recommended_pipeline(
        phantom.data, background=(600, 690), noise="gaussian", normalise="none"
    )
