"""Particles drawn by another hand than `simulate.particles`: outlines from distances, grainy noise."""

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from atomlens import particles

SYMMETRY = {"rod": 2, "boomerang": 1, "propeller": 3}


def _away(kind, u, v):
    """Distance of points (in the particle's own axes, pixels) from its skeleton."""

    def segment(x, y, angle, length):
        along = np.clip((u - x) * np.cos(angle) + (v - y) * np.sin(angle), 0, length)
        return np.hypot(u - x - along * np.cos(angle), v - y - along * np.sin(angle))

    if kind == "rod":
        return segment(-9, 0, 0, 18)
    if kind == "boomerang":
        return np.minimum(segment(-3, 0, np.radians(55), 12), segment(-3, 0, np.radians(-55), 12))
    arms = [segment(5 * np.cos(a), 5 * np.sin(a), a + 1.2, 6) for a in 2 * np.pi * np.arange(3) / 3]
    return np.minimum.reduce([*arms, np.hypot(u, v) + 0.5])


def _drawn(kind, *, coverage, noise, apart=1.5, shape=(256, 256), seed=0):
    """A frame (heights of particles are 4) and its table; particles keep `apart` pixels between outlines."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    nearest, rows = np.full(shape, np.inf), []
    for _ in range(4000):
        if (nearest < 3).mean() >= coverage:
            break
        px, py, theta = *rng.uniform(0, shape[::-1]), rng.uniform(0, 360)
        part = np.s_[max(int(py) - 22, 0) : int(py) + 23, max(int(px) - 22, 0) : int(px) + 23]
        dx, dy = x[part] - px, y[part] - py
        c, s = np.cos(np.radians(theta)), np.sin(np.radians(theta))
        away = _away(kind, c * dx + s * dy, -s * dx + c * dy)
        if ((away < 3 + apart) & (nearest[part] < 3)).any():
            continue
        nearest[part] = np.minimum(nearest[part], away)
        rows.append((px, py, theta % (360 / SYMMETRY[kind])))
    heights = gaussian_filter(4 * np.clip((3.5 - nearest) / 2, 0, 1), 0.8)
    grain = gaussian_filter(rng.normal(0, 1, shape), (0, 0.6))  # the feedback smears noise along the scan
    frame = heights + noise * grain / grain.std() + rng.normal(0, 0.1, (shape[0], 1)) + 0.004 * x
    return frame.astype(np.float32), pd.DataFrame(rows, columns=["x", "y", "theta"])


@pytest.fixture(scope="session")
def drawn():
    """The routine that draws."""
    return _drawn


@pytest.fixture(scope="session")
def rods():
    """A network that learnt rods from one drawn frame; that frame; its labels, as a hand sets them."""
    frame, labels = _drawn("rod", coverage=0.2, noise=0.4, seed=1)
    flat = particles.level(frame)
    labels += np.random.default_rng(2).normal(0, (0.5, 0.5, 1.5), labels.shape)  # pixels, degrees
    return particles.train(flat, labels, symmetry=2), flat, labels
