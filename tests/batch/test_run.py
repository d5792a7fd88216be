"""Many files: what comes out, what is kept, what is refused."""

import hashlib
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import batch_work
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from atomlens import batch
from atomlens.batch import _store, _work

quiet = {"workers": 0, "progress": False}


def calls(log):
    return [line.split(" ", 1)[1] for line in log.read_text().splitlines()] if log.exists() else []


def test_a_cluster_gives_what_a_loop_gives(files, tmp_path, cluster):
    paths = files(12)
    done = batch.run(batch_work.measure, paths, tmp_path / "out", scheduler=cluster, progress=False)
    assert done.table["file"].tolist() == [str(path) for path in paths]
    assert set(done.table["status"]) == {"done"}
    assert done.table["mean"].tolist() == [np.load(path).mean() for path in paths]
    assert done.failures.empty
    table, maps = done.read("columns"), done.read("map")
    for path, (file, rows) in zip(paths, done.each("columns"), strict=True):
        expected = batch_work.measure(path)
        assert file == str(path)
        pd.testing.assert_frame_equal(rows, expected["columns"])
        assert rows.attrs == expected["columns"].attrs
        some = table[table["file"] == str(path)].drop(columns="file").reset_index(drop=True)
        pd.testing.assert_frame_equal(some, expected["columns"], check_like=True)
        found = maps.sel(file=str(path)).drop_vars("file").compute()
        xr.testing.assert_identical(found.drop_attrs(), expected["map"].drop_attrs().rename("map"))
    assert maps.chunks is not None, "arrays are read when they are needed"
    assert maps.attrs["units"] == "counts"
    assert table.attrs["doubts"] == ["12 of 12 parts: a doubt"]
    assert done.read("columns", columns=["x"]).columns.tolist() == ["file", "x"]
    assert {head["pid"] for head in (done.header(p)["worker"] for p in paths)}.isdisjoint({0})
    head = done.header(paths[0])
    assert head["source"]["sha256"] == hashlib.sha256(paths[0].read_bytes()).hexdigest()
    assert head["source"]["bytes"] == paths[0].stat().st_size
    assert {"atomlens", "python", "numpy"} <= set(head["versions"])
    assert "12 done" in repr(done)


def test_a_restart_does_only_what_is_missing_damaged_or_changed(files, tmp_path):
    paths, log = files(6), tmp_path / "log"
    work = partial(batch_work.measure, log=str(log))
    done = batch.run(work, paths[:4], tmp_path / "out", **quiet)
    assert len(calls(log)) == 4
    parts = {path.name: path for path in (tmp_path / "out" / "parts").iterdir()}
    assert len(parts) == 4
    [flipped] = [path for name, path in parts.items() if name.startswith("image_001")]
    content = bytearray(flipped.read_bytes())
    content[content.index(b"map/v0/0.0") + 40] ^= 1
    flipped.write_bytes(content)
    [cut] = [path for name, path in parts.items() if name.startswith("image_002")]
    cut.write_bytes(cut.read_bytes()[:-40])
    assert done.table["status"].tolist() == ["done", "done", "damaged", "done"]
    np.save(paths[3], np.ones((6, 5)))

    done = batch.run(work, paths, tmp_path / "out", **quiet)
    assert sorted(calls(log)[4:]) == [f"image {i:03d}.npy" for i in (1, 2, 3, 4, 5)]
    assert set(done.table["status"]) == {"done"}
    assert done.table["mean"][3] == 1.0
    assert len(done.read("columns")) == 6 * 5
    batch.run(work, paths, tmp_path / "out", **quiet)
    assert len(calls(log)) == 9
    batch.run(work, paths[:2], tmp_path / "out", force=True, **quiet)
    assert len(calls(log)) == 11


