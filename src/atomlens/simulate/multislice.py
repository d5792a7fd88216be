"""Multislice images through abTEM (extra ``simulate``), and small ones that ship with atomlens.

`image` scatters electron waves at the atoms themselves, so that probe tails, channelling, thermal motion and
the detector's angles shape the columns; `sample` loads a stored one, for which nothing has to be installed.
"""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pandas as pd
from ase import Atoms
from scipy.ndimage import gaussian_filter, map_coordinates

from atomlens._extras import require
from atomlens._resources import resource
from atomlens._sample import Sample, pedigree
from atomlens._tiles import even_slices
from atomlens._types import Generator, Structure
from atomlens.simulate._frame import calibrated, checked_shape, truth_table, within
from atomlens.simulate.imaging import FWHM, Instrument, _open, _planted, check_dose

__all__ = ["SAMPLES", "image", "sample"]

SAMPLES = ("au110", "cdte110", "graphene_si", "mos2", "sto001", "zro2_twin")

_REACH = 3.0  # Å of specimen around a probe position: from there on, more changes less than 1 %
_TILE = 8  # probe positions a side that share one piece of specimen
_SLICE = 1.0  # Å: planes of atoms closer than this share a slice
_SURFACE = 0.5  # Å of vacuum above and below
_SAMPLING = 0.05  # Å: coarser, and a column's brightness depends on where it lies between the grid points
_NYQUIST = 0.9  # of the coarsest scan step that loses nothing
_NOISE_FREE = 1e5  # e/Å², as in simulate.image


