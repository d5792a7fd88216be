"""Images of projected columns: what a scanning transmission electron microscope would record.

One forward model: every column is a Gaussian whose height follows Z-contrast; the scan moves it,
the specimen adds background and contamination, and the detector counts electrons.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd
from scipy.ndimage import fourier_gaussian

from atomlens._render import draw_columns
from atomlens._sample import Sample, pedigree
from atomlens._types import DataFrame, Generator, Structure
from atomlens.simulate import _detector as detector
from atomlens.simulate._frame import calibrated, checked_shape, truth_table, within
from atomlens.simulate._scan import add_scars, smooth_drift, where_columns_appear
from atomlens.simulate._uneven import across, bowed, pixels

__all__ = ["Instrument", "image"]

FWHM = 2 * np.sqrt(2 * np.log(2))
# Cross-section for scattering into an annular dark-field detector, in Å² per unit of Z**1.7: about 0.01 Å²
# for one molybdenum atom, the order of magnitude of a high-angle detector at 60-100 kV.
CROSS_SECTION = 2e-5


@dataclass(frozen=True)
class Instrument:
    """Microscope, specimen surface and detector: everything between columns and counts.

    Parameters
    ----------
    probe : float
        Full width at half maximum of a column at focus, in nm.
    source : float
        Full width at half maximum of the effective source, in nm; added in quadrature.
    defocus : float
        In nm; widens the probe by the blur of a cone of half-angle `convergence`.
    convergence : float
        Semi-angle of the probe, in mrad.
    astigmatism : float
        Half of the difference of the defocus along two perpendicular directions, in nm; out of focus it makes
        columns oblong.
    astigmatism_angle : float
        Direction of the larger defocus, in degrees from x.
    tails : float
        Fraction of each column's electrons in wide tails (three times the probe).
    mistilt : float
        Tilt of the specimen, in mrad, at the right edge of the image; it grows linearly from zero at the
        left edge and smears the columns along `mistilt_angle` by tilt times thickness.
    mistilt_angle : float
        Direction of the smear, in degrees from x.
    thickness : float
        Of the specimen, in nm; rounded to whole repeats of the structure.
    wedge : float
        Thickness at one side of the field, relative to that at the other.
    bow : float
        Fraction of the illumination that is missing in the corners.
    vacuum : float
        Fraction of the field, at the thin side, that is empty.
    slope : float
        Additional signal at one side of the field, in heights of a typical column; it grows linearly from
        none at the other side.
    uneven_angle : float
        Direction, in degrees from x, in which the specimen thickens and the additional signal grows.
    background : float
        Uniform signal, as a fraction of the mean signal of the columns.
    contamination : float
        Standard deviation of a slowly varying layer on the surface, as a fraction of the mean signal.
    contamination_length : float
        Size of its clouds, in nm.
    drift : tuple of float
        Total (x, y) drift during the frame, in nm.
    wander : float
        Standard deviation of slow random drift, in nm.
    jitter : float
        Standard deviation of the displacement of single scan lines along x, in nm.
    flyback : float
        Displacement at the start of every line, in nm; decays within a twentieth of the line.
    scars : int
        Number of disturbed pieces of scan lines.
    frames : int
        Number of frames that are summed, each shifted at random by up to half a pixel and registered again
        by linear interpolation.
    split : float
        Of a split detector (differential phase contrast), in nm: the image is the difference of its halves,
        which see the specimen so far apart. Values have a sign; at the centre of a column it changes.
    split_angle : float
        Direction in which the detector is split, in degrees from x.
    blur : float
        Standard deviation, in pixels, over which the detector spreads what it counted: the noise of
        neighbouring pixels is alike.
    streaks : float
        Standard deviation of an offset of every scan line, in heights of a typical column.
    streak_gain : float
        Standard deviation of the relative gain of every scan line.
    hot_pixels : float
        Fraction of pixels with a value far too large.
    dead_pixels : float
        Fraction of pixels that count nothing.
    saturation : float
        Fraction of pixels, the brightest, that are cut off at the ceiling of the detector.
    read_noise : float
        Standard deviation of Gaussian detector noise, in electrons a pixel.
    gain : float
        Counts an electron.
    offset : float
        Counts added to every pixel.
    inverted : bool
        Whether dark and bright are exchanged.

    Examples
    --------
    >>> Instrument(probe=0.1, source=0.0, defocus=0.0).width
    0.1
    """

    probe: float = 0.08
    source: float = 0.06
    defocus: float = 0.0
    convergence: float = 25.0
    astigmatism: float = 0.0
    astigmatism_angle: float = 0.0
    tails: float = 0.0
    mistilt: float = 0.0
    mistilt_angle: float = 0.0
    thickness: float = 10.0
    wedge: float = 1.0
    bow: float = 0.0
    vacuum: float = 0.0
    slope: float = 0.0
    uneven_angle: float = 0.0
    background: float = 0.3
    contamination: float = 0.0
    contamination_length: float = 1.0
    drift: tuple[float, float] = (0.0, 0.0)
    wander: float = 0.0
    jitter: float = 0.0
    flyback: float = 0.0
    scars: int = 0
    frames: int = 1
    split: float = 0.0
    split_angle: float = 0.0
    blur: float = 0.0
    streaks: float = 0.0
    streak_gain: float = 0.0
    hot_pixels: float = 0.0
    dead_pixels: float = 0.0
    saturation: float = 0.0
    read_noise: float = 0.0
    gain: float = 1.0
    offset: float = 0.0
    inverted: bool = False

    def __post_init__(self):
        never_negative = {f.name for f in fields(self)} - {
            "drift",
            "defocus",
            "astigmatism",
            "astigmatism_angle",
            "mistilt",
            "mistilt_angle",
            "uneven_angle",
            "split_angle",
            "flyback",
            "offset",
            "inverted",
        }
        for name in sorted(never_negative):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("probe", "gain", "wedge"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.frames != int(self.frames) or self.frames < 1:
            raise ValueError(f"frames is a whole number of at least 1, got {self.frames!r}")
        for name in ("tails", "bow", "vacuum", "hot_pixels", "dead_pixels", "saturation"):
            if not getattr(self, name) < 1:
                raise ValueError(f"{name} is a fraction below 1, got {getattr(self, name)}")
        if np.shape(self.drift) != (2,):
            raise ValueError(f"drift is a pair (x, y) in nm, got {self.drift!r}")

    @property
    def width(self) -> float:
        """Full width at half maximum of a column, in nm, but for the mistilt; the mean over directions."""
        blur, uneven = (FWHM * abs(f) * self.convergence * 1e-3 / 2 for f in (self.defocus, self.astigmatism))
        return float(np.sqrt(self.probe**2 + self.source**2 + blur**2 + uneven**2))


def image(
    structure: Structure | DataFrame,
    *,
    pixel_size: float = 0.02,
    shape: tuple[int, ...] | None = None,
    dose: float | None = None,
    electrons: float | None = None,
    instrument: Instrument | None = None,
    random_state: int | Generator = 0,
) -> Sample:
    """Image a structure, with the exact position of every column.

    Parameters
    ----------
    structure : Structure or DataFrame
        What is imaged; as a table it needs ``x_nm``, ``y_nm``, ``weight`` (Z-contrast, Z**1.7 summed over
        a column) and may have ``label``, ``visible``, ``species``, ``domain``, ``defect``.
    pixel_size : float
        In nm.
    shape : tuple of int, optional
        (H, W) of the image; the structure's field of view by default.
    dose : float, optional
        Electrons per Å². Without `dose` and `electrons`, the image is free of noise at 1e5 e/Å².
    electrons : float, optional
        Instead of `dose`: detected electrons of the weakest scored column, which is what limits
        everything that can be found in an image.
    instrument : Instrument, optional
    random_state : int or numpy.random.Generator

    Returns
    -------
    Sample
        ``data``: the image, dims (y, x), coordinates in nm, in counts. ``truth``: one row a column whose
        centre lies in the image: ``x, y`` (pixels, where the scan sees it: drift and fly-back included,
        jitter not), ``x_nm, y_nm``, ``label``, ``species``, ``sigma`` (pixels, of the Gaussian before
        pixel integration, widened by blur and registration), ``electrons`` (expected), ``background``
        (electrons a pixel), ``scored`` (False for columns too light to be asked for), and
        what else the structure's table holds. ``extras``: ``expected`` (what arrives at the detector, in
        electrons), ``defects`` (what was planted, in pixels and nm) and, with vacuum or bad pixels, ``mask``
        (True where the image does not show the crystal).

    Raises
    ------
    ValueError
        If the table lacks a column, nothing lies in the field, dose and electrons are both given, or a
        parameter is not positive.

    Notes
    -----
    Expected electrons of a column: dose x 2e-5 Å² x sum of Z**1.7. The exponent is that of high-angle
    annular dark field; the factor is an order of magnitude, so quote detected electrons, not dose.

    References
    ----------
    Krivanek et al., Nature 464, 571 (2010), for the exponent.

    Examples
    --------
    >>> table = pd.DataFrame({"x_nm": [1.0], "y_nm": [0.5], "weight": [574.0]})
    >>> sample = image(table, shape=(50, 100), electrons=1e4, instrument=Instrument(background=0))
    >>> float(sample.truth.x[0]), round(float(sample.data.sum()), -3)
    (50.0, 10000.0)
    """
    instrument = Instrument() if instrument is None else instrument
    rng = np.random.default_rng(random_state)
    table, planted, size, period, name = _open(structure)
    shape = checked_shape(shape, size, pixel_size)
    check_dose(dose, electrons)

    repeats = max(1, round(instrument.thickness * 10 / period)) if period else 1
    path = smooth_drift(
        shape[0], np.asarray(instrument.drift) / pixel_size, instrument.wander / pixel_size, rng
    )
    x, y = where_columns_appear(
        table["x_nm"].to_numpy() / pixel_size,
        table["y_nm"].to_numpy() / pixel_size,
        path,
        instrument.flyback / pixel_size,
        shape[1] / 20,
    )
    place = across(x, y, shape, instrument.uneven_angle)
    if instrument.vacuum:
        there = place >= instrument.vacuum
        table, x, y, place = table[there], x[there], y[there], place[there]
    light = 1 + (instrument.wedge - 1) * place
    if instrument.bow:
        light *= bowed(x, y, shape, instrument.bow)
    weight = table["weight"].to_numpy(dtype=float) * light
    scored = table["visible"].to_numpy(dtype=bool) & (weight > 0)
    inside = within(x, y, shape)
    if not np.any(scored & inside):
        raise ValueError("no visible column lies in the field of view: check pixel_size, shape and the table")
    per_weight = (1e5 if dose is None else dose) * CROSS_SECTION * repeats
    if electrons is not None:
        per_weight = electrons / weight[scored & inside].min()
    counts = weight * per_weight

    covariance = _covariance(instrument, x, shape, pixel_size)
    spread = covariance[:, 0] * covariance[:, 2] - covariance[:, 1] ** 2
    height = np.median((counts / (2 * np.pi * np.sqrt(spread)))[scored & inside])
    expected, below = _expected(shape, x, y, counts, covariance, height, instrument, pixel_size, rng)
    counted = dose is not None or electrons is not None
    frames = rng.uniform(-0.5, 0.5, (instrument.frames, 2)) if instrument.frames > 1 else None
    measured, bad = _detect(expected, frames, height, instrument, pixel_size, rng, counted)

    data = calibrated(measured, pixel_size, units="counts", long_name="intensity")
    row, column = (np.clip(np.rint(a).astype(int), 0, n - 1) for a, n in zip((y, x), shape, strict=True))
    truth = truth_table(
        table,
        x,
        y,
        shape,
        pixel_size,
        # The mean width of both axes: what an isotropic fit of the column would ideally report.
        sigma=np.sqrt(
            (covariance[:, 0] + covariance[:, 2]) / 2 + instrument.blur**2 + detector.added_variance(frames)
        ),
        electrons=counts,
        background=below[row, column],
        scored=scored,
    )
    parameters = {
        "pixel_size_nm": pixel_size,
        "dose_e_per_A2": per_weight / (CROSS_SECTION * repeats) if counted else None,
        "repeats": repeats,
        **asdict(instrument),
    }
    extras = {"expected": data.copy(data=expected).assign_attrs(units="electrons")}
    if planted is not None:
        seen = _planted(planted, path, instrument, pixel_size, shape)
        inside = across(seen["x"], seen["y"], shape, instrument.uneven_angle) >= instrument.vacuum
        extras["defects"] = seen[inside].reset_index(drop=True)
    empty = across(*pixels(shape), shape, instrument.uneven_angle) < instrument.vacuum
    if bad is not None or instrument.vacuum:
        extras["mask"] = data.copy(data=empty if bad is None else empty | bad).assign_attrs(units="")
    return Sample(data, truth, pedigree(name, random_state, parameters), extras)


def _open(structure):
    """Table of columns with every field filled, planted defects, field of view, repeat and name."""
    if isinstance(structure, pd.DataFrame):
        table, planted, size, period, name = structure, None, None, None, "columns"
    elif hasattr(structure, "columns") and hasattr(structure, "period"):
        table, planted = structure.columns, structure.defects
        size, period, name = structure.size, structure.period, structure.name
    else:
        raise TypeError(
            f"cannot image a {type(structure).__name__}: pass a structure of `simulate.structures` "
            "or a table of columns (x_nm, y_nm, weight)"
        )
    missing = [c for c in ("x_nm", "y_nm", "weight") if c not in table]
    if missing:
        raise ValueError(
            f"the table of columns lacks {', '.join(missing)}: it has {', '.join(table.columns)}"
        )
    if not np.isfinite(table[["x_nm", "y_nm", "weight"]].to_numpy(dtype=float)).all():
        raise ValueError("the table of columns holds NaN or infinite positions or weights: drop those rows")
    defaults = {"label": 0, "species": "", "visible": True}
    table = table.assign(**{c: v for c, v in defaults.items() if c not in table})
    return table, planted, size, period, name


def _covariance(instrument, x, shape, pixel_size):
    """Covariance (xx, xy, yy) of every column in square pixels: the probe, smeared by the mistilt."""
    sigma = instrument.width / FWHM / pixel_size
    covariance = np.tile([sigma**2, 0.0, sigma**2], (x.size, 1))
    if instrument.astigmatism:
        # (defocus +- astigmatism)**2 differ from their mean by +- twice the product
        cone = (instrument.convergence * 1e-3 / 2 / pixel_size) ** 2
        oblong = 2 * instrument.defocus * instrument.astigmatism * cone
        angle = np.radians(2 * instrument.astigmatism_angle)
        covariance += oblong * np.array([np.cos(angle), np.sin(angle), -np.cos(angle)])
    if instrument.mistilt:
        tilt = instrument.mistilt * 1e-3 * np.clip(x / max(shape[1] - 1, 1), 0, 1)
        smear = (tilt * instrument.thickness / pixel_size) ** 2 / 12  # variance of a box
        angle = np.radians(instrument.mistilt_angle)
        c, s = np.cos(angle), np.sin(angle)
        covariance += smear[:, None] * np.array([c * c, c * s, s * s])
    return covariance


def _expected(shape, x, y, counts, covariance, height, instrument, pixel_size, rng):
    """Electrons expected in every pixel, and those of them that do not come from columns."""
    jitter = None
    if instrument.jitter:
        jitter = rng.normal(0, instrument.jitter / pixel_size, shape[0])
    core = draw_columns(shape, x, y, counts * (1 - instrument.tails), covariance, row_shift=jitter)
    if instrument.tails:
        core += draw_columns(shape, x, y, counts * instrument.tails, covariance * 9)
    light = bowed(*pixels(shape), shape, instrument.bow) if instrument.bow else 1.0
    level = (core / light).mean()
    background = np.full(shape, instrument.background * level)
    if instrument.contamination:
        white = np.fft.rfft2(rng.standard_normal(shape))
        length = instrument.contamination_length / pixel_size
        cloud = np.fft.irfft2(fourier_gaussian(white, length, n=shape[1]), s=shape)
        background += instrument.contamination * level * (cloud - cloud.min()) / max(cloud.std(), 1e-12)
    place = across(*pixels(shape), shape, instrument.uneven_angle)
    if instrument.slope:
        background += instrument.slope * height * place
    background *= light
    if instrument.vacuum:
        background[place < instrument.vacuum] = 0
    expected = core + background
    if instrument.scars:
        add_scars(expected, instrument.scars, rng)
    return expected, background


def _detect(expected, frames, height, instrument, pixel_size, rng, counted):
    """Counts, and which pixels are bad: electrons, their spread, noise and streaks, ceiling, gain and offset.

    `height` is that of a typical column, in electrons.
    """
    angle = np.radians(instrument.split_angle)
    split = instrument.split / pixel_size * np.array([np.sin(angle), np.cos(angle)])
    electrons = detector.arrived(expected, frames, split, rng, counted)
    electrons = detector.blur(electrons, instrument.blur)
    if instrument.read_noise:
        electrons += rng.normal(0, instrument.read_noise, expected.shape).astype(np.float32)
    detector.add_streaks(electrons, instrument.streaks * height, instrument.streak_gain, rng)
    bad = detector.add_bad_pixels(electrons, instrument.hot_pixels, instrument.dead_pixels, rng)
    electrons = detector.saturate(electrons, instrument.saturation)
    counts = electrons * np.float32(instrument.gain) + np.float32(instrument.offset)
    return (counts.max() - counts if instrument.inverted else counts), bad


def _planted(planted, path, instrument, pixel_size, shape):
    """The structure's table of defects, where the scan sees them, in pixels and nm."""
    x, y = where_columns_appear(
        planted["x_nm"].to_numpy(dtype=float) / pixel_size,
        planted["y_nm"].to_numpy(dtype=float) / pixel_size,
        path,
        instrument.flyback / pixel_size,
        shape[1] / 20,
    )
    table = planted.assign(x=x, y=y, x_nm=x * pixel_size, y_nm=y * pixel_size)
    return table[within(x, y, shape)].reset_index(drop=True)


def check_dose(dose, electrons):
    """Refuse both ways to say how many electrons there are, and numbers of them that are not positive."""
    if dose is not None and electrons is not None:
        raise ValueError("give either `dose` (e/Å²) or `electrons` (of the weakest scored column), not both")
    for label, value in (("dose", dose), ("electrons", electrons)):
        if value is not None and not value > 0:
            raise ValueError(f"{label} must be positive, got {value}")
