"""From the axes a file describes to named dimensions, by units and names, whatever their order."""

import re
from dataclasses import dataclass

import numpy as np

from atomlens._units import quantity
from atomlens.io._errors import FormatError

KINDS = ("image", "spectrum", "line_scan", "spectrum_image", "movie")

_X = {"x", "width", "column", "columns", "col", "kx", "dx"}
_Y = {"y", "height", "row", "rows", "ky", "dy"}
_ENERGY = {"energy", "energyloss", "eloss", "eels", "xrayenergy"}
_TIME = {"time", "frame", "frames"}
# Names that readers give to an axis they know nothing about.
_NAMELESS = re.compile(
    r"(undefined|none|axis|dim|dimension|index|position|scan)?\d*|z|depth|pages|imageseries|other|sample"
)
_UNKNOWN = "?"


@dataclass(frozen=True)
class Axis:
    """One axis as the file describes it."""

    size: int
    name: str = ""
    units: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    values: np.ndarray | None = None  # for an axis that is not uniform
    navigate: bool | None = None

    def raw(self):
        """Return the values as the file gives them."""
        if self.values is not None:
            return np.asarray(self.values)
        return self.offset + self.scale * np.arange(self.size)

    def coordinates(self):
        """Return the calibrated values in our units, and those units."""
        what, factor, ours = quantity(self.units)
        plain = self.values is None and (self.units is None or (self.scale, self.offset) == (1, 0))
        if what == "none" and plain:
            return np.arange(self.size), "px"
        return self.raw() * factor + 0.0, ours  # + 0.0 turns the -0.0 of some dm3 headers into 0.0


def uniform(values):
    """Return (scale, offset) of evenly spaced values, None of others."""
    if len(values) == 1:
        return 1.0, float(values[0])
    scale = (float(values[-1]) - float(values[0])) / (len(values) - 1)
    even = scale and np.allclose(np.diff(values.astype(float)), scale, rtol=1e-4, atol=0)
    return (scale, float(values[0])) if even else None


def _slug(name):
    return re.sub(r"[^a-z0-9]", "", str(name or "").lower())


def _role(axis):
    """What one axis is, judged alone: a dimension name, "length", "reciprocal", or "?"."""
    name, (what, _, _) = _slug(axis.name), quantity(axis.units)
    nameless = bool(_NAMELESS.fullmatch(name))
    spatial = nameless or name in _X | _Y
    if what == "energy" or (what == "none" and name in _ENERGY):
        return "energy"
    if what == "time" or (what == "none" and name in _TIME):
        return "time"
    if what in ("reciprocal", "angle") and spatial:
        return "reciprocal"
    if (what == "length" and spatial) or (what == "none" and name in _X | _Y):
        return "reciprocal" if name in ("kx", "ky") else "length"
    if what == "other":
        return "bias" if axis.units in ("V", "mV") and nameless else _own_name(axis)
    return _UNKNOWN if nameless else _own_name(axis)


def _own_name(axis):
    """Keep the file's own word for an axis that is neither space, energy nor time (wavelength, field ...)."""
    return re.sub(r"\W+", "_", str(axis.name).strip()).strip("_").lower() or "channel"


def roles(axes):
    """Return one dimension name an axis; ``"?"`` where units and names do not tell."""
    found = [_role(axis) for axis in axes]
    for group, wanted in (("length", ("y", "x")), ("reciprocal", ("ky", "kx"))):
        members = [i for i, role in enumerate(found) if role == group]
        free = list(wanted)
        for names, dim in ((_X, wanted[1]), (_Y, wanted[0])):
            named = [i for i in members if _slug(axes[i].name) in names]
            if len(named) == 1:
                found[named[0]] = dim
                members.remove(named[0])
                free.remove(dim)
        # What has no telling name follows the order of the file; the last is the fastest, x.
        for i in reversed(members):
            found[i] = free.pop() if free else _UNKNOWN
    return found


def _fits(dim, slot):
    """Whether an axis already recognised as `dim` may serve as `slot` of a kind."""
    if slot == "spectral":
        return dim not in ("x", "y", "kx", "ky")
    return {"x": dim == "kx", "y": dim == "ky", "time": False}[slot]


_SLOTS = {
    "image": ("y", "x"),
    "spectrum": ("spectral",),
    "line_scan": ("x", "spectral"),
    "spectrum_image": ("y", "x", "spectral"),
    "movie": ("time", "y", "x"),
}


