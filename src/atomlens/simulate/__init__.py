"""Planted truth: simulators whose answer is known exactly."""

from atomlens.simulate import spectra

__all__ = ["spectra"]
