"""The notebooks themselves: what is stored is sound, and what is written runs."""

import pytest

pytestmark = pytest.mark.notebooks

MAX_PEAK_MB = 1200  # Binder gives 2 GB to everything together

# A machine without the data and without a network: every connection is refused at once.
OFFLINE = {
    "ATOMLENS_DATA_DIR": None,
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9"),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), None),
}


def test_there_are_notebooks(builder):
    assert [path.stem for path in builder.lessons()][:2] == ["00_start_here", "01_spectral_clustering"]
    assert builder.solutions()


@pytest.mark.parametrize("check", ["generated", "paired", "kernel", "fresh", "outputs", "cells", "length"])
def test_stored(builder, source, check):
    assert builder.problems(source, check) == []


def test_every_check_of_the_builder_is_run_here(builder):
    [mark] = [mark for mark in test_stored.pytestmark if mark.name == "parametrize"]
    assert mark.args[1] == list(builder.CHECKS)


def _run(builder, path, record_property, **options):
    """Run in fast mode, record what it cost, and return all that was displayed as text."""
    run = builder.execute(path, budget="fast", **options)
    record_property("cost", f"{path.stem}: {run.seconds:.1f} s, peak memory {run.peak_mb:.0f} MB")
    assert run.peak_mb < MAX_PEAK_MB
    outputs = [output for cell in run.notebook.cells for output in cell.get("outputs", [])]
    warnings = [output.text for output in outputs if output.get("name") == "stderr"]
    assert warnings == []
    assert list(builder._pictures(run.notebook)) == []
    return [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]


def test_runs_without_data_and_without_network(builder, measured, tmp_path, record_property):
    _run(builder, measured, record_property, env={**OFFLINE, "ATOMLENS_CACHE_DIR": str(tmp_path)})


@pytest.mark.thorough
def test_runs_with_real_data(builder, measured, data_dir, tmp_path, record_property):
    """As every lesson does in the browser's tests, too, where the data are."""
    _run(builder, measured, record_property, env={"ATOMLENS_CACHE_DIR": str(tmp_path)})


def test_runs_where_nothing_is_measured(builder, simulated, tmp_path, record_property):
    _run(builder, simulated, record_property, env={**OFFLINE, "ATOMLENS_CACHE_DIR": str(tmp_path)})


def test_a_student_can_run_an_exercise_before_answering(builder, student, tmp_path, record_property):
    shown = _run(builder, student, record_property, env={**OFFLINE, "ATOMLENS_CACHE_DIR": str(tmp_path)})
    verdicts = [text for text in shown if text[:1] in ("✓", "✗", "○")]
    assert verdicts
    assert [text for text in verdicts if "not answered yet" not in text] == []
