"""Claim: content that a shift-VAE calls meaningful is there; nothing is claimed of a perfect crystal.

Images of 160 pixels of a centred square lattice (16 pixels, columns of 140 and 200 electrons), windows of
2.2 cells. Perfect ones; and ones in which the middle columns move by +-0.4, 0.8 and 1.5 pixels on the two
sides of a wall. As counts, scaled (so that they are none any more), and blurred after recording, where the
noise cannot be told. Nothing may be called meaningful in 95 of 100 perfect crystals, and P(p <= a) must not
exceed a by more than two standard errors. Beside it `active`, which is the divergence from the prior alone.
Seeds were not used before.
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from atomlens.shiftvae import ShiftVAE, _halves, _register
from atomlens.shiftvae._crops import Crops
from atomlens.windows import sliding_windows

SIZE, PERIOD, SIGMA, WINDOW, STEP = 160, 16, 2.6, 35, 6
ALPHAS = (0.01, 0.05, 0.1, 0.2)


def mean_counts(wall, electrons):
    """Expected counts of a centred lattice with a wall in the middle."""
    y, x = np.mgrid[:SIZE, :SIZE]
    image = np.full((SIZE, SIZE), 0.5)
    for middle, weight in ((0, 1.0), (1, 0.7)):
        for row in range(-1, SIZE // PERIOD + 2):
            for column in range(-1, SIZE // PERIOD + 2):
                cx, cy = PERIOD * (column + middle / 2) + 0.3, PERIOD * (row + middle / 2) + 0.7
                cx += middle * wall * (1 if cx < SIZE / 2 else -1)
                spot = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * SIGMA**2)) / (2 * np.pi * SIGMA**2)
                image += weight * electrons * spot
    return image


def windows_of(mean, seed, form):
    """Windows of one recorded image."""
    image = np.random.default_rng(seed).poisson(mean).astype(float)
    image = {"counts": image, "scaled": 0.003 * image, "blurred": gaussian_filter(image, 1.2)}[form]
    return sliding_windows(image, WINDOW, step=STEP)


def trained(windows, n, seed, epochs):
    lattice = [[PERIOD, 0], [0, PERIOD]]
    return ShiftVAE(n, lattice=lattice, max_epochs=epochs, progress=False, random_state=seed).fit(windows)


def claims(draws, nulls, epochs):
    rows = []
    cases = [(0.0, 1, "counts"), (0.0, 2, "counts"), (0.0, 1, "scaled"), (0.0, 1, "blurred")]
    cases += [(wall, 1, form) for form in ("counts", "scaled") for wall in (0.4, 0.8, 1.5)]
    cases += [(0.8, 2, "counts"), (0.8, 1, "blurred")]
    for wall, n, form in cases:
        mean, count = mean_counts(wall, 200.0), nulls if wall == 0 else draws
        if form == "blurred":
            count = draws
        found, begin = [], time.process_time()
        for seed in range(count):
            vae = trained(windows_of(mean, 60_000 + seed, form), n, seed, epochs)
            content = vae.summary_.iloc[-n:]
            found.append(
                {
                    "active": content.active.any(),
                    "meaningful": content.meaningful.any(),
                    "said to be noise": any("may be noise" in doubt for doubt in vae.doubts_),
                    "cannot be told": any("cannot be told" in doubt for doubt in vae.doubts_),
                }
            )
        row = {"wall (px)": wall, "latents": n, "form": form, "images": count}
        row |= pd.DataFrame(found).mean().to_dict()
        rows.append(row | {"CPU (s)": (time.process_time() - begin) / count})
    return pd.DataFrame(rows)


def p_values(nulls):
    """P(p <= a) of perfect crystals, for every latent of one model, as if it were active."""
    rows = []
    cases = [(1, "counts", 200.0), (2, "counts", 200.0), (1, "counts", 30.0), (1, "scaled", 200.0)]
    for n, form, electrons in cases:
        mean, p = mean_counts(0.0, electrons), []
        core = trained(windows_of(mean, 69_999, form), n, 0, 4).core_
        for seed in range(nulls):
            crops = Crops(windows_of(mean, 70_000 + seed, form))
            start = _register.first_guess(core.source(crops), len(crops), core.geometry, n, random_state=seed)
            every = np.ones(n, dtype=bool)
            p.append(_halves.compared(crops, core, start, every, random_state=seed).p_values)
        p = np.array(p)
        for k in range(n):
            row = {"latent": f"z{k + 1} of {n}", "form": form, "electrons": electrons, "images": nulls}
            rows.append(row | {f"P(p <= {a})": np.mean(p[:, k] <= a) for a in ALPHAS})
    allowed = {f"P(p <= {a})": a + 2 * np.sqrt(a * (1 - a) / nulls) for a in ALPHAS}
    rows.append({"latent": "allowed", "form": "", "electrons": np.nan, "images": nulls} | allowed)
    return pd.DataFrame(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=20, help="images of each wall")
    parser.add_argument("--nulls", type=int, default=100, help="perfect crystals; twice as many for p-values")
    parser.add_argument("--epochs", type=int, default=10, help="at most")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")  # what is said stands in the table
    table = claims(chosen.draws, chosen.nulls, chosen.epochs)
    print(f"claims\n{table.round(3).to_string(index=False)}\n", flush=True)
    table = p_values(2 * chosen.nulls)
    print(f"p-values of perfect crystals\n{table.round(3).to_string(index=False)}")


if __name__ == "__main__":
    main()
