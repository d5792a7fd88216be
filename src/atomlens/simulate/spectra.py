"""Spectrum images, line scans and libraries whose phases are planted.

One forward model serves every recipe here::

    expected = thickness x sum over phases of (abundance x endmember), shifted in energy
    measured = Poisson(expected) + detector noise + cosmic-ray spikes

`forward` is that model; `eels`, `low_loss`, `current_voltage` and `composition_spread` feed it.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from atomlens._sample import Sample, pedigree
from atomlens._types import Generator
from atomlens.simulate._forward import forward, phase_map

__all__ = ["composition_spread", "current_voltage", "eels", "forward", "low_loss", "phase_map"]

# Onsets in eV of the white lines used by `eels` (lower, upper) and their rough widths. La M5 and Ni L3 lie
# 23 eV apart, V L3 and the oxygen K edge 19 eV: the close pairs that make the phantom hard.
_OXIDES = {
    "La2O3": (832.0, 849.0),
    "NiO": (855.0, 872.0),
    "V2O5": (513.0, 521.0),
    "CoO": (779.0, 794.0),
    "Fe2O3": (708.0, 721.0),
    "CeO2": (883.0, 901.0),
}
_OXYGEN_K = 532.0


def _abundances(labels, n_phases, mixing, pixel_size):
    """One-hot maps blurred by the probe: the fraction of each phase that the beam meets."""
    one_hot = np.eye(n_phases)[labels]
    if mixing:
        one_hot = gaussian_filter(one_hot, (*[mixing] * labels.ndim, 0), mode="nearest")
        one_hot /= one_hot.sum(axis=-1, keepdims=True)
    dims = ("y", "x")[-labels.ndim :]
    coords = {
        d: xr.DataArray(np.arange(n) * pixel_size, dims=d, attrs={"units": "nm", "long_name": d})
        for d, n in zip(dims, labels.shape, strict=True)
    }
    return xr.DataArray(one_hot, dims=(*dims, "phase"), coords=coords)


def _areas(n_phases, smallest, rng):
    """Area fractions: one phase of the smallest size, the others random but at least twice as large."""
    if n_phases == 1:
        return np.ones(1)
    if not 0 < smallest <= 1 / n_phases:
        raise ValueError(
            f"smallest={smallest} is not an area that the smallest of {n_phases} phases can have"
        )
    rest = rng.dirichlet(np.full(n_phases - 1, 5.0))
    floor = min(2 * smallest, (1 - smallest) / (n_phases - 1))
    rest = floor + (1 - smallest - floor * (n_phases - 1)) * rest
    return np.array([*rest, smallest])


def _wedge(shape, ratio, rng):
    """Thickness rising by `ratio` along a random direction, with gentle hills on it."""
    grid = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    direction = rng.standard_normal(len(shape))
    plane = sum(d * g for d, g in zip(direction, grid, strict=True))
    hills = gaussian_filter(rng.standard_normal(shape), [n / 6 for n in shape], mode="nearest")
    surface = plane / np.ptp(plane) + 0.2 * hills / max(np.ptp(hills), 1e-12)
    surface = (surface - surface.min()) / np.ptp(surface)
    return 1 + (ratio - 1) * surface


def _edge(energy, onset, *, decay=3.0, width=2.0):
    """Hydrogenic continuum: a smooth step at the onset, then a power law."""
    step = 0.5 * (1 + np.tanh((energy - onset) / width))
    return step * (np.maximum(energy, onset) / onset) ** -decay


def _lorentzian(axis, centre, fwhm):
    return (fwhm / 2) ** 2 / ((axis - centre) ** 2 + (fwhm / 2) ** 2)


def _core_loss(energy, lines):
    """An oxide's core-loss spectrum: background, oxygen K edge, two white lines on their continuum."""
    background = (energy / energy[0]) ** -2.5
    oxygen = 0.5 * _edge(energy, _OXYGEN_K) + 0.3 * _lorentzian(energy, _OXYGEN_K + 8, 14.0)
    lower, upper = lines
    metal = (
        0.35 * _edge(energy, lower)
        + 0.7 * _lorentzian(energy, lower + 2, 5.0) * _edge(energy, lower, decay=0)
        + 0.4 * _lorentzian(energy, upper + 2, 5.0)
    )
    return background + oxygen + metal


