"""Markov chains from tracks: transition matrices with intervals."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import beta

from atomlens._doubts import inherited, repeated
from atomlens._types import Any, ArrayLike, DataFrame, ndarray
from atomlens.dynamics._hidden import Sequences, dirichlet, sample_chains
from atomlens.dynamics.tracks import tell

__all__ = ["Transitions", "transitions"]

_DRAWS = 4000  # of matrices, for what follows from one
_HARDLY = 5.0  # transitions from a state, below which its row is worth a sentence
_CONVERGED = 1.1
_ALIKE = 0.1  # sum of the differences of how two states are seen, below which they are the same to the eye
_WORSE = 0.5  # probability of being seen as what it is, below which classes may have been swapped


@dataclass(frozen=True, eq=False)
class Transitions:
    """A Markov chain as the tracks show it.

    Attributes
    ----------
    states : list
        Names, in the order of all arrays.
    matrix : ndarray of shape (K, K)
        Probability of each state in the next frame (columns) given that in this one (rows). NaN in the row of
        a state that was never followed by anything.
    low, high : ndarray of shape (K, K)
        Interval of every entry; 0 and 1 where nothing is known.
    counts : ndarray of shape (K, K)
        Transitions between successive frames of one track: as seen, or with `misclassification` the
        mean of what they may have been, gaps included.
    occupation : ndarray of shape (K,)
        Share of time that is spent in each state in the long run.
    occupation_interval : ndarray of shape (K, 2)
    lifetime : ndarray of shape (K,)
        Mean time in a state, in s (frames without `dt`).
    lifetime_interval : ndarray of shape (K, 2)
    level : float
    n_tracks : int
    misclassification : ndarray of shape (K, K) or None
    doubts : list of str
    """

    states: list
    matrix: ndarray
    low: ndarray
    high: ndarray
    counts: ndarray
    occupation: ndarray
    occupation_interval: ndarray
    lifetime: ndarray
    lifetime_interval: ndarray
    level: float
    n_tracks: int
    misclassification: ndarray | None = None
    doubts: list[str] = field(default_factory=list)

    def __repr__(self):
        rows = [
            f"\n  {name}: " + ", ".join(f"{p:.3f} ({a:.3f}-{b:.3f})" for p, a, b in zip(*row, strict=True))
            for name, *row in zip(self.states, self.matrix, self.low, self.high, strict=True)
        ]
        return (
            f"<Transitions of {len(self.states)} states: {self.counts.sum():.0f} in {self.n_tracks} tracks, "
            f"{self.level:.0%}>{''.join(rows)}{repeated(self.doubts)}"
        )

    def table(self) -> DataFrame:
        """One row an entry: ``before``, ``after``, ``probability``, ``low``, ``high``, ``count``.

        Returns
        -------
        DataFrame

        Examples
        --------
        >>> tracks = pd.DataFrame({"frame": range(16), "particle": 0, "state": list("aab" * 5 + "a")})
        >>> transitions(tracks).table().probability.tolist()
        [0.5, 0.5, 1.0, 0.0]
        """
        k = len(self.states)
        names = np.array(self.states, dtype=object)
        values = {"probability": self.matrix, "low": self.low, "high": self.high, "count": self.counts}
        return pd.DataFrame(
            {"before": np.repeat(names, k), "after": np.tile(names, k)}
            | {name: value.ravel() for name, value in values.items()}
        )


def transitions(
    tracks: DataFrame,
    *,
    state: str | None = None,
    states: list[Any] | None = None,
    misclassification: ArrayLike | None = None,
    dt: float | None = None,
    level: float = 0.95,
    random_state: int = 0,
) -> Transitions:
    """Transition matrix of the states of tracks: all transitions of all tracks counted together.

    Parameters
    ----------
    tracks : DataFrame
        ``frame``, ``particle``, and the state.
    state : str, optional
        Name of its column; ``state`` by default, or else ``label``.
    states : list, optional
        All states, in the order of the answer; those that occur by default, sorted.
    misclassification : array_like of shape (K, K), optional
        How often each true state (rows) is seen as each (columns), as a phantom tells. Rows that sum
        to 1 are taken as known; counts (whole numbers) bring their own uncertainty. Then the chain is
        hidden, and every frame in a gap counts as one without an answer.
    dt : float, optional
        Time from frame to frame in s.
    level : float
        Of the intervals.
    random_state : int
        Of sampling.

    Returns
    -------
    Transitions

    Raises
    ------
    ValueError
        If a column is missing, a particle is twice in a frame, a state is not listed, or the
        misclassification is of other states.

    Notes
    -----
    Without misclassification, a transition is one between successive frames; what happens in a gap is not
    known and does not count. The interval of an entry is that of a Dirichlet posterior whose prior gives 1/2
    to the entry and 1/2 to all others of the row together (Jeffreys), down to 0 or up to 1 where an entry
    was never, or always, seen. With misclassification, the same is averaged over what the true states may
    have been (Gibbs sampling, eight samplers whose agreement is checked).

    References
    ----------
    Anderson and Goodman, Ann. Math. Stat. 28, 89 (1957); Scott, J. Am. Stat. Assoc. 97, 337 (2002); Brown,
    Cai, DasGupta, Stat. Sci. 16, 101 (2001).

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.movies.tracks(40, n_frames=100, matrix=[[0.9, 0.1], [0.3, 0.7]])
    >>> found = transitions(sample.truth)
    >>> bool((abs(found.matrix - sample.extras["matrix"]) < 0.05).all())
    True
    """
    if not 0 < level < 1:
        raise ValueError(f"level lies between 0 and 1, got {level!r}")
    if dt is not None and not 0 < dt < np.inf:
        raise ValueError(f"dt must be a positive time in s, got {dt!r}")
    sequences, confusion, phantom, messages = opened(tracks, state, states, misclassification)
    k, rng = len(sequences.names), np.random.default_rng(random_state)
    counts = sequences.counts()[None]
    if confusion is not None and len(sequences.seen):
        counts, _, agreement = sample_chains(sequences, confusion, phantom, rng)
        if agreement > _CONVERGED:
            messages.append(
                f"the samplers of the hidden states do not agree (ratio {agreement:.2f}): states are "
                "confused too often to be told apart here, and the intervals are too narrow; merge states"
            )
    rows = counts.sum(axis=2, keepdims=True)
    mean = counts.mean(axis=0)
    known = mean.sum(axis=1) >= 0.5
    matrix = np.full((k, k), np.nan)
    if confusion is None:
        matrix[known] = mean[known] / mean.sum(axis=1)[known, None]
    else:
        matrix[known] = ((counts + 1 / k) / (rows + 1)).mean(axis=0)[known]
    low, high = _intervals(counts, rows, level, rng)
    low[~known], high[~known] = 0.0, 1.0
    messages += _said(sequences.names, mean)

    draws = dirichlet(counts[rng.integers(len(counts), size=_DRAWS)] + 1 / k, rng)
    shares = _long_run(draws)
    tails = [(1 - level) / 2, (1 + level) / 2]
    stay = np.stack([np.diagonal(matrix), np.diagonal(low), np.diagonal(high)])
    with np.errstate(divide="ignore"):
        lifetime = (1.0 if dt is None else dt) / (1 - stay)
    tell(messages, tracks)
    return Transitions(
        sequences.names, matrix, low, high, mean, shares.mean(axis=0), np.quantile(shares, tails, axis=0).T,
        lifetime[0], lifetime[1:].T, level, len(sequences.seen), confusion, messages,
    )  # fmt: skip


def opened(tracks, state, states, misclassification):
    """Sequences, misclassification, the counts it is from, and doubts."""
    messages = inherited(tracks)
    if misclassification is None:
        sequences, confusion, phantom = Sequences.of(tracks, state, states), None, None
    else:
        given = np.asarray(misclassification, dtype=float)
        if given.ndim != 2 or given.shape[0] != given.shape[1] or not len(given):
            raise ValueError(
                f"misclassification must be square, true states by seen states; got {given.shape}"
            )
        sequences = Sequences.of(tracks, state, _all_states(tracks, state, states, len(given)))
        if len(given) != len(sequences.names):
            raise ValueError(
                f"misclassification is of {len(given)} states, but there are {len(sequences.names)}: "
                f"{', '.join(map(str, sequences.names))}; list all in `states`, also those that never occur"
            )
        sums = given.sum(axis=1)
        if not (np.isfinite(given).all() and (given >= 0).all() and (sums > 0).all()):
            raise ValueError("misclassification must hold no negative number, and no row of zeros")
        phantom = None
        if not np.allclose(sums, 1, atol=1e-6):
            if not np.allclose(given, np.rint(given), atol=1e-6):
                raise ValueError(
                    f"the rows of misclassification sum to {np.round(sums, 3)}: rows are true states and sum "
                    "to 1, or hold counts (whole numbers)"
                )
            phantom = given
        confusion = given / sums[:, None]
        messages += _said_of_confusion(confusion, sequences.names)
    if not sequences.names:
        raise ValueError(
            "there is no detection, and so no state: list the states in `states`, or detect more"
        )
    if not len(sequences.seen):
        messages.append("no track has two detections: nothing is known of transitions; look at the linking")
    return sequences, confusion, phantom, messages


def _all_states(tracks, state, states, count):
    """The states that are asked for; whole numbers up to the size of the misclassification by themselves."""
    if states is not None or not isinstance(tracks, pd.DataFrame):
        return states
    column = state if state is not None else next((c for c in ("state", "label") if c in tracks), None)
    if column is None or column not in tracks:
        return None
    values = tracks[column]
    if not len(values) or (
        pd.api.types.is_integer_dtype(values) and 0 <= values.min() <= values.max() < count
    ):
        return list(range(count))
    return None


def _said(names, counts):
    """Doubts about states of which there is too little."""
    total, stay = counts.sum(axis=1), np.diagonal(counts)
    messages = []
    for name, n, same in zip(names, total, stay, strict=True):
        if n < 0.5:
            messages.append(
                f"nothing ever follows {name}: its row is unknown; record longer, or merge states"
            )
        elif n < _HARDLY:
            messages.append(
                f"only {n:.0f} transitions start from {name}: its row is hardly known; record longer, or "
                "merge states"
            )
        elif n - same < 0.5 and len(names) > 1:
            messages.append(f"{name} is never left: of its lifetime only the lower limit means anything")
    return messages


def _said_of_confusion(confusion, names):
    right = np.diagonal(confusion)
    messages = [
        f"{names[k]} is seen as {names[int(confusion[k].argmax())]} more often than as itself: rows of "
        "misclassification are true states and columns seen ones; were two classes swapped?"
        for k in np.flatnonzero((right < _WORSE) & (confusion.argmax(axis=1) != np.arange(len(right))))
    ]
    alike = np.abs(confusion[:, None] - confusion).sum(axis=2) < _ALIKE
    return messages + [
        f"{names[a]} and {names[b]} are seen alike: merge them, or classify better"
        for a, b in np.argwhere(np.triu(alike, 1))
    ]


def _intervals(counts, rows, level, rng):
    """Quantiles of the mixture of posteriors, one for each sample of the counts: (low, high)."""
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if len(counts) == 1:
        low, high = (beta.ppf(tail, counts[0] + 0.5, (rows - counts)[0] + 0.5) for tail in tails)
    else:
        times = max(1, 20_000 // len(counts))
        draws = rng.beta(counts + 0.5, rows - counts + 0.5, (times, *counts.shape))
        low, high = np.quantile(draws.reshape(-1, *counts.shape[1:]), tails, axis=0)
    # An entry that may never, or always, have been.
    never = (counts < 0.5).mean(axis=0) > tails[0]
    always = (rows - counts < 0.5).mean(axis=0) > tails[0]
    return np.where(never, 0.0, low), np.where(always, 1.0, high)


def _long_run(matrices):
    """Stationary distribution of each: (n, K)."""
    k = matrices.shape[-1]
    system = np.concatenate([np.eye(k) - matrices.transpose(0, 2, 1), np.ones((len(matrices), 1, k))], axis=1)
    right = np.append(np.zeros(k), 1.0)
    normal = system.transpose(0, 2, 1) @ system + 1e-14 * np.eye(k)
    found = np.linalg.solve(
        normal, np.broadcast_to(system.transpose(0, 2, 1) @ right, (len(matrices), k))[..., None]
    )
    found = np.maximum(found[..., 0], 0)
    return found / found.sum(axis=1, keepdims=True)
