"""Train a network on images that are made while it trains."""

from __future__ import annotations

import math
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from atomlens import metrics
from atomlens._extras import require
from atomlens._types import Any, Callable, Path, Sequence, Structure
from atomlens.columns import losses
from atomlens.columns._atomai import quiet
from atomlens.columns._locate import locate
from atomlens.columns.model import ColumnModel, Spec, spotlight
from atomlens.columns.scenes import FEATURE_SIZE, Scenes

__all__ = ["train"]

_TOLERANCE = 2.0  # pixels of the trained scale
_THRESHOLDS = np.arange(10, 75, 5) / 100
_AS_GOOD = 0.003  # of F1
_VALIDATION_SEED = 987_654_321
_LOSSES = {"ce": losses.cross_entropy, "focal": losses.focal}


def train(
    structures: Structure | Sequence[Structure] | Scenes,
    *,
    architecture: str = "Unet",
    filters: int = 8,
    classes: str = "column",
    loss: str | Callable[..., Any] = "ce",
    steps: int = 300,
    batch_size: int = 16,
    learning_rate: float = 3e-3,
    validate_every: int = 50,
    n_validation: int = 16,
    patience: int | None = None,
    start: ColumnModel | None = None,
    prior_start: bool = True,
    after: ColumnModel | None = None,
    workers: int = 0,
    progress: bool = True,
    checkpoint: str | Path | None = None,
    random_state: int = 0,
    **scenes: Any,
) -> ColumnModel:
    """Train a column finder on the fly.

    Parameters
    ----------
    structures : Structure, sequence of Structure, or Scenes
        What the images show; see `Scenes` for how they are made.
    architecture : {"Unet", "dilnet"}
        AtomAI's network.
    filters : int
        Filters of its first block.
    classes : {"column", "sublattice", "species", "defect"}
        What is told apart.
    loss : {"ce", "focal"} or callable
        Cross entropy, per-pixel focal loss, or a function of (logits, target, weight).
    steps : int
        Batches in all; the learning rate follows one cosine over them, after a short warm-up.
    batch_size : int
    learning_rate : float
        At its highest.
    validate_every : int
        Steps between validations.
    n_validation : int
        Scenes of the validation set, never used for training.
    patience : int, optional
        Stop after so many validations without a better F1.
    start : ColumnModel, optional
        A trained network of the same architecture and classes whose weights are the first ones here:
        fine-tuning, with a lower `learning_rate`.
    prior_start : bool
        Begin with an output that says everywhere how frequent the classes are (Lin et al., section 4.1), and
        not one half. Without it, the first hundreds of steps go into learning that a rare thing is rare.
    after : ColumnModel, optional
        A network that goes first in a `Chain`: this one then sees only the places it points at.
    workers : int
        Processes that draw scenes ahead: 0 draws them in between.
    progress : bool
        Show a bar with loss and F1.
    checkpoint : path-like, optional
        File to which the state is written at every validation, and from which an interrupted training
        goes on.
    random_state : int
    **scenes
        Further options of `Scenes`: ``size``, ``probe``, ``electrons``, ``disturbed``, ``wild``,
        ``scale_error``, ``support``.

    Returns
    -------
    ColumnModel
        With the weights of the best validation, the threshold at which these score best on it, and its
        ``history``.

    Raises
    ------
    ValueError
        If an option is unknown or out of range, a checkpoint belongs to another recipe, or nothing is asked
        for in the whole validation set.

    References
    ----------
    Ronneberger et al., MICCAI (2015), arXiv 1505.04597, for the U-Net. Lin et al., ICCV (2017), arXiv
    1708.02002, for the focal loss and the start.

    Examples
    --------
    >>> from atomlens.simulate import structures
    >>> model = train(structures.graphene((8, 8)), steps=2, batch_size=2, validate_every=1, n_validation=1,
    ...               filters=2, size=32, progress=False)
    >>> list(model.history.columns)
    ['step', 'loss', 'f1', 'seconds']
    """
    torch = require("torch", reason="training a network")

    if architecture not in ("Unet", "dilnet"):
        raise ValueError(f"architecture must be 'Unet' or 'dilnet', got {architecture!r}")
    criterion = _LOSSES.get(loss, loss)
    if not callable(criterion):
        raise ValueError(f"loss must be {', '.join(map(repr, _LOSSES))} or a function, got {loss!r}")
    least = {"filters": filters, "steps": steps, "batch_size": batch_size, "validate_every": validate_every}
    for name, value in least.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    for name, value in (("start", start), ("after", after)):
        if value is not None and not hasattr(value, "probability"):
            what = type(value).__name__
            raise TypeError(f"{name} must be a trained model, not {what}: open it with load_model")
    if not isinstance(structures, Scenes):
        many = structures if isinstance(structures, list | tuple) else [structures]
        structures = Scenes(many, classes=classes, **scenes)
    elif scenes or classes != "column":
        raise ValueError("classes and the options of Scenes are set in the Scenes object that was passed")
    stream = structures
    spec = Spec(
        architecture=architecture,
        filters=filters,
        classes=stream.class_names,
        feature_size=FEATURE_SIZE,
        electrons=stream.electrons,
    )
    model = ColumnModel(spec, seed=random_state + 1)
    rng = np.random.default_rng([random_state, _VALIDATION_SEED])
    held_out = [
        (_seen(image, after), target, truth)
        for image, target, _, truth in (stream.draw(rng) for _ in range(n_validation))
    ]
    if not any((truth["scored"] & (truth["label"] >= 0)).any() for *_, truth in held_out):
        raise ValueError(
            f"none of the {n_validation} scenes of the validation set shows what is asked for: raise "
            "n_validation, or take structures in which it is less rare"
        )
    if start is not None:
        if _shape(start.spec) != _shape(spec):
            raise ValueError(f"cannot start {_shape(spec)} from weights of {_shape(start.spec)}")
        model.net.load_state_dict(start.net.state_dict())
    elif prior_start:
        _begin_at_prior(model.net, held_out)
    optimizer = torch.optim.AdamW(model.net.parameters(), lr=learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    recipe = {
        "steps": steps,
        "seed": random_state,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "loss": loss if isinstance(loss, str) else getattr(loss, "__qualname__", "its own"),
        "scenes": f"{stream} of {', '.join(s.name for s in stream.structures)}",
    }
    state = _State(model, optimizer, schedule, checkpoint, recipe)

    begun, running, stale = time.perf_counter() - state.seconds, [], 0
    seeds = [[random_state, step] for step in range(state.step, steps)]
    with quiet(), _drawn(stream, batch_size, seeds, workers) as batches:
        bar = tqdm(batches, total=steps, initial=state.step, disable=not progress, unit="step")
        for batch in bar:
            model.net.train()
            batch = (np.stack([_seen(image, after) for image in batch[0]]), *batch[1:])
            images, targets, weights = (
                torch.from_numpy(part).contiguous(memory_format=torch.channels_last) for part in batch
            )
            optimizer.zero_grad()
            value = criterion(model.net(images), targets, weights)
            value.backward()
            optimizer.step()
            schedule.step()
            running.append(value.item())
            state.step += 1
            if state.step % validate_every == 0 or state.step == steps:
                f1 = float(_validate(model, held_out).max())
                better = state.record(np.mean(running), f1, time.perf_counter() - begun)
                bar.set_postfix(loss=f"{np.mean(running):.4f}", F1=f"{f1:.4f}")
                running, stale = [], 0 if better else stale + 1
                if patience is not None and stale >= patience:
                    break
    return _with_best_threshold(state.best_model(), held_out)


def _shape(spec):
    return f"{spec.architecture} with {spec.filters} filters for {', '.join(spec.classes)}"


def _seen(image, after):
    """An image of shape (1, H, W) as the network sees it: lit by the one before it, if there is one."""
    return image if after is None else spotlight(after, image[0])[None]


def _begin_at_prior(net, scenes):
    """Let the untrained network answer with the frequency of what is asked for."""
    import torch

    prior = np.mean([target.mean(axis=(1, 2)) for _, target, _ in scenes], axis=0)
    logit = np.log(np.clip(prior, 1e-4, 0.5)) - np.log1p(-np.clip(prior, 1e-4, 0.5))
    with torch.no_grad():
        net.px.bias.copy_(torch.from_numpy(logit))


def _rate(step, steps):
    """Relative learning rate: a short linear rise, then half a cosine down to 1 %."""
    rise = max(1, min(100, steps // 20))
    if step < rise:
        return (step + 1) / rise
    return 0.01 + 0.99 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))) / 2


