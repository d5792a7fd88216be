"""Markov chains from tracks: transition matrices with intervals, and tests of what they assume."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import beta

from atomlens._doubts import inherited, repeated
from atomlens._types import Any, ArrayLike, DataFrame, ndarray
from atomlens.dynamics._hidden import Sequences, dirichlet, sample_chains, simulate
from atomlens.dynamics.tracks import checked, tell

__all__ = [
    "ChainTest",
    "Transitions",
    "first_order",
    "one_sequence_matrix",
    "row_mean_matrix",
    "stationary",
    "transitions",
]

_DRAWS = 4000  # of matrices, for what follows from one
_SIMULATED = 499  # movies, to which a test compares the one that was recorded
_PRIOR = 0.5  # of each transition in their matrices (Jeffreys): tests then reject 4 to 8 % of true chains
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
        How often each true state (rows) is seen as each (columns), as a simulated twin tells. Rows that sum
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
    sequences, confusion, twin, messages = _opened(tracks, state, states, misclassification)
    k, rng = len(sequences.names), np.random.default_rng(random_state)
    counts = sequences.counts()[None]
    if confusion is not None and len(sequences.seen):
        counts, _, agreement = sample_chains(sequences, confusion, twin, rng)
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


def _opened(tracks, state, states, misclassification):
    """Sequences, misclassification, the counts it is from, and doubts."""
    messages = inherited(tracks)
    if misclassification is None:
        sequences, confusion, twin = Sequences.of(tracks, state, states), None, None
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
        twin = None
        if not np.allclose(sums, 1, atol=1e-6):
            if not np.allclose(given, np.rint(given), atol=1e-6):
                raise ValueError(
                    f"the rows of misclassification sum to {np.round(sums, 3)}: rows are true states and sum "
                    "to 1, or hold counts (whole numbers)"
                )
            twin = given
        confusion = given / sums[:, None]
        messages += _said_of_confusion(confusion, sequences.names)
    if not len(sequences.seen):
        messages.append("no track has two detections: nothing is known of transitions; look at the linking")
    return sequences, confusion, twin, messages


def _all_states(tracks, state, states, count):
    """The states that are asked for; whole numbers up to the size of the misclassification by themselves."""
    if states is not None or not isinstance(tracks, pd.DataFrame):
        return states
    column = state if state is not None else next((c for c in ("state", "label") if c in tracks), None)
    if column is None or column not in tracks:
        return None
    values = tracks[column]
    if pd.api.types.is_integer_dtype(values) and (
        not len(values) or 0 <= values.min() <= values.max() < count
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


@dataclass(frozen=True, eq=False)
class ChainTest:
    """What a test says of a Markov chain.

    Attributes
    ----------
    what : str
        What is tested: the null hypothesis.
    p_value : float
        Probability of as much evidence against it if it is true; NaN if there is nothing to test.
    statistic : float
        Likelihood ratio, twice its logarithm.
    expected : float
        Its mean over simulated movies.
    n : int
        Transitions that were used (of `first_order`, pairs of them).
    doubts : list of str
    """

    what: str
    p_value: float
    statistic: float
    expected: float
    n: int
    doubts: list[str] = field(default_factory=list)

    def __repr__(self):
        return (
            f"<ChainTest {self.what}: p = {self.p_value:.3f}, ratio {self.statistic:.1f} where "
            f"{self.expected:.1f} are expected; {self.n} used>{repeated(self.doubts)}"
        )


def first_order(
    tracks: DataFrame,
    *,
    state: str | None = None,
    states: list[Any] | None = None,
    misclassification: ArrayLike | None = None,
    random_state: int = 0,
) -> ChainTest:
    """Test whether the next state depends on the present one alone, and not on the one before it, too.

    The likelihood ratio of a chain of second order to one of first order, compared with that of simulated
    movies of first-order chains that agree with the counts, of the same tracks, gaps and misclassification:
    so few counts are no harm, and errors of classification, which make a chain look as if it had a memory,
    are allowed for.

    Parameters
    ----------
    tracks, state, states, misclassification
        As for `transitions`.
    random_state : int
        Of the simulations.

    Returns
    -------
    ChainTest

    Raises
    ------
    ValueError
        As for `transitions`.

    References
    ----------
    Anderson and Goodman, Ann. Math. Stat. 28, 89 (1957).

    Examples
    --------
    >>> from atomlens import simulate
    >>> sample = simulate.movies.tracks(40, n_frames=50, matrix=[[0.9, 0.1], [0.3, 0.7]])
    >>> first_order(sample.truth).p_value > 0.05
    True
    """

    def ratio(sequences, seen):
        """Of every movie (movies, tracks, frames), and how many triples."""
        k = len(sequences.names)
        known = sequences.seen >= 0
        mask = known[:, 2:] & known[:, 1:-1] & known[:, :-2]
        code = (seen[..., :-2] * k + seen[..., 1:-1]) * k + seen[..., 2:]
        n = _tally(code, mask, k**3).reshape(-1, k, k, k)
        return _independent(n.transpose(0, 2, 1, 3)), int(mask.sum())

    return _tested("first order", ratio, tracks, state, states, misclassification, random_state)


def stationary(
    tracks: DataFrame,
    *,
    n_blocks: int = 2,
    state: str | None = None,
    states: list[Any] | None = None,
    misclassification: ArrayLike | None = None,
    random_state: int = 0,
) -> ChainTest:
    """Test whether the transition matrix is the same in all parts of the movie.

    The likelihood ratio of one matrix a part to one for all, compared with that of simulated movies as in
    `first_order`. A beam that damages, or classes that were swapped on the way, make it large.

    Parameters
    ----------
    tracks, state, states, misclassification
        As for `transitions`.
    n_blocks : int
        Parts of equal duration.
    random_state : int
        Of the simulations.

    Returns
    -------
    ChainTest

    Raises
    ------
    ValueError
        As for `transitions`, or if there are fewer than two parts.

    References
    ----------
    Anderson and Goodman, Ann. Math. Stat. 28, 89 (1957).

    Examples
    --------
    >>> from atomlens import simulate
    >>> early, late = (
    ...     simulate.movies.tracks(20, n_frames=50, matrix=m).truth
    ...     for m in ([[0.9, 0.1], [0.3, 0.7]], [[0.7, 0.3], [0.3, 0.7]])
    ... )
    >>> movie = pd.concat([early, late.assign(frame=late.frame + 50, particle=late.particle + 20)])
    >>> stationary(movie).p_value < 0.05
    True
    """
    if not (isinstance(n_blocks, int | np.integer) and n_blocks >= 2):
        raise ValueError(f"n_blocks is a whole number of parts, 2 or more; got {n_blocks!r}")

    def ratio(sequences, seen):
        k = len(sequences.names)
        mask, before, after = sequences.pairs(seen)
        frame = sequences.first[:, None] + np.arange(seen.shape[-1] - 1)
        start, end = frame[mask].min(initial=0), frame[mask].max(initial=0) + 1
        part = np.clip((frame - start) * n_blocks // (end - start), 0, n_blocks - 1)
        n = _tally((part * k + before) * k + after, mask, n_blocks * k * k).reshape(-1, n_blocks, k, k)
        return _independent(n.transpose(0, 2, 1, 3)), int(mask.sum())

    return _tested("stationary", ratio, tracks, state, states, misclassification, random_state)


def _tally(code, mask, size):
    """How often each code occurs in every movie."""
    movies = len(code)
    offset = np.arange(movies)[:, None, None] * size
    chosen = (code + offset)[np.broadcast_to(mask, code.shape)]
    return np.bincount(chosen, minlength=movies * size).reshape(movies, size).astype(float)


def _independent(n):
    """Likelihood ratio against rows and columns (last two axes) being independent, summed over the tables."""
    rows, columns = n.sum(axis=-1, keepdims=True), n.sum(axis=-2, keepdims=True)
    total = rows.sum(axis=-2, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(n > 0, n * np.log(n * total / (rows * columns)), 0.0)
    return 2 * part.sum(axis=(1, 2, 3))


def _tested(what, ratio, tracks, state, states, misclassification, random_state):
    sequences, confusion, twin, messages = _opened(tracks, state, states, misclassification)
    rng = np.random.default_rng(random_state)
    measured, n = ratio(sequences, np.maximum(sequences.seen, 0)[None])
    if not n:
        messages.append(
            "no track is seen in so many successive frames: there is nothing to test; record longer"
        )
        tell(messages, tracks)
        return ChainTest(what, np.nan, float(measured[0]), np.nan, n, messages)
    counts, starts = sequences.counts()[None], None
    if confusion is not None:
        counts, starts, _ = sample_chains(sequences, confusion, twin, rng)
        starts = dirichlet(starts[some := rng.integers(len(counts), size=_SIMULATED)] + _PRIOR, rng)
        counts = counts[some]
    # Not from the matrix that fits best: where counts are few, its zeros make movies that are too alike.
    matrices = dirichlet(np.broadcast_to(counts, (_SIMULATED, *counts.shape[1:])) + _PRIOR, rng)
    pieces = simulate(sequences, matrices, starts, confusion, rng)
    others = np.concatenate([ratio(sequences, seen)[0] for seen in pieces])
    p = (1 + np.count_nonzero(others >= measured[0] - 1e-9)) / (len(others) + 1)
    tell(messages, tracks)
    return ChainTest(what, float(p), float(measured[0]), float(others.mean()), n, messages)


def row_mean_matrix(
    tracks: DataFrame, *, state: str | None = None, states: list[Any] | None = None
) -> ndarray:
    """The transition matrix as it was published for WS2: one a track, its rows normalised, and their mean.

    Every track that visits a state counts alike in its row, however short the visit; and short visits end
    soon, so states seem shorter-lived than they are. Frames without detection are skipped, as if none had
    passed. It is here to be compared with: use `transitions`.

    Parameters
    ----------
    tracks, state, states
        As for `transitions`.

    Returns
    -------
    ndarray of shape (K, K)
        NaN in the row of a state that no track visits before its last detection.

    Raises
    ------
    ValueError
        As for `transitions`.

    References
    ----------
    Maksov et al., npj Comput. Mater. 5, 12 (2019).

    Examples
    --------
    >>> tracks = pd.DataFrame({"frame": [0, 1, 2, 0, 1], "particle": [0, 0, 0, 1, 1]})
    >>> tracks["state"] = [0, 0, 1, 1, 1]
    >>> row_mean_matrix(tracks).tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    sequences = Sequences.of(tracks, state, states)
    k = len(sequences.names)
    total, visited = np.zeros((k, k)), np.zeros((k, 1))
    for row in sequences.seen:
        codes = row[row >= 0]
        counts = np.bincount(codes[:-1] * k + codes[1:], minlength=k * k).reshape(k, k)
        from_here = counts.sum(axis=1, keepdims=True)
        total += counts / np.maximum(from_here, 1)
        visited += from_here > 0
    with np.errstate(invalid="ignore"):
        return total / visited


def one_sequence_matrix(
    detections: DataFrame, *, state: str | None = None, states: list[Any] | None = None
) -> ndarray:
    """The transition matrix as it was published for silicon in graphene: all rows are read as one sequence.

    Within a frame one row follows the other, so most transitions join different atoms, and every row of the
    matrix becomes the share of the classes. It is here to be compared with: use `transitions`.

    Parameters
    ----------
    detections : DataFrame
        ``frame`` and the state, in the order of their frames; tracks are not needed.
    state, states
        As for `transitions`.

    Returns
    -------
    ndarray of shape (K, K)

    Raises
    ------
    ValueError
        As for `transitions`.

    References
    ----------
    Ziatdinov et al., Sci. Adv. 5, eaaw8989 (2019).

    Examples
    --------
    >>> movie = pd.DataFrame({"frame": [0, 0, 1, 1], "label": ["a", "b", "a", "b"]})
    >>> one_sequence_matrix(movie).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    table = checked(detections, ["frame"]).sort_values("frame", kind="stable")
    rows = np.arange(len(table))
    sequences = Sequences.of(table.assign(frame=rows, particle=0), state, states)
    counts = sequences.counts()
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
