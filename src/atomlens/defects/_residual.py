"""What is left of an image when the average unit cell is taken away, in units of its noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import (
    correlate1d,
    gaussian_filter,
    gaussian_filter1d,
    map_coordinates,
    maximum_filter,
)

from atomlens._artifacts import opened
from atomlens.defects._cells import median_inside

# Halved or doubled, none of these costs more than .05 of recall and false alarms together: most does half of
# `_WIDE` (benchmarks/constants.py).
_LOCAL = 8  # the brightness is followed over this fraction of the image
_CELLS = 3.0  # lattice vectors, the shortest length over which brightness is followed
_STREAKED = 3.0  # times the variance that noise alone gives the median of a row
_FAINT = 0.1  # of the usual power of the model: a third of its amplitude
_ABSENT, _ABSENT_CONTRAST = 0.25, 0.5  # of the model's amplitude, and of the usual contrast
_CUBIC = 3  # degree of the trend of thickness and illumination
_BEYOND_NOISE = 10.0  # times what noise explains by each coefficient of a trend
_THICKEST = 4.0  # the largest gain, relative to the usual one
_GAIN = (0.6, 1.6)  # brightness of a region relative to the image; what lies beyond is not a matter of gain
# Lattice vectors: how far rows may lie off, together and each by itself
_DRIFT, _VIBRATION = 1 / 16, 1 / 4
_WIDE = 4.0  # widths of a column
_CLIPPED, _FAR = 3.0, 5.0  # standard deviations
_LEAST = 1e-3  # weight of what is not trusted: it counts where there is nothing else
_PIECES = 16  # of the image
_ENOUGH = 0.1  # of the cells, for a median at a place
_STEADY = 100  # cells that outweigh the common scatter when that of one place of the cell is estimated


def expected_image(pixels, frame, trusted=None):
    """Image of the perfect crystal: average cell, rows put where they belong, brightness followed.

    Returns the expected image, by how much whole rows are brighter, the frame with its rows shifted, and the
    average cell.
    """
    # Drift moves neighbouring rows alike, along x and y; vibration moves single ones, and along x it shows.
    spacing = frame.lattice.spacing
    trend = 1.0, plane(pixels)
    seen = frame.usable if trusted is None else trusted
    for rows, most in ((spacing / 2, _DRIFT * spacing), (0, _VIBRATION * spacing)):
        model, _, trend = _bright_cells(pixels, frame, trusted, trend)
        intact = np.where(seen, pixels, model)
        frame = frame.moved_rows(np.clip(_row_shifts(intact, model, rows, seen), -most, most))
    model, cell, _ = _bright_cells(pixels, frame, trusted, trend)
    intact = np.where(seen, pixels, model)
    return model, _row_offsets(intact - model, seen)[:, None], frame, cell


def _row_offsets(rest, seen):
    """By how much whole rows are brighter (streaks), where that is more than noise."""
    offset = np.median(rest, axis=1, keepdims=True)
    noise = 1.4826 * np.median(np.abs(rest - offset)[seen])
    # The variance of a median of n values is pi / 2n.
    if np.var(offset) < _STREAKED * np.pi / 2 * noise**2 / rest.shape[1]:
        return np.zeros(len(offset))
    return level_of_rows(rest, noise)


def level_of_rows(rest, noise):
    """Mean of every row without what is far off: as certain as the mean, as robust as the median, nearly."""
    middle = np.median(rest, axis=1, keepdims=True)
    return (middle + np.clip(rest - middle, -_CLIPPED * noise, _CLIPPED * noise).mean(axis=1, keepdims=True))[
        :, 0
    ]


def _bright_cells(pixels, frame, trusted, trend):
    """Average cell over the image, its brightness followed; the cell itself; gain and offset of the image.

    The cells are averaged without the trend that is known so far: a slope would go into the average cell.
    """
    gain, offset = trend
    cell = frame.average((pixels - offset) / gain, trusted)
    wave = frame.spread_out(cell)
    model = gain * wave + offset
    intact = np.where(frame.usable if trusted is None else trusted, pixels, model)
    gain, offset = _trend(intact, wave)
    return follow_brightness(intact, gain * wave + offset, frame.lattice), cell, (gain, offset)


def _row_shifts(pixels, model, rows, seen):
    """Shift (x, y) of every row relative to the model, by regression on its slopes; `rows` of them alike."""
    rest = pixels - model
    # Rows differ in mean brightness as well (flicker); and places far off the model are defects.
    rest = rest - np.median(rest, axis=1, keepdims=True)
    # Where nothing is seen the model stands for the image, and says nothing of its noise.
    limit = 3 * 1.4826 * np.median(np.abs(rest[seen]))
    rest = np.where(seen, np.clip(rest, -limit, limit), 0)
    noise = max(np.mean(rest[seen] ** 2), np.finfo(np.float32).tiny)
    slopes = [np.gradient(model, axis=1), np.gradient(model, axis=0)]
    if not rows:
        slopes = slopes[:1]
    normal = np.array([[(a * b).sum(axis=1) for b in slopes] for a in slopes])
    right = np.array([-(rest * a).sum(axis=1) for a in slopes])
    if rows:
        normal, right = (gaussian_filter1d(a, rows, axis=-1, mode="constant") for a in (normal, right))
    normal, right = np.moveaxis(normal, -1, 0), right.T
    ridge = 1e-6 * np.trace(normal, axis1=1, axis2=2).max()
    shift = np.linalg.solve(normal + ridge * np.eye(len(slopes)), right[..., None])[..., 0]
    doubt = noise / (np.diagonal(normal, axis1=1, axis2=2) + ridge)
    if rows:
        doubt /= 2 * np.sqrt(np.pi) * rows
    # Shrunk towards zero where rows say little: between the rows of columns there is no slope.
    weight = 1 / doubt
    true = np.maximum(
        np.average(shift**2, weights=weight, axis=0) - np.average(doubt, weights=weight, axis=0), 0
    )
    shift = shift * true / (true + doubt)
    return np.pad(shift, ((0, 0), (0, 2 - len(slopes))))


def follow_brightness(pixels, model, lattice):
    """Let brightness and background of the model vary slowly, to fit the image."""
    length = max(min(pixels.shape) / _LOCAL, _CELLS * max(lattice.lengths))
    step = max(1, int(length // 8))

    def smooth(a):
        return _blurred(a, length, step)

    # At the border the mean of what is around is that of another place: a slope across the image goes first.
    slope = plane(pixels - model)
    pixels = pixels - slope
    ones = smooth(np.ones_like(pixels))
    mean, mean_model = smooth(pixels) / ones, smooth(model) / ones
    covariance = smooth(pixels * model) / ones - mean * mean_model
    variance = np.maximum(smooth(model**2) / ones - mean_model**2, 1e-12)
    gain = np.clip(covariance / variance, *_GAIN)
    offset = mean - gain * mean_model
    return _enlarged(gain, pixels.shape, step) * model + _enlarged(offset, pixels.shape, step) + slope


def _trend(pixels, model):
    """Gain and offset of the model that fit the image best, cubic polynomials: thickness, light, slope.

    A gain that hardly varies is left at 1, and the offset is then a plane.
    """
    down, across = (np.polynomial.legendre.legvander(np.linspace(-1, 1, n), _CUBIC) for n in pixels.shape)
    orders = [(i, j) for i in range(_CUBIC + 1) for j in range(_CUBIC + 1 - i)]
    mean = model.mean()
    wave = model - mean
    # Sums of products of two polynomials with an image: separable, one product of matrices a pair of orders.
    pairs = {(i, j): down[:, i] * down[:, j] for i in range(_CUBIC + 1) for j in range(_CUBIC + 1)}
    columns = np.stack(
        [across[:, i] * across[:, j] for i in range(_CUBIC + 1) for j in range(_CUBIC + 1)], axis=1
    )
    size, n = _CUBIC + 1, len(orders)
    normal, right = np.zeros((2 * n, 2 * n)), np.zeros(2 * n)
    fields = [np.asarray(f, dtype=float) for f in (wave**2, wave, np.ones_like(wave))]
    sums = {}
    for key, row in pairs.items():
        if key[0] <= key[1]:
            sums[key] = [(row @ f @ columns).reshape(size, size) for f in fields]
            sums[key[::-1]] = sums[key]
    for k, (i, j) in enumerate(orders):
        right[k] = down[:, i] @ (pixels * wave) @ across[:, j]
        right[n + k] = down[:, i] @ pixels @ across[:, j]
        for m, (p, q) in enumerate(orders):
            squares, waves, ones = (f[j, q] for f in sums[i, p])
            normal[k, m], normal[n + k, n + m] = squares, ones
            normal[k, n + m] = normal[n + m, k] = waves
    found = np.linalg.lstsq(normal, right, rcond=None)[0]
    # Against a constant gain and a plane: what the trend explains more must be far beyond noise.
    few = [k for k in range(2 * n) if k == 0 or (k >= n and sum(orders[k - n]) <= 1)]
    simple = np.linalg.lstsq(normal[np.ix_(few, few)], right[few], rcond=None)[0]
    gained = right @ found - right[few] @ simple
    noise = (float(np.square(pixels, dtype=float).sum()) - right @ found) / pixels.size
    if gained < _BEYOND_NOISE * (2 * n - len(few)) * noise:
        return 1.0, plane(pixels)
    coefficients = np.zeros((2, size, size))
    for k, order in enumerate(orders):
        coefficients[0][order], coefficients[1][order] = found[k], found[n + k]
    gain, offset = (down @ c @ across.T for c in coefficients)
    usual = np.median(gain)
    if not usual > 0:
        return 1.0, plane(pixels)
    gain = np.clip(gain, usual / _THICKEST, usual * _THICKEST)
    return gain.astype(np.float32), (offset - gain * mean).astype(np.float32)


def plane(pixels):
    """Plane through an image, zero in the middle."""
    y, x = ((np.arange(n) - (n - 1) / 2).astype(np.float32) for n in pixels.shape)
    down, across = pixels.mean(axis=1) @ y / (y @ y), pixels.mean(axis=0) @ x / (x @ x)
    return (down * y)[:, None] + across * x


def _blurred(values, length, step):
    """Gaussian blur, sampled every `step` pixels: averaged first, as nothing changes within a step."""
    rows, columns = (-(-n // step) for n in values.shape)
    padded = np.zeros((rows * step, columns * step), np.float32)
    padded[: values.shape[0], : values.shape[1]] = values
    small = padded.reshape(rows, step, columns, step).sum(axis=(1, 3))
    return gaussian_filter(small, length / step, mode="constant", truncate=3)


def _enlarged(small, shape, step):
    """What `_blurred` made, at every pixel again: linear interpolation."""
    down, across = (_weights(n, m, step) for n, m in zip(shape, small.shape, strict=True))
    return down @ small @ across.T


def _weights(n, m, step):
    """Matrix (n, m) that interpolates linearly between the middles of blocks of `step` pixels."""
    at = np.clip((np.arange(n) - (step - 1) / 2) / step, 0, m - 1)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(m)), 0).astype(np.float32)


def vacuum(pixels, model, lattice):
    """Where, over several cells, neither this crystal nor any other structure is seen: bool (H, W).

    Another grain does not follow the model, but has contrast of its own: it is for `detect` to judge.
    """
    length = max(lattice.lengths)
    # Without the step in brightness at the border, which is structure to neither.
    wave = model - gaussian_filter(model, 0.75 * length)
    rest = pixels - gaussian_filter(pixels, 0.75 * length)
    power = gaussian_filter(wave**2, length)
    # Where the model itself is faint, as it follows the brightness, chance decides what follows it.
    usual = np.sum(power**2) / max(np.sum(power), 1e-30)
    follows = gaussian_filter(rest * wave, length) / np.maximum(power, _FAINT * usual + 1e-30)
    # Noise is common to all places; what is left of it after a blur by a fraction of a cell is small.
    fine = gaussian_filter(rest, lattice.spacing / 6)
    contrast = np.sqrt(gaussian_filter(fine**2, length))
    usual = np.median(contrast[follows > 0.5]) if (follows > 0.5).any() else np.inf
    empty = (follows < _ABSENT) & (contrast < _ABSENT_CONTRAST * usual)
    # The blur carries the crystal so far beyond its border.
    return maximum_filter(opened(empty, (2 * int(1.5 * length) + 1,) * 2), 2 * int(2.5 * length) + 1)


def noise_level(rest, expected, sigma, usable):
    """Variance of the noise in every pixel, a straight line in the brightness; and the gain, its slope."""
    order = np.flatnonzero(usable)
    order = order[np.argsort(expected.ravel()[order])]
    levels = np.array_split(order, int(np.clip(order.size // 4000, 4, 32)))
    at = np.array([expected.ravel()[level].mean() for level in levels])
    variance = np.array([_variance(rest.ravel(), np.sort(level)) for level in levels])
    slope, constant = np.polyfit(at, variance, 1, w=1 / np.maximum(variance, 1e-9 * variance.max() + 1e-30))
    floor = max(0.5 * np.percentile(variance, 10), 1e-30)
    # The average cell is known to its own noise only, which must not decide where the image is dark.
    level = gaussian_filter(expected, sigma)
    return np.maximum(constant + slope * level, floor).astype(np.float32), max(float(slope), 0.0)


def noise_of_rows(rest, variance, usable):
    """By what factor the noise of rows differs from this variance, shape (H, 1): flicker counts, too."""
    squares = np.where(usable, np.minimum(rest**2 / variance, _FAR**2), 0)
    n = np.maximum(usable.sum(axis=1), 1)
    factor = squares.sum(axis=1) / n
    usual = np.median(factor[usable.any(axis=1)])
    # What is no more than the scatter of a mean of n squares is chance; the rest is believed by its share.
    chance = np.mean(squares[usable] ** 2 - usual**2) / n
    true = max(np.mean((factor - usual) ** 2) - np.mean(chance), 0.0)
    kept = true / (true + chance)
    return (1 + kept * (factor / usual - 1))[:, None].astype(np.float32)


def _variance(values, places):
    """Variance without the defects: the median over pieces of the image.

    Of single pixels nothing can be trimmed: where electrons are few, the variance is made by the rare pixels
    that caught one.
    """
    return float(np.median([values[piece].var() for piece in np.array_split(places, _PIECES)]))


@dataclass(frozen=True, eq=False)
class ColumnFilter:
    """Most likely amplitudes of what may happen to a column, for noise of a known variance.

    A bump in the shape of a column and its two slopes span it, to first order: brighter or darker, moved
    along x, moved along y.
    """

    sigma: float
    precision: np.ndarray
    steady: np.ndarray
    wide: np.ndarray
    roots: tuple
    count: np.ndarray | None

    @classmethod
    def of(cls, variance, gain, sigma, trusted=None):
        """Prepare for noise of this variance, whose skewness is that of counted electrons of this gain.

        What is not `trusted` does not count as background.
        """
        precision = 1 / variance
        bell, slope = _kernels(sigma)
        down, down_slope = _along(precision, bell**2, 0), _along(precision, slope**2, 0)
        power = _along(down, bell**2, 1)
        roots = [np.sqrt(a) for a in (power, _along(down, slope**2, 1), _along(down_slope, bell**2, 1))]
        count = None
        if gain > 0:
            count = power**3 / (gain * _along(_along(precision**2, bell**3, 0), bell**3, 1)) ** 2
        steady = precision if trusted is None else precision * np.maximum(trusted, _LEAST).astype(np.float32)
        wide = _blurred(steady, _WIDE * sigma, max(1, int(sigma)))
        return cls(sigma, precision, steady, wide, tuple(roots), count)

    def amplitudes(self, rest):
        """Amplitudes over their noise in every pixel of a residual, shape (3, H, W).

        Counts of few electrons are skewed, so the bump's goes through Anscombe's residual of a Poisson
        variable with the same variance and skewness: dark places do not give false alarms, and a missing
        column counts as much as it should.
        """
        # What is as wide as several columns is background, whatever made it; a defect must not pull at it.
        limit = _CLIPPED / np.sqrt(self.precision)
        step = max(1, int(self.sigma))
        wide = _blurred(np.clip(rest, -limit, limit) * self.steady, _WIDE * self.sigma, step)
        rest = rest - _enlarged(wide / self.wide, rest.shape, step)
        bell, slope = _kernels(self.sigma)
        weighted = rest * self.precision
        across, along = _along(weighted, bell, 1), _along(weighted, bell, 0)
        found = (_along(across, bell, 0), _along(along, slope, 1), _along(across, slope, 0))
        bump, moved_x, moved_y = (a / root for a, root in zip(found, self.roots, strict=True))
        if self.count is not None:
            # Where there are more electrons than expected, there is also more noise for the slopes.
            crowded = np.sqrt(1 + np.maximum(bump, 0) / np.sqrt(self.count))
            bump, moved_x, moved_y = _anscombe(bump, self.count), moved_x / crowded, moved_y / crowded
        return np.stack([bump, moved_x, moved_y])


def _kernels(sigma):
    x = np.arange(-int(np.ceil(4 * sigma)), int(np.ceil(4 * sigma)) + 1)
    bell = np.exp(-(x**2) / (2 * sigma**2))
    return bell / np.linalg.norm(bell), x * bell / np.linalg.norm(x * bell)


def _along(values, kernel, axis):
    return correlate1d(values, kernel, axis=axis, mode="constant")


def _anscombe(standard, count):
    """Normal deviate of a Poisson variable of this mean that lies so many standard deviations off it."""
    root = np.cbrt(count)
    ratio = np.maximum(1 + standard / np.sqrt(count), 0)
    return 1.5 * np.sqrt(root) ** 3 * (np.cbrt(ratio) ** 2 - 1)


def standardized(maps, frame, odd=None):
    """Maps less their median at each place of the cell, over their robust scatter there.

    What is `odd` (of another population) counts for neither, as far as there is enough else.
    """
    n = max(int(frame.cells[2].sum()), 1)
    places, inside = frame.samples
    if odd is not None:
        at = np.rint(places).astype(int)
        usual = inside & ~odd[at[0].clip(0, odd.shape[0] - 1), at[1].clip(0, odd.shape[1] - 1)]
        inside = np.where(usual.mean(axis=0) > _ENOUGH, usual, inside)
    result = np.empty_like(maps)
    for k, values in enumerate(maps):
        at = map_coordinates(values, places, order=1, mode="nearest")
        middle = median_inside(at, inside)
        scatter = 1.4826 * median_inside(np.abs(at - middle), inside)
        common = np.sqrt(np.mean(scatter**2))
        scatter = np.sqrt((n * scatter**2 + _STEADY * common**2) / (n + _STEADY))
        # The median is not known better than this: drawn towards zero by as much.
        doubt = np.pi / 2 * scatter**2 / n
        usual = frame.spread_out(middle**3 / (middle**2 + doubt), smooth=True)
        result[k] = (values - usual) / frame.spread_out(scatter, smooth=True)
    return result
