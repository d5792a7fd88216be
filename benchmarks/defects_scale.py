"""Claim: 512 x 512 pixels take less than 3 s end to end and 2048 x 2048 less than 30 s, within 1.5 GB.

SrTiO3 at 100 electrons in the weakest column and 20 pm a pixel, each case in a process of its own: wall time,
CPU time, and the largest memory of the process, interpreter and libraries included. Making the image and
importing the package are not counted in the times.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time

import pandas as pd

CASES = {
    "detect": {},
    "detect, window svm": {"scheme": "window", "detector": "svm"},
    "segment_domains": None,
}
PIXEL = 0.02  # nm


def measure(case, side):
    """Print times and memory of one case as JSON."""
    from atomlens import simulate
    from atomlens.defects import detect, segment_domains
    from atomlens.simulate import structures

    crystal = structures.perovskite((side * PIXEL,) * 2, rotation=12)
    image = simulate.image(crystal, pixel_size=PIXEL, electrons=100, random_state=60_000).data
    image = image.astype("float32").copy()
    before = peak()
    wall, cpu = time.perf_counter(), time.process_time()
    options = CASES[case]
    if options is None:
        segment_domains(image)
    else:
        detect(image, **options)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"wall (s)": wall, "CPU (s)": cpu, "memory (MB)": peak(), "before (MB)": before}))


def peak():
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 2048])
    parser.add_argument("--case", choices=CASES, help="only this one, in this process")
    chosen = parser.parse_args()
    if chosen.case:
        for side in chosen.sides:
            measure(chosen.case, side)
        return
    rows = []
    for side in chosen.sides:
        for case in CASES:
            command = [sys.executable, __file__, "--case", case, "--sides", str(side)]
            result = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append({"pixels": f"{side} x {side}", "what": case, **json.loads(result.stdout)})
            print(rows[-1], flush=True)
    print(pd.DataFrame(rows).round(1).to_string(index=False))
    print(f"{os.cpu_count()} cores; load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
