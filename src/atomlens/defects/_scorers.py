"""How unusual every pixel of an image is: one class a method, all with fit(view) and score(view)."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, uniform_filter
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import Delaunay, cKDTree
from scipy.special import erfcx
from sklearn.base import BaseEstimator, clone

from atomlens._render import draw_columns
from atomlens.patterson import patterson, tapered_size
from atomlens.windows import flatten, sliding_windows

_BATCH = 1 << 21  # pixels of windows held at a time
_TRAIN = 2500  # windows that are enough to learn from: so many an exact machine can take
_SMOOTH = 0.15  # of a window
_STEPS = 8  # a window, at most
_LEAST = 50  # windows to learn from
_EDGE = 5.0  # widths of a column: so near to the border columns are found by chance
_DOT = 0.12  # of the distance between neighbours: width of a column of the semantic image
_BOND = 1.35  # of the distance between nearest neighbours: up to there columns are bonded
_BRAGG = 1 / 6  # of the shortest reciprocal lattice vector: radius of the discs that are the crystal


class UnitCellScorer(BaseEstimator):
    """Difference from the average unit cell, in the shape of a column that is brighter, darker or moved.

    The residual is correlated with a column and its two slopes, and the three amplitudes are divided by their
    scatter at the same place of all cells. The score is minus twice the logarithm of the smallest p-value of
    several questions: is anything different here (chi-squared, three degrees of freedom); is there a column
    that should not be; and, at a site of the crystal, is the column another one, or has it moved? There are
    few sites and many places, so what happens at a site may be the less rare to be believed.
    """

    calibration_cells = 3000
    threads = 2  # that score surrogates: numpy leaves them alone, and each takes memory

    def footprint(self, view):
        """Standard deviation of the response to a point, in pixels."""
        return view.sigma

    def fit(self, view):
        """Nothing to learn beyond the average cell that the view holds."""
        return self

    def score(self, view):
        """Score of every pixel, shape (H, W)."""
        bump, *moved = view.deviations
        moved = moved[0] ** 2 + moved[1] ** 2  # minus twice the logarithm of its p-value, as it stands
        total = bump**2 + moved
        different = total - 2 * np.log(erfcx(np.sqrt(total / 2)) + np.sqrt(2 / np.pi * total))
        other = bump**2 - 2 * np.log(erfcx(np.abs(bump) / np.sqrt(2)))
        anywhere = np.maximum(different, np.where(bump > 0, other + 2 * np.log(2), 0))
        at_site = np.maximum(np.maximum(other, moved), different) + 2 * np.log(view.sites.chance)
        return np.where(view.sites.at(view.frame), np.maximum(at_site, anywhere), anywhere)


class FourierScorer(BaseEstimator):
    """FFT subtraction: what is left without the Bragg peaks, blurred to the width of a column and squared."""

    calibration_cells = 3000
    threads = 2

    def footprint(self, view):
        """Standard deviation of the response to a point, in pixels."""
        return view.sigma

    def fit(self, view):
        """Mark the surroundings of the Bragg peaks."""
        height, width = view.pixels.shape
        ky, kx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
        basis = view.frame.lattice.basis
        order = [kx * x + ky * y for x, y in basis]
        inverse = np.linalg.inv(basis)
        away = [o - np.rint(o) for o in order]
        distance = np.hypot(*(inverse[axis, 0] * away[0] + inverse[axis, 1] * away[1] for axis in (0, 1)))
        self.radius_ = _BRAGG * np.linalg.norm(inverse, axis=0).min()
        self.crystal_ = distance < self.radius_
        return self

    def score(self, view):
        """Score of every pixel, shape (H, W)."""
        spectrum = np.fft.rfft2(view.pixels)
        spectrum[self.crystal_] = 0
        rest = np.fft.irfft2(spectrum, view.pixels.shape).astype(np.float32)
        score = gaussian_filter(rest, view.sigma) ** 2
        # The image does not end where a cell does: that leaks out of the Bragg peaks, and shows at the edge.
        edge = round(view.frame.lattice.spacing)
        return np.pad(score[edge:-edge, edge:-edge], edge)


class PattersonScorer(BaseEstimator):
    """Windows of a picture, their Patterson functions, and a detector of unusual ones.

    What is cut out, and how scores come back to the pixels, is for the scheme to say.
    """

    calibration_cells = 1500
    threads = 1  # detectors and networks have their own

    def __init__(self, detector, random_state=0):
        self.detector = detector
        self.random_state = random_state

    def fit(self, view):
        """Learn the usual Patterson functions from the windows of the image itself."""
        windows, usable = self._windows(view)
        chosen = np.flatnonzero(usable)
        if len(chosen) < _LEAST:
            raise ValueError(
                f"{len(chosen)} windows fit into the image, {_LEAST} are needed to learn what is normal: "
                "take a larger field of view"
            )
        if len(chosen) > _TRAIN:
            rng = np.random.default_rng(self.random_state)
            chosen = np.sort(rng.choice(chosen, _TRAIN, replace=False))
        self.blank_center_ = self._blank * view.sigma
        self.detector_ = clone(self.detector).fit(
            self._functions(np.concatenate(list(_batches(windows, chosen))))
        )
        return self

    def score(self, view):
        """Score of every pixel, shape (H, W)."""
        windows, usable = self._windows(view)
        scores = np.full(usable.shape, np.nan, np.float32)
        found = [
            -self.detector_.score_samples(self._functions(some))
            for some in _batches(windows, np.flatnonzero(usable))
        ]
        scores[usable] = np.concatenate(found)
        return self._to_pixels(view, scores)

    def _functions(self, patches):
        """Patterson functions as rows."""
        found = patterson(patches, taper=self._taper, blank_center=self.blank_center_)
        return found.reshape(len(found), -1)


def _batches(windows, chosen):
    """Patches of the chosen windows (flat indices into the grid of windows), some at a time."""
    height, width = windows.shape[2:]
    step = max(1, _BATCH // (height * width))
    for n in range(0, len(chosen), step):
        yield windows[np.unravel_index(chosen[n : n + step], windows.shape[:2])]


class SlidingScorer(PattersonScorer):
    """Scheme 2: tapered windows that slide over the flattened image, as large as invariance asks for."""

    _taper, _blank = "hann", 1.5

    def footprint(self, view):
        """Standard deviation of the response to a point, in pixels."""
        return 0.2 * min(self.size_)

    def _windows(self, view):
        lattice = view.frame.lattice
        self.size_ = tapered_size(lattice)
        self.step_ = max(1, round(lattice.spacing / 3), min(self.size_) // _STEPS)
        flat = flatten(view.pixels, length=2 * lattice.lengths.max())
        grid = sliding_windows(flat, self.size_, step=self.step_)
        return grid, np.ones(grid.shape[:2], bool)

    def _to_pixels(self, view, scores):
        # A window reacts to a defect anywhere in it, and sometimes least when it is in the middle: the mean
        # of those around a pixel is highest where they all see it.
        scores = gaussian_filter(scores, _SMOOTH * min(self.size_) / self.step_)
        at = [
            (np.arange(n) - (size - 1) / 2) / self.step_
            for n, size in zip(view.pixels.shape, self.size_, strict=True)
        ]
        whole = map_coordinates(scores, np.meshgrid(*at, indexing="ij"), order=1, mode="nearest")
        # Beyond the middle of the outermost windows nothing is known.
        seen = [(a >= 0) & (a <= n - 1) for a, n in zip(at, scores.shape, strict=True)]
        return np.where(np.outer(*seen), whole, scores.min())


class SemanticScorer(PattersonScorer):
    """Scheme 1: windows of one unit cell of the semantic image, along the lattice, without a taper.

    The semantic image shows every column that was found as the same Gaussian: where columns are, and nothing
    else. The windows step by a third of the lattice vectors; a pixel gets the mean of those that cover it.
    """

    _taper, _blank = None, 0.0

    def footprint(self, view):
        """Standard deviation of the response to a point, in pixels."""
        return 0.4 * view.frame.lattice.spacing

    def _windows(self, view):
        picture = semantic_image(view.pixels.shape, view.columns, view.frame.lattice)
        self.per_cell_ = tuple(3 * max(2, round(n / 3)) for n in view.frame.lattice.lengths[::-1])
        straight, inside, self.first_ = view.frame.unrolled(picture, self.per_cell_, _EDGE * view.sigma)
        step = tuple(n // 3 for n in self.per_cell_)
        grid = sliding_windows(straight, self.per_cell_, step=step)
        complete = sliding_windows(inside, self.per_cell_, step=step).all(axis=(2, 3))
        # A window without any column has no Patterson function; the next ones show that columns are missing.
        return grid, complete & (np.ptp(grid, axis=(2, 3)) > 0)

    def _to_pixels(self, view, scores):
        known = np.isfinite(scores)
        total, count = (uniform_filter(a, 3) for a in (np.where(known, scores, 0), known.astype(np.float32)))
        lowest = np.nanmin(scores)
        smooth = np.where(count > 0.05, total / np.maximum(count, 1e-6), lowest)
        at = [
            3 * (w - start - 0.5) for w, start in zip((view.frame.v, view.frame.u), self.first_, strict=True)
        ]
        return map_coordinates(smooth.astype(np.float32), at, order=1, mode="nearest")


def semantic_image(shape, columns, lattice):
    """Draw every column as the same Gaussian, an eighth of the distance between neighbours wide."""
    xy = columns[["x", "y"]].to_numpy(dtype=float)
    if len(xy) < 2:
        raise ValueError(f"{len(xy)} columns were found: a semantic image needs more. Use scheme='window'")
    nearest = np.median(cKDTree(xy).query(xy, 2)[0][:, 1])
    sigma = _DOT * min(nearest, lattice.spacing)
    width = np.tile([sigma**2, 0.0, sigma**2], (len(xy), 1))
    return draw_columns(shape, *xy.T, np.ones(len(xy)), width).astype(np.float32)


class CycleScorer(BaseEstimator):
    """Cycle analysis: rings of bonds between columns, and how rare a ring of so many bonds is.

    Columns closer than 1.35 times the median distance of nearest neighbours are bonded (of those that are
    neighbours in the Delaunay triangulation). Ovchinnikov et al., Adv. Struct. Chem. Imaging 6, 3 (2020).
    """

    calibration_cells = 3000
    threads = 1

    def footprint(self, view):
        """Standard deviation of the response to a point, in pixels."""
        return 0.4 * view.frame.lattice.spacing

    def fit(self, view):
        """Count the rings of every size."""
        rings = self._rings(view)[2]
        sizes, count = np.unique(rings[rings > 0], return_counts=True)
        if not len(sizes):
            raise ValueError("the columns found do not form closed rings: use another detector")
        self.frequency_ = dict(zip(sizes.tolist(), (count / count.sum()).tolist(), strict=True))
        return self

    def score(self, view):
        """Score of every pixel, shape (H, W): minus the logarithm of the frequency of its ring."""
        triangles, ring_of, sizes = self._rings(view)
        rarest = 0.5 * min(self.frequency_.values())
        rare = [-np.log(self.frequency_.get(int(n), rarest)) if n else 0.0 for n in sizes]
        height, width = view.pixels.shape
        grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
        at = triangles.find_simplex(grid)
        score = np.where(at >= 0, np.array(rare)[ring_of[at]], 0.0).astype(np.float32)
        edge = int(_EDGE * view.sigma)
        # A missing column spoils several rings; their mean is highest where it was.
        return gaussian_filter(np.pad(score[edge:-edge, edge:-edge], edge), self.footprint(view))

    @staticmethod
    def _rings(view):
        """Delaunay triangles, the ring that each is part of, and the bonds of every ring (0: open)."""
        xy = view.columns[["x", "y"]].to_numpy(dtype=float)
        if len(xy) < 4:
            raise ValueError(f"{len(xy)} columns were found: rings need more. Use scheme='window'")
        nearest = np.median(cKDTree(xy).query(xy, 2)[0][:, 1])
        triangles = Delaunay(xy)
        corners, beside = triangles.simplices, triangles.neighbors
        # The side opposite to corner k joins the other two corners
        sides = np.stack([corners[:, [1, 2]], corners[:, [2, 0]], corners[:, [0, 1]]], axis=1)
        bonded = np.linalg.norm(xy[sides[..., 0]] - xy[sides[..., 1]], axis=2) < _BOND * nearest
        joined = np.argwhere(~bonded & (beside >= 0))
        links = (np.ones(len(joined)), (joined[:, 0], beside[tuple(joined.T)]))
        count, ring = connected_components(csr_matrix(links, shape=(len(corners),) * 2), directed=False)
        sizes = np.bincount(ring, bonded.sum(axis=1), count).astype(int)
        sizes[ring[(~bonded & (beside < 0)).any(axis=1)]] = 0
        return triangles, ring, sizes
