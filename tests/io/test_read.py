"""Every format gives the planted array, calibrated, with provenance."""

import hashlib
import subprocess
import sys

import h5py
import mrcz
import numpy as np
import pytest
import tifffile
import xarray as xr
from PIL import Image

from atomlens import io

CUBE = np.arange(60, dtype=np.float32).reshape(3, 4, 5)  # y, x, energy
IMAGE = np.arange(12, dtype=np.uint16).reshape(3, 4)


def signal_dictionary(data, axes, title="made here", **metadata):
    """What rosettasciio's writers take."""
    keys = ("name", "size", "units", "scale", "offset", "navigate")
    return {
        "data": data,
        "axes": [
            {**dict(zip(keys, axis, strict=True)), "_type": "UniformDataAxis", "index_in_array": i}
            for i, axis in enumerate(axes)
        ],
        "metadata": {"General": {"title": title}, "Signal": {"signal_type": ""}, **metadata},
        "original_metadata": {},
        "attributes": {"_lazy": False, "ragged": False},
        "package_info": {},
        "learning_results": {},
        "models": {},
        "tmp_parameters": {},
    }


CUBE_AXES = [
    ("y", 3, "µm", 0.001, 0.5, True),
    ("x", 4, "Å", 10.0, 0.0, True),
    ("Energy loss", 5, "keV", 0.002, 0.5, False),
]


def check_cube(array):
    assert array.dims == ("y", "x", "energy")
    np.testing.assert_array_equal(array, CUBE)
    np.testing.assert_allclose(array.y, [500, 501, 502])
    np.testing.assert_allclose(array.x, [0, 1, 2, 3])
    np.testing.assert_allclose(array.energy, [500, 502, 504, 506, 508])
    assert [array[d].attrs["units"] for d in array.dims] == ["nm", "nm", "eV"]
    assert array.attrs["kind"] == "spectrum_image"


def test_dm3_whose_energy_axis_comes_first(tmp_path, write_dm3):
    stored = np.ascontiguousarray(CUBE.transpose(2, 0, 1))
    axes = [(0, 0.001, "µm"), (0.5, 0.001, "µm"), (500, 2, "eV")]
    tags = {
        "Microscope Info": {
            "Voltage": 2e5,
            "Indicated Magnification": 1e6,
            "Stage Position": {"Stage Alpha": 3.0},
        }
    }
    array = io.read(write_dm3(tmp_path / "si.dm3", stored, axes, tags))
    assert array.dims == ("y", "x", "energy")
    np.testing.assert_array_equal(array, CUBE)
    np.testing.assert_allclose(array.y, [500, 501, 502], rtol=1e-5)
    np.testing.assert_allclose(array.energy, 500 + 2 * np.arange(5))
    assert array.attrs["beam_energy_keV"] == 200
    assert array.attrs["magnification"] == 1e6
    assert array.attrs["tilt_alpha_deg"] == 3
    assert array.attrs["file"] == "si.dm3"
    assert array.attrs["sha256"] == hashlib.sha256((tmp_path / "si.dm3").read_bytes()).hexdigest()
    assert array.attrs["reader"].startswith("rosettasciio")


@pytest.mark.parametrize(
    ("suffix", "module"), [("hspy", "hspy"), ("zspy", "zspy"), ("emd", "emd"), ("nxs", "nexus")]
)
def test_files_of_other_programs(tmp_path, suffix, module):
    from importlib import import_module

    instrument = {
        "Acquisition_instrument": {"TEM": {"beam_energy": 80.0, "Detector": {"EELS": {"dwell_time": 0.1}}}}
    }
    entry = signal_dictionary(CUBE, CUBE_AXES, **(instrument if module in ("hspy", "zspy") else {}))
    path = tmp_path / f"cube.{suffix}"
    options = {"show_progressbar": False} if module in ("hspy", "zspy") else {}
    writer = import_module(f"rsciio.{module}").file_writer
    if module == "zspy":
        with pytest.warns(FutureWarning, match="NestedDirectoryStore"):
            writer(str(path), entry, **options)
    else:
        writer(str(path), entry, **options)
    array = io.read(path)
    check_cube(array)
    assert array.attrs["title"] == "made here"
    if options:
        assert array.attrs["beam_energy_keV"] == 80
        assert array.attrs["dwell_time_s"] == 0.1
        assert array.energy.attrs["long_name"] == "energy loss"


