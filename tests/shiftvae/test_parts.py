"""The parts against independent implementations: geometry, registration, blocks, penalties, schedule."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates, shift

from atomlens import simulate
from atomlens.shiftvae import ShiftVAE, _networks, _register, _smooth
from atomlens.shiftvae._crops import Crops
from atomlens.shiftvae._geometry import UNIFORM_SD, Geometry
from atomlens.shiftvae._setup import geometry_of

SHIFTS = Geometry((10, 12), 2, False, ((2.0, 0.0), (0.0, 1.5)), (5, 6))
TURNS = Geometry((10, 12), 2, True, ((2.0, 0, 0), (0, 1.5, 0), (0, 0, 0.3)), (8, 8))
PHASES = Geometry((10, 12), 2, False, ((8 * UNIFORM_SD, 0.0), (2 * UNIFORM_SD, 6 * UNIFORM_SD)), (5, 7), 2)


def test_a_crop_is_sampled_as_scipy_does_it():
    frame = np.random.default_rng(0).random(SHIFTS.frame).astype(np.float32)
    pose = torch.tensor([[1.3, -0.7]])
    crop = SHIFTS.cut(torch.tensor(frame)[None], pose)[0]
    expected = shift(frame, (-0.7, 1.3), order=1)[5:15, 6:18]
    np.testing.assert_allclose(crop, expected, atol=1e-5)


def test_a_turned_crop_is_sampled_as_scipy_does_it():
    frame = np.random.default_rng(0).random(TURNS.frame).astype(np.float32)
    angle, (sx, sy) = 0.2, (1.0, -0.5)
    crop = TURNS.cut(torch.tensor(frame)[None], torch.tensor([[sx, sy, angle]]))[0]
    y, x = np.mgrid[:10, :12] - np.array([4.5, 5.5])[:, None, None] - np.array([sy, sx])[:, None, None]
    there = -np.sin(angle) * x + np.cos(angle) * y, np.cos(angle) * x + np.sin(angle) * y
    middle = (np.array(TURNS.frame) - 1) / 2
    expected = map_coordinates(frame, [there[0] + middle[0], there[1] + middle[1]], order=1)
    np.testing.assert_allclose(crop, expected, atol=1e-5)


@pytest.mark.parametrize("geometry", [SHIFTS, TURNS])
def test_moving_back_undoes_the_pose(geometry):
    """A smooth picture, taken out of the frame and put back, is what it was where it was seen."""
    y, x = np.mgrid[: geometry.frame[0], : geometry.frame[1]]
    frame = torch.tensor(np.sin(x / 4) + np.cos(y / 5), dtype=torch.float32)[None]
    pose = torch.tensor([[1.3, -0.7, 0.2][: geometry.n_pose]])
    back, seen = (part[0] for part in geometry.put(geometry.cut(frame, pose), pose))
    inside = seen == 1
    assert inside.sum() > 60
    np.testing.assert_allclose(back[inside], frame[0][inside], atol=0.05)
    assert (back[seen == 0] == 0).all()


@pytest.mark.parametrize("geometry", [SHIFTS, TURNS])
def test_what_is_seen_is_what_ones_give(geometry):
    pose = torch.tensor([[1.3, -0.7, 0.1], [-4.0, 2.5, -0.2]])[:, : geometry.n_pose]
    placed, seen = geometry.put(torch.ones(2, 10, 12), pose)
    assert 0 < float(seen.mean()) < 1
    np.testing.assert_allclose(seen, placed, atol=1e-5)


@pytest.mark.parametrize("geometry", [SHIFTS, TURNS])
def test_slopes_are_differences(geometry):
    y, x = np.mgrid[: geometry.frame[0], : geometry.frame[1]]
    frame = torch.tensor(np.sin(x / 3) * np.cos(y / 4), dtype=torch.float32)
    inner = slice(geometry.margin[0], -geometry.margin[0]), slice(geometry.margin[1], -geometry.margin[1])
    for n, slope in enumerate(geometry.slopes(frame)):
        pose = torch.zeros(2, geometry.n_pose)
        pose[0, n], pose[1, n] = 0.05, -0.05
        up, down = geometry.cut(frame.expand(2, -1, -1), pose)
        np.testing.assert_allclose((up - down) / 0.1, slope.view(geometry.frame)[inner], atol=0.06)


def test_latents_and_poses_are_inverse():
    pose = np.array([[1.0, 2.0, 0.1], [-3.0, 0.5, -0.2]])
    np.testing.assert_allclose(TURNS.pose(TURNS.latents(pose)), pose)


def test_phases_are_the_same_in_every_cell():
    pose = np.array([[1.0, 2.0]])
    np.testing.assert_allclose(PHASES.latents(pose), PHASES.latents(pose + [[8.0 + 2.0, 6.0]]), atol=1e-9)
    one, other = (torch.tensor([[v / UNIFORM_SD, 0.0]]) for v in (0.499, -0.499))
    assert float(PHASES.distance(one, other)) < 1e-3
    assert not PHASES.precision().any()


def test_the_divergence_is_that_of_torch():
    mean, log_sd = torch.tensor([[0.3, -1.2]]), torch.tensor([[-0.5, 0.1]])
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mean, log_sd.exp()), normal(0.0, 1.0))
    np.testing.assert_allclose(SHIFTS.divergence(mean, log_sd), expected, rtol=1e-5)
    entropy = normal(
        0.0, UNIFORM_SD * log_sd.exp()
    ).entropy()  # of a phase in periods; a uniform one has none
    np.testing.assert_allclose(PHASES.divergence(mean, log_sd), -entropy, rtol=1e-4, atol=1e-6)


def test_registration_finds_planted_shifts_without_any_network():
    sample = simulate.shifted.cells(400, kinds=("perfect",), random_state=2)
    crops = Crops(sample.data)
    geometry = geometry_of(ShiftVAE(1, shift_scale=0.15), crops)
    start = _register.first_guess(lambda n: torch.from_numpy(crops.take(n)), 400, geometry, 1, random_state=0)
    planted = sample.truth[["shift_x", "shift_y"]].to_numpy()[start.rows]
    apart = geometry.pose(start.latents) - planted
    assert np.sqrt(((apart - np.median(apart, axis=0)) ** 2).sum(axis=1).mean()) < 0.1
    assert start.noise == pytest.approx(0.1, rel=0.1)


def test_an_encoder_of_phases_has_no_seam():
    """At the end of a cell the angle jumps; the two outputs that it is made of do not."""
    mean, other = torch.tensor([[-1e-3], [1e-3]]), torch.tensor([[-1.0], [-1.0]])
    found, log_sd = _networks._posterior(mean, torch.ones(2, 1), other)
    np.testing.assert_allclose(found.ravel().abs() * UNIFORM_SD, 0.5, atol=1e-3)
    assert (log_sd <= 0).all()


def test_blocks_are_blocks():
    rng = np.random.default_rng(0)
    batches = _smooth.blocks_of_grid((9, 13), 4, 5, 40, rng)
    assert batches.shape == (5, 2 * 16)
    rows, columns = np.divmod(batches.reshape(-1, 4, 4), 13)
    assert (np.diff(rows, axis=1) == 1).all()
    assert (np.diff(columns, axis=2) == 1).all()
    assert batches.max() < 9 * 13


def test_noise_has_no_components_and_two_kinds_have_one():
    rng = np.random.default_rng(0)
    crops = rng.normal(0, 1, (400, 10, 12)).astype(np.float32)
    none = np.zeros((400, 0))
    still = Geometry((10, 12), 0, False, (), (0, 0))
    _, components, scores, noise, outstanding = _register._components(crops, none, still, 3)
    assert outstanding == 0
    assert not components.any()
    assert not scores.any()
    assert noise == pytest.approx(1, rel=0.03)
    kind = rng.integers(0, 2, 400)
    crops[kind == 1, 4:6, 4:6] += 3
    _, components, scores, _, outstanding = _register._components(crops, none, still, 3)
    assert outstanding == 1
    assert components.any(axis=(1, 2)).tolist() == [True, False, False]
    assert abs(np.corrcoef(scores[:, 0], kind)[0, 1]) > 0.9
    # A unit of content is half the difference of the kinds, as their scores are +-1.
    np.testing.assert_allclose(np.abs(components[0, 4:6, 4:6]), 1.5, atol=0.3)


def test_least_squares_at_all_shifts_is_that_of_every_shift():
    """With a component, too: against the likelihood with the content integrated out, shift by shift."""
    rng = np.random.default_rng(0)
    frame, component = rng.random((2, *SHIFTS.frame)).astype(np.float32)
    noise = 0.01
    rows, columns, prior = _register._shifts(SHIFTS)
    down, across = SHIFTS.margin
    at = [(2, -1), (0, 3), (-4, 2)]  # x, y
    cut = [slice(down - y, down - y + 10) for _, y in at], [slice(across - x, across - x + 12) for x, _ in at]
    clean = [frame[s, t] + z * component[s, t] for s, t, z in zip(*cut, (1.0, -0.5, 2.0), strict=True)]
    crops = np.stack(clean + rng.normal(0, 0.1, (3, 10, 12))).astype(np.float32)
    pose, _, total = _register._closest(crops, frame, component[None], noise, SHIFTS)
    np.testing.assert_allclose(np.round(pose), at, atol=0.1)
    lowest = 0.0
    for crop in crops:
        costs = []
        for row, column in np.ndindex(prior.shape):
            top, left = down - rows[row], across - columns[column]
            s = slice(top, top + 10), slice(left, left + 12)
            c, r = component[s].ravel().astype(float), (crop - frame[s]).ravel().astype(float)
            covariance = noise * np.eye(120) + np.outer(c, c)
            _, logdet = np.linalg.slogdet(covariance)
            costs.append((r @ np.linalg.solve(covariance, r) + logdet + prior[row, column]) / 2)
        lowest += min(costs)
    # The vertices of the parabolas lie a little below the lowest of the values themselves.
    assert lowest - 3 * 2 < total < lowest + 0.01


def test_a_decoder_begins_with_a_frame_and_its_components():
    decoder = _networks.CanonicalDecoder(SHIFTS, 2, (64, 64))
    frame, *components = torch.rand(3, *SHIFTS.frame)
    generator = torch.Generator().manual_seed(0)
    content = torch.randn(1000, 2, generator=generator)
    pictures = frame + torch.einsum("bk,kyx->byx", content, torch.stack(components))
    decoder.begin_with(content, pictures)
    other = torch.randn(200, 2, generator=generator).clamp(-2, 2)
    expected = frame + torch.einsum("bk,kyx->byx", other, torch.stack(components))
    assert (decoder.frames(other) - expected).abs().mean() < 0.05


def test_an_encoder_begins_with_poses_and_least_squares():
    """Before any training, it knows shifts to half a pixel and the content as well as noise allows."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: SHIFTS.frame[0], : SHIFTS.frame[1]]
    frame = torch.tensor(np.exp(-((x - 11.5) ** 2 + (y - 9.5) ** 2) / 8), dtype=torch.float32)
    component = torch.tensor(np.exp(-((x - 14.5) ** 2 + (y - 11.5) ** 2) / 4), dtype=torch.float32)
    pose, content = rng.normal(0, 1, (600, 2)).astype(np.float32), rng.normal(0, 1, 600).astype(np.float32)
    drawn = frame + torch.tensor(content)[:, None, None] * 0.5 * component
    noise = torch.tensor(rng.normal(0, 0.02, (600, 10, 12))).float()
    crops = SHIFTS.cut(drawn, SHIFTS.pose(torch.tensor(pose))) + noise
    encoder = _networks.AligningEncoder(SHIFTS, 1)
    encoder.refer_to(frame, 0.5 * component[None], 0.02)
    views = torch.tensor(_register._views(frame.numpy(), SHIFTS, rng))
    encoder.begin_with(crops[:500], torch.tensor(pose[:500]), views, 0.02)
    with torch.inference_mode():
        mean, _ = encoder(crops[500:])
    wrong = (mean[:, :2].numpy() - pose[500:]) @ np.array(SHIFTS.scale)
    assert np.median(np.abs(wrong)) < 0.5
    assert np.corrcoef(mean[:, 2], content[500:])[0, 1] > 0.9


