"""The builder on notebooks made here: what it writes, what it notices, what it leaves alone."""

import ast
import json
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from atomlens import _project

LESSON = """
# %% [markdown]
# # A lesson

# %%
import sys

import atomlens as al
from atomlens.notebook import budget

# %%
from IPython.display import display
import matplotlib.pyplot as plt

figure, axes = plt.subplots()
al.notebook.show(figure, alt="Empty axes")

# %%
print(budget(full="full run", fast="fast run"), object())
"""

SOLUTION = '''
# %%
import atomlens as al
import atomlens.course.check

# %%
# How many?
# --- solution
answer, (other, rest) = 2, (1, 0)
other += 1
# --- end
al.course.check.equal(answer, 2, name="how many")


# %%
def double(x):
    """Twice x."""
    # --- solution
    return 2 * x
    # --- end


al.course.check.close(double(2), 4, name="double")

# %%
# --- solution
def half(x):
    return x / 2
# --- end
al.course.check.close(half(2), 1, name="half")

# %% [markdown] tags=["solution"]
# Only for those who look.
'''


@pytest.fixture
def folder(tmp_path, monkeypatch, builder):
    """A project of one lesson, which the builder takes for its own."""
    monkeypatch.setattr(builder, "HERE", tmp_path / "notebooks")
    (tmp_path / "notebooks" / "exercises").mkdir(parents=True)
    (tmp_path / "notebooks" / "01_lesson.py").write_text(LESSON.lstrip(), encoding="utf-8")
    return tmp_path / "notebooks"


@pytest.fixture
def lesson(folder):
    return folder / "01_lesson.py"


