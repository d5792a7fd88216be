"""Defects in time: trajectories, diffusion, and Markov chains with honest intervals."""

from atomlens.dynamics.diffusion import Diffusion, diffusion, msd, published_estimator
from atomlens.dynamics.tracks import events, link, remove_drift

__all__ = ["Diffusion", "diffusion", "events", "link", "msd", "published_estimator", "remove_drift"]
