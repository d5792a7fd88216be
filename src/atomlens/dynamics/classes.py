"""Classes of defects, from the pictures of them: how many, what they look like, which defect is which."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.mixture import GaussianMixture
from sklearn.utils.validation import check_is_fitted

from atomlens._doubts import warn
from atomlens._threads import one_thread
from atomlens._types import ArrayLike, DataFrame, Mapping, Self, Sequence, ndarray
from atomlens.dynamics._orientations import aligned, reference, related, weight
from atomlens.dynamics.unmixing import checked_pictures, unmix

__all__ = ["SubImageClasses"]

_MOST_COMPONENTS = 12
_DISC = 0.95  # of the half width: what turns leave in the picture
_STARTS = 5
_FEW = 5  # pictures a component of PCA and class, below which covariances are guesses
_SURE, _UNSURE = 0.9, 0.2  # probability of a class, and share of pictures below it that is worth a sentence


class SubImageClasses(ClusterMixin, BaseEstimator):
    """Principal components of pictures of defects, and a Gaussian mixture in them.

    Parameters
    ----------
    n_classes : int, optional
        By default what the Bayesian information criterion prefers, among 1 to `max_classes`: the least that
        Gaussians need. It is no number of kinds of defects; look at ``bic_`` and ``means_``.
    n_components : int, optional
        Principal components; by default those that rise above pictures whose pixels were shuffled.
    turns : int
        Equivalent orientations of the crystal (3 for a metal site of WS2, 6 for graphene): pictures are
        turned until they agree best. 1 leaves them as they are, and then one defect may make several
        classes.
    max_classes : int
        Up to which the criterion is asked.
    random_state : int

    Attributes
    ----------
    means_ : DataArray, dims (class, y, x)
        Mean picture of each class, the darkest centre first.
    bic_ : DataFrame
        ``n_classes``, ``bic`` (lower is better).
    scree_ : ndarray
        Share of the variance of each component, twelve at most.
    n_classes_, n_components_ : int
    names_ : list
        Of the classes: their numbers until `name` is called.
    labels_ : ndarray of shape (N,)
        Of the pictures that were fitted, those beyond the border included.
    doubts_ : list of str

    References
    ----------
    Maksov et al., npj Comput. Mater. 5, 12 (2019): five classes on raw pixels, where the criterion favours
    two. Number of components: Horn, Psychometrika 30, 179 (1965).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> kind = rng.integers(2, size=100)
    >>> y, x = np.mgrid[-8:9, -8:9]
    >>> dark = np.exp(-(x**2 + y**2) / 18)
    >>> pictures = 1 - np.where(kind, 0.4, 0.9)[:, None, None] * dark + rng.normal(0, 0.1, (100, 17, 17))
    >>> classes = SubImageClasses(2).fit(pictures).name(["vacancy", "dopant"])
    >>> bool((classes.predict(pictures) == np.where(kind, "dopant", "vacancy")).all())
    True
    """

    def __init__(
        self,
        n_classes: int | None = None,
        *,
        n_components: int | None = None,
        turns: int = 1,
        max_classes: int = 8,
        random_state: int = 0,
    ) -> None:
        self.n_classes = n_classes
        self.n_components = n_components
        self.turns = turns
        self.max_classes = max_classes
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn the classes.

        Parameters
        ----------
        X : DataArray or array_like of shape (N, height, width)
            Of `sub_images`; those that are not ``inside`` are not learned from. The corners count little.
        y : array_like of shape (N,), optional
            What each is, as a phantom knows: then classes are taught, not found (linear discriminant
            analysis of the pixels), and bear these names. What varies most need not be what matters.

        Returns
        -------
        SubImageClasses
            Fitted.

        Raises
        ------
        ValueError
            If they are no pictures, hold NaN, are too few, or `y` does not fit.
        """
        pictures, inside = checked_pictures(X), _inside(X)
        for name, least in (("turns", 1), ("max_classes", 1)):
            value = getattr(self, name)
            if not (isinstance(value, int | np.integer) and value >= least):
                raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
        learned = pictures[inside]
        needed = max(10, 2 * (self.n_classes or 1))
        if len(learned) < needed:
            raise ValueError(
                f"{len(learned)} pictures inside the frames are too few to find classes in: {needed} are "
                "needed; take more frames, or a lower threshold"
            )
        self.reference_ = reference(learned, self.turns)
        learned = self._turned(learned)
        flat = (learned * weight(learned.shape[1:])).reshape(len(learned), -1)
        with one_thread():
            if y is None:
                self._find(flat)
                raw = self.mixture_.predict(self.pca_.transform(flat))
            else:
                raw = self._teach(flat, np.asarray(y), inside)
        means = np.stack([_mean(learned[raw == k]) for k in range(self.n_classes_)])
        middle = means.shape[1] // 2
        centre = means[:, middle - 1 : middle + 2, middle - 1 : middle + 2].mean(axis=(1, 2))
        self._order = np.argsort(centre)
        coords = {axis: X.coords[axis] for axis in ("y", "x")} if hasattr(X, "coords") else {}
        coords["class"] = np.arange(self.n_classes_)
        self.means_ = xr.DataArray(means[self._order], coords, ("class", "y", "x"), name="mean")
        self.names_ = list(range(self.n_classes_))
        if y is not None:
            self.names_ = self.mixture_.classes_[self._order].tolist()
        share = self.predict_proba(X)
        self._numbers = share.argmax(axis=1)
        self.labels_ = np.array(self.names_)[self._numbers]
        self.doubts_ = self._said(share[inside])
        warn(self.doubts_)
        return self

    def _teach(self, flat, y, inside):
        """A Gaussian a name, of one common scatter; returns the numbers of the names."""
        if y.shape != inside.shape:
            raise ValueError(f"{len(inside)} pictures, but {y.shape} names: give one for each")
        names, numbers = np.unique(y[inside].astype(str), return_inverse=True)
        if len(names) < 2:
            raise ValueError(f"all pictures are called {names[0]}: two classes or more can be taught")
        self.pca_ = None
        self.scree_, self.bic_ = np.array([]), pd.DataFrame({"n_classes": [], "bic": []})
        self.n_classes_, self.n_components_ = len(names), flat.shape[1]
        self.mixture_ = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(flat, names[numbers])
        return numbers

    def _find(self, flat):
        """Components and mixture."""
        most = min(_MOST_COMPONENTS, len(flat) - 1, flat.shape[1])
        pca = PCA(most, svd_solver="covariance_eigh" if len(flat) > flat.shape[1] else "full").fit(flat)
        self.scree_ = pca.explained_variance_ratio_
        count = self.n_components or _above_noise(flat, pca, self.random_state)
        self.n_components_ = int(min(count, most))
        self.pca_ = PCA(self.n_components_, svd_solver=pca.svd_solver).fit(flat)
        points = self.pca_.transform(flat)
        largest = max(1, min(self.max_classes, len(flat) // (2 * self.n_components_)))
        tried = sorted({*range(1, largest + 1), *([self.n_classes] if self.n_classes else [])})
        mixtures = {k: _mixture(points, k, self.random_state) for k in tried}
        bic = [mixtures[k].bic(points) for k in tried]
        self.bic_ = pd.DataFrame({"n_classes": tried, "bic": bic})
        self.n_classes_ = int(self.n_classes or tried[int(np.argmin(bic))])
        self.mixture_ = mixtures[self.n_classes_]

    def predict_proba(self, X: ArrayLike) -> ndarray:
        """Probability of each class, shape (N, n_classes), for pictures of the size that was learned.

        Parameters
        ----------
        X : DataArray or array_like of shape (N, height, width)

        Returns
        -------
        ndarray of shape (N, n_classes)
        """
        check_is_fitted(self, "mixture_")
        pictures = checked_pictures(X)
        if pictures.shape[1:] != self.means_.shape[1:]:
            raise ValueError(
                f"pictures of {pictures.shape[1]} x {pictures.shape[2]} pixels, but classes were learned of "
                f"{self.means_.shape[1]} x {self.means_.shape[2]}: cut them with that size_px"
            )
        if not len(pictures):
            return np.empty((0, self.n_classes_))
        flat = (self._turned(pictures) * weight(pictures.shape[1:])).reshape(len(pictures), -1)
        with one_thread():
            points = flat if self.pca_ is None else self.pca_.transform(flat)
            return self.mixture_.predict_proba(points)[:, self._order]

    def predict(self, X: ArrayLike) -> ndarray:
        """Class of each picture: its name, or its number.

        Parameters
        ----------
        X : DataArray or array_like of shape (N, height, width)

        Returns
        -------
        ndarray of shape (N,)
        """
        return np.array(self.names_)[self.predict_proba(X).argmax(axis=1)]

    def name(self, names: Sequence[str] | Mapping[int, str]) -> Self:
        """Give classes names; the same name twice makes one class of two.

        Parameters
        ----------
        names : sequence of str, or dict
            In the order of ``means_``, or by number.

        Returns
        -------
        SubImageClasses
            Itself.

        Raises
        ------
        ValueError
            If there are not as many names as classes, or a number is none.
        """
        check_is_fitted(self, "mixture_")
        if isinstance(names, dict):
            unknown = set(names) - set(range(self.n_classes_))
            if unknown:
                raise ValueError(f"there is no class {', '.join(map(str, sorted(unknown)))}: see means_")
            names = [names.get(k, str(k)) for k in range(self.n_classes_)]
        if len(names) != self.n_classes_:
            raise ValueError(f"{len(names)} names for {self.n_classes_} classes: name every one")
        self.names_ = list(names)
        self.labels_ = np.array(self.names_)[self._numbers]
        return self

    def label(self, detections: DataFrame, X: ArrayLike) -> DataFrame:
        """The table with ``label`` (class) and ``certainty`` (its probability), for `link`, `transitions`.

        Parameters
        ----------
        detections : DataFrame
            One row a picture.
        X : DataArray or array_like of shape (N, height, width)

        Returns
        -------
        DataFrame
        """
        if len(detections) != len(X):
            raise ValueError(f"{len(detections)} detections, but {len(X)} pictures: cut them from this table")
        share = self.predict_proba(X)
        names = np.array(self.names_)[share.argmax(axis=1)] if len(share) else np.array([], dtype=object)
        table = detections.assign(label=names, certainty=share.max(axis=1, initial=0.0))
        table.attrs = {**detections.attrs, "doubts": [*detections.attrs.get("doubts", []), *self.doubts_]}
        return table

    def summary(self) -> DataFrame:
        """What the means look like, in numbers, to name them.

        Returns
        -------
        DataFrame
            One row a class: ``label``, ``n``, ``share``, ``centre`` (brightness there), ``around`` (mean of
            the rest), ``lopsided`` (how much one side differs from the other, 0 for a symmetric one).
        """
        check_is_fitted(self, "mixture_")
        means = self.means_.values
        side = means.shape[1]
        offset = np.indices((side, side)) - side // 2
        radius = np.hypot(*offset)
        near = radius <= max(1.0, side / 16)
        ring = (radius > side / 8) & (radius <= _DISC * side / 2)
        direction, labels = np.exp(1j * np.arctan2(*offset))[ring], np.asarray(self.labels_)
        counts = [int(np.sum(labels == name)) for name in self.names_]
        spread = [np.abs((mean[ring] * direction).mean()) / max(mean[ring].std(), 1e-12) for mean in means]
        return pd.DataFrame({
            "label": self.names_, "n": counts, "share": np.array(counts) / max(1, len(labels)),
            "centre": means[:, near].mean(axis=1), "around": means[:, ring].mean(axis=1), "lopsided": spread,
        })  # fmt: skip

    def unmix(self, X: ArrayLike) -> DataFrame:
        """Pictures as sums of the class means, turned as these are; see `unmix`.

        Parameters
        ----------
        X : DataArray or array_like of shape (N, height, width)

        Returns
        -------
        DataFrame
        """
        check_is_fitted(self, "mixture_")
        found = unmix(self._turned(checked_pictures(X)), self.means_.values)
        return found.set_axis([*map(str, self.names_), "residual"], axis=1)

    def _turned(self, pictures):
        return pictures if self.turns == 1 else aligned(pictures, self.reference_, self.turns)

    def _said(self, share):
        said, each = [], len(share) / self.n_classes_
        taught = self.pca_ is None
        best = self.n_classes_ if taught else int(self.bic_["n_classes"][self.bic_["bic"].argmin()])
        if best != self.n_classes_:
            said.append(
                f"the information criterion prefers {best} classes to {self.n_classes_}: further ones may "
                "share one kind of defect; compare means_"
            )
        if not taught and each < _FEW * self.n_components_:
            said.append(
                f"{each:.0f} pictures a class for {self.n_components_} components: scatter within classes is "
                "hardly known; take more frames, or fewer classes"
            )
        unsure = float((share.max(axis=1) < _SURE).mean())
        if unsure > _UNSURE:
            said.append(
                f"{unsure:.0%} of the pictures belong to their class with less than {_SURE:.0%}: use "
                "predict_proba, or a misclassification matrix in `transitions`"
            )
        pairs = related(self.means_.values) if self.turns == 1 and not taught else []
        if pairs:
            said.append(
                f"classes {', '.join(f'{a} and {b}' for a, b in pairs)} look alike when one is turned by a "
                "multiple of 60°: perhaps one kind of defect; give turns=3 or 6"
            )
        return said


def _inside(X):
    known = "inside" in getattr(X, "coords", {})
    return X.coords["inside"].values if known else np.ones(len(X), dtype=bool)


def _mean(pictures):
    return pictures.mean(axis=0) if len(pictures) else np.full(pictures.shape[1:], np.nan)


def _mixture(points, count, seed):
    scatter = float(points.var(axis=0).min())
    mixture = GaussianMixture(count, reg_covar=1e-3 * scatter + 1e-12, n_init=_STARTS, random_state=seed)
    return mixture.fit(points)


def _above_noise(flat, pca, seed):
    """Components whose variance exceeds that of the first one of shuffled pictures."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(flat - flat.mean(axis=0), axis=0)
    noise = PCA(1, svd_solver=pca.svd_solver).fit(shuffled).explained_variance_[0]
    return max(2, int((pca.explained_variance_ > noise).sum()))