def test_h5_of_a_known_convention_is_recognised_by_content(tmp_path):
    from rsciio.hspy import file_writer as write_hspy
    from rsciio.nexus import file_writer as write_nexus

    write_nexus(str(tmp_path / "a.nxs"), [signal_dictionary(CUBE, CUBE_AXES)])
    check_cube(io.read((tmp_path / "a.nxs").rename(tmp_path / "a.h5")))
    write_hspy(str(tmp_path / "b.hspy"), signal_dictionary(CUBE, CUBE_AXES), show_progressbar=False)
    check_cube(io.read((tmp_path / "b.hspy").rename(tmp_path / "b.hdf5")))


def test_several_signals_are_listed_and_chosen(tmp_path):
    from rsciio.nexus import file_writer

    haadf = signal_dictionary(
        IMAGE, [("y", 3, "nm", 1.0, 0.0, False), ("x", 4, "nm", 1.0, 0.0, False)], "HAADF"
    )
    path = tmp_path / "two.nxs"
    file_writer(str(path), [signal_dictionary(CUBE, CUBE_AXES, "EELS"), haadf])
    table = io.signals(path)
    assert table["title"].tolist() == ["EELS", "HAADF"]
    assert table["shape"].tolist() == ["3 x 4 x 5", "3 x 4"]
    with pytest.raises(
        io.FormatError, match=r"2 signals, choose one with signal=: 0: 'EELS' \(3 x 4 x 5\); 1: 'HAADF'"
    ):
        io.read(path)
    check_cube(io.read(path, signal=0))
    for choice in (1, "HAADF", "haadf"):
        np.testing.assert_array_equal(io.read(path, signal=choice), IMAGE)
    with pytest.raises(io.FormatError, match="no signal 'EDS', choose one of 0: 'EELS'"):
        io.read(path, signal="EDS")
    with pytest.raises(io.FormatError, match="no signal -1"):
        io.read(path, signal=-1)


def test_plain_hdf5_lists_its_arrays(tmp_path):
    path = tmp_path / "any.h5"
    with h5py.File(path, "w") as file:
        file["a/image"] = IMAGE
        file["b"] = CUBE
        file["names"] = np.array([b"x", b"y"])  # no numbers, so no signal
        file["scalar"] = 3
    assert io.signals(path)["title"].tolist() == ["a/image", "b"]
    array = io.read(path, signal="a/image", pixel_size=0.5)
    np.testing.assert_array_equal(array, IMAGE)
    np.testing.assert_allclose(array.x, [0, 0.5, 1, 1.5])
    lazy = io.read(path, signal="b", kind="movie", lazy=True)
    assert lazy.chunks
    np.testing.assert_array_equal(lazy, CUBE)


def test_ser(tmp_path, write_ser):
    array = io.read(write_ser(tmp_path / "a.ser", IMAGE, 2e-10))
    assert array.dims == ("y", "x")
    np.testing.assert_array_equal(array, IMAGE)
    np.testing.assert_allclose(array.x, [0, 0.2, 0.4, 0.6])


def _mrc(path, data, cell=None):
    mrcz.writeMRC(np.asarray(data, np.float32), str(path))
    if cell:  # the cell's lengths in angstrom (words 11-13), over the sampling (words 8-10), all x, y, z
        content = bytearray(path.read_bytes())
        content[28:40] = np.array(data.shape[::-1] + (1,) * (3 - data.ndim), "<i4").tobytes()
        content[40:52] = np.array(cell, "<f4").tobytes()
        path.write_bytes(content)
    return path


def test_mrc(tmp_path):
    array = io.read(_mrc(tmp_path / "a.mrc", IMAGE, cell=(8.0, 6.0, 1.0)))
    np.testing.assert_array_equal(array, IMAGE)
    np.testing.assert_allclose(array.x, [0, 0.2, 0.4, 0.6], rtol=1e-6)
    assert array.x.attrs["units"] == "nm"
    stack = io.read(_mrc(tmp_path / "b.mrc", CUBE, cell=(10.0, 8.0, 3.0)))
    assert stack.dims == ("time", "y", "x")
    assert stack.time.attrs["units"] == "frame"
    assert "kind='movie'" in stack.attrs["note_axes"]


def test_mrc_without_a_cell_is_not_one_nanometre_a_pixel(tmp_path):
    assert io.read(_mrc(tmp_path / "a.mrc", IMAGE)).x.attrs["units"] == "px"


