"""Write the small files of data/samples: simulated, deterministic, under 300 KB together.

They let every reader and lesson start without a network. Run `python data/make_samples.py` after changing
this file; a test compares the stored files with what it makes.
"""

from pathlib import Path

import numpy as np
import xarray as xr

from atomlens import io

HERE = Path(__file__).parent / "samples"


def _axis(dim, size, step, units, start=0.0, **attrs):
    return xr.Variable(dim, start + step * np.arange(size), {"units": units, **attrs})


def spectrum_image():
    """Two phases under a thickness wedge: an edge at 532 eV everywhere, another at 640 eV on the right."""
    rng = np.random.default_rng(1)
    energy = _axis("energy", 128, 2.0, "eV", 500.0, long_name="energy loss")
    background = (energy.values / 500) ** -3.0
    oxygen = 0.5 * (energy.values > 532) * (energy.values / 532) ** -3.0
    metal = 0.6 * (energy.values > 640) * (energy.values / 640) ** -3.0
    right = (np.arange(24) >= 12)[None, :, None]
    wedge = np.linspace(1.0, 2.0, 24)[:, None, None]
    expected = 400 * wedge * (background + oxygen + right * metal)
    coords = {"y": _axis("y", 24, 0.5, "nm"), "x": _axis("x", 24, 0.5, "nm"), "energy": energy}
    counts = rng.poisson(expected).astype(np.uint16)
    attrs = {"title": "spectrum_image", "beam_energy_keV": 200.0, "signal_type": "EELS"}
    return xr.DataArray(counts, coords, ("y", "x", "energy"), attrs=attrs)


def image():
    """Hexagonal lattice, 0.3 nm apart, one column missing, 0.02 nm a pixel."""
    rng = np.random.default_rng(2)
    y, x = np.indices((128, 128)) * 0.02
    expected = np.full((128, 128), 20.0)
    for i in range(-2, 12):
        for j in range(-8, 12):
            centre_y, centre_x = 0.2 + 0.3 * np.sqrt(0.75) * i, 0.2 + 0.3 * (j + i / 2)
            if (i, j) != (4, 2):
                expected += 80 * np.exp(-((y - centre_y) ** 2 + (x - centre_x) ** 2) / (2 * 0.05**2))
    coords = {"y": _axis("y", 128, 0.02, "nm"), "x": _axis("x", 128, 0.02, "nm")}
    return xr.DataArray(rng.poisson(expected).astype(np.uint16), coords, ("y", "x"), attrs={"title": "image"})


def curves():
    """Current-voltage curves of 40 points, half ohmic, half rectifying: arrays ``bias`` and ``current``."""
    rng = np.random.default_rng(3)
    bias = np.linspace(-1, 1, 65)
    ohmic, diode = bias, np.expm1(3 * bias) / 10
    current = np.where(np.arange(40)[:, None] < 20, ohmic, diode) + 0.02 * rng.standard_normal((40, 65))
    return {"bias": bias, "current": current.astype(np.float32)}


def main(folder=HERE):
    """Write all three."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    io.write(spectrum_image(), folder / "spectrum_image.hspy", overwrite=True)
    io.write(image(), folder / "image.tif", overwrite=True)
    np.savez_compressed(folder / "curves.npz", **curves())


if __name__ == "__main__":
    main()
