"""Figures of descriptors: what is drawn is what was measured, in physical units."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib_scalebar.scalebar import ScaleBar
from sklearn.decomposition import NMF, PCA

from atomlens import plotting
from atomlens.descriptors import WindowDescriptor, look_alikes
from atomlens.patterson import patterson
from atomlens.plotting.descriptors import draw_modulus
from atomlens.windows import column_windows

RNG = np.random.default_rng(0)
NOISE = RNG.random((90, 110))
TABLE = pd.DataFrame({"x": [30.0, 60.0, 70.0], "y": [25.0, 40.0, 60.0]})


def calibrated(values=NOISE, first=0.0):
    coords = {
        d: (d, first + 0.02 * np.arange(n), {"units": "nm"}) for d, n in zip("yx", values.shape, strict=True)
    }
    return xr.DataArray(values, coords, ("y", "x"))


@pytest.fixture(autouse=True)
def nothing_left_behind():
    before = dict(plt.rcParams)
    yield
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before


def drawn(figure):
    """Draw it for real: texts with formulas and layouts fail only then."""
    figure.canvas.draw()
    return figure.axes


def bar_unit(ax):
    (bar,) = (artist for artist in ax.artists if isinstance(artist, ScaleBar))
    return bar.units


@pytest.mark.parametrize(("image", "step", "first"), [(NOISE, 1, 0), (calibrated(first=5.0), 0.02, 5.0)])
def test_frames_enclose_the_pixels_of_their_windows(image, step, first):
    figure, ax = plotting.new_figure()
    plotting.draw_image(ax, image)
    frames = plotting.draw_windows(ax, image, TABLE, (20, 31), numbers=True, colours=["red", "blue"])
    for frame, (x, y) in zip(frames, TABLE.to_numpy(), strict=True):
        assert frame.get_width() == pytest.approx(31 * step)
        assert frame.get_height() == pytest.approx(20 * step)
        assert frame.get_center() == pytest.approx((first + step * x, first + step * y))
    assert [frame.get_edgecolor()[0] for frame in frames] == [1, 0, 1]  # red, blue, and again
    assert [text.get_text() for text in ax.texts] == ["0", "1", "2"]
    drawn(figure)


@pytest.mark.parametrize("shape", [(24, 30), (25, 31)])
def test_fourier_peaks_are_at_their_frequencies(shape):
    y, x = np.indices(shape)
    kx, ky = 3 / shape[1], 2 / shape[0]  # cycles a pixel
    wave = np.cos(2 * np.pi * (kx * x + ky * y)) + 5
    figure, ax = plotting.new_figure()
    shown = plotting.draw_fourier(ax, wave, taper=None, step=0.02, unit="nm")
    values, (left, right, bottom, top) = shown.get_array(), shown.get_extent()
    row, column = np.unravel_index(np.asarray(values).argmax(), values.shape)
    place_x = left + (column + 0.5) * (right - left) / values.shape[1]
    place_y = top + (row + 0.5) * (bottom - top) / values.shape[0]
    sign = np.sign(place_x)
    assert (place_x, place_y) == pytest.approx((sign * kx / 0.02, sign * ky / 0.02))
    assert max(right, bottom) < 0.25 / 0.02
    assert bar_unit(ax) == "1/nm"
    drawn(figure)


def test_patterson_functions_have_their_origin_in_the_middle_and_colours_about_zero():
    function = patterson(NOISE[:30, :41], half=False)
    figure, ax = plotting.new_figure()
    shown = plotting.draw_patterson(ax, function, step=0.02, unit="nm")
    low, high = shown.get_clim()
    assert low == -high
    assert high < function.max() / 2  # the peak at the origin takes no colours
    left, right, bottom, top = shown.get_extent()
    assert (left + right, bottom + top) == pytest.approx((0, -0.02))  # even: one more above
    assert bar_unit(ax) == "nm"
    assert plotting.draw_patterson(ax, np.zeros((9, 9))).get_clim() == (-1, 1)
    drawn(figure)


def test_modulus_keeps_low_frequencies_only():
    picture = np.zeros((60, 60))
    picture[30, 33], picture[0, 0] = 1.0, 50.0
    figure, ax = plotting.new_figure()
    shown = draw_modulus(ax, picture)
    assert shown.get_clim() == (-1, 1)
    assert ax.get_ylabel() == "$k_y$ (1/px)"
    drawn(figure)


def test_windows_beside_their_transforms():
    figure = plotting.window_transforms(calibrated(), TABLE, (24, 30), blank_center=3.0)
    axes = drawn(figure)
    assert len(axes) == 1 + 3 * len(TABLE)
    patches = column_windows(NOISE, TABLE, (24, 30))
    for n, patch in enumerate(patches):
        window, fourier, function = axes[1 + 3 * n : 4 + 3 * n]
        np.testing.assert_allclose(window.images[0].get_array(), patch)
        expected = patterson(patch, taper="hann", blank_center=3.0, half=False)
        np.testing.assert_allclose(function.images[0].get_array(), expected, atol=1e-6)
        assert fourier.images
    assert [ax.get_title(loc="left") for ax in axes[:4]] == ["Image", "Window", "Fourier", "Patterson"]
    assert len(axes[0].patches) == 3
    numbers = [text.get_text() for text in axes[0].texts]
    assert [ax.get_ylabel() for ax in axes[1::3]] == numbers == ["0", "1", "2"]


def test_blindness_is_grey_and_what_is_seen_is_bold():
    table = pd.DataFrame(
        {"visibility": [0.51, 0.97], "ratio": [1.02, 12.3], "blind": [True, False]},
        index=pd.Index(["shift", "by a turn"], name="change"),
    )
    figure = plotting.blindness({"A": {"one": table, "two": table[:1]}, "B": {"one": table}})
    axes = drawn(figure)
    texts = {text.get_text(): text for text in axes[0].texts}
    assert len(axes[0].texts) == 3
    assert texts["0.97\n× 12"].get_weight() == "bold"
    assert texts["0.97\n× 12"].get_position() == (1, 0)
    assert texts["0.51\n× 1.0"].get_weight() == "normal"
    shown = np.ma.filled(axes[0].images[0].get_array().astype(float), np.nan)
    np.testing.assert_allclose(shown, [[np.nan, 0.97], [np.nan, np.nan]])
    assert [label.get_text() for label in axes[0].get_xticklabels()] == ["shift", "by\na\nturn"]
    assert [label.get_text() for label in axes[1].get_yticklabels()] == ["one"]


@pytest.mark.parametrize("kind", ["patterson", "fft"])
@pytest.mark.parametrize("image", [NOISE, calibrated()])
def test_maps_of_components_stand_over_their_patterns(kind, image):
    describe = WindowDescriptor((20, 26), step=10, kind=kind, taper="hann")
    features = describe.fit_transform(image)
    model = PCA(2).fit(features)
    axes = drawn(plotting.component_maps(describe, features, model, image=image, title="mine"))
    assert axes[0].get_title(loc="left") == "mine"
    unit = "px" if image is NOISE else "nm"
    for n, (above, below) in enumerate(((axes[1], axes[3]), (axes[2], axes[4]))):
        np.testing.assert_allclose(
            above.images[0].get_array(), describe.map(model.transform(features))[n], rtol=1e-5
        )
        assert above.get_title(loc="left") == f"{n + 1}: {model.explained_variance_ratio_[n]:.1%} of variance"
        assert bar_unit(above) == unit
        if kind == "fft" and unit == "px":
            assert below.get_xlabel() == "$k_x$ (1/px)"
        else:
            assert bar_unit(below) == (unit if kind == "patterson" else f"1/{unit}")
        if kind == "patterson":
            pattern = describe.inverse_image(model.components_[n])[0]
            np.testing.assert_allclose(below.images[0].get_array(), pattern)
            left, right, *_ = below.images[0].get_extent()
            assert right - left == pytest.approx(26 * (0.02 if unit == "nm" else 1))


def test_components_without_variances_are_counted():
    describe = WindowDescriptor(20, step=10, kind="fft", taper="hann")
    features = describe.fit_transform(NOISE)
    axes = drawn(
        plotting.component_maps(describe, features, NMF(2, init="nndsvda", max_iter=2000).fit(features))
    )
    assert [ax.get_title(loc="left") for ax in axes[:2]] == ["Component 1", "Component 2"]


def test_look_alikes_are_framed_and_shown_with_their_distances():
    describe = WindowDescriptor(20, step=5, taper="hann")
    features = describe.fit_transform(NOISE)
    found, distances = look_alikes(features, 7, 4, positions=describe.positions_, apart=20)
    axes = drawn(plotting.look_alikes(NOISE, describe, 7, found, distances, title="mine"))
    titles = [ax.get_title(loc="left") for ax in axes]
    assert titles[:2] == ["mine", "0: chosen"]
    assert titles[2:] == [f"{n}: {d:.2f}" for n, d in enumerate(distances, 1)]
    patches = column_windows(NOISE, describe.positions_.iloc[[7, *found]], (20, 20))
    for ax, patch in zip(axes[1:], patches, strict=True):
        np.testing.assert_allclose(ax.images[0].get_array(), patch)
    assert len(axes[0].patches) == 5


def test_rows_of_pictures_share_a_scale():
    rows = {"one": RNG.random((3, 6, 5)), "two": 4 * RNG.random((3, 6, 5))}
    axes = drawn(plotting.pictures(rows, columns=["a", "b", "c"]))
    assert len(axes) == 6
    assert len({ax.images[0].get_clim() for ax in axes}) == 1
    assert [ax.get_title(loc="left") for ax in axes[:3]] == ["a", "b", "c"]
    assert [axes[0].get_ylabel(), axes[3].get_ylabel()] == ["one", "two"]
    np.testing.assert_array_equal(axes[4].images[0].get_array(), rows["two"][1])


@pytest.mark.parametrize("log", [False, True])
def test_lines_with_theory_and_a_mark(log):
    table = pd.DataFrame({"measured": [0.5, 0.8]}, index=[2, 8])
    expected = pd.Series([0.5, 0.9], index=[2, 8], name="theory")
    figure, ax = plotting.new_figure()
    lines = plotting.draw_lines(
        ax, table, xlabel="frames", ylabel="share", expected=expected, mark=(3, "here"), log=log, title="T"
    )
    np.testing.assert_array_equal(lines[0].get_xydata(), [[2, 0.5], [8, 0.8]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["measured", "theory", "here"]
    assert ax.get_xscale() == ("log" if log else "linear")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("frames", "share")
    drawn(figure)
