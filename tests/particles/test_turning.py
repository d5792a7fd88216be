"""Rotational diffusion and tails of steps, against what was planted."""

import numpy as np
import pandas as pd
import pytest

from atomlens import particles


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


def test_tables_without_turns_are_refused():
    with pytest.raises(ValueError, match="lack turn"):
        particles.rotational_diffusion(pd.DataFrame({"frame": [0], "particle": [0]}))


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
