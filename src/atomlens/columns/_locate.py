"""From a probability map to a list of positions."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from atomlens._maxima import local_maxima, strongest_first

_WINDOW = np.arange(-2, 3)


def locate(probability, *, threshold, min_distance):
    """Local maxima of a probability map, with sub-pixel positions.

    Parameters
    ----------
    probability : ndarray of shape (C, H, W)
        One map a class.
    threshold : float
        Lowest probability of a column.
    min_distance : float
        Smallest separation in pixels; of two closer maxima the higher one stays.

    Returns
    -------
    x, y : ndarray of shape (N,)
        In pixels: the centre of mass of the 5 x 5 pixels around the maximum.
    label : ndarray of int, shape (N,)
        The class whose map is highest there.
    score : ndarray of shape (N,)
        The probability at the maximum.
    """
    best = probability.max(axis=0)
    peak = (best >= threshold) & local_maxima(best, mode="constant")
    rows, columns = strongest_first(best, peak).T
    keep = strongest(np.column_stack([columns, rows]), min_distance)
    rows, columns = rows[keep], columns[keep]
    padded = np.pad(best, 2)
    patches = padded[(rows[:, None] + _WINDOW + 2)[:, :, None], (columns[:, None] + _WINDOW + 2)[:, None, :]]
    mass = patches.sum(axis=(1, 2))
    x = columns + (patches.sum(axis=1) * _WINDOW).sum(axis=1) / mass
    y = rows + (patches.sum(axis=2) * _WINDOW).sum(axis=1) / mass
    label = probability[:, rows, columns].argmax(axis=0)
    return x, y, label, best[rows, columns].astype(float)


def strongest(points, min_distance):
    """Mask of the points, sorted from strong to weak, that no stronger kept one is too close to."""
    keep = np.ones(len(points), dtype=bool)
    if len(points) > 1:
        pairs = cKDTree(points).query_pairs(min_distance, output_type="ndarray")
        for strong, weak in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
            if keep[strong]:
                keep[weak] = False
    return keep
