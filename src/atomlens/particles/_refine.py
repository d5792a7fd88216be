"""Places and angles to the last digit: the mean labelled particle is fitted where the network sees one."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
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
_ROUNDS = (2, 8)  # of the fit: before it is asked anew which pixel is whose, and after
_CONVERGED = (5e-3, 5e-3, 3e-3)  # pixels, radians: a step this small leaves an error far below noise
_FINE = 4  # points a pixel at which the template is laid out
_HUBER = 1.345  # standard deviations, beyond which a residual counts less: 95 % efficient for normal ones
_STILL = (2.0, 25.0)  # pixels of the network; degrees: the most that a fit may move
_HIGHER = 0.02  # of its height: by so much another particle must be higher for a pixel to be its own
_FEW = 12  # pixels, below which nothing is fitted
_MEMORY = (1, 4)  # rows, columns, up to which residuals may go together
_FAINT = 0.04  # of the height: up to .015 goes together in residuals of the labelled kind, from .15 else
_CLEAR = 3.0  # standard errors of a correlation, above which it is believed
_TURNS = 12  # angles, for which it is worked out what correlations do
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

        Returns x, y, theta and its standard error in degrees, shape (N, 4), NaN where a fit fails; and the
        correlation of residuals from line to line: no scan smears them that way, but another particle does
        (0 where what goes together is faint).

        Gauss-Newton over place, angle, height and background, with Huber's weights. A tip feels the higher
        of two particles that touch, not their sum: a pixel belongs to the one whose template is higher there,
        and no other looks at it. This is asked again when all are roughly in place. All are fitted at once:
        a fit alone takes longer to be called than to be computed.
        """
        fits = np.full((len(places), 4), np.nan)
        if not len(places):
            return fits, 0.0
        middle = np.rint(places[:, :2])
        now = start = _from(middle, places)
        around = self._around(middle, start, pixels)
        at_once = max(_POINTS // around[0].shape[1], 1)
        for rounds in _ROUNDS:
            own = *around[:2], self._own(*around, now, pixels.size)
            rest, owner = np.full((2, pixels.size), np.nan, np.float32)
            for part in (np.s_[k : k + at_once] for k in range(0, len(places), at_once)):
                fits[part], seen, residual = self._fitted(
                    start[part], now[part], [a[part] for a in own], rounds
                )
                at = around[2][part][seen]
                rest[at], owner[at] = residual[seen], np.nonzero(seen)[0] + part.start
            now = np.where(np.isfinite(fits[:, 3:]), fits[:, :3], start)
        fits[:, :2] += middle
        fits[:, 2:] = np.degrees(fits[:, 2:])
        memory, power = _correlations(rest.reshape(pixels.shape), owner.reshape(pixels.shape))
        fits[:, 3] *= self._remembered(memory, fits[:, 2])
        line_to_line = float(memory[_MEMORY[0] - 1, _MEMORY[1]])
        return fits, line_to_line if line_to_line * power > _FAINT**2 else 0.0

    def _fitted(self, start, now, own, rounds):
        """Fit on from where they are now, each to its own pixels; also which are seen, and their residuals.

        Too far from their start, fits have failed.
        """
        now, fits = now.copy(), np.full((len(start), 4), np.nan)
        seen, residual = np.zeros(own[0].shape, bool), np.zeros(own[0].shape, np.float32)
        left = np.arange(len(start))
        for _ in range(rounds):
            step, error, seen[left], residual[left] = self._step(*(a[left] for a in own), now[left])
            now[left] += step
            moved = np.abs(now[left] - start[left])
            sound = np.hypot(moved[:, 0], moved[:, 1]) <= _STILL[0] / self.scale  # False where a step is NaN
            sound &= np.degrees(moved[:, 2]) <= _STILL[1]
            fits[left] = np.column_stack([now[left], error])
            fits[left[~sound]] = np.nan
            left = left[sound & (np.abs(step) >= _CONVERGED).any(axis=1)]
            if not len(left):
                break
        return fits, seen, residual

    def _remembered(self, memory, theta):
        """How many times larger errors of angles are than those of noise that forgets from pixel to pixel.

        Tip and feedback smear noise along the scan, and what turns a particle, its slope along the angle,
        is smooth: the correlation of residuals is carried over to it (variance of a linear estimator).
        """
        period = 360 / self.symmetry
        angles = np.linspace(0, period, _TURNS, endpoint=False)
        v, u = np.mgrid[-self.n : self.n + 1, -self.n : self.n + 1].astype(np.float32)
        along, across = _turned(u, v, np.radians(angles)[:, None, None].astype(np.float32))
        _, tu, tv = self._template(along, across)
        pull = (tu * across - tv * along) * self._inside(self._support, along, across)
        likeness = _overlap(pull)
        factor = (likeness * memory).sum(axis=(1, 2)) / likeness[:, *_MEMORY]
        return np.sqrt(np.interp(np.mod(theta, period), angles, np.maximum(factor, 1), period=period))

    def _step(self, dx, dy, values, now):
        """Step of x, y and angle, and the standard error of the angle (radians); NaN with too few pixels."""
        u, v = _seen_from(now, dx, dy)
        seen = self._inside(self._support, u, v) & np.isfinite(values)
        shape, tu, tv = self._template(u, v)
        count = seen.sum(axis=1, keepdims=True)
        values = np.where(seen, values, 0)
        height, base = _lines(shape * seen, values, np.maximum(count, 1))
        rest = np.where(seen, values - height * shape - base, 0)
        size = np.abs(rest)
        spread = np.maximum(1.4826 * _medians(np.where(seen, size, np.inf), count), 1e-9)
        weight = seen * np.minimum(1, _HUBER * spread / np.maximum(size, 1e-12))
        cos, sin = np.cos(now[:, 2:]).astype(np.float32), np.sin(now[:, 2:]).astype(np.float32)
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
        diagonal = np.arange(5)
        normal[:, diagonal, diagonal] += 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None] + 1e-30
        inverse = np.linalg.inv(normal)
        step = (inverse @ (weighted @ rest[..., None]))[:, :3, 0]
        # Variance of Huber's estimate (P. J. Huber, Ann. Math. Stat. 35, 73 (1964)): that of the clipped
        # residuals over the square of the share that is not clipped.
        clipped = weight * rest
        free = np.maximum(count[:, 0] - 5, 1)
        whole = np.maximum(((weight == 1) & seen).sum(axis=1) / np.maximum(count[:, 0], 1), 0.1)
        variance = (clipped**2).sum(axis=1) / free / whole**2
        variance *= weight.sum(axis=1) / np.maximum(count[:, 0], 1)  # as the inverse is of weighted pixels
        error = np.sqrt(np.maximum(variance * inverse[:, 2, 2], 0))
        step[failed], error[failed] = np.nan, np.nan
        return step, error, seen, clipped

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

    def _around(self, middle, start, pixels):
        """Pixels that N particles may reach, each (N, P): dx, dy from a middle, where in the frame, values.

        A value is NaN where there is no pixel.
        """
        dy, dx = (a.ravel() for a in np.mgrid[-self.n : self.n + 1, -self.n : self.n + 1].astype(np.float32))
        columns, rows = (a[:, None].astype(np.float32) + d for a, d in zip(middle.T, (dx, dy), strict=True))
        near = (rows >= 0) & (rows < pixels.shape[0]) & (columns >= 0) & (columns < pixels.shape[1])
        near &= self._inside(self._reach, *_seen_from(start, dx, dy))
        first = np.argsort(~near, axis=1, kind="stable")[:, : max(near.sum(axis=1).max(), 1)]
        near, rows, columns = (np.take_along_axis(a, first, 1) for a in (near, rows, columns))
        at = np.where(near, rows.astype(int) * pixels.shape[1] + columns.astype(int), 0)
        values = pixels.ravel()[at] / self._height
        values -= (near * values).sum(axis=1, keepdims=True) / np.maximum(near.sum(axis=1, keepdims=True), 1)
        return dx[first], dy[first], at, np.where(near, values, np.nan).astype(np.float32)

    def _own(self, dx, dy, at, values, now, size):
        """Values of the pixels where no other of the particles is higher; NaN elsewhere."""
        near = np.isfinite(values)
        height = self._template(*_seen_from(now, dx, dy))[0]
        highest = np.zeros(size, np.float32)
        np.maximum.at(highest, at[near], height[near])
        return np.where(highest[at] > height + _HIGHER, np.float32(np.nan), values)


