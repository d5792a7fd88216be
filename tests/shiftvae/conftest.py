"""Crops with planted shifts and kinds, and models trained on them once."""

import pytest

from atomlens import simulate
from atomlens.shiftvae import ShiftVAE


@pytest.fixture(scope="session")
def cells():
    return simulate.shifted.cells(1000, random_state=1)


@pytest.fixture(scope="session")
def peaks():
    return simulate.shifted.peaks(1500, random_state=1)


@pytest.fixture(scope="session")
def model(cells):
    return ShiftVAE(2, shift_scale=0.15, max_epochs=25, progress=False).fit(cells.data)


@pytest.fixture(scope="session")
def of_peaks(peaks):
    vae = ShiftVAE(2, shift_scale=0.15, likelihood="bernoulli", max_epochs=40, progress=False)
    return vae.fit(peaks.data)
