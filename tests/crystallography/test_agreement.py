"""What far atoms agree in: weak domains are seen, shared errors are not taken for them."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import lfilter

import atomlens as al
from atomlens._doubts import quietly
from atomlens.crystallography import LocalCrystallography, point_group
from atomlens.crystallography._agreement import Agreement, follow, pairs_of, planted_domains
from atomlens.simulate import column_positions, structures

FOUR = (0, 90, 180, 270)
STAR = np.array([[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]])
SQUARE = np.eye(2)


def cells(n):
    return np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1).reshape(-1, 2)


def displaced(rng, n, errors):
    """Middle atom against its four corners, all of them located with some errors, in lattice spacings."""
    u = np.zeros((2 * n + 1, 2 * n + 1, 2)) + rng.normal(0, 0.01, (2 * n + 1, 2 * n + 1, 2))
    if errors == "correlated":
        field = gaussian_filter(rng.normal(size=u.shape), (3, 3, 0))
        u += 0.02 * field / field.std()
    if errors == "lines":  # fifteen scan lines a spacing, each remembers the one before
        lines = lfilter([np.sqrt(1 - 0.9**2)], [1, -0.9], rng.normal(0, 0.01, 15 * (n + 2)))
        u[..., 0] += lines[(7.5 * np.arange(2 * n + 1)).astype(int) + 10, None]
    corners = u[::2, ::2]
    mean = (corners[:-1, :-1] + corners[1:, :-1] + corners[:-1, 1:] + corners[1:, 1:]) / 4
    return (u[1::2, 1::2] - mean).transpose(1, 0, 2).reshape(-1, 2)  # rows of cells: first index is x


@pytest.mark.parametrize("errors", ["white", "correlated", "lines"])
def test_shared_errors_are_no_agreement(errors):
    """P(p <= a) <= a + 2 standard errors, whatever correlates the errors."""
    test, n = Agreement(cells(16), SQUARE, STAR, shared=0.8, alpha=0.01, random_state=0), 200
    p = np.array([test.p_value(displaced(np.random.default_rng(s), 16, errors)) for s in range(n)])
    for alpha in (0.01, 0.05, 0.2):
        assert np.mean(p <= alpha) <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / n)
    if errors != "correlated":  # those are pulled apart by the mean of the neighbours
        assert np.mean(p <= 0.5) > 0.3


@pytest.mark.parametrize(
    ("errors", "along"), [("white", 0), ("white", 1), ("correlated", 0), ("correlated", 1), ("lines", 0)]
)
def test_domains_are_seen_below_the_noise_of_single_atoms(errors, along):
    """Stripes of +-5 pm in 400 pm at errors of 4 pm and more; those along jumping lines look like jumps."""
    test = Agreement(cells(20), SQUARE, STAR, shared=0.8, alpha=0.01, random_state=0)
    seen = []
    for seed in range(20):
        u = displaced(np.random.default_rng(seed), 20, errors)
        u[:, 0] += np.where(cells(20)[:, along] % 20 < 10, 0.0125, -0.0125)
        seen.append(test.p_value(u) <= 0.005)
    assert np.mean(seen) >= 0.9


def test_pairs_share_neither_neighbours_nor_lines():
    cell = cells(9)
    pairs = pairs_of(cell, SQUARE, STAR)
    way = np.abs(cell[pairs.first] - cell[pairs.second])
    assert way[:, 1].min() == 2
    assert np.hypot(*way.T).max() <= 3.2
    assert len(np.unique(np.sort(np.column_stack([pairs.first, pairs.second])), axis=0)) == len(way)
    # A larger star shares more.
    wide = pairs_of(cell, SQUARE, 2 * STAR)
    assert {tuple(w) for w in np.abs(cell[wide.first] - cell[wide.second])} < {tuple(w) for w in way}


def test_follow():
    cell = np.array([[5, 5], [6, 5], [5, 7]])
    assert follow(cell, (1, 0)).tolist() == [1, -1, -1]
    assert follow(cell, (0, 2)).tolist() == [2, -1, -1]


def test_planted_domains_have_the_size_asked_for():
    place, rng = cells(30).astype(float), np.random.default_rng(0)
    for symbol, mirror in (("4mm", (1, 0)), ("m", (1, 0)), ("3m", (1, 1))):
        group = point_group(symbol, [[1, 0], [0.5, 0.75**0.5]] if symbol == "3m" else SQUARE, mirror=mirror)
        odd = np.eye(2) - group.matrices.mean(axis=0)
        u = planted_domains(place, 0.3, odd @ group.matrices, rng)
        np.testing.assert_allclose(np.linalg.norm(u, axis=1), 0.3)
        assert 2 <= len(np.unique(u.round(9), axis=0)) <= 9


def crystal(k=4, **settings):
    return LocalCrystallography(n_clusters=k, center="Ti", neighbors="Sr", **settings)


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_four_weak_variants_are_ferroic(planted, seed):
    """10 pm at 4 pm noise: no gap, no mean, and yet a map shows them."""
    table = planted(FOUR, polar=10, noise=4, seed=seed)[0]
    with pytest.warns(UserWarning, match="no gap parts its variants, 2 at least"):
        model = crystal().fit(table)
    assert model.verdict_["kind"].tolist() == ["ferroic"]
    assert model.verdict_["n_variants"][0] >= 2
    assert model.verdict_["p_spatial"][0] <= 0.005
    assert any("far atoms agree" in doubt for doubt in al.doubts(model))
    assert "phase 0: ferroic" in repr(model)
    assert "doubt: phase 0" in repr(model)


def test_what_noise_hides_is_undecided(planted):
    table = planted((None,), noise=9, size=5, seed=1)[0]
    model = crystal(1).fit(table)
    assert any("displacements of 5 pm would be seen with a prob" in doubt for doubt in al.doubts(model))
    assert model.verdict_["kind"].tolist() == ["undecided"]
    assert model.verdict_["power"][0] < 0.9
    assert "undecided" in repr(model)
    larger = crystal(1, relevant_pm=25).fit(table)
    assert larger.verdict_["kind"].tolist() == ["non-ferroic"]
    assert larger.verdict_["power"][0] >= 0.9
    assert larger.doubts_ == []
    assert "phase 0: non-ferroic" in repr(larger)


def test_power_is_the_share_that_is_seen(planted):
    """Of planted domains of 5 pm, in noise that lets half of them through."""
    seen, promised = [], []
    for seed in range(25):
        plain = planted((None,), noise=9, size=8, seed=seed, missing=0)[0]
        cell = structures.perovskite((8, 8), polar=5, variants=FOUR, random_state=seed)
        ferroic = column_positions(cell, noise=0.009, random_state=seed).data
        with quietly():
            promised.append(crystal(1).fit(plain).verdict_["power"][0])
            seen.append(crystal(1).fit(ferroic).verdict_["ferroic"][0])
    assert np.mean(seen) == pytest.approx(np.nanmean(promised), abs=0.25)


def test_relevant_pm_in_pixels(planted):
    table = planted((None,), size=6)[0]
    assert crystal(1).fit(table).relevant_px_ == pytest.approx(0.25, rel=0.03)  # 20 pm a pixel
    bare = crystal(1).fit(table.drop(columns=["x_nm", "y_nm"]))  # taken for a lattice spacing of 400 pm
    assert bare.relevant_px_ == pytest.approx(bare.lattice_.spacing / 80)
    with pytest.raises(ValueError, match="relevant_pm must be a positive length"):
        crystal(1, relevant_pm=0).fit(table)


@pytest.mark.parametrize("seed", range(4))
def test_strays_of_other_phases_make_no_domains(planted, seed):
    """At 20 pm and 4 pm noise single atoms get the label of the undisplaced phase, all inside the others."""
    table = planted((*FOUR, None), polar=20, noise=4, size=16, seed=seed)[0]
    verdict = crystal(5).fit(table).verdict_.set_index("n_variants")
    assert verdict["kind"][4] == "ferroic"
    assert verdict["kind"][1] != "ferroic"
