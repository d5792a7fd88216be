"""A network that learns from a single frame of a movie what breaks the lattice, and looks at all others."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from atomlens import _weights
from atomlens._doubts import repeated, warn
from atomlens._extras import require
from atomlens._types import Any, ArrayLike, DataFrame, Lattice, Path, ndarray
from atomlens.columns import losses, quiet, segmentor
from atomlens.dynamics._frames import Frames
from atomlens.dynamics._lattice_filter import LatticeFilter
from atomlens.dynamics._windows import Windows
from atomlens.dynamics.labels import THRESHOLD, crowded, filter_of, labelled
from atomlens.metrics import match

__all__ = ["DefectNetwork", "load_model", "train_on_frame"]

_SHARE = 0.25  # of the frame, kept to validate on
_GAP = 2.0  # spacings between the part that is learned from and that which is not
_FEWEST = 5  # labels to learn from
_THRESHOLDS = np.arange(2, 10) / 10
_AS_GOOD = 0.003  # of F1
_PAD = 16  # pixels about a frame
_SMOOTH = 0.08  # of the distance of neighbours: before maxima of the probability are sought


@dataclass(frozen=True, eq=False)
class DefectNetwork:
    """A network that marks defects in the frames of one movie, or of movies like it.

    Build one with `train_on_frame`.

    Attributes
    ----------
    history : DataFrame
        One row a validation: ``step``, ``loss``, ``validation_loss``, ``seconds``.
    region : tuple of slice
        Part of the frame (rows, columns) that was not learned from.
    f1 : float
        Against the labels in that region, NaN if there are none.
    n_labels : int
        Labels that were learned from.
    threshold : float
        Of the probability; the best one in the region.
    doubts : list of str
    """

    net: Any
    history: pd.DataFrame
    region: tuple[slice, slice]
    f1: float
    n_labels: int
    threshold: float
    lens: LatticeFilter = field(repr=False)
    doubts: list[str] = field(default_factory=list)

    def __repr__(self):
        n = sum(p.numel() for p in self.net.parameters())
        return (
            f"<DefectNetwork: {n:,} weights, learned from {self.n_labels} labels, F1 {self.f1:.3f} against "
            f"the labels of the region it has not seen, threshold {self.threshold:.1f}>"
            + repeated(self.doubts)
        )

    def probability(self, frame: ArrayLike) -> ndarray:
        """Probability that a pixel belongs to a defect.

        Parameters
        ----------
        frame : array_like of shape (H, W)

        Returns
        -------
        ndarray of float32, of the same shape

        Raises
        ------
        ValueError
            If the frame is unusable.
        """
        frames = Frames(frame)
        lens = LatticeFilter(frames.shape, self.lens.basis)
        return self._probability(lens, [frames.first()[1].pixels])[0]

    def _probability(self, lens, images):
        """Of cleaned frames, shape (N, H, W)."""
        import torch

        self.net.eval()
        # The crystal goes on beyond the border: mirrored there, it would look like defects.
        y, x = (slice(s.start - _PAD, s.stop + _PAD + -(s.stop - s.start) % 8) for s in lens.inner)
        batch = np.stack([standardised(lens.continued(pixels)[y, x]) for pixels in images])[:, None]
        height, width = lens.shape
        with quiet(), torch.inference_mode():
            tensor = torch.from_numpy(batch).contiguous(memory_format=torch.channels_last)
            logits = self.net(tensor)[:, 0, _PAD : _PAD + height, _PAD : _PAD + width]
            return torch.sigmoid(logits).numpy()

    def detect(self, movie: ArrayLike, *, threshold: float | None = None, batch_size: int = 4) -> DataFrame:
        """Find the defects in every frame of a movie.

        Parameters
        ----------
        movie : DataArray or array_like of shape (frames, H, W), or one frame
            A lazy (Dask) movie is computed some frames at a time. Frames need the pixel size of the one that
            was learned from.
        threshold : float, optional
            Of the probability; that of validation without it.
        batch_size : int
            Frames that pass the network together.

        Returns
        -------
        DataFrame
            As of `detect_frames`.

        Raises
        ------
        ValueError
            If the movie is unusable, or a number is out of range.
        """
        threshold = self.threshold if threshold is None else threshold
        if not 0 < threshold < 1:
            raise ValueError(f"threshold is a probability between 0 and 1, got {threshold!r}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        frames = Frames(movie)
        lens = LatticeFilter(frames.shape, self.lens.basis)
        rows, waiting = [], []
        for number, prepared in frames:
            if prepared is not None:
                waiting.append((number, prepared))
            if waiting and (len(waiting) == batch_size or number == len(frames) - 1):
                maps = self._probability(lens, [one.pixels for _, one in waiting])
                for (at, one), values in zip(waiting, maps, strict=True):
                    values[lens.holes(one.pixels) | ~one.usable] = 0
                    rows.append((at, *places(lens, values, threshold)))
                waiting = []
        table = frames.table(rows)
        return finished(table, frames, lens, "network", threshold, self.doubts, told=True)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the weights as a plain state dict, and beside them what they are (json).

        `load_model` opens them, for a later movie of the same material and pixel size.

        Parameters
        ----------
        path : path-like
            Ends in ``.pt``.
        overwrite : bool

        Raises
        ------
        FileExistsError
            If one of the two files exists and `overwrite` is False.
        ValueError
            If the name does not end in ``.pt``.
        """
        about = {
            "filters": self.net.c1.block[0].out_channels,
            "shape": self.lens.shape,
            "basis": self.lens.basis.tolist(),
            "region": [[part.start, part.stop] for part in self.region],
            "f1": None if np.isnan(self.f1) else self.f1,
            "n_labels": self.n_labels,
            "threshold": self.threshold,
            "doubts": self.doubts,
            "history": self.history.to_dict("list"),
        }
        _weights.save(path, _weights.DEFECT_NETWORK, about, self.net, overwrite=overwrite)


