"""Columns found by the general model and by what people use: trackpy, atomap, AtomAI's own predictor.

Every lattice and dose of `columns_find`, at one pixel size. For each image an oracle, who knows the truth,
chooses the settings of the classical programs: trackpy's diameter and lowest mass, atomap's separation.
AtomAI's predictor has the weights of the general model, and gets the image once as it is and once at the
scale on which they were trained. atomap may live elsewhere: name that Python in ATOMAP_PYTHON.
"""

import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from columns_find import DOSES, SEED, SIZE, lattices, scene

from atomlens import columns, metrics
from atomlens._resample import resample
from atomlens.simulate import structures

torch.set_num_threads(1)
PIXEL = 0.016  # nm
DIAMETERS = (5, 7, 9, 11, 15)  # pixels
SEPARATIONS = (0.4, 0.6, 0.8)  # of the closest distance

ATOMAP = """
import json, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
import atomap.api
import hyperspy.api as hs
data = np.load(sys.argv[1])
found = {}
for name in data.files:
    number, separation = name.split(" ")
    signal = hs.signals.Signal2D(data[name].astype(float))
    at = atomap.api.get_atom_positions(signal, int(separation))
    found[name] = np.asarray(at).reshape(-1, 2).tolist()
print("RESULT" + json.dumps(found))
"""


def images():
    """Name, dose, sample and closest distance in pixels of every image."""
    for i, name in enumerate(lattices(0.0)):
        for j, dose in enumerate(DOSES):
            seed = SEED + 50_000 + 100 * i + 10 * j
            structure = lattices(float(np.random.default_rng(seed).uniform(0, 90)))[name]
            yield name, dose, *scene(structure, dose, PIXEL, seed)


def f1(points, sample, nearest):
    """F1 of positions (n, 2)."""
    scoring = {"tolerance": 0.4 * nearest, "border": 0.4 * nearest, "shape": sample.data.shape}
    return metrics.match(np.reshape(points, (-1, 2)), sample.truth, **scoring).f1


def with_trackpy(sample, nearest):
    """Best F1 over diameters and lowest masses."""
    import trackpy

    best = 0.0
    for diameter in DIAMETERS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = trackpy.locate(sample.data.to_numpy(), diameter, separation=0.6 * nearest)
        found = found.sort_values("mass", ascending=False)[["x", "y"]].to_numpy()
        for fraction in np.linspace(0.1, 1, 19):
            best = max(best, f1(found[: int(fraction * len(found))], sample, nearest))
    return best


def with_atomai(network, sample, nearest, zoom):
    """F1 of AtomAI's own predictor after the image was brought to another size."""
    pixels = sample.data.to_numpy().astype(float)
    shape = tuple(max(32, round(n * zoom)) for n in pixels.shape)
    with columns.quiet():
        _, coordinates = network.predict(resample(pixels, shape))
    at = (coordinates[0][:, [1, 0]] + 0.5) * np.array(pixels.shape[::-1]) / shape[::-1] - 0.5
    return f1(at, sample, nearest)


def with_atomap(samples):
    """Best F1 over separations for every image, or why there is none."""
    arrays = {
        f"{i} {max(1, round(s * nearest))}": sample.data.to_numpy()
        for i, (*_, sample, nearest) in enumerate(samples)
        for s in SEPARATIONS
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npz"
        np.savez(path, **arrays)
        python = os.environ.get("ATOMAP_PYTHON", sys.executable)
        done = subprocess.run([python, "-c", ATOMAP, path], capture_output=True, text=True, check=False)
    result = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if not result:
        print(f"atomap is skipped: {(done.stderr.strip() or 'no answer').splitlines()[-1]}")
        return [np.nan] * len(samples)
    best = [0.0] * len(samples)
    for name, at in json.loads(result[0].removeprefix("RESULT")).items():
        i = int(name.split(" ")[0])
        best[i] = max(best[i], f1(at, *samples[i][2:]))
    return best


def main():
    """Print mean F1 by dose for every program."""
    samples = list(images())
    general = columns.load_model("general")
    network = columns.segmentor("Unet", 1, general.spec.filters)
    network.net.load_state_dict(general.net.state_dict())
    columns.find(scene(structures.graphene(SIZE), 100, 0.02, 1)[0].data, refine=False)  # warm
    rows = []
    for name, dose, sample, nearest in samples:
        found = columns.find(sample.data, refine=False)
        zoom = general.spec.feature_size / found.attrs["feature_size"]
        scoring = {"tolerance": 0.4 * nearest, "border": 0.4 * nearest}
        rows.append(
            {
                "lattice": name,
                "electrons": dose,
                "atomlens": f1(found[["x", "y"]].to_numpy(), sample, nearest),
                "our peaks, oracle": columns.best_peaks(sample.data, sample.truth, **scoring).attrs["f1"],
                "trackpy, oracle": with_trackpy(sample, nearest),
                "AtomAI's predictor": with_atomai(network, sample, nearest, 1.0),
                "the same, at our scale": with_atomai(network, sample, nearest, zoom),
            }
        )
    table = pd.DataFrame(rows)
    table["atomap, oracle"] = with_atomap(samples)
    pd.options.display.width, pd.options.display.max_columns = 200, 12
    print(f"mean F1, {len(table)} images")
    print(table.drop(columns="lattice").groupby("electrons").mean().round(4).T)


if __name__ == "__main__":
    main()
