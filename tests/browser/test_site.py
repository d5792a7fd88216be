"""The site that `make docs` built: read from a folder, it is whole, needs no network, and is for everyone.

It runs with `make docs-check`, which builds the site first; not with `make test`. ATOMLENS_EVERY_PAGE=1
leaves out none of the pages of functions.
"""

import os
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = pytest.mark.site
MAX_MB = 40
# In the dark only colours differ.
AXE = {
    scheme: f"axe.run(document, {{runOnly: {rules}, resultTypes: ['violations']}})"
    for scheme, rules in {
        "light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"],
        "dark": ["color-contrast"],
    }.items()
}
BROKEN = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
FITS = """(() => { const slide = document.querySelector("section.present > div");
return slide.scrollHeight <= slide.clientHeight + 1 && slide.scrollWidth <= slide.clientWidth + 1; })()"""
FEW = 12  # of the pages of functions, which come from one template: every so-manieth


class Page(HTMLParser):
    """What a page points to, and what can be pointed to in it."""

    def __init__(self, path):
        super().__init__()
        self.path, self.links, self.anchors = path, [], {"", "top"}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors.update(attrs[name] for name in ("id", "name") if attrs.get(name))
        for name in ("href", "src"):
            if attrs.get(name):
                self.links.append(attrs[name])


@pytest.fixture(scope="module")
def site(root):
    folder = root / "docs/_build/html"
    if not (folder / "index.html").is_file():
        pytest.fail("there is no site: run `make docs`")
    return folder


@pytest.fixture(scope="module")
def pages(site):
    found = {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.parts}
    assert len(found) > 300
    return found


def test_every_link_within_the_site_leads_somewhere(site, pages):
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages.get(target)
            if not target.exists() or (known and unquote(parts.fragment) not in known.anchors):
                dead.append(f"{path.relative_to(site)}: {link}")
    assert dead == []


def test_every_lesson_is_there_with_its_figures(root, site, pages):
    for notebook in (root / "notebooks").glob("[0-9]*.ipynb"):
        page = site / "lessons" / f"{notebook.stem}.html"
        text = page.read_text(encoding="utf-8")
        assert text.count("<img alt=") >= notebook.read_text(encoding="utf-8").count('"image/png": "')


def test_it_is_small(site):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < MAX_MB * 1e6


def test_search_works_from_a_folder(browser, site):
    page = browser.new_page()
    page.goto(f"{(site / 'search.html').as_uri()}?q=patterson")
    first = page.wait_for_selector("#search-results li a").get_attribute("href")
    page.close()
    assert first.startswith("lessons/")  # the reference comes after what explains it


def _addresses(site, pages, group):
    names = {path.relative_to(site).as_posix(): path for path in pages}
    inside = {
        "lessons": lambda name: name.startswith("lessons/"),
        "functions": lambda name: name.startswith("api/objects/"),
    }
    inside["others"] = lambda name: not any(inside[key](name) for key in ("lessons", "functions"))
    found = [path for name, path in sorted(names.items()) if inside[group](name)]
    sampled = group == "functions" and not os.environ.get("ATOMLENS_EVERY_PAGE")
    return found[::FEW] if sampled else found


# Pages of functions come from one template; in the dark they are as the others are.
@pytest.mark.parametrize(
    ("group", "scheme"),
    [
        ("lessons", "light"),
        ("lessons", "dark"),
        ("others", "light"),
        ("others", "dark"),
        ("functions", "light"),
    ],
)
def test_pages_are_accessible_and_need_no_network(browser, site, pages, group, scheme):
    from axe_playwright_python.base import AXE_SCRIPT

    page = browser.new_page(color_scheme=scheme, viewport={"width": 1366, "height": 768})
    asked, failed = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failed.append(f"{page.url}: {error}"))
    addresses = _addresses(site, pages, group)
    assert len(addresses) > 10
    for path in addresses:
        page.goto(path.as_uri())
        page.evaluate(AXE_SCRIPT)
        for violation in page.evaluate(AXE[scheme])["violations"]:
            if violation["impact"] in ("serious", "critical"):
                node = violation["nodes"][0]
                failed.append(f"{path.relative_to(site)}: {violation['id']}: {node['html'][:120]}")
        failed += [f"{path.relative_to(site)}: no picture {src}" for src in page.evaluate(BROKEN)]
    page.close()
    assert failed == []
    assert [url for url in asked if not re.match(r"file:|data:|blob:", url)] == []


def test_slides_fit_are_set_and_need_no_network(browser, root):
    decks = sorted((root / "build/slides").glob("*.html"))
    assert len(decks) >= 9, "run `make slides`"
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    asked, failed = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failed.append(f"{page.url}: {error}"))
    for deck in decks:
        page.goto(deck.as_uri())
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        page.evaluate("window.MathJax && MathJax.startup.promise")
        for number in range(page.evaluate("Reveal.getTotalSlides()")):
            page.evaluate(f"Reveal.slide({number})")
            if page.evaluate(FITS) is not True:
                failed.append(f"{deck.name}: slide {number + 1} is too full")
        if page.evaluate("document.querySelectorAll('mjx-merror, [data-mjx-error]').length"):
            failed.append(f"{deck.name}: a formula that is none")
        assert page.evaluate("document.querySelectorAll('aside.notes').length") >= 8
    page.close()
    assert failed == []
    assert [url for url in asked if not re.match(r"file:|data:|blob:", url)] == []
