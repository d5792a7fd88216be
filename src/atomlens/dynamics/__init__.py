"""Defects in time: trajectories, diffusion, and Markov chains with honest intervals."""

from atomlens.dynamics.diffusion import Diffusion, diffusion, msd, published_estimator
from atomlens.dynamics.markov import (
    ChainTest,
    Transitions,
    first_order,
    one_sequence_matrix,
    row_mean_matrix,
    stationary,
    transitions,
)
from atomlens.dynamics.motion import Motion, motion
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
