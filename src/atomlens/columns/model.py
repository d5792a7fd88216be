"""A trained network that finds columns: what it was trained for, its weights, its probability maps."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, maximum_filter

from atomlens import _weights
from atomlens._resources import resource
from atomlens._threads import one_torch_thread
from atomlens._types import Any, Path, Sequence, ndarray
from atomlens.columns._atomai import segmentor

__all__ = ["Chain", "ColumnModel", "Ensemble", "load_model", "model_names"]

_BORDER = 8  # pixels


@dataclass(frozen=True)
class Spec:
    """What is needed to build the network again, and what it was trained for."""

    architecture: str = "Unet"
    filters: int = 12
    classes: tuple[str, ...] = ("column",)
    feature_size: float = 1.68  # pixels: the scale to which images are brought
    electrons: tuple[float, float] = (20.0, 3000.0)
    threshold: float = 0.5


class ColumnModel:
    """A segmentation network for atomic columns.

    Build one with `atomlens.columns.train`, or load one with `load_model`.

    Parameters
    ----------
    spec : Spec
        Architecture, classes and training domain.
    seed : int
        Of the initial weights.

    Attributes
    ----------
    net : torch.nn.Module
        AtomAI's network.
    history : DataFrame
        One row a validation: ``step``, ``loss``, ``f1``, ``seconds``.
    """

    def __init__(self, spec: Any, *, seed: int = 1) -> None:
        built = segmentor(spec.architecture, len(spec.classes), spec.filters, seed=seed)
        self._hold(spec, built)

    def _hold(self, spec, built):
        import torch

        self.spec = spec
        self.segmentor = built
        self.net = self.segmentor.net.to(memory_format=torch.channels_last)
        self.history = pd.DataFrame({"step": [], "loss": [], "f1": [], "seconds": []})

    @classmethod
    def from_segmentor(
        cls, trained: Any, *, classes: Sequence[str] = ("column",), threshold: float = 0.5
    ) -> ColumnModel:
        """Take over a `Segmentor` that was trained with AtomAI's own calls on images of `Scenes`.

        Parameters
        ----------
        trained : atomai.models.Segmentor
            With one output channel a class (and no background class), as `segmentor` builds it.
        classes : sequence of str
        threshold : float

        Returns
        -------
        ColumnModel

        Raises
        ------
        ValueError
            If the number of classes is not that of the network, or its blocks have other numbers of layers.
        """
        if trained.nb_classes != len(classes):
            raise ValueError(f"the network has {trained.nb_classes} classes, {len(classes)} names were given")
        about = trained.meta_state_dict
        model = cls.__new__(cls)
        architecture, filters = about["model"], next(trained.net.parameters()).shape[0]
        ordinary = segmentor(architecture, len(classes), filters)
        if _shapes(trained.net) != _shapes(ordinary.net):
            raise ValueError("the network has other layers than AtomAI's default: build it with `segmentor`")
        model._hold(Spec(architecture, filters, tuple(classes), threshold=threshold), trained)
        return model

    def __repr__(self):
        n = sum(p.numel() for p in self.net.parameters())
        return (
            f"<ColumnModel: {self.spec.architecture}, {n:,} weights, classes {', '.join(self.spec.classes)}>"
        )

    def probability(self, prepared: ndarray) -> ndarray:
        """Probability of a column, for every pixel and class.

        Parameters
        ----------
        prepared : ndarray of shape (H, W)
            Standardised image at the trained scale, of any size; memory grows with it, so large images
            come in blocks (`find` does that).

        Returns
        -------
        ndarray of float32, shape (C, H, W)
        """
        import torch

        self.net.eval()
        height, width = prepared.shape
        # Mirrored borders: a column cut by the edge looks like a column. Pooling wants a multiple of 8.
        pad = [(_BORDER, _BORDER + -n % 8) for n in prepared.shape]
        padded = np.pad(prepared, pad, mode="symmetric").astype(np.float32)
        with one_torch_thread(), torch.inference_mode():
            batch = torch.from_numpy(padded)[None, None].contiguous(memory_format=torch.channels_last)
            logits = self.net(batch)[0, :, _BORDER : _BORDER + height, _BORDER : _BORDER + width]
            return torch.sigmoid(logits).numpy()

    def save(
        self,
        path: str | Path,
        *,
        overwrite: bool = False,
        card: dict[str, Any] | None = None,
        half: bool = False,
    ) -> None:
        """Write the weights as a plain state dict, and beside them what they are (json).

        Parameters
        ----------
        path : path-like
            Ends in ``.pt``.
        overwrite : bool
        card : dict, optional
            Recipe and scores, stored with the specification.
        half : bool
            Store half precision: half the size, and probabilities that differ by less than a hundredth.

        Raises
        ------
        FileExistsError
            If one of the two files exists and `overwrite` is False.
        ValueError
            If the name does not end in ``.pt``.
        """
        about = {**asdict(self.spec), "card": card or {}, "history": self.history.to_dict("list")}
        _weights.save(path, _weights.COLUMN_FINDER, about, self.net, overwrite=overwrite, half=half)


@dataclass(frozen=True)
class Ensemble:
    """Several networks that vote; where they disagree, the answer is uncertain.

    Parameters
    ----------
    models : sequence of ColumnModel
        Trained on the same classes, from different seeds.
    """

    models: tuple = field()

    def __post_init__(self):
        object.__setattr__(self, "models", tuple(self.models))
        _check_models(self.models, "an ensemble")
        if len(self.models) < 2:
            raise ValueError("an ensemble needs at least two models")
        if len({model.spec.classes for model in self.models}) > 1:
            raise ValueError("the models of an ensemble must have the same classes")

    @property
    def spec(self) -> Any:
        """Specification of the first model, with the median threshold of all."""
        threshold = float(np.median([model.spec.threshold for model in self.models]))
        return replace(self.models[0].spec, threshold=threshold)

    def probability(self, prepared: ndarray) -> ndarray:
        """Mean probability of the models; as for `ColumnModel.probability`."""
        return self.spread(prepared)[0]

    def spread(self, prepared: ndarray) -> ndarray:
        """Mean and standard deviation of the models' probabilities, each of shape (C, H, W)."""
        every = np.stack([model.probability(prepared) for model in self.models])
        return every.mean(axis=0), every.std(axis=0)


