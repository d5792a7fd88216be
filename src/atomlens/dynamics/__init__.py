"""Defects in time: trajectories, diffusion, and Markov chains with honest intervals."""

from atomlens.dynamics.brownian import Diffusion, diffusion, msd
from atomlens.dynamics.chain_tests import ChainTest, first_order, stationary
from atomlens.dynamics.freedom import Motion, motion
from atomlens.dynamics.markov import Transitions, transitions
from atomlens.dynamics.published import one_sequence_matrix, published_estimator, row_mean_matrix
from atomlens.dynamics.tracks import events, link, remove_drift

__all__ = [
    "ChainTest",
    "Diffusion",
    "Motion",
    "Transitions",
    "diffusion",
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
