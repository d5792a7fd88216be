"""Endmembers and abundances: for spectra that are mixtures, not members of one cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.optimize import nnls
from sklearn.cluster import KMeans

from atomlens._types import ArrayLike, DataArray
from atomlens.spectra._cluster import _everywhere
from atomlens.spectra._matrix import as_spectra
from atomlens.spectra.components import NoiseRankPCA
from atomlens.spectra.despike import Despike

__all__ = ["Unmixing", "unmix"]

_GROUPS = 2  # small clusters an endmember
_SMALLEST_GROUP = 0.004  # share of the spectra below which a small cluster is a few outliers


@dataclass(frozen=True)
class Unmixing:
    """What `unmix` found.

    Attributes
    ----------
    endmembers : DataArray of shape (endmember, L)
        Spectra of unit area, the most abundant first.
    abundances : DataArray over the scan and ``endmember``
        Fractions that sum to 1; NaN where masked or empty.
    strength : DataArray over the scan
        Area of the fitted spectrum, in the units of the data: what thickness does.
    residual : DataArray over the scan
        Root mean square of data minus fit, in the units of the data.
    """

    endmembers: xr.DataArray
    abundances: xr.DataArray
    strength: xr.DataArray
    residual: xr.DataArray

    def __repr__(self):
        shares = ", ".join(f"{share:.1%}" for share in self.abundances.mean(self.strength.dims).values)
        return f"<Unmixing: {self.endmembers.shape[0]} endmembers, mean abundances {shares}>"


def unmix(
    si: DataArray | ArrayLike,
    n_endmembers: int,
    *,
    despike: bool = True,
    mask: ArrayLike | None = None,
    random_state: int = 0,
) -> Unmixing:
    """Describe every spectrum as a mixture of a few endmembers.

    Vertex component analysis takes the corners of the data cloud as endmembers, so somewhere in the scan each
    should be nearly pure.

    Parameters
    ----------
    si : DataArray or array_like of shape (..., L)
        Counts or any signal without negative values.
    n_endmembers : int
        At least 2.
    despike : bool
        Replace cosmic-ray spikes first.
    mask : array_like of bool over the scan, optional
        True where a spectrum takes part.
    random_state : int

    Returns
    -------
    Unmixing

    Raises
    ------
    ValueError
        If a channel's mean is negative, or there are fewer spectra than endmembers.

    References
    ----------
    Nascimento and Bioucas Dias, IEEE Trans. Geosci. Remote Sens. 43, 898 (2005), vertex component
    analysis; Keenan and Kotula, Surf. Interface Anal. 36, 203
    (2004), weights.

    Examples
    --------
    >>> from atomlens import metrics, simulate
    >>> sample = simulate.spectra.eels(2, shape=(24, 24), smallest=0.3)
    >>> found = unmix(sample.data, 2)
    >>> bool(np.allclose(found.abundances.sum("endmember"), 1))
    True
    """
    spectra = as_spectra(si.compute() if hasattr(si, "compute") else si, mask)
    keep = spectra.keep
    matrix = spectra.matrix if keep is None else spectra.matrix[keep]
    if not isinstance(n_endmembers, int | np.integer):
        raise TypeError(f"n_endmembers must be a whole number, got {n_endmembers!r}")
    if not 2 <= n_endmembers <= len(matrix):
        raise ValueError(
            f"n_endmembers must be from 2 to {len(matrix)}, the number of spectra; got {n_endmembers}"
        )
    if np.any(matrix.mean(axis=0) < 0):
        raise ValueError(
            "a channel is negative on average: unmixing needs counts, before the background is removed"
        )
    matrix = np.maximum(Despike().fit_transform(matrix) if despike else matrix, 0)
    area = matrix.sum(axis=1)
    some = area > 0
    weight = 1 / np.sqrt(np.maximum(matrix.mean(axis=0), 1e-3 * matrix.mean(axis=0).max()))
    shapes = matrix[some] / area[some, None] * weight
    corners = _corners(shapes, n_endmembers, random_state)
    # Endmembers of unit area, so that the coefficients are the counts each contributes.
    ends = corners / weight
    ends /= ends.sum(axis=1, keepdims=True)
    parts = np.zeros((len(matrix), n_endmembers), dtype=np.float32)
    parts[some] = _mixing(shapes, ends * weight) * area[some, None]
    order = np.argsort(-parts.sum(axis=0), kind="stable")
    ends, parts = ends[order], parts[:, order]
    strength = parts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        fractions = parts / strength[:, None]
    residual = np.sqrt(np.mean((matrix - parts @ ends) ** 2, axis=1))
    units = {"units": spectra.attrs.get("units", "")}

    def everywhere(values, **attrs):
        full = _everywhere(values, keep, np.nan)
        if full.ndim == 1:
            return spectra.on_scan(full, **attrs)
        maps = [spectra.on_scan(full[:, i], **attrs) for i in range(full.shape[1])]
        return (
            xr.concat(maps, dim="endmember")
            .transpose(..., "endmember")
            .assign_coords(endmember=range(len(maps)))
        )

    return Unmixing(
        endmembers=spectra.on_axis(ends, "endmember", long_name="share of the counts").rename("endmembers"),
        abundances=everywhere(fractions, long_name="abundance").rename("abundances"),
        strength=everywhere(strength, long_name="fitted area", **units).rename("strength"),
        residual=everywhere(residual, long_name="rms residual", **units).rename("residual"),
    )


def _corners(shapes, n, random_state):
    """Vertex component analysis on the centres of many small clusters.

    The extremes of single spectra are extremes of their noise, which pushes the corners outwards; the
    centres of small clusters reach as far as the mixtures do, and no farther. Then, as published: project
    on a random direction outside the corners found so far, and take the centre that reaches farthest.
    """
    rng = np.random.default_rng(random_state)
    pca = NoiseRankPCA(n_components=min(max(n - 1, 1), *shapes.shape)).fit(shapes)
    scores = pca.transform(shapes)
    groups = KMeans(min(_GROUPS * n, len(scores)), n_init=3, random_state=random_state).fit(scores)
    centres = groups.cluster_centers_[
        np.bincount(groups.labels_) >= min(_SMALLEST_GROUP * len(scores), len(scores) / n)
    ]
    centres = centres if len(centres) >= n else groups.cluster_centers_
    # A constant coordinate turns the simplex of n corners into n independent directions.
    lifted = np.column_stack([centres, np.full(len(centres), max(np.abs(centres).max(), 1e-12))])
    chosen = []
    for _ in range(n):
        direction = rng.standard_normal(lifted.shape[1])
        if chosen:
            found = lifted[chosen].T
            direction -= found @ np.linalg.lstsq(found, direction, rcond=None)[0]
        chosen.append(int(np.abs(lifted @ direction).argmax()))
    return np.maximum(pca.inverse_transform(centres[chosen].astype(np.float32)), 1e-9).astype(np.float32)


def _mixing(shapes, ends):
    """Non-negative least squares of every spectrum; (N, n) coefficients.

    After a QR decomposition of the endmembers each problem has n unknowns and n equations instead of L.
    """
    q, r = np.linalg.qr(ends.T.astype(np.float64))
    return np.array([nnls(r, target)[0] for target in shapes @ q], dtype=np.float32)
