"""Claim: defects are taken out of images, counted without labels, and what is new among them is told.

Four tables. How often the formula of a planted cluster is right, by dose, with `library.extract`, and by
counting the columns that `columns.find` sees within 0.22 nm of a bright one, on the same images. The same for
the 92 published images, whose folders name the class; rules of `extract` were chosen while looking at these,
so only the first table is blind. Groups without labels against the folders. And whether "seen before?" keeps
its rate of false alarms on newcomers of known kinds, and finds those of other kinds.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from sklearn.metrics import adjusted_rand_score

from atomlens import columns, datasets, library, simulate
from atomlens.datasets import DatasetUnavailableError

STORED = Path(__file__).resolve().parent.parent / "data/results/library.csv"
SEED = 120_000
KNOWN, NEW = ("Si1C3", "Si1C4", "Si3C6"), ("Si2C5", "Si2C6", "Si4C6")
MEMBERS, NEWCOMERS, LEVELS = 60, 50, (0.05, 0.1, 0.2)
BONDED_NM = 0.22


def planted(formula, electrons, seed):
    """An image of 1.6 nm with one cluster, turned at random, by a microscope of its own."""
    rng = np.random.default_rng(seed)
    sheet = simulate.structures.silicon_in_graphene(formula, (1.7, 1.7), rotation=rng.uniform(0, 360))
    microscope = simulate.Instrument(
        probe=rng.uniform(0.075, 0.1), source=0.05, background=rng.uniform(1, 4), tails=rng.uniform(0, 0.25),
        drift=tuple(rng.normal(0, 0.02, 2)), jitter=0.002, gain=rng.uniform(1, 20), offset=rng.uniform(0, 50),
    )  # fmt: skip
    return simulate.image(
        sheet,
        pixel_size=1.7 / 160,
        shape=(160, 160),
        electrons=electrons,
        instrument=microscope,
        random_state=rng,
    ).data


def by_columns(image):
    """Formula from the columns that are seen: bright ones, and those near them."""
    found = columns.find(image, model="general", refine=False)
    if len(found) < 10:
        return ""
    values = np.asarray(image, dtype=float)
    at = found[["y", "x"]].round().astype(int).clip(1, min(values.shape) - 2).to_numpy()
    light = np.array([values[y - 1 : y + 2, x - 1 : x + 2].mean() for y, x in at]) - np.percentile(values, 5)
    bright = light > 2.5 * np.median(light)
    xy = found[["x_nm", "y_nm"]].to_numpy()
    if not bright.any():
        return ""
    near = cdist(xy[~bright], xy[bright]).min(axis=1) < BONDED_NM
    return f"Si{bright.sum()}C{near.sum()}"


def largest(image, name):
    """The first defect of an image, and its formula."""
    found = library.extract(image, name=name)
    return found[0] if found else None


def doses(n, seed):
    rows = []
    for electrons in (50, 100, 200, 400):
        for formula in (*KNOWN, *NEW):
            images = [planted(formula, electrons, seed + i) for i in range(n)]
            start = time.process_time()
            found = [largest(image, "x") for image in images]
            spent = (time.process_time() - start) / n
            rows.append({
                "electrons": electrons, "planted": formula,
                "right": np.mean([d is not None and d.formula == formula for d in found]),
                "wrong, no doubt": np.mean(
                    [d is not None and d.formula != formula and not d.doubts for d in found]
                ),
                "not found": np.mean([d is None for d in found]),
                "by columns": np.mean([by_columns(image) == formula for image in images[: n // 2]]),
                "CPU s": spent,
            })  # fmt: skip
    return pd.DataFrame(rows)


def published():
    """Defects of the published images, one an image, and what their folders say."""
    shelf, folders, seen = library.Library(), [], []
    table = datasets.load("graphene_si_library").data
    for name, folder in zip(table["name"], table["class"], strict=True):
        sample = datasets.load(name)
        found = library.extract(sample.data, name=name)
        formulas = [
            formula_at(found, where, float(sample.data.x[1] - sample.data.x[0])) for where in guests(sample)
        ]
        seen.append(max(set(formulas), key=formulas.count) == folder)
        if found:
            shelf.add(found[0])
            folders.append(folder)
    return shelf, np.array(folders), table["class"].to_numpy(), np.array(seen)


def guests(sample):
    """Middle of the published Si atoms of every defect of an image, in pixels."""
    silicon = sample.truth[sample.truth["label"] == "Si"]
    return silicon.groupby("defect")[["x", "y"]].mean().to_numpy()


def formula_at(found, where, pixel):
    """Formula of the defect that lies within 0.15 nm of a place."""
    for defect in found:
        middle = defect.atoms[defect.atoms["label"] == "Si"][["x", "y"]].mean().to_numpy()
        if np.hypot(*(middle - where)) * pixel < 0.15:
            return defect.formula
    return ""


def groups(shelf, folders):
    many = np.isin(folders, KNOWN)
    rows = []
    for method, n in (("bonds", None), ("kmeans", 3), ("kmeans", 6), ("gmm", None), ("hdbscan", None)):
        labels = shelf.group(method, n)
        rows.append({
            "method": method if n is None else f"{method}, {n}", "groups": labels[labels >= 0].nunique(),
            "left out": (labels < 0).mean(),
            "ARI, three large classes": adjusted_rand_score(folders[many], labels[many]),
        })  # fmt: skip
    return pd.DataFrame(rows)


def newcomers(n, seed):
    """False alarms and power of `Library.seen`, over libraries of their own."""
    pool = {k: [largest(planted(k, 200, seed + 7919 * i + j), f"{k} {i}") for i in range(n // 3)]
            for j, k in enumerate(KNOWN)}  # fmt: skip
    new = {k: [largest(planted(k, 200, seed + 31 * i + j + 10**6), f"{k} {i}") for i in range(60)]
           for j, k in enumerate(NEW)}  # fmt: skip
    known = [d for found in pool.values() for d in found if d is not None]
    order = np.random.default_rng(seed).permutation(len(known))
    values, power = [], {k: [] for k in NEW}
    for start in range(0, len(order) - MEMBERS - NEWCOMERS + 1, MEMBERS + NEWCOMERS):
        shelf = library.Library(known[i] for i in order[start : start + MEMBERS])
        values += [shelf.seen(known[i]).p_value for i in order[start + MEMBERS : start + MEMBERS + NEWCOMERS]]
        for k in NEW:
            power[k] += [shelf.seen(d).p_value for d in new[k][:20] if d is not None]
    asked = {"of known kinds": values, **power}
    return pd.DataFrame(
        {"newcomers": who, "n": len(p)} | {f"p <= {a}": np.mean(np.array(p) <= a) for a in LEVELS}
        for who, p in asked.items()
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20, help="planted images a cell of the first table")
    parser.add_argument(
        "--crops", type=int, default=2400, help="planted images of known kinds in the last table"
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--store", action="store_true", help=f"write the last table to {STORED.name}")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print("Formula of a planted cluster, by detected electrons of a carbon atom")
    print(doses(args.images, args.seed).round(3).to_string(index=False))
    try:
        shelf, folders, classes, right = published()
    except DatasetUnavailableError as error:
        print(error)
    else:
        print(f"\nPublished images: {right.sum()} of {right.size} have the formula of their folder")
        print(pd.Series(right).groupby(classes).agg(["sum", "size"]).to_string())
        print(groups(shelf, folders).round(2).to_string(index=False))
    print("\nSeen before? Share of newcomers with a p-value up to a level")
    table = newcomers(args.crops, args.seed)
    print(table.round(3).to_string(index=False))
    if args.store:
        table.round(4).to_csv(STORED)


if __name__ == "__main__":
    main()
