"""Claim: every p-value is one, and every standard error is as large as the scatter.

Each p-value and each standard error that the package returns is drawn again and again where there is nothing
to be found, several of them with the estimator fitted anew. A table says how often p fell below .05, .1 and
.2, with the interval of so many draws, and the scatter in standard errors (z), which is 1. What is selected
from many (the highest score of a cell, the largest of several tests) may be conservative; `!` marks what is
liberal: more than three standard errors above what p promises, or z above 1.2. Seeds were not used to choose
anything.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _defects import LATTICES, perfect
from crystallography_verdicts import crystal
from scipy.stats import beta
from shiftvae_null import mean_counts, trained, windows_of
from spectra_verdicts import NULLS, embedded, separation_p_value
from threadpoolctl import threadpool_limits

from atomlens import columns, crystallography, defects, lattice, simulate
from atomlens.shiftvae import _halves, _register
from atomlens.shiftvae._crops import Crops

STORED = Path(__file__).resolve().parent.parent / "data/results/p_values.csv"
SEED = 98_000
LEVELS = (0.05, 0.1, 0.2)
_LIBERAL = 3.0  # standard errors
_TOO_FAR = 1.2


def flat(seed):
    """A perfect crystal, its image and true columns."""
    rng = np.random.default_rng(SEED + seed)
    structure, pixel = perfect(list(LATTICES)[seed % len(LATTICES)], rng.uniform(0, 90))
    return simulate.image(structure, pixel_size=pixel, electrons=200, random_state=SEED + seed)


def cells_of_defect_maps(n):
    """`defects.detect(...).cells`: highest score of every cell of a perfect crystal."""
    return np.concatenate(
        [defects.detect(flat(seed).data).cells["p_value"] for seed in range(max(n // 40, 4))]
    )


def phases(n, n_clusters):
    """`LocalCrystallography` of so many square lattices with nothing displaced."""
    for seed in range(n):
        table, _ = crystal(SEED + seed, "nothing", 0.0, "white", 4.0)
        yield crystallography.LocalCrystallography(
            n_neighbors=4, n_clusters=n_clusters, center="B", neighbors="A", random_state=seed
        ).fit(table)


def verdicts_of_phases(n):
    """`LocalCrystallography.verdict_.p_value` of lattices with nothing displaced."""
    return np.array([model.verdict_["p_value"].iloc[0] for model in phases(n, 1)])


def gaps_of_phases(n):
    """`LocalCrystallography.gap_p_values_` between two clusters of one phase."""
    return np.array([model.gap_p_values_[0, 1] for model in phases(n, 2)])


def separation_of_spectra(n):
    """`spectra.separation_p_value` of straight and curved courses in 3 to 10 dimensions."""
    found = []
    for trial in range(n):
        rng = np.random.default_rng(SEED + trial)
        draw = list(NULLS.values())[trial % len(NULLS)]
        points = embedded(draw(600, rng), int(rng.integers(3, 11)), rng)
        found.append(separation_p_value(points, 2 + trial % 3, random_state=trial))
    return np.array(found)


def waves_of_superlattices(n):
    """`crystallography.superlattices`: the smallest p-value of all waves of a field without one."""
    found = []
    for seed in range(n):
        table, _ = crystal(SEED + seed, "nothing", 0.0, "white", 4.0)
        hoods = lattice.neighbour_vectors(table, n_neighbors=4, center="B", neighbors="A")
        found.append(crystallography.superlattices(hoods, alpha=0.5)["p_value"].min())
    return np.nan_to_num(np.array(found), nan=1.0)  # no row: none below a half


def contents_of_shift_vae(n):
    """`ShiftVAE.summary_.p_value` of a perfect crystal, the network fitted anew for every tenth image."""
    mean, found = mean_counts(0.0, 200.0), []
    for seed in range(n):
        if seed % 10 == 0:
            core = trained(windows_of(mean, SEED + 10_000 + seed, "counts"), 1, seed, 4).core_
        crops = Crops(windows_of(mean, SEED + seed, "counts"))
        start = _register.first_guess(core.source(crops), len(crops), core.geometry, 1, random_state=seed)
        every = np.ones(1, dtype=bool)
        found.append(_halves.compared(crops, core, start, every, random_state=seed).p_values[0])
    return np.array(found)


P_VALUES = (
    cells_of_defect_maps,
    verdicts_of_phases,
    gaps_of_phases,
    waves_of_superlattices,
    separation_of_spectra,
    contents_of_shift_vae,
)


def errors_of_columns(n):
    """z of x, y, intensity and width of `columns.refine`, of columns inside perfect crystals."""  # noqa: D403
    found = {name: [] for name in ("x", "y", "intensity", "sigma")}
    for seed in range(max(n // 40, 4)):
        sample = flat(seed)
        truth = sample.truth.drop_duplicates(["x", "y"]).reset_index(drop=True)  # of atoms, columns
        image, at = sample.data, truth[["x", "y"]].to_numpy()
        inside = ((at > 15) & (at < np.array(image.shape[::-1]) - 15)).all(axis=1)
        start = pd.DataFrame(at + np.random.default_rng(seed).normal(0, 0.3, at.shape), columns=["x", "y"])
        fitted = columns.refine(image, start)
        for k, name in enumerate("xy"):
            z = (fitted[name] - at[:, k]) / fitted[f"{name}_err"]
            found[name].append(z[inside & fitted["converged"]])
        label = truth["label"].to_numpy()
        for name in ("intensity", "sigma"):
            # Of equal columns the truth is their mean.
            for kind in np.unique(label):
                same = inside & fitted["converged"].to_numpy() & (label == kind)
                value, error = fitted.loc[same, name], fitted.loc[same, f"{name}_err"]
                found[name].append((value - value.mean()) / error)
    return {f"columns.refine: {name}_err": np.concatenate(z) for name, z in found.items()}


def interval(share, n):
    """Of 95 %, after Clopper and Pearson."""
    k = round(share * n)
    low = beta.ppf(0.025, k, n - k + 1) if k else 0.0
    high = beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
    return f"{share:.3f} ({low:.3f}-{high:.3f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--store", action="store_true", help=f"write the table to {STORED.name}")
    chosen = parser.parse_args()
    draws, rows = chosen.draws, []
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    began = time.process_time()
    with threadpool_limits(1):
        for measure in P_VALUES:
            p = measure(draws)
            p = p[np.isfinite(p)]
            row = {"what": measure.__doc__.split("`")[1], "n": len(p)}
            for level in LEVELS:
                share = np.mean(p <= level)
                liberal = share > level + _LIBERAL * np.sqrt(level * (1 - level) / len(p))
                row[f"P(p <= {level:g})"] = interval(share, len(p)) + "!" * bool(liberal)
            rows.append(row)
            print(*row.values(), sep="  ", flush=True)
        for name, values in errors_of_columns(draws).items():
            values = values[np.isfinite(values)]
            scatter = np.sqrt(np.mean(values**2))
            rows.append(
                {"what": name, "n": len(values), "z": f"{scatter:.2f}" + "!" * bool(scatter > _TOO_FAR)}
            )
            print(*rows[-1].values(), sep="  ", flush=True)
    if chosen.store:
        pd.DataFrame(rows).to_csv(STORED, index=False)
    print(f"{time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    main()
