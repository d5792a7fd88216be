"""The test behind the verdict: is the mean neighbourhood of a phase symmetric?"""

from __future__ import annotations

import numpy as np
from scipy.stats import f as f_distribution
from scipy.stats import ncf

_BLOCKS = 60  # spatial blocks that a phase is cut into
_SMALLEST_BLOCK = 3  # cells: neighbouring centres share neighbours, and so their errors


def asymmetric_part(group, ideal, *, trust_scan):
    """Projector on what the operations do not leave alone, (2k, 2k) for each site of the centres.

    Without trust in the scan, a linear deformation of the neighbourhood is projected out too: a distorted
    scan makes the same.
    """
    site, slot = group.permutations(ideal)
    stars = ideal @ group.frame
    projectors = []
    for s, star in enumerate(stars):
        k = len(star)
        stabiliser = [g for g in range(len(group)) if site[g, s] == s]
        mean = np.zeros((2 * k, 2 * k))
        for g in stabiliser:
            matrix = np.zeros((k, 2, k, 2))
            for j in range(k):
                matrix[slot[g, s, j], :, j, :] = group.matrices[g]
            mean += matrix.reshape(2 * k, 2 * k) / len(stabiliser)
        rest = np.eye(2 * k) - mean
        if not trust_scan:
            # The lattice's own neighbourhood is off centre by the mean displacement: symmetrise it first.
            even = (mean @ star.ravel()).reshape(k, 2)
            linear = np.kron(even @ np.linalg.pinv(even), np.eye(2))
            rest = rest @ (np.eye(2 * k) - linear)
        projectors.append(rest)
    return np.array(projectors)


def blocks_of(cell):
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
    cell : ndarray of int, shape (N, 2)
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
    block = blocks_of(cell)
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
