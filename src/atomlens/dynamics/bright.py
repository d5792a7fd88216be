"""Atoms far brighter than the lattice around them, in all frames of a movie."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from atomlens._bright import bright_spots
from atomlens._doubts import warn
from atomlens._image import prepare
from atomlens._types import ArrayLike, DataFrame
from atomlens.columns import estimate_scale

__all__ = ["bright_atoms"]

_AVERAGED = 20  # frames whose mean tells the width of a column
# Maxima are looked for at this scale, in standard deviations of a column: wide enough that the atoms of the
# lattice, which are close to one another, fade, and noise with them.
_SCALE = 1.2
_EMPTY = 0.05  # share of frames without an atom that is worth a sentence


def bright_atoms(movie: ArrayLike, *, sigma: float | None = None) -> DataFrame:
    """Find the atoms that are far brighter than all others, such as silicon in graphene, frame by frame.

    No network is needed, and a frame takes some hundredths of a second.

    Parameters
    ----------
    movie : array_like of shape (T, H, W), or DataArray
    sigma : float, optional
        Standard deviation of a column in pixels; measured by `columns.estimate_scale` without it.

    Returns
    -------
    DataFrame
        One row an atom and frame: ``frame``, ``x``, ``y`` (pixels), ``x_nm``, ``y_nm`` if the movie is
        calibrated, and ``score``: one minus the usual strength of a maximum over its own. ``attrs``:
        ``sigma``, ``n_frames`` and ``doubts``.

    Raises
    ------
    ValueError
        If the movie has not three axes or no frame, a frame is unusable, or `sigma` is not positive.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.movies.edge(3, n_frames=5)
    >>> bright_atoms(sample.data).groupby("frame").size().tolist()
    [3, 3, 3, 3, 3]
    """
    values = np.asarray(movie)
    if values.ndim != 3 or not len(values):
        raise ValueError(f"a movie has the axes (time, y, x) and a frame at least, got shape {values.shape}")
    if sigma is None:
        sigma = estimate_scale(values[:: max(1, len(values) // _AVERAGED)].mean(axis=0))[0]
    if not 0 < sigma < np.inf:
        raise ValueError(
            f"sigma must be a positive number of pixels, got {sigma!r}: give it, if it was measured"
        )
    parts = []
    for number in range(len(values)):
        frame = prepare(movie[number] if isinstance(movie, xr.DataArray) else values[number], clean=True)
        spots, _ = bright_spots(frame.pixels, frame.usable, _SCALE * sigma, sigma)
        parts.append(frame.with_nm(spots.assign(frame=number)))
    table = pd.concat(parts, ignore_index=True)
    calibrated = [name for name in ("x_nm", "y_nm") if name in table]
    table = table[["frame", "x", "y", *calibrated, "score"]].astype({"x": float, "y": float, "score": float})
    empty = len(values) - table["frame"].nunique()
    messages = []
    if empty > _EMPTY * len(values):
        messages.append(
            f"{empty} of {len(values)} frames show no bright atom: they are as faint as the noise, or not "
            "brighter than the lattice; give `sigma`, or count more electrons a frame"
        )
    warn(messages)
    table.attrs = {"sigma": float(sigma), "n_frames": len(values), "doubts": messages}
    return table
