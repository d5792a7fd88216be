"""Crops and scores for the benchmarks of the shift-VAE, and adapters to its peers, pyroVED and AtomAI."""

import contextlib
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.mixture import GaussianMixture

from atomlens import metrics, simulate
from atomlens._extras import require
from atomlens.columns._atomai import import_atomai, quiet

SIZE, NOISE = 24, 0.1  # of `simulate.shifted.cells`, as it comes
SHIFT_SCALE = 0.15  # the standard deviation of +-3 pixels, in half-widths of the window
BATCH = 100
_HALF_LOG_TWO_PI = np.log(2 * np.pi) / 2


def sample(seed, n=2000):
    """Crops (n, 24, 24) with their truth."""
    return simulate.shifted.cells(n, size=SIZE, noise=NOISE, random_state=seed)


def cells(seed, n=2000):
    """Crops (n, 24, 24), the kind of each as a number, and its shift in pixels (x, y)."""
    drawn = sample(seed, n)
    kinds = pd.factorize(drawn.truth.kind, sort=True)[0]
    return drawn.data.to_numpy(), kinds, drawn.truth[["shift_x", "shift_y"]].to_numpy()


def ari(content, kinds):
    """Adjusted Rand index of three Gaussians, fitted to the content."""
    mixture = GaussianMixture(3, n_init=5, random_state=0)
    return metrics.adjusted_rand_index(mixture.fit_predict(content), kinds)


def shift_error(found, planted):
    """Root mean square over the crops of the length of the error, in pixels, one offset for all taken out."""
    error = found - planted
    error -= error.mean(axis=0)
    return float(np.sqrt((error**2).sum(axis=1).mean()))


class Pyroved:
    """pyroVED's iVAE, trained epoch by epoch.

    Only one at a time: a second one clears the parameters of the first. Its `evaluate` would train, so the
    lower bound is computed here.
    """

    def __init__(self, crops, *, prior=SHIFT_SCALE, units=(64, 64), rate=1e-3, seed=0):
        import_atomai()  # which mends torchvision, that pyroVED needs too
        pyroved = require("pyroved", reason="comparing with pyroVED")
        pyro = require("pyro", reason="comparing with pyroVED")
        self.prior, self.cpu_s, self.epochs = prior, 0.0, 0
        self.model = pyroved.models.iVAE(
            crops.shape[1:],
            latent_dim=2,
            invariances=["t"],
            hidden_dim_d=list(units),
            sampler_d="gaussian",
            seed=seed,
            dx_prior=prior,
            decoder_sig=NOISE,
            device="cpu",
        )
        self._loader = pyroved.utils.init_dataloader(torch.from_numpy(crops), batch_size=BATCH)
        adam = pyro.optim.Adam({"lr": rate})
        self._trainer = pyroved.trainers.SVItrainer(self.model, optimizer=adam, seed=seed, device="cpu")

    def epoch(self):
        """Train for one epoch."""
        begin = time.process_time()
        self._trainer.train(self._loader)
        self.cpu_s += time.process_time() - begin
        self.epochs += 1

    def _encode(self, crops):
        with torch.inference_mode():
            return self.model.encoder_z(torch.from_numpy(crops))

    def transform(self, crops):
        return self._encode(crops)[0][:, 2:].numpy()

    def shifts(self, crops):
        """Pixels, x and y."""
        down, across = self._encode(crops)[0][:, :2].numpy().T
        # The first axis of its grid runs down, the second one to the left.
        return np.stack([across, -down], axis=1) * self.prior * (SIZE - 1) / 2

    def score(self, crops, n_samples=4):
        """Evidence lower bound in nats a crop, as `ShiftVAE.score` has it."""
        generator = torch.Generator().manual_seed(0)
        target = torch.from_numpy(crops)
        mean, sd = self._encode(crops)
        total = -(0.5 * (mean**2 + sd**2 - 1) - sd.log()).sum(dim=1)
        constant = target[0].numel() * (np.log(NOISE) + _HALF_LOG_TWO_PI)
        with torch.inference_mode():
            for _ in range(n_samples):
                latents = mean + sd * torch.randn(mean.shape, generator=generator)
                grid = self.model.grid + (latents[:, :2] * self.prior)[:, None]
                squares = ((self.model.decoder(grid, latents[:, 2:]) - target) ** 2).flatten(1).sum(dim=1)
                total -= (squares / (2 * NOISE**2) + constant) / n_samples
        return float(total.mean())


class StopTraining(Exception):
    """Ends AtomAI's loop from within."""


class Atomai:
    """AtomAI's rVAE, which always turns crops too; its prior of the rotation can only be made narrow.

    It knows no noise but 1, so that crops go in in units of theirs.
    """

    _TURN = 0.02  # radians

    def __init__(self, crops, *, prior=SHIFT_SCALE, units=128, rate=1e-3, seed=0):
        self.prior, self.cpu_s, self.epochs = prior, 0.0, 0
        self._crops, self._rate = crops / np.float32(NOISE), rate
        with quiet():
            self.model = import_atomai().models.rVAE(
                crops.shape[1:], latent_dim=2, numhidden_decoder=units, seed=seed
            )

    def fit(self, epochs, watch):
        """Train; after each epoch `watch()` says whether that is enough."""
        train_epoch = self.model.train_epoch

        def timed():
            begin = time.process_time()
            loss = train_epoch()
            self.cpu_s += time.process_time() - begin
            self.epochs += 1
            if watch():
                raise StopTraining
            return loss

        self.model.train_epoch = timed
        # It writes a file after each epoch.
        with quiet(), tempfile.TemporaryDirectory() as folder, contextlib.suppress(StopTraining):
            self.model.fit(
                self._crops,
                loss="mse",
                training_cycles=epochs,
                batch_size=BATCH,
                translation_prior=self.prior,
                rotation_prior=self._TURN,
                optimizer=lambda parameters: torch.optim.Adam(parameters, lr=self._rate),
                filename=str(Path(folder) / "model"),
            )

    def _encode(self, crops):
        with torch.inference_mode():
            return self.model.encoder_net(torch.from_numpy(crops / np.float32(NOISE)))[0].numpy()

    def transform(self, crops):
        return self._encode(crops)[:, 3:]

    def shifts(self, crops):
        """Pixels, x and y."""
        down, across = self._encode(crops)[:, 1:3].T
        return np.stack([across, -down], axis=1) * self.prior * (SIZE - 1) / 2
