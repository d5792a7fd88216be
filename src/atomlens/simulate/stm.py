"""Scanning tunnelling images: height maps of a surface, and what tip and scan make of them.

Every atom is a Gaussian bump, standing waves run round point defects; then lines jump, and the tip catches
for a moment. With a local density of states, heights are those at which a tip finds as much of it everywhere.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import map_coordinates, maximum_filter1d, minimum_filter1d
from scipy.special import j0

from atomlens._render import draw_columns
from atomlens._sample import Sample, pedigree
from atomlens._types import ArrayLike, DataArray, DataFrame, Generator, Structure
from atomlens.simulate._frame import calibrated, checked_shape, truth_table, within
from atomlens.simulate.imaging import FWHM, Instrument, _open, _planted

__all__ = ["image"]

_LINES = ("vacancy_line", "shift")  # planted, but no point that scatters
_PM = 1e-3  # nm
_CORRUGATION = 30.0  # pm
_PER_ROOT_EV = 5.123  # 1/nm: sqrt(2 m) / hbar, how fast a wave falls off below a barrier of 1 eV
_EMPTY = 1e-4  # of the median density: where there is less, the tip stops coming closer


def image(
    structure: Structure | DataFrame,
    *,
    pixel_size: float = 0.03,
    shape: tuple[int, ...] | None = None,
    density: str | ArrayLike | DataArray | None = None,
    work_function: float = 4.5,
    corrugation: float | None = None,
    width: float = 0.3,
    standing_wave: float = 0.0,
    wavelength: float = 1.5,
    decay: float = 2.0,
    scatterers: ArrayLike | None = None,
    elongation: float = 1.0,
    elongation_angle: float = 0.0,
    line_offset: float = 0.0,
    streaks: int = 0,
    streak_height: float = 30.0,
    noise: float = 0.0,
    random_state: int | Generator = 0,
) -> Sample:
    """Topography at constant current of a structure's columns, with the exact position of every one.

    Parameters
    ----------
    structure : Structure or DataFrame
        The surface; as a table it needs ``x_nm``, ``y_nm`` and may have ``label``, ``visible``, ``species``,
        ``n_atoms``, ``domain``, ``defect``.
    pixel_size : float
        In nm.
    shape : tuple of int, optional
        (H, W) of the image; the structure's field of view by default.
    density : str, array_like of shape (N,) or DataArray of shape (H, W) or (Z, H, W), optional
        Local density of states at the energies that carry the current: name of a column of the table, one
        number a column (in the order of the table), or a map that covers the image: `electrons.ldos_map`,
        or `electrons.tip_map` at several heights ``z``. None: all visible columns are alike.
    work_function : float
        In eV, of sample and tip: how fast the current falls off with height. Only with a density.
    corrugation : float, optional
        Of the undisturbed surface, in pm, 30 by default: the median over the image of highest minus lowest
        point within two mean distances between atoms. Only without a density, from which it follows.
    width : float
        Full width at half maximum of the bump of one atom, in nm. The closer it comes to the distance of the
        atoms, the deeper a vacancy is beside the corrugation. A column that has lost atoms has the share of
        its height that is left (half for S in place of S2): vacancies are dark. With a density, about the
        width of the tip's wave: 0.3 nm belongs to a distance of 0.35 nm. Of no use with a map.
    standing_wave : float
        Amplitude, in pm, of the wave around every scatterer, which itself lies in a trough of it.
    wavelength : float
        From crest to crest, in nm: half the wavelength of the scattered electrons.
    decay : float
        Length over which the wave falls to 1/e (on top of its spreading), in nm.
    scatterers : array_like of shape (n, 2), optional
        Where the waves come from, (x, y) in nm; by default the point defects planted in the structure.
    elongation : float
        Length of every bump over its width: a blunt tip.
    elongation_angle : float
        Direction of the elongation, in degrees from x.
    line_offset : float
        Standard deviation of the height offset of single scan lines, in pm.
    streaks : int
        Number of short horizontal streaks, pieces of a line at which the tip changed for a moment.
    streak_height : float
        Their typical height, up or down, in pm.
    noise : float
        Standard deviation of the height of single pixels, in pm.
    random_state : int or numpy.random.Generator

    Returns
    -------
    Sample
        ``data``: height in nm, dims (y, x), coordinates in nm. ``truth``: one row a column whose centre lies
        in the image: ``x, y`` (pixels), ``x_nm, y_nm``, ``label``, ``species``, ``sigma`` (pixels, mean of
        both axes), ``height`` (of its bump, in nm; with a density, of the tip above it), ``scored`` (False
        for columns that have none), and what else the structure's table holds. ``extras``: ``ideal`` (the
        image before offsets, streaks and noise; zero on average), ``standing_wave`` (in nm; only when there
        is one) and ``defects`` (what was planted, in pixels and nm).

    Raises
    ------
    ValueError
        If the table lacks a column, nothing lies in the field, the bumps are so wide that no corrugation is
        left, a wave has no scatterer, the density fits neither table nor image, or a parameter is out of its
        range.

    Notes
    -----
    The wave around a scatterer is ``-standing_wave * J0(2 pi r / wavelength) * exp(-r / decay)``: regular at
    the scatterer, with a single wave number, so that its Fourier transform is a ring of radius
    ``1 / wavelength``. The density of states around an adatom on Cu(111) oscillates like this, and falls off
    faster (as 1/r, reference below).

    With a density, the tip follows a surface of equal density (Tersoff and Hamann). Every column adds its own
    times a Gaussian; what falls off as exp(-2 kappa z) is as large ``log(density) / (2 kappa)`` higher up:
    about 0.1 nm for ten times as much. A column of ``z_nm`` in the table counts in the same way: an atom that
    stands out is closer to the tip. Where there is next to nothing, the tip stops 0.4 nm below the rest.
    In maps at several heights that surface is looked for, around their middle, however fast they fall off.

    References
    ----------
    Tersoff and Hamann, Phys. Rev. B 31, 805 (1985), for what is imaged; Crommie, Lutz and Eigler, Nature
    363, 524 (1993), for standing waves.

    Examples
    --------
    >>> from atomlens.simulate import structures
    >>> sample = image(structures.graphene((3.0, 3.0)), corrugation=20, width=0.12)
    >>> sample.data.attrs["long_name"], sample.data.attrs["units"], sample.data.shape
    ('height', 'nm', (100, 100))
    >>> round(float(sample.data.max() - sample.data.min()), 3)
    0.02
    """
    if density is None:
        corrugation = _CORRUGATION if corrugation is None else corrugation
    elif corrugation is not None:
        raise ValueError("corrugation follows from the density: pass one of them")
    parameters = {
        "pixel_size_nm": pixel_size,
        "corrugation_pm": corrugation,
        "width_nm": width,
        "standing_wave_pm": standing_wave,
        "wavelength_nm": wavelength,
        "decay_nm": decay,
        "elongation": elongation,
        "elongation_angle_deg": elongation_angle,
        "line_offset_pm": line_offset,
        "streaks": streaks,
        "streak_height_pm": streak_height,
        "noise_pm": noise,
    }
    if density is not None:
        parameters["work_function_eV"] = work_function
        parameters["density"] = density if isinstance(density, str) else type(density).__name__
    _check(parameters)
    rng = np.random.default_rng(random_state)
    bare = isinstance(structure, pd.DataFrame) and "weight" not in structure
    # The weight of a column is what an electron microscope sees; here it is of no interest.
    table, planted, size, _, name = _open(structure.assign(weight=1.0) if bare else structure)
    mapped = density is not None and np.ndim(density) in (2, 3)
    if mapped and shape is None:
        shape = np.shape(density)[-2:]
    shape = checked_shape(shape, size, pixel_size)
    sources = _scatterers(scatterers, planted, standing_wave)
    relative = _relative_heights(table)
    inverse = 2 * _PER_ROOT_EV * np.sqrt(work_function)  # 1/nm
    if density is not None and not mapped:
        relative = relative * _weights(table, density, inverse)

    x, y = table[["x_nm", "y_nm"]].to_numpy(dtype=float).T / pixel_size
    scored = relative > 0
    present = np.count_nonzero(scored & within(x, y, shape))
    if not present:
        raise ValueError("no visible column lies in the field of view: check pixel_size, shape and the table")
    covariance = _covariance(width / FWHM / pixel_size, elongation, elongation_angle)
    bumps = np.tile(covariance, (x.size, 1))
    volume = relative * 2 * np.pi * np.sqrt(covariance[0] * covariance[2] - covariance[1] ** 2)

    values = _map(density, shape, pixel_size) if mapped else draw_columns(shape, x, y, volume, bumps)
    if density is None:
        # The mean distance of the atoms, twice: a window that holds at least one cell of any simple lattice.
        scale = corrugation * _PM / _raw_corrugation(values, 2 * np.sqrt(values.size / present))
        ideal, height = scale * values, relative * scale
    else:
        if values.ndim == 3:
            ideal = _surface(values, np.asarray(density["z"], dtype=float), inverse)
        else:
            ideal = np.log(np.maximum(values, _EMPTY * np.median(values[values > 0]))) / inverse
        height = map_coordinates(ideal - ideal.mean(), [y, x], order=1, mode="nearest")
    if standing_wave:
        waves = _waves(shape, sources / pixel_size, wavelength / pixel_size, decay / pixel_size)
        wave = -standing_wave * _PM * waves
        ideal += wave
    ideal -= ideal.mean()

    measured = ideal + line_offset * _PM * rng.standard_normal((shape[0], 1))
    _add_streaks(measured, streaks, streak_height * _PM, rng)
    measured += noise * _PM * rng.standard_normal(shape)

    data = calibrated(measured.astype(np.float32), pixel_size, units="nm", long_name="height")
    sigma = np.sqrt((covariance[0] + covariance[2]) / 2)
    truth = truth_table(table, x, y, shape, pixel_size, sigma=sigma, height=height, scored=scored)
    extras = {"ideal": data.copy(data=ideal)}
    if standing_wave:
        extras["standing_wave"] = data.copy(data=wave)
    if planted is not None:
        extras["defects"] = _planted(planted, np.zeros((2, shape[0])), Instrument(), pixel_size, shape)
    parameters["scatterers_nm"] = sources.tolist()
    return Sample(data, truth, pedigree(name, random_state, parameters), extras)


def _check(parameters):
    for name in ("corrugation_pm", "width_nm", "wavelength_nm", "decay_nm", "work_function_eV"):
        if parameters.get(name) is not None and not parameters[name] > 0:
            raise ValueError(f"{name.rpartition('_')[0]} must be positive, got {parameters[name]}")
    for name in ("line_offset_pm", "streaks", "streak_height_pm", "noise_pm"):
        if not parameters[name] >= 0:
            raise ValueError(f"{name.removesuffix('_pm')} must not be negative, got {parameters[name]}")
    if not parameters["elongation"] >= 1:
        raise ValueError(f"elongation is a ratio of 1 or more, got {parameters['elongation']}")


def _weights(table, density, inverse):
    """Density of every column, larger for those that stand out towards the tip."""
    if isinstance(density, str):
        if density not in table:
            raise ValueError(f"the table has no column {density!r}, only {', '.join(table.columns)}")
        density = table[density]
    values = np.asarray(density, dtype=float)
    if values.shape != (len(table),) or not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError(
            f"a density needs one number a column that is not negative, {len(table)} of them, or a map of "
            f"shape (H, W); got shape {values.shape}"
        )
    if "z_nm" in table:
        height = table["z_nm"].to_numpy(dtype=float)
        values = values * np.exp(inverse * (height - np.median(height)))
    return values


def _map(density, shape, pixel_size):
    """A density that is given as a map of the image, or as maps at several heights."""
    if isinstance(density, pd.DataFrame):
        raise ValueError(
            "a density that is a table has no places in the image: name its column, or pass numbers"
        )
    values = np.asarray(density, dtype=float)
    if values.shape[-2:] != shape:
        raise ValueError(f"the map of the density has shape {values.shape[-2:]}, the image {shape}")
    if values.ndim == 3:
        z = np.asarray(density["z"], dtype=float) if "z" in getattr(density, "coords", {}) else np.empty(0)
        if len(z) < 2 or not (np.diff(z) > 0).all():
            raise ValueError(
                "a density of shape (Z, H, W) needs a coordinate z: two heights in nm or more, rising"
            )
    own = getattr(density, "attrs", {}).get("pixel_size_nm", pixel_size)
    if abs(own / pixel_size - 1) > 1e-3:
        raise ValueError(f"the map of the density has pixels of {own:g} nm: pass pixel_size={own:g}")
    if not (np.isfinite(values).all() and (values >= 0).all() and values.any(axis=(-2, -1)).all()):
        raise ValueError("the map of the density must hold numbers that are not negative, and not only zeros")
    return values


def _surface(values, z, inverse):
    """Height at which densities are what they are between the planes on average, shape (H, W)."""
    logarithm = np.log(np.maximum(values, np.finfo(float).tiny))
    target = np.median(logarithm, axis=(1, 2)).mean()
    # the interval in which it is crossed; the first and the last go on beyond the planes
    lower = np.clip((logarithm > target).sum(axis=0) - 1, 0, len(z) - 2)[None]
    here, next_ = (np.take_along_axis(logarithm, lower + n, axis=0)[0] for n in (0, 1))
    step, fall = np.diff(z)[lower[0]], here - next_
    # no tail falls off more slowly than that of the work function, though near a node it may seem to
    beyond = (here < target) | (next_ > target)
    fall = np.where(beyond, np.maximum(fall, inverse * step), fall)
    height = z[lower[0]] + step * (here - target) / np.where(fall == 0, 1, fall)
    return np.maximum(height, z[0] + np.log(_EMPTY) / inverse)


def _scatterers(given, planted, standing_wave):
    """Places of the scatterers in nm, shape (n, 2)."""
    if given is not None:
        places = np.atleast_2d(np.asarray(given, dtype=float))
        if places.shape[1:] != (2,) or not np.isfinite(places).all():
            raise ValueError(f"scatterers must be a list of (x, y) in nm, got {given!r}")
    elif planted is not None:
        places = planted.loc[~planted["kind"].isin(_LINES), ["x_nm", "y_nm"]].to_numpy(dtype=float)
    else:
        places = np.empty((0, 2))
    if standing_wave and not len(places):
        raise ValueError(
            "there is no point defect for a standing wave to run around: plant some "
            "(simulate.defects), or say where with scatterers=[(x_nm, y_nm), ...]"
        )
    return places


def _waves(shape, sources, wavelength, decay):
    """Sum of circular waves of amplitude 1 around the sources; all lengths in pixels."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])
    field = np.zeros(shape)
    for x, y in sources:
        r = np.hypot(columns - x, rows - y)
        field += j0(2 * np.pi / wavelength * r) * np.exp(-r / decay)
    return field


