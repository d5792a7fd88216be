"""Labels that neighbouring atoms tell one another: a hidden Markov random field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, softmax
from sklearn.cluster import KMeans

from atomlens.crystallography._agreement import follow

_NEAREST = (
    1.2  # of the shortest lattice translation: four neighbours in a square lattice, six in a hexagonal one
)
_REACH = 2  # cells: no shortest translation is longer
_ROUNDS = 60
_STILL = 1e-3  # largest change of a probability that ends the rounds
_STEP = 0.5  # of the way to the new probabilities: all atoms change at once, and may swing otherwise
_MOST_COUPLING = 1.5
_NEWTON = 2  # steps a round; rounds begin where the last one ended
_GAIN = 1.0  # nats: what another start must gain
_EXACT = 1e-12  # of the scatter: what keeps a covariance from being singular


@dataclass(frozen=True)
class Field:
    """Labels of atoms that know of one another.

    Attributes
    ----------
    labels : ndarray of int, shape (N,)
    means : ndarray of shape (K, n)
    coupling : float
        0 where neighbours say nothing, 1 where each says as much as it would alone.
    likelihood : float
        Log of the pseudo-likelihood, by which starts are compared.
    covariance : ndarray of shape (n, n)
        Of every label.
    prior : ndarray of shape (K,)
        Log of the share of each label.
    odds : list of ndarray of shape (K, K)
        For each direction what two labels beside one another are worth.
    """

    labels: np.ndarray
    means: np.ndarray
    coupling: float
    likelihood: float
    covariance: np.ndarray
    prior: np.ndarray
    odds: list


def spatial_labels(points, labels, n_labels, cell, kind, basis, *, random_state):
    """Labels of atoms that inform their neighbours, the best of several starts.

    Parameters
    ----------
    points : ndarray of shape (N, n)
    labels : ndarray of int, shape (N,)
        Of k-means.
    n_labels : int
    cell : ndarray of int, shape (N, 2)
    kind : ndarray of int, shape (N,)
        Site in the cell: every site is a lattice of its own.
    basis : ndarray of shape (2, 2)
    random_state : int

    Returns
    -------
    Field
    """
    links = links_of(cell, kind, basis)
    calm = KMeans(n_labels, n_init=10, random_state=random_state).fit_predict(averaged(points, cell, kind))
    best = max((settle(points, start, n_labels, links) for start in (labels, calm)), key=_likelihood)
    for _ in range(n_labels if n_labels > 1 else 0):
        other = settle(points, exchanged(points, best, links), n_labels, links)
        if other.likelihood < best.likelihood + _GAIN:
            break
        best = other
    return best


def _likelihood(field):
    return field.likelihood


def labelled_in_part(points, labels, found, links):
    """Labels of atoms that lack neighbours, from what is there and from the labels beside them.

    Parameters
    ----------
    points : ndarray of shape (N, n)
        NaN where a neighbour is missing.
    labels : ndarray of int, shape (N,)
        -1 for those to be labelled.
    found : Field
        Of the others.
    links : list of pairs of ndarray of int
        Of all N.

    Returns
    -------
    ndarray of int, shape (N,)
    """
    q = np.eye(len(found.means))[labels] * (labels >= 0)[:, None]
    field = np.zeros_like(q)
    for (a, b), odds in zip(links, found.odds, strict=True):
        field[a] += q[b] @ odds.T
        field[b] += q[a] @ odds
    score, out = found.prior + found.coupling * field, labels.copy()
    for row in np.flatnonzero(labels < 0):
        there = np.isfinite(points[row])
        off = (points[row] - found.means)[:, there]
        inverse = np.linalg.pinv(found.covariance[np.ix_(there, there)], hermitian=True)
        out[row] = (score[row] - 0.5 * ((off @ inverse) * off).sum(axis=1)).argmax()
    return out


def links_of(cell, kind, basis):
    """Rows of atoms a shortest lattice translation apart: for each direction a pair of arrays."""
    side = np.arange(-_REACH, _REACH + 1)
    steps = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    steps = steps[(steps[:, 0] > 0) | ((steps[:, 0] == 0) & (steps[:, 1] > 0))]
    length = np.linalg.norm(steps @ basis, axis=1)
    links = []
    for step in steps[length <= _NEAREST * length.min()]:
        there = _beside(cell, kind, step)
        links.append((np.flatnonzero(there >= 0), there[there >= 0]))
    return links


def _beside(cell, kind, step):
    """Row of the atom on the same site, a number of cells away; -1 where there is none."""
    out = np.full(len(cell), -1)
    for site in np.unique(kind):
        rows = np.flatnonzero(kind == site)
        there = follow(cell[rows], step)
        out[rows[there >= 0]] = rows[there[there >= 0]]
    return out


def averaged(points, cell, kind):
    """Mean over an atom and those two cells away, which a doubled lattice leaves alone."""
    total, count = points.copy(), np.ones(len(points))
    for step in ((2, 0), (-2, 0), (0, 2), (0, -2)):
        there = _beside(cell, kind, step)
        on = there >= 0
        total[on] += points[there[on]]
        count += on
    return total / count[:, None]


def settle(points, labels, n_labels, links):
    """Find labels of a Potts field by mean-field expectation maximisation.

    Each label has a mean, and all share one covariance. The prior of an atom's label is the label's share
    times what its neighbours make likely: for each direction the log odds of two labels beside one another,
    ln p(k, l) / (p(k) p(l)), learned from the labels themselves, so that domains attract their own kind and
    the labels of a doubled lattice one another. Their sum counts neighbours twice that know of each other; a
    common factor, the coupling, corrects that by maximum pseudo-likelihood.

    Parameters
    ----------
    points : ndarray of shape (N, n)
    labels : ndarray of int, shape (N,)
        To begin with.
    n_labels : int
    links : list of pairs of ndarray of int
        From `links_of`.

    References
    ----------
    Zhang, IEEE Trans. Signal Process. 40, 2570 (1992), for the mean field. Besag, J. R. Stat. Soc. B 48, 259
    (1986), for the pseudo-likelihood. Celeux, Forbes, Peyrard, Pattern Recognit. 36, 131 (2003), for both
    together.
    """
    q, coupling = np.eye(n_labels)[labels], 0.5
    for _ in range(_ROUNDS):
        means, covariance, data = _emission(points, q)
        prior, coupling, share, odds = _prior(q, links, coupling)
        wanted = softmax(prior + data, axis=1)
        change = np.abs(wanted - q).max()
        q += _STEP * (wanted - q)
        if change < _STILL:
            break
    likelihood = logsumexp(prior + data, axis=1).sum()
    return Field(q.argmax(axis=1), means, coupling, float(likelihood), covariance, share, odds)


def _emission(points, q):
    """Means of the labels, and the log density of every point for each."""
    share = q.sum(axis=0) + 1e-9
    means = q.T @ points / share[:, None]
    scatter = points.T @ points - (means.T * q.sum(axis=0)) @ means
    covariance = scatter / len(points)
    covariance += (_EXACT * np.trace(covariance) + 1e-24) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, _EXACT * values[-1])
    white = vectors / np.sqrt(values)
    x, m = points @ white, means @ white
    distance = (x**2).sum(axis=1)[:, None] - 2 * x @ m.T + (m**2).sum(axis=1)
    return means, covariance, -0.5 * (distance + np.log(values).sum())


def _prior(q, links, coupling):
    """Log prior of every label of each atom, given its neighbours; and the coupling, from the last one."""
    n, k = q.shape
    share = (q.sum(axis=0) + 1) / (n + k)
    field, worth = np.zeros_like(q), []
    for a, b in links:
        pairs = q[a].T @ q[b] + k * np.outer(share, share)  # as if some more had no order
        pairs /= pairs.sum()
        odds = np.log(pairs / np.outer(pairs.sum(axis=1), pairs.sum(axis=0)))
        field[a] += q[b] @ odds.T  # no atom has two neighbours in one direction
        field[b] += q[a] @ odds
        worth.append(odds)
    base = np.log(share)
    for _ in range(_NEWTON):
        # The pseudo-likelihood is concave in the coupling: its slope, and how fast that falls.
        expected = softmax(base + coupling * field, axis=1)
        mean = (expected * field).sum(axis=1)
        slope = (q * field).sum() - mean.sum()
        bend = (expected * field**2).sum() - (mean**2).sum()
        coupling = float(np.clip(coupling + slope / max(bend, 1e-9), 0.0, _MOST_COUPLING))
    prior = base + coupling * field
    return prior - logsumexp(prior, axis=1, keepdims=True), coupling, base, worth


def exchanged(points, found, links):
    """Labels for another start: the two most alike become one, and the worst explained patch gets its own.

    k-means likes clusters of one size: it rather cuts a large one in two than to see a small one.
    """
    k = len(found.means)
    q = np.eye(k)[found.labels]
    left = points - found.means[found.labels]
    values, vectors = np.linalg.eigh(left.T @ left / len(points))
    white = vectors / np.sqrt(np.maximum(values, _EXACT * values[-1] + 1e-24))
    patch, count = left.copy(), np.ones(len(points))
    for a, b in links:
        patch[a] += left[b]
        patch[b] += left[a]
        count[a] += 1
        count[b] += 1
    odd = (((patch / np.sqrt(count)[:, None]) @ white) ** 2).sum(axis=1)
    worst = odd.argmax()
    means, size = found.means @ white, q.sum(axis=0)
    # Ward: what it costs to make two clusters one.
    light = 1 / np.maximum(size, 1)
    cost = ((means[:, None] - means) ** 2).sum(axis=2) / (light[:, None] + light)
    cost[np.tril_indices(k)] = np.inf
    keep, drop = np.unravel_index(cost.argmin(), cost.shape)
    centres = means.copy()
    centres[keep] = (size[keep] * means[keep] + size[drop] * means[drop]) / max(size[keep] + size[drop], 1)
    centres[drop] = means[found.labels[worst]] + (patch[worst] / count[worst]) @ white
    x = points @ white
    return (-2 * x @ centres.T + (centres**2).sum(axis=1)).argmin(axis=1)
