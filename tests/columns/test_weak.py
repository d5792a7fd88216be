"""A fifth to a third of heavy columns: the weak ones are found, or doubted; light ones are left."""

import numpy as np
import pytest

from atomlens import columns, metrics, simulate

SIGMA, SIDE = 2.5, 220


def lattice(*, hexagonal, heavy, spacing=5.5, electrons=200.0, ratio=8.0, seed=0):
    """Image of Gaussian columns, and their positions; `heavy` is a share, or every how many-th row."""
    rng = np.random.default_rng(seed)
    basis = spacing * SIGMA * np.array([[1, 0], [0.5, 0.75**0.5]] if hexagonal else [[1, 0], [0, 1]])
    turn = rng.uniform(0, np.pi / 2)
    basis = basis @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    indices = np.mgrid[-40:40, -40:40].reshape(2, -1).T
    xy = indices @ basis + SIDE / 2 + rng.uniform(-5, 5, 2)
    near = ((xy > -10) & (xy < SIDE + 10)).all(axis=1)
    xy, indices = xy[near], indices[near]
    some = rng.random(len(xy)) < heavy if heavy < 1 else (indices @ [1, 2]) % heavy == 0
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.full((SIDE, SIDE), 0.15)
    for (a, b), weight in zip(xy, np.where(some, ratio, 1.0), strict=True):
        image += weight * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * SIGMA**2))
    inside = ((xy >= 0) & (xy <= SIDE - 1)).all(axis=1)
    return rng.poisson(image * electrons / (2 * np.pi * SIGMA**2)), xy[inside]


@pytest.mark.parametrize("hexagonal", [False, True])
@pytest.mark.parametrize("heavy", [0.2, 0.33, 5])
@pytest.mark.parametrize("refine", [False, True])
def test_weak_columns_among_heavy_ones_are_found(hexagonal, heavy, refine):
    image, truth = lattice(hexagonal=hexagonal, heavy=heavy, seed=31)
    found = columns.find(image, refine=refine)
    assert metrics.match(found, truth, tolerance=4, border=5, shape=image.shape).f1 > 0.97


@pytest.mark.parametrize("heavy", [0.33, 5])
def test_weak_columns_that_stay_lost_are_said(heavy):
    image, truth = lattice(hexagonal=True, heavy=heavy, spacing=4.2, seed=32)
    with pytest.warns(columns.OutsideTrainedDomain, match="far weaker"):
        found = columns.find(image, refine=False)
    assert len(found) < 0.9 * len(truth)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("electrons", [20, 60, 200, 1000])
def test_oxygen_between_heavy_columns_is_neither_found_nor_doubted(electrons):
    sample = simulate.image(simulate.structures.perovskite((4, 4)), electrons=electrons, random_state=33)
    found = columns.find(sample.data, refine=False)
    assert len(found) < 1.1 * sample.truth["scored"].sum()


def test_a_corner_with_heavy_columns_is_enough():
    heavy, truth = lattice(hexagonal=True, heavy=0.2, seed=34)
    image = np.full((440, 440), heavy.min())
    image[:SIDE, :SIDE] = heavy
    found = columns.find(image, refine=False)
    assert metrics.match(found, truth, tolerance=4, border=5, shape=image.shape).f1 > 0.95


@pytest.mark.filterwarnings("error")
def test_columns_that_a_higher_threshold_leaves_out_are_not_missed():
    sample = simulate.image(simulate.structures.perovskite((3, 3)), electrons=30, random_state=5)
    every = columns.find(sample.data, refine=False)
    some = columns.find(sample.data, refine=False, threshold=float(every["score"].quantile(0.8)))
    assert 0 < len(some) < 0.4 * len(every)
