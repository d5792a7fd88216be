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
from atomlens.simulate._frame import calibrated, checked_shape, truth_table, within
from atomlens.simulate._scan import add_scars, smooth_drift, where_columns_appear

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
    tails : float
        Fraction of each column's electrons in wide tails (three times the probe).
    mistilt : float
        Tilt of the specimen, in mrad, at the right edge of the image; it grows linearly from zero at the
        left edge and smears the columns along `mistilt_angle` by tilt times thickness.
    mistilt_angle : float
        Direction of the smear, in degrees from x.
    thickness : float
        Of the specimen, in nm; rounded to whole repeats of the structure.
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
    hot_pixels : float
        Fraction of pixels with a value far too large.
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
    tails: float = 0.0
    mistilt: float = 0.0
    mistilt_angle: float = 0.0
    thickness: float = 10.0
    background: float = 0.3
    contamination: float = 0.0
    contamination_length: float = 1.0
    drift: tuple[float, float] = (0.0, 0.0)
    wander: float = 0.0
    jitter: float = 0.0
    flyback: float = 0.0
    scars: int = 0
    hot_pixels: float = 0.0
    read_noise: float = 0.0
    gain: float = 1.0
    offset: float = 0.0
    inverted: bool = False

    def __post_init__(self):
        never_negative = {f.name for f in fields(self)} - {
            "drift",
            "defocus",
            "mistilt",
            "mistilt_angle",
            "flyback",
            "offset",
            "inverted",
        }
        for name in sorted(never_negative):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not (self.probe > 0 and self.gain > 0):
            raise ValueError(f"probe and gain must be positive, got {self.probe} nm and {self.gain}")
        for name in ("tails", "hot_pixels"):
            if not getattr(self, name) < 1:
                raise ValueError(f"{name} is a fraction below 1, got {getattr(self, name)}")
        if np.shape(self.drift) != (2,):
            raise ValueError(f"drift is a pair (x, y) in nm, got {self.drift!r}")

    @property
    def width(self) -> float:
        """Full width at half maximum of a column, in nm, everything but mistilt included."""
        blur = FWHM * abs(self.defocus) * self.convergence * 1e-3 / 2
        return float(np.sqrt(self.probe**2 + self.source**2 + blur**2))


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
        pixel integration), ``electrons`` (expected), ``background`` (electrons a pixel), ``scored``
        (False for columns too light to be asked for), and what else the structure's table holds.
        ``extras``: ``expected`` (the image before noise, in electrons) and ``defects`` (what was planted,
        in pixels and nm).

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
    weight = table["weight"].to_numpy(dtype=float)
    scored = table["visible"].to_numpy(dtype=bool) & (weight > 0)
    inside = within(x, y, shape)
    if not np.any(scored & inside):
        raise ValueError("no visible column lies in the field of view: check pixel_size, shape and the table")
    per_weight = (1e5 if dose is None else dose) * CROSS_SECTION * repeats
    if electrons is not None:
        per_weight = electrons / weight[scored & inside].min()
    counts = weight * per_weight

    covariance = _covariance(instrument, x, shape, pixel_size)
    expected, below = _expected(shape, x, y, counts, covariance, instrument, pixel_size, rng)
    counted = dose is not None or electrons is not None
    measured = _detect(expected, instrument, rng, counted)

    data = calibrated(measured, pixel_size, units="counts", long_name="intensity")
    row, column = (np.clip(np.rint(a).astype(int), 0, n - 1) for a, n in zip((y, x), shape, strict=True))
    truth = truth_table(
        table,
        x,
        y,
        shape,
        pixel_size,
        # The mean width of both axes: what an isotropic fit of the column would ideally report.
        sigma=np.sqrt((covariance[:, 0] + covariance[:, 2]) / 2),
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
        extras["defects"] = _planted(planted, path, instrument, pixel_size, shape)
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
    if instrument.mistilt:
        tilt = instrument.mistilt * 1e-3 * np.clip(x / max(shape[1] - 1, 1), 0, 1)
        smear = (tilt * instrument.thickness / pixel_size) ** 2 / 12  # variance of a box
        angle = np.radians(instrument.mistilt_angle)
        c, s = np.cos(angle), np.sin(angle)
        covariance += smear[:, None] * np.array([c * c, c * s, s * s])
    return covariance


def _expected(shape, x, y, counts, covariance, instrument, pixel_size, rng):
    """Electrons expected in every pixel, and those of them that do not come from columns."""
    jitter = None
    if instrument.jitter:
        jitter = rng.normal(0, instrument.jitter / pixel_size, shape[0])
    core = draw_columns(shape, x, y, counts * (1 - instrument.tails), covariance, row_shift=jitter)
    if instrument.tails:
        core += draw_columns(shape, x, y, counts * instrument.tails, covariance * 9)
    level = core.mean()
    background = np.full(shape, instrument.background * level)
    if instrument.contamination:
        white = np.fft.rfft2(rng.standard_normal(shape))
        length = instrument.contamination_length / pixel_size
        cloud = np.fft.irfft2(fourier_gaussian(white, length, n=shape[1]), s=shape)
        background += instrument.contamination * level * (cloud - cloud.min()) / max(cloud.std(), 1e-12)
    expected = core + background
    if instrument.scars:
        add_scars(expected, instrument.scars, rng)
    return expected, background


def _detect(expected, instrument, rng, counted):
    """Counts: Poisson electrons, read-out noise, hot pixels, gain and offset, inversion."""
    electrons = rng.poisson(expected).astype(np.float32) if counted else expected.astype(np.float32)
    if instrument.read_noise:
        electrons += rng.normal(0, instrument.read_noise, expected.shape).astype(np.float32)
    if instrument.hot_pixels:
        hot = rng.random(expected.shape) < instrument.hot_pixels
        electrons[hot] = rng.uniform(5, 50, np.count_nonzero(hot)) * max(electrons.max(), 1.0)
    counts = electrons * np.float32(instrument.gain) + np.float32(instrument.offset)
    return counts.max() - counts if instrument.inverted else counts


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
