"""Domains of an image, against twins and grains that were planted."""

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from atomlens import simulate
from atomlens.defects import NotPeriodicError, segment_domains
from atomlens.simulate import Instrument, structures

SHAKEN = Instrument(drift=(0.1, 0.2), jitter=0.006, contamination=0.4, contamination_length=2.0)


def imaged(structure, electrons=100, instrument=SHAKEN, seed=0):
    return simulate.image(structure, electrons=electrons, instrument=instrument, random_state=seed)


def cropped(sample, first, rows):
    """Part of the rows of a sample."""
    truth = sample.truth.query("@first <= y < @first + @rows - 0.5")
    return sample.data[first : first + rows], truth.assign(y=truth["y"] - first)


def accuracy(labels, truth):
    """Share of the right columns, a window away from other domains, with the best names."""
    xy = truth[["x", "y"]].to_numpy()
    true = np.unique(truth["domain"], return_inverse=True)[1]
    x, y = np.rint(xy).astype(int).T
    found = labels.values[y.clip(0, labels.shape[0] - 1), x.clip(0, labels.shape[1] - 1)]
    around = cKDTree(xy).query_ball_point(xy, max(labels.attrs["window"]))
    away = np.array([(true[near] == mine).all() for near, mine in zip(around, true, strict=True)])
    table = np.zeros((true.max() + 1, labels.attrs["n_domains"]))
    np.add.at(table, (true[away], found[away]), 1)
    assert (table.sum(axis=1) > 0).all()
    return table[linear_sum_assignment(-table)].sum() / away.sum()


@pytest.mark.parametrize(
    ("make", "height"),
    [
        (lambda: structures.zirconia((8, 16), twin=True), 9.0),
        (lambda: structures.dumbbells("Si", (8, 14), twin=True), 8.0),
    ],
)
@pytest.mark.parametrize("fraction", [0.22, 0.5])
def test_phantoms(make, height, fraction):
    sample = imaged(make())
    rows = round(height / 0.02)
    image, truth = cropped(sample, round(sample.data.shape[0] / 2 - fraction * rows), rows)
    labels = segment_domains(image)
    assert labels.attrs["n_domains"] == 2
    assert accuracy(labels, truth) >= 0.97
    # The larger domain is 0
    assert np.bincount(labels.values.ravel())[1] / labels.size == pytest.approx(fraction, abs=0.08)
    row = np.nonzero(np.diff(labels.values, axis=0))[0]
    # As near where one twin is small: most of its windows reach over the border, and must not draw it
    assert np.median(row) == pytest.approx(fraction * rows, abs=max(labels.attrs["window"]) / 8)


@pytest.mark.parametrize(("grains", "seed"), [(2, 1), (3, 0), (3, 7)])  # no smaller than a fifth
def test_grains(grains, seed):
    sample = imaged(structures.metal("Au", (10, 10), grains=grains, random_state=seed), electrons=200)
    labels = segment_domains(sample.data)
    assert labels.attrs["n_domains"] == grains
    assert accuracy(labels, sample.truth) >= 0.97


@pytest.mark.parametrize("instrument", [None, SHAKEN])
@pytest.mark.parametrize(
    "make",
    [
        lambda: structures.zirconia((7, 7), rotation=20),
        lambda: structures.dumbbells("Si", (7, 7), rotation=50),
        lambda: structures.transition_metal_dichalcogenide("MoS2", (6, 6), rotation=5),
    ],
)
def test_one_crystal_is_one_domain(make, instrument):
    labels = segment_domains(imaged(make(), instrument=instrument).data)
    assert labels.attrs["n_domains"] == 1
    assert (labels == 0).all()


@pytest.mark.parametrize("film", [0.0, 0.4])
@pytest.mark.parametrize(("electrons", "seed"), [(60, 11), (300, 12)])
def test_vacuum_and_film_around_a_particle_are_no_domain(expected_counts, electrons, film, seed):
    rng = np.random.default_rng(seed)
    turn = rng.uniform(0, np.pi / 2)
    basis = 14 * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    xy = np.mgrid[-30:31, -30:31].reshape(2, -1).T @ basis + 200
    faceted = np.abs(xy - 200).sum(axis=1) < 190
    rows = np.column_stack([xy[faceted], np.full((faceted.sum(), 2), [electrons, 2.2])])
    clouds = gaussian_filter(rng.normal(size=(400, 400)), 3)
    background = 0.05 + film * np.exp(clouds / clouds.std() / 4)
    found = segment_domains(rng.poisson(expected_counts((400, 400), rows) + background))
    assert found.attrs["n_domains"] == 1
    y, x = np.rint(xy[faceted]).astype(int).T[::-1]
    assert (found.values[y, x] == 0).mean() > 0.9
    assert (found.values[:60, :60] == -1).all()


