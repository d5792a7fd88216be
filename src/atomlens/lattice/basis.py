"""Two vectors by which a set of columns repeats."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import ConvexHull, QhullError

from atomlens._maxima import local_maxima
from atomlens.lattice.table import search_tree

# Halved or doubled (but for shares near 1), none of these changes the lattice of a table with jitter, gaps
# and strays (benchmarks/constants.py).
_CENTRES = 500  # columns whose surroundings are looked at
_NEIGHBOURS = (24, 160, 500)  # of each, until they tell: cells of a few columns, of twenty, of fifty
_LEAST = 0.25  # share of columns that a vector must carry to another one, to be looked at
_NEARLY = 0.85  # of the best pair: a pair that does so well may have the smaller cell
_CANDIDATES, _HALF = 40, 8
_SCREENED = 150
_PERIODIC = 0.3  # joint share below which columns that do not repeat may come out by chance
_FEW = 1.5  # standard errors or so on top: the best of many pairs does well by chance on a few columns
_TRIED, _GRAIN = 8, 0.42  # smaller cells, and the share of the field that such a grain must fill
_ALIKE = 0.8  # of the columns around one that holds, in a grain
_NO_PAIR = np.full((2, 2), np.nan), 0.0, 1, False


class _Pair(NamedTuple):
    """Two vectors, and how well the four steps ±a, ±b from a column lead to columns."""

    sure: float  # `full` less what chance may do: what pairs are ranked by
    area: float
    full: float  # share of the columns asked from which all steps lead to one
    share: float  # the same, one missing allowed: a vacancy spoils the steps of its four neighbours
    judged: int  # columns asked
    both: list  # which two of the vectors


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
    best = _NO_PAIR
    for count in _NEIGHBOURS:
        if count > len(xy) and count != _NEIGHBOURS[0]:
            break
        pair = _best_pair(xy, sublattice, min(count, len(xy) - 1), random_state)
        best = max(best, pair, key=lambda p: p[1])
        if best[1] > 0.7 or best[3]:
            break
    basis, share, judged, _ = best
    return basis, float(share), bool(share > _PERIODIC + _FEW / np.sqrt(judged))


def _best_pair(xy, sublattice, count, random_state):
    """Of the pairs that hold best, the one with the smallest cell: basis, share, of how many, one grain."""
    # First vectors around which differences between neighbours crowd; then how often each leads from a column
    # to a column; then pairs of vectors, which must do so from the same columns.
    rng = np.random.default_rng(random_state)
    spread = 10 * np.ptp(xy, axis=0).max() * sublattice[:, None]  # keeps the sublattices apart in one tree
    points = np.column_stack([xy, spread])
    tree = search_tree(points)
    # Where a sublattice is sparse, others crowd its columns: half of the field is enough to see a period.
    some = rng.permutation(len(xy))[:_CENTRES]
    inside, reach = _inside(xy)
    # The more neighbours of each are taken, the fewer columns are looked at: the cost stays bounded.
    fewer = some[: max(200, 5 * _CENTRES * _NEIGHBOURS[0] // count)]
    near = tree.query(points[fewer], k=count + 1)[1][:, 1:]
    same = sublattice[near] == sublattice[fewer, None]
    differences = (xy[near] - xy[fewer, None])[same]
    if not len(differences):
        return _NO_PAIR
    # Other sublattices do not get in the way: only columns of the same one can be mistaken for each other.
    tolerance = 0.25 * np.median(tree.query(points[some], k=2)[0][:, 1])
    vectors = _peaks(differences, tolerance, len(fewer))
    # Longer steps lead out of the field from most columns, and prove little.
    vectors = vectors[np.linalg.norm(vectors, axis=1) < reach]

    def steps(vectors, rows):
        """Which column ±vectors lead to, if any, and whether one is due there: (vectors, 2, rows) each."""
        target = xy[rows] + np.stack([vectors, -vectors], axis=1)[:, :, None]
        apart = np.broadcast_to(spread[rows], (*target.shape[:-1], 1))
        to = tree.query(np.concatenate([target, apart], axis=-1), distance_upper_bound=tolerance)[1]
        due = to < len(xy)
        due[~due] = inside(target[~due])  # beyond the outline no column is missing
        return to, due

    # In a large cell short vectors that hold here and there are many: look at few columns first.
    to, fair = steps(vectors, some[:_SCREENED])
    # Divided by 8 at least, so that a vector asked for once or twice does not come out as certain.
    share = (to < len(xy)).sum(axis=(1, 2)) / np.maximum(fair.sum(axis=(1, 2)), 8)
    best = share.max(initial=0)
    good = np.flatnonzero(share >= max(_LEAST, 0.6 * best))[:_CANDIDATES]
    # Of two grains each has steps that hold in half of the field only.
    half = np.flatnonzero(share >= max(_LEAST, 0.4 * best))[:_HALF]
    vectors = vectors[np.union1d(good, half)]
    to, fair = steps(vectors, some)
    hit = to < len(xy)
    best, pairs = 0.0, []
    for first, second in combinations(range(len(vectors)), 2):
        both = [first, second]
        a, b = vectors[both]
        area = abs(a[0] * b[1] - a[1] * b[0])
        if area < 0.3 * np.linalg.norm(a) * np.linalg.norm(b):
            continue  # nearly parallel: a multiple of one period, or a basis that is far from reduced
        asked = fair[both].sum(axis=(0, 1))
        enough = asked >= 3  # of four: a column at an edge may judge, one in a corner says too little
        if enough.sum() < 4:
            continue
        missing = (asked - hit[both].sum(axis=(0, 1)))[enough]
        full, judged = (missing == 0).mean(), enough.sum()
        # On the few columns that can be asked for long steps, all may hold by chance.
        sure = max(full - _FEW / np.sqrt(judged), 0.0)
        pairs.append(_Pair(sure, area, full, (missing <= 1).mean(), judged, both))
        best = max(best, sure)
    if not pairs:
        return _NO_PAIR
    # The cell of a lattice fits into every larger one, which holds as well: so the smallest that holds nearly
    # as well as any. Whole steps decide, as a bond of a honeycomb leads from half of the columns to a column.
    nearly = [pair for pair in pairs if pair.sure >= _NEARLY * best]
    chosen = min(nearly, key=lambda pair: (round(pair.area, 3), -pair.sure))

    def holds(both):
        """Columns at which all steps that can be asked for lead to a column."""
        return (fair[both].sum(axis=(0, 1)) >= 3) & (fair[both] == hit[both]).all(axis=(0, 1))

    def is_grain(pair):
        """Whether the steps lead from columns that hold to ones that hold: a piece of crystal."""
        ends = to[pair.both][:, :, holds(pair.both)]
        there, due = steps(vectors[pair.both], ends[ends < len(xy)])
        alike = (due & (there == len(xy))).sum(axis=(0, 1)) <= 1
        return pair.share > _PERIODIC and pair.full > _PERIODIC * pair.share and alike.mean() > _ALIKE

    def is_patch(pair):
        """Whether columns that hold stand side by side: part of the sites of a large cell do not."""
        beside = search_tree(xy).query(xy[some[holds(pair.both)]], k=2)[1][:, 1]
        there, due = steps(vectors[pair.both], beside)
        return np.mean((due & (there == len(xy))).sum(axis=(0, 1)) == 0) > _ALIKE

    # Where two grains meet, a large cell may hold in both (a coincidence lattice): then one grain is meant.
    smaller = [pair for pair in pairs if pair.area < 0.6 * chosen.area and pair.share > _GRAIN]
    smaller.sort(key=lambda pair: pair.area)
    chosen = next((pair for pair in smaller[:_TRIED] if is_grain(pair) and is_patch(pair)), chosen)
    return reduced(vectors[chosen.both]), chosen.share, chosen.judged, is_grain(chosen)


def _inside(xy):
    """A function that says whether points lie within the outline of the columns, and half of its width."""
    try:
        hull = ConvexHull(xy)
    except QhullError:
        raise ValueError(
            f"the {len(xy)} columns lie on one line: a lattice needs two directions, take a wider field"
        ) from None
    normals, offsets = hull.equations[:, :2], hull.equations[:, 2]
    width = np.ptp(xy @ normals.T, axis=0).min()
    return lambda points: (points @ normals.T + offsets <= 0).all(axis=-1), 0.75 * width


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
    at = np.argwhere(local_maxima(smooth, 5) & (height > 0.5 * _LEAST))
    rough = (at - half) * step
    rough = rough[(rough[:, 0] > 0) | ((rough[:, 0] == 0) & (rough[:, 1] > 0))]
    if not len(rough):
        return rough
    # The centre of gravity of what lies around.
    near = search_tree(both).query_ball_point(rough, tolerance)
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
