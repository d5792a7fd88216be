"""From a movie to classified detections: what is found, what is said about bad movies, what classes mean."""

import inspect
import json
import warnings

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from atomlens import columns, doubts, dynamics
from atomlens.lattice import NotPeriodicError
from atomlens.simulate import Instrument, movies

DISTURBED = Instrument(contamination=0.2, contamination_length=1.5, streaks=0.05, jitter=0.003, slope=0.3)


@pytest.fixture(scope="module")
def sample():
    """Six frames of 24 defects each."""
    return movies.hopping(24, n_frames=6, shape=(224, 256), electrons=60, hop=0.2, random_state=3)


@pytest.fixture(scope="module")
def found(sample):
    return dynamics.detect_frames(sample.data)


@pytest.fixture(scope="module")
def network(sample):
    return dynamics.train_on_frame(sample.data[0], steps=60, batch_size=4)


def test_the_residual_finds_what_was_planted(sample, found):
    score = dynamics.agreement(found, sample.truth)
    assert score.f1 > 0.95
    assert score.rmse < 1.0
    assert min(score.recall_of.values()) > 0.9
    np.testing.assert_allclose(found["x_nm"], found["x"] * 0.03)
    assert found.attrs["n_frames"] == 6
    assert found.attrs["spacing_px"] == pytest.approx(0.3153 / 0.03, rel=0.01)


def test_low_pass_and_unit_cell_find_it_too_and_the_mean_frame_does_not(sample):
    low = dynamics.detect_frames(sample.data, filter="low-pass")
    assert dynamics.agreement(low, sample.truth).f1 > 0.85
    first = sample.truth[sample.truth["frame"] == 0]
    with pytest.warns(UserWarning, match="one frame"):
        searched = dynamics.detect_frames(sample.data[:1], method="unit_cell")
    assert dynamics.agreement(searched, first).f1 > 0.95
    mean = dynamics.detect_frames(sample.data, method="difference")
    assert dynamics.agreement(mean, sample.truth).f1 < 0.8  # most defects are in the mean, too


def test_a_perfect_crystal_is_left_alone_also_at_its_borders():
    movie = movies.hopping(0, n_frames=4, shape=(256, 256), electrons=60, random_state=5).data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(dynamics.detect_frames(movie)) <= 6  # the threshold lets one a frame or so pass


def test_drift_holes_streaks_and_uneven_light():
    sample = movies.hopping(
        24, n_frames=5, shape=(256, 256), electrons=60, drift=(0.01, 0.0), holes=1, growth=0.15,
        instrument=DISTURBED, random_state=6,
    )  # fmt: skip
    found = dynamics.detect_frames(sample.data)
    assert dynamics.agreement(found, sample.truth).f1 > 0.85
    hole = sample.extras["holes"]
    for row in hole[hole["radius_nm"] > 0.6].itertuples():
        here = found[found["frame"] == row.frame]
        away = np.hypot(here["x"] - row.x, here["y"] - row.y) * 0.03
        assert (away > 0.8 * row.radius_nm).all()


def test_labels_mark_the_defects_and_leave_doubtful_pixels_open(sample):
    labels = dynamics.label_frame(sample.data[0])
    assert set(np.unique(labels)) <= {-1, 0, 1}
    first = sample.truth[(sample.truth["frame"] == 0) & sample.truth["visible"]]
    rows, columns = (np.clip(np.rint(first[a]).astype(int), 0, n - 1) for a, n in (("y", 224), ("x", 256)))
    assert (labels.values[rows, columns] == 1).mean() > 0.9
    assert 0.3 < (labels == 1).sum() / (len(first) * np.pi * (0.3 * 10.5) ** 2) < 2


def test_a_network_learns_from_one_frame_and_finds_the_others(sample, network):
    later = sample.data[1:]
    truth = sample.truth[sample.truth["frame"] > 0].assign(frame=lambda t: t["frame"] - 1)
    table = network.detect(later)
    assert dynamics.agreement(table, truth).f1 > 0.85
    rows, columns = network.region
    kept = (rows.stop - rows.start) * (columns.stop - columns.start)
    assert 0.15 < kept / (224 * 256) < 0.3  # a side of the frame that is not learned from
    assert network.f1 > 0.7
    assert network.probability(later[0]).shape == (224, 256)
    lazy = later.copy(data=da.from_array(later.values, chunks=(2, 224, 256)))
    pd.testing.assert_frame_equal(network.detect(lazy, batch_size=3), table)
    assert "threshold" in repr(network)


def test_training_is_repeatable_and_does_not_touch_global_generators(sample):
    frame = sample.data[0, :160, :192]
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so few steps teach nothing
        one, two = (dynamics.train_on_frame(frame, steps=3, filters=2) for _ in range(2))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.testing.assert_array_equal(one.probability(frame), two.probability(frame))


