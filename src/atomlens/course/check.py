"""Checkers for exercises: a tick, or a hint that helps; a wrong answer never raises.

Every function shows its verdict at once and returns it as a `Result` that is true or false.
Answers still to be written (``...`` or ``None``) are reported as open, not as wrong. With
``ATOMLENS_CHECK=strict`` in the environment, anything but a tick raises: so solutions are tested.
"""

from __future__ import annotations

import hashlib
import html
import os
import unicodedata
from dataclasses import dataclass, field

import numpy as np

from atomlens._shell import shell
from atomlens._types import Any, ArrayLike, Callable, DataFrame
from atomlens.course.diagnose import (
    Praise,
    why_not_between,
    why_not_close,
    why_not_equal,
    why_not_labels,
)

__all__ = ["Result", "between", "close", "equal", "judge", "labels", "seed", "summary"]

_MARK = {"right": "✓", "wrong": "✗", "open": "○"}
_COLOUR = {"right": "#1a7f37", "wrong": "#b42318", "open": "#57606a"}

_latest: dict[str, Result] = {}


@dataclass(frozen=True)
class Result:
    """The verdict on one answer; true only if it is right.

    Parameters
    ----------
    name : str
        What was asked.
    state : {"right", "wrong", "open"}
        Open means that there is no answer yet.
    message : str
        What helps.

    Examples
    --------
    >>> bool(Result("pixel size", "right", "correct"))
    True
    """

    name: str
    state: str
    message: str
    _shown_in: list = field(default_factory=list, repr=False, compare=False)

    def __bool__(self):
        return self.state == "right"

    def __repr__(self):
        return f"{_MARK[self.state]} {self.name}: {self.message}"

    def _repr_html_(self):
        name, message = html.escape(self.name), html.escape(self.message)
        return (
            f'<span style="color:{_COLOUR[self.state]}"><b>{_MARK[self.state]} {name}</b></span>: {message}'
        )

    def _ipython_display_(self):
        self._show()

    def _show(self):
        """Show once a cell: as the last line of the cell that made it, a result would appear twice."""
        here = shell()
        if here is None:
            print(self)  # noqa: T201 - the verdict is the point of calling a checker
        elif here.execution_count not in self._shown_in:
            from IPython.display import display

            self._shown_in.append(here.execution_count)
            display({"text/plain": repr(self), "text/html": self._repr_html_()}, raw=True)


def close(
    answer: Any,
    expected: ArrayLike,
    *,
    rtol: float = 1e-6,
    atol: float = 0.0,
    hint: str | None = None,
    name: str = "answer",
) -> Result:
    """Check a number or an array of numbers against the expected one.

    Parameters
    ----------
    answer : array_like or None or ...
        What the student found.
    expected : array_like
        What is right, in the same units.
    rtol, atol : float
        Allowed deviation, ``atol + rtol * abs(expected)``, element by element.
    hint : str, optional
        Shown after the message when the answer is wrong.
    name : str
        What was asked; heads the message.

    Returns
    -------
    Result

    Examples
    --------
    >>> result = close(0.5, 1.0, name="radius in nm")
    ✗ radius in nm: too small by a factor of 2: radius or diameter, half or full width, one side or both?
    >>> bool(result)
    False
    >>> _ = close(0.9999, 1.0, rtol=1e-3, name="radius in nm")
    ✓ radius in nm: correct
    """
    return judge(answer, lambda: why_not_close(answer, expected, rtol, atol), name, hint)


def equal(answer: Any, expected: Any, *, hint: str | None = None, name: str = "answer") -> Result:
    """Check something exact: a count, a name, a list, a set, a boolean, an array of whole numbers.

    Parameters
    ----------
    answer : object
        What the student found.
    expected : object
        What is right. Lists, tuples and arrays are compared by their items.
    hint, name : str
        As in `close`.

    Returns
    -------
    Result

    Examples
    --------
    >>> _ = equal(4, 5, name="number of phases")
    ✗ number of phases: one too few: is the first or the last one counted?
    >>> _ = equal("KMeans ", "kmeans", name="method")
    ✗ method: the right word, but capital letters or spaces differ
    """
    return judge(answer, lambda: why_not_equal(answer, expected), name, hint)


