"""Tables of columns as an analysis would give them, without the detour through an image."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomlens._sample import Sample, pedigree
from atomlens._types import Any, Callable, Generator, Structure

_ROUND = 4  # decimals, in nm: displacements that agree so well are one variant
_OFF = 1.23e-5  # nm
_MOST = 4  # displacements that one domain may have
_AROUND = 1.6  # of the distance between columns of a sublattice: the neighbours that make an interior


def column_positions(
    structure: Structure,
    *,
    pixel_size: float = 0.02,
    noise: float = 0.0,
    missing: float = 0.0,
    distortion: Callable[..., Any] | None = None,
    random_state: int | Generator = 0,
) -> Sample:
    """Positions of the columns of a structure, with errors, and the truth about them.

    Parameters
    ----------
    structure : Structure
    pixel_size : float
        In nm.
    noise : float
        Standard deviation of the positions along each axis, in nm.
    missing : float
        Fraction of the columns that were not found.
    distortion : callable, optional
        What the scan does: a function of x and y (arrays, in nm) that returns displacements ``(ux, uy)`` in
        nm. Unlike `atomlens.simulate.strain` it does not move the atoms, and the truth does not know of it.
    random_state : int or numpy.random.Generator

    Returns
    -------
    Sample
        ``data``: ``x, y`` (px), ``x_nm, y_nm`` and ``sublattice`` (by name) of the columns in the field that
        annular dark field shows. ``truth``, row by row: exact ``x, y``, planted displacement ``dx_nm,
        dy_nm``, ``domain``, ``variant`` (number of the domain and displacement within the sublattice; an
        alternating displacement makes two) and ``interior`` (all neighbours of the sublattice are of the same
        domain).

    Raises
    ------
    ValueError
        If a length is negative, `missing` is not a fraction, or no column is left.

    Examples
    --------
    >>> from atomlens.simulate import structures
    >>> cells = structures.perovskite((6.0, 6.0), polar=25, variants=4)
    >>> sample = column_positions(cells, noise=0.003)
    >>> sample.truth[sample.data.sublattice == "Ti"].variant.nunique()
    4
    """
    if not (pixel_size > 0 and noise >= 0):
        raise ValueError(f"pixel_size and noise are lengths in nm, got {pixel_size!r} and {noise!r}")
    if not 0 <= missing < 1:
        raise ValueError(f"missing is a fraction below 1, got {missing!r}")
    rng = np.random.default_rng(random_state)
    columns = structure.columns
    width, height = structure.size
    inside = columns["visible"] & columns["x_nm"].between(0, width) & columns["y_nm"].between(0, height)
    columns = columns[inside].reset_index(drop=True)
    columns = columns.assign(interior=_interior(columns))
    columns = columns[rng.random(len(columns)) >= missing].reset_index(drop=True)
    if columns.empty:
        raise ValueError("no column lies in the field: enlarge it, or leave fewer out")
    nm = columns[["x_nm", "y_nm"]].to_numpy()
    found = nm + rng.normal(0, noise, nm.shape)
    if distortion is not None:
        found = found + np.stack(np.broadcast_arrays(*distortion(*nm.T)), axis=1)
    names = np.array(structure.sublattices, dtype=object)[columns["label"]]
    data = pd.DataFrame(
        {
            "x": found[:, 0] / pixel_size,
            "y": found[:, 1] / pixel_size,
            "x_nm": found[:, 0],
            "y_nm": found[:, 1],
            "sublattice": pd.Series(names, dtype="str"),
        }
    )
    truth = pd.DataFrame(
        {
            "x": nm[:, 0] / pixel_size,
            "y": nm[:, 1] / pixel_size,
            "dx_nm": columns["dx_nm"],
            "dy_nm": columns["dy_nm"],
            "domain": columns["domain"],
            "variant": _variants(columns),
            "interior": columns["interior"],
        }
    )
    parameters = {"pixel_size_nm": pixel_size, "noise_nm": noise, "missing": missing}
    return Sample(data, truth, pedigree(structure.name, random_state, parameters))


def _variants(columns):
    """Number of the domain and displacement of each column within its sublattice."""
    # Limits of rounding that no round number of picometres lies on: there the last digit would decide.
    shifts = (columns[["dx_nm", "dy_nm"]] + _OFF).round(_ROUND)
    kinds = columns[["label", "domain"]].join(shifts)
    several = kinds.groupby(["label", "domain"])[["dx_nm", "dy_nm"]].transform("nunique").max(axis=1)
    # A strain field gives every column a displacement of its own: then the domain tells what it is.
    kinds.loc[several > _MOST, ["dx_nm", "dy_nm"]] = 0.0
    number = kinds.groupby(list(kinds)).ngroup()
    return number - number.groupby(kinds["label"]).transform("min")


def _interior(columns):
    """Whether all columns of the same sublattice around are of the same domain."""
    result = np.zeros(len(columns), dtype=bool)
    for _, part in columns.groupby("label"):
        xy, domain = part[["x_nm", "y_nm"]].to_numpy(), part["domain"].to_numpy()
        tree = cKDTree(xy)
        if len(part) < 2:
            continue
        reach = _AROUND * np.median(tree.query(xy, k=2)[0][:, 1])
        pairs = tree.query_pairs(reach, output_type="ndarray")
        across = pairs[domain[pairs[:, 0]] != domain[pairs[:, 1]]]
        own = np.ones(len(part), dtype=bool)
        own[across.ravel()] = False
        result[part.index] = own
    return result
