"""Rotational diffusion and tails of steps, against what was planted."""

import numpy as np
import pandas as pd
import pytest

from atomlens import particles, simulate


def tracks_of(turns):
    """A table of turns, shape (particles, frames)."""
    particle, frame = np.indices(turns.shape)
    return pd.DataFrame({"frame": frame.ravel(), "particle": particle.ravel(), "turn": turns.ravel()})


def planted(rng, d, noise, n=30, frames=80):
    return rng.normal(0, np.sqrt(2 * d), (n, frames)).cumsum(1) + rng.normal(0, noise, (n, frames))


@pytest.mark.filterwarnings("ignore:no turning beyond the noise")
@pytest.mark.parametrize(("d", "noise"), [(4.0, 1.0), (1.0, 3.0), (0.2, 2.0)])
def test_the_interval_holds_what_was_planted(d, noise):
    held, noises = [], []
    for seed in range(60):
        found = particles.rotational_diffusion(tracks_of(planted(np.random.default_rng(seed), d, noise)))
        held.append(found.interval[0] <= d <= found.interval[1])
        noises.append(found.noise)
    assert np.mean(held) >= 0.85
    assert abs(np.mean(noises) - noise) < 0.1 * noise + 0.05


def test_noise_alone_is_no_motion():
    rng = np.random.default_rng(1)
    with pytest.warns(UserWarning, match="no turning beyond the noise"):
        found = particles.rotational_diffusion(tracks_of(rng.normal(0, 3, (30, 80))))
    assert found.interval[0] == 0
    assert found.naive > 8  # what noise pretends to be


def test_time_and_gaps_count():
    held = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        table = tracks_of(planted(rng, 2.0, 1.0))
        table = table[rng.random(len(table)) > 0.2]
        found = particles.rotational_diffusion(table, dt=0.5)
        held.append(found.interval[0] < 4.0 < found.interval[1])
    assert found.unit == "deg²/s"
    assert np.mean(held) >= 0.85


def test_too_little_is_said():
    with pytest.warns(UserWarning, match="nothing is known of turning"):
        found = particles.rotational_diffusion(tracks_of(np.zeros((1, 2))))
    assert found.interval == (0.0, np.inf)
    assert np.isnan(found.coefficient)


@pytest.mark.parametrize("dt", [0, -1, np.inf])
def test_impossible_times_are_refused(dt):
    with pytest.raises(ValueError, match="dt"):
        particles.rotational_diffusion(tracks_of(np.zeros((2, 9))), dt=dt)


def hopping_tracks(kind, symmetry, hop, seed, **link):
    scene = {"n_frames": 30, "n_domains": 5, "rattle": 2, "hop": hop}
    truth = simulate.particles.assembly(kind, **scene, random_state=seed).truth
    return particles.link(truth.drop(columns="particle"), symmetry=symmetry, **link)


def test_tables_without_turns_are_refused():
    with pytest.raises(ValueError, match="lack turn"):
        particles.rotational_diffusion(pd.DataFrame({"frame": [0], "particle": [0]}))


@pytest.mark.filterwarnings("ignore:.*(have another one within the search range|end at once)")
@pytest.mark.parametrize(("kind", "symmetry", "hop"), [("rod", 2, 0.04), ("chiral", 3, 0.1)])
def test_jumps_of_domains_are_counted_once(kind, symmetry, hop):
    held, turns, rates = [], [], []
    for seed in range(100, 112):
        tracks = hopping_tracks(kind, symmetry, hop, seed)
        found = particles.jumps(tracks, symmetry=symmetry, reach=24, dt=2.0)
        assert found.unit == "s"
        rates.append(2 * found.rate)
        held.append(found.interval[0] <= hop / 2 <= found.interval[1])
        turns += found.events.turn.abs().tolist()
    assert np.mean(held) >= 0.8
    assert np.mean(rates) == pytest.approx(hop, rel=0.25)
    assert np.mean(np.abs(np.array(turns) - 60) < 15) >= 0.9  # domains that touch are at times taken for one


