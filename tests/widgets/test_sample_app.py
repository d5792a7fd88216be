"""The app: what it knows without a screen, and a view that follows it."""

import html
import io as bytes_io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.backend_bases import MouseEvent

from atomlens import datasets, io, simulate
from atomlens.report import Settings
from atomlens.widgets import SampleModel, sample_app
from atomlens.widgets._inbox import Inbox


@pytest.fixture(scope="module")
def planted():
    """A crystal of two sublattices with one missing column, and where that was."""
    sheet = simulate.structures.perovskite((5, 5))
    sheet = simulate.defects.vacancies(sheet, kind="column", at=[(2.1, 2.3)])
    return simulate.image(sheet, electrons=400, random_state=4)


@pytest.fixture(scope="module")
def lattice_file(planted, tmp_path_factory):
    return io.write(planted.data, tmp_path_factory.mktemp("data") / "Prüfling <i>1 & 2.tif")


@pytest.fixture(scope="module")
def bare_file(planted, tmp_path_factory):
    """The same image without a scale."""
    return io.write(planted.data.values.astype("float32"), tmp_path_factory.mktemp("bare") / "bare.tif")


@pytest.fixture(scope="module")
def analysed(lattice_file):
    """A model that no test changes."""
    model = SampleModel(lattice_file)
    assert model.analyse(), model.error
    return model


