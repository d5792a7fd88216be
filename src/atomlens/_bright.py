"""Single atoms much brighter than the lattice they sit in, and the image without their light."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, gaussian_laplace, maximum
from scipy.optimize import nnls
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from atomlens._maxima import local_maxima

# A spot is so many times as strong as nine of ten maxima (silicon in graphene: 4 to 10 times), and an
# exception: no more than this share of them are. By chance, in noise, the highest are 2 times as strong.
_USUAL, _BRIGHT, _FEW = 90, 2.5, 0.1
# Light of a spot: Gaussians so many columns wide, up to so many widths away. One would leave its tails.
_WIDTHS, _REACH = (0.6, 0.9, 1.3, 2.0), 3.5
_CLUSTER = 6  # atoms of a cluster at most
_HALO = 0.2  # of a spot's height around it: atoms have .13 and less, amorphous patches .26 and more


def bright_spots(values, usable, size, sigma, usual=None):
    """Spots as wide as columns and far stronger than all others, and the image without their light.

    Parameters
    ----------
    values : ndarray of shape (H, W)
    usable : ndarray of bool, shape (H, W)
    size : float
        Scale at which maxima are told, in pixels; about half a column.
    sigma : float
        Standard deviation of a column, in pixels.
    usual : ndarray of bool, shape (H, W), optional
        Where the usual strength is measured; `usable` by default.

    Returns
    -------
    spots : DataFrame
        ``x, y`` of their maxima in pixels; ``score``, one minus the usual strength over their own.
    between : ndarray of shape (H, W)
        The image without them; its noise stays.
    """
    strength = -gaussian_laplace(values, size)
    peak = local_maxima(strength, mode="nearest") & (strength > 0) & usable
    heights = strength[peak if usual is None else peak & usual]
    usual = np.percentile(heights, _USUAL) if heights.size else np.inf
    y, x = np.nonzero(peak & (strength > _BRIGHT * usual))
    if not 0 < x.size <= _FEW * heights.size:
        return pd.DataFrame({"x": [], "y": [], "score": []}), values
    spots = pd.DataFrame({"x": _top(strength, y, x, 1), "y": _top(strength, y, x, 0)})
    spots = spots.assign(score=1 - usual / strength[y, x])
    spots = spots[_in_clean_surroundings(spots, values, usable, sigma)].reset_index(drop=True)
    return spots, without(values, usable, spots, sigma) if len(spots) else values


def _groups(spots, sigma):
    """Number of the group of every spot: those whose light overlaps are together."""
    xy = spots[["x", "y"]].to_numpy()
    graph = cKDTree(xy).sparse_distance_matrix(cKDTree(xy), 2 * _REACH * sigma)
    return connected_components(graph)[1]


def _in_clean_surroundings(spots, values, usable, sigma):
    """Which spots are single atoms or small clusters: dirt is speckled, too, but bright between speckles."""
    group, smooth = _groups(spots, sigma), gaussian_filter(values, sigma)
    smooth -= np.median(smooth[usable])
    y, x = np.indices(values.shape)
    away = cKDTree(spots[["x", "y"]]).query(np.column_stack([x.ravel(), y.ravel()]))
    distance, nearest = (a.reshape(values.shape) for a in away)
    ring = usable & (distance > _REACH * sigma) & (distance < 1.5 * _REACH * sigma)
    of = group[nearest[ring]]
    count = np.bincount(of, minlength=group.max() + 1)
    level = np.bincount(of, smooth[ring], minlength=group.max() + 1) / np.maximum(count, 1)
    own = np.where(usable & (distance < 1), group[nearest] + 1, 0)
    top = np.asarray(maximum(smooth, own, np.arange(count.size) + 1))
    return ((np.bincount(group) <= _CLUSTER) & (level < _HALO * top))[group]


def _top(strength, y, x, axis):
    """Where a parabola through a maximum and its two neighbours along an axis is highest."""
    padded = np.pad(strength, 1, mode="edge")
    step = np.array([1, 0] if axis == 0 else [0, 1])
    at = np.stack([y, x]) + 1
    before, here, after = (padded[tuple(at + n * step[:, None])] for n in (-1, 0, 1))
    bend = 2 * here - before - after
    return np.stack([y, x])[axis] + np.where(bend > 0, (after - before) / (2 * np.maximum(bend, 1e-300)), 0)


def without(values, usable, spots, sigma):
    """The image minus Gaussians fitted to the spots, those together whose light overlaps."""
    reach, xy = _REACH * sigma, spots[["x", "y"]].to_numpy()
    rest, group = values.copy(), _groups(spots, sigma)
    for number in range(group.max() + 1):
        own = xy[group == number]
        low = np.maximum(np.floor(own.min(axis=0) - reach).astype(int), 0)
        high = np.ceil(own.max(axis=0) + reach).astype(int) + 1
        box = slice(low[1], high[1]), slice(low[0], high[0])
        y, x = np.indices(values[box].shape)
        away = np.hypot(x[..., None] + low[0] - own[:, 0], y[..., None] + low[1] - own[:, 1])
        seen = (away.min(axis=-1) < reach) & usable[box]
        profiles = np.exp(-0.5 * (away[..., None] / (sigma * np.array(_WIDTHS))) ** 2).reshape(
            *seen.shape, -1
        )
        floor = values[box][seen].min()  # what lies below the spots is not negative, either
        light = np.concatenate([profiles[seen], np.ones((seen.sum(), 1))], axis=1)
        heights, _ = nnls(light, values[box][seen] - floor)
        rest[box] -= np.where(seen, profiles @ heights[:-1], 0)
    return rest
