"""The test behind the verdict, whether the mean neighbourhood of a phase is symmetric."""

from __future__ import annotations

import numpy as np
from scipy.stats import f as f_distribution
from scipy.stats import ncf

_BLOCKS = 60  # spatial blocks that a phase is cut into
_SMALLEST_BLOCK = 3  # cells: neighbouring centres share neighbours, and so their errors


def actions(group, ideal):
    """Matrices (2k, 2k) by which the operations act on ordered neighbours, for each site of the centres.

    Returns
    -------
    list of dict of int to ndarray
        Operation -> matrix, for the operations that map the site onto itself.
    """
    site, slot = group.permutations(ideal)
    k = ideal.shape[1]
    out = []
    for s in range(len(ideal)):
        matrices = {}
        for g in np.flatnonzero(site[:, s] == s):
            matrix = np.zeros((k, 2, k, 2))
            for j in range(k):
                matrix[slot[g, s, j], :, j, :] = group.matrices[g]
            matrices[int(g)] = matrix.reshape(2 * k, 2 * k)
        out.append(matrices)
    return out


def asymmetric_part(matrices, star, *, trust_scan):
    """Projector (2k, 2k) on what these operations do not leave alone.

    Without trust in the scan, a linear deformation of the neighbourhood is projected out first: a distorted
    scan makes the same.

    Parameters
    ----------
    matrices : sequence of ndarray of shape (2k, 2k)
    star : ndarray of shape (k, 2)
        Undistorted neighbours, symmetric.
    trust_scan : bool
    """
    rest = np.eye(2 * len(star)) - np.mean(list(matrices), axis=0)
    return (
        rest if trust_scan else rest @ (np.eye(len(rest)) - np.kron(star @ np.linalg.pinv(star), np.eye(2)))
    )


def _blocks(cell):
    """Number the square blocks of cells, so that there are about sixty."""
    side = max(_SMALLEST_BLOCK, int(np.ceil(np.sqrt(len(cell) / _BLOCKS))))
    return np.unique(cell // side, axis=0, return_inverse=True)[1].ravel()


def asymmetry_test(points, cell, projector, tolerance=0.0):
    """Test whether the mean of these neighbourhoods has an asymmetric part.

    Hotelling's test with a covariance of the mean from spatial blocks: neighbouring centres share
    neighbours and scan errors, so they are not independent.

    Parameters
    ----------
    points : ndarray of shape (N, 2k)
        Complete neighbourhoods of one phase, in the symmetric frame.
    cell : ndarray of int, shape (N, 2), or None
        Unit cells; without them the neighbourhoods count as independent.
    projector : ndarray of shape (2k, 2k)
    tolerance : float
        Asymmetry (root mean square over the neighbours, in pixels) that counts as none.

    Returns
    -------
    p : float
    asymmetry : float
        Root mean square over the neighbours, in pixels, with the part that noise makes taken off.
    """
    k = points.shape[1] // 2
    u, singular, _ = np.linalg.svd(projector)
    basis = u[:, singular > 1e-6 * max(singular.max(), 1e-300)]
    dims = basis.shape[1]
    block = _blocks(cell) if cell is not None else np.arange(len(points))
    n_blocks = block.max() + 1 if len(block) else 0
    if dims == 0 or n_blocks < dims + 3:
        return np.nan, np.nan
    scores = points @ projector.T @ basis
    mean = scores.mean(axis=0)
    sums = np.zeros((n_blocks, dims))
    np.add.at(sums, block, scores - mean)
    covariance = sums.T @ sums / len(points) ** 2 * n_blocks / (n_blocks - 1)
    covariance += 1e-12 * np.trace(covariance) / dims * np.eye(dims) + 1e-24 * np.eye(dims)
    t2 = mean @ np.linalg.solve(covariance, mean)
    scale = (n_blocks - dims) / (dims * (n_blocks - 1))
    size = np.sqrt(max(mean @ mean - np.trace(covariance), 0) / k)
    if tolerance > 0:
        norm = np.linalg.norm(mean)
        limit = t2 * k * tolerance**2 / norm**2 if norm > 0 else 0.0
        p = ncf.sf(t2 * scale, dims, n_blocks - dims, limit)
    else:
        p = f_distribution.sf(t2 * scale, dims, n_blocks - dims)
    return float(p), float(size)


def central(points, centre, reach):
    """Points within a distance of a symmetric centre: a region that every operation leaves alone.

    What other phases spill over the border of a cluster would otherwise shift its mean to their side.
    """
    return ((points - centre) ** 2).sum(axis=1) <= reach**2
