"""What users do with a model besides training it."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from atomlens.shiftvae import SeparationWarning, ShiftVAE, load_model
from atomlens.windows import sliding_windows

QUICK = {"max_epochs": 2, "batch_size": 50, "progress": False}


@pytest.fixture(scope="module")
def image(cells):
    """A picture of 96 x 120 pixels, made of crops."""
    rows = [np.concatenate(list(cells.data.values[n : n + 5]), axis=1) for n in range(0, 20, 5)]
    return np.concatenate(rows)


def test_shapes(model, cells, of_peaks, peaks):
    some = cells.data[:7]
    assert model.transform(some).shape == (7, 2)
    assert model.shifts(some).shape == (7, 2)
    assert model.reconstruct(some).shape == (7, 24, 24)
    assert model.manifold(3).dims == ("z_down", "z_across", "y", "x")
    assert of_peaks.shifts(peaks.data[:7]).shape == (7, 1)
    assert of_peaks.reconstruct(peaks.data[:7]).shape == (7, 100)
    assert of_peaks.manifold(4, axes=(1, 0)).shape == (4, 4, 100)


def test_a_reconstruction_is_the_crop_without_its_noise(model, cells):
    left = cells.data.values - model.reconstruct(cells.data)
    assert left.std() == pytest.approx(0.1, rel=0.05)


def test_the_manifold_is_what_decode_draws(model):
    pictures = model.manifold(5, extent=1.0)
    drawn = model.decode([[0.5, -1.0]])[0]
    np.testing.assert_allclose(pictures.sel(z_across=0.5, z_down=-1.0), drawn, atol=1e-6)


def test_the_score_is_the_bound_that_training_reached(model, cells):
    """In the units of the data, per crop; the history is of scaled data."""
    summary = model.summary(cells.data)
    left = cells.data.values - model.reconstruct(cells.data)
    sd = model.noise_sd_
    likelihood = -(left**2).sum(axis=(1, 2)).mean() / (2 * sd**2) - 576 * np.log(sd * np.sqrt(2 * np.pi))
    # Draws of the posterior fit worse than its mean: the mean alone gives an upper limit, and a close one.
    assert likelihood - summary.kl.sum() - 8 < model.score(cells.data) < likelihood - summary.kl.sum()


def test_units_of_the_data_do_not_matter(cells):
    some = cells.data[:300]
    one = ShiftVAE(1, shift_scale=0.15, **QUICK).fit(some)
    other = ShiftVAE(1, shift_scale=0.15, **QUICK).fit(1e-9 * some + 3e-9)
    np.testing.assert_allclose(one.transform(some), other.transform(1e-9 * some + 3e-9), atol=0.05)
    assert other.noise_sd_ == pytest.approx(1e-9 * one.noise_sd_, rel=0.01)


def test_the_same_seed_gives_the_same_and_leaves_no_trace(cells):
    some = cells.data[:200]
    torch.set_num_threads(2)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, two = (ShiftVAE(1, **QUICK).fit(some).transform(some) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert torch.rand(1) == expected
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_a_map_of_an_image_has_its_positions(model, image):
    maps = model.latent_map(image, stride=(4, 6))
    assert maps.shape == (4, 19, 17)
    assert maps.latent.values.tolist() == model.latent_names_
    assert float(maps.y[0]) == 11.5
    assert float(maps.x[1]) == 17.5
    windows = sliding_windows(image, (24, 24), step=(4, 6)).reshape(-1, 24, 24)
    np.testing.assert_allclose(maps.values[2:].reshape(2, -1).T, model.transform(windows), atol=1e-5)


def test_windows_are_taken_as_they_come(model, image):
    windows = sliding_windows(image, 24, step=8)
    np.testing.assert_allclose(
        model.transform(windows), model.transform(windows.reshape(-1, 24, 24)), atol=1e-6
    )


def test_a_run_that_diverges_keeps_the_last_good_state(cells, monkeypatch):
    calls = []

    def breaks(maps, weight):
        calls.append(0)
        return maps.sum() * (np.nan if len(calls) > 14 else 0.0)

    monkeypatch.setattr("atomlens.shiftvae._train.roughness", breaks)
    some = cells.data.values[:200].reshape(10, 20, 24, 24)
    vae = ShiftVAE(1, smoothness=1.0, **(QUICK | {"max_epochs": 9}))
    with pytest.warns(ConvergenceWarning, match="after 3 epochs: the last good state is kept"):
        vae.fit(some)
    assert vae.ended_ == "diverged"
    assert np.isfinite(vae.transform(some)).all()


def test_parameters_are_those_of_scikit_learn():
    vae = ShiftVAE(3, invariance=None, noise_sd=0.2)
    assert clone(vae).get_params() == vae.get_params()


def test_files(model, cells, tmp_path):
    model.save(tmp_path / "vae.pt")
    again = load_model(tmp_path / "vae.pt")
    np.testing.assert_array_equal(again.transform(cells.data), model.transform(cells.data))
    assert again.score(cells.data[:50]) == pytest.approx(model.score(cells.data[:50]))
    assert again.history_.equals(model.history_)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(tmp_path / "vae.pt")
    model.save(tmp_path / "vae.pt", overwrite=True)


def test_a_lattice_is_stored(tmp_path, image):
    vae = ShiftVAE(1, lattice=[[8.0, 0], [0, 8.0]], **QUICK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparationWarning)  # crops in a row are no crystal
        vae.fit(sliding_windows(image, 24, step=6))
    vae.save(tmp_path / "vae.pt")
    np.testing.assert_array_equal(
        load_model(tmp_path / "vae.pt").latent_map(image, stride=9), vae.latent_map(image, stride=9)
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b"no weights"), "holds no weights"),
        (lambda path: torch.save({"other": torch.ones(1)}, path), "holds no weights"),
        (lambda path: path.with_suffix(".json").write_text("{}"), "does not describe a shift-VAE"),
        (lambda path: path.with_suffix(".json").write_text("no json"), "does not describe a shift-VAE"),
    ],
)
def test_foreign_files(model, tmp_path, damage, message):
    model.save(tmp_path / "vae.pt")
    damage(tmp_path / "vae.pt")
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path / "vae.pt")


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="json"):
        load_model(tmp_path / "vae.pt")


def test_a_name_without_the_ending(model, tmp_path):
    with pytest.raises(ValueError, match=r"saved as \.pt"):
        model.save(tmp_path / "vae.h5")


def noise(*shape):
    return np.random.default_rng(0).random(shape)


@pytest.mark.parametrize(
    ("crops", "settings", "message"),
    [
        (noise(200), {}, "signals have shape"),
        (noise(2, 2, 2, 2, 2), {}, "signals have shape"),
        (noise(200, 12, 3), {}, "too small"),
        (noise(20, 12, 12), {}, "fewer than a batch"),
        (np.where(np.arange(200)[:, None] == 7, np.nan, noise(200, 16)), {}, "NaN"),
        (np.where(np.arange(200)[:, None] == 7, 1.0, noise(200, 16)), {}, "number 7"),
        (2 * noise(200, 16), {"likelihood": "bernoulli"}, "from 0 to 1"),
        (noise(200, 16), {"invariance": "rotation"}, "cannot be turned"),
        (noise(200, 16), {"invariance": "scale"}, "invariance must be one of"),
        (noise(200, 16), {"decoder": "spatial"}, "decoder must be one of"),
        (noise(200, 16), {"latent_dim": 0}, "latent_dim must be"),
        (noise(200, 16), {"shift_scale": 0.0}, "shift_scale must be positive"),
        (noise(200, 16), {"shift_scale": 3.0}, "half-widths"),
        (noise(200, 16), {"noise_sd": -1.0}, "noise_sd must be positive"),
        (noise(200, 16), {"beta": -1.0}, "beta must not be negative"),
        (noise(200, 16), {"smoothness": 1.0}, "needs crops on a grid"),
        (noise(4, 60, 12, 12), {"smoothness": 1.0}, "too small"),
        (noise(200, 12, 12), {"lattice": [[1.0, 2.0]]}, "two vectors"),
        (noise(200, 12, 12), {"lattice": [[4.0, 0.0], [8.0, 0.0]]}, "smaller than a pixel"),
        (noise(200, 12, 12), {"lattice": [[4.0, 0.0], [0.0, 4.0]], "invariance": None}, "for shifts"),
    ],
)
def test_bad_input(crops, settings, message):
    with pytest.raises(ValueError, match=message):
        ShiftVAE(**{"progress": False, **settings}).fit(crops)


def test_complex_pixels():
    with pytest.raises(TypeError, match="real numbers"):
        ShiftVAE().fit(noise(200, 16) * 1j)


def test_other_crops_than_those_of_the_training(model, of_peaks, image):
    with pytest.raises(ValueError, match="knows crops of 24 x 24 pixels, these have 20 x 20"):
        model.transform(noise(5, 20, 20))
    with pytest.raises(ValueError, match="content has shape"):
        model.decode([[0.0]])
    with pytest.raises(ValueError, match="shift has 2 numbers"):
        model.decode([[0.0, 0.0]], shift=[[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="knows no rotation"):
        model.decode([[0.0, 0.0]], rotation=[1.0])
    with pytest.raises(ValueError, match="does not fit"):
        model.latent_map(image[:20])
    with pytest.raises(ValueError, match="no windows in an image"):
        of_peaks.latent_map(image)
    with pytest.raises(ValueError, match="NaN"):
        model.transform(np.full((1, 24, 24), np.nan))
    with pytest.raises(ValueError, match="must be numbers below 2"):
        model.manifold(3, axes=(0, 2))
