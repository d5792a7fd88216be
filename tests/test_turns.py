"""Pictures turned and mirrored: quarters of a turn are those of numpy, in the sense from x towards y."""

import numpy as np
import pytest

from atomlens._turns import turned

PICTURES = np.random.default_rng(0).normal(size=(2, 9, 9))


@pytest.mark.parametrize("order", [1, 3])
def test_quarter_turns_and_mirrors_move_pixels_only(order):
    quarter = np.rot90(PICTURES, -1, axes=(1, 2))  # x, to the right, becomes y, which is down
    assert np.allclose(turned(PICTURES, np.pi / 2, order=order), quarter, atol=1e-9)
    assert np.allclose(turned(PICTURES, 0.0, mirrored=True, order=order), PICTURES[:, ::-1], atol=1e-9)
    left = turned(PICTURES, 0.0, mirrored=True, axis=np.pi / 2, order=order)
    assert np.allclose(left, PICTURES[:, :, ::-1], atol=1e-9)


def test_the_mirror_comes_before_the_turn():
    both = turned(PICTURES, np.pi / 2, mirrored=True)
    assert np.allclose(both, np.rot90(PICTURES[:, ::-1], -1, axes=(1, 2)), atol=1e-9)
    assert not np.allclose(both, np.rot90(PICTURES, -1, axes=(1, 2))[:, ::-1], atol=0.1)


def test_a_spot_goes_where_it_is_turned():
    y, x = np.mgrid[-10:11, -10:11]
    spot = np.exp(-((x - 6) ** 2 + y**2) / 6)[None]
    [after] = turned(spot, np.radians(60))
    row, column = np.unravel_index(after.argmax(), after.shape)
    assert (column - 10, row - 10) == (3, 5)
