"""The lattice of an image: autocorrelation for the vectors, Bragg peaks as the judge."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, maximum_filter, median

from atomlens._bright import bright_spots
from atomlens._image import prepare
from atomlens._maxima import local_maxima, strongest_first, vertex
from atomlens._tiles import samples
from atomlens.lattice.basis import reduced
from atomlens.lattice.model import Lattice, low_confidence

# Widths in pixels of single bright atoms whose light is taken away where no lattice is seen: of 31 images of
# silicon in graphene it is then seen in 12, and not only in 3.
_BRIGHT = 3.0, 6.0
# Halved or doubled (but for shares near 1), none of these changes one of 24 lattices under six disturbances,
# or makes one of texture (benchmarks/constants.py).
_LARGEST = 1024  # pixels along an axis; of larger images the middle is looked at
_LOWEST = 3  # periods in the field, below which a frequency is background
_FURTHEST = 3.0  # of the frequency of the strongest peak
_CHANCE = 1e-3  # that noise alone makes one peak in the whole spectrum
_INTEGER = 0.12  # how far from a whole number the order of a peak may come out
_FAINTEST = 0.02  # of the strongest amplitude: what a distorted scan makes beside the strong peaks
_EXPLAINED = 0.4  # share of the amplitudes that a lattice must explain; two grains share the field
_NEARLY = 0.93  # of the best lattice: one that does so well may have the smaller cell
_FILLED = 0.5  # of the reciprocal lattice: a coincidence lattice of two grains leaves most of it empty
_REST = 0.8  # of the other peaks, explained by the same lattice turned: a second grain
_PIECES = 12  # of an image along each axis
_BRIGHTEST = 1.5  # times the usual height of the crystal, where pixels are cut off
_NEIGHBOURING = 0.35  # of the frequency of the strongest peak, within which no other one lies
# Share of the Bragg peaks of its quarters that a crystal has in common with them: 23 images of crystals have
# .99 and more, of two grains .5 to .76, of grass, bricks and craters 0 to .6. How near they must be, in bins
# of the spectrum and for strain; how likely chance may bring them there; and the pixels of a quarter.
_EVERYWHERE, _BINS, _STRAINED, _TELLING, _LEAST_QUARTER = 0.7, 1.5, 0.01, 0.9, 32
_STRONGEST = 40
_CANDIDATES = 60
_WEAKEST_SITE = 0.25  # of the brightest site of the cell, above the darkest place


def basis_of_image(image, mask=None):
    """Lattice of an image; see `atomlens.lattice.estimate`."""
    prepared = prepare(image, smallest=32, clean=True, mask=mask)
    pixels, size = prepared.pixels, prepared.pixel_size
    middle = tuple(slice(max(0, n // 2 - _LARGEST // 2), n // 2 + _LARGEST // 2) for n in pixels.shape)
    found = _explained(pixels[middle])
    for width in _BRIGHT if found is None else ():
        spots, between = bright_spots(pixels, prepared.usable, width, 1.3 * width)
        found = _explained(between[middle]) if found is None and len(spots) else found
    if found is None:
        return Lattice(np.full((2, 2), np.nan), pixel_size_nm=size)
    basis, confidence = reduced(found[0]), found[1]
    sites = _sites(pixels, basis, prepared.usable)
    said = low_confidence(confidence) or _not_everywhere(pixels[middle], basis)
    return Lattice(basis, sites, confidence, True, size, [*prepared.doubts, *said])


def _explained(pixels):
    """The lattice that explains the Bragg peaks, or None."""
    frequency, strength, repeat = _bragg_peaks(pixels)
    return _explain(frequency, strength, repeat) if len(frequency) >= 2 else None


def _not_everywhere(pixels, basis):
    """What is to be said if quarters of the image do not show the lattice of the whole."""
    shares = []
    half = [n // 2 for n in pixels.shape]
    if min(half) < _LEAST_QUARTER:
        return []
    for down, across in product(
        (slice(0, half[0]), slice(-half[0], None)), (slice(0, half[1]), slice(-half[1], None))
    ):
        frequency, strength, _ = _bragg_peaks(pixels[down, across])
        if not len(frequency):
            continue  # vacuum, or too few electrons in a quarter
        order = frequency @ basis.T
        away = np.abs((order - np.rint(order)) @ np.linalg.inv(basis).T)
        reach = _BINS / np.array(half[::-1]) + _STRAINED * np.hypot(*frequency.T)[:, None]
        near = (away < reach).all(axis=1)
        # By chance as many are near: a large cell has reflections everywhere.
        chance = np.minimum(4 * reach.prod(axis=1) * abs(np.linalg.det(basis)), 1)
        if np.average(chance, weights=strength**2) < _TELLING:
            shares.append((strength**2 * (near - chance)).sum() / (strength**2 * (1 - chance)).sum())
    if not shares or np.mean(shares) > _EVERYWHERE:
        return []
    return [
        f"quarters of the image share {max(np.mean(shares), 0):.0%} of their Bragg peaks with the lattice of "
        "the whole: several grains, or no crystal at all (texture repeats by chance); look at the power "
        "spectrum, or keep one region"
    ]


def _bragg_peaks(pixels):
    """Frequencies (n, 2) of the peaks in cycles per pixel, their strength, and the autocorrelation they make.

    In the spectrum of anything but a lattice, the power at one frequency is exponentially distributed about
    the mean of its ring; so the height that noise reaches is known.
    """
    rows, columns = pixels.shape
    window = np.outer(np.hanning(rows + 2)[1:-1], np.hanning(columns + 2)[1:-1])
    # A single atom many times as bright as the crystal would be all that the spectrum shows.
    floor = np.percentile(pixels, 1)
    pixels = np.minimum(pixels, floor + _BRIGHTEST * (_usual_height(pixels) - floor))
    flat = (pixels - np.average(pixels, weights=window)) * window
    power = np.fft.fftshift(np.abs(np.fft.fft2(flat)) ** 2)
    ky, kx = (np.fft.fftshift(np.fft.fftfreq(n)) for n in pixels.shape)
    k = np.hypot(ky[:, None], kx)
    ring = np.rint(k * max(rows, columns)).astype(int)
    mean = median(power, ring, np.arange(ring.max() + 1)) / np.log(2)
    count = np.bincount(ring.ravel())
    # A median over few bins scatters itself; the Hann window correlates neighbours (hence 3).
    doubt = 1 + 3 / np.sqrt(np.maximum(count / 3, 1))
    ratio = power / np.maximum(mean, 1e-12 * power.max())[ring]
    allowed = (k > _LOWEST / min(rows, columns)) & (k < 0.5)
    high = (ratio > (np.log(power.size / _CHANCE) * doubt)[ring]) & allowed
    # Distortions split the peaks of large images; but an enlarged image has many pixels and few periods.
    strongest = k.ravel()[np.where(high, power, 0).argmax()] * min(rows, columns)
    apart = 2 * int(min(max(3, min(rows, columns) // 64), max(3, _NEIGHBOURING * strongest))) + 1
    peak = high & local_maxima(power, apart) & (power > _FAINTEST**2 * power[allowed].max())
    # Far beyond the strongest peak lies what mains hum and torn lines make.
    peak &= k <= _FURTHEST * k.ravel()[np.where(peak, power, 0).argmax()]
    at = np.argwhere(peak)
    if not len(at):
        return np.empty((0, 2)), np.empty(0), None
    near = maximum_filter(peak, 7)
    repeat = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(np.where(near, power, 0))).real)
    frequency = np.array([_summit(power, y, x) for y, x in at])
    frequency = (frequency - [rows // 2, columns // 2]) / [rows, columns]
    return frequency[:, ::-1], np.sqrt(power[peak]), repeat / repeat.max()


def _usual_height(pixels):
    """How bright the brightest pixel of a piece of the image usually is."""
    pieces = samples(pixels, [max(n // _PIECES, min(n, _PIECES)) for n in pixels.shape], most=_PIECES)
    return np.percentile([piece.max() for piece in pieces], 75)


def _summit(values, y, x):
    """Place of a maximum between the pixels: parabolas through the logarithms of its neighbours."""
    place = []
    for axis, at in ((0, y), (1, x)):
        index = [(at + d) % values.shape[axis] for d in (-1, 0, 1)]
        low, mid, high = np.log(np.maximum(values[index, x] if axis == 0 else values[y, index], 1e-300))
        place.append(at + vertex(high - low, 2 * mid - low - high)[0])
    return place


def _explain(frequency, strength, repeat):
    """Basis with the smallest cell for which the Bragg peaks have whole orders, and their share; or None."""
    rows, columns = repeat.shape
    at = np.argwhere(local_maxima(repeat, 5) & (repeat > 0.15))
    raised = repeat + 1
    vectors = np.array([_summit(raised, y, x) for y, x in at])[:, ::-1] - [columns // 2, rows // 2]
    length = np.linalg.norm(vectors, axis=1)
    keep = (length > 1.5) & (length < min(rows, columns) / 3) & (vectors @ [1, 1e-3] > 0)
    vectors = vectors[keep][np.argsort(length[keep])]
    # In a large cell short vectors that fit half of it are many: only those that fit nearly as well as any.
    lattices = _lattices(vectors, frequency, strength)
    best = max((share for _, share in lattices), default=0.0)
    found = next((r for r in lattices if r[1] >= max(_NEARLY * best, _EXPLAINED)), None)
    if found is None or _filled(found[0], frequency) >= _FILLED:
        return found
    # Most orders are absent. The coincidence lattice of two grains is like that: then one grain is meant.
    return _one_grain(frequency, strength) or found


def _one_grain(frequency, strength):
    """Lattice of one of two grains, each of which explains what the other one leaves, or None."""
    strongest = frequency[np.argsort(-strength)][:_STRONGEST]
    strongest = strongest[strongest @ [1, 1e-3] > 0]
    grains = []
    for pair in map(np.array, combinations(strongest, 2)):
        area = abs(np.linalg.det(pair))
        if area < 0.3 * np.prod(np.linalg.norm(pair, axis=1)):
            continue
        basis, share = _refined(np.linalg.inv(pair).T, frequency, strength)
        if share >= _EXPLAINED and _filled(basis, frequency) >= _FILLED:
            grains.append((area, basis, share))
    best = max((share for *_, share in grains), default=0.0)
    for _, basis, share in sorted(grains, key=lambda g: -g[0]):
        if share >= 0.85 * best and _turned_explains(basis, frequency, strength) > _REST:
            return basis, share
    return None


def _lattices(vectors, frequency, strength):
    """Refined bases from pairs of vectors, and what they explain, the smallest cell first."""
    order = vectors @ frequency.T
    whole = np.abs(order - np.rint(order)) < _INTEGER
    weight = strength / strength.sum()
    share = whole @ weight
    good = np.flatnonzero(share > 0.75 * share.max(initial=0.0))[:_CANDIDATES]
    pairs = []
    for n, m in combinations(good, 2):
        a, b = vectors[[n, m]]
        area = abs(a[0] * b[1] - a[1] * b[0])
        if area > 0.3 * np.linalg.norm(a) * np.linalg.norm(b):
            pairs.append(((whole[n] & whole[m]) @ weight, area, n, m))
    best = max((share for share, *_ in pairs), default=0.0)
    pairs = sorted(
        (p for p in pairs if p[0] > 0.8 * max(best, _EXPLAINED)), key=lambda p: (round(p[1]), -p[0])
    )
    return [_refined(vectors[[n, m]], frequency, strength) for *_, n, m in pairs[:_CANDIDATES]]


def _fits(basis, frequency):
    """Orders of the peaks, and which of these are whole."""
    order = frequency @ basis.T
    return np.rint(order), (np.abs(order - np.rint(order)) < _INTEGER).all(axis=1)


def _filled(basis, frequency):
    """Share of the reciprocal lattice, as far out as there are peaks, that has a peak."""
    order, fits = _fits(basis, frequency)
    furthest = np.linalg.norm(frequency[fits], axis=1).max(initial=0.0)
    return len(np.unique(order[fits], axis=0)) / max(np.pi * furthest**2 * abs(np.linalg.det(basis)), 1.0)


def _turned_explains(basis, frequency, strength):
    """Share of the peaks which the lattice does not explain that the same lattice explains when turned."""
    fits = _fits(basis, frequency)[1]
    if fits.all() or not fits.any():
        return 0.0
    rest, weight = frequency[~fits], strength[~fits] / strength[~fits].sum()
    strongest, partners = rest[weight.argmax()], frequency[fits]
    partners = partners[np.abs(np.linalg.norm(partners, axis=1) / np.linalg.norm(strongest) - 1) < 0.05]
    explained = [0.0]
    for angle in np.arctan2(*strongest[::-1]) - np.arctan2(partners[:, 1], partners[:, 0]):
        cosine, sine = np.cos(angle), np.sin(angle)
        turned = basis @ np.array([[cosine, sine], [-sine, cosine]])
        explained.append(weight[_fits(turned, rest)[1]].sum())
    return max(explained)


def _refined(basis, frequency, strength):
    """Least squares over the Bragg peaks: frequency times vector is the order of a peak; and their share."""
    start = basis
    for _ in range(3):
        order, fits = _fits(basis, frequency)
        weight = strength[fits, None]
        basis = np.linalg.lstsq(weight * frequency[fits], weight * order[fits], rcond=None)[0].T
    moved = np.linalg.norm(basis - start, axis=1) > 0.1 * np.linalg.norm(start, axis=1)
    return basis, 0.0 if moved.any() else float(strength[fits].sum() / strength.sum())


def _sites(pixels, basis, usable):
    """Bright places of the average unit cell."""
    n = int(np.clip(np.rint(np.linalg.norm(basis, axis=1).max()), 12, 64))
    y, x = np.nonzero(usable)
    inverse = np.linalg.inv(basis)
    u, v = ((x * inverse[0, axis] + y * inverse[1, axis]) % 1 for axis in (0, 1))
    bins = np.minimum((u * n).astype(int), n - 1) * n + np.minimum((v * n).astype(int), n - 1)
    count = np.bincount(bins, minlength=n * n)
    cell = np.bincount(bins, pixels[usable], n * n) / np.maximum(count, 1)
    cell = gaussian_filter(cell.reshape(n, n), 1.0, mode="wrap")
    floor = cell.min()
    bright = local_maxima(cell, mode="wrap") & (cell > floor + _WEAKEST_SITE * (cell.max() - floor))
    at = strongest_first(cell, bright)
    uv = (np.array([_summit(cell - floor + 1e-9 * np.ptp(cell), *p) for p in at]) + 0.5) / n
    origin = uv @ basis
    relative = uv - uv[0]
    return pd.DataFrame(
        {
            "label": np.arange(len(at)),
            "u": relative[:, 0],
            "v": relative[:, 1],
            "origin_x": origin[:, 0],
            "origin_y": origin[:, 1],
            "n": 0,
        }
    )
