"""Neighbourhoods that are given as an array, without a table of columns."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from atomlens.crystallography.point_groups import about_middle
from atomlens.lattice import Lattice, Neighbourhoods
from atomlens.lattice.basis import reduced

_SAME = 1e-6  # of the distance to a neighbour


def neighbourhoods_of(values):
    """Neighbourhoods of a ready array; its typical neighbourhood tells the lattice."""
    try:
        vectors = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        vectors = np.empty(0)
    if vectors.ndim != 3 or vectors.shape[2] != 2 or not vectors.size:
        raise ValueError(
            "expected a table of columns (DataFrame) or neighbour vectors of shape (N, k, 2), got "
            f"{np.shape(values) if isinstance(values, np.ndarray) else type(values).__name__}"
        )
    if np.isinf(vectors).any():
        raise ValueError("a neighbour vector is infinite: put NaN where a neighbour is missing")
    there = np.isfinite(vectors).all(axis=2)
    if not there.any(axis=0).all():
        raise ValueError("a neighbour is missing everywhere (NaN in all rows): leave it out of the array")
    star = np.nanmedian(np.where(there[..., None], vectors, np.nan), axis=0)
    length = np.linalg.norm(star, axis=1)
    if not length.min() > _SAME * length.max():
        raise ValueError("a neighbour lies on its centre: give vectors from each centre to its neighbours")
    if len(star) > 1 and cKDTree(star).query(star, k=2)[0][:, 1].min() <= _SAME * length.max():
        raise ValueError("two neighbours have the same typical vector: each must be one neighbour everywhere")
    n = len(vectors)
    return Neighbourhoods(
        vectors, np.where(there, 0, -1), np.arange(n), star[None], np.zeros(n, dtype=int), None,
        Lattice(_basis(star), confidence=float(there.mean()), periodic=True),
    )  # fmt: skip


def _basis(star):
    """Two lattice vectors that a neighbourhood shows."""
    star = about_middle(star)  # a displaced centre is no distortion
    length = np.linalg.norm(star, axis=1)
    star = star[np.argsort(length, kind="stable")]
    first = star[0]
    area = np.abs(first[0] * star[:, 1] - first[1] * star[:, 0])
    across = star[area > 0.3 * (first @ first)]
    return reduced([first, across[0]]) if len(across) else np.array([first, [-first[1], first[0]]])
