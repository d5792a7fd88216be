"""From the axes a file describes to named dimensions, by units and names, whatever their order."""

import re
from dataclasses import dataclass

import numpy as np

from atomlens._units import quantity
from atomlens.io._errors import FormatError

KINDS = ("image", "spectrum", "line_scan", "spectrum_image", "movie")

_X = {"x", "width", "column", "columns", "col", "kx", "dx", "horizontal"}
_Y = {"y", "height", "row", "rows", "ky", "dy", "vertical"}
_ENERGY = {"energy", "energyloss", "eloss", "eels", "xrayenergy", "eds", "edx"}
_TIME = {"time", "frame", "frames", "delay"}
# Names that readers give to an axis they know nothing about.
_NAMELESS = re.compile(
    r"(undefined|none|axis|dim|dimension|index|position|scan)?\d*|z|depth|pages|imageseries|other|sample|images"
)
# What some add to the name of an axis: "X axis", "scan_y", "x position".
_ADDED = re.compile(r"axis|scan|position|pos|coordinates?|coord|stage|pixels?|probe|real|ebeam")
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
    """The word that a name of an axis comes down to, without "axis", "scan" and the like."""
    plain = re.sub(r"\(.*?\)", "", str(name or "").lower())  # "X axis (fast)"
    whole = re.sub(r"[^a-z0-9]", "", plain)
    short = _ADDED.sub("", whole)
    return short if short in _X | _Y | _ENERGY | _TIME else whole


def _role(axis):
    """What one axis is, judged alone: a dimension name, "length", "reciprocal", or "?"."""
    name, (what, _, _) = _slug(axis.name), quantity(axis.units)
    nameless = bool(_NAMELESS.fullmatch(name))
    spatial = nameless or name in _X | _Y
    if what == "energy" or (what == "none" and name in _ENERGY):
        return "energy"
    if what == "time" or (what == "none" and name in _TIME):
        return "time"
    if what == "wavenumber":
        return "raman_shift" if nameless or "raman" in name else _own_name(axis)
    if what in ("reciprocal", "angle") and spatial:
        return "reciprocal"
    if (what == "length" and spatial) or (what == "none" and name in _X | _Y):
        return "reciprocal" if name in ("kx", "ky") else "length"
    if what == "other":
        if nameless:
            return "bias" if axis.units in ("V", "mV") else _UNKNOWN
        return _own_name(axis)
    return _UNKNOWN if nameless else _own_name(axis)


def _own_name(axis):
    """Keep the file's own word for an axis that is neither space, energy nor time (wavelength, field ...)."""
    return re.sub(r"\W+", "_", str(axis.name).strip()).strip("_").lower() or "channel"


def _position(axis):
    """What a third axis of space is: depth, or places along a line; without a unit nothing is known of it."""
    if quantity(axis.units)[0] != "length":
        return _UNKNOWN
    return "z" if _slug(axis.name) in ("z", "depth") else "position"


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
            found[i] = free.pop() if free else _position(axes[i])
    for role in {role for role in found if found.count(role) > 1}:
        # The file's own names may tell apart what means the same; if not, nothing is known of them.
        members = [i for i, other in enumerate(found) if other == role]
        names = [_own_name(axes[i]) for i in members]
        others = {*found} - {role}
        telling = len({*names, *others}) == len(names) + len(others)
        nameless = any(_NAMELESS.fullmatch(_slug(axes[i].name)) for i in members)
        for i, name in zip(members, names, strict=True):
            found[i] = name if telling and not nameless else _UNKNOWN
    return found


_SLOTS = {
    "image": ("y", "x"),
    "spectrum": ("spectral",),
    "line_scan": ("x", "spectral"),
    "spectrum_image": ("y", "x", "spectral"),
    "movie": ("time", "y", "x"),
}


def _fits(dim, slot):
    """Whether an axis already recognised as `dim` may serve as `slot` of a kind."""
    if slot == "spectral":
        return dim != _UNKNOWN and dim not in SPACE
    return {"x": dim == "kx", "y": dim == "ky", "time": False}[slot]


def force(kind, found, what):
    """Name the dimensions so that they make up `kind`: it is the caller who knows, if the number fits."""
    slots = list(_SLOTS[kind])
    if len(found) != len(slots):
        fitting = ", ".join(k for k, s in _SLOTS.items() if len(s) == len(found))
        raise FormatError(
            f"{what} has {len(found)} axes ({', '.join(found)}), kind={kind!r} needs {len(slots)}: "
            + (f"leave kind= out, or choose {fitting}" if fitting else "leave kind= out")
        )
    dims = [None] * len(found)
    if "spectral" in slots and not any(dim == _UNKNOWN or _fits(dim, "spectral") for dim in found):
        return ["channel" if slot == "spectral" else slot for slot in slots]
    # First what is meant by its name; then what may stand for it; what is left in the order of the file.
    for suits in (lambda dim, slot: dim == slot, _fits, lambda dim, slot: True):
        for i, dim in enumerate(found):
            slot = next((s for s in slots if suits(dim, s)), None) if dims[i] is None else None
            if slot:
                slots.remove(slot)
                dims[i] = dim if _fits(dim, slot) else "channel" if slot == "spectral" else slot
    return dims


