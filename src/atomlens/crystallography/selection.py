"""How many labels? The usual criteria, and whether their replicas close."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import silhouette_score
from sklearn.mixture import GaussianMixture

from atomlens._doubts import quietly
from atomlens._threads import one_thread
from atomlens._types import DataFrame, Neighbourhoods
from atomlens.crystallography.estimator import LocalCrystallography

__all__ = ["ClusterChoice", "choose_n_clusters"]

_MOST = 3000  # atoms that silhouette and BIC look at


@dataclass(frozen=True)
class ClusterChoice:
    """What `choose_n_clusters` found.

    Attributes
    ----------
    table : DataFrame
        One row a number of labels (index ``n_clusters``): ``inertia`` (px²), ``silhouette``, ``bic`` (of
        Gaussians that share one covariance), ``closure`` (share of the replicas that land where the
        permutation of the labels wants them), ``gap_p`` (largest p-value of a gap in density between two
        labels) and ``n_phases``.
    recommended : int
        The largest number of labels that are all parted by gaps in density; 1 if there is none.
    """

    table: pd.DataFrame
    recommended: int

    def __repr__(self):
        return f"<ClusterChoice: {self.recommended} labels recommended; see .table>"


def choose_n_clusters(
    X: DataFrame | Neighbourhoods,
    k_range: Iterable[int] = range(1, 10),
    *,
    estimator: LocalCrystallography | None = None,
) -> ClusterChoice:
    """Compare numbers of labels.

    Parameters
    ----------
    X : DataFrame or Neighbourhoods
        As for `LocalCrystallography.fit`.
    k_range : iterable of int
    estimator : LocalCrystallography, optional
        Its settings are used for every number of labels.

    Returns
    -------
    ClusterChoice

    Raises
    ------
    ValueError
        If `k_range` is empty or holds a number below 1, or as for `LocalCrystallography.fit`.

    Notes
    -----
    Closure is high when there are too few labels (a single one always closes) and falls when a label has
    to be split in a way that the symmetry does not want. It also falls where variants are absent from the
    field, so it is a hint. The gaps decide.

    Examples
    --------
    >>> from atomlens import datasets
    >>> settings = LocalCrystallography(center="Fe", neighbors="Bi")
    >>> choose_n_clusters(datasets.load("bfo_phantom").data, range(1, 4), estimator=settings).recommended
    1
    """
    ks = sorted(set(k_range)) if isinstance(k_range, Iterable) else []
    if not ks or not all(isinstance(k, int | np.integer) and k >= 1 for k in ks):
        raise ValueError(f"k_range must hold whole numbers from 1 on, as range(1, 8) does, got {k_range!r}")
    estimator = LocalCrystallography() if estimator is None else estimator
    hoods, rows = None, {}
    for k in ks:
        model = clone(estimator).set_params(n_clusters=k)
        model._asks_power = False  # it takes most of the time, and says nothing of the number of labels
        with quietly():  # too few labels leave variants that no gap parts: that is asked here
            model.fit(X if hoods is None else hoods)  # neighbours are searched once
        hoods = model.neighbourhoods_
        rows[k] = _criteria(model)
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("n_clusters")
    separated = [k for k in ks if k > 1 and table.loc[k, "gap_p"] <= estimator.alpha]
    return ClusterChoice(table, max(separated, default=1))


def _criteria(model):
    k = model.n_clusters
    points = model.vectors_.reshape(len(model.vectors_), -1)
    whole = np.isfinite(points).all(axis=1) & (model.labels_ >= 0)
    points, labels = points[whole], model.labels_[whole]
    centroids = model.centroids_.reshape(k, -1)
    rng = np.random.default_rng(model.random_state)
    some = rng.permutation(len(points))[:_MOST]
    several = np.unique(labels[some]).size
    with one_thread():
        silhouette = silhouette_score(points[some], labels[some]) if 1 < several < len(some) else np.nan
        mixture = GaussianMixture(
            k, covariance_type="tied", means_init=centroids, random_state=model.random_state
        ).fit(points[some])
    weights = model.verdict_["n"]
    return {
        "inertia": float(((points - centroids[labels]) ** 2).sum()),
        "silhouette": float(silhouette),
        "bic": float(mixture.bic(points[some])),
        "closure": float(np.average(model.verdict_["closure"], weights=weights)),
        "gap_p": float(model.gap_p_values_[np.triu_indices(k, 1)].max()) if k > 1 else np.nan,
        "n_phases": len(model.verdict_),
    }
