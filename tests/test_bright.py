"""Single atoms far brighter than their lattice: told from it, found by `find`, no hindrance to `estimate`."""

import numpy as np
import pytest

from atomlens import columns, lattice, metrics, simulate
from atomlens._bright import bright_spots
from atomlens.columns.scale import COLUMN_WIDTH, features

SIGMA = 3.0


def sheet(shape=(220, 240), spacing=20.0, at=(), strength=8.0, electrons=160.0, seed=0):
    """A square lattice with bright atoms in place of some of its own: image, and positions of all."""
    y, x = np.indices(shape)
    sites = np.array(
        [(a, b) for b in np.arange(9, shape[0], spacing) for a in np.arange(12, shape[1], spacing)]
    )
    image = np.full(shape, 1.5)
    weight = np.ones(len(sites))
    weight[list(at)] = strength
    for (a, b), w in zip(sites, weight, strict=True):
        image += (
            w * electrons / (2 * np.pi * SIGMA**2) * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * SIGMA**2))
        )
    return np.random.default_rng(seed).poisson(image).astype(float), sites


@pytest.mark.parametrize("at", [(), (40,), (40, 41, 53)])
def test_spots_are_the_bright_atoms_and_no_others(at):
    image, sites = sheet(at=at)
    spots, between = bright_spots(image, np.ones(image.shape, dtype=bool), SIGMA / 1.3, SIGMA)
    assert len(spots) == len(at)
    if at:
        away = np.linalg.norm(spots[["x", "y"]].to_numpy()[:, None] - sites[list(at)][None], axis=2)
        assert away.min(axis=0).max() < 0.7
        assert spots["score"].between(0.5, 1).all()
        a, b = sites[at[0]].astype(int)
        assert (
            abs(between[b - 1 : b + 2, a - 1 : a + 2].mean() - 1.5) < 5
        )  # the light is gone, of 8 x 2.8 + 1.5
    else:
        assert between is image


def test_speckles_of_dirt_are_no_atoms():
    graphene = simulate.structures.graphene((6, 6), rotation=8)
    for thickness in (1.0, 3.0):
        patch = simulate.structures.amorphous("C", (6, 6), thickness=thickness, random_state=3)
        sheet = simulate.structures.combine(graphene, patch, where=(3.0, 3.0, 1.2))
        image = simulate.image(sheet, electrons=150, random_state=1).data.to_numpy()
        size = features(image)[0]
        assert bright_spots(image, np.ones(image.shape, dtype=bool), size, COLUMN_WIDTH * size)[0].empty


def test_an_eighth_of_the_columns_may_be_bright():
    _, sites = sheet()
    image, _ = sheet(at=tuple(range(0, len(sites), 8)))
    assert metrics.match(columns.find(image), sites, tolerance=3).f1 > 0.98


@pytest.mark.parametrize("strength", [6.0, 15.0])
def test_find_sees_the_bright_atoms_and_the_others(strength):
    at = (40, 41, 53)
    image, sites = sheet(at=at, strength=strength, electrons=120)
    found = columns.find(image)
    assert found.attrs["model"].startswith("general")
    match = metrics.match(found, sites, tolerance=3)
    assert match.f1 > 0.98
    bright = found.nlargest(3, "intensity")[["x", "y"]].to_numpy()
    away = np.linalg.norm(bright[:, None] - sites[list(at)][None], axis=2).min(axis=0)
    assert away.max() < 1.0


def test_the_lattice_of_the_image_is_seen_between_them():
    image, _ = sheet(at=(40, 53, 66, 20), strength=25.0, electrons=60)
    found = lattice.estimate(image)
    assert found.periodic
    assert np.allclose(found.lengths, 20, rtol=0.02)
