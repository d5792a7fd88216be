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
_POINTS = 200_000  # of all particles that are fitted at once: what the cache of a core holds


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
        self._height = np.nanmax(template)  # all is told in heights of a particle, whatever their unit
        template = template / self._height
        unknown = np.isnan(template)
        if unknown.any():  # what is next to it, so that the slope at the border is not that of a cliff
            nearest = distance_transform_edt(unknown, return_distances=False, return_indices=True)
            template = template[tuple(nearest)]
        support = support_of(template) & ~unknown
        # A rim of False around both: what lies outside is neither.
        self._support = np.pad(support, 1)
        self._reach = np.pad(binary_dilation(support, iterations=2 * _MARGIN), 1)
        fine = np.arange(0, 2 * self.n + 1e-9, 1 / _FINE)
        shape = map_coordinates(template, np.meshgrid(fine, fine, indexing="ij"), order=3)
        slopes = [_FINE * slope for slope in np.gradient(shape)]
        self._side, self._fine = len(fine), [part.astype(np.float32).ravel() for part in (shape, *slopes)]

    def __call__(self, pixels, places):
        """Fit at places (N, 3) of x, y and theta in degrees.

        Returns x, y, theta and its standard error in degrees, shape (N, 4); NaN where a fit fails.

        Gauss-Newton over place, angle, height and background, with Huber's weights: neighbours that touch
        are outliers, and pixels nearer to another of the places are not looked at. All at once: a fit alone
        takes longer to be called than to be computed.
        """
        fits = np.full((len(places), 4), np.nan)
        if not len(places):
            return fits
        others = _others(places[:, :2], 2 * self.n)
        for start in range(0, len(places), at_once := max(_POINTS // (2 * self.n + 1) ** 2, 1)):
            part = np.s_[start : start + at_once]
            fits[part] = self._fitted(pixels, places[part], others[part])
        return fits

    def _fitted(self, pixels, places, others):
        middle = np.rint(places[:, :2])
        start = np.column_stack([places[:, :2] - middle, np.radians(places[:, 2])])
        dx, dy, values = self._pixels(pixels, middle, start, others)
        now, fits = start.copy(), np.full((len(places), 4), np.nan)
        left = np.arange(len(places))
        for _ in range(_ROUNDS):
            step, error = self._step(dx[left], dy[left], values[left], now[left])
            now[left] += step
            moved = np.abs(now[left] - start[left])
            sound = np.hypot(moved[:, 0], moved[:, 1]) <= _STILL[0] / self.scale  # False where a step is NaN
            sound &= np.degrees(moved[:, 2]) <= _STILL[1]
            fits[left] = np.column_stack([now[left], error])
            fits[left[~sound]] = np.nan
            left = left[sound & (np.abs(step).max(axis=1) >= _CONVERGED)]
            if not len(left):
                break
        return np.column_stack([fits[:, :2] + middle, np.degrees(fits[:, 2:])])

    def _step(self, dx, dy, values, now):
        """Step of x, y and angle, and the standard error of the angle (radians); NaN with too few pixels."""
        x, y, angle = now.T[:, :, None].astype(np.float32)
        u, v = _turned(dx - x, dy - y, angle)
        seen = self._inside(self._support, u, v) & np.isfinite(values)
        shape, tu, tv = self._template(u, v)
        count = seen.sum(axis=1, keepdims=True)
        values = np.where(seen, values, 0)
        height, base = _lines(shape * seen, values, np.maximum(count, 1))
        rest = np.where(seen, values - height * shape - base, 0)
        size = np.abs(rest)
        spread = np.maximum(1.4826 * _medians(np.where(seen, size, np.inf), count), 1e-9)
        weight = seen * np.minimum(1, _HUBER * spread / np.maximum(size, 1e-12))
        cos, sin = np.cos(angle), np.sin(angle)
        jacobian = np.stack(
            [
                height * (sin * tv - cos * tu),
                -height * (sin * tu + cos * tv),
                height * (tu * v - tv * u),
                shape,
                np.ones_like(shape),
            ],
            axis=1,
        )
        weighted = jacobian * weight[:, None]
        normal = (weighted @ jacobian.swapaxes(1, 2)).astype(float)
        failed = (count[:, 0] < _FEW) | ~np.isfinite(normal).all(axis=(1, 2))
        normal[failed] = 0
        inverse = np.linalg.pinv(normal, hermitian=True)
        step = (inverse @ (weighted @ rest[..., None]))[:, :3, 0]
        # Residuals of neighbouring pixels go together, as tip and feedback smear: calibration sees to that.
        variance = (weight * rest**2).sum(axis=1) / np.maximum(weight.sum(axis=1) - 5, 1)
        error = np.sqrt(np.maximum(variance * inverse[:, 2, 2], 0))
        step[failed], error[failed] = np.nan, np.nan
        return step, error

    def _template(self, u, v):
        """The template and its slopes along u and v, each by the nearest point of a fine grid."""
        i, j = (np.clip(np.rint(_FINE * (a + self.n)), 0, self._side - 1).astype(np.int32) for a in (v, u))
        at = i * self._side + j
        shape, tv, tu = (part.take(at) for part in self._fine)
        shape += tv * (v - (i / np.float32(_FINE) - self.n)) + tu * (u - (j / np.float32(_FINE) - self.n))
        return shape, tu, tv

    def _inside(self, mask, u, v):
        """Whether points lie in a mask of the template."""
        i, j = (np.clip(np.rint(a) + self.n + 1, 0, 2 * self.n + 2).astype(np.int32) for a in (v, u))
        return mask.ravel().take(i * (2 * self.n + 3) + j)

    def _pixels(self, pixels, middle, start, others):
        """Pixels that may belong to each of N particles: dx, dy from its middle and values, each (N, P).

        A value is NaN where there is no pixel.
        """
        dy, dx = (a.ravel() for a in np.mgrid[-self.n : self.n + 1, -self.n : self.n + 1])
        x, y, angle = start.T[:, :, None]
        near = self._inside(self._reach, *_turned(dx - x, dy - y, angle))
        columns, rows = (a[:, None].astype(int) + d for a, d in zip(middle.T, (dx, dy), strict=True))
        near &= (rows >= 0) & (rows < pixels.shape[0]) & (columns >= 0) & (columns < pixels.shape[1])
        away = (dx - x) ** 2 + (dy - y) ** 2
        for a, b in (others - middle[:, None]).transpose(1, 2, 0)[..., None]:
            near &= away <= (dx - a) ** 2 + (dy - b) ** 2
        first = np.argsort(~near, axis=1, kind="stable")[:, : max(near.sum(axis=1).max(), 1)]
        near, rows, columns = (np.take_along_axis(a, first, 1) for a in (near, rows, columns))
        values = pixels[np.where(near, rows, 0), np.where(near, columns, 0)] / self._height
        values -= (near * values).sum(axis=1, keepdims=True) / np.maximum(near.sum(axis=1, keepdims=True), 1)
        return (
            dx[first].astype(np.float32),
            dy[first].astype(np.float32),
            np.where(near, values, np.nan).astype(np.float32),
        )


def _others(xy, reach):
    """For each place those within reach, itself first: shape (N, K, 2), infinite where there are fewer."""
    tree = cKDTree(xy)
    most = tree.query_ball_point(xy, reach, return_length=True).max()
    index = tree.query(xy, np.arange(1, most + 1), distance_upper_bound=reach)[1]
    return np.vstack([xy, [np.inf, np.inf]])[index]


def _turned(dx, dy, angle):
    """Coordinates along a particle and across it."""
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * dx + sin * dy, -sin * dx + cos * dy


def _lines(x, y, count):
    """Slope and intercept of least squares for each row of (N, P); what does not count is zero in both."""
    middle = x.sum(axis=1, keepdims=True) / count, y.sum(axis=1, keepdims=True) / count
    across = (x * y).sum(axis=1, keepdims=True) - count * middle[0] * middle[1]
    along = (x * x).sum(axis=1, keepdims=True) - count * middle[0] ** 2
    slope = across / np.maximum(along, 1e-12)
    return slope.astype(np.float32), (middle[1] - slope * middle[0]).astype(np.float32)


def _medians(values, count):
    """Of the first `count` values (N, 1) of each row of (N, P), when sorted."""
    values = np.sort(values, axis=1)
    low, high = (np.take_along_axis(values, np.maximum(k, 0), 1) for k in ((count - 1) // 2, count // 2))
    return (low + high) / 2


def _at(u, v, x, y, angle):
    """Where in a frame the points (u, v) of a particle lie: rows, columns."""
    cos, sin = np.cos(angle), np.sin(angle)
    return [sin * u + cos * v + y, cos * u - sin * v + x]
