"""Figures of particles: glyphs lie where particles lie, and point where they point."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from atomlens import particles, plotting, simulate
from atomlens.plotting.particles import angle_colours, on_image


@pytest.mark.parametrize("symmetry", [1, 2, 3])
def test_arms_point_along_the_angle(symmetry):
    table = pd.DataFrame({"x": [20.0], "y": [30.0], "theta": [30.0]})
    _, ax = plotting.new_figure()
    lines = plotting.draw_particles(ax, np.eye(64), table, symmetry=symmetry, length=10)
    arms = [end - start for start, end in lines.get_segments()]
    angles = [np.degrees(np.arctan2(arm[1], arm[0])) % 360 for arm in arms]
    assert np.allclose(angles, 30 + 360 / symmetry * np.arange(symmetry))
    assert np.allclose([np.hypot(*arm) for arm in arms], 10)


def test_glyphs_lie_on_the_image_in_its_unit():
    step = {
        "x": ("x", 5 + 0.5 * np.arange(64), {"units": "nm"}),
        "y": ("y", 0.5 * np.arange(64), {"units": "nm"}),
    }
    image = xr.DataArray(np.eye(64), step, ("y", "x"))
    assert on_image(image, [[10, 20]]).tolist() == [[10.0, 10.0]]
    _, ax = plotting.new_figure()
    table = pd.DataFrame({"x": [10.0], "y": [20.0], "theta": [0.0]})
    start, end = plotting.draw_particles(ax, image, table, symmetry=1, length=4).get_segments()[0]
    assert start.tolist() == [10.0, 10.0]
    assert end.tolist() == [12.0, 10.0]


def test_colours_go_round_and_are_equally_light():
    from skimage.color import rgb2lab

    colours = angle_colours()(np.linspace(0, 1, 256))[:, :3]
    assert np.abs(colours[0] - colours[-1]).max() < 0.05
    assert np.ptp(rgb2lab(colours[None])[0, :, 0]) < 4


def test_tables_without_angles_are_refused():
    _, ax = plotting.new_figure()
    with pytest.raises(ValueError, match="lacks theta"):
        plotting.draw_particles(ax, np.eye(9), pd.DataFrame({"x": [1.0], "y": [1.0]}), symmetry=2)


def test_bars_count_all_particles():
    table = pd.DataFrame({"theta": np.random.default_rng(0).uniform(0, 720, 99)})
    _, ax = plotting.new_figure()
    assert sum(bar.get_height() for bar in plotting.draw_angles(ax, table, symmetry=2)) == 99
    assert ax.get_xlabel() == "angle (degrees)"


def test_figures_of_a_movie_have_units():
    truth = simulate.particles.assembly(n_frames=5, growth=5, random_state=2).truth
    tracks = particles.link(truth.drop(columns="particle"), symmetry=2, search_range=4.0)
    left, right = plotting.turns(tracks).axes
    assert "degrees" in left.get_ylabel()
    assert "degrees" in right.get_xlabel()
    figure = plotting.domain_growth(particles.domains(truth, symmetry=2, reach=25))
    assert "degrees" in figure.axes[1].get_ylabel()
    assert all(tick == round(tick) for ax in (left, *figure.axes[:2]) for tick in ax.get_xticks())  # frames
    assert figure.axes[0].lines[0].get_ydata().tolist() == truth.groupby("frame").size().tolist()
