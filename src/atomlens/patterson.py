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

import math
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
from scipy import fft

from atomlens._image import prepare
from atomlens._types import Any, ArrayLike, Lattice, ndarray
from atomlens.lattice.model import as_lattice
from atomlens.windows import sliding_windows, taper_window

__all__ = ["full_patterson", "patterson", "tapered_size", "translation_spread"]

_BATCH = 1 << 17  # pixels transformed at a time: stay in the cache of the processor
# Pixels; FFT is faster for larger patches, and their products would be spread over threads by the library.
_LARGEST_PRODUCT = 60
_STEPS = 3  # of the transform between neighbouring peaks, which a taper blurs by one either way
_WORKERS = joblib.cpu_count()


def patterson(
    patches: ArrayLike,
    *,
    taper: str | None = None,
    blank_center: float = 0.0,
    half: bool = True,
    normalize: bool = True,
) -> Any:
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
        Divide each by its length, so that contrast and dose do not matter. A patch without structure, all
        of its pixels equal, stays zero.

    Returns
    -------
    ndarray of float32, shape (..., h // 2 + 1, w), or (..., h, w) if not `half`
        The origin r = 0 is at [0, w // 2], or at [h // 2, w // 2] of the whole function.

    Raises
    ------
    ValueError
        If there are not two axes at least, a value is NaN, or an option is out of range.
    TypeError
        If the pixels are not real numbers.

    Notes
    -----
    In single precision, on all cores, and in batches, so that windows which are views are never all copied.
    Without a taper
    the patch is continued periodically (a circular autocorrelation).

    Examples
    --------
    >>> stripes = np.tile([0.0, 0.0, 1.0, 1.0], (4, 2))
    >>> patterson(stripes, normalize=False)[0].round().astype(int)
    array([ 8,  0, -8,  0,  8,  0, -8,  0])
    """
    patches = np.asarray(patches)
    if patches.ndim < 2 or 0 in patches.shape[-2:]:
        raise ValueError(f"patches need two axes of pixels at the end, got shape {patches.shape}")
    if patches.dtype.kind not in "buif":
        raise TypeError(f"pixels must be real numbers, got {patches.dtype}: take the modulus or real part")
    if not blank_center >= 0:
        raise ValueError(f"blank_center must be a radius in pixels of at least 0, got {blank_center!r}")
    *stack, height, width = patches.shape
    weights = taper_window((height, width), taper)
    blanked = _radius(height, width, half) < blank_center
    if blanked.all():
        raise ValueError(
            f"blank_center={blank_center} leaves nothing of patches of {height} x {width} pixels"
        )
    rows = height // 2 + 1 if half else height
    transform = _by_products if max(height, width) <= _LARGEST_PRODUCT else _by_fft
    autocorrelation = transform(height, width, half)
    result = np.empty((math.prod(stack), rows * width), np.float32)
    step = max(1, _BATCH // (height * width))

    def work(start):
        # Windows may be overlapping views of an image: to reshape them would copy them all.
        which = np.unravel_index(np.arange(start, min(start + step, len(result))), stack) if stack else ()
        batch = _centred(patches[which].reshape(-1, height, width), normalize)
        if taper is not None:
            batch *= weights
        found = autocorrelation(batch).reshape(len(batch), -1)
        if blanked.any():
            found[:, blanked.ravel()] = 0
        if normalize:
            length = np.sqrt(np.einsum("ni,ni->n", found, found))
            found /= np.where(length > 0, length, 1)[:, None]
        result[start : start + step] = found

    with ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(work, range(0, len(result), step)))
    return result.reshape(*stack, rows, width)


def _centred(batch, normalize):
    """Patches minus their means, in single precision; of unit height if contrast does not matter anyway."""
    batch = batch if batch.dtype.kind == "f" else batch.astype(float)
    mean = batch.mean(axis=(1, 2), keepdims=True)
    if not np.isfinite(mean).all():
        raise ValueError("patches hold NaN or infinite pixels: fill them first")
    centred = batch - mean
    low, high = centred.min(axis=(1, 2), keepdims=True), centred.max(axis=(1, 2), keepdims=True)
    height = np.maximum(high, -low)
    # What is left of a constant after rounding must not be normalised to a picture.
    flat = height <= 4 * np.finfo(batch.dtype).eps * np.abs(mean)
    if normalize:
        # The fourth power of the pixels is to come: 1e-12 (a current in amperes) would vanish.
        centred /= np.where(flat, 1, height)
    centred[flat[:, 0, 0]] = 0
    return centred.astype(np.float32)


def _by_products(height, width, half):
    """Circular autocorrelations by matrix products: for small patches faster than any fast transform.

    x is shifted so that 0 is in the middle, and y too if the whole is wanted.
    """
    n_kx = width // 2 + 1  # frequencies of a real signal
    y, x = np.arange(height), np.arange(width)
    out_x, out_y = x - width // 2, y[: height // 2 + 1] if half else y - height // 2
    rows = len(out_y)
    along_x = 2 * np.pi / width * np.arange(n_kx)
    along_y = 2 * np.pi / height * np.arange(height)
    # Each frequency along x stands for its opposite, too, but for the first and (width even) the last.
    weight = np.where(2 * np.arange(n_kx) % width == 0, 1.0, 2.0)[:, None] / (height * width)
    angle_x, angle_y = np.outer(along_x, x), np.outer(y, along_y)
    cos_y, sin_y = np.cos(angle_y), np.sin(angle_y)
    to_kx = np.concatenate([np.cos(angle_x), np.sin(angle_x)])
    to_ky = np.block([[cos_y, sin_y], [-sin_y, cos_y]])
    angle_x, angle_y = np.outer(along_x, out_x), np.outer(along_y, out_y)
    from_ky = np.concatenate([np.cos(angle_y), np.sin(angle_y)], axis=1)
    from_kx = np.concatenate([weight * np.cos(angle_x), -weight * np.sin(angle_x)])
    to_kx, to_ky, from_ky, from_kx = (m.astype(np.float32) for m in (to_kx, to_ky, from_ky, from_kx))

    def autocorrelation(batch):
        # Products of small matrices, patch by patch, which no linear algebra library spreads over threads.
        waves = to_kx @ batch.transpose(0, 2, 1)
        spectrum = waves[:, :n_kx] @ to_ky[:height]
        spectrum += waves[:, n_kx:] @ to_ky[height:]
        np.square(spectrum, out=spectrum)
        power = spectrum[..., :height] + spectrum[..., height:]
        waves = np.concatenate([power @ from_ky[:, :rows], power @ from_ky[:, rows:]], axis=1)
        return waves.transpose(0, 2, 1) @ from_kx

    return autocorrelation


def _by_fft(height, width, half):
    """Return what `_by_products` does, for large patches."""
    axes, rows = (2, height // 2 + 1) if half else ((1, 2), height)

    def autocorrelation(batch):
        spectrum = fft.rfft2(batch, overwrite_x=True)
        power = spectrum.real**2 + spectrum.imag**2
        whole = fft.irfft2(power, s=(height, width), overwrite_x=True)
        return np.fft.fftshift(whole[:, :rows], axes=axes)

    return autocorrelation


def _radius(height, width, half):
    """Distance from the origin of the Patterson function, in pixels."""
    y = np.arange(height // 2 + 1) if half else np.arange(height) - height // 2
    return np.hypot(y[:, None], np.arange(width) - width // 2)


def full_patterson(half: ArrayLike, height: int) -> ndarray:
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
    >>> bool(np.allclose(full_patterson(patterson(patch, normalize=False), 7),
    ...                  patterson(patch, normalize=False, half=False), atol=1e-5))
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


def translation_spread(
    image: ArrayLike,
    size: int | tuple[int, ...],
    *,
    taper: str | None = None,
    n_offsets: int = 200,
    random_state: int = 0,
) -> float:
    """How much the Patterson function of a window depends on where the window is cut.

    On a perfect lattice it should not depend on it at all. It does where a window without a taper does not
    hold whole unit cells, because its edges do not fit together, and where a tapered window is small, because
    the taper then weighs the atoms of the cell unequally: below three cells each way the Bragg peaks that it
    blurs overlap.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
        A perfect lattice: simulated, or an averaged unit cell repeated.
    size : int or tuple of int
        (height, width) of the window in pixels.
    taper
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
    values = prepare(image).pixels
    if n_offsets < 2:
        raise ValueError(f"n_offsets must be at least 2, got {n_offsets}")
    windows = sliding_windows(values, size)
    rng = np.random.default_rng(random_state)
    at = rng.integers(0, windows.shape[:2], (n_offsets, 2))
    found = patterson(windows[tuple(at.T)], taper=taper).reshape(n_offsets, -1)
    mean = found.mean(axis=0)
    return float(np.linalg.norm(found - mean, axis=1).mean() / np.linalg.norm(mean))


def tapered_size(lattice: Lattice) -> tuple[int, ...]:
    """Size of the smallest window whose tapered Patterson function does not depend on where it is cut.

    A Hann taper blurs each Bragg peak over one step of the transform either way. From three steps between
    peaks on, across or down, they do not overlap, and only their moduli count.

    Parameters
    ----------
    lattice : Lattice

    Returns
    -------
    tuple of int
        (height, width) in pixels.

    Raises
    ------
    NotPeriodicError
        If there is no lattice.

    Examples
    --------
    >>> from atomlens.lattice import Lattice
    >>> tapered_size(Lattice(np.array([[16.0, 0.0], [0.0, 28.0]]), periodic=True))
    (84, 48)
    """
    reciprocal = np.linalg.inv(as_lattice(lattice).required().basis).T
    orders = np.stack(np.mgrid[-6:7, -6:7], axis=-1).reshape(-1, 2)
    g_x, g_y = np.abs(orders[orders.any(axis=1)] @ reciprocal).T
    least = _STEPS * lattice.spacing
    widths = np.arange(np.rint(least), np.ceil(4 * _STEPS * lattice.lengths.max()) + 1)
    # The height that each width asks for: peaks that are not apart across must be so down.
    close = g_x * (widths[:, None] + 0.5) < _STEPS
    heights = np.where(close, _STEPS / np.maximum(g_y, 1e-9), least).max(axis=1)
    best = np.argmin(heights * widths)
    return int(np.ceil(heights[best] - 0.5)), int(widths[best])
