"""Files in and out: any microscopy format to a calibrated DataArray, and back.

Examples
--------
>>> from atomlens import datasets, io
>>> si = io.read(datasets.sample_path("spectrum_image.hspy"))
>>> si.dims, si.energy.attrs["units"]
(('y', 'x', 'energy'), 'eV')
"""

from atomlens.io._atoms import to_atoms
from atomlens.io._axes import KINDS
from atomlens.io._columns import read_columns
from atomlens.io._errors import FormatError
from atomlens.io._hyperspy import from_hyperspy, to_hyperspy
from atomlens.io._read import READABLE, read, sha256, signals
from atomlens.io._scale import calibrate
from atomlens.io._square import square_pixels
from atomlens.io._write import write, write_all

__all__ = [
    "KINDS",
    "READABLE",
    "FormatError",
    "calibrate",
    "from_hyperspy",
    "read",
    "read_columns",
    "sha256",
    "signals",
    "square_pixels",
    "to_atoms",
    "to_hyperspy",
    "write",
    "write_all",
]
