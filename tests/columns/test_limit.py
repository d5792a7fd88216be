"""The Cramer-Rao bound against its closed form and against numerical derivatives."""

import numpy as np
import pandas as pd
import pytest

from atomlens.columns.limit import precision_limit

PLACES = ["x_err", "y_err"]


def columns(x, y, intensity=1e4, sigma=2.0):
    return pd.DataFrame({"x": x, "y": y, "intensity": intensity, "sigma": sigma}, dtype=float)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("electrons", [100, 1e5])
def test_without_background_it_is_sigma_over_root_n(sigma, electrons):
    limit = precision_limit(columns([30.3], [40.8], electrons, sigma), free=(), radius=7 * sigma)
    pixelated = np.sqrt(sigma**2 + 1 / 12) / np.sqrt(electrons)
    np.testing.assert_allclose(limit[PLACES], pixelated, rtol=1e-3)


def test_pixels_wider_than_the_column_cost_more_than_their_variance():
    # In the middle of a pixel as large as five widths, hardly an electron tells where the column is.
    limit = precision_limit(columns([10.0, 30.5], [10.0, 30.5], 1e4, 0.2), free=(), radius=3)
    assert limit["x_err"][0] > 1.5 * np.sqrt(0.2**2 + 1 / 12) / 100
    # Where pixels meet, each electron tells on which side it fell: the bound of a fraction.
    assert limit["x_err"][1] == pytest.approx(0.5 * np.sqrt(2 * np.pi) * 0.2 / 100, rel=0.02)


def numerical(table, background, shape, expected_counts, step=1e-4):
    """Errors from the dense joint information of derivatives taken by differences, all pixels used."""
    values = table[["x", "y", "intensity", "sigma"]].to_numpy()
    scale = np.array([1, 1, 1000, 1])
    gradient = []
    for k, p in np.ndindex(values.shape):
        shift = np.eye(4)[p] * step * scale[p]
        above, below = (expected_counts(shape, [values[k] + s * shift]) for s in (1, -1))
        gradient.append((above - below).ravel() / (2 * shift[p]))
    counts = expected_counts(shape, values, background).ravel()
    gradient = np.array(gradient)
    return np.sqrt(np.diag(np.linalg.inv(gradient / counts @ gradient.T))).reshape(values.shape)


def test_joint_bound_is_that_of_the_dense_information(expected_counts):
    table = columns([20.0, 25.1, 21.7], [20.2, 21.0, 25.3], [5000, 2000, 9000], [2.0, 1.7, 2.2])
    shape = (44, 46)
    limit = precision_limit(table, background=4, free=("intensity", "sigma"), shape=shape, radius=45)
    np.testing.assert_allclose(limit, numerical(table, 4, shape, expected_counts), rtol=2e-3)


def test_many_columns_are_treated_in_clusters(expected_counts):
    i, j = np.meshgrid(np.arange(11.0), np.arange(11.0))
    x, y = (7 * i + 3.5 * (j % 2)).ravel() + 10, (6.06 * j).ravel() + 10
    table = columns(x, y, 3000, 2.0)
    shape = (82, 96)
    limit = precision_limit(table, background=10, free=("intensity", "sigma"), shape=shape, radius=30)
    dense = numerical(table, 10, shape, expected_counts)
    np.testing.assert_allclose(limit, dense, rtol=0.04)
    alone = precision_limit(table[:1], background=10, free=("intensity", "sigma"))
    assert (limit["x_err"].median() / alone["x_err"].median()) > 1.15


def test_local_background_is_one_more_unknown_of_every_column(expected_counts):
    # The model of one column is the same with a uniform background: differentiate in that, too.
    table, shape, step = columns([20.2], [19.6], 2000, 2.0), (41, 41), 1e-3
    values = table[["x", "y", "intensity", "sigma"]].to_numpy()
    y, x = np.indices(shape)
    used = np.hypot(x - 20, y - 20) <= 10
    derivative = []
    for p in range(5):
        shift = np.eye(5)[p] * step
        above, below = (
            expected_counts(shape, values + s * shift[None, :4], 3 + s * shift[4])[used] for s in (1, -1)
        )
        derivative.append((above - below) / (2 * step))
    counts = expected_counts(shape, values, 3)[used]
    derivative = np.array(derivative)
    dense = np.sqrt(np.diag(np.linalg.inv(derivative / counts @ derivative.T)))
    limit = precision_limit(table, background=3, radius=10)
    assert limit.columns.tolist() == ["x_err", "y_err", "intensity_err", "sigma_err", "background_err"]
    np.testing.assert_allclose(limit.iloc[0], dense, rtol=1e-3)


def test_a_neighbour_costs_precision_along_the_line_between_them():
    pair = columns([20.0, 25.0], [20.0, 20.0])
    beside = precision_limit(pair, background=5)
    far = precision_limit(columns([20.0, 60.0], [20.0, 20.0]), background=5)
    assert (beside["x_err"] > 1.5 * far["x_err"]).all()
    assert (beside["y_err"] < 1.2 * far["y_err"]).all()
    alone = pd.concat([precision_limit(pair[n : n + 1], background=5) for n in (0, 1)])
    np.testing.assert_allclose(far, alone, rtol=1e-3)


def test_what_is_known_helps():
    pair = columns([20.0, 25.0], [20.0, 20.0])
    everything, shape_known, all_known = (
        precision_limit(pair, background=5, free=f)["x_err"][0]
        for f in (("intensity", "sigma", "background"), ("intensity", "background"), ())
    )
    assert everything > 1.01 * shape_known > 1.01 * all_known


def test_the_edge_of_the_image_costs_precision():
    table = columns([0.0, 30.0], [20.0, 20.0])
    limit = precision_limit(table, background=2, shape=(40, 60))
    boundless = precision_limit(table, background=2)
    assert limit["x_err"][0] > 1.5 * boundless["x_err"][0]
    np.testing.assert_allclose(limit.loc[1], boundless.loc[1], rtol=1e-6)


def test_gain_scales_the_electrons():
    electrons = precision_limit(columns([20.0], [20.0], 1000), background=2)
    counts = precision_limit(columns([20.0], [20.0], 5000), background=10, gain=5)
    np.testing.assert_allclose(counts[PLACES], electrons[PLACES])
    np.testing.assert_allclose(counts["intensity_err"], 5 * electrons["intensity_err"])


def test_background_may_be_a_column_of_the_table_and_the_index_stays():
    table = columns([20.0, 60.0], [20.0, 20.0]).set_index(pd.Index([4, 2]))
    varied = precision_limit(table.assign(background=[0.0, 50.0]))
    assert varied.index.tolist() == [4, 2]
    assert varied["x_err"][2] > 1.3 * varied["x_err"][4]
    np.testing.assert_allclose(varied.loc[4], precision_limit(table).loc[4])


def test_no_columns_no_limits():
    assert precision_limit(columns([], [])).shape == (0, 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: precision_limit(columns([1.0], [1.0]).drop(columns="sigma")), "lacks sigma"),
        (lambda: precision_limit(columns([1.0], [1.0]).drop(columns="x")), "lacks the column x"),
        (lambda: precision_limit(columns([1.0], [1.0], 0)), "must be positive"),
        (lambda: precision_limit(columns([1.0], [1.0]), background=-1), "not negative"),
        (lambda: precision_limit(columns([1.0], [1.0]), gain=0), "gain must be positive"),
        (lambda: precision_limit(columns([1.0], [1.0]), free=("width",)), "not width"),
    ],
)
def test_bad_input_says_what_to_do(call, message):
    with pytest.raises(ValueError, match=message):
        call()
