"""Local crystallography: phases from the neighbourhoods of atoms, and which of them are ferroic."""

from atomlens.crystallography.estimator import LocalCrystallography
from atomlens.crystallography.maps import Components, components, displacements, polarisation, strain_map
from atomlens.crystallography.point_groups import POINT_GROUPS, PointGroup, point_group
from atomlens.crystallography.selection import ClusterChoice, choose_n_clusters
from atomlens.crystallography.superlattice import superlattices, wave_spectrum
from atomlens.crystallography.symmetry import CellSymmetry, cell_symmetry

__all__ = [
    "POINT_GROUPS",
    "CellSymmetry",
    "ClusterChoice",
    "Components",
    "LocalCrystallography",
    "PointGroup",
    "cell_symmetry",
    "choose_n_clusters",
    "components",
    "displacements",
    "point_group",
    "polarisation",
    "strain_map",
    "superlattices",
    "wave_spectrum",
]
