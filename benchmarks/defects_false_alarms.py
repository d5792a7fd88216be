"""Claim: the false-alarm rate that is set comes out, and nothing is found where nothing repeats.

Defect-free images of seven lattices, undisturbed and with drift, jitter, wander and contamination, at 40 and
400 electrons in the weakest column. Cells above the threshold for 1 % (wanted: 0.8 to 1.2 % of at least 1e5
cells), hits at the default rate (wanted: fewer than one in 1,000 cells); amorphous films accepted as crystals
(wanted: fewer than 5 %) and lattices refused (fewer than 2 %). Seeds were not used to choose anything.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from _defects import LATTICES, perfect
from scipy.ndimage import maximum

from atomlens import simulate
from atomlens.defects import NotPeriodicError, detect
from atomlens.simulate import Instrument

STORED = Path(__file__).parents[1] / "data" / "results" / "defects_false_alarms.csv"  # shown by lesson 05
DISTURBED = Instrument(
    drift=(0.1, 0.2), jitter=0.004, wander=0.02, contamination=0.2, contamination_length=2.0
)
INSTRUMENTS = {"undisturbed": Instrument(), "disturbed": DISTURBED}


def cells(name, electrons, instrument, seed, **options):
    """Cells above 1 %, cells, hits at the default rate; or None where the lattice is refused."""
    rng = np.random.default_rng(seed)
    structure, pixel = perfect(name, rng.uniform(0, 90))
    image = simulate.image(
        structure, pixel_size=pixel, electrons=electrons, instrument=instrument, random_state=seed
    ).data
    try:
        found = detect(image, **options)
    except NotPeriodicError:
        return None
    hits, n_cells = len(found.defects), found.n_cells
    number, _, whole = found._view.frame.cells
    highest = maximum(found.score.values, number, np.flatnonzero(whole))
    return np.count_nonzero(highest > found.at(0.01).threshold), n_cells, hits


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=6, help="images a row")
    parser.add_argument("--amorphous", type=int, default=100)
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--scheme", default="auto")
    parser.add_argument("--seed", type=int, default=50_000)
    parser.add_argument("--store", action="store_true", help=f"write the table to {STORED.name}")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    start, rows = time.process_time(), []
    for n, name in enumerate(LATTICES):
        for kind, instrument in INSTRUMENTS.items():
            for electrons in (40, 400):
                seeds = chosen.seed + 1000 * n + np.arange(chosen.images)
                found = [
                    cells(name, electrons, instrument, int(s), scheme=chosen.scheme, detector=chosen.detector)
                    for s in seeds
                ]
                kept = np.array([f for f in found if f is not None]).reshape(-1, 3).sum(axis=0)
                rows.append((name, kind, electrons, len(found), sum(f is None for f in found), *kept))
                print("\r", *rows[-1], end=" " * 20, flush=True)
    table = pd.DataFrame(
        rows, columns=["lattice", "scan", "electrons", "images", "refused", "above 1 %", "cells", "hits"]
    )
    table["at 1 % (%)"] = (100 * table["above 1 %"] / table["cells"]).round(2)
    table["hits in 1000 cells"] = (1000 * table["hits"] / table["cells"]).round(2)
    print("\r" + table.to_string(index=False))
    if chosen.store:
        table.to_csv(STORED, index=False)
    total = table[["above 1 %", "cells", "hits", "refused", "images"]].sum()
    print(
        f"\nall: {100 * total['above 1 %'] / total['cells']:.2f} % of {total['cells']} cells at 1 %; "
        f"{1000 * total['hits'] / total['cells']:.2f} hits in 1000 cells at 1e-4; "
        f"{100 * total['refused'] / total['images']:.1f} % of the lattices refused"
    )
    accepted = 0
    for seed in range(chosen.amorphous):
        film = simulate.structures.amorphous(size=(8, 8), random_state=chosen.seed + seed)
        image = simulate.image(film, dose=3e4, random_state=chosen.seed + seed).data
        try:
            detect(image)
            accepted += 1
        except NotPeriodicError:
            pass
    took = time.process_time() - start
    print(f"amorphous films accepted: {accepted} of {chosen.amorphous}; {took:.0f} s of CPU")


if __name__ == "__main__":
    main()
