"""Scenes: what the network is shown, and the answer that it shall give."""

from dataclasses import replace

import numpy as np
import pytest

from atomlens.columns import Scenes
from atomlens.columns._locate import locate
from atomlens.columns._wild import _CHANGES, disturbed
from atomlens.simulate import defects, image, structures

SIZE = (9.0, 9.0)


@pytest.fixture(scope="module")
def mos2():
    return structures.transition_metal_dichalcogenide("MoS2", SIZE)


def test_the_answer_is_where_the_columns_are(mos2):
    scenes = Scenes([mos2], size=96, disturbed=0.0)
    for seed in range(4):
        image, targets, weights, truth = scenes.draw(seed)
        assert image.shape == (1, 96, 96)
        assert targets.shape == (1, 96, 96)
        assert weights.shape == (1, 96, 96)
        inner = truth[truth["scored"]].query("4 < x < 91 and 4 < y < 91")
        x, y, _, score = locate(targets, threshold=0.5, min_distance=2.0)
        distance = np.hypot(x[:, None] - inner["x"].to_numpy(), y[:, None] - inner["y"].to_numpy()).min(
            axis=0
        )
        assert len(inner) > 10
        assert distance.max() < 0.75
        assert score.min() > 0.6


def test_columns_are_bright_after_standardising(mos2):
    image, _, _, truth = Scenes([mos2], disturbed=0.0, electrons=(1000, 1000)).draw(3)
    scored = truth[truth["scored"]].query("4 < x < 91 and 4 < y < 91")
    at = image[0][scored["y"].round().astype(int), scored["x"].round().astype(int)]
    assert at.mean() > 0.8
    assert abs(image.mean()) < 0.1
    assert image.std() == pytest.approx(1, abs=0.15)


def test_a_seed_is_a_scene_in_any_order(mos2):
    scenes = Scenes([mos2, structures.graphene(SIZE)], size=64)
    images, targets, weights = scenes.batch(3, seed=[1, 7])
    again = scenes.batch(3, seed=[1, 7])
    np.testing.assert_array_equal(images, again[0])
    assert (scenes.batch(3, seed=[1, 8])[0] != images).any()
    assert images.dtype == targets.dtype == weights.dtype == np.float32


@pytest.mark.parametrize(
    ("classes", "expected"),
    [("column", {"column"}), ("sublattice", {"Mo", "S2", "C"}), ("species", {"Mo", "S2", "C"})],
)
def test_classes(mos2, classes, expected):
    scenes = Scenes([mos2, structures.graphene(SIZE)], classes=classes, size=64, disturbed=0.0)
    assert set(scenes.class_names) == expected
    _, targets, _, truth = scenes.draw(1)
    assert targets.shape[0] == len(expected)
    for label in range(len(expected)):
        wanted = truth[(truth["label"] == label) & truth["scored"]].query("2 < x < 61 and 2 < y < 61")
        assert (targets[label].max() > 0.5) == (len(wanted) > 0)


def test_defects_are_found_where_they_were_planted():
    perfect = structures.transition_metal_dichalcogenide("MoS2", SIZE)
    with_s = defects.vacancies(perfect, fraction=0.1, sublattice="S2", random_state=1)
    both = defects.vacancies(with_s, kind="column", fraction=0.1, sublattice="Mo", random_state=2)
    scenes = Scenes([both], classes="defect", disturbed=0.0)
    assert scenes.class_names == ("column_vacancy", "vacancy")
    counts = np.zeros(2)
    for seed in range(4):
        _, targets, _, truth = scenes.draw(seed)
        empty = truth[(truth["label"] == 0)]
        assert (empty["electrons"] == 0).all()
        assert empty["scored"].all()
        for label in range(2):
            inner = truth[truth["scored"] & (truth["label"] == label)].query("1 < x < 94 and 1 < y < 94")
            at = targets[label][inner["y"].round().astype(int), inner["x"].round().astype(int)]
            assert (at > 0.6).all()
            counts[label] += len(inner)
    assert (counts > 3).all()


def test_junk_is_not_asked_for(mos2):
    scenes = Scenes([mos2], disturbed=1.0)
    for seed in range(30):
        _, targets, _, truth = scenes.draw(seed)
        unasked = truth[~truth["scored"].astype(bool)].query("1 < x < 94 and 1 < y < 94")
        if len(unasked) > 20:
            break
    at = targets[0][unasked["y"].round().astype(int), unasked["x"].round().astype(int)]
    assert np.median(at) < 0.2


