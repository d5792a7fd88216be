"""The page object sees what goes wrong: a test that cannot fail would say nothing about the lessons."""

import nbformat
import pytest

pytestmark = pytest.mark.browser

TROUBLE = {
    "a warning": "import warnings\nwarnings.warn('beware')",
    "a message of the page": "from IPython.display import HTML\nHTML('<img src=\"/nowhere.png\">')",
    "a traceback": "1 / 0",
    "never reached": "print('never reached')",
}


def _write(lab, name, cells, kernel):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    if kernel:
        notebook.metadata["kernelspec"] = {"name": kernel, "display_name": "", "language": "python"}
    nbformat.write(notebook, lab.folder / name)


def test_trouble_is_seen(lab, lab_page):
    _write(lab, "trouble.ipynb", TROUBLE.values(), kernel="python3")
    lab_page.open("trouble.ipynb")
    lab_page.run_all()
    errors = "\n".join(lab_page.errors())
    for sign in ("UserWarning: beware", "ZeroDivisionError", "nowhere.png"):
        assert sign in errors


def test_a_question_for_the_kernel_is_seen(lab, lab_page):
    _write(lab, "nameless.ipynb", ["1"], kernel="unknown-to-all")
    lab_page.page.goto(f"{lab.url}lab/tree/nameless.ipynb?reset&token={lab.token}")
    lab_page.page.locator(".jp-Dialog").wait_for()
    assert "Select Kernel" in "\n".join(lab_page.errors())


def test_outputs_are_those_of_this_run(lab, lab_page):
    """The stored numbers of an earlier run do not pass for a run."""
    _write(lab, "slow.ipynb", ["import time\ntime.sleep(3)", "print('now' + 'here')"], kernel="python3")
    notebook = nbformat.read(lab.folder / "slow.ipynb", as_version=4)
    for number, cell in enumerate(notebook.cells, start=1):
        cell.execution_count = number
    nbformat.write(notebook, lab.folder / "slow.ipynb")
    lab_page.open("slow.ipynb")
    lab_page.run_all()
    assert lab_page.notebook.locator(".jp-OutputArea-output").inner_text().strip() == "nowhere"
    assert lab_page.errors() == []
