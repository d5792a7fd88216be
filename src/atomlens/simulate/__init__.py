"""Planted truth: simulators whose answer is known exactly."""

from atomlens.simulate import defects, multislice, spectra, stm, strain, structures
from atomlens.simulate.imaging import Instrument, image

__all__ = ["Instrument", "defects", "image", "multislice", "spectra", "stm", "strain", "structures"]