def test_a_file_is_looked_at_before_anything_is_computed(lattice_file, planted):
    model = SampleModel(lattice_file)
    assert model.data.shape == planted.data.shape
    assert model.found is None
    assert (model.layers, model.layer) == (["image"], "image")
    assert model.stale
    assert model.here() == {}
    height, width = planted.data.shape
    assert model.place == (width // 2, height // 2)


def test_what_was_planted_is_found_and_told_at_the_place(analysed, planted):
    assert analysed.layers == ["image", "columns", "defects", "domains", "phases", "displacements"]
    assert analysed.layer == "columns"
    hits = analysed.found.known["defects"].defects
    assert len(hits) == 1
    model = SampleModel(analysed.path)
    model._memory = analysed._memory
    assert model.analyse()
    column = planted.truth.iloc[40]
    model.place = (column["x"], column["y"])
    said = model.here()
    size = float(planted.data.x[1])
    x, y = (float(text) for text in said["column"].split(")")[0].strip("(").split(","))
    assert np.hypot(x - size * column["x"], y - size * column["y"]) < 0.01
    assert said["column"].endswith("pm")
    assert said["domain"] == "0"
    hit = hits.iloc[0]
    model.place = (hit["x"], hit["y"])
    assert model.here()["nearest defect"].startswith("0.00 nm away")


def test_cheap_settings_are_followed_at_once_and_the_others_wait(lattice_file, analysed):
    model = SampleModel(lattice_file)
    model._memory = analysed._memory
    model.analyse()
    expected = model.found.numbers.value["false alarms expected"]
    assert model.change(false_alarm_rate=1e-2)
    assert model.found.numbers.value["false alarms expected"] == pytest.approx(100 * expected)
    assert not model.stale
    assert model.change(n_phases=2)
    assert model.found.known["phases"].n_clusters == 2
    assert model.change(threshold=0.3)
    assert model.stale
    model.undo()
    assert not model.stale
    model.undo()
    assert model.settings == Settings(false_alarm_rate=1e-2)
    assert model.found.settings == model.settings


def test_columns_are_removed_added_and_taken_back(lattice_file):
    model = SampleModel(lattice_file)
    model.analyse()
    columns = model.found.known["columns"]
    count, victim = len(columns), columns.iloc[30]
    # Near a column is enough; what goes is the column itself.
    assert model.remove(victim["x"] + 1.5, victim["y"] - 1)
    assert model.settings.removed == ((victim["x"], victim["y"]),)
    assert model.analyse(), model.error
    assert len(model.found.known["columns"]) == count - 1
    assert model.add(victim["x"] + 1, victim["y"])
    assert model.analyse(), model.error
    columns = model.found.known["columns"]
    assert len(columns) == count
    gap = np.hypot(columns["x"] - victim["x"], columns["y"] - victim["y"])
    assert gap.min() < 0.2  # fitted, not left where it was put
    model.place = (victim["x"], victim["y"])
    assert model.here()["score"] == "set by hand"
    assert any("by hand" in doubt for doubt in model.found.doubts)
    assert model.remove(victim["x"], victim["y"])
    assert model.settings.added == ()


def with_memory(analysed):
    """A model of the same file that has it analysed already, and may be changed."""
    model = SampleModel(analysed.path)
    model._memory = dict(analysed._memory)
    assert model.analyse(), model.error
    return model


def test_a_mark_that_makes_no_sense_is_refused_at_once(analysed):
    model = with_memory(analysed)
    column = model.found.known["columns"].iloc[20][["x", "y"]].astype(float)
    for action, said in (
        (lambda: model.add(-50, 3), "outside"),
        (lambda: model.add(np.nan, 3), "outside"),
        (lambda: model.look_at(np.nan, 3), "outside"),
        (lambda: model.remove(-400, 3), "outside"),
        (lambda: model.add(*column + 0.5), "already"),
    ):
        assert not action()
        assert said in model.error
        assert model.settings == Settings()
    assert model.add(*column + 7)
    assert not model.add(*column + 7.3)
    assert "already" in model.error
    assert model.remove(*column)
    assert not model.remove(*column)
    assert "removed already" in model.error
    assert model.add(*column)  # where one was removed there is room
    assert model.place != (np.nan, 3)


def test_a_click_far_from_all_columns_removes_none(tmp_path):
    atoms = simulate.image(simulate.structures.perovskite((3, 3)), electrons=400, random_state=0).data.values
    image = np.pad(atoms, ((0, 0), (0, 150)), mode="median", stat_length=3).astype("float32")
    model = SampleModel(io.write(image, tmp_path / "edge.tif"), Settings(analyses=("columns",)))
    assert model.analyse(), model.error
    assert not model.remove(atoms.shape[1] + 120, 40)
    assert "no column near" in model.error


def test_an_added_column_is_taken_back_although_it_moved_as_it_was_fitted(analysed):
    """Not its neighbour, and not twice."""
    model = with_memory(analysed)
    columns = model.found.known["columns"]
    victim = columns.iloc[30]
    assert model.remove(victim["x"], victim["y"])
    assert model.analyse(), model.error
    assert model.add(victim["x"] + 4.5, victim["y"])
    assert model.analyse(), model.error
    assert model.remove(victim["x"], victim["y"])
    assert model.settings.added == ()
    assert model.settings.removed == ((victim["x"], victim["y"]),)
    assert not model.remove(victim["x"], victim["y"])
    assert "taken back already" in model.error


def test_areas_are_left_out(lattice_file, analysed):
    model = SampleModel(lattice_file)
    height, width = model.data.shape
    model.leave_out([(-1, -1), (width, -1), (width, height // 3), (-1, height // 3)])
    assert model.analyse(), model.error
    known = model.found.known
    assert (known["columns"]["y"] > height // 3 - 5).all()
    assert 0 < len(known["columns"]) < len(analysed.found.known["columns"])
    assert not model.leave_out([(1, 1), (2, 2)])
    assert "3 corners" in model.error


def test_the_scale_comes_from_the_file_a_number_or_the_lattice(bare_file, planted):
    model = SampleModel(bare_file)
    size = float(planted.data.x[1])
    assert model.data.x.attrs.get("units", "px") == "px"
    assert model.calibrate("pixel_size", f"{size:.5f}")
    assert float(model.data.x[1]) == pytest.approx(size, rel=1e-3)
    assert model.calibrate("lattice", " 0.3905 ")
    assert model.settings == Settings(lattice=0.3905)
    assert model.analyse(), model.error
    assert model.found.numbers.value["a"] == pytest.approx(0.3905, rel=5e-3)
    assert model.calibrate("lattice", "0.39; 0.40")
    assert model.settings.lattice == (0.39, 0.4)
    assert model.calibrate("file")
    assert model.settings == Settings()


@pytest.mark.parametrize(
    ("how", "text", "said"),
    [
        ("pixel_size", "0,02", "'0,02' is no number"),
        ("pixel_size", "0.02 0.03", "2 numbers"),
        ("pixel_size", "-1", "positive"),
        ("pixel_size", "nan", "positive"),
        ("lattice", "1 2 3", "3 numbers"),
        ("lattice", "0.39 x", "no number"),
    ],
)
def test_what_is_no_scale_is_said_and_changes_nothing(bare_file, how, text, said):
    model = SampleModel(bare_file)
    assert not model.calibrate(how, text)
    assert said in model.error
    assert model.settings == Settings()


def test_typed_settings(bare_file):
    model = SampleModel(bare_file)
    assert model.change_text("feature_size", "12")
    assert model.settings.feature_size == 12
    assert not model.change_text("threshold", "3")
    assert "between 0 and 1" in model.error
    assert model.change_text("feature_size", " ")
    assert model.settings == Settings()
    assert not model.change(n_phases=0)


def test_settings_are_saved_beside_the_file_and_resumed(lattice_file, tmp_path):
    path = tmp_path / "mine.tif"
    path.write_bytes(lattice_file.read_bytes())
    model = SampleModel(path)
    model.leave_out([(0, 0), (9, 0), (0, 9)])
    model.change(threshold=0.4)
    saved = model.save()
    assert saved == tmp_path / "mine.tif.settings.json"
    assert model.save() is None
    assert "already" in model.error
    assert model.save(overwrite=True) == saved
    other = SampleModel(path)
    assert other.resume()
    assert other.settings == model.settings
    saved.write_text("{", encoding="utf-8")
    assert not other.resume()
    assert "no settings" in other.error
    # The command line takes the same file.
    assert Settings.from_dict(json.loads(json.dumps(model.settings.to_dict()))) == model.settings


def test_what_is_drawn_has_the_scale_it_was_found_with(bare_file):
    """After a calibration by the lattice, and between a new pixel size and the next analysis."""
    model = SampleModel(bare_file, Settings(analyses=("domains",), lattice=0.3905))
    assert model.analyse(), model.error
    xr.testing.assert_equal(model.data.x, model.found.maps["domains"].x)
    assert model.data.x.attrs["units"] == "nm"
    assert model.calibrate("pixel_size", "0.5")
    assert model.stale
    xr.testing.assert_equal(model.data.x, model.found.maps["domains"].x)
    assert model.analyse(), model.error
    assert float(model.data.x[1]) == 0.5


def test_a_file_that_changes_on_the_disk(planted, tmp_path):
    path = io.write(planted.data, tmp_path / "a.tif")
    model = SampleModel(path, Settings(analyses=("columns",)))
    assert model.analyse(), model.error
    assert not model.stale
    io.write(planted.data[:90, :80], path, overwrite=True)
    assert model.stale
    assert model.bundle() is None
    assert "file have changed" in model.error
    assert model.analyse(), model.error
    assert model.data.shape == (90, 80)
    assert model.place == (40, 45)
    # What was found stays when the file is gone: a disk may be taken out.
    path.unlink()
    size = f"{model.found.size:,}".replace(",", " ")
    assert size != "0"
    page = model.report(tmp_path / "r")
    assert f"{size} bytes" in page.read_text(encoding="utf-8").replace("\xa0", " ")
    assert not model.analyse()
    assert model.error


def test_marks_are_places_in_one_signal(tmp_path, planted):
    np.savez(tmp_path / "two.npz", one=planted.data.values, two=planted.data.values[:50, :60])
    model = SampleModel(tmp_path / "two.npz")
    assert model.leave_out([(0, 0), (150, 0), (0, 150)])
    marked = model.settings
    assert model.change(signal=1)
    assert model.settings == Settings(signal=1)
    model.undo()
    assert model.settings == marked


def test_the_report_and_its_bundle(analysed, tmp_path):
    page = analysed.report(tmp_path / "r")
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert analysed.report(tmp_path / "r") is None
    assert "already" in analysed.error
    assert analysed.report(tmp_path / "r", overwrite=True) == page
    with zipfile.ZipFile(bytes_io.BytesIO(analysed.bundle())) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert f"{analysed.name}_report/report.html" in names
    assert f"{analysed.name}_report/repeat.py" in names
    assert analysed.name == "Prüfling_i_1_2"


def test_a_report_tells_of_present_settings_only(lattice_file, analysed, tmp_path):
    model = SampleModel(lattice_file)
    model._memory = analysed._memory
    for action in (lambda: model.report(tmp_path / "a"), model.bundle):
        assert action() is None
        assert "analyse again" in model.error
    assert not (tmp_path / "a").exists()


def test_the_code_of_an_upload_looks_for_the_file_beside_itself(lattice_file, tmp_path):
    """What the bundle holds runs where it was unpacked, with the file beside it: the same numbers."""
    inbox = Inbox()
    content = lattice_file.read_bytes()
    inbox.begin("mine.tif", len(content))
    model = SampleModel(inbox.add(content), inbox=inbox)
    assert model.uploaded
    model.analyse()
    with zipfile.ZipFile(bytes_io.BytesIO(model.bundle())) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "mine_report"
    script = (folder / "repeat.py").read_text(encoding="utf-8")
    assert str(model.path) not in script
    assert "read('mine.tif')" in script
    assert "read('mine.tif')" in model.code
    (folder / "mine.tif").write_bytes(content)
    script += "\ncolumns.to_csv('again.csv', index=False)\n"
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=folder, check=True)
    first, again = (pd.read_csv(folder / name) for name in ("tables/columns.csv", "again.csv"))
    pd.testing.assert_frame_equal(first, again)


def test_files_that_cannot_be_read_are_one_sentence_and_the_old_one_stays(lattice_file, tmp_path):
    model = SampleModel(lattice_file)
    (tmp_path / "bad.tif").write_bytes(b"no image at all")
    (tmp_path / "empty.tif").write_bytes(b"")
    (tmp_path / "text.docx").write_text("x")
    for given, said in {
        tmp_path / "bad.tif": "bad.tif",
        tmp_path / "empty.tif": "empty",
        tmp_path / "text.docx": "type",
        tmp_path / "absent.tif": "no file",
        tmp_path: "is a folder: choose one of its 2 files",
        "": "no name",
    }.items():
        assert not model.open(given)
        assert said in model.error, model.error
        assert "\n" not in model.error
        assert model.path == lattice_file.resolve()


def test_bombs_and_pickles_are_refused(tmp_path, monkeypatch):
    """An archive that grows beyond the memory there is, and one that would run code when it is read."""
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros((2000, 2000)))
    assert (tmp_path / "bomb.npz").stat().st_size < 1e5
    np.savez(tmp_path / "pickle.npz", a=np.array([print], dtype=object))
    monkeypatch.setattr("atomlens.io._claims.free_memory", lambda: 16e6)
    model = SampleModel()
    for name, said in {"bomb.npz": "memory", "pickle.npz": "pickle"}.items():
        assert not model.open(tmp_path / name)
        assert name in model.error
        assert said in model.error


def test_several_signals_begin_with_the_first(tmp_path, planted):
    np.savez(tmp_path / "two.npz", one=planted.data.values, two=planted.data.values[:50, :60])
    model = SampleModel(tmp_path / "two.npz")
    assert len(model.signals) == 2
    assert model.settings.signal == 0
    first = model.data.shape
    assert model.change(signal=1)
    assert model.data.shape != first
    height, width = model.data.shape
    assert model.place == (width // 2, height // 2)


@pytest.fixture(scope="module")
def spectra():
    model = SampleModel(datasets.sample_path("spectrum_image.hspy"), Settings(n_clusters=3))
    assert model.analyse(), model.error
    return model


def test_spectra_are_told_at_the_place(spectra):
    assert spectra.layers[:2] == ["total", "clusters"]
    assert spectra.layer == "clusters"
    labels = spectra.found.known["clusters"].labels
    for place in ((0, 0), (5, 3)):
        spectra.place = place
        assert spectra.here()["cluster"] == str(int(labels.values[place[1], place[0]]))
    assert not spectra.add(3, 3)
    assert "no columns" in spectra.error


def test_nothing_is_asked_of_no_file(tmp_path):
    model = SampleModel()
    for action in (
        model.analyse,
        model.save,
        model.resume,
        model.bundle,
        lambda: model.report(tmp_path / "a"),
    ):
        assert not action()
        assert "choose a file" in model.error or "choose that first" in model.error
    assert model.layers == []
    assert model.frames == []


# The view ------------------------------------------------------------------------------------------------


def click(app, x, y):
    """A click at a pixel of the left picture."""
    ax = app._shown.left
    app.canvas.draw()
    step = float(app.model.data.x[1]) if "x" in app.model.data.coords else 1.0
    at = ax.transData.transform((step * x, step * y))
    app.canvas.callbacks.process(
        "button_release_event", MouseEvent("button_release_event", app.canvas, *at, button=1)
    )


@pytest.fixture
def app(lattice_file, analysed):
    app = sample_app(lattice_file)
    app.model._memory = analysed._memory
    return app


def test_the_view_goes_from_file_to_report(app, tmp_path):
    assert "Press Analyse" in app.message.value
    assert app.resume.disabled
    app.run.click()
    assert app.layer.options == tuple(app.model.layers)
    assert "1 defects" not in app._shown.left.get_title()
    app.layer.value = "defects"
    assert app._shown.left.get_title(loc="center") or app._shown.left.get_title(loc="left")
    assert app.code.value == app.model.code
    app.folder.value = str(tmp_path / "report")
    app.reporting.click()
    assert (tmp_path / "report" / "report.html").is_file()
    assert "Written" in app.link.value
    app.reporting.click()
    assert "already" in app.message.value
    app.packing.click()
    assert "download='Prüfling_i_1_2_report.zip'" in app.link.value


def test_the_controls_change_the_settings_and_show_them(app):
    app.run.click()
    app.false_alarm_rate.value = 1e-2
    assert app.model.settings.false_alarm_rate == pytest.approx(1e-2)
    assert app.model.found.settings == app.model.settings
    app.n_phases.value = 2
    assert app.model.settings.n_phases == 2
    app.n_phases.value = 0
    assert app.model.settings.n_phases is None
    app.threshold.value = "0.4"
    assert "have changed" in app.message.value
    assert app.run.button_style == "warning"
    app.undo.click()
    assert app.threshold.value == ""
    assert app.run.button_style == "primary"
    app.feature_size.value = "wide"
    assert "no number" in app.message.value
    app.scale.value = "lattice"
    app.length.value = "0.39 0.40"
    assert app.model.settings.lattice == (0.39, 0.4)
    assert (app.scale.value, app.length.value) == ("lattice", "0.39 0.4")


def test_a_click_chooses_adds_and_removes(app):
    app.run.click()
    column = app.model.found.known["columns"].iloc[20]
    click(app, column["x"], column["y"])
    assert np.allclose(app.model.place, column[["x", "y"]].astype(float), atol=1)
    assert "column" in app.verdict.value
    assert (app.x.value, app.y.value) == tuple(round(v, 1) for v in app.model.place)
    app.mode.value = "removed"
    click(app, column["x"], column["y"])
    assert app.model.settings.removed == ((column["x"], column["y"]),)
    app.mode.value = "added"
    click(app, column["x"] + 8, column["y"])
    assert len(app.model.settings.added) == 1
    app.undo.click()
    app.undo.click()
    assert app.model.settings == Settings()


def test_all_of_it_works_by_keyboard(app):
    app.run.click()
    app.x.value, app.y.value = 12.0, 30.0
    assert app.model.place == (12.0, 30.0)
    app.mode.value = "left_out"
    for x, y in ((5, 5), (40, 5), (40, 40)):
        app.x.value, app.y.value = x, y
        app.here.click()
    assert "3 corners" in app.message.value
    assert app.model.settings.left_out == ()
    app.x.value, app.y.value = 5, 5
    app.here.click()
    assert app.model.settings.left_out == (((5, 5), (40, 5), (40, 40)),)
    app.undo.click()
    app.mode.value = "removed"
    app.here.click()
    assert len(app.model.settings.removed) == 1


def test_a_loop_leaves_out(app):
    step = float(app.model.data.x[1])
    corners = step * np.array([(5, 5), (40, 5), (40, 40), (5, 40)])
    app.mode.value = "left_out"
    app._shown._on_lasso(corners)
    assert np.allclose(app.model.settings.left_out[0], corners / step, atol=0.06)


def test_folders_files_and_html_in_names(lattice_file, tmp_path):
    app = sample_app(folder=tmp_path)
    assert "Drop a file" in app.message.value
    app.file.value = str(lattice_file.parent)
    assert app.file.options == (lattice_file.name,)
    assert "1 files" in app.message.value
    app.file.value = lattice_file.name
    assert app.model.path == lattice_file.resolve()
    app.file.value = "<img src=x onerror=alert(1)>.tif"
    assert "<img" not in app.message.value
    assert "&lt;img" in app.message.value


def test_what_a_callback_raises_is_said(app, monkeypatch):
    monkeypatch.setattr(app.model, "analyse", lambda **_: 1 / 0)
    app.run.click()
    assert "ZeroDivisionError" in app.message.value
    assert not app.run.disabled


def test_an_upload_is_opened(app, lattice_file):
    content = lattice_file.read_bytes()
    sent = []
    app.upload.send = sent.append
    app.upload._receive(None, {"kind": "begin", "name": "../mine.tif", "size": len(content)}, [])
    half = len(content) // 2
    app.upload._receive(None, {"kind": "part"}, [memoryview(content[:half])])
    app.upload._receive(None, {"kind": "part"}, [memoryview(content[half:])])
    assert [m["kind"] for m in sent] == ["next", "next", "end"]
    assert sent[1]["at"] == half
    assert app.model.uploaded
    assert app.file.value == "mine.tif"
    app.saving.click()
    assert "download='mine.tif.settings.json'" in app.link.value
    app.upload._receive(None, {"kind": "begin", "name": "x.tif", "size": 0}, [])
    assert "empty" in app.message.value


@pytest.mark.parametrize("kind", ["movie", "line_scan", "spectrum", "spectra"])
def test_other_kinds_have_their_own_controls(kind, tmp_path, planted):
    if kind == "spectra":
        path, settings = datasets.sample_path("spectrum_image.hspy"), Settings(n_clusters=2)
    else:
        rng = np.random.default_rng(0)
        values = {
            "movie": np.stack([planted.data.values[:96, :96]] * 3).astype("float32"),
            "line_scan": rng.poisson(50, (40, 60)).astype("float32"),
            "spectrum": rng.poisson(50, 60).astype("float32"),
        }[kind]
        np.save(tmp_path / "x.npy", values)
        path, settings = tmp_path / "x.npy", Settings(kind=kind)
    app = sample_app(path, settings)
    app.run.click()
    assert app.model.found is not None, app.message.value
    shown = {
        n for n in ("mode", "frame", "n_phases", "n_clusters") if getattr(app, n).layout.display != "none"
    }
    assert (
        shown
        == {
            "movie": {"frame"},
            "line_scan": {"n_clusters"},
            "spectrum": set(),
            "spectra": {"mode", "n_clusters"},
        }[kind]
    )
    app.figure.canvas.draw()
    for layer in app.model.layers:
        app.layer.value = layer
    if kind == "movie":
        app.frame.value = 2
        assert app.model.frame == 2
        assert app.model.place is not None
    if kind == "line_scan":
        app.model.place = (7, 0)
        assert app.model.here()


def test_settings_that_the_controls_do_not_offer_are_shown(lattice_file, tmp_path, planted):
    np.savez(tmp_path / "two.npz", one=planted.data.values, two=planted.data.values[:50, :60])
    app = sample_app(tmp_path / "two.npz", Settings(signal="two", n_phases=9, false_alarm_rate=1e-12))
    assert app.model.data.shape == (50, 60)
    assert (app.signal.value, app.n_phases.value) == (1, 9)
    assert app.false_alarm_rate.value == pytest.approx(1e-12)


def test_a_control_goes_back_where_what_it_asks_for_cannot_be(lattice_file, tmp_path):
    path = tmp_path / "mine.tif"
    path.write_bytes(lattice_file.read_bytes())
    app = sample_app(path)
    app.threshold.value = "3"
    assert "between 0 and 1" in app.message.value
    assert app.threshold.value == ""
    path.unlink()
    app.scale.value, app.length.value = "pixel_size", "0.5"
    assert "mine.tif" in app.message.value
    assert (app.scale.value, app.length.value) == ("file", "")
    app.scale.value = "lattice"  # a message does not stand in the way of the next try
    assert app.scale.value == "lattice"


@pytest.mark.parametrize("name", ["~nobody_here/x.tif", "a\0b.tif", "x" * 5000, "absent/absent.tif"])
def test_names_that_can_be_no_file_are_one_sentence(name, app):
    app.file.value = name
    assert "unexpected" not in app.message.value
    assert app.model.error
    assert "Errno" not in app.model.error


def test_uploads_and_loops_that_fail_are_said(app, monkeypatch):
    monkeypatch.setattr(app.model, "_open", lambda *_: {}["x"])
    app.upload._on_file("x.tif")
    assert "KeyError" in app.message.value
    monkeypatch.setattr(app.model, "_become", lambda *_: {}["y"])
    app._shown._on_loop([(0, 0), (9, 0), (0, 9)])
    assert "KeyError: 'y'" in html.unescape(app.message.value)


def test_the_close_up_of_an_image_without_a_lattice(tmp_path):
    noise = np.random.default_rng(0).poisson(30, (40, 50)).astype("float32")
    app = sample_app(io.write(noise, tmp_path / "noise.tif"))
    app.run.click()
    assert app.model.found is not None
    assert "unexpected" not in app.message.value


def test_a_click_meets_its_pixel_where_steps_differ_along_x_and_y(tmp_path):
    """Else another spectrum is shown than that under the mouse."""
    rng = np.random.default_rng(0)
    scan = xr.DataArray(
        rng.poisson(50, (12, 20, 30)).astype("float32"),
        dims=("y", "x", "energy"),
        coords={
            "y": ("y", 7 + 3.0 * np.arange(12), {"units": "nm"}),
            "x": ("x", 1.0 * np.arange(20), {"units": "nm"}),
            "energy": ("energy", 100.0 + np.arange(30), {"units": "eV"}),
        },
        attrs={"kind": "spectrum_image"},
    )
    app = sample_app(io.write(scan, tmp_path / "scan.hspy"))
    app.canvas.draw()
    at = app._shown.left.transData.transform((4.0, 7 + 3.0 * 9))
    event = MouseEvent("button_release_event", app.canvas, *at, button=1)
    app.canvas.callbacks.process("button_release_event", event)
    assert app.model.pixel == (9, 4)
    np.testing.assert_allclose(np.ravel(app._shown._ring.get_data()), (4.0, 34.0))
    app._shown._on_lasso([(0.0, 7.0), (4.0, 7.0), (4.0, 34.0)])
    assert app.model.settings.left_out == (((0, 0), (4, 0), (4, 9)),)


def test_a_mask_is_shown_as_an_image(tmp_path):
    np.save(tmp_path / "mask.npy", np.eye(40) > 0)
    app = sample_app(tmp_path / "mask.npy")
    assert app._shown.left.images[0].get_array().max() == 1


def test_a_curve_after_an_image_fills_its_axes(app):
    """An image makes axes equal, and clearing them does not undo it."""
    assert app._shown.right.get_aspect() == 1
    app.model.open(datasets.sample_path("spectrum_image.hspy"))
    assert app._shown.right.get_aspect() == "auto"


def test_a_file_that_does_not_say_what_it_holds_is_read_as_told(app, tmp_path):
    """An array of three dimensions may be a movie or a spectrum image."""
    cube = np.random.default_rng(0).poisson(30, (12, 14, 40)).astype("float32")
    np.savez(tmp_path / "cube.npz", data=cube)
    before = app.model.path
    app.model.open(tmp_path / "cube.npz")
    assert "kind=" in app.message.value
    assert app.model.path == before
    app.kind.value = "spectrum_image"
    assert app.model.path == (tmp_path / "cube.npz").resolve()
    assert app.model.error == ""
    assert app.model.layers == ["total"]
    app.kind.value = "movie"
    assert app.model.layers == ["frames"]
    assert app.model.settings.kind == "movie"
