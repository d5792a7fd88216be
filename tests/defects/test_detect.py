"""Defects found without labels, against those that were planted; and nothing where none are."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import binom
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import OneClassSVM

from atomlens import io, lattice, metrics, simulate
from atomlens.defects import DETECTORS, DefectMap, NotPeriodicError, detect
from atomlens.defects._hits import hits_of
from atomlens.simulate import Instrument, defects, structures

SHAKEN = Instrument(drift=(0.1, 0.15), jitter=0.004, contamination=0.2, contamination_length=2.0)
LATTICES = {
    "SrTiO3": (lambda size: structures.perovskite(size, rotation=7), "Ti", "W"),
    "MoS2": (
        lambda size: structures.transition_metal_dichalcogenide("MoS2", size, rotation=20),
        "S2",
        "Se",
    ),
    "ZrO2": (lambda size: structures.zirconia(size, rotation=33), None, "W"),
}
KINDS = ("single vacancy", "double vacancy", "substitution", "interstitial", "displaced")


def planted(name, kind, n=3, size=(5.0, 5.0)):
    make, sublattice, element = LATTICES[name]
    crystal = make(size)
    where = {"n": n, "min_separation": 1.2, "border": 0.8, "random_state": 1}
    if kind == "single vacancy":
        atoms = "single" if name == "MoS2" else "column"
        return defects.vacancies(crystal, kind=atoms, sublattice=sublattice, **where)
    if kind == "double vacancy":
        if name == "MoS2":
            return defects.vacancies(crystal, kind="column", sublattice=sublattice, **where)
        at = defects.vacancies(crystal, kind="column", sublattice=sublattice, **where).defects
        xy = crystal.columns.query("visible")[["x_nm", "y_nm"]].to_numpy()
        pairs = NearestNeighbors(n_neighbors=2).fit(xy).kneighbors(at[["x_nm", "y_nm"]].to_numpy())[1]
        return defects.vacancies(crystal, kind="column", at=[tuple(xy[k]) for k in pairs.ravel()])
    if kind == "substitution":
        atoms = "one" if name == "MoS2" else "column"
        return defects.substitutions(crystal, species=element, atoms=atoms, sublattice=sublattice, **where)
    if kind == "interstitial":
        return defects.interstitials(crystal, species="Ti", **where)
    return defects.displaced(crystal, distance=0.04, sublattice=sublattice, **where)


def score(found, truth, pixels=8):
    return metrics.match(found.defects[["x", "y"]], truth[["x", "y"]], tolerance=pixels)


@pytest.fixture(scope="module")
def holes():
    """MoS2 with three double vacancies of sulphur, far above the noise."""
    structure = planted("MoS2", "double vacancy", size=(6, 6))
    return simulate.image(structure, electrons=600, random_state=2)


@pytest.fixture(scope="module")
def found(holes):
    return detect(holes.data)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LATTICES)
def test_planted_defects_are_found_and_nothing_else(name, kind):
    sample = simulate.image(planted(name, kind), electrons=500, random_state=5)
    truth = sample.extras["defects"]
    # Among 200 cells, at a rate so low that no false hit is expected; all that is planted is far beyond it.
    result = score(detect(sample.data).at(1e-6), truth)
    if kind == "double vacancy" and len(truth) == 6:
        assert result.recall >= 0.5  # of two holes side by side, one may speak for both
        assert len(result.spurious) == 0
    else:
        assert (len(result.spurious), len(result.missed)) == (0, 0)


@pytest.mark.parametrize(
    ("factor", "offset"), [(1e-12, 0.0), (1e9, 0.0), (1.0, 1e8), (1e-9, 3e-6), (-1.0, 0.0)]
)
def test_nothing_depends_on_what_pixels_are_counted_in(holes, found, factor, offset):
    other = detect(factor * holes.data.astype(float) + offset)
    # Upside down, what counts as a column is wider, and the place of a hit is known to its width.
    assert score(other, found.defects, pixels=max(2, other._view.sigma)).f1 == 1
    usual = (other.expected - offset) / factor
    assert float(np.abs(usual - found.expected).mean()) < 0.02 * float(found.expected.std())


def test_a_slope_across_the_image_gives_no_hits(holes, found):
    slope = 10 * float(holes.data.std()) * np.linspace(0, 1, holes.data.sizes["x"])
    assert score(detect(holes.data + slope), found.defects, pixels=3).f1 == 1


def test_the_smallest_rates(found):
    strict = found.at(1e-300)
    assert strict.threshold > found.threshold
    # How many are left hangs on the tail that was fitted, to the last digit of a machine's arithmetic.
    assert len(strict.defects) <= len(found.defects)
    assert min(*strict.defects["p_value"], *found.defects["p_value"]) >= 1e-12


def test_several_strong_neighbours_do_not_make_a_hit():
    # Two hits side by side, whose amplitudes add up at a third place: together they explain it
    y, x = np.mgrid[:60, :90].astype(float)
    score = sum(400 * np.exp(-((x - c) ** 2 + (y - 30) ** 2) / (2 * 2.0**2)) for c in (35, 55))
    score += 60 * np.exp(-((x - 45) ** 2 + (y - 36) ** 2) / (2 * 2.0**2))
    lone = hits_of(xr.DataArray(score, dims=("y", "x")), 30.0, 2.0, lambda s: 1 / (1 + s))
    wide = hits_of(xr.DataArray(score, dims=("y", "x")), 30.0, 4.0, lambda s: 1 / (1 + s))
    assert sorted(lone["x"]) == [35, 45, 55]
    assert sorted(wide["x"]) == [35, 55]


def test_the_table_of_hits(found, holes):
    table = found.defects
    expected = ["x", "y", "score", "p_value", "area", "extent", "group", "x_nm", "y_nm"]
    assert sorted(table.columns) == sorted(expected)
    assert len(table) == len(holes.extras["defects"]) == 3
    assert score(found, holes.extras["defects"], 3).f1 == 1
    values = found.score.values[table["y"].astype(int), table["x"].astype(int)]
    np.testing.assert_allclose(table["score"], values)
    assert (np.diff(table["score"]) <= 0).all()
    assert (table["score"] > found.threshold).all()
    assert (table["p_value"] < found.false_alarm_rate).all()
    assert (table["p_value"] > 0).all()
    # Each of three separate spots: about as wide as a column and its surroundings
    assert sorted(table["group"]) == [0, 1, 2]
    assert table["area"].sum() == np.count_nonzero(found.score.values > found.threshold)
    assert (table["extent"] >= 2 * np.sqrt(table["area"] / np.pi) - 2).all()
    assert (table["extent"] < 3 * np.sqrt(table["area"])).all()
    pixel = float(holes.data.x[1] - holes.data.x[0])
    np.testing.assert_allclose(table["x_nm"], float(holes.data.x[0]) + pixel * table["x"])


def test_the_map(found, holes):
    assert isinstance(found, DefectMap)
    assert found.score.dims == ("y", "x")
    xr.testing.assert_equal(found.score.x, holes.data.x)
    assert (found.scheme, found.detector) == ("window", "unit_cell")
    area = abs(np.linalg.det(found.lattice.basis))
    assert found.n_cells == pytest.approx(holes.data.size / area, rel=0.1)
    assert "3 hits" in repr(found)
    assert f"{found.n_cells} unit cells" in repr(found)


def test_expected_and_residual(found, holes):
    crystal = LATTICES["MoS2"][0]((6, 6))
    dose = holes.source["parameters"]["dose_e_per_A2"]
    truth = simulate.image(crystal, dose=dose).extras["expected"].values
    assert np.std(found.expected.values - truth) < 0.1 * np.std(truth)
    assert found.residual.attrs["units"] == "standard deviations"
    assert np.median(np.abs(found.residual)) == pytest.approx(0.6745, abs=0.06)
    y, x = (holes.extras["defects"][a].round().astype(int) for a in "yx")
    around = [found.residual.values[b - 2 : b + 3, a - 2 : a + 3].mean() for a, b in zip(x, y, strict=True)]
    assert max(around) < -1


def test_cells_have_scores_and_p_values(found):
    cells = found.cells
    assert len(cells) == found.n_cells
    assert not cells[["i", "j"]].duplicated().any()
    basis = found.lattice.basis
    step = cells[["i", "j"]].to_numpy() @ basis
    offset = cells[["x", "y"]].to_numpy() - step
    assert offset.std(axis=0).max() < 1  # nothing moves here
    for row in found.defects.itertuples():
        near = np.hypot(cells["x"] - row.x, cells["y"] - row.y).nsmallest(4).index
        assert cells.loc[near, "score"].max() == pytest.approx(row.score)
    order = cells.sort_values("score")
    assert (np.diff(order["p_value"]) <= 1e-12).all()


def spots(places, widths, heights, shape=(60, 80)):
    """Picture of Gaussian spots."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    bells = [
        h * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * w**2))
        for (a, b), w, h in zip(places, widths, heights, strict=True)
    ]
    return xr.DataArray(np.max(bells, axis=0), dims=("y", "x"))


