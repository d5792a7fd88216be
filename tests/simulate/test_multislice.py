"""Multislice: the stored images tell the truth, and new ones agree with abTEM used directly."""

import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest
from ase import Atoms

from atomlens import simulate
from atomlens._render import draw_columns
from atomlens._resources import resource
from atomlens.simulate import defects, multislice, structures
from atomlens.simulate._columns_fit import fitted_electrons


@pytest.fixture(scope="module")
def abtem():
    return pytest.importorskip("abtem", reason="abTEM is not installed (extra: simulate)")


@pytest.fixture(scope="module")
def script(root):
    spec = importlib.util.spec_from_file_location("make_multislice", root / "data" / "make_multislice.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_electrons_of_drawn_columns_are_recovered():
    rng = np.random.default_rng(1)
    y, x = (g.ravel() + rng.uniform(-1, 1, 49) for g in np.mgrid[-5:56:10, -5:56:10].astype(float))
    planted = rng.uniform(50, 500, 49)
    sigma = 1.7
    image = 3.0 + draw_columns((51, 51), x, y, planted, np.tile([sigma**2, 0, sigma**2], (49, 1)))
    held, background, width = fitted_electrons(image, x, y, np.ones(49), merge=1.0)
    assert width == pytest.approx(sigma, rel=3e-3)
    assert background == pytest.approx(3.0, rel=0.02)
    inside = (x > -0.5) & (x < 50.5) & (y > -0.5) & (y < 50.5)
    # what the fit of the background leaves open: 0.5 % of 3 electrons over the pixels of a column
    np.testing.assert_allclose(held[inside], planted[inside], rtol=5e-3, atol=2.0)
    assert held[(x < -4) | (y < -4)].max() == 0  # out of reach


def test_columns_that_cannot_be_told_apart_share_by_weight():
    x, y, weight = np.array([20.0, 20.4, 40.0]), np.array([20.0, 20.0, 20.0]), np.array([3.0, 1.0, 2.0])
    image = draw_columns(
        (41, 61), x[[0, 2]], y[[0, 2]], np.array([800.0, 300.0]), np.tile([4.0, 0, 4.0], (2, 1))
    )
    held, _, _ = fitted_electrons(image, x, y, weight, merge=1.0)
    np.testing.assert_allclose(held, [600, 200, 300], rtol=2e-3)
    nothing, _, _ = fitted_electrons(image, x, y, weight * [1, 1, 0], merge=1.0)
    assert nothing[2] == 0


def test_nothing_becomes_negative():
    x, y = np.array([20.0, 25.0]), np.array([20.0, 20.0])
    dent = 10 + draw_columns((41, 41), x, y, np.array([500.0, -40.0]), np.tile([4.0, 0, 4.0], (2, 1)))
    held, _, _ = fitted_electrons(dent, x, y, np.ones(2), merge=1.0)
    assert held[1] == 0
    assert held[0] == pytest.approx(500, rel=0.05)


@pytest.mark.parametrize("name", multislice.SAMPLES)
def test_a_stored_sample_has_the_columns_of_its_structure(name, script):
    structure, options = getattr(script, name)()
    stored = multislice.sample(name)
    drawn = simulate.image(structure, pixel_size=options["pixel_size"])
    assert stored.data.shape == drawn.data.shape
    assert stored.data.dims == drawn.data.dims
    assert stored.data.attrs == drawn.data.attrs
    assert list(stored.truth) == list(drawn.truth)
    assert list(stored.truth.dtypes) == list(drawn.truth.dtypes)
    differing = ["sigma", "electrons", "background"]
    pd.testing.assert_frame_equal(
        stored.truth.drop(columns=differing), drawn.truth.drop(columns=differing), rtol=1e-6, atol=1e-5
    )
    pd.testing.assert_frame_equal(
        stored.extras["defects"], drawn.extras["defects"], rtol=1e-6, check_dtype=False
    )
    for key in ("pixel_size_nm", "energy_keV"):
        assert stored.source["parameters"][key] == options[key.rpartition("_")[0]]


@pytest.mark.parametrize("name", multislice.SAMPLES)
def test_the_columns_of_a_stored_sample_stand_where_the_truth_says(name):
    sample = multislice.sample(name)
    expected, truth = sample.extras["expected"].values, sample.truth[sample.truth["scored"]]
    height, width = expected.shape
    reach = 3 * truth["sigma"].iloc[0]
    truth = truth[
        truth["x"].between(reach, width - 1 - reach) & truth["y"].between(reach, height - 1 - reach)
    ]
    model = draw_columns(
        expected.shape, *sample.truth[["x", "y", "electrons"]].to_numpy().T,
        np.tile([[1, 0, 1]], (len(sample.truth), 1)) * sample.truth[["sigma"]].to_numpy() ** 2,
    )  # fmt: skip
    # What the truth says explains what is seen, and turned upside down or transposed it does not.
    inner = (slice(8, -8), slice(8, -8))
    assert np.corrcoef(model[inner].ravel(), expected[inner].ravel())[0, 1] > 0.98
    for wrong in (model[::-1], model[:, ::-1], model.T):
        assert np.corrcoef(wrong[inner].ravel(), expected[inner].ravel())[0, 1] < 0.7
    rows, columns = np.rint(truth["y"]).astype(int), np.rint(truth["x"]).astype(int)
    assert (expected[rows, columns] > np.median(expected)).all()
    assert expected.min() >= 0


def test_heavier_columns_hold_more():
    sheet = multislice.sample("mos2").truth.groupby("species")["electrons"].mean()
    assert sheet["W"] > sheet["Mo"] > sheet["S2"] > sheet["S"]
    doped = multislice.sample("graphene_si").truth.groupby("species")["electrons"].mean()
    # Between Z and Z squared
    assert 14 / 6 < doped["Si"] / doped["C"] < (14 / 6) ** 2


def test_stored_samples_are_small_and_hold_no_pickles():
    files = sorted(resource("samples", "multislice").iterdir())
    assert [file.stem for file in files] == sorted(multislice.SAMPLES)
    assert max(file.stat().st_size for file in files) < 60_000
    assert sum(file.stat().st_size for file in files) < 350_000
    for file in files:
        with np.load(file, allow_pickle=False) as stored:
            assert all(stored[key].dtype.kind in "fibU" for key in stored)


def test_what_the_script_writes_is_what_is_read(script, tmp_path):
    script.write(multislice.sample("mos2"), tmp_path / "again.npz")
    with (
        np.load(resource("samples", "multislice", "mos2.npz")) as stored,
        np.load(tmp_path / "again.npz", allow_pickle=False) as again,
    ):
        assert set(again) == set(stored)
        np.testing.assert_array_equal(again["image"], stored["image"])
        for key in set(stored) - {"image", "record"}:
            if stored[key].dtype.kind == "f":
                np.testing.assert_allclose(again[key], stored[key], rtol=1e-6)
            else:
                np.testing.assert_array_equal(again[key], stored[key])


def test_noise_is_poisson_seeded_and_as_strong_as_asked_for():
    first, again, other = (multislice.sample("mos2", electrons=300, random_state=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.data, again.data)
    assert (first.data != other.data).any()
    expected = first.extras["expected"].values
    chi2 = ((first.data.values - expected) ** 2 / expected).mean()
    # the variance of the variance of a Poisson number is 2 + 1/mean
    assert chi2 == pytest.approx(1, abs=5 * np.sqrt((2 + 1 / expected).mean() / expected.size))
    assert first.truth.loc[first.truth["scored"], "electrons"].min() == pytest.approx(300)
    assert first.source["random_state"] == 1
    by_dose = multislice.sample("mos2", dose=first.source["parameters"]["dose_e_per_A2"], random_state=1)
    np.testing.assert_array_equal(by_dose.data, first.data)
    quiet = multislice.sample("mos2")
    np.testing.assert_allclose(quiet.data, quiet.extras["expected"], rtol=1e-6)
    assert quiet.source["parameters"]["dose_e_per_A2"] is None


def test_no_electrons_can_be_asked_of_a_column_that_sends_none():
    dark = multislice.sample("mos2")
    truth = dark.truth.assign(electrons=0.0)
    with pytest.raises(ValueError, match=r"sends no electrons to the detector.*give `dose`"):
        multislice._recorded(
            dark.extras["expected"].values, truth, None, "dark", {"pixel_size_nm": 0.02}, None, 100, 0
        )


def test_without_abtem_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "abtem", None)
    with pytest.raises(ImportError, match=r'multislice simulation needs abtem.*"atomlens\[simulate\]"'):
        multislice.image(structures.graphene((1.0, 1.0)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"energy": 0}, "energy must be positive"),
        ({"convergence": -1}, "convergence must be positive"),
        ({"thickness": 0}, "thickness must be positive"),
        ({"detector": (60, 20)}, "detector is a pair of angles"),
        ({"detector": 60}, "detector is a pair of angles"),
        ({"frozen_phonons": 8}, "frozen_phonons is"),
        ({"frozen_phonons": (2.5, 0.01)}, "frozen_phonons is"),
        ({"frozen_phonons": (2, -0.01)}, "frozen_phonons is"),
        ({"source": -1}, "source must not be negative"),
        ({"dose": 1, "electrons": 1}, "not both"),
        ({"dose": 0}, "dose must be positive"),
        ({"electrons": -5}, "electrons must be positive"),
        ({"pixel_size": 0}, "pixel_size must be positive"),
        ({"shape": (0, 5)}, "no pixels"),
    ],
)
def test_bad_options_are_explained(options, message):
    with pytest.raises(ValueError, match=message):
        multislice.image(structures.graphene((1.0, 1.0)), **options)


