"""Waves of displacement: found where they were planted, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest

from atomlens import datasets
from atomlens.crystallography import LocalCrystallography, superlattices, wave_spectrum
from atomlens.lattice import neighbour_vectors


def neighbours(table):
    return neighbour_vectors(table, center="Ti", neighbors="Sr")


@pytest.fixture(scope="module")
def perfect():
    """26 x 26 cells, without any error."""
    from atomlens.simulate import column_positions, structures

    return neighbours(column_positions(structures.perovskite((10.0, 10.0))).data)


def wave(hoods, q, amplitude, *, noise=0.1, missing=0.0, boundary=None, seed=0):
    """Centres displaced along x in a wave, with noise of the centre and of its neighbours."""
    rng = np.random.default_rng(seed)
    u = amplitude * np.cos(2 * np.pi * hoods.cell @ np.array(q) + 0.4)
    if boundary is not None:
        u[hoods.cell[:, 0] > boundary] *= -1
    moved = np.column_stack([u, np.zeros_like(u)]) + rng.normal(0, noise, (len(u), 2))
    vectors = hoods.vectors - moved[:, None] + rng.normal(0, noise, hoods.vectors.shape)
    near = hoods.neighbours.copy()
    near[rng.random(len(near)) < missing] = -1
    vectors[near < 0] = np.nan
    return replace(hoods, vectors=vectors, neighbours=near)


@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize(
    "q", [(0.5, 0), (0, 0.5), (0.5, 0.5), (0.25, 0.25), (0.25, -0.25), (0.25, 0), (0, 0.25), (0.25, 0.5)]
)
def test_planted_waves(perfect, q, missing):
    amplitude = 0.2
    found = superlattices(wave(perfect, q, amplitude, missing=missing))
    assert len(found) == 1
    # A grid of 26 cells has no quarter of a cycle: the nearest is given.
    np.testing.assert_allclose(found[["q_a", "q_b"]].to_numpy()[0], q, atol=0.5 / 26 + 1e-9)
    at_half = all(component in (0, 0.5) for component in q)
    on_grid = amplitude * (np.cos(0.4) if at_half else 1)  # of +u and -u
    assert found["amplitude_px"][0] == pytest.approx(on_grid, rel=0.1 if at_half else 0.35)
    assert found["amplitude_pm"][0] == pytest.approx(20 * found["amplitude_px"][0], rel=1e-3)
    assert found["p_value"][0] < 1e-6
    assert not np.signbit(found[["q_a", "q_b"]].to_numpy()[found[["q_a", "q_b"]] == 0]).any()


def test_the_amplitude_of_a_wave_on_the_grid_is_exact(perfect):
    size = np.ptp(perfect.cell[perfect.complete], axis=0) + 1
    size += size % 2
    q = (6 / size[0], 4 / size[1])
    found = superlattices(wave(perfect, q, 0.3, noise=0.0))
    np.testing.assert_allclose(found.loc[0, ["q_a", "q_b"]].astype(float), q)
    assert found["amplitude_px"][0] == pytest.approx(0.3, rel=0.02)


@pytest.mark.parametrize("polar", [3, 25])
def test_a_doubled_phase_in_a_table_of_columns(planted, polar):
    """Also far below what the label of a single atom shows."""
    for seed in range(2):
        found = superlattices(neighbours(planted(((45, "alternating"),), polar=polar, seed=seed)[0]))
        assert len(found) == 1
        assert sorted(found.loc[0, ["q_a", "q_b"]].astype(float)) == [0.0, 0.5]
        assert found["amplitude_pm"][0] == pytest.approx(polar, rel=0.08)


def test_a_doubled_domain_beside_others(planted):
    table = planted((0, None, (90, "alternating")), size=16, seed=2)[0]
    model = LocalCrystallography(n_clusters=4, center="Ti", neighbors="Sr").fit(table)
    found = superlattices(model.neighbourhoods_)
    q = found.loc[0, ["q_a", "q_b"]].astype(float).to_numpy()
    assert min(np.abs(q - [0.5, 0]).max(), np.abs(q - [0, 0.5]).max()) < 0.05


@pytest.mark.parametrize("variants", [(None,), (0, 90, 180, 270), (0, None), (0, 180)])
def test_nothing_is_found_in_noise_and_domains(planted, variants):
    for seed in range(4):
        assert superlattices(neighbours(planted(variants, seed=seed)[0])).empty


def test_false_alarms_are_as_rare_as_alpha_says(perfect):
    n, alpha = 200, 0.05
    alarms = [len(superlattices(wave(perfect, (0, 0), 0.0, seed=s), alpha=alpha)) > 0 for s in range(n)]
    assert np.mean(alarms) <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / n)


def test_perfect_columns_have_no_waves(perfect):
    assert superlattices(perfect).empty
    assert np.isfinite(wave_spectrum(perfect)).all()
    y, x = np.mgrid[:9, :9].reshape(2, -1)
    exact = superlattices(neighbour_vectors(np.column_stack([16.0 * x, 16.0 * y])))
    assert exact.empty
    assert list(exact) == ["q_a", "q_b", "amplitude_px", "p_value"]


def test_antiphase_domains_weaken_and_broaden_the_peak(perfect):
    whole = superlattices(wave(perfect, (0.5, 0), 0.3))
    found = superlattices(wave(perfect, (0.5, 0), 0.3, boundary=13))
    assert abs(found["q_a"][0] - 0.5) < 0.06
    spectra = [wave_spectrum(wave(perfect, (0.5, 0), 0.3, boundary=b)) for b in (None, 13)]
    at_half = [float(s.sel(q_a=-0.5, q_b=0)) for s in spectra]
    assert at_half[1] < 0.1 * at_half[0]
    assert whole["q_a"].tolist() == [0.5]


def test_spectrum_of_the_waves(perfect):
    spectrum = wave_spectrum(wave(perfect, (0.5, 0), 0.3))
    assert spectrum.dims == ("q_b", "q_a")
    assert float(spectrum.median()) == pytest.approx(1)
    peak = spectrum.where(spectrum == spectrum.max(), drop=True)
    assert (peak.q_a.item(), peak.q_b.item()) == (-0.5, 0.0)
    assert spectrum.q_a.attrs["units"] == "cycles/cell"
    # A wave along b lies along q_b.
    other = wave_spectrum(wave(perfect, (0, 0.5), 0.3))
    peak = other.where(other == other.max(), drop=True)
    assert (peak.q_a.item(), peak.q_b.item()) == (0.0, -0.5)


def test_bismuth_ferrite_has_two_waves_of_four_cells(data_dir):
    hoods = neighbour_vectors(datasets.load("bfo_columns").data, center="Fe", neighbors="Bi")
    found = superlattices(hoods)[["q_a", "q_b"]].to_numpy()
    np.testing.assert_allclose(found[:2], [[0.25, 0.25], [0.25, -0.25]], atol=0.02)


@pytest.mark.parametrize("function", [superlattices, wave_spectrum])
def test_bad_input(perfect, planted, function):
    table = planted((None,), size=6)[0]
    small = neighbours(table[(table.x < 70) & (table.y < 70)])
    model = LocalCrystallography(n_clusters=1, center="Ti", neighbors="Sr")
    for wrong, message in (
        (small, r"span \d x \d cells: waves need at least four"),
        (table, r"got DataFrame: atomlens\.lattice\.neighbour_vectors"),
        (model, "got LocalCrystallography.*neighbourhoods_"),
        (None, "got NoneType"),
    ):
        with pytest.raises(ValueError, match=message):
            function(wrong)


@pytest.mark.parametrize("alpha", [0, 1, 2, -0.1, np.nan])
def test_bad_alpha(perfect, alpha):
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
        superlattices(perfect, alpha=alpha)
