"""Detections against a planted truth: found, missed, and taken for something else."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from atomlens._types import DataFrame
from atomlens.dynamics.tracks import checked
from atomlens.metrics import match

__all__ = ["Agreement", "agreement"]


@dataclass(frozen=True, eq=False)
class Agreement:
    """What `agreement` counts over all frames.

    Attributes
    ----------
    f1, precision, recall : float
    rmse : float
        Of the places of what was found, in pixels.
    n_found, n_true, n_matched : int
    recall_of : dict
        Recall by the label of the truth, if it has one.
    pairs : DataFrame
        One row a match: ``frame``, ``found`` and ``true`` (row numbers of the tables), and where they are
        known ``label`` (of the detection) and ``state`` (label of the truth).
    """

    f1: float
    precision: float
    recall: float
    rmse: float
    n_found: int
    n_true: int
    n_matched: int
    recall_of: dict = field(default_factory=dict)
    pairs: pd.DataFrame = field(repr=False, default=None)

    def misclassification(self, states: list[str] | None = None) -> DataFrame:
        """How often each true state (rows) was given each label (columns): for `transitions`.

        Parameters
        ----------
        states : list of str, optional
            Order of both; sorted without it. Labels must be names of states.

        Returns
        -------
        DataFrame of int, shape (K, K)

        Raises
        ------
        ValueError
            If detections or truth have no label, or a label is no state.
        """
        if not {"label", "state"} <= set(self.pairs):
            raise ValueError("detections and truth both need a column label: see SubImageClasses.label")
        found, true = self.pairs["label"], self.pairs["state"]
        states = sorted({*found, *true}, key=str) if states is None else list(states)
        unknown = sorted({str(v) for v in (*found, *true)} - set(map(str, states)))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is no state: name the classes as the truth does")
        return pd.crosstab(true, found).reindex(index=states, columns=states, fill_value=0)


def agreement(detections: DataFrame, truth: DataFrame, *, tolerance: float | None = None) -> Agreement:
    """Compare detections with a planted truth, frame by frame.

    Parameters
    ----------
    detections : DataFrame
        ``frame``, ``x``, ``y`` in pixels, and ``label`` if there is one.
    truth : DataFrame
        The same, of `simulate.movies.hopping`. Where ``visible`` is False, just beyond the border, a
        detection is neither asked for nor wrong.
    tolerance : float, optional
        Largest distance of a match in pixels; 0.4 of the distance of neighbouring cells without it.

    Returns
    -------
    Agreement

    Raises
    ------
    ValueError
        If a column is missing, or nothing says which distance is too far.

    Examples
    --------
    >>> from atomlens import dynamics, simulate
    >>> sample = simulate.movies.hopping(5, n_frames=3, shape=(128, 128), electrons=100, random_state=1)
    >>> agreement(dynamics.detect_frames(sample.data), sample.truth).recall
    1.0
    """
    found, true = checked(detections, ["frame", "x", "y"]), checked(truth, ["frame", "x", "y"])
    if tolerance is None:
        if "spacing_px" not in detections.attrs:
            raise ValueError("these detections do not know the lattice: give a tolerance in pixels")
        tolerance = 0.4 * detections.attrs["spacing_px"]
    visible = true["visible"].to_numpy(bool) if "visible" in true else np.ones(len(true), bool)
    places = [table[["x", "y"]].to_numpy(float) for table in (found, true)]
    frames = [table["frame"].to_numpy() for table in (found, true)]
    pairs, n_found, square = [], 0, 0.0
    for t in np.union1d(*frames):
        ours, theirs = (np.flatnonzero(frame == t) for frame in frames)
        asked, beside = theirs[visible[theirs]], theirs[~visible[theirs]]
        result = match(places[0][ours], places[1][asked], tolerance=tolerance, ignore=places[1][beside])
        n_found += result.n_found
        square += result.n_matched * np.nan_to_num(result.rmse) ** 2
        one, two = (np.asarray(rows, dtype=int) for rows in result.pairs)
        pairs.append(np.column_stack([np.full(len(one), t), ours[one], asked[two]]))
    rows = np.concatenate(pairs) if pairs else np.empty((0, 3), dtype=int)
    table = pd.DataFrame(rows, columns=["frame", "found", "true"])
    for name, source, row in (("label", found, "found"), ("state", true, "true")):
        if "label" in source:
            table[name] = source["label"].to_numpy()[table[row].to_numpy(int)]
    hits, asked = len(table), int(visible.sum())
    by_label = {}
    if "label" in true:
        got, asked_for = table["state"].value_counts(), true.loc[visible, "label"].value_counts()
        by_label = {name: float(got.get(name, 0) / n) for name, n in asked_for.sort_index().items()}
    return Agreement(
        2 * hits / max(n_found + asked, 1), hits / max(n_found, 1), hits / max(asked, 1),
        float(np.sqrt(square / hits)) if hits else np.nan, n_found, asked, hits, by_label, table,
    )  # fmt: skip
