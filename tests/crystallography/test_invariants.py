"""Descriptors stay the same under rotations, and tell apart what is not a rotation."""

import numpy as np
import pytest

from atomlens.crystallography import patch_invariants, rotation_invariants
from atomlens.lattice import neighbour_vectors
from atomlens.simulate import structures

STAR = 20 * np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
OUTER = 20 * np.array([[1.0, 1], [-1, 1], [-1, -1], [1, -1]])


def turned(vectors, angle, shift):
    """Rotate neighbourhoods, and put the neighbours of each ring of `shift[1]` back into their order."""
    cosine, sine = np.cos(angle), np.sin(angle)
    rotated = vectors @ np.array([[cosine, sine], [-sine, cosine]])
    step, ring = shift
    rings = rotated.reshape(len(vectors), -1, ring, 2)
    return np.roll(rings, step, axis=2).reshape(vectors.shape)


@pytest.mark.parametrize(
    ("n_fold", "rings"), [(4, [STAR]), (4, [STAR, OUTER]), (2, [STAR]), (3, None), (6, None)]
)
def test_planted_rotations_change_nothing(n_fold, rings):
    if rings is None:
        angle = 2 * np.pi * np.arange(n_fold) / n_fold
        rings = [20 * np.column_stack([np.cos(angle), np.sin(angle)])]
    star = np.concatenate(rings)
    ring = len(rings[0])
    noise = np.random.default_rng(0).normal(0, 1, (300, *star.shape))
    vectors = star + np.concatenate([noise - noise.mean(axis=0), np.zeros((301, *star.shape))])
    first = rotation_invariants(vectors, n_fold)[:300]
    assert first.dtype == np.float32
    assert first.shape == (300, len(star))
    for step in range(n_fold):
        again = vectors.copy()
        again[:300] = turned(vectors[:300], 2 * np.pi * step / n_fold, (step * ring // n_fold, ring))
        np.testing.assert_allclose(rotation_invariants(again, n_fold)[:300], first, atol=2e-5)
    # Other neighbourhoods have other descriptors: no two of these are rotations of one another.
    gap = np.linalg.norm(first[:, None] - first, axis=2) + 1e9 * np.eye(300)
    assert gap.min() > 1e-2


def test_what_the_numbers_mean():
    displaced, stretched = STAR - [3.0, 4.0], STAR * [1.1, 0.9]
    found = rotation_invariants([STAR, displaced, stretched, STAR * 1.05, *[STAR] * 5])[:4]
    np.testing.assert_allclose(found[:, 0], [20, 20, 20, 21], atol=1e-5)
    np.testing.assert_allclose(found[1], [20, 5, 0, 0], atol=1e-5)  # m = 1: displacement of the centre
    np.testing.assert_allclose(found[2, 1:], [0, 2, 0], atol=1e-5)  # m = 2: the two axes differ


def test_edges_are_alike_on_all_sides_and_differ_from_the_bulk():
    y, x = np.mgrid[:12, :12].reshape(2, -1) * 20.0
    hoods = neighbour_vectors(np.column_stack([x, y]), n_neighbors=4)
    found = rotation_invariants(hoods)
    missing = np.isnan(hoods.vectors[:, :, 0]).sum(axis=1)
    assert np.bincount(missing).tolist() == [100, 40, 4]
    for count in range(3):
        assert np.ptp(found[missing == count], axis=0).max() < 1e-5
    bulk, edge, corner = (found[missing == count][0] for count in range(3))
    assert min(np.linalg.norm(bulk - edge), np.linalg.norm(edge - corner)) > 3


def test_two_sites_of_a_honeycomb_are_alike_and_molybdenum_is_not_carbon():
    def neighbourhoods(structure, **which):
        columns = structure.columns
        inside = columns.x_nm.between(0, 3) & columns.y_nm.between(0, 3)
        columns = columns[inside].reset_index(drop=True)
        return neighbour_vectors(columns.assign(x=columns.x_nm / 0.02, y=columns.y_nm / 0.02), **which)

    carbon = neighbourhoods(structures.graphene((3.0, 3.0)), n_neighbors=3)
    found = rotation_invariants(carbon, 6)[carbon.complete]
    assert set(carbon.kind) >= {0, 1}
    assert np.ptp(found, axis=0).max() < 1e-4
    molybdenum = neighbourhoods(
        structures.transition_metal_dichalcogenide(size=(3.0, 3.0)), n_neighbors=3, center=0, neighbors=1
    )
    other = rotation_invariants(molybdenum, 3)[molybdenum.complete]
    assert abs(other[:, 0].mean() - rotation_invariants(carbon, 3)[carbon.complete][:, 0].mean()) > 1


def test_centres_without_a_place_or_neighbours_are_missing():
    found = rotation_invariants([STAR, np.full((4, 2), np.nan), STAR])
    assert np.isnan(found).all(axis=1).tolist() == [False, True, False]


def spots(angle, heights, size=33, radius=9.0, width=2.0):
    """A column and its neighbours of these heights, the constellation turned by an angle."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    image = np.exp(-(x**2 + y**2) / (2 * width**2))
    for n, height in enumerate(heights):
        at = angle + 2 * np.pi * n / len(heights)
        away = (x - radius * np.cos(at)) ** 2 + (y - radius * np.sin(at)) ** 2
        image += height * np.exp(-away / (2 * width**2))
    return image


@pytest.mark.parametrize("shape", [(24, 24), (25, 25), (20, 31)])
def test_quarter_turns_of_sub_images_change_nothing(shape):
    patches = np.random.default_rng(0).normal(size=(5, *shape))
    first = patch_invariants(patches)
    assert first.dtype == np.float32
    assert first.shape == (5, int(np.ceil((min(shape) - 1) / 2)) * 17)
    for turns in (1, 2, 3):
        again = patch_invariants(np.rot90(patches, turns, axes=(1, 2)))
        np.testing.assert_allclose(again, first, atol=1e-6)
    assert np.linalg.norm(first[0] - first[1]) > 0.1


def test_sub_images_of_sites_are_told_apart_at_any_angle():
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 20)
    kinds = {
        "graphene": [1, 1, 1],
        "MoS2": [0.4, 0.4, 0.4],
        "edge": [1, 1, 0],
        "hexagonal": [1] * 6,
        "substituted": [1, 1, 1.6],
    }
    means, spread = [], []
    for heights in kinds.values():
        found = patch_invariants([spots(angle, heights) for angle in angles])
        means.append(found.mean(axis=0))
        spread.append(np.linalg.norm(found - means[-1], axis=1).max())
    apart = np.linalg.norm(np.array(means)[:, None] - means, axis=2)[np.triu_indices(len(kinds), 1)]
    assert apart.min() > 8 * max(spread)


def test_harmonics_of_a_ring():
    """A three-fold ring has the mean and every third harmonic, as a Fourier series of the angle says."""
    y, x = np.mgrid[:41, :41] - 20.0
    pattern = 2 + np.cos(3 * np.arctan2(y, x) + 0.7)
    rings = patch_invariants(pattern[None], n_angles=36, n_radii=10).reshape(10, -1)
    np.testing.assert_allclose(rings[4:, 0], 2, atol=0.02)
    np.testing.assert_allclose(rings[4:, 3], 0.5, atol=0.02)
    assert np.delete(rings[4:], [0, 3], axis=1).max() < 0.02


CALLS = {
    "n_fold": (lambda: rotation_invariants(STAR[None], 5), "n_fold must be one of 1, 2, 3, 4, 6"),
    "shape": (lambda: rotation_invariants(STAR), r"shape \(N, k, 2\)"),
    "lattice": (lambda: rotation_invariants([STAR * [1, 2]] * 3), "no symmetry 4"),
    "part of a sphere": (lambda: rotation_invariants([STAR[:3]] * 3), "neighbours onto one another"),
    "one image": (lambda: patch_invariants(np.zeros((9, 9))), r"shape \(N, h, w\)"),
    "small": (lambda: patch_invariants(np.zeros((4, 2, 9))), "at least 3 x 3"),
    "n_angles": (lambda: patch_invariants(np.zeros((4, 9, 9)), n_angles=2), "n_angles must be"),
    "n_radii": (lambda: patch_invariants(np.zeros((4, 9, 9)), n_radii=0.5), "n_radii must be"),
}


@pytest.mark.parametrize(("call", "message"), CALLS.values(), ids=CALLS)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
