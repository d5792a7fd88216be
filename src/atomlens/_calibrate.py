"""The size of a pixel from a known lattice: over the rooms like the face, since it needs a lattice."""

from __future__ import annotations

import numpy as np


def calibrated(image, lattice):
    """`io.calibrate`."""
    import xarray as xr

    from atomlens.lattice import estimate

    values = image.values if isinstance(image, xr.DataArray) else np.asarray(image)
    if values.ndim != 2:
        raise ValueError(f"an image has two axes, got {values.ndim}: select one with isel")
    known = np.atleast_1d(lattice).tolist()
    if len(known) not in (1, 2) or not all(isinstance(n, int | float) for n in known):
        raise ValueError(f"lattice must be one length in nm, or two, got {lattice!r}")
    # Without the old scale, which is to be replaced: pixels are taken as square.
    found = estimate(values).required()
    # The shorter length belongs to the shorter vector.
    a, b = sorted(known * (2 // len(known)), reverse=bool(found.lengths[0] > found.lengths[1]))
    size = found.calibrated(a, b).pixel_size_nm
    array = image if isinstance(image, xr.DataArray) else xr.DataArray(values, dims=("y", "x"))
    coords = {
        dim: (dim, size * np.arange(n), {"units": "nm"})
        for dim, n in zip(array.dims, array.shape, strict=True)
    }
    array = array.drop_vars([d for d in array.dims if d in array.coords]).assign_coords(coords)
    lengths = " and ".join(f"{n:.2f}" for n in found.lengths)
    said = f"{size:.5g} nm, since the lattice vectors of {lengths} pixels are {a:g} and {b:g} nm long"
    gone = ("scale_without_unit", "note_scale", "note_scale_x", "note_scale_y")
    array.attrs = {k: v for k, v in array.attrs.items() if k not in gone} | {"note_pixel_size": said}
    if found.doubts:
        array.attrs["doubts"] = list(found.doubts)
    return array
