"""Whether labels fit what they label: their angles, the symmetry, and whether all particles bear one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.ndimage import map_coordinates, rotate
from scipy.spatial import cKDTree

from atomlens.particles._refine import support_of, template_of
from atomlens.particles.baselines import by_template

_PAIRS, _ANGLES = 16, 8  # pairs of labelled particles that are compared, angles tried in each period
_BETTER = 0.15  # of a correlation: then another angle fits really better
_ALIKE = 0.98  # correlation of a particle with itself, turned: 0.999 for what is symmetric, up to 0.96 else
_SURE = 0.6  # correlation from which something looks like the labelled particles
_MISSED = 0.1  # of what looks like them, the share without a label that is worth a sentence


def doubts_of_labels(pixels, xy, theta, symmetry, template, agreed):
    """What speaks against labels, each in a sentence with its remedy.

    Symmetry is judged by the `agreed` places (x, y, theta): turned about a place half a pixel off, nothing
    looks the same.
    """
    radius = len(template) // 2
    mask = support_of(np.nan_to_num(template))
    return [
        *(
            _doubts_of_angles(_likeness_by_turn(pixels, xy, theta, symmetry, mask))
            or _doubts_of_period(_likeness_by_turn(pixels, *agreed, symmetry, mask), symmetry)
            or _doubts_of_symmetry(pixels, xy, theta, symmetry)
        ),
        *_doubts_of_places(pixels, xy, theta, symmetry, radius),
    ]


def _likeness_by_turn(pixels, xy, theta, symmetry, mask):
    """Correlation of pairs of labelled particles: shape (pairs, symmetry, _ANGLES), turns within a period."""
    radius = len(mask) // 2
    inner = np.all((xy >= radius) & (xy <= np.array(pixels.shape[::-1]) - 1 - radius), axis=1)
    chosen = np.flatnonzero(inner)[: _PAIRS + 1]
    turns = 360 / (_ANGLES * symmetry) * np.arange(_ANGLES * symmetry)
    found = [
        [_likeness(pixels, xy[[a, b]], (theta[a], theta[b] + turn), mask) for turn in turns]
        for a, b in pairwise(chosen)
    ]
    return np.reshape(found, (-1, symmetry, _ANGLES)) if len(found) > 1 else np.zeros((0, symmetry, _ANGLES))


def _doubts_of_angles(likeness):
    """Another angle than the one that was given fits better."""
    given = likeness[:, :, 0].max(axis=1)
    if len(given) and np.median(likeness.max(axis=(1, 2)) - given) > _BETTER:
        return [
            "labelled particles, turned back by their angles, are not alike: theta is in degrees, from x "
            "(right) towards y (down), along the same axis of each particle"
        ]
    return []


def _doubts_of_period(likeness, symmetry):
    """After a whole period they do not look the same."""
    if symmetry > 1 and len(likeness) and np.median(np.ptp(likeness[:, :, 0], axis=1)) > _BETTER:
        return [
            f"a labelled particle does not look the same after a turn by {360 / symmetry:g} degrees: its "
            f"symmetry is lower than {symmetry}; label it over the whole range of its angles"
        ]
    return []


def _likeness(pixels, places, angles, mask):
    """Correlation of what lies around two places, turned back by two angles; where a particle can be."""
    v, u = np.argwhere(mask).T - len(mask) // 2.0
    seen = []
    for (x, y), angle in zip(places, np.radians(angles), strict=True):
        cos, sin = np.cos(angle), np.sin(angle)
        at = [sin * u + cos * v + y, cos * u - sin * v + x]
        seen.append(map_coordinates(pixels, at, order=1, mode="nearest"))
    return np.corrcoef(seen)[0, 1]


def _doubts_of_symmetry(pixels, xy, theta, symmetry):
    mean = np.nan_to_num(template_of(pixels, xy, theta, 1))
    radius = len(mean) // 2
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = np.hypot(x, y) < radius
    for times in (2, 3):
        turned = rotate(mean, 360 / (times * symmetry), reshape=False, order=1)
        if np.corrcoef(mean[disc], turned[disc])[0, 1] > _ALIKE:
            return [
                f"labelled particles look the same after a turn by {360 / (times * symmetry):g} degrees, "
                f"too: with symmetry={symmetry} an angle may be any of several; is it {times * symmetry}?"
            ]
    return []


def _doubts_of_places(pixels, xy, theta, symmetry, radius):
    labels = pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "theta": theta})
    step = 360 / symmetry / 12
    alike = by_template(pixels, labels, symmetry=symmetry, radius=radius, step=step)
    alike = alike[alike["score"] > _SURE]
    inner = alike[["x", "y"]].to_numpy()
    inner = inner[np.all((inner >= radius) & (inner < np.array(pixels.shape[::-1]) - radius), axis=1)]
    missed = int((cKDTree(xy).query(inner)[0] > radius).sum()) if len(inner) else 0
    if missed > _MISSED * len(inner) and missed > 1:
        return [
            f"{missed} places look like the labelled particles and bear no label, so the network learns to "
            "overlook such: label all, or cut the frame to what is labelled"
        ]
    return []
