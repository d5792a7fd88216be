"""Figures of atomic images: what is drawn is what was asked for."""

import numpy as np
import pandas as pd
import pytest
from matplotlib_scalebar.scalebar import ScaleBar

from atomlens import metrics, plotting, simulate


@pytest.fixture(scope="module")
def sample():
    return simulate.image(simulate.structures.graphene((3, 3)), electrons=300, random_state=1)


def test_dots_lie_on_the_columns_in_the_units_of_the_image(sample):
    for image, x, unit in ((sample.data, "x_nm", "nm"), (sample.data.values, "x", "px")):
        _figure, ax = plotting.new_figure()
        plotting.draw_image(ax, image)
        (dots,) = plotting.draw_columns(ax, image, sample.truth.assign(label=0))
        np.testing.assert_allclose(dots.get_offsets()[:, 0], sample.truth[x])
        assert [bar.units for bar in ax.artists if isinstance(bar, ScaleBar)] == [unit]


def test_classes_have_colours_and_doubt_is_faint(sample):
    table = sample.truth.assign(label=np.arange(len(sample.truth)) % 2, score=0.5)
    _figure, ax = plotting.new_figure()
    one, two = plotting.draw_columns(ax, sample.data, table, names=["A", "B"])
    assert tuple(one.get_facecolor()[0]) != tuple(two.get_facecolor()[0])
    assert one.get_facecolor()[0, 3] == 0.5
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["A", "B"]


def test_a_hot_pixel_does_not_darken_the_image(sample):
    values = sample.data.values.copy()
    values[3, 3] = 1e6
    _figure, ax = plotting.new_figure()
    assert plotting.draw_image(ax, values).get_clim()[1] < 1e3


def test_misses_and_false_alarms_are_counted(sample):
    found = pd.concat(
        [sample.truth[["x", "y", "x_nm", "y_nm"]].iloc[4:], pd.DataFrame({"x": [2.0], "y": [2.0]})]
    )
    found = found.fillna(0.04).reset_index(drop=True)
    match = metrics.match(found, sample.truth, tolerance=1)
    figure = plotting.columns_found(sample.data, found, truth=sample.truth, match=match)
    legend = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert legend == ["missed: 4", "spurious: 1"]
    assert f"F1 = {match.f1:.3f}" in figure.axes[1].get_title(loc="left")


def test_overlays_zoom_to_the_middle(sample):
    figure = plotting.overlays(
        {"a": (sample.data, sample.truth), "b": (sample.data, None)}, columns=2, zoom=0.5
    )
    low, high = figure.axes[0].get_xlim()
    assert high - low == pytest.approx(1.5, rel=0.02)
    assert (low + high) / 2 == pytest.approx(1.49, rel=0.02)
    assert len(figure.axes[1].collections) == 0


def test_scene_grid_shows_images_over_the_sum_of_their_answers():
    images = np.random.default_rng(0).standard_normal((2, 1, 16, 16))
    targets = np.random.default_rng(1).random((2, 3, 16, 16)) / 3
    axes = plotting.scene_grid(images, targets).axes
    for n in range(2):
        np.testing.assert_allclose(axes[n].images[0].get_array(), images[n, 0])
        np.testing.assert_allclose(axes[n + 2].images[0].get_array(), targets[n].sum(axis=0))
        assert axes[n + 2].images[0].get_clim() == (0, 1)
    assert [axes[0].get_ylabel(), axes[2].get_ylabel()] == ["image", "answer"]


def test_lines_against_dose_draw_the_bound():
    table = pd.DataFrame({"fit": [0.4, 0.1]}, index=[100, 1000])
    figure = plotting.lines_against_dose(table, ylabel="error (px)", limit=table["fit"] / 1.1, log=True)
    ax = figure.axes[0]
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert [line.get_label() for line in ax.lines] == ["fit", "Cramér-Rao bound"]
    np.testing.assert_allclose(ax.lines[1].get_ydata(), table["fit"] / 1.1)


def test_doubtful_columns_are_ringed(sample):
    found = sample.truth.assign(score=0.9, score_sd=np.linspace(0, 0.4, len(sample.truth)))
    spread = np.linspace(0, 0.2, sample.data.size).reshape(sample.data.shape)
    figure = plotting.doubtful_columns(sample.data, found, spread)
    left, right = figure.axes
    ringed = left.lines[-1].get_xydata()
    np.testing.assert_allclose(ringed, found.loc[found["score_sd"] > 0.1, ["x_nm", "y_nm"]])
    assert right.images[0].colorbar.ax.get_ylabel() == "standard deviation of the probability"
    assert right.images[0].get_clim() == (0, 0.2)
    for figure in (
        plotting.doubtful_columns(sample.data, found, spread, zoom=0.5),
        plotting.columns_found(sample.data, found, zoom=0.5),
    ):
        for ax in figure.axes[:2]:
            assert np.ptp(ax.get_xlim()) == pytest.approx(1.5)
            assert np.mean(ax.get_ylim()) == pytest.approx(1.5, abs=0.02)


def test_training_curves():
    history = pd.DataFrame({"step": [1, 2], "loss": [0.5, 0.2], "f1": [0.1, 0.9]})
    figure = plotting.training_curves({"one": history, "other": history.assign(loss=[3.0, 0.3])})
    loss, f1 = figure.axes
    assert [line.get_ydata().tolist() for line in loss.lines] == [[1.0, 0.4], [1.0, pytest.approx(0.1)]]
    assert f1.lines[0].get_ydata().tolist() == [0.1, 0.9]
    assert [text.get_text() for text in f1.get_legend().get_texts()] == ["one", "other"]


def test_a_mask_is_drawn_as_an_image():
    _, ax = plotting.new_figure()
    drawn = plotting.draw_image(ax, np.eye(5, dtype=bool))
    assert drawn.get_clim() == (0, 1)