@pytest.mark.parametrize("position", range(0, 100, 7))
def test_a_flipped_bit_in_a_result_is_noticed_or_harmless(files, tmp_path, position):
    [path] = files(1)
    done = batch.run(batch_work.measure, [path], tmp_path / "out", **quiet)
    before = done.read("columns"), done.table["mean"][0]
    [part] = (tmp_path / "out" / "parts").iterdir()
    content = bytearray(part.read_bytes())
    content[len(content) * position // 100] ^= 4
    part.write_bytes(content)
    after = batch.run(batch_work.measure, [path], tmp_path / "out", **quiet)
    pd.testing.assert_frame_equal(after.read("columns"), before[0])
    assert after.table["mean"][0] == before[1]


def test_other_work_other_parameters_and_foreign_folders_are_refused(files, tmp_path):
    paths, out = files(2), tmp_path / "out"
    batch.run(batch_work.measure, paths, out, **quiet)
    with pytest.raises(FileExistsError, match="other parameters"):
        batch.run(partial(batch_work.measure, scale=2.0), paths, out, **quiet)
    with pytest.raises(FileExistsError, match=r"batch_work\.measure.*another folder"):
        batch.run(batch_work.doubtful, paths, out, **quiet)
    done = batch.run(partial(batch_work.measure, scale=2.0), paths[:1], out, force=True, **quiet)
    assert done.table["mean"].tolist() == [2 * np.load(paths[0]).mean()], "the old results are gone"
    with pytest.raises(FileExistsError, match="something else than a batch"):
        batch.run(batch_work.measure, paths, paths[0].parent, force=True, **quiet)
    with pytest.raises(FileExistsError, match="something else"):
        batch.open(paths[0].parent)
    with pytest.raises(NotADirectoryError, match="is a file"):
        batch.run(batch_work.measure, paths, paths[0], **quiet)
    with pytest.raises(FileNotFoundError, match="check the name"):
        batch.open(tmp_path / "nowhere")
    with pytest.raises(KeyError, match="there is: columns, map"):
        done.read("lattices")


def test_a_folder_that_cannot_be_written_to_is_refused(files, tmp_path):
    with pytest.raises(PermissionError, match="choose another"):
        batch.run(batch_work.measure, files(1), "/proc/atomlens", **quiet)
    with pytest.raises(PermissionError, match="choose another"):
        batch.run(batch_work.measure, files(1), files(1)[0] / "out", **quiet)


def test_two_batches_do_not_work_in_one_folder(files, tmp_path):
    paths, out = files(2), tmp_path / "out"
    holds = (
        "import sys, time\nfrom atomlens.batch import _folder\n"
        "with _folder.opened(sys.argv[1], kind='files', token='t', name='n', sources={}):\n"
        "    print('open', flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", holds, out], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        before = (out / "batch.json").read_bytes()
        with pytest.raises(FileExistsError, match="another batch is at work"):
            batch.run(batch_work.measure, paths, out, force=True, **quiet)
        assert (out / "batch.json").read_bytes() == before
        other.kill()
    done = batch.run(batch_work.measure, paths, out, force=True, **quiet)
    assert (done.table["status"] == "done").all(), "the lock went with its owner"


def test_bad_files_are_listed_and_tried_again(files, tmp_path):
    good, bad = files(2)
    bad.write_bytes(b"no numbers, <b>bold</b>,\n; not at all")
    given = [good, bad, good.parent, tmp_path / "missing.npy"]
    done = batch.run(batch_work.measure, given, tmp_path / "out", **quiet)
    assert done.table["status"].tolist() == ["done", "failed", "failed", "failed"]
    errors = dict(zip(done.failures["file"], done.failures["error"], strict=True))
    assert "folder" in errors[str(good.parent)]
    assert "no such file" in errors[str(tmp_path / "missing.npy")]
    assert "\n" not in "".join(errors.values())
    assert pd.read_csv(tmp_path / "out" / "failures.csv")["file"].tolist() == list(errors)
    assert len(done.read("columns")) == 5
    np.save(bad, np.zeros((6, 5)))
    done = batch.run(batch_work.measure, given, tmp_path / "out", **quiet)
    assert done.table["status"].tolist() == ["done", "done", "failed", "failed"]
    # A file that was good and is bad now: its old result is not what it is.
    good.write_bytes(b"")
    done = batch.run(batch_work.measure, given, tmp_path / "out", **quiet)
    assert done.table["status"].tolist() == ["failed", "done", "failed", "failed"]
    assert len(done.read("columns")) == 5


def test_odd_names_do_not_meet(tmp_path):
    names = [
        "a b.npy",
        "a_b.npy",
        "ü<b>&.npy",
        "試料.npy",
        "x/same.npy",
        "y/same.npy",
        "-rf.npy",
        "n" * 200 + ".npy",
    ]
    names += ["a\nline.npy", "UP.npy", "up.npy"]
    paths = [tmp_path / "in" / name for name in names]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full((2, 2), float(number)))
    done = batch.run(batch_work.measure, paths, tmp_path / "out", **quiet)
    assert done.table["mean"].tolist() == list(range(len(paths)))
    parts = [path.name for path in (tmp_path / "out" / "parts").iterdir()]
    assert len({name.lower() for name in parts}) == len(paths)
    assert all(name.isascii() and " " not in name and len(name) < 100 for name in parts)
    assert done.read("columns").groupby("file", observed=True)["x"].first().tolist() == list(
        range(len(paths))
    )


