"""One look at an image, and what speaks against what was seen."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

pytest.importorskip("torch")

import atomlens as al
from atomlens.notebook import as_png


@pytest.fixture(scope="module")
def image(sheet):
    counts = np.random.default_rng(0).poisson(sheet((180, 200), spacing=18.0, electrons=1500.0)[0])
    coords = {d: (d, 0.02 * np.arange(n), {"units": "nm"}) for d, n in zip("yx", counts.shape, strict=True)}
    return xr.DataArray(counts.astype(float), coords, ("y", "x"))


@pytest.fixture(scope="module")
def seen(image):
    return al.look(image)


def test_a_look_holds_what_the_rooms_return(image, seen):
    assert seen.image is image
    pd.testing.assert_frame_equal(seen.columns, al.columns.find(image))
    np.testing.assert_allclose(seen.lattice.lengths_nm, 0.36, rtol=0.01)
    assert isinstance(seen.defects, al.defects.DefectMap)
    assert seen.defects.n_cells == pytest.approx(image.size / 18**2, rel=0.15)
    assert seen.domains.shape == image.shape
    assert seen.domains.attrs["n_domains"] == 1
    assert seen.doubts == []


def test_a_look_in_words(seen):
    words = repr(seen)
    assert words.startswith(f"<Look\n  {len(seen.columns)} columns (network: general)")
    for part in ("a = 0.36", "0 defects in", "per nm²", "1 domain"):
        assert part in words
    assert "doubt" not in words
    assert "0 doubts" in seen.alt


def test_a_look_in_one_figure(seen):
    figure = seen.figure
    assert (
        len([a for a in figure.axes if a.get_label() in ("columns", "spectrum", "defects", "domains")]) == 4
    )
    assert "No doubts." in figure.get_supxlabel()
    assert as_png(figure)[:8] == b"\x89PNG\r\n\x1a\n"
    assert seen._repr_png_()[:4] == b"\x89PNG"


def test_noise_is_looked_at_without_an_exception():
    noise = np.random.default_rng(1).poisson(20.0, (128, 128)).astype(float)
    seen = al.look(noise)
    assert not seen.lattice.periodic
    assert seen.defects is None
    assert seen.domains is None
    assert seen.doubts
    assert all(f"doubt: {said}" in repr(seen) for said in seen.doubts)
    shown = seen.figure.get_supxlabel().replace("\n", " ")
    assert all(said.split(":")[0] in shown for said in seen.doubts)


def test_a_mask_is_handed_to_all(image):
    pixels = image.values.copy()
    mask = np.zeros(pixels.shape, dtype=bool)
    mask[:, 150:] = True
    pixels[:, 150:] = 40.0 + 3 * np.random.default_rng(2).normal(size=(180, 50))
    seen = al.look(pixels, mask=mask)
    assert (seen.columns["x"] < 150).all()
    assert (seen.defects.defects["x"] < 150).all()
    assert seen.defects.n_cells < 0.85 * image.size / 18**2


@pytest.mark.parametrize("image", [np.ones((64, 64)), np.zeros((3, 64, 64)), np.full((64, 64), np.nan)])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(ValueError, match=r"constant|two axes"):
        al.look(image)


def test_doubts_of_whatever_is_returned(seen):
    table = seen.columns.copy()
    table.attrs["doubts"] = ["check it"]
    labels = seen.domains.copy()
    labels.attrs = {"doubts": ["phantoms"]}
    assert al.doubts(table) == ["check it"]
    assert al.doubts(labels) == ["phantoms"]
    assert al.doubts(seen.defects) == seen.defects.doubts == []
    assert al.doubts(seen.lattice) == seen.lattice.doubts == []
    assert al.doubts(seen) == []
    assert al.doubts(pd.DataFrame()) == []
    al.doubts(table).append("mine")
    assert al.doubts(table) == ["check it"]  # the list is a copy


def test_a_weak_lattice_is_doubted():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:14, :14].reshape(2, -1) * 20.0
    stray = rng.uniform(0, 280, (250, 2))
    with pytest.warns(UserWarning, match="explains"):
        found = al.lattice.estimate(np.vstack([np.column_stack([x, y]), stray]))
    assert found.confidence < 0.8
    (said,) = al.doubts(found)
    assert f"{found.confidence:.0%}" in said
    assert said in repr(found)


def test_a_number_carries_no_doubts():
    with pytest.raises(TypeError, match="a int carries no doubts"):
        al.doubts(3)