@pytest.mark.parametrize(
    ("call", "exception", "message"),
    [
        (lambda: multislice.image("graphene"), TypeError, "cannot scatter at a str"),
        (
            lambda: multislice.image(pd.DataFrame({"x_nm": [1.0]})),
            TypeError,
            "table of columns holds no atoms",
        ),
        (
            lambda: multislice.image(structures.single_atoms("Pt", (9.0, 9.0), n=1), shape=(5, 5)),
            ValueError,
            "no visible column",
        ),
        (lambda: multislice.sample("mos"), ValueError, "no multislice sample 'mos': choose one of au110"),
        (lambda: multislice.sample("mos2", dose=1, electrons=1), ValueError, "not both"),
        (lambda: multislice.sample("mos2", dose=-1), ValueError, "dose must be positive"),
    ],
)
def test_bad_input_is_explained(call, exception, message):
    with pytest.raises(exception, match=message):
        call()


RESTING = {"energy": 80, "convergence": 30, "frozen_phonons": (0, 0), "source": 0}


def test_tiles_agree_with_one_large_simulation(abtem):
    sheet = structures.transition_metal_dichalcogenide("MoS2", (1.0, 1.0), rotation=7)
    sample = multislice.image(sheet, pixel_size=0.02, shape=(17, 21), detector=(60, 160), **RESTING)
    share = sample.extras["expected"].values / 1e5 / 0.2**2
    atoms = sheet.atoms.copy()
    atoms.arrays = {key: atoms.arrays[key] for key in ("numbers", "positions")}
    margin = 8.0
    atoms.positions[:, :2] += margin
    atoms.cell[0, 0] = atoms.cell[1, 1] = 10 + 2 * margin
    atoms.pbc = True
    with abtem.config.set({"diagnostics.progress_bar": False}):
        potential = abtem.Potential(atoms, sampling=0.05, slice_thickness=0.25).build(lazy=False)
        probe = abtem.Probe(energy=80e3, semiangle_cutoff=30)
        probe.grid.match(potential)
        # every fourth pixel
        start, end = (margin, margin), (margin + 20 * 0.2, margin + 16 * 0.2)
        places = abtem.GridScan(start=start, end=end, gpts=(6, 5), endpoint=True)
        direct = probe.scan(potential, places, abtem.AnnularDetector(60, 160), lazy=False).array.T
    np.testing.assert_allclose(share[::4, ::4], direct, atol=0.05 * share.max())
    assert np.corrcoef(share[::4, ::4].ravel(), direct.ravel())[0, 1] > 0.995


