"""Slides of a lecture, made from the stored notebook of a lesson: one file, no network.

A slide is a figure with its caption, a formula with the sentence before it, a question that is to be answered before a
cell is run, the table that answers it, or what stays. Every section has one. The prose goes to the speaker's notes, with
the time. So a lesson is written once. Tags of a cell change what is taken: "slide" makes a markdown cell a slide as it
stands, "skip" leaves a cell out.

    python notebooks/teaching/slides.py OUT [NAME ...]
"""

from __future__ import annotations

import argparse
import html
import importlib.util
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from traitlets.config import Config

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import build

MINUTES, LONGEST = 35, 3.0  # of a lecture, which leaves ten for questions; of a slide
MOST = 20  # slides of a lesson
_BASE = 60  # words that a slide costs besides its notes: it is looked at, too
_CAPTION, _POINT = 230, 200  # characters: whole sentences, as many as fit
_ROWS = 12  # of a table, or lines that were printed
_KINDS = ("image/svg+xml", "image/png", "image/jpeg", "image/gif")


@dataclass
class Slide:
    """What is shown, and what is said.

    Parameters
    ----------
    title : str
    body : str
        Markdown.
    kind : {"title", "figure", "formula", "question", "result", "list", "text"}
    picture : (str, str), optional
        An address (``data:...``), and what it shows in words.
    notes : list of str
        Prose of the lesson, markdown.
    minutes : float
        Set by `slides_of`.
    """

    title: str
    body: str
    kind: str
    picture: tuple[str, str] | None = None
    notes: list[str] = field(default_factory=list)
    minutes: float = 0.0


def slides_of(notebook, minutes=MINUTES):
    """The slides of a stored notebook.

    Parameters
    ----------
    notebook : NotebookNode
        A lesson with its outputs.
    minutes : float
        Shared out among the slides by the words that belong to each, in halves.

    Returns
    -------
    list of Slide
    """
    maker = _Maker()
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", ())
        if "skip" in tags:
            continue
        if cell.cell_type == "code":
            maker.code(cell)
        elif "slide" in tags:
            maker.add("text", cell.source)
        else:
            for block in _blocks(cell.source):
                maker.prose(block)
    slides = maker.finished()
    while len(slides) > MOST and any(slide.kind == "question" for slide in slides):
        last = max(i for i, slide in enumerate(slides) if slide.kind == "question")
        asked = slides.pop(last)
        slides[min(last, len(slides) - 1)].notes[:0] = [asked.body, *asked.notes]  # then it is only spoken
    words = [_BASE + len(" ".join([slide.body, *slide.notes]).split()) for slide in slides]
    for slide, share in zip(slides, words, strict=True):
        slide.minutes = min(max(round(2 * minutes * share / sum(words)) / 2, 0.5), LONGEST)
    return slides


