"""A registry of one small set that is served by this machine, and the mirror of the real ones."""

import hashlib
import http.server
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atomlens.datasets import _load, _registry

MIRROR = os.environ.get("ATOMLENS_DATA_DIR")


@pytest.fixture
def mirror():
    if not MIRROR or not Path(MIRROR).is_dir():
        pytest.skip("real data needed: set ATOMLENS_DATA_DIR to a mirror")
    return Path(MIRROR)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no mirror."""
    monkeypatch.delenv("ATOMLENS_DATA_DIR", raising=False)
    monkeypatch.setenv("ATOMLENS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def server(tmp_path):
    """Serves `content` under any path; `behave` says how: well, cut, wrong or missing."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            page = self.server.page
            page.asked.append(self.path)
            if page.behave == "missing":
                self.send_error(404)
                return
            body = b"x" * len(page.content) if page.behave == "wrong" else page.content
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if page.behave == "cut" else body)

        def log_message(self, *args):
            pass

    class Page:
        behave = "well"
        asked = []  # noqa: RUF012 - one page a test

    np.save(tmp_path / "served.npy", np.arange(5000.0).reshape(50, 100))
    Page.content = (tmp_path / "served.npy").read_bytes()
    Page.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.page = Page
        Page.base = f"http://127.0.0.1:{running.server_port}/"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield Page
        running.shutdown()
        thread.join()


@pytest.fixture
def register(monkeypatch):
    """Return register(url, content, **changes): put one more set, `tiny`, in the registry."""

    def add(url, content, **changes):
        pattern = _registry.registry()["fe_grain_boundary"]
        digest = hashlib.sha256(content).hexdigest()
        file = _registry.File("a b.npy", "tiny_folder", len(content), digest, url)
        entry = replace(pattern, name="tiny", files={"a b.npy": file}, **{"phantom": None, **changes})
        known = {**_registry.registry(), "tiny": entry}
        monkeypatch.setattr(_registry, "registry", lambda: known)
        monkeypatch.setattr(_load, "registry", lambda: known)
        return entry

    return add
