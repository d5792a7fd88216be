"""The lattice of a table of columns or of an image, and the cell of every column."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomlens._doubts import inherited, warn
from atomlens._types import ArrayLike, DataFrame
from atomlens.lattice._bragg import basis_of_image
from atomlens.lattice._indexing import index_points
from atomlens.lattice.basis import find_basis
from atomlens.lattice.model import Lattice, low_confidence
from atomlens.lattice.table import as_points, pixel_size

_EXPLAINS = (
    0.05  # of the local variance, by an arrangement; chance explains one part in the number of columns
)
_AROUND = 25  # columns that make the surroundings of one, in brightness

__all__ = ["assign_sublattices", "estimate", "index"]


def estimate(data: DataFrame | ArrayLike, *, mask: ArrayLike | None = None, random_state: int = 0) -> Lattice:
    """Estimate the lattice of a table of columns, or of an image.

    From a table: vectors that carry columns to columns of the same sublattice are candidates; of the pairs
    (a, b) that hold at the same places the one with the smallest cell is taken. All columns are then indexed
    (see `index`), and basis and origins are the least-squares fit over them. From an image: the same, for
    the peaks of its autocorrelation, with the Bragg peaks of its power spectrum as the judge.

    Parameters
    ----------
    data : DataFrame with ``x`` and ``y`` in pixels, array_like of shape (N, 2), or image of shape (H, W)
        A column ``sublattice`` or ``label`` tells sublattices apart; without it all columns are one.
    mask : array_like of bool, shape (H, W), optional
        Of an image: True for pixels to leave out. Without it, padding and a burnt-in scale bar are.
    random_state : int
        Which columns are looked at in a long table.

    Returns
    -------
    Lattice
        With ``periodic=False`` if the data do not repeat.

    Raises
    ------
    ValueError
        If there are fewer than 9 columns, if positions are NaN or listed twice, or if the image is
        constant, smaller than 32 pixels or holds NaN.

    Notes
    -----
    The basis is the mean one. A displacement that alternates from cell to cell by less than a quarter of the
    distance between neighbours does not double the lattice of a table; in an image any superlattice peak
    that rises well above the noise does. Of two
    grains the larger or better one is meant, and the confidence says how much of the data it covers; grains
    that differ by less than about 15 degrees may be taken for one strained crystal.

    Quarters of an image are asked whether they show the lattice of the whole: if not, the lattice carries a
    doubt. What it withstands is measured by `benchmarks/wild_truth.py`, see `data/results/wild_truth.csv`.

    Examples
    --------
    >>> y, x = np.mgrid[:6, :6]
    >>> estimate(np.column_stack([x.ravel() * 20.0, y.ravel() * 21.0]))
    <Lattice: a = 20.00 px, b = 21.00 px, 90.0°, 1 site, confidence 1.00>
    """
    if not isinstance(data, pd.DataFrame) and np.ndim(data) >= 2 and np.shape(data)[1] > 4:
        found = basis_of_image(data, mask)
    else:
        found = _indexed(data, None, random_state)[0]
    warn([doubt for doubt in found.doubts if doubt not in inherited(data)])
    return found


def index(
    columns: DataFrame | ArrayLike, lattice: Lattice | None = None, *, random_state: int = 0
) -> DataFrame:
    """Find the unit cell and the site of every column.

    Neighbours a lattice vector apart are linked, and the indices are carried along the links that fit best:
    drift, strain and slow distortions may add up to many cells, and vacancies are walked around. Pieces that
    are not connected, such as the other sublattices, are placed relative to the columns around them.

    Parameters
    ----------
    columns : DataFrame with ``x`` and ``y`` in pixels, or array_like of shape (N, 2)
        As for `estimate`.
    lattice : Lattice, optional
        Estimated from the same columns without it.
    random_state : int

    Returns
    -------
    DataFrame
        The table with ``i``, ``j`` (cell, from 0 on) and ``site`` (row of ``lattice.sites``); missing
        (``<NA>``) for columns that belong to no site, such as interstitials or another grain.
        ``attrs["lattice"]`` is the lattice, refined.

    Raises
    ------
    NotPeriodicError
        If there is no lattice.
    ValueError
        As for `estimate`.

    Examples
    --------
    >>> y, x = np.mgrid[:6, :6]
    >>> index(np.column_stack([x.ravel() * 20.0, y.ravel() * 20.0])).iloc[6:9]
          x     y  i  j  site
    6   0.0  20.0  0  1     0
    7  20.0  20.0  1  1     0
    8  40.0  20.0  2  1     0
    """
    found, cell, site = _indexed(columns, lattice, random_state)
    found.required()
    table = columns.copy() if isinstance(columns, pd.DataFrame) else pd.DataFrame(columns, columns=["x", "y"])
    for name, values in (("i", cell[:, 0]), ("j", cell[:, 1]), ("site", site)):
        table[name] = pd.arrays.IntegerArray(values.astype(np.int64), site < 0)
    table.attrs["lattice"] = found
    return table


def _indexed(columns, lattice, random_state):
    """Lattice, cells (N, 2) and sites (N,) of a table; site -1 where there is none."""
    xy, sublattice, names = as_points(columns)
    size = pixel_size(columns)
    said = inherited(columns)
    if lattice is None:
        basis, confidence, periodic = find_basis(xy, sublattice, random_state)
        if not periodic:
            none = Lattice(basis, confidence=confidence, pixel_size_nm=size, doubts=said)
            return none, *_none(len(xy))
    else:
        basis, confidence = lattice.required().basis, lattice.confidence
        said += [doubt for doubt in lattice.doubts if doubt not in said]
        size = size or lattice.pixel_size_nm
    found = index_points(xy, sublattice, basis)
    # Sites by sublattice, the fullest first.
    count = np.bincount(found.site[found.site >= 0], minlength=len(found.label))
    order = np.lexsort((-count, found.label))
    rank = np.append(np.argsort(order), -1)
    origins = found.origins[order]
    uv = (origins - origins[0]) @ np.linalg.inv(found.basis)
    sites = pd.DataFrame(
        {
            "label": [names[n] for n in found.label[order]],
            "u": uv[:, 0],
            "v": uv[:, 1],
            "origin_x": origins[:, 0],
            "origin_y": origins[:, 1],
            "n": count[order],
        }
    )
    # Whatever the steps say, columns without a cell do not speak for the lattice.
    confidence = min(confidence, float((found.site >= 0).mean()))
    if lattice is None and len(sites) == 1:
        said += _hidden(columns)
    said += [doubt for doubt in low_confidence(confidence) if doubt not in said]
    return Lattice(found.basis, sites, confidence, True, size, said), found.cell, rank[found.site]


def _hidden(columns):
    """What is to be said of one sublattice whose image was clipped."""
    share = getattr(columns, "attrs", {}).get("saturated", 0.0)
    if not share:
        return []
    return [
        f"{share:.1%} of the pixels of the image were saturated: sublattices that differ in brightness "
        "only look the same, and the true cell may be larger; take an image that is not clipped"
    ]


def _none(count):
    return np.zeros((count, 2), dtype=np.int64), np.full(count, -1)


def assign_sublattices(
    columns: DataFrame, *, by: str = "intensity", n_sublattices: int = 2, random_state: int = 0
) -> DataFrame:
    """Tell sublattices apart by a property of their columns, with the lattice as a guide.

    A threshold on the intensity fails where thickness or composition change over the field. A sublattice is a
    regular part of the lattice, and that is what is used: if the cell has several sites, those with a
    similar mean are one sublattice; if it has one, the superlattice is taken whose parts differ most.

    Parameters
    ----------
    columns : DataFrame
        ``x`` and ``y`` in pixels, and the property; all columns count as one sublattice.
    by : str
        Name of the property. Columns for which it is NaN get the label of their place.
    n_sublattices : int
        How many to tell apart.
    random_state : int

    Returns
    -------
    DataFrame
        The table with ``label``: 0 for the sublattice with the largest mean, and so on; -1 for columns that
        are on no site.

    Raises
    ------
    ValueError
        If the property is missing or nowhere known, if `n_sublattices` is less than 2, or if no regular
        arrangement of so many parts explains the property.
    NotPeriodicError
        If there is no lattice.

    Examples
    --------
    >>> y, x = np.mgrid[:8, :8].reshape(2, -1)
    >>> board = pd.DataFrame({"x": 20.0 * x, "y": 20.0 * y, "intensity": 1.0 + (x + y) % 2})
    >>> assign_sublattices(board).label[:4].tolist()
    [1, 0, 1, 0]
    """
    if not isinstance(columns, pd.DataFrame):
        raise ValueError(f"columns must be a table with x, y and {by!r}, got a {type(columns).__name__}")
    if by not in columns:
        raise ValueError(f"the table has no column {by!r}: name one of {', '.join(map(str, columns))}")
    if not pd.api.types.is_numeric_dtype(columns[by]):
        raise ValueError(f"{by!r} must hold numbers, got {columns[by].dtype}")
    values = columns[by].to_numpy(dtype=float)
    if n_sublattices < 2:
        raise ValueError(f"n_sublattices must be at least 2, got {n_sublattices}")
    known = np.isfinite(values)
    if not known.any():
        raise ValueError(f"{by!r} is NaN for all columns: there is nothing to tell sublattices by")
    if np.ptp(values[known]) == 0:
        raise ValueError(f"{by!r} is the same for all columns: it cannot tell sublattices apart")
    bare = columns.drop(columns=["sublattice", "label"], errors="ignore")
    indexed = index(bare, random_state=random_state)
    on = indexed["site"].notna().to_numpy()
    cell = indexed.loc[on, ["i", "j"]].to_numpy(dtype=int)
    site = indexed.loc[on, "site"].to_numpy(dtype=int)
    xy = columns[["x", "y"]].to_numpy(dtype=float)
    contrast = _local_contrast(xy[known & on], values[known & on])
    known = known[on]
    best = (0.0, None)
    for part in _partitions(cell, site, n_sublattices):
        count = np.bincount(part[known], minlength=part.max() + 1)
        means = np.bincount(part[known], contrast, part.max() + 1) / np.maximum(count, 1)
        explained = 1 - ((contrast - means[part[known]]) ** 2).mean() / max(contrast.var(), 1e-300)
        if explained > best[0]:
            best = explained, part, means
    if best[0] < _EXPLAINS:
        raise ValueError(
            f"no arrangement of {n_sublattices} sublattices explains {by!r} (the best one accounts for "
            f"{100 * best[0]:.0f} % of its local variance): the columns may all be of one kind"
        )
    _, part, means = best
    # Parts with similar means are one sublattice: cut at the largest gaps between the sorted means.
    order = np.argsort(-means)
    cuts = np.sort(np.argsort(np.diff(-means[order]))[::-1][: n_sublattices - 1])
    number = np.empty(len(means), dtype=int)
    number[order] = np.searchsorted(cuts, np.arange(len(means)), side="left")
    label = np.full(len(columns), -1)
    label[on] = number[part]
    return columns.assign(label=label)


def _local_contrast(xy, values):
    """Rank of each value against the mean rank around: thickness, layers and odd columns even out."""
    rank = pd.Series(values).rank(pct=True).to_numpy()
    near = cKDTree(xy).query(xy, k=min(_AROUND, len(xy)))[1]
    return rank - rank[near].mean(axis=1)


def _partitions(cell, site, n):
    """Regular ways to part the columns: by site, or by the cosets of a superlattice of index n."""
    if site.max() + 1 >= n:
        yield site
        return
    i, j = cell.T
    # Hermite normal forms: all sublattices of index n in the plane.
    for rows in (d for d in range(1, n + 1) if n % d == 0):
        across = n // rows
        for shear in range(across):
            row = np.floor_divide(j, rows)
            part = (j - row * rows) * across + (i - shear * row) % across
            yield part + n * site
