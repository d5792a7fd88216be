"""atomlens: machine learning on atomic-resolution microscopy data.

Every room of the package is loaded when it is first used, so that ``import atomlens`` is
instant and never imports torch.

Examples
--------
>>> import atomlens as al
>>> sample = al.datasets.load("eels_twin")
>>> sample.data.dims
('y', 'x', 'energy')
"""

from importlib import import_module
from typing import TYPE_CHECKING

from atomlens._sample import Sample

__version__ = "0.1.0"

_ROOMS = (
    "columns",
    "course",
    "crystallography",
    "datasets",
    "defects",
    "descriptors",
    "io",
    "lattice",
    "metrics",
    "notebook",
    "patterson",
    "plotting",
    "shiftvae",
    "simulate",
    "spectra",
    "widgets",
    "windows",
)

__all__ = ["Sample", "__version__", *_ROOMS]

if TYPE_CHECKING:  # the editor's view of the rooms; at run time __getattr__ opens them
    from atomlens import (
        columns,
        course,
        crystallography,
        datasets,
        defects,
        descriptors,
        io,
        lattice,
        metrics,
        notebook,
        patterson,
        plotting,
        shiftvae,
        simulate,
        spectra,
        widgets,
        windows,
    )


def __getattr__(name):
    if name in _ROOMS:
        return import_module(f"atomlens.{name}")
    raise AttributeError(f"module 'atomlens' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
