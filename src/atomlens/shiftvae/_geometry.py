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

# Standard deviation of a normal distribution with the entropy of a uniform one over a period.
UNIFORM_SD = 1 / math.sqrt(2 * math.pi * math.e)
_TRUSTED = (1.0, 0.1)  # pixels, radians


# Small, but made anew in every step they cost as much as the networks.
@cache
def _patterns(shape, half, device):
    """Coordinates of pixels, in units of `half` (down, across), for each part of a movement.

    Returns
    -------
    tensor of shape (4, H * W * 2)
        x and y, pixel after pixel: as they are; turned back by a right angle; 1 for x; and 1 for y.
    """
    height, width = shape
    with torch.inference_mode(False):  # whoever asks first: what is kept is used in training, too
        y, x = torch.meshgrid(*(torch.arange(n) - (n - 1) / 2 for n in (height, width)), indexing="ij")
        one, none = torch.ones_like(x), torch.zeros_like(x)
        rows = [torch.stack(pair, dim=-1) for pair in ((x, y), (y, -x), (one, none), (none, one))]
        scaled = torch.stack(rows) / torch.tensor([half[1], half[0]])
        return scaled.reshape(4, -1).to(device)


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

    @property
    def trusted(self):
        """Steps of least squares are not trusted beyond: one number for each part of the pose."""
        return [_TRUSTED[0]] * self.axes + [_TRUSTED[1]] * self.rotates

    def coordinates(self, pose, shape=None, *, half=(1.0, 1.0), back=False):
        """Where the pixels of a crop lie in the frame, from its centre.

        Parameters
        ----------
        pose : tensor of shape (B, n_pose)
        shape : tuple of int, optional
            Of the pixels: the crop's, if not given.
        half : tuple of float
            Units (down, across), in pixels.
        back : bool
            Where the pixels of the *frame* lie in the crop, instead.

        Returns
        -------
        tensor of shape (B, H, W, 2)
            x, y.
        """
        shape = shape or (self.frame if back else self.shape)
        patterns = _patterns(shape, half, pose.device)
        shift = pose[:, : self.axes]
        if not self.rotates:
            flat = torch.addmm(patterns[0], shift, patterns[2 : 2 + self.axes], alpha=1 if back else -1)
        else:
            cos, sin = pose[:, -1:].cos(), pose[:, -1:].sin()
            if back:
                parts = [cos, -sin, shift]
            else:
                x, y = shift.split(1, dim=1) if self.axes else (0, 0)
                parts = [cos, sin, *[-x * cos - y * sin, x * sin - y * cos][: self.axes]]
            flat = torch.cat(parts, dim=1) @ patterns[: 2 + self.axes]
        return flat.view(len(pose), *shape, 2)

    def cut(self, frames, pose, shape=None):
        """Crops (B, H, W) that are seen in frames (B, H + margins, W + margins) at these poses."""
        places = self.coordinates(pose, shape, half=_half(frames.shape[1:]))
        return _sampled(frames, places, beyond="border")

    def put(self, crops, pose):
        """Put crops where they belong in the frame: the inverse of `cut`.

        Returns
        -------
        placed : tensor of shape (B, H + margins, W + margins)
            0 where a crop did not look.
        seen : tensor of the same shape
            Share of each pixel that was seen.
        """
        half = _half(self.shape)
        places = self.coordinates(pose, half=half, back=True)
        # Without rotation each column has its x, and each row its y.
        along_x, along_y = (
            (places[..., 0], places[..., 1]) if self.rotates else (places[:, :1, :, 0], places[:, :, :1, 1])
        )
        within_y, within_x = (
            ((n + 1) / 2 - along.abs() * unit).clamp(0, 1)
            for n, along, unit in zip(self.shape, (along_y, along_x), half, strict=True)
        )
        return _sampled(crops, places, beyond="zeros"), within_x * within_y

    def slopes(self, picture):
        """How a frame changes with each part of the pose: tensor of shape (n_pose, pixels of the frame)."""
        along_y, along_x = (
            torch.gradient(picture, dim=d)[0] if picture.shape[d] > 1 else 0 * picture for d in (0, 1)
        )
        slopes = [-along_x, -along_y][: self.axes]
        if self.rotates:
            x, y = _patterns(self.frame, (1.0, 1.0), picture.device)[0].view(*self.frame, 2).unbind(dim=-1)
            slopes.append(y * along_x - x * along_y)
        return torch.stack(slopes).flatten(1)


def explained(left, seen, changes, products, ridge):
    """Least squares: how much of each change explains best what is left of crops, where it was seen.

    Parameters
    ----------
    left, seen : tensor of shape (B, pixels)
        0 where a crop did not look; and where it did.
    changes : tensor of shape (n, pixels)
    products : tensor of shape (n * n, pixels)
        Of each change with each.
    ridge : tensor of shape (n, n)
        Added to the normal matrix: the precision of the prior, in units of that of the noise.

    Returns
    -------
    found : tensor of shape (B, n)
    covariance : tensor of shape (B, n, n)
        In units of the variance of the noise.
    """
    n = len(changes)
    covariance = torch.linalg.inv((seen @ products.T).view(-1, n, n) + ridge)
    return (covariance @ (left @ changes.T)[..., None])[..., 0], covariance


def _half(shape):
    """Distance of the last pixel from the centre, down and across, in pixels."""
    return tuple(max((n - 1) / 2, 0.5) for n in shape)


def _sampled(pictures, places, *, beyond):
    """Pictures (B, H, W) at places in half-widths, by linear interpolation; differentiable."""
    return functional.grid_sample(pictures[:, None], places, padding_mode=beyond, align_corners=True)[:, 0]
