"""Columns far weaker than their neighbours: the network is asked again, on the square root of the image."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_laplace
from scipy.spatial import cKDTree

from atomlens._maxima import local_maxima
from atomlens.columns.scale import COLUMN_WIDTH, white_noise

_PIECE = 128  # pixels of the trained scale: four such pieces tell whether the whole image is looked at again
# Weak columns are so many widths from all others, and at least this share of them: on graphene, MoS2 and Si
# under the disturbances of `benchmarks/_wild.py` the root shows 1 in 100 more at most, if columns are maxima.
_AWAY, _SHARE = 1.5, 0.05
# Strength, in units of the brightest tenth, below which a column is light and not weak: on flat backgrounds,
# oxygen between strontium has .065 in images of 60 electrons and more, one of eight parts .08 to .12.
# Above these median scores the weak ones are added, and believed.
_LIGHT, _TRUSTED, _SURE = 0.085, 0.6, 0.7
_NARROW = 0.8  # of the features: so wide a filter reads a strength that neighbours hardly change
# So many standard deviations of noise are nothing by chance; and from what share on maxima that were not
# found, and columns that the network is not sure of, are more than noise and oxygen.
_STANDS_OUT, _MANY = 5.0, 0.15
# What the network sees on the root has to be this much more than noise: oxygen at 20 to 60 electrons a column
# is at 0.7 to 1.1, columns of 30 electrons between others of 240 at 3.7 to 4.
_SEEN = 2.0


def with_weak(values, usable, table, size, zoom, look):
    """The table with the columns that only the root of the image shows, and what is to be said of them.

    A network sees contrast in units of that of the surroundings; where some columns are eight times as
    bright as the others, these are lost. The root, on which noise of counts is the same everywhere, brings
    eight to three.

    Parameters
    ----------
    values : ndarray of shape (H, W)
    usable : ndarray of bool, shape (H, W)
    table : DataFrame
        What was found.
    size, zoom : float
        Of the features in pixels, and to the trained scale.
    look : callable
        From an image to the table of what the network sees there.
    """
    root = np.sqrt(np.maximum(values - values[usable].min(), 0))
    away = _AWAY * COLUMN_WIDTH * size
    more = table[:0] if table.empty else _in_pieces(root, table, away, round(_PIECE / zoom), look)
    if more.empty:
        return table, []
    strength = -gaussian_laplace(values, _NARROW * size)
    light = _LIGHT * np.percentile(_at(strength, table), 90)
    on_root, noise = _strength_on_root(root, size)

    def visible(found):
        return np.median(_at(strength, found)) >= light and np.median(_at(on_root, found)) >= _SEEN * noise

    if visible(more):
        more = look(root)
        more = more[_far(more, table, away)]
    if more.empty or not visible(more):
        more = more[:0]
    score, share = more["score"].median(), len(more) / len(table)
    if share > (_SHARE if score > _SURE else _MANY):
        if score > _TRUSTED:
            table = pd.concat([table, more]).sort_values(["y", "x"], ignore_index=True)
        if score < _SURE:
            return table, [_sentence(len(more))]
    left = _left_out(on_root, noise, usable & (strength > light), table, away)
    return table, [_sentence(left)] if left > _MANY * len(table) else []


def _sentence(number):
    return (
        f"about {number} columns are far weaker than the others, and some of them missed or misplaced: look "
        "at the overlay, and try the square root of the image, with refine=False"
    )


def _in_pieces(root, table, away, side, look):
    """What pieces of the root show that the table lacks; nothing if that is little."""
    found = []
    for rows in _parts(root.shape[0], side):
        for columns in _parts(root.shape[1], side):
            piece = look(root[rows, columns])
            found.append(piece.assign(x=piece["x"] + columns.start, y=piece["y"] + rows.start))
    found = pd.concat(found, ignore_index=True)
    lacking = _far(found, table, away)
    return found[lacking & (lacking.sum() > _SHARE * (~lacking).sum())]


def _parts(n, side):
    """The whole of a side, or two pieces around its quarters."""
    if n <= 2 * side:
        return [slice(0, n)]
    return [slice(middle - side // 2, middle - side // 2 + side) for middle in (n // 4, 3 * n // 4)]


def _far(found, table, away):
    """Which of what was found is not in the table."""
    return cKDTree(table[["x", "y"]]).query(found[["x", "y"]].to_numpy().reshape(-1, 2))[0] > away


def _at(values, table):
    y, x = (np.clip(np.rint(table[k]).astype(int), 0, n - 1) for k, n in zip("yx", values.shape, strict=True))
    return values[y, x]


def _strength_on_root(root, size):
    """How much every pixel of the root stands out, and how much noise does; 0 if that is not white."""
    white, variance = white_noise(root)
    noise = np.sqrt(variance / (2 * np.pi)) / size**3 if white else 0.0
    return -gaussian_laplace(root, size), noise


def _left_out(on_root, noise, usable, table, away):
    """How many maxima stand out of the noise, and are not in the table; 0 where noise is not white."""
    if not noise:
        return 0
    y, x = np.nonzero(usable & local_maxima(on_root) & (on_root > _STANDS_OUT * noise))
    return int(np.count_nonzero(_far(pd.DataFrame({"x": x, "y": y}), table, away)))
