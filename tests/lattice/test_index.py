"""Every column gets its cell: through vacancies, drift, strain, domain walls and around what does not fit."""

import numpy as np
import pandas as pd
import pytest

from atomlens import lattice

N, A = 40, 20.0


@pytest.mark.parametrize("labelled", [True, False])
def test_planted_cells(any_structure, labelled, planted, indexed_right):
    table, truth = planted(any_structure, labelled=labelled, rotation=71, vacancies=0.02, drift=0.03, seed=2)
    assert indexed_right(lattice.index(table), truth.ideal, truth.perfect) >= 0.995


@pytest.mark.parametrize("labelled", [True, False])
def test_cells_of_a_large_cell_with_a_tenth_of_the_columns_gone(labelled, planted, indexed_right):
    # Few cells: the links of a site break into small pieces.
    table, truth = planted("Mo-V oxide", labelled=labelled, vacancies=0.1, seed=3)
    assert indexed_right(lattice.index(table), truth.ideal, truth.perfect) >= 0.995


def perovskite(rng, *, twin=0.0):
    """Two sublattices with a polar wall, a slow distortion, drift and a rotation: table and true cells."""
    i, j, label = (v.ravel() for v in np.meshgrid(np.arange(N), np.arange(N), [0, 1], indexing="ij"))
    cell = np.column_stack([i, j]).astype(float)
    xy = (cell + 0.5 * label[:, None]) * A
    wall = xy[:, 0] > 0.3 * xy[:, 1] + rng.uniform(200, 400)
    xy[:, 0] += np.where(wall, 1.2, -1.2) * label
    xy[:, 1] += twin * np.where(wall, xy[:, 0], 0)
    xy += 0.01 * N * A * np.column_stack([np.sin(xy[:, 1] / 200 + rng.uniform(0, 6)), np.cos(xy[:, 0] / 170)])
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    xy = xy @ turn.T @ np.array([[1, 0.03], [0, 1.03]]).T + rng.normal(0, 0.15, xy.shape)
    keep = rng.random(len(xy)) >= 0.02
    table = pd.DataFrame(xy[keep], columns=["x", "y"]).assign(sublattice=np.array(["A", "B"])[label[keep]])
    return table, A * (cell + 0.5 * label[:, None])[keep]


@pytest.mark.parametrize("twin", [0.0, 0.02])
@pytest.mark.parametrize("seed", range(4))
def test_walls_distortion_drift_and_vacancies(twin, seed, indexed_right):
    table, ideal = perovskite(np.random.default_rng(seed), twin=twin)
    indexed = lattice.index(table)
    assert indexed_right(indexed, ideal, A * np.eye(2)) >= 0.995
    assert indexed.attrs["lattice"].sites.label.tolist() == ["A", "B"]
    # Both sublattices share their cells: each B lies in the cell of the A it belongs to, or in the next one.
    origins = indexed.groupby("site")[["i", "j"]].min()
    assert np.abs(origins.loc[0] - origins.loc[1]).max() <= 1


def test_interstitials_are_left_out():
    rng = np.random.default_rng(0)
    table, _ = perovskite(rng)
    extra = table[["x", "y"]].to_numpy()[:3200:160] + rng.uniform(5, 7, (20, 2)) * [1, 0]
    both = pd.concat(
        [table, pd.DataFrame(extra, columns=["x", "y"]).assign(sublattice="A")], ignore_index=True
    )
    indexed = lattice.index(both)
    assert indexed.site[len(table) :].isna().all()
    assert indexed.site[: len(table)].notna().mean() >= 0.995
    assert len(indexed.attrs["lattice"].sites) == 2


def test_no_two_columns_share_a_place(planted):
    table, _ = planted("graphene", vacancies=0.02)
    double = pd.concat([table, table[50::200] + 0.9], ignore_index=True)
    indexed = lattice.index(double).dropna()
    assert not indexed.duplicated(["site", "i", "j"]).any()
    assert len(indexed) == len(table)


def test_the_table_is_kept_and_not_changed(planted):
    table, _ = planted("MoS2")
    table = table.assign(name="column").set_index(np.arange(len(table)) * 3 + 7)
    before = table.copy()
    indexed = lattice.index(table)
    pd.testing.assert_frame_equal(table, before)
    pd.testing.assert_frame_equal(indexed[table.columns.tolist()], before, check_like=True)
    assert indexed.dtypes[["i", "j", "site"]].astype(str).tolist() == ["Int64"] * 3
    assert indexed[["i", "j"]].min().tolist() == [0, 0]


def test_a_given_lattice_is_used_and_refined(planted, indexed_right):
    table, truth = planted("perovskite 001", rotation=5, drift=0.03)
    rough = lattice.Lattice(truth.perfect, periodic=True, confidence=0.7, pixel_size_nm=0.02)
    indexed = lattice.index(table, rough)
    found = indexed.attrs["lattice"]
    assert indexed_right(indexed, truth.ideal, truth.perfect) == 1
    np.testing.assert_allclose(found.basis, truth.basis, atol=0.02)
    assert (found.confidence, found.pixel_size_nm) == (0.7, 0.02)


def test_labels_of_several_types_may_stand_side_by_side(planted):
    table, _ = planted("MoS2")
    indexed = lattice.index(table.assign(label=table.label.astype(object).replace(0, "Mo")))
    assert set(indexed.attrs["lattice"].sites.label) == {"Mo", 1}
