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
# The same along an axis of the image, to so many degrees: probes are rarely so, oblong pixels are always.
# Where neighbours touch, the fit makes 1.3 of pixels of 1:2; astigmatism of a quarter must pass.
_LONGER_ALONG_AXIS, _ALONG = 1.3, 3.0
# Lobes that may be left of all columns: right fits leave .02 at most (of ellipses of 2:1, which are doubted
# anyway, .05), pairs taken for one column .07 to .17, on the images of `wild_truth.py`.
_LOBES = 0.05
# Share of pixels at the highest value that is a clip, if they are so many times those at the value below: at
# the top of a column, and of Poisson counts, the highest value is the rarest. Images with a clip of a tenth
# have 1.8 times and more; in all others fewer than 1 pixel in 1000 stands there, bars left out.
_CLIPPED, _PILED, _VALUES = 3e-3, 1.5, 4
# Median score, below which the lattice is asked whether there is one, and the share of the columns that one
# must then explain: .8 to 1 where 9 of 10 columns are right, .7 at most where 1 of 5 or more is wrong.
_SURE, _REPEATING = 0.75, 0.7


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
            "no column was found: lower `threshold`, set `inverted` or `feature_size`, flatten the image, or "
            "name another `model`"
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
    said += unfitted((inside & ~table["converged"]).sum(), inside.sum())
    return said or misshapen(table.attrs)


def unfitted(failed, total):
    """What is to be said if many columns could not be fitted."""
    if total < _FEWEST or failed <= _FAILED * total:
        return []
    return [
        f"{failed} of {total} columns could not be fitted and stay where they were: look at the overlay for "
        "columns that are none, or that are missing"
    ]


def misshapen(attrs):
    """What is to be said if all columns are long ellipses, or no ellipses at all."""
    from_axis = abs((attrs["axis_angle"] + 45) % 90 - 45)
    if attrs["axis_ratio"] < (_LONGER_ALONG_AXIS if from_axis < _ALONG else _LONGER):
        if attrs["two_fold"] < _LOBES:
            return []
        return [
            "what was fitted as one column has lobes on two sides, everywhere alike: two columns taken for "
            "one, or pixels that are not square (see atomlens.io.square_pixels); look at the overlay, and "
            "give `feature_size`"
        ]
    return [
        f"columns are {attrs['axis_ratio']:.1f} times as long as wide, all along {attrs['axis_angle']:.0f}° "
        "from x towards y: astigmatism, drift, or pixels that are not square (see atomlens.io.square_pixels)"
    ]


def clipped(pixels, usable):
    """Share of the pixels that pile up at the highest value; 0 where they do not."""
    seen = pixels[usable]
    share = np.count_nonzero(seen == seen.max()) / seen.size
    if share < _CLIPPED:
        return 0.0
    count = np.unique(seen, return_counts=True)[1]
    return share if len(count) >= _VALUES and count[-1] > _PILED * count[-2] else 0.0


def irregular(values, table, usable):
    """What is to be said if the network is not sure, and no lattice speaks for what it found.

    The image must repeat, and so must the columns.
    """
    if len(table) < _FEWEST or table["score"].median() > _SURE or min(values.shape) < 32:
        return []
    with quietly():
        if not estimate(values, mask=~usable).periodic:
            why = "no lattice was found: coloured noise, letters or texture look like that"
        elif _repeating(table) < _REPEATING:
            why = "the image repeats but they do not: some are missed, or moved, or none; give `feature_size`"
        else:
            return []
    return [
        f"half of the {len(table)} columns have a score below {table['score'].median():.2f}, and {why}; "
        "compare the overlay with the image"
    ]


def _repeating(table):
    """Share of the columns that a lattice of their own explains; 0 if many are at one place."""
    try:
        return estimate(table[["x", "y"]]).confidence
    except ValueError:
        return 0.0
