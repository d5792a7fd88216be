"""The image of the perfect crystal: cells of the pixels, drift, brightness, noise, surrogates."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from atomlens import lattice, simulate
from atomlens.defects._cells import CellFrame
from atomlens.defects._residual import expected_image, follow_brightness
from atomlens.defects._view import View
from atomlens.simulate import Instrument, defects, structures

SHAKEN = Instrument(drift=(0.15, 0.2), jitter=0.004, contamination=0.2, contamination_length=2.0)


@pytest.fixture(scope="module")
def crystal():
    return structures.perovskite((6, 6), rotation=11)


@pytest.fixture(scope="module")
def view(crystal):
    return View.of(simulate.image(crystal, electrons=300, random_state=1).data)


def at(field, truth):
    """Values of a picture at columns."""
    return field[truth["y"].round().astype(int), truth["x"].round().astype(int)]


def spread(phases):
    """Scatter of phases, in periods: columns of one sublattice share theirs."""
    return np.sqrt(-2 * np.log(abs(np.exp(2j * np.pi * phases).mean()))) / (2 * np.pi)


@pytest.mark.parametrize("name", ["MoS2", "Au", "SrTiO3"])
def test_columns_of_a_sublattice_have_the_same_place_in_every_cell(name):
    make = {
        "MoS2": lambda: structures.transition_metal_dichalcogenide("MoS2", (6, 6), rotation=20),
        "Au": lambda: structures.metal("Au", (6, 6), rotation=33),
        "SrTiO3": lambda: structures.perovskite((6, 6), rotation=7),
    }[name]
    shaken = Instrument(drift=(0.15, 0.2), wander=0.03, jitter=0.004)
    sample = simulate.image(make(), electrons=300, instrument=shaken, random_state=2)
    pixels = sample.data.values.astype(np.float32)
    found = lattice.estimate(sample.data)
    followed = expected_image(pixels, CellFrame.track(pixels, found))[2]
    straight = CellFrame._with(
        found, np.zeros((2, *pixels.shape), np.float32), np.ones(pixels.shape, dtype=bool)
    )
    inner = sample.truth.query("label == 0 and 20 < x < 280 and 20 < y < 280")
    scatter = [
        found.spacing * max(spread(at(frame.u, inner)), spread(at(frame.v, inner)))
        for frame in (followed, straight)
    ]
    assert scatter[0] < 0.6  # pixels: half of it from columns that are not in the middle of one
    assert scatter[1] > 2 * scatter[0]


def test_the_cell_of_a_pixel(view):
    number, ij, whole = view.frame.cells
    assert number.shape == view.pixels.shape
    np.testing.assert_array_equal(ij[number][..., 0], np.floor(view.frame.u))
    np.testing.assert_array_equal(ij[number][..., 1], np.floor(view.frame.v))
    area = abs(np.linalg.det(view.frame.lattice.basis))
    count = np.bincount(number.ravel())
    assert (count[whole] >= 0.6 * area).all()
    assert (count[~whole] < 0.6 * area).all()
    assert count.sum() == view.pixels.size


def test_cells_of_the_perfect_crystal_number_as_many_as_fit(view):
    area = abs(np.linalg.det(view.frame.lattice.basis))
    assert view.frame.cells[2].sum() == pytest.approx(view.pixels.size / area, rel=0.1)


def test_pixels_of_cells_and_back(view):
    frame = view.frame
    rng = np.random.default_rng(0)
    y, x = (rng.integers(30, n - 30, 50) for n in view.pixels.shape)
    uv = np.stack([frame.u[y, x], frame.v[y, x]], axis=-1)
    found_y, found_x, inside = frame.pixels_of(uv)
    assert inside.all()
    np.testing.assert_allclose(found_y, y, atol=0.1)
    np.testing.assert_allclose(found_x, x, atol=0.1)
    assert not frame.pixels_of(uv + 1000)[2].any()


def test_large_cells_are_looked_at_in_pieces(view):
    number, _, parts = view.frame.parts(view.sigma)
    assert parts == 1
    np.testing.assert_array_equal(number, view.frame.cells[0])
    number, whole, parts = view.frame.parts(view.sigma / 5)
    assert parts > 1
    assert whole.sum() == pytest.approx(parts * view.frame.cells[2].sum(), rel=0.1)
    assert np.bincount(number.ravel()).sum() == view.pixels.size


def test_a_lattice_is_followed_only_where_there_is_some(view):
    frame, nothing = view.frame, np.zeros(view.pixels.shape, dtype=bool)
    with pytest.raises(lattice.NotPeriodicError, match="only 0 unit cells lie in the image, 9 are needed"):
        CellFrame.track(view.pixels, frame.lattice, nothing)
    with pytest.raises(lattice.NotPeriodicError, match="only 0 unit cells lie in the image"):
        frame.tracked_again(view.pixels, view.expected, nothing)
    between = ~nothing
    between[:: frame.tracker.step, :: frame.tracker.step] = False  # none of the points that are followed
    with pytest.raises(lattice.NotPeriodicError, match="too little to follow"):
        frame.tracker.displacement(view.pixels, between)


def test_the_average_cell_continues_to_the_perfect_crystal(crystal):
    sample = simulate.image(crystal, electrons=1e6, random_state=1)
    pixels = sample.data.values.astype(np.float32)
    frame = CellFrame.track(pixels, lattice.estimate(sample.data))
    model = frame.spread_out(frame.average(pixels))
    assert np.std(model - pixels) < 0.02 * np.std(pixels)


def test_the_median_of_means_is_not_moved_by_defects(crystal):
    holes = defects.vacancies(crystal, kind="column", sublattice="Ti", n=8, border=0.5, random_state=0)
    pixels = [simulate.image(s, electrons=1e6).data.values.astype(np.float32) for s in (crystal, holes)]
    frame = CellFrame.track(pixels[0], lattice.estimate(pixels[0]))
    without, averaged = frame.average(pixels[0]), frame.average(pixels[1])
    middle = frame.average(pixels[1], np.ones(pixels[1].shape, bool))
    assert np.abs(averaged - without).max() < 0.05 * np.ptp(without)
    assert np.abs(middle - without).max() < 0.1 * np.ptp(without)
    assert np.abs(averaged - without).max() < np.abs(middle - without).max() + 0.02 * np.ptp(without)


def test_places_that_are_not_trusted_do_not_count(crystal):
    pixels = simulate.image(crystal, electrons=1e6).data.values.astype(np.float32)
    frame = CellFrame.track(pixels, lattice.estimate(pixels))
    trusted = np.ones(pixels.shape, bool)
    without = frame.average(pixels, trusted)
    spoilt = pixels.copy()
    spoilt[100:140, 100:140] = 10 * pixels.max()
    trusted[96:144, 96:144] = False
    found = frame.average(spoilt, trusted)
    assert np.abs(found - without).max() < 0.02 * np.ptp(without)
    assert np.abs(frame.average(spoilt, np.ones(pixels.shape, bool)) - without).max() > 0.1 * np.ptp(without)


def test_rows_are_put_where_they_belong(crystal):
    quiet, shaken = (
        simulate.image(crystal, electrons=2000, instrument=Instrument(jitter=j), random_state=4)
        for j in (0.0, 0.012)
    )
    rest = []
    for sample, rows in ((quiet, True), (shaken, True), (shaken, False)):
        pixels = sample.data.values.astype(np.float32)
        frame = CellFrame.track(pixels, lattice.estimate(sample.data))
        expected = expected_image(pixels, frame)[0] if rows else frame.spread_out(frame.average(pixels))
        rest.append(np.std(pixels - expected))
    assert rest[1] - rest[0] < 0.4 * (rest[2] - rest[0])
    assert rest[2] > 1.3 * rest[0]


def test_brightness_is_followed(crystal):
    pixels = simulate.image(crystal, electrons=1e6).data.values.astype(np.float32)
    found = lattice.estimate(pixels)
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]] / pixels.shape[0]
    uneven = (0.8 + 0.4 * x) * pixels + 0.5 * pixels.mean() * y
    followed = follow_brightness(uneven, pixels, found)
    inner = (slice(30, -30),) * 2
    assert np.std((followed - uneven)[inner]) < 0.05 * np.std(pixels)
    assert np.std((pixels - uneven)[inner]) > 0.15 * np.std(pixels)


def test_the_gain_of_a_region_has_limits(crystal):
    pixels = simulate.image(crystal, electrons=1e6).data.values.astype(np.float32)
    followed = follow_brightness(0 * pixels + pixels.mean(), pixels, lattice.estimate(pixels))
    assert np.std(followed) == pytest.approx(0.6 * np.std(pixels), rel=0.1)


@pytest.mark.parametrize(("gain", "read_noise"), [(1.0, 0.0), (5.0, 0.0), (1.0, 3.0)])
def test_noise_is_that_of_electrons_and_detector(crystal, gain, read_noise):
    instrument = Instrument(gain=gain, read_noise=read_noise)
    sample = simulate.image(crystal, electrons=300, instrument=instrument, random_state=3)
    view = View.of(sample.data)
    electrons = sample.extras["expected"].values
    truth = gain * np.sqrt(electrons + read_noise**2)
    assert np.median(view.noise / truth) == pytest.approx(1, abs=0.07)
    assert np.percentile(np.abs(view.noise / truth - 1), 90) < 0.12
    standard = (view.pixels - view.expected) / view.noise
    assert np.std(standard) == pytest.approx(1, abs=0.05)


def test_defects_are_not_trusted(crystal):
    holes = defects.vacancies(crystal, kind="column", sublattice="Sr", n=4, border=0.5, random_state=0)
    sample = simulate.image(holes, electrons=300, random_state=1)
    view = View.of(sample.data)
    assert not at(view.trusted, sample.extras["defects"]).any()
    assert view.trusted.mean() > 0.9


def test_a_surrogate_has_crystal_and_noise_but_no_defects(crystal):
    holes = defects.vacancies(crystal, kind="column", sublattice="Sr", n=4, border=0.5, random_state=0)
    sample = simulate.image(holes, electrons=300, instrument=SHAKEN, random_state=1)
    view = View.of(sample.data)
    first, again, other = (view.surrogate(seed) for seed in ([0, 1], [0, 1], [0, 2]))
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert (first.pixels != other.pixels).mean() > 0.3
    rest = (first.pixels - view.expected) / view.noise
    assert np.std(rest) == pytest.approx(1, abs=0.03)
    # Skewed as Poisson noise is, not arranged in space, and without the holes
    own = ((view.pixels - view.expected) / view.noise)[view.trusted]
    assert np.mean(rest**3) == pytest.approx(np.mean(own**3), abs=0.05)
    assert abs(np.corrcoef(rest[:, 1:].ravel(), rest[:, :-1].ravel())[0, 1]) < 0.02
    smooth = gaussian_filter(rest, view.sigma)
    assert at(smooth, sample.extras["defects"]).min() > -5 * smooth.std()
    assert at(gaussian_filter(view.pixels - view.expected, view.sigma), sample.extras["defects"]).max() < 0


def test_an_image_without_noise():
    sample = simulate.image(structures.graphene((4, 4)))
    pixels = sample.extras["expected"]
    view = View.of(pixels)
    assert (view.noise > 0).all()
    assert np.isfinite(view.noise).all()
    assert view.trusted.mean() > 0.3
