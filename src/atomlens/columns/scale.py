"""The lengths of an image of atoms, from its power spectrum: of its features, and of its columns."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter

from atomlens._image import prepare
from atomlens._maxima import local_maxima
from atomlens._tiles import samples
from atomlens._types import ArrayLike, DataArray

__all__ = ["estimate_scale"]

_TILE = 512  # pixels; of larger images a few such pieces are looked at
# Rings of the spectrum below this number belong to the window and to slow background.
_FIRST_RING = 4
# Without a lattice, features so many widths of a column large are clouds; and no lattice is so wide.
_CLOUDS, _WIDEST_LATTICE = 1.3, 15.0
# What counts for the size of features: standard deviations of white noise, share of the strongest ring.
_SIGNIFICANT, _FAINTEST = 4.0, 0.03


def estimate_scale(image: ArrayLike | DataArray) -> tuple[float, float]:
    """Estimate the width of atomic columns and the distance between neighbours.

    Gaussian columns of width `sigma`, wherever they are, multiply the power spectrum by
    ``exp(-sigma**2 k**2)``; counting noise adds a constant (a Wilson plot). Constant, height and width are
    fitted to the ring averages by maximum likelihood, the power of a ring being exponentially distributed
    (Whittle). The spacing is the shortest repeat vector: the innermost peak of the autocorrelation, freed
    from the noise.

    Parameters
    ----------
    image : array_like or DataArray of shape (y, x)

    Returns
    -------
    sigma : float
        Standard deviation of a column, in pixels.
    spacing : float
        Distance to the next column of the same kind, in pixels; NaN where columns do not repeat.

    Raises
    ------
    ValueError
        If the image is not two-dimensional, constant, holds NaN, or is smaller than 16 pixels.

    Notes
    -----
    In a lattice closer than about 4.5 `sigma` at low dose only the first order rises above the noise and the
    width cannot be read from it; it is then taken as 0.24 of the spacing.

    References
    ----------
    Wilson, Nature 150, 152 (1942). Whittle, Ark. Mat. 2, 423 (1953).

    Examples
    --------
    >>> y, x = np.mgrid[:96, :96]
    >>> lattice = np.exp(-((y % 16 - 8) ** 2 + (x % 16 - 8) ** 2) / (2 * 2.5**2))
    >>> sigma, spacing = estimate_scale(lattice)
    >>> round(sigma, 1), round(spacing)
    (2.5, 16)
    """
    pixels = prepare(image).pixels
    power, window = _power_spectrum(pixels)
    rows, columns = window.shape
    ky, kx = 2 * np.pi * np.fft.fftfreq(rows)[:, None], 2 * np.pi * np.fft.rfftfreq(columns)
    k = np.hypot(ky, kx)
    step = 2 * np.pi / min(rows, columns)
    sigma, floor, highest = _wilson(power, k, step)
    spacing = _shortest_repeat(power - floor, k, step, sigma, window)
    if sigma < 0.2 * spacing and highest * spacing < 2 * np.pi * 1.9:
        sigma = 0.24 * spacing
    return float(sigma), float(spacing)


def typical_size(pixels):
    """Size of the features in pixels, as `feature_size`, but of the atoms where these lie on clouds."""
    size = feature_size(pixels)
    if np.isfinite(size):
        sigma, spacing = estimate_scale(pixels)
        if size > _CLOUDS * sigma and not spacing < _WIDEST_LATTICE * sigma:
            return sigma
    return size


def _power_spectrum(pixels):
    """Power spectrum under a Hann window, averaged over up to nine tiles (Welch)."""
    size = [min(n, _TILE) for n in pixels.shape]
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in size))
    tiles = samples(pixels, size)
    total = np.zeros((size[0], size[1] // 2 + 1))
    for tile in tiles:
        total += np.abs(np.fft.rfft2((tile - np.average(tile, weights=window)) * window)) ** 2
    return total / (len(tiles) * (window**2).sum()), window


def _wilson(power, k, step):
    """Width of the columns, noise floor, and the highest frequency that rises above it."""
    ring = np.rint(k / step).astype(int)
    last = int(np.pi / step)
    count, total, k_total = (
        np.bincount(ring.ravel(), w.ravel())[_FIRST_RING:last] for w in (np.ones_like(k), power, k)
    )
    mean, k_ring = total / count, k_total / count
    floor = np.median(power[k > 0.8 * np.pi]) / np.log(2)
    floor = max(floor, 1e-9 * mean.max())
    # All widths at once; for each, Fisher scoring in the floor and the height.
    widths = np.geomspace(0.5, min(power.shape[0] / 8, 20), 64)
    shape = np.exp(-((widths[:, None] * k_ring) ** 2))
    noise = np.full((widths.size, 1), floor)
    height = np.maximum((mean - floor) @ shape.T / (shape**2).sum(axis=1), floor)[:, None]
    for _ in range(15):
        model = noise + height * shape
        weight = count / model**2
        residual = weight * (mean - model)
        a, b, c = weight.sum(axis=1), (weight * shape).sum(axis=1), (weight * shape**2).sum(axis=1)
        g, h = residual.sum(axis=1), (residual * shape).sum(axis=1)
        determinant = a * c - b**2 + 1e-12 * a * c
        noise = np.maximum(noise + ((c * g - b * h) / determinant)[:, None], 0.3 * noise)
        height = np.maximum(height + ((a * h - b * g) / determinant)[:, None], 0.2 * height)
    model = noise + height * shape
    best = np.argmin((count * (np.log(model) + mean / model)).sum(axis=1))
    floor = noise[best, 0]
    above = mean > floor * (1 + 6 / np.sqrt(count))
    return widths[best], floor, k_ring[above].max(initial=0.0)


def _shortest_repeat(signal, k, step, sigma, window):
    """Innermost peak of the autocorrelation, smoothed by the width of a column."""
    signal = np.where(k < _FIRST_RING * step, 0, signal * np.exp(-0.5 * (sigma * k) ** 2))
    shape = window.shape
    overlap = np.fft.irfft2(np.abs(np.fft.rfft2(window)) ** 2, s=shape)
    repeat = np.fft.fftshift(np.fft.irfft2(signal, s=shape) / np.maximum(overlap, 0.05 * overlap.max()))
    y, x = (np.arange(n) - n // 2 for n in shape)
    distance = np.hypot(y[:, None], x)
    repeat /= repeat[distance == 0]
    peaks = local_maxima(repeat) & (repeat > 0.3)
    found = np.sort(distance[peaks & (distance > 1.5 * sigma) & (distance < min(shape) / 2)])
    # A lattice repeats along two directions, both ways; a chance pair gives a vector and its opposite only.
    repeats = found.size >= 4 and found[3] < 2.6 * found[0]
    return found[0] if repeats else np.nan


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
    n = min(_TILE, *image.shape)
    power = np.mean([_radial_power(piece) for piece in samples(image, (n, n))], axis=0)
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


def _radial_power(piece):
    """Power spectrum of the flattened piece, averaged over rings one frequency step wide."""
    n = piece.shape[0]
    flat = piece - uniform_filter(uniform_filter(piece, n // 5), n // 5)
    window = np.hanning(n)
    power = np.abs(np.fft.rfft2((flat - flat.mean()) * window[:, None] * window)) ** 2
    ring = np.rint(np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)) * n).astype(int).ravel()
    total = np.bincount(ring, power.ravel())
    return (total / np.maximum(np.bincount(ring), 1))[: n // 2 + 1]
