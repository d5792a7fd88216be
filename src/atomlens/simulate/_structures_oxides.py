"""Oxides of low symmetry: monoclinic zirconia with a twin, and a many-column Mo-V oxide."""

from __future__ import annotations

import numpy as np

from atomlens._types import Generator, Structure
from atomlens.simulate._structure import Motif, filled, patch, reach

# Metal network of the M1 type in Pba2: pentagon (centre, radius, angle of its first corner) and three linking
# columns in general positions, in Å; two more links lie on the twofold axes. Found by minimising Morse pair
# energies with their minimum at 3.8 Å over these nine numbers, from random starts: the lowest minimum has the
# network of the M1 phase, every centre five-, every ring column five- and every link four-coordinated.
_M1_CENTRE = (2.970, 18.225)
_M1_RADIUS = 3.32
_M1_ANGLE = 60.484
_M1_LINKS = ((2.526, 7.322), (2.360, 23.922), (6.905, 13.984))


def zirconia(size: tuple[float, ...] = (6.0, 6.0), *, twin: bool = False, rotation: float = 0.0) -> Structure:
    """Monoclinic zirconia ZrO2 along [010], where its angle of 99.2 degrees shows.

    Parameters
    ----------
    size : tuple of float
        Width and height of the field of view, in nm.
    twin : bool
        A (100) twin boundary through the centre of the field. The upper crystal (``domain`` 1) is the mirror
        image of the lower one, half a repeat further along the beam: so shifted, its atoms keep distances to
        the lower one as in the bulk.
    rotation : float
        Degrees, anticlockwise where y points upwards. Without it [001], and the boundary, run along x.

    Returns
    -------
    Structure
        Sublattices (Zr, O), oxygen invisible.

    References
    ----------
    Howard, Hill and Reichert, Acta Cryst. B 44, 116 (1988), for the cell and the positions.

    Examples
    --------
    >>> zirconia((3.0, 3.0), twin=True).columns.domain.unique().tolist()
    [0, 1]
    """
    a, b, c, beta = 5.1505, 5.2116, 5.3173, np.radians(99.230)
    x, y, z = np.array([[0.2754, 0.0395, 0.2083], [0.0700, 0.3317, 0.3447], [0.4496, 0.7569, 0.4792]]).T
    # P 2_1/c, in fractions along a, b and c.
    sites = np.concatenate(
        [
            np.column_stack(equivalent)
            for equivalent in ((x, y, z), (-x, y + 0.5, 0.5 - z), (-x, -y, -z), (x, 0.5 - y, z + 0.5))
        ]
    )
    vectors = np.array([[a * np.cos(beta), a * np.sin(beta)], [c, 0.0]])
    plane = (sites[:, [0, 2]] % 1) @ vectors
    motif = Motif(
        vectors,
        np.column_stack([plane, sites[:, 1] % 1 * b]),
        np.tile([40, 8, 8], 4),
        np.tile([0, 1, 1], 4),
        ("Zr", "O"),
        (True, False),
        b,
    )
    positions, site, _ = patch(motif, reach(size))
    domain = np.zeros(len(positions), dtype=int)
    if twin:
        lower = positions[:, 1] < 0
        upper = positions[lower] * [1, -1, 1] + [0, 0, b / 2]
        upper[:, 2] %= b
        positions = np.concatenate([positions[lower], upper])
        domain = np.repeat([0, 1], lower.sum())
        site = np.tile(site[lower], 2)
    name = "ZrO2 [010]" + (" twin" if twin else "")
    return filled(name, motif, positions, site, size=size, rotation=rotation, domain=domain)


def molybdenum_vanadium_oxide(
    size: tuple[float, ...] = (6.0, 6.0),
    *,
    vanadium: float = 0.6,
    rotation: float = 0.0,
    random_state: int | Generator = 0,
) -> Structure:
    """A Mo-V oxide of the M1 *type* along [001]: eleven kinds of metal column, pentagons and wide channels.

    The cell and its space group are those of the M1 phase, and so is the network: pentagonal units of six
    metal columns, linked by further columns so that four six-sided and four seven-sided channels are left
    over in a cell. The positions are not the refined ones: they are those that bring every linked pair as
    near to 0.38 nm as this network allows (0.33 to 0.39 nm), with regular pentagons. Only the metals are
    there; oxygen, which annular dark field does not show, is left out.

    Parameters
    ----------
    size : tuple of float
        Width and height of the field of view, in nm.
    vanadium : float
        Probability that a linking column is V and not Mo; 0.6 gives V/Mo = 0.3.
    rotation : float
        Degrees, anticlockwise where y points upwards. Without it a lies along x and b along y.
    random_state : int or numpy.random.Generator
        Places of vanadium.

    Returns
    -------
    Structure
        Sublattices ``("pentagon centre", "pentagon ring", "link")``.

    Raises
    ------
    ValueError
        If `vanadium` is not between 0 and 1.

    References
    ----------
    DeSanto et al., Z. Kristallogr. 219, 152 (2004), for cell, space group and network of the M1 phase.

    Examples
    --------
    >>> oxide = molybdenum_vanadium_oxide((3.0, 3.0), vanadium=0)
    >>> oxide.columns.species.unique().tolist()
    ['Mo']
    """
    if not 0 <= vanadium <= 1:
        raise ValueError(f"vanadium must be a probability from 0 to 1, got {vanadium!r}")
    a, b, c = 21.134, 26.658, 4.015
    ring = np.radians(_M1_ANGLE + 72 * np.arange(5))
    general = np.concatenate(
        [
            [_M1_CENTRE],
            _M1_CENTRE + _M1_RADIUS * np.column_stack([np.cos(ring), np.sin(ring)]),
            _M1_LINKS,
        ]
    )
    half = np.array([a, b]) / 2
    glide = half + general * [1, -1]
    plane = np.concatenate(
        [general, -general, glide, 2 * half - glide, [[0, 0], half, [0, b / 2], [a / 2, 0]]]
    )
    sublattice = np.array([*[0, 1, 1, 1, 1, 1, 2, 2, 2] * 4, 2, 2, 2, 2])
    motif = Motif(
        np.diag([a, b]),
        np.column_stack([plane % [a, b], np.zeros(len(plane))]),
        np.full(len(plane), 42),
        sublattice,
        ("pentagon centre", "pentagon ring", "link"),
        (True, True, True),
        c,
    )
    positions, site, _ = patch(motif, reach(size))
    numbers = motif.numbers[site]
    draw = np.random.default_rng(random_state).random(len(site))
    numbers[(sublattice[site] == 2) & (draw < vanadium)] = 23
    name = "Mo-V oxide (M1 type) [001]"
    return filled(name, motif, positions, site, numbers=numbers, size=size, rotation=rotation)
