"""Two populations at one site: an alloy, or so many vacancies that the average cell is neither."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, distance_transform_edt, map_coordinates

# Half of `_APART` calls a pure crystal an alloy, twice of it or of `_RARE` misses some
# (benchmarks/constants.py).
# Means of the two, in units of the scatter within them: the halves of one Gaussian are 2.65 apart.
_APART = 4.0
# Share of the smaller population: rarer ones do not move the average cell, and are defects as they are.
_RARE = 0.08
_FEWEST = 40  # cells that tell a distribution
_RIM = 1.0  # lattice vectors
_AROUND = 2.0  # widths of a column about the minority that are not part of the average


@dataclass(frozen=True, eq=False)
class Populations:
    """Where the smaller of two populations is.

    Attributes
    ----------
    odd : ndarray of bool, shape (H, W)
        Pixels around its columns.
    shares : dict
        Number of the site -> (share of the smaller population, its brightness less that of the others, in
        standard deviations of the noise).
    """

    odd: np.ndarray
    shares: dict

    @classmethod
    def of(cls, view):
        """Look at the amplitudes of every site of the crystal in all cells."""
        amplitude = view.filter.amplitudes(np.where(view.frame.usable, view.pixels - view.expected, 0))[0]
        _, ij, whole = view.frame.cells
        # Where the crystal ends its last columns are faint, or missing: that makes no alloy.
        within = distance_transform_edt(view.frame.usable) if not view.frame.usable.all() else None
        odd, shares = np.zeros(amplitude.shape, dtype=bool), {}
        for n, uv in enumerate(view.sites.uv):
            y, x, inside = view.frame.pixels_of(ij[whole] + uv)
            if within is not None:
                rows, columns = (
                    np.clip(np.rint(a), 0, n - 1).astype(int)
                    for a, n in zip((y, x), within.shape, strict=True)
                )
                inside &= within[rows, columns] > _RIM * view.frame.lattice.spacing
            y, x = y[inside], x[inside]
            if len(y) < _FEWEST:
                continue
            values = map_coordinates(amplitude, [y, x], order=1, mode="nearest")
            minority = _minority(values)
            if minority is None:
                continue
            difference = np.median(values[minority]) - np.median(values[~minority])
            shares[n] = float(minority.mean()), float(difference)
            odd[np.rint(y[minority]).astype(int), np.rint(x[minority]).astype(int)] = True
        if shares:
            radius = int(np.ceil(_AROUND * view.sigma))
            disc = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1]) <= radius
            odd = binary_dilation(odd, disc)
        return cls(odd, shares)

    @property
    def doubts(self):
        """What is to be said of it."""
        return [
            f"alloy: two populations, {share:.0%} of the columns of site {site} are "
            f"{'brighter' if difference > 0 else 'darker'} than the others by {abs(difference):.0f} standard "
            "deviations; hits are relative to the more frequent one"
            for site, (share, difference) in self.shares.items()
        ]


def _minority(values):
    """Which values belong to the smaller of two populations; None if there is only one."""
    order = np.argsort(values)
    ordered = values[order]
    n, count = len(values), np.arange(1, len(values))
    below, below_squared = np.cumsum(ordered)[:-1], np.cumsum(ordered**2)[:-1]
    total, total_squared = ordered.sum(), (ordered**2).sum()
    within = (
        below_squared
        - below**2 / count
        + (total_squared - below_squared)
        - (total - below) ** 2 / (n - count)
    )
    cut = int(np.argmin(within)) + 1
    apart = (total - below[cut - 1]) / (n - cut) - below[cut - 1] / cut
    share = min(cut, n - cut) / n
    if share < _RARE or apart < _APART * np.sqrt(max(within[cut - 1], 1e-300) / n):
        return None
    minority = np.zeros(n, dtype=bool)
    minority[order[:cut] if cut <= n - cut else order[cut:]] = True
    return minority
