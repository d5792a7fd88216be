"""Pictures turned and mirrored about their middle."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates


def turned(pictures, angle, *, mirrored=False, axis=0.0, order=1):
    """Pictures mirrored, if so, and then turned about their middle.

    Parameters
    ----------
    pictures : ndarray of shape (N, H, W)
    angle : float
        In radians, from x towards y.
    mirrored : bool
    axis : float
        Direction of the mirror line in radians, from x towards y.
    order : int
        Of the interpolating spline.

    Returns
    -------
    ndarray of shape (N, H, W)
        What comes from outside is the nearest pixel of the border.
    """
    middle = (np.array(pictures.shape[1:]) - 1) / 2
    y, x = np.indices(pictures.shape[1:]) - middle[:, None, None]
    c, s = np.cos(angle), np.sin(angle)
    x, y = c * x + s * y, c * y - s * x  # where each pixel comes from: turned back, then mirrored
    if mirrored:
        c, s = np.cos(2 * axis), np.sin(2 * axis)
        x, y = c * x + s * y, s * x - c * y
    at = np.stack([y, x]) + middle[:, None, None]
    return np.stack([map_coordinates(picture, at, order=order, mode="nearest") for picture in pictures])
