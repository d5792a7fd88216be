"""The one entry of images: what is refused, what is mended, and the way back to nanometres."""

import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from atomlens import columns, lattice, simulate, windows
from atomlens._artifacts import remove_hot_pixels
from atomlens._image import prepare
from atomlens.simulate import image, structures


def calibrated(values, **steps):
    coords = {d: xr.DataArray(s * np.arange(8, 8 + n), dims=d, attrs={"units": "nm"})
              for (d, s), n in zip(steps.items(), values.shape, strict=True)}  # fmt: skip
    return xr.DataArray(values, coords, ("y", "x"))


def test_hot_pixels_go_and_columns_stay():
    sample = image(structures.graphene((4, 4)), electrons=300, random_state=1)
    values = sample.data.values
    hot = values.copy()
    rng = np.random.default_rng(0)
    at = rng.integers(5, 195, (2, 12))
    hot[at[0], at[1]] = 1e4
    cleaned = remove_hot_pixels(hot)
    assert cleaned.max() < 3 * values.max()
    untouched = np.ones_like(values, dtype=bool)
    untouched[at[0], at[1]] = False
    np.testing.assert_array_equal(cleaned[untouched], hot[untouched])
    np.testing.assert_array_equal(remove_hot_pixels(values), values)
    prepared = prepare(hot, clean=True)
    np.testing.assert_array_equal(prepared.pixels, remove_hot_pixels(hot.astype(float)))
    assert sorted(zip(*np.nonzero(prepared.mended), strict=True)) == sorted({*zip(*at, strict=True)})
    np.testing.assert_array_equal(prepare(hot).pixels, hot)


def test_positions_go_back_to_nanometres():
    prepared = prepare(calibrated(np.eye(20), y=0.2, x=0.1))
    assert prepared.pixel_size == pytest.approx(0.15)
    table = prepared.with_nm(pd.DataFrame({"x": [0, 5.5], "y": [0, 1]}))
    np.testing.assert_allclose(table[["x_nm", "y_nm"]], [[0.8, 1.6], [1.35, 1.8]])
    assert prepare(np.eye(20)).pixel_size is None


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (5, ValueError, "not int"),
        (np.zeros((40, 40, 3)), ValueError, "colour picture"),
        (np.zeros((5, 40, 40)), ValueError, "pick one frame"),
        (np.eye(40) * 1j, TypeError, "real numbers"),
        (np.eye(9), ValueError, "too small"),
        (np.full((40, 40), np.nan), ValueError, "constant|1600 pixels are NaN"),
        (np.ones((40, 40)), ValueError, "constant"),
    ],
)
def test_what_is_no_image_is_refused_in_the_same_words_everywhere(image, error, message):
    for call in (prepare, columns.find_peaks, columns.estimate_scale, windows.flatten):
        with pytest.raises(error, match=message):
            call(image)


def test_every_room_takes_an_image_through_the_one_entry(monkeypatch):
    """A change of `prepare` must reach them all."""
    sample = simulate.image(structures.perovskite((4, 4)), electrons=300, random_state=0)
    seen = []

    def noted(*args, **options):
        seen.append(options)
        return prepare(*args, **options)

    for module in ("columns.find", "columns._fitted", "lattice._bragg"):  # a function hides the first of them
        monkeypatch.setattr(sys.modules[f"atomlens.{module}"], "prepare", noted)
    columns.find(sample.data)
    lattice.estimate(sample.data)
    assert [options["clean"] for options in seen] == [True] * 3
