"""Phases and their variants from the neighbourhoods of atoms."""

from __future__ import annotations

from numbers import Real

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from atomlens._doubts import repeated, warn
from atomlens._gap import over_splits, split_halves
from atomlens._threads import one_thread
from atomlens._types import Any, DataFrame, Lattice, Self, Sequence, ndarray
from atomlens.crystallography import _replicas
from atomlens.crystallography._field import labelled_in_part, links_of, spatial_labels
from atomlens.crystallography._phases import ENOUGH, Evidence, Settings, verdict
from atomlens.crystallography.point_groups import POINT_GROUPS, fitting, point_group, suggest
from atomlens.lattice import Neighbourhoods, neighbour_vectors
from atomlens.lattice.table import sublattice_column

__all__ = ["METHODS", "LocalCrystallography"]

METHODS = ("kmeans", "gmm")
_SPLITS = 3
_TRANSLATIONS = (1, 0), (0, 1), (1, 1)  # of the lattice, that labels are compared along
_WHOLE = 0.02  # of a lattice vector: what least squares may leave of a whole one
_CELL_PM = 400.0  # lattice spacing that is assumed of a table without a calibration: that of a perovskite
_REMEDY = "ask for more labels (n_clusters), or for spatial=True, which finds domains of weak ones"
_MOST_ROWS = 50_000  # rows that clusters are learned from; all others are given to the nearest


