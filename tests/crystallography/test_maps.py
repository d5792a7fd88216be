"""Maps of displacement, polarisation and strain give back what was planted."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from atomlens import datasets
from atomlens.crystallography import components, displacements, polarisation, strain_map
from atomlens.lattice import Lattice, NotPeriodicError, estimate, neighbour_vectors
from atomlens.simulate import strain, structures

PIXEL = 0.02  # nm
STRAINS = ["exx", "eyy", "exy", "rotation_deg"]


def grid(a=20.0, b=20.0, n=8):
    y, x = np.mgrid[:n, :n].reshape(2, -1)
    return pd.DataFrame({"x": a * x, "y": b * y})


def table(structure):
    """Columns in the field of view that annular dark field shows."""
    columns = structure.columns
    width, height = structure.size
    inside = columns.visible & columns.x_nm.between(0, width) & columns.y_nm.between(0, height)
    columns = columns[inside].reset_index(drop=True)
    return columns.assign(x=columns.x_nm / PIXEL, y=columns.y_nm / PIXEL)


def inner(columns, size=10.0):
    """Which columns have all their neighbours in a field of this size, in nm."""
    return columns.x_nm.between(0.6, size - 0.6) & columns.y_nm.between(0.6, size - 0.6)


@pytest.fixture(scope="module")
def crystal():
    return structures.perovskite((10.0, 10.0))


@pytest.fixture(scope="module")
def unstrained(crystal):
    return estimate(table(crystal))


def test_displacements_are_the_planted_ones():
    cells = structures.perovskite((10.0, 10.0), polar=25, variants=4)
    columns = table(cells)
    columns["kept"] = 1
    columns.index = columns.index[::-1] + 100
    found = displacements(columns, center=1, neighbors=0)
    assert found.index.tolist() == columns.index[columns.label == 1].tolist()
    assert "kept" not in found
    assert {"x", "y", "x_nm", "y_nm", "label", "i", "j"} <= set(found)
    truth = columns.loc[found.index, ["dx_nm", "dy_nm"]].to_numpy()
    there = found.dx.notna().to_numpy()
    assert 0.8 < there.mean() < 1  # those at the border lack a neighbour
    np.testing.assert_allclose(found.loc[there, ["dx", "dy"]], truth[there] / PIXEL, atol=1e-9)
    np.testing.assert_allclose(found.loc[there, ["dx_pm", "dy_pm"]], 1000 * truth[there], atol=1e-6)
    np.testing.assert_allclose(found.magnitude_pm[there], 25, atol=1e-6)
    unit = np.column_stack([np.cos(found.angle[there]), np.sin(found.angle[there])])
    np.testing.assert_allclose(unit, truth[there] / 0.025, atol=1e-9)
    assert found[["dy", "magnitude", "angle", "dx_pm"]][~there].isna().all(axis=None)
    assert found.attrs["lattice"].pixel_size_nm == pytest.approx(PIXEL)


def test_displacements_are_in_pixels_without_calibration_and_in_pm_with_a_calibrated_lattice():
    columns = grid()
    columns.loc[27, ["x", "y"]] += [1.0, -0.5]
    found = displacements(columns.to_numpy())
    assert found.loc[27, ["dx", "dy"]].tolist() == [1.0, -0.5]
    assert "dx_pm" not in found
    calibrated = displacements(columns, estimate(columns).calibrated(0.4))
    assert calibrated.dx_pm[27] == pytest.approx(20, rel=0.01)


def test_published_displacements_of_bismuth_ferrite(data_dir):
    sample = datasets.load("bfo_columns")
    found = displacements(sample.data, center="Fe", neighbors="Bi")
    distance, row = cKDTree(found[["x", "y"]]).query(sample.truth[["x", "y"]])
    assert distance.max() < 1e-5
    for name in ("dx", "dy", "magnitude", "angle"):
        np.testing.assert_allclose(found[name].to_numpy()[row], sample.truth[name], atol=2e-5)


def test_polarisation_of_a_known_dipole():
    # One charge e moved by 10 pm in 0.064 nm³ is 2.503 µC/cm².
    table = pd.DataFrame({"dx_pm": [10.0, 0.0, np.nan], "dy_pm": [0.0, -10.0, np.nan], "tag": [1, 2, 3]})
    found = polarisation(table, charge=2.0, cell_volume=0.064)
    np.testing.assert_allclose(found.px, [5.0068, 0, np.nan], atol=1e-3)
    np.testing.assert_allclose(found.py, [0, -5.0068, np.nan], atol=1e-3)
    np.testing.assert_allclose(found.p, [5.0068, 5.0068, np.nan], atol=1e-3)
    assert found.tag.tolist() == [1, 2, 3]


@pytest.mark.parametrize("shells", [1, 2])
def test_homogeneous_strain_and_rotation_are_exact(crystal, unstrained, shells):
    planted = {"exx": 0.02, "eyy": -0.01, "exy": 0.006, "rotation": 4.0}
    columns = table(strain.homogeneous(crystal, **planted))
    found = strain_map(columns, reference=unstrained, shells=shells)
    assert len(found) == len(columns)
    inside = found.exx.notna()
    assert inside[inner(columns)].all()
    values = np.broadcast_to(list(planted.values()), (inside.sum(), 4))
    np.testing.assert_allclose(found.loc[inside, STRAINS], values, atol=1e-9)
    # Lattice parameters from the deformed cell itself.
    turn = np.eye(2) + [[0.02, 0.006], [0.006, -0.01]]
    a, b = 0.3905 * turn
    np.testing.assert_allclose(found.a_nm[inside], np.linalg.norm(a), atol=1e-9)
    np.testing.assert_allclose(found.b_nm[inside], np.linalg.norm(b), atol=1e-9)
    np.testing.assert_allclose(found.a[inside], np.linalg.norm(a) / PIXEL, atol=1e-7)
    gamma = np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
    np.testing.assert_allclose(found.gamma_deg[inside], gamma, atol=1e-7)


def test_strain_is_relative_to_the_mean_lattice_without_a_reference(crystal):
    found = strain_map(table(strain.homogeneous(crystal, exx=0.02, rotation=4.0)))
    assert found[STRAINS].abs().max(axis=None) < 1e-9


def test_strain_gradient(crystal, unstrained):
    columns = table(strain.gradient(crystal, start=-0.03, stop=0.03))
    found = strain_map(columns, reference=unstrained)
    place = columns.x_nm - columns.dx_nm - 5.0  # strain is a function of the place in the unstrained crystal
    np.testing.assert_allclose(found.exx[inner(columns)], 0.06 * place[inner(columns)] / 10, atol=1e-6)
    assert found.loc[inner(columns), ["eyy", "exy"]].abs().max(axis=None) < 1e-9


def test_dislocation_has_the_strain_of_elasticity(crystal, unstrained):
    burgers, poisson, core = 0.3905, 0.3, 5.1

    def edge(x, y):
        """Displacements around an edge dislocation in an isotropic medium (same book)."""
        x, y = x - core, y - core
        square = np.maximum(x**2 + y**2, 0.01)
        glide = np.arctan2(y, x) + x * y / (2 * (1 - poisson) * square)
        climb = (1 - 2 * poisson) * np.log(square / core**2) + (x**2 - y**2) / square
        return burgers / (2 * np.pi) * glide, -burgers / (8 * np.pi * (1 - poisson)) * climb

    columns = table(strain.apply(crystal, edge))
    found = strain_map(columns, reference=unstrained)
    x, y = columns.x_nm - columns.dx_nm - core, columns.y_nm - columns.dy_nm - core
    r2 = x**2 + y**2
    # Hirth and Lothe, Theory of Dislocations (1982), eq. 3-43 with Hooke's law.
    factor = -burgers / (4 * np.pi * (1 - poisson) * r2**2)
    exx = factor * y * ((3 - 2 * poisson) * x**2 + (1 - 2 * poisson) * y**2)
    exy = -factor * x * (x**2 - y**2)
    far = (r2 > 1.5**2) & inner(columns)
    # Up to the squares of strain and rotation, which the linear theory leaves out, and one-sided fits.
    for name, theory in (("exx", exx), ("exy", exy)):
        error = np.abs(found[name] - theory)[far]
        assert error.max() < 4e-3
        assert error.quantile(0.95) < 1e-3
        assert theory[far].abs().max() > 0.02
    # The index jump by a Burgers vector makes no line of false strain; only the core lacks a value.
    assert not found.exx.isna()[(r2 > 0.7**2) & inner(columns)].any()


def test_shifts_of_sublattices_are_no_strain():
    columns = table(structures.perovskite((10.0, 10.0), polar=30, variants=4))
    columns["sublattice"] = np.where(columns.label == 0, "A", "B")
    found = strain_map(columns, sublattice="A")
    assert set(found.sublattice) == {"A"}
    assert found[STRAINS].abs().max(axis=None) < 1e-9
    assert strain_map(columns)[STRAINS].abs().max(axis=None) > 0.01  # B moves between its domains
    assert len(strain_map(columns, sublattice=["A", "B"])) == len(columns)


def test_motifs_and_oblong_cells():
    graphene = structures.graphene((4.0, 4.0))
    found = strain_map(
        table(strain.homogeneous(graphene, exx=0.03)), reference=estimate(table(graphene))
    ).dropna(subset="exx")
    np.testing.assert_allclose(found.exx, 0.03, atol=1e-9)
    np.testing.assert_allclose(found.eyy, 0, atol=1e-9)
    # The first sphere of an oblong cell is one line: another one is added.
    for b in (25.0, 50.0):
        assert strain_map(grid(b=b)).exx.notna().mean() > 0.9


def test_strain_is_missing_where_fewer_than_three_neighbours_are():
    found = strain_map(grid())
    x, y = found.x / 20, found.y / 20
    corner = x.isin([0, 7]) & y.isin([0, 7])
    np.testing.assert_array_equal(found.exx.isna(), corner)
    holes = grid().drop([18, 20])  # left and right of 19, which keeps two neighbours in a line
    assert strain_map(holes).exx.isna()[19]


def test_incomplete_neighbourhoods_agree_with_a_general_solver():
    rng = np.random.default_rng(0)
    columns = grid(n=12).sample(frac=0.85, random_state=1)
    exact = columns[["x", "y"]].to_numpy() / 20
    columns[["x", "y"]] += rng.normal(0, 0.3, (len(columns), 2))
    found = strain_map(columns, reference=Lattice(np.eye(2) * 20, periodic=True))
    fitted = 0
    for row, place in enumerate(exact):
        near = np.abs(exact - place).sum(axis=1) < 1.1  # itself and up to four neighbours
        if near.sum() < 4:
            assert np.isnan(found.exx.iloc[row])
            continue
        design = np.column_stack([20 * exact[near], np.ones(near.sum())])
        a, b = 20 * np.linalg.lstsq(design, columns[["x", "y"]].to_numpy()[near], rcond=None)[0][:2]
        np.testing.assert_allclose(found[["a", "b"]].iloc[row], [np.linalg.norm(a), np.linalg.norm(b)])
        fitted += near.sum() == 4
    assert fitted > 20


def test_noise_of_the_fit_is_that_of_least_squares():
    noise = np.random.default_rng(0).normal(0, 0.3, (60 * 60, 2))
    square = Lattice(np.eye(2) * 20, periodic=True)
    found = strain_map(grid(n=60)[["x", "y"]] + noise, reference=square)
    inner = found.x.between(30, 1150) & found.y.between(30, 1150)
    # Two neighbours along the direction, at a distance of 20 px: sigma / (20 sqrt(2)).
    assert found.exx[inner].std() == pytest.approx(0.3 / (20 * np.sqrt(2)), rel=0.1)


def test_reference_of_another_pixel_size():
    columns = grid(20.2, 20.0)
    columns[["x_nm", "y_nm"]] = PIXEL * columns[["x", "y"]]
    substrate = Lattice(np.eye(2) * 32, periodic=True, pixel_size_nm=0.0125)
    found = strain_map(columns, reference=substrate).dropna()
    np.testing.assert_allclose(found.exx, 0.01, atol=1e-9)
    np.testing.assert_allclose(found.eyy, 0, atol=1e-9)


def test_components_find_planted_modes():
    rng = np.random.default_rng(0)
    star = np.array([[20.0, 0], [0, 20], [-20, 0], [0, -20]])
    shift = np.tile([-1.0, 0], (4, 1)) / 2  # the centre moves along x
    breathing = star / 40
    amplitude = rng.normal(0, [3.0, 1.0], (500, 2))
    vectors = star + np.tensordot(amplitude, [shift, breathing], axes=1)
    vectors[7, 2] = np.nan
    found = components(vectors, 2)
    np.testing.assert_allclose(np.abs((found.modes * [shift, breathing]).sum(axis=(1, 2))), 1, atol=0.01)
    assert found.explained.sum() == pytest.approx(1)
    assert np.isnan(found.scores[7]).all()
    whole = np.arange(500) != 7
    again = found.mean + np.tensordot(found.scores, found.modes, axes=1)
    np.testing.assert_allclose(again[whole], vectors[whole], atol=1e-9)
    # The first mode carries the polar displacement, whatever its sign.
    assert abs(np.corrcoef(found.scores[whole, 0], amplitude[whole, 0])[0, 1]) > 0.99


def test_a_perfect_lattice_has_no_modes():
    found = components(neighbour_vectors(grid()).vectors, 1)
    assert np.nanmax(np.abs(found.scores)) == 0
    assert np.isnan(found.explained).all()


TURNED = Lattice(np.array([[0, 20.0], [-20.0, 0]]), periodic=True)
LABELLED = grid().assign(label=0)
CALLS = {
    "n_neighbors": (lambda: displacements(grid(), n_neighbors=3), "do not surround the column"),
    "no such centre": (lambda: displacements(LABELLED, center=4), "center=4 is no sublattice"),
    "no positions": (lambda: displacements(grid()[["x"]]), "lacks the column y"),
    "no calibration": (
        lambda: polarisation(displacements(grid()), charge=7, cell_volume=0.06),
        "displacements in pm",
    ),
    "charge": (
        lambda: polarisation(pd.DataFrame({"dx_pm": [1.0], "dy_pm": [1.0]}), charge=0, cell_volume=0.06),
        "charge must be",
    ),
    "volume": (
        lambda: polarisation(pd.DataFrame({"dx_pm": [1.0], "dy_pm": [1.0]}), charge=7, cell_volume=-1),
        "cell_volume must be",
    ),
    "no such sublattice": (lambda: strain_map(LABELLED, sublattice=3), "of this table, which has 0"),
    "no sublattices": (lambda: strain_map(grid(), sublattice="A"), "which names none"),
    "no list of sublattices": (lambda: strain_map(LABELLED, sublattice=[]), "is no sublattice"),
    "shells": (lambda: strain_map(grid(), shells=0), "shells must be"),
    "NaN": (lambda: strain_map(grid().replace(20.0, np.nan)), "NaN or infinite"),
    "few": (lambda: strain_map(grid(n=2)), "too few"),
    "reference turned": (
        lambda: strain_map(grid(), estimate(grid()), reference=TURNED),
        "is not a strained",
    ),
    "shape": (lambda: components(np.zeros((5, 4))), r"shape \(N, k, 2\)"),
    "many components": (lambda: components(np.ones((20, 4, 2)), 9), "at most 8 components"),
    "few neighbourhoods": (lambda: components(np.ones((2, 4, 2)), 2), "at most 1 components"),
    "n_components": (lambda: components(np.ones((20, 4, 2)), 1.5), "n_components must be"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "message"), CALLS.values(), ids=CALLS)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_no_lattice():
    scattered = np.random.default_rng(0).uniform(0, 400, (300, 2))
    for call in (displacements, strain_map):
        with pytest.raises(NotPeriodicError, match="no lattice"):
            call(scattered)
