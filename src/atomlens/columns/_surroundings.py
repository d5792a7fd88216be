"""What a fit of columns must know of its surroundings: slopes of the background, correlated noise."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from atomlens.columns._gaussians import BACKGROUND, INTENSITY, SIGMA, X, Y

# Columns that a local slope is taken from, and the bandwidth in median distances of neighbours; halved or
# doubled, standard errors stay as good (.959 of 1 in `benchmarks/constants.py`).
_AROUND, _BANDWIDTH = 24, 2.5
_FEWEST = 8  # columns in all, below which a slope is not to be told from chance
# Up to this lag in pixels, and in widths, noise is correlated; it is white if neighbouring pixels hardly are.
_LARGEST_LAG, _LAGS, _WHITE, _SMALLEST = 24, 3.0, 0.08, 0.1
_LEAST_LEFT = 0.2  # of white noise, after the fit
_DISC, _DARKEST = 4.0, 1e-3  # widths, the pixels of a column; and the lowest background, in units of its peak
# Levels of brightness that are compared, pixels that each needs, by what factor their variances over the mean
# may differ to pass for counts, and the lift (in units of the brightest) that makes a variance flat.
_LEVELS, _LEAST_AT_LEVEL, _POISSON, _FLAT = 10, 100, 1.6, 10.0
_COUNTS = 100  # electrons that tell their variance
_COMMON = 8  # columns that show what is common to all
_WILD = 5.0  # standard deviations
_ACROSS = 4  # columns that a row must cross
_STREAKED = 2.0  # times the variance that noise alone gives the mean of a row
_REAL = 1.5  # times its variance that a slope's square must have to be taken for one
# Rings of half a width in which shapes are compared, and the most that chance gives one half of the columns
# as a multiple of the other (F of 12 and 12 degrees of freedom, once in a thousand).
_RINGS, _BY_CHANCE = 6, 7.0


def background_slopes(theta, weight):
    """Slope (n, 2) of the background at every column, from that of its neighbours, and its standard error.

    A plane is fitted to the backgrounds around each column (local linear regression). What chance alone would
    give is taken off: on a flat background all slopes come out zero.

    Parameters
    ----------
    theta : ndarray of shape (n, 5)
    weight : ndarray of shape (n,)
        Of each column; 0 leaves it out.
    """
    n = len(theta)
    none = np.zeros((n, 2)), np.zeros((n, 2))
    if np.count_nonzero(weight) < _FEWEST:
        return none
    xy, level = theta[:, [X, Y]], theta[:, BACKGROUND]
    known = np.flatnonzero(weight)
    near = KDTree(xy[known])
    distance, around = near.query(xy, k=min(_AROUND, known.size))
    bandwidth = _BANDWIDTH * np.median(near.query(xy[known], k=2)[0][:, 1])
    w = np.exp(-0.5 * (distance / bandwidth) ** 2)
    around = known[around]
    away = xy[around] - xy[:, None]
    design = np.concatenate([np.ones((*w.shape, 1)), away / bandwidth], axis=2)
    normal = np.einsum("nk,nki,nkj->nij", w, design, design) + 1e-9 * np.eye(3)
    inverse = np.linalg.inv(normal)
    plane = np.einsum("nij,nk,nkj,nk->ni", inverse, w, design, level[around])
    rest = level[around] - np.einsum("nki,ni->nk", design, plane)
    freedom = np.maximum(w.sum(axis=1) - 3, 1)
    scatter = (w * rest**2).sum(axis=1) / freedom
    # Of the estimate, whose weights are not those of the scatter.
    spread = np.einsum("nij,nk,nkj,nkl,nli->ni", inverse, w**2, design, design, inverse)
    slope, variance = plane[:, 1:] / bandwidth, np.median(scatter) * spread[:, 1:] / bandwidth**2
    true = np.maximum(np.median(slope**2, axis=0) / 0.455 - np.median(variance, axis=0), 0)
    share = true / (true + variance + 1e-300)
    if (true < _REAL * np.median(variance, axis=0)).all():
        return none
    return share * slope, np.sqrt(share * variance)


def row_offsets(scene, data, expected):
    """By how much each pixel's row is brighter than the model (streaks); 0 if no more than noise is."""
    rows = scene.where()[1] - scene.where()[1].min()
    # Of a few columns, the rows of one are as much its shape as a streak.
    if np.median(np.bincount(rows)) < _ACROSS * scene.size:
        return 0.0
    rest, weight = data - expected, 1 / expected
    limit = _WILD * np.sqrt(np.median(weight * rest**2) / 0.455 * expected)
    known = np.bincount(rows, weight)
    sums = np.bincount(rows, weight * np.clip(rest, -limit, limit))
    offset = sums / np.maximum(known, 1e-300)
    scatter = np.mean(weight * np.clip(rest, -limit, limit) ** 2)
    # In units of its variance, if noise were all
    excess = np.mean(known * offset**2) / max(scatter, 1e-300)
    if excess < _STREAKED:
        return 0.0
    return ((1 - 1 / excess) * offset)[rows].astype(scene.dtype)


