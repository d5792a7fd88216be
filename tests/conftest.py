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


def _expected(shape, table, background=0.0):
    """Counts of Gaussians integrated over pixels: rows of (x, y, intensity, sigma x, sigma y)."""
    import numpy as np
    from scipy.special import erf

    image = np.full(shape, float(background))
    for x, y, intensity, *sigma in table:
        across, down = (
            np.diff(erf((np.arange(n + 1) - 0.5 - c) / (np.sqrt(2) * s))) / 2
            for n, c, s in zip(shape[::-1], (x, y), (sigma[0], sigma[-1]), strict=True)
        )
        image += intensity * np.outer(down, across)
    return image


@pytest.fixture(scope="session")
def expected_counts():
    """Planted columns, drawn one by one without any of the package's own code."""
    return _expected


@pytest.fixture(scope="session")
def sheet():
    """A crystal of two sublattices that fills an image: its expected counts, and rows of its columns.

    Columns just outside are drawn too, as in any image; `change(table)` may alter the rows (x, y, intensity,
    sigma) before they are drawn.
    """
    import numpy as np

    def build(
        shape=(240, 240),
        *,
        spacing=20.0,
        sigma=2.2,
        electrons=1000.0,
        weak=0.4,
        angle=7.0,
        background=5.0,
        change=None,
    ):
        n = int(np.hypot(*shape) / spacing)
        i, j = (m.ravel().astype(float) for m in np.meshgrid(*[np.arange(-n, n + 1)] * 2))
        a = spacing * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
        b = np.array([-a[1], a[0]])
        parts = []
        for shift, strength in ((0.0, 1.0), (0.5, weak)):
            at = np.outer(i + shift, a) + np.outer(j + shift, b) + np.array([7.3, 5.6])
            kept = ((at > -4 * sigma) & (at < np.array(shape[::-1]) - 1 + 4 * sigma)).all(axis=1)
            rows = np.column_stack([at[kept], np.full((kept.sum(), 2), (strength * electrons, sigma))])
            parts += [rows] if strength else []
        table = np.concatenate(parts)
        if change is not None:
            table = change(table)
        return _expected(shape, table, background), table

    return build


def pytest_terminal_summary(terminalreporter):
    """List what the notebooks cost; a test process of several could not write it itself."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "cost":
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2].partition('[')[0]} {value}")
