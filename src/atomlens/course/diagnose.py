"""What is wrong with an answer, in words that help: the reasoning behind `atomlens.course.check`.

Every ``why_not_*`` returns None if the answer is right (or a `Praise`), else a sentence that does
not give the right answer away.
"""

from __future__ import annotations

import numpy as np

from atomlens.course.slips import recognise


class Praise(str):
    """What to say of a right answer, where there is more to say than "correct"."""


def _numbers(answer):
    """The answer as an array of numbers, or (None, complaint)."""
    if isinstance(answer, str):
        return None, f"the answer is text ({answer!r}); give a number, without quotation marks"
    try:
        array = np.asarray(answer)
    except ValueError:
        return None, "the rows differ in length, so this is no array"
    if array.dtype == object and any(item is None or item is Ellipsis for item in array.ravel()):
        return None, "part of it is not answered yet"
    if array.dtype.kind not in "biufc":
        return None, f"expected numbers, got {kind(answer)}"
    return _floats(array), None


def _floats(array):
    """Numbers that can be subtracted: small or unsigned integers wrap round, booleans refuse."""
    array = np.asarray(array)
    return array if array.dtype.kind in "fc" else array.astype(float)


def why_not_close(answer, expected, rtol, atol, unit=None, slips=None):
    """Numbers within a tolerance; `unit` (of each, if a tuple) and `slips` as in `slips.recognise`."""
    expected = _floats(expected)
    got, complaint = _numbers(answer)
    if complaint:
        return complaint
    if got.shape != expected.shape:
        return _shapes(got.shape, expected.shape)
    if got.size == 0:
        return None
    missing = np.isnan(got) & ~np.isnan(expected)
    if missing.any():
        return (
            f"NaN in {missing.sum()} of {missing.size} places: 0/0, log of a negative number, a mask?"
            if got.ndim
            else "it is NaN: 0/0, or the log or root of a negative number?"
        )
    if (np.isinf(got) & ~np.isinf(expected)).any():
        return "it is infinite: a division by zero, or the log of zero?"
    if np.allclose(got, expected, rtol=rtol, atol=atol, equal_nan=True):
        return None
    one = None if isinstance(unit, tuple) else unit
    told = recognise(got, expected, rtol=rtol, atol=atol, unit=one, slips=slips)
    if not told and got.ndim == 1 and got.size <= len(_WHICH):
        told = _why_not_all(got, expected, rtol, atol, unit)
    return told or _impossible(got, one) or _size_of_error(got, expected, one)


_WHICH = ("the first", "the second", "the third", "the fourth")


def _why_not_all(got, expected, rtol, atol, unit):
    """A few numbers of which all but one are right."""
    atol = np.broadcast_to(atol, got.shape)
    wrong = np.flatnonzero(~(np.abs(got - expected) <= atol + rtol * np.abs(expected)))
    if len(wrong) != 1 or got.size == 1:
        return None
    n = int(wrong[0])
    unit = unit[n] if isinstance(unit, tuple) else unit
    alone = why_not_close(got[n], expected[n], rtol, atol[n], unit)
    return f"only {_WHICH[n]} number is wrong: {alone}"


def _impossible(got, unit):
    """What no right answer could be."""
    if unit == "fraction" and ((got < 0) | (got > 1)).any():
        return "a fraction of something lies between 0 and 1"
    if unit in ("nm", "px", "pm") and got.ndim == 0 and got <= 0:
        return "a length is positive"
    return None


def _size_of_error(got, expected, unit):
    """The size and sense of an error that has no name, without giving the answer away."""
    if got.ndim:
        bad = ~np.isclose(got, expected, rtol=1e-3, equal_nan=True)
        worst = np.unravel_index(np.nanargmax(np.abs(got - expected)), got.shape)
        where = ", ".join(str(int(i)) for i in worst)
        return f"{bad.sum()} of {bad.size} values are off; the largest deviation is at index [{where}]"
    if np.iscomplexobj(got) or np.iscomplexobj(expected):
        return "not the expected value"
    sense = "too large" if got > expected else "too small"
    if unit == "degrees":  # whose zero is a convention: no share of it means anything
        return f"{sense}, but close" if abs(got - expected) < 10 else sense
    off = abs(got - expected) / abs(expected) if expected else np.inf
    if off < 0.1:
        return f"{sense}, but close"
    return f"{sense}, but of the right order" if off < 1 and got * expected > 0 else f"{sense}, by far"


