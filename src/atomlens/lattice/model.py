"""What is known of a lattice: its basis, its sites, and how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from atomlens._doubts import repeated
from atomlens._types import ndarray

__all__ = ["Lattice", "NotPeriodicError"]

_CONFIDENT = 0.6  # share of the data that a lattice explains, below which there is something else, too


class NotPeriodicError(ValueError):
    """No lattice was found where one is needed."""


@dataclass(frozen=True, eq=False)
class Lattice:
    """A lattice in the plane, with the sites of its unit cell.

    A column of site s in the cell (i, j) is expected at ``origins[s] + i * a + j * b``.

    Attributes
    ----------
    basis : ndarray of shape (2, 2)
        Lattice vectors a and b as rows, (x, y) in pixels: the two shortest ones, from a to b by 60 to 120
        degrees in the sense from x to y (120 for a hexagonal lattice). Of those that are equally short, a is
        the one closest to the x axis.
    sites : DataFrame
        One row a site of the cell: ``label`` (sublattice), fractional coordinates ``u`` and ``v``,
        ``origin_x`` and ``origin_y`` in pixels, ``n`` (columns found on it; 0 if it comes from an image).
    confidence : float
        From a table: fraction of the columns that find a column at ±a and ±b, one missing allowed. From an
        image: share of the Bragg peaks that the lattice explains. Between 0 and 1.
    periodic : bool
        False where no lattice was found; basis and sites then mean nothing.
    pixel_size_nm : float or None
        Size of a pixel, where it is known.
    doubts : list of str
        What speaks against it, with the remedy.

    Examples
    --------
    >>> square = Lattice(np.array([[20.0, 0], [0, 20.0]]), confidence=1.0, periodic=True)
    >>> square
    <Lattice: a = 20.00 px, b = 20.00 px, 90.0°, 0 sites, confidence 1.00>
    >>> square.calibrated(0.3905)
    <Lattice: a = 0.3905 nm, b = 0.3905 nm, 90.0°, 0 sites, confidence 1.00>
    """

    basis: np.ndarray
    sites: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["label", "u", "v", "origin_x", "origin_y", "n"])
    )
    confidence: float = 0.0
    periodic: bool = False
    pixel_size_nm: float | None = None
    doubts: list = field(default_factory=list)

    def __repr__(self):
        if not self.periodic:
            return f"<Lattice: none found (not periodic), confidence {self.confidence:.2f}>"
        if self.pixel_size_nm:
            a, b = (f"{length:.4f} nm" for length in self.lengths_nm)
        else:
            a, b = (f"{length:.2f} px" for length in self.lengths)
        count = f"{len(self.sites)} site{'' if len(self.sites) == 1 else 's'}"
        what = f"<Lattice: a = {a}, b = {b}, {self.angle:.1f}°, {count}, confidence {self.confidence:.2f}>"
        return what + repeated(self.doubts)

    @property
    def lengths(self) -> ndarray:
        """Lengths of a and b, in pixels."""
        return np.linalg.norm(self.basis, axis=1)

    @property
    def lengths_nm(self) -> ndarray | None:
        """Lengths of a and b, in nm; None where the pixels are not calibrated."""
        return None if self.pixel_size_nm is None else self.lengths * self.pixel_size_nm

    @property
    def angle(self) -> float:
        """Angle from a to b, in degrees."""
        a, b = self.basis
        return float(np.degrees(np.arctan2(a[0] * b[1] - a[1] * b[0], a @ b)))

    @property
    def spacing(self) -> ndarray:
        """Length of the shortest lattice vector, in pixels."""
        return float(self.lengths.min())

    @property
    def origins(self) -> ndarray:
        """Places of the sites in the cell (0, 0): ndarray of shape (sites, 2), (x, y) in pixels."""
        return self.sites[["origin_x", "origin_y"]].to_numpy(dtype=float)

    def required(self) -> Lattice:
        """Return the lattice itself if there is one.

        Raises
        ------
        NotPeriodicError
        """
        if not self.periodic:
            raise NotPeriodicError(
                f"no lattice was found (confidence {self.confidence:.2f}): the columns do not repeat. "
                "Look at them over the image; keep one grain, and leave out what is not crystalline"
            )
        return self

    def calibrated(self, a: float, b: float | None = None) -> Lattice:
        """Calibrate the pixels from known lattice parameters.

        Parameters
        ----------
        a : float
            Length of lattice vector a in nm.
        b : float, optional
            Length of b in nm; the same as a without it.

        Returns
        -------
        Lattice
            With ``pixel_size_nm``, the mean over both directions.

        Raises
        ------
        ValueError
            If a length is not positive, or the two directions disagree by more than 10 %: these are then
            not the vectors of the lattice, or the scan is distorted.
        NotPeriodicError
            If there is no lattice.

        Examples
        --------
        >>> square = Lattice(np.array([[20.0, 0], [0, 20.2]]), periodic=True)
        >>> round(square.calibrated(0.402).pixel_size_nm, 5)
        0.02
        """
        try:
            known = np.array([a, a if b is None else b], dtype=float)
        except (TypeError, ValueError):
            known = np.full(2, np.nan)
        if not (np.isfinite(known).all() and (known > 0).all()):
            raise ValueError(f"lattice parameters must be positive lengths in nm, got a={a!r}, b={b!r}")
        sizes = known / self.required().lengths
        if abs(sizes[0] / sizes[1] - 1) > 0.1:
            raise ValueError(
                f"a would make a pixel {sizes[0]:.4g} nm and b {sizes[1]:.4g} nm: the vectors "
                f"found are {self.lengths[0]:.2f} and {self.lengths[1]:.2f} px long. Give the parameters of "
                "these vectors"
            )
        return replace(self, pixel_size_nm=float(sizes.mean()))


def as_lattice(value):
    """Return the argument if it is a lattice, or say what a lattice is.

    >>> as_lattice(16.0)
    Traceback (most recent call last):
    ValueError: a Lattice is needed, got a float: `atomlens.lattice.estimate` finds it in an image or a table
    """
    if not isinstance(value, Lattice):
        raise ValueError(
            f"a Lattice is needed, got a {type(value).__name__}: `atomlens.lattice.estimate` finds it in an "
            "image or a table"
        )
    return value


def low_confidence(confidence):
    """What is to be said of a lattice that explains little of the data."""
    if confidence >= _CONFIDENT:
        return []
    return [
        f"the lattice explains {confidence:.0%} of the data only: there may be a second grain or another "
        "phase; look at the power spectrum, or keep one region"
    ]
