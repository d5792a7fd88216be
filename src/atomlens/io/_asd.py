"""Movies of high-speed atomic force microscopes, .asd: versions 0, 1 and 2 of that format.

The layout is as libasd documents it (T. Niina, doi 10.5281/zenodo.1209119): a header, then for each channel
all frames, each a header of its own and 16-bit levels of a converter, from which heights follow.
"""

import numpy as np

from atomlens.io._axes import Axis
from atomlens.io._claims import check_length, check_memory, nbytes_of
from atomlens.io._errors import FormatError
from atomlens.io._signal import Signal

_TYPES = {"i4": "<i4", "i2": "<i2", "u4": "<u4", "u1": "u1", "f4": "<f4"}


def _layout(text):
    return np.dtype([(name, _TYPES[kind]) for kind, names in text for name in names.split()])


_OLD = _layout(
    [
        ("i4", "version"),
        ("i2", "first second"),
        ("i4", "header frame_header name_size offset comment_size"),
        ("i2", "nx ny width height"),
        ("f4", "frame_ms z_extension z_gain"),
        ("u4", "range"),
        ("i4", "bits"),
        ("u1", "averaged"),
        ("i4", "window"),
        ("i2", "legacy year"),
        ("u1", "month day hour minute second_ rounding"),
        ("f4", "x_most y_most"),
        ("i4", "booked1 booked2 booked3 frames_then frames machine"),
        ("i2", "number"),
    ]
)
_NEW = _layout(
    [
        ("i4", "version header frame_header encoding name_size comment_size first second frames_then frames"),
        ("i4", "direction number nx ny width height"),
        ("u1", "averaged"),
        ("i4", "window year month day hour minute second_ x_rounding y_rounding"),
        ("f4", "frame_ms sensor phase"),
        ("i4", "offset booked1 booked2 booked3 machine"),
        ("u4", "range"),
        ("i4", "bits"),
        ("f4", "x_most y_most x_extension y_extension z_extension z_gain"),
    ]
)
_AFTER_NAME = _layout([("f4", "sensor phase"), ("i4", "direction")])  # in version 0
_KINDS = {0x5054: "topography", 0x5245: "error", 0x4850: "phase"}
# Volts at the lowest and at the highest level; between them levels fall where the range has two signs.
_RANGES = {
    0x00001: (0, 1.0), 0x00002: (0, 2.5), 0x00004: (0, 5.0),
    0x10000: (1.0, -1.0), 0x20000: (2.5, -2.5), 0x40000: (5.0, -5.0), 0x800000: (80.0, -80.0),
}  # fmt: skip
_LONG = {"topography": "height"}
_MOST_PIXELS, _MOST_BITS = 16_384, 16


def open_asd(path, *, lazy):
    """Read the channels of a movie, in nm (topography, error) or degrees (phase)."""
    with path.open("rb") as file:
        head, start = _header(file, path.name)
    nx, ny, frames = (int(head[n]) for n in ("nx", "ny", "frames"))
    record = np.dtype([("head", "V", int(head["frame_header"])), ("levels", "<i2", (ny, nx))])
    channels = [int(head[n]) for n in ("first", "second") if head[n]]
    size = path.stat().st_size
    check_length(start + len(channels) * frames * record.itemsize, size, path.name)
    if not lazy:
        check_memory(nbytes_of((frames, ny, nx), "float32"), path.name)
    axes = (
        Axis(frames, "time", "s", float(head["frame_ms"]) / 1e3),
        Axis(ny, "y", "nm", float(head["height"]) / ny),
        Axis(nx, "x", "nm", float(head["width"]) / nx),
    )
    if not head["frame_ms"] > 0 or not min(head["width"], head["height"]) > 0:
        axes = tuple(Axis(n, name) for n, name in zip((frames, ny, nx), ("time", "y", "x"), strict=True))
    found = []
    for n, kind in enumerate(channels):
        place = start + n * frames * record.itemsize
        name = _KINDS.get(kind, f"channel {n + 1}")
        scale, offset, unit = _conversion(head, name)
        attrs = {"reader": "atomlens (asd)", "long_name": _LONG.get(name, name), "units": unit}
        if unit == "levels":
            attrs["note_levels"] = (
                f"the file names range {head['range']} of its converter, which is not known here: levels are "
                "no heights"
            )

        def load(place=place, scale=scale, offset=offset):
            movie = np.memmap(path, record, "r", place, (frames,))["levels"]
            if lazy:
                import dask.array as da

                return da.from_array(movie, chunks=(1, ny, nx)) * np.float32(scale) + np.float32(offset)
            return movie.astype(np.float32) * np.float32(scale) + np.float32(offset)

        found.append(Signal(name, (frames, ny, nx), np.dtype("float32"), axes, load, attrs))
    return found


def _header(file, name):
    """The header as a record of numbers, and where the frames begin."""
    raw = file.read(4)
    version = int.from_bytes(raw, "little") if len(raw) == 4 else -1
    if version not in (0, 1, 2):
        raise FormatError(
            f"{name} is no .asd file that is known: it says version {version}, known are 0, 1 and 2; export "
            "it as .tif"
        )
    layout = _NEW if version else _OLD
    raw += file.read(layout.itemsize - 4)
    check_length(layout.itemsize, len(raw), name)
    head = dict(zip(layout.names, np.frombuffer(raw, layout)[0].item(), strict=True))
    _check(head, name)
    if version:
        return head, head["header"]
    # The size that version 0 gives of its header is wrong in some files: it is counted.
    file.seek(head["name_size"], 1)
    after = file.read(_AFTER_NAME.itemsize)
    check_length(_AFTER_NAME.itemsize, len(after), name)
    head |= dict(zip(_AFTER_NAME.names, np.frombuffer(after, _AFTER_NAME)[0].item(), strict=True))
    return head, file.tell() + head["offset"] + head["comment_size"]


def _check(head, name):
    """Refuse numbers that cannot be, before anything is made of them."""
    limits = {
        "nx": (1, _MOST_PIXELS), "ny": (1, _MOST_PIXELS), "frames": (1, 2**31 - 1), "header": (0, 2**24),
        "frame_header": (0, 2**16), "name_size": (0, 2**16), "comment_size": (0, 2**24),
        "bits": (1, _MOST_BITS),
    }  # fmt: skip
    for key, (low, high) in limits.items():
        if not low <= head[key] <= high:
            raise FormatError(
                f"{name} is damaged or no .asd file: its header says {head[key]} for {key!r}, from {low} to "
                f"{high} can be; copy or export it again"
            )
    if head.get("offset", 0) < 0 or not head["first"]:
        raise FormatError(f"{name} is damaged: its header names no channel; copy or export it again")


def _conversion(head, kind):
    """(scale, offset, unit): what a level means."""
    if head["range"] not in _RANGES:
        return 1.0, 0.0, "levels"
    low, high = _RANGES[head["range"]]
    factor, unit = {
        "topography": (head["z_gain"] * head["z_extension"], "nm"),
        "error": (-head["sensor"], "nm"),
        "phase": (-head["phase"], "degrees"),
    }.get(kind, (1.0, "V"))
    if not np.isfinite(factor) or factor == 0:
        factor, unit = 1.0, "V"
    return factor * (high - low) / 2 ** head["bits"], factor * low, unit
