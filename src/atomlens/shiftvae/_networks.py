"""The networks: an encoder, and two decoders that know where the crop lies."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn

from atomlens.shiftvae._geometry import UNIFORM_SD, sample_frame

__all__ = ["CanonicalDecoder", "build"]

_ENCODER = (128, 128)  # units of its layers
_FARTHEST = (1.0, 0.1)  # pixels, radians: a step of least squares is not trusted beyond
_CONTENT_ENCODER = (64, 64)
_BENDS = 8.0  # of the first layer, per half-width of the window


class Encoder(nn.Module):
    """Crop -> mean and log standard deviation of every latent, in units of the prior: one perceptron."""

    def __init__(self, geometry, n_content):
        super().__init__()
        n_latents = geometry.n_pose + n_content
        self.sizes = [n_latents, n_latents, geometry.n_phases]
        self.layers = _perceptron(math.prod(geometry.shape), _ENCODER, sum(self.sizes))

    def forward(self, crops, pose=None):
        return _posterior(*self.layers(crops.flatten(1)).split(self.sizes, dim=1))


class AligningEncoder(nn.Module):
    """First the pose of a crop; then its content, from the crop put where it belongs in the frame.

    Seen from the frame, a vacancy is always in the same place, and the reference takes away what all crops
    share; one perceptron would have to learn the content anew for every shift. What is left of a movement,
    since the pose is never exact, is taken away too: content would otherwise serve to correct the pose.

    Parameters
    ----------
    geometry : Geometry
    n_content : int

    Attributes
    ----------
    reference : tensor of shape (H + margins, W + margins)
        Mean picture, from registration.
    slopes : tensor of shape (n_pose, pixels of the frame)
        How it changes with each part of the pose.
    """

    def __init__(self, geometry, n_content):
        super().__init__()
        self.geometry = geometry
        self.sizes = [geometry.n_pose, geometry.n_pose, geometry.n_phases]
        self.of_pose = _perceptron(math.prod(geometry.shape), _ENCODER, sum(self.sizes))
        self.of_content = _perceptron(math.prod(geometry.frame), _CONTENT_ENCODER, 2 * n_content)
        self.register_buffer("reference", torch.zeros(geometry.frame))
        self.gain = nn.Parameter(torch.ones(geometry.n_pose))
        limit = [_FARTHEST[0]] * geometry.axes + [_FARTHEST[1]] * geometry.rotates
        self.register_buffer("limit", torch.tensor(limit), persistent=False)
        self.register_buffer("ridge", 1e-6 * torch.eye(geometry.n_pose), persistent=False)
        per_pose = torch.linalg.inv(torch.tensor(geometry.scale))
        self.register_buffer("per_pose", per_pose, persistent=False)
        self.register_buffer("slopes", torch.zeros(geometry.n_pose, math.prod(geometry.frame)))
        self.register_buffer("products", torch.zeros(geometry.n_pose**2, math.prod(geometry.frame)))

    def forward(self, crops, pose=None):
        """Encode crops (B, H, W), whose pose may be known (pixels, radians)."""
        mean, log_sd = _posterior(*self.of_pose(crops.flatten(1)).split(self.sizes, dim=1))
        with torch.no_grad():
            known = self.geometry.pose(mean) if pose is None else pose
            placed, move = self._left_over(crops, known)
        if pose is None:
            mean = mean + self.gain * (move @ self.per_pose)
        content = self.of_content(placed).chunk(2, dim=1)
        return tuple(torch.cat(parts, dim=1) for parts in zip((mean, log_sd), content, strict=True))

    def refer_to(self, picture):
        """Take a mean picture as reference, tensor of shape (H + margins, W + margins)."""
        self.reference.copy_(picture)
        self.slopes.copy_(self.geometry.slopes(picture))
        self.products.copy_((self.slopes[:, None] * self.slopes).flatten(0, 1))

    def _left_over(self, crops, pose):
        """Crops in the frame without the reference, and without what a small movement of it would explain."""
        x, y = self.geometry.moved_back(pose)
        seen = self.geometry.seen(x, y).expand(len(crops), *self.geometry.frame).flatten(1)
        placed = sample_frame(crops[:, None], x, y, beyond="zeros").flatten(1)
        left = placed - seen * self.reference.ravel()
        n = len(self.slopes)
        normal = (seen @ self.products.T).view(-1, n, n) + self.ridge
        move = torch.linalg.solve(normal, left @ self.slopes.T)
        return left - seen * (move @ self.slopes), move.clamp(-self.limit, self.limit)


def _posterior(mean, log_sd, other):
    """Means and log standard deviations of latents of which the first are phases.

    The mean of a phase is the angle of two outputs: a network is continuous, and a single output would have
    to jump where one cell ends and the next begins.
    """
    n = other.shape[1]
    if n:
        phase = torch.atan2(mean[:, :n], other) / (2 * math.pi * UNIFORM_SD)
        mean = torch.cat([phase, mean[:, n:]], dim=1)
        log_sd = torch.cat([log_sd[:, :n].clamp(max=0.0), log_sd[:, n:]], dim=1)
    # Beyond e^-7 of the prior nothing is gained, and e^log_sd could overflow in a run that goes astray.
    return mean, log_sd.clamp(-7.0, 3.0)


class CanonicalDecoder(nn.Module):
    """Content -> one frame, larger than the crop by a margin; the crop is sampled in it where the pose says.

    A movement of the crop costs no network: the frame is decoded once, whatever the number of its pixels.
    """

    def __init__(self, geometry, n_content, hidden):
        super().__init__()
        self.geometry = geometry
        height, width = geometry.frame
        self.layers = _perceptron(n_content, hidden, height * width)

    def frames(self, content):
        """Frames of shape (B, H + margins, W + margins)."""
        return self.layers(content).view(-1, *self.geometry.frame)

    def drawer(self, content):
        """Pose -> crops (B, H, W), for contents that stay: their frames are decoded once."""
        frames = self.frames(content)
        if not self.geometry.n_pose:
            return lambda pose: frames
        return lambda pose: sample_frame(frames[:, None], *self.geometry.places(pose))[:, 0]

    def forward(self, content, pose):
        return self.drawer(content)(pose)


class CoordinateDecoder(nn.Module):
    """Content and a coordinate -> one pixel: tanh(W_x x' + W_z z), two layers, as in the paper.

    The network runs once for each pixel of each crop, at coordinates moved by the pose.
    """

    def __init__(self, geometry, n_content, hidden):
        super().__init__()
        self.geometry = geometry
        self.axes = 1 if geometry.shape[0] == 1 else 2
        self.half = max((max(geometry.shape) - 1) / 2, 1.0)
        self.of_place = nn.Linear(self.axes, hidden[0])
        self.of_content = nn.Linear(n_content, hidden[0], bias=False)
        # As torch makes them, these weights bend once over the whole window, and no lattice is ever learnt.
        nn.init.normal_(self.of_place.weight, std=_BENDS)
        nn.init.uniform_(self.of_place.bias, -_BENDS, _BENDS)
        self.layers = nn.Sequential(nn.Tanh(), *_perceptron(hidden[0], hidden[1:], 1))

    def frames(self, content):
        """Frames of shape (B, H + margins, W + margins)."""
        still = content.new_zeros(len(content), self.geometry.n_pose)
        return self._draw(self.of_content(content), still, self.geometry.frame)

    def drawer(self, content):
        """Pose -> crops (B, H, W)."""
        hidden = self.of_content(content)
        return lambda pose: self._draw(hidden, pose, self.geometry.shape)

    def forward(self, content, pose):
        return self.drawer(content)(pose)

    def _draw(self, hidden, pose, shape):
        places = torch.broadcast_tensors(*self.geometry.places(pose, shape))
        places = torch.stack(places[: self.axes], dim=-1) / self.half
        return self.layers(self.of_place(places) + hidden[:, None, None])[..., 0]


def _perceptron(n_in, hidden, n_out):
    """Linear layers with tanh between them."""
    sizes = [n_in, *hidden, n_out]
    layers = [layer for a, b in pairwise(sizes[:-1]) for layer in (nn.Linear(a, b), nn.Tanh())]
    return nn.Sequential(*layers, nn.Linear(*sizes[-2:]))


_DECODERS = {"canonical": CanonicalDecoder, "coordinate": CoordinateDecoder}


def build(geometry, n_content, *, decoder, units, random_state):
    """Encoder and decoder, as one module of two; weights depend on the seed alone."""
    from atomlens._torch import keep_random_state

    with keep_random_state():
        torch.manual_seed(random_state)
        aligning = decoder == "canonical" and geometry.n_pose
        return nn.ModuleDict(
            {
                "encoder": (AligningEncoder if aligning else Encoder)(geometry, n_content),
                "decoder": _DECODERS[decoder](geometry, n_content, (units, units)),
            }
        )
