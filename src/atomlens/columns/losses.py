"""Loss functions of the segmentation, pixel by pixel."""

from __future__ import annotations

from atomlens._types import Any

__all__ = ["cross_entropy", "focal"]


def _pixelwise(logits, target):
    from torch.nn.functional import binary_cross_entropy_with_logits

    return binary_cross_entropy_with_logits(logits, target, reduction="none")


def _mean(values, weight):
    return values.mean() if weight is None else (values * weight).sum() / weight.sum().clamp(min=1)


def cross_entropy(logits: Any, target: Any, weight: Any = None) -> Any:
    """Binary cross entropy, averaged over pixels.

    Parameters
    ----------
    logits, target : torch.Tensor of the same shape
        Network output before the sigmoid, and the wanted probability in [0, 1].
    weight : torch.Tensor, optional
        0 where nothing is known about a pixel.

    Returns
    -------
    torch.Tensor
        Scalar.

    Examples
    --------
    >>> import torch
    >>> round(cross_entropy(torch.zeros(4), torch.ones(4)).item(), 4)
    0.6931
    """
    return _mean(_pixelwise(logits, target), weight)


def focal(logits: Any, target: Any, weight: Any = None, *, gamma: float = 2.0, alpha: float = 0.25) -> Any:
    """Focal loss: every pixel is focused, then the sum is divided by what there is to find.

    Parameters
    ----------
    logits, target : torch.Tensor of the same shape
        Network output before the sigmoid, and the wanted probability in [0, 1].
    weight : torch.Tensor, optional
        0 where nothing is known about a pixel.
    gamma : float
        Focusing: pixels that are right already count ``(1 - p)**gamma`` of their cross entropy.
    alpha : float
        Weight of the positive class; the negative class has ``1 - alpha``.

    Returns
    -------
    torch.Tensor
        Scalar.

    Notes
    -----
    FL = -alpha_t (1 - p_t)**gamma log p_t, summed and divided by the sum of the targets: a mean over pixels
    would vanish with the rarity of what is asked for. Targets between 0 and 1 (soft edges) are focused by
    abs(y - p)**gamma, which is the same thing for 0 and 1. AtomAI 0.8's loss of this name averages the cross
    entropy over the batch *before* it forms p_t, which leaves a rescaled cross
    entropy without any focus.

    References
    ----------
    Lin et al., ICCV (2017), arXiv 1708.02002, eq. 5 and section 4.1.

    Examples
    --------
    >>> import torch
    >>> sure, unsure = torch.tensor([4.0]), torch.tensor([0.0])
    >>> bool(focal(sure, torch.ones(1)) < 0.001 * focal(unsure, torch.ones(1)))
    True
    """
    import torch

    p = torch.sigmoid(logits)
    balance = alpha * target + (1 - alpha) * (1 - target)
    values = balance * (target - p).abs() ** gamma * _pixelwise(logits, target)
    if weight is not None:
        values, target = values * weight, target * weight
    return values.sum() / target.sum().clamp(min=1)
