"""The explorer of descriptors: controls, image, map and window are linked."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from atomlens import widgets
from atomlens.patterson import patterson

pytest.importorskip("ipywidgets")  # not ipympl: importing that changes how pyplot draws

Y, X = np.mgrid[:150, :180]
VALUES = np.exp(np.cos(2 * np.pi * X / 12) + np.cos(2 * np.pi * Y / 12))
VALUES = VALUES + np.random.default_rng(0).normal(0, 0.2, VALUES.shape)


def calibrated(first=0.0):
    coords = {
        d: (d, first + 0.05 * np.arange(n), {"units": "nm"}) for d, n in zip("yx", VALUES.shape, strict=True)
    }
    return xr.DataArray(VALUES, coords, ("y", "x"))


@pytest.fixture
def view():
    return widgets.descriptor_explorer(calibrated(), name="mine", n_alike=3)


def mouse(view, ax, x, y):
    return SimpleNamespace(inaxes=ax, xdata=x, ydata=y)


def test_controls_and_model_are_linked_both_ways(view):
    view.height.value = 24
    assert view.model.describe.size_[0] == 24
    view.model.kind = "fft"
    assert view.kind.value == "fft"
    view.taper.value = "none"
    assert view.model.describe.taper_ is None
    view.n_alike.value = 2
    assert len(view._frames) == 3
    assert view.height.max == 75
    assert view.width.max == 90


def test_a_window_is_dragged(view):
    view._on_press(mouse(view, view._image_ax, 2.0, 5.0))
    assert np.allclose(view.model.place, (40, 100), atol=view.model.step)
    view._on_motion(mouse(view, view._image_ax, 4.0, 3.0))
    assert np.allclose(view.model.place, (80, 60), atol=view.model.step)
    view._on_release(mouse(view, view._map_ax, 6.0, 3.0))
    assert np.allclose(view.model.place, (120, 60), atol=view.model.step)
    here = view.model.selected
    view._on_motion(mouse(view, view._image_ax, 2.0, 2.0))  # the button is up
    view._on_press(mouse(view, view._small[0], 0.0, 0.0))  # elsewhere
    view._on_motion(mouse(view, view._image_ax, 2.0, 2.0))
    assert view.model.selected == here


@pytest.mark.parametrize("image", [VALUES, calibrated(first=3.0)])
def test_clicks_and_frames_are_in_the_unit_of_the_image(image):
    view = widgets.descriptor_explorer(image)
    step, first = (1, 0) if image is VALUES else (0.05, 3.0)
    view._on_press(mouse(view, view._image_ax, first + 60 * step, first + 80 * step))
    assert np.allclose(view.model.place, (60, 80), atol=view.model.step)
    centre = first + step * np.array(view.model.place)
    np.testing.assert_allclose(view._frames[0].get_center(), centre)
    np.testing.assert_allclose(view._here.get_xydata()[0], centre)
    others = first + step * view.model.alike[["x", "y"]].to_numpy()
    np.testing.assert_allclose(view._others.get_xydata(), others)
    view.canvas.draw()


def test_what_is_shown_is_what_is_selected(view):
    view.model.select(50, 50)
    window, _, function = (ax.images[0].get_array() for ax in view._small)
    np.testing.assert_allclose(window, view.model.patch)
    describe = view.model.describe
    options = {"taper": describe.taper_, "blank_center": describe.blank_center_, "half": False}
    np.testing.assert_allclose(function, patterson(view.model.patch, **options), atol=1e-6)
    np.testing.assert_allclose(view._likeness.get_array(), view.model.likeness)
    assert len(view._image_ax.patches) == 4
    assert f"{view.model.alike.distance.iloc[0]:.2f}" in view._image_ax.get_title(loc="left")


def test_another_size_makes_another_map(view):
    before = view._likeness.get_array().shape
    view.height.value = view.width.value = 70
    assert view._likeness.get_array().shape == view.model.likeness.shape != before
    assert view._small[0].images[0].get_array().shape == (70, 70)
    view.canvas.draw()


def test_errors_are_shown(view):
    view.model.width = 500
    assert "does not fit" in view.message.value
    view.model.width = 40
    assert "drag" in view.message.value


def test_code_is_shown_on_demand_and_kept_up_to_date(view):
    view.code_button.click()
    assert view.code.layout.display == ""
    view.n_alike.value = 7
    assert f"features, {view.model.selected}, 7," in view.code.value
    assert "fit_transform(mine)" in view.code.value