def _plural(energy, spectrum, probability, plasmon=25.0):
    """Scatter a fraction of the electrons a second time: a copy shifted by the plasmon energy."""
    return (1 - probability) * spectrum + probability * np.interp(energy - plasmon, energy, spectrum)


def eels(
    n_phases: int = 4,
    *,
    shape: tuple[int, ...] = (64, 64),
    counts: float = 5000.0,
    thickness_ratio: float = 3.0,
    smallest: float = 0.05,
    mixing: float = 0.5,
    spike_fraction: float = 0.02,
    n_channels: int = 260,
    random_state: int | Generator = 0,
) -> Sample:
    """Core-loss EELS of oxide grains under a thickness gradient: the hard phantom of lesson 01.

    Parameters
    ----------
    n_phases : int
        1 to 6 of La2O3, NiO, V2O5, CoO, Fe2O3 and CeO2, chosen at random, the close pair La2O3/NiO first.
    shape : tuple of int
        Scan shape; one number in the tuple makes a line scan.
    counts : float
        Mean detected counts a spectrum.
    thickness_ratio : float
        Thickest over thinnest place. Thicker places also scatter twice: their spectra change *shape*,
        as in a real wedge.
    smallest : float
        Area fraction of the smallest phase.
    mixing : float
        Standard deviation of the probe, in pixels, which mixes phases at interfaces.
    spike_fraction : float
        Fraction of spectra hit by a cosmic ray.
    n_channels : int
        Channels between 480 and 1000 eV.
    random_state : int or numpy.random.Generator

    Returns
    -------
    Sample
        ``data`` (y, x, energy) in counts, a step of the scan being 1 nm; for ``truth`` see `forward`.

    Raises
    ------
    ValueError
        If `n_phases` is not 1 to 6, or `smallest` is larger than an equal share.

    Notes
    -----
    Edge onsets are the textbook ones; line widths and heights are plausible, not fitted.

    References
    ----------
    Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope, 3rd ed. (2011), for onsets,
    power-law decay and plural scattering.

    Examples
    --------
    >>> sample = eels(3, shape=(16, 16), random_state=1)
    >>> sample.data.shape, float(sample.data.energy[0])
    ((16, 16, 260), 480.0)
    """
    if not 1 <= n_phases <= len(_OXIDES):
        raise ValueError(f"n_phases must be 1 to {len(_OXIDES)}, got {n_phases}")
    rng = np.random.default_rng(random_state)
    names = [*_OXIDES][:2] + list(rng.permutation([*_OXIDES][2:]))
    names = list(rng.permutation(names[:n_phases]))
    energy = np.linspace(480.0, 1000.0, n_channels)
    # Thickness enters twice: as a scale, and through the share of electrons that scattered twice, so each
    # phase brings a thin and a thick endmember, mixed by the local thickness and reported as one.
    labels = phase_map(shape, _areas(n_phases, smallest, rng), random_state=rng)
    thickness = _wedge(shape, thickness_ratio, rng)
    share = (thickness - thickness.min()) / max(np.ptp(thickness), 1e-12)
    thin = np.array([_plural(energy, _core_loss(energy, _OXIDES[n]), 0.05) for n in names])
    thick = np.array([_plural(energy, _core_loss(energy, _OXIDES[n]), 0.05 * thickness_ratio) for n in names])
    axis = xr.DataArray(energy, dims="energy", attrs={"units": "eV", "long_name": "energy loss"})
    mix = _abundances(labels, n_phases, mixing, 1.0)
    both = xr.concat([mix * (1 - share)[..., None], mix * share[..., None]], dim="phase")
    sample = forward(
        xr.DataArray(np.concatenate([thin, thick]), dims=("phase", "energy"), coords={"energy": axis}),
        both,
        counts=counts,
        thickness=thickness,
        spike_fraction=spike_fraction,
        random_state=rng,
        source=_source("eels_phantom", locals()),
    )
    ends = sample.truth.endmembers.values
    truth = sample.truth.drop_dims("phase").assign(
        labels=sample.truth.labels.copy(data=mix.values.argmax(axis=-1)),
        abundances=mix,
        endmembers=(("phase", "energy"), (ends[:n_phases] + ends[n_phases:]) / 2),
    )
    return Sample(sample.data, truth.assign_coords(phase=names), sample.source)


