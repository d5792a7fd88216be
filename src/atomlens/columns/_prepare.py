"""What a prepared image goes through before the network sees it: scale and contrast."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter, zoom

# Local mean and contrast are taken over twice this many pixels of the trained scale: several columns, so
# that they describe the surroundings and not one column.
_SURROUNDINGS = 49


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


def standardise(image):
    """Subtract the local mean and divide by the local contrast; float32.

    Local, so that a crop looks to the network as it does inside a large image, and a slow background or a
    bright particle elsewhere changes nothing here.
    """
    image = np.asarray(image, dtype=np.float32)
    flat = image - _local_mean(image)
    variance = _local_mean(flat**2)
    # the floor keeps empty regions from being blown up to the contrast of a lattice
    floor = max(0.1 * float(variance.mean()), np.finfo(np.float32).tiny)
    return flat / np.sqrt(np.maximum(variance, np.float32(floor)))


def _local_mean(image):
    """Mean over the surroundings, weighted like a pyramid: two running means."""
    for _ in range(2):
        image = uniform_filter(image, _SURROUNDINGS, mode="reflect")
    return image
