"""Steps that only energy-loss spectra need: alignment on the zero-loss peak, power-law background."""

from __future__ import annotations

import numpy as np
from sklearn.base import OneToOneFeatureMixin

from atomlens._types import ArrayLike, ndarray
from atomlens.spectra._step import SpectralStep

__all__ = ["AlignZeroLoss", "RemoveBackground"]


class AlignZeroLoss(OneToOneFeatureMixin, SpectralStep):
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

    def __init__(self, *, window: tuple[float, float] = (-5.0, 5.0), axis: ArrayLike | None = None) -> None:
        self.window = window
        self.axis = axis

    def _fit(self, X):
        self._inside(*self.window, "the zero-loss window from")

    def shifts(self, X: ArrayLike) -> ndarray:
        """Distance of every zero-loss peak from zero.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N,)
            In units of `axis`.
        """
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

    def transform(self, X: ArrayLike) -> ndarray:
        """Shift the spectra.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
        X = self._validate(X)
        axis = self._channels()
        step = self.shifts(X) / (axis[1] - axis[0]) if axis.size > 1 else np.zeros(len(X))
        position = np.clip(np.arange(axis.size) + step[:, None], 0, axis.size - 1)
        lower = np.minimum(position.astype(int), max(axis.size - 2, 0))
        upper = np.minimum(lower + 1, axis.size - 1)
        part = (position - lower).astype(X.dtype)
        return np.take_along_axis(X, lower, 1) * (1 - part) + np.take_along_axis(X, upper, 1) * part


class RemoveBackground(OneToOneFeatureMixin, SpectralStep):
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

    def __init__(self, *, window: tuple[float, float] | None = None, axis: ArrayLike | None = None) -> None:
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

    def background(self, X: ArrayLike) -> ndarray:
        """The fitted background.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
        """
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

    def transform(self, X: ArrayLike) -> ndarray:
        """Subtract the background.

        Parameters
        ----------
        X : array_like of shape (N, L)

        Returns
        -------
        ndarray of shape (N, L)
            Zero on average before the edge; noise makes it negative in places.
        """
        X = self._validate(X)
        return (X - self.background(X)).astype(X.dtype)
