"""tif with calibration that other programs read, and everything else as text beside it."""

import json
from dataclasses import replace

import numpy as np

from atomlens.io import _rosetta
from atomlens.io._axes import Axis, uniform
from atomlens.io._errors import FormatError
from atomlens.io._signal import Signal

_IMAGEJ = ("uint8", "uint16", "float32")


def open_tiff(path, *, lazy):
    """Read a tif of our own from its text, any other through rosettasciio."""
    import tifffile

    with tifffile.TiffFile(path) as tif:
        saved = _our_text(tif)
        unit = (tif.imagej_metadata or {}).get("unit")
        if saved is None:
            _check_complete(tif, path)
        else:
            data = tif.asarray()
    if saved is None:
        return [_with_unit(signal, unit) for signal in _rosetta.open_file(path, "tiff", lazy=lazy)]
    axes = tuple(
        Axis(size, dim, c["attrs"].get("units"), c["scale"], c["offset"])
        for size, (dim, c) in zip(data.shape, saved["coords"].items(), strict=True)
    )
    attrs = {"reader": f"atomlens (tifffile {tifffile.__version__})"}
    return [Signal(path.stem, data.shape, data.dtype, axes, lambda: data, attrs, saved)]


def _our_text(tif):
    text = (tif.imagej_metadata or {}).get("Info") if tif.is_imagej else tif.pages[0].description
    try:
        found = json.loads(text or "")
    except (TypeError, ValueError):
        return None
    return found.get("atomlens") if isinstance(found, dict) else None


def _with_unit(signal, unit):
    """Put back the unit ImageJ wrote: rosettasciio takes over its scale, but no unit other than micron."""
    if unit is None:
        return signal
    axes = [replace(a, units=unit) if a.scale != 1 and a.units is None else a for a in signal.axes]
    return replace(signal, axes=tuple(axes))


def _check_complete(tif, path):
    """A tif cut short may decode to zeros without a word; its table of contents says where data should be."""
    end = tif.filehandle.size
    for page in tif.pages:
        for start, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            if start + count > end:
                raise FormatError(
                    f"{path.name} could not be read as tif: it is truncated "
                    f"({end} bytes, {start + count} expected); "
                    "copy or export it again"
                )


def write_tiff(array, path, saved):
    """Write one image; integers wider than 32 bits are narrowed to what holds them; `read` widens them."""
    import tifffile

    if array.ndim != 2:
        raise ValueError(
            f"tif holds one image, this array has {array.ndim} axes ({', '.join(array.dims)}): "
            "select one plane or channel (data.sel, data.sum), or write .hspy, .nc or .zarr"
        )
    values = _narrow(array.values)
    for dim in array.dims:
        step = uniform(array[dim].values)
        if step is None:
            raise ValueError(
                f"the coordinate {dim!r} is not evenly spaced, tif cannot hold it: write .nc or .zarr"
            )
        saved["coords"][dim] |= {"scale": step[0], "offset": step[1]}
    text = json.dumps({"atomlens": saved | {"dtype": array.dtype.str}})
    units = array[array.dims[1]].attrs.get("units")
    across, down = (abs(saved["coords"][dim]["scale"]) for dim in (array.dims[1], array.dims[0]))
    if values.dtype.name in _IMAGEJ:
        metadata = {"unit": units, "Info": text} if units == "nm" else {"Info": text}
        resolution = (1 / across, 1 / down) if units == "nm" else None
        tifffile.imwrite(path, values, imagej=True, resolution=resolution, metadata=metadata)
    else:
        resolution = (1e7 / across, 1e7 / down) if units == "nm" else None  # pixels a centimetre
        tifffile.imwrite(
            path, values, description=text, metadata=None, photometric="minisblack",
            resolution=resolution, resolutionunit="CENTIMETER" if resolution else None,
        )  # fmt: skip


def _narrow(values):
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype == np.float16:
        return values.astype(np.float32)
    if values.dtype.kind in "ui" and values.dtype.itemsize == 8:
        for dtype in (np.uint8, np.uint16, np.int16, np.int32, np.uint32):
            info = np.iinfo(dtype)
            if info.min <= values.min() and values.max() <= info.max:
                return values.astype(dtype)
        raise ValueError(
            "tif holds integers of 32 bits, these are larger: convert to float64 or write .nc or .zarr"
        )
    return values
