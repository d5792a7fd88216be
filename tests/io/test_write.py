"""What is written comes back: values, dims, coordinates, units, attrs; nothing half-written stays."""

import json

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import tifffile
import xarray as xr

from atomlens import io

ATTRS = {
    "title": "two / phases",
    "beam_energy_keV": 200.0,
    "signal_type": "EELS",
    "drift_corrected": True,
    "crop": [1, 2.5],
    "nested": {"a": None},
    "file": "source.dm3",
    "sha256": "ab" * 32,
}


def axis(dim, values, units, **attrs):
    return xr.Variable(dim, values, {"units": units, **attrs})


def arrays():
    rng = np.random.default_rng(0)
    y, x = (
        axis("y", 7.0 + 0.92 * np.arange(5), "nm"),
        axis("x", 0.1 * np.arange(6), "nm", long_name="fast axis"),
    )
    energy = axis("energy", 700 + 8.0 * np.arange(16), "eV", long_name="energy loss")
    cube = rng.poisson(9, (5, 6, 16)).astype(np.int16)
    si = xr.DataArray(
        cube, {"y": y, "x": x, "energy": energy}, ("y", "x", "energy"), name="counts", attrs=ATTRS
    )
    noisy = xr.DataArray(rng.normal(size=(5, 6)), {"y": y, "x": x}, ("y", "x"))
    return {
        "spectrum_image": si,
        "line_scan": si[2].drop_vars("y").astype(np.float64),
        "spectrum": si[2, 3].drop_vars(("y", "x")).astype(np.uint8),
        "image": noisy.astype(np.float32),
        "float64": noisy,
        "labels": xr.DataArray(rng.integers(-1, 4, (5, 6)), {"y": y, "x": x}, ("y", "x")),
        "many_labels": xr.DataArray(rng.integers(0, 60_000, (5, 6)), {"y": y, "x": x}, ("y", "x")),
        "mask": noisy > 0,
        "one_row": noisy[:1],
        "movie": xr.DataArray(
            rng.normal(size=(3, 5, 6)).astype(np.float32),
            {"time": axis("time", [0.0, 0.5, 1.0], "s"), "y": y, "x": x},
            ("time", "y", "x"),
        ),
        "pixels": xr.DataArray(cube[..., 0], {"y": axis("y", np.arange(10, 15), "px")}, ("y", "x")),
        "curves": xr.DataArray(
            cube[0], {"bias": axis("bias", np.linspace(-1, 1, 16), "V")}, ("spot", "bias")
        ),
        "lazy": si.chunk(y=2, energy=5),
    }


def check(got, wanted, exact):
    assert got.dims == wanted.dims
    assert got.dtype == wanted.dtype
    assert got.name == wanted.name
    np.testing.assert_array_equal(got, wanted)
    for name, coord in wanted.coords.items():
        np.testing.assert_allclose(got[name], coord, rtol=0 if exact else 1e-12, atol=0 if exact else 1e-12)
        assert got[name].dtype == coord.dtype
        assert got[name].attrs == coord.attrs
    kept = {k: v for k, v in wanted.attrs.items() if k not in ("file", "sha256")}
    assert {k: got.attrs[k] for k in kept} == kept
    if "file" in wanted.attrs:  # where the data came from stays known
        assert got.attrs["origin_file"] == "source.dm3"
        assert got.attrs["origin_sha256"] == "ab" * 32