def load_model(path: str | Path) -> DefectNetwork:
    """Load a network saved by `DefectNetwork.save`.

    Parameters
    ----------
    path : path-like
        A ``.pt`` file; its ``.json`` must lie beside it.

    Returns
    -------
    DefectNetwork

    Raises
    ------
    FileNotFoundError
        If one of the two files is missing.
    ValueError
        If a file is damaged, or holds something else.

    Notes
    -----
    Nothing is unpickled but tensors (``weights_only=True``), so that a file from elsewhere cannot run code.

    Examples
    --------
    >>> load_model("nowhere.pt")
    Traceback (most recent call last):
    FileNotFoundError: nowhere.pt does not exist: a model is a .pt file with its .json of the same name
    """
    return _weights.load(path, _weights.DEFECT_NETWORK, _described)


def _described(about):
    """A network as it was described, and what takes its weights."""
    import torch

    net = segmentor("Unet", 1, int(about["filters"])).net.to(memory_format=torch.channels_last)
    f1 = np.nan if about["f1"] is None else float(about["f1"])
    network = DefectNetwork(
        net, pd.DataFrame(about["history"]), tuple(slice(*part) for part in about["region"]), f1,
        int(about["n_labels"]), float(about["threshold"]),
        LatticeFilter(tuple(about["shape"]), about["basis"]), list(about["doubts"]),
    )  # fmt: skip
    return network, net


def places(lens, probability, threshold):
    """Maxima of a map of probability."""
    smooth = gaussian_filter(probability, _SMOOTH * lens.spacing)
    return lens.peaks(smooth, threshold)


def finished(table, frames, lens, method, threshold, said=(), *, told=False):
    """A table of detections with what later steps want to know."""
    counts = table.groupby("frame").size()
    messages = [*said, *frames.doubts(table)]
    messages += crowded(int(counts.median()), lens) if len(counts) else []
    table.attrs = {
        "n_frames": len(frames), "shape": frames.shape, "method": method, "threshold": float(threshold),
        "spacing_px": lens.spacing, "empty_frames": list(frames.empty), "doubts": messages,
    }  # fmt: skip
    warn(messages[len(said) if told else 0 :], stacklevel=3)
    return table


