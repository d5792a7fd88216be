"""The network: an encoder-decoder with a pyramid of dilated convolutions where the picture is smallest."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_DILATIONS = (1, 2, 4, 8)


def _block(first, last, dilation=1):
    return nn.Sequential(
        nn.Conv2d(first, last, 3, padding=dilation, dilation=dilation),
        nn.BatchNorm2d(last),
        nn.LeakyReLU(0.1, inplace=True),
    )


class OrientationNet(nn.Module):
    """From a frame (N, 1, H, W), H and W multiples of 4, to place, cosine and sine (N, 3, H, W).

    Skip connections bring back what is fine; the pyramid (L.-C. Chen and others, IEEE TPAMI 40, 834, 2018)
    sees surroundings of several sizes at once.
    """

    def __init__(self, filters, template):
        super().__init__()
        self.register_buffer(
            "template", torch.as_tensor(template, dtype=torch.float32)
        )  # travels with the weights
        a, b, c = filters, 2 * filters, 4 * filters
        self.fine = nn.Sequential(_block(1, a), _block(a, a))
        self.middle = nn.Sequential(_block(a, b), _block(b, b))
        self.coarse = _block(b, c)
        self.pyramid = nn.ModuleList([_block(c, c // 2, dilation) for dilation in _DILATIONS])
        self.join = _block(len(_DILATIONS) * c // 2, c)
        self.up_middle, self.up_fine = _block(c + b, b), _block(b + a, a)
        self.answer = nn.Conv2d(a, 3, 1)
        self.to(memory_format=torch.channels_last)  # a fifth to a third faster on CPUs

    def forward(self, x):
        """Logits of the place; of cosine and sine of the angle, times how sure they are, the inverse tanh."""
        fine = self.fine(x.contiguous(memory_format=torch.channels_last))
        middle = self.middle(F.max_pool2d(fine, 2))
        coarse = self.coarse(F.max_pool2d(middle, 2))
        coarse = self.join(torch.cat([level(coarse) for level in self.pyramid], 1))
        middle = self.up_middle(torch.cat([_up(coarse, middle), middle], 1))
        fine = self.up_fine(torch.cat([_up(middle, fine), fine], 1))
        return self.answer(fine).split((1, 2), 1)


def swift(net):
    """A copy of a trained network to be asked, not trained: normalisations are part of the convolutions."""
    net = copy.deepcopy(net)
    for block in [module for module in net.modules() if isinstance(module, nn.Sequential)]:
        if isinstance(block[0], nn.Conv2d):
            block[0], block[1] = fuse_conv_bn_eval(block[0], block[1]), nn.Identity()
    return net.to(memory_format=torch.channels_last)


def _up(small, like):
    return F.interpolate(small, size=like.shape[2:], mode="bilinear", align_corners=False)


def fitted(pictures, template, *, filters, steps, rate, progress):
    """Train on batches of (crops, answers) that `pictures` makes; returns the network and its losses."""
    net = OrientationNet(filters, template)
    optimiser = torch.optim.Adam(net.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    losses = []
    with ThreadPoolExecutor(1) as painter:  # one batch ahead
        drawn = painter.submit(pictures)
        for step in progress(range(steps)):
            crops, answers = map(torch.from_numpy, drawn.result())
            if step + 1 < steps:
                drawn = painter.submit(pictures)
            losses.append(_step(net, optimiser, crops, answers))
            schedule.step()
    return net.eval(), losses


def _step(net, optimiser, crops, answers):
    """Learn from one batch; its losses."""
    place, angle = net(crops)
    blob = answers[:, :1]
    wrong_place = F.binary_cross_entropy_with_logits(place, blob)
    miss = ((torch.tanh(angle) - answers[:, 1:]) ** 2).sum(1, keepdim=True)
    wrong_angle = (miss * blob).sum() / blob.sum().clamp(min=1)
    optimiser.zero_grad()
    (_PLACE * wrong_place + wrong_angle).backward()
    optimiser.step()
    return float(wrong_place.detach()), float(wrong_angle.detach())


_PLACE = 4.0  # weight of places against angles: both losses are then about as large at the end
