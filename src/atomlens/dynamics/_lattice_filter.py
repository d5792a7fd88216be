"""What breaks a lattice: an image without its Bragg peaks, in widths of its noise."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import binary_dilation, gaussian_filter, label, map_coordinates
from scipy.spatial import cKDTree

from atomlens._maxima import local_maxima, strongest_first, vertex

DISC = 1 / 6  # of the shortest reciprocal vector: radius of what belongs to a Bragg peak (6 cells in space)
_BLUR = 0.21  # of the distance of neighbours: about the width of a column, for which the filter is matched
_INSIDE = 0.85  # of the first Bragg ring: cut of the low pass
_BINS = 24  # of brightness, in which noise is measured
_APART = 0.6  # of the distance of neighbours: nearest two detections
_NEAR = 0.4  # of the distance of neighbours: what belongs to a detection, and what is the same place
_LEAST_RIM = 24  # pixels: a network wants so many
_RIM, _MARGIN = 6.0, 1.2  # cells by which a frame is continued, and spacings within it that are not copied
_FINE = 0.35  # cycles a pixel: beyond that columns have little, and noise shows
_CELLS = 6  # along each axis at least
# A hole is as dark, over so many spacings, as the crystal is between its columns (percentile; a fifth of the
# way to the mean is allowed for its blurred edge), and larger than some cells. Its edge is left out, too.
_OVER, _GAP, _HOLE, _HOLE_CELLS, _BESIDE = 0.7, 2.0, 0.2, 3.0, 2.4


class LatticeFilter:
    """Takes the crystal out of frames of one size and one lattice.

    Parameters
    ----------
    shape : tuple of int
        (H, W).
    basis : ndarray of shape (2, 2)
        Lattice vectors (x, y) in pixels.
    kind : {"bragg", "low-pass"}
        "bragg" takes out the surroundings of every Bragg peak, that of no frequency included (the uneven
        background); "low-pass" keeps what lies inside the first Bragg ring, without the slowest.
    """

    def __init__(self, shape, basis, kind="bragg"):
        if kind not in ("bragg", "low-pass"):
            raise ValueError(f'filter must be "bragg" or "low-pass", got {kind!r}')
        self.shape, self.basis = shape, np.asarray(basis, dtype=float)
        inverse = np.linalg.inv(self.basis)  # columns are reciprocal vectors
        orders = np.array([(i, j) for i in range(-3, 4) for j in range(-3, 4) if i or j])
        self.ring = float(np.linalg.norm(orders @ inverse.T, axis=1).min())
        self.spacing = float(np.linalg.norm(orders @ self.basis, axis=1).min())
        self.cell = float(abs(np.linalg.det(self.basis)))
        if min(shape) < _CELLS / self.ring:
            raise ValueError(
                f"frames of {shape[0]} x {shape[1]} pixels hold fewer than {_CELLS} cells along an axis "
                f"(neighbours are {self.spacing:.1f} pixels apart): what is perfect cannot be told; take a "
                "larger field of view"
            )
        self._pad = max(_LEAST_RIM, round(_RIM / self.ring))
        self._padded = tuple(next_fast_len(n + 2 * self._pad, real=True) for n in shape)
        ky, kx = np.fft.fftfreq(self._padded[0])[:, None], np.fft.rfftfreq(self._padded[1])
        radius = np.hypot(ky, kx)
        away = [order - np.rint(order) for order in (kx * x + ky * y for x, y in self.basis)]
        off = np.hypot(*(inverse[axis, 0] * away[0] + inverse[axis, 1] * away[1] for axis in (0, 1)))
        # Soft edges: hard ones ring.
        slow = np.exp(-((radius / (DISC * self.ring)) ** 4))
        if kind == "bragg":
            crystal = np.exp(-((off / (DISC * self.ring)) ** 4))
        else:
            crystal = np.maximum(slow, 1 - np.exp(-((radius / (_INSIDE * self.ring)) ** 12)))
        blur = np.exp(-2 * (np.pi * _BLUR * self.spacing * radius) ** 2)
        self._rest = ((1 - crystal) * (blur if kind == "bragg" else 1)).astype(np.float32)
        self._crystal, self._blur = (crystal * blur).astype(np.float32), blur.astype(np.float32)

    def residual(self, pixels, usable=None):
        """Deviation from the lattice in widths of the noise, shape (H, W); 0 in holes and where not usable.

        The noise is measured, among pixels where the lattice is as bright: electrons are counted, and where
        there are more, they scatter more.
        """
        rest, crystal = self._filtered(pixels, self._rest, self._crystal)
        blank = self.holes(pixels, crystal)
        if usable is not None and not usable.all():
            blank |= binary_dilation(~usable, iterations=max(1, round(_NEAR * self.spacing)))
        return self._scaled(rest, crystal, blank)

    def excess(self, pixels):
        """Width of what is left, over what the noise between the Bragg peaks of fine detail explains.

        1 for single defects. Many defects, or noise that is no white one, are taken for noise otherwise.
        """
        padded = self.continued(pixels)
        spectrum = rfft2(padded)
        ky, kx = np.fft.fftfreq(self._padded[0])[:, None], np.fft.rfftfreq(self._padded[1])
        fine = np.hypot(ky, kx) > _FINE
        power = np.median(np.abs(spectrum[fine]) ** 2) / np.log(2)  # of exponentially distributed ones
        weight = np.where((kx > 0) & (kx < 0.5), 2.0, 1.0)  # half of the plane is not stored
        white = np.sqrt(power * (self._rest**2 * weight).sum()) / padded.size
        rest = irfft2(spectrum * self._rest, self._padded)[self.inner]
        return 1.4826 * np.median(np.abs(rest)) / max(white, 1e-30)

    def difference(self, pixels, mean):
        """Deviation from a mean image, as `residual` scales it."""
        (rest,), (level,) = (self._filtered(values, self._blur) for values in (pixels - mean, mean))
        return self._scaled(rest, level, np.zeros(self.shape, dtype=bool))

    def _filtered(self, pixels, *gains):
        """The pixels, the crystal continued beyond the border, times each gain in Fourier space."""
        spectrum = rfft2(self.continued(pixels))
        return [irfft2(spectrum * gain, self._padded)[self.inner] for gain in gains]

    def continued(self, pixels):
        """The pixels, and about them the crystal continued by some cells; they themselves lie at `inner`."""
        padded = np.empty(self._padded)
        padded[self._rim] = map_coordinates(pixels, self._sources, order=1, mode="nearest")
        padded[self.inner] = pixels
        return padded

    @property
    def inner(self):
        """Slices of what was not continued."""
        return tuple(slice(self._pad, self._pad + n) for n in self.shape)

    @cached_property
    def _rim(self):
        rim = np.ones(self._padded, dtype=bool)
        rim[self.inner] = False
        return rim

    @cached_property
    def _sources(self):
        """Where, in the frame, the pixels beyond its border are copied from: a lattice vector away.

        A border at which the crystal does not go on looks like a defect.
        """
        place = np.argwhere(self._rim)[:, ::-1] - float(self._pad)
        margin = self.spacing * _MARGIN
        inside = np.clip(place, margin, np.array(self.shape[::-1]) - 1 - margin)
        steps = np.rint((place - inside) @ np.linalg.inv(self.basis))
        return (place - steps @ self.basis).T[::-1]

    def _scaled(self, rest, level, blank):
        there = np.flatnonzero(~blank)
        if there.size < self.cell * _CELLS**2:
            return np.zeros(self.shape, dtype=np.float32)
        parts = np.array_split(there[np.argsort(level.ravel()[there])], _BINS)
        at = [level.ravel()[part].mean() for part in parts]
        width = np.array([1.4826 * np.median(np.abs(rest.ravel()[part])) for part in parts])
        width = np.maximum(width, 0.2 * np.median(width) + 1e-12 * np.abs(level).max())
        values = rest / np.interp(level, at, width)
        values[blank] = 0
        return values.astype(np.float32)

    def holes(self, pixels, crystal=None):
        """Mask of holes through the crystal: as dark, over some cells, as else only between its columns."""
        if crystal is None:
            (crystal,) = self._filtered(pixels, self._crystal)
        level = gaussian_filter(pixels, _OVER * self.spacing, mode="nearest")
        middle, gap = np.median(level), np.percentile(crystal, _GAP)
        dark, count = label(level < gap + _HOLE * (middle - gap))
        sizes = np.bincount(dark.ravel(), minlength=count + 1)
        large = sizes > _HOLE_CELLS * self.cell
        large[0] = False
        if not large.any():
            return large[dark]
        return binary_dilation(large[dark], iterations=round(_BESIDE * self.spacing))

    def peaks(self, values, threshold):
        """Maxima above a threshold: x, y (between the pixels) and height, the highest first."""
        size = 2 * round(_APART * self.spacing / 2) + 1
        marked = local_maxima(values, size) & (values > threshold)
        at = strongest_first(values, marked)
        keep = apart(at, _APART * self.spacing)
        rows, columns = at[keep].T
        inner = np.pad(values, 1, mode="edge")
        shifts = []
        for before, after in ((inner[1:-1, :-2], inner[1:-1, 2:]), (inner[:-2, 1:-1], inner[2:, 1:-1])):
            low, high, middle = before[rows, columns], after[rows, columns], values[rows, columns]
            shifts.append(np.clip(vertex(high - low, 2 * middle - low - high)[0], -0.5, 0.5))
        return columns + shifts[0], rows + shifts[1], values[rows, columns].astype(float)

    @cached_property
    def reach(self):
        """Pixels about a detection that belong to it."""
        return _NEAR * self.spacing


def apart(points, distance):
    """Mask of points, strong to weak, that no stronger kept one is nearer to than this."""
    keep = np.ones(len(points), dtype=bool)
    if len(points) > 1:
        pairs = cKDTree(points).query_pairs(distance, output_type="ndarray")
        for strong, weak in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
            if keep[strong]:
                keep[weak] = False
    return keep
