"""What is learnt from: signals, crops, or the windows of an image, taken a batch at a time."""

from __future__ import annotations

import numpy as np

_BLOCK = 512  # crops looked at together: what fits into the cache of a processor

_SAMPLE = 4096  # crops from which a summary of all is made


class Crops:
    """Signals (N, L), crops (N, H, W), or windows in the rows and columns of a grid (rows, columns, H, W).

    Views stay views: the windows of an image take no memory beside the image.

    Parameters
    ----------
    values : array_like

    Attributes
    ----------
    shape : tuple of int
        (H, W) of one crop; (1, L) for signals.
    signal : bool
        Whether these are signals.
    grid : tuple of int or None
        Rows and columns of the windows of an image.
    """

    def __init__(self, values):
        values = np.asarray(values)
        if values.ndim not in (2, 3, 4) or 0 in values.shape:
            raise ValueError(
                "signals have shape (N, length), crops (N, height, width), the windows of an image "
                f"(rows, columns, height, width); got {values.shape}"
            )
        if values.dtype.kind not in "buif":
            raise TypeError(
                f"pixels must be real numbers, got {values.dtype}: take the modulus or real part first"
            )
        self.values = values
        self.signal = values.ndim == 2
        self.shape = (1, values.shape[1]) if self.signal else values.shape[-2:]
        self.grid = values.shape[:2] if values.ndim == 4 else None
        if min(self.shape[self.signal :]) < 4:
            raise ValueError(f"crops of {self.size_text} are too small: 4 pixels along each axis at least")

    def __len__(self):
        return len(self.values) if self.grid is None else int(np.prod(self.grid))

    @property
    def size_text(self):
        """Size of a crop in words."""
        return f"{self.shape[1]} points" if self.signal else f"{self.shape[0]} x {self.shape[1]} pixels"

    def take(self, index):
        """Crops of these numbers: ndarray of float32, shape (n, H, W)."""
        index = np.asarray(index)
        if self.grid is not None:
            row, column = np.divmod(index, self.values.shape[1])
            chosen = self.values[row, column]
        else:
            chosen = self.values[index]
        return chosen.reshape(len(index), *self.shape).astype(np.float32)

    def blocks(self):
        """Slices over all crops, in order, small enough to be held at once."""
        for start in range(0, len(self), _BLOCK):
            yield slice(start, min(start + _BLOCK, len(self)))

    def all_of(self, some):
        """Crops of a slice: ndarray of float32, shape (n, H, W)."""
        return self.take(np.arange(some.start, some.stop))

    def check(self, *, unit_interval=False):
        """Raise if a value is missing, a crop is flat, or (for Bernoulli) a value is no probability."""
        flat = []
        for some in self.blocks():
            values = self.all_of(some).reshape(some.stop - some.start, -1)
            low, high = values.min(axis=1), values.max(axis=1)
            if not np.isfinite(low + high).all():
                bad = int((~np.isfinite(values)).any(axis=1).sum())
                raise ValueError(
                    f"{bad} of the first {some.stop} crops hold NaN or infinite values: leave them out, or "
                    "fill them with the median of their neighbours"
                )
            if unit_interval and (low.min() < 0 or high.max() > 1):
                raise ValueError(
                    "the Bernoulli likelihood is for values from 0 to 1, these reach from "
                    f"{low.min():.3g} to {high.max():.3g}: rescale them, or use likelihood='gaussian'"
                )
            flat.append(some.start + np.flatnonzero(low == high))
        flat = np.concatenate(flat)
        if len(flat):
            raise ValueError(
                f"{len(flat)} of {len(self)} crops are constant (the first is number {flat[0]}): there is "
                "nothing to see in vacuum or in a bar of a figure; leave them out"
            )

    def sample(self):
        """Some crops at random, in their order: ndarray of float32, shape (n, H, W)."""
        rows = np.random.default_rng(0).permutation(len(self))[:_SAMPLE]
        return self.take(np.sort(rows))

    def some(self):
        """Return `sample` as crops of their own."""
        sample = self.sample()
        return Crops(sample[:, 0] if self.signal else sample)

    def span(self):
        """Lowest value and range of the crops, but for a thousandth of the pixels at either end."""
        low, high = np.quantile(self.sample(), [0.001, 0.999])
        return float(low), float(high - low) or 1.0
