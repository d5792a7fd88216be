"""Files as other programs, other people and accidents leave them."""

import builtins
import bz2
import json
import struct
import zipfile
from dataclasses import replace
from importlib import import_module

import h5py
import numpy as np
import pytest
import tifffile
import xarray as xr
import zarr
from PIL import Image

from atomlens import io
from atomlens.io import _plain, _rosetta

IMAGE = np.arange(48, dtype=np.uint16).reshape(6, 8)


def step(array, dim="x"):
    return float(array[dim][1] - array[dim][0]), array[dim].attrs["units"]


# Notes of our own in a tif


@pytest.fixture
def ours(tmp_path):
    """A tif that we wrote: float image, .1 nm a pixel. Returns its path and values."""
    values = np.random.default_rng(0).normal(100, 20, (20, 30)).astype(np.float32)
    coords = {d: (d, 0.1 * np.arange(n), {"units": "nm"}) for d, n in zip("yx", values.shape, strict=True)}
    image = xr.DataArray(values, coords, ("y", "x"), attrs={"beam_energy_keV": 80.0})
    return io.write(image, tmp_path / "ours.tif"), values


def info(path):
    with tifffile.TiffFile(path) as tif:
        return tif.imagej_metadata["Info"]


def as_fiji_saves(path, values, pixel_size, text):
    tifffile.imwrite(
        path, values, imagej=True, resolution=(1 / pixel_size,) * 2, metadata={"unit": "nm", "Info": text}
    )
    return io.read(path)


def test_notes_come_back_while_nothing_has_changed(ours):
    array = io.read(ours[0])
    assert array.attrs["beam_energy_keV"] == 80
    assert "note_saved" not in array.attrs


def test_notes_are_left_aside_where_pixels_were_changed(ours, tmp_path):
    path, values = ours
    filtered = values - 200  # what uint8 could not hold
    array = as_fiji_saves(tmp_path / "b.tif", filtered, 0.1, info(path))
    np.testing.assert_array_equal(array, filtered)
    assert "pixels have been changed" in array.attrs["note_saved"]
    assert step(array) == (pytest.approx(0.1, rel=1e-4), "nm")


def test_notes_are_left_aside_where_the_scale_was_changed(ours, tmp_path):
    path, values = ours
    array = as_fiji_saves(tmp_path / "b.tif", values, 0.01, info(path))
    assert step(array) == (pytest.approx(0.01, rel=1e-4), "nm")
    assert "scale has been changed" in array.attrs["note_saved"]


@pytest.mark.parametrize(
    "change",
    [
        {"name": ...},
        {"attrs": {}},
        {"attrs": {"kind": "cake"}},
        {"dtype": "junk"},
        {"dtype": "<U4000000"},
        {"dtype": "O"},
        {"dims": ["a", "b"]},
        {"dims": ["y", "y"]},
        {"coords": {"y": 3, "x": 4}},
        {"coords": {d: {"dtype": "<f8", "attrs": {}, "scale": float("inf")} for d in "yx"}},
        {"hash": "0"},
        {"hash": None, "tags": 3},
    ],
)
def test_damaged_notes_are_left_aside(ours, tmp_path, change):
    path, values = ours
    saved = json.loads(info(path))["atomlens"]
    saved = {k: v for k, v in (saved | change).items() if v is not ...}
    array = as_fiji_saves(tmp_path / "b.tif", values, 0.1, json.dumps({"atomlens": saved}))
    np.testing.assert_array_equal(array, values)
    assert array.dtype == np.float32
    assert "left aside" in array.attrs["note_saved"]


@pytest.mark.parametrize("suffix", [".hspy", ".nc", ".zarr"])
def test_damaged_notes_of_other_formats(tmp_path, suffix):
    path = io.write(xr.DataArray(IMAGE, dims=("y", "x")), tmp_path / f"a{suffix}")
    if suffix == ".zarr":
        attrs = path / "data" / ".zattrs"
        attrs.write_text(json.dumps(json.loads(attrs.read_text()) | {"atomlens_attrs": "{"}))
        metadata = path / ".zmetadata"
        metadata.unlink()
    else:
        with h5py.File(path, "r+") as file:
            where = file["data"] if suffix == ".nc" else file["Experiments/__unnamed__/metadata/atomlens"]
            where.attrs["atomlens_attrs" if suffix == ".nc" else "saved"] = '{"dims": 3}'
    array = io.read(path)
    np.testing.assert_array_equal(array, IMAGE)
    assert array.dims == ("y", "x")
    assert "damaged" in array.attrs["note_saved"]


