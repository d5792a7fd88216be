"""Pictures of defects: what does not change when they are turned or mirrored."""

import numpy as np
import pytest

from atomlens.library import aligned, invariants


def pictures(n=6, size=41, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - size // 2
    spots = rng.uniform([1, -9, -9], [3, 9, 9], (n, 4, 3))
    return np.array([
        sum(a * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 18) for a, cx, cy in picture) for picture in spots
    ])  # fmt: skip


def test_invariants_do_not_change_under_turns_and_mirrors():
    crops = pictures()
    before = invariants(crops)
    for after in (crops[:, ::-1], crops.transpose(0, 2, 1), np.rot90(crops, axes=(1, 2))):
        assert np.allclose(invariants(after), before, atol=1e-9)


def test_invariants_tell_pictures_apart_and_grow_with_brightness():
    crops = pictures()
    found = invariants(crops)
    between = np.linalg.norm(found[:, None] - found[None], axis=2)[np.triu_indices(6, 1)]
    assert between.min() > 0.05
    assert np.allclose(invariants(2 * crops), 2 * found)


def test_order_zero_is_the_mean_of_a_ring():
    flat = np.full((1, 41, 41), 3.0)
    found = invariants(flat).reshape(12, 7)
    radius = (np.arange(12) + 0.5) / 12 * 0.95
    assert np.allclose(found[:, 0], 3 * np.sqrt(radius))
    assert np.allclose(found[:, 1:], 0, atol=1e-9)


def test_aligned_crops_agree():
    one = pictures(1, seed=3)[0]
    crops = np.array([one, one[::-1], np.rot90(one), one.T, np.rot90(one, 2)])
    turned = aligned(crops, turns=4)
    assert np.abs(turned - turned[0]).max() < 1e-6 * np.abs(one).max()


def test_aligning_pictures_without_orientation_keeps_them():
    y, x = np.mgrid[:41, :41] - 20
    round_ = np.exp(-(x**2 + y**2) / 40.0)[None].repeat(3, axis=0)
    assert np.allclose(aligned(round_, turns=4), round_, atol=1e-6)


def test_bad_input():
    with pytest.raises(ValueError, match="square pictures"):
        invariants(np.zeros((3, 20, 30)))
    with pytest.raises(ValueError, match="square pictures"):
        aligned(np.zeros((20, 20)))
    with pytest.raises(ValueError, match="turns"):
        aligned(np.zeros((1, 20, 20)), turns=0)
