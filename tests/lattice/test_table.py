"""Tables that have positions in pixels and in nm."""

import pandas as pd
import pytest

from atomlens.lattice.table import pixel_size


def test_the_size_of_a_pixel_from_one_column():
    one = pd.DataFrame({"x": [30.0], "y": [40.0], "x_nm": [0.6], "y_nm": [0.8]})
    assert pixel_size(one) == pytest.approx(0.02)
    assert pixel_size(one * 0) is None