@pytest.fixture
def no_execution(builder, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("nothing had to be executed")

    return lambda: monkeypatch.setattr(builder, "execute", refuse)


def complaints(builder, path):
    return [text for name in builder.CHECKS for text in builder.problems(path, name)]


def store(path, notebook):
    nbformat.write(notebook, path.with_suffix(".ipynb"))


@pytest.mark.notebooks
def test_a_built_lesson_is_sound_and_stays_as_it_is(builder, lesson, no_execution):
    assert builder.problems(lesson, "paired") == ["01_lesson.ipynb does not exist: run `make notebooks`"]
    assert builder.build(lesson).startswith("executed in ")
    assert complaints(builder, lesson) == []
    text = lesson.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert "full run <object object at 0x…>" in text
    assert str(lesson.parent) not in text
    no_execution()
    assert builder.build(lesson) == "is fresh"
    assert lesson.with_suffix(".ipynb").read_text(encoding="utf-8") == text


def test_names_may_stand_behind_an_option(builder, capsys):
    with pytest.raises(SystemExit):
        builder.main(["build", "--force", "99_none"])
    assert "no notebook has 99_none in its name" in capsys.readouterr().err


@pytest.mark.notebooks
def test_changed_prose_and_comments_need_no_execution(builder, lesson, no_execution):
    builder.build(lesson)
    before = builder.stored(lesson)
    text = lesson.read_text(encoding="utf-8").replace("# # A lesson", "# # The lesson\n#\n# More.")
    lesson.write_text(text.replace("print(budget", "# a comment\nprint(budget"), encoding="utf-8")
    assert len(complaints(builder, lesson)) == 2  # two cells differ, nothing is stale
    no_execution()
    assert builder.build(lesson) == "prose updated"
    assert complaints(builder, lesson) == []
    after = builder.stored(lesson)
    assert [cell.get("outputs") for cell in after.cells] == [cell.get("outputs") for cell in before.cells]
    assert [a.id == b.id for a, b in zip(after.cells, before.cells, strict=True)] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.notebooks
def test_changed_code_is_noticed_and_executed(builder, lesson):
    builder.build(lesson)
    lesson.write_text(lesson.read_text(encoding="utf-8").replace("full run", "new run"), encoding="utf-8")
    assert "its code has changed since its outputs were stored: run `make notebooks`" in complaints(
        builder, lesson
    )
    assert builder.build(lesson).startswith("executed")
    assert "new run" in lesson.with_suffix(".ipynb").read_text(encoding="utf-8")


@pytest.mark.notebooks
def test_a_changed_module_is_named(builder, lesson):
    builder.build(lesson)
    notebook = builder.stored(lesson)
    modules = notebook.metadata["atomlens"]["modules"]
    assert "atomlens.notebook" in modules
    assert not any(name.startswith(("atomlens.spectra", "atomlens.columns")) for name in modules)
    modules["atomlens.notebook"] = "another"
    store(lesson, notebook)
    [complaint] = builder.problems(lesson, "fresh")
    assert complaint == "atomlens.notebook has changed since its outputs were stored: run `make notebooks`"


@pytest.mark.notebooks
def test_a_run_writes_into_a_copy_of_the_folder(builder, lesson):
    text = lesson.read_text(encoding="utf-8") + '\n# %%\nopen("results.csv", "w").close()\n'
    lesson.write_text(text, encoding="utf-8")
    builder.execute(lesson)
    assert sorted(path.name for path in lesson.parent.iterdir()) == ["01_lesson.py", "exercises"]


@pytest.mark.notebooks
def test_the_budget_reaches_the_kernel_and_a_failure_comes_back(builder, lesson):
    run = builder.execute(lesson, budget="fast")
    assert "fast run" in run.notebook.cells[-1].outputs[0].text
    assert 50 < run.peak_mb < 1000
    lesson.write_text(lesson.read_text(encoding="utf-8") + "\n# %%\n1 / 0\n", encoding="utf-8")
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        builder.execute(lesson)


@pytest.mark.notebooks
def test_exercises_come_from_their_solution(builder, folder):
    solution = folder / "exercises" / "01_lesson_solution.py"
    solution.write_text(SOLUTION.lstrip(), encoding="utf-8")
    builder.write_students(folder)
    student = builder.student_of(solution)
    for path in (solution, student):
        builder.build(path)
    assert builder.notebooks(folder) == [folder / "01_lesson.py", solution, student]
    assert complaints(builder, solution) == complaints(builder, student) == []
    text = student.read_text(encoding="utf-8")
    assert "# Your code here\nanswer = ...\nother = ...\nrest = ...\nal.course.check" in text
    assert '    """Twice x."""\n    # Your code here\n    ...\n' in text
    assert "# Your code here\ndef half(x): ...\n\n\nal.course.check" in text
    assert "solution" not in text
    assert "Only for those who look" not in text

    shown = [cell.outputs[0].data["text/plain"] for cell in builder.execute(student).notebook.cells[1:]]
    assert shown == [f"○ {name}: not answered yet" for name in ("how many", "double", "half")]

    student.write_text(text + "\n", encoding="utf-8")
    [complaint] = builder.problems(student, "generated")
    assert "edit the solution" in complaint


@pytest.mark.notebooks
def test_a_wrong_solution_does_not_build(builder, folder):
    solution = folder / "exercises" / "01_lesson_solution.py"
    solution.write_text(SOLUTION.replace("2 * x", "3 * x").lstrip(), encoding="utf-8")
    with pytest.raises(CellExecutionError, match="double"):
        builder.build(solution)


def test_badges_and_a_cell_for_colab_appear_with_the_address(builder, folder, monkeypatch):
    lesson = folder / "01_lesson.py"
    lesson.write_text("# %% [markdown]\n# # Title\n# Text.\n\n# %%\n1\n", encoding="utf-8")
    assert [cell.source for cell in builder.read(lesson).cells] == ["# Title\nText.", "1"]
    monkeypatch.setattr("atomlens._project.REPOSITORY", "https://github.com/someone/atomlens")
    title, setup, code = builder.read(lesson).cells
    assert title.source.startswith("# Title\n\n[![Open on Binder]")
    assert title.source.endswith("\nText.")
    for address in (
        "https://mybinder.org/v2/gh/someone/atomlens/HEAD?labpath=notebooks%2F01_lesson.ipynb",
        "https://colab.research.google.com/github/someone/atomlens/blob/HEAD/notebooks/01_lesson.ipynb",
        "https://raw.githubusercontent.com/someone/atomlens/HEAD/notebooks/01_lesson.ipynb",
    ):
        assert f"]({address})" in title.source
    assert setup.metadata["tags"] == ["hide-input"]
    assert code.source == "1"


@pytest.mark.parametrize(("on_colab", "there"), [(True, False), (True, True), (False, False)])
def test_colab_installs_only_what_is_missing(monkeypatch, on_colab, there):
    monkeypatch.setattr("atomlens._project.REPOSITORY", "https://github.com/someone/atomlens")
    done = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: done.append(command))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if there else None)
    if on_colab:
        monkeypatch.setitem(sys.modules, "google.colab", object())
    exec(_project.colab_cell(), {})
    assert len(done) == (on_colab and not there)
    for command in done:
        assert command[-1] == "atomlens[lab,deep] @ git+https://github.com/someone/atomlens"
        assert "only-if-needed" in command  # Colab's own NumPy and torch stay as they are


