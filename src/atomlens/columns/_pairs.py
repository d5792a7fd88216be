"""Two columns so close that they were taken for one: told from one, round or elliptical, by likelihood."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

# Of what follows, half of `_ADEQUATE` or of `_RADIUS`, or twice `_CLOSEST`, loses the pairs of
# benchmarks/constants.py.
# Gain in twice the log-likelihood, in electrons: of two columns over a round one, and over an elliptical one.
# An astigmatic probe makes ellipses of all columns, and must not double them.
_OVER_ROUND, _OVER_ELLIPSE = 25.0, 9.0
# Separation in widths, and intensity of the weaker over the stronger one, within which two are believed.
_CLOSEST, _FURTHEST, _FAINTEST = 1.5, 5.0, 0.2
_WIDTHS = 0.5, 1.6  # of the two, in units of what a column's width should be
# Quadrupole of the residual (chi-squared, two degrees of freedom) from which on a column is looked at.
_SUSPICIOUS = 16.0
# Median quadrupole of all columns (1.4 by chance) up to which the model of single columns is adequate; pairs
# that are alike have this resultant of directions, and this relative scatter of their distance. Measured on
# planted pairs (1.0; .02-.04) and on ten experimental images without any (.2-.9; .3-.4).
_ADEQUATE, _PARALLEL, _EQUAL, _FEWEST = 4.0, 0.95, 0.15, 5
_RADIUS = 3.2  # widths, of what is looked at
_ITERATIONS = 25
_NEIGHBOURS = 8  # whose Gaussians are taken off
_SAMPLE = 48  # columns that tell whether pairs are alike
_BATCH = 256  # columns at a time
_MERGED = 1.0  # widths: what is closer is one column


def split_pairs(image, usable, fitted, sigma, scale):
    """Start positions for columns that are two, and which rows they replace.

    Parameters
    ----------
    image : ndarray of shape (H, W)
    usable : ndarray of bool, shape (H, W)
    fitted : DataFrame
        From `refine`.
    sigma : float
        Of a single column, in pixels, as far as it is known; for the patch.
    scale : float
        Variance of a sum of counts over the sum: the gain, times what correlation of the noise adds.

    Returns
    -------
    rows : ndarray of int, shape (k,)
    at : ndarray of shape (k, 2, 2)
        (x, y) of both.
    """
    known = np.isfinite(fitted[["sigma", "intensity", "background"]]).all(axis=1).to_numpy()
    theta = fitted[["x", "y", "intensity", "sigma", "background"]].to_numpy(dtype=float)
    candidates = np.flatnonzero(known)
    none = np.empty(0, dtype=int), np.empty((0, 2, 2))
    if not candidates.size:
        return none
    radius = int(np.ceil(_RADIUS * max(sigma, np.median(theta[candidates, 3]))))
    candidates = candidates[_inside(theta[candidates], image.shape, 1.0)]
    if not candidates.size:
        return none
    chi = np.concatenate(
        [
            _Patches(image, usable, theta, known, part, radius).quadrupole(theta[part])
            for part in _parts(candidates)
        ]
    )
    chi = chi / scale
    suspicious = candidates[chi > _SUSPICIOUS]

    def divided(of):
        told = []
        for part in _parts(of):
            patches = _Patches(image, usable, theta, known, part, radius)
            told.append(patches.two_not_one(theta[part], sigma, scale))
        chosen = np.concatenate([yes for yes, _ in told])
        return of[chosen], np.concatenate([places for _, places in told])[chosen]

    if not suspicious.size:
        return none
    # Where no column is as the model has it (torn scan lines), two fit all better than one: then only pairs
    # are believed that are alike, as those of a crystal are. A sample tells.
    if np.median(chi) > _ADEQUATE:
        some = suspicious[np.unique(np.linspace(0, suspicious.size - 1, _SAMPLE).astype(int))]
        if not _alike(divided(some)[1]):
            return none
        rows, at = divided(suspicious)
        return (rows, at) if _alike(at) else none
    return divided(suspicious)


def _parts(rows):
    return np.array_split(rows, max(1, -(-rows.size // _BATCH)))


def _alike(at):
    """Whether pairs have the same distance and direction."""
    if len(at) < _FEWEST:
        return False
    apart = at[:, 0] - at[:, 1]
    length = np.linalg.norm(apart, axis=1)
    direction = np.abs(np.mean(np.exp(2j * np.arctan2(apart[:, 1], apart[:, 0]))))
    spread = 1.4826 * np.median(np.abs(length - np.median(length))) / np.median(length)
    return bool(direction > _PARALLEL and spread < _EQUAL)


def doubled(xy, intensity, sigma):
    """Rows that are the weaker of two in the same place."""
    pairs = KDTree(xy).query_pairs(_MERGED * sigma, output_type="ndarray")
    weaker = np.where(intensity[pairs[:, 0]] < intensity[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
    return np.unique(weaker)


def _inside(theta, shape, margin):
    x, y = theta[:, 0], theta[:, 1]
    return (x > margin) & (y > margin) & (x < shape[1] - 1 - margin) & (y < shape[0] - 1 - margin)


class _Patches:
    """Pixels around some columns, and the Gaussians of all others there."""

    def __init__(self, image, usable, theta, known, of, radius):
        self.of = of
        offset = np.arange(-radius, radius + 1)
        corner = np.rint(theta[of, :2]).astype(int)
        x = corner[:, 0, None, None] + offset
        y = corner[:, 1, None, None] + offset[:, None]
        x, y = np.broadcast_arrays(x, y)
        inside = (x >= 0) & (y >= 0) & (x < image.shape[1]) & (y < image.shape[0])
        inside &= np.hypot(x - theta[of, 0, None, None], y - theta[of, 1, None, None]) <= radius
        row, column = np.clip(y, 0, image.shape[0] - 1), np.clip(x, 0, image.shape[1] - 1)
        inside &= usable[row, column]
        self.x, self.y = x.reshape(len(of), -1).astype(float), y.reshape(len(of), -1).astype(float)
        self.weight = inside.reshape(len(of), -1).astype(float)
        self.data = np.where(inside, image[row, column], 0).reshape(len(of), -1).astype(float)
        everyone = np.flatnonzero(known)
        near = KDTree(theta[everyone, :2]).query(theta[of, :2], k=min(_NEIGHBOURS + 1, everyone.size))[1]
        near = everyone[near.reshape(len(of), -1)]
        self.others = np.zeros_like(self.x)
        for k in range(near.shape[1]):
            there = theta[near[:, k]]
            spot = _spot(self.x, self.y, there[:, :2], there[:, 3], there[:, 2])
            self.others += np.where((near[:, k] == of)[:, None], 0.0, spot)
        self.floor = 1e-3 * np.maximum(np.median(self.data, axis=1), 1e-3 * np.abs(self.data).max())[:, None]

    def quadrupole(self, theta):
        """Chi-squared of what is left, in the shapes of a column that is longer along one direction."""
        expected = np.maximum(self._round(_pack(theta)), self.floor)
        rest = self.weight * (self.data - expected)
        bell = self._round(_pack(theta)) - self._round(_pack(theta * [1, 1, 0, 1, 1]))
        dx, dy = self.x - theta[:, :1], self.y - theta[:, 1:2]
        total = 0.0
        for shape in (bell * (dx**2 - dy**2), bell * 2 * dx * dy):
            kernel = self.weight * shape / expected
            total = total + (rest * kernel).sum(axis=1) ** 2 / np.maximum(
                (kernel**2 * expected).sum(axis=1), 1e-300
            )
        return total

    def two_not_one(self, theta, sigma, scale):
        """Which columns are better two than one, round or elliptical; and where both are."""
        start = _pack(theta)
        round_ = self._fit(self._round, start)
        one = self._fit(self._ellipse, _elliptical(start))
        # The two lie along the long axis of the ellipse.
        xx, xy, yy = one[:, 3] ** 2 + one[:, 4] ** 2, one[:, 4] * one[:, 5], one[:, 5] ** 2
        angle = 0.5 * np.arctan2(2 * xy, xx - yy)
        longest = np.sqrt(0.5 * (xx + yy + np.hypot(xx - yy, 2 * xy)))
        shortest = np.sqrt(np.maximum(0.5 * (xx + yy - np.hypot(xx - yy, 2 * xy)), 0.25))
        half = np.sqrt(np.maximum(longest**2 - shortest**2, 0.1))
        best, lowest = None, None
        for tilt, share in ((0.0, 0.5), (0.0, 0.65), (0.0, 0.35), (np.pi / 2, 0.5)):
            step = np.column_stack([np.cos(angle + tilt), np.sin(angle + tilt)]) * half[:, None]
            first, second = one[:, :2] + 2 * (1 - share) * step, one[:, :2] - 2 * share * step
            n = one[:, 2]
            begin = np.column_stack([first, second, share * n, (1 - share) * n, shortest, one[:, 6]])
            two = self._fit(self._two, begin)
            misfit = self._deviance(self._two(two))
            if best is None:
                best, lowest = two, misfit
            else:
                better = misfit < lowest
                best, lowest = np.where(better[:, None], two, best), np.minimum(misfit, lowest)
        # What even two do not explain (torn scan lines, a probe with tails) is noise to this question.
        expected = np.maximum(self._two(best), self.floor)
        freedom = np.maximum(self.weight.sum(axis=1) - best.shape[1], 1)
        left = (self.weight * (self.data - expected) ** 2 / expected).sum(axis=1) / freedom
        scale = np.maximum(scale, np.maximum(left, np.median(left)))
        over_round = (self._deviance(self._round(round_)) - lowest) / scale
        over_ellipse = (self._deviance(self._ellipse(one)) - lowest) / scale
        places = best[:, :4].reshape(-1, 2, 2)
        apart = np.linalg.norm(places[:, 0] - places[:, 1], axis=1) / np.abs(best[:, 6])
        ratio = best[:, 4:6].min(axis=1) / np.maximum(best[:, 4:6].max(axis=1), 1e-300)
        near = np.linalg.norm(places - theta[:, None, :2], axis=2).max(axis=1) < _FURTHEST * theta[:, 3]
        return (
            (over_round > _OVER_ROUND)
            & (over_ellipse > _OVER_ELLIPSE)
            & (apart > _CLOSEST)
            & (apart < _FURTHEST)
            & (ratio > _FAINTEST)
            & near
            & (np.abs(best[:, 6]) > _WIDTHS[0] * sigma)
            & (np.abs(best[:, 6]) < _WIDTHS[1] * sigma)
        ), places

    def _round(self, p):
        return self.others + p[:, 4:5] + _spot(self.x, self.y, p[:, :2], p[:, 3], p[:, 2])

    def _ellipse(self, p):
        # The covariance by its Cholesky factor: always positive.
        dx, dy = self.x - p[:, :1], self.y - p[:, 1:2]
        a, b, c = (
            np.where(np.abs(q) < 0.2, 0.2, q) if n != 4 else q
            for n, q in ((3, p[:, 3:4]), (4, p[:, 4:5]), (5, p[:, 5:6]))
        )
        v = dy / c
        u = (dx - b * v) / a
        return (
            self.others + p[:, 6:7] + p[:, 2:3] / (2 * np.pi * np.abs(a * c)) * np.exp(-0.5 * (u**2 + v**2))
        )

    def _two(self, p):
        spots = (_spot(self.x, self.y, p[:, i : i + 2], p[:, 6], p[:, 4 + i // 2]) for i in (0, 2))
        return self.others + p[:, 7:8] + sum(spots)

    def _deviance(self, expected):
        """Twice the negative logarithm of the likelihood of counts of gain 1, but for a constant."""
        expected = np.maximum(expected, self.floor)
        return 2 * (self.weight * (expected - np.maximum(self.data, 0) * np.log(expected))).sum(axis=1)

    def _fit(self, model, start):
        """Fisher scoring with numerical derivatives, all columns at once; no step may make it worse."""
        p = start.copy()
        lowest = self._deviance(model(p))
        damping = np.full(len(p), 1e-3)
        for _ in range(_ITERATIONS):
            expected = model(p)
            step = 1e-4 * np.maximum(np.abs(p), 0.1)
            slopes = np.stack([(model(p + step * e) - expected) / step[:, k, None]
                               for k, e in enumerate(np.eye(p.shape[1]))], axis=1)  # fmt: skip
            weight = self.weight / np.maximum(expected, self.floor)
            score = np.einsum("nkp,np->nk", slopes, weight * (self.data - expected))
            information = np.einsum("nkp,np,nlp->nkl", slopes, weight, slopes)
            diagonal = np.einsum("nkk->nk", information)
            diagonal += damping[:, None] * diagonal + 1e-12 * diagonal.max(axis=1, keepdims=True) + 1e-30
            change = np.linalg.solve(information, score[:, :, None])[:, :, 0]
            new = p + change
            misfit = self._deviance(model(new))
            better = misfit <= lowest
            p = np.where(better[:, None], new, p)
            damping = np.where(better, np.maximum(damping / 5, 1e-6), np.minimum(damping * 10, 1e3))
            done = np.abs(lowest - misfit) < 1e-3 * np.maximum(1, 1e-6 * np.abs(lowest))
            lowest = np.minimum(lowest, misfit)
            if (done | (damping >= 1e3)).all():
                break
        return p


def _spot(x, y, at, sigma, intensity):
    sigma = np.maximum(np.abs(sigma), 0.3)[:, None]
    squared = (x - at[:, :1]) ** 2 + (y - at[:, 1:2]) ** 2
    return intensity[:, None] / (2 * np.pi * sigma**2) * np.exp(-0.5 * squared / sigma**2)


def _pack(theta):
    """Parameters of a round column: x, y, intensity, width, background."""
    return theta[:, :5].copy()


def _elliptical(p):
    """Parameters of an ellipse that is round: x, y, intensity, Cholesky factor of its shape, background."""
    zero = np.full(len(p), 0.01)
    return np.column_stack([p[:, :3], p[:, 3], zero, p[:, 3], p[:, 4]])
