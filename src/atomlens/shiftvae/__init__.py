"""Shift-VAE: what varies in randomly cut windows, besides where they were cut."""

from atomlens.shiftvae.estimator import SeparationWarning, ShiftVAE

__all__ = ["SeparationWarning", "ShiftVAE"]