@pytest.mark.parametrize("text", ["# --- solution\nx = 1\n", "x = 1\n# --- end\n"])
def test_markers_come_in_pairs(builder, text):
    with pytest.raises(ValueError, match="without"):
        builder.student_text(text)


def _lesson_with(builder, lesson, outputs, source="1"):
    """Store, beside a script of one cell, a notebook with these outputs."""
    lesson.write_text(f"# %%\n{source}\n", encoding="utf-8")
    notebook = builder.read(lesson)
    notebook.cells[0].outputs = [nbformat.from_dict(output) for output in outputs]
    notebook.metadata["atomlens"] = {"budget": "full", **builder.fingerprint(notebook)}
    store(lesson, notebook)


def _display(metadata=None, **data):
    data = {key.replace("_", "/", 1): value for key, value in data.items()}
    return {"output_type": "display_data", "data": data, "metadata": metadata or {}}


def _figure(picture="aGk=", kind="image/png", **look):
    look = {"alt": "A map", "width": 1000, "smallest_text": 11.0, **look}
    return _display(**{kind: picture}, metadata={kind: look})


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        ({"output_type": "error", "ename": "E", "evalue": "", "traceback": []}, "a stored error"),
        ({"output_type": "stream", "name": "stderr", "text": "Beware"}, "a stored warning: 'Beware'"),
        (
            {"output_type": "stream", "name": "stdout", "text": "a" * 3_000_000},
            "3000 kB of outputs, at most 3000",
        ),
        (_figure(alt=""), "a figure without alt text"),
        (_figure(alt=" "), "a figure without alt text"),
        (_figure(width=None), "a figure without a display width"),
        (_figure(width=1100), "a figure 1100 pixels wide, at most 1010 are allowed"),
        (_figure(smallest_text=10.7), "a figure with text of 10.7 pixels, at least 11 can be read"),
        (_figure("a" * 400_001), "a figure of 400 kB, at most 400 are allowed"),
        (_figure("a" * 400_001, "image/jpeg"), "a figure of 400 kB, at most 400 are allowed"),
        (_figure("a" * 1_000_001, "image/gif"), "a figure of 1000 kB, at most 1000 are allowed"),
        (_display(**{"application_vnd.jupyter.widget-view+json": {"model_id": "1"}}), "a stored widget"),
    ],
)
def test_outputs_that_should_not_be_stored(builder, lesson, output, complaint):
    _lesson_with(builder, lesson, [output])
    [found] = complaints(builder, lesson)
    assert complaint in found


