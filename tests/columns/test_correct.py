"""Aligned scan lines, against what was planted."""

import numpy as np
import pytest

from atomlens.columns.correct import align_scan_lines
from atomlens.simulate import Instrument, image, structures


@pytest.mark.parametrize("jitter_nm", [0.01, 0.03])
def test_torn_lines_are_put_back(jitter_nm):
    structure = structures.perovskite((5, 5), rotation=7)
    torn = image(structure, electrons=500, instrument=Instrument(jitter=jitter_nm), random_state=3)
    # the first thing that the simulator draws from its generator
    planted = np.random.default_rng(3).normal(0, jitter_nm / 0.02, torn.data.shape[0])
    aligned, shifts = align_scan_lines(torn.data)
    assert np.corrcoef(shifts, planted)[0, 1] > 0.88
    assert np.std(shifts - planted) < 0.45 * planted.std()
    still = image(structure, electrons=500, random_state=3).extras["expected"].values

    def error(values):
        return np.abs(np.asarray(values) - still)[:, 10:-10].mean()

    assert error(aligned) < error(torn.data)


def test_straight_lines_stay():
    still = image(structures.perovskite((5, 5)), electrons=2000, random_state=3).data
    shifts = align_scan_lines(still)[1]
    assert np.abs(shifts).mean() < 0.15


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: align_scan_lines(v, length=0), "must be positive"),
        (lambda v: align_scan_lines(v, iterations=0), "must be positive"),
        (lambda v: align_scan_lines(v * 0), "constant"),
    ],
)
def test_bad_input_is_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0).standard_normal((40, 40)))