class LocalCrystallography(ClusterMixin, BaseEstimator):
    """Cluster the neighbourhoods of atoms, and ask which phases are ferroic.

    For every atom of one sublattice the vectors to its neighbours, in one order, are a point in 2k
    dimensions. Clusters of such points are phases, or variants of a phase. Which, the replicas tell: every
    operation of the point group is applied to all neighbourhoods and the neighbours are put back into their
    order. A phase that keeps its label is non-ferroic; labels that change places are the variants of one
    ferroic phase. The lattice translations a, b and a + b do the same for lattice doubling.

    Parameters
    ----------
    n_neighbors : int or "auto"
        Neighbours of each atom, nearest first; "auto" takes the nearest coordination sphere.
    n_clusters : int
        Number of labels.
    center, neighbors : optional
        Sublattice of the atoms, and of their neighbours (several: a list), as they are named in the table's
        column ``sublattice`` or ``label``. `center` is needed where there are several; without `neighbors`
        all take part. Vectors to the *same* sublattice cancel a uniform polarisation.
    method : {"kmeans", "gmm"}
    spatial : bool
        Whether labels of neighbouring atoms inform one another, so that domains are found in noise that hides
        the label of a single atom. Round domains of a dozen atoms are kept where they stand out; a single
        atom with a label of its own mostly is not.
    point_group : str
        Hermann-Mauguin symbol of the undistorted structure in projection: 1, 2, m, 2mm, 3, 3m, 4, 4mm, 6,
        6mm; or "auto", the largest that the lattice and the mean neighbourhood have within 4 % of strain.
        `point_group_` says which that is, and a doubt what is near it.
    mirror : (int, int)
        A lattice direction u a + v b that lies in a mirror line, for groups that have one ("auto" finds it).
    lattice : Lattice, optional
        Of the table, for example a calibrated one; estimated without it.
    alpha : float
        Level of the tests behind the verdict.
    tolerance : float
        Asymmetry (root mean square over the neighbours, in pixels) that counts as none: what the microscope
        itself may make, by a small tilt or aberration.
    relevant_pm : float
        Smallest displacement in pm that matters: a phase is called non-ferroic only where such a one, in the
        whole phase or in domains of ten cells, would be seen with a probability of 0.9 at least (by the tests
        without `tolerance`). A table without nm is taken to have a lattice spacing of 400 pm;
        `relevant_px_` says what that makes.
    trust_scan : bool
        Whether a deformation of the neighbourhood counts as asymmetry. A distorted scan makes the same, so it
        does not by default; displacements always count.
    random_state : int

    Attributes
    ----------
    labels_ : ndarray of int, shape (N,)
        One an atom of the central sublattice, in the order of the table, the largest cluster 0; -1 for atoms
        without a place in the lattice or with less than half of their neighbours.
    centers_ : ndarray of int, shape (N,)
        Rows of these atoms in the table.
    vectors_ : ndarray of shape (N, k, 2)
        Vectors to the neighbours in pixels, the mean distortion of the scan taken out; NaN where one is
        missing.
    centroids_ : ndarray of shape (n_clusters, k, 2)
    coupling_ : float
        With `spatial`: how much neighbours say, from 0 for nothing to 1 where each says as much as it would
        alone.
    ideal_ : ndarray of shape (k, 2)
        The undistorted neighbourhood (of the first site).
    neighbourhoods_ : Neighbourhoods
    lattice_ : Lattice
    doubts_ : list of str
        What speaks against the lattice, the columns, and the verdict. Where several labels do
        not count the variants, that is raised as a warning, too.
    relevant_px_ : float
        `relevant_pm` in pixels.
    point_group_ : str
    operations_ : tuple of str
    replica_labels_ : ndarray of int, shape (G, N)
        Labels of the replicas, the identity first; -1 where a replica lies outside of all clusters.
    contingency_ : dict of str to DataFrame
        For every operation and translation the labels (rows) against those of their images.
    gap_p_values_ : ndarray of shape (n_clusters, n_clusters)
        Hartigan's dip test for every two labels: large where no gap in density parts them.
    phase_of_label_ : ndarray of int, shape (n_clusters,)
        Row of `verdict_` that each label belongs to.
    verdict_ : DataFrame
        One row a phase: ``labels``, ``kind`` ("non-ferroic", "ferroic", "lattice-doubled", or "undecided"
        where the tests cannot be made, as there are too few atoms or nothing that could be asymmetric, or
        would have missed a displacement of `relevant_pm`), ``ferroic``, ``n_variants`` (that are in the
        field; at least so many where only far atoms tell of them), ``orbit_size`` (how many symmetry allows,
        as far as the mean neighbourhood can be told from its images), ``closure`` (share of the replicas that
        land on the label which the permutation wants; variants that are not in the field lower it),
        ``asymmetry_px`` (and ``_pm``; root mean square over the neighbours, of the mean: weak domains
        cancel), ``p_value`` (of all that was tested), ``p_spatial`` (of the agreement between far atoms
        alone; NaN where that is not tested: in a doubled lattice, with neighbours on the site of the centre,
        or with less than six rows), ``power`` (chance that a displacement of `relevant_pm` would have been
        seen, all over or in domains; NaN where one is) and ``n`` (atoms).

    Raises
    ------
    ValueError
        If a parameter is not valid, if there are fewer complete neighbourhoods than clusters, or as for
        `atomlens.lattice.neighbour_vectors`.
    NotPeriodicError
        If the columns have no lattice.

    Notes
    -----
    That labels permute among themselves says nothing: the two halves of a non-ferroic phase that k-means cut
    in two do so perfectly. So the verdict tests the physics. First, labels without a gap in density between
    them (Hartigan's dip along Fisher's direction, on atoms that the clusters were not learned from) are one
    phase. Then the null hypothesis for each phase is that its mean neighbourhood equals its image under all
    operations (Hotelling's test, its covariance from spatial blocks). The p-value of a phase with several
    variants is the largest of those that are needed for it.
    All atoms of a scan line may share an error, so bands of lines serve as blocks, too, and the larger
    p-value counts.

    Variants too weak for a gap cancel in the mean, but neighbours agree. So a phase without gaps is also
    asked whether its displacements u_i, less their mean, agree over distance: Moran's I = sum of u_i · u_j
    over pairs of atoms two to three lattice spacings apart that share no neighbours and lie at least 1.5
    spacings apart across the scan lines. It is compared with what random signs make, one for each row: what a
    scan line does to a row stays in. Errors that both sublattices share are no displacement, but where a
    field is bent by several percent within ten cells, the middle of the neighbours is off, too. Each of the
    two tests is made at half of `alpha`, and ``p_value`` is twice the smaller p-value. The power for
    `relevant_pm` is computed for the mean (noncentral F) and, for domains, found by planting random ones on
    top of the measured displacements. Of domains, what far atoms have in common must exceed a `tolerance`;
    that is less than the displacement where domains end, so they may be larger by a half and not be seen.

    With `spatial`, the labels of k-means are where a hidden Markov random field begins: all labels share one
    covariance, and what two labels beside one another are worth, for each direction, is learned from how
    often they are (mean-field expectation maximisation; the weight of the neighbours by maximum
    pseudo-likelihood). The best of several starts counts. Clusters that only neighbours part are still one
    phase to the verdict, whose gaps are those of single atoms.

    Other than in the paper, clusters are learned from the atoms as they are, and the replicas labelled by
    them: variants that are not in the field are not invented. What the tests cannot tell: a microscope that
    shifts one sublattice against the other makes what a polar phase makes (give its size as `tolerance`), and
    so, slightly, does a steep gradient of strain. Domains along scan lines that jump look like the jumps.

    References
    ----------
    Belianinov et al., Nat. Commun. 6, 7801 (2015). Lin et al., Nanotechnology 24, 415707 (2013). Hartigan and
    Hartigan, Ann. Stat. 13, 70 (1985). Celeux, Forbes, Peyrard, Pattern Recognit. 36, 131 (2003), for the
    field. Moran, Biometrika 37, 17 (1950), for I. Winkler et al., NeuroImage 92,
    381 (2014), for random signs of exchangeable blocks.

    Examples
    --------
    >>> from atomlens import datasets
    >>> columns = datasets.load("bfo_phantom").data
    >>> crystal = LocalCrystallography(n_clusters=1, center="Fe", neighbors="Bi").fit(columns)
    >>> crystal.verdict_[["kind", "n_variants", "orbit_size"]]
              kind  n_variants  orbit_size
    phase
    0      ferroic           1           4
    """

    _asks_power = True

    def __init__(
        self,
        n_neighbors: int | str = 4,
        n_clusters: int = 4,
        *,
        center: str | int | None = None,
        neighbors: str | int | None = None,
        method: str = "kmeans",
        spatial: bool = False,
        point_group: str = "4mm",
        mirror: Sequence[float] = (1, 0),
        lattice: Lattice | None = None,
        alpha: float = 0.01,
        tolerance: float = 0.0,
        relevant_pm: float = 5.0,
        trust_scan: bool = False,
        random_state: int = 0,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.n_clusters = n_clusters
        self.center = center
        self.neighbors = neighbors
        self.method = method
        self.spatial = spatial
        self.point_group = point_group
        self.mirror = mirror
        self.lattice = lattice
        self.alpha = alpha
        self.tolerance = tolerance
        self.relevant_pm = relevant_pm
        self.trust_scan = trust_scan
        self.random_state = random_state

    def fit(self, X: DataFrame | Neighbourhoods, y: Any = None) -> Self:
        """Cluster neighbourhoods and judge the phases.

        Parameters
        ----------
        X : DataFrame or Neighbourhoods
            A table of columns with ``x`` and ``y`` in pixels, and ``sublattice`` or ``label``; or what
            `atomlens.lattice.neighbour_vectors` found (``n_neighbors``, ``center`` and ``neighbors`` then
            play no part).
        y : ignored

        Returns
        -------
        self
        """
        self._validate()
        hoods = self.neighbourhoods_ = self._neighbourhoods(X)
        group, near = self._group(hoods)
        self.point_group_ = group.symbol
        self.lattice_, self.centers_ = hoods.lattice, hoods.centres
        size = hoods.lattice.pixel_size_nm
        self.relevant_px_ = self.relevant_pm / (1000 * size if size else _CELL_PM / hoods.lattice.spacing)
        self.vectors_ = hoods.vectors @ group.frame
        self.ideal_ = (hoods.ideal @ group.frame)[0]
        points = self.vectors_.reshape(len(hoods.vectors), -1)
        whole = hoods.complete & (hoods.kind >= 0)
        self._learn(points, whole)
        if self.spatial:
            self._inform(points, whole)
        self._gaps(points[whole], self.labels_[whole])
        self._replicate(points, whole, group)
        self._judge(points, whole, group)
        self.doubts_ = [*hoods.doubts, *near, *self._undecided(), *(said := self._uncounted())]
        # That something is undecided, the verdict itself says; and who asks for one label counts no variants.
        warn(said if self.n_clusters > 1 else [])
        return self

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        """Parameters; after `fit` also the verdict, and what speaks against it."""
        what = super().__repr__(N_CHAR_MAX)
        if not hasattr(self, "verdict_"):
            return what
        lines = [f"\n  phase {number}: {_in_words(row)}" for number, row in self.verdict_.iterrows()]
        return what + "".join(lines) + repeated(self.doubts_)

    def _undecided(self):
        """Phases that cannot be judged, and why."""
        unseen = (self.verdict_["kind"] == "undecided") & (self.verdict_["power"] < ENOUGH)
        return [
            f"phase {number} is undecided: displacements of {self.relevant_pm:g} pm would be seen with a "
            f"probability of {power:.2f} only; locate columns better, take more of them, or ask for larger "
            "displacements with relevant_pm"
            for number, power in self.verdict_.loc[unseen, "power"].items()
        ]

    def _uncounted(self):
        """Phases of which only far atoms tell, and so not how many variants there are."""
        clusters = _replicas.groups(self.gap_p_values_ > self.alpha)
        return [
            f"phase {number} is ferroic, as displacements of far atoms agree, but no gap parts its variants, "
            f"{row['n_variants']} at least: " + ("their domains are in labels_" if self.spatial else _REMEDY)
            for number, row in self.verdict_.iterrows()
            if row["n_variants"] > np.unique(clusters[list(row["labels"])]).size
        ]

    @property
    def phase_labels_(self) -> ndarray:
        """Phase of each atom, -1 where there is no label: ndarray of int, shape (N,)."""
        return np.where(self.labels_ >= 0, self.phase_of_label_[self.labels_], -1)

    def _validate(self):
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        if not (_whole(self.n_clusters) and self.n_clusters >= 1):
            raise ValueError(f"n_clusters must be a whole number of at least 1, got {self.n_clusters!r}")
        if not (isinstance(self.alpha, Real) and 0 < self.alpha < 1):
            raise ValueError(f"alpha must lie between 0 and 1, got {self.alpha!r}")
        if not (isinstance(self.tolerance, Real) and 0 <= self.tolerance < np.inf):
            raise ValueError(f"tolerance must be a length in pixels, at least 0, got {self.tolerance!r}")
        if not (isinstance(self.relevant_pm, Real) and 0 < self.relevant_pm < np.inf):
            raise ValueError(f"relevant_pm must be a positive length in pm, got {self.relevant_pm!r}")

    def _neighbourhoods(self, X):
        if isinstance(X, Neighbourhoods):
            return X
        if not isinstance(X, pd.DataFrame):
            raise ValueError(f"expected a table of columns (DataFrame), got {type(X).__name__}")
        name = sublattice_column(X)
        names = [] if name is None else X[name].dropna().unique().tolist()
        if self.center is None and len(names) > 1:
            raise ValueError(
                f"the table has the sublattices {', '.join(map(repr, names))}: say whose "
                f"neighbourhoods to cluster, for example center={names[-1]!r}, neighbors={names[0]!r}"
            )
        return neighbour_vectors(
            X,
            self.lattice,
            n_neighbors=self.n_neighbors,
            center=self.center,
            neighbors=self.neighbors,
            random_state=self.random_state,
        )

    def _group(self, hoods):
        """Point group in the frame of the lattice, and doubts; an error says what would fit."""
        if isinstance(self.point_group, str) and self.point_group == "auto":
            symbol, mirror, said = suggest(hoods.lattice.basis, hoods.ideal)
            return point_group(symbol, hoods.lattice.basis, mirror=mirror or (1, 0)), said
        try:
            group = point_group(self.point_group, hoods.lattice.basis, mirror=self.mirror)
            group.permutations(hoods.ideal)
        except ValueError as error:
            if self.point_group not in POINT_GROUPS:
                raise
            fits = [
                repr(symbol) + (f" with mirror={mirror}" if mirror else "")
                for symbol, mirror in fitting(hoods.lattice.basis, hoods.ideal)
            ]
            raise ValueError(f"{error}. With these neighbours fit: {', '.join(fits)}") from None
        return group, []

    def _learn(self, points, whole):
        """Clusters of the complete neighbourhoods, the largest first; the others go to the nearest."""
        count = np.count_nonzero(whole)
        if count < self.n_clusters:
            raise ValueError(
                f"{count} atoms have all their {points.shape[1] // 2} neighbours, fewer than the "
                f"{self.n_clusters} clusters asked for: ask for fewer clusters or neighbours"
            )
        rows = np.flatnonzero(whole)
        if count > _MOST_ROWS:
            rows = np.random.default_rng(self.random_state).choice(rows, _MOST_ROWS, replace=False)
        centre = points[rows].mean(axis=0)  # distances between large, nearly equal numbers lose digits
        with one_thread():
            model = KMeans(self.n_clusters, n_init=10, random_state=self.random_state).fit(
                points[rows] - centre
            )
            centroids = model.cluster_centers_
            if self.method == "gmm":
                # One covariance for all: the columns of every phase are located with the same error.
                model = GaussianMixture(
                    self.n_clusters,
                    covariance_type="tied",
                    means_init=centroids,
                    random_state=self.random_state,
                )
                centroids = model.fit(points[rows] - centre).means_
            labels = model.predict(points[rows] - centre)
            order = np.argsort(-np.bincount(labels, minlength=self.n_clusters), kind="stable")
            centroids = centroids[order] + centre
            self.centroids_ = centroids.reshape(self.n_clusters, -1, 2)
            self.labels_ = _replicas.nearest_centroid(points, centroids)[0]
            self.labels_[whole] = np.argsort(order)[model.predict(points[whole] - centre)]
        self.labels_[self.neighbourhoods_.kind < 0] = -1

    def _inform(self, points, whole):
        """Let the labels of neighbouring atoms inform one another."""
        hoods, k, basis = self.neighbourhoods_, self.n_clusters, self.neighbourhoods_.lattice.basis
        centre = points[whole].mean(axis=0)
        cell, kind = hoods.cell[whole], hoods.kind[whole]
        seed = self.random_state
        with one_thread():
            found = spatial_labels(
                points[whole] - centre, self.labels_[whole], k, cell, kind, basis, random_state=seed
            )
        self.coupling_ = found.coupling
        order = np.argsort(-np.bincount(found.labels, minlength=k), kind="stable")
        self.centroids_ = (found.means + centre)[order].reshape(self.centroids_.shape)
        some = self.labels_ >= 0
        labels = np.full(len(points), -1)
        labels[whole] = found.labels
        links = links_of(hoods.cell[some], hoods.kind[some], basis)
        labels[some] = labelled_in_part(points[some] - centre, labels[some], found, links)
        self.labels_[some] = np.argsort(order)[labels[some]]

    def _gaps(self, points, labels):
        """Test for a gap in density between every two labels: learned on one half, tested on the other."""
        rng = np.random.default_rng(self.random_state)
        k = self.n_clusters
        self.gap_p_values_ = np.ones((k, k))
        if k == 1:
            return
        if len(points) > _MOST_ROWS:
            some = rng.choice(len(points), _MOST_ROWS, replace=False)
            points, labels = points[some], labels[some]
        start = np.array(
            [points[labels == n].mean(axis=0) if (labels == n).any() else points[0] for n in range(k)]
        )
        if len(points) // 2 < k:
            return
        # Each half is judged by what the other one taught.
        learn = KMeans(k, init=start, n_init=1, random_state=self.random_state).fit
        with one_thread():
            self.gap_p_values_ = over_splits(split_halves(points, learn, _SPLITS, rng, turns=2))

    def _replicate(self, points, whole, group):
        """Labels of all replicas and translated atoms, and their contingency with the labels."""
        hoods = self.neighbourhoods_
        self.operations_ = group.names
        names = [f"label {k}" for k in range(self.n_clusters)]
        centroids = self.centroids_.reshape(self.n_clusters, -1)
        replicas = group.replicas(self.vectors_[whole], hoods.kind[whole], hoods.ideal)
        found = _replicas.label_replicas(
            points[whole], self.labels_[whole], centroids, replicas.reshape(len(group), whole.sum(), -1)
        )
        found[0] = self.labels_[whole]
        self.replica_labels_ = np.full((len(group), len(points)), -1)
        self.replica_labels_[:, whole] = found
        tables = {
            name: _replicas.contingency(self.labels_[whole], images, self.n_clusters)
            for name, images in zip(self.operations_, found, strict=True)
        }
        for step in _TRANSLATIONS:
            rows = _replicas.translated(hoods, step)
            images = self.labels_[rows]
            there = (rows >= 0) & (images >= 0) & (self.labels_ >= 0)
            tables[f"+{step}"] = _replicas.contingency(self.labels_[there], images[there], self.n_clusters)
        self.contingency_ = {
            name: pd.DataFrame(table, index=names, columns=[*names, "none"]) for name, table in tables.items()
        }

    def _judge(self, points, whole, group):
        """Merge, find orbits and test: the verdict."""
        hoods = self.neighbourhoods_
        evidence = Evidence(
            points=points[whole],
            labels=self.labels_[whole],
            kind=hoods.kind[whole],
            cell=hoods.cell[whole],
            height=_across_lines(hoods)[whole],
            basis=hoods.lattice.basis / hoods.lattice.spacing,
            spacing=hoods.lattice.spacing,
            ideal=hoods.ideal,
            group=group,
            gaps=self.gap_p_values_,
            replicas=[self.contingency_[name].to_numpy() for name in self.operations_],
            translated=[self.contingency_[f"+{step}"].to_numpy() for step in _TRANSLATIONS],
            same_site=_on_own_site(hoods),
        )
        relevant = self.relevant_px_ if self._asks_power else None
        settings = Settings(self.alpha, self.tolerance, relevant, self.trust_scan, self.random_state)
        self.verdict_, self.phase_of_label_ = verdict(evidence, settings)
        if self.lattice_.pixel_size_nm:
            pm = 1000 * self.lattice_.pixel_size_nm * self.verdict_["asymmetry_px"]
            self.verdict_.insert(self.verdict_.columns.get_loc("p_value"), "asymmetry_pm", pm)


def _in_words(row):
    """A row of the verdict as a part of a sentence."""
    text = f"{row['kind']}, {row['n']} atoms, p = {row['p_value']:.2g}"
    if row["ferroic"]:
        return f"{text}, {row['n_variants']} of {row['orbit_size']} variants"
    return text if np.isnan(row["power"]) else f"{text}, power {row['power']:.2f}"


def _across_lines(hoods):
    """Place of each centre across the scan lines (along y), in lattice spacings."""
    return hoods.cell @ hoods.lattice.basis[:, 1] / hoods.lattice.spacing


def _on_own_site(hoods):
    """Whether all neighbours are whole lattice vectors away."""
    steps = hoods.ideal @ np.linalg.inv(hoods.lattice.basis)
    return bool(np.abs(steps - np.rint(steps)).max() < _WHOLE)


def _whole(value):
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
