"""Electronic structure of small cells: tight binding of pi electrons, and GFN1-xTB through tblite.

What to trust: lengths of bonds within about 0.05 Å, and which atoms stand out near the Fermi level. What not:
energies of single states to better than some tenths of an eV, magnetism, and which of two shapes is lower.
"""

from atomlens.electrons.maps import compare, ldos_map, pristine, surroundings
from atomlens.electrons.relaxation import Relaxed, bonds, relax
from atomlens.electrons.states import States
from atomlens.electrons.tight_binding import bands, tight_binding
from atomlens.electrons.tip import tip_map
from atomlens.electrons.xtb import xtb

__all__ = [
    "Relaxed",
    "States",
    "bands",
    "bonds",
    "compare",
    "ldos_map",
    "pristine",
    "relax",
    "surroundings",
    "tight_binding",
    "tip_map",
    "xtb",
]
