"""Claim: classes of silicon at an edge are merged to their states by computing, and their chain comes back.

Movies of `simulate.movies.edge`, of seeds that nothing was chosen on. Bright atoms are found, their pictures
sorted by a Gaussian mixture, and classes merged by `dynamics.equivalent_classes` with its defaults. The table
has, by kind of edge and by electrons of a carbon atom, means over the movies: share of the atoms found and of
false ones; adjusted Rand index with the planted states before and after merging; number of states (5 are
planted); and how many of the 25 planted probabilities lie in the 95 % intervals from the planted states
themselves, which asks whether the chain is the one that is said.

    python benchmarks/edge_truth.py [--movies 3] [--store]
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from atomlens import dynamics, simulate, windows

STORED = Path(__file__).resolve().parent.parent / "data/results/edge.csv"
SEED, FRAMES, ATOMS, SIDE, NEAR = 51_000, 200, 5, 45, 3.0
CLASSES = {"zigzag": 40, "armchair": 80}  # more than the 36 and 54 pictures that the states have
DOSES = (200, 100, 50, 25, 12)


def measured(kind, electrons, seed):
    sample = simulate.movies.edge(
        ATOMS, n_frames=FRAMES, kind=kind, hop=0.15, electrons=electrons, random_state=seed
    )
    truth, movie = sample.truth, sample.data
    atoms = dynamics.bright_atoms(movie)
    pictures = np.concatenate(
        [windows.column_windows(movie[t], rows, SIDE) for t, rows in atoms.groupby("frame")]
    )
    state, away = np.zeros(len(atoms), dtype=int), np.zeros(len(atoms))
    for t, rows in atoms.groupby("frame"):
        there = truth[truth["frame"] == t]
        away[rows.index], nearest = cKDTree(there[["x", "y"]]).query(rows[["x", "y"]])
        state[rows.index] = there["state"].to_numpy()[nearest]
    numbers = PCA(20, random_state=0).fit_transform(pictures.reshape(len(pictures), -1))
    options = {"covariance_type": "diag", "n_init": 2, "random_state": 0, "reg_covar": 1e-3 * numbers.var()}
    raw = GaussianMixture(CLASSES[kind], **options).fit_predict(numbers)
    labels = np.unique(raw, return_inverse=True)[1]
    found = dynamics.equivalent_classes(pictures, labels)
    real = away < NEAR
    chain = dynamics.transitions(truth, state="label", states=sample.extras["states"])
    planted = sample.extras["matrix"]
    return {
        "found": real.sum() / len(truth),
        "false": (~real).sum() / len(atoms),
        "states": len(found.state_means),
        "index before": adjusted_rand_score(state[real], labels[real]),
        "index": adjusted_rand_score(state[real], found.merged(labels)[real]),
        "held of 25": ((chain.low <= planted) & (planted <= chain.high)).sum(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--movies", type=int, default=3)
    parser.add_argument("--store", action="store_true", help="keep the table for the lesson")
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    rows = []
    for kind in CLASSES:
        for electrons in DOSES:
            movies = [measured(kind, electrons, SEED + n) for n in range(options.movies)]
            rows.append({"edge": kind, "electrons": electrons, **pd.DataFrame(movies).mean().round(3)})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    if options.store:
        table.to_csv(STORED, index=False)


if __name__ == "__main__":
    main()
