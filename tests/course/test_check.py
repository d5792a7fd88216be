"""Every message of the checkers, and that no answer makes them raise."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from atomlens.course import check, result
from atomlens.course.record import Record

ROW = np.array([1.0, 4.0, 2.0, 7.0])
SQUARE = np.array([[1.0, 2.0, 5.0], [3.0, 4.0, 9.0], [8.0, 6.0, 7.0]])
TWO, MANY = np.repeat([0, 1], 10), np.repeat(np.arange(4), 10)


@pytest.fixture(autouse=True)
def _fresh_verdicts(monkeypatch):
    monkeypatch.setattr(check, "_followed", [Record()])
    monkeypatch.delenv("ATOMLENS_CHECK", raising=False)


@pytest.mark.parametrize(
    ("answer", "expected", "message"),
    [
        (1.0, 2.0, "too small by a factor of 2:"),
        (8.2, 4.1, "too large by a factor of 2:"),
        (4.0, 2.0, "too large, by far"),  # twice, or squared: better no guess,
        (15.0, 5.0, "too large by a factor of 3"),
        (2.0, 20.0, "too small by a factor of 10: the unit"),
        (35.0, 0.35, "a percentage"),
        (0.532, 532.0, "factor of 1000: are the units right"),
        (7e6, 7.0, "a million"),
        (3e-9, 3.0, "metres or nanometres"),
        (3 * np.sqrt(2), 3.0, "√2"),
        (3 * np.pi, 3.0, "a factor of π"),
        (3 * 2 * np.pi, 3.0, "2π"),
        (np.rad2deg(0.3), 0.3, "degrees or radians"),
        (0.42 * 2.35482, 0.42, "full width at half maximum"),
        (-3.1, 3.1, "sign is wrong"),
        (5.3**2, 5.3, "variance or standard deviation"),
        (5.3, 5.3**2, "standard deviation or variance"),
        (1 / 7.7, 7.7, "reciprocal"),
        (0.23, 0.77, "one minus"),
        (float("nan"), 1.0, "it is NaN"),
        (float("inf"), 1.0, "infinite"),
        (1.05, 1.0, "too large, but close"),
        (0.62, 1.0, "too small, but of the right order"),
        (77.0, 1.0, "too large, by far"),
        (0.3, 0.0, "too large, by far"),
        (2 + 1j, 3.0, "not the expected value"),
        ("3.0", 3.0, "without quotation marks"),
        (["a", "b"], [1.0, 2.0], "expected numbers"),
        ({"a": 1}, 1.0, "expected numbers"),
        ([[1, 2], [3]], SQUARE, "differ in length"),
        ([1.0, None], [1.0, 2.0], "part of it is not answered"),
        (ROW, 3.0, "where a single number is expected"),
        (3.0, ROW, "a single number where an array"),
        (SQUARE[:2], SQUARE[:2].T, "transpose it"),
        (ROW[None], ROW, "an axis of length 1 too many"),
        (ROW, ROW[:, None], "an axis of length 1 too few"),
        (np.arange(6.0), np.arange(6.0).reshape(2, 3), "a reshape is needed"),
        (ROW[:3], ROW, "has shape (3,), expected (4,)"),
        (np.array([1, np.nan, 2, 7]), ROW, "NaN in 1 of 4 places"),
        (ROW[::-1], ROW, "the other way round"),
        (SQUARE.T, SQUARE, "rows and columns are exchanged"),
        (ROW + 1.5, ROW, "shifted by the same amount"),
        (ROW[[1, 0, 2, 3]], ROW, "right but in another order"),
        (ROW + np.eye(4)[2], ROW, "only the third number is wrong: too large"),
        (
            np.r_[ROW, ROW] + np.eye(8)[2],
            np.r_[ROW, ROW],
            "1 of 8 values are off; the largest deviation is at index [2]",
        ),
        (np.uint8(3), 5, "too small, but of the right order"),
        (np.array([True, False]), np.array([False, False]), "only the first number is wrong"),
        (pd.Series(ROW * 2), ROW, "a factor of 2"),
        (xr.DataArray(-ROW), ROW, "sign"),
        (len, 3.0, "call it with brackets"),
    ],
)
def test_close_says_what_is_wrong(answer, expected, message, capsys):
    result = check.close(answer, expected)
    assert not result
    assert result.state == "wrong"
    assert message in result.message
    assert message in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "expected", "tolerance"),
    [
        (3, 3.0, {}),
        (3.0005, 3.0, {"rtol": 1e-3}),
        (1e-9, 0.0, {"atol": 1e-6}),
        (ROW.tolist(), ROW, {}),
        (xr.DataArray(ROW), ROW, {}),
        (np.array([np.nan, 1.0]), np.array([np.nan, 1.0]), {}),
        ([], [], {}),
        (2 + 1j, 2 + 1j, {}),
    ],
)
def test_close_accepts_what_is_right(answer, expected, tolerance):
    assert check.close(answer, expected, **tolerance)


def test_a_near_miss_of_one_is_no_square_or_reciprocal():
    assert check.close(1.0005, 1.0).message.startswith("too large, but close")


@pytest.mark.parametrize(
    ("answer", "expected", "message"),
    [
        (4, 5, "too small"),
        (6, 5, "too large"),
        (5.5, 5, "a whole number"),
        (np.nan, 5, "it is NaN"),
        (9, 5, "too large"),
        (1, 5, "too small"),
        ("Ward", "ward", "capital letters or spaces"),
        ("gmm", "ward", "'gmm' is not it"),
        ("3", 3, "expected a number, got text ('3')"),
        (3, "ward", "expected text ('ward'), got a number"),
        (True, False, "the other way round"),
        (1, True, "expected True or False, got a number"),
        ({"y"}, {"y", "x"}, "1 missing"),
        ({"y", "z", "w"}, {"y", "x"}, "1 missing, 2 too many"),
        (3, {"y"}, "expected a set, got a number"),
        ([1, 2, 3], [1, 2], "has shape (3,), expected (2,)"),
        ([2, 1, 3], [1, 2, 3], "in another order"),
        ([1, 2, 4], [1, 2, 3], "1 of 3 items are wrong, the first at index 2"),
        (np.eye(2, dtype=int), np.ones((2, 2), dtype=int), "2 of 4 items are wrong"),
        ([[1], [2, 3]], [1, 2], "cannot be checked here"),
        (object(), 3, "expected a number, got a object"),
    ],
)
def test_equal_says_what_is_wrong(answer, expected, message):
    result = check.equal(answer, expected)
    assert not result
    assert message in result.message
    if isinstance(expected, list):
        assert str(expected) not in result.message  # the answer is not given away


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(5, 5), ("ward", "ward"), (["y", "x"], {"x", "y"}), ((1, 2), [1, 2]), (np.True_, True), (5.0, 5)],
)
def test_equal_accepts_what_is_right(answer, expected):
    assert check.equal(answer, expected)


@pytest.mark.parametrize(
    ("answer", "truth", "message"),
    [
        (np.zeros(20), TWO, "nothing was separated"),
        (np.linspace(0, 1, 20), TWO, "intensities or probabilities"),
        (np.full(20, np.nan), TWO, "intensities or probabilities"),
        (np.r_[TWO[:15], [0] * 5], TWO, "their borders are not"),
        (MANY // 2, MANY, "too few clusters (2)"),
        (np.tile(np.arange(10), 2) + 2 * TWO, TWO, "too many clusters (12)"),
        (np.arange(40), np.repeat([0, 1, 2], [14, 13, 13]), "look like intensities"),
        (np.where(np.arange(20) % 2, TWO, -1), TWO, "50% of the points carry -1"),
        (TWO[:5], TWO, "has shape (5,), expected (20,)"),
        ("labels", TWO, "is text"),
    ],
)
def test_labels_says_what_is_wrong(answer, truth, message):
    result = check.labels(answer, truth)
    assert not result
    assert message in result.message


def test_labels_does_not_mind_how_clusters_are_called():
    result = check.labels(xr.DataArray(7 - 2 * MANY), MANY, min_ari=1.0)
    assert result
    assert result.message == "correct (adjusted Rand index 1.000)"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (1.2, "too large: it should lie between 0 and 1"),
        (-0.1, "too small"),
        ([0.5, 3.0], "1 of 2 values are outside"),
        (np.nan, "it is NaN"),
        ([np.nan, 0.5], "contains NaN"),
        ("0.5", "is text"),
    ],
)
def test_between_says_what_is_wrong(answer, message):
    assert message in check.between(answer, 0, 1).message


@pytest.mark.parametrize("answer", [0, 1, 0.5, [0.0, 1.0]])
def test_between_includes_the_ends(answer):
    assert check.between(answer, 0, 1)


CALLS = {
    "close": lambda answer: check.close(answer, 1.0),
    "equal": lambda answer: check.equal(answer, 1),
    "labels": lambda answer: check.labels(answer, TWO),
    "between": lambda answer: check.between(answer, 0, 1),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("answer", [None, ..., [..., ...], (None, [...])])
def test_an_open_answer_is_open_and_not_wrong(call, answer):
    result = CALLS[call](answer)
    assert (result.state, result.message, bool(result)) == ("open", "not answered yet", False)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "answer",
    ["text", b"bytes", object(), {}, {1, 2}, [[1], [2, 3]], [None], 1j, np.array("a"), len, int, (), pd.NaT,
     pd.DataFrame({"a": ["x"]}), np.datetime64("2020-01-01"), np.array([object()]), 10**400],
)  # fmt: skip
def test_no_answer_makes_a_checker_raise(call, answer):
    assert CALLS[call](answer).state in {"right", "wrong", "open"}


def test_the_hint_follows_only_a_wrong_answer():
    assert check.close(3.3, 1.0, hint="look again").message.endswith(". Hint: look again")
    assert "look" not in check.close(1.0, 1.0, hint="look again").message
    assert "look" not in check.close(None, 1.0, hint="look again").message


@pytest.mark.parametrize("answer", [2.0, None])
def test_strict_mode_raises_on_all_but_a_tick(monkeypatch, answer):
    monkeypatch.setenv("ATOMLENS_CHECK", "strict")
    assert check.close(1.0, 1.0)
    with pytest.raises(AssertionError, match="radius"):
        check.close(answer, 1.0, name="radius")


def test_a_seed_depends_on_the_name_alone_and_on_no_platform():
    assert check.seed("Zoë  Krüger ") == check.seed("zoe\u0308 kru\u0308ger")
    assert check.seed("0042") != check.seed(42)
    seeds = {check.seed(i) for i in range(1000)}
    assert len(seeds) == 1000
    assert min(seeds) >= 0
    assert max(seeds) < 2**31
    with pytest.raises(ValueError, match="needs a name"):
        check.seed("  ")


def test_summary_keeps_the_latest_verdict_of_every_check():
    check.close(None, 1, name="a")
    check.close(2, 1, name="b")
    check.close(1, 1, name="a")
    table = check.summary().to_dict("list")
    assert table == {"check": ["a", "b"], "verdict": ["✓ right", "✗ wrong"], "wrong tries": [0, 1]}


def test_in_a_notebook_a_verdict_appears_once_a_cell(monkeypatch):
    class Shell:
        execution_count = 1

    shown, shell = [], Shell()
    monkeypatch.setattr(result, "shell", lambda: shell)
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    verdict = check.close(2, 1, name="<b>")
    verdict._ipython_display_()  # the last line of the same cell
    assert len(shown) == 1
    assert shown[0]["text/plain"].startswith("✗ <b>: too large")
    assert "&lt;b&gt;" in shown[0]["text/html"]
    shell.execution_count = 2
    verdict._ipython_display_()
    assert len(shown) == 2