def image(
    structure: Structure,
    *,
    pixel_size: float = 0.02,
    shape: tuple[int, ...] | None = None,
    energy: float = 100.0,
    convergence: float = 25.0,
    detector: tuple[float, ...] = (60.0, 160.0),
    defocus: float = 0.0,
    thickness: float = 4.0,
    frozen_phonons: tuple[int, float] = (4, 0.007),
    source: float = 0.06,
    dose: float | None = None,
    electrons: float | None = None,
    progress: bool = False,
    random_state: int | Generator = 0,
) -> Sample:
    """Image a structure by multislice simulation, with the same table of truth as `simulate.image`.

    Parameters
    ----------
    structure : Structure
    pixel_size : float
        In nm.
    shape : tuple of int, optional
        (H, W) of the image; the structure's field of view by default. The time goes with its area.
    energy : float
        Of the electrons, in keV.
    convergence : float
        Semi-angle of the probe, in mrad.
    detector : tuple of float
        Inner and outer angle, in mrad.
    defocus : float
        In nm; positive: the probe is focused inside the specimen (its entrance face is at zero).
    thickness : float
        Of the specimen, in nm; rounded to whole repeats of the structure. Sheets are as thick as they are.
    frozen_phonons : tuple
        (n, sigma): number of snapshots of the vibrating atoms that are averaged, and the standard deviation
        of the displacement along each axis, in nm. With n = 0 the atoms rest. Snapshots come in pairs of
        opposite displacements, so that an even number leaves every column where it is on average.
    source : float
        Full width at half maximum of the effective source, in nm.
    dose : float, optional
        Electrons per Å². Without `dose` and `electrons`, the image is free of noise at 1e5 e/Å².
    electrons : float, optional
        Instead of `dose`: detected electrons of the weakest scored column.
    progress : bool
        Show a progress bar.
    random_state : int or numpy.random.Generator

    Returns
    -------
    Sample
        As from `simulate.image`: ``data`` in counts, ``truth``, ``extras`` with ``expected`` (electrons
        before noise) and ``defects``. ``electrons``, ``background`` and ``sigma`` of the truth are measured
        (see Notes).

    Raises
    ------
    ImportError
        If abTEM is not installed.
    TypeError
        If `structure` is not a Structure: a table of columns has no atoms to scatter at.
    ValueError
        If nothing lies in the field, dose and electrons are both given, or a parameter is out of its range.

    Notes
    -----
    The field is cut into tiles of up to 8 x 8 probe positions, each scattered in its own piece of specimen
    that reaches 0.3 nm (and the width of the cone) beyond them, in slices that begin at the planes of atoms.
    The scan step is just below lambda / (4 alpha), the coarsest that loses nothing; splines take the image
    to its pixels.

    ``electrons`` of a column: Gaussians of one common width at the true positions and a constant background
    are fitted to the noise-free image by non-negative least squares; the integral of its Gaussian is what a
    column holds, the constant is ``background``, and the width is ``sigma``. That is the definition
    `simulate.image` draws by. Columns less than 0.05 nm apart (Ti and O along [001] in SrTiO3) share one
    Gaussian in proportion to Z**1.7. Broad tails count as background, so that a column really holds somewhat
    more.

    References
    ----------
    Madsen and Susi, Open Res. Europe 1, 24 (2021), for abTEM; Lobato and Van Dyck, Acta Cryst. A 70, 636
    (2014), for the potentials; Loane, Xu and Silcox, Acta Cryst. A 47, 267 (1991), for frozen phonons.

    Examples
    --------
    >>> from atomlens.simulate import structures
    >>> sheet = structures.transition_metal_dichalcogenide("MoS2", (2.0, 2.0))
    >>> sample = image(sheet, energy=80, electrons=500)  # doctest: +SKIP
    >>> sample.data.shape  # doctest: +SKIP
    (100, 100)
    """
    if isinstance(structure, pd.DataFrame) or not hasattr(structure, "atoms"):
        raise TypeError(
            f"cannot scatter at a {type(structure).__name__}: pass a structure of `simulate.structures` "
            "(a table of columns holds no atoms; `simulate.image` takes one)"
        )
    _check(energy, convergence, detector, thickness, frozen_phonons, source)
    check_dose(dose, electrons)
    table, planted, size, period, name = _open(structure)
    shape = checked_shape(shape, size, pixel_size)
    x, y = table[["x_nm", "y_nm"]].to_numpy(dtype=float).T / pixel_size
    weight = table["weight"].to_numpy(dtype=float)
    scored = table["visible"].to_numpy(dtype=bool) & (weight > 0)
    if not np.any(scored & within(x, y, shape)):
        raise ValueError("no visible column lies in the field of view: check pixel_size, shape and the table")
    abtem = require("abtem", reason="multislice simulation")
    from atomlens.simulate._columns_fit import fitted_electrons

    rng = np.random.default_rng(random_state)
    repeats = max(1, round(thickness * 10 / period)) if period else 1
    specimen = _specimen(structure.atoms, repeats)
    optics = _Optics(abtem, energy, convergence, detector, defocus, specimen)
    snapshots = _snapshots(specimen, frozen_phonons, rng)
    with abtem.config.set({"diagnostics.progress_bar": False, "fftw.threads": 1}):
        share = _share_detected(optics, snapshots, shape, 10 * pixel_size, 10 * source / FWHM, progress)
    expected = share * (10 * pixel_size) ** 2  # electrons a pixel at 1 e/Å²
    held, background, sigma = fitted_electrons(expected, x, y, weight, 0.05 / pixel_size)
    measured = {"sigma": sigma, "electrons": held, "background": background, "scored": scored}
    truth = truth_table(table, x, y, shape, pixel_size, **measured)
    parameters = {
        "pixel_size_nm": pixel_size,
        "repeats": repeats,
        "energy_keV": energy,
        "convergence_mrad": convergence,
        "detector_mrad": list(detector),
        "defocus_nm": defocus,
        "thickness_nm": thickness,
        "frozen_phonons": list(frozen_phonons),
        "source_nm": source,
    }
    still = np.zeros((2, shape[0]))
    planted = _planted(planted, still, Instrument(), pixel_size, shape)
    seed = rng if isinstance(random_state, np.random.Generator) else random_state
    return _recorded(expected, truth, planted, name, parameters, dose, electrons, seed)


