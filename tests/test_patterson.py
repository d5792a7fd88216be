"""The Patterson function, against sums over pairs of pixels."""

import numpy as np
import pytest

from atomlens.patterson import full_patterson, patterson, translation_spread
from atomlens.windows import sliding_windows, taper_window

NOISE = np.random.default_rng(0).random((5, 12, 10))
SHAPES = [(6, 8), (7, 8), (6, 9), (7, 5), (2, 2), (1, 6), (5, 1), (140, 6)]  # the last one is by FFT


def direct(patch, taper=None):
    """Sum over pairs of pixels of the patch, continued periodically; the origin is in the middle."""
    patch = (patch - patch.mean()) * taper_window(patch.shape, taper)
    height, width = patch.shape
    found = np.empty(patch.shape)
    for y in range(height):
        for x in range(width):
            shifted = np.roll(patch, (y - height // 2, x - width // 2), axis=(0, 1))
            found[y, x] = (patch * shifted).sum()
    return found


def lattice_picture(height, width, size=200):
    """Two Gaussian columns in each cell of a rectangular lattice."""
    y, x = np.mgrid[:size, :size]
    picture = np.zeros((size, size))
    for dy, dx, weight in ((0, 0, 1.0), (0.45, 0.3, 0.6)):
        down = ((y / height - dy + 0.5) % 1 - 0.5) * height
        across = ((x / width - dx + 0.5) % 1 - 0.5) * width
        picture += weight * np.exp(-(down**2 + across**2) / (2 * 2.5**2))
    return picture


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("taper", [None, "hann"])
def test_it_is_the_sum_over_pairs_of_pixels(shape, taper):
    patch = np.random.default_rng(1).random(shape)
    expected = direct(patch, taper)
    options = {"taper": taper, "normalize": False}
    np.testing.assert_allclose(patterson(patch, half=False, **options), expected, atol=2e-5)
    half = patterson(patch, **options)
    assert half.shape == (shape[0] // 2 + 1, shape[1])
    # P has the period of the patch: row height // 2 is there whether the height is odd or even.
    rows = (np.arange(shape[0] // 2 + 1) + shape[0] // 2) % shape[0]
    np.testing.assert_allclose(half, expected[rows], atol=2e-5)
    np.testing.assert_allclose(full_patterson(half, shape[0]), expected, atol=2e-5)


def test_both_ways_to_transform_agree(monkeypatch):
    patches = np.random.default_rng(2).random((40, 28, 31))
    products = [patterson(patches, taper="hann", half=half) for half in (True, False)]
    monkeypatch.setattr("atomlens.patterson._LARGEST_PRODUCT", 0)
    for half, expected in zip((True, False), products, strict=True):
        np.testing.assert_allclose(patterson(patches, taper="hann", half=half), expected, atol=1e-6)


def test_batches_and_axes_do_not_matter(monkeypatch):
    image = np.random.default_rng(3).random((40, 44))
    windows = sliding_windows(image, (9, 12), step=2)
    expected = np.array([[patterson(w) for w in row] for row in windows])
    monkeypatch.setattr("atomlens.patterson._BATCH", 500)
    np.testing.assert_allclose(patterson(windows), expected, atol=1e-6)
    assert patterson(windows[:0]).shape == (0, 17, 5, 12)


@pytest.mark.parametrize("half", [True, False])
def test_normalised_functions_have_length_one_and_forget_the_contrast(half):
    found = patterson(NOISE, half=half)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=(1, 2)), 1, rtol=1e-5)
    plain = patterson(NOISE, half=half, normalize=False)
    np.testing.assert_allclose(found, plain / np.linalg.norm(plain, axis=(1, 2), keepdims=True), atol=1e-6)
    # Currents in amperes, or counts on a high offset, are as good as any other unit.
    for scale, offset in ((1e-13, 0), (1e15, 0), (1, 1e8), (-1, 0)):
        np.testing.assert_allclose(patterson(scale * NOISE + offset, half=half), found, atol=1e-4)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", bool])
def test_any_kind_of_pixel(dtype):
    patches = (100 * NOISE).astype(dtype) if dtype is not bool else NOISE > 0.5
    np.testing.assert_allclose(patterson(patches), patterson(patches.astype(float)), atol=1e-6)


def test_a_patch_without_structure_is_zero():
    patches = np.concatenate([NOISE[:1], np.full((1, 12, 10), 0.1), np.zeros((1, 12, 10))])
    for kind in (np.float64, np.float32):
        found = patterson(patches.astype(kind), taper="hann")
        np.testing.assert_allclose(np.linalg.norm(found, axis=(1, 2)), [1, 0, 0], atol=1e-5)


def test_the_blanked_centre_is_a_disc():
    plain, blank = (patterson(NOISE, half=False, normalize=False, blank_center=r) for r in (0, 2.5))
    y, x = np.mgrid[-6:6, -5:5]
    disc = np.hypot(y, x) < 2.5
    assert disc.sum() == 21
    assert (blank[:, disc] == 0).all()
    np.testing.assert_array_equal(blank[:, ~disc], plain[:, ~disc])
    half = patterson(NOISE, normalize=False, blank_center=2.5)
    np.testing.assert_allclose(full_patterson(half, 12), blank, atol=1e-5)


def test_turned_by_half_a_turn_it_is_the_same():
    turned = NOISE[:, ::-1, ::-1]
    np.testing.assert_allclose(patterson(turned, taper="hann"), patterson(NOISE, taper="hann"), atol=1e-6)
    square = NOISE[:, :10]
    quarter = np.rot90(square, axes=(1, 2))
    assert np.abs(patterson(quarter) - patterson(square)).max() > 0.1


def test_shifted_around_it_is_the_same():
    shifted = np.roll(NOISE, (5, 3), axis=(1, 2))
    np.testing.assert_allclose(patterson(shifted), patterson(NOISE), atol=1e-6)


def test_the_window_must_fit_the_lattice():
    lattice = lattice_picture(28.3, 15.9)

    def spread(size, taper=None):
        return translation_spread(lattice, size, taper=taper, n_offsets=100)

    assert spread((28, 28)) > 0.05  # 1.76 cells across: its edges do not fit together
    assert spread((28, 28), "hann") > 0.25  # the taper weighs the columns of the cell unequally
    assert spread((28, 32)) < 0.03  # 1 x 2 cells
    # A tapered window must hold three cells each way: of two, the blurred Bragg peaks still overlap.
    assert spread((56, 48), "hann") > 0.1
    assert spread((84, 48), "hann") < 0.02
    assert spread((84, 80), "hann") < 0.01


def test_spread_is_the_mean_distance_from_the_mean():
    lattice = lattice_picture(28.3, 15.9, size=80)
    at = np.random.default_rng(4).integers(0, 80 - 20 + 1, (30, 2))
    found = [direct(lattice[y : y + 20, x : x + 20])[10:] for y, x in at]
    # Row height // 2 wraps around, and belongs to the half as well.
    found = [
        np.concatenate([f, direct(lattice[y : y + 20, x : x + 20])[:1]])
        for f, (y, x) in zip(found, at, strict=True)
    ]
    found = np.array([f.ravel() / np.linalg.norm(f) for f in found])
    mean = found.mean(axis=0)
    expected = np.linalg.norm(found - mean, axis=1).mean() / np.linalg.norm(mean)
    got = translation_spread(lattice, 20, n_offsets=30, random_state=4)
    assert got == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda v: patterson(v[0, 0]), ValueError, "two axes"),
        (lambda v: patterson(v[:, :0]), ValueError, "two axes"),
        (lambda v: patterson(v * np.nan), ValueError, "NaN or infinite"),
        (lambda v: patterson(np.where(v == v.max(), np.inf, v)), ValueError, "NaN or infinite"),
        (lambda v: patterson(v * 1j), TypeError, "real numbers"),
        (lambda v: patterson(v, taper="hamming"), ValueError, "taper must be"),
        (lambda v: patterson(v, blank_center=-1), ValueError, "blank_center must be"),
        (lambda v: patterson(v, blank_center=np.nan), ValueError, "blank_center must be"),
        (lambda v: patterson(v, blank_center=20), ValueError, "leaves nothing"),
        (lambda v: full_patterson(v, 12), ValueError, "has 7 rows"),
        (lambda v: translation_spread(np.tile(v[0], (3, 3)), 50), ValueError, "does not fit"),
        (lambda v: translation_spread(np.tile(v[0], (3, 3)), 9, n_offsets=1), ValueError, "n_offsets"),
    ],
)
def test_bad_input_is_explained(call, error, message):
    with pytest.raises(error, match=message):
        call(NOISE)
