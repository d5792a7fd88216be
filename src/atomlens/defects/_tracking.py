"""How drift and bending displace a lattice, from the phases of two of its reflections."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.interpolate import interp1d
from scipy.ndimage import distance_transform_edt, gaussian_filter1d, map_coordinates
from skimage.restoration import unwrap_phase

_ORDERS = 6  # of reflections looked at
# Lattice vectors, down and across: the window in which the lattice is followed. Drift is from row to row, so
# the window is wide and low.
_WINDOW = (0.6, 3.0)
_STEEPEST = 0.12  # displacement over distance
_LOST = 0.2  # of the usual amplitude of a reflection, below which its phase is not followed
_ALONG = 6.0  # points of a border over which its bending is taken together
_FIRM = 9.0  # times its variance that the square of a slope must exceed to be followed
_COARSE = 2  # points a lattice vector at which its phase is taken


@dataclass(frozen=True, eq=False)
class Tracker:
    """Two reflections of a lattice, and the matrices that take them out of an image.

    Attributes
    ----------
    waves : ndarray of shape (2, 2)
        Frequencies (x, y) in cycles a pixel.
    down, across : tuple of ndarray
        For each of them, complex matrices (points, pixels) along y and x.
    step : int
        Pixels from point to point.

    References
    ----------
    Hytch, Snoeck, Kilaas, Ultramicroscopy 74, 131 (1998).
    """

    waves: np.ndarray
    down: tuple
    across: tuple
    step: int

    @classmethod
    def of(cls, pixels, lattice):
        """Choose the reflections that are strongest in the image."""
        waves = _two_reflections(pixels, lattice) @ np.linalg.inv(lattice.basis).T
        step = max(1, int(lattice.spacing / _COARSE))
        reach = [min(w * max(lattice.lengths), n / 4) for w, n in zip(_WINDOW, pixels.shape, strict=True)]
        origin = origin_of(lattice)
        down, across = (
            tuple(_gabor(pixels.shape[axis], k[1 - axis], origin[1 - axis], reach[axis], step) for k in waves)
            for axis in (0, 1)
        )
        return cls(waves, down, across, step)

    def displacement(self, pixels, usable):
        """Displacement (2, H, W) of the lattice in pixels, slowly varying."""
        waves = list(self._components(pixels))
        # Where there is no crystal, the phase is chance.
        lost = ~usable[:: self.step, :: self.step]
        for wave in waves:
            lost |= np.abs(wave) < _LOST * np.median(np.abs(wave)[~lost]) if not lost.all() else lost
        phases = [_phase(np.ma.masked_array(wave, lost) if lost.any() else wave) for wave in waves]
        # The constant depends on where the origin is, and is taken out.
        shift = self._shift(np.stack([phase - np.median(phase[~lost]) for phase in phases]))
        if lost.any():
            nearest = distance_transform_edt(lost, return_distances=False, return_indices=True)
            shift = shift[:, nearest[0], nearest[1]]
        return self._enlarged(_plausible(shift, self.step), pixels.shape)

    def improved(self, shift, pixels, model):
        """Displacement, improved by the difference between an image and a model that is displaced by `shift`.

        Both end at the border, so what other reflections leak into these two there is in both and cancels.
        """
        pairs = zip(self._components(pixels), self._components(model), strict=True)
        change = self._shift(np.stack([_phase(own * theirs.conj()) for own, theirs in pairs]))
        # Of the model, too, only the mean over the window is seen.
        down, across = np.abs(self.down[0]), np.abs(self.across[0])
        seen = down @ shift @ across.T / np.outer(down.sum(axis=1), across.sum(axis=1))
        shift = self._at_points(seen + change, pixels.shape)
        return self._enlarged(_plausible(shift, self.step), pixels.shape)

    def _components(self, pixels):
        """Amplitude of both waves around every point."""
        flat = pixels - pixels.mean()
        for down, across in zip(self.down, self.across, strict=True):
            # Real times real, as a complex product would copy the image
            yield (down.real @ flat + 1j * (down.imag @ flat)) @ across.T

    def _shift(self, phases):
        """Displacement with these phases (cycles): a wave k moved by s has the phase -k . s."""
        return -np.einsum("ij,jkl->ikl", np.linalg.inv(self.waves), phases)

    def _at_points(self, shift, shape):
        """What was seen through the windows, brought from the middle of each to the point that it is for.

        At the border the window ends with the image, and its middle lies further in: bending would come out
        as that of another place.
        """
        for axis, matrices in ((1, self.down), (2, self.across)):
            weight = np.abs(matrices[0])
            pixels = np.arange(shape[axis - 1])
            middle = weight @ pixels / weight.sum(axis=1)
            point = pixels[:: self.step].astype(float)
            reach = min(middle[0] - point[0], point[-1] - middle[-1])
            shift = np.moveaxis(shift, axis, -1)
            result = interp1d(middle, shift, axis=-1, bounds_error=False, fill_value="extrapolate")(point)
            for end, beyond in ((middle[0], point < middle[0]), (middle[-1], point > middle[-1])):
                near = np.abs(middle - end) <= reach
                if near.sum() < 3:
                    continue
                away = middle[near] - end
                spread = away - away.mean()
                slope = _steady((shift[..., near] * spread).sum(axis=-1) / (spread**2).sum())
                at_end = shift[..., np.flatnonzero(near)[np.argmin(np.abs(away))]]
                result[..., beyond] = at_end[..., None] + slope[..., None] * (point[beyond] - end)
            shift = np.moveaxis(result, -1, axis)
        return shift

    def _enlarged(self, shift, shape):
        """Displacement at every pixel: linear interpolation."""
        last = np.array(shift.shape[1:]) - 1
        at = [np.minimum(np.arange(n) / self.step, m) for n, m in zip(shape, last, strict=True)]
        grid = np.meshgrid(*at, indexing="ij")
        return np.stack([map_coordinates(s, grid, order=1, mode="nearest") for s in shift]).astype(np.float32)


def origin_of(lattice):
    """Where the cell (0, 0) begins: at the first site, if there is one."""
    return lattice.origins[0] if len(lattice.sites) else np.zeros(2)


def _steady(slope):
    """Slopes (2, points) along a border: smooth, and drawn towards zero by as much as they scatter."""
    smooth = gaussian_filter1d(slope, _ALONG, axis=-1, mode="nearest")
    doubt = np.var(slope - smooth, axis=-1, keepdims=True) / (2 * np.sqrt(np.pi) * _ALONG)
    return smooth * smooth**2 / (smooth**2 + _FIRM * doubt + 1e-300)


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
