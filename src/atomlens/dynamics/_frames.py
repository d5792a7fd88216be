"""A movie as the detectors take it: frames one by one, and tables of what was found in them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomlens._image import calibration_of, prepare, with_nm
from atomlens._sample import Sample

_SMALLEST = 48  # pixels along an axis, below which neither lattice nor noise can be told


class Frames:
    """The frames of a movie, each cleaned when it is asked for.

    Parameters
    ----------
    movie : DataArray or array_like of shape (frames, H, W), or one frame (H, W)
        Lazy (Dask) arrays are computed a few frames at a time.

    Attributes
    ----------
    shape : tuple of int
        (H, W).
    calibration : dict
        As of `atomlens._image.calibration_of`.
    empty : list of int
        Frames asked for so far that show nothing.
    """

    def __init__(self, movie):
        if isinstance(movie, Sample):
            raise TypeError("pass the movie itself, `sample.data`, not the Sample")
        if np.ndim(movie) not in (2, 3):
            raise ValueError(f"a movie has the axes (time, y, x), got shape {np.shape(movie)}")
        if np.ndim(movie) == 2:
            movie = movie.expand_dims("time") if hasattr(movie, "dims") else np.asarray(movie)[None]
        if hasattr(movie, "dims") and tuple(movie.dims[1:]) != ("y", "x") and {"y", "x"} <= set(movie.dims):
            movie = movie.transpose(..., "y", "x")
        if not movie.shape[0]:
            raise ValueError("the movie has no frame")
        self._movie, self.shape, self.empty, self._hidden = movie, tuple(movie.shape[1:]), [], []
        if min(self.shape) < _SMALLEST:
            raise ValueError(
                f"frames of {self.shape[0]} x {self.shape[1]} pixels are too small: {_SMALLEST} are needed "
                "along each axis"
            )
        self.calibration = calibration_of(movie[0]) if hasattr(movie, "dims") else {}

    def __len__(self):
        return self._movie.shape[0]

    def __iter__(self):
        """Each frame as (number, `Prepared`), None where it shows nothing."""
        for start in range(0, len(self), self.step):
            for offset, pixels in enumerate(self.block(start)):
                yield start + offset, self.cleaned(start + offset, pixels)

    @property
    def step(self):
        """Frames that are held at a time: 16 million pixels of them."""
        return max(1, (1 << 24) // int(np.prod(self.shape)))

    def block(self, start):
        """Pixels of the frames from here on, computed if they are lazy."""
        return np.asarray(self._movie[start : start + self.step])

    def cleaned(self, number, pixels):
        """One frame without hot pixels and streaks; None, and noted as empty, if it shows nothing."""
        finite = np.isfinite(pixels)
        if finite.mean() < 0.05 or np.ptp(pixels[finite]) == 0:
            self.empty.append(number)
            return None
        return prepare(pixels, smallest=_SMALLEST, clean=True)

    def first(self):
        """The first frame that shows something, cleaned, as ``(number, Prepared)``."""
        for number, frame in self:
            if frame is not None:
                self.empty = []
                return number, frame
        raise ValueError("all frames are empty (constant, or NaN): there is nothing to find")

    def pick(self, number):
        """One frame as the movie has it, with its coordinates."""
        return self._movie[number]

    def table(self, rows):
        """The table of detections from (frame, x, y, score) arrays, one tuple a frame."""
        names = ["frame", "x", "y", "score"]
        kept = [np.column_stack([np.full(len(x), t), x, y, score]) for t, x, y, score in rows if len(x)]
        table = pd.DataFrame(np.concatenate(kept) if kept else np.empty((0, 4)), columns=names)
        table = table.astype({"frame": int})
        return with_nm(table, self.calibration)[self._order()]

    def _order(self):
        return ["frame", "x", "y", *(f"{axis}_nm" for axis in "xy" if axis in self.calibration), "score"]

    def doubts(self, table):
        """Sentences on what is wrong with the movie, or with what was found in it."""
        said = []
        if self.empty:
            said.append(
                f"{_listed(self.empty)} of {len(self)} frames show nothing (constant, or NaN): no detections "
                "there; link them with enough memory"
            )
        if len(self) == 1:
            said.append("the movie has one frame: there is nothing to link in it")
        if not self.calibration:
            said.append(
                "the movie has no scale: places are in pixels only; give it coordinates y and x in nm to get "
                "x_nm, y_nm and a diffusion in nm²/s"
            )
        if not len(table):
            said.append(
                "nothing was detected in any frame: there may be no defect, or the threshold is too high"
            )
        return said


def _listed(numbers):
    """``"2 (3, 7)"``, the first five of them."""
    more = ", ..." if len(numbers) > 5 else ""
    return f"{len(numbers)} ({', '.join(map(str, numbers[:5]))}{more})"