def test_hits_of_a_picture_of_spots():
    score = spots([(20, 15), (34, 15), (60, 40), (70, 5)], [5, 5, 4, 4], [100, 90, 50, 9])
    table = hits_of(score, 10.0, 2.0, lambda s: 1 / (1 + s))
    assert table[["x", "y"]].to_numpy().tolist() == [[20, 15], [34, 15], [60, 40]]
    assert table["score"].tolist() == [100, 90, 50]
    assert table["p_value"].tolist() == [1 / 101, 1 / 91, 1 / 51]
    assert table["group"].iloc[0] == table["group"].iloc[1] != table["group"].iloc[2]
    radius = 4 * np.sqrt(2 * np.log(5))  # where the third spot falls to the threshold
    assert table["area"].iloc[2] == pytest.approx(np.pi * radius**2, rel=0.05)
    assert table["extent"].iloc[2] == pytest.approx(2 * radius, abs=2)
    assert table["area"].sum() == np.count_nonzero(score > 10)
    assert hits_of(score, 95.0, 2.0, lambda s: s)["x"].tolist() == [20]
    assert len(hits_of(score, 101.0, 2.0, lambda s: s)) == 0


def test_what_a_strong_hit_makes_beside_itself_is_no_hit():
    score = spots([(20, 20), (29, 20), (50, 20), (66, 20)], [2, 1, 2, 1], [1000, 60, 1000, 60])
    # Width of the response: what is nine pixels away may be its foot, or not.
    assert hits_of(score, 20.0, 3.0, lambda s: s)["x"].tolist() == [20, 50, 66]
    assert hits_of(score, 20.0, 1.0, lambda s: s)["x"].tolist() == [20, 50, 29, 66]


