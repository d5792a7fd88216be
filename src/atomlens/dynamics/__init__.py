"""Defects in time: trajectories, diffusion, and Markov chains with honest intervals."""

from atomlens.dynamics.bright import bright_atoms
from atomlens.dynamics.brownian import Diffusion, diffusion, msd
from atomlens.dynamics.chain_tests import ChainTest, first_order, stationary
from atomlens.dynamics.equivalence import Equivalence, equivalent_classes
from atomlens.dynamics.freedom import Motion, motion
from atomlens.dynamics.markov import Transitions, transitions
from atomlens.dynamics.published import one_sequence_matrix, published_estimator, row_mean_matrix
from atomlens.dynamics.tracks import events, link, remove_drift

__all__ = [
    "ChainTest",
    "Diffusion",
    "Equivalence",
    "Motion",
    "Transitions",
    "bright_atoms",
    "diffusion",
    "equivalent_classes",
    "events",
    "first_order",
    "link",
    "motion",
    "msd",
    "one_sequence_matrix",
    "published_estimator",
    "remove_drift",
    "row_mean_matrix",
    "stationary",
    "transitions",
]