def labels(
    answer: ArrayLike,
    truth: ArrayLike,
    *,
    min_ari: float = 0.9,
    hint: str | None = None,
    name: str = "labels",
) -> Result:
    """Check cluster labels against the truth, whatever the clusters are called.

    Parameters
    ----------
    answer : array_like of int
        A label for every point; its numbers need not be those of `truth`.
    truth : array_like of int
        The planted labels, of the same shape.
    min_ari : float
        Smallest adjusted Rand index that passes.
    hint, name : str
        As in `close`.

    Returns
    -------
    Result

    Examples
    --------
    >>> _ = labels([7, 7, 3, 3], [0, 0, 1, 1])
    ✓ labels: correct (adjusted Rand index 1.000)
    >>> _ = labels([0, 0, 0, 0], [0, 0, 1, 1])
    ✗ labels: every point has the same label: nothing was separated
    """
    return judge(answer, lambda: why_not_labels(answer, truth, min_ari), name, hint)


def between(
    answer: ArrayLike, low: float, high: float, *, hint: str | None = None, name: str = "answer"
) -> Result:
    """Check that a number, or every number of an array, lies in a range (its ends included).

    Parameters
    ----------
    answer : array_like
        What the student found.
    low, high : float
        The range.
    hint, name : str
        As in `close`.

    Returns
    -------
    Result

    Examples
    --------
    >>> _ = between(1.7, 0, 1, name="ARI")
    ✗ ARI: too large: it should lie between 0 and 1
    """
    return judge(answer, lambda: why_not_between(answer, low, high), name, hint)


def seed(student: str) -> int:
    """Give every student their own random seed, the same on every computer.

    Parameters
    ----------
    student : str
        A name or number; capitals, accents' encoding and spaces around it make no difference.

    Returns
    -------
    int
        From 0 to 2**31 - 1, good for any ``random_state``.

    Raises
    ------
    ValueError
        If the name is empty.

    Examples
    --------
    >>> seed("Marie Curie") == seed(" marie curie ")
    True
    >>> seed("Marie Curie")
    1516719744
    """
    text = " ".join(unicodedata.normalize("NFKC", str(student)).casefold().split())
    if not text:
        raise ValueError("seed needs a name, such as seed('Marie Curie'); this one is empty")
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def summary() -> DataFrame:
    """Show how far this notebook is solved: the latest verdict on every named check.

    Returns
    -------
    pandas.DataFrame
        Columns ``check`` and ``verdict``, in the order in which they were first made.
    """
    import pandas as pd

    verdicts = [f"{_MARK[r.state]} {r.state}" for r in _latest.values()]
    return pd.DataFrame({"check": list(_latest), "verdict": verdicts})


def judge(answer: Any, why_not: Callable[[], str | None], name: str, hint: str | None) -> Result:
    """Show and return the verdict; `why_not` says what is wrong, or None, or a `Praise`."""
    if _is_open(answer):
        result = Result(name, "open", "not answered yet")
    elif callable(answer) and not hasattr(answer, "shape"):
        result = Result(name, "wrong", "this is a function, not its result: call it with brackets ()")
    else:
        try:
            with np.errstate(all="ignore"):
                message = why_not()
        except (TypeError, ValueError) as error:  # nothing a student hands in may end in a traceback
            message = f"a {type(answer).__name__} cannot be checked here ({error})"
        if message is None or isinstance(message, Praise):
            result = Result(name, "right", message or "correct")
        else:
            result = Result(
                name,
                "wrong",
                f"{message}{'' if message.endswith('?') else '.'} Hint: {hint}" if hint else message,
            )
    _latest[name] = result
    result._show()
    if os.environ.get("ATOMLENS_CHECK") == "strict" and not result:
        raise AssertionError(repr(result))
    return result


def _is_open(answer):
    """Whether nothing was written yet: the dots still stand, or nothing but dots was put together."""
    if isinstance(answer, list | tuple) and len(answer):
        return all(_is_open(item) for item in answer)
    return answer is None or answer is Ellipsis
