"""Training pictures without end from one labelled frame: cut, turned, stretched, and made worse."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from atomlens.particles._frames import background_of, normalised

BLOB = 2.5  # pixels, the width of the answer at a particle
_STRETCH = 0.1  # by how much sizes vary either way
_GAIN = (0.8, 1.25)  # by which heights vary from frame to frame
_NEAR = 0.8  # of the crops, the share around a particle; the others lie anywhere
_CROWDED, _TRIES = 0.5, 30  # of the crops, the share that is made crowded; places tried in each
_OUTLINE, _OVERLAP = 0.3, 0.03  # of the height, a particle's outline; of its area, what may be covered
_BEYOND = 5  # pixels beyond a crop, to where particles still show in its answer


def batch(pixels, xy, theta, symmetry, template, noise, rng, *, count, size, level=False):
    """Crops, and their answers: (count, 1, s, s); (count, 3, s, s) of place, cos n theta, sin n theta.

    A crop is turned by any angle, and its labels with it. In half of them, copies of the `template` are put
    into the gaps, so that particles touch; noise of any strength up to some times that of the frame is added,
    steps from line to line, and now and then a scar.

    If they are to be as `level` leaves frames, they are neither stretched nor resampled, which would smear
    their noise (quarter turns only), and have no steps and no scars but their own.
    """
    template = np.nan_to_num(template)
    crops = np.empty((count, 1, size, size), np.float32)
    answers = np.zeros((count, 3, size, size), np.float32)
    height, width = pixels.shape
    half = (size - 1) / 2
    y, x = np.mgrid[:size, :size].astype(float)
    empty, high = background_of(pixels), template.max()
    for k in range(count):
        if rng.random() < _NEAR:
            middle = xy[rng.integers(len(xy))] + rng.uniform(-size / 3, size / 3, 2)
        else:
            middle = rng.uniform((0, 0), (width, height))
        turn, zoom = rng.uniform(0, 360), rng.uniform(1 - _STRETCH, 1 + _STRETCH)
        if level:
            turn, zoom, middle = 90 * (turn // 90), 1.0, np.rint(middle - half) + half
        cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
        u, v = (x - half) / zoom, (y - half) / zoom
        at = [-sin * u + cos * v + middle[1], cos * u + sin * v + middle[0]]
        crop = map_coordinates(pixels, np.round(at, 9), order=1, mode="constant", cval=empty)
        dx, dy = (xy - middle).T * zoom
        there = np.column_stack([cos * dx - sin * dy + half, sin * dx + cos * dy + half, theta + turn])
        if rng.random() < _CROWDED:
            crop, there = _crowded(crop, there, template, empty, rng)
        crops[k, 0] = normalised(_worse(crop, noise, rng, level), high * rng.uniform(*_GAIN))
        _answer(answers[k], *there.T, symmetry, x, y)
    return crops, answers


def _crowded(crop, there, template, empty, rng):
    """Put copies of the template where there is room for them, up to where they touch."""
    n, size = len(template) // 2, len(crop)
    outline = template > _OUTLINE * template.max()
    taken = np.pad(crop > empty + _OUTLINE * template.max(), n)
    v, u = np.mgrid[-n : n + 1, -n : n + 1].astype(float)
    for _ in range(_TRIES):
        column, row = rng.integers(0, size, 2)
        angle = rng.uniform(0, 360)
        cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        at = [-sin * u + cos * v + n, cos * u + sin * v + n]
        mine = map_coordinates(outline.astype(float), at, order=1) > 0.5
        part = np.s_[row : row + 2 * n + 1, column : column + 2 * n + 1]
        if (taken[part] & mine).sum() > _OVERLAP * mine.sum():
            continue
        taken[part] |= mine
        copy = np.zeros(taken.shape)
        copy[part] = map_coordinates(template, at, order=1)
        crop = np.maximum(crop, empty + copy[n : n + size, n : n + size])
        there = np.vstack([there, (column, row, angle)])
    return crop, there


def _answer(into, px, py, theta, symmetry, x, y):
    """A blob at every particle; around it cosine and sine of its angle, as often as it repeats."""
    size = x.shape[0]
    inside = (px > -_BEYOND) & (px < size + _BEYOND) & (py > -_BEYOND) & (py < size + _BEYOND)
    for a, b, angle in zip(px[inside], py[inside], symmetry * np.radians(theta[inside]), strict=True):
        blob = np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * BLOB**2))
        nearest = blob > into[0]
        into[0][nearest] = blob[nearest]
        into[1][nearest], into[2][nearest] = np.cos(angle), np.sin(angle)


def _worse(crop, noise, rng, level):
    crop = crop + rng.normal(0, noise * np.exp(rng.uniform(-1, 1)), crop.shape)
    if level:
        return crop
    if rng.random() < 0.5:
        crop = crop + rng.normal(0, noise, (len(crop), 1))
    if rng.random() < 0.3:
        start, row = rng.integers(len(crop), size=2)
        crop[row, start : start + len(crop) // 2] += np.ptp(crop) * rng.uniform(0.2, 1)
    return crop
