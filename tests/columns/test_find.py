"""The general finder: any lattice, size, type and contrast; and honest where there is nothing."""

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

pytest.importorskip("torch")

from atomlens import datasets, doubts, metrics
from atomlens.columns import (
    Chain,
    ColumnModel,
    Ensemble,
    OutsideTrainedDomain,
    doubt,
    find,
    load_model,
    model_names,
    uncertainty_map,
)
from atomlens.columns._prepare import standardise
from atomlens.columns.find import _blocks
from atomlens.columns.model import Spec
from atomlens.columns.scale import feature_size, typical_size
from atomlens.simulate import Instrument, image, structures

LATTICES = {
    "graphene": lambda: structures.graphene((5, 5), rotation=11),
    "MoS2": lambda: structures.transition_metal_dichalcogenide("MoS2", (5, 5), rotation=25),
    "SrTiO3": lambda: structures.perovskite((5, 5), rotation=5),
    "CdTe": lambda: structures.dumbbells("CdTe", (5, 5), rotation=40),
    "Au": lambda: structures.metal("Au", (5, 5), rotation=33),
}
SHARP = Instrument(probe=0.09, source=0.05)


@pytest.fixture(scope="module")
def mos2():
    return image(LATTICES["MoS2"](), electrons=200, instrument=SHARP, random_state=8)


def score(found, sample, tolerance=0.06, pixel=0.02):
    return metrics.match(
        found, sample.truth, tolerance=tolerance / pixel, border=tolerance / pixel, shape=sample.data.shape
    )


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("pixel", [0.01, 0.025])
def test_every_lattice_at_every_pixel_size(lattice, pixel):
    sample = image(LATTICES[lattice](), pixel_size=pixel, electrons=200, instrument=SHARP, random_state=5)
    found = find(sample.data, refine=False)
    assert score(found, sample, pixel=pixel).f1 > 0.985


def test_refined_positions_are_better_and_calibrated():
    mos2 = image(LATTICES["MoS2"](), electrons=3000, instrument=SHARP, random_state=8)
    rough, fine = (score(find(mos2.data, refine=how), mos2) for how in (False, True))
    assert fine.rmse < 0.7 * rough.rmse
    table = find(mos2.data)
    assert set(table) >= {"x", "y", "label", "score", "intensity", "sigma", "x_err", "y_err", "x_nm", "y_nm"}
    np.testing.assert_allclose(table["x_nm"], table["x"] * 0.02, atol=1e-9)
    assert table["sigma"].median() == pytest.approx(mos2.truth["sigma"].median(), rel=0.15)
    pairs = fine.pairs
    z = (table["x"].to_numpy()[pairs[0]] - mos2.truth["x"].to_numpy()[pairs[1]]) / table["x_err"].to_numpy()[
        pairs[0]
    ]
    assert 0.8 < np.nanstd(z) < 1.3


def test_without_refinement_errors_are_unknown(mos2):
    table = find(mos2.data, refine=False)
    assert table[["intensity", "sigma", "x_err", "y_err"]].isna().all(axis=None)
    assert table["score"].between(0, 1).all()
    assert (table["label"] == 0).all()
    assert table.attrs["classes"] == ["column"]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
def test_any_type(mos2, dtype):
    expected = find(mos2.data.values, refine=False)
    found = find(mos2.data.values.astype(dtype), refine=False)
    assert metrics.match(found, expected, tolerance=0.5).f1 > 0.999


def test_scale_and_offset_of_the_counts_do_not_matter(mos2):
    expected = find(mos2.data.values, refine=False)
    found = find(mos2.data.values.astype(float) * 1e-7 - 3, refine=False)
    assert metrics.match(found, expected, tolerance=0.5).f1 > 0.99


def test_hot_pixels_are_survived(mos2):
    values = mos2.data.values.copy()
    rng = np.random.default_rng(1)
    values[rng.integers(0, 250, 20), rng.integers(0, 250, 20)] = 1e5
    assert score(find(values, refine=False), mos2).f1 > 0.98


@pytest.mark.parametrize("electrons", [100, 2000])
@pytest.mark.parametrize("lattice", LATTICES)
def test_inverted_contrast_is_noticed(lattice, electrons):
    """Also where the hollows form a lattice of their own, which looks as good."""
    for inverted in (True, False):
        instrument = Instrument(probe=0.09, source=0.05, inverted=inverted)
        sample = image(LATTICES[lattice](), electrons=electrons, instrument=instrument, random_state=8)
        table = find(sample.data, refine=False)
        assert table.attrs["inverted"] == inverted
        assert score(table, sample).f1 > 0.98


