"""Defects in time: found in movies, sorted, linked; diffusion, and Markov chains with honest intervals."""

from atomlens.dynamics.brownian import Diffusion, diffusion, msd
from atomlens.dynamics.chain_tests import ChainTest, first_order, stationary
from atomlens.dynamics.detection import detect_frames
from atomlens.dynamics.freedom import Motion, motion
from atomlens.dynamics.labels import label_frame
from atomlens.dynamics.markov import Transitions, transitions
from atomlens.dynamics.network import DefectNetwork, train_on_frame
from atomlens.dynamics.published import one_sequence_matrix, published_estimator, row_mean_matrix
from atomlens.dynamics.tracks import events, link, remove_drift

__all__ = [
    "ChainTest",
    "DefectNetwork",
    "Diffusion",
    "Motion",
    "Transitions",
    "detect_frames",
    "diffusion",
    "events",
    "first_order",
    "label_frame",
    "link",
    "motion",
    "msd",
    "one_sequence_matrix",
    "published_estimator",
    "remove_drift",
    "row_mean_matrix",
    "stationary",
    "train_on_frame",
    "transitions",
]
