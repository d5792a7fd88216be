"""How many clusters? Seven criteria side by side, and one calibrated test that decides."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from kneed import KneeLocator
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, calinski_harabasz_score, silhouette_score
from sklearn.pipeline import Pipeline

from atomlens._gap import Fold, gap_p_values, over_splits, split_halves
from atomlens._threads import one_thread
from atomlens._types import Any, ArrayLike, DataArray, Iterable
from atomlens.spectra._cluster import _count_steps, _everywhere, _steps, few_counts
from atomlens.spectra._courses import course_p_values
from atomlens.spectra._interfaces import has_interface_cluster
from atomlens.spectra._matrix import as_spectra
from atomlens.spectra.clusterer import _fit_mixture
from atomlens.spectra.counts import Halvings, count_folds, dose

__all__ = ["KChoice", "choose_k", "separation_p_value"]

_FEW = 60  # spectra below which there are too few to hold some out
_SPLITS = 3  # into halves, at random
_SURROGATES = 199
_ENOUGH = 20  # surrogates as extreme as the points, after which their share is known well enough
_ROUND = 0.4  # ratio of the two largest variances that a ring of 20 points rarely falls short of
_STABLE = 0.9  # ARI between resamples that counts as "the same clusters"


@dataclass(frozen=True)
class KChoice:
    """What `choose_k` found.

    Attributes
    ----------
    table : DataFrame
        One row a k (index ``k``), one column a criterion: ``inertia``, ``silhouette``,
        ``calinski_harabasz``, ``gap`` with ``gap_error``, ``bic``, ``stability`` and ``null_p``.
    recommended : int
        The largest k whose clusters are all separated by a gap in density, and none of them a mixture
        along an interface; 1 when there are none.
    reasons : DataFrame
        One row a criterion: the ``k`` it prefers and ``reason``, in words.
    distinguishable : int or None
        Where counts are few: how many spectra the counts tell apart. They may be phases or stages of a
        continuum; only a gap (`recommended`) says that they are phases. None where counts are not few.
    counts : float or None
        Mean counts a spectrum, where they are few.
    """

    table: pd.DataFrame
    recommended: int
    reasons: pd.DataFrame
    distinguishable: int | None = None
    counts: float | None = None

    def __repr__(self):
        k = self.recommended
        what = "no clusters" if k == 1 else f"{k} clusters"
        return f"<KChoice: {what} recommended ({self.reasons.reason['null_p']}); see .reasons and .table>"


def choose_k(
    si: DataArray | ArrayLike,
    k_range: Iterable[int] | None = None,
    *,
    method: str = "auto",
    preprocess: Any = "recommended",
    mask: ArrayLike | DataArray | None = None,
    alpha: float = 0.05,
    n_resamples: int = 8,
    max_points: int = 3000,
    random_state: int = 0,
) -> KChoice:
    """Compare numbers of clusters by seven criteria, and recommend one by a test.

    Parameters
    ----------
    si : DataArray or array_like of shape (..., L)
    k_range : iterable of int, optional
        Numbers of clusters to try: 1 to 8 without it, or to the number of spectra if that is smaller.
    method : {"auto", "kmeans", "multinomial"}
        Which clusters the test looks at, as `cluster` finds them: ``"auto"`` takes those of a multinomial
        mixture where raw counts are few, of k-means otherwise.
    preprocess, mask
        As for `cluster`.
    alpha : float
        Level of the surrogate-null test behind the recommendation.
    n_resamples : int
        Resamples of the gap statistic and of the stability.
    max_points : int
        Spectra used for the criteria; more are thinned at random. The test uses up to three times as many.
    random_state : int

    Returns
    -------
    KChoice

    Raises
    ------
    ValueError
        If k_range is empty or holds a number below 1 or above the number of spectra, if alpha is not
        between 0 and 1, or if the data are not spectra.

    Notes
    -----
    The criteria answer different questions and are not expected to agree: inertia (its elbow) and
    Calinski-Harabasz reward compact clusters, the silhouette favours the few that are farthest apart,
    BIC counts the Gaussians that are needed to *fit* the density, however they overlap, the gap statistic
    compares with a uniform box, stability asks whether another sample would give the same answer.

    ``null_p`` tests the surrogate null "at least one pair of these clusters is a single unimodal cloud
    that was cut in two", straight or bent (see `separation_p_value`). Silhouette and Calinski-Harabasz
    cannot answer 1; the gap statistic and BIC can, but each against clouds of one shape, a box or a
    Gaussian. The test does not mind the shape, nor a continuum such as a thickness gradient or a peak that
    moves: so the recommendation rests on it. A continuum whose stages are not equally frequent, with dense
    ends or a sparse middle, does have a valley, and counts as two.

    It does mind mixtures: with many counts, the few mixing ratios that occur at sharp interfaces are
    clusters with gaps around them. On a map or line, a k is therefore passed over when one of its
    clusters lies between two others in the space of the spectra and lines their common interface. An
    intermediate layer thinner than the probe's reach cannot be told from such a mixture.

    Where raw counts are few (`cluster` says when), the noise of a single spectrum fills the gaps there may
    be. Then clusters and directions are those of a multinomial mixture, which sees gaps at a lower dose, and
    the table has one more column, ``mixture_p``: of the null "one spectrum less than k predicts the counts
    as well", tested on halves of the counts. ``null_p`` is never below it. The largest k in a row for
    which it is small is `KChoice.distinguishable`; larger k are not tried (NaN).

    References
    ----------
    Rousseeuw, J. Comput. Appl. Math. 20, 53 (1987), silhouette. Calinski and Harabasz, Commun. Stat. 3, 1
    (1974). Tibshirani, Walther and Hastie, J. R. Stat. Soc. B 63, 411 (2001), gap. Schwarz, Ann. Stat. 6,
    461 (1978), BIC. Ben-Hur, Elisseeff and Guyon, Pac. Symp. Biocomput. 7, 6 (2002), stability.
    Hartigan and Hartigan, Ann. Stat. 13, 70 (1985), dip. Hastie and Stuetzle, J. Am. Stat. Assoc. 84, 502
    (1989), principal curves. Neufeld, Dharamshi, Gao and Witten, J. Mach. Learn. Res. 25, 57 (2024), halving
    the counts.

    Examples
    --------
    >>> from atomlens import simulate
    >>> choose_k(simulate.spectra.eels(3, shape=(32, 32)).data, range(1, 6)).recommended
    3
    """
    spectra = as_spectra(si, mask)
    keep = spectra.keep
    n = spectra.matrix.shape[0] if keep is None else int(keep.sum())
    ks = _as_range(k_range, n)
    if not (n_resamples >= 1 and max_points >= 2):
        raise ValueError(
            f"n_resamples must be at least 1 and max_points 2, got {n_resamples} and {max_points}"
        )
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
    if method not in ("auto", "kmeans", "multinomial"):
        raise ValueError(f"method must be auto, kmeans or multinomial, got {method!r}")
    counts = None
    if method == "multinomial" or (method == "auto" and few_counts(spectra, preprocess) is not None):
        counts = _counts(spectra, preprocess, 3 * max_points, random_state)
        if not spectra.is_lazy:  # without a count a spectrum has no shape, and no place among the components
            keep = spectra.matrix.any(axis=1) & (True if keep is None else keep)
    # The seven criteria are those of components, whatever the test looks at.
    by_components = "recommended" if counts is not None else preprocess
    points = np.ascontiguousarray(_points(spectra, keep, si, by_components, random_state, mask))
    chosen = np.random.default_rng(random_state).permutation(len(points))[: 3 * max_points]
    many, few = points[np.sort(chosen)], points[np.sort(chosen[:max_points])]
    with one_thread():
        rows = {k: _criteria(few, k, n_resamples, random_state) for k in ks}
        if counts is None:
            for k in ks:
                rows[k]["null_p"] = (
                    separation_p_value(many, k, random_state=random_state) if k > 1 else np.nan
                )
        else:
            _test_counts(rows, counts, alpha, random_state)
    table = pd.DataFrame(rows).T.rename_axis("k")
    reasons = _reasons(table, alpha)
    separated = [k for k in ks if table.loc[k, "null_p"] <= alpha]
    mixed = [k for k in separated if _lines_interfaces(points, chosen, spectra, keep, k, random_state)]
    recommended = max(set(separated) - set(mixed), default=1)
    if mixed and recommended == 1:
        reason = "every k that is separated has clusters that are mixtures along interfaces: try smaller k"
        reasons.loc["null_p"] = (1, reason)
    elif recommended < max(separated, default=1):
        reason = f"no mixtures along interfaces, as some of {max(separated)} are"
        reasons.loc["null_p"] = (recommended, f"{reasons.loc['null_p', 'reason']}, and {reason}")
    if recommended == ks[-1] > 1:
        reasons.loc["null_p", "reason"] += "; this is the end of k_range, so try larger k too"
    if counts is None:
        return KChoice(table, recommended, reasons)
    told_apart = max((k for k in ks if table.loc[k, "mixture_p"] <= alpha), default=1)
    a_spectrum = float(counts.sum() / len(counts))
    _say_what_counts_tell(reasons, recommended, told_apart, a_spectrum, alpha)
    return KChoice(table, recommended, reasons, told_apart, a_spectrum)


def _as_range(k_range, n):
    """Numbers of clusters to try, in order."""
    if k_range is None:
        return list(range(1, min(8, n) + 1))
    if not np.iterable(k_range):
        raise TypeError(f"k_range must be several numbers, such as range(1, 9), got {k_range!r}")
    given = list(k_range)
    if not all(isinstance(k, int | np.integer) for k in given):
        raise TypeError(f"k_range must hold whole numbers, got {given}")
    ks = sorted({int(k) for k in given})
    if not ks or ks[0] < 1 or ks[-1] > n:
        raise ValueError(
            f"k_range must hold whole numbers from 1 to {n}, the number of spectra; got {ks or 'nothing'}"
        )
    return ks


def _counts(spectra, preprocess, most, random_state):
    """Counts of at most so many spectra that take part, without spikes and without empty spectra."""
    from atomlens.spectra._streaming import a_few

    if spectra.is_lazy:
        some = a_few(spectra.matrix, spectra.keep, most)
    else:
        some = spectra.matrix if spectra.keep is None else spectra.matrix[spectra.keep]
        some = some[np.sort(np.random.default_rng(random_state).permutation(len(some))[:most])]
    steps = _count_steps(preprocess)
    some = Pipeline(steps).fit_transform(some) if steps else some
    if dose(some) is None:
        raise ValueError(
            "method 'multinomial' tests by halving the counts, which must be whole numbers, none negative: "
            "pass the raw counts, or use method='kmeans'"
        )
    return some[some.any(axis=1)].astype(np.float64)


def _test_counts(rows, counts, alpha, seed):
    """Fill in the p-values of the mixture of counts, up to the first k whose spectra cannot be told apart."""
    for row in rows.values():
        row["null_p"] = row["mixture_p"] = np.nan
    halvings = Halvings(counts, random_state=seed)
    for k, row in rows.items():
        if k == 1:
            continue
        enough = len(counts) >= 2 * k  # else there is nothing to learn clusters from
        row["mixture_p"] = halvings.p_value(k) if enough else 1.0
        gaps = [1.0]
        if row["mixture_p"] <= alpha:
            # A half in which fewer clusters were found than asked for saw no gap.
            gaps = [
                1.0 if fold is None else _largest(_straight_and_along([fold]))
                for fold in count_folds(counts, k, _SPLITS, random_state=seed)
            ]
        row["null_p"] = max(float(over_splits(np.array(gaps))), row["mixture_p"])
        if row["mixture_p"] > alpha:
            break


def _say_what_counts_tell(reasons, recommended, told_apart, counts, alpha):
    """Add in words what few counts can tell and what they cannot."""
    apart = (
        f"largest k that predicts the counts better than one less (p <= {alpha:g}); phases or a continuum"
        if told_apart > 1
        else "one spectrum predicts the counts as well as two"
    )
    reasons.loc["mixture_p"] = (told_apart, apart)
    if recommended > 1 or reasons.k["null_p"] > 1:
        return
    seen = (
        f"the counts tell {told_apart} spectra apart, but not whether these are phases or a continuum"
        if told_apart > 1
        else "the counts tell no two spectra apart"
    )
    remedy = "bin the scan or count longer to see gaps"
    reasons.loc["null_p"] = (1, f"{counts:.0f} counts a spectrum are few: {seen}; {remedy}")


def _points(spectra, keep, si, preprocess, random_state, mask=None):
    """Component scores of all spectra that take part."""
    from atomlens.spectra._streaming import transform

    steps = _steps(si, preprocess, mask)
    if spectra.is_lazy:
        return transform(spectra.matrix, steps, keep, random_state, False)[0]
    matrix = spectra.matrix if keep is None else spectra.matrix[keep]
    return Pipeline(steps).fit_transform(matrix) if steps else matrix


def _lines_interfaces(points, chosen, spectra, keep, k, seed):
    """Whether one of k clusters is but a mixture along an interface; scattered spots have no interfaces."""
    if k < 3 or spectra.scan.ndim > 2 or not {"y", "x"} >= set(spectra.scan.dims):
        return False
    with one_thread():
        model = KMeans(k, n_init=10, random_state=seed).fit(points[chosen])
    labels = _everywhere(model.predict(points).astype(int), keep, -1).reshape(spectra.scan.shape)
    return has_interface_cluster(labels, model.cluster_centers_.astype(float))


def _criteria(few, k, n_resamples, seed):
    """All criteria for one k but the test."""
    k_few = min(k, len(few))
    model = KMeans(k_few, n_init=10, random_state=seed).fit(few)
    row = {"inertia": model.inertia_, "silhouette": np.nan, "calinski_harabasz": np.nan}
    if 1 < k_few < len(few):
        row["silhouette"] = silhouette_score(few, model.labels_)
        row["calinski_harabasz"] = calinski_harabasz_score(few, model.labels_)
    row["gap"], row["gap_error"] = _gap(few, k_few, model.inertia_, n_resamples, seed)
    row["bic"] = _bic(few, k_few, seed)
    row["stability"] = _stability(few, k_few, n_resamples, seed)
    return row


def _gap(points, k, inertia, n_resamples, seed):
    """Gap statistic against a uniform box along the principal axes, and its error."""
    rng = np.random.default_rng(seed)
    low, high = points.min(axis=0), points.max(axis=0)
    logs = [
        np.log(
            max(
                KMeans(k, n_init=3, random_state=seed).fit(rng.uniform(low, high, points.shape)).inertia_,
                1e-300,
            )
        )
        for _ in range(n_resamples)
    ]
    return np.mean(logs) - np.log(max(inertia, 1e-300)), np.std(logs) * np.sqrt(1 + 1 / n_resamples)


def _bic(points, k, seed):
    """BIC of a Gaussian mixture; NaN when there are fewer points than its parameters."""
    n, d = points.shape
    if n <= k * (1 + d + d * (d + 1) // 2):
        return np.nan
    return _fit_mixture(points, k, seed)[0].bic(points.astype(np.float64))


def _stability(points, k, n_resamples, seed):
    """Mean adjusted Rand index between clusterings learned from two halves of the points."""
    if k == 1 or len(points) < 4 * k:
        return np.nan
    rng = np.random.default_rng(seed)
    scores = []
    for _ in range(n_resamples):
        order = rng.permutation(len(points))
        halves = order[: len(points) // 2], order[len(points) // 2 :]
        one, two = (
            KMeans(k, n_init=3, random_state=seed).fit(points[half]).predict(points) for half in halves
        )
        scores.append(adjusted_rand_score(one, two))
    return np.mean(scores)


def separation_p_value(points, k, *, random_state=0):
    """Test whether k clusters are all separated by a gap in density.

    The null: at least one pair of the k clusters is one unimodal cloud that was cut in two. k-means
    learns the clusters on one half of the points. On the other half, each pair is projected on the
    direction that tells the two best (Fisher's, learned on the first half), cut so that the larger cluster
    takes part with as many points as the smaller one, and Hartigan's dip compares the projection with
    the unimodal surrogate that is hardest to tell, the uniform distribution. A bent cloud has two humps on
    a straight line, so the dip is taken a second time, of the places along a principal curve that the first
    half lays through the pair; a gap shows on both, and the larger p-value counts. The largest p-value over
    the pairs tests the null (intersection-union), and twice the median over several splits keeps the level.
    Below 60 points nothing is held out; the p-value is then calibrated on surrogate clouds, Gaussian,
    uniform and (where the points are as wide in two directions) rings, of the same size and covariance.

    Parameters
    ----------
    points : ndarray of shape (N, n)
        Component scores.
    k : int
        Number of clusters, at least 2.
    random_state : int

    Returns
    -------
    float
        p-value; small when there are at least k clusters.

    Raises
    ------
    ValueError
        If k is below 2.

    Notes
    -----
    Conservative: a Gaussian cloud dips far less than a uniform one. Clusters that touch, their
    densities without a valley between, count as one. A bend of a radius below three or four widths of the
    noise cannot be followed by a curve: such a ring may look like two ends.

    References
    ----------
    Hartigan and Hartigan, Ann. Stat. 13, 70 (1985); Hastie and Stuetzle, J. Am. Stat. Assoc. 84, 502 (1989),
    for principal curves; Besag and Clifford, Biometrika 78, 301 (1991), for p-values by simulation;
    Meinshausen, Meier and Buehlmann, J. Am. Stat. Assoc.
    104, 1671 (2009), for p-values over splits.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> cloud = rng.normal(size=(400, 2))
    >>> pair = cloud + 8 * rng.integers(0, 2, (400, 1))
    >>> separation_p_value(cloud, 2) > 0.05, separation_p_value(pair, 2) < 0.01
    (True, True)
    """
    if k < 2:
        raise ValueError(f"k={k}: one cluster has nothing to be separated from; k must be at least 2")
    points = np.asarray(points, dtype=np.float64)
    if len(points) < 2 * k:
        return 1.0
    if len(points) < _FEW:
        return _calibrated_p(points, k, random_state)
    rng = np.random.default_rng(random_state)
    learn = KMeans(k, n_init=10, random_state=random_state).fit
    # Fisher's direction takes the shape of the clusters into account: there are points to learn it from.
    rounds = split_halves(points, learn, _SPLITS, rng, judge=_straight_and_along)
    return float(over_splits([_largest(p) for p in rounds]))


def _straight_and_along(folds):
    """The larger of the p-values on a straight line and along a curve: a gap shows on both."""
    straight = gap_p_values(folds)
    if _largest(straight) >= 0.5:  # twice that is 1 already, whatever a curve would say
        return straight
    return np.maximum(straight, course_p_values(folds[0]))


def _calibrated_p(points, k, seed):
    """The same test where there is too little to hold any points out: calibrated on surrogates.

    Clusters, direction, curve and dip all see the same points, which makes any cloud look clustered. How much
    so is measured on unimodal clouds of the same size and covariance, Gaussian and uniform, and on an even
    ring where the points are as wide in two directions; the largest of the p-values counts.
    """
    rng = np.random.default_rng(seed)
    power, axes = np.linalg.eigh(np.cov(points.T).reshape(points.shape[1], -1))
    power = np.maximum(power, 0)
    spread = axes * np.sqrt(power)
    draws = [
        lambda: rng.standard_normal(points.shape) @ spread.T,
        lambda: rng.uniform(-np.sqrt(3), np.sqrt(3), points.shape) @ spread.T,
    ]
    if len(power) > 1 and power[-2] >= _ROUND * power[-1]:
        draws.append(lambda: _ring(len(points), power, rng) @ axes.T)
    with one_thread():
        observed = _judged_by_itself(points, k, seed, 1.0)
        if observed == 1:
            return 1.0
        return max(_rank(observed, draw, k, seed) for draw in draws)


def _ring(n, power, rng):
    """An even ring in the two widest directions, Gaussian in the others."""
    cloud = rng.standard_normal((n, len(power))) * np.sqrt(power)
    angle = rng.uniform(0, 2 * np.pi, n)
    cloud[:, -2:] = np.sqrt(power[-2:].sum()) * np.column_stack([np.cos(angle), np.sin(angle)])
    return cloud


def _rank(observed, draw, k, seed):
    """p-value among surrogates; drawing stops early where it will not be small (Besag and Clifford, 1991)."""
    as_extreme = 0
    for drawn in range(1, _SURROGATES + 1):
        as_extreme += _judged_by_itself(draw(), k, seed, observed) <= observed
        if as_extreme == _ENOUGH:
            return as_extreme / drawn
    return (1 + as_extreme) / (1 + _SURROGATES)


def _judged_by_itself(points, k, seed, most):
    """The larger of the p-values on a straight line and along a curve; above `most` the first will do."""
    model = KMeans(k, n_init=3, random_state=seed).fit(points)
    fold = Fold.of(model, points, points)
    straight = gap_p_values([fold], fisher=False)
    if _largest(straight) > most:
        return _largest(straight)
    return _largest(np.maximum(straight, course_p_values(fold)))


def _largest(p_values):
    """Of all pairs of clusters: they are all separated only if this is small."""
    return float(p_values[np.triu_indices(len(p_values), 1)].max())


def _reasons(table, alpha):
    """What each criterion prefers, in words."""

    def best(column, pick):
        values = table[column].dropna()
        return int(getattr(values, pick)()) if len(values) else None

    rows = {}
    knee = None
    if len(table) > 2:
        knee = KneeLocator(
            table.index.tolist(), table["inertia"].tolist(), curve="convex", direction="decreasing"
        ).knee
    rows["inertia"] = (knee, "elbow of the inertia" if knee else "the inertia has no elbow")
    rows["silhouette"] = (best("silhouette", "idxmax"), "largest silhouette; cannot be 1")
    rows["calinski_harabasz"] = (best("calinski_harabasz", "idxmax"), "largest variance ratio; cannot be 1")
    gap, error, ks = table["gap"], table["gap_error"], table.index
    enough = [k for k, after in pairwise(ks) if gap[k] >= gap[after] - error[after]]
    rows["gap"] = (
        (enough[0], "first k whose gap the next k does not beat by its error")
        if enough
        else (None, "the gap still grows at the end of the range")
    )
    rows["bic"] = (best("bic", "idxmin"), "lowest BIC of a mixture of Gaussians")
    stable = table.index[table["stability"] >= _STABLE]
    rows["stability"] = (
        (int(stable.max()), f"largest k that two half samples agree on (ARI of at least {_STABLE:g})")
        if len(stable)
        else (None, "no k that two half samples agree on")
    )
    separated = table.index[table["null_p"] <= alpha]
    rows["null_p"] = (
        (
            int(separated.max()),
            f"largest k whose clusters are all separated by a gap in density (p <= {alpha:g})",
        )
        if len(separated)
        else (1, "no k splits the spectra at a gap in density: no clusters, or a continuum")
    )
    return (
        pd.DataFrame(rows, index=["k", "reason"])
        .T.astype({"k": "Int64", "reason": object})
        .rename_axis("criterion")
    )