def test_groups_are_one_row_each(found):
    table = pd.DataFrame(
        {
            "x": [1.0, 3.0, 50.0],
            "y": [5.0, 5.0, 9.0],
            "score": [40.0, 90.0, 60.0],
            "p_value": [1e-5, 1e-9, 1e-6],
            "area": [4.0, 6.0, 3.0],
            "extent": [2.0, 3.0, 2.0],
            "group": [0, 0, 1],
        }
    )
    groups = replace(found, defects=table).groups.set_index("group")
    expected = {"x": 2.0, "y": 5.0, "n_hits": 2, "area": 10.0, "score": 90.0, "p_value": 1e-9}
    assert groups.loc[0].to_dict() == expected
    assert groups.loc[1, "n_hits"] == 1
    assert list(found.groups.columns[1:5]) == ["x", "y", "x_nm", "y_nm"]


@pytest.mark.parametrize("rate", [0.05, 1e-6])
def test_another_rate_is_a_fresh_search_at_that_rate(found, holes, rate):
    fresh, other = detect(holes.data, false_alarm_rate=rate), found.at(rate)
    pd.testing.assert_frame_equal(fresh.defects, other.defects)
    assert fresh.threshold == other.threshold
    assert other.false_alarm_rate == rate
    assert found.false_alarm_rate == 1e-4


