"""Atomic columns: found by a network or classically, refined to the physical limit, and the limit itself."""

from atomlens.columns import losses
from atomlens.columns._atomai import import_atomai, quiet, segmentor
from atomlens.columns.edit import edit
from atomlens.columns.find import OutsideTrainedDomain, doubt, find, uncertainty_map
from atomlens.columns.fit import refine
from atomlens.columns.limit import precision_limit
from atomlens.columns.model import Chain, ColumnModel, Ensemble, load_model, model_names
from atomlens.columns.peaks import best_peaks, find_peaks
from atomlens.columns.scale import estimate_scale
from atomlens.columns.scenes import Scenes
from atomlens.columns.train import train

__all__ = [
    "Chain",
    "ColumnModel",
    "Ensemble",
    "OutsideTrainedDomain",
    "Scenes",
    "best_peaks",
    "doubt",
    "edit",
    "estimate_scale",
    "find",
    "find_peaks",
    "import_atomai",
    "load_model",
    "losses",
    "model_names",
    "precision_limit",
    "quiet",
    "refine",
    "segmentor",
    "train",
    "uncertainty_map",
]