@pytest.mark.parametrize("shape", [(64, 64), (97, 211), (250, 83), (130, 130)])
def test_any_size_and_crops_agree_with_the_whole(mos2, shape):
    whole = find(mos2.data.values, refine=False)
    crop = find(mos2.data.values[: shape[0], : shape[1]], refine=False)
    inner = whole[(whole["x"] < shape[1] - 8) & (whole["y"] < shape[0] - 8)]
    kept = crop[(crop["x"] < shape[1] - 8) & (crop["y"] < shape[0] - 8)]
    assert metrics.match(kept, inner, tolerance=2.5).f1 > 0.97


def test_blocks_cover_the_image_once():
    for shape, zoom in (((1000, 700), 1.0), ((90, 2000), 2.5), ((512, 512), 0.7), ((40, 30), 4.0)):
        seen = np.zeros(shape, dtype=int)
        for inner, outer in _blocks(shape, zoom):
            seen[inner] += 1
            for i, o, n in zip(inner, outer, shape, strict=True):
                assert 0 <= o.start <= i.start < i.stop <= o.stop <= n
        assert (seen == 1).all()


def test_seams_between_blocks_leave_no_trace():
    structure = structures.transition_metal_dichalcogenide("WSe2", (16, 16), rotation=8)
    sample = image(structure, pixel_size=0.012, electrons=200, instrument=SHARP, random_state=2)
    assert len(list(_blocks(sample.data.shape, 0.8))) > 3
    result = score(find(sample.data, refine=False), sample, pixel=0.012)
    assert result.f1 > 0.99


def test_noise_does_not_become_a_lattice():
    for seed in range(3):
        noise = np.random.default_rng(seed).poisson(8.0, (256, 256))
        with pytest.warns(OutsideTrainedDomain, match="white noise"):
            table = find(noise, refine=False)
        assert table.empty
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OutsideTrainedDomain)
            forced = find(noise, refine=False, feature_size=3.0)
        # A lattice of columns 3 px wide would have a column in every 100 pixels.
        assert len(forced) < noise.size / 500
        assert np.count_nonzero(forced["score"] > 0.7) <= len(forced) / 2


def test_nothing_found_is_an_empty_table_with_its_columns():
    noise = np.random.default_rng(0).normal(0, 0.5, (120, 120))
    with pytest.warns(OutsideTrainedDomain, match="lower `threshold`"):
        table = find(noise, threshold=0.97, feature_size=4.0)
    assert table.empty
    assert {"x", "y", "label", "score", "intensity", "sigma", "x_err", "y_err"} <= set(table)


def test_pixels_too_coarse_are_said_to_be_so():
    sample = image(LATTICES["graphene"](), pixel_size=0.14, electrons=5000, instrument=SHARP)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        find(sample.data, refine=False)
    assert any(issubclass(w.category, OutsideTrainedDomain) for w in caught)


def test_atoms_on_clouds_are_seen_at_their_own_size():
    """What varies most in such an image is the film; the width of the atoms decides all the same."""
    atoms = structures.single_atoms("Pt", (10, 10), n=60, random_state=1)
    instrument = Instrument(contamination=20.0, contamination_length=0.5)
    sample = image(atoms, pixel_size=0.02, electrons=3000, instrument=instrument, random_state=2)
    pixels = sample.data.to_numpy().astype(float)
    sigma = sample.truth["sigma"].iloc[0]
    assert feature_size(pixels) > 2 * sigma
    assert typical_size(pixels) == pytest.approx(sigma, rel=0.35)


