"""Losses, against their formulas."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from atomlens.columns import losses  # noqa: E402


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def test_cross_entropy_is_the_mean_over_weighted_pixels():
    z, y = np.array([0.3, -1.2, 2.0, 0.1]), np.array([1.0, 0.0, 1.0, 0.0])
    each = -(y * np.log(sigmoid(z)) + (1 - y) * np.log(1 - sigmoid(z)))
    t = [torch.tensor(v) for v in (z, y)]
    assert losses.cross_entropy(*t).item() == pytest.approx(each.mean())
    weight = torch.tensor([1.0, 0.0, 1.0, 0.0])
    assert losses.cross_entropy(*t, weight).item() == pytest.approx(each[[0, 2]].mean())


def test_focal_loss_is_lin_et_al_equation_5_over_what_there_is_to_find():
    z, y = np.array([0.3, -1.2, 2.0, 0.1]), np.array([1.0, 0.0, 1.0, 0.0])
    p_t = np.where(y == 1, sigmoid(z), 1 - sigmoid(z))
    each = -np.where(y == 1, 0.3, 0.7) * (1 - p_t) ** 3 * np.log(p_t)
    t = [torch.tensor(v) for v in (z, y)]
    assert losses.focal(*t, gamma=3.0, alpha=0.3).item() == pytest.approx(each.sum() / 2)
    weight = torch.tensor([1.0, 1.0, 0.0, 1.0])
    wanted = each[[0, 1, 3]].sum()
    assert losses.focal(*t, weight, gamma=3.0, alpha=0.3).item() == pytest.approx(wanted)


def test_focal_without_focus_is_half_the_cross_entropy():
    z, y = torch.randn(50, generator=torch.Generator().manual_seed(0)), torch.ones(50)
    value = losses.focal(z, y, gamma=0.0, alpha=0.5).item()
    assert value == pytest.approx(losses.cross_entropy(z, y).item() / 2)


def test_focal_of_nothing_to_find_is_finite():
    assert np.isfinite(losses.focal(torch.zeros(5), torch.zeros(5)).item())


def test_the_library_loss_of_that_name_has_no_focus():
    from atomlens.columns._atomai import import_atomai

    atomai = import_atomai()
    z = torch.cat([torch.full((99,), -6.0), torch.tensor([-3.0])]).requires_grad_()
    y = torch.cat([torch.zeros(99), torch.ones(1)])

    def share_of_the_rare_pixel(loss):
        (gradient,) = torch.autograd.grad(loss(z, y), z)
        return (gradient[-1].abs() / gradient.abs().sum()).item()

    ce = share_of_the_rare_pixel(losses.cross_entropy)
    theirs = share_of_the_rare_pixel(atomai.losses_metrics.losses.focal_loss())
    ours = share_of_the_rare_pixel(losses.focal)
    assert theirs == pytest.approx(ce, rel=1e-5)
    assert ours > ce + 0.15