def test_what_lies_under_the_atoms_is_wrong_where_it_is_reported():
    film = structures.amorphous("Zr", (6, 6), thickness=1.0)
    both = structures.combine(film, structures.single_atoms("Pt", (6, 6), n=30))
    both = replace(both, visible=(False, True), sublattices=("film", "Pt"))
    options = {"size": 64, "disturbed": 0.0}
    _, _, unasked = Scenes([both], **options).batch(3, seed=0)
    images, answers, weights = Scenes([both], support=("film",), **options).batch(3, seed=0)
    assert (weights == 1).all()
    assert (unasked == 0).any()
    np.testing.assert_array_equal(images, Scenes([both], **options).batch(3, seed=0)[0])
    assert 0 < (answers > 0.5).mean() < 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"structures": []}, "no structure"),
        ({"size": 50}, "multiple of 8"),
        ({"size": 16}, "at least 32"),
        ({"electrons": (0, 10)}, "electrons must be a range"),
        ({"probe": (0.1, 0.05)}, "probe must be a range"),
        ({"classes": "atoms"}, "classes must be one of"),
        ({"support": ("film",)}, "support names film, but the sublattices are Mo, S2"),
        ({"support": "film"}, "support names film, but"),
        ({"electrons": 100}, "electrons must be a range"),
        ({"disturbed": 3}, "disturbed must lie between 0 and 1"),
        ({"wild": -0.5}, "wild must lie between 0 and 1"),
        ({"scale_error": -1}, "scale_error must lie between 0"),
        ({"classes": "defect"}, r"no structure has a defect: plant some with `simulate\.defects`"),
    ],
)
def test_bad_options_are_explained(mos2, options, message):
    with pytest.raises(ValueError, match=message):
        Scenes(**{"structures": [mos2], **options})


@pytest.mark.parametrize("change", [change for _, change in _CHANGES])
def test_what_happens_after_counting_leaves_columns_where_they_are(mos2, change):
    sample = image(mos2, pixel_size=0.03, electrons=3000, random_state=0)
    before, xy = sample.data.values, sample.truth[["x", "y"]].to_numpy()
    height, width = before.shape
    x, y = xy[((xy > 4) & (xy < np.array([width, height]) - 5)).all(axis=1)].T
    for seed in range(5):
        after = change(before, np.random.default_rng(seed))
        assert after.shape == before.shape
        assert (after != before).mean() > 0.005  # saturation cuts off 1 % at least
        # a hill stands where it stood: its pixels balance about the column
        rows, columns = np.rint(y).astype(int), np.rint(x).astype(int)
        d = np.arange(-3, 4)
        patches = after[rows[:, None, None] + d[:, None], columns[:, None, None] + d].astype(float)
        patches = patches - patches.min(axis=(1, 2), keepdims=True)
        moved = (patches * d).sum(axis=(1, 2)) / patches.sum(axis=(1, 2)) - (x - columns)
        assert abs(moved.mean()) < 0.15
        assert after[rows, columns].mean() > np.median(after)


def test_smoothed_noise_is_alike_in_neighbouring_pixels():
    smooth = {change.__name__: change for _, change in _CHANGES}["_smooth"]
    noise = np.random.default_rng(0).normal(size=(96, 96)).astype(np.float32)
    for seed in range(8):
        after = smooth(noise, np.random.default_rng(seed))
        assert np.corrcoef(after[:, 1:].ravel(), after[:, :-1].ravel())[0, 1] > 0.05


def test_nothing_is_asked_for_where_something_else_covers_the_image(mos2, monkeypatch):
    def cover_the_left(picture, rng):
        covered = np.zeros(picture.shape, dtype=bool)
        covered[:, : picture.shape[1] // 2] = True
        return np.where(covered, 0, picture), covered

    monkeypatch.setattr("atomlens.columns.scenes.after_counting", cover_the_left)
    for seed in range(3):
        _, targets, _, truth = Scenes([mos2], disturbed=0.0, wild=1.0).draw(seed)
        assert truth["x"].min() > 46
        assert len(truth) > 10
        assert targets[0, :, :40].max() < 0.01
        assert targets[0, :, 52:].max() > 0.9


def test_some_scenes_are_covered_and_some_are_not():
    plain = np.ones((96, 96), dtype=np.float32) + np.eye(96, dtype=np.float32)
    masks = [disturbed(plain, np.random.default_rng(seed))[1] for seed in range(100)]
    assert 0.05 < np.mean([mask.any() for mask in masks]) < 0.3
    assert max(mask.mean() for mask in masks) < 0.7


def test_one_structure_is_enough_and_must_be_one(mos2):
    assert Scenes(mos2).structures == (mos2,)
    with pytest.raises(TypeError, match=r"made of structures.*not of ndarray"):
        Scenes(np.ones((50, 50)))
