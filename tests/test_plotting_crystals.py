"""Figures of local crystallography: what is drawn is what was found, in physical units."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import to_rgb, to_rgba
from matplotlib_scalebar.scalebar import ScaleBar

from atomlens import crystallography, lattice, plotting, simulate
from atomlens.plotting import CLUSTER_COLOURS
from atomlens.plotting.crystals import direction_colours

TI = {"center": "Ti", "neighbors": "Sr"}


@pytest.fixture(scope="module")
def columns():
    cells = simulate.structures.perovskite((7.0, 7.0), polar=25, variants=4)
    return simulate.column_positions(cells, noise=0.003, missing=0.01).data


@pytest.fixture(scope="module")
def model(columns):
    return crystallography.LocalCrystallography(n_clusters=4, **TI).fit(columns)


@pytest.fixture(scope="module")
def hoods(model):
    return model.neighbourhoods_


@pytest.fixture(autouse=True)
def nothing_left_behind():
    before = dict(plt.rcParams)
    yield
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before


def picture(calibrated):
    values = np.random.default_rng(0).normal(size=(350, 350))
    axis = xr.Variable("x", 0.02 * np.arange(350), {"units": "nm"})
    coords = {"y": ("y", axis.values, axis.attrs), "x": axis} if calibrated else {}
    return xr.DataArray(values, dims=("y", "x"), coords=coords)


def drawn(figure):
    """Draw it for real: texts with formulas and layouts fail only then."""
    figure.canvas.draw()
    return figure.axes


@pytest.mark.parametrize(
    ("image", "calibrated", "unit"),
    [(None, True, "nm"), (None, False, "px"), (True, True, "nm"), (False, True, "px"), (False, False, "px")],
)
def test_atoms_lie_on_the_image_in_its_unit(columns, image, calibrated, unit):
    table = columns if calibrated else columns[["x", "y"]]
    below = None if image is None else picture(image)
    table = table.assign(dx=0.5, dy=0.0)
    places = table[["x_nm", "y_nm"] if unit == "nm" else ["x", "y"]]
    figure, (left, right) = plotting.new_figure(1, 2)
    dots = plotting.draw_phases(left, table, np.zeros(len(table), dtype=int), image=below, title="Phases")
    quiver = plotting.draw_displacements(right, table, image=below, title="Arrows")
    np.testing.assert_allclose(dots.get_offsets(), places)
    np.testing.assert_allclose(np.column_stack([quiver.X, quiver.Y]), places)
    # The long arrows are about as long as the spacing of what is drawn.
    spacing = np.sqrt(np.prod(np.ptp(places, axis=0)) / len(places))
    np.testing.assert_allclose(quiver.U, 0.9 * spacing, rtol=1e-6)
    for ax, title in ((left, "Phases"), (right, "Arrows")):
        assert [bar.units for bar in ax.artists if isinstance(bar, ScaleBar)] == [unit]
        assert ax.yaxis_inverted()
        assert ax.get_title(loc="left") == title
        low, high = sorted(ax.get_xlim())
        assert places.iloc[:, 0].between(low, high).all()
    drawn(figure)


def test_labels_have_colours(columns):
    table = columns.iloc[:12]
    labels = np.arange(12) - 1
    figure, ax = plotting.new_figure()
    dots = plotting.draw_phases(ax, table, labels)
    colours = dots.get_facecolors()
    np.testing.assert_allclose(colours[1], to_rgba(CLUSTER_COLOURS[0]))
    np.testing.assert_allclose(colours[11], colours[1])  # ten colours, then again
    assert np.ptp(colours[0, :3]) == 0  # grey
    drawn(figure)


def test_a_single_atom_can_be_drawn():
    table = pd.DataFrame({"x": [3.0], "y": [4.0], "dx": [0.1], "dy": [0.0], "exx": [0.01]})
    figure, axes = plotting.new_figure(1, 3)
    plotting.draw_phases(axes[0], table, [0])
    plotting.draw_displacements(axes[1], table)
    plotting.draw_values(axes[2], table, "exx")
    drawn(figure)


def test_displacements_without_any():
    table = pd.DataFrame({"x": [3.0, 5.0], "y": [4.0, 9.0], "dx": np.nan, "dy": np.nan})
    figure, ax = plotting.new_figure()
    assert plotting.draw_displacements(ax, table).N == 0
    assert ax.get_xlim()[0] <= 3 <= 5 <= ax.get_xlim()[1]
    drawn(figure)


def test_arrows_leave_out_the_missing_and_point_right(columns):
    table = columns.iloc[:50].assign(dx=np.linspace(-1, 1, 50), dy=0.3)
    table.loc[table.index[7], "dx"] = np.nan
    figure, ax = plotting.new_figure()
    quiver = plotting.draw_displacements(ax, table)
    assert quiver.N == 49
    there = table["dx"].notna()
    ratio = quiver.U / table.loc[there, "dx"]
    np.testing.assert_allclose(ratio, ratio.iloc[0])
    np.testing.assert_allclose(quiver.V / table.loc[there, "dy"], ratio.iloc[0])
    drawn(figure)


def test_directions_have_the_colours_of_the_wheel():
    colours = direction_colours([1, 0, -1, 5], [0, 1, 0, 0])
    assert colours.shape == (4, 3)
    np.testing.assert_allclose(colours[0], colours[3])  # length plays no part
    assert colours[0].argmax() == 0  # red along +x
    assert len(np.unique(colours.round(6), axis=0)) == 3


def test_constellation_exaggerates_displacements():
    ideal = 10 * np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    vectors = ideal + [0.5, 0.2]
    vectors[3] = np.nan
    figure, ax = plotting.new_figure()
    plotting.draw_constellation(ax, ideal, vectors, exaggerate=4.0, colour="red")
    rings, places, centre = ax.collections
    np.testing.assert_allclose(rings.get_offsets(), ideal)
    shown = np.ma.filled(places.get_offsets(), np.nan)
    np.testing.assert_allclose(shown[:3], ideal[:3] + [2.0, 0.8])
    assert not np.isfinite(shown[3]).all()
    np.testing.assert_allclose(centre.get_offsets(), [[0, 0]])
    assert ax.yaxis_inverted()
    drawn(figure)


def test_cloud_keeps_the_colour_of_each_point():
    points, labels = np.arange(40.0).reshape(20, 2), np.arange(20) % 3
    figure, ax = plotting.new_figure()
    for shuffle in (True, False):
        cloud = plotting.draw_cloud(ax, points, labels, shuffle=shuffle, unit="pm", names=("u", "v"))
        row = (np.asarray(cloud.get_offsets())[:, 0] / 2).astype(int)
        assert (row == np.arange(20)).all() != shuffle
        wanted = [to_rgb(CLUSTER_COLOURS[labels[r]]) for r in row]
        np.testing.assert_allclose(cloud.get_facecolors()[:, :3], wanted)
        assert ax.yaxis_inverted()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("u (pm)", "v (pm)")
    plotting.draw_cloud(ax, points, labels, centroids=points[:3])
    assert [text.get_text() for text in ax.texts] == ["0", "1", "2"]
    drawn(figure)


def test_values_are_centred_and_have_a_unit():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.uniform(0, 9, 300), "y": rng.uniform(0, 9, 300)})
    table["exx"] = np.linspace(-0.01, 0.03, 300)
    table.loc[0, "exx"] = 1e3  # an outlier takes no colours away
    figure, ax = plotting.new_figure()
    dots = plotting.draw_values(ax, table, "exx", label="strain (%)", centre=0.0)
    low, high = dots.get_clim()
    assert low == -high
    assert high == pytest.approx(0.03, rel=0.05)
    np.testing.assert_allclose(dots.get_array(), table["exx"])
    assert dots.colorbar.ax.get_ylabel() == "strain (%)"
    empty = plotting.draw_values(ax, table.assign(exx=np.nan), "exx")
    assert empty.get_clim() == (0, 1)
    drawn(figure)


def test_the_first_neighbourhood(columns, hoods):
    row = int(np.flatnonzero(hoods.complete)[100])
    figure = plotting.first_neighbourhood(columns, hoods, row)
    left, right = drawn(figure)
    np.testing.assert_allclose([bar.get_height() for bar in right.patches], hoods.vectors[row].ravel())
    assert right.get_ylabel() == "component (px)"
    assert "8 dimensions" in right.get_title(loc="left")
    assert sorted(text.get_text() for text in left.get_legend().get_texts()) == ["Sr", "Ti"]
    centre = columns.iloc[hoods.centres[row]]
    assert np.mean(left.get_xlim()) == pytest.approx(centre["x"])
    assert left.yaxis_inverted()
    arrows = [text for text in left.texts if text.arrow_patch is not None]
    tips = np.array([text.xy for text in arrows])
    np.testing.assert_allclose(tips, columns.iloc[hoods.neighbours[row]][["x", "y"]])


def test_a_neighbourhood_with_a_gap_and_without_sublattices(columns):
    table = columns[["x", "y"]]
    hoods = lattice.neighbour_vectors(table)
    row = int(np.flatnonzero((hoods.neighbours >= 0).sum(axis=1) == 2)[0])
    left = drawn(plotting.first_neighbourhood(table, hoods, row))[0]
    assert sum(text.arrow_patch is not None for text in left.texts) == 2


def test_phases_side_by_side(columns, model):
    truth = np.zeros(len(model.labels_), dtype=int)
    axes = drawn(plotting.phases(columns.iloc[model.centers_], truth, model.labels_))
    assert [ax.get_title(loc="left") for ax in axes] == ["Planted", "Found"]
    found = axes[1].collections[0].get_facecolors()
    for k in range(4):
        wanted = np.tile(to_rgba(CLUSTER_COLOURS[k]), ((model.labels_ == k).sum(), 1))
        np.testing.assert_allclose(found[model.labels_ == k], wanted)


def test_constellations_of_a_model(model):
    axes = drawn(plotting.constellations(model))
    counts = np.bincount(model.labels_[model.labels_ >= 0])
    titles = [ax.get_title(loc="left") for ax in axes if "atoms" in ax.get_title(loc="left")]
    assert titles == [f"{k}: {counts[k]} atoms" for k in range(4)]
    assert {ax.get_xlabel() for ax in axes} == {"", "displacement x (pm)"}
    # Rings where the undistorted neighbours are, whatever the mean displacement of the field.
    rings = axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(rings.mean(axis=0), 0, atol=1e-9)
    many = crystallography.LocalCrystallography(n_clusters=6).fit(model.neighbourhoods_)
    assert len(drawn(plotting.constellations(many))) == 7


def test_contingencies(model):
    figure = plotting.contingencies(model)
    axes = drawn(figure)
    assert len(axes) == len(model.contingency_) - 1  # all but the identity
    titles = [ax.get_title(loc="left") for ax in axes]
    assert {"rotation 90°", "mirror 45°", "translation (1, 1)"} <= set(titles)
    shown = axes[titles.index("rotation 90°")].images[0].get_array()
    counts = model.contingency_["90°"].to_numpy()
    np.testing.assert_allclose(shown, counts / counts.sum(axis=1, keepdims=True))
    assert axes[0].get_ylabel() == "label"
    assert axes[-1].get_xlabel() == "its image"


def test_numbers_of_clusters(model):
    settings = crystallography.LocalCrystallography()
    choice = crystallography.choose_n_clusters(model.neighbourhoods_, range(2, 6), estimator=settings)
    axes = drawn(plotting.cluster_numbers(choice))
    assert {ax.get_xlabel() for ax in axes} == {"number of labels"}
    assert axes[0].get_title(loc="left") == "inertia (px²)"
    for ax, name in zip(axes, ("inertia", "silhouette", "bic", "closure", "gap_p"), strict=True):
        line, mark = ax.lines
        np.testing.assert_allclose(line.get_xydata(), choice.table[name].reset_index().to_numpy())
        assert set(mark.get_xdata()) == {choice.recommended}


def test_limits_of_phases():
    table = pd.DataFrame({"noise": [3, 3, 5], "shift": [5, 20, 20], "k-means": [0.1, 1.0, 0.9]})
    table = table.assign(neighbours=[0.3, 1.0, 0.97], clairvoyant=[0.2, 1.0, 0.95])
    alone, informed = drawn(plotting.phase_limits(table))
    names = [text.get_text() for text in informed.get_legend().get_texts()]
    assert names == ["3 pm", "5 pm", "clairvoyant"]
    for ax, name in ((alone, "k-means"), (informed, "neighbours")):
        assert ax.get_xlabel() == "displacement (pm)"
        assert ax.lines[0].get_ydata().tolist() == table[name][:2].tolist()
        assert ax.lines[1].get_ydata().tolist() == [0.2, 1.0]
        assert ax.lines[2].get_color() == ax.lines[3].get_color() != ax.lines[0].get_color()


def test_spectrum_of_waves(hoods):
    spectrum = crystallography.wave_spectrum(hoods)
    figure, ax = plotting.new_figure()
    image = plotting.draw_spectrum(ax, spectrum, title="Waves")
    np.testing.assert_allclose(image.get_array(), np.log10(np.maximum(spectrum, 1)))
    assert "cycles/cell" in ax.get_xlabel()
    assert "q along a" in ax.get_xlabel()
    drawn(figure)
