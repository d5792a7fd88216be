"""Tables of columns, as all that deals with lattices wants them: positions, sublattices, calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

_FEWEST = 9
_SAME = 0.2  # of the typical distance between neighbours: nearer ones are one column listed twice
_OFTEN = 0.03  # share of the columns; more seldom it happens to a finder, or by chance where nothing repeats


def as_points(columns, *, fewest=_FEWEST):
    """Positions (N, 2) in pixels, number of the sublattice of each, names of the sublattices.

    >>> xy, sublattice, names = as_points(pd.DataFrame({"x": range(9), "y": 0.0, "label": list("ABABABABA")}))
    >>> xy.shape, sublattice[:3].tolist(), names
    ((9, 2), [0, 1, 0], ['A', 'B'])
    """
    if isinstance(columns, pd.DataFrame):
        missing = {"x", "y"} - set(columns)
        if missing:
            raise ValueError(
                f"the table lacks the column {' and '.join(sorted(missing))}: it needs the positions x and y "
                "in pixels, as `atomlens.columns.find` returns them"
            )
        xy = _numbers(columns[["x", "y"]])
        name = sublattice_column(columns)
        labels = np.zeros(len(columns), dtype=int) if name is None else columns[name]
        if pd.isna(labels).any():
            raise ValueError(
                f"{name!r} is missing for some columns: name the sublattice of each, or drop them"
            )
    else:
        xy = _numbers(columns)
        if xy.ndim != 2 or xy.shape[1] != 2:
            raise ValueError(
                f"columns must be a table with x and y, or an array (N, 2); got shape {xy.shape}"
            )
        labels = np.zeros(len(xy), dtype=int)
    finite = np.isfinite(xy).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"{np.count_nonzero(~finite)} positions are NaN or infinite: drop those rows first, "
            "columns[np.isfinite(columns[['x', 'y']]).all(axis=1)]"
        )
    if len(xy) < fewest:
        raise ValueError(f"{len(xy)} columns are too few for a lattice: at least {fewest} are needed")
    sublattice, names = pd.factorize(np.asarray(labels), sort=True)
    _refuse_duplicates(xy)
    return xy, sublattice, names.tolist()


def _numbers(columns):
    try:
        return np.asarray(columns, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(
            "positions must be numbers, in a table with x and y or an array (N, 2), and an image an array; "
            f"got a {type(columns).__name__} that holds something else. Pass `sample.data` of a Sample, and "
            "read a file with `atomlens.io.read(path)`"
        ) from None


def search_tree(points):
    """A tree that is quick to build and, for points as even as columns are, as quick to search."""
    return cKDTree(points, balanced_tree=False, compact_nodes=False)


def sublattice_column(columns):
    """Name of the table's column that tells the sublattices apart, or None."""
    return next((name for name in ("sublattice", "label") if name in columns), None)


def _refuse_duplicates(xy):
    tree = search_tree(xy)
    typical = np.median(tree.query(xy[:: max(1, len(xy) // 2000)], k=2)[0][:, 1])
    pairs = tree.query_pairs(_SAME * typical, output_type="ndarray")
    distance = np.linalg.norm(xy[pairs[:, 0]] - xy[pairs[:, 1]], axis=1)
    if typical == 0 or len(pairs) > _OFTEN * len(xy) or (distance == 0).any():
        at = xy[pairs[distance.argmin(), 0]]
        raise ValueError(
            f"{len(pairs)} columns are listed twice (two within {distance.min():.3g} px near "
            f"x = {at[0]:.1f}, y = {at[1]:.1f}): keep one of each, for example with "
            "columns.drop_duplicates(['x', 'y'])"
        )


def pixel_size(columns):
    """Nanometres a pixel, from a table that has both; None if it is not calibrated."""
    if not (isinstance(columns, pd.DataFrame) and {"x_nm", "y_nm"} <= set(columns)):
        return None
    px, nm = (columns[list(pair)].to_numpy(dtype=float) for pair in (("x", "y"), ("x_nm", "y_nm")))
    if len(px) > 1:  # wherever the origins are
        px, nm = px - px.mean(axis=0), nm - nm.mean(axis=0)
    if not px.any():
        return None
    return float(np.sqrt((nm**2).sum() / (px**2).sum()))
