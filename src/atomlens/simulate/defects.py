"""Defects planted into a structure, each on record.

Every function returns a new structure in which the atoms concerned are changed and marked (array ``defect``),
with one row a defect added to `Structure.defects`. ``size_nm`` there is a length that belongs to the defect
(a displacement, a line); where a single column changes its content it is 0.

Places are chosen among the visible columns inside the field of view that hold no defect yet, either at
random (`n`, or `fraction` of them; one by default), or nearest to given points (`at`).
"""

from atomlens.simulate._defects_atoms import substitutions, vacancies
from atomlens.simulate._defects_places import displaced, interstitials, line_defect

__all__ = ["displaced", "interstitials", "line_defect", "substitutions", "vacancies"]
