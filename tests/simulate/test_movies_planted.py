"""Movies of hopping defects and tables of tracks: what is planted is there, and all of it is told."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from atomlens.simulate import Instrument, movies

MATRIX = np.array([[0.9, 0.1], [0.25, 0.75]])


def paths(table, names=("x_nm", "y_nm")):
    """Places (frames, 2, particles)."""
    wide = table.pivot(index="frame", columns="particle", values=list(names)).to_numpy()
    return wide.reshape(len(wide), 2, -1)


def owned(sample):
    return sample.data.assign(particle=sample.extras["particle"]).query("particle >= 0")


@pytest.mark.parametrize(("exposure", "first"), [(0.0, 1.0), (1.0, 2 / 3)])
def test_displacements_grow_as_diffusion_says(exposure, first):
    sample = movies.tracks(
        600, n_frames=30, diffusion=3e-3, dt=2.0, exposure=2 * exposure, shape=(9000, 9000), random_state=1
    )
    seen = paths(owned(sample))
    for lag in (1, 5):
        mean = np.nanmean((seen[lag:] - seen[:-lag]) ** 2)
        # An exposure takes a third of its own duration off the lag.
        expected = 2 * 3e-3 * 2.0 * (lag - exposure / 3)
        assert abs(mean / expected - 1) < 0.05
    assert abs(np.nanmean(np.diff(seen, axis=0) ** 2) / (2 * 3e-3 * 2.0) - first) < 0.03


@pytest.mark.parametrize("exponent", [0.5, 1.4])
def test_an_exponent_is_one_of_time(exponent):
    sample = movies.tracks(500, n_frames=40, exponent=exponent, shape=(9000, 9000), random_state=2)
    seen = paths(sample.truth)
    ratio = np.mean((seen[8:] - seen[:-8]) ** 2) / np.mean((seen[1:] - seen[:-1]) ** 2)
    assert abs(np.log(ratio) / np.log(8) - exponent) < 0.05


def test_a_trap_holds_a_particle_and_anisotropy_has_a_direction():
    bound = paths(movies.tracks(500, n_frames=80, trap=0.06, shape=(9000, 9000)).truth)
    assert abs(bound.std(axis=0, ddof=1).mean() / 0.06 - 1) < 0.05
    steps = np.diff(
        paths(movies.tracks(500, n_frames=40, anisotropy=3.0, angle=30.0, shape=(9000, 9000)).truth), axis=0
    )
    values, vectors = np.linalg.eigh(np.cov(steps.transpose(1, 0, 2).reshape(2, -1)))
    assert abs(values[1] / values[0] - 3) < 0.2
    assert abs(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])) % 180 - 30) < 2


def test_states_errors_and_losses_are_as_often_as_asked():
    confusion = [[0.9, 0.1], [0.2, 0.8]]
    sample = movies.tracks(
        200, n_frames=100, matrix=MATRIX, misclassification=confusion, missed=0.2, false=3.0,
        localisation=0.05, shape=(4000, 4000), random_state=3,
    )  # fmt: skip
    truth, seen = sample.truth, owned(sample)
    states = truth.pivot(index="frame", columns="particle", values="state").to_numpy()
    for k in (0, 1):
        after, p = states[1:][states[:-1] == k], MATRIX[k, 0]
        assert abs((after == 0).mean() - p) < 4 * np.sqrt(p * (1 - p) / len(after))
    assert abs((states == 0).mean() - 0.25 / 0.35) < 0.02
    both = seen.merge(truth, on=["frame", "particle"], suffixes=("", "_true"))
    assert len(both) == len(seen) == truth["detected"].sum()
    assert abs((both["label"] == 0)[both["state"] == 0].mean() - 0.9) < 0.01
    assert abs((both["label"] == 1)[both["state"] == 1].mean() - 0.8) < 0.015
    assert abs(truth.loc[truth["visible"], "detected"].mean() - 0.8) < 0.01
    assert abs((sample.extras["particle"] < 0).sum() - 300) < 4 * np.sqrt(300)
    assert abs((both["x_nm"] - both["x_nm_true"]).std() / 0.05 - 1) < 0.05
    assert np.allclose(both["x"] * 0.03, both["x_nm"])


def test_drift_moves_all_and_particles_come_and_go():
    sample = movies.tracks(
        60, n_frames=50, drift=(0.02, -0.01), diffusion=0.0, appear=0.5, disappear=0.02, random_state=4
    )
    truth = sample.truth.sort_values(["particle", "frame"])
    step = truth.groupby("particle")[["x", "y"]].diff().dropna().to_numpy()
    assert np.allclose(step, np.array([0.02, -0.01]) / 0.03)
    assert np.allclose(sample.extras["drift"][["x", "y"]].iloc[-1], 49 * np.array([0.02, -0.01]) / 0.03)
    born, size = (truth.groupby("particle")["frame"].agg(how) for how in ("min", "size"))
    assert (born > 0).sum() > 10
    assert ((born == 0) & (size < 50)).sum() > 10
    outside = ~truth["visible"]
    assert not truth.loc[outside, "detected"].any()


def test_tables_repeat_with_their_seed_and_hide_the_order():
    one, again, other = (movies.tracks(30, n_frames=5, random_state=s) for s in (1, 1, 2))
    assert one.data.equals(again.data)
    assert not one.data.equals(other.data)
    assert (np.diff(one.extras["particle"]) < 0).sum() > 40
    assert movies.tracks(0, n_frames=3, false=0).data.empty


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_frames": 0}, "n_frames must be a whole number"),
        ({"missed": 1.5}, "missed is a probability"),
        ({"diffusion": -1.0}, "diffusion must be finite and not negative"),
        ({"anisotropy": 0.0}, "anisotropy must be finite and positive"),
        ({"exposure": 2.0}, "exposure must lie between 0 and dt"),
        ({"exponent": 2.0}, "exponent must lie between"),
        ({"exponent": 0.5, "trap": 0.1}, "neither a trap nor an exposure"),
        ({"matrix": [[0.5, 0.6], [0.5, 0.5]]}, "sum to 1"),
        ({"matrix": [[0.5, 0.5]]}, "must be square"),
        ({"misclassification": MATRIX}, "both need the same"),
    ],
)
def test_bad_input_of_tables_is_explained(options, message):
    with pytest.raises(ValueError, match=message):
        movies.tracks(2, **{"n_frames": 3, **options})


@pytest.fixture(scope="module")
def movie():
    return movies.hopping(
        14, n_frames=12, shape=(160, 200), hop=[0.3, 0.1, 0.2], drift=(0.01, 0.005), wander=0.01,
        electrons=2000, instrument=Instrument(background=0.1), random_state=5,
    )  # fmt: skip


def brightness(movie, rows):
    """Counts in the 5 x 5 pixels around each row, over those of a usual site of the metal."""
    pixels = movie.data.values
    x, y, t = (rows[name].to_numpy().round().astype(int) for name in ("x", "y", "frame"))
    return np.array([pixels[k, j - 2 : j + 3, i - 2 : i + 3].sum() for k, j, i in zip(t, y, x, strict=True)])


def test_a_movie_shows_each_state_where_it_is_planted(movie):
    assert movie.data.dims == ("time", "y", "x")
    assert movie.data.time.attrs["units"] == "s"
    assert float(movie.data.time[1]) == 2.25
    inner = movie.truth.query("4 < x < 195 and 4 < y < 155")
    values = brightness(movie, inner)
    bright = np.quantile(movie.data.values, 0.99) * 25 / 2
    dopant = (inner["label"] == "dopant").to_numpy()
    assert values[dopant].min() > values[~dopant].max()
    assert values[dopant].max() < bright


def test_hops_go_to_the_next_site(movie):
    truth = movie.truth.merge(movie.extras["drift"], on="frame", suffixes=("", "_drift"))
    still = truth[["x_nm", "y_nm"]].to_numpy() - truth[["x_nm_drift", "y_nm_drift"]].to_numpy()
    truth[["x_nm", "y_nm"]] = still
    steps = truth.sort_values(["particle", "frame"]).groupby("particle")[["x_nm", "y_nm"]].diff().dropna()
    length = np.hypot(*steps.to_numpy().T)
    spacing = movie.extras["spacing_nm"]
    assert abs(spacing - 0.3154) < 1e-3
    assert np.all((length < 1e-6) | (abs(length - spacing) < 1e-3))
    assert 0 < (length > 0.1).mean() < 0.4
    assert np.allclose(movie.extras["diffusion"], [h * spacing**2 / 9 for h in (0.3, 0.1, 0.2)])
    # No two on one site
    for _, frame in truth.groupby("frame"):
        assert (
            cKDTree(frame[["x_nm", "y_nm"]]).query(frame[["x_nm", "y_nm"]], 2)[0][:, 1].min() > 0.9 * spacing
        )


def test_holes_grow_and_swallow_defects():
    movie = movies.hopping(
        20,
        n_frames=10,
        shape=(128, 128),
        holes=2,
        growth=0.15,
        hop=0.0,
        appear=0.3,
        trapped=1.0,
        random_state=7,
    )
    holes = movie.extras["holes"]
    assert holes.groupby("frame")["radius_nm"].max().is_monotonic_increasing
    last = holes[holes["frame"] == 9]
    y, x = np.mgrid[:128, :128]
    for hole in last.itertuples():
        inside = np.hypot(x - hole.x, y - hole.y) * 0.03 < hole.radius_nm - 0.2
        if inside.sum() > 30:
            assert movie.data.values[9][inside].mean() < 0.6 * movie.data.values[0][inside].mean()
        present = movie.truth.query("frame == 9")
        assert (np.hypot(present["x"] - hole.x, present["y"] - hole.y) * 0.03 >= hole.radius_nm).all()
    assert movie.truth["trapped"].all()
    assert movie.truth["particle"].max() >= 20
    place = movie.truth.groupby("particle")[["x", "y"]]
    assert (place.max() - place.min()).to_numpy().max() < 1e-9


def test_hops_prefer_a_direction_when_asked():
    movie = movies.hopping(
        60, n_frames=30, shape=(300, 300), hop=0.5, anisotropy=4.0, pixel_size=0.05, random_state=8
    )
    steps = (
        movie.truth.sort_values(["particle", "frame"]).groupby("particle")[["x_nm", "y_nm"]].diff().dropna()
    )
    square = (steps.to_numpy() ** 2).mean(axis=0)
    assert 3.2 < square[0] / square[1] < 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hop": 1.2}, "hop is a probability"),
        ({"n_defects": -1}, "n_defects must be a whole number"),
        ({"anisotropy": 0.2}, "at least 1/3"),
        ({"n_defects": 900}, "do not fit"),
        ({"matrix": [[1.0]]}, "3 are named"),
        ({"states": {"odd": (-1.0, 0)}}, "states are"),
    ],
)
def test_bad_input_of_movies_is_explained(options, message):
    with pytest.raises(ValueError, match=message):
        movies.hopping(**{"n_defects": 2, "n_frames": 2, "shape": (64, 64), **options})
