"""Pictures turned into the equivalent orientations of a crystal, until they agree."""

from __future__ import annotations

import numpy as np

from atomlens._turns import turned

_DISC = 0.95  # of the half width: what turns leave in the picture
_FULL = 0.65  # of the half width: from there on pixels count less and less
_ROUNDS = 5  # of aligning to the mean
_ALIKE = 0.9  # correlation of two means, one of them turned, that are perhaps one class


def all_turns(picture, turns):
    """The picture turned into all equivalent orientations, shape (turns, height, width)."""
    angles = 2 * np.pi * np.arange(1, turns) / turns
    return np.concatenate([picture[None], *(turned(picture[None], angle) for angle in angles)])


def disc(shape):
    """Mask of what no turn brings out of the picture."""
    middle = (np.array(shape) - 1) / 2
    return np.hypot(*(np.indices(shape) - middle[:, None, None])) < _DISC * middle.min()


def weight(shape):
    """1 about the centre, falling to 0 at the border: what stands there is a neighbour, and its affair."""
    middle = (np.array(shape) - 1) / 2
    radius = np.hypot(*(np.indices(shape) - middle[:, None, None])) / (middle.min() + 0.5)
    return (1 + np.cos(np.pi * np.clip((radius - _FULL) / (1 - _FULL), 0, 1))) / 2


def aligned(pictures, reference, turns):
    """Each picture in the orientation in which it agrees best with the reference."""
    inside = disc(reference.shape)
    wanted = (reference * weight(reference.shape) ** 2)[inside]
    out = np.empty_like(pictures)
    for row, picture in enumerate(pictures):
        copies = all_turns(picture, turns)
        out[row] = copies[(copies[:, inside] @ wanted).argmax()]
    return out


def reference(pictures, turns):
    """What the mean of pictures, turned until they agree with it, has beyond the mean of all turns."""
    if turns == 1:
        return np.zeros(pictures.shape[1:])
    copies = np.stack([all_turns(picture, turns) for picture in pictures])
    inside = disc(pictures.shape[1:])
    # What all orientations share has none; begin with the picture that stands out most from it.
    common = copies.mean(axis=(0, 1))
    seen = ((copies - common) * weight(common.shape))[:, :, inside]
    mean = seen[np.argmax(seen[:, 0].std(axis=1)), 0]
    for _ in range(_ROUNDS):
        best = (seen @ mean).argmax(axis=1)
        mean = seen[np.arange(len(seen)), best].mean(axis=0)
    return copies[np.arange(len(copies)), best].mean(axis=0) - common


def related(means):
    """Pairs of classes whose means differ from the common one alike, but for a turn by 60° or so."""
    inside, common = disc(means.shape[1:]), means.mean(axis=0)
    own = means - common
    pairs = []
    for a in range(len(means)):
        for b in range(a + 1, len(means)):
            turned = all_turns(own[b], 6)[1:, inside]
            if np.corrcoef(own[a][inside], turned)[0, 1:].max() > _ALIKE:
                pairs.append((a, b))
    return pairs
