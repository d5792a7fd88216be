"""Images as microscopes and their users leave them: every disturbance is there, and the truth follows it."""

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import center_of_mass, distance_transform_edt

from atomlens.simulate import Instrument, defects, image, process, structures

DARK = {"probe": 0.1, "source": 0.0, "background": 0.0}


def spot(x=0.9, y=1.3, **instrument):
    """One bright column, free of noise, in an image of 120 x 100 pixels."""
    table = pd.DataFrame({"x_nm": [x], "y_nm": [y], "weight": [574.0], "dx_nm": 0.01, "dy_nm": 0.0})
    return image(table, shape=(120, 100), instrument=Instrument(**{**DARK, **instrument}))


def square(n=20, **options):
    """A square lattice of equal columns, 20 pixels apart."""
    y, x = (g.ravel() * 0.4 + 0.2 for g in np.mgrid[:n, :n])
    table = pd.DataFrame({"x_nm": x, "y_nm": y, "weight": 300.0})
    instrument = Instrument(**{**DARK, **options.pop("instrument", {})})
    return image(table, shape=(20 * n, 20 * n), instrument=instrument, **options)


def moments(values):
    """Centre (x, y) and mean standard deviation of what is bright, without the width of the pixels."""
    values = values - np.median(values)
    y, x = center_of_mass(values)
    rows, columns = np.indices(values.shape)
    spread = (values * ((columns - x) ** 2 + (rows - y) ** 2)).sum() / values.sum() / 2
    return x, y, np.sqrt(spread - 1 / 12)


def agrees(sample, *, place=0.01, width=0.01):
    """Whether centre, width and nm of the one column of a sample are what its pixels say."""
    x, y, sigma = moments(sample.data.values.astype(float))
    row = sample.truth.iloc[0]
    assert len(sample.truth) == 1
    assert (row.x, row.y) == pytest.approx((x, y), abs=place)
    assert row.sigma == pytest.approx(sigma, rel=width)
    nm = [np.interp(v, np.arange(sample.data.sizes[d]), sample.data[d]) for d, v in (("x", x), ("y", y))]
    assert (row.x_nm, row.y_nm) == pytest.approx(nm, abs=0.001)


@pytest.mark.parametrize(
    "step",
    [
        {"zoom": 2.0, "order": 3},
        {"zoom": 2.0, "order": 1},
        {"zoom": 1.7, "order": 3},
        {"zoom": 3.0, "order": 0},
        {"rotation": 17.0, "order": 1},
        {"rotation": -60.0, "order": 3},
        {"bins": (1, 2)},
        {"bins": (3, 3)},
        {"padding": 13},
        {"gaussian": 1.2},
        {"bins": (2, 1), "zoom": 2.0, "rotation": 30.0, "gaussian": 1.0, "padding": 5},
    ],
)
def test_the_truth_follows_every_step(step):
    agrees(process(spot(), **step))


def test_nm_do_not_change_where_pixels_only_become_smaller_or_fewer():
    sample = spot()
    for step in ({"zoom": 2.0}, {"bins": (1, 2)}, {"padding": 9}):
        after = process(sample, **step)
        pd.testing.assert_frame_equal(after.truth[["x_nm", "y_nm"]], sample.truth[["x_nm", "y_nm"]])


def test_a_rotation_turns_planted_displacements():
    after = process(spot(), rotation=90.0)
    assert after.truth[["dx_nm", "dy_nm"]].to_numpy()[0] == pytest.approx([0.0, 0.01])
    assert after.data.shape == (100, 120)
    assert not after.extras["mask"].any()


def test_the_new_corners_are_masked_and_filled():
    after = process(spot(background=0.5), rotation=17.0, fill=-3.0)
    mask = after.extras["mask"].values
    assert mask[0, 0]
    assert (after.data.values[mask] == -3).mean() > 0.9  # its rim lies between the image and the filling
    assert (after.data.values[~mask] > -3).all()
    assert 1 - mask.mean() == pytest.approx(100 * 120 / mask.size, rel=0.04)


def test_oblong_pixels_are_calibrated_along_each_axis():
    after = process(spot(), bins=(1, 2))
    steps = [float(after.data[d][1] - after.data[d][0]) for d in "yx"]
    assert steps == pytest.approx([0.02, 0.04])
    assert "pixel_size_nm" not in after.data.attrs
    assert after.data.values.sum() == pytest.approx(spot().data.values.sum(), rel=1e-5)


def test_registered_frames_are_smooth_and_their_columns_stay():
    agrees(spot(frames=8), place=0.02, width=0.02)
    assert spot(frames=8).truth.sigma[0] > spot().truth.sigma[0]


def neighbours(instrument):
    """Correlation of the noise of neighbouring pixels."""
    table = pd.DataFrame({"x_nm": [2.0], "y_nm": [2.0], "weight": [1e-3]})
    flat = image(table, shape=(200, 200), dose=1e5, instrument=Instrument(slope=1e4, bow=0.0, **instrument))
    noise = flat.data.values - flat.extras["expected"].values
    noise = (noise / np.sqrt(flat.extras["expected"].values + 1))[:, 60:]
    return (noise[:, 1:] * noise[:, :-1]).mean() / noise.var()