@pytest.mark.filterwarnings("error")
def test_an_image_that_repeats_to_the_last_digit_is_one_domain():
    y, x = np.mgrid[:256, :256] % 16
    image = np.exp(-((x - 8) ** 2 + (y - 8) ** 2) / 10)
    assert segment_domains(image).attrs["n_domains"] == 1


def test_more_domains_than_there_are_get_a_warning():
    image = imaged(structures.metal("Au", (6, 6))).data
    with pytest.warns(UserWarning, match="1 of the 3 domains asked for were found"):
        assert segment_domains(image, 3).attrs["n_domains"] == 1


def test_inversion_is_invisible():
    whole = structures.dumbbells("GaAs", (7, 8))
    image = simulate.image(whole, electrons=200, random_state=0).data.values
    turned = simulate.image(whole, electrons=200, random_state=1).data.values[::-1, ::-1]
    rows = image.shape[0] // 2
    both = np.vstack([image[:rows], turned[rows:]])
    assert segment_domains(both).attrs["n_domains"] == 1
    # Turned by another angle, it is not
    other = simulate.image(structures.dumbbells("GaAs", (7, 8), rotation=90), electrons=200).data.values
    assert segment_domains(np.vstack([image[:rows], other[rows:]])).attrs["n_domains"] == 2


def test_a_number_that_is_given():
    sample = imaged(structures.zirconia((8, 9), twin=True))
    assert segment_domains(sample.data, 1).attrs["n_domains"] == 1
    two = segment_domains(sample.data, 2)
    assert two.attrs["n_domains"] == 2
    assert accuracy(two, sample.truth) >= 0.97
    assert segment_domains(sample.data, max_domains=1).attrs["n_domains"] == 1


def test_the_answer_has_the_coordinates_of_the_image():
    sample = imaged(structures.dumbbells("Si", (6, 6), twin=True), electrons=300)
    labels = segment_domains(sample.data)
    assert labels.dims == ("y", "x")
    xr.testing.assert_equal(labels.x, sample.data.x)
    assert labels.dtype.kind == "i"
    bare = segment_domains(sample.data.values)
    np.testing.assert_array_equal(bare.values, labels.values)
    window = segment_domains(sample.data, size=70).attrs["window"]
    assert window == (70, 70)
    assert segment_domains(sample.data, size=(60, 80)).attrs["window"] == (60, 80)


def test_a_film_has_no_domains():
    film = simulate.image(structures.amorphous(size=(5, 5)), dose=3e4).data
    with pytest.raises(NotPeriodicError, match="no lattice was found, neither"):
        segment_domains(film)


IMAGE = np.random.default_rng(0).random((64, 64))


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (np.ones((64, 64)), {}, "constant"),
        (np.full((64, 64), np.nan), {}, "constant"),
        (np.zeros((3, 64, 64)), {}, "two axes"),
        (IMAGE, {"n_domains": 0}, "n_domains must be a whole number of at least 1, got 0"),
        (IMAGE, {"n_domains": 2.5}, "n_domains must be a whole number"),
        (IMAGE, {"max_domains": 0}, "max_domains must be a whole number"),
        (IMAGE, {"alpha": 0}, "alpha is a probability"),
        (IMAGE, {"alpha": 1.0}, "alpha is a probability"),
        (IMAGE, {"size": 60}, "windows of 60 x 60 pixels hardly fit into 64 x 64"),
        (IMAGE, {"size": 100}, "hardly fit"),
        (IMAGE, {"size": 1}, "whole pixels of at least 8; got 1"),
        (IMAGE, {"size": 20.5}, "whole pixels"),
        (IMAGE, {"size": "a"}, "whole pixels"),
        (IMAGE, {"size": (20, 20, 20)}, r"size is \(height, width\)"),
        (IMAGE, {"alpha": "a"}, "alpha is a probability"),
        (IMAGE, {"alpha": None}, "alpha is a probability"),
    ],
)
def test_bad_input(image, options, words):
    with pytest.raises(ValueError, match=words):
        segment_domains(image, **options)
