"""What the methods of this room get: a frame as numbers, a table of labels that fits it."""

from __future__ import annotations

import numpy as np
import xarray as xr

_LEAST = 16  # pixels a side


def pixels_of(frame):
    """The values of a frame, shape (H, W), in single precision; refuses what is none."""
    values = frame.values if isinstance(frame, xr.DataArray) else np.asarray(frame)
    if values.ndim != 2:
        raise ValueError(f"a frame has two axes (y, x), got shape {values.shape}: pick one of a movie first")
    if min(values.shape) < _LEAST:
        raise ValueError(f"a frame of {values.shape} pixels is too small: {_LEAST} a side at least")
    if not np.isfinite(values).all():
        raise ValueError(
            "the frame holds NaN or infinite heights: fill them first, for example with its median"
        )
    if np.ptp(values) == 0:
        raise ValueError("all heights of the frame are alike: there is nothing to be seen")
    return values.astype(np.float32)


def flat_frame(frame):
    """Whether a frame of a movie shows nothing at all: all heights alike, or none finite."""
    values = np.asarray(frame)
    return not np.isfinite(values).all() or np.ptp(values) == 0


def background_of(pixels):
    """Height of what lies between particles, few or many: the median of the lower class (Otsu)."""
    from skimage.filters import threshold_otsu

    return float(np.median(pixels[pixels <= threshold_otsu(pixels)])) if np.ptp(pixels) else pixels.flat[0]


def normalised(pixels, height):
    """Heights over their background, in units of that of a particle."""
    return ((pixels - background_of(pixels)) / height).astype(np.float32)


def labels_of(table, shape, symmetry):
    """Places (N, 2) and angles (N,) of a table of labels; refuses what does not fit the frame."""
    check_symmetry(symmetry)
    lacking = [name for name in ("x", "y", "theta") if name not in table]
    if lacking:
        raise ValueError(f"labels need the columns x, y and theta, {', '.join(lacking)} is missing")
    xy, theta = table[["x", "y"]].to_numpy(float), table["theta"].to_numpy(float)
    if not len(xy):
        raise ValueError("there are no labels: mark at least one particle")
    if not (np.isfinite(xy).all() and np.isfinite(theta).all()):
        raise ValueError("labels hold NaN: every particle needs a place and an angle")
    outside = ((xy < -1) | (xy > shape[::-1])).any(axis=1)
    if outside.any():
        x, y = xy[outside][0]
        raise ValueError(
            f"{outside.sum()} of {len(xy)} labels lie outside the frame of {shape[0]} x {shape[1]} pixels, "
            f"such as ({x:.1f}, {y:.1f}): x and y are pixels, not nm"
        )
    return xy, theta


def folded(theta, symmetry):
    """Angles from 0 up to, and without, 360 degrees over the symmetry."""
    period = 360 / symmetry
    theta = np.mod(theta, period)
    return np.where(period - theta < 1e-9, 0.0, theta)


def check_symmetry(symmetry):
    """Refuse what is no order of a rotation axis."""
    if not (isinstance(symmetry, int | np.integer) and 1 <= symmetry <= 24):
        raise ValueError(
            f"symmetry is how often a particle repeats in a full turn, from 1 to 24, got {symmetry!r}"
        )
