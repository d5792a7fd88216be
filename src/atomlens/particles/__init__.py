"""Particles on a surface: where each is, how it is turned, and how sure that is.

Examples
--------
>>> from atomlens import particles, simulate
>>> frame = simulate.particles.scattered("rod", coverage=0.1, shape=(96, 96))
>>> found = particles.by_moments(particles.level(frame.data), frame.truth, symmetry=2, radius=10.0)
>>> list(found.columns)
['x', 'y', 'theta', 'score']
"""

from atomlens.particles.baselines import by_moments, by_template
from atomlens.particles.levelling import level
from atomlens.particles.network import ParticleNetwork, load_model, train
from atomlens.particles.score import agreement

__all__ = ["ParticleNetwork", "agreement", "by_moments", "by_template", "level", "load_model", "train"]
