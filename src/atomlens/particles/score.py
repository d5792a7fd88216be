"""Tables of particles against planted ones: places, and angles folded by symmetry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomlens import metrics
from atomlens._types import Any, DataFrame, ndarray

__all__ = ["Agreement", "agreement", "angle_between"]


@dataclass(frozen=True, eq=False)
class Agreement:
    """How well particles agree with planted ones.

    Attributes
    ----------
    f1, precision, recall : float
    error : ndarray of float, shape (n,)
        Angle found less angle planted of each pair, degrees, folded by symmetry.
    pairs : (ndarray, ndarray)
        Rows of either table that belong together.
    z : ndarray of float, shape (n,)
        The error over ``theta_err``; NaN where a table has none.
    """

    f1: float
    precision: float
    recall: float
    error: ndarray
    pairs: Any
    z: ndarray

    @property
    def median_error(self) -> float:
        """Median of the absolute error, degrees."""
        return float(np.median(np.abs(self.error))) if len(self.error) else np.nan

    def __repr__(self) -> str:
        return f"<Agreement: F1 {self.f1:.3f}, median angle error {self.median_error:.2f} degrees>"


def agreement(
    found: DataFrame,
    planted: DataFrame,
    *,
    symmetry: int,
    tolerance: float,
    border: float | None = None,
    shape: tuple[int, int] | None = None,
) -> Agreement:
    """Compare places and angles.

    Parameters
    ----------
    found, planted : DataFrame
        With ``x``, ``y`` (pixels) and ``theta`` (degrees).
    symmetry : int
        How often a particle repeats in a full turn.
    tolerance, border, shape
        As for `metrics.match`.

    Returns
    -------
    Agreement

    Examples
    --------
    >>> import pandas as pd
    >>> one = pd.DataFrame({"x": [5.0], "y": [5.0], "theta": [179.0]})
    >>> agreement(one, one.assign(theta=1.0), symmetry=2, tolerance=2).error.round(1)
    array([-2.])
    """
    where = {} if border is None else {"border": border, "shape": shape}
    match = metrics.match(found, planted, tolerance=tolerance, **where)
    i, j = match.pairs
    error = angle_between(found["theta"].to_numpy()[i], planted["theta"].to_numpy()[j], symmetry)
    doubt = found["theta_err"].to_numpy()[i] if "theta_err" in found else np.full(len(i), np.nan)
    return Agreement(match.f1, match.precision, match.recall, error, match.pairs, error / doubt)


def angle_between(a, b, symmetry):
    """A - b in degrees, between minus and plus half of 360 over the symmetry."""
    period = 360 / symmetry
    return np.mod(np.asarray(a) - np.asarray(b) + period / 2, period) - period / 2
