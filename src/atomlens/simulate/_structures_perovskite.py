"""Perovskites, with polar, antipolar and undisplaced domains."""

from __future__ import annotations

import numpy as np
from ase.formula import Formula
from scipy.spatial import cKDTree

from atomlens._types import Any, Callable, Generator, Sequence, Structure
from atomlens.simulate._structure import checked_size, filled, patch, reach, turned
from atomlens.simulate._structures_crystals import PRIMITIVE, cubic_motif

# Pseudocubic: cube root of the volume of a formula unit at room temperature, in nm.
_PEROVSKITES = {
    "SrTiO3": 0.3905,
    "BaTiO3": 0.4007,
    "PbTiO3": 0.3985,
    "BiFeO3": 0.3965,
    "LaMnO3": 0.3941,
    "LaAlO3": 0.3790,
    "CaTiO3": 0.3824,
}


def perovskite(
    size: tuple[float, ...] = (6.0, 6.0),
    *,
    formula: str = "SrTiO3",
    zone: str = "001",
    a: float | None = None,
    polar: float = 0.0,
    variants: int | Sequence[Any] = (0.0,),
    domains: str | Callable[..., Any] = "voronoi",
    n_domains: int | None = None,
    rotation: float = 0.0,
    random_state: int | Generator = 0,
) -> Structure:
    """A cubic perovskite ABO3, its B sublattice displaced in polar domains if asked for.

    Parameters
    ----------
    size : tuple of float
        Width and height of the field of view, in nm.
    formula : str
        ABO3. For those not tabulated (SrTiO3, BaTiO3, PbTiO3, BiFeO3, LaMnO3, LaAlO3, CaTiO3) give `a` too.
    zone : {"001", "110"}
        Beam direction. Image x is [100] for the first and [-110] for the second, y is [010] or [001].
    a : float, optional
        Pseudocubic lattice parameter, in nm.
    polar : float
        Length of the displacement of B in projection, in pm. Oxygen moves half as far the opposite way,
        about as the equatorial oxygen of BaTiO3 does; A stays.
    variants : int or sequence
        Phases that the domains take: an angle in degrees from image x (before rotation) for a polar one;
        ``(angle, "alternating")`` for one whose displacement changes sign from cell to cell along x, which
        doubles the lattice; None for one without displacement. An int n is short for n polar variants at
        even angles from x on: 4 gives the four <100> directions in the [001] zone, and
        ``(45, 135, 225, 315)`` the <110> ones.
    domains : {"voronoi", "stripes"} or callable
        Layout of the domains: random cells, stripes across x, or a function of x and y (arrays in nm, in the
        field of view) that returns the index into `variants`. A unit cell never spans two domains.
    n_domains : int, optional
        Number of Voronoi cells or stripes, default twice the number of variants. Variants take turns.
    rotation : float
        Degrees, anticlockwise where y points upwards.
    random_state : int or numpy.random.Generator
        Places of the Voronoi domains.

    Returns
    -------
    Structure
        Sublattices (A, B, O), oxygen invisible. ``domain`` is the index into `variants`; the planted
        displacements are ``dx_nm`` and ``dy_nm`` of `columns`.

    Raises
    ------
    ValueError
        If the formula is no ABO3 or its lattice parameter is unknown, if zone, variants or domains are not
        among those above, or if the displacement exceeds a quarter of the lattice parameter.

    References
    ----------
    Kwei et al., J. Phys. Chem. 97, 2368 (1993), for the displacements in BaTiO3.

    Examples
    --------
    >>> cells = perovskite((4.0, 4.0), formula="PbTiO3", polar=20, variants=4)
    >>> cells.columns.groupby("label")[["dx_nm", "dy_nm"]].max().round(3).loc[1].tolist()
    [0.02, 0.02]
    """
    counts = Formula(formula).count() if formula.isalnum() else {}
    if len(counts) != 3 or list(counts)[2] != "O" or tuple(counts.values()) != (1, 1, 3):
        raise ValueError(f"formula must be that of a perovskite ABO3, such as SrTiO3, got {formula!r}")
    a = _PEROVSKITES.get(formula) if a is None else a
    if a is None:
        raise ValueError(f"no lattice parameter for {formula}: give it in nm, as in a=0.39")
    if str(zone) not in ("001", "110"):
        raise ValueError(f"zone must be 001 or 110, got {zone!r}")
    if not 0 <= polar <= 250 * a:
        raise ValueError(f"polar must lie between 0 and a quarter of a ({250 * a:.0f} pm), got {polar!r}")
    if isinstance(variants, int | np.integer):
        variants = [360 * k / variants for k in range(variants)]
    angles, alternating = _displacements(variants)

    motif = cubic_motif(
        10 * a,
        PRIMITIVE,
        [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)],
        [*counts, "O", "O"],
        [0, 1, 2, 2, 2],
        zone=zone,
        names=tuple(counts),
        visible=(True, True, False),
    )
    ideal, site, _ = patch(motif, reach(size))
    # The cell of the projection: half of the motif's along [-110], where it repeats after a / sqrt(2).
    width = motif.vectors[0, 0] / (2 if str(zone) == "110" else 1)
    cell = np.floor(ideal[:, :2] / [width, 10 * a] + 1e-6)
    centre = turned((cell + 0.5) * [width, 10 * a], rotation) / 10 + np.array(checked_size(size)) / 2
    domain = _domains(centre, domains, len(angles), n_domains, size, rotation, random_state)
    sign = np.where(alternating[domain] & (cell[:, 0] % 2 == 1), -1.0, 1.0)
    length = np.array([0.0, polar, -0.5 * polar])[motif.sublattice[site]] / 100 * sign
    direction = np.nan_to_num(np.column_stack([np.cos(angles), np.sin(angles)]))
    positions = ideal.copy()
    positions[:, :2] += length[:, None] * direction[domain]
    name = f"{formula} [{zone}]" + (f", polar {polar:g} pm" if polar else "")
    about = {"size": size, "rotation": rotation, "ideal": ideal[:, :2], "domain": domain}
    return filled(name, motif, positions, site, **about)


