"""What the explorers of the shift-VAE know: decoded pictures, maps, and windows inside a loop."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import traitlets
import xarray as xr
from sklearn.exceptions import NotFittedError

from atomlens import simulate
from atomlens.shiftvae import SeparationWarning, ShiftVAE
from atomlens.widgets import LatentModel, ManifoldModel, latent_models
from atomlens.windows import sliding_windows

PERIOD = 8.0
EVERYTHING = [(-99, -99), (99, -99), (99, 99), (-99, 99)]


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
    """A lattice with a bright half, calibrated."""
    y, x = np.mgrid[:80, :100]
    values = np.exp(np.cos(2 * np.pi * x / PERIOD) + np.cos(2 * np.pi * y / PERIOD)) * (1 + (x > 50))
    values += np.random.default_rng(0).normal(0, 0.1, values.shape)
    coords = {d: (d, 1 + 0.02 * np.arange(n), {"units": "nm"}) for d, n in (("y", 80), ("x", 100))}
    return xr.DataArray(values, coords, ("y", "x"))


@pytest.fixture(scope="module")
def mapper(image):
    return trained(sliding_windows(image, 16, step=4), lattice=[[PERIOD, 0], [0, PERIOD]], max_epochs=15)


@pytest.fixture
def model(mapper, image):
    return LatentModel(mapper, image)


def test_what_is_decoded_follows_the_mouse(vae, crops):
    model = ManifoldModel(vae, crops, shift_x=1.0, shift_y=-0.5, rotation=4.0, up=2)
    model.move(0.25, -1.5)
    assert model.content == (0.25, 0.0, -1.5)
    assert model.place == (0.25, -1.5)
    expected = vae.decode([[0.25, 0.0, -1.5]], shift=[[1.0, -0.5]], rotation=[4.0])[0]
    np.testing.assert_array_equal(model.picture, expected)
    before = model.picture
    model.shift_x = 3.0
    assert not np.allclose(model.picture, before)


def test_the_code_repeats_the_picture(vae, crops):
    model = ManifoldModel(vae, crops, name="mine")
    model.move(1 / 3, 0.7)
    space = {"mine": vae}
    exec(model.code, space)
    np.testing.assert_allclose(space["picture"], model.picture)


def test_it_starts_in_the_middle_of_the_crops(vae, crops):
    model = ManifoldModel(vae, crops)
    mean = vae.shifts(crops, polish=False).mean(axis=0)
    np.testing.assert_allclose([model.shift_x, model.shift_y], mean, atol=0.051)
    assert model.content == (0.0, 0.0, 0.0)
    np.testing.assert_allclose(model.points, vae.transform(crops)[:, :2])
    model.up = 2
    np.testing.assert_allclose(model.points, vae.transform(crops)[:, [0, 2]])
    assert ManifoldModel(vae).points is None


def test_movements_are_those_of_the_model(vae, crops):
    assert ManifoldModel(vae).movements == pytest.approx({"shift_x": 1.5, "shift_y": 1.5, "rotation": 10.0})
    vanilla = trained(crops, invariance=None)
    model = ManifoldModel(vanilla, crops, name="vanilla")
    assert model.movements == {}
    model.move(1.0, 2.0)
    assert model.code == "picture = vanilla.decode([[1.0, 2.0]])[0]"


def test_signals_and_a_single_latent():
    signals = simulate.shifted.peaks(200).data
    vae = trained(signals, 1)
    model = ManifoldModel(vae, signals)
    model.move(0.5, 99.0)  # there is nothing upwards
    assert model.content == (0.5,)
    assert model.place == (0.5, 0.0)
    assert model.picture.shape == (100,)
    assert list(model.movements) == ["shift_x"]
    assert model.limits[0] < model.picture.max() <= model.limits[1] + 0.5
    space = {"model": vae}
    exec(model.code, space)
    np.testing.assert_allclose(space["picture"], model.picture)


def test_errors_raise_at_the_start_and_are_kept_afterwards(vae, crops):
    model = ManifoldModel(vae)
    model.content = (1.0,)
    assert "(M, 3)" in model.error
    model.content = (1.0, 0.0, 0.0)
    assert model.error == ""
    with pytest.raises(ValueError, match=r"\(M, 3\)"):
        ManifoldModel(vae, content=(1.0, 2.0))
    with pytest.raises(ValueError, match="16 x 16"):
        ManifoldModel(vae, np.ones((3, 5, 5)))
    with pytest.raises(traitlets.TraitError, match="up must be below 3, got 3"):
        model.up = 3


@pytest.mark.parametrize("make", [lambda: ManifoldModel(ShiftVAE()), lambda: LatentModel(ShiftVAE(), 0)])
def test_a_model_that_is_not_fitted_is_refused(make):
    with pytest.raises(NotFittedError):
        make()


def test_maps_and_cloud_are_those_of_the_model(model, mapper, image):
    assert model.stride == 4  # a quarter of the window
    maps = mapper.latent_map(image, stride=4)
    xr.testing.assert_equal(model.maps, maps)
    row, column = 3, 7
    n = row * maps.sizes["x"] + column
    np.testing.assert_allclose(model.points[n], maps.sel(latent=["z1", "z2"]).values[:, row, column])
    np.testing.assert_allclose(model.positions[n], [maps.x[column], maps.y[row]])
    assert model.shown == "z1"
    assert model.chosen is None


def test_a_loop_in_the_map_marks_its_windows(model):
    left, right = float(model.maps.x[2]) - 0.01, float(model.maps.x[5]) + 0.01
    model.brush("map", [(left, 0), (right, 0), (right, 9), (left, 9)])
    marked = model.chosen.reshape(model.maps.shape[1:])
    assert marked[:, 2:6].all()
    assert marked.sum() == 4 * marked.shape[0]


def test_a_loop_in_the_cloud_marks_its_windows(model):
    middle = np.median(model.points[:, 0])
    model.brush("cloud", [(middle, -99), (99, -99), (99, 99), (middle, 99)])
    sure = np.abs(model.points[:, 0] - middle) > 1e-3
    np.testing.assert_array_equal(model.chosen[sure], model.points[sure, 0] > middle)


def test_a_click_marks_what_is_next_to_it(model):
    n = 60
    for where, places in (("map", model.positions), ("cloud", model.points)):
        model.brush(where, [places[n], places[n]])
        assert model.chosen[n]
        reach = 0.04 * np.ptp(places, axis=0)
        assert (np.abs(places[model.chosen] - places[n]) <= reach).all()


def test_a_loop_round_nothing_ends_the_selection_and_says_so(model):
    model.brush("cloud", EVERYTHING)
    assert model.chosen.all()
    model.brush("cloud", np.add(EVERYTHING, 500))
    assert model.chosen is None
    assert "no window" in model.error
    model.brush("cloud", EVERYTHING)
    assert model.error == ""


def test_the_same_loop_in_the_other_place_is_another_selection(model):
    model.brush("cloud", [(-99, -99), (0, -99), (0, 99), (-99, 99)])
    first = model.chosen
    model.brush("map", [(-99, -99), (0, -99), (0, 99), (-99, 99)])
    assert first is not None
    assert model.chosen is None  # the map begins at 1 nm


def test_a_long_loop_becomes_a_short_one(model):
    angle = np.linspace(0, 2 * np.pi, 500)
    model.brush("cloud", 50 * np.column_stack([np.cos(angle), np.sin(angle)]))
    assert len(model.outline) <= 24
    assert model.chosen.all()


def test_other_latents_end_the_selection_and_another_stride_does_not(model):
    model.brush("cloud", EVERYTHING)
    model.stride = 8
    assert model.maps.shape[1:] == (9, 11)
    assert model.chosen.shape == (99,)
    model.across, model.up = 1, 0
    assert model.chosen is None
    np.testing.assert_allclose(model.points, model.content[:, ::-1])


def test_the_mean_is_taken_without_the_shifts(model, mapper, image):
    mean = model.mean_crop()
    blurred = sliding_windows(image.values, 16, step=4).mean(axis=(0, 1))
    assert mean.std() > 2 * blurred.std()
    expected = mapper.decode(model.content.mean(axis=0, keepdims=True))[0]
    assert np.corrcoef(mean.ravel(), expected.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("where", ["map", "cloud"])
@pytest.mark.parametrize("at_most", [1000, 50])
def test_the_code_repeats_the_selection(model, mapper, image, where, at_most, monkeypatch):
    monkeypatch.setattr(latent_models, "_AT_MOST", at_most)
    places = model.positions if where == "map" else model.points
    middle = float(np.median(places[:, 0]))  # whatever the model made of them, half lie to the right of it
    model.brush(where, [(middle, -99.0), (999.0, 0.0), (middle, 99.0)])
    assert 0 < model.chosen.sum() < len(places)
    space = {"model": mapper, "image": image}
    exec(model.code, space)
    np.testing.assert_array_equal(space["chosen"], model.chosen)
    np.testing.assert_allclose(space["mean"], model.mean_crop(model.chosen))


def test_the_code_of_no_selection_draws_the_map(mapper, image):
    model = LatentModel(mapper, image.values, shown="shift_y", name="picture", model_name="mine", stride=8)
    space = {"mine": mapper, "picture": image.values}
    exec(model.code, space)
    np.testing.assert_allclose(space["maps"], model.maps)
    assert "shift_y" in model.code


def test_a_model_without_shifts_and_with_a_single_latent(image):
    vanilla = trained(sliding_windows(image, 16, step=4), 1, invariance=None)
    model = LatentModel(vanilla, image)
    middle = float(np.median(model.content))
    model.brush("cloud", [(middle, -0.01), (99, -0.01), (99, 0.01)])  # what is upwards means nothing
    assert abs(model.chosen.mean() - 0.5) < 0.02
    space = {"model": vanilla, "image": image}
    exec(model.code, space)
    np.testing.assert_array_equal(space["chosen"], model.chosen)
    windows = sliding_windows(image.values, 16, step=4).reshape(-1, 16, 16)
    np.testing.assert_allclose(model.mean_crop(model.chosen), windows[model.chosen].mean(axis=0))
    np.testing.assert_allclose(space["mean"], model.mean_crop(model.chosen))


def test_bad_input_is_refused(mapper, image):
    with pytest.raises(ValueError, match="does not fit into an image"):
        LatentModel(mapper, image[:10])
    with pytest.raises(traitlets.TraitError, match="no latent 'z7': there are shift_x, shift_y, z1, z2"):
        LatentModel(mapper, image, shown="z7")


def test_opening_the_room_does_not_import_torch():
    rooms = "atomlens.widgets.latent_models, atomlens.widgets.latent_views"
    code = f"import sys, {rooms}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_traversal_runs_from_the_dark_half_to_the_bright_one(model, image):
    """The planted difference: the lattice is twice as bright on the right."""
    bright = model.positions[:, 0] > float(image.x[50])
    follows = [np.corrcoef(bright, column)[0, 1] for column in model.content.T]
    best = int(np.argmax(np.abs(follows)))
    assert abs(follows[best]) > 0.9
    model.shown = model.names[best]
    mean = model.traversal.mean(("y", "x")).values * np.sign(follows[best])
    assert (np.diff(mean) > 0).all()
    halves = [float(image[:, :42].mean()), float(image[:, 58:].mean())]
    np.testing.assert_allclose(np.abs(mean[[0, -1]])[:: int(np.sign(follows[best]))], halves, rtol=0.1)


@pytest.mark.parametrize("shown", ["z2", "shift_x", "shift_y"])
def test_the_code_repeats_the_traversal(mapper, image, shown):
    model = LatentModel(mapper, image, shown=shown, model_name="vae")
    low, high = np.percentile(model.maps.sel(latent=shown), (2, 98))
    assert (model.steps[0], model.steps[-1]) == (pytest.approx(low, abs=0.6), pytest.approx(high, abs=0.6))
    assert (np.diff(model.steps) > 0).all()
    space = {"image": image, "vae": mapper}
    exec(model.code, space)
    np.testing.assert_allclose(space["pictures"], model.traversal, atol=1e-5)


def test_a_traversal_of_a_shift_moves_the_picture(model):
    model.shown = "shift_y"
    pictures = model.traversal.values
    columns = [np.ptp(pictures.mean(axis=axis), axis=0).max() for axis in (1, 2)]
    assert columns[1] > 5 * columns[0]  # profiles along y change, those along x do not


def test_a_rotation_has_a_traversal_too(image):
    vae = trained(sliding_windows(image, 16, step=4), 1, invariance="rotation")
    model = LatentModel(vae, image, stride=8, shown="rotation", model_name="vae")
    expected = vae.decode(np.median(model.content) * np.ones((7, 1)), rotation=model.steps)
    np.testing.assert_allclose(model.traversal, expected, atol=1e-5)
    space = {"image": image, "vae": vae}
    exec(model.code, space)
    np.testing.assert_allclose(space["pictures"], model.traversal, atol=1e-5)
