"""Tunnelling images: every bump, wave, plane and streak is what was planted."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.ndimage import center_of_mass

from atomlens import simulate
from atomlens.simulate import defects, stm, structures

FWHM = 2 * np.sqrt(2 * np.log(2))


def one(x=1.5, y=1.2, **more):
    return pd.DataFrame({"x_nm": [x], "y_nm": [y], **more})


def square(n=14, a=0.4):
    """A square lattice that reaches 1.2 nm beyond the image from 0 to 3.2 nm."""
    y, x = (g.ravel() * a - 1.2 for g in np.mgrid[:n, :n])
    return pd.DataFrame({"x_nm": x, "y_nm": y})


def at(image, table):
    """Heights at the pixels nearest to the rows of a table."""
    return image.values[np.rint(table["y"]).astype(int), np.rint(table["x"]).astype(int)]


def test_an_atom_is_a_bump_of_the_height_width_and_place_asked_for():
    sample = stm.image(one(), pixel_size=0.02, shape=(120, 150), corrugation=50, width=0.24)
    ideal = sample.extras["ideal"].values
    bump = ideal - ideal.min()
    assert bump.max() == pytest.approx(0.05, rel=1e-3)
    assert center_of_mass(bump) == pytest.approx((60, 75), abs=1e-3)
    # half of the height at half of the width to either side
    assert bump[60, 75 + 6] == pytest.approx(0.025, rel=0.02)
    row = sample.truth.iloc[0]
    assert (row.x, row.y) == pytest.approx((75, 60))
    assert row.sigma == pytest.approx(12 / FWHM)
    assert row.height == pytest.approx(0.05, rel=0.01)
    np.testing.assert_allclose(sample.data, ideal, atol=1e-8)
    assert ideal.mean() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("width", [0.15, 0.25, 0.3])
def test_the_corrugation_is_the_one_asked_for(width):
    lattice = square()
    sample = stm.image(lattice, pixel_size=0.02, shape=(160, 160), corrugation=25, width=width)
    ideal = sample.extras["ideal"].values
    assert np.ptp(ideal) == pytest.approx(0.025, rel=0.01)

    def surface(x, y):  # the sum of Gaussians, written out
        r2 = (lattice["x_nm"] - x) ** 2 + (lattice["y_nm"] - y) ** 2
        return np.exp(-r2 / 2 / (width / FWHM) ** 2).sum()

    # on an atom, half-way to the next and on the hollow site
    values = [surface(1.6, 1.6), surface(1.8, 1.6), surface(1.8, 1.8)]
    drawn = [ideal[80, 80], ideal[80, 90], ideal[90, 90]]
    # what the pixels average over is below a hundredth of the corrugation
    np.testing.assert_allclose(np.diff(drawn), np.diff(values) * sample.truth["height"][0], atol=2.5e-4)


def test_the_fourier_transform_of_a_standing_wave_is_a_ring():
    sample = stm.image(
        square(90), pixel_size=0.05, shape=(512, 512), width=0.2, standing_wave=40, wavelength=1.3,
        decay=8.0, scatterers=[(12.8, 12.8)],
    )  # fmt: skip
    wave = sample.extras["standing_wave"].values
    assert wave[256, 256] == pytest.approx(-0.04)
    power = np.abs(np.fft.rfft2(wave)) ** 2
    radius = np.hypot(np.fft.fftfreq(512, 0.05)[:, None], np.fft.rfftfreq(512, 0.05))
    rings = np.arange(0.2, 2.0, 0.02)
    total = [power[(radius >= r) & (radius < r + 0.02)].mean() for r in rings]
    assert rings[np.argmax(total)] + 0.01 == pytest.approx(1 / 1.3, abs=0.02)
    crests = [i for i in range(257, 480) if wave[256, i - 1] < wave[256, i] > wave[256, i + 1]]
    np.testing.assert_allclose(np.diff(crests[1:]) * 0.05, 1.3, rtol=0.05)


def test_waves_run_around_the_point_defects_and_add_up():
    sheet = structures.graphene((5.0, 5.0))
    broken = defects.vacancies(sheet, n=3, border=0.8, random_state=4)
    options = {"width": 0.14, "standing_wave": 30, "wavelength": 0.7, "decay": 1.0}
    wave = stm.image(broken, **options).extras["standing_wave"]
    apart = [
        stm.image(sheet, scatterers=place, **options).extras["standing_wave"]
        for place in broken.defects[["x_nm", "y_nm"]].to_numpy()
    ]
    np.testing.assert_allclose(wave, sum(apart), atol=1e-12)
    # it reaches the image, not only the extra
    flat = stm.image(broken, width=0.14).extras["ideal"]
    np.testing.assert_allclose(
        stm.image(broken, **options).extras["ideal"] - flat, wave - wave.mean(), atol=1e-12
    )


def test_a_line_defect_scatters_at_its_vacancies_only():
    sheet = structures.transition_metal_dichalcogenide("MoS2", (5.0, 5.0))
    lined = defects.line_defect(sheet, sublattice="S2", length=1.3)
    found = stm.image(lined, standing_wave=10).source["parameters"]["scatterers_nm"]
    vacancies = lined.defects.query("kind == 'column_vacancy'")
    np.testing.assert_allclose(found, vacancies[["x_nm", "y_nm"]])


def test_a_vacancy_is_dark():
    surface = structures.metal("Cu", (6.0, 6.0), zone="001")
    broken = defects.vacancies(surface, n=6, kind="column", min_separation=0.8, border=0.6, random_state=3)
    sample = stm.image(broken, pixel_size=0.02, corrugation=20, width=0.15)
    ideal, holes = sample.extras["ideal"], sample.extras["defects"]
    assert len(holes) == 6
    lowest_between_atoms = np.median(ideal) - 0.02
    assert (at(ideal, holes) < lowest_between_atoms).all()
    # nothing else is
    y, x = np.nonzero(ideal.values < lowest_between_atoms)
    away = np.hypot(x[:, None] - holes["x"].to_numpy(), y[:, None] - holes["y"].to_numpy()).min(axis=1)
    assert away.max() * 0.02 < 0.2


def test_a_column_that_lost_an_atom_is_lower_by_its_share():
    sheet = structures.transition_metal_dichalcogenide("MoS2", (4.0, 4.0))
    broken = defects.vacancies(sheet, n=4, sublattice="S2", random_state=1)
    truth = stm.image(broken, width=0.15).truth
    whole = truth.query("species == 'S2'")["height"].max()
    expected = truth["species"].map({"S2": whole, "S": whole / 2, "Mo": whole})
    np.testing.assert_allclose(truth["height"], expected)
    assert truth["species"].eq("S").sum() == 4


def test_a_blunt_tip_lengthens_every_bump_along_its_direction():
    sample = stm.image(
        one(), pixel_size=0.02, shape=(120, 150), width=0.2, elongation=1.8, elongation_angle=25
    )
    bump = sample.extras["ideal"].values
    bump = bump - bump.min()
    bump /= bump.sum()
    y, x = np.mgrid[:120, :150] - np.array([60, 75])[:, None, None]
    xx, yy, xy = ((bump * product).sum() for product in (x * x, y * y, x * y))
    assert np.degrees(np.arctan2(2 * xy, xx - yy)) / 2 == pytest.approx(25, abs=0.5)
    widths = np.linalg.eigvalsh([[xx - 1 / 12, xy], [xy, yy - 1 / 12]])
    assert np.sqrt(widths[1] / widths[0]) == pytest.approx(1.8, rel=0.01)
    assert sample.truth.sigma[0] == pytest.approx(np.sqrt((xx + yy - 1 / 6) / 2), rel=0.01)


def test_lines_jump_streaks_are_short_and_noise_is_as_strong_as_asked_for():
    options = {"pixel_size": 0.02, "shape": (160, 400), "width": 0.2, "random_state": 5}

    def added(**faults):
        sample = stm.image(square(30), **options, **faults)
        return (sample.data - sample.extras["ideal"]).values

    lines = added(line_offset=7)
    assert np.ptp(lines, axis=1).max() < 1e-6
    assert lines[:, 0].std() == pytest.approx(7e-3, rel=0.2)
    noise = added(noise=4)
    assert noise.std() == pytest.approx(4e-3, rel=0.02)
    streaks = added(streaks=12, streak_height=50)
    touched = np.abs(streaks) > 1e-6
    assert 8 <= touched.any(axis=1).sum() <= 12
    assert touched.sum(axis=1).max() < 2 * 80  # two in one row at the most
    assert 0.024 < np.abs(streaks[touched]).min() < np.abs(streaks[touched]).max() < 0.151
    assert (streaks < -1e-6).any()
    assert (streaks > 1e-6).any()


def test_seeds_and_the_record_of_what_was_planted():
    options = {"shape": (100, 100), "noise": 5, "line_offset": 3, "streaks": 5}
    first, again, other = (stm.image(square(), random_state=seed, **options) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.data, again.data)
    assert (first.data != other.data).any()
    assert first.source["random_state"] == 1
    assert first.source["real"] is False
    assert first.source["parameters"]["noise_pm"] == 5
    generator = stm.image(square(), random_state=np.random.default_rng(1), **options)
    np.testing.assert_array_equal(generator.data, first.data)
    assert generator.source["random_state"] is None


def test_data_and_truth_follow_the_conventions_of_the_other_images():
    broken = defects.vacancies(structures.graphene((3.0, 2.0)), n=1)
    tunnelled = stm.image(broken, pixel_size=0.02, width=0.12)
    scattered = simulate.image(broken, pixel_size=0.02)
    assert tunnelled.data.dims == scattered.data.dims
    assert tunnelled.data.attrs == {"units": "nm", "long_name": "height", "pixel_size_nm": 0.02}
    for dim in ("x", "y"):
        assert tunnelled.data[dim].identical(scattered.data[dim])
    columns = [{"electrons": "height"}.get(name, name) for name in scattered.truth if name != "background"]
    assert list(tunnelled.truth) == columns
    shared = [name for name in scattered.truth if name not in ("electrons", "background", "sigma")]
    pd.testing.assert_frame_equal(tunnelled.truth[shared], scattered.truth[shared])
    pd.testing.assert_frame_equal(tunnelled.extras["defects"], scattered.extras["defects"])


KAPPA = 5.123 * np.sqrt(4.5)  # 1/nm, for the work function that is the default


def heights(image):
    return image.extras["ideal"].values


def test_a_density_ten_times_as_large_lifts_the_tip_by_the_decay_of_the_current():
    lattice = square(20).assign(ldos=1.0)
    options = {"density": "ldos", "shape": (70, 70), "pixel_size": 0.04, "width": 0.3}
    sample = stm.image(lattice.assign(ldos=10.0), **options)
    flat = stm.image(lattice, **options)
    # all of it ten times as large is the same picture, at another current
    np.testing.assert_allclose(heights(sample), heights(flat), atol=1e-12)
    one = lattice.assign(ldos=np.where(lattice["x_nm"] > 1.5, 10.0, 1.0))
    step = heights(stm.image(one, **options))
    rise = step[:, 55:65] - step[:, 5:15]  # five atoms apart
    np.testing.assert_allclose(rise, np.log(10) / 2 / KAPPA, rtol=1e-3)  # 0.106 nm
    low = stm.image(one, work_function=4.5 / 4, **options)
    np.testing.assert_allclose(heights(low), 2 * step, atol=1e-9)


def test_an_atom_that_stands_out_lifts_the_tip_as_much():
    lattice = square(20).assign(ldos=1.0, z_nm=0.0)
    lattice.loc[lattice["x_nm"] > 1.5, "z_nm"] = 0.08
    sample = stm.image(lattice, density=lattice["ldos"], shape=(70, 70), pixel_size=0.04, width=0.3)
    np.testing.assert_allclose(heights(sample)[:, 55:65] - heights(sample)[:, 5:15], 0.08, rtol=1e-3)


def test_the_density_is_a_column_numbers_or_a_map():
    lattice = square(20).assign(ldos=np.linspace(1, 5, 400))
    options = {"shape": (90, 100), "width": 0.3}
    column = stm.image(lattice, density="ldos", **options)
    numbers = stm.image(lattice, density=lattice["ldos"].to_numpy(), **options)
    np.testing.assert_array_equal(column.data, numbers.data)
    assert column.source["parameters"]["density"] == "ldos"
    assert column.source["parameters"]["work_function_eV"] == 4.5
    # the density that made the picture, as a map, makes it again
    density = column.data.copy(data=np.exp(2 * KAPPA * heights(column)))
    again = stm.image(lattice, density=density, **options)
    np.testing.assert_allclose(heights(again), heights(column), atol=1e-9)
    assert stm.image(lattice, density=density).data.shape == (90, 100)
    row = again.truth.iloc[7]
    assert row["height"] == pytest.approx(heights(again)[round(row["y"]), round(row["x"])], abs=2e-3)


def test_structures_take_a_density_too_and_an_atom_without_is_dark():
    sheet = structures.graphene((3.0, 3.0))
    ldos = np.ones(len(sheet.columns))
    near = np.hypot(sheet.columns["x_nm"] - 1.5, sheet.columns["y_nm"] - 1.5).to_numpy()
    ldos[near.argmin()] = 0.0
    sample = stm.image(sheet, density=ldos, width=0.12)
    assert np.hypot(*(np.array(np.unravel_index(heights(sample).argmin(), (100, 100))) * 0.03 - 1.5)) < 0.15
    assert (~sample.truth["scored"]).sum() == 1


def test_where_there_is_no_density_the_tip_stops():
    sample = stm.image(one(ldos=[1.0]), density="ldos", shape=(120, 150), width=0.1, pixel_size=0.02)
    assert np.isfinite(heights(sample)).all()


def test_in_maps_at_several_heights_the_surface_of_equal_density_is_found():
    z = np.arange(0.2, 0.85, 0.1)  # over these, the density falls by nine decades
    y, x = np.mgrid[:40, :50]
    surface = 0.5 + 0.35 * np.sin(x / 8) * np.cos(y / 9)  # beyond the planes at the top
    fall = 14 + 3 * np.cos(x / 10)  # not that of the work function, and not the same everywhere
    stack = np.exp(-2 * fall * (z[:, None, None] - surface))
    density = xr.DataArray(stack, dims=("z", "y", "x"), coords={"z": z})
    sample = stm.image(square(20), density=density, pixel_size=0.03)
    target = np.median(np.log(stack), axis=(1, 2)).mean()
    expected = surface - target / 2 / fall
    np.testing.assert_allclose(heights(sample), expected - expected.mean(), atol=1e-9)


@pytest.mark.parametrize(
    ("density", "message"),
    [
        ("ldos", "no column 'ldos', only"),
        (np.ones(3), "one number a column"),
        (-np.ones(196), "not negative"),
        (np.ones((5, 5)), r"shape \(5, 5\), the image \(90, 90\)"),
        (np.full((90, 90), np.nan), "numbers that are not negative"),
        (np.zeros((90, 90)), "not only zeros"),
        (np.ones((2, 90, 90)), "needs a coordinate z"),
        (xr.DataArray(np.ones((2, 90, 90)), dims=("z", "y", "x"), coords={"z": [0.5, 0.4]}), "rising"),
        (pd.DataFrame({"ldos": np.ones(196)}), "name its column"),
        (
            xr.DataArray(np.ones((90, 90)), dims=("y", "x"), attrs={"pixel_size_nm": 0.02}),
            "pass pixel_size=0.02",
        ),
        (np.zeros(196), "no visible column"),
    ],
)
def test_densities_that_do_not_fit_are_explained(density, message):
    with pytest.raises(ValueError, match=message):
        stm.image(square(), density=density, shape=(90, 90))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stm.image(one(a=1), density="a", corrugation=5, shape=(9, 9)), "follows from the density"),
        (lambda: stm.image(one(a=1), density="a", work_function=0, shape=(9, 9)), "work_function must be"),
        (lambda: stm.image("graphene"), "cannot image a str"),
        (lambda: stm.image(pd.DataFrame({"x": [1.0]}), shape=(9, 9)), "lacks x_nm, y_nm"),
        (lambda: stm.image(one(x=np.nan), shape=(90, 90)), "NaN or infinite"),
        (lambda: stm.image(one()), "no field of view"),
        (lambda: stm.image(one(), shape=(0, 90)), "no pixels"),
        (lambda: stm.image(one(x=99.0), shape=(50, 50)), "no visible column"),
        (lambda: stm.image(one(visible=[False]), shape=(90, 90)), "no visible column"),
        (lambda: stm.image(square(), shape=(90, 90), width=1.5), "merge into a plane.*smaller width"),
        (lambda: stm.image(square(), shape=(90, 90), standing_wave=5), "no point defect.*scatterers="),
        (lambda: stm.image(one(), shape=(90, 90), scatterers=[1.0, 2.0, 3.0]), r"list of \(x, y\) in nm"),
    ],
)  # fmt: skip
def test_bad_input_is_explained(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"pixel_size": 0}, "pixel_size must be positive"),
        ({"corrugation": 0}, "corrugation must be positive"),
        ({"width": -1}, "width must be positive"),
        ({"wavelength": np.nan}, "wavelength must be positive"),
        ({"decay": 0}, "decay must be positive"),
        ({"line_offset": -1}, "line_offset must not be negative"),
        ({"streaks": -1}, "streaks must not be negative"),
        ({"streak_height": -1}, "streak_height must not be negative"),
        ({"noise": -1}, "noise must not be negative"),
        ({"elongation": 0.5}, "elongation is a ratio of 1 or more"),
    ],
)
def test_options_out_of_range_are_explained(option, message):
    with pytest.raises(ValueError, match=message):
        stm.image(one(), **{"shape": (90, 90), **option})
