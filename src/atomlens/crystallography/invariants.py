"""Descriptors of neighbourhoods and sub-images that do not change when these are rotated."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from atomlens._types import ArrayLike, ndarray
from atomlens.crystallography._ready import neighbourhoods_of
from atomlens.crystallography.point_groups import point_group
from atomlens.lattice import Neighbourhoods

__all__ = ["patch_invariants", "rotation_invariants"]

_FOLDS = (1, 2, 3, 4, 6)


def rotation_invariants(vectors: Neighbourhoods | ArrayLike, n_fold: int = 4) -> ndarray:
    """Descriptors of neighbourhoods that rotations of the crystal leave as they are.

    A rotation by 360°/n turns the vectors and exchanges the neighbours. The projection of a neighbourhood x
    on irreducible representation m of the group of rotations,

        P_m x = 1/n sum_g exp(-2 pi i m g / n) g x,    m = 0 ... n - 1,

    is then only multiplied by a phase; its modulus is invariant. Vectors are taken as complex numbers, so
    that m = 0 is the size of the undistorted neighbourhood, and m = 1 the displacement of the centre against
    the middle of its neighbours.

    Parameters
    ----------
    vectors : Neighbourhoods, or array_like of shape (N, k, 2)
        Ordered vectors to neighbours, as `atomlens.lattice.neighbour_vectors` returns them; whole
        coordination spheres. A missing neighbour (NaN) counts as a vector of length 0: so an edge differs
        from the bulk.
    n_fold : {1, 2, 3, 4, 6}
        Order of the axis of the undistorted lattice.

    Returns
    -------
    ndarray of float32, shape (N, d)
        In the unit of the vectors: for m = 0, then m = 1 and so on, one number for each set of neighbours
        that the rotations exchange (d = k where they exchange n at a time). NaN for centres that are on no
        site or have no neighbours.

    Raises
    ------
    ValueError
        If `n_fold` is none of these, the shape is not (N, k, 2), or the lattice or the neighbours do not have
        the symmetry.

    References
    ----------
    Serre, Linear Representations of Finite Groups (1977), section 2.6.

    Examples
    --------
    >>> star = np.array([[20.0, 0], [0, 20], [-20, 0], [0, -20]])
    >>> right, up = star - [2.0, 0], star - [0, 2.0]  # the centre is displaced
    >>> rotation_invariants([star, right, up, star]).round(3)
    array([[20.,  0.,  0.,  0.],
           [20.,  2.,  0.,  0.],
           [20.,  2.,  0.,  0.],
           [20.,  0.,  0.,  0.]], dtype=float32)
    """
    if n_fold not in _FOLDS:
        raise ValueError(f"n_fold must be one of {', '.join(map(str, _FOLDS))}, got {n_fold!r}")
    hoods = vectors if isinstance(vectors, Neighbourhoods) else neighbourhoods_of(vectors)
    group = point_group(str(n_fold), hoods.lattice.basis)
    there = np.isfinite(hoods.vectors).all(axis=2)
    turned = np.where(there[..., None], hoods.vectors @ group.frame, 0.0).astype(np.float32)
    kind = np.maximum(hoods.kind, 0)
    replicas = group.replicas(turned, kind, hoods.ideal)
    # One neighbour speaks for all that it is exchanged with, whatever the site of the centre.
    slots = group.permutations(hoods.ideal)[1]
    alike = (slots == slots[:, :1]).all(axis=(1, 2))
    first = np.unique(slots[alike, 0].min(axis=0))
    values = replicas[:, :, first, 0] + 1j * replicas[:, :, first, 1]
    out = np.abs(np.fft.fft(values, axis=0) / np.float32(n_fold)).transpose(1, 0, 2)
    out = out.reshape(len(turned), -1).astype(np.float32)
    out[(hoods.kind < 0) | ~there.any(axis=1)] = np.nan
    return out


def patch_invariants(patches: ArrayLike, *, n_angles: int = 32, n_radii: int | None = None) -> ndarray:
    """Descriptors of sub-images that rotations about their centre leave nearly as they are.

    Each sub-image is sampled on rings around its centre, by linear interpolation. A rotation shifts the
    samples of a ring, and the moduli of their Fourier coefficients stay.

    Parameters
    ----------
    patches : array_like of shape (N, h, w)
    n_angles : int
        Samples on each ring. With a multiple of 4, quarter turns change nothing but rounding errors; other
        rotations change what interpolation makes of the pixels.
    n_radii : int, optional
        Rings, out to the edge of the sub-image; about one a pixel by default.

    Returns
    -------
    ndarray of float32, shape (N, n_radii * (n_angles // 2 + 1))
        Amplitudes in the unit of the pixels; ``reshape(N, n_radii, -1)`` for rings, inside out, by harmonics,
        the mean of the ring first.

    Raises
    ------
    ValueError
        If `patches` is no stack of sub-images of at least 3 x 3 pixels, or a number is not a whole one or too
        small.

    References
    ----------
    Casasent and Psaltis, Appl. Opt. 15, 1795 (1976), for the polar transform.

    Examples
    --------
    >>> patch = np.arange(81.0).reshape(1, 9, 9)
    >>> turned = np.rot90(patch, axes=(1, 2))
    >>> bool(np.allclose(patch_invariants(patch), patch_invariants(turned), rtol=1e-4, atol=1e-4))
    True
    """
    patches = np.asarray(patches, dtype=np.float32)
    if patches.ndim != 3 or min(patches.shape[1:]) < 3:
        raise ValueError(
            f"expected sub-images of shape (N, h, w), at least 3 x 3 pixels each, got {patches.shape}"
        )
    reach = (min(patches.shape[1:]) - 1) / 2
    n_radii = int(np.ceil(reach)) if n_radii is None else n_radii
    for name, number, least in (("n_angles", n_angles, 4), ("n_radii", n_radii, 1)):
        if not (isinstance(number, int | np.integer) and number >= least):
            raise ValueError(f"{name} must be a whole number of at least {least}, got {number!r}")
    rings = reach * np.arange(1, n_radii + 1) / n_radii
    samples = _polar_sampling(patches.shape[1:], rings, n_angles) @ patches.reshape(len(patches), -1).T
    amplitude = np.abs(np.fft.rfft(samples.reshape(n_radii, n_angles, -1), axis=1)) / np.float32(n_angles)
    return amplitude.astype(np.float32).reshape(-1, len(patches)).T.copy()


def _polar_sampling(shape, rings, n_angles):
    """Sparse matrix (rings * angles, pixels) that interpolates an image on rings around its centre."""
    angle = 2 * np.pi * np.arange(n_angles) / n_angles
    x = ((shape[1] - 1) / 2 + rings[:, None] * np.cos(angle)).ravel()
    y = ((shape[0] - 1) / 2 + rings[:, None] * np.sin(angle)).ravel()
    # The pixel before, but never the last one, which has none behind it.
    left, top = (np.clip(np.floor(v).astype(int), 0, n - 2) for v, n in ((x, shape[1]), (y, shape[0])))
    right, below = x - left, y - top
    weights = [(1 - below) * (1 - right), (1 - below) * right, below * (1 - right), below * right]
    pixels = [(top + i) * shape[1] + left + j for i in (0, 1) for j in (0, 1)]
    rows = np.tile(np.arange(len(x)), 4)
    weights = np.concatenate(weights).astype(np.float32)
    return csr_array((weights, (rows, np.concatenate(pixels))), shape=(len(x), shape[0] * shape[1]))
