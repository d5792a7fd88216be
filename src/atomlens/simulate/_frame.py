"""The frame of a simulated image: its grid in nm, and the columns that lie in it."""

from __future__ import annotations

import numpy as np
import xarray as xr


def checked_shape(shape, size, pixel_size):
    """(H, W) of an image: as asked for, or the field of view `size` (nm) in pixels."""
    if not pixel_size > 0:
        raise ValueError(f"pixel_size must be positive, got {pixel_size} nm")
    if shape is None:
        if size is None:
            raise ValueError("a bare table of columns has no field of view: give the `shape` of the image")
        shape = (round(size[1] / pixel_size), round(size[0] / pixel_size))
    if min(shape) < 1:
        raise ValueError(f"an image of shape {shape} has no pixels: enlarge the field or shrink pixel_size")
    return tuple(shape)


def calibrated(values, pixel_size, *, units, long_name):
    """Image with coordinates in nm, the first pixel's centre at the origin."""
    coords = {
        dim: xr.DataArray(np.arange(n) * pixel_size, dims=dim, attrs={"units": "nm", "long_name": dim})
        for dim, n in zip(("y", "x"), values.shape, strict=True)
    }
    attrs = {"units": units, "long_name": long_name, "pixel_size_nm": float(pixel_size)}
    return xr.DataArray(values, dims=("y", "x"), coords=coords, name="image", attrs=attrs)


def within(x, y, shape):
    """Which positions, in pixels, lie on the image."""
    return (x >= -0.5) & (x < shape[1] - 0.5) & (y >= -0.5) & (y < shape[0] - 0.5)


def truth_table(table, x, y, shape, pixel_size, **measured):
    """Rows of the columns that lie on the image: place, label, species, what was measured, and the rest."""
    place = {"x": x, "y": y, "x_nm": x * pixel_size, "y_nm": y * pixel_size}
    truth = table.assign(**place, **measured)[within(x, y, shape)].drop(columns=["visible", "weight"])
    first = [*place, "label", "species", *measured]
    return truth[first + [c for c in truth.columns if c not in first]].reset_index(drop=True)
