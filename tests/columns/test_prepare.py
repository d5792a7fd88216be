"""Resampling, standardising, the measure of scale, and peaks of a map."""

import numpy as np
import pytest

from atomlens._resample import resample
from atomlens.columns._locate import locate
from atomlens.columns._prepare import standardise
from atomlens.columns.scale import feature_size
from atomlens.simulate import Instrument, image, structures


@pytest.mark.parametrize("shape", [(40, 50), (27, 33), (80, 100), (55, 130)])
def test_resampling_keeps_the_mean_and_the_place(shape):
    y, x = np.mgrid[:80, :100]
    spot = np.exp(-((x - 61.3) ** 2 + (y - 30.8) ** 2) / (2 * 6.0**2))
    small = resample(spot, shape)
    assert small.shape == shape
    assert small.mean() == pytest.approx(spot.mean(), rel=0.01)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    found = (small * columns).sum() / small.sum(), (small * rows).sum() / small.sum()
    expected = (61.3 + 0.5) * shape[1] / 100 - 0.5, (30.8 + 0.5) * shape[0] / 80 - 0.5
    assert found == pytest.approx(expected, abs=0.05)


def test_shrinking_averages_noise():
    noise = np.random.default_rng(0).standard_normal((200, 200))
    assert resample(noise, (50, 50)).std() == pytest.approx(1 / 4, rel=0.1)


def test_a_crop_looks_as_it_does_inside_a_large_image():
    sample = image(structures.perovskite((8, 8)), electrons=500, random_state=1)
    values = sample.data.values.astype(float) * 7 + 40
    whole = standardise(values)[150:250, 150:250]
    crop = standardise(values[100:300, 100:300])[50:150, 50:150]
    assert np.abs(whole - crop).max() < 0.15


def test_feature_size_is_the_width_of_isolated_columns():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:256, :256]
    for sigma in (2.0, 4.0):
        spots = sum(
            np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * sigma**2)) for a, b in rng.uniform(0, 256, (40, 2))
        )
        assert feature_size(rng.poisson(20 * spots + 5).astype(float)) == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("pixel_size", [0.01, 0.02, 0.03])
@pytest.mark.parametrize("electrons", [30, 300, 30000])
def test_feature_size_does_not_depend_on_dose_and_scales_with_the_pixels(pixel_size, electrons):
    structure = structures.transition_metal_dichalcogenide("WSe2", (5, 5))
    perfect = feature_size(image(structure, pixel_size=0.02).data.values.astype(float)) * 0.02
    sample = image(structure, pixel_size=pixel_size, electrons=electrons, random_state=4)
    assert feature_size(sample.data.values.astype(float)) * pixel_size == pytest.approx(perfect, rel=0.12)


def test_torn_lines_do_not_change_the_scale():
    structure = structures.perovskite((6, 6))
    instrument = Instrument(jitter=0.02)
    torn = image(structure, electrons=2000, instrument=instrument, random_state=2).data.values.astype(float)
    still = image(structure, electrons=2000, random_state=2).data.values.astype(float)
    assert feature_size(torn) == pytest.approx(feature_size(still), rel=0.1)


def test_noise_has_no_scale():
    sizes = [feature_size(np.random.default_rng(s).poisson(5.0, (256, 256)).astype(float)) for s in range(10)]
    assert np.isnan(sizes).sum() >= 8


def test_peaks_of_a_map_have_subpixel_places_and_classes():
    y, x = np.mgrid[:40, :60]
    places = np.array([[10.3, 12.6], [30.0, 20.4], [50.7, 8.1]])
    maps = np.zeros((2, 40, 60), dtype=np.float32)
    for i, (a, b) in enumerate(places):
        maps[i % 2] += 0.9 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * 1.2**2))
    found_x, found_y, label, score = locate(maps, threshold=0.5, min_distance=2.0)
    order = np.argsort(found_x)
    np.testing.assert_allclose(np.column_stack([found_x, found_y])[order], places, atol=0.12)
    assert label[order].tolist() == [0, 1, 0]
    assert ((score > 0.7) & (score <= 0.91)).all()


def test_of_close_peaks_the_higher_one_stays():
    maps = np.zeros((1, 20, 20), dtype=np.float32)
    maps[0, 5, 5], maps[0, 5, 8], maps[0, 15, 15] = 0.9, 0.8, 0.7
    x, _, _, score = locate(maps, threshold=0.5, min_distance=4.0)
    assert sorted(x.round().tolist()) == [5, 15]
    assert score.max() == pytest.approx(0.9)
    assert locate(maps, threshold=0.95, min_distance=4.0)[0].size == 0
