"""Tables of positions: one-to-one pairs of found and true ones, and their score."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching
from scipy.spatial import KDTree

from atomlens._types import Any, ArrayLike, DataFrame, Mapping


@dataclass(frozen=True)
class Match:
    """How well found positions agree with the truth; see `match`.

    Attributes
    ----------
    precision, recall, f1 : float
        Fractions of the scored detections that are right and of the scored truth that was found, and
        their harmonic mean. NaN where there is nothing to score.
    rmse : float
        Root mean square distance of the pairs, in pixels: over both axes, so sqrt(2) times that of one.
    bias : tuple of float
        Mean (dx, dy) of found minus truth, in pixels.
    n_matched, n_found, n_truth : int
        Pairs, scored detections, scored true positions.
    pairs : tuple of two arrays of int
        Row numbers in `found` and in `truth`, pair by pair.
    spurious, missed : array of int
        Row numbers in `found` of false alarms, and in `truth` of what was not found, as far as scored.
    """

    precision: float
    recall: float
    f1: float
    rmse: float
    bias: tuple[float, float]
    n_matched: int
    n_found: int
    n_truth: int
    pairs: tuple[np.ndarray, np.ndarray] = field(repr=False)
    spurious: np.ndarray = field(repr=False)
    missed: np.ndarray = field(repr=False)

    def __repr__(self):
        return (
            f"Match(F1 {self.f1:.4f}, precision {self.precision:.4f}, recall {self.recall:.4f}, "
            f"RMSE {self.rmse:.3g} px, {self.n_matched} of {self.n_truth} found, "
            f"{self.n_found - self.n_matched} spurious)"
        )


def _ratio(part, whole):
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def positions(table, name):
    """(x, y) of a table or an array, as an array (N, 2)."""
    if isinstance(table, pd.DataFrame):
        missing = {"x", "y"} - set(table)
        if missing:
            raise ValueError(f"{name} lacks the column {' and '.join(sorted(missing))}: positions in pixels")
        table = table[["x", "y"]]
    points = np.asarray(table, dtype=float)
    points = points.reshape(0, 2) if points.size == 0 else points
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"{name} must be a table with x and y, or an array (N, 2); got shape {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError(f"{name} holds positions that are not finite: drop those rows first")
    return points


def _assign(found, truth, tolerance):
    """One-to-one pairs within the tolerance: as many as possible, then with the least squared distance."""
    if not len(found) or not len(truth):
        return np.empty((2, 0), dtype=int)
    near = KDTree(found).sparse_distance_matrix(KDTree(truth), tolerance, output_type="coo_matrix")
    edges, cost = np.array([near.row, near.col]), 1 + (near.data / tolerance) ** 2
    # Nearly all detections have one candidate, which has no other: only the rest needs an assignment.
    alone = np.bincount(edges[0], minlength=len(found))[edges[0]] == 1
    alone &= np.bincount(edges[1], minlength=len(truth))[edges[1]] == 1
    pairs, edges, cost = [edges[:, alone]], edges[:, ~alone], cost[~alone]
    rows, row = np.unique(edges[0], return_inverse=True)
    columns, column = np.unique(edges[1], return_inverse=True)
    n_rows, n_columns = rows.size, columns.size
    joined = coo_array((cost, (row, n_rows + column)), shape=(n_rows + n_columns,) * 2)
    component = connected_components(joined, directed=False)[1]
    # Whole components are solved in batches, since the solver is quadratic in the number of rows. A private
    # dummy partner for each row, dearer than any rearrangement, makes "unmatched" the last resort.
    order = np.argsort(component[row], kind="stable")
    first = np.searchsorted(component[row][order], component[row][order])
    for batch in np.split(order, np.flatnonzero(np.diff(first // 1000)) + 1) if order.size else ():
        r, at_r = np.unique(row[batch], return_inverse=True)
        c, at_c = np.unique(column[batch], return_inverse=True)
        dummy = np.arange(r.size)
        entries = np.concatenate([cost[batch], np.full(r.size, 2.0 * r.size + 2)])
        where = (np.concatenate([at_r, dummy]), np.concatenate([at_c, c.size + dummy]))
        matrix = coo_array((entries, where), shape=(r.size, c.size + r.size)).tocsr()
        i, j = min_weight_full_bipartite_matching(matrix)
        real = j < c.size
        pairs.append(np.array([rows[r[i[real]]], columns[c[j[real]]]]))
    pairs = np.concatenate(pairs, axis=1)
    return pairs[:, np.argsort(pairs[0])]


def match(
    found: DataFrame | ArrayLike,
    truth: DataFrame | ArrayLike,
    *,
    tolerance: float,
    border: float | None = None,
    shape: tuple[int, ...] | None = None,
    ignore: DataFrame | ArrayLike | None = None,
) -> Match:
    """Pair found positions with true ones and score them.

    Pairs are one-to-one and at most `tolerance` apart: as many as possible, and among those the set with
    the least sum of squared distances. So two detections of one atom are one hit and one false alarm.

    Parameters
    ----------
    found, truth : DataFrame with ``x`` and ``y`` in pixels, or array_like of shape (N, 2) as (x, y)
        Rows of `truth` whose boolean column ``scored`` is False count as `ignore`.
    tolerance : float
        Largest distance of a pair, in pixels; below half the nearest-neighbour distance it is unambiguous.
    border : float, optional
        Margin in pixels along the edges of the image where nothing is required and nothing is wrong. A
        detection inside it may still be the partner of a true position outside it, and the reverse.
    shape : tuple of int, optional
        Rows and columns of the image; needed with `border`.
    ignore : DataFrame or array_like, optional
        Positions that are neither required nor wrong, such as columns too weak to see: a detection left
        without a partner is not scored if it can be paired with one of them.

    Returns
    -------
    Match

    Raises
    ------
    ValueError
        If a table lacks its columns, positions are not finite, the tolerance is not positive, or `border`
        comes without `shape`.

    Notes
    -----
    Maximum-cardinality minimum-cost bipartite matching, solved by connected component with the sparse
    algorithm of Jonker and Volgenant, Computing 38, 325 (1987).

    Examples
    --------
    >>> match([[1.0, 1.0], [9.0, 9.0]], [[1.0, 1.3], [5.0, 5.0], [9.0, 9.0]], tolerance=1)
    Match(F1 0.8000, precision 1.0000, recall 0.6667, RMSE 0.212 px, 2 of 3 found, 0 spurious)
    """
    if not tolerance > 0:
        raise ValueError(f"tolerance must be a positive number of pixels, got {tolerance}")
    at, true = positions(found, "found"), positions(truth, "truth")
    scored = np.flatnonzero(_is_required(truth, true, border, shape))
    wanted, excused = wanted_positions(truth, border=border, shape=shape, ignore=ignore)
    i, j = _assign(at, wanted, tolerance)
    pairs = (i, scored[j])
    spare = np.setdiff1d(np.arange(len(at)), i)
    spurious = np.delete(spare, _assign(at[spare], excused, tolerance)[0])
    spurious = spurious[~near_edge(at[spurious], border, shape)]

    n_matched, n_found = i.size, i.size + spurious.size
    offset = at[pairs[0]] - true[pairs[1]]
    bias = offset.mean(axis=0) if n_matched else (np.nan, np.nan)
    return Match(
        precision=float(_ratio(n_matched, n_found)),
        recall=float(_ratio(n_matched, scored.size)),
        f1=float(_ratio(2 * n_matched, n_found + scored.size)),
        rmse=float(np.sqrt((offset**2).sum(axis=1).mean())) if n_matched else np.nan,
        bias=(float(bias[0]), float(bias[1])),
        n_matched=n_matched,
        n_found=n_found,
        n_truth=scored.size,
        pairs=pairs,
        spurious=spurious,
        missed=np.setdiff1d(scored, pairs[1]),
    )


def wanted_positions(truth, *, border=None, shape=None, ignore=None):
    """Positions (x, y) that must be found, and those that are neither required nor wrong."""
    true = positions(truth, "truth")
    required = _is_required(truth, true, border, shape)
    excused = true[~required]
    if ignore is not None:
        excused = np.concatenate([excused, positions(ignore, "ignore")])
    return true[required], excused


def _is_required(truth, points, border, shape):
    required = ~near_edge(points, border, shape)
    if isinstance(truth, pd.DataFrame) and "scored" in truth:
        required &= truth["scored"].to_numpy(dtype=bool)
    return required


def near_edge(points, border, shape):
    """Whether positions lie within a margin of the outer edges of an image; no margin, none."""
    if border is None:
        return np.zeros(len(points), dtype=bool)
    if shape is None:
        raise ValueError("border needs the shape (rows, columns) of the image")
    x, y = points.T
    rows, columns = shape
    return np.minimum.reduce([x, y, columns - 1 - x, rows - 1 - y]) + 0.5 < border


def match_table(matches: Mapping[Any, Match], *, name: str = "dose") -> DataFrame:
    """Tabulate scores against what was varied.

    Parameters
    ----------
    matches : dict
        Value -> `Match`.
    name : str
        What the values are; the name of the index.

    Returns
    -------
    DataFrame
        One row a value: ``f1, precision, recall, rmse, bias_x, bias_y, n_matched, n_found, n_truth``.

    Examples
    --------
    >>> table = match_table({10: match([[0, 0]], [[0, 1]], tolerance=2)})
    >>> table.rmse.to_dict()
    {10: 1.0}
    """
    columns = ["f1", "precision", "recall", "rmse", "bias_x", "bias_y", "n_matched", "n_found", "n_truth"]
    rows = [
        (m.f1, m.precision, m.recall, m.rmse, *m.bias, m.n_matched, m.n_found, m.n_truth)
        for m in matches.values()
    ]
    return pd.DataFrame(rows, index=pd.Index([*matches], name=name), columns=columns)