def test_higher_rates_find_more(found):
    rates = [1e-5, 1e-3, 0.02, 0.2]
    maps = [found.at(rate) for rate in rates]
    assert (np.diff([m.threshold for m in maps]) < 0).all()
    for low, high in pairwise(maps):
        places = set(map(tuple, high.defects[["x", "y"]].to_numpy()))
        assert set(map(tuple, low.defects[["x", "y"]].to_numpy())) <= places
    assert len(maps[-1].defects) > len(maps[0].defects)


def test_cells_of_perfect_crystals_exceed_the_threshold_as_often_as_set():
    above = cells = 0
    for seed, (make, *_) in enumerate(list(LATTICES.values()) * 2):
        sample = simulate.image(make((5, 5)), electrons=100, random_state=100 + seed)
        table = detect(sample.data).cells
        above, cells = above + (table["p_value"] < 0.05).sum(), cells + len(table)
    low, high = binom.interval(0.999, cells, 0.05)
    assert low * 0.8 < above < high * 1.2  # a threshold from so few cells has an error of its own


# Where one of the two follows from the other, it is not asked for.
FOLLOWS = {("columns", "svm"): "detector", ("columns", "cycles"): "scheme", ("window", "svm"): "scheme"}
METHODS = [
    ("columns", "svm", 1.0),
    ("columns", "knn", 1.0),
    ("columns", "isolation_forest", 1.0),
    ("columns", "cycles", 1.0),
    ("window", "svm", 1.5),
    ("window", "knn", 1.5),
    ("window", "isolation_forest", 1.5),
    ("window", "residual", 1.0),
]


@pytest.mark.parametrize(("scheme", "detector", "reach"), METHODS)
def test_every_method_sees_a_strong_double_vacancy(holes, scheme, detector, reach):
    if scheme == "columns":
        pytest.importorskip("torch")
    asked = {"scheme": scheme, "detector": detector}
    asked.pop(FOLLOWS.get((scheme, detector)), None)
    found = detect(holes.data, **asked, false_alarm_rate=1e-3)
    assert (found.scheme, found.detector) == (scheme, detector)
    truth = holes.extras["defects"]
    result = score(found, truth, reach * found.lattice.spacing)
    assert result.recall == 1
    assert len(result.spurious) <= 1


def test_every_detector_of_the_list_is_tried_and_an_error_names_them_all(holes):
    tried = {(scheme, detector) for scheme, detector, _ in METHODS} | {("window", "unit_cell")}
    assert {(scheme, name) for scheme, names in DETECTORS.items() for name in names} == tried
    for scheme, names in DETECTORS.items():
        with pytest.raises(ValueError, match="choose one of " + ", ".join(map(repr, names))):
            detect(holes.data, scheme=scheme, detector="magic")


def test_a_semantic_image_hides_a_substitution():
    pytest.importorskip("torch")
    sample = simulate.image(planted("MoS2", "substitution"), electrons=600, random_state=4)
    assert score(detect(sample.data), sample.extras["defects"]).f1 == 1
    assert score(detect(sample.data, scheme="columns"), sample.extras["defects"]).recall == 0


