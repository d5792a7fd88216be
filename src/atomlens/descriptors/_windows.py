"""Sliding windows, described by their Fourier transforms or Patterson functions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy import fft

from atomlens._doubts import quietly
from atomlens._image import prepare
from atomlens._tiles import as_pair
from atomlens._types import Any, ArrayLike, DataArray
from atomlens.descriptors._base import Descriptor
from atomlens.lattice import estimate
from atomlens.patterson import full_patterson, patterson, tapered_size
from atomlens.windows import sliding_windows, taper_window

_KINDS = ("patterson", "fft", "log_fft")
_BATCH = 1 << 20  # pixels transformed at a time


class WindowDescriptor(Descriptor):
    """Windows at regular steps over an image, described so that it does not matter where they were cut.

    Prior: continuous translational symmetry. Within a window the specimen repeats; what it repeats is the
    same wherever the window begins.

    Blind to translation, to inversion (a half turn leaves the moduli of the Fourier coefficients) and to
    brightness and contrast. Not to rotation, and not to species as far as they differ in the image.

    Parameters
    ----------
    size : int or tuple of int, optional
        (height, width) in pixels. Without it, three unit cells of the lattice of the image
        (`atomlens.patterson.tapered_size`).
    step : int or tuple of int, optional
        From window to window, down and across; a third of the shortest lattice vector without it, or a
        quarter of the window where there is no lattice.
    kind : {"patterson", "fft", "log_fft"}
        Patterson function; modulus of the Fourier transform; or log(1 + modulus), which brings out weak
        peaks. The modulus is in units of its root mean square.
    taper : {"auto", "hann", None}
        "auto" tapers unless the window holds less than about 2.5 unit cells.

    Attributes
    ----------
    size_, step_ : tuple of int
    taper_ : {"hann", None}
    blank_center_ : float
        Radius in pixels that is set to zero: 0.3 lattice vectors in a Patterson function, and nothing in a
        transform or where there is no lattice.
    lattice_ : Lattice or None
        Of the image that was fitted; None where it does not repeat.
    positions_ : DataFrame
        ``x``, ``y`` of the centres of the windows, in pixels, and ``x_nm``, ``y_nm`` if calibrated.
    grid_ : tuple of int
        (rows, columns) of windows in the image seen last.

    Raises
    ------
    ValueError
        If the image is unusable, the window does not fit into it, or an option is unknown.
    NotPeriodicError
        If `size` is not given and the image has no lattice.

    Examples
    --------
    >>> y, x = np.mgrid[:120, :120]
    >>> lattice = np.cos(2 * np.pi * x / 12) + np.cos(2 * np.pi * y / 12)
    >>> describe = WindowDescriptor(step=12).fit(lattice)
    >>> describe.size_, describe.taper_
    ((36, 36), 'hann')
    >>> features = describe.transform(lattice)
    >>> features.shape, bool(np.ptp(features, axis=0).max() < 0.01)
    ((64, 684), True)
    >>> describe.map(features[:, 0]).shape
    (8, 8)
    """

    prior = "continuous translational symmetry: the specimen repeats within a window"
    blind_to = ("translation", "inversion", "contrast")

    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        *,
        step: int | tuple[int, ...] | None = None,
        kind: str = "patterson",
        taper: str | None = "auto",
    ) -> None:
        self.size = size
        self.step = step
        self.kind = kind
        self.taper = taper

    def _learn(self, image):
        if self.kind not in _KINDS:
            raise ValueError(f"kind must be one of {', '.join(map(repr, _KINDS))}, got {self.kind!r}")
        with quietly():  # several grains are what windows tell apart
            known = estimate(image)
        if self.size is None:
            known.required()
        self.lattice_ = known if known.periodic else None
        fits = tapered_size(known) if known.periodic else (1, 1)
        self.size_ = fits if self.size is None else as_pair(self.size, "size")
        if self.step is not None:
            self.step_ = as_pair(self.step, "step")
        else:
            steps = np.full(2, known.spacing / 3) if known.periodic else np.array(self.size_) / 4
            self.step_ = tuple(max(1, round(s)) for s in steps)
        if self.taper == "auto":
            holds = min(own / needed for own, needed in zip(self.size_, fits, strict=True))
            self.taper_ = "hann" if holds > 2.5 / 3 else None
        else:
            self.taper_ = self.taper
        self.blank_center_ = 0.3 * known.spacing if known.periodic and self.kind == "patterson" else 0.0
        taper_window(self.size_, self.taper_)  # is it a taper?

    def _places(self, image):
        prepared = prepare(image)
        rows, columns = self.grid_ = sliding_windows(prepared.pixels, self.size_, step=self.step_).shape[:2]
        y, x = (
            (n - 1) / 2 + s * np.arange(k) for n, s, k in zip(self.size_, self.step_, self.grid_, strict=True)
        )
        table = pd.DataFrame({"x": np.tile(x, rows), "y": np.repeat(y, columns)})
        return prepared.with_nm(table)

    def _describe(self, image):
        windows = sliding_windows(prepare(image).pixels, self.size_, step=self.step_)
        count = windows.shape[0] * windows.shape[1]
        if self.kind == "patterson":
            found = patterson(windows, taper=self.taper_, blank_center=self.blank_center_)
            return found.reshape(count, -1)
        return self._spectra(windows).reshape(count, -1)

    def _spectra(self, windows):
        """Moduli of the Fourier transforms for k_x >= 0, with k_y = 0 in the middle; by rows of windows."""
        height, width = self.size_
        weights = taper_window(self.size_, self.taper_)
        blanked = self._radius() < self.blank_center_
        found = np.empty((*windows.shape[:2], *blanked.shape), np.float32)
        for row in range(len(windows)):
            for start in range(0, windows.shape[1], step := max(1, _BATCH // (height * width))):
                batch = windows[row, start : start + step]
                batch = (batch - batch.mean(axis=(1, 2), keepdims=True)) * weights
                modulus = np.abs(fft.rfft2(batch.astype(np.float32)))
                rms = np.sqrt((modulus**2).mean(axis=(1, 2), keepdims=True))
                modulus /= np.where(rms > 0, rms, 1)
                found[row, start : start + step] = np.fft.fftshift(modulus, axes=1)
        found[..., blanked] = 0
        return np.log1p(found, out=found) if self.kind == "log_fft" else found

    def _radius(self):
        height, width = self.size_
        return np.hypot(np.arange(height)[:, None] - height // 2, np.arange(width // 2 + 1))

    def _shape(self):
        height, width = self.size_
        return (height // 2 + 1, width) if self.kind == "patterson" else (height, width // 2 + 1)

    def inverse_image(self, features: ArrayLike) -> Any:
        """Draw rows of features: whole Patterson functions, or whole transforms with k = 0 in the middle.

        Parameters
        ----------
        features : array_like of shape (d,) or (n, d)
            Also means over clusters, or components.

        Returns
        -------
        ndarray of float32, shape (n, height, width)
        """
        half = self._pictures(features)
        height = self.size_[0]
        if self.kind == "patterson":
            return full_patterson(half, height)
        # The value at k is also that at -k.
        k_y, k_x = (np.arange(n) - n // 2 for n in self.size_)
        turn = np.where(k_x < 0, -1, 1)
        return half[:, (turn * k_y[:, None] + height // 2) % height, np.abs(k_x)[None, :]]

    def map(self, values: ArrayLike) -> DataArray:
        """Arrange one value a window, or several, as a picture over the image seen last.

        Parameters
        ----------
        values : array_like of shape (N,) or (N, n)

        Returns
        -------
        DataArray of shape (rows, columns), or (n, rows, columns) with the dims (component, y, x)
            Coordinates are the centres of the windows, in nm where the image was calibrated, else in pixels.

        Raises
        ------
        ValueError
            If there are not as many values as windows.
        """
        return on_grid(values, self.positions_, self.grid_, ("y", "x"))


def on_grid(values, table, grid, dims):
    """One value or several for each row of a table, whose rows fill a grid, as a DataArray."""
    values = np.asarray(values)
    if values.ndim not in (1, 2) or len(values) != len(table):
        raise ValueError(
            f"expected one row of values for each of the {len(table)} windows seen last, "
            f"got shape {values.shape}"
        )
    coords = {}
    for axis, dim in enumerate(dims):
        unit = "nm" if f"{dim}_nm" in table else "px" if dim in "yx" else ""
        along = table[f"{dim}_nm" if unit == "nm" else dim].to_numpy().reshape(grid)
        attrs = {"units": unit} if unit else {}
        coords[dim] = (dim, np.moveaxis(along, axis, 0).reshape(grid[axis], -1)[:, 0], attrs)
    if values.ndim == 1:
        return xr.DataArray(values.reshape(grid), coords, dims)
    return xr.DataArray(np.moveaxis(values.reshape(*grid, -1), -1, 0), coords, ("component", *dims))
