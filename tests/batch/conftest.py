"""Files to work on, and a cluster of worker processes that several tests share."""

import sys
from pathlib import Path

import numpy as np
import pytest

# Worker processes inherit the path of modules, and find `batch_work` there.
HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)


@pytest.fixture(scope="session")
def cluster():
    """Address of a scheduler with two workers."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address=None,
        memory_limit="2GB",
        silence_logs=50,
    ) as running:
        yield running.scheduler_address


@pytest.fixture
def files(tmp_path):
    """Make so many small arrays in a folder of their own."""

    def make(count, folder="in"):
        rng = np.random.default_rng(0)
        (tmp_path / folder).mkdir(exist_ok=True)
        paths = [tmp_path / folder / f"image {i:03d}.npy" for i in range(count)]
        for path in paths:
            np.save(path, rng.random((6, 5)))
        return paths

    return make