def _relative_heights(table):
    """Height of every column's bump, 1 for an undisturbed one."""
    relative = table["visible"].to_numpy(dtype=float)
    if "n_atoms" in table:
        whole = table.groupby("label")["n_atoms"].transform("median").to_numpy()
        relative = relative * np.minimum(table["n_atoms"].to_numpy() / whole, 1)
    return relative


def _covariance(sigma, elongation, angle):
    """(xx, xy, yy) of a bump in square pixels."""
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return sigma**2 * (np.array([1.0, 0.0, 1.0]) + (elongation**2 - 1) * np.array([c * c, c * s, s * s]))


def _raw_corrugation(atoms, window):
    """Highest minus lowest point within a window, median over the image."""
    size = max(3, int(np.ceil(window)))
    high, low = atoms, atoms
    for axis in (0, 1):
        high = maximum_filter1d(high, size, axis=axis)
        low = minimum_filter1d(low, size, axis=axis)
    corrugation = np.median(high - low)
    # Below this the patches that the bumps are drawn in would show.
    if corrugation < 0.01 * atoms.max():
        raise ValueError(
            "the bumps of neighbouring atoms merge into a plane without corrugation: choose a smaller width"
        )
    return corrugation


def _add_streaks(heights, count, size, rng):
    """Lift or lower pieces of scan lines, in place."""
    height, width = heights.shape
    rows, starts = rng.integers(height, size=count), rng.integers(width, size=count)
    lengths = rng.integers(max(1, width // 40), max(2, width // 5), size=count)
    steps = size * rng.uniform(0.5, 1.5, count) * rng.choice([-1.0, 1.0], count)
    for row, start, length, step in zip(rows, starts, lengths, steps, strict=True):
        heights[row, start : start + length] += step
