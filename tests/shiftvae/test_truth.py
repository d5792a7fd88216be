"""Against planted truth: shifts, kinds, widths, angles, fields."""

import warnings

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.mixture import GaussianMixture

from atomlens import lattice, metrics, simulate
from atomlens.shiftvae import SeparationWarning, ShiftVAE
from atomlens.windows import sliding_windows


def ari(content, kind):
    found = GaussianMixture(3, n_init=3, random_state=0).fit_predict(content)
    return metrics.adjusted_rand_index(found, np.unique(kind, return_inverse=True)[1])


def error(found, planted):
    """Root mean square length of what differs, but for one offset of all."""
    apart = found - planted
    return np.sqrt(((apart - np.median(apart, axis=0)) ** 2).sum(axis=1).mean())


def planted_shifts(sample):
    return sample.truth[["shift_x", "shift_y"]].to_numpy()


def test_kinds_are_separated_and_shifts_found_to_a_tenth_of_a_pixel(model, cells):
    assert ari(model.transform(cells.data), cells.truth.kind) > 0.99
    assert error(model.shifts(cells.data), planted_shifts(cells)) < 0.1


def test_the_noise_is_learnt(model):
    assert model.noise_sd_ == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_no_seed_fails(cells, seed):
    vae = ShiftVAE(2, shift_scale=0.15, max_epochs=12, random_state=seed, progress=False).fit(cells.data)
    assert ari(vae.transform(cells.data), cells.truth.kind) > 0.99
    assert error(vae.shifts(cells.data), planted_shifts(cells)) < 0.1
    assert vae.summary_.active.sum() == 3


@pytest.mark.parametrize("seed", range(2))
def test_a_prior_that_reaches_the_next_column(seed):
    """Its standard deviation is nearly half a period; crops are registered to the column that was meant."""
    wide = simulate.shifted.cells(600, size=36, random_state=seed)
    vae = ShiftVAE(2, max_epochs=12, random_state=seed, progress=False).fit(wide.data)
    assert ari(vae.transform(wide.data), wide.truth.kind) > 0.99
    assert error(vae.shifts(wide.data), planted_shifts(wide)) < 0.1


def test_crops_of_one_kind_are_said_to_be_of_one_kind():
    alike = simulate.shifted.cells(600, kinds=("perfect",))
    vae = ShiftVAE(2, shift_scale=0.15, max_epochs=15, progress=False)
    with pytest.warns(SeparationWarning, match="nothing was separated"):
        vae.fit(alike.data)
    assert vae.outstanding_ == 0
    assert error(vae.shifts(alike.data), planted_shifts(alike)) < 0.1


def test_without_invariance_the_kinds_stay_mixed(cells):
    vanilla = ShiftVAE(2, invariance=None, max_epochs=15, progress=False).fit(cells.data)
    assert ari(vanilla.transform(cells.data), cells.truth.kind) < 0.1
    with pytest.raises(ValueError, match="knows no shifts"):
        vanilla.shifts(cells.data)


def test_polishing_improves_the_shifts(model, cells):
    rough, fine = (error(model.shifts(cells.data, polish=p), planted_shifts(cells)) for p in (False, True))
    assert fine < 0.9 * rough


def test_the_sign_of_a_shift(model, cells):
    """A picture drawn with a shift to the right and down lies further right and down."""
    content = model.transform(cells.data[:1])
    moved, still = model.decode(np.repeat(content, 2, axis=0), shift=[[3.0, 1.0], [0.0, 0.0]])
    np.testing.assert_allclose(moved[2:-1, 4:-1], np.roll(still, (1, 3), axis=(0, 1))[2:-1, 4:-1], atol=0.02)
    assert pearsonr(model.shifts(cells.data)[:, 0], cells.truth.shift_x).statistic > 0.99


def test_peaks_of_one_dimension(of_peaks, peaks):
    summary = of_peaks.summary_
    assert abs(pearsonr(of_peaks.shifts(peaks.data)[:, 0], peaks.truth.position).statistic) > 0.99
    used, spare = summary.kl[["z1", "z2"]].sort_values().index[::-1]
    content = dict(zip(("z1", "z2"), of_peaks.transform(peaks.data).T, strict=True))
    assert abs(spearmanr(content[used], peaks.truth.width).statistic) > 0.99
    assert summary.posterior_sd[spare] > 0.95
    assert not summary.active[spare]


def test_both_decoders_find_the_same(model, cells):
    """The coordinate decoder of the paper, on fewer crops: it takes its time."""
    some = cells.data[:400]
    slow = ShiftVAE(
        1,
        shift_scale=0.15,
        decoder="coordinate",
        decoder_units=32,
        max_epochs=12,
        noise_sd=0.1,
        progress=False,
    )
    slow.fit(some)
    assert error(slow.shifts(some), model.shifts(some)) < 0.2
    z1 = model.transform(some)[:, 0]
    assert abs(spearmanr(slow.transform(some)[:, 0], z1).statistic) > 0.9


