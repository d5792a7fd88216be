"""Write the images of data/samples/multislice: a few minutes of one core each, deterministic.

Needs the extra ``simulate`` (abTEM). Run `python data/make_multislice.py` after changing this file, or with
the names of some of them; a test compares a corner of a stored image with what this makes.
"""

import json
import sys
from pathlib import Path

import numpy as np

from atomlens.simulate import defects, multislice, structures

HERE = Path(__file__).parent / "samples" / "multislice"
SHEET = {"energy": 60.0, "convergence": 30.0, "detector": (60.0, 180.0)}
CRYSTAL = {"energy": 100.0, "convergence": 25.0, "detector": (60.0, 160.0), "thickness": 2.0}


def mos2():
    """Sheet with sulphur vacancies, one empty sulphur column and two tungsten atoms."""
    sheet = structures.transition_metal_dichalcogenide("MoS2", (2.88, 2.88), rotation=12)
    sheet = defects.vacancies(sheet, n=5, sublattice="S2", min_separation=0.4, border=0.3, random_state=1)
    sheet = defects.vacancies(sheet, kind="column", sublattice="S2", min_separation=0.4, random_state=2)
    sheet = defects.substitutions(
        sheet, species="W", n=2, sublattice="Mo", min_separation=0.4, random_state=3
    )
    return sheet, {**SHEET, "pixel_size": 0.02, "frozen_phonons": (10, 0.006)}


def graphene_si():
    """Sheet with two silicon atoms and a vacancy."""
    sheet = structures.graphene((2.304, 2.304), rotation=17)
    sheet = defects.substitutions(sheet, species="Si", n=2, min_separation=0.6, border=0.4, random_state=1)
    sheet = defects.vacancies(sheet, min_separation=0.6, border=0.4, random_state=2)
    return sheet, {**SHEET, "pixel_size": 0.018, "frozen_phonons": (8, 0.006)}


def sto001():
    """Strontium titanate, turned a little against the scan."""
    return structures.perovskite((2.56, 2.56), rotation=6), {
        **CRYSTAL, "pixel_size": 0.02, "frozen_phonons": (4, 0.008)
    }  # fmt: skip


def cdte110():
    """Dumbbells on both sides of a twin boundary."""
    return structures.dumbbells("CdTe", (2.816, 2.816), twin=True, rotation=35), {
        **CRYSTAL, "pixel_size": 0.022, "frozen_phonons": (4, 0.012)
    }  # fmt: skip


def zro2_twin():
    """Monoclinic zirconia on both sides of a twin boundary."""
    return structures.zirconia((2.56, 2.56), twin=True, rotation=-20), {
        **CRYSTAL, "pixel_size": 0.02, "frozen_phonons": (4, 0.007)
    }  # fmt: skip


def au110():
    """Gold."""
    return structures.metal("Au", (2.304, 2.304), zone="110", rotation=25), {
        **CRYSTAL, "pixel_size": 0.018, "frozen_phonons": (4, 0.008)
    }  # fmt: skip


def write(sample, path):
    """Store the expected image at 1 e/Å² (half precision, largest value 1) and its tables (plain arrays)."""
    expected, parameters = sample.extras["expected"].values, sample.source["parameters"]
    per_dose = 1e5  # e/Å² of an image without noise
    arrays = {"image": (expected / expected.max()).astype(np.float16)}
    tables = {
        "truth": sample.truth.assign(
            **{name: sample.truth[name] / per_dose for name in ("electrons", "background")}
        ),
        "defects": sample.extras["defects"],
    }
    for what, table in tables.items():
        for name, values in table.items():
            plain = values.to_numpy(dtype="U") if values.dtype == "str" else values.to_numpy()
            arrays[f"{what}.{name}"] = plain.astype("f4") if plain.dtype.kind == "f" else plain
    record = {
        "name": sample.source["name"],
        "scale": expected.max() / per_dose,
        "parameters": {**parameters, "random_state": sample.source["random_state"]},
    }
    np.savez_compressed(path, record=np.array(json.dumps(record)), **arrays)


def main(names=multislice.SAMPLES, folder=HERE):
    """Simulate and write the samples of these names."""
    Path(folder).mkdir(exist_ok=True)
    for name in names:
        structure, options = globals()[name]()
        sample = multislice.image(structure, **options, progress=True)
        write(sample, Path(folder) / f"{name}.npz")


if __name__ == "__main__":
    main(sys.argv[1:] or multislice.SAMPLES)
