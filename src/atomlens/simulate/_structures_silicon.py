"""Silicon in graphene: clusters of one to four atoms in place of as many as six carbon atoms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from atomlens._types import Structure
from atomlens.simulate._structures_2d import _relaxed, graphene
from atomlens.simulate.defects import interstitials, vacancies

_BOND = 1.42  # Å, of carbon in graphene
# Å, as seen from above: three bonds lift the silicon atom out of the plane, four keep it there (Zhou et al.,
# Phys. Rev. Lett. 109, 206803 (2012)).
_SILICON = {"Si1C3": 1.60, "Si1C4": 1.87, "Si2C5": 1.70, "Si2C6": 1.80, "Si3C6": 1.83, "Si4C6": 1.83}
_SILICON_SILICON, _LINKED = 2.25, 2.4
_FREE = 6.0  # Å around the cluster in which atoms give way


def silicon_in_graphene(
    formula: str = "Si1C3", size: tuple[float, ...] = (2.0, 2.0), *, rotation: float = 0.0
) -> Structure:
    """Graphene with one cluster of silicon atoms near the middle of the field.

    Parameters
    ----------
    formula : {"Si1C3", "Si1C4", "Si2C5", "Si2C6", "Si3C6", "Si4C6"}
        Silicon atoms, and the carbon atoms that are bonded to them. One silicon atom replaces one carbon
        atom (C3) or two (C4); two of them two that share a neighbour (C5) or a zigzag of four (C6); three of
        them a whole ring, which a fourth may fill.
    size : tuple of float
        Width and height of the field of view, in nm.
    rotation : float
        Degrees, anticlockwise where y points upwards.

    Returns
    -------
    Structure
        Sublattices ``C`` and what `atomlens.simulate.defects.interstitials` adds for silicon.

    Raises
    ------
    ValueError
        If there is no such cluster, or the field is smaller than 1.2 nm.

    Notes
    -----
    Atoms around the cluster give way as springs would, of the usual bond lengths as seen from above. That is
    no calculation of energies: for these, relax `library.Defect.structure` with `electrons`.

    Examples
    --------
    >>> sheet = silicon_in_graphene("Si2C6", (2.0, 2.0))
    >>> sheet.columns.query("species == 'Si'").shape[0]
    2
    """
    if formula not in _SILICON:
        raise ValueError(f"there is no cluster {formula!r}; known: {', '.join(_SILICON)}")
    sheet = graphene(size, rotation=rotation)
    if min(sheet.size) < 1.2:
        raise ValueError(f"a field of {sheet.size} nm is too small for a cluster: 1.2 nm at least")
    carbon = sheet.atoms.positions[:, :2]
    gone, silicon = _cluster(formula, carbon, np.array(sheet.size) * 5)
    sheet = vacancies(sheet, kind="column", at=gone / 10)
    sheet = interstitials(sheet, species="Si", at=silicon / 10)
    atoms = sheet.atoms.copy()
    atoms.positions[:, :2] = _settled(atoms.positions[:, :2], atoms.numbers == 14, _SILICON[formula])
    atoms.arrays["ideal"] = atoms.positions[:, :2].copy()
    return replace(sheet, atoms=atoms, name=f"{formula} in graphene")


def _cluster(formula, carbon, middle):
    """Carbon atoms that go, and silicon atoms that come, (x, y) in Å."""
    nearest = cKDTree(carbon).query(carbon[np.argmin(np.hypot(*(carbon - middle).T))], k=4)[1]
    first = carbon[nearest[0]]
    u, v, w = carbon[nearest[1:]] - first
    if formula == "Si1C3":
        return first[None], first[None]
    if formula == "Si1C4":
        return np.array([first, first + u]), (first + u / 2)[None]
    if formula == "Si2C5":
        pair = np.array([first + u, first + v])
        return pair, pair
    if formula == "Si2C6":
        return np.array([first + v, first, first + u, first + u - v]), np.array(
            [first + v / 2, first + u - v / 2]
        )
    centre = first + u + v
    ring = centre + np.array([w, -u, v, -w, u, -v])
    silicon = (ring[::2] + ring[1::2]) / 2
    return ring, silicon if formula == "Si3C6" else np.vstack([silicon, centre])


def _settled(xy, silicon, length):
    """Positions after bonds have pulled and pushed, silicon atoms and their surroundings free."""
    pairs = cKDTree(xy).query_pairs(_LINKED, output_type="ndarray")
    both, one = silicon[pairs].all(axis=1), silicon[pairs].any(axis=1)
    far = np.hypot(*(xy[pairs[:, 0]] - xy[pairs[:, 1]]).T)
    bonded = np.where(one, True, far < 1.3 * _BOND)
    pairs, both, one = pairs[bonded], both[bonded], one[bonded]
    close = cKDTree(xy[silicon]).query(xy)[0]
    bonds = np.where(both, _SILICON_SILICON, np.where(one, length, _BOND))
    # of the carbon atoms near a silicon atom, only those beside the hole are bonded to it
    kept = ~one | both | (np.hypot(*(xy[pairs[:, 0]] - xy[pairs[:, 1]]).T) < 1.5 * _BOND)
    return _relaxed(xy, pairs[kept], bonds[kept], close < _FREE, steps=300)
