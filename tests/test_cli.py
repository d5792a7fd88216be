"""The command line, as a shell runs it."""

import contextlib
import io as io_
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest

from atomlens import cli, io, simulate

PROGRAM = str(Path(sys.executable).with_name("atomlens"))


def shell(*arguments):
    """What a shell gets of the installed program, or of another."""
    return subprocess.run([*map(str, arguments)], capture_output=True, text=True, check=False)


def run(*arguments, cwd="."):
    """The same in this process, which has imported everything already."""
    out, err, code = io_.StringIO(), io_.StringIO(), 0
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        contextlib.chdir(cwd),
        mock.patch.object(sys, "argv", [PROGRAM, *map(str, arguments)]),
    ):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


@pytest.fixture(scope="module")
def image_file(tmp_path_factory):
    """A lattice with one vacancy, in a file whose name needs care."""
    sheet = simulate.structures.perovskite((5, 5))
    sheet = simulate.defects.vacancies(sheet, kind="column", at=[(2.1, 2.3)])
    image = simulate.image(sheet, electrons=400, random_state=1).data
    return io.write(image, tmp_path_factory.mktemp("my data") / "Probe ä.tif")


def test_help_is_there_at_once_and_names_every_command():
    start = time.perf_counter()
    done = shell(PROGRAM, "--help")
    assert time.perf_counter() - start < 5  # it takes 0.2 s; this guards against torch
    assert done.returncode == 0
    commands = (
        "inspect look columns defects domains phases clusters latent report compare batch watch datasets"
    )
    for command in commands.split():
        assert command in done.stdout
    heavy = "('torch', 'scipy', 'xarray', 'pandas')"
    loaded = f"import sys, atomlens.cli; print([m for m in {heavy} if m in sys.modules])"
    assert shell(sys.executable, "-c", loaded).stdout.strip() == "[]"
    assert shell(PROGRAM, "--version").stdout.startswith("atomlens ")


def test_the_installed_program_ends_with_a_code_and_a_sentence(tmp_path):
    done = shell(PROGRAM, "report", tmp_path / "missing.tif")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: there is no file")


def test_inspect_says_what_it_is_and_json_can_be_read(image_file):
    said = run("inspect", image_file)
    assert "lattice image" in said.stdout
    told = json.loads(run("inspect", image_file, "--json").stdout)
    assert told["kind"] == "lattice image"
    assert told["analyses"]["defects"]["sensible"] is True


def test_one_analysis_prints_its_numbers_with_units(image_file, tmp_path):
    done = run("defects", image_file, "--lattice", "0.4", "--json", "--out", tmp_path / "out")
    told = json.loads(done.stdout)
    assert told["numbers"]["defects"]["value"] == 1
    assert told["numbers"]["defect density"]["unit"] == "1/nm²"
    assert told["settings"]["lattice"] == 0.4
    assert (tmp_path / "out" / "report.html").is_file()
    plain = run("columns", image_file, "-q")
    assert plain.stdout.startswith("columns")
    assert plain.stderr == ""


def test_a_report_lands_beside_and_is_not_overwritten(image_file, tmp_path):
    done = run("report", image_file, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = tmp_path / "Probe ä_report" / "report.html"
    assert page.is_file()
    assert done.stdout.strip().endswith("report.html")
    again = run("report", image_file, cwd=tmp_path)
    assert again.returncode == 1
    assert "--force" in again.stderr
    assert len(again.stderr.splitlines()) == 1
    settings = page.parent / "settings.json"
    assert (
        run(
            "report", image_file, "--settings", settings, "--force", "--analysis", "columns", cwd=tmp_path
        ).returncode
        == 0
    )
    assert "defects" not in [path.stem for path in (page.parent / "tables").iterdir()]


def test_files_are_compared_in_one_table(image_file, tmp_path):
    perfect = simulate.image(simulate.structures.perovskite((5, 5)), electrons=400, random_state=5).data
    other = io.write(perfect, tmp_path / "perfect.tif")
    told = json.loads(run("compare", image_file, other, "--out", tmp_path / "table.csv", "--json").stdout)
    assert {name: row["defects"] for name, row in told["files"].items()} == {
        "Probe ä.tif": 1,
        "perfect.tif": 0,
    }
    assert (tmp_path / "table.csv").is_file()
    assert run("compare", image_file).returncode == 2
    assert "named twice" in run("compare", image_file, image_file).stderr


def test_look_writes_a_picture(image_file, tmp_path):
    assert run("look", image_file, "--out", tmp_path / "seen.png").returncode == 0
    assert (tmp_path / "seen.png").read_bytes()[1:4] == b"PNG"
    refused = run("look", image_file, "--out", tmp_path / "seen.doc")
    assert refused.returncode == 2


def test_datasets_are_listed():
    assert {"name", "kind"} <= set(json.loads(run("datasets", "--json").stdout)[0])


def bad_files(folder):
    """Files that are nothing, each with what its message must say."""
    (folder / "empty.tif").touch()
    (folder / "cut.hspy").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 50)
    (folder / "text.dm3").write_text("hello")
    (folder / "letters.doc").write_text("hello")
    np.save(folder / "complex.npy", np.ones((40, 40), dtype=complex))
    np.savez(folder / "two.npz", a=np.eye(40), b=np.eye(40))
    np.save(folder / "four.npy", np.zeros((3, 4, 5, 6)))
    (folder / "folder.tif").mkdir()
    return {
        "missing.tif": "no file",
        "empty.tif": "empty",
        "cut.hspy": "cut.hspy",
        "text.dm3": "text.dm3",
        "letters.doc": "type",
        "complex.npy": "complex",
        "two.npz": "signal",
        "four.npy": "dimensions",
        "folder.tif": "folder",
    }


