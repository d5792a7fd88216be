"""Images: every electron accounted for, every column where the table says."""

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import center_of_mass
from scipy.special import erf

from atomlens import simulate
from atomlens._render import draw_columns
from atomlens.simulate.imaging import CROSS_SECTION, FWHM, Instrument, image

PLAIN = Instrument(probe=0.1, source=0.0, background=0.0)


def one(x=1.0, y=1.2, weight=574.0, **more):
    return pd.DataFrame({"x_nm": [x], "y_nm": [y], "weight": [weight], **more})


def lattice(n=8, step=0.4):
    y, x = (g.ravel() * step + 0.2 for g in np.mgrid[:n, :n])
    return pd.DataFrame({"x_nm": x, "y_nm": y, "weight": 300.0})


def test_a_column_is_a_pixel_integrated_gaussian():
    sigma, x, y = 1.3, 20.3, 17.6
    drawn = draw_columns(
        (40, 50), np.array([x]), np.array([y]), np.array([7.0]), np.array([[sigma**2, 0, sigma**2]])
    )

    def profile(n, centre):
        edges = (np.arange(n + 1) - 0.5 - centre) / sigma / np.sqrt(2)
        return np.diff(erf(edges)) / 2

    expected = 7 * np.outer(profile(40, y), profile(50, x))
    np.testing.assert_allclose(drawn, expected, atol=7e-5)


def test_a_tilted_gaussian_has_the_covariance_asked_for():
    covariance = np.array([[6.0, 2.0, 4.0]])
    drawn = draw_columns((61, 61), np.array([30.0]), np.array([30.0]), np.array([1.0]), covariance)
    y, x = np.mgrid[:61, :61] - 30.0
    measured = [(drawn * a * b).sum() for a, b in ((x, x), (x, y), (y, y))]
    # the pixels add the variance of a box
    np.testing.assert_allclose(measured, covariance[0] + [1 / 12, 0, 1 / 12], rtol=0.01)
    assert drawn.sum() == pytest.approx(1, rel=1e-3)


def test_electrons_are_conserved_and_follow_dose_thickness_and_z():
    structure = simulate.structures.perovskite((4, 4))
    sample = image(
        structure, dose=3e4, instrument=Instrument(background=0.0, thickness=0.781), random_state=1
    )
    titanium = sample.truth[sample.truth["species"].str.startswith("Ti")]
    sr = sample.truth[sample.truth["species"] == "Sr"]
    # two repeats of 0.3905 nm with one strontium atom each
    np.testing.assert_allclose(sr["electrons"], 3e4 * CROSS_SECTION * 2 * 38**1.7, rtol=1e-9)
    assert titanium["electrons"].iloc[0] < sr["electrons"].iloc[0]
    inner = sample.truth.query("30 < x < 170 and 30 < y < 170")
    middle = sample.data.values[30:171, 30:171].sum()
    assert middle == pytest.approx(inner["electrons"].sum(), rel=0.06)


def test_electrons_of_the_weakest_scored_column_are_what_was_asked_for():
    sample = image(simulate.structures.transition_metal_dichalcogenide("MoS2", (4, 4)), electrons=123.0)
    assert sample.truth.loc[sample.truth["scored"], "electrons"].min() == pytest.approx(123.0)
    assert sample.truth["electrons"].max() > 200


def test_light_columns_are_in_the_table_but_not_scored():
    truth = image(simulate.structures.perovskite((4, 4)), electrons=100).truth
    oxygen = truth["species"] == "O"
    assert oxygen.any()
    assert not truth.loc[oxygen, "scored"].any()
    assert truth.loc[~oxygen, "scored"].all()


def test_noise_is_poisson_and_seeded():
    table, kwargs = lattice(), {"pixel_size": 0.04, "shape": (80, 80), "electrons": 2000}
    one_, two, three = (image(table, random_state=s, **kwargs) for s in (1, 1, 2))
    np.testing.assert_array_equal(one_.data, two.data)
    assert (one_.data != three.data).any()
    expected = one_.extras["expected"].values
    chi2 = ((one_.data.values - expected) ** 2 / expected).mean()
    assert chi2 == pytest.approx(1, abs=5 * np.sqrt(2 / expected.size))
    assert one_.source["random_state"] == 1


