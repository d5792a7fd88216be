"""An image as the numerics take it: what is checked, what is mended, and the way back to its units.

Every function on an image begins with `prepare`. What is done to all images is done here: the checks, hot
pixels, and the calibration. Pixels that a user wants left out, or that are not square, belong here too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter

from atomlens._units import quantity

_RING = np.ones((3, 3), dtype=bool)
_RING[1, 1] = False


@dataclass(frozen=True, eq=False)
class Prepared:
    """Pixels that can be counted on, and what is known of their size.

    Attributes
    ----------
    pixels : ndarray of float, shape (H, W)
        Single precision where the image had it.
    calibration : dict
        Axis ("y", "x") -> (position of the first pixel, step), in nm; without the axes that have no unit of
        length.
    """

    pixels: np.ndarray
    calibration: dict

    @property
    def pixel_size(self):
        """Nanometres a pixel, the mean of both axes; None where they are not both calibrated."""
        steps = [abs(step) for _, step in self.calibration.values()]
        return float(np.mean(steps)) if len(steps) == 2 else None

    def with_nm(self, table):
        """Return the table with ``x_nm`` and ``y_nm`` where the image was calibrated."""
        return with_nm(table, self.calibration)


def prepare(image, *, smallest=16, allow_nan=False, remove_hot=False):
    """Check an image and take it apart, or say what is wrong with it.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
    smallest : int
        Pixels that are needed along each axis.
    allow_nan : bool
        Whether pixels may be NaN, that is, missing.
    remove_hot : bool
        Whether hot pixels are replaced; see `remove_hot_pixels`.

    Returns
    -------
    Prepared

    Raises
    ------
    ValueError
        If the image has not two axes, is too small or constant, or holds NaN.
    TypeError
        If pixels are not real numbers.

    Examples
    --------
    >>> prepared = prepare(np.eye(16, dtype="uint8"))
    >>> prepared.pixels.dtype, prepared.calibration
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
    check_axes(pixels)
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
    return Prepared(remove_hot_pixels(pixels) if remove_hot else pixels, calibration_of(image))


def check_axes(image):
    """Raise unless an image, lazy or not, has two axes."""
    if np.ndim(image) != 2:
        raise ValueError(
            f"an image has two axes (y, x), got shape {np.shape(image)}: pick one frame, channel or energy "
            "first"
        )


def remove_hot_pixels(pixels):
    """Replace single pixels far above all their neighbours by the largest of these.

    A column is at least two pixels wide, so that its centre is never three times its surroundings.
    """
    lowest = pixels.min()
    # from 0 on, so that single precision is enough whatever unit and offset the counts have
    lifted = (pixels - lowest).astype(np.float32)
    floor = np.percentile(lifted, 1)
    around = maximum_filter(lifted, footprint=_RING, mode="nearest")
    excess = np.abs(lifted - around)
    spread = np.sqrt(np.mean(np.minimum(excess, np.percentile(excess, 99)) ** 2))
    hot = (lifted - around > 8 * spread) & (lifted - floor > 3 * (around - floor))
    return np.where(hot, around + lowest, pixels)


def calibration_of(image):
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