def sample(
    name: str, *, dose: float | None = None, electrons: float | None = None, random_state: int | Generator = 0
) -> Sample:
    """Load a multislice image that ships with atomlens, and count electrons in it.

    Parameters
    ----------
    name : {"au110", "cdte110", "graphene_si", "mos2", "sto001", "zro2_twin"}
    dose, electrons : float, optional
        As for `image`: without either, the image is free of noise at 1e5 e/Å².
    random_state : int or numpy.random.Generator

    Returns
    -------
    Sample
        As from `image`.

    Raises
    ------
    ValueError
        If there is no such sample, dose and electrons are both given, or one of them is not positive.

    Examples
    --------
    >>> sheet = sample("mos2", electrons=200)
    >>> sheet.data.dims, sheet.data.shape
    (('y', 'x'), (144, 144))
    >>> round(float(sheet.truth.electrons[sheet.truth.scored].min()))
    200
    """
    if name not in SAMPLES:
        raise ValueError(f"there is no multislice sample {name!r}: choose one of {', '.join(SAMPLES)}")
    check_dose(dose, electrons)
    with np.load(resource("samples", "multislice", f"{name}.npz"), allow_pickle=False) as stored:
        record = json.loads(str(stored["record"]))
        expected = stored["image"].astype(float) * record["scale"]
        truth, planted = _table(stored, "truth"), _table(stored, "defects")
    return _recorded(
        expected, truth, planted, record["name"], record["parameters"], dose, electrons, random_state
    )


def _table(stored, what):
    """A table whose columns are stored as arrays called ``what.column``, floats in single precision."""
    table = pd.DataFrame({key.partition(".")[2]: stored[key] for key in stored if key.startswith(f"{what}.")})
    return table.astype({name: float for name in table if table[name].dtype == np.float32})


def _recorded(expected, truth, planted, name, parameters, dose, electrons, random_state):
    """Sample of an expected image and its table, both given for 1 e/Å²."""
    counted = dose is not None or electrons is not None
    if electrons is not None:
        weakest = truth.loc[truth["scored"], "electrons"].min()
        if not weakest > 0:
            raise ValueError(
                "the weakest scored column sends no electrons to the detector, so none can be asked of it: "
                "give `dose`, or look at detector and defocus"
            )
        dose = electrons / weakest
    used = dose if counted else _NOISE_FREE
    expected = expected * used
    counts = np.random.default_rng(random_state).poisson(expected) if counted else expected
    data = calibrated(
        counts.astype(np.float32), parameters["pixel_size_nm"], units="counts", long_name="intensity"
    )
    extras = {
        "expected": data.copy(data=expected).assign_attrs(units="electrons"),
        "defects": planted,
    }
    source = pedigree(name, random_state, {**parameters, "dose_e_per_A2": dose})
    truth = truth.assign(electrons=truth["electrons"] * used, background=truth["background"] * used)
    return Sample(data, truth, source, extras)


def _check(energy, convergence, detector, thickness, frozen_phonons, source):
    for label, value in (("energy", energy), ("convergence", convergence), ("thickness", thickness)):
        if not value > 0:
            raise ValueError(f"{label} must be positive, got {value}")
    if np.shape(detector) != (2,) or not 0 <= detector[0] < detector[1]:
        raise ValueError(f"detector is a pair of angles (inner, outer) in mrad, got {detector!r}")
    if np.shape(frozen_phonons) != (2,) or not min(frozen_phonons) >= 0 or frozen_phonons[0] % 1:
        raise ValueError(f"frozen_phonons is (number of snapshots, sigma in nm), got {frozen_phonons!r}")
    if not source >= 0:
        raise ValueError(f"source must not be negative, got {source}")


