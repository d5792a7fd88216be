"""Workers and clients that are killed: nothing is lost, doubled or different."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import batch_work
import pandas as pd
import psutil
import pytest

from atomlens import batch
from atomlens.batch import _store

SCRIPT = """
import signal
import sys
from functools import partial
import batch_work
from atomlens import batch
if __name__ == "__main__":
    # What a shell starts in the background is deaf to Ctrl-C, and so are its children: these tests, perhaps.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    out, log, *files = sys.argv[1:]
    work = partial(batch_work.measure, log=log, pause=0.15)
    batch.run(work, files, out, progress=False)
"""
NO_GUARD = SCRIPT.replace('if __name__ == "__main__":', "if True:")


def environment():
    """Where a process of its own finds the work."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def until(condition, patience=60.0):
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def same_as_serial(done, paths):
    assert done.table["file"].tolist() == [str(path) for path in paths]
    assert set(done.table["status"]) == {"done"}
    for path, (_, table) in zip(paths, done.each("columns"), strict=True):
        pd.testing.assert_frame_equal(table, batch_work.measure(path)["columns"])


def test_lost_workers_lose_nothing_and_a_deadly_file_fails_alone(files, tmp_path):
    """Local processes: one dies once, on its own; then a file kills every one that reads it."""
    paths = files(12)
    poison = paths[5].rename(paths[5].with_name("poison.npy"))
    paths[5] = poison
    done = batch.run(batch_work.kills_always, paths, tmp_path / "out", progress=False, memory="1 GB")
    assert done.failures["file"].tolist() == [str(poison)]
    assert "died every time" in done.failures["error"][0]
    assert "0.9 GB" in done.failures["error"][0]
    assert done.table["status"].value_counts().to_dict() == {"done": 11, "failed": 1}


def test_a_worker_killed_in_the_middle(files, tmp_path, cluster):
    paths = files(12)
    work = partial(batch_work.kills_once, flag=str(tmp_path / "flag"))
    done = batch.run(work, paths, tmp_path / "out", scheduler=cluster, progress=False)
    assert (tmp_path / "flag").exists()
    same_as_serial(done, paths)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_client_that_is_ended_goes_on(files, tmp_path, how):
    paths, out, log = files(48), tmp_path / "out", tmp_path / "log"
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    client = subprocess.Popen(
        [sys.executable, str(script), str(out), str(log), *map(str, paths)],
        stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment(),
    )  # fmt: skip
    until(lambda: len(list(out.glob("parts/*.zarr.zip"))) >= 3)
    children = psutil.Process(client.pid).children(recursive=True)
    if how == signal.SIGKILL:
        client.kill()
    else:
        os.killpg(client.pid, signal.SIGINT)  # as a terminal does: to the workers, too
    _, said = client.communicate(timeout=30)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive, "workers end with their client"
    parts = list(out.glob("parts/*.zarr.zip"))
    assert 3 <= len(parts) < len(paths)
    assert all(_store.is_whole(part) for part in parts)
    if how == signal.SIGINT:
        assert "the same call goes on" in said
        assert said.count("Traceback") == 1, said
    partial_batch = batch.open(out)
    assert partial_batch.table["status"].value_counts()["open"] == len(paths) - len(parts)

    work = partial(batch_work.measure, log=str(log), pause=0.15)
    kept = {part.name: part.stat().st_mtime_ns for part in parts}
    done = batch.run(work, paths, out, workers=0, progress=False)
    same_as_serial(done, paths)
    assert {p.name: p.stat().st_mtime_ns for p in out.glob("parts/*.zarr.zip") if p.name in kept} == kept
    assert len(log.read_text().splitlines()) <= len(paths) + 2, "only what was under way is done again"
    assert len(list((out / "parts").iterdir())) == len(paths), "and nothing half written is left"


def test_a_script_without_a_guard_is_told_so(files, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(NO_GUARD)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "out"), str(tmp_path / "log"), *map(str, files(1))],
        capture_output=True, text=True, timeout=60, check=False, env=environment(),
    )  # fmt: skip
    assert done.returncode != 0
    assert "if __name__ == '__main__':" in done.stderr
