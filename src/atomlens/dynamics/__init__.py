"""Defects in time: trajectories, diffusion, and Markov chains with honest intervals."""

__all__: list[str] = []