@pytest.mark.parametrize("detector", [IsolationForest(random_state=0), OneClassSVM(nu=0.05)])
def test_any_outlier_detector(holes, detector):
    found = detect(holes.data, detector=detector, false_alarm_rate=1e-3)
    assert (found.scheme, found.detector) == ("window", type(detector).__name__)
    assert found.pipeline.detector_ is not detector
    assert score(found, holes.extras["defects"], 1.5 * found.lattice.spacing).recall == 1
    assert not hasattr(detector, "offset_")  # a copy was fitted


def test_a_region_without_defects_calibrates(holes, found):
    reference = np.ones(holes.data.shape, bool)
    for x, y in holes.extras["defects"][["x", "y"]].to_numpy():
        reference[int(y) - 25 : int(y) + 26, int(x) - 25 : int(x) + 26] = False
    other = detect(holes.data, reference=reference)
    assert score(other, holes.extras["defects"], 3).f1 == 1
    assert other.calibration.scale == 1
    assert len(other.calibration.null) < found.n_cells
    assert other.threshold == pytest.approx(found.threshold, rel=0.4)


def test_scan_and_dirt_are_no_defects():
    hits = 0
    for seed, (make, *_) in enumerate(LATTICES.values()):
        sample = simulate.image(make((5, 5)), electrons=300, instrument=SHAKEN, random_state=seed)
        hits += len(detect(sample.data).defects)
    assert hits <= 1


def test_arrays_give_the_same_without_nanometres(holes, found):
    bare = detect(holes.data.values)
    assert "x_nm" not in bare.defects
    pd.testing.assert_frame_equal(bare.defects, found.defects.drop(columns=["x_nm", "y_nm"]))
    np.testing.assert_array_equal(bare.score.values, found.score.values)


def test_the_same_seed_gives_the_same(holes):
    options = {"detector": "isolation_forest", "random_state": 3}
    one, other = (detect(holes.data, **options) for _ in range(2))
    pd.testing.assert_frame_equal(one.defects, other.defects)
    assert one.threshold == other.threshold
    assert detect(holes.data, detector="isolation_forest", random_state=4).threshold != one.threshold


def test_a_lattice_that_is_known_is_taken(holes, found):
    known = lattice.estimate(holes.data)
    assert detect(holes.data, lattice=known).lattice is known


def test_saving(found, tmp_path):
    table = pd.read_csv(found.save(tmp_path / "hits.csv"), comment="#")
    np.testing.assert_allclose(table[["x", "y", "score"]], found.defects[["x", "y", "score"]], rtol=1e-5)
    picture = io.read(found.save(tmp_path / "score.tif"))
    np.testing.assert_allclose(np.asarray(picture.data).squeeze(), found.score.values, rtol=1e-5)
    for name in ("hits.csv", "score.tif"):
        with pytest.raises(FileExistsError):
            found.save(tmp_path / name)
        found.save(tmp_path / name, overwrite=True)
    with pytest.raises(ValueError, match="xyz"):
        found.save(tmp_path / "score.xyz")


def test_nothing_found_is_an_empty_table(tmp_path):
    perfect = LATTICES["MoS2"][0]((4, 4))
    empty = detect(simulate.image(perfect, electrons=300, random_state=0).data, false_alarm_rate=1e-9)
    assert len(empty.defects) == len(empty.groups) == 0
    assert {"x", "y", "score", "p_value", "area", "extent", "group", "x_nm", "y_nm"} <= set(empty.defects)
    assert "0 hits" in repr(empty)
    assert len(pd.read_csv(empty.save(tmp_path / "none.csv"), comment="#")) == 0


def test_images_without_noise():
    for make, *_ in LATTICES.values():
        image = simulate.image(make((5, 5))).extras["expected"]
        hits = detect(image).defects
        # Along the border the average cell fits less well.
        assert not ((hits[["x", "y"]] > 15) & (hits[["x", "y"]] < 235)).all(axis=1).any()
        assert len(hits) <= 5
        holes = simulate.image(defects.vacancies(make((5, 5)), kind="column", border=1.0))
        found = detect(holes.extras["expected"])
        assert score(found, holes.extras["defects"], 3).recall == 1
        assert found.defects["score"].iloc[0] > 50 * found.threshold


