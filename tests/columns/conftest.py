"""Places for planted columns, without any of the package's own code."""

import numpy as np
import pytest


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
