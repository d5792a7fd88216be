"""Columns of the average unit cell: where they are, and how wide."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.ndimage import gaussian_filter, zoom
from scipy.optimize import minimize_scalar

from atomlens._maxima import local_maxima, strongest_first

_FINE = 4  # samples for one of the average cell
_VISIBLE = 0.15  # of the range of the average cell
_NEAR = 0.5  # widths of a column: what counts as at a site
_WIDTHS = (0.7, 1.5)  # of the first estimate
_DEVIATION = 5.0  # of what is worth reporting, in standard deviations


@dataclass(frozen=True, eq=False)
class Sites:
    """Where the crystal has its columns.

    Attributes
    ----------
    uv : ndarray of shape (n, 2)
        Cell coordinates.
    sigma : float
        Width of a column in pixels.
    mask : ndarray of bool
        Fine map of the unit cell (along b, along a): what is at a site.
    chance : float
        How many times more places there are in a cell than sites: so many times rarer must a deviation be
        that might be anywhere.
    """

    uv: np.ndarray
    sigma: float
    mask: np.ndarray
    chance: float

    @classmethod
    def of(cls, cell, lattice, sigma):
        """Find the columns of an average cell, which are about as wide as `sigma` (pixels)."""
        fine = zoom(cell, _FINE, order=3, mode="grid-wrap", grid_mode=True)
        shape = np.array(fine.shape)
        smooth = gaussian_filter(fine, _FINE * sigma / 2, mode="wrap")
        least = smooth.min() + _VISIBLE * np.ptp(smooth)
        apart = max(1, int(_FINE * sigma))
        peaks = local_maxima(smooth, 2 * apart + 1, mode="wrap") & (smooth > least)
        uv = ((strongest_first(smooth, peaks) + 0.5) / shape)[:, ::-1]
        sigma = _width(cell, lattice, uv, sigma)
        away = _squared_distances(fine.shape, lattice, uv, images=(0,))[0]
        area = abs(np.linalg.det(lattice.basis))
        # Independent places of a smooth Gaussian field, as far as its high maxima are concerned
        # (Adler & Taylor, Random Fields and Geometry, 2007)
        places = area * _DEVIATION**2 / (4 * np.pi * sigma**2)
        mask = (away <= max(_NEAR * sigma, 1) ** 2).any(axis=-1)
        return cls(uv, sigma, mask, max(places / max(len(uv), 1), 1.0))

    def at(self, frame):
        """Which pixels lie at a site, shape (H, W)."""
        rows, columns = self.mask.shape
        row, column = (frame.v % 1 * rows).astype(int), (frame.u % 1 * columns).astype(int)
        return self.mask[row % rows, column % columns]


def _squared_distances(shape, lattice, uv, images):
    """Squared distances (pixels) of the samples of a cell to the sites in neighbouring cells.

    The shape is (n, b, a, site) for n images of a site: the nearest one, displaced by the `images` along
    both axes.
    """
    v, u = ((np.arange(n) + 0.5) / n for n in shape)
    away = np.stack(np.broadcast_arrays(u[None, :, None] - uv[:, 0], v[:, None, None] - uv[:, 1]), axis=-1)
    away -= np.rint(away)
    steps = np.array([(i, j) for i in images for j in images])
    xy = (away + steps[:, None, None, None]) @ lattice.basis
    return (xy**2).sum(axis=-1)


def _width(cell, lattice, uv, sigma):
    """Width with which Gaussians of any height at the sites, on a background, fit the average cell best."""
    if not len(uv):
        return sigma
    squared = _squared_distances(cell.shape, lattice, uv, images=(-1, 0, 1))
    error = partial(_misfit, cell.ravel(), squared.reshape(len(squared), cell.size, -1))
    low, high = (sigma * w for w in _WIDTHS)
    return float(minimize_scalar(error, bounds=(low, high), method="bounded", options={"xatol": 0.02}).x)


def _misfit(values, squared, sigma):
    bumps = np.exp(-squared / (2 * sigma**2)).sum(axis=0)
    basis = np.column_stack([np.ones(len(values)), bumps])
    fit = np.linalg.lstsq(basis, values, rcond=None)[0]
    return ((values - basis @ fit) ** 2).sum()
