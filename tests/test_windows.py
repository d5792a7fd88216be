"""Sub-images, against a picture whose every value is known."""

import numpy as np
import pandas as pd
import pytest

from atomlens.columns import cut_out


@pytest.mark.parametrize("size", [1, 4, 7])
def test_values_are_those_at_the_subpixel_places(size):
    y, x = np.mgrid[:40, :50].astype(float)
    table = pd.DataFrame({"x": [20.25, 30.5], "y": [10.75, 25.0]})
    patches = cut_out(3 * x - 2 * y, table, size)
    offset = np.arange(size) - (size - 1) / 2
    for patch, (a, b) in zip(patches, table.to_numpy(), strict=True):
        expected = 3 * (a + offset)[None, :] - 2 * (b + offset)[:, None]
        np.testing.assert_allclose(patch, expected, atol=1e-4)


def test_bad_input_is_explained():
    picture = np.random.default_rng(0).random((20, 20))
    with pytest.raises(ValueError, match="size must be"):
        cut_out(picture, pd.DataFrame({"x": [1.0], "y": [1.0]}), 0)
    with pytest.raises(ValueError, match="lacks the column x and y"):
        cut_out(picture, pd.DataFrame({"a": [1.0]}), 3)
