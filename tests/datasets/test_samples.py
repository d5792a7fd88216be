"""The small files that ship with the package are what their script makes, and every reader takes them."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from atomlens import _resources, datasets, io

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_samples", ROOT / "data" / "make_samples.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "function"), [("spectrum_image.hspy", "spectrum_image"), ("image.tif", "image")]
)
def test_stored_files_match_their_script(script, name, function):
    stored, made = io.read(datasets.sample_path(name)), getattr(script, function)()
    assert stored.dims == made.dims
    np.testing.assert_array_equal(stored, made)
    for dim in made.dims:
        np.testing.assert_allclose(stored[dim], made[dim], rtol=1e-12)
        assert stored[dim].attrs == made[dim].attrs
    assert stored.attrs["title"] == made.attrs["title"]


def test_stored_curves_match_their_script(script):
    made = script.curves()
    assert io.signals(datasets.sample_path("curves.npz"))["title"].tolist() == list(made)
    for name, values in made.items():
        stored = io.read(
            datasets.sample_path("curves.npz"), signal=name, kind=None if values.ndim == 1 else "line_scan"
        )
        np.testing.assert_array_equal(stored, values)


def test_the_script_writes_all_of_them_and_they_are_small(script, tmp_path):
    script.main(tmp_path / "samples")
    names = sorted(p.name for p in (tmp_path / "samples").iterdir())
    assert names == sorted(p.name for p in (ROOT / "data" / "samples").iterdir() if p.is_file())
    assert sum((ROOT / "data" / "samples" / name).stat().st_size for name in names) < 300_000


def test_an_unknown_sample_is_answered_with_the_list():
    with pytest.raises(
        ValueError, match=r"no sample file 'x.tif': choose one of curves.npz, image.tif, spectrum_image.hspy"
    ):
        datasets.sample_path("x.tif")


def test_an_installed_copy_finds_them_beside_its_modules(tmp_path, monkeypatch):
    (tmp_path / "_data" / "samples").mkdir(parents=True)
    (tmp_path / "_data" / "samples" / "image.tif").write_bytes(b"installed")
    monkeypatch.setattr(_resources, "_PLACES", (tmp_path / "_data", ROOT / "data"))
    assert _resources.resource("samples", "image.tif").read_bytes() == b"installed"
    assert _resources.resource("samples", "curves.npz").parent == ROOT / "data" / "samples"
    with pytest.raises(
        FileNotFoundError, match=r"samples/none.tif is not part of this installation.*install atomlens again"
    ):
        _resources.resource("samples", "none.tif")
