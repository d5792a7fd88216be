"""Widgets on atomic images: the models without a browser, the views through their controls."""

import pytest
import traitlets

pytest.importorskip("torch")
pytest.importorskip("ipywidgets")

from atomlens import columns, simulate, widgets
from atomlens.columns.model import Spec


@pytest.fixture(scope="module")
def graphene():
    return simulate.structures.graphene((3, 3))


@pytest.fixture(scope="module")
def picture(graphene):
    return simulate.image(graphene, electrons=300, random_state=1).data


def test_every_slider_makes_another_image(graphene):
    model = widgets.ImagingModel(graphene, electrons=300)
    assert model.match.f1 > 0.95
    for trait, value in (("electrons", 30), ("defocus", 3.0), ("drift", 0.2), ("jitter", 0.02)):
        before = model.sample.data.values
        setattr(model, trait, value)
        assert (model.sample.data.values != before).any()
    with pytest.raises(traitlets.TraitError):
        model.electrons = 0.0


def test_fewer_electrons_and_more_defocus_are_harder(graphene):
    model = widgets.ImagingModel(graphene, electrons=300)
    good = model.match.f1
    model.electrons = 4
    assert model.match.f1 < good
    model.electrons, model.defocus = 300, 12.0
    assert model.match.f1 < good


def test_the_probe_is_drawn_as_wide_as_it_is(graphene):
    explorer = widgets.imaging_explorer(graphene)
    assert explorer.electrons.value == pytest.approx(20.0)
    sharp = simulate.Instrument().width
    assert explorer.model.probe == pytest.approx(sharp, rel=0.02)
    assert 2 * explorer.ring.radius == pytest.approx(sharp, rel=0.02)
    explorer.model.defocus = 8.0
    assert explorer.ring.radius > 0.55 * sharp
    assert f"{1000 * explorer.model.probe:.0f} pm" in explorer._left.get_title(loc="left")


def test_a_click_measures_the_column_under_it(picture):
    from types import SimpleNamespace

    finder = widgets.column_finder(picture)
    assert "Click a column" in finder.verdict.value
    column = columns.find(picture).iloc[20]
    click = SimpleNamespace(inaxes=finder._ax, xdata=column.x_nm + 0.02, ydata=column.y_nm)
    finder._on_click(click)
    measured = finder.model.measured
    assert measured.x == pytest.approx(column.x, abs=0.05)
    assert measured.x_err == pytest.approx(column.x_err, rel=0.1)
    assert f"{measured.x:.2f} ± {measured.x_err:.2f} px" in finder.verdict.value
    assert f"{measured.intensity:.4g} ±" in finder.verdict.value
    ring = finder._ring.get_xydata()[0]
    assert abs(ring - [column.x_nm, column.y_nm]).max() < 0.02
    finder._on_click(SimpleNamespace(inaxes=None, xdata=0.1, ydata=0.1))
    assert finder.model.measured.name == measured.name
    finder.classes[0].value = False  # a column that is hidden is not looked at
    assert finder.model.chosen is None
    assert "Click a column" in finder.verdict.value
    assert len(finder._ring.get_xydata()) == 0
    finder._on_click(click)
    assert finder.model.chosen is None


def test_a_faint_column_can_be_measured_too(picture):
    model = widgets.FinderModel(picture)
    model.threshold = 0.1
    faint = model.shown.loc[model.shown.score.idxmin()]
    assert faint.score < model.every.attrs["model_threshold"]
    model.select(faint.x, faint.y)
    assert model.measured.score == faint.score
    model.threshold = 0.9
    assert model.chosen is None


def run(code, **names):
    exec(code, names)
    return names


def test_shown_code_repeats_the_image(graphene):
    model = widgets.ImagingModel(graphene, name="mine", electrons=77.5, defocus=-2.5, drift=0.1, jitter=0.01)
    again = run(model.code, mine=graphene)
    assert (again["sample"].data.values == model.sample.data.values).all()
    assert len(again["found"]) == len(model.found)


def test_threshold_and_classes_choose_from_one_answer(picture):
    model = widgets.FinderModel(picture, name="mine")
    default = columns.find(picture, refine=False)
    assert len(model.shown) == len(default)
    model.threshold = 0.1
    many = len(model.shown)
    model.threshold = 0.9
    assert len(model.shown) < many
    assert (model.shown["score"] >= 0.9).all()
    again = run(model.code, mine=picture)
    assert abs(len(again["found"]) - len(model.shown)) <= 1
    model.hidden = {"column"}
    assert model.shown.empty
    assert run(model.code, mine=picture)["found"].empty


def test_a_model_of_ones_own_with_two_classes(picture):
    own = columns.ColumnModel(Spec(filters=2, classes=("A", "B"), threshold=0.2))
    model = widgets.FinderModel(picture, model=own)
    assert model.classes == ["A", "B"]
    everything = len(model.shown)
    model.hidden = {"A"}
    assert len(model.shown) < everything or everything == 0
    view = widgets.column_finder(picture, model=own)
    assert [box.description for box in view.classes] == ["A", "B"]


def test_views_and_models_are_linked_both_ways(graphene, picture):
    explorer = widgets.imaging_explorer(graphene, electrons=200)
    explorer.electrons.value = 20.0
    assert explorer.model.electrons == pytest.approx(20.0)
    explorer.model.defocus = 4.0
    assert explorer.defocus.value == 4.0
    assert f"{explorer.model.match.f1:.3f}" in explorer._right.get_title(loc="left")

    finder = widgets.column_finder(picture)
    before = len(finder.model.shown)
    finder.threshold.value = 0.95
    assert len(finder.model.shown) < before
    assert finder._ax.get_title(loc="left") == f"{len(finder.model.shown)} columns"
    finder.classes[0].value = False
    assert finder.model.shown.empty


def test_what_the_network_doubts_is_shown():
    import numpy as np

    noise = np.random.default_rng(0).poisson(5.0, (120, 120))
    view = widgets.column_finder(noise)
    assert "no column was found" in view.message.value
