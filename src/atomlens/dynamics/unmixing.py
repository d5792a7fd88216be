"""Pictures of defects as mixtures of the means of their classes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from atomlens._types import ArrayLike, DataFrame

__all__ = ["unmix"]


def unmix(pictures: ArrayLike, means: ArrayLike) -> DataFrame:
    """Pictures as sums of mean pictures, with weights that are not negative.

    A defect that changes while its frame is scanned, or two that overlap, are mixtures.

    Parameters
    ----------
    pictures : array_like of shape (N, height, width)
    means : array_like of shape (K, height, width)

    Returns
    -------
    DataFrame
        One row a picture: a weight each, and ``residual``, what is left over the picture, as a ratio of
        their norms (noise included).

    Raises
    ------
    ValueError
        If the sizes differ, or anything is NaN.

    References
    ----------
    Lawson and Hanson, Solving Least Squares Problems (1974), chapter 23.

    Examples
    --------
    >>> one, two = np.eye(3), np.ones((3, 3))
    >>> unmix([0.3 * one + 0.5 * two], [one, two]).round(3).to_numpy().tolist()
    [[0.3, 0.5, 0.0]]
    """
    pictures, means = checked_pictures(pictures), checked_pictures(means)
    if pictures.shape[1:] != means.shape[1:]:
        raise ValueError(f"pictures of {pictures.shape[1:]} pixels, but means of {means.shape[1:]}")
    ends = means.reshape(len(means), -1).T
    rows = []
    for picture in pictures.reshape(len(pictures), -1):
        weights, rest = nnls(ends, picture)
        rows.append([*weights, rest / max(np.linalg.norm(picture), 1e-30)])
    columns = [*(str(k) for k in range(len(means))), "residual"]
    return pd.DataFrame(np.reshape(rows, (-1, len(columns))), columns=columns)


def checked_pictures(pictures):
    """Pictures (N, height, width) as floats, or an error."""
    pictures = np.asarray(pictures, dtype=float)
    if pictures.ndim != 3:
        raise ValueError(f"pictures have the axes (defect, y, x), got shape {pictures.shape}: see sub_images")
    if not np.isfinite(pictures).all():
        raise ValueError("pictures hold NaN or infinite values: cut them again, or leave these out")
    return pictures
