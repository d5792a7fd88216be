"""Lesson 10 as papermill runs it: with a file of one's own, its settings, and a place for the report."""

import json

import papermill
import pytest

from atomlens import datasets
from atomlens.report import Settings

pytestmark = pytest.mark.notebooks


def run(root, folder, **parameters):
    papermill.execute_notebook(
        root / "notebooks" / "10_your_sample.ipynb", folder / "mine.ipynb", parameters, progress_bar=False
    )
    return (folder / "mine.ipynb").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["dict", "file"])
def test_papermill_makes_the_report_of_another_file(root, tmp_path, kind):
    settings = {"n_clusters": 3}
    if kind == "file":
        settings = str(Settings(n_clusters=3).save(tmp_path / "settings.json"))
    path = datasets.sample_path("spectrum_image.hspy")
    made = run(root, tmp_path, path=str(path), settings=settings, report_to=str(tmp_path / "report"))
    assert "smallest cluster" in made
    written = json.loads((tmp_path / "report" / "settings.json").read_text(encoding="utf-8"))
    assert written["n_clusters"] == 3
    assert (tmp_path / "report" / "report.html").is_file()


def test_a_file_that_is_not_there_is_one_error_and_no_report(root, tmp_path):
    with pytest.raises(papermill.PapermillExecutionError, match=r"no file .*absent\.tif"):
        run(root, tmp_path, path="absent.tif", report_to=str(tmp_path / "report"))
    assert not (tmp_path / "report").exists()
