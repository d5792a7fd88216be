"""`make app` in a browser, from a file on the user's disk to the report that is downloaded."""

import json
import os
import secrets
import shutil
import sys
import time
import urllib.error
import urllib.request
import zipfile

import pandas as pd
import pytest

pytestmark = pytest.mark.browser

TIMEOUT = 90  # seconds, for whatever is waited for: two pages run at once, on few cores


@pytest.fixture(scope="module")
def server(root, serving, tmp_path_factory):
    """What `make app` starts, on a copy of the notebooks: address, token, and its temporary files."""
    base = tmp_path_factory.mktemp("app")
    shutil.copytree(root / "notebooks", base / "notebooks", ignore=shutil.ignore_patterns("results"))
    runtime, temporary = base / "runtime", base / "temporary"
    temporary.mkdir()
    env = os.environ | {
        "JUPYTER_PATH": str(base / "notebooks" / "app"),
        "JUPYTER_CONFIG_DIR": str(base / "config"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "TMPDIR": str(temporary),
    }
    env.pop("MPLBACKEND", None)
    token = secrets.token_hex(8)
    command = [
        sys.executable, "-m", "jupyter_server", "--allow-root", "--port=0",
        "--config=notebooks/app/jupyter_server_config.json", "--ServerApp.open_browser=False",
        f"--IdentityProvider.token={token}",
    ]  # fmt: skip
    with serving(command, env, base, runtime) as address:
        yield address, token, temporary


@pytest.fixture(scope="module")
def sample():
    """A crystal, of which a third will be left out."""
    from atomlens import simulate

    return simulate.image(simulate.structures.perovskite((5, 5)), electrons=400, random_state=4)


@pytest.fixture(scope="module")
def file(sample, tmp_path_factory):
    """Its image without a scale, in a file with an awkward name."""
    from atomlens import io

    values = sample.data.values.astype("float32")
    return io.write(values, tmp_path_factory.mktemp("mine") / "Prüfling <1> & 2.tif")


class App:
    """The page in the hands of a microscopist."""

    def __init__(self, page, address, token):
        self.page, self.noise, self.asked = page, [], []
        page.set_default_timeout(TIMEOUT * 1000)
        page.on("pageerror", lambda error: self.noise.append(f"page error: {error}"))
        page.on("console", lambda m: m.type == "error" and self.noise.append(f"console: {m.text}"))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(f"{address}?token={token}")
        self.canvas.wait_for()
        self.address = address

    @property
    def canvas(self):
        return self.page.locator(".atomlens-view canvas").first

    def button(self, name):
        # Its icon is a letter of a font, and would be part of the name that a role has.
        return self.page.locator(f"button:text-is('{name}')")

    def press(self, name):
        self.button(name).click()

    def choose(self, label, value):
        self.page.get_by_label(label, exact=True).select_option(value)

    def says(self, text):
        self.page.get_by_text(text).first.wait_for()

    def opens(self, name):
        from playwright.sync_api import expect  # where it is missing, these tests are skipped

        expect(self.page.get_by_label("file", exact=True)).to_have_value(name, timeout=TIMEOUT * 1000)

    def analyse(self):
        self.press("Analyse")
        self.button("Working …").wait_for()
        self.button("Analyse").wait_for()

    def left(self, fraction_x, fraction_y):
        """A place on the screen, from one within the left picture."""
        box = self.canvas.bounding_box()
        # The left picture is drawn as a square of this share of the figure.
        x0, x1, y0, y1 = 0.065, 0.495, 0.06, 0.98
        return (
            box["x"] + box["width"] * (x0 + fraction_x * (x1 - x0)),
            box["y"] + box["height"] * (y0 + fraction_y * (y1 - y0)),
        )

    def loop(self, *places):
        mouse = self.page.mouse
        mouse.move(*self.left(*places[0]))
        mouse.down()
        for place in (*places[1:], places[0]):
            mouse.move(*self.left(*place), steps=8)
        mouse.up()


@pytest.fixture
def app(browser, server):
    address, token, _ = server
    page = browser.new_context(viewport={"width": 1366, "height": 768}, accept_downloads=True).new_page()
    yield App(page, address, token)
    page.context.close()


def test_from_a_file_to_the_report(app, server, file, sample, tmp_path):
    page = app.page
    page.locator(".atomlens-drop input").set_input_files(file)
    app.opens(file.name)
    app.choose("scale", "lattice (nm)")
    page.get_by_placeholder("0.02, or").fill("0.3905")
    page.get_by_placeholder("0.02, or").press("Enter")
    app.press("leave out")
    app.says("Draw a loop")
    app.loop((0.02, 0.02), (0.98, 0.02), (0.98, 0.3), (0.02, 0.3))
    app.analyse()
    app.choose("show", "columns")
    app.press("remove")
    app.says("Click a column")
    page.mouse.click(*app.left(0.5, 0.6))
    app.says("The settings have changed")
    app.analyse()
    app.press("Download")
    link = page.locator("a[download]")
    link.wait_for()
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == "Prüfling_1_2_report.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "Prüfling_1_2_report"
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    assert settings["lattice"] == 0.3905
    assert len(settings["left_out"]) == len(settings["removed"]) == 1
    columns = pd.read_csv(folder / "tables" / "columns.csv")
    size = sample.data.shape[0]
    inside = columns[columns["x"].between(0.1 * size, 0.9 * size)]
    # Within the loop as it was drawn, there is nothing.
    assert not inside["y"].between(0.05 * size, 0.27 * size).any()
    truth = sample.truth[sample.truth["x"].between(0.1 * size, 0.9 * size)]
    truth = truth[truth["y"].between(0.35 * size, 0.9 * size) & (truth["label"] < 2)]  # oxygen is not seen
    gaps = [
        ((columns[["x", "y"]] - place) ** 2).sum(axis=1).min() ** 0.5 for place in truth[["x", "y"]].values
    ]
    [missing] = truth.loc[[gap > 2 for gap in gaps], ["x", "y"]].values  # the one that was removed, no other
    assert missing == pytest.approx(settings["removed"][0], abs=1)
    assert missing == pytest.approx([0.5 * size, 0.6 * size], abs=16)
    assert "<!DOCTYPE html>" in (folder / "report.html").read_text(encoding="utf-8")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366
    assert app.noise == []
    elsewhere = [url for url in app.asked if not url.startswith((app.address, "data:", "blob:"))]
    assert elsewhere == []
    # With the page, its kernel goes, and with that what was uploaded.
    _, _, temporary = server
    assert [p.name for p in temporary.glob("atomlens-upload-*/*/*")] == [file.name]
    page.close(run_before_unload=True)
    end = time.monotonic() + TIMEOUT
    while list(temporary.glob("atomlens-upload-*")):
        assert time.monotonic() < end, "the upload is still there"
        time.sleep(0.2)


def test_a_file_is_dropped_and_a_bad_one_is_one_sentence(app, file):
    page = app.page
    drop = """async (area, [name, text]) => {
        const data = new DataTransfer();
        data.items.add(new File([text], name));
        for (const kind of ["dragenter", "dragover", "drop"]) {
            area.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
        }
    }"""
    page.locator(".atomlens-drop").evaluate(drop, ["<img src=x onerror=alert(1)>.tif", "this is no image"])
    app.says("Drop another file here")
    app.says("<img src=x onerror=alert(1)>.tif")
    assert page.locator("img[src=x]").count() == 0
    page.locator(".atomlens-drop").evaluate(drop, ["empty.tif", ""])
    app.says("empty.tif is empty (0 bytes)")
    page.locator(".atomlens-drop input").set_input_files(file)
    app.opens(file.name)
    assert app.noise == []


def test_the_keyboard_reaches_everything(app):
    """From the file on, Tab goes from control to control, and Enter presses Analyse."""
    page = app.page
    page.get_by_label("file", exact=True).focus()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").strip() == "Analyse":
            break
    else:
        pytest.fail("Analyse cannot be reached")
    page.keyboard.press("Enter")
    app.button("Working …").wait_for()
    app.button("Analyse").wait_for()
    app.says("nearest defect")


def test_without_the_token_nothing_is_shown(server):
    address, _, _ = server
    assert address.startswith(("http://localhost", "http://127.0.0.1"))
    with urllib.request.urlopen(address + "voila/render/10_your_sample.ipynb", timeout=30) as answer:
        assert "/login" in answer.url
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(address + "api/kernels", timeout=30)