def test_turned_molecules():
    """Three columns in an L, at all angles; one is weak in every second molecule."""
    rng = np.random.default_rng(0)
    angle, weak = rng.normal(0, 20, 800), rng.random(800) < 0.5
    y, x = np.mgrid[:20, :20] - 9.5
    crops = np.zeros((800, 20, 20))
    for n, (ax, ay) in enumerate([(-4, -3), (4, -3), (4, 4)]):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        px, py = (c * ax - s * ay)[:, None, None], (s * ax + c * ay)[:, None, None]
        height = np.where(weak & (n == 1), 0.4, 1.0)[:, None, None]
        crops += height * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 6)
    crops += rng.normal(0, 0.05, crops.shape)
    vae = ShiftVAE(1, invariance="rotation", rotation_scale=20, max_epochs=15, progress=False).fit(crops)
    apart = vae.rotations(crops) - angle
    assert np.median(np.abs(apart - np.median(apart))) < 1.0
    content = vae.transform(crops)[:, 0]
    assert metrics.adjusted_rand_index((content > np.median(content)).astype(int), weak.astype(int)) > 0.9


CRYSTAL = simulate.structures.perovskite((6.0, 6.0), formula="SrTiO3")
PERIOD = 0.3905 / 0.02
WINDOW = round(2.2 * PERIOD)


def polarised(electrons, seed=0):
    """A perovskite whose B columns are displaced by a smooth field, and the field."""
    crystal = CRYSTAL

    def field(x, y):
        return np.sin(2 * np.pi * x / 6) * np.cos(2 * np.pi * y / 6)

    table = crystal.columns.copy()
    middle = table.label == 1
    table.loc[middle, "x_nm"] += 0.02 * field(table.x_nm[middle], table.y_nm[middle])
    image = simulate.image(table, shape=(300, 300), electrons=electrons, random_state=seed).data
    return image, field


def recovered(image, field, **settings):
    """|Correlation| of the content with a field, and the model."""
    square = [[PERIOD, 0], [0, PERIOD]]
    vae = ShiftVAE(1, lattice=square, max_epochs=7, progress=False, **settings)
    found = vae.fit(sliding_windows(image, WINDOW, step=7)).latent_map(image, stride=7)
    x, y = np.meshgrid(found.x, found.y)
    return abs(pearsonr(found.sel(latent="z1").values.ravel(), field(x, y).ravel()).statistic), vae


def test_a_planted_field_is_recovered():
    correlation, vae = recovered(*polarised(400))
    assert correlation > 0.95
    assert vae.latent_names_ == ["shift_a", "shift_b", "z1"]
    assert vae.outstanding_ == 1


@pytest.mark.parametrize("seed", range(2))
def test_strain_is_recovered(seed):
    strained = simulate.strain.gradient(CRYSTAL, start=-0.03, stop=0.03)
    image = simulate.image(strained, shape=(300, 300), electrons=400, random_state=seed).data
    assert recovered(image, lambda x, y: x, random_state=seed)[0] > 0.93


@pytest.mark.filterwarnings("ignore:what the content says may be noise")
@pytest.mark.parametrize("seed", range(2))
def test_smoothness_helps_at_low_dose(seed):
    planted = polarised(80, seed)
    rough, smooth = (recovered(*planted, smoothness=w, random_state=seed)[0] for w in (0.0, 10.0))
    assert smooth > 0.8
    assert smooth > rough + 0.02


def test_rows_that_look_alike_are_told_apart():
    """Zirconia nearly repeats itself after half a cell: what registration found survives the training."""
    image = simulate.image(simulate.structures.zirconia((7, 7)), electrons=400).data[20:-20, 20:-20]
    cell = lattice.estimate(image)
    size = round(2.2 * cell.lengths.max())
    windows = sliding_windows(image, size, step=8)
    rows, columns = windows.shape[:2]
    corners = np.stack(np.meshgrid(8 * np.arange(columns), 8 * np.arange(rows)), axis=-1).reshape(-1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparationWarning)
        vae = ShiftVAE(2, lattice=cell, max_epochs=12, progress=False).fit(windows)
    phase = np.exp(2j * np.pi * (vae.shifts(windows) + corners) @ np.linalg.inv(cell.basis))
    apart = np.angle(phase / phase.sum(axis=0)) / (2 * np.pi) @ cell.basis
    assert np.sqrt((apart**2).sum(axis=1).mean()) < 0.3


def test_noise_that_windows_share_is_not_taken_for_content():
    image = simulate.image(CRYSTAL, shape=(300, 300), electrons=100, random_state=1).data
    with pytest.warns(SeparationWarning, match="may be noise|nothing was separated"):
        _, vae = recovered(image, lambda x, y: x)
    assert vae.outstanding_ == 0


def test_a_smooth_map_is_not_made_of_nothing():
    """Where content begins at zero, its map has no slope: nothing diverges, and nothing is invented."""
    image = simulate.image(CRYSTAL, shape=(300, 300), electrons=100, random_state=1).data
    with pytest.warns(SeparationWarning, match="nothing was separated"):
        vae = recovered(image, lambda x, y: x, smoothness=10.0)[1]
    assert vae.ended_ != "diverged"
    assert vae.summary_.spread["z1"] < 0.1


def test_noise_alone_is_said_to_be_nothing():
    crops = np.random.default_rng(0).normal(size=(300, 12, 12))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", SeparationWarning)
        ShiftVAE(2, max_epochs=20, progress=False).fit(crops)
    assert any("nothing was separated" in str(warning.message) for warning in said)


def test_too_narrow_a_prior_is_said(cells):
    with pytest.warns(SeparationWarning, match="raise shift_scale"):
        ShiftVAE(2, shift_scale=0.03, max_epochs=5, progress=False).fit(cells.data)
