"""Claim: an epoch over 100,000 crops of 32 pixels takes less than 20 s on two cores, within 1.5 GB.

Once as an array of crops (float32, .41 GB by itself), once as windows of one image at every pixel, which are
views. Each case in a process of its own: wall time of an epoch, of all else that `fit` does, and of
`transform`, and CPU time of `fit`, which tells of cores shared with others; the largest memory of the
process, interpreter, libraries and data included. Making the data is not counted in the times.
"""

import json
import os
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd

CROPS, SIZE = 100_000, 32
EPOCHS = 2
SECONDS, MEMORY = 20, 1.5  # at most, in s and GB


def array():
    """Crops made a few at a time, for the simulator works in double precision."""
    from atomlens import simulate

    values = np.empty((CROPS, SIZE, SIZE), np.float32)
    for seed, start in enumerate(range(0, CROPS, 2000)):
        some = values[start : start + 2000]
        some[:] = simulate.shifted.cells(len(some), size=SIZE, random_state=seed).data
    return values, 0.15


def windows():
    """Windows of SrTiO3, 100 electrons in the weakest column, at every pixel."""
    from atomlens import simulate
    from atomlens.simulate import structures
    from atomlens.windows import sliding_windows

    side = int(np.ceil(np.sqrt(CROPS))) + SIZE - 1
    crystal = structures.perovskite((side * 0.02,) * 2, rotation=12)
    image = simulate.image(crystal, pixel_size=0.02, electrons=100, random_state=0).data
    return sliding_windows(image.to_numpy().astype(np.float32)[:side, :side], SIZE), 0.37


CASES = {"array": array, "windows": windows}


def peak():
    """Largest memory of this process, in GB."""
    scale = 1e9 if sys.platform == "darwin" else 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def measure(case):
    """Print times and memory of one case as JSON."""
    from atomlens.shiftvae import ShiftVAE

    values, shift_scale = CASES[case]()
    before, begin, cpu = peak(), time.perf_counter(), time.process_time()
    model = ShiftVAE(2, shift_scale=shift_scale, max_epochs=EPOCHS, progress=False).fit(values)
    fitted, cpu = time.perf_counter(), time.process_time() - cpu
    training = float(model.history_.seconds.iloc[-1])
    content = model.transform(values)
    row = {
        "crops": len(content),
        "epoch (s)": training / EPOCHS,
        "rest of fit (s)": fitted - begin - training,
        "fit (CPU s)": cpu,
        "transform (s)": time.perf_counter() - fitted,
        "with data (GB)": before,
        "peak (GB)": peak(),
    }
    print(json.dumps(row))


def main():
    rows = {}
    for case in CASES:
        run = [sys.executable, __file__, case]
        rows[case] = json.loads(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
    rows["wanted"] = {"epoch (s)": f"< {SECONDS}", "peak (GB)": f"< {MEMORY}"}
    table = pd.DataFrame(rows).T.reindex(columns=rows["array"])
    print(table.to_string(float_format="{:.2f}".format, na_rep=""))
    print(f"{os.cpu_count()} cores; load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        measure(sys.argv[1])
    else:
        main()
