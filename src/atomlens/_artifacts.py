"""What stands in an image but was not in the specimen: hot pixels, streaks, padding, a burnt-in scale bar."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import (
    binary_dilation,
    binary_fill_holes,
    find_objects,
    gaussian_filter,
    gaussian_filter1d,
    label,
    maximum_filter,
    median_filter,
    minimum_filter,
)

_RING = np.ones((3, 3), dtype=bool)
_RING[1, 1] = False
# A region of one and the same value is not a matter of chance if so many such images have none of its size.
_IMAGES = 1e6
_ENLARGED = 2  # an image that was enlarged so many times has chance regions as much larger
_HARDLY = 0.01  # of the pixels: equal neighbours are no chance then, not even single ones
_RARE = 1e-3  # share of the pixels in blocks of the colour of a bar, beyond which these are not letters
_SMALLEST_SIDE, _BARS = 17, (2, 4, 7)  # pixels, of constant squares (two JPEG blocks), and widths of bars
_BAR, _SHORTEST_BAR = 0.08, 40  # of the image's width, and pixels
_BORDER = 0.02  # of the pixels: constant regions at the border that are smaller do no harm
_LARGEST_BOX = 0.15  # of the pixels: a larger rectangle holds no text
_SOLID = 0.95  # of its bounding box that a rectangle fills
_HOLES = 3  # gaps that padding may have: more, and it is the dark between columns
_SOFT_EDGE = 2  # pixels beside padding into which interpolation smears it
_STREAKS = 4.0  # times the power of other directions that row offsets must have
# Times the usual power: a reflection of the lattice, not a streak; how many are looked for; and frequencies
# (cycles a row) of what is the specimen or the light, no streak.
_ISOLATED, _REFLECTIONS, _SLOW = 15.0, 12, 0.02
# Lines that one is compared with, times what those after the most that may be torn differ from theirs.
_BESIDE, _TORN, _MOST_TORN = 7, 3.0, 3
_LEAST_SIDE = 32  # pixels: in smaller images neither padding nor streaks can be told
# Of a derivative: how far it goes below zero, in units of how far above; and its skewness (19 experimental
# images have more: 0.15 to 2).
_DARK, _EVEN = 0.4, 0.12
_SATURATED = 3e-3  # of the pixels at the highest value, beside others at it
_LEVELS = 30  # different values, below which pixels hold a few electrons


def remove_hot_pixels(pixels):
    """Replace single pixels far above all their neighbours by the largest of these.

    A column is at least two pixels wide, so that its centre is never three times its surroundings.
    """
    lowest = pixels.min()
    # from 0 on, so that single precision is enough whatever unit and offset the counts have
    lifted = (pixels - lowest).astype(np.float32)
    floor = np.percentile(lifted, 1)
    around = maximum_filter(lifted, footprint=_RING, mode="nearest")
    excess = np.abs(lifted - around)
    spread = np.sqrt(np.mean(np.minimum(excess, np.percentile(excess, 99)) ** 2))
    hot = (lifted - around > 8 * spread) & (lifted - floor > 3 * (around - floor))
    return np.where(hot, around + lowest, pixels)


def padding(pixels):
    """Mark regions of one value that were put into or around an image: shape (H, W), and their kinds.

    Rotation and drift correction leave constant corners, programs burn in a scale bar with its text. What
    is constant by chance (empty pixels of a low dose) or by a limit of the detector (saturated columns,
    clipped background) stays.

    Returns
    -------
    mask : ndarray of bool, shape (H, W)
    kinds : set of str
        ``"padding"`` (at the border), ``"burnt-in"`` (a rectangle inside).

    Examples
    --------
    >>> image = np.random.default_rng(0).poisson(50.0, (64, 64))
    >>> image[:20] = 0
    >>> mask, kinds = padding(image)
    >>> int(mask.sum()) // 64, sorted(kinds)
    (21, ['padding'])
    """
    if min(pixels.shape) < _LEAST_SIDE:
        return np.zeros(pixels.shape, dtype=bool), set()
    same_right, same_below = pixels[:, 1:] == pixels[:, :-1], pixels[1:] == pixels[:-1]
    flat = np.pad(same_right, ((0, 0), (0, 1)), mode="edge") & np.pad(
        same_below, ((0, 1), (0, 0)), mode="edge"
    )
    mask, kinds = np.zeros(pixels.shape, dtype=bool), set()
    # The power to which the chance of two equal neighbours would have to be raised.
    outside = flat[~opened(flat, (25, 25))]
    chance = outside.mean() if outside.size else 1.0
    area = _area(chance, pixels.size)
    narrow = flat if chance < _HARDLY else opened(flat, (3, 3))
    side = max(_SMALLEST_SIDE, int(np.ceil(np.sqrt(area))))
    shortest = max(int(_BAR * pixels.shape[1]), _SHORTEST_BAR)
    bars = [(width, max(shortest, int(np.ceil(area / width)))) for width in _BARS]
    for block in ((side, side), *bars):
        if block[0] >= pixels.shape[0] or block[1] >= pixels.shape[1]:
            continue
        regions, _ = label(opened(flat, block))
        for number, box in enumerate(find_objects(regions), start=1):
            region = regions[box] == number
            kind = _kind(region, box, pixels.shape)
            if kind is None or (kind == "padding" and block[0] < side) or mask[box][region].any():
                continue
            if kind == "burnt-in" and not _is_rare(pixels, flat, box, region):
                continue
            kinds.add(kind)
            if kind == "padding":
                # Its pointed corners, into which the block does not fit
                seed = np.zeros_like(mask)
                seed[box] = region
                mask |= binary_dilation(seed, iterations=2 * side, mask=seed | narrow)
            else:
                mask[_with_text(pixels, region, box)] = True
    if not kinds:
        return mask, kinds
    return binary_dilation(mask, np.ones((3, 3), bool), iterations=_SOFT_EDGE), kinds


def _area(chance, size):
    """Pixels that are equal by no chance, where neighbours are equal with this one."""
    return _ENLARGED**2 * 3 * np.log(_IMAGES * size) / -np.log(np.clip(chance, 1e-6, 0.999))


def _is_rare(pixels, flat, box, region):
    """Whether elsewhere pixels of this value are not as often beside each other: a clipped background is."""
    same = pixels == pixels[box][region][0]
    same[box] &= ~region
    if same.sum() < region.sum():
        return True
    return region.sum() >= _area(flat[same].mean(), pixels.size)


def opened(flat, block):
    """Where a block (height, width) fits into the marked pixels; beyond the image all are."""
    if min(n - b for n, b in zip(flat.shape, block, strict=True)) < 0:
        return np.zeros_like(flat)
    # Wherever a block lies, it covers a whole cell of a grid half as coarse: mostly there is none.
    cell = [(b + 1) // 2 for b in block]
    padded = np.pad(flat, [(0, -n % c) for n, c in zip(flat.shape, cell, strict=True)], constant_values=True)
    cells = padded.reshape(padded.shape[0] // cell[0], cell[0], -1, cell[1])
    if not cells.all(axis=1).all(axis=2).any():
        return np.zeros_like(flat)
    fits = minimum_filter(flat, block, mode="constant", cval=1)
    return maximum_filter(
        fits, block, mode="constant", cval=0, origin=[-1 if b % 2 == 0 else 0 for b in block]
    )


def _kind(region, box, shape):
    """What a constant region is: padding, burnt in, or nothing that was added (None)."""
    total = np.prod(shape)
    filled = binary_fill_holes(region)
    sides = sum((s.start == 0) + (s.stop >= n - 1) for s, n in zip(box, shape, strict=True))
    if sides >= 2 or (sides and region.sum() > _BORDER * total):  # a corner, or a broad strip
        # A border all around has one hole, the image; the dark between columns has one a column.
        return "padding" if label(filled & ~region)[1] <= _HOLES else None
    # A small box may hold text; a large one is solid, or it is the dark between columns.
    inside = filled if region.size < _LARGEST_BOX * total else region
    if inside.sum() >= _SOLID * region.size:
        return "burnt-in"
    return None


def _with_text(pixels, region, box):
    """Box about a bar that takes in what else has its colour around it: its label."""
    reach = max(n.stop - n.start for n in box) // 2
    around = tuple(slice(max(0, s.start - reach), min(n, s.stop + reach))
                   for s, n in zip(box, pixels.shape, strict=True))  # fmt: skip
    # Single pixels of that colour are saturated columns; strokes of letters are several pixels wide.
    letters = opened(pixels == pixels[box][region][0], (2, 2))
    alike = letters[around].copy()
    letters[around] = False
    if letters.mean() > _RARE:
        alike[:] = False
    alike[tuple(slice(s.start - a.start, s.stop - a.start) for s, a in zip(box, around, strict=True))] = True
    rows, columns = (np.flatnonzero(alike.any(axis=axis)) for axis in (1, 0))
    return (
        slice(around[0].start + rows[0], around[0].start + rows[-1] + 1),
        slice(around[1].start + columns[0], around[1].start + columns[-1] + 1),
    )


def saturated(pixels, usable):
    """Share of the usable pixels that stand at the highest value, beside others; 0 where it is small."""
    seen = pixels[usable]
    top = (pixels == seen.max()) & usable
    share = (top & maximum_filter(top, footprint=_RING, mode="constant")).sum() / seen.size
    # The dark of an inverted image of few electrons stands at the highest value, too: it has few others.
    few = len(np.unique(seen[:: max(1, seen.size // 10000)])) < _LEVELS
    return 0.0 if few or share < _SATURATED else float(share)


def level_rows(pixels):
    """Take out offsets of single rows (streaks), where there are any; reflections of a lattice are kept.

    Row offsets put power on the line of the spectrum with no horizontal frequency, and nowhere else.
    """
    if min(pixels.shape) < _LEAST_SIDE:
        return pixels
    # Only the lowest horizontal frequencies are asked for: two products of matrices instead of a transform.
    height, width = pixels.shape
    wave = np.exp(-2j * np.pi * np.outer(np.arange(width), np.arange(12)) / width)
    wave *= np.hanning(width + 2)[1:-1, None]
    flat = pixels - pixels.mean()
    across = (flat @ wave.real + 1j * (flat @ wave.imag)) * np.hanning(height + 2)[1:-1, None]
    power = np.abs(np.fft.fft(across, axis=0)) ** 2
    rows = np.abs(np.fft.fftfreq(len(pixels)))
    high = rows > 0.1  # below, it may be the specimen
    beside = np.median(power[high, 4:12])
    if np.median(power[high, 0]) < _STREAKS * max(beside, 1e-12 * power.max()):
        return pixels
    ordered = np.sort(pixels, axis=1)
    trimmed = len(ordered[0]) // 10
    offset = ordered[:, trimmed:-trimmed].mean(axis=1)
    return pixels - _without_period(offset - offset.mean())[:, None]


def _without_period(offset):
    """Offsets of rows without waves along y, which are reflections of a lattice, and without what is slow.

    A lattice along the rows is constant across them, as streaks are; but it has few frequencies. Those that
    stand out are fitted, with an amplitude that may vary, one after the other.
    """
    n = len(offset)
    at = np.arange(n)
    place = np.polynomial.legendre.legvander(np.linspace(-1, 1, n), 2)
    window, size = np.hanning(n + 2)[1:-1], 4 * n
    slow = np.fft.rfftfreq(size) < _SLOW
    waves = [place]
    rest = offset - place @ np.linalg.lstsq(place, offset, rcond=None)[0]
    for _ in range(_REFLECTIONS):
        power = np.abs(np.fft.rfft(rest * window, size)) ** 2
        power[slow] = 0
        peak = int(power.argmax())
        if power[peak] < _ISOLATED * np.median(power[~slow]) / np.log(2):
            break
        phase = 2 * np.pi * peak / size * at[:, None]
        waves += [np.cos(phase) * place, np.sin(phase) * place]
        basis = np.concatenate(waves, axis=1)
        rest = offset - basis @ np.linalg.lstsq(basis, offset, rcond=None)[0]
    return rest - gaussian_filter1d(rest, 1 / (2 * np.pi * _SLOW))


def torn_lines(pixels, usable):
    """Mark single rows and columns of pixels far from those beside them: a shutter, a spike of current."""
    lines = np.zeros(pixels.shape, dtype=bool)
    if min(pixels.shape) < _LEAST_SIDE:
        return lines
    seen = pixels[usable]
    low, high = np.percentile(seen, (5, 95))
    even = np.where(usable, np.clip(pixels, low, high), seen.mean())  # a few bright atoms tear no line
    for axis in (0, 1):
        level = even.mean(axis=1 - axis)
        beside = median_filter(level, _BESIDE, mode="nearest")
        away = np.abs(level - beside)
        # Rows of a lattice differ, too, but many of them do.
        torn = away > _TORN * max(np.sort(away)[-_MOST_TORN - 1], 1e-9 * np.ptp(pixels))
        lines |= torn[:, None] if axis == 0 else torn
    return lines


def filled(pixels, usable):
    """Put what is around into the pixels that are not usable, smoothly."""
    if usable.all():
        return pixels
    width = max(pixels.shape) / 32
    weight = gaussian_filter(usable.astype(float), width) + 1e-9
    mean = pixels[usable].mean()
    around = mean + gaussian_filter(np.where(usable, pixels - mean, 0.0), width) / weight
    return np.where(usable, pixels, around)


def signed(values, size):
    """Whether an image has as much dark as bright, on both sides of zero: counts are never like that."""
    low, high = np.percentile(values, (1, 99))
    if not -low > _DARK * high > 0:
        return False
    fine = gaussian_filter(values, size / 2)
    fine = fine - gaussian_filter(fine, 8 * size)
    return bool(np.abs(np.mean(fine**3)) < _EVEN * np.mean(fine**2) ** 1.5)
