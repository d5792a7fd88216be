"""Defects from images: planted clusters are counted, and what cannot be counted is doubted."""

import ase.build
import numpy as np
import pytest

from atomlens import datasets, library, simulate
from atomlens.library.host import Host, clear_sheet, graphene

CLUSTERS = ("Si1C3", "Si1C4", "Si2C5", "Si2C6", "Si3C6", "Si4C6")


def picture(formula, rotation=17.0, electrons=300, seed=0, pixel=0.0107, **more):
    sheet = simulate.structures.silicon_in_graphene(formula, (1.7, 1.7), rotation=rotation)
    microscope = simulate.Instrument(probe=0.085, source=0.05, background=2.0, tails=0.1, **more)
    n = round(1.7 / pixel)
    return simulate.image(
        sheet, pixel_size=pixel, shape=(n, n), electrons=electrons, instrument=microscope, random_state=seed
    )


def rescaled(data, factor):
    return data.assign_coords({axis: (axis, data[axis].values * factor, data[axis].attrs) for axis in "xy"})


@pytest.fixture(scope="module")
def sample():
    return picture("Si1C4")


@pytest.mark.parametrize("formula", CLUSTERS)
def test_clusters_are_counted_in_every_orientation(formula):
    for seed, rotation in enumerate((3.0, 100.0, 217.0)):
        [defect] = library.extract(picture(formula, rotation, seed=seed).data)
        assert defect.formula == formula
        assert defect.placed.agreement > 0.9


def test_atoms_are_where_they_were_planted(sample):
    [defect] = library.extract(sample.data)
    truth = sample.truth
    silicon = truth[truth["species"] == "Si"][["x", "y"]].to_numpy()
    found = defect.atoms[defect.atoms["label"] == "Si"][["x", "y"]].to_numpy()
    assert np.abs(found - silicon).max() < 1.5  # pixels of 0.011 nm
    carbon = truth[truth["species"] == "C"][["x", "y"]].to_numpy()
    bonded = defect.atoms[defect.atoms["label"] == "C"][["x", "y"]].to_numpy()
    nearest = np.hypot(*(bonded[:, None] - carbon[None]).transpose(2, 0, 1)).min(axis=1) * 0.0107
    assert nearest.max() < 0.03
    away = np.hypot(*(carbon[:, None] - silicon[None]).transpose(2, 0, 1)).min(axis=1) * 0.0107
    assert np.allclose(defect.bonds.mean(), np.sort(away)[:4].mean(), atol=0.01)
    assert np.allclose(defect.atoms["x_nm"], defect.atoms["x"] * 0.0107, atol=1e-3)


@pytest.mark.parametrize("scale", [0.93, 1.06])
def test_a_calibration_that_is_a_little_off_does_not_matter(sample, scale):
    data = rescaled(sample.data, scale)
    [defect] = library.extract(data)
    assert defect.formula == "Si1C4"
    assert abs(defect.placed.scale / scale - 1) < 0.01


def test_gain_offset_and_mirror_do_not_matter(sample):
    other = sample.data.copy(data=300.0 - 100 + 7.5 * sample.data.values[:, ::-1])
    assert library.extract(other)[0].formula == "Si1C4"


def test_several_defects_get_numbers_and_a_pristine_sheet_none():
    phantom = datasets.load("graphene_si_phantom", random_state=3)
    found = library.extract(phantom.data, name="phantom")
    assert sorted(d.name for d in found) == ["phantom 1", "phantom 2"]
    assert sorted(d.formula for d in found) == ["Si1C3", "Si1C4"]
    sheet = simulate.structures.graphene((2, 2))
    assert library.extract(simulate.image(sheet, electrons=300, pixel_size=0.01).data) == []


def test_a_neighbour_that_is_missing_is_seen():
    sheet = simulate.structures.silicon_in_graphene("Si1C4", (1.7, 1.7))
    table = sheet.columns
    silicon = table[table["species"] == "Si"][["x_nm", "y_nm"]].to_numpy()[0]
    away = np.hypot(*(table[["x_nm", "y_nm"]].to_numpy() - silicon).T)
    gone = table[["x_nm", "y_nm"]].to_numpy()[np.argsort(away)[1]]
    hole = simulate.defects.vacancies(sheet, kind="column", at=[gone])
    data = simulate.image(hole, electrons=400, pixel_size=0.0107, random_state=2).data
    [defect] = library.extract(data)
    assert defect.formula == "Si1C3"
    assert (~defect.bonded["present"]).sum() == 1
    assert defect.doubts == []
    [assumed] = library.extract(data, least_bonds=4)
    assert assumed.formula == "Si1C4"
    assert any("4 are assumed" in doubt for doubt in assumed.doubts)


