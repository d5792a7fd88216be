"""Claim: large images cost little time and bounded memory; AtomAI's own predictor, same weights, as the peer.

One thread, warm, imports excluded. The peer gets the image already standardised and at the trained scale,
and so does ours (its pixel size is chosen so that nothing has to be resampled). It is timed as AtomAI builds
it, and with the layout in memory (channels last) that we give to networks.
"""

import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from atomlens import columns, simulate
from atomlens.columns._prepare import standardise

torch.set_num_threads(1)


def lattice(side):
    """Noisy square lattice of `side` pixels whose feature size is the trained one."""
    field = 12.0
    structure = simulate.structures.perovskite((field, field))
    pixel = 0.026
    n = round(field / pixel)
    tile = simulate.image(structure, pixel_size=pixel, shape=(n, n), electrons=200).data.values
    return np.tile(tile, (-(-side // n),) * 2)[:side, :side]


def seconds(call):
    """CPU time of the faster of two calls: on one thread, the time it takes on a machine that is free."""
    best = np.inf
    for _ in range(2):
        began = time.process_time()
        call()
        best = min(best, time.process_time() - began)
    return best


def high_water():
    """Largest memory that this process has held, in MB."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    # ru_maxrss would count what the parent held when it forked
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def peak(side):
    """Find columns in a fresh process and print its peak memory in MB, before and after."""
    picture = lattice(side)
    columns.find(picture[:256, :256], refine=False)
    before = high_water()
    began = time.process_time()
    found = columns.find(picture, refine=False)
    took = time.process_time() - began
    after = high_water()
    print(
        f"{side} x {side}: {len(found)} columns in {took:.1f} s, peak {after:.0f} MB (idle {before:.0f} MB)"
    )


def main():
    """Print the tables."""
    general = columns.load_model("general")
    small = lattice(512)
    size = columns.find(small, refine=False).attrs["feature_size"]
    print(f"feature size of the test image: {size:.2f} px, trained: {general.spec.feature_size}")
    print(f"512 x 512: find(refine=False) {seconds(lambda: columns.find(small, refine=False)):.2f} s")
    large = lattice(2048)
    ours = seconds(lambda: columns.find(large, refine=False, feature_size=general.spec.feature_size))
    prepared = standardise(large)
    peer = columns.segmentor("Unet", 1, general.spec.filters)
    peer.net.load_state_dict(general.net.state_dict())
    print(f"2048 x 2048: find(refine=False) {ours:.2f} s")
    for name, network in (("as it comes", peer), ("channels last", general.segmentor)):
        with columns.quiet():
            theirs = seconds(lambda network=network: network.predict(prepared, norm=False))
        print(f"  AtomAI's predictor, {name}: {theirs:.2f} s, ratio {theirs / ours:.1f}")
    subprocess.run([sys.executable, __file__, "4096"], check=True)


if __name__ == "__main__":
    peak(int(sys.argv[1])) if len(sys.argv) > 1 else main()
