"""Columns with errors come with the truth about them."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from atomlens.simulate import column_positions, structures

FOUR = (0, 90, 180, 270)


@pytest.fixture(scope="module")
def cells():
    return structures.perovskite((8.0, 6.0), polar=25, variants=(*FOUR, None, (45, "alternating")))


def test_positions_without_errors_are_those_of_the_structure(cells):
    sample = column_positions(cells, pixel_size=0.01)
    data, truth = sample.data, sample.truth
    visible = cells.columns[cells.columns["visible"]]
    inside = visible[visible.x_nm.between(0, 8) & visible.y_nm.between(0, 6)]
    np.testing.assert_allclose(data[["x_nm", "y_nm"]], inside[["x_nm", "y_nm"]], atol=1e-12)
    np.testing.assert_allclose(data[["x", "y"]], data[["x_nm", "y_nm"]] / 0.01)
    np.testing.assert_allclose(truth[["x", "y"]], data[["x", "y"]])
    np.testing.assert_allclose(truth[["dx_nm", "dy_nm"]], inside[["dx_nm", "dy_nm"]])
    assert list(data) == ["x", "y", "x_nm", "y_nm", "sublattice"]
    assert set(data["sublattice"]) == {"Sr", "Ti"}  # oxygen is not seen
    for frame in (data, truth):
        pd.testing.assert_index_equal(frame.index, pd.RangeIndex(len(data)))
    assert sample.source["parameters"] == {"pixel_size_nm": 0.01, "noise_nm": 0.0, "missing": 0.0}
    assert sample.source["real"] is False


def test_noise_and_missing_columns(cells):
    clean = column_positions(cells)
    noisy = column_positions(cells, noise=0.005, random_state=3)
    error = (noisy.data[["x", "y"]] - noisy.truth[["x", "y"]]) * 20  # pm
    assert error.to_numpy().std() == pytest.approx(5, rel=0.08)
    assert abs(error.to_numpy().mean()) < 0.5
    pd.testing.assert_frame_equal(noisy.truth, clean.truth)
    fewer = column_positions(cells, missing=0.2, random_state=3)
    assert len(fewer.data) / len(clean.data) == pytest.approx(0.8, abs=0.05)
    assert len(fewer.truth) == len(fewer.data)
    distance, row = cKDTree(clean.truth[["x", "y"]]).query(fewer.truth[["x", "y"]])
    assert distance.max() < 1e-9
    # The truth does not depend on what was found.
    np.testing.assert_array_equal(fewer.truth["interior"], clean.truth["interior"].to_numpy()[row])
    np.testing.assert_array_equal(fewer.truth["variant"], clean.truth["variant"].to_numpy()[row])


def test_random_states(cells):
    first, again = (column_positions(cells, noise=0.003, missing=0.1, random_state=7).data for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    other = column_positions(cells, noise=0.003, missing=0.1, random_state=8).data
    assert len(other) != len(first) or not np.allclose(other["x"], first["x"])
    generator = column_positions(cells, noise=0.003, missing=0.1, random_state=np.random.default_rng(7))
    pd.testing.assert_frame_equal(generator.data, first)
    assert generator.source["random_state"] is None


def test_variants_number_the_displacements_of_each_sublattice(cells):
    sample = column_positions(cells, noise=0.01, missing=0.05)
    truth = sample.truth.assign(sublattice=sample.data["sublattice"])
    ti = truth[truth["sublattice"] == "Ti"]
    assert sorted(ti["variant"].unique()) == list(range(7))  # the alternating phase makes two
    shifts = ti.groupby("variant")[["dx_nm", "dy_nm"]].agg(["min", "max"]).to_numpy().reshape(-1, 2, 2)
    assert np.ptp(shifts, axis=2).max() < 1e-9  # one displacement a variant
    assert ti.groupby("variant")["domain"].nunique().max() == 1
    assert ti[ti["domain"] == 5]["variant"].nunique() == 2
    sr = truth[truth["sublattice"] == "Sr"]
    assert sr.groupby("domain")["variant"].nunique().max() == 1
    assert sr["variant"].min() == 0


@pytest.mark.parametrize("polar", [20.05, 12.15, 0.05, 25.1])
@pytest.mark.parametrize("rotation", [0, 30])
def test_displacements_on_the_edge_of_rounding_are_one_variant(polar, rotation):
    cells = structures.perovskite((6, 6), polar=polar, variants=FOUR, rotation=rotation)
    sample = column_positions(cells)
    assert sample.truth["variant"][sample.data["sublattice"] == "Ti"].nunique() == 4


@pytest.mark.parametrize("builder", [structures.graphene, structures.metal])
def test_structures_with_one_sublattice(builder):
    size = (3.0, 3.0)
    cells = builder(size) if builder is structures.graphene else builder("Au", size)
    sample = column_positions(cells, noise=0.002)
    assert (sample.data["sublattice"] == cells.sublattices[0]).all()
    assert (sample.truth["variant"] == 0).all()
    assert sample.truth["interior"].all()


def test_the_interior_is_away_from_walls():
    cells = structures.perovskite((8.0, 8.0), polar=25, variants=2, domains="stripes", n_domains=2)
    sample = column_positions(cells)
    truth = sample.truth[sample.data["sublattice"] == "Ti"]
    wall = 0.5 * (truth[truth.domain == 0].x.max() + truth[truth.domain == 1].x.min())
    away = np.abs(truth["x"] - wall) * 0.02
    assert (truth["interior"] == (away > 0.39)).all()  # one row of cells on each side
    one = column_positions(structures.perovskite((4.0, 4.0))).truth
    assert one["interior"].all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pixel_size": 0}, "lengths in nm, got 0"),
        ({"pixel_size": -0.1}, "lengths in nm"),
        ({"noise": -1}, "lengths in nm"),
        ({"noise": np.nan}, "lengths in nm"),
        ({"missing": 1}, "missing is a fraction below 1, got 1"),
        ({"missing": -0.1}, "missing is a fraction"),
        ({"missing": np.nan}, "missing is a fraction"),
        ({"missing": 0.999999}, "no column lies in the field"),
    ],
)
def test_bad_input(settings, message):
    with pytest.raises(ValueError, match=message):
        column_positions(structures.graphene((1.0, 1.0)), **settings)
