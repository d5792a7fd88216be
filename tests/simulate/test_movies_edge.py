"""Silicon at the edge of graphene: states, orientations and the chain are what the truth says."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from atomlens.simulate import Instrument, movies
from atomlens.simulate._movies_edge import _Sheet

NEIGHBOURS = {"loose": 1, "bridge": 2, "edge": 2, "inner": 3, "double": 3}
SHARP = Instrument(probe=0.05, source=0.02, background=0.0)


@pytest.mark.parametrize("kind", ["zigzag", "armchair"])
@pytest.mark.parametrize("hole", [True, False])
def test_no_atom_of_the_sheet_dangles_and_bonds_are_those_of_graphene(kind, hole):
    sheet = _Sheet(np.array([6.0, 6.0]), kind, hole, 0.0)
    seen = sheet.seen(sheet.carbon)
    inside = ((seen > 0) & (seen < 6)).all(axis=1)
    bonds = np.array([len(around) for around in sheet.neighbours])[inside]
    assert set(bonds) == {2, 3}
    away = cKDTree(sheet.carbon).query(sheet.carbon, 2)[0][:, 1]
    np.testing.assert_allclose(away, 0.142, atol=1e-3)
    # Along a zigzag edge every second atom of its row is loose; sites are as far apart as edges repeat.
    step = np.diff(
        np.sort((sheet.carbon * sheet._along)[sheet.sites[sheet.orientation == sheet.orientation[0]]].sum(1))
    )
    assert abs(step.mean() - {"zigzag": 0.246, "armchair": 0.426 / 2}[kind]) < 0.02
    assert len(np.unique(sheet.orientation)) == (6 if hole else 1)


@pytest.mark.parametrize("kind", ["zigzag", "armchair"])
def test_silicon_has_as_many_neighbours_as_its_state_says(kind):
    sheet = _Sheet(np.array([6.0, 6.0]), kind, True, 0.0)
    for state, expected in NEIGHBOURS.items():
        for place in (0, 3, 7):
            for hand in sheet.hands(place):
                gone, moved, to, silicon = sheet.bonded(state, place, hand)
                carbon = sheet.carbon.copy()
                carbon[moved] = to
                away = np.hypot(*(np.delete(carbon, gone, axis=0) - silicon).T)
                # The atom below a bridge, at the far side of a ring of four, is no neighbour.
                limit = 0.202 if state == "bridge" else 0.215
                assert (away < limit).sum() == expected, (state, place, hand, np.sort(away)[:5])
                assert away.min() > 0.14


def test_the_truth_is_where_the_light_is():
    sample = movies.edge(4, n_frames=4, shape=(300, 280), rotation=17.0, electrons=1e4, random_state=2)
    assert sample.data.dims == ("time", "y", "x")
    assert sample.data.shape == (4, 300, 280)
    y, x = np.indices(sample.data.shape[1:])
    for row in sample.truth.itertuples():
        image = sample.data.values[row.frame]
        near = np.hypot(x - row.x, y - row.y) < 4
        light = (image - np.percentile(image, 5)) * near
        assert abs((light * x).sum() / light.sum() - row.x) < 0.5
        assert abs((light * y).sum() / light.sum() - row.y) < 0.5
        # Towards the sheet it is brighter than towards the vacuum.
        angle = np.radians(row.orientation)
        ahead = (x - row.x) * np.cos(angle) + (y - row.y) * np.sin(angle)
        around = np.abs(np.hypot(x - row.x, y - row.y) - 20) < 5
        assert image[around & (ahead > 10)].mean() > 3 * image[around & (ahead < -10)].mean()
    np.testing.assert_allclose(sample.truth.x_nm, sample.truth.x * 0.02)


@pytest.mark.parametrize(
    ("kind", "chiral"), [("zigzag", ("double",)), ("armchair", tuple(set(NEIGHBOURS) - {"bridge"}))]
)
def test_pictures_of_one_state_and_orientation_are_alike(kind, chiral):
    from atomlens.windows import column_windows

    sample = movies.edge(5, n_frames=60, kind=kind, hop=0.3, electrons=1e6, instrument=SHARP, random_state=4)
    pictures = np.concatenate(
        [column_windows(sample.data[t], rows, 39) for t, rows in sample.truth.groupby("frame")]
    )
    truth = sample.truth.assign(side=sample.truth.mirrored & sample.truth.label.isin(chiral))
    groups = truth.groupby(["label", "orientation", "side"]).indices
    means = {key: np.median(pictures[rows], axis=0) for key, rows in groups.items()}
    spread = [np.abs(pictures[rows] - means[key]).mean() for key, rows in groups.items()]
    assert max(spread) < 0.1 * np.std(pictures)
    for key, mean in means.items():
        others = [np.abs(mean - other).mean() for name, other in means.items() if name != key]
        assert min(others) > 2 * max(spread), key


def test_states_follow_the_chain_and_atoms_hop_as_often_as_asked():
    matrix = np.full((5, 5), 0.05) + 0.75 * np.eye(5)
    sample = movies.edge(
        4, n_frames=400, shape=(150, 150), pixel_size=0.04, matrix=matrix, hop=0.2, random_state=6
    )
    states = sample.truth.pivot(index="frame", columns="particle", values="state").to_numpy()
    stays = (states[1:] == states[:-1]).mean()
    assert abs(stays - 0.8) < 4 * np.sqrt(0.16 / states[1:].size)
    assert np.bincount(states.ravel(), minlength=5).min() > 0.1 * states.size
    place = sample.truth[["x_nm", "y_nm"]].to_numpy().reshape(400, 4, 2)
    step = np.hypot(*np.diff(place, axis=0).transpose(2, 0, 1))
    moved = (step > 1e-9) & (states[1:] == states[:-1])
    hops = moved.sum() / (states[1:] == states[:-1]).sum()
    assert 0.12 < hops < 0.23  # those that are blocked are missing, mostly
    apart = [np.hypot(*(p[:, None] - p).T)[np.triu_indices(4, 1)].min() for p in place]
    assert min(apart) > 0.5


def test_the_same_seed_gives_the_same_movie():
    one, two, other = (movies.edge(2, n_frames=3, random_state=seed) for seed in (1, 1, 2))
    assert one.data.equals(two.data)
    assert not one.data.equals(other.data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "bearded"}, "'zigzag' or 'armchair'"),
        ({"matrix": np.eye(3)}, "5 states loose, bridge"),
        ({"matrix": np.ones((5, 5))}, "sum to 1"),
        ({"hop": 1.2}, "probability"),
        ({"n_atoms": 0}, "n_atoms"),
        ({"n_frames": 1.5}, "n_frames"),
        ({"electrons": 0}, "electrons"),
        ({"pixel_size": -1}, "pixel_size"),
        ({"rotation": np.nan}, "rotation"),
        ({"n_atoms": 40}, "take fewer"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        movies.edge(**{"n_atoms": 2, "n_frames": 2, **options})