def test_without_dose_there_is_no_noise():
    sample = image(lattice(), shape=(160, 160))
    np.testing.assert_allclose(sample.data, sample.extras["expected"], rtol=1e-6)


def test_width_adds_in_quadrature_and_defocus_blurs():
    assert Instrument(probe=0.3, source=0.4).width == pytest.approx(0.5)
    blurred = Instrument(probe=0.1, source=0.0, defocus=-8.0, convergence=25.0)
    # a disc of radius 8 nm x 25 mrad has a standard deviation of half of that along each axis
    assert blurred.width**2 == pytest.approx(0.1**2 + (FWHM * 0.1) ** 2)


def test_sigma_in_the_truth_is_the_width_in_the_image():
    sample = image(one(), shape=(120, 100), instrument=PLAIN)
    values = sample.data.values
    x = np.arange(100)
    profile = values.sum(axis=0) / values.sum()
    spread = np.sqrt((profile * (x - (profile * x).sum()) ** 2).sum())
    assert spread == pytest.approx(np.hypot(sample.truth.sigma[0], np.sqrt(1 / 12)), rel=1e-3)


def centroid(sample):
    y, x = center_of_mass(sample.data.values.astype(float))
    return x, y


@pytest.mark.parametrize(
    "fault",
    [
        {"drift": (0.12, -0.3)},
        {"wander": 0.05},
        {"flyback": 0.1},
        {"drift": (0.1, 0.2), "flyback": -0.05, "wander": 0.02},
    ],
)
def test_columns_are_where_the_scan_sees_them(fault):
    instrument = Instrument(probe=0.1, source=0.0, background=0.0, **fault)
    sample = image(one(x=0.3, y=1.9), shape=(120, 100), instrument=instrument)
    x, y = centroid(sample)
    assert (sample.truth.x[0], sample.truth.y[0]) == pytest.approx((x, y), abs=0.02)
    assert abs(sample.truth.x[0] - 15) + abs(sample.truth.y[0] - 95) > 0.05


def test_drift_is_the_displacement_over_the_frame():
    instrument = Instrument(probe=0.1, source=0.0, drift=(0.2, 0.0))
    truth = image(lattice(), pixel_size=0.02, shape=(160, 160), instrument=instrument).truth
    shift = truth["x"] - np.round((truth["x"] - 10) / 20) * 20 - 10
    slope = np.polyfit(truth["y"], shift, 1)[0]
    assert slope == pytest.approx(10 / 159, rel=0.02)


def test_jitter_tears_lines_and_is_not_in_the_truth():
    still = image(one(), shape=(120, 100), instrument=PLAIN)
    torn = image(
        one(), shape=(120, 100), instrument=Instrument(probe=0.1, source=0.0, background=0.0, jitter=0.03)
    )
    assert torn.truth.x[0] == still.truth.x[0]
    x = np.arange(100)
    rows = slice(55, 66)
    lines = (torn.data.values[rows] * x).sum(axis=1) / torn.data.values[rows].sum(axis=1)
    assert lines.std() == pytest.approx(1.5, rel=0.5)


def test_mistilt_smears_columns_along_its_direction():
    instrument = Instrument(
        probe=0.1, source=0.0, background=0.0, mistilt=20.0, mistilt_angle=30.0, thickness=10.0
    )
    sample = image(one(x=1.9), shape=(120, 160), instrument=instrument)
    values = sample.data.values / sample.data.values.sum()
    x0, y0 = centroid(sample)
    y, x = np.mgrid[:120, :160]
    xx, yy, xy = ((values * a).sum() for a in ((x - x0) ** 2, (y - y0) ** 2, (x - x0) * (y - y0)))
    assert np.degrees(np.arctan2(2 * xy, xx - yy)) / 2 == pytest.approx(30, abs=1.5)
    smear = 0.02 * (95 / 159) * 10 / 0.02
    assert xx + yy == pytest.approx(
        2 * (sample.truth.sigma[0] ** 2 - smear**2 / 24 + 1 / 12) + smear**2 / 12, rel=0.02
    )


def test_tails_take_electrons_from_the_core():
    sharp = image(one(), shape=(120, 100), instrument=PLAIN).data.values
    tailed = image(
        one(), shape=(120, 100), instrument=Instrument(probe=0.1, source=0.0, background=0.0, tails=0.3)
    )
    assert tailed.data.values.max() < 0.8 * sharp.max()
    assert tailed.data.values.sum() == pytest.approx(sharp.sum(), rel=5e-3)


