"""A lazy array says so when its file was replaced, instead of giving other numbers."""

import gc
import pickle
import shutil
import time

import h5py
import numpy as np
import pytest
import tifffile
import xarray as xr

from atomlens import io
from atomlens.io import _unchanged

MOVIE = np.arange(480, dtype=np.float32).reshape(8, 6, 10)
SUFFIXES = (".zarr", ".zspy", ".hspy", ".nc", ".npy", ".h5")
SENTENCE = r"^a\.\w+ has changed since it was opened: read it again$"


def write(values, path):
    """Write, a while after whatever was there: clocks of file systems tick in milliseconds."""
    time.sleep(0.02)
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, values)
    elif path.suffix == ".h5":
        new = path.with_name("new.h5")  # HDF5 refuses to write over a file that is open
        with h5py.File(new, "w") as file:
            file["movie"] = values
        new.replace(path)
    else:
        io.write(xr.DataArray(values, dims=("time", "y", "x")), path, overwrite=True)
    return path


@pytest.fixture(params=SUFFIXES)
def path(request, tmp_path):
    return write(MOVIE, tmp_path / f"a{request.param}")


@pytest.mark.parametrize("cut", [slice(None), slice(0, 4)])
def test_a_file_that_was_replaced_is_refused(path, cut):
    lazy = io.read(path, kind="movie", lazy=True)
    np.testing.assert_array_equal(lazy, MOVIE)
    write(MOVIE[cut] + 1, path)
    for part in (lazy, lazy[2], lazy[:, 1:3, ::2].sum()):
        with pytest.raises(io.FormatError, match=SENTENCE):
            part.compute()
    np.testing.assert_array_equal(io.read(path, kind="movie", lazy=True), MOVIE[cut] + 1)


@pytest.mark.filterwarnings("ignore:Exception ignored in")  # rosettasciio leaves a lazy tif open
def test_a_tif_that_was_replaced_is_refused(tmp_path):
    lazy = io.read(write(MOVIE, tmp_path / "a.tif"), kind="movie", lazy=True)
    np.testing.assert_array_equal(lazy, MOVIE)
    write(MOVIE + 1, tmp_path / "a.tif")
    with pytest.raises(io.FormatError, match=SENTENCE):
        lazy[2].compute()
    del lazy
    gc.collect()


def test_before_and_after_are_never_taken_for_the_same(path):
    before = io.read(path, kind="movie", lazy=True)
    write(MOVIE + 1, path)
    with pytest.raises(io.FormatError, match=SENTENCE):
        (io.read(path, kind="movie", lazy=True) - before).compute()


def test_a_file_that_is_gone_is_refused(path):
    lazy = io.read(path, kind="movie", lazy=True)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(io.FormatError, match=SENTENCE):
        lazy.compute()


def test_only_what_is_asked_for_is_read(tmp_path, monkeypatch):
    taken = []
    get = _unchanged._Watched.__getitem__

    def noted(self, index):
        taken.append(get(self, index).size)
        return get(self, index)

    monkeypatch.setattr(_unchanged._Watched, "__getitem__", noted)
    for suffix in (".npy", ".nc", ".h5"):
        lazy = io.read(write(MOVIE, tmp_path / f"a{suffix}"), kind="movie", lazy=True)
        taken.clear()
        np.testing.assert_array_equal(lazy[3, 1:5], MOVIE[3, 1:5])
        assert sum(taken) == 40, suffix


def test_what_lies_in_memory_does_not_need_its_file(tmp_path):
    np.savez(tmp_path / "a.npz", movie=MOVIE)
    lazy = io.read(tmp_path / "a.npz", kind="movie", lazy=True)
    (tmp_path / "a.npz").unlink()
    np.testing.assert_array_equal(lazy, MOVIE)


@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
def test_a_lazy_array_goes_to_other_processes(tmp_path, suffix):
    lazy = io.read(write(MOVIE, tmp_path / f"a{suffix}"), lazy=True)
    there = pickle.loads(pickle.dumps(lazy))
    np.testing.assert_array_equal(there, MOVIE)
    write(MOVIE + 1, tmp_path / f"a{suffix}")
    with pytest.raises(io.FormatError, match=SENTENCE):
        there.compute()


def test_numbers_that_lie_beside_their_description_are_watched(tmp_path):
    (tmp_path / "a.raw").write_bytes(MOVIE.tobytes())
    assert [file.name for file in _unchanged.state(tmp_path / "a.rpl")] == ["a.raw"]
