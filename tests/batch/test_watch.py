"""A folder into which a microscope writes."""

import threading
import time

import batch_work
import numpy as np
import pytest

from atomlens import batch


def test_files_are_taken_when_they_have_stopped_to_grow(tmp_path, files, cluster):
    [first] = files(1, "watched")
    folder, out, ended = first.parent, tmp_path / "out", threading.Event()
    wrote = []

    def microscope():
        (folder / "empty.npy").touch()
        (folder / "other.txt").write_text("not this one")
        (folder / "vanishes.npy").write_bytes(b"1234")
        np.save(tmp_path / "whole.npy", np.ones((6, 5)))
        content = (tmp_path / "whole.npy").read_bytes()
        with (folder / "grows.npy").open("wb") as file:
            for start in range(0, len(content), 40):
                file.write(content[start : start + 40])
                file.flush()
                time.sleep(0.15)
                if start == 40:
                    (folder / "vanishes.npy").unlink()
        wrote.append(time.time())
        late = time.monotonic() + 60  # a busy computer takes its time
        while len(list(out.glob("parts/*.zarr.zip"))) < 2 and time.monotonic() < late:
            time.sleep(0.05)
        ended.set()

    writer = threading.Thread(target=microscope)
    writer.start()
    done = batch.watch(
        batch_work.measure, folder, tmp_path / "out", pattern="*.npy", settle_s=0.6, stop=ended.is_set,
        scheduler=cluster, progress=False,
    )  # fmt: skip
    writer.join()
    assert sorted(path.rpartition("/")[2] for path in done.table["file"]) == ["grows.npy", first.name]
    assert set(done.table["status"]) == {"done"}, "it was not read while it grew"
    assert done.failures.empty
    assert done.table.set_index("file")["mean"][str(folder / "grows.npy")] == 1.0
    again = batch.watch(
        batch_work.measure, folder, tmp_path / "out", pattern="*.npy", settle_s=0.1, stop=2, workers=0,
        progress=False,
    )  # fmt: skip
    assert set(again.table["status"]) == {"done"}


def test_a_watch_that_cannot_be_is_refused(tmp_path, files):
    [path] = files(1)
    with pytest.raises(NotADirectoryError, match="to watch"):
        batch.watch(batch_work.measure, path, tmp_path / "out")
    with pytest.raises(ValueError, match="beside"):
        batch.watch(batch_work.measure, path.parent, path.parent / "out")
    with pytest.raises(ValueError, match="settle_s"):
        batch.watch(batch_work.measure, path.parent, tmp_path / "out", settle_s=0)
    with pytest.raises(ValueError, match="number of files"):
        batch.watch(batch_work.measure, path.parent, tmp_path / "out", stop=0)
