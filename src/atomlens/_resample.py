"""Images on other pixels."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import zoom


def resample(image, shape):
    """Resample to another shape; shrinking averages over areas, so that counts and noise stay honest.

    The outer edges of both images coincide: pixel x of the old image lies at
    ``(x + 0.5) * new / old - 0.5`` of the new one.
    """
    for axis, n in enumerate(shape):
        if n < image.shape[axis]:
            image = _average_bins(image, n, axis)
    factors = [n / m for n, m in zip(shape, image.shape, strict=True)]
    if any(f != 1 for f in factors):
        image = zoom(image, factors, order=1, mode="nearest", grid_mode=True)
    return image


def _average_bins(image, n, axis):
    """Average along one axis over n bins of equal, fractional width."""
    old = image.shape[axis]
    total = np.cumsum(image, axis=axis, dtype=float)
    total = np.concatenate([np.zeros_like(total.take([0], axis=axis)), total], axis=axis)
    edges = np.linspace(0, old, n + 1)
    low = np.minimum(edges.astype(int), old - 1)
    part = (edges - low).reshape([-1 if a == axis else 1 for a in range(image.ndim)])
    at_edges = total.take(low, axis=axis) * (1 - part) + total.take(low + 1, axis=axis) * part
    return np.diff(at_edges, axis=axis) * (n / old)
