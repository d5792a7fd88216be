"""Windows, against pictures whose every value is known; their sizes, against a search."""

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from atomlens.lattice import Lattice, NotPeriodicError
from atomlens.simulate import image, structures
from atomlens.windows import (
    cell_windows,
    column_windows,
    commensurate_size,
    flatten,
    sliding_windows,
    taper_window,
)

NOISE = np.random.default_rng(0).random((40, 50))
SQUARE = [[20.0, 0.0], [0.0, 20.0]]
HEXAGONAL = [[18.2, 0.0], [-9.1, 15.762]]
OBLIQUE = [[17.3, 4.1], [-6.2, 22.9]]


def lattice(basis, origin=(0.0, 0.0)):
    sites = pd.DataFrame(
        {"label": [0], "u": [0.0], "v": [0.0], "origin_x": origin[:1], "origin_y": origin[1:], "n": [0]}
    )
    return Lattice(np.array(basis), sites, 1.0, True)


def turned(basis, degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array(basis) @ [[c, s], [-s, c]]


def picture(basis, origin=(0.0, 0.0), shape=(160, 180)):
    """A smooth periodic picture, with its maximum at the origin."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    u, v = np.moveaxis((np.stack([x, y], axis=-1) - origin) @ np.linalg.inv(basis), -1, 0)
    return np.cos(2 * np.pi * u) + 0.7 * np.cos(2 * np.pi * v) + 0.4 * np.cos(2 * np.pi * (u + v))


@pytest.mark.parametrize("step", [1, (3, 7)])
def test_sliding_windows_are_views_of_the_right_pixels(step):
    windows = sliding_windows(NOISE, (8, 5), step=step)
    assert np.shares_memory(windows, NOISE)
    assert not windows.flags.writeable
    down, across = np.broadcast_to(step, 2)
    assert windows.shape == (32 // down + 1, 45 // across + 1, 8, 5)
    for i, j in np.ndindex(windows.shape[:2]):
        top, left = i * down, j * across
        np.testing.assert_array_equal(windows[i, j], NOISE[top : top + 8, left : left + 5])


def test_dask_stays_lazy_and_says_the_same():
    coords = {"y": np.arange(40) * 0.02, "x": np.arange(50) * 0.02}
    eager = xr.DataArray(NOISE, coords, ("y", "x"))
    lazy = eager.copy(data=da.from_array(NOISE, chunks=(11, 50)))
    windows = sliding_windows(lazy, (12, 6), step=(4, 2))
    assert isinstance(windows.data, da.Array)
    xr.testing.assert_identical(windows.compute(), sliding_windows(eager, (12, 6), step=(4, 2)))


def test_coordinates_are_the_centres_of_the_windows():
    coords = {"y": ("y", 5 + 0.5 * np.arange(40), {"units": "nm"}), "x": -1 + 0.1 * np.arange(50)}
    windows = sliding_windows(xr.DataArray(NOISE, coords, ("y", "x"), name="adf"), (4, 5), step=(2, 3))
    assert windows.dims == ("y", "x", "window_y", "window_x")
    assert windows.name == "adf"
    np.testing.assert_allclose(windows.y, 5 + 0.5 * (1.5 + 2 * np.arange(19)))
    np.testing.assert_allclose(windows.x, -1 + 0.1 * (2 + 3 * np.arange(16)))
    assert windows.y.attrs == {"units": "nm"}


@pytest.mark.parametrize("size", [1, 4, 7, (3, 8)])
def test_column_windows_are_centred_at_subpixel_places(size):
    y, x = np.mgrid[:40, :50].astype(float)
    table = pd.DataFrame({"x": [20.25, 30.5], "y": [10.75, 25.0]})
    patches = column_windows(3 * x - 2 * y, table, size)
    height, width = np.broadcast_to(size, 2)
    right, down = (np.arange(n) - (n - 1) / 2 for n in (width, height))
    for patch, (a, b) in zip(patches, table.to_numpy(), strict=True):
        expected = 3 * (a + right)[None, :] - 2 * (b + down)[:, None]
        np.testing.assert_allclose(patch, expected, atol=1e-4)


def test_beyond_the_border_the_image_is_mirrored():
    patch = column_windows(NOISE, pd.DataFrame({"x": [0.0], "y": [20.0]}), 5)[0]
    np.testing.assert_allclose(patch, patch[:, ::-1])


@pytest.mark.parametrize("basis", [SQUARE, HEXAGONAL, OBLIQUE, turned(SQUARE, 31), turned(OBLIQUE, -17)])
def test_windows_of_cells_are_equal_and_where_the_table_says(basis):
    origin = (7.3, 5.8)
    windows, table = cell_windows(picture(basis, origin), lattice(basis, origin))
    assert len(windows) == len(table) > 15
    # Linear interpolation is right to (k * pixel)² / 8 of the amplitude, here about 2 %.
    assert np.ptp(windows, axis=0).max() < 0.12
    assert windows.std() > 0.5
    expected = origin + (table[["i", "j"]].to_numpy() + 0.5) @ np.array(basis)
    np.testing.assert_allclose(table[["x", "y"]], expected, atol=1e-9)
    # Every window that fits is there: compare with a count over many cells.
    i, j = np.mgrid[-30:30, -30:30].reshape(2, -1)
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    places = origin + (np.stack([i, j], axis=1)[:, None] + corners) @ np.array(basis)
    fits = ((places >= 0) & (places <= [179, 159])).all(axis=(1, 2))
    assert len(table) == fits.sum()


def test_samples_run_along_a_and_down_b():
    basis = np.array([[20.0, 0.0], [0.0, 30.0]])
    y, x = np.mgrid[:100, :100].astype(float)
    windows, table = cell_windows(x + 1000 * y, lattice(basis))
    assert windows.shape == (len(table), 30, 20)
    first = table.iloc[0]
    np.testing.assert_allclose(windows[0][0], first.x - 9.5 + np.arange(20) + 1000 * (first.y - 14.5))
    np.testing.assert_allclose(np.diff(windows[0], axis=0), 1000, rtol=1e-5)


def test_cells_of_a_simulated_crystal_differ_by_noise_only():
    from atomlens.lattice import estimate

    sample = image(structures.perovskite((5, 5), rotation=12), electrons=1e5, random_state=0)
    expected = sample.extras["expected"]
    windows, _ = cell_windows(expected, estimate(sample.data))
    assert len(windows) > 60
    assert np.std(windows - windows.mean(axis=0)) < 0.06 * windows.std()


def test_many_windows_are_cut_in_batches(monkeypatch):
    whole = cell_windows(picture(OBLIQUE), lattice(OBLIQUE))[0]
    monkeypatch.setattr("atomlens.windows._BATCH", 1000)
    np.testing.assert_array_equal(cell_windows(picture(OBLIQUE), lattice(OBLIQUE))[0], whole)


@pytest.mark.parametrize(
    "basis",
    [
        SQUARE,
        [[16.0, 0.0], [0.0, 28.0]],
        [[15.9, 0.0], [0.0, 28.2]],
        HEXAGONAL,
        turned(SQUARE, 23),
        OBLIQUE,
    ],
)
def test_sides_are_lattice_vectors_within_the_misfit(basis):
    basis = np.array(basis)
    (height, width), misfit = commensurate_size(Lattice(basis, periodic=True))
    i, j = np.mgrid[-40:41, -40:41].reshape(2, -1)
    points = np.stack([i, j], axis=1) @ basis
    spacing = np.linalg.norm(basis, axis=1).min()

    def distance(side):
        return np.linalg.norm(points - side, axis=1).min() / spacing

    assert misfit == pytest.approx(max(distance((0, height)), distance((width, 0))), abs=1e-9)
    assert min(height, width) >= 0.9 * spacing
    # No side that is shorter fits clearly better.
    for side, axis in ((height, 1), (width, 0)):
        unit = np.eye(2)[axis]
        shorter = range(int(np.ceil(0.9 * spacing)), side)
        assert all(distance(n * unit) > distance(side * unit) for n in shorter)


def test_sizes_of_plain_cells():
    exact = Lattice(np.array([[16.0, 0.0], [0.0, 28.0]]), periodic=True)
    assert commensurate_size(exact) == ((28, 16), 0.0)


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_taper(n):
    window = taper_window((n, 3))
    assert window.dtype == np.float32
    np.testing.assert_allclose(window[:, 1], np.sin(np.pi * np.arange(1, n + 1) / (n + 1)) ** 2, rtol=1e-6)
    np.testing.assert_array_equal(taper_window((n, 3), None), np.ones((n, 3)))


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


PLACE = pd.DataFrame({"x": [20.0], "y": [20.0]})
CUBE = Lattice(np.array(SQUARE), periodic=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: sliding_windows(v, 41), "41 x 41 pixels does not fit"),
        (lambda v: sliding_windows(v, 0), "size must be"),
        (lambda v: sliding_windows(v, (4, 5.5)), "size must be"),
        (lambda v: sliding_windows(v, (4, 5, 6)), "size must be"),
        (lambda v: sliding_windows(v, 4, step=0), "step must be"),
        (lambda v: sliding_windows(v[0], 4), "two axes"),
        (lambda v: column_windows(v, PLACE, 0), "size must be"),
        (lambda v: column_windows(v, PLACE, 45), "does not fit"),
        (lambda v: column_windows(v, pd.DataFrame({"a": [1.0]}), 3), "lacks the column x and y"),
        (lambda v: column_windows(v, PLACE * np.nan, 3), "not finite"),
        (lambda v: column_windows(v * np.nan, PLACE, 3), "NaN"),
        (lambda v: cell_windows(v[:, :20], CUBE), "no unit cell fits"),
        (lambda v: cell_windows(v * 0, CUBE), "constant"),
        (lambda v: taper_window((4, 4), "hamming"), "taper must be"),
        (lambda v: taper_window((4, 0)), "shape must be"),
        (lambda v: flatten(v, length=0), "length must be positive"),
        (lambda v: flatten(v[0]), "two axes"),
        (lambda v: flatten(v * np.nan), "NaN"),
    ],
)
def test_bad_input_is_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call(NOISE)


@pytest.mark.parametrize("call", [lambda n: cell_windows(NOISE, n), commensurate_size])
def test_without_a_lattice(call):
    with pytest.raises(NotPeriodicError):
        call(Lattice(np.array(SQUARE), periodic=False))
