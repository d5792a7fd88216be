"""What the explorer of descriptors knows, without anything on a screen."""

import numpy as np
import pytest
import traitlets
import xarray as xr

from atomlens.descriptors import WindowDescriptor, look_alikes
from atomlens.patterson import tapered_size
from atomlens.widgets.descriptor_models import DescriptorModel

Y, X = np.mgrid[:150, :180]
SHEARED = np.where(X < 60, X + 0.3 * Y, X)
IMAGE = np.exp(np.cos(2 * np.pi * SHEARED / 12) + np.cos(2 * np.pi * Y / 12))
IMAGE = IMAGE + np.random.default_rng(0).normal(0, 0.2, IMAGE.shape)


@pytest.fixture
def model():
    return DescriptorModel(IMAGE, name="mine")


def test_it_begins_with_three_cells_in_the_middle(model):
    assert (model.height, model.width) == tapered_size(model.describe.lattice_)
    x, y = model.place
    assert abs(x - 89.5) <= model.step
    assert abs(y - 74.5) <= model.step
    assert model.patch.shape == (model.height, model.width)


def test_every_setting_changes_the_result(model):
    for trait, value in (("height", 24), ("width", 30), ("kind", "fft"), ("taper", "none")):
        before = model.result
        setattr(model, trait, value)
        assert model.result is not before
        assert model.error == ""
    direct = WindowDescriptor((24, 30), step=model.step, kind="fft", taper=None).fit_transform(IMAGE)
    np.testing.assert_array_equal(model.result, direct)
    for trait, value in (
        ("height", 5),
        ("kind", "dct"),
        ("taper", "hamming"),
        ("n_alike", 0),
        ("n_alike", 99),
    ):
        with pytest.raises(traitlets.TraitError):
            setattr(model, trait, value)


def test_look_alikes_are_those_of_the_selected_window(model):
    for n_alike in (3, 1):
        model.n_alike = n_alike
        model.select(30, 60)
        found, distances = look_alikes(
            model.result, model.selected, n_alike, positions=model.describe.positions_, apart=model.height
        )
        assert model.alike.index.tolist() == found.tolist()
        np.testing.assert_array_equal(model.alike.distance, distances)
    assert len(model.alike) == 1


def test_the_place_stays_where_the_size_changes(model):
    model.select(50, 100)
    for size in (20, 60):
        model.height = model.width = size
        assert np.hypot(*np.subtract(model.place, (50, 100))) < 2 * model.step
    assert model.patch.shape == (60, 60)


def test_every_new_size_is_announced_even_with_the_same_look_alike(model):
    model.n_alike = 1
    seen = []
    model.observe(lambda change: seen.append(change.new), "alike")
    model.height = 30
    assert len(seen) >= 1
    assert seen[-1] is model.alike


def test_likeness_is_a_map_of_distances(model):
    model.select(120, 40)
    likeness = model.likeness
    assert float(likeness.sel(x=model.place[0], y=model.place[1])) == 0
    far = np.linalg.norm(model.result - model.result[model.selected], axis=1)
    np.testing.assert_allclose(likeness.values.ravel(), far)


def test_initial_settings_are_kept():
    model = DescriptorModel(IMAGE, height=20, kind="log_fft", n_alike=2, selected=3)
    assert (model.describe.size_[0], model.describe.kind, len(model.alike), model.selected) == (
        20,
        "log_fft",
        2,
        3,
    )


def test_shown_code_repeats_the_view(model):
    model.select(40, 90)
    for settings in ({"kind": "fft", "taper": "none"}, {"kind": "patterson", "taper": "auto", "n_alike": 2}):
        for trait, value in settings.items():
            setattr(model, trait, value)
        names = {"mine": IMAGE}
        exec(model.code, names)
        np.testing.assert_array_equal(names["alike"], model.alike.index)
        np.testing.assert_allclose(names["distances"], model.alike.distance)


def test_an_image_without_a_lattice():
    noise = np.random.default_rng(1).random((96, 128))
    model = DescriptorModel(xr.DataArray(noise, dims=("y", "x")))
    assert model.describe.size_ == (12, 16)
    assert model.describe.lattice_ is None


def test_errors_are_told_and_the_last_result_stays(model):
    before = model.result
    model.width = 500
    assert "does not fit" in model.error
    assert model.result is before
    model.width = 40
    assert model.error == ""
    assert model.result is not before


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (IMAGE, {"width": 120}, "leaves no room"),
        (IMAGE * np.nan, {}, "NaN"),
        (IMAGE[0], {}, "two axes"),
        (np.zeros((50, 50)), {}, "constant"),
    ],
)
def test_bad_input_is_explained(image, options, message):
    with pytest.raises(ValueError, match=message):
        DescriptorModel(image, **options)
