"""Bad files and bad requests: one sentence that names the problem and the remedy, and nothing left behind."""

import pickle
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
import xarray as xr
from PIL import Image

from atomlens import io

IMAGE = np.arange(4096, dtype=np.uint16).reshape(64, 64)
DAMAGED = "truncated.*copy or export it again"


def array(**attrs):
    return xr.DataArray(IMAGE, dims=("y", "x"), attrs=attrs)


def cut(path, keep=0.6):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


class Evil:
    """What a hostile file would run on being unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a user's file was unpickled",))


# Each case: what makes the file or the call, the exception, what its message must say.
READ = {}
WRITE = {}


def case(table, exception, message):
    def register(function):
        table[function.__name__] = (function, exception, message)
        return function

    return register


@case(READ, io.FormatError, r"of the type '\.xyz'.*give a file of one of the types .*\.dm3.*\.zspy")
def unknown_extension(folder):
    (folder / "a.xyz").write_text("x")
    return io.read(folder / "a.xyz")


@case(READ, io.FormatError, r"\(no extension\).*give a file of one of the types")
def no_extension(folder):
    (folder / "a").write_text("x")
    return io.read(folder / "a")


@case(READ, FileNotFoundError, r"no file .*a\.dm3: check the name and the folder; readable there: b\.npy")
def missing_file(folder):
    np.save(folder / "b.npy", IMAGE)
    return io.read(folder / "a.dm3")


@case(READ, io.FormatError, "is a folder: give a file of one of the types")
def a_folder(folder):
    return io.read(folder)


@case(READ, io.FormatError, "is a folder, not a file: give one file in it")
def a_folder_named_like_a_file(folder):
    (folder / "a.tif").mkdir()
    return io.read(folder / "a.tif")


@case(READ, io.FormatError, r"is empty \(0 bytes\): copy or download it again")
def empty_file(folder):
    (folder / "a.dm3").touch()
    return io.read(folder / "a.dm3")


@case(READ, io.FormatError, f"a.hspy could not be read as hspy.*{DAMAGED}")
def truncated_hspy(folder):
    return io.read(cut(io.write(array(), folder / "a.hspy")))


@case(READ, io.FormatError, f"a.nc could not be read as nc.*{DAMAGED}")
def truncated_netcdf(folder):
    return io.read(cut(io.write(array(), folder / "a.nc")))


@case(READ, io.FormatError, f"a.npy is {DAMAGED}")
def truncated_npy(folder):
    np.save(folder / "a.npy", IMAGE)
    return io.read(cut(folder / "a.npy"))


@case(READ, io.FormatError, f"a.npy is {DAMAGED}")
def truncated_npy_read_lazily(folder):
    np.save(folder / "a.npy", IMAGE)
    return io.read(cut(folder / "a.npy"), lazy=True)


@case(READ, io.FormatError, f"a.npz could not be read as npz.*{DAMAGED}")
def truncated_npz(folder):
    np.savez(folder / "a.npz", IMAGE)
    return io.read(cut(folder / "a.npz"))


@case(READ, io.FormatError, DAMAGED)
def truncated_tif(folder):
    tifffile.imwrite(folder / "a.tif", IMAGE)
    return io.read(cut(folder / "a.tif"))


@case(READ, io.FormatError, DAMAGED)
def truncated_tif_of_ours(folder):
    return io.read(cut(io.write(array(), folder / "a.tif")))


@case(READ, io.FormatError, DAMAGED)
def truncated_tif_in_its_header(folder):
    tifffile.imwrite(folder / "a.tif", IMAGE)
    return io.read(cut(folder / "a.tif", 0.005))


@case(READ, io.FormatError, DAMAGED)
def truncated_png(folder):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)).save(
        folder / "a.png"
    )
    return io.read(cut(folder / "a.png"))


@case(READ, io.FormatError, DAMAGED)
def text_named_png(folder):
    (folder / "a.png").write_text("no picture")
    return io.read(folder / "a.png")


@case(READ, io.FormatError, DAMAGED)
def text_named_emd(folder):
    (folder / "a.emd").write_text("no hdf5")
    return io.read(folder / "a.emd")


@case(READ, io.FormatError, DAMAGED)
def truncated_mrc(folder):
    import mrcz

    mrcz.writeMRC(IMAGE.astype(np.float32), str(folder / "a.mrc"))
    return io.read(cut(folder / "a.mrc"))


@case(READ, io.FormatError, "not a zarr group: it seems truncated, damaged")
def empty_zarr(folder):
    (folder / "a.zarr").mkdir()
    (folder / "a.zarr" / "0.0").write_text("x")
    return io.read(folder / "a.zarr")


@case(READ, io.FormatError, "holds 3 of its 4 chunks: the store is incomplete; write or copy it again")
def zarr_that_lost_a_chunk(folder):
    path = io.write(array().chunk(y=32, x=32), folder / "a.zarr")
    (path / "data" / "1.0").unlink()
    return io.read(path)


@case(READ, io.FormatError, "holds Python objects.*never loaded.*save a plain numeric array")
def pickled_npy(folder):
    np.save(folder / "a.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    return io.read(folder / "a.npy")


@case(READ, io.FormatError, "holds Python objects.*never loaded.*save a plain numeric array")
def pickled_npz(folder):
    np.savez(folder / "a.npz", a=np.array([Evil()], dtype=object))
    return io.read(folder / "a.npz")


@case(READ, io.FormatError, "holds Python objects.*never loaded.*save a plain numeric array")
def pickle_named_npy(folder):
    (folder / "a.npy").write_bytes(pickle.dumps(Evil()))
    return io.read(folder / "a.npy")


@case(READ, io.FormatError, "holds pickled Python objects, which are never loaded")
def zarr_with_the_pickle_codec(folder):
    import numcodecs
    import zarr

    group = zarr.open_group(str(folder / "a.zarr"), mode="w")
    group.create_dataset("data", shape=1, dtype=object, object_codec=numcodecs.Pickle())[0] = Evil()
    return io.read(folder / "a.zarr")


@case(READ, io.FormatError, "holds pickled Python objects, which are never loaded")
def zipped_zspy_with_the_pickle_codec(folder):
    with zipfile.ZipFile(folder / "a.zspy", "w") as archive:
        archive.writestr("data/.zarray", '{"filters": [{"id": "pickle"}]}')
    return io.read(folder / "a.zspy")


@case(READ, io.FormatError, r"2 signals, choose one with signal=: 0: 'a' \(64 x 64\); 1: 'b' \(3\)")
def npz_with_several_arrays(folder):
    np.savez(folder / "a.npz", a=IMAGE, b=np.arange(3))
    return io.read(folder / "a.npz")


@case(READ, io.FormatError, "no signal 'c', choose one of 0: 'a'")
def unknown_signal(folder):
    np.savez(folder / "a.npz", a=IMAGE, b=np.arange(3))
    return io.read(folder / "a.npz", signal="c")


@case(READ, io.FormatError, "holds no array")
def npz_without_arrays(folder):
    zipfile.ZipFile(folder / "a.npz", "w").close()
    return io.read(folder / "a.npz")


@case(READ, io.FormatError, "no numeric array in it")
def hdf5_without_arrays(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file["text"] = "nothing"
    return io.read(folder / "a.h5")


@case(READ, io.FormatError, r"4 x 4 x 4 array.*say what it is, for example kind=\"spectrum_image\"")
def ambiguous_stack(folder):
    np.save(folder / "a.npy", np.zeros((4, 4, 4)))
    return io.read(folder / "a.npy")


@case(READ, io.FormatError, "has 2 axes.*kind='movie' needs 3: leave kind= out")
def kind_with_too_many_axes(folder):
    np.save(folder / "a.npy", IMAGE)
    return io.read(folder / "a.npy", kind="movie")


@case(READ, ValueError, "kind='picture' is not known: choose one of image, spectrum")
def unknown_kind(folder):
    np.save(folder / "a.npy", IMAGE)
    return io.read(folder / "a.npy", kind="picture")


@case(READ, ValueError, "pixel_size=-1 must be one positive, finite number")
def negative_pixel_size(folder):
    np.save(folder / "a.npy", IMAGE)
    return io.read(folder / "a.npy", pixel_size=-1)


@case(READ, ValueError, "pixel_size=nan must be one positive, finite number")
def pixel_size_nan(folder):
    np.save(folder / "a.npy", IMAGE)
    return io.read(folder / "a.npy", pixel_size=float("nan"))


@case(READ, ValueError, r"pixel_size=\(0.1, 0.1\) must be one positive, finite number")
def pixel_size_of_two_numbers(folder):
    np.save(folder / "a.npy", IMAGE)
    return io.read(folder / "a.npy", pixel_size=(0.1, 0.1))


@case(READ, ValueError, "units='furlong' is not a unit of length: use one of pm, Å, nm, µm")
def unknown_units(folder):
    np.save(folder / "a.npy", IMAGE)
    return io.read(folder / "a.npy", pixel_size=1, units="furlong")


@case(READ, ValueError, "no scale that lacks a unit: give pixel_size= together with units=")
def units_without_a_scale(folder):
    np.save(folder / "a.npy", IMAGE)
    return io.read(folder / "a.npy", units="nm")


@case(READ, ValueError, "no spatial axis .*: leave pixel_size= and units= out")
def pixel_size_of_a_spectrum(folder):
    np.save(folder / "a.npy", np.arange(9.0))
    return io.read(folder / "a.npy", pixel_size=1)


@case(READ, io.FormatError, r"complex numbers.*save its modulus \(numpy.abs\)")
def complex_numbers(folder):
    np.save(folder / "a.npy", IMAGE.astype(complex))
    return io.read(folder / "a.npy")


@case(READ, io.FormatError, "not numbers: save it as a plain numeric array")
def text_array(folder):
    np.save(folder / "a.npy", np.array([["a", "b"], ["c", "d"]]))
    return io.read(folder / "a.npy")


@case(READ, io.FormatError, r"records \(x, y\), not numbers: save each field")
def record_array(folder):
    np.save(folder / "a.npy", np.zeros((3, 3), [("x", float), ("y", float)]))
    return io.read(folder / "a.npy")


@case(READ, io.FormatError, r"shape \(0, 5\): there is no data in it")
def array_without_elements(folder):
    np.save(folder / "a.npy", np.zeros((0, 5)))
    return io.read(folder / "a.npy")


@case(WRITE, FileExistsError, "pass overwrite=True to replace it, or choose another name")
def existing_output(folder):
    (folder / "a.nc").write_text("mine")
    io.write(array(), folder / "a.nc")


@case(WRITE, FileExistsError, "is a folder, but no zarr store, so it is not replaced")
def a_folder_that_is_no_store(folder):
    (folder / "a.zarr").mkdir()
    (folder / "a.zarr" / "thesis.txt").write_text("mine")
    io.write(array(), folder / "a.zarr", overwrite=True)


@case(WRITE, FileNotFoundError, "results does not exist: create it first")
def missing_parent(folder):
    io.write(array(), folder / "results" / "a.nc")


@case(WRITE, NotADirectoryError, "is a file, not a folder: choose another place")
def parent_is_a_file(folder):
    (folder / "results").write_text("mine")
    io.write(array(), folder / "results" / "a.nc")


@case(WRITE, ValueError, r"cannot be written as '\.dm3', choose one of \.zarr, \.nc, \.hspy")
def unknown_output(folder):
    io.write(array(), folder / "a.dm3")


@case(WRITE, ValueError, "csv is for tables: data.to_dataframe")
def array_to_csv(folder):
    io.write(array(), folder / "a.csv")


@case(WRITE, ValueError, r"a table is written as \.csv or \.xyz, not \.nc")
def table_to_netcdf(folder):
    io.write(pd.DataFrame({"x": [1]}), folder / "a.nc")


@case(WRITE, TypeError, "a list cannot be written: wrap it, xarray.DataArray")
def a_list(folder):
    io.write([1, 2], folder / "a.nc")


@case(WRITE, TypeError, "a 3-D array cannot be written: wrap it, xarray.DataArray")
def bare_cube(folder):
    io.write(np.zeros((2, 2, 2)), folder / "a.nc")


@case(WRITE, ValueError, "complex128 cannot be written: convert it to real numbers")
def complex_output(folder):
    io.write(array().astype(complex), folder / "a.nc")


@case(WRITE, ValueError, "no data in it")
def nothing_to_write(folder):
    io.write(array()[:0], folder / "a.nc")


@case(WRITE, ValueError, r"attrs\['model'\] is a object, which no file holds: remove it")
def attribute_no_file_holds(folder):
    io.write(array(model=object()), folder / "a.nc")


@case(
    WRITE,
    ValueError,
    r"extra coordinate 'row': write \.zarr or \.nc, or drop it with data.drop_vars\('row'\)",
)
def extra_coordinate(folder):
    io.write(array().assign_coords(row=("y", np.arange(64))), folder / "a.hspy")


@case(WRITE, ValueError, "select one plane or channel")
def cube_to_tif(folder):
    io.write(xr.DataArray(np.zeros((2, 3, 4)), dims=("y", "x", "energy")), folder / "a.tif")


@case(WRITE, ValueError, "integers of 32 bits, these are larger")
def integers_too_large_for_tif(folder):
    io.write(array().astype(np.int64) + 2**40, folder / "a.tif")


@pytest.mark.parametrize("name", READ)
def test_reading(tmp_path, name):
    make, exception, message = READ[name]
    with pytest.raises(exception, match=message):
        make(tmp_path)


@pytest.mark.parametrize("name", WRITE)
def test_writing(tmp_path, name):
    make, exception, message = WRITE[name]
    with pytest.raises(exception, match=message):
        make(tmp_path)
    left = {p.name for p in tmp_path.rglob("*") if p.is_file()}
    assert left <= {"a.nc", "thesis.txt", "results"}  # what the case itself put there
    assert all(p.read_text() == "mine" for p in tmp_path.rglob("*") if p.is_file())


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    import tempfile

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)  # a root user may write anywhere
    with pytest.raises(
        PermissionError, match=r"nothing can be written in .*Permission denied.*choose another folder"
    ):
        io.write(array(), tmp_path / "a.nc")


@pytest.mark.parametrize("keep", [0.001, 0.05, 0.3, 0.6, 0.95])
def test_a_truncated_dm3_never_passes(tmp_path, write_dm3, keep):
    path = write_dm3(tmp_path / "a.dm3", IMAGE, [(0, 0.1, "nm"), (0, 0.1, "nm")])
    np.testing.assert_array_equal(io.read(path), IMAGE)
    with pytest.raises(io.FormatError, match=f"a.dm3 could not be read as dm3.*{DAMAGED}"):
        io.read(cut(path, keep))


@pytest.mark.parametrize("keep", [0.05, 0.6, 0.99])
def test_a_truncated_ser_never_passes(tmp_path, write_ser, keep):
    path = write_ser(tmp_path / "a.ser", IMAGE, 1e-10)
    with pytest.raises(io.FormatError, match=f"a.ser could not be read as ser.*{DAMAGED}"):
        io.read(cut(path, keep))


@pytest.mark.parametrize("path", [3, None, b"image.tif"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(TypeError, match="name of a file"):
        io.read(path)


def test_names_that_no_file_system_takes_are_one_sentence():
    with pytest.raises(FileNotFoundError, match="no file ~nobody-of-this-name"):
        io.read("~nobody-of-this-name/x.tif")
    for action in (io.read, lambda p: io.write(np.eye(3), p), io.read_columns):
        with pytest.raises(ValueError, match="more than 255 bytes"):
            action("ä" * 130 + ".tif")
        for name in ("a\0b.tif", "a\ud800b.tif"):
            with pytest.raises(ValueError, match="a character that no name can have"):
                action(name)


@pytest.mark.parametrize("suffix", [".zarr", ".nc", ".tif", ".hspy"])
def test_several_coordinates_in_one_axis_are_one_sentence(tmp_path, suffix):
    stacked = xr.DataArray(np.eye(3), dims=("y", "x")).stack(place=("y", "x"))  # noqa: PD013 (no DataFrame)
    with pytest.raises(ValueError, match="unstack or reset_index"):
        io.write(stacked, tmp_path / f"a{suffix}")


def test_groups_in_a_zarr_store_are_looked_into(tmp_path):
    import zarr

    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.create_dataset("top", data=np.ones((4, 5)))
    group.create_group("day 1").create_group("scan").create_dataset(
        "image", data=np.arange(20.0).reshape(4, 5)
    )
    assert io.signals(tmp_path / "a.zarr").title.tolist() == ["top", "day 1/scan/image"]
    assert io.read(tmp_path / "a.zarr", signal="day 1/scan/image").values[3, 4] == 19
