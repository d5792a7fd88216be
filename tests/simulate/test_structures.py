"""Structures agree with crystallography, and their column tables with the atoms in them."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk, mx2
from ase.build import graphene as ase_graphene
from ase.io import write
from ase.neighborlist import neighbor_list
from ase.spacegroup import crystal
from scipy.spatial import cKDTree

from atomlens.simulate import structures

BUILDERS = {
    "graphene": structures.graphene,
    "boundary": structures.graphene_grain_boundary,
    "monolayer": lambda size, **more: structures.transition_metal_dichalcogenide("MoS2", size, **more),
    "bilayer": lambda size, **more: structures.transition_metal_dichalcogenide(
        "WSe2", size, layers=2, **more
    ),
    "perovskite 001": structures.perovskite,
    "perovskite 110": lambda size, **more: structures.perovskite(size, zone="110", **more),
    "polar": lambda size, **more: structures.perovskite(size, polar=30, variants=4, **more),
    "silicon": lambda size, **more: structures.dumbbells("Si", size, **more),
    "twin": lambda size, **more: structures.dumbbells("CdTe", size, twin=True, **more),
    "zirconia": structures.zirconia,
    "zirconia twin": lambda size, **more: structures.zirconia(size, twin=True, **more),
    "Mo-V oxide": structures.molybdenum_vanadium_oxide,
    "gold": lambda size, **more: structures.metal("Au", size, **more),
    "iron 111": lambda size, **more: structures.metal("Fe", size, zone="111", **more),
    "grains": lambda size, **more: structures.metal("Pt", size, grains=3, **more),
}


def test_every_builder_is_among_those_tested_here():
    makes = {
        "amorphous",
        "combine",
        "from_atoms",
        "read",
        "silicon_in_graphene",
        "single_atoms",
    }  # on their own
    builders = set(structures.__all__) - {"Structure"} - makes
    source = Path(__file__).read_text(encoding="utf-8").partition("BUILDERS = {")[2].partition("\n}")[0]
    assert builders == set(re.findall(r"structures\.(\w+)", source))


def inside(structure, border=0.0):
    """Rows of the columns in the field of view."""
    xy, size = structure.columns[["x_nm", "y_nm"]].to_numpy(), np.array(structure.size)
    return np.all((xy >= border) & (xy < size - border), axis=1)


def visible(structure):
    return structure.columns[structure.columns.visible]


def spacings(points, k=1):
    return cKDTree(points).query(points, k + 1)[0][:, 1:]


def bonds(structure, cutoff, border=0.3):
    """Pairs (i, j) of atoms and their lengths, with the repeats along the beam; i well inside the field."""
    atoms = structure.atoms.copy()
    atoms.pbc = (False, False, structure.period is not None)
    i, j, length = neighbor_list("ijd", atoms, cutoff)
    xy, size = atoms.positions[:, :2] / 10, np.array(structure.size)
    inner = np.all((xy > border) & (xy < size - border), axis=1)
    return i[inner[i]], j[inner[i]], length[inner[i]], np.flatnonzero(inner)


# ---------------------------------------------------------------------------------- what all have in common
@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("rotation", [0.0, 33.0])
def test_field_and_margin_are_covered(name, rotation):
    structure = BUILDERS[name]((5.0, 3.0), rotation=rotation)
    xy = structure.atoms.positions[:, :2] / 10
    assert xy.min() >= -1
    assert np.all(xy.max(axis=0) <= [6, 4])
    # No place of field and margin is farther from an atom than the widest void in the middle.
    grid = np.stack(np.meshgrid(np.arange(-0.9, 5.9, 0.05), np.arange(-0.9, 3.9, 0.05)), axis=-1).reshape(
        -1, 2
    )
    distance = cKDTree(xy).query(grid)[0]
    middle = np.all(np.abs(grid - [2.5, 1.5]) < 1.4, axis=1)
    assert distance.max() < 1.5 * distance[middle].max()


@pytest.mark.parametrize("name", BUILDERS)
def test_the_column_table_accounts_for_every_atom(name):
    structure = BUILDERS[name]((3.0, 3.0), rotation=10)
    table = structure.columns
    assert table.n_atoms.sum() == len(structure.atoms)
    assert table.weight.sum() == pytest.approx(np.sum(structure.atoms.numbers**1.7))
    assert table.label.isin(range(len(structure.sublattices))).all()
    np.testing.assert_array_equal(table.visible, np.array(structure.visible)[table.label])
    np.testing.assert_array_equal(structure.atoms.arrays["sublattice"], table.label[structure.column_of_atom])
    # Columns that can be seen stand apart; what can be resolved is counted once.
    assert spacings(visible(structure)[["x_nm", "y_nm"]].to_numpy()).min() > 0.1


@pytest.mark.parametrize("name", [name for name in BUILDERS if name != "polar"])
def test_rotation_turns_the_structure_about_the_centre_of_the_field(name):
    plain, turned = (BUILDERS[name]((4.0, 4.0), rotation=r).atoms for r in (0.0, 25.0))
    angle = np.radians(25)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    expected = (plain.positions[:, :2] - 20) @ matrix
    near = np.hypot(*expected.T) < 22
    places = np.column_stack([turned.positions[:, :2] - 20, turned.positions[:, 2]])
    wanted = np.column_stack([expected, plain.positions[:, 2]])[near]
    distance, partner = cKDTree(places).query(wanted)
    assert distance.max() < 1e-6
    np.testing.assert_array_equal(turned.numbers[partner], plain.numbers[near])


@pytest.mark.parametrize(
    ("name", "columns"),
    [  # columns a cell / area of the cell, in nm
        ("graphene", 2 / (0.246**2 * np.sqrt(0.75))),  # 38.2
        ("monolayer", 2 / (0.316**2 * np.sqrt(0.75))),
        ("bilayer", 2 / (0.3286**2 * np.sqrt(0.75))),
        ("perovskite 001", 2 / 0.3905**2),
        ("perovskite 110", 2 * np.sqrt(2) / 0.3905**2),
        ("silicon", 4 * np.sqrt(2) / 0.5431**2),
        ("twin", 4 * np.sqrt(2) / 0.6482**2),
        ("zirconia", 4 / (0.51505 * 0.53173 * np.sin(np.radians(99.23)))),
        ("Mo-V oxide", 40 / (2.1134 * 2.6658)),
        ("gold", 4 / 0.408**2),
        ("iron 111", np.sqrt(3) / 0.287**2),
    ],
)
def test_density_of_columns(name, columns):
    structure = BUILDERS[name]((15.0, 15.0), rotation=7)
    counted = (inside(structure) & structure.columns.visible).sum() / 225
    assert counted == pytest.approx(columns, rel=0.01)


@pytest.mark.parametrize(
    ("name", "distance"),
    [  # of the nearest visible columns, in nm
        ("graphene", 0.142),
        ("monolayer", 0.316 / np.sqrt(3)),
        ("perovskite 001", 0.3905 / np.sqrt(2)),
        ("perovskite 110", 0.3905 / 2),
        ("silicon", 0.5431 / 4),  # the dumbbell: 0.136
        ("twin", 0.6482 / 4),
        ("gold", 0.204),
        ("iron 111", 0.287 * np.sqrt(2) / np.sqrt(3)),
    ],
)
def test_distance_of_neighbouring_columns(name, distance):
    structure = BUILDERS[name]((4.0, 4.0), rotation=50)
    points = visible(structure)[["x_nm", "y_nm"]].to_numpy()
    keep = inside(structure)[structure.columns.visible]
    np.testing.assert_allclose(spacings(points)[keep], distance, rtol=1e-3)


@pytest.mark.parametrize(
    ("structure", "cutoff", "number", "length"),
    [
        (structures.metal("Au", (4.0, 4.0), zone="110"), 3.2, 12, 4.08 / np.sqrt(2)),
        (structures.metal("Al", (4.0, 4.0), zone="111"), 3.2, 12, 4.05 / np.sqrt(2)),
        (structures.metal("W", (4.0, 4.0), zone="110"), 3.0, 8, 3.16 * np.sqrt(0.75)),
        (structures.metal("Fe", (4.0, 4.0), zone="111"), 2.6, 8, 2.87 * np.sqrt(0.75)),
        (structures.dumbbells("Ge", (4.0, 4.0)), 2.7, 4, 5.6579 * np.sqrt(3) / 4),
        (structures.dumbbells("Si", (4.0, 4.0), twin=True, rotation=20), 2.7, 4, 5.431 * np.sqrt(3) / 4),
        (structures.dumbbells("CdTe", (4.0, 4.0), twin=True), 3.2, 4, 6.482 * np.sqrt(3) / 4),
        (structures.graphene((4.0, 4.0)), 1.6, 3, 2.46 / np.sqrt(3)),
    ],
    ids=lambda value: value.name if isinstance(value, structures.Structure) else "",
)
def test_coordination_in_three_dimensions(structure, cutoff, number, length):
    i, _, lengths, atoms = bonds(structure, cutoff)
    np.testing.assert_array_equal(np.bincount(i)[atoms], number)
    np.testing.assert_allclose(lengths, length, rtol=1e-6)


@pytest.mark.parametrize("zone", ["001", "110"])
def test_titanium_has_six_oxygens_and_strontium_twelve(zone):
    structure = structures.perovskite((4.0, 4.0), zone=zone)
    i, j, length, atoms = bonds(structure, 3.0)
    numbers = structure.atoms.numbers
    for centre, count, distance in ((22, 6, 3.905 / 2), (38, 12, 3.905 / np.sqrt(2))):
        to_oxygen = (numbers[i] == centre) & (numbers[j] == 8)
        np.testing.assert_array_equal(np.bincount(i[to_oxygen])[atoms[numbers[atoms] == centre]], count)
        np.testing.assert_allclose(length[to_oxygen], distance)


@pytest.mark.parametrize(
    ("formula", "length"),
    [("MoS2", 2.42), ("WS2", 2.41), ("MoSe2", 2.53), ("WSe2", 2.53), ("MoTe2", 2.72), ("WTe2", 2.73)],
)
def test_metal_has_six_chalcogens(formula, length):
    structure = structures.transition_metal_dichalcogenide(formula, (3.0, 3.0), layers=2)
    metal = np.isin(structure.atoms.numbers, [42, 74])
    i, j, lengths, atoms = bonds(structure, 2.9)
    across = metal[i] & ~metal[j]
    np.testing.assert_array_equal(np.bincount(i[across])[atoms[metal[atoms]]], 6)
    np.testing.assert_allclose(lengths[across], length, atol=0.02)


def test_bilayer_columns_hold_a_metal_and_two_chalcogens_of_different_layers():
    structure = structures.transition_metal_dichalcogenide("MoS2", (3.0, 3.0), layers=2)
    assert structure.sublattices == ("MoS2",)
    table = structure.columns[inside(structure)]
    assert set(table.species) == {"MoS2"}
    heights = structure.atoms.positions[structure.atoms.numbers == 42, 2]
    assert np.unique(heights.round(6)).size == 2
    assert np.ptp(heights) == pytest.approx(12.295 / 2)


def test_monolayer_agrees_with_ase():
    ours = structures.transition_metal_dichalcogenide("MoS2", (4.0, 4.0))
    theirs = structures.from_atoms(mx2("MoS2", a=3.16, thickness=2 * 1.586), size=(4.0, 4.0))
    assert theirs.sublattices == ("Mo", "S")
    assert theirs.period is None
    for key in ("label", "weight", "n_atoms"):
        means = [s.columns[inside(s, 0.1)].groupby("species")[key].mean() for s in (ours, theirs)]
        pd.testing.assert_series_equal(*means)
    near = [
        spacings(s.columns[["x_nm", "y_nm"]].to_numpy(), 6)[inside(s, 0.1)].mean(axis=0)
        for s in (ours, theirs)
    ]
    np.testing.assert_allclose(*near)


def test_zirconia_has_the_distances_of_the_published_crystal():
    cell = crystal(
        ("Zr", "O", "O"),
        [(0.2754, 0.0395, 0.2083), (0.0700, 0.3317, 0.3447), (0.4496, 0.7569, 0.4792)],
        spacegroup=14,
        cellpar=[5.1505, 5.2116, 5.3173, 90, 99.230, 90],
    )
    expected = np.sort(neighbor_list("d", cell, 4.0))
    structure = structures.zirconia((4.0, 4.0))
    _, _, lengths, atoms = bonds(structure, 4.0, border=0.0)
    share = len(lengths) / len(atoms) * len(cell)
    assert share == pytest.approx(len(expected), rel=0.02)
    found = np.unique(lengths.round(4))
    np.testing.assert_allclose(found, np.unique(expected.round(4)), atol=2e-4)


def test_zirconia_shows_its_monoclinic_angle():
    table = visible(structures.zirconia((4.0, 4.0)))
    points = table[["x_nm", "y_nm"]].to_numpy()
    # The lattice is what maps all columns onto columns: the rows along c, and the next cell along a.
    c, a = np.array([0.53173, 0]), 0.51505 * np.array([np.cos(np.radians(99.23)), np.sin(np.radians(99.23))])
    tree = cKDTree(points)
    middle = points[np.all(np.abs(points - 2) < 1.4, axis=1)]
    for vector in (c, a, a + c):
        assert tree.query(middle + vector)[0].max() < 1e-3
    assert tree.query(middle + a * [-1, 1])[0].max() > 0.05


# ------------------------------------------------------------------------------------------------------ twins
@pytest.mark.parametrize(
    ("name", "mirror", "shift"),
    # The half turn about the normal of the (111) plane is a mirror across it in projection; a cube diagonal,
    # which is a lattice vector along that normal, takes the lower crystal to the place of the upper one.
    [("twin", [-1, 1], [0, 0.6482 * np.sqrt(3)]), ("zirconia twin", [1, -1], [0, 0])],
)
def test_the_second_twin_is_the_mirror_image_of_the_first_crystal(name, mirror, shift):
    table = visible(BUILDERS[name]((5.0, 5.0)))
    points, upper = table[["x_nm", "y_nm"]].to_numpy() - 2.5, table.domain.to_numpy() == 1
    assert points[upper, 1].min() > 0 > points[~upper, 1].max()
    image = points[~upper] * mirror + shift
    inner = np.all((image > [-2, 0.01]) & (image < [2, 2]), axis=1)
    distance, partner = cKDTree(points[upper]).query(image[inner])
    assert inner.sum() > 50
    assert distance.max() < 1e-6
    np.testing.assert_array_equal(table.label[upper].iloc[partner], table.label[~upper][inner])
    # It is a twin: no translation alone takes the lower crystal to the upper one.
    tree = cKDTree(points)
    anchor = points[upper][np.argmin(np.hypot(*(points[upper] - [0, 1.2]).T))]
    around = points[tree.query_ball_point(anchor, 0.9)] - anchor
    starts = points[np.all((points > [-1.2, -2.2]) & (points < [1.2, -1.0]), axis=1)]
    misfit = [tree.query(start + around)[0].max() for start in starts]
    assert len(misfit) > 10
    assert min(misfit) > 0.02


def test_bonds_across_the_twin_join_cadmium_and_tellurium():
    structure = structures.dumbbells("CdTe", (5.0, 5.0), twin=True)
    i, j, _, _ = bonds(structure, 3.0)
    domain, numbers = structure.atoms.arrays["domain"], structure.atoms.numbers
    assert np.count_nonzero(domain[i] != domain[j]) > 10
    assert np.all(numbers[i] != numbers[j])


def test_zirconia_twin_keeps_physical_distances():
    structure = structures.zirconia((4.0, 4.0), twin=True)
    i, j, lengths, _ = bonds(structure, 4.0)
    numbers = structure.atoms.numbers
    for pair, shortest in (((40, 40), 3.3), ((40, 8), 2.0), ((8, 8), 2.4)):
        assert lengths[(numbers[i] == pair[0]) & (numbers[j] == pair[1])].min() > shortest


# ------------------------------------------------------------------------------------------ grain boundaries
@pytest.mark.parametrize("angle", [5.0, 13.2, 21.8, 27.8, 32.2, 40.0])
def test_grain_boundary_consists_of_pentagons_and_heptagons(angle):
    structure = structures.graphene_grain_boundary((10.0, 4.0), angle=angle)
    kinds = structure.defects.kind.value_counts()
    assert set(kinds.index) == {"pentagon", "heptagon"}
    assert abs(kinds["pentagon"] - kinds["heptagon"]) <= 2
    # Every atom has three bonds of nearly the length in graphene.
    i, _, lengths, atoms = bonds(structure, 1.8)
    np.testing.assert_array_equal(np.bincount(i)[atoms], 3)
    assert 1.3 < lengths.min() <= lengths.max() < 1.6
    # The rings listed are where they are said to be, of the size that they are said to have.
    places = structure.defects[["x_nm", "y_nm"]].to_numpy()
    tree = cKDTree(structure.atoms.positions[:, :2] / 10)
    for ring, place in zip(structure.defects.itertuples(), places, strict=True):
        corners = tree.data[tree.query(place, {"pentagon": 5, "heptagon": 7}[ring.kind])[1]] - place
        corners = corners[np.argsort(np.arctan2(corners[:, 1], corners[:, 0]))]
        sides = np.hypot(*(corners - np.roll(corners, 1, axis=0)).T)
        assert 0.13 < sides.min() <= sides.max() < 0.16
        assert 2 * np.hypot(*corners.T).mean() == pytest.approx(ring.size_nm)
    marked = structure.columns[(structure.columns.defect == "grain_boundary") & inside(structure, 0.25)]
    assert cKDTree(places).query(marked[["x_nm", "y_nm"]])[0].max() < 0.2
    assert np.abs(places[:, 1] - 2).max() < 0.8


@pytest.mark.parametrize("angle", [10.0, 21.8, 30.0])
def test_the_grains_are_turned_by_the_angle_between_them(angle):
    structure = structures.graphene_grain_boundary((6.0, 6.0), angle=angle, rotation=12)
    i, j, _, _ = bonds(structure, 1.6)
    positions, domain = structure.atoms.positions, structure.atoms.arrays["domain"]
    bond = positions[j] - positions[i]
    direction = np.arctan2(bond[:, 1], bond[:, 0])
    # Threefold bonds point the other way on the other kind of site: sixfold on the whole.
    far = (
        np.abs(
            (positions[i, 1] - 30) * np.cos(np.radians(12)) - (positions[i, 0] - 30) * np.sin(np.radians(12))
        )
        > 8
    )
    phase = [np.angle(np.exp(6j * direction[far & (domain[i] == d)]).mean()) / 6 for d in (0, 1)]
    assert np.degrees(phase[0] - phase[1]) % 60 == pytest.approx(angle, abs=0.2)


def test_metal_grains_are_all_there_and_keep_their_distance():
    structure = structures.metal("Au", (8.0, 8.0), grains=4, random_state=1)
    assert set(structure.columns.domain) == {0, 1, 2, 3}
    assert spacings(structure.columns[["x_nm", "y_nm"]].to_numpy()).min() >= 0.7 * 0.204 - 1e-9
    spacing = spacings(structure.columns[["x_nm", "y_nm"]].to_numpy())[inside(structure)]
    assert np.median(spacing) == pytest.approx(0.204)


# ------------------------------------------------------------------------------------------------- Mo-V oxide
def test_network_of_the_oxide():
    structure = structures.molybdenum_vanadium_oxide((8.0, 8.0), vanadium=0.6, random_state=3)
    i, _, lengths, atoms = bonds(structure, 4.1, border=0.4)
    in_plane = lengths < 4.0  # not the repeat along the beam
    assert 3.3 < lengths[in_plane].min() <= lengths[in_plane].max() < 3.95
    number = np.bincount(i[in_plane])[atoms]
    label = structure.atoms.arrays["sublattice"][atoms]
    for kind, neighbours in enumerate((5, 5, 4)):
        np.testing.assert_array_equal(number[label == kind], neighbours)
    _, counts = np.unique(label, return_counts=True)
    np.testing.assert_allclose(counts / counts.sum(), [0.1, 0.5, 0.4], atol=0.02)
    vanadium = structure.columns[structure.columns.species == "V"]
    assert set(vanadium.label) == {2}
    share = len(vanadium) / (structure.columns.label == 2).sum()
    assert share == pytest.approx(0.6, abs=0.1)


# -------------------------------------------------------------------------------------------- polar domains
def test_polar_displacement_is_that_of_the_titanium_columns():
    structure = structures.perovskite((6.0, 6.0), formula="PbTiO3", polar=20, variants=(30.0,), rotation=15)
    table = structure.columns
    along = np.radians(45)  # 30 from the lattice, 15 from its rotation
    for label, length in ((0, 0.0), (1, 0.02), (2, -0.01)):
        one = table[table.label == label]
        np.testing.assert_allclose(one.dx_nm, length * np.cos(along), atol=1e-12)
        np.testing.assert_allclose(one.dy_nm, length * np.sin(along), atol=1e-12)
    # The displacement is real: lead columns see titanium off the middle of their squares.
    lead, titanium = (table.loc[table.label == k, ["x_nm", "y_nm"]].to_numpy() for k in (0, 1))
    titanium = titanium[np.all(np.abs(titanium - 3) < 2.5, axis=1)]
    corners = cKDTree(lead).query(titanium, 4)[1]
    np.testing.assert_allclose(
        titanium - lead[corners].mean(axis=1),
        np.tile(0.02 * np.array([np.cos(along), np.sin(along)]), (len(titanium), 1)),
        atol=1e-9,
    )


@pytest.mark.parametrize("variants", [4, (45, 135, 225, 315)])
def test_every_domain_has_the_direction_of_its_variant(variants):
    structure = structures.perovskite((9.0, 9.0), polar=15, variants=variants, random_state=2)
    angles = np.radians([0, 90, 180, 270] if variants == 4 else variants)
    titanium = structure.columns[structure.columns.label == 1]
    assert set(titanium.domain) == {0, 1, 2, 3}
    np.testing.assert_allclose(titanium.dx_nm, 0.015 * np.cos(angles[titanium.domain]), atol=1e-12)
    np.testing.assert_allclose(titanium.dy_nm, 0.015 * np.sin(angles[titanium.domain]), atol=1e-12)


def test_alternating_displacements_double_the_lattice_and_none_leaves_it():
    structure = structures.perovskite(
        (8.0, 4.0), polar=20, variants=((90, "alternating"), None), domains="stripes", n_domains=2
    )
    titanium = structure.columns[structure.columns.label == 1]
    first, second = (titanium[titanium.domain == d] for d in (0, 1))
    assert first.x_nm.max() < second.x_nm.min()
    assert np.abs(second[["dx_nm", "dy_nm"]]).to_numpy().max() < 1e-12
    column = ((first.x_nm - first.x_nm.min()) / 0.3905).round().astype(int)
    signs = np.sign(first.dy_nm) * (-1.0) ** column
    assert np.unique(signs).size == 1
    np.testing.assert_allclose(np.abs(first.dy_nm), 0.02)


def test_a_function_lays_out_the_domains():
    structure = structures.perovskite(
        (6.0, 6.0),
        polar=20,
        variants=2,
        rotation=30,
        domains=lambda x, y: (np.hypot(x - 3, y - 3) < 1.5).astype(int),
    )
    titanium = structure.columns[structure.columns.label == 1]
    radius = np.hypot(titanium.x_nm - 3, titanium.y_nm - 3)
    assert (titanium.domain[radius < 1.2] == 1).all()
    assert (titanium.domain[radius > 1.8] == 0).all()


# --------------------------------------------------------------------------------------- alloys, films, atoms
def test_alloy_fractions_are_those_of_the_atoms():
    structure = structures.transition_metal_dichalcogenide(
        "WS2", (20.0, 20.0), alloy={"Mo": 0.3, "Se": 0.2}, random_state=4
    )
    symbols = np.array(structure.atoms.get_chemical_symbols())
    metal = structure.atoms.arrays["sublattice"] == 0
    assert np.mean(symbols[metal] == "Mo") == pytest.approx(0.3, abs=0.02)
    assert np.mean(symbols[~metal] == "Se") == pytest.approx(0.2, abs=0.02)
    assert set(symbols[metal]) == {"W", "Mo"}
    species = structure.columns.species[structure.columns.label == 1].value_counts(normalize=True)
    np.testing.assert_allclose(species[["S2", "SeS", "Se2"]], [0.64, 0.32, 0.04], atol=0.02)
    assert (structure.columns.defect == "").all()


def test_amorphous_film_has_its_density_and_no_close_pairs():
    film = structures.amorphous("C", (4.0, 3.0), thickness=1.5, density=2.0, min_distance=0.14)
    volume = 6 * 5 * 1.5 * 1e-21  # cm³, margin included
    grams = len(film.atoms) * 12.011 / 6.02214e23
    assert grams / volume == pytest.approx(2.0, rel=1e-3)
    distance = spacings(film.atoms.positions)
    assert distance.min() >= 1.4
    # Not a lattice: distances spread.
    assert distance.std() > 0.1
    assert np.ptp(film.atoms.positions[:, 2]) == pytest.approx(15, abs=0.3)


def test_single_atoms_are_as_many_as_asked_and_apart():
    atoms = structures.single_atoms("Pt", (5.0, 4.0), n=25, min_distance=0.5)
    assert len(atoms.columns) == inside(atoms).sum() == 25
    assert spacings(atoms.columns[["x_nm", "y_nm"]].to_numpy()).min() >= 0.5


def test_combine_puts_one_over_the_other_inside_the_mask():
    base = structures.graphene((5.0, 5.0))
    film = structures.amorphous("Si", (5.0, 5.0), density=2.3, min_distance=0.2)
    dirty = structures.combine(base, film, where=(2.0, 3.0, 1.0))
    table = dirty.columns
    pd.testing.assert_frame_equal(table[table.label == 0].reset_index(drop=True), base.columns)
    added = table[table.label == 1]
    distance = np.hypot(added.x_nm - 2, added.y_nm - 3)
    assert 0.8 < distance.max() < 1.02
    expected = np.hypot(film.columns.x_nm - 2, film.columns.y_nm - 3) < 1
    assert added.n_atoms.sum() == pytest.approx(film.columns.n_atoms[expected].sum(), abs=3)
    silicon = dirty.atoms.numbers == 14
    assert dirty.atoms.positions[silicon, 2].min() > dirty.atoms.positions[~silicon, 2].max()
    half = structures.combine(base, film, where=lambda x, y: x > 2.5)
    assert half.atoms.positions[half.atoms.numbers == 14, 0].min() > 25
    whole = structures.combine(base, film)
    assert len(whole.atoms) == len(base.atoms) + len(film.atoms)


def test_combine_keeps_the_defects_of_both():
    first = structures.graphene_grain_boundary((5.0, 5.0))
    both = structures.combine(first, structures.graphene_grain_boundary((5.0, 5.0), rotation=90))
    assert len(both.defects) > 1.5 * len(first.defects)
    assert set(both.defects.sublattice) == {0, 1}


@pytest.mark.parametrize(
    "build",
    [
        lambda seed: structures.amorphous("C", (2.0, 2.0), random_state=seed),
        lambda seed: structures.single_atoms("Pt", (2.0, 2.0), n=5, random_state=seed),
        lambda seed: structures.metal("Au", (3.0, 3.0), grains=3, random_state=seed),
        lambda seed: structures.perovskite((4.0, 4.0), polar=20, variants=4, random_state=seed),
        lambda seed: structures.molybdenum_vanadium_oxide((4.0, 4.0), random_state=seed),
        lambda seed: structures.transition_metal_dichalcogenide(
            "MoS2", (3.0, 3.0), alloy={"W": 0.5}, random_state=seed
        ),
    ],
)
def test_seeds_repeat_and_differ(build):
    first, again, other = (build(seed).columns for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)
    assert len(build(np.random.default_rng(1)).columns) > 0


# -------------------------------------------------------------------------------------------------- the table
def test_columns_agree_with_brute_force():
    rng = np.random.default_rng(0)
    positions = np.repeat(rng.uniform(0, 30, (60, 3)), 3, axis=0)
    positions += rng.normal(0, 0.02, positions.shape)
    atoms = Atoms(rng.choice([6, 14, 22], len(positions)), positions)
    atoms.set_array("sublattice", rng.integers(0, 2, len(atoms)))
    structure = structures.Structure(atoms, (3.0, 3.0), ("a", "b"), (True, False))
    seen = set()
    for atom in range(len(atoms)):
        apart = np.hypot(*(positions[:, :2] - positions[atom, :2]).T)
        members = np.flatnonzero(
            (apart < 0.3) & (atoms.arrays["sublattice"] == atoms.arrays["sublattice"][atom])
        )
        row = structure.columns.iloc[structure.column_of_atom[atom]]
        weight = atoms.numbers[members] ** 1.7
        np.testing.assert_allclose(row.weight, weight.sum())
        np.testing.assert_allclose([row.x_nm, row.y_nm], weight @ positions[members, :2] / weight.sum() / 10)
        assert row.n_atoms == len(members)
        seen.add(tuple(members))
    assert len(seen) == len(structure.columns)


def test_exponent_of_the_weight():
    structure = structures.transition_metal_dichalcogenide("MoS2", (2.0, 2.0))
    table = structure.column_table(exponent=2.0)
    assert set(table.weight.round(6)) == {42.0**2, 2 * 16.0**2}
    assert set(structure.columns.weight.round(6)) == {round(42**1.7, 6), round(2 * 16**1.7, 6)}


def test_changing_the_table_or_the_atoms_given_changes_no_structure():
    given = bulk("Au", cubic=True)
    structure = structures.from_atoms(given, size=(2.0, 2.0))
    before = structure.columns
    table = structure.columns
    table["x_nm"] = 0.0
    given.positions += 1
    pd.testing.assert_frame_equal(structure.columns, before)
    assert before.x_nm.std() > 0.5


def test_no_atoms_make_an_empty_table_with_its_columns():
    empty = structures.Structure(Atoms(), (1.0, 1.0), (), ())
    pd.testing.assert_index_equal(empty.columns.columns, structures.graphene((1.0, 1.0)).columns.columns)
    assert len(empty.columns) == 0
    assert "0 atoms in 0 columns" in repr(empty)


# ------------------------------------------------------------------------------------------ ASE and its files
def test_axes_of_from_atoms_keep_the_hand():
    chiral = Atoms("CNO", [[0, 0, 0], [3, 0, 0], [0, 5, 1]])
    for axis, order in (("z", [0, 1, 2]), ("x", [1, 2, 0]), ("y", [2, 0, 1])):
        structure = structures.from_atoms(chiral, axis=axis)
        vectors = structure.atoms.positions[1:] - structure.atoms.positions[0]
        np.testing.assert_allclose(vectors, chiral.positions[1:][:, order], atol=1e-12)
        assert np.linalg.det(np.eye(3)[order]) == pytest.approx(1)


def test_columns_of_files_are_told_apart_by_what_they_hold():
    strontium_titanate = crystal(
        ("Sr", "Ti", "O"),
        [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)],
        spacegroup=221,
        cellpar=[3.905] * 3 + [90] * 3,
    )
    structure = structures.from_atoms(strontium_titanate, size=(3.0, 3.0), repeat=(1, 1, 2))
    assert structure.sublattices == ("Sr", "TiO", "O")
    assert structure.visible == (True, True, False)
    assert structure.period == pytest.approx(2 * 3.905)
    assert set(structure.columns.species) == {"Sr2", "Ti2O2", "O2"}
    # Their positions are those of our own.
    points = visible(structure)[["x_nm", "y_nm"]].to_numpy()
    middle = np.all(np.abs(points - 1.5) < 1.3, axis=1)
    np.testing.assert_allclose(spacings(points, 4)[middle], 0.3905 / np.sqrt(2))
    rocksalt = structures.from_atoms(bulk("NaCl", "rocksalt", a=5.64, cubic=True), size=(2.0, 2.0))
    assert rocksalt.sublattices == ("ClNa",)


def test_sublattices_may_be_given_by_array_or_entry():
    sheet = ase_graphene()
    sheet.set_array("kind", np.array(["A", "B"]))
    by_array = structures.from_atoms(sheet, size=(2.0, 2.0), sublattice="kind")
    by_entry = structures.from_atoms(sheet, size=(2.0, 2.0), sublattice=[1, 0], visible=(True, False))
    assert by_array.sublattices == ("A", "B")
    assert by_entry.sublattices == ("1", "0")
    assert by_entry.visible == (True, False)
    np.testing.assert_array_equal(by_array.columns.label, by_entry.columns.label)


def test_a_particle_is_put_into_the_middle():
    particle = bulk("Au", cubic=True) * (3, 3, 3)
    particle.pbc = False
    structure = structures.from_atoms(particle, rotation=30)
    assert structure.period is None
    width = 2.5 * 0.408 + 1  # nm, half a nanometre on every side
    assert structure.size == pytest.approx((width, width))
    middle = structure.atoms.positions[:, :2].mean(axis=0) / 10
    np.testing.assert_allclose(middle, [width / 2] * 2)
    assert structure.columns.n_atoms.isin([3]).all()


@pytest.mark.parametrize(
    ("file", "format"),
    [("a.xyz", "extxyz"), ("a.cif", None), ("POSCAR", None), ("a.traj", None), ("a.xsf", None)],
)
def test_files_written_by_ase_come_back(tmp_path, file, format):
    atoms = bulk("Au", cubic=True)
    write(tmp_path / file, atoms, **({"format": format} if format else {}))
    structure = structures.read(tmp_path / file, size=(2.0, 2.0), rotation=10)
    expected = structures.from_atoms(atoms, size=(2.0, 2.0), rotation=10)
    np.testing.assert_allclose(
        np.sort(structure.columns[["x_nm", "y_nm"]], axis=0),
        np.sort(expected.columns[["x_nm", "y_nm"]], axis=0),
        atol=1e-5,
    )
    assert structure.period == pytest.approx(4.08)


def test_trajectories_give_a_frame_or_a_list(tmp_path):
    frames = [bulk("Cu", cubic=True, a=a) for a in (3.6, 3.7, 3.8)]
    path = tmp_path / "run.extxyz"
    write(path, frames)
    several = structures.read(str(path), index=":", size=(2.0, 2.0))
    assert [s.period for s in several] == pytest.approx([3.6, 3.7, 3.8])
    assert structures.read(path, size=(2.0, 2.0)).period == pytest.approx(3.8)
    assert structures.read(path, index=0, size=(2.0, 2.0)).period == pytest.approx(3.6)


def test_lammps_dump_is_read(tmp_path):
    path = tmp_path / "run.lammpstrj"
    rows = ["1 79 0 0 0", "2 79 2.04 2.04 0", "3 79 2.04 0 2.04", "4 79 0 2.04 2.04"]
    frame = "\n".join(
        [
            *("ITEM: TIMESTEP", "0", "ITEM: NUMBER OF ATOMS", "4"),
            *("ITEM: BOX BOUNDS pp pp pp", "0 4.08", "0 4.08", "0 4.08"),
            *("ITEM: ATOMS id type x y z", *rows, ""),
        ]
    )
    path.write_text(frame * 2)
    several = structures.read(path, index=":", format="lammps-dump-text", size=(2.0, 2.0))
    assert len(several) == 2
    assert several[0].sublattices == ("Au",)
    assert several[0].period == pytest.approx(4.08)
    points = several[0].columns[["x_nm", "y_nm"]].to_numpy()
    np.testing.assert_allclose(spacings(points)[inside(several[0])], 0.204, rtol=1e-6)


def leaning():
    cell = bulk("Au", cubic=True)
    cell.set_cell([[4, 0, 0], [0, 4, 0], [1, 0, 4]])
    return cell


def with_nan():
    atoms = bulk("Au", cubic=True)
    atoms.positions[0, 0] = np.nan
    return atoms


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: structures.graphene(5), r"size must be \(width, height\)"),
        (lambda: structures.graphene((5, 0)), "two positive lengths"),
        (lambda: structures.graphene((5, np.nan)), "two positive lengths"),
        (lambda: structures.graphene((2, 2), rotation=np.nan), "angle in degrees"),
        (lambda: structures.graphene_grain_boundary((2, 2), angle=60), "between 0 and 60"),
        (lambda: structures.transition_metal_dichalcogenide("MoO2"), "choose from MoS2"),
        (lambda: structures.transition_metal_dichalcogenide(layers=3), "layers must be 1 or 2"),
        (lambda: structures.transition_metal_dichalcogenide(alloy={"Xx": 0.1}), "elements other than"),
        (lambda: structures.transition_metal_dichalcogenide(alloy={"Mo": 0.1}), "elements other than"),
        (lambda: structures.transition_metal_dichalcogenide(alloy={"W": 0.6, "Nb": 0.6}), "on the Mo sites"),
        (lambda: structures.transition_metal_dichalcogenide(alloy={"Se": -0.1}), "on the S sites"),
        (lambda: structures.perovskite(formula="ZrO2"), "perovskite ABO3"),
        (lambda: structures.perovskite(formula="Sr-Ti"), "perovskite ABO3"),
        (lambda: structures.perovskite(formula="KNbO3"), "a=0.39"),
        (lambda: structures.perovskite(zone="111"), "zone must be 001 or 110"),
        (lambda: structures.perovskite(polar=200), "quarter of a"),
        (lambda: structures.perovskite(variants=()), "variants is empty"),
        (lambda: structures.perovskite(variants=("up",)), "a variant is an angle"),
        (lambda: structures.perovskite(variants=((0, "twice"),)), "a variant is an angle"),
        (lambda: structures.perovskite(variants=4, domains="squares"), "domains must be"),
        (lambda: structures.perovskite(variants=4, n_domains=0), "n_domains"),
        (lambda: structures.perovskite(variants=2, domains=lambda x, y: x > 1e9), None),
        (lambda: structures.perovskite(variants=2, domains=lambda x, y: 2 + 0 * x), "variant number"),
        (lambda: structures.perovskite(variants=2, domains=lambda x, y: 1), "variant number"),
        (lambda: structures.dumbbells("NaCl"), "choose from Si"),
        (lambda: structures.metal("Zn"), "no face-centred or body-centred"),
        (lambda: structures.metal("Au", zone="112"), "zone must be one of"),
        (lambda: structures.metal("Au", grains=0), "grains must be at least 1"),
        (lambda: structures.molybdenum_vanadium_oxide(vanadium=1.2), "probability"),
        (lambda: structures.amorphous("Qq"), "no chemical element"),
        (lambda: structures.amorphous("C", thickness=0), "thickness must be positive"),
        (lambda: structures.amorphous("C", (2, 2), density=9), "do not fit"),
        (lambda: structures.single_atoms("Pt", (2, 2), n=100, min_distance=1), "do not fit"),
        (lambda: structures.single_atoms("Pt", n=0), "number of atoms"),
        (lambda: structures.single_atoms("Pt", min_distance=-1), "length in nm"),
        (lambda: structures.combine(structures.graphene((2, 2)), structures.graphene((3, 2))), "same size"),
        (lambda: structures.combine(*[structures.graphene((2, 2))] * 2, where=3), "where must be"),
        (
            lambda: structures.combine(*[structures.graphene((2, 2))] * 2, where=lambda x, y: x),
            "True or False",
        ),
        (lambda: structures.from_atoms(Atoms()), "no atoms"),
        (lambda: structures.from_atoms(with_nan()), "NaN"),
        (lambda: structures.from_atoms(bulk("Au"), axis="w"), "axis must be"),
        (lambda: structures.from_atoms(leaning()), "leans"),
        (lambda: structures.from_atoms(leaning(), axis="y"), None),
        (lambda: structures.from_atoms(leaning(), axis="x"), "choose another axis"),
        (lambda: structures.from_atoms(bulk("Au"), sublattice=[0, 1]), "one entry an atom"),
        (lambda: structures.from_atoms(bulk("Au"), sublattice="kind"), "no array 'kind'"),
        (lambda: structures.Structure(Atoms("C"), (1, 1), ("C",), ()), "entries in visible"),
        (lambda: structures.Structure(Atoms("C"), (1, 1), (), ()), "name every sublattice"),
    ],
)
def test_bad_input(call, message):
    if message is None:  # the good neighbour of a bad case
        call()
        return
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("file", "content", "options", "message"),
    [
        ("a.cif", "nothing of the kind", {}, "cannot be read as cif"),
        ("a.xyz", "0\n\n", {}, "no atoms"),
        ("a.unknown", "??", {}, "format \\(unknown\\)"),
        ("a.db", "SQLite", {}, "none of those read here"),
        ("a.bundle", "pickle", {"format": "bundletrajectory"}, "none of those read here"),
        ("a.xyz", "1\n\nAu 0 0 0\n", {"index": 7}, "frame 7"),
        ("a.xyz", "1\n\nAu nan 0 0\n", {}, "NaN"),
    ],
)
def test_bad_files(tmp_path, file, content, options, message):
    (tmp_path / file).write_text(content)
    with pytest.raises(ValueError, match=message):
        structures.read(tmp_path / file, **options)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.xyz"):
        structures.read(tmp_path / "gone.xyz")


@pytest.mark.parametrize(
    ("formula", "silicon", "gone", "carbon"),
    [("Si1C3", 1, 1, 3), ("Si1C4", 1, 2, 4), ("Si2C5", 2, 2, 5),
     ("Si2C6", 2, 4, 6), ("Si3C6", 3, 6, 6), ("Si4C6", 4, 6, 6)],
)  # fmt: skip
@pytest.mark.parametrize("rotation", [0.0, 200.0])
def test_clusters_of_silicon_have_the_bonds_of_their_formula(formula, silicon, gone, carbon, rotation):
    sheet = structures.silicon_in_graphene(formula, (3.0, 3.0), rotation=rotation)
    numbers, xy = sheet.atoms.numbers, sheet.atoms.positions[:, :2]
    assert (numbers == 14).sum() == silicon
    pristine = structures.graphene((3.0, 3.0), rotation=rotation)
    assert len(pristine.atoms) - (numbers == 6).sum() == gone
    away = cKDTree(xy[numbers == 14]).query(xy[numbers == 6])[0]
    assert (away < 2.1).sum() == carbon
    assert np.sort(away)[carbon] > 2.2  # Å: the next shell stands apart
    others = spacings(xy[numbers == 6])
    assert others.min() > 1.2
    middle = xy[numbers == 14].mean(axis=0) / 10
    assert np.all(np.abs(middle - 1.5) < 0.4)


def test_clusters_that_do_not_exist_or_fit_are_refused():
    with pytest.raises(ValueError, match="Si9C9"):
        structures.silicon_in_graphene("Si9C9")
    with pytest.raises(ValueError, match="too small"):
        structures.silicon_in_graphene("Si1C3", (1.0, 2.0))
