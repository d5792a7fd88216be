"""Labels without a person: what deviates from the lattice of a frame, marked pixel by pixel."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from atomlens._doubts import quietly, warn
from atomlens._types import ArrayLike, DataArray, Lattice
from atomlens.dynamics._frames import Frames
from atomlens.dynamics._lattice_filter import LatticeFilter
from atomlens.lattice import estimate
from atomlens.lattice.model import as_lattice

__all__ = ["THRESHOLD", "label_frame"]

# Widths of the noise. A frame of 512 px at 10 px a cell has some 3000 independent places, and the noise of
# few electrons has longer tails than a Gaussian: at 5, about one false detection a frame was seen.
THRESHOLD = 5.0
_UNSURE = 0.7  # of the threshold: deviations from there on are neither labelled nor called perfect
_HALF = 0.5  # of its maximum: edge of a label
# Of what is left, over what white noise explains: 1.1-1.4 with single defects, disturbed or not; 2.9 with one
# in nine cells, 6.8 with one in five, of which hardly any is found.
_EXCESS = 2.0
_CROWDED = 0.1  # labels a cell, from which they are no longer defects of a crystal


def label_frame(
    frame: ArrayLike,
    *,
    threshold: float = THRESHOLD,
    lattice: Lattice | None = None,
    filter: str = "bragg",
) -> DataArray:
    """Label what breaks the lattice of one frame, without a person: labels to train a network on.

    The crystal is taken out in Fourier space, what is left is divided by its noise, and maxima above the
    threshold are labelled, each down to half of its height.

    Parameters
    ----------
    frame : array_like of shape (H, W), or DataArray
        One frame, `movie[0]`, at least six unit cells wide.
    threshold : float
        Of the absolute deviation, in widths of the noise.
    lattice : Lattice, optional
        Estimated from the frame without it.
    filter : {"bragg", "low-pass"}
        "bragg" takes out a disc about every Bragg peak, the one at no frequency (the background) included;
        "low-pass" keeps what lies inside the first Bragg ring, as the lecture does.

    Returns
    -------
    DataArray of int8, dims (y, x)
        1 on a defect, 0 on perfect crystal, -1 where it is not sure. Coordinate-less if `frame` was.
        ``attrs``: ``threshold``, ``n_labels``, ``cut`` (cycles a pixel, the first Bragg ring), ``doubts``.

    Raises
    ------
    NotPeriodicError
        If there is no lattice in the frame.
    ValueError
        If the frame is unusable or too small, or the threshold is not positive.

    Examples
    --------
    >>> from atomlens import simulate
    >>> movie = simulate.movies.hopping(5, n_frames=1, shape=(128, 128), electrons=100, random_state=1)
    >>> labels = label_frame(movie.data[0])
    >>> labels.shape, labels.attrs["n_labels"]
    ((128, 128), 5)
    """
    if np.ndim(frame) != 2:
        raise ValueError(f"pass one frame (y, x), such as movie[0]; got shape {np.shape(frame)}")
    frames = Frames(frame)
    lens, said = filter_of(frames, lattice, filter)
    _, prepared = frames.first()
    labels, peaks = labelled(lens, prepared, threshold)
    messages = [*prepared.doubts, *said, *crowded(len(peaks[0]), lens)]
    attrs = {"long_name": "label", "threshold": float(threshold), "n_labels": len(peaks[0])}
    attrs |= {"cut": lens.ring, "doubts": messages}
    coords = {d: frame.coords[d] for d in ("y", "x") if d in getattr(frame, "coords", {})}
    warn(messages)
    return xr.DataArray(labels, coords, ("y", "x"), name="label", attrs=attrs)


def filter_of(frames, lattice=None, kind="bragg"):
    """The filter for these frames, and doubts about the lattice."""
    if lattice is None:
        with quietly():
            prepared = frames.first()[1]
            lattice = estimate(prepared.pixels, mask=~prepared.usable)
    lattice = as_lattice(lattice).required()
    lens, said = LatticeFilter(frames.shape, lattice.basis, kind), list(lattice.doubts)
    excess = lens.excess(frames.first()[1].pixels)
    if excess > _EXCESS:
        said.append(
            f"what breaks the lattice is {excess:.1f} times as strong as the noise of fine detail over most "
            "of the frame: defects in a large share of the cells, a bent crystal, or coloured noise; "
            "it is taken for noise, and defects are missed: take a frame with fewer, or lower the threshold"
        )
    return lens, said


def checked_threshold(threshold):
    """The threshold, if it is one."""
    if not (np.isscalar(threshold) and np.isreal(threshold) and 0 < threshold < np.inf):
        raise ValueError(f"threshold must be a positive number of widths of the noise, got {threshold!r}")
    return float(threshold)


def labelled(lens, prepared, threshold):
    """Labels (1, 0, -1) of a cleaned frame, and the places (x, y, height) of its defects."""
    threshold = checked_threshold(threshold)
    values = np.abs(lens.residual(prepared.pixels, prepared.usable))
    x, y, height = lens.peaks(values, _UNSURE * threshold)
    labels = np.zeros(values.shape, dtype=np.int8)
    if len(x):
        rows, columns = np.indices(values.shape)
        away, nearest = cKDTree(np.column_stack([x, y])).query(
            np.column_stack([columns.ravel(), rows.ravel()]), distance_upper_bound=lens.reach
        )
        peak = np.append(height, np.inf)[nearest].reshape(values.shape)
        marked = np.isfinite(away).reshape(values.shape) & (values > _HALF * peak)
        labels[marked] = np.where(peak[marked] > threshold, 1, -1)
    sure = height > threshold
    return labels, (x[sure], y[sure], height[sure])


def crowded(count, lens):
    """What to say of many defects."""
    cells = np.prod(lens.shape) / lens.cell
    if count <= _CROWDED * cells:
        return []
    return [
        f"{count} deviations among {cells:.0f} cells: no longer single defects; where most cells "
        "hold one, that is the lattice, and none is found; look at the frame, or raise the threshold"
    ]