def test_another_domain_is_not_called_a_defect_without_a_word():
    # The border runs down the image: along x, the slope of the twin could be drift as well.
    twin = simulate.image(structures.zirconia((7, 9), twin=True), electrons=300, random_state=0).data.T
    with pytest.warns(UserWarning, match="segment_domains"):
        detect(twin.values[:, : int(0.7 * twin.shape[1])])
    detect(twin.values[:, : int(0.45 * twin.shape[1])])  # says nothing


def test_nothing_repeats_in_a_film():
    film = simulate.image(structures.amorphous(size=(5, 5)), dose=3e4).data
    with pytest.raises(NotPeriodicError, match="no lattice was found"):
        detect(film)


def test_a_few_cells_are_not_enough():
    image = simulate.image(structures.perovskite((4, 4)), electrons=1000, random_state=0).data
    known = lattice.estimate(image)
    with pytest.raises(NotPeriodicError, match="unit cells lie in the image, 9 are needed"):
        detect(image[:45, :45], lattice=known)


def test_too_few_windows_to_learn_from():
    image = simulate.image(structures.perovskite((4, 4)), electrons=1000, random_state=0).data
    with pytest.raises(ValueError, match="larger field of view"):
        detect(image[:64, :64], lattice=lattice.estimate(image), detector="svm")


IMAGE = np.random.default_rng(0).random((64, 64))


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (np.full((64, 64), np.nan), {}, "constant"),
        (np.ones((64, 64)), {}, "constant"),
        (np.zeros((4, 64, 64)), {}, "two axes"),
        (IMAGE[:20], {}, "too small"),
        (IMAGE, {"false_alarm_rate": 0}, "above 0 and below 1, got 0"),
        (IMAGE, {"false_alarm_rate": 1}, "above 0 and below 1, got 1"),
        (IMAGE, {"false_alarm_rate": -0.1}, "above 0 and below 1"),
        (IMAGE, {"false_alarm_rate": np.nan}, "above 0 and below 1, got nan"),
        (IMAGE, {"false_alarm_rate": "a"}, "above 0 and below 1, got 'a'"),
        (IMAGE, {"false_alarm_rate": None}, "above 0 and below 1, got None"),
        (IMAGE, {"scheme": "atoms"}, 'scheme must be "auto", "window" or "columns", got \'atoms\''),
        (IMAGE, {"detector": "magic"}, "'magic' does not belong to scheme 'window'"),
        (
            IMAGE,
            {"scheme": "columns", "detector": "residual"},
            "'residual' does not belong to scheme 'columns'",
        ),
        (IMAGE, {"scheme": "window", "detector": "cycles"}, "'cycles' does not belong to scheme 'window'"),
        (IMAGE, {"detector": 3}, "needs fit and score_samples, int has not"),
        (IMAGE, {"lattice": 3}, "a Lattice is needed, got a int"),
        (IMAGE, {"random_state": "a"}, "random_state is a whole number or None"),
    ],
)
def test_bad_input(image, options, words):
    with pytest.raises(ValueError, match=words):
        detect(image, **options)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (np.ones((10, 10), bool), "of the shape"),
        (np.ones((200, 200)), "True and False"),
        (np.zeros((200, 200), bool), "0 defect-free cells are too few"),
    ],
)
def test_bad_reference(reference, words):
    image = simulate.image(structures.perovskite((4, 4)), electrons=1000, random_state=0).data
    with pytest.raises(ValueError, match=words):
        detect(image, reference=reference)


@pytest.mark.parametrize("rate", [0, 1, "a", np.nan])
def test_bad_rate_afterwards(found, rate):
    with pytest.raises(ValueError, match="false_alarm_rate"):
        found.at(rate)