def _displacements(variants):
    """Angle in radians (NaN for none) and alternation of every variant."""
    angles, alternating = [], []
    for variant in variants:
        angle, kind = variant if isinstance(variant, tuple) and len(variant) == 2 else (variant, None)
        try:
            angles.append(np.nan if angle is None else np.radians(float(angle)))
        except (TypeError, ValueError):
            kind = "not an angle"
        if kind not in (None, "alternating"):
            raise ValueError(
                f'a variant is an angle in degrees, (angle, "alternating") or None, got {variant!r}'
            )
        alternating.append(kind is not None)
    if not angles:
        raise ValueError("variants is empty: give at least one, such as (0.0,)")
    return np.array(angles), np.array(alternating)


def _domains(xy, layout, n_variants, n_domains, size, rotation, random_state):
    """Variant of the cells at these places, in nm within the field."""
    count = 2 * n_variants if n_domains is None else n_domains
    if n_variants == 1 and not callable(layout):
        return np.zeros(len(xy), dtype=int)
    if callable(layout):
        index = np.asarray(layout(*xy.T))
        if index.shape != (len(xy),) or not np.isin(index, np.arange(n_variants)).all():
            raise ValueError(f"domains must return one variant number from 0 to {n_variants - 1} a position")
        return index.astype(int)
    if count < 1:
        raise ValueError(f"n_domains must be at least 1, got {n_domains!r}")
    size = np.array(checked_size(size))
    if layout == "voronoi":
        rng = np.random.default_rng(random_state)
        seeds = rng.uniform(0, 1, (count, 2)) * size
        return cKDTree(seeds).query(xy)[1] % n_variants
    if layout == "stripes":
        along = turned(xy - size / 2, -rotation)[:, 0] / size[0] + 0.5
        return np.clip(np.floor(along * count), 0, count - 1).astype(int) % n_variants
    raise ValueError(f'domains must be "voronoi", "stripes" or a function, got {layout!r}')
