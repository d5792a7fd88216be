"""Whether content comes back in electrons from which it was not learned.

Binomial thinning splits counts into two parts that are independent (a Poisson number of electrons, each sent
to one of them by chance). What varies among the crops is learned from one part, and looked for in the other.
Noise does not come back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import nnls
from scipy.stats import norm
from sklearn.decomposition import PCA

from atomlens.shiftvae._crops import Crops
from atomlens.shiftvae._geometry import explained
from atomlens.shiftvae._register import one_picture, refined

# Share of the electrons that content is learned from: walls of 0.8 px, at 200 electrons a column, are found
# in 16 of 16 images with 0.7 or 0.8, and in 11 with a half.
_LEARNED = 0.7
_FEWEST, _MOST = 20, 500  # crops; of windows that overlap, so many show nearly all pixels
_JUDGED = 300  # crops from which the noise is told
_COUNTED = (0.7, 1.4)  # variance by mean of electrons that were counted; a gain or an offset changes it
_WHITE = 0.8  # of the noise between next pixels but one, in that between next pixels
_MOST_FITTED = 0.5
_SAFE = 1.05  # of the variance of noise: more noise added than there is makes the halves differ, not agree
_ROUNDING = 1e-6  # of the range: data without noise


@dataclass(frozen=True)
class Replication:
    """Whether content comes back.

    Attributes
    ----------
    p_values : ndarray of shape (n_content,)
        NaN where it cannot be told.
    why : str or None
        Why it cannot.
    """

    p_values: np.ndarray
    why: str | None = None


def compared(crops, core, start, active, *, random_state):
    """Test whether each content latent says anything about electrons from which it was not learned.

    First all crops are registered to the one picture that explains them best, so that content which only
    mends a wrong place has nothing to say. Principal components of what is left of one part are the content
    that can be learned there; for each latent of the trained model the combination that follows it best is
    taken. Its product with the same of the other part, summed over the crops, has the mean 0 if that part
    holds nothing but noise, and a variance that is known: it is linear in the pixels, whose noise is
    independent, and each pixel is counted once, in however many windows it lies.

    Parameters
    ----------
    crops : Crops
    core : Core
        Trained.
    start : Start
        Its registration.
    active : ndarray of bool, shape (n_content,)
        Latents that are to be tested; the others have the p-value 1.
    random_state : int

    Returns
    -------
    Replication
    """
    rng = np.random.default_rng(random_state)
    unknown = np.full(core.n_content, np.nan)
    if not active.any():
        return Replication(np.ones(core.n_content))
    rows = start.rows[:_MOST]  # which are in no order
    if len(rows) < _FEWEST:
        return Replication(unknown, f"{len(rows)} crops are too few")
    some = crops.take(rows)
    mean, _ = core.encode(Crops(some[:, 0] if crops.signal else some))
    pose = core.geometry.pose(mean)
    content = mean[:, core.geometry.n_pose :]
    predicted = core.decode(pose, content)
    layout = Layout.of(crops)
    noise = _noise_of(some[:_JUDGED], predicted[:_JUDGED], core, layout.count(len(rows)))
    if isinstance(noise, str):
        return Replication(unknown, noise)
    one, other, variance = _parts(layout, rows, some, predicted, noise, rng)

    def scaled(values):
        return ((values - core.offset) / core.range).astype(np.float32)

    geometry = core.geometry
    began = geometry.pose(start.latents[: len(rows), : geometry.n_pose])
    began = one_picture(scaled(some), began, geometry, core.n_content)
    learned = _left(scaled(one), began, geometry)[0].detach().numpy()
    n = min(core.n_content, *learned.shape)
    pca = PCA(n, svd_solver="randomized", iterated_power=3, random_state=0)
    scores = pca.fit_transform(learned)
    again, pixels = _left(scaled(other), began, geometry, follow=True)
    back = again @ torch.from_numpy(pca.components_.T.astype(np.float32))
    spread = np.maximum(scores.std(axis=0), 1e-12)
    weights = (
        np.linalg.lstsq(scores / spread, content - content.mean(axis=0), rcond=None)[0] / spread[:, None]
    )
    p_values = unknown.copy()
    for k, weight in enumerate(weights.T):
        if not active[k]:
            p_values[k] = 1.0
            continue
        direction = torch.from_numpy((scores @ weight)[:, None] * weight).float()
        product = (back * direction).sum()
        (slope,) = torch.autograd.grad(product, pixels, retain_graph=True)
        sd = np.sqrt(layout.variance(slope.numpy() / core.range, rows, variance))
        p_values[k] = norm.sf(product.item() / sd) if sd > 0 else 1.0
    return Replication(p_values)


def _left(crops, pose, geometry, *, follow=False):
    """What registration of one part leaves over, in the frame: (N, pixels); and the crops themselves."""
    if geometry.n_pose:
        pose = refined(crops, pose, geometry)
    pixels = torch.from_numpy(crops).requires_grad_(follow)
    placed, seen = geometry.put(pixels, torch.as_tensor(pose, dtype=torch.float32))
    total, count = placed.detach().sum(dim=0), seen.sum(dim=0)
    frame = (total + total.sum() / count.sum()) / (count + 1)
    left, seen = (placed - seen * frame).flatten(1), seen.flatten(1)
    if geometry.n_pose:
        slopes = geometry.slopes(frame)
        products = (slopes[:, None] * slopes).flatten(0, 1)
        moves = explained(left, seen, slopes, products, 1e-6 * torch.eye(len(slopes)))[0]
        left = left - seen * (moves @ slopes)
    return left, pixels


def _noise_of(crops, predicted, core, n_pixels):
    """What noise there is, or why it cannot be told; `n_pixels` different ones were learned from."""
    left = crops - predicted
    if crops.shape[2] < 4:
        return "too few pixels"
    next_, after = ((left[:, :, k:] - left[:, :, :-k]) / np.sqrt(2) for k in (1, 2))
    level = (predicted[:, :, 1:] + predicted[:, :, :-1]) / 2
    if next_.std() < _ROUNDING * core.range:
        return "there is no noise"
    whole = bool((crops >= 0).all() and (crops == np.rint(crops)).all())
    if whole and _COUNTED[0] < (next_**2).sum() / max(level.sum(), 1e-12) < _COUNTED[1]:
        return Noise(counts=True)
    if (next_**2).mean() < _WHITE * (after**2).mean():
        return (
            "the noise of neighbouring pixels is correlated, as after filtering or resampling: use the image "
            "as it was recorded"
        )
    lowest = float(predicted.min())
    design = np.column_stack([level.ravel() - lowest, np.ones(level.size)])
    gain, offset = nnls(design, next_.ravel().astype(float) ** 2)[0]
    # The picture was fitted to that noise, too: a parameter for each pixel of a crop at least.
    left = 1 - min(np.prod(core.geometry.shape) / n_pixels, _MOST_FITTED)
    return Noise(gain=gain / left, offset=offset / left, lowest=lowest)


@dataclass(frozen=True)
class Noise:
    """Counted electrons, or independent noise with a variance of offset + gain * (mean - lowest)."""

    counts: bool = False
    gain: float = 0.0
    offset: float = 0.0
    lowest: float = 0.0


def _parts(layout, rows, crops, predicted, noise, rng):
    """Crops of two independent parts, each in the units of all, and the variance of pixels of the second.

    For normal noise, x + t e and x - e / t are independent if e has the variance of the noise of x.
    """
    values = layout.pixels(crops, rows)
    if noise.counts:
        first = rng.binomial(np.rint(values).astype(np.int64), _LEARNED)
        second = (values - first) / (1 - _LEARNED)
        return layout.crops(first / _LEARNED, rows), layout.crops(second, rows), second / (1 - _LEARNED)
    mean = layout.pixels(predicted, rows, average=True)
    variance = _SAFE * (noise.offset + noise.gain * np.maximum(mean - noise.lowest, 0.0))
    ratio = (1 - _LEARNED) / _LEARNED
    added = rng.normal(size=values.shape) * np.sqrt(variance)
    first, second = values + np.sqrt(ratio) * added, values - added / np.sqrt(ratio)
    return layout.crops(first, rows), layout.crops(second, rows), variance * (1 + 1 / ratio)


@dataclass(frozen=True)
class Layout:
    """How windows lie in an image, so that pixels that they share are taken once.

    Parameters
    ----------
    shape : tuple of int
        Of a window.
    columns : int
    step : tuple of int
        Pixels from one window to the next, down and across; (0, 0) for crops that share nothing.
    size : tuple of int
        Of what all windows cover.
    """

    shape: tuple
    columns: int
    step: tuple
    size: tuple

    @classmethod
    def of(cls, crops):
        """Tell the layout from the pixels themselves: windows have often been copied, or put into one row."""
        height, width = crops.shape
        n = len(crops)

        def at(row):
            return crops.take([row])[0]

        across = _step(at(0).T, at(1).T) if n > 1 else 0
        if crops.grid is not None:
            columns = crops.grid[1]
        else:
            ends = (k + 1 for k in range(n - 1) if not _moved(at(k).T, at(k + 1).T, across)) if across else ()
            columns = next(iter(ends), n)
        down = _step(at(0), at(columns)) if columns < n and height > 1 else 0
        if not (across or down):
            return cls((height, width), n, (0, 0), (0, 0))
        step = down or height, across or width
        lines = -(-n // columns)
        return cls(
            (height, width), columns, step, ((lines - 1) * step[0] + height, (columns - 1) * step[1] + width)
        )

    def count(self, n):
        """Different pixels in so many windows, at most."""
        return min(n * np.prod(self.shape), np.prod(self.size) if any(self.step) else np.inf)

    def _place(self, row):
        y, x = divmod(int(row), self.columns)
        y, x = y * self.step[0], x * self.step[1]
        return slice(y, y + self.shape[0]), slice(x, x + self.shape[1])

    def pixels(self, crops, rows, *, average=False):
        """Every pixel once: an image, or the crops themselves if these share nothing."""
        if not any(self.step):
            return crops.astype(float)
        image, count = np.zeros(self.size), np.zeros(self.size)
        for crop, row in zip(crops, rows, strict=True):
            place = self._place(row)
            image[place] = image[place] + crop if average else crop
            count[place] += 1
        return image / np.maximum(count, 1) if average else image

    def crops(self, pixels, rows):
        """Undo `pixels`."""
        if not any(self.step):
            return pixels
        return np.stack([pixels[self._place(row)] for row in rows])

    def variance(self, slopes, rows, variance):
        """Variance of what has these slopes (N, H, W) with the pixels, from that of each pixel."""
        if not any(self.step):
            return float((slopes**2 * variance).sum())
        total = np.zeros(self.size)
        for slope, row in zip(slopes, rows, strict=True):
            total[self._place(row)] += slope
        return float((total**2 * variance).sum())


def _step(one, other):
    """How many rows further down another window begins; 0 if it shares nothing."""
    return next((s for s in range(1, len(one)) if _moved(one, other, s)), 0)


def _moved(one, other, step):
    return np.array_equal(one[step:], other[: len(other) - step])
