"""Linking: the right links, the events between tracks, and sentences where there is nothing to link."""

import logging
import warnings

import numpy as np
import pandas as pd
import pytest

from atomlens import doubts, dynamics
from atomlens.simulate import movies


def right(sample, tracks):
    """Share of the links that join the same planted particle, and of those possible that were made."""
    owner = sample.data[["frame", "x", "y"]].assign(owner=sample.extras["particle"])
    table = tracks.merge(owner, on=["frame", "x", "y"]).sort_values(["particle", "frame"])
    made = (np.diff(table["particle"]) == 0).sum()
    good = (
        (np.diff(table["particle"]) == 0)
        & (np.diff(table["owner"]) == 0)
        & (table["owner"].to_numpy()[1:] >= 0)
    ).sum()
    true = owner[owner["owner"] >= 0].sort_values(["owner", "frame"])
    possible = ((np.diff(true["owner"]) == 0) & (np.diff(true["frame"]) <= 1 + tracks.attrs["memory"])).sum()
    return good / made, good / possible


@pytest.mark.parametrize(
    "options",
    [
        {"localisation": 0.01},
        {"localisation": 0.03, "missed": 0.05, "false": 1.0},
        {"localisation": 0.03, "missed": 0.05, "drift": (0.15, -0.1)},
        {"n_particles": 12, "diffusion": 1e-4},
    ],
)
def test_links_are_right(options):
    sample = movies.tracks(**{"n_particles": 50, "n_frames": 60, "random_state": 11, **options})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of crowding, as there may be
        tracks = dynamics.link(sample.data)
    precision, recall = right(sample, tracks)
    assert precision > 0.985
    assert recall > 0.98
    assert len(tracks) == len(sample.data)
    assert not tracks.duplicated(["particle", "frame"]).any()
    assert {"label", "x_nm", "search_range"} <= set(tracks.columns) | set(tracks.attrs)


def test_the_search_range_follows_the_motion_and_reaches_the_next_site():
    slow, fast = (
        dynamics.link(movies.tracks(30, n_frames=40, diffusion=d, random_state=1).data).attrs["search_range"]
        for d in (1e-4, 1e-3)
    )
    assert 2.2 < fast / slow < 4.2  # the root of ten
    still = movies.tracks(30, n_frames=60, diffusion=0.0, localisation=0.005, random_state=2)
    rng, site = np.random.default_rng(0), 10.0
    hops = np.cumsum(site * (rng.random((60, 30)) < 0.05) * rng.choice([-1, 1], (60, 30)), axis=0)
    table = still.data.assign(x=still.data["x"] + hops[still.data["frame"], still.extras["particle"]])
    tracks = dynamics.link(table.sort_values("frame"))
    assert site < tracks.attrs["search_range"] < 1.75 * site
    assert "px" in tracks.attrs["search_reason"]


def test_linking_leaves_the_log_alone_and_is_quiet(capsys):
    logger = logging.getLogger("trackpy")
    before = logger.level, logger.disabled
    dynamics.link(movies.tracks(10, n_frames=5).data)
    assert (logger.level, logger.disabled) == before
    assert capsys.readouterr().out == ""


def test_lost_frames_are_kept_and_bridged():
    sample = movies.tracks(20, n_frames=30, diffusion=2e-4, random_state=3)
    data = sample.data[~sample.data["frame"].isin([7, 8])]
    tracks = dynamics.link(data, n_frames=32)
    assert tracks.attrs["empty_frames"] == [7, 8, 30, 31]
    assert tracks["particle"].nunique() <= 22
    happened = dynamics.events(tracks)
    gaps = happened[(happened["kind"] == "gap") & (happened["frame"] == 7)]
    assert (gaps["frames"] == 2).sum() >= 18


def test_events_are_those_that_happened():
    def line(particle, frames, x, y=0.0):
        return pd.DataFrame({"frame": list(frames), "x": x, "y": y, "particle": particle})

    tracks = pd.concat([
        line(0, range(10), 50.0),  # stays
        line(1, range(4), 52.0),  # merges with 0
        line(2, range(6, 10), 48.5),  # splits from 0
        line(3, [0, 1, 2, 5, 6, 7, 8, 9], 150.0),  # a gap
        line(4, range(2, 5), 250.0),  # comes and goes
    ])  # fmt: skip
    found = dynamics.events(tracks, search_range=5.0)
    assert found.drop(columns="frames").to_numpy().tolist() == [
        [2, "appears", 4, -1],
        [3, "gap", 3, -1],
        [4, "merges", 1, 0],
        [5, "disappears", 4, -1],
        [6, "splits", 2, 0],
    ]
    assert found.loc[1, "frames"] == 2


