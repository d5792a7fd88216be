"""Files in and out: any microscopy format to a calibrated DataArray, and back.

Examples
--------
>>> from atomlens import datasets, io
>>> si = io.read(datasets.sample_path("spectrum_image.hspy"))
>>> si.dims, si.energy.attrs["units"]
(('y', 'x', 'energy'), 'eV')
"""

from atomlens.io._errors import FormatError
from atomlens.io._read import read, sha256, signals

__all__ = ["FormatError", "read", "sha256", "signals"]
