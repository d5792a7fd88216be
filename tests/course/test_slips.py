"""A slip is told if one explanation stands out, within the tolerance of the exercise, and else none is."""

import numpy as np
import pytest

from atomlens.course.slips import _SENSIBLE, recognise


def told(got, expected, unit=None, *, rtol=1e-6, atol=0.0, slips=None):
    return recognise(
        np.array(got, float), np.array(expected, float), rtol=rtol, atol=atol, unit=unit, slips=slips
    )


@pytest.mark.parametrize(
    ("got", "expected", "unit"),
    [
        (16.0, 4.0, None),  # 4 times, or squared
        (4.0, 2.0, None),  # twice, or squared
        (0.5, 0.25, "fraction"),  # twice, or the root
        (0.75, 0.25, None),  # 3 times, or the rest
    ],
)
def test_two_explanations_that_are_equally_near_are_none(got, expected, unit):
    assert told(got, expected, unit) is None


@pytest.mark.parametrize(
    ("got", "expected", "unit", "words"),
    [
        (12.0, 144.0, "px", "square root"),
        (0.8, 0.2, "fraction", "one minus"),
        (30.0, 150.0, "degrees", "180°"),
        (-150.0, 30.0, "degrees", "opposite way"),
        (330.0, -150.0 + 360, "degrees", "180°"),
        (np.radians(300), 300, "degrees", "radians"),
        (3.1, 3.14159, "number", "rounded"),
        (3.14, 3.14159, "number", "rounded"),
        (12.0, 12.7, "number", "rounded"),
        ([[1, 2], [3, 5]], [[2, 1], [5, 3]], "px", "x and y are exchanged"),
        ([3, 4, 1, 9], [1, 3, 4, 9], "px", "another order"),
        ([2, 4, 5, 10], [1, 3, 4, 9], "px", "shifted by the same amount"),
    ],
)
def test_one_explanation_that_stands_out_is_told(got, expected, unit, words):
    assert words in told(got, expected, unit)


def test_the_tolerance_is_carried_through_the_slip():
    """12 pm to 1 pm are 0.012 nm to 0.001 nm, and radians are as much closer as their numbers are smaller."""
    for measured, seen in ((0.0115, True), (0.0125, True), (0.0135, False), (0.0105, False)):
        assert (told(measured, 12.0, "pm", atol=1.0, rtol=0) is not None) == seen
    assert "radians" in told(np.radians(92.9), 93.0, "degrees", atol=0.3, rtol=0)
    assert told(np.radians(95.0), 93.0, "degrees", atol=0.3, rtol=0) is None


def test_what_an_exercise_foresees_comes_first_unless_it_is_right():
    slips = {"this is the number of the channel": 200.0}
    assert told(200.0, 100.0, "counts", slips=slips) == "this is the number of the channel"
    assert "factor of 2" in told(200.0, 100.0, "counts")
    assert "factor of 2" in told(200.0, 100.0, "counts", slips={"never": 100.0})


@pytest.mark.parametrize("unit", ["degrees", "radians", "eV", "count", "fraction", "nats"])
def test_no_slip_of_another_unit_is_told(unit):
    rng = np.random.default_rng(1)
    factors = (10, 100, 1e3, 1e6, 1e9, np.pi, 2 * np.pi, 180 / np.pi, 2.3548, np.sqrt(2), 3)
    said = {
        told(e * f, e, unit) for e in rng.uniform(0.1, 0.9, 20) for f in (*factors, *(1 / f for f in factors))
    }
    said = " ".join(filter(None, said))
    foreign = {
        "percentage",
        "metres",
        "radius",
        "full width",
        "2π",
        "nm",
        "pm",
        "Å",
        "reciprocal",
        "variance",
    }
    if unit == "fraction":
        foreign -= {"variance"}
    assert not [word for word in foreign if word in said]


@pytest.mark.parametrize("unit", _SENSIBLE)
def test_an_answer_that_is_just_wrong_is_hardly_ever_explained(unit):
    rng, n = np.random.default_rng(0), 1000
    pairs = zip(
        rng.uniform(0.1, 300, n) / (400 if unit == "fraction" else 1),
        np.exp(rng.uniform(-2, 2, n)),
        strict=True,
    )
    found = sum(told(e * f, e, unit, rtol=1e-3) is not None for e, f in pairs if abs(f - 1) > 1e-3)
    assert found < 0.02 * n


def test_a_unit_that_is_not_known_is_named():
    with pytest.raises(ValueError, match="'furlong' is no unit known here"):
        told(1.0, 2.0, "furlong")


def test_of_two_explanations_that_are_both_within_tolerance_the_far_nearer_one_is_told():
    slips = {"one": 100.0, "other": 100.5}
    said = [told(got, 300.0, "px", atol=6.0, slips=slips) for got in (100.0, 100.5, 100.25)]
    assert said == ["one", "other", None]
