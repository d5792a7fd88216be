"""Theoretical structures: atoms over a field of view, with an exact table of their columns.

Every builder returns a `Structure`; `Structure.columns` is the truth that images are judged by.
"""

from atomlens.simulate._structure import Structure
from atomlens.simulate._structures_2d import (
    graphene,
    graphene_grain_boundary,
    transition_metal_dichalcogenide,
)
from atomlens.simulate._structures_crystals import dumbbells, metal
from atomlens.simulate._structures_files import from_atoms, read
from atomlens.simulate._structures_oxides import molybdenum_vanadium_oxide, zirconia
from atomlens.simulate._structures_perovskite import perovskite
from atomlens.simulate._structures_silicon import silicon_in_graphene
from atomlens.simulate._structures_supports import amorphous, combine, single_atoms

__all__ = [
    "Structure",
    "amorphous",
    "combine",
    "dumbbells",
    "from_atoms",
    "graphene",
    "graphene_grain_boundary",
    "metal",
    "molybdenum_vanadium_oxide",
    "perovskite",
    "read",
    "silicon_in_graphene",
    "single_atoms",
    "transition_metal_dichalcogenide",
    "zirconia",
]
