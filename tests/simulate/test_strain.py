"""Planted displacement fields are those of elasticity, and on record in the column table."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from atomlens.simulate import strain, structures


@pytest.fixture(scope="module")
def titanate():
    return structures.perovskite((6.0, 6.0))


def places(structure):
    return structure.columns[["x_nm", "y_nm"]].to_numpy()


def planted(structure):
    return structure.columns[["dx_nm", "dy_nm"]].to_numpy()


def test_homogeneous_strain_is_measured_from_the_lattice(titanate):
    strained = strain.homogeneous(titanate, exx=0.02, eyy=-0.01, exy=0.005)
    # Least squares from perfect to strained places, as one would measure it.
    before, after = places(titanate) - 3, places(strained) - 3
    change = np.linalg.lstsq(before, after, rcond=None)[0].T - np.eye(2)
    np.testing.assert_allclose(change, [[0.02, 0.005], [0.005, -0.01]], atol=1e-9)
    np.testing.assert_allclose(planted(strained), after - before, atol=1e-12)


def test_rotation_is_rigid_and_anticlockwise(titanate):
    turned = strain.homogeneous(titanate, rotation=3.0)
    before, after = places(titanate) - 3, places(turned) - 3
    np.testing.assert_allclose(np.hypot(*after.T), np.hypot(*before.T))
    far = np.hypot(*before.T) > 1
    angle = np.angle(np.exp(1j * (np.arctan2(*after.T[::-1]) - np.arctan2(*before.T[::-1]))))
    np.testing.assert_allclose(np.degrees(angle[far]), 3.0)


def test_rotating_by_strain_is_rotating_the_builder():
    built = structures.graphene((4.0, 4.0), rotation=4)
    turned = strain.homogeneous(structures.graphene((4.0, 4.0)), rotation=4)
    inner = np.hypot(*(places(built) - 2).T) < 2.5
    assert cKDTree(places(turned)).query(places(built)[inner])[0].max() < 1e-9


def test_gradient_runs_from_start_to_stop(titanate):
    graded = strain.gradient(titanate, start=0.0, stop=0.03)
    along, shift = places(titanate)[:, 0] - 3, planted(graded)[:, 0]
    np.testing.assert_allclose(planted(graded)[:, 1], 0, atol=1e-12)
    # The slope of the displacement is the strain: a parabola whose slopes at the edges are given.
    curve = np.polynomial.Polynomial.fit(along, shift, 2).deriv()
    assert curve(-3) == pytest.approx(0.0, abs=1e-9)
    assert curve(3) == pytest.approx(0.03, abs=1e-9)
    assert curve(0.0) == pytest.approx(0.015, abs=1e-9)


def test_any_field_can_be_applied_and_is_added_to_what_is_there(titanate):
    def wave(x, y):
        return 0.02 * np.sin(2 * np.pi * y / 3), 0 * x

    once = strain.apply(titanate, wave)
    np.testing.assert_allclose(
        once.columns.dx_nm, 0.02 * np.sin(2 * np.pi * titanate.columns.y_nm / 3), atol=1e-12
    )
    twice = strain.apply(once, wave)  # dy stays: the wave shifts along x only
    np.testing.assert_allclose(twice.columns.dx_nm, 2 * once.columns.dx_nm, atol=1e-12)
    assert len(titanate.columns) == len(once.columns)
    pd.testing.assert_frame_equal(once.columns[["label", "species"]], titanate.columns[["label", "species"]])


def test_the_field_stays_covered():
    strained = strain.homogeneous(structures.graphene((4.0, 4.0)), exx=-0.05, eyy=-0.05)
    points = places(strained)
    grid = np.stack(np.meshgrid(np.arange(0, 4.01, 0.05), np.arange(0, 4.01, 0.05)), axis=-1).reshape(-1, 2)
    assert cKDTree(points).query(grid)[0].max() < 0.15


GRAPHENE = structures.graphene((3.0, 3.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: strain.homogeneous(GRAPHENE, exx=-0.5), "margin"),
        (lambda: strain.homogeneous(structures.graphene((8.0, 8.0)), rotation=40), "margin"),
        (lambda: strain.apply(GRAPHENE, lambda x, y: (x + 1.5, y)), "margin"),
        (lambda: strain.apply(GRAPHENE, lambda x, y: x), "must return"),
        (lambda: strain.apply(GRAPHENE, lambda x, y: (x, y, x)), "must return"),
        (lambda: strain.apply(GRAPHENE, lambda x, y: (x * np.nan, y)), "finite"),
        (lambda: strain.apply(GRAPHENE, lambda x, y: None), "must return"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_repeated_strain_is_noticed_when_the_margin_is_used_up():
    structure = strain.homogeneous(GRAPHENE, exx=-0.2)
    with pytest.raises(ValueError, match="margin"):
        strain.homogeneous(structure, exx=-0.25)
