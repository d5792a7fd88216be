"""Movies: the frames, some at a time, through one model."""

import batch_work
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from atomlens import batch, io

quiet = {"workers": 0, "progress": False}


@pytest.fixture
def film():
    values = np.random.default_rng(0).random((10, 4, 5))
    return xr.DataArray(values, {"time": np.arange(10) * 0.5}, ("time", "y", "x"))


def test_every_frame_goes_through_the_model_which_travels_once(film, tmp_path, cluster):
    path, log = tmp_path / "film.zarr", tmp_path / "log"
    io.write(film, path)
    model = batch_work.Model(log)
    done = batch.movie(model.latent, path, tmp_path / "out", frames=2, scheduler=cluster, progress=False)
    assert len(set(log.read_text().split())) <= 2
    assert len(log.read_text().split()) <= 4, "not once a part"
    assert set(done.table["status"]) == {"done"}
    latents = done.read("latents")
    assert latents["frame"].tolist() == np.repeat(np.arange(10), 3).tolist()
    expected = (film.values.reshape(10, -1)[:, :3] + model.weights[:3]).ravel()
    np.testing.assert_array_equal(latents["z"], expected)
    np.testing.assert_array_equal(done.read("map"), 2 * film)
    assert done.read("map").chunks[0] == (2,) * 5
    np.testing.assert_array_equal(done.read("numbers")["mean"], film.mean(("y", "x")))


def test_a_lazy_movie_is_read_some_frames_at_a_time(tmp_path, cluster):
    """Only as many frames are asked for at once as a part holds."""
    sizes = []

    def block(block_info=None):
        shape = block_info[None]["chunk-shape"]
        sizes.append(shape[0])
        return np.full(shape, float(block_info[None]["chunk-location"][0]))

    lazy = da.map_blocks(block, chunks=((1,) * 9, (4,), (5,)), dtype=float, meta=np.empty((0, 0, 0)))
    film = xr.DataArray(lazy, dims=("time", "y", "x"))
    work = batch_work.Model(tmp_path / "log").latent
    done = batch.movie(work, film, tmp_path / "out", frames=3, scheduler=cluster, progress=False)
    assert done.read("numbers")["mean"].tolist() == list(range(9))
    assert len(sizes) == 9 + 1, "each once, and the first to know the movie by"


def test_bad_frames_fail_alone_and_movies_may_grow(film, tmp_path):
    work = batch_work.Model(tmp_path / "log").latent
    film[4] = -1
    done = batch.movie(work, film[:7], tmp_path / "out", frames=3, **quiet)
    assert done.failures["file"].tolist() == ["movie[4]"]
    assert done.failures["error"].tolist() == ["ValueError: a dark frame"]
    assert done.table["status"].tolist() == ["done", "partly", "done"]
    assert done.read("numbers")["frame"].tolist() == [0, 1, 2, 3, 5, 6]
    assert done.read("map")["frame"].values.tolist() == [0, 1, 2, 3, 5, 6]
    first = (tmp_path / "out" / "parts" / "frames-0000000.zarr.zip").stat().st_mtime_ns
    film[4] = 1
    done = batch.movie(work, film, tmp_path / "out", frames=3, **quiet)
    assert done.failures.empty
    assert done.read("numbers")["frame"].tolist() == list(range(10))
    assert (tmp_path / "out" / "parts" / "frames-0000000.zarr.zip").stat().st_mtime_ns == first
    done = batch.movie(work, film[:5], tmp_path / "out", frames=3, **quiet)
    assert done.read("numbers")["frame"].tolist() == list(range(5))


def test_another_movie_or_another_model_is_refused(film, tmp_path):
    model = batch_work.Model(tmp_path / "log")
    batch.movie(model.latent, film, tmp_path / "out", **quiet)
    with pytest.raises(FileExistsError, match="another movie"):
        batch.movie(model.latent, film + 1, tmp_path / "out", **quiet)
    model.weights = model.weights + 1
    with pytest.raises(FileExistsError, match="other parameters"):
        batch.movie(model.latent, film, tmp_path / "out", **quiet)


def test_real_methods_find_columns_in_every_frame(tmp_path, sheet):
    from functools import partial

    from atomlens import columns

    image, _ = sheet((96, 96))
    frames = np.random.default_rng(0).poisson(image, (3, 96, 96)).astype(float)
    film = xr.DataArray(frames, dims=("time", "y", "x"))
    done = batch.movie(partial(columns.find_peaks, sigma=2.2), film, tmp_path / "out", **quiet)
    table = done.read("table")
    for number in range(3):
        expected = columns.find_peaks(frames[number], sigma=2.2)
        some = table[table["frame"] == number].drop(columns="frame").reset_index(drop=True)
        pd.testing.assert_frame_equal(some, expected)


@pytest.mark.parametrize(
    ("movie", "error", "message"),
    [
        (np.zeros((2, 3, 3)), TypeError, "DataArray"),
        (xr.DataArray(np.zeros((3, 3)), dims=("y", "x")), ValueError, "dims"),
        (xr.DataArray(np.zeros((0, 3, 3)), dims=("time", "y", "x")), ValueError, "no frames"),
        ("missing.tif", FileNotFoundError, "missing.tif"),
    ],
)
def test_what_is_no_movie_is_refused(tmp_path, movie, error, message):
    with pytest.raises(error, match=message):
        batch.movie(batch_work.measure, movie, tmp_path / "out", **quiet)


def test_options_and_chunks_that_make_no_sense(film, tmp_path):
    with pytest.raises(TypeError, match="for files"):
        batch.movie(batch_work.measure, film, tmp_path / "out", signal=0, **quiet)
    with pytest.raises(ValueError, match="frames must"):
        batch.movie(batch_work.measure, film, tmp_path / "out", frames=0, **quiet)
