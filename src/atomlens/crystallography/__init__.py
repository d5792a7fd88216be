"""Local crystallography: phases from the neighbourhoods of atoms, and which of them are ferroic."""

from atomlens.crystallography.estimator import LocalCrystallography
from atomlens.crystallography.point_groups import POINT_GROUPS, PointGroup, point_group

__all__ = ["POINT_GROUPS", "LocalCrystallography", "PointGroup", "point_group"]
