"""Loaders of the images and of the column table: each knows the traps of its files."""

import json

import numpy as np

from atomlens import io
from atomlens.datasets._unpickle import load_dictionary

MOS2_RING_NM = 0.316 * np.sqrt(3) / 2  # spacing of the (10) lines of MoS2


def image(entry, get):
    """One image as its file gives it."""
    (name,) = entry.files
    return io.read(get(name)), None, {}


def mos2_haadf(entry, get):
    """Calibrate from the json beside the array, or, where the lattice contradicts it, from the lattice."""
    array, record = sorted(entry.files, key=lambda name: name.endswith(".json"))
    meta = json.loads(get(record).read_text(encoding="utf-8"))
    experiment = meta["experimental_details"]
    data = io.read(get(array))
    recorded = experiment["spatial_info"]["field_of_view_x"]
    measured = MOS2_RING_NM * first_ring(data.values) * data.sizes["x"]
    agree = abs(measured / recorded - 1) < 0.1
    data = io.read(get(array), pixel_size=(recorded if agree else measured) / data.sizes["x"])
    data.attrs |= {
        "sample_description": meta["material_type"],
        "beam_energy_keV": float(experiment["voltage"].split()[0]),
        "field_of_view_nm_recorded": recorded,
        "field_of_view_nm_from_lattice": round(float(measured), 2),
        "note_pixel_size": "recorded" if agree else "from the lattice, the recorded one is wrong",
    }
    return data, None, {}


def first_ring(image, *, lowest=0.03, highest=0.09):
    """Return the mean radius, in cycles a pixel, of the three strongest spot pairs of a hexagonal lattice."""
    from atomlens._maxima import local_maxima

    pad, n = 4, min(image.shape)
    window = np.hanning(n)
    values = (image[:n, :n] - image[:n, :n].mean()) * np.outer(window, window)
    power = np.abs(np.fft.rfft2(values, (pad * n, pad * n)))  # half the plane: one spot of each pair
    ky, kx = np.fft.fftfreq(pad * n)[:, None], np.fft.rfftfreq(pad * n)
    radius = np.hypot(ky, kx)
    power[(radius < lowest) | (radius > highest) | ((kx == 0) & (ky < 0))] = 0
    spots = np.flatnonzero(local_maxima(power, 4 * pad) & (power > 0))
    strongest = spots[np.argsort(power.flat[spots])[-3:]]
    return radius.flat[strongest].mean()


def ws2_wsse(entry, get):
    """8-bit images; the conversion state stands in the file name."""
    data, _, _ = image(entry, get)
    data.attrs["conversion"] = "full" if "_full_" in entry.name else "partial"
    return data, None, {}


def graphene_atoms(entry, get):
    """Image and the atoms a network found: a pickled dictionary {image: rows of (row, column, class)}."""
    import pandas as pd

    coordinates = next(name for name in entry.files if name.endswith("-coord.npy"))
    picture = next(name for name in entry.files if name != coordinates)
    width = {"graphene_grain_boundary": 4.0, "graphene_si_2nm": 2.0}[entry.name]
    data = io.read(get(picture))
    data = io.read(get(picture), pixel_size=width / data.sizes["x"])
    (found,) = load_dictionary(get(coordinates), entry.files[coordinates].sha256).values()
    atoms = pd.DataFrame({"x": found[:, 1], "y": found[:, 0], "label": found[:, 2].astype(int)})
    return data, with_nm(atoms, data), {}


def with_nm(table, data):
    """Add x_nm, y_nm to a table in pixels of a calibrated image."""
    for axis in ("x", "y"):
        values = data[axis].values
        table[f"{axis}_nm"] = values[0] + table[axis] * (values[1] - values[0])
    return table


def pto_sro_haadf(entry, get):
    """Crop of a larger image, with the positions of one sublattice."""
    import pandas as pd

    data = io.read(get("Cropped_PTO-SRO_Aligned.hspy"))
    positions = np.load(get("atom_positions1.npy"), allow_pickle=False)
    return data, with_nm(pd.DataFrame(positions, columns=["x", "y"]), data), {}


def cdte_twin(entry, get):
    """Image, with the two slabs its authors describe as an extra."""
    slabs = json.loads(get("config.json").read_text(encoding="utf-8"))
    return io.read(get("HAADF26.dm3")), None, {"slabs": slabs}


def cu2o_stm(entry, get):
    """Text matrix of heights in metres; levelled heights as an extra, the data as recorded."""
    import xarray as xr

    path = get("03h_Cu2O_111_034_fwd_z_plane.txt")
    heights = np.loadtxt(path, comments="#") * 1e9
    coords = {dim: (dim, np.arange(512) * 15.0 / 512, {"units": "nm"}) for dim in ("y", "x")}
    attrs = {"file": path.name, "sha256": io.sha256(path), "kind": "image", "quantity": "height (nm)"}
    data = xr.DataArray(heights, dims=("y", "x"), coords=coords, attrs=attrs)
    return data, None, {"levelled": _level(data)}


def _level(data):
    """Subtract the plane of least squares."""
    y, x = np.indices(data.shape)
    basis = np.column_stack([y.ravel(), x.ravel(), np.ones(data.size)])
    plane = np.linalg.lstsq(basis, data.values.ravel(), rcond=None)[0]
    return data.copy(data=data.values - (basis @ plane).reshape(data.shape))


def bfo_columns(entry, get):
    """Columns of Bi and Fe as the data; the published polarisation of Fe columns as the truth."""
    import pandas as pd

    tables = []
    for element in ("Bi", "Fe"):
        positions = np.loadtxt(get(f"{element}_positions_refined.txt"))
        tables.append(pd.DataFrame(positions, columns=["x", "y"]).assign(label=element))
    published = np.loadtxt(get("result_refined.txt"))[:, :6]
    names = ["x", "y", "angle", "magnitude", "dx", "dy"]
    return pd.concat(tables, ignore_index=True), pd.DataFrame(published, columns=names), {}


def afm_movie(entry, get):
    """The only file, a movie."""
    (name,) = entry.files
    return io.read(get(name)), None, {}
