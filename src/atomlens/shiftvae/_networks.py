"""The networks: an encoder, and two decoders that know where the crop lies."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn

from atomlens.shiftvae._geometry import UNIFORM_SD, explained

_ENCODER = (128, 128)  # units of its layers
_CONTENT_ENCODER = (64, 64)
# Beyond e^-7 of the prior nothing is gained, and e^log_sd could overflow in a run that goes astray.
_LOG_SD = (-7.0, 3.0)
_RIDGE = 1e-3  # of the least squares that fit the last of some layers
_FAINT = 0.01
_MIXED = 2.0  # standard deviation of what goes into the second tanh, for inputs of one
_LOOKS = 16  # at a crop, from which the first pose is found
_BENT = 0.25  # standard deviation of what goes into the first tanh, for inputs of one: hardly bent
_BENDS = 8.0  # of the first layer, per half-width of the window


class Encoder(nn.Module):
    """Crop -> mean and log standard deviation of every latent, in units of the prior: one perceptron."""

    def __init__(self, geometry, n_content):
        super().__init__()
        n_latents = geometry.n_pose + n_content
        self.sizes = [n_latents, n_latents, geometry.n_phases]
        self.layers = _perceptron(math.prod(geometry.shape), _ENCODER, sum(self.sizes))

    def forward(self, crops):
        return _posterior(*self.layers(crops.flatten(1)).split(self.sizes, dim=1))


class AligningEncoder(nn.Module):
    """First the pose of a crop; then its content, from the crop put where it belongs in the frame.

    Seen from the frame, a vacancy is always in the same place, and the reference takes away what all crops
    share; one perceptron would have to learn the content anew for every shift. What is left is explained by
    least squares, as a small movement and a little of each component: the best that can be done as long as
    the frame changes in proportion to the content. Perceptrons then learn what is not so simple.

    Parameters
    ----------
    geometry : Geometry
    n_content : int

    Attributes
    ----------
    looks : tensor of shape (16, H * W)
        Principal components of what crops of the reference look like. The first pose is found from these
        alone: found from all the pixels of a large window, one step of training would move it by pixels.
    level : tensor of shape (16,)
        What the mean of these crops looks like.
    reference : tensor of shape (H + margins, W + margins)
        Mean picture, from registration.
    changes : tensor of shape (n_pose + n_content, pixels of the frame)
        How it changes with each part of the pose, and with each content.
    products : tensor of shape ((n_pose + n_content)**2, pixels of the frame)
        Of each of these with each.
    """

    def __init__(self, geometry, n_content):
        super().__init__()
        self.geometry = geometry
        n, n_pixels = geometry.n_pose + n_content, math.prod(geometry.frame)
        self.sizes = [geometry.n_pose, geometry.n_pose, geometry.n_phases]
        self.of_pose = _perceptron(_LOOKS, _ENCODER, sum(self.sizes))
        self.of_content = _perceptron(n_pixels, _CONTENT_ENCODER, 2 * n_content)
        with torch.no_grad():  # least squares come first, but from zero a network would learn too slowly
            self.of_content[-1].weight.mul_(_FAINT)
            self.of_content[-1].bias.zero_()
        self.gain = nn.Parameter(torch.ones(geometry.n_pose))
        self.register_buffer("limit", torch.tensor(geometry.trusted), persistent=False)
        per_pose = torch.linalg.inv(torch.tensor(geometry.scale))
        self.register_buffer("per_pose", per_pose, persistent=False)
        self.register_buffer("looks", torch.zeros(_LOOKS, math.prod(geometry.shape)))
        self.register_buffer("level", torch.zeros(_LOOKS))
        self.register_buffer("reference", torch.zeros(geometry.frame))
        self.register_buffer("changes", torch.zeros(n, n_pixels))
        self.register_buffer("products", torch.zeros(n**2, n_pixels))
        self.register_buffer("ridge", torch.eye(n))

    def forward(self, crops):
        """Encode crops (B, H, W)."""
        mean, log_sd = self.first_pose(crops)
        with torch.no_grad():
            left, move, content, spread = self._explained(crops, self.geometry.pose(mean))
        mean = mean + self.gain * (move @ self.per_pose)
        further, wider = self.of_content(left).chunk(2, dim=1)
        content_log_sd = (spread + wider).clamp(*_LOG_SD)
        return torch.cat([mean, content + further], dim=1), torch.cat([log_sd, content_log_sd], dim=1)

    def first_pose(self, crops):
        """Mean and log standard deviation of the pose, before anything is aligned."""
        return _posterior(*self.of_pose(self._looked_at(crops)).split(self.sizes, dim=1))

    def _looked_at(self, crops):
        return torch.addmm(self.level, crops.flatten(1), self.looks.T, beta=-1)

    def begin_with(self, crops, pose, views, noise):
        """Find at first these poses (latents) of these crops, as far as possible.

        A crop is seen through principal components of the views of the frame, each in units of what is to be
        expected of it in noise of this strength: the component that tells two like columns apart may be a
        weak one. The perceptron stays as it is, but for its last layer, which is fitted by least squares.
        """
        n = self.geometry.n_pose
        with torch.no_grad():
            centre = views.mean(dim=0)
            _, strength, looks = torch.linalg.svd(views - centre, full_matrices=False)
            signal = strength[:_LOOKS] ** 2 / len(views)
            # Of either sign the one that the same crops in other units have, too.
            weight = looks[:_LOOKS].pow(3).sum(dim=1).sign() * signal / (signal + noise**2) ** 1.5
            self.looks[: len(signal)] = looks[:_LOOKS] * weight[:, None]
            self.level.copy_(self.looks @ centre)
            for layer, spread in ((0, _BENT), (2, _MIXED)):
                self.of_pose[layer].weight.mul_(spread / self.of_pose[layer].weight.norm(dim=1).mean())
            phases = 2 * math.pi * UNIFORM_SD * pose[:, : self.geometry.n_phases]
            wanted = torch.cat([phases.sin(), pose[:, self.geometry.n_phases :]], dim=1)
            wanted = torch.cat([wanted, torch.zeros_like(wanted), phases.cos()], dim=1)
            _fit_last(self.of_pose, self._looked_at(crops), wanted)
            error = (self.geometry.distance(self.first_pose(crops)[0], pose)).sqrt()
            self.of_pose[-1].bias[n : 2 * n] = error.log()

    def refer_to(self, picture, components, noise):
        """Take a mean picture as reference, and what content adds to it, in noise of this strength."""
        n = self.geometry.n_pose
        self.reference.copy_(picture)
        self.changes.copy_(torch.cat([self.geometry.slopes(picture), components.flatten(1)]))
        self.ridge.copy_(torch.diag(torch.tensor([1e-6] * n + [noise**2] * len(components))))
        self.products.copy_((self.changes[:, None] * self.changes).flatten(0, 1))

    def _explained(self, crops, pose):
        """What least squares makes of crops at these poses.

        Returns
        -------
        left : tensor of shape (B, pixels of the frame)
            Crops in the frame without the reference, and without what a small movement of it explains.
        move : tensor of shape (B, n_pose)
        content : tensor of shape (B, n_content)
        log_sd : tensor of shape (B, n_content)
            Of the content, if noise were all that hides it.
        """
        placed, seen = (part.flatten(1) for part in self.geometry.put(crops, pose))
        left = torch.addcmul(placed, seen, self.reference.ravel(), value=-1)
        found, covariance = explained(left, seen, self.changes, self.products, self.ridge)
        n_pose = self.geometry.n_pose
        left = torch.addcmul(left, seen, found[:, :n_pose] @ self.changes[:n_pose], value=-1)
        variance = torch.diagonal(covariance, dim1=1, dim2=2)[:, n_pose:] * self.ridge.diagonal()[n_pose:]
        move = found[:, :n_pose].clamp(-self.limit, self.limit)
        return left, move, found[:, n_pose:], 0.5 * variance.clamp(min=1e-8).log()


def _fit_last(layers, given, wanted):
    """Fit the last of some layers by least squares, to give what is wanted (n, outputs)."""
    hidden = layers[:-1](given)
    hidden = torch.cat([hidden, torch.ones_like(hidden[:, :1])], dim=1)
    normal = hidden.T @ hidden / len(hidden)
    normal += _RIDGE * torch.eye(len(normal), device=normal.device)
    fitted = torch.linalg.solve(normal, hidden.T @ wanted / len(hidden))
    layers[-1].weight.copy_(fitted[:-1].T)
    layers[-1].bias.copy_(fitted[-1])


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
    return mean, log_sd.clamp(*_LOG_SD)


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

    def begin_with(self, content, frames):
        """Draw at first these frames (n, H + margins, W + margins) for these contents, as far as possible.

        The first layers stay as they are; the last one is fitted by least squares.
        """
        with torch.no_grad():
            _fit_last(self.layers, content, frames.flatten(1))

    def drawer(self, content):
        """Pose -> crops (B, H, W), for contents that stay: their frames are decoded once."""
        frames = self.frames(content)
        if not self.geometry.n_pose:
            return lambda pose: frames
        return lambda pose: self.geometry.cut(frames, pose)

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
        places = self.geometry.coordinates(pose, shape, half=(self.half, self.half))[..., : self.axes]
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
