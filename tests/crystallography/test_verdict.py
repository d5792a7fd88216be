"""Which phases are ferroic: the planted answer, and no more false alarms than alpha allows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from atomlens import datasets, metrics
from atomlens.crystallography import LocalCrystallography, point_group
from atomlens.crystallography._replicas import doubled_pairs, groups, nearest_centroid, partners
from atomlens.crystallography._verdict import actions, asymmetric_part, asymmetry_test, largest_subgroup
from atomlens.lattice import neighbour_vectors
from atomlens.simulate import column_positions, structures

FOUR = (0, 90, 180, 270)
DOUBLED = (45, "alternating")
STAR = 10 * np.array([[1.0, 1], [-1, 1], [-1, -1], [1, -1]])


def crystal(k, **settings):
    return LocalCrystallography(n_clusters=k, center="Ti", neighbors="Sr", **settings)


def kinds(model):
    return sorted(zip(model.verdict_["kind"], model.verdict_["n_variants"], strict=True))


@pytest.mark.parametrize(
    ("variants", "k", "wanted"),
    [
        # the right number of labels
        ((*FOUR, None, DOUBLED), 7, [("ferroic", 4), ("lattice-doubled", 1), ("non-ferroic", 1)]),
        (FOUR, 4, [("ferroic", 4)]),
        ((45, 135, 225, 315), 4, [("ferroic", 4)]),
        ((0, 180), 2, [("ferroic", 2)]),
        ((0, None), 2, [("ferroic", 1), ("non-ferroic", 1)]),
        ((DOUBLED,), 2, [("lattice-doubled", 1)]),
        ((0,), 1, [("ferroic", 1)]),
        ((None,), 1, [("non-ferroic", 1)]),
        # too many: what no gap parts is one phase, and nothing is made up
        ((0,), 5, [("ferroic", 1)]),
        ((None,), 4, [("non-ferroic", 1)]),
        ((0, None), 4, [("ferroic", 1), ("non-ferroic", 1)]),
        ((0, 180), 4, [("ferroic", 2)]),
        ((DOUBLED,), 3, [("lattice-doubled", 1)]),
        (FOUR, 8, [("ferroic", 4)]),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_kind_and_number_of_variants(planted, variants, k, wanted, seed):
    model = crystal(k).fit(planted(variants, polar=28, seed=seed)[0])
    assert kinds(model) == wanted
    verdict = model.verdict_
    assert (verdict["ferroic"] == (verdict["kind"] == "ferroic")).all()
    assert sorted(label for labels in verdict["labels"] for label in labels) == list(range(k))
    for phase, labels in enumerate(model.verdict_["labels"]):
        assert (model.phase_of_label_[list(labels)] == phase).all()
    whole = np.isfinite(model.vectors_).all(axis=(1, 2))
    np.testing.assert_array_equal(np.bincount(model.phase_labels_[whole]), verdict["n"])
    assert verdict["n"].is_monotonic_decreasing
    ferroic = verdict[verdict["ferroic"]]
    np.testing.assert_allclose(ferroic["asymmetry_pm"], 28, atol=1.5)
    np.testing.assert_allclose(verdict["asymmetry_pm"], verdict["asymmetry_px"] * 20, rtol=1e-3)
    assert (ferroic["orbit_size"] == 4).all()
    assert (verdict.loc[~verdict["ferroic"], "p_value"] > 0.01).all()
    assert ((verdict["closure"] >= 0) & (verdict["closure"] <= 1)).all()


def test_without_noise(planted):
    table, truth = planted(FOUR, noise=0, slow=0, missing=0, seed=1)
    model = crystal(4).fit(table)
    assert metrics.adjusted_rand_index(model.labels_, np.where(model.labels_ >= 0, truth, -1)) == 1
    assert kinds(model) == [("ferroic", 4)]
    assert model.verdict_["closure"][0] == 1
    perfect = crystal(1).fit(planted((None,), noise=0, slow=0, missing=0)[0])
    assert kinds(perfect) == [("non-ferroic", 1)]


@pytest.mark.parametrize(
    ("group", "mirror", "sizes"),
    [
        ("1", (1, 0), [1, 1, 1, 1]),
        ("2", (1, 0), [2, 2]),
        ("m", (1, 0), [1, 1, 2]),
        ("m", (1, 1), [2, 2]),
        ("2mm", (1, 0), [2, 2]),
        ("2mm", (1, 1), [4]),
        ("4", (1, 0), [4]),
    ],
)
def test_a_smaller_point_group_joins_fewer_variants(planted, group, mirror, sizes):
    model = crystal(4, point_group=group, mirror=mirror).fit(planted(FOUR, seed=1)[0])
    assert sorted(len(labels) for labels in model.verdict_["labels"]) == sizes
    # Displacements along the mirror, or without any symmetry to break, are not ferroic.
    for labels, row in zip(model.verdict_["labels"], model.verdict_.itertuples(), strict=True):
        assert row.ferroic == (len(labels) > 1)


@pytest.mark.filterwarnings("ignore:phase . is ferroic")  # one in a hundred
def test_false_alarms_are_as_rare_as_alpha_says(planted):
    """Non-ferroic samples cut into one to five labels: P(p <= alpha) <= alpha + 2 standard errors."""
    perfect = planted((None,), size=5.5, noise=0, missing=0, drift=0, slow=0)[0]
    xy = perfect[["x", "y"]].to_numpy()
    hoods = neighbour_vectors(perfect, center="Ti", neighbors="Sr")  # indexed once
    smallest, n = [], 200
    for seed in range(n):
        rng = np.random.default_rng(seed)
        scan = np.array([[1, rng.uniform(-0.03, 0.03)], [0, 1 + rng.uniform(-0.03, 0.03)]])
        moved = xy @ scan + rng.normal(0, rng.uniform(0.05, 0.25), xy.shape)
        near = np.where(rng.random(len(xy))[hoods.neighbours] > 0.02, hoods.neighbours, -1)
        vectors = np.where(near[..., None] >= 0, moved[near] - moved[hoods.centres][:, None], np.nan)
        lattice = replace(hoods.lattice, basis=hoods.lattice.basis @ scan)
        sample = replace(hoods, vectors=vectors, neighbours=near, ideal=hoods.ideal @ scan, lattice=lattice)
        verdict = crystal(1 + seed % 5, random_state=seed).fit(sample).verdict_
        assert "lattice-doubled" not in set(verdict["kind"])
        smallest.append(verdict["p_value"].min())
    smallest = np.array(smallest)
    assert np.isfinite(smallest).all()
    for alpha in (0.01, 0.05):
        assert np.mean(smallest <= alpha) <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / n)
    assert np.mean(smallest <= 0.5) > 0.2  # and it is a test: p-values are spread, not all one


def test_the_test_itself_is_exact_for_independent_atoms():
    """Hotelling's test on one atom a block has P(p <= alpha) = alpha; with a tolerance, at most that."""
    group = point_group("4mm", 20 * np.eye(2))
    matrices = actions(group, STAR[None])[0]
    projector = asymmetric_part(matrices.values(), STAR, trust_scan=True)
    rng = np.random.default_rng(0)
    for shift, tolerance in ((0.0, 0.0), (0.3, 0.3)):
        p = []
        for _ in range(400):
            points = (STAR + [shift, 0]).ravel() + rng.normal(0, 0.3, (60, 8))
            p.append(asymmetry_test(points, None, projector, tolerance)[0])
        for alpha in (0.01, 0.05, 0.5):
            error = np.sqrt(alpha * (1 - alpha) / len(p))
            assert np.mean(np.array(p) <= alpha) <= alpha + 3 * error
            if tolerance == 0:  # the limit of the noncentral one is estimated, on the safe side
                assert np.mean(np.array(p) <= alpha) >= alpha - 3 * error