def _validate(model, scenes):
    """F1 over all columns of the held-out scenes, at each of several thresholds.

    Counted per class, so that a column of the wrong class is a miss and a false alarm; the mean of the
    classes is what counts, so that a rare one counts as much as a common one.
    """
    counts = sum(_counts(model, image, truth, _THRESHOLDS) for image, _, truth in scenes)
    hits, found, true = np.moveaxis(counts, -1, 0)
    asked = true.sum(axis=0) > 0
    return (2 * hits / np.maximum(found + true, 1))[:, asked].mean(axis=1)


def _counts(model, image, truth, thresholds):
    """Hits, columns found and columns asked for in one scene: array (threshold, class, 3)."""
    maps = model.probability(image[0])
    x, y, label, score = locate(maps, threshold=min(thresholds), min_distance=2.0)
    found = pd.DataFrame({"x": x, "y": y})
    scored = truth["scored"].astype(bool)
    counts = np.zeros((len(thresholds), len(maps), 3))
    for i, threshold in enumerate(thresholds):
        for index in range(len(maps)):
            result = metrics.match(
                found[(score >= threshold) & (label == index)],
                truth[(truth["label"] == index) | ~scored],
                tolerance=_TOLERANCE,
                border=4,
                shape=maps.shape[1:],
            )
            counts[i, index] = result.n_matched, result.n_found, result.n_truth
    return counts


