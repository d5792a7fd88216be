"""What all lessons share: three levels of hints, questions with reasons, answers that survive a restart."""

import ast
import json
import re
from functools import cache
from importlib import import_module
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from atomlens.course import check, record
from atomlens.course.lesson import Lesson, Question
from atomlens.course.record import Record

LESSONS = {
    "spectral_clustering": "01",
    "descriptors": "02",
    "atom_finding": "03",
    "local_crystallography": "04",
    "patterson_ocsvm": "05",
    "shift_vae": "06",
    "defect_library": "07",
    "defect_dynamics": "08",
    "silicon_edge": "08b",
    "protein_assembly": "09",
}


class Small(Lesson):
    """Two checks and a question."""

    name = "99_small"
    hints = {"side": ("which triangle?", "Pythagoras", "3² + 4² = 5²"), "name": ("who?", "a Greek", "P...")}  # noqa: RUF012
    questions = {"why": Question("b", {"a": "no, since ...", "b": "yes, since ..."})}  # noqa: RUF012

    def check_side(self, answer):
        return check.close(answer, 13.0, name="side", of=self)

    def check_name(self, answer):
        return check.equal(answer, "Pythagoras", name="name", of=self)


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    monkeypatch.setattr(check, "_followed", [Record()])
    for variable in ("ATOMLENS_CHECK", "ATOMLENS_ANSWERS"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("ATOMLENS_ANSWERS", str(tmp_path / "answers"))
    return tmp_path / "answers"


@cache
def exercise(room):
    return import_module(f"atomlens.course.{room}").Exercise("Ada Lovelace")


def solution(root, room):
    return (root / "notebooks" / "exercises" / f"{LESSONS[room]}_{room}_solution.py").read_text(
        encoding="utf-8"
    )


# ---------------------------------------------------------------- hints


def code_of(text):
    """What a solution writes: every right-hand side and call."""
    regions = re.findall(r"(?ms)^# --- solution\n(.*?)^# --- end", text)
    for node in (node for region in regions for node in ast.walk(ast.parse(region))):
        if isinstance(node, ast.Assign | ast.Expr):
            yield ast.unparse(node.value)
        if isinstance(node, ast.Call):
            yield ast.unparse(node)


@pytest.mark.parametrize("room", LESSONS)
def test_every_check_has_three_hints_and_none_holds_the_solution(room, root):
    ours = exercise(room)
    ours.record = Record()
    for name in [name for name in dir(ours) if name.startswith("check_")]:
        getattr(ours, name)(...)
    assert set(ours.record.hints) == set(ours.hints)
    code = {line for line in code_of(solution(root, room)) if len(line) > 12}
    assert len(code) > 3
    for hints in ours.hints.values():
        assert len({*hints}) == 3
        for hint in hints:
            assert 20 < len(hint) < 260
            assert not [line for line in code if line in hint]
            assert not re.search(r"\bexercise\.\w+", hint)


def test_each_new_wrong_answer_is_told_more_and_the_same_one_again_is_not():
    ours = Small("Ada")
    nudge, idea, line = ours.hints["side"]
    for answer, hint in ((7, nudge), (7, nudge), (8, idea), (9, line), (10, line), (10, line)):
        assert ours.check_side(answer).message.endswith(hint)
    assert ours.record.checks["side"]["tries"] == 4
    assert ours.check_side(13).message == "correct"
    assert ours.check_name("Euclid").message.endswith("who?")  # each exercise counts for itself


@pytest.mark.parametrize(
    "pair",
    [
        (np.zeros((99, 99)), np.ones((99, 99))),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]})),
        ("a", "b"),
        ({1, 2}, {1, 3}),
        ({"a": 1}, {"a": 2}),
        (np.array([1, 2], dtype="datetime64[s]"), np.array([1, 3], dtype="datetime64[s]")),
    ],
)
def test_answers_of_any_kind_are_told_apart(pair):
    ours = Record()
    levels = [ours.note("x", answer, "wrong", 3) for answer in (pair[0], pair[0], pair[1], pair[1])]
    assert levels == [1, 1, 2, 2]


