"""Movies whose dynamics is planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from atomlens._sample import Sample, pedigree
from atomlens._types import Generator
from atomlens.simulate._movies_edge import edge
from atomlens.simulate._movies_hops import hopping
from atomlens.simulate._movies_tracks import tracks
from atomlens.simulate.imaging import image

__all__ = ["circling_dopants", "edge", "hopping", "tracks"]

_A, _PIXELS = 0.4, 10  # nm and pixels from column to column
_CIRCLE = np.array([[0, 1], [3, 2]])  # the four sites of a block in the order of their angle
_HEAVY = 1.6  # weight of a column that holds the dopant


def circling_dopants(
    blocks: int = 6,
    *,
    n_frames: int = 40,
    hop: float = 0.5,
    direction: int | None = None,
    electrons: float = 300,
    random_state: int | Generator = 0,
) -> Sample:
    """A square lattice with heavy atoms that hop in circles: in some blocks clockwise, in others not.

    The lattice is divided into blocks of 2 x 2 columns, and one dopant lives in each. From one frame to the
    next it stays, or hops to the next column of its circle. Every single frame looks the same in both senses:
    which one it is lies in the order of the frames alone.

    Parameters
    ----------
    blocks : int
        Blocks along each side; each is 20 x 20 pixels, 0.8 nm wide.
    n_frames : int
    hop : float
        Probability of a hop from one frame to the next.
    direction : {1, -1}, optional
        1: all circle from +x towards +y (clockwise on the screen); -1: all the other way. Without it, half
        of them, drawn at random, go either way.
    electrons : float
        Detected electrons of a column without the dopant.
    random_state : int or numpy.random.Generator

    Returns
    -------
    Sample
        ``data``: the movie, dims (time, y, x), in counts; time in frames, x and y in nm. ``truth``: one row a
        block, by rows: ``x``, ``y`` of its centre in pixels, and ``direction``. ``extras``: ``site``, an
        array of shape (frames, blocks), 0 to 3 in the order of the circle.

    Raises
    ------
    ValueError
        If there is no block or frame, `hop` is no probability, or the direction is unknown.

    Examples
    --------
    >>> sample = circling_dopants(2, n_frames=5, hop=1.0, direction=1)
    >>> sample.data.shape, np.diff(sample.extras["site"], axis=0).ravel()[:4] % 4
    ((5, 40, 40), array([1, 1, 1, 1]))
    """
    for name, value in (("blocks", blocks), ("n_frames", n_frames)):
        if not (isinstance(value, int | np.integer) and value >= 1):
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    if not 0 <= hop <= 1:
        raise ValueError(f"hop is a probability from 0 to 1, got {hop!r}")
    if direction not in (None, 1, -1):
        raise ValueError(f"direction must be 1, -1 or None, got {direction!r}")
    rng, count = np.random.default_rng(random_state), blocks**2
    senses = np.where(rng.permutation(count) % 2, -1, 1) if direction is None else np.full(count, direction)
    hops = senses * (rng.random((n_frames - 1, count)) < hop)
    first = rng.integers(4, size=(1, count))
    site = np.concatenate([first, first + np.cumsum(hops, axis=0)]) % 4

    row, column = np.mgrid[: 2 * blocks, : 2 * blocks].reshape(2, -1)
    block, own = column // 2 + blocks * (row // 2), _CIRCLE[row % 2, column % 2]
    # The middle of a cell is 4.5 pixels from the centre of its first pixel, not 5.
    table = pd.DataFrame({"x_nm": _A * (column + 0.5), "y_nm": _A * (row + 0.5)}) - _A / _PIXELS / 2
    frames = [
        image(
            table.assign(weight=np.where(own == now[block], _HEAVY, 1.0)),
            pixel_size=_A / _PIXELS, shape=(2 * _PIXELS * blocks,) * 2, electrons=electrons, random_state=rng,
        ).data
        for now in site
    ]  # fmt: skip
    movie = xr.concat(frames, xr.Variable("time", np.arange(n_frames), {"units": "frames"}))
    y, x = 2 * _PIXELS * np.mgrid[:blocks, :blocks].reshape(2, -1) + _PIXELS - 0.5
    parameters = {"hop": hop, "electrons": electrons, "pixel_size_nm": _A / _PIXELS}
    truth = pd.DataFrame({"x": x, "y": y, "direction": senses})
    source = pedigree("circling dopants", random_state, parameters)
    return Sample(movie, truth, source, {"site": site})
