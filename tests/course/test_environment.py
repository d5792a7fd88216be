"""The report on the machine: what is missing is named with its remedy, and nothing is changed."""

import subprocess
import sys

import pytest

from atomlens.course import environment, environment_report
from atomlens.datasets._fetch import cache_folder


def test_the_report_is_ready_here_and_imports_no_torch():
    code = (
        "import sys, atomlens as al; report = al.course.environment_report(); print(report); "
        "sys.exit(not report.ready or 'torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Ready: everything that the lessons need is here." in answer.stdout
    for part in ("Python", "scikit-learn", "torch", "processor", "memory", "GPU", "data mirror", "cache"):
        assert f"\n{part} " in f"\n{answer.stdout}"


def _remarks(report):
    return report.table.set_index("part")["remark"]


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    real = environment.metadata.version

    def version(name):
        if name in ("diptest", "torch"):
            raise environment.metadata.PackageNotFoundError(name)
        return "0.1" if name == "scipy" else real(name)

    monkeypatch.setattr(environment.metadata, "version", version)
    report = environment_report()
    assert not report.ready
    assert [problem.partition(":")[0] for problem in sorted(report.problems)] == [
        "diptest is missing", "scipy 0.1 does not fit", "torch is missing",
    ]  # fmt: skip
    assert all("pip install" in problem for problem in report.problems)
    assert report.verdict.startswith("Not ready. ")
    assert "Not ready." in repr(report)
    assert "Not ready." in report._repr_html_()


def test_a_version_that_was_not_tested_is_only_remarked(monkeypatch):
    monkeypatch.setattr(environment, "_pins", lambda: {"numpy": "99.0"})
    report = environment_report()
    assert report.ready
    assert _remarks(report)["numpy"] == "tested with 99.0"


def test_a_checkout_knows_the_tested_versions():
    assert "numpy" in environment._pins()


def test_the_local_build_of_torch_counts_as_the_tested_version():
    assert _remarks(environment_report())["torch"] == ""


@pytest.mark.parametrize(
    ("variable", "problem"),
    [("ATOMLENS_DATA_DIR", "Correct ATOMLENS_DATA_DIR"), ("ATOMLENS_CACHE_DIR", "Set ATOMLENS_CACHE_DIR")],
)
def test_a_folder_that_cannot_be_used_is_a_problem(monkeypatch, tmp_path, variable, problem):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv(variable, str(file / "folder"))
    report = environment_report()
    assert problem in report.verdict


def test_the_report_names_the_cache_that_is_used(monkeypatch, tmp_path):
    monkeypatch.setenv("ATOMLENS_CACHE_DIR", str(tmp_path / "new"))
    here = environment_report().table.set_index("part")["here"]
    assert here["cache"] == str(cache_folder())
    assert not (tmp_path / "new").exists()  # a report changes nothing


def test_an_old_python_and_little_memory_are_problems(monkeypatch):
    monkeypatch.setattr(environment, "_PYTHONS", ((3, 99),))
    monkeypatch.setattr("psutil.virtual_memory", type("Memory", (), {"total": 2**30}))
    problems = " ".join(environment_report().problems)
    assert "Use Python 3.99" in problems
    assert "Less than 1.5 GiB" in problems


def test_a_gpu_is_named(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'A100'\necho 'A100'\n")
    program.chmod(0o755)
    monkeypatch.setattr(environment.shutil, "which", lambda name: str(program))
    assert environment_report().table.set_index("part")["here"]["GPU"] == "A100, A100"
