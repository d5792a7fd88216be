"""The one door to AtomAI: it closes the traps that its version 0.8 has in practice."""

from __future__ import annotations

import contextlib
import io
import warnings
from functools import cache

from atomlens._extras import require
from atomlens._threads import one_torch_thread
from atomlens._torch import keep_random_state
from atomlens._types import Any

_OPERATORS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


@cache
def _declared_operators():
    """Declare torchvision's compiled operators where its binary cannot load, so that it imports at all.

    PyPI's torchvision for Linux is built for CUDA and cannot load beside a CPU torch; it then stumbles
    over its own missing operators. AtomAI uses none of them. The library object must stay alive, hence
    the cache.
    """
    torch = require("torch", reason="finding columns with a network")
    library = torch.library.Library("torchvision", "DEF")
    for schema in _OPERATORS.values():
        # where the binary did load, the operator is there already
        with contextlib.suppress(RuntimeError):
            library.define(schema)
    return library


@cache
def import_atomai():
    """Import AtomAI, whether or not torchvision's compiled operators fit the installed torch.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If torch or AtomAI is not installed; the message names the extra.
    """
    reason = "finding columns with a network"
    require("torch", reason=reason)
    with warnings.catch_warnings(), keep_random_state(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            require("torchvision", reason=reason)
        except RuntimeError:  # "operator torchvision::nms does not exist"
            _forget("torchvision")
            _declared_operators()
        return require("atomai", reason=reason)


def _forget(package):
    """Drop a half-imported package, so that it can be imported again."""
    import sys

    for name in [n for n in sys.modules if n == package or n.startswith(package + ".")]:
        del sys.modules[name]


@contextlib.contextmanager
def quiet() -> None:
    """Silence AtomAI's bare prints and its warnings, keep the random state, and stay on one thread."""
    silence = contextlib.redirect_stdout(io.StringIO())
    with warnings.catch_warnings(), keep_random_state(), one_torch_thread(), silence:
        warnings.simplefilter("ignore")
        yield


def segmentor(architecture: str, n_classes: int, filters: int, *, seed: int = 1) -> Any:
    """Build an AtomAI `Segmentor` whose weights depend on the seed alone.

    Parameters
    ----------
    architecture : {"Unet", "dilnet"}
    n_classes : int
        Output channels.
    filters : int
        Filters of the first block.
    seed : int

    Returns
    -------
    atomai.models.Segmentor
    """
    atomai = import_atomai()
    with quiet():
        return atomai.models.Segmentor(architecture, nb_classes=n_classes, nb_filters=filters, seed=seed)