def test_a_hint_can_be_asked_for_and_the_next_try_goes_on_from_there():
    ours = Small("Ada")
    assert "first" in check.hint().message  # nothing was checked yet
    ours.check_side(...)
    assert check.hint("side").message == "Hint 1 of 3: which triangle?"
    assert ours.check_side(7).message.endswith("Hint 2 of 3: Pythagoras")
    ours.check_name("Euclid")
    assert check.hint().name == "name"  # the latest that is not right
    ours.check_name("Pythagoras")
    assert check.hint().message == "Hint 3 of 3: 3² + 4² = 5²"
    assert check.hint("side").message == "Hint 3 of 3: 3² + 4² = 5²"
    assert "choose a name" in check.hint("nothing").message
    assert ours.record.checks["side"]["tries"] == 1


# ---------------------------------------------------------------- questions


def asked(text):
    """The questions of a notebook: letters of the options, name, and the letter of the solution."""
    cells = re.split(r"(?m)^# %%.*\n", text)
    for before, cell in pairwise(cells):
        if found := re.search(r'option = "(\w)"\n# --- end\nexercise\.question\("(.*?)", option\)', cell):
            assert re.match(r"# \*\*(Question|Predict, then run)\.\*\* ", before)
            yield re.findall(r"(?m)^# - (\w)\) ", before), found[2], found[1]


@pytest.mark.parametrize("room", LESSONS)
def test_every_lesson_asks_six_questions_and_has_a_reason_for_every_option(room, root):
    text = solution(root, room)
    questions = list(asked(text))
    assert len(questions) >= 6
    assert len(questions) == text.count("exercise.question(")
    ours = import_module(f"atomlens.course.{room}").Exercise
    assert len({name for _, name, _ in questions}) == len(questions)
    assert {name for _, name, _ in questions} == set(ours.questions)
    assert not set(ours.questions) & set(ours.hints)
    for letters, name, right in questions:
        question = ours.questions[name]
        assert letters == list(question.why) == list("abcd")[: len(letters)]
        assert len(letters) >= 3
        assert right == question.right
        assert len({*question.why.values()}) == len(letters)
        assert all(len(why) > 20 for why in question.why.values())


def test_the_right_option_does_not_always_stand_at_the_same_place():
    rights = [
        q.right
        for room in LESSONS
        for q in import_module(f"atomlens.course.{room}").Exercise.questions.values()
    ]
    assert len(rights) >= 48
    assert max(rights.count(letter) for letter in "abc") < 0.6 * len(rights)


def test_a_choice_is_judged_with_its_reason(monkeypatch):
    ours = Small("Ada")
    assert ours.question("why", ...).state == "open"
    assert ours.question("why", "a").message == "no, since ..."
    assert ours.question("why", " B) ").message == "yes, since ..."
    assert ours.question("why", "b")
    for nonsense in ("c", 2, ["b"], "", b"b"):
        assert "expected one of 'a', 'b'" in ours.question("why", nonsense).message
    with pytest.raises(KeyError, match="there is no question 'how'"):
        ours.question("how", "a")
    monkeypatch.setenv("ATOMLENS_CHECK", "strict")
    with pytest.raises(AssertionError, match="no, since"):
        ours.question("why", "a")


# ---------------------------------------------------------------- a restart


def test_answers_and_tries_survive_a_restart(folder, capsys):
    first = Small("Ada")
    first.check_side(7)
    first.check_name("Pythagoras")
    first.question("why", "b")
    capsys.readouterr()
    again = Small(" ada")
    assert capsys.readouterr().out == "Welcome back: 2 right so far, and check.summary() lists what.\n"
    assert check.summary().to_dict("list") == {
        "check": ["side", "name", "why"],
        "verdict": ["✗ wrong", "✓ right", "✓ right"],
        "wrong tries": [1, 0, 0],
    }
    assert check.accepted("name") == "Pythagoras"
    assert "check.accepted('name')" in again.check_name(...).message
    assert check.summary().verdict[1] == "✓ right"  # dots take nothing back
    assert again.check_side(7).message.endswith("which triangle?")  # the same as before the restart
    assert again.check_side(8).message.endswith("Pythagoras")
    assert Small("Bob").record.checks == {}
    assert len(list(folder.iterdir())) == 1


