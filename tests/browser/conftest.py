"""JupyterLab in a real browser: a server on a copy of the notebooks, and a page that acts like a student.

Chromium is the system's own (Playwright's is never downloaded): the one that ATOMLENS_CHROMIUM
names, or the first on the path. Without it these tests are skipped; with ATOMLENS_REQUIRE_BROWSER
set, as in .ci/run, they fail instead.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
STDERR = '[data-mime-type="application/vnd.jupyter.stderr"]'  # warnings and tracebacks alike
TIMEOUT = 90  # seconds, for whatever a page is waited for
RUN_TIMEOUT = 300  # for a whole lesson: two run at once, on few cores

# No question about news, no look for updates; and every cell in the page, so that none escapes the tests.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}


def _unavailable(reason):
    if os.environ.get("ATOMLENS_REQUIRE_BROWSER"):
        pytest.fail(f"{reason}, and ATOMLENS_REQUIRE_BROWSER is set")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser():
    """Chromium, without a window."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _unavailable("Playwright for Python is not installed")
    found = os.environ.get("ATOMLENS_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        _unavailable("no Chromium on the path (ATOMLENS_CHROMIUM may name one)")
    # Chromium's sandbox refuses to run as root.
    flags = [*FLAGS, "--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else list(FLAGS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=flags)
        yield chromium
        chromium.close()


class Lab:
    """A running JupyterLab: its address, its folder, and its kernels to stop."""

    def __init__(self, url, token, folder):
        self.url, self.token, self.folder = url, token, folder

    def stop_kernels(self):
        for session in json.loads(self._call("api/sessions")):
            self._call(f"api/sessions/{session['id']}", method="DELETE")

    def _call(self, path, method="GET"):
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(self.url + path, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()


@pytest.fixture(scope="session")
def lab(root, tmp_path_factory):
    """JupyterLab on a copy of the checkout, from its root: there jupytext pairs, and guards, the notebooks.

    (`make lab` shows the folder notebooks alone, so a student's edits leave the scripts as they are.)
    """
    base = tmp_path_factory.mktemp("lab")
    folder, config, runtime = base / "checkout", base / "config", base / "runtime"
    shutil.copytree(root / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns("results"))
    shutil.copy(root / "pyproject.toml", folder)  # it pairs the notebooks
    for path in folder.rglob("*.py"):  # a clone sets times at random: jupytext refuses an older script
        os.utime(path, (0, 0))
    for name, setting in SETTINGS.items():
        path = config / "lab" / "user-settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(setting), encoding="utf-8")
    env = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "ATOMLENS_BUDGET": "fast",
        "ATOMLENS_CACHE_DIR": str(base / "cache"),
    }
    env.pop("MPLBACKEND", None)  # the kernel's own, as for everyone
    token = secrets.token_hex(8)
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0",
        f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}",
    ]  # fmt: skip
    with _serving(command, env, folder, runtime) as address:
        yield Lab(address, token, folder)


@pytest.fixture(scope="session")
def serving():
    """A context in which a Jupyter server runs: of a command, environment, folder and runtime folder."""
    return _serving


