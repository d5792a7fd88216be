"""Lattices: basis and sites, the cell of every column, and ordered vectors to its neighbours.

Positions are (x, y) in pixels, x along the columns of the image and y along its rows, (0, 0) the centre of
the first pixel; angles are measured from +x towards +y.
"""

from atomlens.lattice.estimation import assign_sublattices, estimate, index
from atomlens.lattice.model import Lattice, NotPeriodicError
from atomlens.lattice.neighbours import Neighbourhoods, neighbour_vectors
from atomlens.lattice.vacancies import empty_sites

__all__ = [
    "Lattice",
    "Neighbourhoods",
    "NotPeriodicError",
    "assign_sublattices",
    "empty_sites",
    "estimate",
    "index",
    "neighbour_vectors",
]
