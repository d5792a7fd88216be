"""Clusters that are no phases: the mixtures that a probe meets where two phases touch."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.optimize import nnls

_REACH = 3.0  # pixels from two other clusters: the half width of what a probe mixes, and a little more
_LINING = 0.8  # share of a cluster's pixels that must lie within that reach
_INSIDE = 0.3  # distance from the nearest mixture of other centres, in units of the nearest centre's


def has_interface_cluster(labels, centres):
    """Tell whether a cluster is but the mixture of two others, along their common interface.

    With many counts, the few mixing ratios that occur at sharp interfaces are clusters with gaps around
    them. Such a cluster is a mixture of the others in the space of the spectra, *and* its pixels line the
    places where others meet. A solid solution does the first, a thin phase the second.

    Parameters
    ----------
    labels : ndarray of int, shape (H, W) or (W,)
        Cluster of every point of a map or line; negative where left out.
    centres : ndarray of shape (k, n)
        Centre of every cluster.

    Returns
    -------
    bool

    Examples
    --------
    >>> labels = np.array([0, 0, 0, 0, 2, 1, 1, 1, 1])
    >>> has_interface_cluster(labels, np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.0]]))
    True
    >>> has_interface_cluster(labels, np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.9]]))
    False
    """
    if len(centres) < 3:
        return False
    within_reach = np.array([distance_transform_edt(labels != c) <= _REACH for c in range(len(centres))])
    others_near = within_reach.sum(axis=0) - 1  # every point is within reach of its own cluster
    return any(
        np.mean(others_near[labels == c] >= 2) > _LINING and _is_mixture(centres, c)
        for c in range(len(centres))
    )


def _is_mixture(centres, c):
    """Whether a centre lies inside the polytope of the others, within a part of the way to the nearest."""
    others = np.delete(centres, c, axis=0) - centres[c]
    nearest = np.linalg.norm(others, axis=1).min()
    # Weights that sum to one: an equation among the others, heavy enough to hold.
    heavy = 1e3 * np.abs(others).max()
    equations = np.vstack([others.T, np.full(len(others), heavy)])
    weights = nnls(equations, np.append(np.zeros(others.shape[1]), heavy))[0]
    return bool(np.linalg.norm(weights @ others) < _INSIDE * nearest)
