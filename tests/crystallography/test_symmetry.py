"""The symmetry of mean cells that were drawn in plain numpy, whose point groups are known by construction."""

import numpy as np
import pytest

from atomlens.crystallography import LocalCrystallography, cell_symmetry
from atomlens.crystallography.point_groups import suggest
from atomlens.lattice import neighbour_vectors

# Sites in the cell (u, v, height), the cell's shape (b/a, angle), and the point group of the picture.
CELLS = {
    "square": ([(0, 0, 1)], (1, 90), "4mm"),
    "square with a middle": ([(0, 0, 1), (0.5, 0.5, 0.4)], (1, 90), "4mm"),
    "pinwheel": ([(0.3, 0.1, 1), (-0.1, 0.3, 1), (-0.3, -0.1, 1), (0.1, -0.3, 1)], (1, 90), "4"),
    "rectangle": ([(0, 0, 1), (0.5, 0.5, 0.5)], (1.3, 90), "2mm"),
    "polar": ([(0, 0, 1), (0.5, 0.35, 0.6)], (1.3, 90), "m"),
    "oblique": ([(0, 0, 1), (0.3, 0.4, 1)], (1.25, 103), "2"),
    "nothing": ([(0, 0, 1), (0.31, 0.38, 0.6), (0.52, 0.18, 0.3)], (1.25, 103), "1"),
    "hexagonal": ([(0, 0, 1)], (1, 120), "6mm"),
    "honeycomb": ([(1 / 3, 2 / 3, 1), (2 / 3, 1 / 3, 1)], (1, 120), "6mm"),
    "two kinds": ([(1 / 3, 2 / 3, 1), (2 / 3, 1 / 3, 0.5)], (1, 120), "3m"),
}


def drawn(sites, shape, seed, *, spacing=24.0, n=240, counts=40.0, turned=11.0):
    """An image of a lattice of Gaussians."""
    ratio, angle = shape
    a = spacing * np.array([np.cos(np.radians(turned)), np.sin(np.radians(turned))])
    b = spacing * ratio * np.array([np.cos(np.radians(turned + angle)), np.sin(np.radians(turned + angle))])
    y, x = np.mgrid[:n, :n]
    image = np.full((n, n), 1.0)
    reach = int(2 * n / spacing)
    for u in range(-reach, reach):
        for v in range(-reach, reach):
            for du, dv, height in sites:
                px, py = (u + du) * a + (v + dv) * b + 7.3
                if -20 < px < n + 20 and -20 < py < n + 20:
                    near = np.s_[
                        max(0, int(py) - 15) : max(0, int(py) + 16),
                        max(0, int(px) - 15) : max(0, int(px) + 16),
                    ]
                    image[near] += counts * height * np.exp(-((x[near] - px) ** 2 + (y[near] - py) ** 2) / 18)
    return np.random.default_rng(seed).poisson(image)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_point_group_is_that_of_the_drawing(name, seed):
    sites, shape, group = CELLS[name]
    found = cell_symmetry(drawn(sites, shape, seed))
    assert found.point_group == group, found.table
    assert (found.table["cost"][found.table["kept"]] < 0.015).all()
    assert group in repr(found)


def test_a_weak_difference_is_doubted_and_so_is_noise():
    sites = [(1 / 3, 2 / 3, 1), (2 / 3, 1 / 3, 0.75)]
    assert any("not clear" in doubt for doubt in cell_symmetry(drawn(sites, (1, 120), 5)).doubts)
    said = cell_symmetry(drawn(*CELLS["square"][:2], 5, counts=1.5)).doubts
    assert any("halves of the image agree" in doubt for doubt in said)


def points(a, b, sites, n=9):
    """A table of places on a lattice; the second site is the sublattice "B"."""
    import pandas as pd

    rows = [
        {"x": x, "y": y, "label": "AB"[s]}
        for i in range(n)
        for j in range(n)
        for s, (u, v) in enumerate(sites)
        for x, y in [np.asarray(a) * (i + u) + np.asarray(b) * (j + v) + 30]
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("a", "b", "sites", "neighbours", "group"),
    [
        ((20, 0), (0, 20), [(0, 0), (0.5, 0.5)], 4, "4mm"),
        ((20, 0), (0, 20), [(0, 0), (0.56, 0.53)], 4, "4mm"),  # displaced: the undistorted one is asked for
        ((20, 0), (0, 21.4), [(0, 0), (0.5, 0.5)], 4, "2mm"),  # 7 % off the square, as PbTiO3
        ((20, 0), (-10, 17.32), [(1 / 3, 2 / 3), (2 / 3, 1 / 3)], 3, "3m"),
        ((20, 0), (5, 24), [(0, 0), (0.5, 0.5)], None, "2"),
    ],
)
def test_neighbours_and_point_group_choose_themselves(a, b, sites, neighbours, group):
    table = points(a, b, sites)
    rng = np.random.default_rng(0)
    table[["x", "y"]] += rng.normal(0, 0.05, (len(table), 2))
    model = LocalCrystallography("auto", 1, center="B", neighbors="A", point_group="auto").fit(table)
    assert model.point_group_ == group
    if neighbours:
        assert model.vectors_.shape[1] == neighbours
    near = [doubt for doubt in model.doubts_ if "point group" in doubt]
    assert bool(near) == (group == "2mm")
    if near:
        assert "4mm" in near[0]


def test_a_number_of_neighbours_is_one_or_auto():
    with pytest.raises(ValueError, match='or "auto"'):
        neighbour_vectors(points((20, 0), (0, 20), [(0, 0), (0.5, 0.5)]), n_neighbors="all")


def test_a_scan_that_is_a_little_off_is_told():
    square = np.array([[20.0, 0.0], [0.0, 20.6]])
    star = np.array([[square[0], square[1], -square[0], -square[1]]])
    group, _, said = suggest(square, star)
    assert group == "4mm"
    assert "3.0% off" in said[0]
