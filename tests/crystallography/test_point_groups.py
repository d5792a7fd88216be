"""Point groups are groups, fit their lattices, and reorder neighbours as a fresh search would."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from atomlens.crystallography import POINT_GROUPS, point_group
from atomlens.lattice import neighbour_vectors
from atomlens.simulate import column_positions, structures

ORDERS = dict(zip(POINT_GROUPS, (1, 2, 2, 4, 3, 6, 4, 8, 6, 12), strict=True))
LATTICES = {
    "square": 20 * np.eye(2),
    "hexagonal 60": 20 * np.array([[1, 0], [0.5, np.sqrt(0.75)]]),
    "hexagonal 120": 20 * np.array([[1, 0], [-0.5, np.sqrt(0.75)]]),
    "rectangular": np.diag([20.0, 27.0]),
    "rhombic": 20 * np.array([[np.cos(0.65), -np.sin(0.65)], [np.cos(0.65), np.sin(0.65)]]),
    "oblique": np.array([[20.0, 1], [5, 26]]),
}
HAS = {
    "square": {"1", "2", "m", "2mm", "4", "4mm"},
    "hexagonal 60": {"1", "2", "m", "2mm", "3", "3m", "6", "6mm"},
    "hexagonal 120": {"1", "2", "m", "2mm", "3", "3m", "6", "6mm"},
    "rectangular": {"1", "2", "m", "2mm"},
    "rhombic": {"1", "2", "m", "2mm"},
    "oblique": {"1", "2"},
}
PAIRS = [(name, symbol) for name in LATTICES for symbol in POINT_GROUPS]


def turn(degrees):
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def mirror_of(name):
    return (1, 1) if name == "rhombic" else (1, 0)


def check_group(group, basis):
    """A closed group of orthogonal matrices that map the lattice, made symmetric, onto itself."""
    matrices = group.matrices
    assert len(group) == ORDERS[group.symbol] == len(set(group.names))
    assert group.names[0] == "1"
    np.testing.assert_allclose(matrices[0], np.eye(2), atol=1e-12)
    np.testing.assert_allclose(matrices @ matrices.transpose(0, 2, 1), [np.eye(2)] * len(group), atol=1e-9)
    products = (matrices[:, None] @ matrices).reshape(-1, 1, 2, 2)
    assert np.abs(products - matrices).max(axis=(2, 3)).min(axis=1).max() < 1e-9
    apart = np.abs(matrices[:, None] - matrices).max(axis=(2, 3)) + np.eye(len(group))
    assert apart.min() > 0.1  # all different
    ideal = basis @ group.frame
    whole = ideal @ matrices.transpose(0, 2, 1) @ np.linalg.inv(ideal)
    np.testing.assert_allclose(whole, np.rint(whole), atol=1e-9)


@pytest.mark.parametrize(("name", "symbol"), [p for p in PAIRS if p[1] in HAS[p[0]]])
def test_groups_of_distorted_and_rotated_lattices(name, symbol):
    for angle in (0, 13, 77, 90, 200, 300):
        for scan in (np.eye(2), [[1, 0.03], [0, 1.03]], [[1, -0.03], [0, 0.97]]):
            basis = LATTICES[name] @ turn(angle) @ scan
            group = point_group(symbol, basis, mirror=mirror_of(name))
            check_group(group, basis)
            # The frame takes out a distortion, nothing else: it neither turns nor swells the lattice.
            u, s, v = np.linalg.svd(group.frame)
            assert np.abs(s - 1).max() < 0.06
            assert abs(np.degrees(np.arcsin((u @ v)[0, 1]))) < 2


@pytest.mark.parametrize(("name", "symbol"), [p for p in PAIRS if p[1] not in HAS[p[0]]])
def test_lattices_without_the_symmetry_are_refused(name, symbol):
    with pytest.raises(ValueError, match=r"b/a = .* has no symmetry .*choose a point group"):
        point_group(symbol, LATTICES[name], mirror=mirror_of(name))


def test_an_exact_lattice_needs_no_other_frame():
    for name, symbol in (("square", "4mm"), ("hexagonal 120", "6mm"), ("rectangular", "2mm")):
        np.testing.assert_allclose(point_group(symbol, LATTICES[name]).frame, np.eye(2), atol=1e-12)
    np.testing.assert_array_equal(point_group("4mm").matrices, point_group("4mm", np.eye(2)).matrices)


def test_aliases_and_a_wrong_symbol():
    assert point_group("mm2").symbol == "2mm"
    assert point_group("3m1", LATTICES["hexagonal 60"]).symbol == "3m"
    for wrong in ("5", "4m", "", 4, None, ["4"]):
        with pytest.raises(ValueError, match="1, 2, m, 2mm, 3, 3m, 4, 4mm, 6, 6mm"):
            point_group(wrong)


@pytest.mark.parametrize("mirror", [(0, 0), (1,), (1, 2, 3), (0.5, 0), "ab", None, (np.nan, 1)])
def test_a_mirror_that_is_no_lattice_direction(mirror):
    with pytest.raises(ValueError, match=r"lattice direction \(u, v\), whole numbers"):
        point_group("m", mirror=mirror)
    assert len(point_group("4", mirror=mirror)) == 4  # has no mirror


@pytest.mark.parametrize("mirror", [(1, 0), (0, 1), (1, 1), (1, -1), (2, 2)])
def test_the_mirror_leaves_its_direction_alone(mirror):
    for name in ("square", "hexagonal 60", "hexagonal 120"):
        basis = LATTICES[name] @ turn(20)
        group = point_group("m", basis, mirror=mirror)
        along = np.array(mirror) @ basis @ group.frame
        np.testing.assert_allclose(group.matrices[1] @ along, along, atol=1e-9)
        assert np.linalg.det(group.matrices[1]) == pytest.approx(-1)


def test_names_tell_rotations_and_mirror_lines():
    group = point_group("4mm", 20 * turn(33))
    assert group.names == ("1", "90°", "180°", "270°", "m 0°", "m 45°", "m 90°", "m 135°")
    np.testing.assert_allclose(group.matrices[1], [[0, -1], [1, 0]], atol=1e-12)  # from x towards y
    assert point_group("m", mirror=(1, 1)).names == ("1", "m 45°")
    hexagonal = LATTICES["hexagonal 60"]
    assert point_group("3m", hexagonal).names[3:] == ("m 0°", "m 60°", "m 120°")
    assert set(point_group("3m", hexagonal, mirror=(1, 1)).names[3:]) == {"m 30°", "m 90°", "m 150°"}


def test_both_settings_of_3m_on_graphene():
    """Mirrors along the bonds keep the sublattices, mirrors along the zigzag rows exchange them."""
    columns = column_positions(structures.graphene((3, 3))).data
    hoods = neighbour_vectors(columns, n_neighbors=3)
    basis = hoods.lattice.basis
    bonds = hoods.ideal[0]
    for mirror in ((1, 0), (0, 1), (1, 1), (1, -1)):
        site, _ = point_group("3m", basis, mirror=mirror).permutations(hoods.ideal)
        along = np.array(mirror) @ basis
        cosine = bonds @ along / np.linalg.norm(bonds, axis=1) / np.linalg.norm(along)
        is_bond = np.abs(cosine).max() > 0.99
        assert (site[:3] == [0, 1]).all()  # rotations
        assert (site[3:] == ([0, 1] if is_bond else [1, 0])).all()


def searched_anew(xy, centre, matrix, stars):
    """Neighbours after the whole picture was turned about one atom, found from scratch."""
    tree = cKDTree((xy - centre) @ matrix.T)
    distance, row = tree.query(stars)
    site = (distance**2).sum(axis=1).argmin()
    assert len(set(row[site])) == stars.shape[1]
    return tree.data[row[site]]


@pytest.mark.parametrize(
    ("build", "settings", "symbols"),
    [
        (
            lambda: structures.perovskite((5, 5), polar=25, variants=4, rotation=7),
            {"center": "Ti", "neighbors": "Sr"},
            ("2", "m", "2mm", "4", "4mm"),
        ),
        (lambda: structures.graphene((3, 3)), {"n_neighbors": 3}, ("2", "3", "3m", "6", "6mm")),
        (lambda: structures.graphene((3, 3)), {"n_neighbors": 9}, ("6mm",)),
    ],
)
def test_replicas_are_what_a_new_search_finds(build, settings, symbols):
    columns = column_positions(build(), noise=0.003, random_state=3).data
    columns[["x", "y"]] = columns[["x", "y"]].to_numpy() @ [[1, 0.02], [0, 1.01]]
    hoods = neighbour_vectors(columns, **settings)
    whole = np.flatnonzero(hoods.complete & (hoods.kind >= 0))
    partners = columns["sublattice"].isin([settings.get("neighbors", "C")])
    for symbol in symbols:
        group = point_group(symbol, hoods.lattice.basis)
        vectors = hoods.vectors[whole] @ group.frame
        replicas = group.replicas(vectors, hoods.kind[whole], hoods.ideal)
        assert replicas.shape == (len(group), *vectors.shape)
        np.testing.assert_allclose(replicas[0], vectors, atol=1e-12)
        every = columns[["x", "y"]].to_numpy() @ group.frame
        for n in range(0, len(whole), 7):
            centre = every[hoods.centres[whole[n]]]
            others = every[partners & (np.arange(len(every)) != hoods.centres[whole[n]])]
            for g, matrix in enumerate(group.matrices):
                again = searched_anew(others, centre, matrix, hoods.ideal @ group.frame)
                np.testing.assert_allclose(replicas[g, n], again, atol=1e-9)


def test_neighbours_that_are_no_whole_sphere():
    with pytest.raises(ValueError, match=r"operation 90° of point group 4mm .*3.*whole coordination spheres"):
        point_group("4mm").permutations(np.array([[[1.0, 0], [0, 1], [-1, 0]]]))
