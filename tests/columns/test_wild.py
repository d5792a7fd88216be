"""Finding and fitting where noise is not white, the background not flat, columns not single or not round."""

import warnings

import numpy as np
import pytest
from scipy import ndimage

pytest.importorskip("torch")

from atomlens import doubts, metrics
from atomlens.columns import find, refine
from atomlens.crystallography import LocalCrystallography, displacements, strain_map
from atomlens.lattice import estimate as lattice_of

SIGMA, SPACING = 2.2, 20.0


def counted(expected, seed):
    return np.random.default_rng(seed).poisson(expected).astype(float)


def enlarged(image, factor):
    return ndimage.zoom(image, factor, order=1, grid_mode=True, mode="nearest")


def streaked(image, amplitude, seed=5):
    return image + np.random.default_rng(seed).normal(0, 0.25 * amplitude, (len(image), 1))


def grained(image, amplitude, seed=6):
    """With noise that reaches over neighbouring pixels, as the fast scan of a slow detector makes it."""
    grain = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=image.shape), 0.8)
    return image + 0.1 * amplitude / grain.std() * grain


# name -> (what happens to an image, by what factor it becomes larger, what widens its columns, in pixels)
DISTURBED = {
    "blur": (lambda v, a: ndimage.gaussian_filter(v, 1.0), 1, 1.0),
    "zoom 2": (lambda v, a: enlarged(v, 2), 2, 0.0),
    "zoom 3": (lambda v, a: enlarged(v, 3), 3, 0.0),
    "streaks": (streaked, 1, 0.0),
    "grain": (grained, 1, 0.0),
}


@pytest.fixture(scope="module")
def crystal(sheet):
    """Expected counts, those of a single sublattice alone, and the rows of its columns."""
    return sheet((200, 200), spacing=SPACING, sigma=SIGMA, electrons=600.0, weak=0.5)


def placed(table, factor):
    """Where the columns are once an image is larger by a factor."""
    return (table[:, :2] + 0.5) * factor - 0.5


@pytest.mark.parametrize("name", DISTURBED)
def test_columns_and_their_size_are_found_with_no_setting(crystal, name):
    expected, table = crystal
    disturb, factor, wider = DISTURBED[name]
    image = disturb(counted(expected, 1), np.ptp(expected))
    found = find(image, refine=False)
    result = metrics.match(
        found, placed(table, factor), tolerance=4 * factor, border=5 * factor, shape=image.shape
    )
    assert result.f1 > 0.97
    assert found.attrs["doubts"] == []
    # The size of features is that of the same crystal without any noise.
    clean = find(ndimage.gaussian_filter(expected, wider), refine=False).attrs["feature_size"]
    assert found.attrs["feature_size"] == pytest.approx(factor * clean, rel=0.15)


@pytest.mark.parametrize("name", ["blur", "zoom 2"])
def test_standard_errors_know_the_colour_of_the_noise(crystal, name):
    expected, table = crystal
    disturb, factor, _ = DISTURBED[name]
    truth = placed(table, factor)
    z = []
    for seed in (2, 3):
        image = disturb(counted(expected, seed), np.ptp(expected))
        found = find(image)
        pairs = metrics.match(found, truth, tolerance=3 * factor, border=8 * factor, shape=image.shape).pairs
        rows = found.iloc[pairs[0]]
        for axis, name in enumerate("xy"):
            z.append((rows[name].to_numpy() - truth[pairs[1], axis]) / rows[f"{name}_err"].to_numpy())
    z = np.concatenate(z)
    assert len(z) > 400
    assert 0.75 < np.sqrt(np.nanmean(z**2)) < 1.25


def test_a_slope_of_the_background_does_not_move_columns(sheet):
    expected, table = sheet((300, 300), sigma=2.5, spacing=18.0, electrons=20000.0, weak=0.2)
    slope = np.ptp(expected) * np.arange(300) / 400
    inner = ((table[:, :2] > 10) & (table[:, :2] < 289)).all(axis=1)
    weak = table[inner, 2] == table[:, 2].min()
    moved = []
    for background in (0.0, slope):
        image = counted(expected + background, 7)
        fitted = refine(image, table[inner, :2])
        moved.append((fitted[["x", "y"]].to_numpy() - table[inner, :2])[weak].mean(axis=0))
    assert weak.sum() > 200
    assert np.abs(moved[0]).max() < 0.02
    assert np.abs(moved[1]).max() < 0.05


