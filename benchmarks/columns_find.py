"""Columns found by the general model, against the best that a difference of Gaussians can do.

At least 8 lattices x 4 doses x 3 pixel sizes, with seeds that were never used in training. The classical
finder gets its width, threshold and distance from an oracle, who knows the truth of every single image.
The dose is counted as detected electrons in the weakest scored column. Then the same for the multislice
images, whose columns are not Gaussian and which no network was trained on. `columns_find.py NAME card` also
writes the scores of a network of data/weights into its card.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.spatial import cKDTree

from atomlens import columns, metrics
from atomlens.simulate import Instrument, image, multislice
from atomlens.simulate import structures as s
from atomlens.simulate.imaging import FWHM

torch.set_num_threads(1)
SIZE = (6.0, 6.0)  # nm
DOSES = (40, 100, 300, 1000)
PIXELS = (0.010, 0.016, 0.025)  # nm
SEED = 7_300_000  # far from every seed of data/weights/make.py, and not looked at while anything was chosen


def lattices(rotation):
    """Eleven lattices, turned."""
    options = {"size": SIZE, "rotation": rotation}
    return {
        "graphene": s.graphene(**options),
        "MoS2": s.transition_metal_dichalcogenide("MoS2", **options),
        "WS2": s.transition_metal_dichalcogenide("WS2", **options),
        "MoTe2 bilayer": s.transition_metal_dichalcogenide("MoTe2", layers=2, **options),
        "SrTiO3 [001]": s.perovskite(**options),
        "PbTiO3 [110]": s.perovskite(formula="PbTiO3", zone="110", **options),
        "Si [110]": s.dumbbells("Si", **options),
        "CdTe [110] twin": s.dumbbells("CdTe", twin=True, **options),
        "ZrO2 [010]": s.zirconia(**options),
        "Mo-V-O [001]": s.molybdenum_vanadium_oxide(**options),
        "Au [001]": s.metal("Au", **options),
    }


def scene(structure, dose, pixel_size, seed):
    """One image, as an instrument on an ordinary day gives it, and the closest distance of its columns."""
    rng = np.random.default_rng(seed)
    table = structure.columns
    seen = table.loc[table["visible"], ["x_nm", "y_nm"]].to_numpy()
    nearest = np.percentile(cKDTree(seen).query(seen, k=2)[0][:, 1], 5)
    sigma = rng.uniform(0.035, max(0.036, min(0.065, nearest / 3.3)))
    instrument = Instrument(
        probe=sigma * FWHM,
        source=0.0,
        background=0.3,
        tails=0.1,
        contamination=0.15,
        drift=tuple(rng.normal(0, 0.05, 2)),
        jitter=0.005,
    )
    sample = image(structure, pixel_size=pixel_size, electrons=dose, instrument=instrument, random_state=rng)
    return sample, nearest / pixel_size


def score(sample, nearest, model):
    """F1, precision and recall of a finder, F1 of the oracle's peaks, and CPU time of the finder."""
    scoring = {"tolerance": 0.4 * nearest, "border": 0.4 * nearest}
    began = time.process_time()
    found = columns.find(sample.data, model=model, refine=False)
    took = time.process_time() - began
    ours = metrics.match(found, sample.truth, shape=sample.data.shape, **scoring)
    oracle = columns.best_peaks(sample.data, sample.truth, **scoring).attrs["f1"]
    return ours.f1, ours.precision, ours.recall, oracle, took


def test_mix(model):
    """One row an image: lattices x doses x pixel sizes."""
    for i, name in enumerate(lattices(0.0)):
        for j, dose in enumerate(DOSES):
            for k, pixel_size in enumerate(PIXELS):
                seed = SEED + 100 * i + 10 * j + k
                structure = lattices(float(np.random.default_rng(seed).uniform(0, 90)))[name]
                sample, nearest = scene(structure, dose, pixel_size, seed)
                yield name, dose, pixel_size, *score(sample, nearest, model)


def multislice_mix(model):
    """One row an image: stored samples x doses x noise."""
    for name in multislice.SAMPLES:
        for dose in DOSES:
            for repeat in range(3):
                sample = multislice.sample(name, electrons=dose, random_state=SEED + repeat)
                seen = sample.truth.loc[sample.truth["scored"], ["x", "y"]].to_numpy()
                nearest = np.percentile(cKDTree(seen).query(seen, k=2)[0][:, 1], 5)
                yield name, dose, sample.data.attrs["pixel_size_nm"], *score(sample, nearest, model)


def write_card(model, scores):
    """Add the mean F1 by dose to the card of a network."""
    path = Path(__file__).parents[1] / "data" / "weights" / f"{model}.json"
    about = json.loads(path.read_text(encoding="utf-8"))
    about["card"]["mean_f1_by_electrons"] = scores
    path.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def main(model="general", card=None):
    """Print F1 by dose and by lattice."""
    scores = {}
    columns.find(scene(s.graphene(SIZE), 100, 0.02, 1)[0].data, model=model, refine=False)  # warm
    pd.options.display.width, pd.options.display.max_columns = 160, 12
    means = ["F1", "precision", "recall", "F1 of the oracle's peaks"]
    for title, mix in (("simulated test mix", test_mix), ("multislice", multislice_mix)):
        table = pd.DataFrame(mix(model), columns=["lattice", "electrons", "pixel (nm)", *means, "seconds"])
        print(f"\n{title}: {len(table)} images\n", table.groupby("electrons")[means].mean().round(4))
        for index in ("lattice", "pixel (nm)"):
            each = table.pivot_table(index=index, columns="electrons", values=["F1", means[-1]])
            print(each.round(3), flush=True)
        scores[title] = table.groupby("electrons")["F1"].mean().round(4).to_dict()
        print(f"find(refine=False): median {table['seconds'].median():.2f} s of CPU an image")
    if card:
        write_card(model, scores)


if __name__ == "__main__":
    main(*sys.argv[1:])