def test_sub_images_are_centred_and_scaled(sample, found):
    pictures = dynamics.sub_images(sample.data, found, size_nm=0.63)
    assert pictures.dims == ("defect", "y", "x")
    assert pictures.shape == (len(found), 21, 21)
    assert float(pictures.x[0]) == pytest.approx(-0.3)
    inside = pictures[pictures.inside.values]
    mean = inside.mean("defect").values
    ring = np.hypot(*(np.indices((21, 21)) - 10)) > 8.5
    assert mean[9:12, 9:12].mean() < 0.7 * mean[ring].max()  # the defect is the dark thing in the middle
    brighter = sample.data * 7 + 300  # another gain and offset: the same pictures
    np.testing.assert_allclose(
        dynamics.sub_images(brighter, found, size_px=21).values, pictures.values, atol=1e-3
    )


def test_classes_found_and_classes_taught(sample, found):
    truth = dynamics.agreement(found, sample.truth).pairs
    rows = truth["found"].to_numpy()
    pictures = dynamics.sub_images(sample.data, found)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the criterion prefers other numbers
        two = dynamics.SubImageClasses(2, turns=3).fit(pictures)
    two.name(["vacancy", "dopant"])  # the darkest centre comes first
    dopant = truth["state"].to_numpy() == "dopant"
    assert ((two.labels_[rows] == "dopant") == dopant).mean() > 0.95
    assert two.bic_["n_classes"].tolist() == sorted(two.bic_["n_classes"])
    summary = two.summary()
    assert summary["n"].sum() == len(found)
    assert summary["centre"].is_monotonic_increasing
    taught = dynamics.SubImageClasses(turns=3).fit(pictures[rows], truth["state"])
    other = movies.hopping(24, n_frames=4, shape=(224, 256), electrons=60, random_state=30)
    table = dynamics.detect_frames(other.data)
    table = taught.label(table, dynamics.sub_images(other.data, table))
    # 140 pictures teach little about the missing sulphur; the metal is told apart.
    full = dynamics.agreement(table, other.truth).misclassification()
    assert np.trace(full) / full.to_numpy().sum() > 0.7
    table, truth = (t.replace({"label": {"vacancy pair": "vacancy"}}) for t in (table, other.truth))
    table.attrs["spacing_px"] = found.attrs["spacing_px"]
    matrix = dynamics.agreement(table, truth).misclassification(["dopant", "vacancy"])
    assert np.trace(matrix) == matrix.to_numpy().sum()
    with pytest.warns(UserWarning, match="never left"):  # in four frames
        chain = dynamics.transitions(
            dynamics.link(table), states=list(matrix), misclassification=matrix.to_numpy()
        )
    assert chain.matrix.diagonal().min() > 0.8  # planted: 0.96 and more


def test_unmixing_finds_planted_weights():
    rng = np.random.default_rng(0)
    means = rng.random((3, 9, 9))
    weights = np.array([[0.7, 0.3, 0.0], [0.0, 0.0, 1.0], [0.2, 0.5, 0.3]])
    noisy = np.einsum("nk,kyx->nyx", weights, means) + rng.normal(0, 0.005, (3, 9, 9))
    found = dynamics.unmix(noisy, means)
    np.testing.assert_allclose(found.iloc[:, :3], weights, atol=0.02)
    assert (found["residual"] < 0.03).all()
    assert (found.iloc[:, :3] >= 0).all(axis=None)


def test_turned_defects_are_one_class_when_turns_are_known():
    rng = np.random.default_rng(1)
    angle = rng.integers(3, size=150) * 2 * np.pi / 3
    y, x = np.mgrid[-9:10, -9:10]
    blobs = [np.exp(-((x - 5 * np.cos(a)) ** 2 + (y - 5 * np.sin(a)) ** 2) / 6) for a in angle]
    pictures = 1 - np.array(blobs) + rng.normal(0, 0.1, (150, 19, 19))
    with pytest.warns(UserWarning, match="look alike when one is turned"):
        raw = dynamics.SubImageClasses().fit(pictures)
    assert raw.n_classes_ >= 3
    turned = dynamics.SubImageClasses(1, turns=3, max_classes=1).fit(pictures)
    # Of one class, and as sharp as what was planted.
    assert np.ptp(turned.means_.values) > 0.85
    assert np.ptp(pictures.mean(axis=0)) < 0.6


def test_bad_movies_get_a_sentence(sample):
    movie = sample.data
    with pytest.raises(TypeError, match=r"sample\.data"):
        dynamics.detect_frames(sample)
    with pytest.raises(ValueError, match="axes"):
        dynamics.detect_frames(np.zeros((2, 2, 64, 64)))
    with pytest.raises(ValueError, match="too small"):
        dynamics.detect_frames(movie[:, :40, :40])
    with pytest.raises(ValueError, match="fewer than 6 cells"):
        dynamics.detect_frames(movie[:, :50, :50])
    with pytest.raises(ValueError, match="all frames are empty"):
        dynamics.detect_frames(np.zeros((3, 64, 64)))
    with pytest.raises(NotPeriodicError):
        dynamics.detect_frames(np.random.default_rng(0).normal(size=(2, 96, 96)))
    with pytest.raises(ValueError, match="one frame, of which nothing differs"):
        dynamics.detect_frames(movie[:1], method="difference")
    with pytest.raises(ValueError, match="method must be"):
        dynamics.detect_frames(movie, method="magic")
    with pytest.raises(ValueError, match="filter must be"):
        dynamics.detect_frames(movie, filter="none")
    with pytest.raises(ValueError, match="threshold must be"):
        dynamics.detect_frames(movie, threshold=-1)
    with pytest.raises(ValueError, match=r"one frame \(y, x\)"):
        dynamics.train_on_frame(movie)
    perfect = movies.hopping(0, n_frames=1, shape=(128, 128), electrons=100, random_state=1).data[0]
    with pytest.raises(ValueError, match="defects are labelled in the part"):
        dynamics.train_on_frame(perfect)


