"""A new lesson from the template: it runs, is sound and tested as it stands, and overwrites nothing."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def template(root):
    spec = importlib.util.spec_from_file_location("lesson_template", root / "notebooks" / "template.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(root, tmp_path):
    """As much of the project as a lesson needs, to write into."""
    ignored = shutil.ignore_patterns("__pycache__", "*.ipynb", ".ipynb_checkpoints")
    for folder in ("notebooks", "src"):
        shutil.copytree(root / folder, tmp_path / folder, ignore=ignored)
    (tmp_path / "tests" / "course").mkdir(parents=True)
    (tmp_path / "data").symlink_to(root / "data")
    for file in ("README.md", "pyproject.toml"):
        shutil.copy(root / file, tmp_path)
    return tmp_path


@pytest.mark.notebooks
def test_a_new_lesson_passes_as_it_is(template, checkout):
    written = template.write("77b_new_room", checkout)
    assert len(written) == 6
    env = {**os.environ, "PYTHONPATH": str(checkout / "src"), "ATOMLENS_BUDGET": "fast"}

    def run(*command):
        done = subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "ruff", "check", ".")
    run(sys.executable, "-m", "ruff", "format", "--check", *map(str, written[:4]))
    run(sys.executable, "notebooks/build.py", "build", "77b_new_room")
    assert run(sys.executable, "notebooks/build.py", "check", "77b_new_room") == ""
    assert "5 passed" in run(sys.executable, "-m", "pytest", "-q", "tests/course")
    for table in ("README.md", "notebooks/00_start_here.py"):
        lines = (checkout / table).read_text(encoding="utf-8").splitlines()
        rows = [line for line in lines if ".ipynb)" in line and line.lstrip("# ").startswith("| [")]
        assert all("77b_new_room" in row for row in rows[-2:])


def test_rows_stand_in_the_order_of_the_lessons(template, checkout):
    template.write("08c_more_networks", checkout)
    lines = (checkout / "README.md").read_text(encoding="utf-8").splitlines()
    [first, second] = [i for i, line in enumerate(lines) if "08c_more_networks" in line]
    assert "exercises/08b_silicon_edge" in lines[first - 1]
    assert "09_protein_assembly" in lines[second + 1]


def test_a_name_of_a_room_is_refused(template, checkout):
    with pytest.raises(ValueError, match="'columns' is a room"):
        template.write("09_columns", checkout)


@pytest.mark.parametrize("name", ["", "defects", "7_defects", "07-defects", "07_Defects", "../07_x"])
def test_other_names_are_refused(template, checkout, name):
    with pytest.raises(ValueError, match="two digits and words"):
        template.write(name, checkout)


def test_nothing_is_overwritten(template, checkout):
    before = (checkout / "README.md").read_text(encoding="utf-8")
    with pytest.raises(FileExistsError, match="atom_finding"):
        template.write("08_atom_finding", checkout)  # its module of exercises exists
    assert not (checkout / "notebooks" / "08_atom_finding.py").exists()
    assert (checkout / "README.md").read_text(encoding="utf-8") == before
