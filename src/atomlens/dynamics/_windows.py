"""Windows of a frame to learn from."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

_CROP, _LEAST_CROP = 128, 32  # pixels


class Windows:
    """Draws windows from a part of a frame, half of them about a defect, turned, mirrored and disturbed."""

    def __init__(self, values, labels, disturbed, spacing, rng):
        self.values, self.labels, self.disturbed, self.rng = values, labels, disturbed, rng
        self.size = min(_CROP, min(values.shape) // 8 * 8)
        if self.size < _LEAST_CROP:
            raise ValueError(
                f"the part of the frame to learn from, {values.shape[0]} x {values.shape[1]} pixels, is too "
                f"small: {_LEAST_CROP} are needed along each axis"
            )
        self.defects = np.argwhere(labels == 1)
        self.smooth = 3 * spacing

    def draw(self, count):
        """Images and labels, (count, size, size) each."""
        images, targets = [], []
        for k in range(count):
            limit = np.array(self.values.shape) - self.size
            if k % 2:
                centre = self.defects[self.rng.integers(len(self.defects))]
                corner = centre - self.rng.integers(0, self.size, 2)
            else:
                corner = self.rng.integers(0, limit + 1)
            y, x = np.clip(corner, 0, limit)
            at = (slice(y, y + self.size), slice(x, x + self.size))
            turn, mirror = self.rng.integers(4), self.rng.integers(2)
            image, target = (np.rot90(a[at], turn) for a in (self.values, self.labels))
            image, target = (a[:, ::-1] if mirror else a for a in (image, target))
            images.append(self._disturb(image) if self.disturbed else image)
            targets.append(target)
        return np.stack(images), np.stack(targets)

    def _disturb(self, image):
        """Another gain, a smooth background, offsets of rows."""
        rng, n = self.rng, self.size
        image = image * rng.uniform(0.85, 1.15) + rng.normal(0, 0.15)
        if rng.random() < 0.5:
            hill = gaussian_filter(rng.normal(size=(n, n)), self.smooth, mode="wrap")
            image = image + rng.uniform(0, 0.6) * hill / hill.std()
        if rng.random() < 0.3:
            image = image + rng.normal(0, rng.uniform(0, 0.25), (n, 1))
        return image.astype(np.float32)
