"""What every finder asks of an image, and nanometres for its table."""

from __future__ import annotations

import numpy as np

from atomlens.io._units import quantity


def as_image(image, *, smallest=16, allow_nan=False):
    """Return (pixels as floats, calibration for `with_nm`), or say what is wrong with the image.

    >>> pixels, calibration = as_image(np.eye(16, dtype="uint8"))
    >>> pixels.dtype, calibration
    (dtype('float64'), {})
    """
    pixels = np.asarray(image)
    if pixels.ndim == 0:
        raise ValueError(
            f"an image is an array, not {type(image).__name__}: pass `sample.data` of a Sample, and read "
            "a file with `atomlens.io.read(path)`"
        )
    if pixels.ndim == 3 and pixels.shape[2] in (3, 4):
        raise ValueError(
            f"an image has two axes (y, x), this colour picture has shape {pixels.shape}: average its "
            "channels, image[..., :3].mean(axis=2)"
        )
    if pixels.ndim != 2:
        raise ValueError(
            f"an image has two axes (y, x), got shape {pixels.shape}: pick one frame, channel or energy first"
        )
    if pixels.dtype.kind not in "buif":
        raise TypeError(
            f"pixels must be real numbers, got {pixels.dtype}: take the modulus or real part first"
        )
    if min(pixels.shape) < smallest:
        raise ValueError(
            f"an image of {pixels.shape} pixels is too small: it needs {smallest} along each axis"
        )
    pixels = pixels.astype(np.float32 if pixels.dtype == np.float32 else float)
    finite = np.isfinite(pixels)
    if not allow_nan and not finite.all():
        raise ValueError(
            f"{finite.size - np.count_nonzero(finite)} pixels are NaN or infinite: fill them first, "
            "for example with the median of their neighbours"
        )
    if not finite.any() or np.ptp(pixels[finite]) == 0:
        raise ValueError("the image is constant: there is nothing to find")
    return pixels, _calibration(image)


def _calibration(image):
    """First position and step, in nm, of each axis whose coordinate is a length."""
    found = {}
    for axis, dim in zip("yx", getattr(image, "dims", ()), strict=False):
        if dim not in image.coords or image.sizes[dim] < 2:
            continue
        what, factor, _ = quantity(image.coords[dim].attrs.get("units"))
        if what == "length":
            first, last = image.coords[dim].values[[0, -1]] * factor
            found[axis] = (float(first), float(last - first) / (image.sizes[dim] - 1))
    return found


def with_nm(table, calibration):
    """Return the table with ``x_nm`` and ``y_nm`` where the image was calibrated.

    >>> import pandas as pd
    >>> with_nm(pd.DataFrame({"x": [1.5]}), {"x": (2.0, 0.1)}).x_nm.tolist()
    [2.15]
    """
    return table.assign(
        **{f"{axis}_nm": first + step * table[axis] for axis, (first, step) in calibration.items()}
    )


def like(image, values):
    """Return `values` as a DataArray if the image was one, with its coordinates and attributes."""
    return image.copy(data=values) if hasattr(image, "coords") else values