def ellipticity(scene, data, expected, theta, known):
    """How much longer columns are than the model has them, by least squares; and the standard errors.

    Parameters of `Scene.lengthen`, common to all columns as the probe is.
    """
    shapes = scene.factors(theta, np.arange(scene.n))
    slopes = scene.ellipse_slopes(theta, shapes)
    weight = known[scene.owner] / expected
    rest = data - expected
    information = (slopes * weight) @ slopes.T
    inverse = np.linalg.pinv(information)
    scatter = np.sum(weight * rest**2) / max(np.count_nonzero(weight), 1)
    return inverse @ (slopes @ (weight * rest)), np.sqrt(scatter * np.diagonal(inverse))


def two_fold(scene, residual, theta, known):
    """How far the shape of all columns is from an ellipse, in a way that half a turn leaves as it is.

    Two columns fitted as one leave lobes on two sides, and ellipses fitted as round ones do. The amplitude of
    cos 2θ and sin 2θ in what is left of all columns, ring by ring, as a share of the Gaussian; what chance
    gives (half of the columns tell something else than the other half) is taken off.

    Parameters
    ----------
    scene : Scene
    residual : ndarray of shape (k,)
        Of the pixels that the scene uses.
    theta : ndarray of shape (n, 5)
    known : ndarray of bool, shape (n,)
        Columns that count.
    """
    columns, rows = scene.where()
    dx, dy = columns - theta[scene.owner, X], rows - theta[scene.owner, Y]
    squared = np.maximum(dx**2 + dy**2, 1e-12)
    ring = (2 * np.sqrt(squared) / np.median(theta[:, SIGMA])).astype(int)
    height = theta[:, INTENSITY] * known
    height, seen = height[scene.owner], ring < _RINGS
    half = np.random.default_rng(0).permutation(scene.n) % 2
    key = np.where(seen, half[scene.owner] * _RINGS + ring, 2 * _RINGS)
    norm, along, across = (
        np.bincount(key, height * what, 2 * _RINGS + 1)[:-1].reshape(2, _RINGS)
        for what in (height, residual * (dx**2 - dy**2) / squared, residual * 2 * dx * dy / squared)
    )
    amplitude = 2 * (along + 1j * across) / np.maximum(norm, 1e-300)
    weight = norm.sum(axis=0) / 2
    one, other = amplitude / 2
    common, chance = (np.sum(weight * np.abs(z) ** 2) for z in (one + other, one - other))
    energy = np.sum((theta[known, INTENSITY] / theta[known, SIGMA]) ** 2) / (4 * np.pi)
    return float(np.sqrt(max(common - _BY_CHANCE * chance, 0.0) / max(energy, 1e-300)))


def without_common(scene, residual, theta):
    """Residuals without what all columns have in common: the shape of a real column, which is not noise."""
    columns, rows = scene.where()
    away = [np.rint(at - theta[scene.owner, axis]).astype(int) for at, axis in ((columns, X), (rows, Y))]
    place = (away[0] - away[0].min()) * (np.ptp(away[1]) + 1) + away[1] - away[1].min()
    height = theta[scene.owner, INTENSITY]
    common = np.bincount(place, residual * height) / np.maximum(np.bincount(place, height**2), 1e-300)
    many = np.bincount(place)[place] > _COMMON
    return residual - np.where(many, common[place] * height, 0)