def test_detector_faults():
    table, kwargs = lattice(), {"shape": (160, 160), "electrons": 500.0, "random_state": 3}
    clean = image(table, **kwargs).data.values
    hot = image(table, instrument=Instrument(hot_pixels=1e-3), **kwargs).data.values
    changed = hot != clean
    assert 8 < changed.sum() < 50
    assert hot[changed].min() > clean.max()
    scaled = image(table, instrument=Instrument(gain=3.0, offset=100.0), **kwargs).data.values
    np.testing.assert_allclose(scaled, 3 * clean + 100)
    dark = image(table, instrument=Instrument(inverted=True), **kwargs).data.values
    np.testing.assert_allclose(dark, clean.max() - clean)
    noisy = image(table, instrument=Instrument(read_noise=2.0), **kwargs).data.values
    assert (noisy - clean).std() == pytest.approx(2.0, rel=0.05)


def test_surface_and_scan_faults_change_the_picture_where_they_should():
    table, kwargs = lattice(), {"shape": (160, 160)}
    clean = image(table, instrument=PLAIN, **kwargs).data.values
    cloudy = image(
        table, instrument=Instrument(probe=0.1, source=0.0, background=0.0, contamination=0.5), **kwargs
    )
    layer = cloudy.data.values - clean
    assert layer.min() > -1e-3
    assert layer.std() == pytest.approx(0.5 * clean.mean(), rel=0.02)
    scarred = image(
        table, instrument=Instrument(probe=0.1, source=0.0, background=0.0, scars=3), **kwargs
    ).data.values
    rows = np.flatnonzero((scarred != clean).any(axis=1))
    assert 1 <= rows.size <= 3


def test_planted_defects_are_in_pixels_where_the_scan_sees_them():
    structure = simulate.structures.transition_metal_dichalcogenide("MoS2", (4, 4))
    structure = simulate.defects.vacancies(structure, n=5, sublattice="S2", random_state=2)
    sample = image(structure, pixel_size=0.02, instrument=Instrument(drift=(0.1, 0.1)))
    planted, changed = sample.extras["defects"], sample.truth[sample.truth["defect"] != ""]
    assert len(planted) == 5
    np.testing.assert_allclose(np.sort(planted["x"]), np.sort(changed["x"]), atol=0.05)
    np.testing.assert_allclose(planted["x_nm"], planted["x"] * 0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: image("graphene"), "cannot image a str"),
        (lambda: image(pd.DataFrame({"x": [1]}), shape=(9, 9)), "lacks x_nm, y_nm, weight"),
        (lambda: image(one(x=np.nan), shape=(90, 90)), "NaN or infinite"),
        (lambda: image(one()), "field of view"),
        (lambda: image(one(x=99.0), shape=(50, 50)), "no visible column"),
        (lambda: image(one(visible=[False]), shape=(90, 90)), "no visible column"),
        (lambda: image(one(), shape=(90, 90), pixel_size=0), "pixel_size must be positive"),
        (lambda: image(one(), shape=(0, 90)), "no pixels"),
        (lambda: image(one(), shape=(90, 90), dose=1, electrons=1), "not both"),
        (lambda: image(one(), shape=(90, 90), dose=-1), "dose must be positive"),
        (lambda: image(one(), shape=(90, 90), electrons=0), "electrons must be positive"),
        (lambda: Instrument(probe=0.0), "must be positive"),
        (lambda: Instrument(jitter=-1.0), "jitter must not be negative"),
        (lambda: Instrument(tails=1.0), "fraction below 1"),
        (lambda: Instrument(drift=0.1), r"drift is a pair"),
        (lambda: Instrument(background=float("nan")), "background must not be negative"),
    ],
)
def test_bad_input_is_explained(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_the_truth_knows_the_background():
    sample = image(lattice(), shape=(160, 160), instrument=Instrument(probe=0.1, source=0.0, background=0.5))
    total, columns = sample.data.values.mean(), sample.truth["electrons"].sum() / 160**2
    assert np.ptp(sample.truth["background"]) == 0
    assert sample.truth["background"][0] == pytest.approx(total / 3, rel=1e-3)
    assert sample.truth["background"][0] == pytest.approx(columns / 2, rel=0.05)
