"""What speaks against the columns that a network found."""

from __future__ import annotations

import numpy as np

from atomlens._artifacts import signed
from atomlens._doubts import quietly
from atomlens._types import DataFrame
from atomlens.columns.scale import COLUMN_WIDTH
from atomlens.lattice import estimate

# Columns whose mean picture is looked at, the fewest that tell, and the odd share of it in a derivative.
_SOME, _FEWEST, _ODD = 400, 9, 0.3
# Share of columns that may fail to be fitted, and how much longer than wide a probe makes them at most.
_FAILED, _LONGER = 0.1, 1.6
_SURE = 0.75  # median score, below which the lattice is asked whether there is one


def doubt(table: DataFrame, model_threshold: float | None = None) -> str:
    """What speaks against a table of columns, in a sentence; an empty one if nothing does.

    Parameters
    ----------
    table : DataFrame
        From `find`.
    model_threshold : float, optional
        The network's own threshold; that of the table's ``attrs`` if not given.

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> doubt(pd.DataFrame({"score": [0.9, 0.95]}), 0.4)
    ''
    """
    if table.empty:
        return (
            "no column was found: lower `threshold`, set `inverted` or `feature_size`, or flatten the image"
        )
    typical = table["score"].median()
    own = table.attrs["model_threshold"] if model_threshold is None else model_threshold
    if typical >= (1 + own) / 2 - 0.15:
        return ""
    return (
        f"half of the columns found have a score below {typical:.2f}: the dose may be too low, or the "
        "image unlike the training set; look at the overlay, or train a model of your own"
    )


def lopsided(values, table, size):
    """What is to be said if the picture around columns is not the same on both sides of them."""
    if not np.isfinite(size):
        return []
    radius = max(1, round(COLUMN_WIDTH * size))
    places = table[["x", "y"]].round().to_numpy(dtype=int)
    inner = ((places >= radius) & (places < np.array(values.shape[::-1]) - radius)).all(axis=1)
    places = places[inner][:: max(1, inner.sum() // _SOME)]
    if len(places) < _FEWEST:
        return []
    offset = np.arange(-radius, radius + 1)
    mean = values[places[:, 1, None, None] + offset[:, None], places[:, 0, None, None] + offset].mean(axis=0)
    odd = (mean - mean[::-1, ::-1]) / 2
    if np.sum(odd**2) < _ODD * np.sum((mean - mean.mean()) ** 2) and not signed(values, size):
        return []
    return [
        "what was found is bright on one side and dark on the other: this looks like differential phase "
        "contrast or a derivative, where columns are not maxima; integrate the image first"
    ]


def doubts_about_fit(pixels, table):
    """What is to be said of a table of fitted columns."""
    if len(table) < _FEWEST:
        return []
    said = lopsided(pixels, table, table["sigma"].median() / COLUMN_WIDTH)
    inside = table["x"].between(0, pixels.shape[1] - 1) & table["y"].between(0, pixels.shape[0] - 1)
    failed = np.count_nonzero(inside & ~table["converged"])
    if failed > _FAILED * inside.sum():
        said.append(
            f"{failed} of {inside.sum()} columns could not be fitted and stay where they were: look at the "
            "overlay for columns that are none, or that are missing"
        )
    return said or elongated(table.attrs)


def elongated(attrs):
    """What is to be said if all columns are ellipses."""
    if attrs.get("axis_ratio", 1.0) < _LONGER:
        return []
    return [
        f"columns are {attrs['axis_ratio']:.1f} times as long as wide, all along {attrs['axis_angle']:.0f}° "
        "from x towards y: astigmatism, drift, or pixels that are not square (see atomlens.io.square_pixels)"
    ]


def irregular(values, table, usable):
    """What is to be said if the network is not sure, and no lattice speaks for what it found."""
    if len(table) < _FEWEST or table["score"].median() > _SURE or min(values.shape) < 32:
        return []
    with quietly():
        if estimate(values, mask=~usable).periodic:
            return []
    return [
        f"half of the {len(table)} columns have a score below {table['score'].median():.2f}, and no lattice "
        "was found: coloured noise, letters or texture look like that; compare the overlay with the image"
    ]
