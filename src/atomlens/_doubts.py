"""Doubts: what speaks against a result, in plain words, carried along with it and raised as warnings."""

from __future__ import annotations

import contextlib
import contextvars
import warnings
from typing import Any

__all__ = ["doubts"]

_silent = contextvars.ContextVar("silent", default=False)


def doubts(result: Any) -> list[str]:
    """What speaks against a result, each in a sentence with its remedy; an empty list if nothing does.

    Parameters
    ----------
    result : DataFrame, DataArray, result object or estimator
        Tables and maps (of `columns.find`, `columns.refine`, `defects.segment_domains`,
        `crystallography.displacements`, `crystallography.strain_map`) carry doubts in ``attrs["doubts"]``; a
        `Lattice`, `Neighbourhoods`, a `DefectMap` and a `Look` in ``.doubts``; an estimator in ``.doubts_``.
        What is made from something doubtful inherits its doubts. A table from elsewhere carries none: an
        empty list says nothing then.

    Returns
    -------
    list of str

    Raises
    ------
    TypeError
        If it is nothing that carries doubts.

    Examples
    --------
    >>> import numpy as np
    >>> import atomlens as al
    >>> y, x = np.mgrid[:120, :120]
    >>> spots = np.exp(-((y % 20 - 10) ** 2 + (x % 20 - 10) ** 2) / 18)
    >>> al.doubts(al.columns.find(np.random.default_rng(0).poisson(200 * spots + 20)))
    []
    """
    for holder in (getattr(result, "attrs", None) or {}, _vars_of(result)):
        for name in ("doubts", "doubts_"):
            if name in holder:
                return list(holder[name])
    if hasattr(result, "attrs"):
        return []
    raise TypeError(f"a {type(result).__name__} carries no doubts: pass what a function of atomlens returned")


def inherited(source):
    """Doubts of what a result is made from; none if that carries none."""
    return list((getattr(source, "attrs", None) or {}).get("doubts", []))


def _vars_of(result):
    return {name: getattr(result, name) for name in ("doubts", "doubts_") if hasattr(result, name)}


def warn(messages, category=UserWarning, *, stacklevel=2):
    """Raise each doubt as a warning, at the line of the user's call."""
    if _silent.get():
        return
    for message in messages:
        warnings.warn(message, category, stacklevel=stacklevel + 1)


@contextlib.contextmanager
def quietly():
    """Where one function of the package uses another, whose doubts it carries or does not need."""
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)


def repeated(messages):
    """Doubts as they end the repr of a result."""
    return "".join(f"\n  doubt: {message}" for message in messages)
