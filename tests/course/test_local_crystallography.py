"""Right answers pass, wrong ones get a hint, open ones stay open; students differ."""

import numpy as np
import pandas as pd
import pytest

from atomlens import crystallography, lattice
from atomlens.course import local_crystallography
from atomlens.course.local_crystallography import Exercise
from atomlens.course.record import Record
from atomlens.crystallography import LocalCrystallography

TABLES = ("strained", "film", "domain", "mixture", "vacant", "wave")


@pytest.fixture(scope="module")
def exercise():
    return Exercise("Ada Lovelace")


@pytest.fixture(autouse=True)
def verdicts_do_not_raise(monkeypatch):
    monkeypatch.delenv("ATOMLENS_CHECK", raising=False)


def clustered(table, n_clusters):
    return LocalCrystallography(n_clusters=n_clusters, center="Ti", neighbors="Pb").fit(table)


def test_students_have_their_own_samples_and_everyone_the_same_one_again(exercise):
    again, other = Exercise(" ada lovelace"), Exercise("Marie Curie")
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(exercise, name), getattr(again, name))
        assert not getattr(exercise, name).equals(getattr(other, name))
    for ours, same, theirs in zip(exercise.suspects, again.suspects, other.suspects, strict=True):
        pd.testing.assert_frame_equal(ours, same)
        assert not ours.equals(theirs)
    np.testing.assert_array_equal(exercise.vectors, again.vectors)
    assert not np.array_equal(exercise.vectors, other.vectors)


def test_the_plans_behind_the_samples_differ_from_student_to_student():
    students = [Exercise(f"student {n}") for n in range(6)]
    assert {s._has_other for s in students} == {True, False}
    assert {s._n_variants for s in students} == {2, 3, 4}
    assert len({tuple(s._n_polar) for s in students}) > 2
    assert len({tuple(s._q) for s in students}) > 3
    assert len({tuple(s._n_vacancies) for s in students}) > 4


@pytest.mark.parametrize("student", ["Ada Lovelace", "Marie Curie", "Max von Laue", "C. V. Raman"])
def test_every_student_can_solve_theirs(student):
    exercise = Exercise(student)
    found = lattice.estimate(exercise.strained)
    assert exercise.check_lengths(found.lengths * found.pixel_size_nm)
    assert exercise.check_gamma(found.angle)
    assert exercise.check_labels(clustered(exercise.film, 4).labels_)

    shift = crystallography.displacements(exercise.domain, center="Ti", neighbors="Pb")
    dx, dy = shift.dx_pm.mean(), shift.dy_pm.mean()
    assert exercise.check_displacement(np.hypot(dx, dy))
    assert exercise.check_direction(np.degrees(np.arctan2(dy, dx)))
    assert exercise.check_direction(np.degrees(np.arctan2(dy, dx)) + 360)
    turned = np.stack([-exercise.vectors[..., 1], exercise.vectors[..., 0]], axis=-1)
    assert exercise.check_turned(turned[:, [3, 0, 1, 2]])

    settings = LocalCrystallography(center="Ti", neighbors="Pb")
    choice = crystallography.choose_n_clusters(exercise.mixture, range(1, 8), estimator=settings)
    mixture = clustered(exercise.mixture, choice.recommended)
    ferroic = mixture.verdict_.ferroic.to_numpy()
    assert exercise.check_n_labels(choice.recommended)
    assert exercise.check_n_variants(mixture.verdict_.n_variants[ferroic].sum())
    assert exercise.check_undisplaced(~ferroic[mixture.phase_labels_])

    verdicts = [clustered(table, 2).verdict_ for table in exercise.suspects]
    assert exercise.check_p_values([verdict.p_value.min() for verdict in verdicts])
    assert exercise.check_suspects([int(v.n_variants[v.ferroic].sum()) for v in verdicts])

    indexed = lattice.index(exercise.vacant)
    sublattice = indexed.attrs["lattice"].sites.label[lattice.empty_sites(indexed).site]
    assert exercise.check_vacancies([(sublattice == name).sum() for name in ("Pb", "Ti")])

    hoods = lattice.neighbour_vectors(exercise.wave, center="Ti", neighbors="Pb")
    q = crystallography.superlattices(hoods).loc[0, ["q_a", "q_b"]].to_numpy(dtype=float)
    assert exercise.check_wave(q)
    assert exercise.check_wave(-q)
    assert exercise.check_wave(np.where(q == 0, q, q - 1))  # whole cycles make no difference
    phases = np.exp(2j * np.pi * q @ np.mgrid[:4, :4].reshape(2, -1)).round(1)
    assert exercise.check_multiple(len(np.unique(phases)))


