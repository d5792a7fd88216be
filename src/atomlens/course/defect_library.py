"""Exercises to lesson 07: samples, expected answers, and tests of what students hand in."""

from __future__ import annotations

from atomlens import columns, simulate
from atomlens.course import check

__all__ = ["Exercise"]


class Exercise:
    """One student's samples, and the checks of their answers.

    Parameters
    ----------
    student : str
        A name; it seeds the samples, on every computer alike.

    Attributes
    ----------
    sample : Sample
        An image of gold columns, with its truth.

    Examples
    --------
    >>> Exercise("Ada Lovelace").sample.data.dims
    ('y', 'x')
    """

    def __init__(self, student):
        self.seed = check.seed(student)
        structure = simulate.structures.metal("Au", (4, 4), rotation=float(self.seed % 60))
        self.sample = simulate.image(structure, electrons=2000, random_state=self.seed)

    def check_number(self, answer):
        """Judge the number of columns."""
        expected = len(columns.find(self.sample.data))
        return check.equal(answer, expected, name="number of columns", hint="`len` of what `find` returns")