# Calibrations that are none


def write_mrc(path, values, cell):
    header = bytearray(1024)
    rows, columns = values.shape
    header[0:16] = struct.pack("<4i", columns, rows, 1, 2)
    header[28:40] = struct.pack("<3i", columns, rows, 1)
    header[40:52] = struct.pack("<3f", *cell)
    header[64:76] = struct.pack("<3i", 1, 2, 3)
    header[208:216] = b"MAP \x44\x44\0\0"
    path.write_bytes(bytes(header) + values.astype("<f4").tobytes())
    return path


@pytest.mark.parametrize("cell", [(-80, -60, 0), (0, 0, 0), (-80, 60, 1)])
def test_an_mrc_with_a_senseless_cell_stays_as_it_is(tmp_path, cell):
    array = io.read(write_mrc(tmp_path / "a.mrc", IMAGE, cell))
    np.testing.assert_array_equal(array, IMAGE)
    assert step(array) == (1, "px")
    assert "no cell" in array.attrs["note_scale"]


def test_an_mrc_with_a_cell_is_calibrated(tmp_path):
    assert step(io.read(write_mrc(tmp_path / "a.mrc", IMAGE, (8, 6, 1)))) == (pytest.approx(0.1), "nm")


@pytest.mark.parametrize("scale", [1e8, 1e-18, 0.0, np.nan, np.inf])
def test_a_step_that_cannot_be_is_no_calibration(tmp_path, write_ser, scale):
    array = io.read(write_ser(tmp_path / "a.ser", IMAGE, scale))
    np.testing.assert_array_equal(array, IMAGE)
    assert step(array) == (1, "px")
    assert "cannot be" in array.attrs["note_scale_x"]


# Calibrations that are


OME = """<?xml version="1.0"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">
<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="8" SizeY="6" SizeC="1" SizeZ="1" SizeT="{n}"
{scale}><Channel ID="Channel:0:0" SamplesPerPixel="1"/><TiffData/></Pixels></Image></OME>"""


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ('PhysicalSizeX="0.02" PhysicalSizeXUnit="nm" PhysicalSizeY="0.03" PhysicalSizeYUnit="nm"', 0.02),
        ('PhysicalSizeX="2e-5" PhysicalSizeY="3e-5"', 0.02),  # micrometres, where no unit is given
    ],
)
def test_ome_tiff(tmp_path, said, size):
    tifffile.imwrite(tmp_path / "a.ome.tif", IMAGE, description=OME.format(n=1, scale=said), metadata=None)
    array = io.read(tmp_path / "a.ome.tif")
    assert step(array) == (pytest.approx(size), "nm")
    assert step(array, "y") == (pytest.approx(1.5 * size), "nm")


@pytest.mark.parametrize("unit", [("nm", "µm"), ("Å", "pm"), ("µm", "mm")])
def test_the_units_of_ome_and_imagej_may_differ_along_y_and_x(tmp_path, unit):
    nm = {"pm": 1e-3, "Å": 0.1, "nm": 1, "µm": 1e3, "mm": 1e6}
    across, down = (0.02 / nm[u] for u in unit)
    said = {"PhysicalSizeX": across, "PhysicalSizeXUnit": unit[0], "PhysicalSizeY": 2 * down}
    tifffile.imwrite(tmp_path / "a.ome.tif", IMAGE, metadata=said | {"PhysicalSizeYUnit": unit[1]})
    ascii_only = [u.replace("µ", r"\u00B5").replace("Å", r"\u00C5") for u in unit]  # as ImageJ writes them
    tifffile.imwrite(
        tmp_path / "b.tif", IMAGE, imagej=True, resolution=(1 / across, 0.5 / down),
        metadata={"unit": ascii_only[0], "yunit": ascii_only[1]},
    )  # fmt: skip
    for name in ("a.ome.tif", "b.tif"):
        array = io.read(tmp_path / name)
        assert step(array) == (pytest.approx(0.02), "nm")
        assert step(array, "y") == (pytest.approx(0.04), "nm")


