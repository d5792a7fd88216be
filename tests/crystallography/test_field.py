"""Labels that inform their neighbours: weak domains, small domains, doubled lattices, and nothing at all."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone

from atomlens import metrics
from atomlens.crystallography import LocalCrystallography
from atomlens.crystallography._field import averaged, exchanged, links_of, settle
from atomlens.simulate import column_positions, structures

FOUR = (0, 90, 180, 270)
PIXEL = 20  # pm


def crystal(k, **settings):
    return LocalCrystallography(n_clusters=k, center="Ti", neighbors="Sr", **settings)


def agreement(model, truth):
    return metrics.adjusted_rand_index(model.labels_, np.where(model.labels_ >= 0, truth, -1))


@pytest.mark.filterwarnings("ignore:phase . is ferroic")
@pytest.mark.parametrize("seed", [0, 2])
def test_weak_variants_are_labelled(planted, seed):
    table, truth = planted(FOUR, polar=10, noise=4, seed=seed)
    plain, field = crystal(4).fit(table), crystal(4, spatial=True).fit(table)
    assert agreement(plain, truth) < 0.85
    assert agreement(field, truth) > 0.95
    assert 0 < field.coupling_ < 1.5
    whole = field.neighbourhoods_.complete
    sizes = np.bincount(field.labels_[whole])
    assert (np.diff(sizes) <= 0).all()  # the largest first


@pytest.mark.filterwarnings("ignore:phase . is ferroic")
@pytest.mark.parametrize("seed", [1, 4])
def test_all_phases_and_a_doubled_lattice(planted, seed):
    """The two labels of a doubled lattice lie beside one another everywhere, and stay."""
    table, truth = planted((*FOUR, None, (45, "alternating")), polar=18, noise=4, size=16, seed=seed)
    model = crystal(7, spatial=True).fit(table)
    assert agreement(model, truth) > 0.95


def test_the_verdict_is_that_of_single_atoms(planted):
    """Where labels are parted by gaps, it says the same with and without neighbours."""
    table = planted((*FOUR, None, (45, "alternating")), polar=28, seed=1)[0]
    rows = [crystal(7, spatial=s).fit(table).verdict_[["kind", "n_variants"]] for s in (False, True)]
    assert rows[0].equals(rows[1])
    assert sorted(rows[1]["kind"]) == ["ferroic", "lattice-doubled", "non-ferroic"]


def with_small_domains(seed, polar, count=12):
    """Two large domains, and four round ones of twelve atoms and other variants: table, variant, domain."""
    rng = np.random.default_rng(seed)
    table = column_positions(structures.perovskite((11, 11)), noise=0.004, random_state=seed).data
    on = (table["sublattice"] == "Ti").to_numpy()
    xy = table.loc[on, ["x", "y"]].to_numpy() / (390.5 / PIXEL)
    variant, domain = (xy[:, 0] > 14).astype(int), np.full(on.sum(), -1)
    for number, centre in enumerate([(6, 6), (20, 8), (8, 20), (21, 21)]):
        near = np.argsort(np.linalg.norm(xy - centre + rng.uniform(-0.5, 0.5, 2), axis=1))[:count]
        variant[near], domain[near] = 2 + number % 2, number
    table.loc[on, ["x", "y"]] += polar / PIXEL * np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])[variant]
    return table.drop(columns=["x_nm", "y_nm"]), variant, domain


@pytest.mark.filterwarnings("ignore:phase . is ferroic")
@pytest.mark.parametrize("seed", range(3))
def test_small_domains_are_kept(seed):
    table, variant, domain = with_small_domains(seed, polar=18)
    model = crystal(4, spatial=True).fit(table)
    there = model.labels_ >= 0
    counts = np.zeros((4, 4))
    np.add.at(counts, (variant[there], model.labels_[there]), 1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    found = rows[np.argsort(columns)][model.labels_]
    small = there & (domain >= 0)
    assert np.mean(found[small] == variant[small]) > 0.95


def test_a_start_that_misses_a_small_label_is_mended():
    """Two blobs and a small third one between; the start cuts a large one in two instead."""
    rng = np.random.default_rng(0)
    cell = np.stack(np.meshgrid(np.arange(24), np.arange(24)), axis=-1).reshape(-1, 2)
    truth = (cell[:, 0] > 11).astype(int)
    truth[np.linalg.norm(cell - [6, 12], axis=1) < 2] = 2
    points = np.array([[0.0, 0], [8, 0], [0, 5]])[truth] + rng.normal(0, 1, (len(cell), 2))
    links = links_of(cell, np.zeros(len(cell), int), np.eye(2))
    wrong = settle(points, np.where(truth == 1, 1 + (cell[:, 1] > 11), 0), 3, links)
    right = settle(points, exchanged(points, wrong, links), 3, links)
    assert right.likelihood > wrong.likelihood
    assert metrics.adjusted_rand_index(right.labels, truth) > 0.97


def test_neighbours_of_a_square_and_a_hexagonal_lattice():
    cell = np.stack(np.meshgrid(np.arange(5), np.arange(5)), axis=-1).reshape(-1, 2)
    kind = np.zeros(25, int)
    assert [len(a) for a, _ in links_of(cell, kind, np.eye(2))] == [20, 20]
    assert len(links_of(cell, kind, [[1, 0], [0.5, 0.75**0.5]])) == 3
    # Two sites are two lattices.
    two = links_of(np.repeat(cell, 2, axis=0), np.tile([0, 1], 25), np.eye(2))
    assert all((np.tile([0, 1], 25)[a] == np.tile([0, 1], 25)[b]).all() for a, b in two)


def test_averages_leave_a_doubled_lattice_alone():
    cell = np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=-1).reshape(-1, 2)
    points = (-1.0) ** cell.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(averaged(points, cell, np.zeros(36, int)), points)


def test_nothing_stays_one_phase(planted):
    model = crystal(3, spatial=True).fit(planted((None,), seed=1)[0])
    assert model.verdict_["kind"].tolist() == ["non-ferroic"]


def test_it_is_off_by_default_and_a_parameter(planted):
    table = planted(FOUR, size=7)[0]
    plain = crystal(4).fit(table)
    assert not hasattr(plain, "coupling_")
    model = clone(crystal(4, spatial=True))
    np.testing.assert_array_equal(model.fit_predict(table), model.labels_)
    np.testing.assert_array_equal(model.labels_, clone(model).fit(table).labels_)
