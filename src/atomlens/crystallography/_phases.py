"""From labels and their replicas to phases: what belongs together, and what each of them is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from atomlens.crystallography._replicas import doubled_pairs, groups, partners
from atomlens.crystallography._verdict import (
    actions,
    asymmetric_part,
    asymmetry_test,
    blocks_of,
    central,
    largest_subgroup,
)
from atomlens.crystallography.point_groups import PointGroup

_MOST = 0.5  # of a label's replicas: then its image is the other label


@dataclass(frozen=True)
class Evidence:
    """What the verdict is based on: N complete neighbourhoods, their labels, and how these permute.

    Attributes
    ----------
    points : ndarray of shape (N, 2k)
    labels, kind : ndarray of int, shape (N,)
    cell : ndarray of int, shape (N, 2)
    height : ndarray of shape (N,)
        Place across the scan lines, in lattice spacings.
    ideal : ndarray of shape (sites, k, 2)
    group : PointGroup
    gaps : ndarray of shape (K, K)
        p-values of a gap in density between every two labels.
    same_site : bool
        Whether the neighbours are on the site of the centre: all displacements then cancel in the mean.
    replicas, translated : list of ndarray of shape (K, K + 1)
        Contingency of the labels with those of their images; the last column counts images outside.
    """

    points: np.ndarray
    labels: np.ndarray
    kind: np.ndarray
    cell: np.ndarray
    height: np.ndarray
    ideal: np.ndarray
    group: PointGroup
    gaps: np.ndarray
    replicas: list
    translated: list
    same_site: bool


def verdict(evidence, *, alpha, tolerance, trust_scan):
    """Table of the phases, the largest first, and the phase of each label."""
    clusters = groups(evidence.gaps > alpha)  # labels that no gap parts are one cluster
    n = clusters.max() + 1
    of_atom = clusters[evidence.labels]
    size = np.bincount(of_atom, minlength=n)
    tables = [_merged(table, clusters) for table in evidence.replicas]
    maps = [partners(table) for table in tables]
    doubled = doubled_pairs([_merged(table, clusters) for table in evidence.translated], n)
    site = np.array([np.bincount(evidence.kind[of_atom == c], minlength=1).argmax() for c in range(n)])
    # Two sites of a cell may change places, too: that does not make them variants.
    links = _orbit_links(tables, maps, ~doubled.any(axis=1)) & (site[:, None] == site)
    phase = groups(doubled | links)
    closure = np.mean([np.where(to >= 0, share, 0.0) for to, share in maps], axis=0)
    rows = []
    for number in range(phase.max() + 1):
        members = np.flatnonzero(phase == number)
        is_doubled = bool(doubled[np.ix_(members, members)].any())
        # Variants are images of one another: the one with most atoms speaks for all.
        tested = members if is_doubled else members[[np.argmax(size[members])]]
        p, asymmetry, orbit = _test(
            evidence, of_atom, tested, len(members) == 1, alpha, tolerance, trust_scan
        )
        if len(members) > 1 and not is_doubled:
            of_label = np.isin(clusters, members)
            apart = clusters[of_label][:, None] != clusters[of_label]
            p = max(p, evidence.gaps[np.ix_(of_label, of_label)][apart].max())
        ferroic = bool(p <= alpha)
        kind = "ferroic" if ferroic else "non-ferroic" if np.isfinite(p) else "undecided"
        kind = "lattice-doubled" if is_doubled else kind
        rows.append(
            {
                "labels": tuple(np.flatnonzero(np.isin(clusters, members)).tolist()),
                "kind": kind,
                "ferroic": ferroic,
                "n_variants": len(members) if ferroic and not is_doubled else 1,
                "orbit_size": orbit if ferroic else 1,
                "closure": float(np.average(closure[members], weights=np.maximum(size[members], 1))),
                "asymmetry_px": asymmetry,
                "p_value": p,
                "n": int(size[members].sum()),
            }
        )
    table = pd.DataFrame(rows)
    order = np.argsort(-table["n"].to_numpy(), kind="stable")
    table = table.iloc[order].reset_index(drop=True).rename_axis("phase")
    return table, np.argsort(order)[phase[clusters]]


def _orbit_links(tables, maps, eligible):
    """Which clusters an operation makes of which, as a square matrix."""
    link = np.zeros((len(eligible),) * 2, dtype=bool)
    for (to, _), table in zip(maps, tables, strict=True):
        for p in np.flatnonzero(eligible & (to >= 0)):
            q = to[p]
            link[p, q] |= eligible[q] and table[p, q] > _MOST * table[p].sum()
    return link


def _test(evidence, of_atom, tested, alone, alpha, tolerance, trust_scan):
    """p-value and size of the asymmetry of some clusters together, and how many images theirs has."""
    group, ideal = evidence.group, evidence.ideal
    own = np.isin(of_atom, tested)
    site = np.bincount(evidence.kind[own]).argmax()
    own &= evidence.kind == site
    matrices = actions(group, ideal)[site]
    even = np.mean(list(matrices.values()), axis=0)
    # Around the symmetric centre of a phase that lies there; what others spill over its border is left out.
    core = own & _core(evidence.points, own, of_atom, even) if alone else own
    # The lattice's own neighbourhood is off centre by the mean displacement: symmetrise it.
    star = (even @ (ideal[site] @ group.frame).ravel()).reshape(-1, 2)
    blocks = blocks_of(evidence.cell[core], evidence.height[core])

    def test(some):
        rest = asymmetric_part(some, star, trust_scan=trust_scan)
        return asymmetry_test(evidence.points[core], blocks, rest, tolerance)

    if evidence.same_site and not trust_scan:
        return np.nan, np.nan, 1  # symmetric by construction
    p, asymmetry = test(matrices.values())
    # Operations that leave the mean neighbourhood alone, as far as can be told: the others make variants.
    level = alpha / len(matrices)
    kept = {g for g, m in matrices.items() if g == 0 or not test([matrices[0], m])[0] <= level}
    return p, asymmetry, len(matrices) // largest_subgroup(matrices, kept)


def _core(points, own, of_atom, even):
    """Atoms nearer to the symmetric centre than half the way to the next cluster; or all of them."""
    centres = np.array([points[of_atom == m].mean(axis=0) for m in np.unique(of_atom)])
    if len(centres) < 2:
        return np.ones(len(points), dtype=bool)
    centre = even @ points[own].mean(axis=0)
    core = central(points, centre, np.sort(np.linalg.norm(centres - centre, axis=1))[1] / 2)
    return core if (core & own).sum() > 0.5 * own.sum() else np.ones(len(points), dtype=bool)


def _merged(table, clusters):
    """Contingency table of merged labels."""
    n = clusters.max() + 1
    to = np.append(clusters, n)
    out = np.zeros((n, n + 1), dtype=int)
    np.add.at(out, (clusters[:, None], to), table)
    return out
