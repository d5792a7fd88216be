"""What the explorer of local crystallography knows, without anything on a screen."""

import numpy as np
import pandas as pd
import pytest
import traitlets
import xarray as xr

from atomlens import simulate
from atomlens.crystallography import LocalCrystallography
from atomlens.widgets.crystal_models import CrystalModel

TI = {"center": "Ti", "neighbors": "Sr"}


@pytest.fixture(scope="module")
def columns():
    cells = simulate.structures.perovskite((6.0, 6.0), polar=25, variants=4)
    table = simulate.column_positions(cells, noise=0.003, missing=0.02).data
    return table.set_index(pd.Index(np.arange(len(table)) * 3 + 7))


@pytest.fixture
def model(columns):
    return CrystalModel(columns, name="mine", **TI)


def test_every_setting_changes_the_result(model, columns):
    assert model.result.verdict_["n_variants"].tolist() == [4]
    direct = LocalCrystallography(n_clusters=4, **TI).fit(columns)
    np.testing.assert_array_equal(model.result.labels_, direct.labels_)
    for trait, value in (("n_clusters", 2), ("method", "gmm"), ("point_group", "2")):
        before = model.result
        setattr(model, trait, value)
        assert model.result is not before
        assert getattr(model.result, trait) == value
        assert model.result.neighbourhoods_ is before.neighbourhoods_  # found once
    for trait, value in (("n_clusters", 0), ("n_clusters", 13), ("method", "dbscan"), ("point_group", "5")):
        with pytest.raises(traitlets.TraitError):
            setattr(model, trait, value)


def test_initial_settings_are_kept(columns):
    model = CrystalModel(columns, n_clusters=3, method="gmm", point_group="4", random_state=5, **TI)
    assert (model.result.n_clusters, model.result.method, model.result.random_state) == (3, "gmm", 5)
    assert model.result.operations_ == ("1", "90°", "180°", "270°")


def test_the_first_atom_is_whole_and_in_the_middle(model):
    place = model.atoms.iloc[model.selected]
    assert model.result.neighbourhoods_.complete[model.selected]
    assert abs(place["x_nm"] - 3) < 0.8
    assert abs(place["y_nm"] - 3) < 0.8


def test_clicks_select_the_nearest_atom(model, columns):
    for row in (0, 17, len(model.atoms) - 1):
        atom = model.atoms.iloc[row]
        model.select(atom["x_nm"] + 0.05, atom["y_nm"] - 0.05)
        assert model.selected == row
    pixels = CrystalModel(columns[["x", "y", "sublattice"]], **TI)
    atom = pixels.atoms.iloc[23]
    pixels.select(atom["x"] + 2, atom["y"] - 2)
    assert pixels.selected == 23


@pytest.mark.parametrize("calibrated", [True, False])
def test_clicks_are_in_the_unit_of_the_image(columns, calibrated):
    axis = 0.02 * np.arange(300)
    image = xr.DataArray(np.ones((300, 300)), dims=("y", "x"))
    image = image.assign_coords(x=axis, y=axis) if calibrated else image
    model = CrystalModel(columns, image=image, **TI)
    x, y = ("x_nm", "y_nm") if calibrated else ("x", "y")
    assert model.axes == [x, y]
    atom = model.atoms.iloc[31]
    model.select(atom[x], atom[y])
    assert model.selected == 31


def test_the_cloud_is_in_picometres_where_calibrated(model, columns):
    assert model.unit == ("pm", pytest.approx(20, rel=1e-3))
    length = np.linalg.norm(model.cloud, axis=1)
    assert np.nanmedian(length) == pytest.approx(25, abs=2)
    pixels = CrystalModel(columns[["x", "y", "sublattice"]], **TI)
    assert pixels.unit == ("px", 1.0)
    np.testing.assert_allclose(pixels.cloud * 20, model.cloud, rtol=1e-3, atol=1e-3)


def test_a_loop_in_the_cloud_marks_its_atoms(model):
    cloud = model.cloud
    model.brush([(10, -15), (40, -15), (40, 15), (10, 15)])
    with np.errstate(invalid="ignore"):
        inside = (cloud[:, 0] > 10) & (cloud[:, 0] < 40) & (np.abs(cloud[:, 1]) < 15)
    np.testing.assert_array_equal(model.brushed, np.flatnonzero(inside))
    assert len(np.unique(model.result.labels_[model.brushed])) == 1
    for nothing in ([], [(0, 0), (1, 1)], [(900, 900), (901, 900), (900, 901)]):
        model.brush([(10, -15), (40, -15), (40, 15), (10, 15)])
        model.brush(nothing)
        assert model.brushed is None