def test_a_file_named_twice_is_worked_on_once(files, tmp_path):
    [path] = files(1)
    with pytest.warns(UserWarning, match="1 files are named twice"):
        done = batch.run(batch_work.measure, [path, str(path)], tmp_path / "out", **quiet)
    assert len(done.table) == 1


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([], ValueError, "no files"),
        ("image.npy", TypeError, "list of paths"),
        (Path("image.npy"), TypeError, "list of paths"),
        ([3], TypeError, "one of them is a int"),
    ],
)
def test_what_is_no_list_of_files_is_refused(tmp_path, given, error, message):
    with pytest.raises(error, match=message):
        batch.run(batch_work.measure, given, tmp_path / "out", **quiet)
    assert not (tmp_path / "out").exists()


def local_work():
    return lambda path: {}


@pytest.mark.parametrize("workers", [-1, 1.5, True])
def test_a_number_of_workers_that_is_none_is_refused(files, tmp_path, workers):
    with pytest.raises(ValueError, match="whole number"):
        batch.run(batch_work.measure, files(1), tmp_path / "out", workers=workers)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda path: {}, "lambda.*file of its own"),
        (local_work(), "file of its own"),
        (partial(lambda path, n: {}, n=1), "lambda.*import"),
        (partial(batch_work.returns, what=open(__file__)), "cannot be sent"),  # noqa: PTH123, SIM115
        ("measure", "must be a function"),
    ],
)
def test_work_that_cannot_travel_is_refused(files, tmp_path, work, message):
    with pytest.raises(TypeError, match=message):
        batch.run(work, files(1), tmp_path / "out", **quiet)
    if isinstance(work, partial) and "what" in work.keywords:
        work.keywords["what"].close()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (None, "returned a NoneType"),
        ({}, "an empty dict"),
        ([1], "returned a list"),
        ({"a": [1]}, "'a' as a list"),
        ({"status": 1}, "name that is taken"),
        ({3: 1}, "by a word"),
        ({"a/b": 1}, "by a word"),
        ({"t": pd.DataFrame({"file": [1]})}, "added here"),
        ({"t": pd.DataFrame({"a": [object]})}, "cannot be stored"),
        ({"t": xr.DataArray([{"a": 1}])}, "cannot be stored"),
        ({"t": 1j}, "as a complex"),
    ],
)
def test_nonsense_is_a_failure_of_that_file(files, tmp_path, what, message):
    done = batch.run(partial(batch_work.returns, what=what), files(1), tmp_path / "out", **quiet)
    assert message in done.failures["error"][0]
    assert list((tmp_path / "out" / "parts").iterdir()) == []


@pytest.mark.parametrize(
    "what",
    [
        pd.DataFrame({"a": [1, 2]}, index=pd.Index(["p", "q"], name="atom")),
        pd.DataFrame({
            "a": pd.Categorical(["u", "v", None]), "b": [None, "x", "ü"], "c": [[1], {"k": 2}, None],
        }),
        pd.DataFrame({
            "a": pd.array([1, None], dtype="Int64"), "t": pd.to_datetime(["2026-01-01", "2026-01-02"]),
        }),
        pd.DataFrame({"a": [True, False], "b": np.float32([1, np.nan])}, index=[5, 7]),
        pd.DataFrame({"a": np.zeros(0), "b": np.zeros(0, int)}),
        pd.DataFrame(),
        pd.DataFrame({f"c{i}": [i] for i in range(12)}),
        xr.DataArray(np.zeros((0, 3)), dims=("a", "b")),
        xr.DataArray(5.0),
        xr.DataArray([1 + 2j], {"k": ("x", ["lang"]), "s": 3}, "x", name="wave", attrs={"list": [1, 2]}),
        xr.Dataset({"a": ("x", [1, 2]), "b": ((), 3.0)}, {"x": [0.1, 0.2]}, {"note": "n"}),
    ],
)  # fmt: skip
def test_results_come_back_as_they_went(tmp_path, what):
    _store.write(tmp_path / "a.zarr.zip", {"h": 1}, {"thing": what})
    assert _store.header(tmp_path / "a.zarr.zip") == {"h": 1}
    found = _store.read(tmp_path / "a.zarr.zip", "thing")
    if isinstance(what, pd.DataFrame):
        expected = (
            what
            if what.index.names != [None] or len(what) != 2 or what.index[0] != 5
            else what.rename_axis("index")
        )
        pd.testing.assert_frame_equal(found, expected, check_dtype=True)
    else:
        xr.testing.assert_identical(found, what)