def test_size_of_the_asymmetry():
    group = point_group("4mm", 20 * np.eye(2))
    projector = asymmetric_part(actions(group, STAR[None])[0].values(), STAR, trust_scan=False)
    points = (STAR + [0.6, -0.8]).ravel() + np.random.default_rng(1).normal(0, 0.1, (500, 8))
    assert asymmetry_test(points, None, projector)[1] == pytest.approx(1, abs=0.02)


def test_a_linear_deformation_is_projected_out_without_trust():
    group = point_group("4mm", 20 * np.eye(2))
    matrices = actions(group, STAR[None])[0].values()
    deformed = (STAR @ np.array([[1.02, 0.03], [-0.01, 0.97]]) - STAR).ravel()
    assert np.abs(asymmetric_part(matrices, STAR, trust_scan=False) @ deformed).max() < 1e-12
    assert np.abs(asymmetric_part(matrices, STAR, trust_scan=True) @ deformed).max() > 0.1
    shifted = np.tile([1.0, 0], 4)
    np.testing.assert_allclose(
        asymmetric_part(matrices, STAR, trust_scan=False) @ shifted, shifted, atol=1e-12
    )


def test_trust_in_the_scan(planted):
    """One half of the field is sheared: phantoms, or the scan."""
    table = planted((None,), drift=0, slow=0, size=12)[0]
    table["y"] += 0.03 * np.maximum(table["x"] - table["x"].mean(), 0)
    assert kinds(crystal(2).fit(table)) == [("non-ferroic", 1)]
    trusting = crystal(2, trust_scan=True).fit(table)
    assert kinds(trusting) == [("ferroic", 2)]
    # Sheared by +-1.5 % about their mean: each of four neighbours moves by 0.015 x 276 pm / sqrt(2).
    assert trusting.verdict_["asymmetry_pm"][0] == pytest.approx(0.015 * 276 / np.sqrt(2), abs=0.2)


