"""Planted lattices: simulated structures whose basis, sites and cells are known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from atomlens.simulate import structures

PIXEL = 0.02  # nm


def hexagonal(a):
    return a * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])


def centred(width, height):
    return np.array([[width, 0.0], [width / 2, height / 2]])


A, DIAGONAL = 0.3905, np.sqrt(2)
OXIDE = np.diag([2.1134, 2.6658])
CUBE, TURNED = A * np.eye(2), A / 2 * np.array([[1.0, 1.0], [-1.0, 1.0]])
MONOCLINIC = np.array([[-0.08262, 0.50838], [0.53173 / 2, 0.0]])  # a at 99.23 degrees to c, and half of c
DOUBLED = (0.0, (0.0, "alternating"))

# Builder of (size, rotation); basis in nm and number of sites with sublattices told apart; both without.
CASES = {
    "graphene": (structures.graphene, hexagonal(0.246), 2, hexagonal(0.246), 2),
    "MoS2": (
        lambda size, rotation: structures.transition_metal_dichalcogenide("MoS2", size, rotation=rotation),
        *(hexagonal(0.316), 2) * 2,
    ),
    "perovskite 001": (structures.perovskite, CUBE, 2, TURNED, 1),
    "perovskite 110": (
        lambda size, rotation: structures.perovskite(size, zone="110", rotation=rotation),
        *(np.diag([A / DIAGONAL, A]), 2, np.diag([A / DIAGONAL, A / 2]), 1),
    ),
    "polar": (
        lambda size, rotation: structures.perovskite(size, polar=20, variants=4, rotation=rotation),
        *(CUBE, 2, TURNED, 1),
    ),
    "doubled": (
        lambda size, rotation: structures.perovskite(size, polar=20, variants=DOUBLED, rotation=rotation),
        *(CUBE, 2, TURNED, 1),
    ),
    "Si": (
        lambda size, rotation: structures.dumbbells("Si", size, rotation=rotation),
        *(centred(0.5431 / DIAGONAL, 0.5431), 2) * 2,
    ),
    "CdTe": (
        lambda size, rotation: structures.dumbbells("CdTe", size, rotation=rotation),
        *(centred(0.6482 / DIAGONAL, 0.6482), 2) * 2,
    ),
    "Au": (
        lambda size, rotation: structures.metal("Au", size, rotation=rotation),
        *(0.204 * np.eye(2), 1) * 2,
    ),
    "ZrO2": (structures.zirconia, *(MONOCLINIC, 2) * 2),
    "Mo-V oxide": (structures.molybdenum_vanadium_oxide, *(OXIDE, 40) * 2),
}


def turn(degrees):
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def plant(name, *, labelled=True, rotation=0.0, vacancies=0.0, drift=0.0, noise=0.003, seed=0):
    """A table of columns, and what is known about it: all in pixels.

    The truth holds `basis` (of the drifted table), `sites` (their number), `ideal` (positions without
    displacement, noise and drift), `perfect` (basis of these) and the rows of the structure's own table.
    """
    build, basis, sites, plain_basis, plain_sites = CASES[name]
    size = {"graphene": (5.0, 5.0), "Mo-V oxide": (13.0, 13.0)}.get(name, (8.0, 7.0))
    rng = np.random.default_rng(seed)
    structure = build(size, rotation=rotation)
    rows = structure.columns
    rows = rows[rows.x_nm.between(0, size[0]) & rows.y_nm.between(0, size[1]) & rows.visible]
    rows = rows[rng.random(len(rows)) >= vacancies].reset_index(drop=True)
    xy = rows[["x_nm", "y_nm"]].to_numpy()
    ideal = (xy - rows[["dx_nm", "dy_nm"]]) / PIXEL
    scan = np.array([[1, drift], [0, 1 + drift]])
    xy = (xy + rng.normal(0, noise, xy.shape)) @ scan.T / PIXEL
    table = pd.DataFrame(xy, columns=["x", "y"])
    if labelled:
        table["label"] = rows.label
    else:
        basis, sites = plain_basis, plain_sites
    perfect = basis @ turn(rotation).T / PIXEL
    return table, SimpleNamespace(
        basis=perfect @ scan.T,
        sites=sites,
        ideal=ideal.to_numpy(),
        perfect=perfect,
        rows=rows,
        structure=structure,
    )


def equal_lattices(found, truth, tolerance=0.02):
    """Whether two bases differ by a unimodular change only."""
    change = found @ np.linalg.inv(truth)
    whole = np.rint(change)
    return bool(np.abs(change - whole).max() < tolerance and abs(round(np.linalg.det(whole))) == 1)


def right(indexed, ideal, basis):
    """Share of all columns whose cell is right, up to one change of basis and one origin a site."""
    on = indexed["site"].notna().to_numpy()
    cell = indexed.loc[on, ["i", "j"]].to_numpy(dtype=float)
    site = indexed.loc[on, "site"].to_numpy(dtype=int)
    design = np.column_stack([cell, np.eye(site.max() + 1)[site]])
    fit = np.linalg.lstsq(design, ideal[on], rcond=None)[0][:2]
    change = np.rint(fit @ np.linalg.inv(basis))
    assert abs(round(np.linalg.det(change))) == 1
    rest = ideal[on] - cell @ change @ basis
    origin = np.array([np.median(rest[site == s], axis=0) for s in range(site.max() + 1)])
    miss = np.linalg.norm(rest - origin[site], axis=1)
    return np.count_nonzero(miss < 0.05 * np.sqrt(abs(np.linalg.det(basis)))) / len(indexed)


@pytest.fixture
def planted():
    return plant


@pytest.fixture
def same_lattice():
    return equal_lattices


@pytest.fixture
def indexed_right():
    return right


def pytest_generate_tests(metafunc):
    if "any_structure" in metafunc.fixturenames:
        metafunc.parametrize("any_structure", CASES)
