"""Descriptors: four ways to turn data into rows of numbers, and what each of them cannot see.

Every descriptor is a scikit-learn transformer. The rows of its features belong to the rows of its
table `positions_`; `inverse_image` draws a row of features, where that is a picture; `prior` and `blind_to`
say what it assumes and what it does not see, and `blindness` measures the latter.
"""

from atomlens.descriptors._base import look_alikes
from atomlens.descriptors._blindness import blindness
from atomlens.descriptors._columns import NeighbourDescriptor, SubImageDescriptor
from atomlens.descriptors._delays import TimeDelayDescriptor
from atomlens.descriptors._windows import WindowDescriptor

__all__ = [
    "NeighbourDescriptor",
    "SubImageDescriptor",
    "TimeDelayDescriptor",
    "WindowDescriptor",
    "blindness",
    "look_alikes",
]
