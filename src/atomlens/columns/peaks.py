"""The classical baseline: difference of Gaussians and local maxima, and the best that it can do."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree
from skimage.filters import threshold_otsu

from atomlens import metrics
from atomlens._image import prepare
from atomlens._match import near_edge, wanted_positions
from atomlens._maxima import local_maxima, vertex
from atomlens._types import ArrayLike, DataArray, DataFrame, Sequence
from atomlens.columns.scale import estimate_scale

__all__ = ["best_peaks", "find_peaks"]

_DISTANCES = (0.5, 1.0, 1.5, 2.0, 3.0)  # between peaks, in widths: what an oracle tries
_RATIO = 1.6  # of the two Gaussians: closest to the Laplacian (Marr and Hildreth)
# What the filter leaves of the height of a column as wide as itself.
_RESPONSE = 1 / 2 - 1 / (1 + _RATIO**2)


def find_peaks(
    image: ArrayLike | DataArray,
    *,
    sigma: float | None = None,
    threshold: float | None = None,
    min_distance: float | None = None,
) -> DataFrame:
    """Find atomic columns without a network: difference of Gaussians, local maxima, parabola.

    Parameters
    ----------
    image : array_like or DataArray of shape (y, x)
        Bright columns on a dark background.
    sigma : float, optional
        Width of a column (standard deviation) in pixels; from the power spectrum if not given.
    threshold : float, optional
        Lowest ``score`` of a column. If not given, Otsu's threshold of all maxima, or 0 where they are one
        population (also in an image of nothing but noise, which this finder cannot tell from a lattice).
    min_distance : float, optional
        A maximum has no higher value within this distance in pixels; 1.5 `sigma` if not given.

    Returns
    -------
    DataFrame
        One row a column, the columns of `atomlens.columns.find`: ``x, y`` in pixels, ``label`` (always 0),
        ``score`` (height of the filtered image in units of its standard deviation), ``intensity`` (counts
        of a Gaussian of width `sigma` with that height), ``x_err, y_err, sigma`` (NaN: not measured), and
        ``x_nm, y_nm`` if the image is calibrated. ``attrs`` holds the three settings.

    Raises
    ------
    ValueError
        If the image is not two-dimensional, tiny, constant or holds NaN, or a setting is not positive.

    References
    ----------
    Marr and Hildreth, Proc. R. Soc. Lond. B 207, 187 (1980).
    Otsu, IEEE Trans. Syst. Man Cybern. 9, 62 (1979).

    Examples
    --------
    >>> y, x = np.mgrid[:64, :64]
    >>> find_peaks(np.exp(-((x - 20.2) ** 2 + (y - 40) ** 2) / 8), sigma=2, threshold=1)[["x", "y"]].round(1)
          x     y
    0  20.2  40.0
    """
    prepared = prepare(image)
    for name, value in (("sigma", sigma), ("min_distance", min_distance)):
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be a positive number of pixels, got {value}")
    pixels = prepared.pixels
    sigma = float(estimate_scale(pixels)[0] if sigma is None else sigma)
    min_distance = float(1.5 * sigma if min_distance is None else min_distance)
    filtered, scale = _filter(pixels, sigma)
    rows, columns = _maxima(filtered, min_distance)
    heights = filtered[rows, columns]
    if threshold is None:
        # Heights that hardly vary are one population, columns only, and there is nothing to separate.
        varied = heights.size > 0 and heights.std() > 0.5 * heights.mean()
        threshold = threshold_otsu(heights) if varied else 0.0
    keep = heights >= threshold
    table = _table(filtered, rows[keep], columns[keep], sigma, scale)
    table.attrs = {"sigma": sigma, "threshold": float(threshold), "min_distance": min_distance}
    return prepared.with_nm(table)


def best_peaks(
    image: ArrayLike | DataArray,
    truth: DataFrame | ArrayLike,
    *,
    tolerance: float,
    border: float | None = None,
    sigmas: Sequence[float] | None = None,
) -> DataFrame:
    """Find columns with the settings of `find_peaks` that an oracle, who knows the truth, would choose.

    For each width and distance the filter runs once, and the threshold with the highest F1 among all
    possible ones is found by admitting the maxima from the highest to the lowest.

    Parameters
    ----------
    image : array_like or DataArray of shape (y, x)
    truth : DataFrame or array_like of shape (N, 2)
        As for `atomlens.metrics.match`, which also explains `tolerance` and `border`.
    tolerance : float
        Largest distance of a pair, in pixels.
    border : float, optional
    sigmas : sequence of float, optional
        Widths to try, in pixels; 0.4 to 2 times the estimated one if not given.

    Returns
    -------
    DataFrame
        As from `find_peaks`; ``attrs`` also holds the ``f1`` that was reached.

    Raises
    ------
    ValueError
        As for `find_peaks` and `atomlens.metrics.match`.

    Examples
    --------
    >>> y, x = np.mgrid[:64, :64]
    >>> image = np.exp(-((x % 16 - 8) ** 2 + (y % 16 - 8) ** 2) / 8)
    >>> truth = [(8 + 16 * i, 8 + 16 * j) for i in range(4) for j in range(4)]
    >>> best_peaks(image, truth, tolerance=2).attrs["f1"]
    1.0
    """
    pixels = prepare(image).pixels
    if sigmas is None:
        sigmas = estimate_scale(pixels)[0] * np.geomspace(0.4, 2.0, 8)
    scoring = {"border": border, "shape": pixels.shape}
    required, excused = wanted_positions(truth, **scoring)
    best, settings = -1.0, {}
    for sigma in sigmas:
        filtered, scale = _filter(pixels, sigma)
        candidates = None
        for ratio in _DISTANCES:
            # Whatever is highest within a distance is highest within a shorter one too.
            candidates = _maxima(filtered, ratio * sigma, among=candidates)
            order = np.argsort(-filtered[candidates], kind="stable")
            table = _table(filtered, *(axis[order] for axis in candidates), sigma, scale)
            points = table[["x", "y"]].to_numpy()
            in_border = near_edge(points, border, pixels.shape)
            f1 = _f1_by_number(points, required, excused, in_border, tolerance)
            n = int(np.argmax(f1))
            if f1[n] > best:
                lowest = float(table["score"].iloc[n - 1]) if n else np.inf
                best, settings = f1[n], {"sigma": sigma, "threshold": lowest, "min_distance": ratio * sigma}
    table = find_peaks(image, **settings)
    table.attrs["f1"] = metrics.match(table, truth, tolerance=tolerance, **scoring).f1
    return table


def _f1_by_number(points, required, excused, in_border, tolerance):
    """F1 of the first 0, 1, 2, ... points, each set matched as well as it can be."""
    near = [
        KDTree(p).query_ball_point(points, tolerance) if len(p) else [()] * len(points)
        for p in (required, excused)
    ]
    owners = [np.full(len(p), -1) for p in (required, excused)]

    def place(point, kind, seen):
        """Give the point a partner; those who hold one may have to move on (an augmenting path)."""
        for partner in near[kind][point]:
            if partner not in seen:
                seen.add(partner)
                if owners[kind][partner] < 0 or place(owners[kind][partner], kind, seen):
                    owners[kind][partner] = point
                    return True
        return False

    hits, wrong = np.zeros((2, len(points) + 1), dtype=int)
    for point in range(len(points)):
        hit = place(point, 0, set())
        hits[point + 1] = hit
        wrong[point + 1] = not (hit or in_border[point] or place(point, 1, set()))
    hits, wrong = hits.cumsum(), wrong.cumsum()
    return 2 * hits / np.maximum(hits + wrong + len(required), 1)


def _filter(pixels, sigma):
    """Difference of Gaussians in units of its own standard deviation, and that unit."""
    difference = gaussian_filter(pixels, sigma) - gaussian_filter(pixels, _RATIO * sigma)
    scale = max(float(difference.std()), np.finfo(pixels.dtype).tiny)
    return difference / scale, scale


def _maxima(filtered, min_distance, among=None):
    """Rows and columns of pixels above zero with nothing higher within the distance."""
    reach = max(1, int(min_distance))
    offset = np.arange(-reach, reach + 1)
    disc = np.hypot(offset[:, None], offset) <= max(min_distance, 1.5)
    if among is None:
        among = np.nonzero(local_maxima(filtered) & (filtered > 0))
    if reach == 1:
        return among
    padded = np.pad(filtered, reach, constant_values=-np.inf)
    around = np.lib.stride_tricks.sliding_window_view(padded, disc.shape)[among]
    highest = filtered[among] >= around[:, disc].max(axis=1, initial=-np.inf)
    return tuple(axis[highest] for axis in among)


def _table(filtered, rows, columns, sigma, scale):
    padded = np.pad(filtered, 1, mode="edge")
    height = filtered[rows, columns].astype(float)

    def shift(down, right):
        """Way from the pixel to the maximum, in a direction: not beyond the border to the next pixel."""
        before = padded[rows + 1 - down, columns + 1 - right]
        after = padded[rows + 1 + down, columns + 1 + right]
        return np.clip(vertex(after - before, 2 * height - before - after)[0], -0.5, 0.5)

    table = pd.DataFrame({"x": columns + shift(0, 1), "y": rows + shift(1, 0), "label": 0, "score": height})
    table["intensity"] = height * scale / _RESPONSE * 2 * np.pi * sigma**2
    return table.assign(sigma=np.nan, x_err=np.nan, y_err=np.nan)
