"""What a detector makes of the electrons that arrive: frames, blur, bad pixels, a ceiling."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, shift


def arrived(expected, frames, split, rng, counted):
    """Electrons counted in every pixel, or those expected if they are not `counted`.

    With several frames, a sum of frames that were shifted against each other by up to half a pixel, and back
    by linear interpolation; `frames` is an array of shape (N, 2) of these shifts (y, x), or None. With a
    `split` (y, x) in pixels, the difference of the two halves of a detector, which see the specimen so far
    apart.
    """

    def count(electrons):
        return rng.poisson(np.maximum(electrons, 0)) if counted else electrons

    def detect(electrons):
        if not np.any(split):
            return count(electrons)
        halves = [moved(electrons, side * np.asarray(split) / 2, 3) / 2 for side in (1, -1)]
        return count(halves[0]) - count(halves[1])

    if frames is None:
        return detect(expected).astype(np.float32)
    total = np.zeros(expected.shape)
    for step in frames:
        frame = detect(moved(expected, step, 3) / len(frames))
        total += moved(frame.astype(float), -step, 1)
    return total.astype(np.float32)


def moved(image, step, order):
    """Image displaced by (y, x) pixels, its edges repeated."""
    return shift(image, step, order=order, mode="nearest")


def added_variance(frames):
    """Variance, in square pixels and as the mean of both axes, that shifting frames back adds to columns.

    Linear interpolation at a fraction f of a pixel weighs two pixels with f and 1 - f.
    """
    if frames is None:
        return 0.0
    part = np.abs(frames) % 1
    return float((part * (1 - part)).mean())


def blur(electrons, width):
    """Spread of the signal over neighbouring pixels after it was counted: the noise is smooth, too."""
    return gaussian_filter(electrons, width, mode="nearest") if width else electrons


def add_streaks(electrons, offset, gain, rng):
    """Give every scan line an offset (standard deviation in electrons) and a gain of its own, in place."""
    rows = (len(electrons), 1)
    if gain:
        electrons *= rng.normal(1, gain, rows).astype(np.float32)
    if offset:
        electrons += rng.normal(0, offset, rows).astype(np.float32)


def add_bad_pixels(electrons, hot, dead, rng):
    """Set fractions of the pixels far too high or to nothing, in place; returns which, or None."""
    bad = None
    if hot:
        bad = rng.random(electrons.shape) < hot
        electrons[bad] = rng.uniform(5, 50, np.count_nonzero(bad)) * max(electrons.max(), 1.0)
    if dead:
        gone = rng.random(electrons.shape) < dead
        electrons[gone] = 0
        bad = gone if bad is None else bad | gone
    return bad


def saturate(electrons, fraction):
    """Let a ceiling cut off the brightest `fraction` of the pixels."""
    return np.minimum(electrons, np.quantile(electrons, 1 - fraction)) if fraction else electrons