def _with_best_threshold(model, scenes):
    """Give a model the threshold at which it does best on scenes that it was not trained on.

    Among thresholds that are as good as the best one, the highest: false columns mislead more than gaps do.
    """
    scores = _validate(model, scenes)
    best = _THRESHOLDS[scores >= scores.max() - _AS_GOOD].max()
    model.spec = replace(model.spec, threshold=float(best))
    return model


class _State:
    """Where a training stands: enough to go on after an interruption."""

    def __init__(self, model, optimizer, schedule, path, recipe):
        self.model, self.optimizer, self.schedule, self.path = model, optimizer, schedule, path
        self.recipe = {**recipe, "spec": repr(model.spec)}
        self.step, self.seconds, self.best, self.rows, self.weights = 0, 0.0, -1.0, [], None
        if path is not None:
            from pathlib import Path

            self.path = Path(path)
            if self.path.exists():
                self._resume()

    def _resume(self):
        import torch

        kept = torch.load(self.path, map_location="cpu", weights_only=True)
        if kept["recipe"] != self.recipe:
            raise ValueError(
                f"{self.path} belongs to another training: delete it, or name another checkpoint"
            )
        self.model.net.load_state_dict(kept["net"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.schedule.load_state_dict(kept["schedule"])
        for name in ("step", "seconds", "best", "rows", "weights"):
            setattr(self, name, kept[name])

    def record(self, loss, f1, seconds):
        """Note a validation; returns whether it was better than all before."""
        self.seconds = float(seconds)
        self.rows.append([self.step, float(loss), float(f1), self.seconds])
        better = f1 > self.best
        if f1 >= self.best:  # of equals the last one: it was trained longer
            self.best = float(f1)
            self.weights = {n: v.detach().clone() for n, v in self.model.net.state_dict().items()}
        if self.path is not None:
            self._write()
        return better

    def _write(self):
        import torch

        temporary = self.path.with_suffix(".part")
        torch.save(
            {
                "recipe": self.recipe,
                "net": self.model.net.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                **{name: getattr(self, name) for name in ("step", "seconds", "best", "rows", "weights")},
            },
            temporary,
        )
        temporary.replace(self.path)

    def best_model(self):
        self.model.net.load_state_dict(self.weights)
        self.model.net.eval()
        self.model.history = pd.DataFrame(self.rows, columns=["step", "loss", "f1", "seconds"])
        return self.model


@contextmanager
def _drawn(stream, n, seeds, workers):
    """Batches in order, drawn in between or ahead by other processes."""
    if not workers:
        yield (stream.batch(n, seed) for seed in seeds)
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_keep, initargs=(stream, n)
    ) as pool:
        yield _ahead(pool, seeds, 4 * workers)


_kept = {}  # in a worker: one copy of the structures a process, not one a batch


def _keep(stream, n):
    _kept.update(stream=stream, n=n)


def _draw_batch(seed):
    return _kept["stream"].batch(_kept["n"], seed)


def _ahead(pool, seeds, depth):
    """Yield results in order with `depth` batches under way."""
    waiting = []
    for seed in seeds:
        waiting.append(pool.submit(_draw_batch, seed))
        if len(waiting) >= depth:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()
