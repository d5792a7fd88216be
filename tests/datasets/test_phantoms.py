"""Phantoms of the images: the truth is in the picture, and the picture resembles the real one."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from atomlens import datasets
from atomlens.datasets._registry import PHANTOMS, entry_of, registry

IMAGES = [name for name, phantom in PHANTOMS.items() if phantom.kind == "image"]


def brightness(values, x, y):
    """Mean standardised grey at some positions."""
    values = (values - values.mean()) / values.std()
    rows, columns = (
        np.clip(np.rint(v).astype(int), 0, n - 1) for v, n in zip((y, x), values.shape, strict=True)
    )
    return values[rows, columns].mean()


@pytest.mark.parametrize("name", IMAGES)
def test_columns_are_bright_where_the_truth_says(name):
    sample = datasets.load(name, random_state=2)
    truth = sample.truth[sample.truth["scored"]]
    strength = truth["height" if name == "stm_vacancies_phantom" else "electrons"]
    truth = truth[strength > 0.9 * strength.mean()]  # light columns are dark beside heavy ones
    assert len(truth) > 20
    smooth = gaussian_filter(sample.data.values.astype(float), truth["sigma"].mean())
    # against the thickness of the support, which Pt atoms follow
    smooth -= gaussian_filter(smooth, 8 * truth["sigma"].mean())
    assert brightness(smooth, truth["x"], truth["y"]) > 0.8  # 0 is the mean of the image
    step = float(sample.data.x[1] - sample.data.x[0])
    np.testing.assert_allclose(truth["x_nm"], truth["x"] * step)
    assert sample.data.x.attrs["units"] == "nm"


def test_mos2_phantoms_hold_the_defects_they_name():
    kinds = datasets.load("mos2_phantom").extras["defects"]["kind"].value_counts()
    assert kinds["vacancy"] == 24
    assert kinds["column_vacancy"] == 5
    assert kinds["substitution"] == 9
    sample = datasets.load("mos2_se_phantom", random_state=1)
    assert sample.truth["species"].isin(["SeS"]).sum() == 40
    pit = sample.extras["defects"].query("kind == 'column_vacancy'")
    assert len(pit) > 5
    assert np.hypot(pit["x_nm"] - pit["x_nm"].mean(), pit["y_nm"] - pit["y_nm"].mean()).max() < 0.6
    sulphur = datasets.load("ws2_wsse_phantom").truth.query("label == 1")["species"]
    assert (sulphur == "SeS").mean() == pytest.approx(0.5, abs=0.05)


def test_graphene_phantom_holds_both_kinds_of_silicon():
    for seed in range(3):
        truth = datasets.load("graphene_si_phantom", random_state=seed).truth
        silicon = truth[truth["species"] == "Si"]
        carbon = truth.loc[truth["species"] == "C", ["x_nm", "y_nm"]]
        near = cKDTree(carbon).query_ball_point(silicon[["x_nm", "y_nm"]], 0.23)
        assert sorted(map(len, near)) == [3, 4]


def test_boundaries_have_two_domains_that_differ():
    assert (
        datasets.load("graphene_boundary_phantom")
        .extras["defects"]["kind"]
        .isin(["pentagon", "heptagon"])
        .all()
    )
    for name in ("graphene_boundary_phantom", "cdte_boundary_phantom", "fe_boundary_phantom"):
        share = datasets.load(name).truth["domain"].value_counts(normalize=True)
        assert share.min() > 0.3
    truth = datasets.load("fe_boundary_phantom").truth
    spacing = cKDTree(truth[["x_nm", "y_nm"]]).query(truth[["x_nm", "y_nm"]], k=2)[0][:, 1]
    assert spacing.min() > 0.12  # no two atoms in one place at the boundary
    turns = []
    for _, grain in truth.groupby("domain"):
        points = grain[["x_nm", "y_nm"]].to_numpy()
        pairs = cKDTree(points).query_pairs(0.24, output_type="ndarray")
        turns.append(np.degrees(np.arctan2(*(points[pairs[:, 1]] - points[pairs[:, 0]]).T[::-1])) % 90)
    assert abs(np.median(turns[0]) - np.median(turns[1])) == pytest.approx(36.9, abs=1.5)


def test_polar_phantoms():
    truth = datasets.load("pto_sro_phantom").truth
    titanium = truth[truth["species"] == "Ti"]
    offset = (titanium["dy_nm"] - 0.15 * np.cos(2 * np.pi * titanium["x_nm"] / 19.68)) * 1000
    assert offset[titanium["domain"] == 0].median() == pytest.approx(18, abs=1)
    assert offset[titanium["domain"] == 1].median() == pytest.approx(-18, abs=1)
    assert {"Pb", "Sr", "Ti", "Ru"} == set(truth["species"])
    sample = datasets.load("bfo_phantom")
    bismuth = sample.data.query("label == 'Bi'")[["x", "y"]].to_numpy()
    iron = sample.truth
    neighbours = cKDTree(bismuth).query(iron[["x", "y"]], k=4)
    inner = neighbours[0].max(axis=1) < 17  # all four are there
    offset = iron[["x", "y"]].to_numpy() - bismuth[neighbours[1]].mean(axis=1)
    # 0.2 px of noise on iron, half of that on the mean of four
    error = (offset - iron[["dx", "dy"]].to_numpy())[inner]
    assert error.std() == pytest.approx(0.2 * np.sqrt(1.25), rel=0.1)
    np.testing.assert_allclose(np.hypot(iron["dx"], iron["dy"]), iron["magnitude"])
    np.testing.assert_allclose(np.arctan2(iron["dy"], iron["dx"]), iron["angle"])
    assert iron["domain"].nunique() == 2


def test_platinum_lies_on_its_support():
    sample = datasets.load("pt_single_atoms_phantom", random_state=4)
    support = gaussian_filter(sample.extras["expected"].values, 12)
    rows, columns = (sample.truth[axis].astype(int) for axis in ("y", "x"))
    assert (support[rows, columns] > 1).all()
    assert np.corrcoef(support[rows, columns], sample.truth["background"])[0, 1] > 0.8
    assert (support < 0.5).mean() > 0.1  # and some of the image is vacuum
    assert sample.truth["species"].eq("Pt").all()


def resemblance(data):
    """Share of noise in the variance, and the spacings of the two strongest pairs of Bragg spots."""
    values = data.values[:512, :512].astype(float)
    step = float(data.x[1] - data.x[0])
    values = (values - gaussian_filter(values, min(values.shape) / 12)) / values.std()
    window = np.outer(*(np.hanning(n) for n in values.shape))
    power = np.abs(np.fft.fft2(values * window)) ** 2 / (window**2).sum()
    fy, fx = np.fft.fftfreq(values.shape[0], step)[:, None], np.fft.fftfreq(values.shape[1], step)
    radius = np.hypot(fy, fx)
    noise = np.median(power[radius > 0.38 / step]) / np.log(2)
    power[radius < 4 / (min(values.shape) * step)] = 0
    spacings = []
    for _ in range(2):
        row, column = np.unravel_index(power.argmax(), power.shape)
        ky, kx = fy[row, 0], fx[column]
        spacings.append(1 / np.hypot(ky, kx))
        for sign in (1, -1):
            power[np.hypot(fy - sign * ky, fx - sign * kx) < 0.12 / spacings[-1]] = 0
    return noise, np.mean(spacings)


@pytest.mark.parametrize(
    "name",
    [
        *("mos2_haadf_a", "mos2_se_implanted", "ws2_wsse_partial_12", "graphene_si_library/Si1C3/10"),
        *("graphene_grain_boundary", "pto_sro_haadf", "cdte_twin", "fe_grain_boundary", "si110_haadf"),
        *("dso110_haadf", "pt_single_atoms/021", "cu2o_stm"),
    ],
)
def test_a_phantom_resembles_the_real_image(mirror, name):
    real = datasets.load(name)
    phantom = datasets.load(entry_of(name).phantom)
    (noise, spacing), (noise_phantom, spacing_phantom) = resemblance(real.data), resemblance(phantom.data)
    assert noise_phantom == pytest.approx(noise, rel=0.6, abs=0.04)
    if not registry()[name.partition("/")[0]].calibration.startswith("none") and "pt" not in name:
        assert spacing_phantom == pytest.approx(spacing, rel=0.17)
