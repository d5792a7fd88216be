"""Cubic crystals in low-index projections: metals and dumbbells."""

from __future__ import annotations

from itertools import product

import numpy as np
from ase.data import atomic_numbers, reference_states
from scipy.spatial import cKDTree

from atomlens._types import Generator, Structure
from atomlens.simulate._structure import Motif, assemble, checked_size, filled, patch, reach, turned

# Beam direction -> directions of image x and y, and of the beam, all perpendicular and right-handed.
_ZONES = {
    "001": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "110": ((-1, 1, 0), (0, 0, 1), (1, 1, 0)),
    "111": ((-1, 1, 0), (-1, -1, 2), (1, 1, 1)),
}
_FACE_CENTRED = ((0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5))
_BODY_CENTRED = ((0, 0, 0), (0.5, 0.5, 0.5))
PRIMITIVE = ((0, 0, 0),)

_DUMBBELLS = {  # lattice parameter in Å, elements
    "Si": (5.4310, ("Si", "Si")),
    "Ge": (5.6579, ("Ge", "Ge")),
    "GaAs": (5.6533, ("Ga", "As")),
    "CdTe": (6.482, ("Cd", "Te")),
}


def cubic_motif(a, centring, basis, elements, sublattice, *, zone, names, visible=None):
    """Rectangular motif of a cubic crystal along a zone axis, one repeat deep."""
    if str(zone) not in _ZONES:
        raise ValueError(f"zone must be one of {', '.join(_ZONES)}, got {zone!r}")
    axes = np.array(_ZONES[str(zone)], dtype=float)
    if any(np.allclose(axes[2] / 2 % 1, centre) for centre in centring):
        axes[2] /= 2
    lengths = np.linalg.norm(axes, axis=1)
    shifts = np.array([*product(range(-3, 4), repeat=3)])
    lattice = (shifts[:, None] + np.array(centring)).reshape(-1, 3)
    points = (lattice[:, None] + np.array(basis)).reshape(-1, 3)
    site = np.tile(np.arange(len(basis)), len(lattice))
    # In fractions of the rectangular cell; rounding keeps an atom on a face from being counted twice.
    inside = np.round(points @ (axes / lengths[:, None] ** 2).T, 9)
    keep = np.all((inside >= 0) & (inside < 1), axis=1)
    numbers = np.array([atomic_numbers[element] for element in elements])
    return Motif(
        a * np.diag(lengths[:2]),
        a * inside[keep] * lengths,
        numbers[site[keep]],
        np.asarray(sublattice)[site[keep]],
        names,
        (True,) * len(names) if visible is None else visible,
        float(a * lengths[2]),
    )


def metal(
    element: str = "Au",
    size: tuple[float, ...] = (6.0, 6.0),
    *,
    zone: str = "001",
    rotation: float = 0.0,
    grains: int = 1,
    random_state: int | Generator = 0,
) -> Structure:
    """A face-centred or body-centred cubic metal: one crystal, or grains that share the zone axis.

    Parameters
    ----------
    element : str
        Any element that is fcc or bcc in ASE's table of reference states: Au, Pt, Al, Cu, Fe, W...
    size : tuple of float
        Width and height of the field of view, in nm.
    zone : {"001", "110", "111"}
        Beam direction.
    rotation : float
        Degrees, anticlockwise where y points upwards. With several grains it turns all of them.
    grains : int
        Voronoi grains with random rotations about the beam; ``domain`` numbers them. At their boundaries
        the atoms that come closer than 0.7 of the projected neighbour distance are removed.
    random_state : int or numpy.random.Generator
        Places and rotations of several grains.

    Returns
    -------
    Structure
        One sublattice, named after the element.

    Raises
    ------
    ValueError
        If the element is neither fcc nor bcc, or the zone is not tabulated.

    References
    ----------
    Lattice parameters: ``ase.data.reference_states``.

    Examples
    --------
    >>> metal("W", (3.0, 3.0), zone="111", grains=2).sublattices
    ('W',)
    """
    state = reference_states[atomic_numbers.get(element, 0)]
    centring = {"fcc": _FACE_CENTRED, "bcc": _BODY_CENTRED}.get((state or {}).get("symmetry"))
    if centring is None:
        raise ValueError(f"{element!r} is no face-centred or body-centred cubic element in ASE's tables")
    if grains < 1:
        raise ValueError(f"grains must be at least 1, got {grains!r}")
    motif = cubic_motif(state["a"], centring, PRIMITIVE, [element], [0], zone=zone, names=(element,))
    radius = reach(size)
    positions, _, _ = patch(motif, radius)
    domain = 0
    if grains > 1:
        rng = np.random.default_rng(random_state)
        seeds = rng.uniform(-0.5, 0.5, (grains, 2)) * 10 * np.array(checked_size(size))
        seeds_tree = cKDTree(seeds)
        pieces = []
        for grain, angle in enumerate(rng.uniform(0, 360, grains)):
            piece = turned(positions, angle)
            pieces.append(piece[seeds_tree.query(piece[:, :2])[1] == grain])
        domain = np.repeat(np.arange(grains), [len(piece) for piece in pieces])
        positions = np.concatenate(pieces)
        keep = _no_closer(positions[:, :2], domain, 0.7 * _spacing(motif))
        positions, domain = positions[keep], domain[keep]
    return assemble(
        f"{element} [{zone}]" + (f", {grains} grains" if grains > 1 else ""),
        positions,
        atomic_numbers[element],
        0,
        size=size,
        names=motif.names,
        period=motif.period,
        rotation=rotation,
        domain=domain,
    )


