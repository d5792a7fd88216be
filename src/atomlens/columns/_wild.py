"""What happens to training images after counting: cheap versions of what `simulate` does with exact truth.

Every function takes an image and its random numbers and returns another of the same shape, in which columns
are where they were.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter, median_filter, shift

_BLOCK = 8  # pixels, as in a JPEG file


def disturbed(image, rng):
    """An image that went through a random few of the disturbances, and where it was covered.

    Returns the image, and an array of bool: True where something else than the specimen is to be seen.
    """
    image = image.astype(np.float32)
    for chance, change in _CHANGES:
        if rng.random() < chance:
            image = change(image, rng)
    covered = np.zeros(image.shape, dtype=bool)
    if rng.random() < 0.15:
        covered = _cover(image.shape, rng)
        filling = rng.choice([0.0, float(image.min()), float(np.median(image)), float(image.max())])
        image = np.where(covered, np.float32(filling), image)
    return image, covered


def _height(image):
    """Roughly the height of the brighter columns above what lies between."""
    low, high = np.percentile(image, (20, 98))
    return max(high - low, 1e-6)


def _across(shape, rng):
    """A plane from 0 to 1 in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = (np.linspace(-0.5, 0.5, n) for n in shape)
    plane = np.sin(angle) * y[:, None] + np.cos(angle) * x
    return ((plane - plane.min()) / np.ptp(plane)).astype(np.float32)


def _wedge(image, rng):
    base = np.percentile(image, 2)
    return base + (image - base) * (1 + rng.uniform(0.3, 2.0) * _across(image.shape, rng))


def _slope(image, rng):
    return image + rng.uniform(0.2, 2.0) * _height(image) * _across(image.shape, rng)


def _smooth(image, rng):
    """Noise of neighbouring pixels is made alike: a detector's blur, a registered frame, a median filter."""
    kind = rng.integers(4)
    if kind < 2:
        return gaussian_filter(image, rng.uniform(0.4, 1.3))
    if kind == 2:
        step = rng.uniform(0.2, 0.8, 2)
        there = shift(image, step, order=1, mode="nearest")
        return shift(there, -step, order=1, mode="nearest")
    return median_filter(image, 3)


def _streaks(image, rng):
    rows = rng.normal(0, 1, len(image))
    if rng.random() < 0.5:
        rows = gaussian_filter(rows, rng.uniform(0.3, 2.0))
        rows /= max(rows.std(), 1e-6)
    return image + (rng.uniform(0.03, 0.35) * _height(image) * rows[:, None]).astype(np.float32)


def _saturate(image, rng):
    return np.minimum(image, np.quantile(image, rng.uniform(0.8, 0.99)))


def _gamma(image, rng):
    low, span = image.min(), max(float(np.ptp(image)), 1e-6)
    return low + span * ((image - low) / span) ** np.float32(rng.uniform(0.5, 1.6))


def _whole_numbers(image, rng):
    low, high = np.percentile(image, rng.choice([(0, 100), (0.5, 99.5)]))
    levels = rng.choice([63, 255])
    return np.rint(levels * np.clip((image - low) / max(high - low, 1e-6), 0, 1)).astype(np.float32)


def _blocky(image, rng):
    """Waves of 8 x 8 pixels are rounded, the finer ones more coarsely, as in JPEG files."""
    height, width = (n // _BLOCK for n in image.shape)
    whole = image[: height * _BLOCK, : width * _BLOCK].reshape(height, _BLOCK, width, _BLOCK)
    order = np.add.outer(np.arange(_BLOCK), np.arange(_BLOCK))
    step = rng.uniform(0.02, 0.12) * np.ptp(image) * (1 + order / 2)
    coefficients = dctn(whole, axes=(1, 3), norm="ortho")
    step = np.maximum(step[None, :, None, :], 1e-6)
    result = image.copy()
    result[: height * _BLOCK, : width * _BLOCK] = idctn(
        step * np.rint(coefficients / step), axes=(1, 3), norm="ortho"
    ).reshape(height * _BLOCK, width * _BLOCK)
    return result


def _cover(shape, rng):
    """What lies beyond a tilted edge, as after a rotation, or under a bar and a few strokes of text."""
    if rng.random() < 0.6:
        return _across(shape, rng) < rng.uniform(0.1, 0.4)
    covered = np.zeros(shape, dtype=bool)
    top, left = rng.integers(0, shape[0] - 12), rng.integers(0, shape[1] // 2)
    covered[top : top + rng.integers(2, 6), left : left + rng.integers(12, shape[1] // 2)] = True
    for start in left + 5 * np.arange(rng.integers(0, 5)):
        covered[max(0, top - 9) : max(0, top - 2), start : start + 2] = True
    return covered


# In the order in which they happen: specimen and detector first, then what is done to a file.
_CHANGES = (
    (0.2, _wedge),
    (0.2, _slope),
    (0.5, _smooth),
    (0.3, _streaks),
    (0.15, _saturate),
    (0.2, _gamma),
    (0.15, _blocky),
    (0.3, _whole_numbers),
)
