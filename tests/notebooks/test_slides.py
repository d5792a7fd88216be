"""Slides: what a lesson shows becomes a slide, what it says becomes notes, and the time is shared out."""

import importlib.util
import re
import sys

import nbformat
import pytest

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def maker(root):
    spec = importlib.util.spec_from_file_location("slides", root / "notebooks/teaching/slides.py")
    module = sys.modules["slides"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def said(source, *tags):
    return nbformat.v4.new_markdown_cell(source, metadata={"tags": list(tags)})


def shown(alt, *tags):
    output = nbformat.v4.new_output(
        "display_data", {"image/png": PIXEL}, metadata={"image/png": {"alt": alt, "width": 800}}
    )
    return nbformat.v4.new_code_cell("show()", outputs=[output], metadata={"tags": list(tags)})


def lesson(*cells):
    opening = """# 05 · Defects
<div class="alert alert-block alert-info">

**You will** find · count [them](x.ipynb)

**Needs** nothing

</div>

It begins. Here."""
    return nbformat.v4.new_notebook(cells=[said(opening), said("## 1 · Play\n\nSome prose."), *cells])


def kinds(slides):
    return [slide.kind for slide in slides]


def test_the_opening_is_a_title_with_aims(maker):
    title, section = maker.slides_of(lesson())
    assert (title.kind, title.title, title.body) == ("title", "05 · Defects", "* Find\n* Count them")
    assert title.notes == ["It begins. Here."]
    assert (section.kind, section.title, section.body) == ("text", "Play", "Some prose.")


def test_a_figure_and_its_caption(maker):
    caption = (
        "**Figure 5.1.** At $p = 0.5. x$ nothing is lost of what was planted in this crystal. More of it."
    )
    _, slide = maker.slides_of(lesson(shown("a map"), said(caption)))
    assert (slide.kind, slide.title) == ("figure", "Play")
    assert slide.body == "At $p = 0.5. x$ nothing is lost of what was planted in this crystal. More of it."
    assert slide.picture == (f"data:image/png;base64,{PIXEL}", "a map")
    assert slide.notes == ["Some prose.", caption.removeprefix("**Figure 5.1.** ")]


def test_two_captions_take_two_pictures_in_their_order(maker):
    captions = "**Figure 5.1.** First. **Figure 5.2.** Second."
    slides = maker.slides_of(lesson(shown("one"), shown("two"), said(captions)))[1:]
    assert [(s.picture[1], s.body) for s in slides] == [("one", "First."), ("two", "Second.")]


def test_a_formula_has_the_sentence_before_it(maker):
    _, slide = maker.slides_of(lesson(said("One thing. It is a sum,\n\n$$ a = b, \\tag{5.1} $$\n\nwith b.")))
    assert (slide.kind, slide.body) == (
        "formula", "One thing. It is a sum,\n\n$$ a = b, \\tag{5.1} $$\n\nWith b."
    )  # fmt: skip


def test_questions_failures_and_findings(maker):
    found = nbformat.v4.new_code_cell(
        outputs=[nbformat.v4.new_output("display_data", {"text/markdown": "<div>\n\n* It works.\n\n</div>"})]
    )
    cells = [
        said("**Predict, then run.** What is it?"),
        said("## 2 · Where it fails\n\n*Noise.* It is blind. Much.\n\n*Tilt.* It says so:"),
        said("## What stays"),
        found,
    ]
    question, failures, findings = maker.slides_of(lesson(*cells))[1:]
    assert (question.kind, question.body) == ("question", "**Predict, then run.** What is it?")
    assert failures.body == "* *Noise.* It is blind. Much.\n* *Tilt.* It says so."
    assert (findings.title, findings.body) == ("What stays", "* It works.")


def printed(text):
    return nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("stream", text=text)])


def test_a_question_is_answered_and_every_section_shows_something(maker):
    cells = [
        said("**Predict, then run.** How many?"), printed("7 of them"), said("Seven. It was to be expected."),
        said("## 2 · Rates"), printed("a rate"), said("It is kept."), said("## 3 · What stays"),
    ]  # fmt: skip
    asked, answered, rates, _ = maker.slides_of(lesson(*cells, said("Nothing.")))[1:]
    assert asked.kind == "question"
    assert answered.body == "Seven. It was to be expected.\n\n```\n7 of them\n```"
    assert (rates.title, rates.kind, rates.body) == ("Rates", "result", "It is kept.\n\n```\na rate\n```")


def test_questions_are_spoken_where_there_are_too_many_slides(maker):
    cells = [said("**Predict** it."), *[said(f"$$ {n} $$") for n in range(maker.MOST - 1)]]
    slides = maker.slides_of(lesson(*cells))
    assert len(slides) == maker.MOST
    assert slides[1].notes[0] == "**Predict** it."


def test_tags_change_what_is_taken(maker):
    cells = [said("Seen *whole*.", "slide"), said("**Predict** this", "skip"), shown("not this", "skip")]
    slides = maker.slides_of(lesson(*cells, said("**Figure 5.1.** Of nothing.")))
    assert kinds(slides) == ["title", "text"]
    assert slides[1].body == "Seen *whole*."
    assert slides[1].notes == ["Some prose."]


def test_the_time_is_shared_out(maker):
    long = said("word " * 500 + "\n\n$$ a $$")
    slides = maker.slides_of(lesson(long, said("$$ b $$")), minutes=3)
    assert 2.5 <= sum(slide.minutes for slide in slides) <= 3.5
    assert slides[1].minutes >= 2 * slides[2].minutes
    assert maker.slides_of(lesson(long), minutes=30)[1].minutes == maker.LONGEST


def test_core_lessons_make_lectures(maker):
    core = [source for source in maker.build.lessons() if maker.build.is_core(source)]
    assert len(core) == 9
    for source in core:
        slides = maker.slides_of(maker.build.stored(source))
        assert 8 <= len(slides) <= maker.MOST
        assert slides[0].body.startswith("* ")
        assert kinds(slides).count("figure") >= 4
        assert slides[-1].title == "What stays"
        assert all(slide.body.strip() for slide in slides)
        assert not any(re.search(r"\]\([\w./]+\)", slide.body) for slide in slides)
