"""Two vectors by which a set of columns repeats."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import ConvexHull, cKDTree

_CENTRES = 1000  # columns whose surroundings are looked at
_NEIGHBOURS = (24, 160, 500)  # of each, until they tell: cells of a few columns, of twenty, of fifty
_LEAST = 0.25  # share of columns that a vector must carry to another one, to be looked at
_NEARLY = 0.85  # of the best pair: a pair that does so well may have the smaller cell
_CANDIDATES = 40
_PERIODIC = 0.3  # joint share below which columns that do not repeat may come out by chance


def find_basis(xy, sublattice, random_state=0):
    """Primitive basis, its confidence, and whether there is one at all.

    A vector is a period if it carries columns to columns of the same sublattice. The four steps of a pair
    (a, b) must hold at the same place, so that two grains do not lend one vector each.

    Returns
    -------
    basis : ndarray of shape (2, 2)
    confidence : float
    periodic : bool
    """
    best = np.diag([np.nan, np.nan]), 0.0
    for count in _NEIGHBOURS:
        if count > len(xy) and count != _NEIGHBOURS[0]:
            break
        basis, share = _best_pair(xy, sublattice, min(count, len(xy) - 1), random_state)
        if share > best[1]:
            best = basis, share
        if share > 0.7:
            break
    basis, share = best
    return basis, float(share), bool(share > _PERIODIC)


def _best_pair(xy, sublattice, count, random_state):
    rng = np.random.default_rng(random_state)
    spread = 10 * np.ptp(xy, axis=0).max() * sublattice[:, None]  # keeps the sublattices apart in one tree
    tree = cKDTree(np.column_stack([xy, spread]))
    # Where a sublattice is sparse, others crowd its columns: half of the field is enough to see a period.
    some = rng.permutation(len(xy))[:_CENTRES]
    inside, reach = _inside(xy)
    differences = _differences(xy, sublattice, some, count)
    if not len(differences):
        return np.diag([np.nan, np.nan]), 0.0
    spacing = np.median(cKDTree(xy).query(xy[some], k=2)[0][:, 1])
    tolerance = 0.25 * spacing
    vectors = _peaks(differences, tolerance, len(some))
    vectors = vectors[np.linalg.norm(vectors, axis=1) < reach]

    def arrive(vector):
        target = np.column_stack([xy[some] + vector, spread[some]])
        return tree.query(target, distance_upper_bound=tolerance)[0] < np.inf

    kept, held, asked = [], [], []
    for vector in vectors[:_CANDIDATES]:
        hit = np.array([arrive(vector), arrive(-vector)])
        fair = np.array([inside(xy[some] + vector), inside(xy[some] - vector)]) | hit
        if fair.sum() >= 8 and hit.sum() >= _LEAST * fair.sum():
            kept.append(vector)
            held.append(hit)
            asked.append(fair)
    best, pairs = 0.0, []
    for first in range(len(kept)):
        for second in range(first + 1, len(kept)):
            a, b = kept[first], kept[second]
            area = abs(a[0] * b[1] - a[1] * b[0])
            if area < 0.3 * np.linalg.norm(a) * np.linalg.norm(b):
                continue
            fair = np.concatenate([asked[first], asked[second]])
            hit = np.concatenate([held[first], held[second]])
            enough = fair.sum(axis=0) >= 3
            if enough.sum() < 4:
                continue
            missing = (fair & ~hit).sum(axis=0)[enough]
            pairs.append(((missing == 0).mean(), area, (missing <= 1).mean(), a, b))
            best = max(best, pairs[-1][0])
    if not pairs:
        return np.diag([np.nan, np.nan]), 0.0
    # A bond of a honeycomb leads from half of the columns to a column, and fails with all four steps.
    smallest = min((p for p in pairs if p[0] >= _NEARLY * best), key=lambda p: (round(p[1], 3), -p[0]))
    return reduced(np.array(smallest[3:])), smallest[2]


def _inside(xy):
    """A function that says whether points lie within the outline of the columns, and half of its width."""
    hull = ConvexHull(xy)
    normals, offsets = hull.equations[:, :2], hull.equations[:, 2]
    width = np.ptp(xy @ normals.T, axis=0).min()
    return lambda points: (points @ normals.T + offsets <= 0).all(axis=1), 0.75 * width


def _differences(xy, sublattice, some, count):
    """Vectors from some columns to their neighbours on the same sublattice."""
    rows = []
    for label in np.unique(sublattice[some]):
        own = xy[sublattice == label]
        mine = some[sublattice[some] == label]
        k = min(count + 1, len(own))
        if k < 2:
            continue
        near = cKDTree(own).query(xy[mine], k=k)[1]
        rows.append((own[near[:, 1:]] - xy[mine][:, None]).reshape(-1, 2))
    return np.concatenate(rows) if rows else np.empty((0, 2))


def _peaks(differences, tolerance, n_centres):
    """Vectors around which the differences crowd, the shortest first; of v and -v only one."""
    both = np.concatenate([differences, -differences])
    step = tolerance / 3
    half = int(np.ceil(np.abs(both).max() / step)) + 2
    if half > 1500:  # a few far-off columns: look at what is near
        half = 1500
        both = both[(np.abs(both) < (half - 2) * step).all(axis=1)]
    index = np.rint(both / step).astype(int) + half
    density = np.zeros((2 * half + 1,) * 2)
    np.add.at(density, (index[:, 0], index[:, 1]), 1.0)
    smooth = gaussian_filter(density, 1.5, mode="constant")
    height = 2 * np.pi * 1.5**2 * smooth / (2 * n_centres)
    at = np.argwhere((smooth == maximum_filter(smooth, 5)) & (height > 0.5 * _LEAST))
    rough = (at - half) * step
    rough = rough[(rough[:, 0] > 0) | ((rough[:, 0] == 0) & (rough[:, 1] > 0))]
    if not len(rough):
        return rough
    # The centre of gravity of what lies around.
    near = cKDTree(both).query_ball_point(rough, tolerance)
    vectors = np.array([both[rows].mean(axis=0) for rows in near])
    return vectors[np.argsort(np.linalg.norm(vectors, axis=1), kind="stable")]


def reduced(basis):
    """The same lattice by its two shortest vectors, in the order and with the signs that `Lattice` promises.

    Gauss's reduction; of equally short choices the one whose a is closest to +x.

    >>> reduced(np.array([[0.0, 2.0], [2.0, 4.0]])).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    a, b = np.asarray(basis, dtype=float)
    if a @ a > b @ b:
        a, b = b, a
    for _ in range(100):
        b = b - np.rint(a @ b / (a @ a)) * a
        if b @ b >= a @ a * (1 - 1e-9):
            break
        a, b = b, a
    # Within a few per cent of each other, the lengths do not decide which one is called a.
    choices = [a, b, a + b, a - b]
    short = [v for v in choices if np.linalg.norm(v) < 1.06 * np.linalg.norm(a)]
    first = max((s * v for v in short for s in (1, -1)), key=lambda v: (v[0] / np.linalg.norm(v), v[1]))
    area = abs(a[0] * b[1] - a[1] * b[0])
    seconds = [s * v for v in choices for s in (1, -1)]
    seconds = [v for v in seconds if 0.5 < (first[0] * v[1] - first[1] * v[0]) / area < 1.5]
    shortest = min(np.linalg.norm(v) for v in seconds)
    short = [v for v in seconds if np.linalg.norm(v) < 1.06 * shortest]
    # Of two that are nearly as short (hexagonal), the obtuse one; of two nearly at right angles, whichever.
    second = min(short, key=lambda v: (first @ v) / np.linalg.norm(v))
    return np.array([first, second])
