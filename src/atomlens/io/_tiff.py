"""tif with calibration that other programs read, and everything else as text beside it."""

import json
from dataclasses import replace

import numpy as np

from atomlens.io import _rosetta
from atomlens.io._axes import Axis, uniform
from atomlens.io._claims import check_memory
from atomlens.io._errors import FormatError
from atomlens.io._notes import NOT_BELIEVED, fingerprint, parsed
from atomlens.io._signal import Signal

_IMAGEJ = ("uint8", "uint16", "float32")
_NM = {2: 2.54e7, 3: 1e7}  # of the units of resolution: inch and centimetre
_PRINTED = 5000.0  # nm: the pixels of printers (and screens) are larger
_FINEST = 2**32 - 1  # pixels a unit that a tag can hold
_RELATIVE = 1e-3  # tags hold fractions of whole numbers
_LETTERS = {"T": "time", "Z": "z stack"}


def open_tiff(path, *, lazy):
    """Read a tif of our own from its text, if that still holds; any other through rosettasciio."""
    import tifffile

    with tifffile.TiffFile(path) as tif:
        text = _our_text(tif)
        saved, wrong = parsed(text)
        if not lazy:
            for series in tif.series:
                check_memory(series.nbytes, path.name)
        _check_complete(tif, path)
        if saved:
            data = tif.asarray()
            wrong = _changed(saved, data, _tags(tif))
        described = [_described(tif, series) for series in tif.series]
        plain = not (tif.is_imagej or tif.is_ome)
        planes = tif.asarray() if _planar(tif) else None
    if saved and not wrong:
        axes = tuple(
            Axis(size, dim, c["attrs"].get("units"), c["scale"], c["offset"])
            for size, (dim, c) in zip(data.shape, saved["coords"].items(), strict=True)
        )
        attrs = {"reader": f"atomlens (tifffile {tifffile.__version__})"}
        return [Signal(path.stem, data.shape, data.dtype, axes, lambda: data, attrs, saved)]
    if planes is not None:
        signals = [_interleaved(planes, path.stem, tifffile.__version__)]
    else:
        signals = _rosetta.open_file(path, ("tiff",), lazy=lazy)
    if len(signals) == len(described):
        signals = [_calibrated(s, *d, plain) for s, d in zip(signals, described, strict=True)]
    if wrong:
        signals = [replace(s, attrs={**s.attrs, "note_saved": NOT_BELIEVED.format(wrong)}) for s in signals]
    return signals


def _our_text(tif):
    text = (tif.imagej_metadata or {}).get("Info") if tif.is_imagej else tif.pages[0].description
    try:
        found = json.loads(text or "")
    except (TypeError, ValueError):
        # Cut off or damaged, but ours
        return "{" if str(text).lstrip().startswith('{"atomlens"') else None
    return found.get("atomlens") if isinstance(found, dict) else None


def _changed(saved, data, tags):
    """What has changed since the notes were written, or ""."""
    if "hash" not in saved:
        return "they do not say which pixels they belong to"
    if saved.get("hash") != fingerprint(data) or len(saved["dims"]) != data.ndim:
        return "the pixels have been changed since"
    noted = saved.get("tags")
    if not isinstance(noted, list) or len(noted) != 3 or noted[0] != tags[0]:
        return "the scale has been changed since"
    if not np.allclose(np.asarray(noted[1:], dtype=float), tags[1:], rtol=_RELATIVE):
        return "the scale has been changed since"
    return ""


def _tags(tif):
    """Unit, and resolutions along x and y, as other programs read and change them."""
    page = tif.pages[0]
    unit = (tif.imagej_metadata or {}).get("unit") if tif.is_imagej else None
    unit = unit or str(getattr(page.tags.get("ResolutionUnit"), "value", ""))
    resolution = []
    for name in ("XResolution", "YResolution"):
        tag = page.tags.get(name)
        above, below = tag.value if tag is not None else (0, 1)
        resolution.append(above / below if below else 0.0)
    return [unit, *resolution]


def _described(tif, series):
    """Letters of the axes of a series, and what ImageJ or OME say of each: {letter: (scale, unit)}."""
    scales = {}
    if tif.is_imagej:
        found = tif.imagej_metadata or {}
        interval = found.get("finterval")
        if isinstance(interval, int | float) and interval > 0:
            scales["T"] = (float(interval), found.get("tunit") or "s")
        if found.get("unit"):
            scales |= dict.fromkeys("YX", (None, found["unit"]))
            down = _tags(tif)[2]
            if found.get("yunit") and down:  # noted only where it differs from that along x
                scales["Y"] = (1 / down, found["yunit"])
        spacing = found.get("spacing")
        if isinstance(spacing, int | float) and spacing > 0:
            scales["Z"] = (float(spacing), found.get("unit"))
    elif tif.is_ome:
        scales = _of_ome(tif.ome_metadata)
    else:
        scales = _of_resolution(tif.pages[0])
    return series.axes, series.shape, scales


