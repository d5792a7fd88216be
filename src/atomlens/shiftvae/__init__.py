"""Shift-VAE: what varies in randomly cut windows, besides where they were cut."""

from atomlens.shiftvae._verdict import SeparationWarning
from atomlens.shiftvae.diagnostics import against_truth, compare, explained_by_place, leakage
from atomlens.shiftvae.estimator import ShiftVAE
from atomlens.shiftvae.loading import load_model

__all__ = [
    "SeparationWarning",
    "ShiftVAE",
    "against_truth",
    "compare",
    "explained_by_place",
    "leakage",
    "load_model",
]
