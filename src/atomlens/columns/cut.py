"""Sub-images: what each column looks like, cut out around its sub-pixel position."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from atomlens._image import as_image
from atomlens._match import positions

__all__ = ["cut_out"]


def cut_out(image, columns, size):
    """Cut a square out of the image around every column.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
    columns : DataFrame
        ``x``, ``y`` in pixels; the centre of each square lies exactly there (linear interpolation).
    size : int
        Pixels along the side.

    Returns
    -------
    ndarray of shape (N, size, size)
        Rows of `columns` in their order; beyond the border the image is mirrored.

    Raises
    ------
    ValueError
        If the image is unusable (see `find`), positions are missing, or `size` is below 1.

    Examples
    --------
    >>> import pandas as pd
    >>> y, x = np.mgrid[:20, :20]
    >>> cut_out(x + 100.0 * y, pd.DataFrame({"x": [5.5], "y": [7.0]}), 1)
    array([[[705.5]]])
    """
    values, _ = as_image(image)
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    offset = np.arange(size) - (size - 1) / 2
    x, y = positions(columns, "columns").T
    rows = np.broadcast_to((y[:, None] + offset)[:, :, None], (len(x), size, size))
    places = np.broadcast_to((x[:, None] + offset)[:, None, :], (len(x), size, size))
    return map_coordinates(values, [rows, places], order=1, mode="mirror")
