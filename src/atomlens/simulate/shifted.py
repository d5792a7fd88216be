"""Signals and crops that differ by a shift and by something else, both planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from atomlens._sample import Sample, pedigree
from atomlens._types import Generator, Sequence

__all__ = ["cells", "peaks"]

_KINDS = {"perfect": 1.0, "vacancy": 0.0, "dopant": 1.7}  # brightness of the column in the middle


def peaks(n: int = 5000, *, random_state: int | Generator = 0) -> Sample:
    """Noisy peaks of varying position and width: the one-dimensional experiment of the shift-VAE.

    Positions lie uniformly in [-3, 3], widths (standard deviations) in [0.5, 5], on an axis from -12 to 12.
    Noise between 0 and 0.1 of the height is added at each of 100 points; then each signal is scaled to reach
    from 0 to 1.

    Parameters
    ----------
    n : int
        Signals.
    random_state : int or Generator

    Returns
    -------
    Sample
        ``data``: DataArray (signal, x); ``truth``: DataFrame with ``position`` and ``width``, in units of x.

    Raises
    ------
    ValueError
        If there is no signal.

    References
    ----------
    Ziatdinov, Wong, Kalinin, Mach. Learn.: Sci. Technol. 4, 045033 (2023), arXiv 2106.12472.

    Examples
    --------
    >>> sample = peaks(3)
    >>> sample.data.shape, list(sample.truth)
    ((3, 100), ['position', 'width'])
    """
    _check(n)
    rng = np.random.default_rng(random_state)
    x = np.linspace(-12, 12, 100)
    position, width = rng.uniform(-3, 3, n), rng.uniform(0.5, 5, n)
    values = np.exp(-((x - position[:, None]) ** 2) / (2 * width[:, None] ** 2))
    values += rng.uniform(0, 0.1, values.shape)
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    data = xr.DataArray(
        ((values - low) / (high - low)).astype(np.float32),
        {"x": ("x", x, {"units": ""})},
        ("signal", "x"),
        name="height",
        attrs={"long_name": "height", "units": ""},
    )
    truth = pd.DataFrame({"position": position, "width": width})
    return Sample(data, truth, pedigree("peaks", random_state, {"n": n}))


def cells(
    n: int = 2000,
    *,
    size: int = 24,
    period: float = 8.0,
    shift: float = 3.0,
    noise: float = 0.1,
    kinds: Sequence[str] = tuple(_KINDS),
    random_state: int | Generator = 0,
) -> Sample:
    """Crops of a square lattice around a column that is as the others, missing, or brighter.

    Parameters
    ----------
    n : int
        Crops.
    size : int
        Side of a crop, in pixels.
    period : float
        Lattice vector in pixels; columns are Gaussians with a standard deviation of 0.225 of it.
    shift : float
        The middle of the cell lies at most so many pixels from the middle of the crop, along each axis.
    noise : float
        Standard deviation of the noise; the pictures without it reach from 0 to 1.
    kinds : sequence of {"perfect", "vacancy", "dopant"}
        What is in the middle, in equal shares at random.
    random_state : int or Generator

    Returns
    -------
    Sample
        ``data``: DataArray (crop, y, x); ``truth``: DataFrame with ``kind``, ``shift_x`` and ``shift_y``
        (pixels, positive to the right and down).

    Raises
    ------
    ValueError
        If there is no crop, a size is too small, `noise` is negative, or a kind is unknown.

    Examples
    --------
    >>> sample = cells(4)
    >>> sample.data.shape, list(sample.truth)
    ((4, 24, 24), ['kind', 'shift_x', 'shift_y'])
    """
    _check(n, size)
    if not noise >= 0:
        raise ValueError(f"noise must not be negative, got {noise}")
    unknown = set(kinds) - set(_KINDS)
    if unknown or not kinds:
        raise ValueError(f"kinds are among {', '.join(map(repr, _KINDS))}, got {kinds!r}")
    if not (period > 0 and shift >= 0):
        raise ValueError(f"period must be positive and shift not negative, got {period} and {shift} pixels")
    rng = np.random.default_rng(random_state)
    kind, move = rng.integers(0, len(kinds), n), rng.uniform(-shift, shift, (n, 2))
    brightness = np.array([_KINDS[name] for name in kinds])[kind]
    reach = int(np.ceil((size / 2 + shift) / period)) + 1
    columns = period * np.arange(-reach, reach + 1)
    pixels = np.arange(size) - (size - 1) / 2
    # A Gaussian is a product of its profiles along x and y, and so is a square lattice of them.
    along_x, along_y = (
        np.exp(-((pixels - columns[:, None] - s[:, None, None]) ** 2) / (2 * (0.225 * period) ** 2))
        for s in move.T
    )
    values = np.einsum("niy,njx->nyx", along_y, along_x)
    own = along_y[:, reach, :, None] * along_x[:, reach, None, :]
    values += (brightness - 1)[:, None, None] * own
    values = (values - values.min()) / np.ptp(values) + rng.normal(0, noise, values.shape)
    data = xr.DataArray(
        values.astype(np.float32), dims=("crop", "y", "x"), name="intensity", attrs={"units": ""}
    )
    truth = pd.DataFrame({"kind": np.array(kinds)[kind], "shift_x": move[:, 0], "shift_y": move[:, 1]})
    told = {"n": n, "size": size, "period": period, "shift": shift, "noise": noise, "kinds": tuple(kinds)}
    return Sample(data, truth, pedigree("cells", random_state, told))


def _check(n, size=4):
    if n < 1 or size < 4:
        raise ValueError(f"at least one signal or crop, of at least 4 pixels, got {n} of {size}")
