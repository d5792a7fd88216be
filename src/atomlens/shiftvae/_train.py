"""The loop that maximises the evidence lower bound."""

from __future__ import annotations

import copy
import math
import time

import numpy as np
import torch
from torch.nn import functional
from tqdm.auto import tqdm

from atomlens.shiftvae._networks import AligningEncoder, CanonicalDecoder
from atomlens.shiftvae._setup import BLOCK, LEAST_NOISE
from atomlens.shiftvae._smooth import blocks_of_grid, information, roughness

_WARM_UP = 30  # steps in which the learning rate rises: the first ones of Adam would throw the start away
_COOLING = 0.4  # of the epochs, in which the learning rate falls to nothing
_LEAST_COOLING = 5  # epochs
_PATIENCE = 5  # epochs
_PER_PIXEL = 1e-4  # nats an epoch: what is less is no improvement
_LEAST_GAIN = 0.02  # nats an epoch
_FLOOR = 1.0  # nats: content that a smooth map may not give up
_FLOOR_WEIGHT = 10.0
_NOISE_MEMORY = 0.95  # of the running mean of squared residuals
_FITTED = 1000  # contents to which the canonical decoder is fitted
_LOGITS = (0.02, 0.98)  # probabilities of which a logit is asked for
_DECODER_STEPS, _PICTURES = 600, 4  # in which the coordinate decoder is taught
_ENCODER_STEPS = 80  # in which the plain encoder is taught
COLUMNS = [
    *("epoch", "loss", "reconstruction", "kl_pose", "kl_content", "penalty"),
    *("noise_sd", "learning_rate", "seconds"),
]
_PARTS = COLUMNS[1:6]
_HALF_LOG_TWO_PI = math.log(2 * math.pi) / 2


def reconstruction_loss(decoded, crops, *, likelihood, noise_sd):
    """Minus the log-likelihood, mean over the crops, in nats."""
    if likelihood == "bernoulli":
        return functional.binary_cross_entropy_with_logits(decoded, crops, reduction="sum") / len(crops)
    squares = functional.mse_loss(decoded, crops, reduction="sum") / len(crops)
    return squares / (2 * noise_sd**2) + crops[0].numel() * (math.log(noise_sd) + _HALF_LOG_TWO_PI)


def prepare(networks, crops, start, model):
    """Teach decoder and encoder what registration found.

    Parameters
    ----------
    networks : ModuleDict
    crops : callable
        Numbers of crops -> tensor.
    start : Start
    model : ShiftVAE
        Its parameters say how to train.
    """
    decoder, encoder = networks["decoder"], networks["encoder"]
    device = next(networks.parameters()).device
    frame, components, latents = (
        torch.as_tensor(part, dtype=torch.float32, device=device)
        for part in (start.frame, start.components, start.latents)
    )
    generator = torch.Generator(device).manual_seed(model.random_state)

    def wanted(content):
        pictures = frame + torch.einsum("bk,kyx->byx", content, components)
        return pictures.clamp(*_LOGITS).logit() if model.likelihood == "bernoulli" else pictures

    if isinstance(decoder, CanonicalDecoder):
        content = torch.randn(_FITTED, len(components), generator=generator, device=device)
        decoder.begin_with(content, wanted(content))
    else:
        optimiser = torch.optim.Adam(decoder.parameters(), lr=model.learning_rate, fused=True)
        for _ in range(_DECODER_STEPS):
            content = torch.randn(_PICTURES, len(components), generator=generator, device=device)
            _descend(optimiser, functional.mse_loss(decoder.frames(content), wanted(content)))
    if isinstance(encoder, AligningEncoder):
        encoder.refer_to(frame, components, start.noise)
        pose = latents[:, : decoder.geometry.n_pose]
        views = torch.as_tensor(start.views, device=device)
        encoder.begin_with(crops(start.rows), pose, views, start.noise)
        return
    optimiser = torch.optim.Adam(encoder.parameters(), lr=model.learning_rate, fused=True)
    rng = np.random.default_rng(model.random_state)
    for _ in range(_ENCODER_STEPS):
        some = rng.integers(0, len(start.rows), model.batch_size)
        mean, _ = encoder(crops(start.rows[some]))
        _descend(optimiser, decoder.geometry.distance(mean, latents[some]))


