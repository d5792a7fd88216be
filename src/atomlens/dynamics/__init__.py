"""Defects in time: found in movies, sorted, linked; diffusion, and Markov chains with honest intervals."""

from atomlens.dynamics.agreement import Agreement, agreement
from atomlens.dynamics.bright import bright_atoms
from atomlens.dynamics.brownian import Diffusion, diffusion, msd
from atomlens.dynamics.chain_tests import ChainTest, first_order, stationary
from atomlens.dynamics.classes import SubImageClasses
from atomlens.dynamics.detection import detect_frames
from atomlens.dynamics.equivalence import Equivalence, equivalent_classes
from atomlens.dynamics.freedom import Motion, motion
from atomlens.dynamics.labels import label_frame
from atomlens.dynamics.markov import Transitions, transitions
from atomlens.dynamics.network import DefectNetwork, load_model, train_on_frame
from atomlens.dynamics.published import one_sequence_matrix, published_estimator, row_mean_matrix
from atomlens.dynamics.sub_images import sub_images
from atomlens.dynamics.tracks import events, link, remove_drift
from atomlens.dynamics.unmixing import unmix

__all__ = [
    "Agreement",
    "ChainTest",
    "DefectNetwork",
    "Diffusion",
    "Equivalence",
    "Motion",
    "SubImageClasses",
    "Transitions",
    "agreement",
    "bright_atoms",
    "detect_frames",
    "diffusion",
    "equivalent_classes",
    "events",
    "first_order",
    "label_frame",
    "link",
    "load_model",
    "motion",
    "msd",
    "one_sequence_matrix",
    "published_estimator",
    "remove_drift",
    "row_mean_matrix",
    "stationary",
    "sub_images",
    "train_on_frame",
    "transitions",
    "unmix",
]
