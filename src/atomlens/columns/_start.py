"""Where a fit of columns starts: their width from the mean column, then intensity and background of each."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from atomlens.columns._gaussians import BACKGROUND, INTENSITY, SIGMA, X, Y

_LARGEST_RADIUS = 30  # pixels from the centre that are looked at
_SAMPLE = 80  # columns that are averaged
_NEIGHBOURS = 8
_PIXELS = 3000  # looked at where neighbours are taken into account
_CROWDED = 5.5  # widths to the neighbour below which they are


def typical_width(pixels, usable, positions):
    """Width of the Gaussian on a background that fits the mean column best.

    Of the pixels about a column only those nearer to it than to any other are used. Where columns crowd,
    the tails of the neighbours there are part of the model.
    """
    n = len(positions)
    distance, neighbour = KDTree(positions).query(positions, k=min(n, _NEIGHBOURS + 1))
    distance, neighbour = distance.reshape(n, -1), neighbour.reshape(n, -1)
    gap = max(np.median(distance[:, 1]), 1.0) if n > 1 else np.inf  # 1: columns listed twice
    radius = int(np.clip(np.ceil(gap), 4, _LARGEST_RADIUS))
    some = np.unique(np.linspace(0, n - 1, min(n, _SAMPLE)).astype(int))
    offset = np.arange(-radius, radius + 1)
    corner = np.rint(positions[some]).astype(int)
    x = np.broadcast_to((corner[:, 0, None] + offset)[:, None], (some.size, offset.size, offset.size))
    y = np.broadcast_to((corner[:, 1, None] + offset)[:, :, None], x.shape)
    owner = np.broadcast_to(np.arange(some.size)[:, None, None], x.shape)
    seen = (x >= 0) & (x < pixels.shape[1]) & (y >= 0) & (y < pixels.shape[0])
    x, y, owner = x[seen], y[seen], owner[seen]
    at = positions[neighbour[some]]
    squared = (x - at[owner, 0, 0]) ** 2 + (y - at[owner, 0, 1]) ** 2
    mine = usable[y, x] & (squared <= radius**2)
    for k in range(1, at.shape[1]):
        mine &= (x - at[owner, k, 0]) ** 2 + (y - at[owner, k, 1]) ** 2 >= squared
    if not mine.any():
        return 1.0
    x, y, owner, squared = x[mine], y[mine], owner[mine], squared[mine]
    values = pixels[y, x]
    # Alone: the radial profile, in bins of half a pixel.
    bins = np.rint(2 * np.sqrt(squared)).astype(int)
    count = np.bincount(bins)
    filled = count > 0
    count = count[filled]
    profile = np.bincount(bins, values)[filled] / count
    r = np.bincount(bins, np.sqrt(squared))[filled] / count
    widths = np.geomspace(0.4, max(radius / 1.5, 1.0), 60)
    width = _best_width(widths, np.exp(-0.5 * (r / widths[:, None]) ** 2), profile, count)
    if gap > _CROWDED * width:
        return width
    some = np.unique(np.linspace(0, x.size - 1, min(x.size, _PIXELS)).astype(int))
    to = at[owner[some]]
    squared = (x[some, None] - to[:, :, 0]) ** 2 + (y[some, None] - to[:, :, 1]) ** 2
    widths = np.geomspace(gap / 8, gap / 1.8, 20)
    squared = squared.astype(np.float32)
    shapes = np.stack([np.exp(squared * np.float32(-0.5 / w**2)).sum(axis=1) for w in widths])
    return _best_width(widths, shapes, values[some], np.ones(some.size))


def _best_width(widths, shapes, values, count):
    """Linear least squares in height and background for every width at once."""
    shapes = shapes - (shapes @ count / count.sum())[:, None]
    values = values - values @ count / count.sum()
    height = (shapes * values) @ count / np.maximum((shapes**2) @ count, np.finfo(float).tiny)
    misfit = ((values - height[:, None] * shapes) ** 2) @ count
    misfit[height <= 0] = np.inf
    return float(widths[np.argmin(misfit)]) if np.isfinite(misfit).any() else 1.0


def start_values(scene, values, positions, sigma):
    """Parameters (n, 5): intensity and background of every column by least squares over its own pixels."""
    theta = np.zeros((len(positions), 5))
    theta[:, [X, Y]] = positions
    theta[:, SIGMA] = sigma
    squared = 0
    for where, at in zip(scene.where(), positions.T, strict=True):
        squared += (where.astype(scene.dtype) - at.astype(scene.dtype)[scene.owner]) ** 2
    shape = np.exp(squared * scene.dtype(-0.5 / sigma**2)) / scene.dtype(2 * np.pi * sigma**2)
    count, g, gg, v, gv = (
        np.maximum(scene.total(q), 1e-12)
        for q in (np.ones_like(shape), shape, shape**2, values, shape * values)
    )
    intensity = (gv - v * g / count) / np.maximum(gg - g**2 / count, 1e-6 * gg)
    typical = np.median(intensity[intensity > 0]) if np.any(intensity > 0) else 1.0
    theta[:, INTENSITY] = np.maximum(intensity, 0.1 * typical)
    theta[:, BACKGROUND] = (v - theta[:, INTENSITY] * g) / count
    return theta
