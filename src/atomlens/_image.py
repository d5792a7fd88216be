"""An image as the numerics take it: what is checked, what is mended, and the way back to its units.

Every function on an image begins with `prepare`. What is done to all images is done here: the checks, the
calibration, and, where a function looks for atoms, what is no part of the specimen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from atomlens import _artifacts
from atomlens._artifacts import remove_hot_pixels
from atomlens._units import quantity

# Pixels count as square whose sides differ by less than this fraction.
_SQUARE = 0.02
# An image needs this share of pixels that show the specimen.
_LEAST = 0.05


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
    usable : ndarray of bool, shape (H, W)
        False where there is no specimen: masked, NaN, padding, a burnt-in scale bar. `pixels` hold something
        smooth there.
    mended : ndarray of bool, shape (H, W)
        Hot and dead pixels, which `pixels` replace by a neighbour.
    doubts : list of str
        What was found that users should know, each with its remedy.
    """

    pixels: np.ndarray
    calibration: dict
    usable: np.ndarray
    mended: np.ndarray
    doubts: list = field(default_factory=list)

    @property
    def pixel_size(self):
        """Nanometres a pixel, the mean of both axes; None where they are not both calibrated."""
        steps = [abs(step) for _, step in self.calibration.values()]
        return float(np.mean(steps)) if len(steps) == 2 else None

    def with_nm(self, table):
        """Return the table with ``x_nm`` and ``y_nm`` where the image was calibrated."""
        return with_nm(table, self.calibration)


def prepare(image, *, smallest=16, allow_nan=False, clean=False, mask=None):
    """Check an image and take it apart, or say what is wrong with it.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
    smallest : int
        Pixels that are needed along each axis.
    allow_nan : bool
        Whether pixels may be NaN, that is, missing.
    clean : bool
        For functions that look for atoms: hot and dead pixels are replaced, streaks are levelled, and what is
        no specimen is marked and filled; pixels may be NaN then, and must be square.
    mask : array_like of bool, shape (H, W), optional
        True for pixels to leave out, as in numpy.ma; instead of what would be found.

    Returns
    -------
    Prepared

    Raises
    ------
    ValueError
        If the image has not two axes, is too small or constant, or holds NaN; if the mask does not fit, or
        leaves too little; if pixels are not square.
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
    usable = np.isfinite(pixels)
    if isinstance(image, np.ma.MaskedArray):
        usable &= ~np.ma.getmaskarray(image)
    if not (allow_nan or clean) and not usable.all():
        raise ValueError(
            f"{usable.size - np.count_nonzero(usable)} pixels are NaN or infinite: fill them first, "
            "for example with the median of their neighbours"
        )
    if not usable.any():
        raise ValueError("the image is constant, all its pixels are NaN or masked: there is nothing to find")
    if np.ptp(pixels[usable]) == 0:
        raise ValueError("the image is constant: there is nothing to find")
    calibration = calibration_of(image)
    if not clean:
        return Prepared(pixels, calibration, usable, np.zeros_like(usable))
    check_square(calibration)
    return Prepared(*_cleaned(pixels, calibration, usable, mask))


def _cleaned(pixels, calibration, usable, mask):
    """What `Prepared` holds, without what is no specimen."""
    doubts = []
    if mask is not None:
        mask = np.asarray(mask)
        if mask.shape != pixels.shape or mask.dtype != bool:
            raise ValueError(
                f"mask must hold a bool for each of {pixels.shape} pixels, True to leave it out; got "
                f"{mask.dtype} of shape {mask.shape}"
            )
        usable = usable & ~mask
    if not usable.any():
        raise ValueError("all pixels are masked or NaN: there is nothing to find")
    pixels = _artifacts.filled(pixels, usable)
    if mask is None:
        added, kinds = _artifacts.padding(pixels)
        usable = usable & ~added
        if "burnt-in" in kinds:
            doubts.append(
                "a scale bar or another rectangle of one value is burnt into the image: it was left out; "
                "take the image without it, or say what to leave out with `mask=`"
            )
    if usable.mean() < _LEAST or np.ptp(pixels[usable]) == 0:
        raise ValueError(
            f"only {usable.mean():.1%} of the pixels show the specimen: the rest is masked, NaN or of one "
            "value"
        )
    if share := _artifacts.saturated(pixels, usable):
        doubts.append(
            f"{share:.1%} of the pixels stand at the highest value, the detector or the export was "
            "saturated: intensities and widths of bright columns are not to be trusted"
        )
    pixels = _artifacts.filled(pixels, usable)
    whole = -remove_hot_pixels(-remove_hot_pixels(pixels))  # dead pixels are hot ones upside down
    mended, pixels = whole != pixels, whole
    pixels = _artifacts.level_rows(pixels)
    usable = usable & ~_artifacts.torn_lines(pixels, usable)
    pixels = _artifacts.filled(pixels, usable)
    return pixels, calibration, usable, mended, doubts


def is_square(calibration):
    """Whether pixels are square, as far as is known."""
    steps = {axis: abs(step) for axis, (_, step) in calibration.items()}
    return len(steps) < 2 or abs(steps["x"] / steps["y"] - 1) <= _SQUARE


def check_square(calibration):
    """Raise if pixels are not square: lengths and angles in pixels would mean nothing."""
    if not is_square(calibration):
        steps = {axis: abs(step) for axis, (_, step) in calibration.items()}
        raise ValueError(
            f"pixels of {steps['x']:.4g} nm along x and {steps['y']:.4g} nm along y are not square: "
            "resample them first, atomlens.io.square_pixels(image)"
        )


def check_axes(image):
    """Raise unless an image, lazy or not, has two axes."""
    if np.ndim(image) != 2:
        raise ValueError(
            f"an image has two axes (y, x), got shape {np.shape(image)}: pick one frame, channel or energy "
            "first"
        )


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
