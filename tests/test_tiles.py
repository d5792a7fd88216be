"""Pieces of large images."""

import numpy as np
import pytest

from atomlens._tiles import even_slices, samples


@pytest.mark.parametrize(("shape", "count"), [((40, 50), 1), ((41, 50), 2), ((90, 120), 9), ((500, 900), 9)])
def test_samples_reach_from_corner_to_corner(shape, count):
    image = np.arange(np.prod(shape)).reshape(shape)
    pieces = samples(image, (40, 50))
    assert len(pieces) == count
    assert {piece.shape for piece in pieces} == {(40, 50)}
    assert pieces[0][0, 0] == 0
    assert pieces[-1][-1, -1] == image[-1, -1]


@pytest.mark.parametrize(("n", "count"), [(10, 1), (10, 3), (7, 7), (1000, 9)])
def test_even_slices_cover_everything_once(n, count):
    found = even_slices(n, count)
    np.testing.assert_array_equal(np.concatenate([np.arange(n)[s] for s in found]), np.arange(n))
    assert np.ptp([s.stop - s.start for s in found]) <= 1
