"""Whether a batch is complete and unchanged whatever is killed, and what that costs.

200 frames of 512 x 512 pixels, one file each, through a real piece of work (columns.find_peaks), on one and
on two worker processes; joblib does the same without keeping anything. Then a worker is killed with SIGKILL
in the middle, then the client, which is started again. Every result is compared with a plain loop. Last,
1,000 tiny files, for what a file costs by itself.

Run: python benchmarks/batch_truth.py [frames]. Times are of this machine as it is: others may use it, too,
so one and two workers are timed in turns, and the load before is printed.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from distributed import LocalCluster
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from atomlens import batch, columns

HERE = Path(__file__).resolve()


def peaks(path):
    """Maxima of one image, and their number."""
    found = columns.find_peaks(np.load(path), sigma=3.0)
    return {"peaks": found, "n": len(found)}


def refined(path):
    """Gaussians fitted to the first 60 maxima: about 0.2 s a file, where the start of processes fades."""
    picture = np.load(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that these columns are not round, once a frame
        return {"peaks": columns.refine(picture, columns.find_peaks(picture, sigma=3.0).head(60))}


def tiny(path):
    return {"mean": float(np.load(path).mean())}


def images(folder, count, size):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size]
    crystal = 20 + 20 * np.cos(2 * np.pi * x / 16) * np.cos(2 * np.pi * y / 16)
    folder.mkdir()
    paths = [folder / f"frame {number:04d}.npy" for number in range(count)]
    for path in paths:
        np.save(path, rng.poisson(crystal).astype(np.float32))
    return paths


def timed(function, *args, **options):
    start = time.perf_counter()
    made = function(*args, **options)
    return made, time.perf_counter() - start


def compare(done, truth, paths):
    """How many results are there, twice there, and different from those of the loop."""
    files = done.table["file"].tolist()
    found = dict(done.each("peaks"))
    different = sum(
        str(path) in found and not found[str(path)].equals(table)
        for path, table in zip(paths, truth, strict=True)
    )
    together = done.read("peaks")
    doubled = len(files) - len(set(files)) + max(len(together) - sum(map(len, truth)), 0)
    parts = len(list((done.folder / "parts").iterdir()))
    return {
        "complete": f"{len(found)}/{len(paths)}",
        "doubled": doubled + parts - len(found),
        "different": different,
    }


def worker_processes(client):
    """Processes of a batch that do the work."""
    return [p for p in client.children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]


def after_parts(out, count, action):
    """Do something as soon as so many results are there."""

    def wait():
        while len(list(out.glob("parts/*.zarr.zip"))) < count:
            time.sleep(0.05)
        action()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def kill_a_worker():
    os.kill(worker_processes(psutil.Process())[0].pid, signal.SIGKILL)


def kill_the_client(paths, out):
    """Run in a process of its own, and kill that with a third of the work done."""
    folder = paths[0].parent
    client = subprocess.Popen([sys.executable, str(HERE), "--client", str(folder), str(out)])
    after_parts(out, len(paths) // 3, client.kill).join()
    client.wait()
    time.sleep(3)  # until its workers have noticed
    return len(list(out.glob("parts/*.zarr.zip")))


def on_a_cluster(paths, out, workers):
    """Seconds on workers that have been started, and have loaded the work."""
    with LocalCluster(
        n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
    ) as cluster:  # fmt: skip
        batch.run(work, paths[:4], out.with_name(f"{out.name} first"), scheduler=cluster, progress=False)
        return timed(batch.run, work, paths, out, scheduler=cluster, progress=False)[1]


def memory(done, paths):
    """Largest growth of a worker's memory between its first and its last tenth, in MB."""
    rows = [(h["worker"]["pid"], h["worker"]["memory_MB"]) for h in map(done.header, paths)]
    table = pd.DataFrame(rows, columns=["pid", "memory"])
    some = max(len(table) // 20, 1)
    grown = table.groupby("pid")["memory"].agg(lambda m: m.tail(some).mean() - m.iloc[some : 2 * some].mean())
    return grown.max(), table["memory"].max()


def main(count):
    load = os.getloadavg()[0]
    print(
        f"{count} frames of 512 x 512, {os.cpu_count()} cores shared with others, load before: {load:.1f}\n"
    )
    with tempfile.TemporaryDirectory() as home:
        home = Path(home)
        paths = images(home / "in", count, 512)
        peaks(paths[0])
        serial, loop_s = timed(lambda: [peaks(path)["peaks"] for path in paths])
        rows = [{"what": "plain loop, nothing kept", "seconds": loop_s}]
        seconds = {1: [], 2: [], "joblib": []}
        for turn in range(2):
            for workers in (1, 2):
                done, took = timed(
                    batch.run, work, paths, home / f"out {workers} {turn}", workers=workers, progress=False
                )
                seconds[workers].append(took)
            with Parallel(n_jobs=2) as pool:
                _, took = timed(pool, (delayed(peaks)(path) for path in paths))
            seconds["joblib"].append(took)
        best = {key: min(values) for key, values in seconds.items()}
        running = {workers: on_a_cluster(paths, home / f"running {workers}", workers) for workers in (1, 2)}
        grown, most = memory(done, paths)
        rows += [
            {"what": "batch.run, 1 worker (with its start)", "seconds": best[1]},
            {"what": "batch.run, 2 workers", "seconds": best[2], **compare(done, serial, paths)},
            {"what": "1 worker that runs already", "seconds": running[1]},
            {"what": "2 workers that run already", "seconds": running[2]},
            {"what": "joblib, 2 processes, nothing kept", "seconds": best["joblib"]},
        ]

        out = home / "worker killed"
        killer = after_parts(out, count // 3, kill_a_worker)
        done, took = timed(batch.run, work, paths, out, progress=False)
        killer.join()
        rows.append({"what": "a worker killed at 1/3", "seconds": took, **compare(done, serial, paths)})

        out = home / "client killed"
        left = kill_the_client(paths, out)
        done, took = timed(batch.run, work, paths, out, progress=False)
        what = f"client killed with {left} results; the restart"
        rows.append({"what": what, "seconds": took, **compare(done, serial, paths)})

        table = pd.DataFrame(rows).round(1).astype({"doubled": "Int64", "different": "Int64"})
        print(table.to_string(index=False))
        print(f"\n2 workers against 1: {best[1] / best[2]:.2f} x with their start, "
              f"{running[1] / running[2]:.2f} x without (joblib against the loop: "
              f"{loop_s / best['joblib']:.2f} x)")  # fmt: skip
        print(f"memory of a worker: at most {most:.0f} MB; grown by {grown:.1f} MB from first to last files")

        with threadpool_limits(1):  # as workers have it: with more, the last digits are others
            slow_loop, slow_s = timed(lambda: [refined(path)["peaks"] for path in paths])
        one, one_s = timed(batch.run, slow, paths, home / "slow 1", workers=1, progress=False)
        two, two_s = timed(batch.run, slow, paths, home / "slow 2", workers=2, progress=False)
        with Parallel(n_jobs=2) as pool:
            _, peer_s = timed(pool, (delayed(slow)(path) for path in paths))
        print(f"\nwork of {slow_s / count:.2f} s a frame (loop {slow_s:.1f} s): 1 worker {one_s:.1f} s, "
              f"2 workers {two_s:.1f} s = {one_s / two_s:.2f} x, starts included; joblib {peer_s:.1f} s; "
              f"{compare(one, slow_loop, paths)}, {compare(two, slow_loop, paths)}")  # fmt: skip
        grown, most = memory(two, paths)
        print(f"memory of a worker: at most {most:.0f} MB; grown by {grown:.1f} MB from first to last files")

        many = images(home / "tiny", 1000, 16)
        _, loop_s = timed(lambda: [tiny(path) for path in many])
        _, took = timed(batch.run, small, many, home / "tiny out", progress=False)
        _, again = timed(batch.run, small, many, home / "tiny out", progress=False)
        done, table_s = timed(lambda: batch.open(home / "tiny out").table)
        print(f"\n1000 tiny files: {took:.1f} s, {took - loop_s:.1f} ms a file more than the loop; a restart "
              f"that keeps all: {again:.1f} s; .table: {table_s:.2f} s, {(done['status'] == 'done').sum()} "
              "done")  # fmt: skip


if __name__ == "__main__":
    # Under its name as a module: workers import it.
    sys.path.insert(0, str(HERE.parent))
    from batch_truth import peaks as work
    from batch_truth import refined as slow
    from batch_truth import tiny as small

    if sys.argv[1:2] == ["--client"]:
        batch.run(work, sorted(Path(sys.argv[2]).iterdir()), sys.argv[3], progress=False)
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 200)
