"""Waves of displacement from cell to cell, too weak for the labels of single atoms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import median_filter

from atomlens._maxima import local_maxima
from atomlens._types import DataArray, DataFrame
from atomlens.lattice import Neighbourhoods

__all__ = ["superlattices", "wave_spectrum"]

_SLOW = 0.1  # cycles a cell: slower waves are domains, strain and distortions of the scan
_DOMAINS = 0.3  # cycles a cell: how far the power of domains reaches
_EXACT = 1e-9  # of the lattice spacing: no wave is weaker
_AROUND = 7  # wave vectors each way
_STREAK = 1.5  # wave vectors from an axis
_COLUMNS = ("q_a", "q_b", "amplitude_px", "p_value")


def superlattices(hoods: Neighbourhoods, *, alpha: float = 0.01) -> DataFrame:
    """Find waves in the neighbourhoods, such as a doubled or quadrupled lattice.

    Labels exchange under a translation only where a displacement is larger than the noise of single atoms. A
    wave that runs through the field is known far better: it is a peak in the Fourier transform of the
    neighbourhoods over their cells.

    Parameters
    ----------
    hoods : Neighbourhoods
        From `atomlens.lattice.neighbour_vectors`; or the ``neighbourhoods_`` of a `LocalCrystallography`.
    alpha : float
        Chance that noise alone makes any row of the table.

    Returns
    -------
    DataFrame
        One row a wave, the strongest first: ``q_a, q_b`` (cycles per lattice vector a and b; 0.5 doubles the
        lattice, 0.25 makes it four times as long), ``amplitude_px`` (root mean square over the neighbours;
        ``amplitude_pm`` where calibrated), ``p_value`` (corrected for the number of waves looked at).

    Raises
    ------
    ValueError
        If the neighbourhoods span less than four cells along a lattice vector, or if `alpha` does not lie
        between 0 and 1.

    Notes
    -----
    Noise without memory has the same expected power at all wave vectors, and the median tells it; near slow
    waves and along the axes, where domains add to it, the median of the surroundings does. Waves slower
    than ten cells are not listed: domains, strain and the scan make these. The amplitude is an average over
    the field; waves in antiphase domains cancel in part and broaden their peak. Hum, and lines that jump with
    a period, make waves as well: these run across the scan lines. A strong wave leaks into weaker rows close
    to it where columns are missing. Of several sites in a cell only the fullest is looked at.

    Examples
    --------
    >>> from atomlens import lattice, simulate
    >>> cells = simulate.structures.perovskite((8, 8), polar=10, variants=((90, "alternating"),))
    >>> columns = simulate.column_positions(cells, noise=0.005).data
    >>> waves = superlattices(lattice.neighbour_vectors(columns, center="Ti", neighbors="Sr"))
    >>> waves[["q_a", "q_b"]].round(2).to_numpy().tolist()
    [[0.5, 0.0]]
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha!r}")
    power, q, count = _power(hoods)
    fast = np.linalg.norm(q, axis=2) >= _SLOW
    level = np.full(power.shape, np.median(power[fast]))
    # Domains spread power around the slow waves: there a peak must stand out from its surroundings.
    slow = np.linalg.norm(q, axis=2) < _DOMAINS
    level[slow] = np.maximum(level, median_filter(power, _AROUND, mode="wrap"))[slow]
    # Straight walls, and the edges of the field that cut domains, draw streaks along the axes.
    for axis, along in enumerate(((_AROUND, 1), (1, _AROUND))):
        streak = np.abs(q[..., 1 - axis]) * power.shape[1 - axis] < _STREAK
        level[streak] = np.maximum(level, median_filter(power, along, mode="wrap"))[streak]
    ratio = power / level
    # Components share their errors, so a power may scatter as much as that of a single one: exponentially.
    p = np.minimum(np.exp(-np.log(2) * ratio) * fast.sum() / 2, 1.0)
    peak = fast & (p <= alpha) & local_maxima(power, mode="wrap")
    rows = {}
    for at in sorted(map(tuple, np.argwhere(peak)), key=lambda at: -power[at]):
        opposite = tuple(-np.array(at) % power.shape)
        if opposite in rows:
            continue  # the same wave
        own = at == opposite  # half a cycle: a wave and its opposite are one coefficient
        amplitude = np.sqrt(power[at] / hoods.vectors.shape[1]) / count * (1 if own else 2)
        rows[at] = (*np.abs(q[at]) * _signs(q[at]) + 0.0, amplitude, p[at])  # no negative zero
    table = pd.DataFrame(list(rows.values()), columns=list(_COLUMNS))
    if hoods.lattice.pixel_size_nm:
        table.insert(3, "amplitude_pm", 1000 * hoods.lattice.pixel_size_nm * table["amplitude_px"])
    return table