def recognise(axes, what):
    """Return (dims, kind, note) of calibrated axes; ask for ``kind=`` where they are ambiguous."""
    found = roles(axes)
    unknown = [i for i, dim in enumerate(found) if dim == _UNKNOWN]
    note = ""
    if unknown:
        kind = _guess(axes, found, unknown)
        if kind is None and len(axes) in (2, 3):
            sizes = " x ".join(str(a.size) for a in axes)
            raise FormatError(
                f"{what} is a {sizes} array whose axes carry neither units nor telling names: say what it "
                + (
                    'is, for example kind="spectrum_image" (last axis spectral) or kind="movie" (first axis '
                    "time)"
                    if len(axes) == 3
                    else 'is, kind="image" or kind="line_scan" (last axis spectral)'
                )
            )
        if kind is None:
            found = _numbered(axes, found)
            return (
                found,
                kind_of(found),
                "axes without units or names were numbered, or guessed by their order",
            )
        note = f"axes without units or names were taken as those of kind={kind!r}"
        found = force(kind, found, what)
    if found in (["y", "energy"], ["energy", "y"]):
        found = ["x" if dim == "y" else dim for dim in found]
    if _time_is_spectral(axes, found):
        return found, "spectrum_image", note
    return found, kind_of(canonical(found)), note


def _numbered(axes, found):
    """Names for the axes of more than three, none of the kinds: scan and pattern of 4-D data, or a number."""
    scanned = [a.navigate for a in axes]
    if len(axes) == 4 and set(found) == {_UNKNOWN} and scanned in ([None] * 4, [True, True, False, False]):
        return ["y", "x", "ky", "kx"]
    return [f"axis_{i}" if dim == _UNKNOWN else dim for i, dim in enumerate(found)]


def _time_is_spectral(axes, found):
    """Whether a file says that it scans space, and has a course of time at every place."""
    return sorted(found) == ["time", "x", "y"] and all(
        axis.navigate is (dim != "time") for axis, dim in zip(axes, found, strict=True)
    )


def _guess(axes, found, unknown):
    """The only sensible kind of partly unknown axes, or None."""
    rest = [dim for dim in found if dim != _UNKNOWN]
    spectral = [dim for dim in rest if _fits(dim, "spectral")]
    if len(found) == 1:
        return "spectrum"
    if len(found) == 2:
        if not rest:
            return "line_scan" if [a.navigate for a in axes] == [True, False] else "image"
        if spectral:
            return "line_scan" if spectral != ["time"] else None
        return "line_scan" if axes[unknown[0]].navigate is False and _navigates(axes, found) else "image"
    if len(found) == 3:
        if spectral == ["time"]:
            return "movie"
        if spectral:
            return "spectrum_image"
        # One bare axis, or three: the file's own split in scan and signal axes decides.
        split = [a.navigate for a in axes]
        known = [a for i, a in enumerate(axes) if i not in unknown]
        told = all(quantity(a.units)[0] != "none" for a in known) or _navigates(axes, found)
        if len(rest) == 2 and told:
            bare = axes[unknown[0]].navigate
            if bare is True and not _navigates(axes, found):
                return "movie"
            if bare is False and _navigates(axes, found):
                return "spectrum_image"
        if not rest and split in ([True, True, False], [True, False, False]):
            return "spectrum_image" if split[1] else "movie"
    return None


def _navigates(axes, found):
    """Whether the axes that are recognised are all scan axes."""
    return all(a.navigate for a, dim in zip(axes, found, strict=True) if dim != _UNKNOWN)


SPACE = {"y", "x", "ky", "kx"}
_STACKED = {"z", "z_stack", "position"}  # images above or beside one another


def kind_of(dims):
    """Name the kind of a set of dimensions; ``"other"`` for those beyond the five.

    Time that comes last is a spectral axis, as everywhere: what happens at one place.
    """
    names = set(dims)
    space, rest = names & SPACE, names - SPACE
    if names in ({"y", "x"}, {"ky", "kx"}):
        return "image"
    if len(names) == 1:
        return "spectrum"
    if rest & _STACKED:
        return "other"
    if len(rest) == 1 and space == {"y", "x"}:
        return "movie" if rest == {"time"} and dims[-1] != "time" else "spectrum_image"
    if names == {"time", "ky", "kx"}:
        return "movie"
    if len(names) == 2 and (space <= {"x"} or space <= {"y"}):
        return "line_scan"
    return "other"


def chunking(dims):
    """Say how to cut an array: space freely, spectra never."""
    spectra = len(dims) > 1 and dims[-1] not in ("x", "kx")
    return {dim: -1 if spectra and dim == dims[-1] else "auto" for dim in dims}


def canonical(dims, kind=None):
    """Return the dims in our order: time, y, x, ky, kx, and the spectral axis (of a kind, time) last."""
    order = {"time": -1, **dict.fromkeys(_STACKED, 0), "y": 1, "x": 2, "ky": 3, "kx": 4}
    if kind in ("spectrum_image", "line_scan"):
        order["time"] = 5
    if "time" in dims and len(dims) == 2 and not set(dims) & SPACE:
        return tuple(sorted(dims, key=lambda d: d != "time"))
    return tuple(sorted(dims, key=lambda d: order.get(d, 5)))
