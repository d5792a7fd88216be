"""Lattices from tables: planted basis and sites come back, and nothing is found where nothing repeats."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree
from scipy.stats import qmc

from atomlens import datasets, lattice
from atomlens.simulate import structures

GRID = np.stack(np.meshgrid(np.arange(8.0), np.arange(8.0)), axis=-1).reshape(-1, 2) * 20
TABLE = pd.DataFrame(GRID, columns=["x", "y"])
SHEET = TABLE.assign(intensity=1.0 + (TABLE.x + TABLE.y) // 20 % 2)
RANDOM = np.random.default_rng(0).uniform(0, 400, (200, 2))


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize(("vacancies", "drift"), [(0.0, 0.0), (0.02, 0.03), (0.1, 0.03)])
def test_planted_basis_and_sites(any_structure, labelled, vacancies, drift, planted, same_lattice):
    table, truth = planted(
        any_structure,
        labelled=labelled,
        rotation=33,
        vacancies=vacancies,
        drift=drift,
        seed=int(100 * vacancies),
    )
    found = lattice.estimate(table)
    assert found.periodic
    assert same_lattice(found.basis, truth.basis)
    assert len(found.sites) == truth.sites
    assert found.confidence > 0.9
    if labelled:
        assert set(found.sites.label) == set(table.label)


@pytest.mark.parametrize("rotation", range(0, 360, 40))
def test_basis_is_reduced_and_right_handed_at_any_rotation(rotation, planted, same_lattice):
    table, truth = planted("MoS2", rotation=rotation)
    found = lattice.estimate(table)
    assert same_lattice(found.basis, truth.basis)
    assert found.angle == pytest.approx(120, abs=1)
    assert found.lengths == pytest.approx([15.8, 15.8], abs=0.1)
    assert found.basis[0, 0] > 0
    assert abs(found.basis[0, 1]) < found.basis[0, 0]


def test_origins_and_basis_predict_the_columns(planted):
    table, _ = planted("MoS2", rotation=12)
    indexed = lattice.index(table)
    found = indexed.attrs["lattice"]
    cell, site = indexed[["i", "j"]].to_numpy(dtype=int), indexed["site"].to_numpy(dtype=int)
    expected = found.origins[site] + cell @ found.basis
    miss = table[["x", "y"]].to_numpy() - expected
    assert miss.std() == pytest.approx(0.15, rel=0.05)  # the planted noise
    assert found.sites.n.sum() == len(table)
    # Mo to S2 is a third of the way along the long diagonal.
    apart = found.sites.loc[1, ["u", "v"]].to_numpy(dtype=float)
    assert np.linalg.norm(((apart + 0.5) % 1 - 0.5) @ found.basis) == pytest.approx(9.12, abs=0.1)


def test_calibration_of_the_table_is_passed_on(planted):
    table, _ = planted("Au", noise=0)
    found = lattice.estimate(table.assign(x_nm=0.02 * table.x + 3, y_nm=0.02 * table.y))
    assert found.pixel_size_nm == pytest.approx(0.02)
    assert lattice.estimate(table).pixel_size_nm is None


def test_pixel_size_from_known_parameters(planted):
    table, _ = planted("perovskite 110", noise=0)
    found = lattice.estimate(table)
    first, second = (0.3905 / np.sqrt(2), 0.3905) if found.lengths[0] < found.lengths[1] else (0.3905, 0.2761)
    assert found.calibrated(first, second).pixel_size_nm == pytest.approx(0.02, rel=1e-3)
    assert " nm" in repr(found.calibrated(first, second))


@pytest.mark.parametrize("shape", [(3, 3), (3, 4), (4, 4)])
def test_few_columns_are_enough(shape):
    rows = GRID[(GRID[:, 0] < 20 * shape[0]) & (GRID[:, 1] < 20 * shape[1])]
    found = lattice.estimate(rows)
    np.testing.assert_allclose(found.basis, 20 * np.eye(2), atol=1e-9)
    assert lattice.index(rows).site.notna().all()


@pytest.mark.parametrize("gone", range(25))
def test_few_columns_and_a_vacancy_among_them(gone):
    rows = np.delete(GRID[(GRID < 100).all(axis=1)], gone, axis=0)
    indexed = lattice.index(rows)
    np.testing.assert_allclose(indexed.attrs["lattice"].basis, 20 * np.eye(2), atol=1e-9)
    assert indexed.site.notna().all()


def points_that_do_not_repeat(kind, seed):
    rng = np.random.default_rng(seed)
    count = int(np.exp(rng.uniform(np.log(20), np.log(700))))
    if kind == "uniform":
        return rng.uniform(0, 400, (count, 2))
    if kind == "Poisson disc":
        return 400 * qmc.PoissonDisk(2, radius=0.75 / np.sqrt(count), rng=rng).random(count)
    film = structures.amorphous(size=(3, 3), density=0.4, random_state=seed).columns
    xy = film[["x_nm", "y_nm"]].to_numpy() / 0.02
    return xy[np.unique(np.rint(xy / 8), axis=0, return_index=True)[1]]


@pytest.mark.parametrize("kind", ["uniform", "Poisson disc", "amorphous"])
def test_what_does_not_repeat_is_not_periodic(kind):
    # Many more are counted in the benchmark.
    found = []
    for seed in range(25):
        xy = points_that_do_not_repeat(kind, seed)
        apart = cKDTree(xy).query(xy, k=2)[0][:, 1]
        # Where random points fall together they would be refused, as listed twice.
        found.append(lattice.estimate(xy[apart > 0.3 * np.median(apart)]))
    assert not any(f.periodic for f in found)


def test_a_coincidence_lattice_of_two_grains_is_not_taken():
    # Sigma 5: a cell five times as large holds in both grains.
    truth = datasets.load("fe_boundary_phantom").truth
    for seed in range(3):
        with pytest.warns(UserWarning, match="a second grain"):
            found = lattice.estimate(truth[["x", "y"]], random_state=seed)
        assert found.spacing == pytest.approx(0.2029 / 0.0124, rel=0.04)
        assert len(found.sites) == 1
        assert 0.35 < found.confidence < 0.65


@pytest.mark.parametrize("angle", [21.8, 30.0])
def test_of_two_grains_one_is_meant(angle, same_lattice):
    # 21.8 degrees is a coincidence boundary: a cell seven times as large fits both grains.
    columns = structures.graphene_grain_boundary((7, 7), angle=angle).columns
    columns = columns[columns.x_nm.between(0, 7) & columns.y_nm.between(0, 7)]
    xy = columns[["x_nm", "y_nm"]].to_numpy() / 0.02
    indexed = lattice.index(xy + np.random.default_rng(0).normal(0, 0.15, xy.shape))
    found = indexed.attrs["lattice"]
    assert found.confidence == pytest.approx(0.5, abs=0.08)
    assert found.lengths == pytest.approx([12.3, 12.3], abs=0.15)
    shares = indexed.site.notna().groupby(columns.domain.to_numpy()).mean().sort_values()
    assert shares.iloc[0] < 0.05
    assert shares.iloc[1] > 0.98


def test_array_and_table_agree_and_order_does_not_matter(planted):
    table, _ = planted("Au")
    shuffled = table.sample(frac=1, random_state=1)
    first, second = lattice.estimate(table[["x", "y"]].to_numpy()), lattice.estimate(shuffled)
    np.testing.assert_allclose(first.basis, second.basis, atol=1e-9)


BAD = {
    "few": (lambda: lattice.estimate(GRID[:8]), "8 columns are too few .* at least 9"),
    "none": (lambda: lattice.estimate(TABLE[:0]), "0 columns are too few"),
    "duplicates": (
        lambda: lattice.estimate(np.concatenate([GRID, GRID[:1]])),
        "1 columns are listed twice .*drop_duplicates",
    ),
    "all at one place": (lambda: lattice.estimate(np.zeros((20, 2))), "listed twice"),
    "nearly duplicates": (
        lambda: lattice.estimate(np.concatenate([GRID, GRID[:9] + 0.5])),
        "9 columns are listed twice .*drop_duplicates",
    ),
    "NaN": (lambda: lattice.estimate(np.where(GRID == 20, np.nan, GRID)), "NaN or infinite: drop those rows"),
    "no y": (lambda: lattice.estimate(TABLE[["x"]]), "lacks the column y"),
    "text": (lambda: lattice.estimate(TABLE.astype(str).replace("0.0", "zero")), "positions must be numbers"),
    "three columns": (
        lambda: lattice.estimate(np.zeros((64, 3))),
        r"table with x and y.*got shape \(64, 3\)",
    ),
    "one axis": (lambda: lattice.estimate(np.arange(30.0)), r"got shape \(30,\)"),
    "no array": (lambda: lattice.estimate(object()), "positions must be numbers"),
    "missing label": (
        lambda: lattice.estimate(TABLE.assign(label=[None] + ["A"] * 63)),
        "'label' is missing for some columns",
    ),
    "one line": (
        lambda: lattice.estimate(np.outer(np.arange(30.0), [16, 12])),
        "lie on one line: a lattice needs two directions",
    ),
    "zero length": (lambda: lattice.estimate(GRID).calibrated(0), "positive lengths in nm, got a=0"),
    "negative length": (lambda: lattice.estimate(GRID).calibrated(0.4, -0.4), "positive lengths"),
    "no length": (lambda: lattice.estimate(GRID).calibrated("a"), "positive lengths"),
    "other lengths": (
        lambda: lattice.estimate(GRID).calibrated(0.4, 0.5),
        "20.00 and 20.00 px long. Give the parameters of these vectors",
    ),
    "no property": (lambda: lattice.assign_sublattices(TABLE), "no column 'intensity': name one of x, y"),
    "no table": (lambda: lattice.assign_sublattices(GRID), "must be a table with x, y and 'intensity'"),
    "property of text": (
        lambda: lattice.assign_sublattices(SHEET.astype({"intensity": str})),
        "hold numbers",
    ),
    "property NaN": (
        lambda: lattice.assign_sublattices(SHEET.assign(intensity=np.nan)),
        "'intensity' is NaN for all columns",
    ),
    "property constant": (
        lambda: lattice.assign_sublattices(TABLE.assign(intensity=1.0)),
        "the same for all columns",
    ),
    "one sublattice": (lambda: lattice.assign_sublattices(SHEET, n_sublattices=1), "at least 2, got 1"),
    "one kind": (
        lambda: lattice.assign_sublattices(TABLE.assign(intensity=np.random.default_rng(0).random(64))),
        "no arrangement of 2 sublattices explains 'intensity'",
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_input(bad):
    call, message = BAD[bad]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: lattice.index(RANDOM),
        lambda: lattice.neighbour_vectors(RANDOM),
        lambda: lattice.estimate(RANDOM).calibrated(0.4),
        lambda: lattice.assign_sublattices(
            pd.DataFrame(RANDOM, columns=["x", "y"]).assign(intensity=RANDOM[:, 0])
        ),
        lambda: lattice.index(GRID, lattice.Lattice(np.full((2, 2), np.nan))),
        lambda: lattice.index(RANDOM, lattice.estimate(GRID)),
        lambda: lattice.index(GRID, lattice.Lattice(np.diag([31.0, 47.0]), periodic=True)),
    ],
)
def test_no_lattice(call):
    with pytest.raises(lattice.NotPeriodicError, match="columns do not repeat"):
        call()


def board(n, kind, rng):
    x, y = np.meshgrid(np.arange(n), np.arange(n))
    x, y = x.ravel(), y.ravel()
    table = pd.DataFrame(np.column_stack([x, y]) * 20 + rng.normal(0, 0.3, (n * n, 2)), columns=["x", "y"])
    return table, x / n, {"checkerboard": (x + y) % 2, "stripes": x % 2, "diagonals": (x + y) % 3}[kind]


@pytest.mark.parametrize("kind", ["checkerboard", "stripes", "diagonals"])
def test_sublattices_under_a_gradient_where_a_threshold_fails(kind):
    rng = np.random.default_rng(3)
    table, x, label = board(18, kind, rng)
    # Thickness triples across the field.
    intensity = (1 + 0.4 * label) * (1 + 2 * x) * rng.normal(1, 0.05, len(x))
    n = label.max() + 1
    edges = np.quantile(intensity, np.arange(1, n) / n)
    assert np.mean(np.digitize(intensity, edges) == label) < 0.75
    found = lattice.assign_sublattices(table.assign(intensity=intensity), n_sublattices=n)
    np.testing.assert_array_equal(found.label, n - 1 - label)


def test_sublattices_where_the_order_of_intensities_swaps_in_part_of_the_field():
    rng = np.random.default_rng(4)
    table, x, label = board(20, "checkerboard", rng)
    intensity = 1 + 0.5 * np.where(x > 0.7, 1 - label, label) + rng.normal(0, 0.05, len(x))
    found = lattice.assign_sublattices(table.assign(intensity=intensity))
    np.testing.assert_array_equal(found.label, 1 - label)


def test_sublattices_of_a_cell_with_several_sites(planted):
    table, truth = planted("MoS2", rotation=20, vacancies=0.02)
    rng = np.random.default_rng(5)
    weight = truth.rows.weight * (1 + 0.8 * table.x / table.x.max()) * rng.normal(1, 0.1, len(table))
    # The wrong labels must not be used, nor any column of the table be lost.
    found = lattice.assign_sublattices(table.assign(label=0, signal=weight), by="signal")
    heavier = truth.rows.groupby("label").weight.mean().idxmax()
    np.testing.assert_array_equal(found.label == 0, truth.rows.label == heavier)
    assert set(found) == {"x", "y", "label", "signal"}


def clipped(table):
    table = table.copy()
    table.attrs["saturated"] = 0.1
    return table


def test_a_single_sublattice_of_a_clipped_image_is_doubted():
    with pytest.warns(UserWarning, match="brightness only look the same"):
        found = lattice.estimate(clipped(TABLE))
    assert found.periodic
    assert lattice.estimate(TABLE).doubts == []


def test_sublattices_that_are_known_or_apart_are_not_doubted(planted):
    board = TABLE.assign(label=((TABLE.x + TABLE.y) // 20 % 2).astype(int))
    honeycomb, _ = planted("graphene", labelled=False)
    for table in (board, honeycomb):
        found = lattice.estimate(clipped(table))
        assert len(found.sites) == 2
        assert found.doubts == []


def test_a_lattice_that_is_given_is_not_doubted_for_a_clip():
    given = lattice.estimate(TABLE)
    assert lattice.index(clipped(TABLE), given).attrs["lattice"].doubts == []
