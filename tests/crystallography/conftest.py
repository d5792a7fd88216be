"""Planted crystals: tables of columns as a microscope would give them, and the truth."""

import numpy as np
import pytest

from atomlens.simulate import column_positions, structures

FOUR = (0, 90, 180, 270)


def plant_crystal(
    variants=FOUR, *, polar=25.0, size=14.0, noise=3.0, missing=0.02, drift=0.02, slow=0.1, seed=0, **more
):
    """A perovskite of Sr and Ti: columns, and the label of each Ti; -1 at domain walls.

    Lengths in pm, but `size` in nm; drift is relative, the slow distortion an amplitude in pixels of 20 pm.
    """
    cells = structures.perovskite((size, size), polar=polar, variants=variants, random_state=seed, **more)
    sample = column_positions(cells, noise=noise / 1000, missing=missing, random_state=seed)
    table, truth = sample.data, sample.truth
    xy = table[["x", "y"]].to_numpy() @ np.array([[1, drift], [0, 1 + drift]])
    xy += slow * np.column_stack([np.sin(xy[:, 1] / 90 + seed), np.cos(xy[:, 0] / 90)])
    table[["x", "y"]], table[["x_nm", "y_nm"]] = xy, 0.02 * xy
    on = (table["sublattice"] == "Ti").to_numpy()
    return table, np.where(truth["interior"], truth["variant"], -1)[on]


@pytest.fixture
def planted():
    return plant_crystal