class _Maker:
    """Reads a lesson block by block, and decides what becomes a slide."""

    def __init__(self):
        self.slides, self.pictures, self.symbols = [], [], False
        self._begin("")

    def _begin(self, section):
        self.section, self.shown = section, False
        self.said = []  # in this section before its first slide
        self.result, self.answers = None, []  # what a cell printed last; with what the prose says of it

    def add(self, kind, body, picture=None):
        title = self.section or (self.slides[0].title if self.slides else "")
        self.slides.append(Slide(title, body, kind, picture, self.said))
        self.said, self.shown = [], True

    def _say(self, text):
        """To the slide that it is about; before the first one of a section, to that."""
        if self.shown or not self.section:
            self.slides[-1].notes.append(text)
        else:
            self.said.append(text)

    def code(self, cell):
        for output in cell.outputs:
            data = output.get("data", {})
            if kind := next((kind for kind in _KINDS if kind in data), None):
                alt = output.metadata.get(kind, {}).get("alt", "")
                self.pictures.append((_address(kind, data[kind]), alt))
            elif "text/markdown" in data and self.section == "What stays":
                self.add("list", _plain(data["text/markdown"]))
            else:
                self.result = _result(output) or self.result

    def prose(self, block):
        self._block(block)
        self.symbols = block.startswith("$$")  # the next block says what they mean

    def _block(self, block):
        if block.startswith("# "):
            self.slides.append(Slide(_plain(block[2:]), "", "title"))
        elif block.startswith("## "):
            self._close()
            self._begin(re.sub(r"^\d+ · ", "", _plain(block[3:])))
        elif "**You will**" in block:
            aims = _plain(block).partition("**You will**")[2].partition("**Needs**")[0]
            self.slides[0].body = "\n".join(f"* {_capital(aim)}" for aim in aims.split(" · "))
        elif block.startswith("$$"):
            self._formula(block)
        elif block.startswith("**Figure"):
            self._captions(block)
        elif block.startswith(("**Predict", "**Question")):
            self.add("question", _plain(block))
            self.result = None  # of before: no answer
        elif not block.startswith(("<details", "<div", "<!--", "```")):
            self._paragraph(_plain(block))

    def _formula(self, block):
        """With the sentence that leads to it, and the one before where it leans on that."""
        paragraph = (self.said or (self.slides[-1].notes if self.shown else []) or [""])[-1]
        *earlier, last = _sentences(paragraph)
        leans = last[:1].islower() or last.split(" ")[0] in (
            "So",
            "It",
            "This",
            "In",
            "Then",
            "They",
            "Their",
        )
        before = f"{earlier[-1]} {last}" if earlier and leans else last
        self.add("formula", f"{_capital(before)}\n\n{block}")

    def _captions(self, block):
        """Each caption belongs to a picture before it; what has none was drawn for something else."""
        captions = [_plain(caption) for caption in re.split(r"(?=\*\*Figure)", block)[1:]]
        for caption, picture in zip(captions, self.pictures[-len(captions) :], strict=False):
            found = re.match(r"\*\*Figure [\w.]+\*\*\s*(,)?", caption)
            text = ("This figure," if found[1] else "") + caption[found.end() :]
            self.add("figure", _fitting(text, _CAPTION), picture)
            self._say(text)
        self.pictures = []

    def _paragraph(self, text):
        last = self.slides[-1] if self.slides else None
        if self.symbols and re.match(r"[a-z]|Here ", text):
            last.body += f"\n\n{_capital(_sentences(text)[0])}"  # what the symbols mean
        if self.result:
            answer = f"{_fitting(text, _CAPTION)}\n\n{self.result}"
            if self.shown and last.kind == "question" and not self.pictures:
                self.add("result", answer)
            self.answers.append(answer)
            self.result = None
        self._say(text)

    def _close(self):
        """At the end of a section: its points, if it is about failures; and something, if it has shown nothing."""
        if self.section == "Where it fails":
            said = [*self.said, *(note for s in self.slides if s.title == self.section for note in s.notes)]
            points = [block.removeprefix("* ") for block in said if re.match(r"(\* )?\*[^*]+\*", block)]
            if len(points) > 1:
                self.add("list", "\n".join(f"* {_fitting(point, _POINT)}" for point in points))
        elif self.section and not self.shown:
            if self.answers:
                self.add("result", max(self.answers, key=lambda answer: "<table" in answer))
            elif self.said:
                self.add("text", _fitting(" ".join(self.said), 2 * _CAPTION))

    def finished(self):
        self._close()
        return self.slides


def _result(output):
    """A table or printed lines of a cell as they stand on a slide, or None where they are too long."""
    table = re.search(r"(?s)<table.*?</table>", output.get("data", {}).get("text/html", ""))
    if table and table[0].count("<tr") <= _ROWS:
        return table[0]
    text = output.get("text", "") if output.output_type == "stream" else ""
    return f"```\n{text.strip()}\n```" if text.strip() and text.count("\n") <= _ROWS else None


def _fitting(text, most):
    """The first sentences of a text, whole ones, at least one."""
    first, *more = _sentences(text)
    for sentence in more:
        if len(first) + len(sentence) >= most:
            break
        first += f" {sentence}"
    return _whole(first)


def _blocks(source):
    """A markdown cell in pieces: paragraphs, lists, formulas; boxes and code stay whole."""
    whole = r"(?s)<div.*?</div>|<details>.*?</details>|```.*?```|\$\$.*?\$\$|(?m:^#+ [^\n]*$)"
    at, pieces = 0, []
    for found in re.finditer(whole, source):
        pieces += [*re.split(r"\n\s*\n", source[at : found.start()]), found[0]]
        at = found.end()
    pieces += re.split(r"\n\s*\n", source[at:])
    return [piece.strip() for piece in pieces if piece.strip()]


def _plain(text):
    """Without boxes, badges, and links, which lead nowhere from a slide."""
    text = re.sub(r"</?(div|span)[^>]*>|<!--.*?-->", "", text)
    return re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text).strip()