def test_blur_and_registration_make_noise_alike_in_neighbouring_pixels():
    assert abs(neighbours({})) < 0.02
    # of a Gaussian: exp(-d**2 / 4 s**2)
    assert neighbours({"blur": 1.0}) == pytest.approx(np.exp(-0.25), abs=0.02)
    assert neighbours({"frames": 8}) > 0.15


def test_blur_widens_columns():
    agrees(spot(blur=1.5))
    assert spot(blur=1.5).truth.sigma[0] ** 2 - spot().truth.sigma[0] ** 2 == pytest.approx(2.25)


@pytest.mark.parametrize("angle", [0.0, 90.0, 200.0])
def test_a_wedge_thickens_in_its_direction(angle):
    sample = square(instrument={"wedge": 2.0, "uneven_angle": angle}, electrons=100.0)
    truth, plain = sample.truth, square(electrons=100.0).truth
    along = np.cos(np.radians(angle)) * truth.x + np.sin(np.radians(angle)) * truth.y
    assert np.corrcoef(along, truth.electrons)[0, 1] == pytest.approx(1)
    assert truth.electrons.min() == pytest.approx(plain.electrons.min())
    assert 1.85 < truth.electrons.max() / truth.electrons.min() < 2
    middle = sample.extras["expected"].values.sum() / truth.electrons.sum()
    assert middle == pytest.approx(1, rel=0.01)


def test_a_bow_darkens_columns_and_background_towards_the_corners():
    flat, bowed = (square(instrument={"background": 0.3, "bow": b}) for b in (0.0, 0.4))
    ratio = bowed.extras["expected"].values / flat.extras["expected"].values
    assert ratio[200, 200] == pytest.approx(1, abs=0.01)
    assert ratio[0, 0] == pytest.approx(0.6, abs=0.02)
    assert bowed.truth.background.min() < 0.7 * bowed.truth.background.max()


def test_a_slope_rises_by_heights_of_a_column():
    flat, sloped = (square(instrument={"slope": s, "uneven_angle": 90.0}) for s in (0.0, 0.5))
    rise = sloped.extras["expected"].values - flat.extras["expected"].values
    truth = flat.truth
    height = truth.electrons[0] / (2 * np.pi * truth.sigma[0] ** 2)
    np.testing.assert_allclose(rise, 0.5 * height * np.linspace(0, 1, 400)[:, None] * np.ones(400), atol=1e-9)
    assert sloped.truth.background.max() == pytest.approx(0.5 * height * 390 / 399, rel=0.01)


def test_vacuum_has_no_columns_and_is_masked():
    sample = square(instrument={"vacuum": 0.3, "background": 0.3}, electrons=50.0)
    mask = sample.extras["mask"].values
    assert mask.mean() == pytest.approx(0.3, abs=0.01)
    assert sample.data.values[mask][:20].max() == 0
    assert sample.truth.x.min() >= 0.3 * 399
    holes = defects.vacancies(structures.graphene((4.0, 4.0)), n=20, random_state=0)
    half = image(holes, instrument=Instrument(vacuum=0.5)).extras["defects"]
    assert 3 < len(half) < 17
    assert half.x.min() >= 0.5 * 199


def test_astigmatism_makes_columns_oblong_out_of_focus():
    options = {"convergence": 25.0, "astigmatism": 2.0, "astigmatism_angle": 90.0}
    for defocus in (0.0, 5.0):
        sample = spot(defocus=defocus, **options)
        agrees(sample)
        values = sample.data.values / sample.data.values.sum()
        rows, columns = np.indices(values.shape)
        x, y, _ = moments(values)
        xx, yy = ((values * (c - m) ** 2).sum() for c, m in ((columns, x), (rows, y)))
        # along y the defocus is 7 nm, along x 3 nm; a cone of 25 mrad has a deviation of half its radius
        wanted = (0.0125 / 0.02) ** 2 * ((defocus + 2) ** 2 - (defocus - 2) ** 2)
        assert yy - xx == pytest.approx(wanted, abs=0.02)


def test_streaks_move_whole_lines():
    clean, streaked = (square(instrument={"streaks": s, "background": 0.3}) for s in (0.0, 0.25))
    offset = streaked.data.values - clean.data.values
    np.testing.assert_allclose(offset, offset[:, :1] * np.ones(400), atol=1e-3)
    height = clean.truth.electrons[0] / (2 * np.pi * clean.truth.sigma[0] ** 2)
    assert offset[:, 0].std() == pytest.approx(0.25 * height, rel=0.15)
    gains = square(instrument={"streak_gain": 0.1, "background": 0.3}).data.values / clean.data.values
    np.testing.assert_allclose(gains, gains[:, :1] * np.ones(400), rtol=1e-4)
    assert gains[:, 0].std() == pytest.approx(0.1, rel=0.15)


