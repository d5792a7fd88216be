"""Planted perovskites for the benchmarks of local crystallography: phases, faults, truth."""

import numpy as np

from atomlens import simulate

NOISE = 0.003  # nm


def planted(variants, shift, seed, *, size=16.0, disturbed=True, noise=NOISE):
    """Table of columns and truth: `variants` displaced by `shift` pm in Voronoi domains.

    Disturbed: 2 % of the columns missing, 2 % linear drift, and a slow wobble of the scan of 1 % at most.
    """
    rng = np.random.default_rng(seed)
    cells = simulate.structures.perovskite(
        (size, size), formula="PbTiO3", a=0.4, polar=shift, variants=variants, random_state=rng
    )
    phase = rng.uniform(0, 2 * np.pi, 2)
    wave = 2 * np.pi / size

    def scan(x, y):
        ux = 0.02 * (y - size / 2) + 0.01 / wave * np.sin(wave * y + phase[0])
        return ux, 0.01 / wave * np.cos(wave * x + phase[1])

    faults = {"missing": 0.02, "distortion": scan} if disturbed else {}
    sample = simulate.column_positions(cells, noise=noise, random_state=rng, **faults)
    return sample.data, sample.truth
