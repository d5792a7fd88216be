"""Columns added and removed by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomlens._doubts import inherited, quietly
from atomlens._types import ArrayLike, DataArray, DataFrame

__all__ = ["edit"]

_NEAR = 4.0  # sizes of a feature: further away nothing is meant by a click


def edit(
    columns: DataFrame,
    image: ArrayLike | DataArray,
    *,
    add: ArrayLike = (),
    remove: ArrayLike = (),
    mask: ArrayLike | None = None,
) -> DataFrame:
    """Add and remove columns by hand, and fit all of them again.

    Parameters
    ----------
    columns : DataFrame
        From `atomlens.columns.find` of this image.
    image : array_like or DataArray of shape (H, W)
    add : array_like of shape (N, 2)
        Places ``x, y`` in pixels where a column is to be, good to half the distance to the next one.
    remove : array_like of shape (M, 2)
        Places ``x, y`` in pixels; the column nearest to each goes.
    mask : array_like of bool, shape (H, W), optional
        As `find` was given it: True where nothing is looked at.

    Returns
    -------
    DataFrame
        As `find` returns it. What was added has the score NaN, and the doubts say how many there are.

    Raises
    ------
    ValueError
        If a place is no pair of numbers or lies outside of the image, if there is no column near one that is
        to go, or one already where one is to be.

    Examples
    --------
    >>> from atomlens import columns, simulate
    >>> image = simulate.image(simulate.structures.perovskite((3, 3)), electrons=500, random_state=0).data
    >>> found = columns.find(image)
    >>> less = edit(found, image, remove=found.loc[[5], ["x", "y"]])
    >>> more = edit(less, image, add=found.loc[[5], ["x", "y"]])
    >>> len(found) - len(less), len(found) - len(more)
    (1, 0)
    """
    from atomlens.columns.fit import refine

    height, width = np.shape(image)
    add, remove = (_places(p, name, width, height) for p, name in ((add, "add"), (remove, "remove")))
    near = _NEAR * columns.attrs.get("feature_size", min(height, width))
    kept = columns
    if len(remove):
        gone = _nearest(columns, remove, near)
        kept = columns.drop(index=columns.index[gone])
        remove = gone  # the same column may be named twice
    if len(add):
        every = np.vstack([kept[["x", "y"]], add])
        there = cKDTree(every).query(add, k=2)[0][:, 1]  # the first is the place itself
        if there.min() < near / 8:
            x, y = add[there.argmin()]
            raise ValueError(f"there is a column already at ({x:.1f}, {y:.1f}) px: add another place")
        new = pd.DataFrame({"x": add[:, 0], "y": add[:, 1], "label": 0, "score": np.nan})
        kept = pd.concat([kept[kept.columns], new], ignore_index=True)
    if not len(add) + len(remove):
        return columns
    said = f"{len(add)} columns were added and {len(remove)} removed by hand"
    kept = kept.reset_index(drop=True)
    if not len(kept):
        raise ValueError("no column is left: remove fewer")
    with quietly():
        fitted = refine(image, kept[["x", "y", "label", "score"]], mask=mask)
    fitted["intensity"] = fitted["intensity"].fillna(kept["intensity"])
    # One that could not be fitted before (half of it is left out, say) is not believed now.
    vague = kept["x_err"].isna() & kept["score"].notna() & columns["x_err"].notna().any()
    fitted[["x", "y", "x_err", "y_err"]] = fitted[["x", "y", "x_err", "y_err"]].mask(vague, kept)
    names = [name for name in columns.columns if name in fitted]
    fitted = fitted[names]
    fitted.attrs = columns.attrs | {"doubts": [*inherited(columns), said]}
    return fitted


def _places(given, name, width, height):
    try:
        places = np.asarray(given, dtype=float).reshape(-1, 2)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold pairs of numbers x, y in pixels, got {given!r}") from None
    inside = (places > -0.5).all(axis=1) & (places < [width - 0.5, height - 0.5]).all(axis=1)
    if not inside.all():
        x, y = places[~inside][0]
        raise ValueError(f"{name}: ({x:g}, {y:g}) px lies outside of the image of {width} x {height} pixels")
    return places


def _nearest(columns, places, near):
    distance, row = cKDTree(columns[["x", "y"]]).query(places)
    if distance.max() > near:
        x, y = places[distance.argmax()]
        raise ValueError(f"there is no column near ({x:.1f}, {y:.1f}) px to remove")
    return np.unique(row)