def test_a_mistake_is_one_sentence_and_no_stack_trace(tmp_path):
    for name, word in bad_files(tmp_path).items():
        done = run("report", tmp_path / name, "--out", tmp_path / "out")
        assert done.returncode == 1, name
        assert done.stderr.startswith("Error: "), (name, done.stderr)
        assert "Traceback" not in done.stderr
        assert word in done.stderr, (name, done.stderr)
        assert len(done.stderr.splitlines()) <= 3, (name, done.stderr)
        assert not (tmp_path / "out").exists()
    with pytest.raises(io.FormatError):
        run("--debug", "report", tmp_path / "empty.tif")


def test_options_that_make_no_sense_are_told(image_file):
    for options, word in (
        (("--lattice", "big"), "--lattice"),
        (("--pixel-size", "-1"), "positive"),
        (("--threshold", "7"), "between"),
        (("--analysis", "magic"), "magic"),
        (("--nonsense",), "--nonsense"),
    ):
        done = run("report", image_file, *options)
        assert done.returncode in (1, 2)
        assert word in done.stderr
        assert "Traceback" not in done.stderr


def test_several_signals_are_listed_and_one_is_chosen(tmp_path):
    np.savez(tmp_path / "two.npz", first=np.eye(40), second=np.random.default_rng(0).poisson(9, (40, 40)))
    said = run("inspect", tmp_path / "two.npz")
    assert "first" in said.stdout
    assert "--signal" in said.stderr
    assert run("inspect", tmp_path / "two.npz", "--signal", "second").returncode == 0


def test_spectra_are_clustered(tmp_path):
    si = simulate.spectra.eels(2, shape=(10, 10), random_state=0).data
    path = io.write(si, tmp_path / "map.zarr")
    told = json.loads(run("clusters", path, "--n-clusters", "2", "--json").stdout)
    assert told["numbers"]["clusters"]["value"] == 2
    refused = run("defects", io.write(si[0], tmp_path / "line.zarr"))
    assert "no analysis of a line scan" in refused.stderr


def test_many_files_go_through_one_command_and_a_restart_goes_on(image_file, tmp_path):
    (tmp_path / "bad.tif").write_text("no image")
    files, out = (image_file, tmp_path / "bad.tif"), tmp_path / "results"
    less = ("--workers", 0, "--analysis", "columns", "--reports")
    done = run("batch", *files, "--out", out, *less)
    assert done.returncode == 0, done.stderr
    assert "failed: bad.tif: FormatError" in done.stderr
    assert len(list((tmp_path / "results_reports").glob("*/report.html"))) == 1
    told = json.loads(run("batch", *files, "--out", out, *less, "--json").stdout)["files"]
    assert told[str(image_file)]["status"] == "done"
    assert told[str(image_file)]["number of columns"] > 200
    assert told[str(tmp_path / "bad.tif")]["status"] == "failed"
    (out.parent / "other").mkdir()
    (out.parent / "other" / "mine.txt").touch()
    refused = run("batch", image_file, "--out", out.parent / "other")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr


def test_a_folder_is_watched_and_each_new_file_gets_its_report(tmp_path):
    (tmp_path / "in").mkdir()
    line = simulate.spectra.eels(2, shape=(8, 8)).data[0]
    io.write(line, tmp_path / "in" / "line.hspy")
    done = run("watch", tmp_path / "in", "--out", tmp_path / "out", "--stop-after", "1", "-q")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out_reports").glob("line.hspy.*/report.html"))) == 1
