"""Classes that are copies of one another are one state, symmetric ones are told, bright atoms are found."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from atomlens import dynamics, simulate, windows

SIDE = 45


def spots(*places, length=31, width=2.5):
    y, x = np.indices((length, length)) - length // 2
    return sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * width**2)) for a, b in places)


def at(radius, *degrees):
    return [(radius * np.cos(a), radius * np.sin(a)) for a in np.radians(degrees)]


CENTRE = (0, 0)
ONE = spots(CENTRE, *at(9, 0))  # a mirror
CHIRAL = spots(CENTRE, *at(9, 0), *at(6, 70))
THREE = spots(CENTRE, *at(9, 0, 120, 240))  # three turns, three mirrors


def test_turned_and_mirrored_copies_are_one_state():
    pictures = [ONE, spots(CENTRE, *at(9, 120)), CHIRAL, spots(CENTRE, *at(9, 60), *at(6, -10)), THREE,
                spots(CENTRE, *at(9, 60, 180, 300))]  # fmt: skip
    found = dynamics.equivalent_classes(pictures)
    assert found.states.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.symmetric.sum(axis=1).tolist() == [2, 2, 1, 1, 6, 6]
    assert (found.similarity[[0, 2, 4], [1, 3, 5]] > 0.98).all()
    turn, mirrored = found.operations.iloc[found.operation[0, 1]]
    assert turn % 360 == 120 or mirrored  # a mirror does the same to a picture that has one
    turn, mirrored = found.operations.iloc[found.operation[2, 3]]
    assert mirrored
    assert turn == 60
    assert len(found.state_means) == 3
    assert found.doubts == []


def test_without_mirrors_two_hands_are_two_states():
    other = spots(CENTRE, *at(9, 0), *at(6, -70))
    assert dynamics.equivalent_classes([CHIRAL, other, ONE]).states.tolist() == [0, 0, 1]
    assert dynamics.equivalent_classes([CHIRAL, other, ONE], mirrors=False).states.tolist() == [0, 1, 2]


def test_turns_are_those_of_the_host():
    pictures = [ONE, spots(CENTRE, *at(9, 90)), THREE]
    assert dynamics.equivalent_classes(pictures).states.tolist() == [0, 1, 2]
    assert dynamics.equivalent_classes(pictures, turns=4).states.tolist() == [0, 0, 1]


def test_the_mirror_lies_where_the_host_has_it():
    turned = spots(CENTRE, *at(9, 20), *at(6, 90))
    mirror_at_20 = spots(CENTRE, *at(9, 20), *at(6, -50))
    pictures = [turned, mirror_at_20, ONE]
    assert dynamics.equivalent_classes(pictures, rotation=20).states.tolist()[:2] == [0, 0]
    assert dynamics.equivalent_classes(pictures, rotation=0).states.tolist()[:2] == [0, 1]


def test_state_means_are_in_one_orientation():
    means = [ONE, spots(CENTRE, *at(9, 60)), CHIRAL]
    pictures = np.repeat(means, [5, 3, 4], axis=0)
    found = dynamics.equivalent_classes(pictures, np.repeat([0, 1, 2], [5, 3, 4]))
    assert found.counts.tolist() == [5, 3, 4]
    assert np.abs(found.state_means[0] - ONE).max() < 0.03
    assert found.onto[0] == 0


def test_noise_is_corrected_for():
    rng = np.random.default_rng(3)
    kinds = [spots(CENTRE, *at(9, 60 * k)) for k in range(6)] + [CHIRAL, THREE]
    labels = np.repeat(np.arange(8), 8)
    pictures = np.array(kinds)[labels] + rng.normal(0, 0.3, (64, 31, 31))
    found = dynamics.equivalent_classes(pictures, labels)
    raw = dynamics.equivalent_classes(found.means)
    assert found.states.tolist() == [0] * 6 + [1, 2]
    assert np.median(raw.similarity[:6, :6]) < 0.8  # without it, nothing would be the same
    assert abs(np.median(found.similarity[:6, :6]) - 1) < 0.1


def test_classes_of_noise_are_doubted():
    rng = np.random.default_rng(4)
    pictures = np.concatenate(
        [np.repeat([ONE], 20, axis=0), np.repeat([np.full_like(ONE, ONE.mean())], 3, axis=0)]
    )
    with pytest.warns(UserWarning, match="mostly noise"):
        dynamics.equivalent_classes(pictures + rng.normal(0, 2.0, pictures.shape), np.repeat([0, 1], [20, 3]))


def test_a_pair_at_the_threshold_is_doubted():
    pictures = [ONE, spots(CENTRE, *at(9, 8)), THREE]
    level = dynamics.equivalent_classes(pictures).similarity[0, 1]
    with pytest.warns(UserWarning, match="within"):
        found = dynamics.equivalent_classes(pictures, threshold=level - 0.01)
    assert "threshold" in repr(found)


def test_one_class_is_one_state():
    assert dynamics.equivalent_classes([ONE]).states.tolist() == [0]


@pytest.mark.parametrize(
    ("pictures", "options", "message"),
    [
        (np.zeros((2, 9, 8)), {}, "square"),
        (np.zeros((2, 5, 5)), {}, "at least 9"),
        (np.zeros((0, 9, 9)), {}, "detector"),
        (np.full((2, 9, 9), np.nan), {}, "NaN"),
        ([ONE, THREE], {"turns": 0}, "turns"),
        ([ONE, THREE], {"threshold": 1.0}, "threshold"),
        ([ONE, THREE], {"rotation": np.inf}, "rotation"),
        ([ONE, THREE], {"labels": [0]}, "one whole number a picture"),
        ([ONE, THREE], {"labels": [0.0, 1.0]}, "whole number"),
        ([ONE, THREE], {"labels": [0, 2]}, "without a gap"),
        ([ONE, THREE], {"labels": [-1, -1]}, "needs a member"),
    ],
)
def test_bad_input(pictures, options, message):
    with pytest.raises(ValueError, match=message):
        dynamics.equivalent_classes(pictures, **options)


def test_labels_beyond_the_classes_are_refused():
    found = dynamics.equivalent_classes([ONE, THREE])
    assert found.merged([1, -1, 0]).tolist() == [1, -1, 0]
    with pytest.raises(ValueError, match="below 2"):
        found.merged([2])


# ---------------------------------------------------------------- on the phantom


def sorted_pictures(sample, n_classes):
    """Pictures, classes, and planted states of what was found."""
    atoms = dynamics.bright_atoms(sample.data)
    pictures, states = [], []
    for t, rows in atoms.groupby("frame"):
        there = sample.truth[sample.truth.frame == t]
        away, nearest = cKDTree(there[["x", "y"]]).query(rows[["x", "y"]])
        assert (away < 2).all()
        states += there.state.iloc[nearest].tolist()
        pictures.append(windows.column_windows(sample.data[t], rows, SIDE))
    assert len(atoms) == len(sample.truth)
    pictures = np.concatenate(pictures)
    numbers = PCA(20, random_state=0).fit_transform(pictures.reshape(len(pictures), -1))
    mixture = GaussianMixture(
        n_classes, covariance_type="diag", n_init=2, random_state=0, reg_covar=1e-3 * numbers.var()
    )
    return pictures, np.unique(mixture.fit_predict(numbers), return_inverse=True)[1], np.array(states)


def test_classes_of_silicon_at_an_edge_become_its_states():
    sample = simulate.movies.edge(5, n_frames=160, hop=0.2, electrons=200, random_state=902)
    pictures, labels, states = sorted_pictures(sample, 40)
    found = dynamics.equivalent_classes(pictures, labels)
    assert adjusted_rand_score(states, labels) < 0.4
    assert adjusted_rand_score(states, found.merged(labels)) > 0.95
    assert 5 <= len(found.state_means) <= 7
    # At a zigzag edge all but one state have a mirror.
    names = np.array(sample.extras["states"])
    main = [np.bincount(states[labels == k]).argmax() for k in range(len(found.counts))]
    large = found.counts >= 10
    mirrored = found.symmetric.sum(axis=1)
    assert ((mirrored == np.where(names[main] == "double", 1, 2)) | ~large).all()


def test_bright_atoms_know_where_they_are():
    sample = simulate.movies.edge(3, n_frames=6, electrons=200, random_state=7)
    found = dynamics.bright_atoms(sample.data)
    assert list(found.columns) == ["frame", "x", "y", "x_nm", "y_nm", "score"]
    assert found.groupby("frame").size().tolist() == [3] * 6
    away = [
        cKDTree(sample.truth[sample.truth.frame == t][["x", "y"]]).query(rows[["x", "y"]])[0]
        for t, rows in found.groupby("frame")
    ]
    assert np.sqrt(np.mean(np.square(away)) / 2) < 0.25
    np.testing.assert_allclose(found.x_nm, found.x * 0.02)
    plain = dynamics.bright_atoms(sample.data.values, sigma=found.attrs["sigma"])
    assert list(plain.columns) == ["frame", "x", "y", "score"]
    np.testing.assert_allclose(plain.x, found.x)


def test_a_movie_without_bright_atoms_says_so():
    sheet = simulate.structures.graphene((3.0, 3.0))
    frames = [simulate.image(sheet, electrons=200, random_state=seed).data.values for seed in range(3)]
    with pytest.warns(UserWarning, match="3 of 3 frames show no bright atom"):
        found = dynamics.bright_atoms(np.array(frames))
    assert len(found) == 0


@pytest.mark.parametrize(
    ("movie", "options", "message"),
    [
        (np.ones((20, 20)), {}, "three|axes"),
        (np.ones((0, 20, 20)), {}, "axes"),
        (np.random.default_rng(0).random((2, 20, 20)), {"sigma": 0}, "sigma"),
    ],
)
def test_bad_movies(movie, options, message):
    with pytest.raises(ValueError, match=message):
        dynamics.bright_atoms(movie, **options)
