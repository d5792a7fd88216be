"""Draw atomic columns: the expected image, exact to the pixel, in bounded memory."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

_REACH = 4.2  # half-width of a column's patch in standard deviations: 3e-5 of the electrons lie beyond
_BLOCK = 4_000_000  # pixels of patches drawn at a time


def draw_columns(shape, x, y, electrons, covariance, *, row_shift=None):
    """Sum of two-dimensional Gaussians, each integrated over the pixels.

    Parameters
    ----------
    shape : tuple of int
        (H, W) of the image.
    x, y : ndarray of shape (N,)
        Centres, in pixels; (0, 0) is the centre of the first pixel.
    electrons : ndarray of shape (N,)
        Total of each column.
    covariance : ndarray of shape (N, 3)
        (xx, xy, yy) of each Gaussian, in square pixels.
    row_shift : ndarray of shape (H,), optional
        Displacement of each scan line along x, in pixels: a column is torn where lines jump.

    Returns
    -------
    ndarray of shape (H, W)
        Expected electrons a pixel.

    Notes
    -----
    Upright Gaussians factor into differences of the normal distribution function at the pixel edges,
    which is exact. Tilted ones are sampled at the pixel centres with 1/12 square pixel added to their
    variances: a box's own variance; the error is below 1e-3 of the peak from a width of 0.7 px on.
    """
    image = np.zeros(shape)
    reach = _REACH * np.sqrt(np.maximum(covariance[:, 0], covariance[:, 2]))
    if row_shift is not None and len(row_shift):
        reach = reach + np.abs(row_shift).max()
    upright = covariance[:, 1] == 0
    # Columns of similar width share a patch size, so that one wide tail does not make all patches wide.
    half = np.ceil(reach).astype(int) + 1
    half = np.where(half > 6, 3 * np.ceil(half / 3).astype(int), half)
    inside = (x > -half) & (x < shape[1] + half) & (y > -half) & (y < shape[0] + half) & (electrons != 0)
    for size in np.unique(half[inside]):
        for straight in (True, False):
            group = np.flatnonzero(inside & (half == size) & (upright == straight))
            step = max(1, _BLOCK // (2 * size + 1) ** 2)
            for start in range(0, group.size, step):
                some = group[start : start + step]
                _add_patches(
                    image, x[some], y[some], electrons[some], covariance[some], size, row_shift, straight
                )
    return image


def _add_patches(image, x, y, electrons, covariance, half, row_shift, upright):
    """Add patches of one size to the image, in place."""
    height, width = image.shape
    span = np.arange(-half, half + 1)
    rows = np.rint(y).astype(int)[:, None] + span
    columns = np.rint(x).astype(int)[:, None] + span
    dy = rows - y[:, None]
    dx = columns - x[:, None]
    if row_shift is None:
        dx = dx[:, None, :]
    else:
        dx = dx[:, None, :] - row_shift[np.clip(rows, 0, height - 1)][:, :, None]
    if upright:
        sx, sy = np.sqrt(covariance[:, 0])[:, None, None], np.sqrt(covariance[:, 2])[:, None]
        along_y = ndtr((dy + 0.5) / sy) - ndtr((dy - 0.5) / sy)
        patch = ndtr((dx + 0.5) / sx) - ndtr((dx - 0.5) / sx)
        patch = patch * (electrons[:, None] * along_y)[:, :, None]
    else:
        xx, xy, yy = (covariance + [1 / 12, 0, 1 / 12]).T[:, :, None, None]
        det = xx * yy - xy**2
        dy = dy[:, :, None]
        quadratic = (yy * dx**2 - 2 * xy * dx * dy + xx * dy**2) / det
        scale = electrons[:, None, None] / (2 * np.pi * np.sqrt(det))
        patch = scale * np.exp(-quadratic / 2)
    on = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    flat = (rows * width)[:, :, None] + columns[:, None, :]
    image += np.bincount(flat[on], weights=patch[on], minlength=image.size).reshape(image.shape)