@pytest.mark.parametrize("name", arrays())
@pytest.mark.parametrize("suffix", [".zarr", ".nc", ".hspy", ".zspy", ".tif"])
def test_round_trip(tmp_path, name, suffix):
    array = arrays()[name]
    path = tmp_path / f"data{suffix}"
    if suffix == ".tif" and array.ndim != 2:
        with pytest.raises(ValueError, match="tif holds one image"):
            io.write(array, path)
        assert list(tmp_path.iterdir()) == []
        return
    assert io.write(array, path) == path
    got = io.read(path)
    check(got, array, exact=suffix in (".zarr", ".nc"))
    assert got.attrs["file"] == path.name
    assert got.attrs["sha256"] == io.sha256(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    again = io.read(io.write(got, tmp_path / f"again{suffix}"))
    np.testing.assert_array_equal(again, array)
    # However often it is copied, the first source stays known.
    assert again.attrs["origin_file"] == array.attrs.get("file", path.name)


@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
def test_every_coordinate_survives(tmp_path, suffix):
    array = xr.DataArray(
        np.arange(6.0).reshape(2, 3),
        {
            "phase": ["spinel", "rock salt"],
            "energy": axis("energy", [1.0, 2.0, 5.0], "eV"),
            "weight": ("phase", [0.25, 0.75]),
            "temperature": 300.0,
        },
        ("phase", "energy"),
    )
    got = io.read(io.write(array, tmp_path / f"a{suffix}"))
    xr.testing.assert_equal(got, array)


def test_scalar_coordinates_become_attrs_where_they_must(tmp_path):
    plane = arrays()["spectrum_image"].sel(energy=732, method="nearest")
    got = io.read(io.write(plane, tmp_path / "plane.tif"))
    assert got.attrs["at_energy"] == 732.0
    np.testing.assert_array_equal(got, plane)


def test_a_sum_over_energy_is_written_as_the_image_it_is(tmp_path):
    si = io.read(io.write(arrays()["spectrum_image"], tmp_path / "si.hspy"))
    for suffix in (".hspy", ".nc"):
        image = si.sum("energy", keep_attrs=True)
        assert io.read(io.write(image, tmp_path / f"a{suffix}")).attrs["kind"] == "image"


def test_tif_is_calibrated_for_other_programs(tmp_path):
    array = arrays()["image"]
    io.write(array, tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.imagej_metadata["unit"] == "nm"
        across, down = (tif.pages[0].tags[f"{c}Resolution"].value for c in "XY")
    assert across[0] / across[1] == pytest.approx(1 / 0.1)
    assert down[0] / down[1] == pytest.approx(1 / 0.92, rel=1e-6)
    io.write(arrays()["float64"], tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        assert tif.pages[0].tags["ResolutionUnit"].value == 3  # pixels a centimetre
        across = tif.pages[0].tags["XResolution"].value
    assert across[0] / across[1] == pytest.approx(1e7 / 0.1, rel=1e-6)


def test_hspy_holds_what_hyperspy_looks_for(tmp_path):
    import h5py

    io.write(arrays()["spectrum_image"], tmp_path / "a.hspy")
    with h5py.File(tmp_path / "a.hspy") as file:
        (signal,) = file["Experiments"].values()
        assert signal["metadata/Acquisition_instrument/TEM"].attrs["beam_energy"] == 200
        assert signal["metadata/Signal"].attrs["signal_type"] == "EELS"
        assert [bool(signal[f"axis-{i}"].attrs["navigate"]) for i in range(3)] == [True, True, False]


def test_uneven_axes(tmp_path):
    array = xr.DataArray(np.arange(4.0), {"energy": axis("energy", [1.0, 2.0, 4.0, 8.0], "eV")}, ("energy",))
    for suffix in (".hspy", ".nc"):
        check(io.read(io.write(array, tmp_path / f"a{suffix}")), array, exact=True)
    image = xr.DataArray(np.ones((4, 2)), {"y": axis("y", [1.0, 2.0, 4.0, 8.0], "nm")}, ("y", "x"))
    with pytest.raises(ValueError, match=r"not evenly spaced.*write \.nc"):
        io.write(image, tmp_path / "a.tif")


def test_xarray_understands_the_zarr_metadata(tmp_path):
    io.write(arrays()["spectrum_image"], tmp_path / "a.zarr")
    consolidated = json.loads((tmp_path / "a.zarr" / ".zmetadata").read_text())["metadata"]
    assert consolidated["data/.zattrs"]["_ARRAY_DIMENSIONS"] == ["y", "x", "energy"]
    assert consolidated["data/.zattrs"]["beam_energy_keV"] == 200


def test_a_lazy_array_is_never_held_whole(tmp_path):
    largest = []

    def block(block_info=None):
        shape = block_info[None]["chunk-shape"]
        largest.append(int(np.prod(shape)))
        return np.full(shape, len(largest), np.float32)

    data = da.map_blocks(
        block, chunks=((4,) * 8, (32,), (50,)), dtype=np.float32, meta=np.empty((0, 0, 0), np.float32)
    )
    array = xr.DataArray(data, dims=("y", "x", "energy"))
    got = io.read(io.write(array, tmp_path / "a.zarr"), lazy=True)
    assert len(largest) == 8  # each block was made once
    assert got.chunks[0] == (4,) * 8
    assert got.shape == (32, 32, 50)


def test_overwriting(tmp_path):
    first, second = arrays()["image"], arrays()["image"] + 1
    for suffix in (".zarr", ".nc", ".tif", ".hspy", ".zspy"):
        path = io.write(first, tmp_path / f"a{suffix}")
        with pytest.raises(FileExistsError, match="overwrite=True"):
            io.write(second, path)
        np.testing.assert_array_equal(io.read(path), first)
        io.write(second, path, overwrite=True)
        np.testing.assert_array_equal(io.read(path), second)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_lazy_array_may_replace_its_own_store(tmp_path):
    path = io.write(arrays()["image"], tmp_path / "a.zarr")
    io.write(io.read(path, lazy=True) * 2, path, overwrite=True)
    np.testing.assert_array_equal(io.read(path), arrays()["image"] * 2)


@pytest.mark.parametrize("suffix", [".zarr", ".nc", ".hspy", ".zspy"])
@pytest.mark.parametrize("exists", [False, True])
def test_a_failure_leaves_nothing_and_spoils_nothing(tmp_path, suffix, exists):
    path = tmp_path / f"a{suffix}"
    good = arrays()["spectrum_image"]
    if exists:
        io.write(good, path)

    def fail(block):
        raise RuntimeError("the source went away")

    broken = good.copy(data=da.from_array(good.values, chunks=(2, 6, 16)).map_blocks(fail, dtype=good.dtype))
    with pytest.raises(RuntimeError, match="went away"):
        io.write(broken, path, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ([path.name] if exists else [])
    if exists:
        np.testing.assert_array_equal(io.read(path), good)


def test_tables(tmp_path):
    table = pd.DataFrame({"x": [1.5, 0.1 + 0.2], "label": ["Si", "C"]})
    pd.testing.assert_frame_equal(pd.read_csv(io.write(table, tmp_path / "a.csv")), table)
    named = table.set_index("label")
    again = pd.read_csv(io.write(named, tmp_path / "b.csv"), index_col="label")
    pd.testing.assert_frame_equal(again, named)


def test_plain_arrays(tmp_path):
    got = io.read(io.write(np.eye(3), tmp_path / "a.tif"))
    assert got.dims == ("y", "x")
    assert got.x.attrs["units"] == "px"
    assert io.read(io.write(np.arange(4.0), tmp_path / "b.nc")).dims == ("channel",)


def test_what_was_written_keeps_its_kind(tmp_path):
    path = io.write(arrays()["spectrum_image"], tmp_path / "a.hspy")
    assert io.read(path, kind="spectrum_image").dims == ("y", "x", "energy")
    with pytest.raises(io.FormatError, match="written as kind='spectrum_image'"):
        io.read(path, kind="movie")
    np.testing.assert_allclose(io.read(path, pixel_size=2, units="Å").x, 0.2 * np.arange(6))


@pytest.mark.parametrize("suffix", [".zarr", ".nc", ".hspy", ".zspy", ".tif"])
def test_everything_reads_lazily(tmp_path, suffix):
    array = arrays()["image" if suffix == ".tif" else "spectrum_image"]
    lazy = io.read(io.write(array, tmp_path / f"a{suffix}"), lazy=True)
    assert lazy.chunks
    check(lazy, array, exact=suffix in (".zarr", ".nc"))
    assert lazy.attrs["kind"] == io.read(tmp_path / f"a{suffix}").attrs["kind"]
