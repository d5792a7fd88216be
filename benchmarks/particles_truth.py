"""Claim: a network that learnt from one frame knows places and angles better than templates, at every noise.

For each kind of particle of `simulate.particles` one frame is labelled by its answer key, a network is
trained on it with the defaults, and frames of other seeds are read by it and by `particles.by_template`
(scikit-image's correlation at many angles, with the mean of the same labels). The table has means over the
frames: F1, median of the absolute error of the angle on the particles that both found (templates find the
easy ones), spread of errors over `theta_err` (1 if they are honest), and seconds a frame of 256 x 256;
printed besides, seconds of a frame of 512 x 512.

    python benchmarks/particles_truth.py [--frames 2] [--kinds rod chiral] [--store]
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from atomlens import particles, simulate

STORED = Path(__file__).resolve().parent.parent / "data/results/particles_truth.csv"
SEED = 71_000
SYMMETRY = {"rod": 2, "tile": 4, "hexagon": 6, "chiral": 3}
NOISES = (0.3, 0.8, 1.5)  # nm; particles are 3 to 5 nm high
COVERED = {"apart": {"coverage": 0.2}, "touching": {"coverage": 0.35, "touching": True}}


def frame_of(kind, seed, noise, **options):
    microscope = simulate.particles.Afm(noise=noise, line_step=0.2, tilt=(2, 1), scars=1)
    sample = simulate.particles.scattered(kind, microscope=microscope, random_state=seed, **options)
    return particles.level(sample.data), sample.truth


def measured(kind, n_frames):
    symmetry = SYMMETRY[kind]
    labelled, labels = frame_of(kind, SEED, 0.3, coverage=0.2)
    start = time.perf_counter()
    model = particles.train(labelled, labels, symmetry=symmetry)
    print(f"{kind}: trained in {time.perf_counter() - start:.0f} s")
    ways = {
        "network": model.find,
        "template": lambda frame: particles.by_template(
            frame, labels, symmetry=symmetry, radius=12, labelled=labelled
        ),
    }
    for crowd, options in COVERED.items():
        for noise in NOISES:
            for seed in range(SEED + 1, SEED + 1 + n_frames):
                frame, truth = frame_of(kind, seed, noise, **options)
                scores, seconds = {}, {}
                for way, find in ways.items():
                    start = time.perf_counter()
                    found = find(frame)
                    seconds[way] = time.perf_counter() - start
                    scores[way] = particles.agreement(
                        found, truth, symmetry=symmetry, tolerance=5, border=8, shape=frame.shape
                    )
                both = np.intersect1d(*(score.pairs[1] for score in scores.values()))
                for way, score in scores.items():
                    error = np.median(np.abs(score.error[np.isin(score.pairs[1], both)]))
                    spread = 1.4826 * np.median(np.abs(score.z))
                    yield kind, crowd, noise, way, score.f1, error, spread, seconds[way]
    large, _ = frame_of(kind, SEED + 99, 0.3, coverage=0.2, shape=(512, 512))
    start = time.perf_counter()
    model.find(large, refine=False)
    middle = time.perf_counter()
    model.find(large)
    print(f"{kind}: 512 x 512 in {middle - start:.2f} s, with the fit {time.perf_counter() - middle:.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--frames", type=int, default=2, help="of each kind, crowd and noise")
    parser.add_argument("--kinds", nargs="+", default=list(SYMMETRY), choices=SYMMETRY)
    parser.add_argument("--store", action="store_true", help=f"write the table to {STORED.name}")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = [row for kind in chosen.kinds for row in measured(kind, chosen.frames)]
    names = ["kind", "particles are", "noise (nm)", "way", "F1", "error (degrees)", "z", "seconds"]
    table = pd.DataFrame(rows, columns=names).groupby(names[:4], sort=False).mean().round(3)
    print(table.to_string())
    if chosen.store:
        table.to_csv(STORED)


if __name__ == "__main__":
    main()
