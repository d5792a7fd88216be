"""The lengths of an image of atoms, from its power spectrum: of its features, and of its columns."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter, median, uniform_filter

from atomlens._image import prepare
from atomlens._maxima import local_maxima
from atomlens._resample import resample
from atomlens._tiles import samples
from atomlens._types import ArrayLike, DataArray

__all__ = ["estimate_scale"]

COLUMN_WIDTH = 1.3  # standard deviation of a column, in feature sizes
_TILE = 512  # pixels; of larger images a few such pieces are looked at
# Rings of the spectrum below this number belong to the window and to slow background.
_FIRST_RING = 4
# Without a lattice, features so many widths of a column large are clouds; and no lattice is so wide.
_CLOUDS, _WIDEST_LATTICE = 1.3, 15.0
# What counts for the size of features: standard deviations of white noise, share of the strongest ring.
_SIGNIFICANT, _FAINTEST = 4.0, 0.03
# An isolated peak of the spectrum is a Bragg peak if it has so many times the median power of its ring
# (chance makes one in 1e9 so high) and this share of the strongest one; so many, with their opposites, are
# a lattice.
_ISOLATED, _FAINTEST_PEAK, _LATTICE = 30.0, 0.02, 4
# Noise counts as coloured where its power in one half of the high frequencies is so many times that in the
# other, and scan lines as streaked where they have so many times the power of what is around.
_COLOURED, _STREAKED = 2.0, 3.0
# Bragg peaks overrule the rings where these see so much finer features, which is what coloured noise makes.
_FINER = 0.75
# No column is so much narrower than the features that Bragg peaks see: their spacing narrows the spectrum.
_NARROWER = 0.9
# Smaller features than this, in noise that is coloured, are taken for the noise.
_GRAIN = 2.0
# Bands of high frequencies, in cycles a pixel, whose noise is compared.
_BANDS = (0.25, 0.35), (0.38, 0.48)
# Pixels are averaged down to features of so many pixels, and images to so many pixels along a side.
_FINEST, _LEAST_PIXELS = 1.1, 64


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
    return _scale(prepare(image, clean=True).pixels)


def _scale(pixels):
    """Width and spacing, as `estimate_scale`, on pixels averaged until the noise in them is white."""
    power, window = _power_spectrum(pixels)
    rows, columns = window.shape
    ky, kx = 2 * np.pi * np.fft.fftfreq(rows)[:, None], 2 * np.pi * np.fft.rfftfreq(columns)
    k = np.hypot(ky, kx)
    step = 2 * np.pi / min(rows, columns)
    power = _without_streaks(power, np.rint(k / step).astype(int))
    sigma, floor, highest = _wilson(power, k, step)
    flat, n = _flat_power(pixels)
    bragg = _size_by_peaks(flat, n)
    if sigma < max(_GRAIN, _NARROWER * np.nan_to_num(bragg)) and _may_be_halved(flat, n, bragg):
        sigma, spacing = _scale(_halved(pixels))
        # The average over two pixels each way widens by 1/4 of their square.
        return 2 * float(np.sqrt(max(sigma**2 - 1 / 16, 0.1))), 2 * spacing
    spacing = _shortest_repeat(power - floor, k, step, sigma, window)
    if sigma < 0.2 * spacing and highest * spacing < 2 * np.pi * 1.9:
        sigma = 0.24 * spacing
    return float(sigma), float(spacing)


def features(pixels):
    """Size of the features in pixels, as `typical_size`, and whether something repeats.

    Noise that is correlated from pixel to pixel (a detector's blur, any interpolation) looks like small
    features. A lattice is not mistaken for it: its Bragg peaks stand out of noise of whatever colour. Where
    there are none, pixels are averaged until the noise is white.
    """
    power, n = _flat_power(pixels)
    size, bragg = _size_by_rings(power, n), _size_by_peaks(power, n)
    if size < _FINER * bragg:
        return bragg, True
    if size * _FINER <= bragg:
        return size, True
    if not np.isfinite(bragg) and size < _GRAIN and _may_be_halved(power, n, bragg):
        size, repeats = features(_halved(pixels))
        return 2 * size, repeats
    sigma, spacing = _scale(pixels)
    spaced = spacing < _WIDEST_LATTICE * sigma
    repeats = spaced or np.isfinite(bragg) or _somewhere_a_lattice(pixels)
    return (sigma if size > _CLOUDS * sigma and not spaced else size), bool(repeats)


def has_bragg_peaks(pixels):
    """Whether a lattice shows in the image or a quarter of it; `features` takes lesser evidence, too."""
    return bool(np.isfinite(_size_by_peaks(*_flat_power(pixels)))) or _somewhere_a_lattice(pixels)


def _somewhere_a_lattice(pixels):
    """Whether a quarter of the image has Bragg peaks, which clouds elsewhere drown in the whole."""
    half = min(n // 2 for n in pixels.shape)
    if half < _LEAST_PIXELS:
        return False
    quarters = samples(pixels, (half, half), most=2)
    return any(np.isfinite(_size_by_peaks(*_flat_power(quarter))) for quarter in quarters)


def typical_size(pixels):
    """Size of the features in pixels, as `feature_size`, but of the atoms where these lie on clouds."""
    return features(pixels)[0]


def white_noise(pixels):
    """Whether the noise is white, and its variance, both from the highest frequencies."""
    flat, n = _flat_power(pixels)
    high = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)) > 0.4
    variance = np.median(flat[high]) / np.log(2) / (np.hanning(n) ** 2).sum() ** 2
    return not _is_coloured(flat, n), float(variance)


def _may_be_halved(power, n, bragg):
    """Whether noise is coloured, and the features, if known, are still resolved on half the pixels."""
    return n >= _LEAST_PIXELS and not bragg < 2 * _FINEST and _is_coloured(power, n)


def _halved(pixels):
    """Half as many pixels along each axis, averaged."""
    return resample(pixels, tuple(n // 2 for n in pixels.shape))


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
    return _size_by_rings(*_flat_power(image))


def _flat_power(image):
    """Power spectrum of flattened square pieces, and their length in pixels."""
    n = min(_TILE, *image.shape)
    window = np.hanning(n)
    total = 0
    pieces = samples(image, (n, n))
    for piece in pieces:
        flat = piece - uniform_filter(uniform_filter(piece, n // 5), n // 5)
        total += np.abs(np.fft.rfft2((flat - flat.mean()) * window[:, None] * window)) ** 2
    return _without_streaks(total / len(pieces), _rings(n)), n


def _rings(n):
    """Number of the ring of every frequency, one step wide, in a half-plane."""
    return np.rint(np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)) * n).astype(int)


def _size_by_rings(power, n):
    """``1 / (2 pi k_rms)`` of what rises above white noise, ring by ring."""
    ring = _rings(n).ravel()
    power = (np.bincount(ring, power.ravel()) / np.maximum(np.bincount(ring), 1))[: n // 2 + 1]
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


def _size_by_peaks(power, n):
    """``1 / (2 pi k_rms)`` of the Bragg peaks, whatever the colour of the noise; NaN without a lattice."""
    ring = _rings(n)
    # What is unusual on the lines through the centre (streaks, edges) is judged by these lines.
    usual = _ring_medians(power, ring)[ring]
    usual[:, :2] = np.maximum(usual[:, :2], np.median(power[:, :2], axis=0))
    usual[[-1, 0, 1]] = np.maximum(usual[[-1, 0, 1]], np.median(power[[-1, 0, 1]], axis=1)[:, None])
    power, usual, ring = (np.fft.fftshift(a, axes=0) for a in (power, usual, ring))
    allowed = (ring > 3) & (ring < n / 2)
    peak = local_maxima(power, 5, mode="nearest") & (power > _ISOLATED * usual) & allowed
    peak &= power > _FAINTEST_PEAK * np.max(power, where=peak, initial=0)
    # Of a peak and its opposite both are seen on the line that the half-plane ends with.
    whole = np.where(np.arange(power.shape[1]) > 0, 1.0, 0.5)
    if (peak * whole).sum() < _LATTICE / 2:
        return float("nan")
    weight = np.where(maximum_filter(peak, 3) & allowed, np.maximum(power - usual, 0) * whole, 0)
    k = np.hypot(np.fft.fftshift(np.fft.fftfreq(n))[:, None], np.fft.rfftfreq(n))
    return float(1 / (2 * np.pi * np.sqrt((weight * k**2).sum() / weight.sum())))


def _ring_medians(power, ring):
    """Median power of every ring."""
    return median(power, ring, np.arange(ring.max() + 1))


def _is_coloured(power, n):
    """Whether noise is not white: the medians of the outer rings, which do not see Bragg peaks, differ."""
    level = _ring_medians(power, _rings(n))
    middle, outer = (np.median(level[int(a * n) : int(b * n)]) for a, b in _BANDS)
    return max(middle, outer) > _COLOURED * min(middle, outer)


def _without_streaks(power, ring):
    """Power spectrum without what rows of different brightness put on the line of no horizontal frequency."""
    usual = _ring_medians(power, ring)[ring[:, 0]]
    far = ring[:, 0] > ring[:, 0].max() / 2
    if np.median(power[far, 0]) < _STREAKED * np.median(usual[far]):
        return power
    power = power.copy()
    streaks = slice(0, 2)  # the window widens the line
    peaks = power[:, streaks] > _ISOLATED * np.median(power[:, streaks], axis=0)
    power[:, streaks] = np.where(peaks, power[:, streaks], np.minimum(power[:, streaks], usual[:, None]))
    return power
