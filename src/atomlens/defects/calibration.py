"""From scores to p-values: how often a cell of the perfect crystal would score so high."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomlens._types import ArrayLike, ndarray

__all__ = ["Calibration"]

_TAIL = 0.1  # of the scores: those to which the tail is fitted
_MIDDLE = (5, 45)  # percentiles by which image and surrogate are aligned: defects reach the upper end only
_DOUBT = 1.5  # standard error of the scale, times the root of the number of cells
_PRIOR = 0.1  # how far the scale is thought to be from one
_SHAPE_SD = 0.05  # how far the shape of the tail is thought to be from an exponential one
_LEAST = 200
_DISTINCT = 20  # scores in the tail, below which it has no shape
_STRAIGHT = 1e-6
_SMALLEST = 1e-12  # p-value: beyond, the extrapolation means nothing


@dataclass(frozen=True, eq=False)
class Calibration:
    """Distribution of the score of a defect-free unit cell.

    Attributes
    ----------
    null : ndarray, sorted
        Scores of cells without a defect.
    scale, offset : float
        A score s of the image counts as ``scale * s + offset`` among them.
    tail_start, shape, width : float
        Generalised Pareto distribution of the highest tenth; width 0 where these scores are too few or too
        much alike for one, and nothing can be said beyond the highest of them.

    References
    ----------
    Pickands, Ann. Stat. 3, 119 (1975), for the distribution of the tail.

    Examples
    --------
    >>> scores = np.random.default_rng(0).exponential(size=20000)
    >>> calibration = Calibration.fit(scores)
    >>> round(calibration.threshold(1e-4), 0), round(float(calibration.p_value(np.log(1e4))) * 1e4, 1)
    (9.0, 1.0)
    """

    null: np.ndarray
    scale: float
    offset: float
    tail_start: float
    shape: float
    width: float

    @classmethod
    def fit(cls, null: ArrayLike, observed: ArrayLike | None = None) -> Calibration:
        """Learn from scores of defect-free cells.

        Parameters
        ----------
        null : array_like of shape (N,)
        observed : array_like of shape (M,), optional
            Scores of the cells of an image, most of which are free of defects: the lower half of them sets
            scale and offset, as far as so many cells can tell.

        Returns
        -------
        Calibration

        Raises
        ------
        ValueError
            If there are fewer than 200 scores.
        """
        null = np.sort(np.asarray(null, dtype=float))
        if len(null) < _LEAST:
            raise ValueError(
                f"{len(null)} defect-free cells are too few to calibrate with, {_LEAST} are needed: take a "
                "larger reference region or field of view"
            )
        scale, offset = (1.0, 0.0) if observed is None else _aligned(null, np.asarray(observed, dtype=float))
        start = float(np.quantile(null, 1 - _TAIL))
        excess = null[null > start] - start
        shape, width = _pareto(excess) if len(np.unique(excess)) >= _DISTINCT else (0.0, 0.0)
        return cls(null, scale, offset, start, shape, width)

    def p_value(self, scores: ArrayLike) -> ndarray:
        """Probability that a cell without a defect scores at least so high.

        Parameters
        ----------
        scores : array_like
            Of the image.

        Returns
        -------
        ndarray
            1e-12 stands for all that is smaller.
        """
        s = self.scale * np.asarray(scores, dtype=float) + self.offset
        above = len(self.null) - np.searchsorted(self.null, s, side="left")
        body = np.minimum((above + 1) / (len(self.null) + 1), 1)
        if not self.width:
            return body
        excess = np.maximum(s - self.tail_start, 0) / self.width
        if abs(self.shape) < _STRAIGHT:
            tail = np.exp(-excess)
        else:
            tail = np.maximum(1 + self.shape * excess, 0) ** (-1 / self.shape)
        # A bounded tail has an end; that nothing lies beyond it is more than so many cells can tell.
        return np.where(s > self.tail_start, np.maximum(_TAIL * tail, _SMALLEST), body)

    def threshold(self, probability: float) -> float:
        """Score that a cell without a defect exceeds with this probability.

        Parameters
        ----------
        probability : float

        Returns
        -------
        float
            In the unit of the image's scores.
        """
        if probability >= _TAIL or (not self.width and probability * (len(self.null) + 1) > 1):
            s = np.quantile(self.null, 1 - probability)
        elif not self.width:
            s = self.null[-1] * (1 + 1e-6) + 1e-9
        elif abs(self.shape) < _STRAIGHT:
            s = self.tail_start + self.width * np.log(_TAIL / probability)
        else:
            s = self.tail_start + self.width / self.shape * ((_TAIL / probability) ** self.shape - 1)
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
