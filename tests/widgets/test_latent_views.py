"""The explorers of the shift-VAE: mouse, controls and pictures are linked."""

import warnings

import numpy as np
import pytest
import xarray as xr
from matplotlib.backend_bases import MouseEvent
from matplotlib_scalebar.scalebar import ScaleBar

from atomlens import simulate, widgets
from atomlens.shiftvae import SeparationWarning, ShiftVAE
from atomlens.windows import sliding_windows

pytest.importorskip("ipywidgets")  # not ipympl: importing that changes how pyplot draws


def trained(crops, latent_dim=2, **options):
    """A model that has seen next to nothing: what it says is not looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparationWarning)
        return ShiftVAE(latent_dim, **{"max_epochs": 2, "progress": False, **options}).fit(crops)


@pytest.fixture(scope="module")
def crops():
    return simulate.shifted.cells(200, size=16).data


@pytest.fixture(scope="module")
def vae(crops):
    return trained(crops, 3, invariance="shift+rotation")


@pytest.fixture(scope="module")
def image():
    y, x = np.mgrid[:64, :80]
    values = np.exp(np.cos(2 * np.pi * x / 8) + np.cos(2 * np.pi * y / 8)) * (1 + (x > 40))
    coords = {d: (d, 0.05 * np.arange(n), {"units": "nm"}) for d, n in (("y", 64), ("x", 80))}
    return xr.DataArray(values, coords, ("y", "x"))


@pytest.fixture(scope="module")
def mapper(image):
    return trained(sliding_windows(image, 16, step=4), lattice=[[8.0, 0], [0, 8.0]])


@pytest.fixture
def explorer(mapper, image):
    return widgets.latent_explorer(mapper, image, name="mine")


def mouse(view, ax, x, y, kind="motion_notify_event"):
    """Move the mouse, or press its left button, at a place in the units of the axes."""
    button = None if kind == "motion_notify_event" else 1
    event = MouseEvent(kind, view.canvas, *ax.transData.transform((x, y)), button=button)
    view.canvas.callbacks.process(kind, event)


def loop(view, ax, corners):
    """Draw a loop with the mouse."""
    mouse(view, ax, *corners[0], "button_press_event")
    for corner in corners[1:]:
        mouse(view, ax, *corner)
    mouse(view, ax, *corners[-1], "button_release_event")


def test_the_picture_under_the_mouse_is_shown(vae, crops):
    view = widgets.manifold_explorer(vae, crops, name="mine")
    mouse(view, view._plane_ax, 0.5, -1.0)
    assert view.model.content == (0.5, -1.0, 0.0)
    np.testing.assert_array_equal(view._picture.get_array(), view.model.picture)
    np.testing.assert_allclose(view._cross.get_xydata(), [[0.5, -1.0]])
    assert "z1 = 0.50, z2 = -1.00, z3 = 0.00" in view.verdict.value
    assert "atomlens-verdict" in view.verdict.value
    mouse(view, view._picture_ax, 3.0, 3.0)  # elsewhere
    assert view.model.content == (0.5, -1.0, 0.0)


def test_a_click_holds_the_place_and_another_lets_go(vae):
    view = widgets.manifold_explorer(vae)
    mouse(view, view._plane_ax, 1.0, 1.0, "button_press_event")
    mouse(view, view._plane_ax, -1.0, 0.0)
    assert view.model.place == (1.0, 1.0)
    mouse(view, view._plane_ax, 0.5, 0.5, "button_press_event")
    mouse(view, view._plane_ax, -1.0, 0.0)
    assert view.model.place == (-1.0, 0.0)


def test_sliders_move_the_picture(vae, crops):
    view = widgets.manifold_explorer(vae, crops)
    assert list(view.movements) == ["shift_x", "shift_y", "rotation"]
    before = view._picture.get_array().copy()
    view.movements["shift_x"].value += 1.5
    assert view.model.shift_x == view.movements["shift_x"].value
    assert not np.allclose(view._picture.get_array(), before)
    view.model.rotation = 5.0
    assert view.movements["rotation"].value == 5.0
    assert view.movements["rotation"].max >= 20


def test_the_axes_of_the_plane_can_be_chosen(vae, crops):
    view = widgets.manifold_explorer(vae, crops)
    across, up = view.axes_chosen
    up.value = 2
    assert view.model.axes == (0, 2)
    assert view._plane_ax.get_ylabel() == "z3 (prior sd)"
    dots = view._plane_ax.collections[0].get_offsets()
    np.testing.assert_allclose(np.sort(dots, axis=0), np.sort(vae.transform(crops)[:, [0, 2]], axis=0))
    mouse(view, view._plane_ax, 0.25, 0.75)
    assert view.model.content == (0.25, 0.0, 0.75)
    view.model.across = 1
    assert across.value == 1


def test_without_crops_the_plane_is_tiled(vae):
    view = widgets.manifold_explorer(vae, up=2)
    (mosaic,) = view._plane_ax.images
    assert mosaic.get_array().shape == (80, 80)
    assert view._plane_ax.get_ylabel() == "z3 (prior sd)"
    mouse(view, view._plane_ax, 2.2, -2.2)
    assert view.model.place == pytest.approx((2.2, -2.2))


def test_signals_are_lines_and_a_single_latent_is_a_row():
    signals = simulate.shifted.peaks(200).data
    view = widgets.manifold_explorer(trained(signals, 1), signals)
    mouse(view, view._plane_ax, 0.5, 0.1)
    assert view.model.content == (0.5,)
    np.testing.assert_array_equal(view._picture.get_ydata(), view.model.picture)
    np.testing.assert_allclose(view._cross.get_xydata(), [[0.5, 0.0]])
    assert view.axes_chosen == []
    assert widgets.manifold_explorer(view.model.vae)._plane_ax.get_ylabel() == ""


def test_errors_are_shown_and_go_away(vae):
    view = widgets.manifold_explorer(vae)
    view.model.content = (1.0,)
    assert "(M, 3)" in view.message.value
    view.model.content = (1.0, 0.0, 0.0)
    assert "Move the mouse" in view.message.value


def test_the_code_is_kept_up_to_date(vae, explorer):
    view = widgets.manifold_explorer(vae, name="mine")
    view.code_button.click()
    mouse(view, view._plane_ax, 0.5, -1.0)
    assert view.code.value == view.model.code
    assert view.code.value.startswith("picture = mine.decode([[0.5, -1.0, 0.0]]")
    explorer.stride.value = 8
    assert "latent_map(mine, stride=8)" in explorer.code.value


def test_a_loop_in_the_cloud_marks_map_and_image(explorer):
    model = explorer.model
    middle = float(np.median(model.points[:, 0]))
    (left, right), (low, high) = explorer._cloud_ax.get_xlim(), explorer._cloud_ax.get_ylim()
    inset = [
        (middle, low + 0.01),
        (right - 0.01, low + 0.01),
        (right - 0.01, high - 0.01),
        (middle, high - 0.01),
    ]
    assert left < middle
    loop(explorer, explorer._cloud_ax, inset)
    assert 0 < model.chosen.sum() < len(model.chosen)
    inside = model.chosen.reshape(model.maps.shape[1:])
    on_image, on_map = (shade.get_array()[..., 3] for shade in explorer._shades)
    np.testing.assert_array_equal(on_image > 0, inside)
    np.testing.assert_array_equal(on_map > 0, ~inside)
    alpha = explorer._dots.get_alpha()
    assert (alpha[model.chosen] == 1).all()
    assert (alpha[~model.chosen] < 0.1).all()
    assert f"<b>{inside.sum()}</b> of {inside.size} windows" in explorer.verdict.value
    chosen, rest = explorer._small[1].images[0], explorer._small[2].images[0]
    np.testing.assert_allclose(chosen.get_array(), model.mean_crop(model.chosen))
    np.testing.assert_allclose(rest.get_array(), model.mean_crop(model.chosen) - model.mean_crop())
    assert "Path(outline)" in explorer.code.value


@pytest.mark.parametrize("where", ["_image_ax", "_map_ax"])
def test_a_click_on_map_or_image_marks_points_of_the_cloud(explorer, where):
    model = explorer.model
    x, y = model.positions[40]
    loop(explorer, getattr(explorer, where), [(x, y)])
    assert model.chosen[40]
    assert model.chosen.sum() <= 4
    assert explorer._dots.get_alpha()[40] == 1


def test_shades_cover_the_windows_in_the_units_of_the_image(explorer):
    left, right, bottom, top = explorer._shades[0].get_extent()
    assert (left, top) == pytest.approx((7.5 * 0.05 - 0.1, 7.5 * 0.05 - 0.1))
    assert (right, bottom) == pytest.approx((71.5 * 0.05 + 0.1, 55.5 * 0.05 + 0.1))
    assert explorer._image_ax.get_xlim() == pytest.approx((-0.025, 3.975))


def test_a_loop_round_nothing_brings_everything_back(explorer):
    x, y = explorer.model.positions[40]
    loop(explorer, explorer._map_ax, [(x, y)])
    explorer.model.brush("map", [(50, 50), (60, 50), (60, 60)])
    assert "no window" in explorer.message.value
    assert np.ptp(explorer._dots.get_alpha()) == 0
    assert explorer._dots.get_alpha()[0] > 0.5
    assert not explorer._shades[0].get_array().any()
    assert not explorer._shades[1].get_array()[..., 3].any()
    assert [len(ax.images) for ax in explorer._small] == [1, 0, 0]


def test_another_latent_colours_map_and_cloud(explorer):
    explorer.shown.value = "shift_y"
    wanted = explorer.model.maps.sel(latent="shift_y")
    np.testing.assert_allclose(explorer._map.get_array(), wanted)
    np.testing.assert_allclose(explorer._dots.get_array(), wanted.values.ravel())
    assert explorer._map.get_clim() == explorer._dots.get_clim()
    assert explorer._map_ax.get_title(loc="left") == "shift y (px)"


def test_another_stride_keeps_the_loop(explorer):
    left = float(explorer.model.maps.x[8]) - 0.01
    explorer.model.brush("map", [(left, -1), (9, -1), (9, 9), (left, 9)])
    explorer.stride.value = 8
    shape = explorer.model.maps.shape[1:]
    assert explorer._map.get_array().shape == shape
    assert explorer._shades[0].get_array().shape[:2] == shape
    assert explorer._map_ax.get_xlim() == pytest.approx(explorer._map.get_extent()[:2])
    assert len(explorer._dots.get_alpha()) == np.prod(shape)
    marked = explorer._shades[0].get_array()[..., 3] > 0
    np.testing.assert_array_equal(marked, np.broadcast_to(explorer.model.maps.x.values > left, shape))


def test_the_axes_of_the_cloud_can_be_chosen(image):
    vae = trained(sliding_windows(image, 16, step=4), 3)
    view = widgets.latent_explorer(vae, image.values, shown="z3", stride=8)
    view.axes_chosen[1].value = 2
    np.testing.assert_allclose(view._dots.get_offsets(), view.model.content[:, [0, 2]])
    assert [bar.units for bar in view._image_ax.artists if isinstance(bar, ScaleBar)] == ["px"]
    assert view._map_ax.get_title(loc="left") == "z3 (prior sd)"


def test_everything_can_be_drawn(vae, explorer):
    explorer.model.brush("cloud", [(-99, -99), (99, -99), (99, 99)])
    explorer.canvas.draw()
    widgets.manifold_explorer(vae).canvas.draw()


def test_the_traversal_follows_the_latent(explorer):
    for shown, label in (("z2", "z2 (prior sd)"), ("shift_y", "shift y (px)")):
        explorer.shown.value = shown
        (strip,) = explorer._along_ax.images
        expected = np.concatenate(list(explorer.model.traversal.values), axis=1)
        np.testing.assert_allclose(strip.get_array(), expected)
        assert explorer._along_ax.get_xlabel() == label
        assert f'names=["{shown}"]' in explorer.code.value
