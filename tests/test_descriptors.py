"""Descriptors, against planted features, and what they do not see, measured."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from atomlens.columns import find_peaks
from atomlens.descriptors import (
    NeighbourDescriptor,
    SubImageDescriptor,
    TimeDelayDescriptor,
    WindowDescriptor,
    blindness,
    look_alikes,
)
from atomlens.lattice import Lattice, NotPeriodicError, neighbour_vectors
from atomlens.patterson import patterson, tapered_size, translation_spread
from atomlens.simulate import column_positions, image, structures
from atomlens.windows import column_windows, taper_window

RNG = np.random.default_rng(0)
NOISE = RNG.random((50, 60))
MOVIE = RNG.random((7, 9, 11))


def crystal(rotation=0, seed=0, formula="PbTiO3", **options):
    cells = structures.perovskite((6, 6), formula=formula, a=0.4, rotation=rotation, **options)
    return image(cells, electrons=300, random_state=seed).data


def picture(basis, size=260):
    """Two Gaussian columns in each cell of a lattice."""
    y, x = np.mgrid[:size, :size]
    uv = np.stack([x, y], axis=-1) @ np.linalg.inv(basis)
    total = np.zeros((size, size))
    for site, weight in (((0, 0), 1.0), ((0.35, 0.4), 0.6)):
        cell = (uv - site + 0.5) % 1 - 0.5
        shifts = np.mgrid[-1:2, -1:2].reshape(2, -1).T
        square = np.min([(((cell - s) @ basis) ** 2).sum(axis=-1) for s in shifts], axis=0)
        total += weight * np.exp(-square / (2 * 2.5**2))
    return total


def grid_table(n=8, a=20.0, noise=0.2):
    y, x = np.mgrid[:n, :n].reshape(2, -1)
    xy = a * np.column_stack([x, y]) + np.random.default_rng(1).normal(0, noise, (n * n, 2))
    return pd.DataFrame(xy, columns=["x", "y"]).assign(name=np.arange(n * n))


# --- windows


@pytest.mark.parametrize(
    "basis",
    [
        [[20.0, 0.0], [0.0, 20.0]],
        [[15.9, 0.0], [0.0, 28.3]],
        [[18.2, 0.0], [-9.1, 15.762]],
        [[14.14, 14.14], [-14.14, 14.14]],
        [[17.3, 4.1], [-6.2, 22.9]],
    ],
)
def test_a_tapered_window_of_this_size_does_not_depend_on_where_it_is_cut(basis):
    basis = np.array(basis)
    height, width = tapered_size(Lattice(basis, periodic=True))
    lattice = picture(basis)

    def spread(share):
        size = round(share * height), round(share * width)
        return translation_spread(lattice, size, taper="hann", n_offsets=40)

    assert spread(1) < 0.03
    assert spread(2 / 3) > 0.1


def test_window_size_step_and_taper_come_from_the_lattice():
    data = picture(np.array([[15.9, 0.0], [0.0, 28.3]]), 200)
    describe = WindowDescriptor().fit(data)
    assert describe.size_ == (85, 48)
    assert describe.step_ == (5, 5)
    assert describe.taper_ == "hann"
    assert describe.blank_center_ == pytest.approx(0.3 * 15.9, rel=0.02)
    assert WindowDescriptor((28, 32)).fit(data).taper_ is None
    assert WindowDescriptor(32).fit(NOISE).taper_ == "hann"  # no lattice: nothing fits anyway
    assert WindowDescriptor(32).fit(NOISE).lattice_ is None


@pytest.mark.parametrize("kind", ["patterson", "fft", "log_fft"])
@pytest.mark.parametrize("size", [(12, 9), (11, 14)])
def test_rows_are_windows(kind, size, monkeypatch):
    monkeypatch.setattr("atomlens.descriptors._windows._BATCH", 500)
    describe = WindowDescriptor(size, step=(5, 7), kind=kind, taper="hann").fit(NOISE)
    describe.blank_center_ = 1.5
    features = describe.transform(NOISE)
    assert features.dtype == np.float32
    assert len(features) == len(describe.positions_)
    assert (
        features.shape[1] == (size[0] // 2 + 1) * size[1]
        if kind == "patterson"
        else size[0] * (size[1] // 2 + 1)
    )
    height, width = size
    y, x = np.mgrid[:height, :width]
    disc = np.hypot(y - height // 2, x - width // 2) < 1.5
    for n in (0, 3, len(features) - 1):
        place = describe.positions_.iloc[n]
        top, left = round(place.y - (height - 1) / 2), round(place.x - (width - 1) / 2)
        patch = NOISE[top : top + height, left : left + width]
        drawn = describe.inverse_image(features[n])[0]
        if kind == "patterson":
            expected = patterson(patch, taper="hann", blank_center=1.5)
            np.testing.assert_allclose(features[n], expected.ravel(), atol=1e-5)
        else:
            tapered = (patch - patch.mean()) * taper_window(size)
            whole = np.abs(np.fft.fftshift(np.fft.fft2(tapered)))
            rms = np.sqrt((np.abs(np.fft.rfft2(tapered)) ** 2).mean())
            expected = np.where(disc, 0, whole / rms)
            np.testing.assert_allclose(
                drawn, np.log1p(expected) if kind == "log_fft" else expected, atol=1e-4
            )


def test_map_is_the_field_of_view():
    data = crystal()
    describe = WindowDescriptor(48, step=(10, 8))
    features = describe.fit_transform(data)
    table = describe.positions_
    field = describe.map(table.x_nm + 10 * table.y_nm)
    expected = field.x + 10 * field.y
    xr.testing.assert_allclose(field, expected.transpose("y", "x").drop_attrs())
    assert field.x.attrs["units"] == "nm"
    np.testing.assert_allclose(table.x_nm, np.interp(table.x, np.arange(data.sizes["x"]), data.x))
    several = describe.map(features[:, :3])
    assert several.dims == ("component", "y", "x")
    np.testing.assert_array_equal(several[2].values.ravel(), features[:, 2])
    bare = WindowDescriptor(20, step=10).fit(NOISE)
    assert bare.map(np.arange(20)).x.attrs["units"] == "px"


def test_positions_follow_the_data_seen_last():
    describe = WindowDescriptor(20, step=10).fit(NOISE)
    assert describe.grid_ == (4, 5)
    assert len(describe.transform(NOISE[:30])) == len(describe.positions_) == 10


def test_two_phases_are_seen_where_they_are():
    both = np.concatenate(
        [picture(np.array([[20.0, 0], [0, 20]]))[:, :130], picture(np.array([[20.0, 3], [-6, 18]]))[:, :130]],
        axis=1,
    )
    both += np.random.default_rng(0).normal(0, 0.1, both.shape)
    describe = WindowDescriptor(60)
    first = make_pipeline(describe, PCA(1)).fit_transform(both)[:, 0]
    field = describe.map(first)
    left, right = field.sel(x=slice(0, 95)), field.sel(x=slice(165, 260))
    gap = abs(float(left.mean() - right.mean()))
    assert gap > 8 * max(float(left.std()), float(right.std()))


def test_what_a_feature_of_a_patterson_function_means():
    describe = WindowDescriptor((20, 17), taper=None).fit(NOISE)
    place = np.zeros((11, 17))
    place[4, 8 - 5] = 1  # the vector (-5, 4) ...
    drawn = describe.inverse_image(place.ravel())[0]
    assert np.argwhere(drawn).tolist() == [[6, 13], [14, 3]]  # ... and its opposite, about the middle


def test_what_a_feature_of_a_transform_means():
    describe = WindowDescriptor((20, 17), kind="fft", taper=None).fit(NOISE)
    y, x = np.mgrid[:20, :17]
    wave = np.cos(2 * np.pi * (3 * x / 17 - 2 * y / 20))
    drawn = describe.inverse_image(describe.transform(np.tile(wave, (2, 2)))[0])[0]
    assert np.argwhere(drawn > 0.5 * drawn.max()).tolist() == [[8, 11], [12, 5]]


# --- columns


def test_neighbour_vectors_are_those_of_the_lattice():
    table = grid_table()
    describe = NeighbourDescriptor(n_neighbors=4)
    features = describe.fit_transform(table)
    hoods = neighbour_vectors(table)
    np.testing.assert_allclose(features, hoods.vectors[hoods.complete].reshape(-1, 8), rtol=1e-6)
    assert len(features) == 36
    xy = table.set_index("name")[["x", "y"]].to_numpy()
    for row, place in zip(features, describe.positions_.itertuples(), strict=True):
        np.testing.assert_allclose(row[:2], xy[place.name + 1] - xy[place.name], atol=1e-4)
    assert describe.transform(table.iloc[:40]).shape == (18, 8)
    assert len(describe.positions_) == 18
    np.testing.assert_array_equal(describe.fit(table[["x", "y"]].to_numpy()).transform(table), features)


def test_pictures_around_columns():
    table = pd.DataFrame({"x": [5.0, 20.25, 40.5, 59.0], "y": [20.0, 21.5, 30.0, 30.0]}, index=list("abcd"))
    describe = SubImageDescriptor((5, 7))
    features = describe.fit_transform((NOISE, table))
    assert describe.positions_.index.tolist() == ["a", "b", "c"]  # the last one is too close to the border
    expected = column_windows(NOISE, table[:3], (5, 7)).reshape(3, -1)
    expected -= expected.mean(axis=1, keepdims=True)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(features, expected, atol=1e-6)
    np.testing.assert_array_equal(describe.inverse_image(features)[1].ravel(), features[1])


def test_columns_are_found_and_the_size_is_theirs():
    data = crystal()
    describe = SubImageDescriptor().fit(data)
    columns = find_peaks(data)
    nearest = np.median(np.sort(cdist(columns[["x", "y"]], columns[["x", "y"]]), axis=1)[:, 1])
    assert describe.size_ == (2 * round(1.25 * nearest) + 1,) * 2
    features = describe.transform(data)
    np.testing.assert_array_equal(features, clone(describe).fit_transform((data, columns)))
    assert {"x_nm", "y_nm"} <= set(describe.positions_)


# --- movies


@pytest.mark.parametrize(
    ("delays", "spacing", "size", "step"), [(3, 1, 1, None), (2, 3, (2, 3), (2, 1)), (1, 1, 4, 5)]
)
def test_stacks_are_what_was_seen(delays, spacing, size, step):
    describe = TimeDelayDescriptor(delays, spacing=spacing, size=size, step=step)
    features = describe.fit_transform(MOVIE)
    assert features.dtype == np.float32
    assert features.shape == (len(describe.positions_), delays * np.prod(np.broadcast_to(size, 2)))
    height, width = np.broadcast_to(size, 2)
    for row, place in zip(features, describe.positions_.itertuples(), strict=True):
        top, left = round(place.y - (height - 1) / 2), round(place.x - (width - 1) / 2)
        frames = [place.frame - k * spacing for k in range(delays)][::-1]
        expected = MOVIE[frames, top : top + height, left : left + width]
        np.testing.assert_allclose(row, expected.ravel(), rtol=1e-6)
    drawn = describe.inverse_image(features)
    assert drawn.shape == (len(features), delays, height, width)


def test_movies_keep_their_time_and_place():
    coords = {
        "time": 10 + 0.5 * np.arange(7),
        "y": ("y", 0.1 * np.arange(9), {"units": "nm"}),
        "x": ("x", 2 + 0.1 * np.arange(11), {"units": "nm"}),
    }
    movie = xr.DataArray(MOVIE, coords, ("time", "y", "x"))
    describe = TimeDelayDescriptor(2, spacing=2, size=3)
    features = describe.fit_transform(movie)
    table = describe.positions_
    np.testing.assert_allclose(table.time, 10 + 0.5 * table.frame)
    np.testing.assert_allclose(table.x_nm, 2 + 0.1 * table.x)
    field = describe.map(table.frame + 100 * table.x_nm)
    assert field.dims == ("frame", "y", "x")
    np.testing.assert_allclose(field.isel(frame=1, y=0), 3 + 100 * field.x)
    assert describe.map(features[:, :2]).dims == ("component", "frame", "y", "x")


def test_absolute_time_does_not_matter():
    describe = TimeDelayDescriptor(3).fit(MOVIE)
    late = describe.transform(np.concatenate([MOVIE[:1], MOVIE]))
    np.testing.assert_array_equal(late[99:], describe.transform(MOVIE))


# --- all of them


def test_look_alikes_are_the_nearest(monkeypatch):
    monkeypatch.setattr("atomlens.descriptors._base._BATCH", 100)
    features = RNG.random((300, 12)).astype(np.float32)
    distance = cdist(features, features[[7]])[:, 0]
    order = np.argsort(distance)[1:]
    indices, found = look_alikes(features, 7, 5)
    np.testing.assert_array_equal(indices, order[:5])
    np.testing.assert_allclose(found, distance[order[:5]], rtol=1e-5)
    xy = 50 * RNG.random((300, 2))
    indices, found = look_alikes(features, 7, 100, positions=xy, apart=9.0)
    places = xy[[7, *indices]]
    gaps = np.abs(places[:, None] - places).max(axis=2)[np.triu_indices(len(places), 1)]
    assert gaps.min() >= 9
    assert 5 < len(indices) < 40
    # The nearest one that does not overlap comes first, and nothing more would fit.
    free = [n for n in order if np.abs(xy[n] - xy[7]).max() >= 9]
    assert indices[0] == free[0]
    assert (np.abs(xy[:, None] - places).max(axis=2).min(axis=1) < 9).all()


def records(**change):
    """The same 5.2 nm of a crystal, with noise of its own each time."""
    seed = change.pop("seed")
    return crystal(change.pop("rotation", 0), seed, **change).values[:260, :260]


CHANGES = {
    "translation": lambda: crystal(seed=2).values[7:267, 9:269],
    "inversion": lambda: records(seed=3)[::-1, ::-1],
    "contrast": lambda: 3 * records(seed=4) + 500,
    "rotation": lambda: crystal(15, 5).values[20:280, 20:280],
    "species": lambda: records(seed=6, formula="BiFeO3"),
}


@pytest.fixture(scope="module")
def changed():
    return {name: make() for name, make in CHANGES.items()}


@pytest.mark.parametrize(
    ("descriptor", "blind"),
    [
        (WindowDescriptor(), {"translation", "inversion", "contrast"}),
        (WindowDescriptor(kind="fft"), {"translation", "inversion", "contrast"}),
        # The crystal is centrosymmetric: neighbours and pictures do not see an inversion that there is not.
        (SubImageDescriptor(), {"translation", "inversion", "contrast"}),
        (NeighbourDescriptor(), {"translation", "inversion", "contrast", "species"}),
    ],
)
def test_what_is_not_seen_is_what_is_promised(descriptor, blind, changed):
    ready = find_peaks if isinstance(descriptor, NeighbourDescriptor) else np.asarray
    table = blindness(
        descriptor,
        ready(records(seed=0)),
        ready(records(seed=1)),
        {name: ready(data) for name, data in changed.items()},
    )
    assert set(table.index[table.blind]) == blind
    assert set(descriptor.blind_to) <= blind
    assert table.ratio["rotation"] > 3


def test_an_inversion_that_there_is_is_seen_by_columns_only():
    """A zincblende dumbbell turned by 180 degrees: the light atom is on the other side."""
    cells = structures.dumbbells("GaAs", (6, 6))

    def record(seed):
        return image(cells, electrons=300, random_state=seed).data.values[:260, :260]

    original, repeat, turned = record(0), record(1), record(2)[::-1, ::-1]
    assert blindness(WindowDescriptor(), original, repeat, {"turned": turned}).blind["turned"]
    from atomlens.lattice import assign_sublattices

    heavy = [
        (data, table[table.label == 0])
        for data in (original, repeat, turned)
        for table in [assign_sublattices(find_peaks(data))]
    ]
    assert not blindness(SubImageDescriptor(), heavy[0], heavy[1], {"turned": heavy[2]}).blind["turned"]


def test_neighbours_keep_their_order_whatever_the_lattice_vectors_are_called():
    """Along [110] a and b are equally long, and which of them comes first is chance."""
    cells = structures.dumbbells("GaAs", (6, 6))
    table = column_positions(cells, noise=0.003).data
    mirrored = column_positions(cells, noise=0.003, random_state=1).data
    mirrored["x"] = mirrored["x"].max() - mirrored["x"]  # a symmetry of the crystal; swaps a and b
    describe = NeighbourDescriptor(n_neighbors=3, center="Ga", neighbors="As").fit(table)
    a, b = describe._hoods(mirrored).lattice.basis
    for names in ((a, b), (b, -a), (-a, -b), (-b, a)):
        describe.set_params(lattice=Lattice(np.array(names), periodic=True))
        mean = describe.transform(mirrored).mean(axis=0)
        np.testing.assert_allclose(mean, describe.ideal_.ravel(), atol=0.1)
    assert describe.stars_.shape == (1, 3, 2)


@pytest.mark.parametrize(
    "descriptor", [WindowDescriptor, NeighbourDescriptor, SubImageDescriptor, TimeDelayDescriptor]
)
def test_prior_and_blindness_are_stated(descriptor):
    assert descriptor.prior
    assert descriptor.blind_to
    assert "Prior:" in descriptor.__doc__
    assert "Blind to" in descriptor.__doc__
    assert clone(descriptor()).get_params() == descriptor().get_params()


WINDOWS = WindowDescriptor(20).fit(NOISE)
TABLE = grid_table()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: WindowDescriptor(70).fit(NOISE), ValueError, "does not fit"),
        (lambda: WindowDescriptor(0).fit(NOISE), ValueError, "size must be"),
        (lambda: WindowDescriptor(20, step=0).fit(NOISE), ValueError, "step must be"),
        (lambda: WindowDescriptor(20, kind="dct").fit(NOISE), ValueError, "kind must be"),
        (lambda: WindowDescriptor(20, taper="hamming").fit(NOISE), ValueError, "taper must be"),
        (lambda: WindowDescriptor().fit(NOISE), NotPeriodicError, "no lattice"),
        (lambda: WindowDescriptor(20).fit(NOISE * np.nan), ValueError, "NaN"),
        (lambda: WindowDescriptor(20).fit(NOISE * 0), ValueError, "constant"),
        (lambda: WindowDescriptor(20).transform(NOISE), ValueError, "not fitted"),
        (lambda: WINDOWS.map(np.zeros(7)), ValueError, "windows seen last"),
        (lambda: WINDOWS.inverse_image(np.zeros((2, 3))), ValueError, "rows of 220 features"),
        (lambda: NeighbourDescriptor().transform(TABLE), ValueError, "not fitted"),
        (lambda: NeighbourDescriptor(n_neighbors=60).fit(TABLE), ValueError, "none of 64 columns"),
        (lambda: NeighbourDescriptor(center="Fe").fit(TABLE), ValueError, "no sublattice"),
        (lambda: SubImageDescriptor().transform(NOISE), ValueError, "not fitted"),
        (lambda: SubImageDescriptor().fit((NOISE, TABLE, 3)), ValueError, "got 3 things"),
        (lambda: SubImageDescriptor().fit((NOISE, TABLE[:1])), ValueError, "give `size`"),
        (lambda: SubImageDescriptor(49).fit((NOISE, TABLE)), ValueError, "reduce `size`"),
        (lambda: TimeDelayDescriptor(0).fit(MOVIE), ValueError, "delays must be"),
        (lambda: TimeDelayDescriptor(spacing=1.5).fit(MOVIE), ValueError, "spacing must be"),
        (lambda: TimeDelayDescriptor(8).fit(MOVIE), ValueError, "does not fit"),
        (lambda: TimeDelayDescriptor(size=10).fit(MOVIE), ValueError, "does not fit"),
        (lambda: TimeDelayDescriptor().fit(MOVIE[0]), ValueError, "three axes"),
        (lambda: TimeDelayDescriptor().fit(MOVIE * 1j), TypeError, "real numbers"),
        (
            lambda: TimeDelayDescriptor().fit(np.where(MOVIE[3].max() == MOVIE, np.nan, MOVIE)),
            ValueError,
            "first in frame 3",
        ),
        (lambda: look_alikes(np.zeros((3, 2)), 3), ValueError, "index must be one of the 3 rows"),
        (lambda: look_alikes(np.zeros((3, 2)), 0, 0), ValueError, "n must be"),
        (lambda: look_alikes(np.zeros(3), 0), ValueError, "two axes"),
        (lambda: look_alikes(np.zeros((3, 2)), 0, apart=5), ValueError, "needs the positions"),
        (lambda: look_alikes(np.zeros((3, 2)), 0, apart=-5), ValueError, "apart must be"),
        (
            lambda: look_alikes(np.zeros((3, 2)), 0, apart=5, positions=np.zeros((2, 2))),
            ValueError,
            "2 positions",
        ),
        (lambda: blindness(WINDOWS, NOISE, NOISE, {"no": NOISE}), ValueError, "does not differ"),
        (lambda: blindness(WINDOWS, NOISE, NOISE, {}), ValueError, "no change"),
    ],
)
def test_bad_input_is_explained(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_too_many_features_are_refused_before_they_are_made():
    movie = np.broadcast_to(np.float32(1), (400, 1000, 1000))
    describe = TimeDelayDescriptor(2)
    describe._learn(movie)
    describe.positions_ = pd.DataFrame()
    with pytest.raises(ValueError, match="do not fit into memory"):
        describe._describe(movie)
