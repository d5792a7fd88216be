"""Every lesson as a student opens it: it runs, its controls work, and no error is to be seen.

A new lesson is found by itself; a control is one entry in CONTROLS.
"""

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
# Lessons, and exercises as students get them; a solution is what a student's copy becomes.
LESSONS = [
    path.relative_to(ROOT / "notebooks").with_suffix("").as_posix()
    for path in sorted(ROOT.glob("notebooks/**/[0-9][0-9]*_*.ipynb"))
    if not path.stem.endswith("_solution") and ".ipynb_checkpoints" not in path.parts
]

COCKPIT, EXPLORER = ".atomlens-view:not(:has(select))", ".atomlens-view:has(select)"
IMAGING = ".atomlens-view:has-text('defocus')"
FINDER = ".atomlens-view:has-text('lowest score')"
DESCRIPTOR = ".atomlens-view:has-text('look-alikes')"
CRYSTAL = ".atomlens-view:has-text('point group')"
DEFECTS = ".atomlens-view:has-text('false-alarm rate')"
GALLERY = ".atomlens-view:has-text('grouped by')"
SAMPLE = ".atomlens-view:has-text('false alarms a cell')"
TRACKS = ".atomlens-view:has-text('next event')"
PARTICLES = ".atomlens-view:has-text('to see how it turns')"
LABELLER = ".atomlens-view:has-text('then along its axis')"


