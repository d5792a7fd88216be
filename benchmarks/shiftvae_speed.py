"""Claim: the canonical decoder is 20 times faster than pyroVED, and the coordinate decoder as good a model.

2000 crops of 24 pixels, shifted by up to 3, of three kinds, noise a tenth of the range; every program in the
same run, on one thread. CPU time of an epoch, and to an adjusted Rand index of .99 (three Gaussians fitted to
the content): for ours the whole of the shortest `fit` that reaches it, start included; for the peers the
epochs until the first one after which it is reached, and nothing else. Wanted: both 20 times less than
pyroVED's (medians over seeds). Then the evidence lower bound of 2000 crops that nobody has seen, by the same
formula with the same noise: wanted from the coordinate decoder after as many epochs what pyroVED reaches at
its best, or more.

pyroVED has the two best settings of those tried with the first seed: one was quickest to .99, one had the
highest bound. With neither does it stay at .99, and not every seed gets there (inf). AtomAI's rVAE turns
crops besides.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _shiftvae import NOISE, SHIFT_SCALE, Atomai, Pyroved, ari, cells, sample, shift_error

from atomlens.shiftvae import ShiftVAE

ENOUGH = 0.99  # adjusted Rand index
EPOCHS, EPOCHS_ATOMAI = 30, 15  # at most
LADDER = (1, 2, 3, 5, 8, 12, 20, EPOCHS)  # max_epochs of ours, the next one if the last was not enough
OURS = {"canonical": {}, "coordinate": {"decoder": "coordinate", "decoder_units": 64}}
# Tried: priors .15 and .3, rates .001, .003 and .005, with the sigmoid and without.
QUICKEST, BEST_BOUND = "pyroVED, quickest", "pyroVED, best bound"
PYROVED = {QUICKEST: {"prior": 0.15, "rate": 5e-3}, BEST_BOUND: {"prior": 0.3, "rate": 5e-3}}
ATOMAI = {"units": 64, "rate": 1e-3}
TIMES = 20
RESULTS = Path(__file__).resolve().parent.parent / "data/results"
CLOUDS, CLOUD = ("canonical", "pyroVED, quickest", "AtomAI rVAE"), 300  # programs and crops that are stored


def fitted(crops, epochs, seed, options):
    """Model and CPU seconds."""
    begin = time.process_time()
    model = ShiftVAE(
        2,
        shift_scale=SHIFT_SCALE,
        noise_sd=NOISE,
        max_epochs=epochs,
        progress=False,
        random_state=seed,
        **options,
    ).fit(crops)
    return model, time.process_time() - begin


def ours(name, seed):
    crops, kinds, shifts = cells(seed)
    runs, reached = {}, None
    for epochs in LADDER:
        if reached is not None and epochs < EPOCHS:
            continue
        model, cpu = fitted(crops, epochs, seed, OURS[name])
        runs[len(model.history_)] = cpu
        if reached is None and ari(model.transform(crops), kinds) >= ENOUGH:
            reached = epochs, cpu
    few, many = min(runs), max(runs)
    row = {
        "epoch (CPU s)": (runs[many] - runs[few]) / (many - few),
        **_reached(reached),
        **_at_the_end(model, crops, kinds, shifts),
        "held-out bound": model.score(cells(seed + 1000)[0]),
    }
    return row, model.transform(crops)


def pyroved(name, seed):
    crops, kinds, shifts = cells(seed)
    unseen, bound = cells(seed + 1000)[0], -np.inf
    model, reached = Pyroved(crops, seed=seed, **PYROVED[name]), None
    for epoch in range(1, EPOCHS + 1):
        model.epoch()
        bound = max(bound, model.score(unseen))
        if reached is None and ari(model.transform(crops), kinds) >= ENOUGH:
            reached = epoch, model.cpu_s
    row = {
        "epoch (CPU s)": model.cpu_s / model.epochs,
        **_reached(reached),
        **_at_the_end(model, crops, kinds, shifts),
        "held-out bound": bound,
    }
    return row, model.transform(crops)


def atomai(seed):
    crops, kinds, shifts = cells(seed)
    model, reached = Atomai(crops, seed=seed, **ATOMAI), []

    def watch():
        if not reached and ari(model.transform(crops), kinds) >= ENOUGH:
            reached.extend([model.epochs, model.cpu_s])

    model.fit(EPOCHS_ATOMAI, watch)
    row = {
        "epoch (CPU s)": model.cpu_s / model.epochs,
        **_reached(reached or None),
        **_at_the_end(model, crops, kinds, shifts),
        "held-out bound": np.nan,  # it has another model, with a rotation
    }
    return row, model.transform(crops)


def _reached(reached):
    epochs, cpu = reached or (np.inf, np.inf)
    return {"epochs to .99": epochs, "to .99 (CPU s)": cpu}


def _at_the_end(model, crops, kinds, shifts):
    return {
        "ARI at the end": ari(model.transform(crops), kinds),
        "error (px)": shift_error(model.shifts(crops), shifts),
    }


PROGRAMS = {
    "canonical": lambda seed: ours("canonical", seed),
    "coordinate": lambda seed: ours("coordinate", seed),
    QUICKEST: lambda seed: pyroved(QUICKEST, seed),
    BEST_BOUND: lambda seed: pyroved(BEST_BOUND, seed),
    "AtomAI rVAE": atomai,
}


def medians(rows):
    """Medians over seeds, and how many times less CPU time than the better of pyroVED's settings."""
    table = pd.DataFrame(rows).groupby("program", sort=False).median().drop(columns="seed")
    peer = table.loc[[*PYROVED]]
    table.insert(1, "epoch: times less", peer["epoch (CPU s)"].min() / table["epoch (CPU s)"])
    table.insert(4, "to .99: times less", peer["to .99 (CPU s)"].min() / table["to .99 (CPU s)"])
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--store", action="store_true", help="write what lesson 06 shows")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # a model that says it failed is seen to fail in the table
    fitted(cells(0)[0], 1, 0, OURS["canonical"])  # warm
    rows, clouds, planted = [], [], sample(0).truth
    for seed in range(chosen.seeds):
        for name, program in PROGRAMS.items():
            row, content = program(seed)
            rows.append({"program": name, "seed": seed, **row})
            print(rows[-1], flush=True)
            if seed == 0 and name in CLOUDS:
                cloud = pd.DataFrame(content[:CLOUD], columns=["z1", "z2"]).round(3)
                clouds.append(cloud.assign(program=name, kind=planted.kind[:CLOUD]))
    table = medians(rows)
    if chosen.store:
        # Bounds are for the benchmark alone.
        table.drop(columns="held-out bound").round(2).to_csv(RESULTS / "shiftvae_speed.csv")
        pd.concat(clouds).set_index("program").to_csv(RESULTS / "shiftvae_clouds.csv")
    peer = table.loc[[*PYROVED]]
    print(f"\nmedians of {chosen.seeds} seeds\n{table.T.to_string(float_format='{:.3f}'.format)}\n")
    fast = table.loc["canonical"]
    better = table.loc["coordinate", "held-out bound"] - peer["held-out bound"].max()
    claims = [
        ("CPU time of an epoch, times less", f">= {TIMES}", fast["epoch: times less"]),
        ("CPU time to ARI .99, times less", f">= {TIMES}", fast["to .99: times less"]),
        ("coordinate: held-out bound above pyroVED's (nats a crop)", ">= 0", better),
    ]
    columns = ["what", "wanted", "reached"]
    print(pd.DataFrame(claims, columns=columns).set_index("what").round(1).to_string())


if __name__ == "__main__":
    main()
