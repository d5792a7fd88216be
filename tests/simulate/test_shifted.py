"""Signals and crops with planted shifts."""

import numpy as np
import pytest
from scipy.ndimage import shift as move

from atomlens.simulate.shifted import cells, peaks


def test_peaks_stand_where_they_were_planted():
    sample = peaks(200)
    x = sample.data.x.values
    middle = (np.maximum(sample.data.values - 0.5, 0) * x).sum(axis=1)
    middle /= np.maximum(sample.data.values - 0.5, 0).sum(axis=1)
    above = (sample.data.values > 0.5).sum(axis=1) * (x[1] - x[0])
    narrow = sample.truth.width < 3  # wider ones are cut by the window before they reach zero
    expected = 2 * np.sqrt(2 * np.log(2)) * sample.truth.width
    np.testing.assert_allclose(middle[narrow], sample.truth.position[narrow], atol=0.25)
    np.testing.assert_allclose(above[narrow], expected[narrow], rtol=0.1, atol=0.5)


def test_crops_are_one_picture_moved():
    sample = cells(50, kinds=("vacancy",), noise=0.0, period=9.0)
    first, here = sample.data.values[0], sample.truth.iloc[0]
    for crop, truth in zip(sample.data.values[1:10], sample.truth.iloc[1:10].itertuples(), strict=True):
        by = truth.shift_y - here.shift_y, truth.shift_x - here.shift_x
        inner = slice(8, -8), slice(8, -8)
        np.testing.assert_allclose(move(first, by, order=3)[inner], crop[inner], atol=0.02)


def test_kinds_differ_in_the_middle():
    sample = cells(300, shift=0.0, noise=0.0)
    middle = sample.data.values[:, 11:13, 11:13].mean(axis=(1, 2))
    by_kind = [middle[sample.truth.kind == kind] for kind in ("vacancy", "perfect", "dopant")]
    assert np.ptp(by_kind[1]) == 0
    assert by_kind[0].max() < 0.1 < 0.5 < by_kind[1].max() < 0.9 < by_kind[2].min()


def test_the_noise_is_as_asked_and_the_range_one():
    clean, noisy = (cells(200, noise=n).data.values for n in (0.0, 0.2))
    assert (clean.min(), clean.max()) == (0.0, 1.0)
    assert noisy.std() ** 2 == pytest.approx(clean.std() ** 2 + 0.04, rel=0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: peaks(0), "at least one signal"),
        (lambda: cells(noise=-1), "noise must not be negative"),
        (lambda: cells(size=2), "at least 4 pixels"),
        (lambda: cells(kinds=("screw",)), "kinds are among"),
        (lambda: cells(period=0.0), "period must be positive"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