def variance_offset(noise, expected):
    """What must be added to counts so that their variance is proportional to their mean; 0 if it is already.

    The variance is a line in the brightness: read-out noise lifts it, an offset of the detector moves it, a
    gamma or an 8-bit export makes it nearly flat. Counts lifted by its intercept over its slope have the
    weights they should have, as if they were electrons.

    References
    ----------
    Huang et al., Nat. Methods 10, 653 (2013), for the lift.
    """
    order = np.array_split(np.argsort(expected, kind="stable"), _LEVELS)
    if order[0].size < _LEAST_AT_LEVEL:
        return 0.0
    at = np.array([expected[level].mean() for level in order])
    # Of a Gaussian, and of counts: pixels that are far off (something else) do not decide.
    limit = [
        _WILD * np.sqrt(np.mean(np.minimum(n**2, np.percentile(n**2, 98)))) for n in (noise[i] for i in order)
    ]
    variance = np.array([np.mean(np.clip(noise[i], -m, m) ** 2) for i, m in zip(order, limit, strict=True)])
    gain = variance[-3:].sum() / at[-3:].sum()
    # Darker levels are taken together until they have electrons enough to tell their variance.
    electrons = np.cumsum(at) * order[0].size / max(gain, 1e-300)
    dark = min(int(np.searchsorted(electrons, _COUNTS)) + 1, _LEVELS - 3)
    ratio = variance[:dark].sum() / at[:dark].sum() / max(gain, 1e-300)
    if not (ratio > _POISSON or (ratio < 1 / _POISSON and dark == 1)):
        return 0.0
    slope, intercept = np.polyfit(at, variance, 1, w=1 / np.maximum(variance, 1e-3 * variance.max()))
    highest = _FLAT * at[-1]
    return float(np.clip(intercept / slope if slope > 0 else highest, -0.9 * at[0], highest))


def correlation_factors(scene, residual, expected, theta, shape):
    """By how much correlated noise changes the variances of x, y, intensity and width: array (4,).

    The variance of a parameter is that of the sum of noise times a kernel, the derivative of the Gaussian. If
    noise at distance l is correlated by rho(l), it is the sum over l of rho times the autocorrelation of the
    kernel instead of 1: larger, where a detector, a filter or an interpolation smeared the noise.

    Parameters
    ----------
    scene : Scene
    residual, expected : ndarray of shape (k,)
        Of the pixels that the scene uses.
    theta : ndarray of shape (n, 5)
    shape : tuple of int
        Of the image.
    """
    sigma = float(np.median(theta[:, SIGMA]))
    columns, rows = scene.where()
    noise = without_common(scene, residual, theta) / np.sqrt(expected)
    size = [2 ** int(np.ceil(np.log2(n + _LARGEST_LAG))) for n in shape]
    canvas, seen = np.zeros(shape), np.zeros(shape)
    # A few wild pixels (hot, or something else than a column) must not decide.
    limit = _WILD * np.sqrt(np.median(noise**2) / 0.455)
    canvas[rows, columns], seen[rows, columns] = np.clip(noise, -limit, limit), 1
    products, count = (np.fft.irfft2(np.abs(np.fft.rfft2(a, s=size)) ** 2, s=size) for a in (canvas, seen))
    lag = int(min(np.ceil(_LAGS * sigma), _LARGEST_LAG, min(shape) - 1))
    at = np.arange(-lag, lag + 1)
    rho = (products / np.maximum(count, 1))[at[:, None], at]
    rho = rho / rho[lag, lag]
    if (rho[lag + 1, lag] + rho[lag, lag + 1]) / 2 < _WHITE:
        return np.ones(4)
    peak = np.median(theta[:, INTENSITY]) / (2 * np.pi * sigma**2)
    pixels = len(residual) / len(theta)
    disc = min(np.sqrt(pixels / np.pi) / sigma, _DISC)
    kernels = _kernels(sigma, lag, float(np.median(theta[:, BACKGROUND])) / max(peak, 1e-300), disc)
    factors = (kernels * rho).sum(axis=(1, 2))
    # The fit has taken a part of white noise along, in the shape of its kernels: what then is left of 1.
    taken = np.einsum("kyx,pyx->kp", kernels, kernels)[:4].sum(axis=1) / pixels
    factors = factors[:4] / np.maximum(1 - taken, _LEAST_LEFT)
    return np.maximum(factors, _SMALLEST)


def _kernels(sigma, lag, background, disc):
    """Autocorrelation of what x, y, intensity, width and background are read from noise with.

    These are the derivatives of a Gaussian on a background (in units of its peak), over the standard
    deviation of the noise. Array (5, 2 lag + 1, 2 lag + 1), 1 in the middle; the last two are made orthogonal
    to those before.
    """
    at = np.arange(-3 * lag, 3 * lag + 1) / sigma
    y, x = np.meshgrid(at, at, indexing="ij")
    squared = x**2 + y**2
    bell = np.exp(-squared / 2)
    derivatives = np.stack([x * bell, y * bell, bell, squared * bell, np.ones_like(bell)])
    shapes = derivatives / np.sqrt(bell + max(background, _DARKEST)) * (squared < disc**2)
    shapes = np.linalg.qr(shapes.reshape(5, -1).T)[0].T.reshape(5, *x.shape)
    size = [2 * n for n in x.shape]
    products = np.fft.irfft2(np.abs(np.fft.rfft2(shapes, s=size)) ** 2, s=size)
    lags = np.arange(-lag, lag + 1)
    return products[:, lags[:, None], lags]
