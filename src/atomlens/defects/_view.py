"""An image prepared for the search: lattice, expected image, noise; and surrogates of it without defects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.ndimage import maximum_filter

from atomlens._image import Prepared, prepare
from atomlens.columns import estimate_scale, find
from atomlens.defects._cells import CellFrame
from atomlens.defects._populations import Populations
from atomlens.defects._residual import (
    ColumnFilter,
    expected_image,
    level_of_rows,
    noise_level,
    noise_of_rows,
    plane,
    standardized,
    vacuum,
)
from atomlens.defects._sites import Sites
from atomlens.lattice import estimate

_PASSES = 4  # at most; two where there is one population and the lattice is followed at once
_SETTLED = 0.3  # pixels by which the lattice may still have moved
_CLEAR = 50.0  # squared amplitude (three degrees of freedom) beyond which a place is not trusted
_FAINTEST = 0.1  # of the contrast: noise in every image, below which errors of the average cell would show
_STANDS_OUT = 3.5  # standard deviations
_RANKS = 0.005  # of the pixels: how different in brightness those may be whose noise is exchanged


@dataclass(frozen=True, eq=False)
class View:
    """What every detector gets to see.

    Attributes
    ----------
    pixels : ndarray of float32, shape (H, W)
    frame : CellFrame
    expected, noise : ndarray of shape (H, W)
        The image of the perfect crystal, and the standard deviation of the noise.
    filter : ColumnFilter
        For this noise and this width.
    sites : Sites
        The columns of the average cell.
    populations : Populations
        Whether these are of two kinds.
    streaked : bool
        Whether rows differ in brightness.
    """

    pixels: np.ndarray
    frame: CellFrame
    expected: np.ndarray
    noise: np.ndarray
    filter: ColumnFilter
    sites: Sites
    populations: Populations | None = None
    streaked: bool = False

    @classmethod
    def of(cls, image, lattice=None):
        """Prepare an image; raises NotPeriodicError where it has no lattice."""
        prepared = image if isinstance(image, Prepared) else prepare(image, smallest=32, clean=True)
        pixels, usable = prepared.pixels.astype(np.float32), prepared.usable
        lattice = (estimate(prepared.pixels, mask=~usable) if lattice is None else lattice).required()
        sigma = float(np.clip(estimate_scale(pixels)[0], 0.8, lattice.spacing / 3))
        view = cls._prepared(pixels, CellFrame.track(pixels - plane(pixels), lattice, usable), sigma)
        usable = usable & ~vacuum(pixels, view.expected, lattice)
        if usable.sum() < view.frame.usable.sum():
            view = cls._prepared(pixels, CellFrame.track(pixels - plane(pixels), lattice, usable), sigma)
        lacking = (_FAINTEST * view.expected[usable].std()) ** 2 - np.median(view.noise[usable]) ** 2
        if lacking <= 0:
            return view
        added = np.random.default_rng(0).normal(0, np.sqrt(lacking), pixels.shape)
        pixels = pixels + added.astype(np.float32)
        return cls._prepared(pixels, CellFrame.track(pixels - plane(pixels), lattice, usable), sigma)

    @classmethod
    def _prepared(cls, pixels, frame, sigma):
        # First with the median of the cells, then with the mean of what lies within reach of it: again where
        # there is a second population, or the lattice had to be followed further.
        view, streaks = cls._once(pixels, frame, sigma)
        for step in range(1, _PASSES):
            last, two = (
                view,
                Populations.of(view) if step == 1 or view.populations.shares else view.populations,
            )
            trusted = last.trusted & ~two.odd
            frame = last.frame.tracked_again(pixels - streaks, last.expected - streaks, trusted)
            view, streaks = cls._once(pixels, frame, sigma, trusted, two)
            if not two.shares and np.ptp(view.frame.shift - last.frame.shift) < _SETTLED:
                break
        return view

    @classmethod
    def _once(cls, pixels, frame, sigma, trusted=None, populations=None):
        expected, streaks, frame, cell = expected_image(pixels, frame, trusted)
        expected = expected + streaks
        sites = Sites.of(cell, frame.lattice, sigma)
        variance, gain = noise_level(pixels - expected, expected, sites.sigma / 2, frame.usable)
        if np.any(streaks):
            variance = variance * noise_of_rows(pixels - expected, variance, frame.usable)
        seen = frame.usable if trusted is None else trusted
        columns = ColumnFilter.of(variance, gain, sites.sigma, seen)
        return cls(
            pixels, frame, expected, np.sqrt(variance), columns, sites, populations, np.any(streaks)
        ), streaks

    @property
    def sigma(self):
        """Width of a column in pixels."""
        return self.sites.sigma

    def light(self):
        """Return the same view without what has been kept because it was computed once."""
        return replace(self, frame=replace(self.frame))

    @property
    def deviations(self):
        """How far a column there is brighter, moved along x, moved along y: standard deviations (3, H, W)."""
        # `cached_property` of Python 3.11 would let one thread in at a time, for all surrogates together.
        if "_deviations" not in vars(self):
            vars(self)["_deviations"] = self._measured()
        return vars(self)["_deviations"]

    def _measured(self):
        rest = np.where(self.frame.usable, self.pixels - self.expected, 0)
        two = self.populations is not None and self.populations.shares
        return standardized(self.filter.amplitudes(rest), self.frame, self.populations.odd if two else None)

    @cached_property
    def trusted(self):
        """False near places that differ strongly from the same ones of the other cells, shape (H, W)."""
        strength = (self.deviations**2).sum(axis=0)
        strength = maximum_filter(strength, 2 * int(2 * self.sigma) + 1)
        # Where noise is no excuse, as in an image without any, the better half must do.
        clear = (strength < max(_CLEAR, np.median(strength))) & self.frame.usable
        return clear if self.populations is None else clear & ~self.populations.odd

    @cached_property
    def columns(self):
        """Columns that the network finds and whose intensity stands out of the noise, as a table.

        Where a column is missing in a crystal, the network may still see one: it has learnt what crystals
        look like.
        """
        found = find(self.pixels, mask=~self.frame.usable)
        rows, places = (
            np.clip(np.rint(found[axis]).astype(int), 0, n - 1)
            for axis, n in zip("yx", self.pixels.shape, strict=True)
        )
        doubt = np.sqrt(4 * np.pi) * found["sigma"] * self.noise[rows, places]
        return found[found["intensity"] > _STANDS_OUT * doubt].reset_index(drop=True)

    @cached_property
    def _exchangeable(self):
        """Standardised residuals of trusted pixels, darkest first, and the rank of every pixel among them."""
        order = np.argsort(self.expected, axis=None, kind="stable")
        trusted = self.trusted.ravel()[order]
        rank = np.empty(len(order), int)
        rank[order] = np.cumsum(trusted) - trusted
        return ((self.pixels - self.expected) / self.noise).ravel()[order[trusted]], rank

    def surrogate(self, random_state):
        """Return the view of an image without defects that has the same crystal and the same noise.

        The residuals of trusted pixels are drawn anew, each from pixels about as bright: the distribution of
        the noise is kept as it is, whatever the detector does, and what was arranged in space is not.
        """
        rest, rank = self._exchangeable
        rng = np.random.default_rng(random_state)
        width = max(50, int(_RANKS * len(rest)))
        # Reflected at the ends, where the brightest and the darkest pixels are
        drawn = np.abs(rank + rng.integers(-width, width + 1, len(rank)))
        drawn = np.abs(len(rest) - 1 - np.abs(len(rest) - 1 - drawn))
        noise = self.noise * rest[drawn].reshape(self.pixels.shape)
        if self.streaked:
            noise -= level_of_rows(noise, np.sqrt(np.mean(noise**2)))[:, None]
        # The average cell takes a little of the noise along, as that of the image did, and so do rows.
        learnt = self.frame.spread_out(self.frame.average(noise, np.ones(noise.shape, bool)))
        return replace(self, pixels=self.expected + noise, expected=self.expected + learnt)
