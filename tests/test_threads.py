"""One thread where several do not pay, and the earlier limits afterwards."""

import pytest
from threadpoolctl import threadpool_info

from atomlens._threads import one_thread, one_torch_thread, threads_for


def blas():
    import numpy  # noqa: F401

    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize("context", [one_thread, one_torch_thread, lambda: threads_for(100)])
def test_one_thread_is_used_and_the_setting_comes_back(context):
    before = blas()
    assert before
    with context():
        assert set(blas()) == {1}
    assert blas() == before


def test_many_points_get_what_there_is():
    before = blas()
    with threads_for(10**6):
        assert blas() == before
