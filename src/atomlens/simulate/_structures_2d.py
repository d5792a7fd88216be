"""Sheets: graphene and the transition metal dichalcogenides."""

from __future__ import annotations

import re

import numpy as np
from ase.data import atomic_numbers
from scipy.spatial import Delaunay, cKDTree

from atomlens._types import Any, Generator, Structure
from atomlens.simulate._structure import KIND, Motif, assemble, defect_table, filled, patch, reach, turned

_GRAPHENE = 2.46  # Å
_RINGS = {3: "triangle", 4: "square", 5: "pentagon", 7: "heptagon", 8: "octagon", 9: "nonagon"}

# 2H polytypes: lattice parameters a and c, and the height z of the chalcogen above the metal plane, in Å.
_DICHALCOGENIDES = {
    "MoS2": (3.160, 12.295, 1.586),
    "MoSe2": (3.288, 12.900, 1.664),
    "MoTe2": (3.517, 13.949, 1.800),
    "WS2": (3.154, 12.362, 1.576),
    "WSe2": (3.286, 12.950, 1.672),
    "WTe2": (3.552, 14.000, 1.810),
}


def _hexagonal(a):
    return a * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])


def graphene(size: tuple[float, ...] = (6.0, 6.0), *, rotation: float = 0.0) -> Structure:
    """Perfect graphene, a zigzag direction along x.

    Parameters
    ----------
    size : tuple of float
        Width and height of the field of view, in nm.
    rotation : float
        Degrees, anticlockwise where y points upwards.

    Returns
    -------
    Structure
        One sublattice, ``C``.

    Raises
    ------
    ValueError
        If `size` or `rotation` is not finite and positive as it must be.

    Examples
    --------
    >>> graphene((2.0, 2.0)).columns.species.unique().tolist()
    ['C']
    """
    vectors = _hexagonal(_GRAPHENE)
    corners = np.array([[0, 0], [1, 1]]) / 3 @ vectors
    flat = np.column_stack([corners, [0, 0]])
    motif = Motif(vectors, flat, np.full(2, 6), np.zeros(2, dtype=int), ("C",), (True,))
    positions, site, _ = patch(motif, reach(size))
    return filled("graphene", motif, positions, site, size=size, rotation=rotation)