@pytest.mark.filterwarnings("ignore:.*have another one within the search range")
def test_jumps_that_end_the_tracks_are_told():
    with pytest.warns(UserWarning, match="most tracks of a domain end at once"):
        found = particles.jumps(hopping_tracks("rod", 2, 0.1, 1, search_range=4.0), symmetry=2, reach=24)
    assert "search_range" in repr(found)
    assert not particles.jumps(
        hopping_tracks("rod", 2, 0.1, 1, search_range=12.0), symmetry=2, reach=24
    ).doubts


def test_rattling_is_no_jump():
    scene = {"n_frames": 20, "n_domains": 3, "rattle": 4, "hop": 0}
    truth = simulate.particles.assembly(**scene, random_state=1).truth
    tracks = particles.link(truth.drop(columns="particle"), symmetry=2, search_range=4.0)
    found = particles.jumps(tracks, symmetry=2, reach=24)
    assert len(found.events) == found.n_particles == 0
    assert found.interval[0] == found.rate == 0
    assert found.interval[1] < 0.2


def test_a_domain_that_turns_as_one_is_one_event():
    """Nine rods in a square that all turn by 60 degrees between two frames, and one that stays."""
    grid = np.stack(np.meshgrid(np.arange(3), np.arange(3)), -1).reshape(-1, 2) * 10.0
    rows = [
        {"frame": t, "particle": n, "x": x, "y": y, "theta": (60 * (t >= 2)) % 180, "turn": 60.0 * (t >= 2)}
        for t in range(5)
        for n, (x, y) in enumerate(grid)
    ]
    still = [{"frame": t, "particle": 9, "x": 200.0, "y": 0.0, "theta": 5, "turn": 0.0} for t in range(5)]
    found = particles.jumps(pd.DataFrame(rows + still), symmetry=2, reach=12)
    assert found.events.to_dict("records") == [{"frame": 1, "domain": 0, "particles": 9, "turn": 60.0}]
    assert found.exposure == 8
    assert found.rate == 1 / 8


@pytest.mark.filterwarnings("ignore:no particle is seen")
@pytest.mark.parametrize(
    ("change", "said"), [({"least": 0}, "least"), ({"least": 91}, "least"), ({"dt": 0}, "dt")]
)
def test_jumps_that_cannot_be_counted_are_refused(change, said):
    table = pd.DataFrame({"frame": [0], "particle": 0, "x": 1.0, "y": 1.0, "theta": 0.0, "turn": 0.0})
    with pytest.raises(ValueError, match=said):
        particles.jumps(table, symmetry=2, reach=9, **change)
    with pytest.raises(ValueError, match="lack turn"):
        particles.jumps(table.drop(columns="turn"), symmetry=2, reach=9)
    assert particles.jumps(table, symmetry=2, reach=9).interval == (0.0, np.inf)


def steps_of(kind, rng, n=1500):
    if kind == "normal":
        return rng.normal(0, 3, n)
    if kind == "rattle and hops":
        return np.where(rng.random(n) < 0.9, rng.normal(0, 2, n), rng.normal(0, 15, n))
    return 2 * rng.standard_t(1.5, n)


@pytest.mark.parametrize("kind", ["normal", "rattle and hops", "heavy tail"])
def test_what_was_drawn_is_recognised(kind):
    best = [particles.step_tails(steps_of(kind, np.random.default_rng(seed))).best for seed in range(5)]
    assert best.count(kind) >= 4


def test_the_exponent_is_that_of_the_tail():
    found = particles.step_tails(steps_of("heavy tail", np.random.default_rng(9), 4000))
    assert abs(found.exponent - 1.5) < 0.2


@pytest.mark.parametrize(
    ("steps", "said"), [(np.zeros(9), "9 steps"), (np.zeros(99), "alike"), (np.full(99, np.nan), "NaN")]
)
def test_steps_that_say_nothing_are_refused(steps, said):
    with pytest.raises(ValueError, match=said):
        particles.step_tails(steps)
