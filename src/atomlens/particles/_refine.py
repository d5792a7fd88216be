"""Places and angles to the last digit: the mean labelled particle is fitted where the network sees one."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.ndimage import (
    binary_dilation,
    distance_transform_edt,
    gaussian_filter,
    map_coordinates,
    spline_filter,
)
from scipy.spatial import cKDTree

from atomlens.particles._frames import background_of

_WIDEST = 64  # pixels, the largest particle
_VISIBLE = 0.12  # of its height: where a particle ends
_MARGIN = 2  # pixels around it that are looked at
_SEEN = 0.2  # of the labelled particles, the share that must show a point
_ROUNDS = 8
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


def refined(pixels, template, x, y, theta, symmetry, scale=1.0, others=()):
    """Fit the template at a place: x, y, theta and its standard error in degrees; None if it fails.

    Gauss-Newton over place, angle, height and background, with Huber's weights: neighbours that touch are
    outliers.
    """
    n = len(template) // 2
    unknown = np.isnan(template)
    if unknown.any():  # what is next to it, so that the slope at the border is not that of a cliff
        template = template[
            tuple(distance_transform_edt(unknown, return_distances=False, return_indices=True))
        ]
    support = binary_dilation(template > _VISIBLE * template.max(), iterations=_MARGIN) & ~unknown
    smooth = spline_filter(template)
    slopes = [spline_filter(slope) for slope in np.gradient(template)]
    rows = np.arange(max(round(y) - n, 0), min(round(y) + n + 1, pixels.shape[0]))
    columns = np.arange(max(round(x) - n, 0), min(round(x) + n + 1, pixels.shape[1]))
    py, px = (a.ravel() for a in np.meshgrid(rows, columns, indexing="ij"))
    own = np.hypot(px - x, py - y)
    for a, b in others:  # to each particle its own cell
        if np.hypot(a - x, b - y) < 4 * n:
            mine = own <= np.hypot(px - a, py - b)
            py, px, own = py[mine], px[mine], own[mine]
    values = pixels[py, px].astype(float)
    start, angle = (x, y), np.radians(theta)
    for _ in range(_ROUNDS):
        cos, sin = np.cos(angle), np.sin(angle)
        dx, dy = px - x, py - y
        u, v = cos * dx + sin * dy, -sin * dx + cos * dy
        at = [v + n, u + n]
        seen = map_coordinates(support.astype(float), at, order=0, cval=0) > 0.5
        if seen.sum() < _FEW:
            return None
        shape = map_coordinates(smooth, at, order=3, prefilter=False)[seen]
        tv, tu = (map_coordinates(slope, at, order=3, prefilter=False)[seen] for slope in slopes)
        ones = np.ones(len(shape))
        height, base = np.linalg.lstsq(np.column_stack([shape, ones]), values[seen], rcond=None)[0]
        rest = values[seen] - height * shape - base
        spread = max(1.4826 * np.median(np.abs(rest)), 1e-9)
        weight = np.minimum(1, _HUBER * spread / np.maximum(np.abs(rest), 1e-12))
        jacobian = np.column_stack(
            [
                height * (-cos * tu + sin * tv),
                height * (-sin * tu - cos * tv),
                height * (tu * v[seen] - tv * u[seen]),
                shape,
                ones,
            ]
        )
        normal = jacobian.T @ (weight[:, None] * jacobian)
        step = np.linalg.lstsq(normal, jacobian.T @ (weight * rest), rcond=None)[0]
        x, y, angle = x + step[0], y + step[1], angle + step[2]
        moved = abs(np.degrees(angle) - theta) * symmetry
        if np.hypot(x - start[0], y - start[1]) > _STILL[0] / scale or moved > symmetry * _STILL[1]:
            return None
        if np.abs(step[:3]).max() < 1e-4:
            break
    # Residuals of neighbouring pixels go together, as tip and feedback smear; the template itself is not
    # perfect.
    variance = (weight * rest**2).sum() / max(weight.sum() - 5, 1)
    covariance = variance * np.linalg.pinv(normal)
    return x, y, float(np.degrees(angle)), float(np.degrees(np.sqrt(max(covariance[2, 2], 0))))


def _at(u, v, x, y, angle):
    """Where in a frame the points (u, v) of a particle lie: rows, columns."""
    cos, sin = np.cos(angle), np.sin(angle)
    return [sin * u + cos * v + y, cos * u - sin * v + x]
