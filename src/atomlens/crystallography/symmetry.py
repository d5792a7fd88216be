"""Which symmetry the mean unit cell of an image has, operation by operation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from atomlens._image import prepare
from atomlens._types import ArrayLike, Lattice
from atomlens.crystallography.point_groups import POINT_GROUPS, point_group

__all__ = ["CellSymmetry", "cell_symmetry"]

_FINEST = 48  # samples along each axis of the mean cell
_ENOUGH = 20  # pixels that a sample of half the crystal is the mean of, at least
_EVEN = 0.4  # of their mean: pixels that the poorest sample has
_BETWEEN = 4  # translations that are tried from one sample to the next
# What an operation may cost of the agreement between two halves. In simulated images with 100 electrons a
# column and more, operations that the crystal has cost 0.009 at most; the half turn that exchanges Ga and As
# costs 0.01, the mirrors of zirconia 0.07, the half turn that exchanges Mo and S2 0.21.
_COST = 0.03
_UNSURE, _AND_NOISE = (0.004, 0.1), 0.2  # between these a doubt says so; the lower one in noise, too
_NOISY, _CLEAR = 0.5, 0.9  # agreement of the halves below which nothing, and not everything, is told
_MIRRORS = (1, 0), (0, 1), (1, 1), (1, -1), (1, 2), (2, 1)


@dataclass(frozen=True, eq=False)
class CellSymmetry:
    """What `cell_symmetry` found.

    Attributes
    ----------
    point_group : str
        Hermann-Mauguin symbol of the largest group whose operations are all kept; "1" where nothing can be
        told.
    table : DataFrame
        One row an operation that the lattice has, other than the identity: ``agreement`` (correlation of the
        mean cell of one half of the crystal with the image of the other, at the best translation), ``cost``
        (share of the agreement of the two halves themselves that the operation takes) and ``kept``.
    ceiling : float
        Agreement of the two halves themselves, which noise limits.
    doubts : list of str
    """

    point_group: str
    table: pd.DataFrame
    ceiling: float
    doubts: list

    def __repr__(self):
        kept = ", ".join(self.table.index[self.table["kept"]]) or "none"
        return f"<CellSymmetry {self.point_group}: kept {kept}; the halves agree to {self.ceiling:.2f}>"


def cell_symmetry(
    image: ArrayLike, lattice: Lattice | None = None, *, mask: ArrayLike | None = None
) -> CellSymmetry:
    """Ask of every operation that the lattice allows whether the mean unit cell keeps it.

    Parameters
    ----------
    image : array_like of shape (H, W), or DataArray
        One crystal that fills most of it.
    lattice : Lattice, optional
        Estimated from the image without it.
    mask : array_like of bool, shape (H, W), optional
        True for pixels to leave out.

    Returns
    -------
    CellSymmetry

    Raises
    ------
    NotPeriodicError
        If there is no lattice.
    ValueError
        If the image is unusable, as for `atomlens.lattice.estimate`.

    Notes
    -----
    Cells are averaged in two halves, like the colours of a chess board, so that noise has no symmetry in
    common. An operation is tried at every translation: mirrors and glides count alike, as they do in a point
    group. What is too weak or too close to be seen breaks no symmetry here: this is the symmetry of the
    *picture*, a suggestion for that of the crystal. The displacements of a ferroelectric do not change it
    much, so it suggests the undistorted structure. Astigmatism lowers it, and is doubted. How often it is
    right under blur, resampling, streaks and other disturbances, `benchmarks/symmetry_truth.py` measures.

    References
    ----------
    Zou and Hovmöller, Acta Cryst. A 64, 149 (2008), for symmetry from images.

    Examples
    --------
    >>> from atomlens import simulate
    >>> sheet = simulate.structures.perovskite((4, 4))
    >>> cell_symmetry(simulate.image(sheet, electrons=500, random_state=0).data).point_group
    '4mm'
    """
    from atomlens.lattice import estimate

    prepared = prepare(image, clean=True, mask=mask)
    lattice = estimate(image, mask=mask) if lattice is None else lattice
    lattice.required()
    halves = _mean_cells(prepared.pixels, prepared.usable, lattice.basis)
    ceiling = float((halves[0] * np.conj(halves[1])).sum().real)
    tried, found, most = {}, "1", 1
    for group in _groups(lattice.basis):
        costs = []
        for name, whole in zip(group.names, _in_cells(group, lattice.basis), strict=True):
            key = tuple(whole.flat)  # one operation may go by several names: the angle of a mirror is rounded
            if key not in tried:
                tried[key] = name, _agreement(halves, whole)
            costs.append(_cost(tried[key][1], ceiling))
        if max(costs) < _COST and len(group) > most and ceiling > _NOISY:
            found, most = group.symbol, len(group)
    table = pd.DataFrame(tried.values(), columns=["operation", "agreement"]).set_index("operation").drop("1")
    table["cost"] = _cost(table["agreement"], ceiling)
    table["kept"] = (table["cost"] < _COST) & (ceiling > _NOISY)
    return CellSymmetry(found, table, ceiling, _doubts(table, ceiling))


def _cost(agreement, ceiling):
    """Share of the agreement of the halves that an operation takes."""
    return 1 - agreement / max(ceiling, 1e-9)


def _doubts(table, ceiling):
    if ceiling <= _NOISY:
        return [
            f"the mean cells of two halves of the image agree to {ceiling:.2f} only, so no symmetry can be "
            "told: record more electrons, or more cells"
        ]
    if ceiling <= _CLEAR:
        return [
            f"the mean cells of two halves of the image agree to {ceiling:.2f} only: atoms of nearly the "
            "same brightness look alike in such noise, and the symmetry may be lower than it seems"
        ]
    low, high = max(_UNSURE[0], _AND_NOISE * (1 - ceiling)), _UNSURE[1]
    unsure = table[table["cost"].between(low, high)]
    if unsure.empty:
        return []
    said = ", ".join(f"{name} ({cost:.0%})" for name, cost in unsure["cost"].items())
    return [
        f"the symmetry is not clear: these operations cost a little of the agreement: {said}; astigmatism "
        "and tilt do that, and so do atoms of nearly the same brightness"
    ]


def _groups(basis):
    """The point groups that a lattice has, in all settings of their mirrors."""
    for symbol in POINT_GROUPS:
        for mirror in _MIRRORS if "m" in symbol else (None,):
            try:
                yield point_group(symbol, basis, mirror=mirror or (1, 0))
            except ValueError:
                continue


def _in_cells(group, basis):
    """Operations as whole matrices on fractional coordinates (rows)."""
    to = basis @ group.frame
    return np.array([np.rint(to @ m.T @ np.linalg.inv(to)).astype(int) for m in group.matrices])


def _mean_cells(pixels, usable, basis):
    """Fourier coefficients of the mean cell of both halves of the crystal; power 1, without the mean."""
    y, x = np.nonzero(usable)
    uv = np.column_stack([x, y]) @ np.linalg.inv(basis)
    cell = np.floor(uv).astype(int)
    # Where pixels and lattice are in step, fine samples would stay empty.
    for n in range(int(min(_FINEST, np.sqrt(usable.sum() / (2 * _ENOUGH)))), 0, -1):
        place = np.minimum(((uv - cell) * n).astype(int), n - 1)
        number = (cell.sum(axis=1) % 2 * n + place[:, 0]) * n + place[:, 1]
        count = np.bincount(number, minlength=2 * n * n)
        if count.min() > _EVEN * count.mean():
            break
    level = pixels - _background(pixels, usable, basis)
    mean = np.bincount(number, level[y, x], minlength=2 * n * n) / np.maximum(count, 1)
    order = np.fft.fftfreq(n, 1 / n).astype(int)
    h = np.stack(np.meshgrid(order, order, indexing="ij"), axis=-1)
    # Samples are parallelograms, which have not the symmetry of the lattice: their shape is divided out.
    found = np.fft.fft2(mean.reshape(2, n, n)) / np.sinc(h / n).prod(axis=-1)
    # A circle in reciprocal space meets itself under every operation; it also lies inside of the grid.
    length = np.linalg.norm(h @ np.linalg.inv(basis).T, axis=-1)
    found[:, (length > length[n // 2 - 1, 0]) | (length > length[0, n // 2 - 1])] = 0
    found[:, 0, 0] = 0
    return found / np.sqrt((np.abs(found) ** 2).sum(axis=(1, 2), keepdims=True).clip(1e-300))


def _background(pixels, usable, basis):
    """What varies more slowly than cells do: a wedge would look like a step at the rim of the mean cell."""
    from scipy.ndimage import gaussian_filter

    width = 1.5 * np.linalg.norm(basis, axis=1).max()
    return gaussian_filter(pixels * usable, width) / np.maximum(gaussian_filter(usable * 1.0, width), 1e-3)


def _agreement(halves, whole):
    """Best correlation, over all translations, of one half with the image of the other."""
    n = halves.shape[1]
    order = np.fft.fftfreq(n, 1 / n).astype(int)
    h = np.stack(np.meshgrid(order, order, indexing="ij"), axis=-1)
    image = np.rint(h @ np.linalg.inv(whole).T).astype(int)
    inside = (np.abs(image) < n // 2).all(axis=-1)
    image = np.where(inside[..., None], image, 0)
    moved = np.where(inside, halves[1][image[..., 0], image[..., 1]], 0)
    return _best(halves[0] * np.conj(moved))


def _best(product):
    """Largest value of the correlation whose Fourier coefficients these are, between samples, too."""
    n = len(product)
    wide = np.zeros((_BETWEEN * n, _BETWEEN * n), dtype=complex)
    order = np.fft.fftfreq(n, 1 / n).astype(int)
    wide[np.ix_(order, order)] = product
    return float(np.fft.fft2(wide).real.max())