@dataclass(frozen=True)
class Chain:
    """Two networks in a row: the second sees only the places at which the first found something.

    Parameters
    ----------
    first : ColumnModel
        Finds where to look.
    second : ColumnModel
        Trained with ``train(..., after=first)``; says what is there.
    """

    first: ColumnModel
    second: ColumnModel

    def __post_init__(self):
        _check_models((self.first, self.second), "a chain")

    @property
    def spec(self) -> Any:
        """Specification of the second model, whose classes the chain has."""
        return self.second.spec

    def probability(self, prepared: ndarray) -> ndarray:
        """Probability of the second model's classes; as for `ColumnModel.probability`."""
        return self.second.probability(spotlight(self.first, prepared))


def _shapes(net):
    return {name: value.shape for name, value in net.state_dict().items()}


def _check_models(models, what):
    for model in models:
        if not isinstance(model, ColumnModel | Ensemble | Chain):
            raise TypeError(
                f"{what} is made of trained models, not of {type(model).__name__}: open them with load_model"
            )


def spotlight(model, prepared):
    """Fade out what lies away from the columns that a model finds: ndarray of shape (H, W)."""
    found = model.probability(prepared).max(axis=0)
    return prepared * gaussian_filter(maximum_filter(found, 5), 1.0)


def model_names() -> list[str]:
    """Names of the models that come with the package.

    Examples
    --------
    >>> "general" in model_names()
    True
    """
    return sorted(path.stem for path in resource("weights").glob("*.pt"))


def load_model(path: str | Path) -> ColumnModel:
    """Load a network that comes with atomlens, or one saved by `ColumnModel.save`.

    Parameters
    ----------
    path : str or path-like
        One of `model_names`, or a ``.pt`` file; its ``.json`` must lie beside it.

    Returns
    -------
    ColumnModel

    Raises
    ------
    FileNotFoundError
        If one of the two files is missing.
    ValueError
        If there is no model of that name, or a file is damaged, or holds something else.

    Notes
    -----
    Nothing is unpickled but tensors (``weights_only=True``), so that a file from elsewhere cannot run code.

    Examples
    --------
    >>> load_model("general")
    <ColumnModel: Unet, 334,645 weights, classes column>
    """
    if isinstance(path, str) and not path.endswith(".pt"):
        if path not in model_names():
            raise ValueError(
                f"there is no model {path!r}: choose among {', '.join(model_names())}, "
                "or give the path of a .pt file"
            )
        path = resource("weights") / f"{path}.pt"
    return _weights.load(path, _weights.COLUMN_FINDER, _described)


def _described(about):
    """A model as it was described, and its network."""
    given = {name: about[name] for name in Spec.__dataclass_fields__}
    spec = Spec(**{n: tuple(value) if isinstance(value, list) else value for n, value in given.items()})
    history = pd.DataFrame(about["history"]) if "history" in about else None
    model = ColumnModel(spec)
    if history is not None:
        model.history = history
    return model, model.net
