"""What an atomic force microscope makes of a surface: tip, feedback, scars, steps, tilt, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import grey_dilation
from scipy.signal import lfilter

from atomlens._types import ArrayLike, Generator, ndarray

__all__ = ["Afm"]

_SCAR = (0.15, 0.6)  # of the width of the frame, a scar is that long
_NARROWEST = 1e-6  # nm: what a tip of no radius is taken for


@dataclass(frozen=True)
class Afm:
    """An atomic force microscope that scans along x, line by line.

    Parameters
    ----------
    tip : float
        Radius of its end, nm: particles look wider by it. 0: a needle.
    lag : float
        Of the feedback, in pixels along x: steep flanks are smeared to the right.
    scars : float
        Mean number of scars a frame: stretches of a line at which the tip lost the surface.
    scar_height : float
        Of a scar, nm.
    line_step : float
        Standard deviation of the height offsets of lines, nm.
    tilt : (float, float)
        By how much the sample rises along x and y over the frame, nm.
    noise : float
        Standard deviation of the height, nm.
    counts : float, optional
        Levels of height a nanometre that scatter like counts (Poisson). None: none do.

    Raises
    ------
    ValueError
        If one of them cannot be.

    Examples
    --------
    >>> flat = np.zeros((8, 8))
    >>> bool(Afm(noise=0).scan(flat, 1.0).any())
    False
    """

    tip: float = 1.0
    lag: float = 0.0
    scars: float = 0.0
    scar_height: float = 1.0
    line_step: float = 0.0
    tilt: tuple[float, float] = (0.0, 0.0)
    noise: float = 0.05
    counts: float | None = None

    def __post_init__(self) -> None:
        for name in ("tip", "lag", "scars", "scar_height", "line_step", "noise"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be a number of at least 0, got {value!r}")
        if len(self.tilt) != 2 or not np.all(np.isfinite(self.tilt)):
            raise ValueError(f"tilt must be two heights in nm, along x and y, got {self.tilt!r}")
        if self.counts is not None and not self.counts > 0:
            raise ValueError(f"counts must be a number above 0, or None, got {self.counts!r}")

    def scan(self, surface: ArrayLike, pixel_size: float, random_state: int | Generator = 0) -> ndarray:
        """Scan a surface once.

        Parameters
        ----------
        surface : array_like of shape (H, W)
            Heights, nm.
        pixel_size : float
            nm.
        random_state : int or numpy.random.Generator

        Returns
        -------
        ndarray of float32, shape (H, W)
            What the microscope records, nm.
        """
        rng = np.random.default_rng(random_state)
        height = self._dilated(np.asarray(surface, float), pixel_size)
        if self.lag > 0:
            step = 1 - np.exp(-1 / self.lag)
            first = (1 - step) * height[:, :1]
            height = lfilter([step], [1, step - 1], height, axis=1, zi=first)[0]
        n_rows, n_columns = height.shape
        for axis, rise in ((1, self.tilt[0]), (0, self.tilt[1])):
            ramp = rise * (np.arange(height.shape[axis]) / max(height.shape[axis] - 1, 1) - 0.5)
            height = height + (ramp if axis else ramp[:, None])
        for _ in range(rng.poisson(self.scars)):
            length = int(n_columns * rng.uniform(*_SCAR))
            start = int(rng.integers(0, n_columns - length + 1))
            height[rng.integers(n_rows), start : start + length] += self.scar_height * rng.uniform(0.5, 1.5)
        if self.line_step > 0:
            height = height + rng.normal(0, self.line_step, (n_rows, 1))
        if self.counts is not None:
            base = height.min()
            height = base + rng.poisson(np.maximum(height - base, 0) * self.counts) / self.counts
        return (height + rng.normal(0, self.noise, height.shape)).astype(np.float32)

    def _dilated(self, height, pixel_size):
        """The lowest that a parabolic tip can go, a dilation (Villarrubia, J. Res. NIST 102, 425, 1997)."""
        reach = np.sqrt(2 * self.tip * max(np.ptp(height), _NARROWEST))
        n = int(reach / pixel_size)
        if self.tip <= 0 or n < 1:
            return height
        y, x = np.mgrid[-n : n + 1, -n : n + 1] * pixel_size
        parabola = -(x**2 + y**2) / (2 * self.tip)
        return grey_dilation(height, structure=parabola, mode="nearest")