def graphene_grain_boundary(
    size: tuple[float, ...] = (6.0, 6.0), *, angle: float = 21.8, rotation: float = 0.0
) -> Structure:
    """Two graphene grains that meet in a chain of pentagons and heptagons.

    The centres of the hexagons of both grains are brought together, relaxed and triangulated: every triangle
    of centres holds one atom, so that each atom has three bonds whatever happens at the boundary, and rings
    of other sizes stand where a centre has other than six neighbours. A few relaxation steps then bring the
    bonds to 0.142 nm.

    Parameters
    ----------
    size : tuple of float
        Width and height of the field of view, in nm.
    angle : float
        Misorientation in degrees, between 0 and 60; the grains are turned by half of it either way from a
        zigzag direction along the boundary. Above about 45 degrees a few four- and eight-rings appear too.
    rotation : float
        Degrees, anticlockwise where y points upwards. Without it the boundary runs along x.

    Returns
    -------
    Structure
        One sublattice, ``C``; ``domain`` tells the grains apart. `defects` lists every ring that is no
        hexagon (kind "pentagon", "heptagon"...) with its diameter; the atoms of these rings carry the defect
        "grain_boundary".

    Raises
    ------
    ValueError
        If the angle is not between 0 and 60 degrees.

    References
    ----------
    Yazyev and Louie, Phys. Rev. B 81, 195420 (2010), for the chains of 5-7 pairs.

    Examples
    --------
    >>> boundary = graphene_grain_boundary((4.0, 4.0))
    >>> sorted(boundary.defects.kind.unique())
    ['heptagon', 'pentagon']
    """
    if not 0 < angle < 60:
        raise ValueError(f"angle must lie between 0 and 60 degrees, got {angle!r}")
    radius = reach(size)
    vectors = _hexagonal(_GRAPHENE)
    flat = Motif(vectors, np.zeros((1, 3)), np.zeros(1), np.zeros(1), (), ())
    # Some rings more than needed: those at the rim are incomplete.
    lower = turned(patch(flat, radius + 8)[0][:, :2], angle / 2)
    lower = lower[lower[:, 1] < 1e-6]
    upper = lower[lower[:, 1] < -1e-6] * [1, -1]
    centres = np.concatenate([lower, upper])
    first, second = cKDTree(centres).query_pairs(0.7 * _GRAPHENE, output_type="ndarray").T
    centres[first] = (centres[first] + centres[second]) / 2
    centres = np.delete(centres, second, axis=0)
    band = np.abs(centres[:, 1]) < 16
    near = centres[band]
    for _ in range(6):
        edges = _edges(Delaunay(near).simplices)
        edges = edges[np.hypot(*(near[edges[:, 0]] - near[edges[:, 1]]).T) < 1.8 * _GRAPHENE]
        near = _relaxed(near, edges, _GRAPHENE, np.abs(near[:, 1]) < 10, steps=10)
    centres[band] = near

    mesh = Delaunay(centres)
    atoms = centres[mesh.simplices].mean(axis=1)
    neighbours = mesh.neighbors
    one = np.repeat(np.arange(len(atoms)), 3)
    bonds = np.column_stack([one, neighbours.ravel()])
    bonds = bonds[(bonds[:, 1] >= 0) & (bonds[:, 0] < bonds[:, 1])]
    # Second neighbours hold the angles; they are softer than the bonds.
    angles = np.concatenate([neighbours[:, [i, j]] for i, j in ((0, 1), (1, 2), (0, 2))])
    angles = angles[np.all(angles >= 0, axis=1)]
    pairs = np.concatenate([bonds, angles])
    rest = np.repeat([1, np.sqrt(3)], [len(bonds), len(angles)]) * _GRAPHENE / np.sqrt(3)
    stiffness = np.repeat([0.2, 0.04], [len(bonds), len(angles)])
    free = (np.abs(atoms[:, 1]) < 16) & np.all(neighbours >= 0, axis=1)
    atoms = _relaxed(atoms, pairs, rest, free, steps=80, stiffness=stiffness)

    members = mesh.simplices.ravel()
    count = np.bincount(members)
    x, y = (np.bincount(members, np.repeat(values, 3)) / count for values in atoms.T)
    spread = np.hypot(*(np.repeat(atoms, 3, axis=0) - np.column_stack([x, y])[members]).T)
    odd = (count != 6) & (np.hypot(x, y) < radius)
    rings = defect_table(
        kind=[_RINGS.get(n, f"ring of {n}") for n in count[odd]],
        x_nm=x[odd] / 10,
        y_nm=y[odd] / 10,
        size_nm=2 * (np.bincount(members, spread) / count)[odd] / 10,
        species="C",
        sublattice=0,
    )
    at_boundary = np.any(odd[mesh.simplices], axis=1)
    keep = np.hypot(*atoms.T) < radius
    return assemble(
        f"graphene grain boundary, {angle:g} degrees",
        np.column_stack([atoms, np.zeros(len(atoms))])[keep],
        6,
        0,
        size=size,
        names=("C",),
        rotation=rotation,
        domain=(atoms[:, 1] > 0).astype(int)[keep],
        defect=np.where(at_boundary, "grain_boundary", "").astype(KIND)[keep],
        defects=rings,
    )


def _edges(triangles):
    """Pairs of corners that share a side, each once."""
    sides = np.concatenate([triangles[:, [i, j]] for i, j in ((0, 1), (1, 2), (0, 2))])
    return np.unique(np.sort(sides, axis=1), axis=0)


def _relaxed(points, pairs, rest, free, *, steps, stiffness=0.15):
    """Points after some steps along the forces of springs between pairs; only the free ones move."""
    rest, stiffness = (np.broadcast_to(values, len(pairs)) for values in (rest, stiffness))
    near = np.any(free[pairs], axis=1)
    (i, j), rest, stiffness = pairs[near].T, rest[near], stiffness[near]
    points = points.copy()
    for _ in range(steps):
        apart = points[i] - points[j]
        pull = apart * (stiffness * (rest / np.hypot(*apart.T) - 1))[:, None]
        for axis in (0, 1):
            force = np.bincount(i, pull[:, axis], len(points)) - np.bincount(j, pull[:, axis], len(points))
            points[free, axis] += force[free]
    return points


