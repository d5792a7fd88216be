"""Schematics: what they show of data is what was computed."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.svm import OneClassSVM

from atomlens import plotting

RNG = np.random.default_rng(0)
POINTS = np.concatenate([RNG.normal(middle, 0.5, (40, 2)) for middle in ((0, 0), (3, 0.5), (1, 3))])
START = np.array([[0.0, 2.5], [0.5, 3.0], [1.0, 2.0]])


def centers_of(ax):
    return np.asarray(ax.collections[-1].get_offsets())


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_kmeans_steps_are_those_of_lloyd(steps):
    figure = plotting.kmeans_steps(POINTS, START, steps=steps)
    expected = KMeans(3, init=START, n_init=1, max_iter=steps, tol=0, algorithm="lloyd").fit(POINTS)
    np.testing.assert_allclose(centers_of(figure.axes[0]), START)
    np.testing.assert_allclose(centers_of(figure.axes[-1]), expected.cluster_centers_)
    figure.canvas.draw()


def test_a_centre_without_points_stays():
    figure = plotting.kmeans_steps(POINTS, [[0, 0], [1e3, 1e3]], steps=2)
    assert centers_of(figure.axes[-1])[1].tolist() == [1e3, 1e3]


def test_points_have_to_lie_in_a_plane():
    with pytest.raises(ValueError, match="two columns"):
        plotting.kmeans_steps(np.ones((4, 3)), np.ones((2, 3)))


def test_the_boundary_is_where_the_decision_is_zero():
    detector = OneClassSVM(nu=0.2, gamma=0.5, tol=1e-8).fit(POINTS)
    _, ax = plotting.new_figure()
    plotting.draw_boundary(ax, POINTS, detector, title="a crowd")
    inside, outside = (np.asarray(marks.get_offsets()) for marks in ax.collections[-2:])
    assert len(outside) == (detector.decision_function(POINTS) < -1e-6).sum()
    assert len(inside) + len(outside) == len(POINTS)
    line = np.concatenate(ax.collections[1].get_paths()[0].to_polygons(closed_only=False))
    reach = np.abs(detector.decision_function(POINTS)).max()
    assert np.abs(detector.decision_function(line)).max() < 0.02 * reach


@pytest.mark.parametrize(
    "draw",
    [
        plotting.descriptors_schematic,
        lambda: plotting.unet_schematic(RNG.random((20, 20)), RNG.random((20, 20))),
        lambda: plotting.vae_schematic(RNG.random((20, 20)), RNG.random((20, 20)), n_latent=3),
        lambda: plotting.pipeline_schematic(RNG.random((40, 40)), 10 * POINTS, np.arange(120) % 3),
    ],
)
def test_schematics_fit_a_page_and_can_be_read(draw):
    figure = draw()
    figure.canvas.draw()
    assert figure.get_size_inches()[0] <= 10.4
    texts = [t for ax in figure.axes for t in ax.texts if t.get_text()]
    assert min(t.get_fontsize() for t in texts) >= 9
    assert plt.get_fignums() == []


def test_words_of_a_network_do_not_overlap():
    figure = plotting.vae_schematic(RNG.random((20, 20)), RNG.random((20, 20)), n_latent=3)
    figure.canvas.draw()
    boxes = [t.get_window_extent() for t in figure.axes[0].texts if t.get_text()]
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[n + 1 :])


def test_each_column_needs_its_label():
    with pytest.raises(ValueError, match="3 labels do not fit 120 columns"):
        plotting.pipeline_schematic(np.ones((4, 4)), POINTS, [0, 1, 2])
