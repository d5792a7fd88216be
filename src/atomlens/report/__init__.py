"""A file examined at one call, and the report of it, with the code that repeats it."""

from atomlens.report.examine import Findings, compare, examine
from atomlens.report.figures import Picture
from atomlens.report.page import check_place, write
from atomlens.report.settings import ANALYSES, Settings
from atomlens.report.work import results

__all__ = [
    "ANALYSES",
    "Findings",
    "Picture",
    "Settings",
    "check_place",
    "compare",
    "examine",
    "results",
    "write",
]