@pytest.mark.parametrize(("unit", "factor"), [("micron", 1e3), (r"\u00B5m", 1e3), ("nm", 1.0), ("Å", 0.1)])
def test_tif_of_imagej(tmp_path, unit, factor):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, IMAGE, imagej=True, resolution=(4, 2), metadata={"unit": unit.replace("Å", "angstrom")}
    )
    array = io.read(path)
    np.testing.assert_allclose(array.x, np.arange(4) / 4 * factor)
    np.testing.assert_allclose(array.y, np.arange(3) / 2 * factor)
    assert array.x.attrs["units"] == "nm"


def test_print_resolution_is_no_calibration(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, IMAGE, imagej=True, resolution=(72, 72), metadata={"unit": "inch"})
    assert io.read(path).x.attrs["units"] == "px"


def test_tif_with_a_scale_but_no_unit_stays_in_pixels(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, IMAGE, imagej=True, resolution=(4, 4), metadata={"unit": ""})
    array = io.read(path)
    assert array.x.attrs["units"] == "px"
    assert array.attrs["scale_without_unit"] == 0.25
    told = io.read(path, units="µm")
    np.testing.assert_allclose(told.x, [0, 250, 500, 750])
    assert "scale_without_unit" not in told.attrs
    np.testing.assert_allclose(io.read(path, pixel_size=2, units="Å").x, [0, 0.2, 0.4, 0.6])


def test_tif_stack_needs_a_kind(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, CUBE, photometric="minisblack")
    with pytest.raises(io.FormatError, match="kind="):
        io.read(path)
    assert io.read(path, kind="movie").dims == ("time", "y", "x")


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_colour_becomes_luminance_and_says_so(tmp_path, suffix):
    colour = np.zeros((3, 4, 3), np.uint8)
    colour[0, :, 0], colour[1, :, 1], colour[2, :, 2] = 100, 100, 100
    path = tmp_path / f"c.{suffix}"
    Image.fromarray(colour).save(path)
    array = io.read(path)
    np.testing.assert_allclose(array[:, 0], [21.25, 71.54, 7.21], rtol=1e-5)
    assert "luminance" in array.attrs["colour"]


def test_grey_saved_as_colour_keeps_its_values(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    rgba = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    array = io.read(tmp_path / "a.png")
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, grey)
    Image.fromarray(np.dstack([grey, grey])).save(tmp_path / "la.png")
    np.testing.assert_array_equal(io.read(tmp_path / "la.png"), grey)
    Image.fromarray(grey).convert("P").save(tmp_path / "p.png")
    np.testing.assert_array_equal(io.read(tmp_path / "p.png"), grey)
    rgba[0, 0, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "b.png")
    np.testing.assert_array_equal(io.read(tmp_path / "b.png"), grey)


def test_16_bit_png_and_jpg(tmp_path):
    wide = IMAGE * 5000
    Image.fromarray(wide).save(tmp_path / "a.png")
    array = io.read(tmp_path / "a.png")
    np.testing.assert_array_equal(array, wide)
    assert array.dims == ("y", "x")
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(tmp_path / "a.jpg")
    assert io.read(tmp_path / "a.jpg").values.mean() == pytest.approx(77, abs=1)


def test_npy_and_npz(tmp_path):
    np.save(tmp_path / "a.npy", IMAGE.astype(">u2"))
    array = io.read(tmp_path / "a.npy", pixel_size=0.1)
    assert array.dtype == np.uint16
    assert array.dtype.isnative
    np.testing.assert_array_equal(array, IMAGE)
    assert array.attrs["kind"] == "image"
    np.savez(tmp_path / "one.npz", CUBE)
    assert io.read(tmp_path / "one.npz", kind="spectrum_image").dims == ("y", "x", "channel")
    np.savez_compressed(tmp_path / "two.npz", x=CUBE, ev=np.arange(5.0))
    assert io.signals(tmp_path / "two.npz")["dtype"].tolist() == ["float32", "float64"]
    assert io.read(tmp_path / "two.npz", signal="ev").dims == ("channel",)


def test_pages_and_channels_of_length_one_are_dropped(tmp_path):
    np.save(tmp_path / "a.npy", IMAGE[None, :, :, None])
    assert io.read(tmp_path / "a.npy").dims == ("y", "x")
    np.save(tmp_path / "b.npy", np.array(3.0))
    assert io.read(tmp_path / "b.npy").shape == (1,)


