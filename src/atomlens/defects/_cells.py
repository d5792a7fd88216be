"""Where every pixel lies in the unit cell, and what the average unit cell looks like there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import map_coordinates, spline_filter

from atomlens.defects._tracking import Tracker, origin_of
from atomlens.lattice import Lattice, NotPeriodicError

_LEAST = 0.6  # of the pixels of a cell that must lie in the image for the cell to be counted
FEWEST = 9  # cells that say what is normal
_PART = 12.0  # widths of a column
_GROUPS = 15  # of cells, whose means have a median
_FEW = 60  # whole cells, below which incomplete ones help to make the average
_BAND = 50_000  # pixels at a time: what is worked on stays near the processor
_MANY = 4000  # whole cells, of which the average is as good as known


@dataclass(frozen=True, eq=False)
class CellFrame:
    """The unit cell of every pixel, drift and bending of the lattice followed.

    Attributes
    ----------
    lattice : Lattice
    shift : ndarray of shape (2, H, W)
        Displacement (x, y) in pixels of the lattice from where the straight one would be.
    u, v : ndarray of shape (H, W)
        Cell coordinates of the pixels: whole numbers are lattice points.
    usable : ndarray of bool, shape (H, W)
        Where there is crystal.
    tracker : Tracker or None
        What the lattice was followed with.
    """

    lattice: Lattice
    shift: np.ndarray
    u: np.ndarray
    v: np.ndarray
    usable: np.ndarray
    tracker: Tracker | None

    @classmethod
    def track(cls, pixels, lattice, usable=None):
        """Follow the lattice through an image by the phases of two of its reflections.

        Raises
        ------
        NotPeriodicError
            If what is usable has not room for the cells that are needed.
        """
        usable = np.ones(pixels.shape, dtype=bool) if usable is None else usable
        _check_room(usable, lattice, FEWEST * _LEAST)
        tracker = Tracker.of(pixels, lattice)
        return cls._with(lattice, tracker.displacement(pixels, usable), usable, tracker)

    def tracked_again(self, pixels, model, trusted):
        """Follow what phases differ by between an image and a model of it that was made with this frame.

        Raises
        ------
        NotPeriodicError
            If hardly anything is trusted.
        """
        _check_room(trusted, self.lattice, 1)
        shift = self.tracker.improved(self.shift, pixels, model, trusted)
        return self._with(self.lattice, shift, self.usable, self.tracker)

    @classmethod
    def _with(cls, lattice, shift, usable, tracker=None):
        height, width = shift.shape[1:]
        inverse = np.linalg.inv(lattice.basis).astype(np.float32)
        origin = origin_of(lattice)
        x = np.arange(width, dtype=np.float32) - np.float32(origin[0]) - shift[0]
        y = np.arange(height, dtype=np.float32)[:, None] - np.float32(origin[1]) - shift[1]
        u, v = (x * inverse[0, n] + y * inverse[1, n] for n in (0, 1))
        return cls(lattice, shift, u, v, usable, tracker)

    def moved_rows(self, by):
        """Shift whole rows by (x, y) pixels each: `by` has the shape (H, 2)."""
        shift = self.shift + by.T[:, :, None].astype(np.float32)
        return self._with(self.lattice, shift, self.usable, self.tracker)

    @property
    def shape(self):
        """Samples of the average cell along b and along a: about one a pixel."""
        return tuple(np.maximum(np.rint(self.lattice.lengths[::-1]).astype(int), 6))

    @cached_property
    def cells(self):
        """Number of the cell of every pixel; cell (i, j) of every number; which lie within the image."""
        i, j = np.floor(self.u).astype(np.int32), np.floor(self.v).astype(np.int32)
        low, high = (i.min(), j.min()), (i.max(), j.max())
        span = high[1] - low[1] + 1
        code = (i - low[0]) * span + (j - low[1])
        count = np.bincount(code.ravel(), minlength=(high[0] - low[0] + 1) * span)
        present = np.flatnonzero(count)
        number = np.zeros(len(count), np.int32)
        number[present] = np.arange(len(present))
        area = abs(np.linalg.det(self.lattice.basis))
        ij = np.stack([present // span + low[0], present % span + low[1]], axis=1)
        usable = np.bincount(code.ravel(), self.usable.ravel(), minlength=len(count))[present]
        return number[code], ij, usable >= _LEAST * area

    def parts(self, sigma):
        """Pieces of cells, a dozen widths of a column long: number of every pixel, which are whole, how many.

        A large cell has many columns, each of which can be compared with the same one of the other cells.
        """
        across, down = (max(1, round(n / (_PART * sigma))) for n in self.lattice.lengths)
        if across * down == 1:
            number, _, whole = self.cells
            return number, whole, 1
        i, j = np.floor(self.u * across).astype(np.int32), np.floor(self.v * down).astype(np.int32)
        number = (i - i.min()) * (np.ptp(j) + 1) + (j - j.min())
        count = np.bincount(number.ravel(), self.usable.ravel())
        area = abs(np.linalg.det(self.lattice.basis)) / (across * down)
        return number, count >= _LEAST * area, across * down

    @cached_property
    def samples(self):
        """Pixel positions (y, x) of the samples of the cells, shape (2, n, b, a); and which lie in the image.

        Of many cells only complete ones are taken, and no more than are needed.
        """
        _, ij, whole = self.cells
        if np.count_nonzero(whole) > _MANY:
            ij = ij[whole][np.linspace(0, np.count_nonzero(whole) - 1, _MANY).astype(int)]
        q, p = ((np.arange(n) + 0.5) / n for n in self.shape)
        within = np.stack(np.broadcast_arrays(p[None, :], q[:, None]), axis=-1)
        y, x, inside = self.pixels_of(ij[:, None, None] + within)
        complete = inside.all(axis=(1, 2))
        keep = complete if complete.sum() >= _FEW else inside.any(axis=(1, 2))
        return np.stack([y[keep], x[keep]]), inside[keep]

    def unrolled(self, pixels, per_cell, margin=0.0):
        """Resample the image so that the lattice runs along its axes: values, those in the image, first cell.

        `per_cell` are the samples a cell along b and along a.
        """
        i, j = self.cells[1].T
        first = np.array([j.min(), i.min()])
        count = np.array([np.ptp(j) + 1, np.ptp(i) + 1]) * per_cell
        v, u = (start + (np.arange(n) + 0.5) / m for start, n, m in zip(first, count, per_cell, strict=True))
        y, x, inside = self.pixels_of(np.stack(np.broadcast_arrays(u[None, :], v[:, None]), axis=-1), margin)
        return map_coordinates(pixels, [y, x], order=1, mode="nearest"), inside, first

    def pixels_of(self, uv, margin=0.0):
        """Pixel positions y and x of cell coordinates (..., 2), and which lie in the image."""
        u, v = uv[..., 0].astype(np.float32), uv[..., 1].astype(np.float32)
        basis, origin = self.lattice.basis.astype(np.float32), origin_of(self.lattice).astype(np.float32)
        x, y = straight = [u * basis[0, n] + v * basis[1, n] + origin[n] for n in (0, 1)]
        height, width = self.u.shape

        def there(values):
            row, column = (np.rint(a).clip(0, n - 1).astype(np.int32) for a, n in ((y, height), (x, width)))
            row *= width
            row += column
            return [plane[row] for plane in values.reshape(-1, height * width)]

        for _ in range(2):  # the shift is given where the pixel is, not where the straight lattice has it
            x, y = (a + s for a, s in zip(straight, there(self.shift), strict=True))
        inside = (x >= margin) & (x <= width - 1 - margin) & (y >= margin) & (y <= height - 1 - margin)
        if not self.usable.all():
            inside &= there(self.usable)[0]
        return y, x, inside

    def average(self, pixels, trusted=None):
        """Average unit cell: mean of the pixels that are trusted; before that is known, a median of means."""
        places, inside = self.samples
        values = map_coordinates(pixels, places, order=3, mode="nearest")
        if trusted is None:
            # The median of the cells themselves would be far too low where electrons are few. Neighbouring
            # cells share a mean, so that of two domains the larger one prevails.
            groups = np.array_split(np.arange(len(values)), _GROUPS if len(values) >= _FEW else 1)
            means = [np.average(values[g], axis=0, weights=inside[g] + 1e-12) for g in groups]
            return np.median(means, axis=0)
        weight = inside & trusted[tuple(np.rint(places).astype(np.int32).clip(0, _last(pixels)))]
        # Where no pixel of a place of the cell is trusted, all are.
        weight = np.where(weight, 1.0, 1e-6 * inside + 1e-12)
        return (weight * values).sum(axis=0) / weight.sum(axis=0)

    def spread_out(self, cell, *, smooth=False):
        """Continue a unit cell over all pixels: cubic interpolation, linear for what is smooth."""
        if smooth:
            return _linear(np.pad(cell.astype(np.float32), 1, mode="wrap"), self._places)
        filtered = spline_filter(cell.astype(float), order=3, mode="grid-wrap", output=np.float32)
        return map_coordinates(filtered, self._places, order=3, mode="grid-wrap", prefilter=False)

    @cached_property
    def _places(self):
        """Where every pixel lies among the samples of the average cell, shape (2, H, W)."""
        rows, columns = map(int, self.shape)  # keeps float32
        return np.stack([self.v % 1 * rows - 0.5, self.u % 1 * columns - 0.5])


def _linear(cell, places):
    """Linear interpolation within a cell that has a rim of one sample: faster than one of any order."""
    flat, width = cell.ravel(), cell.shape[1]
    result = np.empty(places.shape[1:], np.float32)
    step = max(1, _BAND // places.shape[2])
    for start in range(0, len(result), step):
        rows = slice(start, start + step)
        at = places[:, rows] + np.float32(1)
        row, column = at.astype(np.int32)
        down, across = at[0] - row, at[1] - column
        first = row * np.int32(width) + column
        upper, lower = (
            values[first] * (1 - across) + values[1:][first] * across for values in (flat, flat[width:])
        )
        result[rows] = upper * (1 - down) + lower * down
    return result


def _check_room(seen, lattice, least):
    room = seen.sum() / abs(np.linalg.det(lattice.basis))
    if room < least:
        raise NotPeriodicError(
            f"only {room:.0f} unit cells lie in the image, {FEWEST} are needed to know what is normal: leave "
            "out less, or take a larger field of view"
        )


def median_inside(values, inside):
    """Median over the cells, of the samples that lie in the image."""
    if inside.all():
        return np.median(values, axis=0)
    return np.nanmedian(np.where(inside, values, np.nan), axis=0)


def _last(pixels):
    return np.reshape(pixels.shape, (2, 1, 1, 1)) - 1