def _overlap(pictures):
    """Sum over all pixels of pictures (..., H, W) times themselves, shifted by each of up to _MEMORY."""
    still = [(0, 0)] * (pictures.ndim - 2)
    padded = np.pad(pictures, [*still, *((most, most) for most in _MEMORY)])
    shifted = sliding_window_view(padded, pictures.shape[-2:], axis=(-2, -1))
    return np.einsum("...ij,...klij->...kl", pictures, shifted)


def _correlations(rest, owner):
    """Correlation of residuals (NaN where there are none) by distance in rows and columns; their variance.

    A correlation is 0 where it is unsure. Both are medians over the particles that own residuals: beside
    a neighbour that was not found they go together, too.
    """
    rim = [(most, most) for most in _MEMORY]
    rest, owner = (np.pad(a, rim, constant_values=np.nan) for a in (rest, owner))
    here = np.flatnonzero(np.isfinite(rest))
    known, values = np.isfinite(rest).ravel(), np.nan_to_num(rest).ravel()
    whose = np.unique(owner.ravel()[here], return_inverse=True)[1]
    power = np.bincount(whose, values[here] ** 2) / np.bincount(whose)
    found = np.zeros([2 * most + 1 for most in _MEMORY])
    for k in range(found.size // 2 + 1 if len(here) else 0):  # back is as forth
        i, j = divmod(k, found.shape[1])
        there = here + (i - _MEMORY[0]) * rest.shape[1] + j - _MEMORY[1]
        pairs = np.maximum(np.bincount(whose, known[there]), 1)
        alike = np.bincount(whose, values[here] * values[there]) / pairs
        usual = np.median(alike / np.maximum(power, 1e-12))
        if abs(usual) * np.sqrt(pairs.sum()) > _CLEAR:
            found.flat[[k, found.size - 1 - k]] = usual
    return found, float(np.median(power)) if len(here) else 0.0


def _from(middle, places):
    """Places (N, 3) of x, y and theta in degrees, as x, y from a middle and the angle in radians."""
    return np.column_stack([places[:, :2] - middle, np.radians(places[:, 2])])


def _seen_from(now, dx, dy):
    """Coordinates of points along each of N particles and across it, in single precision."""
    x, y, angle = now.T[..., None].astype(np.float32)
    return _turned(dx - x, dy - y, angle)


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