def test_tolerance_is_a_length_in_pixels(planted):
    table = planted((0,), polar=4, size=12)[0]  # 0.2 px
    found = {t: crystal(1, tolerance=t).fit(table).verdict_ for t in (0.0, 0.05, 0.22, 0.5)}
    assert [v["kind"][0] for v in found.values()] == ["ferroic", "ferroic", "non-ferroic", "non-ferroic"]
    p = [v["p_value"][0] for v in found.values()]
    assert p == sorted(p)
    assert found[0.0]["asymmetry_px"][0] == pytest.approx(0.2, abs=0.01)


def test_too_few_atoms_give_no_p_value(planted):
    table = planted((0,), missing=0)[0]
    few = table[(table.x < 90) & (table.y < 90)]
    for k in (1, 3):
        verdict = crystal(k).fit(few).verdict_
        assert verdict["p_value"].isna().all()
        assert verdict["asymmetry_px"].isna().all()
        assert not verdict["ferroic"].any()


def test_a_strong_uniform_displacement_is_no_obstacle(planted):
    model = crystal(1).fit(planted((0,), polar=55, seed=2)[0])
    assert kinds(model) == [("ferroic", 1)]
    assert model.verdict_["asymmetry_pm"][0] == pytest.approx(55, abs=2)


def test_labels_by_chance_close_but_are_not_ferroic(planted):
    """The naive test: the two halves of a phase that k-means cut in two exchange perfectly."""
    model = crystal(2).fit(planted((None,), seed=3)[0])
    turned = model.contingency_["180°"].to_numpy()[:, :2]
    assert np.trace(turned) < 0.05 * turned.sum()
    assert model.verdict_["closure"][0] > 0.99
    assert model.gap_p_values_[0, 1] > 0.1
    assert kinds(model) == [("non-ferroic", 1)]


@pytest.mark.parametrize("k", [1, 2, 4])
def test_bismuth_ferrite_is_one_polar_phase(data_dir, k):
    model = LocalCrystallography(n_clusters=k, center="Fe", neighbors="Bi").fit(
        datasets.load("bfo_columns").data
    )
    assert kinds(model) == [("ferroic", 1)]
    assert model.verdict_["labels"][0] == tuple(range(k))
    assert len(model.contingency_["1"]) == k


def test_partners_and_doubled_pairs():
    table = np.array([[0, 90, 0, 10], [80, 0, 5, 15], [0, 0, 3, 97]])
    to, share = partners(table)
    assert to.tolist() == [1, 0, -1]
    np.testing.assert_allclose(share, [0.9, 0.8, 0.97])
    swaps = doubled_pairs([table], 3)
    assert swaps.tolist() == [[False, True, False], [True, False, False], [False, False, False]]
    assert doubled_pairs([], 2).tolist() == [[False] * 2] * 2
    linked = groups(np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]], dtype=bool))
    assert linked[0] == linked[1] != linked[2]


def test_nearest_centroid_scales_what_is_missing():
    centroids = np.array([[0.0, 0, 0, 0], [3.0, 3, 3, 3]])
    points = np.array([[1.0, 1, 1, 1], [3, 3, 3, 4], [2.5, 2, np.nan, np.nan], [2.5, *[np.nan] * 3]])
    labels, distance = nearest_centroid(points, centroids)
    assert labels.tolist() == [0, 1, 1, -1]
    np.testing.assert_allclose(distance, [4, 1, 2 * (0.25 + 1), np.inf])


def test_rows_of_the_verdict(planted):
    verdict = crystal(4).fit(planted(FOUR)[0]).verdict_
    assert list(verdict) == [
        "labels", "kind", "ferroic", "n_variants", "orbit_size", "closure", "asymmetry_px", "asymmetry_pm",
        "p_value", "p_spatial", "power", "n",
    ]  # fmt: skip
    assert verdict.index.name == "phase"
    assert isinstance(verdict, pd.DataFrame)


@pytest.mark.filterwarnings("ignore:phase . is ferroic")  # one in a hundred
def test_scan_lines_that_jump_are_no_phase():
    cells = structures.perovskite((8, 8), formula="PbTiO3")
    p_values = []
    for seed in range(60):
        jumps = np.random.default_rng(seed).normal(0, 0.004, 500)

        def scan(x, y, jumps=jumps):
            return jumps[(y / 0.02).astype(int).clip(0, 499)], 0 * y

        table = column_positions(cells, noise=0.003, distortion=scan, random_state=seed).data
        model = LocalCrystallography(n_clusters=1, center="Ti", neighbors="Pb").fit(table)
        p_values.append(model.verdict_["p_value"][0])
    p_values = np.array(p_values)
    for alpha in (0.01, 0.05):
        assert np.mean(p_values <= alpha) <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / 60)


def test_largest_subgroup():
    group = point_group("4mm")
    star = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
    [matrices] = actions(group, star[None])
    assert largest_subgroup(matrices, set(matrices)) == 8
    assert largest_subgroup(matrices, {0}) == 1
    # A quarter turn alone is no group, nor are two mirrors without their product.
    assert largest_subgroup(matrices, {0, 1}) == 1
    assert largest_subgroup(matrices, {0, 1, 2, 3}) == 4
    assert largest_subgroup(matrices, {0, 4, 5}) == 2
