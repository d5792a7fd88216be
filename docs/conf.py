"""Settings of the documentation: the API from the docstrings, and the pages for developers."""

from __future__ import annotations

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


def _at_home(thing, room):
    """Whether a public name is documented with this room: not a module, nor what another room offers too."""
    home = getattr(thing, "__module__", f"atomlens.{room}").split(".")[1:2]
    elsewhere = home and not home[0].startswith("_") and home[0] != room.partition(".")[0]
    return not inspect.ismodule(thing) and not elsewhere


def _write_pages():
    """One page a room: what its docstring says, and a table of its public names."""
    folder = HERE / "api"
    folder.mkdir(exist_ok=True)
    for name, room in _rooms():
        full = f"atomlens.{name}"
        names = [n for n in getattr(room, "__all__", ()) if _at_home(getattr(room, n), name)]
        lines = [full, "=" * len(full), "", f".. automodule:: {full}", "   :no-members:", ""]
        if names:
            lines += [f".. currentmodule:: {full}", "", ".. autosummary::", "   :toctree: objects", ""]
            lines += [f"   {n}" for n in names]
        text = "\n".join([*lines, ""])
        page = folder / f"{name}.rst"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def _copy_pages():
    """The pages that stand at the root of the repository, their links as seen from here."""
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        text = (HERE.parent / name).read_text(encoding="utf-8")
        text = text.replace("](docs/", "](").replace("](CHANGELOG.md)", "](changelog.md)")
        (HERE / name.lower()).write_text(text, encoding="utf-8")


_copy_pages()
_write_pages()
