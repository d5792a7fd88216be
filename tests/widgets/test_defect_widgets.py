"""The defect explorer: model without a browser, and the view that shows it."""

import numpy as np
import pytest
from matplotlib.backend_bases import MouseEvent

from atomlens import defects, simulate
from atomlens.widgets import DefectModel, defect_explorer


@pytest.fixture(scope="module")
def image():
    sheet = simulate.defects.vacancies(
        simulate.structures.perovskite((6, 6)), kind="column", at=[(2.0, 3.0), (4.2, 3.0)]
    )
    return simulate.image(sheet, electrons=300, random_state=1).data


@pytest.fixture
def model(image):
    return DefectModel(image)


def test_it_starts_at_the_strongest_hit(model, image):
    hits = defects.detect(image).defects
    assert model.place == tuple(hits[["x", "y"]].iloc[0])
    assert len(model.found.defects) == len(hits)


def test_the_rate_moves_the_threshold_without_computing_anew(model):
    first = model.found
    model.exponent = -1
    assert model.found.threshold < first.threshold
    assert len(model.found.defects) > len(first.defects)
    assert model.found.score is first.score


def test_a_click_near_a_hit_goes_to_the_hit_and_elsewhere_to_the_place(model):
    x, y = model.found.defects[["x", "y"]].iloc[1]
    model.select(x + 5, y - 4)
    assert model.place == (x, y)
    model.select(60.0, 60.0)
    assert model.place == (60.0, 60.0)


def test_the_p_value_is_that_of_the_cell_that_is_looked_at(model):
    cells = model.found.cells
    for row in (0, len(cells) // 2):
        model.place = tuple(cells[["x", "y"]].iloc[row])
        assert model.p_value == cells["p_value"].iloc[row]
    model.select(*model.found.defects[["x", "y"]].iloc[0])
    assert model.p_value < model.rate


def test_patch_and_patterson_are_those_of_the_window(model, image):
    from atomlens.patterson import patterson

    describe, _ = model.windows
    patch = model.patch(model.place)
    assert patch.shape == describe.size_
    expected = patterson(patch, taper=describe.taper_, blank_center=describe.blank_center_, half=False)
    # The window descriptor levels the background first, so this is the same but for a slow slope.
    assert np.corrcoef(model.patterson(model.place).ravel(), expected.ravel())[0, 1] > 0.98


def test_normal_windows_hold_no_hit(model):
    hits = model.found.defects[["x", "y"]].to_numpy()
    half = np.array(model.windows[0].size_)[::-1] / 2
    for x, y in hits:
        model.select(x, y)
        away = np.abs(model.normal(3)[["x", "y"]].to_numpy()[:, None] - hits)
        assert (away > half).any(axis=2).all()


def test_normal_windows_lie_apart_and_are_usual(model):
    normal = model.normal(3)
    assert len(normal) == 3
    assert normal.distance.is_monotonic_increasing
    at = model.found.score.values[normal.y.round().astype(int), normal.x.round().astype(int)]
    assert (at < model.found.threshold).all()


def test_the_code_repeats_the_view(model, image):
    model.exponent = -3
    space = {"image": image}
    exec(model.code, space)
    assert space["found"].defects.equals(model.found.defects)


def test_bad_input_is_refused_at_the_start():
    with pytest.raises(defects.NotPeriodicError):
        DefectModel(np.random.default_rng(0).normal(size=(128, 128)))


def test_the_view_follows_the_model(image):
    view = defect_explorer(image)
    first = view.verdict.value
    view.exponent.value = -2
    assert view.model.exponent == -2
    assert view.verdict.value != first
    shown = view._rings.get_xdata()
    np.testing.assert_allclose(shown, view.model.found.defects.x_nm)
    assert "false_alarm_rate=0.01" in view.model.code
    row = view.model.found.defects.iloc[-1]
    place = view._image_ax.transData.transform((row.x_nm, row.y_nm))
    event = MouseEvent("button_release_event", view.canvas, *place, button=1)
    view.canvas.callbacks.process("button_release_event", event)
    assert view.model.place == (row.x, row.y)


def test_nu_and_gamma_are_those_of_the_machine(model, image):
    assert model.machine is None
    model.nu = 0.2  # of another method: nothing happens
    assert model.tuned == {}
    assert "OneClass" not in model.code
    model.detector, model.gamma = "svm", 2.0
    assert (model.machine.nu_, model.machine.gamma_) == (0.2, 2.0)
    space = {"image": image}
    exec(model.code, space)
    assert space["found"].score.equals(model.found.score)
    assert space["found"].defects.equals(model.found.defects)
    tuned = model.found
    model.nu = model.gamma = "auto"
    assert "detector='svm'" in model.code
    assert model.found.score.equals(defects.detect(image, detector="svm").score)
    assert not model.found.score.equals(tuned.score)
    model.nu, model.gamma = 0.2, 2.0
    assert model.found.score is tuned.score  # computed once


def test_a_parameter_out_of_range_is_told_and_the_last_result_stays(image):
    model = DefectModel(image, detector="svm")
    before = model.found
    model.nu = 1.5
    assert 'nu must be "auto", or above 0 and at most 1' in model.error
    assert model.found is before
    model.nu = "auto"
    assert model.error == ""
    with pytest.raises(ValueError, match="gamma must be"):
        DefectModel(image, detector="svm", gamma=-1.0)


def test_the_controls_of_the_machine_belong_to_it(image):
    view = defect_explorer(image, nu=0.07)
    assert view.nu.value == 0.07
    assert view.nu.disabled
    assert view.gamma.disabled
    assert "ν =" not in view.verdict.value
    view.detector.value = "svm"
    assert not view.nu.disabled
    assert not view.gamma.disabled
    assert "ν = 0.07" in view.verdict.value
    view.gamma.value = 10.0
    assert view.model.machine.gamma_ == 10
    assert "γ = 10" in view.verdict.value
