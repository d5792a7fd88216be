"""The sheet in which defects lie, laid over an image: its structure known, orientation and place fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, label, map_coordinates
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from atomlens._types import Any, ndarray

__all__ = ["Host", "Placed", "graphene", "place"]

_Z_POWER = 1.7  # of the intensity of an atom in a dark field: Krivanek et al., Nature 464, 571 (2010)
_WIDTH = 0.32  # standard deviation of an atom's image, in bonds: a probe of about 0.1 nm over graphene
_WIDE, _NEAR = 1.5, 0.7  # nm: the window for the lattice itself, and the one for its place at the defect
_HIDDEN = 0.2  # nm around a guest that say nothing about the sheet: its light, and its relaxed neighbours
_SCALES = np.arange(0.90, 1.13, 0.02)  # nominal calibrations are off by up to a tenth
_STRAIN = 0.02  # by which a scan is distorted, usually
_PIXEL = 0.03  # nm: finer pixels are averaged, they tell no more about a lattice
_DIRT = 1.5  # nm2: the smoothed light of four Si atoms side by side covers 1.0
_PADDED = 512  # pixels of the spectrum in which orientation and scale are looked for first


@dataclass(frozen=True, eq=False)
class Host:
    """A flat crystal: its cell, and the atoms in it.

    Attributes
    ----------
    cell : ndarray of shape (2, 2)
        Lattice vectors as rows, (x, y) in nm.
    sites : ndarray of shape (S, 2)
        Fractional coordinates of the atoms.
    elements : tuple of str
        Chemical symbols of the atoms.

    Examples
    --------
    >>> sheet = graphene()
    >>> sheet.elements, round(sheet.bond, 3)
    (('C', 'C'), 0.142)
    """

    cell: np.ndarray
    sites: np.ndarray
    elements: tuple

    @classmethod
    def from_atoms(cls, atoms: Any) -> Host:
        """Make a host of the unit cell of a flat crystal, an `ase.Atoms` in ångström.

        Raises
        ------
        ValueError
            If the first two lattice vectors do not lie in the plane of x and y.

        Examples
        --------
        >>> import ase.build
        >>> Host.from_atoms(ase.build.graphene(formula="BN", a=2.51)).elements
        ('B', 'N')
        """
        cell = np.asarray(atoms.cell)[:2]
        if np.abs(cell[:, 2]).max() > 1e-6 or abs(np.linalg.det(cell[:, :2])) < 1e-6:
            raise ValueError("the first two lattice vectors of a host must span the plane of x and y")
        sites = atoms.get_scaled_positions()[:, :2]
        return cls(cell[:, :2] / 10, sites, tuple(atoms.get_chemical_symbols()))

    @property
    def bond(self) -> float:
        """Shortest distance between two atoms, in nm."""
        xy = self.around(1)[0]
        return float(cKDTree(xy).query(xy, k=2)[0][:, 1].min())

    def around(self, cells: int) -> tuple[ndarray, ndarray]:
        """Atoms of (2 cells + 1) x (2 cells + 1) unit cells: positions (N, 2) in nm, and their site (N,)."""
        n = np.arange(-cells, cells + 1)
        corner = np.stack(np.meshgrid(n, n, indexing="ij"), axis=-1).reshape(-1, 1, 2)
        return ((corner + self.sites) @ self.cell).reshape(-1, 2), np.tile(
            np.arange(len(self.sites)), n.size**2
        )

    def waves(self) -> tuple[ndarray, ndarray]:
        """Miller indices (M, 2) of one half-plane that an image resolves, and their amplitudes (M,)."""
        from ase.data import atomic_numbers

        weight = np.array([atomic_numbers[e] for e in self.elements], dtype=float) ** _Z_POWER
        n = np.arange(-4, 5)
        miller = np.stack(np.meshgrid(n, n, indexing="ij"), axis=-1).reshape(-1, 2)
        miller = miller[(miller[:, 0] > 0) | ((miller[:, 0] == 0) & (miller[:, 1] > 0))]
        k = np.linalg.norm(miller @ np.linalg.inv(self.cell).T, axis=1)
        damped = np.exp(-2 * (np.pi * k * _WIDTH * self.bond) ** 2) / weight.sum()
        amplitude = (weight * np.exp(-2j * np.pi * miller @ self.sites.T)).sum(axis=1) * damped
        seen = np.abs(amplitude) > 0.02 * np.abs(amplitude).max()
        return miller[seen], amplitude[seen]

    def turns(self) -> float:
        """Angle in degrees after which the lattice (of points) repeats."""
        a, b = self.cell
        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        if abs(np.linalg.norm(a) / np.linalg.norm(b) - 1) > 1e-3:
            return 180.0
        return 60.0 if abs(abs(cosine) - 0.5) < 1e-3 else 90.0 if abs(cosine) < 1e-3 else 180.0


def graphene() -> Host:
    """Graphene: two carbon atoms in a cell of 0.246 nm.

    Returns
    -------
    Host

    Examples
    --------
    >>> len(graphene().sites)
    2
    """
    from ase.build import graphene as sheet

    return Host.from_atoms(sheet(a=2.46))


@dataclass(frozen=True, eq=False)
class Placed:
    """A host laid over an image, around a centre.

    Attributes
    ----------
    host : Host
    centre : ndarray of shape (2,)
        (x, y) in pixels; lengths below are from here.
    basis : ndarray of shape (2, 2)
        The host's lattice vectors as rows, as they lie in the image, in nm by its nominal scale.
    origin : ndarray of shape (2,)
        A corner of the cell, (x, y) in nm.
    pixel_size : float
        Nominal, in nm.
    contrast : float
        Power of the host's waves, over that of others as long: about 3 at most by chance.
    agreement : float
        How far the phases of the image's waves are those of the host: 1 if they all are, about 0 by chance.
    """

    host: Host
    centre: np.ndarray
    basis: np.ndarray
    origin: np.ndarray
    pixel_size: float
    contrast: float
    agreement: float

    @property
    def scale(self) -> float:
        """By how much the image's scale is off: lengths as measured, over those of the host."""
        return float(np.sqrt(abs(np.linalg.det(self.basis) / np.linalg.det(self.host.cell))))

    def to_pixels(self, xy: ndarray) -> ndarray:
        """From the host's own frame, in nm, to pixels of the image; shape (..., 2)."""
        inside = np.asarray(xy) @ np.linalg.inv(self.host.cell) @ self.basis + self.origin
        return inside / self.pixel_size + self.centre

    def from_pixels(self, xy: ndarray) -> ndarray:
        """From pixels to the host's own frame, in nm, without distortion; shape (..., 2)."""
        inside = (np.asarray(xy) - self.centre) * self.pixel_size - self.origin
        return inside @ np.linalg.inv(self.basis) @ self.host.cell


