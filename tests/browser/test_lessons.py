"""Every lesson as a student opens it: it runs, its controls work, and no error is to be seen.

A new lesson is one line in LESSONS, a control one line in CONTROLS.
"""

import pytest

pytestmark = pytest.mark.browser

LESSONS = (
    "00_start_here",
    "01_spectral_clustering",
    "exercises/01_spectral_clustering",
    "03_atom_finding",
    "exercises/03_atom_finding",
)

COCKPIT, EXPLORER = ".atomlens-view:not(:has(select))", ".atomlens-view:has(select)"
IMAGING = ".atomlens-view:has-text('defocus')"
FINDER = ".atomlens-view:has-text('lowest score')"

# notebook, control, what is done to it, what must look different afterwards
CONTROLS = (
    (
        "01_spectral_clustering",
        f"{COCKPIT} .noUi-handle",
        lambda c: c.press("ArrowRight"),
        f"{COCKPIT} canvas",
    ),
    (
        "01_spectral_clustering",
        f"{EXPLORER} .noUi-handle",
        lambda c: c.press("ArrowRight"),
        f"{EXPLORER} canvas",
    ),
    (
        "01_spectral_clustering",
        f"{EXPLORER} :has-text('normalise') > select",
        lambda c: c.select_option("none"),
        f"{EXPLORER} canvas",
    ),
    (  # a click on the map; the second canvas lies on top and takes the clicks
        "01_spectral_clustering",
        f"{EXPLORER} canvas >> nth=1",
        lambda c: c.click(position={"x": 200, "y": 200}),
        f"{EXPLORER} canvas >> nth=0",
    ),
    ("01_spectral_clustering", f"{EXPLORER} button", lambda c: c.click(), f"{EXPLORER} .atomlens-code"),
    (
        "03_atom_finding",
        f"{IMAGING} .noUi-handle >> nth=0",
        lambda c: c.press("ArrowRight"),
        f"{IMAGING} canvas",
    ),
    ("03_atom_finding", f"{FINDER} .noUi-handle", lambda c: c.press("ArrowRight"), f"{FINDER} canvas"),
    ("03_atom_finding", f"{FINDER} button:has-text('code')", lambda c: c.click(), f"{FINDER} .atomlens-code"),
)


@pytest.mark.parametrize("lesson", LESSONS)
def test_lesson(lab_page, lesson):
    lab_page.open(f"notebooks/{lesson}.ipynb")
    lab_page.run_all()
    assert lab_page.errors() == []
    for notebook, control, action, output in CONTROLS:
        if notebook == lesson:
            lab_page.move(control, action, expect=output)
    assert lab_page.errors() == []
