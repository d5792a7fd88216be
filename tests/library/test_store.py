"""A library: groups, novelty, and a folder that keeps everything."""

import json
from dataclasses import replace

import ase.io
import numpy as np
import pandas as pd
import pytest

from atomlens import library, simulate


def shelf_of(formulas, n, seed, electrons=250):
    rng = np.random.default_rng(seed)
    found = []
    for formula in formulas:
        for i in range(n):
            sheet = simulate.structures.silicon_in_graphene(formula, (1.6, 1.6), rotation=rng.uniform(0, 360))
            microscope = simulate.Instrument(probe=rng.uniform(0.08, 0.09), source=0.05, background=2.0)
            data = simulate.image(
                sheet, pixel_size=0.0125, shape=(128, 128), electrons=electrons,
                instrument=microscope, random_state=rng,
            ).data  # fmt: skip
            found += library.extract(data, name=f"{formula} {i}")
    return found


@pytest.fixture(scope="module")
def members():
    return shelf_of(("Si1C3", "Si1C4", "Si3C6"), 8, 0)


@pytest.fixture
def shelf(members):
    return library.Library(members)


def planted(shelf):
    return [d.name.split()[0] for d in shelf]


def test_groups_by_bonds_are_the_planted_ones(shelf):
    groups = shelf.group()
    assert list(groups.index) == [d.name for d in shelf]
    assert pd.crosstab(groups.to_numpy(), planted(shelf)).gt(0).sum().sum() == 3


@pytest.mark.parametrize(("method", "n"), [("kmeans", 3), ("gmm", 3)])
def test_groups_of_pictures_from_one_microscope_are_the_planted_ones(shelf, method, n):
    groups = shelf.group(method, n)
    assert pd.crosstab(groups.to_numpy(), planted(shelf)).gt(0).sum().sum() == 3
    assert shelf.group(method, n).equals(groups)


def test_a_mixture_chooses_and_hdbscan_may_leave_out(shelf):
    assert 1 <= shelf.group("gmm").nunique() <= 8
    assert shelf.group("hdbscan").min() >= -1


def test_the_table_counts(shelf):
    table = shelf.table
    assert (table["formula"] == planted(shelf)).all()
    assert table["guests"].isin([1, 3]).all()
    assert table["bond_nm"].between(0.12, 0.22).all()
    assert repr(shelf).startswith("<Library: 24 defects")
    assert shelf.crops.shape == (24, 60, 60)


def test_what_is_new_is_told_and_what_is_not_is_not(shelf):
    [new] = shelf_of(("Si2C6",), 1, 5)
    assert shelf.seen(new).p_value == pytest.approx(1 / 25)
    again = shelf_of(("Si1C4",), 4, 6)
    answers = [shelf.seen(d) for d in again]
    assert [a.formula for a in answers] == ["Si1C4"] * 4
    assert max(a.p_value for a in answers) > 0.2
    assert all(a.distance > 0 for a in answers)


def test_p_values_of_members_are_uniform_over_ranks(members):
    """Each member asked of the others: by construction every rank comes once, ties aside."""
    p = []
    for i, member in enumerate(members):
        p.append(library.Library(members[:i] + members[i + 1 :]).seen(member).p_value)
    assert abs(np.mean(p) - 0.5) < 0.1
    assert np.mean(np.array(p) <= 0.25) < 0.4


def test_a_library_comes_back_from_its_folder(shelf, tmp_path):
    folder = shelf.save(tmp_path / "shelf")
    again = library.open_library(folder)
    pd.testing.assert_frame_equal(again.table, shelf.table)
    assert np.array_equal(again.crops, shelf.crops, equal_nan=True)
    first, other = next(iter(shelf)), next(iter(again))
    pd.testing.assert_frame_equal(first.atoms, other.atoms, check_exact=False)
    assert np.allclose(first.structure().positions, other.structure().positions)
    structures = ase.io.read(folder / "structures.extxyz", ":")
    assert [s.info["formula"] for s in structures] == list(shelf.table["formula"])
    assert pd.read_csv(folder / "defects.csv")["name"].tolist() == list(shelf.table["name"])


def test_nothing_is_overwritten_unasked_and_damage_is_told(shelf, tmp_path):
    folder = shelf.save(tmp_path / "shelf")
    with pytest.raises(FileExistsError):
        shelf.save(folder)
    shelf.save(folder, overwrite=True)
    described = json.loads((folder / "library.json").read_text())
    (folder / "library.json").write_text(json.dumps(described)[:-200])
    with pytest.raises(ValueError, match="damaged"):
        library.open_library(folder)
    (folder / "library.json").write_text(json.dumps(described | {"format": 99}))
    with pytest.raises(ValueError, match="later atomlens"):
        library.open_library(folder)
    (folder / "crops.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"crops\.npz is missing"):
        library.open_library(folder)
    with pytest.raises(ValueError, match="empty"):
        library.Library().save(tmp_path / "none")


def test_bad_input(shelf, members):
    with pytest.raises(ValueError, match="in the library already"):
        shelf.add(members[0])
    with pytest.raises(TypeError, match=r"library\.extract"):
        shelf.add("Si1C3")
    with pytest.raises(KeyError, match="not in the library"):
        _ = shelf["nothing"]
    with pytest.raises(ValueError, match="method"):
        shelf.group("names")
    with pytest.raises(ValueError, match="n_groups"):
        shelf.group("kmeans")
    with pytest.raises(ValueError, match="cannot make"):
        shelf.group("kmeans", 99)
    with pytest.raises(ValueError, match="is a member"):
        shelf.seen(members[0])
    with pytest.raises(ValueError, match="too few"):
        library.Library(members[:3]).seen(members[5])
    with pytest.raises(ValueError, match="too few"):
        library.Library(members[:2]).group("kmeans", 2)
    assert len(library.Library()) == 0
    assert repr(library.Library()) == "<Library: 0 defects>"
    assert len(shelf) == 24
    shelf.add(replace(members[0], name="a copy"))
    assert len(shelf) == 25
