"""What the scan does to a picture: drift, fly-back, and lines that jump."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d


def smooth_drift(n_rows, drift, wander, rng):
    """Displacement of the specimen while each line is scanned, in pixels, zero on average.

    `drift` is the total (x, y) displacement over the frame, `wander` the standard deviation of a slow
    random motion on top of it; returns an array of shape (2, n_rows): along x, along y.
    """
    time = np.linspace(-0.5, 0.5, n_rows)
    path = np.asarray(drift, dtype=float)[:, None] * time
    if wander:
        walk = gaussian_filter1d(
            rng.standard_normal((2, n_rows)), max(n_rows / 12, 1), axis=1, mode="reflect"
        )
        walk -= walk.mean(axis=1, keepdims=True)
        path = path + wander * walk / np.maximum(walk.std(axis=1, keepdims=True), 1e-12)
    return path


def where_columns_appear(x, y, path, flyback, flyback_decay):
    """Positions at which the moving scan meets the columns.

    The line that meets a column is the one on which the column then lies, so y is a fixed point.
    """
    rows = np.arange(path.shape[1])
    seen = y.copy()
    for _ in range(8):
        seen = y + np.interp(seen, rows, path[1])
    x = x + np.interp(seen, rows, path[0])
    if flyback:
        x = x + flyback * np.exp(-np.maximum(x, 0) / flyback_decay)
    return x, seen


def add_scars(expected, n_scars, rng):
    """Disturb pieces of scan lines, in place: the signal is lost, or a neighbouring line is repeated."""
    height, width = expected.shape
    for _ in range(n_scars):
        row, start = int(rng.integers(height)), int(rng.integers(width))
        piece = slice(start, start + int(rng.integers(width // 4, width + 1)))
        if rng.random() < 0.5:
            expected[row, piece] *= rng.uniform(0.0, 0.4)
        else:
            jump = int(rng.integers(2, 6)) * (1 if rng.random() < 0.5 else -1)
            expected[row, piece] = expected[row, (np.arange(width) + jump) % width][piece]