def _of_resolution(page):
    """Sizes of pixels from the resolution in centimetres or inches, where it is none of print."""
    unit = getattr(page.tags.get("ResolutionUnit"), "value", None)
    scales = {}
    for letter, name in (("X", "XResolution"), ("Y", "YResolution")):
        tag = page.tags.get(name)
        above, below = tag.value if tag is not None else (0, 1)
        size = _NM.get(unit, 0.0) * below / above if above else 0.0
        if 0 < size < _PRINTED:
            scales[letter] = (size, "nm")
    return scales


def _of_ome(text):
    """Sizes of pixels and the interval of frames, of the first image that OME-XML describes."""
    from xml.etree import ElementTree

    try:
        pixels = next(e for e in ElementTree.fromstring(text).iter() if e.tag.endswith("}Pixels"))
    except (ElementTree.ParseError, StopIteration, TypeError):
        return {}
    scales = {}
    # The unit that the standard has where none is given
    wanted = {
        "X": ("PhysicalSizeX", "µm"),
        "Y": ("PhysicalSizeY", "µm"),
        "Z": ("PhysicalSizeZ", "µm"),
        "T": ("TimeIncrement", "s"),
    }
    for letter, (name, usual) in wanted.items():
        try:
            value = float(pixels.get(name, "nan"))
        except ValueError:
            continue
        unit = pixels.get(f"{name}Unit", usual)
        if value > 0 and np.isfinite(value) and unit != "reference frame":  # in OME's words: no scale
            scales[letter] = (value, unit)
    return scales


def _calibrated(signal, letters, shape, scales, of_resolution):
    """Put back what rosettasciio leaves aside: units of ImageJ, the interval of frames, sizes of OME.

    A resolution is believed only where the instrument itself says nothing.
    """
    # Both drop axes of length one in their own way.
    kept = [(letter, n) for letter, n in zip(letters, shape, strict=True) if n > 1 and letter != "S"]
    places = [i for i, axis in enumerate(signal.axes) if axis.size > 1]
    if [n for _, n in kept] != [signal.axes[i].size for i in places]:
        return signal
    axes = list(signal.axes)
    for i, (letter, _) in zip(places, kept, strict=True):
        scale, unit = scales.get(letter, (None, None))
        named = {"name": _LETTERS[letter]} if letter in _LETTERS else {}
        if scale is not None and (axes[i].units is None or not of_resolution):
            axes[i] = replace(axes[i], units=unit, scale=scale, offset=0.0, values=None, **named)
        elif unit and axes[i].scale != 1 and axes[i].units is None:
            axes[i] = replace(axes[i], units=unit, **named)
        elif named and axes[i].units is None:
            axes[i] = replace(axes[i], **named)
    return replace(signal, axes=tuple(axes))


def _planar(tif):
    """Whether colours lie one plane after the other, instead of together in every pixel."""
    page = tif.pages[0]
    return (
        page.photometric == 2  # RGB
        and getattr(page.planarconfig, "value", 1) == 2
        and page.samplesperpixel in (3, 4)
        and len(tif.series) == 1
        and len(tif.pages) == 1
    )


def _interleaved(planes, title, version):
    """A record of colours in every pixel, as readers of images deliver it."""
    dtype = np.dtype([(name, planes.dtype) for name in "RGBA"[: len(planes)]])
    data = np.ascontiguousarray(np.moveaxis(planes, 0, -1)).view(dtype)[..., 0]
    axes = (Axis(data.shape[0], "height"), Axis(data.shape[1], "width"))
    return Signal(title, data.shape, dtype, axes, lambda: data, {"reader": f"atomlens (tifffile {version})"})


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
    units = array[array.dims[1]].attrs.get("units")
    across, down = (abs(saved["coords"][dim]["scale"]) for dim in (array.dims[1], array.dims[0]))
    calibrated, imagej = units == "nm", values.dtype.name in _IMAGEJ
    per = 1 if imagej else 1e7  # nm; otherwise a centimetre
    calibrated &= max(per / across, per / down) < _FINEST
    resolution = (per / across, per / down) if calibrated else (1, 1)
    unit = ("nm" if calibrated else "pixel") if imagej else "3" if calibrated else "1"
    text = json.dumps(
        {
            "atomlens": saved
            | {"dtype": array.dtype.str, "hash": fingerprint(values), "tags": [unit, *resolution]}
        }
    )
    if imagej:
        tifffile.imwrite(
            path, values, imagej=True, resolution=resolution, metadata={"unit": unit, "Info": text}
        )
    else:
        tifffile.imwrite(
            path, values, description=text, metadata=None, photometric="minisblack",
            resolution=resolution, resolutionunit=int(unit),
        )  # fmt: skip


def _narrow(values):
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        raise ValueError(
            f"tif holds floats of 64 bits, not {values.dtype}: convert to float64, or write .zarr"
        )
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