def test_noise_and_the_border_are_doubted(sample):
    noisy = [d for seed in range(4) for d in library.extract(picture("Si1C4", electrons=35, seed=seed).data)]
    assert sum(any("sum more frames" in doubt for doubt in d.doubts) for d in noisy) >= len(noisy) - 1 > 0
    corner = sample.data.isel(y=slice(68, None), x=slice(68, None))
    assert any("border" in doubt for doubt in library.extract(corner)[0].doubts)


def test_another_host_is_doubted(sample):
    square = Host(np.eye(2) * 0.3, np.array([[0.0, 0.0]]), ("C",))
    [defect] = library.extract(sample.data, host=square)
    assert any("is this the host" in doubt for doubt in defect.doubts)
    assert defect.placed.contrast < 10


@pytest.mark.parametrize("cells", [5, 6])
def test_structures_hold_the_cluster(sample, cells):
    [defect] = library.extract(sample.data)
    atoms = defect.structure(cells)
    assert atoms.get_chemical_symbols().count("Si") == 1
    assert len(atoms) == 2 * cells**2 - 1  # two carbon atoms for one silicon atom
    away = np.sort(atoms.get_distances(len(atoms) - 1, range(len(atoms) - 1), mic=True))
    assert away[0] > 1.5  # Å: nothing lies on top of anything
    assert (away[:4] < 2.1).all()
    assert away[4] > 2.4


def test_bad_input_is_refused_with_the_remedy(sample):
    with pytest.raises(ValueError, match=r"io\.calibrate"):
        library.extract(sample.data.values)
    with pytest.raises(ValueError, match="do not resolve bonds"):
        library.extract(rescaled(sample.data, 8))
    with pytest.raises(ValueError, match="least_bonds"):
        library.extract(sample.data, least_bonds=-1)
    with pytest.raises(ValueError, match="take more"):
        library.extract(picture("Si3C6").data)[0].structure(1)
    with pytest.raises(ValueError, match="whole number"):
        library.extract(sample.data)[0].structure(0)
    with pytest.raises(ValueError, match="plane of x and y"):
        Host.from_atoms(ase.build.bulk("Si"))


def test_hosts_know_their_lattice():
    sheet = graphene()
    assert abs(sheet.bond - 0.142) < 1e-3
    assert sheet.turns() == 60
    assert Host(np.eye(2), np.zeros((1, 2)), ("Cu",)).turns() == 90
    assert Host(np.diag([1.0, 2.0]), np.zeros((1, 2)), ("Cu",)).turns() == 180
    miller, amplitude = sheet.waves()
    first = np.abs(miller).sum(axis=1) == 1
    # the structure factor of two atoms: -1 for first orders about a hexagon's centre, +2 for (1, 1)
    by_hand = np.abs(1 + np.exp(2j * np.pi * (miller @ (sheet.sites[1] - sheet.sites[0]))))
    k = np.linalg.norm(miller @ np.linalg.inv(sheet.cell).T, axis=1)
    assert np.allclose(np.abs(amplitude), by_hand / 2 * np.exp(-2 * (np.pi * k * 0.32 * sheet.bond) ** 2))
    assert first.any()


def test_frames_are_inverse_to_each_other(sample):
    placed = library.extract(sample.data)[0].placed
    at = np.random.default_rng(0).uniform(0, 150, (20, 2))
    assert np.allclose(placed.to_pixels(placed.from_pixels(at)), at)


def test_holes_and_dirt_are_not_the_sheet():
    rng = np.random.default_rng(1)
    values = rng.normal(100, 3, (200, 200))
    values[:60, :60] -= 60
    values[120:, 120:] += 90
    clear, dirt = clear_sheet(values, 0.02, ())
    assert not clear[10:40, 10:40].any()
    assert dirt[150:190, 150:190].all()
    assert clear[80:110, 20:190].mean() > 0.95