def _descend(optimiser, loss):
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def train(networks, crops, n_crops, grid, model, noise_sd):
    """Train, and keep the last good state should it diverge.

    Parameters
    ----------
    networks : ModuleDict
        Trained in place.
    crops : callable
        Numbers of crops -> tensor (B, H, W).
    n_crops : int
    grid : tuple of int or None
        Rows and columns in which the crops stand.
    model : ShiftVAE
        Its parameters say how to train.
    noise_sd : float
        To begin with.

    Returns
    -------
    history : list of dict
        One an epoch; losses in nats a crop.
    noise_sd : float
    ended : {"converged", "max_epochs", "diverged"}
    """
    rng = np.random.default_rng(model.random_state)
    device = next(networks.parameters()).device
    generator = torch.Generator(device).manual_seed(model.random_state)
    optimiser = torch.optim.Adam(networks.parameters(), lr=model.learning_rate, fused=True)
    smooth = model.smoothness > 0
    steps = n_crops // model.batch_size
    n_pixels = math.prod(networks["decoder"].geometry.shape)
    schedule = _Schedule(model, steps, max(_LEAST_GAIN, _PER_PIXEL * n_pixels))
    history, ended, start = [], "max_epochs", time.perf_counter()
    good = copy.deepcopy(networks.state_dict()), noise_sd
    bar = tqdm(total=model.max_epochs, disable=not model.progress, unit="epoch", leave=False)
    while not schedule.done:
        totals = dict.fromkeys(_PARTS, 0.0)
        if smooth:
            batches = blocks_of_grid(grid, BLOCK, steps, model.batch_size, rng)
        else:
            batches = rng.permutation(n_crops)[: steps * model.batch_size].reshape(steps, -1)
        for rows in batches:
            optimiser.param_groups[0]["lr"] = schedule.next_rate()
            terms = _terms(networks, crops(rows), model, noise_sd, generator, smooth)
            _descend(optimiser, terms["loss"])
            for name, value in terms.items():
                totals[name] += float(value.detach())
            if not math.isfinite(totals["loss"]):
                break
            if model.noise_sd is None and model.likelihood == "gaussian":
                # Of the likelihood, what is not constant is the sum of squares over twice the variance.
                nats = float(terms["reconstruction"].detach()) / n_pixels - math.log(noise_sd)
                squares = 2 * noise_sd**2 * max(nats - _HALF_LOG_TWO_PI, 0.0)
                mixed = _NOISE_MEMORY * noise_sd**2 + (1 - _NOISE_MEMORY) * squares
                noise_sd = max(math.sqrt(mixed), LEAST_NOISE)
        if not math.isfinite(totals["loss"]) or not _finite(networks):
            networks.load_state_dict(good[0])
            noise_sd, ended = good[1], "diverged"
            break
        good = copy.deepcopy(networks.state_dict()), noise_sd
        means = {name: total / steps for name, total in totals.items()}
        row = {
            "epoch": len(history) + 1,
            **means,
            "noise_sd": noise_sd,
            "learning_rate": optimiser.param_groups[0]["lr"],
        }
        history.append(row | {"seconds": time.perf_counter() - start})
        bar.set_postfix_str(f"loss {means['loss']:.1f}", refresh=False)
        bar.update()
        schedule.epoch_ended(means["loss"])
    bar.close()
    if ended != "diverged" and schedule.settled:
        ended = "converged"
    return history, noise_sd, ended


def _terms(networks, batch, model, noise_sd, generator, smooth):
    """Every term of the loss, in nats a crop."""
    mean, log_sd = networks["encoder"](batch)
    noise = torch.randn(mean.shape, generator=generator, device=mean.device)
    latents = mean + log_sd.exp() * noise
    geometry = networks["decoder"].geometry
    n_pose = geometry.n_pose
    decoded = networks["decoder"](latents[:, n_pose:], geometry.pose(latents))
    loss = reconstruction_loss(decoded, batch, likelihood=model.likelihood, noise_sd=noise_sd)
    kl = geometry.divergence(mean, log_sd).mean(dim=0)
    terms = {"reconstruction": loss, "kl_pose": kl[:n_pose].sum(), "kl_content": kl[n_pose:].sum()}
    penalty = loss.new_zeros(())
    if smooth:
        maps = mean[:, n_pose:].view(-1, BLOCK, BLOCK, mean.shape[1] - n_pose)
        penalty = model.smoothness * roughness(maps, kl[n_pose:].detach())
        # A map of nothing is smooth: the content must not be given up for it.
        says = information(mean[:, n_pose:], log_sd[:, n_pose:])
        penalty = penalty + _FLOOR_WEIGHT * functional.relu(_FLOOR - says)
    terms["penalty"] = penalty
    terms["loss"] = loss + model.beta * kl.sum() + penalty
    return terms


def _finite(networks):
    return all(bool(torch.isfinite(p).all()) for p in networks.parameters())


class _Schedule:
    """Full learning rate until the loss stands still, then down to nothing; and when to stop."""

    def __init__(self, model, steps, least_gain):
        self.model, self.steps, self.least_gain = model, steps, least_gain
        self.best, self.waited, self.epoch, self.step = math.inf, 0, 0, 0
        self.cooling = max(_LEAST_COOLING, math.ceil(_COOLING * model.max_epochs))
        self.turn = max(model.max_epochs - self.cooling, 0)  # the epoch at which cooling begins
        self.settled = False

    @property
    def done(self):
        return self.epoch >= min(self.turn + self.cooling, self.model.max_epochs)

    def next_rate(self):
        """Learning rate of the next step."""
        gone = (self.step / self.steps - self.turn) / self.cooling
        self.step += 1
        warm = min(1.0, self.step / _WARM_UP)
        return self.model.learning_rate * warm * min(1.0, max(1.0 - gone, 0.01))

    def epoch_ended(self, loss):
        self.epoch += 1
        if self.epoch > self.turn or self.settled:
            return
        if loss < self.best - self.least_gain:
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited >= _PATIENCE:
            self.settled = True
            self.turn = self.epoch
            self.cooling = max(_LEAST_COOLING, math.ceil(_COOLING * self.epoch))
