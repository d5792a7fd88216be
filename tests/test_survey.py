"""What kind of sample: told of data of our own and of others, refused where nothing can be told."""

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

import atomlens as al
from atomlens import simulate


def lattice_image(spacing=20.0, n=200, electrons=300, seed=0, weak=1.0):
    """A square lattice of Gaussians in plain numpy, with a second site in the middle of the cell."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:n, :n]
    image = np.full((n, n), 0.5)
    for v in np.arange(-0.4, n / spacing + 1):
        for u in np.arange(-0.4, n / spacing + 1):
            for du, height in ((0, 1.0), (0.5, weak)):
                far = (x - spacing * (u + du)) ** 2 + (y - spacing * (v + du)) ** 2
                image += electrons / 60 * height * np.exp(-far / 18)
    return rng.poisson(image).astype(float)


def test_a_lattice_of_somebody_else_is_one_with_its_symmetry_and_sublattices():
    seen = al.survey(lattice_image(weak=0.5))
    assert seen.kind == "lattice image"
    assert seen.symmetry.point_group == "4mm"
    assert seen.facts["sublattices"] == "2"
    assert seen.analyses["sensible"][["columns", "defects", "domains", "phases"]].all()
    np.testing.assert_allclose(seen.lattice.lengths, 20, rtol=0.01)
    assert any("no scale" in doubt for doubt in seen.doubts)
    assert "doubt" in repr(seen)
    assert "<table>" in seen._repr_html_()


def test_the_dose_grows_with_the_electrons_and_is_never_more():
    sheet = simulate.structures.graphene((4, 4))
    told = []
    for electrons in (100, 1000):
        said = al.survey(simulate.image(sheet, electrons=electrons, random_state=1).data).facts["dose"]
        told.append(float(said.split()[1]))
        assert told[-1] < 1.1 * electrons  # a background and neighbours cost information
    assert 7 < told[1] / told[0] < 14


def test_noise_is_no_lattice_and_no_analysis_makes_sense():
    seen = al.survey(np.random.default_rng(3).poisson(30, (128, 128)))
    assert seen.kind == "image"
    assert not seen.analyses["sensible"].any()
    assert seen.doubts


def test_single_atoms_have_columns_but_no_lattice():
    film = simulate.structures.single_atoms("Pt", (8, 8), random_state=2)
    seen = al.survey(simulate.image(film, electrons=600, random_state=2).data)
    assert seen.kind == "single atoms"
    assert any("no lattice speaks" in doubt for doubt in seen.doubts)
    assert seen.analyses["sensible"].to_dict() == {
        "columns": True, "defects": False, "domains": False, "phases": False, "latent": False
    }  # fmt: skip


def test_doubtful_columns_make_no_single_atoms_but_can_be_looked_at():
    coloured = ndimage.gaussian_filter(np.random.default_rng(7).normal(100, 10, (160, 160)), 1)
    seen = al.survey(coloured)
    assert seen.kind == "image"
    assert len(seen.columns)
    assert seen.analyses["sensible"].to_dict() | {"columns": False} == dict.fromkeys(
        seen.analyses.index, False
    )
    assert "doubtful" in seen.analyses["why"]["columns"]


def test_spectra_of_every_shape():
    si = simulate.spectra.eels(2, shape=(8, 8)).data
    seen = al.survey(si)
    assert seen.kind == "spectrum image"
    assert seen.analyses["sensible"].all()
    assert "eV" in seen.facts["spectral axis"]
    line = al.survey(si[0])
    assert line.kind == "line scan"
    assert not line.analyses["sensible"].any()
    assert al.survey(si[0, 0]).kind == "spectrum"
    empty = si.copy()
    empty[:2] = 0
    assert any("empty" in doubt for doubt in al.survey(empty).doubts)


def test_a_movie_is_told_by_its_first_frame():
    frames = np.stack([lattice_image(seed=seed, n=128) for seed in range(3)])
    seen = al.survey(frames, kind="movie")
    assert (seen.kind, seen.facts["first frame"]) == ("movie", "lattice image")
    assert seen.analyses["sensible"].all()
    assert any("no times" in doubt for doubt in seen.doubts)


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (np.zeros((3, 20, 20)), None, 'say kind="movie"'),
        (np.zeros((20, 20)), "hologram", "kind='hologram' is not known"),
        (np.zeros((20, 20)), None, "constant"),
        (xr.DataArray(np.zeros((4, 4, 4)), dims=("a", "b", "c")), None, "nothing that is known here"),
        (xr.DataArray(np.zeros((2, 2, 9, 9)), dims=("a", "b", "y", "x")), None, "nothing that is known here"),
        (np.full((4, 4, 9), np.nan), "spectrum_image", "no spectrum is without NaN"),
    ],
)
def test_what_nothing_can_be_told_of_is_refused(data, kind, message):
    with pytest.raises(ValueError, match=message):
        al.survey(data, kind=kind)
    with pytest.raises(TypeError, match="real numbers"):
        al.survey(np.zeros((20, 20), dtype=complex))


def test_a_mask_is_for_images():
    with pytest.raises(ValueError, match="for images"):
        al.survey(simulate.spectra.eels(2, shape=(8, 8)).data, mask=np.zeros((8, 8), dtype=bool))
