"""The Patterson function: the autocorrelation of a window, which forgets where the window was cut.

Shifting a periodic picture changes the phases of its Fourier coefficients but not their moduli, so the
autocorrelation of a window does not depend on where in the unit cell the window begins. What remains is which
vectors join equal things: the same for every window of a perfect crystal, another where it is disturbed.

References
----------
Patterson, Phys. Rev. 46, 372 (1934); Guo et al., npj Comput. Mater. 7, 180 (2021), for its use with a
one-class support vector machine.
"""

from __future__ import annotations

import os

import numpy as np
from scipy import fft
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from atomlens._image import as_image
from atomlens.windows import sliding_windows, taper_window

__all__ = ["PattersonTransformer", "full_patterson", "patterson", "translation_spread"]

_BATCH = 1 << 22  # pixels transformed at a time: stays in the cache of the processor


def patterson(patches, *, taper=None, blank_center=0.0, half=True, normalize=True):
    """Patterson functions of many patches at once.

    The mean of each patch is subtracted, and P = IFFT(abs(FFT(patch))**2).

    Parameters
    ----------
    patches : array_like of shape (..., h, w)
    taper : {"hann", None}
        Fade the patches out first: needed unless they hold whole unit cells (`translation_spread` measures
        it).
    blank_center : float
        Radius in pixels around the origin that is set to zero: there stands the sum of squares, and the
        noise.
    half : bool
        P(-r) = P(r): return the half with r_y >= 0 only.
    normalize : bool
        Divide each by its length, so that contrast and dose do not matter.

    Returns
    -------
    ndarray of float32, shape (..., h // 2 + 1, w), or (..., h, w) if not `half`
        The origin r = 0 is at [0, w // 2], or at [h // 2, w // 2] of the whole function.

    Raises
    ------
    ValueError
        If there are not two axes at least, a value is NaN, a patch is constant where it is to be normalised,
        or an option is out of range.

    Notes
    -----
    Real transforms in single precision, in batches, on all cores. Without a taper the patch is continued
    periodically (a circular autocorrelation).

    Examples
    --------
    >>> stripes = np.tile([0.0, 0.0, 1.0, 1.0], (4, 2))
    >>> patterson(stripes, normalize=False)[0]
    array([ 8.,  0., -8.,  0.,  8.,  0., -8.,  0.], dtype=float32)
    """
    patches = np.asarray(patches)
    if patches.ndim < 2 or min(patches.shape[-2:]) < 2:
        raise ValueError(f"patches need two axes of 2 pixels or more at the end, got shape {patches.shape}")
    if not blank_center >= 0:
        raise ValueError(f"blank_center must be a radius in pixels of at least 0, got {blank_center!r}")
    height, width = patches.shape[-2:]
    weights = taper_window((height, width), taper)
    blanked = _radius(height, width, half) < blank_center if blank_center else None
    rows = height // 2 + 1 if half else height
    flat = patches.reshape(-1, height, width)
    result = np.empty((len(flat), rows, width), np.float32)
    step = max(1, _BATCH // (height * width))
    for start in range(0, len(flat), step):
        batch = flat[start : start + step].astype(np.float32)
        if not np.isfinite(batch).all():
            raise ValueError("patches hold NaN or infinite pixels: fill them first")
        batch -= batch.mean(axis=(1, 2), keepdims=True)
        if taper is not None:
            batch *= weights
        result[start : start + step] = _autocorrelation(batch, rows)
    if blanked is not None:
        result[:, blanked] = 0
    if normalize:
        length = np.sqrt(np.einsum("nij,nij->n", result, result))
        if not (length > 0).all():
            raise ValueError(
                f"{np.count_nonzero(length == 0)} patches are constant, or blank_center leaves nothing: "
                "their Patterson function is zero and cannot be normalised"
            )
        result /= length[:, None, None]
    return result.reshape(*patches.shape[:-2], rows, width)


def _autocorrelation(batch, rows):
    """Circular autocorrelations; x shifted so that 0 is in the middle, and y too if all rows are wanted."""
    height, width = batch.shape[1:]
    spectrum = fft.rfft2(batch, workers=os.cpu_count(), overwrite_x=True)
    power = spectrum.real**2 + spectrum.imag**2
    # The power spectrum is real and even along y as well, so this inverse is a real transform, too.
    whole = fft.irfft2(power, s=(height, width), workers=os.cpu_count(), overwrite_x=True)
    if rows == height:
        return np.fft.fftshift(whole, axes=(1, 2))
    return np.fft.fftshift(whole[:, :rows], axes=2)


def _radius(height, width, half):
    """Distance from the origin of the Patterson function, in pixels."""
    y = np.arange(height // 2 + 1) if half else np.arange(height) - height // 2
    return np.hypot(y[:, None], np.arange(width) - width // 2)


def full_patterson(half, height):
    """Return whole Patterson functions from their halves, to be looked at.

    Parameters
    ----------
    half : array_like of shape (..., h // 2 + 1, w)
        As `patterson` returns it.
    height : int
        Height of the patches, h.

    Returns
    -------
    ndarray of shape (..., h, w)
        The origin is at [h // 2, w // 2].

    Raises
    ------
    ValueError
        If the height does not go with the shape.

    Examples
    --------
    >>> patch = np.random.default_rng(0).random((7, 6))
    >>> whole = patterson(patch, half=False, normalize=False)
    >>> bool(np.allclose(full_patterson(patterson(patch, normalize=False), 7), whole, atol=1e-5))
    True
    """
    half = np.asarray(half)
    if half.ndim < 2 or half.shape[-2] != height // 2 + 1:
        raise ValueError(
            f"half a Patterson function of patches {height} pixels high has {height // 2 + 1} rows, "
            f"got shape {half.shape}"
        )
    width = half.shape[-1]
    columns = (2 * (width // 2) - np.arange(width)) % width  # of -x
    upper = half[..., height // 2 : 0 : -1, :][..., columns]
    lower = half[..., : height - height // 2, :]
    return np.concatenate([upper, lower], axis=-2)


def translation_spread(image, size, *, taper=None, blank_center=0.0, n_offsets=200, random_state=0):
    """How much the Patterson function of a window depends on where the window is cut.

    On a perfect lattice it should not depend on it at all. It does where a window without a taper does not
    hold whole unit cells, because its edges do not fit together, and where a tapered window is small, because
    the taper then weighs the atoms of the cell unequally.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
        A perfect lattice: simulated, or an averaged unit cell repeated.
    size : int or tuple of int
        (height, width) of the window in pixels.
    taper, blank_center
        As for `patterson`.
    n_offsets : int
        Number of windows, cut at random.
    random_state : int

    Returns
    -------
    float
        Mean over the windows of abs(P - mean P) / abs(mean P), with P normalised: 0 for invariance; with 0.1
        and more, where the window was cut outweighs most defects.

    Raises
    ------
    ValueError
        If the image is unusable, the window is larger than the image, or `n_offsets` is below 2.

    Examples
    --------
    >>> y, x = np.mgrid[:120, :120]
    >>> lattice = np.exp(3 * np.cos(2 * np.pi * x / 12) + 3 * np.cos(2 * np.pi * y / 12))
    >>> fits, does_not = (translation_spread(lattice, size) for size in (24, 18))
    >>> fits < 1e-5, does_not > 0.1
    (True, True)
    """
    values, _ = as_image(image)
    if n_offsets < 2:
        raise ValueError(f"n_offsets must be at least 2, got {n_offsets}")
    windows = sliding_windows(values, size)
    rng = np.random.default_rng(random_state)
    at = rng.integers(0, windows.shape[:2], (n_offsets, 2))
    found = patterson(windows[tuple(at.T)], taper=taper, blank_center=blank_center).reshape(n_offsets, -1)
    mean = found.mean(axis=0)
    return float(np.linalg.norm(found - mean, axis=1).mean() / np.linalg.norm(mean))


class PattersonTransformer(TransformerMixin, BaseEstimator):
    """Patterson functions as features, for a scikit-learn pipeline.

    Parameters
    ----------
    shape : tuple of int, optional
        (height, width) of the patches where they come as rows of pixels; the square root of the number of
        pixels without it. Patches that come as arrays of three axes say it themselves.
    taper, blank_center
        As for `patterson`.

    Attributes
    ----------
    shape_ : tuple of int
        (height, width) of the patches.
    n_features_in_ : int

    Raises
    ------
    ValueError
        If the number of pixels and the shape do not go together.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> patches = np.random.default_rng(0).random((50, 12, 10))
    >>> make_pipeline(PattersonTransformer(taper="hann"), PCA(3)).fit_transform(patches).shape
    (50, 3)
    """

    def __init__(self, *, shape=None, taper=None, blank_center=0.0):
        self.shape = shape
        self.taper = taper
        self.blank_center = blank_center

    def fit(self, X, y=None):
        """Learn the shape of the patches; X has shape (N, height, width) or (N, height * width)."""
        if np.ndim(X) == 3:
            self.shape_, self.n_features_in_ = tuple(np.shape(X)[1:]), int(np.prod(np.shape(X)[1:]))
            return self
        X = validate_data(self, X)
        if self.shape is None:
            side = round(np.sqrt(X.shape[1]))
            self.shape_ = (side, side) if side * side == X.shape[1] else (1, X.shape[1])
        else:
            self.shape_ = tuple(int(n) for n in self.shape)
        if np.prod(self.shape_) != X.shape[1] or min(self.shape_) < 2:
            raise ValueError(
                f"{X.shape[1]} pixels do not make patches of {self.shape_[0]} x {self.shape_[1]}: "
                "give `shape`, (height, width) in pixels"
            )
        return self

    def transform(self, X):
        """Return the halves of the Patterson functions as rows: shape (N, (height // 2 + 1) * width)."""
        check_is_fitted(self)
        if np.ndim(X) == 3:
            if np.shape(X)[1:] != self.shape_:
                raise ValueError(f"patches of {np.shape(X)[1:]} pixels, but fitted to {self.shape_}")
            patches = np.asarray(X)
        else:
            patches = validate_data(self, X, reset=False).reshape(-1, *self.shape_)
        found = patterson(patches, taper=self.taper, blank_center=self.blank_center)
        return found.reshape(len(found), -1)

    def inverse_image(self, features):
        """Return features as whole Patterson functions, shape (N, height, width), to be looked at."""
        check_is_fitted(self)
        height, width = self.shape_
        return full_patterson(np.reshape(features, (-1, height // 2 + 1, width)), height)
