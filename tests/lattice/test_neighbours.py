"""Entry j is the same neighbour everywhere: against geometry, and against a search by distance."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from atomlens import lattice
from atomlens.lattice.neighbours import neighbour_steps

GRID = pd.DataFrame(
    np.stack(np.meshgrid(np.arange(8.0), np.arange(8.0)), axis=-1).reshape(-1, 2) * 20, columns=["x", "y"]
)
TWO = pd.concat([GRID.assign(label=0), (GRID + 10).assign(label=1)], ignore_index=True)


@pytest.mark.parametrize(
    ("case", "options"),
    [
        ("Au", {"n_neighbors": 4}),
        ("perovskite 001", {"n_neighbors": 4, "center": 1, "neighbors": 0}),
        ("perovskite 001", {"n_neighbors": 4, "center": 0, "neighbors": 0}),
        ("perovskite 110", {"n_neighbors": 2, "center": 0, "neighbors": 1}),
        ("MoS2", {"n_neighbors": 3, "center": 0, "neighbors": 1}),
        ("MoS2", {"n_neighbors": 6, "center": 1, "neighbors": 1}),
        ("graphene", {"n_neighbors": 3}),
    ],
)
def test_neighbours_are_the_nearest(case, options, planted):
    table, _ = planted(case, rotation=17, vacancies=0.02, seed=1)
    hoods = lattice.neighbour_vectors(table, **options)
    xy, label = table[["x", "y"]].to_numpy(), table.label.to_numpy()
    centre, partner = options.get("center"), options.get("neighbors")
    np.testing.assert_array_equal(
        hoods.centres, np.arange(len(table)) if centre is None else np.flatnonzero(label == centre)
    )
    allowed = np.arange(len(table)) if partner is None else np.flatnonzero(label == partner)
    tree, k = cKDTree(xy[allowed]), options["n_neighbors"]
    compared = 0
    for row, near, vectors in zip(hoods.centres, hoods.neighbours, hoods.vectors, strict=True):
        there = near >= 0
        np.testing.assert_allclose(vectors[there], xy[near[there]] - xy[row])
        if there.all():
            nearest = allowed[tree.query(xy[row], k=k + 1)[1]]
            assert set(near) == set(nearest[nearest != row][:k])
            compared += 1
    assert compared > 0.7 * len(hoods.centres)
    assert compared == np.count_nonzero(hoods.complete)


@pytest.mark.parametrize("case", ["Au", "graphene", "MoS2", "perovskite 001"])
def test_order_holds_across_the_field(case, planted):
    table, _ = planted(case, rotation=29, seed=4)
    hoods = lattice.neighbour_vectors(table, n_neighbors=6)
    for kind, ideal in enumerate(hoods.ideal):
        mine = hoods.vectors[hoods.kind == kind]
        there = np.isfinite(mine)
        assert np.abs(mine - ideal)[there].max() < 1.5  # 0.2 px of noise in each vector; a mix-up makes 10
    assert (hoods.kind >= 0).all()


def test_nothing_jumps_where_the_angle_passes_180_degrees(planted):
    table, _ = planted("Au")  # a neighbour lies along -x
    hoods = lattice.neighbour_vectors(table)
    whole = hoods.vectors[hoods.complete]
    angle = np.arctan2(whole[..., 1], whole[..., 0])
    by_angle = np.take_along_axis(whole, np.argsort(angle, axis=1)[..., None], axis=1)
    assert by_angle.std(axis=0).max() > 5
    assert whole.std(axis=0).max() < 0.3


@pytest.mark.parametrize(("case", "count"), [("MoS2", 3), ("graphene", 9), ("Au", 4)])
def test_a_turn_by_180_degrees_permutes_the_neighbours_only(case, count, planted):
    table, _ = planted(case, rotation=8)
    first = lattice.neighbour_vectors(table, n_neighbors=count)
    turned = lattice.neighbour_vectors(table.assign(x=-table.x, y=-table.y), n_neighbors=count)
    whole = first.complete & turned.complete
    np.testing.assert_array_equal(np.sort(first.neighbours[whole]), np.sort(turned.neighbours[whole]))
    for hoods in (first, turned):
        spread = [np.nanstd(hoods.vectors[hoods.kind == k], axis=0).max() for k in range(len(hoods.ideal))]
        assert max(spread) < 0.3


def test_missing_neighbours_are_masked():
    gap = GRID.drop(index=27).reset_index(drop=True)
    hoods = lattice.neighbour_vectors(gap)
    assert hoods.vectors.shape == (63, 4, 2)
    missing = hoods.neighbours < 0
    np.testing.assert_array_equal(np.isnan(hoods.vectors).all(axis=2), missing)
    assert not np.isnan(hoods.vectors[~missing]).any()
    # Four at the vacancy, and one at each of the 4 x 8 places of the border.
    assert missing.sum() == 4 + 32
    np.testing.assert_array_equal(hoods.complete, ~missing.any(axis=1))
    assert hoods.complete.sum() == 36 - 5
    corner = hoods.neighbours[0]
    assert (corner >= 0).tolist() == [True, True, False, False]


def test_order_is_by_sphere_then_by_angle_from_a():
    hoods = lattice.neighbour_vectors(GRID, n_neighbors=12)
    expected = [
        [1, 0],
        [0, 1],
        [-1, 0],
        [0, -1],
        [1, 1],
        [-1, 1],
        [-1, -1],
        [1, -1],
        [2, 0],
        [0, 2],
        [-2, 0],
        [0, -2],
    ]
    np.testing.assert_allclose(hoods.ideal[0], 20 * np.array(expected), atol=1e-9)


@pytest.mark.parametrize(
    ("case", "shells", "count"), [("MoS2", 3, 18), ("Au", 2, 8), ("perovskite 001", 2, 8)]
)
def test_spheres_of_the_same_sublattice(case, shells, count, planted):
    table, _ = planted(case, rotation=100, drift=0.02)
    hoods = lattice.neighbour_vectors(table, n_neighbors=count, center=0, neighbors=0)
    site = hoods.lattice.sites["label"].tolist().index(0)
    steps = neighbour_steps(hoods.lattice, site, [site], shells=shells)
    np.testing.assert_allclose(steps[:, :2] @ hoods.lattice.basis, hoods.ideal[0])
    assert (table.label.to_numpy()[hoods.neighbours[hoods.neighbours >= 0]] == 0).all()


def test_spheres_of_the_other_and_of_all_sublattices(planted):
    table, _ = planted("perovskite 001")
    found = lattice.estimate(table)
    assert len(neighbour_steps(found, 1, [0], shells=2)) == 4 + 8
    assert len(neighbour_steps(found, 1, [0, 1], shells=2)) == 4 + 4
    every = lattice.neighbour_vectors(table, n_neighbors=8, center=1)
    both = lattice.neighbour_vectors(table, n_neighbors=4, center=1, neighbors=[0, 1])
    np.testing.assert_array_equal(both.neighbours, every.neighbours[:, :4])


def test_two_sites_of_one_label_have_their_own_ideal_vectors(planted):
    table, _ = planted("graphene", rotation=3)
    hoods = lattice.neighbour_vectors(table, n_neighbors=3)
    assert hoods.ideal.shape == (2, 3, 2)
    assert np.bincount(hoods.kind).min() > 0.45 * len(table)
    # The bonds of one site are those of the other, reversed.
    np.testing.assert_allclose(
        np.sort(hoods.ideal[0].round(1), axis=0), np.sort(-hoods.ideal[1].round(1), axis=0), atol=0.11
    )


def test_cells_of_the_centres_are_those_of_index(planted):
    table, _ = planted("MoS2", vacancies=0.05)
    indexed = lattice.index(table)
    hoods = lattice.neighbour_vectors(table, center=1, neighbors=0)
    np.testing.assert_array_equal(hoods.cell, indexed[["i", "j"]].to_numpy(dtype=int)[hoods.centres])


def test_columns_on_no_site_stay_in_the_table_without_neighbours():
    stray = pd.concat([GRID, pd.DataFrame({"x": [50.0], "y": [49.0]})], ignore_index=True)
    hoods = lattice.neighbour_vectors(stray)
    assert hoods.kind[-1] == -1
    assert (hoods.neighbours[-1] == -1).all()
    assert np.isnan(hoods.vectors[-1]).all()
    assert not (hoods.neighbours == 64).any()
    assert repr(hoods) == "<Neighbourhoods: 65 centres with 4 neighbours each, 36 complete>"


BAD = {
    "more neighbours than columns": ((GRID,), {"n_neighbors": 64}, "64 columns have no 64 neighbours each"),
    "no neighbours": ((GRID,), {"n_neighbors": 0}, 'whole number of at least 1, or "auto", got 0'),
    "a fraction": ((GRID,), {"n_neighbors": 2.5}, "n_neighbors must be a whole number"),
    "too few columns": ((GRID[:8],), {}, "8 columns are too few"),
    "one sublattice only": (
        (GRID,),
        {"center": "B", "neighbors": "A"},
        "center='B' is no sublattice.*one sublattice only.*assign_sublattices",
    ),
    "unknown centre": ((TWO,), {"center": 2}, "center=2 is no sublattice of this table, which has 0, 1$"),
    "unknown neighbour": ((TWO,), {"neighbors": [0, "O"]}, "neighbors='O' is no sublattice"),
    "empty": ((TWO,), {"center": []}, "center is empty: name at least one"),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_input(bad):
    args, options, message = BAD[bad]
    with pytest.raises(ValueError, match=message):
        lattice.neighbour_vectors(*args, **options)


def test_spheres_that_merge_are_refused():
    with pytest.raises(ValueError, match="cannot be told apart: take fewer"):
        neighbour_steps(lattice.estimate(GRID), 0, [0], shells=40)
