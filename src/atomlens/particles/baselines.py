"""What a network has to beat: templates at many angles, and moments of what lies around a place."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import map_coordinates, maximum_filter

from atomlens._types import ArrayLike, DataArray, DataFrame
from atomlens.particles._frames import background_of, check_symmetry, folded, labels_of, pixels_of

__all__ = ["by_moments", "by_template"]

_THRESHOLD = 0.5  # of the correlation, above which something is like the template


def by_moments(frame: DataArray | ArrayLike, places: DataFrame, *, symmetry: int, radius: float) -> DataFrame:
    """Angles from the moment of order n of what lies around given places.

    Parameters
    ----------
    frame : DataArray or array_like of shape (H, W)
        Heights over the substrate (`level`).
    places : DataFrame
        With ``x`` and ``y`` in pixels.
    symmetry : int
        Of the particles.
    radius : float
        How far around a place is looked, pixels.

    Returns
    -------
    DataFrame
        ``x``, ``y``, ``theta`` (degrees from x towards y, from 0 to 360 over the symmetry) and ``score``: the
        modulus of the moment over what it could be at most, 0 for a disc.

    Raises
    ------
    ValueError
        If the frame is none, or a parameter is out of its range.

    Notes
    -----
    The angle of the complex moment of h r^n exp(i n phi), over n (J. Flusser, T. Suk and B. Zitova, Moments
    and Moment Invariants in Pattern Recognition, 2009): where most of the height lies. A particle whose
    arms are bent has another zero than the one it was labelled by.

    Examples
    --------
    >>> rod = np.zeros((31, 31))
    >>> rod[15, 5:26] = 1
    >>> by_moments(rod, pd.DataFrame({"x": [15.0], "y": [15.0]}), symmetry=2, radius=12).theta.tolist()
    [0.0]
    """
    pixels = pixels_of(frame)
    check_symmetry(symmetry)
    if not radius > 0:
        raise ValueError(f"radius must be a number of pixels above 0, got {radius!r}")
    n = int(np.ceil(radius))
    y, x = np.mgrid[-n : n + 1, -n : n + 1].astype(float)
    r, phi = np.hypot(x, y), np.arctan2(y, x)
    weight = (r <= radius) * (r / radius) ** symmetry
    rows = []
    for place in places[["x", "y"]].to_numpy(float):
        around = np.maximum(map_coordinates(pixels, [y + place[1], x + place[0]], order=1, mode="nearest"), 0)
        moment = (around * weight * np.exp(1j * symmetry * phi)).sum()
        most = max((around * weight).sum(), 1e-12)
        theta = float(folded(np.degrees(np.angle(moment)) / symmetry, symmetry))
        rows.append((*place, theta, abs(moment) / most))
    return pd.DataFrame(rows, columns=["x", "y", "theta", "score"])


def by_template(
    frame: DataArray | ArrayLike,
    labels: DataFrame,
    *,
    symmetry: int,
    radius: float,
    labelled: DataArray | ArrayLike | None = None,
    step: float = 4.0,
) -> DataFrame:
    """Find particles by correlation with the mean labelled one at many angles.

    Parameters
    ----------
    frame : DataArray or array_like of shape (H, W)
        Where to look.
    labels : DataFrame
        ``x``, ``y`` (pixels) and ``theta`` (degrees) of particles of the labelled frame.
    symmetry : int
    radius : float
        Of the template, pixels.
    labelled : DataArray or array_like, optional
        The labelled frame; `frame` itself without it.
    step : float
        From angle to angle, degrees; between them a parabola is laid through the best three.

    Returns
    -------
    DataFrame
        ``x``, ``y``, ``theta``, and ``score``, the correlation.

    Raises
    ------
    ValueError
        If a frame is none, labels do not fit theirs, or a parameter is out of its range.

    Examples
    --------
    >>> from atomlens import simulate
    >>> frame = simulate.particles.scattered("rod", coverage=0.1, shape=(96, 96))
    >>> inner = frame.truth[frame.truth[["x", "y"]].min(axis=1) > 12]
    >>> found = by_template(frame.data, inner, symmetry=2, radius=11)
    >>> bool(abs(len(found) - len(frame.truth)) < 4)
    True
    """
    from skimage.feature import match_template

    pixels = pixels_of(frame)
    source = pixels if labelled is None else pixels_of(labelled)
    xy, theta = labels_of(labels, source.shape, symmetry)
    period = 360 / symmetry
    if not (0 < step <= period):
        raise ValueError(f"step must be an angle above 0 and at most {period:g} degrees, got {step!r}")
    n = int(np.ceil(radius))
    y, x = np.mgrid[-n : n + 1, -n : n + 1].astype(float)

    def turned(picture, middle, angle):
        cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        return map_coordinates(
            picture, [sin * x + cos * y + middle[1], cos * x - sin * y + middle[0]], order=1, mode="nearest"
        )

    mean = np.mean([turned(source, place, angle) for place, angle in zip(xy, theta, strict=True)], axis=0)
    inside = np.hypot(x, y) <= n
    mean = np.where(inside, mean, background_of(source))
    angles = np.arange(0, period - step / 2, step)
    likeness = np.stack(
        [match_template(pixels, turned(mean, (n, n), -angle), pad_input=True) for angle in angles]
    )
    best = likeness.max(axis=0)
    peaks = (best == maximum_filter(best, 2 * max(n // 2, 1) + 1)) & (best > _THRESHOLD)
    rows = []
    for row, column in np.argwhere(peaks):
        around = likeness[:, row, column]
        k = int(around.argmax())
        left, right = around[k - 1], around[(k + 1) % len(angles)]
        bend = left - 2 * around[k] + right
        shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
        rows.append((column, row, folded(angles[k] + shift * step, symmetry), around[k]))
    return pd.DataFrame(rows, columns=["x", "y", "theta", "score"]).astype(float)
