"""Claim: a 1 GB spectrum image on disk is clustered in under 60 s and 1.5 GB on two cores.

Writes 512 x 512 x 1024 float32 to a temporary folder, then reads, preprocesses, decomposes and clusters
it in a process of its own, whose peak memory is the largest it ever held. The peer in the same run is
the same pipeline on the array loaded whole.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import zarr

from atomlens import simulate

TILES, TILE, CHANNELS, PHASES = 4, 128, 1024, 4


def write(folder):
    """One simulated tile, repeated: what counts here is the size."""
    sample = simulate.spectra.eels(
        PHASES, shape=(TILE, TILE), n_channels=CHANNELS, counts=2e4, random_state=0
    )
    side = TILES * TILE
    store = zarr.open(
        str(folder / "data.zarr"),
        mode="w",
        shape=(side, side, CHANNELS),
        chunks=(32, TILE, CHANNELS),
        dtype="f4",
    )
    for i in range(TILES):
        for j in range(TILES):
            store[i * TILE : (i + 1) * TILE, j * TILE : (j + 1) * TILE] = sample.data.values
    np.save(folder / "truth.npy", np.tile(sample.truth.labels.values, (TILES, TILES)))


def child(folder, lazy):
    import resource

    import dask.array as da
    import xarray as xr

    from atomlens import metrics, spectra

    start = time.perf_counter()
    array = da.from_zarr(str(folder / "data.zarr"))
    si = xr.DataArray(array if lazy else array.compute(), dims=("y", "x", "energy"))
    result = spectra.cluster(si, PHASES, progress=False)
    seconds = time.perf_counter() - start
    ari = metrics.adjusted_rand_index(result.labels, np.load(folder / "truth.npy"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_gb = peak / (1e9 if sys.platform == "darwin" else 1e6)
    print(json.dumps({"seconds": seconds, "peak GB": peak_gb, "ARI": ari}))


def main():
    with tempfile.TemporaryDirectory() as name:
        write(Path(name))
        rows = {}
        for label, flag in (("streamed (Dask)", "lazy"), ("loaded whole", "whole")):
            run = [sys.executable, __file__, name, flag]
            rows[label] = json.loads(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
    side = TILES * TILE
    print(f"{side} x {side} x {CHANNELS} float32 on disk, {side**2 * CHANNELS * 4 / 1e9:.2f} GB")
    print(pd.DataFrame(rows).T.round(2).to_string())


if __name__ == "__main__":
    if len(sys.argv) == 3:
        child(Path(sys.argv[1]), lazy=sys.argv[2] == "lazy")
    else:
        main()