def test_a_falling_energy_axis_is_turned_round(tmp_path):
    from rsciio.hspy import file_writer

    axes = [("Energy loss", 5, "eV", -2.0, 508.0, False)]
    file_writer(str(tmp_path / "a.hspy"), signal_dictionary(np.arange(5.0), axes), show_progressbar=False)
    array = io.read(tmp_path / "a.hspy")
    np.testing.assert_allclose(array.energy, [500, 502, 504, 506, 508])
    np.testing.assert_array_equal(array, [4, 3, 2, 1, 0])


def test_what_is_not_finite_is_counted(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1.0, np.nan], [np.inf, 2.0]]))
    assert io.read(tmp_path / "a.npy").attrs["not_finite"] == 2
    np.save(tmp_path / "b.npy", np.ones((2, 2)))
    assert "not_finite" not in io.read(tmp_path / "b.npy").attrs


def test_lazy(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", IMAGE)
    assert io.read(tmp_path / "a.npy").chunks is None
    assert io.read(tmp_path / "a.npy", lazy=True).chunks
    monkeypatch.setattr("atomlens.io._read.LAZY_BYTES", 10)
    lazy = io.read(tmp_path / "a.npy")
    assert lazy.chunks
    np.testing.assert_array_equal(lazy, IMAGE)
    assert io.read(tmp_path / "a.npy", lazy=False).chunks is None


def test_lazy_arrays_are_cut_in_space_and_spectra_stay_whole(tmp_path):
    import dask

    np.save(tmp_path / "a.npy", np.zeros((16, 16, 64)))
    io.write(io.read(tmp_path / "a.npy", kind="spectrum_image"), tmp_path / "a.nc")
    with dask.config.set({"array.chunk-size": "32 kB"}):
        for name, kind in (("a.npy", "spectrum_image"), ("a.nc", None)):
            chunks = io.read(tmp_path / name, kind=kind, lazy=True).chunks
            assert chunks[2] == (64,)
            assert len(chunks[0]) * len(chunks[1]) >= 4


def test_what_is_read_lazily_is_not_hashed(tmp_path):
    np.save(tmp_path / "a.npy", IMAGE)
    assert "sha256" not in io.read(tmp_path / "a.npy", lazy=True).attrs
    assert io.read(tmp_path / "a.npy").attrs["sha256"] == io.sha256(tmp_path / "a.npy")


def test_netcdf_and_zarr_of_other_programs(tmp_path):
    import zarr

    coords = {
        "row": ("row", [0.0, 1.0, 2.0], {"units": "Å"}),
        "column": ("column", np.arange(4.0), {"units": "Å"}),
    }
    xr.Dataset({"signal": (("row", "column"), IMAGE)}, coords).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    array = io.read(tmp_path / "a.nc")
    assert array.dims == ("y", "x")
    np.testing.assert_allclose(array.y, [0, 0.1, 0.2])
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.create_dataset("signal", data=IMAGE).attrs["_ARRAY_DIMENSIONS"] = ["row", "column"]
    np.testing.assert_array_equal(io.read(tmp_path / "a.zarr"), IMAGE)


def test_units_are_given_in_reciprocal_space(tmp_path):
    from rsciio.hspy import file_writer

    axes = [("ky", 3, "1/Å", 0.1, 0.0, False), ("kx", 4, "1/Å", 0.1, 0.0, False)]
    file_writer(str(tmp_path / "d.hspy"), signal_dictionary(IMAGE, axes), show_progressbar=False)
    array = io.read(tmp_path / "d.hspy")
    assert array.dims == ("ky", "kx")
    np.testing.assert_allclose(array.kx, [0, 1, 2, 3])
    assert array.kx.attrs["units"] == "1/nm"
    np.testing.assert_allclose(
        io.read(tmp_path / "d.hspy", pixel_size=0.5, units="1/nm").kx, [0, 0.5, 1, 1.5]
    )


def test_importing_io_loads_no_reader():
    readers = ("rsciio", "dask", "h5py", "xarray", "zarr", "pandas")
    code = f"import sys, atomlens.io; print([m for m in {readers} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_sha256_of_a_folder_depends_on_names_and_contents(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "x").write_text("1")
    assert io.sha256(first) == io.sha256(second)
    (second / "sub" / "x").rename(second / "sub" / "y")
    assert io.sha256(first) != io.sha256(second)