def place(pixels, clear, host, centre, pixel_size, hidden):
    """Lay a host over an image.

    Orientation and scale are those at which the waves of the host are strongest in a wide window around the
    centre, and its place the one at which their phases agree with it in a narrow one.

    Parameters
    ----------
    pixels : ndarray of shape (H, W)
        Flattened, without the light of guests.
    clear : ndarray of bool, shape (H, W)
        Where the sheet is, and nothing on it.
    host : Host
    centre : ndarray of shape (2,)
    pixel_size : float
        In nm.
    hidden : ndarray of shape (N, 2)
        Guests, in pixels, around which nothing is looked at.

    Returns
    -------
    Placed
    """
    miller, amplitude = host.waves()
    weight = np.abs(amplitude) ** 2
    wide = _seen(pixels, clear, centre, pixel_size, hidden, _WIDE)
    angle, scale, contrast = _searched(host, miller, weight, *wide[2:])
    best = weight @ np.abs(_waves(host.cell @ _turned(angle) * scale, miller, *wide[:2])) ** 2

    def distorted(q):
        strain = np.eye(2) + np.array([[q[0], q[1]], [q[1], -q[0]]])
        return host.cell @ _turned(angle + q[2]) @ strain * scale * (1 + q[3])

    def loss(q):
        power = weight @ np.abs(_waves(distorted(q), miller, *wide[:2])) ** 2
        return -power / max(best, 1e-300) * np.exp(-(q[0] ** 2 + q[1] ** 2) / 2 / _STRAIN**2)

    start = np.vstack([np.zeros(4), 0.01 * np.eye(4)])
    found = minimize(
        loss, start[0], method="Nelder-Mead", options={"initial_simplex": start, "xatol": 1e-4, "fatol": 1e-6}
    )
    basis = distorted(found.x)
    seen = _waves(basis, miller, *_seen(pixels, clear, centre, pixel_size, hidden, _NEAR)[:2])
    steps = np.arange(0, 1, 1 / 48)
    corner = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    agree = (seen * amplitude.conj() * np.exp(2j * np.pi * corner @ miller.T)).real.sum(axis=1)
    strongest = np.sqrt((weight.sum()) * (np.abs(seen) ** 2).sum())
    origin = corner[agree.argmax()] @ basis
    agreement = float(agree.max() / max(strongest, 1e-300))
    return Placed(host, np.asarray(centre), basis, origin, pixel_size, contrast, agreement)


