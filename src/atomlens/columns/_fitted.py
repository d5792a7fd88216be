"""From what a network saw to fitted columns: pixels summed, pairs told, fits that lead astray taken back."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

from atomlens._image import prepare
from atomlens.columns._pairs import doubled, split_pairs
from atomlens.columns.fit import fit
from atomlens.columns.scale import COLUMN_WIDTH, white_noise

_FITTED_WIDTH = 2.5  # pixels, the least width of a column when pixels are summed for the fit
# A hollow has a lower score than this, fewer counts than this share of the usual column, and does not stand
# out of its noise by so many standard errors. On images of eight lattices that takes two of three columns
# that are none where the network sees hollows; and of those that are, 1 in 600 at 40 electrons a column.
_UNSURE, _FAINT, _TOLD = 0.75, 0.35, 3.0
_UNFITTED = 0.6  # the same of one to which no Gaussian could be fitted
# On a film, what stands so much lower above its surroundings than the highest tenth, and is not told from
# chance by a fit, is a speck. Single electrons in the dark reach .02-.07 of platinum; of platinum on clouds
# of carbon that was labelled by hand, 19 in 20 reach .3.
_SPECK, _HIGHEST, _AROUND = 0.08, 0.9, 2.5
_JOINED = 2.5  # widths of a column between two that may be a pair which was seen badly
# Widths of a column that the fit may move it, in a crystal, and on a film; there also twice its error.
_FURTHEST, _FURTHEST_ON_FILM = 1.0, 0.5


def fitted(values, usable, table, size, gain, crystal):
    """Fit the columns, on summed pixels where columns are many pixels wide: that costs no precision.

    A column 2.5 pixels wide is sampled as well as one of 10, and fitted sixteen times faster.
    """
    n = max(1, int(size * COLUMN_WIDTH / _FITTED_WIDTH))
    rows, columns = (length // n * n for length in values.shape)
    values = np.where(usable, values, np.nan)
    summed = values[:rows, :columns].reshape(rows // n, n, columns // n, n).sum(axis=(1, 3))
    start = table.assign(x=(table["x"] + 0.5) / n - 0.5, y=(table["y"] + 0.5) / n - 0.5)
    summed = prepare(summed, smallest=1, clean=True)
    found = fit(summed, start, gain)
    if crystal:  # on a film, clouds look like pairs of anything
        start, found = _pairs_told(summed, start, found, size * COLUMN_WIDTH / n, gain)
    sigma = size * COLUMN_WIDTH / n
    astray = _astray(start, found, summed.pixels.shape, sigma, crystal)
    if not crystal:
        specks = _specks(summed.pixels, start, found, astray, sigma)
        start, found, astray = start[~specks], found[~specks], astray[~specks]
    found = found[[*table.columns]]
    found.loc[astray, ["x", "y"]] = start.loc[astray, ["x", "y"]]
    found.loc[astray, ["intensity", "sigma", "x_err", "y_err"]] = np.nan
    lengths = ["sigma", "x_err", "y_err"]
    found[["x", "y"]] = (found[["x", "y"]] + 0.5) * n - 0.5
    found[lengths] *= n
    return found


def _insignificant(found):
    """Which columns neither the network is sure of nor the counts tell from chance."""
    strength = found["intensity"] / found["intensity_err"]
    faint = found["intensity"] < _FAINT * found["intensity"].median()
    told = faint & (found["score"] < _UNSURE) & (strength < _TOLD)
    return (told | (~found["converged"] & (found["score"] < _UNFITTED))).to_numpy()


def _specks(pixels, start, found, astray, sigma):
    """Which rows hardly stand above their surroundings, as others do, and are not told from chance."""
    height = gaussian_filter(pixels, sigma) - gaussian_filter(pixels, _AROUND * sigma)
    places = start[["y", "x"]].round().to_numpy(dtype=int).T
    y, x = (place.clip(0, n - 1) for place, n in zip(places, pixels.shape, strict=True))
    height = maximum_filter(height, 2 * int(np.ceil(sigma)) + 1)[y, x]
    told = found["converged"] & ~astray & (found["intensity"] > _TOLD * found["intensity_err"])
    return (height < _SPECK * np.quantile(height, _HIGHEST)) & ~told.to_numpy()


def _astray(start, fitted, shape, sigma, crystal):
    """Fits that lead away from what the network saw: they have found something else, clouds most often.

    Where the fit leads out of the image it is right: the column lies beyond the border.
    """
    away = np.hypot(*(fitted[["x", "y"]] - start[["x", "y"]]).to_numpy().T) / sigma
    inside = fitted["x"].between(-0.5, shape[1] - 0.5) & fitted["y"].between(-0.5, shape[0] - 0.5)
    if crystal:
        return inside & (away > _FURTHEST)
    errors = fitted[["x_err", "y_err"]].max(axis=1) / sigma
    return inside & (np.maximum(away, 2 * errors) > _FURTHEST_ON_FILM)


def _pairs_told(image, start, fitted, sigma, gain):
    """Start positions and fit: without hollows, pairs taken for one column divided, doubles made one."""
    kept = ~_insignificant(fitted)
    joined = _joined(start[kept], fitted["converged"].to_numpy()[kept], _JOINED * sigma)
    if len(joined) < len(start):
        start, fitted = _again(image, joined, fitted, gain)
    parted = _parted(np.where(image.usable, image.pixels, 0), image.usable, start, fitted, sigma)
    if len(parted) != len(start) or not parted.index.equals(start.index):
        start, fitted = _again(image, parted, fitted, gain)
    return start, fitted


def _again(image, start, fitted, gain):
    """Start positions and fit of columns of which most were fitted before, under the same index."""
    halves = start.index.duplicated(keep=False)
    like = fitted.loc[start.index].reset_index(drop=True)
    like["sigma"] = like["sigma"].mask(halves)  # the width of a pair is not that of its halves
    start = start.reset_index(drop=True)
    return start, fit(image, start, gain, like=like)


def _joined(start, converged, distance):
    """Start positions with one instead of two that are close and did not both find their place.

    The network saw a pair, but not well enough for the fit; as one column it can be divided by likelihood.
    """
    xy = start[["x", "y"]].to_numpy()
    pairs = cKDTree(xy).query_pairs(distance, output_type="ndarray")
    pairs = pairs[~converged[pairs].all(axis=1)]
    taken, kept = np.zeros(len(start), dtype=bool), np.ones(len(start), dtype=bool)
    for one, other in pairs:
        if not taken[[one, other]].any():
            taken[[one, other]], kept[other] = True, False
            xy[one] = xy[[one, other]].mean(axis=0)
    return start.assign(x=xy[:, 0], y=xy[:, 1])[kept]


def _parted(image, seen, start, fitted, sigma):
    """Start positions with columns divided that are two, and without those that stand for the same one."""
    # A pair that was fitted as one is no noise, though the fit takes it for such.
    white, variance = white_noise(image)
    gain, correlation = fitted.attrs["gain"], fitted.attrs["noise_correlation"]
    scale = min(gain, variance / image[seen].mean()) if white else gain * correlation
    rows, at = split_pairs(image, seen, fitted, sigma, scale)
    halves = start.iloc[np.repeat(rows, 2)].assign(x=at[:, :, 0].ravel(), y=at[:, :, 1].ravel())
    kept = start.drop(start.index[rows])
    fitted = fitted[fitted["converged"] & ~fitted.index.isin(rows)]
    width = fitted["sigma"].median() if len(fitted) else sigma
    again = doubled(fitted[["x", "y"]].to_numpy(), fitted["intensity"].to_numpy(), width)
    return pd.concat([kept.drop(fitted.index[again]), halves])
