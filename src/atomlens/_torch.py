"""Manners towards torch: random generators that are left as they were found."""

from __future__ import annotations

import contextlib
import random

import numpy as np


@contextlib.contextmanager
def keep_random_state():
    """Leave the global random generators as they were found: AtomAI reseeds numpy, torch and random."""
    import torch

    states = np.random.get_state(), random.getstate(), torch.get_rng_state()  # noqa: NPY002
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    deterministic = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        np.random.set_state(states[0])  # noqa: NPY002
        random.setstate(states[1])
        torch.set_rng_state(states[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = deterministic