def test_what_is_too_large_to_keep_is_said_to_be(folder):
    ours = Lesson("Ada")
    maps = np.zeros((200, 200))
    assert check.close(maps, maps, name="map", of=ours)
    assert check.close(np.arange(4.0), np.arange(4.0), name="row", of=ours)
    Lesson("Ada")
    assert check.accepted("row") == [0, 1, 2, 3]
    with pytest.raises(LookupError, match="too large to keep"):
        check.accepted("map")
    with pytest.raises(LookupError, match="not there yet"):
        check.accepted("other")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", '{"atomlens": 2, "checks": {}}', '{"atomlens": 1, "checks": {"side": 3}}',
     '{"atomlens": 1, "checks": {"side": {"state": "fine", "tries": 0, "level": 0}}}', "\x00\x01",
     '{"atomlens": 1, "checks": []}', '{"atomlens": 1, "checks": {"side": {"state": "open", "tries": 1}}}'],
)  # fmt: skip
def test_a_damaged_file_is_told_and_set_aside_and_all_starts_anew(folder, capsys, text):
    Small("Ada").check_side(7)
    path = next(folder.iterdir())
    for number in (1, 2):
        path.write_text(text, encoding="utf-8")
        capsys.readouterr()
        ours = Small("Ada")
        said = capsys.readouterr().out
        assert said.count("\n") == 1
        assert f"is damaged: it is now called {path.stem}.damaged-{number}.json" in said
        assert path.with_suffix(f".damaged-{number}.json").read_text(encoding="utf-8") == text
        assert ours.check_side(7).message.endswith("which triangle?")
    assert json.loads(path.read_text(encoding="utf-8"))["checks"]["side"]["tries"] == 1


def test_a_folder_that_cannot_be_written_is_told_once_and_stops_nobody(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ATOMLENS_ANSWERS", str(tmp_path / "file"))
    ours = Small("Ada")
    capsys.readouterr()
    assert ours.check_side(13)
    assert ours.check_name("Pythagoras")
    assert capsys.readouterr().out.count("your answers cannot be kept in") == 1
    assert check.summary().verdict.tolist() == ["✓ right", "✓ right"]


def test_a_write_that_fails_half_way_leaves_the_old_file(folder, monkeypatch, capsys):
    Small("Ada").check_side(13)
    path = next(folder.iterdir())
    before = path.read_text(encoding="utf-8")

    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record.Path, "write_text", full)
    Small("Ada").check_name("Pythagoras")
    assert "No space left" in capsys.readouterr().out
    assert path.read_text(encoding="utf-8") == before
    assert list(folder.iterdir()) == [path]


def test_two_kernels_on_one_file_lose_nothing(folder):
    one, two = Small("Ada"), Small("Ada")
    one.check_side(13)
    two.check_name("Pythagoras")
    one.question("why", "b")
    assert {name: c["state"] for name, c in Small("Ada").record.checks.items()} == dict.fromkeys(
        ("side", "name", "why"), "right"
    )


def test_answers_are_kept_in_notebooks_only_unless_a_folder_is_named(monkeypatch, tmp_path):
    assert record.place("99", 1) is None
    monkeypatch.setattr(record, "shell", type("Shell", (), {"kernel": 1}))
    monkeypatch.chdir(tmp_path)
    assert record.place("99", 1) == tmp_path / "answers" / "99_1.json"
    monkeypatch.setenv("ATOMLENS_ANSWERS", "off")
    assert record.place("99", 1) is None
    monkeypatch.setenv("ATOMLENS_ANSWERS", "elsewhere")
    assert record.place("99", 1) == tmp_path / "elsewhere" / "99_1.json"
    monkeypatch.setenv("ATOMLENS_CHECK", "strict")  # a test of solutions is nobody's work
    assert record.place("99", 1) is None


def test_in_jupyter_answers_outlive_the_kernel(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    start = "from atomlens.course import check; from atomlens.course.defect_library import Exercise\n"
    start += "exercise = Exercise('Ada')"
    tries = "exercise.check_p_value(0.3); exercise.question('how bright', 'z')", "check.hint('p-value')"
    said = []
    for cells in ((start, *tries), (start, "exercise.check_p_value(...)", "check.summary()")):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}, timeout=120).execute()
        said.append([o["data"]["text/plain"] for cell in notebook.cells for o in cell.outputs if "data" in o])
    assert [path.name for path in tmp_path.iterdir()] == ["answers"]
    assert "Hint 1 of 3" in said[0][0]
    assert "expected one of" in said[0][1]
    assert "Hint 2 of 3" in said[0][2]
    assert "not answered yet" in said[1][0]
    assert re.search(r"p-value\s+✗ wrong\s+1\b", said[1][1])
