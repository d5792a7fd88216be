"""Hits: where the score of an image exceeds a threshold."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import label as connected
from scipy.spatial import cKDTree

from atomlens._image import prepare
from atomlens._maxima import local_maxima, strongest_first

_SIDELOBE = 3.0  # a hit beside stronger ones must exceed so many times what they make there
_REACH, _WINGS = 8.0, 0.03  # footprints, and the amplitude that the wings of a column have there


def hits_of(score, threshold, footprint, p_value):
    """Table of the maxima above the threshold, sidelobes of stronger ones left out."""
    values = score.values
    above = values > threshold
    size = 2 * max(1, round(footprint)) + 1
    y, x = strongest_first(values, above & local_maxima(values, size, mode="nearest")).T
    xy, height = np.stack([x, y], axis=1).astype(float), values[y, x]
    usual = float(np.median(values))
    keep = _without_sidelobes(xy, height - usual, threshold - usual, footprint)
    xy, height = xy[keep], height[keep]
    group, area, extent = _areas(above, xy)
    table = pd.DataFrame(
        {
            "x": xy[:, 0],
            "y": xy[:, 1],
            "score": height,
            "p_value": p_value(height),
            "area": area,
            "extent": extent,
            "group": group,
        }
    )
    return prepare(score).with_nm(table)


def _without_sidelobes(xy, height, threshold, footprint):
    """Hits, sorted by height, which are not part of higher ones beside them.

    A squared Gaussian amplitude with its slopes falls off as (1 + z) exp(-z), z = r**2 / (2 footprint**2);
    amplitudes of several neighbours add up.
    """
    beside = cKDTree(xy).query_ball_point(xy, _REACH * footprint) if len(xy) else []
    keep = np.ones(len(xy), bool)
    for n, near in enumerate(beside):
        higher = [k for k in near if k < n and keep[k]]
        z = ((xy[n] - xy[higher]) ** 2).sum(axis=1) / (2 * footprint**2)
        theirs = (np.sqrt(height[higher]) * (np.sqrt((1 + z) * np.exp(-z)) + _WINGS)).sum()
        keep[n] = not higher or (z.min() > 2 and height[n] > threshold + _SIDELOBE * theirs**2)
    return keep


def _areas(above, xy):
    """Region of every hit: number of the connected group, pixels nearest to it, their longest distance."""
    groups, _ = connected(above, np.ones((3, 3)))
    y, x = np.nonzero(above)
    if not len(xy):
        return [np.zeros(0, t) for t in (int, float, float)]
    owner = cKDTree(xy).query(np.stack([x, y], axis=1))[1]
    area = np.bincount(owner, minlength=len(xy)).astype(float)
    extent = np.zeros(len(xy))
    # The longest distance within a compact region is close to its longest projection.
    for angle in np.arange(0, np.pi, np.pi / 12):
        along = x * np.cos(angle) + y * np.sin(angle)
        high, low = np.full(len(xy), -np.inf), np.full(len(xy), np.inf)
        np.maximum.at(high, owner, along)
        np.minimum.at(low, owner, along)
        extent = np.maximum(extent, np.where(area > 0, high - low + 1, 0))
    number = groups[xy[:, 1].astype(int), xy[:, 0].astype(int)]
    return np.unique(number, return_inverse=True)[1], area, extent