def test_bad_pixels_are_masked_and_saturation_has_a_ceiling():
    sample = square(instrument={"dead_pixels": 0.01, "hot_pixels": 0.001, "background": 1.0}, electrons=1e5)
    mask, values = sample.extras["mask"].values, sample.data.values
    assert mask.mean() == pytest.approx(0.011, rel=0.2)
    assert ((values[mask] == 0) | (values[mask] > values[~mask].max())).all()
    assert values[~mask].min() > 0
    full = square(instrument={"saturation": 0.1, "slope": 0.5}).data.values
    assert (full == full.max()).mean() == pytest.approx(0.1, abs=0.005)


def test_a_split_detector_has_a_sign_and_no_mean():
    sample = spot(split=0.03, split_angle=90.0)
    values = sample.data.values
    assert values.sum() == pytest.approx(0, abs=1e-3 * float(np.abs(values).sum()))
    rows = np.indices(values.shape)[0]
    # half of the electrons are moved by half of the split each way
    apart = (values * rows).sum() / (sample.extras["expected"].values.sum() / 2)
    assert abs(apart) == pytest.approx(1.5, rel=0.01)
    counted = square(instrument={"split": 0.03, "background": 0.3}, electrons=100.0).data.values
    assert (counted < 0).any()
    assert (counted == np.rint(counted)).all()


def test_eight_bits_gamma_and_jpeg_leave_whole_numbers():
    sample = square(instrument={"background": 0.3}, electrons=100.0)
    plain = process(sample, eight_bit=True).data.values
    assert plain.dtype == np.uint8
    assert (plain.min(), plain.max()) == (0, 255)
    low, high = sample.data.values.min(), sample.data.values.max()
    np.testing.assert_allclose(plain / 255, (sample.data.values - low) / (high - low), atol=0.5001 / 255)
    bright = process(sample, eight_bit=True, gamma=0.7).data.values
    np.testing.assert_allclose(bright, 255 * (plain / 255) ** 0.7, atol=1.5 + 255 * (1 / 255) ** 0.7)
    assert bright.mean() > plain.mean()
    errors = [np.abs(process(sample, jpeg=q).data.values - plain.astype(float)).mean() for q in (40, 90)]
    assert errors[0] > errors[1] > 0


def test_flattening_takes_a_slope_away():
    sloped = square(instrument={"slope": 2.0})
    after = process(sloped, flatten=40.0).data.values
    left, right = (part.mean() for part in np.array_split(after[:, 80:320], 2, axis=1))
    before = sloped.data.values[:, 80:320]
    assert abs(left - right) < 0.05 * abs(np.subtract(*[p.mean() for p in np.array_split(before, 2, axis=1)]))


def test_a_median_filter_removes_hot_pixels():
    sample = square(instrument={"hot_pixels": 0.002}, electrons=1000.0)
    assert process(sample, median=3).data.values.max() < 0.2 * sample.data.values.max()


def test_a_scale_bar_is_as_long_as_it_says_and_covers_columns():
    sample = image(structures.graphene((8.0, 8.0)))
    after = process(sample, scale_bar=True)
    written = after.extras["mask"].values
    assert (after.data.values[written] == after.data.values.max()).all()
    np.testing.assert_array_equal(after.data.values[~written], sample.data.values[~written])
    # 8 nm wide: a bar of 2 nm
    assert written.sum(axis=1).max() == pytest.approx(100, abs=1)
    gap = distance_transform_edt(~written)[
        after.truth.y.round().astype(int), after.truth.x.round().astype(int)
    ]
    np.testing.assert_array_equal(after.truth.scored, gap > after.truth.sigma)
    assert 5 < (~after.truth.scored).sum() < 60


def test_planted_defects_move_along():
    holes = defects.vacancies(structures.graphene((4.0, 4.0)), n=3, random_state=0, border=0.5)
    sample = image(holes, electrons=500.0)
    after = process(sample, rotation=30.0, zoom=2.0)
    both = [s.extras["defects"][["x", "y"]].to_numpy() for s in (sample, after)]
    assert len(both[0]) == len(both[1]) == 3
    lengths = [np.linalg.norm(xy - xy[0], axis=1) for xy in both]
    np.testing.assert_allclose(lengths[1], 2 * lengths[0])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bins": (0, 1)}, "bins along y"),
        ({"bins": (500, 1)}, "leave nothing"),
        ({"zoom": 0.0}, "zoom must be positive"),
        ({"gaussian": -1.0}, "gaussian must not be negative"),
        ({"order": 7}, "spline"),
        ({"jpeg": 100}, "quality"),
        ({"median": 2.5}, "median must be a whole number"),
    ],
)
def test_wrong_steps_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        process(spot(), **wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"wedge": 0.0}, "wedge must be positive"),
        ({"frames": 0}, "frames is a whole number"),
        ({"frames": 2.5}, "frames is a whole number"),
        ({"vacuum": 1.0}, "vacuum is a fraction"),
        ({"saturation": -0.1}, "saturation must not be negative"),
        ({"blur": -1.0}, "blur must not be negative"),
    ],
)
def test_wrong_instruments_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Instrument(**wrong)
