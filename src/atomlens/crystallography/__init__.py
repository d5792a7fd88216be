"""Local crystallography: phases from the neighbourhoods of atoms, and which of them are ferroic."""

from atomlens.crystallography.estimator import LocalCrystallography
from atomlens.crystallography.point_groups import POINT_GROUPS, PointGroup, point_group
from atomlens.crystallography.selection import ClusterChoice, choose_n_clusters

__all__ = [
    "POINT_GROUPS",
    "ClusterChoice",
    "LocalCrystallography",
    "PointGroup",
    "choose_n_clusters",
    "point_group",
]
