"""Scanning tunnelling images: height maps of a surface, and what tip and scan make of them.

Every atom is a Gaussian bump, standing waves run round point defects, a second apex may draw a weaker copy;
then the plane tilts, lines jump, and the tip catches for a moment.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import maximum_filter1d, minimum_filter1d
from scipy.special import j0

from atomlens._render import draw_columns
from atomlens._sample import Sample
from atomlens.simulate._frame import calibrated, checked_shape, truth_table, within
from atomlens.simulate._scan import smooth_drift, where_columns_appear
from atomlens.simulate.imaging import FWHM, Instrument, _open, _planted

__all__ = ["image"]

_LINES = ("vacancy_line", "shift")  # planted, but no point that scatters
_PM = 1e-3  # nm


def image(
    structure,
    *,
    pixel_size=0.03,
    shape=None,
    corrugation=30.0,
    width=0.3,
    heights=None,
    depth=None,
    standing_wave=0.0,
    wavelength=1.5,
    decay=2.0,
    scatterers=None,
    second_tip=0.0,
    second_tip_offset=(0.2, 0.1),
    elongation=1.0,
    elongation_angle=0.0,
    tilt=(0.0, 0.0),
    drift=(0.0, 0.0),
    line_offset=0.0,
    streaks=0,
    streak_height=30.0,
    noise=0.0,
    random_state=0,
):
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
    corrugation : float
        Of the undisturbed surface, in pm: the median over the image of highest minus lowest point within two
        mean distances between atoms.
    width : float
        Full width at half maximum of the bump of one atom, in nm. The closer it comes to the distance of the
        atoms, the deeper a vacancy is beside the corrugation.
    heights : dict, optional
        Height of the bump by species, relative to 1; 0 hides it. Default: 1 for every visible column, and
        the share that is left for a column that has lost atoms (half for S in place of S2): vacancies are
        dark.
    depth : float, optional
        Only columns whose topmost atom lies at most this far below the highest one are seen, in nm: the
        first layer of a crystal, say. Default: all columns; a table of columns has no depth.
    standing_wave : float
        Amplitude, in pm, of the wave around every scatterer, which itself lies in a trough of it.
    wavelength : float
        From crest to crest, in nm: half the wavelength of the scattered electrons.
    decay : float
        Length over which the wave falls to 1/e (on top of its spreading), in nm.
    scatterers : array_like of shape (n, 2), optional
        Where the waves come from, (x, y) in nm; by default the point defects planted in the structure.
    second_tip : float
        Share of the current through a second apex, relative to the first (0: a single tip, below 1).
    second_tip_offset : tuple of float
        Where the copy appears that the second apex draws, (x, y) in nm from the first.
    elongation : float
        Length of every bump over its width: a blunt tip.
    elongation_angle : float
        Direction of the elongation, in degrees from x.
    tilt : tuple of float
        Slope of the plane along x and y, in nm per nm; the plane is zero in the middle of the image.
    drift : tuple of float
        Total (x, y) drift during the frame, in nm.
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
        in the image: ``x, y`` (pixels, where the drifting scan sees it), ``x_nm, y_nm``, ``label``,
        ``species``, ``sigma`` (pixels, mean of both axes), ``height`` (of its bump, in nm), ``scored`` (False
        for columns that have none), and what else the structure's table holds. ``extras``: ``ideal`` (the
        image before tilt, offsets, streaks and noise; zero on average), ``standing_wave`` (as the first apex
        sees it, in nm; only when there is one) and ``defects`` (what was planted, in pixels and nm).

    Raises
    ------
    ValueError
        If the table lacks a column, nothing lies in the field, the bumps are so wide that no corrugation is
        left, a wave has no scatterer, or a parameter is out of its range.

    Notes
    -----
    The wave around a scatterer is ``-standing_wave * J0(2 pi r / wavelength) * exp(-r / decay)``: regular at
    the scatterer, with a single wave number, so that its Fourier transform is a ring of radius
    ``1 / wavelength``. The density of states around an adatom on Cu(111) oscillates like this, and falls off
    faster (as 1/r, reference below). Both apices add in proportion to their currents, which holds for
    corrugations well below the decay length of the current (about 100 pm).

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
    parameters = {
        "pixel_size_nm": pixel_size,
        "corrugation_pm": corrugation,
        "width_nm": width,
        "heights": heights,
        "depth_nm": depth,
        "standing_wave_pm": standing_wave,
        "wavelength_nm": wavelength,
        "decay_nm": decay,
        "second_tip": second_tip,
        "second_tip_offset_nm": second_tip_offset,
        "elongation": elongation,
        "elongation_angle_deg": elongation_angle,
        "tilt": tilt,
        "drift_nm": drift,
        "line_offset_pm": line_offset,
        "streaks": streaks,
        "streak_height_pm": streak_height,
        "noise_pm": noise,
    }
    _check(parameters)
    rng = np.random.default_rng(random_state)
    bare = isinstance(structure, pd.DataFrame) and "weight" not in structure
    # The weight of a column is what an electron microscope sees; here it is of no interest.
    table, planted, size, _, name = _open(structure.assign(weight=1.0) if bare else structure)
    shape = checked_shape(shape, size, pixel_size)
    sources = _scatterers(scatterers, planted, standing_wave) / pixel_size
    relative = _relative_heights(table, heights)
    if depth is not None:
        relative = np.where(_below_top(structure) <= depth, relative, 0.0)

    path = smooth_drift(shape[0], np.asarray(drift, dtype=float) / pixel_size, 0.0, rng)
    x, y = where_columns_appear(
        *(table[["x_nm", "y_nm"]].to_numpy(dtype=float).T / pixel_size), path, 0.0, 1.0
    )
    scored = relative > 0
    present = np.count_nonzero(scored & within(x, y, shape))
    if not present:
        raise ValueError("no visible column lies in the field of view: check pixel_size, shape and the table")
    covariance = _covariance(width / FWHM / pixel_size, elongation, elongation_angle)
    bumps = np.tile(covariance, (x.size, 1))
    volume = relative * 2 * np.pi * np.sqrt(covariance[0] * covariance[2] - covariance[1] ** 2)

    atoms = draw_columns(shape, x, y, volume, bumps)
    # The mean distance of the atoms, twice: a window that holds at least one cell of any simple lattice.
    scale = corrugation * _PM / _raw_corrugation(atoms, 2 * np.sqrt(atoms.size / present))
    lengths = np.array([wavelength, decay]) / pixel_size
    wave = -standing_wave * _PM * _waves(shape, sources, path, *lengths) if standing_wave else 0.0
    ideal = scale * atoms + wave
    if second_tip:
        dx, dy = np.asarray(second_tip_offset, dtype=float) / pixel_size
        copy = scale * draw_columns(shape, x + dx, y + dy, volume, bumps)
        if standing_wave:
            copy -= standing_wave * _PM * _waves(shape, sources + [dx, dy], path, *lengths)
        ideal = (ideal + second_tip * copy) / (1 + second_tip)
    ideal -= ideal.mean()

    measured = ideal + _plane(shape, tilt, pixel_size)
    measured += line_offset * _PM * rng.standard_normal((shape[0], 1))
    _add_streaks(measured, streaks, streak_height * _PM, rng)
    measured += noise * _PM * rng.standard_normal(shape)

    data = calibrated(measured.astype(np.float32), pixel_size, units="nm", long_name="height")
    sigma = np.sqrt((covariance[0] + covariance[2]) / 2)
    truth = truth_table(table, x, y, shape, pixel_size, sigma=sigma, height=relative * scale, scored=scored)
    extras = {"ideal": data.copy(data=ideal)}
    if standing_wave:
        extras["standing_wave"] = data.copy(data=wave)
    if planted is not None:
        extras["defects"] = _planted(planted, path, Instrument(), pixel_size, shape)
    seed = random_state if isinstance(random_state, int | np.integer) else None
    parameters["scatterers_nm"] = (sources * pixel_size).tolist()
    source = {"name": name, "real": False, "random_state": seed, "parameters": parameters}
    return Sample(data, truth, source, extras)


def _check(parameters):
    for name in ("corrugation_pm", "width_nm", "wavelength_nm", "decay_nm"):
        if not parameters[name] > 0:
            raise ValueError(f"{name.rpartition('_')[0]} must be positive, got {parameters[name]}")
    for name in ("line_offset_pm", "streaks", "streak_height_pm", "noise_pm"):
        if not parameters[name] >= 0:
            raise ValueError(f"{name.removesuffix('_pm')} must not be negative, got {parameters[name]}")
    if not 0 <= parameters["second_tip"] < 1:
        raise ValueError(
            f"second_tip is a share of the first one's current, from 0 to below 1, got "
            f"{parameters['second_tip']}"
        )
    if not parameters["elongation"] >= 1:
        raise ValueError(f"elongation is a ratio of 1 or more, got {parameters['elongation']}")
    for name, meaning in (
        ("second_tip_offset_nm", "(x, y) in nm"),
        ("tilt", "(x, y) in nm per nm"),
        ("drift_nm", "(x, y) in nm"),
    ):
        if np.shape(parameters[name]) != (2,) or not np.isfinite(parameters[name]).all():
            raise ValueError(f"{name.removesuffix('_nm')} is a pair {meaning}, got {parameters[name]!r}")


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


def _relative_heights(table, heights):
    """Height of every column's bump, 1 for an undisturbed one."""
    relative = table["visible"].to_numpy(dtype=float)
    if "n_atoms" in table:
        whole = table.groupby("label")["n_atoms"].transform("median").to_numpy()
        relative = relative * np.minimum(table["n_atoms"].to_numpy() / whole, 1)
    for species, height in (heights or {}).items():
        if not (table["species"] == species).any():
            raise ValueError(
                f"heights names {species!r}, but the columns are "
                f"{', '.join(map(repr, sorted(table['species'].unique())))}"
            )
        if not height >= 0:
            raise ValueError(f"heights must not be negative, got {height} for {species}")
        relative = np.where(table["species"] == species, height, relative)
    return relative


