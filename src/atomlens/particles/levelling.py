"""Frames made level: the plane of the sample, steps from line to line, scars."""

from __future__ import annotations

import numpy as np
import xarray as xr

from atomlens._types import ArrayLike, DataArray
from atomlens.particles._frames import pixels_of

__all__ = ["level"]

_ROUNDS = 3  # of fitting the plane to what is not high
_HIGH = 2.0  # robust standard deviations over the plane: a particle, not the substrate
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
    The plane is fitted to what is low (particles are left out in three rounds), lines are shifted by the
    median of their low pixels, and where a stretch of a line stands over both its neighbours by four standard
    deviations, their mean takes its place. Scar removal as in D. Necas and P. Klapetek, Cent. Eur. J. Phys.
    10, 181 (2012).

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
    low = np.ones(values.shape, bool)
    for _ in range(_ROUNDS):
        plane = basis @ np.linalg.lstsq(basis[low], values[low], rcond=None)[0]
        rest = values - plane
        middle, spread = _robust(rest[low])
        low = rest < middle + _HIGH * spread
    lines = np.array(
        [np.median(row[own]) if own.any() else np.nan for row, own in zip(rest, low, strict=True)]
    )
    known = np.isfinite(lines)
    rest = rest - np.interp(np.arange(len(lines)), np.flatnonzero(known), lines[known])[:, None]
    rest = _without_scars(rest, low)
    if isinstance(frame, xr.DataArray):
        return frame.copy(data=rest.astype(np.float32))
    return xr.DataArray(rest.astype(np.float32), dims=("y", "x"), name="height")


def _robust(values):
    """Median and standard deviation, as if normal."""
    middle = np.median(values)
    return middle, max(1.4826 * np.median(np.abs(values - middle)), 1e-12)


def _without_scars(rest, low):
    """Stretches of single lines that stand over both neighbours are filled from these."""
    _, spread = _robust(rest[low] if low.any() else rest)
    above, below = np.roll(rest, 1, axis=0), np.roll(rest, -1, axis=0)
    scar = (rest - np.maximum(above, below)) > _SCAR * spread
    scar[[0, -1]] = False
    return np.where(scar, (above + below) / 2, rest)
