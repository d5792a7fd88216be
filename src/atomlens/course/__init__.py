"""The wing for teaching: checkers, the exercises behind them, and a look at the machine.

Each lesson has a module here. It computes a student's sample from the seed of their name, and the answers
from the sample, so that nothing is stored and every student has their own.
"""

from atomlens.course import check
from atomlens.course.environment import environment_report

__all__ = ["check", "environment_report"]
