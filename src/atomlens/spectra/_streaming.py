"""Spectra that do not fit into memory: the same steps, block by block on Dask.

Two passes over the data: one sums the moments from which the principal components follow, one
computes the scores. The scores of a million spectra fit into memory, so the clustering itself is the
ordinary one; a third pass averages the spectra of each cluster. Of few counts, a mixture is learned from a
random sample, one pass finds the cluster of every spectrum, and a second averages.
"""

from __future__ import annotations

import numpy as np
from sklearn.pipeline import Pipeline

from atomlens.spectra.components import NoiseRankPCA, add_moments, moments

_LEARNING_SPECTRA = 8000  # spectra from which the steps before the components learn their parameters
_BLOCK_BYTES = 24e6


def transform(matrix, steps, keep, random_state, progress):
    """Fit the steps on lazy spectra and compute the scores.

    Parameters
    ----------
    matrix : dask array of shape (N, L)
    steps : list of (str, transformer)
        Ends with a `NoiseRankPCA`; fitted in place.
    keep : ndarray of bool, shape (N,), or None
    random_state : int
    progress : bool

    Returns
    -------
    points : ndarray of shape (M, n)
    moments_of : callable
        ``moments_of(labels, n_clusters)`` -> mean and standard deviation of every cluster.

    Raises
    ------
    ValueError
        If the steps do not end with principal components.
    """
    if not steps or not isinstance(steps[-1][1], NoiseRankPCA):
        raise ValueError(
            "data larger than memory need a pipeline that ends with NoiseRankPCA: use the recommended "
            "pipeline, or load the data first (`si.compute()`)"
        )
    blocks = _Blocks(matrix, keep)
    # The early steps learn thresholds and weights, for which a few thousand random spectra are plenty.
    before = Pipeline(steps[:-1]) if steps[:-1] else None
    if before is not None:
        before.fit(blocks.sample(_LEARNING_SPECTRA, random_state))
    prepare = before.transform if before is not None else _as_is
    pca = steps[-1][1]
    label = "principal components" if progress else None
    pca.fit_blocks([blocks.fold(_block_moments, add_moments, prepare, progress=label)])
    points = np.concatenate(blocks.map(_block_scores, prepare, pca, progress="scores" if progress else None))
    return points, _moments_of(blocks, dict(steps[:-1]).get("despike"), progress)


def mixture(matrix, steps, keep, model, random_state, progress):
    """Fit a mixture of counts on a sample of lazy spectra, and find the cluster of every spectrum.

    Parameters
    ----------
    matrix : dask array of shape (N, L)
    steps : list of (str, transformer)
        That leave counts; fitted in place.
    keep : ndarray of bool, shape (N,), or None
    model : CountMixture
        Fitted in place; its `labels_` are those of the sample.
    random_state : int
    progress : bool

    Returns
    -------
    probabilities : ndarray of shape (M, k)
    labels : ndarray of int, shape (M,)
    moments_of : callable
        As of `transform`.
    """
    blocks = _Blocks(matrix, keep)
    before = Pipeline(steps) if steps else None
    some = blocks.sample(_LEARNING_SPECTRA, random_state)
    model.fit(some if before is None else before.fit_transform(some))
    prepare = before.transform if before is not None else _as_is
    found = blocks.map(_block_clusters, prepare, model, progress="clusters" if progress else None)
    probabilities, labels = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return probabilities, labels, _moments_of(blocks, dict(steps).get("despike"), progress)


def a_few(matrix, keep, n=500):
    """At most `n` lazy spectra in memory, from few blocks: enough to tell whether counts are few."""
    return _Blocks(matrix, keep).sample(n, 0)


def _moments_of(blocks, despike, progress):
    """The function of labels and their number that gives mean and deviation of each cluster."""

    def moments_of(labels, n_clusters):
        sums = blocks.map(
            _block_sums,
            despike,
            labels=labels,
            n_clusters=n_clusters,
            progress="cluster spectra" if progress else None,
        )
        count = np.bincount(labels[labels >= 0], minlength=n_clusters)[:, None]
        first, second = (np.sum([block[i] for block in sums], axis=0) for i in (0, 1))
        mean = first / np.maximum(count, 1)
        spread = np.sqrt(np.maximum(second / np.maximum(count, 1) - mean**2, 0))
        return mean.astype(np.float32), spread.astype(np.float32)

    return moments_of


