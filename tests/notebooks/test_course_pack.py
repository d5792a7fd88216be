"""The course pack: assignments hide what is to be written and check what was; nobody's files are lost."""

import importlib.util
import re
import sys

import nbformat
import pytest


@pytest.fixture(scope="module")
def pack(root):
    spec = importlib.util.spec_from_file_location("pack", root / "notebooks/teaching/pack.py")
    module = sys.modules["pack"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def course(pack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack") / "course"
    pack.write(folder)
    return folder


def told(cell):
    return cell.metadata.get("nbgrader", {})


def code(*cells):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def test_a_solution_is_divided_into_what_is_written_and_what_is_checked(pack):
    cell = "size = 3\n# --- solution\nn = size + 1\n# --- end\nexercise.check_size(n)"
    write, test = pack.assignment(code(cell)).cells[1:-1]
    assert write.source == "size = 3\nn = ...\n### BEGIN SOLUTION\nn = size + 1\n### END SOLUTION"
    assert (told(write)["solution"], told(write)["grade"], told(write)["locked"]) == (True, False, False)
    assert test.source == "exercise.check_size(n)"
    assert (told(test)["grade"], told(test)["locked"], told(test)["points"]) == (True, True, 2)
    assert told(test)["grade_id"] == "check-size"


def test_a_question_is_worth_less_and_is_named_by_what_it_asks(pack):
    cell = '# --- solution\noption = "a"\n# --- end\nexercise.question("why not 90°?", option)'
    test = pack.assignment(code(cell)).cells[2]
    assert (told(test)["grade_id"], told(test)["points"]) == ("question-why-not-90", 1)


def test_the_name_is_the_student_s_and_the_sample_is_locked(pack):
    own, sample = pack.assignment(code('exercise = Exercise("Ada Lovelace")\nexercise.image')).cells[1:-1]
    assert own.source.startswith('student = ""')  # which is refused, so that nobody forgets it
    assert not told(own)
    assert sample.source == "exercise = Exercise(student)\nexercise.image"
    assert told(sample)["locked"]


def test_one_name_is_not_given_twice(pack):
    cell = "# --- solution\nn = 1\n# --- end\nexercise.check_size(n)"
    with pytest.raises(ValueError, match="check-size"):
        pack.assignment(code(cell, cell))


def test_every_exercise_becomes_an_assignment(pack, root, course):
    for solution in pack.build.solutions():
        name = pack.build.student_of(solution).stem
        notebook = nbformat.read(course / "source" / name / f"{name}.ipynb", as_version=4)
        checks = re.findall(r"(?m)^exercise\.(check|question)", solution.read_text(encoding="utf-8"))
        graded = [cell for cell in notebook.cells if told(cell).get("grade")]
        assert len(graded) == len(checks) > 5
        assert sum(told(cell)["points"] for cell in graded) == sum(pack.POINTS[kind] for kind in checks)
        assert [cell.source.startswith("student = ") for cell in notebook.cells].count(True) == 1
        assert not any("Ada Lovelace" in cell.source for cell in notebook.cells)
        assert "**An assignment.**" in notebook.cells[0].source
        assert not any("](.." in cell.source for cell in notebook.cells)
        assert notebook.cells[-1].source == 'print("sample", exercise.seed)'
        assert all(not cell.get("outputs") for cell in notebook.cells)


def test_pairs_have_outputs_or_none_and_their_links_hold(course):
    unfilled = sorted((course / "unfilled").rglob("*.ipynb"))
    completed = sorted((course / "completed").rglob("*.ipynb"))
    assert [path.name for path in unfilled] == [path.name for path in completed]
    assert len(unfilled) > 25
    for blank, full in zip(unfilled, completed, strict=True):
        blank_cells, full_cells = (nbformat.read(path, as_version=4).cells for path in (blank, full))
        assert not any(cell.get("outputs") for cell in blank_cells)
        assert any(cell.get("outputs") for cell in full_cells)
        assert "# --- solution" not in "".join(cell.source for cell in blank_cells)
        for cell in full_cells:
            for link in re.findall(r"\]\(([\w./]+\.(?:ipynb|md))\)", cell.source):
                assert (full.parent / link).exists(), f"{full.name}: {link}"


def test_the_syllabus_names_every_lesson_with_its_goals(course):
    text = (course / "syllabus.md").read_text(encoding="utf-8")
    for number in range(11):
        assert f"**{number:02d} · " in text
    assert text.count("\n- ") > 30


def test_data_come_with_their_licences(course):
    text = (course / "data" / "README.md").read_text(encoding="utf-8")
    folders = [path for path in (course / "data").iterdir() if path.is_dir()]
    assert len(re.findall(r"(?m)^- \*\*", text)) >= len(folders)
    assert all(
        "Licence: " in line and "cite" in line for line in text.splitlines() if line.startswith("- **")
    )


def test_a_folder_of_others_is_refused_and_a_roster_is_kept(pack, course, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(FileExistsError, match="something else"):
        pack.write(tmp_path)
    (course / "roster.csv").write_text("id,name\nada,Ada Lovelace\n", encoding="utf-8")
    handed_out = course / "source/05_patterson_ocsvm/05_patterson_ocsvm.ipynb"
    handed_out.write_text("as handed out", encoding="utf-8")
    (course / "submitted/ada").mkdir(parents=True)
    (course / "submitted/ada/05_patterson_ocsvm (1).ipynb").touch()  # as a browser saves it
    pack.write(course)
    assert handed_out.read_text(encoding="utf-8") == "as handed out"  # work on it is judged by it
    assert "ada" in (course / "roster.csv").read_text(encoding="utf-8")


def test_two_checks_in_a_cell_are_two(pack):
    cell = "# --- solution\na, b = 1, 2\n# --- end\nexercise.check_a(a)\nexercise.check_b(b)"
    write, one, two = pack.assignment(code(cell)).cells[1:-1]
    assert [told(c)["grade_id"] for c in (write, one, two)] == ["check-a-answer", "check-a", "check-b"]
    assert write.source.startswith("a = ...\nb = ...\n")
