"""The registry: files, hashes, licence, citation and known traps of every set not simulated here."""

import difflib
import json
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from atomlens.datasets._collections import members_of


@dataclass(frozen=True)
class Phantom:
    """A set that is simulated here: the function that makes it, "module:name", and what comes out."""

    function: str
    kind: str
    shape: tuple[int, ...]
    description: str
    lesson: str

    def simulate(self, random_state):
        """Return the sample of this seed."""
        module, _, name = self.function.partition(":")
        return getattr(import_module(module), name)(random_state=random_state)


PHANTOMS = {
    "eels_phantom": Phantom(
        "atomlens.simulate.spectra:eels", "spectrum_image", (64, 64, 260),
        "core-loss EELS of oxide grains, with thickness and spikes", "01",
    ),
    "low_loss_phantom": Phantom(
        "atomlens.simulate.spectra:low_loss", "spectrum_image", (48, 48, 280),
        "low-loss EELS whose zero-loss peak jitters", "01",
    ),
    "current_voltage_phantom": Phantom(
        "atomlens.simulate.spectra:current_voltage", "spectrum_image", (48, 48, 101),
        "current-voltage curves over a surface", "01",
    ),
    "composition_spread_phantom": Phantom(
        "atomlens.simulate.spectra:composition_spread", "spectra", (300, 400),
        "diffraction of a combinatorial library", "01",
    ),
    "mos2_phantom": Phantom(
        "atomlens.datasets._phantoms:mos2", "image", (512, 512),
        "HAADF of monolayer MoS2 with sulphur vacancies, vanadium and contamination", "03",
    ),
    "mos2_se_phantom": Phantom(
        "atomlens.datasets._phantoms:mos2_se", "image", (768, 768),
        "HAADF of Se-implanted MoS2 with sulphur vacancies and a pit", "04",
    ),
    "ws2_wsse_phantom": Phantom(
        "atomlens.datasets._phantoms:ws2_wsse", "image", (512, 512),
        "HAADF of WS2 with one selenium atom in half of the sulphur columns", "05",
    ),
    "graphene_si_phantom": Phantom(
        "atomlens.datasets._phantoms:graphene_si", "image", (256, 256),
        "HAADF of graphene with one Si1C3 and one Si1C4 defect", "06",
    ),
    "graphene_si_cluster_phantom": Phantom(
        "atomlens.datasets._phantoms:graphene_si_cluster", "image", (256, 256),
        "HAADF of graphene with one cluster of silicon atoms, one of six kinds", "07",
    ),
    "graphene_boundary_phantom": Phantom(
        "atomlens.datasets._phantoms:graphene_boundary", "image", (512, 512),
        "STEM image of a graphene grain boundary of pentagons and heptagons", "04",
    ),
    "bfo_phantom": Phantom(
        "atomlens.datasets._phantoms:bfo", "columns", (2113, 3),
        "columns of BiFeO3 with position noise, iron displaced in two domains", "04",
    ),
    "pto_sro_phantom": Phantom(
        "atomlens.datasets._phantoms:pto_sro", "image", (224, 1312),
        "HAADF of a bent PbTiO3 / SrRuO3 superlattice, PbTiO3 polar in two domains", "04",
    ),
    "cdte_boundary_phantom": Phantom(
        "atomlens.datasets._phantoms:cdte_boundary", "image", (512, 512),
        "HAADF of a CdTe [110] twin boundary", "02",
    ),
    "fe_boundary_phantom": Phantom(
        "atomlens.datasets._phantoms:fe_boundary", "image", (512, 512),
        "STEM image of a sigma-5 boundary between bcc Fe [001] grains", "02",
    ),
    "si110_phantom": Phantom(
        "atomlens.datasets._phantoms:si110", "image", (512, 512),
        "HAADF of Si [110], its scan lines jumping", "03",
    ),
    "dso110_phantom": Phantom(
        "atomlens.datasets._phantoms:dso110", "image", (512, 512),
        "HAADF of DyScO3 [110], dysprosium displaced to and fro", "03",
    ),
    "pt_single_atoms_phantom": Phantom(
        "atomlens.datasets._phantoms:pt_single_atoms", "image", (512, 512),
        "HAADF of Pt single atoms on carbon", "03",
    ),
    "ws2_movie_phantom": Phantom(
        "atomlens.datasets._phantoms:ws2_movie", "movie", (60, 256, 256),
        "HAADF movie of WS2 with dopants and vacancies that hop, and a hole that grows", "08",
    ),
    "hs_afm_phantom": Phantom(
        "atomlens.datasets._phantoms:hs_afm", "movie", (24, 160, 160),
        "AFM movie of a protein lattice that fades and ends in noise", "09",
    ),
    "stm_vacancies_phantom": Phantom(
        "atomlens.datasets._phantoms:stm_vacancies", "image", (512, 512),
        "STM topography of a surface with vacancies, lines and streaks", "05",
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
    phantom: str | None
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
    raw = json.loads(files(__package__).joinpath("registry.json").read_text(encoding="utf-8"))
    return {name: _entry(name, item) for name, item in raw.items()}


def _entry(name, item):
    fields = dict(item)
    base, folder = fields.pop("base"), fields.pop("folder")
    fields["files"] = {
        file: File(file, folder, meta["bytes"], meta["sha256"], _address(base, meta.get("path")))
        for file, meta in fields["files"].items()
    }
    fields |= {"shape": tuple(fields["shape"]), "notes": tuple(fields["notes"])}
    return Entry(name=name, **fields)


def _address(base, path):
    return base + quote(path) if base and path else None


def entry_of(name):
    """Return the entry of a set or of a member, or name the nearest ones."""
    known = registry()
    if name in known:
        return known[name]
    collection, _, member = str(name).partition("/")
    if member and collection in known and member in known[collection].members:
        return _member(known[collection], member)
    names = [*known, *PHANTOMS.keys()]
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