def test_pixels_of_an_ome_reference_frame_have_no_size(tmp_path):
    said = {f"PhysicalSize{a}{what}": v for a in "XY" for what, v in (("", 1), ("Unit", "reference frame"))}
    tifffile.imwrite(tmp_path / "a.ome.tif", IMAGE, metadata=said)
    array = io.read(tmp_path / "a.ome.tif")
    assert array.dims == ("y", "x")
    assert step(array) == (1, "px")


def test_movies_of_ome_and_imagej_know_their_interval(tmp_path):
    movie = np.stack([IMAGE, IMAGE + 1, IMAGE + 2])
    said = 'PhysicalSizeX="2e-5" PhysicalSizeY="2e-5" TimeIncrement="0.25"'
    described = OME.format(n=3, scale=said)
    tifffile.imwrite(
        tmp_path / "a.ome.tif", movie, description=described, metadata=None, photometric="minisblack"
    )
    tifffile.imwrite(
        tmp_path / "b.tif", movie, imagej=True, resolution=(50, 50),
        metadata={"unit": "nm", "finterval": 0.25, "tunit": "s", "axes": "TYX"},
    )  # fmt: skip
    for name in ("a.ome.tif", "b.tif"):
        array = io.read(tmp_path / name)
        np.testing.assert_array_equal(array, movie)
        assert array.dims == ("time", "y", "x")
        assert array.attrs["kind"] == "movie"
        assert step(array, "time") == (pytest.approx(0.25), "s")
        assert step(array) == (pytest.approx(0.02), "nm")


def test_colours_plane_by_plane(tmp_path):
    planes = np.random.default_rng(0).integers(0, 200, (3, 6, 8)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "planes.tif", planes, photometric="rgb", planarconfig="separate")
    tifffile.imwrite(tmp_path / "pixels.tif", np.moveaxis(planes, 0, -1).copy(), photometric="rgb")
    apart, together = (io.read(tmp_path / f"{name}.tif") for name in ("planes", "pixels"))
    assert apart.dims == ("y", "x")
    np.testing.assert_allclose(apart, together)


def write_emd(path, values, axes):
    with h5py.File(path, "w") as file:
        file.attrs.update(version_major=0, version_minor=2)
        group = file.create_group("signals/s")
        group.attrs["emd_group_type"] = 1
        group["data"] = values
        for i, (name, units, scale) in enumerate(axes, start=1):
            dim = group.create_dataset(f"dim{i}", data=scale * np.arange(values.shape[i - 1]))
            dim.attrs.update(name=name, units=units)
    return path


def test_emd_writes_units_in_brackets(tmp_path):
    path = write_emd(tmp_path / "a.emd", IMAGE, [("y", "[n_m]", 0.02), ("x", "[n_m]", 0.02)])
    assert step(io.read(path)) == (pytest.approx(0.02), "nm")


@pytest.mark.parametrize("kind", [None, "image"])
def test_emd_without_names_and_units(tmp_path, kind):
    array = io.read(write_emd(tmp_path / "a.emd", IMAGE, [("", "[]", 1), ("", "[]", 1)]), kind=kind)
    assert array.dims == ("y", "x")


def test_a_picture_of_a_raman_microscope_knows_its_scale(tmp_path, monkeypatch):
    Image.fromarray(IMAGE.astype(np.uint8)).save(tmp_path / "a.jpg")
    bare = _rosetta.open_file

    def calibrated(path, modules, *, lazy):
        (signal,) = bare(path, modules, lazy=lazy)
        return [replace(signal, axes=tuple(replace(a, units="µm", scale=0.5) for a in signal.axes))]

    assert step(io.read(tmp_path / "a.jpg")) == (1, "px")
    monkeypatch.setattr(_plain._rosetta, "open_file", calibrated)
    assert step(io.read(tmp_path / "a.jpg")) == (500, "nm")


