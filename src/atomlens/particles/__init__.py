"""Particles on a surface: where each is, how it is turned, how sure that is, and what they do in time.

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
from atomlens.particles.movies import domains, frame_quality, link
from atomlens.particles.network import ParticleNetwork, load_model, train
from atomlens.particles.score import Agreement, agreement
from atomlens.particles.turning import (
    Jumps,
    RotationalDiffusion,
    StepTails,
    jumps,
    rotational_diffusion,
    step_tails,
)

__all__ = [
    "Agreement",
    "Jumps",
    "ParticleNetwork",
    "RotationalDiffusion",
    "StepTails",
    "agreement",
    "by_moments",
    "by_template",
    "domains",
    "frame_quality",
    "jumps",
    "level",
    "link",
    "load_model",
    "rotational_diffusion",
    "step_tails",
    "train",
]
