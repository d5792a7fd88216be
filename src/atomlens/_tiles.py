"""Large images in pieces."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np


def samples(image, size, *, most=3):
    """Pieces of one size, spread evenly over an image.

    Parameters
    ----------
    image : ndarray of shape (H, W)
    size : tuple of int
        (height, width) of a piece.
    most : int
        Pieces along each axis; fewer where they cover it.

    Returns
    -------
    list of ndarray
        Views.

    Examples
    --------
    >>> [piece[0, 0].item() for piece in samples(np.arange(12).reshape(2, 6), (2, 3), most=2)]
    [0, 3]
    """
    height, width = size
    rows, columns = (
        np.unique(np.linspace(0, n - side, min(most, -(-n // side))).astype(int))
        for n, side in zip(image.shape, size, strict=True)
    )
    return [image[y : y + height, x : x + width] for y, x in product(rows, columns)]


def even_slices(n, pieces):
    """Slices of nearly equal length that cut `n` pixels into pieces.

    >>> even_slices(7, 2)
    [slice(0, 3, None), slice(3, 7, None)]
    """
    return [slice(int(a), int(b)) for a, b in pairwise(np.linspace(0, n, pieces + 1).astype(int))]


def as_pair(value, name):
    """Two whole numbers of at least 1, from one or two: (height, width), or steps down and across.

    >>> as_pair(8, "size"), as_pair((8, 16), "size")
    ((8, 8), (8, 16))
    """
    pair = np.broadcast_to(value, 2) if np.ndim(value) == 0 else np.asarray(value)
    if pair.shape != (2,) or pair.dtype.kind not in "iu" or (pair < 1).any():
        raise ValueError(f"{name} must be one or two whole numbers of at least 1, got {value!r}")
    return int(pair[0]), int(pair[1])