def test_exits_changes_and_warnings_are_told(files, tmp_path):
    paths = files(1)
    assert (
        "SystemExit: good bye"
        in batch.run(batch_work.leaves, paths, tmp_path / "a", **quiet).failures["error"][0]
    )
    changed = batch.run(batch_work.changes, paths, tmp_path / "b", **quiet)
    assert "changed while" in changed.failures["error"][0]
    done = batch.run(batch_work.doubtful, paths, tmp_path / "c", **quiet)
    assert done.table["warnings"].tolist() == ["UserWarning: half of it is dark"]


def test_a_scheduler_that_does_not_answer_is_said(files, tmp_path, monkeypatch):
    monkeypatch.setattr("atomlens.batch._cluster._PATIENCE_S", 0.5)
    for address in ("tcp://127.0.0.1:9", "http:/nonsense"):
        with pytest.raises(ConnectionError, match="is it running"):
            batch.run(batch_work.measure, files(1), tmp_path / "out", scheduler=address, progress=False)
    with pytest.raises(TypeError, match="an address such as"):
        batch.run(batch_work.measure, files(1), tmp_path / "out", scheduler=8786, progress=False)


def test_a_scheduler_without_workers_is_waited_for(files, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=0, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
        worker_dashboard_address=None, memory_limit="1GB", silence_logs=50,
    ) as later:  # fmt: skip
        timer = threading.Timer(0.5, later.scale, [1])
        timer.start()
        with pytest.warns(UserWarning, match="no workers yet"):
            done = batch.run(batch_work.measure, files(2), tmp_path / "out", scheduler=later, progress=False)
        timer.join()
    assert set(done.table["status"]) == {"done"}


def test_workers_that_are_all_lost_are_said_and_waited_for(files, tmp_path, monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr("atomlens.batch._engine._COUNT_S", 0.5)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
        worker_dashboard_address=None, memory_limit="1GB", silence_logs=50,
    ) as jobs:  # fmt: skip
        timers = [threading.Timer(1, jobs.scale, [0]), threading.Timer(6, jobs.scale, [1])]
        for timer in timers:
            timer.start()
        slow = partial(batch_work.measure, pause=0.3)
        with pytest.warns(UserWarning, match="all workers of .* are gone"):
            done = batch.run(slow, files(12), tmp_path / "out", scheduler=jobs, progress=False)
        for timer in timers:
            timer.join()
    assert set(done.table["status"]) == {"done"}


def test_work_that_the_workers_cannot_import_is_said(files, tmp_path, cluster, monkeypatch):
    (tmp_path / "only_here.py").write_text("def measure(path):\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    with pytest.raises(TypeError, match="importable there"):
        batch.run(only_here.measure, files(1), tmp_path / "out", scheduler=cluster, progress=False)


def test_the_work_is_known_by_its_code_and_parameters(tmp_path, monkeypatch):
    place = tmp_path / "edited.py"
    place.write_text("def measure(path):\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import edited

    before = _work.fingerprint(edited.measure)
    assert before == _work.fingerprint(edited.measure)
    assert before != _work.fingerprint(partial(edited.measure, path=1))

    import importlib
    import linecache

    place.write_text("def measure(path):\n    # nothing new\n    return 1\n")
    linecache.clearcache()
    assert _work.fingerprint(importlib.reload(edited).measure) == before
    place.write_text("def measure(path):\n    return 2\n")
    linecache.clearcache()
    assert _work.fingerprint(edited.measure) != before


def test_the_bar_counts(files, tmp_path, capsys):
    batch.run(batch_work.measure, files(3), tmp_path / "out", workers=0)
    assert "3/3" in capsys.readouterr().err


def test_real_work_on_images(tmp_path, sheet):
    from atomlens import columns, io

    image, _ = sheet((96, 96))
    noisy = np.random.default_rng(0).poisson(image).astype(float)
    io.write(xr.DataArray(noisy, dims=("y", "x")), tmp_path / "a.tif")
    done = batch.run(find_columns, [tmp_path / "a.tif"], tmp_path / "out", **quiet)
    expected = columns.find_peaks(noisy, sigma=2.2)
    np.testing.assert_allclose(done.read("columns")[["x", "y"]], expected[["x", "y"]])


def find_columns(path):
    from atomlens import columns, io

    return {"columns": columns.find_peaks(io.read(path).values, sigma=2.2)}
