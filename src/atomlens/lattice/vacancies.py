"""Places of the lattice that no column occupies."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from atomlens._types import DataFrame

__all__ = ["empty_sites"]

_AROUND = [step for step in product((-1, 0, 1), repeat=2) if step != (0, 0)]
_LEAST = 6  # of the eight cells around that must be occupied: fewer are an edge, or a hole


def empty_sites(indexed: DataFrame) -> DataFrame:
    """Find the cells within the field whose column is missing.

    Parameters
    ----------
    indexed : DataFrame
        From `atomlens.lattice.index`.

    Returns
    -------
    DataFrame
        ``x, y`` in pixels (and ``x_nm, y_nm``), where the neighbours would have the column, with ``i``, ``j``
        and ``site``. Cells that have less than six of their eight neighbours are not listed: they are an
        edge, or part of a larger hole.

    Raises
    ------
    ValueError
        If the table is not indexed.

    Examples
    --------
    >>> from atomlens import lattice
    >>> y, x = np.mgrid[:5, :5].reshape(2, -1)
    >>> table = pd.DataFrame({"x": 20.0 * x, "y": 20.0 * y}).drop(index=12)
    >>> empty_sites(lattice.index(table))[["x", "y"]].to_numpy().tolist()
    [[40.0, 40.0]]
    """
    missing = {"i", "j", "site"} - set(indexed)
    if missing or "lattice" not in indexed.attrs:
        raise ValueError("the table has no cells: index it first, atomlens.lattice.index(columns)")
    basis = indexed.attrs["lattice"].basis
    on = indexed[indexed["site"].notna()]
    found = []
    for site, part in on.groupby("site"):
        cell = part[["i", "j"]].to_numpy(dtype=int) + 1
        rows = np.full(cell.max(axis=0) + 2, -1)
        rows[tuple(cell.T)] = np.arange(len(part))
        around = np.array([np.roll(rows, (-di, -dj), axis=(0, 1)) for di, dj in _AROUND])
        empty = np.argwhere((rows < 0) & ((around >= 0).sum(axis=0) >= _LEAST))
        for i, j in empty:
            near = around[:, i, j]
            seen = near >= 0
            steps = np.array(_AROUND)[seen] @ basis
            place = part[["x", "y"]].to_numpy()[near[seen]] - steps
            found.append(
                {"x": place[:, 0].mean(), "y": place[:, 1].mean(), "i": i - 1, "j": j - 1, "site": site}
            )
    table = pd.DataFrame(found, columns=["x", "y", "i", "j", "site"])
    for axis in "xy":
        if f"{axis}_nm" in on and len(on) > 1:
            slope, first = np.polyfit(on[axis], on[f"{axis}_nm"], 1)
            table[f"{axis}_nm"] = first + slope * table[axis]
    return table
