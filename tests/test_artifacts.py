"""What stands in an image but was not in the specimen: found where it is, and nowhere else."""

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from atomlens import columns, defects, io, lattice
from atomlens._artifacts import level_rows, padding
from atomlens._image import prepare


@pytest.fixture(scope="module")
def expected(sheet):
    return sheet((240, 240))[0]


@pytest.fixture(scope="module")
def image(expected):
    return np.random.default_rng(0).poisson(expected).astype(float)


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize(
    ("angle", "fill"),
    [
        (-35, 0.0),
        (20, 255.0),
        (15, 0.0),
        (12, 0.0),
    ],
)
def test_corners_that_a_rotation_left_are_padding(image, angle, fill, order):
    turned = ndimage.rotate(image, angle, reshape=False, order=order, cval=fill)
    empty = ndimage.rotate(np.ones_like(image), angle, reshape=False, order=0, cval=0) == 0
    found, kinds = padding(turned)
    assert kinds == {"padding"}
    assert found[empty].mean() > 0.97
    assert found[~ndimage.binary_dilation(empty, iterations=4)].mean() < 0.001
    prepared = prepare(turned, clean=True)
    assert prepared.usable[empty].mean() < 0.03
    assert prepared.doubts == []


def low_dose(expected):
    return np.random.default_rng(1).poisson(0.2 * expected / expected.mean())


def saturated(expected):
    return np.minimum(np.random.default_rng(1).poisson(expected), np.percentile(expected, 92)).astype(int)


def clipped(expected):
    image = np.random.default_rng(1).poisson(expected).astype(float)
    low, high = np.percentile(image, (70, 99.9))
    return (255 * np.clip((image - low) / (high - low), 0, 1)).astype("uint8")


@pytest.mark.parametrize("export", [low_dose, saturated, clipped])
def test_what_is_constant_by_chance_or_by_a_limit_is_not_padding(expected, export):
    picture = export(expected)
    assert (picture[1:] == picture[:-1]).mean() > 0.04  # equal neighbours there are
    found, kinds = padding(picture.astype(float))
    assert kinds == set()
    assert not found.any()


def test_a_bar_with_its_text_is_found_and_said(image):
    ink = np.zeros(image.shape, dtype=bool)
    ink[218:224, 15:80] = True
    for left in (30, 42, 54):  # letters: strokes three pixels wide
        ink[200:214, left : left + 3] = True
        ink[200:203, left : left + 8] = True
    burnt = np.where(ink, 1.2 * image.max(), image)
    prepared = prepare(burnt, clean=True)
    assert not prepared.usable[ink].any()
    assert prepared.usable.mean() > 0.95
    assert len(prepared.doubts) == 1
    assert "scale bar" in prepared.doubts[0]
    assert prepare(image, clean=True).doubts == []
    everything = prepare(burnt, clean=True, mask=np.zeros(image.shape, dtype=bool))
    assert everything.usable.all()  # the user has the last word


def test_hot_and_dead_pixels_are_mended(image):
    hot = ([30, 100, 201], [44, 150, 77])
    bright = ndimage.maximum_filter(ndimage.gaussian_filter(image, 1.5), 15)
    centres = np.argwhere((ndimage.gaussian_filter(image, 1.5) == bright) & (image > 0.7 * image.max()))
    dead = tuple(centres[[3, 8]].T)
    broken = image.copy()
    broken[hot] = 20 * image.max()
    broken[dead] = -3 * image.max()
    prepared = prepare(broken, clean=True)
    assert prepared.mended[hot].all()
    assert prepared.mended[dead].all()
    assert prepared.mended.sum() == 5
    assert np.abs(prepared.pixels - image).max() < image.max()
    assert not prepare(image, clean=True).mended.any()


def test_streaks_are_levelled(expected, image):
    amplitude = np.ptp(expected)
    offset = np.random.default_rng(2).normal(0, 0.25 * amplitude, (len(image), 1))
    levelled = level_rows(image + offset)
    left = (levelled - image).mean(axis=1)
    assert np.std(left) < 0.2 * np.std(offset)


