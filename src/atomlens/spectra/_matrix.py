"""From a spectral DataArray to a matrix of spectra and back: one place that checks the input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from atomlens._sample import Sample

# Dimensions that can only be a scan, so that an image handed in by mistake is recognised.
_SCAN_DIMS = {"x", "y", "spot", "position"}
_SPECTRAL_DIMS = (
    "energy", "bias", "two_theta", "wavelength", "raman_shift", "wavenumber", "frequency", "channel",
)  # fmt: skip


@dataclass(frozen=True)
class Spectra:
    """Spectra as a matrix, with what is needed to put results back on the scan.

    Attributes
    ----------
    matrix : ndarray or dask array of shape (N, L)
        One spectrum a row, float32.
    scan : DataArray of shape (...)
        Template with the scan's dims and coordinates.
    axis : DataArray of shape (L,)
        The spectral axis.
    attrs : dict
        Those of the data.
    keep : ndarray of bool, shape (N,), or None
        Which spectra take part; None when all do.
    """

    matrix: np.ndarray
    scan: xr.DataArray
    axis: xr.DataArray
    attrs: dict
    keep: np.ndarray | None = None

    @property
    def is_lazy(self):
        return not isinstance(self.matrix, np.ndarray)

    def on_scan(self, values, **attrs):
        """Values of shape (N,) as a DataArray over the scan."""
        return self.scan.copy(data=np.asarray(values).reshape(self.scan.shape)).assign_attrs(attrs)

    def on_axis(self, rows, dim="cluster", **attrs):
        """Values of shape (k, L) as a DataArray (dim, spectral axis)."""
        rows = np.asarray(rows)
        return xr.DataArray(
            rows,
            dims=(dim, self.axis.dims[0]),
            coords={dim: np.arange(len(rows)), **self.axis.coords},
            attrs=attrs,
        )


def as_spectra(si, mask=None, *, check_finite=True):
    """Check a spectral data set and unfold it.

    Parameters
    ----------
    si : DataArray or array_like of shape (..., L)
        The spectral axis is the dim named like one (energy, bias, raman_shift ...), else the last (time, of
        a course at every place). Of a masked array (`numpy.ma`, or Dask with such blocks), spectra with any
        channel masked take no part.
    mask : array_like of bool over the scan, optional
        True where a spectrum takes part.
    check_finite : bool
        Look for NaN and inf (never done on lazy data, where it would cost a pass).

    Returns
    -------
    Spectra

    Raises
    ------
    ValueError
        If there is no scan, no spectral axis, fewer than two channels, a value of a spectrum that takes
        part is not finite, no spectrum takes part, all spectra are the same, or the mask does not fit the
        scan.
    TypeError
        If the values are not real numbers, or `si` is no array at all.
    """
    if isinstance(si, Sample):
        raise TypeError("this is a Sample, which holds data, truth and source: pass its `.data`")
    if isinstance(si, str | Path):
        raise TypeError(f"{str(si)!r} is a name, not data: `atomlens.io.read(path)` reads the file")
    if isinstance(si, xr.Dataset):
        raise TypeError(
            f"this Dataset holds {', '.join(map(str, si.data_vars))}: pass one of them, such as ds['...']"
        )
    if not isinstance(si, xr.DataArray):
        values = si if hasattr(si, "dask") else np.asanyarray(si)
        names = (
            ("y", "x")[-(values.ndim - 1) :]
            if values.ndim <= 3
            else [f"scan_{i}" for i in range(values.ndim - 1)]
        )
        unmasked = _unmasked(values)
        # Without the mask: a DataArray would turn masked counts into NaN.
        values = np.ma.getdata(values) if isinstance(values, np.ndarray) else values
        si = xr.DataArray(values, dims=(*names, "channel")) if values.ndim > 1 else xr.DataArray(values)
    else:
        unmasked = None  # a DataArray holds no mask: it has made NaN of what was masked
    if si.ndim < 2:
        raise ValueError(
            f"a spectrum image needs scan dimensions and a spectral axis, got dims {si.dims} of shape "
            f"{si.shape}: a single spectrum cannot be clustered"
        )
    if not (np.issubdtype(si.dtype, np.number) and not np.iscomplexobj(si.data)):
        raise TypeError(f"spectra must be real numbers, got {si.dtype}: take the modulus or one part first")
    spectral = next((d for d in _SPECTRAL_DIMS if d in si.dims), si.dims[-1])
    if spectral in _SCAN_DIMS:
        raise ValueError(
            f"no spectral axis: the dims are {si.dims}, which is an image or a movie. Name the axis "
            '(`si.rename(x="energy")`), or read the file with kind="spectrum_image"'
        )
    si = si.transpose(..., spectral)
    if 0 in si.shape:
        raise ValueError(f"the data are empty: shape {si.shape}")
    if si.sizes[spectral] < 2:
        raise ValueError(f"the {spectral} axis has {si.sizes[spectral]} channel: nothing to cluster by")
    axis = (
        si[spectral] if spectral in si.coords else xr.DataArray(np.arange(si.sizes[spectral]), dims=spectral)
    )
    matrix, scan = si.data.reshape(-1, si.sizes[spectral]), _scan_template(si, spectral)
    keep = _both(_as_mask(mask, scan), unmasked)
    if isinstance(matrix, np.ndarray):
        matrix = np.ascontiguousarray(matrix, dtype=np.float32)
        if check_finite:
            _require_finite(matrix, keep, scan)
            _require_different(matrix if keep is None else matrix[keep])
    else:
        matrix = matrix.rechunk({1: -1}).astype(np.float32)
    return Spectra(matrix, scan, axis, dict(si.attrs), keep)


def _as_mask(mask, scan):
    """The mask as a flat array; that of a DataArray is brought into the order of the scan."""
    if mask is None:
        return None
    if isinstance(mask, xr.DataArray) and set(mask.dims) == set(scan.dims):
        mask = mask.transpose(*scan.dims)
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.shape != scan.shape:
        raise ValueError(
            f"mask must be boolean of the scan's shape {scan.shape}, got {mask.dtype} of shape {mask.shape}"
        )
    if not mask.any():
        raise ValueError("mask leaves no spectrum: it is True where spectra take part")
    return mask.ravel()


def _unmasked(values):
    """Where all channels (the last axis) of a masked array are there; None for an array without a mask."""
    if isinstance(values, np.ndarray):
        if np.ma.getmask(values) is np.ma.nomask or values.ndim < 2:
            return None
        return ~np.ma.getmaskarray(values).any(axis=-1).ravel()
    if not isinstance(getattr(values, "_meta", None), np.ma.MaskedArray) or values.ndim < 2:
        return None
    import dask.array as da

    return ~np.asarray(da.ma.getmaskarray(values).any(axis=-1).compute()).ravel()


def _both(keep, unmasked):
    """Spectra that neither the mask passed along nor that of a masked array leaves out."""
    if unmasked is None:
        return keep
    kept = unmasked if keep is None else unmasked & keep
    if not kept.any():
        raise ValueError(
            "the mask of the data leaves no spectrum: a spectrum takes part when none of its channels is "
            "masked, so crop the masked channels first"
        )
    return kept


def _scan_template(si, spectral):
    """An empty map with the scan's dims and coordinates; costs no memory before it is filled."""
    shape = tuple(si.sizes[d] for d in si.dims if d != spectral)
    coords = {n: c for n, c in si.coords.items() if spectral not in c.dims}
    return xr.DataArray(np.broadcast_to(np.int64(0), shape), dims=si.dims[:-1], coords=coords)


def _require_different(matrix):
    if len(matrix) > 1 and np.ptp(matrix, axis=0).max() == 0:
        raise ValueError("all spectra are the same, number by number: there is nothing to tell apart")


def _require_finite(matrix, keep, scan):
    # The sum is finite for finite input and costs one pass without a temporary array.
    if np.isfinite(matrix.sum(dtype=np.float64)):
        return
    bad = ~np.isfinite(matrix).all(axis=1)
    if keep is not None:
        bad &= keep
        if not bad.any():
            return
    where = np.unravel_index(int(bad.argmax()), scan.shape)
    place = ", ".join(f"{d}={i}" for d, i in zip(scan.dims, where, strict=True))
    raise ValueError(
        f"{int(bad.sum())} of {bad.size} spectra hold NaN or inf (the first at {place}): crop the axis, "
        "fill them, or leave them out with `mask=`"
    )
