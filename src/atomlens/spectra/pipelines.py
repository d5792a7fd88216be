"""The recommended pipeline, put together from what the data are."""

from __future__ import annotations

import numpy as np
from sklearn.pipeline import Pipeline

from atomlens._types import ArrayLike, DataArray
from atomlens.spectra._matrix import as_spectra
from atomlens.spectra.components import NoiseRankPCA
from atomlens.spectra.despike import Despike
from atomlens.spectra.energy_loss import AlignZeroLoss, RemoveBackground
from atomlens.spectra.preprocess import Crop, Normalise, PoissonWeight

__all__ = ["recommended_pipeline"]


def _a_few(spectra, limit=2000):
    """At most `limit` evenly spaced spectra, in memory: enough to tell what the data are."""
    step = -(-spectra.matrix.shape[0] // limit)
    some = spectra.matrix[::step]
    if spectra.keep is not None:
        some = spectra.matrix[np.flatnonzero(spectra.keep)[:: -(-int(spectra.keep.sum()) // limit)]]
    some = np.asarray(some)
    # What a mask will leave out may hold anything; it must not decide here.
    return some[np.isfinite(some).all(axis=1)]


def _noise_of(matrix):
    negative_share = np.count_nonzero(matrix < 0) / max(matrix.size, 1)
    return "poisson" if negative_share < 0.05 and np.all(matrix.sum(axis=0) >= 0) else "gaussian"


def recommended_pipeline(
    si: DataArray | ArrayLike,
    *,
    crop: tuple[float, float] | None = None,
    despike: bool = True,
    align: tuple[float, float] | None = None,
    background: tuple[float, float] | None = None,
    normalise: str = "auto",
    noise: str = "auto",
    n_components: int | str = "auto",
    mask: ArrayLike | DataArray | None = None,
) -> Pipeline:
    """The steps before clustering, as an unfitted scikit-learn `Pipeline`.

    Despike, align on the zero-loss peak, crop, normalise, remove the background, weight for Poisson
    noise, and keep the principal components above the noise. Steps that are not asked for are left out.

    Parameters
    ----------
    si : DataArray or array_like of shape (..., L)
        Only its axis is used, and a few spectra where something is ``"auto"``.
    crop : (float or None, float or None), optional
        Range to keep, in units of the axis.
    despike : bool
        Replace cosmic-ray spikes.
    align : (float, float), optional
        Window around the zero-loss peak.
    background : (float, float), optional
        Window before an edge where a power law is fitted.
    normalise : {"auto", "area", "max", "l2", "snv", "none"}
        ``"auto"``: by area for counts, so that thickness drops out; not at all for other signals.
    noise : {"auto", "poisson", "gaussian"}
        Decides on the weights. ``"auto"``: Poisson when the mean of no channel and hardly a value is
        negative, as of counts, perhaps with a little read-out noise; Gaussian otherwise, as of
        current-voltage curves.
    n_components : int or "auto"
        Principal components to keep.
    mask : array_like of bool over the scan, optional
        True where a spectrum takes part; the others do not decide what is ``"auto"``.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Steps named ``despike``, ``align``, ``crop``, ``normalise``, ``background``, ``weight``, ``pca``.

    Raises
    ------
    ValueError
        If the data are not spectra, or a window does not fit the axis (when fitted).

    Notes
    -----
    The strength is divided out before the background is removed: the counts of a whole spectrum measure
    the thickness well, those left above a background may be no more than noise. A removed background
    leaves channels whose noise is no longer given by their mean, so they are not weighted; neither are
    those of the standard normal variate, whose mean is zero.

    References
    ----------
    Keenan and Kotula, Surf. Interface Anal. 36, 203 (2004), for normalising and weighting counts.

    Examples
    --------
    >>> from atomlens import simulate
    >>> si = simulate.spectra.eels(3, shape=(8, 8)).data
    >>> list(recommended_pipeline(si, crop=(500, 900)).named_steps)
    ['despike', 'crop', 'normalise', 'weight', 'pca']
    """
    spectra = as_spectra(si, mask, check_finite=False)
    if noise == "auto":
        noise = _noise_of(_a_few(spectra))
    elif noise not in ("poisson", "gaussian"):
        raise ValueError(f'noise must be "auto", "poisson" or "gaussian", got {noise!r}')
    for name, window in (("crop", crop), ("align", align), ("background", background)):
        if window is not None and not (isinstance(window, tuple | list) and len(window) == 2):
            raise TypeError(f"{name} must be two numbers (low, high), got {window!r}")
        if window is not None and None not in window and not window[0] < window[1]:
            raise ValueError(f"{name}={tuple(window)}: the first number must be the smaller one")
    if normalise == "auto":
        normalise = "area" if noise == "poisson" else "none"
    axis = _physical_axis(spectra) if any(step is not None for step in (crop, align, background)) else None
    steps = [("despike", Despike(noise=noise))] if despike else []
    if align is not None:
        steps.append(("align", AlignZeroLoss(window=tuple(align), axis=axis)))
    if crop is not None:
        low, high = crop
        steps.append(("crop", Crop(low=low, high=high, axis=axis)))
        axis = axis[
            (axis >= (-np.inf if low is None else low)) & (axis <= (np.inf if high is None else high))
        ]
    if normalise != "none":
        steps.append(("normalise", Normalise(method=normalise)))
    if background is not None:
        steps.append(("background", RemoveBackground(window=tuple(background), axis=axis)))
    elif noise == "poisson" and normalise != "snv":
        steps.append(("weight", PoissonWeight()))
    steps.append(("pca", NoiseRankPCA(n_components=n_components)))
    return Pipeline(steps)


def _physical_axis(spectra):
    axis, dim = spectra.axis, spectra.axis.dims[0]
    if dim == "channel" or "units" not in axis.attrs:
        raise ValueError(
            f"the {dim} axis is not calibrated, so a window cannot be given in its units: assign the "
            f'coordinate with attrs={{"units": "eV"}}, or read the file with `atomlens.io.read`'
        )
    return axis.values.astype(float)