def standardised(pixels):
    """Pixels as the network takes them: median 0, and the usual scatter 1."""
    pixels = np.asarray(pixels, dtype=np.float32)
    low, middle, high = np.percentile(pixels, [16, 50, 84])
    return ((pixels - middle) / max((high - low) / 2, 1e-6 * abs(middle), 1e-30)).astype(np.float32)


def train_on_frame(
    frame: ArrayLike,
    *,
    threshold: float = THRESHOLD,
    lattice: Lattice | None = None,
    filters: int = 4,
    steps: int = 240,
    batch_size: int = 8,
    learning_rate: float = 1e-2,
    disturbed: bool = True,
    random_state: int = 0,
) -> DefectNetwork:
    """Train a network on a single frame, whose labels are what breaks its lattice (`label_frame`).

    A quarter of the frame at one side is kept to validate on, beyond a gap: windows that overlap would leak.

    Parameters
    ----------
    frame : array_like of shape (H, W), or DataArray
        `movie[0]`, or the one that shows most.
    threshold : float
        Of the labels, in widths of the noise.
    lattice : Lattice, optional
        Estimated from the frame without it.
    filters : int
        Of the first block of the U-Net.
    steps : int
        Batches; the learning rate follows one cosine over them.
    batch_size : int
        Windows of 128 px (less in small frames), turned and mirrored.
    learning_rate : float
        At its highest.
    disturbed : bool
        Give the windows uneven backgrounds, other gains and streaks, which a later frame may have.
    random_state : int

    Returns
    -------
    DefectNetwork

    Raises
    ------
    NotPeriodicError
        If there is no lattice in the frame.
    ValueError
        If the frame is unusable or too small, fewer than five defects are labelled to learn from, or a
        number is out of range.

    References
    ----------
    Maksov et al., npj Comput. Mater. 5, 12 (2019), who learn from one frame and split windows at random.

    Examples
    --------
    >>> from atomlens import simulate
    >>> movie = simulate.movies.hopping(16, n_frames=2, shape=(160, 160), electrons=60, random_state=2).data
    >>> network = train_on_frame(movie[0], steps=60)
    >>> network.f1 > 0.8, list(network.history.columns)
    (True, ['step', 'loss', 'validation_loss', 'seconds'])
    """
    torch = require("torch", reason="training a network")

    for name, value in {"filters": filters, "steps": steps, "batch_size": batch_size}.items():
        if not (isinstance(value, int | np.integer) and value >= 1):
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    if np.ndim(frame) != 2:
        raise ValueError(f"pass one frame (y, x), such as movie[0]; got shape {np.shape(frame)}")
    frames = Frames(frame)
    lens, said = filter_of(frames, lattice)
    prepared = frames.first()[1]
    labels, peaks = labelled(lens, prepared, threshold)
    labels[~prepared.usable | lens.holes(prepared.pixels)] = -1
    learn, region = _split(lens, peaks)
    inside = _within(peaks, learn)
    messages = [*prepared.doubts, *said, *crowded(len(peaks[0]), lens)]
    if inside.sum() < _FEWEST:
        raise ValueError(
            f"only {inside.sum()} defects are labelled in the part of the frame that is learned from, "
            f"{_FEWEST} are needed: take a frame with more of them, a lower threshold, or "
            'detect_frames(movie, method="residual"), which learns nothing'
        )
    values = standardised(prepared.pixels)
    rng = np.random.default_rng(random_state)
    windows = Windows(values[learn], labels[learn], disturbed, lens.spacing, rng)
    built = segmentor("Unet", 1, int(filters), seed=random_state + 1)
    net = built.net.to(memory_format=torch.channels_last)
    with torch.no_grad():  # begin with how rare defects are, instead of learning that first
        net.px.bias.fill_(float(np.log((labels == 1).mean())))
    optimizer = torch.optim.AdamW(net.parameters(), lr=learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps + 1)
    held = _tensor(values[region][None]), _tensor(labels[region][None])
    begun, running, history = time.perf_counter(), [], []
    every = math.ceil(steps / 8)
    with quiet():
        for step in range(1, steps + 1):
            net.train()
            images, targets = (_tensor(part) for part in windows.draw(batch_size))
            optimizer.zero_grad()
            loss = losses.cross_entropy(net(images), targets.clamp(min=0), (targets >= 0).float())
            loss.backward()
            optimizer.step()
            schedule.step()
            running.append(loss.item())
            if step % every == 0 or step == steps:
                history.append((step, np.mean(running), _held_out(net, held), time.perf_counter() - begun))
                running = []
    columns = ["step", "loss", "validation_loss", "seconds"]
    network = DefectNetwork(
        net, pd.DataFrame(history, columns=columns), region, np.nan, int(inside.sum()), 0.5, lens
    )
    best, f1 = _best_threshold(network, prepared.pixels, peaks, region)
    if np.isnan(f1):
        messages.append(
            "no defect is labelled in the region that was kept for validation: the threshold of 0.5 is "
            "untested; take a frame with more defects"
        )
    elif f1 < 0.8:
        messages.append(
            f"in the region that it has not seen, the network agrees with the labels to F1 {f1:.2f} only: "
            "train longer, or take a frame with more or clearer defects"
        )
    warn(messages)
    return DefectNetwork(net, network.history, region, f1, network.n_labels, best, lens, messages)


