"""What every step before clustering shares: validation, and the axis in physical units."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from atomlens._types import Any, ArrayLike, Self


class SpectralStep(TransformerMixin, BaseEstimator):
    """What the steps share: validation in float32, and the axis in physical units."""

    _needs_positive = False

    def _validate(self, X, *, reset=False):
        if not reset:
            check_is_fitted(self)
        return validate_data(self, X, reset=reset, dtype=[np.float32, np.float64], force_writeable=False)

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check the spectra and remember how many channels they have.

        Parameters
        ----------
        X : array_like of shape (N, L)
        y : ignored

        Returns
        -------
        self
        """
        X = self._validate(X, reset=True)
        self._fit(X)
        return self

    def _fit(self, X):
        """Learn what the step needs; most need nothing."""

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_features_in_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = self._needs_positive
        return tags

    def _channels(self):
        """The axis as an increasing array of one value a channel."""
        if self.axis is None:
            return np.arange(self.n_features_in_, dtype=float)
        axis = np.asarray(self.axis, dtype=float)
        if axis.shape != (self.n_features_in_,):
            raise ValueError(
                f"axis has {axis.size} values but the spectra have {self.n_features_in_} channels: "
                "after cropping, pass the cropped axis"
            )
        if not np.all(np.diff(axis) > 0):
            raise ValueError("axis must increase from channel to channel: sort the data first")
        return axis

    def _inside(self, low, high, what):
        """Channels between two values of the axis, at least one."""
        axis = self._channels()
        low, high = (axis[0] if low is None else low), (axis[-1] if high is None else high)
        inside = (axis >= low) & (axis <= high)
        if not inside.any():
            raise ValueError(
                f"{what} {low:g} to {high:g} holds no channel: the axis runs from {axis[0]:g} to {axis[-1]:g}"
            )
        return inside
