"""Columns leave as atoms, and come back as the same columns."""

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import mx2

from atomlens import io
from atomlens.simulate import structures

COLUMNS = pd.DataFrame(
    {"x": [10.0, 30.0, 20.0], "y": [5.0, 5.0, 25.0], "label": ["Fe", "Fe", "Bi"]}, index=[7, 8, 9]
)
CALIBRATED = COLUMNS.assign(x_nm=0.02 * COLUMNS.x, y_nm=0.02 * COLUMNS.y + 1.0)


def test_positions_and_elements():
    atoms = io.to_atoms(COLUMNS, pixel_size=0.02)
    assert atoms.get_chemical_symbols() == ["Fe", "Fe", "Bi"]  # labels that are elements
    np.testing.assert_allclose(atoms.positions, [[2, 1, 0], [6, 1, 0], [4, 5, 0]])
    np.testing.assert_allclose(io.to_atoms(CALIBRATED).positions[:, 1], [11, 11, 15])
    assert not atoms.pbc.any()
    assert atoms.arrays["column"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("table", "species", "expected"),
    [
        (CALIBRATED, "C", ["C", "C", "C"]),
        (CALIBRATED, {"Fe": "Ti", "Bi": "Pb", "other": "O"}, ["Ti", "Ti", "Pb"]),
        (CALIBRATED.assign(label=[0, 1, 1]), {0: "Mo", 1: "S"}, ["Mo", "S", "S"]),
        (CALIBRATED.assign(sublattice=["A", "B", "A"]), {"A": "Sr", "B": "Ti"}, ["Sr", "Ti", "Sr"]),
        (CALIBRATED.assign(species=["Si", "C", "C"]), None, ["Si", "C", "C"]),
    ],
)
def test_where_the_elements_come_from(table, species, expected):
    assert io.to_atoms(table, species=species).get_chemical_symbols() == expected


def test_columns_of_several_atoms_are_spread_over_the_thickness():
    atoms = io.to_atoms(CALIBRATED, species={"Fe": "TiO2", "Bi": "Pb"}, thickness=0.6)
    assert atoms.get_chemical_symbols() == ["Ti", "O", "O", "Ti", "O", "O", "Pb"]
    np.testing.assert_allclose(atoms.positions[:, 2], [1, 3, 5, 1, 3, 5, 3])
    assert atoms.arrays["column"].tolist() == [0, 0, 0, 1, 1, 1, 2]


def test_xyz_of_a_table_and_of_atoms(tmp_path):
    path = io.write(CALIBRATED, tmp_path / "columns.xyz")
    again = ase.io.read(path)
    expected = io.to_atoms(CALIBRATED)
    assert again.get_chemical_symbols() == expected.get_chemical_symbols()
    np.testing.assert_allclose(again.positions, expected.positions, atol=1e-7)
    np.testing.assert_array_equal(again.arrays["column"], [0, 1, 2])
    crystal = mx2("MoS2", size=(2, 2, 1), vacuum=5)
    again = ase.io.read(io.write(crystal, tmp_path / "crystal.xyz"))
    np.testing.assert_allclose(again.positions, crystal.positions, atol=1e-7)
    np.testing.assert_allclose(again.cell, crystal.cell, atol=1e-7)
    assert again.pbc.tolist() == crystal.pbc.tolist()


def test_nothing_is_overwritten_or_left_behind(tmp_path):
    path = io.write(CALIBRATED, tmp_path / "columns.xyz")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        io.write(CALIBRATED.iloc[:1], path)
    assert len(ase.io.read(path)) == 3
    with pytest.raises(ValueError, match="not calibrated"):
        io.write(COLUMNS, path, overwrite=True)
    assert len(ase.io.read(path)) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["columns.xyz"]
    io.write(CALIBRATED.iloc[:1], path, overwrite=True)
    assert len(ase.io.read(path)) == 1


def test_a_structure_survives_the_round_trip(tmp_path):
    """From a structure to a table, to a file, and to a structure: nothing is flipped or scaled."""
    columns = structures.perovskite((3.0, 2.0), polar=30, variants=(50.0,)).columns
    columns = columns[columns.x_nm.between(0, 3) & columns.y_nm.between(0, 2)].reset_index(drop=True)
    path = io.write(io.to_atoms(columns, thickness=0.39), tmp_path / "perovskite.xyz")
    again = structures.read(path).columns
    assert len(again) == len(columns)
    before, after = (
        t.sort_values(["x_nm", "y_nm"]).reset_index(drop=True).round(7) for t in (columns, again)
    )
    before, after = (t.sort_values(["x_nm", "y_nm"]).reset_index(drop=True) for t in (before, after))
    assert after.species.tolist() == before.species.tolist()
    shift = after[["x_nm", "y_nm"]].to_numpy() - before[["x_nm", "y_nm"]].to_numpy()
    assert np.ptp(shift, axis=0).max() < 1e-6  # only the field of view is another one


CALLS = {
    "an array": (lambda: io.to_atoms(np.zeros((3, 2))), TypeError, "must be a table"),
    "no positions": (lambda: io.to_atoms(COLUMNS[["x"]], species="C"), ValueError, "needs positions"),
    "not calibrated": (lambda: io.to_atoms(COLUMNS), ValueError, "pass to_atoms the pixel_size"),
    "calibrated twice": (lambda: io.to_atoms(CALIBRATED, pixel_size=1), ValueError, "leave out pixel_size"),
    "pixel size": (lambda: io.to_atoms(COLUMNS, pixel_size=0), ValueError, "pixel_size must be"),
    "empty": (lambda: io.to_atoms(CALIBRATED[:0]), ValueError, "table is empty"),
    "NaN": (lambda: io.to_atoms(CALIBRATED.replace(0.2, np.nan)), ValueError, "1 positions are NaN"),
    "thickness": (lambda: io.to_atoms(CALIBRATED, thickness=-1), ValueError, "thickness must be"),
    "no labels": (lambda: io.to_atoms(CALIBRATED.drop(columns="label")), ValueError, "pass species"),
    "nothing to map": (
        lambda: io.to_atoms(CALIBRATED.drop(columns="label"), species={0: "C"}),
        ValueError,
        "pass one element",
    ),
    "unnamed": (lambda: io.to_atoms(CALIBRATED, species={"Fe": "Fe"}), ValueError, "for label 'Bi'"),
    "numbers": (lambda: io.to_atoms(CALIBRATED.assign(label=0)), ValueError, "is no chemical element"),
    "no element": (lambda: io.to_atoms(CALIBRATED, species="Qq"), ValueError, "'Qq' is no chemical element"),
    "placeholder": (lambda: io.to_atoms(CALIBRATED, species="X"), ValueError, "'X' is no chemical element"),
    "nothing": (lambda: io.to_atoms(CALIBRATED, species=""), ValueError, "'' is no chemical element"),
    "stacked": (lambda: io.to_atoms(CALIBRATED, species="S2"), ValueError, "'S2' holds several atoms"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), CALLS.values(), ids=CALLS)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (Atoms("C"), "a.csv", r"atoms are written as \.xyz, not \.csv"),
        (Atoms("C"), "a", r"atoms are written as \.xyz, not without an extension"),
        (np.zeros((4, 4)), "a.xyz", "xyz is for atoms"),
    ],
)
def test_data_that_a_format_cannot_hold(tmp_path, data, name, message):
    with pytest.raises(ValueError, match=message):
        io.write(data, tmp_path / name)
    assert not any(tmp_path.iterdir())
