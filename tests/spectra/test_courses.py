"""A continuum that is bent or closed is one continuum, and clusters that lie on an arc are clusters."""

import numpy as np
import pytest

from atomlens import spectra
from atomlens._gap import Fold, gap_p_values
from atomlens.spectra._courses import course_p_values
from atomlens.spectra.selection import separation_p_value


def arc(n, degrees, rng):
    angle = np.radians(degrees) * (rng.uniform(size=n) - 0.5)
    return np.column_stack([np.sin(angle), np.cos(angle)])


def helix(n, rng):
    turn = 4 * np.pi * rng.uniform(size=n)
    return np.column_stack([np.cos(turn), np.sin(turn), turn / 3])


COURSES = {
    "straight": lambda n, rng: 3 * rng.uniform(size=(n, 2)) * [1, 0],
    "arc": lambda n, rng: arc(n, 180, rng),
    "horseshoe": lambda n, rng: arc(n, 270, rng),
    "ring": lambda n, rng: arc(n, 360, rng),
    "helix": helix,
}


def embedded(points, dimensions, noise, rng):
    turned = np.linalg.qr(rng.normal(size=(dimensions, points.shape[1])))[0]
    return points @ turned.T + noise * rng.normal(size=(len(points), dimensions))


def moving_peak(shift, counts, rng, shape=(40, 40)):
    """A peak that moves evenly across the scan, by so many of its widths."""
    energy = np.linspace(0, 40, 200)
    place = 20 + 2.5 * shift * (np.linspace(0, 1, shape[1]) - 0.5)
    peak = np.exp(-(((energy - place[:, None]) / 2.5) ** 2) / 2) + 0.05
    peak /= peak.sum(axis=1, keepdims=True)
    return rng.poisson(counts * np.broadcast_to(peak, (*shape, 200)))


@pytest.mark.parametrize("course", COURSES)
@pytest.mark.parametrize("dimensions", [3, 10])
def test_even_courses_are_not_split_more_often_than_alpha(course, dimensions):
    n_trials, p = 12, []
    for seed in range(n_trials):
        rng = np.random.default_rng(seed)
        points = embedded(COURSES[course](700, rng), dimensions, 0.1, rng)
        p.append(separation_p_value(points, 2 + seed % 2, random_state=seed))
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / n_trials)


def test_noise_that_grows_along_the_course_makes_no_clusters():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        angle = np.pi * rng.uniform(size=800)
        points = np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])
        points += (0.02 + 0.06 * angle)[:, None] * rng.normal(size=points.shape)
        assert separation_p_value(points, 2, random_state=seed) > 0.05


def test_clusters_on_an_arc_are_found_each():
    rng = np.random.default_rng(0)
    place = np.radians([0, 90, 180])[rng.integers(0, 3, 900)]
    points = embedded(np.column_stack([np.cos(place), np.sin(place)]), 5, 0.15, rng)
    assert separation_p_value(points, 3) < 0.001
    assert separation_p_value(points, 4) > 0.05


@pytest.mark.parametrize(("distance", "share", "dimensions"), [(3.5, 0.5, 10), (5, 0.5, 3), (6, 0.1, 3)])
def test_close_and_small_clusters_are_still_told_apart(distance, share, dimensions):
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        points = rng.normal(size=(2000, dimensions))
        points[rng.uniform(size=2000) < share, 0] += distance
        found.append(separation_p_value(points, 2, random_state=seed) <= 0.05)
    assert np.mean(found) > 0.8


@pytest.mark.parametrize(("middle", "clusters"), [(1.0, False), (0.1, True)])
def test_a_sparse_middle_is_a_valley_on_a_bent_course_too(middle, clusters):
    rng = np.random.default_rng(0)
    angle = np.pi * rng.uniform(size=4000)
    kept = (abs(angle - np.pi / 2) > 0.4) | (rng.uniform(size=4000) < middle)
    points = np.column_stack([np.cos(angle), np.sin(angle)])[kept]
    points = points + 0.05 * rng.normal(size=points.shape)
    assert (separation_p_value(points, 2) <= 0.05) == clusters


@pytest.mark.parametrize("shift", [2, 4, 6])
def test_a_peak_that_moves_evenly_is_a_continuum(shift):
    data = moving_peak(shift, 2000, np.random.default_rng(shift))
    choice = spectra.choose_k(data, range(1, 6), n_resamples=1)
    assert choice.recommended == 1
    assert "continuum" in choice.reasons.reason["null_p"]


def test_the_straight_line_alone_would_have_cut_the_arc():
    rng = np.random.default_rng(0)
    points = arc(1200, 180, rng) + 0.05 * rng.normal(size=(1200, 2))
    labels = (points[:, 0] > 0).astype(int)
    centres = np.array([points[:600][labels[:600] == c].mean(axis=0) for c in range(2)])
    fold = Fold(points[:600], labels[:600], points[600:], labels[600:], centres)
    assert gap_p_values([fold])[0, 1] < 0.01
    along = course_p_values(fold)
    assert along[0, 1] == along[1, 0] > 0.05
    assert np.diag(along).tolist() == [1, 1]


def test_the_unit_of_the_data_does_not_matter():
    points = arc(600, 180, np.random.default_rng(0))
    p = [separation_p_value(scale * points, 2) for scale in (1e-4, 1.0, 1e4)]
    assert p[0] == pytest.approx(p[1], rel=1e-6)
    assert p[2] == pytest.approx(p[1], rel=1e-6)


def test_too_few_points_and_identical_points_say_nothing():
    points = np.arange(12.0).reshape(6, 2)
    labels = np.repeat([0, 1], 3)
    assert course_p_values(Fold(points, labels, points, labels, points[:2]))[0, 1] == 1
    points, labels = np.zeros((40, 2)), np.arange(40) % 2
    assert course_p_values(Fold(points, labels, points, labels, points[:2]))[0, 1] == 1


@pytest.mark.parametrize("degrees", [180, 360])
def test_a_handful_of_spectra_on_a_bend_is_not_cut(degrees):
    n_trials = 4
    p = [
        separation_p_value(embedded(arc(40, degrees, rng), 3, 0.1, rng), 2)
        for rng in map(np.random.default_rng, range(n_trials))
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / n_trials)
