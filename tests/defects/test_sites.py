"""Columns of the average cell, and the lattice followed up to the border."""

import numpy as np
import pytest

from atomlens import lattice, simulate
from atomlens.defects._cells import CellFrame
from atomlens.defects._residual import expected_image
from atomlens.defects._sites import Sites
from atomlens.defects._view import View
from atomlens.lattice import Lattice
from atomlens.simulate import structures

BASIS = np.array([[20.0, 2.0], [-7.0, 18.0]])


def cell_of(uv, heights, sigma, shape=(18, 20)):
    """Periodic sum of Gaussians, as an average cell would show it."""
    v, u = ((np.arange(n) + 0.5) / n for n in shape)
    cell = np.full(shape, 3.0)
    for (at_u, at_v), height in zip(uv, heights, strict=True):
        for i in range(-2, 3):
            for j in range(-2, 3):
                away_u, away_v = u[None, :] - at_u + i, v[:, None] - at_v + j
                x, y = (away_u * BASIS[0, k] + away_v * BASIS[1, k] for k in (0, 1))
                cell += height * np.exp(-(x**2 + y**2) / (2 * sigma**2))
    return cell


@pytest.mark.parametrize("sigma", [1.8, 2.5, 3.2])
@pytest.mark.parametrize("uv", [[(0.02, 0.97)], [(0.1, 0.2), (0.6, 0.7)]])
def test_sites_and_width_of_a_cell(uv, sigma):
    cell = cell_of(uv, [10.0, 6.0][: len(uv)], sigma)
    sites = Sites.of(cell, Lattice(BASIS, periodic=True), 1.2 * sigma)
    away = sites.uv[:, None] - np.array(uv)
    distance = np.linalg.norm((away - np.rint(away)) @ BASIS, axis=2)
    assert distance.min(axis=0).max() < 0.5  # pixels
    assert len(sites.uv) == len(uv)
    assert sites.sigma == pytest.approx(sigma, rel=0.03)
    area = np.pi * max(0.5 * sites.sigma, 1) ** 2 * len(uv)
    assert sites.mask.mean() == pytest.approx(area / np.linalg.det(BASIS), rel=0.15)
    assert sites.chance > 5


def test_a_flat_cell_has_no_sites():
    sites = Sites.of(np.zeros((18, 20)), Lattice(BASIS, periodic=True), 2.0)
    assert (len(sites.uv), sites.sigma) == (0, 2.0)
    assert not sites.mask.any()


def test_pixels_at_sites_are_those_of_the_columns():
    sample = simulate.image(structures.perovskite((6, 6), rotation=11), electrons=300, random_state=1)
    view = View.of(sample.data)
    marked = view.sites.at(view.frame)
    cations = sample.truth.query("species != 'O' and 8 < x < 290 and 8 < y < 290")
    assert marked[cations.y.round().astype(int), cations.x.round().astype(int)].mean() > 0.95
    assert marked.mean() < 0.1


def test_nothing_moves_at_the_border_of_an_image_in_which_nothing_does():
    image = simulate.image(structures.zirconia((7, 7), rotation=20), electrons=5000, random_state=0).data
    pixels = image.values.astype(np.float32)
    frame = CellFrame.track(pixels, lattice.estimate(image))
    model, _, moved, _ = expected_image(pixels, frame)
    again = moved.tracked_again(pixels, model, moved.usable)
    # Nothing moved in this image, but for the lattice that is not known exactly: a linear function of place
    for followed in (frame, again):
        assert _nonlinear(followed.shift)[:, :8].std() < 0.006


def _nonlinear(shift):
    """What a plane does not explain of each component."""
    y, x = np.mgrid[: shift.shape[1], : shift.shape[2]].reshape(2, -1)
    terms = np.column_stack([np.ones_like(x), x, y])
    values = shift.reshape(2, -1).T
    return (values - terms @ np.linalg.lstsq(terms, values, rcond=None)[0]).T.reshape(shift.shape)
