"""Sequences of states as an array, and chains that are seen through errors of classification."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomlens.dynamics.tracks import checked

_CHAINS = 8  # samplers that run side by side: their agreement shows that they have forgotten their starts
_FORGET, _KEEP = 25, 75  # sweeps
_AGREE = 1.1  # ratio of the scatter of all samples to that within samplers (Gelman and Rubin)
_DOUBLED = 3  # times that more sweeps are taken until they agree
_CELLS = 20_000_000  # states simulated at a time


@dataclass(frozen=True, eq=False)
class Sequences:
    """States of tracks, the longest track first.

    Attributes
    ----------
    seen : ndarray of shape (tracks, frames)
        Codes; -1 where a track is not detected, and after its end.
    length : ndarray of shape (tracks,)
        Frames from first to last detection.
    first : ndarray of shape (tracks,)
        Frame in which it begins.
    names : list
        Of the codes.
    """

    seen: np.ndarray
    length: np.ndarray
    first: np.ndarray
    names: list

    @classmethod
    def of(cls, tracks, column, states):
        """From a table of tracks; tracks of a single detection say nothing and are left out."""
        if column is None:
            column = next((c for c in ("state", "label") if c in getattr(tracks, "columns", ())), "state")
        table = checked(tracks, ["frame", "particle", column]).sort_values(["particle", "frame"])
        if table[column].isna().any():
            raise ValueError(
                f"{int(table[column].isna().sum())} rows have no {column}: drop them, a gap is no harm"
            )
        there = table[column].to_numpy()
        names = (
            sorted(set(there.tolist()), key=lambda v: (str(type(v)), v)) if states is None else list(states)
        )
        codes = {name: k for k, name in enumerate(names)}
        unknown = sorted({str(v) for v in there.tolist()} - {str(v) for v in names})
        if unknown:
            raise ValueError(
                f"{column} holds {', '.join(unknown)}, which states does not list: name every state"
            )
        code = np.array([codes[v] for v in there.tolist()], dtype=int)
        frame = table["frame"].to_numpy()
        owner = np.unique(table["particle"].to_numpy(), return_inverse=True)[1]
        count = np.bincount(owner, minlength=0)
        first = np.array([frame[k] for k in np.cumsum(count) - count], dtype=int)
        last = np.array([frame[k] for k in np.cumsum(count) - 1], dtype=int)
        length = last - first + 1
        order = np.argsort(-length, kind="stable")
        order = order[count[order] > 1]
        rank = np.full(len(count), -1)
        rank[order] = np.arange(len(order))
        grid = np.full((len(order), int(length[order].max(initial=0))), -1)
        kept = rank[owner] >= 0
        grid[rank[owner][kept], (frame - first[owner])[kept]] = code[kept]
        return cls(grid, length[order], first[order], names)

    def pairs(self, states=None):
        """Which successive frames both hold a detection, and the codes of all: (mask, from, to)."""
        known = self.seen >= 0
        values = self.seen if states is None else states
        return known[:, 1:] & known[:, :-1], values[..., :-1], values[..., 1:]

    def counts(self):
        """Transitions between successive frames: (K, K)."""
        mask, before, after = self.pairs()
        k = len(self.names)
        return np.bincount(before[mask] * k + after[mask], minlength=k * k).reshape(k, k).astype(float)

    @property
    def active(self):
        """How many tracks last at least to each frame of the array."""
        return np.searchsorted(-self.length, -np.arange(1, self.seen.shape[1] + 1), side="right")


def pick(probabilities, rng):
    """One index for each row of probabilities (last axis), which need not sum to one."""
    below = probabilities.cumsum(axis=-1)
    return (rng.random(below.shape[:-1])[..., None] * below[..., -1:] >= below[..., :-1]).sum(axis=-1)


def dirichlet(weights, rng):
    """Draws, one for each row (last axis)."""
    draws = rng.standard_gamma(np.maximum(weights, 1e-3))
    return draws / np.maximum(draws.sum(axis=-1, keepdims=True), 1e-300)


def start_of(counts, confusion):
    """Matrix whose chain, seen through errors, shows these counts: solved, and made positive."""
    undo = np.linalg.pinv(confusion)
    true = np.maximum(undo.T @ counts @ undo, 0) + 1 / len(counts)
    return true / true.sum(axis=1, keepdims=True)


def sample_chains(sequences, confusion, phantom, rng):
    """Transition counts of the true states, sampled from what they may have been.

    Gibbs: states given the matrix (forward filter, backward sampling), the matrix given the states. Frames
    without a detection say nothing of the state.

    Parameters
    ----------
    sequences : Sequences
    confusion : ndarray of shape (K, K)
        Probability of each seen state (columns) given the true one.
    phantom : ndarray of shape (K, K) or None
        Counts from which the confusion is known: then its own uncertainty is sampled, too.
    rng : numpy.random.Generator

    Returns
    -------
    counts : ndarray of shape (samples, K, K)
    starts : ndarray of shape (samples, K)
        Of the states in first frames.
    agreement : float
        Gelman and Rubin's ratio; near 1 if the samplers have forgotten their starts.
    """
    k, (n, frames) = len(confusion), sequences.seen.shape
    active = sequences.active
    matrix = dirichlet(np.tile(20 * start_of(sequences.counts(), confusion), (_CHAINS, 1, 1)) + 1 / k, rng)
    begin = np.full((_CHAINS, k), 1 / k)
    confusion = np.tile(confusion, (_CHAINS, 1, 1))
    forward = np.empty((frames, _CHAINS, n, k))
    states = np.zeros((frames, _CHAINS, n), dtype=np.intp)
    within = (np.arange(frames)[:, None] < sequences.length)[1:, None, :]
    chain = np.arange(_CHAINS)[:, None]
    offset = np.broadcast_to(chain * k * k, (_CHAINS, n))
    where = within & np.ones((1, _CHAINS, 1), bool)
    known = (sequences.seen >= 0).T[:, None, :] & np.ones((1, _CHAINS, 1), bool)
    seen = np.broadcast_to(sequences.seen.T[:, None, :], known.shape)
    found, first = [], []

    def sweep():
        nonlocal matrix, begin, confusion
        # Likelihood of what is seen, by true state: (chains, K + 1, K), the last for nothing seen.
        tell = np.concatenate([confusion.transpose(0, 2, 1), np.ones((_CHAINS, 1, k))], axis=1)
        now = begin[:, None, :] * tell[chain, sequences.seen[:, 0]]
        forward[0] = now / now.sum(axis=2, keepdims=True)
        for t in range(1, frames):
            some = active[t]
            now = (forward[t - 1, :, :some] @ matrix) * tell[chain, sequences.seen[:some, t]]
            forward[t, :, :some] = now / now.sum(axis=2, keepdims=True)
        into = matrix.transpose(0, 2, 1)
        for t in range(frames - 1, -1, -1):
            some = active[t]
            weight = forward[t, :, :some].copy()
            if t + 1 < frames:
                on = active[t + 1]
                weight[:, :on] *= into[chain, states[t + 1, :, :on]]
            states[t, :, :some] = pick(weight, rng)
        code = (offset + states[:-1] * k + states[1:])[where]
        counts = np.bincount(code, minlength=_CHAINS * k * k).reshape(_CHAINS, k, k)
        matrix = dirichlet(counts + 1 / k, rng)
        starts = np.stack([np.bincount(s, minlength=k) for s in states[0]])
        begin = dirichlet(starts + 1 / k, rng)
        if phantom is not None:
            code = (offset + states * k + seen)[known]
            tallied = np.bincount(code, minlength=_CHAINS * k * k).reshape(_CHAINS, k, k)
            confusion = dirichlet(phantom + tallied + 1 / k, rng)
        return counts, starts

    for _ in range(_FORGET):
        sweep()
    for doubling in range(_DOUBLED):
        for _ in range(_KEEP << max(doubling - 1, 0)):
            counts, starts = sweep()
            found.append(counts)
            first.append(starts)
        agreement = _agreement(np.array(found))
        if agreement < _AGREE:
            break
        if doubling < _DOUBLED - 1:
            del found[: len(found) // 2], first[: len(first) // 2]
    return np.concatenate(found).astype(float), np.concatenate(first).astype(float), agreement


def _agreement(counts):
    """Largest ratio, over the rows, of the scatter of all samples to that within samplers."""
    share = (np.diagonal(counts, axis1=2, axis2=3) + 0.5) / (counts.sum(axis=3) + 1)
    within = share.var(axis=0, ddof=1).mean(axis=0)
    between = share.mean(axis=0).var(axis=0, ddof=1)
    n = len(share)
    return float(np.sqrt((n - 1) / n + between / np.maximum(within, 1e-12)).max())


def simulate(sequences, matrices, begins, confusion, rng):
    """Seen states of movies like the one given, one for each matrix: (movies, tracks, frames).

    A generator of pieces, as all together may not fit; where nothing was detected, the codes mean nothing.
    """
    n, frames = sequences.seen.shape
    active = sequences.active
    piece = max(1, _CELLS // max(n * frames, 1))
    for done in range(0, len(matrices), piece):
        some = matrices[done : done + piece]
        movie = np.arange(len(some))[:, None]
        states = np.zeros((frames, len(some), n), dtype=np.intp)
        if confusion is None:
            states[0] = np.maximum(sequences.seen[:, 0], 0)
        else:
            begin = begins[done : done + piece, None, :]
            states[0] = pick(np.broadcast_to(begin, (len(some), n, begin.shape[-1])), rng)
        for t in range(1, frames):
            on = active[t]
            states[t, :, :on] = pick(some[movie, states[t - 1, :, :on]], rng)
        seen = states if confusion is None else pick(confusion[states], rng)
        yield np.moveaxis(seen, 0, 2)
