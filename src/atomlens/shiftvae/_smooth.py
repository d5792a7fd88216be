"""Latent maps that are smooth: neighbouring windows in one batch, and a penalty on their differences."""

from __future__ import annotations

import numpy as np
import torch


def blocks_of_grid(grid, block, steps, batch_size, rng):
    """Batches of square blocks of the grid: arrays of crop numbers, block after block, row after row.

    Parameters
    ----------
    grid : tuple of int
        (rows, columns).
    block : int
        Side of a block, in windows.
    steps : int
        Batches.
    batch_size : int
        As many blocks as fit, at least one.
    rng : Generator

    Returns
    -------
    ndarray of int, shape (steps, blocks * block * block)
    """
    rows, columns = grid
    within = np.arange(block)[:, None] * columns + np.arange(block)
    count = max(1, batch_size // block**2)
    top = rng.integers(0, rows - block + 1, (steps, count))
    left = rng.integers(0, columns - block + 1, (steps, count))
    first = top * columns + left
    return (first[..., None] + within.ravel()).reshape(steps, -1)


def information(mean, log_sd):
    """What latents tell apart, in nats: of Gaussians as wide as their means are spread, in such noise.

    The divergence from the prior would not do: it is as high for a sharp posterior that is always the same.

    Parameters
    ----------
    mean, log_sd : tensor of shape (B, latents)

    Returns
    -------
    tensor, a number
    """
    ratio = mean.var(dim=0) / (2 * log_sd).exp().mean(dim=0)
    return 0.5 * torch.log1p(ratio).sum()


def roughness(maps, weight):
    """Mean squared difference between neighbours of the standardised maps.

    Standardised, so that a map cannot become smooth by becoming small; weighted by what each latent says
    (its divergence), so that one which says nothing need not say it smoothly.

    Parameters
    ----------
    maps : tensor of shape (blocks, k, k, latents)
    weight : tensor of shape (latents,)

    Returns
    -------
    tensor, a number
    """
    centred = maps - maps.mean(dim=(0, 1, 2))
    # A map of equal values has no slope of its standard deviation: what is added keeps it finite.
    standard = centred / (centred.square().mean(dim=(0, 1, 2)) + 1e-6).sqrt()
    down = (standard[:, 1:] - standard[:, :-1]).square().mean(dim=(0, 1, 2))
    across = (standard[:, :, 1:] - standard[:, :, :-1]).square().mean(dim=(0, 1, 2))
    return ((down + across) * weight).sum() / (weight.sum() + 1e-9)
