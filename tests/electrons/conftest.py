"""Sheets of graphene, whole and broken."""

import ase.build
import numpy as np
import pytest

BOND = 1.42  # Å


def build(cells, angle=120):
    sheet = ase.build.graphene(a=BOND * np.sqrt(3), size=(cells, cells, 1), vacuum=7.5)
    sheet.pbc = (True, True, False)
    if angle == 60:  # the same crystal by other vectors
        cell = np.array(sheet.cell)
        cell[1] += cell[0]
        sheet.set_cell(cell)
        sheet.wrap()
    return sheet


@pytest.fixture(scope="session")
def graphene():
    """Function of the number of cells that builds a periodic sheet."""
    return build