def test_outputs_that_may_be_stored(builder, lesson):
    animation = _figure("a" * 900_000, "image/gif")
    _lesson_with(builder, lesson, [_figure(), _figure("a" * 390_000, "image/jpeg"), animation])
    assert complaints(builder, lesson) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda nb: nb.metadata.pop("kernelspec"), "no kernel is named"),
        (lambda nb: nb.metadata.update(widgets={"a": 1}), "holds the state of widgets"),
        (lambda nb: nb.metadata["atomlens"].update(budget="fast"), "its outputs are of a fast run"),
        (lambda nb: nb.metadata.pop("atomlens"), "was never built"),
        (lambda nb: nb.cells.pop(), "1 cells in the .py, 0 in the .ipynb"),
        (lambda nb: nb.cells[0].update(source="2"), "cell 0 differs"),
        (lambda nb: nb.cells[0].metadata.update(tags=["x"]), "cell 0 differs"),
    ],
)
def test_a_notebook_that_was_tampered_with(builder, lesson, change, complaint):
    _lesson_with(builder, lesson, [])
    notebook = builder.stored(lesson)
    change(notebook)
    store(lesson, notebook)
    [found] = complaints(builder, lesson)
    assert complaint in found


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (8, []),
        (9, ["the median code cell has 9 lines, at most 8 are allowed"]),
        (16, ["code cell 0: 16 lines of code, at most 15 are allowed", "the median code cell has 16 lines"]),
    ],
)
def test_long_cells(builder, lesson, lines, found):
    _lesson_with(builder, lesson, [], source="\n\n".join(["x = 1"] * lines))
    texts = complaints(builder, lesson)
    assert len(texts) == len(found)
    assert all(text.startswith(start) for text, start in zip(texts, found, strict=True))


def test_a_folded_cell_may_be_long(builder, lesson):
    _lesson_with(builder, lesson, [], source="\n\n".join(["x = 1"] * 40))
    source = builder.read(lesson)
    assert list(builder.CHECKS["cells"](lesson, source, None))
    source.cells[0].metadata.tags = [builder.HIDDEN]
    assert list(builder.CHECKS["cells"](lesson, source, None)) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Seven words stand in every such line.\n\n" * 257, None),
        ("Seven words stand in every such line.\n\n" * 258, "1806 words, at most 1800"),
        ("On and on " * 6 + "it goes.", "sentences of 20.0 words in the mean, at most 17"),
        ("<details>" + "What is asked is not counted. " * 400 + "</details> So be it.", None),
        ("A formula $x + y$ and `code(x)` are each one word.\n\n" * 170, None),
    ],
)
def test_a_core_lesson_fits_into_45_minutes(builder, text, complaint):
    source = builder.HERE / "07_some_lesson.py"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    found = list(builder.CHECKS["length"](source, notebook, None))
    assert len(found) == (complaint is not None)
    assert complaint is None or found[0].startswith(complaint)
    assert list(builder.CHECKS["length"](source.with_name("07b_some_more.py"), notebook, None)) == []


