"""Tables of columns from other programs, and pixels from a known lattice."""

import struct

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import xarray as xr

from atomlens import io
from atomlens.lattice import NotPeriodicError

XY = np.array([[10.0, 20.0], [30.5, 40.25], [50.0, 60.0]])


def table(folder, content, name="a.csv", **options):
    (folder / name).write_text(content, encoding="utf-8")
    return io.read_columns(folder / name, **options)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("x,y\n10,20\n30.5,40.25\n50,60\n", "a.csv"),
        (" ,X,Y\n1,10,20\n2,30.5,40.25\n3,50,60\n", "a.csv"),  # as ImageJ counts its rows
        ("X;Y\n10,0;20,0\n30,5;40,25\n50,0;60,0\n", "a.csv"),  # as half of Europe writes decimals
        ("10 20\n30.5 40.25\n50 60\n", "a.txt"),
        ("# made by hand\n1.0e1\t20\n3.05e1\t40.25\n50\t60\n", "a.tsv"),
        ("y position [px], x position [px]\n20,10\n40.25,30.5\n60,50\n", "a.csv"),
        ("row,col\n20,10\n40.25,30.5\n60,50\n", "a.csv"),
        ('"Y (pixel)","X (pixel)"\n"20","10"\n"40.25","30.5"\n"60","50"\n', "a.csv"),
        ("\ufeffx,y\n10,20\n30.5,40.25\n50,60\n", "a.csv"),
    ],
)
def test_positions_whatever_they_are_called(tmp_path, content, name):
    found = table(tmp_path, content, name)
    np.testing.assert_array_equal(found[["x", "y"]], XY)
    assert [*found] == ["x", "y"]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("x_nm,y_nm\n0.2,0.4\n0.61,0.805\n1.0,1.2\n", {}),
        ("X (nm),Y (nm)\n0.2,0.4\n0.61,0.805\n1.0,1.2\n", {}),
        ("x_pm,y_pm\n200,400\n610,805\n1000,1200\n", {}),
        ("x [Å],y [Å]\n2,4\n6.1,8.05\n10,12\n", {}),
        ("x,y\n2,4\n6.1,8.05\n10,12\n", {"units": "Å"}),
        ("x,y,x_nm,y_nm\n10,20,0.2,0.4\n30.5,40.25,0.61,0.805\n50,60,1.0,1.2\n", {}),
    ],
)
def test_lengths_become_pixels(tmp_path, content, options):
    found = table(tmp_path, content, pixel_size=0.02, **options)
    np.testing.assert_allclose(found[["x", "y"]], XY)
    np.testing.assert_allclose(found[["x_nm", "y_nm"]], 0.02 * XY)


def test_other_columns_stay_and_rows_without_positions_go(tmp_path):
    found = table(tmp_path, "x,y,label,name,size\n10,20,1,Pb,0.5\n,4,2,Ti,0.5\n50,60,0,Pb,\n")
    assert found["label"].tolist() == [1, 0]
    assert found["name"].tolist() == ["Pb", "Pb"]
    assert np.isnan(found["size"][1])
    assert "1 rows without a position" in found.attrs["note_columns"]


def test_what_columns_writes_reads_back(tmp_path):
    columns = pd.DataFrame(XY, columns=["x", "y"]).assign(label=[0, 1, 0])
    io.write(columns, tmp_path / "a.csv")
    pd.testing.assert_frame_equal(io.read_columns(tmp_path / "a.csv"), columns, check_dtype=False)


def test_the_first_pixel_may_be_called_otherwise(tmp_path):
    found = table(tmp_path, "x,y\n10.5,20.5\n", origin=0.5)
    assert found.iloc[0].tolist() == [10, 20]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("#,x,y\n1,10,20\n2,30.5,40.25\n3,50,60\n", "a.csv"),  # names as a comment, with a number of the row
        ("# y x\n20 10\n40.25 30.5\n60 50\n", "a.txt"),  # the same, turned round
        ("row,x,y\n1,10,20\n2,30.5,40.25\n3,50,60\n", "a.csv"),  # a row of the table, not of the image
        ("column,y,x\n1,20,10\n2,40.25,30.5\n3,60,50\n", "a.csv"),
        ("x_center,y_center,x,y\n0,0,10,20\n0,0,30.5,40.25\n0,0,50,60\n", "a.csv"),
        ("XM,YM,X,Y\n0,0,10,20\n0,0,30.5,40.25\n0,0,50,60\n", "a.csv"),
        ("label,x,y,0,1\n7,10,20,.1,.2\n8,30.5,40.25,.1,.2\n9,50,60,.1,.2\n", "a.csv"),
        ("Results of Tuesday\n\nx,y\n10,20\n30.5,40.25\n50,60\n", "a.csv"),
        ("sep=;\nx;y\n10;20\n30.5;40.25\n50;60\n", "a.csv"),
        ("x,y,\n10,20,\n30.5,40.25,\n50,60,\n", "a.csv"),
        ("x,y\n10,20 # first\n30.5,40.25\n50,60\n", "a.csv"),
        ("centroid-0,centroid-1\n20,10\n40.25,30.5\n60,50\n", "a.csv"),  # of scikit-image
        ("x,y\n1.0D+01,2.0D+01\n30.5,40.25\n50,60\n", "a.csv"),  # of Fortran
    ],
)
def test_tables_that_could_be_mistaken(tmp_path, content, name):
    np.testing.assert_array_equal(table(tmp_path, content, name)[["x", "y"]], XY)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_what_excel_writes(tmp_path, encoding):
    (tmp_path / "a.txt").write_text("x (µm)\ty (µm)\n0.001\t0.002\n", encoding=encoding)
    found = io.read_columns(tmp_path / "a.txt", pixel_size=0.1)
    assert found[["x", "y"]].to_numpy().tolist() == [[10, 20]]


