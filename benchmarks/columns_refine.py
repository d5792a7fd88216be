"""Claim: `refine` locates columns at the Cramer-Rao bound, knows its errors, and is fast.

Isolated columns (100 to 1e5 electrons, three widths, with and without background), pairs that overlap, and
dense lattices, with the gain estimated and given: RMSE over the bound, and the standard deviation of the
z-scores. Unweighted least squares, column by column, stands beside it. Then the time for 2,000 columns
against AtomAI (the window that it chooses, and the one that suits it best) and atomap, on the same image, in
one run, on one thread, in CPU time. atomap may live elsewhere: name that Python in ATOMAP_PYTHON.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import least_squares
from scipy.special import erf
from threadpoolctl import threadpool_limits

from atomlens.columns import import_atomai, precision_limit, refine

COLUMNS = 400
PAIRS = 1200  # enough that a standard deviation is known to 2 or 3 %
GAIN = 3.7
REPEATS = 7

ATOMAP = """
import json, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
import atomap.api
from atomap.sublattice import Sublattice
data = np.load(sys.argv[1])
sublattice = Sublattice(data["start"], image=data["image"])
begin = time.process_time()
sublattice.find_nearest_neighbors()
sublattice.refine_atom_positions_using_2d_gaussian(percent_to_nn=0.4, show_progressbar=False)
seconds = time.process_time() - begin
print("RESULT" + json.dumps([seconds, np.asarray(sublattice.atom_positions).tolist()]))
"""


def draw(shape, at, electrons, sigma, background):
    image = np.full(shape, float(background))
    half = int(np.ceil(6 * sigma))
    for x, y in at:
        rows, columns = (
            slice(max(0, round(c) - half), min(n, round(c) + half + 1))
            for c, n in zip((y, x), shape, strict=True)
        )
        down, across = (
            np.diff(erf((np.arange(s.start, s.stop + 1) - 0.5 - c) / (np.sqrt(2) * sigma))) / 2
            for s, c in ((rows, y), (columns, x))
        )
        image[rows, columns] += electrons * np.outer(down, across)
    return image


def lattice(spacing, rng, *, n=COLUMNS, disorder=0.3, hexagonal=False):
    side = int(np.ceil(np.sqrt(n)))
    i, j = np.meshgrid(np.arange(float(side)), np.arange(float(side)))
    x, y = (i + (j % 2) / 2, j * np.sqrt(3) / 2) if hexagonal else (i, j)
    at = np.column_stack([x.ravel(), y.ravel()])[:n] * spacing + spacing
    at += rng.uniform(-disorder, disorder, at.shape)
    return at, tuple(int(m) for m in at.max(axis=0)[::-1] + spacing + 1)


def unweighted(image, start, sigma):
    """Least squares of one Gaussian on a constant, column by column."""
    half, found = int(np.ceil(4 * sigma)), start.copy()
    offset = np.arange(-half, half + 1)
    for k, (x, y) in enumerate(start):
        column, row = round(x), round(y)
        patch = image[row - half : row + half + 1, column - half : column + half + 1].astype(float)
        if patch.shape != (2 * half + 1,) * 2:
            continue

        def misfit(p, patch=patch):
            gaussian = [np.exp(-((offset - c) ** 2) / (2 * p[3] ** 2)) for c in p[:2]]
            return (p[2] * np.outer(gaussian[1], gaussian[0]) + p[4] - patch).ravel()

        fit = least_squares(misfit, [x - column, y - row, np.ptp(patch), sigma, patch.min()], method="lm")
        found[k] = fit.x[:2] + [column, row]
    return found


def compare(at, shape, electrons, sigma, background, rng, *, peer=False):
    """One row of a table: the same image fitted with the gain estimated and given."""
    image = GAIN * rng.poisson(draw(shape, at, electrons, sigma, background))
    start = at + rng.normal(0, 0.15 * sigma, at.shape)
    truth = pd.DataFrame(at, columns=["x", "y"]).assign(intensity=electrons, sigma=sigma)
    bound = precision_limit(truth, background=background)[["x_err", "y_err"]].to_numpy()
    row = {}
    for gain in (None, GAIN):
        found = refine(image, start, gain=gain)
        good = found["converged"].to_numpy()
        miss = (found[["x", "y"]].to_numpy() - at)[good]
        z = miss / found[["x_err", "y_err"]].to_numpy()[good]
        suffix = "" if gain is None else ", gain given"
        row["RMSE / bound" + suffix] = np.sqrt((miss**2).mean() / (bound[good] ** 2).mean())
        row["z sd" + suffix] = z.std()
        if gain is None:
            row["failed"] = np.count_nonzero(~good)
            row["gain error"] = found.attrs["gain"] / GAIN - 1
    if peer:
        miss = unweighted(image, start, sigma) - at
        # The median forgives the fits that go astray.
        row["least squares / bound"] = np.median(np.abs(miss)) / 0.6745 / np.sqrt((bound**2).mean())
    return row


def show(title, rows, index):
    table = pd.DataFrame(rows).set_index(index)
    print(f"\n{title}\n{table.round(3).to_string()}", flush=True)


def accuracy():
    rng = np.random.default_rng(0)
    rows = []
    for sigma in (1.0, 2.0, 4.0):
        for electrons in (100, 1000, 1e4, 1e5):
            for contrast in (0.0, 0.1):
                at, shape = lattice(12 * sigma, rng)
                background = contrast * electrons / (2 * np.pi * sigma**2)
                row = {"sigma": sigma, "electrons": int(electrons), "background / peak": contrast}
                peer = sigma == 2
                rows.append(row | compare(at, shape, electrons, sigma, background, rng, peer=peer))
    show(f"{COLUMNS} isolated columns", rows, ["sigma", "electrons", "background / peak"])

    rows = []
    for electrons in (100, 1000, 1e4, 1e5):
        for separation in (2.5, 3.0, 4.0, 5.0):
            centre, shape = lattice(34, rng, n=PAIRS)
            angle = rng.uniform(0, np.pi, len(centre))
            half = np.column_stack([np.cos(angle), np.sin(angle)]) * separation  # sigma is 2
            at = np.concatenate([centre - half, centre + half])
            row = {"electrons": int(electrons), "separation / sigma": separation}
            background = 0.1 * electrons / (8 * np.pi)
            rows.append(row | compare(at, shape, electrons, 2.0, background, rng, peer=electrons == 1e4))
    show(f"{PAIRS} pairs, sigma 2, joint bound", rows, ["electrons", "separation / sigma"])

    rows = []
    for hexagonal in (False, True):
        for spacing in (3.0, 3.5, 4.0, 4.5):
            for electrons in (1000, 1e4, 1e5):
                at, shape = lattice(2 * spacing, rng, n=900, hexagonal=hexagonal)
                row = {
                    "lattice": "hexagonal" if hexagonal else "square",
                    "spacing / sigma": spacing,
                    "electrons": int(electrons),
                }
                rows.append(row | compare(at, shape, electrons, 2.0, 0.1 * electrons / (8 * np.pi), rng))
    show("900 columns of a lattice, sigma 2, joint bound", rows, ["lattice", "spacing / sigma", "electrons"])


def timed(run, repeats):
    seconds = []
    for _ in range(repeats):
        begin = time.process_time()
        result = run()
        seconds.append(time.process_time() - begin)
    return np.median(seconds), result


def with_atomap(image, start):
    """Seconds and positions from atomap in its own interpreter, or the reason why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "columns.npz"
        np.savez(path, image=image, start=start)
        python = os.environ.get("ATOMAP_PYTHON", sys.executable)
        done = subprocess.run([python, "-c", ATOMAP, path], capture_output=True, text=True, check=False)
    result = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if not result:
        return None, (done.stderr.strip() or "no answer").splitlines()[-1]
    seconds, at = json.loads(result[0].removeprefix("RESULT"))
    return seconds, np.array(at)