@pytest.mark.parametrize("distance", [2.4, 2.8])
def test_pairs_are_told_apart(sheet, distance):
    sigma = 2.5

    def doubled(table):
        half = distance * sigma / 2 * np.array([np.cos(0.5), np.sin(0.5)])
        return np.concatenate([np.column_stack([table[:, :2] + s * half, table[:, 2:]]) for s in (-1, 1)])

    expected, table = sheet(
        (240, 240), spacing=26.0, sigma=sigma, electrons=1500.0, weak=0, change=doubled, background=2.0
    )
    found = find(counted(expected, 8))
    result = metrics.match(found, table[:, :2], tolerance=sigma, border=10, shape=expected.shape)
    assert result.recall > 0.95
    assert result.precision > 0.95


def test_columns_of_an_astigmatic_probe_are_not_split(sheet):
    def oval(table):
        return np.column_stack([table, table[:, 3] / 1.25])

    expected, table = sheet(
        (260, 260), sigma=3.0, electrons=1500.0, weak=0, spacing=19.0, angle=12.0, change=oval
    )
    found = find(counted(expected, 9))
    inner = table[((table[:, :2] > 8) & (table[:, :2] < 251)).all(axis=1), :2]
    away = np.hypot(*(inner[:, None] - found[["x", "y"]].to_numpy()).transpose(2, 0, 1))
    halves = (away < 2.5 * 3.0).sum(axis=1)
    assert (halves >= 1).all()
    assert (halves > 1).mean() < 0.01


def test_hollows_between_columns_are_not_columns(sheet):
    expected, table = sheet((240, 240), sigma=3.0, spacing=19.0, electrons=1000.0, weak=0, angle=0.0)
    found = find(counted(expected, 0))
    result = metrics.match(found, table[:, :2], tolerance=4, border=6, shape=expected.shape)
    assert result.precision > 0.98


@pytest.mark.parametrize("angle", [0.0, 0.3, 7.0, 90.0])
def test_streaks_leave_the_lattice_as_it_is(sheet, angle):
    expected, _ = sheet((240, 240), weak=0, angle=angle)
    found = lattice_of(streaked(counted(expected, 0), np.ptp(expected)))
    np.testing.assert_allclose(found.lengths, 20, rtol=0.01)
    assert len(found.sites) == 1


def scattered(n, shape, least, rng):
    """Places at random, none closer than `least`."""
    places = np.empty((0, 2))
    while len(places) < n:
        one = rng.uniform(8, np.array(shape[::-1]) - 9)
        if not len(places) or np.hypot(*(places - one).T).min() > least:
            places = np.vstack([places, one])
    return places


def test_the_default_network_is_chosen_by_what_repeats(crystal, expected_counts):
    rng = np.random.default_rng(10)
    shape = (240, 240)
    at = scattered(60, shape, 12, rng)
    clouds = ndimage.gaussian_filter(rng.normal(size=shape), 12)
    film = expected_counts(shape, np.column_stack([at, np.full((60, 2), (600.0, 2.0))]))
    film = counted(film + 20 + 3 * clouds / clouds.std(), 11)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a film may well be doubted
        on_film = find(film)
    assert on_film.attrs["model"].startswith("single_atoms: nothing repeats")
    assert metrics.match(on_film, at, tolerance=4).f1 > 0.8
    on_crystal = find(counted(crystal[0], 12), refine=False)
    assert on_crystal.attrs["model"].startswith("general: something repeats")
    assert find(film[:100, :100], model="general", refine=False).attrs["model"] == "general, as given"


@pytest.mark.parametrize("top", [0, 3, 6, 9])
def test_rows_lie_inside_the_image(crystal, top):
    image = counted(crystal[0], 13)[top : top + 150, top : top + 130]  # columns lie on its border
    found = find(image)
    assert len(found) > 50
    assert found["x"].between(-0.5, 129.5).all()
    assert found["y"].between(-0.5, 149.5).all()


