"""Tests of what a Markov chain assumes, against simulated movies of the same tracks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from atomlens._doubts import repeated
from atomlens._types import Any, ArrayLike, DataFrame
from atomlens.dynamics._hidden import dirichlet, sample_chains, simulate
from atomlens.dynamics.markov import opened
from atomlens.dynamics.tracks import tell

__all__ = ["ChainTest", "first_order", "stationary"]

_SIMULATED = 499  # movies, to which a test compares the one that was recorded
_PRIOR = 0.5  # of each transition in their matrices (Jeffreys): tests then reject 4 to 8 % of true chains


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
    >>> import pandas as pd
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
    sequences, confusion, phantom, messages = opened(tracks, state, states, misclassification)
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
        counts, starts, _ = sample_chains(sequences, confusion, phantom, rng)
        starts = dirichlet(starts[some := rng.integers(len(counts), size=_SIMULATED)] + _PRIOR, rng)
        counts = counts[some]
    # Not from the matrix that fits best: where counts are few, its zeros make movies that are too alike.
    matrices = dirichlet(np.broadcast_to(counts, (_SIMULATED, *counts.shape[1:])) + _PRIOR, rng)
    pieces = simulate(sequences, matrices, starts, confusion, rng)
    others = np.concatenate([ratio(sequences, seen)[0] for seen in pieces])
    p = (1 + np.count_nonzero(others >= measured[0] - 1e-9)) / (len(others) + 1)
    tell(messages, tracks)
    return ChainTest(what, float(p), float(measured[0]), float(others.mean()), n, messages)
