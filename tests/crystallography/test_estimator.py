"""Labels, replicas and the interface of the estimator, against planted crystals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from atomlens import lattice, metrics
from atomlens.crystallography import LocalCrystallography
from atomlens.lattice import NotPeriodicError, neighbour_vectors
from atomlens.simulate import column_positions, structures

FOUR = (0, 90, 180, 270)
ALL = (*FOUR, None, (45, "alternating"))
TI = {"center": "Ti", "neighbors": "Sr"}


def crystal(k, **settings):
    return LocalCrystallography(n_clusters=k, **{**TI, **settings})


def agreement(labels, truth):
    """ARI where both are there."""
    return metrics.adjusted_rand_index(labels, np.where(labels >= 0, truth, -1))


@pytest.fixture(scope="module")
def four():
    cells = structures.perovskite((9.0, 9.0), polar=25, variants=FOUR, random_state=4)
    sample = column_positions(cells, noise=0.003, missing=0.02, random_state=4)
    return sample.data, sample.truth


@pytest.fixture(scope="module")
def fitted(four):
    return crystal(4).fit(four[0])


@pytest.mark.parametrize("method", ["kmeans", "gmm"])
@pytest.mark.parametrize(("polar", "seed"), [(20, 0), (25, 1), (30, 2)])
def test_planted_phases_are_found(planted, polar, seed, method):
    """3 pm noise, 2 % vacancies, 2 % drift, a slow distortion; the doubled phase counts as two labels."""
    table, truth = planted(ALL, polar=polar, seed=seed)
    model = crystal(7, method=method).fit(table)
    assert agreement(model.labels_, truth) >= 0.95
    whole = np.isfinite(model.vectors_).all(axis=(1, 2))
    assert (model.labels_[whole] >= 0).all()
    assert (np.diff(np.bincount(model.labels_[whole], minlength=7)) <= 0).all()  # the largest first


def test_centroids_are_the_planted_displacements(fitted):
    shifts = -fitted.centroids_.mean(axis=1) * 20  # pm
    angle = np.sort(np.degrees(np.arctan2(shifts[:, 1], shifts[:, 0])) % 359)
    np.testing.assert_allclose(angle, [0, 90, 180, 270], atol=4)
    np.testing.assert_allclose(np.linalg.norm(shifts, axis=1), 25, atol=1.5)
    assert fitted.vectors_.shape == (len(fitted.labels_), 4, 2)
    assert fitted.ideal_.shape == (4, 2)
    middle = fitted.ideal_ - fitted.ideal_.mean(axis=0)  # of the field: more atoms point one way
    np.testing.assert_allclose(np.linalg.norm(middle, axis=1), 0.3905 / 0.02 / np.sqrt(2), rtol=0.003)


def test_labels_are_in_the_order_of_the_table(four, fitted):
    table, truth = four
    on = np.flatnonzero(table["sublattice"] == "Ti")
    np.testing.assert_array_equal(fitted.centers_, on)
    interior = np.where(truth["interior"], truth["variant"], -1)[on]
    assert agreement(fitted.labels_, interior) > 0.99

    order = np.random.default_rng(0).permutation(len(table))
    shuffled = table.iloc[order]  # keeps its old index: positions count, not names
    again = crystal(4).fit(shuffled)
    np.testing.assert_array_equal(again.centers_, np.flatnonzero(shuffled["sublattice"] == "Ti"))
    of_row = pd.Series(fitted.labels_, index=table.index[on])
    known = of_row[shuffled.index[again.centers_]].to_numpy()
    np.testing.assert_array_equal(again.labels_ < 0, known < 0)
    assert metrics.adjusted_rand_index(again.labels_, known) > 0.999

    named = table.set_index(pd.Index([f"atom {n}" for n in range(len(table))]))
    np.testing.assert_array_equal(crystal(4).fit(named).labels_, fitted.labels_)
    numbered = table.rename(columns={"sublattice": "label"}).assign(
        label=np.where(table.sublattice == "Ti", 1, 0)
    )
    same = LocalCrystallography(n_clusters=4, center=1, neighbors=0).fit(numbered)
    np.testing.assert_array_equal(same.labels_, fitted.labels_)


@pytest.mark.parametrize("angle", [17, 45, 90, 170])
def test_a_turned_sample_has_the_same_partition(four, fitted, angle):
    table = four[0].copy()
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    table[["x", "y"]] = table[["x", "y"]].to_numpy() @ [[cosine, sine], [-sine, cosine]]
    turned = crystal(4).fit(table.drop(columns=["x_nm", "y_nm"]))
    assert metrics.adjusted_rand_index(turned.labels_, fitted.labels_) > 0.999
    assert turned.verdict_[["kind", "n_variants", "orbit_size"]].equals(
        fitted.verdict_[["kind", "n_variants", "orbit_size"]]
    )
    assert "asymmetry_pm" not in turned.verdict_
    np.testing.assert_allclose(
        turned.verdict_["asymmetry_px"] * 20, fitted.verdict_["asymmetry_pm"], rtol=0.01
    )


def test_atoms_without_neighbours_have_no_label(four):
    table = four[0]
    model = crystal(4).fit(table)
    there = np.isfinite(model.vectors_).all(axis=2).sum(axis=1)
    np.testing.assert_array_equal(model.labels_ == -1, there < 2)  # half of four may be missing
    assert {0, 1, 2, 3, 4} >= set(there)
    assert (there == 2).any()
    assert (there < 2).any()
    np.testing.assert_array_equal(model.phase_labels_ == -1, model.labels_ == -1)
    assert (model.replica_labels_[:, there < 4] == -1).all()
    astray = pd.DataFrame({"x": [table.x.max() + 200.0], "y": [50.0], "sublattice": ["Ti"]})
    more = crystal(4).fit(pd.concat([table.drop(columns=["x_nm", "y_nm"]), astray], ignore_index=True))
    assert more.labels_[-1] == -1
    np.testing.assert_array_equal(more.labels_[:-1] < 0, model.labels_ < 0)


def test_ready_neighbourhoods(four, fitted):
    hoods = neighbour_vectors(four[0], **TI)
    same = LocalCrystallography(n_clusters=4).fit(hoods)
    np.testing.assert_array_equal(same.labels_, fitted.labels_)
    assert same.verdict_.equals(fitted.verdict_)


def test_one_and_two_neighbours_are_enough_for_small_groups(four):
    hoods = neighbour_vectors(four[0], **TI)

    def only(slots):
        return replace(hoods, vectors=hoods.vectors[:, slots], ideal=hoods.ideal[:, slots])

    pair = LocalCrystallography(n_clusters=4, point_group="2mm", mirror=(1, 1)).fit(only([0, 2]))
    # With mirrors along the diagonals and half a turn each of four directions becomes all others.
    assert pair.verdict_[["kind", "n_variants", "orbit_size"]].to_numpy().tolist() == [["ferroic", 4, 4]]
    lone = LocalCrystallography(n_clusters=2, point_group="m", mirror=(1, 1)).fit(only([0]))
    assert lone.replica_labels_.shape == (2, len(hoods.vectors))


def test_replicas_and_contingencies(fitted):
    names = ("1", "90°", "180°", "270°", "m 0°", "m 45°", "m 90°", "m 135°")
    assert fitted.operations_ == names
    whole = np.isfinite(fitted.vectors_).all(axis=(1, 2))
    counts = np.bincount(fitted.labels_[whole], minlength=4)
    assert fitted.replica_labels_.shape == (8, len(fitted.labels_))
    np.testing.assert_array_equal(fitted.replica_labels_[0, whole], fitted.labels_[whole])
    for g, name in enumerate(names):
        table = fitted.contingency_[name]
        assert table.shape == (4, 5)
        np.testing.assert_array_equal(table.sum(axis=1), counts)
        expected = pd.crosstab(fitted.labels_[whole], fitted.replica_labels_[g, whole])
        for column in expected:  # -1 is the last column, "none"
            np.testing.assert_array_equal(table.iloc[:, column], expected[column])
    # A quarter turn permutes the four variants in a ring, twice that exchanges opposites.
    turn = fitted.contingency_["90°"].to_numpy()[:, :4].argmax(axis=1)
    assert sorted(turn) == [0, 1, 2, 3]
    assert (turn[turn] != np.arange(4)).all()
    np.testing.assert_array_equal(fitted.contingency_["180°"].to_numpy()[:, :4].argmax(axis=1), turn[turn])
    assert fitted.verdict_["closure"][0] > 0.97


def test_translations_count_pairs_of_cells(planted):
    table, truth = planted(((45, "alternating"),), noise=2.0, missing=0.05, seed=3)
    model = crystal(2).fit(table)
    assert [name for name in model.contingency_ if name[0] == "+"] == ["+(1, 0)", "+(0, 1)", "+(1, 1)"]
    assert agreement(model.labels_, truth) == 1
    cells = {tuple(c): label for c, label in zip(model.neighbourhoods_.cell, model.labels_, strict=True)}
    for name, (i, j) in (("+(1, 0)", (1, 0)), ("+(0, 1)", (0, 1)), ("+(1, 1)", (1, 1))):
        expected = np.zeros((2, 2), dtype=int)
        for (a, b), label in cells.items():
            other = cells.get((a + i, b + j), -1)
            if label >= 0 and other >= 0:
                expected[label, other] += 1
        np.testing.assert_array_equal(model.contingency_[name].to_numpy()[:, :2], expected)
    swapped = [np.trace(model.contingency_[n].to_numpy()[:, :2]) == 0 for n in ("+(1, 0)", "+(0, 1)")]
    assert swapped in ([True, False], [False, True])  # a may be either direction of the square
    assert model.verdict_["kind"].tolist() == ["lattice-doubled"]


def test_honeycomb_has_two_sites():
    table = column_positions(structures.graphene((5, 5)), noise=0.003, missing=0.01, random_state=0).data
    model = LocalCrystallography(3, 2, point_group="6mm").fit(table)
    whole = np.isfinite(model.vectors_).all(axis=(1, 2))
    kind = model.neighbourhoods_.kind
    assert metrics.adjusted_rand_index(model.labels_[whole], kind[whole]) == 1
    # Half a turn exchanges the sites, a third of a turn keeps them.
    assert np.trace(model.contingency_["180°"].iloc[:, :2].to_numpy()) == 0
    third = model.contingency_["120°"].to_numpy()
    assert np.trace(third) >= 0.99 * third.sum()
    # Two sites of one structure are no variants, wherever they are displaced.
    assert model.verdict_[["labels", "kind", "n_variants"]].to_numpy().tolist() == [
        [(0,), "non-ferroic", 1],
        [(1,), "non-ferroic", 1],
    ]
    first = model.neighbourhoods_.kind == 0
    moved = table.assign(x=table.x + 0.6 * first)
    polar = LocalCrystallography(3, 2, point_group="6mm").fit(moved).verdict_
    assert polar["n_variants"].tolist() == [1, 1]
    assert set(polar["kind"]) == {"ferroic"}


def test_scikit_learn_conventions(four, fitted):
    model = crystal(5, method="gmm", point_group="2mm", random_state=3)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert "n_clusters=5" in repr(model)
    assert "point_group='2mm'" in repr(model)
    assert model.set_params(n_clusters=4).n_clusters == 4
    again = crystal(4)
    np.testing.assert_array_equal(again.fit_predict(four[0]), fitted.labels_)
    assert again.verdict_.equals(fitted.verdict_)
    np.testing.assert_array_equal(again.centroids_, fitted.centroids_)


def test_the_table_is_left_alone(four):
    before = four[0].copy()
    crystal(2).fit(four[0])
    pd.testing.assert_frame_equal(four[0], before)


def test_more_atoms_than_clusters_are_learned_from(four, fitted, monkeypatch):
    from atomlens.crystallography import estimator

    monkeypatch.setattr(estimator, "_MOST_ROWS", 200)
    some = crystal(4).fit(four[0])
    assert metrics.adjusted_rand_index(some.labels_, fitted.labels_) > 0.99


# Bad input: change of the table or settings; part of the message.
BAD_TABLES = {
    "too few": (lambda t: t.iloc[:3], ValueError, "3 columns have no 4 neighbours each: ask for fewer"),
    "empty": (lambda t: t.iloc[:0], ValueError, "0 columns"),
    "one sublattice": (lambda t: t[t.sublattice == "Ti"], ValueError, "neighbors='Sr'.*one sublattice only"),
    "no sublattices": (lambda t: t[["x", "y"]], ValueError, "center='Ti'.*assign_sublattices"),
    "duplicates": (lambda t: pd.concat([t, t.iloc[:2]]), ValueError, "2 columns are listed twice.*drop_dupl"),
    "NaN": (
        lambda t: t.assign(x=t.x.where(t.index != 5)),
        ValueError,
        "1 positions are NaN.*drop those rows",
    ),
    "infinite": (lambda t: t.assign(y=t.y.where(t.index != 5, np.inf)), ValueError, "infinite"),
    "no x": (lambda t: t.drop(columns="x"), ValueError, "x"),
    "no lattice": (
        lambda t: t.assign(x=np.random.default_rng(0).uniform(0, 4e5, len(t))),
        NotPeriodicError,
        "no lattice was found",
    ),
    "a word": (lambda t: "columns", ValueError, r"table of columns \(DataFrame\).*got str"),
    "nothing": (lambda t: None, ValueError, "got NoneType"),
    "an array": (lambda t: t[["x", "y"]].to_numpy(), ValueError, "got ndarray"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables(four, case):
    change, error, message = BAD_TABLES[case]
    with pytest.raises(error, match=message):
        crystal(2).fit(change(four[0]))


def test_a_table_with_several_sublattices_needs_a_centre(four):
    with pytest.raises(ValueError, match="say whose neighbourhoods to cluster, for example center="):
        LocalCrystallography(n_clusters=2).fit(four[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_clusters": 0}, "n_clusters must be a whole number"),
        ({"n_clusters": 2.0}, "n_clusters must be a whole number"),
        ({"n_clusters": True}, "n_clusters must be a whole number"),
        (
            {"n_clusters": 5000},
            r"\d+ atoms have all their 4 neighbours, fewer than the 5000 .*fewer clusters",
        ),
        ({"n_neighbors": 0}, "n_neighbors must be a whole number"),
        ({"n_neighbors": 3}, "does not map the 3 neighbours.*whole coordination spheres"),
        ({"n_neighbors": 100_000}, "ask for fewer"),
        ({"method": "dbscan"}, "kmeans, gmm, got 'dbscan'"),
        *[({"alpha": a}, "alpha must lie between 0 and 1") for a in (0, 1, -1, np.nan, "x", None)],
        *[({"tolerance": t}, "tolerance must be a length") for t in (-1, np.nan, np.inf, "x", None)],
        ({"point_group": "4m"}, "use one of 1, 2, m, 2mm"),
        ({"point_group": "6"}, "has no symmetry 6"),
        ({"mirror": (0, 0)}, "mirror must be a lattice direction"),
        ({"mirror": (3, 1)}, r"no symmetry 4mm with a mirror along \(3, 1\)"),
        ({"center": "Pb"}, "center='Pb' is no sublattice"),
        ({"neighbors": []}, "neighbors is empty"),
    ],
)
def test_bad_settings(four, settings, message):
    with pytest.raises(ValueError, match=message):
        crystal(**{"k": 2, **{("k" if n == "n_clusters" else n): v for n, v in settings.items()}}).fit(
            four[0]
        )


def test_the_number_of_neighbours_in_the_message_is_that_of_the_neighbourhoods(four):
    hoods = neighbour_vectors(four[0], n_neighbors=8, center="Ti", neighbors="Ti")
    with pytest.raises(ValueError, match="atoms have all their 8 neighbours"):
        crystal(1000).fit(hoods)


def test_neighbours_on_the_site_of_the_centre_decide_nothing(planted):
    table = planted((0,), polar=25, size=12)[0]
    verdict = LocalCrystallography(n_clusters=1, center="Ti", neighbors="Ti").fit(table).verdict_
    assert verdict["kind"].tolist() == ["undecided"]
    assert np.isnan(verdict["p_value"][0])
    # Nor does a group without operations.
    alone = LocalCrystallography(n_clusters=1, center="Ti", neighbors="Sr", point_group="1").fit(table)
    assert alone.verdict_["kind"].tolist() == ["undecided"]


def test_closure_counts_replicas_that_land(planted):
    table = planted((0,), polar=25, size=12)[0]
    verdict = LocalCrystallography(n_clusters=1, center="Ti", neighbors="Sr").fit(table).verdict_
    # One variant alone: the identity and the mirror along the displacement leave it where it is.
    assert verdict["closure"][0] == pytest.approx(2 / 8, abs=0.02)
    assert verdict[["n_variants", "orbit_size"]].to_numpy().tolist() == [[1, 4]]


def test_a_calibrated_lattice_reaches_the_verdict(planted):
    table = planted((0,), polar=25, size=12)[0]
    bare = table[["x", "y", "sublattice"]]  # no nanometres
    calibrated = lattice.estimate(bare).calibrated(0.4)
    settings = {"n_clusters": 1, "center": "Ti", "neighbors": "Sr"}
    assert "asymmetry_pm" not in LocalCrystallography(**settings).fit(bare).verdict_
    model = clone(LocalCrystallography(lattice=calibrated, **settings)).fit(bare)
    assert model.verdict_["asymmetry_pm"][0] == pytest.approx(25, rel=0.05)
    with pytest.raises(NotPeriodicError):
        LocalCrystallography(lattice=lattice.Lattice(np.full((2, 2), np.nan)), **settings).fit(bare)