def test_a_lattice_along_the_rows_is_no_streak(sheet):
    straight, _ = sheet((240, 240), angle=0.0)
    image = np.random.default_rng(3).poisson(straight).astype(float)
    rows = np.fft.rfft(image.mean(axis=1))
    orders = [12, 24]  # of 12 periods in the image
    untouched = np.fft.rfft(level_rows(image).mean(axis=1))
    np.testing.assert_allclose(untouched[orders], rows[orders], rtol=0.02, atol=0.02 * abs(rows[12]))
    offset = np.random.default_rng(2).normal(0, 0.05 * np.ptp(straight), (len(image), 1))
    levelled = level_rows(image + offset)
    # Between the orders of the lattice streaks go; at the orders they stay, with the lattice.
    order = np.arange(len(rows))
    between = (abs(order % 12 - 6) <= 3) & (order > 12)
    left = np.fft.rfft((levelled - image).mean(axis=1))
    assert np.std(left[between]) < 0.2 * np.std(np.fft.rfft(offset[:, 0])[between])
    assert abs(np.fft.rfft(levelled.mean(axis=1))[12] - rows[12]) < 0.1 * abs(rows[12])


def test_saturation_is_said_with_its_share(sheet):
    image = np.random.default_rng(0).poisson(sheet(electrons=2e4)[0]).astype(float)
    assert prepare(image, clean=True).doubts == []
    level = np.percentile(image, 97)
    doubts = prepare(np.minimum(image, level), clean=True).doubts
    assert len(doubts) == 1
    share = float(doubts[0].partition("%")[0])
    assert share == pytest.approx(3, abs=1)
    assert "saturated" in doubts[0]


@pytest.mark.parametrize(
    "mask", [np.zeros((10, 10), dtype=bool), np.zeros((240, 240)), np.zeros(240, dtype=bool), True]
)
@pytest.mark.parametrize("call", [columns.find, lattice.estimate, defects.detect])
def test_a_mask_that_does_not_fit_is_refused(image, call, mask):
    with pytest.raises(ValueError, match=r"mask must hold a bool for each of \(240, 240\) pixels"):
        call(image, mask=mask)


@pytest.mark.parametrize("call", [columns.find, lattice.estimate, defects.detect])
def test_a_mask_that_leaves_nothing_is_refused(image, call):
    with pytest.raises(ValueError, match="all pixels are masked"):
        call(image, mask=np.ones(image.shape, dtype=bool))


def oblong(expected_counts):
    """A square lattice of 0.4 nm on pixels of 0.02 nm along y and 0.01 nm along x."""
    i, j = (m.ravel() for m in np.meshgrid(np.arange(6), np.arange(10)))
    rows = np.column_stack(
        [40.0 * i + 20, 20.0 * j + 10, np.full(60, 2000.0), np.full(60, 5), np.full(60, 2.5)]
    )
    counts = np.random.default_rng(0).poisson(expected_counts((200, 240), rows, 3.0))
    coords = {d: (d, s * np.arange(n), {"units": "nm"}) for d, s, n in (("y", 0.02, 200), ("x", 0.01, 240))}
    return xr.DataArray(counts, coords, ("y", "x"))


@pytest.mark.parametrize("call", [columns.find, columns.estimate_scale, lattice.estimate, defects.detect])
def test_pixels_that_are_not_square_are_refused_with_the_remedy(expected_counts, call):
    with pytest.raises(ValueError, match=r"0\.01 nm along x and 0\.02 nm along y .*io\.square_pixels"):
        call(oblong(expected_counts))


def test_on_square_pixels_the_lattice_is_right(expected_counts):
    found = lattice.estimate(io.square_pixels(oblong(expected_counts)))
    np.testing.assert_allclose(found.lengths_nm, 0.4, rtol=0.01)
    assert found.angle == pytest.approx(90, abs=1)
    assert found.pixel_size_nm == pytest.approx(0.02, rel=0.01)


@pytest.mark.parametrize("height", [3, 6, 9])
def test_a_bar_is_found_among_few_grey_levels(height):
    # 8 bits of a few electrons: a fifth of all neighbours are equal by chance
    image = np.rint(np.random.default_rng(0).poisson(1.5, (200, 300)) * 255 / 12).astype(np.uint8)
    clean = prepare(image, clean=True)
    assert clean.usable.all()
    image[180 : 180 + height, 20:110] = 255
    prepared = prepare(image, clean=True)
    assert not prepared.usable[180 : 180 + height, 20:110].any()
    assert prepared.usable.mean() > 0.95
    assert "scale bar" in prepared.doubts[0]


def test_a_clipped_background_is_no_bar():
    y, x = np.mgrid[:240, :240]
    rows = np.cos(2 * np.pi * y / 24) + 0.2 * np.cos(2 * np.pi * x / 12)
    image = np.maximum(
        np.random.default_rng(0).poisson(20 + 15 * rows) - 25.0, 0
    )  # dark lines, 12 pixels wide
    assert prepare(image, clean=True).usable.all()
