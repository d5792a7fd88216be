"""What students hand in, read as numbers."""

from __future__ import annotations

import numpy as np

from atomlens._types import Any, ndarray
from atomlens.course.diagnose import kind

__all__ = ["numbers", "whole", "why_not_place"]


def numbers(answer: Any, shape: tuple[int, ...] | None = None, *, kinds: str = "biuf") -> ndarray | None:
    """The answer as an array of numbers, of this shape if one is given; None if it is not one."""
    try:
        array = np.asarray(answer)
        if array.dtype == object:  # such as a row of a table that has texts as well
            array = np.asarray(array.tolist())
    except (TypeError, ValueError):
        return None
    return array.astype(float) if array.dtype.kind in kinds and shape in (None, array.shape) else None


def whole(answer: Any) -> ndarray | None:
    """The answer as an array of whole numbers, True and False not among them; None if it is not one."""
    array = numbers(answer, kinds="iuf")
    return array if array is not None and (np.isfinite(array) & (array == np.round(array))).all() else None


def why_not_place(answer: Any, expected: int, length: int) -> str | None:
    """A place in a list, counted from 0: None if it is the expected one, else what is wrong."""
    place = whole(answer)
    if place is None or place.ndim:
        return f"expected one whole number, got {kind(answer)}"
    if not 0 <= place < length:
        return f"there is no number {place:g}: they run from 0 to {length - 1}"
    return None if place == expected else "it is another one"
