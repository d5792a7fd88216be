"""The test for a valley along a bent course: what the straight line of `atomlens._gap` cannot tell.

A continuum that is bent, such as the spectra of a peak that moves, has two humps on every straight line: it
turns back at its ends, or goes on across the line. So a curve is laid through two clusters, along the points
themselves, and the dip is taken of the places along that curve.
"""

from __future__ import annotations

from itertools import combinations

import diptest
import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

_FEWEST = 8  # no arrangement of fewer points is surprising
_LEARNED_FROM = 600  # points of a cluster that the curve is learned from
_POINTS_A_NODE, _MOST_NODES = 12, 30
_TOO_FEW_TO_AVERAGE = 30
_FEWEST_IN_NODE = 3  # a node of one or two points is an outlier, and no end of a course
# Exponent of the length of a hop: the larger, the more the cheapest way keeps to where points are dense. Of 2
# and 3, only 3 held the level on helices.
_HOP = 3
_GRID = 60  # places along the curve
_ROUNDS = 5
# Waves along the curve that are shorter than so many widths of the noise are noise. Of 4, 5, 6, 7, 9, 12 and
# 20, up to 5 the curve wanders within the noise (a tenth of the points, 5 widths off, was found in 50 % of
# trials instead of 90 %), and from 9 on it cuts the corners of rings and horseshoes whose noise is a fifth
# to a third of their radius (split in 40 to 100 % of trials, not 0 to 30 %).
_SHORTEST_WAVE = 7.0


def course_p_values(fold):
    """Hartigan's dip between every two clusters, along a curve through both.

    The curve is learned from the training points of the fold, the dip is taken of the places of the test
    points along it. A small p-value speaks against "these two are one unimodal course that was cut",
    whether that course is straight, bent, or closed to a ring.

    Parameters
    ----------
    fold : atomlens._gap.Fold

    Returns
    -------
    ndarray of shape (k, k)
        Symmetric, 1 on the diagonal and for clusters too small to tell.

    References
    ----------
    Hastie and Stuetzle, J. Am. Stat. Assoc. 84, 502 (1989), principal curves; Hwang, Damelin and Hero, Ann.
    Appl. Probab. 26, 2791 (2016), shortest ways through points; Hartigan and Hartigan, Ann. Stat. 13, 70
    (1985), dip.

    Examples
    --------
    >>> from atomlens._gap import Fold
    >>> angle = np.pi * np.random.default_rng(0).uniform(size=800)
    >>> arc = np.column_stack([np.cos(angle), np.sin(angle)])
    >>> half = (angle > np.pi / 2).astype(int)
    >>> fold = Fold(arc[:400], half[:400], arc[400:], half[400:], np.array([[0.6, 0.6], [-0.6, 0.6]]))
    >>> bool(course_p_values(fold)[0, 1] > 0.05)
    True
    """
    k = len(fold.centres)
    p = np.ones((k, k))
    for one, two in combinations(range(k), 2):
        places = _places(fold, one, two)
        if places.size >= _FEWEST:
            p[one, two] = p[two, one] = diptest.diptest(places)[1]
    return p


def _places(fold, one, two):
    """Places of the test points of two clusters along the curve through both."""
    sizes = np.bincount(fold.train_labels, minlength=len(fold.centres))
    large, small = (one, two) if sizes[one] >= sizes[two] else (two, one)
    if sizes[small] < 2:
        return np.empty(0)
    of_large, of_small = (fold.train[fold.train_labels == c] for c in (large, small))
    curve = _curve(of_large[:_LEARNED_FROM], of_small[:_LEARNED_FROM])
    # Points beyond the ends all have the place of the end, which is no mode: they are left out. So the
    # other way round a ring is left out, too. Cutting off ends leaves unimodal distributions unimodal.
    in_large, in_small = (_OnCurve(points, curve) for points in (of_large, of_small))
    # As on the straight line, the small cluster must not drown: as many of the large one, the nearest.
    taken = min(in_small.n, in_large.n)
    if not taken:
        return np.empty(0)
    nearest = np.sort(in_large.place[in_large.inside])[-taken]
    test = _OnCurve(fold.test[(fold.test_labels == large) | (fold.test_labels == small)], curve)
    return test.place[test.inside & (test.place >= nearest)]