# Other readers of rosettasciio


@pytest.mark.parametrize(
    ("suffix", "module", "shape"), [(".msa", "msa", (9,)), (".rpl", "ripple", (3, 4, 9))]
)
def test_formats_that_can_be_written_here(tmp_path, suffix, module, shape):
    values = np.random.default_rng(0).integers(0, 200, shape).astype(np.float32)
    described = [*[("y", "nm"), ("x", "nm")][: len(shape) - 1], ("Energy", "eV")]
    axes = [
        {
            "name": name, "size": n, "units": unit, "scale": 0.5, "offset": 0.0, "index_in_array": i,
            "navigate": unit == "nm", "_type": "UniformDataAxis",
        }
        for i, ((name, unit), n) in enumerate(zip(described, shape, strict=True))
    ]  # fmt: skip
    metadata = {"General": {"title": "s"}, "Signal": {"signal_type": ""}}
    signal = {"data": values, "axes": axes, "metadata": metadata, "original_metadata": {}}
    import_module(f"rsciio.{module}").file_writer(str(tmp_path / f"a{suffix}"), signal)
    array = io.read(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(array, values)
    assert [step(array, dim) for dim in array.dims] == [(0.5, unit) for _, unit in described]


def test_rgb_of_digitalmicrograph_is_listed_too(tmp_path, monkeypatch):
    """Some readers cannot open lazily what they can read: lazy and eager agree."""
    import rsciio.mrc

    path = write_mrc(tmp_path / "a.mrc", IMAGE, (8, 6, 1))
    read = rsciio.mrc.file_reader

    def eager_only(*args, lazy, **options):
        if lazy:
            raise NotImplementedError("not lazily")
        return read(*args, lazy=lazy, **options)

    monkeypatch.setattr(rsciio.mrc, "file_reader", eager_only)
    assert io.signals(path)["shape"].tolist() == ["6 x 8"]
    np.testing.assert_array_equal(io.read(path, lazy=True), IMAGE)


def test_the_images_of_velox_are_read_without_the_package_of_its_spectra(tmp_path, monkeypatch):
    import rsciio.emd

    entry = {
        "data": IMAGE,
        "axes": [{"name": d, "units": "nm", "scale": 0.1, "offset": 0.0, "navigate": False} for d in "yx"],
        "metadata": {"General": {"title": "HAADF"}},
    }

    def needing_sparse(name, lazy=False, select_type=None):
        if select_type != "images":
            raise ModuleNotFoundError("No module named 'sparse'", name="sparse")
        return [entry]

    monkeypatch.setattr(rsciio.emd, "file_reader", needing_sparse)
    with h5py.File(tmp_path / "a.emd", "w") as file:
        file["Data"] = 1
    array = io.read(tmp_path / "a.emd")
    np.testing.assert_array_equal(array, IMAGE)
    assert 'pip install "atomlens[formats]"' in array.attrs["note_reader"]


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    import rsciio.mrc

    def needing_numba(*args, **options):
        raise ModuleNotFoundError("No module named 'numba'", name="numba")

    monkeypatch.setattr(rsciio.mrc, "file_reader", needing_numba)
    path = write_mrc(tmp_path / "a.mrc", IMAGE, (8, 6, 1))
    with pytest.raises(ImportError, match=r'needs numba, .*pip install "atomlens\[formats\]"'):
        io.read(path)


# HDF5: other files, codecs, bombs


def test_raw_bytes_of_other_files_are_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(100))
    for suffix in (".h5", ".hspy", ".emd", ".nxs", ".nc"):
        path = tmp_path / f"a{suffix}"
        with h5py.File(path, "w") as file:
            file.create_dataset("deep/a", (10, 10), "u1", external=[(str(tmp_path / "secret"), 0, 100)])
        for call in (io.read, io.signals):
            with pytest.raises(io.FormatError, match=r"refers to another file \(.*secret\)"):
                call(path)


