"""From scores to p-values: how often a cell of the perfect crystal would score so high."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Calibration"]

_TAIL = 0.1  # of the scores: those to which the tail is fitted
_MIDDLE = (5, 70)  # percentiles by which image and surrogate are aligned: defects reach the upper end only
_DOUBT = 1.5  # standard error of the scale, times the root of the number of cells
_PRIOR = 0.1  # how far the scale is thought to be from one
_SHAPE_SD = 0.05  # how far the shape of the tail is thought to be from an exponential one
_LEAST = 200


@dataclass(frozen=True, eq=False)
class Calibration:
    """Distribution of the score of a defect-free unit cell.

    Attributes
    ----------
    null : ndarray, sorted
        Scores of cells without a defect.
    scale, offset : float
        A score s of the image counts as ``scale * s + offset`` among them.
    threshold_tail, shape, width : float
        Generalised Pareto distribution of the highest tenth.
    """

    null: np.ndarray
    scale: float
    offset: float
    tail_start: float
    shape: float
    width: float

    @classmethod
    def fit(cls, null, observed=None):
        null = np.sort(np.asarray(null, dtype=float))
        if len(null) < _LEAST:
            raise ValueError(
                f"{len(null)} defect-free cells are too few to calibrate with: {_LEAST} are needed"
            )
        scale, offset = (1.0, 0.0) if observed is None else _aligned(null, np.asarray(observed, dtype=float))
        start = np.quantile(null, 1 - _TAIL)
        shape, width = _pareto(null[null > start] - start)
        return cls(null, scale, offset, float(start), shape, width)

    def p_value(self, scores):
        """P-values of scores, in the unit of the image."""
        s = self.scale * np.asarray(scores, dtype=float) + self.offset
        above = len(self.null) - np.searchsorted(self.null, s, side="left")
        body = (above + 1) / (len(self.null) + 1)
        excess = np.maximum(s - self.tail_start, 0)
        if abs(self.shape) < 1e-6:
            tail = np.exp(-excess / self.width)
        else:
            tail = np.maximum(1 + self.shape * excess / self.width, 0) ** (-1 / self.shape)
        return np.where(s > self.tail_start, np.minimum(_TAIL * tail, 1), np.minimum(body, 1))

    def threshold(self, p):
        """Score that a defect-free cell exceeds with probability p."""
        if p >= _TAIL:
            s = np.quantile(self.null, 1 - p)
        elif abs(self.shape) < 1e-6:
            s = self.tail_start + self.width * np.log(_TAIL / p)
        else:
            s = self.tail_start + self.width / self.shape * ((_TAIL / p) ** self.shape - 1)
        return float((s - self.offset) / self.scale)


def _aligned(null, observed):
    """Scale and offset that bring the lower part of the observed scores upon those of the null.

    The surrogate does not know what the scan does beyond drift and jitter; the bulk of the image does. Few
    cells say little about it, and then the surrogate is believed.
    """
    levels = np.linspace(*_MIDDLE, 40)
    theirs, ours = np.percentile(null, levels), np.percentile(observed, levels)
    slope = np.polyfit(ours, theirs, 1)[0] if np.ptp(ours) > 0 else 1.0
    doubt = _DOUBT**2 / len(observed)
    scale = float(np.exp(np.log(np.clip(slope, 0.1, 10)) * _PRIOR**2 / (_PRIOR**2 + doubt)))
    return scale, float(np.median(theirs) - scale * np.median(ours))


def _pareto(excess):
    """Shape and width of a generalised Pareto distribution, the shape drawn towards zero."""
    mean = excess.mean()
    best = (-np.inf, 0.0, mean)
    for shape in np.linspace(-0.3, 0.3, 61):
        width = _width(excess, shape, mean)
        if width is None:
            continue
        if abs(shape) < 1e-9:
            value = -len(excess) * np.log(width) - excess.sum() / width
        else:
            value = -len(excess) * np.log(width) - (1 + 1 / shape) * np.log1p(shape * excess / width).sum()
        value -= 0.5 * (shape / _SHAPE_SD) ** 2
        if value > best[0]:
            best = (value, float(shape), float(width))
    return best[1], best[2]


def _width(excess, shape, mean):
    """Most likely width for this shape, by fixed-point iteration."""
    width = mean * (1 - shape)
    for _ in range(60):
        z = 1 + shape * excess / width
        if (z <= 0).any():
            width *= 1.3
            continue
        new = (1 + shape) * (excess / z).mean()
        if abs(new - width) < 1e-7 * mean:
            break
        width = new
    return width if (1 + shape * excess / width > 0).all() else None
