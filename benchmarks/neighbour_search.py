"""Claim: neighbours ordered by lattice vector, at the cost of a few bare searches by distance.

20,000 columns of one sublattice with 2 % vacancies and noise, the vectors to the 4 nearest of each: on the
same table, in one run, on one thread, in CPU time. atomap searches for neighbours without order, and its zone
axes give an order. AtomAI has a search by distance (a bare tree: no order, no sublattices, and in the place
of a neighbour that is missing the next one), and a graph of bonded atoms. No peer does quite the same.
"right" is the share of the columns for which exactly the planted neighbours were returned, in any order. Then
one million columns on two sublattices with all cores, and the peak of the memory. atomap may live
elsewhere: name that Python in ATOMAP_PYTHON.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from atomlens import lattice
from atomlens.columns import import_atomai

SIDE = 143  # 20,449 places
SPACING = 20.0
REPEATS = 7

ATOMAP = """
import json, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
import atomap.api
from atomap.sublattice import Sublattice
xy = np.load(sys.argv[1])
sublattice = Sublattice(xy, image=np.zeros((16, 16)))
row = {id(atom): n for n, atom in enumerate(sublattice.atom_list)}
begin = time.process_time()
sublattice.find_nearest_neighbors(nearest_neighbors=5)  # the atom itself is one
search = time.process_time() - begin
near = [
    [row[id(other)] for other in atom.nearest_neighbor_list if other is not None]
    for atom in sublattice.atom_list
]
begin = time.process_time()
sublattice.construct_zone_axes()
axes = time.process_time() - begin
print("RESULT" + json.dumps([search, axes, near]))
"""


def planted(side):
    """Positions, and for each the rows of the neighbours that are there, -1 for others."""
    rng = np.random.default_rng(0)
    there = rng.random((side, side)) >= 0.02
    i, j = np.nonzero(there)
    row = np.full((side + 2, side + 2), -1)
    row[i + 1, j + 1] = np.arange(len(i))
    near = np.column_stack([row[i + 1 + di, j + 1 + dj] for di, dj in ((1, 0), (0, 1), (-1, 0), (0, -1))])
    return np.column_stack([i, j]) * SPACING + rng.normal(0, 0.2, (len(i), 2)), near


def exactly(found, near):
    """Share of the columns with the planted neighbours, whatever their order."""
    wanted = [sorted(n for n in row if n >= 0) for row in near]
    return np.mean([sorted(n for n in f if n >= 0) == w for f, w in zip(found, wanted, strict=True)])


def timed(work):
    seconds, result = [], None
    for _ in range(REPEATS):
        begin = time.process_time()
        result = work()
        seconds.append(time.process_time() - begin)
    return np.median(seconds), result


def with_atomap(xy):
    """Seconds of both steps and the neighbours, from atomap in its own interpreter, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "xy.npy"
        np.save(path, xy)
        command = [os.environ.get("ATOMAP_PYTHON", sys.executable), "-c", ATOMAP, path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    result = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if not result:
        return None, None, (done.stderr.strip() or "no answer").splitlines()[-1]
    return json.loads(result[0].removeprefix("RESULT"))


def compare(side):
    xy, near = planted(side)
    rows = []

    def add(program, seconds, found, order):
        share = np.nan if found is None else 100 * exactly(found, near)
        rows.append({"program": program, "CPU seconds": seconds, "right (%)": share, "order": order})

    known = lattice.estimate(xy)
    seconds, hoods = timed(lambda: lattice.neighbour_vectors(xy))
    add("atomlens, lattice estimated", seconds, hoods.neighbours, "by lattice vector")
    seconds, hoods = timed(lambda: lattice.neighbour_vectors(xy, known))
    add("atomlens, lattice given", seconds, hoods.neighbours, "by lattice vector")

    import_atomai()
    from atomai.utils.coords import get_nn_distances_
    from atomai.utils.graphx import Graph

    # It returns positions of the neighbours; the third column carries their rows through.
    table = np.column_stack([xy, np.arange(len(xy))])
    seconds, (_, found) = timed(lambda: get_nn_distances_(table, nn=4))
    add("AtomAI, get_nn_distances_", seconds, found[:, 1:, 2].astype(int), "by distance")
    # In angstroms: carbon is bonded up to 1.2 times twice its covalent radius.
    graph = Graph(np.column_stack([xy / SPACING * 1.5, np.zeros((len(xy), 2))]), {0.0: "C"})
    begin = time.process_time()
    graph.find_neighbors()
    seconds = time.process_time() - begin
    add(
        "AtomAI, Graph.find_neighbors", seconds, [[n.id for n in v.neighbors] for v in graph.vertices], "none"
    )

    search, more, found = with_atomap(xy)
    if search is None:
        print(f"\natomap is skipped: {found}. Name a Python that has it in ATOMAP_PYTHON.")
    else:
        add("atomap, find_nearest_neighbors", search, found, "by distance")
        add("atomap, and construct_zone_axes", search + more, None, "by zone axis")
    table = pd.DataFrame(rows).set_index("program")
    for ours in ("estimated", "given"):
        table[f"times {ours}"] = table["CPU seconds"] / table["CPU seconds"][f"atomlens, lattice {ours}"]
    print(f"\n{len(xy):,} columns, 4 neighbours each; ours and the bare tree are medians of {REPEATS} runs")
    print(table.round(3).to_string(), flush=True)


def million():
    n = 714
    rng = np.random.default_rng(0)
    i, j, label = (v.ravel() for v in np.meshgrid(np.arange(n), np.arange(n), [0, 1], indexing="ij"))
    keep = rng.random(len(i)) >= 0.02
    xy = (np.column_stack([i, j]) + 0.5 * label[:, None])[keep] * SPACING
    table = pd.DataFrame(xy + rng.normal(0, 0.2, xy.shape), columns=["x", "y"]).assign(label=label[keep])
    del i, j, label, xy, keep
    begin, cpu = time.perf_counter(), time.process_time()
    hoods = lattice.neighbour_vectors(table, center=1, neighbors=0)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"\n{len(table):,} columns on two sublattices, {len(hoods.centres):,} centres with 4 neighbours of "
        f"the other: {seconds:.1f} s, {cpu:.1f} s of CPU time, peak of the process {peak:.2f} GB"
    )


def main():
    if sys.argv[1:] == ["million"]:
        million()
        return
    with threadpool_limits(1):
        compare(32)
        compare(SIDE)
    # In a process of its own, for the peak of the memory.
    subprocess.run([sys.executable, __file__, "million"], check=True)


if __name__ == "__main__":
    main()
