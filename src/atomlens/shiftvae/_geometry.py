"""Where a crop lies in the frame that all crops share.

A *pose* has shape (B, n): the shift in pixels (x, y; only x for signals), then the rotation in radians, of
which an invariance may lack either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch.nn import functional

__all__ = ["UNIFORM_SD", "Geometry", "sample_frame"]

# Standard deviation of a normal distribution with the entropy of a uniform one over a period.
UNIFORM_SD = 1 / math.sqrt(2 * math.pi * math.e)


# Small, but made anew in every step they cost as much as the networks.
@cache
def _from_centre(shape, device):
    """Rows (H, 1) and columns (1, W) of a picture, from its centre, in pixels."""
    height, width = shape
    with torch.inference_mode(False):  # whoever asks first: what is kept is used in training, too
        y = torch.arange(height, device=device)[:, None] - (height - 1) / 2
        return y, torch.arange(width, device=device)[None, :] - (width - 1) / 2


@cache
def _matrix(rows, device):
    with torch.inference_mode(False):
        return torch.tensor(rows, dtype=torch.float32, device=device)


@dataclass(frozen=True)
class Geometry:
    """Sizes of crop and frame, and which movements there are.

    Parameters
    ----------
    shape : tuple of int
        (H, W) of a crop; (1, L) for signals.
    axes : int
        Axes along which crops are shifted: 0, 1 (signals) or 2.
    rotates : bool
    scale : tuple of tuple of float, shape (n_pose, n_pose)
        Pose of each unit of a latent: pixels, and radians for the rotation.
    margin : tuple of int
        Pixels by which the frame is larger than the crop, on each side: down, across.
    n_phases : int
        Shifts that are phases on a lattice, uniform in its cell: all of them, or none.
    """

    shape: tuple
    axes: int
    rotates: bool
    scale: tuple
    margin: tuple
    n_phases: int = 0

    @property
    def n_pose(self):
        """Numbers in a pose."""
        return self.axes + self.rotates

    @property
    def frame(self):
        """(height, width) of the frame."""
        return tuple(n + 2 * m for n, m in zip(self.shape, self.margin, strict=True))

    def pose(self, latents):
        """Pose (pixels, radians) of the first latents, of a tensor or an array of shape (B, n)."""
        first = latents[:, : self.n_pose]
        if not self.n_pose:
            return first
        if isinstance(latents, np.ndarray):
            return first @ np.array(self.scale, latents.dtype)
        return first @ _matrix(self.scale, latents.device)

    def latents(self, pose):
        """Latents of poses, ndarray (N, n_pose): the inverse of `pose`, within one cell of the lattice."""
        if not self.n_pose:
            return pose
        found = pose @ np.linalg.inv(self.scale)
        turns = found[:, : self.n_phases] * UNIFORM_SD
        found[:, : self.n_phases] = (turns - np.rint(turns)) / UNIFORM_SD
        return found

    def precision(self):
        """Inverse covariance of the prior of the pose: none for phases, which have no preferred value."""
        inverse = np.linalg.inv(np.array(self.scale).reshape(self.n_pose, self.n_pose))
        return inverse[:, self.n_phases :] @ inverse[:, self.n_phases :].T

    def distance(self, mean, target):
        """Mean squared difference of latents; of phases, along the shorter way round."""
        apart = mean - target
        turn = 2 * math.pi * UNIFORM_SD
        around = 2 * (1 - (turn * apart[:, : self.n_phases]).cos()) / turn**2
        return torch.cat([around, apart[:, self.n_phases :] ** 2], dim=1).mean()

    def divergence(self, mean, log_sd):
        """Kullback-Leibler divergence of each latent from its prior, in nats: shape (B, latents).

        The prior is N(0, 1), or uniform in the cell for phases; of these the unit is so chosen that the
        divergence is minus the logarithm of the standard deviation, as long as it is well below a period.
        """
        kl = 0.5 * (mean**2 + (2 * log_sd).exp() - 1) - log_sd
        return torch.cat([-log_sd[:, : self.n_phases], kl[:, self.n_phases :]], dim=1)

    def _shift(self, pose):
        """Shift along x and y, shape (B, 2, 1, 1)."""
        return functional.pad(pose[:, : self.axes], (0, 2 - self.axes))[:, :, None, None]

    def places(self, pose, shape=None):
        """Where the pixels of a crop lie in the frame, from its centre: x, y that broadcast to (B, H, W)."""
        y, x = _from_centre(shape or self.shape, pose.device)
        shift = self._shift(pose)
        x, y = x - shift[:, 0], y - shift[:, 1]
        if self.rotates:
            angle = pose[:, -1, None, None]
            x, y = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
        return x, y

    def moved_back(self, pose):
        """Where in the crop the pixels of the frame lie: the inverse of `places`, on the frame's grid."""
        y, x = _from_centre(self.frame, pose.device)
        if self.rotates:
            angle = pose[:, -1, None, None]
            x, y = x * angle.cos() - y * angle.sin(), y * angle.cos() + x * angle.sin()
        shift = self._shift(pose)
        return x + shift[:, 0], y + shift[:, 1]

    def slopes(self, picture):
        """How a frame changes with each part of the pose: tensor of shape (n_pose, pixels of the frame)."""
        along_y, along_x = (
            torch.gradient(picture, dim=d)[0] if picture.shape[d] > 1 else 0 * picture for d in (0, 1)
        )
        slopes = [-along_x, -along_y][: self.axes]
        if self.rotates:
            y, x = _from_centre(self.frame, picture.device)
            slopes.append(y * along_x - x * along_y)
        return torch.stack(slopes).flatten(1)

    def seen(self, x, y):
        """Share of each pixel of the frame that lies in the crop, from `moved_back`: 0 beyond its border."""
        height, width = self.shape
        inside = ((width + 1) / 2 - x.abs()).clamp(0, 1)
        return inside * ((height + 1) / 2 - y.abs()).clamp(0, 1)


def sample_frame(frames, x, y, *, beyond="border"):
    """Pictures (B, C, H, W) at places from their centre, in pixels: linear interpolation, differentiable."""
    height, width = frames.shape[-2:]
    places = x / max((width - 1) / 2, 0.5), y / max((height - 1) / 2, 0.5)
    grid = torch.stack(torch.broadcast_tensors(*places), dim=-1)
    return functional.grid_sample(frames, grid, padding_mode=beyond, align_corners=True)