def force(kind, found, what):
    """Name the dimensions so that they make up `kind`, or say why they cannot."""
    slots = list(_SLOTS[kind])
    if len(found) != len(slots):
        raise FormatError(
            f"{what} has {len(found)} axes ({', '.join(found)}), kind={kind!r} needs {len(slots)}: "
            f"leave kind= out, or choose another of {', '.join(KINDS)}"
        )
    dims = [None] * len(found)
    for exact in (True, False):
        for i, dim in enumerate(found):
            if dims[i] is None and dim != _UNKNOWN:
                slot = next((s for s in slots if (dim == s if exact else _fits(dim, s))), None)
                if slot:
                    slots.remove(slot)
                    dims[i] = dim
    if kind == "line_scan" and slots == ["x"] and "y" in found:
        dims[found.index("y")] = "x"
        slots = []
    for i, dim in enumerate(found):
        if dims[i] is None:
            if dim != _UNKNOWN:
                raise FormatError(
                    f"{what} has the axes ({', '.join(found)}), so it cannot be read as kind={kind!r}: "
                    "leave kind= out"
                )
            dims[i] = "channel" if slots[0] == "spectral" else slots[0]
            slots.pop(0)
    return dims


def recognise(axes, what):
    """Return (dims, kind, note) of calibrated axes; ask for ``kind=`` where they are ambiguous."""
    found = roles(axes)
    unknown = [i for i, dim in enumerate(found) if dim == _UNKNOWN]
    note = ""
    if unknown:
        kind = _guess(axes, found, unknown)
        if kind is None:
            sizes = " x ".join(str(a.size) for a in axes)
            raise FormatError(
                f"{what} is a {sizes} array whose axes carry neither units nor telling names: "
                f'say what it is, for example kind="spectrum_image" (last axis spectral) or kind="movie" '
                f"(first axis time)"
            )
        note = f"axes without units or names were taken as those of kind={kind!r}"
        found = force(kind, found, what)
    elif len(set(found)) < len(found):
        raise FormatError(
            f"{what} has two axes of the same meaning ({', '.join(found)}): "
            "convert it to a plain array (.npy) and say kind="
        )
    if found in (["y", "energy"], ["energy", "y"]):
        found = ["x" if dim == "y" else dim for dim in found]
    return found, kind_of(found), note


def _guess(axes, found, unknown):
    """The only sensible kind of partly unknown axes, or None."""
    rest = [dim for dim in found if dim != _UNKNOWN]
    spectral = [dim for dim in rest if _fits(dim, "spectral")]
    if len(found) == 1:
        return "spectrum"
    if len(found) == 2:
        if not rest:
            return "image"
        if spectral:
            return "line_scan" if spectral != ["time"] else None
        return "line_scan" if axes[unknown[0]].navigate is False and _navigates(axes, found) else "image"
    if len(found) == 3:
        if spectral == ["time"]:
            return "movie"
        if spectral:
            return "spectrum_image"
        # Calibrated y and x with one bare axis: the file's own split in scan and signal axes decides.
        calibrated = all(quantity(a.units)[0] != "none" for i, a in enumerate(axes) if i not in unknown)
        if len(rest) == 2 and calibrated:
            bare = axes[unknown[0]].navigate
            if bare is True and not _navigates(axes, found):
                return "movie"
            if bare is False and _navigates(axes, found):
                return "spectrum_image"
    return None


def _navigates(axes, found):
    """Whether the axes that are recognised are all scan axes."""
    return all(a.navigate for a, dim in zip(axes, found, strict=True) if dim != _UNKNOWN)


SPACE = {"y", "x", "ky", "kx"}


def kind_of(dims):
    """Name the kind of a set of dimensions; ``"other"`` for those beyond the five."""
    names = set(dims)
    space, rest = names & SPACE, names - SPACE
    if names in ({"y", "x"}, {"ky", "kx"}):
        return "image"
    if len(names) == 1:
        return "spectrum"
    if len(rest) == 1 and space == {"y", "x"}:
        return "movie" if rest == {"time"} else "spectrum_image"
    if names == {"time", "ky", "kx"}:
        return "movie"
    if len(names) == 2 and (space <= {"x"} or space <= {"y"}):
        return "line_scan"
    return "other"


def chunking(dims):
    """Say how to cut an array: space freely, spectra never."""
    spectra = len(dims) > 1 and dims[-1] not in ("x", "kx")
    return {dim: -1 if spectra and dim == dims[-1] else "auto" for dim in dims}


def canonical(dims):
    """Return the dims in our order: time, y, x, ky, kx, and the spectral axis last."""
    order = {"time": 0, "y": 1, "x": 2, "ky": 3, "kx": 4}
    if "time" in dims and len(dims) == 2 and not set(dims) & SPACE:
        return tuple(sorted(dims, key=lambda d: d != "time"))
    return tuple(sorted(dims, key=lambda d: order.get(d, 5)))
