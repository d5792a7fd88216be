"""Diagnostics against data whose answer is known."""

import numpy as np
import pytest

from atomlens.shiftvae import ShiftVAE, against_truth, compare, leakage


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


def test_bad_input(model, cells):
    with pytest.raises(ValueError, match="held_out"):
        compare({}, cells.data, held_out=2)
    with pytest.raises(ValueError, match="3 rows of latents, but 2"):
        against_truth(np.zeros((3, 1)), {"a": [1.0, 2.0]})
    vanilla = ShiftVAE(1, invariance=None, max_epochs=1, progress=False).fit(cells.data[:200])
    with pytest.raises(ValueError, match="has no pose"):
        leakage(vanilla, cells.data[:200])