@pytest.mark.parametrize(
    "content",
    ['x,y\n"1,024.5","2,048"\n', "x;y\n1.024,5;2.048,0\n", "x;y\n1,024.5;2,048.0\n", "x,y\n1024.5,2048\n"],
)
def test_thousands(tmp_path, content):
    assert table(tmp_path, content)[["x", "y"]].to_numpy().tolist() == [[1024.5, 2048]]


def test_texts_that_look_like_numbers_stay_texts(tmp_path):
    found = table(tmp_path, "x,y,element,label\n1,2,Na,A\n3,4,In,7\n5,6,NaN,1e5\n")
    assert found["element"].tolist() == ["Na", "In", "NaN"]
    assert found["label"].tolist() == ["A", "7", "1e5"]


def test_a_sign_within_a_text_is_no_remark(tmp_path):
    found = table(tmp_path, "x,y,name,n\n10,20 # first,atom #3,7\n30,40,atom #4,8\n")
    assert found["name"].tolist() == ["atom #3", "atom #4"]
    assert found[["x", "y", "n"]].to_numpy().tolist() == [[10, 20, 7], [30, 40, 8]]


def test_columns_numbered_by_pandas(tmp_path):
    found = table(tmp_path, "0,1\n10.5,20.5\n")
    assert found[["x", "y"]].to_numpy().tolist() == [[10.5, 20.5]]
    assert "numbers of columns, not as a position" in found.attrs["note_columns"]


def test_a_position_that_is_none_is_an_error_not_a_row_less(tmp_path):
    with pytest.raises(io.FormatError, match=r"has '1\.2\.3' where a position should be \(row 2\)"):
        table(tmp_path, "x,y\n1,2\n1.2.3,4\n5,6\n")
    assert "1 rows without" in table(tmp_path, "x,y\n#N/A,4\n1,2\n").attrs["note_columns"]


def test_scales_that_contradict_each_other(tmp_path):
    own = "x,y,x_nm,y_nm\n10,20,1,2\n30,40,3,4\n"
    assert table(tmp_path, own)["x_nm"].tolist() == [1, 3]
    assert table(tmp_path, own, pixel_size=0.1)["y_nm"].tolist() == [2, 4]
    with pytest.raises(io.FormatError, match="'x_nm' that differs"):
        table(tmp_path, own, pixel_size=0.5)
    with pytest.raises(ValueError, match="positions in nm, as 'x_nm' says, not px"):
        table(tmp_path, "x_nm,y_nm\n1,2\n", units="px")
    found = table(tmp_path, "x [m],y [m]\n1e-9,2e-9\n", pixel_size=0.1)
    np.testing.assert_allclose(found[["x", "y"]], [[10, 20]])


def test_an_image_is_no_table(tmp_path):
    np.savetxt(tmp_path / "a.txt", np.zeros((100, 100)))
    with pytest.raises(io.FormatError, match="looks like an image"):
        io.read_columns(tmp_path / "a.txt")
    scipy.io.savemat(tmp_path / "a.mat", {"image": np.zeros((100, 100))})
    with pytest.raises(io.FormatError, match="there are: none"):
        io.read_columns(tmp_path / "a.mat")


# Matlab


def test_a_matrix_of_matlab_counts_from_one(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"positions": XY + 1, "other": np.zeros(3)})
    np.testing.assert_array_equal(io.read_columns(tmp_path / "a.mat")[["x", "y"]], XY)


