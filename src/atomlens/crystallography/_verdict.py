"""The test behind the verdict, whether the mean neighbourhood of a phase is symmetric."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
from scipy.stats import f as f_distribution
from scipy.stats import ncf

_BLOCKS = 60  # spatial blocks that a phase is cut into
_BANDS, _THINNEST_BAND = 30, 2.0  # bands of scan lines, and lattice spacings across one
_EXACT = 1e-6  # what rounding leaves of a projection
_MOST_VISIBLE = 1e4  # noncentrality: what is larger is seen for certain, and hard to compute with
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


def blocks_of(cell, height):
    """Two ways to cut a phase into blocks that share no errors: squares of cells, and bands of scan lines.

    Neighbouring centres share neighbours, and so their errors; all atoms of a scan line share what displaces
    it.

    Parameters
    ----------
    cell : ndarray of int, shape (N, 2)
    height : ndarray of shape (N,)
        Place across the scan lines, in lattice spacings.

    Returns
    -------
    list of ndarray of int, shape (N,)
    """
    side = max(_SMALLEST_BLOCK, int(np.ceil(np.sqrt(len(cell) / _BLOCKS))))
    band = max(_THINNEST_BAND, np.ptp(height) / _BANDS)
    cut = (np.unique(cell // side, axis=0, return_inverse=True)[1], np.floor(height / band).astype(int))
    return [np.unique(numbers.ravel(), return_inverse=True)[1] for numbers in cut]


def asymmetry_test(points, blocks, projector, tolerance=0.0):
    """Test whether the mean of these neighbourhoods has an asymmetric part.

    Hotelling's test with a covariance of the mean from blocks, whose errors are independent.

    Parameters
    ----------
    points : ndarray of shape (N, 2k)
        Complete neighbourhoods of one phase, in the symmetric frame.
    blocks : list of ndarray of int, shape (N,)
        Ways to cut the phase into blocks, from `blocks_of`; the largest p-value counts. Those after the first
        are passed over where they make too few blocks. An empty list takes the neighbourhoods as independent.
    projector : ndarray of shape (2k, 2k)
    tolerance : float
        Asymmetry (root mean square over the neighbours, in pixels) that counts as none.

    Returns
    -------
    p : float
        NaN where there are too few blocks, or nothing that could be asymmetric.
    asymmetry : float
        Root mean square over the neighbours, in pixels, with the part that noise makes taken off.
    """
    basis, ways = _asked(points, blocks, projector)
    if not ways:
        return np.nan, np.nan
    scores = points @ projector.T @ basis
    results = [_hotelling(scores, block, points.shape[1] // 2, tolerance) for block in ways]
    return max(p for p, _ in results), results[0][1]


def asymmetry_power(points, blocks, projector, moved, size, level):
    """Chance that `asymmetry_test`, without tolerance, sees an asymmetry of this size in a whole phase.

    Parameters
    ----------
    points, blocks, projector
        As for `asymmetry_test`.
    moved : ndarray of shape (2k, m)
        Its columns span the asymmetries that are asked for; those of root mean square 1 over the neighbours
        have the length √k. The least visible one counts.
    size : float
        Root mean square over the neighbours, in pixels.
    level : float
        Of the test.

    Returns
    -------
    float
        From 0 to 1; 0 where the test cannot be made.
    """
    basis, ways = _asked(points, blocks, projector)
    u, singular, _ = np.linalg.svd(projector @ moved, full_matrices=False)
    k, directions = points.shape[1] // 2, u[:, singular > _EXACT]
    if not ways or not directions.shape[1]:
        return 0.0
    scores, seen = points @ projector.T @ basis, []
    for block in ways:
        covariance, n_blocks = _covariance_of_mean(scores, block)
        dims = len(covariance)
        visible = basis.T @ directions
        least = k * np.linalg.eigvalsh(visible.T @ np.linalg.solve(covariance, visible))[0]
        limit = f_distribution.isf(level, dims, n_blocks - dims)
        seen.append(float(ncf.sf(limit, dims, n_blocks - dims, min(least * size**2, _MOST_VISIBLE))))
    return min(seen)


def _asked(points, blocks, projector):
    """Basis of the asymmetric part, and the ways of cutting that make enough blocks for its test."""
    u, singular, _ = np.linalg.svd(projector)
    basis = u[:, singular > _EXACT]
    dims = basis.shape[1]
    ways = [b for b in blocks or [np.arange(len(points))] if len(b) and b.max() + 1 >= dims + 3]
    if dims == 0 or not ways or (blocks and ways[0] is not blocks[0]):
        return basis, []
    return basis, ways


def _covariance_of_mean(scores, block):
    """Covariance of a mean from the scatter of blocks, and their number."""
    dims, n_blocks = scores.shape[1], block.max() + 1
    sums = np.zeros((n_blocks, dims))
    np.add.at(sums, block, scores - scores.mean(axis=0))
    covariance = sums.T @ sums / len(scores) ** 2 * n_blocks / (n_blocks - 1)
    covariance += 1e-12 * np.trace(covariance) / dims * np.eye(dims) + 1e-24 * np.eye(dims)
    return covariance, n_blocks


def _hotelling(scores, block, k, tolerance):
    """p-value and size of a mean, its covariance estimated from blocks."""
    covariance, n_blocks = _covariance_of_mean(scores, block)
    dims, mean = scores.shape[1], scores.mean(axis=0)
    t2 = mean @ np.linalg.solve(covariance, mean)
    scale = (n_blocks - dims) / (dims * (n_blocks - 1))
    size = np.sqrt(max(mean @ mean - np.trace(covariance), 0) / k)
    if tolerance > 0:
        norm = np.linalg.norm(mean)
        limit = t2 * k * tolerance**2 / norm**2 if norm > 0 else 0.0
        return float(ncf.sf(t2 * scale, dims, n_blocks - dims, limit)), float(size)
    return float(f_distribution.sf(t2 * scale, dims, n_blocks - dims)), float(size)


def largest_subgroup(matrices, kept):
    """Order of the largest subgroup of operations that all belong to `kept`.

    Parameters
    ----------
    matrices : dict of int to ndarray
        All operations.
    kept : set of int
        With the identity.
    """
    names, stack = list(matrices), np.array(list(matrices.values()))

    def product(g, h):
        return names[int(np.abs(stack - matrices[g] @ matrices[h]).sum(axis=(1, 2)).argmin())]

    largest = 1
    for pair in combinations_with_replacement(sorted(kept), 2):  # two operations generate any of these groups
        found = set(pair)
        while not (more := {product(g, h) for g in found for h in found}) <= found:
            found |= more
        if found <= kept:
            largest = max(largest, len(found))
    return largest


def shared_error(points, ideal):
    """Variance of the place of a neighbour, relative to that of the mean of all vectors of a centre.

    What a star has besides a displacement and a linear deformation is the errors of its neighbours. Three
    neighbours have nothing besides: then all atoms are taken to be located equally well.

    Parameters
    ----------
    points : ndarray of shape (N, 2k)
    ideal : ndarray of shape (k, 2)
    """
    k = len(ideal)
    vectors = points.reshape(-1, k, 2)
    design = np.column_stack([np.ones(k), ideal])
    if k <= design.shape[1] or len(points) < 2:
        return 1 / (1 / k + 1)
    rest = np.eye(k) - design @ np.linalg.pinv(design)
    left = rest @ vectors
    left = left - left.mean(axis=0)
    error = (left**2).sum() / (2 * len(points) * np.trace(rest))
    total = vectors.mean(axis=1).var(axis=0).mean()
    return float(min(error / total, k)) if total > 0 else 0.0


def central(points, centre, reach):
    """Points within a distance of a symmetric centre: a region that every operation leaves alone.

    What other phases spill over the border of a cluster would otherwise shift its mean to their side.
    """
    return ((points - centre) ** 2).sum(axis=1) <= reach**2