def test_a_positive_defocus_lies_inside_the_specimen(abtem):
    # The hydrogen atom marks the entrance face, 4 nm above the gold atom.
    column = structures.from_atoms(Atoms("HAu", [[0, 0, 0], [0, 0, 40]]), size=(0.2, 0.2))

    def brightest(defocus):
        options = {**RESTING, "convergence": 40, "defocus": defocus}
        sample = multislice.image(column, pixel_size=0.1, shape=(2, 2), **options)
        return sample.extras["expected"].values.max()

    assert brightest(4.0) > 2 * brightest(0.0)


def test_a_new_image_follows_the_conventions_of_the_drawn_ones(abtem):
    sheet = structures.transition_metal_dichalcogenide("MoS2", (0.5, 0.5))
    sheet = defects.vacancies(sheet, sublattice="S2", at=[(0.25, 0.25)])
    options = {**RESTING, "frozen_phonons": (2, 0.006), "source": 0.06}
    sample = multislice.image(sheet, electrons=400, random_state=3, **options)
    again = multislice.image(sheet, electrons=400, random_state=3, **options)
    drawn = simulate.image(sheet, electrons=400)
    np.testing.assert_array_equal(sample.data, again.data)
    assert list(sample.truth) == list(drawn.truth)
    pd.testing.assert_frame_equal(sample.extras["defects"], drawn.extras["defects"])
    assert sample.truth.loc[sample.truth["scored"], "electrons"].min() == pytest.approx(400)
    assert sample.source["parameters"]["frozen_phonons"] == [2, 0.006]


def test_a_corner_of_a_stored_sample_is_what_the_script_makes(abtem, script):
    structure, options = script.graphene_si()
    corner = multislice.image(structure, shape=(10, 10), **options).extras["expected"].values
    stored = multislice.sample("graphene_si").extras["expected"].values
    # Tiles end elsewhere in the small image.
    np.testing.assert_allclose(corner[:6, :6], stored[:6, :6], rtol=0.03)