def _searched(host, miller, weight, window, step):
    """Angle in radians and scale at which the host's waves have most power, and how much more than others."""
    size = max(_PADDED, *window.shape)
    spectrum = np.fft.fftshift(np.abs(np.fft.fft2(window, s=(size, size))) ** 2)
    k = miller @ np.linalg.inv(host.cell).T
    angles = np.radians(np.arange(0, host.turns(), 1.0))
    turned = np.array([k @ _turned(angle) for angle in angles])[None] / _SCALES[:, None, None, None]
    at = turned[..., ::-1] * step * size + size // 2
    power = map_coordinates(spectrum, np.moveaxis(at, -1, 0), order=1, mode="constant") @ weight
    scale, angle = np.unravel_index(power.argmax(), power.shape)
    contrast = power[scale, angle] / np.median(power[scale])
    return angles[angle], _SCALES[scale], float(contrast)


def _turned(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s], [-s, c]])


def _seen(pixels, clear, centre, pixel_size, hidden, radius):
    """Averaged pixels in a Gaussian window.

    Positions from the centre in nm and weighted values of those that count; all as an image; its pixel size.
    """
    n = max(1, int(_PIXEL / pixel_size))
    rows, columns = (length // n * n for length in pixels.shape)
    blocks = (slice(rows), slice(columns))
    values, clear = (
        a[blocks].reshape(rows // n, n, columns // n, n).mean(axis=(1, 3))
        for a in (pixels, clear.astype(float))
    )
    y, x = (np.indices(values.shape) + 0.5) * n - 0.5
    xy = np.stack([x, y], axis=-1)
    weight = np.exp(-0.5 * (np.linalg.norm(xy - centre, axis=-1) * pixel_size / radius) ** 2)
    weight = np.where(clear > 0.99, weight, 0)
    if len(hidden):
        away, _ = cKDTree(hidden).query(xy.reshape(-1, 2))
        weight = np.where(away.reshape(weight.shape) * pixel_size < _HIDDEN, 0, weight)
    values = (values - (values * weight).sum() / max(weight.sum(), 1e-300)) * weight
    inside = weight > 0.02
    return (xy[inside] - centre) * pixel_size, values[inside], values, n * pixel_size


def _waves(basis, miller, xy, values):
    """Fourier coefficients of an image at the waves of a lattice: all are powers of two of them."""
    most = np.abs(miller).max()
    phase = 2 * np.pi * xy @ np.linalg.inv(basis)
    two = np.cos(phase) - 1j * np.sin(phase)  # faster than a complex exponential
    along_a, along_b = (np.vander(wave, most + 1, increasing=True).T for wave in two.T)
    along_b = np.concatenate([along_b[:0:-1].conj(), along_b])
    h, k = miller.T  # of a half-plane: h is never negative
    return ((along_a * values) @ along_b.T)[h, k + most]


def clear_sheet(pixels, pixel_size, hidden):
    """Where the sheet is, neither holes, which are dark over 0.12 nm, nor what is bright; and where dirt is.

    Dirt is bright over more than the light of a few guests.
    """
    low = gaussian_filter(pixels, 0.12 / pixel_size)
    y, x = np.indices(pixels.shape)
    far = np.ones(pixels.shape, dtype=bool)
    if len(hidden):
        away, _ = cKDTree(hidden).query(np.stack([x.ravel(), y.ravel()], axis=1))
        far = (away * pixel_size > 0.3).reshape(pixels.shape)
    values = low[far][:: max(1, far.sum() // 4000)]
    usual = _half_sample_mode(values)
    spread = min(
        np.percentile(side, 60) for side in (values[values > usual] - usual, usual - values[values < usual])
    )
    # four and six times as far as most of it: holes lie 10 below, the sheet's own waves reach 3
    bright = low > usual + 6 * spread
    parts, _ = label(bright)
    dirt = (np.bincount(parts.ravel()) * pixel_size**2 > _DIRT)[parts] & bright
    return ((low > usual - 4 * spread) & ~bright) | (~far & ~dirt), dirt


def _half_sample_mode(values):
    """Where values are densest (Robertson and Cryer, J. Am. Stat. Assoc. 69, 1012 (1974))."""
    values = np.sort(values)
    while values.size > 8:
        half = values.size // 2
        start = int(np.argmin(values[half:] - values[: values.size - half]))
        values = values[start : start + half]
    return float(values.mean())
