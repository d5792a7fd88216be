"""Levelling and aligning, against what was planted."""

import numpy as np
import pytest
import xarray as xr

from atomlens.columns.correct import align_scan_lines, flatten
from atomlens.simulate import Instrument, image, structures


def test_a_plane_is_removed_exactly():
    y, x = np.mgrid[:60, :80].astype(float)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((60, 80))
    flat = flatten(noise + 0.3 * x - 0.2 * y + 5, order=1)
    again = flatten(noise, order=1)
    np.testing.assert_allclose(flat - flat.mean(), again - again.mean(), atol=1e-3)


def test_a_curved_background_goes_and_columns_stay():
    structure = structures.perovskite((6, 6))
    clean = image(structure, electrons=2000, random_state=1).data
    y, x = np.mgrid[: clean.shape[0], : clean.shape[1]] / clean.shape[0]
    hill = 15 * float(clean.mean()) * np.exp(-((x - 0.4) ** 2 + (y - 0.6) ** 2) / 0.3)
    flat = flatten(clean + hill, length=20)
    inner = slice(40, -40)  # within `length` of the border the background is an extrapolation

    def likeness(values):
        return np.corrcoef(clean.values[inner, inner].ravel(), values.values[inner, inner].ravel())[0, 1]

    before, after = likeness(clean + hill), likeness(flat)
    assert before < 0.6
    assert after > 0.95
    assert isinstance(flat, xr.DataArray)
    assert float(flat.mean()) == pytest.approx(float((clean + hill).mean()), rel=1e-4)
    assert flat.x.attrs["units"] == "nm"


@pytest.mark.parametrize("jitter_nm", [0.01, 0.03])
def test_torn_lines_are_put_back(jitter_nm):
    structure = structures.perovskite((5, 5), rotation=7)
    torn = image(structure, electrons=500, instrument=Instrument(jitter=jitter_nm), random_state=3)
    # the first thing that the simulator draws from its generator
    planted = np.random.default_rng(3).normal(0, jitter_nm / 0.02, torn.data.shape[0])
    aligned, shifts = align_scan_lines(torn.data)
    assert np.corrcoef(shifts, planted)[0, 1] > 0.88
    assert np.std(shifts - planted) < 0.45 * planted.std()
    still = image(structure, electrons=500, random_state=3).extras["expected"].values

    def error(values):
        return np.abs(np.asarray(values) - still)[:, 10:-10].mean()

    assert error(aligned) < error(torn.data)


def test_straight_lines_stay():
    still = image(structures.perovskite((5, 5)), electrons=2000, random_state=3).data
    shifts = align_scan_lines(still)[1]
    assert np.abs(shifts).mean() < 0.15


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: flatten(v, length=3, order=1), "not both"),
        (lambda v: flatten(v, length=0), "length must be positive"),
        (lambda v: flatten(v, order=9), "order of the surface"),
        (lambda v: align_scan_lines(v, length=0), "must be positive"),
        (lambda v: align_scan_lines(v, iterations=0), "must be positive"),
        (lambda v: flatten(v[0]), "two axes"),
        (lambda v: flatten(v * np.nan), "NaN"),
        (lambda v: align_scan_lines(v * 0), "constant"),
    ],
)
def test_bad_input_is_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0).standard_normal((40, 40)))
