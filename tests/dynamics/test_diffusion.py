"""Diffusion coefficients against planted ones, other implementations, and formulas of textbooks."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from atomlens import doubts, dynamics
from atomlens.dynamics._steps import Brownian, Steps
from atomlens.simulate import movies

D = 2e-3


def planted(**options):
    """Tracks with their true links, far from any border."""
    chosen = {"n_particles": 20, "n_frames": 60, "diffusion": D, "shape": (9000, 9000), **options}
    sample = movies.tracks(**chosen)
    return sample.data.assign(particle=sample.extras["particle"]).query("particle >= 0")


def line(particle, frames, x, y=0.0):
    return pd.DataFrame({"frame": frames, "particle": particle, "x": x, "y": y})


def test_the_likelihood_is_that_of_a_gaussian_with_gaps_and_exposure():
    """Against covariances of places, built one by one."""
    frames = {0: [0, 1, 2, 5, 6, 9], 1: [3, 4, 6, 7]}
    rng = np.random.default_rng(0)
    table = pd.concat(
        [line(p, f, rng.normal(size=len(f)), rng.normal(size=len(f))) for p, f in frames.items()]
    )
    model = Brownian(Steps.of(table), Steps.of(table).moved, 0.6)
    for d, q in ((0.5, 0.2), (0.1, 3.0)):
        expected = 0.0
        for particle, times in frames.items():
            t = np.array(times, dtype=float)
            # Means over 0.6 of a frame: less of their variance is their own, by a third of that.
            places = 2 * d * np.minimum.outer(t, t) + np.diag(np.full(len(t), -2 * d * 0.6 / 6 + q * d))
            change = np.diff(np.eye(len(t)), axis=0)
            cov = change @ places @ change.T
            for axis in "xy":
                steps = np.diff(table.loc[table["particle"] == particle, axis])
                expected -= 2 * multivariate_normal(cov=cov).logpdf(steps)
        logs, square = model._sums(q)
        found = logs + model.n * np.log(d) + square / d + model.n * np.log(2 * np.pi)
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("method", ["likelihood", "covariance", "msd"])
@pytest.mark.parametrize(
    "options", [{}, {"localisation": 0.03, "missed": 0.1}, {"exposure": 1.0, "localisation": 0.01}]
)
def test_intervals_hold_the_truth_and_are_no_wider_than_need_be(method, options):
    inside, low, high, noise = [], [], [], []
    for seed in range(25):
        tracks = planted(**options, random_state=500 + seed)
        found = dynamics.diffusion(tracks, dt=1.0, exposure=options.get("exposure", 0.0), method=method)
        inside.append(found.interval[0] < D < found.interval[1])
        low.append(found.interval[0])
        high.append(found.interval[1])
        noise.append(found.localisation)
    assert sum(inside) >= 20
    assert 0.05 < np.median(np.subtract(high, low)) / D < 0.45
    assert abs(np.median(noise) - options.get("localisation", 0.0)) < 0.015


def test_units_follow_time_and_calibration():
    tracks = planted(localisation=0.01)
    frame, second, pixel = (
        dynamics.diffusion(tracks),
        dynamics.diffusion(tracks, dt=2.0),
        dynamics.diffusion(tracks.drop(columns=["x_nm", "y_nm"])),
    )
    assert frame.unit, second.unit == ("nm²/frame", "nm²/s")
    assert second.coefficient == pytest.approx(frame.coefficient / 2)
    assert pixel.unit == "px²/frame"
    assert pixel.coefficient * 0.03**2 == pytest.approx(frame.coefficient, rel=1e-3)
    assert "nm²/s" in repr(second)


def test_a_known_localisation_narrows_the_interval():
    tracks = planted(localisation=0.04, random_state=3)
    free, known = dynamics.diffusion(tracks, dt=1.0), dynamics.diffusion(tracks, dt=1.0, localisation=0.04)
    assert np.ptp(known.interval) < 0.8 * np.ptp(free.interval)
    assert known.interval[0] < D < known.interval[1]
    assert known.localisation_interval == (0.04, 0.04)
    assert free.localisation_interval[0] < 0.04 < free.localisation_interval[1]


def test_hops_of_a_lattice_widen_the_interval():
    rng = np.random.default_rng(0)
    inside, rate = [], 0.03
    for _ in range(25):
        steps = (
            0.3 * (rng.random((100, 20)) < rate) * np.exp(1j * np.pi / 3 * rng.integers(6, size=(100, 20)))
        )
        z = (
            np.cumsum(steps, axis=0)
            + rng.normal(0, 0.02, steps.shape)
            + 1j * rng.normal(0, 0.02, steps.shape)
        )
        frame, particle = np.indices(z.shape).reshape(2, -1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = dynamics.diffusion(line(particle, frame, z.real.ravel(), z.imag.ravel()))
        inside.append(found.interval[0] < rate * 0.3**2 / 4 < found.interval[1])
        assert found.inflation > 2
    assert sum(inside) >= 21
    assert any("hop from site to site" in said for said in doubts(found))


def test_what_a_drift_takes_is_put_back():
    ratios = []
    for seed in range(20):
        tracks = planted(n_particles=5, n_frames=80, drift=(0.02, 0.0), random_state=seed)
        still = dynamics.remove_drift(tracks)
        both = (still, still.drop(columns="drift_share"))
        ratios.append([dynamics.diffusion(table, dt=1.0).coefficient / D for table in both])
    with_share, without = np.mean(ratios, axis=0)
    assert abs(with_share - 1) < 0.08
    assert abs(without - 0.8) < 0.08  # one fifth is lost with five tracks


def test_anisotropy_is_found_with_its_direction_and_not_where_there_is_none():
    found = dynamics.diffusion(planted(anisotropy=2.5, angle=40.0, n_particles=40, random_state=1), dt=1.0)
    assert found.p_isotropic < 0.01
    assert found.anisotropy_interval[0] < 2.5 < found.anisotropy_interval[1]
    assert abs(found.angle - 40) < 8
    assert abs(found.coefficient / D - 1) < 0.15
    p = [dynamics.diffusion(planted(random_state=s, n_frames=30), dt=1.0).p_isotropic for s in range(30)]
    assert np.mean(np.array(p) < 0.1) < 0.3
    assert np.mean(p) > 0.3


def independent_msd(tracks, longest):
    """Pair by pair, with a join of the table to itself."""
    columns = tracks[["particle", "frame", "x_nm", "y_nm"]]
    both = columns.merge(columns, on="particle")
    lag = both["frame_y"] - both["frame_x"]
    square = (both["x_nm_y"] - both["x_nm_x"]) ** 2 + (both["y_nm_y"] - both["y_nm_x"]) ** 2
    return [square[lag == k].mean() for k in range(1, longest + 1)]


def test_the_curve_is_a_plain_mean_over_pairs():
    tracks = planted(missed=0.1, localisation=0.01, random_state=2)
    curve = dynamics.msd(tracks, dt=0.5, max_lag=8)
    other = independent_msd(tracks, 8)
    assert np.allclose(curve["lag_s"], 0.5 * np.arange(1, 9))
    assert np.allclose(curve["msd"], other)
    expected = 4 * D * curve["lag"] + 4 * 0.01**2
    assert (abs(curve["msd"] - expected) < 4 * curve["msd_err"]).all()
    assert curve["n"].is_monotonic_decreasing
    assert curve.attrs["unit"] == "nm²"


def test_the_published_estimator_is_six_times_low():
    ratios = [
        dynamics.published_estimator(planted(n_frames=200, random_state=s), dt=1.0) / D for s in range(12)
    ]
    assert abs(np.mean(ratios) - 1 / 6) < 0.015
    assert np.isnan(dynamics.published_estimator(line(0, [3], 1.0)))


@pytest.mark.parametrize("method", ["likelihood", "covariance", "msd"])
@pytest.mark.parametrize("frames", [[], [0], [0, 1]])
def test_too_little_is_an_interval_that_says_so(method, frames):
    table = line(0, frames, np.arange(len(frames)) * 1.0)
    with pytest.warns(UserWarning, match="no track has"):
        found = dynamics.diffusion(table, method=method)
    assert np.isnan(found.coefficient)
    assert found.interval == (0.0, np.inf)
    assert found.doubts
    assert "doubt" in repr(found)
    assert len(dynamics.msd(table)) == max(len(frames) - 1, 0)


def test_a_handful_of_steps_is_wide_and_no_crash():
    inside = []
    for seed in range(40):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = dynamics.diffusion(planted(n_particles=2, n_frames=4, random_state=seed), dt=1.0)
        inside.append(found.interval[0] <= D <= found.interval[1])
        assert found.interval[1] > 2 * found.coefficient
    assert sum(inside) >= 33


def test_many_tracks_of_two_points_need_a_known_noise():
    tracks = planted(n_particles=200, n_frames=2, localisation=0.02)
    with pytest.warns(UserWarning, match="pass the localisation"):
        assert dynamics.diffusion(tracks).interval == (0.0, np.inf)
    for method in ("likelihood", "covariance"):
        found = dynamics.diffusion(tracks, localisation=0.02, method=method)
        assert found.interval[0] < D < found.interval[1]


def test_a_bound_defect_may_not_diffuse_at_all():
    rng = np.random.default_rng(0)
    frame, particle = np.indices((80, 5)).reshape(2, -1)
    table = line(particle, frame, *rng.normal(0, 0.5, (2, 400)))
    with pytest.warns(UserWarning, match="no motion beyond the noise"):
        found = dynamics.diffusion(table)
    assert found.coefficient == found.interval[0] == 0
    assert np.isnan(found.anisotropy) or found.anisotropy_interval == (0.0, np.inf)
    assert found.interval[1] < 0.01
    assert abs(found.localisation - 0.5) < 0.05
    with pytest.warns(UserWarning, match="rounded"):
        assert np.isnan(dynamics.diffusion(line(particle, frame, 1.0)).coefficient)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "guess"}, "method must be one of"),
        ({"dt": 0.0}, "dt must be a positive"),
        ({"exposure": 2.0}, "exposure must lie"),
        ({"localisation": -1.0}, "localisation is a length"),
        ({"level": 1.0}, "level lies between"),
    ],
)
def test_bad_input_is_explained(options, message):
    with pytest.raises(ValueError, match=message):
        dynamics.diffusion(planted(n_particles=2, n_frames=4), **options)
    for bad in ({"dt": -1.0}, {"max_lag": 0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            dynamics.msd(planted(n_particles=2, n_frames=4), **bad)
