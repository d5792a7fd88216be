"""Numbers that describe a crop however it is turned or mirrored, and crops brought into one orientation."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from atomlens._turns import turned
from atomlens._types import ArrayLike, ndarray

__all__ = ["aligned", "invariants"]

_RINGS, _ORDERS, _ANGLES = 12, 7, 48  # a crop of 0.6 nm radius; an atom's image is 0.05 nm wide
_EDGE = 0.95  # of the half width of a crop: outermost ring


def invariants(crops: ArrayLike) -> ndarray:
    """Angular spectrum of every ring around the centre: neither turning nor mirroring changes it.

    Parameters
    ----------
    crops : array_like of shape (N, L, L)

    Returns
    -------
    ndarray of shape (N, 84)
        Amplitudes of orders 0 to 6 on 12 rings, the inner one first, each weighted by the square root of its
        circumference. Order 0 is the mean of the ring.

    Raises
    ------
    ValueError
        If crops are not square pictures of at least 16 pixels.

    Notes
    -----
    The amplitudes of circular harmonics are the simplest rotation invariants (Hsu, Arsenault and April, Appl.
    Opt. 21, 4012 (1982)). They forget how rings are turned against one another; orientations that differ in
    nothing else are not told apart.

    Examples
    --------
    >>> y, x = np.mgrid[-15:16, -15:16]
    >>> spots = np.exp(-((x - 8) ** 2 + y**2) / 10) + np.exp(-(x**2 + (y - 5) ** 2) / 10)
    >>> one, turned, mirrored = invariants([spots, spots.T[::-1], spots[::-1]])
    >>> bool(np.allclose(one, turned, atol=1e-6) and np.allclose(one, mirrored, atol=1e-6))
    True
    """
    crops = _checked(crops)
    middle = (crops.shape[1] - 1) / 2
    radius = (np.arange(_RINGS) + 0.5) / _RINGS * _EDGE * middle
    angle = 2 * np.pi * np.arange(_ANGLES) / _ANGLES
    at = middle + radius[:, None] * np.stack([np.sin(angle), np.cos(angle)])[:, None, :]
    rings = np.stack([map_coordinates(np.nan_to_num(crop), at, order=1, mode="nearest") for crop in crops])
    spectrum = np.abs(np.fft.rfft(rings, axis=2))[:, :, :_ORDERS] / _ANGLES
    return (spectrum * np.sqrt(radius / middle)[:, None]).reshape(len(crops), -1)


def aligned(crops: ArrayLike, turns: int = 6, *, rounds: int = 5) -> ndarray:
    """Crops turned and mirrored until they agree with their mean as well as they can.

    Parameters
    ----------
    crops : array_like of shape (N, L, L)
        In the frame of their host: only operations that leave it alone are tried.
    turns : int
        Equivalent orientations of the host, without mirrors; 6 for graphene.
    rounds : int
        Means that are made, one from the other.

    Returns
    -------
    ndarray of shape (N, L, L)

    Raises
    ------
    ValueError
        If crops are not square pictures of at least 16 pixels, or there is no turn.

    Examples
    --------
    >>> y, x = np.mgrid[-15:16, -15:16]
    >>> spot = np.exp(-((x - 8) ** 2 + y**2) / 10)
    >>> turned = aligned([spot, spot[:, ::-1]], turns=2)
    >>> bool(np.allclose(turned[0], turned[1], atol=1e-6))
    True
    """
    crops = np.nan_to_num(_checked(crops))
    if not (isinstance(turns, int | np.integer) and turns >= 1):
        raise ValueError(f"turns must be a whole number of at least 1, got {turns!r}")
    middle = (crops.shape[1] - 1) / 2
    offset = np.indices(crops.shape[1:]) - middle
    inside = np.hypot(*offset) < _EDGE * middle
    angles = 2 * np.pi * np.arange(turns) / turns
    operations = [(angle, mirrored) for mirrored in (False, True) for angle in angles]
    copies = np.stack([turned(crops, a, mirrored=m, axis=np.pi / 2) for a, m in operations], axis=1)
    seen = copies[:, :, inside]
    seen = seen - seen.mean(axis=2, keepdims=True)
    # begin with the one that stands out most: a mean of all turns has no orientation
    best = np.zeros(len(crops), dtype=int)
    mean = seen[np.argmax(seen[:, 0].std(axis=1)), 0]
    for _ in range(rounds):
        best = (seen @ mean).argmax(axis=1)
        mean = seen[np.arange(len(crops)), best].mean(axis=0)
    return copies[np.arange(len(crops)), best]


def _checked(crops):
    crops = np.asarray(crops, dtype=float)
    if crops.ndim != 3 or crops.shape[1] != crops.shape[2] or crops.shape[1] < 16:
        raise ValueError(f"crops must be square pictures (N, L, L), L at least 16, got shape {crops.shape}")
    return crops
