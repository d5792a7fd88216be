"""What all tests share: a quiet machine, and the way to real data."""

import os
from pathlib import Path

import pytest

# Set before NumPy or torch is imported: one thread a process, as on the smallest machine, and
# two test processes then do not fight for the cores.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ["MPLBACKEND"] = "agg"
for variable in ("ATOMLENS_BUDGET", "ATOMLENS_CHECK"):
    os.environ.pop(variable, None)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root():
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def data_dir():
    """The mirror of real data, or a skip."""
    folder = os.environ.get("ATOMLENS_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("no real data here: ATOMLENS_DATA_DIR names no folder")
    return Path(folder)


def pytest_terminal_summary(terminalreporter):
    """List what the notebooks cost; a test process of several could not write it itself."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "cost":
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2].partition('[')[0]} {value}")
