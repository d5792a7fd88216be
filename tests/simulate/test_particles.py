"""Particles under an atomic force microscope: what is planted is in the picture."""

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import label

from atomlens.simulate import particles
from atomlens.simulate._particle_shapes import SHAPES

KINDS = list(SHAPES)
CLEAN = particles.Afm(tip=0, noise=0)


def grid(form, theta=0.0, mirror=1, n=161):
    """Heights of one particle on a fine grid, turned by theta degrees."""
    at = np.linspace(-1.1 * form.reach, 1.1 * form.reach, n)
    x, y = np.meshgrid(at, mirror * at)
    cos, sin = np.cos(np.radians(theta)), np.sin(np.radians(theta))
    return form.height(cos * x + sin * y, -sin * x + cos * y)


@pytest.mark.parametrize("kind", KINDS)
def test_a_particle_has_its_symmetry_and_no_more(kind):
    form = SHAPES[kind]
    own = grid(form)
    span = own.std()
    for n in range(2, 13):
        same = np.abs(grid(form, 360 / n) - own).mean() < 0.02 * span
        assert same == (form.symmetry % n == 0)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_chiral_one_has_another_mirror_image(kind):
    form = SHAPES[kind]
    mirrored = [np.abs(grid(form, theta, mirror=-1) - grid(form)).mean() for theta in np.arange(0, 360, 2)]
    assert (min(mirrored) > 0.05 * grid(form).std()) == (kind == "chiral")


@pytest.mark.parametrize("kind", KINDS)
def test_reach_and_area_are_those_of_the_heights(kind):
    form = SHAPES[kind]
    at = np.linspace(-1.2 * form.reach, 1.2 * form.reach, 400)
    high = form.height(at, at[:, None]) > 0
    assert np.hypot(*np.meshgrid(at, at))[high].max() == pytest.approx(form.reach, rel=0.03)
    assert high.sum() * (at[1] - at[0]) ** 2 == pytest.approx(form.area, rel=0.06)


def test_rods_lie_where_and_how_the_truth_says():
    """By moments of each island, which know nothing of how it was drawn."""
    sample = particles.scattered("rod", coverage=0.15, shape=(300, 260), microscope=CLEAN, random_state=2)
    islands, n = label(sample.data.values > 0)
    assert n == len(sample.truth) > 20
    y, x = np.indices(islands.shape)
    for row in sample.truth.itertuples():
        mine = islands == islands[round(row.y), round(row.x)]
        if mine[0].any() or mine[-1].any() or mine[:, 0].any() or mine[:, -1].any():
            continue
        dx, dy = x[mine] - row.x, y[mine] - row.y
        assert np.hypot(dx.mean(), dy.mean()) < 0.25
        angle = np.degrees(np.arctan2(2 * np.mean(dx * dy), np.mean(dx**2) - np.mean(dy**2))) / 2
        assert abs((angle - row.theta + 90) % 180 - 90) < 2
    np.testing.assert_allclose(sample.truth.x_nm, 0.8 * sample.truth.x)


@pytest.mark.parametrize("touching", [False, True])
def test_particles_cover_what_was_asked_for_and_do_not_overlap(touching):
    sample = particles.scattered("tile", coverage=0.2, touching=touching, microscope=CLEAN, random_state=0)
    assert np.mean(sample.data > 0) == pytest.approx(0.2, abs=0.02)
    # Nothing is covered twice: the islands together are as large as all particles.
    assert np.mean(sample.data > 0) == pytest.approx(len(sample.truth) * 100 / (256 * 0.8) ** 2, rel=0.04)
    assert (label(sample.data.values > 0)[1] == len(sample.truth)) or touching
    full = particles.scattered("tile", coverage=1.0, touching=touching, microscope=CLEAN, random_state=0)
    assert 0.3 < np.mean(full.data > 0) < 0.8, "as far as there is room"


@pytest.mark.parametrize("kind", KINDS)
def test_a_fifth_of_the_surface_can_be_covered_by_any_kind(kind):
    sample = particles.scattered(kind, coverage=0.2, microscope=CLEAN, random_state=1)
    assert np.mean(sample.data > 0) == pytest.approx(0.2, abs=0.02)


def test_the_same_seed_gives_the_same_and_another_one_does_not():
    first, again, other = (particles.scattered("chiral", random_state=seed) for seed in (4, 4, 5))
    assert first.data.equals(again.data)
    pd.testing.assert_frame_equal(first.truth, again.truth)
    assert not first.data.equals(other.data)
    assert first.source["random_state"] == 4


# ---------------------------------------------------------------- the microscope

FLAT = np.zeros((40, 60))
WALL = np.where(np.arange(60) < 30, 0.0, 5.0) * np.ones((40, 1))


def test_a_tip_widens_and_a_flat_one_cannot_go_lower():
    spike = FLAT.copy()
    spike[20, 30] = 4.0
    seen = particles.Afm(tip=2.0, noise=0).scan(spike, 0.5)
    away = 0.5 * np.hypot(*(np.indices(FLAT.shape) - np.reshape([20, 30], (2, 1, 1))))
    np.testing.assert_allclose(seen, np.maximum(4.0 - away**2 / 4, 0), atol=1e-5)  # the tip, upside down


