"""The helpers of the lessons: budget, figures with a description."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from atomlens import notebook


@pytest.mark.parametrize(("choice", "value"), [(None, 40), ("full", 40), ("fast", 4)])
def test_budget_follows_the_environment(monkeypatch, choice, value):
    if choice is None:
        monkeypatch.delenv("ATOMLENS_BUDGET", raising=False)
    else:
        monkeypatch.setenv("ATOMLENS_BUDGET", choice)
    assert notebook.budget(full=40, fast=4) == value


@pytest.mark.parametrize("choice", ["quick", "", "FULL"])
def test_budget_refuses_what_it_does_not_know(monkeypatch, choice):
    monkeypatch.setenv("ATOMLENS_BUDGET", choice)
    with pytest.raises(ValueError, match="'full' or 'fast'"):
        notebook.budget(full=40, fast=4)


@pytest.fixture
def displayed(monkeypatch):
    """What a kernel would be asked to display."""
    calls = []
    monkeypatch.setattr(notebook, "shell", lambda: "a shell")
    monkeypatch.setattr(
        "IPython.display.display",
        lambda data, raw, metadata: calls.append((data, metadata)),
    )
    return calls


def _picture(data):
    return Image.open(io.BytesIO(base64.b64decode(data["image/png"])))


def _plain_figure():
    figure, axes = plt.subplots(figsize=(5, 4))
    axes.imshow(np.arange(64).reshape(8, 8))
    axes.plot([0, 7], [0, 7], color="red", linewidth=0.5)
    return figure


def test_show_sends_picture_and_description_and_closes_the_figure(displayed):
    figure = _plain_figure()
    notebook.show(figure, alt="A map\n   and a red line")
    [(data, metadata)] = displayed
    assert metadata["image/png"]["alt"] == "A map and a red line"
    assert data["text/plain"] == "[figure] A map and a red line"
    assert not plt.fignum_exists(figure.number)


def test_show_stores_a_palette_that_looks_the_same(displayed):
    figure = _plain_figure()
    raw = io.BytesIO()
    figure.savefig(raw, format="png", dpi=192, bbox_inches="tight", pad_inches=0.04)
    notebook.show(figure, alt="A map and a red line")
    shown, original = _picture(displayed[0][0]), Image.open(raw).convert("RGB")
    assert shown.mode == "P"
    difference = np.abs(np.asarray(shown.convert("RGB"), int) - np.asarray(original, int))
    assert difference.max() <= 32
    assert difference.mean() < 2.55  # one per cent of the range
    assert len(base64.b64decode(displayed[0][0]["image/png"])) < len(raw.getvalue())


def test_show_keeps_full_colour_where_a_palette_would_be_seen(displayed):
    figure = plt.figure(figsize=(3, 3))
    figure.figimage(np.random.default_rng(0).random((300, 300, 3)))
    notebook.show(figure, alt="Noise in every colour")
    assert _picture(displayed[0][0]).mode == "RGB"


def test_an_inch_is_96_pixels_at_twice_the_density(displayed):
    figure, axes = plt.subplots(figsize=(5, 4))
    axes.set_title("small", fontsize=6)
    notebook.show(figure, alt="Axes")
    [(data, metadata)] = displayed
    look = metadata["image/png"]
    assert 0.85 * 5 * 96 < look["width"] <= 5 * 96 + 8
    assert _picture(data).width == pytest.approx(2 * look["width"], abs=1)
    assert look["smallest_text"] == 8.0  # CSS pixels


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_show_insists_on_a_description(alt):
    with pytest.raises(ValueError, match="needs a description"):
        notebook.show(plt.figure(), alt=alt)
    plt.close("all")


def test_show_prints_the_description_in_plain_python(capsys):
    notebook.show(plt.figure(), alt="Nothing")
    assert capsys.readouterr().out == "[figure] Nothing\n"


def test_stored_tables_are_those_of_benchmarks(root):
    scripts = "".join(path.read_text(encoding="utf-8") for path in (root / "benchmarks").glob("*.py"))
    stored = sorted((root / "data" / "results").glob("*.csv"))
    for path in stored:
        assert f'{path.name}"' in scripts
        assert len(notebook.stored_table(path.stem)) > 0
    with pytest.raises(ValueError, match="there are " + ", ".join(path.stem for path in stored)):
        notebook.stored_table("none")


def test_figures_are_kept_and_none_is_replaced(tmp_path):
    folder = tmp_path / "for slides"
    notebook.keep_figures(folder)
    try:
        for _ in range(2):
            notebook.show(_plain_figure(), alt="A map")
        (folder / "figure-001.png").unlink()
        notebook.show(_plain_figure(), alt="A map")
    finally:
        notebook.keep_figures(None)
    notebook.show(_plain_figure(), alt="A map")
    assert sorted(p.name for p in folder.glob("*.svg")) == [f"figure-00{n}.svg" for n in (1, 2, 3)]
    with Image.open(folder / "figure-003.png") as picture:
        assert picture.width > 2.5 * 5 * 96, "sharper than on the page, which is 5 inches of 96"
    assert "<svg" in (folder / "figure-003.svg").read_text(encoding="utf-8")


def test_findings_are_markdown_in_a_box():
    text = notebook.findings("* one\n* two\n").data
    assert text.startswith('<div class="alert')
    assert "\n\n* one\n* two\n\n</div>" in text  # blank lines: else it would not be read as Markdown
