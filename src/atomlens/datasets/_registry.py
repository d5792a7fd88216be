"""The registry: files, hashes, licence, citation and known traps of every set not simulated here."""

import difflib
import json
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from atomlens.datasets._collections import members_of

# name: (function of atomlens.simulate.spectra, kind, shape, what it is)
TWINS = {
    "eels_twin": (
        "eels", "spectrum_image", (64, 64, 260), "core-loss EELS of oxide grains, with thickness and spikes"
    ),
    "low_loss_twin": (
        "low_loss", "spectrum_image", (48, 48, 280), "low-loss EELS whose zero-loss peak jitters"
    ),
    "current_voltage_twin": (
        "current_voltage", "spectrum_image", (48, 48, 101), "current-voltage curves over a surface"
    ),
    "composition_spread_twin": (
        "composition_spread", "spectra", (300, 400), "diffraction of a combinatorial library"
    ),
}  # fmt: skip


@dataclass(frozen=True)
class File:
    """One file of a set: its folder in the mirror, its size and hash, and its URL (None: no public one)."""

    name: str
    folder: str
    bytes: int
    sha256: str
    url: str | None


@dataclass(frozen=True)
class Entry:
    """One registered data set, or one member of a collection."""

    name: str
    real: bool  # False: a simulation published elsewhere
    kind: str
    shape: tuple[int, ...]
    description: str
    lesson: str
    twin: str | None
    licence: str
    citation: str
    truth: str
    calibration: str
    notes: tuple[str, ...]
    loader: str
    files: dict[str, File]
    obtain: str | None = None  # how to get a file that no URL leads to
    members: dict[str, dict[str, Any]] = field(default_factory=dict)


@cache
def registry():
    """Return all registered sets by name; a collection is one set."""
    raw = json.loads(files("atomlens.datasets").joinpath("registry.json").read_text(encoding="utf-8"))
    return {name: _entry(name, item) for name, item in raw.items()}


def _entry(name, item):
    fields = dict(item)
    base, folder = fields.pop("base"), fields.pop("folder")
    fields["files"] = {
        file: File(file, folder, meta["bytes"], meta["sha256"], base + quote(meta["path"]) if base else None)
        for file, meta in fields["files"].items()
    }
    fields |= {"shape": tuple(fields["shape"]), "notes": tuple(fields["notes"])}
    return Entry(name=name, **fields)


def entry_of(name):
    """Return the entry of a set or of a member, or name the nearest ones."""
    known = registry()
    if name in known:
        return known[name]
    collection, _, member = str(name).partition("/")
    if member and collection in known and member in known[collection].members:
        return _member(known[collection], member)
    names = [*known, *TWINS]
    if collection in known:
        names += [f"{collection}/{m}" for m in known[collection].members]
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    raise ValueError(f"there is no data set {name!r}: {hint}datasets.list() shows them all")


def _member(entry, member):
    own = members_of(entry.files)[member]
    return replace(
        entry,
        name=f"{entry.name}/{member}",
        kind="image",
        shape=tuple(entry.members[member]["shape"]),
        files={name: entry.files[name] for name in own},
        members={},
    )
