"""Labels of replicas, and how the labels permute under the operations."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components

_INSIDE, _SLACK = 0.995, 1.3  # farther out than so many of the cluster's own, times this: outside
_EXACT = 0.01  # of the neighbours' distances: no frame is known better, however little noise there is
_MOST = 0.5  # of a cluster: where its partner lies


def nearest_centroid(points, centroids):
    """Nearest centroid over the components that are there, and the squared distance scaled to all of them.

    Centres with less than half of their neighbours get label -1.
    """
    there = np.isfinite(points)
    whole = there.all(axis=1)
    label = np.full(len(points), -1)
    distance = np.full(len(points), np.inf)
    # |x - c|² = |x|² - 2 x·c + |c|², without a table of all differences.
    squares = (centroids**2).sum(axis=1)
    some = points[whole]
    cost = squares - 2 * some @ centroids.T
    label[whole] = cost.argmin(axis=1)
    distance[whole] = cost.min(axis=1) + (some**2).sum(axis=1)
    rest = np.flatnonzero(~whole & (there.sum(axis=1) * 2 >= points.shape[1]))
    if rest.size:
        off = np.nanmean((points[rest, None] - centroids) ** 2, axis=2) * points.shape[1]
        label[rest], distance[rest] = off.argmin(axis=1), off.min(axis=1)
    return label, np.maximum(distance, 0)


def label_replicas(points, labels, centroids, replicas):
    """Label of every replica; -1 where it lies outside of all clusters.

    Parameters
    ----------
    points : ndarray of shape (N, n)
    labels : ndarray of int, shape (N,)
    centroids : ndarray of shape (K, n)
    replicas : iterable of G ndarrays of shape (N, n)

    Returns
    -------
    ndarray of int, shape (G, N)
    """
    on = labels >= 0
    own = ((points[on] - centroids[labels[on]]) ** 2).sum(axis=1)
    reach = np.array(
        [
            _SLACK**2 * np.quantile(own[labels[on] == k], _INSIDE) if (labels[on] == k).any() else 0.0
            for k in range(len(centroids))
        ]
    )
    reach = np.maximum(reach, _EXACT**2 * (centroids**2).sum(axis=1))
    out = []
    for replica in replicas:
        label, distance = nearest_centroid(replica, centroids)
        out.append(np.where(distance <= reach[label], label, -1))
    return np.array(out)


def contingency(labels, images, n_labels):
    """Counts of labels (rows) against labels of their images (columns; the last one: none)."""
    on = labels >= 0
    table = np.zeros((n_labels, n_labels + 1), dtype=int)
    np.add.at(table, (labels[on], images[on]), 1)  # -1 is the last column
    return table


def partners(table):
    """The one-to-one map of labels that explains most of a contingency table, and the share it explains.

    A label may have no partner (-1): its image is not in the field.
    """
    k = len(table)
    gain = np.hstack([table[:, :k], np.diag(table[:, k])])
    rows, columns = linear_sum_assignment(gain, maximize=True)
    to = np.where(columns < k, columns, -1)
    return to[np.argsort(rows)], gain[rows, columns][np.argsort(rows)] / np.maximum(table.sum(axis=1), 1)


def doubled_pairs(tables, k):
    """Labels that most of their translated neighbours exchange, as a square matrix of bool."""
    swaps = np.zeros((k, k), dtype=bool)
    for table in tables:
        there = table[:, :k]
        share = there / np.maximum(there.sum(axis=1, keepdims=True), 1)
        swaps |= (share > _MOST) & (share.T > _MOST)
    np.fill_diagonal(swaps, False)
    return swaps


def groups(linked):
    """Connected groups of a square matrix of links, as a number for each row."""
    return connected_components(linked, directed=False)[1]


def translated(hoods, step):
    """Row of the centre that lies a lattice translation away from each; -1 where there is none."""
    on = np.flatnonzero(hoods.kind >= 0)
    key = np.column_stack([hoods.cell[on], hoods.kind[on]])
    low, span = key.min(axis=0) - 1, np.ptp(key, axis=0) + 3
    code = np.ravel_multi_index((key - low).T, span)
    order = np.argsort(code)
    moved = key + [*step, 0]
    inside = ((moved >= low) & (moved < low + span)).all(axis=1)
    wanted = np.ravel_multi_index((np.where(inside[:, None], moved, key) - low).T, span)
    at = order[np.searchsorted(code, wanted, sorter=order).clip(max=len(code) - 1)]
    out = np.full(len(hoods.kind), -1)
    out[on] = np.where(inside & (code[at] == wanted), on[at], -1)
    return out