@pytest.mark.parametrize(("electrons", "background"), [(100, 0.05), (300, 0.05), (1000, 0.05), (1000, 5)])
@pytest.mark.parametrize("seed", [21, 22, 23])
def test_few_atoms_in_the_dark_are_neither_a_lattice_nor_lost_among_specks(
    expected_counts, electrons, background, seed
):
    """Between them are single electrons: these are no atoms, and what repeats there is chance."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(25, 300, 50.0)] * 2), axis=-1).reshape(-1, 2)
    places = rng.permutation(grid)[:15] + rng.uniform(-12, 12, (15, 2))
    strength = electrons * rng.uniform(0.8, 1.2, 15)
    drawn = expected_counts((300, 300), np.column_stack([places, strength, np.full(15, 2.4)]), background)
    found = find(rng.poisson(drawn).astype(float))
    assert metrics.match(found[["x", "y"]], places, tolerance=4).f1 >= 0.95
    assert doubts(found) == []


def test_no_atom_on_a_film_is_said():
    film = image(structures.single_atoms("Pt", (6, 6), random_state=8), electrons=200, random_state=8)
    with pytest.warns(OutsideTrainedDomain, match="no column was found"):
        found = find(film.data, threshold=0.9999)
    assert found.empty


def test_platinum_at_25_electrons_is_found_without_the_specks():
    """They were one in five of what was found (F1 .4), without a word; what is still lost is doubted."""
    for seed in (5, 6, 7):
        film = structures.single_atoms("Pt", (8, 8), random_state=seed)
        sample = image(film, electrons=25, random_state=seed)
        with warnings.catch_warnings(action="ignore"):
            found = find(sample.data)
        score = metrics.match(found[["x", "y"]], sample.truth[["x", "y"]], tolerance=5)
        assert score.f1 >= 0.95 or doubts(found)
        assert score.f1 >= 0.75


@pytest.mark.parametrize("number", ["055", "025"])
def test_atoms_that_clouds_hide_from_the_fit_are_doubted(data_dir, number):
    """Of what the network sees on these films, people agree with three in four; no Gaussian fits any."""
    sample = datasets.load(f"pt_single_atoms/{number}")
    with pytest.warns(OutsideTrainedDomain, match="could not be fitted"):
        find(sample.data)


def test_an_ensemble_says_where_its_networks_disagree(mos2):
    general = load_model("general")
    other = ColumnModel(general.spec, seed=5)
    ensemble = Ensemble([general, other])
    options = {"feature_size": general.spec.feature_size}  # nothing is resampled
    uncertain = uncertainty_map(mos2.data, model=ensemble, **options)
    assert uncertain.shape == (1, *mos2.data.shape)
    seen = standardise(mos2.data.to_numpy() - mos2.data.to_numpy().min())
    one, two = (m.probability(seen) for m in (general, other))
    np.testing.assert_allclose(uncertain, np.abs(one - two) / 2, atol=1e-6)
    np.testing.assert_allclose(ensemble.probability(seen), (one + two) / 2, atol=1e-6)
    found = find(mos2.data, model=ensemble, refine=False, threshold=0.3, **options)
    row, column = (np.rint(found[a]).astype(int) for a in "yx")
    np.testing.assert_allclose(found["score_sd"], uncertain[0, row, column], atol=1e-6)
    assert "score_sd" not in find(mos2.data, refine=False)
    assert "score_sd" in find(mos2.data, model=ensemble)
    with pytest.raises(TypeError, match="pass an Ensemble"):
        uncertainty_map(mos2.data, model=general)


def test_models_by_name_path_and_object(mos2, tmp_path):
    assert "general" in model_names()
    model = ColumnModel(Spec(filters=2))
    model.save(tmp_path / "own.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OutsideTrainedDomain)  # this network knows nothing
        by_path = find(mos2.data, model=str(tmp_path / "own.pt"), refine=False, threshold=0.45)
        pd.testing.assert_frame_equal(by_path, find(mos2.data, model=model, refine=False, threshold=0.45))
        chained = find(mos2.data, model=Chain(model, model), refine=False, threshold=0.01)
    assert len(chained) != len(by_path)


TEAM = Ensemble([ColumnModel(Spec(filters=2), seed=n) for n in (1, 2)])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda v: find(v[0]), ValueError, "two axes"),
        (lambda v: find(v[None]), ValueError, "two axes"),
        (lambda v: find(v[:8, :8]), ValueError, "too small"),
        (lambda v: find(v * 0), ValueError, "constant"),
        (lambda v: find(v * np.nan), ValueError, "constant"),
        (lambda v: find(v.astype(complex)), TypeError, "real numbers"),
        (lambda v: find(v.astype(str)), TypeError, "real numbers"),
        (lambda v: find(v, model="generel"), ValueError, "no model 'generel'.*general"),
        (lambda v: find(v, model="nowhere/mine.pt"), FileNotFoundError, "does not exist"),
        (lambda v: find(v, threshold=0.0), ValueError, "threshold must lie"),
        (lambda v: find(v, threshold=1.0), ValueError, "threshold must lie"),
        (lambda v: find(v, feature_size=-1), ValueError, "feature_size must be positive"),
        (lambda v: find(v, inverted="maybe"), ValueError, "inverted must be"),
        (lambda v: uncertainty_map(v, model=TEAM, inverted="auto"), ValueError, "must be True or False here"),
        (lambda v: find(v, gain=-1, refine=False), ValueError, "gain must be positive"),
        (lambda v: find(v, model=[1, 2]), TypeError, r"not list; several make an `Ensemble"),
        (lambda v: find("my.png"), ValueError, r"not str: .*io\.read"),
        (lambda v: find(np.stack([v, v, v], axis=2)), ValueError, "average its channels"),
        (lambda v: uncertainty_map(v[0], model=TEAM), ValueError, "two axes"),
        (lambda v: find(xr.DataArray(np.stack([v, v]), dims=("t", "y", "x"))), ValueError, "two axes"),
    ],
)
def test_bad_input_is_explained(mos2, call, error, message):
    with pytest.raises(error, match=message):
        call(mos2.data.values)


def test_missing_pixels_are_left_out(mos2):
    pixels = mos2.data.values.astype(float)
    y, x = slice(60, 110), slice(90, 160)
    pixels[y, x] = np.nan
    found = find(pixels)
    inside = found["x"].between(90, 159) & found["y"].between(60, 109)
    assert not inside.any()
    # a column whose centre lies by the rim is seen in part
    near = mos2.truth["x"].between(80, 170) & mos2.truth["y"].between(50, 120)
    result = metrics.match(
        found[~(found["x"].between(80, 170) & found["y"].between(50, 120))],
        mos2.truth[~near],
        tolerance=3,
        border=3,
        shape=pixels.shape,
    )
    assert near.sum() > 10
    assert result.f1 > 0.97
    masked = find(np.ma.masked_invalid(pixels))
    pd.testing.assert_frame_equal(masked, found)


def test_shipped_models_open_and_say_what_they_are():
    for name in model_names():
        from atomlens._resources import resource

        model = load_model(resource("weights") / f"{name}.pt")
        assert model.spec.classes


def test_doubt_is_put_into_words():
    table = pd.DataFrame({"score": [0.4, 0.5, 0.9]})
    table.attrs["model_threshold"] = 0.4
    assert "below 0.50" in doubt(table)
    assert doubt(table, 0.1) == ""
    assert "no column was found" in doubt(table[:0])


def hexagonal(spacing, sigma, *, honeycomb, electrons=300.0, side=280, seed=0):
    """Expected counts of a hexagonal lattice in plain numpy, and its columns: one a cell, or two."""
    rng = np.random.default_rng(seed)
    turn = rng.uniform(0, np.pi)
    basis = spacing * np.array([[1, 0], [0.5, 0.75**0.5]])
    basis = basis @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    xy = np.mgrid[-40:40, -40:40].reshape(2, -1).T @ basis + side / 2
    xy = np.vstack([xy, xy + (basis[0] + basis[1]) / 3]) if honeycomb else xy
    xy = xy[((xy > -20) & (xy < side + 20)).all(axis=1)]
    y, x = np.mgrid[:side, :side]
    image = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * sigma**2)) for a, b in xy)
    inside = ((xy >= 0) & (xy <= side - 1)).all(axis=1)
    return electrons * image / image.max(), xy[inside], rng


@pytest.mark.parametrize("width", [0.55, 0.6])
@pytest.mark.parametrize("seed", [40, 41])
def test_a_blurred_honeycomb_is_no_lattice_of_dark_hollows(width, seed):
    """Its histogram leans to the dark; its hollows look as good as its columns, and are half as many."""
    spacing = 30.0
    image, truth, rng = hexagonal(spacing, width * spacing / 3**0.5 / 1.5, honeycomb=True, seed=seed)
    with pytest.warns(OutsideTrainedDomain, match="pass inverted=True"):
        found = find(rng.poisson(image))
    assert metrics.match(found, truth, tolerance=5, border=8, shape=image.shape).f1 > 0.97
    told = find(rng.poisson(image), inverted=False)
    assert not any("honeycomb" in doubt for doubt in doubts(told))


def test_dark_columns_on_a_hexagonal_lattice_may_be_told():
    image, truth, rng = hexagonal(18.0, 4.5, honeycomb=False, seed=42)
    counts = rng.poisson(1.1 * image.max() - image)
    with pytest.warns(OutsideTrainedDomain, match="pass inverted=True"):
        find(counts)
    found = find(counts, inverted=True)
    assert metrics.match(found, truth, tolerance=5, border=8, shape=image.shape).f1 > 0.97
    assert not any("honeycomb" in doubt for doubt in doubts(found))
