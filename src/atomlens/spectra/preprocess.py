"""Steps before clustering, each a scikit-learn transformer of spectra (N, L).

They take matrices, so that they chain in a `Pipeline`; where a step needs the energy axis it is a
parameter (`axis`, one value a channel), and without it channel numbers are used.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.decomposition import NMF
from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = ["AlignZeroLoss", "Crop", "Denoise", "Despike", "Normalise", "PoissonWeight", "RemoveBackground"]


class _SpectralStep(TransformerMixin, BaseEstimator):
    """What the steps share: validation in float32, and the axis in physical units."""

    _needs_positive = False

    def _validate(self, X, *, reset=False):
        return validate_data(self, X, reset=reset, dtype=[np.float32, np.float64], force_writeable=False)

    def fit(self, X, y=None):
        """Check the spectra and remember how many channels they have.

        Parameters
        ----------
        X : array_like of shape (N, L)
        y : ignored

        Returns
        -------
        self
        """
        X = self._validate(X, reset=True)
        self._fit(X)
        return self

    def _fit(self, X):
        """Learn what the step needs; most need nothing."""

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_features_in_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = self._needs_positive
        return tags

    def _channels(self):
        """The axis as an increasing array of one value a channel."""
        if self.axis is None:
            return np.arange(self.n_features_in_, dtype=float)
        axis = np.asarray(self.axis, dtype=float)
        if axis.shape != (self.n_features_in_,):
            raise ValueError(
                f"axis has {axis.size} values but the spectra have {self.n_features_in_} channels: "
                "after cropping, pass the cropped axis"
            )
        if not np.all(np.diff(axis) > 0):
            raise ValueError("axis must increase from channel to channel: sort the data first")
        return axis

    def _inside(self, low, high, what):
        """Channels between two values of the axis, at least one."""
        axis = self._channels()
        low, high = (axis[0] if low is None else low), (axis[-1] if high is None else high)
        inside = (axis >= low) & (axis <= high)
        if not inside.any():
            raise ValueError(
                f"{what} {low:g} to {high:g} holds no channel: the axis runs from {axis[0]:g} to {axis[-1]:g}"
            )
        return inside


_LEARNING_SPECTRA = 4000  # spectra from which the limits are learned: 40 of them make the last per cent
_CACHED_VALUES = 50_000


def _median_of_five(X):
    """Running median over five channels; the first and last two take the median of the edge window."""
    a, b, c, d, e = (X[:, i : X.shape[1] - 4 + i] for i in range(5))
    # A selection network: minima and maxima are vectorised, a sort along the axis is not.
    f, g = np.maximum(np.minimum(a, b), np.minimum(c, d)), np.minimum(np.maximum(a, b), np.maximum(c, d))
    middle = np.maximum(np.minimum(f, g), np.minimum(np.maximum(f, g), e))
    return np.pad(middle, ((0, 0), (2, 2)), mode="edge")


class Despike(OneToOneFeatureMixin, _SpectralStep):
    """Replace cosmic-ray spikes by the median of their neighbours.

    A channel is a spike when it leaves the running median of five channels by more than `threshold`
    times the noise, *and* by far more than other spectra do in that channel. The second condition is
    what keeps white lines: a sharp peak that one spectrum in a hundred shares is not a cosmic ray.

    Parameters
    ----------
    threshold : float
        In standard deviations of the noise.
    noise : {"poisson", "gaussian"}
        Poisson: the deviation is at least the square root of the median (data in counts).
        Gaussian: it is estimated a channel at a time from the data.

    Attributes
    ----------
    limit_ : ndarray of shape (L,)
        Largest deviation that is accepted in each channel, learned from all spectra.

    Raises
    ------
    ValueError
        If the threshold is not positive or the noise model is unknown.

    Examples
    --------
    >>> spectra = np.random.default_rng(0).poisson(100, (200, 50)).astype(float)
    >>> spectra[3, 20] = 5000
    >>> bool(Despike().fit_transform(spectra)[3, 20] < 200)
    True
    """

    def __init__(self, *, threshold=6.0, noise="poisson"):
        self.threshold = threshold
        self.noise = noise

    def _fit(self, X):
        if not self.threshold > 0:
            raise ValueError(f"threshold must be positive, got {self.threshold}")
        if self.noise not in ("poisson", "gaussian"):
            raise ValueError(f'noise must be "poisson" or "gaussian", got {self.noise!r}')
        if X.shape[1] < 5:
            self.limit_ = np.full(X.shape[1], np.inf)
            return
        some = X[:: -(-len(X) // _LEARNING_SPECTRA)]
        deviation = np.abs(some - _median_of_five(some))
        # The 99th percentile of a Gaussian's modulus lies at 2.58 sigma. "lower" leaves out the largest
        # value even of a handful of spectra, so that a lone spike does not raise its own limit.
        tail = np.quantile(deviation, 0.99, axis=0, method="lower") / 2.58
        self.limit_ = self.threshold * np.maximum(tail, np.finfo(X.dtype).tiny)
        if self.noise == "gaussian":
            self.limit_ = np.maximum(self.limit_, self.threshold * np.median(deviation) / 0.6745)

    def find(self, X):
        """Mark the spikes.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of bool, shape (N, L)
        """
        check_is_fitted(self)
        X = self._validate(X)
        if X.shape[1] < 5:
            return np.zeros(X.shape, dtype=bool)
        return self._spikes(X, _median_of_five(X))

    def _spikes(self, X, median):
        deviation = np.abs(X - median)
        spikes = deviation > self.limit_
        if self.noise == "poisson":
            spikes &= deviation > self.threshold * np.sqrt(np.maximum(median, 1))
        return spikes

    def transform(self, X):
        """Replace the spikes.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
        check_is_fitted(self)
        cleaned = self._validate(X).copy()
        if cleaned.shape[1] < 5:
            return cleaned
        # Block by block: what fits the cache is done three times as fast.
        rows = max(_CACHED_VALUES // cleaned.shape[1], 1)
        for start in range(0, len(cleaned), rows):
            block = cleaned[start : start + rows]
            median = _median_of_five(block)
            spikes = self._spikes(block, median)
            block[spikes] = median[spikes]
        return cleaned


class Crop(_SpectralStep):
    """Keep the channels between two values of the axis.

    Parameters
    ----------
    low, high : float, optional
        In units of `axis`; both ends are kept.
    axis : array_like of shape (L,), optional
        One value a channel; channel numbers without it.

    Raises
    ------
    ValueError
        If no channel lies inside, or the axis does not fit the spectra.

    Examples
    --------
    >>> Crop(low=2, high=3, axis=[1, 2, 3, 4]).fit_transform([[5.0, 6.0, 7.0, 8.0]])
    array([[6., 7.]], dtype=float32)
    """

    def __init__(self, *, low=None, high=None, axis=None):
        self.low = low
        self.high = high
        self.axis = axis

    def _fit(self, X):
        self.support_ = self._inside(self.low, self.high, "the crop from")

    def transform(self, X):
        """Select the channels.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, M)
        """
        check_is_fitted(self)
        return self._validate(X)[:, self.support_]

    def get_feature_names_out(self, input_features=None):
        """Names of the kept channels.

        Parameters
        ----------
        input_features : array_like of str, optional

        Returns
        -------
        ndarray of str
        """
        names = [f"x{i}" for i in range(self.n_features_in_)] if input_features is None else input_features
        return np.asarray(names, dtype=object)[self.support_]


class AlignZeroLoss(OneToOneFeatureMixin, _SpectralStep):
    """Shift every spectrum so that its zero-loss peak sits at zero.

    The peak's position is its centre of mass above half height, and the shift is a linear
    interpolation, so counts stay positive. Channels shifted in from outside repeat the edge.

    Parameters
    ----------
    window : (float, float)
        Where to look for the peak, in units of `axis`.
    axis : array_like of shape (L,), optional
        Energy loss of every channel, evenly spaced.

    Raises
    ------
    ValueError
        If the window holds no channel, or the largest value of a spectrum's window is not positive.

    Examples
    --------
    >>> energy = np.arange(-5.0, 6.0)
    >>> peak = np.exp(-0.5 * (energy - 2) ** 2)[None]
    >>> float(AlignZeroLoss(axis=energy).fit(peak).shifts(peak).round(2)[0])
    2.0
    """

    def __init__(self, *, window=(-5.0, 5.0), axis=None):
        self.window = window
        self.axis = axis

    def _fit(self, X):
        self._inside(*self.window, "the zero-loss window from")

    def shifts(self, X):
        """Distance of every zero-loss peak from zero.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N,)
            In units of `axis`.
        """
        check_is_fitted(self)
        X = self._validate(X)
        inside = self._inside(*self.window, "the zero-loss window from")
        axis, peak = self._channels()[inside], X[:, inside].astype(float)
        top = peak.max(axis=1, keepdims=True)
        if np.any(top <= 0):
            raise ValueError(
                f"{int(np.sum(top <= 0))} spectra have no positive value in the zero-loss window: "
                "is this a core-loss range, without a zero-loss peak? Then leave the alignment out"
            )
        # Half height keeps the plasmons out, and one connected stretch around the maximum keeps noise out.
        weight = np.maximum(peak - top / 2, 0)
        steps = np.arange(axis.size) - peak.argmax(axis=1)[:, None]
        below = weight == 0
        right = np.where(below & (steps > 0), steps, axis.size).min(axis=1, keepdims=True)
        left = np.where(below & (steps < 0), steps, -axis.size).max(axis=1, keepdims=True)
        weight[(steps >= right) | (steps <= left)] = 0
        return weight @ axis / weight.sum(axis=1)

    def transform(self, X):
        """Shift the spectra.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
        check_is_fitted(self)
        X = self._validate(X)
        axis = self._channels()
        step = self.shifts(X) / (axis[1] - axis[0]) if axis.size > 1 else np.zeros(len(X))
        position = np.clip(np.arange(axis.size) + step[:, None], 0, axis.size - 1)
        lower = np.minimum(position.astype(int), max(axis.size - 2, 0))
        upper = np.minimum(lower + 1, axis.size - 1)
        part = (position - lower).astype(X.dtype)
        return np.take_along_axis(X, lower, 1) * (1 - part) + np.take_along_axis(X, upper, 1) * part


class RemoveBackground(OneToOneFeatureMixin, _SpectralStep):
    """Subtract a power-law background A E^-r fitted before an edge.

    Parameters
    ----------
    window : (float, float), optional
        Where the background is fitted, in units of `axis`; the first tenth of the axis without it.
    axis : array_like of shape (L,), optional
        Energy loss of every channel, in eV. It must be positive inside the window.

    Raises
    ------
    ValueError
        If the window holds fewer than two channels or reaches energies that are not positive, or if a
        spectrum has no positive counts there (the fit takes their logarithm).

    Notes
    -----
    The exponent follows from the counts in the two halves of the window (the two-area method), which
    needs no logarithm of single channels and so stands low counts.

    References
    ----------
    Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope, 3rd ed., section 4.4 (2011).

    Examples
    --------
    >>> energy = np.arange(500.0, 1000.0, 5.0)
    >>> spectra = 1e9 * energy[None] ** -3.0
    >>> bool(np.abs(RemoveBackground(window=(500, 600), axis=energy).fit_transform(spectra)).max() < 0.02)
    True
    """

    def __init__(self, *, window=None, axis=None):
        self.window = window
        self.axis = axis

    def _windows(self):
        axis = self._channels()
        if self.axis is None:
            axis = axis + 1  # a power law needs positive abscissae: count channels from one
        low, high = self.window if self.window is not None else (axis[0], axis[0] + 0.1 * np.ptp(axis))
        channels = np.flatnonzero((axis >= low) & (axis <= high))
        if channels.size < 2:
            if self.window is not None:
                raise ValueError(
                    f"the background window from {low:g} to {high:g} holds {channels.size} channels, "
                    f"at least 2 are needed: the axis runs from {axis[0]:g} to {axis[-1]:g}"
                )
            channels = np.arange(min(2, axis.size))
        if axis[channels[0]] <= 0:
            raise ValueError(
                f"the background window starts at {axis[channels[0]]:g}, but a power law needs positive "
                "energies: choose a window above the zero-loss peak"
            )
        return axis, np.array_split(channels, 2)

    def _fit(self, X):
        self._windows()

    def background(self, X):
        """The fitted background.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
        check_is_fitted(self)
        X = self._validate(X).astype(float)
        axis, (first, second) = self._windows()
        if second.size == 0:
            return np.repeat(X[:, :1], axis.size, axis=1)
        area1, area2 = X[:, first].mean(axis=1), X[:, second].mean(axis=1)
        bad = (area1 <= 0) | (area2 <= 0)
        if bad.any():
            raise ValueError(
                f"{int(bad.sum())} spectra have no positive counts in the background window (negative or "
                "zero counts have no logarithm): subtract no dark level twice, clip at zero, bin the "
                "spectra, or mask the vacuum"
            )
        # Geometric centres of the halves: exact for r = 1 and within the noise for any r of a narrow window.
        centre1, centre2 = np.exp(np.log(axis[first]).mean()), np.exp(np.log(axis[second]).mean())
        exponent = np.log(area1 / area2) / np.log(centre2 / centre1)
        for _ in range(
            3
        ):  # the mean of E^-r over a half defines its effective centre: a fixed point, found fast
            shape1 = (axis[first] ** -exponent[:, None]).mean(axis=1)
            shape2 = (axis[second] ** -exponent[:, None]).mean(axis=1)
            exponent += np.log((area1 / area2) / (shape1 / shape2)) / np.log(centre2 / centre1)
        both = np.concatenate([first, second])
        law = axis ** -exponent[:, None]
        return law * (X[:, both].sum(axis=1) / law[:, both].sum(axis=1))[:, None]

    def transform(self, X):
        """Subtract the background.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
            Zero on average before the edge; noise makes it negative in places.
        """
        check_is_fitted(self)
        X = self._validate(X)
        return (X - self.background(X)).astype(X.dtype)


class Normalise(OneToOneFeatureMixin, _SpectralStep):
    """Divide out the strength of every spectrum. The choice changes the answer.

    Parameters
    ----------
    method : {"area", "max", "l2", "snv", "none"}
        Sum, largest value, Euclidean length, or standard normal variate (mean 0, deviation 1).

    Raises
    ------
    ValueError
        If the method is unknown, or a spectrum has no strength to divide by (all zeros; constant for
        ``"snv"``).

    References
    ----------
    Barnes, Dhanoa and Lister, Appl. Spectrosc. 43, 772 (1989), for the standard normal variate.

    Examples
    --------
    >>> Normalise(method="area").fit_transform([[1.0, 3.0]])
    array([[0.25, 0.75]], dtype=float32)
    """

    def __init__(self, *, method="area"):
        self.method = method

    def _fit(self, X):
        if self.method not in ("area", "max", "l2", "snv", "none"):
            raise ValueError(f'method must be "area", "max", "l2", "snv" or "none", got {self.method!r}')

    def transform(self, X):
        """Normalise the spectra.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
        check_is_fitted(self)
        X = self._validate(X)
        if self.method == "none":
            return X
        if self.method == "snv":
            X = X - X.mean(axis=1, keepdims=True)
            strength = X.std(axis=1, keepdims=True)
        else:
            # The modulus, so that curves through zero (current-voltage) have a strength too.
            size = np.abs(X)
            strength = {
                "area": lambda: (
                    np.abs(X.sum(axis=1, keepdims=True)) if X.min() >= 0 else size.sum(axis=1, keepdims=True)
                ),
                "max": lambda: size.max(axis=1, keepdims=True),
                "l2": lambda: np.linalg.norm(X, axis=1, keepdims=True),
            }[self.method]()
        empty = strength[:, 0] <= 0
        if empty.any():
            raise ValueError(
                f"{int(empty.sum())} of {len(X)} spectra cannot be normalised by {self.method!r}: they are "
                f"{'constant' if self.method == 'snv' else 'zero everywhere'} (the first is number "
                f"{int(empty.argmax())}). Leave them out with `mask=`, or use method='none'"
            )
        return X / strength


class PoissonWeight(OneToOneFeatureMixin, _SpectralStep):
    """Weight channels so that counting noise is the same in all of them.

    Divides every channel by the square root of its mean. Put it after `Normalise`, which takes care
    of the differences between spectra: the two together are the published optimal scaling.

    Attributes
    ----------
    weight_ : ndarray of shape (L,)

    Raises
    ------
    ValueError
        If the mean of a channel is negative: such data are not counts.

    References
    ----------
    Keenan and Kotula, Surf. Interface Anal. 36, 203 (2004), eq. 7.

    Examples
    --------
    >>> PoissonWeight().fit_transform([[4.0, 9.0]])
    array([[2., 3.]], dtype=float32)
    """

    def _fit(self, X):
        mean = X.mean(axis=0, dtype=np.float64)
        # Channels empty but for read-out noise may dip below zero by chance; a real negative signal may not.
        if np.any(mean < -0.05 * max(mean.max(), 0)):
            raise ValueError(
                "the mean of a channel is negative, so the data are not counts: use noise='gaussian' (as for "
                "current-voltage curves), or weight before the background is removed"
            )
        floor = max(mean.max(), np.finfo(float).tiny) * 1e-3
        self.weight_ = (1 / np.sqrt(np.maximum(mean, floor))).astype(X.dtype)

    def transform(self, X):
        """Weight the channels.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
        check_is_fitted(self)
        return self._validate(X) * self.weight_

    def inverse_transform(self, X):
        """Undo the weighting.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
        check_is_fitted(self)
        return np.asarray(X) / self.weight_


class Denoise(OneToOneFeatureMixin, _SpectralStep):
    """Keep what a few components explain, in the units of the data.

    Parameters
    ----------
    n_components : int or "auto"
        ``"auto"`` counts the components above the noise (see `NoiseRankPCA`).
    method : {"pca", "nmf"}
        NMF keeps spectra positive; it needs input that is.
    random_state : int

    Raises
    ------
    ValueError
        If the method is unknown, or NMF meets negative values.

    Examples
    --------
    >>> noisy = np.outer(np.arange(1, 101), [1.0, 2.0, 3.0])
    >>> noisy += np.random.default_rng(0).normal(0, 0.1, (100, 3))
    >>> clean = Denoise(n_components=1).fit_transform(noisy)
    >>> bool(abs(clean[50, 2] / clean[50, 0] - 3) < 0.05)
    True
    """

    def __init__(self, *, n_components="auto", method="pca", random_state=0):
        self.n_components = n_components
        self.method = method
        self.random_state = random_state

    def _fit(self, X):
        from atomlens.spectra.components import NoiseRankPCA

        pca = NoiseRankPCA(n_components=self.n_components).fit(X)
        if self.method == "pca":
            self.model_ = pca
        elif self.method == "nmf":
            if X.min() < 0:
                raise ValueError(
                    "NMF needs spectra without negative values: clip them at zero, or use method='pca'"
                )
            # PCA spends no component on the mean, NMF does.
            rank = (
                min(pca.components_.shape[0] + 1, *X.shape)
                if self.n_components == "auto"
                else self.n_components
            )
            self.model_ = NMF(
                rank, init="nndsvda", max_iter=400, tol=1e-3, random_state=self.random_state
            ).fit(X)
        else:
            raise ValueError(f'method must be "pca" or "nmf", got {self.method!r}')

    def transform(self, X):
        """Project on the components and back.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
        check_is_fitted(self)
        return self.model_.inverse_transform(self.model_.transform(self._validate(X)))