def test_shown_code_repeats_the_view(model, columns):
    model.n_clusters, model.method, model.point_group = 2, "gmm", "2mm"
    model.n_clusters = 4  # as many as there are variants: any other number has several good answers
    model.mirror, model.tolerance, model.operation = (1, 1), 0.25, "m 135°"
    names = {"mine": columns}
    exec(model.code, names)
    assert (names["crystal"].mirror, names["crystal"].tolerance) == ((1, 1), 0.25)
    assert names["crystal"].operations_ == model.result.operations_
    np.testing.assert_array_equal(names["crystal"].labels_, model.result.labels_)
    assert names["crystal"].verdict_.equals(model.result.verdict_)


def test_errors_are_told_and_the_last_result_stays(model):
    before = model.result
    model.point_group = "6mm"
    assert "has no symmetry 6mm" in model.error
    assert model.result is before
    model.point_group = "4"
    assert model.error == ""
    assert model.result is not before


def test_columns_that_cannot_be_clustered(columns):
    with pytest.raises(ValueError, match="3 columns have no 4 neighbours"):
        CrystalModel(columns.iloc[:3], **TI)
    with pytest.raises(ValueError, match="has no symmetry 6"):
        CrystalModel(columns, point_group="6", **TI)


def turned(vectors, degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return vectors @ np.array([[c, s], [-s, c]])


def test_the_replica_is_the_neighbourhood_under_the_operation(model):
    own = model.result.vectors_[model.selected]
    for operation, expected in (
        ("90°", turned(own, 90)),
        ("180°", -own),
        ("m 0°", own * [1, -1]),  # lattice vector a lies along x
        ("m 90°", own * [-1, 1]),
    ):
        model.operation = operation
        # the same places; in the order of the ideal neighbours
        away = np.linalg.norm(model.replica[:, None] - expected, axis=2)
        assert away.min(axis=1).max() < 0.05
        assert sorted(away.argmin(axis=1)) == [0, 1, 2, 3]
        assert np.abs(model.replica - model.result.ideal_).max() < 4
        assert np.allclose(model.matrix @ model.matrix.T, np.eye(2))


def test_operations_permute_the_planted_variants(model):
    labels = model.result.labels_
    for row in np.flatnonzero(model.result.neighbourhoods_.complete)[::9]:
        model.selected = int(row)
        model.operation = "180°"  # turns every polarisation round
        direction = model.result.centroids_.mean(axis=1)
        assert direction[labels[row]] @ direction[model.replica_label] < 0
        assert np.linalg.norm(direction[labels[row]] + direction[model.replica_label]) < 0.3


def test_an_operation_that_the_group_has_not_is_left(model, columns):
    assert model.operation == "90°"
    model.operation = "m 45°"
    model.point_group = "2mm"
    assert model.operation == "180°"
    with pytest.raises(traitlets.TraitError, match="no operation 'm 45°' in 2mm: use 1, 180°"):
        model.operation = "m 45°"
    model.mirror = (1, 1)
    assert model.result.operations_ == ("1", "180°", "m 45°", "m 135°")
    model.point_group = "1"
    assert model.operation == "1"
    np.testing.assert_allclose(model.replica, model.result.vectors_[model.selected])
    assert CrystalModel(columns, operation="m 90°", **TI).operation == "m 90°"
    with pytest.raises(traitlets.TraitError, match="no operation '60°'"):
        CrystalModel(columns, operation="60°", **TI)


def test_an_atom_without_place_or_neighbours_has_no_label_for_its_image(model):
    row = int(np.flatnonzero(~model.result.neighbourhoods_.complete)[0])
    model.selected = row
    assert model.replica_label == -1
    assert np.isnan(model.replica).any()


def test_asymmetry_below_the_tolerance_counts_as_none(model):
    assert model.result.verdict_["kind"].tolist() == ["ferroic"]
    model.tolerance = 2.0  # the planted asymmetry is 25 pm, and a pixel has 20
    assert not model.result.verdict_["ferroic"].any()