def _spacing(motif):
    """Distance of neighbouring columns in projection, in Å."""
    xy = patch(motif, 2 * np.linalg.norm(motif.vectors, axis=1).max())[0][:, :2]
    distance = np.hypot(*(xy - xy[0]).T)
    return distance[distance > 0.1].min()


def _no_closer(xy, domain, distance):
    """Which atoms stay when, of two from different domains that are too close, the second one goes."""
    first, second = cKDTree(xy).query_pairs(distance, output_type="ndarray").T
    keep = np.ones(len(xy), dtype=bool)
    across = domain[first] != domain[second]
    keep[np.where(domain[first] > domain[second], first, second)[across]] = False
    return keep


def dumbbells(
    formula: str = "Si", size: tuple[float, ...] = (6.0, 6.0), *, twin: bool = False, rotation: float = 0.0
) -> Structure:
    """Diamond or zinc blende along [110]: pairs of columns a quarter of the lattice parameter apart.

    Parameters
    ----------
    formula : {"Si", "Ge", "GaAs", "CdTe"}
    size : tuple of float
        Width and height of the field of view, in nm.
    twin : bool
        A coherent sigma-3 (111) twin boundary through the centre of the field, along x before rotation. The
        upper crystal (``domain`` 1) is the lower one turned by 180 degrees about the plane's normal, which
        keeps every atom four-coordinated by the other element. Without a twin the dumbbells stand along y.
    rotation : float
        Degrees, anticlockwise where y points upwards.

    Returns
    -------
    Structure
        One sublattice for an element, two (``("Cd", "Te")``) for a compound.

    Raises
    ------
    ValueError
        If the formula is not tabulated.

    Examples
    --------
    >>> dumbbells("CdTe", (2.0, 2.0)).sublattices
    ('Cd', 'Te')
    """
    if formula not in _DUMBBELLS:
        raise ValueError(f"no lattice parameter for {formula!r}: choose from {', '.join(_DUMBBELLS)}")
    a, elements = _DUMBBELLS[formula]
    names = tuple(dict.fromkeys(elements))
    motif = cubic_motif(
        a,
        _FACE_CENTRED,
        [(0, 0, 0), (0.25, 0.25, 0.25)],
        elements,
        [0, len(names) - 1],
        zone="110",
        names=names,
    )
    positions, site, _ = patch(motif, reach(size) + a)
    domain = np.zeros(len(positions), dtype=int)
    if twin:
        # Turn a bond that is perpendicular to a (111) plane onto y, its middle to the origin. The half turn
        # about it leaves its two atoms in place and maps x to -x, z to -z.
        bond = np.array([-np.sqrt(2), -1.0]) * a / 4
        positions = turned(positions, 90 - np.degrees(np.arctan2(bond[1], bond[0])))
        positions[:, 1] -= np.linalg.norm(bond) / 2
        domain = (positions[:, 1] > 0).astype(int)
        positions[domain == 1] *= [-1, 1, -1]
        positions[:, 2] %= motif.period
    name = f"{formula} [110]" + (" twin" if twin else "")
    return filled(name, motif, positions, site, size=size, rotation=rotation, domain=domain)
