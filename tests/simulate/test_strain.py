"""Planted displacement fields are those of elasticity, and on record in the column table."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from atomlens.simulate import defects, strain, structures


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


@pytest.mark.parametrize("angle", [0.0, 90.0, 30.0])
def test_gradient_runs_from_start_to_stop(titanate, angle):
    graded = strain.gradient(titanate, start=0.0, stop=0.03, angle=angle)
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    along = (places(titanate) - 3) @ direction
    shift = planted(graded) @ direction
    np.testing.assert_allclose(planted(graded) @ [-direction[1], direction[0]], 0, atol=1e-12)
    # The slope of the displacement is the strain: a parabola whose slopes at the corners are given.
    half = 3 * np.abs(direction).sum()
    curve = np.polynomial.Polynomial.fit(along, shift, 2).deriv()
    assert curve(-half) == pytest.approx(0.0, abs=1e-9)
    assert curve(half) == pytest.approx(0.03, abs=1e-9)
    assert curve(0.0) == pytest.approx(0.015, abs=1e-9)


@pytest.mark.parametrize("burgers", [0.3905, (0.0, 0.3905), (-0.3905, 0.0)])
def test_the_circuit_around_the_core_closes_by_the_burgers_vector(titanate, burgers):
    core = np.array([3.1, 2.9])
    moved = strain.edge_dislocation(titanate, burgers=burgers, at=core)
    vector = np.array([burgers, 0.0]) if np.ndim(burgers) == 0 else np.array(burgers)
    # Along a ring of columns (before the strain) the displacement grows by b, all in one jump at the cut.
    original = places(titanate) - core
    ring = np.flatnonzero(np.abs(np.hypot(*original.T) - 2.0) < 0.15)
    ring = ring[np.argsort(np.arctan2(original[ring, 1], original[ring, 0]))]
    steps = np.diff(planted(moved)[np.append(ring, ring[0])], axis=0)
    jump = np.argmax(np.hypot(*steps.T))
    gradual = np.delete(steps, jump, axis=0).sum(axis=0)
    np.testing.assert_allclose(steps.sum(axis=0), 0, atol=1e-12)
    # The columns beside the jump are some degrees apart: their smooth step is not in the sum.
    np.testing.assert_allclose(np.abs(gradual), np.abs(vector), atol=0.03)
    assert gradual @ vector > 0


def test_no_lattice_rows_overlap_or_part_across_the_glide_plane(titanate):
    core = np.array([3.1, 2.95])
    moved = strain.edge_dislocation(titanate, burgers=0.3905, at=core)
    visible = moved.columns[moved.columns.visible]
    points = visible[["x_nm", "y_nm"]].to_numpy()
    away = np.hypot(*(points - core).T) > 1.0
    inner = away & np.all((points > 0) & (points < 6), axis=1)
    distance = cKDTree(points).query(points, 5)[0][inner, 1:]
    assert np.abs(distance / (0.3905 / np.sqrt(2)) - 1).max() < 0.12


@pytest.mark.parametrize(("core", "failure"), [((4.05, 4.05), [0.408, 0.0]), ((4.05, 7.5), [0.0, 0.0])])
def test_burgers_circuit_in_the_finished_structure(core, failure):
    moved = strain.edge_dislocation(structures.metal("Au", (8.0, 8.0)), burgers=0.408, at=core)
    points = places(moved)
    tree = cKDTree(points)
    start = place = points[tree.query([2.0, 2.0])[1]]
    # As many steps from column to column to the right as to the left, and up as down.
    for step in np.repeat([[0.408, 0], [0, 0.408], [-0.408, 0], [0, -0.408]], 10, axis=0):
        distance, nearest = tree.query(place + step)
        assert distance < 0.1
        place = points[nearest]
    np.testing.assert_allclose(place - start, failure, atol=0.06)


def test_isotropic_displacements_agree_with_the_textbook_strain():
    # Derivatives of the planted field, taken numerically, against Hirth and Lothe's stress by Hooke's law:
    # the dilatation is exx + eyy = -b (1 - 2 nu) / (2 pi (1 - nu)) * y / r**2.
    crystal = structures.metal("Al", (6.0, 6.0))
    nu, b, core = 0.345, 0.286, np.array([3.03, 3.03])
    fields = {}

    def probe(x, y):
        step = 1e-4
        rows = []
        for dx, dy in ((step, 0), (-step, 0), (0, step), (0, -step)):
            atoms = crystal.atoms.copy()
            atoms.positions[:, :2] = np.column_stack([x + dx, y + dy]) * 10
            shifted = structures.Structure(atoms, crystal.size, crystal.sublattices, crystal.visible)
            moved = strain.edge_dislocation(shifted, burgers=b, at=core, poisson_ratio=nu)
            rows.append((moved.atoms.positions - atoms.positions)[:, :2] / 10)
        fields["ux_x"] = (rows[0][:, 0] - rows[1][:, 0]) / (2 * step)
        fields["uy_y"] = (rows[2][:, 1] - rows[3][:, 1]) / (2 * step)

    x, y = crystal.atoms.positions[:, :2].T / 10
    probe(x, y)
    x, y = x - core[0], y - core[1]
    square = x**2 + y**2
    dilatation = -b * (1 - 2 * nu) / (2 * np.pi * (1 - nu)) * y / square
    smooth = (square > 0.3**2) & ~((np.abs(y) < 1e-3) & (x < 0))
    np.testing.assert_allclose((fields["ux_x"] + fields["uy_y"])[smooth], dilatation[smooth], atol=1e-6)


def test_dislocation_is_listed_and_moves_the_defects_that_were_there(titanate):
    doped = defects.substitutions(titanate, species="Ba", sublattice="Sr", n=5)
    moved = strain.edge_dislocation(doped, burgers=(0.3, 0.4), at=(2.0, 4.0))
    last = moved.defects.iloc[-1]
    assert (last.kind, last.x_nm, last.y_nm, last.sublattice) == ("edge_dislocation", 2.0, 4.0, -1)
    assert last.size_nm == pytest.approx(0.5)
    barium = moved.columns[moved.columns.species == "Ba"][["x_nm", "y_nm"]].to_numpy()
    listed = moved.defects.iloc[:5][["x_nm", "y_nm"]].to_numpy()
    assert cKDTree(barium).query(listed)[0].max() < 1e-9


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
        (lambda: strain.edge_dislocation(GRAPHENE, burgers=0), "burgers"),
        (lambda: strain.edge_dislocation(GRAPHENE, burgers=(0.1, 0.1, 0.1)), "burgers must be two numbers"),
        (lambda: strain.edge_dislocation(GRAPHENE, burgers=np.nan), "burgers"),
        (lambda: strain.edge_dislocation(GRAPHENE, at=(5, 1)), "outside the field"),
        (lambda: strain.edge_dislocation(GRAPHENE, at=1.0), "at must be two numbers"),
        (lambda: strain.edge_dislocation(GRAPHENE, poisson_ratio=0.7), "poisson_ratio"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_repeated_strain_is_noticed_when_the_margin_is_used_up():
    structure = strain.homogeneous(GRAPHENE, exx=-0.2)
    with pytest.raises(ValueError, match="margin"):
        strain.homogeneous(structure, exx=-0.25)
