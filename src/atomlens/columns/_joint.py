"""Linear algebra of columns that share pixels: a sparse matrix of 5 x 5 blocks."""

from __future__ import annotations

import numpy as np
from scipy.sparse import bsr_array

# Neighbours that change the variances by less than this fraction are left out of a column's cluster.
_UNCOUPLED = 1e-4
_LARGEST_CLUSTER = 18
# Up to this number of columns the whole matrix is inverted.
_FEW = 100


def solve(within, between, pairs, right, *, rtol, max_iterations=200):
    """Solve the joint system by conjugate gradients, preconditioned with every column's own block."""
    n, k = right.shape
    inverse = np.linalg.inv(within)
    if not pairs.size:
        return (inverse @ right[:, :, None])[:, :, 0]
    matrix = _assemble(within, between, pairs)
    x = np.zeros(n * k)
    residual = right.ravel().copy()
    z = (inverse @ residual.reshape(n, k, 1)).ravel()
    direction, rho = z.copy(), residual @ z
    target = rtol**2 * rho
    for _ in range(max_iterations):
        if rho <= target:
            break
        image = matrix @ direction
        curvature = direction @ image
        if curvature <= 0:
            break
        step = rho / curvature
        x += step * direction
        residual -= step * image
        z = (inverse @ residual.reshape(n, k, 1)).ravel()
        rho, before = residual @ z, rho
        direction = z + (rho / before) * direction
    return x.reshape(n, k)


def _assemble(within, between, pairs):
    n, k = within.shape[:2]
    first, second = pairs
    rows = np.concatenate([np.arange(n), first, second])
    columns = np.concatenate([np.arange(n), second, first])
    blocks = np.concatenate([within, between, between.transpose(0, 2, 1)])
    order = np.lexsort((columns, rows))
    starts = np.concatenate([[0], np.bincount(rows, minlength=n).cumsum()])
    return bsr_array((blocks[order], columns[order], starts), shape=(n * k, n * k))


def covariance(within, between, pairs):
    """Diagonal blocks of the inverse: the covariance of every column, its neighbours being free too.

    Where there are many, each column is taken together with all columns coupled to it; what is coupled to
    those alone is held fixed, which is felt only through two couplings.
    """
    n, k = within.shape[:2]
    if pairs.size and n <= _FEW:
        joint = np.linalg.inv(_assemble(within, between, pairs).toarray()).reshape(n, k, n, k)
        return joint[np.arange(n), :, np.arange(n)]
    result = np.linalg.inv(within)
    first, second = pairs
    strength = (result[first] @ between @ result[second] * between).sum(axis=(1, 2))
    coupled = strength > _UNCOUPLED
    if not coupled.any():
        return result
    first, second, strength, between = first[coupled], second[coupled], strength[coupled], between[coupled]
    blocks = np.concatenate([between, between.transpose(0, 2, 1)])
    key = np.concatenate([first * n + second, second * n + first])
    order = np.argsort(key)
    key, blocks = key[order], blocks[order]
    # The strongest neighbours of every column stand first in its list.
    rows, columns = np.divmod(key, n)
    listed = np.lexsort((-np.tile(strength, 2)[order], rows))
    count = np.bincount(rows, minlength=n)
    start = count.cumsum() - count
    count = np.minimum(count, _LARGEST_CLUSTER)
    for m in np.unique(count[count > 0]):
        centres = np.flatnonzero(count == m)
        for part in np.array_split(centres, -(-centres.size * m**2 // 5000)):
            entry = listed[start[part, None] + np.arange(m)]
            around = columns[entry]
            link = blocks[entry].transpose(0, 2, 1, 3).reshape(-1, k, m * k)
            wanted = around[:, :, None] * n + around[:, None]
            at = np.minimum(np.searchsorted(key, wanted), key.size - 1)
            here, i, j = np.nonzero(key[at] == wanted)
            others = np.zeros((part.size, m, k, m, k))
            others[here, i, :, j] = blocks[at[here, i, j]]
            others[:, np.arange(m), :, np.arange(m)] = within[around.T]
            others = others.reshape(-1, m * k, m * k)
            # What is left of a column's information when its neighbours are estimated too (Schur complement).
            left = within[part] - link @ np.linalg.solve(others, link.transpose(0, 2, 1))
            result[part] = np.linalg.inv(left)
    return result
