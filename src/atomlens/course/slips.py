"""Which slip turns the right number into the one that was handed in: units, factors, order, rounding.

A slip is told only if one explanation stands out. The tolerance of every explanation is the exercise's own,
carried through the same transformation; the unit that is asked for says which explanations make sense at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomlens._types import Any, Callable, Mapping, ndarray

__all__ = ["recognise"]

# Asked for in the first unit, given in the second: what was handed in is the right answer times this.
_GIVEN_IN = {
    "nm": {"pm": 1e3, "Å": 10.0, "µm": 1e-3, "m": 1e-9},
    "pm": {"nm": 1e-3, "Å": 1e-2, "µm": 1e-6, "m": 1e-12},
    "eV": {"keV": 1e-3, "meV": 1e3},
    "nm²/s": {"Å²/s": 1e2, "pm²/s": 1e6, "µm²/s": 1e-6, "cm²/s": 1e-14, "m²/s": 1e-18},
    "degrees": {"radians": np.pi / 180},
    "radians": {"degrees": 180 / np.pi},
    "fraction": {"per cent": 1e2},
    "nats": {"bits": 1 / np.log(2)},
}
# Both directions of each are tried.
_FACTORS = {
    "two": (2.0, "a factor of 2: radius or diameter, half or full width, one side or both?"),
    "three": (3.0, "a factor of 3"),
    "four": (4.0, "a factor of 4: a factor of 2 that was squared?"),
    "ten": (10.0, "a factor of 10: the unit, or the decimal point?"),
    "hundred": (100.0, "a factor of 100: a fraction or a percentage?"),
    "thousand": (1e3, "a factor of 1000: are the units right?"),
    "million": (1e6, "a factor of a million: are the units right?"),
    "billion": (1e9, "a factor of 10⁹: metres or nanometres?"),
    "root two": (np.sqrt(2), "a factor of √2"),
    "pi": (np.pi, "a factor of π"),
    "two pi": (2 * np.pi, "a factor of 2π: with it or without it in the frequency?"),
    "angle": (180 / np.pi, "a factor of 57.3: degrees or radians?"),
    "fwhm": (
        2 * np.sqrt(2 * np.log(2)),
        "a factor of 2.355: full width at half maximum or standard deviation?",
    ),
}
_TURNS = {
    "sign": (np.negative, "the size is right, the sign is wrong"),
    "square": (np.square, "this is the square of the right answer: variance or standard deviation?"),
    "root": (np.sqrt, "this is the square root of the right answer: standard deviation or variance?"),
    "reciprocal": (lambda v: 1 / v, "this is the reciprocal of the right answer: upside down?"),
    "rest": (lambda v: 1 - v, "this is one minus the right answer: the other part of the whole?"),
    "supplement": (lambda v: 180 - v, "with the right angle it makes 180°: between which directions?"),
    "complement": (lambda v: 90 - v, "together with the right angle it makes 90°: are x and y exchanged?"),
    "opposite": (lambda v: v + 180, "this points the opposite way: from where to where?"),
    "opposite too": (lambda v: v - 180, "this points the opposite way: from where to where?"),
}  # fmt: skip
_SIZES = ("sign", "two", "four", "root two", "fwhm", "square", "root")
# What else makes sense of an answer in this unit: no angle is a percentage, and no energy lacks a 2π.
_SENSIBLE = {
    None: (*_FACTORS, "sign", "square", "root", "reciprocal", "rest"),
    "nm": _SIZES,
    "pm": _SIZES,
    "px": _SIZES,
    "nm²/s": ("sign", "two", "four"),
    "eV": ("sign", "ten"),
    "degrees": ("sign", "two", "supplement", "complement", "opposite", "opposite too"),
    "radians": ("sign", "two", "pi"),
    "fraction": ("sign", "two", "square", "root", "rest", "ten", "thousand"),
    "ratio": ("sign", "two", "ten", "hundred", "square", "root", "reciprocal"),
    "nats": ("sign", "two"),
    "cycles": ("two pi", "two", "reciprocal"),
    "counts": ("sign", "two", "ten", "thousand"),
    "count": (),
    "number": ("sign", "two", "reciprocal", "square", "root"),
}
_ROOM = 0.01  # of the value, or a degree: a loose exercise shall not see slips everywhere
_EQUALLY_NEAR, _EXACT = 3.0, 0.05


@dataclass(frozen=True)
class _Slip:
    words: str
    turn: Callable[[ndarray], ndarray]
    rank: int  # 0: foreseen by the exercise, 1: of its unit or of the order of things, 2: of numbers at large


def recognise(
    got: ndarray,
    expected: ndarray,
    *,
    rtol: float,
    atol: float,
    unit: str | None = None,
    slips: Mapping[str, Any] | None = None,
) -> str | None:
    """Say which slip explains a wrong answer, or None if none does or several do.

    Parameters
    ----------
    got, expected : ndarray
        Of the same shape.
    rtol, atol : float
        What the exercise allows: ``atol + rtol * abs(expected)``.
    unit : str, optional
        In which the answer is asked for, such as "pm" or "fraction"; without one, all slips are tried.
    slips : dict of str to array_like, optional
        What this exercise foresees: what to say, and the wrong answer that calls for it.

    Returns
    -------
    str or None

    Raises
    ------
    ValueError
        If the unit is none of those known here.

    Examples
    --------
    >>> recognise(np.array(0.012), np.array(12.0), rtol=0, atol=1, unit="pm")
    'this would be right in nm, and pm are asked for'
    >>> recognise(np.array(16.0), np.array(4.0), rtol=1e-6, atol=0) is None  # 4 times 4, or 4 squared?
    True
    """
    if unit not in _SENSIBLE:
        raise ValueError(
            f"{unit!r} is no unit known here: choose one of {', '.join(filter(None, _SENSIBLE))}"
        )
    if np.iscomplexobj(got) or np.iscomplexobj(expected):
        return None
    allowed = atol + max(rtol, 1e-3) * np.abs(expected)
    near = []
    for slip in _candidates(expected, unit, slips or {}):
        wrong = slip.turn(expected)
        if np.shape(wrong) != got.shape:
            continue
        whole = 360 * np.round((got - wrong) / 360) if unit == "degrees" else 0.0
        most = np.inf if slip.rank == 1 else 1.0 if unit == "degrees" else _ROOM * np.abs(expected) + 1e-12
        room = np.minimum(allowed, most)
        scale = _scale(wrong, slip, expected, room)
        alike = atol + rtol * np.abs(expected) + (scale if slip.rank else 0)
        if (np.abs(wrong + whole - expected) <= alike).all():
            continue  # it can hardly be told from a right answer
        off = (np.abs(got - whole - wrong) / scale)[np.isfinite(expected)]
        distance = np.max(off) if off.size and np.isfinite(off).all() else np.inf
        if distance <= 1:
            near.append((distance, slip))
    if near:
        reach = max(_EXACT, _EQUALLY_NEAR * min(distance for distance, _ in near))
        near = [slip for distance, slip in near if distance <= reach]
        first = {slip.words for slip in near if slip.rank == min(s.rank for s in near)}
        return first.pop() if len(first) == 1 else None
    return _rounded(got, expected) or _rearranged(got, expected, allowed)


def _scale(wrong, slip, expected, room):
    """The tolerance of the right answer, carried through the slip."""
    if slip.rank:
        scale = np.fmax(*(np.abs(slip.turn(expected + side * room) - wrong) for side in (1, -1)))
    else:  # a value, not a rule: its own scale
        size = np.where(expected == 0, 1, np.abs(expected))
        scale = room * np.minimum(np.abs(wrong) / size, 1)
        scale = np.maximum(scale, 1e-3 * np.abs(wrong)) + 1e-6 * np.nanmax(np.abs(wrong))
    return scale + 1e-12


def _candidates(expected, unit, slips):
    for words, value in slips.items():
        wrong = np.asarray(value, dtype=float)
        yield _Slip(words, lambda _, wrong=wrong: wrong, 0)
    for other, factor in _GIVEN_IN.get(unit, {}).items():
        yield _Slip(f"this would be right in {other}, and {_asked(unit)} asked for", _times(factor), 1)
    for name in _SENSIBLE[unit]:
        if name in _FACTORS:
            factor, words = _FACTORS[name]
            if name == "two" and unit not in (None, "nm", "pm", "px"):
                words = "a factor of 2: was something halved, doubled or counted twice?"
            yield _Slip(f"too large by {words}", _times(factor), 2)
            yield _Slip(f"too small by {words}", _times(1 / factor), 2)
        else:
            turn, words = _TURNS[name]
            yield _Slip(words, turn, 1 if name == "sign" else 2)
    if expected.ndim:
        two = expected.shape[-1] == 2
        words = "the two numbers are exchanged" if expected.shape == (2,) else None
        yield _Slip(words or "the numbers are right but run the other way round", lambda v: v[::-1], 1)
        if expected.ndim > 1 and two:
            yield _Slip("x and y are exchanged", lambda v: v[..., ::-1], 1)
        if expected.ndim == 2 and expected.shape[0] == expected.shape[1]:
            yield _Slip("rows and columns are exchanged (transpose it?)", np.transpose, 1)


def _times(factor):
    return lambda values: factor * values


def _asked(unit):
    return f"a {unit} is" if unit == "fraction" else f"{unit} are"


def _rounded(got, expected):
    """Rounded, or cut off, with two digits left at least: one alone may be anything."""
    for digits in range(5):
        step = 10.0**-digits
        long_enough = (np.abs(got) >= 10 * step).all()
        for cut in (np.round(expected, digits), np.trunc(expected / step) * step):
            if long_enough and np.allclose(got, cut, rtol=1e-12, atol=1e-12, equal_nan=True):
                return "close, but rounded: keep all digits until the end"
    return None


def _rearranged(got, expected, allowed):
    """Shifted as a whole, or in another order."""
    if got.size < 2:
        return None
    shift = np.nanmedian(got - expected)
    if got.size > 2 and (np.abs(got - expected - shift) <= allowed)[np.isfinite(expected)].all():
        return "everything is shifted by the same amount"
    a, b = np.sort(got, axis=None), np.sort(expected, axis=None)
    room = np.sort(allowed, axis=None)
    return "the numbers are right but in another order" if (np.abs(a - b) <= room).all() else None
