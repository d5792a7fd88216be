"""Figures of the shift-VAE: what is drawn is what was given, where it belongs, in its units."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import to_rgb
from matplotlib_scalebar.scalebar import ScaleBar

from atomlens import plotting
from atomlens.plotting import CLUSTER_COLOURS
from atomlens.plotting.latents import plane

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def nothing_left_behind():
    before = dict(plt.rcParams)
    yield
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before


def drawn(figure):
    """Draw it for real: texts and layouts fail only then."""
    figure.draw_without_rendering()
    return figure.axes


def history(penalty=0.0):
    epoch = np.arange(1, 41)
    reconstruction = 5000.0 * np.exp(-epoch) - 500 - 0.1 * epoch
    parts = {"reconstruction": reconstruction, "kl_pose": 7.0, "kl_content": 3.0, "penalty": penalty}
    return pd.DataFrame({"epoch": epoch, "loss": reconstruction + 10 + penalty, **parts})


def decoded(n_down=3, n_across=5, height=4, width=6):
    """Pictures of which every one has a value of its own."""
    values = np.arange(n_down * n_across, dtype=float).reshape(n_down, n_across, 1, 1)
    along = {"z_down": np.linspace(-1, 1, n_down), "z_across": np.linspace(-2, 2, n_across)}
    dims = ("z_down", "z_across", "y", "x")
    return xr.DataArray(np.broadcast_to(values, (n_down, n_across, height, width)), along, dims)


def test_the_first_epochs_do_not_take_the_axis_of_the_loss():
    table = history()
    left, right = drawn(plotting.training_history(table))
    low, high = left.get_ylim()
    assert high - low < 30  # of 1800
    assert low < table.loss.iloc[-1] < high
    np.testing.assert_allclose(left.lines[0].get_ydata(), table.loss)
    assert "nats" in left.get_ylabel()
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["KL, pose", "KL, content"]
    assert right.get_ylim()[0] == 0


def test_a_penalty_is_shown_where_there_is_one():
    right = drawn(plotting.training_history(history(penalty=2.0)))[1]
    assert "penalty" in [text.get_text() for text in right.get_legend().get_texts()]
    drawn(plotting.training_history(history().iloc[:1]))  # a single epoch


def test_collapsed_latents_are_marked():
    summary = pd.DataFrame(
        {"kl": [4.0, 2.0, 0.01], "posterior_sd": [0.02, 0.1, 0.99], "active": [True, True, False]},
        index=["shift_x", "z1", "z2"],
    )
    left, right = drawn(plotting.latent_bars(summary))
    assert [text.get_text() for text in left.get_yticklabels()] == ["shift x", "z1", "z2"]
    for ax, column in ((left, "kl"), (right, "posterior_sd")):
        bars = sorted(ax.patches, key=lambda bar: bar.get_y())
        np.testing.assert_allclose([bar.get_width() for bar in bars], summary[column])
        assert [bool(bar.get_hatch()) for bar in bars] == [False, False, True]
    assert [text.get_text() for text in left.texts if "collapsed" in text.get_text()] == ["0.01  collapsed"]
    np.testing.assert_allclose(right.lines[0].get_xdata(), 1)
    assert left.yaxis_inverted()


def test_every_picture_lies_at_its_latents():
    pictures = decoded()
    (ax,) = drawn(plotting.manifold(pictures))
    (mosaic,) = ax.images
    left, right, bottom, top = mosaic.get_extent()
    shown = mosaic.get_array()
    for n, one in enumerate(pictures.values.reshape(15, -1)):
        up, across = pictures.z_down.values[n // 5], pictures.z_across.values[n % 5]
        row = int((top - up) / (top - bottom) * shown.shape[0])
        column = int((across - left) / (right - left) * shown.shape[1])
        assert shown[row, column] == one[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("z1 (prior sd)", "z2 (prior sd)")
    assert ax.get_ylim()[0] < ax.get_ylim()[1]


def test_pixels_of_the_pictures_are_square():
    pictures = decoded()
    (ax,) = drawn(plotting.manifold(pictures))
    (mosaic,) = ax.images
    corners = ax.transData.transform([mosaic.get_extent()[::2], mosaic.get_extent()[1::2]])
    width, height = corners[1] - corners[0]
    assert width / mosaic.get_array().shape[1] == pytest.approx(height / mosaic.get_array().shape[0])


def test_a_picture_is_not_upside_down():
    pictures = decoded().copy()
    pictures[:, :, 0] = 99.0  # the first line of each is the uppermost
    (ax,) = drawn(plotting.manifold(pictures))
    np.testing.assert_allclose(ax.images[0].get_array()[::4], 99)


@pytest.mark.parametrize(
    ("n", "ticks"), [(9, [-2, -1, 0, 1, 2]), (7, [-2, 0, 2]), (5, [-2, -1, 0, 1, 2]), (8, [-2, 2]), (1, [-2])]
)
def test_few_ticks_at_both_ends_and_in_the_middle(n, ticks):
    (ax,) = drawn(plotting.manifold(decoded(n_across=n)))
    np.testing.assert_allclose(ax.get_xticks(), ticks)


def test_a_single_latent_is_a_row():
    (ax,) = drawn(plotting.manifold(decoded().isel(z_down=0, drop=True)))
    assert ax.images[0].get_array().shape == (4, 30)
    assert (ax.get_ylabel(), list(ax.get_yticks())) == ("", [])


def test_signals_are_lines_within_their_tiles():
    signals = decoded()[:, :, 0].copy()
    signals[..., 2] += 5.0
    (ax,) = drawn(plotting.manifold(signals))
    lines = ax.collections[0].get_segments()
    assert len(lines) == 15
    for n, line in enumerate(lines):
        down, across = signals.z_down.values[n // 5], signals.z_across.values[n % 5]
        assert (np.abs(line[:, 0] - across) <= 0.5).all()
        assert (np.abs(line[:, 1] - down) <= 0.55).all()
        assert line[:, 1].argmax() == 2
    drawn(plotting.manifold(signals[0].drop_vars("z_down")))


def test_pictures_that_are_not_over_latents_are_refused():
    with pytest.raises(ValueError, match=r"ShiftVAE\.manifold returns"):
        plotting.manifold(decoded().rename(z_across="a").rename(a="b"))


def test_kinds_have_colours_and_names():
    content = RNG.normal(size=(300, 3))
    kinds = np.array(["vacancy", "perfect", "dopant"])[np.arange(300) % 3]
    (ax,) = drawn(plotting.latent_cloud(content, pd.Series(kinds), title="Cloud"))
    dots = ax.collections[0]
    colours = dict(zip(["dopant", "perfect", "vacancy"], CLUSTER_COLOURS, strict=False))
    offsets = dots.get_offsets()
    for row in (0, 1, 2, 150):
        nearest = np.linalg.norm(offsets - content[row, :2], axis=1).argmin()
        np.testing.assert_allclose(offsets[nearest], content[row, :2])
        np.testing.assert_allclose(dots.get_facecolors()[nearest, :3], to_rgb(colours[kinds[row]]))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("z1 (prior sd)", "z2 (prior sd)")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["dopant", "perfect", "vacancy"]


def test_clusters_keep_their_colours():
    _figure, ax = plotting.new_figure()
    dots = plotting.draw_latents(ax, np.zeros((2, 2)), [2, -1], shuffle=False)
    np.testing.assert_allclose(dots.get_facecolors()[0, :3], to_rgb(CLUSTER_COLOURS[2]))
    assert np.ptp(dots.get_facecolors()[1, :3]) == 0  # grey


def test_a_quantity_has_a_colour_bar():
    content = RNG.normal(size=(60, 2))
    figure, ax = plotting.new_figure()
    dots = plotting.draw_latents(ax, content, content[:, 1], label="width (nm)")
    drawn(figure)
    np.testing.assert_allclose(dots.get_array(), dots.get_offsets()[:, 1])
    assert dots.colorbar.ax.get_ylabel() == "width (nm)"


def test_a_collapsed_latent_looks_collapsed():
    content = RNG.normal(size=(200, 2)) * [1.0, 0.01]
    (ax,) = drawn(plotting.latent_cloud(content))
    assert np.ptp(content[:, 1]) < 0.05 * np.ptp(ax.get_ylim())
    assert ax.get_xlim()[0] < content[:, 0].min()
    assert ax.get_xlim()[1] > content[:, 0].max()


def test_many_points_are_faint_and_rasterised():
    _figure, (left, right) = plotting.new_figure(1, 2)
    few, many = (
        plotting.draw_latents(ax, RNG.normal(size=(n, 2))) for ax, n in ((left, 100), (right, 50_000))
    )
    assert many.get_alpha() < 0.3 < few.get_alpha()
    assert many.get_sizes()[0] < few.get_sizes()[0]
    assert many.get_rasterized()


def test_a_single_latent_is_spread_out():
    content = RNG.normal(size=(40, 1))
    points = plane(content)
    np.testing.assert_array_equal(points[:, 0], content[:, 0])
    assert 0.2 < np.abs(points[:, 1]).max() <= 0.4
    np.testing.assert_array_equal(points, plane(content))
    (ax,) = drawn(plotting.latent_cloud(content))
    assert "no meaning" in ax.get_ylabel()
    assert list(ax.get_yticks()) == []


def test_one_label_a_crop():
    with pytest.raises(ValueError, match="3 labels for 5 crops"):
        plotting.latent_cloud(np.zeros((5, 2)), [1, 2, 3])


def latent_maps():
    coords = {d: (d, 0.1 * np.arange(n), {"units": "nm"}) for d, n in (("y", 5), ("x", 7))}
    values = RNG.normal(size=(4, 5, 7)) + np.array([8.0, 0, 0, 1])[:, None, None]
    names = {"latent": ["shift_x", "rotation", "z1", "z2"]}
    return xr.DataArray(values, {**names, **coords}, ("latent", "y", "x"))


def test_maps_have_units_and_colours_that_suit_them():
    maps = latent_maps()
    axes = [ax for ax in drawn(plotting.latent_maps(maps)) if ax.images]
    titles = [ax.get_title(loc="left") for ax in axes]
    assert titles == ["shift x (px)", "rotation (degrees)", "z1 (prior sd)", "z2 (prior sd)"]
    for ax, one in zip(axes, maps, strict=True):
        np.testing.assert_allclose(ax.images[0].get_array(), one)
        assert [bar.units for bar in ax.artists if isinstance(bar, ScaleBar)] == ["nm"]
    shift, *signed = [ax.images[0] for ax in axes]
    table = shift.get_cmap()
    np.testing.assert_allclose(table(0.0), table(1.0), atol=0.05)  # a shift has no ends on a lattice
    for image in signed:
        low, high = image.get_clim()
        assert low == -high


def test_some_of_the_maps_beside_what_was_planted():
    maps = latent_maps()
    planted = maps[0].assign_attrs(long_name="polarisation", units="pm") - 8
    figure = plotting.latent_maps(maps, names=["z2"], truth={"Planted": planted, "Dose": planted**2})
    axes = [ax for ax in drawn(figure) if ax.images]
    assert [ax.get_title(loc="left") for ax in axes] == ["z2 (prior sd)", "Planted", "Dose"]
    low, high = axes[1].images[0].get_clim()
    assert low == -high
    assert axes[2].images[0].get_clim()[0] >= 0
    with pytest.raises(ValueError, match="no latent 'z9': these maps are of shift_x, rotation, z1, z2"):
        plotting.latent_maps(maps, names=["z9"])


def test_found_against_planted():
    planted = RNG.normal(size=400)
    found = planted + 5 + RNG.normal(0, 0.3, 400)
    pairs = {"Shift": (planted, found, "px"), "Width": (planted, np.exp(planted), ("nm", "prior sd"))}
    left, right = drawn(plotting.against_truth(pairs))
    assert left.get_title(loc="left") == f"Shift: r = {np.corrcoef(planted, found)[0, 1]:.3f}"
    assert right.get_title(loc="left") == "Width: rank r = 1.000"  # rising, though not straight
    assert (left.get_xlabel(), left.get_ylabel()) == ("planted (px)", "found (px)")
    assert (right.get_xlabel(), right.get_ylabel()) == ("planted (nm)", "found (prior sd)")
    (line,) = left.lines
    np.testing.assert_allclose(line.get_xy1(), (planted.mean(), found.mean()))
    assert line.get_slope() == 1
    assert len(right.lines) == 0
    np.testing.assert_allclose(left.collections[0].get_offsets(), np.column_stack([planted, found]))


def test_maps_can_be_compared_and_constants_have_no_correlation():
    grid = xr.DataArray(RNG.normal(size=(3, 4)), dims=("y", "x"))
    left, right = drawn(plotting.against_truth({"Map": (grid, grid, ""), "Flat": (grid, 0 * grid, "")}))
    assert left.get_title(loc="left") == "Map: r = 1.000"
    assert right.get_title(loc="left") == "Flat"
    with pytest.raises(ValueError, match="Map: 12 were planted, 3 found"):
        plotting.against_truth({"Map": (grid, [1, 2, 3], "px")})


def test_the_gallery_has_one_scale_and_no_empty_places():
    crops = RNG.normal(size=(5, 8, 8))
    axes = drawn(plotting.crops(crops, titles=list("abcde"), columns=3))
    assert [ax.get_title(loc="left") for ax in axes] == list("abcde")
    assert len({ax.images[0].get_clim() for ax in axes}) == 1
    np.testing.assert_allclose(axes[4].images[0].get_array(), crops[4], rtol=1e-6)
    axes = drawn(plotting.crops(RNG.normal(size=(2, 20))))
    assert len({ax.get_ylim() for ax in axes}) == 1
    assert len(axes[0].lines[0].get_xdata()) == 20
    drawn(plotting.crops(np.ones((2, 8, 8))))  # nothing to see, but no crash
