"""How large are the features of an image: what decides how much it is resampled for the network."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter

_SEGMENT = 512  # pixels; larger images are averaged over a few such pieces
_PIECES = 3  # along each axis
_SIGNIFICANT = 4.0  # standard deviations of white noise
_FAINTEST = 0.03  # of the strongest ring: fainter ones do not count


def feature_size(image):
    """Typical size of the structure in an image, in pixels: ``1 / (2 pi k_rms)``.

    ``k_rms`` is the root mean square spatial frequency of what rises above white noise. For isolated
    Gaussian columns this is their standard deviation; for a dense lattice it is down to half of it, as the
    spacing then limits the spectrum. It needs no peaks, no period and hardly any dose.

    Returns
    -------
    float
        NaN if nothing rises above the noise.
    """
    n = min(_SEGMENT, *image.shape)
    power = np.mean([_radial_power(piece) for piece in _pieces(image, n)], axis=0)
    k = np.arange(power.size) / n
    rings = np.maximum(2 * np.pi * np.arange(power.size), 1) / 4  # a Hann window correlates neighbours
    floor = np.median(power[k > 0.4])
    excess = power - floor
    # Below three periods in the piece lies what the background does.
    real = (excess > _SIGNIFICANT * floor / np.sqrt(rings)) & (k > 3 / n)
    # One ring may rise by chance; columns raise several.
    if np.count_nonzero(real) < 2:
        return float("nan")
    # Torn scan lines spread a little power over all frequencies; columns concentrate it.
    real &= excess > _FAINTEST * excess[real].max()
    weight = (excess * rings)[real]
    return float(1 / (2 * np.pi * np.sqrt((weight * k[real] ** 2).sum() / weight.sum())))


def _pieces(image, n):
    """Up to 3 x 3 square pieces, spread over the image."""
    starts = [
        np.unique(np.linspace(0, length - n, min(_PIECES, -(-length // n))).astype(int))
        for length in image.shape
    ]
    return [image[i : i + n, j : j + n] for i in starts[0] for j in starts[1]]


def _radial_power(piece):
    """Power spectrum of the flattened piece, averaged over rings one frequency step wide."""
    n = piece.shape[0]
    flat = piece - uniform_filter(uniform_filter(piece, n // 5), n // 5)
    window = np.hanning(n)
    power = np.abs(np.fft.rfft2((flat - flat.mean()) * window[:, None] * window)) ** 2
    ring = np.rint(np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)) * n).astype(int).ravel()
    total = np.bincount(ring, power.ravel())
    return (total / np.maximum(np.bincount(ring), 1))[: n // 2 + 1]