def triangular(angle=13.0, ratio=1.0, tilt=30.0):
    """Expected counts of strong columns each among three weak ones, all of them ellipses; rows (x, y, n)."""
    shape, step = (220, 220), 18.0
    turn = np.radians(angle)
    basis = step * np.array([[1, 0], [0.5, np.sqrt(0.75)]])
    basis = basis @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    cells = np.stack(np.meshgrid(*[np.arange(-30, 31)] * 2), -1).reshape(-1, 2)
    rows = [
        (*(at @ basis + 110), n) for uv, n in (((0, 0), 2000.0), ((1 / 3, 1 / 3), 600.0)) for at in cells + uv
    ]
    table = np.array([row for row in rows if min(row[:2]) > -12 and max(row[:2]) < 232])
    y, x = np.mgrid[: shape[0], : shape[1]]
    c, s = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    long, wide = 2.2 * np.sqrt(ratio), 2.2 / np.sqrt(ratio)
    expected = np.full(shape, 5.0)
    for px, py, n in table:
        u, v = (c * (x - px) + s * (y - py)) / long, (c * (y - py) - s * (x - px)) / wide
        expected += n / (2 * np.pi * long * wide) * np.exp(-(u**2 + v**2) / 2)
    return expected, table


def test_an_astigmatic_probe_moves_no_sublattice():
    expected, table = triangular(ratio=1.3)
    # Fitted as round columns, the weak ones were .3 px off, all to the same side.
    moved = []
    for seed in range(3):
        fitted = refine(counted(expected, seed), table[:, :2])
        inner = ((table[:, :2] > 15) & (table[:, :2] < 204)).all(axis=1) & (table[:, 2] < 1000)
        moved.append((fitted[["x", "y"]].to_numpy() - table[:, :2])[inner])
        deviation = moved[-1] / fitted[["x_err", "y_err"]].to_numpy()[inner]
        assert 0.8 < np.sqrt(np.mean(deviation**2)) < 1.25
    moved = np.concatenate(moved)
    assert np.hypot(*moved.mean(axis=0)) < 4 * moved.std() / np.sqrt(len(moved))
    assert fitted.attrs["axis_ratio"] == pytest.approx(1.3, abs=0.04)
    assert fitted.attrs["axis_angle"] == pytest.approx(30, abs=4)
    assert fitted.attrs["doubts"] == []


def test_round_columns_stay_round():
    expected, table = triangular()
    assert refine(counted(expected, 0), table[:, :2]).attrs["axis_ratio"] == 1.0


def test_pixels_that_are_not_square_are_suspected():
    expected, table = triangular()
    halved = counted(expected, 0).reshape(220, 110, 2).sum(axis=2)
    with pytest.warns(UserWarning, match="square_pixels"):
        fitted = refine(halved, table[:, :2] * [0.5, 1] - [0.25, 0])
    assert fitted.attrs["axis_ratio"] == pytest.approx(2, abs=0.25)
    assert abs(fitted.attrs["axis_angle"]) == pytest.approx(90, abs=5)


@pytest.mark.parametrize("angle", [5, 25, 45, 65])
def test_oblong_pixels_are_suspected_at_any_angle_of_the_lattice(sheet, angle):
    expected, table = sheet((200, 400), spacing=24.0, sigma=2.6, electrons=800.0, weak=0.45, angle=angle)
    halved = counted(expected, angle).reshape(200, 200, 2).sum(axis=2)
    with pytest.warns(UserWarning, match="square_pixels"):
        fitted = refine(halved, table[:, :2] * [0.5, 1] - [0.25, 0])
    assert abs(fitted.attrs["axis_angle"]) == pytest.approx(90, abs=2)