def _below_top(structure):
    """Distance in nm of every column's topmost atom from the highest one of all."""
    if isinstance(structure, pd.DataFrame):
        raise ValueError("a table of columns has no depth: leave out the columns that are not to be seen")
    z = structure.atoms.positions[:, 2] / 10
    top = np.full(len(structure.columns), -np.inf)
    np.maximum.at(top, structure.column_of_atom, z)
    return z.max() - top


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


def _waves(shape, sources, path, wavelength, decay):
    """Sum of circular waves of amplitude 1 around the sources; all lengths in pixels."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])
    field = np.zeros(shape)
    for x, y in sources:
        # Where the drifting scan is over the surface, exact for every pixel.
        r = np.hypot(columns - path[0][:, None] - x, rows - path[1][:, None] - y)
        field += j0(2 * np.pi / wavelength * r) * np.exp(-r / decay)
    return field


def _plane(shape, tilt, pixel_size):
    """Heights of a tilted plane, zero in the middle."""
    y, x = (pixel_size * (np.arange(n) - (n - 1) / 2) for n in shape)
    return tilt[0] * x + tilt[1] * y[:, None]


def _add_streaks(heights, count, size, rng):
    """Lift or lower pieces of scan lines, in place."""
    height, width = heights.shape
    rows, starts = rng.integers(height, size=count), rng.integers(width, size=count)
    lengths = rng.integers(max(1, width // 40), max(2, width // 5), size=count)
    steps = size * rng.uniform(0.5, 1.5, count) * rng.choice([-1.0, 1.0], count)
    for row, start, length, step in zip(rows, starts, lengths, steps, strict=True):
        heights[row, start : start + length] += step