class _OnCurve:
    """Points and their nearest places on a curve.

    Attributes
    ----------
    place : ndarray of shape (N,)
        Length of the curve up to the nearest place.
    inside : ndarray of bool, shape (N,)
        False for points that lie beyond an end.
    n : int
        Points inside.
    length : float
        Of the whole curve.
    aside : ndarray of shape (N, n)
        From the curve to the point.
    """

    def __init__(self, points, curve):
        start, step = curve[:-1], np.diff(curve, axis=0)
        length = np.sqrt(np.maximum((step**2).sum(axis=1), np.finfo(float).tiny))
        along = points @ step.T - (start * step).sum(axis=1)
        share = np.clip(along / length**2, 0, 1)
        distance = (
            (points**2).sum(axis=1)[:, None]
            - 2 * points @ start.T
            + (start**2).sum(axis=1)
            - 2 * share * along
            + (share * length) ** 2
        )
        piece = distance.argmin(axis=1)
        share = share[np.arange(len(points)), piece]
        ends = np.concatenate([[0.0], np.cumsum(length)])
        self.length = ends[-1]
        self.place = ends[piece] + share * length[piece]
        self.inside = ~((piece == 0) & (share <= 0) | (piece == len(step) - 1) & (share >= 1))
        self.aside = points - (start[piece] + share[:, None] * step[piece])
        self.n = int(np.count_nonzero(self.inside))


def _curve(one, two):
    """A smooth curve from the far end of one cluster to the far end of another, along their points.

    First the cheapest way over nodes, which are means of a dozen neighbouring points; then a principal curve
    from there, as stiff as the width of the noise around it asks for.
    """
    curve = _evenly(_way(_nodes(one), _nodes(two)))
    points = np.concatenate([one, two])
    weight = np.repeat([1 / len(one), 1 / len(two)], [len(one), len(two)])
    bend = np.diff(np.eye(_GRID), n=2, axis=0)
    for _ in range(_ROUNDS):
        on = _OnCurve(points, curve)
        if on.n < _FEWEST:
            break
        share = weight[on.inside] / weight[on.inside].sum()
        aside = on.aside[on.inside]
        width = np.sqrt(max(np.linalg.eigvalsh((aside * share[:, None]).T @ aside)[-1], 0))
        # The smoother of Whittaker passes half of a wave of length w at a stiffness of (w / 2 pi) ** 4.
        stiffness = np.clip((_SHORTEST_WAVE * width * _GRID / (2 * np.pi * on.length)) ** 4, 1e-2, 1e8)
        nodes = _hats(on.place[on.inside] / on.length)
        weighted = nodes * (_GRID * share[:, None])
        # A trace of the last curve keeps the equations solvable where too few points pull.
        system = weighted.T @ nodes + stiffness * bend.T @ bend + 1e-9 * np.eye(_GRID)
        curve = _evenly(np.linalg.solve(system, weighted.T @ points[on.inside] + 1e-9 * curve))
    return curve


def _nodes(points):
    """Means of about a dozen neighbouring points each; of a handful of points, they themselves."""
    if len(points) < _TOO_FEW_TO_AVERAGE:
        return points
    n = int(np.clip(len(points) // _POINTS_A_NODE, 2, _MOST_NODES))
    model = KMeans(n, n_init=1, random_state=0).fit(points)
    sizes = np.bincount(model.labels_, minlength=n)
    return model.cluster_centers_[sizes >= min(_FEWEST_IN_NODE, sizes.max())]


def _way(one, two):
    """The cheapest way, hop by hop, between the nodes of two clusters that are farthest from the other."""
    nodes = np.concatenate([one, two])
    n = len(nodes)
    hops = cdist(nodes, nodes) ** _HOP
    # All hops are written down: of a dense matrix those of (almost) no length would count as forbidden.
    graph = csr_matrix((hops.ravel(), np.tile(np.arange(n), n), np.arange(0, n * n + 1, n)), shape=(n, n))
    cost, before = dijkstra(graph, return_predecessors=True)
    across = cost[: len(one), len(one) :]
    start, end = int(across.min(axis=1).argmax()), len(one) + int(across.min(axis=0).argmax())
    way = [end]
    while way[-1] != start:
        way.append(before[start, way[-1]])
    return nodes[way[::-1]]


def _evenly(curve):
    """The same curve, its points at even distances."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    places = np.linspace(0, length[-1], _GRID)
    return np.column_stack([np.interp(places, length, values) for values in curve.T])


def _hats(place):
    """Weights of the two grid points next to every place between 0 and 1."""
    x = place * (_GRID - 1)
    low = np.minimum(x.astype(int), _GRID - 2)
    rows = np.arange(len(place))
    hats = np.zeros((len(place), _GRID))
    hats[rows, low], hats[rows, low + 1] = 1 - (x - low), x - low
    return hats
