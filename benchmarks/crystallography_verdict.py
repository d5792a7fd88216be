"""Claim: the verdict and the number of variants are right, and false alarms are as rare as they should be.

Random samples: none to four polar variants displaced by 20 to 30 pm, with or without an undisplaced phase and
a lattice-doubled one, 24 to 49 cells across, the faults of `_crystals.planted`, clustered into the right
number of labels or one or two too many. Right: every phase with its kind and its number of variants, nothing
else. Then samples without any displacement, clustered into one to five labels: P(p <= alpha) must not exceed
alpha by more than two standard errors; nor where scan lines jump (by 1 to 6 pm, alone or in groups), nor for
MoS2 in 3m. Beside it the test that suggests itself, a permutation of the labels over the atoms.
"""

import warnings

import numpy as np
import pandas as pd
from _crystals import NOISE, planted
from scipy.signal import lfilter

from atomlens import simulate
from atomlens.crystallography import LocalCrystallography, choose_n_clusters

SEEDS = range(8000, 8100)
NULL = range(9000, 9600)


def random_sample(seed):
    rng = np.random.default_rng(seed)
    polar = int(rng.integers(0, 5))
    undisplaced = polar == 0 or rng.random() < 0.5
    doubled = rng.random() < 0.3
    variants = tuple(rng.choice([0, 90, 180, 270], polar, replace=False).tolist())
    variants += (None,) * undisplaced + ((45, "alternating"),) * doubled
    table, truth = planted(variants, rng.uniform(20, 30), seed, size=0.4 * rng.integers(24, 50))
    # Random domains may leave a variant out of the field: what counts is what is there.
    there = truth[truth.interior].groupby("domain").size()
    present = [variants[d] for d in there[there >= 20].index]
    polar = sum(isinstance(v, int) for v in present)
    wanted = [("ferroic", polar)] * (polar > 0) + [("non-ferroic", 1)] * (None in present)
    wanted += [("lattice-doubled", 1)] * any(isinstance(v, tuple) for v in present)
    labels = len(present) + any(isinstance(v, tuple) for v in present)
    return table, labels, sorted(wanted)


def judged(table, k):
    verdict = LocalCrystallography(n_clusters=k, center="Ti", neighbors="Pb").fit(table).verdict_
    return sorted(zip(verdict["kind"], verdict["n_variants"], strict=True))


def permutation_p(table, k, seed):
    """How often shuffled labels close as well under a half turn as these do."""
    model = LocalCrystallography(n_clusters=k, center="Ti", neighbors="Pb", point_group="2").fit(table)
    labels, turned = model.labels_, model.replica_labels_[1]
    both = (labels >= 0) & (turned >= 0)
    labels, turned = labels[both], turned[both]

    def closure(some):
        counts = np.zeros((k, k))
        np.add.at(counts, (some, turned), 1)
        return counts.max(axis=1).sum() / len(some)

    rng = np.random.default_rng(seed)
    shuffled = [closure(rng.permutation(labels)) for _ in range(199)]
    return (1 + np.sum(np.array(shuffled) >= closure(labels))) / 200


warnings.simplefilter("error")
right = {extra: [] for extra in (0, 1, 2)}
recommended = []
for seed in SEEDS:
    table, k, wanted = random_sample(seed)
    for extra, hits in right.items():
        hits.append(judged(table, k + extra) == wanted)
    if seed % 4 == 0:
        settings = LocalCrystallography(center="Ti", neighbors="Pb")
        recommended.append(choose_n_clusters(table, range(1, k + 3), estimator=settings).recommended == k)
print(f"{len(SEEDS)} random samples, verdict and number of variants right:")
for extra, hits in right.items():
    print(f"  {extra} labels too many: {np.mean(hits):.2f}")
print(f"  recommended number of labels right: {np.mean(recommended):.2f} of {len(recommended)}")

rows = []
for k in range(1, 6):
    p, naive = [], []
    for seed in NULL[k - 1 :: 5]:
        table, _ = planted((None,), 0.0, seed, size=8.0 + 0.8 * (seed % 10))
        verdict = LocalCrystallography(n_clusters=k, center="Ti", neighbors="Pb").fit(table).verdict_
        p.append(verdict["p_value"].min())
        naive.append(permutation_p(table, k, seed) if k > 1 and seed % 3 == 0 else np.nan)
    p, naive = np.array(p), np.array(naive)[~np.isnan(naive)]
    row = {"labels": k, "samples": len(p)}
    for alpha in (0.01, 0.05):
        row[f"P(p <= {alpha})"] = round(np.mean(p <= alpha), 4)
        row[f"allowed at {alpha}"] = round(alpha + 2 * np.sqrt(alpha * (1 - alpha) / len(p)), 4)
    row["permutation test, P(p <= 0.05)"] = round(np.mean(naive <= 0.05), 2) if naive.size else np.nan
    rows.append(row)
print("\nwithout any displacement:")
print(pd.DataFrame(rows).to_string(index=False))


def jumping(amplitude, memory, seed):
    """Displacements along x, in nm, of scan lines 20 pm apart that are correlated from one to the next."""
    rng = np.random.default_rng(seed)
    lines = lfilter([np.sqrt(1 - memory**2)], [1, -memory], rng.normal(0, amplitude, 1000))

    def scan(x, y):
        return lines[(y / 0.02).astype(int).clip(0, len(lines) - 1)], np.zeros_like(y)

    return scan


PLAIN = simulate.structures.perovskite((12, 12), formula="PbTiO3", a=0.4)
SHEET = simulate.structures.transition_metal_dichalcogenide("MoS2", (8, 8))
CASES = {
    f"lines jump by {pm} pm, correlation {memory}": (PLAIN, {"center": "Ti", "neighbors": "Pb"}, pm, memory)
    for pm, memory in ((1, 0.9), (3, 0.9), (6, 0.0), (6, 0.98))
} | {
    "MoS2, 3m": (
        SHEET,
        {"n_neighbors": 3, "point_group": "3m", "mirror": (1, 2), "center": "Mo", "neighbors": "S2"},
        0,
        0.0,
    )
}
rows = []
for name, (structure, settings, pm, memory) in CASES.items():
    p = []
    for seed in range(9600, 9900):
        scan = jumping(pm / 1000, memory, seed)
        sample = simulate.column_positions(structure, noise=NOISE, distortion=scan, random_state=seed)
        model = LocalCrystallography(n_clusters=1, **settings).fit(sample.data)
        p.append(model.verdict_["p_value"][0])
    p = np.array(p)
    shares = {f"P(p <= {alpha})": round(np.mean(p <= alpha), 4) for alpha in (0.01, 0.05)}
    rows.append({"without any displacement": name, "samples": len(p), **shares})
print()
print(pd.DataFrame(rows).to_string(index=False))