class _Optics:
    """Probe, detector and grids of one simulation; lengths in Å."""

    def __init__(self, abtem, energy, convergence, detector, defocus, specimen):
        from scipy.fft import next_fast_len

        self.abtem = abtem
        wavelength = abtem.core.energy.energy2wavelength(1e3 * energy)
        alpha = 1e-3 * convergence
        self.step = _NYQUIST * wavelength / (4 * alpha)
        self.height = specimen.cell[2, 2]
        cone = alpha * max(abs(10 * defocus), abs(10 * defocus - self.height))
        self.width = (_TILE - 1) * self.step + 2 * (_REACH + cone)
        # Angles are exact up to two thirds of what the grid holds.
        sampling = min(_SAMPLING, wavelength / (3.06e-3 * detector[1]))
        self.gpts = next_fast_len(int(np.ceil(self.width / sampling)))
        self.slices = _slices(specimen.positions[:, 2], self.height)
        self.probe = abtem.Probe(energy=1e3 * energy, semiangle_cutoff=convergence, defocus=10 * defocus)
        self.detector = abtem.AnnularDetector(*detector)

    def scan(self, atoms, x, y):
        """Share of the electrons detected with the probe at these x and y, an array (len(x), len(y))."""
        corner = np.array([(x[0] + x[-1]) / 2, (y[0] + y[-1]) / 2]) - self.width / 2
        near = np.all(np.abs(atoms.positions[:, :2] - corner - self.width / 2) < self.width / 2, axis=1)
        if not near.any():
            return np.zeros((len(x), len(y)))
        piece = atoms[near]
        piece.positions[:, :2] -= corner
        piece.cell = [self.width, self.width, self.height]
        potential = self.abtem.Potential(piece, gpts=self.gpts, slice_thickness=self.slices).build(lazy=False)
        self.probe.grid.match(potential)
        scan = self.abtem.GridScan(
            start=(x[0] - corner[0], y[0] - corner[1]),
            end=(x[-1] - corner[0], y[-1] - corner[1]),
            gpts=(len(x), len(y)),
            endpoint=True,
        )
        return self.probe.scan(potential, scan=scan, detectors=self.detector, lazy=False).array


def _specimen(atoms, repeats):
    """The atoms alone, as many repeats deep as asked for, between two thin layers of vacuum."""
    specimen = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    specimen = specimen.repeat((1, 1, repeats))
    z = specimen.positions[:, 2]
    z += _SURFACE - z.min()
    specimen.cell[2, 2] = z.max() + _SURFACE
    return specimen


def _slices(z, height):
    """Thickness of every slice, in Å.

    A slice scatters where it begins, so it begins (just before) the atoms: the waves then travel the true
    distance from one plane of atoms to the next.
    """
    starts = [0.0]
    for plane in np.unique(z) - _SURFACE / 2:
        if plane - starts[-1] >= _SLICE:
            starts.append(plane)
    return tuple(np.diff([*starts, height]))


def _snapshots(specimen, frozen_phonons, rng):
    """The specimen with every atom displaced at random, once for each snapshot."""
    count, sigma = int(frozen_phonons[0]), 10 * frozen_phonons[1]
    result = []
    move = np.zeros(specimen.positions.shape)
    for i in range(max(count, 1)):
        if count:
            move = -move if i % 2 else rng.normal(0, sigma, move.shape)
        shaken = specimen.copy()
        shaken.positions += move
        result.append(shaken)
    return result


def _share_detected(optics, snapshots, shape, pixel_size, blur, progress):
    """Share of the incident electrons that reach the detector, for every pixel; lengths in Å."""
    from tqdm.auto import tqdm

    # Beyond the image: what the source blurs in, and what the splines hold on to.
    rim = 3 * blur + 4 * optics.step
    y, x = (np.arange(-rim, (n - 1) * pixel_size + rim + optics.step, optics.step) for n in shape)
    total = np.zeros((len(y), len(x)))
    jobs = [*product(snapshots, *(even_slices(len(side), -(-len(side) // _TILE)) for side in (y, x)))]
    for atoms, rows, columns in tqdm(jobs, disable=not progress, unit="tile"):
        total[rows, columns] += optics.scan(atoms, x[columns], y[rows]).T
    coarse = gaussian_filter(total / len(snapshots), blur / optics.step, mode="nearest")
    at = [(np.arange(n) * pixel_size + rim) / optics.step for n in shape]
    fine = map_coordinates(coarse, np.meshgrid(*at, indexing="ij"), order=5, mode="nearest")
    return np.maximum(fine, 0)
