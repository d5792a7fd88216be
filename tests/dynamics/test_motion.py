"""Free, confined, or with an exponent: against planted motion."""

import warnings

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from atomlens import dynamics
from atomlens.dynamics._steps import Steps
from atomlens.dynamics.freedom import _bound, _Pieces
from atomlens.simulate import movies


def planted(**options):
    chosen = {"n_particles": 8, "n_frames": 60, "localisation": 0.01, "shape": (9000, 9000), **options}
    sample = movies.tracks(**chosen)
    return sample.data.assign(particle=sample.extras["particle"]).query("particle >= 0")


@pytest.mark.parametrize("exponent", [0.6, 1.0, 1.4])
def test_exponents_are_in_their_intervals(exponent):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where no spring explains it
        found = [dynamics.motion(planted(exponent=exponent, random_state=s)) for s in range(12)]
    inside = [f.exponent_interval[0] < exponent < f.exponent_interval[1] for f in found]
    assert sum(inside) >= 9
    assert abs(np.median([f.exponent for f in found]) - exponent) < 0.12
    assert max(np.ptp(f.exponent_interval) for f in found) < 0.9


def test_free_particles_are_seldom_called_confined_and_bound_ones_always():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one exponent in twenty is not within its interval
        free = [dynamics.motion(planted(missed=0.1, random_state=s)) for s in range(30)]
    assert sum(f.verdict == "confined" for f in free) <= 5
    bound = [dynamics.motion(planted(trap=0.08, missed=0.1, random_state=s)) for s in range(6)]
    assert all(b.verdict == "confined" for b in bound)
    assert abs(np.median([b.trap for b in bound]) / 0.08 - 1) < 0.2
    assert all(b.p_free < 0.01 for b in bound)


def test_the_likelihood_is_that_of_a_spring_seen_through_exposures():
    """Covariances of steps from places in a spring, averaged over a fine grid of times."""
    table = planted(n_particles=1, n_frames=7).query("frame != 3")
    steps = Steps.of(table)
    pieces = _Pieces(steps, 48, 0.5, np.random.default_rng(0))
    rate, noise = 0.4, 0.3
    fine = (np.arange(200) + 0.5) / 200 * 0.5
    times = table["frame"].to_numpy()
    at = times[:, None] + fine
    kernel = np.exp(-rate * np.abs(at[:, None, :, None] - at[None, :, None, :])).mean(axis=(2, 3))
    places = kernel / -np.expm1(-rate) / 2 + noise * np.eye(len(times))
    change = np.diff(np.eye(len(times)), axis=0)
    cov = change @ places @ change.T
    moved = steps.moved / np.sqrt((steps.moved**2).mean())
    expected = -2 * sum(multivariate_normal(cov=cov).logpdf(moved[:, k]) for k in (0, 1))
    logs, squares = pieces._terms(_bound, [np.log(noise), np.log(rate)])
    assert float(logs[0] + squares[0] + moved.size * np.log(2 * np.pi)) == pytest.approx(expected, rel=1e-3)


def test_long_tracks_are_cut_and_many_are_drawn():
    tracks = planted(n_particles=500, n_frames=12)
    assert dynamics.motion(tracks).n_steps == len(Steps.of(tracks))
    found = dynamics.motion(planted(n_frames=100), window=10)
    assert 0.4 < found.exponent < 1.6


def test_an_exposure_of_the_whole_frame_is_allowed_for():
    tracks = planted(exposure=2.0, dt=2.0, n_particles=30, localisation=0.0, random_state=2)
    found = dynamics.motion(tracks, dt=2.0, exposure=2.0)
    assert found.exponent_interval[0] < 1 < found.exponent_interval[1]
    # Places that are means look as if steps went on, if nobody says so.
    with pytest.warns(UserWarning, match="look for drift"):
        assert dynamics.motion(tracks).exponent_interval[0] > 1


def test_too_little_is_unknown():
    with pytest.warns(UserWarning, match="do not tell how particles move"):
        found = dynamics.motion(planted(n_particles=2, n_frames=4))
    assert found.verdict == "unknown"
    assert found.exponent_interval == (0.0, 2.0)
    assert np.isnan(found.p_free)
    assert "doubt" in repr(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exposure": 2.0}, "exposure must lie"),
        ({"dt": 0.0}, "dt must be"),
        ({"window": 2}, "window is a whole"),
        ({"level": 0.0}, "level"),
    ],
)
def test_bad_input_is_explained(options, message):
    with pytest.raises(ValueError, match=message):
        dynamics.motion(planted(n_particles=2, n_frames=4), **options)
