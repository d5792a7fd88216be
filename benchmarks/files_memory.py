"""Claim: a 10 GB spectrum image in small tiles, as HyperSpy writes it, is read and clustered in under 1.5 GB.

The file holds the same two compressed tiles again and again, so that it is small on disk and large in memory.
A process of its own reads it with `io.read` (lazily, which is the default for large files), clusters it, and
says how much memory it held at most. `--gigabytes` takes another size: the peak should not grow with it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import h5py
import numpy as np

TILE, CHANNELS, WIDTH = 16, 2048, 1024
FORM = "f4"


def write(path, gigabytes):
    """An hspy file in tiles of 16 x 16 spectra, left and right of one kind each; returns its shape."""
    rng = np.random.default_rng(0)
    expected = np.exp(-np.arange(CHANNELS) / 600)
    tiles = []
    for kind in range(2):
        peak = 1.5 * np.exp(-(((np.arange(CHANNELS) - 500 - 700 * kind) / 60) ** 2))
        counts = rng.poisson(1.5 * (expected + peak), (TILE, TILE, CHANNELS)).astype(FORM)
        tiles.append(zlib.compress(counts.tobytes(), 1))
    rows = int(gigabytes * 1e9 / (WIDTH * CHANNELS * 4) / TILE) * TILE
    shape = (rows, WIDTH, CHANNELS)
    with h5py.File(path, "w") as file:
        file.attrs.update(file_format="HyperSpy", file_format_version="3.1")
        group = file.create_group("Experiments/tiles")
        data = group.create_dataset(
            "data", shape, FORM, chunks=(TILE, TILE, CHANNELS), compression="gzip", compression_opts=1
        )
        for y in range(0, rows, TILE):
            for x in range(0, WIDTH, TILE):
                data.id.write_direct_chunk((y, x, 0), tiles[int(x >= WIDTH // 2)])
        names = (("y", "nm", True), ("x", "nm", True), ("Energy loss", "eV", False))
        for i, (name, units, navigate) in enumerate(names):
            group.create_group(f"axis-{i}").attrs.update(
                _type="UniformDataAxis", name=name, units=units, scale=0.5, offset=0.0, size=shape[i],
                navigate=navigate,
            )  # fmt: skip
        group.create_group("metadata/General").attrs["title"] = "tiles"
        group.create_group("metadata/Signal")
        group.create_group("original_metadata")
    return shape


def child(path):
    """Read and cluster, and say what that took."""
    import resource

    from atomlens import io, metrics, spectra

    began = time.perf_counter()
    si = io.read(path)
    read = time.perf_counter() - began
    result = spectra.cluster(si, 2, progress=False)
    right = np.arange(si.sizes["x"]) >= si.sizes["x"] // 2
    truth = np.broadcast_to(right.astype(int), result.labels.shape)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)
    said = {
        "read s": read,
        "all s": time.perf_counter() - began,
        "peak GB": peak,
        "ARI": metrics.adjusted_rand_index(result.labels, truth),
    }
    print(json.dumps(said))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen.child)
        return
    print("GB in memory  GB on disk  read s  all s  peak GB  ARI")
    for gigabytes in chosen.gigabytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "tiles.hspy")
            shape = write(path, gigabytes)
            run = [sys.executable, __file__, "--child", str(path)]
            said = json.loads(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
            size = path.stat().st_size / 1e9
        numbers = [4 * np.prod(shape, dtype=float) / 1e9, size, *said.values()]
        print("  ".join(f"{n:.3g}" for n in numbers), flush=True)


if __name__ == "__main__":
    main()