def _as_is(block):
    return block


def _block_moments(block, prepare):
    return moments(prepare(block))


def _block_scores(block, prepare, pca):
    return pca.transform(prepare(block))


def _block_clusters(block, prepare, model):
    counts = prepare(block)
    return model.predict_proba(counts).astype(np.float32), model.predict(counts)


def _block_sums(block, despike, *, labels, n_clusters):
    block = block if despike is None else despike.transform(block)
    one_hot = (labels == np.arange(n_clusters)[:, None]).astype(np.float32)
    return (one_hot @ block).astype(np.float64), (one_hot @ block**2).astype(np.float64)


class _Blocks:
    """A lazy matrix cut into row blocks that fit the cache, less the masked rows."""

    def __init__(self, matrix, keep):
        rows = max(int(_BLOCK_BYTES / (4 * matrix.shape[1])), 1)
        self.matrix = matrix.rechunk({0: rows})
        self.keep = np.ones(matrix.shape[0], dtype=bool) if keep is None else keep
        self.edges = np.cumsum([0, *self.matrix.chunks[0]])

    def map(self, function, *args, labels=None, progress=None, **kwargs):
        """Call ``function(block, *args, **kwargs)`` on every block, in order; returns the list of results."""
        import dask

        tasks = self._tasks(function, args, kwargs, labels)
        with _progress_bar(progress):
            return list(dask.compute(*tasks))

    def fold(self, function, together, *args, progress=None):
        """The results of all blocks taken together two by two, of which a few are in memory at a time.

        A scatter matrix has the square of the channels: that of every block would fill the memory.
        """
        import dask

        join = dask.delayed(together, pure=False)
        first, *rest = self._tasks(function, args, {}, None)
        for task in rest:
            first = join(first, task)
        with _progress_bar(progress):
            return first.compute()

    def _tasks(self, function, args, kwargs, labels):
        import dask

        call = dask.delayed(_on_kept, pure=False)
        shared = [dask.delayed(a) for a in args]  # sent once, not once a block
        tasks, start = [], 0
        pieces = self.matrix.to_delayed()[:, 0]
        for piece, low, high in zip(pieces, self.edges[:-1], self.edges[1:], strict=True):
            keep = self.keep[low:high]
            n = int(keep.sum())
            extra = dict(kwargs) if labels is None else {**kwargs, "labels": labels[start : start + n]}
            start += n
            if n:
                tasks.append(call(function, piece, None if n == keep.size else keep, shared, extra))
        return tasks

    def sample(self, n, random_state):
        """At most `n` of the kept spectra: whole runs from random places, so that few blocks are read."""
        rng = np.random.default_rng(random_state)
        rows = np.flatnonzero(self.keep)
        if rows.size > n:
            run = 50  # neighbours in a scan share a chunk on disk
            starts = np.sort(rng.choice(rows.size // run, size=n // run, replace=False)) * run
            rows = rows[(starts[:, None] + np.arange(run)).ravel()]
        return _require_finite(np.asarray(self.matrix[rows].compute()))


def _on_kept(function, block, keep, args, kwargs):
    block = np.asarray(block)
    return function(_require_finite(block if keep is None else block[keep]), *args, **kwargs)


def _require_finite(block):
    if not np.isfinite(block.sum(dtype=np.float64)):
        raise ValueError(
            "a spectrum holds NaN or inf: crop the axis, fill them, or leave them out with `mask=`"
        )
    return block


def _progress_bar(label):
    """Dask's bar for local schedulers; a distributed client has its own dashboard."""
    from contextlib import nullcontext

    from dask.base import get_scheduler
    from dask.diagnostics import ProgressBar

    if label is None or get_scheduler() is not None:
        return nullcontext()
    print(label, flush=True)  # noqa: T201 - heads the bar, which prints too
    return ProgressBar(dt=0.5)
