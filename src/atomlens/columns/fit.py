"""Refinement: Poisson maximum-likelihood fit of two-dimensional Gaussians to all columns at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

from atomlens._doubts import warn
from atomlens._image import prepare
from atomlens._match import positions
from atomlens._types import ArrayLike, DataArray, DataFrame
from atomlens.columns._doubts import clipped, doubts_about_fit
from atomlens.columns._gaussians import BACKGROUND, INTENSITY, SIGMA, Scene, X, Y
from atomlens.columns._likelihood import (
    Problem,
    astray,
    free_parameters,
    maximise,
    standard_errors,
    stiffness,
)
from atomlens.columns._start import start_values, typical_width
from atomlens.columns._surroundings import (
    background_slopes,
    correlation_factors,
    ellipticity,
    row_offsets,
    two_fold,
    variance_offset,
    without_common,
)

__all__ = ["refine"]

# In widths of a column: pixels used about it, and the distance up to which two columns are fitted jointly.
_RADIUS = 4.0
_REACH = 6.0
# Lowest background, as a fraction of the typical peak: bounds the weight of empty pixels.
_FLOOR = 1e-6
# Patches are laid anew if, after some iterations, a column has moved this far in pixels, or widths have
# changed by this fraction.
_MOVED, _CHANGED = 1.0, 0.1
_LAYOUTS = 4
# How often the others are fitted again after some have failed.
_ROUNDS = 3
# What the residuals tell is corrected in so many rounds, of which two for rows and for slopes.
_CORRECTED, _TWICE = 12, 2
# How elliptical columns must be to be made so, in variance and in standard errors; and the most that is
# believed (an axis ratio of 2.6).
_LONG, _SURELY, _LONGEST = 0.02, 5.0, 0.75
# Fewer pixels than this do not determine five parameters.
_FEWEST_PIXELS = 10
_PARAMETERS = ["x", "y", "intensity", "sigma", "background"]


def refine(
    image: ArrayLike | DataArray,
    columns: DataFrame,
    *,
    gain: float | None = None,
    background: str | float | None = "local",
    radius: float | None = None,
    sigma_spread: float | None = 0.2,
    mask: ArrayLike | None = None,
) -> DataFrame:
    """Refine columns to the physical limit: fit a Gaussian to each, all of them jointly.

    The expected image is a sum of Gaussians, round or all of the same ellipse, integrated over the pixels, on
    a background that is constant over the pixels nearest to each column, or slopes as its neighbours say.
    All parameters of all columns together maximise the Poisson likelihood of the whole image, so that
    neighbours do not pull at each other; the standard errors come from the inverse of the joint Fisher
    information.

    Parameters
    ----------
    image : array_like or DataArray of shape (y, x)
        Any real or integer type. NaN marks pixels not to be used.
    columns : DataFrame
        ``x`` and ``y`` in pixels, good to about half the distance to the neighbour. Other columns are kept.
    gain : float, optional
        Counts an electron: ``image = gain * Poisson``. Estimated from the scatter about the fit if not given.
    background : "local" or float
        Fitted for each column, or known, in the image's unit.
    radius : float, optional
        Pixels up to this distance from a column are used; four widths if not given.
    sigma_spread : float or None
        Relative standard deviation of widths within one image: a weak prior about their median, felt only
        where counts are too few, or neighbours too close, to determine the width. None switches it off.
    mask : array_like of bool, shape (H, W), optional
        True for pixels to leave out, as for `find`.

    Returns
    -------
    DataFrame
        The rows of `columns` in their order, with ``x, y`` refined; ``intensity``, the total counts of the
        Gaussian in the image's unit (electrons if the gain is 1); ``sigma``, its width in pixels;
        ``background``, in counts a pixel; standard errors ``x_err, y_err, intensity_err, sigma_err``;
        ``converged``; and ``x_nm, y_nm`` if the image is calibrated. Where the fit fails (the column runs
        away by more than half the distance to its neighbour, its width is absurd, or its position is not
        determined) it stays where it was, ``converged`` is False and everything fitted is NaN.
        ``attrs`` holds the ``gain``; ``noise_correlation``: by what factor correlated noise raises the
        variances of positions (1 for white noise); ``axis_ratio`` and ``axis_angle`` (degrees from x towards
        y) of columns, which an astigmatic probe makes elliptical; ``two_fold``, the lobes on two sides that
        these ellipses leave of all columns, as a share of them; ``saturated``, the share of
        the pixels that were clipped; and ``doubts``.

    Raises
    ------
    ValueError
        If the image is not two-dimensional or constant, `columns` lacks positions, or an option is out of
        range.

    Notes
    -----
    Fisher scoring with a sparse matrix of neighbours. Counts cannot be negative: if pixels are, the image is
    lifted by the depth of its lowest thousandth, and the background is reported without that lift. A constant
    that the detector adds should be subtracted beforehand, as its noise is not that of electrons: left in
    place it passes for background, and the weights, though not the positions, are then wrong. A neighbour
    within `radius` that is missing from `columns`, perhaps because it lies just outside the image, is not in
    the model and pulls: a smaller radius makes this less at the cost of precision.

    Rows that are brighter as a whole (streaks), backgrounds that slope, ellipses that all columns share, and
    noise that is correlated or not that of counts are told from the residuals, and are in the model. What the
    errors withstand stands in `data/results/wild_truth.csv`, measured by `benchmarks/wild_truth.py`.

    References
    ----------
    De Backer et al., Ultramicroscopy 171, 104 (2016), for the model. Fletcher, Biometrika 99, 230 (2012), for
    the gain.

    Examples
    --------
    >>> import pandas as pd
    >>> y, x = np.mgrid[:40, :40]
    >>> spot = 1000 / (2 * np.pi * 2**2) * np.exp(-((x - 18.3) ** 2 + (y - 20.6) ** 2) / (2 * 2**2))
    >>> image = np.random.default_rng(0).poisson(spot + 1)
    >>> found = refine(image, pd.DataFrame({"x": [18.0], "y": [21.0]}), gain=1)
    >>> found[["x", "y", "x_err", "sigma"]].round(2)
           x      y  x_err  sigma
    0  18.31  20.63   0.07   1.93
    """
    prepared = prepare(image, smallest=1, clean=True, mask=mask)
    table = fit(prepared, columns, gain, background, radius, sigma_spread)
    table = prepared.with_nm(table)
    table.attrs["saturated"] = clipped(prepared.pixels, prepared.usable)
    table.attrs["doubts"] = [*prepared.doubts, *doubts_about_fit(prepared.pixels, table)]
    warn(table.attrs["doubts"])
    return table


def fit(prepared, columns, gain=None, background="local", radius=None, sigma_spread=0.2, like=None):
    """`refine` of a prepared image, without a word; `like`, an earlier fit row by row, is where it begins."""
    pixels = prepared.pixels
    start = positions(columns, "columns")
    _check_options(gain, background, radius, sigma_spread)
    usable = prepared.usable & ~prepared.mended
    if len(start) and not ((start > -1) & (start < np.array(pixels.shape[::-1]))).all(axis=1).any():
        raise ValueError("no column lies inside the image: positions are (x, y) in pixels, from 0 on")
    if radius is not None:
        radius = min(radius, max(pixels.shape))
    lift = max(0.0, -float(np.percentile(pixels[usable], 0.1))) if np.nanmin(pixels) < 0 else 0.0
    # In this unit all numbers are within reach of single precision, whatever the detector's own is.
    unit = float(np.nanmax(pixels)) + lift
    table = columns.copy() if isinstance(columns, pd.DataFrame) else pd.DataFrame(start, columns=["x", "y"])
    theta = errors = np.empty((0, 5))
    failed = np.empty(0, dtype=bool)
    correlation, ellipse, lobes = 1.0, np.zeros(2), 0.0
    scale = np.array([1, 1, unit, 1, unit])
    if len(table):
        theta, errors, failed, gain, correlation, ellipse, lobes = _fit(
            np.where(usable, (pixels + lift) / unit, 0),
            usable,
            start,
            gain=None if gain is None else gain / unit,
            background=None if background == "local" else (background + lift) / unit,
            radius=radius,
            spread=sigma_spread,
            guess=None if like is None else like[_PARAMETERS].to_numpy() / scale + [0, 0, 0, 0, lift / unit],
        )
        gain *= unit
        theta, errors = theta * scale, errors * scale
    theta = np.where(failed[:, None], np.nan, theta)
    table["x"], table["y"] = np.where(failed, start.T, theta[:, [X, Y]].T)
    table["intensity"], table["sigma"] = theta[:, [INTENSITY, SIGMA]].T
    table["background"] = theta[:, BACKGROUND] - lift
    for name, parameter in (("x", X), ("y", Y), ("intensity", INTENSITY), ("sigma", SIGMA)):
        table[f"{name}_err"] = np.where(failed, np.nan, errors[:, parameter])
    table["converged"] = ~failed
    a, b = ellipse
    table.attrs |= {
        "gain": gain,
        "noise_correlation": correlation,
        "axis_ratio": float(np.sqrt((1 + np.hypot(a, b)) / (1 - np.hypot(a, b)))),
        "axis_angle": float(np.degrees(np.arctan2(b, a) / 2)),
        "two_fold": lobes,
    }
    return table


def _check_options(gain, background, radius, sigma_spread):
    for name, value in (("gain", gain), ("radius", radius), ("sigma_spread", sigma_spread)):
        if value is not None and not 0 < value < np.inf:
            raise ValueError(f"{name} must be positive, got {value}")
    if isinstance(background, str) and background != "local":
        raise ValueError(f"background must be 'local' or a number of counts a pixel, got {background!r}")


def _fit(pixels, usable, start, *, gain, background, radius, spread, guess):
    """Parameters (n, 5), standard errors, which columns failed, gain, and what all columns share.

    That is the correlation of the noise, the ellipse, and the lobes that it leaves.
    """
    n = len(start)
    gap = KDTree(start).query(start, k=2)[0][:, 1] if n > 1 else np.full(1, np.inf)
    known = np.zeros(n, dtype=bool) if guess is None else np.isfinite(guess).all(axis=1)
    sigma = float(np.median(guess[known, SIGMA])) if known.any() else typical_width(pixels, usable, start)
    theta, failed = None, np.zeros(n, dtype=bool)
    centre = np.where(known[:, None], guess[:, [X, Y]], start) if known.any() else start
    for layout in range(_LAYOUTS):
        scene = Scene(usable, centre, radius or max(_RADIUS * sigma, 3), _REACH * sigma, np.float32)
        data = scene.pixels(pixels)
        if theta is None:
            theta = start_values(scene, data, start, sigma)
            if known.any():
                theta[known] = guess[known]
        failed |= scene.total(np.ones_like(data)) < _FEWEST_PIXELS
        floor = _FLOOR * np.median(theta[:, INTENSITY]) / (2 * np.pi * sigma**2)
        theta[:, BACKGROUND] = np.maximum(theta[:, BACKGROUND] if background is None else background, floor)
        leash = np.clip(gap / 2, 1e-6, 3 * sigma)
        problem = Problem(start, leash, sigma, spread or 0.0, floor, background is None, gain)

        def outgrown(theta, centre=centre, sigma=sigma):
            moved = np.abs(theta[:, [X, Y]] - centre).max()
            return moved > _MOVED or abs(np.median(theta[:, SIGMA]) / sigma - 1) > _CHANGED

        until = outgrown if layout < _LAYOUTS - 1 else None
        summit = maximise(scene, data, theta, failed, problem, until=until, rough=True)
        theta = summit.theta
        if not summit.stopped:
            break
        centre, sigma = theta[:, [X, Y]], float(np.median(theta[:, SIGMA]))
    # Columns that went astray go back, and the others are fitted again beside them.
    for _ in range(_ROUNDS):
        lost = astray(theta, problem) & ~failed
        if not lost.any():
            break
        failed |= lost
        theta[lost, X], theta[lost, Y] = start[lost].T
        theta[lost, SIGMA] = sigma
        summit = maximise(scene, data, theta, failed, problem, rough=True)
        theta = summit.theta
    scene_of = _Surroundings(scene, data, failed, problem, pixels.shape, gain is None, background is None)
    summit = scene_of.settled(summit)
    theta, data, problem = summit.theta, scene_of.data, scene_of.problem
    slope_error = scene_of.slope_error
    within = summit.within.copy()
    within[:, SIGMA, SIGMA] += stiffness(summit.gain, problem)
    free = free_parameters(failed, problem.background & (theta[:, BACKGROUND] > problem.floor))
    errors = standard_errors(within, summit.between, scene.pairs, free, summit.gain)
    rest, expected = data - summit.expected, summit.expected
    correlation = correlation_factors(scene, rest, expected, theta, pixels.shape)
    errors[:, :4] *= np.sqrt(correlation)
    if slope_error.any():
        errors[:, :2] = np.hypot(errors[:, :2], slope_error * scene.response_to_slope(theta, 1 / expected))
    undetermined = ~(errors[:, [X, Y]] < leash[:, None]).all(axis=1)
    theta[:, BACKGROUND] -= scene_of.lift
    return (
        theta,
        errors,
        failed | astray(theta, problem) | summit.moving | undetermined,
        summit.gain,
        float(correlation[:2].mean()),
        scene_of.ellipse,
        two_fold(scene, rest, theta, ~failed),
    )


class _Surroundings:
    """What the first fit takes for granted: level rows, counts, round columns, a flat background.

    Attributes
    ----------
    data : ndarray
        Without what rows are brighter by, and lifted.
    problem : Problem
    lift : float
    ellipse : ndarray of shape (2,)
    slope_error : ndarray of shape (n, 2)
    """

    def __init__(self, scene, data, failed, problem, shape, counts, sloping):
        self.scene, self.data, self.failed, self.problem = scene, data, failed, problem
        self.lift, self.ellipse, self.slope_error = 0.0, np.zeros(2), np.zeros((len(failed), 2))
        self._shape = shape
        self._asked, self._sloping, self._levels, self._tilts = not counts, sloping, 0, 0
        self._stride, self._last = 1.0, np.zeros(2)

    def settled(self, summit):
        """Correct what the residuals tell, one after the other, and fit again, until they tell no more."""
        # Where noise is correlated errors are larger, and so may be what is left of the way.
        residual, expected = self.data - summit.expected, summit.expected
        correlation = correlation_factors(self.scene, residual, expected, summit.theta, self._shape)
        self.problem = replace(self.problem, slack=float(np.sqrt(max(1.0, correlation[:2].mean()))))
        precise = False
        for _ in range(_CORRECTED):
            if any(tell(summit) for tell in (self._level, self._lift, self._lengthen)):
                precise = False
            elif not precise:
                precise = True  # near the summit nothing more is told: look from the summit itself
            elif not self._tilt(summit):
                return summit
            summit = maximise(
                self.scene, self.data, summit.theta, self.failed, self.problem, rough=not precise
            )
        return maximise(self.scene, self.data, summit.theta, self.failed, self.problem)

    def _level(self, summit):
        """Rows are brighter or darker as a whole."""
        offset = row_offsets(self.scene, self.data, summit.expected) if self._levels < _TWICE else 0.0
        self._levels = self._levels + 1 if np.any(offset) else _TWICE
        self.data = self.data - offset
        return np.any(offset)

    def _lengthen(self, summit):
        """Columns are not round where the probe is astigmatic: their tails would pull at neighbours."""
        if self._tilts:
            return False
        more, doubt = ellipticity(self.scene, self.data, summit.expected, summit.theta, ~self.failed)
        # Derivatives are those of round columns: long ones are overshot, and are come back to in half steps.
        if more @ self._last < 0:
            self._stride /= 2
        self._last = more
        ellipse = self.ellipse + self._stride * more
        if (np.abs(ellipse) < np.maximum(_LONG, _SURELY * doubt)).all():
            ellipse = np.zeros(2)
        ellipse /= max(1.0, np.hypot(*ellipse) / _LONGEST)
        if np.abs(ellipse - self.ellipse).max() < _LONG / 8:
            return False
        self.ellipse = ellipse
        self.scene.lengthen(ellipse, summit.theta)
        return True

    def _tilt(self, summit):
        """The background is not constant about a column: its slope is known from the neighbours."""
        if not self._sloping or self._tilts == _TWICE:
            return False
        theta, self._tilts = summit.theta, self._tilts + 1
        above = theta[:, BACKGROUND] > self.problem.floor
        slope, self.slope_error = background_slopes(theta, ~self.failed & above)
        if not slope.any():
            self._tilts = _TWICE
            return False
        self.scene.tilt(slope, theta)
        return True

    def _lift(self, summit):
        """Counts whose variance is no multiple of their mean are lifted until it is."""
        if self._asked:
            return False
        self._asked = True
        rest = without_common(self.scene, self.data - summit.expected, summit.theta)
        self.lift = variance_offset(rest, summit.expected)
        if not self.lift:
            return False
        self.data = self.data + self.scene.dtype(self.lift)
        summit.theta[:, BACKGROUND] += self.lift
        self.problem = replace(self.problem, floor=max(self.problem.floor + self.lift, self.problem.floor))
        return True