def test_a_core_lesson_has_few_cells_widgets_not_counted(builder):
    source = builder.HERE / "07_some_lesson.py"
    cells = [nbformat.v4.new_markdown_cell("A short sentence here.")]
    cells += [nbformat.v4.new_code_cell(f"x = {n}") for n in range(35)]
    cells += [nbformat.v4.new_code_cell("widgets.some_explorer(x)")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert list(builder.CHECKS["length"](source, notebook, None)) == []
    notebook.cells.append(nbformat.v4.new_code_cell("y"))
    [complaint] = builder.CHECKS["length"](source, notebook, None)
    assert complaint.startswith("36 code cells")


def test_tidy_outputs_name_no_place_and_no_random_number(builder, lesson, monkeypatch, tmp_path):
    monkeypatch.setenv("ATOMLENS_DATA_DIR", str(tmp_path / "mirror"))
    home = str(builder.Path.home())
    words = "123e4567-e89b-12d3-a456-426614174000"
    shown = (
        f"{tmp_path}/mirror/a {tmp_path}/work/b {home}/.cache https://host{home}/c {words} at 0x7f12345678"
    )
    outputs = [
        _display(text_plain=shown, image_png=f"{home}/b64"),
        _display(text_html=words),
        _display(**{"application_vnd.jupyter.widget-view+json": {}, "text_plain": "VBox(children=())"}),
        _display(**{"application_vnd.jupyter.widget-view+json": {}, "text_plain": "<a view>"}),
    ]
    _lesson_with(builder, lesson, outputs)
    notebook = builder.stored(lesson)
    builder._tidy(notebook, tmp_path / "work")
    first, second, third = (output.data for output in notebook.cells[0].outputs)
    number = f"{notebook.cells[0].id}-0"
    assert first["text/plain"] == f"$ATOMLENS_DATA_DIR/a ./b ~/.cache https://host{home}/c {number} at 0x…"
    assert first["image/png"] == f"{home}/b64"
    assert second["text/html"] == number
    assert third == {"text/plain": "<a view>"}


# ---------------------------------------------------------------- presentation


@pytest.mark.parametrize(
    ("tags", "metadata"),
    [
        ('["slide"]', {"slideshow": {"slide_type": "slide"}}),
        ('["notes", "solution"]', {"slideshow": {"slide_type": "notes"}}),
        ('["hide-input"]', {"jupyter": {"source_hidden": True}}),
        ('["solution"]', {}),
    ],
)
def test_tags_become_what_jupyter_knows(builder, folder, tags, metadata):
    lesson = folder / "01_lesson.py"
    lesson.write_text(f"# %% tags={tags}\n1\n", encoding="utf-8")
    [cell] = builder.read(lesson).cells
    assert {key: value for key, value in cell.metadata.items() if key != "tags"} == metadata
    assert cell.metadata["tags"] == json.loads(tags)


def test_lessons_may_have_a_second_part(builder, folder):
    for name in ("01b_more.py", "build.py", "1_no.py", "01bc_no.py"):
        (folder / name).write_text("", encoding="utf-8")
    assert [path.name for path in builder.lessons(folder)] == ["01_lesson.py", "01b_more.py"]


@pytest.mark.notebooks
def test_many_are_built_side_by_side_and_one_failure_stops_no_other(builder, folder, monkeypatch):
    for name, text in (("02_broken.py", "1 / 0"), ("03_sound.py", "1")):
        (folder / name).write_text(f"# %%\n{text}\n", encoding="utf-8")
    done = dict(builder.build_all(builder.lessons(folder)))
    texts = [str(done[path]) for path in builder.lessons(folder)]
    assert "ZeroDivisionError" in texts[1]
    assert all(text.startswith("executed in") for text in (texts[0], texts[2]))


# ---------------------------------------------------------------- freshness


@pytest.fixture
def freshness(builder, monkeypatch, tmp_path):
    """The module under test, on a package made here: a over b over c, and rooms of several files."""
    module = sys.modules["freshness"]
    files = {
        "__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from atomlens import a, b",
        "a.py": "def f():\n    from atomlens import b\n    return b.g()\ndef alone(c=1):\n    return c",
        "b.py": "from . import c\ndef g(): return c.X\ndef unused(): return c.Y",
        "c.py": '"""Doc."""\nX = f"{1:>{2}}"\nY = 3\n',
        "room/__init__.py": "from atomlens.room import right\nfrom atomlens.room.left import left",
        "room/left.py": "import atomlens as al\ndef left(): return al.c.X\nclass Left:\n    z = al.a.alone\n",
        "room/right.py": "def g(left): return left",
        "lazy/__init__.py": "def __getattr__(name): ...",
        "lazy/__init__.pyi": "from .views import view",
        "lazy/views.py": "def view(): ...\ndef other(): ...",
        "lazy/rest.py": "REST = 1",
        "noisy.py": "import warnings\nwarnings.simplefilter('error')\nQUIET = 1",
        "sets.py": (
            "def load(name):\n    return PHANTOMS[name] if name in PHANTOMS else [*PHANTOMS.keys()]\n"
            "def listing():\n    return sorted(PHANTOMS)\n"
            "PHANTOMS = {\n    'one_x': dict(f='atomlens.c:X'),\n    'two_x': dict(f='atomlens.a:alone'),\n}"
        ),
    }
    for name, text in files.items():
        path = tmp_path / "src" / "atomlens" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    monkeypatch.setattr(module, "SOURCE", tmp_path / "src")
    return module


def _notebook(*cells):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])