def virtual(path, source, shape=(6, 8)):
    layout = h5py.VirtualLayout(shape, "u2")
    layout[:] = h5py.VirtualSource(str(source), "s", shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("a", layout)
    return path


def test_virtual_sets_may_lie_beside_their_source_only(tmp_path):
    (tmp_path / "in").mkdir()
    for folder in (tmp_path, tmp_path / "in"):
        with h5py.File(folder / "source.h5", "w") as file:
            file["s"] = IMAGE
    here = tmp_path / "in"
    np.testing.assert_array_equal(io.read(virtual(here / "a.h5", "source.h5")), IMAGE)
    with pytest.raises(io.FormatError, match=r"gone\.h5, which is not there: copy it"):
        io.read(virtual(here / "b.h5", "gone.h5"))
    for outside in ("../source.h5", tmp_path / "source.h5"):
        with pytest.raises(io.FormatError, match="outside its folder, which is never read"):
            io.read(virtual(here / "c.h5", outside))
    (here / "link.h5").symlink_to(tmp_path / "source.h5")
    with pytest.raises(io.FormatError, match="outside its folder"):
        io.read(virtual(here / "d.h5", "link.h5"))


def test_links_to_other_files(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["b"] = IMAGE
        file["link"] = h5py.ExternalLink("/etc/hostname", "/")
    with pytest.raises(io.FormatError, match="outside its folder"):
        io.read(tmp_path / "a.h5")


def test_one_array_of_two_names_is_listed_once(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["inner/one"] = IMAGE
        file["two"] = file["inner/one"]  # a hard link
    (title,) = io.signals(tmp_path / "a.h5").title
    assert title in ("inner/one", "two")
    np.testing.assert_array_equal(io.read(tmp_path / "a.h5", signal=title), IMAGE)


@pytest.mark.parametrize("lazy", [False, True])
def test_groups_that_hold_themselves_have_an_end(tmp_path, lazy):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["inner/one"] = IMAGE
        file["inner/loop"] = file["inner"]
        file["inner/up"] = file["/"]
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        data = file.create_group("entry/data")
        file["entry"].attrs["NX_class"], data.attrs["NX_class"] = "NXentry", "NXdata"
        data.attrs["signal"], data["one"] = "one", IMAGE
        data["up"], file["entry/loop"] = file["entry"], file["entry"]
    for name in ("a.h5", "a.nxs"):
        assert len(io.signals(tmp_path / name)) == 1
        np.testing.assert_array_equal(io.read(tmp_path / name, lazy=lazy), IMAGE)
    io.write(io.read(tmp_path / "a.h5"), tmp_path / "a.hspy")
    with h5py.File(tmp_path / "a.hspy", "a") as file:
        (metadata,) = (group["metadata"] for group in file["Experiments"].values())
        metadata["loop"] = metadata  # of this its reader wants to make a dictionary
    with pytest.raises(io.FormatError, match="could not be read as hspy"):
        io.read(tmp_path / "a.hspy", lazy=lazy)


def test_a_missing_codec_is_named(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=IMAGE, compression="gzip")
    real = builtins.__import__

    def without_plugin(name, *args, **options):
        if name == "hdf5plugin":
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda number: False)
    monkeypatch.setattr(builtins, "__import__", without_plugin)
    with pytest.raises(ImportError, match=r'codec that HDF5 lacks \(1, deflate\).*pip install "atomlens'):
        io.read(tmp_path / "a.h5")


def bomb(path, shape):
    """A small file that claims to hold terabytes."""
    header = str({"descr": "|u1", "fortran_order": False, "shape": shape}).encode() + b"\n"
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    if path.suffix == ".zarr":
        zarr.open_group(str(path), mode="w").create_dataset("data", shape=shape, chunks=(64, 64), dtype="u1")
    elif path.suffix == ".npy":
        path.write_bytes(npy)
    elif path.suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", npy)
    else:
        with h5py.File(path, "w") as file:
            file.attrs["file_format"] = "HyperSpy" if path.suffix == ".hspy" else ""
            file.create_dataset("Experiments/s/data", shape, "u1", chunks=(64, 64))
    return path


@pytest.mark.parametrize("suffix", [".h5", ".hspy", ".npz", ".npy", ".zarr"])
def test_what_claims_more_than_memory_is_refused_before_it_is_taken(tmp_path, suffix):
    with pytest.raises(io.FormatError, match=r"lazy=True|its header claims"):
        io.read(bomb(tmp_path / f"a{suffix}", (2**20, 2**22)), lazy=False)


def test_values_that_are_no_numbers_are_called_so(tmp_path):
    with h5py.File(tmp_path / "a.hspy", "w") as file:
        file.attrs.update(file_format="HyperSpy", file_format_version="3.1")
        group = file.create_group("Experiments/s")
        group["data"] = np.array(["a", "b"], dtype="S1").astype(h5py.string_dtype())
        axis = group.create_group("axis-0")
        axis.attrs.update(_type="UniformDataAxis", name="x", scale=1.0, offset=0.0, size=2, navigate=True)
        group.create_group("metadata/General").attrs["title"] = "s"
        group.create_group("metadata/Signal")
        group.create_group("original_metadata")
    with pytest.raises(io.FormatError, match="not numbers"):
        io.read(tmp_path / "a.hspy")


@pytest.mark.parametrize(("name", "instead"), [("a.raw", r"a\.rpl"), ("a.hdr", r"a\.mib")])
def test_what_lies_beside_a_file_points_to_it(tmp_path, name, instead):
    (tmp_path / name).write_text("x")
    with pytest.raises(io.FormatError, match=f"belongs to another file: give {instead}"):
        io.read(tmp_path / name)


def test_damage_on_which_a_reader_would_never_end(tmp_path):
    (tmp_path / "a.wdf").write_bytes(struct.pack("<4sIQ", b"WDF1", 0, 512) + bytes(1000))
    with pytest.raises(io.FormatError, match=r"truncated or damaged.*a block of 0 bytes at 512"):
        io.read(tmp_path / "a.wdf")
    (tmp_path / "a.elid").write_bytes(bz2.compress(np.random.default_rng(0).bytes(5000))[:-100])
    with pytest.raises(io.FormatError, match="truncated or damaged"):
        io.read(tmp_path / "a.elid")


# What would change numbers, or make them up


@pytest.mark.parametrize("suffix", [".nc", ".zarr", ".hspy"])
@pytest.mark.parametrize(
    "attrs",
    [
        {"scale_factor": 2.0},
        {"add_offset": 5.0},
        {"_FillValue": 1.0},
        {"missing_value": 1.0},
        {"units": "hours since 2000-01-01"},
    ],
)
def test_attributes_change_no_pixel(tmp_path, suffix, attrs):
    image = xr.DataArray([[1.0, 2.0], [3.0, 4.0]], dims=("y", "x"), attrs=attrs)
    array = io.read(io.write(image, tmp_path / f"a{suffix}"))
    np.testing.assert_array_equal(array, image)
    assert array.attrs.items() >= attrs.items()


@pytest.mark.parametrize("lazy", [False, True])
def test_packed_numbers_of_other_programs_are_unpacked(tmp_path, lazy):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    data = group.create_dataset("signal", data=np.array([[10, 20], [-1, 30]], dtype=np.int16))
    data.attrs.update(_ARRAY_DIMENSIONS=["y", "x"], scale_factor=0.1, add_offset=5.0, _FillValue=-1)
    np.testing.assert_allclose(io.read(tmp_path / "a.zarr", lazy=lazy), [[6, 7], [np.nan, 8]])


def test_what_is_missing_of_a_store_is_not_made_up(tmp_path):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    data = group.create_dataset("a", shape=(60, 70), chunks=(20, 70), dtype="f8", fill_value=None)
    data[:20] = 1
    path = io.write(xr.DataArray(np.ones((60, 70)), dims=("y", "x")), tmp_path / "b.zspy")
    next(p for p in (path / "Experiments").rglob("data/*/*") if p.is_file()).unlink()
    for name in ("a.zarr", "b.zspy"):
        with pytest.raises(io.FormatError, match="incomplete"):
            io.read(tmp_path / name)


@pytest.mark.parametrize(("unit", "resolution"), [(3, 5e8), (2, 1.27e9)])
def test_a_resolution_that_is_none_of_print_is_a_calibration(tmp_path, unit, resolution):
    tifffile.imwrite(
        tmp_path / "a.tif", IMAGE, resolution=(resolution,) * 2, resolutionunit=unit, metadata=None
    )
    assert step(io.read(tmp_path / "a.tif")) == (pytest.approx(0.02, rel=1e-4), "nm")


def test_a_resolution_does_not_beat_what_the_instrument_says(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, resolution=(5e8, 5e8), resolutionunit=3, metadata=None)
    bare = _rosetta.open_file

    def calibrated(path, modules, *, lazy):
        (signal,) = bare(path, modules, lazy=lazy)
        return [replace(signal, axes=tuple(replace(a, units="nm", scale=7.0) for a in signal.axes))]

    monkeypatch.setattr(_rosetta, "open_file", calibrated)
    assert step(io.read(tmp_path / "a.tif")) == (7, "nm")


def test_an_edited_tif_of_ours_keeps_the_scale_of_its_tags(tmp_path):
    coords = {d: (d, 0.03 * np.arange(n), {"units": "nm"}) for d, n in zip("yx", IMAGE.shape, strict=True)}
    path = io.write(xr.DataArray(IMAGE.astype(float), coords, ("y", "x")), tmp_path / "a.tif")
    pixels = tifffile.memmap(path, mode="r+")
    pixels[0, 0] = 99
    pixels.flush()
    array = io.read(path)
    assert float(array[0, 0]) == 99
    assert step(array) == (pytest.approx(0.03, rel=1e-4), "nm")


def test_very_fine_pixels_fit_into_a_tif(tmp_path):
    coords = {d: (d, 0.001 * np.arange(n), {"units": "nm"}) for d, n in zip("yx", IMAGE.shape, strict=True)}
    image = xr.DataArray(IMAGE.astype(float), coords, ("y", "x"))
    assert step(io.read(io.write(image, tmp_path / "a.tif"))) == (pytest.approx(0.001), "nm")


def test_a_stack_in_depth_is_no_movie(tmp_path):
    stack = np.stack([IMAGE, IMAGE + 1])
    tifffile.imwrite(
        tmp_path / "a.tif", stack, imagej=True, resolution=(50, 50),
        metadata={"unit": "nm", "spacing": 2.5, "axes": "ZYX"},
    )  # fmt: skip
    array = io.read(tmp_path / "a.tif")
    assert array.dims == ("z_stack", "y", "x")
    assert array.attrs["kind"] == "other"
    assert step(array, "z_stack") == (2.5, "nm")


def test_colours_of_16_bits_are_not_halved(tmp_path):
    content = bytearray(
        b"\x89PNG\r\n\x1a\n" + bytes(4) + b"IHDR" + struct.pack(">2I", 4, 4) + bytes([16, 2, 0, 0, 0])
    )
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(io.FormatError, match="16 bits a colour"):
        io.read(tmp_path / "a.png")


def test_a_plain_file_that_looks_like_a_convention(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["FullSpectra"] = IMAGE
    np.testing.assert_array_equal(io.read(tmp_path / "a.h5"), IMAGE)


def test_what_unpacks_to_much_is_lazy_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr("atomlens.io._read.LAZY_BYTES", 100_000)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=np.zeros((200, 200)), compression="gzip")
    io.write(xr.DataArray(np.zeros((200, 200)), dims=("y", "x")), tmp_path / "a.zarr")
    for name in ("a.h5", "a.zarr"):
        assert io.read(tmp_path / name).chunks


def test_three_planes_are_a_movie_if_that_is_asked_for(tmp_path):
    planes = np.random.default_rng(0).integers(0, 255, (3, 40, 50), dtype="u1")
    tifffile.imwrite(tmp_path / "three.tif", planes, photometric="rgb", planarconfig="separate")
    movie = io.read(tmp_path / "three.tif", kind="movie")
    assert movie.dims == ("time", "y", "x")
    np.testing.assert_array_equal(movie, planes)
