"""Loaders of the spectrum images and line scans: each knows the traps of its files."""

import numpy as np

from atomlens import io


def cuzn_eels(entry, get):
    """EELS of Cu and Zn, with HAADF; the truth is the source's own fit."""
    import xarray as xr

    data = io.read(get("CuZn_EELS_mapping_tutorial.hspy"))
    haadf = io.read(get("CuZn_HAADF.hspy"))
    for array in (data, haadf):
        array.attrs.pop("sample_description", None)  # a stale template: it names another sample
    maps = {name: io.read(get(f"{name}_map.hspy")) for name in ("Cu", "Zn")}
    return data, xr.Dataset(maps, attrs={"what": entry.truth}), {"haadf": haadf}


def lsmo_sto_eels(entry, get):
    """Core loss as the data, low loss of the same points as an extra."""
    low_loss = io.read(get("LSMO_STO_linescan_low_loss.hspy"))
    return io.read(get("LSMO_STO_linescan.hspy")), None, {"low_loss": low_loss}


def gaas_eels(entry, get):
    """Layered (Al)GaAs: `io.read` puts the axes right; the counts stay as recorded."""
    (name,) = entry.files
    return io.read(get(name)), None, {}


def mn3o4_eels_simulated(entry, get):
    """Published simulation without any calibration in space."""
    import xarray as xr

    path = get("SI_data.npz")
    data = io.read(path, signal="X", kind="spectrum_image").rename(channel="energy")
    with np.load(path, allow_pickle=False) as archive:
        energy = archive["ev"]
    data = data.assign_coords(energy=xr.Variable("energy", energy, {"units": "eV"}))
    return data, None, {}