def low_loss(*, shape: tuple[int, ...] = (48, 48), random_state: int | Generator = 0) -> Sample:
    """Low-loss EELS: a zero-loss peak that jitters, and three phases told apart by their plasmons.

    Parameters
    ----------
    shape : tuple of int
        Scan shape.
    random_state : int or numpy.random.Generator

    Returns
    -------
    Sample
        ``data`` (y, x, energy), -10 to 60 eV, 20000 counts a spectrum; ``truth.shift`` is the planted jitter,
        1.5 channels of 0.25 eV in standard deviation.

    Examples
    --------
    >>> low_loss(shape=(4, 4)).truth["shift"].dims
    ('y', 'x')
    """
    rng = np.random.default_rng(random_state)
    energy = np.arange(-10.0, 60.0, 0.25)
    zero_loss = np.exp(-0.5 * (energy / 0.6) ** 2)
    ends = []
    for plasmon, width in ((15.0, 3.5), (17.0, 4.0), (22.0, 7.0)):
        loss = _lorentzian(energy, plasmon, width) * (energy > 2)
        ends.append(
            zero_loss + 0.12 * loss + 0.02 * _lorentzian(energy, 2 * plasmon, 2 * width) * (energy > 2)
        )
    axis = xr.DataArray(energy, dims="energy", attrs={"units": "eV", "long_name": "energy loss"})
    labels = phase_map(shape, [0.5, 0.3, 0.2], random_state=rng)
    return forward(
        xr.DataArray(np.array(ends), dims=("phase", "energy"), coords={"energy": axis}),
        _abundances(labels, 3, 0.5, 0.5),
        counts=2e4,
        thickness=_wedge(shape, 2.0, rng),
        shift=rng.normal(0, 1.5, shape),
        random_state=rng,
        source=_source("low_loss_phantom", locals()),
    )


def current_voltage(*, shape: tuple[int, ...] = (48, 48), random_state: int | Generator = 0) -> Sample:
    """Current-voltage curves of a scanning probe over metallic, gapped and rectifying regions.

    Parameters
    ----------
    shape : tuple of int
        Scan shape.
    random_state : int or numpy.random.Generator

    Returns
    -------
    Sample
        ``data`` (y, x, bias) in nA, with negative values as they should be, noise of 0.03 nA, and spikes in
        one curve of a hundred.

    Examples
    --------
    >>> current_voltage(shape=(8, 8)).data.bias.attrs["units"]
    'V'
    """
    rng = np.random.default_rng(random_state)
    bias = np.linspace(-1.0, 1.0, 101)
    gapped = np.sign(bias) * np.maximum(np.abs(bias) - 0.4, 0) ** 1.5 * 2.0
    rectifying = 0.15 * np.expm1(np.minimum(bias, 1.0) / 0.45)
    ends = xr.DataArray(
        np.array([0.8 * bias, gapped, rectifying]),
        dims=("phase", "bias"),
        coords={"bias": xr.DataArray(bias, dims="bias", attrs={"units": "V", "long_name": "bias"})},
        attrs={"units": "nA"},
    ).assign_coords(phase=["metallic", "gapped", "rectifying"])
    labels = phase_map(shape, [0.55, 0.35, 0.10], random_state=rng)
    sample = forward(
        ends,
        _abundances(labels, 3, 0.6, 0.4).assign_coords(phase=ends.phase),
        noise=0.03,
        spike_fraction=0.01,
        spike_height=3.0,
        random_state=rng,
        source=_source("current_voltage_phantom", locals()),
    )
    sample.data.attrs.update(long_name="current", units="nA")
    return sample