WRONG = {
    "check_lengths": ([20.0, 20.0], 0.4, ["a", "b"], [[0.4], [0.4, 0.4]]),
    "check_gamma": (np.pi / 2, [90.0, 90.0], "right angle"),
    "check_labels": ([0, 1], [[0], [0, 1]], "four"),
    "check_displacement": (0.012, 25.0, pd.Series([10.0, 11.0]), np.nan, "long"),
    "check_direction": (np.inf, np.nan, [45.0, 45.0], "up"),
    "check_turned": (np.zeros((5, 4, 2)), np.zeros((4, 5, 2)), 90, "turned"),
    "check_n_labels": (1, 7, [3], "three"),
    "check_n_variants": (0, 5, [3], "three"),
    "check_undisplaced": ([True, False], "none", [[0], [0, 1]], {"a": 1}),
    "check_p_values": ([0, 0, 0], [1, 1, 1], [0.001, 0.5], [np.nan] * 3, [-1, 2, -1], "small", [0.1, ...]),
    "check_suspects": ([2, 2, 2], [0, 1], 3, "none"),
    "check_vacancies": ([0, 0], 5, {"Pb": 1}, [[1], [1, 2]], "some"),
    "check_wave": ([0.1, 0.4], [np.nan, np.inf], 0.5, ["a", "b"]),
    "check_multiple": (1, 8, [2, 2], "twice"),
}


@pytest.mark.parametrize("check", WRONG)
def test_wrong_and_malformed_answers_get_a_hint_and_open_ones_stay_open(exercise, check):
    for wrong in WRONG[check]:
        verdict = getattr(exercise, check)(wrong)
        assert verdict.state == "wrong"
        assert verdict.message
    for nothing in (..., None):
        assert getattr(exercise, check)(nothing).state == "open"


def test_likely_slips_are_told_from_right_answers(exercise):
    exercise.record = Record()
    found = lattice.estimate(exercise.strained)
    assert not exercise.check_lengths(found.lengths)
    blind = LocalCrystallography(n_clusters=4, center="Ti", neighbors="Ti").fit(exercise.film)
    assert "stay in place" in exercise.check_labels(blind.labels_).message
    assert "every point" in exercise.check_labels(np.zeros(len(blind.labels_))).message
    shift = crystallography.displacements(exercise.domain, center="Ti", neighbors="Pb")
    assert "mean of the lengths" in exercise.check_displacement(shift.magnitude_pm.mean()).message
    rotation = np.array([[0, -1], [1, 0]])
    for slip in (exercise.vectors @ rotation.T, np.roll(exercise.vectors @ rotation, -1, axis=1)):
        assert exercise.check_turned(slip).state == "wrong"
    truth = exercise._mixture.truth[exercise.mixture.sublattice == "Ti"]
    polar = truth.dx_nm.abs() + truth.dy_nm.abs() > 0
    assert exercise.check_undisplaced(~polar)
    assert not exercise.check_undisplaced(polar)


def test_a_sample_that_chance_made_misleading_is_drawn_anew(monkeypatch):
    draws = iter([0.0, 0.0, 25.0])
    real = local_crystallography._polar
    monkeypatch.setattr(
        local_crystallography, "_polar", lambda rng, v, polar, **o: real(rng, v, next(draws), **o)
    )
    sample = local_crystallography._drawn(np.random.default_rng(0), (0, 180), 25.0, 2, clusters=2)
    assert sample.truth.dx_nm.max() == pytest.approx(0.025)
    assert next(draws, None) is None
