"""What the widgets know and do, without anything on a screen."""

from __future__ import annotations

import numpy as np
import traitlets
import xarray as xr

from atomlens import metrics, spectra
from atomlens._types import Any, ArrayLike, DataArray, KChoice
from atomlens.widgets._model import Model

__all__ = ["ClusterModel", "CockpitModel"]

NORMALISATIONS = ("auto", "area", "max", "l2", "snv", "none")


class ClusterModel(Model):
    """Clustering of a spectrum image or line scan, and a region of it under inspection.

    Set `n_clusters`, `method`, `normalise` or `region`, and `result`, `selected` and `code` follow. What
    goes wrong is put into `error` instead of being raised, for the view to show.

    Parameters
    ----------
    si : DataArray of shape (H, W, L) or (W, L)
    truth : array_like of int, shape (H, W) or (W,), optional
        The planted labels, where they are known; negative where nothing is scored.
    name, truth_name : str
        What the data and the truth are called in the code that is shown.
    random_state : int
    **traits
        Initial values of the traits.

    Raises
    ------
    ValueError
        If the scan is neither a map nor a line, or the truth does not fit it.
    TypeError
        If the truth is not of whole numbers.

    Examples
    --------
    >>> from atomlens import simulate
    >>> phantom = simulate.spectra.eels(2, shape=(8, 8))
    >>> model = ClusterModel(phantom.data, phantom.truth.labels, n_clusters=2)
    >>> model.region = (0, 2, 0, 2)
    >>> model.selected.dims, model.ari
    (('energy',), 1.0)
    """

    n_clusters = traitlets.Int(3, min=1, max=len("0123456789"), help="Number of clusters.")
    method = traitlets.Enum(spectra.METHODS, "kmeans", help="Clustering method.")
    normalise = traitlets.Enum(NORMALISATIONS, "auto", help="How the strength of a spectrum is divided out.")
    region = traitlets.Tuple(help="First and past-the-last index along each scan dimension.")
    result = traitlets.Any(None, allow_none=True, help="ClusterResult of the current settings.")
    selected = traitlets.Any(None, allow_none=True, help="Mean spectrum of the region.")

    def __init__(
        self,
        si: DataArray,
        truth: ArrayLike | None = None,
        *,
        name: str = "si",
        truth_name: str = "truth",
        random_state: int = 0,
        **traits: Any,
    ) -> None:
        if not isinstance(si, xr.DataArray) or si.ndim not in (2, 3):
            raise ValueError(
                "the explorer shows maps (y, x, energy) and line scans (x, energy) as DataArrays"
            )
        if truth is not None:  # what cannot be scored is refused before anything is clustered
            metrics.adjusted_rand_index(np.zeros(si.shape[:-1], int), truth)
        self.si, self.truth = si, truth
        self.name, self.truth_name = name, truth_name
        self.random_state = random_state
        self.scan_dims = si.dims[:-1]
        # The middle pixel, so that there is something to see before the first click.
        middle = [n // 2 for n in si.shape[:-1]]
        traits.setdefault("region", tuple(edge for m in middle for edge in (m, m + 1)))
        super().__init__(**traits)
        self._cluster()
        self._select()

    @traitlets.validate("region")
    def _check_region(self, proposal):
        """Clip to the scan and put the edges in order, as a drag may run any way."""
        if len(proposal.value) != 2 * len(self.scan_dims):
            raise traitlets.TraitError(
                f"region needs a first and a past-the-last index along {self.scan_dims}, got {proposal.value}"
            )
        sizes = np.array(self.si.shape[:-1])
        first, last = np.sort(np.reshape(proposal.value, (-1, 2)).astype(int)).T
        first = np.clip(first, 0, sizes - 1)
        return tuple(np.column_stack([first, np.clip(last, first + 1, sizes)]).ravel().tolist())

    @traitlets.observe("n_clusters", "method", "normalise")
    def _cluster(self, _=None):
        steps = self._tried(spectra.recommended_pipeline, self.si, normalise=self.normalise)
        if steps is None:
            return
        # HDBSCAN finds its own number of clusters.
        k = None if self.method == "hdbscan" else self.n_clusters
        settings = {"preprocess": steps, "random_state": self.random_state}
        if (result := self._tried(spectra.cluster, self.si, k, self.method, **settings)) is not None:
            self.result = result

    @traitlets.observe("region")
    def _select(self, _=None):
        self.selected = self.si.isel(self._slices()).mean(self.scan_dims, keep_attrs=True)

    def _slices(self):
        pairs = zip(self.scan_dims, self.region[::2], self.region[1::2], strict=True)
        return {dim: slice(low, high) for dim, low, high in pairs}

    @property
    def ari(self) -> Any:
        """Adjusted Rand index of the labels with the truth; None without a truth."""
        if self.truth is None or self.result is None:
            return None
        return metrics.adjusted_rand_index(self.result.labels, self.truth)

    @property
    def selected_cluster(self) -> Any:
        """The cluster that most points of the region belong to; -1 when they are all left out."""
        labels = self.result.labels.isel(self._slices()).values
        inside = labels[labels >= 0]
        return int(np.bincount(inside).argmax()) if inside.size else -1

    @property
    def code(self) -> str:
        """Calls that repeat the view, to be pasted into a cell."""
        k = "None" if self.method == "hdbscan" else self.n_clusters
        slices = ", ".join(f"{d}=slice({s.start}, {s.stop})" for d, s in self._slices().items())
        dims = ", ".join(f'"{d}"' for d in self.scan_dims)
        score = [f"ari = metrics.adjusted_rand_index(result.labels, {self.truth_name})"]
        known = self.truth is not None
        return "\n".join(
            (
                "from atomlens import " + ("metrics, spectra" if known else "spectra"),
                "",
                f'steps = spectra.recommended_pipeline({self.name}, normalise="{self.normalise}")',
                "result = spectra.cluster(",
                f'    {self.name}, {k}, "{self.method}", preprocess=steps, random_state={self.random_state}',
                ")",
                f"selected = {self.name}.isel({slices}).mean([{dims}])",
                *(score if known else ()),
            )
        )


class CockpitModel(Model):
    """A number of clusters under inspection: the criteria of every k, and the clustering of one.

    Parameters
    ----------
    si : DataArray of shape (..., L)
    choice : KChoice, optional
        From `atomlens.spectra.choose_k`; computed when it is not given.
    name : str
        What the data are called in the code that is shown.
    random_state : int

    Examples
    --------
    >>> from atomlens import simulate
    >>> si = simulate.spectra.eels(2, shape=(8, 8)).data
    >>> model = CockpitModel(si, spectra.choose_k(si, range(1, 4)))
    >>> model.k = 3
    >>> model.result.labels.max().item()
    2
    """

    k = traitlets.Int(help="Number of clusters under inspection.")
    result = traitlets.Any(None, allow_none=True, help="ClusterResult for this k.")

    def __init__(
        self, si: DataArray, choice: KChoice | None = None, *, name: str = "si", random_state: int = 0
    ) -> None:
        self.si = si
        self.choice = spectra.choose_k(si, random_state=random_state) if choice is None else choice
        self.name = name
        self.random_state = random_state
        self._results = {}  # by k: computed once
        super().__init__()
        self.k = self.choice.recommended

    @traitlets.validate("k")
    def _check_k(self, proposal):
        tried = self.choice.table.index
        if proposal.value not in tried:
            raise traitlets.TraitError(f"k={proposal.value} was not tried: choose one of {list(tried)}")
        return proposal.value

    @traitlets.observe("k")
    def _cluster(self, _=None):
        if self.k not in self._results:
            self._results[self.k] = spectra.cluster(self.si, self.k, random_state=self.random_state)
        self.result = self._results[self.k]

    @property
    def code(self) -> str:
        """Calls that repeat the view, to be pasted into a cell."""
        tried = self.choice.table.index
        return "\n".join(
            (
                "from atomlens import spectra",
                "",
                f"choice = spectra.choose_k({self.name}, range({tried.min()}, {tried.max() + 1}), "
                f"random_state={self.random_state})",
                f"result = spectra.cluster({self.name}, {self.k}, random_state={self.random_state})",
            )
        )
