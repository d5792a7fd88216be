"""Estimators as they were published, and are wrong: to be compared with those of this room."""

from __future__ import annotations

import numpy as np

from atomlens._types import Any, DataFrame, ndarray
from atomlens.dynamics._hidden import Sequences
from atomlens.dynamics.tracks import checked

__all__ = ["one_sequence_matrix", "published_estimator", "row_mean_matrix"]


def published_estimator(tracks: DataFrame, *, dt: float | None = None) -> float:
    """The diffusion coefficient as it was published for WS2, (var x + var y) / (4 N dt), six times too low.

    The variance is over the N frames of a track; the mean over tracks is returned. Of Brownian motion the
    variance of a track grows as 2 D N dt / 6 along each axis, so that D / 6 comes out, with noise of the
    places on top. It is here to be compared with: use `diffusion`.

    Parameters
    ----------
    tracks : DataFrame
        ``frame``, ``particle``, ``x``, ``y`` and, if calibrated, ``x_nm``, ``y_nm``.
    dt : float, optional
        Time from frame to frame in s; without it, the answer is per frame.

    Returns
    -------
    float
        In nm²/s (px², a frame). NaN without a track of two points.

    Raises
    ------
    ValueError
        If a column is missing.

    References
    ----------
    Maksov et al., npj Comput. Mater. 5, 12 (2019).

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.movies.tracks(200, n_frames=100, diffusion=1.0, shape=(9000, 9000))
    >>> round(published_estimator(sample.truth, dt=1.0), 1)
    0.2
    """
    table = checked(tracks, ["frame", "particle", "x", "y"])
    names = ["x_nm", "y_nm"] if {"x_nm", "y_nm"} <= set(table.columns) else ["x", "y"]
    groups = table.groupby("particle")
    count = groups.size()
    spread = groups[names].var(ddof=0).sum(axis=1) / (4 * count * (1.0 if dt is None else dt))
    return float(spread[count > 1].mean()) if (count > 1).any() else float("nan")


def row_mean_matrix(
    tracks: DataFrame, *, state: str | None = None, states: list[Any] | None = None
) -> ndarray:
    """The transition matrix as it was published for WS2: one a track, its rows normalised, and their mean.

    Every track that visits a state counts alike in its row, however short the visit; and short visits end
    soon, so states seem shorter-lived than they are. Frames without detection are skipped, as if none had
    passed. It is here to be compared with: use `transitions`.

    Parameters
    ----------
    tracks, state, states
        As for `transitions`.

    Returns
    -------
    ndarray of shape (K, K)
        NaN in the row of a state that no track visits before its last detection.

    Raises
    ------
    ValueError
        As for `transitions`.

    References
    ----------
    Maksov et al., npj Comput. Mater. 5, 12 (2019).

    Examples
    --------
    >>> import pandas as pd
    >>> tracks = pd.DataFrame({"frame": [0, 1, 2, 0, 1], "particle": [0, 0, 0, 1, 1]})
    >>> tracks["state"] = [0, 0, 1, 1, 1]
    >>> row_mean_matrix(tracks).tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    sequences = Sequences.of(tracks, state, states)
    k = len(sequences.names)
    total, visited = np.zeros((k, k)), np.zeros((k, 1))
    for row in sequences.seen:
        codes = row[row >= 0]
        counts = np.bincount(codes[:-1] * k + codes[1:], minlength=k * k).reshape(k, k)
        from_here = counts.sum(axis=1, keepdims=True)
        total += counts / np.maximum(from_here, 1)
        visited += from_here > 0
    with np.errstate(invalid="ignore"):
        return total / visited


def one_sequence_matrix(
    detections: DataFrame, *, state: str | None = None, states: list[Any] | None = None
) -> ndarray:
    """The transition matrix as it was published for silicon in graphene: all rows are read as one sequence.

    Within a frame one row follows the other, so most transitions join different atoms, and every row of the
    matrix becomes the share of the classes. It is here to be compared with: use `transitions`.

    Parameters
    ----------
    detections : DataFrame
        ``frame`` and the state, in the order of their frames; tracks are not needed.
    state, states
        As for `transitions`.

    Returns
    -------
    ndarray of shape (K, K)

    Raises
    ------
    ValueError
        As for `transitions`.

    References
    ----------
    Ziatdinov et al., Sci. Adv. 5, eaaw8989 (2019).

    Examples
    --------
    >>> import pandas as pd
    >>> movie = pd.DataFrame({"frame": [0, 0, 1, 1], "label": ["a", "b", "a", "b"]})
    >>> one_sequence_matrix(movie).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    table = checked(detections, ["frame"]).sort_values("frame", kind="stable")
    rows = np.arange(len(table))
    sequences = Sequences.of(table.assign(frame=rows, particle=0), state, states)
    counts = sequences.counts()
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