@contextmanager
def _serving(command, env, folder, runtime):
    log = runtime.with_name("server.log")
    with log.open("w") as out:
        server = subprocess.Popen(command, env=env, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield _address(server, runtime, log)
    finally:
        server.terminate()
        server.wait(timeout=30)


def _address(server, runtime, log):
    """Wait until the server says where it listens: port 0 is whichever is free."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end and server.poll() is None:
        for record in runtime.glob("jpserver-*.json"):
            try:
                return json.loads(record.read_text(encoding="utf-8"))["url"]
            except ValueError:  # written only in part
                continue
        time.sleep(0.1)
    raise RuntimeError(f"The server did not start:\n{log.read_text()[-3000:]}")


class LabPage:
    """JupyterLab's page in the hands of a student.

    Parameters
    ----------
    page : playwright.sync_api.Page
    lab : Lab
    """

    def __init__(self, page, lab):
        self.page, self.lab, self.noise = page, lab, []
        page.set_default_timeout(TIMEOUT * 1000)
        page.on("pageerror", lambda error: self.noise.append(f"page error: {error}"))
        page.on("console", self._on_console)

    def _on_console(self, message):
        if message.type == "error":
            self.noise.append(f"console: {message.text} ({message.location.get('url', '')})")

    @property
    def notebook(self):
        """The notebook in front."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def open(self, path):
        """Find a notebook in the file browser, folder by folder, and open it by a double click."""
        self.page.goto(f"{self.lab.url}lab?reset&token={self.lab.token}")
        listing = self.page.locator(".jp-DirListing-content")
        *folders, file = Path(path).parts
        for folder in folders:
            listing.get_by_text(folder, exact=True).dblclick()
            # a file of the same name may stand in the folder above, which is still on the screen
            self.page.locator(".jp-BreadCrumbs").get_by_text(folder, exact=True).wait_for()
            listing.get_by_text(folder, exact=True).wait_for(state="detached")
        listing.get_by_text(file, exact=True).dblclick()
        self._wait_until_idle()

    def run_all(self):
        """Run All Cells from the menu, and wait until every cell has run or one has failed."""
        prompts = ".jp-CodeCell .jp-InputArea-prompt"
        # The numbers of the stored run are wiped from the page, so that only new ones count.
        self.notebook.locator(prompts).evaluate_all("all => all.forEach(e => { e.textContent = ''; })")
        self.page.locator(".lm-MenuBar-itemLabel").get_by_text("Run", exact=True).click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text("Run All Cells", exact=True).click()
        # [*] waits or runs, [3] has run, [ ] was given up after an error.
        self.page.wait_for_function(
            """prompts => {
                const panel = document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden)');
                return [...panel.querySelectorAll(prompts)].every(e => /\\[(\\d+| )\\]/.test(e.textContent));
            }""",
            arg=prompts,
            timeout=RUN_TIMEOUT * 1000,
        )
        self._wait_until_idle()

    def errors(self):
        """Everything in the page or its console that a student should not see."""
        kinds = ("application/vnd.jupyter.stderr", "application/vnd.jupyter.error")
        selectors = [
            *(f'[data-mime-type="{kind}"]' for kind in kinds),
            ".jp-Dialog",
            ".Toastify__toast--error",
        ]
        seen = self.page.locator(", ".join(selectors)).all_inner_texts()
        return [*seen, *self.noise]

    def look(self, selector):
        """What an output shows, as text that changes whenever its looks do, once it has come to rest."""
        output = self.notebook.locator(selector).first
        output.wait_for(state="attached")
        before, now, end = None, self._appearance(output), time.monotonic() + TIMEOUT
        while now != before or now == "data:,":  # an empty canvas is still to be drawn
            assert time.monotonic() < end, f"{selector} does not come to rest"
            self.page.wait_for_timeout(400)
            before, now = now, self._appearance(output)
        return now

    @staticmethod
    def _appearance(output):
        return output.evaluate("e => e instanceof HTMLCanvasElement ? e.toDataURL() : e.outerHTML")

    def move(self, selector, action, *, expect):
        """Do something to a control, a function of its locator, and wait until an output looks different."""
        before = self.look(expect)
        action(self.notebook.locator(selector).first)
        end = time.monotonic() + TIMEOUT
        while self.look(expect) == before:
            assert time.monotonic() < end, f"moving {selector} changed nothing in {expect}"
        self._wait_until_idle()

    def screenshot(self, path):
        self.page.screenshot(path=str(path))
        return path

    def _wait_until_idle(self):
        # The indicator alone would do only later: it says idle before there is a kernel, too.
        self.page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
        self.notebook.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    setattr(item, f"failed_in_{report.when}", report.failed)
    return report


@pytest.fixture
def lab_page(lab, browser, request, tmp_path):
    """A fresh page; when the test fails its picture is left in the temporary folder."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = LabPage(context.new_page(), lab)
    yield page
    if getattr(request.node, "failed_in_call", False):
        sys.stderr.write(f"\nscreenshot: {page.screenshot(tmp_path / 'page.png')}\n")
    context.close()
    lab.stop_kernels()
