"""Lattices from images, without finding a column first."""

import warnings

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage
from scipy.ndimage import gaussian_filter

from atomlens import lattice, simulate
from atomlens.simulate import structures


@pytest.mark.parametrize("electrons", [40, 1000])
def test_planted_lattice(any_structure, electrons, planted, same_lattice):
    _, truth = planted(any_structure, rotation=17, noise=0)
    sample = simulate.image(truth.structure, pixel_size=0.02, electrons=electrons)
    found = lattice.estimate(sample.data)
    assert found.periodic
    assert found.confidence > 0.9
    assert same_lattice(found.basis, truth.basis, 0.03)
    assert found.pixel_size_nm == pytest.approx(0.02)
    if any_structure != "Mo-V oxide":  # where vanadium is common a site is faint
        assert len(found.sites) == truth.sites


def test_sites_lie_where_the_columns_are():
    sample = simulate.image(
        structures.transition_metal_dichalcogenide("MoS2", (6, 6), rotation=9), electrons=1000
    )
    found = lattice.estimate(sample.data)
    inverse = np.linalg.inv(found.basis)
    for site, label in zip(
        found.origins,
        sample.truth.groupby("label").electrons.mean().sort_values(ascending=False).index,
        strict=True,
    ):
        columns = sample.truth[sample.truth.label == label][["x", "y"]].to_numpy()
        miss = ((columns - site) @ inverse + 0.5) % 1 - 0.5
        assert np.abs(np.median(miss, axis=0) @ found.basis).max() < 1.0
    assert (found.sites.n == 0).all()


def test_image_without_coordinates_has_no_pixel_size():
    image = simulate.image(structures.metal("Au", (4, 4)), electrons=500).data
    bare = lattice.estimate(image.values)
    assert bare.pixel_size_nm is None
    np.testing.assert_allclose(bare.basis, lattice.estimate(image).basis)
    assert bare.calibrated(0.204).pixel_size_nm == pytest.approx(0.02, rel=0.01)


def test_units_of_the_axes_are_read():
    image = simulate.image(structures.metal("Au", (4, 4)), electrons=500).data
    axes = {d: xr.DataArray(image[d].values * 10, dims=d, attrs={"units": "Å"}) for d in "yx"}
    assert lattice.estimate(image.assign_coords(axes)).pixel_size_nm == pytest.approx(0.02)


def test_strong_doubling_doubles_the_lattice(same_lattice):
    # Every other column is displaced by 60 pm.
    structure = structures.perovskite((8, 8), polar=60, variants=((0.0, "alternating"),))
    found = lattice.estimate(simulate.image(structure, electrons=2000).data)
    assert same_lattice(found.basis, np.diag([2, 1]) * 0.3905 / 0.02, 0.03)


@pytest.mark.parametrize("angle", [21.8, 30.0])
def test_of_two_grains_one_is_meant(angle):
    # 21.8 degrees is a coincidence boundary: a cell seven times as large explains both grains.
    sample = simulate.image(structures.graphene_grain_boundary((8, 8), angle=angle), electrons=300)
    with pytest.warns(UserWarning, match="a second grain"):
        found = lattice.estimate(sample.data)
    assert found.confidence == pytest.approx(0.5, abs=0.08)
    assert found.lengths == pytest.approx([12.3, 12.3], abs=0.3)


def image_that_does_not_repeat(kind, seed):
    rng = np.random.default_rng(seed)
    if kind == "counts":
        return rng.poisson(20, (200, 220)).astype(float)
    if kind == "smooth":
        return gaussian_filter(rng.normal(size=(220, 200)), 4)
    film = structures.amorphous(size=(4, 4), random_state=seed)
    return simulate.image(film, pixel_size=0.02, electrons=200, random_state=seed).data


@pytest.mark.parametrize("kind", ["counts", "smooth", "amorphous"])
def test_what_does_not_repeat_is_not_periodic(kind):
    found = [lattice.estimate(image_that_does_not_repeat(kind, seed)) for seed in range(10)]
    assert not any(f.periodic for f in found)
    with pytest.raises(lattice.NotPeriodicError):
        found[0].required()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.ones((64, 64)), "constant: there is nothing to find"),
        (np.eye(16), "too small: it needs 32"),
        (np.full((64, 64), np.nan), "all its pixels are NaN or masked"),
        (np.zeros((3, 64, 64)), "two axes"),
    ],
)
def test_bad_images(image, message):
    with pytest.raises(ValueError, match=message):
        lattice.estimate(image)


@pytest.mark.parametrize("zoom", [2, 3])
def test_few_periods_of_many_pixels_are_read_like_the_same_of_few_pixels(sheet, zoom):
    # Ten periods: enlarged, the image has as many, and its Bragg peaks are as close to each other.
    counts = np.random.default_rng(5).poisson(sheet((180, 180), spacing=18.0, electrons=900.0)[0])
    enlarged = ndimage.zoom(counts.astype(float), zoom, order=1, mode="nearest", grid_mode=True)
    found = lattice.estimate(enlarged)
    assert found.periodic
    np.testing.assert_allclose(found.lengths, 18 * zoom, rtol=0.01)
    assert found.angle == pytest.approx(90, abs=0.5)


def test_a_lattice_that_the_quarters_do_not_share_is_doubted(sheet):
    def grain(angle, seed):
        expected = sheet((240, 240), spacing=18.0, electrons=900.0, weak=0, angle=angle)[0]
        return np.random.default_rng(seed).poisson(expected)

    one = grain(10.0, 0)
    assert lattice.estimate(one).doubts == []
    two = np.where(np.arange(240) < 120, one, grain(36.0, 1))
    with pytest.warns(UserWarning, match="keep one region"):
        found = lattice.estimate(two)
    assert found.periodic
    assert len(found.doubts) == 1


def test_texture_is_no_crystal():
    # Stripes of one direction and period after the other: some of them make a lattice by chance
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:320, :320]
    image = np.zeros((320, 320))
    for _ in range(60):
        kx, ky = rng.normal(0, 0.06, 2)
        py, px = rng.uniform(0, 320, 2)
        patch = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 45**2))
        image += patch * np.cos(2 * np.pi * (kx * x + ky * y) + rng.uniform(0, 6))
    image += 0.05 * rng.normal(size=image.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = lattice.estimate(image)
    assert not found.periodic or found.doubts