WHOLE_ROOM = "a:alone c:X room.left:left,Left room.right:g"


@pytest.mark.parametrize(
    ("code", "reached"),
    [
        ("import numpy as np\nnp.a.b", ""),
        ("import atomlens", ""),
        ("al.c.X", ""),
        ("import atomlens\natomlens.c.X", "c:X"),
        ("import atomlens as al\nal.a.f()", "a:f b:g c:X"),
        ("import atomlens as al\nal.a.alone()", "a:alone"),
        ("import atomlens.c", "c:X,Y"),
        ("from atomlens import c as x\nx.Y", "c:Y"),
        ("from atomlens import c as x\nprint(x)", "c:X,Y"),
        ("from atomlens.c import X\nX", "c:X"),
        ("import atomlens as al\nal.room.left()", "c:X room.left:left"),
        ("import atomlens as al\nal.room.right.g()", "room.right:g"),
        ("from atomlens.room.left import Left\nLeft", "a:alone room.left:Left"),
        ("import atomlens as al\nroom = al.room", WHOLE_ROOM),
        ("from atomlens.room import anything\nanything", WHOLE_ROOM),
        ("from atomlens import lazy\nlazy.view()", "lazy.views:view"),
        (
            "from atomlens import lazy\nlazy.made_up()",
            "lazy:__getattr__ lazy.rest:REST lazy.views:view,other",
        ),
        ("from atomlens.noisy import QUIET\nQUIET", "noisy:Expr,QUIET"),
        ("def f():\n    import atomlens as al\n    return [al.c.X for _ in ()]", "c:X"),
        ("from atomlens import c\ndef f(c):\n    return c.X", ""),
        ("from atomlens import c\ndef f():\n    g = lambda c: c.Y\n    return c.X", "c:X"),
        ("from atomlens import sets\nsets.load('one_x')", "c:X sets:load,Call"),
        ("from atomlens import sets\nsets.load(f'o{1}_x')", "a:alone c:X sets:load,Call,Call"),
        ("from atomlens import sets\n[sets.load(f'two_{x}') for x in 'xy']", "a:alone sets:load,Call"),
        ("from atomlens import sets\nsets.load(input())", "a:alone c:X sets:load,Call,Call"),
        ("from atomlens import sets\nsets.listing()", "a:alone c:X sets:listing,PHANTOMS"),
        ("print('atomlens.c:Y')", "c:Y"),
        ("print('atomlens.c')", ""),
        ("from importlib import import_module\nimport_module('atomlens.c')", "c:X,Y"),
    ],
)
def test_what_code_reaches(freshness, code, reached):
    found = freshness.Reach(ast.parse(code).body).modules
    texts = []
    for module, statements in sorted(found.items()):
        names = [
            getattr(s, "name", None) or (s.targets[0].id if hasattr(s, "targets") else type(s).__name__)
            for s in statements
        ]
        texts.append(f"{module.removeprefix('atomlens.')}:{','.join(names)}")
    assert " ".join(texts) == reached
    assert list(freshness.fingerprint(_notebook(code))["modules"]) == sorted(found)


def _print_of(freshness, *cells):
    return freshness.fingerprint(_notebook(*cells))["code"]


def test_comments_docstrings_and_layout_do_not_count(freshness):
    plain = _print_of(freshness, "def f(x):\n    return g(x, 'a')", "1")
    assert (
        _print_of(freshness, "# hi\ndef f(x: int) -> str:\n    'Doc.'\n\n    return g( x,\n  \"a\")", "1")
        == plain
    )
    for other in (
        ("def f(x):\n    return g(x, 'b')", "1"),
        ("def f(y):\n    return g(y, 'a')", "1"),
        ("def f(x):\n    return g(x, 'a')\n1",),
        ("def f(x):\n    return g(x, 'a')", "2"),
        ("def f(x):\n    'Doc.'\n    'no doc'\n    return g(x, 'a')", "1"),
    ):
        assert _print_of(freshness, *other) != plain