def test_a_slow_feedback_smears_to_the_right():
    seen = particles.Afm(tip=0, lag=3.0, noise=0).scan(WALL, 1.0)
    assert (seen[:, :30] == 0).all()
    np.testing.assert_allclose(seen[7, 30:], 5 * (1 - np.exp(-np.arange(1, 31) / 3)), rtol=1e-5)


def test_tilt_noise_lines_and_counts_have_the_sizes_that_were_asked_for():
    tilted = particles.Afm(tilt=(2.0, -1.0), noise=0).scan(FLAT, 1.0)
    np.testing.assert_allclose(tilted[:, -1] - tilted[:, 0], 2.0, rtol=1e-5)
    np.testing.assert_allclose(tilted[-1] - tilted[0], -1.0, rtol=1e-5)
    large = np.zeros((400, 300))
    assert particles.Afm(noise=0.3).scan(large, 1.0).std() == pytest.approx(0.3, rel=0.02)
    assert particles.Afm(noise=0, line_step=0.5).scan(large, 1.0).mean(axis=1).std() == pytest.approx(
        0.5, rel=0.1
    )
    counted = particles.Afm(tip=0, noise=0, counts=10).scan(large + np.arange(300) / 10, 1.0)
    assert np.var(counted[:, 200]) == pytest.approx(20 / 10, rel=0.2)


def test_scars_are_stretches_of_single_lines():
    seen = particles.Afm(scars=6.0, scar_height=2.0, noise=0).scan(FLAT, 1.0, random_state=1)
    rows = np.flatnonzero(seen.any(axis=1))
    assert 1 <= len(rows) <= 15
    for row in rows:
        ends = np.flatnonzero(np.diff(np.r_[0, seen[row] > 0, 0]))
        assert len(ends) == 2
        assert 0.1 * 60 < ends[1] - ends[0] < 0.65 * 60


# ---------------------------------------------------------------- movies


def test_domains_are_rigid_and_hop_between_minima():
    movie = particles.assembly("rod", n_frames=60, n_domains=3, hop=0.2, rattle=0, random_state=1)
    angles = movie.extras["angles"]
    steps = np.diff(angles, axis=0) / 60
    assert set(np.unique(steps)) == {-1, 0, 1}
    assert np.mean(steps != 0) == pytest.approx(0.2, abs=0.08)
    for row in movie.truth.sample(50, random_state=0).itertuples():
        assert abs((row.theta - angles[row.frame, row.domain] + 90) % 180 - 90) < 1e-6
    one = movie.truth[movie.truth.domain == 0]
    a, b = (one[one.frame == t].set_index("particle")[["x", "y"]] for t in (30, 31))
    both = a.index.intersection(b.index)
    inner = [np.linalg.norm(np.diff(t.loc[both].to_numpy(), axis=0), axis=1) for t in (a, b)]
    np.testing.assert_allclose(*inner, atol=1e-6)


def test_domains_grow_rattle_drift_and_jump_far():
    movie = particles.assembly("hexagon", n_frames=40, n_domains=2, drift=(0.4, 0.0), hop=0, random_state=0)
    size = movie.truth[movie.truth.domain == 0].groupby("frame").size()
    assert size.iloc[-1] > 4 * size.iloc[5]
    assert size.diff().min() >= -3, "it grows, but for what drifts out of the frame"
    track = movie.truth[movie.truth.particle == movie.truth.particle.iloc[0]]
    assert np.polyfit(track.frame, track.x_nm, 1)[0] == pytest.approx(0.4, rel=1e-6)
    rattled = (track.theta - movie.extras["angles"][track.frame, 0] + 30) % 60 - 30
    assert rattled.std() == pytest.approx(3.0, rel=0.4)
    far = particles.assembly("rod", n_frames=300, n_domains=2, hop=0.5, long_jumps=0.5, shape=(32, 32))
    assert np.abs(np.diff(far.extras["angles"], axis=0)).max() > 5 * 60


def test_late_frames_may_be_worse_and_particles_keep_their_number():
    movie = particles.assembly("tile", n_frames=12, worse=(8, 10.0), random_state=3)
    corner = movie.data[:, :20, :20].std(dim=("y", "x")).values
    assert corner[8:].min() > 5 * corner[:8].max()
    assert movie.truth.groupby("particle").domain.nunique().max() == 1
    assert not movie.truth.duplicated(["frame", "particle"]).any()
    inside = movie.truth[["x", "y"]]
    assert (inside.min() >= 0).all()
    assert (inside.max() < 256).all()
    assert movie.data.attrs["kind"] == "movie"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: particles.scattered("star"), "choose from rod"),
        (lambda: particles.scattered(coverage=1.5), "share from 0 to 1"),
        (lambda: particles.scattered(pixel_size=0), "pixel_size"),
        (lambda: particles.assembly(n_frames=0), "n_frames"),
        (lambda: particles.assembly(hop=2), "hop is a probability"),
        (lambda: particles.assembly(dissolve=-1), "dissolve is a probability"),
        (lambda: particles.Afm(tip=-1), "tip must be"),
        (lambda: particles.Afm(noise=np.nan), "noise must be"),
        (lambda: particles.Afm(tilt=(1.0, np.inf)), "tilt must be"),
        (lambda: particles.Afm(counts=0), "counts must be"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_empty_surface_is_empty():
    sample = particles.scattered(coverage=0.0, shape=(16, 16), microscope=CLEAN)
    assert len(sample.truth) == 0
    assert not sample.data.any()
