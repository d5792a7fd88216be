"""To HyperSpy and back, when it is installed."""

import numpy as np
import pytest
import xarray as xr

from atomlens import io


def test_without_hyperspy_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "hyperspy", None)
    monkeypatch.setitem(sys.modules, "hyperspy.api", None)
    with pytest.raises(
        ImportError, match=r'converting to HyperSpy needs hyperspy.*pip install "atomlens\[interop\]"'
    ):
        io.to_hyperspy(xr.DataArray(np.eye(3), dims=("y", "x")))


def test_only_signals_come_back():
    with pytest.raises(TypeError, match="takes a HyperSpy signal, not a list"):
        io.from_hyperspy([1, 2])


def si():
    coords = {
        "y": ("y", 0.5 * np.arange(3), {"units": "nm"}),
        "x": ("x", 2 + 0.5 * np.arange(4), {"units": "nm"}),
        "energy": ("energy", 500 + 2.0 * np.arange(6), {"units": "eV"}),
    }
    attrs = {"title": "made here", "beam_energy_keV": 200.0, "note": [1, 2]}
    values = np.arange(72, dtype=np.uint16).reshape(3, 4, 6)
    return xr.DataArray(values, coords, ("y", "x", "energy"), attrs=attrs)


def same(got, wanted):
    assert got.dims == wanted.dims
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)
    for dim in wanted.coords:
        np.testing.assert_allclose(got[dim], wanted[dim])
        assert got[dim].attrs == wanted[dim].attrs
    assert {k: got.attrs[k] for k in wanted.attrs} == wanted.attrs


def hyperspy():
    return pytest.importorskip("hyperspy.api", reason="HyperSpy is not installed (extra: interop)")


@pytest.mark.filterwarnings("ignore")  # HyperSpy's imports warn about their own dependencies
def test_round_trip_of_a_spectrum_image():
    hs = hyperspy()
    array = si()
    signal = io.to_hyperspy(array)
    assert isinstance(signal, hs.signals.Signal1D)
    assert signal.axes_manager.navigation_shape == (4, 3)
    assert signal.axes_manager["energy"].scale == 2
    assert str(signal.axes_manager["energy"].units) == "eV"
    assert signal.metadata.Acquisition_instrument.TEM.beam_energy == 200
    assert signal.metadata.General.title == "made here"
    same(io.from_hyperspy(signal), array)


@pytest.mark.filterwarnings("ignore")
def test_round_trip_of_images_movies_and_lazy_data():
    hs = hyperspy()
    image = si()[..., 0].drop_vars("energy")
    assert isinstance(io.to_hyperspy(image), hs.signals.Signal2D)
    same(io.from_hyperspy(io.to_hyperspy(image)), image)
    movie = xr.DataArray(
        np.zeros((2, 3, 4)), {"time": ("time", [0.0, 0.5], {"units": "s"})}, ("time", "y", "x")
    )
    signal = io.to_hyperspy(movie)
    assert signal.axes_manager.signal_dimension == 2
    same(io.from_hyperspy(signal), movie)
    lazy = io.to_hyperspy(si().chunk(y=1))
    assert lazy._lazy
    assert io.from_hyperspy(lazy).chunks


@pytest.mark.filterwarnings("ignore")
def test_a_signal_made_in_hyperspy():
    hs = hyperspy()
    signal = hs.signals.Signal1D(np.arange(24.0).reshape(2, 3, 4))
    signal.axes_manager[-1].trait_set(name="Energy loss", units="keV", scale=0.5, offset=1)
    for i, name in enumerate("xy"):
        signal.axes_manager[i].trait_set(name=name, units="µm")
    array = io.from_hyperspy(signal)
    assert array.dims == ("y", "x", "energy")
    np.testing.assert_allclose(array.energy, [1000, 1500, 2000, 2500])
    np.testing.assert_allclose(array.x, [0, 1000, 2000])


@pytest.mark.filterwarnings("ignore")
def test_what_hyperspy_changed_is_not_undone(tmp_path):
    hyperspy()
    signal = io.to_hyperspy(si())
    half = io.from_hyperspy(signal / 2)  # must not be cast back to integers
    np.testing.assert_array_equal(half, si() / 2)
    cropped = io.from_hyperspy(signal.isig[502.0:508.0])
    np.testing.assert_allclose(cropped.energy, [502, 504, 506])
    summed = io.from_hyperspy(signal.sum("energy"))
    assert summed.dims == ("y", "x")
    assert summed.attrs["kind"] == "image"
    assert summed.attrs["note"] == [1, 2]
    signal.axes_manager["x"].units = "µm"
    np.testing.assert_allclose(io.from_hyperspy(signal).x, 1000 * si().x)
    pixels = io.to_hyperspy(si().drop_vars(("y", "x")))
    binned = io.from_hyperspy(pixels.rebin(scale=(2, 1, 1)))
    np.testing.assert_allclose(binned.x, [0.5, 2.5])
    (signal / 2).save(tmp_path / "a.hspy")
    assert io.read(tmp_path / "a.hspy").dtype == float


@pytest.mark.filterwarnings("ignore")
def test_hyperspy_reads_our_hspy(tmp_path):
    hs = hyperspy()
    signal = hs.load(io.write(si(), tmp_path / "a.hspy"))
    assert signal.data.shape == (3, 4, 6)
    assert signal.axes_manager.navigation_dimension == 2
    signal.save(tmp_path / "b.hspy")
    same(io.read(tmp_path / "b.hspy"), si())
