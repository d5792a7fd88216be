"""Endmembers and abundances, against planted mixtures."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from atomlens import simulate, spectra


def matched(found, truth):
    """Order of the found endmembers that fits the planted ones best, and their angles in degrees."""
    ours, planted = (
        ends.values / np.linalg.norm(ends.values, axis=1, keepdims=True)
        for ends in (found.endmembers, truth.endmembers)
    )
    angles = np.degrees(np.arccos(np.clip(ours @ planted.T, -1, 1)))
    rows, columns = linear_sum_assignment(angles)
    order = rows[np.argsort(columns)]
    return order, angles[order, np.arange(len(order))]


@pytest.mark.parametrize(("n_phases", "mixing"), [(3, 0.5), (4, 0.5), (4, 1.5), (5, 1.5)])
def test_planted_endmembers_and_abundances_are_recovered(n_phases, mixing):
    sample = simulate.spectra.eels(n_phases, mixing=mixing, counts=2e4, random_state=1)
    found = spectra.unmix(sample.data, n_phases)
    order, angles = matched(found, sample.truth)
    assert angles.max() < 3.0  # two planted phases are at least 5 degrees apart
    error = np.abs(found.abundances.values[..., order] - sample.truth.abundances.values)
    assert error.mean() < 0.05


def test_fractions_sum_to_one_and_strength_is_the_thickness():
    sample = simulate.spectra.eels(3, spike_fraction=0.0, random_state=2)
    found = spectra.unmix(sample.data, 3)
    np.testing.assert_allclose(found.abundances.sum("endmember"), 1, rtol=1e-5)
    np.testing.assert_allclose(found.endmembers.sum("energy"), 1, rtol=1e-4)
    np.testing.assert_allclose(found.strength, sample.data.sum("energy"), rtol=0.05)
    assert np.corrcoef(found.strength.values.ravel(), sample.truth.thickness.values.ravel())[0, 1] > 0.95
    # What is left is counting noise: its variance is the mean count.
    assert float((found.residual**2).mean()) == pytest.approx(float(sample.data.mean()), rel=0.1)


def test_mask_and_line_scan():
    sample = simulate.spectra.eels(2, shape=(200,), smallest=0.3, random_state=0)
    mask = np.arange(200) > 20
    found = spectra.unmix(sample.data, 2, mask=mask)
    assert found.abundances.dims == ("x", "endmember")
    assert np.isnan(found.abundances[:20]).all()
    assert np.isfinite(found.abundances[21:]).all()
