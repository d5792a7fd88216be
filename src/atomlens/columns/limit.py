"""How precisely a column can be located at all: the Cramer-Rao bound."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomlens._match import positions
from atomlens._types import DataFrame, Sequence
from atomlens.columns._gaussians import BACKGROUND, INTENSITY, PARAMETERS, SIGMA, Scene, X, Y
from atomlens.columns._likelihood import expect, standard_errors

__all__ = ["precision_limit"]

# In widths of the widest column: as far as a column is seen, and as its neighbours matter.
_RADIUS, _REACH = 5.0, 8.0
# Lowest expected counts of a pixel, as a fraction of the typical peak.
_FLOOR = 1e-9
_NUISANCE = PARAMETERS[2:]


def precision_limit(
    columns: DataFrame,
    *,
    background: float | None = None,
    gain: float = 1.0,
    free: Sequence[str] = _NUISANCE,
    shape: tuple[int, ...] | None = None,
    radius: float | None = None,
) -> DataFrame:
    """Smallest standard errors that any unbiased estimate can have, given the electrons that were counted.

    The inverse of the Poisson Fisher information of round Gaussians, integrated over the pixels, on a
    background. Overlapping neighbours share the electrons between them and, being fitted jointly, are less
    well determined than columns that stand alone.

    Parameters
    ----------
    columns : DataFrame
        ``x, y, sigma`` in pixels and ``intensity`` in counts, such as `refine` returns.
    background : float, optional
        Counts a pixel; if not given, the column ``background``, or none.
    gain : float
        Counts an electron.
    free : sequence of str
        What is unknown besides the positions: any of ``"intensity", "sigma", "background"``. The default is
        what `refine` fits.
    shape : tuple of int, optional
        Rows and columns of the image, which cuts columns at its edges; boundless if not given.
    radius : float, optional
        Pixels up to this distance from a column are used; five times the largest width if not given.

    Returns
    -------
    DataFrame
        Index of `columns`; ``x_err, y_err`` in pixels, and the errors of the free parameters in their units.
        NaN where the data do not determine them.

    Raises
    ------
    ValueError
        If columns are missing or not positive, or `free` names something else.

    Notes
    -----
    Without background and with known shape the bound is ``sigma / sqrt(N)`` for N electrons, and pixels as
    wide as `d` widen the column to ``sqrt(sigma**2 + d**2 / 12)`` as long as they are smaller than it.

    References
    ----------
    Bettens et al., Ultramicroscopy 77, 37 (1999). Thompson, Larson and Webb, Biophys. J. 82, 2775 (2002).

    Examples
    --------
    >>> columns = pd.DataFrame({"x": [20.0], "y": [20.0], "intensity": [10_000.0], "sigma": [2.0]})
    >>> float(precision_limit(columns).x_err[0].round(4))
    0.0202
    """
    theta = _parameters(columns, background)
    unknown = set(free) - set(_NUISANCE)
    if unknown:
        raise ValueError(f"free may name {', '.join(_NUISANCE)}, not {', '.join(sorted(map(str, unknown)))}")
    if not gain > 0:
        raise ValueError(f"gain must be positive, got {gain}")
    names = ("x", "y", *(p for p in _NUISANCE if p in free))
    errors = np.empty((0, 5))
    if len(theta):
        widest = theta[:, SIGMA].max()
        radius = _RADIUS * widest if radius is None else radius
        theta, usable = _placed(theta, shape, int(np.ceil(radius)) + 1)
        scene = Scene(usable, theta[:, [X, Y]], radius, _REACH * widest)
        everything = np.arange(len(theta))
        shapes = scene.factors(theta, everything)
        floor = _FLOOR * np.median(theta[:, INTENSITY] / theta[:, SIGMA] ** 2)
        expected = expect(scene, scene.render(theta, shapes), theta, floor)
        scene.paint(np.zeros_like(expected), 1 / expected)
        _, within = scene.sums(theta, shapes, everything)
        between = scene.shared(theta, shapes, np.arange(scene.pairs.shape[1]))
        estimated = np.tile([p in names for p in PARAMETERS], (len(theta), 1))
        errors = standard_errors(within, between, scene.pairs, estimated, gain)
    table = {f"{p}_err": errors[:, PARAMETERS.index(p)] for p in names}
    return pd.DataFrame(table, index=columns.index)


def _parameters(columns, background):
    at = positions(columns, "columns")
    missing = {"intensity", "sigma"} - set(columns)
    if missing:
        raise ValueError(
            f"columns lacks {' and '.join(sorted(missing))}: refine first, or add what you expect"
        )
    if background is None:
        background = columns.get("background", 0.0)
    theta = np.column_stack(
        [at, columns["intensity"], columns["sigma"], np.broadcast_to(background, len(at))]
    )
    theta = theta.astype(float)
    if not (theta[:, [INTENSITY, SIGMA]] > 0).all() or not (theta[:, BACKGROUND] >= 0).all():
        raise ValueError(
            "intensity and sigma must be positive, background not negative: drop other rows first"
        )
    return theta


def _placed(theta, shape, margin):
    """Columns where they are, in the image or on a field large enough for all of them."""
    if shape is not None:
        return theta, np.ones(shape, dtype=bool)
    theta = theta.copy()
    theta[:, [X, Y]] -= np.floor(theta[:, [X, Y]].min(axis=0)) - margin
    columns, rows = np.ceil(theta[:, [X, Y]].max(axis=0)).astype(int) + margin + 1
    return theta, np.ones((rows, columns), dtype=bool)
