"""Reports: complete, self-contained, repeatable to the digit, and never over what is there."""

import json
import re
import stat
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import atomlens as al
from atomlens import io, simulate
from atomlens.report import Settings, compare, examine, write


@pytest.fixture(scope="module")
def lattice_file(tmp_path_factory):
    """A calibrated image with two vacancies, in a file with an awkward name."""
    sheet = simulate.structures.perovskite((5, 5))
    sheet = simulate.defects.vacancies(sheet, kind="column", at=[(2.1, 2.3), (3.7, 1.2)])
    image = simulate.image(sheet, electrons=400, random_state=4).data
    return io.write(image, tmp_path_factory.mktemp("data") / "Prüfling <i>1 & 2.tif")


@pytest.fixture(scope="module")
def found(lattice_file):
    return examine(lattice_file)


@pytest.fixture(scope="module")
def folder(found, tmp_path_factory):
    return write(found, tmp_path_factory.mktemp("out") / "first").parent


class Links(HTMLParser):
    """What a page refers to, and whether its elements are closed."""

    def __init__(self):
        super().__init__()
        self.links, self.tags, self.open = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]
        if tag not in ("meta", "img", "br", "link", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_what_was_planted_is_reported(found):
    assert found.sample.kind == "lattice image"
    assert found.numbers.value["defects"] == 2
    assert found.numbers.value["domains"] == 1
    assert found.numbers.value["a"] == pytest.approx(0.3905, rel=0.01)
    assert {"columns", "defects", "phases", "displacements"} <= set(found.tables)
    assert {"defect_score", "domains"} <= set(found.maps)


def test_the_code_of_the_report_gives_its_numbers(found, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile((folder / "repeat.py").read_text(encoding="utf-8"), "repeat.py", "exec"), names)
    pd.testing.assert_frame_equal(names["columns"], found.tables["columns"])
    pd.testing.assert_frame_equal(names["defects"].defects, found.tables["defects"])
    np.testing.assert_array_equal(names["domains"], found.maps["domains"])
    np.testing.assert_array_equal(names["phases"].labels_, found.known["phases"].labels_)


def test_the_page_needs_no_other_file_and_breaks_nothing(found, folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Links()
    page.feed(text)
    assert page.open == []
    assert "<i>" not in text  # what stands in a name is text
    for link in page.links:
        assert link.startswith("data:image/webp") or (folder / link).is_file(), link
    assert not re.search(r'(src|href)="(https?:)?//', text)
    assert len(text) < 5e6
    assert found.sha256 in text
    assert text.index("What to doubt" if found.doubts else "No doubts") < text.index("Figures")
    for said in (*found.doubts, found.methods):
        assert re.sub(r"\W", "", said)[:60] in re.sub(
            r"\W", "", re.sub(r"</?code>", "", text).replace("&#39;", "'")
        )


def test_what_lies_beside_the_page_is_read_back(found, folder):
    table = pd.read_csv(folder / "tables" / "columns.csv")
    np.testing.assert_allclose(table["x_nm"], found.tables["columns"]["x_nm"])
    domains = io.read(folder / "maps" / "domains.hspy")
    np.testing.assert_array_equal(domains, found.maps["domains"])
    assert domains.x.attrs["units"] == "nm"
    import ase.io

    atoms = ase.io.read(folder / "columns.xyz", format="extxyz")
    np.testing.assert_allclose(atoms.positions[:, 0], 10 * found.tables["columns"]["x_nm"], atol=1e-6)
    names = {path.stem for path in (folder / "figures").glob("*.svg")}
    assert names == {path.stem for path in (folder / "figures").glob("*.png")}
    assert {"image", "columns", "defects", "domains", "phases"} <= names
    assert Settings.load(folder / "settings.json") == found.settings


def test_nothing_is_overwritten_unasked(found, folder, tmp_path):
    before = (folder / "report.html").read_bytes()
    with pytest.raises(FileExistsError, match="force=True"):
        write(found, folder)
    assert (folder / "report.html").read_bytes() == before
    write(found, folder, force=True)
    other = tmp_path / "photographs"
    other.mkdir()
    (other / "holiday.png").touch()
    with pytest.raises(FileExistsError, match="holds no report"):
        write(found, other, force=True)
    assert [path.name for path in other.iterdir()] == ["holiday.png"]
    with pytest.raises(FileNotFoundError, match="does not exist"):
        write(found, tmp_path / "not" / "there")


def test_a_report_that_fails_leaves_nothing(found, tmp_path, monkeypatch):
    monkeypatch.setattr("atomlens.report.page._page", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(found, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_named(found, tmp_path, monkeypatch):
    def refuse(self, *_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(PermissionError, match="nothing can be written"):
        write(found, tmp_path / "new")


def test_settings_change_what_is_found_and_stand_in_the_code(lattice_file, found):
    corner = ((0, 0), (0, 90), (90, 90), (90, 0))
    place = found.tables["columns"][["x", "y"]].iloc[40]
    settings = Settings(
        lattice=0.4,
        left_out=(corner,),
        removed=(tuple(place),),
        false_alarm_rate=1e-3,
        analyses=("columns", "defects"),
    )
    other = examine(lattice_file, settings)
    assert other.numbers.value["a"] == pytest.approx(0.4, rel=1e-3)
    table = other.tables["columns"]
    assert not ((table.x < 85) & (table.y < 85)).any()
    assert np.hypot(table.x - place.x, table.y - place.y).min() > 3
    assert any("by hand" in doubt for doubt in other.doubts)
    assert set(other.known) & {"phases", "domains"} == set()
    for piece in ("al.io.calibrate(image, 0.4)", "polygon2mask", "defects.at(0.001)", "remove="):
        assert piece in other.script


def test_spectra_get_clusters_where_there_are_some(tmp_path):
    si = simulate.spectra.eels(3, shape=(16, 16), random_state=1).data
    si[:1] = 0
    path = io.write(si, tmp_path / "map.hspy")
    made = examine(path)
    assert made.sample.kind == "spectrum image"
    assert "taken = " in made.script
    assert (made.known["clusters"].labels[0] == -1).all()
    assert made.at(3, 0) == {"cluster": "left out"}
    assert "%" in made.at(3, 5)["mixture"]
    with pytest.raises(ValueError, match="no lattice to calibrate by"):
        examine(path, Settings(lattice=0.39))
    page = write(made, tmp_path / "report")
    assert "Mixtures" in made.script
    assert page.is_file()
    names = {}
    exec(made.script, names)
    np.testing.assert_array_equal(names["clusters"].labels, made.known["clusters"].labels)


def test_a_line_scan_of_few_spectra_is_shown_and_not_clustered(tmp_path):
    line = simulate.spectra.eels(2, shape=(8, 8)).data[0]
    made = examine(io.write(line, tmp_path / "line.hspy"))
    assert made.steps == []
    assert "too few for clusters" in (write(made, tmp_path / "report")).read_text(encoding="utf-8")


def test_a_movie_is_reported_frame_by_frame(tmp_path):
    frame = simulate.image(simulate.structures.perovskite((3, 3)), electrons=400, random_state=0).data
    movie = xr.concat([frame] * 3, "time").assign_coords(time=("time", [0.0, 1.0, 2.0], {"units": "s"}))
    movie.attrs["kind"] = "movie"
    made = examine(io.write(movie, tmp_path / "movie.zarr"))
    assert made.tables["frames"]["columns"].std() == 0
    assert made.numbers.value["frames looked at"] == 3
    assert write(made, tmp_path / "report").is_file()


def test_what_fails_unasked_is_a_doubt_and_asked_for_an_error(lattice_file, monkeypatch):
    def fail(*_, **__):
        raise ValueError("no grain can be told")

    monkeypatch.setattr("atomlens.defects.segment_domains", fail)
    made = examine(lattice_file)
    assert "domains could not be told: no grain can be told" in made.doubts
    assert "segment_domains" not in made.script
    with pytest.raises(ValueError, match="no grain"):
        examine(lattice_file, Settings(analyses=("domains",)))
    with pytest.raises(ValueError, match="no analysis of a lattice image"):
        examine(lattice_file, Settings(analyses=("clusters",)))


def test_files_are_compared_by_the_same_analysis(lattice_file, tmp_path):
    perfect = simulate.image(simulate.structures.perovskite((5, 5)), electrons=400, random_state=9).data
    other = io.write(perfect, tmp_path / "perfect.tif")
    table, doubts = compare([lattice_file, other], Settings(analyses=("columns", "defects")))
    assert table.index.tolist() == [lattice_file.name, "perfect.tif"]
    assert table["defects"].tolist() == [2, 0]
    assert table["defect density (per nm²) error"].min() > 0
    assert set(doubts) == set(table.index)
    with pytest.raises(ValueError, match="no files"):
        compare([])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pixel_size": -1.0}, "pixel_size must be positive"),
        ({"threshold": 2}, "threshold must be between"),
        ({"false_alarm_rate": True}, "false_alarm_rate must be between"),
        ({"n_phases": 1.5}, "whole number"),
        ({"lattice": (1, 2, 3)}, "one length"),
        ({"lattice": 0.4, "pixel_size": 0.02}, "not both"),
        ({"left_out": (((0, 0), (1, 1)),)}, "3 corners"),
        ({"removed": ("here",)}, "places"),
        ({"analyses": ("magic",)}, "no analysis"),
        ({"analyses": 5}, "analyses must be a list"),
        ({"pixel_size": 10**400}, "pixel_size must be positive"),
        ({"lattice": 1e300}, "lattice must be positive"),
        ({"feature_size": float("nan")}, "feature_size must be positive"),
        ({"n_clusters": 10**30}, "whole number from 1 to 1000"),
        ({"signal": [1]}, "signal must be a name or number"),
        ({"signal": True}, "signal must be a name or number"),
        ({"kind": 3}, "kind must be a name"),
        ({"left_out": 5}, "left_out must be a list"),
        ({"left_out": (5,)}, "polygon of left_out must be a list"),
        ({"left_out": (((0, 0), (1, 1), (1, float("inf"))),)}, "places"),
        ({"left_out": ([(0, 0)] * 20_000,)}, "20000 entries: 10000 at most"),
        ({"added": "abc"}, "added must be a list"),
        ({"added": ((float("nan"), 1),)}, "places"),
        ({"removed": ((10**400, 1),)}, "places"),
        ({"removed": [[[1, 2], [3, 4]]]}, "places"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        Settings(**options)


def test_settings_come_back_from_their_file(tmp_path):
    settings = Settings(
        lattice=(0.39, 0.4), left_out=(((0, 0), (0, 9), (9, 9)),), analyses=("columns",), signal="HAADF"
    )
    path = settings.save(tmp_path / "settings.json")
    assert Settings.load(path) == settings
    with pytest.raises(FileExistsError):
        settings.save(path)
    path.write_text(json.dumps({"colour": "red"}))
    with pytest.raises(ValueError, match="'colour' is no setting"):
        Settings.load(path)
    path.write_text("not json")
    with pytest.raises(ValueError, match="no JSON"):
        Settings.load(path)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"left_out": 1}',
        '{"added": {"a": 1}}',
        '{"lattice": "x"}',
        '{"n_phases": [2]}',
        "[]",
        "null",
    ]
    + ['{"pixel_size": 1' + "0" * 5000 + "}", '{"left_out": [[[NaN, 1], [1, 2], [3, 4]]]}', '{"kind": {}}'],
)
def test_hostile_settings_are_one_short_sentence(text, tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"\w+ \w+") as raised:
        Settings.load(path)
    assert len(str(raised.value)) < 300


def test_a_step_without_what_it_needs_is_a_doubt_and_leaves_nothing_behind(lattice_file, monkeypatch):
    find = al.columns.find

    def refuse(*given, threshold=None, **options):
        if threshold is not None:
            raise ValueError("no columns today")
        return find(*given, **options)

    with monkeypatch.context() as patched:
        patched.setattr(al.columns, "find", refuse)
        made = examine(lattice_file, Settings(threshold=0.5))
        assert "atomic columns could not be told: no columns today" in made.doubts
        assert any(doubt.startswith("phases and displacements could not be told") for doubt in made.doubts)
        assert [step.name for step in made.steps] == ["defects", "domains"]
        with pytest.raises(ValueError, match="needs columns"):
            examine(lattice_file, Settings(threshold=0.5, analyses=("phases",)))

    def fail(*_, **__):
        raise IndexError("index 7")

    monkeypatch.setattr("atomlens.crystallography.displacements", fail)
    made = examine(lattice_file)
    assert any("IndexError (index 7); please report" in doubt for doubt in made.doubts)
    assert not {"sites", "choice", "phases"} & set(made.known)  # lines before the one that failed
    assert {"columns", "defects", "domains"} <= set(made.known)


def test_one_column_is_told_with_its_scale(lattice_file):
    """A single place tells no scale: the image does."""
    from atomlens.report.places import said_at
    from atomlens.report.tables import columns_numbers

    known = dict(examine(lattice_file, Settings(analyses=("columns",))).known)
    known["columns"] = known["columns"].iloc[[40]]
    column = known["columns"].iloc[0]
    said = said_at(known, 0, 0)["column"]
    assert said.startswith(f"({column['x_nm']:.4f}, {column['y_nm']:.4f}) nm")
    assert said.endswith("pm")
    assert "nan" not in said
    value, _, unit = columns_numbers(known)["position error"]
    assert unit == "pm"
    assert value > 0


def test_oblong_pixels_are_made_square(found, tmp_path):
    image = io.read(found.path)
    fine = np.repeat(image.values / 2, 2, axis=1)
    step = float(image.x[1] - image.x[0])
    x = ("x", float(image.x[0]) + step * (np.arange(fine.shape[1]) / 2 - 0.25), image.x.attrs)
    path = io.write(
        xr.DataArray(fine, {"y": image.y, "x": x}, ("y", "x"), attrs=image.attrs), tmp_path / "a.tif"
    )
    made = examine(path, Settings(analyses=("columns", "defects")))
    assert "square_pixels" in made.script
    assert any("not square" in doubt for doubt in made.doubts)
    for name in ("a", "b", "defects"):
        assert made.numbers.value[name] == pytest.approx(found.numbers.value[name], rel=1e-3)


def test_a_place_that_was_left_out_says_so(lattice_file):
    corners = ((0, 0), (0, 60), (60, 60), (60, 0))
    made = examine(lattice_file, Settings(left_out=(corners,), analyses=("columns",)))
    assert made.at(30, 30)["place"] == "left out"
    assert "place" not in made.at(90, 90)


@pytest.mark.parametrize(
    "name",
    ['a"""b.tif', "a\\N.tif", "a\nb.tif", 'quote".tif', b"a\xff.tif".decode("utf-8", "surrogateescape")],
)
def test_names_do_not_break_the_code_or_the_page(name, tmp_path):
    noise = np.random.default_rng(0).poisson(30, (40, 40)).astype("float32")
    plain = io.write(noise, tmp_path / "plain.tif")
    path = plain.rename(tmp_path / name)
    made = examine(path)
    page = write(made, tmp_path / "report")
    names = {}
    exec(compile((page.parent / "repeat.py").read_text(encoding="utf-8"), "repeat.py", "exec"), names)
    np.testing.assert_array_equal(names["image"], made.data)


def test_an_image_that_is_none_says_so(tmp_path):
    noise = np.random.default_rng(0).poisson(30, (96, 96)).astype(float)
    made = examine(io.write(xr.DataArray(noise, dims=("y", "x")), tmp_path / "noise.tif"))
    assert made.sample.kind == "image"
    assert made.steps == []
    assert made.doubts
    assert write(made, tmp_path / "report").is_file()
    assert stat.S_ISDIR((tmp_path / "report").stat().st_mode)


def test_columns_are_edited_by_hand(lattice_file):
    image = io.read(lattice_file)
    table = al.columns.find(image)
    gone = table.iloc[[10, 60]][["x", "y"]]
    less = al.columns.edit(table, image, remove=gone)
    assert len(less) == len(table) - 2
    back = al.columns.edit(less, image, add=gone + 0.7)
    assert len(back) == len(table)
    far = np.hypot(*(back[["x", "y"]].to_numpy()[-2:] - gone.to_numpy()).T)
    assert far.max() < 0.3
    assert back["score"].isna().sum() == 2
    assert "by hand" in al.doubts(back)[-1]
    once = al.columns.edit(table, image, remove=[gone.iloc[0], gone.iloc[0] + 0.1])
    assert len(once) == len(table) - 1
    assert "1 removed" in al.doubts(once)[-1]
    for options, message in (
        ({"add": [(-5, 3)]}, "outside"),
        ({"add": gone}, "already at"),
        ({"remove": [(0, 0)]}, "no column near"),
        ({"remove": "all"}, "pairs of numbers"),
        ({"add": [(25.0, 16.0), (25.3, 16.0)]}, "already at"),  # two at once
    ):
        with pytest.raises(ValueError, match=message):
            al.columns.edit(table, image, **options)


def test_what_varies_is_reported_when_asked_for(tmp_path):
    sheet = simulate.structures.perovskite((2.2, 2.2))
    path = io.write(simulate.image(sheet, electrons=400, random_state=3).data, tmp_path / "small.tif")
    made = examine(path, Settings(analyses=("latent",)))
    assert made.numbers.value["latents beyond noise"] == 0  # a perfect crystal
    assert any("may be noise" in doubt for doubt in made.doubts)
    assert "meaningful" in made.tables["latents"]
    page = write(made, tmp_path / "report")
    assert (page.parent / "figures" / "latent.png").is_file()
    assert sorted(path.stem for path in (page.parent / "maps").iterdir()) == sorted(made.maps)


def test_memory_changes_nothing_but_the_time(lattice_file, monkeypatch):
    """Settings that come and go with one memory give what they give alone; unchanged lines do not run."""
    calls = []
    detect = al.defects.detect
    monkeypatch.setattr(al.defects, "detect", lambda *a, **k: calls.append(k) or detect(*a, **k))
    memory = {}
    several = (
        Settings(),
        Settings(false_alarm_rate=1e-2),
        Settings(n_phases=2, false_alarm_rate=1e-2),
        Settings(removed=((30.0, 30.0),)),
        Settings(n_phases=2),
    )
    found = [examine(lattice_file, settings, memory=memory) for settings in several]
    assert len(calls) == 1
    for settings, one in list(zip(several, found, strict=True))[2:]:  # those with something to remember
        alone = examine(lattice_file, settings)
        assert one.script == alone.script
        pd.testing.assert_frame_equal(one.numbers, alone.numbers)
        for name, table in alone.tables.items():
            pd.testing.assert_frame_equal(one.tables[name], table)


def test_memory_of_another_state_of_the_file_is_not_used(tmp_path):
    sheet = simulate.structures.graphene((3, 3))
    one, two = (simulate.image(sheet, electrons=500, random_state=n).data for n in range(2))
    path, memory = tmp_path / "a.tif", {}
    io.write(one, path)
    settings = Settings(analyses=("columns",))
    first = examine(path, settings, memory=memory)
    io.write(two, path, overwrite=True)
    second = examine(path, settings, memory=memory)
    assert first.sha256 != second.sha256
    assert not first.tables["columns"].equals(second.tables["columns"])
    pd.testing.assert_frame_equal(second.tables["columns"], examine(path, settings).tables["columns"])


def test_what_was_found_at_a_place(found):
    hit = found.tables["defects"].iloc[0]
    said = found.at(hit["x"], hit["y"])
    assert said["nearest defect"].startswith("0.00 nm away")
    column = found.tables["columns"].iloc[10]
    said = found.at(column["x"] + 1, column["y"])
    assert said["column"].startswith(f"({column['x_nm']:.4f}, {column['y_nm']:.4f}) nm ± ")
    assert said["score"] == f"{column['score']:.3f}"
    moved = found.known["moved"].dropna(subset=["dx"]).iloc[0]
    assert found.at(moved["x"], moved["y"])["displacement"] == f"{moved['magnitude_pm']:.2g} pm"


def test_columns_set_by_hand_where_none_can_be_are_no_doubt_but_an_error(lattice_file):
    with pytest.raises(ValueError, match="outside"):
        examine(lattice_file, Settings(added=((-50, 3),)))


def test_columns_beside_what_is_left_out_stay_as_they_were_found(found):
    """A column half of which is left out cannot be fitted, so an edit elsewhere does not move it."""
    image = found.known["image"]
    column = found.tables["columns"].iloc[20]
    mask = np.zeros(image.shape, bool)
    mask[round(column["y"]) - 1 : round(column["y"]) + 40] = True
    table = al.columns.find(image, mask=mask)
    edge = table["x_err"].isna()
    assert edge.any()
    gone = table.loc[[table["y"].idxmax()], ["x", "y"]]
    edited = al.columns.edit(table, image, remove=gone, mask=mask)
    kept = table.drop(index=gone.index).reset_index(drop=True)
    assert len(edited) == len(kept)
    where = edge.drop(index=gone.index).to_numpy()
    pd.testing.assert_frame_equal(edited.loc[where, ["x", "y"]], kept.loc[where, ["x", "y"]])
    moved = np.hypot(*(edited[["x", "y"]] - kept[["x", "y"]]).to_numpy().T)
    assert moved[~where].max() < 0.2
    # The same of what was found without a fit: there all are fitted now.
    plain = al.columns.find(image, mask=mask, refine=False)
    assert al.columns.edit(plain, image, remove=gone, mask=mask)["x_err"].notna().any()