def speed():
    rng = np.random.default_rng(1)
    at, shape = lattice(9.0, rng, n=2000, disorder=0.5)
    image = rng.poisson(draw(shape, at, 1000, 2.0, 5.0)).astype(float)
    start = at + rng.uniform(-0.4, 0.4, at.shape)
    rows = []

    def add(program, seconds, found):
        rows.append(
            {"program": program, "CPU seconds": seconds, "RMSE (px)": np.sqrt(((found - at) ** 2).mean())}
        )

    refine(image, start)
    seconds, found = timed(lambda: refine(image, start), REPEATS)
    add("atomlens", seconds, found[["x", "y"]].to_numpy())

    import_atomai()
    from atomai.utils.coords import peak_refinement

    swapped = np.column_stack([start[:, ::-1], np.zeros(len(start))])
    for name, window in (("AtomAI, its own window", None), ("AtomAI, window of 8 pixels", 4)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # AtomAI's own
            seconds, found = timed(lambda d=window: peak_refinement(image, swapped, d=d), 1)
        add(name, seconds, found[:, 1::-1])

    seconds, found = with_atomap(image, start)
    if seconds is None:
        print(f"\natomap is skipped: {found}. Name a Python that has it in ATOMAP_PYTHON.")
    else:
        add("atomap, 2-D Gaussian", seconds, found)

    table = pd.DataFrame(rows).set_index("program")
    table["times as long"] = table["CPU seconds"] / table["CPU seconds"]["atomlens"]
    bound = precision_limit(
        pd.DataFrame(at, columns=["x", "y"]).assign(intensity=1000.0, sigma=2.0), background=5.0
    )
    print(f"\n2,000 columns, {shape[0]} x {shape[1]} pixels; ours is the median of {REPEATS} runs")
    print(table.round(3).to_string())
    print(f"Cramer-Rao bound: {np.sqrt((bound[['x_err', 'y_err']] ** 2).to_numpy().mean()):.3f} px")


def main():
    with threadpool_limits(1):
        accuracy()
        speed()


if __name__ == "__main__":
    main()
