"""Named data, simulated and real, each with its truth and its pedigree.

Examples
--------
>>> from atomlens import datasets
>>> datasets.load("eels_phantom").data.dims
('y', 'x', 'energy')
"""

from atomlens.datasets._fetch import ChecksumError, DatasetUnavailableError
from atomlens.datasets._load import credit, list, load, sample_path

__all__ = ["ChecksumError", "DatasetUnavailableError", "credit", "list", "load", "sample_path"]
