"""Empty sites are the columns that were taken out."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from atomlens import lattice
from atomlens.simulate import column_positions, structures


def grid(n=9, a=20.0):
    y, x = np.mgrid[:n, :n].reshape(2, -1)
    return pd.DataFrame({"x": a * x + 3, "y": a * y + 5})


def found_at(table, **settings):
    return lattice.empty_sites(lattice.index(table, **settings))


@pytest.mark.parametrize("angle", [0, 25])
def test_planted_vacancies_are_found(angle):
    cells = structures.perovskite((9.0, 9.0), rotation=angle)
    sample = column_positions(cells, noise=0.003, random_state=1)
    table = sample.data
    inside = table.x.between(60, 390) & table.y.between(60, 390)
    rng = np.random.default_rng(2)
    gone = []
    for row in rng.permutation(np.flatnonzero(inside)):  # no two of them neighbours
        place = table.loc[[*gone, row], ["x", "y"]].to_numpy()
        if len(gone) < 12 and not (np.linalg.norm(place[:-1] - place[-1], axis=1) < 45).any():
            gone.append(row)
    found = found_at(table.drop(index=gone))
    assert len(found) == 12
    distance, row = cKDTree(found[["x", "y"]]).query(sample.truth.loc[gone, ["x", "y"]])
    assert sorted(row) == list(range(12))
    assert distance.max() < 0.3  # mean of eight neighbours, each 0.15 px off
    np.testing.assert_allclose(found[["x_nm", "y_nm"]], 0.02 * found[["x", "y"]], atol=1e-3)


def test_drift_and_distortion_do_not_matter():
    table = grid(15)
    truth = table.loc[[32, 112, 157]].to_numpy()
    moved = {}
    for name, xy in (("table", table.to_numpy()), ("truth", truth)):
        warped = xy @ [[1, 0.03], [0, 1.02]]
        moved[name] = warped + 1.5 * np.sin(warped[:, ::-1] / 60)
    gone = pd.DataFrame(moved["table"], columns=["x", "y"]).drop(index=[32, 112, 157])
    found = found_at(gone)
    distance = cKDTree(found[["x", "y"]]).query(moved["truth"])[0]
    assert len(found) == 3
    assert distance.max() < 0.5


def test_cells_name_the_place():
    table = grid()
    indexed = lattice.index(table)
    row = 40
    without = indexed.drop(index=row)
    without.attrs = indexed.attrs
    found = lattice.empty_sites(without)
    assert found[["i", "j", "site"]].to_numpy().tolist() == [indexed.loc[row, ["i", "j", "site"]].tolist()]
    np.testing.assert_allclose(found[["x", "y"]].to_numpy()[0], table.loc[row, ["x", "y"]], atol=1e-9)
    assert "x_nm" not in found


def test_edges_corners_and_holes_are_no_vacancies():
    assert found_at(grid()).empty
    assert list(found_at(grid())) == ["x", "y", "i", "j", "site"]
    ragged = grid().drop(index=[0, 4, 8, 36, 80])  # corners and edges
    assert found_at(ragged).empty
    hole = grid().drop(index=[30, 31, 32, 39, 40, 41, 48, 49, 50])
    assert found_at(hole).empty
    pair = found_at(grid().drop(index=[40, 41]))  # each has seven neighbours
    assert len(pair) == 2


def test_no_vacancies_in_a_calibrated_table():
    table = grid().assign(x_nm=lambda t: 0.02 * t.x, y_nm=lambda t: 0.02 * t.y)
    found = found_at(table)
    assert found.empty
    assert {"x_nm", "y_nm"} <= set(found)


def test_strays_count_for_nothing():
    table = grid().drop(index=40)
    stray = pd.DataFrame({"x": [91.0], "y": [94.0]})
    found = found_at(pd.concat([table, stray], ignore_index=True))
    assert len(found) == 1


@pytest.mark.parametrize("wrong", ["no cells", "no lattice"])
def test_tables_that_are_not_indexed(wrong):
    table = lattice.index(grid())
    if wrong == "no cells":
        table = grid()
    else:
        table.attrs = {}
    with pytest.raises(ValueError, match=r"index it first, atomlens\.lattice\.index"):
        lattice.empty_sites(table)
