"""A library of defects: crops of one kind side by side, grouped without labels, and asked for what is new."""

from atomlens.library.extract import Defect, extract
from atomlens.library.host import Host, Placed, graphene

__all__ = ["Defect", "Host", "Placed", "extract", "graphene"]
