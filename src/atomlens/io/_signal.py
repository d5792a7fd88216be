"""What every reader hands over, and how it becomes a DataArray."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from atomlens._units import known, quantity, tidy
from atomlens.io._axes import KINDS, SPACE, Axis, canonical, force, recognise, roles
from atomlens.io._errors import FormatError

_OF_THE_FILE = ("file", "sha256", "reader")  # attrs that describe the file just read
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
    saved: Mapping[str, Any] | None = None  # what `write` noted beside the data: dims, coords, attrs, dtype
    coords: Mapping[str, Any] | None = None  # all coordinates, where the format holds them itself


def bare_axes(shape):
    """Axes of an array without any description."""
    return tuple(Axis(size) for size in shape)


def to_array(signal, what, *, kind=None, pixel_size=None, units=None):
    """Turn a Signal into a DataArray: named dims in our order, calibrated coordinates, attrs."""
    check_options(kind, pixel_size, units)
    attrs = dict(signal.attrs)
    if signal.saved:
        array = _restored(signal, what, kind, attrs)
        scales = dict.fromkeys(array.dims, 1.0)
    else:
        array, scales = _recognised(signal, what, kind, attrs)
    array.attrs = attrs
    return _note_not_finite(_calibrate(array, scales, pixel_size, units, what))


def _restored(signal, what, kind, attrs):
    """Rebuild what `write` was given: dims, coordinates, name and attrs come from its own notes."""
    import xarray as xr

    saved = signal.saved
    if kind not in (None, saved["attrs"]["kind"]):
        raise FormatError(
            f"{what} was written as kind={saved['attrs']['kind']!r}, not {kind!r}: leave kind= out"
        )
    coords = signal.coords
    if coords is None:
        coords = {dim: (dim, axis.raw(), {}) for dim, axis in zip(saved["dims"], signal.axes, strict=True)}
    array = xr.DataArray(signal.load(), dims=saved["dims"], coords=coords, name=saved["name"])
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if "dtype" in saved:
        array = array.astype(saved["dtype"], copy=False)
    for dim, was in saved["coords"].items():
        values = array[dim].values
        if values.dtype.kind == "f" and np.dtype(was["dtype"]).kind in "ui":
            # Scale and offset turned pixel numbers into floats; binning may have made them halves since.
            values = np.rint(values).astype(was["dtype"]) if np.allclose(values, np.rint(values)) else values
        array = array.assign_coords({dim: (dim, values, was["attrs"])})
    # The attrs come back as they were; what described the first file is kept under another name.
    fresh = {key: attrs[key] for key in attrs if key == "reader" or key.startswith("note_")}
    origin = {f"origin_{key}": saved["attrs"][key] for key in _OF_THE_FILE if key in saved["attrs"]}
    attrs.clear()
    attrs |= origin | saved["attrs"] | fresh
    return array


def _recognised(signal, what, kind, attrs):
    """Name the dims from units and names, and calibrate the coordinates."""
    import xarray as xr

    data, axes = signal.load(), list(signal.axes)
    if kind == "movie" and data.dtype.names and data.ndim == 2:  # three frames look like planes of colours
        data, axes = (
            np.stack([data[name] for name in data.dtype.names]),
            [Axis(len(data.dtype.names), "time"), *axes],
        )
    data, axes = _squeeze(_grey(data, what, attrs), axes)
    _check_numbers(data, what)
    data = data if data.dtype.isnative else data.astype(data.dtype.newbyteorder("="))
    if kind is None:
        dims, kind, note = recognise(axes, what)
        attrs |= {"note_axes": note} if note else {}
    else:
        dims = force(kind, roles(axes), what)
    coords = {dim: _coordinate(dim, axis, attrs) for dim, axis in zip(dims, axes, strict=True)}
    array = _ascending(xr.DataArray(data, dims=dims, coords=coords)).transpose(*canonical(dims, kind))
    attrs["kind"] = kind
    return array, {dim: axis.scale for dim, axis in zip(dims, axes, strict=True)}


def check_options(kind, pixel_size, units):
    """Refuse options that make sense for no file, before any file is opened."""
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind={kind!r} is not known: choose one of {', '.join(KINDS)}")
    if pixel_size is not None:
        number = isinstance(pixel_size, (int, float, np.number)) and not isinstance(pixel_size, bool)
        if not number or not np.isfinite(pixel_size) or pixel_size <= 0:
            raise ValueError(
                f"pixel_size={pixel_size!r} must be one positive, finite number, such as 0.02 (nm)"
            )
    if units is not None and quantity(units)[0] not in ("length", "reciprocal"):
        raise ValueError(
            f"units={units!r} is not a unit of length: use one of {known('length')}, "
            "or 1/nm in reciprocal space"
        )


def _squeeze(data, axes):
    """Drop axes of length one (a page, a channel), but keep at least one axis."""
    if not data.shape:
        return data.reshape(1), [Axis(1)]
    keep = [i for i, n in enumerate(data.shape) if n != 1] or [data.ndim - 1]
    return data.reshape([data.shape[i] for i in keep]), [axes[i] for i in keep]


def _grey(data, what, attrs):
    """Turn the colour record that image readers deliver into luminance; say so in the attrs."""
    names = data.dtype.names
    if not names:
        return data
    if names[:3] != ("R", "G", "B"):
        raise FormatError(
            f"{what} holds records ({', '.join(names)}), not numbers: save each field as a plain array"
        )
    red, green, blue = (data[name] for name in names[:3])
    if isinstance(data, np.ndarray) and np.array_equal(red, green) and np.array_equal(green, blue):
        attrs["colour"] = "equal RGB channels, taken as grey"
        return np.ascontiguousarray(red)
    alpha = ", alpha dropped" if "A" in names else ""
    attrs["colour"] = f"RGB converted to luminance (Rec. 709 weights){alpha}"
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


def _coordinate(dim, axis, attrs):
    """One calibrated coordinate; remember a scale that came without a unit."""
    import xarray as xr

    doubtful = _implausible(axis)
    if doubtful:
        attrs[f"note_scale_{dim}"] = f"a step of {doubtful} cannot be, so that the axis was left uncalibrated"
        axis = replace(axis, units=None, scale=1.0, offset=0.0, values=None)
    values, units = axis.coordinates()
    bare = quantity(axis.units)[0] == "none"
    if dim == "time" and quantity(axis.units)[0] != "time":
        values, units = np.arange(axis.size), "frame"
    elif bare and dim == "energy" and (axis.scale, axis.offset) != (1, 0):
        # A named energy axis with a scale: electronvolts is what every instrument means.
        values, units = axis.offset + axis.scale * np.arange(axis.size), "eV"
        attrs["note_energy"] = "energy axis without a unit, taken as eV"
    elif bare and dim not in SPACE:
        units = "channel"
    elif bare and dim in SPACE and tidy(axis.units) in (None, "inch") and axis.scale != 1:
        attrs["scale_without_unit"] = float(axis.scale)
    # "Energy loss" says more than the dim's name, "x" does not.
    name = {"long_name": axis.name.lower()} if dim == "energy" and " " in axis.name else {}
    return xr.Variable(dim, values, {"units": units} | name)


# The smallest and largest steps that instruments of any kind have: nm, 1/nm, eV, s, mrad.
_STEPS = {"length": (1e-6, 1e9), "reciprocal": (1e-9, 1e5), "energy": (1e-9, 1e7), "time": (1e-19, 1e9)}
_STEPS["angle"] = (1e-9, 1e5)


def _implausible(axis):
    """The step of an axis, if there can be none like it: some programs write such where they know none."""
    what, factor, ours = quantity(axis.units)
    if axis.values is not None:
        return None if np.isfinite(np.asarray(axis.values, dtype=float)).all() else "not a number"
    if not (np.isfinite(axis.scale) and np.isfinite(axis.offset)):
        return "not a number"
    least, most = _STEPS.get(what, (0, np.inf))
    step = abs(axis.scale) * factor
    return None if axis.size == 1 or (step and least <= step <= most) else f"{step:g} {ours}"


def _ascending(array):
    """Flip axes that run downwards: background fits and plots take them ascending."""
    for dim in array.dims:
        values = array[dim].values
        if len(values) > 1 and values[0] > values[-1]:
            array = array.isel({dim: slice(None, None, -1)})
    return array


def _calibrate(array, scales, pixel_size, units, what):
    """Apply the caller's pixel size, or the caller's unit to a scale that lacked one."""
    if pixel_size is None and units is None:
        return array
    spatial = [dim for dim in array.dims if dim in SPACE]
    if not spatial:
        raise ValueError(
            f"{what} has no spatial axis ({', '.join(array.dims)}): leave pixel_size= and units= out"
        )
    if pixel_size is None:
        if "scale_without_unit" not in array.attrs:
            raise ValueError(
                f"{what} holds no scale that lacks a unit: give pixel_size= together with units="
            )
    else:
        scales = dict.fromkeys(spatial, pixel_size)
    _, factor, ours = quantity(units or "nm")
    array.attrs.pop("scale_without_unit", None)
    array.attrs["note_pixel_size"] = "given by the caller"
    for dim in spatial:
        values = np.arange(array.sizes[dim]) * (float(scales[dim]) * factor)
        array = array.assign_coords({dim: (dim, values, {"units": ours})})
    return array


def _note_not_finite(array):
    """Count what is not a number; cheap on an array in memory, left alone on a lazy one."""
    in_memory = isinstance(array.data, np.ndarray) and not isinstance(array.data, np.memmap)
    if in_memory and array.dtype.kind == "f":
        count = int(array.size - np.isfinite(array.data).sum())
        if count:
            array.attrs["not_finite"] = count
    return array
