"""Loaders of collections: many images of one kind, one member a name."""

import numpy as np

from atomlens import io
from atomlens.datasets._images import with_nm

OFF_PEAK_NM = 0.03


def index(entry):
    """Return the table of members; it comes from the registry, no file is needed."""
    import pandas as pd

    rows = [{"name": f"{entry.name}/{member}", **facts} for member, facts in entry.members.items()]
    table = pd.DataFrame(rows)
    table["shape"] = table["shape"].map(tuple)
    return table


def graphene_si(entry, get):
    """One image of a Si defect in graphene; positions and elements of its atoms are the truth."""
    (name,) = entry.files
    path = get(name)
    image, width, beam_energy, atoms = _open_library_file(path)
    data = io.read(path, signal="nn_input", pixel_size=width / image.shape[1])
    data.attrs |= {
        "title": entry.name,
        "beam_energy_keV": beam_energy,
        "note_pixel_size": "recorded scan size",
        "defect_class": name.partition("/")[0],
    }
    atoms = with_nm(atoms, data)
    atoms["off_peak"] = (atoms["label"] == "Si") & (_distance_to_peak(data, atoms) > OFF_PEAK_NM)
    return data, atoms, {}


def _open_library_file(path):
    import json

    import h5py
    import pandas as pd

    with h5py.File(path) as file:
        image = file["nn_input"][0, :, :, 0]
        width = float(file["nn_input"].attrs["scan size"]) / 1000  # recorded in pm
        beam_energy = float(json.loads(file["nn_input"].attrs["metadata"])["acc voltage"])
        tables = []
        for i, key in enumerate(sorted(k for k in file if k.startswith("defect_coord_"))):
            x, y, element = np.char.decode(file[key][()], "ascii").T
            columns = {"x": x.astype(float), "y": y.astype(float), "label": element, "defect": i}
            tables.append(pd.DataFrame(columns))
    return image, width, beam_energy, pd.concat(tables, ignore_index=True)


def _distance_to_peak(data, atoms):
    """Distance in nm from each position to the brightest spot within 0.1 nm of it."""
    from scipy.ndimage import gaussian_filter

    step = float(data.x[1] - data.x[0])
    smooth = gaussian_filter(data.values.astype(float), OFF_PEAK_NM / step)
    row, column = np.indices(smooth.shape)
    distances = []
    for x, y in zip(atoms["x"], atoms["y"], strict=True):
        away = np.hypot(row - y, column - x) * step
        distances.append(away.flat[np.argmax(np.where(away <= 0.1, smooth, -np.inf))])
    return np.array(distances)


def pt_single_atoms(entry, get):
    """One image of Pt atoms with the positions a person marked, in whole pixels."""
    import pandas as pd

    table, picture = sorted(entry.files, key=lambda name: name.endswith(".tif"))
    data = io.read(get(picture))
    atoms = pd.read_csv(get(table), index_col=0)[["X", "Y"]].rename(columns=str.lower).reset_index(drop=True)
    return data, with_nm(atoms.astype(float), data), {}


def members_of(names):
    """Group file names by member.

    >>> members_of(["Si1C3/10.hdf5", "021_image.tif", "021_Results.csv"])
    {'Si1C3/10': ['Si1C3/10.hdf5'], '021': ['021_image.tif', '021_Results.csv']}
    """
    groups = {}
    for name in names:
        member = name.removesuffix(".hdf5") if name.endswith(".hdf5") else name.partition("_")[0]
        groups.setdefault(member, []).append(name)
    return groups
