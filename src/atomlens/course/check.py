"""Checkers for exercises: a tick, or a hint that helps; a wrong answer never raises.

Every function shows its verdict at once and returns it as a `Result` that is true or false.
Answers still to be written (``...`` or ``None``) are reported as open, not as wrong. Each new wrong answer
gets a hint that says more than the last: a nudge, the idea, a worked line; `hint` asks for the next. With
``ATOMLENS_CHECK=strict`` in the environment, anything but a tick raises: so solutions are tested.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata

import numpy as np

from atomlens._types import Any, ArrayLike, Callable, DataFrame, Mapping
from atomlens.course.diagnose import (
    Praise,
    why_not_between,
    why_not_close,
    why_not_equal,
    why_not_labels,
)
from atomlens.course.record import Record
from atomlens.course.result import MARK, Result

__all__ = [
    "Result",
    "accepted",
    "between",
    "close",
    "equal",
    "follow",
    "hint",
    "judge",
    "labels",
    "seed",
    "summary",
]


_followed = [Record()]  # of the student who is at work


def close(
    answer: Any,
    expected: ArrayLike,
    *,
    rtol: float = 1e-6,
    atol: ArrayLike = 0.0,
    unit: str | tuple[str, ...] | None = None,
    slips: Mapping[str, Any] | None = None,
    hint: str | tuple[str, ...] | None = None,
    name: str = "answer",
    of: Any = None,
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
    unit : str, optional
        In which it is asked for ("nm", "degrees", "fraction", ...): only slips that make sense there count. A
        tuple, if each of a few numbers has its own.
    slips : dict of str to array_like, optional
        Wrong answers that are foreseen, by what to say of them.
    hint : str or tuple of str, optional
        Shown after the message when the answer is wrong: of several, the next at each new wrong answer.
    name : str
        What was asked; heads the message.
    of : Lesson, optional
        Whose hints and record are used; without one, `hint` and a record of this session.

    Returns
    -------
    Result

    Examples
    --------
    >>> result = close(0.5, 1.0, name="radius in nm")
    ✗ radius in nm: too small by a factor of 2: radius or diameter, half or full width, one side or both?
    >>> _ = close(0.5, 500.0, unit="pm", name="radius in pm")
    ✗ radius in pm: this would be right in nm, and pm are asked for
    >>> bool(result)
    False
    >>> _ = close(0.9999, 1.0, rtol=1e-3, name="radius in nm")
    ✓ radius in nm: correct
    """
    return judge(answer, lambda: why_not_close(answer, expected, rtol, atol, unit, slips), name, hint, of)


def equal(
    answer: Any,
    expected: Any,
    *,
    unit: str | None = None,
    slips: Mapping[str, Any] | None = None,
    hint: str | tuple[str, ...] | None = None,
    name: str = "answer",
    of: Any = None,
) -> Result:
    """Check something exact: a count, a name, a list, a set, a boolean, an array of whole numbers.

    Parameters
    ----------
    answer : object
        What the student found.
    expected : object
        What is right. Lists, tuples and arrays are compared by their items.
    unit : {"count"}, optional
        Of a number of things that were counted: then one too many or too few has its own hint.
    slips, hint, name, of
        As in `close`.

    Returns
    -------
    Result

    Examples
    --------
    >>> _ = equal(4, 5, name="number of phases")
    ✗ number of phases: too small
    >>> _ = equal("KMeans ", "kmeans", name="method")
    ✗ method: the right word, but capital letters or spaces differ
    """
    return judge(answer, lambda: why_not_equal(answer, expected, unit, slips), name, hint, of)


