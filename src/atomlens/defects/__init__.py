"""Defects without labels: what breaks the periodicity of a crystal, at a false-alarm rate that is kept."""

from atomlens.defects.calibration import Calibration
from atomlens.defects.detection import DETECTORS, DefectMap, detect
from atomlens.defects.detectors import NearestNeighbourDetector, OneClassDetector, label_free_parameters
from atomlens.defects.domains import segment_domains
from atomlens.lattice import NotPeriodicError

__all__ = [
    "DETECTORS",
    "Calibration",
    "DefectMap",
    "NearestNeighbourDetector",
    "NotPeriodicError",
    "OneClassDetector",
    "detect",
    "label_free_parameters",
    "segment_domains",
]
