"""A library of defects: crops of one kind side by side, grouped without labels, and asked for what is new."""

from atomlens.library.extract import Defect, extract
from atomlens.library.features import aligned, invariants
from atomlens.library.host import Host, Placed, graphene
from atomlens.library.store import Library, Seen, open_library

__all__ = [
    "Defect",
    "Host",
    "Library",
    "Placed",
    "Seen",
    "aligned",
    "extract",
    "graphene",
    "invariants",
    "open_library",
]