def test_the_ellipse_of_very_long_columns_is_settled(sheet):
    # Each step that takes them for round overshoots: the ratio went to and fro, and stayed at 1.5.
    expected, table = sheet((200, 400), spacing=20.0, sigma=2.0, electrons=800.0, weak=0.45, angle=75)
    halved = counted(expected, 75).reshape(200, 200, 2).sum(axis=2)
    with pytest.warns(UserWarning, match="long as wide"):
        fitted = refine(halved, table[:, :2] * [0.5, 1] - [0.25, 0])
    assert fitted.attrs["axis_ratio"] == pytest.approx(2, abs=0.25)
    assert fitted.attrs["gain"] == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("turn", [0, 90])
def test_an_astigmatism_of_a_quarter_along_an_axis_is_not_doubted(turn):
    for at in (rows_of(16, 14, 0.5), rows_of(20, 14)):
        fitted = refine(drawn(at, 600, *((2.7, 2.16) if turn else (2.16, 2.7))), at)
        assert 1.1 < fitted.attrs["axis_ratio"] < 1.29
        assert fitted.attrs["doubts"] == []


def drawn(at, electrons, wide, high, shape=(200, 200), seed=0):
    """Counts of Gaussians of the widths `wide` along x and `high` along y."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    expected = np.full(shape, 2.0)
    for px, py in at:
        squared = ((x - px) / wide) ** 2 + ((y - py) / high) ** 2
        expected += electrons / (2 * np.pi * wide * high) * np.exp(-squared / 2)
    return counted(expected, seed)


def rows_of(step_x, step_y, shift=0.0):
    """Places of a lattice in rows, each moved against the one before by a part of the step."""
    i, j = (m.ravel() for m in np.mgrid[0 : 200 // step_y + 1, -8 : 200 // step_x + 8])
    at = np.column_stack([(j + (i * shift) % 1) * step_x, i * step_y + 5.0])
    return at[(at[:, 0] > 3) & (at[:, 0] < 197) & (at[:, 1] < 197)]


def paired(at, apart):
    return np.concatenate([at + [side * apart / 2, 0] for side in (-1, 1)])


def test_pairs_taken_for_one_column_are_doubted():
    # In oblong pixels pairs are as high as wide, and no ellipse says that there are two.
    at = rows_of(20, 18, 0.5)
    image = drawn(paired(at, 5.4), 400, 1.7, 3.4)
    with pytest.warns(UserWarning, match="lobes on two sides"):
        fitted = refine(image, at)
    assert fitted.attrs["axis_ratio"] < 1.5
    assert fitted.attrs["two_fold"] > 0.1
    # The same pairs, each fitted as what it is
    with pytest.warns(UserWarning, match="long as wide"):
        right = refine(image, paired(at, 5.4))
    assert right.attrs["two_fold"] < fitted.attrs["two_fold"] / 3
    assert len(right.attrs["doubts"]) == 1


@pytest.mark.parametrize(
    ("at", "wide", "high"),
    [
        (rows_of(16, 14, 0.5), 2.4, 2.4),  # hexagonal, round
        (rows_of(18, 12), 2.4, 2.4),  # rectangular, round
        (rows_of(18, 12), 2.7, 2.2),  # rectangular, an astigmatic probe along its rows
        (rows_of(12, 18), 2.7, 2.2),
        (paired(rows_of(24, 20, 0.5), 8.0), 2.4, 2.4),  # dumbbells, all their columns known
    ],
)
def test_single_columns_leave_no_lobes(at, wide, high):
    fitted = refine(drawn(at, 600, wide, high), at)
    assert fitted.attrs["two_fold"] < 0.02
    assert fitted.attrs["doubts"] == []


def test_unresolved_pairs_are_long_columns_and_nothing_else():
    at = rows_of(20, 18, 0.5)
    fitted = refine(drawn(paired(at, 2.4), 400, 2.4, 2.4), at)
    assert 1.05 < fitted.attrs["axis_ratio"] < 1.2
    assert fitted.attrs["doubts"] == []


def test_a_few_faint_columns_leave_no_lobes_by_chance():
    at = rows_of(45, 45)[:12]
    lobes = []
    for seed in range(20):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that chance has made them lopsided
            lobes.append(refine(drawn(at, 80, 2.4, 2.4, seed=seed), at).attrs["two_fold"])
    assert max(lobes) < 0.05


def test_a_clip_is_told_even_of_few_electrons_and_hides_sublattices(sheet):
    expected, table = sheet((200, 200), spacing=SPACING, sigma=SIGMA, electrons=400.0, weak=0.45)
    counts = counted(expected, 8)
    clip = np.quantile(counts, 0.9)
    assert clip < 30
    found = find(np.minimum(counts, clip), refine=False)
    assert found.attrs["saturated"] > 0.08
    with pytest.warns(UserWarning, match="sublattices that differ in brightness only"):
        assert doubts(lattice_of(found[["x", "y"]]))
    known = refine(np.minimum(counts, clip), table[:, :2])
    assert known.attrs["saturated"] == found.attrs["saturated"]


def test_no_clip_is_seen_where_there_is_none(sheet):
    expected = sheet((200, 200), spacing=SPACING, sigma=SIGMA, electrons=400.0, weak=0.45)[0]
    counts = counted(expected, 8)
    for image in (counts, np.rint(255 * counts / counts.max()).astype(np.uint8), np.rint(expected), expected):
        found = find(image, refine=False)
        assert found.attrs["saturated"] == 0.0
        assert doubts(lattice_of(found[["x", "y"]])) == []
    # Dark columns of few electrons: most of what lies between stands at the highest value.
    assert find(counts.max() - counts, refine=False, inverted=True).attrs["saturated"] == 0.0


def test_streaks_are_no_part_of_an_error(crystal):
    expected, table = crystal
    inner = table[((table[:, :2] > 12) & (table[:, :2] < 187)).all(axis=1), :2]
    fitted = refine(streaked(counted(expected, 3), np.ptp(expected)), inner)
    deviation = (fitted[["x", "y"]] - inner).to_numpy() / fitted[["x_err", "y_err"]].to_numpy()
    assert 0.8 < np.sqrt(np.nanmean(deviation**2)) < 1.35


def test_the_rows_of_a_single_column_are_its_shape(expected_counts):
    # Half as long again: its rows are brighter in the middle than those of a round one.
    y, x = np.mgrid[:48, :48]
    spot = 4000 / (2 * np.pi * 6) * np.exp(-((x - 23.4) ** 2 / 4 + (y - 24.3) ** 2 / 9) / 2)
    fitted = refine(counted(spot + 3, 0), np.array([[24.0, 24.0]]))
    assert abs(fitted.x[0] - 23.4) < 4 * fitted.x_err[0]
    assert abs(fitted.y[0] - 24.3) < 4 * fitted.y_err[0]
    assert fitted.intensity[0] == pytest.approx(4000, rel=0.1)
    assert fitted.attrs["axis_ratio"] == pytest.approx(1.5, abs=0.15)


def test_a_derivative_is_doubted_by_the_fit_too(crystal):
    expected, table = crystal
    derivative = counted(20 * expected, 4)[:, 2:] - counted(20 * expected, 5)[:, :-2]
    with pytest.warns(UserWarning, match="differential phase contrast"):
        fitted = refine(derivative, table[(table[:, 0] > 5) & (table[:, 0] < 190), :2])
    assert fitted.attrs["doubts"]


def test_what_is_made_of_doubtful_columns_inherits_the_doubt(crystal):
    expected, table = crystal
    derivative = counted(20 * expected, 4)[:, 2:] - counted(20 * expected, 5)[:, :-2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = find(derivative)
    (said,) = [d for d in found.attrs["doubts"] if "differential" in d]
    perfect = table[:, :2] - [1.0, 0.0]
    columns = found.iloc[:0].reindex(range(len(perfect))).assign(x=perfect[:, 0], y=perfect[:, 1])
    columns["label"] = (table[:, 2] < table[:, 2].max()).astype(int)
    columns.attrs = found.attrs
    assert said in doubts(lattice_of(columns))
    assert said in doubts(displacements(columns, n_neighbors=4, center=1, neighbors=0))
    assert said in doubts(strain_map(columns, sublattice=0))
    assert said in doubts(
        LocalCrystallography(n_clusters=1, n_neighbors=4, center=1, neighbors=0).fit(columns)
    )
