"""Settings of the site: lessons, reference, pages for users and developers; it is read without a network."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import atomlens

sys.path.insert(0, str(Path(__file__).parent))
import pages

project, author = "atomlens", "The atomlens developers"
release = version = atomlens.__version__
copyright = f"2026, {author}"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_nb",
    "sphinx_design",
]
exclude_patterns = ["_build", "*.in.md", "lessons/blank"]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "collapse_navigation": True,
    "logo": {"text": "atomlens", "image_light": "_static/logo.svg", "image_dark": "_static/logo.svg"},
    "header_links_before_dropdown": 4,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {name: [] for name in ("index", "withstands", "changelog")}
html_title = "atomlens"
html_search_scorer = str(Path(__file__).with_name("scorer.js"))
html_favicon = "_static/logo.svg"
html_copy_source = html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
numpydoc_show_class_members = False
numpydoc_validation_checks = set()
autodoc_typehints = "none"  # the docstrings say it, with shapes and units
autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
templates_path = ["_templates"]
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "attrs_inline"]
myst_dmath_double_inline = True
nb_execution_mode = "off"  # the stored outputs are those that were checked
nb_merge_streams = True
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
nitpicky = False

# Formulas are set by a copy of MathJax that lies beside the pages, as SVG, which needs no fonts.
_mathjax = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax"
mathjax_path = "tex-svg-full.js"
mathjax3_config = {"options": {"enableMenu": False}}


def setup(app):
    """Put MathJax beside the pages when they are written."""
    from sphinx.util.fileutil import copy_asset

    app.connect(
        "build-finished",
        lambda app, failed: (
            failed or copy_asset(str(_mathjax / mathjax_path), str(Path(app.outdir) / "_static"))
        ),
    )


pages.write_all()
