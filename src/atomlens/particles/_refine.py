"""Places and angles to the last digit: the mean labelled particle is fitted where the network sees one."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.ndimage import (
    binary_dilation,
    distance_transform_edt,
    gaussian_filter,
    map_coordinates,
)
from scipy.spatial import cKDTree

from atomlens.particles._frames import background_of

_WIDEST = 64  # pixels, the largest particle
_VISIBLE = 0.12  # of its height: where a particle ends
_MARGIN = 2  # pixels around it that are looked at
_SEEN = 0.2  # of the labelled particles, the share that must show a point
_ROUNDS = 8
_CONVERGED = 1e-3  # pixels, radians: far below the noise of either
_FINE = 4  # points a pixel at which the template is laid out
_HUBER = 1.345  # standard deviations, beyond which a residual counts less: 95 % efficient for normal ones
_STILL = (2.0, 25.0)  # pixels of the network; degrees over the symmetry: the most that a fit may move
_FEW = 12  # pixels, below which nothing is fitted


def template_of(pixels, xy, theta, symmetry):
    """The median of all labelled particles, turned alike: shape (2 r + 1, 2 r + 1), background at zero.

    NaN is where hardly any particle can be seen, for the neighbours.
    """
    n = min(_WIDEST, (min(pixels.shape) - 1) // 2)
    v, u = np.mgrid[-n : n + 1, -n : n + 1].astype(float)
    turns = 360 / symmetry * np.arange(symmetry)
    # In a lattice neighbours lie alike around each particle, and no median leaves them out: to each its own
    # cell.
    owner = cKDTree(xy).query(np.argwhere(np.ones(pixels.shape))[:, ::-1])[1].reshape(pixels.shape)
    empty = background_of(pixels)
    seen = np.full((len(xy) * symmetry, *u.shape), np.nan, np.float32)
    for k, (place, angle) in enumerate(zip(xy, theta, strict=True)):
        for m, turn in enumerate(turns):
            at = _at(u, v, *place, np.radians(angle + turn))
            own = map_coordinates(owner, at, order=0, mode="constant", cval=-1) == k
            values = map_coordinates(pixels, at, order=1, mode="constant", cval=np.nan)
            seen[k * symmetry + m] = np.where(own, values, np.nan)
    with warnings.catch_warnings(action="ignore"):  # where no particle is seen whole
        mean = np.nanmedian(seen, axis=0) - empty
    mean[np.isfinite(seen).mean(axis=0) < _SEEN] = np.nan
    known = np.nan_to_num(mean)
    away = np.hypot(u, v)
    rings = [gaussian_filter(known, 1)[(away >= k - 0.5) & (away < k + 0.5)].max() for k in range(n + 1)]
    low = np.flatnonzero(np.array(rings) < _VISIBLE * max(rings))
    radius = min(int(low[0] if len(low) else n) + _MARGIN, n)
    part = np.s_[n - radius : n + radius + 1, n - radius : n + radius + 1]
    return np.where(away[part] <= radius, mean[part], 0)


def support_of(template):
    """Where a particle is, and a little beyond."""
    return binary_dilation(template > _VISIBLE * template.max(), iterations=_MARGIN)


class Fit:
    """The template, ready to be fitted to many places of frames."""

    def __init__(self, template, symmetry, scale=1.0):
        self.symmetry, self.scale, self.n = symmetry, scale, len(template) // 2
        unknown = np.isnan(template)
        if unknown.any():  # what is next to it, so that the slope at the border is not that of a cliff
            nearest = distance_transform_edt(unknown, return_distances=False, return_indices=True)
            template = template[tuple(nearest)]
        self._support = support_of(template) & ~unknown
        self._reach = binary_dilation(self._support, iterations=2 * _MARGIN)
        fine = np.arange(0, 2 * self.n + 1e-9, 1 / _FINE)
        self._shape = map_coordinates(template, np.meshgrid(fine, fine, indexing="ij"), order=3)
        self._slopes = [_FINE * slope for slope in np.gradient(self._shape)]

    def __call__(self, pixels, x, y, theta, others=()):
        """Fit at a place: x, y, theta and its standard error in degrees; None if it fails.

        Gauss-Newton over place, angle, height and background, with Huber's weights: neighbours that touch
        are outliers, and pixels nearer to one of the `others` (N, 2) are theirs.
        """
        start, angle = (x, y), np.radians(theta)
        px, py = self._pixels(pixels.shape, x, y, angle, others)
        values = pixels[py, px].astype(float)
        for _ in range(_ROUNDS):
            u, v = _turned(px - x, py - y, angle)
            at = [v + self.n, u + self.n]
            seen = map_coordinates(self._support, at, order=0, output=bool)
            if seen.sum() < _FEW:
                return None
            at = [_FINE * along[seen] for along in at]
            shape, tv, tu = (
                map_coordinates(image, at, order=1, mode="nearest") for image in (self._shape, *self._slopes)
            )
            height, base = _line(shape, values[seen])
            rest = values[seen] - height * shape - base
            spread = max(1.4826 * np.median(np.abs(rest)), 1e-9)
            weight = np.minimum(1, _HUBER * spread / np.maximum(np.abs(rest), 1e-12))
            cos, sin = np.cos(angle), np.sin(angle)
            across, along, round_ = -cos * tu + sin * tv, -sin * tu - cos * tv, tu * v[seen] - tv * u[seen]
            jacobian = np.stack(
                [height * across, height * along, height * round_, shape, np.ones_like(shape)]
            )
            normal = (jacobian * weight) @ jacobian.T
            step = np.linalg.lstsq(normal, jacobian @ (weight * rest), rcond=None)[0]
            x, y, angle = x + step[0], y + step[1], angle + step[2]
            if np.hypot(x - start[0], y - start[1]) > _STILL[0] / self.scale:
                return None
            if abs(np.degrees(angle) - theta) > _STILL[1]:
                return None
            if np.abs(step[:3]).max() < _CONVERGED:
                break
        # Residuals of neighbouring pixels go together, as tip and feedback smear: calibration sees to that.
        variance = (weight * rest**2).sum() / max(weight.sum() - 5, 1)
        covariance = variance * np.linalg.pinv(normal)
        return x, y, float(np.degrees(angle)), float(np.degrees(np.sqrt(max(covariance[2, 2], 0))))

    def _pixels(self, shape, x, y, angle, others):
        """Columns and rows of the pixels that may belong to a particle."""
        rows = np.arange(max(round(y) - self.n, 0), min(round(y) + self.n + 1, shape[0]))
        columns = np.arange(max(round(x) - self.n, 0), min(round(x) + self.n + 1, shape[1]))
        py, px = (a.ravel() for a in np.meshgrid(rows, columns, indexing="ij"))
        u, v = _turned(px - x, py - y, angle)
        near = map_coordinates(self._reach, [v + self.n, u + self.n], order=0, output=bool)
        px, py = px[near], py[near]
        for a, b in others:
            own = np.hypot(px - x, py - y) <= np.hypot(px - a, py - b)
            px, py = px[own], py[own]
        return px, py


def _turned(dx, dy, angle):
    """Coordinates along a particle and across it."""
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * dx + sin * dy, -sin * dx + cos * dy


def _line(x, y):
    """Slope and intercept of least squares."""
    middle = x - x.mean()
    slope = (middle @ y) / max(middle @ middle, 1e-12)
    return slope, y.mean() - slope * x.mean()


def _at(u, v, x, y, angle):
    """Where in a frame the points (u, v) of a particle lie: rows, columns."""
    cos, sin = np.cos(angle), np.sin(angle)
    return [sin * u + cos * v + y, cos * u - sin * v + x]
