"""The forward model of every simulated spectral set, and the random grains it measures."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from atomlens._sample import Sample, pedigree
from atomlens._types import Any, ArrayLike, DataArray, Generator, Sequence, ndarray


def phase_map(
    shape: tuple[int, ...],
    fractions: Sequence[float],
    *,
    correlation_length: float = 6.0,
    random_state: int | Generator = 0,
) -> ndarray:
    """Random grains with given area fractions.

    Each phase owns a smooth Gaussian random field; every pixel goes to the phase whose field plus
    offset is largest, and the offsets are moved until the areas are right.

    Parameters
    ----------
    shape : tuple of int
        Scan shape: (H, W) for a map, (N,) for a line.
    fractions : sequence of float
        Area of each phase; normalised to sum 1.
    correlation_length : float
        Grain size, in pixels.
    random_state : int or numpy.random.Generator

    Returns
    -------
    ndarray of int, of the given shape
        Phase of every pixel.

    Raises
    ------
    ValueError
        If a fraction is not positive, or there are more phases than pixels.

    Examples
    --------
    >>> labels = phase_map((40, 40), [0.7, 0.25, 0.05])
    >>> np.bincount(labels.ravel()) / labels.size
    array([0.7 , 0.25, 0.05])
    """
    fractions = np.asarray(fractions, dtype=float)
    if np.any(fractions <= 0):
        raise ValueError(f"every phase needs a positive area fraction, got {fractions.tolist()}")
    n_pixels = int(np.prod(shape))
    if fractions.size > n_pixels:
        raise ValueError(f"{fractions.size} phases do not fit into {n_pixels} pixels: enlarge `shape`")
    rng = np.random.default_rng(random_state)
    fields = gaussian_filter(
        rng.standard_normal((fractions.size, *shape)), (0, *[correlation_length] * len(shape)), mode="wrap"
    ).reshape(fractions.size, -1)
    fields /= fields.std(axis=1, keepdims=True)
    target = np.diff(np.round(np.cumsum([0, *fractions / fractions.sum()]) * n_pixels)).astype(int)
    offsets = np.zeros((fractions.size, 1))
    for step in 2.0 * 0.97 ** np.arange(300):
        areas = np.bincount((fields + offsets).argmax(axis=0), minlength=fractions.size)
        offsets += step * (target - areas)[:, None] / n_pixels
    # The last few pixels are dealt out by need, the least contested first, so that areas are exact.
    values = fields + offsets
    labels = values.argmax(axis=0)
    for phase in np.argsort(target):
        missing = target[phase] - np.count_nonzero(labels == phase)
        if missing > 0:
            surplus = np.bincount(labels, minlength=fractions.size) - target
            candidates = np.flatnonzero(surplus[labels] > 0)
            loss = values[labels[candidates], candidates] - values[phase, candidates]
            for pixel in candidates[np.argsort(loss, kind="stable")]:
                if missing and surplus[labels[pixel]] > 0:
                    surplus[labels[pixel]] -= 1
                    labels[pixel] = phase
                    missing -= 1
    return labels.reshape(shape)


def forward(
    endmembers: DataArray,
    abundances: DataArray,
    *,
    counts: float | None = None,
    thickness: ArrayLike | None = None,
    shift: ArrayLike | None = None,
    noise: float = 0.0,
    spike_fraction: float = 0.0,
    spike_height: float = 10.0,
    random_state: int | Generator = 0,
    source: dict[str, Any] | None = None,
) -> Sample:
    """Measure a mixture of endmembers: the forward model of every simulated spectral set.

    Parameters
    ----------
    endmembers : DataArray of shape (phase, L)
        Spectrum of each phase. The name of its last dimension, coordinate and units carry over.
    abundances : DataArray of shape (..., phase)
        Fraction of each phase at every scan point.
    counts : float, optional
        Detected counts a spectrum, averaged over the scan; adds Poisson noise. Without it the
        endmembers' own units are kept and only `noise` is added.
    thickness : array_like of shape (...), optional
        Scales every spectrum (mean 1 is not required).
    shift : array_like of shape (...), optional
        Shift of the spectral axis at every scan point, in channels.
    noise : float
        Standard deviation of Gaussian detector noise, in the units of the result.
    spike_fraction : float
        Fraction of spectra hit by a cosmic ray.
    spike_height : float
        Height of the spikes in units of the largest expected value of the spectrum; each spike is
        drawn between half and twice this.
    random_state : int or numpy.random.Generator
    source : dict, optional
        Entries for the sample's ``source``.

    Returns
    -------
    Sample
        ``data`` of shape (..., L); ``truth`` a Dataset of ``labels`` (largest abundance),
        ``abundances``, ``endmembers`` (scaled as they enter the data at mean thickness),
        ``thickness``, ``shift`` (channels) and ``spikes`` (how many channels were hit).

    Raises
    ------
    ValueError
        If dimensions do not match, an abundance is negative, or counts are not positive.

    Examples
    --------
    >>> ends = xr.DataArray([[1.0, 3.0, 1.0], [3.0, 1.0, 1.0]], dims=("phase", "energy"))
    >>> mix = xr.DataArray([[1.0, 0.0], [0.2, 0.8]], dims=("x", "phase"))
    >>> forward(ends, mix).truth.labels.values
    array([0, 1])
    """
    if endmembers.ndim != 2 or endmembers.dims[0] != "phase" or abundances.dims[-1] != "phase":
        raise ValueError("endmembers need dims (phase, <spectral axis>) and abundances (..., phase)")
    if endmembers.sizes["phase"] != abundances.sizes["phase"]:
        raise ValueError(
            f"{endmembers.sizes['phase']} endmembers cannot be mixed with abundances of "
            f"{abundances.sizes['phase']} phases"
        )
    if float(abundances.min()) < 0:
        raise ValueError("abundances must not be negative")
    if counts is not None and not counts > 0:
        raise ValueError(f"counts must be positive, got {counts}")
    rng = np.random.default_rng(random_state)
    scan_dims, axis_dim = abundances.dims[:-1], endmembers.dims[-1]
    shape = abundances.shape[:-1]
    thickness = np.ones(shape) if thickness is None else np.broadcast_to(np.asarray(thickness, float), shape)
    shift = np.zeros(shape) if shift is None else np.broadcast_to(np.asarray(shift, float), shape)

    weights = abundances.values * thickness[..., None]
    scale = 1.0
    if counts is not None:
        scale = counts / (weights @ endmembers.values.sum(axis=1)).mean()
    expected = _shifted_mixture(weights, endmembers.values * scale, shift)
    measured = rng.poisson(expected).astype(np.float32) if counts is not None else expected.astype(np.float32)
    if noise:
        measured += rng.normal(0, noise, measured.shape).astype(np.float32)
    spikes = _add_spikes(measured, expected, spike_fraction, spike_height, rng)

    coords = {d: abundances.coords[d] for d in scan_dims if d in abundances.coords}
    coords |= {
        n: c for n, c in abundances.coords.items() if n not in coords and set(c.dims) <= set(scan_dims)
    }
    if axis_dim in endmembers.coords:
        coords[axis_dim] = endmembers.coords[axis_dim]
    data = xr.DataArray(measured, dims=(*scan_dims, axis_dim), coords=coords, name="spectra")
    data.attrs = {
        "long_name": "intensity",
        "units": "counts" if counts is not None else endmembers.attrs.get("units", ""),
    }
    scan = {n: c for n, c in coords.items() if n != axis_dim}

    def on_scan(values, **attrs):
        return xr.DataArray(values, dims=scan_dims, coords=scan, attrs=attrs)

    truth = xr.Dataset(
        {
            "labels": on_scan(abundances.values.argmax(axis=-1), long_name="planted phase"),
            "abundances": abundances,
            "endmembers": endmembers * (scale * thickness.mean()),
            "thickness": on_scan(thickness, long_name="relative thickness"),
            "shift": on_scan(shift, long_name="shift of the spectral axis", units="channels"),
            "spikes": on_scan(spikes, long_name="channels hit by a cosmic ray"),
        }
    )
    return Sample(data, truth, {**pedigree("forward", random_state, {}), **(source or {})})


def _shifted_mixture(weights, endmembers, shift):
    """Mix the endmembers; where the axis is shifted, interpolate them first (edges are held)."""
    if not np.any(shift):
        return weights @ endmembers
    channels = np.arange(endmembers.shape[1])
    flat, moved = weights.reshape(-1, weights.shape[-1]), shift.ravel()
    expected = np.empty((flat.shape[0], channels.size))
    for i, (mix, by) in enumerate(zip(flat, moved, strict=True)):
        expected[i] = np.interp(channels - by, channels, mix @ endmembers)
    return expected.reshape(*shift.shape, channels.size)


def _add_spikes(measured, expected, fraction, height, rng):
    """Hit a fraction of the spectra, in place, with one- or two-channel spikes."""
    hit_count = np.zeros(measured.shape[:-1], dtype=int)
    flat, model, hits = (
        measured.reshape(-1, measured.shape[-1]),
        expected.reshape(-1, expected.shape[-1]),
        hit_count.reshape(-1),
    )
    struck = rng.choice(len(flat), size=round(fraction * len(flat)), replace=False)
    for i in struck:
        width = int(rng.integers(1, 3))
        start = int(rng.integers(0, flat.shape[1] - width + 1))
        peak = height * rng.uniform(0.5, 2.0) * max(np.abs(model[i]).max(), 1.0)
        flat[i, start : start + width] += np.float32(round(peak))
        hits[i] = width
    return hit_count