def labels(
    answer: ArrayLike,
    truth: ArrayLike,
    *,
    min_ari: float = 0.9,
    hint: str | tuple[str, ...] | None = None,
    name: str = "labels",
    of: Any = None,
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
    hint, name, of
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
    return judge(answer, lambda: why_not_labels(answer, truth, min_ari), name, hint, of)


def between(
    answer: ArrayLike,
    low: float,
    high: float,
    *,
    hint: str | tuple[str, ...] | None = None,
    name: str = "answer",
    of: Any = None,
) -> Result:
    """Check that a number, or every number of an array, lies in a range (its ends included).

    Parameters
    ----------
    answer : array_like
        What the student found.
    low, high : float
        The range.
    hint, name, of
        As in `close`.

    Returns
    -------
    Result

    Examples
    --------
    >>> _ = between(1.7, 0, 1, name="ARI")
    ✗ ARI: too large: it should lie between 0 and 1
    """
    return judge(answer, lambda: why_not_between(answer, low, high), name, hint, of)


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
    """Show how far this notebook is solved: the latest verdict on every check, also from before a restart.

    Returns
    -------
    pandas.DataFrame
        Columns ``check``, ``verdict`` and ``wrong tries``, in the order in which they were first made.
    """
    import pandas as pd

    checks = _followed[0].checks
    verdicts = [f"{MARK[c['state']]} {c['state']}" for c in checks.values()]
    tries = [c["tries"] for c in checks.values()]
    return pd.DataFrame({"check": list(checks), "verdict": verdicts, "wrong tries": tries})


def follow(record: Record) -> None:
    """Make a student's record the one that `summary`, `hint` and `accepted` speak of.

    Parameters
    ----------
    record : Record
        As a `Lesson` has it.
    """
    _followed[0] = record


def accepted(name: str) -> Any:
    """Give back an answer that was right, also after a restart.

    Parameters
    ----------
    name : str
        Of the check, as `summary` lists it.

    Returns
    -------
    object
        A number, a text, a list of these, ...

    Raises
    ------
    LookupError
        If none was accepted, or it was too large to keep.
    """
    kept = _followed[0].checks.get(name, {})
    if kept.get("accepted") is None:
        why = (
            "was right, but is no number or text, or too large to keep"
            if "accepted" in kept
            else "is not there yet"
        )
        raise LookupError(f"the answer to {name!r} {why}: run the cell that makes it")
    return kept["accepted"]


def hint(name: str | None = None) -> Result:
    """Show the next hint without trying first.

    Parameters
    ----------
    name : str, optional
        Of the check, as `summary` lists it; the latest that is not right, if not given.

    Returns
    -------
    Result
        Which is shown.

    Examples
    --------
    >>> _ = close(3.0, 4.0, hint=("which triangle is it?", "Pythagoras", "3² + 4² = 5²"), name="side")
    ✗ side: too small, but of the right order. Hint 1 of 3: which triangle is it?
    >>> _ = hint("side")
    ○ side: Hint 2 of 3: Pythagoras
    """
    record = _followed[0]
    if name is None:
        missed = [n for n in record.hints if record.checks[n]["state"] != "right"]
        name = missed[-1] if missed else "hint"
    if name not in record.hints:
        result = Result(
            name, "open", "run the cell with the check first, or choose a name of `check.summary()`"
        )
    else:
        result = Result(
            name, "open", _hint(record.hints[name], record.ask(name)) or "there is no hint to this one"
        )
    result.show()
    return result


def _hint(hints, level):
    """The hint of this level, numbered if there are several."""
    if not hints or not level:
        return ""
    number = f" {level} of {len(hints)}" if len(hints) > 1 else ""
    return f"Hint{number}: {hints[level - 1]}"


def judge(
    answer: Any,
    why_not: Callable[[], str | None],
    name: str,
    hint: str | tuple[str, ...] | None = None,
    of: Any = None,
) -> Result:
    """Show and return the verdict; `why_not` says what is wrong, or None, or a `Praise`."""
    if _is_open(answer):
        state, message = "open", "not answered yet"
    elif callable(answer) and not hasattr(answer, "shape"):
        state, message = "wrong", "this is a function, not its result: call it with brackets ()"
    else:
        try:
            with np.errstate(all="ignore"):
                message = why_not()
        except (TypeError, ValueError) as error:  # nothing a student hands in may end in a traceback
            message = f"a {type(answer).__name__} cannot be checked here ({error})"
        state = "right" if message is None or isinstance(message, Praise) else "wrong"
    record = of.record if of is not None else _followed[0]
    hints = of.hints.get(name, ()) if of is not None else (hint,) if isinstance(hint, str) else hint or ()
    record.hints.pop(name, None)
    record.hints[name] = hints  # the latest stands last
    level = record.note(name, answer, state, len(hints))
    if state == "open" and "accepted" in record.checks[name]:
        message += f"; it was right before: check.accepted({name!r}) gives your answer back"
    elif state == "wrong" and (text := _hint(hints, level)):
        message += f"{'' if message.endswith('?') else '.'} {text}"
    result = Result(name, state, message or "correct")
    result.show()
    if os.environ.get("ATOMLENS_CHECK") == "strict" and not result:
        raise AssertionError(repr(result))
    return result


def _is_open(answer):
    """Whether nothing was written yet: the dots still stand, or nothing but dots was put together."""
    if isinstance(answer, list | tuple) and len(answer):
        return all(_is_open(item) for item in answer)
    return answer is None or answer is Ellipsis
