"""Movies: what was seen at one place in several frames, one after the other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from numpy.lib.stride_tricks import sliding_window_view

from atomlens._image import calibration_of, with_nm
from atomlens._tiles import as_pair
from atomlens._types import ArrayLike, DataArray, ndarray
from atomlens.descriptors._base import Descriptor
from atomlens.descriptors._windows import on_grid

_LARGEST = 1 << 29  # features: 2 GB


class TimeDelayDescriptor(Descriptor):
    """A place in a movie, described by what was seen there now and some frames before.

    Prior: what happens next depends on what happened just before, and in the same way at any time (the
    delay embedding of a dynamical system).

    Blind to absolute time. Not to anything else: a shift that is no multiple of the step, rotation,
    inversion, species, contrast, or the direction of time.

    Parameters
    ----------
    delays : int
        Frames in a stack.
    spacing : int
        From one frame of a stack to the next.
    size : int or tuple of int
        (height, width) in pixels of the windows; 1 for single pixels.
    step : int or tuple of int, optional
        From window to window; windows side by side without it.

    Attributes
    ----------
    size_, step_ : tuple of int
    positions_ : DataFrame
        ``frame`` (the last of the stack), ``time`` if the movie says it, ``x`` and ``y`` of the centre in
        pixels, and ``x_nm``, ``y_nm`` if calibrated.
    grid_ : tuple of int
        (stacks in time, rows, columns) in the movie seen last.

    Raises
    ------
    ValueError
        If the movie does not have three axes (time, y, x), holds NaN, is shorter than a stack or smaller
        than a window, or there would be more features than 2 GB hold.

    References
    ----------
    Takens, in Dynamical Systems and Turbulence, Lecture Notes in Mathematics 898, 366 (1981).

    Examples
    --------
    >>> movie = np.arange(5.0)[:, None, None] + np.zeros((5, 4, 4))
    >>> describe = TimeDelayDescriptor(delays=3, size=2)
    >>> features = describe.fit_transform(movie)
    >>> features.shape, features[0, ::4].tolist(), int(describe.positions_.frame[0])
    ((12, 12), [0.0, 1.0, 2.0], 2)
    """

    prior = "dynamics: what happens next depends on what happened just before, at any time"
    blind_to = ("time",)

    def __init__(
        self,
        delays: int = 3,
        *,
        spacing: int = 1,
        size: int | tuple[int, ...] = 1,
        step: int | tuple[int, ...] | None = None,
    ) -> None:
        self.delays = delays
        self.spacing = spacing
        self.size = size
        self.step = step

    def _learn(self, movie):
        for name in ("delays", "spacing"):
            value = getattr(self, name)
            if not (isinstance(value, int | np.integer) and value >= 1):
                raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
        self.size_ = as_pair(self.size, "size")
        self.step_ = self.size_ if self.step is None else as_pair(self.step, "step")

    def _stacks(self, movie):
        """Views of shape (stacks, rows, columns, delays, height, width), the oldest frame first."""
        values = np.asarray(movie)
        if values.ndim != 3:
            raise ValueError(f"a movie has three axes (time, y, x), got shape {values.shape}")
        if values.dtype.kind not in "buif":
            raise TypeError(f"pixels must be real numbers, got {values.dtype}: take the modulus or real part")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            frame = int(np.flatnonzero(~np.isfinite(values).all(axis=(1, 2)))[0])
            raise ValueError(
                f"pixels are NaN or infinite, first in frame {frame}: fill them, or leave those frames out"
            )
        length = (self.delays - 1) * self.spacing + 1
        window = (length, *self.size_)
        if any(n < w for n, w in zip(values.shape, window, strict=True)):
            raise ValueError(
                f"a stack of {length} frames of {self.size_[0]} x {self.size_[1]} pixels does not fit into a "
                f"movie of shape {values.shape}"
            )
        stacks = sliding_window_view(values, window)[:, :: self.step_[0], :: self.step_[1]]
        return stacks[:, :, :, :: self.spacing]

    def _places(self, movie):
        stacks = self._stacks(movie)
        self.grid_ = stacks.shape[:3]
        first = (self.delays - 1) * self.spacing
        y, x = (
            (n - 1) / 2 + s * np.arange(k)
            for n, s, k in zip(self.size_, self.step_, self.grid_[1:], strict=True)
        )
        frame, y, x = (v.ravel() for v in np.meshgrid(first + np.arange(self.grid_[0]), y, x, indexing="ij"))
        table = pd.DataFrame({"frame": frame, "x": x, "y": y})
        if not isinstance(movie, xr.DataArray):
            return table
        if movie.dims[0] in movie.coords:
            table.insert(1, "time", movie.coords[movie.dims[0]].values[frame])
        return with_nm(table, calibration_of(movie[0]))

    def _describe(self, movie):
        stacks = self._stacks(movie)
        if stacks.size > _LARGEST:
            raise ValueError(
                f"{stacks.size:.1e} features do not fit into memory: take a larger step, fewer delays, or "
                "part of the movie at a time"
            )
        found = np.empty(stacks.shape, np.float32)
        found[...] = stacks
        return found.reshape(len(self.positions_), -1)

    def _shape(self):
        return (self.delays, *self.size_)

    def inverse_image(self, features: ArrayLike) -> ndarray:
        """Draw rows of features as stacks of frames: ndarray of float32, (n, delays, height, width)."""
        return self._pictures(features)

    def map(self, values: ArrayLike) -> DataArray:
        """Arrange one value a stack, or several, as a movie over the one seen last.

        Parameters
        ----------
        values : array_like of shape (N,) or (N, n)

        Returns
        -------
        DataArray with the dims (frame, y, x), or (component, frame, y, x)

        Raises
        ------
        ValueError
            If there are not as many values as stacks.
        """
        return on_grid(values, self.positions_, self.grid_, ("frame", "y", "x"))
