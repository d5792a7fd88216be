"""How drift and bending displace a lattice, from the phases of two of its reflections."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.linalg import eigh
from scipy.ndimage import binary_erosion, distance_transform_edt, map_coordinates
from skimage.restoration import unwrap_phase

from atomlens.lattice import NotPeriodicError

# Halved or doubled, only `_COARSE` changes what is found in bent and streaked crystals: with one point a
# vector (half), recall falls by .08 (benchmarks/constants.py).
_ORDERS = 6  # of reflections looked at
# Lattice vectors, down and across: the window in which the lattice is first followed. Drift is from row to
# row, so the window is wide and low. Then bending is followed in windows that are hardly wider than a cell.
_WIDE, _NARROW = (0.6, 3.0), (0.6, 1.0)
_STEEPEST = 0.12  # displacement over distance
_LOST = 0.2  # of the usual amplitude of a reflection, below which its phase is not followed
_STIFFNESS = np.logspace(-2, 8, 11)  # points^4: from what is read to straight lines
_LEAKED = 0.01  # points
_MEDIAN = 0.455  # of the square of a normal deviate
_SHARE = 0.5  # of a window that must be trusted
_REPEATED = 20  # times, until what is lost is continued
_UNSEEN = 1e-6  # squared: what is left of a wave so narrow that a window does not see it
_COARSE = 2  # points a lattice vector at which its phase is taken


@dataclass(frozen=True, eq=False)
class Tracker:
    """Two reflections of a lattice, and the matrices that take them out of an image.

    Attributes
    ----------
    waves : ndarray of shape (2, 2)
        Frequencies (x, y) in cycles a pixel.
    wide, narrow : tuple of two tuples of ndarray
        Along y and x, for each of the waves: complex matrices (points, pixels).
    step : int
        Pixels from point to point.

    References
    ----------
    Hytch, Snoeck, Kilaas, Ultramicroscopy 74, 131 (1998).
    """

    waves: np.ndarray
    wide: tuple
    narrow: tuple
    step: int

    @classmethod
    def of(cls, pixels, lattice):
        """Choose the reflections that are strongest in the image."""
        waves = _two_reflections(pixels, lattice) @ np.linalg.inv(lattice.basis).T
        step = max(1, int(lattice.spacing / _COARSE))
        origin = origin_of(lattice)

        def windows(sizes):
            reach = [min(w * max(lattice.lengths), n / 4) for w, n in zip(sizes, pixels.shape, strict=True)]
            return tuple(
                tuple(_gabor(n, k[1 - axis], origin[1 - axis], reach[axis], step) for k in waves)
                for axis, n in enumerate(pixels.shape)
            )

        return cls(waves, windows(_WIDE), windows(_NARROW), step)

    def displacement(self, pixels, usable):
        """Displacement (2, H, W) of the lattice in pixels, slowly varying.

        Raises
        ------
        NotPeriodicError
            If hardly anything is usable.
        """
        waves = list(_components(pixels, self.wide))
        # Where there is no crystal, the phase is chance.
        lost = ~usable[:: self.step, :: self.step]
        for wave in waves:
            lost |= np.abs(wave) < _LOST * np.median(np.abs(wave)[~lost]) if not lost.all() else lost
        if lost.all():
            raise NotPeriodicError(
                f"only {usable.mean():.0%} of the image show the crystal, too little to follow its lattice: "
                "leave out less, or take a larger field of view"
            )
        phases = [_phase(np.ma.masked_array(wave, lost) if lost.any() else wave) for wave in waves]
        # The constant depends on where the origin is, and is taken out.
        shift = self._shift(np.stack([phase - np.median(phase[~lost]) for phase in phases]))
        if lost.any():
            nearest = distance_transform_edt(lost, return_distances=False, return_indices=True)
            shift = shift[:, nearest[0], nearest[1]]
        variance = _pixel_noise(pixels, usable)
        cycles = []
        for down, across, wave in zip(*self.wide, waves, strict=True):
            power = np.outer((np.abs(down) ** 2).sum(axis=1), (np.abs(across) ** 2).sum(axis=1))
            share = power / np.maximum(np.abs(wave), 1e-30) ** 2
            cycles.append(variance * np.median(share) / 2 / (2 * np.pi) ** 2)
        # What other reflections leak into these at the border is no noise, but must not be sharpened either.
        noise = np.maximum(self._noise(cycles), (_LEAKED * self.step) ** 2)
        return self._smooth(shift, self.wide, noise, lost)

    def improved(self, shift, pixels, model, trusted):
        """Displacement, improved by the difference between an image and a model that is displaced by `shift`.

        It is read through narrow windows, smoothed as far as its noise demands, and continued over places
        that are not `trusted`. Both end at the border, so what other reflections leak into these two there
        is in both and cancels.
        """
        axes = [_Axis.of(matrices[0], self.step) for matrices in self.narrow]
        rest = np.where(trusted, pixels - model, 0)
        share = axes[0].weight @ trusted.astype(np.float32) @ axes[1].weight.T
        lost = share < _SHARE
        phases, cycles = [], []
        for own, other in zip(*(_components(a, self.narrow) for a in (model + rest, model)), strict=True):
            ratio = own / np.where(other == 0, 1, other)
            phases.append(_phase(ratio) / np.maximum(share, _SHARE))
            # Noise moves amplitudes as it moves phases, whatever its colour; a displacement does not.
            cycles.append(np.median((np.abs(ratio[~lost]) - 1) ** 2) / _MEDIAN if not lost.all() else 1.0)
        # Of the displacement, too, a window sees only the mean.
        points = shift[:, :: self.step, :: self.step]
        seen = axes[0].mean @ points @ axes[1].mean.T + self._shift(np.stack(phases))
        return self._smooth(seen, self.narrow, self._noise(np.array(cycles) / (2 * np.pi) ** 2), lost)

    def _noise(self, cycles):
        """Variance of a displacement, along x and y, from that of both phases."""
        return np.linalg.inv(self.waves) ** 2 @ cycles

    def _smooth(self, seen, windows, noise, lost):
        """Displacement at every pixel, from means over windows with this variance."""
        axes = [_Axis.of(matrices[0], self.step) for matrices in windows]
        points = np.stack([_smoothed(s, axes, n, lost) for s, n in zip(seen, noise, strict=True)])
        shape = [matrices[0].shape[1] for matrices in windows]
        return self._enlarged(_plausible(points, self.step), shape)

    def _shift(self, phases):
        """Displacement with these phases (cycles): a wave k moved by s has the phase -k . s."""
        return -np.einsum("ij,jkl->ikl", np.linalg.inv(self.waves), phases)

    def _enlarged(self, shift, shape):
        """Displacement at every pixel: linear interpolation."""
        last = np.array(shift.shape[1:]) - 1
        at = [np.minimum(np.arange(n) / self.step, m) for n, m in zip(shape, last, strict=True)]
        grid = np.meshgrid(*at, indexing="ij")
        return np.stack([map_coordinates(s, grid, order=1, mode="nearest") for s in shift]).astype(np.float32)


def origin_of(lattice):
    """Where the cell (0, 0) begins: at the first site, if there is one."""
    return lattice.origins[0] if len(lattice.sites) else np.zeros(2)


@dataclass(frozen=True, eq=False)
class _Axis:
    """What windows see along an axis, and a basis in which to undo it and to smooth are products.

    At the border a window ends with the image, and sees what lies further in than the point it is for.

    Attributes
    ----------
    weight : ndarray of shape (points, pixels)
        How much of each window lies on a pixel.
    mean : ndarray of shape (points, points)
        From values at the points to their means over the windows.
    basis, seen : ndarray of shape (points, points)
        Columns, from the smoothest on (Demmler and Reinsch); and their means over the windows, orthonormal.
    roughness, noise : ndarray of shape (points,)
        Of each: squared second differences; the variance of noise, in windows that overlap.
    """

    weight: np.ndarray
    mean: np.ndarray
    basis: np.ndarray
    seen: np.ndarray
    roughness: np.ndarray
    noise: np.ndarray

    @classmethod
    def of(cls, matrix, step):
        """Of the matrix (points, pixels) that takes a wave out of pixels."""
        weight = np.abs(matrix) / np.abs(matrix).sum(axis=1, keepdims=True)
        points, pixels = weight.shape
        at = np.minimum(np.arange(pixels) / step, points - 1)
        mean = weight @ np.maximum(1 - np.abs(at[:, None] - np.arange(points)), 0)
        bend = np.diff(np.eye(points), n=2, axis=0)
        roughness, basis = eigh(bend.T @ bend, mean.T @ mean + _UNSEEN * np.eye(points))
        seen = mean @ basis
        noise = np.square(weight.T @ seen).sum(axis=0) / np.square(weight).sum(axis=1).mean()
        return cls(weight, mean, basis, seen, np.maximum(roughness, 0), noise)


def _smoothed(seen, axes, noise, lost):
    """Values at the points whose means over the windows are these: a smoothing spline.

    How smooth, down and across, is what makes the expected error least (Mallows' C_p). Where the means are
    lost they are those of the spline itself, which is found by repetition.
    """
    down, across = axes
    noise = noise * np.outer(down.noise, across.noise)
    for _ in range(_REPEATED if lost.any() else 1):
        wave = down.seen.T @ seen @ across.seen
        kept = _stiffness(wave, axes, noise)
        seen = np.where(lost, down.seen @ (kept * wave) @ across.seen.T, seen)
    return down.basis @ (kept * wave) @ across.basis.T


def _stiffness(wave, axes, noise):
    """How much of each wave is kept, so that the error expected is least."""
    down, across = axes
    best, least = 1.0, np.inf
    for along_y, along_x in product(_STIFFNESS, repeat=2):
        kept = 1 / (1 + along_y * down.roughness[:, None] + along_x * across.roughness)
        risk = np.sum(((1 - kept) * wave) ** 2 + 2 * kept * noise)
        if risk < least:
            best, least = kept, risk
    return best


def _pixel_noise(pixels, usable):
    """Variance of the noise, from differences that structure hardly has (Immerkaer, CVIU 64, 300, 1996)."""
    rough = np.diff(np.diff(pixels, n=2, axis=0), n=2, axis=1)
    inner = binary_erosion(usable, np.ones((3, 3)))[1:-1, 1:-1]
    return float(np.mean(rough[inner if inner.any() else ...] ** 2)) / 36


def _components(pixels, windows):
    """Amplitude of both waves around every point."""
    flat = pixels - pixels.mean()
    for down, across in zip(*windows, strict=True):
        # Real times real, as a complex product would copy the image
        yield (down.real @ flat + 1j * (down.imag @ flat)) @ across.T


def _phase(wave):
    angle = np.ma.masked_array(np.angle(wave), wave.mask) if np.ma.isMaskedArray(wave) else np.angle(wave)
    return np.asarray(unwrap_phase(angle), dtype=float) / (2 * np.pi)


def _gabor(n, k, origin, sigma, step):
    """Matrix that takes the wave of frequency k out of n pixels, in a Gaussian window at every `step`."""
    at = np.arange(n)
    window = np.exp(-0.5 * ((at - at[::step, None]) / sigma) ** 2)
    return (window * np.exp(-2j * np.pi * k * (at - origin))).astype(np.complex64)


def _plausible(shift, step):
    """Displacement whose slopes differ from the usual one no more than drift and bending may.

    A twin is a shear of the lattice and could be followed like a drift; but no scan drifts so much.
    """
    for axis in (1, 2):
        slope = np.diff(shift, axis=axis)
        usual = np.median(slope, axis=(1, 2), keepdims=True)
        slope = np.clip(slope, usual - _STEEPEST * step, usual + _STEEPEST * step)
        middle = shift.shape[axis] // 2
        start = np.take(shift, [0], axis=axis)
        whole = np.concatenate([start, start + np.cumsum(slope, axis=axis)], axis=axis)
        # Kept where it was in the middle, which the rest is measured from
        shift = whole + np.take(shift, [middle], axis=axis) - np.take(whole, [middle], axis=axis)
    return shift


def _two_reflections(pixels, lattice):
    """Orders (h, k) of the two strongest reflections that are not parallel."""
    height, width = pixels.shape
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[1:-1]
    flat = (pixels - np.average(pixels, weights=window)) * window
    orders = np.array([o for o in product(range(-_ORDERS, _ORDERS + 1), repeat=2) if o > (0, 0)])
    kx, ky = np.linalg.inv(lattice.basis) @ orders.T
    down, across = (np.exp(-2j * np.pi * np.outer(k, np.arange(n))) for k, n in ((ky, height), (kx, width)))
    # Real numbers times real numbers: a complex product would copy the image for every order.
    sums = (down.real @ flat + 1j * (down.imag @ flat)) * across
    strength = np.where(np.hypot(kx, ky) > 0.4, 0.0, abs(sums.sum(axis=1)))
    ranked = orders[np.argsort(strength)[::-1]]
    first = ranked[0]
    second = next(o for o in ranked[1:] if first[0] * o[1] != first[1] * o[0])
    return np.array([first, second])
