"""Claim: every lesson runs in under 90 s (full) and 20 s (fast), under 1.2 GB, and stores at most 3 MB.

A figure takes at most 400 KB of it. Each notebook runs in a kernel of its own with both budgets. The stored
outputs are those in the checkout.
"""

import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "notebooks"))

import build


def main():
    rows = {}
    for source in [*build.lessons(), *build.solutions()]:
        row = {}
        for budget in ("full", "fast"):
            run = build.execute(source, budget=budget)
            row |= {f"{budget} (s)": run.seconds, f"{budget} peak (MB)": run.peak_mb}
        rows[source.stem] = row
    print(pd.DataFrame(rows).T.round(1).to_string())


if __name__ == "__main__":
    main()
