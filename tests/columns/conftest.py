"""Planted columns, drawn one by one without any of the package's own code."""

import numpy as np
import pytest
from scipy.special import erf


def _expected(shape, table, background=0.0):
    """Counts of round Gaussians integrated over pixels: rows of (x, y, intensity, sigma)."""
    image = np.full(shape, float(background))
    for x, y, intensity, sigma in table:
        across, down = (
            np.diff(erf((np.arange(n + 1) - 0.5 - c) / (np.sqrt(2) * sigma))) / 2
            for n, c in zip(shape[::-1], (x, y), strict=True)
        )
        image += intensity * np.outer(down, across)
    return image


@pytest.fixture(scope="session")
def expected_counts():
    return _expected


@pytest.fixture(scope="session")
def lattice():
    """Positions of columns on a square or hexagonal lattice, a little disordered, and the image's shape."""

    def build(n, spacing, rng, *, hexagonal=False, disorder=0.3):
        i, j = np.meshgrid(np.arange(n), np.arange(n))
        x = i * spacing + (j % 2) * spacing / 2 * hexagonal
        y = j * spacing * (np.sqrt(3) / 2 if hexagonal else 1)
        at = np.column_stack([x.ravel(), y.ravel()]) + spacing + rng.uniform(-disorder, disorder, (n * n, 2))
        return at, tuple(int(m) for m in at.max(axis=0)[::-1] + spacing + 1)

    return build
