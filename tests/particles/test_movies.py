"""Movies: frames that are worse, tracks of place and angle, domains."""

import numpy as np
import pandas as pd
import pytest

from atomlens import datasets, dynamics, particles, simulate

MOVIE = {"n_frames": 20, "n_domains": 5, "growth": 3.0, "rattle": 2.0}


def linked_right(tracks, truth):
    """Share of planted steps, from frame to frame, that lie within one track."""
    key = tracks.set_index(["frame", "x", "y"]).particle
    seen = truth.assign(track=key.reindex(truth.set_index(["frame", "x", "y"]).index).to_numpy())
    seen = seen.sort_values(["particle", "frame"])
    before = seen.groupby("particle")[["frame", "track"]].shift()
    next_one = before.frame == seen.frame - 1
    return (before.track == seen.track)[next_one].mean()


@pytest.mark.filterwarnings("ignore:.*have another one within the search range")
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_growing_assembly_is_followed(seed):
    truth = simulate.particles.assembly(**MOVIE, hop=0, drift=(0.4, 0.2), random_state=seed).truth
    tracks = particles.link(truth.drop(columns="particle"), symmetry=2)
    assert linked_right(tracks, truth) >= 0.95


def test_angles_decide_where_places_do_not():
    """Two particles that change places, each of which keeps its angle."""
    t = np.arange(21)
    one = pd.DataFrame({"frame": t, "x": 40.0 + t, "y": 50.0, "theta": 10.0})
    two = pd.DataFrame({"frame": t, "x": 60.0 - t, "y": 50.4, "theta": 100.0})
    still = {"frame": np.repeat(t, 9), "x": np.tile(np.arange(9) * 40.0, 21), "y": 200.0, "theta": 50.0}
    everyone = pd.concat([one, two, pd.DataFrame(still)])
    tracks = particles.link(everyone, symmetry=2, search_range=4.0)
    assert tracks.groupby("particle").theta.agg(np.ptp).max() == 0


def test_turns_are_counted_on():
    theta = np.mod(17.0 * np.arange(40), 180)
    tracks = particles.link(
        pd.DataFrame({"frame": np.arange(40), "x": 5.0, "y": 5.0, "theta": theta}), symmetry=2
    )
    assert np.allclose(tracks.turn, 17.0 * np.arange(40))


@pytest.mark.parametrize(
    ("change", "said"), [({"theta": None}, "theta"), ({"symmetry": 0}, "symmetry"), ({"x": None}, "lacks x")]
)
def test_tables_that_cannot_be_linked_are_refused(change, said):
    table = pd.DataFrame({"frame": [0, 1], "x": 1.0, "y": 1.0, "theta": 1.0})
    table = table.drop(columns=[name for name in change if name in table])
    with pytest.raises(ValueError, match=said):
        particles.link(table, symmetry=change.get("symmetry", 2))


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ((np.zeros((3, 2)), 0.2), "a finite row for each of 2"),
        ((np.full((2, 1), np.nan), 1), "finite"),
        ((np.zeros((2, 1)), -1), "share"),
    ],
)
def test_what_is_beside_must_fit(beside, said):
    table = pd.DataFrame({"frame": [0, 1], "x": 1.0, "y": 1.0})
    with pytest.raises(ValueError, match=said):
        dynamics.link(table, beside=beside)


@pytest.mark.parametrize("seed", [21, 22])
def test_domains_are_those_that_were_planted(seed):
    scene = {"n_frames": 9, "n_domains": 4, "growth": 5.0, "rattle": 2.0, "hop": 0}
    movie = simulate.particles.assembly(**scene, random_state=seed)
    truth = movie.truth[movie.truth.frame == 8].rename(columns={"domain": "planted"})
    found = particles.domains(truth, symmetry=2, reach=25.0)
    angle = movie.extras["angles"][-1] % 180
    for _, group in found.groupby("domain"):
        if len(group) > 4:
            off = (group.domain_theta.iloc[0] - angle[group.planted.mode()[0]] + 90) % 180 - 90
            assert abs(off) < 2
            assert group.order.iloc[0] > 0.98
    assert found.domain_size[found.domain == 0].iloc[0] == (found.domain == 0).sum()


def test_neighbours_that_are_turned_otherwise_are_another_domain():
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(8), np.arange(8)), -1).reshape(-1, 2) * 10.0
    theta = np.where(grid[:, 0] < 40, 20.0, 70.0) + rng.normal(0, 2, 64)
    found = particles.domains(
        pd.DataFrame({"x": grid[:, 0], "y": grid[:, 1], "theta": theta}), symmetry=2, reach=12
    )
    assert found.domain.nunique() == 2
    assert (found.groupby("domain").theta.std() < 4).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [({"reach": 0}, "reach"), ({"tolerance": -1}, "tolerance"), ({"symmetry": 0}, "symmetry")],
)
def test_parameters_of_domains_are_checked(change, said):
    table = pd.DataFrame({"x": [1.0], "y": 1.0, "theta": 1.0})
    with pytest.raises(ValueError, match=said):
        particles.domains(table, **({"symmetry": 2, "reach": 5.0} | change))
    with pytest.raises(ValueError, match="lacks theta"):
        particles.domains(table[["x", "y"]], symmetry=2, reach=5.0)


def test_frames_that_fade_are_named():
    still = simulate.particles.scattered("chiral", coverage=0.2, random_state=3).data.values
    rng = np.random.default_rng(0)
    noise = [0.5] * 6 + [3.0] * 5 + [200.0] * 3
    movie = np.stack([still + rng.normal(0, sigma, still.shape) for sigma in noise])
    verdict = particles.frame_quality(movie).verdict
    assert (verdict[:6] == "good").all()
    assert verdict[8] == "worse"
    assert (verdict[12:] == "nothing").all()


def test_a_drifting_movie_is_as_good_as_a_still_one():
    still = simulate.particles.scattered("rod", coverage=0.2, random_state=3).data.values
    movie = np.stack([np.roll(still, (4 * t, -3 * t), (0, 1)) for t in range(6)])
    assert (particles.frame_quality(movie).likeness > 0.9).all()


def test_artefacts_that_agree_with_each_other_are_no_frames():
    still = simulate.particles.scattered("rod", coverage=0.2, random_state=3).data.values
    rng = np.random.default_rng(0)
    other = [rng.normal(0, 3, still.shape)] * 2
    movie = np.stack([*(still + rng.normal(0, 0.5, still.shape) for _ in range(5)), *other])
    assert particles.frame_quality(movie).verdict.tolist()[-2:] == ["nothing"] * 2


def test_short_movies_are_refused():
    with pytest.raises(ValueError, match="three frames"):
        particles.frame_quality(np.zeros((2, 32, 32)))


def test_the_protein_lattice_fades_from_frame_18_on():
    """What is known of the file: good at first, degraded at frame 20, noise at 31."""
    try:
        movie = datasets.load("hs_afm_lattice").data
    except datasets.DatasetUnavailableError as reason:
        pytest.skip(str(reason))
    verdict = particles.frame_quality(movie).verdict
    assert (verdict[:16] == "good").all()
    assert verdict[20] == "worse"
    assert verdict[31] == "nothing"
