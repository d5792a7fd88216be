"""From a movie to a table of detections, by one of several methods that may be compared."""

from __future__ import annotations

import numpy as np

from atomlens._doubts import quietly
from atomlens._types import ArrayLike, DataFrame, Lattice
from atomlens.defects import detect
from atomlens.dynamics._frames import Frames
from atomlens.dynamics.labels import THRESHOLD, checked_threshold, filter_of
from atomlens.dynamics.network import DefectNetwork, finished, train_on_frame

__all__ = ["METHODS", "detect_frames"]

METHODS = ("residual", "network", "unit_cell", "difference")
_RATE = 1e-4  # false alarms a cell


def detect_frames(
    movie: ArrayLike,
    *,
    method: str = "residual",
    threshold: float | None = None,
    lattice: Lattice | None = None,
    network: DefectNetwork | None = None,
    filter: str = "bragg",
    random_state: int = 0,
) -> DataFrame:
    """Find defects in every frame of a movie.

    Parameters
    ----------
    movie : DataArray or array_like of shape (frames, H, W), or one frame
        A lazy (Dask) movie is computed some frames at a time.
    method : {"residual", "network", "unit_cell", "difference"}
        "residual": what is left without the Bragg peaks, see `label_frame`. "network": one that learned from
        the first frame with anything in it, or `network`. "unit_cell": `defects.detect`, frame by frame: the
        most sensitive, and slow (seconds a frame). "difference": from the mean of all frames, which needs a
        specimen that stands still and defects that do not.
    threshold : float, optional
        "residual" and "difference": widths of the noise, 5 by default. "network": probability, that of its
        validation by default. "unit_cell": false alarms a cell, 1e-4 by default.
    lattice : Lattice, optional
        Of all frames; estimated from the first frame without it.
    network : DefectNetwork, optional
        Trained already.
    filter : {"bragg", "low-pass"}
        Of "residual", see `label_frame`.
    random_state : int

    Returns
    -------
    DataFrame
        One row a detection: ``frame``, ``x``, ``y`` (pixels), ``x_nm``, ``y_nm`` (if calibrated), ``score``
        (what the threshold is compared with; of "unit_cell" the score of its map). ``attrs``: ``n_frames``,
        ``shape``, ``method``, ``threshold``, ``spacing_px`` (distance of neighbouring cells),
        ``empty_frames`` and ``doubts``. `link` takes it.

    Raises
    ------
    NotPeriodicError
        If there is no lattice in the first frame.
    ValueError
        If the movie is unusable, an option is unknown, or "difference" gets a single frame.

    Notes
    -----
    How faint defects may be for each method is measured by `benchmarks/movies_truth.py`, see
    `data/results/movies.csv`.

    Examples
    --------
    >>> from atomlens import simulate
    >>> movie = simulate.movies.hopping(5, n_frames=3, shape=(128, 128), electrons=100, random_state=1)
    >>> found = detect_frames(movie.data)
    >>> found.columns.tolist()
    ['frame', 'x', 'y', 'x_nm', 'y_nm', 'score']
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    frames = Frames(movie)
    if method == "network":
        if network is None:
            one = frames.pick(frames.first()[0])
            network = train_on_frame(one, lattice=lattice, random_state=random_state)
        return network.detect(movie, threshold=threshold)
    lens, said = filter_of(frames, lattice, filter)
    if method == "unit_cell":
        threshold = _RATE if threshold is None else threshold
        rows = [(t, *_searched(frame, threshold, lattice, random_state)) for t, frame in frames if frame]
    else:
        threshold = checked_threshold(THRESHOLD if threshold is None else threshold)
        maps = _differences(frames, lens) if method == "difference" else _residuals(frames, lens)
        rows = [(t, *lens.peaks(np.abs(values), threshold)) for t, values in maps]
    table = frames.table(rows)
    return finished(table, frames, lens, method, threshold, said)


def _residuals(frames, lens):
    for t, frame in frames:
        if frame is not None:
            yield t, lens.residual(frame.pixels, frame.usable)


def _differences(frames, lens):
    """Each frame less the mean of all, in widths of its scatter."""
    if len(frames) < 2:
        raise ValueError('the movie has one frame, of which nothing differs: take method="residual"')
    total, count = np.zeros(frames.shape), 0
    for _, frame in frames:
        if frame is not None:
            total, count = total + frame.pixels, count + 1
    frames.empty = []
    mean = total / count
    for t, frame in frames:
        if frame is not None:
            yield t, lens.difference(frame.pixels, mean)


def _searched(frame, rate, lattice, random_state):
    """Places and scores that `defects.detect` finds in a frame."""
    with quietly():
        hits = detect(
            frame.pixels,
            false_alarm_rate=rate,
            lattice=lattice,
            mask=~frame.usable,
            random_state=random_state,
        ).defects
    return (hits[name].to_numpy() for name in ("x", "y", "score"))
