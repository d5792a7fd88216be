"""The explorer of local crystallography: controls, map, neighbourhood and cloud are linked."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib_scalebar.scalebar import ScaleBar

from atomlens import simulate, widgets

pytest.importorskip("ipywidgets")  # not ipympl: importing that changes how pyplot draws

TI = {"center": "Ti", "neighbors": "Sr"}


@pytest.fixture(scope="module")
def columns():
    cells = simulate.structures.perovskite((6.0, 6.0), polar=25, variants=4)
    return simulate.column_positions(cells, noise=0.003, missing=0.02).data


@pytest.fixture
def view(columns):
    return widgets.crystal_explorer(columns, name="mine", **TI)


def click(view, x, y, *, inside=True):
    view._on_click(SimpleNamespace(inaxes=view._map_ax if inside else None, xdata=x, ydata=y))


def test_controls_and_model_are_linked_both_ways(view):
    view.n_clusters.value = 2
    assert view.model.n_clusters == 2
    view.model.method = "gmm"
    assert view.method.value == "gmm"
    view.point_group.value = "2"
    assert view.model.result.operations_ == ("1", "180°")
    assert widgets.crystal_explorer(view.model.columns, n_clusters=3, **TI).n_clusters.value == 3


def test_the_verdict_is_shown_in_picometres(view, columns):
    assert "ferroic" in view.verdict.value
    assert "asymmetry_pm" in view.verdict.value
    assert "asymmetry_px" not in view.verdict.value
    view.n_clusters.value = 1
    assert view.verdict.value.count("<tr") == 2  # names, and one phase
    pixels = widgets.crystal_explorer(columns[["x", "y", "sublattice"]], **TI)
    assert "asymmetry_px" in pixels.verdict.value
    assert [bar.units for bar in pixels._map_ax.artists if isinstance(bar, ScaleBar)] == ["px"]
    assert "(px)" in pixels._cloud_ax.get_xlabel()


def test_a_click_on_an_atom_shows_its_neighbourhood(view):
    result = view.model.result
    for row in (40, 55):
        atom = view.model.atoms.iloc[row]
        click(view, atom["x_nm"], atom["y_nm"])
        assert view.model.selected == row
        assert f"Atom {row}, label {result.labels_[row]}" in view._star_ax.get_title(loc="left")
        np.testing.assert_allclose(view._ring.get_xydata(), [[atom["x_nm"], atom["y_nm"]]])
        np.testing.assert_allclose(view._cross.get_xydata(), view.model.cloud[[row]])
    click(view, 0.0, 0.0, inside=False)
    assert view.model.selected == 55


def test_an_atom_without_a_label_can_be_selected(view):
    row = int(np.flatnonzero(view.model.result.labels_ < 0)[0])
    view.model.selected = row
    assert view._star_ax.get_title(loc="left") == f"Atom {row}, no label"
    view.canvas.draw()


def test_a_loop_fades_the_other_atoms(view):
    view.model.brush([(10, -15), (40, -15), (40, 15), (10, 15)])
    rows = view.model.brushed
    for dots in (view._dots, view._points):
        alpha = dots.get_facecolors()[:, 3]
        assert (alpha[rows] == 1).all()
        assert (np.delete(alpha, rows) < 0.3).all()
    assert f"{len(rows)} atoms inside" in view.message.value
    view.n_clusters.value = 3  # new labels, no loop
    assert view.model.brushed is None
    assert (view._dots.get_facecolors()[:, 3] == 1).all()
    assert "Click an atom" in view.message.value


def test_errors_are_shown_and_go_away(view):
    view.point_group.value = "6mm"
    assert "has no symmetry 6mm" in view.message.value
    view.point_group.value = "4mm"
    assert "has no symmetry" not in view.message.value


def test_code_is_shown_on_demand_and_kept_up_to_date(view):
    view.code_button.click()
    assert view.code.layout.display == ""
    view.n_clusters.value = 5
    assert "n_clusters=5" in view.code.value
    assert ".fit(mine)" in view.code.value


def test_an_image_below_in_pixels(columns):
    image = np.random.default_rng(0).normal(size=(300, 300))
    view = widgets.crystal_explorer(columns, image=image, **TI)
    np.testing.assert_allclose(view._dots.get_offsets(), view.model.atoms[["x", "y"]])
    atom = view.model.atoms.iloc[50]
    click(view, atom["x"], atom["y"])
    assert view.model.selected == 50
    np.testing.assert_allclose(view._ring.get_xydata(), [[atom["x"], atom["y"]]])


@pytest.mark.parametrize("number", [0, 20])
def test_too_many_labels_are_refused_in_words(columns, number):
    with pytest.raises(ValueError, match="the explorer shows 1 to 12 labels"):
        widgets.crystal_explorer(columns, n_clusters=number, **TI)


def test_the_operation_can_be_chosen_and_its_image_is_drawn(view):
    model = view.model
    for operation in ("m 45°", "180°"):
        view.operation.value = operation
        assert model.operation == operation
        title = view._replica_ax.get_title(loc="left")
        assert title == f"Under {operation}, label {model.replica_label}"
        np.testing.assert_allclose(
            view._image.get_xydata()[0], -model.replica.mean(axis=0) * model.unit[1], rtol=1e-6
        )
        dashed = [line for line in view._replica_ax.lines if line.get_linestyle() == "--"]
        assert len(dashed) == operation.startswith("m")
        for line in dashed:  # the mirror leaves its own line where it is
            place = np.transpose(line.get_data())
            np.testing.assert_allclose(place @ model.matrix.T, place, atol=1e-6)
    model.operation = "m 0°"
    assert view.operation.value == "m 0°"


def test_another_point_group_has_other_operations(view):
    view.operation.value = "m 45°"
    view.n_clusters.value = 3
    assert (view.operation.value, view.model.operation) == ("m 45°", "m 45°")
    assert not view.mirror.disabled
    view.point_group.value = "2"
    assert view.operation.options == ("1", "180°")
    assert view.operation.value == view.model.operation == "180°"
    assert view.mirror.disabled
    view.point_group.value = "2mm"
    view.mirror.value = (1, 1)
    assert view.operation.options == ("1", "180°", "m 45°", "m 135°")


def test_the_tolerance_changes_the_verdict(view):
    assert ">ferroic<" in view.verdict.value
    view.tolerance.value = view.tolerance.max
    assert ">ferroic<" not in view.verdict.value
    view.tolerance.value = 0
    assert ">ferroic<" in view.verdict.value