def why_not_equal(answer, expected, unit=None, slips=None):
    """Exact things: counts, words, lists, sets, booleans; `slips` as in `slips.recognise`."""
    if slips and not isinstance(answer, str) and np.shape(answer) == np.shape(expected):
        for words, wrong in slips.items():
            if np.array_equal(answer, wrong) and not np.array_equal(wrong, expected):
                return words
    if isinstance(answer, str) and isinstance(expected, str):
        if answer == expected:
            return None
        if answer.strip().casefold() == expected.strip().casefold():
            return "the right word, but capital letters or spaces differ"
        return f"{answer!r} is not it"
    if isinstance(answer, str) != isinstance(expected, str):
        return f"expected {kind(expected)}, got {kind(answer)}"
    if isinstance(expected, (set, frozenset)):
        if not hasattr(answer, "__iter__"):
            return f"expected {kind(expected)}, got {kind(answer)}"
        return _why_not_same_set(set(answer), expected)
    if np.ndim(expected) == 0 and np.ndim(answer) == 0:
        return _why_not_same_scalar(answer, expected, unit)
    if np.shape(answer) != np.shape(expected):
        return _shapes(np.shape(answer), np.shape(expected))
    wrong = np.asarray(answer) != np.asarray(expected)
    if not wrong.any():
        return None
    if sorted(map(repr, np.ravel(answer).tolist())) == sorted(map(repr, np.ravel(expected).tolist())):
        return f"the items are right but {'exchanged' if wrong.size == 2 else 'in another order'}"
    return (
        f"{wrong.sum()} of {wrong.size} items are wrong, the first at index {int(np.argmax(wrong))}"
        if wrong.ndim == 1
        else f"{wrong.sum()} of {wrong.size} items are wrong"
    )


def _why_not_same_set(answer, expected):
    missing, surplus = len(expected - answer), len(answer - expected)
    counts = [f"{missing} missing"] * bool(missing) + [f"{surplus} too many"] * bool(surplus)
    return ", ".join(counts) or None


def _why_not_same_scalar(answer, expected, unit):
    if isinstance(expected, (bool, np.bool_)) != isinstance(answer, (bool, np.bool_)):
        return f"expected {kind(expected)}, got {kind(answer)}"
    if answer == expected:
        return None
    if isinstance(expected, (bool, np.bool_)):
        return "the other way round"
    try:
        difference = answer - expected
    except TypeError:
        return f"expected {kind(expected)}, got {kind(answer)}"
    if unit == "count" and np.isfinite(difference) and difference == round(difference):
        one = ", but close: is one counted twice, or one that does not count?"
        few = ", but close: is one at the end, at the rim or behind another left out?"
        sense = "too many" if difference > 0 else "too few"
        return sense + ("" if abs(difference) > 1 else one if difference > 0 else few)
    if not np.isfinite(difference):
        return "it is NaN or infinite"
    if difference != round(difference):
        return "a whole number is expected"
    return "too large" if difference > 0 else "too small"


def why_not_labels(answer, truth, min_ari):
    """Cluster labels, whatever the clusters are called."""
    from sklearn.metrics import adjusted_rand_score

    truth = np.asarray(truth)
    got, complaint = _numbers(answer)
    if complaint:
        return complaint
    if got.shape != truth.shape:
        return _shapes(got.shape, truth.shape)
    if not np.all(np.isfinite(got)) or np.any(got != np.round(got)):
        return "labels are whole numbers; these look like intensities or probabilities"
    found, planted = np.unique(got), np.unique(truth)
    if len(found) == 1 and len(planted) > 1:
        return "every point has the same label: nothing was separated"
    ari = adjusted_rand_score(truth.ravel(), got.ravel())
    if ari >= min_ari:
        return Praise(f"correct (adjusted Rand index {ari:.3f})")
    message = f"adjusted Rand index {ari:.3f}, at least {min_ari:g} is needed"
    left_out = np.mean(got == -1) if -1 not in planted else 0
    if left_out > 0.05:
        return f"{message}: {left_out:.0%} of the points carry -1, that is, no cluster"
    if len(found) > 10 * len(planted):
        return f"{message}: {len(found)} different labels look like intensities, not like clusters"
    if len(found) != len(planted):
        return f"{message}: too {'many' if len(found) > len(planted) else 'few'} clusters ({len(found)})"
    return f"{message}: the number of clusters is right, their borders are not"


def why_not_between(answer, low, high):
    """Numbers in a range."""
    got, complaint = _numbers(answer)
    if complaint:
        return complaint
    if np.isnan(got).any():
        return "it is NaN" if got.ndim == 0 else "it contains NaN"
    outside = np.count_nonzero((got < low) | (got > high))
    if outside == 0:
        return None
    target = f"should lie between {low:g} and {high:g}"
    if got.ndim:
        return f"{outside} of {got.size} values are outside: they {target}"
    return f"too {'large' if got > high else 'small'}: it {target}"


def _shapes(got, expected):
    """What is wrong with a shape, in words."""
    if not got:
        return f"a single number where an array of shape {expected} is expected"
    if not expected:
        return f"an array of shape {got} where a single number is expected (an average, a sum, one item?)"
    message = f"has shape {got}, expected {expected}"
    if sorted(got) == sorted(expected):
        return f"{message}: the axes are in another order (transpose it?)"
    if [n for n in got if n != 1] == [n for n in expected if n != 1]:
        return f"{message}: there is an axis of length 1 too {'many' if len(got) > len(expected) else 'few'}"
    if np.prod(got) == np.prod(expected):
        return f"{message}: the same number of values, so a reshape is needed"
    return message


def kind(thing):
    """A word for the type of a thing that a beginner knows."""
    if isinstance(thing, (bool, np.bool_)):
        return "True or False"
    if isinstance(thing, str):
        return f"text ({thing!r})"
    if isinstance(thing, (int, float, np.number)):
        return "a number"
    return f"a {type(thing).__name__}"
