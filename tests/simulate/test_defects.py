"""Every planted defect changes the atoms as it says, once, and is on record where it is."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from atomlens.simulate import defects, strain, structures


@pytest.fixture(scope="module")
def sheet():
    return structures.transition_metal_dichalcogenide("MoS2", (6.0, 6.0), rotation=12)


@pytest.fixture(scope="module")
def bilayer():
    return structures.transition_metal_dichalcogenide("MoS2", (5.0, 5.0), layers=2)


@pytest.fixture(scope="module")
def titanate():
    return structures.perovskite((5.0, 5.0))


def changed(before, after):
    """Columns of `before` whose place in `after` holds something else: by comparing the two tables."""
    old, new = before.columns, after.columns
    distance, partner = cKDTree(new[["x_nm", "y_nm", "label"]]).query(old[["x_nm", "y_nm", "label"]])
    same = (distance < 1e-9) & (new.species.to_numpy()[partner] == old.species.to_numpy())
    return old[~same]


def places(table):
    return table[["x_nm", "y_nm"]].to_numpy()


def sorted_places(table):
    return table[["x_nm", "y_nm"]].sort_values(["x_nm", "y_nm"]).to_numpy()


PLANT = {
    "vacancies": defects.vacancies,
    "columns": lambda s, **more: defects.vacancies(s, kind="column", **more),
    "substitutions": lambda s, **more: defects.substitutions(s, species="Se", **more),
    "substituted columns": lambda s, **more: defects.substitutions(s, species="W", atoms="column", **more),
}


@pytest.mark.parametrize("plant", PLANT.values(), ids=PLANT.keys())
@pytest.mark.parametrize("sublattice", ["Mo", "S2", None])
def test_what_changed_is_what_is_on_record(sheet, plant, sublattice):
    before = sheet.columns
    result = plant(sheet, n=8, sublattice=sublattice, random_state=3)
    assert len(result.defects) == 8
    difference = changed(sheet, result)
    np.testing.assert_allclose(sorted_places(difference), sorted_places(result.defects))
    np.testing.assert_array_equal(
        difference.sort_values(["x_nm", "y_nm"]).label,
        result.defects.sort_values(["x_nm", "y_nm"]).sublattice,
    )
    if sublattice is not None:
        assert set(result.defects.sublattice) == {["Mo", "S2"].index(sublattice)}
    # The columns that are left carry the mark; nothing else does, and the given structure stays as it was.
    marked = result.columns[result.columns.defect != ""]
    assert len(marked) == len(difference) - (len(sheet.columns) - len(result.columns))
    if len(marked):
        assert cKDTree(places(result.defects)).query(places(marked))[0].max() < 1e-9
    pd.testing.assert_frame_equal(sheet.columns, before)
    assert len(sheet.defects) == 0


def test_a_single_vacancy_takes_one_atom(sheet):
    result = defects.vacancies(sheet, sublattice="S2", n=5)
    assert len(result.atoms) == len(sheet.atoms) - 5
    assert result.defects.species.tolist() == ["S"] * 5
    marked = result.columns[result.columns.defect == "vacancy"]
    assert marked.species.tolist() == ["S"] * 5
    np.testing.assert_allclose(marked.weight, 16**1.7)


def test_a_column_vacancy_takes_all_of_it(sheet):
    result = defects.vacancies(sheet, kind="column", sublattice="S2", n=5)
    assert len(result.atoms) == len(sheet.atoms) - 10
    assert len(result.columns) == len(sheet.columns) - 5
    assert result.defects.species.tolist() == ["S2"] * 5
    assert set(result.defects.kind) == {"column_vacancy"}
    assert cKDTree(places(result.columns)).query(places(result.defects))[0].min() > 0.1


def test_one_element_of_a_mixed_column_can_be_chosen(bilayer):
    result = defects.vacancies(bilayer, element="Mo", n=4)
    assert set(result.defects.species) == {"Mo"}
    assert result.columns.species.value_counts()["S2"] == 4
    doped = defects.substitutions(bilayer, species="W", atoms="column", element="Mo", n=4)
    assert doped.columns.species.value_counts()["WS2"] == 4


def test_oxygen_vacancies_need_the_sublattice_named(titanate):
    result = defects.vacancies(titanate, sublattice="O", n=3)
    assert set(result.defects.species) == {"O"}
    anywhere = defects.vacancies(titanate, fraction=0.5, random_state=1)
    assert set(anywhere.defects.species) == {"Sr", "Ti"}


def test_substitutions_keep_the_sublattice_of_their_site():
    graphene = structures.graphene((4.0, 4.0))
    doped = defects.substitutions(graphene, species="Si", n=3)
    silicon = doped.columns[doped.columns.species == "Si"]
    assert silicon.label.tolist() == [0, 0, 0]
    assert silicon.defect.tolist() == ["substitution"] * 3
    assert len(doped.atoms) == len(graphene.atoms)
    assert doped.defects.species.tolist() == ["Si"] * 3


def test_selenium_takes_one_sulphur_or_both(sheet):
    one = defects.substitutions(sheet, species="Se", sublattice="S2", n=4)
    both = defects.substitutions(sheet, species="Se", sublattice="S2", n=4, atoms="column")
    assert one.columns.species.value_counts()["SeS"] == 4
    assert both.columns.species.value_counts()["Se2"] == 4


@pytest.mark.parametrize("species", ["Li", "Mo"])
def test_interstitials_lie_in_the_hollows_of_the_lattice(species):
    graphene = structures.graphene((4.0, 4.0), rotation=5)
    result = defects.interstitials(graphene, species=species, n=5)
    assert result.sublattices == ("C", "interstitial")
    added = result.columns[result.columns.label == 1]
    np.testing.assert_allclose(sorted_places(added), sorted_places(result.defects))
    # The hollow: the middle of a hexagon, as far from all six as they are from one another.
    distance = cKDTree(places(graphene.columns)).query(places(added), 6)[0]
    np.testing.assert_allclose(distance, 0.142, atol=1e-4)
    again = defects.interstitials(result, species=species, n=5, random_state=1)
    assert again.sublattices == ("C", "interstitial")
    assert len(again.defects) == 10


def test_interstitials_avoid_vacancies_and_go_where_told(sheet):
    holes = defects.vacancies(sheet, kind="column", sublattice="S2", n=20)
    result = defects.interstitials(holes, species="Mo", n=10)
    distance = cKDTree(places(holes.defects)).query(places(result.defects.iloc[20:]))[0]
    assert distance.min() > 0.15
    told = defects.interstitials(sheet, species="Mo", at=[(1.234, 2.345), (3.0, 3.0)])
    np.testing.assert_allclose(places(told.defects), [[1.234, 2.345], [3.0, 3.0]])
    assert told.columns[told.columns.label == 2].n_atoms.tolist() == [1, 1]


def test_displaced_columns_are_off_by_the_distance(sheet):
    result = defects.displaced(sheet, distance=0.04, sublattice="S2", n=6)
    marked = result.columns[result.columns.defect == "displaced"]
    offset = marked[["dx_nm", "dy_nm"]].to_numpy()
    np.testing.assert_allclose(np.hypot(*offset.T), 0.04)
    assert marked.n_atoms.tolist() == [2] * 6
    rest = result.columns[result.columns.defect == ""]
    assert np.abs(rest[["dx_nm", "dy_nm"]]).to_numpy().max() < 1e-12
    np.testing.assert_allclose(sorted_places(marked), sorted_places(result.defects))
    assert set(result.defects.size_nm) == {0.04}
    angles = np.degrees(np.arctan2(offset[:, 1], offset[:, 0]))
    assert np.ptp(angles) > 20
    # Where they came from: places of the perfect sheet.
    origin = places(marked) - offset
    assert cKDTree(places(sheet.columns)).query(origin)[0].max() < 1e-9


@pytest.mark.parametrize("fraction", [0.0, 0.05, 1.0])
def test_fraction_counts_the_columns_that_qualify(sheet, fraction):
    result = defects.vacancies(sheet, sublattice="S2", fraction=fraction, border=1.0)
    table = sheet.columns
    qualified = (table.label == 1) & table.x_nm.between(1, 5) & table.y_nm.between(1, 5)
    assert len(result.defects) == round(fraction * qualified.sum())


def test_places_keep_to_the_field_and_to_their_distance(sheet):
    result = defects.vacancies(sheet, n=12, min_separation=0.8, border=0.5)
    assert places(result.defects).min() >= 0.5
    assert places(result.defects).max() <= 5.5
    assert cKDTree(places(result.defects)).query(places(result.defects), 2)[0][:, 1].min() >= 0.8
    more = defects.substitutions(result, species="W", n=5, min_separation=0.7, random_state=4)
    both = places(more.defects)
    assert cKDTree(both[:12]).query(both[12:])[0].min() >= 0.7
    assert more.defects.kind.value_counts().to_dict() == {"vacancy": 12, "substitution": 5}


def test_the_nearest_column_of_the_sublattice_is_taken(sheet):
    target = (3.0, 2.0)
    table = sheet.columns[sheet.columns.label == 1]
    nearest = table.iloc[np.argmin(np.hypot(table.x_nm - 3.0, table.y_nm - 2.0))]
    result = defects.vacancies(sheet, sublattice="S2", at=[target])
    np.testing.assert_allclose(places(result.defects)[0], [nearest.x_nm, nearest.y_nm])


def test_no_column_is_hit_twice(sheet):
    result = sheet
    for seed in range(4):
        result = defects.vacancies(result, sublattice="S2", n=20, random_state=seed)
    assert len(np.unique(places(result.defects).round(6), axis=0)) == 80
    assert len(result.columns) == len(sheet.columns)


@pytest.mark.parametrize("plant", [*PLANT.values(), defects.displaced])
def test_seeds_repeat_and_differ(sheet, plant):
    first, again, other = (plant(sheet, n=6, random_state=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first.columns, again.columns)
    pd.testing.assert_frame_equal(first.defects, again.defects)
    assert not first.defects.equals(other.defects)
    assert len(plant(sheet, n=6, random_state=np.random.default_rng(1)).defects) == 6


def test_a_line_of_vacancies_runs_along_the_lattice(sheet):
    result = defects.line_defect(sheet, sublattice="S2", length=2.0, angle=10)
    holes, line = result.defects.iloc[:-1], result.defects.iloc[-1]
    assert line.kind == "vacancy_line"
    assert set(holes.kind) == {"column_vacancy"}
    # Neighbours along a zigzag direction, which the rotation of the sheet put at 12 degrees.
    assert len(holes) == 7  # 2 nm / 0.316 nm, both ends included
    assert line.size_nm == pytest.approx(6 * 0.316)
    ordered = holes.sort_values("x_nm")
    step = np.diff(places(ordered), axis=0)
    np.testing.assert_allclose(
        step, np.tile(0.316 * np.array([np.cos(np.radians(12)), np.sin(np.radians(12))]), (6, 1))
    )
    np.testing.assert_allclose([line.x_nm, line.y_nm], places(holes).mean(axis=0))
    assert np.hypot(line.x_nm - 3, line.y_nm - 3) < 0.35
    assert len(result.atoms) == len(sheet.atoms) - 2 * len(holes)


def test_a_line_of_vacancies_crosses_the_field_by_default():
    result = defects.line_defect(structures.graphene((4.0, 4.0)), at=(2.0, 1.0))
    holes = result.defects.iloc[:-1]
    assert len(holes) == pytest.approx(4 / 0.246, abs=1)
    assert holes.y_nm.std() < 1e-9
    assert holes.y_nm.iloc[0] == pytest.approx(1.0, abs=0.15)


def test_a_shift_moves_one_side_along_the_line(titanate):
    result = defects.line_defect(titanate, kind="shift", angle=90, at=(2.0, 2.5), shift=0.195)
    table = result.columns
    left = table.x_nm < 2.0  # seen along +y
    np.testing.assert_allclose(table.dy_nm, np.where(left, 0.195, 0.0), atol=1e-12)
    np.testing.assert_allclose(table.dx_nm, 0.0, atol=1e-12)
    row = result.defects.iloc[0]
    assert (row.kind, row.size_nm, row.sublattice) == ("shift", 0.195, -1)
    marked = table[table.defect == "shift"]
    assert np.abs(marked.x_nm - 2.0).max() < 0.2
    assert len(marked) > 20


def test_marks_and_rows_survive_later_changes(sheet):
    result = defects.substitutions(sheet, species="W", sublattice="Mo", n=3)
    result = strain.homogeneous(result, exx=0.03)
    result = defects.vacancies(result, sublattice="S2", n=2)
    marked = result.columns[result.columns.species == "W"]
    assert set(marked.defect) == {"substitution"}
    np.testing.assert_allclose(sorted_places(marked), sorted_places(result.defects.iloc[:3]))
    assert result.defects.kind.tolist() == ["substitution"] * 3 + ["vacancy"] * 2


SHEET = structures.transition_metal_dichalcogenide("MoS2", (3.0, 3.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: defects.vacancies(SHEET, n=1, fraction=0.1), "only one of n, fraction and at"),
        (lambda: defects.vacancies(SHEET, n=-1), "number of defects"),
        (lambda: defects.vacancies(SHEET, n=1.5), "number of defects"),
        (lambda: defects.vacancies(SHEET, n=10_000), "do not fit"),
        (lambda: defects.vacancies(SHEET, n=30, min_separation=1.0), "min_separation"),
        (lambda: defects.vacancies(SHEET, border=1.6), "do not fit: there is room for 0"),
        (lambda: defects.vacancies(SHEET, fraction=1.2), "between 0 and 1"),
        (lambda: defects.vacancies(SHEET, kind="double"), "kind must be 'single' or 'column'"),
        (lambda: defects.vacancies(SHEET, sublattice="W"), "no sublattice is named 'W': there are Mo, S2"),
        (lambda: defects.vacancies(SHEET, sublattice=2), "index below 2"),
        (lambda: defects.vacancies(SHEET, sublattice=-1), "index below 2"),
        (lambda: defects.vacancies(SHEET, element="Qq"), "no chemical element"),
        (lambda: defects.vacancies(SHEET, element="Au"), "room for 0"),
        (lambda: defects.vacancies(SHEET, at=[(9.0, 1.0)]), "within 0.2 nm of"),
        (lambda: defects.vacancies(SHEET, element="Au", at=[(1.0, 1.0)]), "within 0.2 nm of"),
        (lambda: defects.vacancies(SHEET, at=[1.0, 2.0, 3.0]), "list of"),
        (lambda: defects.vacancies(SHEET, at=[(1.0, 1.0), (1.01, 1.0)]), "same column"),
        (lambda: defects.substitutions(SHEET, species="Xx"), "no chemical element"),
        (lambda: defects.substitutions(SHEET, species="Mo", sublattice="Mo"), "room for 0"),
        (lambda: defects.substitutions(SHEET, atoms="both"), "atoms must be"),
        (lambda: defects.interstitials(SHEET, species=""), "no chemical element"),
        (lambda: defects.interstitials(SHEET, species="Li", n=1000), "interstitials do not fit"),
        (lambda: defects.interstitials(SHEET, species="Li", n=1, at=[(1, 1)]), "only one of n and at"),
        (lambda: defects.interstitials(SHEET, species="Li", at=[(4, 1)]), "inside the field"),
        (
            lambda: defects.interstitials(structures.single_atoms("Pt", (3.0, 3.0), n=2), species="C"),
            "so few columns",
        ),
        (lambda: defects.displaced(SHEET, distance=0), "positive length"),
        (lambda: defects.line_defect(SHEET, kind="wall"), "kind must be"),
        (lambda: defects.line_defect(SHEET, at=(5, 5)), "inside the field"),
        (lambda: defects.line_defect(SHEET, length=0.1), "only one column"),
        (lambda: defects.line_defect(SHEET, kind="shift", shift=1.5), "margin"),
        (
            lambda: defects.line_defect(structures.single_atoms("Pt", (3.0, 3.0), n=2)),
            "fewer than three columns",
        ),
        (
            lambda: defects.vacancies(
                structures.combine(structures.graphene((2.0, 2.0)), structures.graphene((2.0, 2.0))),
                sublattice="C",
            ),
            "more than one sublattice is named",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
