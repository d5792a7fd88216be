"""Scores: how well a result agrees with the truth, or with another run.

Label arrays of any shape (DataArrays included) are compared element by element; negative labels in
the truth mean "not scored". Tables of positions are compared after `match` has paired them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, precision_recall_fscore_support

from atomlens._match import Match, match, match_table
from atomlens._types import ArrayLike, DataArray, DataFrame, ndarray

__all__ = [
    "Match",
    "adjusted_rand_index",
    "align_labels",
    "cluster_report",
    "match",
    "match_table",
]


def _pair(labels, truth):
    labels, truth = np.asarray(labels), np.asarray(truth)
    if labels.shape != truth.shape:
        raise ValueError(
            f"labels of shape {labels.shape} cannot be compared with truth of shape {truth.shape}: "
            "both must cover the same scan points in the same order"
        )
    for name, values in (("labels", labels), ("truth", truth)):
        if not np.issubdtype(values.dtype, np.integer):
            raise TypeError(f"{name} must be integers, got {values.dtype}: pass cluster numbers, not scores")
    if not np.any(truth >= 0):
        raise ValueError("truth holds no scored element: all its labels are negative")
    scored = truth >= 0
    return labels[scored], truth[scored]


def adjusted_rand_index(labels: ArrayLike | DataArray, truth: ArrayLike | DataArray) -> float:
    """Agreement of two partitions, corrected for chance.

    Parameters
    ----------
    labels, truth : array_like of int, same shape
        Cluster numbers; their numbering does not matter. Where `truth` is negative nothing is scored.

    Returns
    -------
    float
        1 for the same partition, about 0 for a random one.

    Raises
    ------
    ValueError
        If the shapes differ or nothing is scored.
    TypeError
        If the labels are not integers.

    References
    ----------
    Hubert and Arabie, J. Classif. 2, 193 (1985).

    Examples
    --------
    >>> adjusted_rand_index([0, 0, 1, 1], [5, 5, 2, 2])
    1.0
    """
    labels, truth = _pair(labels, truth)
    return float(adjusted_rand_score(truth, labels))


def align_labels(labels: ArrayLike | DataArray, reference: ArrayLike | DataArray) -> ndarray | DataArray:
    """Renumber clusters so that they match a reference as well as possible.

    Two runs of a clustering number the same clusters differently. The one-to-one renumbering that
    maximises the number of agreeing elements is found with the Hungarian algorithm; clusters without
    a partner get the next free numbers, and negative labels (noise) stay as they are.

    Parameters
    ----------
    labels, reference : array_like of int, same shape

    Returns
    -------
    ndarray or DataArray of int
        `labels`, renumbered; a DataArray stays one.

    Raises
    ------
    ValueError, TypeError
        As for `adjusted_rand_index`.

    References
    ----------
    Kuhn, Nav. Res. Logist. Q. 2, 83 (1955).

    Examples
    --------
    >>> align_labels([1, 1, 0, 2], [0, 0, 1, 1]).tolist()
    [0, 0, 1, 2]
    """
    _pair(labels, reference)
    values, target = np.asarray(labels), np.asarray(reference)
    both = (values >= 0) & (target >= 0)
    found = np.unique(values[values >= 0])
    wanted = np.unique(target[target >= 0])
    counts = np.zeros((found.size, wanted.size), dtype=int)
    np.add.at(counts, (np.searchsorted(found, values[both]), np.searchsorted(wanted, target[both])), 1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    new = dict(zip(found[rows].tolist(), wanted[columns].tolist(), strict=True))
    free = (n for n in range(found.size + int(wanted.max()) + 1) if n not in set(wanted.tolist()))
    for old in found.tolist():
        if old not in new:
            new[old] = next(free)
    renumbered = values.copy()
    for old, number in new.items():
        renumbered[values == old] = number
    return labels.copy(data=renumbered) if hasattr(labels, "dims") else renumbered


def cluster_report(labels: ArrayLike | DataArray, truth: ArrayLike | DataArray) -> DataFrame:
    """Score every planted phase: how much of it was found, and how pure its cluster is.

    Parameters
    ----------
    labels, truth : array_like of int, same shape

    Returns
    -------
    DataFrame
        One row a phase of the truth (index ``phase``): ``size`` (elements), ``cluster`` (its partner
        after `align_labels`), ``recall`` and ``precision`` (fractions).

    Examples
    --------
    >>> cluster_report([0, 0, 1, 1], [0, 0, 0, 1]).recall.round(2).tolist()
    [0.67, 1.0]
    """
    _pair(labels, truth)
    aligned, truth = _pair(align_labels(labels, truth), truth)
    phases = np.unique(truth)
    scores = precision_recall_fscore_support(truth, aligned, labels=phases, zero_division=0)
    precision, recall, _, size = scores
    return pd.DataFrame(
        {
            "size": size,
            "cluster": np.where(np.isin(phases, aligned), phases, -1),
            "recall": recall,
            "precision": precision,
        },
        index=pd.Index(phases, name="phase"),
    )
