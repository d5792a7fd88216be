"""Level frames: what the microscope added is gone, and what is on the surface stays."""

import numpy as np
import pandas as pd
import pytest

from atomlens import particles, simulate
from atomlens.simulate.particles import Afm

POOR = Afm(noise=0.2, line_step=0.5, tilt=(6, -4), scars=4, scar_height=3)
CLEAN = Afm(noise=0.2)


@pytest.mark.parametrize("kind", ["rod", "tile", "chiral"])
@pytest.mark.parametrize("coverage", [0.05, 0.3])
def test_tilt_and_steps_are_gone(kind, coverage):
    """The same surface, scanned by a poor microscope and a good one."""
    poor, clean = (
        simulate.particles.scattered(kind, coverage=coverage, microscope=one, random_state=4).data
        for one in (POOR, CLEAN)
    )
    off = particles.level(poor).values - clean.values
    assert np.abs(np.median(off)) < 0.2
    assert np.percentile(np.abs(off), 95) < 0.8


def test_a_surface_that_is_nearly_full_stays_as_high():
    """Rods in lattices along the scan cover four fifths of many lines."""
    movie = {"n_frames": 15, "n_domains": 5, "growth": 3.0, "hop": 0, "random_state": 3}
    poor, clean = (
        simulate.particles.assembly("rod", **movie, microscope=one).data[-1]
        for one in (Afm(noise=0.3, line_step=0.2, tilt=(2, 1)), Afm(noise=0.3))
    )
    off = particles.level(poor).values - clean.values
    assert np.percentile(np.abs(off - np.median(off)), 90) < 1.2  # of rods that are 5 nm high


@pytest.mark.parametrize("noise", [0.3, 0.8, 1.5])
def test_a_crowd_does_not_pull_lines_whatever_the_noise(noise):
    """Touching particles cover most of each line; noise of a third of their height joins the classes."""
    crowd = {"coverage": 0.35, "touching": True, "random_state": 8}
    poor, clean = (
        simulate.particles.scattered("chiral", **crowd, microscope=one).data
        for one in (Afm(noise=noise, line_step=0.2, tilt=(2, 1)), Afm(noise=0.01))
    )
    lines = np.median(particles.level(poor).values - clean.values, axis=1)
    assert lines.std() < 0.1 + 0.2 * noise
    assert abs(np.median(lines)) < 0.1 + 0.4 * noise


def test_scars_are_gone():
    frame = np.random.default_rng(0).normal(0, 0.1, (64, 64))
    frame[20, 10:50] += 5
    assert np.abs(particles.level(frame).values[20]).max() < 1


def test_coordinates_stay():
    sample = simulate.particles.scattered("rod", shape=(64, 64))
    flat = particles.level(sample.data)
    assert flat.x.equals(sample.data.x)
    assert flat.attrs == sample.data.attrs


@pytest.mark.parametrize("frame", [np.zeros((4, 4)), np.zeros((3, 32, 32)), np.full((32, 32), np.inf)])
def test_what_is_no_frame_is_refused(frame):
    with pytest.raises(ValueError, match=r"frame|heights"):
        particles.level(frame)


@pytest.mark.parametrize(("kind", "symmetry"), [("rod", 2), ("tile", 4), ("hexagon", 6)])
def test_moments_know_the_angle_of_symmetric_particles(kind, symmetry):
    sample = simulate.particles.scattered(kind, coverage=0.15, random_state=5)
    found = particles.by_moments(sample.data, sample.truth, symmetry=symmetry, radius=11)
    error = np.mod(found.theta - sample.truth.theta + 180 / symmetry, 360 / symmetry) - 180 / symmetry
    # The zero of a particle may lie between its corners.
    error = error - (180 / symmetry) * np.round(np.median(np.abs(error)) / (180 / symmetry)) * np.sign(error)
    assert np.median(np.abs(error)) < 3


def test_templates_find_what_they_were_cut_from():
    sample = simulate.particles.scattered("chiral", coverage=0.15, random_state=6)
    inner = sample.truth[sample.truth[["x", "y"]].min(axis=1) > 14]
    found = particles.by_template(sample.data, inner, symmetry=3, radius=11)
    where = {"border": 12, "shape": sample.data.shape}
    score = particles.agreement(found, sample.truth, symmetry=3, tolerance=4, **where)
    assert score.f1 > 0.9
    assert score.median_error < 2


@pytest.mark.parametrize("step", [0, -1, 200])
def test_steps_of_angle_that_cannot_be_are_refused(step):
    labels = pd.DataFrame({"x": [20.0], "y": 20.0, "theta": 0.0})
    with pytest.raises(ValueError, match="step"):
        particles.by_template(np.eye(64), labels, symmetry=2, radius=9, step=step)


def test_a_radius_that_is_none_is_refused():
    with pytest.raises(ValueError, match="radius"):
        particles.by_moments(np.eye(64), pd.DataFrame({"x": [9.0], "y": 9.0}), symmetry=2, radius=0)


def test_agreement_by_hand():
    planted = pd.DataFrame({"x": [10.0, 30, 50], "y": 10.0, "theta": [1.0, 90, 45]})
    found = pd.DataFrame({"x": [10.5, 30, 90], "y": 10.0, "theta": [179.0, 93, 0], "theta_err": [1.0, 3, 1]})
    score = particles.agreement(found, planted, symmetry=2, tolerance=3)
    assert score.f1 == pytest.approx(2 / 3)
    assert score.error.tolist() == [-2, 3]
    assert score.z.tolist() == [-2, 1]
