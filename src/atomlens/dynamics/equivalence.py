"""Classes that are turned or mirrored copies of one another, and those that are symmetric in themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from atomlens._doubts import repeated, warn
from atomlens._turns import turned
from atomlens._types import ArrayLike, DataFrame, ndarray

__all__ = ["Equivalence", "equivalent_classes"]

_EDGE = 0.97  # of the half width: what lies outside this circle leaves the picture when it is turned
_CLOSE = 0.03  # similarity so near the threshold is worth a sentence
_RELIABLE = 0.5  # share of the variance of a mean that is no noise, below which nothing is to be read from it
_LEAST = 9  # pixels of a picture


@dataclass(frozen=True, eq=False)
class Equivalence:
    """Which classes are one state, seen in several orientations.

    Attributes
    ----------
    states : ndarray of int, shape (K,)
        State of every class, numbered from 0 in the order in which they occur.
    similarity : ndarray of shape (K, K)
        Correlation of two pictures where one is turned and mirrored so that they agree as well as they can.
    operation : ndarray of int, shape (K, K)
        The operation that brings the class of the row to that of the column: a row of `operations`.
    operations : DataFrame
        ``turn`` (degrees from x towards y) and ``mirrored`` (before the turn, at the axis of the host).
    symmetry : ndarray of shape (K, operations)
        Correlation of every class with itself after every operation; the first is the identity.
    symmetric : ndarray of bool, shape (K, operations)
        Which of them leave the picture as it is, as far as the threshold tells.
    means : ndarray of shape (K, L, L)
    counts : ndarray of int, shape (K,)
        Members of every class.
    onto : ndarray of int, shape (K,)
        The operation that brings every class to the largest of its state: a row of `operations`.
    state_means : ndarray of shape (S, L, L)
        Mean sub-image of every state, its classes turned and mirrored alike.
    threshold : float
    doubts : list of str
    """

    states: ndarray
    similarity: ndarray
    operation: ndarray
    operations: DataFrame
    symmetry: ndarray
    symmetric: ndarray
    means: ndarray
    counts: ndarray
    onto: ndarray
    state_means: ndarray
    threshold: float
    doubts: list[str] = field(default_factory=list)

    def __repr__(self):
        lines = []
        for state in range(self.states.max() + 1):
            members = np.flatnonzero(self.states == state)
            order = int(self.symmetric[members[0]].sum())
            names = ", ".join(map(str, members))
            lines.append(f"\n  state {state}: classes {names}; {order} operations leave it alone")
        return (
            f"<Equivalence of {len(self.states)} classes in {self.states.max() + 1} states, "
            f"{len(self.operations)} operations>{''.join(lines)}{repeated(self.doubts)}"
        )

    def merged(self, labels: ArrayLike) -> ndarray:
        """States of members, from their classes.

        Parameters
        ----------
        labels : array_like of int, shape (N,)
            Classes, 0 to K - 1; negative where there is none.

        Returns
        -------
        ndarray of int, shape (N,)
            -1 where there is no class.

        Raises
        ------
        ValueError
            If a label is no class.

        Examples
        --------
        >>> y, x = np.mgrid[-10:11, -10:11]
        >>> spot = np.exp(-((x - 6) ** 2 + y**2) / 8)
        >>> equivalent_classes([spot, spot[:, ::-1], spot + spot.T], turns=4).merged([0, 1, 2, -1])
        array([ 0,  0,  1, -1])
        """
        labels = np.asarray(labels)
        if labels.dtype.kind not in "iu" or (labels.size and labels.max() >= len(self.states)):
            raise ValueError(f"labels must be whole numbers below {len(self.states)}, the number of classes")
        return np.where(labels < 0, -1, self.states[np.maximum(labels, 0)])


def equivalent_classes(
    pictures: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    turns: int = 6,
    mirrors: bool = True,
    rotation: float = 0.0,
    threshold: float = 0.8,
) -> Equivalence:
    """Find out which classes are one another's image under the operations of a lattice.

    What a defect is does not depend on which way it points. Every picture is turned and mirrored in all ways
    that leave the host alone, and compared with all others.

    Parameters
    ----------
    pictures : array_like of shape (N, L, L)
        Sub-images of defects, each in the middle of its own; without `labels`, means of classes.
    labels : array_like of int, shape (N,), optional
        Class of every sub-image, negative for none. Then means are made here, and correlations corrected for
        their noise, which classes of few members need.
    turns : int
        By which the host looks the same, in a full circle: 6 for graphene, whose two sublattices a turn by 60
        degrees exchanges; 3 if they are not alike, 4 for a square lattice.
    mirrors : bool
        Whether it has mirrors, too: 12 operations in graphene.
    rotation : float
        Direction of a mirror axis of the host in the image, in degrees from x towards y.
    threshold : float
        Correlation from which on two pictures are the same; average linkage of them makes the states.

    Returns
    -------
    Equivalence

    Raises
    ------
    ValueError
        If pictures are not square, of at least 9 pixels, or not finite; if labels are not one a picture, or
        leave a class empty; if an option is out of range.

    Notes
    -----
    What all pictures have in common in all orientations (the mean of everything, averaged over the
    operations: such as the bright atom in the middle) says nothing, and is subtracted first. Noise lowers the
    correlation of two means by the root of their reliabilities, the shares of their variance that are no
    noise; with `labels` it is divided by that (Spearman's correction for attenuation).

    Silicon at the edge of graphene was published in 16 classes that were merged to 5 by hand, after their
    similarity under turns by 60 degrees (Ziatdinov et al., Sci. Adv. 5, eaaw8989 (2019)).

    Examples
    --------
    >>> y, x = np.mgrid[-10:11, -10:11]
    >>> spot = np.exp(-((x - 6) ** 2 + y**2) / 8)
    >>> found = equivalent_classes([spot, spot.T, spot + spot.T], turns=4)
    >>> found.states, found.symmetric.sum(axis=1)
    (array([0, 0, 1]), array([2, 2, 2]))
    """
    pictures = _checked(pictures)
    if not (isinstance(turns, int | np.integer) and turns >= 1):
        raise ValueError(f"turns must be a whole number of at least 1, got {turns!r}")
    if not 0 < threshold < 1:
        raise ValueError(f"threshold is a correlation between 0 and 1, got {threshold!r}")
    if not np.isfinite(rotation):
        raise ValueError(f"rotation must be finite, got {rotation!r}")
    operations = pd.DataFrame(
        {
            "turn": np.tile(360.0 / turns * np.arange(turns), 2 if mirrors else 1),
            "mirrored": np.repeat([False, True] if mirrors else [False], turns),
        }
    )
    means, counts, spread = _classes(pictures, labels)
    inside = _circle(means.shape[1])
    copies = _copies(means, inside, operations, rotation)
    copies -= copies.mean(axis=(0, 1))
    # A picture that is nothing but what all share is of no likeness to any other, and of full to itself.
    size = np.linalg.norm(copies, axis=2, keepdims=True)
    copies /= np.maximum(size, 1e-12 * max(size.max(), 1e-300))
    reliable = np.ones(len(means))
    if spread is not None:
        reliable = 1 - spread[inside].sum() / counts / np.maximum(size[:, 0, 0] ** 2, 1e-300)
    messages = _said_of_noise(reliable)
    reliable = np.maximum(reliable, _RELIABLE)
    # How well the row, after the operation, agrees with the column as it is.
    alike = np.einsum("kop,lp->klo", copies, copies[:, 0])
    alike = np.minimum(alike / np.sqrt(reliable[:, None] * reliable)[..., None], 1.0)
    symmetry = np.einsum("kko->ko", alike).copy()
    symmetry[:, 0] = 1.0
    operation = np.round(alike, 9).argmax(axis=2)  # of those that agree as well, the first: often none at all
    similarity = alike.max(axis=2)
    similarity = (similarity + similarity.T) / 2  # interpolation makes the two ways differ a little
    np.fill_diagonal(similarity, 1.0)
    states = np.zeros(len(means), dtype=int)
    if len(means) > 1:
        apart = squareform(np.maximum(1 - similarity, 0), checks=False)
        states = pd.factorize(fcluster(linkage(apart, "average"), 1 - threshold, "distance"))[0]
    messages += _said(similarity, threshold)
    warn(messages)
    reference = _references(states, counts)
    onto = operation[np.arange(len(means)), reference[states]]
    return Equivalence(
        states, similarity, operation, operations, symmetry, symmetry >= threshold, means, counts, onto,
        _together(means, counts, states, onto, operations, rotation), float(threshold), messages,
    )  # fmt: skip


def _classes(pictures, labels):
    """Means and numbers of members, and the variance of a member, where it is known."""
    if labels is None:
        return pictures, np.ones(len(pictures), dtype=int), None
    labels = np.asarray(labels)
    if labels.shape != (len(pictures),) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels must be one whole number a picture, {len(pictures)}; got {labels.dtype} {labels.shape}"
        )
    counts = np.bincount(labels[labels >= 0])
    if not counts.size or not counts.all():
        raise ValueError("every class needs a member: number the classes from 0, without a gap")
    means = np.stack([pictures[labels == k].mean(axis=0) for k in range(len(counts))])
    kept = labels >= 0
    if kept.sum() == len(counts):
        return means, counts, None  # of one member each nothing tells the noise
    rest = ((pictures[kept] - means[labels[kept]]) ** 2).sum(axis=0)
    return means, counts, rest / (kept.sum() - len(counts))


def _references(states, counts):
    """The class with most members, of every state."""
    return np.array(
        [max(np.flatnonzero(states == s), key=counts.__getitem__) for s in range(states.max() + 1)]
    )


def _together(means, counts, states, onto, operations, rotation):
    """Mean of every state, its classes in one orientation."""
    everywhere = np.ones(means.shape[1:], dtype=bool)
    moved = np.stack([
        _copies(mean[None], everywhere, operations.iloc[[n]], rotation).reshape(mean.shape)
        for mean, n in zip(means, onto, strict=True)
    ])  # fmt: skip
    return np.stack([
        np.average(moved[states == s], axis=0, weights=counts[states == s]) for s in range(states.max() + 1)
    ])  # fmt: skip


def _circle(length):
    """Pixels that stay in the picture however it is turned."""
    middle = (length - 1) / 2
    return np.hypot(*(np.indices((length, length)) - middle)) <= _EDGE * middle


def _copies(means, inside, operations, rotation):
    """All pictures after all operations, inside the circle: (K, operations, pixels)."""
    axis, all_operations = np.radians(rotation), operations.itertuples(index=False)
    copies = [
        turned(means, np.radians(t), mirrored=m, axis=axis, order=3)[:, inside] for t, m in all_operations
    ]
    return np.stack(copies, axis=1)


def _said_of_noise(reliable):
    few = np.flatnonzero(reliable < _RELIABLE)
    if not few.size:
        return []
    return [
        f"the means of {len(few)} classes are mostly noise ({', '.join(map(str, few))}): to which states "
        "they belong is open; make fewer classes, or average more members"
    ]


def _said(similarity, threshold):
    one, two = np.triu_indices(len(similarity), 1)
    near = np.abs(similarity[one, two] - threshold) < _CLOSE
    if not near.any():
        return []
    return [
        f"{near.sum()} pairs of classes are as similar as the threshold of {threshold:.2f}, within {_CLOSE}: "
        "whether they are one state is open; look at their means, or average more members"
    ]


def _checked(pictures):
    pictures = np.asarray(pictures, dtype=float)
    if pictures.ndim != 3 or pictures.shape[1] != pictures.shape[2] or pictures.shape[1] < _LEAST:
        raise ValueError(
            f"pictures must be square (N, L, L), L at least {_LEAST}, got shape {pictures.shape}"
        )
    if not len(pictures):
        raise ValueError("there is no picture: look at the detector, which found nothing")
    if not np.isfinite(pictures).all():
        raise ValueError("pictures hold NaN or infinite values: fill them, or leave these out")
    return pictures