def test_annotations_count_only_where_they_make_a_field(freshness):
    assert _print_of(freshness, "x: int = 1") == _print_of(freshness, "x = 1")
    assert _print_of(freshness, "class A:\n    x: int = 1") != _print_of(freshness, "class A:\n    x = 1")
    assert _print_of(freshness, "class A:\n    x: int = 1") == _print_of(
        freshness, "class A:\n    x: str = 1"
    )


def test_a_module_counts_like_code(freshness):
    notebook = _notebook("import atomlens.c")
    before = freshness.fingerprint(notebook)
    path = freshness.SOURCE / "atomlens" / "c.py"
    path.write_text('"""Another."""\n# and this\nX: str = f"{1:>{2}}"\nY = 3\n', encoding="utf-8")
    assert freshness.fingerprint(notebook) == before
    path.write_text('"""Another."""\nX = f"{1:>{3}}"\nY = 3\n', encoding="utf-8")
    assert freshness.fingerprint(notebook) != before


def test_a_stored_table_counts_where_it_is_named(freshness):
    results = freshness.SOURCE.parent / "data" / "results"
    results.mkdir(parents=True)
    for name in ("one", "other"):
        (results / f"{name}.csv").write_text("a\n1\n", encoding="utf-8")
    notebook = _notebook("stored_table('one')")
    before = freshness.fingerprint(notebook)
    assert list(before["files"]) == ["results/one.csv"]
    (results / "other.csv").write_text("a\n2\n", encoding="utf-8")
    assert freshness.fingerprint(notebook) == before
    (results / "one.csv").write_text("a\n2\n", encoding="utf-8")
    assert freshness.fingerprint(notebook) != before


def test_the_fingerprint_is_the_same_in_every_python(freshness):
    """What Python 3.12 and later record in addition does not count; this number is from 3.11."""
    code = "class A:\n    def f(self, *a, k=1, **b):\n        return f'{a!r:>{k}} {b}' + 'x' 'y'\n"
    assert _print_of(freshness, code) == "c9694c9d6bb4"


# ---------------------------------------------------------------- freshness of the lessons themselves


@pytest.fixture(scope="module")
def copied(root, tmp_path_factory):
    """A copy of the package that may be changed."""
    folder = tmp_path_factory.mktemp("copied") / "src"
    shutil.copytree(root / "src", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize(
    ("file", "name", "stale", "fresh"),
    [
        ("defects/_hits.py", "hits_of", "05", "01 04"),
        ("spectra/selection.py", "choose_k", "01", "02 03 04 05 06"),
        ("lattice/estimation.py", "estimate", "04 05 06", "01"),
        ("plotting/crystallography.py", "contingencies", "04", "00 01 02 03 05 06"),
        ("simulate/spectra.py", "low_loss", "01b", "01 02 03 04 05 06"),  # a phantom, named as a text
        ("notebook.py", "show", "00 01 02 03 04 05 06", ""),
    ],
)
def test_a_change_makes_stale_what_uses_it(builder, monkeypatch, copied, file, name, stale, fresh):
    def prints():
        return {
            path.name.partition("_")[0]: module.fingerprint(builder.read(path)) for path in builder.lessons()
        }

    module = sys.modules["freshness"]
    monkeypatch.setattr(module, "SOURCE", copied)
    before = prints()
    path = copied / "atomlens" / file
    text = path.read_text(encoding="utf-8")
    [function] = [node for node in ast.parse(text).body if getattr(node, "name", None) == name]
    lines = text.splitlines()
    for added, changed in (("    # a comment", False), ("    pass", True)):
        path.write_text("\n".join([*lines[: function.end_lineno], added, *lines[function.end_lineno :]]))
        after = prints()
        differs = {lesson for lesson in before if before[lesson] != after[lesson]}
        assert set(stale.split()) & differs == (set(stale.split()) if changed else set())
        assert not set(fresh.split()) & differs
    path.write_text(text, encoding="utf-8")
