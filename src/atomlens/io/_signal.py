"""What every reader hands over, and how it becomes a DataArray."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from atomlens.io._axes import _SPACE, KINDS, Axis, canonical, force, kind_of, recognise, roles
from atomlens.io._errors import FormatError
from atomlens.io._units import known, quantity, tidy

# Rec. 709 weights, as in skimage.color.rgb2gray.
_LUMINANCE = np.array([0.2125, 0.7154, 0.0721], dtype=np.float32)


@dataclass(frozen=True)
class Signal:
    """One array of a file, not loaded yet: `load` delivers it, as a Dask array if it is lazy."""

    title: str
    shape: tuple[int, ...]
    dtype: np.dtype
    axes: tuple[Axis, ...]
    load: Callable[[], Any]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    saved: Mapping[str, Any] | None = None  # what atomlens wrote beside the data: dims, attrs, dtype


def bare_axes(shape):
    """Axes of an array without any description."""
    return tuple(Axis(size) for size in shape)


def to_array(signal, what, *, kind=None, pixel_size=None, units=None):
    """Turn a Signal into a DataArray: named dims in our order, calibrated coordinates, attrs."""
    import xarray as xr

    check_options(kind, pixel_size, units)
    attrs = dict(signal.attrs)
    data, axes = _squeeze(_grey(signal.load(), what, attrs), list(signal.axes))
    _check_numbers(data, what)
    data = _native(data)
    saved = signal.saved or {}
    if saved and kind is None:
        dims, kind = list(saved["dims"]), saved["attrs"].get("kind") or kind_of(saved["dims"])
    elif kind is None:
        dims, kind, note = recognise(axes, what)
        attrs |= {"note_axes": note} if note else {}
    else:
        dims = force(kind, roles(axes), what)
    coords = {
        dim: _coordinate(dim, axis, attrs, saved.get("coord_attrs", {})) for dim, axis in zip(dims, axes, strict=True)
    }
    array = xr.DataArray(data, dims=dims, coords=coords, name=saved.get("name"))
    array = array if saved else _ascending(array).transpose(*canonical(dims))
    array = _calibrate(array, axes, dims, pixel_size, units, what, attrs)
    array.attrs = _provenance(attrs, saved.get("attrs", {})) | {"kind": kind}
    if saved.get("dtype"):
        array = array.astype(saved["dtype"])
    return _note_nan(array)


def check_options(kind, pixel_size, units):
    """Refuse options that make sense for no file, before any file is opened."""
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind={kind!r} is not known: choose one of {', '.join(KINDS)}")
    if pixel_size is not None:
        number = isinstance(pixel_size, (int, float, np.number)) and not isinstance(pixel_size, bool)
        if not number or not np.isfinite(pixel_size) or pixel_size <= 0:
            raise ValueError(f"pixel_size={pixel_size!r} must be one positive, finite number, such as 0.02 (nm)")
    if units is not None and quantity(units)[0] not in ("length", "reciprocal"):
        raise ValueError(
            f"units={units!r} is not a unit of length: use one of {known('length')}, or 1/nm in reciprocal space"
        )


def _squeeze(data, axes):
    """Drop axes of length one (a page, a channel), but keep at least one axis."""
    if not data.shape:
        return data.reshape(1), [Axis(1)]
    keep = [i for i, n in enumerate(data.shape) if n > 1] or [data.ndim - 1]
    return data.reshape([data.shape[i] for i in keep]), [axes[i] for i in keep]


def _grey(data, what, attrs):
    """Turn the colour record that image readers deliver into luminance; say so in the attrs."""
    names = data.dtype.names
    if not names:
        return data
    if names[:3] != ("R", "G", "B"):
        raise FormatError(f"{what} holds records ({', '.join(names)}), not numbers: save each field as a plain array")
    red, green, blue = (data[name] for name in names[:3])
    if isinstance(data, np.ndarray) and np.array_equal(red, green) and np.array_equal(green, blue):
        attrs["colour"] = "equal RGB channels, taken as grey"
        return np.ascontiguousarray(red)
    attrs["colour"] = "RGB converted to luminance (Rec. 709 weights)" + (", alpha dropped" if "A" in names else "")
    return sum(weight * channel for weight, channel in zip(_LUMINANCE, (red, green, blue), strict=True))


def _check_numbers(data, what):
    if data.dtype.kind == "c":
        raise FormatError(
            f"{what} holds complex numbers, which no lesson takes: save its modulus (numpy.abs) or real part"
        )
    if data.dtype.kind not in "buif":
        raise FormatError(f"{what} holds {data.dtype}, not numbers: save it as a plain numeric array")
    if 0 in data.shape:
        raise FormatError(f"{what} has the shape {data.shape}: there is no data in it")


def _native(data):
    return data if data.dtype.isnative else data.astype(data.dtype.newbyteorder("="))


def _coordinate(dim, axis, attrs, saved_attrs):
    """One calibrated coordinate; remember a scale that came without a unit."""
    import xarray as xr

    values, units = axis.coordinates()
    if dim in saved_attrs:
        return xr.Variable(dim, values, saved_attrs[dim])
    bare = quantity(axis.units)[0] == "none"
    if dim == "time" and quantity(axis.units)[0] != "time":
        values, units = np.arange(axis.size), "frame"
    elif bare and dim == "energy" and (axis.scale, axis.offset) != (1, 0):
        # A named energy axis with a scale: electronvolts is what every instrument means.
        values, units = axis.offset + axis.scale * np.arange(axis.size), "eV"
        attrs["note_energy"] = "energy axis without a unit, taken as eV"
    elif bare and dim not in _SPACE:
        units = "channel"
    elif bare and dim in _SPACE and tidy(axis.units) in (None, "inch") and axis.scale != 1:
        attrs["scale_without_unit"] = float(axis.scale)
    return xr.Variable(dim, values, {"units": units})


def _ascending(array):
    """Flip axes that run downwards: background fits and plots take them ascending."""
    for dim in array.dims:
        values = array[dim].values
        if len(values) > 1 and values[0] > values[-1]:
            array = array.isel({dim: slice(None, None, -1)})
    return array


def _calibrate(array, axes, dims, pixel_size, units, what, attrs):
    """Apply the caller's pixel size, or the caller's unit to a scale that lacked one."""
    if pixel_size is None and units is None:
        return array
    spatial = [dim for dim in array.dims if dim in _SPACE]
    if not spatial:
        raise ValueError(f"{what} has no spatial axis ({', '.join(array.dims)}): leave pixel_size= and units= out")
    if pixel_size is None:
        if "scale_without_unit" not in attrs:
            raise ValueError(f"{what} holds no scale that lacks a unit: give pixel_size= together with units=")
        scales = {dim: axis.scale for dim, axis in zip(dims, axes, strict=True)}
    else:
        scales = dict.fromkeys(spatial, pixel_size)
    _, factor, ours = quantity(units or "nm")
    attrs.pop("scale_without_unit", None)
    attrs["note_pixel_size"] = "given by the caller"
    for dim in spatial:
        values = np.arange(array.sizes[dim]) * (float(scales[dim]) * factor)
        array = array.assign_coords({dim: (dim, values, {"units": ours})})
    return array


# What describes the file just read; an earlier file's goes to origin_*.
_OF_THE_FILE = ("file", "sha256", "reader")


def _provenance(fresh, saved):
    attrs = dict(saved)
    for key in _OF_THE_FILE:
        if key in attrs:
            attrs.setdefault(f"origin_{key}", attrs[key])
    if not saved:
        return dict(fresh)
    return attrs | {key: fresh[key] for key in fresh if key in _OF_THE_FILE or key.startswith("note_")}


def _note_nan(array):
    """Count what is not a number; cheap on an array in memory, left alone on a lazy one."""
    if isinstance(array.data, np.ndarray) and array.dtype.kind == "f":
        count = int(array.size - np.isfinite(array.data).sum())
        if count:
            array.attrs["not_finite"] = count
    return array
