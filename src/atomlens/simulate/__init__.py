"""Planted truth: simulators whose answer is known exactly."""

from atomlens.simulate import (
    defects,
    movies,
    multislice,
    particles,
    shifted,
    spectra,
    stm,
    strain,
    structures,
)
from atomlens.simulate.imaging import Instrument, image
from atomlens.simulate.positions import column_positions
from atomlens.simulate.processing import process

__all__ = [
    "Instrument",
    "column_positions",
    "defects",
    "image",
    "movies",
    "multislice",
    "particles",
    "process",
    "shifted",
    "spectra",
    "stm",
    "strain",
    "structures",
]