def test_information_is_that_of_a_noisy_channel_and_needs_different_means():
    rng = np.random.default_rng(0)
    mean = torch.tensor(rng.normal(0, 0.9, (4000, 1)))
    log_sd = torch.full((4000, 1), np.log(0.3))
    assert float(_smooth.information(mean, log_sd)) == pytest.approx(
        0.5 * np.log(1 + 0.9**2 / 0.3**2), rel=0.03
    )
    assert float(_smooth.information(torch.ones(50, 1), torch.full((50, 1), -3.0))) == pytest.approx(
        0, abs=1e-6
    )


def test_roughness_of_equal_values_has_a_slope():
    maps = torch.zeros(2, 5, 5, 1, requires_grad=True)
    _smooth.roughness(maps, torch.ones(1)).backward()
    assert torch.isfinite(maps.grad).all()


def test_roughness_is_that_of_numpy_and_does_not_see_the_scale():
    maps = np.random.default_rng(0).normal(size=(6, 5, 5, 2)).astype(np.float32)
    z = (maps - maps.mean(axis=(0, 1, 2))) / maps.std(axis=(0, 1, 2))
    expected = [
        (np.diff(z, axis=1) ** 2)[..., k].mean() + (np.diff(z, axis=2) ** 2)[..., k].mean() for k in (0, 1)
    ]
    weight = torch.tensor([3.0, 1.0])
    found = float(_smooth.roughness(torch.tensor(maps), weight))
    assert found == pytest.approx((3 * expected[0] + expected[1]) / 4, rel=0.01)
    assert float(_smooth.roughness(torch.tensor(50 * maps), weight)) == pytest.approx(found, rel=0.01)
