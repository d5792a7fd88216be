"""From labels and their replicas to phases: what belongs together, and what each of them is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from atomlens.crystallography._agreement import Agreement, follow, planted_domains
from atomlens.crystallography._replicas import doubled_pairs, groups, partners
from atomlens.crystallography._verdict import (
    actions,
    asymmetric_part,
    asymmetry_power,
    asymmetry_test,
    blocks_of,
    central,
    largest_subgroup,
    shared_error,
)
from atomlens.crystallography.point_groups import PointGroup

_MOST = 0.5  # of a label's replicas: then its image is the other label
_AROUND = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]  # cells beside a cell
_FOREIGN = 2  # of the eight cells around, in other phases: then an atom may be a stray one of theirs
_EXACT = 1e-9  # lattice spacings: no column is located so well
_OPPOSITE = 0.5  # of the squared mean: where far atoms have more in common beside it, not all point one way
_TRIALS = 40  # planted domains behind a power
ENOUGH = 0.9  # power without which nothing is called non-ferroic


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
    basis : ndarray of shape (2, 2)
        Lattice vectors, one a row, in lattice spacings.
    spacing : float
        In pixels.
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
    basis: np.ndarray
    spacing: float
    ideal: np.ndarray
    group: PointGroup
    gaps: np.ndarray
    replicas: list
    translated: list
    same_site: bool


@dataclass(frozen=True)
class Settings:
    """What the verdict is asked for: see `LocalCrystallography`; `relevant` in pixels, None for no power."""

    alpha: float
    tolerance: float
    relevant: float | None
    trust_scan: bool
    random_state: int


def verdict(evidence, settings):
    """Table of the phases, the largest first, and the phase of each label."""
    alpha = settings.alpha
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
        alone = len(members) == 1
        gap = 0.0
        if not (alone or is_doubled):
            of_label = np.isin(clusters, members)
            parted = clusters[of_label][:, None] != clusters[of_label]
            gap = evidence.gaps[np.ix_(of_label, of_label)][parted].max()
        whole = np.array([] if is_doubled else members)
        found = _test(evidence, of_atom, tested, whole, gap, settings)
        ferroic = bool(found.p_value <= alpha)
        variants = 1 if is_doubled or not ferroic else max(len(members), 1 + found.domains)
        rows.append(
            {
                "labels": tuple(np.flatnonzero(np.isin(clusters, members)).tolist()),
                "kind": "lattice-doubled" if is_doubled else _kind(ferroic, found),
                "ferroic": ferroic,
                "n_variants": variants,
                "orbit_size": max(found.orbit, variants) if ferroic else 1,
                "closure": float(np.average(closure[members], weights=np.maximum(size[members], 1))),
                "asymmetry_px": found.asymmetry,
                "p_value": found.p_value,
                "p_spatial": found.p_spatial,
                "power": found.power,
                "n": int(size[members].sum()),
            }
        )
    table = pd.DataFrame(rows)
    order = np.argsort(-table["n"].to_numpy(), kind="stable")
    table = table.iloc[order].reset_index(drop=True).rename_axis("phase")
    return table, np.argsort(order)[phase[clusters]]


def _kind(ferroic, found):
    """Nothing seen says something only where it would have been seen."""
    if ferroic:
        return "ferroic"
    return "non-ferroic" if np.isfinite(found.p_value) and found.power >= ENOUGH else "undecided"


@dataclass(frozen=True)
class Finding:
    """What the tests say of one phase."""

    p_value: float = np.nan
    p_spatial: float = np.nan
    power: float = np.nan
    asymmetry: float = np.nan
    orbit: int = 1
    domains: bool = False


def _orbit_links(tables, maps, eligible):
    """Which clusters an operation makes of which, as a square matrix."""
    link = np.zeros((len(eligible),) * 2, dtype=bool)
    for (to, _), table in zip(maps, tables, strict=True):
        for p in np.flatnonzero(eligible & (to >= 0)):
            q = to[p]
            link[p, q] |= eligible[q] and table[p, q] > _MOST * table[p].sum()
    return link


def _test(evidence, of_atom, tested, whole, gap, settings):
    """Test a phase for a mean asymmetry and for domains.

    Parameters
    ----------
    tested, whole : ndarray of int
        Clusters whose mean is tested; those in which domains are looked for, if any.
    gap : float
        Largest p-value of the gaps that part the variants.
    """
    group, ideal, alpha = evidence.group, evidence.ideal, settings.alpha
    own = np.isin(of_atom, tested)
    site = np.bincount(evidence.kind[own]).argmax()
    own &= evidence.kind == site
    matrices = actions(group, ideal)[site]
    even = np.mean(list(matrices.values()), axis=0)
    # Around the symmetric centre of a phase that lies there; what others spill over its border is left out.
    core = own & _core(evidence.points, own, of_atom, even) if len(whole) < 2 else own
    # The lattice's own neighbourhood is off centre by the mean displacement: symmetrise it.
    star = (even @ (ideal[site] @ group.frame).ravel()).reshape(-1, 2)
    blocks = blocks_of(evidence.cell[core], evidence.height[core])

    def rest(some):
        return asymmetric_part(some, star, trust_scan=settings.trust_scan)

    def test(some):
        return asymmetry_test(evidence.points[core], blocks, rest(some), settings.tolerance)

    if evidence.same_site and not settings.trust_scan:
        return Finding()  # symmetric by construction
    p, asymmetry = test(matrices.values())
    if np.isnan(p):
        return Finding()
    # Operations that leave the mean neighbourhood alone, as far as can be told: the others make variants.
    kept = {
        g for g, m in matrices.items() if g == 0 or not test([matrices[0], m])[0] <= alpha / len(matrices)
    }
    orbit = len(matrices) // largest_subgroup(matrices, kept)
    p, p_spatial, odd = max(p, gap), np.nan, np.eye(2) - group.matrices[list(matrices)].mean(axis=0)
    domains = None
    if len(whole) and not evidence.same_site:
        domains = _Domains(
            evidence, np.isin(of_atom, whole) & (evidence.kind == site), of_atom, odd, settings
        )
        p_spatial = domains.p_value()
    # Weak domains leave no gap and cancel in the mean, but far atoms agree: one of two tests decides.
    level = alpha if np.isnan(p_spatial) else alpha / 2
    # Displacements that are not all alike, and not those of one variant that varies a little.
    several = p_spatial <= level and not (p <= level and domains.common() < _OPPOSITE * asymmetry**2)
    both = p if np.isnan(p_spatial) else min(2 * min(p, p_spatial), 1.0)
    power = np.nan  # what is seen needs none
    if not both <= alpha and settings.relevant is not None:
        moved = rest(matrices.values()) if evidence.same_site else np.tile(odd, (len(star), 1))
        asked = evidence.points[core], blocks, rest(matrices.values())
        power = asymmetry_power(*asked, moved, settings.relevant, level)
        if domains is not None:
            images = odd @ group.matrices[list(matrices)]
            power = min(power, domains.power(settings.relevant, images, core, asked, level))
    return Finding(both, p_spatial, power, asymmetry, orbit, several)


class _Domains:
    """Whether domains are seen in a phase, and whether they would be."""

    def __init__(self, evidence, own, of_atom, odd, settings):
        inner = own & _inner(evidence, own, of_atom)
        self.evidence, self.own, self.inner, self.settings = evidence, own, inner, settings
        extent = evidence.ideal.shape[1]
        u = evidence.points.reshape(-1, extent, 2).mean(axis=1) @ odd.T
        u -= u.mean(axis=0)
        self.u = np.where(np.abs(u) > _EXACT * evidence.spacing, u, 0.0)  # what rounding leaves may agree
        site = evidence.kind[own][0]
        self.agreement = Agreement(
            evidence.cell[inner],
            evidence.basis,
            evidence.ideal[site] / evidence.spacing,
            shared=shared_error(evidence.points[inner], evidence.ideal[site]),
            alpha=settings.alpha,
            random_state=settings.random_state,
        )

    def p_value(self):
        return self.agreement.p_value(self.u[self.inner], self.settings.tolerance)

    def common(self):
        """Mean square in px² of what far atoms have in common, beside their mean."""
        return self.agreement.common(self.u[self.inner])

    def power(self, size, images, core, asked, level):
        """Share of planted domains that either test sees, without a tolerance."""
        evidence = self.evidence
        rng = np.random.default_rng(self.settings.random_state + 1)
        rows, extent = np.flatnonzero(self.own), evidence.ideal.shape[1]
        points, blocks, projector = asked
        moved, seen = np.zeros((len(self.own), 2)), 0
        for _ in range(_TRIALS):
            moved[rows] = planted_domains(evidence.cell[rows] @ evidence.basis, size, images, rng)
            p = self.agreement.p_value(self.u[self.inner] + moved[self.inner])
            if not p <= level:
                p = asymmetry_test(points + np.tile(moved[core], extent), blocks, projector)[0]
            seen += p <= level
        return seen / _TRIALS


def _inner(evidence, own, of_atom):
    """Atoms of a phase that do not lie among those of others, where what strays from there would agree."""
    if len(np.unique(of_atom)) < 2:
        return np.ones(len(own), dtype=bool)
    foreign = np.zeros(len(own), dtype=int)
    for site in np.unique(evidence.kind[own]):
        rows = np.flatnonzero(evidence.kind == site)
        for step in _AROUND:
            there = follow(evidence.cell[rows], step)
            foreign[rows] += (there >= 0) & ~own[rows[there]]
    return foreign < _FOREIGN


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