def wave_spectrum(hoods: Neighbourhoods) -> DataArray:
    """Power of the waves in neighbourhoods, over all wave vectors.

    Parameters
    ----------
    hoods : Neighbourhoods
        As for `superlattices`.

    Returns
    -------
    DataArray of shape (q_b, q_a)
        In units of the median, over cycles per lattice vector from -0.5 to 0.5.

    Raises
    ------
    ValueError
        As for `superlattices`.

    Examples
    --------
    >>> from atomlens import datasets, lattice
    >>> hoods = lattice.neighbour_vectors(datasets.load("bfo_phantom").data, center="Fe", neighbors="Bi")
    >>> float(wave_spectrum(hoods).q_a.min())
    -0.5
    """
    power, q, _ = _power(hoods)
    power = np.fft.fftshift(power / np.median(power)).T
    axes = {
        name: (name, np.fft.fftshift(values), {"long_name": f"q along {name[-1]}", "units": "cycles/cell"})
        for name, values in (("q_b", q[0, :, 1]), ("q_a", q[:, 0, 0]))
    }
    return xr.DataArray(power, axes, ("q_b", "q_a"), "power", {"long_name": "power / median", "units": "1"})


def _power(hoods):
    """Power over the wave vectors, these wave vectors in cycles a cell, and the number of atoms."""
    if not isinstance(hoods, Neighbourhoods):
        raise ValueError(
            f"expected neighbourhoods, got {type(hoods).__name__}: atomlens.lattice.neighbour_vectors finds "
            "them, and a fitted LocalCrystallography keeps them as neighbourhoods_"
        )
    whole = hoods.complete & (hoods.kind >= 0)
    # The sites of a cell alternate each in its own way: the fullest is looked at.
    site = np.bincount(hoods.kind[whole]).argmax() if whole.any() else 0
    whole &= hoods.kind == site
    cell = hoods.cell[whole]
    size = np.ptp(cell, axis=0) + 1 if whole.any() else np.zeros(2, dtype=int)
    if size.min() < 4:
        raise ValueError(f"the atoms span {size[0]} x {size[1]} cells: waves need at least four each way")
    size += size % 2  # so that one half of a cycle is on the grid
    points = hoods.vectors[whole].reshape(len(cell), -1)
    grid = np.zeros((*size, points.shape[1]))
    grid[tuple((cell - cell.min(axis=0)).T)] = points - points.mean(axis=0)
    spectrum = np.fft.fft2(grid, axes=(0, 1))
    # Perfect neighbourhoods differ by rounding only: that is white too.
    power = (np.abs(spectrum) ** 2).sum(axis=2) + len(cell) * (_EXACT * hoods.lattice.spacing) ** 2
    q = np.stack(np.meshgrid(*(np.fft.fftfreq(n) for n in size), indexing="ij"), axis=-1)
    return power, q, len(cell)


def _signs(q):
    """Of a wave vector and its opposite, the one whose first component is not negative; half is positive."""
    first, second = np.where(np.abs(q) == 0.5, 1.0, np.sign(q))
    return (1.0, second if first >= 0 else -second) if first else (1.0, 1.0)