def test_drift_is_removed_and_what_it_takes_is_noted():
    sample = movies.tracks(30, n_frames=60, drift=(0.03, -0.02), missed=0.05, diffusion=1e-4, random_state=4)
    tracks = dynamics.link(sample.data)
    still = dynamics.remove_drift(tracks)
    truth = sample.extras["drift"]
    assert (
        np.abs(still.attrs["drift"][["x", "y"]].to_numpy() - truth[["x", "y"]].to_numpy()).max() < 2.8
    )  # four times its own error
    assert 1 / 31 < still["drift_share"].mean() < 1 / 20
    known = dynamics.remove_drift(tracks, truth)
    assert "drift_share" not in known
    assert np.allclose(known["x"] * 0.03, known["x_nm"])
    spread = known.groupby("particle")[["x", "y"]].agg(np.ptp).to_numpy()
    assert spread.max() < 0.5 * np.ptp(truth["x"])
    # Frames without any detection are bridged by the steps across them.
    lost = dynamics.link(sample.data[~sample.data["frame"].isin([20, 21])])
    found = dynamics.remove_drift(lost).attrs["drift"]
    assert abs(found["x"].iloc[-1] - truth["x"].iloc[-1]) < 2.5


def test_nothing_one_frame_and_no_two_frames_are_no_errors():
    empty = pd.DataFrame({"frame": [], "x": [], "y": []})
    with pytest.warns(UserWarning, match="no detection at all"):
        tracks = dynamics.link(empty, n_frames=5)
    assert tracks.empty
    assert "particle" in tracks
    assert doubts(tracks)
    assert dynamics.events(tracks).empty
    assert dynamics.remove_drift(tracks).empty
    one = dynamics.link(movies.tracks(10, n_frames=1).data)
    assert sorted(one["particle"]) == list(range(10))
    assert dynamics.events(one).empty
    assert dynamics.remove_drift(one)[["x", "y"]].equals(one[["x", "y"]])
    apart = dynamics.link(movies.tracks(10, n_frames=3).data.query("frame != 1"), memory=0)
    assert apart["particle"].nunique() >= 10


def test_a_defect_in_every_cell_is_doubted():
    y, x = np.mgrid[:20, :20].reshape(2, -1) * 10.0
    rng = np.random.default_rng(0)
    frames = [pd.DataFrame({"frame": t, "x": x, "y": y}) + [0, 0, 0] for t in range(10)]
    table = pd.concat(frames, ignore_index=True)
    table[["x", "y"]] += rng.normal(0, 2.5, (len(table), 2))
    with pytest.warns(UserWarning, match="record frames faster"):
        tracks = dynamics.link(table)
    assert any("search range" in said for said in doubts(tracks))


def test_mostly_empty_movies_say_so():
    data = movies.tracks(5, n_frames=20).data.query("frame % 4 == 0")
    with pytest.warns(UserWarning, match="15 of 20 frames hold no detection"):
        dynamics.link(data, n_frames=20, search_range=20.0)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"x": np.nan}, {}, "NaN or infinite"),
        ({"frame": 0.5}, {}, "whole numbers"),
        ({}, {"memory": -1}, "memory is a whole number"),
        ({}, {"search_range": 0.0}, "search_range must be a positive"),
        ({}, {"n_frames": 2}, "n_frames is 2"),
    ],
)
def test_bad_input_is_explained(change, options, message):
    data = movies.tracks(4, n_frames=4).data.assign(**change)
    with pytest.raises(ValueError, match=message):
        dynamics.link(data, **options)


def test_bad_tables_are_explained():
    with pytest.raises(ValueError, match="lacks y"):
        dynamics.link(pd.DataFrame({"frame": [0], "x": [1.0]}))
    with pytest.raises(TypeError, match="not a list"):
        dynamics.link([1, 2])
    table = movies.tracks(2, n_frames=3).truth
    with pytest.raises(ValueError, match="give the search_range"):
        dynamics.events(table)
    with pytest.raises(ValueError, match="already"):
        dynamics.remove_drift(table.assign(particle=0))
    with pytest.raises(ValueError, match="not known in 1 frames"):
        dynamics.remove_drift(table, pd.DataFrame({"frame": [0, 1], "x": 0.0, "y": 0.0}))
    with pytest.warns(UserWarning, match="single track"):
        lone = dynamics.remove_drift(table.query("particle == 0"))
    assert any("single track" in said for said in doubts(lone))
    with pytest.warns(UserWarning, match="no particle ever moves"):
        assert np.isnan(dynamics.diffusion(lone).coefficient)


@pytest.mark.filterwarnings("ignore:.*of the detections")
def test_links_that_are_as_good_are_taken_the_same_way_every_time():
    """Places on a grid are at equal distances; what trackpy takes then depends on addresses in memory."""
    rng = np.random.default_rng(5)
    grid = np.array([(x, y) for x in range(0, 120, 6) for y in range(0, 120, 6)])
    frames = [grid[rng.random(len(grid)) < 0.6] for _ in range(12)]
    table = pd.DataFrame(
        [(t, x, y) for t, places in enumerate(frames) for x, y in places], columns=["frame", "x", "y"]
    ).astype(float)
    first = dynamics.link(table, search_range=7)
    for _ in range(4):
        keep = [object() for _ in range(rng.integers(1000))]  # other addresses
        again = dynamics.link(table, search_range=7)
        assert first.equals(again), len(keep)
    assert first.drop_duplicates("particle")["frame"].is_monotonic_increasing
