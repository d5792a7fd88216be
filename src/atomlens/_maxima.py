"""Local maxima of a map, and where between the pixels they lie."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter


def local_maxima(values, size=3, *, mode="reflect"):
    """Mark the pixels that nothing in the square around them exceeds.

    Parameters
    ----------
    values : ndarray of shape (H, W)
    size : int
        Side of the square in pixels.
    mode : str
        What lies beyond the border, as for `scipy.ndimage.maximum_filter`.

    Returns
    -------
    ndarray of bool, shape (H, W)
        On a plateau all pixels are marked.

    Examples
    --------
    >>> np.argwhere(local_maxima(np.array([[0, 2, 1, 3, 0]]))).tolist()
    [[0, 1], [0, 3]]
    """
    return values == maximum_filter(values, size, mode=mode)


def vertex(rise, bend):
    """Where the parabola through three equally spaced values has its vertex.

    Parameters
    ----------
    rise : ndarray
        The last value minus the first.
    bend : ndarray
        Twice the middle value minus the first and the last: positive where the middle is a maximum. (For a
        minimum, both with the other sign.)

    Returns
    -------
    offset : ndarray
        From the middle, in steps; 0 where there is no maximum.
    excess : ndarray
        By how much the vertex exceeds the middle value.

    Examples
    --------
    >>> low, middle, high = (5 - (np.array([-1, 0, 1]) - 0.25) ** 2)
    >>> [float(v) for v in vertex(high - low, 2 * middle - low - high)]
    [0.25, 0.0625]
    """
    curved = bend > 0
    bend = np.where(curved, bend, 1.0)
    return np.where(curved, rise / (2 * bend), 0.0), np.where(curved, rise**2 / (8 * bend), 0.0)


def strongest_first(values, peaks):
    """Rows and columns (n, 2) of marked pixels, the highest first."""
    at = np.argwhere(peaks)
    return at[np.argsort(-values[peaks], kind="stable")]
