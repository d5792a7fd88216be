"""The gallery of a defect library: model without a browser, and the view that shows it."""

import pytest
from matplotlib.backend_bases import MouseEvent

from atomlens import library, simulate
from atomlens.widgets import LibraryModel, library_gallery


@pytest.fixture(scope="module")
def shelf():
    found = []
    for n in range(14):
        formula = "Si1C3" if n < 10 else "Si3C6"
        sheet = simulate.structures.silicon_in_graphene(formula, (1.6, 1.6), rotation=31.0 * n)
        data = simulate.image(sheet, pixel_size=0.0125, shape=(128, 128), electrons=300, random_state=n).data
        found += library.extract(data, name=f"{formula} {n}")
    return library.Library(found)


@pytest.fixture
def model(shelf):
    return LibraryModel(shelf)


def test_it_starts_with_the_largest_group_and_its_first_member(model):
    assert model.kinds == [0, 1]
    assert model.summary().to_dict() == {"Si1C3": 10}
    assert model.member == model.names[0] == "Si1C3 0"
    assert model.pages == 2


def test_pages_and_groups_choose_a_member_that_is_on_show(model):
    model.page = 1
    assert model.names == ["Si1C3 8", "Si1C3 9"]
    assert model.member in model.names
    model.group = 1
    assert model.page == 0
    assert model.defect.formula == "Si3C6"


def test_methods_regroup_and_errors_are_words(model):
    model.method, model.n_groups = "kmeans", 2
    assert sorted(model.groups.value_counts()) == [4, 10]
    model.method = "hdbscan"
    assert model.group in model.kinds
    assert model.error == ""


def test_the_code_repeats_what_is_seen(model, shelf):
    import atomlens  # the code that is shown names it

    model.method, model.n_groups = "kmeans", 2
    scope = {"shelf": shelf, "atomlens": atomlens}
    exec(model.code, scope)
    assert scope["groups"].equals(model.groups)


def test_an_empty_library_is_refused():
    with pytest.raises(ValueError, match="empty"):
        LibraryModel(library.Library())


def test_a_click_on_a_picture_chooses_it(shelf):
    view = library_gallery(shelf)
    ax = view._small[2]
    x, y = ax.transAxes.transform((0.5, 0.5))
    view.canvas.callbacks.process(
        "button_release_event", MouseEvent("button_release_event", view.canvas, x, y, 1)
    )
    assert view.model.member == view.model.names[2]
    assert view._one.get_title(loc="left").endswith(view.model.member)
    assert view.model.member in view.model.code


def test_the_controls_move_the_model(shelf):
    view = library_gallery(shelf)
    view.group.value = 1
    assert view.model.group == 1
    assert "Si3C6" in view.verdict.value
    view.method.value = "gmm"
    assert view.model.method == "gmm"
    assert view.group.value == view.model.group
    view.group.value = view.model.kinds[0]
    view.page.click()
    assert view.model.page in (0, 1)
