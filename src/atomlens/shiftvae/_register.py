"""A start that does not depend on luck: register the crops, then look at what is left over.

Trained from random weights, encoder and decoder can settle where neither uses the content, since each learns
only from what the other already does. Crops that differ by a movement and a little more can be registered
without any network, by least squares in Fourier space, and the principal components of what registration
leaves over are a first guess of the content.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import fft
from sklearn.decomposition import PCA

from atomlens.shiftvae._geometry import sample_frame

__all__ = ["first_guess"]

_PIXELS = 6_000_000  # of all frames together: what is registered fits into a few hundred megabytes
_MOST = 2000  # crops
_TRIAL = 200  # crops on which several templates are tried
_TEMPLATES = 3
_ITERATIONS = 4
_REACH = 2.5  # standard deviations of the prior
_ANGLES = 13
_PHASE_SLACK = 2  # pixels of the margin beyond half a cell
_TIE = 1e-3
_LEAST_NOISE = 1e-3  # of the range of the data


@dataclass(frozen=True)
class Start:
    """What registration found.

    Parameters
    ----------
    rows : ndarray of int
        Crops that were used.
    latents : ndarray of shape (n, n_pose + n_content)
        In units of the prior.
    frame : ndarray
        Their mean, registered.
    components : ndarray of shape (n_content, ...)
        What is added to it for each unit of content.
    noise : float
        Root mean square of what neither registration nor the principal components explain.
    """

    rows: np.ndarray
    latents: np.ndarray
    frame: np.ndarray
    components: np.ndarray
    noise: float


def first_guess(crops, n_crops, geometry, n_content, *, random_state):
    """Pose and content of some crops, and their mean picture, by registration.

    Parameters
    ----------
    crops : callable
        Numbers of crops -> tensor (n, H, W), scaled.
    n_crops : int
    geometry : Geometry
    n_content : int
    random_state : int

    Returns
    -------
    Start
    """
    rng = np.random.default_rng(random_state)
    few = int(np.clip(_PIXELS // np.prod(geometry.frame), 2 * n_content + 2, _MOST))
    rows = rng.permutation(n_crops)[:few]
    some = crops(rows).cpu().numpy()
    with torch.no_grad():
        pose = np.zeros((len(some), geometry.n_pose))
        if geometry.n_pose:
            pose = _registered(some, geometry, rng)
        frame, residual, covered = _average(some, pose, geometry)
    residual = residual.reshape(len(some), -1)
    pca = PCA(min(n_content, *residual.shape), svd_solver="randomized", random_state=random_state)
    scores = pca.fit_transform(residual)
    left = residual - pca.inverse_transform(scores)
    # Crops put into the frame are interpolated, which leaves two thirds of the variance along each axis.
    kept = (2 / 3) ** (1 if geometry.shape[0] == 1 else 2) if geometry.n_pose else 1.0
    noise = float(np.sqrt((left**2).sum() / max(covered.sum(), 1.0) / kept))
    spread = scores.std(axis=0) + 1e-9
    components = np.zeros((n_content, *geometry.frame), np.float32)
    components[: len(spread)] = (pca.components_ * spread[:, None]).reshape(-1, *geometry.frame)
    scores /= spread
    latents = np.zeros((len(some), geometry.n_pose + n_content), np.float32)
    latents[:, : geometry.n_pose] = geometry.latents(pose)
    latents[:, geometry.n_pose : geometry.n_pose + scores.shape[1]] = scores
    return Start(rows, latents, frame, components, max(noise, _LEAST_NOISE))


def _registered(crops, geometry, rng):
    """Pose of every crop: registered to the mean, or to the crop, to which they can be registered best."""
    trial = _Registration(crops[:_TRIAL], geometry)
    single = rng.permutation(len(trial.crops))[: _TEMPLATES - 1, None]
    first = [trial.crops, *(trial.crops[row] for row in single)]
    frames = [_average(some, np.zeros((len(some), geometry.n_pose)), geometry)[0] for some in first]
    pose, _ = min((trial.run(frame) for frame in frames), key=lambda tried: tried[1])
    return _Registration(crops, geometry).run(_average(trial.crops, pose, geometry)[0])[0]


class _Registration:
    """Crops that are registered to a frame: least squares at all shifts at once, in Fourier space."""

    def __init__(self, crops, geometry):
        self.crops, self.geometry = crops, geometry
        self.size = tuple(fft.next_fast_len(n, real=True) for n in geometry.frame)
        self.transforms = fft.rfft2(crops, self.size).conj()
        self.ones = fft.rfft2(np.ones(crops.shape[1:], np.float32), self.size).conj()
        self.rows, self.columns, self.prior = _shifts(geometry)

    def run(self, frame):
        """Pose of every crop, and the sum of squares that is left, for a mean that improves by and by."""
        for n in range(_ITERATIONS):
            pose, cost = self.closest(frame)
            if not self.geometry.n_phases:
                # Where the frame has its zero is free: the middle of all leaves most room on either side.
                pose -= np.median(pose, axis=0)
            if n < _ITERATIONS - 1:
                frame = _average(self.crops, pose, self.geometry)[0]
        return pose, cost

    def closest(self, frame):
        """The most probable pose of each crop in a frame."""
        geometry, n = self.geometry, len(self.crops)
        (height, width), (down, across) = frame.shape, geometry.margin
        middle = frame[down : height - down, across : width - across]
        noise = np.mean((self.crops - middle) ** 2) + 1e-9
        best, pose = np.full(n, np.inf), np.zeros((n, geometry.n_pose))
        turn = geometry.scale[-1][-1] if geometry.rotates else 1.0
        angles = np.linspace(-_REACH, _REACH, _ANGLES) * turn if geometry.rotates else [0.0]
        # crop(x) = frame(x - shift): a shift by k looks at the frame from margin - k on
        at = np.ix_(down - self.rows, across - self.columns)
        for angle in angles:
            turned = np.float32(_turned(frame, angle) if angle else frame)
            product = fft.irfft2(self.transforms * fft.rfft2(turned, self.size), self.size)
            squares = fft.irfft2(self.ones * fft.rfft2(turned**2, self.size), self.size)
            cost = (squares[at] - 2 * product[:, at[0], at[1]]) / (2 * noise) + self.prior / 2
            cost += (angle / turn) ** 2 / 2
            lowest, shift = _lowest(cost)
            shift += self.columns[0], self.rows[0]
            better = lowest < best
            best[better] = lowest[better]
            pose[better, : geometry.axes] = shift[better, : geometry.axes]
            if geometry.rotates:
                pose[better, -1] = angle
        return pose, float(best.sum() * noise)


def _shifts(geometry):
    """Shifts to be tried, down and across, in pixels, and minus the logarithm of their prior."""
    axes = geometry.axes
    reach, weight = [0, 0], np.zeros((2, 2))
    if geometry.n_phases:
        reach = [margin - _PHASE_SLACK for margin in geometry.margin]
        # All equivalent shifts are as good: that of them which is the shortest keeps crops in the frame.
        weight = np.eye(2) * _TIE
    elif axes:
        scale = np.diag(geometry.scale)[:axes]
        reach[2 - axes :] = np.ceil(_REACH * scale[::-1]).astype(int)
        weight[:axes, :axes] = geometry.precision()[:axes, :axes]
    rows, columns = (np.arange(-r, r + 1) for r in reach)
    x, y = np.meshgrid(columns, rows)
    return rows, columns, weight[0, 0] * x**2 + weight[1, 1] * y**2


def _lowest(cost):
    """Lowest value of each map, and where, as (x, y), to a fraction of a step by a parabola."""
    n, height, width = cost.shape
    row, column = np.unravel_index(cost.reshape(n, -1).argmin(axis=1), (height, width))
    every = np.arange(n)
    lowest = cost[every, row, column]

    def fraction(index, count, before, after):
        inner = (index > 0) & (index < count - 1)
        bend = before + after - 2 * lowest
        return np.where(inner & (bend > 0), 0.5 * (before - after) / np.where(bend > 0, bend, 1.0), 0.0)

    y = fraction(row, height, cost[every, row - 1, column], cost[every, (row + 1) % height, column])
    x = fraction(column, width, cost[every, row, column - 1], cost[every, row, (column + 1) % width])
    return lowest, np.stack([column + x, row + y], axis=1)


def _turned(frame, angle):
    """Return the frame, turned about its centre as the pose of a crop says."""
    height, width = frame.shape
    y, x = np.mgrid[:height, :width] - np.array([height - 1, width - 1])[:, None, None] / 2
    there = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    there = [torch.as_tensor(axis, dtype=torch.float32)[None] for axis in there]
    picture = torch.as_tensor(frame, dtype=torch.float32)[None, None]
    return sample_frame(picture, *there)[0, 0].numpy()


def _average(crops, pose, geometry):
    """Mean of the crops in the frame, what each differs from it by, and where it was seen."""
    x, y = geometry.moved_back(torch.as_tensor(pose, dtype=torch.float32))
    seen = geometry.seen(x, y).expand(len(crops), *geometry.frame).numpy()
    placed = sample_frame(torch.from_numpy(crops)[:, None], x, y, beyond="zeros")[:, 0].numpy()
    total, count = placed.sum(axis=0), seen.sum(axis=0)
    frame = (total + total.sum() / count.sum()) / (count + 1)
    return frame, placed - frame * seen, seen