def test_odd_movies_are_doubted(sample):
    gap = sample.data.copy(deep=True)
    gap[2] = np.nan
    gap[4] = 7.0
    with pytest.warns(UserWarning, match=r"2 \(2, 4\) of 6 frames show nothing"):
        table = dynamics.detect_frames(gap)
    assert table.attrs["empty_frames"] == [2, 4]
    assert sorted(table["frame"].unique()) == [0, 1, 3, 5]
    with pytest.warns(UserWarning, match="no scale"):
        plain = dynamics.detect_frames(sample.data.values)
    assert list(plain) == ["frame", "x", "y", "score"]
    assert any("no scale" in said for said in doubts(plain))
    with pytest.warns(UserWarning, match="one frame: there is nothing to link"):
        dynamics.detect_frames(sample.data[0])
    with pytest.warns(UserWarning, match="nothing was detected"):
        none = dynamics.detect_frames(sample.data, threshold=1e6)
    assert len(none) == 0
    assert dynamics.sub_images(sample.data, none, size_px=15).shape == (0, 15, 15)


def test_a_defect_in_every_third_cell_is_doubted():
    crowd = movies.hopping(90, n_frames=2, shape=(160, 160), electrons=100, hop=0.0, random_state=2).data
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = dynamics.detect_frames(crowd)
    assert any("in a large share of the cells" in str(warning.message) for warning in said)
    assert any("large share" in doubt for doubt in doubts(found))


def test_bad_pictures_get_a_sentence(sample, found):
    with pytest.raises(ValueError, match="give size_px"):
        dynamics.sub_images(sample.data.values, found, size_nm=1.0)
    with pytest.raises(ValueError, match="not both"):
        dynamics.sub_images(sample.data, found, size_nm=1.0, size_px=9)
    with pytest.raises(ValueError, match="do not fit into frames"):
        dynamics.sub_images(sample.data, found, size_px=300)
    with pytest.raises(ValueError, match="the movie has 2 frames"):
        dynamics.sub_images(sample.data[:2], found)
    with pytest.raises(ValueError, match="too few"):
        dynamics.SubImageClasses().fit(np.ones((4, 9, 9)))
    with pytest.raises(ValueError, match="NaN"):
        dynamics.SubImageClasses().fit(np.full((40, 9, 9), np.nan))
    with pytest.raises(ValueError, match="two classes or more"):
        dynamics.SubImageClasses().fit(np.random.default_rng(0).random((20, 9, 9)), ["a"] * 20)
    model = dynamics.SubImageClasses(1).fit(np.random.default_rng(0).random((40, 9, 9)))
    with pytest.raises(ValueError, match="2 names for 1 classes"):
        model.name(["a", "b"])
    with pytest.raises(ValueError, match="classes were learned of"):
        model.predict(np.ones((2, 11, 11)))
    with pytest.raises(ValueError, match="both need a column label"):
        dynamics.agreement(found, sample.truth).misclassification()
    with pytest.raises(ValueError, match="give a tolerance"):
        dynamics.agreement(pd.DataFrame({"frame": [0], "x": [1.0], "y": [1.0]}), sample.truth)


def test_transposed_movies_are_put_right(sample, found):
    turned = sample.data.transpose("y", "x", "time")
    assert isinstance(turned, xr.DataArray)
    pd.testing.assert_frame_equal(dynamics.detect_frames(turned), found)
    assert "DefectNetwork" in inspect.signature(dynamics.train_on_frame).return_annotation


def test_a_network_is_saved_and_opened_again(network, sample, tmp_path):
    path = tmp_path / "mine.pt"
    network.save(path)
    again = dynamics.load_model(path)
    one, two = (n.detect(sample.data[:2]) for n in (network, again))
    pd.testing.assert_frame_equal(one, two)
    assert one.attrs == two.attrs
    assert repr(again) == repr(network)
    assert again.region == network.region
    assert again.history.equals(network.history)
    with pytest.raises(FileExistsError):
        network.save(path)
    with pytest.raises(ValueError, match=r"open it with `atomlens\.dynamics\.load_model`"):
        columns.load_model(path)
    about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    path.with_suffix(".json").write_text(json.dumps(about | {"filters": 8}), encoding="utf-8")
    with pytest.raises(ValueError, match="belongs to another network"):
        dynamics.load_model(path)
    path.with_suffix(".json").write_text(json.dumps(about | {"basis": [[1, 2]]}), encoding="utf-8")
    with pytest.raises(ValueError, match="does not describe"):
        dynamics.load_model(path)
