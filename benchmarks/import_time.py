"""How long `import atomlens` takes in a fresh interpreter, and what it loads: under 0.5 s, and no torch."""

import json
import statistics
import subprocess
import sys

PEERS = ("atomlens", "numpy", "xarray", "sklearn.cluster", "matplotlib.pyplot")
CODE = """
import json, sys, time
start = time.perf_counter()
import {module}
print(json.dumps([time.perf_counter() - start, len(sys.modules), "torch" in sys.modules]))
"""


def measure(module, repeats=7):
    """Median time in ms (files in the disk's cache), number of modules, whether torch is among them."""
    runs = [
        json.loads(
            subprocess.run([sys.executable, "-c", CODE.format(module=module)], stdout=-1, check=True).stdout
        )
        for _ in range(repeats + 1)
    ][1:]
    return statistics.median(1000 * seconds for seconds, _, _ in runs), *runs[0][1:]


if __name__ == "__main__":
    print(f"{'import':<20}{'ms':>8}{'modules':>10}{'torch':>8}")
    for module in PEERS:
        milliseconds, modules, torch = measure(module)
        print(f"{module:<20}{milliseconds:>8.1f}{modules:>10}{'yes' if torch else 'no':>8}")
