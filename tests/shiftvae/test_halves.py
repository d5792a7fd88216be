"""Content that is noise does not come back; content that is there does."""

import warnings

import numpy as np
import pandas as pd
import pytest

import atomlens as al
from atomlens.shiftvae import SeparationWarning, ShiftVAE, load_model
from atomlens.shiftvae._crops import Crops
from atomlens.shiftvae._halves import Layout, compared
from atomlens.shiftvae._register import first_guess
from atomlens.windows import sliding_windows

PERIOD, WINDOW, STEP = 16, 35, 6
CELL = [[PERIOD, 0], [0, PERIOD]]


def mean_of(wall=0.0, electrons=200.0, size=160):
    """Expected counts of a centred lattice; its middle columns move by +-`wall` pixels on either side."""
    y, x = np.mgrid[:size, :size]
    image = np.full((size, size), 0.5)
    for middle, weight in ((0, 1.0), (1, 0.7)):
        for row in range(-1, size // PERIOD + 2):
            for column in range(-1, size // PERIOD + 2):
                cx, cy = PERIOD * (column + middle / 2) + 0.3, PERIOD * (row + middle / 2) + 0.7
                cx += middle * wall * (1 if cx < size / 2 else -1)
                spot = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 2.6**2)) / (2 * np.pi * 2.6**2)
                image += weight * electrons * spot
    return image


def crystal(seed, **planted):
    """Counts."""
    return np.random.default_rng(seed).poisson(mean_of(**planted)).astype(float)


def trained(image, *, epochs=6, window=WINDOW, batch=100):
    """A model and its warnings."""
    windows = sliding_windows(image, window, step=STEP)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", SeparationWarning)
        vae = ShiftVAE(1, lattice=CELL, batch_size=batch, max_epochs=epochs, progress=False).fit(windows)
    return vae, [str(warning.message) for warning in said]


@pytest.mark.parametrize("seed", range(3))
def test_a_perfect_crystal_has_no_content(seed):
    vae, said = trained(crystal(seed))
    row = vae.summary_.loc["z1"]
    assert not row.meaningful
    assert row.p_value > 0.01
    if row.active:  # which noise can be
        assert any("may be noise" in message for message in said)
    assert vae.doubts_ == said


@pytest.mark.parametrize("scale", [1.0, 0.003])
@pytest.mark.parametrize("seed", range(2))
def test_a_wall_comes_back(seed, scale):
    """As counts, and as values that are none."""
    vae, said = trained(scale * crystal(seed, wall=0.8))
    assert vae.summary_.loc["z1", "meaningful"]
    assert vae.summary_.loc["z1", "p_value"] < 0.01
    assert not any("noise" in message for message in said)
    assert al.doubts(vae) == said


def test_rows_of_the_pose_are_not_tested():
    vae, _ = trained(crystal(0, wall=0.8))
    pose = vae.summary_.loc[["shift_a", "shift_b"]]
    assert pose.p_value.isna().all()
    assert (pose.meaningful == pose.active).all()
    assert list(vae.summary_) == ["kl", "posterior_sd", "spread", "active", "p_value", "meaningful"]


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_p_values_of_nothing_are_spread(scale):
    """P(p <= a) <= a + 2 standard errors; of latents that are not active, too."""
    p, mean = [], mean_of(size=96)
    core = trained(scale * crystal(0, size=96), epochs=1, batch=50)[0].core_
    for seed in range(20):
        image = scale * np.random.default_rng(seed).poisson(mean)
        crops = Crops(sliding_windows(image, WINDOW, step=STEP))
        start = first_guess(core.source(crops), len(crops), core.geometry, 1, random_state=0)
        p.append(compared(crops, core, start, np.array([True]), random_state=seed).p_values[0])
    p = np.array(p)
    for alpha in (0.05, 0.2):
        assert np.mean(p <= alpha) <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / len(p))
    if scale == 1:  # noise that is estimated is taken for a little more than it is
        assert np.mean(p <= 0.7) > 0.2


def test_correlated_noise_cannot_be_told():
    from scipy.ndimage import gaussian_filter

    vae, said = trained(gaussian_filter(crystal(0, electrons=100), 1.2))
    assert not vae.summary_.loc["z1", "meaningful"]
    if vae.summary_.loc["z1", "active"]:
        assert np.isnan(vae.summary_.loc["z1", "p_value"])
        assert any("correlated" in doubt for doubt in vae.doubts_)
    assert not any("correlated" in message for message in said)


def test_windows_smaller_than_the_cell_are_doubted():
    vae, said = trained(crystal(0, wall=1.0, electrons=400), window=11)
    assert any("smaller than the unit cell" in message for message in said)
    assert any("smaller than the unit cell" in doubt for doubt in al.doubts(vae))
    assert not any("smaller than" in message for message in trained(crystal(0), epochs=1)[1])


def test_doubts_are_stored(tmp_path):
    vae, said = trained(crystal(0), epochs=2)
    vae.save(tmp_path / "vae.pt")
    again = load_model(tmp_path / "vae.pt")
    assert again.doubts_ == said
    pd.testing.assert_frame_equal(again.summary_, vae.summary_, check_dtype=False)


def test_kinds_of_crops_that_share_nothing_are_meaningful(model, of_peaks):
    assert model.summary_.loc[["z1", "z2"], "meaningful"].any()
    assert of_peaks.summary_.meaningful[of_peaks.summary_.active].any()
    assert model.doubts_ == []


@pytest.mark.parametrize("copied", [False, True, "in a row"])
def test_windows_are_known_by_their_pixels(copied):
    image = np.random.default_rng(0).poisson(5, (60, 75)).astype(float)
    windows = sliding_windows(image, (20, 24), step=(5, 7))
    if copied:
        windows = np.array(windows)
    if copied == "in a row":
        windows = windows.reshape(-1, 20, 24)
    layout = Layout.of(Crops(windows))
    assert layout.step == (5, 7)
    assert layout.columns == 8
    rows = np.arange(len(Crops(windows)))
    crops = Crops(windows).take(rows)
    np.testing.assert_array_equal(layout.pixels(crops, rows), image[: layout.size[0], : layout.size[1]])
    np.testing.assert_array_equal(layout.crops(layout.pixels(crops, rows), rows), crops)
    # Each pixel counts once: the sum of all windows has the variance of what it is the sum of.
    counted = layout.pixels(np.ones_like(crops), rows)
    seen = np.zeros(layout.size)
    for row in rows:
        y, x = divmod(row, 8)
        seen[5 * y : 5 * y + 20, 7 * x : 7 * x + 24] += 1
    assert layout.variance(np.ones_like(crops), rows, 3 * counted) == pytest.approx(3 * (seen**2).sum())


def test_crops_that_share_nothing_are_left_apart():
    crops = np.random.default_rng(0).random((30, 8, 9))
    layout = Layout.of(Crops(crops))
    assert layout.step == (0, 0)
    assert layout.pixels(crops, np.arange(30)).shape == crops.shape
    assert layout.variance(2 * np.ones((30, 8, 9)), np.arange(30), 1.0) == pytest.approx(4 * 30 * 72)
