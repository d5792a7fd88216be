"""Trained networks with what is needed to use them: geometry, units, likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from atomlens._threads import one_torch_thread
from atomlens.shiftvae._polish import polished
from atomlens.shiftvae._train import reconstruction_loss

_PICTURES = 1024  # decoded together
_DRAWS = 4  # from the posterior of each crop


def device():
    """Where networks run: on a GPU when there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@dataclass
class Core:
    """An encoder and a decoder, for crops in their own units.

    Parameters
    ----------
    networks : ModuleDict
    geometry : Geometry
    n_content : int
    likelihood : {"gaussian", "bernoulli"}
    offset, range : float
        The networks see (crop - offset) / range.
    noise : float
        Standard deviation of the Gaussian likelihood, of scaled crops.
    """

    networks: torch.nn.ModuleDict
    geometry: object
    n_content: int
    likelihood: str
    offset: float
    range: float
    noise: float = 1.0

    @property
    def device(self):
        """Device of the networks."""
        return next(self.networks.parameters()).device

    def source(self, crops):
        """Return a function that gives scaled crops by their numbers, as a tensor (n, H, W)."""

        def take(rows):
            values = crops.take(rows)
            values -= np.float32(self.offset)
            values /= np.float32(self.range)
            return torch.from_numpy(values).to(self.device)

        return take

    def encode(self, crops):
        """Means and standard deviations of all latents, in units of the prior: two arrays (N, latents)."""
        # Made at once: what is kept of each batch would lie between the batches, and keep them from being
        # used again.
        n_latents = self.geometry.n_pose + self.n_content
        means, sds = np.empty((2, len(crops), n_latents), np.float32)
        with torch.inference_mode(), one_torch_thread():
            for some, batch in zip(crops.blocks(), self._batches(crops), strict=True):
                if not bool(torch.isfinite(batch).all()):
                    raise ValueError("some crops hold NaN or infinite values: leave them out, or fill them")
                mean, log_sd = self.networks["encoder"](batch)
                means[some], sds[some] = mean.cpu().numpy(), log_sd.exp().cpu().numpy()
        return means, sds

    def decode(self, pose, content):
        """Crops (N, H, W) of these poses (pixels, radians) and contents, in the units of the data."""
        pictures = []
        with torch.inference_mode(), one_torch_thread():
            for start in range(0, len(content), _PICTURES):
                some = slice(start, start + _PICTURES)
                z, p = (torch.as_tensor(part[some], device=self.device) for part in (content, pose))
                pictures.append(self._link(self.networks["decoder"](z, p)).cpu().numpy())
        return np.concatenate(pictures) * np.float32(self.range) + np.float32(self.offset)

    def poses(self, crops, *, polish):
        """Pose (pixels, radians) of every crop, ndarray of shape (N, n_pose)."""
        mean, _ = self.encode(crops)
        pose, content = self.geometry.pose(mean), mean[:, self.geometry.n_pose :]
        if not polish:
            return pose
        with one_torch_thread():
            for some, batch in zip(crops.blocks(), self._batches(crops), strict=True):
                decoder = self.networks["decoder"]
                pose[some] = polished(decoder, batch, pose[some], content[some], self.noise, self._link)
        return self.geometry.pose(self.geometry.latents(pose))

    def evidence(self, crops, *, random_state):
        """Evidence lower bound, mean over the crops, in nats; of densities in the units of the data."""
        generator = torch.Generator(self.device).manual_seed(random_state)
        total = 0.0
        with torch.inference_mode(), one_torch_thread():
            for batch in self._batches(crops):
                mean, log_sd = self.networks["encoder"](batch)
                total -= float(self.geometry.divergence(mean, log_sd).sum())
                for _ in range(_DRAWS):
                    draw = torch.randn(mean.shape, generator=generator, device=mean.device)
                    latents = mean + log_sd.exp() * draw
                    decoded = self.networks["decoder"](
                        latents[:, self.geometry.n_pose :], self.geometry.pose(latents)
                    )
                    loss = reconstruction_loss(
                        decoded, batch, likelihood=self.likelihood, noise_sd=self.noise
                    )
                    total -= float(loss) * len(batch) / _DRAWS
        return total / len(crops) - math.prod(self.geometry.shape) * math.log(self.range)

    def divergence(self, mean, sd):
        """Mean divergence of each latent from its prior, in nats, of what `encode` returns."""
        parts = torch.from_numpy(mean), torch.from_numpy(np.log(sd))
        return self.geometry.divergence(*parts).mean(dim=0).numpy()

    def _batches(self, crops):
        take = self.source(crops)
        return (take(np.arange(some.start, some.stop)) for some in crops.blocks())

    def _link(self, decoded):
        """Pixels from what the decoder returns, which are logits for the Bernoulli likelihood."""
        return decoded.sigmoid() if self.likelihood == "bernoulli" else decoded
