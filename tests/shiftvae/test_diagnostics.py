"""Diagnostics against data whose answer is known."""

import numpy as np
import pytest
import xarray as xr

from atomlens.shiftvae import ShiftVAE, against_truth, compare, explained_by_place, leakage


def test_a_good_model_leaks_little_and_one_made_to_leak_does(model, cells):
    table = leakage(model, cells.data)
    assert table.loc["z1", ["shift_x", "shift_y"]].max() < 0.1

    class Leaky:
        latent_names_ = ("shift_x", "z1")

        def latents(self, X):
            pose = np.random.default_rng(0).normal(size=(500, 1))
            return pose, np.sin(pose)

    assert leakage(Leaky(), None).shift_x["z1"] > 1


def test_the_kind_is_in_the_content_and_not_in_the_shift(model, cells):
    content = against_truth(model.transform(cells.data), {"kind": cells.truth.kind})
    assert content.information.max() == pytest.approx(np.log(3), rel=0.1)
    shifts = against_truth(model.shifts(cells.data), {"kind": cells.truth.kind})
    assert shifts.information.max() < 0.1


def test_shifts_against_planted_ones(model, cells):
    table = against_truth(model.shifts(cells.data), cells.truth[["shift_x", "shift_y"]])
    table = table.set_index(["latent", "truth"])
    assert table.pearson["z1", "shift_x"] > 0.99
    assert abs(table.pearson["z2", "shift_x"]) < 0.1


def test_the_better_prior_wins_on_crops_that_were_held_out(cells):
    settings = {"max_epochs": 8, "progress": False}
    models = {s: ShiftVAE(1, shift_scale=s, **settings) for s in (0.02, 0.15)}
    table = compare(models, cells.data)
    assert table.elbo[0.15] > table.elbo[0.02]
    assert table.at_edge[0.02] > 0.5 > table.at_edge[0.15]
    assert not hasattr(models[0.15], "core_")


def test_each_model_has_its_crops(cells):
    crops = {"large": cells.data.values[:300], "small": cells.data.values[:300, 4:-4, 4:-4]}
    models = {name: ShiftVAE(1, max_epochs=2, progress=False) for name in crops}
    assert list(compare(models, crops).index) == ["large", "small"]
    with pytest.raises(ValueError, match="no crops for large"):
        compare(models, {"small": crops["small"]})


class Mapped:
    """A model whose maps are known."""

    lattice, latent_dim = np.array([[9.0, 1.0], [-1.0, 8.0]]), 2
    latent_names_ = ("shift_a", "shift_b", "z1", "z2")

    def __init__(self, z1, z2):
        self.maps = np.stack([z1, z1, z1, z2])

    def latent_map(self, image, *, stride):
        return xr.DataArray(self.maps[:, ::stride, ::stride], dims=("latent", "y", "x"))


def test_content_that_knows_its_place_in_the_cell_is_found_out():
    y, x = np.mgrid[:90, :110]
    rng = np.random.default_rng(0)
    phase = np.stack([x, y], axis=-1) @ np.linalg.inv(Mapped.lattice)
    seam, field = (phase[..., 0] % 1 < 0.5).astype(float), np.sin(x / 20) + np.cos(y / 17)
    shares = explained_by_place(Mapped(seam, field + rng.normal(0, 0.3, x.shape)), None)
    assert list(shares.index) == ["z1", "z2"]
    assert shares["z1"] > 0.9
    assert shares["z2"] < 0.03
    half = explained_by_place(Mapped(seam + rng.normal(0, 0.5, x.shape), field), None)
    assert half["z1"] == pytest.approx(0.5, abs=0.05)
    by_chance = explained_by_place(Mapped(*rng.normal(size=(2, *x.shape))), None, stride=7, bins=4)
    assert by_chance.max() < 0.15


def test_a_place_needs_a_lattice_and_windows():
    fake = Mapped(*np.zeros((2, 20, 20)))
    with pytest.raises(ValueError, match="too few for"):
        explained_by_place(fake, None, stride=4)
    fake.lattice = None
    with pytest.raises(ValueError, match="has no lattice"):
        explained_by_place(fake, None)


def test_bad_input(model, cells):
    with pytest.raises(ValueError, match="3 rows of latents, but 2"):
        against_truth(np.zeros((3, 1)), {"a": [1.0, 2.0]})
    vanilla = ShiftVAE(1, invariance=None, max_epochs=1, progress=False).fit(cells.data[:200])
    with pytest.raises(ValueError, match="has no pose"):
        leakage(vanilla, cells.data[:200])
