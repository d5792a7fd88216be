"""Maxima of maps, and their place between the pixels."""

import numpy as np
import pytest

from atomlens._maxima import local_maxima, strongest_first, vertex


def test_maxima_are_those_of_a_slow_search():
    values = np.random.default_rng(0).integers(0, 30, (12, 15))
    found = local_maxima(values, 5, mode="wrap")
    wrapped = np.pad(values, 2, mode="wrap")
    slow = [[wrapped[y : y + 5, x : x + 5].max() == values[y, x] for x in range(15)] for y in range(12)]
    np.testing.assert_array_equal(found, slow)
    assert 3 < found.sum() < 30


def test_the_strongest_come_first_and_equal_ones_in_order():
    values = np.array([[1, 0, 3], [0, 0, 0], [3, 0, 2]])
    at = strongest_first(values, values > 0)
    assert at.tolist() == [[0, 2], [2, 0], [2, 2], [0, 0]]
    assert strongest_first(values, values > 9).shape == (0, 2)


@pytest.mark.parametrize("place", [-0.5, -0.1, 0.0, 0.37])
def test_the_vertex_of_a_parabola_is_exact(place):
    low, middle, high = 7 - 3 * (np.array([-1, 0, 1]) - place) ** 2
    offset, excess = vertex(high - low, 2 * middle - low - high)
    assert offset == pytest.approx(place)
    assert middle + excess == pytest.approx(7)


def test_where_nothing_bends_down_there_is_no_vertex():
    offset, excess = vertex(np.array([2.0, 1.0]), np.array([0.0, -1.0]))
    assert offset.tolist() == excess.tolist() == [0, 0]
