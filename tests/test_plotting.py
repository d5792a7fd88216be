"""Figures draw what they claim: labels, units, colours, marks."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex, to_rgb
from matplotlib_scalebar.scalebar import ScaleBar

from atomlens import plotting, simulate, spectra
from atomlens.plotting.drawing import PAGE, beside, panels


@pytest.fixture(scope="module")
def phantom():
    return simulate.spectra.eels(3, shape=(24, 20), random_state=0)


@pytest.fixture(scope="module")
def result(phantom):
    return spectra.cluster(phantom.data, 3)


def bar_unit(ax):
    """Unit of the scale bar on the axes, which then have no ticks."""
    (bar,) = (artist for artist in ax.artists if isinstance(artist, ScaleBar))
    assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0
    return bar.units


def drawn_colours(ax):
    """The colour of every pixel of the first image on the axes."""
    artist = ax.images[0]
    return artist.cmap(artist.norm(artist.get_array()))[..., :3]


def test_label_map_shows_every_label_in_its_colour(result):
    _, ax = plotting.new_figure()
    plotting.draw_labels(ax, result.labels)
    colours = drawn_colours(ax)
    for label in np.unique(result.labels):
        expected = to_rgb(plotting.CLUSTER_COLOURS[label])
        np.testing.assert_allclose(colours[result.labels.values == label] - expected, 0, atol=1e-6)
    assert bar_unit(ax) == "nm"


def test_left_out_points_are_pale():
    _, ax = plotting.new_figure()
    plotting.draw_labels(ax, xr.DataArray([[0, -1]], dims=("y", "x")))
    assert min(drawn_colours(ax)[0, 1]) > 0.9


def test_map_edges_lie_half_a_pixel_outside_in_physical_units():
    image = xr.DataArray(
        np.zeros((3, 5)), dims=("y", "x"), coords={"x": 2.0 * np.arange(5), "y": np.arange(3.0)}
    )
    _, ax = plotting.new_figure()
    assert plotting.draw_map(ax, image).get_extent() == [-1.0, 9.0, 2.5, -0.5]
    assert bar_unit(ax) == "px"


@pytest.mark.parametrize(
    ("units", "bar"), [("nm", "nm"), ("px", "px"), ("1/nm", "1/nm"), ("cycles/cell", None), ("1/px", None)]
)
def test_a_map_has_a_scale_bar_where_its_axes_are_lengths(units, bar):
    coords = {dim: (dim, 0.1 * np.arange(9), {"units": units}) for dim in ("y", "x")}
    figure, ax = plotting.new_figure()
    plotting.draw_map(ax, xr.DataArray(np.eye(9), coords, ("y", "x"), name="n"))
    if bar:
        assert bar_unit(ax) == bar
        assert ax.get_xlabel() == ""
    else:
        assert ax.get_xlabel() == f"x ({units})"
        assert len(ax.get_xticks()) > 1
    figure.canvas.draw()  # without a warning


def test_a_colour_bar_is_as_high_as_its_picture():
    figure, ax = plotting.new_figure(size=(6, 3))
    drawn = plotting.draw_map(ax, xr.DataArray(np.eye(9), dims=("y", "x"), name="n"))
    figure.canvas.draw()
    bar, picture = drawn.colorbar.ax.get_window_extent(), ax.get_window_extent()
    assert (bar.y0, bar.y1) == pytest.approx((picture.y0, picture.y1), abs=1)
    assert drawn.colorbar.ax.get_ylabel() == "n (arb. units)"


@pytest.mark.parametrize(("count", "per_row", "rows"), [(1, 4, 1), (4, 4, 1), (5, 3, 2)])
def test_panels_fit_a_page(count, per_row, rows):
    figure, axes = panels(count, per_row=per_row, height=0.5, extra=0)
    assert len(axes) == len(figure.axes) == count
    width, height = figure.get_size_inches()
    assert width <= PAGE
    assert height == pytest.approx(0.5 * rows * width / min(count, per_row))


@pytest.mark.parametrize(("shape", "rows"), [((50, 50), 2), ((30, 90), 3), ((200, 50), 1)])
def test_an_image_beside_others_fits_a_page(shape, rows):
    figure, whole, axes = beside(np.zeros(shape), rows, 3)
    assert figure.get_size_inches()[0] <= PAGE + 0.01
    assert len(axes) == 3 * rows
    whole.imshow(np.zeros(shape))
    figure.draw_without_rendering()
    assert whole.get_window_extent().x1 < min(ax.get_window_extent().x0 for ax in axes)
    assert whole.get_window_extent().height > 0.7 * figure.bbox.height


@pytest.mark.parametrize(("size", "smooth"), [(64, False), (2000, True)])
def test_pixels_are_averaged_only_where_there_are_too_many(size, smooth):
    _, ax = plotting.new_figure()
    drawn = plotting.draw_image(ax, np.random.default_rng(0).random((size, size)))
    assert (drawn.get_interpolation() == "antialiased") == smooth


def test_truth_takes_the_colours_of_the_clusters(result, phantom):
    figure = plotting.cluster_overview(result, truth=phantom.truth.labels)
    planted, found = (drawn_colours(ax) for ax in figure.axes[:2])
    same = np.all(np.isclose(planted, found), axis=-1)
    assert same.mean() > 0.98


def test_spectra_carry_bands_units_and_colours(result):
    _, ax = plotting.new_figure()
    lines = plotting.draw_spectra(ax, result.spectra, result.spread)
    assert [to_hex(line.get_color()).upper() for line in lines] == list(plotting.CLUSTER_COLOURS[:3])
    np.testing.assert_allclose(lines[1].get_ydata(), result.spectra[1])
    assert ax.get_xlabel() == "energy loss (eV)"
    assert ax.get_ylabel() == "intensity (counts)"
    assert len(ax.collections) == 3


def test_normalised_spectra_keep_their_shape(result):
    _, ax = plotting.new_figure()
    lines = plotting.draw_spectra(ax, result.spectra, normalise=True)
    heights = [np.ptp(line.get_ydata()) for line in lines]
    expected = np.ptp(result.spectra.values, axis=1) / result.spectra.values.max(axis=1)
    np.testing.assert_allclose(heights, expected, rtol=1e-5)


def test_method_grid_is_scored_and_matched(result, phantom):
    figure = plotting.method_grid({"kmeans": result}, truth=phantom.truth.labels)
    assert "ARI" in figure.axes[1].get_title(loc="left")
    np.testing.assert_allclose(
        drawn_colours(figure.axes[0]).mean(), drawn_colours(figure.axes[1]).mean(), atol=0.02
    )


def test_cockpit_marks_preferences_and_the_current_k(phantom):
    choice = spectra.choose_k(phantom.data, range(1, 5), n_resamples=2)
    figure = plotting.criteria(choice)
    assert figure.axes[1].get_title(loc="left") == f"Silhouette: {choice.reasons.k['silhouette']}"
    assert any("clusters" in text.get_text() for text in figure.axes[7].texts)
    _, axes = plotting.new_figure(2, 4)
    marks = plotting.draw_criteria(axes.flat, choice, current=3)
    assert all(list(mark.get_xdata()) == [3, 3] for mark in marks)


def test_line_scan_is_a_strip_over_its_spectra():
    sample = simulate.spectra.eels(2, shape=(60,), smallest=0.3, random_state=0)
    figure = plotting.cluster_overview(spectra.cluster(sample.data, 2), truth=sample.truth.labels)
    assert len(figure.axes) == 3
    assert figure.axes[0].get_xlabel() == "x (nm)"


def test_library_puts_pure_compositions_into_the_corners():
    labels = xr.DataArray(
        [0, 1, 2], dims="spot", coords={"x_mm": ("spot", [0.0, 1, 2]), "y_mm": ("spot", [0.0, 1, 2])}
    )
    figure = plotting.library(labels, np.eye(3))
    np.testing.assert_allclose(
        figure.axes[1].collections[0].get_offsets(), [[0.5, 0.866], [0, 0], [1, 0]], atol=1e-3
    )


def test_first_look_marks_points_with_their_spectra(phantom):
    left, right = plotting.first_look(phantom.data).axes
    assert left.lines[1].get_xydata().tolist() == [[float(phantom.data.x[10]), float(phantom.data.y[12])]]
    np.testing.assert_allclose(right.lines[1].get_ydata(), phantom.data[12, 10])
    line = plotting.first_look(simulate.spectra.eels(2, shape=(30,), smallest=0.3).data)
    assert "counts" in line.axes[0].get_ylabel()


def test_maps_share_the_scale_from_zero_to_one(phantom):
    figure = plotting.abundance_maps(phantom.truth.abundances, phantom.truth.endmembers)
    assert [ax.images[0].get_clim() for ax in figure.axes[:3]] == [(0, 1)] * 3
    assert [t.get_text() for t in figure.axes[3].get_legend().get_texts()] == [
        f"endmember {n}" for n in range(3)
    ]


def test_global_settings_stay_as_they_were(result):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plotting.cluster_overview(result)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda ax: plotting.draw_map(ax, xr.DataArray(np.zeros((2, 2, 2)), dims=("y", "x", "e"))),
            "two dimensions",
        ),
        (lambda ax: plotting.first_look(xr.DataArray(np.zeros(5), dims="energy")), "map or a line"),
    ],
)
def test_wrong_shapes_are_named(call, message):
    _, ax = plotting.new_figure()
    with pytest.raises(ValueError, match=message):
        call(ax)
