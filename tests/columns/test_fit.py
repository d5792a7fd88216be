"""Refined positions against planted ones, an independent maximiser, and the Cramer-Rao bound."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.optimize import minimize

from atomlens.columns.fit import refine
from atomlens.columns.limit import precision_limit

ERRORS = ["x_err", "y_err"]


def rows(at, intensity, sigma):
    n = len(at)
    return np.column_stack([at, np.broadcast_to(intensity, n), np.broadcast_to(sigma, n)])


def table(at, intensity, sigma, background):
    columns = pd.DataFrame(rows(at, intensity, sigma), columns=["x", "y", "intensity", "sigma"])
    return columns.assign(background=background)


def score(found, at, limit=None):
    """(standard deviation of the z-scores, RMSE as a multiple of the bound)."""
    miss = found[["x", "y"]].to_numpy() - at
    ratio = np.nan
    if limit is not None:
        ratio = np.sqrt((miss**2).mean() / (limit[ERRORS].to_numpy() ** 2).mean())
    return (miss / found[ERRORS].to_numpy()).std(), ratio


@pytest.fixture
def four(expected_counts):
    """Four columns apart from each other: image, positions, rough positions."""
    at = np.array([[20.3, 20.7], [40.1, 22.2], [60.4, 40.9], [20.0, 45.0]])
    image = np.random.default_rng(0).poisson(expected_counts((64, 80), rows(at, 2000, 2.0), 3))
    return image, at, at + 0.3


def test_agrees_with_a_general_maximiser_of_the_joint_likelihood(expected_counts):
    at = np.array([[14.2, 15.1], [19.0, 15.6], [16.3, 19.8]])
    start = rows(at, [3000, 1500, 2500], [2.0, 1.8, 2.1])
    image = np.random.default_rng(3).poisson(expected_counts((34, 33), start, 4))
    scale = np.tile([1, 1, 1000, 1], 3)

    def misfit(parameters):
        counts = expected_counts(image.shape, (parameters * scale).reshape(3, 4), 4)
        return (counts - image * np.log(counts)).sum()

    best = minimize(misfit, start.ravel() / scale, method="BFGS", options={"gtol": 1e-3})
    wanted = (best.x * scale).reshape(3, 4)
    found = refine(image, at + 0.2, gain=1, background=4.0, radius=40, sigma_spread=None)
    assert found.converged.all()
    np.testing.assert_allclose(found[["x", "y"]], wanted[:, :2], atol=1e-3)
    np.testing.assert_allclose(found["sigma"], wanted[:, 3], atol=2e-3)
    np.testing.assert_allclose(found["intensity"], wanted[:, 2], rtol=2e-3)


@pytest.mark.parametrize("sigma", [1.0, 2.0])
@pytest.mark.parametrize(("intensity", "background"), [(100, 0.0), (1000, 2.0), (1e5, 0.0)])
def test_isolated_columns_reach_the_bound_and_know_their_error(
    sigma, intensity, background, expected_counts, lattice
):
    rng = np.random.default_rng(1)
    at, shape = lattice(20, 12 * sigma, rng)
    image = rng.poisson(expected_counts(shape, rows(at, intensity, sigma), background))
    found = refine(image, at + rng.normal(0, 0.2 * sigma, at.shape))
    limit = precision_limit(table(at, intensity, sigma, background))
    spread, ratio = score(found, at, limit)
    assert found.converged.all()
    assert ratio < 1.15
    assert 0.92 < spread < 1.08
    assert found.attrs["gain"] == pytest.approx(1, abs=0.05)
    assert found["intensity"].mean() == pytest.approx(intensity, rel=0.05)
    assert ((found["sigma"] - sigma) / found["sigma_err"]).std() == pytest.approx(1, abs=0.15)
    assert ((found["intensity"] - intensity) / found["intensity_err"]).std() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("separation", [2.5, 4.0])
def test_pairs_reach_the_joint_bound(separation, expected_counts, lattice):
    rng = np.random.default_rng(2)
    centre, shape = lattice(12, 34, rng)
    angle = rng.uniform(0, np.pi, len(centre))
    half = np.column_stack([np.cos(angle), np.sin(angle)]) * separation  # sigma is 2, so this is half
    at = np.concatenate([centre - half, centre + half])
    image = rng.poisson(expected_counts(shape, rows(at, 2000, 2.0), 5))
    found = refine(image, at + rng.normal(0, 0.2, at.shape))
    spread, ratio = score(found, at, precision_limit(table(at, 2000, 2.0, 5)))
    assert found.converged.all()
    assert ratio < 1.2
    assert 0.9 < spread < 1.1


@pytest.mark.parametrize("hexagonal", [False, True])
@pytest.mark.parametrize("spacing", [3.2, 3.6, 4.5])
def test_dense_lattice_with_unknown_gain(spacing, hexagonal, expected_counts, lattice):
    rng = np.random.default_rng(4)
    at, shape = lattice(18, 2 * spacing, rng, hexagonal=hexagonal)
    image = 3.7 * rng.poisson(expected_counts(shape, rows(at, 5000, 2.0), 20))
    found = refine(image, at + rng.normal(0, 0.2, at.shape))
    assert found.converged.all()
    assert found.attrs["gain"] == pytest.approx(3.7, rel=0.03)
    spread, ratio = score(found, at, precision_limit(table(at, 5000, 2.0, 20)))
    assert 0.9 < spread < 1.1
    assert ratio < 1.15


def test_fitting_alone_would_be_biased_where_columns_overlap(expected_counts):
    # A weak column beside a strong one: the joint fit is not pulled over.
    at = np.array([[20.0, 20.0], [26.0, 20.0]])
    truth = rows(at, [20000, 2000], 2.0)
    rng = np.random.default_rng(5)
    found = [refine(rng.poisson(expected_counts((40, 46), truth, 2)), at + 0.2) for _ in range(40)]
    weak = np.array([f.loc[1, ["x", "y"]].to_numpy(dtype=float) for f in found]) - at[1]
    assert np.abs(weak.mean(axis=0)).max() < 3 * found[0].loc[1, "x_err"] / np.sqrt(40)


def test_given_and_estimated_gain_agree(four):
    image, _, rough = four
    given, estimated = refine(2.5 * image, rough, gain=2.5), refine(2.5 * image, rough)
    np.testing.assert_allclose(given[["x", "y"]], estimated[["x", "y"]], atol=2e-3)
    ratio = np.sqrt(estimated.attrs["gain"] / 2.5)
    np.testing.assert_allclose(estimated[ERRORS], ratio * given[ERRORS], rtol=0.01)
    unit = refine(image, rough, gain=1)
    np.testing.assert_allclose(given[["x", "y", *ERRORS]], unit[["x", "y", *ERRORS]], rtol=1e-3)
    np.testing.assert_allclose(given["intensity"], 2.5 * unit["intensity"], rtol=1e-3)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
def test_any_type_of_pixel(dtype, four):
    image, _, rough = four
    assert image.max() < 256
    pd.testing.assert_frame_equal(refine(image.astype(dtype), rough), refine(image, rough), rtol=1e-4)


def test_rows_keep_their_order_index_and_other_columns(four):
    image, at, rough = four
    columns = pd.DataFrame({"label": [3, 1, 2, 0], "x": rough[:, 0], "y": rough[:, 1]}, index=[7, 3, 9, 1])
    before = columns.copy()
    found = refine(image, columns)
    assert found.index.tolist() == [7, 3, 9, 1]
    assert found["label"].tolist() == [3, 1, 2, 0]
    np.testing.assert_allclose(found[["x", "y"]], at, atol=0.25)
    pd.testing.assert_frame_equal(columns, before)
    backwards = refine(image, columns[::-1])
    np.testing.assert_allclose(backwards[::-1][["x", "y"]], found[["x", "y"]], atol=2e-3)


def test_below_zero_the_offset_goes_into_the_background(four):
    image, _, rough = four
    lowered, plain = refine(image - 50.0, rough), refine(image, rough)
    np.testing.assert_allclose(lowered[["x", "y", *ERRORS]], plain[["x", "y", *ERRORS]], atol=2e-3)
    np.testing.assert_allclose(lowered["background"] + 50, plain["background"], atol=0.01)


def test_read_noise_about_zero_is_survived(four):
    image, at, rough = four
    noisy = image - 3 + np.random.default_rng(1).normal(0, 1, image.shape)
    found = refine(noisy, rough)
    assert found.converged.all()
    assert 0.5 < score(found, at)[0] < 1.6
    assert found["background"].abs().max() < 0.3


def test_columns_at_the_border_are_fitted_with_what_is_there(expected_counts):
    at = np.array([[0.2, 10.0], [-0.4, 30.0], [79.3, 50.0], [40.0, 63.4], [40.0, 30.0]])
    truth, rng = rows(at, 5000, 2.0), np.random.default_rng(6)
    found = [refine(rng.poisson(expected_counts((64, 80), truth, 3)), at + 0.3, gain=1) for _ in range(30)]
    assert all(f.converged.all() for f in found)
    z = np.concatenate([(f[["x", "y"]].to_numpy() - at) / f[ERRORS].to_numpy() for f in found])
    assert 0.85 < z.std() < 1.15
    errors = found[0]["x_err"]
    assert errors[0] > 1.5 * errors[4]


def test_a_column_that_runs_away_goes_back_and_harms_nobody(four):
    image, _, rough = four
    # The fifth starts beside the second, where there is nothing but its neighbour.
    found = refine(image, np.concatenate([rough, rough[1:2] + [0.5, 0.2]]))
    assert found.converged.tolist()[2:4] == [True, True]
    lost = found[~found.converged]
    assert 4 in lost.index
    np.testing.assert_array_equal(lost.loc[4, ["x", "y"]].to_numpy(dtype=float), rough[1] + [0.5, 0.2])
    assert lost[["intensity", "sigma", "background", *ERRORS, "intensity_err"]].isna().all(axis=None)
    alone = refine(image, rough)
    np.testing.assert_allclose(found.loc[[0, 2, 3], ["x", "y"]], alone.loc[[0, 2, 3], ["x", "y"]], atol=0.02)


@pytest.mark.parametrize("distance", [0.0, 0.3, 1.2])
def test_duplicates_do_no_harm(distance, four):
    image, at, rough = four
    found = refine(image, np.concatenate([rough, rough[:1] + [distance, 0]]))
    np.testing.assert_allclose(found.loc[1:3, ["x", "y"]], at[1:], atol=0.25)
    assert found.converged[1:4].all()


def test_where_there_is_no_column_the_error_says_so(four):
    image, _, rough = four
    found = refine(image, np.concatenate([rough, [[50.0, 8.0], [6.0, 58.0]]]))
    nothing = found.loc[4:]
    assert ((nothing["x_err"] > 0.5) | ~nothing["converged"]).all()
    assert found.converged[:4].all()


def test_positions_outside_the_image_stay_as_they_are(four):
    image, at, rough = four
    far = np.array([[-30.0, 10.0], [500.0, 500.0], [85.0, 70.0]])
    found = refine(image, np.concatenate([rough, far]))
    assert found.converged.tolist() == [True] * 4 + [False] * 3
    np.testing.assert_array_equal(found.loc[4:, ["x", "y"]], far)
    np.testing.assert_allclose(found.loc[:3, ["x", "y"]], at, atol=0.25)


def test_nan_pixels_are_not_used(four):
    image, at, rough = four
    scarred = image.astype(float)
    scarred[20] = np.nan
    scarred[44:47, 19:22] = np.nan
    found = refine(scarred, rough)
    assert found.converged.all()
    np.testing.assert_allclose(found[["x", "y"]], at, atol=0.25)
    whole = refine(image, rough)
    assert found["y_err"][1] > 1.02 * whole["y_err"][1]
    assert found["x_err"][2] == pytest.approx(whole["x_err"][2], rel=0.05)


def test_a_hot_pixel_is_left_out(expected_counts, lattice):
    rng = np.random.default_rng(7)
    at, shape = lattice(8, 24, rng)
    image = rng.poisson(expected_counts(shape, rows(at, 2000, 2.0), 3))
    image[round(at[27, 1]) + 2, round(at[27, 0]) + 1] = 20000
    found = refine(image, at)
    assert found.attrs["gain"] == pytest.approx(1, abs=0.05)
    assert found.converged.all()
    assert score(found, at)[0] < 1.2
    assert abs(found.x[27] - at[27, 0]) < 4 * found.x_err[27]


def test_widths_and_intensities_may_differ(expected_counts, lattice):
    rng = np.random.default_rng(8)
    at, shape = lattice(10, 16, rng)
    intensity, sigma = np.geomspace(3000, 60000, 100), np.tile([1.7, 2.3], 50)
    found = refine(rng.poisson(expected_counts(shape, rows(at, intensity, sigma), 5)), at + 0.3)
    assert found.converged.all()
    np.testing.assert_allclose(found["sigma"], sigma, rtol=0.1)
    np.testing.assert_allclose(found["intensity"], intensity, rtol=0.15)
    assert 0.9 < score(found, at)[0] < 1.1


def test_a_weak_prior_steadies_widths_that_counts_do_not_determine(expected_counts, lattice):
    rng = np.random.default_rng(9)
    at, shape = lattice(12, 7, rng, hexagonal=True)
    image = rng.poisson(expected_counts(shape, rows(at, 100, 2.0), 0.5))
    steadied, loose = refine(image, at), refine(image, at, sigma_spread=None)
    assert steadied.converged.mean() > 0.98
    assert steadied["sigma"].std() < 0.7 * loose["sigma"].std()


def test_a_known_background_sharpens_the_intensity(four):
    image, _, rough = four
    known, free = refine(image, rough, background=3.0), refine(image, rough)
    assert (known["intensity_err"] < 0.95 * free["intensity_err"]).all()
    np.testing.assert_allclose(known["background"], 3)


def test_few_columns_or_none(four):
    image, at, rough = four
    one = refine(image, rough[:1])
    np.testing.assert_allclose(one[["x", "y"]], at[:1], atol=0.25)
    none = refine(image, pd.DataFrame({"x": [], "y": [], "label": []}))
    assert len(none) == 0
    assert {"x_err", "sigma", "background", "converged", "label"} <= set(none)


@pytest.mark.parametrize(("unit", "factor"), [("nm", 1.0), ("Å", 0.1)])
def test_nanometres_follow(unit, factor, four):
    image, _, rough = four
    coords = {d: (d, 5 + 0.2 * np.arange(n), {"units": unit}) for d, n in zip("yx", image.shape, strict=True)}
    found = refine(xr.DataArray(image, coords, ("y", "x")), rough)
    np.testing.assert_allclose(found["x_nm"], factor * (5 + 0.2 * found["x"]))
    np.testing.assert_allclose(found["y_nm"], factor * (5 + 0.2 * found["y"]))


GOOD = np.add.outer(np.arange(20.0), np.arange(20.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: refine(GOOD[0], [[1, 1]]), r"two axes \(y, x\)"),
        (lambda: refine(np.ones((9, 9)), [[1, 1]]), "constant"),
        (lambda: refine(np.full((9, 9), np.nan), [[1, 1]]), "constant"),
        (lambda: refine(GOOD, pd.DataFrame({"x": [1.0]})), "columns lacks the column y"),
        (lambda: refine(GOOD, [[np.nan, 1.0]]), "not finite"),
        (lambda: refine(GOOD, [[1, 1]], gain=0), "gain must be positive"),
        (lambda: refine(GOOD, [[1, 1]], radius=-1), "radius must be positive"),
        (lambda: refine(GOOD, [[1, 1]], sigma_spread=0), "sigma_spread must be positive"),
        (lambda: refine(GOOD, [[1, 1]], background="global"), "'local' or a number"),
    ],
)
def test_bad_input_says_what_to_do(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_complex_pixels_are_refused():
    with pytest.raises(TypeError, match="real numbers"):
        refine(GOOD * 1j, [[1, 1]])
