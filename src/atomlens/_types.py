"""Names for annotations; nothing is imported when a program runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from ase import Atoms
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy import ndarray
    from numpy.random import Generator
    from numpy.typing import ArrayLike
    from pandas import DataFrame, Series
    from xarray import DataArray

    from atomlens._match import Match
    from atomlens._sample import Sample
    from atomlens._survey import Survey
    from atomlens.columns import Chain, ColumnModel, Ensemble
    from atomlens.crystallography import CellSymmetry, ClusterChoice, LocalCrystallography
    from atomlens.defects import DefectMap
    from atomlens.descriptors import WindowDescriptor
    from atomlens.lattice import Lattice, Neighbourhoods
    from atomlens.shiftvae import ShiftVAE
    from atomlens.simulate.structures import Structure
    from atomlens.spectra import ClusterResult, KChoice
else:

    def __getattr__(name):
        if name[0].isupper() or name == "ndarray":
            return Any
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