def draw_loop(canvas, *corners):
    """Drag the mouse from corner to corner, each a fraction of the canvas."""
    canvas.scroll_into_view_if_needed()
    box, mouse = canvas.bounding_box(), canvas.page.mouse
    places = [(box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in corners]
    mouse.move(*places[0])
    mouse.down()
    for place in (*places[1:], places[0]):
        mouse.move(*place, steps=8)
    mouse.up()


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
        "02_descriptors",
        f"{DESCRIPTOR} .noUi-handle >> nth=0",
        lambda c: c.press("ArrowLeft"),
        f"{DESCRIPTOR} canvas",
    ),
    (  # the window is dragged
        "02_descriptors",
        f"{DESCRIPTOR} canvas >> nth=1",
        lambda c: draw_loop(c, (0.1, 0.3), (0.15, 0.6), (0.3, 0.7)),
        f"{DESCRIPTOR} canvas >> nth=0",
    ),
    (
        "02_descriptors",
        f"{DESCRIPTOR} button:has-text('code')",
        lambda c: c.click(),
        f"{DESCRIPTOR} .atomlens-code",
    ),
    (
        "03_atom_finding",
        f"{IMAGING} .noUi-handle >> nth=0",
        lambda c: c.press("ArrowRight"),
        f"{IMAGING} canvas",
    ),
    ("03_atom_finding", f"{FINDER} .noUi-handle", lambda c: c.press("ArrowRight"), f"{FINDER} canvas"),
    (  # a click on a column measures it
        "03_atom_finding",
        f"{FINDER} canvas >> nth=1",
        lambda c: c.click(position={"x": 250, "y": 250}),
        f"{FINDER} .atomlens-verdict",
    ),
    ("03_atom_finding", f"{FINDER} button:has-text('code')", lambda c: c.click(), f"{FINDER} .atomlens-code"),
    (
        "04_local_crystallography",
        f"{CRYSTAL} .noUi-handle",
        lambda c: c.press("ArrowLeft"),
        f"{CRYSTAL} .atomlens-verdict",
    ),
    (
        "04_local_crystallography",
        f"{CRYSTAL} :has-text('point group') > select",
        lambda c: c.select_option("2mm"),
        f"{CRYSTAL} .atomlens-verdict",
    ),
    (  # a click on the map
        "04_local_crystallography",
        f"{CRYSTAL} canvas >> nth=1",
        lambda c: c.click(position={"x": 150, "y": 150}),
        f"{CRYSTAL} canvas >> nth=0",
    ),
    (  # the image of its neighbourhood in a mirror
        "04_local_crystallography",
        f"{CRYSTAL} :has-text('operation') > select",
        lambda c: c.select_option("m 90°"),
        f"{CRYSTAL} canvas >> nth=0",
    ),
    (  # a loop in the cloud
        "04_local_crystallography",
        f"{CRYSTAL} canvas >> nth=1",
        lambda c: draw_loop(c, (0.72, 0.2), (0.98, 0.25), (0.95, 0.85), (0.74, 0.8)),
        f"{CRYSTAL} canvas >> nth=0",
    ),
    ("04_local_crystallography", f"{CRYSTAL} button", lambda c: c.click(), f"{CRYSTAL} .atomlens-code"),
    (  # bolder
        "05_patterson_ocsvm",
        f"{DEFECTS} .noUi-handle",
        lambda c: c.press("ArrowRight"),
        f"{DEFECTS} .atomlens-verdict",
    ),
    (  # a click on the image
        "05_patterson_ocsvm",
        f"{DEFECTS} canvas >> nth=1",
        lambda c: c.click(position={"x": 120, "y": 150}),
        f"{DEFECTS} canvas >> nth=0",
    ),
    (
        "05_patterson_ocsvm",
        f"{DEFECTS} select",
        lambda c: c.select_option("residual"),
        f"{DEFECTS} canvas >> nth=0",
    ),
    (
        "05_patterson_ocsvm",
        f"{DEFECTS} select",
        lambda c: c.select_option("svm"),
        f"{DEFECTS} .atomlens-verdict",
    ),
    (  # another width of the kernel
        "05_patterson_ocsvm",
        f"{DEFECTS} :has-text('γ of svm') > select",
        lambda c: c.select_option("1"),
        f"{DEFECTS} .atomlens-verdict",
    ),
    ("05_patterson_ocsvm", f"{DEFECTS} button", lambda c: c.click(), f"{DEFECTS} .atomlens-code"),
    (  # the mouse over the plane of the content
        "06_shift_vae",
        f"{COCKPIT} canvas >> nth=1",
        lambda c: c.hover(position={"x": 120, "y": 150}),
        f"{COCKPIT} .atomlens-verdict",
    ),
    (
        "06_shift_vae",
        f"{COCKPIT} .noUi-handle >> nth=0",
        lambda c: c.press("ArrowRight"),
        f"{COCKPIT} canvas >> nth=0",
    ),
    ("06_shift_vae", f"{COCKPIT} button", lambda c: c.click(), f"{COCKPIT} .atomlens-code"),
    (
        "06_shift_vae",
        f"{EXPLORER} select",
        lambda c: c.select_option("z2"),
        f"{EXPLORER} canvas >> nth=0",
    ),
    (  # a loop round a part of the image
        "06_shift_vae",
        f"{EXPLORER} canvas >> nth=1",
        lambda c: draw_loop(c, (0.1, 0.33), (0.15, 0.42), (0.18, 0.33)),
        f"{EXPLORER} .atomlens-verdict",
    ),
    (
        "07_defect_library",
        f"{GALLERY} button:has-text('code')",
        lambda c: c.click(),
        f"{GALLERY} .atomlens-code",
    ),
    (  # other groups: the second list names them (a mixture finds those of bonds in every twelfth image)
        "07_defect_library",
        f"{GALLERY} :has-text('grouped by') > select",
        lambda c: c.select_option("kmeans"),
        f"{GALLERY} select >> nth=1",
    ),
    (  # a click on the third small picture
        "07_defect_library",
        f"{GALLERY} canvas >> nth=1",
        lambda c: c.click(position={"x": 720, "y": 90}),
        f"{GALLERY} canvas >> nth=0",
    ),
    (
        "08_defect_dynamics",
        f"{TRACKS} .noUi-handle",
        lambda c: c.press("ArrowRight"),
        f"{TRACKS} canvas >> nth=0",
    ),
    (  # a click on a defect
        "08_defect_dynamics",
        f"{TRACKS} canvas >> nth=1",
        lambda c: c.click(position={"x": 150, "y": 250}),
        f"{TRACKS} canvas >> nth=0",
    ),
    (
        "08_defect_dynamics",
        f"{TRACKS} button:has-text('next event')",
        lambda c: c.click(),
        f"{TRACKS} canvas >> nth=0",
    ),
    (
        "08_defect_dynamics",
        f"{TRACKS} button:has-text('code')",
        lambda c: c.click(),
        f"{TRACKS} .atomlens-code",
    ),
    (
        "09_protein_assembly",
        f"{PARTICLES} .noUi-handle",
        lambda c: c.press("ArrowLeft"),
        f"{PARTICLES} canvas >> nth=0",
    ),
    (  # a click on a rod
        "09_protein_assembly",
        f"{PARTICLES} canvas >> nth=1",
        lambda c: c.click(position={"x": 150, "y": 150}),
        f"{PARTICLES} canvas >> nth=0",
    ),
    (  # the middle of a rod
        "09_protein_assembly",
        f"{LABELLER} canvas >> nth=1",
        lambda c: c.click(position={"x": 250, "y": 250}),
        f"{LABELLER} canvas >> nth=0",
    ),
    (
        "10_your_sample",
        f"{SAMPLE} button:has-text('Analyse')",
        lambda c: c.click(),
        f"{SAMPLE} canvas >> nth=0",
    ),
    (
        "10_your_sample",
        f"{SAMPLE} :has-text('show') > select",
        lambda c: c.select_option("phases"),
        f"{SAMPLE} canvas >> nth=0",
    ),
)


# What has no controls looks the same from a kernel alone, and is run there (tests/notebooks). Here run those
# with some, the lesson where a student begins, and one exercise; with THOROUGH=1 all.
RUN = {"00_start_here", "exercises/03_atom_finding"} | {notebook for notebook, *_ in CONTROLS}


@pytest.mark.parametrize(
    "lesson", [pytest.param(name, marks=[pytest.mark.thorough] * (name not in RUN)) for name in LESSONS]
)
def test_lesson(lab_page, lesson):
    lab_page.open(f"notebooks/{lesson}.ipynb")
    lab_page.run_all()
    assert lab_page.errors() == []
    for notebook, control, action, output in CONTROLS:
        if notebook == lesson:
            lab_page.move(control, action, expect=output)
    assert lab_page.errors() == []


def test_every_control_belongs_to_a_lesson_and_every_lesson_with_controls_is_run():
    assert set(LESSONS) >= RUN
    shown = {name for name in LESSONS if "widgets." in (ROOT / "notebooks" / f"{name}.py").read_text("utf-8")}
    assert shown <= RUN
