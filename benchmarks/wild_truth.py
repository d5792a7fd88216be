"""Claim: what each function withstands, on images that are not as the simulator's default draws them.

Each disturbance of `_wild.py`, at moderate strength (or twice that, with `--strong`), on four lattices:
columns found and refined, lattices estimated, false alarms and weak vacancies, domains of a single crystal,
and the displacement of a perfect one. `--generator plain` draws the same with code of its own. An answer is
right or wrong by the limits in `FUNCTIONS`; a doubt is a warning, or an entry of ``doubts``. A refusal is an
answer with a doubt, and its sentence is printed. `--store` writes the means as data/results/wild_truth.csv
(`--strong`: wild_strong.csv).
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _wild import DISTURBANCES, LATTICES, draw
from scipy.spatial import cKDTree
from scipy.stats import poisson
from threadpoolctl import threadpool_limits

from atomlens import columns, crystallography, defects, lattice, metrics

STORED = Path(__file__).resolve().parent.parent / "data/results/wild_truth.csv"
STRONG = STORED.with_name("wild_strong.csv")
BEFORE = STORED.with_name("wild_before.csv")  # with estimators that took all noise for white (lesson 03b)
RATE = 1e-3  # false alarms a cell
_NEAR = 0.4  # of the distance of the closest columns: a column found so near is right
_START = 0.5  # px, standard deviation of the places at which `refine` begins
_SAME = 0.02  # of the lattice vectors
_HIT = 0.25  # nm, at most: a hit so near is the vacancy


def find(case, options):
    """Score, numbers and feature size of the columns found; the table is kept for what needs one."""
    table = columns.find(case.image, **options)
    border = _NEAR * case.nearest
    match = metrics.match(table, case.truth, tolerance=border, border=border, shape=case.image.shape)
    case.found = table
    row = {"F1": match.f1, "found / true": match.n_found / match.n_truth}
    return row | {"feature size": table.attrs["feature_size"]}, table


def refine(case, _):
    """Errors of refined columns that begin near the truth: in pixels, and in standard errors."""
    truth = case.truth[case.truth["scored"]].reset_index(drop=True)
    noise = np.random.default_rng(0).normal(0, _START, (len(truth), 2))
    start = truth[["x", "y"]] + noise
    fitted = columns.refine(case.image, start)
    inner = truth["inner"]
    error = (fitted[["x", "y"]] - truth[["x", "y"]])[inner].to_numpy()
    deviation = error / fitted.loc[inner, ["x_err", "y_err"]].to_numpy()
    known = np.isfinite(deviation).all(axis=1)
    row = {"error (px)": _rms(error), "z": _rms(deviation[known]), "no error (%)": 100 * (1 - known.mean())}
    return row, fitted


def _rms(values):
    return float(np.sqrt(np.mean(np.square(values)))) if np.size(values) else np.nan


def _is_lattice(found, basis):
    """Whether a lattice is the true one, whatever vectors describe it."""
    if not found.periodic:
        return False
    change = found.basis @ np.linalg.inv(basis)
    whole = np.rint(change)
    off = np.linalg.norm((change - whole) @ basis, axis=1).max()
    return abs(round(np.linalg.det(whole))) == 1 and off <= _SAME * np.linalg.norm(basis, axis=1).min()


def lattice_image(case, _):
    """Whether the lattice of the image is right."""
    found = lattice.estimate(case.image)
    return {"right": float(_is_lattice(found, case.basis))}, found


def lattice_columns(case, options):
    """Whether the lattice of the columns found is right."""
    found = lattice.estimate(_found(case, options)[["x", "y"]])
    # places alone do not tell sublattices apart: where one centres the other, the cell is half as large
    half = [np.array([[0.5, 0.5], [-0.5, 0.5]]) @ case.basis] if case.lattice.centred else []
    return {"right": float(any(_is_lattice(found, basis) for basis in [case.basis, *half]))}, found


def _found(case, options):
    """Columns found, those of `find` if it was scored."""
    if not hasattr(case, "found"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case.found = columns.find(case.image, **options)
    return case.found


def detect(case, _):
    """False alarms of a perfect crystal, as a multiple of what is promised.

    In a few hundred cells less than one is promised: what chance gives one image in a thousand is not wrong.
    """
    found = defects.detect(case.image, false_alarm_rate=RATE)
    cells = case.image.size / abs(np.linalg.det(case.basis))
    promised, alarms = RATE * found.n_cells, len(found.defects)
    row = {"alarms / nominal": alarms / promised, "cells": found.n_cells / cells}
    row["beyond chance"] = alarms / promised if alarms > poisson.ppf(0.999, promised) else 0.0
    return row, found


def recall(case, _):
    """Share of the weak vacancies that are found; `case` is the crystal with vacancies.

    It is shown, not judged: whatever adds counts hides them. On a slope as many are found as on a background
    that is flat and on average as bright.
    """
    found = defects.detect(case.image, false_alarm_rate=RATE)
    near = min(0.6 * np.linalg.norm(case.basis, axis=1).min(), _HIT / case.pixel)
    at = found.defects[["x", "y"]].to_numpy().reshape(-1, 2)
    gaps = cKDTree(at).query(case.vacancies)[0] if len(at) else np.full(len(case.vacancies), np.inf)
    return {"recall": float(np.mean(gaps <= near))}, found


def domains(case, _):
    """Domains of a single crystal."""
    found = defects.segment_domains(case.image)
    return {"domains": found.attrs["n_domains"]}, found


def displacement(case, options):
    """Mean displacement of one sublattice of a perfect crystal against the other, in pixels.

    With a few hundred cells of few electrons, chance makes .01 to .03 px: what two standard errors explain is
    not false.
    """
    if case.lattice.displaced is None:
        return None
    center, neighbours, n = case.lattice.displaced
    found = _found(case, options)
    truth = case.truth[case.truth["scored"]]
    gap, row = cKDTree(truth[["x", "y"]].to_numpy()).query(found[["x", "y"]].to_numpy())
    right = gap < _NEAR * case.nearest
    known = found.assign(label=truth["label"].to_numpy()[row])[right]
    moved = crystallography.displacements(known, n_neighbors=n, center=center, neighbors=neighbours)
    mean, error = (float(np.hypot(*moved[["dx", "dy"]].agg(how))) for how in ("mean", "sem"))
    return {"displaced (px)": mean, "beyond chance (px)": max(0.0, mean - 2 * error)}, moved


# Function -> how it is scored, the column that decides, and the limits between which an answer is right
FUNCTIONS = {
    "find": (find, "F1", (0.90, 1.0)),
    "refine": (refine, "z", (0.67, 1.5)),
    "estimate(image)": (lattice_image, "right", (1, 1)),
    "estimate(columns)": (lattice_columns, "right", (1, 1)),
    "detect": (detect, "beyond chance", (0, 5)),
    "recall": (recall, "recall", (0.0, 1.0)),
    "domains": (domains, "domains", (1, 1)),
    "displacement": (displacement, "beyond chance (px)", (0, 0.03)),
}
QUICK = ("find", "refine", "estimate(image)", "estimate(columns)")


def scored(name, case, options):
    """One row: the scores of a function, whether it doubted, whether it was right, and its time."""
    score, decides, (low, high) = FUNCTIONS[name]
    began = time.process_time()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            answer = score(case, options)
        except Exception as problem:  # a refusal is an answer; a crash must not end a night's run
            answer = {"refusal": f"{type(problem).__name__}: {problem}"}, None
    if answer is None:
        return None
    row, result = answer
    doubts = getattr(result, "doubts", None) or getattr(result, "attrs", {}).get("doubts")
    about_image = [w for w in said if issubclass(w.category, UserWarning)]
    row["right answer"] = "refusal" not in row and low <= row[decides] <= high
    row["doubt"] = bool(about_image) or bool(doubts) or "refusal" in row
    row["said"] = "; ".join(map(str, doubts or [w.message for w in about_image]))
    return {"function": name, **row, "s": time.process_time() - began}


def measure(chosen):
    """One row a function, disturbance, lattice and seed."""
    options = {"model": chosen.model} if chosen.model else {}
    for disturbance in chosen.only:
        for name in chosen.lattice:
            for seed in range(chosen.seed, chosen.seed + chosen.seeds):
                about = {"disturbance": disturbance, "lattice": name, "seed": seed}
                cases = {}
                for function in chosen.function:
                    planted = function == "recall"
                    if planted not in cases:
                        cases[planted] = draw(
                            chosen.generator,
                            name,
                            disturbance,
                            strength=2 if chosen.strong else 1,
                            seed=seed,
                            planted=planted,
                        )
                    if row := scored(function, cases[planted], options):
                        yield {**about, **row}


def table(rows):
    """Means over lattices and seeds, one row a disturbance; the worst F1 too."""
    parts = []
    for name in FUNCTIONS:
        some = rows[rows["function"] == name]
        if some.empty:
            continue
        wanted = [c for c in SHOWN[name] if c in some]
        by = some.groupby("disturbance", sort=False)
        part = by[wanted].mean()
        if "F1" in wanted:
            part.insert(1, "worst F1", by["F1"].min())
        part["right"] = by["right answer"].mean()
        part["doubt"] = by["doubt"].mean()
        part["refused"] = by["refusal"].count() if "refusal" in some else 0
        parts.append(pd.concat({name: part}, axis=1))
    return pd.concat(parts, axis=1)


SHOWN = {
    "find": ("F1", "found / true", "feature size"),
    "refine": ("error (px)", "z", "no error (%)"),
    "estimate(image)": (),
    "estimate(columns)": (),
    "detect": ("alarms / nominal",),
    "recall": ("recall",),
    "domains": ("domains",),
    "displacement": ("displaced (px)", "beyond chance (px)"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=list(DISTURBANCES), choices=DISTURBANCES, metavar="NAME")
    parser.add_argument("--lattice", nargs="+", default=list(LATTICES), choices=LATTICES, metavar="NAME")
    parser.add_argument(
        "--function", nargs="+", choices=FUNCTIONS, metavar="NAME", help="of all, or those quick"
    )
    parser.add_argument("--generator", default="simulate", choices=("simulate", "plain"))
    parser.add_argument("--strong", action="store_true", help="twice as strong, quick functions")
    parser.add_argument("--seeds", type=int, default=1, help="images a row")
    parser.add_argument("--seed", type=int, default=70_000)
    parser.add_argument("--model", help="network for `find`")
    parser.add_argument("--rows", help="also write every row to this file")
    parser.add_argument(
        "--store", action="store_true", help=f"write the table to {STORED.name} or {STRONG.name}"
    )
    chosen = parser.parse_args()
    chosen.function = chosen.function or (QUICK if chosen.strong else list(FUNCTIONS))
    torch.set_num_threads(1)
    pd.options.display.width, pd.options.display.max_columns = 320, 60
    began, rows = time.process_time(), []
    with threadpool_limits(1):
        for row in measure(chosen):
            rows.append(row)
            print(*(v if isinstance(v, str) else round(float(v), 3) for v in row.values()), flush=True)
    rows = pd.DataFrame(rows)
    if chosen.rows:
        rows.to_csv(chosen.rows, index=False)
    means = table(rows).round(3)
    print(f"\n{chosen.generator}, {'strong' if chosen.strong else 'moderate'}, means over lattices and seeds")
    for name in dict.fromkeys(means.columns.get_level_values(0)):
        print(f"\n{name}\n{means[name].to_string()}")
    by = rows.groupby(["function", "right answer"], sort=False)["doubt"].agg(["mean", "size"]).round(3)
    print(f"\nhow often an answer carries a doubt\n{by.to_string()}")
    doubted = rows[rows["right answer"] & rows["doubt"]].groupby("disturbance", sort=False).size()
    print(f"\nright answers with a doubt, of {rows['right answer'].sum()}\n{doubted.to_string()}")
    silent = rows.loc[~rows["right answer"] & ~rows["doubt"], ["disturbance", "lattice", "seed", "function"]]
    print(f"\nwrong answers without one, of {(~rows['right answer']).sum()}\n{silent.to_string(index=False)}")
    if "refusal" in rows:
        print(f"\nrefusals\n{rows['refusal'].value_counts().to_string()}")
    if chosen.store:
        means.columns = [f"{name}: {column}" for name, column in means.columns]
        means.to_csv(STRONG if chosen.strong else STORED)
    print("\nbefore, as stored: F1 of find")
    print(pd.read_csv(BEFORE, index_col=0)["find: F1"].round(2).to_string())
    print(f"\n{len(rows)} answers, {time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    main()