def _sentences(text):
    """Sentences of a paragraph; dots within formulas, code and numbers end none."""
    kept = []

    def put_by(found):
        kept.append(found[0])
        return f"\0{len(kept) - 1}\0"

    joined = re.sub(r"\$[^$]*\$|`[^`]*`", put_by, " ".join(text.split()))
    parts = re.split(r"(?:(?<=[.!?])|(?<=[.!?]\*)|(?<=[.!?]\*\*))(?<!\b[A-Z]\.) (?=[^a-z])", joined)
    return [re.sub(r"\0(\d+)\0", lambda found: kept[int(found[1])], part) for part in parts]


def _whole(sentence):
    """What pointed to the next cell ends here."""
    return f"{sentence[:-1]}." if sentence.endswith(":") else sentence


def _capital(text):
    text = text.strip()
    return text[:1].upper() + text[1:]


def _address(kind, data):
    import base64

    if kind == "image/svg+xml":
        data = base64.b64encode("".join(data).encode()).decode()
    return f"data:{kind};base64,{''.join(data.split())}"


# ---------------------------------------------------------------- as a page


def deck(slides):
    """The slides as a notebook that nbconvert's exporter of slides reads."""
    notebook = nbformat.v4.new_notebook(metadata={"title": slides[0].title})
    after = 0.0
    for slide in slides:
        parts = [f'<div class="{slide.kind}">\n', f"{'#' if slide.kind == 'title' else '##'} {slide.title}\n"]
        if slide.picture:
            address, alt = slide.picture
            parts.append(f'<img src="{address}" alt="{html.escape(alt, quote=True)}">\n')
        parts += [slide.body, "\n</div>"]
        cell = nbformat.v4.new_markdown_cell("\n".join(parts))
        cell.metadata["slideshow"] = {"slide_type": "slide"}
        after += slide.minutes
        told = f"**{slide.minutes:.1f} min**, until {int(after)}:{int(after % 1 * 60):02d}"
        notes = nbformat.v4.new_markdown_cell("\n\n".join([told, *slide.notes]))
        notes.metadata["slideshow"] = {"slide_type": "notes"}
        notebook.cells += [cell, notes]
    return notebook


def page(slides, name):
    """One HTML file with everything in it.

    Parameters
    ----------
    slides : list of Slide
    name : str
        Of the lesson.

    Returns
    -------
    str
    """
    reveal = _package("sphinx_revealjs") / "_static/revealjs"
    mathjax = _package("sphinx-mathjax-offline") / "static/mathjax/tex-svg-full.js"
    inlined = {
        "reveal_css": reveal / "dist/reveal.css",
        "reveal_js": reveal / "dist/reveal.js",
        "notes_js": reveal / "plugin/notes/notes.js",
        "look": HERE / "lecture/lecture.css",
    }
    texts = {key: path.read_text(encoding="utf-8") for key, path in inlined.items()}
    with_formulas = any("$" in " ".join([slide.body, *slide.notes]) for slide in slides)
    texts["mathjax"] = mathjax.read_text(encoding="utf-8") if with_formulas else ""
    # a script that holds the text of an end tag would end there
    texts = {key: text.replace("</script", "<\\/script") for key, text in texts.items()}
    exporter = SlidesExporter(
        config=Config({"SlidesExporter": {"template_name": "lecture", "exclude_input_prompt": True}}),
        extra_template_basedirs=[str(HERE)],
    )
    return exporter.from_notebook_node(deck(slides), {"lecture": texts, "metadata": {"name": name}})[0]


def _package(name):
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"{name} is not installed: `make slides` does it")
    return Path(spec.origin).parent


def write(out, names=()):
    """Write the slides of the core lessons with one of these names in theirs.

    Parameters
    ----------
    out : path-like
        A folder.
    names : sequence of str
        All, if there are none.

    Returns
    -------
    dict of Path to list of Slide
    """
    written = {}
    for source in filter(build.is_core, build.lessons()):
        if names and not any(name in source.stem for name in names):
            continue
        notebook = build.stored(source)
        if notebook is None:
            raise FileNotFoundError(f"{source.stem} was never built: {build.REMEDY}")
        slides = slides_of(notebook)
        if len(slides) > MOST:
            raise ValueError(
                f"{source.stem} makes {len(slides)} slides, at most {MOST} are allowed: tag a cell 'skip'"
            )
        path = Path(out) / f"{source.stem}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(slides, source.stem), encoding="utf-8")
        written[path] = slides
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    for path, slides in write(options.out, options.names).items():
        print(f"{path}: {len(slides)} slides")