def test_structs_of_statstem(tmp_path):
    """Its lengths are in Angstrom, the first pixel is at one step, and a height goes with a width."""
    step = 0.2
    output = {
        "coordinates": np.column_stack([(XY + 1) * step, [1, 2, 1]]),
        "dx": step,
        "rho": np.full((3, 1), 5 * step),
        "eta": np.full((3, 1), 7.0),
    }
    # The starting values, which are in the file too, are worth less.
    scipy.io.savemat(
        tmp_path / "a.mat", {"input": output | {"coordinates": XY, "rho": 0.0}, "output": output}
    )
    found = io.read_columns(tmp_path / "a.mat")
    np.testing.assert_allclose(found[["x", "y"]], XY)
    np.testing.assert_allclose(found[["x_nm", "y_nm"]], XY * 0.02)
    assert found["label"].tolist() == [1, 2, 1]
    np.testing.assert_allclose(found["sigma"], 5)
    np.testing.assert_allclose(found["intensity"], 2 * np.pi * 25 * 7)


def write_mat73(path, variables):
    """A file of version 7.3, as MATLAB lays it out: transposed, the class noted, structs as groups."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in variables.items():
            file[name] = np.asarray(values).T
            file[name].attrs["MATLAB_class"] = np.bytes_("char" if "text" in name else "double")
    with path.open("r+b") as file:
        head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + struct.pack("<H2s", 0x0200, b"IM")
        file.write(head)
    return path


def test_version_73_of_matlab(tmp_path):
    text = np.full((5, 4), 65, np.uint16)
    path = write_mat73(tmp_path / "a.mat", {"positions": XY + 1, "image": np.zeros((50, 50)), "text": text})
    np.testing.assert_array_equal(io.read_columns(path)[["x", "y"]], XY)
    path = write_mat73(tmp_path / "b.mat", {"image": np.zeros((50, 50)), "text": text})
    with pytest.raises(io.FormatError, match="there are: none"):
        io.read_columns(path)


def test_structs_of_statstem_in_version_73(tmp_path):
    output = {
        "coordinates": (XY + 1) * 0.2,
        "dx": [[0.2]],
        "rho": np.full((3, 1), 1.0),
        "eta": np.ones((3, 1)),
    }
    path = write_mat73(tmp_path / "a.mat", {f"output/{name}": values for name, values in output.items()})
    found = io.read_columns(path)
    np.testing.assert_allclose(found[["x", "y"]], XY)
    np.testing.assert_allclose(found[["x_nm", "y_nm"]], XY * 0.02)
    np.testing.assert_allclose(found["sigma"], 5)


def test_version_73_of_matlab_reads_no_other_files(tmp_path):
    path = write_mat73(tmp_path / "a.mat", {"positions": XY})
    with h5py.File(path, "a") as file:
        file["other"] = h5py.ExternalLink("/etc/hostname", "/")
    with pytest.raises(io.FormatError, match="outside its folder"):
        io.read_columns(path)


def test_a_sparse_matrix_of_matlab_is_no_table(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"positions": scipy.sparse.csc_matrix(XY)})
    with pytest.raises(io.FormatError, match="there are: none"):
        io.read_columns(tmp_path / "a.mat")


def workspace(values):
    """The file within a file in which MATLAB keeps the properties of one object: {name: array}."""
    names = b"".join(name.encode() + b"\0" for name in values)
    names += bytes(-len(names) % 8)
    properties = [len(values), *(n for i in range(len(values)) for n in (i + 1, 1, i))]
    properties += [0] * (len(properties) % 2)
    begin = 40 + len(names)
    end = begin + 8 + 4 * len(properties)
    offsets = [begin, begin, begin, begin, end, end]
    head = struct.pack("<8I", 3, len(values), *offsets) + bytes(8)
    table = head + names + bytes(8) + struct.pack(f"<{len(properties)}I", *properties)
    cells = np.empty((len(values) + 2, 1), dtype=object)
    cells[0, 0] = np.frombuffer(table, np.uint8).reshape(-1, 1)
    cells[1, 0] = np.zeros((1, 0))
    for i, value in enumerate(values.values(), start=2):
        cells[i, 0] = np.atleast_2d(value)
    return cells


def test_objects_of_statstem(monkeypatch):
    """As MATLAB saves classes; the layout around the values is read by scipy, and stands in here."""
    from atomlens.io import _matlab

    values = {"coordinates": (XY + 1) * 0.2, "name": np.array([["a"]]), "dx": 0.2}
    wrapped = np.empty((1, 1), dtype=[("MCOS", object)])
    opaque = np.empty(1, dtype=[("arr", object)])
    opaque["arr"][0] = workspace(values)
    wrapped["MCOS"][0, 0] = opaque
    monkeypatch.setattr("scipy.io.matlab.varmats_from_mat", lambda stream: [("", stream)])
    monkeypatch.setattr("scipy.io.loadmat", lambda stream: {"__function_workspace__": wrapped})
    (found,) = _matlab._objects(np.zeros((1, 16), np.uint8))
    assert [*found] == [*values]
    np.testing.assert_array_equal(found["coordinates"], values["coordinates"])


# Bad input


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("x_nm,y_nm\n1,2\n", {}, "positions in nm: pass pixel_size="),
        ("a,b\n1,2\n", {}, "names no columns x and y, but a, b: rename two of them"),
        ("x,label\n1,2\n", {}, "names no columns x and y"),
        ("x,y\n,\n", {}, "it needs two columns of numbers"),
        ("just a sentence\nand another one here\n", {}, "is no table|no columns"),
        ("# nothing\n", {}, "holds no line"),
        ("x,y\n1,2\n3\n4\n5\n", {}, "different numbers of entries"),
        ("", {}, "is empty"),
    ],
)
def test_tables_that_are_none(tmp_path, content, options, message):
    with pytest.raises(io.FormatError, match=message):
        table(tmp_path, content, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pixel_size": 0}, "pixel_size must be a length"),
        ({"units": "eV"}, "no unit of positions"),
        ({"origin": np.nan}, "origin must be a number"),
    ],
)
def test_options(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        table(tmp_path, "x,y\n1,2\n", **options)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="check the name"):
        io.read_columns(tmp_path / "a.csv")
    (tmp_path / "a.tif").write_text("x")
    with pytest.raises(io.FormatError, match=r"images are for io\.read"):
        io.read_columns(tmp_path / "a.tif")
    (tmp_path / "a.mat").write_text("x")
    with pytest.raises(io.FormatError, match=r"a\.mat could not be read as mat"):
        io.read_columns(tmp_path / "a.mat")
    (tmp_path / "b.csv").write_text("x,y\n1,2\n")
    with pytest.raises(io.FormatError, match=r"is read by io\.read_columns"):
        io.read(tmp_path / "b.csv")
    scipy.io.savemat(tmp_path / "c.mat", {"a": XY, "b": XY})
    with pytest.raises(io.FormatError, match=r"the one named with name=; there are: 'a' \(3, 2\), 'b'"):
        io.read_columns(tmp_path / "c.mat")
    assert len(io.read_columns(tmp_path / "c.mat", name="b")) == 3


# Pixels from a lattice


def crystal(a, b, angle=0.3):
    """An image of 256 pixels: two lattice vectors of these lengths, at right angles."""
    y, x = np.mgrid[:256, :256]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    waves = np.cos(2 * np.pi * along / a) + np.cos(2 * np.pi * across / b)
    return np.random.default_rng(0).poisson(10 * np.exp(1.5 * waves))


def test_calibrate():
    old = {"y": ("y", 7.0 * np.arange(256), {"units": "nm"}), "x": ("x", np.arange(256), {"units": "px"})}
    image = xr.DataArray(crystal(16, 16), old, ("y", "x"), attrs={"title": "t", "scale_without_unit": 2.0})
    found = io.calibrate(image, lattice=0.3905)
    for dim in "yx":
        assert found[dim].attrs["units"] == "nm"
        assert float(found[dim][1]) == pytest.approx(0.3905 / 16, rel=1e-3)
    assert found.attrs["title"] == "t"
    assert "scale_without_unit" not in found.attrs
    assert "0.3905" in found.attrs["note_pixel_size"]
    assert image.attrs == {"title": "t", "scale_without_unit": 2.0}


def test_calibrate_with_two_lengths_in_either_order():
    for lengths in ((0.4, 0.6), (0.6, 0.4)):
        found = io.calibrate(crystal(16, 24), lattice=lengths)
        assert float(found.x[1]) == pytest.approx(0.025, rel=1e-3)


def test_calibrate_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="Give the parameters of these vectors"):
        io.calibrate(crystal(16, 24), lattice=0.4)
    with pytest.raises(ValueError, match="positive lengths"):
        io.calibrate(crystal(16, 16), lattice=-1)
    with pytest.raises(ValueError, match="one length in nm, or two"):
        io.calibrate(crystal(16, 16), lattice=(1, 2, 3))
    with pytest.raises(NotPeriodicError):
        io.calibrate(np.random.default_rng(0).poisson(9, (128, 128)), lattice=0.4)


def test_a_matrix_of_matlab_that_lies_on_its_side_is_put_upright(tmp_path):
    xy = np.random.default_rng(0).uniform(5, 90, (60, 2))
    scipy.io.savemat(tmp_path / "a.mat", {"positions": xy.T + 1})
    table = io.read_columns(tmp_path / "a.mat")
    assert np.allclose(table[["x", "y"]], xy)
