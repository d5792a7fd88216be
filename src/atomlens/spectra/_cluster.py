"""`cluster`: from a spectrum image to label map, cluster spectra and fitted pipeline in one call."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.metrics import calinski_harabasz_score, silhouette_score
from sklearn.pipeline import Pipeline

from atomlens._types import Any, ArrayLike, DataArray, DataFrame
from atomlens.spectra._matrix import as_spectra
from atomlens.spectra.clusterer import METHODS, SpectralClusterer
from atomlens.spectra.counts import FEW_COUNTS, CountMixture, dose
from atomlens.spectra.despike import Despike
from atomlens.spectra.pipelines import _a_few, recommended_pipeline

_SCORED_POINTS = 2000  # the silhouette compares all pairs
_COMPARED_POINTS = 200_000  # of a million, double precision would take half a gigabyte


@dataclass(frozen=True)
class ClusterResult:
    """What `cluster` found.

    Attributes
    ----------
    labels : DataArray of int over the scan
        0 is the largest cluster; -1 marks points left out (masked, HDBSCAN's noise, or without a count).
    spectra : DataArray of shape (cluster, L)
        Mean spectrum of each cluster, in the units of the data.
    spread : DataArray of shape (cluster, L)
        Standard deviation inside each cluster, channel by channel.
    pipeline : sklearn.pipeline.Pipeline
        Every fitted step.
    scores : pandas.Series
        ``n_clusters``, ``n_components``, ``silhouette`` and ``calinski_harabasz`` in the space of the
        components, and ``smallest_share``, the smallest cluster's part of the scan.
    scores_map : DataArray over the scan and ``component``
        The space in which the clustering was done: principal-component scores, or, of the multinomial
        mixture, the probability of every cluster.
    method : str
        How it was done, ``"multinomial"`` where counts were few and nothing else was asked for.
    """

    labels: xr.DataArray
    spectra: xr.DataArray
    spread: xr.DataArray
    pipeline: Pipeline
    scores: pd.Series
    scores_map: xr.DataArray
    method: str = "kmeans"

    def __repr__(self):
        sizes = np.bincount(self.labels.values[self.labels.values >= 0])
        shape = " x ".join(map(str, self.labels.shape))
        shares = ", ".join(f"{size / self.labels.size:.1%}" for size in sizes)
        return f"<ClusterResult: {len(sizes)} clusters on {shape} points ({shares}) by {self.method}>"

    def table(self) -> DataFrame:
        """Cluster spectra as a table.

        Returns
        -------
        DataFrame
            One row a channel: the axis, then ``mean_k`` and ``sd_k`` of every cluster.

        Examples
        --------
        >>> from atomlens import simulate
        >>> result = cluster(simulate.spectra.eels(3, shape=(12, 12)).data, 2)
        >>> list(result.table().columns)
        ['energy', 'mean_0', 'sd_0', 'mean_1', 'sd_1']
        """
        dim = self.spectra.dims[-1]
        columns = {
            dim: self.spectra[dim].values if dim in self.spectra.coords else np.arange(self.spectra.shape[1])
        }
        for k in range(self.spectra.sizes["cluster"]):
            columns[f"mean_{k}"] = self.spectra.values[k]
            columns[f"sd_{k}"] = self.spread.values[k]
        return pd.DataFrame(columns)

    def export(self, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write the result for other programs: CSV, TIFF and hspy.

        Parameters
        ----------
        folder : path-like
            Made if it is not there.
        overwrite : bool
            Replace files of an earlier export.

        Returns
        -------
        list of Path
            ``cluster_spectra.csv``, ``labels.csv``, ``labels.tif`` (maps only) and ``cluster_spectra.hspy``.

        Raises
        ------
        FileExistsError
            If a file is there already and `overwrite` is False; nothing is written then.

        Examples
        --------
        >>> import tempfile
        >>> from atomlens import simulate
        >>> result = cluster(simulate.spectra.eels(3, shape=(12, 12)).data, 2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in result.export(folder)]
        ['cluster_spectra.csv', 'labels.csv', 'labels.tif', 'cluster_spectra.hspy']
        """
        from atomlens import io

        folder = Path(folder)
        labels = self.labels.rename("label")
        outputs = {
            "cluster_spectra.csv": self.table(),
            "labels.csv": labels.to_dataframe().reset_index(),
            **({"labels.tif": labels.astype(np.int16)} if labels.ndim == 2 else {}),
            "cluster_spectra.hspy": self.spectra,
        }
        folder.mkdir(parents=True, exist_ok=True)
        files = {folder / name: item for name, item in outputs.items()}
        return io.write_all(files, overwrite=overwrite)


def cluster(
    si: DataArray | ArrayLike,
    n_clusters: int | None = None,
    method: str = "auto",
    *,
    preprocess: Any = "recommended",
    mask: ArrayLike | None = None,
    random_state: int = 0,
    progress: bool = True,
) -> ClusterResult:
    """Cluster the spectra of an image, a line scan or a library.

    Parameters
    ----------
    si : DataArray or array_like of shape (..., L)
        Any scan, any spectral axis. Dask-backed data larger than memory are streamed through the same
        steps block by block, on the local cores or on the active ``distributed`` client.
    n_clusters : int, optional
        Number of clusters (`choose_k` recommends one); not needed by ``"hdbscan"``.
    method : {"auto", "kmeans", "gmm", "ward", "spectral", "hdbscan", "multinomial"}
        ``"multinomial"`` is a `CountMixture` of the raw counts, without spikes but neither normalised nor
        reduced to components; the others see `SpectralClusterer`. ``"auto"`` takes the mixture for raw
        counts (whole numbers, none negative) of fewer than 1000 a spectrum, with ``preprocess`` left as it
        is; k-means otherwise.
    preprocess : "recommended", Pipeline or None
        Steps before clustering: those of `recommended_pipeline`, your own transformers (which are
        cloned, not changed), or None to cluster the raw channels. For ``"multinomial"`` your own steps
        must leave counts: they may despike and crop.
    mask : array_like of bool over the scan, optional
        True where a spectrum takes part; the others get label -1. So do spectra of a masked array
        (`numpy.ma`, or of Dask) of which any channel is masked. A DataArray holds no mask: xarray makes NaN
        of what is masked, and NaN is refused unless this mask leaves it out.
    random_state : int
    progress : bool
        Show a progress bar while data larger than memory are streamed.

    Returns
    -------
    ClusterResult

    Raises
    ------
    ValueError
        If there is no scan or spectral axis, a spectrum is not finite or zero everywhere, there are
        more clusters than spectra, or the mask does not fit; the message says what to do.

    Examples
    --------
    >>> from atomlens import metrics, simulate
    >>> sample = simulate.spectra.eels(3, shape=(32, 32))
    >>> result = cluster(sample.data, 3)
    >>> metrics.adjusted_rand_index(result.labels, sample.truth.labels) > 0.98
    True
    """
    spectra = as_spectra(si, mask)
    keep = spectra.keep
    n_kept = spectra.matrix.shape[0] if keep is None else int(keep.sum())
    if method not in (*METHODS, "auto", "multinomial"):
        raise ValueError(f"method must be one of auto, multinomial, {', '.join(METHODS)}; got {method!r}")
    if not isinstance(n_clusters, int | np.integer | None):
        raise TypeError(
            f"n_clusters must be a whole number, got a {type(n_clusters).__name__}: of what `choose_k` "
            "returns, pass the attribute `recommended`"
        )
    # The number of clusters is checked alike for all that need one, before the expensive steps.
    plain = SpectralClusterer(n_clusters, method=method if method in METHODS else "kmeans")
    plain.set_params(random_state=random_state)._check(n_kept)
    if n_kept < 2:
        raise ValueError(f"{n_kept} spectrum is too few to cluster: at least 2 are needed")
    if method == "auto":
        method = "multinomial" if few_counts(spectra, preprocess) is not None else "kmeans"
    of_counts = method == "multinomial"
    steps = _count_steps(preprocess) if of_counts else _steps(si, preprocess, mask)
    clusterer = CountMixture(n_clusters, random_state=random_state) if of_counts else plain
    if spectra.is_lazy:
        from atomlens.spectra import _streaming

        transform = partial(_streaming.transform, random_state=random_state, progress=progress)
        through = partial(_streaming.mixture, random_state=random_state, progress=progress)
    else:
        transform, through = _transform, _mixture
    if of_counts:
        points, labels, moments_of = through(spectra.matrix, steps, keep, clusterer)
    else:
        points, moments_of = transform(spectra.matrix, steps, keep)
        labels = clusterer.fit(points).labels_
    if clusterer.n_clusters_ == 0:
        raise ValueError(
            f"{method} found no dense region among these {n_kept} spectra: there may be no clusters "
            "(`choose_k` tests that), or too few spectra for this method"
        )
    mean, sd = moments_of(labels, clusterer.n_clusters_)
    units = {
        name: spectra.attrs.get(name, default)
        for name, default in (("long_name", "intensity"), ("units", ""))
    }
    every_point = _everywhere(points, keep, np.nan).reshape(*spectra.scan.shape, -1)
    return ClusterResult(
        labels=spectra.on_scan(_everywhere(labels, keep, -1), long_name="cluster").rename("labels"),
        spectra=spectra.on_axis(mean, **units).rename("spectra"),
        spread=spectra.on_axis(sd, **units).rename("spread"),
        pipeline=Pipeline([*steps, ("cluster", clusterer)]),
        scores=_scores(points, labels, clusterer.n_clusters_, random_state, in_space=not of_counts),
        scores_map=xr.DataArray(
            every_point, dims=(*spectra.scan.dims, "component"), coords=spectra.scan.coords, name="scores"
        ),
        method=method,
    )


def _transform(matrix, steps, keep):
    """Fit the steps on spectra in memory.

    Returns the points, and a function of labels and their number that gives mean and deviation of each
    cluster; `_streaming.transform` is the same for spectra that do not fit into memory.
    """
    if keep is not None:
        matrix = matrix[keep]
    # Cluster spectra are shown in the units of the data, but without spikes: so despike apart, once.
    if steps and isinstance(steps[0][1], Despike):
        matrix, steps = steps[0][1].fit_transform(matrix), steps[1:]
    points = Pipeline(steps).fit_transform(matrix) if steps else matrix
    return points, partial(cluster_moments, matrix)


def _mixture(matrix, steps, keep, mixture):
    """Fit a mixture of counts in memory: probabilities, labels, and the function `_transform` returns."""
    counts, moments_of = _transform(matrix, steps, keep)
    mixture.fit(counts)
    return mixture.predict_proba(counts).astype(np.float32), mixture.labels_, moments_of


def few_counts(spectra, preprocess):
    """Counts a spectrum, where they are raw and so few that the mixture of counts takes over; else None.

    Parameters
    ----------
    spectra : Spectra
    preprocess : "recommended", Pipeline or None
        With steps of your own, or none, nothing takes over.

    Returns
    -------
    float or None
    """
    if not (isinstance(preprocess, str) and preprocess == "recommended"):
        return None
    if spectra.is_lazy:
        from atomlens.spectra._streaming import a_few

        counts = dose(a_few(spectra.matrix, spectra.keep))
    else:
        counts = dose(_a_few(spectra))
    return counts if counts is not None and 0 < counts < FEW_COUNTS else None


def _count_steps(preprocess):
    """Unfitted steps that leave counts what they are."""
    if isinstance(preprocess, str) and preprocess == "recommended":
        return [("despike", Despike(noise="poisson"))]
    return _steps(None, preprocess)


def _everywhere(values, keep, missing):
    """Values of the kept points on the whole scan."""
    if keep is None:
        return values
    full = np.full((keep.size, *values.shape[1:]), missing, dtype=values.dtype)
    full[keep] = values
    return full


def _steps(si, preprocess, mask=None):
    """Unfitted copies of the steps before clustering."""
    from sklearn.base import clone

    if preprocess is None:
        return []
    if isinstance(preprocess, str):
        if preprocess != "recommended":
            raise ValueError(f'preprocess must be "recommended", a Pipeline or None, got {preprocess!r}')
        return recommended_pipeline(si, mask=mask).steps
    if not isinstance(preprocess, Pipeline):
        raise TypeError(
            f"preprocess must be a scikit-learn Pipeline, got {type(preprocess).__name__}: "
            "`recommended_pipeline(si, ...)` makes one"
        )
    return clone(preprocess).steps


def cluster_moments(matrix, labels, n_clusters):
    """Mean and standard deviation of the spectra of each cluster.

    Parameters
    ----------
    matrix : ndarray of shape (N, L)
    labels : ndarray of int, shape (N,)
    n_clusters : int

    Returns
    -------
    (ndarray, ndarray), each of shape (n_clusters, L)

    Examples
    --------
    >>> mean, sd = cluster_moments(np.array([[1.0], [3.0], [9.0]]), np.array([0, 0, 1]), 2)
    >>> mean.ravel().tolist(), sd.ravel().tolist()
    ([2.0, 9.0], [1.0, 0.0])
    """
    mean = np.empty((n_clusters, matrix.shape[1]), dtype=np.float32)
    sd = np.empty_like(mean)
    for k in range(n_clusters):
        members = matrix[labels == k]
        mean[k], sd[k] = members.mean(axis=0, dtype=np.float64), members.std(axis=0, dtype=np.float64)
    return mean, sd


def _scores(points, labels, n_clusters, random_state, *, in_space=True):
    clustered = labels >= 0
    scores = {
        "n_clusters": n_clusters,
        "n_components": points.shape[1],
        "silhouette": np.nan,
        "calinski_harabasz": np.nan,
        "smallest_share": np.bincount(labels[clustered]).min() / labels.size if clustered.any() else 0.0,
    }
    # Probabilities are no space in which clusters would have a distance.
    if in_space and 1 < n_clusters < np.count_nonzero(clustered):
        inside, groups = points[clustered], labels[clustered]
        order = np.random.default_rng(random_state).permutation(len(inside))
        some = order[:_COMPARED_POINTS] if len(inside) > _COMPARED_POINTS else slice(None)
        if np.unique(groups[some]).size > 1:
            scores["calinski_harabasz"] = calinski_harabasz_score(inside[some], groups[some])
        few = order[:_SCORED_POINTS]
        if 1 < np.unique(groups[few]).size < few.size:
            scores["silhouette"] = silhouette_score(inside[few], groups[few])
    return pd.Series(scores, name="score")
