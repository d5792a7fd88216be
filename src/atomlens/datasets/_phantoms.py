"""Phantoms of the images: the material, pixel size, dose and faults of the real sets, with the truth.

What could be measured in a real image (lattice, rotation, width of the columns, share of noise) was; the rest
is chosen so that phantom and original look alike side by side.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from ase import Atoms
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from atomlens._sample import Sample, pedigree
from atomlens.simulate import Instrument, defects, image, movies, particles, stm, strain, structures
from atomlens.simulate.particles import Afm


def mos2(random_state=0):
    """MoS2 with sulphur vacancies, some of them double, vanadium on some metal sites, and contamination."""
    rng = np.random.default_rng(random_state)
    sheet = structures.transition_metal_dichalcogenide("MoS2", (9.0, 9.0), rotation=1.0)
    sheet = defects.vacancies(sheet, n=24, sublattice="S2", random_state=rng)
    sheet = defects.vacancies(sheet, n=5, kind="column", sublattice="S2", random_state=rng)
    sheet = defects.substitutions(sheet, n=9, species="V", sublattice="Mo", random_state=rng)
    microscope = Instrument(
        probe=0.09, source=0.06, background=2.0, contamination=0.3, contamination_length=0.5,
        drift=(0.1, 0.3), jitter=0.005, gain=0.03, offset=0.05,
    )  # fmt: skip
    return _imaged(sheet, 9 / 512, (512, 512), 60, microscope, rng)


def mos2_se(random_state=0):
    """MoS2 with implanted selenium, sulphur vacancies and a pit, under patches of contamination."""
    rng = np.random.default_rng(random_state)
    size, pit = (9.75, 9.75), rng.uniform(3, 6.75, 2)
    sheet = structures.transition_metal_dichalcogenide("MoS2", size)
    sheet = defects.substitutions(sheet, n=40, species="Se", sublattice="S2", random_state=rng)
    sheet = defects.vacancies(sheet, n=25, sublattice="S2", random_state=rng)
    table = sheet.columns
    inside = np.hypot(table["x_nm"] - pit[0], (table["y_nm"] - pit[1]) * 1.8) < 0.45
    places = table.loc[inside & (table["defect"] == ""), ["x_nm", "y_nm"]]
    sheet = defects.vacancies(sheet, kind="column", at=places.to_numpy())
    microscope = Instrument(
        probe=0.1, source=0.06, background=0.4, contamination=0.2, contamination_length=0.3, drift=(0.2, 0.1)
    )
    return _imaged(sheet, 0.0127, (768, 768), 450, microscope, rng)


def ws2_wsse(random_state=0):
    """WS2 in which half of the sulphur columns hold one selenium atom."""
    rng = np.random.default_rng(random_state)
    sheet = structures.transition_metal_dichalcogenide("WS2", (4.6, 4.6))
    sheet = defects.substitutions(
        sheet, fraction=0.5, species="Se", sublattice="S2", border=0.0, random_state=rng
    )
    sheet = defects.vacancies(sheet, n=6, sublattice="S2", random_state=rng)
    microscope = Instrument(
        probe=0.08, source=0.06, background=0.15, tails=0.2, drift=(0.1, -0.1), jitter=0.003, scars=3
    )
    return _imaged(sheet, 0.009, (512, 512), 220, microscope, rng)


def graphene_si(random_state=0):
    """Graphene with a silicon atom in place of one carbon atom (Si1C3) and one in place of two (Si1C4)."""
    rng = np.random.default_rng(random_state)
    sheet = structures.graphene((2.0, 2.0), rotation=4.0)
    three, four = np.array([[0.6, 0.8], [1.4, 1.2]]) + rng.uniform(-0.15, 0.15, (2, 2))
    sheet = defects.substitutions(sheet, species="Si", at=_nearest(sheet, three, 1))
    pair = _nearest(sheet, four, 2)
    sheet = defects.vacancies(sheet, at=pair)
    sheet = defects.interstitials(sheet, species="Si", at=[pair.mean(axis=0)])
    microscope = Instrument(probe=0.09, source=0.05, background=3.5, drift=(0.02, 0.05), gain=12, offset=15)
    return _imaged(sheet, 2 / 256, (256, 256), 150, microscope, rng)


def graphene_si_cluster(random_state=0):
    """Graphene with one cluster of silicon atoms, of a kind that the seed decides."""
    rng = np.random.default_rng(random_state)
    formula = rng.choice(
        ("Si1C3", "Si1C4", "Si2C5", "Si2C6", "Si3C6", "Si4C6"), p=(0.4, 0.15, 0.1, 0.1, 0.2, 0.05)
    )
    sheet = structures.silicon_in_graphene(str(formula), (2.0, 2.0), rotation=rng.uniform(0, 360))
    microscope = Instrument(
        probe=rng.uniform(0.08, 0.1), source=0.05, background=3.0, tails=0.1, drift=(0.02, 0.05), gain=12
    )
    sample = _imaged(sheet, 2 / 256, (256, 256), 250, microscope, rng)
    sample.data.attrs["defect_class"] = str(formula)
    return sample


def graphene_boundary(random_state=0):
    """Two grains of graphene that meet in pentagons and heptagons."""
    sheet = structures.graphene_grain_boundary((4.0, 4.0), angle=30.0, rotation=18.0)
    microscope = Instrument(
        probe=0.07, source=0.05, background=6.0, drift=(0.05, 0.05), gain=0.01, offset=0.01
    )
    return _imaged(sheet, 4 / 512, (512, 512), 350, microscope, random_state)


def pto_sro(random_state=0):
    """Polar PbTiO3 above and below SrRuO3, in which nothing is displaced; the layers are bent."""
    size, (low, high) = (19.68, 3.36), (0.4, 2.3)
    cells = structures.perovskite(
        size, formula="PbTiO3", a=0.392, polar=18, variants=(90.0, 270.0, None),
        domains=lambda x, y: np.where((y > low) & (y < high), 2, x > size[0] / 2),
    )  # fmt: skip
    atoms = cells.atoms.copy()
    y = atoms.positions[:, 1] / 10
    for old, new in ((82, 38), (22, 44)):
        atoms.numbers[(atoms.numbers == old) & (y > low) & (y < high)] = new
    cells = _without_oxygen(replace(cells, atoms=atoms, name="PbTiO3 / SrRuO3 [001]"))
    cells = strain.apply(cells, lambda x, y: (0 * x, 0.15 * np.cos(2 * np.pi * x / size[0])))
    microscope = Instrument(
        probe=0.11, source=0.09, background=1.0, contamination=0.1, contamination_length=0.6,
        drift=(0.05, 0.05), gain=60, offset=20000,
    )  # fmt: skip
    return _imaged(cells.column_table(exponent=1.3), 0.015, (224, 1312), 5000, microscope, random_state)


def cdte_boundary(random_state=0):
    """Dumbbells of CdTe on both sides of a twin boundary."""
    crystal = structures.dumbbells("CdTe", (10.34, 10.34), twin=True, rotation=65.0)
    microscope = Instrument(
        probe=0.12, source=0.1, background=2.5, contamination=0.12, contamination_length=0.8,
        drift=(0.2, 0.1), jitter=0.006, gain=80, offset=3000,
    )  # fmt: skip
    return _imaged(crystal, 0.0202, (512, 512), 4000, microscope, random_state)


def fe_boundary(random_state=0):
    """Two grains of bcc iron along [001], turned against each other by 36.9 degrees (sigma 5)."""
    size = (6.35, 6.35)
    upper, lower = (structures.metal("Fe", size, rotation=angle).atoms for angle in (18.43, -18.43))
    upper, lower = upper[upper.positions[:, 1] < 5 * size[1]], lower[lower.positions[:, 1] > 5 * size[1] - 1]
    lower.arrays["domain"][:] = 1
    # Where both grains claim the same place, the upper one has it.
    gap = cKDTree(upper.positions[:, :2]).query(lower.positions[:, :2])[0]
    atoms = upper + lower[gap > 1.3]
    crystal = structures.Structure(
        atoms, size, ("Fe",), (True,), period=float(atoms.cell[2, 2]), name="Fe [001] sigma 5"
    )
    microscope = Instrument(
        probe=0.1, source=0.08, background=0.1, contamination=0.2, contamination_length=0.6, drift=(0.1, 0.1)
    )
    return _imaged(crystal, 0.0124, (512, 512), 3e5, microscope, random_state)


def si110(random_state=0):
    """Dumbbells of silicon, torn a little by the scan."""
    crystal = structures.dumbbells("Si", (5.0, 5.0), rotation=75.0)
    microscope = Instrument(
        probe=0.1, source=0.08, background=1.0, contamination=0.12, contamination_length=0.5,
        drift=(0.1, 0.05), jitter=0.018,
    )  # fmt: skip
    return _imaged(crystal, 5 / 512, (512, 512), 12000, microscope, random_state)


def dso110(random_state=0):
    """DyScO3 along [110], the pseudocubic [001]: dysprosium is displaced to and fro along y; lines jump."""
    size, a = (4.0, 4.0), 0.395
    crystal = _without_oxygen(structures.perovskite(size, formula="DyScO3", a=a))
    # Scandium, half a cell further on, lies where the wave is zero.
    crystal = strain.apply(crystal, lambda x, y: (0 * x, 0.015 * np.cos(np.pi * (x - size[0] / 2) / a)))
    microscope = Instrument(probe=0.11, source=0.08, background=0.6, drift=(0.02, -0.1), jitter=0.018)
    return _imaged(crystal.column_table(exponent=1.3), 4 / 512, (512, 512), 6000, microscope, random_state)


def pt_single_atoms(random_state=0):
    """Single platinum atoms on a particle of carbon, uneven, and thicker away from its edge."""
    rng = np.random.default_rng(random_state)
    size, pixels = 15.0, 512
    y, x = np.indices((pixels, pixels)) * size / pixels
    edge = 4 + np.sin(0.5 * x + rng.uniform(0, 6)) + 0.03 * (x - size / 2) ** 2
    lumps = gaussian_filter(rng.standard_normal(x.shape), 7)
    carbon = np.clip((y - edge) / 8, 0, 1) ** 0.7 * np.clip(1 + 0.1 * lumps / lumps.std(), 0, None)
    places = structures.single_atoms("Pt", (size, size), n=150, random_state=rng).columns
    at = (places[["y_nm", "x_nm"]].to_numpy() * pixels / size).astype(int)
    microscope = Instrument(probe=0.12, source=0.1, background=0.0, gain=8000, offset=170_000)
    sample = _imaged(places[carbon[tuple(at.T)] > 0.05], size / pixels, x.shape, 700, microscope, rng)
    support = 60 * carbon
    expected = sample.extras["expected"] + support
    counts = rng.poisson(expected) * microscope.gain + microscope.offset
    rows, columns = (np.rint(sample.truth[axis]).astype(int) for axis in ("y", "x"))
    return replace(
        sample,
        data=sample.data.copy(data=counts.astype(np.float32)),
        truth=sample.truth.assign(background=support[rows, columns]),
        extras={"expected": expected.assign_attrs(units="electrons")},
    )


def ws2_movie(random_state=0):
    """WS2 as it was recorded, a quarter of the field: defects hop and change, more appear, a hole grows."""
    microscope = Instrument(probe=0.1, source=0.08, background=0.3, contamination=0.15, jitter=0.004)
    return movies.hopping(
        20, n_frames=60, shape=(256, 256), electrons=40, appear=0.1, drift=(0.001, 0.0005), wander=0.005,
        holes=1, growth=0.01, instrument=microscope, random_state=random_state,
    )  # fmt: skip


def hs_afm(random_state=0):
    """Rings in one large lattice, line steps and scars; the tip goes blunt, and the last frames are noise."""
    microscope = Afm(noise=0.6, line_step=0.3, tilt=(2.0, 1.0), scars=2, lag=1.0)
    return particles.assembly(
        "hexagon", n_frames=24, n_domains=1, growth=60, hop=0, rattle=3, drift=(0.2, 0.1), worse=(16, 25),
        shape=(160, 160), pixel_size=0.8, microscope=microscope, random_state=random_state,
    )  # fmt: skip


def stm_vacancies(random_state=0):
    """A surface with the lattice of a real image (its drift included), many vacancies, lines that jump."""
    rng = np.random.default_rng(random_state)
    cell = [[4.860, -3.703, 0], [2.087, 5.553, 0], [0, 0, 10]]
    surface = structures.from_atoms(
        Atoms("Cu", cell=cell, pbc=(True, True, False)), size=(15.0, 15.0), name="Cu2O(111)"
    )
    surface = defects.vacancies(surface, n=24, border=0.1, random_state=rng)
    return stm.image(
        surface, pixel_size=15 / 512, shape=(512, 512), corrugation=55, width=0.31,
        elongation=1.2, elongation_angle=20.0, line_offset=4, streaks=1500, streak_height=11, noise=3.5,
        random_state=rng,
    )  # fmt: skip


def bfo(random_state=0):
    """Columns of bismuth and iron of BiFeO3, as an analysis would give them; iron polar in two domains."""
    rng = np.random.default_rng(random_state)
    pixel_size, noise = 0.02, 0.004  # nm
    cells = structures.perovskite(
        (13.0, 13.0), formula="BiFeO3", polar=25, variants=(80.0, 100.0), domains="stripes", n_domains=2
    )
    table = _without_oxygen(cells).columns
    inside = table["x_nm"].between(0, 13) & table["y_nm"].between(0, 13)
    table = table[inside].sort_values("label", ignore_index=True)
    table["label"] = table["species"]
    xy = (table[["x_nm", "y_nm"]].to_numpy() + rng.normal(0, noise, (len(table), 2))) / pixel_size
    planted = table[["dx_nm", "dy_nm"]].to_numpy() / pixel_size
    truth = pd.DataFrame(
        {
            "x": xy[:, 0],
            "y": xy[:, 1],
            "angle": np.arctan2(planted[:, 1], planted[:, 0]),
            "magnitude": np.hypot(*planted.T),
            "dx": planted[:, 0],
            "dy": planted[:, 1],
            "domain": table["domain"],
        }
    )
    iron = table["label"] == "Fe"
    data = pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "label": table["label"]})
    parameters = {"pixel_size_nm": pixel_size, "noise_nm": noise, "polar_pm": 25}
    source = pedigree(cells.name, random_state, parameters)
    return Sample(data, truth[iron].reset_index(drop=True), source)


def _without_oxygen(structure):
    """What annular dark field shows of an oxide, in half of the time."""
    return replace(structure, atoms=structure.atoms[structure.atoms.numbers != 8])


def _nearest(structure, place, count):
    """Places of the columns nearest to a place, in nm."""
    points = structure.columns[["x_nm", "y_nm"]].to_numpy()
    return points[np.atleast_1d(cKDTree(points).query(place, k=count)[1])]


def _imaged(structure, pixel_size, shape, electrons, microscope, random_state):
    return image(
        structure, pixel_size=pixel_size, shape=shape, electrons=electrons, instrument=microscope,
        random_state=random_state,
    )  # fmt: skip