def transition_metal_dichalcogenide(
    formula: str = "MoS2",
    size: tuple[float, ...] = (6.0, 6.0),
    *,
    layers: int = 1,
    rotation: float = 0.0,
    alloy: dict[str, Any] | None = None,
    random_state: int | Generator = 0,
) -> Structure:
    """Monolayer or bilayer of a 2H dichalcogenide, a zigzag direction along x.

    Parameters
    ----------
    formula : str
        MoS2, MoSe2, MoTe2, WS2, WSe2 or WTe2 (the last as a hypothetical 2H sheet).
    size : tuple of float
        Width and height of the field of view, in nm.
    layers : int
        1, or 2 in 2H stacking: metal over chalcogen, so that every column holds both.
    rotation : float
        Degrees, anticlockwise where y points upwards.
    alloy : dict, optional
        Fraction by element, such as ``{"W": 0.3}`` or ``{"Te": 0.2}``: that share of the metal or of the
        chalcogen *atoms* is exchanged at random (an S2 column may become SSe or Se2).
    random_state : int or numpy.random.Generator
        Places of the alloy atoms.

    Returns
    -------
    Structure
        Sublattices (metal, chalcogen pair) for a monolayer, such as ``("Mo", "S2")``; a single one, such as
        ``("MoS2",)``, for a bilayer, whose columns are all alike.

    Raises
    ------
    ValueError
        If the formula is not tabulated, `layers` is not 1 or 2, or the fractions make no alloy.

    References
    ----------
    Wilson and Yoffe, Adv. Phys. 18, 193 (1969), for a and c; Schutte, De Boer and Jellinek, J. Solid State
    Chem. 70, 207 (1987), for the heights of the chalcogen.

    Examples
    --------
    >>> sheet = transition_metal_dichalcogenide("WS2", (2.0, 2.0), alloy={"Se": 0.5})
    >>> sheet.sublattices, sorted(sheet.columns.species.unique())
    (('W', 'S2'), ['S2', 'Se2', 'SeS', 'W'])
    """
    if formula not in _DICHALCOGENIDES:
        raise ValueError(f"no lattice parameters for {formula!r}: choose from {', '.join(_DICHALCOGENIDES)}")
    if layers not in (1, 2):
        raise ValueError(f"layers must be 1 or 2, got {layers!r}")
    a, c, height = _DICHALCOGENIDES[formula]
    metal, chalcogen = re.findall("[A-Z][a-z]?", formula)
    vectors = _hexagonal(a)
    corner = np.array([0.5, np.sqrt(1 / 12)]) * a
    upright = np.array([[0, 0, 0], [*corner, height], [*corner, -height]])
    numbers = np.array([atomic_numbers[e] for e in (metal, chalcogen, chalcogen)])
    if layers == 1:
        motif = Motif(vectors, upright, numbers, np.array([0, 1, 1]), (metal, f"{chalcogen}2"), (True, True))
    else:
        # The upper layer is turned by 180 degrees: its metal over the chalcogen, and the reverse.
        upper = np.array([[*corner, c / 2], [0, 0, c / 2 + height], [0, 0, c / 2 - height]])
        motif = Motif(
            vectors,
            np.concatenate([upright, upper]),
            np.tile(numbers, 2),
            np.zeros(6, dtype=int),
            (formula,),
            (True,),
        )
    positions, site, _ = patch(motif, reach(size))
    numbers = _alloyed(motif.numbers[site], (metal, chalcogen), alloy, random_state)
    mixed = "".join(f" {fraction:g} {element}" for element, fraction in (alloy or {}).items())
    name = f"{formula} {'monolayer' if layers == 1 else 'bilayer'}{mixed and ' with'}{mixed}"
    return filled(name, motif, positions, site, numbers=numbers, size=size, rotation=rotation)


def _alloyed(numbers, hosts, alloy, random_state):
    """Exchange a fraction of the metal or chalcogen atoms for other elements."""
    if not alloy:
        return numbers
    metal, chalcogen = hosts
    rng = np.random.default_rng(random_state)
    draw, result = rng.random(len(numbers)), numbers.copy()
    taken = dict.fromkeys(hosts, 0.0)
    for element, fraction in alloy.items():
        if element not in atomic_numbers or element in hosts:
            raise ValueError(f"alloy must name elements other than {metal} and {chalcogen}, got {element!r}")
        host = chalcogen if element in ("O", "S", "Se", "Te") else metal
        low, taken[host] = taken[host], taken[host] + fraction
        if not (fraction >= 0 and taken[host] <= 1):
            raise ValueError(
                f"alloy fractions on the {host} sites must lie between 0 and 1 together, got {alloy}"
            )
        exchanged = (numbers == atomic_numbers[host]) & (draw >= low) & (draw < taken[host])
        result[exchanged] = atomic_numbers[element]
    return result
