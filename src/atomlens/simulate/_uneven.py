"""What is not the same all over the field: a wedge, a bow of the illumination, a slope, an edge."""

from __future__ import annotations

import numpy as np


def across(x, y, shape, angle):
    """How far across the field places lie along a direction: 0 at one side, 1 at the other.

    `x` and `y` are pixels that broadcast against each other, `angle` is in degrees from x.
    """
    height, width = shape
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    extent = abs(c) * (width - 1) + abs(s) * (height - 1)
    along = c * (x - (width - 1) / 2) + s * (y - (height - 1) / 2)
    return np.clip(along / max(extent, 1e-12) + 0.5, 0, 1)


def bowed(x, y, shape, bow):
    """Relative illumination at places: 1 in the middle, 1 - `bow` in the corners."""
    height, width = shape
    squared = (x - (width - 1) / 2) ** 2 + (y - (height - 1) / 2) ** 2
    return 1 - bow * squared / max(((width - 1) ** 2 + (height - 1) ** 2) / 4, 1e-12)


def pixels(shape):
    """Row of x and column of y of the pixels of an image, which broadcast to its shape."""
    return np.arange(shape[1])[None, :], np.arange(shape[0])[:, None]