def _split(lens, peaks):
    """Slices of the part that is learned from, and of the one that is not: the side with its fair share."""
    height, width = lens.shape
    gap = round(_GAP * lens.spacing)
    choices = []
    for axis, size in enumerate((height, width)):
        cut = round(_SHARE * size) // 8 * 8
        whole = slice(0, lens.shape[1 - axis])
        for kept, rest in (
            (slice(0, cut), slice(cut + gap, size)),
            (slice(size - cut, size), slice(0, size - cut - gap)),
        ):
            pair = ((rest, whole), (kept, whole)) if axis == 0 else ((whole, rest), (whole, kept))
            share = _within(peaks, pair[1]).sum() / max(1, len(peaks[0]))
            choices.append((abs(share - _SHARE), len(choices), pair))
    return min(choices)[2]


def _within(peaks, region):
    rows, columns = region
    x, y = peaks[:2]
    return (x >= columns.start) & (x < columns.stop) & (y >= rows.start) & (y < rows.stop)


def _tensor(values):
    import torch

    stacked = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))[:, None]
    return stacked.contiguous(memory_format=torch.channels_last)


def _held_out(net, held):
    """Loss in the region that is not learned from."""
    import torch

    images, targets = held
    # Pooling wants multiples of 8.
    height, width = (n // 8 * 8 for n in images.shape[2:])
    images, targets = images[..., :height, :width], targets[..., :height, :width]
    net.eval()
    with torch.inference_mode():
        return losses.cross_entropy(net(images), targets.clamp(min=0), (targets >= 0).float()).item()


def _best_threshold(network, pixels, peaks, region):
    """Threshold with which the network agrees best with the labels in a region, and F1 there."""
    true = np.column_stack(peaks[:2])[_within(peaks, region)]
    if not len(true):
        return 0.5, np.nan
    probability = network._probability(network.lens, [pixels])[0]
    found = np.column_stack(places(network.lens, probability, _THRESHOLDS.min()))
    found = found[_within(found.T, region)]
    f1 = np.array(
        [match(found[found[:, 2] > t, :2], true, tolerance=network.lens.reach).f1 for t in _THRESHOLDS]
    )
    f1 = np.nan_to_num(f1)
    return float(np.median(_THRESHOLDS[f1 >= f1.max() - _AS_GOOD])), float(f1.max())
