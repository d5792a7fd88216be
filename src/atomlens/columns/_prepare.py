"""What an image goes through before the network sees it: its contrast is made the same everywhere."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter

# Local mean and contrast are taken over twice this many pixels of the trained scale: several columns, so
# that they describe the surroundings and not one column.
_SURROUNDINGS = 49


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