def composition_spread(*, n_spots: int = 300, random_state: int | Generator = 0) -> Sample:
    """A combinatorial library: diffraction patterns of a ternary composition spread on scattered spots.

    Three structures share the library; between their fields lie two-phase regions, and lattice
    parameters follow the composition (Vegard), so the peaks move inside each field.

    Parameters
    ----------
    n_spots : int
        Measured spots, scattered over a wafer of 50 mm radius.
    random_state : int or numpy.random.Generator

    Returns
    -------
    Sample
        ``data`` (spot, two_theta) with coordinates ``x_mm``, ``y_mm`` and the fractions ``a``, ``b``, ``c``
        along ``spot``; 8000 counts a pattern.

    References
    ----------
    Kusne et al., Sci. Rep. 4, 6367 (2014), on clustering the diffraction patterns of such libraries.

    Examples
    --------
    >>> composition_spread(n_spots=20).data.dims
    ('spot', 'two_theta')
    """
    rng = np.random.default_rng(random_state)
    radius, angle = 50 * np.sqrt(rng.uniform(0, 1, n_spots)), rng.uniform(0, 2 * np.pi, n_spots)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    corners = 50 * np.array([[np.cos(t), np.sin(t)] for t in np.radians([90, 210, 330])])
    distance = np.hypot(x[:, None] - corners[:, 0], y[:, None] - corners[:, 1])
    fractions = np.exp(-((distance / 45.0) ** 2))
    fractions /= fractions.sum(axis=1, keepdims=True)
    # Steep softmax: wide single-phase fields with narrow two-phase regions between them.
    abundances = fractions**12
    abundances /= abundances.sum(axis=1, keepdims=True)

    two_theta = np.linspace(20.0, 80.0, 400)
    peaks = (  # (position in degrees, height) of each structure
        ((38.2, 1.0), (44.4, 0.5), (64.6, 0.3), (77.5, 0.3)),
        ((40.3, 1.0), (58.3, 0.25), (73.2, 0.35)),
        ((36.3, 0.4), (39.1, 0.5), (43.2, 1.0), (54.3, 0.3), (70.7, 0.35)),
    )
    patterns = np.array([[sum(h * _lorentzian(two_theta, p, 0.5) for p, h in s) for s in peaks]])[0]
    ends = xr.DataArray(
        patterns + 0.05 + 0.1 * np.exp(-(two_theta - 20) / 25),
        dims=("phase", "two_theta"),
        coords={
            "two_theta": xr.DataArray(
                two_theta, dims="two_theta", attrs={"units": "deg", "long_name": "diffraction angle"}
            )
        },
    )
    spot = {
        "x_mm": ("spot", x, {"units": "mm", "long_name": "x"}),
        "y_mm": ("spot", y, {"units": "mm", "long_name": "y"}),
        **{name: ("spot", fractions[:, i], {"units": "1"}) for i, name in enumerate("abc")},
    }
    return forward(
        ends,
        xr.DataArray(abundances, dims=("spot", "phase"), coords=spot),
        counts=8000.0,
        shift=3.0 * (fractions[:, 0] - fractions[:, 1]),
        random_state=rng,
        source=_source("composition_spread_phantom", locals()),
    )


def _source(name, arguments):
    """Pedigree of a recipe: its own arguments, as they were given."""
    simple = {
        k: v for k, v in arguments.items() if isinstance(v, int | float | tuple) and k != "random_state"
    }
    return pedigree(name, arguments["random_state"], simple)
