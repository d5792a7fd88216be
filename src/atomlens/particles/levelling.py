"""Frames made level: the plane of the sample, steps from line to line, scars."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from atomlens._types import ArrayLike, DataArray
from atomlens.particles._frames import pixels_of

__all__ = ["level"]

_ROUNDS = 6  # of fitting the plane, then lines, to what is not high
_QUIET, _WIDEST = 0.06, 2.0  # of the range of heights, noise that joins no classes; pixels of a Gaussian
_HIGH = 2.0  # robust standard deviations over the plane: a particle, not the substrate
_TWO = 0.68  # of the variance lies between two classes (Otsu): 0.64 if one normal class is cut in halves
_FREE = 0.1  # of a line, the share of substrate from which its height is read
_SCAR = 4.0  # robust standard deviations by which a scar stands over both lines beside it


def level(frame: DataArray | ArrayLike) -> DataArray:
    """Take away the tilt of the sample, steps from line to line, and scars.

    Parameters
    ----------
    frame : DataArray or array_like of shape (H, W)
        Heights; x is the fast axis.

    Returns
    -------
    DataArray
        The same heights over the substrate, which is at zero; with the coordinates of `frame`.

    Raises
    ------
    ValueError
        If it is no frame, too small, or holds NaN.

    Notes
    -----
    The plane is fitted to what is low (the lower class of Otsu's threshold, where there are two, in a frame
    smoothed as its noise asks for), lines are shifted by the median of their low pixels, and where a stretch
    of a line stands over both its neighbours by four standard deviations, their mean takes its place. Scar
    removal as in D. Necas and P. Klapetek, Cent. Eur. J. Phys. 10, 181 (2012).

    Examples
    --------
    >>> tilted = np.arange(32.0) + np.zeros((32, 1))
    >>> tilted[10:14, 10:14] += 40
    >>> flat = level(tilted)
    >>> bool(np.abs(flat[0]).max() < 1e-3), round(float(flat[12, 12]))
    (True, 40)
    """
    values = pixels_of(frame).astype(float)
    y, x = (np.linspace(-1, 1, n) for n in values.shape)
    basis = np.stack(np.broadcast_arrays(1.0, x[None, :], y[:, None]), axis=-1)
    rest, low = values, np.ones(values.shape, bool)
    for _ in range(_ROUNDS):
        rest = rest - basis @ np.linalg.lstsq(basis[low], rest[low], rcond=None)[0]
        low = _substrate(rest, low)
    for _ in range(_ROUNDS):
        rest = rest - _line_heights(rest, low)[:, None]
        low = _substrate(rest, low)
    rest = _without_scars(rest, low)
    if isinstance(frame, xr.DataArray):
        return frame.copy(data=rest.astype(np.float32))
    return xr.DataArray(rest.astype(np.float32), dims=("y", "x"), name="height")


def _substrate(rest, low):
    """What is no particle: the lower of two classes where there are two, else all but what stands out."""
    from skimage.filters import threshold_otsu

    rest = gaussian_filter(rest, _width(rest))
    threshold = threshold_otsu(rest)
    below = rest <= threshold
    between = below.mean() * (1 - below.mean()) * (rest[below].mean() - rest[~below].mean()) ** 2
    if between > _TWO * rest.var():
        low = below  # gaps between particles may lie above the substrate: they are left out next
    middle, spread = _robust(rest[low])
    return rest < middle + _HIGH * spread


def _width(rest):
    """Of the narrowest Gaussian that makes noise small beside the range of heights: gaps must stay open."""
    noise = 1.4826 * np.median(np.abs(np.diff(rest, axis=1))) / np.sqrt(2)
    extent = np.subtract(*np.percentile(rest, [95, 5]))
    return min(noise / max(2 * np.sqrt(np.pi) * _QUIET * extent, 1e-12), _WIDEST)


def _line_heights(rest, low):
    """Height of the substrate in every line; from the lines beside where particles cover nearly all of it."""
    known = low.mean(axis=1) > _FREE
    if not known.any():
        return np.zeros(len(rest))
    lines = [np.median(row[own]) for row, own in zip(rest[known], low[known], strict=True)]
    return np.interp(np.arange(len(rest)), np.flatnonzero(known), lines)


def _robust(values):
    """Median, and standard deviation of what lies below it, as if normal."""
    middle = np.median(values)
    under = values[values <= middle]
    return middle, max(1.4826 * np.median(middle - under), 1e-12)


def _without_scars(rest, low):
    """Stretches of single lines that stand over both neighbours are filled from these."""
    _, spread = _robust(rest[low] if low.any() else rest)
    above, below = np.roll(rest, 1, axis=0), np.roll(rest, -1, axis=0)
    scar = (rest - np.maximum(above, below)) > _SCAR * spread
    scar[[0, -1]] = False
    return np.where(scar, (above + below) / 2, rest)
