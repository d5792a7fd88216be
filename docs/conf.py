"""Settings of the documentation: the API from the docstrings, and the pages for developers."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import atomlens

HERE = Path(__file__).parent
project, author = "atomlens", "The atomlens developers"
release = version = atomlens.__version__
copyright = f"2026, {author}"

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_parser"]
exclude_patterns = ["_build"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}
html_title = "atomlens"
html_copy_source = html_show_sourcelink = False
numpydoc_show_class_members = False
numpydoc_validation_checks = set()
autodoc_typehints = "none"  # the docstrings say it, with shapes and units
autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
templates_path = ["_templates"]
myst_heading_anchors = 3
nitpicky = False


def _rooms():
    """Every room with a public name, and the modules that rooms such as `simulate` open."""
    for name in sorted(atomlens.__all__):
        room = getattr(atomlens, name)
        if not inspect.ismodule(room):
            continue
        yield name, room
        for inner in getattr(room, "__all__", ()):
            if inspect.ismodule(getattr(room, inner)):
                yield f"{name}.{inner}", getattr(room, inner)


def _write_pages(_app):
    """One page a room: what its docstring says, and a table of its public names."""
    folder = HERE / "api"
    folder.mkdir(exist_ok=True)
    for name, room in _rooms():
        full = f"atomlens.{name}"
        names = [n for n in getattr(room, "__all__", ()) if not inspect.ismodule(getattr(room, n))]
        lines = [full, "=" * len(full), "", f".. automodule:: {full}", "   :no-members:", ""]
        if names:
            lines += [f".. currentmodule:: {full}", "", ".. autosummary::", "   :toctree: objects", ""]
            lines += [f"   {n}" for n in names]
        text = "\n".join([*lines, ""])
        page = folder / f"{name}.rst"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def setup(app):
    """Write the pages before Sphinx looks for them."""
    importlib.import_module("matplotlib").use("agg")
    app.connect("config-inited", lambda app, config: _write_pages(app), priority=100)
