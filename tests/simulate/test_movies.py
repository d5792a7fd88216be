"""Movies: what was planted is what is seen."""

import numpy as np
import pytest

from atomlens.simulate import movies


@pytest.fixture(scope="module")
def sample():
    return movies.circling_dopants(3, n_frames=30, hop=0.4, electrons=5000)


def brightest(sample):
    """Brightest of the four columns of each block in each frame, in the order of the circle."""
    values, blocks = sample.data.values, round(len(sample.truth) ** 0.5)
    sums = values.reshape(len(values), blocks, 2, 10, blocks, 2, 10).sum(axis=(3, 6))
    quarters = sums.transpose(0, 1, 3, 2, 4).reshape(len(values), len(sample.truth), 4)
    return np.array([0, 1, 3, 2])[quarters.argmax(axis=2)]


def test_the_bright_column_is_where_it_was_planted(sample):
    np.testing.assert_array_equal(brightest(sample), sample.extras["site"])
    assert sample.data.dims == ("time", "y", "x")
    assert sample.data.x.attrs["units"] == "nm"


def test_columns_stand_in_the_middle_of_their_cells(sample):
    mean = sample.data.values.mean(axis=0).reshape(6, 10, 6, 10).mean(axis=(0, 2))
    centre = np.arange(10) - 4.5
    assert abs((mean * centre).sum() / mean.sum()) < 0.02
    assert abs((mean * centre[:, None]).sum() / mean.sum()) < 0.02
    assert sample.truth.loc[4, ["x", "y"]].tolist() == [29.5, 29.5]


def test_hops_are_as_frequent_as_asked_and_go_one_way(sample):
    hops = np.diff(sample.extras["site"], axis=0) % 4
    for block, direction in enumerate(sample.truth.direction):
        assert set(np.unique(hops[:, block])) <= {0, direction % 4}
    rate = (hops > 0).mean()
    assert abs(rate - 0.4) < 4 * np.sqrt(0.4 * 0.6 / hops.size)
    assert sorted(sample.truth.direction) == [-1] * 4 + [1] * 5


def test_a_positive_direction_runs_from_x_towards_y():
    sample = movies.circling_dopants(1, n_frames=9, hop=1.0, direction=1, electrons=5000)
    site = sample.extras["site"][:, 0]
    # 0, 1, 2, 3 are top left, top right, bottom right, bottom left: y points down.
    place = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])[site] - 0.5
    turn = np.cross(np.c_[place[:-1], np.zeros(8)], np.c_[place[1:], np.zeros(8)])[:, 2]
    assert (turn > 0).all()


def test_movies_repeat_with_their_seed():
    again = [movies.circling_dopants(2, n_frames=3, random_state=s).data.values for s in (1, 1, 2)]
    np.testing.assert_array_equal(again[0], again[1])
    assert not np.array_equal(again[0], again[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": 0}, "blocks must be a whole number"),
        ({"n_frames": 2.5}, "n_frames must be a whole number"),
        ({"hop": 1.2}, "probability"),
        ({"direction": 2}, "direction must be"),
    ],
)
def test_bad_input_is_explained(options, message):
    with pytest.raises(ValueError, match=message):
        movies.circling_dopants(**options)
