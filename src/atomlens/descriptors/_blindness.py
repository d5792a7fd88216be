"""What a descriptor does not see: measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu
from sklearn.base import clone

from atomlens._types import Any, DataFrame

_ROWS = 500


def blindness(
    descriptor: Any,
    original: Any,
    repeat: Any,
    changed: dict[str, Any],
    *,
    random_state: int = 0,
) -> DataFrame:
    """Measure which changes of the specimen a descriptor does not see.

    Every row of features of the changed specimen is compared with the nearest one of the original. A second
    record of the original, with noise of its own, says how far apart rows are that differ in nothing else.

    Parameters
    ----------
    descriptor : transformer
        One of this package, or any that turns data into rows of features. Fitted to the original.
    original, repeat : data for the descriptor
        Two records of the same specimen with different noise.
    changed : dict
        Name of the change -> record of the specimen after it was translated, rotated, inverted, ...
    random_state : int
        Of the 500 rows of each that are compared, if there are more.

    Returns
    -------
    DataFrame
        Indexed by change: ``ratio``, the median distance from the nearest row of the original in units of
        that of the repeat (about 1: blind); ``visibility``, the probability that a changed row is further
        away than one of the repeat (0.5: blind, 1: always seen); ``blind``, whether the ratio is below 1.5
        and the visibility below 0.75.

    Raises
    ------
    ValueError
        If the repeat does not differ from the original, or there is no change.

    Examples
    --------
    >>> from atomlens.descriptors import WindowDescriptor
    >>> y, x = np.mgrid[:80, :80]
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (4, 80, 80))
    >>> def crystal(x, y, n):
    ...     return np.cos(2 * np.pi * x / 12) + 0.5 * np.cos(2 * np.pi * y / 12) + noise[n]
    >>> changes = {"translated": crystal(x + 4, y, 2), "turned by 90°": crystal(y, x, 3)}
    >>> blindness(WindowDescriptor(36), crystal(x, y, 0), crystal(x, y, 1), changes).blind.to_dict()
    {'translated': True, 'turned by 90°': False}
    """
    if not changed:
        raise ValueError("there is no change to measure: give a dict of name -> data")
    fitted = clone(descriptor).fit(original)

    def rows(data):
        features = np.asarray(fitted.transform(data))
        features = features.reshape(len(features), -1)
        return features[np.random.default_rng(random_state).permutation(len(features))[:_ROWS]]

    known = rows(original)
    same = cdist(rows(repeat), known).min(axis=1)
    floor = np.median(same)
    if not floor > 0:
        raise ValueError(
            "the repeat does not differ from the original, so nothing says how large a change is: "
            "record or simulate both with noise of their own"
        )
    table = {}
    for name, data in changed.items():
        other = cdist(rows(data), known).min(axis=1)
        ratio = float(np.median(other) / floor)
        visibility = _visibility(other, same)
        table[name] = {"ratio": ratio, "visibility": visibility, "blind": ratio < 1.5 and visibility < 0.75}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("change")


def _visibility(other, same):
    """Probability that one of the first is larger than one of the second: the area under the ROC curve."""
    return float(mannwhitneyu(other, same, method="asymptotic").statistic / (len(other) * len(same)))
